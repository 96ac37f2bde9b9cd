/* SPDX-License-Identifier: MIT */
/*
 * What is valid and yet read differently: told with its place, the same
 * wherever the document is cut into pieces.
 */
#include "scratch.h"

#include "json-notes.h"
#include "json-scan.h"

static void on_note(void *ctx, const struct json_place *at, const char *what)
{
	struct strbuf *out = ctx;
	char word = *what == 'h' ? 's' : strstr(what, "name") ? 'n' : 'd';

	strbuf_addf(out, "%c%d:%d@%d ", word, (int)at->line, (int)at->column,
		    (int)at->offset);
}

/* in pieces of that many bytes; caller frees */
static char *notes(const char *text, size_t len, size_t piece)
{
	struct strbuf out = STRBUF_INIT;
	struct json_notes *n = json_notes_new(on_note, &out);

	for (size_t i = 0; i < len; i += piece) {
		/* a copy of its own, so that a look behind it is seen */
		char *p = xmemdup(text + i, MIN(piece, len - i));

		assert_int_equal(json_notes_feed(n, p, MIN(piece, len - i)),
				 0);
		free(p);
	}
	assert_int_equal(json_notes_end(n), 0);
	json_notes_free(n);
	strbuf_addstr(&out, "");
	return strbuf_detach(&out);
}

static void told(void **state)
{
	static const struct { const char *text, *want; } cases[] = {
		{ "{\"a\": 1, \"b\": {\"a\": 2}, \"c\": [{\"a\": 1}, "
		  "{\"a\": 2}]}", "" },
		{ "{\"a\": 1,\n \"a\": 2, \"a\": 3}", "n2:2@10 n2:10@18 " },
		{ "{\"a\": {\"x\": 1, \"x\": 2}, \"\\u0061\": 3}",
		  "n1:16@15 n1:25@24 " },
		{ "{\"\": 1, \"\": 2}", "n1:9@8 " },
		/* columns are characters */
		{ "{\"\xc3\xa9\xc3\xa9\": 1, \"\xc3\xa9\\u00e9\": 2}",
		  "n1:11@12 " },
		{ "9007199254740992", "" },
		{ "9007199254740993", "d1:1@0 " },
		{ "[0.1, 123456789012345678, 1e400, -1e-400, 0e999, 1E5, "
		  "0.30000000000000004, 3.141592653589793238]",
		  "d1:7@6 d1:27@26 d1:34@33 d1:76@75 " },
		{ "[\"\\ud83d\\ude00\", \"\\ud83d\", \"\\ude00x\", "
		  "\"\\ud83dx\\ude00\", \"\\ud83d\\n\", \"\\\\ud83d\", "
		  "\"\\uD83D\\uD83D\\uDE00\"]",
		  "s1:18@17 s1:28@27 s1:39@38 s1:56@55 s1:79@78 " },
		{ "{\"\\ud800\": 1, \"\\ud800\": 2, \"\\ud801\": 3}",
		  "s1:2@1 s1:15@14 n1:15@14 s1:28@27 " },
		{ " \"\xf0\x9f\x98\x80\\ud800\"", "s1:2@1 " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].text);

		for (size_t piece = 1; piece <= len; piece++) {
			char *got = notes(cases[i].text, len, piece);

			if (strcmp(got, cases[i].want) != 0)
				fail_msg("%s in pieces of %zu: %s, not %s",
					 cases[i].text, piece, got,
					 cases[i].want);
			free(got);
		}
	}
}

/* so many names that they are looked up in a table; then all of them again */
static void many_names(void **state)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char *got;
	int n = 0;

	(void)state;
	strbuf_addstr(&text, "[{\"0\": 0");
	for (int i = 1; i < 5000; i++)
		strbuf_addf(&text, ", \"%d\": {\"%d\": 1, \"x\": [{}]}", i, i);
	for (int i = 0; i < 5000; i += 2)
		strbuf_addf(&text, ", \"%d\": 1", i);
	/* another object knows none of them */
	strbuf_addstr(&text, "}, {\"1\": 1, \"2\": 2}]");
	got = notes(text.buf, text.len, 777);
	for (char *p = got; (p = strchr(p, 'n')); p++)
		n++;
	assert_int_equal(n, 2500);
	free(got);
}

/* a string of 3 MiB in pieces: no note but its own, memory or not */
static void long_tokens(void **state)
{
	static const char half[] = "\\ud83d";
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char *got;

	(void)state;
	strbuf_addstr(&text, "[\"");
	for (int i = 0; i < 300000; i++)
		strbuf_addstr(&text, "\\ud83d\\ude00");
	strbuf_addstr(&text, "\", \"");
	for (int i = 0; i < 300000; i++)
		strbuf_addstr(&text, "0123456789");
	strbuf_addstr(&text, half);
	strbuf_addstr(&text, "\", ");
	for (int i = 0; i < 3000000; i++)
		strbuf_addch(&text, '1');
	strbuf_addch(&text, ']');
	got = notes(text.buf, text.len, 65536);
	assert_string_equal(got, "s1:3600006@3600005 d1:6600016@6600015 ");
	free(got);
}

static void after_a_fault(void **state)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct json_notes *n = json_notes_new(on_note, &out);

	(void)state;
	assert_int_equal(json_notes_feed(n, "{\"a\":1,\"a\":2,]", 14),
			 -EINVAL);
	assert_int_equal(json_notes_end(n), -EINVAL);
	assert_non_null(json_scan_reason(json_notes_scan(n), NULL));
	assert_string_equal(out.buf, "n1:8@7 ");
	/* and the next document is a new one */
	json_notes_reset(n);
	strbuf_clear(&out);
	assert_int_equal(json_notes_feed(n, "{\"a\":1}", 7), 0);
	assert_int_equal(json_notes_end(n), 0);
	assert_int_equal(out.len, 0);
	json_notes_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told),
		cmocka_unit_test(many_names),
		cmocka_unit_test(long_tokens),
		cmocka_unit_test(after_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
