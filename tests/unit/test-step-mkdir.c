/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "fake-ctx.h"

#define STEPS(keys) "steps = ( { id = \"s\"; kind = \"mkdir\"; " keys " } );"

static mode_t mode_of(struct step_ctx *c, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(c->root_fd, path, &st, AT_SYMLINK_NOFOLLOW),
			 0);
	return st.st_mode & 07777;
}

static void makes_them(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"x/y/z\", \"a\"]; "
					 "mode = \"0700\";"), "umask 077");
	mode_t old = umask(077);
	char *p;

	(void)state;
	p = fake_preview(c);
	assert_string_equal(p, "make directory 'a', mode 0700\n"
			    "make directory 'x/y/z', mode 0700\n");
	free(p);
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	assert_int_equal(fake_apply(c), 0);
	umask(old);
	assert_int_equal(mode_of(c, "x"), 0755);
	assert_int_equal(mode_of(c, "x/y"), 0755);
	assert_int_equal(mode_of(c, "x/y/z"), 0700);
	assert_int_equal(mode_of(c, "a"), 0700);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_put_back(c), 0);
	assert_false(there(c->root_fd, "x"));
	assert_false(there(c->root_fd, "a"));
	fake_free(c, true);
}

static void there_already(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"a\"];"), "mkdir a");
	char *p = fake_preview(c);

	(void)state;
	assert_string_equal(p, "nothing\n");
	free(p);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_begin(c), 0);
	assert_int_equal(c->effects.n, 1);
	assert_int_equal(c->effects.v[0].type, EFFECT_READ);
	fake_free(c, true);
}

static void changes_the_mode(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"a\"]; mode = \"0750\";"),
				   "mkdir -m 0711 a && touch a/f");
	char *p = fake_preview(c);

	(void)state;
	assert_string_equal(p, "change mode of 'a' from 0711 to 0750\n");
	free(p);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(mode_of(c, "a"), 0750);
	assert_int_equal(fake_put_back(c), 0);
	assert_int_equal(mode_of(c, "a"), 0711);
	assert_true(there(c->root_fd, "a/f"));
	fake_free(c, true);
}

static void in_the_way(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"a\"];"), "touch a");

	(void)state;
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	assert_true(fake_apply(c) < 0);
	fake_free(c, true);
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		STEPS("paths = [\".\"];"), STEPS(""), STEPS("paths = [\"../x\"];"),
		STEPS("paths = [\"a*\"];"), STEPS("paths = [\"a\"]; mode = 700;"),
		STEPS("paths = [\"a\"]; mod = \"0700\";"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct step_ctx *c = fake_new();

		if (fake_load(c, bad[i]) >= 0)
			fail_msg("taken: %s", bad[i]);
		assert_true(c->problems.n > 0);
		fake_free(c, true);
	}
}

static void killed_anywhere(void **state)
{
	(void)state;
	(void)fake_sweep(STEPS("paths = [\"x/y\", \"a\"]; mode = \"0700\";"),
			 "mkdir a && chmod 0755 a && touch a/f");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_them),
		cmocka_unit_test(there_already),
		cmocka_unit_test(changes_the_mode),
		cmocka_unit_test(in_the_way),
		cmocka_unit_test(refuses),
		cmocka_unit_test(killed_anywhere),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
