/* SPDX-License-Identifier: MIT */
#ifndef JSON_NOTES_H
#define JSON_NOTES_H
/*
 * json-notes - what is valid in a JSON document and yet read differently by
 * different programs
 *
 * RFC 8259 warns of three things and allows them: a name that is there twice
 * in an object (section 4), a number that a double cannot hold (6) and half a
 * surrogate pair (8.2). Nothing of ours is troubled by them, so they are
 * told, never refused.
 *
 *	n = json_notes_new(fn, ctx);
 *	json_notes_feed(n, p, len) as often as needed, then json_notes_end(n)
 *	json_notes_reset(n)              another document (JSONL)
 *	json_notes_free(n);
 *
 * It feeds a scanner (json_notes_scan(), borrowed: for the reason of an error)
 * and returns what that returns. Memory: 32 bytes for each of the first
 * million names of an object (later ones are held against those only) and a
 * megabyte for a token that comes in pieces: a longer name is not compared, a
 * longer number is taken for one that no double holds.
 */
#include <stddef.h>

#include "base/compiler.h"

struct json_notes;
struct json_place;
struct json_scan;

/* at: the token's first byte; what: untranslated, marked for translation */
typedef void json_note_fn(void *ctx, const struct json_place *at,
			  const char *what);

struct json_notes *json_notes_new(json_note_fn *fn, void *ctx);
struct json_scan *json_notes_scan(struct json_notes *n);
int json_notes_feed(struct json_notes *n, const void *p, size_t len);
int json_notes_end(struct json_notes *n);
void json_notes_reset(struct json_notes *n);
void json_notes_free(struct json_notes *n);
static inline void json_notes_freep(struct json_notes **n)
{
	json_notes_free(*n);
}
#define _cleanup_json_notes_ _cleanup_(json_notes_freep)

#endif
