/* SPDX-License-Identifier: MIT */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H
/*
 * store-internal - what the kinds of stores share; for store*.c alone
 *
 * A kind is a const table of functions whose first member of the instance is
 * struct store. What store.c has seen to before it calls one: put, del and the
 * moving mark happen inside of a transaction that writes, the mark that makes
 * a range known outside; batches have as many columns as the shape.
 */
#include <stdatomic.h>

#include "base/strbuf.h"
#include "store-dump.h"
#include "store-sql.h"
#include "store.h"

struct store_ops {
	const char *scheme;
	unsigned int caps;       /* that need no trying */
	bool by_row;             /* a scan that is cut reads no more rows */
	const char *now_s;       /* SQL for seconds since 1970, or NULL */
	int (*open)(const char *rest, const struct store_options *o,
		    struct store **ret, struct error *err);
	void (*close)(struct store *s);
	/* may be NULL, both: nothing is left of what was done in it, true, or
	   it is to be closed; and it is as if opened with these options, 0 */
	bool (*rest)(struct store *s);
	int (*again)(struct store *s, const struct store_options *o);
	int (*begin)(struct store *s, bool write, struct error *err);
	int (*commit)(struct store *s, struct error *err);
	void (*abort)(struct store *s);
	/* after and until the same text (pointer): the row with that key */
	int (*scan)(struct store *s, const struct store_shape *shape,
		    const char *after, const char *until, uint32_t limit,
		    struct store_batch *b, struct error *err);
	int (*put)(struct store *s, const struct store_shape *shape,
		   const struct store_batch *b, uint32_t from, uint32_t n,
		   enum store_conflict how, struct error *err);
	/* may be NULL, both: store_keeps(), store_kinds() */
	int (*keeps)(struct store *s, const struct store_shape *shape,
		     const struct store_batch *b, uint32_t from, uint32_t n,
		     uint32_t *row, uint32_t *col, struct error *err);
	int (*kinds)(struct store *s, const struct store_shape *shape,
		     struct store_kinds *ret, struct error *err);
	int (*del)(struct store *s, const struct store_shape *shape,
		   const struct store_batch *b, struct error *err);
	int (*mark)(struct store *s, const struct store_mark *m,
		    const char *old, struct error *err);
	int (*marks)(struct store *s, const char *step,
		     struct store_batch *b, struct error *err);
	int (*columns)(struct store *s, const char *set,
		       struct store_batch *b, struct error *err);
	/* may be NULL, all three of them; the types of the columns of both
	   shapes, hidden ones first: can it be done? */
	bool (*pack)(struct store_pack *k, struct store *from,
		     const struct store_shape *of, struct store *dest,
		     const struct store_shape *to);
	/* may be NULL: store_put_typed() */
	void (*typed)(struct store *s, const struct store_shape *shape);
	int (*scan_packed)(struct store *s, const struct store_pack *k,
			   const struct store_shape *shape, const char *after,
			   const char *until, uint32_t limit,
			   struct store_batch *b, struct error *err);
	int (*put_packed)(struct store *s, const struct store_pack *k,
			  const struct store_shape *shape,
			  const struct store_batch *b, uint32_t from,
			  uint32_t n, enum store_conflict how,
			  struct error *err);
	/* may be NULL, both: store_move_init(), with what it fills in for
	   the kind; and, inside of the transaction, is all of it as it was? */
	bool (*moves)(struct store_move *m, struct store *from,
		      struct store *dest);
	bool (*moves_still)(struct store *s, const struct store_move *m);
	/* may be NULL: the caps are all; not inside of a transaction */
	bool (*probe)(struct store *s, enum store_cap cap);
	/* may be NULL; digest is then a scan */
	int (*exec)(struct store *s, const char *sql,
		    const struct store_batch *args, struct store_batch *b,
		    struct error *err);
	int (*split)(struct store *s, const struct store_shape *shape,
		     const char *lo, const char *hi, uint64_t every,
		     struct store_batch *b, struct error *err);
	int (*digest)(struct store *s, const struct store_shape *shape,
		      const char *lo, const char *hi,
		      struct store_digest *ret, struct error *err);
	/* may be NULL; rows in any order, for shapes whose keys cannot be there
	   twice; NULL keys are refused */
	int (*each)(struct store *s, const struct store_shape *shape,
		    store_rows_fn *fn, void *ctx, struct error *err);
	/* the same, may be NULL */
	int (*each_hash)(struct store *s, const struct store_shape *shape,
			 store_hashes_fn *fn, void *ctx, struct error *err);
	/* COPY ... TO STDOUT, a row at a time, and COPY ... FROM STDIN, for as
	   long as it takes (how many rows were taken); NULL: the sets are in a
	   file (store-dump.h) */
	int (*copy_out)(struct store *s, const char *sql, store_sink_fn *sink,
			void *ctx, struct error *err);
	int (*copy_in)(struct store *s, const char *sql,
		       store_source_fn *source, void *ctx, struct error *err);
	/* store_set_lines() and the others; NULL: there are no lines */
	void (*set_lines)(struct store *s, enum store_lines how);
	int (*line_text)(struct store *s, uint64_t line, struct strbuf *out,
			 struct error *err);
	int (*line_parse)(struct store *s, const struct store_shape *shape,
			  const char *p, size_t n, struct store_batch *b,
			  struct error *err);
	/* store_reach(), or NULL */
	void (*reach)(struct store *s, struct strbuf *out,
		      struct strvec *env);
};

struct store {
	const struct store_ops *ops;
	char *name;
	char sqlstate[6];
	unsigned int caps, tried, taken; /* taken away by the test */
	bool in_tx, writes;
	size_t most;             /* bytes of a scan; 0: any number */
	bool cut;                /* the scan ended there */
	bool keys;               /* it wants them alone, of what cannot be read
				    as well */
	size_t row_bytes;        /* of the last one; 0: there was none */
	int (*tick)(void *ctx);  /* of the options */
	void *tick_ctx;
	struct store_clock *clock; /* of the kind; NULL: it cannot be stopped */
	struct store_pool *pool; /* where it goes when it is closed, or NULL */
	char *url;               /* by which it is found there */
};

extern const struct store_ops store_sqlite_ops;
extern const struct store_ops store_pg_ops;
extern const struct store_ops store_json_ops;
extern const struct store_ops store_jsonl_ops;

/* --- store-within.c --- */
int store_within_open(struct store *outer, struct store **ret,
		      struct error *err);

/* --- store-open.c --- */
/* what store_close() is without a pool */
void store_end(struct store *s);

/* --- store-pool.c: as store_open() and store_close() have it --- */
/* 1: there was one; 0 */
int store_pool_take(const struct store_options *o, const char *url,
		    struct store **ret);
void store_pool_note(struct store *s, const struct store_options *o,
		     const char *url);
/* true: it is the pool's */
bool store_pool_give(struct store *s);

/* --- store-caps.c --- */
/* what the environment takes away, for tests */
unsigned int store_caps_taken(void);

/* where the options say 0 */
#define STORE_CONNECT_MS 10000
#define STORE_LOCK_MS 10000
#define STORE_STATEMENT_MS 600000

/* Waiting: calls tick() at most ten times a second; true: it said stop. */
struct store_clock {
	int (*tick)(void *ctx);
	void *ctx;
	uint64_t next_tick;      /* monotonic nanoseconds */
	uint64_t deadline;       /* of what is going on; 0: none */
	bool cancelled, late;
	atomic_bool stop;        /* store_stop() */
	/* of the options; and what it was told last, or NULL */
	void (*tell)(void *ctx, const char *by);
	char *held;
	unsigned int lock_ms;    /* a wait for a lock ends, then */
	uint64_t look_at;        /* who has it; 0: never */
	unsigned int look_ms;
};
void store_clock_init(struct store_clock *c, const struct store_options *o);
void store_clock_start(struct store_clock *c, unsigned int ms);
bool store_clock_stop(struct store_clock *c);
/* a wait that may be one for a lock begins: who has it is looked for at times,
   the first well before it ends, the others after longer and longer */
void store_clock_watch(struct store_clock *c);
bool store_clock_looks(struct store_clock *c);
/* what it waits for, the clock's from now on; NULL: nothing. The next
   store_clock_start() forgets it. */
void store_clock_held(struct store_clock *c, char *by);
void store_clock_release(struct store_clock *c);

/* the failure of a put (see store_keeps()); -EBADMSG */
int store_not_kept(struct store *s, const char *column, struct error *err);

/* a key there must be, or it is a bug */
void store_check_shape(const struct store_shape *shape);

/* -EINVAL and err filled where the last row of b does not fit behind the one
   before it in a scan: a key that is NULL, or the same again */
int store_check_key(const struct store *s, const struct store_shape *shape,
		    const struct store_batch *b, struct error *err);

/* behind each row of a scan, its key checked: true if it was one too many, and
   is gone again; then no more of them */
bool store_scan_full(struct store *s, struct store_batch *b);

int store_digest_by_scan(struct store *s, const struct store_shape *shape,
			 const char *lo, const char *hi,
			 struct store_digest *ret, struct error *err);

/* the same as they are read */
void store_sql_reads(struct strbuf *sb, const struct store_shape *shape,
		     uint32_t from, uint32_t to);
/* " WHERE ..." for the condition and the range; parameters: first the columns
   of after, then those of until, numbered from 1; "(a, b) > ($1, $2)" */
void store_sql_where(struct strbuf *sb, const struct store_shape *shape,
		     const char *after, const char *until);
/* the cells of both keys as one row: the arguments for it; -EINVAL */
int store_sql_range(const struct store *s, const struct store_shape *shape,
		    const char *after, const char *until,
		    struct store_batch *args, struct error *err);
/* the columns of the rows in the range, in the order of the keys; NULL keys
   come where the database has them */
void store_sql_scan(struct strbuf *sb, const struct store_shape *shape,
		    const char *after, const char *until, uint32_t limit);
/* the same for a statement that takes no parameters: args, of store_sql_range(),
   stand in it as PostgreSQL has them, E'...' */
void store_sql_scan_literal(struct strbuf *sb,
			    const struct store_shape *shape,
			    const char *after, const char *until,
			    uint32_t limit, const struct store_batch *args);
/* over exec and columns of the store: ops->mark, marks and split */
int store_sql_mark(struct store *s, const struct store_mark *m,
		   const char *old, struct error *err);
int store_sql_marks(struct store *s, const char *step, struct store_batch *b,
		    struct error *err);
int store_sql_split(struct store *s, const struct store_shape *shape,
		    const char *lo, const char *hi, uint64_t every,
		    struct store_batch *b, struct error *err);
int store_sql_nth(struct store *s, const struct store_shape *shape,
		  const char *after, const char *until, uint64_t n,
		  struct store_batch *b, struct error *err);
int store_sql_count(struct store *s, const struct store_shape *shape,
		    uint64_t *ret, struct error *err);
/* " ON CONFLICT ..." */
void store_sql_conflict(struct strbuf *sb, const struct store_shape *shape,
			enum store_conflict how);

/* --- store-move.c --- */
/* the columns that are written, as they are read; caller frees */
char *store_move_reads(const struct store_move *m);

/* --- store-taken.c --- */
/* The rows from .. from + n of b (NULL: nobody can say which), of which not all
   were counted as put: are they there? A trigger may have thrown them away.
   -EBADMSG: a row is not. */
int store_taken(struct store *s, const struct store_shape *shape,
		const struct store_batch *b, uint32_t from, uint32_t n,
		struct error *err);

/* --- store-number.c --- */
/* text of a number as it comes back (see store.h); NaN, Infinity, -Infinity */
#define STORE_NUMBER_ROOM 32
size_t store_int_write(int64_t v, char *out);
size_t store_real_write(double v, char *out);
void store_real_text(double v, struct strbuf *out);
/* false: it would be written otherwise */
bool store_int_read(const char *p, size_t n, int64_t *ret);
bool store_real_read(const char *p, size_t n, double *ret);

/* the bytes of \x...; -EINVAL */
int store_bytes_parse(const char *text, size_t n, struct strbuf *out);

/* --- store-hash.c --- */
/* Cells of a row one by one, then what they come to. */
struct store_hasher {
	struct strbuf values;
	uint64_t bytes;
};
#define STORE_HASHER_INIT { .values = STRBUF_INIT }
void store_hash_null(struct store_hasher *h);
void store_hash_int(struct store_hasher *h, int64_t v);
void store_hash_real(struct store_hasher *h, double v);
void store_hash_text(struct store_hasher *h, const char *p, size_t n);
void store_hash_blob(struct store_hasher *h, const void *p, size_t n);
/* and empty for the next */
struct store_hashed store_hash_row(struct store_hasher *h);
void store_hasher_release(struct store_hasher *h);

/* RFC 1321, its first eight bytes, big endian; for accident, not for foes */
uint64_t store_md5_half(const void *p, size_t n);

#endif
