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
 * over them). A line with a newline behind its NULs is torn only if the NULs
 * fill whole sectors, as a torn write leaves them. A complete line with a wrong sum, seq or prev, even the last, is
 * damage: ERR_JOURNAL_DAMAGED names the record and what is still safe, nothing
 * is changed. state.json beside it holds "seq" and "sum" of a record; it is
 * read first, since it may lag and never leads: a journal that is shorter was
 * truncated (ERR_JOURNAL_TRUNCATED), one that has another sum there is damage,
 * and so is a state.json that cannot be read. A format above JOURNAL_FORMAT: ERR_JOURNAL_FORMAT.
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
#define JOURNAL_NAME "journal.jsonl"
#define JOURNAL_STATE_NAME "state.json"

struct journal;

/* a record as replayed; borrowed for the call */
typedef int journal_fn(void *ctx, struct json_object *rec, struct error *err);

/* new file dirfd/journal.jsonl, room for steps; directory fsynced */
int journal_create(struct journal **ret, int dirfd, int steps,
		   struct error *err);
/* writable: a torn tail is cut, the file is open for appending */
int journal_open(struct journal **ret, int dirfd, bool writable,
		 journal_fn *fn, void *ctx, struct error *err);
/* the same, but of facts between two records of other kinds the last of each
   step and key alone: the others are checked, and history. Of keys with `all` in
   them it is each. */
int journal_open_last(struct journal **ret, int dirfd, bool writable,
		      const char *all, journal_fn *fn, void *ctx,
		      struct error *err);
/*
 * To read records of some kinds alone, by their "what" (NULL at the end of the
 * list). The others are checked as ever, sum, seq and prev, and not looked into:
 * that is most of the time that a long journal takes.
 */
int journal_open_some(struct journal **ret, int dirfd,
		      const char *const *kinds, journal_fn *fn, void *ctx,
		      struct error *err);
/*
 * rec: without seq, time, prev, sum; taken over (put), also on failure. The
 * record that opens a step (`applying`) is refused with ERR_NO_SPACE, without
 * latching, if what is preallocated would no longer do for stopping and going
 * back.
 */
int journal_append(struct journal *j, struct json_object *rec,
		   struct error *err);
uint64_t journal_seq(const struct journal *j);
/* sum of the last record, "" if there is none */
const char *journal_sum(const struct journal *j);
/* time of the last record appended or replayed, RFC 3339 */
const char *journal_last_time(const struct journal *j);
void journal_close(struct journal *j);

/*
 * Is there a record 1? 1: yes, whole or damaged (it was durable once); 0: no
 * journal, or only the torn start of record 1; -errno. *ret (may be NULL) is
 * record 1 if it is whole.
 */
int journal_peek(int dirfd, struct json_object **ret);

#endif
