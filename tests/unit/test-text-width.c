/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <locale.h>

#include "base/strbuf.h"
#include "event.h"
#include "text-width.h"
#include "text.h"

#define UTF8 WIDTH_UTF8

static void safe_is(const char *s, unsigned int flags, const char *want)
{
	struct strbuf sb = STRBUF_INIT;

	width_safe(&sb, s, flags);
	assert_string_equal(sb.buf, want);
	strbuf_release(&sb);
}

static void cut_is(const char *s, int cols, const char *want)
{
	struct strbuf sb = STRBUF_INIT;

	width_cut(&sb, s, cols);
	assert_string_equal(sb.buf, want);
	assert_true(width_of(sb.buf) <= MAX(cols, 0));
	strbuf_release(&sb);
}

/* lines of the wrapped text, joined by "|" */
static void wrap_is(const char *s, int cols, const char *want)
{
	struct strvec lines = STRVEC_INIT;
	struct strbuf sb = STRBUF_INIT;

	width_wrap(&lines, s, cols);
	for (size_t i = 0; i < lines.n; i++) {
		strbuf_addf(&sb, "%s%s", i ? "|" : "", lines.v[i]);
		assert_true(width_of(lines.v[i]) <= cols);
	}
	assert_string_equal(sb.buf, want);
	strbuf_release(&sb);
	strvec_release(&lines);
}

static void controls_are_shown(void **state)
{
	(void)state;
	safe_is("a\033[31mb\007", UTF8, "a\\x1b[31mb\\x07");
	safe_is("\177 \r", UTF8, "\\x7f \\x0d");
	/* C1: CSI as one character */
	safe_is("\302\2332J", UTF8, "\\x9b2J");
	safe_is("a\nb\tc", UTF8, "a\\nb\\tc");
	safe_is("a\nb\tc", UTF8 | WIDTH_LINES | WIDTH_TABS, "a\nb\tc");
	/* bidirectional controls, zero width space, byte order mark, tags */
	safe_is("x\342\200\256y\342\201\246z", UTF8, "x\\u202ey\\u2066z");
	safe_is("\342\200\213\357\273\277", UTF8, "\\u200b\\ufeff");
	safe_is("\363\240\200\201", UTF8, "\\U0e0001");
	safe_is(NULL, UTF8, "");
}

static void invalid_bytes_are_shown(void **state)
{
	(void)state;
	safe_is("\377a\200", UTF8, "\\xffa\\x80");
	/* cut off, overlong, surrogate, above the last */
	safe_is("\303", UTF8, "\\xc3");
	safe_is("\342\202", UTF8, "\\xe2\\x82");
	safe_is("\300\257", UTF8, "\\xc0\\xaf");
	safe_is("\340\200\257", UTF8, "\\xe0\\x80\\xaf");
	safe_is("\355\240\200", UTF8, "\\xed\\xa0\\x80");
	safe_is("\364\220\200\200", UTF8, "\\xf4\\x90\\x80\\x80");
}

static void marks_have_a_base(void **state)
{
	(void)state;
	safe_is("e\314\201", UTF8, "e\314\201");
	safe_is("\314\201e", UTF8, "\\u0301e");
	safe_is("\n\314\201", UTF8 | WIDTH_LINES, "\n\\u0301");
	/* no more than a cell of curses can hold */
	safe_is("e\314\201\314\201\314\201\314\201\314\201", UTF8,
		"e\314\201\314\201\314\201\314\201\\u0301");
}

static void ascii_alone(void **state)
{
	(void)state;
	safe_is("plain ~", 0, "plain ~");
	safe_is("\346\274\242", 0, "\\xe6\\xbc\\xa2");
	safe_is("\302\240", 0, " ");
	safe_is("\033", 0, "\\x1b");
}

static void columns(void **state)
{
	(void)state;
	assert_int_equal(width_of(""), 0);
	assert_int_equal(width_of(NULL), 0);
	assert_int_equal(width_of("abc"), 3);
	assert_int_equal(width_of("e\314\201"), 1);
	assert_int_equal(width_of("\346\274\242\345\255\227"), 4);
}

static void cutting(void **state)
{
	(void)state;
	cut_is("abcdef", 6, "abcdef");
	cut_is("abcdefg", 6, "abc...");
	cut_is("abcdefg", 3, "abc");
	cut_is("abcdefg", 0, "");
	cut_is("abcdefg", -1, "");
	/* never half of a wide character, never a mark without its base */
	cut_is("\346\274\242\345\255\227\346\274\242", 5, "\346\274\242...");
	cut_is("\346\274\242\345\255\227\346\274\242", 6,
	       "\346\274\242\345\255\227\346\274\242");
	cut_is("\346\274\242\345\255\227", 3, "\346\274\242");
	cut_is("e\314\201e\314\201e\314\201e\314\201e\314\201", 4,
	       "e\314\201...");
}

static void wrapping(void **state)
{
	(void)state;
	wrap_is("", 10, "");
	wrap_is("one two three", 7, "one two|three");
	wrap_is("one two three", 8, "one two|three");
	wrap_is("one  two", 4, "one|two");
	wrap_is("one\n\ntwo", 10, "one||two");
	wrap_is("abcdefghij", 4, "abcd|efgh|ij");
	wrap_is("a b", 1, "a|b");
	/* a path is cut after a slash */
	wrap_is("/srv/acme/files/x", 12, "/srv/acme/|files/x");
	/* what is indented stays so */
	wrap_is("  one two three", 9, "  one two|  three");
	wrap_is("ends in blanks   ", 20, "ends in blanks");
	wrap_is("\346\274\242\345\255\227\346\274\242", 4,
		"\346\274\242\345\255\227|\346\274\242");
	wrap_is("a\302\240b c", 3, "a\302\240b|c");
}

static void walking(void **state)
{
	const char *s = "ae\314\201\346\274\242";

	(void)state;
	assert_int_equal(width_next(s), 1);
	assert_int_equal(width_next(s + 1), 3);
	assert_int_equal(width_next(s + 4), 3);
	assert_int_equal(width_next(s + 7), 0);
	assert_int_equal(width_back(s, 0), 0);
	assert_int_equal(width_back(s, 1), 1);
	assert_int_equal(width_back(s, 4), 3);
	assert_int_equal(width_back(s, 7), 3);
}

static void tabs(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	width_untab(&sb, "a\tb\t\346\274\242\tc");
	assert_string_equal(sb.buf, "a       b       \346\274\242      c");
	strbuf_release(&sb);
}

static void pad_is(const char *s, int cols, const char *want)
{
	struct strbuf sb = STRBUF_INIT;

	width_pad(&sb, s, cols);
	assert_string_equal(sb.buf, want);
	strbuf_release(&sb);
}

static void padding(void **state)
{
	(void)state;
	pad_is("ab", 4, "ab  ");
	pad_is("abcd", 4, "abcd");
	pad_is("abcde", 4, "abcde");
	pad_is("", 2, "  ");
	/* bytes are not columns */
	pad_is("\303\274", 3, "\303\274  ");
	pad_is("\346\274\242", 3, "\346\274\242 ");
}

static void uncapital_is(const char *s, const char *want)
{
	struct strbuf sb = STRBUF_INIT;

	width_uncapital(&sb, s);
	assert_string_equal(sb.buf, want);
	strbuf_release(&sb);
}

static void capitals(void **state)
{
	(void)state;
	uncapital_is("DATA", "Data");
	uncapital_is("ZUR\303\234CK", "Zur\303\274ck");
	uncapital_is("\303\211TAT", "\303\211tat");
	/* a name is not all capitals; other scripts have none */
	uncapital_is("CP2", "CP2");
	uncapital_is("Data", "Data");
	uncapital_is("\346\274\242\345\255\227", "\346\274\242\345\255\227");
	uncapital_is("A\377B", "A\377B");
	uncapital_is("", "");
}

/* what a step waited for came, and nothing is counted yet */
static void nothing_counted(void **state)
{
	struct event ev = { .type = EVENT_PROGRESS, .id = "copy", .rate = -1,
			    .eta_s = -1, .wait = "somebody" };
	struct strbuf out = STRBUF_INIT;

	(void)state;
	text_event(&ev, false, &out);
	assert_non_null(strstr(out.buf, "copy: waiting: somebody"));
	strbuf_clear(&out);
	ev.wait = NULL;
	text_event(&ev, false, &out);
	assert_non_null(strstr(out.buf, "copy: going on"));
	strbuf_clear(&out);
	ev.unit = "rows";
	text_event(&ev, false, &out);
	assert_non_null(strstr(out.buf, "copy: 0 rows"));
	strbuf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_counted),
		cmocka_unit_test(controls_are_shown),
		cmocka_unit_test(invalid_bytes_are_shown),
		cmocka_unit_test(marks_have_a_base),
		cmocka_unit_test(ascii_alone),
		cmocka_unit_test(columns),
		cmocka_unit_test(cutting),
		cmocka_unit_test(wrapping),
		cmocka_unit_test(walking),
		cmocka_unit_test(tabs),
		cmocka_unit_test(padding),
		cmocka_unit_test(capitals),
	};

	if (!setlocale(LC_ALL, "C.UTF-8")) {
		(void)printf("1..0 # SKIP no locale C.UTF-8\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
