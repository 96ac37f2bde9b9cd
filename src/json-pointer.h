/* SPDX-License-Identifier: MIT */
#ifndef JSON_POINTER_H
#define JSON_POINTER_H
/*
 * json-pointer - a value in a document, by name (RFC 6901), as a span of bytes
 *
 * The document is scanned strictly and to its end; what is found is where the
 * value stands, so a number keeps its text (1.10 is not 1.1). Of a name that
 * an object has twice the last counts, as with most readers.
 */
#include <stdbool.h>
#include <stddef.h>

#include "json-scan.h"

struct error;
struct strbuf;
struct strvec;

/* "" or begins with '/', and every '~' is ~0 or ~1 */
bool json_pointer_valid(const char *pointer);
/* the names of a valid one, ~0 and ~1 resolved */
void json_pointer_split(const char *pointer, struct strvec *parts);
/*
 * 1 and *ret (of an object or array: its first byte), 0 if there is no such
 * value; -EINVAL with err filled (ERR_JSON, "LINE:COLUMN: why") if the text is
 * no document.
 */
int json_pointer_find(const char *text, size_t n, const char *pointer,
		      struct json_token *ret, struct error *err);
/* The characters of a string token (quotes in), escapes resolved; appended. */
int json_string_text(const char *token, size_t n, struct strbuf *out,
		     struct error *err);

#endif
