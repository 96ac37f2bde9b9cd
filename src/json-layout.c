/* SPDX-License-Identifier: MIT */
/*
 * What the marks of an edited tree do to its bytes.
 *
 * Every function works on one text: the document, or one that was grafted in
 * (a value that was moved and then edited keeps its bytes as well). Positions
 * are those of the nodes, which tell the two apart.
 *
 * A container whose list of children changed is gone through from child to
 * child. What is kept of the separators:
 *	gone behind one that stays:	from the end of that one to its own end
 *	gone ahead of all that stay:	from its begin to the begin of the next
 *	all gone:			all between the brackets
 * so the blanks behind the opening and ahead of the closing bracket stay, and
 * a member that was added and is removed leaves nothing behind.
 */
#include <string.h>

#include "base/xalloc.h"
#include "json-bytes.h"
#include "json-edit.h"

/* how what is put in is written */
struct style {
	/* ahead of a member or element; with a line break: in lines */
	struct strbuf lead;
	/* what lead has more than the lead of the level above */
	struct strbuf unit;
	/* between key and value */
	struct strbuf colon;
};
#define STYLE_INIT { STRBUF_INIT, STRBUF_INIT, STRBUF_INIT }

static void style_release(struct style *s)
{
	strbuf_release(&s->lead);
	strbuf_release(&s->unit);
	strbuf_release(&s->colon);
}
#define _cleanup_style_ _cleanup_(style_release)

static uint32_t start_of(const struct json_node *d)
{
	return d->key_end ? d->key : d->begin;
}

/* stands in the text of its container, at a place of its own */
static bool is_original(const struct json_node *d)
{
	return !(d->flags & JSON_ADDED);
}

/* --- style --- */

/* the blanks ahead of pos, which is not at the begin of its text */
static void blanks_before(const struct json_tree *t, uint32_t pos,
			  struct strbuf *out)
{
	const char *base = pos < t->len ? t->text : t->arena.buf - t->len;
	uint32_t first = pos < t->len ? 0 : t->len, from = pos;

	while (from > first && json_is_space((unsigned char)base[from - 1]))
		from--;
	strbuf_clear(out);
	strbuf_add(out, base + from, pos - from);
}

static const char *last_line(const struct strbuf *s)
{
	const char *p = memrchr(s->buf, '\n', s->len);

	return p ? p + 1 : NULL;
}

/* the last child that was there at first, gone or not; 0: none */
static uint32_t last_original(const struct json_tree *t, uint32_t i,
			      uint32_t *first)
{
	uint32_t found = 0;

	*first = 0;
	for (uint32_t c = t->v[i].child; c; c = t->v[c].next)
		if (is_original(&t->v[c])) {
			*first = *first ? *first : c;
			found = c;
		}
	return found;
}

/* from a member of i, of what is around it, or of what is in it */
static bool find_colon(const struct json_tree *t, uint32_t i,
		       struct strbuf *out)
{
	for (; i; i = t->v[i].parent) {
		const struct json_node *d = &t->v[i];

		for (uint32_t c = d->child; c && !(d->flags & JSON_REPLACED);
		     c = t->v[c].next) {
			const struct json_node *m = &t->v[c];

			if (!m->key_end || !is_original(m))
				continue;
			strbuf_add(out, json_at(t, m->key_end),
				   m->begin - m->key_end);
			return true;
		}
		if (d->key_end && is_original(d)) {
			strbuf_add(out, json_at(t, d->key_end),
				   d->begin - d->key_end);
			return true;
		}
	}
	return false;
}

/* lead of the level above: that of i itself */
static void lead_above(const struct json_tree *t, uint32_t i,
		       struct strbuf *out)
{
	const struct json_node *d = &t->v[i];

	strbuf_clear(out);
	if (i != JSON_ROOT && d->parent && is_original(d) &&
	    !(t->v[d->parent].flags & JSON_REPLACED))
		blanks_before(t, start_of(d), out);
}

/* the indentation of lead without that of above, if it begins with it */
static void find_unit(const struct strbuf *lead, const struct strbuf *above,
		      struct strbuf *unit)
{
	const char *in = last_line(lead), *out = last_line(above);
	size_t n, skip;

	if (!in)
		return;
	n = lead->len - (size_t)(in - lead->buf);
	skip = out ? above->len - (size_t)(out - above->buf) : 0;
	if (skip < n && !memcmp(in, out ? out : "", skip))
		strbuf_add(unit, in + skip, n - skip);
}

/* for what is put into container i, which is neither replaced nor fresh */
static void find_style(const struct json_tree *t, uint32_t i,
		       struct style *s)
{
	_cleanup_strbuf_ struct strbuf above = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf higher = STRBUF_INIT;
	uint32_t first, c = last_original(t, i, &first);

	if (!find_colon(t, i, &s->colon))
		strbuf_addstr(&s->colon, ": ");
	lead_above(t, i, &above);
	if (c) {
		blanks_before(t, start_of(&t->v[c]), &s->lead);
		/* the blank behind a bracket is none behind a comma */
		if (first == c && !s->lead.len &&
		    s->colon.buf[s->colon.len - 1] == ' ')
			strbuf_addch(&s->lead, ' ');
		blanks_before(t, start_of(&t->v[first]), &higher);
		find_unit(&higher, &above, &s->unit);
		return;
	}
	/* empty so far: one level deeper than it stands itself */
	if (last_line(&above)) {
		lead_above(t, t->v[i].parent, &higher);
		find_unit(&above, &higher, &s->unit);
		strbuf_add(&s->lead, above.buf, above.len);
		strbuf_add(&s->lead, s->unit.buf, s->unit.len);
	} else if (s->colon.buf[s->colon.len - 1] == ' ') {
		strbuf_addch(&s->lead, ' ');
	}
}

/* --- writing what is new --- */

static void put_value(const struct json_tree *t, uint32_t i, bool fresh,
		      const struct style *s, struct strbuf *out);

static void put_member(const struct json_tree *t, uint32_t i, bool fresh,
		       const struct style *s, struct strbuf *out)
{
	const struct json_node *d = &t->v[i];
	size_t n;
	const char *key;

	if (d->key_end) {
		key = json_key(t, i, &n);
		strbuf_add(out, key, n);
		strbuf_add(out, s->colon.buf, s->colon.len);
	}
	put_value(t, i, fresh, s, out);
}

/* a container of the plan, laid out as its neighbours are */
static void put_fresh(const struct json_tree *t, uint32_t i,
		      const struct style *s, struct strbuf *out)
{
	bool object = t->v[i].type == JSON_T_OBJECT, first = true;
	_cleanup_style_ struct style in = STYLE_INIT;

	strbuf_add(&in.lead, s->lead.buf, s->lead.len);
	strbuf_add(&in.unit, s->unit.buf, s->unit.len);
	strbuf_add(&in.colon, s->colon.buf, s->colon.len);
	if (last_line(&in.lead))
		strbuf_add(&in.lead, s->unit.buf, s->unit.len);
	strbuf_addch(out, object ? '{' : '[');
	for (uint32_t c = json_child(t, i); c; c = json_next(t, c)) {
		if (!first)
			strbuf_addch(out, ',');
		if (!first || last_line(&in.lead))
			strbuf_add(out, in.lead.buf, in.lead.len);
		first = false;
		put_member(t, c, true, &in, out);
	}
	if (!first && last_line(&in.lead))
		strbuf_add(out, s->lead.buf, s->lead.len);
	strbuf_addch(out, object ? '}' : ']');
}

static void put_value(const struct json_tree *t, uint32_t i, bool fresh,
		      const struct style *s, struct strbuf *out)
{
	for (;; i = t->v[i].child) {
		fresh = t->v[i].flags & JSON_FRESH ||
			(fresh && !(t->v[i].flags & JSON_ADDED));
		if (!(t->v[i].flags & JSON_REPLACED))
			break;
		fresh = false;
	}
	if (fresh && t->v[i].type >= JSON_T_ARRAY)
		put_fresh(t, i, s, out);
	else
		json_edit_text(t, i, out);
}

/* --- splices --- */

/* removed bytes from at on, and instead of them what is in s->text from
   `text` on */
static void add_splice(const struct json_tree *t, struct json_splices *s,
		       uint32_t at, uint32_t removed, size_t text)
{
	size_t len = s->text.len - text;

	if (len == removed &&
	    (!len || !memcmp(json_at(t, at), s->text.buf + text, len))) {
		strbuf_set_len(&s->text, text);
		return;
	}
	VEC_GROW(s->v, s->n, s->cap);
	s->v[s->n++] = (struct json_splice) {
		.at = at, .removed = removed, .text = text, .len = len,
	};
}

static void splice_value(const struct json_tree *t, uint32_t i,
			 struct json_splices *s);

/* a child that stays where it is */
static void splice_child(const struct json_tree *t, uint32_t i,
			 struct json_splices *s)
{
	const struct json_node *d = &t->v[i];

	if (d->flags & JSON_RENAMED) {
		size_t n, from = s->text.len;
		const char *key = json_key(t, i, &n);

		strbuf_add(&s->text, key, n);
		add_splice(t, s, d->key, d->key_end - d->key, from);
	}
	if (d->flags & JSON_DIRTY)
		splice_value(t, i, s);
}

/* a run of children of the list that are gone or new; c is the first, the one
   behind the last is returned */
static uint32_t run_end(const struct json_tree *t, uint32_t c)
{
	while (c && t->v[c].flags & (JSON_GONE | JSON_ADDED))
		c = t->v[c].next;
	return c;
}

static uint32_t put_run(const struct json_tree *t, uint32_t from, uint32_t to,
			const struct style *st, bool leads, bool trails,
			struct strbuf *out)
{
	uint32_t n = 0;

	for (uint32_t c = from; c != to; c = t->v[c].next) {
		if (t->v[c].flags & JSON_GONE)
			continue;
		if (n || leads) {
			strbuf_addch(out, ',');
			strbuf_add(out, st->lead.buf, st->lead.len);
		}
		n++;
		put_member(t, c, false, st, out);
	}
	if (n && trails) {
		strbuf_addch(out, ',');
		strbuf_add(out, st->lead.buf, st->lead.len);
	}
	return n;
}

/* the begin of the first and the end of the last original of a run */
static bool run_span(const struct json_tree *t, uint32_t from, uint32_t to,
		     uint32_t *begin, uint32_t *end)
{
	bool any = false;

	for (uint32_t c = from; c != to; c = t->v[c].next) {
		if (!is_original(&t->v[c]))
			continue;
		if (!any)
			*begin = start_of(&t->v[c]);
		*end = t->v[c].end;
		any = true;
	}
	return any;
}

/* nothing of what was in it stays: c is the first child or 0 */
static void splice_all(const struct json_tree *t, uint32_t i,
		       const struct style *st, struct json_splices *s)
{
	const struct json_node *d = &t->v[i];
	uint32_t begin = d->begin + 1, end = d->end - 1, a, b;
	size_t from = s->text.len;
	bool was = run_span(t, d->child, 0, &a, &b);
	bool lines = last_line(&st->lead);
	_cleanup_strbuf_ struct strbuf close = STRBUF_INIT;

	if (!json_child(t, i)) {
		add_splice(t, s, begin, end - begin, from);
		return;
	}
	if (was) {
		begin = a;
		end = b;
	} else if (lines) {
		strbuf_add(&s->text, st->lead.buf, st->lead.len);
	}
	(void)put_run(t, d->child, 0, st, false, false, &s->text);
	if (!was && lines) {
		/* the bracket stands where the container does */
		lead_above(t, i, &close);
		strbuf_add(&s->text, close.buf, close.len);
	}
	add_splice(t, s, begin, end - begin, from);
}

static void splice_list(const struct json_tree *t, uint32_t i,
			struct json_splices *s)
{
	_cleanup_style_ struct style st = STYLE_INIT;
	uint32_t c = t->v[i].child, keep = 0;

	find_style(t, i, &st);
	if (!run_end(t, c)) {
		splice_all(t, i, &st, s);
		return;
	}
	while (c) {
		uint32_t to = run_end(t, c), a = 0, b = 0;
		size_t from = s->text.len;
		bool was = run_span(t, c, to, &a, &b);

		if (to != c && keep) {
			a = t->v[keep].end;
			b = was ? b : a;
			(void)put_run(t, c, to, &st, true, false, &s->text);
			add_splice(t, s, a, b - a, from);
		} else if (to != c) {
			b = start_of(&t->v[to]);
			a = was ? a : b;
			(void)put_run(t, c, to, &st, false, true, &s->text);
			add_splice(t, s, a, b - a, from);
		}
		if (!to)
			return;
		splice_child(t, to, s);
		keep = to;
		c = t->v[to].next;
	}
}

static void splice_value(const struct json_tree *t, uint32_t i,
			 struct json_splices *s)
{
	const struct json_node *d = &t->v[i];

	if (d->flags & JSON_REPLACED) {
		_cleanup_style_ struct style st = STYLE_INIT;
		size_t from = s->text.len;

		if (i != JSON_ROOT && d->parent) {
			find_style(t, d->parent, &st);
			/* deeper levels go on from where this one stands */
			lead_above(t, i, &st.lead);
		}
		if (!st.colon.len)
			strbuf_addstr(&st.colon, ": ");
		put_value(t, i, false, &st, &s->text);
		add_splice(t, s, d->begin, d->end - d->begin, from);
		return;
	}
	if (d->flags & JSON_STRUCT) {
		splice_list(t, i, s);
		return;
	}
	for (uint32_t c = d->child; c; c = t->v[c].next)
		if (t->v[c].flags & (JSON_DIRTY | JSON_RENAMED))
			splice_child(t, c, s);
}

void json_splices(const struct json_tree *t, struct json_splices *s)
{
	if (t->v[JSON_ROOT].flags & JSON_DIRTY)
		splice_value(t, JSON_ROOT, s);
}

void json_edit_text(const struct json_tree *t, uint32_t i, struct strbuf *out)
{
	_cleanup_json_splices_ struct json_splices s = JSON_SPLICES_INIT;
	const struct json_node *d;

	i = json_now(t, i);
	d = &t->v[i];
	if (d->flags & JSON_DIRTY)
		splice_value(t, i, &s);
	for (size_t k = 0; k < s.n; k++)
		s.v[k].at -= d->begin;
	json_splices_apply(&s, json_at(t, d->begin), d->end - d->begin, out);
}
