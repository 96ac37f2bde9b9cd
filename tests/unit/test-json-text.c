/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "json-text.h"

static void strings(void **state)
{
	static const struct { const char *token, *text; size_t n; } cases[] = {
		{ "\"\"", "", 0 },
		{ "\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "a\n\t\"\\/\b\f\r", 9 },
		{ "\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac", 6 },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4 },
		{ "\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80", 4 },
		{ "\"\\u0000x\"", "\0x", 2 },
		/* halves of pairs, in WTF-8 */
		{ "\"\\ud800\"", "\xed\xa0\x80", 3 },
		{ "\"\\udc00\\ud800\"", "\xed\xb0\x80\xed\xa0\x80", 6 },
		{ "\"\\ud800\\n\"", "\xed\xa0\x80\n", 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf token = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf again = STRBUF_INIT;

		json_text_decode(cases[i].token, strlen(cases[i].token), &s);
		assert_int_equal(s.len, cases[i].n);
		assert_memory_equal(s.buf, cases[i].text, s.len);
		assert_true(json_text_equal(cases[i].token,
					    strlen(cases[i].token), s.buf,
					    s.len));
		/* another token perhaps, but the same characters */
		json_text_encode(s.buf, s.len, &token);
		json_text_decode(token.buf, token.len, &again);
		assert_int_equal(again.len, s.len);
		assert_memory_equal(again.buf, s.buf, s.len);
	}
	assert_true(json_text_has_lone("\"\\ud800\"", 8));
	assert_true(json_text_has_lone("\"\\ud800\\ud800\\udc00\"", 20));
	assert_false(json_text_has_lone("\"\\ud800\\udc00\"", 14));
	assert_false(json_text_has_lone("\"\\\\ud800\"", 9));
}

static void numbers(void **state)
{
	static const struct { const char *a, *b; int cmp; } cases[] = {
		{ "0", "-0", 0 }, { "0", "0.000e7", 0 }, { "1", "1.0", 0 },
		{ "100", "1e2", 0 }, { "0.01", "1E-2", 0 }, { "0.1", "1", -1 },
		{ "12.5", "125e-1", 0 }, { "-1", "0", -1 }, { "-2", "-1", -1 },
		{ "10", "9", 1 }, { "-10", "-9", -1 }, { "0.5", "0.45", 1 },
		{ "9007199254740993", "9007199254740992", 1 },
		{ "18446744073709551616", "18446744073709551615", 1 },
		{ "1e400", "1e399", 1 }, { "1e-400", "0", 1 },
		{ "1e99999999999999999999", "1e400", 1 },
		{ "1.000000000000000000001", "1", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t an = strlen(cases[i].a), bn = strlen(cases[i].b);

		assert_int_equal(json_number_cmp(cases[i].a, an, cases[i].b,
						 bn), cases[i].cmp);
		assert_int_equal(json_number_cmp(cases[i].b, bn, cases[i].a,
						 an), -cases[i].cmp);
	}
}

static void doubles(void **state)
{
	static const char *const fits[] = {
		"0", "-0", "1.0", "0.1", "1e22", "9007199254740992",
		"1.7976931348623157e308", "123456789012345", "5e-324",
		"0.30000000000000004",
	};
	static const char *const lost[] = {
		"9007199254740993", "1e400", "-1e400", "18446744073709551615",
		"0.1000000000000000055", "1e-400", "12345678901234567890",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fits) / sizeof(*fits); i++)
		assert_true(json_number_fits_double(fits[i],
						    strlen(fits[i])));
	for (size_t i = 0; i < sizeof(lost) / sizeof(*lost); i++)
		assert_false(json_number_fits_double(lost[i],
						     strlen(lost[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings),
		cmocka_unit_test(numbers),
		cmocka_unit_test(doubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
