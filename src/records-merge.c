/* SPDX-License-Identifier: MIT */
/* Two ranges of rows, read side by side and compared cell by cell. */
#include <string.h>

#include "records-internal.h"

/* forensic parts: about as many rows as a segment has */
#define PART_ROWS 20000

struct merge {
	struct records_pass *p;
	struct records_cursor c[2];
	const char *lo;
	bool differs;            /* the last row did: its span goes on */
	struct strbuf part_lo, part_hi, key, text;
};

static void add_span(struct records_pass *p, const char *lo, const char *hi)
{
	struct records_span *s;

	VEC_GROW(p->span, p->nspan, p->spancap);
	s = &p->span[p->nspan++];
	s->lo = lo ? xstrdup(lo) : NULL;
	s->hi = hi ? xstrdup(hi) : NULL;
}

/*
 * The difference at the row of this side lies in the range behind the last row
 * that was equal: what the second look reads.
 */
static void keep_span(struct merge *m, int side)
{
	struct records_cursor *c = &m->c[side];
	struct records_pass *p = m->p;
	const char *lo;

	store_key(&c->b, c->at, p->nkey, &m->key);
	if (m->differs && p->nspan) {
		free(p->span[p->nspan - 1].hi);
		p->span[p->nspan - 1].hi = xstrdup(m->key.buf);
		return;
	}
	lo = records_cursor_before(&m->c[0], &m->text);
	add_span(p, lo ? lo : m->lo, m->key.buf);
}

static int differ(struct merge *m, int side, enum records_kind kind,
		  uint32_t ncol, struct error *err)
{
	struct records_cursor *c = &m->c[side];

	if (kind == RECORDS_EQUIVALENT) {
		m->differs = false;
	} else {
		if (m->p->hold)
			keep_span(m, side);
		m->differs = true;
	}
	return records_tell(m->p, kind, &c->b, c->at, ncol, err);
}

static void count_part(struct merge *m, int side)
{
	struct records_cursor *c = &m->c[side];
	struct records_pass *p = m->p;

	if (!p->spec->audit || p->second)
		return;
	p->part_rows[side]++;
	p->part_digest[side] += store_row_digest(&c->b, c->at, &m->text);
	store_key(&c->b, c->at, p->nkey, &m->part_hi);
}

int records_tell_part(struct records_pass *p, const char *lo, const char *hi,
		      struct error *err)
{
	struct records_part part = { .lo = lo, .hi = hi };

	if (!p->spec->audit || p->second)
		return 0;
	memcpy(part.rows, p->part_rows, sizeof(part.rows));
	memcpy(part.digest, p->part_digest, sizeof(part.digest));
	for (int i = 0; i < RECORDS_EQUIVALENT; i++)
		part.found += p->out->n[i];
	memset(p->part_rows, 0, sizeof(p->part_rows));
	memset(p->part_digest, 0, sizeof(p->part_digest));
	return p->spec->audit(p->spec->ctx, &part, err);
}

/* whole: the range is at its end */
static int end_part(struct merge *m, const char *hi, bool whole,
		    struct error *err)
{
	struct records_pass *p = m->p;
	const char *lo = m->part_lo.len ? m->part_lo.buf : m->lo;
	int ret;

	if (!whole && MAX(p->part_rows[0], p->part_rows[1]) < PART_ROWS)
		return 0;
	ret = records_tell_part(p, lo, whole ? hi : m->part_hi.buf, err);
	strbuf_clear(&m->part_lo);
	strbuf_add(&m->part_lo, m->part_hi.buf, m->part_hi.len);
	return ret;
}

/* the row with the lower key, or the pair with the same */
static int one_row(struct merge *m, bool a, bool b, struct error *err)
{
	struct records_cursor *c = m->c;
	uint32_t n = 0;
	int r = !a ? 1 : !b ? -1 :
		records_key_cmp(&c[0].b, c[0].at, &c[1].b, c[1].at,
				m->p->nkey);
	int ret = 0;

	if (r <= 0)
		count_part(m, 0);
	if (r >= 0)
		count_part(m, 1);
	if (r < 0) {
		ret = differ(m, 0, RECORDS_MISSING, 0, err);
	} else if (r > 0) {
		ret = differ(m, 1, RECORDS_EXTRA, 0, err);
	} else {
		int kind = records_row_cmp(&c[0].b, c[0].at, &c[1].b,
					   c[1].at, m->p->ncol, m->p->cols,
					   &n);

		if (kind < 0)
			m->differs = false;
		else
			ret = differ(m, 0, (enum records_kind)kind, n, err);
	}
	if (r <= 0) {
		c[0].at++;
		records_progress(m->p, 1);
	}
	if (r >= 0)
		c[1].at++;
	return ret;
}

static int rows(struct merge *m, const char *hi, struct error *err)
{
	int ret;

	for (;;) {
		bool a, b;

		ret = records_cursors_fill(m->c, err);
		if (ret < 0)
			return ret;
		a = records_cursor_row(&m->c[0]);
		b = records_cursor_row(&m->c[1]);
		if (!a && !b)
			return end_part(m, hi, true, err);
		ret = one_row(m, a, b, err);
		if (ret >= 0)
			ret = end_part(m, hi, false, err);
		if (ret < 0)
			return ret;
	}
}

int records_merge(struct records_pass *p, const char *lo, const char *hi,
		  struct error *err)
{
	struct merge m = { .p = p, .lo = lo };
	int ret;

	strbuf_init(&m.part_lo);
	strbuf_init(&m.part_hi);
	strbuf_init(&m.key);
	strbuf_init(&m.text);
	ret = records_cursor_open(&m.c[0], p, 0, lo, hi, err);
	if (ret == 0)
		ret = records_cursor_open(&m.c[1], p, 1, lo, hi, err);
	else
		strbuf_init(&m.c[1].last);
	if (ret == 0)
		ret = rows(&m, hi, err);
	records_cursor_release(&m.c[0]);
	records_cursor_release(&m.c[1]);
	strbuf_release(&m.part_lo);
	strbuf_release(&m.part_hi);
	strbuf_release(&m.key);
	strbuf_release(&m.text);
	return ret;
}
