/* SPDX-License-Identifier: MIT */
/* A plan's places: what steps may write to, the backup's directory, roots. */
#include "plan-fake.h"
#include "plan-internal.h"

static void conflicts(void **state)
{
	struct loaded l;

	(void)state; /* none */
	one(HEAD "steps = ({ id = \"a\"; kind = \"write\"; path = \"x\"; },\n"
	    "{ id = \"b\"; kind = \"write\"; path = \"x\"; });", 3,
	    "steps 'a' and 'b' both write 'x'");
	load(&l, HEAD "steps = ({ id = \"a\"; kind = \"write\"; path = \"x\"; },\n"
	     "{ id = \"b\"; kind = \"write\"; path = \"x\"; });");
	assert_int_equal(l.err.code, ERR_PLAN_CONFLICT);
	assert_int_equal(error_code_exit(l.err.code), 65);
	/* a chain is an order */
	load_again(&l, HEAD
		   "steps = ({ id = \"a\"; kind = \"write\"; path = \"x\"; },\n"
		   "{ id = \"b\"; kind = \"write\"; needs = \"a\"; },\n"
		   "{ id = \"c\"; kind = \"write\"; needs = [\"b\"]; "
		   "path = \"x\"; });");
	assert_loads(&l);
	/* broken in the middle by another mistake: that one alone */
	load_again(&l, HEAD
		   "steps = ({ id = \"a\"; kind = \"write\"; path = \"x\"; },\n"
		   "{ id = \"b\"; kind = \"write\"; needs = \"a\"; zzz = 1; },\n"
		   "{ id = \"c\"; kind = \"write\"; needs = [\"b\"]; "
		   "path = \"x\"; });");
	assert_problem(&l, 3, "unknown key 'zzz'");
	load_end(&l);
}

static int hostile_effects(const struct step *s, struct step_ctx *ctx,
			   struct effects *out, struct error *err)
{
	(void)s; /* the same for all */
	(void)ctx;
	(void)err;
	effects_add(out, EFFECT_CHANGE, 0, "/etc/passwd");
	effects_add(out, EFFECT_CHANGE, 0, "a/../../b");
	effects_add(out, EFFECT_REMOVE, 0, ".upshift/runs");
	effects_add(out, EFFECT_REMOVE, 0, ".");
	effects_add(out, EFFECT_READ, 0, ".upshift");
	effects_add(out, EFFECT_CHANGE, 0, ".");
	return 0;
}

/* The backup below the root, and what steps may not do to where it stands. */
static void backup_below(void **state)
{
	struct loaded l;

	(void)state; /* none */
	setenv("HOME", "/home/me", 1);
	load_begin(&l);
	l.scope.run_started = "T0";
	load_again(&l, STEP("") "root = \"~/.demo\"; backup = { dir = "
		   "\"b/c//${run.started}/d\"; include = [\"b/*.txt\"]; };");
	assert_loads(&l);
	assert_string_equal(l.plan->backup_dir, "/home/me/.demo/b/c/T0/d");
	assert_string_equal(l.plan->backup_fixed, "/home/me/.demo/b/c");
	assert_string_equal(l.plan->backup_place, "b/c");
	load_again(&l, STEP("") "root = \"~/.demo\"; vars = { at = \"b/c\"; }; "
		   "backup = { dir = \"${root}/${at}\"; };");
	assert_loads(&l);
	assert_string_equal(l.plan->backup_dir, "/home/me/.demo/b/c");
	assert_string_equal(l.plan->backup_place, "b/c");
	load_again(&l, STEP("") "root = \"~/.demo\"; backup = { dir = "
		   "\"${root}.old-${run.started}/x\"; };");
	assert_loads(&l);
	assert_string_equal(l.plan->backup_dir, "/home/me/.demo.old-T0/x");
	assert_null(l.plan->backup_place);
	/* the root is not known: only a relative one is surely below it */
	load_again(&l, STEP("") "backup = { dir = \"b/${run.started}\"; };");
	assert_loads(&l);
	assert_string_equal(l.plan->backup_place, "b");
	load_again(&l, STEP("") "backup = { dir = \"${run.started}/x\"; };");
	assert_problem(&l, 3, "the same for every run");
	load_again(&l, STEP("") "backup = { dir = \"b-${run.started}\"; };");
	assert_problem(&l, 3, "the same for every run");
	load_end(&l);
	one(STEP("path = \"b/x\";") "backup = { dir = \"b\"; };", 2,
	    "'b/x' belongs to upshift");
	one(STEP("paths = [\"b\"];") "backup = { dir = \"b\"; };", 2,
	    "'b' belongs to upshift");
	one(STEP("") "backup = { dir = \"b\"; exclude = [\"b/*\"]; };", 3,
	    "'b/*' belongs to upshift");
	one(STEP("path = \"a\";") "backup = { dir = \"a/b\"; };", 2,
	    "would stand in 'a', which this step changes");
	one(STEP("paths = [\"*\"];") "backup = { dir = \"a/b/c\"; };", 2,
	    "would stand in 'a', which this step changes");
	one(STEP("") "backup = { dir = \"a/b\"; include = [\"a\"]; };", 0,
	    "would stand in 'a', which it is to hold");
	/* what is ours is passed over in the root, by patterns and walks */
	load(&l, STEP("paths = [\"**\"];") "backup = { dir = \"b\"; "
	     "include = [\".\"]; };");
	assert_loads(&l);
	load_end(&l);
}

/* A kind that takes a path by another way is held to the same rules. */
static void hostile_kind(void **state)
{
	static const struct step_ops ops = {
		.name = "hostile", .effects = hostile_effects,
	};
	struct step s = { .id = (char *)"h", .ops = &ops, .line = 7 };
	struct step *steps[] = { &s };
	struct plan p = { .steps = steps, .step_n = 1 };
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	plan_check_effects(&p, &l.problems);
	assert_int_equal(l.problems.n, 4);
	assert_true(has_problem(&l, 7, "'/etc/passwd' is outside the root"));
	assert_true(has_problem(&l, 7, "'..' is not allowed"));
	assert_true(has_problem(&l, 7, "belongs to upshift"));
	assert_true(has_problem(&l, 7, "remove the root itself"));
	load_end(&l);
}

static void roots(void **state)
{
	static const char *const bad[] = {
		"/", "//", "/etc", "/etc/", "/usr", "/usr/bin", "/bin", "/boot",
		"/boot/efi", "/dev", "/dev/pts", "/proc/self", "/sys", "/var",
		"/var/lib", "/lib", "/lib64", "/lib/x", "/sbin", "/opt", "/root",
		"/home", "/tmp", "/run", "/home/me", "/home/me/", "/home/./me",
		"relative", "", "/srv/../etc",
	};
	static const char *const good[] = {
		"/srv/app", "/var/lib/app", "/opt/app", "/etc/app",
		"/home/me/.app", "/tmp/x", "/dev/shm/x", "/libs", "/binary",
		"/root/.app", "/home/me2",
	};
	struct loaded l;

	(void)state; /* none */
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!plan_root_refused(bad[i], "/home/me"))
			fail_msg("'%s' was taken as a root", bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (plan_root_refused(good[i], "/home/me"))
			fail_msg("'%s' was refused as a root", good[i]);
	setenv("HOME", "/home/me", 1);
	one(STEP("") "root = \"/\";", 3, "cannot be the root");
	one(STEP("") "root = \"~\";", 3, "home directory");
	one(STEP("") "root = \"~/\";", 3, "home directory");
	one(STEP("") "root = \"${env:HOME}\";", 3, "home directory");
	one(STEP("") "root = \"data\";", 3, "must begin with");
	load_begin(&l);
	l.scope.root = "/home/me";
	load_again(&l, STEP("") "root = \"/srv/x\";");
	assert_problem(&l, 0, "'/home/me' cannot be the root");
	load_end(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(conflicts),
		cmocka_unit_test(backup_below),
		cmocka_unit_test(hostile_kind),
		cmocka_unit_test(roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
