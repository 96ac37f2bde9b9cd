/* SPDX-License-Identifier: MIT */
/* the making of a run, killed and failing at every call */
#include "run-fixture.h"

/* --- killed and failing at every call --- */

/* the whole making of a run, and a record; exit 0 if all went well */
static int child(const char *what, const char *dir)
{
	struct run_options opts = { 0 };
	struct test_plan t;
	struct state_dir sd;
	struct run *r = NULL;
	char *root = xasprintf("%s/root", dir);
	char *place = xasprintf("%s/place", dir);
	int rc;

	test_plan_init(&t, false);
	rc = state_dir_open(&sd, root, strcmp(what, "outside") ? NULL : place,
			    true, NULL);
	if (rc == 0)
		rc = state_dir_create(&sd, NULL);
	if (rc == 0)
		rc = run_create(&r, &sd, &t.plan, "AB23", "now", &opts, NULL);
	if (rc == 0)
		rc = run_record_process(r, "run", NULL);
	run_free(r);
	state_dir_release(&sd);
	free(root);
	free(place);
	return rc < 0;
}

/* a run that was made before, and is over */
static void make_first(struct fixture *f)
{
	struct run_options opts = { 0 };
	struct test_plan t;
	struct state_dir sd;
	struct run *r = NULL;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	assert_int_equal(run_create(&r, &sd, &t.plan, "AAAA", "now", &opts,
				    NULL), 0);
	assert_int_equal(run_record_state(r, RUN_CLOSED, NULL, NULL), 0);
	run_free(r);
	state_dir_release(&sd);
}

/* the new run is current from its record 1 on, and not before */
static void check_second(struct fixture *f, const char *fault)
{
	struct strvec ids = STRVEC_INIT;
	struct error err = ERROR_INIT;
	struct state_dir sd;
	struct run *r = NULL;
	char id[RUN_ID_LEN + 1];
	const char *want;
	int i;

	open_sd(f, &sd, false);
	assert_int_equal(state_dir_runs(&sd, &ids, NULL), 0);
	want = strvec_has(&ids, "AB23") ? "AB23" : "AAAA";
	/* before and behind the first writer that comes after */
	for (i = 0; i < 2; i++) {
		assert_int_equal(state_dir_current(&sd, id), 0);
		if (strcmp(id, want))
			fail_msg("%s: current is %s", fault, id);
		if (state_dir_create(&sd, &err) < 0 ||
		    run_open(&r, &sd, NULL, true, &err) < 0)
			fail_msg("%s: %s", fault, err.msg);
		run_free(r);
	}
	state_dir_release(&sd);
	strvec_release(&ids);
}

/* whatever the killed one left, a new run goes through, and one run is open */
static void check_after(struct fixture *f, const char *what, const char *fault)
{
	struct strvec ids = STRVEC_INIT;
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r = NULL;
	char *place = xasprintf("%s/place", f->dir);
	char id[RUN_ID_LEN + 1];
	bool had;

	test_plan_init(&t, false);
	if (state_dir_open(&sd, f->root, strcmp(what, "outside") ? NULL :
			   place, true, &err) < 0)
		fail_msg("%s: %s", fault, err.msg);
	had = state_dir_current(&sd, id) == 0 && id[0];
	if (state_dir_create(&sd, &err) < 0)
		fail_msg("%s: %s", fault, err.msg);
	if (had) {
		/* record 1 was durable: it is a run, and a whole one */
		if (run_open(&r, &sd, NULL, true, &err) < 0)
			fail_msg("%s: %s", fault, err.msg);
		assert_string_equal(r->id, "AB23");
		assert_int_equal(run_plan_verify(r, NULL), 0);
		assert_int_equal(run_record_process(r, "resume", NULL), 0);
		assert_int_equal(state_dir_current(&sd, id), 0);
		assert_string_equal(id, "AB23");
	} else {
		assert_true(run_open(&r, &sd, NULL, false, NULL) < 0);
		r = new_run(&sd, &t);
	}
	assert_int_equal(state_dir_runs(&sd, &ids, NULL), 0);
	assert_int_equal(ids.n, 1);
	run_free(r);
	state_dir_release(&sd);
	strvec_release(&ids);
	free(place);
}

static void wipe(struct fixture *f)
{
	char *place = xasprintf("%s/place", f->dir);
	char *reg = xasprintf("%s/upshift", f->dir);

	remove_all(f->root);
	remove_all(place);
	remove_all(reg);
	assert_int_equal(mkdir(f->root, 0755), 0);
	free(reg);
	free(place);
}

static void sweep(struct fixture *f, const char *what, const char *how)
{
	int n, status = -1;

	for (n = 1; n < 1000; n++) {
		char *fault = xasprintf("any:%d:%s", n, how);

		wipe(f);
		if (!strcmp(what, "second"))
			make_first(f);
		status = run_child(what, f->dir, fault);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
			fail_msg("the child did not start");
		if (!strcmp(what, "second"))
			check_second(f, fault);
		else
			check_after(f, what, fault);
		free(fault);
		if (!strcmp(how, "kill") && WIFEXITED(status))
			break;
	}
	assert_true(n > 30);
	if (!strcmp(how, "kill"))
		assert_int_equal(WEXITSTATUS(status), 0);
}

static void t_killed_anywhere(void **state)
{
	sweep(*state, "inside", "kill");
}

static void t_killed_anywhere_outside(void **state)
{
	sweep(*state, "outside", "kill");
}

static void t_killed_behind_an_older_run(void **state)
{
	sweep(*state, "second", "kill");
}

/* an error at each call: nothing is left half made, nothing is lost */
static void t_error_anywhere(void **state)
{
	struct fixture *f = *state;
	int n;

	for (n = 1; n < 120; n++) {
		char *fault = xasprintf("any:%d:ENOSPC", n);
		int status;

		wipe(f);
		status = run_child("inside", f->dir, fault);
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) <= 1);
		check_after(f, "inside", fault);
		free(fault);
	}
}

/* --- many at once --- */

#define RACERS 20

/* 1: got the lock, held until `hold` is closed; 0: told that another has it */
static void race(struct fixture *f, int go, int result, int hold)
{
	struct error err = ERROR_INIT;
	struct state_dir sd;
	char c, won = 'e';

	(void)!read(go, &c, 1);
	if (state_dir_open(&sd, f->root, NULL, true, &err) == 0)
		won = state_dir_create(&sd, &err) == 0 ? '1' :
			err.code == ERR_LOCKED ? '0' : 'e';
	if (write(result, &won, 1) == 1)
		(void)!read(hold, &c, 1);
	state_dir_release(&sd);
	_exit(0);
}

static void t_one_of_many(void **state)
{
	struct fixture *f = *state;
	int go[2], result[2], hold[2], i, won = 0;
	struct stat st;
	char c;

	assert_int_equal(pipe(go) | pipe(result) | pipe(hold), 0);
	for (i = 0; i < RACERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			close(go[1]);
			close(hold[1]);
			race(f, go[0], result[1], hold[0]);
		}
	}
	close(go[1]);
	for (i = 0; i < RACERS; i++) {
		assert_int_equal(read(result[0], &c, 1), 1);
		assert_true(c == '0' || c == '1');
		won += c == '1';
	}
	assert_int_equal(won, 1);
	close(hold[1]);
	for (i = 0; i < RACERS; i++)
		(void)wait(NULL);
	/* the winner began nothing: nothing is left */
	assert_int_equal(fstatat(f->dirfd, "root/.upshift", &st, 0), -1);
	close(go[0]);
	close(hold[0]);
	close(result[0]);
	close(result[1]);
}

/* a directory that was found, and taken away before it was locked */
static void t_directory_went_away(void **state)
{
	struct fixture *f = *state;
	struct state_dir a, b;

	open_sd(f, &a, true);
	open_sd(f, &b, false);
	assert_true(b.fd >= 0);
	state_dir_release(&a);
	assert_int_equal(state_dir_create(&b, NULL), 0);
	state_dir_release(&b);
}

int main(int argc, char **argv)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(t_killed_anywhere),
		T(t_killed_anywhere_outside),
		T(t_killed_behind_an_older_run),
		T(t_error_anywhere),
		T(t_one_of_many),
		T(t_directory_went_away),
	};

	if (argc == 3)
		return child(argv[1], argv[2]);
	return cmocka_run_group_tests_name("run-faults", tests, NULL, NULL);
}
