/* SPDX-License-Identifier: MIT */
#include "run-fixture.h"

static char *make_root(struct fixture *f, const char *name, bool with_state)
{
	char *root = xasprintf("%s/%s", f->dir, name);
	char *st = xasprintf("%s/.upshift", root);

	assert_int_equal(mkdir(root, 0700), 0);
	if (with_state)
		assert_int_equal(mkdir(st, 0700), 0);
	free(st);
	return root;
}

static void t_add_and_list(void **state)
{
	struct fixture *f = *state;
	_cleanup_strvec_ struct strvec v = STRVEC_INIT;
	char *a = make_root(f, "a", true);
	char *b = make_root(f, "name\nwith \xff bytes", true);
	char *gone = make_root(f, "gone", false);
	struct stat st;

	assert_int_equal(register_roots(&v), 0);
	assert_int_equal(v.n, 0);
	register_add(a, "demo", "AAAA");
	register_add(b, "demo", "BBBB");
	register_add(gone, "demo", "CCCC");
	register_add(a, "demo", "DDDD");
	assert_int_equal(register_roots(&v), 0);
	/* each once, the one without state not at all */
	assert_int_equal(v.n, 2);
	assert_true(strvec_has(&v, a) && strvec_has(&v, b));
	assert_int_equal(fstatat(f->dirfd, "upshift/roots.jsonl", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	free(gone);
	free(b);
	free(a);
}

static void t_junk_is_passed_over(void **state)
{
	static const char junk[] = "not json\n[]\n{\"root\":5}\n{\"root\":"
				   "\"relative\"}\n{\"x\":1}\n{\"ro";
	struct fixture *f = *state;
	_cleanup_strvec_ struct strvec v = STRVEC_INIT;
	char *a = make_root(f, "a", true);
	int dir;

	assert_int_equal(mkdirat(f->dirfd, "upshift", 0700), 0);
	dir = openat(f->dirfd, "upshift", O_RDONLY | O_DIRECTORY);
	assert_int_equal(fs_write_file(dir, "roots.jsonl", junk,
				       strlen(junk), 0600), 0);
	close(dir);
	assert_int_equal(register_roots(&v), 0);
	assert_int_equal(v.n, 0);
	register_add(a, "demo", "AAAA");
	assert_int_equal(register_roots(&v), 0);
	assert_int_equal(v.n, 1);
	free(a);
}

static void t_no_failure_of_a_run(void **state)
{
	_cleanup_strvec_ struct strvec v = STRVEC_INIT;

	(void)state;
	setenv("XDG_STATE_HOME", "/proc/nonexistent", 1);
	register_add("/", "demo", "AAAA");
	assert_int_equal(register_roots(&v), 0);
	assert_int_equal(v.n, 0);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(t_add_and_list), T(t_junk_is_passed_over),
		T(t_no_failure_of_a_run),
	};

	return cmocka_run_group_tests_name("register", tests, NULL, NULL);
}
