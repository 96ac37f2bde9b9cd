/* SPDX-License-Identifier: MIT */
/* How programs of PostgreSQL get to the server that we are connected to. */
#include <string.h>

#include "base/strbuf.h"
#include "store-pg-internal.h"

/* values as our sessions have them, where the programs do not say so */
#define OURS "-c timezone=UTC -c bytea_output=hex"

static bool is_left_out(const PQconninfoOption *o)
{
	static const char *const words[] = {
		"password", "sslpassword", "options", "client_encoding",
		"fallback_application_name", "application_name", "replication",
	};

	if (!o->val || !*o->val)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(o->keyword, words[i]))
			return true;
	return false;
}

static void add(struct strbuf *out, const char *key, const char *value)
{
	strbuf_addf(out, "%s%s='", out->len ? " " : "", key);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			strbuf_addch(out, '\\');
		strbuf_addch(out, *value);
	}
	strbuf_addch(out, '\'');
}

void pg_reach(struct store *s, struct strbuf *out, struct strvec *env)
{
	struct pg_store *p = (struct pg_store *)s;
	PQconninfoOption *v = PQconninfo(p->c);
	_cleanup_strbuf_ struct strbuf options = STRBUF_INIT;
	const char *pass = PQpass(p->c);

	strbuf_addstr(&options, OURS);
	for (PQconninfoOption *o = v; o && o->keyword; o++) {
		if (!strcmp(o->keyword, "options") && o->val)
			strbuf_addf(&options, " %s", o->val);
		if (!is_left_out(o))
			add(out, o->keyword, o->val);
	}
	add(out, "options", options.buf);
	add(out, "application_name", "upshift");
	if (pass && *pass)
		strvec_pushf(env, "PGPASSWORD=%s", pass);
	PQconninfoFree(v);
}
