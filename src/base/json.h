/* SPDX-License-Identifier: MIT */
#ifndef BASE_JSON_H
#define BASE_JSON_H
/*
 * json - json-c for documents of our own: journal, state, events, manifests
 *
 * Never for users' data (json-c clamps, merges and replaces; see json-scan.h).
 * Objects are json-c's; json_object_put() frees. The getters give the default
 * when the key is missing or of another type. Bytes that are not valid UTF-8
 * (path names) go under KEY + "64" as base64, and come back from there.
 */
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct error;
struct strbuf;

static inline void json_putp(struct json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)

/*
 * One document, nothing behind it; -EINVAL with err filled otherwise. As
 * lenient as json-c: 'x' for "x", NaN, a key twice, bytes that are not UTF-8.
 */
int json_parse(const char *text, size_t len, struct json_object **ret,
	       struct error *err);
/* compact, one line, no escaped slashes, no newline at the end */
void json_print(struct json_object *o, struct strbuf *out);

/* The setters write nothing for NULL and for a number that is none. */
/* text; what is not UTF-8 in it is escaped for the eye (see strbuf.h) */
void json_set_str(struct json_object *o, const char *key, const char *v);
void json_set_int(struct json_object *o, const char *key, int64_t v);
/* to a thousandth, in the object as in its text */
void json_set_double(struct json_object *o, const char *key, double v);
void json_set_bool(struct json_object *o, const char *key, bool v);
/* bytes, see above */
void json_set_bytes(struct json_object *o, const char *key, const char *v);

const char *json_get_str(struct json_object *o, const char *key,
			 const char *def);
int64_t json_get_int(struct json_object *o, const char *key, int64_t def);
double json_get_double(struct json_object *o, const char *key, double def);
bool json_get_bool(struct json_object *o, const char *key, bool def);
struct json_object *json_get(struct json_object *o, const char *key);
/* caller frees; NULL if missing, not decodable, or with a NUL in it */
char *json_get_bytes(struct json_object *o, const char *key);

/* A value in an array: a string, or {"64": base64} where it is not UTF-8. */
void json_array_add_bytes(struct json_object *a, const char *v);
char *json_array_get_bytes(struct json_object *a, size_t i);

bool utf8_valid(const char *s, size_t len);
void base64_encode(const void *p, size_t n, struct strbuf *out);
/* appends; 0 or -EINVAL */
int base64_decode(const char *s, size_t n, struct strbuf *out);

#endif
