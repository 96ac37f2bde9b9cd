/* SPDX-License-Identifier: MIT */
/* ${...}: names, escapes, where which value may stand. */
#include "plan-fake.h"
#include "plan-internal.h"

static char *value_of(void *ctx, const char *name)
{
	(void)ctx; /* none */
	if (!strcmp(name, "a"))
		return xstrdup("A\"\\\n\x01 ${b}");
	if (!strcmp(name, "bytes"))
		return xstrdup("\xff");
	if (!strcmp(name, "empty"))
		return xstrdup("");
	if (!strcmp(name, "x.y-z:w"))
		return xstrdup("Z");
	return NULL;
}

static void text(const char *in, bool json, const char *want)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	int r = expand_text(in, strlen(in), json, value_of, NULL, &out, &err);

	if (!want) {
		assert_true(r < 0);
		assert_int_equal(err.code, ERR_PLAN_VALUE);
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(out.buf, want);
}

static void expand(void **state)
{
	(void)state; /* none */
	text("", false, "");
	text("plain $ $$ $a {} }", false, "plain $ $$ $a {} }");
	text("$${a} $$${a}", false, "${a} $${a}");
	text("<${empty}>", false, "<>");
	text("${x.y-z:w}", false, "Z");
	/* a value is never looked at again */
	text("${a}", false, "A\"\\\n\x01 ${b}");
	text("\"${a}\"", true, "\"A\\\"\\\\\\u000a\\u0001 ${b}\"");
	text("${bytes}", false, "\xff");
	text("${bytes}", true, NULL);
	text("${nobody}", false, NULL);
	text("${", false, NULL);
	text("${a", false, NULL);
	text("${}", false, NULL);
	text("${a b}", false, NULL);
	text("${%n}", false, NULL);
	text("$", false, "$");
	text("x$", false, "x$");
	text("x$$", false, "x$$");
}

static void with_nul(void **state)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	(void)state; /* none */
	assert_int_equal(expand_text("a\0${empty}b", 11, false, value_of, NULL,
				     &out, NULL), 0);
	assert_int_equal(out.len, 3);
	assert_memory_equal(out.buf, "a\0b", 3);
}

static void started(void **state)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	(void)state; /* none */
	expand_step_started("a ${step.started}${step.started} ${b} $${c} ${",
			    "NOW", &out);
	assert_string_equal(out.buf, "a NOWNOW ${b} $${c} ${");
}

static void variables(void **state)
{
	struct loaded l;

	(void)state; /* none */
	load(&l, HEAD "vars = { a = 1; b = \"<${a}>\"; c = \"${b}${a}\"; "
	     "d = 1.25; e = false; f = 5000000000L; };\n"
	     "steps = ({ id = \"a\"; kind = \"write\"; "
	     "string = \"${a} ${b} ${c} ${d} ${e} ${f}\"; });\n");
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->string,
			    "1 <1> <1>1 1.25 false 5000000000");
	assert_string_equal(json_get_str(l.plan->vars, "c", ""), "<1>1");
	load_end(&l);
	one(STEP("") "vars = {\nb = \"${a}\"; a = 1; };", 4, "'${a}'");
	one(STEP("") "vars = { a-b = 1; };", 3, "variable 'a-b'");
	one(STEP("") "vars = { root = \"x\"; };", 3, "root directory");
	one(STEP("") "vars = { a = [1]; };", 3, "a string or a number");
	one(STEP("") "vars = [1];", 3, "must be a group");
	one(STEP("string = \"${reten}\";") "vars = { retention = 1; };", 2,
	    "unknown name '${reten}'");
	one(STEP("string = \"${retentoin}\";") "vars = { retention = 1; };", 2,
	    "did you mean '${retention}'");
	one(STEP("string = \"${run.ID}\";"), 2, "did you mean '${run.id}'");
}

static void overrides(void **state)
{
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	l.scope.vars = json_object_new_object();
	json_set_str(l.scope.vars, "a", "${nobody} $${x}");
	load_again(&l, STEP("string = \"${a}|${b}\";")
		   "vars = { a = 1; b = \"${a}!\"; };");
	assert_loads(&l);
	/* taken as it was typed */
	assert_string_equal(fake_of(&l, 0)->string,
			    "${nobody} $${x}|${nobody} $${x}!");
	json_set_str(l.scope.vars, "bb", "1");
	load_again(&l, STEP("") "vars = { a = 1; b = 2; };");
	assert_problem(&l, 0, "no variable 'bb'");
	load_end(&l);
}

static void answers(void **state)
{
	static const char plan[] =
		HEAD "answers = ( { id = \"mail\"; prompt = \"Mail\"; "
		"pattern = \".+@.+\"; },\n"
		"{ id = \"lang\"; prompt = \"L\"; default = \"de\"; },\n"
		"{ id = \"note\"; prompt = \"N\"; required = false; } );\n"
		"steps = ({ id = \"a\"; kind = \"write\"; string = "
		"\"${mail} ${lang} ${note}.\"; });\n";
	struct loaded l;

	(void)state; /* none */
	load(&l, plan);
	assert_problem(&l, 5, "the answer 'mail' was not given");
	l.scope.lint = true;
	load_again(&l, plan);
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->string, "<mail> de .");
	assert_int_equal(l.plan->answer_n, 3);
	assert_string_equal(l.plan->answers[0].pattern, ".+@.+");
	assert_true(l.plan->answers[0].required);
	assert_false(l.plan->answers[2].required);
	assert_string_equal(l.plan->answers[1].def, "de");
	assert_true(plan_answer_fits(&l.plan->answers[0], "a@b"));
	assert_false(plan_answer_fits(&l.plan->answers[0], "ab"));
	assert_false(plan_answer_fits(&l.plan->answers[0], ""));
	assert_true(plan_answer_fits(&l.plan->answers[2], ""));
	l.scope.lint = false;
	l.scope.answers = json_object_new_object();
	json_set_str(l.scope.answers, "mail", "a@b ${lang}");
	load_again(&l, plan);
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->string, "a@b ${lang} de .");
	load_end(&l);

	one(STEP("") "answers = ({ id = \"a\"; prompt = \"A\"; secret = true; "
	    "default = \"x\"; });", 3, "secret answer cannot have a default");
	one(STEP("") "answers = ({ id = \"a\"; prompt = \"A\"; "
	    "pattern = \"^[0-9]$\";\ndefault = \"x\"; });", 4, "does not match");
	one(STEP("") "answers = ({ id = \"a\"; });", 3, "'prompt' is missing");
	one(STEP("") "answers = ({ prompt = \"a\"; });", 3, "'id' is missing");
	one(STEP("") "answers = ({ id = \"a-b\"; prompt = \"A\"; });", 3,
	    "answer 'a-b'");
	one(STEP("") "answers = ({ id = \"a\"; prompt = \"A\"; },\n"
	    "{ id = \"a\"; prompt = \"A\"; });", 4, "used twice");
	one(STEP("") "answers = ({ id = \"a\"; prompt = \"A\"; });\n"
	    "vars = { a = 1; };", 4, "an answer has this name");
}

/* A secret goes where only the application sees it. */
static void secrets(void **state)
{
	static const char *const bad[] = {
		"title = \"${pw}\"", "hint = \"${pw}\"", "path = \"${pw}\"",
		"paths = [\"${pw}\"]", "run = [\"p\", \"${pw}\"]",
	};
	static const char *const good[] = {
		"string = \"${pw}\"", "raw = \"${pw}\"",
		"env = { PW = \"${pw}\"; }",
	};
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	l.scope.answers = json_object_new_object();
	json_set_str(l.scope.answers, "pw", "canary");
	for (size_t i = 0; i < ARRAY_SIZE(bad) + ARRAY_SIZE(good); i++) {
		bool refuse = i < ARRAY_SIZE(bad);
		_cleanup_free_ char *plan = xasprintf(
			HEAD "answers = ({ id = \"pw\"; prompt = \"P\"; "
			"secret = true; });\n"
			"steps = ({ id = \"a\"; kind = \"write\";\n%s; });\n",
			refuse ? bad[i] : good[i - ARRAY_SIZE(bad)]);

		load_again(&l, plan);
		if (refuse)
			assert_problem(&l, 4, "secret answer 'pw'");
		else
			assert_loads(&l);
		for (size_t k = 0; k < l.problems.n; k++)
			assert_null(strstr(l.problems.v[k].message, "canary"));
	}
	load_again(&l, HEAD "answers = ({ id = \"pw\"; prompt = \"P\"; "
		   "secret = true; });\nvars = { x = \"${pw}\"; };\n"
		   "steps = ({ id = \"a\"; kind = \"write\"; });\n");
	assert_problem(&l, 3, "secret answer 'pw'");
	load_end(&l);
}

static void environment(void **state)
{
	static const char plan[] = STEP("string = \"${env:UPSHIFT_T1}\";");
	struct loaded l;

	(void)state; /* none */
	setenv("UPSHIFT_T1", "one", 1);
	load(&l, plan);
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->string, "one");
	assert_string_equal(json_get_str(l.scope.env_used, "UPSHIFT_T1", ""),
			    "one");
	assert_int_equal(json_object_object_length(l.scope.env_used), 1);
	unsetenv("UPSHIFT_T1");
	load_again(&l, plan);
	assert_problem(&l, 2, "environment variable 'UPSHIFT_T1' is not set");
	l.scope.lint = true;
	load_again(&l, plan);
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->string, "<env:UPSHIFT_T1>");
	/* on resume: what was in force, not what is */
	l.scope.lint = false;
	l.scope.env = json_object_new_object();
	json_set_str(l.scope.env, "UPSHIFT_T1", "then");
	setenv("UPSHIFT_T1", "now", 1);
	load_again(&l, plan);
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->string, "then");
	load_again(&l, STEP("string = \"${env:PATH}\";"));
	assert_problem(&l, 2, "'PATH' is not set");
	load_end(&l);
	one(STEP("string = \"${env:}\";"), 2, "unknown name");
	one(STEP("string = \"${env:a-b}\";"), 2, "unknown name");
	/* a raw text counts as well: it will be filled in later */
	load(&l, STEP("raw = \"${env:UPSHIFT_T1}\";"));
	assert_loads(&l);
	assert_int_equal(json_object_object_length(l.scope.env_used), 1);
	load_end(&l);
}

static void run_values(void **state)
{
	static const char plan[] =
		STEP("string = \"${root} ${run.id} ${run.started} ${run.user} "
		     "${run.backup}\";");
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	l.scope.lint = true;
	load_again(&l, plan);
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->string, "<root> <run.id> "
			    "<run.started> <run.user> <run.backup>");
	l.scope.lint = false;
	l.scope.root = "/srv/d";
	l.scope.run_id = "AB23";
	l.scope.run_started = "2026-01-01T00:00:00Z";
	l.scope.user = "me";
	load_again(&l, plan);
	assert_problem(&l, 2, "'${run.backup}' has no value here");
	l.scope.backup = "/b";
	load_again(&l, plan);
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->string,
			    "/srv/d AB23 2026-01-01T00:00:00Z me /b");
	load_end(&l);
}

static void step_names(void **state)
{
	struct loaded l;

	(void)state; /* none */
	load(&l, STEP("raw = \"${step.started}\"; "
		      "run = [\"p\", \"${step.started}\"]; "
		      "env = { A = \"${step.started}\"; };"));
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->env.v[0], "A=${step.started}");
	load_end(&l);
	one(STEP("string = \"${step.started}\";"), 2, "only when the step runs");
	one(STEP("path = \"${step.started}\";"), 2, "only when the step runs");
	one(STEP("title = \"${step.started}\";"), 2, "only when the step runs");
	one(STEP("raw = \"${step.stopped}\";"), 2, "unknown name");
}

static void command_environment(void **state)
{
	_cleanup_strvec_ struct strvec env = STRVEC_INIT;
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	l.scope.lint = true;
	load_again(&l, STEP("") "vars = { a = \"x y\"; };\n"
		   "answers = ({ id = \"q\"; prompt = \"Q\"; }, "
		   "{ id = \"d\"; prompt = \"D\"; default = \"1\"; });");
	assert_loads(&l);
	plan_command_env(l.plan, &l.scope, &env);
	assert_int_equal(env.n, 2);
	assert_string_equal(env.v[0], "UPSHIFT_VAR_a=x y");
	assert_string_equal(env.v[1], "UPSHIFT_VAR_d=1");
	load_end(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(expand),
		cmocka_unit_test(with_nul),
		cmocka_unit_test(started),
		cmocka_unit_test(variables),
		cmocka_unit_test(overrides),
		cmocka_unit_test(answers),
		cmocka_unit_test(secrets),
		cmocka_unit_test(environment),
		cmocka_unit_test(run_values),
		cmocka_unit_test(step_names),
		cmocka_unit_test(command_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
