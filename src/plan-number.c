/* SPDX-License-Identifier: MIT */
/*
 * Getters for what is not text: truth, numbers, times, sizes, modes. Each
 * takes a string with ${...} as well; where lint has no value for it, the key
 * counts as not given.
 */
#include "plan-internal.h"

#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"

/*
 * The value, with a string filled in. 1: *text is the string; 0: look at v; -1:
 * missing, or a problem was reported.
 */
static int get_scalar(struct plan_node *n, const char *key, bool required,
		      const struct plan_value **v, char **text)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	bool guess = false;

	*v = node_want(n, key, required);
	if (!*v)
		return -1;
	if ((*v)->type != VALUE_STRING)
		return 0;
	if (!node_expand(n, key, (*v)->line, (*v)->str, USE_STRING, &guess,
			 &out) || guess)
		return -1;
	*text = strbuf_detach(&out);
	return 1;
}

bool plan_node_bool(struct plan_node *n, const char *key, bool *ret)
{
	_cleanup_free_ char *text = NULL;
	const struct plan_value *v;
	int r = get_scalar(n, key, false, &v, &text);

	if (r < 0)
		return false;
	if (!r && v->type == VALUE_BOOL) {
		*ret = v->flag;
		return true;
	}
	/* only a name may stand for it: "true" in quotes is a slip */
	if (r && expand_has_refs(v->str) &&
	    (!strcmp(text, "true") || !strcmp(text, "false"))) {
		*ret = *text == 't';
		return true;
	}
	node_problem_at(n, v->line,
			_("'%s' must be true or false, without quotes"), key);
	return false;
}

static bool in_range(struct plan_node *n, const struct plan_value *v,
		     const char *key, int64_t num, int64_t min, int64_t max)
{
	if (num >= min && num <= max)
		return true;
	if (max == INT64_MAX)
		node_problem_at(n, v->line, _("'%s' must be at least %lld"),
				key, (long long)min);
	else
		node_problem_at(n, v->line, _("'%s' must be from %lld to %lld"),
				key, (long long)min, (long long)max);
	return false;
}

bool plan_node_int(struct plan_node *n, const char *key, bool required,
		   int64_t min, int64_t max, int64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	const struct plan_value *v;
	int r = get_scalar(n, key, required, &v, &text);
	int64_t num = v ? v->num : 0;

	if (r < 0)
		return false;
	if (r ? !expand_has_refs(v->str) || parse_whole(text, &num) < 0 :
	    v->type != VALUE_INT) {
		node_problem_at(n, v->line,
				_("'%s' must be a whole number"), key);
		return false;
	}
	if (!in_range(n, v, key, num, min, max))
		return false;
	*ret = num;
	return true;
}

static bool number_of(const struct plan_value *v, double *ret)
{
	if (v->type == VALUE_INT)
		*ret = (double)v->num;
	else if (v->type == VALUE_FLOAT)
		*ret = v->real;
	else
		return false;
	return true;
}

bool plan_node_double(struct plan_node *n, const char *key, bool required,
		      double min, double *ret)
{
	_cleanup_free_ char *text = NULL;
	const struct plan_value *v;
	int r = get_scalar(n, key, required, &v, &text);
	double num;

	if (r < 0)
		return false;
	if (r ? !expand_has_refs(v->str) || parse_real(text, &num) < 0 :
	    !number_of(v, &num)) {
		node_problem_at(n, v->line, _("'%s' must be a number"), key);
		return false;
	}
	if (!(num >= min)) {
		_cleanup_free_ char *least = format_real(min);

		node_problem_at(n, v->line, _("'%s' must be at least %s"), key,
				least);
		return false;
	}
	*ret = num;
	return true;
}

bool plan_node_duration(struct plan_node *n, const char *key, double *ret)
{
	_cleanup_free_ char *text = NULL;
	const struct plan_value *v;
	int r = get_scalar(n, key, false, &v, &text);
	double num;

	if (r < 0)
		return false;
	if (!r && number_of(v, &num) && num >= 0 && num <= PLAN_DURATION_MAX) {
		*ret = num;
		return true;
	}
	if (r && !parse_duration(text, ret))
		return true;
	node_problem_at(n, v->line,
			_("'%s' must be a time: seconds, or a string like "
			  "\"30s\", \"5m\", \"24h\" or \"30d\""), key);
	return false;
}

bool plan_node_size(struct plan_node *n, const char *key, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	const struct plan_value *v;
	int r = get_scalar(n, key, false, &v, &text);

	if (r < 0)
		return false;
	if (!r && v->type == VALUE_INT && v->num >= 0) {
		*ret = (uint64_t)v->num;
		return true;
	}
	if (r && !parse_size(text, ret))
		return true;
	node_problem_at(n, v->line,
			_("'%s' must be a size: bytes, or a string like "
			  "\"64K\", \"200M\" or \"2G\""), key);
	return false;
}

/* libconfig reads 0700 as seven hundred and keeps no trace of the zero. */
bool plan_node_mode(struct plan_node *n, const char *key, mode_t *ret)
{
	_cleanup_free_ char *text = NULL;
	const struct plan_value *v;
	int r = get_scalar(n, key, false, &v, &text);

	if (r < 0)
		return false;
	if (r && !parse_mode(text, ret))
		return true;
	if (!r && v->type == VALUE_INT && v->num >= 0 && v->num <= 7777)
		node_problem_at(n, v->line,
				_("'%s': write the mode as a string: \"%04lld\""),
				key, (long long)v->num);
	else
		node_problem_at(n, v->line,
				_("'%s' must be a mode in octal digits, like "
				  "\"0755\""), key);
	return false;
}
