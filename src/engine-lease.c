/* SPDX-License-Identifier: MIT */
/*
 * The leases of a run: rows on the servers that it writes to, which say that
 * nobody else is to run the plan there. They are the run's from before the
 * backup until it is over, whatever becomes of its processes. While one is at
 * work, however long a statement takes, a thread says so anew four times
 * before others would think otherwise.
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
#include "base/json.h"
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

static void describe(const struct engine *e, struct store_lease *l)
{
	memset(l, 0, sizeof(*l));
	l->plan = e->plan->name;
	l->run = e->run->key;
	l->host = json_get_str(e->run->begun, "host", "");
	l->since = json_get_str(e->run->begun, "started", "");
	l->ttl_s = lease_s();
}

/* what does not answer now may do so the next time */
static void renew(struct engine_leases *l, const char *name)
{
	_cleanup_store_ struct store *s = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store_lease row;
	int ret;

	if (open_store(l->e, name, l, &s) < 0)
		return;
	describe(l->e, &row);
	ret = store_lease(s, &row, NULL, &err);
	free(row.holder);
	if (ret != -EBUSY || atomic_load(&l->lost))
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

/* a run of this data that is over, and could not say so there */
static bool is_over(struct engine *e, const char *run, struct store *s)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store_lease row;
	_cleanup_free_ char *id = NULL;
	struct run *r = NULL;
	bool over;

	if (!run || !strcmp(run, e->run->key))
		return false;
	id = store_ours_shown(run);
	if (run_open(&r, e->sd, id, false, &err) < 0)
		return false;
	over = !strcmp(r->key, run) && !run_is_open(r);
	describe(e, &row);
	row.run = r->key;
	row.since = json_get_str(r->begun, "started", "");
	over = over && store_lease_end(s, &row, STORE_LEASE_OVER, NULL) >= 0;
	run_free(r);
	return over;
}

static bool is_to_go(const struct engine *e, const char *run)
{
	_cleanup_free_ char *id = run ? store_ours_shown(run) : NULL;

	return run && e->opts.take_over && !strcmp(id, e->opts.take_over);
}

static int lease(struct engine *e, struct store *s, struct error *err)
{
	_cleanup_error_ struct error no = ERROR_INIT;
	struct store_lease row;
	int ret;

	describe(e, &row);
	ret = store_lease(s, &row, NULL, &no);
	if (no.code == ERR_RUN_ELSEWHERE && is_over(e, row.holder, s)) {
		error_release(&no);
		ret = store_lease(s, &row, NULL, &no);
	}
	if (no.code == ERR_RUN_ELSEWHERE && is_to_go(e, row.holder)) {
		_cleanup_free_ char *from = TAKE_PTR(row.holder);

		/* who did that, and to whom, is known before it is done */
		ret = run_record_decision(e->run, "take-over",
					  e->opts.take_over, no.msg, err);
		error_release(&no);
		row.from = from;
		if (ret >= 0)
			ret = store_lease(s, &row, NULL, &no);
	}
	free(row.holder);
	if (ret < 0 && !error_is_set(&no))
		return ret;
	if (ret < 0)
		error_move(err, &no);
	return ret;
}

int engine_lease(struct engine *e, const char *name, struct store *s,
		 struct error *err)
{
	struct engine_leases *l;
	int ret = lease(e, s, err);

	if (ret == 0 && !e->leases)
		ret = begin(e, err);
	if (ret < 0)
		return ret;
	l = e->leases;
	(void)pthread_mutex_lock(&l->lock);
	name = plan_store_of(e->plan, name);
	if (!strvec_has(&l->stores, name))
		strvec_push(&l->stores, name);
	(void)pthread_mutex_unlock(&l->lock);
	return 0;
}

/* a server that cannot be reached is told about by what needs it first */
int engine_leases_begin(struct engine *e, struct error *err)
{
	_cleanup_strvec_ struct strvec servers = STRVEC_INIT;
	int ret = engine_servers_of_plan(e, &servers, err);

	for (size_t i = 0; ret != -EBUSY && i < servers.n; i++) {
		const char *name = servers.v[i];
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

static bool is_undone(const struct run *r)
{
	return r->state == RUN_ROLLED_BACK && !run_is_open(r);
}

/*
 * Before the backup is there nothing was changed, and a resume begins anew: who
 * was refused at one server leaves the others alone.
 */
static void give_back(struct engine *e, struct store *s)
{
	enum store_lease_end how = is_undone(e->run) ? STORE_LEASE_UNDONE :
		run_is_open(e->run) && e->run->backup.done ?
		STORE_LEASE_AWAY : STORE_LEASE_OVER;
	struct store_lease row;

	describe(e, &row);
	(void)store_lease_end(s, &row, how, NULL);
}

/* A run that is all undone leaves nothing of ours behind. */
static void leave(struct engine *e, struct store *s)
{
	_cleanup_strvec_ struct strvec steps = STRVEC_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!is_undone(e->run))
		return;
	for (size_t i = 0; i < e->plan->step_n; i++)
		strvec_push(&steps, e->plan->steps[i]->id);
	/* who comes next can do without */
	if (store_ours_forget(s, e->plan->name, e->run->key, &steps, &err) < 0)
		engine_log(e, NULL, "note", err.msg, strlen(err.msg));
}

void engine_leases_forget(struct engine *e)
{
	_cleanup_strvec_ struct strvec servers = STRVEC_INIT;

	/* what cannot be told now can be told the next time */
	(void)engine_servers_of_plan(e, &servers, NULL);
	for (size_t i = 0; i < servers.n; i++) {
		_cleanup_store_ struct store *s = NULL;

		if (open_store(e, servers.v[i], NULL, &s) == 0)
			give_back(e, s);
	}
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
		give_back(e, s);
		leave(e, s);
	}
	e->leases = NULL;
	strvec_release(&l->stores);
	error_release(&l->err);
	(void)pthread_cond_destroy(&l->changed);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}
