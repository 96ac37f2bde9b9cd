/* SPDX-License-Identifier: MIT */
/* The row that says how far a step is; and SQLite's foreign keys. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "plan.h"
#include "step-sql-internal.h"
#include "store.h"

static void add_int(struct store_batch *b, int v)
{
	_cleanup_free_ char *text = xasprintf("%d", v);

	store_batch_add(b, STORE_INT, text, strlen(text));
}

static int number(const struct store_batch *b, uint32_t col)
{
	_cleanup_free_ char *text = NULL;
	const struct store_cell *c = store_batch_cell(b, 0, col);

	if (c->len < 0)
		return 0;
	text = xstrndup(b->buf + c->off, (size_t)c->len);
	return atoi(text);
}

static int has_table(struct sql_work *w, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_columns(w->store, SQL_MARKER, &b, err);

	return MIN(ret, 1);
}

int sql_marker_read(struct sql_work *w, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = has_table(w, err);

	memset(&w->m, 0, sizeof(w->m));
	if (ret <= 0)
		return ret;
	store_batch_clear(&args, 2);
	step_sql_arg(&args, w->run);
	step_sql_arg(&args, w->step->id);
	ret = store_exec(w->store, "SELECT done, begun, undone FROM "
			 SQL_MARKER " WHERE run = $1 AND step = $2", &args,
			 &b, err);
	if (ret < 0 || !b.nrow)
		return MIN(ret, 0);
	w->m.there = true;
	w->m.done = number(&b, 0);
	w->m.begun = number(&b, 1);
	w->m.undone = number(&b, 2);
	return 0;
}

static int make_table(struct sql_work *w, struct error *err)
{
	int ret = has_table(w, err);

	if (ret)
		return MIN(ret, 0);
	ret = step_sql_exec(w, "CREATE TABLE IF NOT EXISTS " SQL_MARKER
		" (run text, step text, done int NOT NULL, begun int NOT NULL,"
		" undone int NOT NULL, PRIMARY KEY (run, step))", err);
	/* of two at once one is told that it is there: look again */
	return ret == -EBADMSG || !strcmp(store_sqlstate(w->store), "42P07") ?
		-EAGAIN : ret;
}

int sql_stale(struct sql_work *w, struct error *err)
{
	return error_set(err, ERR_STORE, -ESTALE,
			 _("%s: somebody else went on with step '%s'"),
			 store_name(w->store), w->step->id);
}

int sql_marker_move(struct sql_work *w, const struct sql_marker *to,
		    struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	const char *sql = "INSERT INTO " SQL_MARKER
		" (done, begun, undone, run, step)"
		" VALUES ($1, $2, $3, $4, $5)";
	int ret;

	ret = w->m.there ? 0 : make_table(w, err);
	if (ret < 0)
		return ret;
	store_batch_clear(&args, w->m.there ? 8 : 5);
	add_int(&args, to->done);
	add_int(&args, to->begun);
	add_int(&args, to->undone);
	step_sql_arg(&args, w->run);
	step_sql_arg(&args, w->step->id);
	if (w->m.there) {
		add_int(&args, w->m.done);
		add_int(&args, w->m.begun);
		add_int(&args, w->m.undone);
		sql = "UPDATE " SQL_MARKER " SET done = $1, begun = $2, "
			"undone = $3 WHERE run = $4 AND step = $5 AND "
			"done = $6 AND begun = $7 AND undone = $8";
	}
	ret = store_exec(w->store, sql, &args, NULL, err);
	if (ret == -EBADMSG && !strcmp(store_sqlstate(w->store), "23505")) {
		if (err)
			error_release(err);
		ret = 0;
	}
	return ret < 0 ? ret : ret == 1 ? 0 : sql_stale(w, err);
}

int sql_marker_drop(struct sql_work *w, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_free_ char *left = NULL;
	int ret;

	store_batch_clear(&args, 5);
	step_sql_arg(&args, w->run);
	step_sql_arg(&args, w->step->id);
	add_int(&args, w->m.done);
	add_int(&args, w->m.begun);
	add_int(&args, w->m.undone);
	ret = store_exec(w->store, "DELETE FROM " SQL_MARKER " WHERE run = $1 "
		"AND step = $2 AND done = $3 AND begun = $4 AND undone = $5",
		&args, NULL, err);
	if (ret >= 0 && ret != 1)
		return sql_stale(w, err);
	/* nobody can add a row behind our back */
	if (ret >= 0 && w->target->dialect == SQL_PG)
		ret = step_sql_exec(w, "LOCK TABLE " SQL_MARKER, err);
	if (ret >= 0)
		ret = step_sql_cell(w->store, "SELECT 1 FROM " SQL_MARKER
				    " LIMIT 1", NULL, &left, err);
	if (ret >= 0 && !left)
		ret = step_sql_exec(w, "DROP TABLE " SQL_MARKER, err);
	return MIN(ret, 0);
}

enum step_probe step_sql_state(const struct sql_work *w)
{
	if (!w->m.there)
		return PROBE_NOT;
	return w->m.done == (int)w->up->n && !w->m.undone ? PROBE_FULLY :
	       PROBE_PARTLY;
}

/* --- foreign keys of SQLite --- */

void sql_broken_release(struct sql_broken *b)
{
	strvec_release(&b->tables);
	free(b->n);
	b->n = NULL;
}

int sql_broken_find(struct sql_work *w, struct sql_broken *b,
		    struct error *err)
{
	_cleanup_store_batch_ struct store_batch rows = STORE_BATCH_INIT;
	int ret;

	if (!w->checks_keys || w->target->dialect != SQL_SQLITE)
		return 0;
	ret = store_exec(w->store, "SELECT \"table\" || ' -> ' || parent, "
			 "count(*) FROM pragma_foreign_key_check GROUP BY 1",
			 NULL, &rows, err);
	if (ret < 0)
		return ret;
	b->n = xcalloc(rows.nrow + 1, sizeof(*b->n));
	for (uint32_t i = 0; i < rows.nrow; i++) {
		const struct store_cell *c = store_batch_cell(&rows, i, 0);
		const struct store_cell *n = store_batch_cell(&rows, i, 1);
		_cleanup_free_ char *text = xstrndup(rows.buf + n->off,
						     (size_t)n->len);

		strvec_take(&b->tables, xstrndup(rows.buf + c->off,
						 (size_t)c->len));
		b->n[i] = strtoll(text, NULL, 10);
	}
	return 0;
}

static int64_t count_of(const struct sql_broken *b, const char *tables)
{
	for (size_t i = 0; i < b->tables.n; i++)
		if (!strcmp(b->tables.v[i], tables))
			return b->n[i];
	return 0;
}

int sql_broken_compare(struct sql_work *w, const struct sql_broken *before,
		       struct error *err)
{
	struct sql_broken now = { .n = NULL };
	int ret = sql_broken_find(w, &now, err);

	for (size_t i = 0; ret == 0 && i < now.tables.n; i++) {
		int64_t more = now.n[i] - count_of(before, now.tables.v[i]);

		if (more > 0)
			ret = error_set(err, ERR_STEP, -EBADMSG,
				ngettext("%" PRIi64 " row would point to "
				"nothing by a foreign key (%s)",
				"%" PRIi64 " rows would point to nothing by "
				"a foreign key (%s)", (unsigned long)more),
				more, now.tables.v[i]);
	}
	sql_broken_release(&now);
	return ret;
}
