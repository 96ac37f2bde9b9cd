/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL, and engines that speak its protocol: no advisory locks, COPY
 * inside of a transaction only, temporary tables where there are some. Settings
 * of the session make the text of cells; nothing else relies on them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-pg-internal.h"

#define ROWS_A_STATEMENT 1000
#define PARAMETERS 60000
/* fewer are not worth a table */
#define ROWS_STAGED 50

static int pg_exec(struct store *s, const char *sql,
		   const struct store_batch *args, struct store_batch *b,
		   struct error *err)
{
	return pg_run((struct pg_store *)s, sql, args, NULL, STORE_EXEC_ROWS,
		      b, err);
}

static int run(struct store *s, const char *sql, struct error *err)
{
	int ret = pg_exec(s, sql, NULL, NULL, err);

	return MIN(ret, 0);
}

static int pg_begin(struct store *s, bool write, struct error *err)
{
	/* put wants to know, and inside it would be too late */
	if (write)
		(void)store_can(s, STORE_CAP_TEMP_TABLE);
	pg_kept_forget((struct pg_store *)s);
	/* several scans of one reader see one state */
	return run(s, write ? "BEGIN" :
		   "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
}

static int pg_commit(struct store *s, struct error *err)
{
	pg_kept_forget((struct pg_store *)s);
	return run(s, "COMMIT", err);
}

static void pg_abort(struct store *s)
{
	struct pg_store *p = (struct pg_store *)s;
	char state[sizeof(s->sqlstate)];

	pg_kept_forget(p);
	memcpy(state, s->sqlstate, sizeof(state));
	/* what it does not answer, the server rolls back on its own */
	if (!p->dead && PQtransactionStatus(p->c) != PQTRANS_IDLE &&
	    run(s, "ROLLBACK", NULL) < 0)
		p->dead = true;
	memcpy(s->sqlstate, state, sizeof(state));
}

/* Sorted before all others they would cost a sort of everything; an index has
   them at its other end. */
int pg_no_nulls(struct store *s, const struct store_shape *shape,
		struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct store_shape keys = *shape;
	int ret;

	keys.ncol = keys.nkey;
	strbuf_addstr(&sql, "SELECT ");
	store_sql_reads(&sql, &keys, 0, keys.nkey);
	strbuf_addstr(&sql, " FROM ");
	store_sql_set(&sql, shape->set);
	store_sql_where(&sql, shape, NULL, NULL);
	for (uint32_t i = 0; i < keys.nkey; i++) {
		strbuf_addstr(&sql, i ? " OR " :
			      shape->where ? " AND (" : " WHERE (");
		store_sql_reads(&sql, &keys, i, i + 1);
		strbuf_addstr(&sql, " IS NULL");
	}
	strbuf_addstr(&sql, ") LIMIT 1");
	store_batch_clear(&b, keys.nkey);
	ret = pg_run((struct pg_store *)s, sql.buf, NULL, &keys, 1, &b, err);
	return MIN(ret, 0);
}

static int pg_scan(struct store *s, const struct store_shape *shape,
		   const char *after, const char *until, uint32_t limit,
		   struct store_batch *b, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret = after ? 0 : pg_no_nulls(s, shape, err);

	if (ret == 0)
		ret = store_sql_range(s, shape, after, until, &args, err);
	if (ret < 0)
		return ret;
	store_sql_scan(&sql, shape, after, until, limit);
	return pg_run((struct pg_store *)s, sql.buf, &args, shape, limit, b,
		      err);
}

/* head, then ($1, $2), ($3, $4), ..., then tail: n cells of each row */
static int run_rows(struct store *s, const struct strbuf *head,
		    const char *tail, const struct store_batch *b,
		    uint32_t from, uint32_t to, uint32_t n, struct error *err)
{
	uint32_t most = MIN(ROWS_A_STATEMENT, MAX(PARAMETERS / n, 1));
	int changed = 0, ret;

	while (from < to) {
		_cleanup_store_batch_ struct store_batch args =
			STORE_BATCH_INIT;
		_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
		uint32_t rows = MIN(to - from, most);

		strbuf_add(&sql, head->buf, head->len);
		store_batch_clear(&args, n);
		for (uint32_t i = 0; i < rows * n; i++) {
			const struct store_cell *c = store_batch_cell(b,
				from + i / n, i % n);
			const char *p = store_batch_text(b, c);

			store_batch_add(&args, c->type, p,
					p ? (size_t)c->len : 0);
			strbuf_addf(&sql, "%s$%u%s", i % n ? ", " :
				    i ? ", (" : "(", i + 1,
				    i % n == n - 1 ? ")" : "");
		}
		strbuf_addstr(&sql, tail);
		ret = pg_exec(s, sql.buf, &args, NULL, err);
		if (ret < 0)
			return ret;
		changed += ret;
		from += rows;
	}
	return changed;
}

/* k: the rows are packed; else NULL */
static int copy_in(struct store *s, const struct store_pack *k,
		   const char *set, const struct store_shape *shape,
		   const struct store_batch *b, uint32_t from, uint32_t n,
		   struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct pg_store *p = (struct pg_store *)s;
	int taken = 0, ret;
	uint32_t sent = 0;

	if (k)
		return pg_copy_packed(p, k, set, shape, b, from, n, err);
	if (p->typed && n >= ROWS_STAGED)
		taken = pg_copy_typed(p, set, shape, b, from, n, &sent, err);
	if (taken < 0 || sent == n)
		return taken;
	from += sent;
	n -= sent;
	strbuf_addstr(&sql, "COPY ");
	store_sql_set(&sql, set);
	strbuf_addstr(&sql, " (");
	store_sql_names(&sql, shape, 0, shape->ncol);
	strbuf_addstr(&sql, ") FROM STDIN");
	ret = pg_copy_in(p, sql.buf, b, from, n, err);
	return ret < 0 ? ret : taken + ret;
}

/* INSERT INTO set (names) and a blank. Numbers that the server gives are taken
   as they come, as COPY takes them; CockroachDB has no words for it. */
static void add_insert(const struct store *s, struct strbuf *sb,
		       const struct store_shape *shape)
{
	const struct pg_store *p = (const struct pg_store *)s;

	strbuf_addstr(sb, "INSERT INTO ");
	store_sql_set(sb, shape->set);
	strbuf_addstr(sb, " (");
	store_sql_names(sb, shape, 0, shape->ncol);
	strbuf_addstr(sb, PQparameterStatus(p->c, "crdb_version") ? ") " :
		      ") OVERRIDING SYSTEM VALUE ");
}

/*
 * A temporary table with the columns of the shape, empty, made once in a
 * session: a transaction that fails takes it away, so it may have to be made
 * again.
 */
static int make_stage(struct store *s, const struct store_shape *shape,
		      char *name, size_t size, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf cols = STRBUF_INIT;
	int ret;

	store_sql_names(&cols, shape, 0, shape->ncol);
	strbuf_addstr(&sql, shape->set);
	strbuf_add(&sql, cols.buf, cols.len);
	(void)snprintf(name, size, "_upshift_stage_%016" PRIx64,
		       store_md5_half(sql.buf, sql.len));
	strbuf_clear(&sql);
	strbuf_addf(&sql, "CREATE TEMP TABLE IF NOT EXISTS %s ON COMMIT "
		    "DELETE ROWS AS SELECT %s FROM ", name, cols.buf);
	store_sql_set(&sql, shape->set);
	strbuf_addstr(&sql, " WITH NO DATA");
	ret = run(s, sql.buf, err);
	if (ret < 0)
		return ret;
	strbuf_clear(&sql);
	strbuf_addf(&sql, "DELETE FROM pg_temp.%s", name);
	return run(s, sql.buf, err);
}

static int put_staged(struct store *s, const struct store_pack *k,
		      const struct store_shape *shape,
		      const struct store_batch *b, uint32_t from, uint32_t n,
		      enum store_conflict how, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_free_ char *set = NULL;
	char name[48];
	int ret = make_stage(s, shape, name, sizeof(name), err);

	if (ret < 0)
		return ret;
	set = xasprintf("pg_temp.%s", name);
	ret = copy_in(s, k, set, shape, b, from, n, err);
	if (ret < 0)
		return ret;
	add_insert(s, &sql, shape);
	strbuf_addstr(&sql, "SELECT ");
	store_sql_names(&sql, shape, 0, shape->ncol);
	strbuf_addf(&sql, " FROM %s", set);
	store_sql_conflict(&sql, shape, how);
	return pg_exec(s, sql.buf, NULL, NULL, err);
}

static int pg_put(struct store *s, const struct store_shape *shape,
		  const struct store_batch *b, uint32_t from, uint32_t n,
		  enum store_conflict how, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf tail = STRBUF_INIT;
	/* every engine of the kind has it inside of a transaction */
	bool copy = !(s->taken & STORE_CAP_COPY);
	int ret = pg_refuse_lost((struct pg_store *)s, shape, b, from, n, err);

	if (ret < 0)
		return ret;
	if (how == STORE_ERROR && copy)
		return copy_in(s, NULL, shape->set, shape, b, from, n, err);
	if (n >= ROWS_STAGED && copy && store_can(s, STORE_CAP_TEMP_TABLE))
		return put_staged(s, NULL, shape, b, from, n, how, err);
	add_insert(s, &sql, shape);
	strbuf_addstr(&sql, "VALUES ");
	store_sql_conflict(&tail, shape, how);
	return run_rows(s, &sql, tail.buf, b, from, from + n, shape->ncol,
			err);
}

static int pg_put_packed(struct store *s, const struct store_pack *k,
			 const struct store_shape *shape,
			 const struct store_batch *b, uint32_t from,
			 uint32_t n, enum store_conflict how,
			 struct error *err)
{
	if (how == STORE_ERROR)
		return copy_in(s, k, shape->set, shape, b, from, n, err);
	return put_staged(s, k, shape, b, from, n, how, err);
}

static int pg_del(struct store *s, const struct store_shape *shape,
		  const struct store_batch *b, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "DELETE FROM ");
	store_sql_set(&sql, shape->set);
	strbuf_addstr(&sql, " WHERE (");
	store_sql_names(&sql, shape, 0, shape->nkey);
	strbuf_addstr(&sql, ") IN (");
	return run_rows(s, &sql, ")", b, 0, b->nrow, shape->nkey, err);
}

static int pg_columns(struct store *s, const char *set,
		      struct store_batch *b, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;

	store_sql_set(&name, set);
	store_batch_clear(&args, 1);
	store_batch_add(&args, STORE_TEXT, name.buf, name.len);
	return pg_exec(s, "SELECT a.attname, format_type(a.atttypid, "
		"a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), "
		"coalesce((SELECT u.n FROM unnest(i.indkey::int2[]) WITH "
		"ORDINALITY AS u(k, n) WHERE u.k = a.attnum), 0) "
		"FROM pg_attribute a LEFT JOIN pg_attrdef d ON "
		"d.adrelid = a.attrelid AND d.adnum = a.attnum "
		"LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND "
		"i.indisprimary WHERE a.attrelid = to_regclass($1) AND "
		"a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' "
		"ORDER BY a.attnum", &args, b, err);
}

const struct store_ops store_pg_ops = {
	.scheme = "pg",
	.caps = STORE_CAP_SQL,
	.now_s = "extract(epoch FROM clock_timestamp())::bigint",
	.probe = pg_probe,
	.digest = pg_digest,
	.open = pg_open,
	.close = pg_close,
	.rest = pg_rest,
	.again = pg_again,
	.begin = pg_begin,
	.commit = pg_commit,
	.abort = pg_abort,
	.scan = pg_scan,
	.put = pg_put,
	.pack = pg_pack,
	.typed = pg_typed,
	.scan_packed = pg_scan_packed,
	.put_packed = pg_put_packed,
	.moves = pg_moves,
	.moves_still = pg_moves_still,
	.keeps = pg_keeps,
	.kinds = pg_kinds,
	.del = pg_del,
	.mark = store_sql_mark,
	.marks = store_sql_marks,
	.columns = pg_columns,
	.exec = pg_exec,
	.split = store_sql_split,
	.copy_out = pg_copy_out,
	.copy_in = pg_copy_stream,
	.reach = pg_reach,
};
