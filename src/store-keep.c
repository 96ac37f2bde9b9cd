/* SPDX-License-Identifier: MIT */
#include "store-keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "store-internal.h"

/* of a set; so many are looked for one by one, and no more */
#define MOST_REFUSED 10000

/* rows of a set, by their numbers in the table that they wait in */
struct waiting {
	struct store_keep_set *k;
	char *insert;            /* up to the numbers; NULL: nothing comes in */
	uint64_t *v;             /* refused so far, each alone */
	size_t n, cap;
	bool over;
};

struct keeping {
	struct store *s;
	struct waiting *w;
	size_t n;
};

void store_keep_release(struct store_keep *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->v[i].set);
		free(k->v[i].name);
		strvec_release(&k->v[i].columns);
		strvec_release(&k->v[i].sequences);
	}
	free(k->v);
	memset(k, 0, sizeof(*k));
}

static int run(struct store *s, const char *sql, struct error *err)
{
	return MIN(store_exec(s, sql, NULL, NULL, err), 0);
}

/* the statement fails, and not the connection */
static bool is_refused(int ret)
{
	return store_class(ret) == STORE_CLASS_BADROW ||
	       store_class(ret) == STORE_CLASS_FATAL;
}

/* 1: refused, and nothing of it happened; *why has it */
static int guarded(struct store *s, int (*fn)(void *ctx, struct error *err),
		   void *ctx, int *why, struct error *err)
{
	_cleanup_error_ struct error now = ERROR_INIT;
	int ret = run(s, "SAVEPOINT upshift_keep", err);

	if (ret < 0)
		return ret;
	ret = fn(ctx, &now);
	*why = ret;
	if (ret >= 0)
		return run(s, "RELEASE SAVEPOINT upshift_keep", err);
	if (!is_refused(ret)) {
		error_move(err, &now);
		return ret;
	}
	ret = run(s, "ROLLBACK TO SAVEPOINT upshift_keep", err);
	return ret < 0 ? ret : 1;
}

/* --- the table that they wait in --- */

struct filling {
	struct store *s;
	struct store_keep *k;
	struct waiting *w;
	const char *full;
	size_t at;
};

static char *cell(const struct store_batch *b, uint32_t row, uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);

	return xstrndup(store_batch_text(b, c), (size_t)c->len);
}

/* as texts: each is cast alone, where one of them may fail */
static int make_insert(struct filling *f, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf to = STRBUF_INIT, from = STRBUF_INIT;
	int ret = store_exec_text(f->s, "SELECT attname, "
		"pg_catalog.format_type(atttypid, atttypmod) FROM "
		"pg_catalog.pg_attribute WHERE attrelid = $1::regclass AND "
		"attnum > 0 AND NOT attisdropped AND attgenerated = ''",
		&f->full, 1, &b, err);

	for (uint32_t i = 0; ret >= 0 && i < b.nrow; i++) {
		_cleanup_free_ char *name = cell(&b, i, 0);
		_cleanup_free_ char *type = cell(&b, i, 1);

		if (!strvec_has(&f->w->k->columns, name))
			continue;
		strbuf_addstr(&to, to.len ? ", " : "");
		store_sql_name(&to, name);
		strbuf_addstr(&from, from.len ? ", " : "");
		store_sql_name(&from, name);
		strbuf_addf(&from, "::%s", type);
	}
	if (ret < 0 || !to.len)
		return MIN(ret, 0);
	f->w->insert = xasprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE "
		"SELECT %s FROM pg_temp.upshift_keep_%zu WHERE upshift_n ",
		f->full, to.buf, from.buf, f->at);
	return 0;
}

static int fill(void *ctx, struct error *err)
{
	struct filling *f = ctx;
	const struct strvec *columns = &f->w->k->columns;
	_cleanup_strbuf_ struct strbuf make = STRBUF_INIT, copy = STRBUF_INIT;
	int ret;

	strbuf_addf(&make, "CREATE TEMP TABLE upshift_keep_%zu (upshift_n "
		    "bigint GENERATED ALWAYS AS IDENTITY", f->at);
	strbuf_addf(&copy, "COPY pg_temp.upshift_keep_%zu (", f->at);
	for (size_t i = 0; i < columns->n; i++) {
		strbuf_addstr(&make, ", ");
		store_sql_name(&make, columns->v[i]);
		strbuf_addstr(&make, " text");
		strbuf_addstr(&copy, i ? ", " : "");
		store_sql_name(&copy, columns->v[i]);
	}
	strbuf_addstr(&make, ") ON COMMIT DROP");
	strbuf_addstr(&copy, ") FROM STDIN");
	ret = run(f->s, make.buf, err);
	if (ret >= 0)
		ret = f->k->open(f->k->ctx, f->w->k, err);
	if (ret >= 0)
		ret = f->s->ops->copy_in(f->s, copy.buf, f->k->source,
					 f->k->ctx, err);
	return ret < 0 ? ret : make_insert(f, err);
}

static int prepare(struct keeping *g, const struct store_dump *then,
		   struct store_keep *k, struct error *err)
{
	int ret = 0, why;

	for (size_t i = 0; ret >= 0 && i < g->n; i++) {
		const struct store_dump_set *to = k->v[i].set ?
			store_dump_find(then, k->v[i].set) : NULL;
		struct filling f = { .s = g->s, .k = k, .w = &g->w[i],
				     .at = i };

		g->w[i].k = &k->v[i];
		k->v[i].kept = 0;
		if (!to || !to->full || !store_dump_has_rows(to))
			continue;
		f.full = to->full;
		ret = guarded(g->s, fill, &f, &why, err);
	}
	return ret;
}

/* --- into the tables --- */

struct putting {
	struct store *s;
	struct waiting *w;
	uint64_t from, to;
	uint64_t n;
};

static int put(void *ctx, struct error *err)
{
	struct putting *p = ctx;
	_cleanup_free_ char *sql = xasprintf("%s >= %ju AND upshift_n <= %ju "
		"ON CONFLICT DO NOTHING", p->w->insert, (uintmax_t)p->from,
		(uintmax_t)p->to);
	int ret = store_exec(p->s, sql, NULL, NULL, err);

	if (ret > 0)
		p->n = (uint64_t)ret;
	return MIN(ret, 0);
}

/* halved until those that are refused are alone */
static int put_range(struct store *s, struct waiting *w, uint64_t from,
		     uint64_t to, struct error *err)
{
	struct putting p = { .s = s, .w = w, .from = from, .to = to };
	uint64_t mid = from + (to - from) / 2;
	int why = 0, ret;

	if (w->over)
		return 0;
	ret = guarded(s, put, &p, &why, err);
	if (ret == 0)
		w->k->kept += p.n;
	if (ret != 1)
		return ret;
	if (store_class(why) != STORE_CLASS_BADROW || w->n >= MOST_REFUSED) {
		w->over = true;
		return 0;
	}
	if (from == to) {
		VEC_GROW(w->v, w->n, w->cap);
		w->v[w->n++] = from;
		return 0;
	}
	ret = put_range(s, w, from, mid, err);
	return ret < 0 ? ret : put_range(s, w, mid + 1, to, err);
}

/* what refers to a row that came in meanwhile; 1: some went in */
static int put_refused(struct keeping *g, struct error *err)
{
	int ret = 0, some = 0;

	for (size_t i = 0; ret >= 0 && i < g->n; i++) {
		struct waiting *w = &g->w[i];
		uint64_t *v = w->v, before = w->k->kept;
		size_t n = w->n;

		w->v = NULL;
		w->n = w->cap = 0;
		for (size_t k = 0; ret >= 0 && k < n; k++)
			ret = put_range(g->s, w, v[k], v[k], err);
		free(v);
		some |= w->k->kept > before;
	}
	return ret < 0 ? ret : some;
}

static int put_all(struct keeping *g, struct error *err)
{
	int ret = run(g->s, "SET CONSTRAINTS ALL IMMEDIATE", err);

	for (size_t i = 0; ret >= 0 && i < g->n; i++)
		if (g->w[i].insert)
			ret = put_range(g->s, &g->w[i], 1, g->w[i].k->rows,
					err);
	if (ret < 0)
		return ret;
	do
		ret = put_refused(g, err);
	while (ret > 0);
	return ret;
}

static int set_sequences(struct keeping *g, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < g->n; i++)
		for (size_t k = 0; ret >= 0 && g->w[i].k->kept &&
		     k < g->w[i].k->sequences.n; k++)
			ret = run(g->s, g->w[i].k->sequences.v[k], err);
	return ret;
}

int store_keep_rows(struct store *s, const struct store_dump *then,
		    struct store_keep *k, struct error *err)
{
	struct keeping g = { .s = s, .n = k->n };
	int ret;

	g.w = xcalloc(k->n ? k->n : 1, sizeof(*g.w));
	ret = prepare(&g, then, k, err);
	if (ret >= 0)
		ret = put_all(&g, err);
	if (ret >= 0)
		ret = set_sequences(&g, err);
	for (size_t i = 0; i < g.n; i++) {
		free(g.w[i].insert);
		free(g.w[i].v);
	}
	free(g.w);
	return ret;
}
