/* SPDX-License-Identifier: MIT */
/*
 * The parser of json-tree.h. It goes from token to token by the positions that
 * json-index.h finds, so it never looks for the end of a string or at white
 * space, and a parent link stands in place of a stack.
 */
#include <errno.h>
#include <string.h>

#include "base/xalloc.h"
#include "json-bytes.h"
#include "json-index.h"
#include "json-scan.h"
#include "json-text.h"
#include "json-tree.h"

struct cursor {
	struct json_tree *t;
	const unsigned char *p;  /* the token */
	const unsigned char *text, *end;
	const uint32_t *next, *last;    /* positions that are still to come */
	uint32_t base;           /* what position text has */
	uint32_t top;            /* the open container, 0: none */
	uint32_t before;         /* what stands ahead in it, 0: nothing */
	int depth;
	/* of the member that is being read */
	uint32_t key, key_end;
	uint8_t key_flags;
	struct json_index index;
};

static inline uint32_t pos_of(const struct cursor *c, const unsigned char *p)
{
	return c->base + (uint32_t)(p - c->text);
}

static void room_for(struct json_tree *t, uint32_t n)
{
	if (t->cap - t->n >= n)
		return;
	t->cap = MAX(t->cap * 2, t->n + n);
	t->v = xrealloc(t->v, t->cap, sizeof(*t->v));
}

/* positions, and room for as many nodes */
static bool refill(struct cursor *c)
{
	struct json_tree *t = c->t;

	if (!json_index_more(&c->index))
		return false;
	c->next = c->index.v;
	c->last = c->next + c->index.n;
	/* one token may be waiting for its node */
	room_for(t, (uint32_t)c->index.n + 1);
	return true;
}

static inline bool next_token(struct cursor *c)
{
	if (c->next == c->last && !refill(c))
		return false;
	c->p = c->text + *c->next++;
	return true;
}

static inline uint32_t add_node(struct cursor *c, enum json_node_type type)
{
	struct json_tree *t = c->t;
	uint32_t i = t->n++;

	t->v[i] = (struct json_node) {
		.begin = pos_of(c, c->p),
		.key = c->key,
		.key_end = c->key_end,
		.parent = c->top,
		.type = (uint8_t)type,
		.flags = c->key_flags,
	};
	c->key = c->key_end = 0;
	c->key_flags = 0;
	if (c->before)
		t->v[c->before].next = i;
	else if (c->top)
		t->v[c->top].child = i;
	c->before = i;
	return i;
}

/* --- scalars --- */

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' &&
					  (c | 0x20) <= 'f');
}

static bool is_escape(const unsigned char *p, const unsigned char *end)
{
	if (end - p < 2)
		return false;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return true;
	case 'u':
		return end - p >= 6 && is_hex(p[2]) && is_hex(p[3]) &&
			is_hex(p[4]) && is_hex(p[5]);
	default:
		return false;
	}
}

/* from the opening quote to the closing one */
static inline bool to_closing_quote(struct cursor *c, bool *escapes)
{
	*escapes = false;
	for (;;) {
		if (!next_token(c))
			return false;
		if (*c->p == '"')
			return true;
		*escapes = true;
		if (!is_escape(c->p, c->end))
			return false;
	}
}

static inline bool take_string(struct cursor *c)
{
	uint32_t i = add_node(c, JSON_T_STRING);
	bool escapes;

	if (!to_closing_quote(c, &escapes))
		return false;
	c->t->v[i].end = pos_of(c, c->p) + 1;
	return true;
}

static inline const unsigned char *digits_end(const unsigned char *p,
					      const unsigned char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static inline const unsigned char *number_end(const unsigned char *p,
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

/* may a number or a word end ahead of it? a quote is a token of its own, which
   is refused there */
static inline bool is_delimiter(unsigned char c)
{
	return c == ',' || c == '}' || c == ']' || json_is_space(c);
}

static inline bool take_scalar(struct cursor *c, enum json_node_type type,
			       const unsigned char *end)
{
	if (!end || (end < c->end && !is_delimiter(*end)))
		return false;
	c->t->v[add_node(c, type)].end = pos_of(c, end);
	return true;
}

static bool take_word(struct cursor *c, enum json_node_type type,
		      const char *word, size_t n)
{
	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return false;
	return take_scalar(c, type, c->p + n);
}

/* --- containers --- */

/* at its bracket */
static inline void close_top(struct cursor *c)
{
	struct json_node *d = &c->t->v[c->top];

	d->end = pos_of(c, c->p) + 1;
	d->last = c->before;
	c->before = c->top;
	c->top = d->parent;
	c->depth--;
}

/* from a key, past its colon, to the value */
static inline bool take_key(struct cursor *c)
{
	bool escapes;

	if (*c->p != '"')
		return false;
	c->key = pos_of(c, c->p);
	if (!to_closing_quote(c, &escapes))
		return false;
	c->key_end = pos_of(c, c->p) + 1;
	c->key_flags = escapes ? JSON_KEY_ESCAPES : 0;
	return next_token(c) && *c->p == ':' && next_token(c);
}

/* opens it, and is then at its first value; or behind it if it is empty */
static inline bool take_container(struct cursor *c, enum json_node_type type,
				  bool *whole)
{
	if (c->depth == JSON_DEPTH_MAX)
		return false;
	c->top = add_node(c, type);
	c->before = 0;
	c->depth++;
	if (!next_token(c))
		return false;
	*whole = *c->p == (type == JSON_T_OBJECT ? '}' : ']');
	if (*whole) {
		close_top(c);
		return true;
	}
	return type == JSON_T_ARRAY || take_key(c);
}

/* whole: the value is over */
static inline bool take_value(struct cursor *c, bool *whole)
{
	*whole = true;
	switch (*c->p) {
	case '"':
		return take_string(c);
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

		if (!next_token(c))
			return false;
		if (*c->p == ',')
			return next_token(c) && (!object || take_key(c));
		if (*c->p != (object ? '}' : ']'))
			return false;
		close_top(c);
	}
	return false;
}

static bool parse(struct cursor *c)
{
	bool whole;

	if (!next_token(c))
		return false;
	do {
		if (!take_value(c, &whole))
			return false;
	} while (!whole || behind_value(c));
	return !c->top && !next_token(c) && !c->index.bad;
}

static bool parse_text(struct json_tree *t, const char *text, size_t n,
		       uint32_t base)
{
	struct cursor c;

	/* all but the positions, which are many */
	memset(&c, 0, offsetof(struct cursor, index));
	c.t = t;
	c.text = (const unsigned char *)text;
	c.end = c.text + n;
	c.base = base;
	json_index_init(&c.index, text, n);
	return parse(&c);
}

int json_tree_parse(struct json_tree *t, const char *text, size_t n)
{
	strbuf_clear(&t->arena);
	t->text = text;
	t->len = (uint32_t)n;
	t->n = 1;
	if (!t->cap)
		t->v = xcalloc(t->cap = 64, sizeof(*t->v));
	if (n > JSON_TREE_TEXT_MAX)
		return -EFBIG;
	return parse_text(t, text, n, 0) ? 0 : -EINVAL;
}

/* a place of its own in the arena: no blank of a neighbour is taken for one of
   the text; 0: no room (a position is never 0 there) */
static uint32_t arena_room(struct json_tree *t, size_t n)
{
	if (n > JSON_TREE_TEXT_MAX - t->arena.len)
		return 0;
	strbuf_addch(&t->arena, ',');
	return t->len + (uint32_t)t->arena.len;
}

uint32_t json_tree_graft(struct json_tree *t, const char *text, size_t n)
{
	uint32_t first = t->n, at = arena_room(t, n);

	if (!at)
		return 0;
	strbuf_add(&t->arena, text, n);
	if (parse_text(t, t->arena.buf + (at - t->len), n, at))
		return first;
	t->n = first;
	return 0;
}

uint32_t json_tree_graft_tree(struct json_tree *t,
			      const struct json_tree *from)
{
	uint32_t first = t->n, at = arena_room(t, from->len);

	if (!at)
		return 0;
	strbuf_add(&t->arena, from->text, from->len);
	room_for(t, from->n - JSON_ROOT);
	for (uint32_t i = JSON_ROOT; i < from->n; i++) {
		struct json_node *d = &t->v[t->n++];
		uint32_t shift = first - JSON_ROOT;

		*d = from->v[i];
		d->begin += at;
		d->end += at;
		d->key += d->key_end ? at : 0;
		d->key_end += d->key_end ? at : 0;
		d->parent += d->parent ? shift : 0;
		d->child += d->child ? shift : 0;
		d->last += d->last ? shift : 0;
		d->next += d->next ? shift : 0;
	}
	return first;
}

uint32_t json_tree_graft_string(struct json_tree *t, const char *chars,
				size_t n)
{
	/* each byte takes six at most */
	uint32_t at = n < JSON_TREE_TEXT_MAX / 8 ? arena_room(t, 6 * n + 2) : 0;

	if (!at)
		return 0;
	json_text_encode(chars, n, &t->arena);
	room_for(t, 1);
	t->v[t->n] = (struct json_node) {
		.begin = at,
		.end = t->len + (uint32_t)t->arena.len,
		.type = JSON_T_STRING,
	};
	return t->n++;
}
