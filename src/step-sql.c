/* SPDX-License-Identifier: MIT */
/*
 * The store of a step on a schema: opened, opened again, and the transactions
 * in it.
 */
#include "step-sql.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "step-sql-internal.h"
#include "store.h"

#define FIRST_MS 100u
#define LONGEST_MS 10000u
#define TRIES 10

void step_sql_init(struct sql_work *w, const struct step *s,
		   struct step_ctx *c, const struct sql_target *t,
		   const struct sql_list *up, const struct sql_list *down)
{
	struct step_run_info info;

	memset(w, 0, sizeof(*w));
	w->ctx = c;
	w->step = s;
	w->target = t;
	w->up = up;
	w->down = down;
	w->tries = t->tries ? (unsigned int)t->tries :
		   step_plan(c)->defaults.retries >= 0 ?
		   (unsigned int)step_plan(c)->defaults.retries + 1 : TRIES;
	step_run_info(c, &info);
	/* ids are short, and come again */
	w->run = xasprintf("%s %s", info.run_key, info.started ? info.started :
			   "");
}

void step_sql_close(struct sql_work *w)
{
	store_close(w->store);
	w->store = NULL;
	free(w->run);
	w->run = NULL;
}

int step_sql_exec(struct sql_work *w, const char *sql, struct error *err)
{
	int ret = store_exec(w->store, sql, NULL, NULL, err);

	return MIN(ret, 0);
}

int step_sql_settings(struct sql_work *w, struct error *err)
{
	int ret = 0;

	for (int i = 0; ret == 0 && i < w->settings; i++) {
		const struct sql_list *l = w->set_list;
		const struct sql_stmt *s = &l->v[w->set_back ?
						 (int)l->n - 1 - i : i];

		if (s->how == SQL_SETTING)
			ret = step_sql_exec(w, s->text, err);
	}
	return ret;
}

static int set_up(struct sql_work *w, struct error *err)
{
	int ret = 0;

	if (w->tries_all)
		store_try_all(w->store);
	if (w->target->dialect == SQL_PG)
		store_set_lock_ms(w->store,
				  (unsigned int)(w->target->lock_s * 1000));
	if (w->target->dialect == SQL_SQLITE && !w->read_only)
		ret = step_sql_exec(w, "PRAGMA foreign_keys = OFF", err);
	return ret < 0 ? ret : step_sql_settings(w, err);
}

int step_sql_connect(struct sql_work *w, struct error *err)
{
	int ret;

	if (w->store)
		return 0;
	ret = step_store_timeout(w->ctx, w->target->store->name,
				     w->read_only, w->target->timeout_s,
				     &w->store, err);

	if (ret == 0)
		ret = set_up(w, err);
	if (ret == 0)
		ret = sql_marker_read(w, err);
	if (ret < 0) {
		store_close(w->store);
		w->store = NULL;
	}
	return ret;
}

int step_sql_open(struct sql_work *w, bool read_only, struct error *err)
{
	const char *path = w->target->store->path;
	struct stat st;
	int ret;

	w->read_only = read_only;
	if (path && read_only && fs_stat_beneath(step_root_fd(w->ctx), path,
						 &st) == -ENOENT)
		return 0;
	w->tried = 0;
	do {
		ret = step_sql_connect(w, err);
	} while (ret < 0 && !read_only &&
		 step_sql_again(w, ret, err) == 0);
	return ret < 0 ? ret : 1;
}

/* --- again --- */

static unsigned int delay_ms(unsigned int tried)
{
	unsigned int most = tried < 7 ? FIRST_MS << tried : LONGEST_MS;
	uint32_t r;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)clock_mono_ns();
	return most / 2 + r % (most / 2 + 1);
}

static void say_again(struct sql_work *w, enum store_class class,
		      unsigned int ms, const struct error *why)
{
	_cleanup_free_ char *text = xasprintf(
		class == STORE_CLASS_RECONNECT ?
		_("connection lost, attempt %u of %u in %.1f s: %s") :
		_("busy, attempt %u of %u in %.1f s: %s"), w->tried + 1,
		w->tries, ms / 1000.0,
		why && why->msg ? why->msg : "");

	step_log(w->ctx, "note", text, strlen(text));
	step_waits(w->ctx, text);
}

int step_sql_again(struct sql_work *w, int ret, struct error *err)
{
	enum store_class class = store_class(ret);
	unsigned int ms;

	if ((class != STORE_CLASS_RETRY && class != STORE_CLASS_RECONNECT) ||
	    ++w->tried >= w->tries)
		return ret;
	ms = delay_ms(w->tried - 1);
	say_again(w, class, ms, err);
	if (err)
		error_release(err);
	if (!step_nap(w->ctx, ms))
		return error_set(err, ERR_CANCELLED, -ECANCELED,
				 _("cancelled"));
	if (class == STORE_CLASS_RECONNECT) {
		store_close(w->store);
		w->store = NULL;
	}
	return 0;
}

void step_sql_settled(struct sql_work *w)
{
	if (w->tried)
		step_waits(w->ctx, NULL);
}

/* --- transactions --- */

static int limit_locks(struct sql_work *w, struct error *err)
{
	_cleanup_free_ char *sql = NULL;

	if (w->target->dialect != SQL_PG)
		return 0;
	sql = xasprintf("SET LOCAL lock_timeout = %.0f",
			w->target->lock_s * 1000);
	return step_sql_exec(w, sql, err);
}

/* 1: fn says that it is done already */
static int once(struct sql_work *w, step_sql_fn *fn, void *arg,
		struct error *err)
{
	struct sql_broken broken = { .n = NULL };
	int ret = store_begin(w->store, true, err), done = 0;

	if (ret == 0)
		ret = limit_locks(w, err);
	if (ret == 0)
		ret = sql_broken_find(w, &broken, err);
	if (ret == 0)
		done = ret = fn(w, arg, err);
	if (ret == 0)
		ret = sql_broken_compare(w, &broken, err);
	sql_broken_release(&broken);
	if (ret == 0)
		ret = store_commit(w->store, err);
	return ret < 0 ? ret : done;
}

int step_sql_transact(struct sql_work *w, step_sql_fn *fn, void *arg,
		      struct error *err)
{
	w->tried = 0;
	for (;;) {
		_cleanup_error_ struct error now = ERROR_INIT;
		int ret = step_sql_connect(w, &now);

		if (ret == 0)
			ret = once(w, fn, arg, &now);
		if (w->store)
			store_abort(w->store);
		if (ret >= 0) {
			step_sql_settled(w);
			return 0;
		}
		ret = step_sql_again(w, ret, &now);
		if (ret < 0) {
			if (err)
				error_move(err, &now);
			return ret;
		}
	}
}

/* --- cells --- */

void step_sql_arg(struct store_batch *args, const char *text)
{
	store_batch_add(args, STORE_TEXT, text, text ? strlen(text) : 0);
}

int step_sql_cell(struct store *s, const char *sql,
		  const struct store_batch *args, char **ret,
		  struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int r = store_exec(s, sql, args, &b, err);

	*ret = NULL;
	if (r >= 0 && b.nrow && b.ncol && b.cell[0].len >= 0)
		*ret = xstrndup(b.buf + b.cell[0].off, (size_t)b.cell[0].len);
	return MIN(r, 0);
}
