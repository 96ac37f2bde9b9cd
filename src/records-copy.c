/* SPDX-License-Identifier: MIT */
#include "records-copy.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/thread.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"

#define TICK_NS 100000000l
#define SETUP_TRIES 12u

/* what the workers waited for since the last look */
struct watch {
	uint64_t at;
	uint64_t ns[RECORDS_BOUND_THROTTLE + 1];
	enum records_bound bound;
};

#define WATCH_NS 1000000000ull

static void look(struct records_run *run, struct watch *watch)
{
	uint64_t now = clock_mono_ns(), ns[ARRAY_SIZE(watch->ns)] = { 0 };
	uint64_t most = 0;

	if (run->hold)
		watch->bound = RECORDS_BOUND_THROTTLE;
	if (now - watch->at < WATCH_NS)
		return;
	watch->at = now;
	for (unsigned int i = 0; i < run->job->workers; i++) {
		const struct records_worker *w = &run->worker[i];

		ns[RECORDS_BOUND_READ] += atomic_load(&w->read_ns);
		ns[RECORDS_BOUND_WRITE] += atomic_load(&w->write_ns);
		ns[RECORDS_BOUND_LOCK] += atomic_load(&w->lock_ns);
		ns[RECORDS_BOUND_THROTTLE] += atomic_load(&w->hold_ns);
	}
	for (int i = RECORDS_BOUND_READ; i <= RECORDS_BOUND_THROTTLE; i++) {
		if (ns[i] - watch->ns[i] > most) {
			most = ns[i] - watch->ns[i];
			watch->bound = (enum records_bound)i;
		}
		watch->ns[i] = ns[i];
	}
	if (run->hold)
		watch->bound = RECORDS_BOUND_THROTTLE;
}

/* with the lock held; worker has room for all of them */
static void status(const struct records_run *run, struct records_status *st,
		   struct records_worker_status *worker)
{
	memset(st, 0, sizeof(*st));
	st->rows = run->rows;
	st->total = MAX(run->total, run->rows);
	st->rejected = run->rejected;
	st->batches = run->batches;
	st->again = run->again;
	st->reconnects = run->reconnects;
	st->worker_n = run->job->workers;
	st->worker = worker;
	for (unsigned int i = 0; i < st->worker_n; i++) {
		worker[i] = run->worker[i].status;
		if (worker[i].part >= 0)
			st->batch = worker[i].batch;
	}
}

/* calls back without the lock; false: stop */
static bool report(struct records_run *run, struct watch *watch)
{
	_cleanup_free_ char *trouble = NULL;
	_cleanup_free_ struct records_worker_status *worker =
		xcalloc(run->job->workers, sizeof(*worker));
	_cleanup_strvec_ struct strvec notes = STRVEC_INIT;
	const struct records_job *job = run->job;
	struct records_status st;
	int said = 0;

	look(run, watch);
	status(run, &st, worker);
	st.bound = watch->bound;
	st.trouble = trouble = xstrdup_null(run->trouble);
	notes = run->notes;
	memset(&run->notes, 0, sizeof(run->notes));
	(void)pthread_mutex_unlock(&run->lock);
	for (size_t i = 0; job->note && i < notes.n; i++)
		job->note(job->ctx, notes.v[i]);
	if (job->tick)
		said = job->tick(job->ctx, &st);
	(void)pthread_mutex_lock(&run->lock);
	if (said < 0 && run->ret == 0)
		run->ret = error_set(&run->err, ERR_CANCELLED, said,
				     _("cancelled"));
	if (run->hold != (said > 0)) {
		run->hold = said > 0;
		(void)pthread_cond_broadcast(&run->changed);
	}
	return said >= 0;
}

static void watch_workers(struct records_run *run)
{
	struct watch watch = { .at = clock_mono_ns() };

	(void)pthread_mutex_lock(&run->lock);
	while (run->alive) {
		struct timespec until;

		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		(void)pthread_cond_timedwait(&run->changed, &run->lock,
					     &until);
		if (!report(run, &watch) || atomic_load(&run->stop)) {
			atomic_store(&run->stop, true);
			(void)pthread_cond_broadcast(&run->changed);
		}
	}
	(void)report(run, &watch);
	(void)pthread_mutex_unlock(&run->lock);
}

static int work(struct records_run *run, struct error *err)
{
	unsigned int n = 0;
	int ret = 0;

	for (; ret == 0 && n < run->job->workers; n++) {
		struct records_worker *w = &run->worker[n];

		(void)pthread_mutex_lock(&run->lock);
		run->alive++;
		(void)pthread_mutex_unlock(&run->lock);
		ret = thread_create(&w->thread, records_worker_main, w);
		if (ret < 0)
			break;
	}
	if (ret < 0) {
		(void)pthread_mutex_lock(&run->lock);
		run->alive--;
		run->ret = error_errno(&run->err, ERR_STORE, ret,
				       _("cannot start a thread"));
		atomic_store(&run->stop, true);
		(void)pthread_mutex_unlock(&run->lock);
	}
	watch_workers(run);
	for (unsigned int i = 0; i < n; i++)
		(void)pthread_join(run->worker[i].thread, NULL);
	if (run->ret < 0)
		error_move(err, &run->err);
	return run->ret;
}

/* a wait in the calling thread; nobody else is at work */
static int setup_tick(void *ctx)
{
	struct records_run *run = ctx;
	struct watch watch = { .at = clock_mono_ns() };
	bool go;

	(void)pthread_mutex_lock(&run->lock);
	go = report(run, &watch);
	(void)pthread_mutex_unlock(&run->lock);
	return go ? 0 : run->ret;
}

void records_held(void *ctx, const char *by)
{
	struct records_run *run = ctx;
	bool alone;

	(void)pthread_mutex_lock(&run->lock);
	records_trouble(run, by);
	alone = !run->alive;
	(void)pthread_mutex_unlock(&run->lock);
	if (alone)
		(void)setup_tick(run);
}

/* nobody else is at work, and the lock is nobody's */
static void setup_note(struct records_run *run, int ret, unsigned int n,
		       unsigned int ms, const char *why)
{
	char *text = store_class(ret) == STORE_CLASS_RETRY ?
		xasprintf(_("busy, attempt %u of %u in %.1f s: %s"), n + 2,
			  SETUP_TRIES, ms / 1000.0, why) :
		xasprintf(_("cannot connect, attempt %u in %.1f s: %s"), n + 2,
			  ms / 1000.0, why);

	records_trouble(run, text);
	strvec_take(&run->notes, text);
}

/* fn with both stores; again where the class says so */
typedef int (*setup_fn)(struct records_run *run, struct store *from,
			struct store *to, struct error *err);
static int with_stores(struct records_run *run, setup_fn fn,
		       struct error *err)
{
	for (unsigned int n = 0;; n++) {
		_cleanup_store_ struct store *from = NULL, *to = NULL;
		_cleanup_error_ struct error now = ERROR_INIT;
		unsigned int ms = store_delay_ms(MIN(n, 7));
		int ret = records_open(run, true, &from, &now);

		if (ret == 0)
			ret = records_open(run, false, &to, &now);
		if (ret == 0)
			ret = fn(run, from, to, &now);
		if (ret >= 0) {
			records_trouble(run, NULL);
			return ret;
		}
		if (n + 1 >= SETUP_TRIES ||
		    (store_class(ret) != STORE_CLASS_RECONNECT &&
		     store_class(ret) != STORE_CLASS_RETRY)) {
			error_move(err, &now);
			return ret;
		}
		setup_note(run, ret, n, ms, now.msg);
		if (!clock_wait(ms, setup_tick, run)) {
			error_move(err, &run->err);
			return run->ret;
		}
	}
}

static int begin(struct records_run *run, struct store *from,
		 struct store *to, struct error *err)
{
	int ret = 0;

	run->rows = 0;
	if (run->job->undo)
		ret = records_undo_setup(run, to, err);
	if (ret == 0 && run->job->quarantine)
		ret = records_reject_setup(run, to, err);
	if (ret == 0)
		ret = records_reject_count(to, run->job->marks,
					   &run->rejected, err);
	/* the last: who finds ranges finds all that they need */
	if (ret == 0)
		ret = records_parts_load(run, from, to, err);
	if (ret == 0)
		ret = records_rowids_load(run, to, err);
	return ret;
}

/* a range of its own says that this was done too */
static int finish(struct records_run *run, _unused_ struct store *from,
		  struct store *to, struct error *err)
{
	_cleanup_free_ char *end = records_end_mark(run->job->marks);
	struct store_mark m = { .step = end, .pos = "", .done = true };
	int ret = records_finish_set(to, run->job->to.set, err);

	return ret < 0 ? ret : store_mark(to, &m, NULL, err);
}

static void run_init(struct records_run *run, const struct records_job *job)
{
	pthread_condattr_t attr;

	memset(run, 0, sizeof(*run));
	run->job = job;
	run->worker = xcalloc(job->workers, sizeof(*run->worker));
	for (unsigned int i = 0; i < job->workers; i++) {
		run->worker[i].run = run;
		run->worker[i].status.part = -1;
		records_pace_init(&run->worker[i].pace, job->batch);
	}
	run->one_writer = str_starts(job->to_url, "sqlite:");
	(void)pthread_mutex_init(&run->turn, NULL);
	(void)pthread_mutex_init(&run->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&run->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
}

static void run_release(struct records_run *run)
{
	records_parts_release(run);
	records_undo_release(run);
	free(run->worker);
	strvec_release(&run->notes);
	free(run->trouble);
	error_release(&run->err);
	(void)pthread_mutex_destroy(&run->turn);
	(void)pthread_mutex_destroy(&run->lock);
	(void)pthread_cond_destroy(&run->changed);
}

int records_copy(const struct records_job *job, struct records_result *ret,
		 struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	struct records_run run;
	int r;

	if (!job->workers)
		BUG("a copy without workers");
	run_init(&run, job);
	r = with_stores(&run, begin, &why);
	if (r == 0)
		r = work(&run, &why);
	if (r == 0)
		r = with_stores(&run, finish, &why);
	memset(ret, 0, sizeof(*ret));
	ret->rows = run.rows;
	ret->rejected = run.rejected;
	for (unsigned int i = 0; i < job->workers; i++) {
		ret->read_ns += run.worker[i].read_ns;
		ret->write_ns += run.worker[i].write_ns;
	}
	run_release(&run);
	if (r < 0 && err)
		error_move(err, &why);
	return r;
}

char *records_end_mark(const char *marks)
{
	return xasprintf("%s/end", marks);
}

int records_copy_state(const struct records_job *job, struct store *to,
		       struct records_state *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *end = records_end_mark(job->marks);
	int n = store_marks(to, end, &b, err);

	memset(ret, 0, sizeof(*ret));
	ret->complete = n > 0;
	if (n >= 0)
		n = store_marks(to, job->marks, &b, err);
	if (n < 0)
		return n;
	ret->begun = n > 0;
	for (uint32_t row = 0; row < (uint32_t)n; row++) {
		ret->rows += records_cell_number(&b, row, 4);
		if (!records_cell_number(&b, row, 6))
			ret->complete = false;
	}
	return records_reject_count(to, job->marks, &ret->rejected, err);
}

void records_undone_release(struct records_undone *u)
{
	strvec_release(&u->keys);
}
