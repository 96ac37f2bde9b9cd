/* SPDX-License-Identifier: MIT */
/* One worker: takes ranges, and goes through each batch by batch. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "sql-later.h"

/* as cells, where one of them was refused: others are likely */
#define PLAIN_BATCHES 8

/* while the run is held, and the pause between two batches */
static bool may_go(struct records_worker *w)
{
	struct records_run *run = w->run;
	uint64_t start = clock_mono_ns();
	bool held = false;

	(void)pthread_mutex_lock(&run->lock);
	while (run->hold && !records_stopped(run)) {
		held = true;
		(void)pthread_cond_wait(&run->changed, &run->lock);
	}
	(void)pthread_mutex_unlock(&run->lock);
	if (held) {
		w->hold_ns += clock_mono_ns() - start;
		/* it may have been long */
		records_ahead_drop(w);
	}
	if (run->job->pause_ms && !records_nap(run, run->job->pause_ms,
						&w->hold_ns))
		return false;
	return !records_stopped(run);
}

static struct records_range *take_part(struct records_worker *w)
{
	struct records_run *run = w->run;
	struct records_range *best = NULL;

	(void)pthread_mutex_lock(&run->lock);
	for (size_t i = 0; i < run->part_n; i++) {
		struct records_range *p = &run->part[i];

		if (!p->done && !p->busy &&
		    (!best || (best->contended && !p->contended)))
			best = p;
	}
	if (best) {
		best->busy = true;
		w->status.part = best->part;
	}
	(void)pthread_mutex_unlock(&run->lock);
	return best;
}

static void give_back(struct records_worker *w)
{
	struct records_run *run = w->run;

	records_ahead_drop(w);
	(void)pthread_mutex_lock(&run->lock);
	w->part->busy = false;
	w->status.part = -1;
	(void)pthread_mutex_unlock(&run->lock);
	w->part = NULL;
}

static int run_sql(struct records_worker *w, uint32_t from, uint32_t n,
		   struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	const struct records_job *job = w->run->job;
	bool later = *w->part->pos || w->part->lo;
	int ret = records_range_args(w, from, n, &args, err);

	for (size_t i = 0; ret >= 0 && i < job->sql_n; i++) {
		_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

		/* other planners look at the parameters */
		if (later && w->run->one_writer)
			sql_later(SQL_SQLITE, job->sql[i], &sql);
		else
			strbuf_addstr(&sql, job->sql[i]);
		ret = store_exec(w->to, sql.buf, &args, NULL, err);
	}
	return MIN(ret, 0);
}

static int put(struct records_worker *w, uint32_t from, uint32_t n,
	       struct error *err)
{
	const struct records_job *job = w->run->job;
	bool had = false;
	int ret = 0;

	if (!n)
		return 0;
	if (w->run->undo)
		ret = records_undo_put_before(w, from, n, &had, err);
	if (ret >= 0 && job->sql_n)
		ret = run_sql(w, from, n, err);
	else if (ret >= 0 && w->span)
		ret = records_move(w, err);
	else if (ret >= 0 && w->packed)
		ret = store_put_packed(w->to, &w->pack, &job->to, &w->rows,
				       from, n, job->conflict, err);
	else if (ret >= 0)
		ret = store_put(w->to, &job->to, &w->out, from, n,
				job->conflict, err);
	if (ret >= 0 && w->run->undo)
		ret = records_undo_put_after(w, from, n, ret, had, err);
	return MIN(ret, 0);
}

/* What becomes of a slice of the rows. */
struct slice {
	uint32_t at, n;
	bool done;                   /* of the range, with it */
	bool reject;
	char sqlstate[6];
	const struct error *why;     /* of the reject */
};

/* how many rows of the part */
static uint32_t rows_of(const struct records_worker *w, const struct slice *s)
{
	return w->span && !s->reject ? w->span : s->n;
}

int records_may_commit(const struct records_job *job, struct store *to,
		       struct error *err)
{
	return job->lease_plan ? store_lease_held(to, job->lease_plan,
						  job->lease_owner, err) : 0;
}

static int write_once(struct records_worker *w, struct slice *s,
		      const char *key, struct error *err)
{
	struct records_range *p = w->part;
	struct store_mark m = {
		.step = w->run->job->marks, .part = p->part, .pos = key,
		.rows = rows_of(w, s), .done = s->done,
	};
	int ret = store_begin(w->to, true, err);

	if (ret == 0)
		ret = records_take_set(w, err);
	if (ret == 0)
		ret = records_may_commit(w->run->job, w->to, err);
	if (ret == 0)
		ret = records_rowids_same(w->run, w->to, err);
	if (ret == 0)
		ret = store_mark(w->to, &m, p->pos, err);
	if (ret == 0 && s->reject && w->run->job->live)
		ret = 0; /* it is in the queue */
	else if (ret == 0 && s->reject)
		ret = records_reject(w, w->bad_key ? -1 : (int)s->at,
				     s->sqlstate, s->why, err);
	else if (ret == 0)
		ret = put(w, s->at, s->n, err);
	return ret == 0 ? store_commit(w->to, err) : ret;
}

static int transact(struct records_worker *w, struct slice *s,
		    const char *key, struct error *err)
{
	struct records_run *run = w->run;
	int ret;

	if (run->one_writer)
		(void)pthread_mutex_lock(&run->turn);
	ret = write_once(w, s, key, err);
	if (ret < 0) {
		(void)snprintf(s->sqlstate, sizeof(s->sqlstate), "%s",
			       store_sqlstate(w->to));
		store_abort(w->to);
	}
	if (run->one_writer)
		(void)pthread_mutex_unlock(&run->turn);
	return ret;
}

static void advanced(struct records_worker *w, const struct slice *s,
		     const char *key)
{
	struct records_run *run = w->run;
	struct records_range *p = w->part;
	uint64_t n = rows_of(w, s);

	(void)pthread_mutex_lock(&run->lock);
	if (key != p->pos && strcmp(p->pos, key)) {
		free(p->pos);
		p->pos = xstrdup(key);
		p->rows += n;
		run->rows += n;
		w->status.done += n;
	}
	p->done = s->done;
	run->batches++;
	records_trouble(run, NULL);
	w->status.batch = records_pace_next(&w->pace);
	(void)pthread_mutex_unlock(&run->lock);
	w->lost = w->beaten = 0;
	w->alone -= w->alone > 0;
}

/* one row that is refused: a place in the table of rejects, or the end */
static int refuse(struct records_worker *w, const struct slice *s,
		  const char *key, struct error *why, struct error *err)
{
	struct records_run *run = w->run;
	bool room;

	(void)pthread_mutex_lock(&run->lock);
	room = run->job->quarantine && run->rejected < run->job->max_bad;
	run->rejected += room;
	(void)pthread_mutex_unlock(&run->lock);
	if (room)
		return 0;
	error_move(err, why);
	if (run->job->quarantine)
		error_prefix(err, ngettext("more than %ju row is bad",
					   "more than %ju rows are bad",
					   run->job->max_bad),
			     (uintmax_t)run->job->max_bad);
	/* of a line it says so */
	if (!store_key_line(key))
		error_prefix(err, _("row %s of '%s'"), key,
			     run->job->from.set);
	return s->sqlstate[0] ? -EBADMSG : -EINVAL;
}

static void unrefuse(struct records_worker *w)
{
	if (w->run->job->live)
		return;
	(void)pthread_mutex_lock(&w->run->lock);
	w->run->rejected--;
	(void)pthread_mutex_unlock(&w->run->lock);
}

/* s until it is on the disk: WRITTEN; or RECORDS_AGAIN, with another size, or
   RECORDS_LEAVE: it is not ours any more */
#define WRITTEN 2
static int write_slice(struct records_worker *w, struct slice *s,
		       const char *key, struct error *err)
{
	_cleanup_free_ char *old = xstrdup(w->part->pos);
	_cleanup_error_ struct error why = ERROR_INIT;
	uint64_t start = clock_mono_ns();
	int ret = transact(w, s, key, &why);

	if (ret == 0)
		w->write_ns += clock_mono_ns() - start;
	else
		w->lock_ns += clock_mono_ns() - start;
	if (ret == 0)
		return WRITTEN;
	if (store_class(ret) == STORE_CLASS_BADROW && !s->reject) {
		error_move(err, &why);
		return ret;
	}
	ret = records_recover(w, false, rows_of(w, s), ret, &why, err);
	if (ret != RECORDS_AGAIN)
		return ret;
	/* a COMMIT whose answer was lost */
	if (strcmp(w->part->pos, old))
		return strcmp(w->part->pos, key) || s->done != w->part->done ?
		       RECORDS_LEAVE : WRITTEN;
	return s->done && w->part->done ? WRITTEN : RECORDS_AGAIN;
}

/* the rows of a slice, for those who look at what was captured */
static int defer(struct records_worker *w, const struct slice *s,
		 struct error *err)
{
	_cleanup_strvec_ struct strvec keys = STRVEC_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;

	for (uint32_t i = 0; i < s->n && !w->bad_key; i++) {
		store_key(&w->rows, s->at + i, w->run->job->from.nkey, &key);
		strvec_push(&keys, key.buf);
	}
	if (w->bad_key)
		strvec_push(&keys, w->bad_key);
	return records_defer(w, &keys, err);
}

/* the row at s->at alone, or a few of a live source, refused for why */
static int write_reject(struct records_worker *w, struct slice *s,
			const char *key, struct error *why, struct error *err)
{
	_cleanup_error_ struct error kept = ERROR_INIT;
	int ret = w->run->job->live ? defer(w, s, err) :
		  refuse(w, s, key, why, err);

	if (ret < 0)
		return ret;
	error_move(&kept, why);
	s->reject = true;
	s->why = &kept;
	do {
		char sqlstate[6];

		memcpy(sqlstate, s->sqlstate, sizeof(sqlstate));
		ret = write_slice(w, s, key, err);
		memcpy(s->sqlstate, sqlstate, sizeof(sqlstate));
	} while (ret == RECORDS_AGAIN);
	if (ret == WRITTEN)
		advanced(w, s, key);
	else
		unrefuse(w);
	s->reject = false;
	s->why = NULL;
	return ret;
}

static void key_of(struct records_worker *w, const struct slice *s,
		   struct strbuf *key)
{
	strbuf_clear(key);
	if (w->bad_key)
		strbuf_addstr(key, w->bad_key);
	else if (s->n)
		store_key(&w->rows, s->at + s->n - 1, w->run->job->from.nkey,
			  key);
	else
		strbuf_addstr(key, w->part->pos);
}

/*
 * Refused rows of a live source wait in the queue for those that stand in their
 * way. Who changes keys makes very many of them behind all others, and faster
 * than they could be found one by one: where a batch has had some, the others
 * wait by the slice, with good ones among them.
 */
#define LIVE_ALONE 8u
#define LIVE_TOGETHER 32u
static bool may_defer(const struct records_worker *w, const struct slice *s,
		      unsigned int *deferred)
{
	if (!w->run->job->live || s->n > LIVE_TOGETHER)
		return false;
	*deferred += s->n == 1;
	return *deferred > LIVE_ALONE;
}

/* The rows of a batch; where some are refused, halves of them, so that each of
   the others is written. Returns WRITTEN or RECORDS_LEAVE, or what ends the
   run; *again where it did not go at once. */
static int write_rows(struct records_worker *w, bool *again,
		      struct error *err)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	uint32_t total = w->rows.nrow, suspect = 0;
	unsigned int deferred = 0;
	struct slice s = { .n = total };
	int ret;

	do {
		_cleanup_error_ struct error why = ERROR_INIT;

		s.done = s.at + s.n == total && !w->more;
		key_of(w, &s, &key);
		ret = write_slice(w, &s, key.buf, &why);
		*again = *again || ret != WRITTEN;
		/* from here on the source may be asked for other things */
		records_ahead_end(w, !*again);
		if (store_class(ret) == STORE_CLASS_BADROW &&
		    (w->packed || w->redo ||
		     (w->span && !w->run->job->sql_n))) {
			w->redo = false;
			w->plain = PLAIN_BATCHES;
			return RECORDS_AGAIN;
		}
		if (w->span && (ret == RECORDS_AGAIN ||
				store_class(ret) == STORE_CLASS_BADROW)) {
			/* from the beginning, as fewer or one by one */
			w->whole = ret != RECORDS_AGAIN;
			return RECORDS_AGAIN;
		}
		if (store_class(ret) == STORE_CLASS_BADROW) {
			suspect = s.at + s.n;
			if (may_defer(w, &s, &deferred) || s.n == 1)
				ret = write_reject(w, &s, key.buf, &why, err);
			else
				ret = RECORDS_AGAIN;
		} else if (ret == WRITTEN) {
			advanced(w, &s, key.buf);
		} else if (ret < 0) {
			error_move(err, &why);
		}
		if (ret < 0 || ret == RECORDS_LEAVE)
			return ret;
		if (ret == RECORDS_AGAIN) {
			if (suspect || s.n > records_pace_next(&w->pace))
				s.n = MAX(s.n / 2, 1);
			continue;
		}
		s.at += s.n;
		if (suspect && s.at < suspect)
			s.n = (suspect - s.at + 1) / 2;
		else
			s.n = total - s.at;
		if (s.at >= suspect)
			suspect = 0;
	} while (s.at < total);
	return ret;
}

/* the next batch of the part: as write_rows(), or RECORDS_AGAIN */
static int one_batch(struct records_worker *w, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	uint64_t start = clock_mono_ns(), bytes;
	struct slice bad = { .n = 1 };
	bool again = false;
	uint32_t n;
	int ret = records_read(w, &why);

	w->read_ns += clock_mono_ns() - start;
	if (ret < 0 && w->bad_key) {
		(void)snprintf(bad.sqlstate, sizeof(bad.sqlstate), "%s",
			       store_sqlstate(w->from));
		return write_reject(w, &bad, w->bad_key, &why, err);
	}
	if (ret < 0)
		return records_recover(w, true, records_pace_next(&w->pace),
				       ret, &why, err);
	if (ret == 0 && w->more)
		return RECORDS_AGAIN;
	n = w->span ? w->span : w->rows.nrow;
	bytes = w->span ? (uint64_t)n * w->rows.n : w->rows.n;
	records_project(w);
	records_ahead_begin(w);
	ret = write_rows(w, &again, err);
	if (ret == WRITTEN)
		w->whole = false;
	if (ret == WRITTEN && !again)
		records_pace_add(&w->pace, n, bytes, clock_since(start));
	return ret;
}

static int one_part(struct records_worker *w, struct error *err)
{
	int ret = RECORDS_AGAIN;

	while (ret >= 0 && ret != RECORDS_LEAVE && !w->part->done)
		ret = may_go(w) ? one_batch(w, err) : records_set_cancelled(err);
	return MIN(ret, 0);
}

static int work(struct records_worker *w, struct error *err)
{
	int ret = records_reconnect(w, true, NULL, err);

	if (ret == 0)
		ret = records_reconnect(w, false, NULL, err);
	if (ret == 0)
		records_pack(w);
	if (ret == 0)
		records_ahead_init(w);
	while (ret == 0 && (w->part = take_part(w)) != NULL) {
		ret = one_part(w, err);
		give_back(w);
	}
	return ret;
}

void *records_worker_main(void *worker)
{
	struct records_worker *w = worker;
	struct records_run *run = w->run;
	_cleanup_error_ struct error err = ERROR_INIT;
	int ret = work(w, &err);

	store_close(w->from);
	store_close(w->to);
	store_close(w->queue);
	w->from = w->to = w->queue = NULL;
	store_batch_release(&w->rows);
	store_batch_release(&w->ahead.rows);
	store_pack_release(&w->pack);
	store_move_release(&w->move);
	free(w->out.cell);
	free(w->bad_key);
	(void)pthread_mutex_lock(&run->lock);
	if (ret < 0 && run->ret == 0) {
		run->ret = ret;
		error_move(&run->err, &err);
		atomic_store(&run->stop, true);
	}
	run->alive--;
	(void)pthread_cond_broadcast(&run->changed);
	(void)pthread_mutex_unlock(&run->lock);
	return NULL;
}
