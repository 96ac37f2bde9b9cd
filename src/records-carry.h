/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_CARRY_H
#define RECORDS_CARRY_H
/*
 * records-carry - what was written to the new set comes back into the old one
 *
 * Of two jobs for the same pair of sets: `went` is the copy, from the old set
 * to the new one; `back` reads the new set (or what says in the old shape what
 * is in it: a view, a table made of one) and writes the old set. Both sets are
 * compared in the shape of the old one, by its key. What is not the same comes
 * into the old set, and what the new set has no more goes there; but a row
 * whose copy is still what `went` makes of it was not written since, and stays
 * byte for byte, also where `back` would make another of it (a NULL that reads
 * as 0). Rows that `went` was refused, which the new set never had, stay.
 *
 * A comparison, and no capture: it needs no trigger on the new set, which the
 * application would pay for as long as it may go back, it sees what was written
 * past triggers, and it works for what no key of the new set tells (a view that
 * joins). It costs a reading of both sets.
 *
 * Rows that refer to each other: of all jobs rows come before deletions, and
 * what the old sets refuse is tried again as long as others went in between.
 *
 * Writers must be turned away. To do it again changes nothing, so it may be cut
 * short anywhere; on disk after a crash are the transactions that were
 * committed. How rows were, and are, is appended to a file before they are
 * changed, a line of JSON each:
 *	{"set":"item","key":["7"],"was":{...},"now":{...}}
 * null where there is no row; "refused" has why the old set did not take it.
 *
 * With a read-only store of the new set nothing is written there. Errors are
 * those of the stores; a row that the old set refuses is -EBADMSG, unless
 * `back` has quarantine. One thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct records_job;

struct records_carry {
	const struct records_job *const *went, *const *back;
	size_t n;
	/* rows that are in an old set alone stay: nobody knows that they were
	   in the new one */
	bool keeps;
	/* what the old sets refuse ends it; else it is told, and passed over */
	bool stops;
	int (*tick)(void *ctx, uint64_t done, uint64_t total);
	void (*note)(void *ctx, const char *text);
	void *ctx;
	int scratch_fd;          /* a directory */
	int lines_fd;            /* the file, to append to; -1: none */
};

struct records_carried {
	uint64_t put, deleted;   /* rows of the old set */
	uint64_t refused;
	uint64_t stay;           /* that are not the same, and not written
				    since */
};

/* ret: one for each job */
int records_carry(const struct records_carry *c, struct records_carried *ret,
		  struct error *err);
#endif
