/* SPDX-License-Identifier: MIT */
/*
 * command - does a command end as it should? (check)
 *
 * run (argument list), timeout (30), status (0), output (extended regular
 * expression, matched against what it writes to its standard output; '^' and
 * '$' are those of a line), as_before (false: its output must be what it was
 * before anything was changed; for verifications). The command runs in the
 * root, without a terminal; it must change nothing. The first 64 KiB of its
 * output are looked at.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/child.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "steps.h"

#define TIMEOUT_S 30

struct command_check {
	struct strvec argv;
	char *output;
	double timeout_s;
	int64_t status;
	bool as_before;
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
	(void)plan_node_bool(n, "as_before", &m->as_before);
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

/* --- as before --- */

static char *fact_key(const struct step *s)
{
	return xasprintf("command:%s:%d", s->id, s->line);
}

static uint64_t count_lines(const struct strbuf *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < out->len; i++)
		n += out->buf[i] == '\n';
	return n;
}

static struct json_object *answer_of(const struct strbuf *out)
{
	struct xxh128 d = xxh128_of(out->buf, out->len);
	struct json_object *o = json_object_new_object();
	char digest[XXH128_TEXT_SIZE];

	xxh128_format(&d, digest);
	json_set_str(o, "output", digest);
	json_set_int(o, "lines", (int64_t)count_lines(out));
	return o;
}

static int command_baseline(const struct step *s, struct step_ctx *ctx,
			    struct error *err)
{
	const struct command_check *m = s->priv;
	_cleanup_free_ char *key = fact_key(s);
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct step_command cmd = {
		.argv = &m->argv, .timeout_s = m->timeout_s,
		.read_only = true, .capture = &out,
	};
	struct child_result res;
	int ret;

	/* asked once: later there is no "before" any more */
	if (!m->as_before || step_get_run_fact(ctx, key))
		return 0;
	ret = step_command(ctx, &cmd, &res, err);
	if (ret < 0)
		return ret;
	if (res.timed_out || res.signal || res.exit_status != m->status)
		return error_set(err, ERR_STEP_COMMAND, -EPIPE,
				 _("'%s' fails already before the change"),
				 m->argv.v[0]);
	return step_set_run_fact(ctx, key, answer_of(&out), err);
}

static void compare(const struct step *s, struct step_ctx *ctx,
		    const char *name, const struct strbuf *out,
		    struct check_result *r)
{
	_cleanup_free_ char *key = fact_key(s);
	struct json_object *before = step_get_run_fact(ctx, key);
	_cleanup_json_ struct json_object *now = answer_of(out);

	if (!before)
		check_result_set(r, CHECK_WARN,
				 _("'%s' was not asked before the change"),
				 name);
	else if (strcmp(json_get_str(before, "output", ""),
			json_get_str(now, "output", "")) != 0)
		check_result_set(r, CHECK_FAIL,
				 _("'%s' does not answer as before: %lld "
				   "lines, before %lld"), name,
				 (long long)json_get_int(now, "lines", 0),
				 (long long)json_get_int(before, "lines", 0));
	else
		check_result_set(r, CHECK_OK, _("'%s' answers as before"),
				 name);
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
	if (m->as_before && r->state == CHECK_OK)
		compare(s, ctx, name.buf, &out, r);
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
	.baseline = command_baseline,
	.release = command_release,
};
