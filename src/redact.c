/* SPDX-License-Identifier: MIT */
#include "redact.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/xalloc.h"

/* anywhere in a name */
static const char *const in_names[] = {
	"password", "passwd", "passphrase", "secret", "token", "credential",
	"apikey", "api_key", "api-key", "privatekey", "private_key",
	"private-key", "accesskey", "access_key", "access-key",
	"authorization",
};
/* a whole word of a name */
static const char *const as_names[] = {
	"pass", "pwd", "pw", "auth", "cookie", "pin", "otp",
};

static const char *const prefixes[] = {
	"ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-",
	"xoxa-", "sk-", "sk_live_", "rk_live_", "AKIA", "ASIA", "eyJ",
};
#define TOKEN_MIN 16

const char *redact_kind_name(enum redact_kind k)
{
	static const char *const names[REDACT_KIND_COUNT] = {
		"value", "name", "url", "pem", "token", "alias",
	};

	return k < REDACT_KIND_COUNT ? names[k] : "?";
}

void redact_release(struct redact *r)
{
	for (size_t i = 0; i < r->values.n; i++)
		explicit_bzero(r->values.v[i], strlen(r->values.v[i]));
	strvec_release(&r->values);
	strvec_release(&r->names);
	for (size_t i = 0; i < r->alias_n; i++) {
		free(r->alias[i].name);
		free(r->alias[i].alias);
	}
	free(r->alias);
	free(r->home);
	memset(r, 0, sizeof(*r));
}

/* --- values --- */

static void add_one(struct redact *r, const char *v)
{
	if (*v && !strvec_has(&r->values, v))
		strvec_push(&r->values, v);
}

static void add_written(struct redact *r, const char *v)
{
	_cleanup_strbuf_ struct strbuf base64 = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf percent = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf json = STRBUF_INIT;
	struct json_object *o = json_object_new_string(v);

	add_one(r, v);
	base64_encode(v, strlen(v), &base64);
	add_one(r, base64.buf);
	for (const char *s = v; *s; s++)
		if (isalnum((unsigned char)*s) || strchr("-_.~", *s))
			strbuf_addch(&percent, *s);
		else
			strbuf_addf(&percent, "%%%02X", (unsigned char)*s);
	add_one(r, percent.buf);
	json_print(o, &json);
	json_object_put(o);
	/* without its quotes */
	strbuf_set_len(&json, json.len - 1);
	add_one(r, json.buf + 1);
}

void redact_add_value(struct redact *r, const char *value)
{
	const char *s = value;

	add_written(r, value);
	while (*s) {
		size_t n = strcspn(s, "\n");
		_cleanup_free_ char *line = xstrndup(s, n);

		/* a line such as "}" is no secret */
		if (n >= 8)
			add_written(r, line);
		s += n + (s[n] == '\n');
	}
}

void redact_add_name(struct redact *r, const char *name)
{
	strvec_push(&r->names, name);
}

/* three letters and less are looked for as words only */
static bool stands_alone(const char *s, size_t at, size_t len, size_t n)
{
	return (at == 0 || !isalnum((unsigned char)s[at - 1])) &&
		(at + len == n || !isalnum((unsigned char)s[at + len]));
}

static void take_values(struct redact *r, const struct strbuf *in,
			struct strbuf *out)
{
	if (!r->values.n) {
		strbuf_add(out, in->buf, in->len);
		return;
	}
	for (size_t i = 0; i < in->len;) {
		size_t best = 0;

		for (size_t j = 0; j < r->values.n; j++) {
			size_t len = strlen(r->values.v[j]);

			if (len > best && len <= in->len - i &&
			    !memcmp(in->buf + i, r->values.v[j], len) &&
			    (len > 3 || stands_alone(in->buf, i, len,
						     in->len)))
				best = len;
		}
		if (best) {
			strbuf_addstr(out, REDACT_MARK);
			r->counts[REDACT_VALUE]++;
			i += best;
		} else {
			strbuf_addch(out, in->buf[i++]);
		}
	}
}

/* --- names --- */

static bool has_word(const char *name, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= len; i++)
		if (!strncasecmp(name + i, word, n) &&
		    stands_alone(name, i, n, len))
			return true;
	return false;
}

static bool has_part(const char *name, size_t len, const char *part)
{
	size_t n = strlen(part);

	for (size_t i = 0; i + n <= len; i++)
		if (!strncasecmp(name + i, part, n))
			return true;
	return false;
}

bool redact_is_secret(const struct redact *r, const char *name, size_t len)
{
	/* where the shell is; every list of an environment has it */
	if (len == 3 && !memcmp(name, "PWD", 3))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(in_names); i++)
		if (has_part(name, len, in_names[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(as_names); i++)
		if (has_word(name, len, as_names[i]))
			return true;
	for (size_t i = 0; i < r->names.n; i++)
		if (has_word(name, len, r->names.v[i]))
			return true;
	return false;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static size_t strip_end(const char *v, size_t n, const char *chars)
{
	while (n && strchr(chars, v[n - 1]))
		n--;
	return n;
}

/* what is no secret though its key says so: secret = true, env = "${x}" */
static bool is_harmless(const char *v, size_t n)
{
	static const char *const words[] = {
		"true", "false", "null", "none", "yes", "no", REDACT_MARK,
	};

	n = strip_end(v, n, " \t;,\"'");
	while (n && strchr(" \t\"'", *v)) {
		v++;
		n--;
	}
	if (!n || (n > 3 && v[0] == '$' && v[1] == '{' && v[n - 1] == '}' &&
		   !memchr(v, ' ', n)))
		return true;
	if (v[n - 1] != ']')
		n = strip_end(v, n, " \t;,})\"'");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i]) == n && !strncasecmp(v, words[i], n))
			return true;
	return false;
}

/* from the value's first byte to behind its last: to the closing quote, or to
   the end of the line */
static size_t value_end(const char *s, size_t from, size_t n, bool word)
{
	char quote = s[from];
	size_t i = from + 1;

	if (quote == '\\' && from + 1 < n) {
		/* JSON in JSON: \"...\" */
		for (i = from + 2; i + 1 < n; i++)
			if (s[i] == '\\' && s[i + 1] == s[from + 1] &&
			    s[i - 1] != '\\')
				return i + 2;
		return n;
	}
	if (quote == '"' || quote == '\'') {
		for (; i < n && s[i] != quote; i++)
			if (s[i] == '\\')
				i++;
		return MIN(i + 1, n);
	}
	if (!word)
		return n;
	while (i < n && !isspace((unsigned char)s[i]))
		i++;
	return i;
}

/* where the value of the name that ends at i begins; 0: there is none */
static size_t value_begin(const char *s, size_t i, size_t n, bool option,
			  bool *word)
{
	size_t at = i;

	*word = false;
	while (at < n && strchr("\"'\\]", s[at]))
		at++;
	while (at < n && (s[at] == ' ' || s[at] == '\t'))
		at++;
	if (at < n && (s[at] == '=' || s[at] == ':')) {
		while (at < n && strchr("=:> \t", s[at]))
			at++;
		return at < n ? at : 0;
	}
	if (option && at > i && at < n && s[at] != '-') {
		*word = true;
		return at;
	}
	return 0;
}

/* "Bearer abc..." */
static bool is_bearer(const char *s, size_t from, size_t to, size_t n)
{
	return to - from == 6 && !strncasecmp(s + from, "bearer", 6) &&
		to + 8 < n && s[to] == ' ';
}

static void take_names(struct redact *r, const struct strbuf *in,
		       struct strbuf *out)
{
	const char *s = in->buf;
	size_t n = in->len, i = 0;

	while (i < n) {
		size_t from = i, at = 0, end;
		bool option, word = false;

		if (!is_name_char(s[i])) {
			strbuf_addch(out, s[i++]);
			continue;
		}
		while (i < n && is_name_char(s[i]))
			i++;
		option = s[from] == '-';
		strbuf_add(out, s + from, i - from);
		if (is_bearer(s, from, i, n)) {
			at = i + 1;
			word = true;
		} else if (redact_is_secret(r, s + from, i - from)) {
			at = value_begin(s, i, n, option, &word);
		}
		if (!at)
			continue;
		end = value_end(s, at, n, word);
		if (is_harmless(s + at, end - at))
			continue;
		strbuf_add(out, s + i, at - i);
		if (s[at] == '"' || s[at] == '\'')
			strbuf_addf(out, "%c" REDACT_MARK "%c", s[at], s[at]);
		else
			strbuf_addstr(out, REDACT_MARK);
		r->counts[REDACT_NAME]++;
		i = end;
	}
}

/* --- URLs, tokens --- */

/* length of user and password behind "://", 0: none */
static size_t userinfo(const char *s, size_t n)
{
	size_t at = 0, end = 0;

	while (end < n && !isspace((unsigned char)s[end]) &&
	       !strchr("\"'<>", s[end]))
		end++;
	for (size_t i = 0; i < end; i++)
		if (s[i] == '@')
			at = i;
	if (at && memchr(s, '/', at) && !memchr(s, ':', at))
		return 0;
	return at;
}

static void take_urls(struct redact *r, const struct strbuf *in,
		      struct strbuf *out)
{
	for (size_t i = 0; i < in->len;) {
		size_t n;

		if (in->len - i < 4 || memcmp(in->buf + i, "://", 3)) {
			strbuf_addch(out, in->buf[i++]);
			continue;
		}
		strbuf_addstr(out, "://");
		i += 3;
		n = userinfo(in->buf + i, in->len - i);
		if (!n)
			continue;
		strbuf_addstr(out, REDACT_MARK);
		r->counts[REDACT_URL]++;
		i += n;
	}
}

static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (n >= len + TOKEN_MIN && !memcmp(s, prefixes[i], len))
			return true;
	}
	return false;
}

static void take_tokens(struct redact *r, const struct strbuf *in,
			struct strbuf *out)
{
	for (size_t i = 0; i < in->len;) {
		size_t from = i;

		while (i < in->len && is_name_char(in->buf[i]))
			i++;
		if (i == from) {
			strbuf_addch(out, in->buf[i++]);
		} else if (is_token(in->buf + from, i - from)) {
			strbuf_addstr(out, REDACT_MARK);
			r->counts[REDACT_TOKEN]++;
		} else {
			strbuf_add(out, in->buf + from, i - from);
		}
	}
}

/* --- PEM --- */

#define PEM_BEGIN "-----BEGIN "
#define PEM_END "-----END "

/* a certificate is public; everything else may be a key */
static void take_pem(struct redact *r, const struct strbuf *in,
		     struct strbuf *out)
{
	size_t i = 0;

	while (i < in->len) {
		const char *begin, *end;

		if (!r->pem) {
			begin = memmem(in->buf + i, in->len - i, PEM_BEGIN,
				       strlen(PEM_BEGIN));
			if (!begin) {
				strbuf_add(out, in->buf + i, in->len - i);
				return;
			}
			strbuf_add(out, in->buf + i,
				   (size_t)(begin - in->buf) - i);
			strbuf_addstr(out, REDACT_MARK);
			r->counts[REDACT_PEM]++;
			r->pem = true;
			i = (size_t)(begin - in->buf) + strlen(PEM_BEGIN);
		}
		end = memmem(in->buf + i, in->len - i, PEM_END,
			     strlen(PEM_END));
		if (!end)
			return;
		i = (size_t)(end - in->buf) + strlen(PEM_END);
		/* "PRIVATE KEY-----" */
		end = memmem(in->buf + i, in->len - i, "-----", 5);
		i = end ? (size_t)(end - in->buf) + 5 : in->len;
		r->pem = false;
	}
}

typedef void pass_fn(struct redact *r, const struct strbuf *in,
		     struct strbuf *out);

void redact_line(struct redact *r, const char *s, size_t n,
		 struct strbuf *out)
{
	static pass_fn *const passes[] = {
		take_values, take_pem, take_urls, take_names, take_tokens,
		redact_aliases,
	};
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;

	strbuf_add(&a, s, n);
	for (size_t i = 0; i < ARRAY_SIZE(passes); i++) {
		struct strbuf swap;

		strbuf_clear(&b);
		passes[i](r, &a, &b);
		swap = a;
		a = b;
		b = swap;
	}
	strbuf_add(out, a.buf, a.len);
	strbuf_release(&a);
	strbuf_release(&b);
}

void redact_text(struct redact *r, const char *s, size_t n,
		 struct strbuf *out)
{
	while (n) {
		const char *nl = memchr(s, '\n', n);
		size_t len = nl ? (size_t)(nl - s) : n;

		redact_line(r, s, len, out);
		if (nl)
			strbuf_addch(out, '\n');
		len += nl != NULL;
		s += len;
		n -= len;
	}
	r->pem = false;
}

static struct json_object *redact_string(struct redact *r,
					 struct json_object *o, bool secret)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	const char *s = json_object_get_string(o);
	size_t n = (size_t)json_object_get_string_len(o);

	if (secret && !is_harmless(s, n)) {
		r->counts[REDACT_NAME]++;
		return json_object_new_string(REDACT_MARK);
	}
	redact_text(r, s, n, &out);
	return json_object_new_string_len(out.buf, (int)out.len);
}

static struct json_object *redact_value(struct redact *r,
					struct json_object *o, bool secret)
{
	struct json_object *ret;

	switch (json_object_get_type(o)) {
	case json_type_string:
		return redact_string(r, o, secret);
	case json_type_array:
		ret = json_object_new_array();
		for (size_t i = 0; i < json_object_array_length(o); i++)
			json_object_array_add(ret, redact_value(r,
				json_object_array_get_idx(o, i), secret));
		return ret;
	case json_type_object:
		ret = json_object_new_object();
		json_object_object_foreach(o, key, v) {
			json_object_object_add(ret, key, redact_value(r, v,
				secret || redact_is_secret(r, key,
							   strlen(key))));
		}
		return ret;
	case json_type_int:
	case json_type_double:
		if (secret) {
			r->counts[REDACT_NAME]++;
			return json_object_new_string(REDACT_MARK);
		}
		break;
	case json_type_boolean:
	case json_type_null:
		break;
	}
	return json_object_get(o);
}

struct json_object *redact_json(struct redact *r, struct json_object *o)
{
	return redact_value(r, o, false);
}
