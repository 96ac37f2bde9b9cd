/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "text-width.h"
#include "tui/keymap.h"

static enum action act(enum key_kind kind, const char *text,
		       enum keymap_view view)
{
	struct key k = { .kind = kind };

	(void)snprintf(k.text, sizeof(k.text), "%s", text);
	return keymap_action(&k, view);
}

static void letters(void **state)
{
	(void)state;
	assert_int_equal(act(K_CHAR, "q", VIEW_PAGE), ACT_QUIT);
	assert_int_equal(act(K_CHAR, "l", VIEW_PAGE), ACT_LOG);
	assert_int_equal(act(K_CHAR, "j", VIEW_PAGE), ACT_DOWN);
	assert_int_equal(act(K_CHAR, "<", VIEW_PAGE), ACT_BACK);
	assert_int_equal(act(K_CHAR, "?", VIEW_DIALOG), ACT_HELP);
	assert_int_equal(act(K_CHAR, "7", VIEW_PAGE), ACT_DIGIT);
	assert_int_equal(act(K_CHAR, "0", VIEW_PAGE), ACT_NONE);
	assert_int_equal(act(K_CHAR, "y", VIEW_PAGE), ACT_NONE);
	assert_int_equal(act(K_CHAR, "\303\244", VIEW_PAGE), ACT_NONE);
	assert_int_equal(act(K_CHAR, "/", VIEW_PAGE), ACT_NONE);
	assert_int_equal(act(K_CHAR, "/", VIEW_PAGER), ACT_SEARCH);
}

/* in a field every printable key is text, and the others still work */
static void typed(void **state)
{
	char c[2] = { 0, 0 };

	(void)state;
	for (c[0] = ' '; c[0] < 127; c[0]++)
		assert_int_equal(act(K_CHAR, c, VIEW_TYPED), ACT_NONE);
	assert_int_equal(act(K_ENTER, "", VIEW_TYPED), ACT_ENTER);
	assert_int_equal(act(K_ESC, "", VIEW_TYPED), ACT_BACK);
	assert_int_equal(act(K_F1, "", VIEW_TYPED), ACT_HELP);
	assert_int_equal(act(K_CTRL, "C", VIEW_TYPED), ACT_STOP);
	assert_int_equal(act(K_CTRL, "Z", VIEW_TYPED), ACT_SUSPEND);
}

static void line_is(const struct hints *h, int cols, const char *want)
{
	struct strbuf sb = STRBUF_INIT;

	keymap_line(h, cols, WIDTH_UTF8, &sb);
	assert_string_equal(sb.buf, want);
	strbuf_release(&sb);
}

static void short_lines(void **state)
{
	struct sheet s;
	struct hints h = { .view = VIEW_PAGE, .page = PAGE_C20, .sheet = &s,
			   .stops = 3 };

	(void)state;
	sheet_init(&s);
	sheet_key(&s, 'r', "recheck", "Check again");
	sheet_key(&s, 'a', "accept", "Accept warning");
	line_is(&h, 80, "Up/Down Select  r Check again  a Accept warning  "
		"? Help  q Quit");
	line_is(&h, 50, "r Check again  a Accept warning  ? Help  q Quit");
	line_is(&h, 40, "r Check again  ? Help  q Quit");
	/* help and the way out stay to the last */
	line_is(&h, 16, "? Help  q Quit");
	sheet_release(&s);
}

/* nothing is offered that does nothing */
static void what_there_is(void **state)
{
	struct sheet s;
	struct hints h = { .view = VIEW_PAGE, .page = PAGE_P50, .sheet = &s,
			   .stop = STOP_WORKING };

	(void)state;
	sheet_init(&s);
	line_is(&h, 80, "f Follow  l Log  d Details  ? Help  q Quit...");
	s.working = true;
	h.log_shown = true;
	line_is(&h, 80, "Up/Down Scroll log  f Follow  l Log  d Details  "
		"? Help  ^C Stop...  q Quit...");
	h.page = PAGE_F60;
	h.stop = STOP_FREE;
	s.working = false;
	sheet_choice(&s, '1', "a", "A", NULL);
	sheet_choice(&s, '2', "b", "B", NULL)->enabled = false;
	h.focus = &s.items[0];
	line_is(&h, 80, "1 Select  Enter Do it  l Log  d Details  ? Help  "
		"q Quit");
	sheet_choice(&s, '4', "d", "D", NULL);
	sheet_key(&s, 'q', "quit", "Exit");
	h.focus = &s.items[0];
	line_is(&h, 80, "1-4 Select  Enter Do it  l Log  d Details  ? Help  "
		"q Exit");
	h.view = VIEW_DIALOG;
	line_is(&h, 80, "1-4 Select  Enter Do it  Esc Back  ? Help");
	h.view = VIEW_PAGER;
	line_is(&h, 80, "Up/Down Scroll  / Search  Esc Close");
	sheet_release(&s);
}

/* every page names help and a way out */
static void every_page(void **state)
{
	struct sheet s;

	(void)state;
	sheet_init(&s);
	for (int page = 0; page < PAGE_COUNT; page++) {
		struct hints h = { .view = VIEW_PAGE, .sheet = &s,
				   .page = (enum page)page };
		struct strbuf sb = STRBUF_INIT;

		keymap_line(&h, 80, WIDTH_UTF8, &sb);
		assert_non_null(strstr(sb.buf, "Help"));
		assert_true(strstr(sb.buf, "q Quit") ||
			    strstr(sb.buf, "Esc Back"));
		strbuf_release(&sb);
	}
	sheet_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters),
		cmocka_unit_test(typed),
		cmocka_unit_test(short_lines),
		cmocka_unit_test(what_there_is),
		cmocka_unit_test(every_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
