/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_PGDUMP_H
#define ENGINE_PGDUMP_H
/*
 * engine-pgdump - whole databases by pg_dump and pg_restore (plan: backup.with)
 *
 * In the place of the rows of each set a backup then has one member for each
 * store, .upshift-stores/STORE/database.dump, in pg_dump's custom format and not
 * compressed, beside index.jsonl and schema.sql. The index has rows and sum of
 * every table, of the same snapshot, which pg_dump is given. Our own tables are
 * left out.
 *
 * Before it is packed the dump is read back by pg_restore, and the rows of each
 * table are counted and, as far as pg_dump writes them as we do, summed up.
 *
 * Back to the start the whole goes by pg_restore in one transaction, and then
 * every table is compared with the index. Where the server refuses that (what
 * others made since stands in the way), nothing was changed, and the tables go
 * back one by one as without pg_dump, with the rows of the dump. So they go to
 * checkpoints, too.
 *
 * The programs are those of PATH. Passwords go to them in the environment.
 * Nothing of a size that the data has is kept in memory.
 */
#include <stdbool.h>
#include <sys/types.h>

struct engine;
struct error;
struct store;
struct store_dump;
struct store_dump_set;
struct strbuf;
struct step_ctx;

/* both programs are there, and not older than the servers of the plan;
   ERR_TOOL */
int engine_pgdump_check(struct engine *e, struct error *err);
/* the database to fd; s stands in the snapshot that it is to have */
int engine_pgdump_write(struct step_ctx *c, struct store *s, int fd,
			struct error *err);
/* what fd has against the index; ERR_BACKUP */
int engine_pgdump_verify(struct step_ctx *c, int fd,
			 const struct store_dump *d, struct error *err);
/* are the columns of "public.t (a, b)" those of the set, in order? */
bool engine_pgdump_fits(const char *of, const struct store_dump_set *set);
/* whole rows of COPY with those columns, as the set has them: partitions may
   have others; false: it has not */
bool engine_pgdump_reorder(const char *of, const struct store_dump_set *set,
			   const char *rows, size_t len, struct strbuf *out);
/* one transaction; *refused: nothing was changed, and err says why */
int engine_pgdump_restore(struct step_ctx *c, const char *store, int fd,
			  bool *refused, struct error *err);

/* rows of a set out of the dump behind fd, as COPY writes them; set NULL: of
   all, and pgdump_rows_next() tells whose they are */
struct pgdump_rows;
int pgdump_rows_open(struct step_ctx *c, int fd,
		     const struct store_dump_set *set,
		     struct pgdump_rows **ret, struct error *err);
/* whole lines, valid until the next call; 0 at the end */
ssize_t pgdump_rows_next(struct pgdump_rows *r, const char **p,
			 struct error *err);
/* "public.t (a, b)" of what came last */
const char *pgdump_rows_of(const struct pgdump_rows *r);
void pgdump_rows_close(struct pgdump_rows *r);

#endif
