/* SPDX-License-Identifier: MIT */
/*
 * The linear-space form of Myers' algorithm: find the middle of a shortest
 * edit script from both ends at once, then do the same on either side of it.
 */
#include "diff.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

#define CONTEXT 3
#define TEXT_MAX (1024u * 1024u)
#define EDITS_MAX 4000
#define NOWHERE (LONG_MIN / 4)

struct line {
	const char *p;
	size_t len;          /* without the newline */
	uint64_t hash;
	bool changed;        /* removed from a, or added in b */
};

struct text {
	struct line *v;
	size_t n, cap;
	bool unended;        /* the last line has no newline */
};

/* --- lines --- */

static uint64_t hash_line(const char *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;    /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 0x100000001b3u;
	return h;
}

static void split(struct text *t, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		VEC_GROW(t->v, t->n, t->cap);
		t->v[t->n].p = p;
		t->v[t->n].len = len;
		/* a last line without a newline differs from one with it */
		t->v[t->n].hash = hash_line(p, len) ^ (nl ? 0 : 1);
		t->v[t->n].changed = false;
		t->n++;
		t->unended = !nl;
		p += len + 1;
	}
}

static bool same(const struct line *a, const struct line *b)
{
	return a->hash == b->hash && a->len == b->len &&
		!memcmp(a->p, b->p, a->len);
}

/* --- the shortest edit script --- */

struct box {
	struct line *a, *b;
	long n, m;
};

/* a run of equal lines in the middle: from x, y to u, v */
struct snake {
	long x, y, u, v;
};

struct search {
	long *fwd, *bwd;     /* furthest x on each diagonal, offset zero */
	long limit;          /* of edits from either end; < 0: none */
};

/* furthest x on diagonal k after d edits, or NOWHERE if all leave the box */
static long step(const struct box *x, const long *v, long k, long d)
{
	long right = k > -d ? v[k - 1] + 1 : NOWHERE;
	long down = k < d || !d ? v[k + 1] : NOWHERE;

	if (right > x->n)
		right = NOWHERE;
	if (down - k > x->m)
		down = NOWHERE;
	return MAX(MAX(right, down), NOWHERE);
}

static bool forward(const struct box *x, struct search *s, long d,
		    struct snake *ret)
{
	long delta = x->n - x->m;

	for (long k = -d; k <= d; k += 2) {
		long i = step(x, s->fwd, k, d), j = i - k;

		s->fwd[k] = i;
		if (i < 0)
			continue;
		ret->x = i;
		ret->y = j;
		while (i < x->n && j < x->m && same(&x->a[i], &x->b[j])) {
			i++;
			j++;
		}
		s->fwd[k] = i;
		if ((delta & 1) && delta - k >= -(d - 1) &&
		    delta - k <= d - 1 && i + s->bwd[delta - k] >= x->n) {
			ret->u = i;
			ret->v = j;
			return true;
		}
	}
	return false;
}

static bool backward(const struct box *x, struct search *s, long d,
		     struct snake *ret)
{
	long delta = x->n - x->m;

	for (long k = -d; k <= d; k += 2) {
		long i = step(x, s->bwd, k, d), j = i - k;

		s->bwd[k] = i;
		if (i < 0)
			continue;
		ret->u = x->n - i;
		ret->v = x->m - j;
		while (i < x->n && j < x->m &&
		       same(&x->a[x->n - 1 - i], &x->b[x->m - 1 - j])) {
			i++;
			j++;
		}
		s->bwd[k] = i;
		if (!(delta & 1) && delta - k >= -d && delta - k <= d &&
		    i + s->fwd[delta - k] >= x->n) {
			ret->x = x->n - i;
			ret->y = x->m - j;
			return true;
		}
	}
	return false;
}

static bool middle(const struct box *x, struct search *s, struct snake *ret)
{
	s->fwd[1] = s->bwd[1] = 0;
	for (long d = 0; s->limit < 0 || d <= s->limit; d++)
		if (forward(x, s, d, ret) || backward(x, s, d, ret))
			return true;
	return false;
}

static void trim(struct box *x)
{
	while (x->n && x->m && same(x->a, x->b)) {
		x->a++;
		x->b++;
		x->n--;
		x->m--;
	}
	while (x->n && x->m && same(&x->a[x->n - 1], &x->b[x->m - 1])) {
		x->n--;
		x->m--;
	}
}

/* false: they differ in too many lines; only the first call has a limit */
static bool compare(struct box x, struct search *s)
{
	struct snake mid;
	struct box rest;

	trim(&x);
	if (!x.n || !x.m) {
		for (long i = 0; i < x.n; i++)
			x.a[i].changed = true;
		for (long j = 0; j < x.m; j++)
			x.b[j].changed = true;
		return s->limit < 0 || x.n + x.m <= EDITS_MAX;
	}
	if (!middle(&x, s, &mid))
		return false;
	s->limit = -1;
	rest = (struct box){ x.a + mid.u, x.b + mid.v, x.n - mid.u,
			     x.m - mid.v };
	x.n = mid.x;
	x.m = mid.y;
	(void)compare(x, s);
	(void)compare(rest, s);
	return true;
}

static bool find_changes(struct text *a, struct text *b)
{
	size_t room = a->n + b->n + 3;
	long *v = xcalloc(4 * room, sizeof(*v));
	struct search s = { .fwd = v + room, .bwd = v + 3 * room,
			    .limit = EDITS_MAX / 2 };
	struct box x = { a->v, b->v, (long)a->n, (long)b->n };
	bool ret = compare(x, &s);

	free(v);
	return ret;
}

/* --- hunks --- */

static void put_line(struct strvec *out, char sign, const struct text *t,
		     size_t i)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addch(&sb, sign);
	strbuf_add_escaped(&sb, t->v[i].p, t->v[i].len);
	strvec_push(out, sb.buf);
	if (t->unended && i + 1 == t->n)
		strvec_push(out, _("\\ no newline at the end"));
}

/* an empty side is named by the line before it, as diff(1) does */
static void put_head(struct strvec *out, size_t a0, size_t a1, size_t b0,
		     size_t b1)
{
	strvec_pushf(out, "@@ -%zu,%zu +%zu,%zu @@", a0 + (a1 > a0), a1 - a0,
		     b0 + (b1 > b0), b1 - b0);
}

static void put_hunk(struct strvec *out, const struct text *a, size_t a0,
		     size_t a1, const struct text *b, size_t b0, size_t b1)
{
	put_head(out, a0, a1, b0, b1);
	while (a0 < a1 || b0 < b1) {
		while (a0 < a1 && a->v[a0].changed)
			put_line(out, '-', a, a0++);
		while (b0 < b1 && b->v[b0].changed)
			put_line(out, '+', b, b0++);
		while (a0 < a1 && b0 < b1 && !a->v[a0].changed &&
		       !b->v[b0].changed) {
			put_line(out, ' ', a, a0++);
			b0++;
		}
	}
}

static void put_hunks(struct strvec *out, const struct text *a,
		      const struct text *b)
{
	size_t i = 0, j = 0;

	while (i < a->n || j < b->n) {
		size_t a0, b0, equal = 0;

		if (i < a->n && j < b->n && !a->v[i].changed &&
		    !b->v[j].changed) {
			i++;
			j++;
			continue;
		}
		a0 = i - MIN(i, (size_t)CONTEXT);
		b0 = j - (i - a0);
		/* to where more than twice the context is equal */
		while ((i < a->n || j < b->n) && equal <= 2 * CONTEXT) {
			if (i < a->n && a->v[i].changed) {
				i++;
				equal = 0;
			} else if (j < b->n && b->v[j].changed) {
				j++;
				equal = 0;
			} else {
				i++;
				j++;
				equal++;
			}
		}
		equal -= MIN(equal, (size_t)CONTEXT);
		put_hunk(out, a, a0, i - equal, b, b0, j - equal);
	}
}

static bool is_binary(const char *p, size_t n)
{
	return n && memchr(p, '\0', n);
}

void diff_unified(const char *a_name, const char *a, size_t a_len,
		  const char *b_name, const char *b, size_t b_len,
		  struct strvec *out)
{
	_cleanup_free_ char *an = escape_bytes(a_name);
	_cleanup_free_ char *bn = escape_bytes(b_name);
	struct text ta = { 0 }, tb = { 0 };

	if (a_len == b_len && (!a_len || !memcmp(a, b, a_len)))
		return;
	if (is_binary(a, a_len) || is_binary(b, b_len)) {
		strvec_pushf(out, _("binary contents of '%s' and '%s' differ"),
			     an, bn);
		return;
	}
	if (a_len > TEXT_MAX || b_len > TEXT_MAX) {
		strvec_pushf(out, _("'%s' and '%s' differ and are too large "
			     "to be shown"), an, bn);
		return;
	}
	split(&ta, a, a_len);
	split(&tb, b, b_len);
	if (find_changes(&ta, &tb)) {
		strvec_pushf(out, "--- %s", an);
		strvec_pushf(out, "+++ %s", bn);
		put_hunks(out, &ta, &tb);
	} else {
		strvec_pushf(out, _("'%s' and '%s' differ in more than %d "
			     "lines"), an, bn, EDITS_MAX);
	}
	free(ta.v);
	free(tb.v);
}
