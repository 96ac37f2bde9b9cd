/* SPDX-License-Identifier: MIT */
/*
 * A run that changes a database, on a terminal: what its pages say of tables,
 * statements, rows that are put aside, hours, figures and sign-offs.
 */
#include "journey.h"

#include <sys/wait.h>

#include "store.h"

#define HEAD "plan = 1; name = \"acme\"; title = \"Acme\"; from = \"1\";\n" \
	"to = \"2\"; stores = { db = \"sqlite:a.db\"; };\n"

static void sql(struct world *x, const char *text)
{
	_cleanup_close_ int root = openat(x->s->fd, "root", O_RDONLY |
					  O_DIRECTORY | O_CLOEXEC);
	struct store_options o = { .root_fd = root, .create = true };
	_cleanup_store_ struct store *s = NULL;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	assert_int_equal(store_open("sqlite:a.db", &o, &s, NULL), 0);
	assert_in_range(store_exec(s, text, NULL, &b, NULL), 0, 1000);
}

/* of steps, and to the question before the first */
static void begin(struct world *x, struct scratch *s, const char *steps)
{
	_cleanup_free_ char *text = xasprintf("%ssteps = (%s);\n", HEAD, steps);

	world_init(x, s, "");
	put_file(x->s->fd, "acme.plan", text);
	sql(x, "CREATE TABLE src (\n\tid INTEGER PRIMARY KEY,\n\tv TEXT\n)");
	sql(x, "CREATE TABLE other (id INTEGER PRIMARY KEY)");
	sql(x, "CREATE TABLE dst (id INTEGER PRIMARY KEY, v TEXT CHECK "
	    "(v <> 'v7'))");
	sql(x, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
	    "n WHERE i < 1000) INSERT INTO src SELECT i, 'v' || i FROM n");
	start(x, "run");
	pty_wait(&x->p, "> [ Start checks ]");
}

static void to_step(struct world *x, const char *page)
{
	pty_keys(&x->p, ENTER);
	pty_wait(&x->p, "> [ Start the backup ]");
	pty_keys(&x->p, ENTER);
	pty_wait(&x->p, page);
	pty_sync(&x->p);
}

/* while it works */
static void quit(struct world *x)
{
	pty_keys(&x->p, "q");
	pty_wait(&x->p, "> 1  Stop after this step");
	pty_keys(&x->p, ENTER);
	finish(x, 6);
	world_end(x);
}

/* what SQLite keeps beside a file is that file; a column more is a line more */
static void t_statements(void **state)
{
	struct world x;

	begin(&x, *state, "{ id = \"column\"; kind = \"sql\"; store = \"db\"; "
	      "up = [\"ALTER TABLE src ADD COLUMN w TEXT\"]; }");
	to_step(&x, "> [ Run step 1 ]");
	assert_true(pty_has(&x.p, "Changes   change  a.db"));
	assert_false(pty_has(&x.p, "a.db-"));
	pty_keys(&x.p, "d");
	pty_wait(&x.p, "+++ a.db: table src");
	pty_wait(&x.p, "     v TEXT");
	pty_wait(&x.p, "+    w TEXT");
	assert_false(pty_has(&x.p, "\\t"));
	assert_false(pty_has(&x.p, "table other"));
	pty_keys(&x.p, ESC);
	pty_wait(&x.p, "> [ Run step 1 ]");
	pty_keys(&x.p, ENTER);
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

/* where a query's rows go stands first: queries are longer than a line */
static void t_query(void **state)
{
	struct world x;

	begin(&x, *state, "{ id = \"rows\"; kind = \"copy-records\"; key = "
	      "\"id\"; from = \"db:SELECT id, 'new' || v AS v FROM src\"; "
	      "to = \"db:dst\"; }, { id = \"last\"; kind = \"mkdir\"; "
	      "paths = [\"new\"]; }");
	to_step(&x, "> [ Run step 1 ]");
	assert_true(pty_has(&x.p, "copy what a query gives to 'dst'"));
	assert_true(pty_has(&x.p, "SELECT id, 'new' || v AS v FROM src"));
	assert_false(pty_has(&x.p, "(0 rows)"));
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 2 ]");
	pty_keys(&x.p, "q");
	pty_wait(&x.p, "Quit");
	pty_keys(&x.p, TAB ENTER);
	finish(&x, 6);
	start(&x, "resume");
	pty_wait(&x.p, "[R70]");
	/* one step is named, like those above it */
	pty_wait(&x.p, "[    ] 2 last  not started");
	pty_keys(&x.p, "q");
	finish(&x, 2);
	world_end(&x);
}

/* rows that are refused are counted on the page, at every size; the window may
   go, and another one looks on */
static void t_rejects(void **state)
{
	static const int sizes[][2] = { { 60, 16 }, { 132, 43 }, { 80, 24 } };
	struct world x;

	begin(&x, *state, "{ id = \"rows\"; kind = \"copy-records\"; key = "
	      "\"id\"; from = \"db:src\"; to = \"db:dst\"; batch = 10; "
	      "workers = 1; pause = 1; bad_records = \"quarantine\"; }");
	to_step(&x, "> [ Run step 1 ]");
	assert_true(pty_has(&x.p, "copy 'src' to 'dst' (1,000 rows)"));
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "1 row put aside");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		pty_resize(&x.p, sizes[i][0], sizes[i][1]);
		pty_wait(&x.p, "of 1,000 rows");
		pty_wait(&x.p, "1 row put aside");
	}
	(void)pty_end(&x.p);
	start(&x, "run");
	pty_wait(&x.p, "[P50]");
	pty_wait(&x.p, "1 row put aside");
	quit(&x);
}

/* a box is ticked by Space, too; a name that is typed is not asked for again */
static void t_sign_off(void **state)
{
	struct world x;

	begin(&x, *state, "{ id = \"signed\"; kind = \"confirm\"; items = "
	      "[\"one\"]; roles = [\"owner\"]; }");
	to_step(&x, "> 1  [ ] one");
	pty_wait(&x.p, "pending: type the name");
	assert_true(pty_has(&x.p, "Space Tick"));
	pty_keys(&x.p, " ");
	pty_wait(&x.p, "> 1  [x] one");
	pty_keys(&x.p, TAB "Ann" TAB);
	pty_wait(&x.p, "pending: not signed yet");
	assert_false(pty_has(&x.p, "Space Tick"));
	pty_keys(&x.p, ENTER);
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

/* one who watches figures changes nothing, and says how long it takes */
static void t_figures(void **state)
{
	struct world x;

	begin(&x, *state, "{ id = \"watch\"; kind = \"monitor\"; store = "
	      "\"db\"; query = \"SELECT 'rows', count(*) FROM src\"; limits = "
	      "{ rows = \"> 0\"; }; for = \"24h\"; every = \"1h\"; }");
	to_step(&x, "> [ Run step 1 ]");
	assert_true(pty_has(&x.p, "Changes   nothing"));
	assert_true(pty_has(&x.p, "watch 'rows' > 0 for 24 h"));
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "00:00 of 24:00:00");
	assert_true(pty_has(&x.p, "DATA not changed"));
	quit(&x);
}

/* outside of its hours: before it is started, and beside the list while it
   waits */
static void t_hours(void **state)
{
	_cleanup_free_ char *steps = NULL;
	struct strbuf sb = STRBUF_INIT;
	struct timespec ts;
	struct world x;
	int h;

	clock_now(&ts);
	h = (int)(ts.tv_sec / 3600 % 24);
	steps = xasprintf("{ id = \"rows\"; kind = \"copy-records\"; key = "
		"\"id\"; from = \"db:src\"; to = \"db:dst\"; window = "
		"\"%02d:00-%02d:00 UTC\"; }", (h + 6) % 24, (h + 7) % 24);
	begin(&x, *state, steps);
	to_step(&x, "> [ Run step 1 ]");
	pty_wait(&x.p, "Window    closed; the step waits until ");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "it waits for its window");
	pty_line(&x.p, 2, &sb);
	assert_non_null(strstr(sb.buf, "> [ >> ] 1 rows"));
	assert_non_null(strstr(sb.buf, "Step 1  rows"));
	strbuf_release(&sb);
	quit(&x);
}

/* another process has it until the pipe is closed */
static pid_t hold(struct world *x, int *go)
{
	int ready[2], end[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int root = openat(x->s->fd, "root", O_RDONLY | O_DIRECTORY);
		struct store_options o = { .root_fd = root };
		struct store *s = NULL;

		(void)close(end[1]);
		if (store_open("sqlite:a.db", &o, &s, NULL) < 0 ||
		    store_begin(s, true, NULL) < 0 ||
		    write(ready[1], "1", 1) != 1)
			_exit(1);
		_exit(read(end[0], &c, 1) < 0);
	}
	(void)close(ready[1]);
	(void)close(end[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	*go = end[1];
	return pid;
}

/* statements wait as rows do: for whom is on the page */
static void t_locked(void **state)
{
	_cleanup_free_ char *by = NULL;
	struct world x;
	int go = -1;
	pid_t pid;

	begin(&x, *state, "{ id = \"s\"; kind = \"sql\"; store = \"db\"; "
	      "up = [\"CREATE TABLE t (a)\"]; down = [\"DROP TABLE t\"]; }");
	to_step(&x, "> [ Run step 1 ]");
	pid = hold(&x, &go);
	by = xasprintf("waiting: the lock of process %ld", (long)pid);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, by);
	(void)close(go);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(t_statements),
		with_scratch(t_query),
		with_scratch(t_rejects),
		with_scratch(t_sign_off),
		with_scratch(t_figures),
		with_scratch(t_hours),
		with_scratch(t_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
