/* SPDX-License-Identifier: MIT */
/*
 * Going back by the undo table, from its first key to its last, some keys at a
 * time: what was inserted is deleted, what was replaced comes back, each only
 * where the row is still as the job left it; that part of the undo table goes in
 * the same transaction. The keys of a part are those from $1... to $n...: rows
 * that were dealt with are not gone through again, neither in the undo table
 * nor, where both sort keys alike, in the set.
 */
#include <string.h>

#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "store-sql.h"

#define CHUNK 20000u
#define CHUNK_MOST 2000000000u

/* " WHERE (ALIAS.key) >= ($1...) AND (ALIAS.key) <= ($n...)" */
static void add_range(const struct records_back *k, const char *alias,
		      struct strbuf *sql)
{
	const struct store_shape *to = &k->job->to;

	for (uint32_t n = 1; n <= to->nkey + 1; n += to->nkey) {
		strbuf_addch(sql, '(');
		records_undo_names(to, alias, to->nkey, sql);
		strbuf_addstr(sql, n == 1 ? ") >= (" : ") <= (");
		for (uint32_t i = 0; i < to->nkey; i++)
			strbuf_addf(sql, "%s$%u", i ? ", " : "", n + i);
		strbuf_addstr(sql, n == 1 ? ") AND " : ")");
	}
}

/* "WITH u AS (the rows of this part) " */
static void add_chunk(const struct records_back *k, struct strbuf *sql)
{
	strbuf_clear(sql);
	strbuf_addstr(sql, "WITH u AS (SELECT * FROM ");
	records_undo_table(k->job, "undo", sql);
	strbuf_addstr(sql, " x WHERE ");
	add_range(k, "x", sql);
	strbuf_addstr(sql, ") ");
}

/* "(t.key) = (u.key)", where they are looked for */
static void add_join(const struct records_back *k, struct strbuf *sql)
{
	records_undo_join(&k->job->to, "t", "u", sql);
	if (!k->alike)
		return;
	strbuf_addstr(sql, " AND ");
	add_range(k, "t", sql);
}

/* " WHERE the row is still as it was left AND "; its digest is for rows that
   were found, and not to find them by */
static void add_same(const struct records_back *k, struct strbuf *sql)
{
	strbuf_addstr(sql, " WHERE ");
	add_join(k, sql);
	strbuf_addstr(sql, " AND CASE WHEN md5((t.*)::text) = u.upshift_md5 THEN "
		      "true ELSE false END AND ");
}

static void add_changed(const struct records_back *k, struct strbuf *sql)
{
	strbuf_addstr(sql, " FROM u LEFT JOIN ");
	store_sql_set(sql, k->job->to.set);
	strbuf_addstr(sql, " t ON ");
	add_join(k, sql);
	strbuf_addstr(sql, " WHERE CASE WHEN t.");
	store_sql_name(sql, k->job->to.col[0]);
	strbuf_addstr(sql, " IS NULL THEN u.upshift_had AND u.upshift_md5 IS "
		      "DISTINCT FROM '' ELSE md5((t.*)::text) IS DISTINCT FROM "
		      "u.upshift_md5 END");
}

/* those that others have changed; what was inserted and is gone is none */
static int find_kept(struct records_back *k, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	uint32_t nkey = k->job->to.nkey;
	int ret;

	add_chunk(k, &sql);
	strbuf_addstr(&sql, "SELECT count(*)");
	add_changed(k, &sql);
	ret = store_exec(s, sql.buf, &k->ends, &b, err);
	if (ret < 0)
		return ret;
	k->kept = records_cell_number(&b, 0, 0);
	if (!k->kept)
		return 0;
	add_chunk(k, &sql);
	strbuf_addstr(&sql, "SELECT ");
	records_undo_names(&k->job->to, "u", nkey, &sql);
	add_changed(k, &sql);
	strbuf_addf(&sql, " LIMIT %d", RECORDS_BACK_NAMED);
	ret = store_exec(s, sql.buf, &k->ends, &b, err);
	for (uint32_t row = 0; ret > 0 && row < b.nrow; row++) {
		store_key(&b, row, nkey, &key);
		strvec_push(&k->keys, key.buf);
	}
	return MIN(ret, 0);
}

static int counted(struct records_back *k, struct store *s,
		   const struct strbuf *sql, uint64_t *n, struct error *err)
{
	int ret = store_exec(s, sql->buf, &k->ends, NULL, err);

	if (ret > 0)
		*n = (uint64_t)ret;
	return MIN(ret, 0);
}

static int delete_inserted(struct records_back *k, struct store *s,
			   struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	add_chunk(k, &sql);
	strbuf_addstr(&sql, "DELETE FROM ");
	store_sql_set(&sql, k->job->to.set);
	strbuf_addstr(&sql, " t USING u");
	add_same(k, &sql);
	strbuf_addstr(&sql, "NOT u.upshift_had");
	return counted(k, s, &sql, &k->deleted, err);
}

static int put_back(struct records_back *k, struct store *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	const struct store_shape *to = &k->job->to;

	if (to->ncol == to->nkey)
		return 0;
	add_chunk(k, &sql);
	strbuf_addstr(&sql, "UPDATE ");
	store_sql_set(&sql, to->set);
	strbuf_addstr(&sql, " t SET ");
	for (uint32_t i = to->nkey; i < to->ncol; i++) {
		strbuf_addstr(&sql, i > to->nkey ? ", " : "");
		store_sql_name(&sql, to->col[i]);
		strbuf_addstr(&sql, " = u.");
		store_sql_name(&sql, to->col[i]);
	}
	strbuf_addstr(&sql, " FROM u");
	add_same(k, &sql);
	strbuf_addstr(&sql, "u.upshift_had");
	return counted(k, s, &sql, &k->restored, err);
}

/* what the job has deleted, unless there is something in its place */
static int put_deleted(struct records_back *k, struct store *s,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	const struct store_shape *to = &k->job->to;
	uint64_t n = 0;
	int ret;

	add_chunk(k, &sql);
	strbuf_addstr(&sql, "INSERT INTO ");
	store_sql_set(&sql, to->set);
	strbuf_addstr(&sql, " (");
	store_sql_names(&sql, to, 0, to->ncol);
	strbuf_addstr(&sql, ") SELECT ");
	records_undo_names(to, "u", to->ncol, &sql);
	strbuf_addstr(&sql, " FROM u LEFT JOIN ");
	store_sql_set(&sql, to->set);
	strbuf_addstr(&sql, " t ON ");
	add_join(k, &sql);
	strbuf_addstr(&sql, " WHERE u.upshift_had AND u.upshift_md5 = '' AND "
		      "t.");
	store_sql_name(&sql, to->col[0]);
	strbuf_addstr(&sql, " IS NULL");
	ret = counted(k, s, &sql, &n, err);
	k->restored += n;
	return ret;
}

/* --- the parts --- */

/* cells at .. at + n of the row */
static void add_cells(const struct store_batch *from, uint32_t at, uint32_t n,
		      struct store_batch *to)
{
	for (uint32_t i = at; i < at + n; i++) {
		const struct store_cell *c = store_batch_cell(from, 0, i);

		store_batch_add(to, c->type, store_batch_text(from, c),
				c->len < 0 ? 0 : (size_t)c->len);
	}
}

/* the key so many rows behind (">") or from (">=") that one on; 1, or 0: there
   are not that many */
static int find_key(struct records_back *k, struct store *s, const char *op,
		    const struct store_batch *from, uint32_t rows,
		    struct store_batch *ret, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	const struct store_shape *to = &k->job->to;
	int r;

	strbuf_addstr(&sql, "SELECT ");
	store_sql_names(&sql, to, 0, to->nkey);
	strbuf_addstr(&sql, " FROM ");
	records_undo_table(k->job, "undo", &sql);
	if (from->nrow) {
		strbuf_addstr(&sql, " WHERE (");
		store_sql_names(&sql, to, 0, to->nkey);
		strbuf_addf(&sql, ") %s (", op);
		for (uint32_t i = 0; i < to->nkey; i++)
			strbuf_addf(&sql, "%s$%u", i ? ", " : "", i + 1);
		strbuf_addch(&sql, ')');
	}
	strbuf_addstr(&sql, " ORDER BY ");
	store_sql_names(&sql, to, 0, to->nkey);
	strbuf_addf(&sql, " LIMIT 1 OFFSET %u", rows);
	r = store_exec(s, sql.buf, from->nrow ? from : NULL, ret, err);
	return MIN(r, 1);
}

/* k->ends and k->first, by which it is known whether the part was done; empty:
   there is none left */
static int find_ends(struct records_back *k, struct store *s, struct error *err)
{
	_cleanup_free_ char *table = xasprintf("_upshift_undo_%s", k->job->id);
	_cleanup_store_batch_ struct store_batch lo = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch hi = STORE_BATCH_INIT;
	uint32_t nkey = k->job->to.nkey;
	int ret = find_key(k, s, ">", &k->passed, 0, &lo, err);

	strbuf_clear(&k->first);
	k->more = false;
	if (ret <= 0)
		return ret;
	store_key(&lo, 0, nkey, &k->first);
	ret = find_key(k, s, ">=", &lo, k->chunk - 1, &hi, err);
	k->more = ret > 0;
	store_batch_clear(&k->ends, 2 * nkey);
	add_cells(&lo, 0, nkey, &k->ends);
	if (ret > 0)
		add_cells(&hi, 0, nkey, &k->ends);
	else if (ret == 0)
		ret = records_back_add_end(k, s, table, true, &k->ends, err);
	return MIN(ret, 0);
}

static int look(struct records_back *k, struct store *s, uint64_t *rows,
		uint64_t *had, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	add_chunk(k, &sql);
	strbuf_addstr(&sql, "SELECT count(*), count(*) FILTER (WHERE "
		      "u.upshift_had) FROM u");
	ret = store_exec(s, sql.buf, &k->ends, &b, err);
	if (ret <= 0)
		return ret;
	*rows = records_cell_number(&b, 0, 0);
	*had = records_cell_number(&b, 0, 1);
	return 0;
}

static int forget_part(struct records_back *k, struct store *s,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	uint64_t n;

	strbuf_addstr(&sql, "DELETE FROM ");
	records_undo_table(k->job, "undo", &sql);
	strbuf_addstr(&sql, " x WHERE ");
	add_range(k, "x", &sql);
	return counted(k, s, &sql, &n, err);
}

static int one_part(void *ctx, struct store *s, struct error *err)
{
	struct records_back *k = ctx;
	uint64_t rows = 0, had = 0;
	int ret;

	strvec_clear(&k->keys);
	k->deleted = k->restored = k->kept = 0;
	ret = find_ends(k, s, err);
	if (ret < 0 || !k->first.len)
		return ret;
	ret = look(k, s, &rows, &had, err);
	if (ret == 0)
		ret = delete_inserted(k, s, err);
	if (ret == 0 && k->deleted < rows)
		ret = find_kept(k, s, err);
	if (ret == 0 && had)
		ret = put_back(k, s, err);
	if (ret == 0 && had && !k->job->sql_n)
		ret = put_deleted(k, s, err);
	return ret < 0 ? ret : forget_part(k, s, err);
}

/* Are keys sorted alike, in the set and in the undo table? */
static bool is_alike(struct records_back *k)
{
	_cleanup_free_ char *table = xasprintf("_upshift_undo_%s", k->job->id);
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf undo = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;
	const struct store_shape *to = &k->job->to;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	store_sql_set(&set, to->set);
	store_sql_name(&undo, table);
	store_batch_clear(&args, 2 + to->nkey);
	records_add_text(&args, set.buf);
	records_add_text(&args, undo.buf);
	strbuf_addstr(&sql, "SELECT count(*) FROM pg_attribute a JOIN "
		      "pg_attribute b ON b.attname = a.attname AND "
		      "b.atttypid = a.atttypid AND b.attcollation = "
		      "a.attcollation WHERE a.attrelid = to_regclass($1) AND "
		      "b.attrelid = to_regclass($2) AND a.attname IN (");
	for (uint32_t i = 0; i < to->nkey; i++) {
		strbuf_addf(&sql, "%s$%u", i ? ", " : "", i + 3);
		records_add_text(&args, to->col[i]);
	}
	strbuf_addch(&sql, ')');
	return store_exec(k->w.to, sql.buf, &args, &b, NULL) > 0 &&
		records_cell_number(&b, 0, 0) == to->nkey;
}

static void learn(struct records_back *k)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "ANALYZE ");
	records_undo_table(k->job, "undo", &sql);
	/* without, it is slower */
	(void)store_exec(k->w.to, sql.buf, NULL, NULL, NULL);
}

/* Rows that refer to others of the set may need more of them at a time. */
int records_back_by_table(struct records_back *k, struct error *err)
{
	int ret = records_back_index(k, err);

	if (ret < 0)
		return ret;
	learn(k);
	k->alike = is_alike(k);
	k->chunk = CHUNK;
	store_batch_clear(&k->passed, k->job->to.nkey);
	do {
		_cleanup_error_ struct error why = ERROR_INIT;

		strbuf_clear(&k->first);
		ret = records_back_transact(k, one_part, "undo", false, &why);

		if (store_class(ret) == STORE_CLASS_BADROW &&
		    k->chunk < CHUNK_MOST / 16) {
			k->chunk *= 16;
			k->more = true;
			continue;
		}
		if (ret < 0) {
			error_move(err, &why);
			return ret;
		}
		records_back_add_up(k);
		store_batch_clear(&k->passed, k->job->to.nkey);
		if (k->more)
			add_cells(&k->ends, k->job->to.nkey,
				  k->job->to.nkey, &k->passed);
	} while (k->more);
	return 0;
}
