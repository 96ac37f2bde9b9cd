/* SPDX-License-Identifier: MIT */
/*
 * Whose lock a statement waits for. Who waits cannot ask, and afterwards nobody
 * knows: another connection asks meanwhile, now and then.
 * Source: https://www.postgresql.org/docs/15/functions-info.html,
 * /view-pg-locks.html
 */
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-pg-internal.h"

#define LIMIT_MS 2000u
#define NAMED 2

static const char ask_sql[] =
	"SELECT b.pid, a.usename, a.application_name, "
	"(SELECT l.relation::regclass FROM pg_locks l WHERE l.pid = $1::int "
	"AND NOT l.granted AND l.database = (SELECT oid FROM pg_database "
	"WHERE datname = current_database()) AND l.relation IS NOT NULL "
	"LIMIT 1) FROM unnest(pg_blocking_pids($1::int)) WITH ORDINALITY "
	"AS b(pid, n) LEFT JOIN pg_stat_activity a ON a.pid = b.pid "
	"ORDER BY b.n LIMIT 3";

static char *text_of(const struct store_batch *b, uint32_t row, uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);

	return c->len > 0 ? xstrndup(store_batch_text(b, c), (size_t)c->len) :
	       NULL;
}

static char *session(const struct store_batch *b, uint32_t row)
{
	_cleanup_free_ char *pid = text_of(b, row, 0);
	_cleanup_free_ char *user = text_of(b, row, 1);
	_cleanup_free_ char *app = text_of(b, row, 2);

	if (!pid || !strcmp(pid, "0"))
		return xstrdup(_("a prepared transaction"));
	if (!user)
		return xasprintf(_("process %s"), pid);
	/* TRANSLATORS: a user, the name of an application, a number */
	return app ? xasprintf(_("%s (%s, process %s)"), user, app, pid) :
	       /* TRANSLATORS: a user and a number */
	       xasprintf(_("%s (process %s)"), user, pid);
}

static char *in_words(const struct store_batch *b)
{
	_cleanup_strbuf_ struct strbuf who = STRBUF_INIT;
	_cleanup_free_ char *set = NULL;

	if (!b->nrow || b->ncol != 4)
		return NULL;
	for (uint32_t i = 0; i < b->nrow; i++) {
		_cleanup_free_ char *one = session(b, i);

		strbuf_addf(&who, "%s%s", i ? ", " : "",
			    i < NAMED ? one : "...");
	}
	set = text_of(b, 0, 3);
	/* TRANSLATORS: whose, and the name of a table */
	return set ? xasprintf(_("the lock of %s on %s"), who.buf, set) :
	       xasprintf(_("the lock of %s"), who.buf);
}

/* -errno: it cannot be asked */
static int ask(struct pg_store *p, struct pg_store *q, char **ret)
{
	const struct store_options o = {
		.connect_ms = LIMIT_MS, .allow_plaintext = p->allow_plaintext,
		.tick = p->clock.tick, .ctx = p->clock.ctx,
	};
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	char pid[24];
	int r;

	(void)snprintf(pid, sizeof(pid), "%lld", (long long)p->pid);
	store_batch_clear(&args, 1);
	store_batch_add(&args, STORE_TEXT, pid, strlen(pid));
	store_clock_init(&q->clock, &o);
	r = pg_connect(q, p->conninfo, &o, NULL);
	if (r == 0)
		r = pg_run(q, ask_sql, &args, NULL, STORE_EXEC_ROWS, &b, NULL);
	if (r >= 0)
		*ret = in_words(&b);
	return r;
}

void pg_held_look(struct pg_store *p)
{
	struct pg_store q = { .lock_ms = LIMIT_MS, .statement_ms = LIMIT_MS };
	char *by = NULL;
	int ret;

	q.s.ops = p->s.ops;
	q.s.clock = &q.clock;
	ret = ask(p, &q, &by);
	/* it was asked and does not know */
	if (ret < 0 && !q.dead && !q.clock.cancelled)
		p->pid = 0;
	PQfinish(q.c);
	free(q.s.name);
	store_clock_held(&p->clock, by);
}
