/* SPDX-License-Identifier: MIT */
/*
 * Is there a pooler between us and the server that hands its sessions out for a
 * transaction each (PgBouncer's pool_mode = transaction, and its likes)? What we
 * set for our session would then be set for whoever has it next, the
 * application's writers too; and what we rely on would be set for somebody else.
 *
 * The number of the session that a pooler gives a client is none of the
 * server's: where they are the same, nobody stands between. Else two connections
 * tell: as long as each has a session of its own, theirs differ and stay.
 */
#include <errno.h>

#include "base/error.h"
#include "base/i18n.h"
#include "store-pg-internal.h"

/* a pool that others are busy with may give either the same a few times */
#define ROUNDS 8

/* of the session that answers; 0: it does not know */
static int ask(struct pg_store *p, int64_t *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int r = pg_run(p, "SELECT pg_backend_pid()", NULL, NULL, 1, &b, NULL);

	*ret = r >= 0 && b.nrow == 1 ? store_batch_int(&b, 0, 0) : 0;
	p->s.sqlstate[0] = '\0';
	if (r < 0 && p->dead)
		return error_set(err, ERR_STORE, r,
			_("%s: the connection ended"), p->s.name);
	return 0;
}

/* neither has been given a transaction to keep its session for */
static int compare(struct pg_store *p, struct pg_store *q, int64_t pid,
		   bool *ret, struct error *err)
{
	for (int i = 0; i < ROUNDS && !*ret; i++) {
		int64_t mine, other;
		int r = ask(q, &other, err);

		if (r == 0)
			r = ask(p, &mine, err);
		if (r < 0)
			return r;
		*ret = mine == other || mine != pid;
	}
	return 0;
}

int pg_refuse_pool(struct pg_store *p, const char *conninfo,
		   const struct store_options *o, struct error *err)
{
	struct pg_store q = { .lock_ms = p->lock_ms,
			      .statement_ms = p->statement_ms };
	bool pooled = false;
	int64_t pid;
	int ret = ask(p, &pid, err);

	if (ret < 0 || pid <= 0)
		return ret;
	p->pid = pid;
	if (pid == PQbackendPID(p->c))
		return 0;
	q.s.ops = p->s.ops;
	store_clock_init(&q.clock, o);
	q.s.clock = &q.clock;
	ret = pg_connect(&q, conninfo, o, err);
	if (ret == 0)
		ret = compare(p, &q, pid, &pooled, err);
	PQfinish(q.c);
	free(q.s.name);
	if (ret == 0 && pooled) {
		ret = error_set(err, ERR_UNSUPPORTED, -EOPNOTSUPP,
			_("%s: a pooler stands before the server and gives "
			  "each transaction another session"), p->s.name);
		error_hint(err, _("name the server itself in the plan or in "
			"the environment, or a pool that keeps sessions"));
	}
	return ret;
}
