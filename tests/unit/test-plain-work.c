/* SPDX-License-Identifier: MIT */
/* The plain front end while something goes on; stops, signals, secrets. */
#include "plain-talk.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/xalloc.h"

/* --- something goes on --- */

static void work_sheet(struct wizard *w, struct sheet *s)
{
	static const int percents[] = { 3, 9, 12, 19, 58, 100 };
	int at = MIN(w->tick, 5);

	fake_frame(w, s, "4 Steps: 4 of 9");
	if (w->page == PAGE_D90) {
		sheet_choice(s, 0, "exit", "Exit", NULL);
		s->focus = "exit";
		return;
	}
	s->working = true;
	sheet_row(s, NULL, MARK_OK, "3 add-columns", "02:40", NULL);
	if (at < 5)
		sheet_row(s, NULL, MARK_BUSY, "4 orders-schema",
			  at < 3 ? "00:01" : "00:02", NULL);
	else
		sheet_row(s, NULL, MARK_OK, "4 orders-schema", "03:40", NULL);
	sheet_row(s, NULL, MARK_PENDING, "5 move-files", NULL, NULL);
	sheet_text(s, ROLE_NORMAL, "about %d min left", 9 - at);
	if (at >= 4)
		sheet_text(s, ROLE_CAUTION, "one \033[2J\xc2\x9b new fact");
	w->model.progress.given = true;
	w->model.progress.total = 1000;
	w->model.progress.done = (uint64_t)percents[at] * 10;
	w->model.progress.percent = percents[at];
	w->model.progress.eta_s = 120;
	free(w->model.progress.unit);
	w->model.progress.unit = xstrdup("rows");
	if (at >= 5) {
		free(s->safety);
		s->safety = xstrdup("DATA changed by steps 1-4 | APP stopped "
				    "11:47");
	}
}

static unsigned int work_ticked(struct wizard *w)
{
	return w->tick == 6 ? fake_go(w, PAGE_D90) : WIZARD_NOTHING;
}

static unsigned int quit_act(struct wizard *w, const char *id, const char *row,
			     const char *value)
{
	(void)w;
	(void)id;
	(void)row;
	(void)value;
	return WIZARD_QUIT;
}

static void work_wizard(struct wizard *w)
{
	fake_wizard_init(w);
	w->page = PAGE_P50;
	w->sheet = work_sheet;
	w->ticked = work_ticked;
	w->act = quit_act;
	w->stop = STOP_WORKING;
	w->options.progress_interval = 0;
}

/* times of lines are this machine's */
static char *without_clock(const char *said)
{
	struct strbuf sb = STRBUF_INIT;

	for (const char *s = said; *s; s++) {
		if ((s == said || s[-1] == '\n') && strlen(s) > 9 &&
		    s[2] == ':' && s[5] == ':' && s[8] == ' ')
			s += 9;
		strbuf_addch(&sb, *s);
	}
	return strbuf_detach(&sb);
}

static void test_work(void **state)
{
	_cleanup_free_ char *said = NULL;
	struct wizard w;
	struct talk t;

	(void)state;
	work_wizard(&w);
	talk_open(&t, &w, false);
	/* ahead of the work: a pipe's lines wait for a question */
	type(&t, "1\n");
	for (int i = 0; i < 6; i++)
		tick(&t);
	assert_int_equal(finish(&t), 0);
	said = without_clock(t.said.buf);
	assert_string_equal(said,
"Acme Ledger 4.2 to 5.0. Run 7K4Q. Screen P50: 4 Steps: 4 of 9.\n"
"Data: changed by steps 1-3. App: stopped 11:47. Backup: verified. "
"Undo: possible.\n"
"ok: 3 add-columns, 02:40\n"
"running: 4 orders-schema\n"
"about 9 min left\n"
"? is help, s is the state of your data, l is the log, q is quit.\n"
"Still working: 4 orders-schema, 12 percent, 120 of 1,000 rows, "
"about 2 min left\n"
"one \\x1b[2J\\xc2\\x9b new fact\n"
"Still working: 4 orders-schema, 58 percent, 580 of 1,000 rows, "
"about 2 min left\n"
"ok: 4 orders-schema, 03:40\n"
"Data: changed by steps 1-4. App: stopped 11:47.\n"
"Screen D90: 4 Steps: 4 of 9.\n"
"Data: changed by steps 1-3. App: stopped 11:47. Backup: verified. "
"Undo: possible.\n"
"1. Exit\n"
"Type a number, then Enter. Enter alone is 1. ? is help, < is back, "
"q is quit.\n"
"Choice> 1\n"
"UPGRADE COMPLETE\n");
	acts_are(&t, "exit - -\n");
	talk_close(&t);
}

/* by default a tenth is said at most once a second, so not at all here */
static void test_quick_work(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	work_wizard(&w);
	w.options.progress_interval = -1;
	talk_open(&t, &w, false);
	for (int i = 0; i < 6; i++)
		tick(&t);
	expect(&t, "Screen D90");
	end_of_input(&t);
	(void)finish(&t);
	talk_close(&t);
}

static void test_stop(void **state)
{
	static const struct { const char *keys, *act; } ways[] = {
		{ "q\n\n", "stop - -\n" },
		{ "q\n1\n", "stop - -\n" },
		{ "q\n2\n", "leave - -\n" },
		{ "q\n7\n3\n", "abort - -\n" },
		{ "q\n<\nq\n\n", "stop - -\n" },
	};
	struct wizard w;
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		work_wizard(&w);
		talk_open(&t, &w, true);
		expect(&t, "q is quit.");
		type(&t, ways[i].keys);
		expect(&t, "1. Stop after this step");
		expect(&t, "3. Abort now: step 4 is put back");
		(void)finish(&t);
		acts_are(&t, ways[i].act);
		talk_close(&t);
	}
}

static void test_interrupt(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	work_wizard(&w);
	talk_open(&t, &w, true);
	expect(&t, "q is quit.");
	type(&t, "\003");
	expect(&t, "Enter alone is 1");
	/* the second time it only moves the default */
	type(&t, "\003");
	expect(&t, "Enter alone is 3");
	type(&t, "\n");
	(void)finish(&t);
	acts_are(&t, "abort - -\n");
	talk_close(&t);
}

static void test_stop_between(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	rollback_wizard(&w);
	w.stop = STOP_BETWEEN;
	talk_open(&t, &w, false);
	type(&t, "q\n2\nq\n1\n");
	assert_int_equal(finish(&t), 0);
	acts_are(&t, "quit - -\n");
	talk_close(&t);
}

static void test_hangup(void **state)
{
	struct wizard w;
	struct talk t;
	int status;

	(void)state;
	work_wizard(&w);
	w.exit = 2;
	talk_open(&t, &w, true);
	expect(&t, "q is quit.");
	close(t.slave);
	close(t.in);
	assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	acts_are(&t, "");
	t.in = t.out = -1;
	talk_close(&t);
}

static bool echoes(int fd)
{
	struct termios tio;

	assert_int_equal(tcgetattr(fd, &tio), 0);
	return tio.c_lflag & ECHO;
}

static void test_secret_on_terminal(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	answer_wizard(&w);
	talk_open(&t, &w, true);
	expect(&t, "Answer> ");
	assert_true(echoes(t.slave));
	type(&t, "a@b\n");
	expect(&t, "now: yes");
	expect(&t, "Answer> ");
	type(&t, "\n");
	expect(&t, "while you type.");
	expect(&t, "Answer> ");
	assert_false(echoes(t.slave));
	type(&t, "hush-hush\n");
	expect(&t, "4. Go on");
	expect(&t, "Choice> ");
	assert_true(echoes(t.slave));
	type(&t, "4\n");
	assert_int_equal(finish(&t), 0);
	expect_not(&t, "hush");
	acts_are(&t, "mail mail a@b\npassword password hush-hush\n"
		 "done - -\n");
	talk_close(&t);
}

static void test_signal_restores_echo(void **state)
{
	static const int sigs[] = { SIGTERM, SIGHUP, SIGQUIT, SIGINT };
	struct wizard w;
	struct talk t;
	int status;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
		answer_wizard(&w);
		talk_open(&t, &w, true);
		expect(&t, "Answer> ");
		type(&t, "a@b\n");
		expect(&t, "now: yes");
		expect(&t, "Answer> ");
		type(&t, "\n");
		expect(&t, "while you type.");
		expect(&t, "Answer> ");
		assert_false(echoes(t.slave));
		assert_int_equal(kill(t.pid, sigs[i]), 0);
		assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
		assert_true(WIFEXITED(status));
		assert_true(echoes(t.slave));
		acts_are(&t, sigs[i] == SIGINT ?
			 "mail mail a@b\nquit - -\n" : "mail mail a@b\n");
		close(t.slave);
		talk_close(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_work),
		cmocka_unit_test(test_quick_work),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_stop_between),
		cmocka_unit_test(test_hangup),
		cmocka_unit_test(test_secret_on_terminal),
		cmocka_unit_test(test_signal_restores_echo),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
