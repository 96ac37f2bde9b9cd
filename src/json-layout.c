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

struct span {
	const char *p;
	size_t n;
};

/* how what is put in is written; parts of the texts, which stay meanwhile */
struct style {
	/* ahead of a member or element, with `deeper` units behind it; with a
	   line break: in lines */
	struct span lead;
	unsigned int deeper;
	/* what lead has more than the lead of the level above */
	struct span unit;
	/* between key and value */
	struct span colon;
};

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
static struct span blanks_before(const struct json_tree *t, uint32_t pos)
{
	const char *base = pos < t->len ? t->text : t->arena.buf - t->len;
	uint32_t first = pos < t->len ? 0 : t->len, from = pos;

	while (from > first && json_is_space((unsigned char)base[from - 1]))
		from--;
	return (struct span) { base + from, pos - from };
}

/* what stands behind the last line break; NULL: there is none */
static const char *last_line(struct span s)
{
	/* there are few of them, if any */
	for (size_t n = s.n; n; n--)
		if (s.p[n - 1] == '\n')
			return s.p + n;
	return NULL;
}

static bool in_lines(const struct style *s)
{
	return last_line(s->lead);
}

static void put_lead(const struct style *s, struct strbuf *out)
{
	strbuf_add(out, s->lead.p, s->lead.n);
	for (unsigned int i = 0; i < s->deeper; i++)
		strbuf_add(out, s->unit.p, s->unit.n);
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

static struct span colon_of(const struct json_tree *t,
			    const struct json_node *d)
{
	return (struct span) { json_at(t, d->key_end), d->begin - d->key_end };
}

static struct span span_of(const struct strbuf *s)
{
	return (struct span) { s->buf, s->len };
}

/* from a member of i, or of what is around it */
static struct span find_colon(const struct json_tree *t, uint32_t i)
{
	for (; i; i = t->v[i].parent) {
		const struct json_node *d = &t->v[i];

		for (uint32_t c = d->child; c && !(d->flags & JSON_REPLACED);
		     c = t->v[c].next)
			if (t->v[c].key_end && is_original(&t->v[c]))
				return colon_of(t, &t->v[c]);
		if (d->key_end && is_original(d))
			return colon_of(t, d);
	}
	if (t->around && t->around->colon.len)
		return span_of(&t->around->colon);
	return (struct span) { ": ", 2 };
}

static bool ends_blank(struct span colon)
{
	return colon.p[colon.n - 1] == ' ';
}

/* lead of the level above: that of i itself */
static struct span lead_above(const struct json_tree *t, uint32_t i)
{
	const struct json_node *d = &t->v[i];

	if (i == JSON_ROOT && t->around)
		return blanks_before(t, start_of(d));
	if (i == JSON_ROOT || !d->parent || !is_original(d) ||
	    t->v[d->parent].flags & JSON_REPLACED)
		return (struct span) { "", 0 };
	return blanks_before(t, start_of(d));
}

/* and that of the level above that one */
static struct span lead_above_that(const struct json_tree *t, uint32_t i)
{
	if (i == JSON_ROOT && t->around)
		return span_of(&t->around->above);
	return lead_above(t, t->v[i].parent);
}

/* the indentation of lead without that of above, if it begins with it */
static struct span find_unit(struct span lead, struct span above)
{
	const char *in = last_line(lead), *out = last_line(above);
	size_t n, skip;

	if (!in)
		return (struct span) { "", 0 };
	n = lead.n - (size_t)(in - lead.p);
	skip = out ? above.n - (size_t)(out - above.p) : 0;
	if (skip >= n || memcmp(in, out ? out : "", skip) != 0)
		return (struct span) { "", 0 };
	return (struct span) { in + skip, n - skip };
}

/* for what is put into container i, which is neither replaced nor fresh */
static void find_style(const struct json_tree *t, uint32_t i,
		       struct style *s)
{
	uint32_t first, c = last_original(t, i, &first);
	struct span above;

	memset(s, 0, sizeof(*s));
	s->colon = find_colon(t, i);
	s->unit = s->lead = (struct span) { "", 0 };
	if (c)
		s->lead = blanks_before(t, start_of(&t->v[c]));
	/* the blank behind a bracket is none behind a comma */
	if (c && first == c && !s->lead.n && ends_blank(s->colon))
		s->lead = (struct span) { " ", 1 };
	/* no levels on one line; most do not stand in lines */
	if (c && !in_lines(s) && (first == c ||
	    !last_line(blanks_before(t, start_of(&t->v[first])))))
		return;
	above = lead_above(t, i);
	if (c) {
		s->unit = find_unit(blanks_before(t, start_of(&t->v[first])),
				    above);
	} else if (last_line(above)) {
		/* empty so far: one level deeper than it stands itself */
		s->unit = find_unit(above, lead_above_that(t, i));
		s->lead = above;
		s->deeper = 1;
	} else if (ends_blank(s->colon)) {
		s->lead = (struct span) { " ", 1 };
	}
}

/* of what stands in place of the root, if more is around it: as find_style()
   would find it for the container around it */
static void style_around(const struct json_tree *t, struct style *s)
{
	const struct json_around *a = t->around;

	memset(s, 0, sizeof(*s));
	s->colon = a->colon.len ? span_of(&a->colon) : (struct span) { ": ", 2 };
	s->lead = lead_above(t, JSON_ROOT);
	s->unit = find_unit(span_of(&a->lead), span_of(&a->above));
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
		strbuf_add(out, s->colon.p, s->colon.n);
	}
	put_value(t, i, fresh, s, out);
}

/* a container of the plan, laid out as its neighbours are */
static void put_fresh(const struct json_tree *t, uint32_t i,
		      const struct style *s, struct strbuf *out)
{
	bool object = t->v[i].type == JSON_T_OBJECT, first = true;
	bool lines = in_lines(s);
	struct style in = *s;

	in.deeper += lines;
	strbuf_addch(out, object ? '{' : '[');
	for (uint32_t c = json_child(t, i); c; c = json_next(t, c)) {
		if (!first)
			strbuf_addch(out, ',');
		if (!first || lines)
			put_lead(&in, out);
		first = false;
		put_member(t, c, true, &in, out);
	}
	if (!first && lines)
		put_lead(s, out);
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
			put_lead(st, out);
		}
		n++;
		put_member(t, c, false, st, out);
	}
	if (n && trails) {
		strbuf_addch(out, ',');
		put_lead(st, out);
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
	bool lines = in_lines(st);

	if (!json_child(t, i)) {
		add_splice(t, s, begin, end - begin, from);
		return;
	}
	if (was) {
		begin = a;
		end = b;
	} else if (lines) {
		put_lead(st, &s->text);
	}
	(void)put_run(t, d->child, 0, st, false, false, &s->text);
	if (!was && lines) {
		/* the bracket stands where the container does */
		struct span close = lead_above(t, i);

		strbuf_add(&s->text, close.p, close.n);
	}
	add_splice(t, s, begin, end - begin, from);
}

static void splice_list(const struct json_tree *t, uint32_t i,
			struct json_splices *s)
{
	struct style st;
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
		struct style st = { { "", 0 }, 0, { "", 0 }, { ": ", 2 } };
		size_t from = s->text.len;

		if (i != JSON_ROOT && d->parent) {
			find_style(t, d->parent, &st);
			/* deeper levels go on from where this one stands */
			st.lead = lead_above(t, i);
			st.deeper = 0;
		} else if (t->around) {
			style_around(t, &st);
		}
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
