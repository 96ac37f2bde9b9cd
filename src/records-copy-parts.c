/* SPDX-License-Identifier: MIT */
/*
 * The ranges of a job form a chain: the first is open below, each begins where
 * the one before ends, the last ends where the job does. They are made known
 * one after the other, each only when the one before is; what is known of a
 * range stays. So whoever crashes here, or does the same at the same time with
 * other cuts in mind, goes on with the chain that is there, and it has neither
 * gap nor overlap.
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"

#define PARTS_A_WORKER 4
#define PARTS_MOST 256

uint64_t records_cell_number(const struct store_batch *b, uint32_t row,
			     uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);
	uint64_t v = 0;

	for (int32_t i = 0; i < c->len; i++) {
		char d = b->buf[c->off + (size_t)i];

		if (d < '0' || d > '9')
			return 0;
		v = v * 10 + (uint64_t)(d - '0');
	}
	return v;
}

char *records_cell_text(const struct store_batch *b, uint32_t row,
			uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);

	return c->len < 0 ? NULL :
		xstrndup(b->buf + c->off, (size_t)c->len);
}

void records_part_release(struct records_range *p)
{
	free(p->lo);
	free(p->hi);
	free(p->pos);
	p->lo = p->hi = p->pos = NULL;
}

void records_parts_release(struct records_run *run)
{
	for (size_t i = 0; i < run->part_n; i++)
		records_part_release(&run->part[i]);
	free(run->part);
	run->part = NULL;
	run->part_n = run->part_cap = 0;
	free(run->schema);
	run->schema = NULL;
}

static void take_row(const struct store_batch *b, uint32_t row,
		     struct records_range *p)
{
	records_part_release(p);
	p->part = (int)records_cell_number(b, row, 0);
	p->lo = records_cell_text(b, row, 1);
	p->hi = records_cell_text(b, row, 2);
	p->pos = records_cell_text(b, row, 3);
	p->rows = records_cell_number(b, row, 4);
	p->done = records_cell_number(b, row, 6) != 0;
}

/* what is known; the chain must be one */
static int load(struct records_run *run, struct store *to, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	const char *end = NULL;
	int n = store_marks(to, run->job->marks, &b, err);

	if (n < 0)
		return n;
	records_parts_release(run);
	for (uint32_t row = 0; row < (uint32_t)n; row++) {
		struct records_range *p;

		VEC_GROW(run->part, run->part_n, run->part_cap);
		p = &run->part[run->part_n++];
		memset(p, 0, sizeof(*p));
		take_row(&b, row, p);
		if (p->part != (int)row || !p->pos ||
		    (end ? !p->lo || strcmp(p->lo, end) : p->lo != NULL) ||
		    (row && !end))
			return error_set(err, ERR_STORE, -EUCLEAN,
				_("%s: the positions of '%s' are damaged"),
				store_name(to), run->job->marks);
		end = p->hi;
	}
	return 0;
}

static bool complete(const struct records_run *run)
{
	const char *until = run->job->until, *hi;

	if (!run->part_n)
		return false;
	hi = run->part[run->part_n - 1].hi;
	return until ? hi && !strcmp(hi, until) : !hi;
}

int records_part_reload(struct records_run *run, struct store *to,
			struct records_range *p, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n = store_marks(to, run->job->marks, &b, err);

	if (n < 0)
		return n;
	for (uint32_t row = 0; row < (uint32_t)n; row++)
		if ((int)records_cell_number(&b, row, 0) == p->part) {
			take_row(&b, row, p);
			return 0;
		}
	return error_set(err, ERR_STORE, -EUCLEAN,
			 _("%s: the positions of '%s' are damaged"),
			 store_name(to), run->job->marks);
}

static uint64_t rows_a_part(const struct records_run *run)
{
	uint64_t parts = (uint64_t)run->job->workers * PARTS_A_WORKER;

	return run->total / MIN(parts, PARTS_MOST) + 1;
}

/* one more range, up to hi; what is known then is in run->part */
static int add(struct records_run *run, struct store *to, const char *hi,
	       struct error *err)
{
	size_t n = run->part_n;
	struct store_mark m = {
		.step = run->job->marks, .part = (int)n,
		.lo = n ? run->part[n - 1].hi : NULL, .hi = hi, .pos = "",
	};
	int ret = store_mark(to, &m, NULL, err);

	if (ret < 0)
		return ret;
	ret = load(run, to, err);
	if (ret == 0 && run->part_n <= n)
		return error_set(err, ERR_STORE, -EUCLEAN,
			_("%s: the positions of '%s' are damaged"),
			store_name(to), run->job->marks);
	return ret;
}

/* cuts behind the last known range; 1: as it was meant, 0: somebody else has
   cut elsewhere */
static int cut(struct records_run *run, struct store *from, struct store *to,
	       struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	const struct records_job *job = run->job;
	const char *lo = run->part_n ? run->part[run->part_n - 1].hi : NULL;
	int n = 0, ret = 0;

	if (job->workers > 1)
		n = store_split(from, &job->from, lo, job->until,
				rows_a_part(run), &b, err);
	if (n < 0 && n != -EOPNOTSUPP)
		return n;
	for (uint32_t row = 0; row < b.nrow; row++) {
		store_key(&b, row, job->from.nkey, &key);
		if (job->until && !strcmp(job->until, key.buf))
			break;
		ret = add(run, to, key.buf, err);
		if (ret < 0)
			return ret;
		if (complete(run))
			return 1;
		if (strcmp(run->part[run->part_n - 1].hi, key.buf))
			return 0;
	}
	ret = add(run, to, job->until, err);
	return ret < 0 ? ret : complete(run);
}

int records_parts_load(struct records_run *run, struct store *from,
		       struct store *to, struct error *err)
{
	int ret = load(run, to, err);

	if (ret == 0)
		ret = store_count(from, &run->job->from, &run->total, err);
	while (ret >= 0 && !complete(run))
		ret = cut(run, from, to, err);
	for (size_t i = 0; ret >= 0 && i < run->part_n; i++)
		run->rows += run->part[i].rows;
	return MIN(ret, 0);
}

static int schema_version(struct store *to, char **ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n = store_exec(to, "PRAGMA schema_version", NULL, &b, err);

	if (n < 0)
		return n;
	*ret = n ? records_cell_text(&b, 0, 0) : xstrdup("");
	return 0;
}

int records_rowids_same(const struct records_run *run, struct store *to,
			struct error *err)
{
	_cleanup_free_ char *now = NULL;
	int ret;

	if (!run->schema)
		return 0;
	ret = schema_version(to, &now, err);
	if (ret == 0 && strcmp(now, run->schema))
		ret = error_set(err, ERR_STORE, -EINVAL,
			_("%s: the schema has changed since, and rows may have "
			  "other numbers"), store_name(to));
	return ret;
}

/* the version stands beside the positions, as a range of its own */
int records_rowids_load(struct records_run *run, struct store *to,
			struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *step = xasprintf("%s/schema", run->job->marks);
	struct store_mark m = { .step = step };
	int ret;

	if (!run->job->by_rowid)
		return 0;
	free(run->schema);
	run->schema = NULL;
	ret = schema_version(to, &run->schema, err);
	m.pos = run->schema;
	if (ret == 0)
		ret = store_mark(to, &m, NULL, err);
	if (ret == 0)
		ret = store_marks(to, step, &b, err);
	if (ret <= 0)
		return ret;
	free(run->schema);
	run->schema = records_cell_text(&b, 0, 3);
	return records_rowids_same(run, to, err);
}
