/* SPDX-License-Identifier: MIT */
/*
 * The parser. It works on a text that is in memory as a whole, so it can do
 * without the states of json-scan.c: one loop over tokens, and a parent link
 * in place of a stack.
 */
#include "json-tree.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-bytes.h"
#include "json-scan.h"
#include "json-text.h"

struct cursor {
	struct json_tree *t;
	const unsigned char *text, *p, *end;
	uint32_t base;           /* what position text has */
	uint32_t top;            /* the open container, 0: none */
	int depth;
	/* of the member that is being read */
	uint32_t key, key_end;
	bool key_escapes;
};

void json_tree_init(struct json_tree *t)
{
	memset(t, 0, sizeof(*t));
	strbuf_init(&t->arena);
}

void json_tree_release(struct json_tree *t)
{
	free(t->v);
	strbuf_release(&t->arena);
	memset(t, 0, sizeof(*t));
}

static inline uint32_t pos_of(const struct cursor *c, const unsigned char *p)
{
	return c->base + (uint32_t)(p - c->text);
}

static inline uint32_t add_node(struct cursor *c, enum json_node_type type)
{
	struct json_tree *t = c->t;
	struct json_node *d;
	uint32_t i = t->n;

	VEC_GROW(t->v, t->n, t->cap);
	d = &t->v[t->n++];
	memset(d, 0, sizeof(*d));
	d->begin = pos_of(c, c->p);
	d->key = c->key;
	d->key_end = c->key_end;
	d->parent = c->top;
	d->type = (uint8_t)type;
	if (c->top) {
		struct json_node *up = &t->v[c->top];

		if (up->last)
			t->v[up->last].next = i;
		else
			up->child = i;
		up->last = i;
	}
	if (c->key_end) {
		d->flags = c->key_escapes ? JSON_KEY_ESCAPES : 0;
		c->key = c->key_end = 0;
	}
	return i;
}

/* RFC 3629, table in section 4; NULL: no character */
static const unsigned char *character_end(const unsigned char *p,
					  const unsigned char *end)
{
	unsigned char c = *p, lo = 0x80, hi = 0xbf;
	int left;

	if (c >= 0xc2 && c <= 0xdf) {
		left = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		left = 2;
		lo = c == 0xe0 ? 0xa0 : 0x80;
		hi = c == 0xed ? 0x9f : 0xbf;
	} else if (c >= 0xf0 && c <= 0xf4) {
		left = 3;
		lo = c == 0xf0 ? 0x90 : 0x80;
		hi = c == 0xf4 ? 0x8f : 0xbf;
	} else {
		return NULL;
	}
	if (end - p <= left)
		return NULL;
	for (p++; left; p++, left--) {
		if (*p < lo || *p > hi)
			return NULL;
		lo = 0x80;
		hi = 0xbf;
	}
	return p;
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' &&
					  (c | 0x20) <= 'f');
}

static const unsigned char *escape_end(const unsigned char *p,
				       const unsigned char *end)
{
	if (end - p < 2)
		return NULL;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return p + 2;
	case 'u':
		return end - p >= 6 && is_hex(p[2]) && is_hex(p[3]) &&
			is_hex(p[4]) && is_hex(p[5]) ? p + 6 : NULL;
	default:
		return NULL;
	}
}

/* p is behind the quote; NULL: no string */
static inline const unsigned char *string_end(const unsigned char *p,
					      const unsigned char *end,
					      bool *escapes)
{
	for (;;) {
		p = json_plain_end(p, end);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p + 1;
		if (*p == '\\') {
			*escapes = true;
			p = escape_end(p, end);
		} else {
			p = *p >= 0x80 ? character_end(p, end) : NULL;
		}
		if (!p)
			return NULL;
	}
}

static inline const unsigned char *digits_end(const unsigned char *p,
					      const unsigned char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static const unsigned char *number_end(const unsigned char *p,
				       const unsigned char *end)
{
	const unsigned char *from;

	if (*p == '-')
		p++;
	from = p;
	p = digits_end(p, end);
	if (p == from || (*from == '0' && p - from > 1))
		return NULL;
	if (p < end && *p == '.') {
		from = ++p;
		p = digits_end(p, end);
		if (p == from)
			return NULL;
	}
	if (p < end && (*p | 0x20) == 'e') {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		p = digits_end(p, end);
		if (p == from)
			return NULL;
	}
	return p;
}

static bool take_scalar(struct cursor *c, enum json_node_type type,
			const unsigned char *end)
{
	uint32_t i;

	if (!end)
		return false;
	i = add_node(c, type);
	c->p = end;
	c->t->v[i].end = pos_of(c, end);
	return true;
}

static bool take_word(struct cursor *c, enum json_node_type type, const char *word,
		      size_t n)
{
	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return false;
	return take_scalar(c, type, c->p + n);
}

static void close_top(struct cursor *c)
{
	struct json_node *d = &c->t->v[c->top];

	d->end = pos_of(c, ++c->p);
	c->top = d->parent;
	c->depth--;
}

/* a key and its colon; p is at the byte that should be a quote */
static bool take_key(struct cursor *c)
{
	const unsigned char *end;

	if (c->p == c->end || *c->p != '"')
		return false;
	c->key_escapes = false;
	end = string_end(c->p + 1, c->end, &c->key_escapes);
	if (!end)
		return false;
	c->key = pos_of(c, c->p);
	c->key_end = pos_of(c, end);
	c->p = json_space_end(end, c->end);
	if (c->p == c->end || *c->p != ':')
		return false;
	c->p = json_space_end(c->p + 1, c->end);
	return true;
}

/* opens it, and is then at its first value; or behind it if it is empty */
static bool take_container(struct cursor *c, enum json_node_type type, bool *whole)
{
	if (c->depth == JSON_DEPTH_MAX)
		return false;
	c->top = add_node(c, type);
	c->depth++;
	c->p = json_space_end(c->p + 1, c->end);
	*whole = c->p < c->end && *c->p == (type == JSON_T_OBJECT ? '}' : ']');
	if (*whole) {
		close_top(c);
		return true;
	}
	return type == JSON_T_ARRAY || take_key(c);
}

/* whole: the value is over */
static inline bool take_value(struct cursor *c, bool *whole)
{
	bool escapes;

	*whole = true;
	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case '"':
		return take_scalar(c, JSON_T_STRING,
				   string_end(c->p + 1, c->end,
					      &escapes));
	case '{':
		return take_container(c, JSON_T_OBJECT, whole);
	case '[':
		return take_container(c, JSON_T_ARRAY, whole);
	case 't':
		return take_word(c, JSON_T_TRUE, "true", 4);
	case 'f':
		return take_word(c, JSON_T_FALSE, "false", 5);
	case 'n':
		return take_word(c, JSON_T_NULL, "null", 4);
	case '-':
	case '0' ... '9':
		return take_scalar(c, JSON_T_NUMBER, number_end(c->p, c->end));
	default:
		return false;
	}
}

/* behind a value: closes what ends there; true: at the next value */
static inline bool behind_value(struct cursor *c)
{
	while (c->top) {
		bool object = c->t->v[c->top].type == JSON_T_OBJECT;

		c->p = json_space_end(c->p, c->end);
		if (c->p == c->end)
			return false;
		if (*c->p == ',') {
			c->p = json_space_end(c->p + 1, c->end);
			return !object || take_key(c);
		}
		if (*c->p != (object ? '}' : ']'))
			return false;
		close_top(c);
	}
	return false;
}

static bool parse(struct cursor *c)
{
	bool whole;

	c->p = json_space_end(c->p, c->end);
	do {
		if (!take_value(c, &whole))
			return false;
	} while (!whole || behind_value(c));
	c->p = json_space_end(c->p, c->end);
	return !c->top && c->p == c->end;
}

int json_tree_parse(struct json_tree *t, const char *text, size_t n)
{
	struct cursor c = {
		.t = t, .text = (const unsigned char *)text,
		.p = (const unsigned char *)text,
		.end = (const unsigned char *)text + n,
	};

	strbuf_clear(&t->arena);
	t->text = text;
	t->len = (uint32_t)n;
	t->n = 1;
	if (!t->cap)
		t->v = xcalloc(t->cap = 64, sizeof(*t->v));
	if (n > JSON_TREE_TEXT_MAX)
		return -EFBIG;
	return parse(&c) ? 0 : -EINVAL;
}

uint32_t json_tree_graft(struct json_tree *t, const char *text, size_t n)
{
	uint32_t first = t->n, at = t->len + (uint32_t)t->arena.len + 1;
	struct cursor c = { .t = t, .base = at };

	if (n > JSON_TREE_TEXT_MAX - t->arena.len)
		return 0;
	/* no blank of a neighbour is taken for its own */
	strbuf_addch(&t->arena, ',');
	strbuf_add(&t->arena, text, n);
	c.text = c.p = (const unsigned char *)t->arena.buf + (at - t->len);
	c.end = c.text + n;
	if (parse(&c))
		return first;
	t->n = first;
	return 0;
}

int json_tree_why(const char *text, size_t n, struct error *err)
{
	_cleanup_json_scan_ struct json_scan *s = json_scan_new(NULL, NULL);
	struct json_place at;
	const char *reason;

	if (json_scan_feed(s, text, n) == 0 && json_scan_end(s) == 0)
		BUG("a text that only the parser refuses");
	reason = json_scan_reason(s, &at);
	return error_set(err, ERR_JSON, -EINVAL, "%llu:%llu: %s",
			 (unsigned long long)at.line,
			 (unsigned long long)at.column, _(reason));
}

/* --- looking --- */

size_t json_count(const struct json_tree *t, uint32_t i)
{
	size_t n = 0;

	for (i = json_child(t, i); i; i = json_next(t, i))
		n++;
	return n;
}

bool json_key_is(const struct json_tree *t, uint32_t i, const char *name,
		 size_t n)
{
	const struct json_node *d = &t->v[i];
	size_t len;
	const char *key = json_key(t, i, &len);

	if (!(d->flags & (JSON_KEY_ESCAPES | JSON_RENAMED | JSON_ADDED)))
		return len == n + 2 && !memcmp(key + 1, name, n);
	return len >= n + 2 && json_text_equal(key, len, name, n);
}

uint32_t json_member(const struct json_tree *t, uint32_t obj,
		     const char *name, size_t n)
{
	uint32_t found = 0;

	if (json_type_of(t, obj) != JSON_T_OBJECT)
		return 0;
	for (uint32_t i = json_child(t, obj); i; i = json_next(t, i))
		if (json_key_is(t, i, name, n))
			found = i;
	return found;
}

uint32_t json_element(const struct json_tree *t, uint32_t arr, uint64_t index)
{
	uint32_t i;

	if (json_type_of(t, arr) != JSON_T_ARRAY)
		return 0;
	for (i = json_child(t, arr); i && index; i = json_next(t, i))
		index--;
	return i;
}

bool json_is_live(const struct json_tree *t, uint32_t i)
{
	for (uint32_t up; i != JSON_ROOT; i = up) {
		if (t->v[i].flags & JSON_GONE)
			return false;
		up = t->v[i].parent;
		/* the new value of a node has it for a parent */
		if (!up || (t->v[up].flags & JSON_REPLACED &&
			    t->v[up].child != i))
			return false;
	}
	return true;
}

const char *json_raw(const struct json_tree *t, uint32_t i, size_t *n)
{
	const struct json_node *d = &t->v[json_now(t, i)];

	if (d->flags & JSON_DIRTY)
		return NULL;
	*n = d->end - d->begin;
	return json_at(t, d->begin);
}

void json_string(const struct json_tree *t, uint32_t i, struct strbuf *out)
{
	const struct json_node *d = &t->v[json_now(t, i)];

	json_text_decode(json_at(t, d->begin), d->end - d->begin, out);
}
