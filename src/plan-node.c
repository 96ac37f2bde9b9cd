/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"

/* --- the node --- */

struct plan_node *node_new(struct plan_load *load, struct plan_node *parent,
			   const struct plan_value *group)
{
	struct plan_node *n = xcalloc(1, sizeof(*n));

	n->load = load;
	n->parent = parent;
	n->value = group;
	return n;
}

void node_free(struct plan_node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->child_n; i++)
		node_free(n->children[i]);
	for (size_t i = 0; i < n->asked_n; i++)
		free(n->asked[i].name);
	free(n->children);
	free(n->asked);
	free(n);
}

void node_know(struct plan_node *n, const char *key, unsigned int flags)
{
	for (size_t i = 0; i < n->asked_n; i++)
		if (!strcmp(n->asked[i].name, key)) {
			n->asked[i].flags |= flags;
			return;
		}
	VEC_GROW(n->asked, n->asked_n, n->asked_cap);
	n->asked[n->asked_n].name = xstrdup(key);
	n->asked[n->asked_n++].flags = flags;
}

static const struct plan_value *find(const struct plan_node *n, const char *key)
{
	for (size_t i = 0; i < n->value->n; i++)
		if (n->value->items[i].key &&
		    !strcmp(n->value->items[i].key, key))
			return &n->value->items[i];
	return NULL;
}

const struct plan_value *node_get(struct plan_node *n, const char *key,
				  unsigned int flags)
{
	node_know(n, key, flags);
	return find(n, key);
}

const struct plan_value *node_want(struct plan_node *n, const char *key,
				   bool required)
{
	const struct plan_value *v = node_get(n, key, 0);

	if (!v && required)
		node_problem_at(n, n->value->line, _("'%s' is missing"), key);
	return v;
}

static void add_problem(struct plan_node *n, int line, const char *text)
{
	plan_problem_add(n->load->problems, line, "%s", text);
	for (; n; n = n->parent)
		n->failed = true;
}

void node_problem_at(struct plan_node *n, int line, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	add_problem(n, line, text);
}

void plan_node_problem(struct plan_node *n, const char *key, const char *fmt,
		       ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	add_problem(n, plan_node_line(n, key), text);
}

void plan_node_warning(struct plan_node *n, const char *key, const char *fmt,
		       ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	plan_problem_add(&n->load->plan->warnings, plan_node_line(n, key),
			 "%s", text);
}

const struct plan *plan_node_plan(const struct plan_node *n)
{
	return n->load->plan;
}

bool plan_node_failed(const struct plan_node *n)
{
	return n->failed;
}

bool plan_node_has(struct plan_node *n, const char *key)
{
	return node_get(n, key, 0) != NULL;
}

int plan_node_line(struct plan_node *n, const char *key)
{
	const struct plan_value *v = key ? find(n, key) : NULL;

	return v ? v->line : n->value->line;
}

/* --- keys that nobody knows --- */

/* "de", "pt_BR" */
static bool is_language(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");

	if (n < 2 || n > 3)
		return false;
	if (!s[n])
		return true;
	return s[n] == '_' &&
	       strspn(s + n + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 2 && !s[n + 3];
}

/* The language in key if it is base with a suffix, else NULL. */
static const char *suffix_of(const char *key, const char *base)
{
	if (!str_starts(key, base) || key[strlen(base)] != '_')
		return NULL;
	return key + strlen(base) + 1;
}

const char *node_language(const char *key, const char *base)
{
	const char *lang = suffix_of(key, base);

	return lang && is_language(lang) ? lang : NULL;
}

static bool is_known(const struct plan_node *n, const char *key)
{
	for (size_t i = 0; i < n->asked_n; i++) {
		if (!strcmp(n->asked[i].name, key) ||
		    (n->asked[i].flags & KEY_TEXT &&
		     node_language(key, n->asked[i].name)))
			return true;
	}
	return false;
}

static const char *known_text(const struct plan_node *n, const char *key)
{
	for (size_t i = 0; i < n->asked_n; i++)
		if (n->asked[i].flags & KEY_TEXT &&
		    suffix_of(key, n->asked[i].name))
			return n->asked[i].name;
	return NULL;
}

static void unknown_key(struct plan_node *n, const struct plan_value *v)
{
	_cleanup_strvec_ struct strvec words = STRVEC_INIT;
	const char *near, *text = known_text(n, v->key);

	for (size_t i = 0; i < n->asked_n; i++)
		strvec_push(&words, n->asked[i].name);
	near = nearest_word(v->key, (const char *const *)words.v);
	if (near)
		node_problem_at(n, v->line,
				_("unknown key '%s' (did you mean '%s'?)"),
				v->key, near);
	else if (text)
		node_problem_at(n, v->line,
				_("unknown key '%s' (a language is written "
				  "like '%s_de' or '%s_pt_BR')"), v->key, text,
				text);
	else
		node_problem_at(n, v->line, _("unknown key '%s'"), v->key);
}

void node_finish(struct plan_node *n)
{
	for (size_t i = 0; i < n->value->n && !n->finished; i++)
		if (n->value->items[i].key &&
		    !is_known(n, n->value->items[i].key))
			unknown_key(n, &n->value->items[i]);
	n->finished = true;
	for (size_t i = 0; i < n->child_n; i++)
		node_finish(n->children[i]);
}

/* --- strings --- */

bool node_is_string(struct plan_node *n, const struct plan_value *v,
		    const char *key)
{
	if (v->type == VALUE_STRING)
		return true;
	node_problem_at(n, v->line, _("'%s' must be a string in quotes"), key);
	return false;
}

static bool get_string(struct plan_node *n, const char *key, bool required,
		       bool *guess, char **ret)
{
	const struct plan_value *v = node_want(n, key, required);
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	if (!v || !node_is_string(n, v, key) ||
	    !node_expand(n, key, v->line, v->str, USE_STRING, guess, &out))
		return false;
	*ret = strbuf_detach(&out);
	return true;
}

bool plan_node_string(struct plan_node *n, const char *key, bool required,
		      char **ret)
{
	return get_string(n, key, required, NULL, ret);
}

bool plan_node_raw(struct plan_node *n, const char *key, bool required,
		   char **ret)
{
	const struct plan_value *v = node_want(n, key, required);

	if (!v || !node_is_string(n, v, key))
		return false;
	*ret = xstrdup(v->str);
	return true;
}

/* Texts are shown on terminals: what could steer one is refused. */
bool node_check_text(struct plan_node *n, const char *key, int line,
		     const char *text)
{
	const char *why = NULL;

	if (!utf8_valid(text, strlen(text)))
		why = _("is not valid UTF-8");
	for (const char *s = text; *s && !why; s++)
		if (((unsigned char)*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7f ||
		    (*s == '\xc2' && (unsigned char)s[1] < 0xa0))
			why = _("holds a control character");
	if (why)
		node_problem_at(n, line, "'%s' %s", key, why);
	return !why;
}

static bool one_text(struct plan_node *n, const struct plan_value *v,
		     const char *key, char **ret)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	if (!node_is_string(n, v, key) ||
	    !node_check_text(n, key, v->line, v->str) ||
	    !node_expand(n, key, v->line, v->str, USE_TEXT, NULL, &out))
		return false;
	*ret = strbuf_detach(&out);
	return true;
}

bool plan_node_text(struct plan_node *n, const char *key, bool required,
		    struct plan_text *ret)
{
	const struct plan_value *v = node_want(n, key, required);
	_cleanup_strvec_ struct strvec langs = STRVEC_INIT;
	char *text = NULL;

	node_know(n, key, KEY_TEXT);
	for (size_t i = 0; i < n->value->n; i++) {
		const struct plan_value *t = &n->value->items[i];
		const char *lang = node_language(t->key, key);
		char *s = NULL;

		if (!lang || !one_text(n, t, t->key, &s))
			continue;
		if (!v)
			node_problem_at(n, t->line,
					_("'%s' is given, but '%s' is not"),
					t->key, key);
		strvec_push(&langs, lang);
		strvec_take(&langs, s);
	}
	if (!v || !one_text(n, v, key, &text))
		return false;
	ret->text = text;
	if (langs.n) {
		ret->langs = langs.v;
		langs = (struct strvec)STRVEC_INIT;
	}
	return true;
}

bool plan_node_word(struct plan_node *n, const char *key, bool required,
		    const char *const *words, int *ret)
{
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	_cleanup_free_ char *s = NULL;
	bool guess = false;
	const char *near;

	if (!get_string(n, key, required, &guess, &s) || guess)
		return false;
	for (int i = 0; words[i]; i++) {
		if (!strcmp(words[i], s)) {
			*ret = i;
			return true;
		}
		strbuf_addf(&all, "%s'%s'", i ? ", " : "", words[i]);
	}
	near = nearest_word(s, words);
	if (near)
		plan_node_problem(n, key, _("'%s': unknown word '%s' (did you "
					    "mean '%s'?)"), key, s, near);
	else
		plan_node_problem(n, key, _("'%s': unknown word '%s' (one of "
					    "%s)"), key, s, all.buf);
	return false;
}

/* --- children --- */

/* A list of groups; one group stands for a list of one. */
static const struct plan_value *groups(struct plan_node *n, const char *key,
				       size_t *count)
{
	const struct plan_value *v = node_get(n, key, 0);

	*count = 0;
	if (!v)
		return NULL;
	if (v->type == VALUE_GROUP) {
		*count = 1;
		return v;
	}
	if (v->type == VALUE_ARRAY && !v->n)
		return NULL;
	if (v->type != VALUE_LIST) {
		node_problem_at(n, v->line,
				_("'%s' must be a list of groups: ( { ... }, "
				  "{ ... } )"), key);
		return NULL;
	}
	for (size_t i = 0; i < v->n; i++)
		if (v->items[i].type != VALUE_GROUP) {
			node_problem_at(n, v->items[i].line,
					_("'%s' may hold groups ({ ... }) alone"),
					key);
			return NULL;
		}
	*count = v->n;
	return v->items;
}

size_t plan_node_count(struct plan_node *n, const char *key)
{
	size_t count;

	(void)groups(n, key, &count); /* the number alone */
	return count;
}

struct plan_node *plan_node_child(struct plan_node *n, const char *key,
				  size_t i)
{
	size_t count;
	const struct plan_value *v = groups(n, key, &count);

	if (i >= count)
		BUG("child %zu of '%s', which has %zu", i, key, count);
	for (size_t k = 0; k < n->child_n; k++)
		if (n->children[k]->value == &v[i])
			return n->children[k];
	VEC_GROW(n->children, n->child_n, n->child_cap);
	return n->children[n->child_n++] = node_new(n->load, n, &v[i]);
}
