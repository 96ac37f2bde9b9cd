/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_REPORT_H
#define RECORDS_REPORT_H
/*
 * records-report - what a comparison found, in files beside the run
 *
 * Differences, one JSON object a line:
 *	{"copy":"chunks","kind":"different","key":["7"],"columns":["name"]}
 * kinds as in records-verify.h, and "rejected": a row that the copy could not
 * put, and said so. Values are in no file.
 *
 * The audit of a forensic comparison, one object a line, each with the sum
 * (BLAKE2b-512 of the line without it) of the one before it as "prev", so that
 * none can be left out or changed: first what is compared, where, when and by
 * whom, then each part (range of keys, rows and digest of both sides,
 * differences so far), last the counts.
 *
 * Files appear whole or not at all. Calling sequence: begin (dirfd < 0: no
 * file), add..., end or release.
 */
#include <stdint.h>

#include "base/fsutil.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include "records-verify.h"

struct json_object;

struct records_file {
	struct atomic_file file;
	bool open;
	struct strbuf text;      /* not written yet */
	uint64_t lines;
	char sum[BLAKE2_TEXT_SIZE];
};

int records_file_begin(struct records_file *f, int dirfd, const char *name,
		       struct error *err);
int records_file_end(struct records_file *f, struct error *err);
void records_file_release(struct records_file *f);
/* back to `size` bytes, as records_file_size() said */
uint64_t records_file_size(const struct records_file *f);
int records_file_cut(struct records_file *f, uint64_t size,
		     struct error *err);

/* kind: NULL: that of found; cols: names of the columns compared */
int records_file_found(struct records_file *f, const char *copy,
		       const char *kind, const struct records_found *found,
		       const char *const *cols, struct error *err);
/* o is put */
int records_file_chain(struct records_file *f, struct json_object *o,
		       struct error *err);
struct json_object *records_part_json(const struct records_part *part);
/* for people: "different [7]: name, price" */
void records_found_text(const struct records_found *found,
			const char *const *cols, struct strbuf *out);

#endif
