/* SPDX-License-Identifier: MIT */
/*
 * command - does a command end as it should? (check)
 *
 * run (argument list), timeout (30), status (0), output (extended regular
 * expression, matched against what it writes to its standard output; '^' and
 * '$' are those of a line). The command runs in the root, without a terminal;
 * it must change nothing.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/child.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "steps.h"

#define TIMEOUT_S 30

struct command_check {
	struct strvec argv;
	char *output;
	double timeout_s;
	int64_t status;
};

static int command_parse(struct step *s, struct plan_node *n)
{
	struct command_check *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	m->timeout_s = TIMEOUT_S;
	(void)plan_node_argv(n, "run", true, &m->argv);
	if (plan_node_duration(n, "timeout", &m->timeout_s) &&
	    m->timeout_s <= 0)
		plan_node_problem(n, "timeout",
				  _("the time limit must be above 0"));
	(void)plan_node_int(n, "status", false, 0, 255, &m->status);
	(void)plan_node_regex(n, "output", false, &m->output);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static bool matches(const char *pattern, const char *text)
{
	regex_t re;
	bool yes;

	/* it compiled when the plan was read */
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB))
		return false;
	yes = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return yes;
}

/* the last line that is not empty, escaped, or NULL */
static char *last_line(const struct strbuf *tail)
{
	size_t end = tail->len, begin;
	_cleanup_free_ char *line = NULL;

	while (end && strchr(" \t\n", tail->buf[end - 1]))
		end--;
	for (begin = end; begin && tail->buf[begin - 1] != '\n';)
		begin--;
	if (begin == end)
		return NULL;
	line = xstrndup(tail->buf + begin, end - begin);
	return escape_bytes(line);
}

static void fail_with(struct check_result *r, char *what,
		      const struct strbuf *tail)
{
	_cleanup_free_ char *text = what;
	_cleanup_free_ char *line = last_line(tail);

	if (line)
		check_result_set(r, CHECK_FAIL, "%s: %s", text, line);
	else
		check_result_set(r, CHECK_FAIL, "%s", text);
	r->code = ERR_STEP_COMMAND;
}

static void judge(const struct command_check *m, const char *name,
		  const struct child_result *res, const struct strbuf *out,
		  const struct strbuf *tail, struct check_result *r)
{
	if (res->timed_out)
		fail_with(r, xasprintf(_("'%s' did not end within %g s"), name,
				       m->timeout_s), tail);
	else if (res->signal)
		fail_with(r, xasprintf(_("'%s' was ended by signal %d (%s)"),
				       name, res->signal,
				       strsignal(res->signal)), tail);
	else if (res->exit_status != m->status)
		fail_with(r, xasprintf(_("'%s' ended with status %d, "
					 "expected %d"), name,
				       res->exit_status, (int)m->status),
			  tail);
	else if (m->output && !matches(m->output, out->buf))
		fail_with(r, xasprintf(_("the output of '%s' does not match "
					 "'%s'"), name, m->output), tail);
	else
		check_result_set(r, CHECK_OK,
				 _("'%s' ended with status %d"), name,
				 res->exit_status);
}

static int command_check(const struct step *s, struct step_ctx *ctx,
			 struct check_result *r, struct error *err)
{
	const struct command_check *m = s->priv;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT, tail = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	struct step_command cmd = {
		.argv = &m->argv, .timeout_s = m->timeout_s,
		.read_only = true, .capture = &out, .tail = &tail,
	};
	struct child_result res;
	int ret;

	ret = step_command(ctx, &cmd, &res, err);
	if (ret < 0)
		return ret;
	/* the whole line: a plan runs one program in many ways */
	for (size_t i = 0; i < m->argv.n; i++) {
		if (i)
			strbuf_addch(&name, ' ');
		strbuf_add_escaped(&name, m->argv.v[i], strlen(m->argv.v[i]));
	}
	judge(m, name.buf, &res, &out, &tail, r);
	return 0;
}

static void command_release(struct step *s)
{
	struct command_check *m = s->priv;

	strvec_release(&m->argv);
	free(m->output);
	free(m);
}

const struct step_ops check_command_ops = {
	.name = "command",
	.flags = STEP_IS_CHECK,
	.parse = command_parse,
	.check = command_check,
	.release = command_release,
};
