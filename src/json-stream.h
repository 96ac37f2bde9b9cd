/* SPDX-License-Identifier: MIT */
#ifndef JSON_STREAM_H
#define JSON_STREAM_H
/*
 * json-stream - a document element by element, or JSONL line by line, in
 * bounded memory and on two cores
 *
 * The input is cut into batches of a quarter of a megabyte (of one record, if
 * that is larger): elements of the one array, or members of the one object,
 * that a path leads to (json_path_streams()), or lines. Each record is parsed
 * strictly and handed to ops->record(), which appends what shall stand there
 * instead; everything else is copied. Batches are worked on by as many threads
 * as there are cores, four at most; what comes out is written in the order of
 * the input. Peak memory: a few batches, and the largest record with its nodes.
 *
 * A member comes as its key, colon and value: the root of its tree is the value
 * and has a key (json-tree.h). Members of the same name are handed on one by
 * one. What is put into an element or a member is laid out as in a document
 * that was parsed as a whole; what goes out is the same, byte for byte.
 *
 * What surrounds the array or object is held against RFC 8259 as strictly, so that an
 * input that ends well is a valid document.
 *
 *	0		all was read and written
 *	-EBADMSG	the input is no document (-EINVAL of a record's parse that
 *			record() returned gives the same); ask json_check_file()
 *	other		what ops returned, or an error of reading; err is filled
 * On failure something may have been written.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "json-tree.h"

struct error;

enum json_stream_mode {
	JSON_ELEMENTS,           /* of the array or object at names */
	JSON_LINES,
	JSON_WHOLE,              /* one record: the document */
};

struct json_record {
	struct json_tree *tree;
	int parsed;              /* what json_tree_parse() returned */
	const char *text;
	size_t len;
	/* in its batch: number of the line, offset */
	uint64_t line, offset;
};

struct json_stream_ops {
	/* in a thread of its own; one for each batch */
	void *(*batch_new)(void *ctx);
	/* appends the new text of the record to out */
	int (*record)(void *ctx, void *batch, const struct json_record *r,
		      struct strbuf *out, struct error *err);
	/* from here on in the caller's thread and in order: takes the batch
	   whose first line and byte of the input these are */
	int (*batch_end)(void *ctx, void *batch, uint64_t line,
			 uint64_t offset, struct error *err);
	void (*batch_free)(void *batch);
	int (*write)(void *ctx, const char *p, size_t n, struct error *err);
	/* bytes of the input so far; may be NULL */
	int (*tick)(void *ctx, uint64_t done, struct error *err);
};

struct json_stream_result {
	uint64_t bytes, lines;
	/* where a record failed: its first byte, and its line of JSONL (from
	   1) */
	uint64_t failed_offset, failed_line;
};

int json_stream(int fd, enum json_stream_mode mode,
		const struct strvec *names, const struct json_stream_ops *ops,
		void *ctx, struct json_stream_result *res, struct error *err);

#endif
