/* SPDX-License-Identifier: MIT */
/*
 * Going back. With an undo table, from the first key to the last: what was
 * inserted is deleted, what was replaced comes back, each only where the row
 * is still as the job left it; the part of the undo table goes in the same
 * transaction. Without one, where the set was empty before: what equals the
 * rows of the source is deleted, compared by the types of the set in a table
 * beside it. Both may be cut short and begun again.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "store-sql.h"

#define CHUNK 20000u
#define CHUNK_MOST 2000000000u
#define NAMED 10
#define TRIES 20u

struct back {
	const struct records_job *job;
	struct records_undone *out;
	uint32_t chunk;
	bool more;
	uint64_t deleted, restored, kept;
	struct strvec keys;
	/* without an undo table */
	struct records_worker w;
	uint32_t from, n;
};

/* "WITH u AS (the first rows of the undo table) " */
static void add_chunk(const struct back *k, struct strbuf *sql)
{
	strbuf_clear(sql);
	strbuf_addstr(sql, "WITH u AS (SELECT * FROM ");
	records_undo_table(k->job, "undo", sql);
	strbuf_addstr(sql, " ORDER BY ");
	store_sql_names(sql, &k->job->to, 0, k->job->to.nkey);
	strbuf_addf(sql, " LIMIT %u) ", k->chunk);
}

/* " WHERE the row is still as it was left" */
static void add_same(const struct back *k, struct strbuf *sql)
{
	strbuf_addstr(sql, " WHERE ");
	records_undo_join(&k->job->to, "t", "u", sql);
	strbuf_addstr(sql, " AND md5(t::text) = u.upshift_md5 AND ");
}

static void add_changed(const struct back *k, struct strbuf *sql)
{
	strbuf_addstr(sql, " FROM u LEFT JOIN ");
	store_sql_set(sql, k->job->to.set);
	strbuf_addstr(sql, " t ON ");
	records_undo_join(&k->job->to, "t", "u", sql);
	strbuf_addstr(sql, " WHERE CASE WHEN t.");
	store_sql_name(sql, k->job->to.col[0]);
	strbuf_addstr(sql, " IS NULL THEN u.upshift_had ELSE md5(t::text) "
		      "IS DISTINCT FROM u.upshift_md5 END");
}

/* those that others have changed */
static int find_kept(struct back *k, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	uint32_t nkey = k->job->to.nkey;
	int ret;

	add_chunk(k, &sql);
	strbuf_addstr(&sql, "SELECT count(*)");
	add_changed(k, &sql);
	ret = store_exec(s, sql.buf, NULL, &b, err);
	if (ret < 0)
		return ret;
	k->kept = records_cell_number(&b, 0, 0);
	if (!k->kept)
		return 0;
	add_chunk(k, &sql);
	strbuf_addstr(&sql, "SELECT ");
	records_undo_names(&k->job->to, "u", nkey, &sql);
	add_changed(k, &sql);
	strbuf_addf(&sql, " LIMIT %d", NAMED);
	ret = store_exec(s, sql.buf, NULL, &b, err);
	for (uint32_t row = 0; ret > 0 && row < b.nrow; row++) {
		store_key(&b, row, nkey, &key);
		strvec_push(&k->keys, key.buf);
	}
	return MIN(ret, 0);
}

static int counted(struct store *s, const struct strbuf *sql, uint64_t *n,
		   struct error *err)
{
	int ret = store_exec(s, sql->buf, NULL, NULL, err);

	if (ret > 0)
		*n = (uint64_t)ret;
	return MIN(ret, 0);
}

static int put_back(struct back *k, struct store *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	const struct store_shape *to = &k->job->to;
	int ret;

	add_chunk(k, &sql);
	strbuf_addstr(&sql, "DELETE FROM ");
	store_sql_set(&sql, to->set);
	strbuf_addstr(&sql, " t USING u");
	add_same(k, &sql);
	strbuf_addstr(&sql, "NOT u.upshift_had");
	ret = counted(s, &sql, &k->deleted, err);
	if (ret < 0 || to->ncol == to->nkey)
		return ret;
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
	return counted(s, &sql, &k->restored, err);
}

static int one_chunk(void *ctx, struct store *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct back *k = ctx;
	uint64_t n = 0;
	int ret;

	strvec_clear(&k->keys);
	k->deleted = k->restored = k->kept = 0;
	ret = find_kept(k, s, err);
	if (ret == 0)
		ret = put_back(k, s, err);
	if (ret < 0)
		return ret;
	add_chunk(k, &sql);
	strbuf_addstr(&sql, "DELETE FROM ");
	records_undo_table(k->job, "undo", &sql);
	strbuf_addstr(&sql, " x USING u WHERE ");
	records_undo_join(&k->job->to, "x", "u", &sql);
	ret = counted(s, &sql, &n, err);
	k->more = n == k->chunk;
	return ret;
}

static void add_up(struct back *k)
{
	k->out->deleted += k->deleted;
	k->out->restored += k->restored;
	k->out->kept += k->kept;
	for (size_t i = 0; i < k->keys.n && k->out->keys.n < NAMED; i++)
		strvec_push(&k->out->keys, k->keys.v[i]);
}

/* Rows that refer to others of the set may need more of them at a time. */
static int by_undo_table(struct back *k, struct store *s, struct error *err)
{
	k->chunk = CHUNK;
	do {
		_cleanup_error_ struct error why = ERROR_INIT;
		int ret = store_transact(s, one_chunk, k, TRIES, &why);

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
		add_up(k);
	} while (k->more);
	return 0;
}

/* the key of the first or the last row of the table, as arguments */
static int add_end(struct back *k, struct store *s, const char *table,
		   bool last, struct store_batch *args, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	const struct store_shape *to = &k->job->to;
	int ret;

	strbuf_addstr(&sql, "SELECT ");
	store_sql_names(&sql, to, 0, to->nkey);
	strbuf_addstr(&sql, " FROM ");
	store_sql_name(&sql, table);
	strbuf_addstr(&sql, " ORDER BY ");
	for (uint32_t i = 0; i < to->nkey; i++) {
		strbuf_addstr(&sql, i ? ", " : "");
		store_sql_name(&sql, to->col[i]);
		strbuf_addstr(&sql, last ? " DESC" : "");
	}
	strbuf_addstr(&sql, " LIMIT 1");
	ret = store_exec(s, sql.buf, NULL, &b, err);
	for (uint32_t i = 0; ret > 0 && i < to->nkey; i++) {
		const struct store_cell *c = store_batch_cell(&b, 0, i);

		store_batch_add(args, c->type, store_batch_text(&b, c),
				c->len < 0 ? 0 : (size_t)c->len);
	}
	return MIN(ret, 0);
}

/* " AND the key is not outside of theirs": they stand side by side mostly, and
   whoever plans the statement should know */
static void add_ends(const struct store_shape *to, struct strbuf *sql)
{
	for (uint32_t n = 1; n <= to->nkey + 1; n += to->nkey) {
		strbuf_addstr(sql, " AND (");
		records_undo_names(to, "t", to->nkey, sql);
		strbuf_addstr(sql, n == 1 ? ") >= (" : ") <= (");
		for (uint32_t i = 0; i < to->nkey; i++)
			strbuf_addf(sql, "%s$%u", i ? ", " : "", n + i);
		strbuf_addch(sql, ')');
	}
}

static int delete_equal(void *ctx, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_free_ char *table = NULL;
	struct back *k = ctx;
	const struct store_shape *to = &k->job->to;
	struct store_shape back = *to;
	int ret;

	back.set = table = xasprintf("_upshift_back_%s", k->job->id);
	/* what was deleted from it would be read again and again */
	strbuf_addstr(&sql, "TRUNCATE TABLE ");
	store_sql_name(&sql, table);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	if (ret >= 0)
		ret = store_put(s, &back, &k->w.out, k->from, k->n,
				STORE_ERROR, err);
	store_batch_clear(&args, 2 * to->nkey);
	if (ret >= 0)
		ret = add_end(k, s, table, false, &args, err);
	if (ret >= 0)
		ret = add_end(k, s, table, true, &args, err);
	if (ret < 0)
		return ret;
	strbuf_clear(&sql);
	strbuf_addstr(&sql, "DELETE FROM ");
	store_sql_set(&sql, to->set);
	strbuf_addstr(&sql, " t USING ");
	store_sql_name(&sql, table);
	strbuf_addstr(&sql, " u WHERE ");
	records_undo_join(to, "t", "u", &sql);
	add_ends(to, &sql);
	strbuf_addstr(&sql, " AND (");
	records_undo_names(to, "t", to->ncol, &sql);
	strbuf_addstr(&sql, ")::text = (");
	records_undo_names(to, "u", to->ncol, &sql);
	strbuf_addstr(&sql, ")::text");
	ret = store_exec(s, sql.buf, &args, NULL, err);
	if (ret > 0)
		k->deleted = (uint64_t)ret;
	return MIN(ret, 0);
}

/* rows of the batch that are there; bad ones never came */
static int delete_batch(struct back *k, struct store *s, struct error *err)
{
	uint32_t n = k->w.out.nrow;

	for (k->from = 0; k->from < k->w.out.nrow; k->from += k->n) {
		_cleanup_error_ struct error why = ERROR_INIT;
		int ret;

		k->n = MIN(n, k->w.out.nrow - k->from);
		k->deleted = 0;
		ret = store_transact(s, delete_equal, k, TRIES, &why);
		if (store_class(ret) == STORE_CLASS_BADROW && k->n > 1) {
			n = k->n / 2;
			k->n = 0;
			continue;
		}
		if (ret < 0 && store_class(ret) != STORE_CLASS_BADROW) {
			error_move(err, &why);
			return ret;
		}
		add_up(k);
		n = k->w.out.nrow;
	}
	return 0;
}

static int make_back(struct back *k, struct store *to, struct error *err)
{
	_cleanup_free_ char *name = xasprintf("_upshift_back_%s", k->job->id);
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "CREATE TABLE ");
	store_sql_name(&sql, name);
	strbuf_addstr(&sql, " AS SELECT ");
	store_sql_names(&sql, &k->job->to, 0, k->job->to.ncol);
	strbuf_addstr(&sql, " FROM ");
	store_sql_set(&sql, k->job->to.set);
	strbuf_addstr(&sql, " WHERE false");
	return records_make_table(to, name, sql.buf, err);
}

/* the rows that are left, and the first keys of them */
static int count_left(struct back *k, struct store *to, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	int ret = store_count(to, &k->job->to, &k->out->kept, err);

	if (ret == 0 && k->out->kept)
		ret = store_scan(to, &k->job->to, NULL, NULL, NAMED, &b, err);
	for (uint32_t row = 0; ret > 0 && row < b.nrow; row++) {
		store_key(&b, row, k->job->to.nkey, &key);
		strvec_push(&k->out->keys, key.buf);
	}
	return MIN(ret, 0);
}

/* the next rows of the source, and away with theirs; where it is then: *pos */
static int back_one_batch(struct back *k, struct store *to, char **pos,
			  struct error *err)
{
	struct records_worker *w = &k->w;
	uint64_t start = clock_mono_ns();
	struct strbuf key = STRBUF_INIT;
	int ret = records_read(w, err);

	if (ret < 0 && !w->bad_key)
		return ret;
	if (ret == 0)
		return 0;
	if (ret > 0) {
		records_project(w);
		ret = delete_batch(k, to, err);
		records_pace_add(&w->pace, w->rows.nrow, w->rows.n,
				 clock_since(start));
		store_key(&w->rows, w->rows.nrow - 1, k->job->from.nkey, &key);
	} else {
		/* it never came */
		error_release(err);
		ret = 0;
		strbuf_addstr(&key, w->bad_key);
	}
	free(*pos);
	*pos = strbuf_detach(&key);
	return ret;
}

static int by_source(struct back *k, struct store *to, struct error *err)
{
	_cleanup_store_ struct store *from = NULL;
	struct records_part all = { .pos = xstrdup("") };
	struct records_worker *w = &k->w;
	int ret = records_open(w->run, true, &from, err);

	if (ret == 0)
		ret = make_back(k, to, err);
	w->from = from;
	w->to = to;
	w->part = &all;
	w->more = true;
	while (ret >= 0 && w->more)
		ret = back_one_batch(k, to, &all.pos, err);
	free(all.pos);
	return ret < 0 ? ret : count_left(k, to, err);
}

static int drop(const struct records_job *job, struct store *s,
		const char *prefix, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "DROP TABLE IF EXISTS ");
	records_undo_table(job, prefix, &sql);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

/* the rows of this job in one of our tables */
static int forget_in(const char *marks, struct store *s, const char *table,
		     struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret = store_columns(s, table, &cols, err);

	if (ret <= 0)
		return ret;
	strbuf_addf(&sql, "DELETE FROM %s WHERE step = $1", table);
	store_batch_clear(&args, 1);
	records_add_text(&args, marks);
	ret = store_exec(s, sql.buf, &args, NULL, err);
	return MIN(ret, 0);
}

/* the positions last: until then it can be begun again */
static int forget(const struct records_job *job, struct store *s,
		  struct error *err)
{
	_cleanup_free_ char *end = records_end_mark(job->marks);
	int ret = drop(job, s, "undo", err);

	if (ret == 0)
		ret = drop(job, s, "back", err);
	if (ret == 0)
		ret = forget_in(job->marks, s, "_upshift_reject", err);
	if (ret == 0)
		ret = forget_in(end, s, "_upshift_range", err);
	return ret < 0 ? ret : forget_in(job->marks, s, "_upshift_range", err);
}

static int go_back(struct back *k, struct store *to, struct error *err)
{
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	_cleanup_free_ char *table = xasprintf("_upshift_undo_%s", k->job->id);
	struct records_state st;
	int ret = records_copy_state(k->job, to, &st, err);

	if (ret < 0 || !st.begun)
		return ret < 0 ? ret : drop(k->job, to, "undo", err);
	ret = store_columns(to, table, &cols, err);
	if (ret > 0)
		ret = by_undo_table(k, to, err);
	else if (ret == 0 && !k->job->undo && !k->job->sql_n)
		ret = by_source(k, to, err);
	return ret < 0 ? ret : forget(k->job, to, err);
}

int records_copy_undo(const struct records_job *job,
		      struct records_undone *ret, struct error *err)
{
	_cleanup_store_ struct store *to = NULL;
	_cleanup_error_ struct error why = ERROR_INIT;
	struct records_run run = { .job = job };
	struct back k = { .job = job, .out = ret, .w.run = &run };
	int r;

	memset(ret, 0, sizeof(*ret));
	records_pace_init(&k.w.pace, 0);
	r = records_open(&run, false, &to, &why);
	if (r == 0 && strcmp(store_scheme(to), "pg"))
		r = error_set(&why, ERR_STORE, -EOPNOTSUPP,
			      _("%s: rows cannot be taken back one by one"),
			      store_name(to));
	if (r == 0)
		r = go_back(&k, to, &why);
	strvec_release(&k.keys);
	store_batch_release(&k.w.rows);
	free(k.w.out.cell);
	free(k.w.bad_key);
	if (r < 0 && err)
		error_move(err, &why);
	return r;
}
