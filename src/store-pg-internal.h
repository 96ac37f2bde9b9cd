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
	bool typed;              /* COPY of cells: store_put_typed() */
	int64_t pid;             /* of the session at the server; 0: unknown */
	char *conninfo;          /* for a second one; NULL: there is none */
	bool allow_plaintext;
	/* of the set, in this transaction; of NULL: nothing is known */
	struct pg_kept {
		char *of;        /* its name and columns */
		struct strvec type;
		struct store_kinds kinds;
	} kept;
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
/* store-pg-failed.c: r NULL: what the connection says */
int pg_failed(struct pg_store *p, const PGresult *r, struct error *err);
/* store-pg-held.c: asks, over a connection of its own, whose lock the statement
   under way waits for, and has it told */
void pg_held_look(struct pg_store *p);
/* store-pg-session.c: ops->open, close, rest, again */
int pg_open(const char *rest, const struct store_options *o,
	    struct store **ret, struct error *err);
void pg_close(struct store *s);
bool pg_rest(struct store *s);
int pg_again(struct store *s, const struct store_options *o);
/* the types of the first n columns of a query, 0 if it has fewer; mod: what they
   are declared with, -1: nothing; or NULL */
int pg_types(struct pg_store *p, const char *sql, uint32_t *type, int *mod,
	     uint32_t n, struct error *err);
/* store-pg.c: the failure of a scan if keys are NULL */
int pg_no_nulls(struct store *s, const struct store_shape *shape,
		struct error *err);
/* store-pg-packed.c: ops->pack and scan_packed; does it work at all; and what
   COPY set (names) FROM STDIN is for packed rows, whose number it returns */
bool pg_pack(struct store_pack *k, struct store *from,
	     const struct store_shape *of, struct store *dest,
	     const struct store_shape *to);
int pg_scan_packed(struct store *s, const struct store_pack *k,
		   const struct store_shape *shape, const char *after,
		   const char *until, uint32_t limit, struct store_batch *b,
		   struct error *err);
bool pg_binary(struct pg_store *p);
/* what COPY ... (FORMAT binary) begins with: no flags, nothing more */
#define PG_COPY_HEAD "PGCOPY\n\377\r\n\0" "\0\0\0\0" "\0\0\0\0"
#define PG_COPY_HEAD_SIZE 19
/* the types of the columns, as the server numbers them; mod as above */
int pg_types_of(struct pg_store *p, const char *set,
		const struct store_shape *shape, uint32_t *type, int *mod,
		struct error *err);
int pg_copy_packed(struct pg_store *p, const struct store_pack *k,
		   const char *set, const struct store_shape *shape,
		   const struct store_batch *b, uint32_t from, uint32_t n,
		   struct error *err);
/* store-pg-move.c: ops->moves, moves_still */
bool pg_moves(struct store_move *m, struct store *from, struct store *dest);
bool pg_moves_still(struct store *s, const struct store_move *m);
/* store-pg-typed.c: ops->typed; and COPY for rows of cells, the first of them:
   *sent is how many went, others must go as text; returns how many the server
   took */
void pg_typed(struct store *s, const struct store_shape *shape);
int pg_copy_typed(struct pg_store *p, const char *set,
		  const struct store_shape *shape, const struct store_batch *b,
		  uint32_t from, uint32_t n, uint32_t *sent,
		  struct error *err);
/* store-pg-kept.c: ops->kinds and keeps; a put that begins with a refusal of
   what its columns would not keep; and at the end of a transaction */
int pg_kinds(struct store *s, const struct store_shape *shape,
	     struct store_kinds *ret, struct error *err);
int pg_keeps(struct store *s, const struct store_shape *shape,
	     const struct store_batch *b, uint32_t from, uint32_t n,
	     uint32_t *row, uint32_t *col, struct error *err);
int pg_refuse_lost(struct pg_store *p, const struct store_shape *shape,
		   const struct store_batch *b, uint32_t from, uint32_t n,
		   struct error *err);
void pg_kept_forget(struct pg_store *p);
/* store-pg-time.c: microseconds since 2000-01-01, or of a day; digits: of a
   second, that the column has. false: the text has it otherwise, or more */
enum pg_time { PG_DATE, PG_TIME, PG_STAMP, PG_STAMPTZ };
#define PG_TIME_DIGITS 6
#define PG_TIME_DAY 86400000000ll
#define PG_TIME_ROOM 48
bool pg_time_read(enum pg_time as, int digits, const char *p, size_t n,
		  int64_t *ret);
/* as the server writes it; returns its length */
size_t pg_time_write(enum pg_time as, int64_t v, char *out);
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
/* ops->copy_out and copy_in: the clock is wound up with each piece; in returns
   how many rows the server took */
int pg_copy_out(struct store *s, const char *sql, store_sink_fn *sink,
		void *ctx, struct error *err);
int pg_copy_stream(struct store *s, const char *sql, store_source_fn *source,
		   void *ctx, struct error *err);

#endif
