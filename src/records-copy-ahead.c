/* SPDX-License-Identifier: MIT */
/*
 * The next page is read while one is written: by a thread of its own, for one
 * page, which the worker waits for before it does anything else with the
 * source. It is kept only if the page before it went as it was; all else, any
 * failure to read among it, drops it, and the page is read again as if nobody
 * had. So what becomes of rows, and of errors, does not depend on it.
 */
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"

#define AT_MOST_WORKERS 2

static void *read_page(void *worker)
{
	struct records_worker *w = worker;
	struct records_page *p = &w->ahead;
	const struct store_shape *shape = &w->run->job->from;

	p->got = p->packed ?
		store_scan_packed(w->from, &w->pack, shape, p->after,
				  p->until, p->n, w->pace.bytes, &p->rows,
				  &p->more, NULL) :
		store_scan_some(w->from, shape, p->after, p->until, p->n,
				w->pace.bytes, &p->rows, &p->more, NULL);
	return NULL;
}

/* Of more than two workers one reads anyway while others write, and each page
   more is memory; SQLite has one writer, and another worker that reads; files of
   records are read in no time, once they are sorted; a handle inside of a
   transaction is not for two threads. */
void records_ahead_init(struct records_worker *w)
{
	const struct records_job *job = w->run->job;

	w->reads_ahead = !job->sql_n && !w->moves && job->workers <= AT_MOST_WORKERS &&
		store_is_pg(w->to) &&
		(store_is_pg(w->from) || store_is_sqlite(w->from)) &&
		!job->from_options.within && !job->to_options.within;
	/* two pages in place of one */
	if (w->reads_ahead)
		w->pace.bytes = RECORDS_BYTES / 2;
}

void records_ahead_begin(struct records_worker *w)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	struct records_page *p = &w->ahead;

	records_ahead_drop(w);
	if (!w->reads_ahead || !w->more || w->bad_key || !w->rows.nrow ||
	    w->plain)
		return;
	store_key(&w->rows, w->rows.nrow - 1, w->run->job->from.nkey, &key);
	p->after = strbuf_detach(&key);
	p->until = w->part->hi;
	p->n = records_pace_next(&w->pace);
	p->packed = w->packed;
	w->reading = thread_create(&w->reader, read_page, w) == 0;
	if (!w->reading)
		records_ahead_drop(w);
}

void records_ahead_end(struct records_worker *w, bool keep)
{
	uint64_t start = clock_mono_ns();

	if (!w->reading)
		return;
	(void)pthread_join(w->reader, NULL);
	w->reading = false;
	w->read_ns += clock_mono_ns() - start;
	if (!keep || w->ahead.got < 0)
		records_ahead_drop(w);
}

void records_ahead_drop(struct records_worker *w)
{
	if (w->reading)
		BUG("a page is dropped that somebody reads");
	free(w->ahead.after);
	w->ahead.after = NULL;
}

bool records_ahead_take(struct records_worker *w, const char *after)
{
	struct records_page *p = &w->ahead;
	struct store_batch rows = w->rows;
	bool fits = p->after && after && !strcmp(p->after, after) &&
		    p->until == w->part->hi &&
		    p->packed == (w->packs && !w->plain);

	if (fits) {
		w->rows = p->rows;
		p->rows = rows;
		w->more = p->more;
		w->packed = p->packed;
	}
	records_ahead_drop(w);
	return fits;
}
