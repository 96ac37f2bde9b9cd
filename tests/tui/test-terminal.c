/* SPDX-License-Identifier: MIT */
/* What signals, sizes and kinds of terminals do. */
#include "pty-test.h"

/* what a terminal would obey is shown instead */
static void nothing_is_obeyed(void **state)
{
	const struct pty_setup evil = {
		.env = "FAKE_APP=a\033]0;owned\a b\033[2Jc\302\233 "
		       "\xff d\342\200\256e \346\274\242\345\255\227 "
		       "e\314\201.",
	};
	struct pty p;

	(void)state;
	pty_start(&p, "D90", 132, 24, &evil);
	pty_wait(&p, "a\\x1b]0;owned\\x07 b\\x1b[2Jc\\x9b \\xff d\\u202ee "
		 "\346\274\242\345\255\227 e\314\201.");
	assert_false(pty_sent(&p, "\033]0;owned"));
	(void)pty_end(&p);
	pty_page(&p, "S40");
	pty_keys(&p, "d");
	pty_wait(&p, "Diff: lines 1 to 18 of 64");
	pty_keys(&p, "G");
	pty_wait(&p, "an escape \\x1b[31m and a bell \\x07");
	assert_int_equal(p.bells, 0);
	(void)pty_end(&p);
}

static void sizes(void **state)
{
	struct pty p;

	(void)state;
	pty_page(&p, "P50");
	pty_resize(&p, 38, 9);
	pty_wait(&p, "Terminal 38x9, need 40x12.");
	/* no key but p, q and ^C */
	pty_keys(&p, "\rls2\r");
	assert_true(pty_sync(&p));
	pty_resize(&p, 80, 24);
	pty_wait(&p, "All steps: 4 of 9, about 17 min left");
	pty_resize(&p, 38, 9);
	pty_wait(&p, "need 40x12");
	pty_keys(&p, "p");
	assert_exit(&p, 99);
}

static void resize_storm(void **state)
{
	struct pty p;
	unsigned int seed = 7;

	(void)state;
	pty_page(&p, "P50");
	for (int i = 0; i < 300; i++) {
		int cols, lines;

		seed = seed * 1103515245 + 12345;
		cols = 1 + (int)(seed >> 16) % (i % 10 ? 140 : 500);
		seed = seed * 1103515245 + 12345;
		lines = 1 + (int)(seed >> 16) % (i % 10 ? 50 : 300);
		pty_resize(&p, cols, lines);
		pty_keys(&p, i % 3 ? UP : TAB);
	}
	pty_resize(&p, 1, 1);
	pty_resize(&p, 500, 300);
	pty_resize(&p, 80, 24);
	pty_wait(&p, "All steps: 4 of 9, about 17 min left");
	assert_true(pty_sync(&p));
	/* drawings for sizes before the last may still be on their way */
	pty_wait(&p, "> [ >> ] 4 orders-schema");
	(void)pty_end(&p);
}

static void assert_given_back(struct pty *p)
{
	struct termios tio;

	pty_drain(p);
	assert_false(p->alt_screen);
	assert_true(p->cursor_seen);
	assert_int_equal(tcgetattr(p->fd, &tio), 0);
	assert_true(tio.c_lflag & ICANON);
	assert_true(tio.c_lflag & ECHO);
	assert_true(tio.c_lflag & ISIG);
	assert_true(pty_sent(p, "\033[?2004l"));
}

static void given_back(void **state)
{
	static const struct {
		int sig;
		bool exits;
	} ways[] = {
		{ SIGTERM, true }, { SIGHUP, true },
		{ SIGSEGV, false }, { SIGABRT, false }, { SIGQUIT, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct pty p;
		int status;

		pty_page(&p, "P50");
		assert_true(p.alt_screen);
		(void)kill(p.pid, ways[i].sig);
		status = pty_wait_end(&p);
		assert_int_equal(WIFEXITED(status), ways[i].exits);
		if (!ways[i].exits)
			assert_int_equal(WTERMSIG(status), ways[i].sig);
		assert_given_back(&p);
		pty_release(&p);
	}
}

static void farewell(void **state)
{
	struct pty p;

	(void)state;
	pty_page(&p, "D90");
	pty_keys(&p, "\r");
	(void)pty_wait_end(&p);
	assert_given_back(&p);
	assert_true(pty_has(&p, "Goodbye from run 7K4Q."));
	pty_release(&p);
}

/* without a second screen it stands below the page, which stays */
static void farewell_below(void **state)
{
	const struct pty_setup vt100 = { .term = "vt100" };
	struct pty p;

	(void)state;
	pty_start(&p, "D90", 80, 24, &vt100);
	pty_wait(&p, "q Exit");
	assert_true(pty_sync(&p));
	pty_keys(&p, "q");
	(void)pty_wait_end(&p);
	assert_true(pty_has(&p, "\nGoodbye from run 7K4Q.\n"));
	assert_true(pty_has(&p, "BACKUP kept | UNDO possible\n"));
	pty_release(&p);
}

/* a terminal that takes no more, as after ^S: asked twice it goes all the same */
static void stuck(void **state)
{
	struct pty p;
	int status = 0;
	pid_t pid = 0;

	(void)state;
	pty_page(&p, "P50");
	/* more drawings than any buffer holds, and nobody reads */
	for (int i = 0; i < 60; i++)
		pty_keys(&p, "\f\f\f\f");
	for (int i = 0; i < 500 && pid == 0; i++) {
		(void)kill(p.pid, SIGTERM);
		(void)poll(NULL, 0, 20);
		pid = waitpid(p.pid, &status, WNOHANG);
	}
	assert_int_equal(pid, p.pid);
	assert_true(WIFEXITED(status));
	p.pid = 0;
	pty_release(&p);
}

static void hang_up(void **state)
{
	struct pty p;

	(void)state;
	pty_page(&p, "P50");
	(void)close(p.fd);
	p.fd = -1;
	assert_true(WIFEXITED(pty_wait_end(&p)));
	pty_release(&p);
}

/* ^Z as under a shell; ^S is a key that means nothing */
static void suspend(void **state)
{
	const struct pty_setup job = { .job = true };
	struct pty p;

	(void)state;
	pty_start(&p, "P50", 80, 24, &job);
	pty_wait(&p, "All steps: 4 of 9, about 17 min left");
	assert_true(pty_sync(&p));
	pty_keys(&p, "\023");
	assert_true(pty_sync(&p));
	pty_keys(&p, "\032");
	pty_wait(&p, "the job has stopped");
	assert_given_back(&p);
	pty_resize(&p, 100, 30);
	pty_keys(&p, "\r");
	pty_wait(&p, "All steps: 4 of 9, about 17 min left");
	assert_true(p.alt_screen);
	assert_true(pty_sync(&p));
	pty_keys(&p, "?");
	pty_wait(&p, "This is help for P50.");
	(void)pty_end(&p);
}

/* stopped without being asked: the shell has made the terminal its own */
static void stopped(void **state)
{
	const struct pty_setup job = { .job = true };
	struct termios tio;
	struct pty p;

	(void)state;
	pty_start(&p, "P50", 80, 24, &job);
	pty_wait(&p, "All steps: 4 of 9, about 17 min left");
	assert_true(pty_sync(&p));
	assert_int_equal(kill(-tcgetpgrp(p.fd), SIGSTOP), 0);
	pty_wait(&p, "the job has stopped");
	pty_keys(&p, "\r");
	pty_wait_gone(&p, "the job has stopped");
	assert_true(pty_sync(&p));
	assert_int_equal(tcgetattr(p.fd, &tio), 0);
	assert_false(tio.c_lflag & (ICANON | ECHO | ISIG));
	pty_keys(&p, "?");
	pty_wait(&p, "This is help for P50.");
	(void)pty_end(&p);
}

/* one more line in the log, at most four times a second */
static void cheap(void **state)
{
	const struct pty_setup many = { .env = "FAKE_LINES=100" };
	struct pty p;
	size_t before;

	(void)state;
	pty_start(&p, "P50", 80, 24, &many);
	pty_wait(&p, "1,430,001-1,439,502");
	assert_true(pty_sync(&p));
	for (int i = 0; i < 5; i++) {
		char line[64], want[64];

		before = p.raw.len;
		(void)snprintf(line, sizeof(line), "copied rows of part %d\n",
			       i);
		(void)snprintf(want, sizeof(want), "rows of part %d", i);
		assert_int_equal(write(p.events, line, strlen(line)),
				 strlen(line));
		pty_wait(&p, want);
		pty_drain(&p);
		assert_in_range(p.raw.len - before, 1, 250);
	}
	(void)pty_end(&p);
}

/* only where it is known to be shown, and it is taken back */
static void task_bar(void **state)
{
	static const struct {
		const char *env;
		bool shown;
	} cases[] = {
		{ "WT_SESSION=1", true }, { "TERM_PROGRAM=ghostty", true },
		{ "VTE_VERSION=7900", true }, { "VTE_VERSION=7803", false },
		{ "TERM_PROGRAM=kitty", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pty_setup s = { .env = cases[i].env };
		struct pty p;

		pty_start(&p, "P50", 80, 24, &s);
		pty_wait(&p, "q Quit...");
		assert_true(pty_sync(&p));
		assert_int_equal(pty_sent(&p, "\033]9;4;1;38\033\\"),
				 cases[i].shown);
		(void)kill(p.pid, i % 2 ? SIGTERM : SIGSEGV);
		(void)pty_wait_end(&p);
		assert_int_equal(pty_sent(&p, "\033]9;4;0;0\033\\"),
				 cases[i].shown);
		pty_release(&p);
	}
}

static void unusable(void **state)
{
	static const struct {
		struct pty_setup setup;
		int cols, lines;
		const char *why;
	} cases[] = {
		{ { .term = "dumb" }, 80, 24, "cannot move its cursor" },
		{ { .term = "no-such-terminal" }, 80, 24,
		  "the terminal type 'no-such-terminal' is not known" },
		{ { .term = "evil\033[2J" }, 80, 24,
		  "'evil\\x1b[2J' is not known" },
		{ { .term = "" }, 80, 24, "TERM is not set" },
		{ { .term = NULL }, 39, 12, "has 39x12, the screens need 40x12" },
		{ { .term = NULL }, 40, 11, "has 40x11" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pty p;

		pty_start(&p, "W10", cases[i].cols, cases[i].lines,
			  &cases[i].setup);
		(void)pty_wait_end(&p);
		assert_true(pty_sent(&p, cases[i].why));
		assert_false(p.alt_screen);
		pty_release(&p);
	}
}

static void mouse(void **state)
{
	const struct pty_setup on = { .option = "--mouse" };
	struct pty p;

	(void)state;
	pty_page(&p, "W10");
	assert_false(pty_sent(&p, "\033[?1006;1000h"));
	pty_keys(&p, "m");
	assert_true(pty_sync(&p));
	assert_true(pty_sent(&p, "\033[?1006;1000h"));
	(void)pty_end(&p);
	pty_start(&p, "W10", 80, 24, &on);
	pty_wait(&p, "> [ Start checks ]");
	assert_true(pty_sync(&p));
	assert_true(pty_sent(&p, "\033[?1006;1000h"));
	pty_keys(&p, "\033[<0;30;17M\033[<0;30;17m");
	pty_wait(&p, "> [ Give answers ]");
	(void)pty_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_obeyed),
		cmocka_unit_test(sizes),
		cmocka_unit_test(resize_storm),
		cmocka_unit_test(given_back),
		cmocka_unit_test(farewell),
		cmocka_unit_test(farewell_below),
		cmocka_unit_test(stuck),
		cmocka_unit_test(hang_up),
		cmocka_unit_test(suspend),
		cmocka_unit_test(stopped),
		cmocka_unit_test(cheap),
		cmocka_unit_test(mouse),
		cmocka_unit_test(task_bar),
		cmocka_unit_test(unusable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
