/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "json-pointer.h"

/* examples of RFC 6901, section 5, and what stands there */
static const char doc[] =
	"{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2,\n"
	" \"e^f\": 3, \"g|h\": 4, \"i\\\\j\": 5, \"k\\\"l\": 6, \" \": 7,\n"
	" \"m~n\": 8, \"v\": {\"x\": [[], {\"y\": 1.10}], \"y\": \"out\"},\n"
	" \"\\u00e9\": \"\xc3\xa9\\n\", \"twice\": {\"n\": 1},\n"
	" \"twice\": {\"n\": 2}, \"gone\": {\"n\": 1}, \"gone\": {}}";

static const char *const found[][2] = {
	{ "/foo/0", "\"bar\"" }, { "/foo/1", "\"baz\"" }, { "/", "0" },
	{ "/a~1b", "1" }, { "/c%d", "2" }, { "/e^f", "3" }, { "/g|h", "4" },
	{ "/i\\j", "5" }, { "/k\"l", "6" }, { "/ ", "7" }, { "/m~0n", "8" },
	/* a number keeps its text */
	{ "/v/x/1/y", "1.10" }, { "/v/y", "\"out\"" },
	{ "/\xc3\xa9", "\"\xc3\xa9\\n\"" },
	/* the last of two */
	{ "/twice/n", "2" },
	/* of a container its first byte */
	{ "/foo", "[" }, { "/v", "{" }, { "", "{" },
};

static void finds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
		struct json_token t;

		assert_int_equal(json_pointer_find(doc, sizeof(doc) - 1,
						   found[i][0], &t, NULL), 1);
		if (t.end - t.begin != strlen(found[i][1]) ||
		    memcmp(doc + t.begin, found[i][1], t.end - t.begin))
			fail_msg("%s: %.*s", found[i][0],
				 (int)(t.end - t.begin), doc + t.begin);
	}
}

static void finds_nothing(void **state)
{
	static const char *const none[] = {
		"/foo/2", "/foo/-", "/foo/00", "/foo/01", "/x", "/foo/bar",
		"/v/x/1/y/z", "/v/x/0/0", "//", "/gone/n", "/y", "/0", "/foo/",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct json_token t;

		if (json_pointer_find(doc, sizeof(doc) - 1, none[i], &t, NULL))
			fail_msg("%s was found", none[i]);
	}
}

static void refuses(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct json_token t;

	(void)state;
	/* found, but behind it there is a fault */
	assert_int_equal(json_pointer_find("{\"a\": 1,\n \"b\": }", 15, "/a",
					   &t, &err), -EINVAL);
	assert_int_equal(err.code, ERR_JSON);
	assert_non_null(strstr(err.msg, "2:7: "));

	assert_true(json_pointer_valid(""));
	assert_true(json_pointer_valid("/a~0~1/"));
	assert_false(json_pointer_valid("a"));
	assert_false(json_pointer_valid("/a~"));
	assert_false(json_pointer_valid("/a~2"));
}

static void decodes(void **state)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	static const char s[] = "\"a\\u0000\\u20ac\\\"\\/\"";

	(void)state;
	assert_int_equal(json_string_text(s, sizeof(s) - 1, &sb, NULL), 0);
	assert_int_equal(sb.len, 7);
	assert_memory_equal(sb.buf, "a\0\xe2\x82\xac\"/", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(finds_nothing),
		cmocka_unit_test(refuses),
		cmocka_unit_test(decodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
