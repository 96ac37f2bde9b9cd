/* SPDX-License-Identifier: MIT */
#ifndef STORE_DUMP_H
#define STORE_DUMP_H
/*
 * store-dump - named sets of a database, out and back again
 *
 * For databases that are no file (PostgreSQL); a database that is a file is
 * saved as one. A dump is what one snapshot holds: for each set its rows, as
 * COPY writes them, with their number and a digest, and the objects that make
 * up its schema, each with the statement that makes it and the one that takes
 * it away.
 *
 *	store_dump_begin(s, sets, &d, &err);       one REPEATABLE READ snapshot
 *	store_dump_rows(s, &d.sets[i], sink, ctx, &err);      for each
 *	store_dump_end(s, &err);
 *	store_dump_index(&d, &out);                to be kept with the rows
 *	...
 *	store_dump_parse(text, len, &d, &err);
 *	store_load(s, &load, &err);                one transaction
 *
 * Sets: tables, partitioned tables (with their partitions), views and
 * materialized views (these without rows). A set that is not there is part of
 * a dump, too: a load drops it. "" stands for every table and view outside of
 * the system's schemas and of our own tables (_upshift_*), STORE_DUMP_OURS for
 * these, but for the lease of the one who runs.
 *
 * Of a table the dump has: columns with type, collation, default, generated
 * and identity; constraints, and the foreign keys of other tables that refer
 * to it; indexes, triggers, rules, policies, comments, owner, grants;
 * sequences that belong to it or that its defaults use, with their values. Not
 * of it: functions, types and extensions, which a load expects to be there.
 * Views that read a set are part of a dump by their definition alone (beside).
 *
 * The sum of a set does not depend on the order of its rows: the XXH3-128 of
 * each line of COPY, added up modulo 2^128, so that a row which is there twice
 * counts twice. It does depend on the order of the columns.
 *
 * A load puts into place what is there under the same name: it empties a table
 * and drops or makes what differs in its schema, so that views over it stay.
 * Only where columns are missing or of another type the table is dropped and
 * made again, with the views that read it: those of the dump as they were then,
 * those that came later as they are, or not at all where they read what is gone.
 * Views of the dump that are missing are made, too. Foreign
 * keys are dropped for the load and made again behind it, so rows need no
 * order; triggers do not fire; sequences get their values. Then everything is
 * read again and compared, within the transaction, and committed. Any failure,
 * and a crash at any moment, leaves all as it was, or all as it is to be; a
 * load may be run again.
 *
 * Source: https://www.postgresql.org/docs/15/catalogs.html, /sql-copy.html,
 * /functions-info.html; what pg_dump sets for its session.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "base/strbuf.h"

struct error;
struct store;
struct store_keep;

/* one thing of the schema */
struct store_object {
	char *kind, *name;
	char *create;            /* NULL: only with the table as a whole */
	char *drop;              /* NULL: nothing takes it away */
	char *state;             /* what is compared */
	int rank;                /* made in this order, dropped in the other */
	bool shared;             /* may belong to a set that goes */
};

struct store_dump_set {
	char *set;               /* as it was asked for, or qualified for "" */
	char *full;              /* quoted, with its schema; NULL: not there */
	char type;               /* 'r' table, 'p' partitioned, 'v', 'm'; 0 */
	bool beside;             /* a view over the sets, by its definition */
	unsigned long oid;       /* not kept */
	struct strvec columns;   /* that COPY takes, in order */
	struct strvec parts;     /* partitions of it that were asked for, too:
				    their rows are its rows */
	struct store_object *objects;
	size_t object_n, object_cap;
	uint64_t rows, bytes;
	struct xxh128 sum;
};

struct store_dump {
	struct store_dump_set *sets;
	size_t n;
	char *server;            /* its version, as it says it */
	bool by_program;         /* the rows are in a dump of pg_dump */
};

#define STORE_DUMP_OURS "_upshift_*"
#define STORE_DUMP_INIT { 0 }
#define _cleanup_store_dump_ _cleanup_(store_dump_release)
void store_dump_release(struct store_dump *d);

/* can sets of this store be dumped, or is it a file? */
bool store_can_dump(const struct store *s);

/* Opens the snapshot; d is initialized. -EOPNOTSUPP: it is a file. After a
   failure there is no transaction. */
int store_dump_begin(struct store *s, const struct strvec *sets,
		     struct store_dump *ret, struct error *err);
/*
 * The rows of a set, one at a time, each with its newline; fills in rows,
 * bytes and sum. sink NULL: they are counted and summed alone. After a failure
 * of the sink (which it returns) the connection is of no use any more.
 */
typedef int store_sink_fn(void *ctx, const char *row, size_t n,
			  struct error *err);
bool store_dump_has_rows(const struct store_dump_set *set);
int store_dump_rows(struct store *s, struct store_dump_set *set,
		    store_sink_fn *sink, void *ctx, struct error *err);
int store_dump_end(struct store *s, struct error *err);

/*
 * Rows of a shape, counted and summed up in the same way: two shapes whose rows
 * have equal texts give equal sums, in whatever order they come. Inside of a
 * transaction, which has the settings of a dump from then on. passed, from time
 * to time: so many rows so far; may be NULL.
 */
struct store_sum {
	uint64_t rows;
	struct xxh128 sum;
};
struct store_shape;
int store_dump_sum(struct store *s, const struct store_shape *shape,
		   void (*passed)(void *ctx, uint64_t rows), void *ctx,
		   struct store_sum *ret, struct error *err);

/* JSON lines; and back: -EINVAL, ERR_BACKUP_DAMAGED */
void store_dump_index(const struct store_dump *d, struct strbuf *out);
int store_dump_parse(const char *text, size_t len, struct store_dump *ret,
		     struct error *err);
/* the schema as a script for psql, without the rows */
void store_dump_sql(const struct store_dump *d, struct strbuf *out);
struct store_dump_set *store_dump_find(const struct store_dump *d,
				       const char *set);

/*
 * The difference between two sets as it is to be told: bits; what is the same
 * in rows and schema gives 0.
 */
enum store_dump_diff {
	STORE_DIFF_THERE = 1u << 0,      /* one of them is not there */
	STORE_DIFF_SCHEMA = 1u << 1,
	STORE_DIFF_VALUES = 1u << 2,     /* of sequences */
	STORE_DIFF_ROWS = 1u << 3,
};
unsigned int store_dump_compare(const struct store_dump_set *a,
				const struct store_dump_set *b);

/* a row of COPY, with its newline, counted and summed up */
void store_dump_add_row(struct store_dump_set *set, const char *row, size_t n);
/*
 * How a program of the database's own gets to where s is connected: *ret is the
 * argument that names it (caller frees), without a password, which goes to env.
 * Values come out of it as from us. -EOPNOTSUPP: it is a file.
 */
int store_reach(struct store *s, char **ret, struct strvec *env,
		struct error *err);

/* where a load gets its rows: any number of bytes, 0 at the end, -errno */
typedef ssize_t store_source_fn(void *ctx, const char **p, struct error *err);
struct store_load {
	const struct store_dump *dump;
	/* begins the rows of a set: what source() gives from then on */
	int (*open)(void *ctx, const struct store_dump_set *set,
		    struct error *err);
	store_source_fn *source;
	void *ctx;
	/* bytes that were loaded so far, of all; may be NULL */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	/* statements before the commit: what we keep there of steps */
	const struct strvec *also;
	/* the rest of the dump, of which views beside the sets are taken;
	   NULL: there is none */
	const struct store_dump *rest;
	/* a view that could not be made again; may be NULL */
	void (*lost)(void *ctx, const char *view);
	/* rows that are put beside those of the dump, or NULL (store-keep.h) */
	struct store_keep *keep;
	/* all that is there is locked, and nothing is changed yet: what came in
	   since it was saved can be looked for; may be NULL */
	int (*locked)(void *ctx, struct store *s, struct store_dump *now,
		      struct error *err);
};
int store_load(struct store *s, const struct store_load *l,
	       struct error *err);
/*
 * Rows of a set in the dump beside those of the set now (of the snapshot that
 * store_dump_begin() opened), by the columns that the dump has: in the dump
 * alone, and in the store alone. then NULL: it is not in the dump. Of l open
 * and source are used. now: its rows are counted, its columns become those.
 */
struct store_beside {
	uint64_t then, now;      /* in one of them alone */
	uint64_t rows;           /* there now */
};
int store_dump_beside(struct store *s, const struct store_load *l,
		      const struct store_dump_set *then,
		      struct store_dump_set *now, struct store_beside *ret,
		      struct error *err);
/*
 * Rows of a set in one dump that none of the others has, by the columns that
 * all have, to the sink, as they are there. Of each l open and source are used,
 * or, with s, its rows now, which are counted already; a set that is NULL, or
 * was not there, has none.
 */
struct store_dump_one {
	struct store *s;
	const struct store_load *l;
	struct store_dump_set *set;
};
int store_dump_left(const struct store_dump_one *from,
		    const struct store_dump_one *known, size_t n,
		    store_sink_fn *sink, void *ctx, struct error *err);
/* How many rows of the one (now) are in none of the others, and of how many of
   these the first of the others has the primary key. */
int store_dump_others(const struct store_dump_one *now,
		      const struct store_dump_one *known, size_t n,
		      uint64_t *others, uint64_t *taken, struct error *err);
/* adds the statements that take away what we keep there of these steps of a
   run: positions, markers, refused rows, undo tables; to be used as `also` */
int store_dump_forget(struct store *s, const char *run,
		      const struct strvec *steps, struct strvec *ret,
		      struct error *err);

#endif
