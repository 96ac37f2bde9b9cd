/* SPDX-License-Identifier: MIT */
/* The wizard while rows go, and while a step of a database has to wait. */
#include "pg-store.h"

#include "wizard-world.h"

/* of steps, in the place of the usual plan's */
static void write_plan(struct world *x, const char *steps)
{
	_cleanup_free_ char *text = xasprintf(
		"plan = 1; name = \"acme\"; title = \"Acme\"; from = \"1\";"
		" to = \"2\"; stores = { db = \"%s\"; };\nsteps = (%s);\n"
		"verify = ({ id = \"V1\"; kind = \"command\"; run = [\"true\"]; "
		"});\n",
		server.url, steps);

	put_file(x->s->fd, "acme.plan", text);
}

static void until_says(struct world *x, const char *text)
{
	uint64_t since = clock_mono_ns();

	while (!says(x, text)) {
		turn(x);
		if (clock_since(since) > PATIENCE_S)
			fail_msg("%s does not say '%s': %s",
				 page_code(wizard_page(x->w)), text,
				 wizard_notice(x->w));
	}
}

static void to_steps(struct world *x)
{
	open_wizard(x, "run");
	act(x, "start");
	until(x, PAGE_C20);
	act(x, "go-on");
	until(x, PAGE_S40);
}

/* all of a table is looked at before the backup: that is said, and ends */
static void t_look(void **state)
{
	_cleanup_store_ struct store *s = opened();
	struct world x;

	sql(s, "CREATE TABLE src (id int, v text)");
	sql(s, "INSERT INTO src VALUES (1, 'a')");
	sql(s, "CREATE TABLE dst (id int PRIMARY KEY, v text)");
	store_close(TAKE_PTR(s));
	world_init(&x, *state);
	write_plan(&x, "{ id = \"rows\"; kind = \"copy-records\"; from = "
		   "\"db:src\"; to = \"db:dst\"; key = \"id\"; where = "
		   "\"pg_sleep(1000) IS NOT NULL\"; }");
	open_wizard(&x, "run");
	act(&x, "start");
	until_says(&x, "the keys of 'src' are looked at");
	assert_int_equal(wizard_page(x.w), PAGE_C20);
	act(&x, "quit");
	until_quit(&x);
	assert_int_equal(wizard_exit(x.w), 6);
	world_end(&x);
	s = opened();
	/* the server looks now and then whether somebody is still there */
	sql(s, "SET lock_timeout = 0");
	sql(s, "DROP TABLE src, dst");
}

/* how far it is, what limits it, what it waits for, what became of the server;
   each on the page, not in the log alone */
static void t_copy(void **state)
{
	_cleanup_store_ struct store *s = opened();
	struct world x;

	sql(s, "CREATE TABLE src (id int PRIMARY KEY, v text)");
	sql(s, "INSERT INTO src SELECT i, 'v' || i FROM "
	    "generate_series(1, 3000) i");
	sql(s, "CREATE TABLE dst (id int PRIMARY KEY, v text)");
	store_close(TAKE_PTR(s));
	world_init(&x, *state);
	write_plan(&x, "{ id = \"rows\"; kind = \"copy-records\"; from = "
		   "\"db:src\"; to = \"db:dst\"; key = \"id\"; workers = 2; "
		   "batch = 100; pause = 0.05; pause_file = \"hold\"; }");
	to_steps(&x);
	assert_true(says(&x, "change  db:dst"));
	put_file(x.s->fd, "root/hold", "");
	act(&x, "run");
	until_says(&x, "waiting: hold");
	assert_int_equal(wizard_page(x.w), PAGE_P50);
	assert_int_equal(wizard_stop_kind(x.w), STOP_WORKING);
	until_says(&x, "of 3,000 rows");
	/* the server goes while nothing is written, and is missed then */
	pg_stop(&server, SIGQUIT);
	assert_int_equal(unlinkat(x.s->fd, "root/hold", 0), 0);
	until_says(&x, "waiting: cannot connect, attempt ");
	pg_start(&server);
	until_says(&x, "100 rows at a time");
	until_says(&x, "waits mostly for ");
	until(&x, PAGE_D90);
	assert_int_equal(wizard_exit(x.w), 0);
	assert_true(says(&x, "1 of 1 check ok"));
	s = opened();
	assert_int_equal(sql(s, "SELECT id FROM dst"), 3000);
	sql(s, "INSERT INTO dst VALUES (5000, 'theirs')");
	store_close(TAKE_PTR(s));
	/* and back again: which step it is at */
	act(&x, "rollback");
	x.seen |= wizard_act(x.w, "preview", "start", NULL);
	until_offered(&x, "confirm");
	assert_true(says(&x, "db:dst: 3,000 rows"));
	act(&x, "confirm");
	(void)wizard_act(x.w, "words", NULL, "roll back to start");
	until_says(&x, "Going back to start");
	until(&x, PAGE_D90);
	assert_true(says(&x, "ROLLED BACK to start"));
	assert_true(says(&x, "but for 1 entry that others wrote"));
	/* the page says what it did, and not how the upgrade was verified */
	assert_true(says(&x, "db:dst: 3,000 rows"));
	assert_true(says(&x, "KEPT"));
	assert_false(says(&x, "1 of 1 check ok"));
	world_end(&x);
}

/* two at once: rows, which add up, and not how far each is in its part */
static void t_shares(void **state)
{
	_cleanup_store_ struct store *s = opened();
	struct world x;

	sql(s, "CREATE TABLE many (id int PRIMARY KEY)");
	sql(s, "INSERT INTO many SELECT generate_series(1, 3000)");
	sql(s, "CREATE TABLE here (id int PRIMARY KEY)");
	world_init(&x, *state);
	write_plan(&x, "{ id = \"rows\"; kind = \"copy-records\"; from = "
		   "\"db:many\"; to = \"db:here\"; key = \"id\"; workers = 2; "
		   "batch = 10; pause = 1; }");
	to_steps(&x);
	act(&x, "run");
	until_says(&x, "#1 20   #2 ");
	act(&x, "stop");
	until_quit(&x);
	assert_int_equal(wizard_exit(x.w), 6);
	world_end(&x);
	/* the run will never be gone on with: others may come */
	sql(s, "DROP TABLE _upshift_run");
}

/* a query that takes its time, and a server that goes before a row is counted:
   the page says what it waits for, not the log alone */
static void t_query(void **state)
{
	_cleanup_store_ struct store *s = opened();
	struct world x;

	sql(s, "CREATE TABLE asked (id int PRIMARY KEY)");
	sql(s, "INSERT INTO asked SELECT generate_series(1, 3)");
	sql(s, "CREATE TABLE told (id int PRIMARY KEY)");
	/* is held until the test lets go */
	sql(s, "CREATE FUNCTION held() RETURNS int LANGUAGE plpgsql AS "
	    "'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN 1; END'");
	sql(s, "SELECT pg_advisory_lock(7)");
	world_init(&x, *state);
	write_plan(&x, "{ id = \"rows\"; kind = \"copy-records\"; from = "
		   "\"db:SELECT id FROM asked WHERE held() = 1\"; to = "
		   "\"db:told\"; key = \"id\"; }");
	to_steps(&x);
	act(&x, "run");
	until_says(&x, "waiting: the answer to the query");
	assert_int_equal(wizard_page(x.w), PAGE_P50);
	assert_false(says(&x, "0 rows"));
	sql(s, "SELECT pg_advisory_unlock(7)");
	until(&x, PAGE_D90);
	assert_int_equal(wizard_exit(x.w), 0);
	assert_int_equal(sql(s, "SELECT id FROM told"), 3);
	world_end(&x);
}

/* a step that nobody may do without, weeks too early */
static void t_contract(void **state)
{
	_cleanup_store_ struct store *s = opened();
	struct world x;

	sql(s, "CREATE SCHEMA u");
	sql(s, "CREATE TABLE u.t (id int PRIMARY KEY)");
	sql(s, "CREATE TABLE t (id int PRIMARY KEY)");
	world_init(&x, *state);
	write_plan(&x, "{ id = \"legacy\"; kind = \"views\"; store = \"db\"; "
		   "views = ( { name = \"t\"; select = \"SELECT id FROM u.t\"; "
		   "} ); }, { id = \"contract\"; kind = \"sql\"; store = "
		   "\"db\"; unused = \"legacy\"; up = [ \"DROP VIEW t\" ]; }");
	assert_int_equal(setenv("UPSHIFT_TEST_ASK_S", "0.2", 1), 0);
	to_steps(&x);
	assert_false(says(&x, "nothing that it names"));
	act(&x, "all");
	until_says(&x, "step 'contract' may not begin before ");
	assert_int_equal(wizard_page(x.w), PAGE_P50);
	assert_true(says(&x, "were not used for 0.0 days, and 30.0 are asked"));
	assert_true(says(&x, "changed by step 1"));
	assert_int_equal(wizard_stop_kind(x.w), STOP_WORKING);
	/* it need not be waited for */
	act(&x, "stop");
	until_quit(&x);
	assert_int_equal(wizard_exit(x.w), 6);
	x.seen = 0;
	open_wizard(&x, "resume");
	assert_int_equal(wizard_page(x.w), PAGE_R70);
	assert_true(says(&x, "Continue with step 2"));
	act(&x, "continue");
	until_says(&x, "step 'contract' may not begin before ");
	/* somebody reads from the view: it says so, and goes on waiting */
	sql(s, "SELECT * FROM t");
	sql(s, "SELECT pg_stat_force_next_flush()");
	sql(s, "UPDATE _upshift.watch SET since = since - interval '29 days'");
	until_says(&x, "still in use");
	assert_int_equal(wizard_page(x.w), PAGE_P50);
	/* its time comes while the page is open: then it asks */
	sql(s, "UPDATE _upshift.watch SET since = since - interval '31 days'");
	until_asked(&x, "confirm:contract");
	until(&x, PAGE_S40);
	assert_true(says(&x, "NO: nothing can bring back"));
	act(&x, "run");
	assert_int_equal(wizard_page(x.w), PAGE_S45);
	(void)wizard_act(x.w, "words", NULL, "contract");
	until(&x, PAGE_D90);
	assert_int_equal(wizard_exit(x.w), 0);
	unsetenv("UPSHIFT_TEST_ASK_S");
	assert_int_equal(sql(s, "SELECT 1 WHERE to_regclass('t') IS NULL"), 1);
	world_end(&x);
}

/* one that the run is complete without: when it may be done stands at the end */
static void t_contract_optional(void **state)
{
	_cleanup_store_ struct store *s = opened();
	struct world x;

	sql(s, "CREATE SCHEMA o");
	sql(s, "CREATE TABLE o.n (id int PRIMARY KEY)");
	sql(s, "CREATE TABLE n (id int PRIMARY KEY)");
	world_init(&x, *state);
	write_plan(&x, "{ id = \"names\"; kind = \"views\"; store = \"db\"; "
		   "views = ( { name = \"n\"; select = \"SELECT id FROM o.n\"; "
		   "} ); }, { id = \"contract\"; kind = \"sql\"; store = "
		   "\"db\"; optional = true; unused = \"names\"; up = [ "
		   "\"DROP VIEW n\" ]; }");
	to_steps(&x);
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_true(says(&x, "upshift resume --run-step contract"));
	assert_true(says(&x, "step 'contract' may not begin before "));
	assert_int_equal(wizard_exit(x.w), 3);
	world_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(t_look),
		with_scratch(t_copy),
		with_scratch(t_shares),
		with_scratch(t_query),
		with_scratch(t_contract),
		with_scratch(t_contract_optional),
	};

	(void)umask(077);
	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
