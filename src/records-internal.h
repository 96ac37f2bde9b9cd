/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_INTERNAL_H
#define RECORDS_INTERNAL_H
/*
 * records-internal - what the records-*.c files share
 */
#include <pthread.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "records-verify.h"
#include "store.h"

/* inside alone: the keys do not come in the order of C */
#define RECORDS_DISORDER (-EDOM)

/* differences that are kept for a second look; more are no passing matter */
#define RECORDS_HELD_MAX 10000

struct records_held {
	enum records_kind kind;
	char *key;
	uint32_t *col, ncol;
};

/* by a hash of the key */
#define RECORDS_BUCKETS 4096u

struct records_bucket {
	uint64_t n, bytes, sum;
};

struct records_span {
	char *lo, *hi;           /* NULL: open */
};

/* One verification. */
struct records_pass {
	const struct records_spec *spec;
	struct records_verdict *out;
	struct records_side side[2];
	pthread_t caller;        /* who alone is called back in */
	uint32_t ncol, nkey;
	unsigned char *sort;     /* of each column of the key */
	uint32_t *cols;          /* room for the numbers of all columns */
	uint64_t done, total;    /* rows of old, for progress */
	/* for the second look */
	bool hold, second;
	struct records_held *held;
	size_t nheld, heldcap;
	struct records_span *span;
	size_t nspan, spancap;
	unsigned char *hot;      /* buckets with differences */
	struct records_bucket *bucket[2];
	bool server;             /* one of the sides has digests of its own */
	bool ranges;             /* of keys; else in buckets, by hash */
	bool disorder;           /* the keys of the sides, or one is hidden */
	/* how the new side writes what the old one has; its read_as NULL: as it
	   is */
	struct store_kinds kinds;
	/* of a forensic part that is not told yet */
	uint64_t part_rows[2], part_digest[2];
	bool all;                /* every row, whatever its digest */
};

/* --- records-value.c: cells --- */
/* <0, 0, >0: numbers by value, all else by bytes */
int records_key_cmp(const struct store_batch *a, uint32_t ra,
		    const struct store_batch *b, uint32_t rb, uint32_t nkey);
/* How a column of a key is sorted; one way for all rows of both sides, or there
   is no order in which they could be merged. false: this row has another */
enum { RECORDS_BY_VALUE = 1, RECORDS_BY_BYTES };
bool records_key_sort(const struct store_batch *b, uint32_t row,
		      uint32_t nkey, unsigned char *sort);
/* equal for keys that are equal to records_key_cmp(); appended */
void records_key_text(const struct store_batch *b, uint32_t row,
		      uint32_t nkey, struct strbuf *out);
/* -1: the rows are the same; else RECORDS_DIFFERENT or RECORDS_EQUIVALENT and
   in cols (room for ncol) which columns */
int records_row_cmp(const struct store_batch *a, uint32_t ra,
		    const struct store_batch *b, uint32_t rb, uint32_t ncol,
		    uint32_t *cols, uint32_t *ret_n);

/* --- records-cursor.c: the rows of a range, in the order of the store --- */
struct records_cursor {
	struct records_pass *p;
	int side;
	const char *hi;
	bool end;
	bool fresh;              /* b: nobody looked at its order yet */
	struct store_batch b, before;
	struct store_batch raw;  /* with hidden columns; b without */
	struct store_batch hi_cells;
	struct strbuf last;      /* the key of the last row of the batch before */
	const char *lo;
	uint32_t at, limit;
};
/* lo and hi are borrowed */
int records_cursor_open(struct records_cursor *c, struct records_pass *p,
			int side, const char *lo, const char *hi,
			struct error *err);
/* those that have no row get some, both at once; RECORDS_DISORDER */
int records_cursors_fill(struct records_cursor c[2], struct error *err);
/* row c->at of c->b; false: no more, after a fill */
bool records_cursor_row(const struct records_cursor *c);
/* the key of the row before the current one; NULL: there was none */
const char *records_cursor_before(struct records_cursor *c,
				  struct strbuf *out);
void records_cursor_release(struct records_cursor *c);

/* --- records-merge.c --- */
/* both sides of the range, row by row */
int records_merge(struct records_pass *p, const char *lo, const char *hi,
		  struct error *err);
/* audit() for what was read since the last time */
int records_tell_part(struct records_pass *p, const char *lo, const char *hi,
		      struct error *err);

/* --- records-both.c: one thread for each side --- */
typedef int records_side_fn(void *ctx, int side, struct error *err);
/* fn for both; the first failure, and the other side is stopped */
int records_both(struct records_pass *p, records_side_fn *fn, void *ctx,
		 struct error *err);

/* --- records-buckets.c --- */
uint32_t records_bucket_of(const void *key, size_t n);
/* without the first `hidden` columns; b is cleared first */
void records_unhide(const struct store_batch *raw, uint32_t hidden,
		    struct store_batch *b);
/* every row of a side, with the bucket of its key */
typedef int records_row_fn(void *ctx, int side, const struct store_batch *b,
			   uint32_t row, uint32_t bucket, struct error *err);
int records_each(struct records_pass *p, int side, records_row_fn *fn,
		 void *ctx, struct error *err);
/* p->bucket and p->out->rows */
int records_sum_buckets(struct records_pass *p, struct error *err);

/* --- records-hash.c --- */
/* everything, in whatever order; rows of at least `sample` of them are read
   although their sums are equal */
int records_by_hash(struct records_pass *p, uint64_t sample,
		    struct error *err);

/* --- records-sample.c --- */
/* about so many rows, where both sides have the same order */
int records_sample(struct records_pass *p, uint64_t rows, struct error *err);

/* --- records-verify.c --- */
/* the upper ends of parts of a range, by the old side */
int records_cut(struct records_pass *p, const char *lo, const char *hi,
		uint64_t every, struct store_batch *ret, struct error *err);
/* counts the difference, holds it or tells it; b: where the key is */
int records_tell(struct records_pass *p, enum records_kind kind,
		 const struct store_batch *b, uint32_t row, uint32_t ncol,
		 struct error *err);
/* what was found so far does not count */
int records_anew(struct records_pass *p, struct error *err);
/* both of them: in the thread of the caller alone */
void records_progress(struct records_pass *p, uint64_t rows);
int records_cancelled(struct records_pass *p, struct error *err);

#endif
