/* SPDX-License-Identifier: MIT */
/*
 * SQLite. A database that was made here is in WAL mode, one that was there
 * keeps the mode it has; every commit is on the disk when it returns. Writers
 * take the one write lock at once (BEGIN IMMEDIATE), so that waiting for it is
 * the only wait. The file is opened by the path that its directory has at that
 * moment, never through a symbolic link.
 * Source: https://www.sqlite.org/pragma.html#pragma_synchronous, /rescode.html
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-sqlite-error.h"
#include "store-sqlite-internal.h"

#define OPS_BETWEEN_TICKS 4000
#define LONGEST_NAP_MS 50
/* 16 MiB: rows that are read by a key lie anywhere, but the inner pages of their
   tree, a hundredth of it, should stay */
#define CACHE_SQL "PRAGMA cache_size = -16384"
/* pages of a write-ahead log, before they go to their places */
#define WAL_PAGES 8192

static int on_progress(void *ctx)
{
	struct sqlite_store *q = ctx;

	/* it goes on */
	store_clock_held(&q->clock, NULL);
	return store_clock_stop(&q->clock);
}

static int on_busy(void *ctx, int count)
{
	struct sqlite_store *q = ctx;
	uint64_t now = clock_mono_ns();

	if (count == 0) {
		q->lock_until = now + (uint64_t)q->lock_ms * 1000000;
		store_clock_watch(&q->clock);
	}
	if (store_clock_looks(&q->clock))
		store_clock_held(&q->clock, sqlite_held(q->db));
	if (now >= q->lock_until || store_clock_stop(&q->clock))
		return 0;
	(void)sqlite3_sleep(MIN(1 << MIN(count, 6), LONGEST_NAP_MS));
	return 1;
}

/* No other files than this one; VACUUM attaches '' itself. */
static int on_authorize(_unused_ void *ctx, int action, const char *file,
			_unused_ const char *b, _unused_ const char *c,
			_unused_ const char *d)
{
	if (action == SQLITE_ATTACH && (!file || *file))
		return SQLITE_DENY;
	return SQLITE_OK;
}

/* what the last call on the database said */
int sqlite_failed(struct sqlite_store *q, struct error *err)
{
	int rc = sqlite3_extended_errcode(q->db);

	if (q->clock.cancelled)
		return error_set(err, ERR_CANCELLED, -ECANCELED,
				 _("%s: cancelled"), q->s.name);
	(void)snprintf(q->s.sqlstate, sizeof(q->s.sqlstate), "%s",
		       q->clock.late ? "57014" : store_sqlite_state(rc));
	if (q->clock.late)
		return error_set(err, ERR_STORE, -E2BIG,
			_("%s: a statement took longer than %u ms"),
			q->s.name, q->statement_ms);
	if (store_sqlite_errno(rc) == -ENOSPC)
		return error_errno(err, ERR_STORE, -ENOSPC, "%s", q->s.name);
	if (rc == SQLITE_READONLY_ROLLBACK)
		return error_set(err, ERR_STORE, -EROFS,
			_("%s: whoever wrote to it last was stopped in the "
			  "middle, and it is only read here"), q->s.name);
	if ((rc & 0xff) == SQLITE_IOERR && store_sqlite_os_error(q->db)) {
		(void)error_errno(err, ERR_STORE,
				  -store_sqlite_os_error(q->db), "%s: %s",
				  q->s.name, sqlite3_errmsg(q->db));
		return -EIO;
	}
	if (q->clock.held && (rc & 0xff) == SQLITE_BUSY)
		return error_set(err, ERR_STORE, store_sqlite_errno(rc),
				 _("%s: %s, waiting for %s"), q->s.name,
				 sqlite3_errmsg(q->db), q->clock.held);
	return error_set(err, ERR_STORE, store_sqlite_errno(rc), "%s: %s",
			 q->s.name, sqlite3_errmsg(q->db));
}

int sqlite_prepare(struct sqlite_store *q, const char *sql,
		   sqlite3_stmt **ret, struct error *err)
{
	const char *tail;

	store_clock_start(&q->clock, q->statement_ms);
	if (sqlite3_prepare_v2(q->db, sql, -1, ret, &tail) != SQLITE_OK)
		return sqlite_failed(q, err);
	tail += strspn(tail, " \t\r\n;");
	if (!*ret || *tail)
		return error_set(err, ERR_STORE, -EINVAL,
			_("%s: one statement at a time, not '%.40s'"),
			q->s.name, sql);
	return 0;
}

/* $1 is a name to SQLite, so parameters go by what they are called */
static int bind_args(struct sqlite_store *q, sqlite3_stmt *stmt,
		     const struct store_batch *args, struct error *err)
{
	for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
		const char *name = sqlite3_bind_parameter_name(stmt, i);
		int arg = name ? atoi(name + 1) : i;

		if (!args || arg < 1 || (uint32_t)arg > args->ncol)
			return error_set(err, ERR_STORE, -EINVAL,
				_("%s: no value for parameter '%s'"),
				q->s.name, name ? name : "?");
		if (sqlite_bind_cell(stmt, i, args, &args->cell[arg - 1]) !=
		    SQLITE_OK)
			return sqlite_failed(q, err);
	}
	return 0;
}

/* every row into b; shape: of a scan, whose keys are looked at */
static int fetch(struct sqlite_store *q, sqlite3_stmt *stmt,
		 const struct store_shape *shape, uint32_t limit,
		 struct store_batch *b, struct error *err)
{
	int n = sqlite3_column_count(stmt), rc, ret;
	uint32_t got = 0;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (++got > limit)
			return error_set(err, ERR_STORE, -E2BIG,
				_("%s: a statement gave more than %u rows"),
				q->s.name, limit);
		for (int i = 0; b && i < n; i++)
			sqlite_add_column(b, stmt, i);
		ret = shape ? store_check_key(&q->s, shape, b, err) : 0;
		if (ret < 0)
			return ret;
		if (shape && store_scan_full(&q->s, b))
			return (int)got - 1;
	}
	return rc == SQLITE_DONE ? (int)got : sqlite_failed(q, err);
}

static int sqlite_exec(struct store *s, const char *sql,
		       const struct store_batch *args, struct store_batch *b,
		       struct error *err)
{
	struct sqlite_store *q = (struct sqlite_store *)s;
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int before = sqlite3_total_changes(q->db);
	int ret = sqlite_prepare(q, sql, &stmt, err);

	if (ret == 0)
		ret = bind_args(q, stmt, args, err);
	if (ret < 0)
		return ret;
	if (b)
		store_batch_clear(b, (uint32_t)sqlite3_column_count(stmt));
	ret = fetch(q, stmt, NULL, STORE_EXEC_ROWS, b, err);
	if (ret < 0 || sqlite3_column_count(stmt))
		return ret;
	/* sqlite3_changes() speaks of the last statement that changed rows */
	return sqlite3_total_changes(q->db) == before ? 0 :
	       sqlite3_changes(q->db);
}

static int run(struct store *s, const char *sql, struct error *err)
{
	int ret = sqlite_exec(s, sql, NULL, NULL, err);

	return MIN(0, ret);
}

static int sqlite_begin(struct store *s, bool write, struct error *err)
{
	return run(s, write ? "BEGIN IMMEDIATE" : "BEGIN", err);
}

static int sqlite_commit(struct store *s, struct error *err)
{
	return run(s, "COMMIT", err);
}

static void sqlite_abort(struct store *s)
{
	struct sqlite_store *q = (struct sqlite_store *)s;

	/* an interrupted statement took the transaction with it; a rollback
	   that fails is done by whoever opens the database next */
	store_clock_start(&q->clock, q->statement_ms);
	(void)sqlite3_progress_handler(q->db, 0, NULL, NULL);
	if (!sqlite3_get_autocommit(q->db))
		(void)sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
	(void)sqlite3_progress_handler(q->db, OPS_BETWEEN_TICKS, on_progress,
				       q);
}

int sqlite_prepare_scan(struct sqlite_store *q,
			const struct store_shape *shape, const char *after,
			const char *until, uint32_t limit,
			struct store_batch *args, sqlite3_stmt **ret,
			struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int r = store_sql_range(&q->s, shape, after, until, args, err);

	if (r < 0)
		return r;
	store_sql_scan(&sql, shape, after, until, limit);
	r = sqlite_prepare(q, sql.buf, ret, err);
	return r < 0 ? r : bind_args(q, *ret, args, err);
}

static int sqlite_scan(struct store *s, const struct store_shape *shape,
		       const char *after, const char *until, uint32_t limit,
		       struct store_batch *b, struct error *err)
{
	struct sqlite_store *q = (struct sqlite_store *)s;
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int ret = sqlite_prepare_scan(q, shape, after, until, limit, &args,
				      &stmt, err);

	return ret < 0 ? ret : fetch(q, stmt, shape, limit, b, err);
}

enum rows { ROWS_PUT, ROWS_PACKED, ROWS_DELETED };

/* 1: the row cannot be there, so that it need not go */
static int bind_row(struct sqlite_store *q, sqlite3_stmt *stmt,
		    const struct store_shape *shape,
		    const unsigned char *affinity, const struct store_batch *b,
		    uint32_t row, enum rows what, struct error *err)
{
	bool put = what != ROWS_DELETED;
	uint32_t at;

	if (what == ROWS_PACKED)
		return sqlite_bind_packed(stmt, affinity, b, row, shape->ncol,
					  &at) == SQLITE_OK ? 0 :
			store_not_kept(&q->s, shape->col[at], err);
	for (uint32_t i = 0; i < (put ? shape->ncol : shape->nkey); i++)
		if (sqlite_bind_kept(stmt, (int)i + 1, affinity[i], b,
				     store_batch_cell(b, row, i)))
			return put ? store_not_kept(&q->s, shape->col[i], err) :
				1;
	return 0;
}

/* the statement once for each row: with all of its cells, or with its key */
static int run_rows(struct sqlite_store *q, const char *sql,
		    const struct store_shape *shape,
		    const struct store_batch *b, uint32_t from, uint32_t to,
		    enum rows what, struct error *err)
{
	_cleanup_free_ unsigned char *affinity = sqlite_affinities(q->db,
								   shape);
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int ret = sqlite_prepare(q, sql, &stmt, err), changed = 0;

	for (uint32_t row = from; ret >= 0 && row < to; row++) {
		ret = bind_row(q, stmt, shape, affinity, b, row, what, err);
		if (ret)
			continue;
		if (sqlite3_step(stmt) != SQLITE_DONE)
			return sqlite_failed(q, err);
		changed += sqlite3_changes(q->db);
		(void)sqlite3_reset(stmt); /* as the step said */
	}
	return ret < 0 ? ret : changed;
}

static int put_rows(struct store *s, const struct store_shape *shape,
		    const struct store_batch *b, uint32_t from, uint32_t n,
		    enum store_conflict how, enum rows what,
		    struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "INSERT INTO ");
	store_sql_set(&sql, shape->set);
	strbuf_addstr(&sql, " (");
	store_sql_names(&sql, shape, 0, shape->ncol);
	for (uint32_t i = 1; i <= shape->ncol; i++)
		strbuf_addf(&sql, "%s?%u", i > 1 ? ", " : ") VALUES (", i);
	strbuf_addch(&sql, ')');
	store_sql_conflict(&sql, shape, how);
	return run_rows((struct sqlite_store *)s, sql.buf, shape, b, from,
			from + n, what, err);
}

static int sqlite_put(struct store *s, const struct store_shape *shape,
		      const struct store_batch *b, uint32_t from, uint32_t n,
		      enum store_conflict how, struct error *err)
{
	return put_rows(s, shape, b, from, n, how, ROWS_PUT, err);
}

static int sqlite_put_packed(struct store *s,
			     _unused_ const struct store_pack *k,
			     const struct store_shape *shape,
			     const struct store_batch *b, uint32_t from,
			     uint32_t n, enum store_conflict how,
			     struct error *err)
{
	return put_rows(s, shape, b, from, n, how, ROWS_PACKED, err);
}

static int sqlite_del(struct store *s, const struct store_shape *shape,
		      const struct store_batch *b, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "DELETE FROM ");
	store_sql_set(&sql, shape->set);
	for (uint32_t i = 0; i < shape->nkey; i++) {
		strbuf_addstr(&sql, i ? " AND " : " WHERE ");
		store_sql_name(&sql, shape->col[i]);
		strbuf_addf(&sql, " = ?%u", i + 1);
	}
	return run_rows((struct sqlite_store *)s, sql.buf, shape, b, 0, b->nrow,
			ROWS_DELETED, err);
}

static int sqlite_columns(struct store *s, const char *set,
			  struct store_batch *b, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	const char *dot = strchr(set, '.'), *name = dot ? dot + 1 : set;

	store_batch_clear(&args, dot ? 2 : 1);
	store_batch_add(&args, STORE_TEXT, name, strlen(name));
	if (dot)
		store_batch_add(&args, STORE_TEXT, set, (size_t)(dot - set));
	strbuf_addf(&sql, "SELECT name, type, substr('ft', 1 + \"notnull\", 1)"
		    ", dflt_value, pk FROM pragma_table_info($1%s) "
		    "ORDER BY cid", dot ? ", $2" : "");
	return sqlite_exec(s, sql.buf, &args, b, err);
}

static void sqlite_close(struct store *s)
{
	struct sqlite_store *q = (struct sqlite_store *)s;

	(void)sqlite3_close(q->db); /* nothing is open in it */
	store_clock_release(&q->clock);
	free(q);
}

/* no symbolic link on the way, and below the root */
static int real_path(const char *rel, const struct store_options *o,
		     char **ret, struct error *err)
{
	_cleanup_free_ char *link = NULL, *dir = NULL;
	_cleanup_close_ int fd = -1;
	const char *why = path_check(rel), *name;
	int r;

	if (!why && *rel == '/')
		why = N_("a store lies below the root");
	if (why)
		return error_set(err, ERR_PLAN_VALUE, -EINVAL, "'%s': %s", rel,
				 _(why));
	fd = fs_open_parent(o->root_fd, rel, &name);
	if (fd >= 0) {
		link = xasprintf("/proc/self/fd/%d", fd);
		dir = realpath(link, NULL);
	}
	if (!dir) {
		r = fd < 0 ? fd : -errno;
		return error_errno(err, ERR_STORE, r,
				   _("cannot open database '%s'"), rel);
	}
	*ret = path_join(dir, name);
	return 0;
}

static int configure(struct sqlite_store *q, const struct store_options *o,
		     struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	bool wal;
	int ret;

	(void)sqlite3_extended_result_codes(q->db, 1);
	/* The schema stays trusted, as for the application: without, SQLite 3.40
	   refuses JSON functions in views and CHECKs. We add no functions that
	   it could misuse. */
	if (o->read_only)
		(void)sqlite3_db_config(q->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
					1, NULL);
	(void)sqlite3_busy_handler(q->db, on_busy, q);
	(void)sqlite3_progress_handler(q->db, OPS_BETWEEN_TICKS, on_progress,
				       q);
	(void)sqlite3_set_authorizer(q->db, on_authorize, NULL);
	(void)sqlite3_wal_autocheckpoint(q->db, WAL_PAGES);
	/* the first look at the file: is it a database at all? */
	ret = sqlite_exec(&q->s, "PRAGMA schema_version", NULL, &b, err);
	if (ret >= 0)
		ret = run(&q->s, CACHE_SQL, err);
	if (ret < 0 || o->read_only)
		return MIN(ret, 0);
	if (b.nrow == 1 && b.cell[0].len == 1 && b.buf[b.cell[0].off] == '0')
		ret = sqlite_exec(&q->s, "PRAGMA journal_mode = WAL", NULL, &b,
				  err);
	else
		ret = sqlite_exec(&q->s, "PRAGMA journal_mode", NULL, &b, err);
	if (ret < 0)
		return ret;
	wal = b.nrow == 1 && b.cell[0].len == 3 &&
	      !memcmp(b.buf + b.cell[0].off, "wal", 3);
	/* without EXTRA a rollback journal may come back after a power cut */
	return run(&q->s, wal ? "PRAGMA synchronous = FULL" :
		   "PRAGMA synchronous = EXTRA", err);
}

static int open_file(struct sqlite_store *q, const char *path, int flags,
		     struct error *err)
{
	int rc = sqlite3_open_v2(path, &q->db, flags | SQLITE_OPEN_NOFOLLOW |
				 SQLITE_OPEN_NOMUTEX, NULL);

	return rc == SQLITE_OK ? 0 : sqlite_failed(q, err);
}

/*
 * Who reads alone cannot play a rollback journal back that somebody left who
 * was killed, and without that the file is not what it was before nor what it
 * was to be.
 */
static int open_recovered(struct sqlite_store *q, const char *path,
			  const struct store_options *o, struct error *err)
{
	struct store_options write = *o;
	int ret;

	write.read_only = false;
	(void)sqlite3_close(q->db);
	ret = open_file(q, path, SQLITE_OPEN_READWRITE, err);
	if (ret == 0)
		ret = configure(q, &write, err);
	if (ret < 0)
		return ret;
	(void)sqlite3_close(q->db);
	ret = open_file(q, path, SQLITE_OPEN_READONLY, err);
	return ret < 0 ? ret : configure(q, o, err);
}

static int sqlite_open(const char *rest, const struct store_options *o,
		       struct store **ret, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_free_ char *path = NULL;
	struct sqlite_store *q;
	int flags = o->read_only ? SQLITE_OPEN_READONLY :
		    o->create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE :
		    SQLITE_OPEN_READWRITE;
	int r = real_path(rest, o, &path, err);

	if (r < 0)
		return r;
	q = xcalloc(1, sizeof(*q));
	q->s.ops = &store_sqlite_ops;
	q->s.name = xasprintf("sqlite:%s", rest);
	q->lock_ms = o->lock_ms ? o->lock_ms : STORE_LOCK_MS;
	q->statement_ms = o->statement_ms ? o->statement_ms :
			  STORE_STATEMENT_MS;
	store_clock_init(&q->clock, o);
	q->clock.lock_ms = q->lock_ms;
	q->s.clock = &q->clock;
	r = open_file(q, path, flags, &why);
	if (r == 0)
		r = configure(q, o, &why);
	if (r < 0 && o->read_only && o->recover &&
	    sqlite3_extended_errcode(q->db) == SQLITE_READONLY_ROLLBACK) {
		error_release(&why);
		r = open_recovered(q, path, o, &why);
	}
	if (r < 0) {
		error_move(err, &why);
		store_close(&q->s);
		return r;
	}
	*ret = &q->s;
	return 0;
}

const struct store_ops store_sqlite_ops = {
	.scheme = "sqlite",
	.by_row = true,
	.caps = STORE_CAP_SQL | STORE_CAP_TX_DDL | STORE_CAP_TEMP_TABLE |
		STORE_CAP_TRIGGER | STORE_CAP_INSTEAD_OF |
		STORE_CAP_SERIALIZABLE,
	.now_s = "CAST(strftime('%s', 'now') AS INTEGER)",
	.open = sqlite_open,
	.close = sqlite_close,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.abort = sqlite_abort,
	.scan = sqlite_scan,
	.put = sqlite_put,
	.keeps = sqlite_keeps,
	.del = sqlite_del,
	.mark = store_sql_mark,
	.marks = store_sql_marks,
	.columns = sqlite_columns,
	.pack = sqlite_pack,
	.scan_packed = sqlite_scan_packed,
	.put_packed = sqlite_put_packed,
	.moves = sqlite_moves,
	.moves_still = sqlite_moves_still,
	.exec = sqlite_exec,
	.split = store_sql_split,
	.each = sqlite_each,
	.each_hash = sqlite_each_hash,
};
