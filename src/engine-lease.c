/* SPDX-License-Identifier: MIT */
/*
 * The leases of a run: rows on the servers that it writes to, which say that
 * nobody else is to run the plan there. They are ours from before the backup
 * until the process ends, however long a statement takes: a thread
 * says so anew four times before they would run out. Of a process that was
 * killed they run out by themselves; the same run has them again at once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/thread.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-stores.h"
#include "store-ours.h"
#include "store.h"

#define LEASE_S 60
/* nobody waits for ever for a row that could not be changed */
#define WAIT_MS 3000

struct engine_leases {
	struct engine *e;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct strvec stores;    /* their names */
	bool ends;
	atomic_bool lost;
	struct error err;        /* why it is lost; fixed before `lost` is set */
};

static unsigned int lease_s(void)
{
	const char *text = getenv("UPSHIFT_TEST_LEASE_S");
	int n = text ? atoi(text) : 0;

	return n > 0 ? (unsigned int)n : LEASE_S;
}

static bool is_ending(struct engine_leases *l)
{
	bool ends;

	(void)pthread_mutex_lock(&l->lock);
	ends = l->ends;
	(void)pthread_mutex_unlock(&l->lock);
	return ends;
}

static int tick(void *ctx)
{
	return is_ending(ctx);
}

/* l: to be stopped by its end, or NULL */
static int open_store(struct engine *e, const char *name,
		      struct engine_leases *l, struct store **ret)
{
	const struct plan_store *s = plan_find_store(e->plan, name);
	struct store_options o = {
		.root_fd = e->sd->root_fd, .connect_ms = WAIT_MS,
		.lock_ms = WAIT_MS, .statement_ms = WAIT_MS,
		.allow_plaintext = s->allow_plaintext,
		.tick = l ? tick : NULL, .ctx = l,
	};

	return store_open(s->url, &o, ret, NULL);
}

/* what does not answer now may do so the next time */
static void renew(struct engine_leases *l, const char *name)
{
	_cleanup_store_ struct store *s = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (open_store(l->e, name, l, &s) < 0 ||
	    store_lease(s, l->e->plan->name, l->e->run->id, lease_s(),
			NULL, &err) != -EBUSY || atomic_load(&l->lost))
		return;
	error_move(&l->err, &err);
	error_prefix(&l->err, _("store '%s'"), name);
	atomic_store(&l->lost, true);
}

static void *keep(void *leases)
{
	struct engine_leases *l = leases;

	(void)pthread_mutex_lock(&l->lock);
	while (!l->ends) {
		uint64_t ns = lease_s() * 250000000ull;
		_cleanup_strvec_ struct strvec names = STRVEC_INIT;
		struct timespec until;

		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		ns += (uint64_t)until.tv_nsec;
		until.tv_sec += (time_t)(ns / 1000000000);
		until.tv_nsec = (long)(ns % 1000000000);
		if (pthread_cond_timedwait(&l->changed, &l->lock, &until) !=
		    ETIMEDOUT)
			continue;
		strvec_copy(&names, &l->stores);
		(void)pthread_mutex_unlock(&l->lock);
		for (size_t i = 0; i < names.n; i++)
			renew(l, names.v[i]);
		(void)pthread_mutex_lock(&l->lock);
	}
	(void)pthread_mutex_unlock(&l->lock);
	return NULL;
}

static int begin(struct engine *e, struct error *err)
{
	struct engine_leases *l = xcalloc(1, sizeof(*l));
	pthread_condattr_t attr;
	int ret;

	l->e = e;
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&l->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	ret = thread_create(&l->thread, keep, l);
	if (ret < 0) {
		free(l);
		return error_errno(err, ERR_STORE, ret,
				   _("cannot start a thread"));
	}
	e->leases = l;
	return 0;
}

int engine_lease(struct engine *e, const char *name, struct store *s,
		 struct error *err)
{
	struct engine_leases *l;
	int ret = store_lease(s, e->plan->name, e->run->id, lease_s(),
			      NULL, err);

	if (ret == 0 && !e->leases)
		ret = begin(e, err);
	if (ret < 0)
		return ret;
	l = e->leases;
	(void)pthread_mutex_lock(&l->lock);
	if (!strvec_has(&l->stores, name))
		strvec_push(&l->stores, name);
	(void)pthread_mutex_unlock(&l->lock);
	return 0;
}

/* a server that cannot be reached is told about by what needs it first */
int engine_leases_begin(struct engine *e, struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	int ret = engine_sets_of_plan(e, &sets, err);

	for (size_t i = 0; ret >= 0 && i < sets.n; i++) {
		const char *name = sets.v[i].store;
		_cleanup_store_ struct store *s = NULL;
		_cleanup_error_ struct error now = ERROR_INIT;

		if (open_store(e, name, NULL, &s) < 0 ||
		    engine_lease(e, name, s, &now) != -EBUSY)
			continue;
		ret = -EBUSY;
		error_move(err, &now);
		error_prefix(err, _("store '%s'"), name);
	}
	return ret;
}

bool engine_lease_lost(const struct engine *e, struct error *err)
{
	if (!e->leases || !atomic_load(&e->leases->lost))
		return false;
	if (err) {
		error_release(err);
		error_copy(err, &e->leases->err);
	}
	return true;
}

void engine_lease_reason(const struct engine *e, struct error *err)
{
	if (err->code == ERR_CANCELLED)
		(void)engine_lease_lost(e, err);
}

/* A run that is all undone leaves nothing of ours behind. */
static void leave(struct engine *e, struct store *s)
{
	_cleanup_strvec_ struct strvec steps = STRVEC_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (e->run->state != RUN_ROLLED_BACK || run_is_open(e->run))
		return;
	for (size_t i = 0; i < e->plan->step_n; i++)
		strvec_push(&steps, e->plan->steps[i]->id);
	/* who comes next can do without */
	if (store_ours_forget(s, e->plan->name, e->run->id, &steps, &err) < 0)
		engine_log(e, NULL, "note", err.msg, strlen(err.msg));
}

void engine_leases_end(struct engine *e)
{
	struct engine_leases *l = e->leases;

	if (!l)
		return;
	(void)pthread_mutex_lock(&l->lock);
	l->ends = true;
	(void)pthread_cond_signal(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
	(void)pthread_join(l->thread, NULL);
	for (size_t i = 0; i < l->stores.n; i++) {
		_cleanup_store_ struct store *s = NULL;

		if (open_store(e, l->stores.v[i], NULL, &s) < 0)
			continue;
		leave(e, s);
		(void)store_lease_end(s, e->plan->name, e->run->id, NULL);
	}
	e->leases = NULL;
	strvec_release(&l->stores);
	error_release(&l->err);
	(void)pthread_cond_destroy(&l->changed);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}
