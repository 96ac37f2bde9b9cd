/* SPDX-License-Identifier: MIT */
/* The plain front end: pages, choices, texts, answers. */
#include "plain-talk.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/xalloc.h"

static void test_rollback(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	rollback_wizard(&w);
	talk_open(&t, &w, false);
	/* looked at again where nothing is new: nothing is said */
	for (int i = 0; i < 3; i++)
		tick(&t);
	type(&t, "\n2\n\n1\nroll back to CP1\nroll back to cp2\n\n");
	assert_int_equal(finish(&t), 0);
	assert_string_equal(t.said.buf,
"Acme Ledger 4.2 to 5.0. Run 7K4Q. Screen K80: choose a point to go back to.\n"
"Data: changed by steps 1-3. App: stopped 11:47. Backup: verified. "
"Undo: possible.\n"
"1. CP3, after step 3 add-columns, made 12:04, checked\n"
"2. CP2, after step 2 export-config, made 11:58, checked\n"
"Type a number, then Enter. ? is help, < is back, q is quit. "
"No default here.\n"
"Choice> \n"
/* Enter alone does nothing where something could be lost */
"1. CP3, after step 3 add-columns, made 12:04, checked\n"
"2. CP2, after step 2 export-config, made 11:58, checked\n"
"Type a number, then Enter. ? is help, < is back, q is quit. "
"No default here.\n"
"Choice> 2\n"
"Screen K81: preview of the rollback to CP2.\n"
"RESTORED: database acme, as it was at 11:58\n"
"LOST: 31 web-shop orders\n"
"LOST: 1 setting\n"
"keep/1\n"
"keep/b\n"
"1. Go on to confirmation\n"
"2. Cancel\n"
"Type a number, then Enter. ? is help, < is back, q is quit. "
"No default here.\n"
"Choice> \n"
"1. Go on to confirmation\n"
"2. Cancel\n"
"Type a number, then Enter. ? is help, < is back, q is quit. "
"No default here.\n"
"Choice> 1\n"
"Screen K82: type the words.\n"
"Type these words: roll back to CP2\n"
"Type it, then Enter. ? is help, < is back.\n"
"Words> roll back to CP1\n"
"these are not the words; nothing happened\n"
"Type it, then Enter. ? is help, < is back.\n"
"Words> roll back to cp2\n"
"Screen D90: Rolled back.\n"
"Rolled back to CP2.\n"
"1. Exit\n"
"Type a number, then Enter. Enter alone is 1. ? is help, < is back, "
"q is quit.\n"
"Choice> \n"
"UPGRADE COMPLETE\n");
	acts_are(&t, "preview CP2 -\n"
		 "go-on - -\n"
		 "rollback words roll back to CP1\n"
		 "rollback words roll back to cp2\n"
		 "exit - -\n");
	talk_close(&t);
}

static void test_back(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	rollback_wizard(&w);
	talk_open(&t, &w, false);
	type(&t, "1\n1\n<\n?\nnonsense\n9\nq\n");
	assert_int_equal(finish(&t), 0);
	t.at = 0;
	/* a page that is come back to is said again */
	expect(&t, "Screen K82");
	expect(&t, "Words> <\nScreen K80");
	expect(&t, "Help on K80.\nSupport: Acme.\n");
	expect(&t, "'nonsense' is nothing that can be done here");
	expect(&t, "There is no choice 9 here.");
	acts_are(&t, "preview CP3 -\ngo-on - -\nback - -\nquit - -\n");
	talk_close(&t);
}

/* the end of input is a closed terminal; what has no newline is no answer */
static void test_end_of_input(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	rollback_wizard(&w);
	w.exit = 2;
	talk_open(&t, &w, false);
	type(&t, "2\n1\nroll back to cp2");
	end_of_input(&t);
	assert_int_equal(finish(&t), 2);
	acts_are(&t, "preview CP2 -\ngo-on - -\n");
	talk_close(&t);
}

static void test_bad_lines(void **state)
{
	_cleanup_strbuf_ struct strbuf huge = STRBUF_INIT;
	struct wizard w;
	struct talk t;

	(void)state;
	for (int i = 0; i < 9000; i++)
		strbuf_addch(&huge, '1');
	strbuf_addch(&huge, '\n');
	rollback_wizard(&w);
	talk_open(&t, &w, false);
	type(&t, huge.buf);
	type(&t, "\xff\xfe\n");
	assert_int_equal(write(t.in, "2\0x\n", 4), 4);
	end_of_input(&t);
	assert_int_equal(finish(&t), 0);
	t.at = 0;
	for (int i = 0; i < 3; i++)
		expect(&t, "too long, or is no text");
	acts_are(&t, "");
	talk_close(&t);
}

/* nobody reads: leave, and leave the engine alone */
static void test_closed_output(void **state)
{
	struct wizard w;
	struct talk t;
	int status;

	(void)state;
	rollback_wizard(&w);
	w.exit = 2;
	talk_open(&t, &w, false);
	expect(&t, "Choice> ");
	close(t.out);
	type(&t, "?\n");
	assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	acts_are(&t, "");
	t.out = t.in;
	talk_close(&t);
}

/* --- checks: rows, letters, texts --- */

static void check_sheet(struct wizard *w, struct sheet *s)
{
	bool done = w->tick > 0;

	fake_frame(w, s, "2 Checks");
	sheet_text(s, ROLE_STRONG, "%d checks", 2);
	sheet_row(s, "C04", done ? MARK_FAIL : MARK_WAITING,
		  "C04 Free space", done ? "need 9.0 GB, have 3.2 GB" : NULL,
		  NULL);
	sheet_row(s, "C06", MARK_WARN, "C06 2 users are logged in", NULL,
		  NULL);
	if (w->select && !strcmp(w->select, "C04"))
		sheet_fact(s, "Fix", "free 5.8 GB");
	sheet_choice(s, 0, "go-on", "Go on", "a check failed")->enabled =
		false;
	sheet_key(s, 'a', "accept", "Accept warning");
	sheet_key(s, 's', "support", "Support file");
}

static unsigned int check_act(struct wizard *w, const char *id,
			      const char *row, const char *value)
{
	(void)row;
	(void)value;
	if (!strcmp(id, "details")) {
		for (int i = 1; i <= 50; i++)
			strvec_pushf(&w->text, "line %d\t%s", i,
				     i == 45 ? "needle" : "hay");
		return WIZARD_SHOW_TEXT;
	}
	return !strcmp(id, "quit") ? WIZARD_QUIT : WIZARD_REDRAW;
}

static void check_wizard(struct wizard *w)
{
	fake_wizard_init(w);
	w->page = PAGE_C20;
	w->sheet = check_sheet;
	w->act = check_act;
}

static void test_rows(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	check_wizard(&w);
	talk_open(&t, &w, false);
	tick(&t);
	expect(&t, "waiting: C04 Free space\n");
	expect(&t, "warning: C06 2 users are logged in\n");
	expect(&t, "Not to be chosen: Go on, a check failed\n");
	expect(&t, "Letters: a Accept warning, support Support file.\n");
	/* letters alone can be answered as well */
	expect(&t, "\nChoice> ");
	expect(&t, "\nFAILED: C04 Free space, need 9.0 GB, have 3.2 GB\n");
	type(&t, "c04\na\na C06\na C99\ngo-on\nsupport\ns\nq\n");
	(void)finish(&t);
	t.at = 0;
	expect(&t, "C04 Free space is chosen.\nFix: free 5.8 GB\n");
	expect(&t, "'C99' is none of the lines here.");
	expect(&t, "Not to be chosen: Go on, a check failed\n");
	acts_are(&t, "accept C04 -\naccept C06 -\nsupport C06 -\nquit - -\n");
	talk_close(&t);
}

static void test_text(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	check_wizard(&w);
	talk_open(&t, &w, false);
	type(&t, "d\n\n/needle\nd\n/none\n<\nd\na\nq\n");
	(void)finish(&t);
	t.at = 0;
	expect(&t, "Full list: 50 lines.\nline 1\\thay\n");
	expect(&t, "line 20\\thay\n30 more lines. Enter goes on");
	expect(&t, "line 40\\thay\n10 more lines.");
	expect(&t, "Line 45:\nline 45\\tneedle\n");
	expect(&t, "line 50\\thay\nEnd of the text.\n");
	expect(&t, "'none' does not come again.");
	expect(&t, "End of the text.\n");
	acts_are(&t, "details - -\ndetails - -\ndetails - -\nquit - -\n");
	talk_close(&t);
}

static void add_log(struct model *m, const char *text)
{
	_cleanup_free_ char *line = xasprintf(
		"{\"type\":\"log\",\"seq\":%d,\"id\":\"x\",\"stream\":\"out\","
		"\"text\":\"%s\"}", (int)m->line_total + 1, text);
	struct json_object *o = NULL;

	assert_int_equal(json_parse(line, strlen(line), &o, NULL), 0);
	(void)model_event(m, o);
	json_object_put(o);
}

static void test_log(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	check_wizard(&w);
	for (int i = 1; i <= 30; i++) {
		_cleanup_free_ char *text = xasprintf("copied %d", i);

		add_log(&w.model, text);
	}
	talk_open(&t, &w, false);
	type(&t, "l\nl 2\nl /copied 7\nq\n");
	(void)finish(&t);
	t.at = 0;
	expect(&t, "The last 20 lines of the log");
	expect(&t, "copied 11\n");
	expect(&t, "copied 30\n");
	expect(&t, "The last 2 lines of the log");
	expect(&t, "\ncopied 29\ncopied 30\n");
	expect(&t, "Log: 1 line.\ncopied 7\n");
	talk_close(&t);
}

static void test_answers(void **state)
{
	struct wizard w;
	struct talk t;

	(void)state;
	answer_wizard(&w);
	talk_open(&t, &w, false);
	type(&t, "nobody\na@b\n\nhush-hush\n2\n\\?\n4\n");
	assert_int_equal(finish(&t), 0);
	t.at = 0;
	expect(&t, "Admin mail\nType it");
	expect(&t, "Answer> nobody\nthis is no mail address\nAdmin mail\n");
	expect(&t, "Keep old reports?, now: yes\n");
	expect(&t, "Database password\n");
	expect(&t, "It is not shown while you type.\n");
	expect(&t, "1. Admin mail: a@b\n2. Keep old reports?: yes\n"
	       "3. Database password: given\n4. Go on\n");
	expect_not(&t, "hush");
	acts_are(&t, "mail mail nobody\nmail mail a@b\n"
		 "password password hush-hush\nreports reports ?\n"
		 "done - -\n");
	talk_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rollback),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_end_of_input),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_closed_output),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_answers),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
