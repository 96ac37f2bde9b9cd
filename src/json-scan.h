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
int json_scan_end(struct json_scan *s);
/* untranslated reason (marked for translation) and place of the first error */
const char *json_scan_reason(const struct json_scan *s,
			     struct json_place *ret);
void json_scan_free(struct json_scan *s);
/* ready for another document; the buffers are kept (JSONL) */
void json_scan_reset(struct json_scan *s);

/*
 * A whole file below root_fd: 0, or -EINVAL with err "FILE:LINE:COLUMN: why"
 * (ERR_JSON). lines: JSONL, each line that is not blank a document, CRLF fine.
 * *ret_count (may be NULL): documents.
 */
int json_check_file(int root_fd, const char *path, bool lines,
		    uint64_t *ret_count, struct error *err);

#endif
