/* SPDX-License-Identifier: MIT */
/*
 * Who runs a plan, in a row of the database: works wherever an upsert does, and
 * does not need a session that stays.
 *
 *	plan, owner, host, since    one run; the row stays until it is over
 *	epoch                       how often it changed hands
 *	until                       in the past: no process is at work;
 *	                            OVER: the run is over
 *	taken                       " A  B ": runs that others took over
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-internal.h"
#include "store-ours.h"

#define TRIES 8
/* nobody has it; it stays for what is taken */
#define OVER "0"
/* somebody has it who is not at work */
#define AWAY "1"

/* what take() found */
struct attempt {
	struct store_lease *l;
	int64_t epoch;           /* 0: another has it */
	bool alive, lost;
	char *host, *since;
};

static char *text_at(const struct store_batch *b, uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, 0, col);
	const char *p = store_batch_text(b, c);

	return p ? xstrndup(p, (size_t)c->len) : xstrdup("");
}

/* why not */
static int look(struct attempt *a, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *sql = xasprintf("SELECT owner, host, since, "
		"CASE WHEN until >= %s THEN 1 ELSE 0 END, CASE WHEN taken "
		"LIKE '%% ' || $2 || ' %%' THEN 1 ELSE 0 END FROM "
		"_upshift_run WHERE plan = $1", s->ops->now_s);
	const char *args[] = { a->l->plan, a->l->run };
	int ret = store_exec_text(s, sql, args, 2, &b, err);

	if (ret <= 0)
		return ret;
	free(a->l->holder);
	free(a->host);
	free(a->since);
	a->l->holder = text_at(&b, 0);
	a->host = text_at(&b, 1);
	a->since = text_at(&b, 2);
	a->alive = store_batch_int(&b, 0, 3) == 1;
	a->lost = store_batch_int(&b, 0, 4) == 1;
	return 0;
}

/*
 * It is ours again, or nobody's and was not taken from us, or we are to take it
 * from one who is not at work.
 */
static int take(void *ctx, struct store *s, struct error *err)
{
	static const char same[] = "r.owner = excluded.owner AND r.since = "
				   "excluded.since";
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	const char *now = s->ops->now_s;
	struct attempt *a = ctx;
	struct store_lease *l = a->l;
	_cleanup_free_ char *sql = xasprintf(
		"INSERT INTO _upshift_run AS r (plan, owner, host, since, "
		"epoch, until, taken) VALUES ($1, $2, $3, $4, 1, %s + %u, '') "
		"ON CONFLICT (plan) DO UPDATE SET owner = excluded.owner, "
		"host = excluded.host, since = excluded.since, until = "
		"excluded.until, epoch = r.epoch + CASE WHEN %s THEN 0 ELSE 1 "
		"END, taken = replace(CASE WHEN r.owner = $5 THEN r.taken || "
		"' ' || r.owner || ' ' ELSE r.taken END, ' ' || "
		"excluded.owner || ' ', '') "
		"WHERE (%s) OR (r.until = " OVER " AND r.taken NOT LIKE "
		"'%% ' || excluded.owner || ' %%') OR (r.owner = $5 AND "
		"r.until < %s) RETURNING epoch", now, l->ttl_s, same, same,
		now);
	const char *args[] = { l->plan, l->run, l->host, l->since,
			       l->from ? l->from : "" };
	int ret = store_exec_text(s, sql, args, 5, &b, err);

	a->epoch = ret == 1 ? store_batch_int(&b, 0, 0) : 0;
	return ret == 0 ? look(a, s, err) : MIN(ret, 0);
}

/* CREATE IF NOT EXISTS may lose a race, and may be the one thing not allowed */
static int make_table(struct store *s, struct error *err)
{
	static const char create[] = "CREATE TABLE IF NOT EXISTS _upshift_run "
		"(plan text PRIMARY KEY, owner text NOT NULL, host text NOT "
		"NULL, since text NOT NULL, epoch bigint NOT NULL, until "
		"bigint NOT NULL, taken text NOT NULL)";
	static const char is[] = "SELECT 1 FROM _upshift_run WHERE plan = ''";
	int ret;

	if (store_exec(s, is, NULL, NULL, NULL) >= 0)
		return 0;
	ret = store_exec(s, create, NULL, NULL, err);
	if (ret >= 0)
		return 0;
	if (store_class(ret) == STORE_CLASS_RECONNECT ||
	    store_exec(s, is, NULL, NULL, NULL) < 0)
		return ret;
	if (err)
		error_release(err);
	return 0;
}

static int refuse(const struct attempt *a, struct store *s, struct error *err)
{
	_cleanup_free_ char *run = store_ours_shown(a->l->holder);
	const char *plan = a->l->plan;

	if (a->alive)
		return error_set(err, ERR_LOCKED, -EBUSY,
			_("%s: run %s of the plan '%s' is at work here, from "
			  "%s, since %s"), store_name(s), run, plan, a->host,
			a->since);
	if (a->lost)
		(void)error_set(err, ERR_RUN_ELSEWHERE, -EBUSY,
			_("%s: run %s of the plan '%s', from %s, has taken "
			  "the place of this one"), store_name(s), run, plan,
			a->host);
	else
		(void)error_set(err, ERR_RUN_ELSEWHERE, -EBUSY,
			_("%s: run %s of the plan '%s', from %s, since %s, is "
			  "not finished here"), store_name(s), run, plan,
			a->host, a->since);
	if (err)
		error_hint(err, _("on %s: upshift resume; or, if that can "
				  "never be: --take-over %s"), a->host, run);
	return -EBUSY;
}

int store_lease(struct store *s, struct store_lease *l, int64_t *ret,
		struct error *err)
{
	struct attempt a = { .l = l };
	int r, lost = 0;

	if (!s->ops->now_s)
		return 0;
	/* one that leaves takes the table along (store-ours.h) */
	do {
		r = make_table(s, err);
		if (r == 0)
			r = store_transact(s, take, &a, TRIES, err);
	} while (r < 0 && !strcmp(store_sqlstate(s), "42P01") && ++lost < 3);
	if (r == 0 && !a.epoch)
		r = l->holder ? refuse(&a, s, err) :
			/* it went between two statements */
			error_set(err, ERR_LOCKED, -EBUSY,
				  _("%s: the plan '%s' has just been run "
				    "here"), store_name(s), l->plan);
	if (r == 0 && ret)
		*ret = a.epoch;
	free(a.host);
	free(a.since);
	return r;
}

int store_lease_held(struct store *s, const char *plan, const char *run,
		     struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	const char *args[] = { plan, run };
	int ret;

	if (!s->ops->now_s)
		return 0;
	ret = store_exec_text(s, "SELECT 1 FROM _upshift_run WHERE plan = $1 "
			      "AND owner = $2", args, 2, &b, err);
	if (ret == 0)
		return error_set(err, ERR_LOCKED, -EBUSY,
				 _("%s: another run of the plan '%s' has taken "
				   "over"), store_name(s), plan);
	return MIN(ret, 0);
}

int store_lease_end(struct store *s, const struct store_lease *l,
		    enum store_lease_end how, struct error *err)
{
	static const char mine[] = "plan = $1 AND owner = $2 AND since = $3";
	const char *args[] = { l->plan, l->run, l->since };
	_cleanup_free_ char *set = xasprintf(
		"UPDATE _upshift_run SET until = %s WHERE %s",
		how == STORE_LEASE_OVER ? OVER : AWAY, mine);
	_cleanup_free_ char *rm = xasprintf("DELETE FROM _upshift_run WHERE "
		"%s%s", mine, how == STORE_LEASE_OVER ? " AND taken = ''" :
		"");
	int ret = 0;

	if (!s->ops->now_s)
		return 0;
	if (how != STORE_LEASE_AWAY)
		ret = store_exec_text(s, rm, args, 3, NULL, err);
	if (ret >= 0 && how != STORE_LEASE_UNDONE)
		ret = store_exec_text(s, set, args, 3, NULL, err);
	return MIN(ret, 0);
}
