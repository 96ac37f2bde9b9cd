/* SPDX-License-Identifier: MIT */
/* What a step tells while rows go, and when it waits. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-live.h"
#include "step-records.h"

#define LOOK_NS 1000000000ull
#define TELL_NS 10000000000ull
/* for an answer to max_lag */
#define LAG_S 10

static const char *const bound_names[] = {
	[RECORDS_BOUND_NONE] = NULL,
	[RECORDS_BOUND_READ] = "read",
	[RECORDS_BOUND_WRITE] = "write",
	[RECORDS_BOUND_LOCK] = "lock",
	[RECORDS_BOUND_THROTTLE] = "throttle",
};

static const char *const bounds[] = {
	[RECORDS_BOUND_NONE] = NULL,
	[RECORDS_BOUND_READ] = N_("reading from the source"),
	[RECORDS_BOUND_WRITE] = N_("writing to the destination"),
	[RECORDS_BOUND_LOCK] = N_("others and their locks"),
	[RECORDS_BOUND_THROTTLE] = N_("the throttle of the plan"),
};

static bool file_there(struct records_watch *w)
{
	const char *name;
	struct stat st;
	int fd;
	bool there;

	if (!w->throttle->file)
		return false;
	fd = fs_open_parent(step_root_fd(w->ctx), w->throttle->file, &name);
	if (fd < 0)
		return false;
	there = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	(void)close(fd);
	return there;
}

/* what cannot be measured counts as too much */
static bool lags(struct records_watch *w)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	const struct records_throttle *t = w->throttle;
	char text[64] = "";
	char *end;
	double v;

	if (!t->lag_store)
		return false;
	if (!w->lag && step_store_timeout(w->ctx, t->lag_store->name, true,
					  LAG_S, &w->lag, NULL) < 0)
		return true;
	if (store_exec(w->lag, t->lag_query, NULL, &b, NULL) < 1 ||
	    b.cell[0].len <= 0) {
		store_close(w->lag);
		w->lag = NULL;
		return true;
	}
	(void)snprintf(text, sizeof(text), "%.*s", b.cell[0].len,
		       b.buf + b.cell[0].off);
	v = strtod(text, &end);
	return end == text || v > t->lag_max;
}

/* nobody drains the queue before the copy is through */
static void look_at_queue(struct records_watch *w)
{
	const struct records_step *m = w->live ? w->live->priv : NULL;
	struct step_records_job j;
	uint64_t now = clock_mono_ns(), n = 0;
	int ret = 0;

	if (!m || (w->counted && now - w->counted < TELL_NS))
		return;
	w->counted = now;
	if (!w->queue)
		ret = step_store(w->ctx, m->from.store->name, true, &w->queue,
				 NULL);
	step_records_job_init(w->live, w->ctx, &j);
	if (ret == 0)
		ret = records_capture_count(&j.job, w->queue, &n, NULL);
	step_records_job_release(&j);
	if (ret < 0) {
		store_close(w->queue);
		w->queue = NULL;
	} else if (n > (uint64_t)m->max_delta) {
		(void)error_set(&w->failed, ERR_STORE, -EDQUOT,
			_("%ju changes of '%s' wait, more than 'max_delta'"),
			(uintmax_t)n, plan_set_name(&m->from));
		error_hint(&w->failed, _("Try it again when less is written, "
					 "or go back."));
	}
}

static void tell(struct records_watch *w, const struct records_status *st)
{
	_cleanup_free_ char *text = NULL;
	uint64_t now = clock_mono_ns();

	if (!w->told)
		w->told = now;
	if (now - w->told < TELL_NS || !bounds[st->bound])
		return;
	w->told = now;
	text = xasprintf(_("%ju rows, %u at a time; it waits mostly for %s"),
			 (uintmax_t)st->rows, st->batch,
			 _(bounds[st->bound]));
	step_log(w->ctx, "note", text, strlen(text));
}

static void hold(struct records_watch *w, bool held, const char *why)
{
	_cleanup_free_ char *text = NULL;

	if (held == !!w->held)
		return;
	w->held = held ? why : NULL;
	text = held ? xasprintf(_("waiting: %s"), why) :
	       xstrdup(_("going on"));
	step_log(w->ctx, "note", text, strlen(text));
}

/* Whoever wants to stop behind this step would wait for as long as the throttle
   says; between two batches is as good a place. */
static bool must_not_wait(struct records_watch *w)
{
	return (w->held || w->throttle->pause_s >= 1) &&
		step_wait(w->ctx, 0.001, NULL) < 0;
}

static void tell_progress(struct records_watch *w,
			  const struct records_status *st)
{
	struct step_pace pace = {
		.batch = st->batch, .rejected = st->rejected,
		.bound = bound_names[st->bound],
		.wait = w->held ? w->held : st->trouble,
	};

	step_progress_pace(w->ctx, st->rows, st->total, "rows", &pace);
}

int step_records_tick(void *watch, const struct records_status *st)
{
	struct records_watch *w = watch;
	uint64_t now = clock_mono_ns();

	if (step_cancelled(w->ctx) || must_not_wait(w))
		return -ECANCELED;
	tell_progress(w, st);
	for (unsigned int i = 0; st->worker_n > 1 && i < st->worker_n; i++) {
		const struct records_worker_status *p = &st->worker[i];
		char name[16];

		(void)snprintf(name, sizeof(name), "#%u", i + 1);
		if (p->part >= 0)
			step_progress_part(w->ctx, name, p->done, 0, "rows");
	}
	tell(w, st);
	look_at_queue(w);
	if (w->failed.msg)
		return -EBUSY;
	if (w->looked && now - w->looked < LOOK_NS)
		return !!w->held;
	w->looked = now;
	if (file_there(w))
		hold(w, true, w->throttle->file);
	else
		hold(w, lags(w), "max_lag");
	return !!w->held;
}

void step_records_note(void *watch, const char *text)
{
	struct records_watch *w = watch;

	step_log(w->ctx, "note", text, strlen(text));
}
