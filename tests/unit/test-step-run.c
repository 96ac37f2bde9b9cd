/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "fake-ctx.h"

#define STEPS(keys) "steps = ( { id = \"s\"; kind = \"run\"; " keys " } );"
#define SH(script) "run = [\"sh\", \"-c\", \"" script "\"]; "
#define PROBE(script) "probe = [\"sh\", \"-c\", \"" script "\"]; "
#define UNDO(script) "undo = [\"sh\", \"-c\", \"" script "\"]; "

static void runs(void **state)
{
	struct step_ctx *c = fake_world(STEPS(SH("printf $WHO-$UPSHIFT_STEP-"
		"$UPSHIFT_RUN >out; echo hello; echo oops >&2; pwd >pwd; "
		"test -z \\\"$(cat)\\\"")
		"dir = \"d\"; env: { WHO = \"me\"; }; "
		"creates = [\"d/out\", \"d/pwd\"];"), "mkdir d");

	(void)state;
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	if (fake_apply(c) < 0)
		fail_msg("%s", c->err.msg);
	fake_sh(c, "test \"$(cat d/out)\" = me-s-TEST && "
		"test \"$(cat d/pwd)\" = \"$(pwd -P)/d\"");
	assert_true(strvec_has(&c->log, "out: hello"));
	assert_true(strvec_has(&c->log, "err: oops"));
	assert_int_equal(fake_verify(c), 0);
	assert_true(step_undoable(c->step));
	assert_int_equal(fake_put_back(c), 0);
	assert_false(there(c->root_fd, "d/out"));
	assert_int_equal(fake_probe(c), PROBE_NOT);
	fake_free(c, true);
}

static void fails(void **state)
{
	struct step_ctx *c = fake_world(STEPS(SH("echo no such table >&2; "
		"exit 3") "changes = [\"f\"];"), "touch f");

	(void)state;
	assert_true(fake_apply(c) < 0);
	assert_int_equal(c->err.code, ERR_STEP_COMMAND);
	assert_string_equal(c->err.msg, "'sh' ended with status 3: no such "
			    "table");
	assert_int_equal(fake_probe(c), PROBE_NOT);
	fake_free(c, true);
	c = fake_world(STEPS(SH("kill -9 $$") "changes = [\"f\"];"), "touch f");
	assert_true(fake_apply(c) < 0);
	assert_non_null(strstr(c->err.msg, "signal 9"));
	fake_free(c, true);
}

static void takes_too_long(void **state)
{
	struct step_ctx *c = fake_world(STEPS(SH("sleep 100") "timeout = 0.2; "
					      "changes = [\"f\"];"), "touch f");

	(void)state;
	assert_true(fake_apply(c) < 0);
	assert_int_equal(c->err.code, ERR_STEP_TIMEOUT);
	fake_free(c, true);
}

/* Without a probe the effects tell, and without effects nobody. */
static void told_by_effects(void **state)
{
	static const struct {
		const char *change;
		enum step_probe want;
	} cases[] = {
		{ "true", PROBE_NOT },
		{ "printf 2 >f", PROBE_PARTLY },
		{ "touch d/new", PROBE_PARTLY },
		{ "rm f", PROBE_PARTLY },
		{ "chmod 0600 f", PROBE_PARTLY },
		{ "mkdir -p n", PROBE_PARTLY },
		{ "touch elsewhere", PROBE_NOT },
		/* in and out again: the time of d alone is no change */
		{ "touch d/x && rm d/x", PROBE_NOT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct step_ctx *c = fake_world(STEPS(SH("true")
			"creates = [\"n/x\"]; changes = [\"f\", \"d\"];"),
			"mkdir d && printf 1 >f");

		assert_int_equal(fake_begin(c), 0);
		fake_sh(c, cases[i].change);
		if (fake_probe(c) != cases[i].want)
			fail_msg("%s: %s", cases[i].change,
				 step_probe_name(fake_probe(c)));
		fake_free(c, true);
	}
}

static void told_by_nobody(void **state)
{
	struct step_ctx *c = fake_world(STEPS(SH("true")), "true");
	char *p = fake_preview(c);

	(void)state;
	assert_non_null(strstr(p, "would run: sh -c true\n"));
	assert_non_null(strstr(p, "nothing can bring back"));
	free(p);
	assert_false(step_undoable(c->step));
	assert_int_equal(fake_begin(c), 0);
	assert_int_equal(fake_probe(c), PROBE_UNKNOWN);
	fake_free(c, true);
}

static void told_by_a_probe(void **state)
{
	static const enum step_probe want[] = { PROBE_FULLY, PROBE_NOT,
						PROBE_PARTLY, PROBE_UNKNOWN };
	struct step_ctx *c = fake_world(STEPS(SH("true")
		PROBE("exit $(cat status)")), "true");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "echo %zu >status", i);
		fake_sh(c, line);
		assert_int_equal(fake_probe(c), want[i]);
		assert_int_equal(fake_verify(c), i ? -EBADMSG : 0);
	}
	fake_free(c, true);
	c = fake_world(STEPS(SH("true") "probe = [\"/no/such/probe\"];"),
		       "true");
	assert_int_equal(fake_probe(c), PROBE_UNKNOWN);
	fake_free(c, true);
}

static void undone_by_a_command(void **state)
{
	struct step_ctx *c = fake_world(STEPS(SH("echo x >>../mark")
		UNDO("echo undo >>../mark") PROBE("test -e ../mark || exit 1")),
		"true");

	(void)state;
	assert_true(step_undoable(c->step));
	assert_int_equal(fake_begin(c), 0);
	/* nothing was done, says the probe */
	assert_int_equal(fake_put_back(c), 0);
	fake_sh(c, "test ! -e ../mark");
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	fake_sh(c, "test \"$(tail -n 1 ../mark)\" = undo");
	fake_free(c, true);
	c = fake_world(STEPS(SH("true") UNDO("echo broken; exit 1")), "true");
	assert_int_equal(fake_apply(c), 0);
	assert_true(fake_put_back(c) < 0);
	assert_non_null(strstr(c->err.msg, "broken"));
	fake_free(c, true);
}

static void program_is_missing(void **state)
{
	struct step_ctx *c = fake_world(STEPS("run = [\"no-such-program\"];"),
					"true");

	(void)state;
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	fake_free(c, true);
}

static void did_not_create_it(void **state)
{
	struct step_ctx *c = fake_world(STEPS(SH("true")
					      "creates = [\"x\"];"), "true");

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(fake_verify(c), 0);
	assert_true(strvec_has(&c->log, "warning: the command did not create "
			       "'x'"));
	fake_free(c, true);
}

static void secret(void **state)
{
	struct step_ctx *c = fake_world(STEPS("run = [\"prog\", \"hunter2\"]; "
					      "secret = true;"), "true");
	char *p = fake_preview(c);

	(void)state;
	assert_null(strstr(p, "hunter2"));
	assert_non_null(strstr(p, "prog"));
	free(p);
	fake_free(c, true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs),
		cmocka_unit_test(fails),
		cmocka_unit_test(takes_too_long),
		cmocka_unit_test(told_by_effects),
		cmocka_unit_test(told_by_nobody),
		cmocka_unit_test(told_by_a_probe),
		cmocka_unit_test(undone_by_a_command),
		cmocka_unit_test(program_is_missing),
		cmocka_unit_test(did_not_create_it),
		cmocka_unit_test(secret),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
