/* SPDX-License-Identifier: MIT */
#ifndef JOURNAL_H
#define JOURNAL_H
/*
 * journal - durable record of a run
 *
 * JSON lines. Each record has seq (from 1), time, prev (the sum of the record
 * before, "" for the first), what it says, and last sum: BLAKE2b-512 of the
 * line up to `,"sum":`, closed by `}`. One pwrite and one fdatasync each; when
 * journal_append() returns 0 the record survives a power cut.
 *
 * Room is preallocated (FALLOC_FL_KEEP_SIZE), so that stopping and going back
 * can be recorded on a full disk.
 *
 * Opening replays. Final bytes without a newline, or a last piece that holds
 * NUL, are a torn write: cut (by the writer, under the lock; a reader passes
 * over them). A complete line with a wrong sum, seq or prev, even the last, is
 * damage: ERR_JOURNAL_DAMAGED names the record and what is still safe, nothing
 * is changed. A journal shorter than state.json says was truncated:
 * ERR_JOURNAL_TRUNCATED. A format above JOURNAL_FORMAT: ERR_JOURNAL_FORMAT.
 *
 * The first I/O error latches: every later append fails with it (LMDB does the
 * same), so that no change can follow a record that may not be there.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

struct error;
struct json_object;

#define JOURNAL_FORMAT 1

struct journal;

/* a record as replayed; borrowed for the call */
typedef int journal_fn(void *ctx, struct json_object *rec, struct error *err);

/* new file dirfd/journal.jsonl, room for steps; directory fsynced */
int journal_create(struct journal **ret, int dirfd, int steps,
		   struct error *err);
/* writable: a torn tail is cut, the file is open for appending */
int journal_open(struct journal **ret, int dirfd, bool writable,
		 journal_fn *fn, void *ctx, struct error *err);
/* rec: without seq, time, prev, sum; taken over (put), also on failure */
int journal_append(struct journal *j, struct json_object *rec,
		   struct error *err);
uint64_t journal_seq(const struct journal *j);
/* sum of the last record, "" if there is none */
const char *journal_sum(const struct journal *j);
/* time of the last record appended or replayed, RFC 3339 */
const char *journal_last_time(const struct journal *j);
void journal_close(struct journal *j);

#endif
