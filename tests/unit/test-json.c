/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <math.h>

#include "base/clock.h"
#include "base/json.h"

static char *printed(struct json_object *o)
{
	struct strbuf sb = STRBUF_INIT;

	json_print(o, &sb);
	return strbuf_detach(&sb);
}

static void parses(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {
		{ "{}", "{}" }, { " [1, 2 ] \n", "[1,2]" },
		{ "{\"a\":{\"b\":[true,null,\"x\"]}}",
		  "{\"a\":{\"b\":[true,null,\"x\"]}}" },
		{ "12", "12" }, { "-1.5", "-1.5" }, { "\"a/b\"", "\"a/b\"" },
		{ "true", "true" },
		{ "\"\\u00e4\\ud83d\\ude42\"", "\"\xc3\xa4\xf0\x9f\x99\x82\"" },
		{ "9223372036854775807", "9223372036854775807" },
	};
	static const char *const bad[] = { "", " ", "{", "[1,", "{} x", "{}{}",
		"{\"a\":1,}", "[1,]", "nul", "\"abc", "{\"a\" 1}",
		"[01]", "\x01", "/* */ {}", "tru", "1 2" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_json_ struct json_object *o = NULL;
		_cleanup_free_ char *text = NULL;

		if (json_parse(good[i].in, strlen(good[i].in), &o, NULL) < 0)
			fail_msg("refused: %s", good[i].in);
		text = printed(o);
		assert_string_equal(text, good[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct json_object *o = NULL;

		if (json_parse(bad[i], strlen(bad[i]), &o, &err) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_null(o);
		assert_int_equal(err.code, ERR_JSON);
	}
}

/* Only the bytes that were given, and all of them. */
static void keeps_to_its_length(void **state)
{
	struct json_object *o = NULL;

	(void)state;
	assert_int_equal(json_parse("[1]2", 3, &o, NULL), 0);
	json_object_put(o);
	o = NULL;
	assert_int_equal(json_parse("123", 2, &o, NULL), 0);
	assert_int_equal(json_object_get_int(o), 12);
	json_object_put(o);
	o = NULL;
	assert_int_equal(json_parse("{}\0{}", 5, &o, NULL), -EINVAL);
	assert_int_equal(json_parse("{}\0", 3, &o, NULL), -EINVAL);
	assert_int_equal(json_parse("[1\0]", 4, &o, NULL), -EINVAL);
	assert_int_equal(json_parse("12\0", 3, &o, NULL), -EINVAL);
	assert_null(o);
}

static void too_deep(void **state)
{
	struct json_object *o = NULL;
	char text[400];

	(void)state;
	memset(text, '[', 200);
	memset(text + 200, ']', 200);
	assert_int_equal(json_parse(text, 400, &o, NULL), -EINVAL);
	assert_null(o);
}

static void getters(void **state)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	(void)state;
	json_set_str(o, "s", "text");
	json_set_str(o, "none", NULL);
	json_set_int(o, "i", INT64_MIN);
	json_set_double(o, "d", 1.5);
	json_set_bool(o, "b", true);
	assert_string_equal(json_get_str(o, "s", "x"), "text");
	assert_null(json_get(o, "none"));
	assert_string_equal(json_get_str(o, "i", "x"), "x");
	assert_null(json_get_str(o, "missing", NULL));
	assert_true(json_get_int(o, "i", 1) == INT64_MIN);
	assert_int_equal(json_get_int(o, "s", 7), 7);
	assert_int_equal(json_get_int(o, "d", 7), 7);
	assert_true(json_get_double(o, "d", 0) == 1.5);
	assert_true(json_get_double(o, "i", 0) == (double)INT64_MIN);
	assert_true(json_get_double(o, "s", 2.5) == 2.5);
	assert_true(json_get_bool(o, "b", false));
	assert_true(json_get_bool(o, "i", true));
	assert_null(json_get(NULL, "a"));
	assert_int_equal(json_get_int(NULL, "a", 3), 3);
}

/* What is printed must be read by any parser, whatever goes in. */
static void numbers_stay_json(void **state)
{
	static const double v[] = { 0, 0.1, -2.5, 0.0007, 1e12, 1e28, 1e300,
		-1e300, (double)NAN, (double)INFINITY };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		_cleanup_json_ struct json_object *o =
			json_object_new_object(), *back = NULL;
		_cleanup_free_ char *text = NULL;
		double d;

		json_set_double(o, "d", v[i]);
		text = printed(o);
		assert_int_equal(json_parse(text, strlen(text), &back, NULL),
				 0);
		d = json_get_double(back, "d", -1);
		if (isfinite(v[i]))
			assert_true(fabs(d - v[i]) <= fabs(v[i]) * 1e-12 +
				    0.0005);
		/* the writer sees what a later reader sees */
		if (isfinite(v[i]))
			assert_true(d == json_get_double(o, "d", -1));
		else
			assert_true(d == -1);
	}
}

static void bytes(void **state)
{
	static const char *const v[] = { "", "plain", "\xc3\xa4", "\xff",
		"a\xff\x01z", "\xed\xa0\x80", "\"\\\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		_cleanup_json_ struct json_object *o =
			json_object_new_object(), *back = NULL,
			*a = json_object_new_array();
		_cleanup_free_ char *text = NULL, *got = NULL, *el = NULL;

		json_set_bytes(o, "path", v[i]);
		json_array_add_bytes(a, v[i]);
		json_object_object_add(o, "list", json_object_get(a));
		text = printed(o);
		assert_true(utf8_valid(text, strlen(text)));
		assert_int_equal(json_parse(text, strlen(text), &back, NULL),
				 0);
		got = json_get_bytes(back, "path");
		assert_string_equal(got, v[i]);
		el = json_array_get_bytes(json_get(back, "list"), 0);
		assert_string_equal(el, v[i]);
	}
}

static void bytes_that_are_none(void **state)
{
	static const char *const docs[] = { "{\"p64\":\"###\"}", "{\"p64\":1}",
		"{\"p64\":\"YQ\"}", "{\"p64\":\"YQBi\"}",
		"{\"p\":\"a\\u0000b\"}", "{}", "[]" };
	_cleanup_json_ struct json_object *list = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(docs); i++) {
		_cleanup_json_ struct json_object *o = NULL;

		assert_int_equal(json_parse(docs[i], strlen(docs[i]), &o,
					    NULL), 0);
		assert_null(json_get_bytes(o, "p"));
	}
	assert_int_equal(json_parse("[1,\"a\\u0000\"]", 13, &list, NULL), 0);
	assert_null(json_array_get_bytes(list, 0));
	assert_null(json_array_get_bytes(list, 1));
	assert_null(json_array_get_bytes(list, 9));
}

/* The second of two values is the one that counts, in whichever form. */
static void bytes_set_again(void **state)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_free_ char *a = NULL, *b = NULL;

	(void)state;
	json_set_bytes(o, "p", "plain");
	json_set_bytes(o, "p", "\xff");
	a = json_get_bytes(o, "p");
	assert_string_equal(a, "\xff");
	json_set_bytes(o, "p", "again");
	b = json_get_bytes(o, "p");
	assert_string_equal(b, "again");
	assert_int_equal(json_object_object_length(o), 1);
}

/* A message with a raw name in it must not spoil the document. */
static void strings_are_made_utf8(void **state)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_free_ char *text = NULL;

	(void)state;
	json_set_str(o, "m", "bad '\xff'");
	text = printed(o);
	assert_true(utf8_valid(text, strlen(text)));
	assert_string_equal(json_get_str(o, "m", NULL), "bad '\\xff'");
}

static void utf8(void **state)
{
	static const char *const good[] = { "", "a", "\xc2\x80", "\xdf\xbf",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf",
		"\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xff", "a\xe2(\xa1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	assert_true(utf8_valid("a\0b", 3));
	assert_false(utf8_valid("\xc3\xa4", 1));
}

static void base64(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "\xff\xfe\xfd", "//79" },
	};
	static const char *const bad[] = { "Zg", "Zg=", "Z===", "====", "Zg==Zg==",
		"Zm9\n", "Zm-v", "Zm9v=", "=Zg=" };
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		strbuf_clear(&sb);
		base64_encode(t[i].in, strlen(t[i].in), &sb);
		assert_string_equal(sb.buf, t[i].out);
		strbuf_clear(&sb);
		assert_int_equal(base64_decode(t[i].out, strlen(t[i].out),
					       &sb), 0);
		assert_string_equal(sb.buf, t[i].in);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &sb),
				 -EINVAL);
	strbuf_release(&sb);
}

static void times(void **state)
{
	static const char *const bad[] = { "", "2026-11-20", "x",
		"2026-11-20T11:46:03", "2026-11-20T11:46:03.123",
		"2026-11-20T11:46:03.123Zx", "2026-13-20T11:46:03Z",
		"2026-11-31T11:46:03Z", "2026-11-20T24:46:03Z",
		"2026-11-20T11:60:03Z", "2026-02-29T00:00:00Z",
		"-026-11-20T11:46:03Z", "2026-11-20 11:46:03Z",
		"2026-11-20T11:46:03.Z", "2026-11-20T11:46:03.12Z",
		" 2026-11-20T11:46:03Z" };
	struct timespec ts = { 1795175163, 123999999 }, back;
	char text[CLOCK_TEXT_SIZE];
	uint64_t t = clock_mono_ns();

	(void)state;
	clock_format(&ts, text);
	assert_string_equal(text, "2026-11-20T11:46:03.123Z");
	assert_int_equal(clock_parse(text, &back), 0);
	assert_int_equal(back.tv_sec, ts.tv_sec);
	assert_int_equal(back.tv_nsec, 123000000);
	assert_int_equal(clock_parse("2024-02-29T00:00:00Z", &back), 0);
	assert_int_equal(back.tv_nsec, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (clock_parse(bad[i], &back) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	setenv("UPSHIFT_TEST_CLOCK", "86400", 1);
	clock_now(&ts);
	unsetenv("UPSHIFT_TEST_CLOCK");
	clock_format(&ts, text);
	assert_string_equal(text, "1970-01-02T00:00:00.000Z");
	assert_true(clock_since(t) >= 0);
	assert_true(clock_mono_ns() >= t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(keeps_to_its_length),
		cmocka_unit_test(too_deep),
		cmocka_unit_test(getters),
		cmocka_unit_test(numbers_stay_json),
		cmocka_unit_test(bytes),
		cmocka_unit_test(bytes_that_are_none),
		cmocka_unit_test(bytes_set_again),
		cmocka_unit_test(strings_are_made_utf8),
		cmocka_unit_test(utf8),
		cmocka_unit_test(base64),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
