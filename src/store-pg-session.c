/* SPDX-License-Identifier: MIT */
/* A session: how it begins, how it is used again, how it ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-pg-internal.h"

struct setting {
	const char *name, *value;
	bool must;               /* some of the engines do not know others */
};

static int run(struct pg_store *p, const char *sql, struct error *err)
{
	int ret = pg_run(p, sql, NULL, NULL, STORE_EXEC_ROWS, NULL, err);

	return MIN(ret, 0);
}

/* one by one: what need not be may fail */
static int set_each(struct pg_store *p, const struct setting *v, size_t n,
		    struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < n; i++) {
		_cleanup_free_ char *sql = xasprintf("SET %s = '%s'",
						     v[i].name, v[i].value);

		ret = run(p, sql, v[i].must ? err : NULL);
		if (ret < 0 && !v[i].must)
			ret = p->dead ? run(p, sql, err) : 0;
	}
	return ret;
}

static int set_up(struct pg_store *p, bool steady, struct error *err)
{
	char statement_ms[16], lock_ms[16];
	struct setting v[] = {
		/* the text of cells (see store.h) */
		{ "datestyle", "ISO", true },
		{ "timezone", "UTC", true },
		{ "bytea_output", "hex", true },
		{ "extra_float_digits", "1", true },
		{ "statement_timeout", statement_ms, true },
		{ "lock_timeout", lock_ms, true },
		{ "default_transaction_read_only",
		  p->read_only ? "on" : NULL, true },
		{ "intervalstyle", "iso_8601", false },
		/* rows that a policy hides are an error, not left out */
		{ "row_security", "off", false },
		{ "client_connection_check_interval", "1s", false },
		{ "max_parallel_workers_per_gather",
		  steady ? "0" : NULL, false },
	};
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	size_t n = 0;
	int ret;

	(void)snprintf(statement_ms, sizeof(statement_ms), "%u",
		       p->statement_ms);
	(void)snprintf(lock_ms, sizeof(lock_ms), "%u", p->lock_ms);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		if (!v[i].value)
			continue;
		strbuf_addf(&sql, "%sset_config('%s', '%s', false)",
			    n ? ", " : "SELECT ", v[i].name, v[i].value);
		v[n++] = v[i];
	}
	/* at once, where the server knows them all */
	ret = run(p, sql.buf, NULL);
	if (ret < 0)
		ret = set_each(p, v, n, err);
	p->s.sqlstate[0] = '\0';
	return ret;
}

static void take_options(struct pg_store *p, const struct store_options *o)
{
	p->lock_ms = o->lock_ms ? o->lock_ms : STORE_LOCK_MS;
	p->statement_ms = o->statement_ms ? o->statement_ms :
			  STORE_STATEMENT_MS;
	p->read_only = o->read_only;
	p->typed = false;
	p->allow_plaintext = o->allow_plaintext;
	store_clock_init(&p->clock, o);
	p->clock.lock_ms = p->lock_ms;
	p->s.clock = &p->clock;
}

int pg_open(const char *rest, const struct store_options *o,
	    struct store **ret, struct error *err)
{
	_cleanup_free_ char *uri = NULL;
	struct pg_store *p = xcalloc(1, sizeof(*p));
	int r;

	if (!strncmp(rest, "//", 2))
		rest = uri = xasprintf("postgresql:%s", rest);
	p->s.ops = &store_pg_ops;
	p->s.name = xstrdup("pg");
	take_options(p, o);
	r = pg_connect(p, rest, o, err);
	p->conninfo = xstrdup(rest);
	if (r == 0)
		r = pg_refuse_pool(p, rest, o, err);
	if (r == 0)
		r = set_up(p, o->steady, err);
	if (r < 0) {
		store_close(&p->s);
		return r;
	}
	*ret = &p->s;
	return 0;
}

void pg_close(struct store *s)
{
	struct pg_store *p = (struct pg_store *)s;

	PQfinish(p->c);
	store_clock_release(&p->clock);
	free(p->conninfo);
	pg_kept_forget(p);
	free(p);
}

bool pg_rest(struct store *s)
{
	struct pg_store *p = (struct pg_store *)s;

	return !p->dead && PQtransactionStatus(p->c) == PQTRANS_IDLE &&
	       run(p, "DISCARD ALL", NULL) == 0;
}

int pg_again(struct store *s, const struct store_options *o)
{
	struct pg_store *p = (struct pg_store *)s;

	/* who may not write has tried nothing (see pg_probe()) */
	if (p->read_only != o->read_only)
		s->caps = s->tried = 0;
	take_options(p, o);
	return set_up(p, o->steady, NULL);
}
