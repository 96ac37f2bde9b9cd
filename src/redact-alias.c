/* SPDX-License-Identifier: MIT */
/* Names of hosts, users and addresses, replaced by names that say nothing. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "redact.h"

/* names everybody has, or that are words of every text */
static bool is_public(const char *name)
{
	static const char *const names[] = {
		"root", "localhost", "127.0.0.1", "0.0.0.0", "::1", "::",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return true;
	return strlen(name) < 3;
}

static const struct redact_alias *find(const struct redact *r,
				       const char *name, size_t len)
{
	for (size_t i = 0; i < r->alias_n; i++)
		if (strlen(r->alias[i].name) == len &&
		    !memcmp(r->alias[i].name, name, len))
			return &r->alias[i];
	return NULL;
}

static void add(struct redact *r, const char *name, char *alias)
{
	VEC_GROW(r->alias, r->alias_n, r->alias_cap);
	r->alias[r->alias_n].name = xstrdup(name);
	r->alias[r->alias_n++].alias = alias;
}

const char *redact_alias(struct redact *r, const char *kind, const char *name)
{
	const struct redact_alias *a = find(r, name, strlen(name));
	size_t n = 1;

	if (a || is_public(name))
		return a ? a->alias : name;
	for (size_t i = 0; i < r->alias_n; i++)
		n += str_starts(r->alias[i].alias, kind) &&
			r->alias[i].alias[strlen(kind)] == '-';
	add(r, name, xasprintf("%s-%zu", kind, n));
	return r->alias[r->alias_n - 1].alias;
}

void redact_map_print(const struct redact *r, struct strbuf *out)
{
	for (size_t i = 0; i < r->alias_n; i++)
		strbuf_addf(out, "%s\t%s\n", r->alias[i].alias,
			    r->alias[i].name);
}

void redact_map_parse(struct redact *r, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		const char *tab = memchr(text, '\t', n);

		if (tab && tab > text && tab + 1 < text + n) {
			_cleanup_free_ char *name = xstrndup(tab + 1,
				n - (size_t)(tab + 1 - text));

			if (!find(r, name, strlen(name)))
				add(r, name, xstrndup(text,
						      (size_t)(tab - text)));
		}
		text += n + (text[n] == '\n');
	}
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' ||
		(unsigned char)c >= 0x80;
}

/* longest alias name at s; a dot behind it may end a sentence or a name */
static const struct redact_alias *name_at(const struct redact *r,
					  const char *s, size_t n)
{
	const struct redact_alias *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < r->alias_n; i++) {
		size_t len = strlen(r->alias[i].name);

		if (len > best_len && len <= n &&
		    !memcmp(s, r->alias[i].name, len) &&
		    (len == n || !is_word_char(s[len]))) {
			best = &r->alias[i];
			best_len = len;
		}
	}
	return best;
}

/* length of an IPv4 or IPv6 address at s, 0: none */
static size_t address_at(const char *s, size_t n)
{
	char text[64];
	unsigned char raw[16];
	size_t len = 0, colons = 0;

	while (len < n && len < sizeof(text) - 1 &&
	       (isxdigit((unsigned char)s[len]) || s[len] == '.' ||
		s[len] == ':')) {
		colons += s[len] == ':';
		len++;
	}
	if (len < n && is_word_char(s[len]))
		return 0;
	/* behind "from 10.0.0.7:" or "10.0.0.7." */
	while (len && (s[len - 1] == '.' ||
		       (s[len - 1] == ':' && len > 1 && s[len - 2] != ':')))
		len--;
	memcpy(text, s, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, raw) == 1)
		return len;
	if (colons == 1) {
		/* with a port */
		len = strcspn(text, ":");
		text[len] = '\0';
		return inet_pton(AF_INET, text, raw) == 1 ? len : 0;
	}
	return colons > 1 && inet_pton(AF_INET6, text, raw) == 1 ? len : 0;
}

/* the home directory at s, as a whole path component */
static bool is_home(const struct redact *r, const char *s, size_t n)
{
	size_t len = r->home ? strlen(r->home) : 0;

	return len > 1 && len <= n && !memcmp(s, r->home, len) &&
		(len == n || !is_word_char(s[len]));
}

static size_t replace_at(struct redact *r, const char *s, size_t n,
			 struct strbuf *out)
{
	const struct redact_alias *a;
	size_t len;

	if (is_home(r, s, n)) {
		strbuf_addch(out, '~');
		r->counts[REDACT_ALIAS]++;
		return strlen(r->home);
	}
	a = name_at(r, s, n);
	if (a) {
		strbuf_addstr(out, a->alias);
		r->counts[REDACT_ALIAS]++;
		return strlen(a->name);
	}
	len = r->aliases ? address_at(s, n) : 0;
	if (len) {
		_cleanup_free_ char *text = xstrndup(s, len);
		const char *alias = redact_alias(r, "ip", text);

		strbuf_addstr(out, alias);
		r->counts[REDACT_ALIAS] += alias != text;
	}
	return len;
}

void redact_aliases(struct redact *r, const struct strbuf *in,
		    struct strbuf *out)
{
	bool inside = false;

	for (size_t i = 0; i < in->len;) {
		size_t n = inside ? 0 : replace_at(r, in->buf + i,
						   in->len - i, out);

		if (!n) {
			strbuf_addch(out, in->buf[i]);
			n = 1;
		}
		i += n;
		/* 1.2.3.4 is no address in v1.2.3.4, nor in 0.1.2.3.4 */
		inside = is_word_char(in->buf[i - 1]) ||
			(in->buf[i - 1] == '.' && i > 1 &&
			 isalnum((unsigned char)in->buf[i - 2]));
	}
}
