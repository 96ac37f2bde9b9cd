/* SPDX-License-Identifier: MIT */
/*
 * What it takes to go back, written in the transaction of the batch; for
 * PostgreSQL. _upshift_undo_ID has a row for each key that the job has brought
 * or changed:
 *
 *	upshift_had	it was there before; the columns are as they were
 *	upshift_md5	of the whole row as the job left it; empty: it has
 *			deleted it
 *
 * The first pre-image of a key is the one that counts, the last digest too.
 * A copy names the keys of its batch as one JSON text; a backfill has a range.
 *
 * What a copy has written into a plain table without triggers it finds again
 * behind the put without their keys: between the first and the last of them,
 * those rows that this transaction has made. That are just as many as the put
 * says, or the batch is undone and goes by its keys; for instance where the
 * keys have another order than in the source.
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-text.h"
#include "records-copy-internal.h"
#include "store-sql.h"

enum { BEFORE, AFTER, UNCHANGED, GONE, FORGET, OWN, OWN_UNCHANGED };
#define DIGESTS ") SELECT false, md5((t.*)::text), "

int records_types_load(struct store *s, const struct store_shape *shape,
		       struct strvec *types, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n = store_columns(s, shape->set, &b, err);

	if (n < 0)
		return n;
	for (uint32_t i = 0; i < shape->ncol; i++) {
		bool found = false;

		for (uint32_t row = 0; !found && row < b.nrow; row++) {
			_cleanup_free_ char *name =
				records_cell_text(&b, row, 0);

			found = !strcmp(name, shape->col[i]);
			if (found)
				strvec_take(types,
					    records_cell_text(&b, row, 1));
		}
		if (!found)
			return error_set(err, ERR_STORE, -EINVAL,
				_("%s: '%s' has no column '%s'"),
				store_name(s), shape->set, shape->col[i]);
	}
	return 0;
}

void records_undo_table(const struct records_job *job, const char *prefix,
			struct strbuf *out)
{
	_cleanup_free_ char *name = xasprintf("_upshift_%s_%s", prefix,
					      job->id);

	store_sql_name(out, name);
}

void records_undo_create(const struct records_job *job, const char *prefix,
			 const struct strvec *types, struct strbuf *out)
{
	strbuf_addstr(out, "CREATE TABLE IF NOT EXISTS ");
	records_undo_table(job, prefix, out);
	strbuf_addstr(out, " (upshift_had boolean, upshift_md5 text");
	for (uint32_t i = 0; i < job->to.ncol; i++) {
		strbuf_addstr(out, ", ");
		store_sql_name(out, job->to.col[i]);
		strbuf_addf(out, " %s", types->v[i]);
	}
	strbuf_addstr(out, ", PRIMARY KEY (");
	store_sql_names(out, &job->to, 0, job->to.nkey);
	strbuf_addstr(out, "))");
}

/* ALIAS."a", ALIAS."b" */
void records_undo_names(const struct store_shape *shape, const char *alias,
			uint32_t n, struct strbuf *out)
{
	for (uint32_t i = 0; i < n; i++) {
		strbuf_addf(out, "%s%s.", i ? ", " : "", alias);
		store_sql_name(out, shape->col[i]);
	}
}

void records_undo_join(const struct store_shape *shape, const char *a,
		       const char *b, struct strbuf *out)
{
	strbuf_addch(out, '(');
	records_undo_names(shape, a, shape->nkey, out);
	strbuf_addstr(out, ") = (");
	records_undo_names(shape, b, shape->nkey, out);
	strbuf_addch(out, ')');
}

/* the rows of the batch: by their keys, or by their range */
static void add_batch(const struct records_job *job, const char *alias,
		      const struct strvec *types, struct strbuf *out)
{
	uint32_t nkey = job->to.nkey;

	if (!job->sql_n) {
		strbuf_addch(out, '(');
		records_undo_names(&job->to, alias, nkey, out);
		strbuf_addstr(out, ") IN (SELECT ");
		for (uint32_t i = 0; i < nkey; i++)
			strbuf_addf(out, "%s(j.v->>%u)::%s", i ? ", " : "", i,
				    types->v[i]);
		strbuf_addstr(out,
			      " FROM json_array_elements($1::json) j(v))");
		return;
	}
	strbuf_addf(out, "($1::%s IS NULL OR (", types->v[0]);
	records_undo_names(&job->to, alias, nkey, out);
	for (uint32_t i = 0; i < nkey; i++)
		strbuf_addf(out, "%s$%u::%s", i ? ", " : ") > (", i + 1,
			    types->v[i]);
	strbuf_addstr(out, ")) AND (");
	records_undo_names(&job->to, alias, nkey, out);
	for (uint32_t i = 0; i < nkey; i++)
		strbuf_addf(out, "%s$%u::%s", i ? ", " : ") <= (",
			    nkey + i + 1, types->v[i]);
	strbuf_addch(out, ')');
}

/* what is there: all of it before the put; behind it the digest of what is new,
   and of what became of the old */
static void insert_sql(const struct records_job *job, int when,
		       const struct strvec *types, struct strbuf *out)
{
	uint32_t n = when == BEFORE ? job->to.ncol : job->to.nkey;

	strbuf_addstr(out, "INSERT INTO ");
	records_undo_table(job, "undo", out);
	strbuf_addstr(out, when == BEFORE ? " (upshift_had, " :
		      " (upshift_had, upshift_md5, ");
	store_sql_names(out, &job->to, 0, n);
	strbuf_addstr(out, when == BEFORE ? ") SELECT true, " :
		      DIGESTS);
	records_undo_names(&job->to, "t", n, out);
	strbuf_addstr(out, " FROM ");
	store_sql_set(out, job->to.set);
	strbuf_addstr(out, " t WHERE ");
	add_batch(job, "t", types, out);
	strbuf_addstr(out, " ON CONFLICT ");
	if (when == BEFORE || job->conflict == STORE_SKIP) {
		strbuf_addstr(out, "DO NOTHING");
		return;
	}
	strbuf_addch(out, '(');
	store_sql_names(out, &job->to, 0, job->to.nkey);
	strbuf_addstr(out, ") DO UPDATE SET upshift_md5 = "
		      "excluded.upshift_md5");
}

/* " AND from one key to another" */
static void add_range(const struct records_job *job, const char *alias,
		      const struct strvec *types, struct strbuf *out)
{
	uint32_t nkey = job->to.nkey;

	for (uint32_t n = 1; n <= nkey + 1; n += nkey) {
		strbuf_addstr(out, " AND (");
		records_undo_names(&job->to, alias, nkey, out);
		strbuf_addstr(out, n == 1 ? ") >= (" : ") <= (");
		for (uint32_t i = 0; i < nkey; i++)
			strbuf_addf(out, "%s$%u::%s", i ? ", " : "", n + i,
				    types->v[i]);
		strbuf_addch(out, ')');
	}
}

/* the digests of what this transaction has made */
static void own_sql(const struct records_job *job, const struct strvec *types,
		    struct strbuf *out)
{
	uint32_t nkey = job->to.nkey;

	strbuf_addstr(out, "INSERT INTO ");
	records_undo_table(job, "undo", out);
	strbuf_addstr(out, " (upshift_had, upshift_md5, ");
	store_sql_names(out, &job->to, 0, nkey);
	strbuf_addstr(out, DIGESTS);
	records_undo_names(&job->to, "t", nkey, out);
	strbuf_addstr(out, " FROM ");
	store_sql_set(out, job->to.set);
	strbuf_addstr(out, " t WHERE t.xmin = (SELECT (txid_current() % "
		      "4294967296)::text::xid)");
	add_range(job, "t", types, out);
	strbuf_addstr(out, " ON CONFLICT (");
	store_sql_names(out, &job->to, 0, nkey);
	strbuf_addstr(out, ") DO UPDATE SET upshift_md5 = "
		      "excluded.upshift_md5");
}

/* rows of the set are made by who puts them there, and by nobody else */
static bool finds_own(const struct records_job *job, struct store *to)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	const char *arg;

	if (job->sql_n || job->hidden ||
	    store_can(to, STORE_CAP_SERIALIZABLE))
		return false;
	store_sql_set(&name, job->to.set);
	arg = name.buf;
	return store_exec_text(to, "SELECT 1 FROM pg_class c WHERE c.oid = "
		"to_regclass($1) AND c.relkind = 'r' AND NOT c.relhassubclass "
		"AND NOT EXISTS (SELECT 1 FROM pg_trigger g WHERE "
		"g.tgrelid = c.oid AND NOT g.tgisinternal)", &arg, 1, &b,
		NULL) == 1;
}

/* pre-images of what stayed as it was are of no use */
static void unchanged_sql(const struct records_job *job, bool own,
			  const struct strvec *types, struct strbuf *out)
{
	strbuf_addstr(out, "DELETE FROM ");
	records_undo_table(job, "undo", out);
	strbuf_addstr(out, " u USING ");
	store_sql_set(out, job->to.set);
	strbuf_addstr(out, " t WHERE u.upshift_had AND ");
	records_undo_join(&job->to, "u", "t", out);
	if (own) {
		add_range(job, "u", types, out);
	} else {
		strbuf_addstr(out, " AND ");
		add_batch(job, "u", types, out);
	}
	if (job->conflict == STORE_SKIP && !job->sql_n) {
		strbuf_addstr(out, " AND u.upshift_md5 IS NULL");
		return;
	}
	strbuf_addstr(out, " AND (");
	records_undo_names(&job->to, "u", job->to.ncol, out);
	strbuf_addstr(out, ")::text = (");
	records_undo_names(&job->to, "t", job->to.ncol, out);
	strbuf_addstr(out, ")::text");
}

/* of rows that go: the pre-images of those that were there stay */
static void gone_sql(const struct records_job *job, bool forget,
		     const struct strvec *types, struct strbuf *out)
{
	strbuf_addstr(out, forget ? "DELETE FROM " : "UPDATE ");
	records_undo_table(job, "undo", out);
	strbuf_addf(out, " u %sWHERE %su.upshift_had AND ",
		    forget ? "" : "SET upshift_md5 = '' ",
		    forget ? "NOT " : "");
	add_batch(job, "u", types, out);
}

int records_undo_setup(struct records_run *run, struct store *to,
		       struct error *err)
{
	_cleanup_strvec_ struct strvec types = STRVEC_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_free_ char *name = NULL;
	const struct records_job *job = run->job;
	int ret;

	if (!store_is_pg(to))
		return 0;
	records_undo_release(run);
	ret = records_types_load(to, &job->to, &types, err);
	if (ret < 0)
		return ret;
	name = xasprintf("_upshift_undo_%s", job->id);
	records_undo_create(job, "undo", &types, &sql);
	ret = records_make_table(to, name, sql.buf, err);
	if (ret < 0)
		return ret;
	run->undo = true;
	for (int i = 0; i < RECORDS_UNDO_SQL; i++) {
		struct strbuf sb = STRBUF_INIT;

		if (i == BEFORE && job->conflict == STORE_ERROR && !job->sql_n)
			continue;
		if (i == OWN && !finds_own(job, to))
			break;
		if (i == BEFORE || i == AFTER)
			insert_sql(job, i, &types, &sb);
		else if (i == OWN)
			own_sql(job, &types, &sb);
		else if (i == OWN_UNCHANGED)
			unchanged_sql(job, true, &types, &sb);
		else if (i >= GONE && !job->sql_n)
			gone_sql(job, i == FORGET, &types, &sb);
		else if (i >= GONE)
			continue;
		else if (job->conflict != STORE_ERROR || job->sql_n)
			unchanged_sql(job, false, &types, &sb);
		else
			continue;
		run->undo_sql[i] = strbuf_detach(&sb);
	}
	return 0;
}

void records_undo_release(struct records_run *run)
{
	for (int i = 0; i < RECORDS_UNDO_SQL; i++) {
		free(run->undo_sql[i]);
		run->undo_sql[i] = NULL;
	}
	run->undo = false;
}

/* [["1","a"],["2","b"]] */
static void keys_json(const struct store_batch *b, uint32_t nkey,
		      uint32_t from, uint32_t n, struct strbuf *out)
{
	for (uint32_t row = from; row < from + n; row++) {
		strbuf_addstr(out, row > from ? ",[" : "[[");
		for (uint32_t i = 0; i < nkey; i++) {
			const struct store_cell *c =
				store_batch_cell(b, row, i);

			if (i)
				strbuf_addch(out, ',');
			if (c->len < 0)
				strbuf_addstr(out, "null");
			else
				json_text_encode(b->buf + c->off,
						 (size_t)c->len, out);
		}
		strbuf_addch(out, ']');
	}
	strbuf_addch(out, ']');
}

static int run_undo(struct records_worker *w, int which, uint32_t from,
		    uint32_t n, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf keys = STRBUF_INIT;
	const char *sql = w->run->undo_sql[which];
	int ret;

	if (!sql)
		return 0;
	if (w->run->job->sql_n) {
		ret = records_range_args(w, from, n, &args, err);
		if (ret < 0)
			return ret;
	} else {
		keys_json(&w->out, w->run->job->to.nkey, from, n, &keys);
		store_batch_clear(&args, 1);
		store_batch_add(&args, STORE_TEXT, keys.buf, keys.len);
	}
	return store_exec(w->to, sql, &args, NULL, err);
}

int records_undo_before(struct records_worker *w, uint32_t from, uint32_t n,
			struct error *err)
{
	int ret = run_undo(w, BEFORE, from, n, err);

	return MIN(ret, 0);
}

/* the first key of what was put and the last one; of what was moved rows is the
   last, and the one before the first is nothing that was made */
static int own_range(struct records_worker *w, uint32_t from, uint32_t n,
		     struct store_batch *args, struct error *err)
{
	uint32_t nkey = w->run->job->from.nkey;

	if (w->span)
		return records_range_args(w, 0, 1, args, err);
	store_batch_clear(args, nkey);
	for (uint32_t i = 0; i < 2 * nkey; i++) {
		const struct store_cell *c = store_batch_cell(&w->rows,
			i < nkey ? from : from + n - 1, i % nkey);

		store_batch_add(args, (enum store_type)c->type,
				store_batch_text(&w->rows, c), (size_t)c->len);
	}
	args->ncol = (uint32_t)args->ncell;
	args->nrow = 1;
	return 0;
}

bool records_undo_is_own(const struct records_worker *w)
{
	return w->run->undo_sql[OWN] && !w->by_keys;
}

int records_undo_put_before(struct records_worker *w, uint32_t from,
			    uint32_t n, bool *had, struct error *err)
{
	int ret = 0;

	/* what is there stays, and is none of those that this makes */
	if (!records_undo_is_own(w) || w->run->job->conflict != STORE_SKIP)
		ret = run_undo(w, BEFORE, from, n, err);
	*had = ret > 0;
	return MIN(ret, 0);
}

int records_undo_put_after(struct records_worker *w, uint32_t from, uint32_t n,
			   int changed, bool had, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	int ret;

	if (!records_undo_is_own(w))
		return records_undo_after(w, from, n, err);
	ret = own_range(w, from, n, &args, err);
	if (ret == 0)
		ret = store_exec(w->to, w->run->undo_sql[OWN], &args, NULL,
				 err);
	if (ret >= 0 && ret != changed) {
		w->by_keys = w->redo = true;
		w->moves = w->packs = false;
		return -EBADMSG;
	}
	if (ret >= 0 && had)
		ret = store_exec(w->to, w->run->undo_sql[OWN_UNCHANGED], &args,
				 NULL, err);
	return MIN(ret, 0);
}

int records_undo_after(struct records_worker *w, uint32_t from, uint32_t n,
		       struct error *err)
{
	int ret = run_undo(w, AFTER, from, n, err);

	if (ret >= 0)
		ret = run_undo(w, UNCHANGED, from, n, err);
	return MIN(ret, 0);
}

static void none_newer(const struct records_job *job,
		       const struct strvec *newer, struct strbuf *out)
{
	for (size_t i = 0; i < newer->n; i++) {
		_cleanup_free_ char *name = xasprintf("_upshift_undo_%s",
						      newer->v[i]);

		strbuf_addstr(out, " AND NOT EXISTS (SELECT FROM ");
		store_sql_name(out, name);
		strbuf_addstr(out, " n WHERE ");
		records_undo_join(&job->to, "n", "u", out);
		strbuf_addch(out, ')');
	}
}

char *records_copy_is_one(const struct records_job *job, const char *table,
			  bool left)
{
	struct strbuf sql = STRBUF_INIT;

	strbuf_addf(&sql, "EXISTS (SELECT FROM %s u WHERE ", table);
	records_undo_join(&job->to, "u", "t", &sql);
	strbuf_addstr(&sql, left ? " AND u.upshift_md5 = "
		      "md5((t.*)::text))" : ")");
	return strbuf_detach(&sql);
}

int records_copy_left(const struct records_job *job, struct store *to,
		      const struct strvec *newer, struct records_left *ret,
		      struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int n;

	strbuf_addstr(&sql, "SELECT count(*) FILTER (WHERE same AND NOT had), "
		      "count(*) FILTER (WHERE same AND had), count(*) FILTER "
		      "(WHERE NOT same AND (there OR had AND NOT gone) AND "
		      "mine) FROM (SELECT u.upshift_had AS had, "
		      "u.upshift_md5 IS NOT DISTINCT FROM '' AS gone, true");
	none_newer(job, newer, &sql);
	strbuf_addstr(&sql, " AS mine, t.");
	store_sql_name(&sql, job->to.col[0]);
	strbuf_addstr(&sql, " IS NOT NULL AS there, coalesce(md5((t.*)::text) = "
		      "u.upshift_md5, false) AS same FROM ");
	records_undo_table(job, "undo", &sql);
	strbuf_addstr(&sql, " u LEFT JOIN ");
	store_sql_set(&sql, job->to.set);
	strbuf_addstr(&sql, " t ON ");
	records_undo_join(&job->to, "t", "u", &sql);
	strbuf_addstr(&sql, ") r");
	n = store_exec(to, sql.buf, NULL, &b, err);
	if (n <= 0)
		return n;
	ret->brought = records_cell_number(&b, 0, 0);
	ret->changed = records_cell_number(&b, 0, 1);
	ret->others = records_cell_number(&b, 0, 2);
	return 0;
}

int records_undo_gone(struct records_worker *w, const struct store_batch *b,
		      bool after, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf keys = STRBUF_INIT;
	int ret = 0;

	keys_json(b, w->run->job->to.nkey, 0, b->nrow, &keys);
	store_batch_clear(&args, 1);
	store_batch_add(&args, STORE_TEXT, keys.buf, keys.len);
	for (int i = after ? GONE : BEFORE; ret >= 0 &&
	     i <= (after ? FORGET : BEFORE); i++)
		if (w->run->undo_sql[i])
			ret = store_exec(w->to, w->run->undo_sql[i], &args,
					 NULL, err);
	return MIN(ret, 0);
}
