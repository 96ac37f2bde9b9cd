/* SPDX-License-Identifier: MIT */
/* The backup of a run below the root. */
#include "run-records.h"

#include <fcntl.h>

#include "base/path.h"

static const struct timespec long_ago[2] = {
	{ .tv_sec = 1600000000, .tv_nsec = 5 },
	{ .tv_sec = 1600000000, .tv_nsec = 123456789 },
};

static void put(const struct fixture *f, const char *path)
{
	_cleanup_free_ char *full = path_join(f->root, path);
	_cleanup_close_ int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC,
				      0644);

	assert_true(fd >= 0);
}

static void put_dir(const struct fixture *f, const char *path)
{
	_cleanup_free_ char *full = path_join(f->root, path);

	assert_int_equal(mkdir(full, 0755), 0);
}

static bool is_there(const struct fixture *f, const char *path)
{
	_cleanup_free_ char *full = path_join(f->root, path);
	struct stat st;

	return lstat(full, &st) == 0;
}

static void set_old(const struct fixture *f, const char *path)
{
	_cleanup_free_ char *full = path_join(f->root, path);

	assert_int_equal(utimensat(AT_FDCWD, full, long_ago, 0), 0);
}

static void assert_old(const struct fixture *f, const char *path)
{
	_cleanup_free_ char *full = path_join(f->root, path);
	struct stat st;

	assert_int_equal(stat(full, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, long_ago[1].tv_sec);
	assert_int_equal(st.st_mtim.tv_nsec, long_ago[1].tv_nsec);
}

/* dir is refused, with a message that holds part */
static void refused(struct state_dir *sd, const char *dir, const char *fixed,
		    const char *part)
{
	struct error err = ERROR_INIT;
	char *place = NULL;

	assert_true(run_place(sd, dir, fixed, &place, &err) < 0);
	assert_null(place);
	assert_int_equal(err.code, ERR_BACKUP_DIR);
	if (!strstr(err.msg, part))
		fail_msg("'%s' is not about '%s'", err.msg, part);
	error_release(&err);
}

static void gives(struct state_dir *sd, const char *dir, const char *fixed,
		  const char *want)
{
	struct error err = ERROR_INIT;
	char *place = NULL;

	ok(run_place(sd, dir, fixed, &place, &err), &err);
	if (want)
		assert_string_equal(place, want);
	else
		assert_null(place);
	free(place);
}

static void t_choose(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *in = path_join(f->root, "b/2026");
	_cleanup_free_ char *other = path_join(f->dir, "elsewhere");
	_cleanup_free_ char *into = path_join(f->dir, "into");
	_cleanup_free_ char *way = path_join(into, "b");
	struct state_dir sd;

	open_sd(f, &sd, true);
	put_dir(f, "data");
	put_dir(f, "data/sub");
	put(f, "data/sub/file");
	put_dir(f, "hollow");
	put_dir(f, "hollow/deep");
	put(f, "file");
	assert_int_equal(symlinkat(f->dir, sd.root_fd, "out"), 0);
	assert_int_equal(symlinkat("nowhere", sd.root_fd, "dead"), 0);
	assert_int_equal(symlink(f->root, into), 0);
	gives(&sd, NULL, NULL, NULL);
	gives(&sd, other, NULL, NULL);
	gives(&sd, "../elsewhere", NULL, NULL);
	/* no directory of the data is made that is not ours */
	refused(&sd, in, NULL, "cannot create");
	gives(&sd, in, "b", "b");
	gives(&sd, "b/2026", "b", "b");
	gives(&sd, "hollow/x", "hollow", "hollow");
	gives(&sd, "data/new/x", "data/new", "data/new");
	/* a link that is not the user's data may lead to it */
	gives(&sd, way, NULL, "b");
	refused(&sd, ".", NULL, "the root itself");
	refused(&sd, f->root, NULL, "the root itself");
	refused(&sd, "2026", ".", "the same for every run");
	refused(&sd, "2026", "..", "the same for every run");
	refused(&sd, ".upshift/b", NULL, "belongs to upshift");
	refused(&sd, "data", NULL, "'data/sub/file' is there");
	refused(&sd, "data/2026", "data", "'data/sub/file' is there");
	refused(&sd, "none/b", NULL, "cannot create");
	refused(&sd, "file", NULL, "cannot use");
	refused(&sd, "file/b", NULL, "cannot use");
	refused(&sd, "out/b", NULL, "symbolic link");
	refused(&sd, "out", NULL, "symbolic link");
	refused(&sd, "dead", NULL, "symbolic link");
	refused(&sd, "dead/b", "dead", "symbolic link");
	/* nothing was made by all that */
	assert_false(is_there(f, "b"));
	assert_false(is_there(f, "data/new"));
	assert_int_equal(sd.ours.places.n, 0);
	state_dir_release(&sd);
}

static struct run *begin(struct state_dir *sd, const struct test_plan *t,
			 const char *id, const char *dir, const char *fixed)
{
	struct run_options opts = { .backup_dir = dir,
				    .backup_fixed = fixed };
	struct error err = ERROR_INIT;
	struct run *r = NULL;

	ok(run_create(&r, sd, &t->plan, id, "now", &opts, &err), &err);
	return r;
}

static void t_make_and_forget(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *dir = path_join(f->root, "b/1/AB23");
	_cleanup_free_ char *moved = path_join(f->dir, "moved");
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	struct stat st;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = begin(&sd, &t, "AB23", "b/1", "b");
	assert_string_equal(r->backup.dir, dir);
	assert_string_equal(r->backup.below, "b/1/AB23");
	assert_string_equal(r->backup.place, "b");
	assert_true(ours_has(&sd.ours, "b"));
	assert_false(is_there(f, "b"));
	set_old(f, ".");
	back_up(r);
	assert_old(f, ".");
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(sd.root_fd, "b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	to_state(r, RUN_COMPLETE, NULL);
	run_free(r);
	state_dir_release(&sd);

	/* whoever comes later knows it, and a copy elsewhere finds its own */
	open_sd(f, &sd, false);
	assert_true(ours_has(&sd.ours, "b/x"));
	state_dir_release(&sd);
	assert_int_equal(rename(f->root, moved), 0);
	assert_int_equal(state_dir_open(&sd, moved, NULL, true, &err), 0);
	r = reopen(&sd, "AB23", false);
	assert_true(r->backup_fd >= 0);
	assert_true(str_starts(r->backup.dir, moved));
	run_free(r);
	state_dir_release(&sd);
	assert_int_equal(rename(moved, f->root), 0);

	/* a second one beside it; each goes alone, the last with the place */
	open_sd(f, &sd, true);
	r = begin(&sd, &t, "CD45", "b/2", "b");
	assert_false(r->backup.kept);
	back_up(r);
	to_state(r, RUN_COMPLETE, NULL);
	run_free(r);
	set_old(f, ".");
	ok(run_forget(&sd, "AB23", false, &err), &err);
	assert_false(is_there(f, "b/1"));
	assert_true(is_there(f, "b/2/CD45"));
	ok(run_forget(&sd, "CD45", false, &err), &err);
	assert_false(is_there(f, "b"));
	assert_old(f, ".");
	state_dir_release(&sd);
	/* and is not ours any more */
	open_sd(f, &sd, false);
	assert_false(ours_has(&sd.ours, "b"));
	state_dir_release(&sd);
}

/* A directory that the user made stays; what he puts beside the backup, too. */
static void t_forget_keeps(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	put_dir(f, "b");
	for (int i = 0; i < 2; i++) {
		r = begin(&sd, &t, i ? "CD45" : "AB23", i ? "b/2" : "b/1", "b");
		assert_true(r->backup.kept);
		back_up(r);
		to_state(r, RUN_COMPLETE, NULL);
		run_free(r);
	}
	ok(run_forget(&sd, "AB23", false, &err), &err);
	put(f, "b/2/mine");
	refused(&sd, "b/3", "b", "'b/2/mine' is there");
	ok(run_forget(&sd, "CD45", false, &err), &err);
	assert_false(is_there(f, "b/2/CD45"));
	assert_true(is_there(f, "b/2/mine"));
	state_dir_release(&sd);
}

/* With the state directory the knowledge is lost, not what a backup is. */
static void t_unknown_backups(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;

	open_sd(f, &sd, true);
	put_dir(f, "b");
	put_dir(f, "b/1");
	put_dir(f, "b/1/AB23");
	put(f, "b/1/AB23/start.tar.zst");
	put(f, "b/1/AB23/start.b2");
	gives(&sd, "b/2", "b", "b");
	put_dir(f, "b/1/CD45");
	put(f, "b/1/CD45/start.b2");
	refused(&sd, "b/2", "b", "'b/1/CD45/start.b2' is there");
	state_dir_release(&sd);
}

/* The directory vanished: made again for a run that has no backup yet. */
static void t_vanished(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = begin(&sd, &t, "AB23", "b/1", "b");
	ok(run_backup_dir(r, &err), &err);
	run_free(r);
	assert_int_equal(fs_remove_tree(sd.root_fd, "b"), 0);
	r = reopen(&sd, NULL, true);
	assert_true(r->backup_fd < 0);
	assert_true(ours_has(&sd.ours, "b"));
	ok(run_backup_dir(r, &err), &err);
	assert_true(is_there(f, "b/1/AB23"));
	run_free(r);
	/* something else stands there: said, not followed */
	assert_int_equal(fs_remove_tree(sd.root_fd, "b"), 0);
	assert_int_equal(symlinkat("..", sd.root_fd, "b"), 0);
	assert_true(run_open(&r, &sd, NULL, true, &err) < 0);
	assert_int_equal(err.code, ERR_BACKUP_DIR);
	error_release(&err);
	state_dir_release(&sd);
}

/* --- killed at each change of the making, and of the removing --- */

static const char child_make[] = "make", child_forget[] = "forget";

static int child(const char *what, const char *dir)
{
	_cleanup_free_ char *root = path_join(dir, "root");
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r = NULL;
	int rc;

	setenv("XDG_STATE_HOME", dir, 1);
	test_plan_init(&t, false);
	if (state_dir_open(&sd, root, NULL, true, &err) < 0 ||
	    state_dir_lock(&sd, &err) < 0)
		return 2;
	if (!strcmp(what, child_forget)) {
		rc = run_forget(&sd, "AB23", false, &err);
	} else {
		rc = run_open(&r, &sd, NULL, true, &err);
		if (rc == 0)
			rc = run_backup_dir(r, &err);
	}
	return rc < 0 ? 3 : 0;
}

static void t_killed(void **state)
{
	struct fixture *f = *state;
	int status = -1, n;

	for (n = 1; status != 0; n++) {
		_cleanup_free_ char *fault = xasprintf("any:%d:kill", n);
		struct error err = ERROR_INIT;
		struct test_plan t;
		struct state_dir sd;
		struct run *r;

		assert_true(n < 300);
		test_plan_init(&t, false);
		open_sd(f, &sd, true);
		put_dir(f, "d");
		run_free(begin(&sd, &t, "AB23", "d/b/1", "d/b"));
		state_dir_release(&sd);
		set_old(f, "d");
		status = run_child(child_make, f->dir, fault);
		assert_true(status == 0 || WIFSIGNALED(status));
		open_sd(f, &sd, true);
		r = reopen(&sd, NULL, true);
		ok(run_backup_dir(r, &err), &err);
		assert_true(is_there(f, "d/b/1/AB23"));
		assert_old(f, "d");
		to_state(r, RUN_CLOSED, NULL);
		run_free(r);
		ok(run_forget(&sd, "AB23", false, &err), &err);
		assert_false(is_there(f, "d/b"));
		assert_old(f, "d");
		state_dir_release(&sd);
		remove_all(f->root);
		assert_int_equal(mkdir(f->root, 0755), 0);
	}
	assert_true(n > 10);
	for (n = 1, status = -1; status != 0; n++) {
		_cleanup_free_ char *fault = xasprintf("any:%d:kill", n);
		struct error err = ERROR_INIT;
		struct test_plan t;
		struct state_dir sd;
		struct run *r;

		assert_true(n < 300);
		test_plan_init(&t, false);
		open_sd(f, &sd, true);
		put_dir(f, "d");
		r = begin(&sd, &t, "AB23", "d/b/1", "d/b");
		back_up(r);
		to_state(r, RUN_COMPLETE, NULL);
		run_free(r);
		state_dir_release(&sd);
		set_old(f, "d");
		status = run_child(child_forget, f->dir, fault);
		assert_true(status == 0 || WIFSIGNALED(status));
		open_sd(f, &sd, true);
		if (run_open(&r, &sd, "AB23", true, NULL) == 0) {
			run_free(r);
			ok(run_forget(&sd, "AB23", false, &err), &err);
		}
		assert_false(is_there(f, "d/b"));
		assert_old(f, "d");
		state_dir_release(&sd);
		remove_all(f->root);
		assert_int_equal(mkdir(f->root, 0755), 0);
	}
	assert_true(n > 10);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(t) cmocka_unit_test_setup_teardown(t, fixture_setup, \
					     fixture_teardown)
		T(t_choose),
		T(t_make_and_forget),
		T(t_forget_keeps),
		T(t_unknown_backups),
		T(t_vanished),
		T(t_killed),
#undef T
	};

	if (argc == 3)
		return child(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
