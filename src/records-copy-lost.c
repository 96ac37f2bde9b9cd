/* SPDX-License-Identifier: MIT */
/* What a worker does about errors: connects again, waits, takes less. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "store-sql.h"

#define RETRIES 60u
#define LOSSES_TO_HALVE 3
#define LOSSES_TO_LOCK 6
#define LOCKED_BATCHES 32
#define PATIENCE_S 120.0

int records_stopped(void *run)
{
	return atomic_load(&((struct records_run *)run)->stop);
}

int records_open(struct records_run *run, bool source, struct store **ret,
		 struct error *err)
{
	const struct records_job *job = run->job;
	struct store_options o = source ? job->from_options : job->to_options;

	int r;

	o.tick = records_stopped;
	o.held = records_held;
	o.ctx = run;
	o.steady = true;
	r = store_open(source ? job->from_url : job->to_url, &o, ret, err);
	if (r == 0 && source && job->quarantine)
		store_set_lines(*ret, STORE_LINES_KEEP);
	return r;
}

int records_set_cancelled(struct error *err)
{
	return error_set(err, ERR_CANCELLED, -ECANCELED, _("cancelled"));
}

bool records_nap(struct records_run *run, unsigned int ms,
		 _Atomic uint64_t *ns)
{
	uint64_t start = clock_mono_ns();
	bool over = clock_wait(ms, records_stopped, run);

	*ns += clock_mono_ns() - start;
	return over;
}

void records_trouble(struct records_run *run, const char *text)
{
	free(run->trouble);
	run->trouble = xstrdup_null(text);
}

/* text becomes the run's */
static void note(struct records_worker *w, char *text)
{
	struct records_run *run = w->run;

	(void)pthread_mutex_lock(&run->lock);
	run->again++;
	records_trouble(run, text);
	strvec_take(&run->notes, text);
	(void)pthread_mutex_unlock(&run->lock);
}

int records_reconnect(struct records_worker *w, bool source,
		      const struct error *why, struct error *err)
{
	struct store **s = source ? &w->from : &w->to;
	uint64_t start = clock_mono_ns();
	unsigned int n = 0;
	int ret;

	store_close(*s);
	*s = NULL;
	for (;;) {
		_cleanup_error_ struct error now = ERROR_INIT;
		unsigned int ms = store_delay_ms(MIN(n, 5));
		enum store_class class;

		ret = records_open(w->run, source, s, &now);
		if (ret == 0)
			break;
		class = store_class(ret);
		if ((class != STORE_CLASS_RECONNECT &&
		     class != STORE_CLASS_RETRY &&
		     class != STORE_CLASS_SHRINK) ||
		    clock_since(start) > PATIENCE_S) {
			error_move(err, &now);
			return ret;
		}
		n++;
		/* it may be two minutes */
		if (!(n & (n - 1)))
			note(w, xasprintf(_("cannot connect, attempt %u in "
					    "%.1f s: %s"), n + 1, ms / 1000.0,
					  now.msg));
		if (!records_nap(w->run, ms, &w->lock_ns))
			return records_set_cancelled(err);
	}
	(void)pthread_mutex_lock(&w->run->lock);
	w->run->reconnects += why != NULL;
	(void)pthread_mutex_unlock(&w->run->lock);
	return 0;
}

static void refresh(struct records_worker *w, struct records_range *fresh)
{
	struct records_range *p = w->part;

	(void)pthread_mutex_lock(&w->run->lock);
	w->run->rows += fresh->rows - p->rows;
	free(p->pos);
	p->pos = TAKE_PTR(fresh->pos);
	p->rows = fresh->rows;
	p->done = fresh->done;
	(void)pthread_mutex_unlock(&w->run->lock);
	records_part_release(fresh);
}

/* what the destination says of the range */
static int reload(struct records_worker *w, struct error *err)
{
	for (;;) {
		_cleanup_error_ struct error now = ERROR_INIT;
		struct records_range fresh = { .part = w->part->part };
		int ret = records_part_reload(w->run, w->to, &fresh, &now);

		if (ret == 0) {
			refresh(w, &fresh);
			return 0;
		}
		if (store_class(ret) == STORE_CLASS_RETRY) {
			if (!records_nap(w->run, store_delay_ms(1),
					 &w->lock_ns))
				return records_set_cancelled(err);
			continue;
		}
		if (store_class(ret) != STORE_CLASS_RECONNECT) {
			error_move(err, &now);
			return ret;
		}
		ret = records_reconnect(w, false, &now, err);
		if (ret < 0)
			return ret;
	}
}

int records_take_set(struct records_worker *w, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	if (!w->alone || !store_is_pg(w->to))
		return 0;
	strbuf_addstr(&sql, "LOCK TABLE ");
	store_sql_set(&sql, w->run->job->to.set);
	strbuf_addstr(&sql, " IN SHARE ROW EXCLUSIVE MODE");
	ret = store_exec(w->to, sql.buf, NULL, NULL, err);
	if (store_class(ret) != STORE_CLASS_FATAL)
		return MIN(ret, 0);
	/* it goes on as before; this transaction cannot */
	w->alone = 0;
	w->no_lock = true;
	return -EAGAIN;
}

/* nothing came of it, again: later, and with less at a time */
static int lost(struct records_worker *w, uint32_t rows, int ret,
		struct error *why, struct error *err)
{
	int asked = w->run->job->retries;
	unsigned int most = asked < 0 ? 0 : asked ? (unsigned int)asked :
			    RETRIES;
	unsigned int ms;
	bool cut = store_class(ret) == STORE_CLASS_RECONNECT;

	if (++w->lost > most) {
		error_move(err, why);
		if (!most)
			return ret;
		error_prefix(err, _("given up after %u attempts"), w->lost);
		return ret;
	}
	if (!cut && ++w->beaten >= LOSSES_TO_LOCK && !w->no_lock)
		w->alone = LOCKED_BATCHES;
	/* a server that dies of it would also cut the line */
	if (w->lost % LOSSES_TO_HALVE == 0)
		records_pace_halve(&w->pace, rows);
	ms = cut && w->lost == 1 ? 0 : store_delay_ms(w->lost - 1);
	note(w, xasprintf(cut ?
		_("connection lost, attempt %u of %u in %.1f s: %s") :
		_("busy, attempt %u of %u in %.1f s: %s"), w->lost + 1, most + 1,
		ms / 1000.0, why->msg));
	return records_nap(w->run, ms, &w->lock_ns) ? RECORDS_AGAIN : records_set_cancelled(err);
}

static int fewer(struct records_worker *w, uint32_t rows,
		 const struct error *why)
{
	records_pace_halve(&w->pace, rows);
	note(w, xasprintf(_("too much at once, now %u rows at a time: %s"),
			  records_pace_next(&w->pace), why->msg));
	return RECORDS_AGAIN;
}

int records_recover(struct records_worker *w, bool source, uint32_t rows,
		    int ret, struct error *why, struct error *err)
{
	struct store *s = source ? w->from : w->to;

	if (w->run->job->errors) {
		(void)pthread_mutex_lock(&w->run->lock);
		records_errors_add(w->run->job->errors, ret,
				   s ? store_sqlstate(s) : "");
		(void)pthread_mutex_unlock(&w->run->lock);
	}
	switch (store_class(ret)) {
	case STORE_CLASS_RECONNECT:
		ret = lost(w, rows, ret, why, err);
		if (ret == RECORDS_AGAIN)
			ret = records_reconnect(w, source, why, err);
		if (ret == 0 && !source)
			ret = reload(w, err);
		return ret < 0 ? ret : RECORDS_AGAIN;
	case STORE_CLASS_RETRY:
		return lost(w, rows, ret, why, err);
	case STORE_CLASS_SHRINK:
		if (rows <= 1)
			break;
		return fewer(w, rows, why);
	case STORE_CLASS_STALE:
		ret = reload(w, err);
		w->part->contended = true;
		if (ret == 0 && !records_nap(w->run, store_delay_ms(1),
					       &w->lock_ns))
			ret = records_set_cancelled(err);
		return ret < 0 ? ret : RECORDS_LEAVE;
	default:
		break;
	}
	error_move(err, why);
	return ret;
}
