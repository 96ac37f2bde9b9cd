/* SPDX-License-Identifier: MIT */
/* Values of a plan as JSON: scalars, arrays, lists and groups. */
#include <math.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "json-text.h"
#include "plan-internal.h"

static bool put_value(struct plan_node *n, const char *key,
		      const struct plan_value *v, struct strbuf *out);

static bool put_text(struct plan_node *n, const char *key,
		     const struct plan_value *v, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	if (!node_expand(n, key, v->line, v->str, USE_STRING, NULL, &text))
		return false;
	if (!utf8_valid(text.buf, text.len)) {
		node_problem_at(n, v->line, _("'%s' is not valid UTF-8"), key);
		return false;
	}
	json_text_encode(text.buf, text.len, out);
	return true;
}

static bool put_items(struct plan_node *n, const char *key,
		      const struct plan_value *v, struct strbuf *out)
{
	bool group = v->type == VALUE_GROUP;

	strbuf_addch(out, group ? '{' : '[');
	for (size_t i = 0; i < v->n; i++) {
		if (i)
			strbuf_addch(out, ',');
		if (group) {
			json_text_encode(v->items[i].key,
					 strlen(v->items[i].key), out);
			strbuf_addch(out, ':');
		}
		if (!put_value(n, key, &v->items[i], out))
			return false;
	}
	strbuf_addch(out, group ? '}' : ']');
	return true;
}

static bool put_real(struct plan_node *n, const char *key,
		     const struct plan_value *v, struct strbuf *out)
{
	_cleanup_free_ char *text = format_real(v->real);

	if (!isfinite(v->real)) {
		node_problem_at(n, v->line, _("'%s' holds no number"), key);
		return false;
	}
	strbuf_addstr(out, text);
	return true;
}

static bool put_value(struct plan_node *n, const char *key,
		      const struct plan_value *v, struct strbuf *out)
{
	switch (v->type) {
	case VALUE_STRING:
		return put_text(n, key, v, out);
	case VALUE_INT:
		strbuf_addf(out, "%lld", (long long)v->num);
		return true;
	case VALUE_FLOAT:
		return put_real(n, key, v, out);
	case VALUE_BOOL:
		strbuf_addstr(out, v->flag ? "true" : "false");
		return true;
	case VALUE_GROUP:
	case VALUE_ARRAY:
	case VALUE_LIST:
		break;
	}
	return put_items(n, key, v, out);
}

bool plan_node_json(struct plan_node *n, const char *key, bool required,
		    char **ret)
{
	const struct plan_value *v = node_want(n, key, required);
	struct strbuf out = STRBUF_INIT;

	if (!v)
		return false;
	if (!put_value(n, key, v, &out)) {
		strbuf_release(&out);
		return false;
	}
	*ret = strbuf_detach(&out);
	return true;
}

static bool put_pair(struct plan_node *n, const char *key,
		     const struct plan_value *v, struct strvec *out)
{
	if ((v->type != VALUE_LIST && v->type != VALUE_ARRAY) || v->n != 2) {
		node_problem_at(n, v->line, _("'%s' may hold pairs alone: "
				"( (OLD, NEW), (OLD, NEW) )"), key);
		return false;
	}
	for (size_t i = 0; i < 2; i++) {
		struct strbuf text = STRBUF_INIT;
		bool ok = put_value(n, key, &v->items[i], &text);

		strvec_take(out, strbuf_detach(&text));
		if (!ok)
			return false;
	}
	return true;
}

/* NAME = value is the pair of the string "NAME" and the value */
static bool put_named(struct plan_node *n, const char *key,
		      const struct plan_value *v, struct strvec *out)
{
	struct strbuf name = STRBUF_INIT, text = STRBUF_INIT;
	bool ok = put_value(n, key, v, &text);

	json_text_encode(v->key, strlen(v->key), &name);
	strvec_take(out, strbuf_detach(&name));
	strvec_take(out, strbuf_detach(&text));
	return ok;
}

bool plan_node_json_pairs(struct plan_node *n, const char *key, bool required,
			  struct strvec *ret)
{
	const struct plan_value *v = node_want(n, key, required);
	_cleanup_strvec_ struct strvec out = STRVEC_INIT;

	if (!v)
		return false;
	if (v->type != VALUE_GROUP && v->type != VALUE_LIST) {
		node_problem_at(n, v->line, _("'%s' must be a group or a list "
				"of pairs"), key);
		return false;
	}
	for (size_t i = 0; i < v->n; i++)
		if (v->type == VALUE_GROUP ?
		    !put_named(n, key, &v->items[i], &out) :
		    !put_pair(n, key, &v->items[i], &out))
			return false;
	*ret = out;
	out = (struct strvec)STRVEC_INIT;
	return true;
}
