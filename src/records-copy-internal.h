/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_COPY_INTERNAL_H
#define RECORDS_COPY_INTERNAL_H
/*
 * records-copy-internal - what records-copy*.c share
 *
 * Threads: the one that called owns struct records_run, and is the only one
 * that calls back. Workers change what stands below `lock` with it held; a
 * worker's own part of struct records_worker, but for `status` and the times,
 * is its alone.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "records-copy.h"
#include "records-pace.h"
#include "store.h"

struct records_range {
	int part;                    /* as in _upshift_range */
	char *lo, *hi, *pos;         /* NULL: open; pos "" before the first */
	uint64_t rows;
	bool done;
	bool busy;                   /* a worker has it */
	bool contended;              /* somebody else moved it */
};

struct records_run;
#define RECORDS_UNDO_SQL 7

/* rows of a source that are read at once */
struct records_page {
	char *after;                 /* a key; NULL: from the first */
	const char *until;
	uint32_t n;                  /* at most */
	bool packed;
	struct store_batch rows;
	bool more;                   /* there may be rows behind these */
	int got;                     /* what the scan returned */
};

struct records_worker {
	struct records_run *run;
	pthread_t thread;
	struct store *from, *to;
	struct store *queue;         /* the source, to write; mostly NULL */
	struct records_range *part;   /* NULL: none */
	struct store_batch rows;     /* as they were read */
	struct store_batch out;      /* the same without hidden columns; its
					texts are those of rows */
	char *bad_key;               /* a row that cannot be read; rows is then
					empty */
	bool more;                   /* there may be rows behind these */
	struct store_move move;
	bool moves;                  /* the database can take them itself */
	struct store_pack pack;
	bool packs;                  /* rows can go packed */
	bool packed;                 /* rows is, and out is nothing */
	unsigned int plain;          /* batches to go as cells all the same */
	bool by_keys;                /* the undo table is filled by them */
	bool redo;                   /* the batch goes otherwise, nothing is
					wrong with it */
	bool reads_ahead;            /* where that helps */
	struct records_page ahead;   /* the next, while rows is written; after
					NULL: there is none */
	pthread_t reader;            /* has `from` and ahead while it reads */
	bool reading;
	uint32_t span;               /* of a backfill, or moved: rows is the last
					of so many; 0: they are all there */
	bool whole;                  /* one of the next is bad: read them all */
	struct records_pace pace;
	unsigned int lost;           /* the batch, against others */
	unsigned int beaten;         /* of these, not with its connection */
	unsigned int alone;          /* batches that lock the set first */
	bool no_lock;                /* the server does not let us */
	struct records_worker_status status;
	_Atomic uint64_t read_ns, write_ns, lock_ns, hold_ns;
};

struct records_run {
	const struct records_job *job;
	struct records_worker *worker;
	struct records_range *part;
	size_t part_n, part_cap;
	char *schema;                /* by_rowid: its version */
	bool undo;
	char *undo_sql[RECORDS_UNDO_SQL]; /* around a put, see the file */

	bool one_writer;             /* at a time: SQLite */
	pthread_mutex_t turn;        /* to write, then; who waits here does not
					poll */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_bool stop;            /* read by ticks of stores */
	bool hold;
	unsigned int alive;
	int ret;                     /* the first failure */
	struct error err;
	uint64_t total, rows, rejected, batches, again, reconnects;
	struct strvec notes;
	char *trouble;               /* the last of them, until rows go again */
};

/* --- records-copy-parts.c: the ranges --- */
/* all ranges are known, and in run->part */
int records_parts_load(struct records_run *run, struct store *from,
		       struct store *to, struct error *err);
/* what the destination says of one of them; into *p */
int records_part_reload(struct records_run *run, struct store *to,
			struct records_range *p, struct error *err);
/* by_rowid: rows have the numbers that they had at first; in a transaction it
   stays so */
int records_rowids_load(struct records_run *run, struct store *to,
			struct error *err);
int records_rowids_same(const struct records_run *run, struct store *to,
			struct error *err);
void records_part_release(struct records_range *p);
void records_parts_release(struct records_run *run);

/* --- records-copy-work.c: one worker --- */
void *records_worker_main(void *worker);

/* --- records-copy.c --- */
/* held() of its stores: told with the next report, of which there are some
   while workers are at work */
void records_held(void *run, const char *by);

/* --- records-copy-lost.c --- */
int records_stopped(void *run);
int records_set_cancelled(struct error *err);
/* after a failure on so many rows: one of these, or what ends the run */
enum records_next {
	RECORDS_AGAIN,           /* what is to be written now */
	RECORDS_LEAVE,           /* this part, to somebody else */
};
/* with the lock held: what failed, or NULL */
void records_trouble(struct records_run *run, const char *text);
int records_recover(struct records_worker *w, bool source, uint32_t rows,
		    int ret, struct error *why, struct error *err);
/* stores of the job, whose waits end when the run stops */
int records_open(struct records_run *run, bool source, struct store **ret,
		 struct error *err);
/* w->from or w->to anew, for as long as two minutes; why NULL: the first
   time */
int records_reconnect(struct records_worker *w, bool source,
		      const struct error *why, struct error *err);

/*
 * In the transaction, the first thing. Where others were faster again and again
 * the set is locked: whoever waits for that has its turn, and in PostgreSQL
 * sees what was written before, as it has looked at nothing yet. So a batch
 * gets through even if somebody writes all rows all the time.
 */
int records_take_set(struct records_worker *w, struct error *err);
/* a wait that is added to *ns; false: the run stops */
bool records_nap(struct records_run *run, unsigned int ms,
		 _Atomic uint64_t *ns);
/* the job has its lease still, or needs none; in a transaction */
int records_may_commit(const struct records_job *job, struct store *to,
		       struct error *err);

/* --- records-copy-ahead.c --- */
void records_ahead_init(struct records_worker *w);
/* the page behind w->rows, by another thread, if that helps; w->from and
   w->pack are its until the end */
void records_ahead_begin(struct records_worker *w);
/* waits for it; harmless if none is read. keep: it is the next one. */
void records_ahead_end(struct records_worker *w, bool keep);
void records_ahead_drop(struct records_worker *w);
/* True: the page behind that key was kept, and is w->rows, w->more, w->packed.
   It is gone then in any case. */
bool records_ahead_take(struct records_worker *w, const char *after);

/* --- records-copy-read.c --- */
/* how rows go, with new connections: w->moves or w->packs */
void records_pack(struct records_worker *w);
/* in the transaction: the rows of w->span; how many were new or changed */
int records_move(struct records_worker *w, struct error *err);
/* w->out: the rows without the hidden columns */
void records_project(struct records_worker *w);
/* the key behind which rows from .. from + n stand, or NULLs, and the last of
   theirs: one row of arguments */
int records_range_args(struct records_worker *w, uint32_t from, uint32_t n,
		       struct store_batch *args, struct error *err);
/* The next rows of the part, w->rows, w->bad_key and w->more; the number. */
int records_read(struct records_worker *w, struct error *err);

/* --- records-copy-reject.c: _upshift_reject --- */
int records_reject_setup(struct records_run *run, struct store *to,
			 struct error *err);
/* in the transaction; row of w->out, or < 0: w->bad_key */
int records_reject(struct records_worker *w, int row, const char *sqlstate,
		   const struct error *why, struct error *err);
/* {"column": "text", ...} of a row of w->out, as it would have been written */
void records_reject_text(const struct records_worker *w, uint32_t row,
			 struct strbuf *out);
/* ["text", "..."] or, of what is none, ["base64", "..."]: a line that is no
   record, in place of the row */
void records_line_text(const char *p, size_t n, struct strbuf *out);
/* of a live source: their keys into the queue, with those that changed */
int records_defer(struct records_worker *w, const struct strvec *keys,
		  struct error *err);
int records_reject_count(struct store *to, const char *marks, uint64_t *ret,
			 struct error *err);

/* --- records-copy-undo.c --- */
int records_undo_setup(struct records_run *run, struct store *to,
		       struct error *err);
/* the declared types of the columns of the shape */
int records_types_load(struct store *s, const struct store_shape *shape,
		       struct strvec *types, struct error *err);
/* _upshift_PREFIX_ID, quoted; appended, as the others */
void records_undo_table(const struct records_job *job, const char *prefix,
			struct strbuf *out);
void records_undo_create(const struct records_job *job, const char *prefix,
			 const struct strvec *types, struct strbuf *out);
/* ALIAS."a", ALIAS."b" of the first n columns */
void records_undo_names(const struct store_shape *shape, const char *alias,
			uint32_t n, struct strbuf *out);
/* (A."k") = (B."k") */
void records_undo_join(const struct store_shape *shape, const char *a,
		       const char *b, struct strbuf *out);
/* what is put is found again by who made it: no cells are needed */
bool records_undo_is_own(const struct records_worker *w);
/* in the transaction, around the put of rows from .. from + n; changed: what it
   returned. *had: some were there before. -EBADMSG and w->redo: another way. */
int records_undo_put_before(struct records_worker *w, uint32_t from,
			    uint32_t n, bool *had, struct error *err);
int records_undo_put_after(struct records_worker *w, uint32_t from, uint32_t n,
			   int changed, bool had, struct error *err);
/* the same around any other put, by the keys of w->out */
int records_undo_before(struct records_worker *w, uint32_t from, uint32_t n,
			struct error *err);
int records_undo_after(struct records_worker *w, uint32_t from, uint32_t n,
		       struct error *err);
/* the same around the deletion of rows by their keys, the cells of b: what was
   inserted needs no way back any more, all else comes back as a whole */
int records_undo_gone(struct records_worker *w, const struct store_batch *b,
		      bool after, struct error *err);
void records_undo_release(struct records_run *run);

/* --- records-copy-back.c, with -back-table.c, or -back-whole.c and
   -back-source.c for what has no undo table --- */
#define RECORDS_BACK_NAMED 10
struct records_back {
	const struct records_job *job;
	struct records_undone *out;
	unsigned int lost;       /* connections, since something was done */
	uint32_t chunk;
	bool more;
	uint64_t deleted, restored, kept;
	struct strvec keys;
	struct strbuf first;     /* key of the chunk's first row */
	/* with an undo table */
	struct store_batch ends;         /* the first and the last key */
	struct store_batch passed;       /* a key; no row: none yet */
	bool alike;              /* its keys are sorted as those of the set */
	struct records_worker w; /* with the stores */
	/* without an undo table */
	uint32_t from, n;
	uint64_t whole;          /* rows that may be gone: no answer came */
};

/* A connection was lost: opened again, a few times in a row. What ends it, or
   0. */
int records_back_reopened(struct records_back *k, bool source, int ret,
			  struct error *why, struct error *err);
/*
 * fn in a transaction; 0: done. Where an answer was lost, k->first tells: that
 * key is in the table _upshift_PREFIX_ID now (there), or not any more.
 */
int records_back_transact(struct records_back *k,
			  int (*fn)(void *ctx, struct store *s,
				    struct error *err),
			  const char *prefix, bool there, struct error *err);
/* the key of the first or the last row of the table, as arguments */
int records_back_add_end(struct records_back *k, struct store *s,
			 const char *table, bool last,
			 struct store_batch *args, struct error *err);
/* a transaction is done: its counts are */
void records_back_add_up(struct records_back *k);
int records_back_by_table(struct records_back *k, struct error *err);
int records_back_by_source(struct records_back *k, struct error *err);
/*
 * Where the rows of the set are those of the source, and no others: all of them
 * at once, compared with the set locked against who writes it. 1: done; 0: they
 * are not, or the server cannot: nothing was changed.
 */
int records_back_whole(struct records_back *k, struct error *err);
/* the set finds rows by their key; and, gone again, as the tables that we keep
   there, what was made for that */
int records_back_index(struct records_back *k, struct error *err);
int records_back_no_index(const struct records_job *job, struct store *s,
			  struct error *err);

/* --- records-copy-after.c: when all rows are there --- */
/* sequences behind the rows, and statistics */
int records_finish_sequences(struct store *to, const char *set,
			     struct error *err);
int records_finish_set(struct store *to, const char *set, struct error *err);

/* the name under which it stands that this was done; caller frees */
char *records_end_mark(const char *marks);

/* --- helpers --- */
/* CREATE TABLE IF NOT EXISTS, of two at once too */
int records_make_table(struct store *s, const char *name, const char *sql,
		       struct error *err);
static inline void records_add_text(struct store_batch *b, const char *text)
{
	store_batch_add(b, STORE_TEXT, text, text ? __builtin_strlen(text) : 0);
}
/* the cell as a number; 0 for what is none */
uint64_t records_cell_number(const struct store_batch *b, uint32_t row,
			     uint32_t col);
/* a copy, or NULL for NULL */
char *records_cell_text(const struct store_batch *b, uint32_t row,
			uint32_t col);

#endif
