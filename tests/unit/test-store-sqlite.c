/* SPDX-License-Identifier: MIT */
/* Stores on SQLite: what is read is what was there, to the byte and once. */
#include "scratch.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <signal.h>

#include "store-rows.h"

static const char *const cols[] = { "a", "b", "v" };
static const struct store_shape one = {
	.set = "t", .ncol = 3, .nkey = 1, .col = cols,
};
static const struct store_shape two = {
	.set = "t", .ncol = 3, .nkey = 2, .col = cols,
};

static struct store *opened(struct scratch *t, const char *url)
{
	struct store_options o = { .root_fd = t->fd, .create = true,
				   .lock_ms = 50 };
	struct store *s = NULL;

	if (store_open(url, &o, &s, &t->err) < 0)
		fail_msg("%s", t->err.msg);
	return s;
}

static int sql(struct store *s, struct scratch *t, const char *text)
{
	int ret = store_exec(s, text, NULL, NULL, &t->err);

	if (ret < 0)
		fail_msg("%s: %s", text, t->err.msg);
	return ret;
}

/* rows 1 .. n: (i, 'i', 'v' i) */
static struct store *with_rows(struct scratch *t, int n)
{
	_cleanup_free_ char *insert = xasprintf("WITH RECURSIVE n(i) AS "
		"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT "
		"INTO t SELECT i, 'k' || i, 'v' || i FROM n", n);
	struct store *s = opened(t, "sqlite:a.db");

	sql(s, t, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL, "
	    "v TEXT DEFAULT 'x')");
	sql(s, t, insert);
	return s;
}

static void test_scan(void **state)
{
	_cleanup_store_ struct store *s = with_rows(*state, 12);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_shape odd = one;

	assert_int_equal(store_scan(s, &one, NULL, NULL, 2, &b, NULL), 2);
	assert_batch(&b, "1 k1 v1|2 k2 v2");
	/* 10 is after 9 though its text is not */
	assert_int_equal(store_scan(s, &one, "[8]", "[10]", 5, &b, NULL), 2);
	assert_batch(&b, "9 k9 v9|10 k10 v10");
	assert_int_equal(store_scan(s, &one, "[12]", NULL, 5, &b, NULL), 0);
	assert_int_equal(store_scan(s, &two, "[8,\"k8\"]", "[9,\"k9\"]", 5, &b,
				    NULL), 1);
	assert_batch(&b, "9 k9 v9");
	odd.where = "a % 2 -- a comment";
	odd.expr = (const char *const[]) { NULL, NULL, "upper(v)" };
	assert_int_equal(store_scan(s, &odd, "[5]", NULL, 2, &b, NULL), 2);
	assert_batch(&b, "7 k7 V7|9 k9 V9");
}

/* applications have JSON functions in CHECKs and views */
static void test_json_schema(void **state)
{
	_cleanup_store_ struct store *s = opened(*state, "sqlite:a.db");
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	static const char *const names[] = { "k", "n" };
	struct store_shape shape = {
		.set = "w", .ncol = 2, .nkey = 1, .col = names,
	};

	sql(s, *state, "CREATE TABLE j (k INTEGER PRIMARY KEY, d TEXT NOT NULL "
	    "CHECK (json_valid(d)))");
	sql(s, *state, "CREATE VIEW w AS SELECT k, d->>'n' AS n FROM j");
	sql(s, *state, "INSERT INTO j VALUES (1, '{\"n\": \"x\"}')");
	assert_int_equal(store_scan(s, &shape, NULL, NULL, 5, &b, NULL), 1);
	assert_batch(&b, "1 x");
}

/* every kind of value as a key, and nothing is passed over between batches */
static void test_any_key(void **state)
{
	_cleanup_store_ struct store *s = opened(*state, "sqlite:a.db");
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	static const char *const names[] = { "k" };
	struct store_shape shape = {
		.set = "odd name\"", .ncol = 1, .nkey = 1, .col = names,
	};

	sql(s, *state, "CREATE TABLE \"odd name\"\"\" (k PRIMARY KEY)");
	sql(s, *state, "INSERT INTO \"odd name\"\"\" VALUES (3), (20), (0.1), "
	    "(1e300), ('3'), (''), ('a' || char(0) || 'b'), (x'00ff'), (x''), "
	    "(9007199254740993), (-1.5), (CAST(x'ff' AS TEXT)), ('ü')");
	while (store_scan(s, &shape, key.len ? key.buf : NULL, NULL, 1, &b,
			  NULL) == 1) {
		store_key(&b, 0, 1, &key);
		strbuf_addf(&all, "%s ", key.buf);
	}
	assert_string_equal(all.buf, "[-1.5] [0.1] [3] [20] "
		"[9007199254740993] [1e+300] [\"\"] [\"3\"] [[\"t610062\"]] "
		"[\"ü\"] [[\"tff\"]] [[\"b5c78\"]] [[\"b5c7830306666\"]] ");
}

static void test_bad_keys(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = opened(t, "sqlite:a.db");
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	sql(s, t, "CREATE TABLE t (a, b, v)");
	sql(s, t, "INSERT INTO t VALUES (1, 1, 1), (1, 2, 2), (2, 2, 2)");
	/* the second 1 would be lost behind the first batch */
	assert_int_equal(store_scan(s, &one, NULL, NULL, 1, &b, &t->err),
			 -EINVAL);
	assert_non_null(strstr(t->err.msg, "key [1] twice"));
	assert_int_equal(store_scan(s, &two, NULL, NULL, 9, &b, NULL), 3);
	sql(s, t, "UPDATE t SET a = NULL WHERE b = 1");
	assert_int_equal(store_scan(s, &one, NULL, NULL, 9, &b, &t->err),
			 -EINVAL);
	assert_non_null(strstr(t->err.msg, "'a' is NULL"));
	assert_int_equal(store_scan(s, &one, "[1,2]", NULL, 9, &b, NULL),
			 -EINVAL);
}

static void add(struct store_batch *b, enum store_type type, const char *text)
{
	store_batch_add(b, type, text, text ? strlen(text) : 0);
}

static void test_put(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = with_rows(t, 2);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	store_batch_clear(&b, 3);
	add(&b, STORE_INT, "2");
	add(&b, STORE_TEXT, "new");
	add(&b, STORE_TEXT, NULL);
	add(&b, STORE_INT, "3");
	add(&b, STORE_TEXT, "x");
	add(&b, STORE_NUM, "1.50");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 2, STORE_ERROR, &t->err),
			 -EBADMSG);
	assert_string_equal(store_sqlstate(s), "23505");
	assert_int_equal(store_class(-EBADMSG), STORE_CLASS_BADROW);
	store_abort(s);
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 2, STORE_SKIP, NULL), 1);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_rows(s, "SELECT * FROM t", "1 k1 v1|2 k2 v2|3 x 1.50");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 1, STORE_REPLACE, NULL), 1);
	store_abort(s);
	assert_rows(s, "SELECT v FROM t WHERE a = 2", "v2");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 1, STORE_REPLACE, NULL), 1);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_rows(s, "SELECT b, v FROM t WHERE a = 2", "new ~");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_del(s, &one, &b, NULL), 2);
	assert_int_equal(store_del(s, &one, &b, NULL), 0);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_rows(s, "SELECT * FROM t", "1 k1 v1");
}

/* what a scan gave goes into another database as the same values */
static void test_same_values(void **state)
{
	struct scratch *t = *state;
	static const char *const names[] = { "k", "v" };
	struct store_shape shape = {
		.set = "t", .ncol = 2, .nkey = 1, .col = names,
	};
	_cleanup_store_ struct store *from = opened(t, "sqlite:a.db");
	_cleanup_store_ struct store *to = opened(t, "sqlite:b.db");
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch w = STORE_BATCH_INIT;
	const char *look = "SELECT group_concat(typeof(v) || quote(v), ' ') "
			   "FROM t";

	sql(from, t, "CREATE TABLE t (k INTEGER PRIMARY KEY, v)");
	sql(to, t, "CREATE TABLE t (k INTEGER PRIMARY KEY, v)");
	sql(from, t, "INSERT INTO t (v) VALUES (1), (1.0), ('1'), (0.1 + 0.2), "
	    "(x'0061'), (''), (NULL), (-9223372036854775808), (1e999), "
	    "(12345678901234567890)");
	assert_int_equal(store_scan(from, &shape, NULL, NULL, 99, &b, NULL),
			 10);
	assert_int_equal(store_begin(to, true, NULL), 0);
	assert_int_equal(store_put(to, &shape, &b, 0, b.nrow, STORE_ERROR,
				   NULL), 10);
	assert_int_equal(store_commit(to, NULL), 0);
	assert_int_equal(store_exec(from, look, NULL, &w, NULL), 1);
	store_batch_clear(&b, 1);
	assert_int_equal(store_exec(to, look, NULL, &b, NULL), 1);
	assert_int_equal(b.n, w.n);
	assert_memory_equal(b.buf, w.buf, b.n);
}

static void test_digest(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = with_rows(t, 12000);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_digest all, part, d;

	assert_int_equal(store_digest(s, &one, "[1]", "[2]", &d, NULL), 0);
	assert_int_equal(d.n, 1);
	/* printf '2\037k2\037v2' | md5sum */
	assert_true(d.sum == UINT64_C(0x4b6656079773fa82));
	assert_int_equal(store_digest(s, &one, NULL, NULL, &all, NULL), 0);
	assert_int_equal(all.n, 12000);
	/* parts add up to the whole, wherever they are cut */
	assert_int_equal(store_split(s, &one, NULL, NULL, 5000, &b, NULL), 2);
	assert_batch(&b, "5000|10000");
	assert_int_equal(store_digest(s, &one, NULL, "[5000]", &part, NULL), 0);
	assert_int_equal(part.n, 5000);
	assert_int_equal(store_digest(s, &one, "[5000]", NULL, &d, NULL), 0);
	assert_int_equal(part.n + d.n, all.n);
	assert_true((part.sum + d.sum) == all.sum);
	/* NULL is not the empty text, and a change is seen */
	sql(s, t, "UPDATE t SET v = '' WHERE a = 7");
	assert_int_equal(store_digest(s, &one, NULL, NULL, &part, NULL), 0);
	sql(s, t, "UPDATE t SET v = NULL WHERE a = 7");
	assert_int_equal(store_digest(s, &one, NULL, NULL, &d, NULL), 0);
	assert_true(part.sum != all.sum && d.sum != all.sum &&
		    part.sum != d.sum);
}

static void test_marks(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = with_rows(t, 1);
	_cleanup_store_ struct store *rival = NULL;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_mark m = { .step = "copy", .part = 1, .lo = "[1]",
				.pos = "" };

	assert_int_equal(store_marks(s, "copy", &b, NULL), 0);
	assert_int_equal(store_mark(s, &m, NULL, NULL), 0);
	m.part = 0;
	assert_int_equal(store_mark(s, &m, NULL, NULL), 0);
	m.pos = "[5]";
	m.rows = 4;
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_mark(s, &m, "", NULL), 0);
	store_abort(s);
	assert_int_equal(store_marks(s, "copy", &b, NULL), 2);
	assert_batch(&b, "0 [1] ~  0 0 0|1 [1] ~  0 0 0");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_mark(s, &m, "", NULL), 0);
	assert_int_equal(store_commit(s, NULL), 0);
	/* another runner knows the old position only; nothing of it stays */
	rival = opened(t, "sqlite:a.db");
	assert_int_equal(store_begin(rival, true, NULL), 0);
	assert_int_equal(store_mark(rival, &m, "", &t->err), -ESTALE);
	store_abort(rival);
	m.pos = "[9]";
	m.done = true;
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_mark(s, &m, "[5]", NULL), 0);
	assert_int_equal(store_commit(s, NULL), 0);
	/* known already: stays as it is */
	assert_int_equal(store_mark(rival, &m, NULL, NULL), 0);
	assert_int_equal(store_marks(rival, "copy", &b, NULL), 2);
	assert_batch(&b, "0 [1] ~ [9] 8 2 1|1 [1] ~  0 0 0");
	assert_int_equal(store_marks(rival, "other", &b, NULL), 0);
}

static void test_columns(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = opened(t, "sqlite:a.db");
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	sql(s, t, "CREATE TABLE c (v TEXT DEFAULT 'x', k2 INT, k1 VARCHAR(9) "
	    "NOT NULL, g AS (k2 + 1), PRIMARY KEY (k1, k2))");
	assert_int_equal(store_columns(s, "c", &b, NULL), 3);
	assert_batch(&b, "v TEXT f 'x' 0|k2 INT f ~ 2|k1 VARCHAR(9) t ~ 1");
	assert_int_equal(store_columns(s, "main.c", &b, NULL), 3);
	assert_int_equal(store_columns(s, "nothing", &b, NULL), 0);
}

static void test_exec(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = with_rows(t, 5);
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	store_batch_clear(&args, 2);
	add(&args, STORE_INT, "2");
	add(&args, STORE_TEXT, "k4");
	assert_int_equal(store_exec(s, "SELECT b, $1 FROM t WHERE b < $2 AND a "
				    "> $1", &args, &b, NULL), 1);
	assert_batch(&b, "k3 2");
	assert_int_equal(sql(s, t, "UPDATE t SET v = 'n' WHERE a > 3"), 2);
	assert_int_equal(sql(s, t, "CREATE INDEX i ON t (v)"), 0);
	assert_int_equal(sql(s, t, "VACUUM"), 0);
	assert_int_equal(store_exec(s, "SELECT $3", &args, &b, NULL), -EINVAL);
	assert_int_equal(store_exec(s, "SELECT 1; SELECT 2", NULL, &b, NULL),
			 -EINVAL);
	assert_int_equal(store_exec(s, "SELECT * FROM nothing", NULL, &b,
				    &t->err), -EINVAL);
	assert_non_null(strstr(t->err.msg, "sqlite:a.db: "));
	/* no way to files that the plan does not name */
	assert_int_equal(store_exec(s, "ATTACH 'other.db' AS o", NULL, NULL,
				    NULL), -EINVAL);
	assert_int_equal(store_exec(s, "VACUUM INTO 'other.db'", NULL, NULL,
				    NULL), -EINVAL);
	assert_false(there(t->fd, "other.db"));
}

static void test_waits_end(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = with_rows(t, 5);
	_cleanup_store_ struct store *rival = opened(t, "sqlite:a.db");

	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_begin(rival, true, &t->err), -EAGAIN);
	assert_int_equal(store_class(-EAGAIN), STORE_CLASS_RETRY);
	assert_string_equal(store_sqlstate(rival), "55P03");
	store_abort(s);
	assert_int_equal(store_begin(rival, true, NULL), 0);
}

static int count_ticks(void *ctx)
{
	int *n = ctx;

	return --*n <= 0;
}

#define ENDLESS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 " \
		"FROM n) SELECT count(*) FROM n"

static void test_cancel(void **state)
{
	struct scratch *t = *state;
	int left = 3;
	struct store_options o = { .root_fd = t->fd, .create = true,
				   .tick = count_ticks, .ctx = &left };
	_cleanup_store_ struct store *s = NULL;

	assert_int_equal(store_open("sqlite:a.db", &o, &s, NULL), 0);
	left = 2;
	assert_int_equal(store_exec(s, ENDLESS, NULL, NULL, &t->err),
			 -ECANCELED);
	assert_int_equal(t->err.code, ERR_CANCELLED);
	assert_int_equal(left, 0);
}

static void test_statement_timeout(void **state)
{
	struct scratch *t = *state;
	struct store_options o = { .root_fd = t->fd, .create = true,
				   .statement_ms = 30 };
	_cleanup_store_ struct store *s = NULL;

	assert_int_equal(store_open("sqlite:a.db", &o, &s, NULL), 0);
	assert_int_equal(store_exec(s, ENDLESS, NULL, NULL, NULL), -E2BIG);
	assert_string_equal(store_sqlstate(s), "57014");
	/* and goes on */
	assert_int_equal(store_exec(s, "SELECT 1", NULL, NULL, NULL), 1);
}

static void test_open(void **state)
{
	struct scratch *t = *state;
	struct store_options o = { .root_fd = t->fd };
	_cleanup_free_ char *outside = xasprintf("sqlite:%s/a.db", t->dir);
	struct store *s;

	assert_int_equal(store_open("sqlite:none.db", &o, &s, &t->err), -EIO);
	assert_false(there(t->fd, "none.db"));
	put_file(t->fd, "text", "no database, but long enough to look at it\n");
	assert_int_equal(store_open("sqlite:text", &o, &s, &t->err), -EUCLEAN);
	store_close(with_rows(t, 1));
	assert_int_equal(store_open("sqlite:../a.db", &o, &s, &t->err),
			 -EINVAL);
	assert_int_equal(store_open(outside, &o, &s, &t->err), -EINVAL);
	assert_int_equal(symlinkat("a.db", t->fd, "link.db"), 0);
	assert_true(store_open("sqlite:link.db", &o, &s, &t->err) < 0);
	o.read_only = true;
	assert_int_equal(store_open("sqlite:a.db", &o, &s, &t->err), 0);
	assert_int_equal(store_exec(s, "DELETE FROM t", NULL, NULL, NULL),
			 -EROFS);
	store_close(s);
}

/* the mode of a database that was there is its application's business */
static void test_mode_stays(void **state)
{
	struct scratch *t = *state;
	_cleanup_free_ char *path = xasprintf("%s/old.db", t->dir);
	_cleanup_store_ struct store *made = opened(t, "sqlite:new.db");
	_cleanup_store_ struct store *s = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (v)", NULL, NULL,
				      NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	s = opened(t, "sqlite:old.db");
	assert_rows(s, "PRAGMA journal_mode", "delete");
	assert_rows(s, "PRAGMA synchronous", "3");
	assert_rows(made, "PRAGMA journal_mode", "wal");
	assert_rows(made, "PRAGMA synchronous", "2");
}

/* copies 40 batches of 25 rows, rows and checkpoint together, until killed;
   a byte to fd before and after each commit */
static _noreturn_ void copier(struct scratch *t, int fd)
{
	struct store *s = opened(t, "sqlite:to.db");
	struct store *from = opened(t, "sqlite:a.db");
	struct store_batch b = STORE_BATCH_INIT, marks = STORE_BATCH_INIT;
	struct store_mark m = { .step = "copy", .pos = "" };
	struct strbuf old = STRBUF_INIT, key = STRBUF_INIT;

	if (store_mark(s, &m, NULL, NULL) < 0 ||
	    store_marks(s, "copy", &marks, NULL) != 1)
		_exit(2);
	strbuf_add(&old, marks.buf + marks.cell[3].off,
		   (size_t)marks.cell[3].len);
	for (;;) {
		int n = store_scan(from, &one, old.len ? old.buf : NULL, NULL,
				   25, &b, NULL);

		if (n <= 0)
			_exit(n < 0 ? 3 : 0);
		store_key(&b, b.nrow - 1, 1, &key);
		m.pos = key.buf;
		m.rows = b.nrow;
		if (store_begin(s, true, NULL) < 0 ||
		    store_mark(s, &m, old.buf, NULL) < 0 ||
		    store_put(s, &one, &b, 0, b.nrow, STORE_ERROR, NULL) < 0 ||
		    write(fd, "x", 1) != 1 || store_commit(s, NULL) < 0 ||
		    write(fd, "y", 1) != 1)
			_exit(4);
		strbuf_clear(&old);
		strbuf_add(&old, key.buf, key.len);
	}
}

static void test_killed(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = NULL;
	int st, fds[2];
	pid_t pid;
	char c;

	store_close(with_rows(t, 1000));
	s = opened(t, "sqlite:to.db");
	sql(s, t, "CREATE TABLE t (a, b, v)"); /* would take a row twice */
	store_close(TAKE_PTR(s));
	for (int round = 0;; round++) {
		assert_int_equal(pipe(fds), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			copier(t, fds[1]);
		close(fds[1]);
		for (int i = 0; i <= round % 4 && read(fds[0], &c, 1) == 1; i++)
			;
		if (round < 30)
			kill(pid, SIGKILL);
		while (round >= 30 && read(fds[0], &c, 1) == 1)
			;
		close(fds[0]);
		assert_int_equal(waitpid(pid, &st, 0), pid);
		if (WIFEXITED(st)) {
			assert_int_equal(WEXITSTATUS(st), 0);
			break;
		}
	}
	s = opened(t, "sqlite:to.db");
	assert_rows(s, "SELECT count(*), count(DISTINCT a), sum(a) FROM t",
		    "1000 1000 500500");
	assert_rows(s, "SELECT nrows, nbatch FROM _upshift_range", "1000 40");
}

static struct store *inside(struct scratch *t, struct store *outer)
{
	struct store_options o = { .root_fd = t->fd, .within = outer,
				   .within_url = "sqlite:a.db" };
	struct store *s = NULL;

	assert_int_equal(store_open("sqlite:a.db", &o, &s, &t->err), 0);
	assert_true(store_is_within(s));
	return s;
}

/* its own transactions are a part of the other one */
static void test_within(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = with_rows(t, 3);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store *a, *c, *other;

	assert_int_equal(store_begin(s, true, NULL), 0);
	a = inside(t, s);
	c = inside(t, s);
	assert_true(store_is_one(a, c));
	assert_true(store_is_one(a, s));
	other = opened(t, "sqlite:b.db");
	assert_false(store_is_within(other));
	assert_false(store_is_one(a, other));
	store_close(other);
	/* one reads while the other writes, and gives up, and writes again */
	assert_int_equal(store_begin(a, false, NULL), 0);
	assert_int_equal(store_begin(c, true, NULL), 0);
	sql(c, t, "DELETE FROM t");
	assert_int_equal(store_scan(a, &one, NULL, NULL, 9, &b, NULL), 0);
	store_abort(c);
	assert_int_equal(store_begin(c, true, NULL), 0);
	sql(c, t, "DELETE FROM t WHERE a = 2");
	assert_int_equal(store_commit(c, NULL), 0);
	/* what fails takes nothing along */
	assert_true(store_exec(a, "INSERT INTO t VALUES (1, 'k', 'v')", NULL,
			       NULL, NULL) < 0);
	assert_string_equal(store_sqlstate(a), "23505");
	assert_int_equal(store_scan_some(a, &one, NULL, NULL, 9, 1, &b,
					 &(bool){ false }, NULL), 1);
	assert_batch(&b, "1 k1 v1");
	store_close(a);
	store_close(c);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_int_equal(store_scan(s, &one, NULL, NULL, 9, &b, NULL), 2);
	assert_batch(&b, "1 k1 v1|3 k3 v3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(test_scan),
		with_scratch(test_json_schema),
		with_scratch(test_any_key),
		with_scratch(test_bad_keys),
		with_scratch(test_put),
		with_scratch(test_same_values),
		with_scratch(test_digest),
		with_scratch(test_marks),
		with_scratch(test_columns),
		with_scratch(test_exec),
		with_scratch(test_within),
		with_scratch(test_waits_end),
		with_scratch(test_cancel),
		with_scratch(test_statement_timeout),
		with_scratch(test_open),
		with_scratch(test_mode_stays),
		with_scratch(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
