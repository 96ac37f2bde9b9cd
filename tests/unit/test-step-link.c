/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "fake-ctx.h"

#define STEPS(keys) "steps = ( { id = \"s\"; kind = \"link\"; " keys " } );"

static void expect(struct step_ctx *c, const char *path, const char *want)
{
	char buf[256];
	ssize_t n = readlinkat(c->root_fd, path, buf, sizeof(buf) - 1);

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, want);
}

static void makes_one(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"a/current\"; "
				"target = \"../v2\";"), "true");
	char *p = fake_preview(c);

	(void)state;
	assert_string_equal(p, "make symlink 'a/current' to '../v2'\n");
	free(p);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	assert_int_equal(fake_apply(c), 0);
	expect(c, "a/current", "../v2");
	assert_int_equal(fake_verify(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	assert_false(there(c->root_fd, "a"));
	fake_free(c, true);
}

static void switches(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"l\"; "
				"target = \"v2\";"), "ln -s v1 l");
	char *p = fake_preview(c);

	(void)state;
	assert_string_equal(p, "switch symlink 'l' from 'v1' to 'v2'\n");
	free(p);
	assert_int_equal(fake_apply(c), 0);
	expect(c, "l", "v2");
	assert_int_equal(fake_put_back(c), 0);
	expect(c, "l", "v1");
	fake_free(c, true);
}

static void there_already(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"l\"; "
				"target = \"/v2\";"), "ln -s /v2 l");

	(void)state;
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	fake_free(c, true);
}

static void in_the_way(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"l\"; "
				"target = \"v2\";"), "mkdir l");

	(void)state;
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	assert_int_equal(c->err.code, ERR_STEP_EXISTS);
	fake_free(c, true);
}

static void refuses(void **state)
{
	struct step_ctx *c = fake_new();

	(void)state;
	assert_true(fake_load(c, STEPS("path = \"l\"; target = \"\";")) < 0);
	assert_true(fake_load(c, STEPS("path = \"l\";")) < 0);
	fake_free(c, true);
}

static void killed_anywhere(void **state)
{
	(void)state;
	(void)fake_sweep(STEPS("path = \"a/l\"; target = \"v2\";"), "true");
	(void)fake_sweep(STEPS("path = \"l\"; target = \"v2\";"),
			 "ln -s v1 l");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_one),
		cmocka_unit_test(switches),
		cmocka_unit_test(there_already),
		cmocka_unit_test(in_the_way),
		cmocka_unit_test(refuses),
		cmocka_unit_test(killed_anywhere),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
