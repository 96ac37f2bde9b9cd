/* SPDX-License-Identifier: MIT */
/*
 * Going back where nobody wrote to the set since: sums over the rows of both
 * sides tell. Those of the source are taken before; then the set is locked
 * against writers (whoever reads it goes on), summed up, and emptied in the same
 * transaction: by TRUNCATE, where that is the same as deleting its rows, else by
 * one DELETE.
 */
#include <errno.h>
#include <string.h>

#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "records-map.h"
#include "store-dump.h"
#include "store-sql.h"

#define TRIES 3u
/* what a server notes down for each deleted row that others refer to stays in
   its memory until the end of the statement */
#define DELETE_MOST 2000000u

/*
 * Is it a table; and are its rows all that goes with them: nobody is told of
 * each of them, refers to them, or gets them.
 */
static const char kind_sql[] =
	"SELECT c.relkind IN ('r', 'p') AND NOT c.relhasrules, "
	"c.relkind = 'r' AND has_table_privilege(c.oid, 'TRUNCATE') AND NOT "
	"EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT "
	"tgisinternal) AND NOT EXISTS (SELECT FROM pg_constraint WHERE "
	"confrelid = c.oid) AND NOT EXISTS (SELECT FROM pg_inherits WHERE "
	"c.oid IN (inhparent, inhrelid)) AND NOT EXISTS (SELECT FROM "
	"pg_publication_tables p WHERE p.tablename = c.relname AND "
	"p.schemaname = n.nspname) FROM pg_class c JOIN pg_namespace n ON "
	"n.oid = c.relnamespace WHERE c.oid = to_regclass($1)";

struct whole {
	struct records_back *k;
	struct store_sum source, set;
	bool truncate;
};

static bool is_pg(struct store *from, struct store *to)
{
	return store_is_pg(from) && store_is_pg(to);
}

/* what ends it all; everything else is a reason to do it some other way */
static bool is_end(int ret)
{
	return store_class(ret) == STORE_CLASS_RECONNECT ||
	       store_class(ret) == STORE_CLASS_CANCELLED;
}

static void on_passed(void *back, uint64_t rows)
{
	struct records_back *k = back;

	if (k->job->undone)
		k->job->undone(k->job->ctx, rows);
}

static int sum_source(const struct records_job *job, struct store *from,
		      struct store *to, struct store_sum *ret,
		      struct error *err)
{
	struct records_shapes shapes;
	struct store_shape as;
	int r = records_map_cast(&job->from, job->hidden, &job->to, from, to,
				 &shapes, err);

	if (r < 0)
		return r;
	as = shapes.from;
	as.col += job->hidden;
	if (as.expr)
		as.expr += job->hidden;
	as.ncol -= job->hidden;
	as.nkey = job->to.nkey;
	r = store_begin(from, false, err);
	if (r >= 0)
		r = store_dump_sum(from, &as, NULL, NULL, ret, err);
	if (r >= 0)
		r = store_commit(from, err);
	if (r < 0)
		store_abort(from);
	records_shapes_release(&shapes);
	return r;
}

static bool is_same(const struct store_sum *a, const struct store_sum *b)
{
	return a->rows == b->rows && xxh128_equal(&a->sum, &b->sum);
}

int records_copy_same(const struct records_job *job, struct store *from,
		      struct store *to, uint64_t *rows, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	struct store_sum a, b;
	int ret;

	if (!is_pg(from, to) || job->sql_n || job->until)
		return 0;
	ret = sum_source(job, from, to, &a, &why);
	if (ret >= 0)
		ret = store_begin(to, false, &why);
	if (ret >= 0)
		ret = store_dump_sum(to, &job->to, NULL, NULL, &b, &why);
	if (ret >= 0)
		ret = store_commit(to, &why);
	if (ret < 0)
		store_abort(to);
	if (is_end(ret)) {
		error_move(err, &why);
		return ret;
	}
	*rows = ret >= 0 ? a.rows : 0;
	return ret >= 0 && is_same(&a, &b);
}

static int lock_set(const struct store_shape *to, struct store *s,
		    struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "LOCK TABLE ");
	store_sql_set(&sql, to->set);
	strbuf_addstr(&sql, " IN SHARE ROW EXCLUSIVE MODE");
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

static int empty_set(void *whole, struct store *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct whole *w = whole;
	const struct store_shape *to = &w->k->job->to;
	int ret = lock_set(to, s, err);

	if (ret == 0)
		ret = store_dump_sum(s, to, on_passed, w->k, &w->set, err);
	if (ret < 0 || !is_same(&w->source, &w->set))
		return ret;
	strbuf_addstr(&sql, w->truncate ? "TRUNCATE TABLE " : "DELETE FROM ");
	store_sql_set(&sql, to->set);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

static int look(struct whole *w, struct store *s, bool *table,
		struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;
	int ret;

	store_sql_set(&set, w->k->job->to.set);
	store_batch_clear(&args, 1);
	records_add_text(&args, set.buf);
	ret = store_exec(s, kind_sql, &args, &b, err);
	for (uint32_t i = 0; ret > 0 && i < 2; i++) {
		_cleanup_free_ char *text = records_cell_text(&b, 0, i);

		*(i ? &w->truncate : table) = text && *text == 't';
	}
	return MIN(ret, 0);
}

static int try_whole(struct whole *w, struct error *err)
{
	struct records_back *k = w->k;
	bool table = false;
	int ret = look(w, k->w.to, &table, err);

	if (ret < 0 || !table)
		return ret;
	ret = sum_source(k->job, k->w.from, k->w.to, &w->source, err);
	if (ret < 0 || (!w->truncate && w->source.rows > DELETE_MOST))
		return ret;
	ret = store_transact(k->w.to, empty_set, w, TRIES, err);
	if (store_class(ret) == STORE_CLASS_RECONNECT &&
	    is_same(&w->source, &w->set))
		k->whole = w->set.rows;
	if (ret < 0 || (w->set.rows && !is_same(&w->source, &w->set)))
		return ret;
	/* there are none: it is done, by this attempt or by one before it */
	k->deleted = w->set.rows ? w->set.rows : k->whole;
	records_back_add_up(k);
	return 1;
}

int records_back_whole(struct records_back *k, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	struct whole w = { .k = k };
	int ret = 0;

	/* a key up to which it went: the rows behind it are not ours */
	if (k->job->sql_n || k->job->until)
		return 0;
	if (!k->w.from)
		ret = records_reconnect(&k->w, true, NULL, err);
	if (ret < 0 || !is_pg(k->w.from, k->w.to))
		return ret;
	ret = try_whole(&w, &why);
	if (ret >= 0 || !is_end(ret))
		return MAX(ret, 0);
	/* nobody asks which of them was lost */
	store_close(TAKE_PTR(k->w.from));
	error_move(err, &why);
	return ret;
}

/* --- or one by one, where nothing finds them by their key --- */

static char *index_name(const struct records_job *job)
{
	return xasprintf("_upshift_key_%s", job->id);
}

static int has_index(struct records_back *k, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;

	store_sql_set(&set, k->job->to.set);
	store_batch_clear(&args, 2);
	records_add_text(&args, set.buf);
	records_add_text(&args, k->job->to.col[0]);
	return store_exec(k->w.to, "SELECT 1 FROM pg_index i JOIN pg_attribute "
			  "a ON a.attrelid = i.indrelid AND a.attnum = "
			  "i.indkey[0] WHERE i.indrelid = to_regclass($1) AND "
			  "i.indisvalid AND i.indpred IS NULL AND a.attname = "
			  "$2", &args, &b, err);
}

int records_back_index(struct records_back *k, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_free_ char *name = index_name(k->job);
	int ret = has_index(k, &why);

	if (ret == 0) {
		strbuf_addstr(&sql, "CREATE INDEX IF NOT EXISTS ");
		store_sql_name(&sql, name);
		strbuf_addstr(&sql, " ON ");
		store_sql_set(&sql, k->job->to.set);
		strbuf_addstr(&sql, " (");
		store_sql_names(&sql, &k->job->to, 0, k->job->to.nkey);
		strbuf_addch(&sql, ')');
		ret = store_exec(k->w.to, sql.buf, NULL, NULL, &why);
	}
	/* it is slower without */
	if (ret >= 0 || !is_end(ret))
		return 0;
	error_move(err, &why);
	return ret;
}

int records_back_no_index(const struct records_job *job, struct store *s,
			  struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *name = index_name(job);
	int ret;

	store_batch_clear(&args, 1);
	records_add_text(&args, name);
	ret = store_exec(s, "SELECT format('DROP INDEX %I.%I', n.nspname, "
			 "c.relname) FROM pg_class c JOIN pg_namespace n ON "
			 "n.oid = c.relnamespace WHERE c.relname = $1 AND "
			 "c.relkind IN ('i', 'I')", &args, &b, err);
	for (uint32_t i = 0; ret >= 0 && i < b.nrow; i++) {
		_cleanup_free_ char *sql = records_cell_text(&b, i, 0);

		ret = store_exec(s, sql, NULL, NULL, err);
	}
	return MIN(ret, 0);
}
