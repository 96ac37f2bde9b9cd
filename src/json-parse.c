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
#include "json-index-internal.h"
#include "json-scan.h"
#include "json-tree.h"

struct text {
	struct json_tree *t;
	const unsigned char *begin, *end;
	uint32_t base;           /* what position begin has */
	struct json_index index;
};

/*
 * Where it is. Nobody but functions that are expanded in place sees a pointer
 * to it, so that it stays in registers.
 */
struct cursor {
	const unsigned char *p;  /* the token */
	const uint32_t *next, *last;    /* positions that are still to come */
	struct json_node *v;     /* of the tree */
	uint32_t n;
	uint32_t top;            /* the open container, 0: none */
	uint32_t before;         /* what stands ahead in it, 0: nothing */
	int depth;
	/* of the member that is being read */
	uint32_t key, key_end;
	uint8_t key_flags;
};

static void room_for(struct json_tree *t, uint32_t n)
{
	if (t->cap - t->n >= n)
		return;
	t->cap = MAX(t->cap * 2, t->n + n);
	t->v = xrealloc(t->v, t->cap, sizeof(*t->v));
}

/* positions, and room for as many nodes behind the first n */
static _noinline_ bool more_tokens(struct text *x, uint32_t n)
{
	if (!json_index_more(&x->index))
		return false;
	x->t->n = n;
	/* one token may be waiting for its node */
	room_for(x->t, (uint32_t)x->index.n + 1);
	return true;
}

json_inline bool next_token(struct text *x, struct cursor *c)
{
	if (c->next == c->last) {
		if (!more_tokens(x, c->n))
			return false;
		c->next = x->index.v;
		c->last = c->next + x->index.n;
		c->v = x->t->v;
	}
	c->p = x->begin + *c->next++;
	return true;
}

json_inline uint32_t pos_of(const struct text *x, const unsigned char *p)
{
	return x->base + (uint32_t)(p - x->begin);
}

json_inline struct json_node *add_node(struct text *x, struct cursor *c,
				       enum json_node_type type)
{
	uint32_t i = c->n++;
	struct json_node *d = &c->v[i];

	*d = (struct json_node) {
		.begin = pos_of(x, c->p),
		.key = c->key,
		.key_end = c->key_end,
		.parent = c->top,
		.type = (uint8_t)type,
		.flags = c->key_flags,
	};
	c->key = c->key_end = 0;
	c->key_flags = 0;
	if (c->before)
		c->v[c->before].next = i;
	else if (c->top)
		c->v[c->top].child = i;
	c->before = i;
	return d;
}

/* --- scalars --- */

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' &&
					  (c | 0x20) <= 'f');
}

enum escape { ESCAPE_NONE, ESCAPE_SHORT, ESCAPE_HEX };

static const uint8_t escapes_of[256] = {
	['"'] = ESCAPE_SHORT, ['\\'] = ESCAPE_SHORT, ['/'] = ESCAPE_SHORT,
	['b'] = ESCAPE_SHORT, ['f'] = ESCAPE_SHORT, ['n'] = ESCAPE_SHORT,
	['r'] = ESCAPE_SHORT, ['t'] = ESCAPE_SHORT, ['u'] = ESCAPE_HEX,
};

/* p is at the backslash */
json_inline bool is_escape(const unsigned char *p, const unsigned char *end)
{
	enum escape e = end - p < 2 ? ESCAPE_NONE :
		(enum escape)escapes_of[p[1]];

	return e == ESCAPE_SHORT ||
		(e == ESCAPE_HEX && end - p >= 6 && is_hex(p[2]) &&
		 is_hex(p[3]) && is_hex(p[4]) && is_hex(p[5]));
}

/* from the opening quote to the closing one */
json_inline bool to_closing_quote(struct text *x, struct cursor *c,
				  bool *escapes)
{
	*escapes = false;
	for (;;) {
		if (!next_token(x, c))
			return false;
		if (*c->p == '"')
			return true;
		*escapes = true;
		if (!is_escape(c->p, x->end))
			return false;
	}
}

json_inline bool take_string(struct text *x, struct cursor *c)
{
	uint32_t i = c->n;
	bool escapes;

	(void)add_node(x, c, JSON_T_STRING);
	if (!to_closing_quote(x, c, &escapes))
		return false;
	c->v[i].end = pos_of(x, c->p) + 1;
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

json_inline bool take_scalar(struct text *x, struct cursor *c,
			     enum json_node_type type,
			     const unsigned char *end)
{
	if (!end || (end < x->end && !is_delimiter(*end)))
		return false;
	add_node(x, c, type)->end = pos_of(x, end);
	return true;
}

json_inline bool take_word(struct text *x, struct cursor *c,
			   enum json_node_type type, const char *word,
			   size_t n)
{
	if ((size_t)(x->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return false;
	return take_scalar(x, c, type, c->p + n);
}

/* --- containers --- */

/* at its bracket */
json_inline void close_top(struct text *x, struct cursor *c)
{
	struct json_node *d = &c->v[c->top];

	d->end = pos_of(x, c->p) + 1;
	d->last = c->before;
	c->before = c->top;
	c->top = d->parent;
	c->depth--;
}

/* from a key, past its colon, to the value */
json_inline bool take_key(struct text *x, struct cursor *c)
{
	bool escapes;

	if (*c->p != '"')
		return false;
	c->key = pos_of(x, c->p);
	if (!to_closing_quote(x, c, &escapes))
		return false;
	c->key_end = pos_of(x, c->p) + 1;
	c->key_flags = escapes ? JSON_KEY_ESCAPES : 0;
	return next_token(x, c) && *c->p == ':' && next_token(x, c);
}

/* opens it, and is then at its first token; or behind it if it is empty */
json_inline bool take_container(struct text *x, struct cursor *c,
				enum json_node_type type, bool *whole)
{
	uint32_t i = c->n;

	if (c->depth == JSON_DEPTH_MAX)
		return false;
	(void)add_node(x, c, type);
	c->top = i;
	c->before = 0;
	c->depth++;
	if (!next_token(x, c))
		return false;
	*whole = *c->p == (type == JSON_T_OBJECT ? '}' : ']');
	if (*whole)
		close_top(x, c);
	return true;
}

/* whole: the value is over; key: else a key is next */
json_inline bool take_value(struct text *x, struct cursor *c, bool *whole,
			    bool *key)
{
	*whole = true;
	*key = false;
	switch (*c->p) {
	case '"':
		return take_string(x, c);
	case '{':
		*key = true;
		return take_container(x, c, JSON_T_OBJECT, whole);
	case '[':
		return take_container(x, c, JSON_T_ARRAY, whole);
	case 't':
		return take_word(x, c, JSON_T_TRUE, "true", 4);
	case 'f':
		return take_word(x, c, JSON_T_FALSE, "false", 5);
	case 'n':
		return take_word(x, c, JSON_T_NULL, "null", 4);
	case '-':
	case '0' ... '9':
		return take_scalar(x, c, JSON_T_NUMBER,
				   number_end(c->p, x->end));
	default:
		return false;
	}
}

/* behind a value: closes what ends there; true: at the token behind a comma */
json_inline bool behind_value(struct text *x, struct cursor *c, bool *key)
{
	while (c->top) {
		*key = c->v[c->top].type == JSON_T_OBJECT;
		if (!next_token(x, c))
			return false;
		if (*c->p == ',')
			return next_token(x, c);
		if (*c->p != (*key ? '}' : ']'))
			return false;
		close_top(x, c);
	}
	return false;
}

static bool parse(struct text *x, const struct json_around *around)
{
	struct cursor c = { .n = x->t->n };
	bool whole, key = around && around->member;

	c.depth = around ? around->depth : 0;

	if (!next_token(x, &c))
		return false;
	do {
		if (key && !take_key(x, &c))
			return false;
		if (!take_value(x, &c, &whole, &key))
			return false;
	} while (!whole || behind_value(x, &c, &key));
	x->t->n = c.n;
	return !c.top && !next_token(x, &c) && !x->index.bad;
}

static bool parse_text(struct json_tree *t, const char *text, size_t n,
		       uint32_t base, const struct json_around *around)
{
	struct text x;

	x.t = t;
	x.begin = (const unsigned char *)text;
	x.end = x.begin + n;
	x.base = base;
	json_index_init(&x.index, text, n);
	return parse(&x, around);
}

int json_tree_parse(struct json_tree *t, const char *text, size_t n)
{
	strbuf_clear(&t->arena);
	t->text = text;
	t->len = (uint32_t)n;
	t->n = 1;
	t->lost = false;
	if (!t->cap)
		t->v = xcalloc(t->cap = 64, sizeof(*t->v));
	if (n > JSON_TREE_TEXT_MAX)
		return -EFBIG;
	return parse_text(t, text, n, 0, t->around) ? 0 : -EINVAL;
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
	if (parse_text(t, t->arena.buf + (at - t->len), n, at, NULL))
		return first;
	t->n = first;
	return 0;
}

/* first: the node that JSON_ROOT of the other tree becomes */
static void copy_node(struct json_node *d, const struct json_node *from,
		      uint32_t at, uint32_t first)
{
	uint32_t shift = first - JSON_ROOT;

	*d = *from;
	d->begin += at;
	d->end += at;
	d->key += d->key_end ? at : 0;
	d->key_end += d->key_end ? at : 0;
	d->parent += d->parent ? shift : 0;
	d->child += d->child ? shift : 0;
	d->last += d->last ? shift : 0;
	d->next += d->next ? shift : 0;
}

uint32_t json_tree_graft_tree(struct json_tree *t,
			      const struct json_tree *from)
{
	uint32_t first = t->n, at = from->n ? arena_room(t, from->len) : 0;

	if (!at)
		return 0;
	strbuf_add(&t->arena, from->text, from->len);
	room_for(t, from->n - JSON_ROOT);
	for (uint32_t i = JSON_ROOT; i < from->n; i++)
		copy_node(&t->v[t->n++], &from->v[i], at, first);
	return first;
}
