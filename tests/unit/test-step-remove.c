/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "fake-ctx.h"

#define STEPS(keys) "steps = ( { id = \"s\"; kind = \"remove\"; " keys " } );"

static const char tree[] = "mkdir -p c/d e && printf 1 >c/d/x.tmp && "
	"printf 2 >c/y.tmp && printf 3 >c/.hidden && ln -s nowhere c/link && "
	"printf 4 >e/z && touch -d @1000 c/d/x.tmp c/y.tmp c/.hidden e/z";

static void removes(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"**/*.tmp\", \"e\", "
					      "\"missing\"];"), tree);
	char *before = fake_tree(c), *p = fake_preview(c), *after;

	(void)state;
	assert_string_equal(p, "remove 'c/d/x.tmp'\nremove 'c/y.tmp'\n"
			    "remove directory 'e' with 1 entry below it\n");
	free(p);
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	assert_int_equal(fake_apply(c), 0);
	assert_false(there(c->root_fd, "c/d/x.tmp"));
	assert_true(there(c->root_fd, "c/d"));
	assert_true(there(c->root_fd, "c/.hidden"));
	assert_false(there(c->root_fd, "e"));
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	after = fake_tree(c);
	assert_string_equal(before, after);
	free(before);
	free(after);
	fake_free(c, true);
}

static void nothing_matches(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"*.old\"];"), tree);
	char *p = fake_preview(c);

	(void)state;
	assert_string_equal(p, "nothing\n");
	free(p);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_apply(c), 0);
	fake_free(c, true);
}

/* What came behind the pre-image is saved nowhere. */
static void made_in_between(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"c\"];"), tree);

	(void)state;
	assert_int_equal(fake_begin(c), 0);
	fake_sh(c, "printf new >c/d/new");
	assert_true(c->step->ops->apply(c->step, c, &c->err) < 0);
	assert_non_null(strstr(c->err.msg, "'c/d'"));
	fake_sh(c, "test \"$(cat c/d/new)\" = new");
	assert_int_equal(fake_probe(c), PROBE_PARTLY);
	fake_free(c, true);
	/* of a glob, it just stays */
	c = fake_world(STEPS("paths = [\"c/*.tmp\"];"), tree);
	assert_int_equal(fake_begin(c), 0);
	fake_sh(c, "printf new >c/new.tmp");
	assert_int_equal(c->step->ops->apply(c->step, c, &c->err), 0);
	assert_false(there(c->root_fd, "c/y.tmp"));
	assert_true(there(c->root_fd, "c/new.tmp"));
	assert_int_equal(fake_verify(c), 0);
	fake_free(c, true);
}

static void changed_in_between(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"c\"];"), tree);

	(void)state;
	assert_int_equal(fake_begin(c), 0);
	fake_sh(c, "printf more >>c/y.tmp");
	assert_true(c->step->ops->apply(c->step, c, &c->err) < 0);
	assert_non_null(strstr(c->err.msg, "c/y.tmp"));
	fake_sh(c, "test \"$(cat c/y.tmp)\" = 2more");
	fake_free(c, true);
}

static void there_again(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"e/z\"];"), tree);

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	fake_sh(c, "printf again >e/z");
	assert_true(fake_verify(c) < 0);
	assert_int_equal(c->err.code, ERR_STEP_VERIFY);
	fake_free(c, true);
}

static void cancelled(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"c\"];"), tree);

	(void)state;
	c->cancelled = true;
	assert_int_equal(fake_apply(c), -ECANCELED);
	assert_int_equal(c->err.code, ERR_CANCELLED);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	fake_free(c, true);
}

/* Bytes that are no UTF-8, and two names that look the same. */
static void odd_names(void **state)
{
	struct step_ctx *c = fake_world(STEPS("paths = [\"d\"];"), "mkdir d && "
		"printf 1 >d/$(printf '\\377x') && printf 2 >d/$(printf "
		"'e\\314\\201') && printf 3 >d/$(printf '\\303\\251') && "
		"ln -s $(printf '\\376') d/l && touch -d @1000 d/*[!l]");
	char *before = fake_tree(c), *after;

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	assert_false(there(c->root_fd, "d"));
	if (fake_put_back(c) < 0)
		fail_msg("%s", c->err.msg);
	after = fake_tree(c);
	assert_string_equal(before, after);
	free(before);
	free(after);
	fake_free(c, true);
}

static void refuses(void **state)
{
	struct step_ctx *c = fake_new();

	(void)state;
	assert_true(fake_load(c, STEPS("paths = [\".\"];")) < 0);
	assert_true(fake_load(c, STEPS("")) < 0);
	fake_free(c, true);
}

static void killed_anywhere(void **state)
{
	(void)state;
	(void)fake_sweep(STEPS("paths = [\"c\", \"e/*\"];"), tree);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removes),
		cmocka_unit_test(nothing_matches),
		cmocka_unit_test(made_in_between),
		cmocka_unit_test(changed_in_between),
		cmocka_unit_test(there_again),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(odd_names),
		cmocka_unit_test(refuses),
		cmocka_unit_test(killed_anywhere),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
