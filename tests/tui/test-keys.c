/* SPDX-License-Identifier: MIT */
/* What keys do, on a terminal. */
#include "pty-test.h"

/* the lone Esc is known to be one after ESCDELAY */
static void escape(struct pty *p)
{
	pty_keys(p, "\033");
}

static void buttons(void **state)
{
	struct pty p;

	(void)state;
	pty_page(&p, "W10");
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

/* the sign of the focus stands free where the buttons take several lines */
static void buttons_narrow(void **state)
{
	struct pty p;

	(void)state;
	pty_start(&p, "K81", 60, 16, NULL);
	pty_wait(&p, "> [ Go on to confirmation ]   [ Save this list ]");
	pty_keys(&p, TAB);
	pty_wait(&p, "  [ Go on to confirmation ] > [ Save this list ]");
	pty_keys(&p, TAB TAB);
	pty_wait(&p, "  [ Other point ] > [ Cancel ]");
	(void)pty_end(&p);
}

/* each page begins where its focus is, wherever the one before was */
static void scrolled_away(void **state)
{
	struct pty p;

	(void)state;
	pty_start(&p, "K81", 40, 12, NULL);
	pty_wait(&p, "Preview of the rollback to CP2");
	pty_keys(&p, PGDN PGDN);
	pty_wait_gone(&p, "Preview of the rollback to CP2");
	pty_keys(&p, "\r");
	pty_wait(&p, "[K82]");
	pty_wait(&p, "... 2 above, 6 below (PgUp/PgDn)");
	pty_keys(&p, PGDN);
	pty_wait(&p, "... 6 above, 2 below (PgUp/PgDn)");
	escape(&p);
	pty_wait(&p, "[K81]");
	pty_wait(&p, "Preview of the rollback to CP2");
	pty_keys(&p, "\r");
	pty_wait(&p, "... 2 above, 6 below (PgUp/PgDn)");
	(void)pty_end(&p);
}

static void rows(void **state)
{
	struct pty p;

	(void)state;
	pty_page(&p, "C20");
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
	pty_page(&p, "F60");
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
	pty_page(&p, "K82");
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
	pty_page(&p, "K82");
	pty_keys(&p, "\033[200~roll back to CP2\r\033[201~");
	pty_wait(&p, "> roll back to CP2");
	assert_true(pty_sync(&p));
	assert_true(pty_has(&p, "[K82]"));
	(void)pty_end(&p);
	pty_page(&p, "W10");
	pty_keys(&p, "\033[200~\rq\r\033[201~" TAB);
	pty_wait(&p, "> [ Give answers ]");
	assert_true(pty_has(&p, "[W10]"));
	(void)pty_end(&p);
}

static void form(void **state)
{
	struct pty p;

	(void)state;
	pty_page(&p, "A15");
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
	pty_page(&p, "P50");
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

	pty_page(&p, "S40");
	pty_keys(&p, "q");
	pty_wait(&p, "> 1  Stay");
	pty_keys(&p, "\r");
	pty_wait(&p, "> [ Run step 4 ]");
	pty_keys(&p, "q2\r");
	assert_exit(&p, 6);

	/* nothing to lose: no question */
	pty_page(&p, "W10");
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

/* typed before a page is there, and so not meant for it */
static void type_ahead(void **state)
{
	struct pty p;

	(void)state;
	pty_page(&p, "W10");
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
	pty_page(&p, "C20");
	assert_int_equal(write(p.events, "checked\n", 8), 8);
	pty_wait(&p, "> [ Start the backup ]");
	pty_keys(&p, "\r");
	pty_wait_log(&p, "C20 backup row=C04");
	(void)pty_end(&p);
	pty_page(&p, "C20");
	pty_keys(&p, DOWN);
	pty_wait(&p, "> [ ok ] C05");
	assert_int_equal(write(p.events, "checked\n", 8), 8);
	pty_wait(&p, "  [ Start the backup ]");
	assert_true(pty_has(&p, "> [ ok ] C05"));
	(void)pty_end(&p);
}

/*
 * Random keys: it stays alive, and no words are typed by chance. RANDOM_KEYS
 * asks for more of them, RANDOM_SEED for others.
 */
static void random_keys(void **state)
{
	static const char *const keys[] = {
		UP, DOWN, RIGHT, TAB, BACKTAB, PGUP, PGDN, F1, "\r", "\r", "1",
		"2", "3", "4", "l", "d", "s", "f", "r", "a", "o", "?", "/",
		"n", "N", "g", "G", "h", "j", "k", "m", "<", "x", "\f", "\001",
		"\025", "\027", "\177", "\302\265", "\377", "\033[999~",
	};
	static const char *const pages[] = { "W10", "P50", "A15", "F60" };
	const char *more = getenv("RANDOM_KEYS");
	const char *other = getenv("RANDOM_SEED");
	unsigned int seed = other ? (unsigned int)atoi(other) : 42;
	int n = more ? atoi(more) : 6000;
	struct pty p;

	(void)state;
	pty_page(&p, "W10");
	for (int i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		pty_keys(&p, keys[(seed >> 16) % ARRAY_SIZE(keys)]);
		/* a new page throws away what is typed: so a few at a time */
		if (i % 8 || pty_sync(&p))
			continue;
		/* "quit" is a choice of its own on some pages */
		assert_true(WIFEXITED(p.status));
		assert_int_equal(WEXITSTATUS(p.status), 6);
		pty_release(&p);
		pty_page(&p, pages[i / 8 % ARRAY_SIZE(pages)]);
	}
	(void)pty_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buttons),
		cmocka_unit_test(buttons_narrow),
		cmocka_unit_test(scrolled_away),
		cmocka_unit_test(rows),
		cmocka_unit_test(digits),
		cmocka_unit_test(typed_words),
		cmocka_unit_test(paste),
		cmocka_unit_test(form),
		cmocka_unit_test(stop_dialog),
		cmocka_unit_test(log_pane),
		cmocka_unit_test(full_log),
		cmocka_unit_test(type_ahead),
		cmocka_unit_test(focus_comes),
		cmocka_unit_test(random_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
