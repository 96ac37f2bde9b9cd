/* SPDX-License-Identifier: MIT */
/* A plan as a whole: the file, the top level, lists, ids, order. */
#include <fcntl.h>
#include <sys/stat.h>

#include "plan-fake.h"
#include "plan-internal.h"

/* --- the file --- */

static int load_path(struct loaded *l, const char *path)
{
	load_reset(l);
	l->r = plan_load(path, fakes, &l->scope, &l->plan, &l->problems,
			 &l->err);
	return l->r;
}

static void not_a_file(void **state)
{
	struct loaded l;
	_cleanup_free_ char *fifo = NULL, *none = NULL, *big = NULL;
	_cleanup_free_ char *spaces = xmalloc(PLAN_SIZE_MAX + 1);

	(void)state; /* none */
	load_begin(&l);
	fifo = xasprintf("%s/fifo", l.dir);
	none = xasprintf("%s/none", l.dir);
	big = xasprintf("%s/big", l.dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	/* would wait for a writer for ever */
	assert_true(load_path(&l, fifo) < 0);
	assert_int_equal(l.err.code, ERR_PLAN);
	assert_true(load_path(&l, l.dir) < 0);
	assert_int_equal(l.err.code, ERR_PLAN);
	assert_true(load_path(&l, "/dev/zero") < 0);
	assert_int_equal(l.err.code, ERR_PLAN);
	assert_int_equal(load_path(&l, none), -ENOENT);
	assert_int_equal(l.err.code, ERR_NO_PLAN);
	assert_int_equal(error_code_exit(l.err.code), 66);
	memset(spaces, ' ', PLAN_SIZE_MAX + 1);
	put_file(l.dir, "big", spaces, PLAN_SIZE_MAX + 1);
	assert_int_equal(load_path(&l, big), -EFBIG);
	assert_int_equal(error_code_exit(l.err.code), 65);
	assert_non_null(strstr(l.err.msg, "1 MiB"));
	/* as large as may be */
	memcpy(spaces, STEP(""), strlen(STEP("")));
	put_file(l.dir, "big", spaces, PLAN_SIZE_MAX);
	assert_int_equal(load_path(&l, big), 0);
	load_end(&l);
}

static void standard_input(void **state)
{
	_cleanup_free_ char *path = NULL;
	struct loaded l;
	int saved = dup(0), fd;

	(void)state; /* none */
	load_begin(&l);
	put_file(l.dir, "in", STEP(""), strlen(STEP("")));
	path = xasprintf("%s/in", l.dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(dup2(fd, 0), 0);
	close(fd);
	assert_int_equal(load_path(&l, "-"), 0);
	assert_string_equal(l.plan->path, "-");
	/* without an end */
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(dup2(fd, 0), 0);
	close(fd);
	assert_int_equal(load_path(&l, "-"), -EFBIG);
	assert_int_equal(dup2(saved, 0), 0);
	close(saved);
	load_end(&l);
}

/* --- files beside it --- */

static void beside(void **state)
{
	static const char plan[] = STEP("source = \"sub/../a.txt\";");
	_cleanup_free_ char *link_path = NULL, *fifo = NULL, *sub = NULL;
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	put_file(l.dir, "a.txt", "he\0llo", 6);
	load_again(&l, plan);
	assert_problem(&l, 2, "'..' is not allowed");
	load_again(&l, STEP("source = \"./a.txt\";"));
	assert_loads(&l);
	assert_int_equal(fake_of(&l, 0)->file->len, 6);
	assert_memory_equal(fake_of(&l, 0)->file->data, "he\0llo", 6);
	assert_string_equal(fake_of(&l, 0)->file->name, "a.txt");
	assert_ptr_equal(plan_find_file(l.plan, "a.txt"),
			 fake_of(&l, 0)->file);
	assert_null(plan_find_file(l.plan, "b.txt"));
	load_again(&l, STEP("source = \"b.txt\";"));
	assert_problem(&l, 2, "cannot open 'b.txt'");
	load_again(&l, STEP("source = \"/etc/passwd\";"));
	assert_problem(&l, 2, "beside the plan");
	load_again(&l, STEP("source = \"\";"));
	assert_problem(&l, 2, "'source' is empty");
	link_path = xasprintf("%s/link", l.dir);
	assert_int_equal(symlink("/etc/passwd", link_path), 0);
	load_again(&l, STEP("source = \"link\";"));
	assert_problem(&l, 2, "cannot open 'link'");
	fifo = xasprintf("%s/fifo", l.dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	load_again(&l, STEP("source = \"fifo\";"));
	assert_problem(&l, 2, "not a regular file");
	sub = xasprintf("%s/sub", l.dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	load_again(&l, STEP("source = \"sub\";"));
	assert_problem(&l, 2, "'sub'");
	load_end(&l);
}

static void many_files(void **state)
{
	_cleanup_strbuf_ struct strbuf plan = STRBUF_INIT;
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	strbuf_addstr(&plan, HEAD "steps = (");
	for (int i = 0; i < PLAN_FILES_MAX; i++) {
		_cleanup_free_ char *name = xasprintf("f%d", i);

		put_file(l.dir, name, name, strlen(name));
		strbuf_addf(&plan, "%s{ id = \"a%d\"; kind = \"write\"; "
			    "source = \"%s\"; }", i ? ",\n" : "", i, name);
	}
	strbuf_addstr(&plan, ");\n");
	load_again(&l, plan.buf);
	assert_loads(&l);
	/* what the first kind holds is still there */
	for (size_t i = 0; i < l.plan->step_n; i++) {
		_cleanup_free_ char *name = xasprintf("f%zu", i);

		assert_string_equal(fake_of(&l, i)->file->data, name);
	}
	load_end(&l);
}

static char *digest_of(struct loaded *l, const char *text)
{
	load_again(l, text);
	assert_loads(l);
	return xstrdup(l->plan->digest);
}

static void digests(void **state)
{
	static const char plan[] =
		STEP("source = \"a\"; parts = ({ name = \"b\"; });");
	struct loaded a, b;
	_cleanup_free_ char *first = NULL, *moved = NULL, *other = NULL;
	_cleanup_free_ char *file = NULL, *space = NULL;

	(void)state; /* none */
	load_begin(&a);
	load_begin(&b);
	put_file(a.dir, "a", "1", 1);
	put_file(b.dir, "a", "1", 1);
	first = digest_of(&a, plan);
	assert_int_equal(strlen(first), 140);
	assert_true(str_starts(first, "blake2b-512:"));
	moved = digest_of(&b, plan);
	assert_string_equal(first, moved);
	put_file(b.dir, "a", "2", 1);
	file = digest_of(&b, plan);
	assert_string_not_equal(first, file);
	space = digest_of(&a, STEP("source = \"a\";  "
				   "parts = ({ name = \"b\"; });"));
	assert_string_not_equal(first, space);
	put_file(a.dir, "b", "1", 1);
	other = digest_of(&a, STEP("source = \"b\"; "
				   "parts = ({ name = \"b\"; });"));
	assert_string_not_equal(first, other);
	load_end(&a);
	load_end(&b);
}

/* --- the top level --- */

static const char whole[] =
	"plan = 1; name = \"demo\"; title = \"Demo\"; title_de = \"Probe\";\n"
	"from = \"1.0\"; to = \"2.0\"; root = \"~/.demo\";\n"
	"support = \"help desk\"; release_notes = \"New.\";\n"
	"changes = [\"one\", \"two\"]; changes_de = [\"eins\", \"zwei\"];\n"
	"on_failure = \"rollback\"; run_as = \"root\"; hard_links = \"break\";\n"
	"allow_paths = [\"/opt/demo/\"]; live = [\"logs/**\"];\n"
	"rollback = { env = \"DEMO_ROLLBACK\"; };\n"
	"backup = { include = [\"data\"]; exclude = [\"**/*.tmp\"]; "
	"keep_days = 7; dir = \"~/backups/${run.started}\"; "
	"with = \"pg_dump\"; snapshot = { create = [\"cp\", \"x-${snapshot.name}\"]; "
	"restore = [\"cp\", \"${snapshot.id}\"]; drop = [\"rm\", "
	"\"${snapshot.name}\"]; timeout = \"5m\"; }; };\n"
	"app = { stop = [\"demo\", \"stop\"]; start = [\"demo\", \"start\"]; "
	"running = [\"demo\", \"status\"]; downtime = \"2 min\"; timeout = 9; };\n"
	"checks = ( { kind = \"space\"; }, { id = \"C01\"; kind = \"command\"; "
	"severity = \"warn\"; title = \"T\"; hint = \"H\"; },\n"
	"{ kind = \"command\"; } );\n"
	"steps = ( { id = \"one\"; kind = \"write\"; path = \"x\"; optional = true; "
	"on_error = \"continue\"; risk = \"low\"; hint = \"h\"; estimate = \"1m\"; "
	"secret = true; confirm = true; },\n"
	"{ id = \"two\"; kind = \"write\"; path = \"x\"; needs = [\"one\"]; },\n"
	"{ id = \"look\"; kind = \"command\"; severity = \"warn\"; } );\n"
	"verify = ( { kind = \"unchanged\"; }, { kind = \"command\"; } );\n"
	"verify_rollback = ( { kind = \"command\"; } );\n";

static void top_level(void **state)
{
	struct loaded l;
	const struct plan *p;

	(void)state; /* none */
	setenv("HOME", "/home/me", 1);
	load_begin(&l);
	l.scope.run_started = "T0";
	load_again(&l, whole);
	assert_loads(&l);
	p = l.plan;
	assert_string_equal(p->name, "demo");
	assert_string_equal(plan_text_get(&p->title, "de"), "Probe");
	assert_string_equal(p->from, "1.0");
	assert_string_equal(p->to, "2.0");
	assert_string_equal(p->root, "~/.demo");
	assert_string_equal(p->support.text, "help desk");
	assert_string_equal(p->release_notes.text, "New.");
	assert_int_equal(p->change_n, 2);
	assert_string_equal(plan_text_get(&p->changes[1], "de"), "zwei");
	assert_string_equal(plan_text_get(&p->changes[1], "fr"), "two");
	assert_int_equal(p->on_failure, PLAN_ROLLBACK);
	assert_string_equal(p->run_as, "root");
	assert_true(p->hard_links_break);
	assert_string_equal(p->allow_paths.v[0], "/opt/demo");
	assert_string_equal(p->live.v[0], "logs/**");
	assert_string_equal(p->rollback_env, "DEMO_ROLLBACK");
	assert_string_equal(p->include.v[0], "data");
	assert_string_equal(p->exclude.v[0], "**/*.tmp");
	assert_true(p->keep_s == 7 * 86400.0);
	assert_string_equal(p->snapshot.create.argv.v[1], "x-${snapshot.name}");
	assert_string_equal(p->snapshot.restore.argv.v[1], "${snapshot.id}");
	assert_string_equal(p->snapshot.drop.argv.v[0], "rm");
	assert_true(p->snapshot.drop.timeout_s == 300);
	assert_true(p->pg_dump);
	assert_string_equal(p->backup_dir, "/home/me/backups/T0");
	assert_true(p->app.given);
	assert_string_equal(p->app.stop.argv.v[1], "stop");
	assert_true(p->app.start.timeout_s == 9);
	assert_true(p->app.downtime_s == 120);
	load_end(&l);
}

static void lists(void **state)
{
	struct loaded l;
	const struct plan *p;
	const struct step *s;

	(void)state; /* none */
	load_begin(&l);
	l.scope.run_started = "T0";
	load_again(&l, whole);
	assert_loads(&l);
	p = l.plan;
	assert_int_equal(p->check_n, 3);
	/* the author took the first number */
	assert_string_equal(p->checks[0]->id, "C02");
	assert_string_equal(p->checks[1]->id, "C01");
	assert_string_equal(p->checks[2]->id, "C03");
	assert_true(p->checks[1]->severity_warn);
	assert_false(p->checks[0]->severity_warn);
	assert_int_equal(p->step_n, 3);
	s = p->steps[0];
	assert_true(s->optional && s->on_error_continue && s->secret &&
		    s->confirm);
	assert_true(s->estimate_s == 60);
	assert_true(p->steps[1]->estimate_s < 0);
	assert_string_equal(s->risk.text, "low");
	assert_int_equal(s->line, 12);
	assert_string_equal(p->steps[1]->needs.v[0], "one");
	assert_true(p->steps[2]->severity_warn);
	assert_string_equal(p->verify[0]->id, "V01");
	assert_string_equal(p->verify[1]->id, "V02");
	assert_string_equal(p->verify_rollback[0]->id, "B01");
	assert_ptr_equal(plan_find_step(p, "two"), p->steps[1]);
	assert_null(plan_find_step(p, "three"));
	assert_int_equal(plan_step_index(p, "look"), 2);
	load_end(&l);
}

static void defaults(void **state)
{
	struct loaded l;

	(void)state; /* none */
	load(&l, "plan = 1; name = \"x\"; steps = ({ id = \"a\"; kind = "
	     "\"write\"; });");
	assert_loads(&l);
	assert_string_equal(l.plan->from, "");
	assert_string_equal(l.plan->to, "");
	assert_string_equal(plan_text_get(&l.plan->title, NULL), "x");
	assert_null(l.plan->root);
	assert_null(l.plan->run_as);
	assert_int_equal(l.plan->on_failure, PLAN_ASK);
	assert_true(l.plan->keep_s < 0);
	assert_false(l.plan->app.given);
	load_end(&l);
}

static void missing(void **state)
{
	struct loaded l;

	(void)state; /* none */
	load(&l, "plan = 1;");
	assert_int_equal(l.problems.n, 2);
	assert_true(has_problem(&l, 0, "'name' is missing"));
	assert_true(has_problem(&l, 0, "'steps' is missing"));
	load_end(&l);
	one("name = \"x\"; steps = ({ id = \"a\"; kind = \"write\"; });", 0,
	    "'plan = 1;' is missing");
	/* what its keys mean is for a newer program to say */
	one("\nplan = 2; nome = \"x\"; stebs = ();", 2,
	    "plan format 2 is newer than this program");
	one("plan = 0; name = \"x\"; steps = ({ id = \"a\"; kind = \"write\"; "
	    "});", 1, "at least 1");
	one(HEAD "steps = ();", 2, "'steps' is empty");
	one("plan = 1; name = \"../x\"; steps = ({ id = \"a\"; kind = "
	    "\"write\"; });", 1, "'name'");
	one(HEAD "steps = ({ kind = \"write\"; });", 2, "'id' is missing");
	one(HEAD "steps = ({ id = \"a\"; });", 2, "'kind' is missing");
}

static void policies(void **state)
{
	(void)state; /* none */
	one(STEP("") "on_failure = \"rolback\";", 3, "did you mean 'rollback'");
	one(STEP("") "on_failure = 1;", 3, "must be a string");
	one(STEP("") "run_as = \"nobody\";", 3, "unknown word 'nobody'");
	one(STEP("on_error = \"ignore\";"), 2, "unknown word 'ignore'");
	one(STEP("") "rollback = { env = \"1X\"; };", 3, "environment variable");
	one(STEP("") "rollback = { strategy = \"backups\"; };", 3,
	    "did you mean 'backup'");
	one(STEP("") "rollback = { scenarios = ( { to = \"start\"; } ); };", 3,
	    "'name' is missing");
	one(STEP("") "rollback = { scenarios = ( { name = \"a\"; to = "
	    "\"CP9\"; } ); };", 3, "'CP9' is no checkpoint of this plan");
	one(STEP("") "rollback = { scenarios = ( { name = \"a\"; }, { name = "
	    "\"A\"; } ); };", 3, "is there twice");
#define WAY(text) STEP("") \
	"rollback = { scenarios = ( { name = \"a\"; " text " } ); };"
	one(WAY("undo = [\"b\"];"), 3, "no step 'b' in this plan");
	one(WAY("undo = [\"a\"]; to = \"start\";"), 3,
	    "'to' and 'undo' exclude each other");
	one(WAY("undo = [\"a\"]; restore = true;"), 3,
	    "'undo' and 'restore' exclude each other");
	one(WAY("reset = [\"a\"];"), 3, "step 'a' writes no rows");
	one(WAY("undo_to = \"b\";"), 3, "'b' is no checkpoint of this plan");
	one(STEP("") "rollback = { scenarios = ( { name = \"Start\"; undo = "
	    "[\"a\"]; } ); };", 3, "'Start' is the name of a checkpoint");
	one(STEP("") "rollback = { scenarios = ( { name = \"r1\"; undo = "
	    "[\"a\"]; } ); };", 3, "'r1' is the name of a checkpoint");
	one(STEP("") "backup = { stores = [\"db:t\"]; };", 3,
	    "unknown store 'db'");
	one(STEP("") "app = { stop = [\"x\"]; };", 3, "go together");
	one(STEP("") "app = { };", 3, "'app' needs");
	one(STEP("") "app = { running = \"x y\"; };", 3, "list of arguments");
	one(STEP("") "backup = { include = [\"../x\"]; };", 3, "'..'");
	one(STEP("") "backup = { exclude = [\"/etc/*\"]; };", 3,
	    "outside the root");
	one(STEP("") "backup = { dir = \".\"; };", 3, "the root itself");
	one(STEP("") "backup = { dir = \".upshift/x\"; };", 3,
	    "belongs to upshift");
	one(STEP("") "backup = { dir = \"../x\"; };", 3, "'..'");
	one(STEP("") "backup = { dir = \"/a/../b\"; };", 3, "'..'");
	one(STEP("") "backup = { keep_days = -1; };", 3, "at least 0");
	one(STEP("") "backup = { with = \"tar\"; };", 3, "pg_dump");
	one(STEP("") "backup = { snapshot = { create = [\"a\"]; }; };", 3,
	    "'restore' is missing");
	one(STEP("") "backup = { snapshot = { create = \"a b\"; restore = "
	    "[\"b\"]; drop = [\"c\"]; }; };", 3, "list of arguments");
	one(STEP("") "backup = { snapshot = { create = [\"${snapshot.id}\"]; "
	    "restore = [\"b\"]; drop = [\"c\"]; }; };", 3,
	    "has no value here");
	one(STEP("") "backup = { snapshot = { create = [\"a\"]; restore = "
	    "[\"${snapshot.it}\"]; drop = [\"c\"]; }; };", 3,
	    "unknown name '${snapshot.it}'");
	one(STEP("") "backup = { include = [\"${snapshot.name}\"]; };", 3,
	    "has no value here");
	one(STEP("") "live = [\"/var/log/x\"];", 3, "outside the root");
	one(STEP("") "changes = [\"a\"]; changes_de = [\"b\", \"c\"];", 3,
	    "as many texts");
	one(STEP("") "allow_paths = [\"/\"];", 3, "system directory");
	one(STEP("") "allow_paths = [\"/etc\"];", 3, "system directory");
	one(STEP("") "allow_paths = [\"relative\"];", 3, "must begin with '/'");
	one(STEP("") "allow_paths = [\"/opt/*\"];", 3, "patterns");
	one(STEP("") "allow_paths = [\"/opt/../etc/x\"];", 3, "'..'");
	one(STEP("") "state_dir = \"a/../b\";", 3, "'..'");
	one(STEP("") "state_dir = \".\";", 3, "the root itself");
}

static void kinds(void **state)
{
	(void)state; /* none */
	one(HEAD "steps = ({ id = \"a\"; kind = \"wirte\"; zzz = 1; });", 2,
	    "unknown kind 'wirte' (did you mean 'write'?)");
	one(HEAD "steps = ({ id = \"a\"; kind = \"\\x1b\"; });", 2,
	    "unknown kind");
	one(STEP("") "checks = ({ kind = \"mkdir\"; paths = \"a\"; });", 3,
	    "belongs into 'steps'");
	one(STEP("") "checks = ({ kind = \"unchanged\"; });", 3,
	    "belongs into 'verify'");
	one(STEP("") "verify = ({ kind = \"space\"; });", 3,
	    "belongs into 'checks'");
	one(STEP("") "checks = ({ kind = \"command\"; optional = true; });", 3,
	    "unknown key 'optional'");
	one(STEP("severity = \"warn\";"), 2, "unknown key 'severity'");
	one(STEP("") "checks = ({ kind = \"comand\"; });", 3,
	    "did you mean 'command'");
	/* as steps all of them */
	{
		struct loaded l;

		load(&l, HEAD "steps = ({ id = \"a\"; kind = \"space\"; }, "
		     "{ id = \"b\"; kind = \"unchanged\"; });");
		assert_loads(&l);
		load_end(&l);
	}
}

/* --- ids and needs --- */

static void ids_and_needs(void **state)
{
	struct loaded l;

	(void)state; /* none */
	one(HEAD "steps = ({ id = \"a\"; kind = \"write\"; },\n"
	    "{ id = \"a\"; kind = \"write\"; });", 3,
	    "id 'a' is in use in line 2");
	one(STEP("") "checks = (\n{ id = \"a\"; kind = \"command\"; });", 4,
	    "id 'a' is in use in line 2");
	one(HEAD "steps = ({ id = \"start\"; kind = \"write\"; });", 2,
	    "checkpoint");
	one(HEAD "steps = ({ id = \"cp1\"; kind = \"write\"; });", 2, "'cp'");
	one(HEAD "steps = ({ id = \"Big\"; kind = \"write\"; });", 2,
	    "small letters");
	one(HEAD "steps = ({ id = \"first\"; kind = \"write\"; },\n"
	    "{ id = \"b\"; kind = \"write\"; needs = [\"frist\"]; });", 3,
	    "unknown step 'frist' (did you mean 'first'?)");
	one(STEP("needs = [\"a\"];"), 2, "cannot need itself");
	one(HEAD "steps = ({ id = \"a\"; kind = \"write\"; needs = [\"b\"]; },\n"
	    "{ id = \"b\"; kind = \"write\"; });", 2, "no step before this one");
	load(&l, HEAD "steps = ({ id = \"a\"; kind = \"nope\"; },\n"
	     "{ id = \"b\"; kind = \"write\"; needs = [\"a\", \"a\"]; });");
	/* a step that is wrong is there all the same */
	assert_problem(&l, 2, "unknown kind");
	load_end(&l);
}

static void too_much(void **state)
{
	_cleanup_strbuf_ struct strbuf keys = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf plan = STRBUF_INIT;
	struct loaded l;

	(void)state; /* none */
	/* libconfig alone would take minutes for a megabyte of them */
	for (int i = 0; keys.len < 1000000; i++)
		strbuf_addf(&keys, "q%d=1\n", i);
	one(keys.buf, 2001, "more than 2000 keys");
	strbuf_addstr(&plan, HEAD);
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&plan, "q%d = 1;\n", i);
	strbuf_addstr(&plan, "steps = (");
	for (int i = 0; i < PLAN_STEPS_MAX + 1; i++)
		strbuf_addf(&plan, "%s{ id = \"a%d\"; kind = \"write\"; }",
			    i ? "," : "", i);
	strbuf_addstr(&plan, ");\n");
	load(&l, plan.buf);
	assert_true(l.r < 0);
	/* nobody reads more */
	assert_int_equal(l.problems.n, 200);
	load_end(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_a_file),
		cmocka_unit_test(standard_input),
		cmocka_unit_test(beside),
		cmocka_unit_test(many_files),
		cmocka_unit_test(digests),
		cmocka_unit_test(top_level),
		cmocka_unit_test(lists),
		cmocka_unit_test(defaults),
		cmocka_unit_test(missing),
		cmocka_unit_test(policies),
		cmocka_unit_test(kinds),
		cmocka_unit_test(ids_and_needs),
		cmocka_unit_test(too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
