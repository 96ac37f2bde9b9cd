/* SPDX-License-Identifier: MIT */
#ifndef JOURNAL_LINE_H
#define JOURNAL_LINE_H
/*
 * journal-line - the lines of a journal, before they are parsed
 *
 * A long journal is mostly facts that the next one of the same key makes
 * history. Each line is checked by its sum and its place; a fact waits until
 * another of its step and key comes, which takes its place, or a record of
 * another kind, before which all that wait are folded. So most of them are never
 * parsed, and what is folded is the same.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/hash.h"
#include "journal.h"

#define SUM_KEY ",\"sum\":\""
#define SUM_KEY_LEN (sizeof(SUM_KEY) - 1)
/* SUM_KEY, the sum, and `"}` */
#define SUM_TAIL (SUM_KEY_LEN + BLAKE2_TEXT_SIZE - 1 + 2)

/* are the NULs of this line what unwritten sectors leave? */
bool journal_nuls_torn(const char *line, size_t len, off_t start, off_t size);
/* the sum over the line up to SUM_KEY, closed by a brace */
bool journal_sum_ok(struct blake2 *b, const char *line, size_t len);

struct journal_head {
	char time[CLOCK_TEXT_SIZE], what[32];
	size_t at;               /* behind what, its quote */
};
/* of a record with this number, as the journal writes them; false: it may be
   one all the same */
bool journal_line_head(const char *line, size_t len, uint64_t seq,
		       const char *prev, struct journal_head *ret);

struct journal_facts;
struct journal_facts *journal_facts_new(void);
void journal_facts_free(struct journal_facts *f);
/* true: it waits. Not so where the key has `alone` in it: each of them counts */
bool journal_facts_add(struct journal_facts *f, const char *line, size_t len,
		       const struct journal_head *h, const char *alone);
int journal_facts_flush(struct journal_facts *f, journal_fn *fn, void *ctx,
			struct error *err);

#endif
