/* SPDX-License-Identifier: MIT */
/*
 * Whole journeys by keys alone: the program as it is installed, a real engine,
 * a terminal that is read cell by cell, and what is on the disk afterwards.
 */
#include "journey.h"

static void t_to_the_end(void **state)
{
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	to_first_step(&x);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 2 ]");
	assert_true(there(x.s->fd, "root/new"));
	assert_false(there(x.s->fd, "root/new/conf"));
	pty_wait(&x.p, "DATA changed by step 1");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 3 ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 4 ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "[D90]");
	pty_wait(&x.p, "UPGRADE COMPLETE: Acme is now 2.");
	assert_true(there(x.s->fd, "root/new/last"));
	pty_keys(&x.p, ENTER);
	assert_int_equal(ended(&x), 0);
	/* on the normal screen, for those who scroll back */
	assert_false(x.p.alt_screen);
	assert_true(pty_has(&x.p, "UPGRADE COMPLETE: Acme is now 2."));
	pty_release(&x.p);
	world_end(&x);
}

/* "Stop here" before the backup: the run is over, not broken off */
static void t_stop_before(void **state)
{
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	start(&x, "run");
	pty_wait(&x.p, "> [ Start checks ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Start the backup ]");
	pty_keys(&x.p, TAB TAB);
	pty_wait(&x.p, "> [ Stop here ]");
	pty_keys(&x.p, ENTER);
	assert_int_equal(ended(&x), 6);
	assert_true(pty_has(&x.p, "nothing was changed"));
	pty_release(&x.p);
	start(&x, "run");
	pty_wait(&x.p, "[W10]");
	pty_keys(&x.p, "q");
	finish(&x, 6);
	world_end(&x);
}

/* from the checks back to the plan, and to the checks again */
static void t_back_to_plan(void **state)
{
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	start(&x, "run");
	pty_wait(&x.p, "> [ Start checks ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Start the backup ]");
	pty_keys(&x.p, ESC);
	pty_wait(&x.p, "[W10]");
	pty_wait(&x.p, "> [ Start checks ]");
	pty_sync(&x.p);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Start the backup ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 1 ]");
	pty_keys(&x.p, TAB ENTER);
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

static void t_stop_resume(void **state)
{
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	to_first_step(&x);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 2 ]");
	pty_keys(&x.p, "q");
	pty_wait(&x.p, "Quit");
	pty_keys(&x.p, TAB ENTER);
	finish(&x, 6);
	assert_false(there(x.s->fd, "root/new/conf"));
	start(&x, "resume");
	pty_wait(&x.p, "[R70]");
	pty_wait(&x.p, "Continue with step 2");
	pty_keys(&x.p, "1" ENTER);
	pty_wait(&x.p, "> [ Run step 2 ]");
	pty_keys(&x.p, TAB ENTER);
	quit_d90(&x);
	finish(&x, 0);
	assert_true(there(x.s->fd, "root/new/last"));
	world_end(&x);
}

static void t_fail_retry(void **state)
{
	struct world x;

	world_init(&x, *state, "echo half > new/made; exit 3\n");
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[F60]");
	pty_wait(&x.p, "Step 3 \"long\" FAILED");
	pty_wait(&x.p, "DATA changed by steps 1-2");
	/* the safe one has the focus */
	pty_wait(&x.p, "> 3  Quit, decide later");
	assert_false(there(x.s->fd, "root/new/made"));
	put_file(x.s->fd, "root/step.sh", "echo made > new/made\n");
	pty_keys(&x.p, "1");
	pty_wait(&x.p, "> 1  Retry step 3");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "[D90]");
	pty_keys(&x.p, ENTER);
	finish(&x, 0);
	world_end(&x);
}

static void t_fail_roll_back(void **state)
{
	struct world x;

	world_init(&x, *state, "exit 3\n");
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[F60]");
	pty_keys(&x.p, "2");
	pty_wait(&x.p, "> 2  Roll back...");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "[K80]");
	/* CP2 is where the data stands; CP1 is the first that can be chosen */
	pty_wait(&x.p, "> 1  CP1");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "Preview of the rollback to CP1");
	pty_wait(&x.p, "Go on to confirmation");
	pty_wait(&x.p, "new/conf");
	assert_true(there(x.s->fd, "root/new/conf"));
	/* the focus is on Cancel: one more to the first */
	pty_keys(&x.p, TAB ENTER);
	pty_wait(&x.p, "[K82]");
	pty_keys(&x.p, "roll back to start" ENTER);
	pty_wait(&x.p, "These are not the words");
	assert_true(there(x.s->fd, "root/new/conf"));
	pty_keys(&x.p, "\025Roll  back to cp1" ENTER);
	pty_wait(&x.p, "[D90]");
	pty_wait(&x.p, "ROLLED BACK to CP1");
	pty_wait(&x.p, "d Details");
	assert_true(there(x.s->fd, "root/new"));
	assert_false(there(x.s->fd, "root/new/conf"));
	/* the way back from there is not told as one of steps */
	pty_keys(&x.p, "\033[Z");
	pty_wait(&x.p, "> [ Roll back... ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> 1  R1");
	pty_wait(&x.p, "the rollback is taken back");
	pty_keys(&x.p, ESC);
	/* the run can be gone on with */
	pty_wait(&x.p, "[R70]");
	pty_keys(&x.p, "q");
	finish(&x, 0);
	world_end(&x);
}

static void t_kill_engine(void **state)
{
	struct world x;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	until_there(&x, "begun");
	assert_int_equal(kill(engine_pid(&x), SIGKILL), 0);
	pty_wait(&x.p, "[R70]");
	pty_wait(&x.p, "signal 9");
	pty_wait(&x.p, "[ ?? ] 3 long");
	put_file(x.s->fd, "go", "");
	pty_wait(&x.p, "puts that back, does it again");
	pty_keys(&x.p, "1" ENTER);
	pty_wait(&x.p, "> [ Run step 4 ]");
	assert_true(there(x.s->fd, "root/new/made"));
	pty_keys(&x.p, ENTER);
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

static void t_kill_wizard(void **state)
{
	struct world x;
	pid_t engine;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	engine = engine_pid(&x);
	assert_int_equal(kill(x.p.pid, SIGKILL), 0);
	(void)pty_wait_end(&x.p);
	pty_release(&x.p);
	assert_int_equal(kill(engine, 0), 0);
	/* from another terminal */
	start(&x, "run");
	pty_wait(&x.p, "[P50]");
	pty_wait(&x.p, "[ >> ] 3 long");
	put_file(x.s->fd, "go", "");
	quit_d90(&x);
	finish(&x, 0);
	assert_true(there(x.s->fd, "root/new/last"));
	world_end(&x);
}

static void t_close_terminal(void **state)
{
	struct world x;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	/* the window is closed; "run all" was chosen, so it goes on */
	(void)pty_end(&x.p);
	put_file(x.s->fd, "go", "");
	until_free(&x);
	assert_true(there(x.s->fd, "root/new/last"));
	start(&x, "run");
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

/* a password that was changed meanwhile: who comes back with it has it used */
static void t_other_environ(void **state)
{
	const struct pty_setup first = { .env = "PGPASSWORD=first" };
	const struct pty_setup second = { .env = "PGPASSWORD=second" };
	struct world x;

	world_init(&x, *state, "[ \"$PGPASSWORD\" = second ] || exit 3\n"
		   "echo made > new/made\n");
	start_at(&x, &x.p, "run", NULL, &first);
	pty_wait(&x.p, "> [ Start checks ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Start the backup ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 1 ]");
	run_all(&x);
	pty_wait(&x.p, "[F60]");
	pty_wait_gone(&x.p, "PGPASSWORD");
	(void)pty_end(&x.p);
	/* the engine still waits for an answer */
	start_at(&x, &x.p, "run", NULL, &second);
	pty_wait(&x.p, "[F60]");
	pty_wait(&x.p, "PGPASSWORD: set otherwise here");
	pty_wait(&x.p, "Retry from here");
	pty_wait(&x.p, "with PGPASSWORD as set in this terminal");
	assert_false(pty_has(&x.p, "second"));
	pty_sync(&x.p);
	pty_keys(&x.p, "2" ENTER);
	pty_wait(&x.p, "> [ Run step 3 ]");
	pty_sync(&x.p);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 4 ]");
	pty_sync(&x.p);
	pty_keys(&x.p, ENTER);
	quit_d90(&x);
	finish(&x, 0);
	assert_true(there(x.s->fd, "root/new/last"));
	world_end(&x);
}

static void t_stopped_wizard(void **state)
{
	struct world x;

	world_init(&x, *state, "yes | head -c 100000\n" WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	assert_int_equal(kill(x.p.pid, SIGSTOP), 0);
	put_file(x.s->fd, "go", "");
	until_free(&x);
	assert_true(there(x.s->fd, "root/new/last"));
	assert_int_equal(kill(x.p.pid, SIGCONT), 0);
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

/* first ^C: the three choices; the one with the focus ends after the step */
static void t_control_c(void **state)
{
	struct world x;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	pty_keys(&x.p, "\003");
	pty_wait(&x.p, "Stop after this step");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "It stops after this step");
	put_file(x.s->fd, "go", "");
	finish(&x, 6);
	assert_true(there(x.s->fd, "root/new/made"));
	assert_false(there(x.s->fd, "root/new/last"));
	world_end(&x);
}

/* what was typed ahead for one question is no answer to the next */
static void t_type_ahead(void **state)
{
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	to_first_step(&x);
	pty_keys(&x.p, ENTER ENTER ENTER ENTER);
	pty_wait(&x.p, "> [ Run step 2 ]");
	pty_sync(&x.p);
	pty_wait(&x.p, "> [ Run step 2 ]");
	assert_false(there(x.s->fd, "root/new/conf"));
	pty_keys(&x.p, "q");
	pty_wait(&x.p, "Quit");
	pty_keys(&x.p, TAB ENTER);
	finish(&x, 6);
	world_end(&x);
}

/* how often it waited for something; the kernel's count */
static unsigned long waits(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/status", (int)pid);
	unsigned long n = 0;
	char line[256];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		(void)sscanf(line, "voluntary_ctxt_switches: %lu", &n);
	(void)fclose(f);
	return n;
}

/* seconds that P50 says the step has been running; -1: it does not say */
static int clock_shown(const struct pty *p)
{
	struct strbuf sb = STRBUF_INIT;
	int min, s, ret = -1;
	const char *at;

	pty_text(p, &sb);
	at = strstr(sb.buf, "running 0");
	if (at && sscanf(at, "running %d:%d", &min, &s) == 2)
		ret = min * 60 + s;
	strbuf_release(&sb);
	return ret;
}

/* a step that says nothing: the clock goes on, and hardly anything else */
static void t_silent_step(void **state)
{
	uint64_t since;
	unsigned long before;
	struct world x;
	size_t bytes;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	pty_wait(&x.p, "running 00:0");
	assert_true(pty_sync(&x.p));
	pty_drain(&x.p);
	since = clock_mono_ns();
	before = waits(x.p.pid);
	bytes = x.p.raw.len;
	while (clock_shown(&x.p) < 3) {
		pty_read(&x.p, 100);
		assert_true(clock_since(since) < PATIENCE_S);
	}
	assert_in_range(waits(x.p.pid) - before, 1, clock_since(since) + 2);
	assert_in_range(x.p.raw.len - bytes, 1, 250 * (clock_since(since) + 1));
	put_file(x.s->fd, "go", "");
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(t_to_the_end),
		with_scratch(t_stop_before),
		with_scratch(t_back_to_plan),
		with_scratch(t_stop_resume),
		with_scratch(t_fail_retry),
		with_scratch(t_fail_roll_back),
		with_scratch(t_kill_engine),
		with_scratch(t_kill_wizard),
		with_scratch(t_close_terminal),
		with_scratch(t_other_environ),
		with_scratch(t_stopped_wizard),
		with_scratch(t_control_c),
		with_scratch(t_type_ahead),
		with_scratch(t_silent_step),
	};

	(void)umask(077);
	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
