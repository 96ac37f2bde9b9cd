/* SPDX-License-Identifier: MIT */
/*
 * Forward and back, in pieces.
 *
 * What may be found when a piece begins, and what is done then:
 *	the row is where we left it	the piece is run
 *	the row is behind the piece	an answer to COMMIT was lost: it is done
 *	begun is set			a statement that runs alone was cut
 *					short: see alone_again()
 *	anything else			another runner: -ESTALE
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "plan.h"
#include "step-sql-internal.h"
#include "store.h"

/* One way: forward, or back through the list from its end. */
struct way {
	const struct sql_list *list;
	bool back;
};

static const struct sql_stmt *nth(const struct way *d, int i)
{
	return &d->list->v[d->back ? (int)d->list->n - 1 - i : i];
}

static int position(const struct way *d, const struct sql_marker *m)
{
	return d->back ? m->undone - 1 : m->done;
}

static struct sql_marker moved(const struct way *d,
			       const struct sql_marker *from, int to,
			       int begun)
{
	struct sql_marker m = *from;

	m.there = true;
	m.begun = begun;
	if (d->back)
		m.undone = to + 1;
	else
		m.done = to;
	return m;
}

static void say_which(struct error *err, const struct way *d, int i)
{
	const struct sql_stmt *s = nth(d, i);

	if (err && err->code != ERR_CANCELLED)
		error_prefix(err, _("statement %d (line %d)"),
			     (int)(s - d->list->v) + 1, s->line);
}

/* --- a piece in a transaction --- */

struct piece {
	const struct way *way;
	int from, to;
	bool last;               /* the row goes with it */
};

static int run_piece(struct sql_work *w, void *arg, struct error *err)
{
	const struct piece *p = arg;
	struct sql_marker to = moved(p->way, &w->m, p->to, 0);
	int ret = 0;

	/* an answer was lost */
	if (p->last && !w->m.there)
		return 1;
	if (w->m.there && !p->last && position(p->way, &w->m) == p->to &&
	    !w->m.begun)
		return 1;
	if (w->m.there && position(p->way, &w->m) != p->from)
		return sql_stale(w, err);
	/* first, so that of two runners one waits here for the other */
	ret = p->last ? sql_marker_drop(w, err) : sql_marker_move(w, &to, err);
	for (int i = p->from; ret == 0 && i < p->to; i++) {
		ret = step_sql_exec(w, nth(p->way, i)->text, err);
		if (ret < 0)
			say_which(err, p->way, i);
	}
	return ret;
}

static int do_piece(struct sql_work *w, struct piece *p, struct error *err)
{
	int ret;

	w->checks_keys = !w->names_only;
	ret = step_sql_transact(w, run_piece, p, err);
	w->checks_keys = false;
	if (ret < 0)
		return ret;
	if (p->last)
		memset(&w->m, 0, sizeof(w->m));
	else
		w->m = moved(p->way, &w->m, p->to, 0);
	return 0;
}

struct mark {
	struct sql_marker to;
};

static int run_mark(struct sql_work *w, void *arg, struct error *err)
{
	const struct mark *k = arg;

	if (w->m.there && !memcmp(&w->m, &k->to, sizeof(w->m)))
		return 1;
	return sql_marker_move(w, &k->to, err);
}

static int mark(struct sql_work *w, struct sql_marker to, struct error *err)
{
	struct mark k = { .to = to };
	int ret = step_sql_transact(w, run_mark, &k, err);

	if (ret == 0)
		w->m = to;
	return ret;
}

/* --- one that runs alone --- */

/* "", "valid" or "invalid" and the quoted name; for this connection's
   search path */
static int find_index(struct sql_work *w, const struct sql_stmt *s,
		      char **name, bool *valid, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_free_ char *found = NULL;
	int ret;

	store_batch_clear(&args, 3);
	step_sql_arg(&args, s->schema);
	step_sql_arg(&args, s->table);
	step_sql_arg(&args, s->index);
	*name = NULL;
	ret = step_sql_cell(w->store, "SELECT (CASE WHEN i.indisvalid THEN "
		"'v' ELSE 'i' END) || quote_ident(n.nspname) || '.' || "
		"quote_ident(c.relname) FROM pg_index i "
		"JOIN pg_class c ON c.oid = i.indexrelid "
		"JOIN pg_namespace n ON n.oid = c.relnamespace "
		"WHERE i.indrelid = to_regclass(coalesce(quote_ident($1) "
		"|| '.', '') || quote_ident($2)) AND c.relname = $3", &args,
		&found, err);
	if (ret == 0 && found) {
		*valid = *found == 'v';
		*name = xstrdup(found + 1);
	}
	return ret;
}

/* 1: it is there and good */
static int clear_index(struct sql_work *w, const struct sql_stmt *s,
		       bool ours, struct error *err)
{
	_cleanup_free_ char *name = NULL, *sql = NULL, *note = NULL;
	bool valid = false;
	int ret = find_index(w, s, &name, &valid, err);

	if (ret < 0 || !name || (valid && !ours && !s->if_not_exists))
		return ret;
	if (valid)
		return 1;
	note = xasprintf(_("index '%s' is invalid and is built again"),
			 s->index);
	step_log(w->ctx, "note", note, strlen(note));
	sql = xasprintf("DROP INDEX CONCURRENTLY %s", name);
	return step_sql_exec(w, sql, err);
}

/* what a statement says that was done before, by an attempt cut short */
static bool was_done(struct sql_work *w)
{
	static const char *const states[] = { "42710", "42P07", "42701",
		"42704", "42P01", "42P06", "42P04", "3D000", "3F000", "42723",
		"42883" };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(store_sqlstate(w->store), states[i]))
			return true;
	return false;
}

static bool waits_for_all(const struct sql_stmt *s)
{
	struct sql_lexer l;
	struct sql_token t;

	sql_lex(&l, SQL_PG, s->text, strlen(s->text));
	do {
		sql_next(&l, &t);
		if (sql_is(&t, "concurrently"))
			return true;
	} while (t.type != SQL_END && t.type != SQL_BAD);
	return false;
}

/* what a REINDEX ... CONCURRENTLY leaves that was cut short: by the names that
   it gives them, and invalid */
static int clear_reindexed(struct sql_work *w, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_exec(w->store, "SELECT format('%I.%I', n.nspname, "
		"c.relname) FROM pg_index i JOIN pg_class c ON c.oid = "
		"i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
		"WHERE NOT i.indisvalid AND n.nspname NOT LIKE 'pg\\_%' AND "
		"c.relname ~ '_cc(new|old)[0-9]*$' AND "
		"pg_has_role(c.relowner, 'USAGE')", NULL, &b, err);

	for (uint32_t i = 0; ret >= 0 && i < b.nrow; i++) {
		const struct store_cell *c = store_batch_cell(&b, i, 0);
		_cleanup_free_ char *sql = xasprintf(
			"DROP INDEX CONCURRENTLY IF EXISTS %.*s", (int)c->len,
			b.buf + c->off);

		ret = step_sql_exec(w, sql, err);
	}
	return MIN(ret, 0);
}

static bool begins(const struct sql_stmt *s, const char *word)
{
	struct sql_lexer l;
	struct sql_token t;

	sql_lex(&l, SQL_PG, s->text, strlen(s->text));
	sql_next(&l, &t);
	return sql_is(&t, word);
}

static int alone_once(struct sql_work *w, const struct sql_stmt *s, bool again,
		      struct error *err)
{
	_cleanup_free_ char *limit = NULL;
	int ret = step_sql_connect(w, err);

	/* CONCURRENTLY waits for old transactions, and nobody for it */
	limit = xasprintf("SET lock_timeout = %.0f", waits_for_all(s) ? 0 :
			  w->target->lock_s * 1000);
	if (ret == 0 && w->target->dialect == SQL_PG)
		ret = step_sql_exec(w, limit, err);
	if (ret == 0 && s->index)
		ret = clear_index(w, s, again, err);
	if (ret == 0 && again && begins(s, "reindex") && waits_for_all(s))
		ret = clear_reindexed(w, err);
	if (ret)
		return MIN(ret, 0);
	ret = step_sql_exec(w, s->text, err);
	if (ret < 0 && again && w->store && was_done(w)) {
		if (err)
			error_release(err);
		ret = 0;
	}
	return ret;
}

static int do_alone(struct sql_work *w, const struct way *d, int i,
		    struct error *err)
{
	const struct sql_stmt *s = nth(d, i);
	bool again = w->m.begun == i + 1;
	int ret = 0;

	if (!again)
		ret = mark(w, moved(d, &w->m, i, i + 1), err);
	if (ret < 0)
		return ret;
	w->tried = 0;
	for (;;) {
		_cleanup_error_ struct error now = ERROR_INIT;

		ret = alone_once(w, s, again, &now);
		if (ret == 0)
			break;
		ret = step_sql_again(w, ret, &now);
		again = true;
		if (ret < 0) {
			say_which(&now, d, i);
			if (err)
				error_move(err, &now);
			return ret;
		}
	}
	step_sql_settled(w);
	return mark(w, moved(d, &w->m, i + 1, 0), err);
}

/* --- a way --- */

static int piece_end(const struct way *d, int from)
{
	int to = from;

	while (to < (int)d->list->n && nth(d, to)->how != SQL_ALONE)
		to++;
	return to;
}

/* changes rows, and so can be had with the row of ours in one transaction */
static bool changes_rows(const struct sql_stmt *s)
{
	static const char *const words[] = { "insert", "update", "delete",
					     "with", "select", "merge" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (begins(s, words[i]))
			return true;
	return false;
}

/* the next piece ends here. Where a rollback does not take DDL back, each
   statement is one, with the locks ahead of it, and one of DDL is run as those
   that run alone are */
static int next_end(struct sql_work *w, const struct way *d, int at)
{
	int to = piece_end(d, at);

	if (to == at || w->target->dialect != SQL_PG ||
	    store_can(w->store, STORE_CAP_TX_DDL))
		return to;
	/* a lock is for what changes rows behind it, and for nothing else */
	for (to = at; to < (int)d->list->n && begins(nth(d, to), "lock"); to++)
		;
	return to < (int)d->list->n && changes_rows(nth(d, to)) ? to + 1 : to;
}

static int go(struct sql_work *w, const struct way *d, struct error *err)
{
	int n = (int)d->list->n, at, ret = 0;

	w->set_list = d->list;
	w->set_back = d->back;
	w->settings = at = position(d, &w->m);
	ret = step_sql_settings(w, err);
	while (ret == 0 && (at < n || (d->back && w->m.there))) {
		struct piece p = { .way = d, .from = at };

		if (step_cancelled(w->ctx))
			return error_set(err, ERR_CANCELLED, -ECANCELED,
					 _("cancelled"));
		ret = step_sql_connect(w, err);
		if (ret < 0)
			break;
		p.to = next_end(w, d, at);
		p.last = d->back && p.to == n;
		ret = p.to > at || p.last ? do_piece(w, &p, err) :
		      do_alone(w, d, at, err);
		at = p.last ? n : position(d, &w->m);
		w->settings = at;
		step_progress(w->ctx, (uint64_t)at, d->list->n, "statements");
	}
	return ret;
}

/* --- back from a part --- */

static int pass_over(struct sql_work *w, const struct way *d, int i,
		     struct error *err)
{
	struct piece p = { .way = d, .from = i, .to = i + 1 };
	_cleanup_error_ struct error now = ERROR_INIT;
	int ret;

	if (nth(d, i)->how == SQL_ALONE) {
		/* begun: it may find that there is nothing left to do */
		ret = mark(w, moved(d, &w->m, i, i + 1), err);
		return ret < 0 ? ret : do_alone(w, d, i, err);
	}
	ret = do_piece(w, &p, &now);
	/* a table where a view should go: the view never came */
	if (ret < 0 && w->store &&
	    (was_done(w) || !strcmp(store_sqlstate(w->store), "42809")))
		return mark(w, moved(d, &w->m, i + 1, 0), err);
	if (ret < 0 && err)
		error_move(err, &now);
	return ret;
}

/*
 * done is negative then: how many there were to undo, and one more. Of as many
 * statements back as forward each undoes its own.
 */
static int back_from_part(struct sql_work *w, const struct way *d,
			  struct error *err)
{
	int n = (int)d->list->n, ret = 0, reached = -1 - w->m.done;
	int skip = n == (int)w->up->n ? n - reached : 0;
	struct piece last = { .way = d, .from = n, .to = n, .last = true };

	if (position(d, &w->m) < skip)
		ret = mark(w, moved(d, &w->m, skip, 0), err);
	for (int i = position(d, &w->m); ret == 0 && i < n; i++)
		ret = pass_over(w, d, i, err);
	return ret < 0 ? ret : do_piece(w, &last, err);
}

int step_sql_undo(struct sql_work *w, struct error *err)
{
	struct way back = { .list = w->down, .back = true };
	int ret = 0;

	if (!w->m.there)
		return 0;
	if (!w->m.undone) {
		struct sql_marker m = w->m;

		if (m.done < (int)w->up->n)
			m.done = -1 - MAX(m.done, m.begun);
		m.begun = 0;
		m.undone = 1;
		ret = mark(w, m, err);
	}
	if (ret < 0)
		return ret;
	return w->m.done >= 0 ? go(w, &back, err) :
	       back_from_part(w, &back, err);
}

int step_sql_apply(struct sql_work *w, struct error *err)
{
	struct way forward = { .list = w->up };
	int ret = 0;

	if (w->m.there && w->m.undone)
		ret = step_sql_undo(w, err);
	return ret < 0 ? ret : go(w, &forward, err);
}
