/* SPDX-License-Identifier: MIT */
#ifndef REDACT_H
#define REDACT_H
/*
 * redact - what must not be read by others, taken out of texts
 *
 * Used twice: on each line that a command writes, before it is shown, logged
 * or journalled (secret answers are known there by their values); and on every
 * file of a support bundle (secrets are known there by the names of their
 * keys, and by their looks). Taken out are
 *
 *	values that were added; values of keys whose names say so (password,
 *	token, api_key, ...; the whole value, with its blanks), in
 *	"key = value", "key: value", JSON, "--key value"; Authorization and
 *	Bearer; user and password in a URL; private keys in PEM; tokens known
 *	by their prefix.
 *
 * With aliases on, names of hosts and users and IP addresses become host-1,
 * user-1, ip-1: the same one for the same name, and for the same name in a
 * later bundle if the map is kept.
 *
 * This is the best that can be done without knowing what a text means; it
 * takes out too much rather than too little.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

struct json_object;

#define REDACT_MARK "[redacted]"

enum redact_kind {
	REDACT_VALUE,      /* a secret that was known */
	REDACT_NAME,       /* the value of a key with such a name */
	REDACT_URL,
	REDACT_PEM,
	REDACT_TOKEN,      /* by its looks */
	REDACT_ALIAS,      /* host, user, address */
	REDACT_KIND_COUNT
};
const char *redact_kind_name(enum redact_kind k);

struct redact_alias {
	char *name, *alias;
};

struct redact {
	struct strvec values, names;
	bool aliases;                /* look for addresses */
	struct redact_alias *alias;
	size_t alias_n, alias_cap;
	char *home;                  /* becomes ~, or NULL */
	bool pem;                    /* between BEGIN and END */
	uint64_t counts[REDACT_KIND_COUNT];
};
#define REDACT_INIT { .pem = false }
#define _cleanup_redact_ _cleanup_(redact_release)

void redact_release(struct redact *r);
/* a secret; also as JSON, percent and base64 write it. Its lines one by one */
void redact_add_value(struct redact *r, const char *value);
/* a further key whose value is one */
void redact_add_name(struct redact *r, const char *name);
bool redact_is_secret(const struct redact *r, const char *name, size_t len);
/* kind "host", "user", "ip"; borrowed. Words shorter than 3 stay as they are */
const char *redact_alias(struct redact *r, const char *kind, const char *name);
/* "alias<tab>name" lines; the text of such a file is added */
void redact_map_print(const struct redact *r, struct strbuf *out);
void redact_map_parse(struct redact *r, const char *text);

/* one line without its newline; a PEM block spans several calls */
void redact_line(struct redact *r, const char *s, size_t n,
		 struct strbuf *out);
/* any number of lines; a block begun in it ends with it */
void redact_text(struct redact *r, const char *s, size_t n,
		 struct strbuf *out);
/* a copy; texts in it redacted, values of secret keys as a whole */
struct json_object *redact_json(struct redact *r, struct json_object *o);

/* --- redact-alias.c, for redact.c --- */
void redact_aliases(struct redact *r, const struct strbuf *in,
		    struct strbuf *out);

#endif
