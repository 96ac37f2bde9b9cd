/* SPDX-License-Identifier: MIT */
/*
 * What a server or libpq says of a failure, as ours.
 * Source: https://www.postgresql.org/docs/15/errcodes-appendix.html
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "store-pg-internal.h"

static bool starts(const char *state, const char *prefix)
{
	return !strncmp(state, prefix, strlen(prefix));
}

/* no SQLSTATE at all is libpq speaking: the connection */
static int errno_of(const struct pg_store *p, const char *state)
{
	if (!strcmp(state, "53100"))
		return -ENOSPC;
	if (!strcmp(state, "25006"))
		return p->read_only ? -EROFS : -ECONNRESET;
	if (!*state || starts(state, "08") || starts(state, "57P") ||
	    starts(state, "58"))
		return -ECONNRESET;
	if (starts(state, "40") || !strcmp(state, "55P03") ||
	    !strcmp(state, "55006"))
		return -EAGAIN;
	if (!strcmp(state, "57014") || starts(state, "53") ||
	    starts(state, "54"))
		return -E2BIG;
	/* 21000: a key twice among the rows, which is fine one by one */
	if (!strcmp(state, "21000") || starts(state, "22") ||
	    starts(state, "23") || !strcmp(state, "P0001"))
		return -EBADMSG;
	return !strcmp(state, "42501") ? -EACCES : -EINVAL;
}

/* one line, without the advice behind it (which begins with a tab), and the
   password is not in it whatever libpq says */
static void add_message(const struct pg_store *p, const char *text,
			struct strbuf *out)
{
	const char *pass = p->c ? PQpass(p->c) : NULL;
	size_t n = pass ? strlen(pass) : 0;

	while (*text) {
		if (n && !strncmp(text, pass, n)) {
			strbuf_addstr(out, "***");
			text += n;
			continue;
		}
		if (text[0] == '\n' && text[1] == '\t')
			break;
		strbuf_addch(out, *text == '\n' ? ' ' : *text);
		text++;
	}
	while (out->len && out->buf[out->len - 1] == ' ')
		strbuf_set_len(out, out->len - 1);
}

/* what to do about a right that is missing */
static void add_hint(const PGresult *r, struct error *err)
{
	const char *where = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);

	error_hint(err, "%s", where && !strcmp(where, "check_enable_rls") ?
		_("a policy would hide rows from this role: let the owner of "
		  "the table run this, or a role with BYPASSRLS") :
		_("the rights that a plan needs: upshift lint --grants PLAN"));
}

int pg_failed(struct pg_store *p, const PGresult *r, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *primary = r ? PQresultErrorField(r,
					PG_DIAG_MESSAGE_PRIMARY) : NULL;
	int ret;

	if (p->clock.cancelled)
		return error_set(err, ERR_CANCELLED, -ECANCELED,
				 _("%s: cancelled"), p->s.name);
	(void)snprintf(p->s.sqlstate, sizeof(p->s.sqlstate), "%s",
		       state ? state : "");
	ret = errno_of(p, p->s.sqlstate);
	if (ret == -ECONNRESET)
		p->dead = true;
	/* the detail would have the values of the row in it */
	add_message(p, primary ? primary : r ? PQresultErrorMessage(r) :
		    PQerrorMessage(p->c), &text);
	if (p->clock.late)
		return error_set(err, ERR_STORE, -ECONNRESET,
				 _("%s: the server does not answer"),
				 p->s.name);
	if (!text.len)
		strbuf_addstr(&text, _("the connection was lost"));
	/* a limit of time, and one for locks */
	if (p->clock.held && (ret == -E2BIG || ret == -EAGAIN))
		return error_set(err, ERR_STORE, ret,
				 /* TRANSLATORS: name of the store, what the
				    server said, "the lock of somebody" */
				 _("%s: %s, waiting for %s"), p->s.name,
				 text.buf, p->clock.held);
	(void)error_set(err, ERR_STORE, ret, "%s: %s", p->s.name, text.buf);
	if (ret == -EACCES && err)
		add_hint(r, err);
	return ret;
}
