/* SPDX-License-Identifier: MIT */
#include "json-notes.h"

#include <string.h>

#include "base/hash.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "json-scan.h"
#include "json-text.h"

#define TOKEN_MAX ((size_t)1024 * 1024)
#define NAMES_MAX ((size_t)1024 * 1024)
/* so few names are compared one by one */
#define FEW 16u

/*
 * The names of an open object: digests, those of inner objects behind those of
 * outer ones, gone when the object is closed. Of many there is a table of
 * their numbers from 1 (0: free), open addressing.
 */
struct level {
	size_t first, n;
	uint32_t *table;
	size_t room;             /* of table, a power of two */
};

struct json_notes {
	json_note_fn *fn;
	void *ctx;
	struct json_scan *scan;
	/* the piece that is being fed, and its place in the document */
	const char *piece;
	uint64_t base;
	/* of a token that began in an earlier one: its bytes, up to TOKEN_MAX */
	struct strbuf carry;
	/* half a pair among them? state as in lone_feed() */
	bool lone;
	unsigned int digits, code, high;
	bool escape;
	struct xxh128 *names;
	size_t name_n, name_cap;
	struct level levels[JSON_DEPTH_MAX];
};

static void note(struct json_notes *n, const char *what)
{
	struct json_place at;

	json_scan_token_place(n->scan, &at);
	n->fn(n->ctx, &at, what);
}

/* --- names --- */

static uint64_t slot_of(const struct xxh128 *d, size_t room)
{
	uint64_t v;

	memcpy(&v, d->b, sizeof(v));
	return v & (room - 1);
}

static bool has_name(const struct json_notes *n, const struct level *l,
		     const struct xxh128 *d)
{
	const struct xxh128 *names = n->names + l->first;

	if (!l->table) {
		for (size_t i = 0; i < l->n; i++)
			if (xxh128_equal(&names[i], d))
				return true;
		return false;
	}
	for (uint64_t s = slot_of(d, l->room); l->table[s];
	     s = (s + 1) & (l->room - 1))
		if (xxh128_equal(&names[l->table[s] - 1], d))
			return true;
	return false;
}

static void into_table(const struct json_notes *n, struct level *l, size_t i)
{
	uint64_t s = slot_of(&n->names[l->first + i], l->room);

	while (l->table[s])
		s = (s + 1) & (l->room - 1);
	l->table[s] = (uint32_t)i + 1;
}

static void add_name(struct json_notes *n, struct level *l,
		     const struct xxh128 *d)
{
	if (l->n == NAMES_MAX)
		return;
	VEC_GROW(n->names, n->name_n, n->name_cap);
	n->names[n->name_n++] = *d;
	l->n++;
	if (l->n <= FEW)
		return;
	if (l->n * 2 <= l->room) {
		into_table(n, l, l->n - 1);
		return;
	}
	free(l->table);
	l->room = l->room ? l->room * 2 : FEW * 8;
	l->table = xcalloc(l->room, sizeof(*l->table));
	for (size_t i = 0; i < l->n; i++)
		into_table(n, l, i);
}

static void close_level(struct json_notes *n, struct level *l)
{
	n->name_n -= l->n;
	free(l->table);
	*l = (struct level){ 0 };
}

static void look_at_name(struct json_notes *n, struct level *l,
			 const char *token, size_t len)
{
	struct xxh128 d;

	if (memchr(token, '\\', len)) {
		_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;

		json_text_decode(token, len, &name);
		d = xxh128_of(name.buf, name.len);
	} else {
		d = xxh128_of(token + 1, len - 2);
	}
	if (has_name(n, l, &d))
		note(n, N_("a name that its object has already"));
	else
		add_name(n, l, &d);
}

/* --- halves of pairs, in a string that comes in pieces --- */

static void lone_reset(struct json_notes *n)
{
	n->lone = n->escape = false;
	n->digits = n->code = n->high = 0;
}

static void lone_code(struct json_notes *n)
{
	bool high = (n->code & 0xfc00) == 0xd800;
	bool low = (n->code & 0xfc00) == 0xdc00;

	if (low ? !n->high : n->high)
		n->lone = true;
	n->high = high;
}

static void lone_feed(struct json_notes *n, const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end) {
		unsigned char c = (unsigned char)*p++;

		if (n->digits) {
			n->code = n->code << 4 |
				(c <= '9' ? c & 15u : (c & 15u) + 9);
			if (!--n->digits)
				lone_code(n);
		} else if (n->escape) {
			n->escape = false;
			n->code = 0;
			n->digits = c == 'u' ? 4 : 0;
			if (c != 'u')
				lone_code(n);
		} else if (c == '\\') {
			n->escape = true;
		} else {
			/* any other byte is no second half */
			n->code = 0;
			lone_code(n);
			p = memchr(p, '\\', (size_t)(end - p));
			if (!p)
				return;
		}
	}
}

/* --- tokens --- */

static void keep(struct json_notes *n, const char *p, size_t len)
{
	lone_feed(n, p, len);
	strbuf_add(&n->carry, p, MIN(len, TOKEN_MAX - n->carry.len));
}

/* the bytes of t; *whole: all of them */
static const char *bytes_of(struct json_notes *n, const struct json_token *t,
			    bool *whole)
{
	*whole = true;
	if (t->begin >= n->base)
		return n->piece + (t->begin - n->base);
	if (t->end > n->base)
		keep(n, n->piece, (size_t)(t->end - n->base));
	*whole = n->carry.len == t->end - t->begin;
	return n->carry.buf;
}

static bool has_lone(const struct json_notes *n, const struct json_token *t,
		     const char *p)
{
	size_t len = (size_t)(t->end - t->begin);

	if (t->begin < n->base)
		return n->lone;
	return memchr(p, '\\', len) && json_text_has_lone(p, len);
}

static int on_token(void *ctx, const struct json_token *t)
{
	struct json_notes *n = ctx;
	size_t len = (size_t)(t->end - t->begin);
	const char *p;
	bool whole;

	if (t->type == JSON_OBJECT_BEGIN)
		n->levels[t->depth].first = n->name_n;
	else if (t->type == JSON_OBJECT_END)
		close_level(n, &n->levels[t->depth]);
	if (t->type != JSON_KEY && t->type != JSON_STRING &&
	    t->type != JSON_NUMBER)
		return 0;
	p = bytes_of(n, t, &whole);
	if (t->type == JSON_NUMBER) {
		if (!whole || !json_number_fits_double(p, len))
			note(n, N_("a number that a double cannot hold"));
		return 0;
	}
	if (has_lone(n, t, p))
		note(n, N_("half a surrogate pair"));
	if (t->type == JSON_KEY && whole)
		look_at_name(n, &n->levels[t->depth - 1], p, len);
	return 0;
}

/* --- the document --- */

int json_notes_feed(struct json_notes *n, const void *p, size_t len)
{
	uint64_t begin;
	int ret;

	n->piece = p;
	ret = json_scan_feed(n->scan, p, len);
	begin = json_scan_token_begin(n->scan);
	/* a token that began here; of one that began before there is more */
	if (begin >= n->base) {
		strbuf_clear(&n->carry);
		lone_reset(n);
	}
	if (ret == 0 && begin < n->base)
		keep(n, n->piece, len);
	else if (ret == 0 && begin < n->base + len)
		keep(n, n->piece + (begin - n->base),
		     (size_t)(n->base + len - begin));
	n->base += len;
	return ret;
}

int json_notes_end(struct json_notes *n)
{
	return json_scan_end(n->scan);
}

struct json_scan *json_notes_scan(struct json_notes *n)
{
	return n->scan;
}

void json_notes_reset(struct json_notes *n)
{
	json_scan_reset(n->scan);
	n->base = 0;
	strbuf_clear(&n->carry);
	lone_reset(n);
	for (size_t i = 0; i < JSON_DEPTH_MAX; i++) {
		free(n->levels[i].table);
		n->levels[i] = (struct level){ 0 };
	}
	n->name_n = 0;
}

struct json_notes *json_notes_new(json_note_fn *fn, void *ctx)
{
	struct json_notes *n = xcalloc(1, sizeof(*n));

	n->fn = fn;
	n->ctx = ctx;
	n->scan = json_scan_new(on_token, n);
	strbuf_init(&n->carry);
	return n;
}

void json_notes_free(struct json_notes *n)
{
	if (!n)
		return;
	json_notes_reset(n);
	json_scan_free(n->scan);
	strbuf_release(&n->carry);
	free(n->names);
	free(n);
}
