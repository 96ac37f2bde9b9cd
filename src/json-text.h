/* SPDX-License-Identifier: MIT */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H
/*
 * json-text - what strings and numbers in JSON mean, without loss
 *
 * Strings are tokens with their quotes, valid ones (scanned before). Decoding
 * gives UTF-8; half a surrogate pair gives the three bytes that UTF-8 would
 * have for it (WTF-8), so that different tokens stay different; \u0000 gives a
 * NUL, so take the length. Order of bytes is order of code points.
 *
 * Numbers are compared as decimal numbers of any size: 1.0 and 10e-1 are equal,
 * 9007199254740993 and 9007199254740992 are not.
 */
#include <stdbool.h>
#include <stddef.h>

struct strbuf;

/* appends */
void json_text_decode(const char *token, size_t n, struct strbuf *out);
bool json_text_equal(const char *token, size_t n, const char *text,
		     size_t len);
/* a token for these bytes (WTF-8); only what must be is escaped; appends */
void json_text_encode(const char *text, size_t n, struct strbuf *out);
/* a half of a surrogate pair among the escapes? */
bool json_text_has_lone(const char *token, size_t n);

/* is it a number as JSON writes them? */
bool json_number_valid(const char *p, size_t n);
/* <0, 0, >0 */
int json_number_cmp(const char *a, size_t an, const char *b, size_t bn);
/* would it come back from a double, written with as many digits as it takes? */
bool json_number_fits_double(const char *a, size_t n);

#endif
