/* SPDX-License-Identifier: MIT */
/*
 * version - is a version within bounds? (check)
 *
 * It stands in a file (path), where pattern finds it (first group, or all that
 * matches), or pointer (JSON Pointer to a string or a number of the document);
 * or run (timeout 30) says it, and pattern finds it in the output. min, max: at least one.
 * How versions compare is in base/version.h; max = "1.9" takes 1.9.7 and not
 * 1.10.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/child.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/version.h"
#include "base/xalloc.h"
#include "json-pointer.h"
#include "step-files.h"
#include "steps.h"

#define TIMEOUT_S 30
#define FILE_MAX (16u * 1024u * 1024u)

struct version_check {
	char *path, *pattern, *pointer;
	struct strvec argv;
	char *min, *max;
	double timeout_s;
};

static void check_source(struct plan_node *n)
{
	bool path = plan_node_has(n, "path"), run = plan_node_has(n, "run");
	bool pattern = plan_node_has(n, "pattern");
	bool pointer = plan_node_has(n, "pointer");

	if (path == run)
		plan_node_problem(n, path ? "run" : NULL,
				  _("one of 'path' and 'run' is needed"));
	else if (run && pointer)
		plan_node_problem(n, "pointer",
				  _("'pointer' goes with 'path' alone"));
	else if (pattern == pointer)
		plan_node_problem(n, pattern ? "pointer" : NULL, path ?
			_("one of 'pattern' and 'pointer' is needed") :
			_("'pattern' is needed to find the version"));
}

static void take_bound(struct plan_node *n, const char *key, char **ret)
{
	if (plan_node_string(n, key, false, ret) && !version_valid(*ret))
		plan_node_problem(n, key, _("'%s' is no version"), *ret);
}

static int version_parse(struct step *s, struct plan_node *n)
{
	struct version_check *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	(void)plan_node_path(n, "path", false, &m->path);
	(void)plan_node_regex(n, "pattern", false, &m->pattern);
	if (plan_node_raw(n, "pointer", false, &m->pointer) &&
	    !json_pointer_valid(m->pointer))
		plan_node_problem(n, "pointer",
				  _("'%s' is no JSON Pointer (\"/a/b\")"),
				  m->pointer);
	(void)plan_node_argv(n, "run", false, &m->argv);
	m->timeout_s = TIMEOUT_S;
	if (plan_node_duration(n, "timeout", &m->timeout_s) &&
	    m->timeout_s <= 0)
		plan_node_problem(n, "timeout",
				  _("the time limit must be above 0"));
	take_bound(n, "min", &m->min);
	take_bound(n, "max", &m->max);
	check_source(n);
	if (!plan_node_has(n, "min") && !plan_node_has(n, "max"))
		plan_node_problem(n, NULL,
				  _("one of 'min' and 'max' is needed"));
	else if (!plan_node_failed(n) && m->min && m->max &&
		 version_cmp(m->min, m->max) > 0)
		plan_node_problem(n, "max", _("it is below 'min'"));
	return plan_node_failed(n) ? -EINVAL : 0;
}

/* --- finding it; NULL: it is not there --- */

static char *by_pattern(const char *pattern, const char *text)
{
	char *found = NULL;
	regmatch_t at[2];
	regex_t re;

	/* it compiled when the plan was read */
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE))
		return NULL;
	if (regexec(&re, text, 2, at, 0) == 0) {
		const regmatch_t *m = &at[at[1].rm_so >= 0];

		found = xstrndup(text + m->rm_so,
				 (size_t)(m->rm_eo - m->rm_so));
	}
	regfree(&re);
	return found;
}

static int by_pointer(const struct version_check *m, const struct strbuf *text,
		      char **ret, struct error *err)
{
	_cleanup_strbuf_ struct strbuf value = STRBUF_INIT;
	struct json_token t;
	size_t len;
	int r = json_pointer_find(text->buf, text->len, m->pointer, &t, err);

	if (r < 0) {
		_cleanup_free_ char *shown = escape_bytes(m->path);

		error_prefix(err, "%s", shown);
		return r;
	}
	if (!r || (t.type != JSON_STRING && t.type != JSON_NUMBER))
		return 0;
	len = (size_t)(t.end - t.begin);
	if (t.type == JSON_NUMBER)
		strbuf_add(&value, text->buf + t.begin, len);
	else
		r = json_string_text(text->buf + t.begin, len, &value, err);
	if (r < 0)
		return r;
	*ret = strbuf_detach(&value);
	return 0;
}

static int from_file(const struct version_check *m, struct step_ctx *ctx,
		     char **ret, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = step_files_read(ctx, m->path, FILE_MAX, &text, err);

	if (r == -EFBIG) {
		_cleanup_free_ char *shown = escape_bytes(m->path);

		return error_set(err, ERR_CHECK, r, _("'%s' is too large"),
				 shown);
	}
	if (r < 0)
		return r;
	if (m->pointer)
		return by_pointer(m, &text, ret, err);
	*ret = by_pattern(m->pattern, text.buf);
	return 0;
}

static int from_command(const struct version_check *m, struct step_ctx *ctx,
			char **ret, struct error *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct step_command cmd = {
		.argv = &m->argv, .timeout_s = m->timeout_s, .read_only = true,
		.capture = &out,
	};
	struct child_result res;
	int r = step_command(ctx, &cmd, &res, err);

	if (r < 0)
		return r;
	if (res.timed_out)
		return error_set(err, ERR_STEP_COMMAND, -ETIMEDOUT,
				 _("'%s' did not end within %g s"),
				 m->argv.v[0], m->timeout_s);
	if (res.signal)
		return error_set(err, ERR_STEP_COMMAND, -EPIPE,
				 _("'%s' was ended by signal %d (%s)"),
				 m->argv.v[0], res.signal,
				 strsignal(res.signal));
	/* a status is not looked at: many programs tell their version so */
	*ret = by_pattern(m->pattern, out.buf);
	return 0;
}

static void judge(const struct version_check *m, const char *v,
		  const char *where, struct check_result *r)
{
	_cleanup_free_ char *shown = v ? escape_bytes(v) : NULL;

	if (!v)
		check_result_set(r, CHECK_FAIL, _("'%s' tells no version"),
				 where);
	else if (!version_valid(v))
		check_result_set(r, CHECK_FAIL,
				 _("'%s': '%s' is no version"), where, shown);
	else if (m->min && version_cmp(v, m->min) < 0)
		check_result_set(r, CHECK_FAIL,
				 _("'%s': version %s is below %s, the least "
				   "that this plan takes"), where, shown,
				 m->min);
	else if (m->max && !version_upto(v, m->max))
		check_result_set(r, CHECK_FAIL,
				 _("'%s': version %s is above %s, the last "
				   "series that this plan takes"), where,
				 shown, m->max);
	else
		check_result_set(r, CHECK_OK, _("version %s"), shown);
}

static int version_check(const struct step *s, struct step_ctx *ctx,
			 struct check_result *r, struct error *err)
{
	const struct version_check *m = s->priv;
	_cleanup_free_ char *found = NULL;
	_cleanup_free_ char *where = escape_bytes(m->path ? m->path :
						  m->argv.v[0]);
	int ret = m->path ? from_file(m, ctx, &found, err) :
		from_command(m, ctx, &found, err);

	if (ret < 0)
		return ret;
	judge(m, found, where, r);
	return 0;
}

static void version_release(struct step *s)
{
	struct version_check *m = s->priv;

	free(m->path);
	free(m->pattern);
	free(m->pointer);
	strvec_release(&m->argv);
	free(m->min);
	free(m->max);
	free(m);
}

const struct step_ops check_version_ops = {
	.name = "version",
	.flags = STEP_IS_CHECK,
	.parse = version_parse,
	.check = version_check,
	.release = version_release,
};
