/* SPDX-License-Identifier: MIT */
/*
 * Who runs a plan, in a row of the database: works wherever an upsert does, and
 * does not need a session that stays.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "store-internal.h"

#define TRIES 8

struct lease {
	const char *plan, *owner;
	unsigned int ttl_s;
	int64_t epoch;           /* 0: another has it */
};

static void add(struct store_batch *b, const char *text)
{
	store_batch_add(b, STORE_TEXT, text, strlen(text));
}

static int take(void *ctx, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	const char *now = s->ops->now_s;
	struct lease *l = ctx;
	int ret;

	store_batch_clear(&args, 2);
	add(&args, l->plan);
	add(&args, l->owner);
	strbuf_addf(&sql, "INSERT INTO _upshift_run (plan, owner, epoch, until)"
		    " VALUES ($1, $2, 1, %s + %u) ON CONFLICT (plan) DO UPDATE "
		    "SET owner = excluded.owner, epoch = _upshift_run.epoch + "
		    "CASE WHEN _upshift_run.owner = excluded.owner THEN 0 "
		    "ELSE 1 END, until = excluded.until WHERE "
		    "_upshift_run.until < %s OR _upshift_run.owner = "
		    "excluded.owner RETURNING epoch", now, l->ttl_s, now);
	ret = store_exec(s, sql.buf, &args, &b, err);
	l->epoch = ret == 1 ? store_batch_int(&b, 0, 0) : 0;
	return MIN(ret, 0);
}

/* CREATE IF NOT EXISTS may lose a race, and may be the one thing not allowed */
static int make_table(struct store *s, struct error *err)
{
	static const char create[] = "CREATE TABLE IF NOT EXISTS _upshift_run "
		"(plan text PRIMARY KEY, owner text NOT NULL, epoch bigint "
		"NOT NULL, until bigint NOT NULL)";
	static const char look[] = "SELECT 1 FROM _upshift_run WHERE plan = ''";
	int ret;

	if (store_exec(s, look, NULL, NULL, NULL) >= 0)
		return 0;
	ret = store_exec(s, create, NULL, NULL, err);
	if (ret >= 0)
		return 0;
	if (store_class(ret) == STORE_CLASS_RECONNECT ||
	    store_exec(s, look, NULL, NULL, NULL) < 0)
		return ret;
	if (err)
		error_release(err);
	return 0;
}

int store_lease(struct store *s, const char *plan, const char *owner,
		unsigned int ttl_s, int64_t *ret, struct error *err)
{
	struct lease l = { .plan = plan, .owner = owner, .ttl_s = ttl_s };
	int r, lost = 0;

	if (!s->ops->now_s)
		return 0;
	/* one that leaves takes the table along (store-ours.h) */
	do {
		r = make_table(s, err);
		if (r == 0)
			r = store_transact(s, take, &l, TRIES, err);
	} while (r < 0 && !strcmp(store_sqlstate(s), "42P01") && ++lost < 3);
	if (r == 0 && !l.epoch)
		r = error_set(err, ERR_LOCKED, -EBUSY,
			      _("%s: another run of the plan '%s' is at work "
				"here"), store_name(s), plan);
	if (r == 0 && ret)
		*ret = l.epoch;
	return r;
}

int store_lease_held(struct store *s, const char *plan, const char *owner,
		     struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret;

	if (!s->ops->now_s)
		return 0;
	store_batch_clear(&args, 2);
	add(&args, plan);
	add(&args, owner);
	ret = store_exec(s, "SELECT 1 FROM _upshift_run WHERE plan = $1 AND "
			 "owner = $2", &args, &b, err);
	if (ret == 0)
		return error_set(err, ERR_LOCKED, -EBUSY,
				 _("%s: another run of the plan '%s' has taken "
				   "over"), store_name(s), plan);
	return MIN(ret, 0);
}

int store_lease_end(struct store *s, const char *plan, const char *owner,
		    struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	int ret;

	if (!s->ops->now_s)
		return 0;
	store_batch_clear(&args, 2);
	add(&args, plan);
	add(&args, owner);
	ret = store_exec(s, "DELETE FROM _upshift_run WHERE plan = $1 AND "
			 "owner = $2", &args, NULL, err);
	return MIN(ret, 0);
}
