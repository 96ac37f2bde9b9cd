/* SPDX-License-Identifier: MIT */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H
/*
 * json-scan - strict scanner over the bytes of a JSON document
 *
 * RFC 8259 and valid UTF-8 (RFC 3629: no surrogates, no overlong forms), one
 * document, nothing but white space behind it, at most 512 levels. A byte
 * order mark is an error. It yields positions, not values: tokens name spans
 * of the input, so that an edit can keep every byte that it does not name.
 *
 * Works on a buffer or in pieces (json_scan_feed() as often as needed, then
 * json_scan_end()), with memory for the nesting only. The first error ends it;
 * it says what, with byte offset, line and column (both from 1, column in
 * characters).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct error;

#define JSON_DEPTH_MAX 512

enum json_token_type {
	JSON_OBJECT_BEGIN, JSON_OBJECT_END, JSON_ARRAY_BEGIN, JSON_ARRAY_END,
	JSON_KEY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL,
};

struct json_token {
	enum json_token_type type;
	uint64_t begin, end;    /* byte offsets in the whole input, quotes in */
	int depth;              /* of the container it stands in; 0: the top */
};

/* nonzero stops the scan and is returned */
typedef int json_token_fn(void *ctx, const struct json_token *t);

struct json_place {
	uint64_t offset, line, column;
};

struct json_scan;
/* fn may be NULL: only the check */
struct json_scan *json_scan_new(json_token_fn *fn, void *ctx);
/* -EINVAL with the error kept; the same value from then on */
int json_scan_feed(struct json_scan *s, const void *p, size_t n);
/*
 * While fn looks at the begin of a container: the feed ends behind that
 * bracket. json_scan_fed(): how many bytes the last feed took; the rest is to
 * be fed again, or something else in its place.
 */
void json_scan_pause(struct json_scan *s);
size_t json_scan_fed(const struct json_scan *s);
int json_scan_end(struct json_scan *s);
/* untranslated reason (marked for translation) and place of the first error */
const char *json_scan_reason(const struct json_scan *s,
			     struct json_place *ret);
/* nothing but white space so far */
bool json_scan_is_blank(const struct json_scan *s);
/* while fn looks at a key, string or number: its place */
void json_scan_token_place(const struct json_scan *s, struct json_place *ret);
/* first byte of the token that is not over yet, or of what comes next */
uint64_t json_scan_token_begin(const struct json_scan *s);
void json_scan_free(struct json_scan *s);
static inline void json_scan_freep(struct json_scan **s)
{
	json_scan_free(*s);
}
#define _cleanup_json_scan_ _cleanup_(json_scan_freep)
/* ready for another document; the buffers are kept (JSONL) */
void json_scan_reset(struct json_scan *s);

/*
 * Every fault of a file: at most one of a document, so one at all unless
 * lines (JSONL: each line that is not blank is a document, CRLF fine). fault
 * gets the untranslated reason, and whether the document is a last line
 * without its newline (somebody may be writing it); tick the bytes done, every
 * few MiB; note what is valid and yet read differently by different programs
 * (json-notes.h). Each may be NULL; nonzero from fault or tick ends it and is
 * returned. *ret_count (may be NULL): documents that were found whole. err is
 * filled only when the file cannot be read (or is none: -EINVAL).
 */
struct json_check_ops {
	int (*fault)(void *ctx, const struct json_place *at,
		     const char *reason, bool torn);
	int (*tick)(void *ctx, uint64_t done);
	void (*note)(void *ctx, const struct json_place *at, const char *what);
};
int json_check_faults(int root_fd, const char *path, bool lines,
		      const struct json_check_ops *ops, void *ctx,
		      uint64_t *ret_count, struct error *err);
/*
 * The first fault of a whole file below root_fd: 0, or -EINVAL with err
 * "FILE:LINE:COLUMN: why" (ERR_JSON).
 */
int json_check_file(int root_fd, const char *path, bool lines,
		    uint64_t *ret_count, struct error *err);

#endif
