/* SPDX-License-Identifier: MIT */
/*
 * The grammar of RFC 9535, by descent. What stands in brackets here are the
 * names of its rules.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "json-path-internal.h"
#include "json-text.h"

/* of parentheses and of filters in filters */
#define NESTING_MAX 32
/* I-JSON: what a double holds exactly */
#define INDEX_MAX ((INT64_C(1) << 53) - 1)

struct parser {
	const char *text, *p;
	int nesting;
	struct error *err;
};

static int fail(const struct parser *c, const char *why)
{
	return error_set(c->err, ERR_PLAN_VALUE, -EINVAL,
			 _("column %zu: %s"), (size_t)(c->p - c->text) + 1,
			 _(why));
}

static void blanks(struct parser *c)
{
	c->p += strspn(c->p, " \t\r\n");
}

static bool take(struct parser *c, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(c->p, word, n) != 0)
		return false;
	c->p += n;
	return true;
}

static bool is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

/* [name-first], [name-char] */
static bool is_name(char ch, bool first)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
		ch == '_' || (unsigned char)ch >= 0x80 ||
		(!first && is_digit(ch));
}

/* --- literals --- */

/* a string in either kind of quotes -> token of JSON */
static int take_string(struct parser *c, struct strbuf *token)
{
	char quote = *c->p++;

	strbuf_addch(token, '"');
	for (; *c->p != quote; c->p++) {
		if (!*c->p)
			return fail(c, N_("a string without its end"));
		if (*c->p == '"') {
			strbuf_addstr(token, "\\\"");
		} else if (*c->p != '\\') {
			strbuf_addch(token, *c->p);
		} else if (c->p[1] == '\'' && quote == '\'') {
			strbuf_addch(token, *++c->p);
		} else if (c->p[1] == '\'' || (c->p[1] == '"' &&
					       quote == '\'') || !c->p[1]) {
			return fail(c, N_("unknown escape"));
		} else {
			strbuf_addch(token, '\\');
			strbuf_addch(token, *++c->p);
		}
	}
	strbuf_addch(token, '"');
	c->p++;
	return 0;
}

/* the same, valid and decoded */
static int take_text(struct parser *c, char **ret, size_t *len)
{
	_cleanup_json_tree_ struct json_tree t;
	_cleanup_strbuf_ struct strbuf token = STRBUF_INIT;
	struct strbuf text = STRBUF_INIT;
	const char *from = c->p;
	int r = take_string(c, &token);

	json_tree_init(&t);
	if (r < 0)
		return r;
	if (json_tree_parse(&t, token.buf, token.len) < 0 ||
	    json_text_has_lone(token.buf, token.len)) {
		c->p = from;
		return fail(c, N_("this string is not valid"));
	}
	json_text_decode(token.buf, token.len, &text);
	*len = text.len;
	*ret = strbuf_detach(&text);
	return 0;
}

/* [int] */
static int take_int(struct parser *c, int64_t *ret)
{
	bool negative = *c->p == '-';
	const char *from = c->p;
	int64_t v = 0;

	c->p += negative;
	if (!is_digit(*c->p))
		return fail(c, N_("expected a number"));
	if (*c->p == '0' && (negative || is_digit(c->p[1])))
		return fail(c, N_("a number here has no leading zero and no "
				  "sign ahead of a zero"));
	for (; is_digit(*c->p) && v <= INDEX_MAX; c->p++)
		v = v * 10 + (*c->p - '0');
	if (v > INDEX_MAX) {
		c->p = from;
		return fail(c, N_("this number is too large"));
	}
	*ret = negative ? -v : v;
	return 0;
}

static int make_literal(struct parser *c, const char *from, struct operand *o)
{
	json_tree_init(&o->literal);
	if (json_tree_parse(&o->literal, o->text, strlen(o->text)) >= 0)
		return 0;
	c->p = from;
	return fail(c, N_("this value is not valid"));
}

static int take_literal(struct parser *c, struct operand *o)
{
	const char *from = c->p;
	size_t n;
	int ret;

	if (*c->p == '"' || *c->p == '\'') {
		struct strbuf token = STRBUF_INIT;

		ret = take_string(c, &token);
		o->text = strbuf_detach(&token);
		return ret < 0 ? ret : make_literal(c, from, o);
	}
	n = *c->p == '-' || is_digit(*c->p) ?
		strspn(c->p, "+-.0123456789eE") :
		strspn(c->p, "abcdefghijklmnopqrstuvwxyz_0123456789");
	if (c->p[n] == '(')
		return error_set(c->err, ERR_PLAN_VALUE, -EINVAL,
				 _("column %zu: the function '%.*s' is not "
				   "supported"), (size_t)(c->p - c->text) + 1,
				 (int)n, c->p);
	if (!n)
		return fail(c, N_("expected a value, '@' or '$'"));
	o->text = xstrndup(c->p, n);
	c->p += n;
	return make_literal(c, from, o);
}

/* --- filters --- */

static int take_or(struct parser *c, struct path_expr **ret);
static int take_query(struct parser *c, struct json_path **ret);

static bool is_singular(const struct json_path *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].descend || p->v[i].n != 1 ||
		    p->v[i].v[0].type > SELECT_INDEX)
			return false;
	return true;
}

/* [comparable] or the path of a [test-expr] */
static int take_operand(struct parser *c, struct operand *o)
{
	if (*c->p == '@' || *c->p == '$')
		return take_query(c, &o->path);
	return take_literal(c, o);
}

static bool take_operator(struct parser *c, enum expr_type *ret)
{
	static const char *const names[] = { "==", "!=", "<=", ">=", "<",
		">" };
	static const enum expr_type types[] = { EXPR_EQ, EXPR_NE, EXPR_LE,
		EXPR_GE, EXPR_LT, EXPR_GT };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (take(c, names[i])) {
			*ret = types[i];
			return true;
		}
	return false;
}

/* [comparison-expr] or [test-expr] without its ! */
static int take_test(struct parser *c, bool negated, struct path_expr *e)
{
	const char *from = c->p;
	int ret = take_operand(c, &e->left);

	if (ret < 0)
		return ret;
	blanks(c);
	if (!take_operator(c, &e->type)) {
		e->type = EXPR_EXISTS;
		if (e->left.path)
			return 0;
		c->p = from;
		return fail(c, N_("a value alone is no condition"));
	}
	if (negated)
		return fail(c, N_("a comparison behind '!' needs parentheses"));
	blanks(c);
	ret = take_operand(c, &e->right);
	if (ret < 0)
		return ret;
	if ((e->left.path && !is_singular(e->left.path)) ||
	    (e->right.path && !is_singular(e->right.path))) {
		c->p = from;
		return fail(c, N_("only paths of names and indexes can be "
				  "compared"));
	}
	return 0;
}

/* [basic-expr] */
static int take_basic(struct parser *c, struct path_expr **ret)
{
	_cleanup_free_ struct path_expr *none = NULL;
	struct path_expr *e = xcalloc(1, sizeof(*e));
	bool negated = take(c, "!");
	int r;

	blanks(c);
	if (!take(c, "(")) {
		r = take_test(c, negated, e);
	} else {
		none = e;
		r = take_or(c, &e);
		if (r < 0)
			return r;
		blanks(c);
		r = take(c, ")") ? 0 : fail(c, N_("expected ')'"));
	}
	if (r >= 0 && negated) {
		struct path_expr *inner = e;

		e = xcalloc(1, sizeof(*e));
		e->type = EXPR_NOT;
		e->a = inner;
	}
	if (r < 0)
		path_expr_free(e);
	else
		*ret = e;
	return r;
}

typedef int take_fn(struct parser *c, struct path_expr **ret);

/* next, and more of them with word in between */
static int take_chain(struct parser *c, const char *word, enum expr_type type,
		      take_fn *next, struct path_expr **ret)
{
	struct path_expr *e = NULL, *both;
	int r = next(c, &e);

	for (;;) {
		if (r < 0) {
			path_expr_free(e);
			return r;
		}
		blanks(c);
		if (!take(c, word))
			break;
		blanks(c);
		both = xcalloc(1, sizeof(*both));
		both->type = type;
		both->a = e;
		e = both;
		r = next(c, &both->b);
	}
	*ret = e;
	return 0;
}

static int take_and(struct parser *c, struct path_expr **ret)
{
	return take_chain(c, "&&", EXPR_AND, take_basic, ret);
}

/* [logical-expr] */
static int take_or(struct parser *c, struct path_expr **ret)
{
	int r;

	if (c->nesting == NESTING_MAX)
		return fail(c, N_("nested too deep"));
	c->nesting++;
	blanks(c);
	r = take_chain(c, "||", EXPR_OR, take_and, ret);
	c->nesting--;
	return r;
}

/* --- segments --- */

/* behind the first number of an index or slice, or at the colon */
static int take_slice(struct parser *c, struct selector *s)
{
	int ret = 0;

	s->type = SELECT_SLICE;
	s->step = 1;
	c->p++;
	blanks(c);
	s->has_end = *c->p == '-' || is_digit(*c->p);
	if (s->has_end)
		ret = take_int(c, &s->end);
	blanks(c);
	if (ret < 0 || !take(c, ":"))
		return ret;
	blanks(c);
	return *c->p == '-' || is_digit(*c->p) ? take_int(c, &s->step) : 0;
}

static int take_numbers(struct parser *c, struct selector *s)
{
	const char *before;
	int ret = 0;

	s->type = SELECT_INDEX;
	s->has_start = *c->p != ':';
	if (s->has_start)
		ret = take_int(c, &s->start);
	before = c->p;
	blanks(c);
	if (ret >= 0 && *c->p == ':')
		return take_slice(c, s);
	c->p = before;
	return ret;
}

/* [selector] */
static int take_selector(struct parser *c, struct selector *s)
{
	switch (*c->p) {
	case '*':
		s->type = SELECT_ALL;
		c->p++;
		return 0;
	case '\'':
	case '"':
		s->type = SELECT_NAME;
		return take_text(c, &s->name, &s->len);
	case '?':
		s->type = SELECT_FILTER;
		c->p++;
		return take_or(c, &s->filter);
	case ':':
	case '-':
	case '0' ... '9':
		return take_numbers(c, s);
	default:
		return fail(c, N_("expected a name in quotes, an index, '*' "
				  "or '?'"));
	}
}

static struct selector *add_selector(struct segment *g)
{
	VEC_GROW(g->v, g->n, g->cap);
	memset(&g->v[g->n], 0, sizeof(*g->v));
	return &g->v[g->n++];
}

/* [bracketed-selection], behind the bracket */
static int take_bracket(struct parser *c, struct segment *g)
{
	int ret;

	do {
		blanks(c);
		ret = take_selector(c, add_selector(g));
		if (ret < 0)
			return ret;
		blanks(c);
	} while (take(c, ","));
	return take(c, "]") ? 0 : fail(c, N_("expected ',' or ']'"));
}

static int take_segment(struct parser *c, struct segment *g)
{
	struct selector *s;
	const char *from;

	if (take(c, "["))
		return take_bracket(c, g);
	c->p++;
	g->descend = take(c, ".");
	if (g->descend && take(c, "["))
		return take_bracket(c, g);
	s = add_selector(g);
	if (take(c, "*")) {
		s->type = SELECT_ALL;
		return 0;
	}
	if (!is_name(*c->p, true))
		return fail(c, N_("expected a name, '*' or '['"));
	for (from = c->p; is_name(*c->p, false); c->p++)
		;
	if (*c->p == '(')
		return fail(c, N_("functions are not supported"));
	s->type = SELECT_NAME;
	s->len = (size_t)(c->p - from);
	s->name = xstrndup(from, s->len);
	return 0;
}

/* [jsonpath-query], [rel-query]: at its $ or @ */
static int take_query(struct parser *c, struct json_path **ret)
{
	struct json_path *p = xcalloc(1, sizeof(*p));
	int r = 0;

	p->relative = *c->p++ == '@';
	for (;;) {
		const char *before = c->p;

		blanks(c);
		if (*c->p != '.' && *c->p != '[') {
			c->p = before;
			break;
		}
		VEC_GROW(p->v, p->n, p->cap);
		memset(&p->v[p->n], 0, sizeof(*p->v));
		r = take_segment(c, &p->v[p->n++]);
		if (r < 0)
			break;
	}
	if (r < 0)
		json_path_free(p);
	else
		*ret = p;
	return r;
}

/* --- the whole --- */

static int begin(struct parser *c, const char *text, struct error *err)
{
	*c = (struct parser) { .text = text, .p = text, .err = err };
	return utf8_valid(text, strlen(text)) ? 0 :
		fail(c, N_("this is not valid UTF-8"));
}

int json_path_parse(const char *text, struct json_path **ret,
		    struct error *err)
{
	_cleanup_json_path_ struct json_path *p = NULL;
	struct parser c;
	int r = begin(&c, text, err);

	if (r >= 0)
		r = *c.p == '$' ? take_query(&c, &p) :
			fail(&c, N_("a path begins with '$'"));
	if (r >= 0 && *c.p)
		r = fail(&c, N_("expected '.' or '['"));
	if (r >= 0)
		*ret = TAKE_PTR(p);
	return r;
}

int json_filter_parse(const char *text, struct json_filter **ret,
		      struct error *err)
{
	struct path_expr *e = NULL;
	struct parser c;
	int r = begin(&c, text, err);

	if (r >= 0)
		r = take_or(&c, &e);
	if (r >= 0 && *c.p)
		r = fail(&c, N_("expected '&&' or '||'"));
	if (r >= 0 && path_expr_absolute(e)) {
		c.p = strchr(text, '$');
		r = fail(&c, N_("'$' has no meaning here, only '@'"));
	}
	if (r < 0) {
		path_expr_free(e);
		return r;
	}
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->expr = e;
	return 0;
}
