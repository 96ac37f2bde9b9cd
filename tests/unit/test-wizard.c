/* SPDX-License-Identifier: MIT */
/* Whole walks of the wizard, and what is on the disk afterwards. */
#include "wizard-world.h"

static void t_to_the_end_and_back(void **state)
{
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	act(&x, "run");
	until_asked(&x, "confirm:conf");
	assert_true(there(x.s->fd, "root/new"));
	assert_false(there(x.s->fd, "root/new/conf"));
	assert_true(says(&x, "changed by step 1"));
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new/made"));
	assert_true(says(&x, "UPGRADE COMPLETE: Acme is now 2."));
	assert_int_equal(wizard_exit(x.w), 0);
	/* back again, through the words */
	act(&x, "rollback");
	assert_int_equal(wizard_page(x.w), PAGE_K80);
	x.seen |= wizard_act(x.w, "preview", "start", NULL);
	until(&x, PAGE_K81);
	until_offered(&x, "confirm");
	assert_true(says(&x, "RESTORED"));
	assert_true(says(&x, " steps are undone"));
	act(&x, "confirm");
	assert_int_equal(wizard_page(x.w), PAGE_K82);
	assert_true(wizard_act(x.w, "words", NULL, "roll back to CP1") &
		    WIZARD_REFUSED);
	assert_true(there(x.s->fd, "root/new/made"));
	(void)wizard_act(x.w, "words", NULL, " Roll  BACK to start ");
	until(&x, PAGE_D90);
	assert_true(says(&x, "ROLLED BACK to start"));
	assert_false(there(x.s->fd, "root/new"));
	assert_int_equal(wizard_exit(x.w), 0);
	world_end(&x);
}

static void t_stop_and_resume(void **state)
{
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	act(&x, "run");
	until_asked(&x, "confirm:conf");
	act(&x, "stop-here");
	until_quit(&x);
	assert_int_equal(wizard_exit(x.w), 6);
	x.seen = 0;
	open_wizard(&x, "resume");
	assert_int_equal(wizard_page(x.w), PAGE_R70);
	assert_true(says(&x, "Continue with step 2"));
	assert_true(says(&x, "changed by step 1"));
	act(&x, "continue");
	until_asked(&x, "confirm:conf");
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new/made"));
	world_end(&x);
}

static void t_fail_retry_skip(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "echo half > new/made; exit 3\n");
	to_first_step(&x);
	act(&x, "all");
	until(&x, PAGE_F60);
	assert_true(says(&x, "Step 3 \"old\" FAILED"));
	assert_true(offers(&x, "retry"));
	assert_true(offers(&x, "skip"));
	/* what the step left is gone before anybody is asked */
	assert_false(there(x.s->fd, "root/new/made"));
	act(&x, "retry");
	until_asked(&x, "failed:old");
	put_file(x.s->fd, "root/step.sh", "echo made > new/made\n");
	act(&x, "retry");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new/made"));
	world_end(&x);
}

static void t_fail_roll_back(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "exit 3\n");
	to_first_step(&x);
	act(&x, "all");
	until(&x, PAGE_F60);
	act(&x, "rollback");
	until(&x, PAGE_K80);
	x.seen |= wizard_act(x.w, "preview", "CP1", NULL);
	/* the words, typed while it counts, are no keys; nor meant for what
	   comes up then */
	assert_true(says(&x, "Looking what would be restored"));
	assert_true(takes_letters(&x));
	x.seen = 0;
	until_offered(&x, "confirm");
	assert_true(x.seen & WIZARD_ASKED);
	assert_false(takes_letters(&x));
	act(&x, "confirm");
	(void)wizard_act(x.w, "words", NULL, "roll back to cp1");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new"));
	assert_false(there(x.s->fd, "root/new/conf"));
	world_end(&x);
}

static void t_check_fails(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_dir(x.s->fd, "root/new");
	open_wizard(&x, "run");
	act(&x, "start");
	until(&x, PAGE_C20);
	assert_true(says(&x, "1 FAILED"));
	assert_false(offers(&x, "go-on"));
	assert_true(act(&x, "go-on") & WIZARD_REFUSED);
	assert_int_equal(unlinkat(x.s->fd, "root/new", AT_REMOVEDIR), 0);
	act(&x, "retry");
	until_offered(&x, "go-on");
	act(&x, "quit");
	until_quit(&x);
	assert_int_equal(wizard_exit(x.w), 6);
	assert_false(there(x.s->fd, "root/new"));
	world_end(&x);
}

/* the wizard goes without a word; the engine pauses and another wizard is
   where the first one was */
static void t_killed_wizard(void **state)
{
	struct world x;
	enum page p;

	world_init(&x, *state);
	to_first_step(&x);
	act(&x, "run");
	until_asked(&x, "confirm:conf");
	open_wizard(&x, "resume");
	/* beside the engine that still waits */
	until_asked(&x, "confirm:conf");
	p = wizard_page(x.w);
	assert_int_equal(p, PAGE_S40);
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new/made"));
	world_end(&x);
}

static void t_two_controllers(void **state)
{
	_cleanup_free_ char *pid = xasprintf("process %d", (int)getpid());
	struct wizard *second = NULL, *first;
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	x.o.command = "attach";
	strvec_clear(&x.o.args);
	assert_int_equal(wizard_open(&second, &x.o, step_kinds, false), 0);
	first = x.w;
	x.w = second;
	until(&x, PAGE_S40);
	/* and who it is that has the control */
	assert_true(says(&x, "You are watching: "));
	assert_true(says(&x, pid));
	x.w = first;
	assert_true(wizard_act(second, "run", NULL, NULL) & WIZARD_REFUSED);
	assert_false(there(x.s->fd, "root/new"));
	wizard_close(second);
	act(&x, "all");
	until(&x, PAGE_D90);
	world_end(&x);
}

/* an engine that dies leaves a run that says where it stands */
static void t_killed_engine(void **state)
{
	struct lock_holder h;
	struct state_dir sd;
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	assert_int_equal(state_dir_open(&sd, x.root, NULL, true, NULL), 0);
	assert_true(state_dir_is_locked(&sd, &h));
	assert_int_equal(kill((pid_t)h.pid, SIGKILL), 0);
	state_dir_release(&sd);
	until(&x, PAGE_R70);
	assert_true(says(&x, "signal 9"));
	assert_true(says(&x, "DATA not changed"));
	act(&x, "continue");
	until_asked(&x, "confirm:dirs");
	act(&x, "all");
	until(&x, PAGE_D90);
	world_end(&x);
}

static void t_verify_again(void **state)
{
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	act(&x, "all");
	until(&x, PAGE_D90);
	act(&x, "verify");
	assert_int_equal(wizard_page(x.w), PAGE_P50);
	until(&x, PAGE_D90);
	assert_true(says(&x, "Verified"));
	put_file(x.s->fd, "root/new/conf", "other\n");
	act(&x, "verify");
	until(&x, PAGE_D90);
	assert_true(says(&x, "not as this run left it"));
	world_end(&x);
}

/* stopped for a while: the engine does not wait, and is found again */
static void t_deaf_for_a_while(void **state)
{
	_cleanup_free_ char *log = NULL;
	uint64_t since = clock_mono_ns();
	struct stat st = { 0 };
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "yes | head -c 100000\n"
		 "while [ ! -e ../go ]; do sleep 0.1; done\n"
		 "echo made > new/made\n");
	to_first_step(&x);
	act(&x, "all");
	log = xasprintf("root/.upshift/runs/%s/log.jsonl",
			wizard_model(x.w)->run);
	/* far more than the engine keeps for one who does not listen */
	while (st.st_size < 4000000) {
		(void)poll(NULL, 0, 20);
		(void)fstatat(x.s->fd, log, &st, 0);
		assert_true(clock_since(since) < PATIENCE_S);
	}
	/* all of it, though the line was cut in the middle */
	while (wizard_model(x.w)->line_total < 40000) {
		turn(&x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
	assert_int_equal(wizard_page(x.w), PAGE_P50);
	assert_true(says(&x, "3 old"));
	put_file(x.s->fd, "go", "");
	until(&x, PAGE_D90);
	assert_int_equal(wizard_exit(x.w), 0);
	world_end(&x);
}

static const struct sheet_item *bar_of(const struct sheet *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].type == SHEET_BAR && s->items[i].text &&
		    !strcmp(s->items[i].text, text))
			return &s->items[i];
	return NULL;
}

/* workers that report on their own have a bar each */
/* of a part by its name; they stand in the order of these */
static int part_percent(const struct model_progress *p, const char *name)
{
	for (size_t i = 0; i < p->part_n; i++)
		if (!strcmp(p->parts[i].name, name))
			return p->parts[i].percent;
	return -1;
}

static void t_parts(void **state)
{
	uint64_t since = clock_mono_ns();
	const struct model_progress *p;
	struct world x;
	struct sheet s;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "for i in 1 2 3 4 5; do\n"
		 "echo \"@progress $i/10 rows orders\" >&3\n"
		 "echo \"@progress $i/5 lines lines\" >&3; sleep 0.3; done\n"
		 "while [ ! -e ../go ]; do sleep 0.3\n"
		 "echo \"@progress 5/10 rows orders\" >&3; done\n"
		 "echo made > new/made\n");
	to_first_step(&x);
	act(&x, "all");
	p = &wizard_model(x.w)->progress;
	while (part_percent(p, "orders") != 50 ||
	       part_percent(p, "lines") != 100) {
		turn(&x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
	sheet_init(&s);
	wizard_sheet(x.w, &s);
	assert_int_equal(bar_of(&s, "orders")->percent, 50);
	assert_int_equal(bar_of(&s, "lines")->percent, 100);
	sheet_release(&s);
	/* 5 + 5 of 10 + 5 */
	assert_int_equal(p->percent, 66);
	put_file(x.s->fd, "go", "");
	until(&x, PAGE_D90);
	world_end(&x);
}

/* nobody comes back: the run is paused, and the lock is free */
static void t_nobody_there(void **state)
{
	uint64_t since = clock_mono_ns();
	bool locked = true;
	struct world x;

	world_init(&x, *state);
	assert_int_equal(setenv("UPSHIFT_TEST_NOBODY_S", "0.2", 1), 0);
	to_first_step(&x);
	unsetenv("UPSHIFT_TEST_NOBODY_S");
	wizard_close(x.w);
	x.w = NULL;
	while (locked) {
		struct state_dir sd;

		assert_int_equal(state_dir_open(&sd, x.root, NULL, true,
						NULL), 0);
		locked = state_dir_is_locked(&sd, NULL);
		state_dir_release(&sd);
		(void)poll(NULL, 0, 20);
		assert_true(clock_since(since) < PATIENCE_S);
	}
	assert_false(there(x.s->fd, "root/new"));
	open_wizard(&x, "resume");
	assert_int_equal(wizard_page(x.w), PAGE_R70);
	act(&x, "continue");
	until_asked(&x, "confirm:dirs");
	act(&x, "all");
	until(&x, PAGE_D90);
	world_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(t_to_the_end_and_back),
		with_scratch(t_stop_and_resume),
		with_scratch(t_fail_retry_skip),
		with_scratch(t_fail_roll_back),
		with_scratch(t_check_fails),
		with_scratch(t_killed_wizard),
		with_scratch(t_two_controllers),
		with_scratch(t_killed_engine),
		with_scratch(t_verify_again),
		with_scratch(t_deaf_for_a_while),
		with_scratch(t_parts),
		with_scratch(t_nobody_there),
	};

	(void)umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
