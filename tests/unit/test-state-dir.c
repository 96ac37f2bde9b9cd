/* SPDX-License-Identifier: MIT */
#include "run-fixture.h"

#include <sys/file.h>

static void put_text(const char *path, const char *text, mode_t mode)
{
	FILE *fp = fopen(path, "w");

	assert_non_null(fp);
	assert_true(fputs(text, fp) >= 0);
	assert_int_equal(fclose(fp), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* state_dir_open() must fail with code; the error is left for a look */
static void refuse(struct fixture *f, const char *option, enum err_code code,
		   struct error *err)
{
	struct state_dir sd;

	assert_true(state_dir_open(&sd, f->root, option, true, err) < 0);
	assert_int_equal(err->code, code);
	/* released, and releasing again is harmless */
	assert_int_equal(sd.root_fd, -1);
	state_dir_release(&sd);
}

static void refuse_only(struct fixture *f, const char *option,
			enum err_code code)
{
	struct error err = ERROR_INIT;

	refuse(f, option, code, &err);
	error_release(&err);
}

static struct timespec mtime_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mtim;
}

static void assert_old_mtime(const char *path)
{
	struct timespec ts = mtime_of(path);

	assert_int_equal(ts.tv_sec, 1000000000);
	assert_int_equal(ts.tv_nsec, 123456789);
}

static void set_old_mtime(const char *path)
{
	struct timespec ts[2] = {
		{ .tv_sec = 1000000000, .tv_nsec = 1 },
		{ .tv_sec = 1000000000, .tv_nsec = 123456789 },
	};

	assert_int_equal(utimensat(AT_FDCWD, path, ts, 0), 0);
}

static void t_none(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;
	char id[RUN_ID_LEN + 1];
	struct stat st;

	open_sd(f, &sd, false);
	assert_int_equal(sd.fd, -1);
	assert_string_equal(sd.root, f->root);
	assert_false(sd.outside);
	assert_false(state_dir_is_locked(&sd, NULL));
	assert_int_equal(state_dir_current(&sd, id), 0);
	assert_string_equal(id, "");
	state_dir_release(&sd);
	/* looking makes nothing */
	assert_int_equal(fstatat(f->dirfd, "root/.upshift", &st, 0), -1);
}

static void t_create_and_go_again(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;
	struct stat st;

	set_old_mtime(f->root);
	open_sd(f, &sd, true);
	assert_true(sd.lock_fd >= 0);
	assert_int_equal(sd.root_stat.st_mtim.tv_nsec, 123456789);
	assert_int_equal(fstatat(f->dirfd, "root/.upshift", &st, 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	/* our directory is no change of the data */
	assert_old_mtime(f->root);
	state_dir_release(&sd);
	/* no run was begun in it */
	assert_int_equal(fstatat(f->dirfd, "root/.upshift", &st, 0), -1);
	assert_old_mtime(f->root);
}

static void t_data_changed_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;
	struct timespec ts;

	set_old_mtime(f->root);
	open_sd(f, &sd, true);
	assert_int_equal(mkdirat(sd.root_fd, "new", 0700), 0);
	ts = mtime_of(f->root);
	state_dir_release(&sd);
	/* the application's change of the directory keeps a time of its own */
	assert_true(mtime_of(f->root).tv_sec >= ts.tv_sec);
}

static void t_one_engine(void **state)
{
	struct fixture *f = *state;
	struct state_dir a, b;
	struct lock_holder h;
	struct error err = ERROR_INIT;

	open_sd(f, &a, true);
	open_sd(f, &b, false);
	assert_true(state_dir_is_locked(&b, &h));
	assert_int_equal(h.pid, getpid());
	assert_true(h.since[0] == '2');
	assert_true(state_dir_is_locked(&a, NULL));
	assert_int_equal(state_dir_lock(&b, &err), -EWOULDBLOCK);
	assert_int_equal(err.code, ERR_LOCKED);
	error_release(&err);
	assert_int_equal(state_dir_create(&b, &err), -EWOULDBLOCK);
	assert_int_equal(err.code, ERR_LOCKED);
	error_release(&err);
	/* asking took nothing: the holder can still lock, others not */
	assert_int_equal(state_dir_lock(&a, NULL), 0);
	closep(&a.lock_fd);
	a.lock_fd = -1;
	assert_int_equal(flock(a.root_fd, LOCK_UN), 0);
	assert_false(state_dir_is_locked(&b, NULL));
	assert_int_equal(state_dir_lock(&b, NULL), 0);
	state_dir_release(&b);
	state_dir_release(&a);
}

static void t_lock_file_deleted(void **state)
{
	struct fixture *f = *state;
	struct state_dir a, b;
	struct error err = ERROR_INIT;

	open_sd(f, &a, true);
	assert_int_equal(unlinkat(a.fd, "lock", 0), 0);
	open_sd(f, &b, false);
	assert_true(state_dir_is_locked(&b, NULL));
	assert_int_equal(state_dir_lock(&b, &err), -EWOULDBLOCK);
	assert_int_equal(err.code, ERR_LOCKED);
	error_release(&err);
	/* the one that failed left no lock file of its own */
	assert_int_equal(faccessat(a.fd, "lock", F_OK, 0), -1);
	state_dir_release(&b);
	state_dir_release(&a);
}

/* somebody holds the file, nobody the root: a program of another kind */
static void t_foreign_flock(void **state)
{
	struct fixture *f = *state;
	struct state_dir a, b;
	struct error err = ERROR_INIT;
	int fd;

	open_sd(f, &a, true);
	a.made = false;
	state_dir_release(&a);
	open_sd(f, &b, false);
	fd = openat(b.fd, "lock", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(state_dir_lock(&b, &err), -EWOULDBLOCK);
	error_release(&err);
	close(fd);
	assert_int_equal(state_dir_lock(&b, NULL), 0);
	state_dir_release(&b);
}

static void t_unsafe(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	char *state_path = xasprintf("%s/.upshift", f->root);
	char *elsewhere = xasprintf("%s/elsewhere", f->dir);

	assert_int_equal(mkdir(elsewhere, 0700), 0);
	assert_int_equal(symlink(elsewhere, state_path), 0);
	refuse_only(f, NULL, ERR_STATE_UNSAFE);
	assert_int_equal(unlink(state_path), 0);

	assert_int_equal(mkdir(state_path, 0700), 0);
	assert_int_equal(chmod(state_path, 0750), 0);
	refuse(f, NULL, ERR_STATE_UNSAFE, &err);
	assert_non_null(err.hint);
	assert_true(str_starts(err.hint, "chmod 700 "));
	assert_non_null(strstr(err.hint, state_path));
	error_release(&err);
	assert_int_equal(rmdir(state_path), 0);

	assert_int_equal(mkfifo(state_path, 0600), 0);
	refuse_only(f, NULL, ERR_STATE_UNSAFE);
	free(elsewhere);
	free(state_path);
}

static void t_lock_is_a_symlink(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;
	struct error err = ERROR_INIT;
	char *victim = xasprintf("%s/victim", f->dir);
	struct stat st;

	put_text(victim, "precious", 0600);
	open_sd(f, &sd, true);
	sd.made = false;
	state_dir_release(&sd);
	open_sd(f, &sd, false);
	assert_int_equal(unlinkat(sd.fd, "lock", 0), 0);
	assert_int_equal(symlinkat(victim, sd.fd, "lock"), 0);
	assert_true(state_dir_lock(&sd, &err) < 0);
	assert_int_equal(err.code, ERR_STATE);
	error_release(&err);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 8);
	state_dir_release(&sd);
	free(victim);
}

static void t_owner(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;
	struct error err = ERROR_INIT;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(f->root, 65534, 65534), 0);
	assert_true(state_dir_open(&sd, f->root, NULL, false, &err) < 0);
	assert_int_equal(err.code, ERR_OWNER);
	assert_int_equal(error_code_exit(err.code), 77);
	assert_true(str_starts(err.hint, "sudo -u "));
	/* the words of this very command */
	assert_non_null(strstr(err.hint, "test-state-dir"));
	error_release(&err);
	assert_int_equal(state_dir_open(&sd, f->root, NULL, true, NULL), 0);
	state_dir_release(&sd);
	/* a state directory of another user is not ours to write */
	assert_int_equal(mkdirat(f->dirfd, "root/.upshift", 0700), 0);
	assert_int_equal(fchownat(f->dirfd, "root/.upshift", 65534, 65534, 0),
			 0);
	refuse_only(f, NULL, ERR_STATE_UNSAFE);
}

static void t_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;
	struct stat st;
	struct error err = ERROR_INIT;
	char *place = xasprintf("%s/a/b/state", f->dir);
	char *other = xasprintf("%s/other", f->dir);
	char *inside = xasprintf("%s/state", f->root);

	set_old_mtime(f->root);
	refuse_only(f, inside, ERR_USAGE);
	refuse_only(f, f->dir, ERR_USAGE);
	assert_int_equal(state_dir_open(&sd, f->root, place, true, NULL), 0);
	assert_int_equal(sd.fd, -1);
	assert_int_equal(state_dir_create(&sd, &err), 0);
	assert_true(sd.outside);
	assert_int_equal(fstatat(f->dirfd, "root/.upshift", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_old_mtime(f->root);
	sd.made = false; /* as if a run were in it */
	state_dir_release(&sd);

	open_sd(f, &sd, false);
	assert_string_equal(sd.path, place);
	assert_true(sd.fd >= 0 && sd.outside);
	/* a plan's wish comes too late */
	assert_int_equal(state_dir_prefer(&sd, other, NULL), 0);
	assert_string_equal(sd.path, place);
	state_dir_release(&sd);
	refuse_only(f, other, ERR_USAGE);
	assert_int_equal(state_dir_open(&sd, f->root, place, true, NULL), 0);
	state_dir_release(&sd);

	/* its disk is not mounted: that is no "no state" */
	assert_int_equal(rename(place, other), 0);
	refuse_only(f, NULL, ERR_STATE);
	assert_int_equal(symlink(other, place), 0);
	refuse_only(f, NULL, ERR_STATE_UNSAFE);
	free(inside);
	free(other);
	free(place);
}

static void t_elsewhere_goes_again(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;
	struct stat st;
	char *place = xasprintf("%s/state", f->dir);

	set_old_mtime(f->root);
	assert_int_equal(state_dir_open(&sd, f->root, place, true, NULL), 0);
	assert_int_equal(state_dir_create(&sd, NULL), 0);
	state_dir_release(&sd);
	assert_int_equal(lstat(place, &st), -1);
	assert_int_equal(fstatat(f->dirfd, "root/.upshift", &st, 0), -1);
	assert_old_mtime(f->root);
	free(place);
}

static void t_prefer(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;
	char *want = xasprintf("%s/beside", f->dir);
	char *opt = xasprintf("%s/option", f->dir);

	open_sd(f, &sd, false);
	assert_int_equal(state_dir_prefer(&sd, "../beside", NULL), 0);
	assert_string_equal(sd.path, want);
	assert_true(sd.outside);
	state_dir_release(&sd);
	assert_int_equal(state_dir_open(&sd, f->root, opt, true, NULL), 0);
	assert_int_equal(state_dir_prefer(&sd, "../beside", NULL), 0);
	assert_string_equal(sd.path, opt);
	state_dir_release(&sd);
	free(opt);
	free(want);
}

static void t_bad_pointer(void **state)
{
	static const char *const bad[] = {
		"", "{}", "junk", "{\"state_dir\":\"relative\"}",
		"{\"state_dir\":\"/nonexistent/upshift\"}",
	};
	struct fixture *f = *state;
	char *p = xasprintf("%s/.upshift", f->root);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		put_text(p, bad[i], 0600);
		refuse_only(f, NULL, ERR_STATE);
	}
	/* names itself: would be a state directory that is a file */
	put_text(p, "{\"state_dir\":\"/\"}", 0644);
	refuse_only(f, NULL, ERR_STATE_UNSAFE);
	free(p);
}

static void t_open_to_all_parent(void **state)
{
	struct fixture *f = *state;
	char *parent = xasprintf("%s/shared", f->dir);
	char *place = xasprintf("%s/shared/state", f->dir);

	assert_int_equal(mkdir(parent, 0777), 0);
	assert_int_equal(mkdir(place, 0700), 0);
	assert_int_equal(chmod(parent, 0777), 0);
	refuse_only(f, place, ERR_STATE_UNSAFE);
	free(place);
	free(parent);
}

static void t_find_root(void **state)
{
	struct fixture *f = *state;
	char *deep = xasprintf("%s/a/b", f->root);
	char *found = NULL;

	assert_int_equal(mkdirat(f->dirfd, "root/a", 0700), 0);
	assert_int_equal(mkdirat(f->dirfd, "root/a/b", 0700), 0);
	assert_int_equal(state_find_root(deep, &found), -ENOENT);
	assert_int_equal(mkdirat(f->dirfd, "root/.upshift", 0700), 0);
	assert_int_equal(state_find_root(deep, &found), 0);
	assert_string_equal(found, f->root);
	free(found);
	assert_int_equal(state_find_root(f->root, &found), 0);
	assert_string_equal(found, f->root);
	free(found);
	assert_int_equal(state_find_root("/nonexistent", &found), -ENOENT);
	free(deep);
}

static void t_ids(void **state)
{
	struct fixture *f = *state;
	struct state_dir sd;
	char id[RUN_ID_LEN + 1];
	int i;

	open_sd(f, &sd, false);
	for (i = 0; i < 500; i++) {
		assert_int_equal(run_new_id(&sd, id), 0);
		assert_int_equal(strlen(id), 4);
		assert_int_equal(strcspn(id, "0O1I"), 4);
	}
	setenv("UPSHIFT_TEST_RUN_ID", "AB23", 1);
	assert_int_equal(run_new_id(&sd, id), 0);
	assert_string_equal(id, "AB23");
	state_dir_release(&sd);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(t_none), T(t_create_and_go_again),
		T(t_data_changed_meanwhile), T(t_one_engine),
		T(t_lock_file_deleted), T(t_foreign_flock), T(t_unsafe),
		T(t_lock_is_a_symlink), T(t_owner), T(t_elsewhere),
		T(t_elsewhere_goes_again), T(t_prefer), T(t_bad_pointer),
		T(t_open_to_all_parent), T(t_find_root), T(t_ids),
	};

	return cmocka_run_group_tests_name("state-dir", tests, NULL, NULL);
}
