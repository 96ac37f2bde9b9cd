/* SPDX-License-Identifier: MIT */
/* A command must end with a status, and its output may have to match. */
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "steps.h"

struct command {
	struct strvec run;
	double timeout_s;
	int64_t status;
	char *output;
};

static int parse(struct step *s, struct plan_node *n)
{
	struct command *p = s->priv = xcalloc(1, sizeof(*p));

	p->timeout_s = 30;
	(void)plan_node_argv(n, "run", true, &p->run);
	(void)plan_node_duration(n, "timeout", &p->timeout_s);
	(void)plan_node_int(n, "status", false, 0, 255, &p->status);
	(void)plan_node_regex(n, "output", false, &p->output);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static bool matches(const char *pattern, const char *text)
{
	regex_t re;
	bool ret;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE))
		return false;
	ret = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return ret;
}

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	const struct command *p = s->priv;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct step_command cmd = { .argv = &p->run, .read_only = true,
				    .timeout_s = p->timeout_s,
				    .capture = &out };
	struct child_result res;
	int ret = step_command(c, &cmd, &res, err);

	if (ret < 0)
		return ret;
	if (res.timed_out)
		check_result_set(r, CHECK_FAIL,
			_("'%s' took longer than %.0f s"), p->run.v[0],
			p->timeout_s);
	else if (res.exit_status < 0)
		check_result_set(r, CHECK_FAIL,
			_("'%s' was ended by signal %d"), p->run.v[0],
			res.signal);
	else if (res.exit_status != p->status)
		check_result_set(r, CHECK_FAIL,
			_("'%s' ended with status %d, not %lld"), p->run.v[0],
			res.exit_status, (long long)p->status);
	else if (p->output && !matches(p->output, out.buf))
		check_result_set(r, CHECK_FAIL,
			_("the output of '%s' does not match '%s'"),
			p->run.v[0], p->output);
	else
		check_result_set(r, CHECK_OK, _("'%s' ended as it should"),
				 p->run.v[0]);
	return 0;
}

static void release(struct step *s)
{
	struct command *p = s->priv;

	strvec_release(&p->run);
	free(p->output);
	free(p);
}

const struct step_ops check_command_ops = {
	.name = "command",
	.flags = STEP_IS_CHECK,
	.parse = parse,
	.check = check,
	.release = release,
};
