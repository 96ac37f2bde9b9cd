/* SPDX-License-Identifier: MIT */
/*
 * Both sides at once: the new one in a thread of its own, the old one in that
 * of the caller, who alone calls back. What fails on one side stops the other,
 * and it is what is told.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/error.h"
#include "base/thread.h"
#include "records-internal.h"

#define LOOK_NS 100000000l

struct both {
	struct records_pass *p;
	records_side_fn *fn;
	void *ctx;
	int ret[2];
	struct error err[2];
	atomic_int first;        /* the side that failed first, from 1 */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;               /* the thread is */
};

static void one_side(struct both *b, int side)
{
	int none = 0;

	b->ret[side] = b->fn(b->ctx, side, &b->err[side]);
	if (b->ret[side] < 0 &&
	    atomic_compare_exchange_strong(&b->first, &none, side + 1))
		store_stop(b->p->side[!side].store);
}

static void *other_side(void *both)
{
	struct both *b = both;

	one_side(b, 1);
	(void)pthread_mutex_lock(&b->lock);
	b->done = true;
	(void)pthread_cond_signal(&b->changed);
	(void)pthread_mutex_unlock(&b->lock);
	return NULL;
}

/* the caller's own side is done; somebody may still want to stop */
static void wait_for_other(struct both *b)
{
	struct timespec until;

	(void)pthread_mutex_lock(&b->lock);
	while (!b->done) {
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += LOOK_NS;
		if (until.tv_nsec >= 1000000000l) {
			until.tv_nsec -= 1000000000l;
			until.tv_sec++;
		}
		if (pthread_cond_timedwait(&b->changed, &b->lock, &until) !=
		    ETIMEDOUT)
			continue;
		(void)pthread_mutex_unlock(&b->lock);
		if (!b->ret[0])
			b->ret[0] = records_cancelled(b->p, &b->err[0]);
		if (b->ret[0] < 0) {
			int none = 0;

			(void)atomic_compare_exchange_strong(&b->first, &none,
							     1);
			store_stop(b->p->side[1].store);
		}
		(void)pthread_mutex_lock(&b->lock);
	}
	(void)pthread_mutex_unlock(&b->lock);
}

static int in_turn(records_side_fn *fn, void *ctx, struct error *err)
{
	int ret = fn(ctx, 0, err);

	return ret < 0 ? ret : fn(ctx, 1, err);
}

int records_both(struct records_pass *p, records_side_fn *fn, void *ctx,
		 struct error *err)
{
	struct both b = { .p = p, .fn = fn, .ctx = ctx,
			  .err = { ERROR_INIT, ERROR_INIT },
			  .lock = PTHREAD_MUTEX_INITIALIZER,
			  .changed = PTHREAD_COND_INITIALIZER };
	pthread_t thread;
	int side;

	if (store_is_one(p->side[0].store, p->side[1].store) ||
	    thread_create(&thread, other_side, &b) < 0)
		return in_turn(fn, ctx, err);
	one_side(&b, 0);
	wait_for_other(&b);
	(void)pthread_join(thread, NULL);
	(void)pthread_cond_destroy(&b.changed);
	(void)pthread_mutex_destroy(&b.lock);
	side = atomic_load(&b.first) - 1;
	if (side >= 0 && err)
		error_move(err, &b.err[side]);
	error_release(&b.err[0]);
	error_release(&b.err[1]);
	return side >= 0 ? b.ret[side] : 0;
}
