/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

#define DEPTH 64

int json_parse(const char *text, size_t len, struct json_object **ret,
	       struct error *err)
{
	struct json_tokener *tok = json_tokener_new_ex(DEPTH);
	struct json_object *o;
	enum json_tokener_error e;
	size_t end;

	if (!tok)
		die("out of memory");
	if (len > INT_MAX - 1) {
		json_tokener_free(tok);
		return error_set(err, ERR_JSON, -EFBIG,
				 _("document is too large"));
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(tok, text, (int)len);
	e = json_tokener_get_error(tok);
	/* a number alone is only known to be over at the end of the text */
	if (e == json_tokener_continue) {
		o = json_tokener_parse_ex(tok, "", 1);
		e = json_tokener_get_error(tok);
		end = len;
	} else {
		end = json_tokener_get_parse_end(tok);
	}
	json_tokener_free(tok);
	while (end < len && strchr(" \t\r\n", text[end]) && text[end])
		end++;
	if (e != json_tokener_success || end != len) {
		json_object_put(o);
		return error_set(err, ERR_JSON, -EINVAL, _("not JSON: %s"),
				 e != json_tokener_success ?
				 json_tokener_error_desc(e) :
				 _("something follows the document"));
	}
	*ret = o;
	return 0;
}

void json_print(struct json_object *o, struct strbuf *out)
{
	size_t len;
	const char *s = json_object_to_json_string_length(o,
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	strbuf_add(out, s, len);
}

void json_set_str(struct json_object *o, const char *key, const char *v)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	if (!v)
		return;
	/* a name in a message can be anything; the document must stay one */
	if (!utf8_valid(v, strlen(v))) {
		strbuf_add_escaped(&sb, v, strlen(v));
		v = sb.buf;
	}
	json_object_object_add(o, key, json_object_new_string(v));
}

void json_set_int(struct json_object *o, const char *key, int64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

void json_set_double(struct json_object *o, const char *key, double v)
{
	char text[40];

	/* JSON has no word for these */
	if (!isfinite(v))
		return;
	/* thousandths are enough for times, ratios and rates; what is read
	 * from the object is what is read from the file later */
	(void)snprintf(text, sizeof(text), fabs(v) < 1e15 ? "%.3f" : "%.17g",
		       v);
	json_object_object_add(
		o, key, json_object_new_double_s(strtod(text, NULL), text));
}

void json_set_bool(struct json_object *o, const char *key, bool v)
{
	json_object_object_add(o, key, json_object_new_boolean(v));
}

void json_set_bytes(struct json_object *o, const char *key, const char *v)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char name[64];

	if (!v)
		return;
	/* one of the two forms, also if it is set again */
	(void)snprintf(name, sizeof(name), "%s64", key);
	if (utf8_valid(v, strlen(v))) {
		json_object_object_del(o, name);
		json_set_str(o, key, v);
		return;
	}
	json_object_object_del(o, key);
	base64_encode(v, strlen(v), &b);
	json_set_str(o, name, b.buf);
}

struct json_object *json_get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object))
		return NULL;
	(void)json_object_object_get_ex(o, key, &v);
	return v;
}

const char *json_get_str(struct json_object *o, const char *key,
			 const char *def)
{
	struct json_object *v = json_get(o, key);

	return json_object_is_type(v, json_type_string) ?
		json_object_get_string(v) : def;
}

int64_t json_get_int(struct json_object *o, const char *key, int64_t def)
{
	struct json_object *v = json_get(o, key);

	return json_object_is_type(v, json_type_int) ?
		json_object_get_int64(v) : def;
}

double json_get_double(struct json_object *o, const char *key, double def)
{
	struct json_object *v = json_get(o, key);

	return json_object_is_type(v, json_type_int) ||
		json_object_is_type(v, json_type_double) ?
		json_object_get_double(v) : def;
}

bool json_get_bool(struct json_object *o, const char *key, bool def)
{
	struct json_object *v = json_get(o, key);

	return json_object_is_type(v, json_type_boolean) ?
		json_object_get_boolean(v) : def;
}

static char *decode64(const char *s)
{
	struct strbuf b = STRBUF_INIT;

	if (base64_decode(s, strlen(s), &b) < 0 ||
	    memchr(b.buf, '\0', b.len)) {
		strbuf_release(&b);
		return NULL;
	}
	return strbuf_detach(&b);
}

/* no name holds a NUL, and the part before it would be another one */
static char *whole_string(struct json_object *v)
{
	const char *s = json_object_get_string(v);
	size_t n = (size_t)json_object_get_string_len(v);

	return strlen(s) == n ? xstrdup(s) : NULL;
}

char *json_get_bytes(struct json_object *o, const char *key)
{
	struct json_object *v = json_get(o, key);
	char name[64];
	const char *s;

	if (json_object_is_type(v, json_type_string))
		return whole_string(v);
	(void)snprintf(name, sizeof(name), "%s64", key);
	s = json_get_str(o, name, NULL);
	return s ? decode64(s) : NULL;
}

void json_array_add_bytes(struct json_object *a, const char *v)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_object *o;

	if (utf8_valid(v, strlen(v))) {
		json_object_array_add(a, json_object_new_string(v));
		return;
	}
	o = json_object_new_object();
	base64_encode(v, strlen(v), &b);
	json_set_str(o, "64", b.buf);
	json_object_array_add(a, o);
}

char *json_array_get_bytes(struct json_object *a, size_t i)
{
	struct json_object *v = json_object_array_get_idx(a, i);
	const char *s;

	if (json_object_is_type(v, json_type_string))
		return whole_string(v);
	s = json_get_str(v, "64", NULL);
	return s ? decode64(s) : NULL;
}

bool utf8_valid(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;

	while (p < end) {
		unsigned char c = *p;
		size_t n;

		if (c < 0x80) {
			p++;
			continue;
		}
		n = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 :
			c >= 0xf0 && c <= 0xf4 ? 4 : 0;
		if (!n || (size_t)(end - p) < n)
			return false;
		for (size_t i = 1; i < n; i++)
			if ((p[i] & 0xc0) != 0x80)
				return false;
		if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
		    (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
			return false;
		p += n;
	}
	return true;
}

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *p, size_t n, struct strbuf *out)
{
	const unsigned char *u = p;

	for (size_t i = 0; i < n; i += 3) {
		unsigned int v = (unsigned int)u[i] << 16;
		char c[4];

		if (i + 1 < n)
			v |= (unsigned int)u[i + 1] << 8;
		if (i + 2 < n)
			v |= u[i + 2];
		c[0] = alphabet[v >> 18];
		c[1] = alphabet[v >> 12 & 63];
		c[2] = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
		c[3] = i + 2 < n ? alphabet[v & 63] : '=';
		strbuf_add(out, c, 4);
	}
}

int base64_decode(const char *s, size_t n, struct strbuf *out)
{
	if (n % 4)
		return -EINVAL;
	for (size_t i = 0; i < n; i += 4) {
		unsigned int v = 0, pad = 0;

		for (size_t k = 0; k < 4; k++) {
			char c = s[i + k];
			const char *at = c ? strchr(alphabet, c) : NULL;

			if (c == '=' && i + 4 == n && k >= 2) {
				pad++;
				at = alphabet;
			} else if (!at || pad) {
				return -EINVAL;
			}
			v = v << 6 | (unsigned int)(at - alphabet);
		}
		strbuf_addch(out, (char)(v >> 16));
		if (pad < 2)
			strbuf_addch(out, (char)(v >> 8 & 255));
		if (pad < 1)
			strbuf_addch(out, (char)(v & 255));
	}
	return 0;
}
