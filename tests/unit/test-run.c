/* SPDX-License-Identifier: MIT */
#include "run-records.h"

#define STATE "root/.upshift/"

/* --- making --- */

static void t_create(void **state)
{
	struct fixture *f = *state;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	struct strbuf sb = STRBUF_INIT;
	char id[RUN_ID_LEN + 1], *path;
	struct json_object *st = NULL;
	struct stat s;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	assert_int_equal(r->state, RUN_BEGUN);
	assert_int_equal(state_dir_current(&sd, id), 0);
	assert_string_equal(id, r->id);
	assert_true(run_is_open(r));
	assert_false(run_changed_data(r));
	assert_int_equal(r->step_n, 3);
	assert_int_equal(run_step_number(r, "three"), 3);
	assert_int_equal(run_step_number(r, "four"), -1);
	assert_int_equal(json_get_int(r->begun, "root_ino", 0),
			 sd.root_stat.st_ino);
	assert_string_equal(json_get_str(r->begun, "plan", ""), "demo");
	path = run_plan_path(r);
	assert_int_equal(fs_read_file(AT_FDCWD, path, 100, &sb), 0);
	assert_string_equal(sb.buf, "plan = 1;\n");
	free(path);
	strbuf_clear(&sb);
	assert_int_equal(fs_read_file(r->fd, "plan/sub/dir/text", 100, &sb),
			 0);
	assert_int_equal(sb.len, 0);
	assert_int_equal(fs_read_file(r->fd, "state.json", 1 << 20, &sb), 0);
	assert_int_equal(json_parse(sb.buf, sb.len, &st, NULL), 0);
	assert_int_equal(json_get_int(st, "seq", 0), 1);
	assert_string_equal(json_get_str(st, "sum", ""),
			    journal_sum(r->journal));
	json_object_put(st);
	assert_int_equal(fstatat(r->fd, "reserve", &s, 0), 0);
	assert_int_equal(run_plan_verify(r, NULL), 0);
	assert_same_on_disk(r);
	strbuf_release(&sb);
	run_free(r);
	state_dir_release(&sd);
	/* a run was begun: the state directory stays */
	assert_int_equal(fstatat(f->dirfd, STATE "current", &s, 0), 0);
}

static void t_secret_answers_stay_out(void **state)
{
	struct fixture *f = *state;
	struct run_options opts = { 0 };
	struct strbuf sb = STRBUF_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r = NULL;

	test_plan_init(&t, false);
	opts.answers = obj("{\"mail\":\"a@b\",\"word\":\"canary7\"}");
	open_sd(f, &sd, true);
	assert_int_equal(run_create(&r, &sd, &t.plan, "AB23", "now", &opts,
				    NULL), 0);
	assert_int_equal(fs_read_file(r->fd, JOURNAL_NAME, 1 << 20, &sb), 0);
	assert_non_null(strstr(sb.buf, "a@b"));
	assert_null(strstr(sb.buf, "canary7"));
	json_object_put(opts.answers);
	strbuf_release(&sb);
	run_free(r);
	state_dir_release(&sd);
}

static void t_plan_copy_is_checked(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	int fd;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	fd = openat(r->fd, "plan/default.json", O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "{ }", 3), 3);
	close(fd);
	assert_int_equal(run_plan_verify(r, &err), -EBADMSG);
	assert_int_equal(err.code, ERR_PLAN_CHANGED);
	assert_non_null(strstr(err.msg, "default.json"));
	error_release(&err);
	assert_int_equal(unlinkat(r->fd, "plan/default.json", 0), 0);
	assert_int_equal(run_plan_verify(r, &err), -ENOENT);
	assert_int_equal(err.code, ERR_PLAN_CHANGED);
	error_release(&err);
	run_free(r);
	state_dir_release(&sd);
}

/* names that would lie on top of our own, or outside */
static void t_plan_file_names(void **state)
{
	static const char *const bad[] = {
		"digests.json", "plan.plan", "../x", "/etc/x",
	};
	struct fixture *f = *state;
	struct run_options opts = { 0 };
	struct test_plan t;
	struct state_dir sd;
	struct run *r = NULL;
	struct stat st;
	size_t i;

	test_plan_init(&t, false);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		t.file[0].name = (char *)bad[i];
		open_sd(f, &sd, true);
		assert_true(run_create(&r, &sd, &t.plan, "AB23", "now", &opts,
				       NULL) < 0);
		state_dir_release(&sd);
		/* nothing is left of it */
		assert_int_equal(fstatat(f->dirfd, "root/.upshift", &st, 0),
				 -1);
		assert_int_equal(fstatat(f->dirfd, "root/x", &st, 0), -1);
	}
}

static void t_backup_dir(void **state)
{
	struct fixture *f = *state;
	struct run_options opts = { 0 };
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r = NULL;
	char *want = xasprintf("%s/backups/AB23", f->dir);
	struct stat st;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	opts.backup_dir = "../backups";
	assert_int_equal(run_create(&r, &sd, &t.plan, "AB23", "now", &opts,
				    NULL), 0);
	assert_string_equal(r->backup.dir, want);
	assert_int_equal(stat(want, &st), -1);
	assert_int_equal(run_backup_dir(r, NULL), 0);
	assert_int_equal(stat(want, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	run_free(r);
	r = reopen(&sd, NULL, true);
	assert_true(r->backup_fd >= 0);
	run_free(r);
	/* open to others now: not trusted any more */
	assert_int_equal(chmod(want, 0755), 0);
	assert_true(run_open(&r, &sd, NULL, false, &err) < 0);
	assert_int_equal(err.code, ERR_STATE_UNSAFE);
	error_release(&err);
	state_dir_release(&sd);
	free(want);
}

/* --- opening --- */

static void t_damage_says_what_is_safe(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct stat st;
	struct run *r;
	char c;
	int fd;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	back_up(r);
	apply(r, "one");
	fd = openat(r->fd, JOURNAL_NAME, O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pread(fd, &c, 1, st.st_size - 300), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, st.st_size - 300), 1);
	close(fd);
	run_free(r);
	assert_int_equal(run_open(&r, &sd, NULL, true, &err), -EBADMSG);
	assert_int_equal(error_code_exit(err.code), 74);
	assert_non_null(strstr(err.hint, "backup"));
	error_release(&err);
	state_dir_release(&sd);
}

static void t_copy_is_refused(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	char *copy = xasprintf("%s/copy", f->dir);
	char *cmd = xasprintf("cp -a '%s' '%s'", f->root, copy);
	char *moved = xasprintf("%s/moved", f->dir);

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	run_free(new_run(&sd, &t));
	state_dir_release(&sd);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(state_dir_open(&sd, copy, NULL, true, NULL), 0);
	assert_true(run_open(&r, &sd, NULL, false, &err) < 0);
	assert_int_equal(err.code, ERR_FOREIGN);
	error_release(&err);
	state_dir_release(&sd);
	/* moved: it can be looked at, but commands may name the old place */
	assert_int_equal(rename(f->root, moved), 0);
	assert_int_equal(state_dir_open(&sd, moved, NULL, true, NULL), 0);
	assert_int_equal(state_dir_lock(&sd, NULL), 0);
	r = reopen(&sd, NULL, false);
	run_free(r);
	assert_true(run_open(&r, &sd, NULL, true, &err) < 0);
	assert_int_equal(err.code, ERR_FOREIGN);
	assert_non_null(strstr(err.msg, f->root));
	error_release(&err);
	state_dir_release(&sd);
	free(moved);
	free(cmd);
	free(copy);
}

static void t_no_run(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct state_dir sd;
	struct run *r;

	open_sd(f, &sd, false);
	assert_true(run_open(&r, &sd, NULL, false, &err) < 0);
	assert_int_equal(err.code, ERR_NO_RUN);
	error_release(&err);
	assert_true(run_open(&r, &sd, "../../etc", false, &err) < 0);
	assert_int_equal(err.code, ERR_NO_RUN);
	error_release(&err);
	state_dir_release(&sd);
}

/* order is by number: the clock may say what it likes */
static void t_order_of_runs(void **state)
{
	struct fixture *f = *state;
	struct strvec ids = STRVEC_INIT;
	struct test_plan t;
	struct state_dir sd;
	char made[3][RUN_ID_LEN + 1], id[RUN_ID_LEN + 1];
	int i;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	for (i = 0; i < 3; i++) {
		static const char *const clock[] = {
			"1800000000", "1500000000", "1700000000",
		};
		struct run *r;

		setenv("UPSHIFT_TEST_CLOCK", clock[i], 1);
		r = new_run(&sd, &t);
		strcpy(made[i], r->id);
		run_free(r);
	}
	unsetenv("UPSHIFT_TEST_CLOCK");
	assert_int_equal(state_dir_runs(&sd, &ids, NULL), 0);
	assert_int_equal(ids.n, 3);
	for (i = 0; i < 3; i++)
		assert_string_equal(ids.v[i], made[i]);
	assert_int_equal(state_dir_current(&sd, id), 0);
	assert_string_equal(id, made[2]);
	/* an older run may be the open one again */
	assert_int_equal(state_dir_set_current(&sd, made[0], NULL), 0);
	assert_int_equal(state_dir_current(&sd, id), 0);
	assert_string_equal(id, made[0]);
	/* a name that is no run: the newest */
	assert_int_equal(state_dir_set_current(&sd, "ZZZZ", NULL), 0);
	assert_int_equal(state_dir_current(&sd, id), 0);
	assert_string_equal(id, made[2]);
	strvec_release(&ids);
	state_dir_release(&sd);
}

/* a journal cut to nothing is damage; it must not be swept as "no run" */
static void t_sweep_keeps_what_was_a_run(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	char id[RUN_ID_LEN + 1];
	int fd;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	strcpy(id, r->id);
	fd = openat(r->fd, JOURNAL_NAME, O_WRONLY | O_TRUNC);
	close(fd);
	run_free(r);
	assert_int_equal(mkdirat(sd.fd, "runs/AAAA", 0700), 0);
	assert_int_equal(mkdirat(sd.fd, "runs/AAAA/plan", 0700), 0);
	assert_int_equal(mkdirat(sd.fd, "runs/.trash-BBBB", 0700), 0);
	assert_int_equal(state_dir_sweep(&sd, NULL), 0);
	assert_int_equal(faccessat(sd.fd, "runs/AAAA", F_OK, 0), -1);
	assert_int_equal(faccessat(sd.fd, "runs/.trash-BBBB", F_OK, 0), -1);
	assert_true(run_open(&r, &sd, id, false, &err) < 0);
	assert_int_equal(err.code, ERR_JOURNAL_TRUNCATED);
	error_release(&err);
	state_dir_release(&sd);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(t_create),
		T(t_secret_answers_stay_out),
		T(t_plan_copy_is_checked),
		T(t_plan_file_names),
		T(t_backup_dir),
		T(t_damage_says_what_is_safe),
		T(t_copy_is_refused),
		T(t_no_run),
		T(t_order_of_runs),
		T(t_sweep_keeps_what_was_a_run),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
