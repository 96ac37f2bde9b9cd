/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_STORES_H
#define ENGINE_STORES_H
/*
 * engine-stores - the sets of database servers in backups and rollbacks
 *
 * What steps write in a store that is a server (plan: "pg:...") is saved as
 * sets (store-dump.h): those that the effects of the plan's steps name, and
 * those of `backup.stores`. In the archive, and in that of an R point, they
 * stand as members
 *
 *	.upshift-stores/STORE/index.jsonl    store_dump_index(): what and how much
 *	.upshift-stores/STORE/schema.sql     for people: a script
 *	.upshift-stores/STORE/SET.copy       rows, as COPY ... FROM STDIN takes them
 *
 * (bytes of a SET other than letters, digits, '_', '-' and '.' as %XX). They
 * are dumped, in one snapshot for each store, into a nameless file beside the
 * archive, then packed; memory does not grow with them. Each member has its
 * digest in the manifest, and a set the number of its rows.
 *
 * With `backup.with = "pg_dump"` a whole store stands there instead of the
 * copies, as database.dump (engine-pgdump.h).
 *
 * Stores that are files are in the backup as files.
 */
#include "backup.h"
#include "base/strbuf.h"
#include "store-dump.h"

struct effects;
struct engine;
struct error;

/* sets by the store that has them, each once; both in order */
struct store_sets {
	struct store_sets_one {
		char *store;
		struct strvec sets;
	} *v;
	size_t n;
};
#define STORE_SETS_INIT { 0 }
#define _cleanup_store_sets_ _cleanup_(store_sets_release)
void store_sets_release(struct store_sets *s);
bool store_sets_has(const struct store_sets *s, const char *store,
		    const char *set);

void store_sets_add_one(struct store_sets *s, const char *store,
			const char *set);
/* all of them, and one more for each store */
void store_sets_add(struct store_sets *to, const struct store_sets *from,
		    const char *more);

/* adds what the effects write, of servers alone */
void engine_sets_add(struct engine *e, const struct effects *eff,
		     struct store_sets *ret);
/* all that a backup has to hold */
int engine_sets_of_plan(struct engine *e, struct store_sets *ret,
			struct error *err);
/* adds the servers that the plan writes to, or has in its backup: each once */
int engine_servers_of_plan(struct engine *e, struct strvec *ret,
			   struct error *err);
/* bytes that these take while the backup is made; a server that cannot be
   asked is for other checks to tell */
uint64_t engine_stores_size(struct engine *e, size_t *databases);
/* what the last attempt of step i wrote, as the journal has it */
int engine_sets_written(struct engine *e, int i, struct store_sets *ret);

/* a dump of sets, ready to be packed */
struct store_spool {
	int fd;
	int *dumps;              /* of pg_dump, each a file of its own */
	size_t dump_n;
	uint64_t size;
	struct backup_extra *extras;
	size_t n;
	uint64_t rows, sets;
};
#define STORE_SPOOL_INIT { .fd = -1 }
#define _cleanup_store_spool_ _cleanup_(store_spool_release)
void store_spool_release(struct store_spool *s);
/* dirfd: where the nameless files are made; by_program: by pg_dump */
int engine_stores_dump(struct engine *e, const struct store_sets *sets,
		       int dirfd, const char *name, bool by_program,
		       struct store_spool *ret, struct error *err);
/* with pg_dump a store is saved, and goes back, as a whole */
void engine_sets_whole(struct engine *e, struct store_sets *ret);
/* the index of a store in archive NAME of the backup */
int engine_stores_index(struct engine *e, const char *name, const char *digest,
			const char *store, struct store_dump *ret,
			struct error *err);
/* for open and source of a load out of that archive, which it sets, with ctx */
struct store_load;
struct stores_reader;
struct stores_reader *engine_stores_reader(struct engine *e, const char *name,
					   const char *digest,
					   const char *store,
					   struct store_load *l);
void engine_stores_reader_free(struct stores_reader *r);
/* all that the archive has of stores */
int engine_stores_in(struct engine *e, const char *name, const char *digest,
		     struct store_sets *ret, struct error *err);
/* adds backup.stores, of servers */
void engine_sets_named(struct engine *e, struct store_sets *ret);
/* called for each set that differs; diff as store_dump_compare() */
typedef int engine_store_diff_fn(void *ctx, const char *store,
				 const struct store_dump_set *then,
				 const struct store_dump_set *now,
				 unsigned int diff);
/* sets as they are now against that archive; reads all rows */
int engine_stores_compare(struct engine *e, const char *name,
			  const char *digest, const struct store_sets *sets,
			  engine_store_diff_fn *fn, void *ctx,
			  struct error *err);
/*
 * fn empties tables of a store, on behalf of a step. Where other tables refer
 * to them (0A000) that is logged and none is emptied: the steps do it row by
 * row, or say what they make of it.
 */
int engine_stores_empty(struct engine *e, int step, const char *store,
			int (*fn)(void *ctx, struct store *s,
				  struct error *err),
			void *ctx, struct error *err);
/*
 * The sets out of that archive into their stores, a transaction each. steps:
 * what we keep of these in the stores goes with it. step: on whose behalf.
 * whole: all of a store that pg_dump saved. keep: what is put beside, or NULL.
 */
struct engine_keep;
int engine_stores_load(struct engine *e, const char *name, const char *digest,
		       const struct store_sets *sets,
		       const struct strvec *steps, int step, bool whole,
		       const struct engine_keep *keep, struct error *err);

#endif
