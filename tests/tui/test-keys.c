/* SPDX-License-Identifier: MIT */
/* What keys, signals and sizes do, on a terminal. */
#include <setjmp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "pty.h"

#define UP "\033OA"
#define DOWN "\033OB"
#define RIGHT "\033OC"
#define TAB "\t"
#define BACKTAB "\033[Z"
#define PGUP "\033[5~"
#define PGDN "\033[6~"
#define F1 "\033OP"

static void start(struct pty *p, const char *code)
{
	char mark[8];

	(void)snprintf(mark, sizeof(mark), "[%s]", code);
	pty_start(p, code, 80, 24, NULL);
	pty_wait(p, mark);
	assert_true(pty_sync(p));
}

/* the lone Esc is known to be one after ESCDELAY */
static void escape(struct pty *p)
{
	pty_keys(p, "\033");
}

static void assert_exit(struct pty *p, int code)
{
	int status = pty_wait_end(p);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
	pty_release(p);
}

static void buttons(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "W10");
	pty_wait_cursor(&p, 16, 4);
	assert_true(pty_reverse(&p, 16, 4));
	pty_keys(&p, TAB);
	pty_wait(&p, "] > [ Give answers ]");
	pty_wait_cursor(&p, 16, 23);
	assert_true(pty_reverse(&p, 16, 23));
	assert_false(pty_reverse(&p, 16, 4));
	pty_keys(&p, RIGHT);
	pty_wait(&p, "] > [ Show all steps ]");
	pty_keys(&p, TAB TAB);
	pty_wait(&p, "> [ Start checks ]");
	pty_keys(&p, BACKTAB);
	pty_wait(&p, "> [ Release notes ]");
	pty_keys(&p, "h\r");
	pty_wait_log(&p, "W10 steps row=- value=-\n");
	pty_keys(&p, TAB TAB "\r");
	pty_wait(&p, "[C20]");
	pty_wait_log(&p, "W10 start row=- value=-\n");
	(void)pty_end(&p);
}

static void rows(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "C20");
	pty_wait(&p, "> [FAIL] C04");
	pty_wait(&p, "code E-2041");
	pty_keys(&p, DOWN "j");
	pty_wait(&p, "> [warn] C06");
	pty_wait_gone(&p, "code E-2041");
	pty_keys(&p, "a");
	pty_wait_log(&p, "C20 accept row=C06 value=-\n");
	pty_keys(&p, "G");
	pty_wait(&p, "> [ .. ] C11");
	pty_wait(&p, "... 3 more above");
	pty_keys(&p, "g");
	pty_wait(&p, "> [ ok ] C01");
	escape(&p);
	pty_wait(&p, "[W10]");
	pty_wait_log(&p, "C20 back row=C01 value=-\n");
	(void)pty_end(&p);
}

/* a digit selects and nothing more; letters never act on data */
static void digits(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "F60");
	pty_wait(&p, "> 3  Quit");
	pty_keys(&p, "2");
	pty_wait(&p, "> 2  Roll back");
	pty_keys(&p, "9zxy");
	assert_true(pty_sync(&p));
	assert_true(pty_has(&p, "> 2  Roll back"));
	/* what cannot be done is passed over */
	pty_keys(&p, "3" DOWN);
	pty_wait(&p, "> 4  Save");
	pty_keys(&p, "2\r");
	pty_wait(&p, "[K80]");
	pty_wait(&p, "> 2  CP2");
	pty_keys(&p, "1");
	pty_wait(&p, "> 1  CP3");
	pty_keys(&p, "\r");
	pty_wait(&p, "[K81]");
	pty_wait_log(&p, "K80 preview row=CP3 value=-\n");
	(void)pty_end(&p);
}

static void typed_words(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "K82");
	/* letters are text here, also those that are keys elsewhere */
	pty_keys(&p, "ql?1\r");
	pty_wait(&p, "> ql?1");
	pty_wait(&p, "These are not the words. Nothing has been done.");
	pty_wait_log(&p, "K82 rollback row=words value=ql?1\n");
	pty_keys(&p, "\025roll back tX\177o CP2");
	pty_wait(&p, "> roll back to CP2");
	pty_wait_gone(&p, "These are not");
	pty_keys(&p, F1);
	pty_wait(&p, "This is help for K82.");
	escape(&p);
	pty_wait(&p, "> roll back to CP2");
	pty_keys(&p, "\r");
	pty_wait(&p, "[D90]");
	pty_wait_log(&p, "K82 rollback row=words value=roll back to CP2\n");
	pty_keys(&p, "q");
	assert_exit(&p, 6);
}

/* a newline in what is pasted is not Enter, and paste is no key elsewhere */
static void paste(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "K82");
	pty_keys(&p, "\033[200~roll back to CP2\r\033[201~");
	pty_wait(&p, "> roll back to CP2");
	assert_true(pty_sync(&p));
	assert_true(pty_has(&p, "[K82]"));
	(void)pty_end(&p);
	start(&p, "W10");
	pty_keys(&p, "\033[200~\rq\r\033[201~" TAB);
	pty_wait(&p, "> [ Give answers ]");
	assert_true(pty_has(&p, "[W10]"));
	(void)pty_end(&p);
}

static void form(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "A15");
	pty_wait(&p, "> Admin mail          ops@example.org___");
	pty_keys(&p, "\025nobody" TAB);
	pty_wait(&p, "That is no mail address.");
	assert_true(pty_has(&p, "> Admin mail"));
	pty_keys(&p, "@example.org\r");
	pty_wait(&p, "> Database password");
	pty_wait_log(&p, "A15 mail row=mail value=nobody@example.org\n");
	pty_keys(&p, "s3cret");
	pty_wait(&p, "******____");
	pty_keys(&p, TAB);
	pty_wait(&p, "> Town");
	pty_wait_log(&p, "A15 password row=password value=s3cret\n");
	assert_false(pty_sent(&p, "s3cret"));
	pty_keys(&p, "K\303\266ln\177\177");
	pty_wait(&p, "> Town                K\303\266__");
	(void)pty_end(&p);
}

static void stop_dialog(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "P50");
	pty_keys(&p, "q");
	pty_wait(&p, "> 1  Stop after this step");
	pty_wait(&p, "step 4 can be undone");
	escape(&p);
	pty_wait(&p, "[####");
	pty_keys(&p, "\003");
	pty_wait(&p, "> 1  Stop after this step");
	pty_keys(&p, "\003");
	pty_wait(&p, "> 3  Abort it now");
	pty_keys(&p, "4\r");
	pty_wait(&p, "[####");
	pty_keys(&p, "\003\003\r");
	pty_wait_log(&p, "P50 abort row=- value=-\n");
	pty_keys(&p, "\003\r");
	pty_wait(&p, "[F60]");
	pty_wait_log(&p, "P50 stop row=- value=-\n");
	(void)pty_end(&p);

	start(&p, "S40");
	pty_keys(&p, "q");
	pty_wait(&p, "> 1  Stay");
	pty_keys(&p, "\r");
	pty_wait(&p, "> [ Run step 4 ]");
	pty_keys(&p, "q2\r");
	assert_exit(&p, 6);

	/* nothing to lose: no question */
	start(&p, "W10");
	pty_keys(&p, "q");
	assert_exit(&p, 6);
}

static void log_pane(void **state)
{
	const struct pty_setup many = { .env = "FAKE_LINES=100" };
	struct pty p;

	(void)state;
	pty_start(&p, "P50", 80, 24, &many);
	pty_wait(&p, "Log (following");
	pty_wait(&p, "12:07:19 copied rows 1,430,001-1,439,502");
	pty_keys(&p, UP);
	pty_wait(&p, "Log (NOT following");
	pty_wait_gone(&p, "1,430,001-1,439,502");
	/* what comes now does not move what is read */
	assert_int_equal(write(p.events, "a new line\n", 11), 11);
	assert_true(pty_sync(&p));
	assert_false(pty_has(&p, "a new line"));
	pty_keys(&p, "f");
	pty_wait(&p, "12:09:00 a new line");
	pty_wait(&p, "Log (following");
	pty_keys(&p, PGUP PGUP);
	pty_wait(&p, "older line 10");
	pty_keys(&p, "G");
	pty_wait(&p, "Log (following");
	pty_keys(&p, "l");
	pty_wait(&p, "Log: lines 89 to 106 of 106, following");
	pty_keys(&p, "o");
	pty_wait(&p, "steps only");
	pty_wait(&p, "older line 10");
	pty_wait_gone(&p, "copied rows");
	pty_keys(&p, "o");
	pty_wait(&p, "copied rows");
	pty_keys(&p, "/older line 7\r");
	pty_wait(&p, "Log: lines 94 to 106 of 106, NOT following");
	pty_keys(&p, "nN/nowhere\r");
	pty_wait(&p, "'nowhere' was not found");
	pty_keys(&p, "q");
	pty_wait(&p, "[####");
	(void)pty_end(&p);
}

/* what is read stays, while the oldest lines are dropped */
static void full_log(void **state)
{
	const struct pty_setup full = { .env = "FAKE_LINES=3995" };
	struct pty p;

	(void)state;
	pty_start(&p, "P50", 80, 24, &full);
	pty_wait(&p, "Log (following");
	pty_keys(&p, "l");
	pty_wait(&p, "of 4000, following");
	pty_keys(&p, PGUP);
	pty_wait(&p, "NOT following");
	assert_true(pty_sync(&p));
	assert_true(pty_has(&p, "older line 20"));
	for (int i = 0; i < 5; i++) {
		_cleanup_strbuf_ struct strbuf before = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf after = STRBUF_INIT;
		char want[64];

		pty_line(&p, 2, &before);
		(void)snprintf(want, sizeof(want), "lines %d to",
			       3965 - i);
		assert_int_equal(write(p.events, "one more\n", 9), 9);
		pty_wait(&p, want);
		assert_true(pty_sync(&p));
		pty_line(&p, 2, &after);
		assert_string_equal(after.buf, before.buf);
	}
	(void)pty_end(&p);
}

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
	start(&p, "S40");
	pty_keys(&p, "d");
	pty_wait(&p, "Diff: lines 1 to 18 of 64");
	pty_keys(&p, "G");
	pty_wait(&p, "an escape \\x1b[31m and a bell \\x07");
	assert_int_equal(p.bells, 0);
	(void)pty_end(&p);
}

/* typed before a page is there, and so not meant for it */
static void type_ahead(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "W10");
	/* the second Enter would go on from C20 if C20 had it */
	pty_keys(&p, "\rrrrr");
	pty_wait(&p, "[C20]");
	assert_true(pty_sync(&p));
	assert_true(pty_has(&p, "[C20]"));
	(void)pty_end(&p);
}

/* the page offers something new: it gets the focus, unless the user moved it */
static void focus_comes(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "C20");
	assert_int_equal(write(p.events, "checked\n", 8), 8);
	pty_wait(&p, "> [ Start the backup ]");
	pty_keys(&p, "\r");
	pty_wait_log(&p, "C20 backup row=C04");
	(void)pty_end(&p);
	start(&p, "C20");
	pty_keys(&p, DOWN);
	pty_wait(&p, "> [ ok ] C05");
	assert_int_equal(write(p.events, "checked\n", 8), 8);
	pty_wait(&p, "  [ Start the backup ]");
	assert_true(pty_has(&p, "> [ ok ] C05"));
	(void)pty_end(&p);
}

static void sizes(void **state)
{
	struct pty p;

	(void)state;
	start(&p, "P50");
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
	start(&p, "P50");
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
	assert_true(pty_has(&p, "> [ >> ] 4 orders-schema"));
	(void)pty_end(&p);
}

/* random keys: it stays alive, and no words are typed by chance */
static void random_keys(void **state)
{
	static const char *const keys[] = {
		UP, DOWN, RIGHT, TAB, BACKTAB, PGUP, PGDN, F1, "\r", "\r", "1",
		"2", "3", "4", "l", "d", "s", "f", "r", "a", "o", "?", "/",
		"n", "N", "g", "G", "h", "j", "k", "m", "<", "x", "\f", "\001",
		"\025", "\027", "\177", "\302\265", "\377", "\033[999~",
	};
	static const char *const pages[] = { "W10", "P50", "A15", "F60" };
	unsigned int seed = 42;
	struct pty p;

	(void)state;
	start(&p, "W10");
	for (int i = 0; i < 6000; i++) {
		seed = seed * 1103515245 + 12345;
		pty_keys(&p, keys[(seed >> 16) % ARRAY_SIZE(keys)]);
		/* a new page throws away what is typed: so a few at a time */
		if (i % 8 || pty_sync(&p))
			continue;
		/* "quit" is a choice of its own on some pages */
		assert_true(WIFEXITED(p.status));
		assert_int_equal(WEXITSTATUS(p.status), 6);
		pty_release(&p);
		start(&p, pages[i / 8 % ARRAY_SIZE(pages)]);
	}
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

		start(&p, "P50");
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
	start(&p, "D90");
	pty_keys(&p, "\r");
	(void)pty_wait_end(&p);
	assert_given_back(&p);
	assert_true(pty_has(&p, "Goodbye from run 7K4Q."));
	pty_release(&p);
}

/* a terminal that takes no more, as after ^S: asked twice it goes all the same */
static void stuck(void **state)
{
	struct pty p;
	int status = 0;
	pid_t pid = 0;

	(void)state;
	start(&p, "P50");
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
	start(&p, "P50");
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
	start(&p, "W10");
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
		cmocka_unit_test(buttons),
		cmocka_unit_test(rows),
		cmocka_unit_test(digits),
		cmocka_unit_test(typed_words),
		cmocka_unit_test(paste),
		cmocka_unit_test(form),
		cmocka_unit_test(stop_dialog),
		cmocka_unit_test(log_pane),
		cmocka_unit_test(full_log),
		cmocka_unit_test(nothing_is_obeyed),
		cmocka_unit_test(type_ahead),
		cmocka_unit_test(focus_comes),
		cmocka_unit_test(sizes),
		cmocka_unit_test(resize_storm),
		cmocka_unit_test(random_keys),
		cmocka_unit_test(given_back),
		cmocka_unit_test(farewell),
		cmocka_unit_test(stuck),
		cmocka_unit_test(hang_up),
		cmocka_unit_test(suspend),
		cmocka_unit_test(cheap),
		cmocka_unit_test(mouse),
		cmocka_unit_test(unusable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
