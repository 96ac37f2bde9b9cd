/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "base/json.h"
#include "fake-ctx.h"

#define STEPS(keys) "steps = ( { id = \"s\"; kind = \"copy\"; " keys " } );"

static const char tree[] = "mkdir -p a/d/e a/empty && printf 1 >a/x && "
	"ln a/x a/d/y && printf 22 >a/d/z && ln -s ../x a/d/l && "
	"mkfifo a/fifo && chmod 0640 a/d/z && chmod 0711 a/empty && "
	"touch -d @1000.5 a/x a/d/z && touch -d @2000 a/d/e a/empty a/d";

/* lines of the tree that are about what lies at name, without that name */
static char *below(struct step_ctx *c, const char *name)
{
	char *all = fake_tree(c), *save = NULL;
	struct strbuf sb = STRBUF_INIT;
	size_t len = strlen(name);

	for (char *l = strtok_r(all, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save))
		if (!strncmp(l, name, len) && (l[len] == '/' || l[len] == ' '))
			strbuf_addf(&sb, "%s\n", l + len);
	free(all);
	return strbuf_detach(&sb);
}

static void expect_same(struct step_ctx *c, const char *a, const char *b)
{
	char *x = below(c, a), *y = below(c, b);

	assert_true(*x);
	assert_string_equal(x, y);
	free(x);
	free(y);
}

static void copies_a_tree(void **state)
{
	struct step_ctx *c = fake_world(STEPS("from = \"a\"; to = \"n/b\";"),
					tree);
	struct stat x, y;
	char *p = fake_preview(c);

	(void)state;
	assert_string_equal(p, "copy 'a' to 'n/b' (9 entries, 4 bytes)\n");
	free(p);
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	if (fake_apply(c) < 0)
		fail_msg("%s", c->err.msg);
	expect_same(c, "a", "n/b");
	/* a group of its own, not names of the old inode */
	assert_int_equal(fstatat(c->root_fd, "a/x", &x, 0), 0);
	assert_int_equal(fstatat(c->root_fd, "n/b/x", &y, 0), 0);
	assert_int_not_equal(x.st_ino, y.st_ino);
	assert_int_equal(fstatat(c->root_fd, "n/b/d/y", &x, 0), 0);
	assert_int_equal(x.st_ino, y.st_ino);
	assert_int_equal(fstatat(c->root_fd, "n/b/d", &x, 0), 0);
	assert_int_equal(x.st_mtim.tv_sec, 2000);
	assert_int_equal(c->done, 8);
	assert_int_equal(c->total, 8);
	assert_int_equal(fake_verify(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	assert_false(there(c->root_fd, "n"));
	fake_free(c, true);
}

static void sparse(void **state)
{
	struct step_ctx *c = fake_world(STEPS("from = \"f\"; to = \"g\";"),
			"truncate -s 1G f && printf end >>f");
	struct stat st;

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(fstatat(c->root_fd, "g", &st, 0), 0);
	assert_int_equal(st.st_size, 1024 * 1024 * 1024 + 3);
	assert_true(st.st_blocks < 1000);
	fake_free(c, true);
}

static void one_symlink(void **state)
{
	struct step_ctx *c = fake_world(STEPS("from = \"l\"; to = \"m\";"),
					"ln -s ../nowhere l");

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	expect_same(c, "l", "m");
	fake_free(c, true);
}

static void in_the_way(void **state)
{
	struct step_ctx *c = fake_world(STEPS("from = \"f\"; to = \"g\";"),
					"touch f g");

	(void)state;
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	assert_int_equal(c->err.code, ERR_STEP_EXISTS);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	fake_free(c, true);
	c = fake_world(STEPS("from = \"f\"; to = \"g\";"), "true");
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	fake_free(c, true);
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		STEPS("from = \"a\"; to = \"a/b\";"),
		STEPS("from = \"a/b\"; to = \"a\";"),
		STEPS("from = \"a\"; to = \"a\";"),
		STEPS("from = \".\"; to = \"a\";"),
		STEPS("from = \"a\";"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct step_ctx *c = fake_new();

		if (fake_load(c, bad[i]) >= 0)
			fail_msg("taken: %s", bad[i]);
		fake_free(c, true);
	}
}

/* Somebody else's file of that name is not taken for the copy. */
static void not_ours(void **state)
{
	struct step_ctx *c = fake_world(STEPS("from = \"f\"; to = \"g\";"),
					"printf 1 >f");

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	fake_sh(c, "mv g h && printf 1 >g");
	assert_int_not_equal(fake_probe(c), PROBE_FULLY);
	fake_free(c, true);
}

static void cancelled(void **state)
{
	struct step_ctx *c = fake_world(STEPS("from = \"a\"; to = \"b\";"),
					tree);

	(void)state;
	c->cancelled = true;
	assert_int_equal(fake_apply(c), -ECANCELED);
	assert_false(there(c->root_fd, "b"));
	fake_free(c, true);
}

static void killed_anywhere(void **state)
{
	(void)state;
	(void)fake_sweep(STEPS("from = \"a\"; to = \"n/b\";"),
			 "mkdir a && printf 1 >a/x && ln a/x a/y && "
			 "ln -s x a/l && touch -d @1000 a/x && "
			 "touch -h -d @1000 a/l");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_a_tree),
		cmocka_unit_test(sparse),
		cmocka_unit_test(one_symlink),
		cmocka_unit_test(in_the_way),
		cmocka_unit_test(refuses),
		cmocka_unit_test(not_ours),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(killed_anywhere),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
