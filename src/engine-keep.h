/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_KEEP_H
#define ENGINE_KEEP_H
/*
 * engine-keep - what others wrote between a rollback and the way back
 *
 * The rows that the next R point saved, and that are neither in the one that is
 * gone back to nor in the backup. From there they are put beside those that
 * come back: the same again, however often a load is begun.
 */
struct engine;
struct error;
struct keep;
struct store_dump;
struct store_keep;

struct engine_keep {
	struct engine *e;
	/* R points, each with the digest of its NAME.stores: the one that is
	   gone back to (NULL: to the backup), and the next */
	const char *point, *point_digest;
	const char *since, *digest;
};

/* the table of that name, quoted and with its schema (one may be there by two
   names of a set), or NULL */
struct store_dump_set *engine_keep_find(const struct store_dump *d,
					const char *full);
/* the same or, where a view has its place, the table that stands aside */
struct store_dump_set *engine_keep_to(const struct store_dump *d,
				      const char *full);

/* of a store, where the sets of d come back */
int engine_keep_open(const struct engine_keep *g, const char *store,
		     const struct store_dump *d, struct keep **ret,
		     struct error *err);
struct store_keep *engine_keep_rows(struct keep *k);
/* what engine-late.h saved of the tables of now comes beside as well */
int engine_keep_add_late(struct keep *k, const struct store_dump *now,
			 struct error *err);
/* what came of it, table by table */
void engine_keep_tell(const struct keep *k);
void engine_keep_close(struct keep *k);

#endif
