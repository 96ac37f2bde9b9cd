/* SPDX-License-Identifier: MIT */
/* What a kind gets from its keys, and what is said about wrong ones. */
#include "plan-fake.h"

static void values(void **state)
{
	struct loaded l;
	const struct fake *f;

	(void)state; /* none */
	load(&l, STEP("paths = [\"b/./c//d/\", \"**/*.tmp\"]; path = \"x/y\"; "
		      "mode = \"0750\"; string = \"s\"; raw = \"${nobody}\"; "
		      "pattern = \"^a+$\";"));
	assert_problem(&l, 2, "unknown name '${nobody}'");
	load_again(&l, STEP(
		"paths = [\"b/./c//d/\", \"**/*.tmp\"]; path = \"x/y\"; "
		"mode = \"0750\"; string = \"s\"; raw = \"$${x} ${root}\"; "
		"pattern = \"^a+$\"; run = [\"p\", \"-x\"]; "
		"env = { B = \"1\"; A = 2; T = true; }; "
		"keys = { from = \"von\"; n = 1.5; }; list = (\"1\", \"2\"); "
		"timeout = \"2m\"; ratio = 2; size = \"1M\"; count = 7; "
		"flag = true; parts = ({ name = \"p1\"; }, { name = \"p2\"; });"
		) "root = \"/srv/x\";");
	assert_loads(&l);
	f = fake_of(&l, 0);
	assert_int_equal(f->paths.n, 2);
	assert_string_equal(f->paths.v[0], "b/c/d");
	assert_string_equal(f->paths.v[1], "**/*.tmp");
	assert_string_equal(f->path, "x/y");
	assert_int_equal(f->mode, 0750);
	assert_string_equal(f->string, "s");
	assert_string_equal(f->raw, "$${x} ${root}");
	assert_string_equal(f->regex, "^a+$");
	assert_string_equal(f->argv.v[1], "-x");
	assert_int_equal(f->env.n, 3);
	assert_string_equal(f->env.v[0], "B=1");
	assert_string_equal(f->env.v[1], "A=2");
	assert_string_equal(f->env.v[2], "T=true");
	assert_int_equal(f->pairs.n, 4);
	assert_string_equal(f->pairs.v[1], "von");
	assert_string_equal(f->pairs.v[3], "1.5");
	assert_int_equal(f->list.n, 2);
	assert_true(f->timeout == 120);
	assert_true(f->ratio == 2);
	assert_int_equal(f->size, 1048576);
	assert_int_equal(f->count, 7);
	assert_true(f->flag);
	assert_int_equal(f->parts, 2);
	assert_string_equal(f->part_name, "p2");
	load_end(&l);
}

static void forms(void **state)
{
	struct loaded l;

	(void)state; /* none */
	/* one for a list of one */
	load(&l, STEP("paths = \"one\"; list = \"two\"; timeout = 1.5; "
		      "size = 5; ratio = 0.5; parts = { name = \"p\"; };"));
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->paths.v[0], "one");
	assert_string_equal(fake_of(&l, 0)->list.v[0], "two");
	assert_true(fake_of(&l, 0)->timeout == 1.5);
	assert_int_equal(fake_of(&l, 0)->size, 5);
	assert_int_equal(fake_of(&l, 0)->parts, 1);
	/* numbers from variables */
	load_again(&l, STEP("count = \"${n}\"; timeout = \"${n}m\"; "
			    "flag = \"${yes}\"; ratio = \"${r}\"; "
			    "mode = \"${m}\"; size = \"${n}K\";")
		   "vars = { n = 3; yes = true; r = 1.5; m = \"0600\"; };");
	assert_loads(&l);
	assert_int_equal(fake_of(&l, 0)->count, 3);
	assert_true(fake_of(&l, 0)->timeout == 180);
	assert_true(fake_of(&l, 0)->flag);
	assert_true(fake_of(&l, 0)->ratio == 1.5);
	assert_int_equal(fake_of(&l, 0)->mode, 0600);
	assert_int_equal(fake_of(&l, 0)->size, 3072);
	load_end(&l);
}

static void wrong_types(void **state)
{
	(void)state; /* none */
	one(STEP("mode = 0700;"), 2, "write the mode as a string: \"0700\"");
	one(STEP("mode = 755;"), 2, "write the mode as a string: \"0755\"");
	one(STEP("mode = \"rwx\";"), 2, "octal digits");
	one(STEP("mode = true;"), 2, "octal digits");
	one(STEP("string = 1;"), 2, "'string' must be a string in quotes");
	one(STEP("raw = [\"a\"];"), 2, "'raw' must be a string");
	one(STEP("list = [1];"), 2, "'list' may hold strings");
	one(STEP("list = 5;"), 2, "'list' may hold strings");
	one(STEP("path = [\"a\"];"), 2, "'path' must be a string");
	one(STEP("flag = \"true\";"), 2, "true or false, without quotes");
	one(STEP("flag = 1;"), 2, "true or false");
	one(STEP("count = \"3\";"), 2, "whole number");
	one(STEP("count = 1.5;"), 2, "whole number");
	one(STEP("count = 0;"), 2, "from 1 to 10");
	one(STEP("count = 11;"), 2, "from 1 to 10");
	one(STEP("ratio = -1;"), 2, "at least 0");
	one(STEP("ratio = \"x\";"), 2, "must be a number");
	one(STEP("timeout = -1;"), 2, "must be a time");
	one(STEP("timeout = \"soon\";"), 2, "must be a time");
	one(STEP("timeout = 1e12;"), 2, "must be a time");
	one(STEP("size = -5;"), 2, "must be a size");
	one(STEP("size = \"1X\";"), 2, "must be a size");
	one(STEP("env = [\"A=1\"];"), 2, "must be a group");
	one(STEP("env = { a-b = \"1\"; };"), 2, "environment variable");
	one(STEP("env = { A = [1]; };"), 2, "a string or a number");
	one(STEP("pattern = \"(\";"), 2, "extended regular expression");
	one(STEP("parts = [1];"), 2, "list of groups");
	one(STEP("parts = (1);"), 2, "groups ({ ... }) alone");
	one(STEP("parts = (\n{ });"), 3, "'name' is missing");
	one(HEAD "steps = ({ id = \"a\"; kind = \"mkdir\"; });", 2,
	    "'paths' is missing");
	one(HEAD "steps = ({ id = \"a\"; kind = \"mkdir\"; paths = []; });", 2,
	    "'paths' is empty");
}

static void unknown_keys(void **state)
{
	(void)state; /* none */
	one(STEP("\ntittle = \"x\";"), 3,
	    "unknown key 'tittle' (did you mean 'title'?)");
	one(STEP("\npathes = \"x\";"), 3, "did you mean 'paths'");
	one(STEP("zzz = 1;"), 2, "unknown key 'zzz'");
	one(STEP("title = \"a\"; title_german = \"b\";"), 2,
	    "a language is written like 'title_de'");
	one(STEP("title = \"a\"; title_DE = \"b\";"), 2, "unknown key");
	one(STEP("parts = ({ name = \"x\";\nnome = 1; });"), 3,
	    "did you mean 'name'");
	one(STEP("") "supprt = \"x\";", 3, "did you mean 'support'");
	one(STEP("") "app = { running = [\"x\"]; stpo = 1; };", 3,
	    "did you mean 'stop'");
	one(STEP("") "backup = { includes = []; };", 3, "did you mean 'include'");
	one(STEP("path_de = \"x\"; path = \"y\";"), 2, "unknown key 'path_de'");
}

static void texts(void **state)
{
	struct loaded l;

	(void)state; /* none */
	load(&l, STEP("title = \"Hello ${n}\"; title_de = \"Hallo\"; "
		      "title_pt_BR = \"Oi\"; hint = \"two\\nlines\";")
	     "vars = { n = 1; };");
	assert_loads(&l);
	assert_string_equal(plan_text_get(&l.plan->steps[0]->title, NULL),
			    "Hello 1");
	assert_string_equal(plan_text_get(&l.plan->steps[0]->title, "de_CH"),
			    "Hallo");
	assert_string_equal(plan_text_get(&l.plan->steps[0]->title, "pt_BR"),
			    "Oi");
	assert_string_equal(plan_text_get(&l.plan->steps[0]->hint, "fr"),
			    "two\nlines");
	load_end(&l);
	one(STEP("title = \"a\\x1b[2Jb\";"), 2, "control character");
	one(STEP("title = \"a\\x9b\";"), 2, "not valid UTF-8");
	one(STEP("title = \"a\xc2\x9b\";"), 2, "control character");
	one(STEP("title_de = \"a\";"), 2, "'title' is not");
	one(STEP("title = \"%s%n\"; zzz = 1;"), 2, "unknown key 'zzz'");
}

/* What a plan says is quoted, never obeyed. */
static void hostile_messages(void **state)
{
	struct loaded l;

	(void)state; /* none */
	load(&l, STEP("timeout = \"1s\"; paths = [\"../%s%n\\x1b]0;x\\x07\"];"));
	assert_int_equal(l.problems.n, 1);
	assert_null(strchr(l.problems.v[0].message, '\x1b'));
	assert_null(strchr(l.problems.v[0].message, '\x07'));
	assert_non_null(strstr(l.problems.v[0].message, "%s%n"));
	assert_null(strchr(l.err.msg, '\x1b'));
	load_again(&l, HEAD "steps = ({ id = \"a\\x1b[2J\"; kind = \"\\x1b\"; });");
	assert_int_equal(l.problems.n, 2);
	for (size_t i = 0; i < l.problems.n; i++)
		assert_null(strchr(l.problems.v[i].message, '\x1b'));
	load_end(&l);
}

static void argument_lists(void **state)
{
	struct loaded l;

	(void)state; /* none */
	one(STEP("run = \"ls -l\";"), 2, "list of arguments");
	one(STEP("run = [];"), 2, "list of arguments");
	one(STEP("run = [\"\", \"x\"];"), 2, "program is empty");
	load(&l, STEP("run = [\"p\", \"${m}\", \"\", \"$${HOME}\", "
		      "\"at ${step.started}\"];") "vars = { m = \"a b; c\"; };");
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->argv.v[1], "a b; c");
	assert_string_equal(fake_of(&l, 0)->argv.v[2], "");
	assert_string_equal(fake_of(&l, 0)->argv.v[3], "${HOME}");
	assert_string_equal(fake_of(&l, 0)->argv.v[4], "at ${step.started}");
	load_end(&l);
}

static void no_values_in_scripts(void **state)
{
	static const char *const bad[] = {
		"[\"sh\", \"-c\", \"echo ${m}\"]",
		"[\"/bin/bash\", \"-ec\", \"echo ${m}\"]",
		"[\"dash\", \"-e\", \"-c\", \"echo ${m}\"]",
		"[\"zsh\", \"-c\", \"-e\", \"echo ${m}\"]",
		"[\"ksh\", \"-o\", \"pipefail\", \"-c\", \"${m}\"]",
		"[\"bash\", \"-c\", \"-o\", \"pipefail\", \"${m}\"]",
		"[\"env\", \"A=b\", \"sh\", \"-c\", \"${m}\"]",
		"[\"busybox\", \"sh\", \"-c\", \"${m}\"]",
		"[\"nice\", \"-n\", \"5\", \"sh\", \"-c\", \"${m}\"]",
		"[\"${shell}\", \"-c\", \"${m}\"]",
		"[\"sh\", \"${flag}\", \"${m}\"]",
		"[\"su\", \"x\", \"-c\", \"${m}\"]",
		"[\"env\", \"-S\", \"echo ${m}\"]",
		"[\"python3\", \"-c\", \"print('${m}')\"]",
		"[\"sh\", \"-c\", \"echo ${mail}\"]",
		"[\"sh\", \"-c\", \"echo ${env:PATH}\"]",
		"[\"sh\", \"-c\", \"ls ${root}\"]",
		"[\"sh\", \"-c\", \"id ${run.user}\"]",
	};
	static const char *const good[] = {
		"[\"sh\", \"-c\", \"echo \\\"$UPSHIFT_VAR_m\\\" $${HOME}\"]",
		"[\"sh\", \"-c\", \"echo $1\", \"sh\", \"${m}\"]",
		"[\"sh\", \"-c\", \"echo ${run.id} ${step.started}\"]",
		"[\"sh\", \"script.sh\", \"${m}\"]",
		"[\"prog\", \"-c\", \"${m}\"]",
		"[\"sh\"]",
		"[\"sh\", \"-c\"]",
	};
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	l.scope.root = "/srv/data";
	l.scope.user = "me; rm -rf /";
	l.scope.run_id = "ABCD";
	for (size_t i = 0; i < ARRAY_SIZE(bad) + ARRAY_SIZE(good); i++) {
		bool refuse = i < ARRAY_SIZE(bad);
		const char *run = refuse ? bad[i] : good[i - ARRAY_SIZE(bad)];
		_cleanup_free_ char *text = xasprintf(
			HEAD "answers = ({ id = \"mail\"; prompt = \"M\"; "
			"default = \"x; y\"; });\n"
			"vars = { m = \"a; b\"; shell = \"sh\"; flag = \"-c\"; };"
			"\nsteps = ({ id = \"a\"; kind = \"write\";\nrun = %s; "
			"});\n", run);

		load_again(&l, text);
		if (refuse ? !l.problems.n ||
		    !has_problem(&l, 5, "must not stand inside a script") :
		    l.r != 0) {
			show_problems(&l);
			fail_msg("%s", run);
		}
	}
	load_end(&l);
}

static void places(void **state)
{
	static const struct {
		const char *path, *want; /* want NULL: refused */
	} t[] = {
		{ "a/b", "a/b" }, { "./a", "a" }, { ".", "." },
		{ "/srv/data/a", "a" }, { "/srv/data", "." },
		{ "/srv/database", NULL }, { "..", NULL }, { "a/../b", NULL },
		{ "/srv/data/../x", NULL }, { "", NULL },
		{ "/etc/passwd", NULL }, { "/opt/app/x", "/opt/app/x" },
		{ "/opt/app", "/opt/app" }, { "/opt/apple", NULL },
		{ "/opt/app/../x", NULL }, { "~/.config/app/x",
		  "/home/me/.config/app/x" }, { "~/x", NULL },
		{ "~other/x", "~other/x" },
		{ ".upshift", NULL }, { ".upshift/runs", NULL },
		{ ".upshifted", ".upshifted" }, { "state/here/x", NULL },
		{ "${root}/q", "q" }, { "/srv/data/.upshift/x", NULL },
		{ "a/*", "a/*" }, { "/opt/*", NULL }, { "/opt/app/*",
		  "/opt/app/*" },
	};
	struct loaded l;

	(void)state; /* none */
	setenv("HOME", "/home/me", 1);
	load_begin(&l);
	l.scope.root = "/srv/data";
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *text = xasprintf(
			HEAD "allow_paths = [\"/opt/app\", "
			"\"~/.config/app\"]; state_dir = \"/srv/data/state/here\";"
			"\nsteps = ({ id = \"a\"; kind = \"write\";\n"
			"paths = [\"%s\"]; });\n", t[i].path);

		load_again(&l, text);
		if (!t[i].want && (l.problems.n != 1 ||
				   l.problems.v[0].line != 4)) {
			show_problems(&l);
			fail_msg("'%s' was taken", t[i].path);
		}
		if (!t[i].want)
			continue;
		assert_loads(&l);
		assert_string_equal(fake_of(&l, 0)->paths.v[0], t[i].want);
	}
	load_end(&l);
	one(STEP("path = \"a*\";"), 2, "patterns are not taken");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(forms),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(unknown_keys),
		cmocka_unit_test(texts),
		cmocka_unit_test(hostile_messages),
		cmocka_unit_test(argument_lists),
		cmocka_unit_test(no_values_in_scripts),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
