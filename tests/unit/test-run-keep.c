/* SPDX-License-Identifier: MIT */
#include "run-records.h"

#include "event.h"

/* --- goals --- */

static const struct run_goal *goal(const struct run_goal *g, size_t n,
				   const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(g[i].name, name))
			return &g[i];
	return NULL;
}

static void t_goals(void **state)
{
	struct fixture *f = *state;
	struct run_goal *g;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	size_t n;

	test_plan_init(&t, true);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	back_up(r);
	apply(r, "one");
	n = run_goals(r, &t.plan, &g);
	assert_int_equal(n, 2);
	assert_string_equal(g[0].name, "CP1");
	assert_string_equal(g[1].name, "start");
	assert_true(g[1].available);
	run_goals_free(g, n);
	apply(r, "two");
	step(r, "three", STEP_SKIPPED, "{\"reason\":\"user\"}");
	n = run_goals(r, &t.plan, &g);
	assert_int_equal(n, 3);
	assert_string_equal(g[0].name, "CP2");
	assert_true(goal(g, n, "CP2")->available);
	assert_int_equal(goal(g, n, "CP2")->step, 2);
	/* nothing brings step two back */
	assert_false(goal(g, n, "CP1")->available);
	assert_string_equal(goal(g, n, "CP1")->why, "two");
	assert_false(goal(g, n, "start")->available);
	run_goals_free(g, n);
	run_free(r);
	state_dir_release(&sd);
}

static void t_goal_past_a_step_that_was_there(void **state)
{
	struct fixture *f = *state;
	struct run_goal *g;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	size_t n;

	test_plan_init(&t, true);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	back_up(r);
	apply(r, "one");
	step(r, "two", STEP_APPLIED, "{\"already\":true}");
	apply(r, "three");
	n = run_goals(r, &t.plan, &g);
	assert_true(goal(g, n, "start")->available);
	assert_true(goal(g, n, "CP1")->available);
	run_goals_free(g, n);
	run_free(r);
	state_dir_release(&sd);
}

static void assert_names(struct run *r, const struct plan *plan,
			 const char *want)
{
	struct strbuf sb = STRBUF_INIT;
	struct run_goal *g;
	size_t n = run_goals(r, plan, &g);

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&sb, "%s%s", i ? " " : "", g[i].name);
	assert_string_equal(sb.buf, want);
	run_goals_free(g, n);
	strbuf_release(&sb);
}

/* what a rollback set aside stands where it was made, "start" last */
static void t_order_of_points(void **state)
{
	struct fixture *f = *state;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	/* by record: the clock may say what it likes */
	setenv("UPSHIFT_TEST_CLOCK", "1800000000", 1);
	r = new_run(&sd, &t);
	back_up(r);
	apply(r, "one");
	apply(r, "two");
	assert_names(r, &t.plan, "CP2 CP1 start");
	setenv("UPSHIFT_TEST_CLOCK", "1700000000", 1);
	to_state(r, RUN_ROLLING_BACK, "{\"point\":\"CP1\",\"r\":\"R1\"}");
	step(r, "two", STEP_UNDOING, NULL);
	step(r, "two", STEP_UNDONE, NULL);
	to_state(r, RUN_ROLLED_BACK, NULL);
	assert_names(r, &t.plan, "R1 CP1 start");
	apply(r, "two");
	assert_names(r, &t.plan, "CP2 R1 CP1 start");
	unsetenv("UPSHIFT_TEST_CLOCK");
	run_free(r);
	state_dir_release(&sd);
}

static void t_points_before_a_newer_run(void **state)
{
	struct fixture *f = *state;
	struct run_goal *g;
	struct test_plan t;
	struct state_dir sd;
	struct run *r, *newer;
	char id[RUN_ID_LEN + 1];
	size_t n;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	back_up(r);
	apply(r, "one");
	to_state(r, RUN_COMPLETE, "{\"exit\":0}");
	newer = new_run(&sd, &t);
	to_state(newer, RUN_CLOSED, "{\"exit\":1}");
	/* gone back in: it is the one to resume from now on */
	to_state(r, RUN_ROLLING_BACK, "{\"point\":\"start\",\"r\":\"R1\"}");
	assert_int_equal(state_dir_current(&sd, id), 0);
	assert_string_equal(id, r->id);
	n = run_goals(r, &t.plan, &g);
	assert_false(goal(g, n, "R1")->available);
	assert_string_equal(goal(g, n, "R1")->why, newer->id);
	run_goals_free(g, n);
	run_free(newer);
	assert_int_equal(run_forget(&sd, id, false, NULL), -EBUSY);
	run_free(r);
	state_dir_release(&sd);
}

/* --- pruning --- */

static void finish_run(struct run *r)
{
	int fd;

	back_up(r);
	fd = openat(r->backup_fd, "start.tar.zst", O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	apply(r, "one");
	apply(r, "two");
	apply(r, "three");
	to_state(r, RUN_COMPLETE, "{\"exit\":0}");
}

static void t_prune(void **state)
{
	struct fixture *f = *state;
	struct strvec pruned = STRVEC_INIT;
	struct test_plan t, u;
	struct state_dir sd;
	struct run *old, *other, *newer;
	char id[RUN_ID_LEN + 1];

	test_plan_init(&t, false);
	test_plan_init(&u, false);
	u.plan.name = (char *)"another";
	open_sd(f, &sd, true);
	setenv("UPSHIFT_TEST_CLOCK", "1700000000", 1);
	old = new_run(&sd, &t);
	strcpy(id, old->id);
	finish_run(old);
	run_free(old);
	other = new_run(&sd, &u);
	finish_run(other);
	run_free(other);
	setenv("UPSHIFT_TEST_CLOCK", "1700001000", 1);
	newer = new_run(&sd, &t);
	/* not while the newer one is not through */
	assert_int_equal(run_prune(&sd, newer, 0, &pruned, NULL), 0);
	assert_int_equal(pruned.n, 0);
	assert_true(run_is_only_backup(&sd, id) == false);
	finish_run(newer);
	/* not before its time */
	assert_int_equal(run_prune(&sd, newer, 5000, &pruned, NULL), 0);
	assert_int_equal(pruned.n, 0);
	/* not if the clock stands before it */
	setenv("UPSHIFT_TEST_CLOCK", "1600000000", 1);
	assert_int_equal(run_prune(&sd, newer, 500, &pruned, NULL), 0);
	assert_int_equal(pruned.n, 0);
	setenv("UPSHIFT_TEST_CLOCK", "1700002000", 1);
	assert_int_equal(run_prune(&sd, newer, 500, &pruned, NULL), 0);
	unsetenv("UPSHIFT_TEST_CLOCK");
	assert_int_equal(pruned.n, 1);
	assert_string_equal(pruned.v[0], id);
	old = reopen(&sd, id, false);
	assert_true(old->backup.pruned);
	assert_int_equal(old->backup_fd, -1);
	run_free(old);
	assert_true(newer->backup_fd >= 0);
	assert_int_equal(faccessat(newer->backup_fd, "start.tar.zst", F_OK, 0),
			 0);
	run_free(newer);
	strvec_release(&pruned);
	state_dir_release(&sd);
}

static void t_forget(void **state)
{
	struct fixture *f = *state;
	struct run_options opts = { 0 };
	struct error err = ERROR_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r, *b = NULL;
	char *dir = xasprintf("%s/backups", f->dir);
	char *bdir = xasprintf("%s/backups/AB23", f->dir);
	char id[RUN_ID_LEN + 1], first[RUN_ID_LEN + 1];
	struct stat st;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	strcpy(first, r->id);
	assert_int_equal(run_forget(&sd, first, false, &err), -EBUSY);
	assert_int_equal(err.code, ERR_RUN_OPEN);
	error_release(&err);
	finish_run(r);
	run_free(r);
	assert_true(run_is_only_backup(&sd, first));
	opts.backup_dir = dir;
	assert_int_equal(run_create(&b, &sd, &t.plan, "AB23", "now", &opts,
				    NULL), 0);
	finish_run(b);
	run_free(b);
	assert_false(run_is_only_backup(&sd, first));
	assert_int_equal(stat(bdir, &st), 0);
	assert_int_equal(run_forget(&sd, "AB23", false, &err), 0);
	/* the backup elsewhere goes too, and current moves back */
	assert_int_equal(stat(bdir, &st), -1);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(state_dir_current(&sd, id), 0);
	assert_string_equal(id, first);
	assert_int_equal(run_forget(&sd, first, false, NULL), 0);
	assert_int_equal(state_dir_current(&sd, id), 0);
	assert_string_equal(id, "");
	state_dir_release(&sd);
	free(bdir);
	free(dir);
}

/* --- the log --- */

static void t_log(void **state)
{
	struct fixture *f = *state;
	struct event ev = { .type = EVENT_LOG, .stream = "out",
			    .text = "hello", .text_len = 5, .seq = 41 };
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	int fd;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	assert_int_equal(run_log_last_seq(r), 0);
	run_log_ops.event(r, &ev);
	ev.type = EVENT_PROGRESS;
	ev.seq = 42;
	run_log_ops.event(r, &ev);
	run_log_ops.close(r);
	assert_int_equal(run_log_last_seq(r), 41);
	/* a line that was cut short does not spoil the next */
	fd = openat(r->fd, "log.jsonl", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "{\"seq\":99", 9), 9);
	close(fd);
	assert_int_equal(run_log_last_seq(r), 41);
	ev.type = EVENT_LOG;
	ev.seq = 50;
	run_log_ops.event(r, &ev);
	run_log_ops.close(r);
	assert_int_equal(run_log_last_seq(r), 50);
	run_free(r);
	state_dir_release(&sd);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(t_goals),
		T(t_goal_past_a_step_that_was_there),
		T(t_order_of_points),
		T(t_points_before_a_newer_run),
		T(t_prune),
		T(t_forget),
		T(t_log),
	};

	return cmocka_run_group_tests_name("run-keep", tests, NULL, NULL);
}
