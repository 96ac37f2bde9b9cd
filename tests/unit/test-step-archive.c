/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "fake-ctx.h"

#define KEYS(keys) "steps = ( { id = \"s\"; kind = \"archive\"; " keys " } );"
#define STEPS KEYS("paths = [\"c/*\", \"e\"]; to = \"old/pack.tar.zst\";")

static const char tree[] = "mkdir -p c/d e && printf 1 >c/d/x && "
	"printf 2 >e/y && ln -s y e/l && touch -d @1000 c/d/x e/y && "
	"touch -h -d @1000 e/l";

static void packs_and_removes(void **state)
{
	struct step_ctx *c = fake_world(STEPS, tree);
	char *before = fake_tree(c), *after, *p = fake_preview(c);

	(void)state;
	assert_string_equal(p, "move 'c/d' (2 entries, 1 bytes) into "
			    "'old/pack.tar.zst'\nmove 'e' (3 entries, 1 "
			    "bytes) into 'old/pack.tar.zst'\n");
	free(p);
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	if (fake_apply(c) < 0)
		fail_msg("%s", c->err.msg);
	assert_false(there(c->root_fd, "c/d"));
	assert_true(there(c->root_fd, "c"));
	assert_false(there(c->root_fd, "e"));
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	/* the one promise: everybody's tar brings it back */
	fake_sh(c, "mkdir ../x && tar --zstd -xpf old/pack.tar.zst -C ../x "
		"2>/dev/null && "
		"test $(cat ../x/c/d/x ../x/e/y ../x/e/l) = 122");
	if (fake_put_back(c) < 0)
		fail_msg("%s", c->err.msg);
	after = fake_tree(c);
	assert_string_equal(before, after);
	free(before);
	free(after);
	fake_free(c, true);
}

static void keeps_them(void **state)
{
	struct step_ctx *c = fake_world(KEYS("paths = [\"e\"]; remove = false; "
					"to = \"e.tar.zst\";"), tree);

	(void)state;
	if (fake_apply(c) < 0)
		fail_msg("%s", c->err.msg);
	assert_true(there(c->root_fd, "e/y"));
	assert_true(there(c->root_fd, "e.tar.zst"));
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_put_back(c), 0);
	assert_true(there(c->root_fd, "e/y"));
	assert_false(there(c->root_fd, "e.tar.zst"));
	fake_free(c, true);
}

static void nothing_matches(void **state)
{
	struct step_ctx *c = fake_world(KEYS("paths = [\"*.old\"]; "
					"to = \"o.tar.zst\";"), tree);

	(void)state;
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_apply(c), 0);
	assert_false(there(c->root_fd, "o.tar.zst"));
	fake_free(c, true);
}

static void in_the_way(void **state)
{
	struct step_ctx *c = fake_world(KEYS("paths = [\"e\"]; "
					"to = \"p.tar.zst\";"),
					"mkdir e && touch p.tar.zst");

	(void)state;
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	assert_int_equal(c->err.code, ERR_STEP_EXISTS);
	assert_true(there(c->root_fd, "e"));
	fake_free(c, true);
}

/* What came behind the pre-image may be in the archive, but does not go. */
static void changed_in_between(void **state)
{
	struct step_ctx *c = fake_world(STEPS, tree);

	(void)state;
	assert_int_equal(fake_begin(c), 0);
	fake_sh(c, "printf new >e/new");
	assert_true(c->step->ops->apply(c->step, c, &c->err) < 0);
	fake_sh(c, "test $(cat e/new) = new");
	assert_int_equal(fake_probe(c), PROBE_PARTLY);
	fake_free(c, true);
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		KEYS("paths = [\"a\"]; to = \"a/b.tar.zst\";"),
		KEYS("paths = [\"*.zst\"]; to = \"b.tar.zst\";"),
		KEYS("paths = [\".\"]; to = \"b.tar.zst\";"),
		KEYS("paths = [\"a\"]; to = \"b.zip\";"),
		KEYS("to = \"b.tar.zst\";"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct step_ctx *c = fake_new();

		if (fake_load(c, bad[i]) >= 0)
			fail_msg("taken: %s", bad[i]);
		fake_free(c, true);
	}
}

/* The archive holds times of its own making, so the sweep's exact comparison
   is of everything else. */
static void killed_anywhere(void **state)
{
	int st = 1;

	(void)state;
	for (int n = 1; st; n++) {
		struct step_ctx *c = fake_world(STEPS, tree);
		enum step_probe p;
		char fault[32];

		assert_true(n < 1000);
		(void)snprintf(fault, sizeof(fault), "any:%d:kill", n);
		assert_true(fake_begin(c) >= 0);
		st = fake_child(c, fault);
		/* each file is there, or in the archive, whole */
		fake_sh(c, "{ test -e c/d/x && test -e e/y; } || "
			"test \"$(tar --zstd -xOf old/pack.tar.zst c/d/x e/y "
			"2>/dev/null)\""
			" = 12");
		p = fake_probe(c);
		if (p == PROBE_NOT) {
			if (fake_put_back(c) < 0)
				fail_msg("call %d: %s", n, c->err.msg);
			assert_true(fake_begin(c) >= 0);
		}
		if (p != PROBE_FULLY && fake_child(c, NULL) != 0)
			fail_msg("call %d: cannot go on", n);
		assert_int_equal(fake_probe(c), PROBE_FULLY);
		fake_sh(c, "test ! -e c/d && test ! -e e && "
			"test \"$(tar --zstd -xOf old/pack.tar.zst c/d/x e/y "
			"2>/dev/null)\""
			" = 12");
		if (fake_put_back(c) < 0)
			fail_msg("call %d: %s", n, c->err.msg);
		fake_sh(c, "test ! -e old && test \"$(cat c/d/x e/y)\" = 12");
		fake_free(c, true);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packs_and_removes),
		cmocka_unit_test(keeps_them),
		cmocka_unit_test(nothing_matches),
		cmocka_unit_test(in_the_way),
		cmocka_unit_test(changed_in_between),
		cmocka_unit_test(refuses),
		cmocka_unit_test(killed_anywhere),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
