/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_VERIFY_H
#define RECORDS_VERIFY_H
/*
 * records-verify - do two stores hold the same records?
 *
 * Rows of the one shape are compared with rows of the other: the columns of
 * both stand for each other by their place, the first nkey of them are the
 * key. It works over store.h alone, so any two stores will do.
 *
 *	basic		the rows are counted
 *	standard	digests from both sides, and where they differ the
 *			rows, compared cell by cell
 *	rigorous	and 10,000 rows, chosen at random, are compared cell by
 *			cell; differences are looked at once more after a pause,
 *			for what is only on its way
 *	forensic	every row cell by cell; each part is told to audit()
 *
 * A digest only filters: the verdict is always a comparison of cells. Digests
 * of rows are added up, modulo 2^64, beside their number: under an exclusive or
 * rows that are there twice would take each other out, and a table without a
 * unique key could have wrong ones in pairs. What is there as often on both
 * sides is the same; where a side is read, a key that comes twice is refused.
 *
 * Both sides work at the same time, each in a thread; callbacks come in the
 * thread of the caller. What fails on one side stops the other.
 *
 * By hash: where digests are made here (files, SQLite, a server that has none)
 * rows are read in the order that costs the least, for a sum in each of many
 * buckets by a hash of the key, and once more for the rows of buckets that
 * differ. Between two SQLite databases the sums are of values as they lie, and
 * the same where their texts would be. Rows that are read once more wait in a
 * temporary file without a name in the scratch directory if they are more than
 * a few MiB; memory does not grow with the table. If they are most of it, both
 * sides are read in the order of their keys and merged, which needs no room at
 * all.
 *
 * Where a server has rows of a store of another kind, and columns of types whose
 * values have several texts (times, UUIDs, char(n), ...), the old side's are read
 * as the server would write them, and rows are compared by hash.
 *
 * By ranges of keys: where a server makes digests, and for forensic. One digest
 * of it all; if it differs one of each segment of about 20,000 rows; one that
 * differs is cut again by 16, and what still differs is read. Where most
 * segments differ, or one side has none of the rows, nothing is cut any more:
 * both sides are read to the end and merged.
 *
 * A table that has nothing in common with the other is read less than three
 * times.
 *
 * Order: two databases may order texts differently (collations). That needs no
 * probe: equal digests over ranges prove equal sets whatever the order, and
 * rows are read anyway where they differ. There keys must come in the order
 * that C gives them (numbers by value, all else by bytes) and lie between the
 * bounds; if they do not, what was found is dropped (again()) and the rows are
 * compared by hash.
 *
 * Each side is seen in one transaction, that is in one state; the second look
 * has one of its own.
 *
 * Kinds: missing (in old alone), extra (in new alone), different, and
 * equivalent: the text of a cell is another, the value by its type is not
 * (1.50 and 1.5, blanks in JSON, 1 for true).
 *
 * Errors are those of the stores, and -ECANCELED. Nothing is written to them.
 * The stores' tick() may be called in the other thread.
 */
#include <stdbool.h>
#include <stdint.h>

struct error;
struct store;
struct store_batch;
struct store_shape;

enum records_level {
	RECORDS_BASIC, RECORDS_STANDARD, RECORDS_RIGOROUS, RECORDS_FORENSIC,
};
const char *records_level_name(enum records_level level);

enum records_kind {
	RECORDS_MISSING, RECORDS_DIFFERENT, RECORDS_EXTRA, RECORDS_EQUIVALENT,
	RECORDS_KIND_COUNT,
};
const char *records_kind_name(enum records_kind kind);

/* One difference; valid until the callback returns. */
struct records_found {
	enum records_kind kind;
	const char *key;         /* a JSON array */
	const uint32_t *col;     /* which columns; none: the whole row */
	uint32_t ncol;
};

/* One part of a forensic comparison. */
struct records_part {
	const char *lo, *hi;     /* keys; NULL: open, or a part by hash */
	uint64_t rows[2];
	uint64_t digest[2];      /* as store_digest(), over what was read */
	uint64_t found;          /* differences so far, in all */
};

/*
 * hidden: how many columns stand before those that are compared, because the
 * side is read by them where its key is an expression without an index; they
 * are then the key of the shape. Such sides are compared by hash.
 */
struct records_side {
	struct store *store;
	const struct store_shape *shape;
	uint32_t hidden;
};

struct records_spec {
	struct records_side old, now;
	uint32_t nkey;           /* of the columns compared; 0: as the shapes */
	enum records_level level;
	uint32_t segment;        /* rows; 0: 20,000 */
	uint32_t sample;         /* rows; 0: 10,000 */
	double pause_s;          /* before the second look; < 0: none */
	uint64_t seed;           /* of the choice; 0: at random */
	int scratch_fd;          /* a directory; AT_FDCWD: the current one */
	/* any may be NULL but found */
	int (*found)(void *ctx, const struct records_found *f,
		     struct error *err);
	/* what was told does not count: it begins anew */
	int (*again)(void *ctx, struct error *err);
	int (*audit)(void *ctx, const struct records_part *part,
		     struct error *err);
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	bool (*cancelled)(void *ctx);
	void *ctx;
};

struct records_verdict {
	uint64_t rows[2];        /* as counted */
	uint64_t n[RECORDS_KIND_COUNT];
	uint64_t read[2];        /* rows that went by, digests included */
	uint64_t digests;        /* pairs of them; by hash: of readings */
	uint64_t sampled;        /* compared cell by cell, at random */
	uint64_t settled;        /* differences that were gone after the pause */
	bool by_hash;            /* else by ranges of keys, or merged */
};
/* missing, different and extra */
uint64_t records_bad(const struct records_verdict *r);

int records_verify(const struct records_spec *spec,
		   struct records_verdict *ret, struct error *err);

/*
 * Results of queries, row by row: 0 if they have the same cells by value, else
 * the number (from 1) of the first row that is another.
 */
uint32_t records_same(const struct store_batch *a, const struct store_batch *b);

#endif
