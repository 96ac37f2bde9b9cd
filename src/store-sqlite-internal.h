/* SPDX-License-Identifier: MIT */
#ifndef STORE_SQLITE_INTERNAL_H
#define STORE_SQLITE_INTERNAL_H
/* store-sqlite-internal - what store-sqlite*.c share */
#include "store-internal.h"

struct sqlite3;
struct sqlite3_stmt;
struct sqlite3_value;

struct sqlite_store {
	struct store s;
	struct sqlite3 *db;
	struct store_clock clock;
	uint64_t lock_until;
	unsigned int lock_ms, statement_ms;
};

/* --- store-sqlite.c --- */
/* what the last call on the database said */
int sqlite_failed(struct sqlite_store *q, struct error *err);
/* and the clock begins */
int sqlite_prepare(struct sqlite_store *q, const char *sql,
		   struct sqlite3_stmt **ret, struct error *err);
/* of store_scan(), ready for its first step; args: the keys, which have to stay
   for as long as it is stepped */
int sqlite_prepare_scan(struct sqlite_store *q,
			const struct store_shape *shape, const char *after,
			const char *until, uint32_t limit,
			struct store_batch *args, struct sqlite3_stmt **ret,
			struct error *err);

/* --- store-sqlite-cell.c --- */
void sqlite_stmt_freep(struct sqlite3_stmt **stmt);
#define _cleanup_stmt_ _cleanup_(sqlite_stmt_freep)
/* parameter i is the cell, whose text stays where it is until the statement is
   stepped; SQLITE_OK, or why not */
int sqlite_bind_cell(struct sqlite3_stmt *stmt, int i, const struct store_batch *b,
		     const struct store_cell *c);
/* text and bytes of a value of that type; valid until the next step */
const char *sqlite_text(struct sqlite3_value *v, size_t *n);
const void *sqlite_blob(struct sqlite3_value *v, size_t *n);
/* column i of the row that stmt stands at, as the next cell */
void sqlite_add_column(struct store_batch *b, struct sqlite3_stmt *stmt, int i);

/* --- store-sqlite-held.c --- */
/* the lock of another process that keeps this one out, in words; NULL: nobody
   can tell. Caller frees. */
char *sqlite_held(struct sqlite3 *db);

/* --- store-sqlite-each.c --- */
int sqlite_each(struct store *s, const struct store_shape *shape,
		store_rows_fn *fn, void *ctx, struct error *err);
int sqlite_each_hash(struct store *s, const struct store_shape *shape,
		     store_hashes_fn *fn, void *ctx, struct error *err);

/* --- store-sqlite-kept.c --- */
/* of each column of the shape what sqlite_bind_kept() wants; caller frees */
unsigned char *sqlite_affinities(struct sqlite3 *db,
				 const struct store_shape *shape);
/* the same for a value that is to be kept in a column; SQLITE_MISMATCH: it would
   become another one there */
int sqlite_bind_kept(struct sqlite3_stmt *stmt, int i, unsigned char affinity,
		     const struct store_batch *b, const struct store_cell *c);
/* bound as it is it stays what it is */
bool sqlite_keeps_int(unsigned char affinity, int64_t v);
bool sqlite_keeps_real(unsigned char affinity);
/* any value; a text that is no exact number may have to be bound as one */
bool sqlite_keeps_value(unsigned char affinity, struct sqlite3_value *v);
/* the same as sqlite_bind_kept() for a cell that is a number, and goes at once */
int sqlite_bind_number(struct sqlite3_stmt *stmt, int i, unsigned char affinity,
		       const struct store_batch *b, const struct store_cell *c);

/* ops->keeps */
int sqlite_keeps(struct store *s, const struct store_shape *shape,
		 const struct store_batch *b, uint32_t from, uint32_t n,
		 uint32_t *row, uint32_t *col, struct error *err);

/* --- store-sqlite-packed.c --- */
bool sqlite_pack(struct store_pack *k, struct store *from,
		 const struct store_shape *of, struct store *dest,
		 const struct store_shape *to);
int sqlite_scan_packed(struct store *s, const struct store_pack *k,
		       const struct store_shape *shape, const char *after,
		       const char *until, uint32_t limit,
		       struct store_batch *b, struct error *err);
/* its n values as parameters, as sqlite_bind_kept() has them; the row stays where
   it is until the statement is stepped. *at: the one that failed */
int sqlite_bind_packed(struct sqlite3_stmt *stmt, const unsigned char *affinity,
		       const struct store_batch *b, uint32_t row, uint32_t n,
		       uint32_t *at);

/* --- store-sqlite-move.c --- */
bool sqlite_moves(struct store_move *m, struct store *from, struct store *dest);
bool sqlite_moves_still(struct store *s, const struct store_move *m);

#endif
