/* SPDX-License-Identifier: MIT */
#ifndef STORE_H
#define STORE_H
/*
 * store - keyed records behind one small table of functions
 *
 * A store is a database or a file of records that a plan names by a URL:
 *
 *	sqlite:PATH		an SQLite database; below the root
 *	json:PATH#MEMBER	the array or object at MEMBER of a JSON document
 *	jsonl:PATH		JSON lines
 *	pg:CONNINFO		PostgreSQL, or what speaks its protocol: a URI
 *				(pg://..., or pg:postgresql://...) or keywords
 *
 * Copying, verifying, draining and repairing are written once over it. What
 * they have in common is the only form of records: a batch of text cells, each
 * with the type that its source gave it.
 *
 * Calling sequence:
 *
 *	store_open(url, &options, &s, &err);
 *	store_mark(s, &m, NULL, &err);          the range is known; by itself
 *	store_begin(s, true, &err);
 *	store_mark(s, &m, old_position, &err);  moves the checkpoint, first
 *	store_put(s, &shape, &batch, 0, batch.nrow, STORE_REPLACE, &err);
 *	store_commit(s, &err);
 *	store_close(s);
 *
 * Everything between begin and commit is one transaction: rows and checkpoint
 * become visible and durable together. After any failure inside it the caller
 * calls store_abort() (which is harmless without a transaction) before
 * anything else. scan, columns, split, digest, marks and exec may be called
 * outside of a transaction too, and then each is one of its own.
 *
 * One store is for one thread at a time. Two threads open it twice.
 *
 * Keys: the first nkey columns of a shape. A key travels as text, a JSON array
 * with one element for each column: a string, a number for STORE_INT and
 * STORE_NUM, true or false, an array for what a string cannot say (bytes, text
 * that is no UTF-8). It comes from store_key(), nobody else looks into it. Keys
 * compare as rows do in the store: column by column, in its own order. Rows
 * come in that order, and a scan continues after a key, so keys must be unique
 * and not NULL; scan refuses what it sees of the others.
 *
 * Text of cells, the same from every store for an equal value:
 *	STORE_TEXT	as it is, UTF-8 by right, any bytes in fact
 *	STORE_INT	decimal
 *	STORE_NUM	decimal, or as short as it comes back from a double, with
 *			an exponent from 1e15 and below 1e-4 (as PostgreSQL)
 *	STORE_BOOL	t or f
 *	STORE_JSON	JSON
 *	STORE_BYTES	\x and hex digits
 *
 * Errors: 0 (or a count) or -errno, with err filled; store_class() says what
 * to do about it:
 *	STORE_CLASS_RECONNECT	-ECONNRESET: close and open again. From commit:
 *				nobody knows whether it happened; store_marks()
 *				of the new connection tells (the position moved
 *				or it did not)
 *	STORE_CLASS_RETRY	-EAGAIN: the whole transaction again, later
 *	STORE_CLASS_SHRINK	-E2BIG: again with fewer rows; a statement that
 *				took longer than statement_ms is of these
 *	STORE_CLASS_BADROW	-EBADMSG: a row that the store refuses
 *	STORE_CLASS_STALE	-ESTALE: somebody else moved the checkpoint
 *	STORE_CLASS_CANCELLED	-ECANCELED: tick() said so
 *	STORE_CLASS_FATAL	all else
 * store_sqlstate() has the five characters for the last failure, or "".
 *
 * Waits are bounded: to connect, for a lock, for a statement. While a store
 * waits or works it calls tick() about ten times a second; nonzero ends what
 * is going on with STORE_CLASS_CANCELLED. Where a lock is waited for and it can
 * be found out who has it, held() is told, and so is the message of a wait that
 * was too long.
 *
 * No password is ever in a message or in store_name().
 *
 * On disk after a crash: what was committed. The checkpoints are rows of the
 * table _upshift_range in the store itself, changed in the transaction of the
 * rows that they speak of, by comparing and setting the position; so of two
 * runners one gets STORE_CLASS_STALE, and no row is written twice.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct error;
struct store;
struct store_pool;
struct strbuf;

enum store_type {
	STORE_TEXT, STORE_INT, STORE_NUM, STORE_BOOL, STORE_JSON, STORE_BYTES,
};

struct store_cell {
	size_t off;              /* in buf of the batch */
	int32_t len;             /* -1: NULL */
	uint8_t type;            /* enum store_type */
};

/* A value struct; rows are added cell by cell. Offsets, not pointers, so buf
   may move. Clearing keeps the memory, unless it is much. */
struct store_batch {
	char *buf;
	size_t n, cap;
	struct store_cell *cell;
	size_t ncell, cellcap;
	uint32_t nrow, ncol;
};

#define STORE_BATCH_INIT { 0 }
#define _cleanup_store_batch_ _cleanup_(store_batch_release)

void store_batch_release(struct store_batch *b);
/* empty, with rows of ncol cells from now on */
void store_batch_clear(struct store_batch *b, uint32_t ncol);
/* the next cell; p NULL is NULL. A row is counted with its last cell. */
void store_batch_add(struct store_batch *b, enum store_type type,
		     const char *p, size_t n);
/* the same, n bytes that the caller writes at once */
char *store_batch_room(struct store_batch *b, enum store_type type, size_t n);
/* bytes as the next cell, "\\x" and two digits each */
void store_batch_add_bytes(struct store_batch *b, const void *p, size_t n);
/* The rows of b without their first columns, in place of what out was: its texts
   are those of b, its cells are to be freed. */
void store_batch_show(const struct store_batch *b, uint32_t from,
		      struct store_batch *out);
/* another text for a cell that has one */
void store_batch_set(struct store_batch *b, uint32_t row, uint32_t col,
		     const char *p, size_t n);
/* the last cell again, and its row with it */
void store_batch_drop_row(struct store_batch *b);
static inline const struct store_cell *
store_batch_cell(const struct store_batch *b, uint32_t row, uint32_t col)
{
	return &b->cell[(size_t)row * b->ncol + col];
}
/* NULL for NULL; not terminated */
static inline const char *store_batch_text(const struct store_batch *b,
					   const struct store_cell *c)
{
	return c->len < 0 ? NULL : b->buf + c->off;
}

/* of a cell that is a whole number; 0 for NULL and what is none */
int64_t store_batch_int(const struct store_batch *b, uint32_t row,
			uint32_t col);

/*
 * What a scan yields and a put takes. set is NAME or SCHEMA.NAME (a dot in a
 * name cannot be had). expr, if not NULL, holds for each column what is read
 * in its place, in the language of the store, or NULL for the column; where is
 * a condition in that language, or NULL. All borrowed. Of a file of records a
 * column is a member of the element, "@key" its name in an object, "@value" all
 * of it byte for byte; expr is a JSON path into the element, where a filter
 * (@.a > 9), set "".
 */
struct store_shape {
	const char *set;
	uint32_t ncol, nkey;
	const char *const *col;
	const char *const *expr;
	const char *where;
	/* of a put, for each column: what its type makes of a value is what is
	   meant; NULL: of none */
	const bool *loose;
	/* of a file of records, for each column: what is there is read as JSON,
	   a string with its quotes; NULL: of none */
	const bool *json;
};

/*
 * Lines of a jsonl: store that are no records: no JSON, or without their key.
 * STRICT, as at first: who reads the file fails. KEEP: behind all records each
 * is a row that has a key of its own, cannot be read (STORE_CLASS_BADROW) and
 * is counted. SKIP: no row. Other stores have no such lines.
 */
enum store_lines { STORE_LINES_STRICT, STORE_LINES_KEEP, STORE_LINES_SKIP };
void store_set_lines(struct store *s, enum store_lines how);
/* the number, from 1, of the line that has this key; 0: it is a record's. What
   store_get() finds under it is the line with this number as it is now. */
uint64_t store_key_line(const char *key);
/* the bytes of the line; *out is replaced. 1, or 0: there is no such line */
int store_line_text(struct store *s, const char *key, struct strbuf *out,
		    struct error *err);
/* a text as a line of the file: 1, with its row in b; 0: it is empty, or not
   one of the shape's */
int store_line_parse(struct store *s, const struct store_shape *shape,
		     const char *p, size_t n, struct store_batch *b,
		     struct error *err);

/* the key of a row; *out is replaced */
void store_key(const struct store_batch *b, uint32_t row, uint32_t nkey,
	       struct strbuf *out);
/* the cells of a key as one more row; b has as many columns; -EINVAL */
int store_key_cells(const char *key, struct store_batch *b);

/* bytes on the disk for the keys of a file with so many records, at the most
   and about; 0: they fit into memory */
uint64_t store_index_size(uint64_t records);

enum store_conflict {
	STORE_ERROR,             /* a key that is there is a bad row */
	STORE_SKIP,              /* what is there stays */
	STORE_REPLACE,           /* the other columns are set */
};

/* a range of keys of a step and how far it is done */
struct store_mark {
	const char *step;
	int part;
	const char *lo, *hi;     /* after lo, up to hi; NULL: open */
	const char *pos;         /* a key; "" before the first row */
	uint64_t rows;           /* that this batch brought */
	bool done;
};

struct store_digest {
	uint64_t n;              /* rows */
	uint64_t sum;            /* of the first halves of their MD5 */
};

struct store_options {
	int root_fd;             /* paths are below it */
	int scratch_fd;          /* where what does not fit into memory may go,
				    borrowed; <= 0: /tmp */
	bool read_only;
	/* SQLite, read_only: what somebody left in the middle of a transaction
	   is taken back first, as by whoever opens it to write */
	bool recover;
	bool create;             /* a database that is not there */
	bool allow_plaintext;    /* TCP without sslmode=verify-full */
	bool steady;             /* many small scans: the server starts no
					helpers for them */
	/* milliseconds; 0: 10 s, 10 s, 10 min */
	unsigned int connect_ms, lock_ms, statement_ms;
	int (*tick)(void *ctx);  /* may be NULL */
	/* what it waits for is somebody's lock, in words; NULL: no longer. In
	   the thread that waits; may be NULL */
	void (*held)(void *ctx, const char *by);
	void *ctx;
	struct store_pool *pool; /* store-pool.h; NULL: none */
	/* where the URL is within_url: a handle inside of the transaction of
	   this store, see store_is_within(); NULL: none */
	struct store *within;
	const char *within_url;
};

enum store_class {
	STORE_CLASS_NONE, STORE_CLASS_RECONNECT, STORE_CLASS_RETRY,
	STORE_CLASS_SHRINK, STORE_CLASS_BADROW, STORE_CLASS_STALE,
	STORE_CLASS_CANCELLED, STORE_CLASS_FATAL,
};
enum store_class store_class(int ret);

/* statements set a limit of their own to waits for locks, this one */
void store_set_lock_ms(struct store *s, unsigned int ms);

/* the kinds that this upshift was built with, in a line */
const char *store_built(void);
/* ERR_TOOL (status 69): it was built without the kind of this URL */
int store_check_built(const char *url, struct error *err);
/*
 * ERR_PLAN_VALUE: no such kind, or a path that is none; ERR_TOOL as above. The
 * store is the caller's.
 */
int store_open(const char *url, const struct store_options *o,
	       struct store **ret, struct error *err);
void store_close(struct store *s);
static inline void store_closep(struct store **s)
{
	store_close(*s);
}
#define _cleanup_store_ _cleanup_(store_closep)
/* From any thread: what goes on in it ends soon with STORE_CLASS_CANCELLED, and
   so does what begins before the next store_begin(). */
void store_stop(struct store *s);
/* for messages: the URL without what is secret */
const char *store_name(const struct store *s);
/* "sqlite", "pg", "json" or "jsonl" */
const char *store_scheme(const struct store *s);
bool store_is_pg(const struct store *s);
bool store_is_sqlite(const struct store *s);
const char *store_sqlstate(const struct store *s);

/*
 * What a store can do, found by trying it, not by its name or version; all but
 * the first and the last are for those who cannot do without, as put and
 * digest have their own ways around. A session that may not write tries
 * nothing that makes something, and says yes.
 *
 * UPSHIFT_TEST_STORE_CAPS in the environment, for tests: names with a minus
 * before each, with commas between ("-temp-table,-tx-ddl"), are taken away.
 */
enum store_cap {
	STORE_CAP_SQL = 1u << 0,        /* statements */
	STORE_CAP_COPY = 1u << 1,       /* COPY inside of a transaction */
	STORE_CAP_TX_DDL = 1u << 2,     /* a rollback takes DDL back */
	STORE_CAP_TEMP_TABLE = 1u << 3,
	STORE_CAP_TRIGGER = 1u << 4,    /* on rows of tables */
	STORE_CAP_INSTEAD_OF = 1u << 5, /* on rows of views */
	STORE_CAP_DIGEST = 1u << 6,     /* computes digests itself */
	STORE_CAP_SERIALIZABLE = 1u << 7, /* by default: -EAGAIN is usual */
	STORE_CAP_BINARY = 1u << 8,     /* values as the server has them */
};
#define STORE_CAP_COUNT 9
/* tries it at first, outside of a transaction (inside: false, if nobody tried
   it before); afterwards from memory */
bool store_can(struct store *s, enum store_cap cap);
/* "sql", "copy", "tx-ddl", "temp-table", "trigger", "instead-of", "digest",
   "serializable", "binary" */
const char *store_cap_name(enum store_cap cap);

/*
 * A store that was opened inside of the transaction of another (`within` of
 * the options) works on its connection: it sees what is locked there, and what
 * it does is done when that one commits. Its own transactions, if they write,
 * are savepoints: of several handles on one connection only the last that
 * began one may end it. It must be closed before the other ends its own.
 */
bool store_is_within(const struct store *s);
/* true: they share a connection, and so one thread */
bool store_is_one(const struct store *a, const struct store *b);
/* has every answer of store_can() ready for those that come to be inside */
void store_try_all(struct store *s);

/* write: obtains the right to write at once, where there is one */
int store_begin(struct store *s, bool write, struct error *err);
int store_commit(struct store *s, struct error *err);
void store_abort(struct store *s);
/*
 * begin, fn (which writes, and returns 0 or what failed), commit; where that
 * is STORE_CLASS_RETRY all of it again after a random delay that grows, up to
 * `tries` times in all. Whoever gets -EAGAIN then should do less at a time. fn
 * must be such that it can be run again. Any failure is aborted.
 */
int store_transact(struct store *s,
		   int (*fn)(void *ctx, struct store *s, struct error *err),
		   void *ctx, unsigned int tries, struct error *err);

/* How long to wait before what was lost `lost` times is tried again: anywhere
   below a limit that doubles up to 10 s, so that two do not meet again. */
unsigned int store_delay_ms(unsigned int lost);

/*
 * Rows after the key `after` up to and with `until` (NULL: no bound), at most
 * limit, in the order of keys; b is cleared first. Returns the number of rows;
 * fewer than limit: there are no more.
 */
int store_scan(struct store *s, const struct store_shape *shape,
	       const char *after, const char *until, uint32_t limit,
	       struct store_batch *b, struct error *err);
/* The same of the keys alone: rows of nkey cells. What cannot be read has one,
   too. */
int store_scan_keys(struct store *s, const struct store_shape *shape,
		    const char *after, const char *until, uint32_t limit,
		    struct store_batch *b, struct error *err);
/*
 * The same, but it ends as soon as the rows weigh more than `bytes` (with one
 * row at least). Returns the number of rows; *more: there are others behind
 * them.
 */
int store_scan_some(struct store *s, const struct store_shape *shape,
		    const char *after, const char *until, uint32_t limit,
		    size_t bytes, struct store_batch *b, bool *more,
		    struct error *err);
/* Is the primary key of the set a part of the key, so that no two rows can have
   the same? false where it is not known. */
bool store_key_is_primary(struct store *s, const struct store_shape *shape);
/*
 * Every row, some at a time, in whatever order costs the least. Returns 0, or
 * what fn returned below it.
 */
typedef int store_rows_fn(void *ctx, const struct store_batch *b,
			  struct error *err);
int store_each(struct store *s, const struct store_shape *shape,
	       store_rows_fn *fn, void *ctx, struct error *err);
/*
 * The same of two stores of a kind whose values have types: rows as hashes, for
 * which nothing is made text of but keys. All cells of two rows have the same
 * text if, but for accidents of 1 in 2^64, the hashes are the same; that is
 * for as long as the program runs, they are not to be kept. Keys: rows of
 * nkey cells.
 */
struct store_hashed {
	uint64_t hash;
	uint64_t bytes;          /* that the texts have, about */
};
typedef int store_hashes_fn(void *ctx, const struct store_batch *keys,
			    const struct store_hashed *row,
			    struct error *err);
bool store_can_hash(struct store *a, const struct store_shape *of_a,
		    struct store *b, const struct store_shape *of_b);
int store_each_hash(struct store *s, const struct store_shape *shape,
		    store_hashes_fn *fn, void *ctx, struct error *err);
/* The row with this key, if the shape has it: 1 or 0. */
int store_get(struct store *s, const struct store_shape *shape,
	      const char *key, struct store_batch *b, struct error *err);
/* Rows from .. from + n of b, whose columns are those of shape; inside a
   transaction. Returns how many were new or changed; -EBADMSG, SQLSTATE 02000:
   one is not there, though nothing refused it (a trigger). */
int store_put(struct store *s, const struct store_shape *shape,
	      const struct store_batch *b, uint32_t from, uint32_t n,
	      enum store_conflict how, struct error *err);
/*
 * Rows from one store to another of its kind, without anybody taking their
 * values apart: a packed row is the cells of its key, as those of a scan, and
 * one more that only the kind can read. What is refused so may do as cells.
 */
struct store_pack {
	uint32_t hidden;         /* columns of the source, not written */
	uint32_t n;              /* all of its columns */
	uint32_t *type;          /* theirs, as the kind names them */
};
/* True: rows that the shape `of` yields, without the first `hidden` columns,
   can be put as `to` wants them. Asks both, outside of transactions; false
   too if one does not answer. */
bool store_pack_init(struct store_pack *k, struct store *from,
		     const struct store_shape *of, uint32_t hidden,
		     struct store *dest, const struct store_shape *to);
void store_pack_release(struct store_pack *k);
/* Many rows of cells will be put as the shape has it: where its types allow
   that, the store takes values instead of texts that it would have to read.
   The rows are the same. Outside of transactions. */
void store_put_typed(struct store *s, const struct store_shape *shape);
/* store_scan_some(), store_put() */
int store_scan_packed(struct store *s, const struct store_pack *k,
		      const struct store_shape *shape, const char *after,
		      const char *until, uint32_t limit, size_t bytes,
		      struct store_batch *b, bool *more, struct error *err);
int store_put_packed(struct store *s, const struct store_pack *k,
		     const struct store_shape *shape,
		     const struct store_batch *b, uint32_t from, uint32_t n,
		     enum store_conflict how, struct error *err);
/*
 * Rows from one set to another of the same database, which it takes itself:
 * nobody else sees their values. Only where it comes to the same as a scan and
 * a put: the same user in the same database with the same search path, columns
 * of the same types (SQLite: no value becomes another one), and a key of the
 * source that an index holds unique, as nobody looks at keys on the way.
 */
struct store_move {
	const struct store_shape *of, *to; /* borrowed */
	uint32_t hidden;         /* columns of the source, not written */
	char *reads;             /* what is read, in the language of the kind */
	const char *words;       /* of the kind, behind the names */
	uint32_t *type;          /* of the columns, for the kind */
	char *schema;            /* the kind's, at that time */
};
#define _cleanup_move_ _cleanup_(store_move_release)
/* True: that is so. Asks both, outside of transactions; false too if one does
   not answer. */
bool store_move_init(struct store_move *m, struct store *from,
		     const struct store_shape *of, uint32_t hidden,
		     struct store *dest, const struct store_shape *to);
void store_move_release(struct store_move *m);
/*
 * Rows behind the key `after` up to and with `until`, inside a transaction of
 * dest. Returns how many were new or changed. STORE_CLASS_BADROW also where it
 * is not as it was at first: cells may do then.
 */
int store_move(struct store *s, const struct store_move *m, const char *after,
	       const char *until, enum store_conflict how, struct error *err);
/*
 * A put refuses rows with a value that its column would not keep (round, cut
 * off, write otherwise: STORE_CLASS_BADROW) but where the shape is loose. This
 * tells before: would it keep all of them? 1, or 0, with the place of one. What
 * the store does not take at all it may refuse here, too.
 */
int store_keeps(struct store *s, const struct store_shape *shape,
		const struct store_batch *b, uint32_t from, uint32_t n,
		uint32_t *row, uint32_t *col, struct error *err);
/*
 * Values have more than one text in some types: those of the columns of a shape,
 * to read the cells of another store as this one would write them, where that is
 * known beyond doubt. None, of a store that keeps every text as it is.
 */
struct store_kind {
	uint8_t kind;            /* as the store numbers them */
	bool any;                /* every text, as it is */
	bool forms;              /* several texts for a value */
	int digits;
};
struct store_kinds {
	uint32_t n;
	struct store_kind *col;
	void (*read_as)(const struct store_kinds *k, struct store_batch *b);
};
int store_kinds(struct store *s, const struct store_shape *shape,
		struct store_kinds *ret, struct error *err);
bool store_kinds_have_forms(const struct store_kinds *k);
void store_kinds_release(struct store_kinds *k);
/* The rows whose keys are the first nkey cells of b's rows; inside a
   transaction. Returns how many there were. */
int store_del(struct store *s, const struct store_shape *shape,
	      const struct store_batch *b, struct error *err);
/*
 * old NULL: makes the range known, unless it is (what is known of it stays);
 * a transaction of its own. Else, inside one: moves the position from old to
 * m->pos and adds m->rows; STALE if it is not at old.
 */
int store_mark(struct store *s, const struct store_mark *m, const char *old,
	       struct error *err);
/* The ranges of a step by part: part, lo, hi, pos, rows, batches, done (0 or
   1). Returns their number. */
int store_marks(struct store *s, const char *step, struct store_batch *b,
		struct error *err);
/* How many rows the shape has: counted by the store, or by reading them. */
int store_count(struct store *s, const struct store_shape *shape,
		uint64_t *ret, struct error *err);
/* The columns of a set in order: name, declared type, t or f for NOT NULL,
   default as SQL, place in the primary key (from 1; 0 none); generated ones,
   which nobody can write, are left out. Returns their number; 0: there is no
   such set. */
int store_columns(struct store *s, const char *set, struct store_batch *b,
		  struct error *err);

/*
 * One run of a plan at a time, on a server that others reach too: a row of the
 * table _upshift_run, without locks that need a session. It is the run's from
 * when it first says so until it says that it is over: that it has not said
 * anything for ttl_s is no reason to begin beside it. -EBUSY: another has it,
 * and is at work (ERR_LOCKED), or not (ERR_RUN_ELSEWHERE); then one that names
 * it in `from` gets it, and the other does not get it back but in the same
 * way. The same run has it again at once. ret, if not NULL: how often it
 * changed hands. Outside of a transaction. Files have none, and need none: who
 * may write to them is settled by the lock of the root that they are in.
 */
struct store_lease {
	const char *plan, *run;
	const char *host, *since;    /* for people; since: tells runs apart */
	const char *from;            /* a run, or NULL */
	unsigned int ttl_s;
	char *holder;                /* set with -EBUSY; the caller frees it */
};
int store_lease(struct store *s, struct store_lease *l, int64_t *ret,
		struct error *err);
/* -EBUSY: another run has it, or none; also inside of a transaction */
int store_lease_held(struct store *s, const char *plan, const char *run,
		     struct error *err);
/* if the run has it: it is kept by one who is not at work any more; given back
   by a run that is over; or by one that is all undone, so that those from whom
   it was taken may go on */
enum store_lease_end {
	STORE_LEASE_AWAY, STORE_LEASE_OVER, STORE_LEASE_UNDONE,
};
int store_lease_end(struct store *s, const struct store_lease *l,
		    enum store_lease_end how, struct error *err);

/* Where the database has none of its own, -EOPNOTSUPP. */
#define STORE_EXEC_ROWS 10000
/*
 * One statement; args: a batch with one row, for $1, $2, ... (NULL: none). The
 * rows go to b (NULL: dropped); more than STORE_EXEC_ROWS are -E2BIG. Returns
 * the number of rows it gave or, if it gives none, changed.
 */
int store_exec(struct store *s, const char *sql, const struct store_batch *args,
	       struct store_batch *b, struct error *err);
/* the same; args: n texts */
int store_exec_text(struct store *s, const char *sql, const char *const *args,
		    uint32_t n, struct store_batch *b, struct error *err);
/* The upper ends (keys, as rows of nkey cells) of parts with `every` rows
   each, in the range; the last part, which may be smaller, has none. */
int store_split(struct store *s, const struct store_shape *shape,
		const char *lo, const char *hi, uint64_t every,
		struct store_batch *b, struct error *err);
/* Its upper end alone, if the range has n rows: 1 or 0. */
int store_nth(struct store *s, const struct store_shape *shape,
	      const char *after, const char *until, uint64_t n,
	      struct store_batch *b, struct error *err);
/*
 * Count and digest of the rows in the range: the same from every store whose
 * cells have the same text. A row's text is its cells with 0x1f between them
 * and 0x1e for NULL.
 */
int store_digest(struct store *s, const struct store_shape *shape,
		 const char *lo, const char *hi, struct store_digest *ret,
		 struct error *err);
/* the text of a row, in place of what text holds */
void store_row_text(const struct store_batch *b, uint32_t row,
		    struct strbuf *text);
/* its digest; text is room for it, and holds it then */
uint64_t store_row_digest(const struct store_batch *b, uint32_t row,
			  struct strbuf *text);

#endif
