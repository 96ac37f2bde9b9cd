/* SPDX-License-Identifier: MIT */
/*
 * A version within bounds, from a file (by pattern or JSON Pointer, RFC 6901)
 * or from a command's output.
 *
 * Compared component by component, numbers as numbers: 1.9 < 1.10. A bound
 * holds as far as it is written: max "1.9" admits 1.9.7.
 */
#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "json-scan.h"
#include "steps.h"

#define FILE_MAX (16u * 1024u * 1024u)

struct version {
	char *path, *pattern, *pointer, *min, *max;
	struct strvec run;
	double timeout_s;
};

static int parse(struct step *s, struct plan_node *n)
{
	struct version *p = s->priv = xcalloc(1, sizeof(*p));
	bool run = plan_node_argv(n, "run", false, &p->run);
	bool path = plan_node_path(n, "path", false, &p->path);
	bool pattern = plan_node_regex(n, "pattern", false, &p->pattern);
	bool pointer = plan_node_string(n, "pointer", false, &p->pointer);

	p->timeout_s = 30;
	(void)plan_node_duration(n, "timeout", &p->timeout_s);
	(void)plan_node_string(n, "min", false, &p->min);
	(void)plan_node_string(n, "max", false, &p->max);
	if (run == path)
		plan_node_problem(n, "run", "%s",
				  _("give one of 'run' and 'path'"));
	if (pattern == pointer)
		plan_node_problem(n, "pattern", "%s",
				  _("give one of 'pattern' and 'pointer'"));
	if (pointer && !path)
		plan_node_problem(n, "pointer", "%s",
				  _("'pointer' needs 'path'"));
	if (pointer && p->pointer && *p->pointer && *p->pointer != '/')
		plan_node_problem(n, "pointer", "%s",
			_("a JSON Pointer begins with '/'"));
	return plan_node_failed(n) ? -EINVAL : 0;
}

/* -1, 0, 1; only as many components as bound has */
static int compare(const char *v, const char *bound)
{
	while (*bound) {
		if (isdigit((unsigned char)*v) &&
		    isdigit((unsigned char)*bound)) {
			size_t n, m;

			v += strspn(v, "0");
			bound += strspn(bound, "0");
			n = strspn(v, "0123456789");
			m = strspn(bound, "0123456789");
			if (n != m)
				return n < m ? -1 : 1;
			if (strncmp(v, bound, n))
				return strncmp(v, bound, n) < 0 ? -1 : 1;
			v += n;
			bound += m;
			continue;
		}
		if (*v != *bound)
			return !*v || *v < *bound ? -1 : 1;
		v++;
		bound++;
	}
	return 0;
}

/* first group of the pattern in text, or NULL; caller frees */
static char *by_pattern(const char *pattern, const char *text)
{
	regmatch_t m[2];
	char *ret = NULL;
	regex_t re;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NEWLINE))
		return NULL;
	if (regexec(&re, text, 2, m, 0) == 0) {
		int g = m[1].rm_so >= 0 ? 1 : 0;

		ret = xstrndup(text + m[g].rm_so,
			       (size_t)(m[g].rm_eo - m[g].rm_so));
	}
	regfree(&re);
	return ret;
}

static int by_pointer(const struct version *p, struct step_ctx *c,
		      const struct strbuf *text, char **ret, struct error *err)
{
	_cleanup_json_ struct json_object *doc = NULL;
	struct json_object *v = NULL;
	int r = json_check_file(step_root_fd(c), p->path, false, NULL, err);

	if (r >= 0)
		r = json_parse(text->buf, text->len, &doc, err);
	if (r < 0)
		return r;
	if (json_pointer_get(doc, p->pointer, &v) == 0 && v &&
	    !json_object_is_type(v, json_type_object) &&
	    !json_object_is_type(v, json_type_array))
		*ret = xstrdup(json_object_get_string(v));
	return 0;
}

static int from_file(const struct version *p, struct step_ctx *c, char **ret,
		     struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_close_ int dir = -1;
	const char *name;
	int r;

	dir = fs_open_parent(step_root_fd(c), p->path, &name);
	r = dir < 0 ? dir : fs_read_file(dir, name, FILE_MAX, &text);
	if (r < 0)
		return error_errno(err, ERR_CHECK, r, _("cannot read '%s'"),
				   p->path);
	if (p->pointer)
		return by_pointer(p, c, &text, ret, err);
	*ret = by_pattern(p->pattern, text.buf);
	return 0;
}

static int from_command(const struct version *p, struct step_ctx *c,
			char **ret, struct error *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct step_command cmd = { .argv = &p->run, .read_only = true,
				    .timeout_s = p->timeout_s,
				    .capture = &out };
	struct child_result res;
	int r = step_command(c, &cmd, &res, err);

	if (r < 0)
		return r;
	if (res.timed_out)
		return error_set(err, ERR_STEP_TIMEOUT, -ETIMEDOUT,
				 _("'%s' took longer than %.0f s"),
				 p->run.v[0], p->timeout_s);
	*ret = by_pattern(p->pattern, out.buf);
	return 0;
}

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	const struct version *p = s->priv;
	_cleanup_free_ char *v = NULL;
	_cleanup_free_ char *shown = NULL;
	int ret = p->path ? from_file(p, c, &v, err) :
		from_command(p, c, &v, err);

	if (ret < 0)
		return ret;
	if (!v) {
		check_result_set(r, CHECK_FAIL, _("no version found in %s"),
				 p->path ? p->path : p->run.v[0]);
		return 0;
	}
	shown = escape_bytes(v);
	if (p->min && compare(v, p->min) < 0)
		check_result_set(r, CHECK_FAIL,
			_("found %s, need at least %s"), shown, p->min);
	else if (p->max && compare(v, p->max) > 0)
		check_result_set(r, CHECK_FAIL,
			_("found %s, need at most %s"), shown, p->max);
	else
		check_result_set(r, CHECK_OK, _("found %s"), shown);
	return 0;
}

static void release(struct step *s)
{
	struct version *p = s->priv;

	free(p->path);
	free(p->pattern);
	free(p->pointer);
	free(p->min);
	free(p->max);
	strvec_release(&p->run);
	free(p);
}

const struct step_ops check_version_ops = {
	.name = "version",
	.flags = STEP_IS_CHECK,
	.parse = parse,
	.check = check,
	.release = release,
};
