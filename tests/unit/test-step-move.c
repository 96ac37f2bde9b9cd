/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "base/json.h"
#include "fake-ctx.h"

#define KEYS(keys) "steps = ( { id = \"s\"; kind = \"move\"; " keys " } );"
#define STEPS KEYS("from = \"a\"; to = \"n/b\";")

static const char tree[] = "mkdir -p a/d && printf 1 >a/x && ln a/x a/d/y && "
	"ln -s ../x a/d/l && touch -d @1000 a/x && touch -h -d @1000 a/d/l && "
	"touch -d @2000 a/d";

static ino_t ino_of(struct step_ctx *c, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(c->root_fd, path, &st, AT_SYMLINK_NOFOLLOW),
			 0);
	return st.st_ino;
}

static void there_and_back(void **state)
{
	struct step_ctx *c = fake_world(STEPS, tree);
	char *before = fake_tree(c), *after, *p = fake_preview(c);
	ino_t ino = ino_of(c, "a"), file = ino_of(c, "a/x");

	(void)state;
	assert_string_equal(p, "move 'a' to 'n/b'\n");
	free(p);
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	assert_int_equal(fake_apply(c), 0);
	assert_false(there(c->root_fd, "a"));
	assert_int_equal(ino_of(c, "n/b"), ino);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	if (fake_put_back(c) < 0)
		fail_msg("%s", c->err.msg);
	after = fake_tree(c);
	assert_string_equal(before, after);
	/* by a rename: no byte was copied */
	assert_int_equal(ino_of(c, "a/x"), file);
	/* undone already */
	assert_int_equal(c->step->ops->undo(c->step, c, &c->err), 0);
	assert_int_equal(ino_of(c, "a"), ino);
	free(before);
	free(after);
	fake_free(c, true);
}

/* Then nothing is renamed back: all of it is kept aside as it is. */
static void changed_since(void **state)
{
	static const char *const changes[] = {
		"printf more >>n/b/x", "printf new >n/b/d/new", "rm n/b/d/l",
		"chmod 0600 n/b/x", "printf 2 >a",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct step_ctx *c = fake_world(STEPS, tree);
		char *before = fake_tree(c), *after;
		ino_t ino = ino_of(c, "a");

		assert_int_equal(fake_apply(c), 0);
		fake_sh(c, changes[i]);
		assert_int_equal(c->step->ops->undo(c->step, c, &c->err), 0);
		assert_int_equal(ino_of(c, "n/b"), ino);
		if (fake_put_back(c) < 0)
			fail_msg("%s: %s", changes[i], c->err.msg);
		after = fake_tree(c);
		assert_string_equal(before, after);
		free(before);
		free(after);
		fake_free(c, true);
	}
}

static void redone(void **state)
{
	struct step_ctx *c = fake_world(STEPS, tree);
	ino_t ino = ino_of(c, "a");

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	assert_int_equal(c->step->ops->redo(c->step, c, &c->err), 0);
	assert_int_equal(ino_of(c, "n/b"), ino);
	assert_false(there(c->root_fd, "a"));
	assert_int_equal(c->step->ops->redo(c->step, c, &c->err), 0);
	assert_int_equal(ino_of(c, "n/b"), ino);
	fake_free(c, true);
}

static void in_the_way(void **state)
{
	struct step_ctx *c = fake_world(KEYS("from = \"f\"; to = \"g\";"),
					"printf 1 >f && printf 2 >g");

	(void)state;
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	assert_int_equal(c->err.code, ERR_STEP_EXISTS);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	fake_sh(c, "test $(cat f g) = 12");
	fake_free(c, true);
	c = fake_world(KEYS("from = \"f\"; to = \"g\";"), "true");
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	assert_int_equal(c->err.code, ERR_STEP_MISSING);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	fake_free(c, true);
}

static void killed_anywhere(void **state)
{
	(void)state;
	(void)fake_sweep(STEPS, tree);
}

/* --- two file systems --- */

struct other {
	char *dir, *plan;
};

/* a directory on another file system than the scratch directory, or skip */
static struct other elsewhere(void)
{
	struct other o = { .dir = xstrdup("/dev/shm/upshift-test-XXXXXX") };
	struct step_ctx *c = fake_new();
	struct stat a, b;

	if (!mkdtemp(o.dir) || fstat(c->root_fd, &a) || stat(o.dir, &b) ||
	    a.st_dev == b.st_dev) {
		(void)rmdir(o.dir);
		free(o.dir);
		fake_free(c, true);
		skip();
	}
	fake_free(c, true);
	o.plan = xasprintf("allow_paths = [\"%s\"]; steps = ( { id = \"s\"; "
			   "kind = \"move\"; from = \"a\"; to = \"%s/n/b\"; "
			   "} );", o.dir, o.dir);
	return o;
}

static void other_free(struct other *o)
{
	_cleanup_free_ char *line = xasprintf("rm -rf '%s'", o->dir);

	assert_int_equal(system(line), 0);
	free(o->dir);
	free(o->plan);
}

static void other_empty(struct other *o)
{
	_cleanup_free_ char *line = xasprintf("rm -rf '%s'/n '%s'/.up*",
					      o->dir, o->dir);

	assert_int_equal(system(line), 0);
}

static void across(void **state)
{
	struct other o = elsewhere();
	struct step_ctx *c = fake_world(o.plan, tree);
	char *before = fake_tree(c), *after;
	_cleanup_free_ char *file = xasprintf("%s/n/b/d/y", o.dir);
	struct stat st;

	(void)state;
	if (fake_apply(c) < 0)
		fail_msg("%s", c->err.msg);
	assert_false(there(c->root_fd, "a"));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	if (fake_put_back(c) < 0)
		fail_msg("%s", c->err.msg);
	after = fake_tree(c);
	assert_string_equal(before, after);
	assert_int_equal(stat(file, &st), -1);
	free(before);
	free(after);
	fake_free(c, true);
	other_free(&o);
}

/* At no moment is a file in neither place, and it goes on to the end. */
static void killed_across(void **state)
{
	static const char both[] = "for f in x d/y; do test \"$(cat a/$f "
		"2>/dev/null || cat %s/n/b/$f)\" = 1 || exit 1; done";
	struct other o = elsewhere();
	_cleanup_free_ char *look = xasprintf(both, o.dir);
	_cleanup_free_ char *done = xasprintf("test ! -e a && test \"$(cat "
					      "%s/n/b/d/y)\" = 1", o.dir);
	int st = 1;

	(void)state;
	for (int n = 1; st; n++) {
		struct step_ctx *c = fake_world(o.plan, tree);
		char fault[32];
		enum step_probe p;

		(void)snprintf(fault, sizeof(fault), "any:%d:kill", n);
		assert_true(fake_begin(c) >= 0);
		st = fake_child(c, fault);
		fake_sh(c, look);
		p = fake_probe(c);
		if (p == PROBE_NOT && fake_put_back(c) < 0)
			fail_msg("call %d: %s", n, c->err.msg);
		if (p == PROBE_NOT)
			assert_true(fake_begin(c) >= 0);
		if (p != PROBE_FULLY)
			assert_int_equal(fake_child(c, NULL), 0);
		assert_int_equal(fake_probe(c), PROBE_FULLY);
		fake_sh(c, done);
		fake_free(c, true);
		other_empty(&o);
		assert_true(n < 500);
	}
	other_free(&o);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(changed_since),
		cmocka_unit_test(redone),
		cmocka_unit_test(in_the_way),
		cmocka_unit_test(killed_anywhere),
		cmocka_unit_test(across),
		cmocka_unit_test(killed_across),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
