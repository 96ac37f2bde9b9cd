/* SPDX-License-Identifier: MIT */
/*
 * The kinds json and jsonl: what each operation does to the bytes, what is
 * refused and where, and what is expected.
 */
#include "json-step.h"

#include "json-jq.h"

static void operations(void **state)
{
	static const struct edit_case cases[] = {
		{ E("op = \"add\"; path = \"/b\"; value = 2;"),
		  "{ \"a\": 1 }", "{ \"a\": 1, \"b\": 2 }", NULL },
		{ E("op = \"add\"; path = \"/a\"; value = \"x\";"),
		  "{ \"a\": 1.0 }", "{ \"a\": \"x\" }", NULL },
		{ E("op = \"add\"; path = \"/a/1\"; value = true;"),
		  "{\"a\": [1, 2]}", "{\"a\": [1, true, 2]}", NULL },
		{ E("op = \"add\"; path = \"/a/-\"; json = \"null\";"),
		  "{\"a\": [1, 2]}", "{\"a\": [1, 2, null]}", NULL },
		{ E("op = \"add\"; path = \"/b\"; value = { c = [1, 2]; "
		    "d = \"\\\"\"; };"), "{\n  \"a\": 1\n}\n",
		  "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": [\n      1,\n"
		  "      2\n    ],\n    \"d\": \"\\\"\"\n  }\n}\n", NULL },
		{ E("op = \"add\"; path = \"/x/y\"; value = 1;"),
		  "{}", NULL, "nothing to put it into" },
		{ E("op = \"add\"; path = \"/a/5\"; value = 1;"),
		  "{\"a\":[]}", NULL, "behind the end" },
		{ E("op = \"add\"; path = \"/a/x\"; value = 1;"),
		  "{\"a\":[]}", NULL, "no index" },
		{ E("op = \"remove\"; path = \"/a\";"),
		  "{\"a\": 1, \"b\": 2}", "{\"b\": 2}", NULL },
		{ E("op = \"remove\"; path = \"/c\";"),
		  "{\"a\": 1}", NULL, "operation 1, remove '/c': there is no" },
		{ E("op = \"remove\"; path = \"/a\";"),
		  "{\"a\": 1, \"\\u0061\": 2}", NULL, "there twice" },
		{ E("op = \"replace\"; path = \"/a\"; value = 2;"),
		  "{\"a\" :1}", "{\"a\" :2}", NULL },
		/* what is equal stays as it is written */
		{ E("op = \"replace\"; path = \"/a\"; value = 1;"),
		  "{\"a\": 1.0e0}", "{\"a\": 1.0e0}", NULL },
		{ E("op = \"replace\"; path = \"/a\"; value = \"\xc3\xa9\";"),
		  "{\"a\": \"\\u00e9\"}", "{\"a\": \"\\u00e9\"}", NULL },
		{ E("op = \"move\"; from = \"/a\"; path = \"/b/c\";"),
		  "{\"a\": [1,  2.50], \"b\": {}}",
		  "{\"b\": {\"c\": [1,  2.50]}}", NULL },
		{ E("op = \"move\"; from = \"/a\"; path = \"/a/b\";"),
		  "{\"a\": {}}", NULL, "into itself" },
		{ E("op = \"copy\"; from = \"/a\"; path = \"/b\";"),
		  "{\"a\": 12345678901234567890}",
		  "{\"a\": 12345678901234567890, \"b\": "
		  "12345678901234567890}", NULL },
		{ E("op = \"test\"; path = \"/a\"; value = 1;"),
		  "{\"a\": 1}", "{\"a\": 1}", NULL },
		{ E("op = \"test\"; path = \"/a\"; value = 2;"),
		  "{\"a\": 1}", NULL, "another one" },
		{ E("op = \"rename\"; from = \"/a\"; to = \"b\";"),
		  "{\"a\" :1, \"c\": 2}", "{\"b\" :1, \"c\": 2}", NULL },
		{ E("op = \"rename\"; from = \"/a\"; to = \"c\";"),
		  "{\"a\" :1, \"c\": 2}", NULL, "there already" },
		{ E("op = \"rename\"; from = \"/a~1b\"; to = \"c\\\"d\";"),
		  "{\"a/b\": 1}", "{\"c\\\"d\": 1}", NULL },
		{ E("op = \"default\"; path = \"/b\"; value = 2;"),
		  "{\"a\": 1}", "{\"a\": 1, \"b\": 2}", NULL },
		{ E("op = \"default\"; path = \"/a\"; value = 2;"),
		  "{\"a\": null}", "{\"a\": null}", NULL },
		{ E("op = \"map\"; path = \"/a\"; values = { old = \"new\"; "
		    "x = 1; };"), "{\"a\": \"old\"}", "{\"a\": \"new\"}",
		  NULL },
		{ E("op = \"map\"; path = \"/a\"; values = ( (1, \"one\"), "
		    "(2, \"two\") );"), "{\"a\": 2.0}", "{\"a\": \"two\"}",
		  NULL },
		{ E("op = \"map\"; path = \"/a\"; values = { x = 1; };"),
		  "{\"a\": \"y\"}", "{\"a\": \"y\"}", NULL },
		{ E("op = \"map\"; path = \"/a\"; values = { x = 1; }; "
		    "otherwise = \"fail\";"), "{\"a\": \"y\"}", NULL,
		  "none of those" },
		{ E("op = \"map\"; path = \"/a\"; values = { x = 1; }; "
		    "otherwise = \"value\"; value = 0;"), "{\"a\": \"y\"}",
		  "{\"a\": 0}", NULL },
		/* a place in the message */
		{ STEP("select = \"$.x[*]\"; edit = ( { op = \"remove\"; "
		       "path = \"/a\"; } );"),
		  "{\"x\": [\n {\"a\": 1},\n {\"b\": 1}\n]}", NULL,
		  "a.json:3: operation 1" },
		/* only where */
		{ STEP("select = \"$[*]\"; edit = ( { op = \"remove\"; "
		       "path = \"/a\"; where = \"@.a == 1\"; } );"),
		  "[{\"a\": 1}, {\"a\": 2}, {}]", "[{}, {\"a\": 2}, {}]",
		  NULL },
		/* the selected values themselves */
		{ STEP("select = \"$[?@ > 1]\"; edit = ( { op = \"remove\"; "
		       "path = \"\"; } );"), "[1, 2, 3, 0]", "[1, 0]", NULL },
		{ STEP("select = \"$..a\"; edit = ( { op = \"replace\"; "
		       "path = \"\"; value = 0; } );"),
		  "{\"a\": {\"a\": 1}, \"b\": [{\"a\": 2}]}",
		  "{\"a\": 0, \"b\": [{\"a\": 0}]}", NULL },
		/* one after the other */
		{ STEP("edit = ( { op = \"rename\"; from = \"/a\"; "
		       "to = \"b\"; }, { op = \"move\"; from = \"/b\"; "
		       "path = \"/c\"; }, { op = \"add\"; path = \"/c/x\"; "
		       "value = 1; } );"), "{\"a\": {}}",
		  "{\"c\": {\"x\": 1}}", NULL },
		{ STEP("edit = ( { op = \"add\"; path = \"/b\"; value = 1; }, "
		       "{ op = \"remove\"; path = \"/b\"; } );"),
		  "{\"a\":1 }", "{\"a\":1 }", NULL },
		/* invalid documents, with the byte */
		{ STEP("select = \"$.a[*]\";"), "{\"a\": [1,\n 2,,3]}", NULL,
		  "a.json:2:4: expected a value (byte 13)" },
		{ STEP("select = \"$.a[*]\";"), "{\"a\": [1, 2]", NULL,
		  "a.json:1:13: " },
		{ STEP("select = \"$.a[*]\";"), "{\"a\": [1, 2]}]", NULL,
		  "a.json:1:14: " },
		{ STEP("select = \"$.a[*]\";"), "{\"a\": [1}}", NULL,
		  "a.json:1:9: " },
		{ STEP("select = \"$.a[*]\";"), "{\"a\": [\"x]}", NULL,
		  "a.json:1:12: " },
		{ STEP(""), "{\"a\": tru}", NULL, "a.json:1:7: " },
		/* an object where an array was hoped for; names twice */
		{ STEP("select = \"$.a[*]\"; edit = ( { op = \"replace\"; "
		       "path = \"\"; value = 0; } );"),
		  "{\"a\": {\"x\": 1, \"y\": 2}}",
		  "{\"a\": {\"x\": 0, \"y\": 0}}", NULL },
		{ STEP("select = \"$.a[*]\"; edit = ( { op = \"replace\"; "
		       "path = \"\"; value = 0; } );"),
		  "{\"a\": [1], \"b\": [2], \"\\u0061\": [3 , 4 ]}",
		  "{\"a\": [0], \"b\": [2], \"\\u0061\": [0 , 0 ]}", NULL },
		{ STEP("select = \"$.a[*]\"; edit = ( { op = \"remove\"; "
		       "path = \"/x\"; } );"), "{\"a\": [ ], \"b\": 1}",
		  "{\"a\": [ ], \"b\": 1}", NULL },
	};

	(void)state;
	edits(cases, ARRAY_SIZE(cases), "a.json");
}

#define TO(to) E("op = \"convert\"; path = \"/a\"; to = \"" to "\";")

static void conversions(void **state)
{
	static const struct edit_case cases[] = {
		{ TO("string"), "{\"a\": 18446744073709551616.10}",
		  "{\"a\": \"18446744073709551616.10\"}", NULL },
		{ TO("string"), "{\"a\": true}", "{\"a\": \"true\"}", NULL },
		{ TO("string"), "{\"a\": \"\\u0041\"}",
		  "{\"a\": \"\\u0041\"}", NULL },
		{ TO("string"), "{\"a\": null}", NULL, "cannot be converted" },
		{ TO("number"), "{\"a\": \"-1.50e3\"}", "{\"a\": -1.50e3}",
		  NULL },
		{ TO("number"), "{\"a\": \"01\"}", NULL, "cannot be a number" },
		{ TO("number"), "{\"a\": \" 1\"}", NULL, "cannot be a number" },
		{ TO("number"), "{\"a\": false}", "{\"a\": 0}", NULL },
		{ TO("boolean"), "{\"a\": \"true\"}", "{\"a\": true}", NULL },
		{ TO("boolean"), "{\"a\": 0.0}", "{\"a\": false}", NULL },
		{ TO("boolean"), "{\"a\": \"yes\"}", NULL, "neither true" },
		{ TO("unix-time"), "{\"a\": \"1970-01-01T00:00:00Z\"}",
		  "{\"a\": 0}", NULL },
		{ TO("unix-time"), "{\"a\": \"2026-11-20T12:46:03+01:00\"}",
		  "{\"a\": 1795175163}", NULL },
		{ TO("unix-time"), "{\"a\": \"2000-02-29 23:59:59.120Z\"}",
		  "{\"a\": 951868799.120}", NULL },
		{ TO("unix-time-ms"), "{\"a\": \"2000-02-29T23:59:59.1Z\"}",
		  "{\"a\": 951868799100}", NULL },
		{ TO("unix-time"), "{\"a\": \"2001-02-29T00:00:00Z\"}", NULL,
		  "no such time" },
		{ TO("unix-time"), "{\"a\": \"2001-02-28T00:00:00\"}", NULL,
		  "no zone" },
		{ TO("unix-time"), "{\"a\": \"today\"}", NULL, "RFC 3339" },
		{ TO("unix-time"), "{\"a\": 12}", "{\"a\": 12}", NULL },
		{ TO("iso8601"), "{\"a\": 1795175163}",
		  "{\"a\": \"2026-11-20T11:46:03Z\"}", NULL },
		{ TO("iso8601"), "{\"a\": 951868799.120}",
		  "{\"a\": \"2000-02-29T23:59:59.120Z\"}", NULL },
		{ TO("iso8601"), "{\"a\": -1}",
		  "{\"a\": \"1969-12-31T23:59:59Z\"}", NULL },
		{ TO("iso8601-from-ms"), "{\"a\": 951868799100}",
		  "{\"a\": \"2000-02-29T23:59:59.100Z\"}", NULL },
		{ TO("iso8601"), "{\"a\": 1e9}", NULL, "no time" },
		{ TO("iso8601"), "{\"a\": 99999999999999999999}", NULL,
		  "no time" },
	};

	(void)state;
	edits(cases, ARRAY_SIZE(cases), "a.json");
}

#define X(keys) STEP("select = \"$.a[*]\"; expect = ( { " keys " } );")

static void expectations(void **state)
{
	static const char doc[] = "{\"a\": [{\"id\": 1, \"n\": \"x\"}, "
		"{\"id\": 2}], \"b\": 3}";
	static const struct edit_case cases[] = {
		{ X("path = \"/id\"; type = \"integer\"; required = true; "
		    "unique = true; min = 1; max = 2; count = 2;"), doc, doc,
		  NULL },
		{ X("path = \"/n\"; pattern = \"^x$\"; count = 1;"), doc, doc,
		  NULL },
		{ X("path = \"$.b\"; type = \"number\"; required = true;"),
		  doc, doc, NULL },
		{ X("path = \"$.a[?@.id == 1]\"; count = 1;"), doc, doc,
		  NULL },
		{ X("path = \"/n\"; required = true;"), doc, NULL,
		  "'/n' is missing" },
		{ X("path = \"/id\"; type = \"string\";"), doc, NULL,
		  "'/id' is not of the type 'string'" },
		{ X("path = \"/id\"; max = 1;"), doc, NULL,
		  "'/id' is too large" },
		{ X("path = \"/id\"; min = 1.5;"), doc, NULL,
		  "'/id' is too small" },
		{ X("path = \"/n\"; pattern = \"y\";"), doc, NULL,
		  "'/n' does not fit the pattern" },
		{ X("path = \"/n\"; count = 2;"), doc, NULL,
		  "'/n' is there 1 time, not 2" },
		{ X("path = \"$.c\"; required = true;"), doc, NULL,
		  "'$.c' is missing" },
		{ X("path = \"/id\"; unique = true;"),
		  "{\"a\": [{\"id\": \"\\u0041\"}, {\"id\": \"A\"}]}", NULL,
		  "'/id' is there twice with the same value" },
		{ X("path = \"/id\"; in = { path = \"a.json\"; "
		    "select = \"$.ids[*]\"; };"),
		  "{\"a\": [{\"id\": 1}, {\"id\": 3}], \"ids\": [1, 2]}", NULL,
		  "'/id' names something that is not in 'a.json'" },
		/* after the edit, not before it */
		{ STEP("select = \"$.a[*]\"; expect_before = ( { path = "
		       "\"/id\"; required = true; } ); expect = ( { path = "
		       "\"/key\"; required = true; } ); edit = ( { op = "
		       "\"rename\"; from = \"/id\"; to = \"key\"; } );"),
		  "{\"a\": [{\"id\": 1}]}", "{\"a\": [{\"key\": 1}]}", NULL },
		{ STEP("select = \"$.a[*]\"; expect = ( { path = \"/id\"; "
		       "required = true; } ); edit = ( { op = \"remove\"; "
		       "path = \"/id\"; } );"),
		  "{\"a\": [{\"id\": 1}]}", NULL, "'/id' is missing" },
		{ STEP("select = \"$[?@ > 1]\"; count = \"numbers\"; edit = "
		       "( { op = \"remove\"; path = \"\"; } );"),
		  "[1, 2, 3]", NULL, "2 numbers would become 0" },
		{ STEP("select = \"$[?@ > 1]\"; count = \"numbers\"; "
		       "count_change = \"fewer\"; edit = ( { op = "
		       "\"remove\"; path = \"\"; } );"),
		  "[1, 2, 3]", "[1]", NULL },
	};

	(void)state;
	edits(cases, ARRAY_SIZE(cases), "a.json");
}

#define JQ(program) STEP("select = \"$.a[*]\"; filter = \"" program "\";")

static void filters(void **state)
{
	static const struct edit_case cases[] = {
		{ JQ(".n += 1 | .new = {x: .n}"),
		  "{\"a\": [{ \"n\" : 1, \"k\": 1.50e1, \"l\":[ 1 ] }]}",
		  "{\"a\": [{ \"n\" : 2, \"k\": 1.50e1, \"l\":[ 1 ], "
		  "\"new\" : {\"x\" : 2} }]}", NULL },
		{ JQ("del(.x) | .l[1] = 0"),
		  "{\"a\": [{\"x\": 1, \"l\": [1.0, 2, \"\\u0041\"]}]}",
		  "{\"a\": [{\"l\": [1.0, 0, \"\\u0041\"]}]}", NULL },
		{ JQ("."), "{\"a\": [1.0, \"\\/\", {}], \"b\": "
		  "12345678901234567890}", "{\"a\": [1.0, \"\\/\", {}], "
		  "\"b\": 12345678901234567890}", NULL },
		{ JQ("."), "{\"a\": [{\"x\": 12345678901234567890}]}", NULL,
		  "a.json:1: jq would change a number" },
		{ JQ("."), "{\"a\": [{\"x\": 1, \"x\": 1}]}", NULL,
		  "there twice" },
		{ JQ("."), "{\"a\": [\"\\ud800\"]}", NULL, "surrogate" },
		{ JQ("empty"), "{\"a\": [1]}", NULL, "gives no value" },
		{ JQ("1, 2"), "{\"a\": [1]}", NULL, "more than one" },
		{ JQ(".x"), "{\"a\": [1]}", NULL, "fails for this value" },
	};
	struct step_ctx *c = fake_new();

	(void)state;
	if (!json_jq_available()) {
		/* a plan that wants it is refused, in so many words */
		assert_int_equal(fake_load(c, JQ(".")), -EINVAL);
		assert_non_null(strstr(fake_problem(c), "without jq"));
		fake_free(c, true);
		skip();
	}
	edits(cases, ARRAY_SIZE(cases), "a.json");
	assert_int_equal(fake_load(c, JQ(".a |")), -EINVAL);
	assert_non_null(strstr(fake_problem(c), "'filter': "));
	fake_free(c, true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations),
		cmocka_unit_test(conversions),
		cmocka_unit_test(expectations),
		cmocka_unit_test(filters),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
