/* SPDX-License-Identifier: MIT */
#include "run-records.h"

/* --- folding --- */

static void t_whole_run(void **state)
{
	struct fixture *f = *state;
	struct test_plan t;
	struct state_dir sd;
	struct run_step *st;
	struct run *r;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	assert_int_equal(run_record_process(r, "run", NULL), 0);
	assert_int_equal(run_record_decision(r, "start", NULL, NULL, NULL), 0);
	assert_data(r, true, "not changed");
	assert_word(r, true, "running");
	assert_word(r, false, "paused");
	back_up(r);
	assert_true(r->backup.done);
	assert_int_equal(r->backup.items, 2);
	step(r, "one", STEP_APPLYING,
	     "{\"attempt\":1,\"effects\":[{\"path\":\"a\"}],\"pre\":\"x\"}");
	st = run_step_find(r, "one");
	assert_true(run_changed_data(r));
	assert_string_equal(st->pre_digest, "x");
	assert_data(r, true, "changing, step 1");
	assert_data(r, false, "step 1 was interrupted");
	rec(r, "{\"what\":\"fact\",\"step\":\"one\",\"key\":\"k\","
	       "\"value\":[1,2]}");
	assert_int_equal(json_object_array_length(json_get(st->facts, "k")),
			 2);
	rec(r, "{\"what\":\"child\",\"step\":\"one\",\"pgid\":77,"
	       "\"start\":5,\"ended\":false}");
	assert_int_equal(st->child_pgid, 77);
	rec(r, "{\"what\":\"child\",\"step\":\"one\",\"ended\":true}");
	assert_int_equal(st->child_pgid, 0);
	/* a new attempt: what the last one noted is not seen */
	step(r, "one", STEP_APPLYING, "{\"attempt\":2,\"pre\":\"absent\"}");
	assert_null(st->facts);
	assert_null(st->pre_digest);
	assert_int_equal(st->attempt, 2);
	step(r, "one", STEP_APPLIED, "{\"attempt\":2,\"post\":\"p\"}");
	step(r, "one", STEP_VERIFIED, NULL);
	assert_data(r, true, "changed by step 1");
	apply(r, "two");
	assert_data(r, true, "changed by steps 1-2");
	rec(r, "{\"what\":\"warning\",\"step\":\"two\",\"text\":\"odd\"}");
	assert_string_equal(json_object_get_string(
		json_object_array_get_idx(r->warnings, 0)), "two: odd");
	apply(r, "three");
	rec(r, "{\"what\":\"verify\",\"id\":\"V1\",\"state\":\"ok\","
	       "\"message\":\"fine\"}");
	rec(r, "{\"what\":\"app\",\"state\":\"running\"}");
	assert_same_on_disk(r);
	to_state(r, RUN_COMPLETE, "{\"exit\":3}");
	assert_int_equal(r->exit, 3);
	assert_false(run_is_open(r));
	assert_non_null(r->finished);
	assert_data(r, false, "upgraded, verified");
	assert_word(r, false, "complete");
	assert_same_on_disk(r);
	run_free(r);
	state_dir_release(&sd);
}

static void t_checks_change_nothing(void **state)
{
	struct fixture *f = *state;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	back_up(r);
	step(r, "one", STEP_APPLYING, "{\"attempt\":1,\"check\":true}");
	assert_false(run_changed_data(r));
	step(r, "one", STEP_APPLIED, "{\"attempt\":1}");
	/* applied before it began */
	step(r, "two", STEP_APPLIED, "{\"already\":true}");
	/* tried, and the probe says that nothing of it is there */
	step(r, "three", STEP_APPLYING, "{\"attempt\":1}");
	assert_true(run_changed_data(r));
	step(r, "three", STEP_FAILED, "{\"code\":\"E-4001\",\"message\":"
	     "\"no\",\"probe\":\"not\"}");
	assert_false(run_changed_data(r));
	assert_data(r, false, "not changed");
	to_state(r, RUN_FAILED, "{\"phase\":\"steps\",\"step\":\"three\","
		 "\"code\":\"E-4001\",\"message\":\"no\",\"exit\":1}");
	assert_string_equal(r->failed_step, "three");
	assert_word(r, false, "failed");
	assert_same_on_disk(r);
	/* the next process: what stopped the last one is history */
	assert_int_equal(run_record_process(r, "resume", NULL), 0);
	assert_int_equal(r->state, RUN_BACKED_UP);
	assert_null(r->error_msg);
	assert_same_on_disk(r);
	run_free(r);
	state_dir_release(&sd);
}

static void t_rollback_to_checkpoint(void **state)
{
	struct fixture *f = *state;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	back_up(r);
	apply(r, "one");
	apply(r, "two");
	apply(r, "three");
	to_state(r, RUN_COMPLETE, "{\"exit\":0}");
	to_state(r, RUN_ROLLING_BACK,
		 "{\"point\":\"CP1\",\"r\":\"R1\",\"r_digest\":\"d\","
		 "\"steps\":{\"one\":\"verified\",\"two\":\"verified\","
		 "\"three\":\"verified\"}}");
	assert_true(run_is_open(r));
	step(r, "three", STEP_UNDOING, "{\"attempt\":1,\"r\":\"R1\"}");
	assert_data(r, false, "rollback to CP1 was interrupted; changed by "
		    "steps 1-2; step 3 is half undone");
	/* stopped on the way: a rollback is only ever gone on with */
	to_state(r, RUN_FAILED, "{\"exit\":2,\"message\":\"no room\"}");
	assert_int_equal(r->state, RUN_ROLLING_BACK);
	assert_int_equal(run_record_process(r, "resume", NULL), 0);
	assert_int_equal(r->state, RUN_ROLLING_BACK);
	step(r, "three", STEP_UNDONE, NULL);
	step(r, "two", STEP_UNDOING, NULL);
	step(r, "two", STEP_UNDONE, NULL);
	to_state(r, RUN_ROLLED_BACK, "{\"point\":\"CP1\",\"exit\":0}");
	assert_true(run_is_open(r));
	assert_word(r, false, "rolled-back");
	assert_data(r, false, "rolled back to CP1");
	assert_same_on_disk(r);
	/* back to where it was */
	to_state(r, RUN_ROLLING_BACK, "{\"point\":\"R1\",\"r\":\"R2\","
		 "\"r_digest\":\"d\",\"steps\":{\"one\":\"verified\","
		 "\"two\":\"undone\",\"three\":\"undone\"}}");
	assert_int_equal(r->point_n, 2);
	to_state(r, RUN_ROLLED_BACK, "{\"point\":\"R1\",\"exit\":0}");
	assert_int_equal(r->state, RUN_COMPLETE);
	assert_false(run_is_open(r));
	assert_int_equal(r->steps[2].state, STEP_VERIFIED);
	assert_true(r->steps[2].touched);
	assert_true(r->points[0].used);
	assert_same_on_disk(r);
	/* and all the way */
	to_state(r, RUN_ROLLING_BACK, "{\"point\":\"start\",\"r\":\"R3\","
		 "\"r_digest\":\"d\",\"steps\":{}}");
	/* resumed, it names the same point and makes no other */
	to_state(r, RUN_ROLLING_BACK, "{\"point\":\"start\",\"r\":\"R3\"}");
	assert_int_equal(r->point_n, 3);
	to_state(r, RUN_ROLLED_BACK, "{\"point\":\"start\",\"exit\":0}");
	assert_false(run_is_open(r));
	assert_same_on_disk(r);
	run_free(r);
	state_dir_release(&sd);
}

static void t_rollback_then_resume(void **state)
{
	struct fixture *f = *state;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	back_up(r);
	apply(r, "one");
	apply(r, "two");
	to_state(r, RUN_PAUSED, "{\"exit\":6,\"reason\":\"stopped\"}");
	assert_int_equal(run_record_process(r, "rollback", NULL), 0);
	assert_int_equal(r->state, RUN_PAUSED);
	to_state(r, RUN_ROLLING_BACK, "{\"point\":\"CP1\",\"r\":\"R1\"}");
	step(r, "two", STEP_UNDOING, NULL);
	step(r, "two", STEP_UNDONE, NULL);
	to_state(r, RUN_ROLLED_BACK, "{\"point\":\"CP1\"}");
	assert_int_equal(run_record_process(r, "resume", NULL), 0);
	assert_int_equal(r->state, RUN_BACKED_UP);
	step(r, "two", STEP_APPLYING, "{\"attempt\":2}");
	assert_int_equal(r->steps[1].attempt, 2);
	assert_true(r->steps[1].touched);
	assert_same_on_disk(r);
	run_free(r);
	state_dir_release(&sd);
}

/* a chain that is right, of records that contradict each other */
static void t_nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"{\"what\":\"step\",\"step\":\"nine\",\"state\":\"applying\"}",
		"{\"what\":\"step\",\"step\":\"one\",\"state\":\"dancing\"}",
		"{\"what\":\"step\",\"step\":\"one\",\"state\":\"undone\"}",
		"{\"what\":\"run\",\"state\":\"begun\"}",
		"{\"what\":\"run\",\"state\":\"rolled-back\"}",
	};
	struct fixture *f = *state;
	struct test_plan t;
	struct state_dir sd;
	size_t i;

	test_plan_init(&t, false);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_INIT;
		struct run *r, *again = NULL;
		char id[RUN_ID_LEN + 1];

		open_sd(f, &sd, true);
		r = new_run(&sd, &t);
		strcpy(id, r->id);
		assert_int_equal(journal_append(r->journal, obj(bad[i]),
						NULL), 0);
		run_free(r);
		assert_int_equal(run_open(&again, &sd, id, false, &err),
				 -EBADMSG);
		assert_int_equal(err.code, ERR_JOURNAL_DAMAGED);
		assert_non_null(strstr(err.msg, "record 2"));
		error_release(&err);
		state_dir_release(&sd);
	}
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(t_whole_run),
		T(t_checks_change_nothing),
		T(t_rollback_to_checkpoint),
		T(t_rollback_then_resume),
		T(t_nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("run-fold", tests, NULL, NULL);
}
