/* SPDX-License-Identifier: MIT */
/*
 * The scanner against RFC 8259 and RFC 3629: what it takes, what it refuses
 * and where, whatever the cuts between the pieces.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "json-scan.h"

/* a literal that may hold NUL */
#define S(s) { s, sizeof(s) - 1 }

struct text {
	const char *p;
	size_t n;
};

static const struct text good[] = {
	S("0"), S("-0"), S("-0.0e-0"), S("1e400"), S("1E+2"), S("12.50"),
	S("123456789012345678901234567890"), S("true"), S("false"),
	S("null"), S("\"\""), S("[]"), S("{}"), S(" [ ] "), S("\t{\r\n}\n"),
	S("[1,2,[3,{\"a\":[]}]]"), S("{\"a\":1,\"a\":2}"), S("{\"\":null}"),
	S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uABCD\""),
	/* an escape that is half a pair is well-formed */
	S("\"\\ud800\""), S("\"\\u0000\""), S("\"\x7f\""),
	/* both ends of each length of character */
	S("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\""),
	S("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\""),
	S("{\n        \"indented by more than eight\" : [\n"
	  "                  1 ]\n}\n\n"),
	S("\"a longer string, so that steps of eight bytes are used \\\" "
	  "and \xe2\x82\xac between, and behind it some more text\""),
};

struct bad {
	const char *p;
	size_t n;
	uint64_t offset, line, column;
	/* part of the reason */
	const char *why;
};

static const struct bad bad[] = {
	{ "", 0, 0, 1, 1, "no document" },
	{ " \n ", 3, 3, 2, 2, "no document" },
	{ "01", 2, 1, 1, 2, "leading zero" },
	{ "-01", 3, 2, 1, 3, "leading zero" },
	{ "[-]", 3, 2, 1, 3, "digit" },
	{ "[1.]", 4, 3, 1, 4, "digit" },
	{ "[1.e2]", 6, 3, 1, 4, "digit" },
	{ "[1e]", 4, 3, 1, 4, "digit" },
	{ "[1e+]", 5, 4, 1, 5, "digit" },
	{ "+1", 2, 0, 1, 1, "a value" },
	{ ".5", 2, 0, 1, 1, "a value" },
	{ "[1x]", 4, 2, 1, 3, "',' or ']'" },
	{ "NaN", 3, 0, 1, 1, "a value" },
	{ "Infinity", 8, 0, 1, 1, "a value" },
	{ "[nul]", 5, 1, 1, 2, "unknown word" },
	{ "True", 4, 0, 1, 1, "a value" },
	{ "[1,]", 4, 3, 1, 4, "a value" },
	{ "[,1]", 4, 1, 1, 2, "a value or ']'" },
	{ "[1 2]", 5, 3, 1, 4, "',' or ']'" },
	{ "[1}", 3, 2, 1, 3, "',' or ']'" },
	{ "{\"a\":1,}", 8, 7, 1, 8, "a key" },
	{ "{\"a\" 1}", 7, 5, 1, 6, "':'" },
	{ "{\"a\":}", 6, 5, 1, 6, "a value" },
	{ "{a:1}", 5, 1, 1, 2, "a key" },
	{ "{1:1}", 5, 1, 1, 2, "a key" },
	{ "{\"a\":1]", 7, 6, 1, 7, "',' or '}'" },
	{ "'a'", 3, 0, 1, 1, "a value" },
	{ "/* */ 1", 7, 0, 1, 1, "a value" },
	{ "1 2", 3, 2, 1, 3, "behind the document" },
	{ "{}]", 3, 2, 1, 3, "behind the document" },
	{ "]", 1, 0, 1, 1, "a value" },
	{ "[1]\0", 4, 3, 1, 4, "behind the document" },
	{ "\"a\tb\"", 5, 2, 1, 3, "control character" },
	{ "\"12345678\n\"", 11, 9, 1, 10, "control character" },
	{ "\"a\0b\"", 5, 2, 1, 3, "control character" },
	{ "\"\x1f\"", 3, 1, 1, 2, "control character" },
	{ "\"\\x41\"", 6, 2, 1, 3, "unknown escape" },
	{ "\"\\\0\"", 4, 2, 1, 3, "unknown escape" },
	{ "\"\\u12G4\"", 8, 5, 1, 6, "hexadecimal" },
	{ "\xef\xbb\xbf{}", 5, 0, 1, 1, "byte order mark" },
	{ "\xff\xfe{\0}\0", 6, 0, 1, 1, "a value" },
	/* overlong, surrogates, beyond U+10FFFF, lone and missing bytes */
	{ "\"\xc0\xaf\"", 4, 1, 1, 2, "UTF-8" },
	{ "\"\xc1\xbf\"", 4, 1, 1, 2, "UTF-8" },
	{ "\"\xe0\x9f\xbf\"", 5, 1, 1, 2, "UTF-8" },
	{ "\"\xf0\x8f\xbf\xbf\"", 6, 1, 1, 2, "UTF-8" },
	{ "\"\xed\xa0\x80\"", 5, 1, 1, 2, "UTF-8" },
	{ "\"\xed\xbf\xbf\"", 5, 1, 1, 2, "UTF-8" },
	{ "\"\xf4\x90\x80\x80\"", 6, 1, 1, 2, "UTF-8" },
	{ "\"\xf5\x80\x80\x80\"", 6, 1, 1, 2, "UTF-8" },
	{ "\"\x80\"", 3, 1, 1, 2, "UTF-8" },
	{ "\"\xe2\x82\"", 4, 1, 1, 2, "UTF-8" },
	{ "\"\xe2\x82", 3, 1, 1, 2, "too early" },
	{ "\"\xff\"", 3, 1, 1, 2, "UTF-8" },
	/* characters, not bytes, are counted; each line anew */
	{ "[\"\xe2\x82\xac\xc3\xa9\xf0\x9f\x98\x80\",\n \"\xc3\xa9\" x]",
	  22, 20, 2, 6, "',' or ']'" },
	{ "\"\xc3\xa9\xc3\xa9\xff\"", 7, 5, 1, 4, "UTF-8" },
	{ "{\n  \"a\": [1,\n  2,,\n", 19, 17, 3, 5, "a value" },
};

static int scan_cut(struct json_scan *s, const char *p, size_t n, size_t cut)
{
	/* from the heap, so that a sanitizer sees a read beyond the end */
	char *a = xmemdup(p, cut), *b = xmemdup(p + cut, n - cut);
	int r;

	a = xrealloc(a, cut ? cut : 1, 1);
	b = xrealloc(b, n - cut ? n - cut : 1, 1);
	(void)json_scan_feed(s, a, cut);
	(void)json_scan_feed(s, b, n - cut);
	r = json_scan_end(s);
	free(a);
	free(b);
	return r;
}

static void test_good(void **state)
{
	struct json_scan *s = json_scan_new(NULL, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		for (size_t cut = 0; cut <= good[i].n; cut++) {
			json_scan_reset(s);
			if (scan_cut(s, good[i].p, good[i].n, cut))
				fail_msg("%s, cut at %zu: %s", good[i].p, cut,
					 json_scan_reason(s, NULL));
		}
	}
	json_scan_free(s);
}

static void test_bad(void **state)
{
	struct json_scan *s = json_scan_new(NULL, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		for (size_t cut = 0; cut <= bad[i].n; cut++) {
			struct json_place at;
			const char *why;

			json_scan_reset(s);
			if (!scan_cut(s, bad[i].p, bad[i].n, cut))
				fail_msg("case %zu taken: %s", i, bad[i].p);
			why = json_scan_reason(s, &at);
			if (!strstr(why, bad[i].why))
				fail_msg("case %zu: %s", i, why);
			assert_int_equal(at.offset, bad[i].offset);
			assert_int_equal(at.line, bad[i].line);
			assert_int_equal(at.column, bad[i].column);
			/* the first error stays */
			assert_int_equal(json_scan_feed(s, "1", 1), -EINVAL);
			assert_int_equal(json_scan_end(s), -EINVAL);
			assert_ptr_equal(json_scan_reason(s, NULL), why);
		}
	}
	json_scan_free(s);
}

/* every beginning of a document is refused, with the end as its place */
static void test_truncated(void **state)
{
	static const char doc[] =
		"{\"k\\u00e9y\": [true, -1.5e+3, \"\xe2\x82\xac\", {\"a\": "
		"null}, false, \"\xf0\x9f\x98\x80\"], \"z\": 0}";
	struct json_scan *s = json_scan_new(NULL, NULL);

	(void)state;
	for (size_t n = 0; n < sizeof(doc) - 1; n++) {
		struct json_place at;

		json_scan_reset(s);
		assert_int_equal(json_scan_feed(s, doc, n), 0);
		assert_int_equal(json_scan_end(s), -EINVAL);
		(void)json_scan_reason(s, &at);
		/* a cut inside a character names where it begins */
		assert_in_range(at.offset, n < 3 ? 0 : n - 3, n);
	}
	json_scan_free(s);
}

/* each byte value at each place of a short string, cut before and behind */
static void test_every_byte(void **state)
{
	struct json_scan *s = json_scan_new(NULL, NULL);

	(void)state;
	for (int c = 0; c < 256; c++) {
		for (size_t at = 1; at <= 17; at++) {
			char doc[20] = "\"abcdefghijklmnopq\"";
			bool fine = c >= 0x20 && c < 0x80 && c != '"' &&
				c != '\\';

			doc[at] = (char)c;
			json_scan_reset(s);
			(void)scan_cut(s, doc, 19, at);
			/* \c: the next letter happens to be a known escape */
			if (c == '\\' && doc[at + 1] != 'b' &&
			    doc[at + 1] != 'f' && doc[at + 1] != 'n')
				fine = false;
			else if (c == '\\')
				fine = true;
			assert_int_equal(json_scan_end(s) == 0, fine);
		}
	}
	json_scan_free(s);
}

static void test_depth(void **state)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct json_scan *s = json_scan_new(NULL, NULL);
	struct json_place at;

	(void)state;
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		strbuf_addstr(&sb, i % 3 ? "[" : "{\"a\":");
	strbuf_addstr(&sb, "0");
	for (int i = JSON_DEPTH_MAX - 1; i >= 0; i--)
		strbuf_addch(&sb, i % 3 ? ']' : '}');
	assert_int_equal(json_scan_feed(s, sb.buf, sb.len), 0);
	assert_int_equal(json_scan_end(s), 0);

	json_scan_reset(s);
	strbuf_clear(&sb);
	for (int i = 0; i < JSON_DEPTH_MAX + 1; i++)
		strbuf_addch(&sb, '[');
	assert_int_equal(json_scan_feed(s, sb.buf, sb.len), -EINVAL);
	assert_non_null(strstr(json_scan_reason(s, &at), "512"));
	assert_int_equal(at.offset, JSON_DEPTH_MAX);
	json_scan_free(s);
}

static int write_token(void *ctx, const struct json_token *t)
{
	struct strbuf *sb = ctx;

	strbuf_addf(sb, "%c%d:%d-%d ", "{}[]ksntf0"[t->type], t->depth,
		    (int)t->begin, (int)t->end);
	return 0;
}

static void test_tokens(void **state)
{
	static const char doc[] =
		" {\"a\\n\": [1, -2.5,\"\xc3\xa9\"], \"b\":{}, \"c\":true,"
		"\"d\":[false,null]} ";
	static const char want[] =
		"{0:1-2 k1:2-7 [1:9-10 n2:10-11 n2:13-17 s2:18-22 ]1:22-23 "
		"k1:25-28 {1:29-30 }1:30-31 k1:33-36 t1:37-41 k1:42-45 "
		"[1:46-47 f2:47-52 02:53-57 ]1:57-58 }0:58-59 ";
	_cleanup_strbuf_ struct strbuf got = STRBUF_INIT;
	struct json_scan *s = json_scan_new(write_token, &got);

	(void)state;
	for (size_t cut = 0; cut < sizeof(doc); cut++) {
		strbuf_clear(&got);
		json_scan_reset(s);
		assert_int_equal(scan_cut(s, doc, sizeof(doc) - 1, cut), 0);
		assert_string_equal(got.buf, want);
	}
	/* a number at the top ends with the input */
	strbuf_clear(&got);
	json_scan_reset(s);
	assert_int_equal(scan_cut(s, "12", 2, 1), 0);
	assert_string_equal(got.buf, "n0:0-2 ");
	json_scan_free(s);
}

static int stop_at_key(void *ctx, const struct json_token *t)
{
	int *calls = ctx;

	(*calls)++;
	return t->type == JSON_KEY ? 42 : 0;
}

static void test_stop(void **state)
{
	int calls = 0;
	struct json_scan *s = json_scan_new(stop_at_key, &calls);

	(void)state;
	assert_int_equal(json_scan_feed(s, "[{\"a\":[1,2]}", 11), 42);
	assert_int_equal(json_scan_feed(s, "]", 1), 42);
	assert_int_equal(json_scan_end(s), 42);
	assert_int_equal(calls, 3);
	json_scan_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
