/* SPDX-License-Identifier: MIT */
#ifndef STORE_PG_INTERNAL_H
#define STORE_PG_INTERNAL_H
/*
 * store-pg-internal - a connection that never blocks for longer than it may
 *
 * Every exchange with the server goes through here: asynchronous libpq, poll()
 * in slices with the tick between them. Where the tick says stop, or no answer
 * comes long after the server's own statement_timeout, the connection is given
 * up (libpq's PQcancel() blocks): the server rolls back, and what follows gives
 * -ECONNRESET.
 */
#include "store-internal.h"
#include "store-pg-lib.h"

struct pg_store {
	struct store s;
	PGconn *c;
	struct store_clock clock;
	unsigned int lock_ms, statement_ms;
	bool read_only;
	bool dead;               /* given up */
};

/* conninfo of a plan; p->c is connected and set up afterwards */
int pg_connect(struct pg_store *p, const char *conninfo,
	       const struct store_options *o, struct error *err);
/*
 * One statement and all its results: rows to b (NULL: dropped; more than limit
 * are -E2BIG, all the same read to the end), each key looked at if shape is
 * not NULL. Returns rows, or how many a command changed.
 */
int pg_run(struct pg_store *p, const char *sql, const struct store_batch *args,
	   const struct store_shape *shape, uint32_t limit,
	   struct store_batch *b, struct error *err);
/*
 * store-pg-pool.c: -EOPNOTSUPP where sessions are not ours for longer than a
 * transaction; p->c is connected, and nothing is set up so far
 */
int pg_refuse_pool(struct pg_store *p, const char *conninfo,
		   const struct store_options *o, struct error *err);
/* store-pg-caps.c: ops->probe and ops->digest */
bool pg_probe(struct store *s, enum store_cap cap);
int pg_digest(struct store *s, const struct store_shape *shape,
	      const char *lo, const char *hi, struct store_digest *ret,
	      struct error *err);
/* sql is COPY ... FROM STDIN; returns the number of rows */
int pg_copy_in(struct pg_store *p, const char *sql,
	       const struct store_batch *b, uint32_t from, uint32_t n,
	       struct error *err);
/* store-pg-reach.c */
void pg_reach(struct store *s, struct strbuf *out, struct strvec *env);
/* ops->copy_out and copy_in: the clock is wound up with each piece */
int pg_copy_out(struct store *s, const char *sql, store_sink_fn *sink,
		void *ctx, struct error *err);
int pg_copy_stream(struct store *s, const char *sql, store_source_fn *source,
		   void *ctx, struct error *err);

#endif
