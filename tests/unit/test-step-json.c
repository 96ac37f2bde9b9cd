/* SPDX-License-Identifier: MIT */
/*
 * The kinds json and jsonl: what each operation does to the bytes, what is
 * refused and where, what is expected, and that a kill leaves old or new.
 */
#include "scratch.h"

#include <sys/stat.h>

#include "base/fsutil.h"
#include "base/json.h"
#include "fake-ctx.h"
#include "json-jq.h"

#define STEP(keys) "steps = ( { id = \"s\"; kind = \"json\"; " \
	"path = \"a.json\"; " keys " } );"
#define LINES(keys) "steps = ( { id = \"s\"; kind = \"jsonl\"; " \
	"path = \"a.jsonl\"; " keys " } );"

static void put(struct step_ctx *c, const char *name, const char *text)
{
	assert_int_equal(fs_write_file(c->root_fd, name, text, strlen(text),
				       0644), 0);
}

static char *get(struct step_ctx *c, const char *name)
{
	struct strbuf s = STRBUF_INIT;

	assert_int_equal(fs_read_file(c->root_fd, name, 1 << 20, &s), 0);
	return strbuf_detach(&s);
}

static void holds(struct step_ctx *c, const char *name, const char *want)
{
	char *text = get(c, name);

	assert_string_equal(text, want);
	free(text);
}

static struct step_ctx *world(const char *steps, const char *file,
			      const char *text)
{
	struct step_ctx *c = fake_new();

	if (!c)
		fail_msg("no world");
	put(c, file, text);
	if (fake_load(c, steps) < 0)
		fail_msg("%s: %s", steps, fake_problem(c));
	return c;
}

/* --- every operation --- */

struct edit_case {
	const char *steps, *text, *want;        /* want NULL: refused */
	const char *why;                        /* part of the message */
};

static void one_edit(const struct edit_case *e, const char *file)
{
	struct step_ctx *c = world(e->steps, file, e->text);
	char *before = fake_tree(c), *after;

	if (e->want) {
		if (fake_check(c) == CHECK_FAIL || fake_apply(c) < 0)
			fail_msg("%s: %s", e->steps, c->err.msg ? c->err.msg :
				 c->log.v[c->log.n - 1]);
		holds(c, file, e->want);
		assert_int_equal(fake_probe(c), PROBE_FULLY);
		if (fake_verify(c) < 0)
			fail_msg("%s: %s", e->steps, c->err.msg);
		assert_int_equal(fake_put_back(c), 0);
		assert_int_equal(fake_probe(c), !strcmp(e->text, e->want) ?
				 PROBE_FULLY : PROBE_NOT);
	} else {
		/* the check says so, and nothing is changed */
		assert_int_equal(fake_check(c), CHECK_FAIL);
		if (!strstr(c->log.v[c->log.n - 1], e->why))
			fail_msg("%s: %s, not %s", e->steps,
				 c->log.v[c->log.n - 1], e->why);
		assert_true(fake_apply(c) < 0);
		if (!strstr(c->err.msg, e->why))
			fail_msg("%s: %s, not %s", e->steps, c->err.msg,
				 e->why);
	}
	after = fake_tree(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	fake_free(c, true);
}

#define E(keys) STEP("edit = ( { " keys " } );")

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
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		one_edit(&cases[i], "a.json");
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
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		one_edit(&cases[i], "a.json");
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
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		one_edit(&cases[i], "a.json");
}

/* --- lines --- */

static void lines(void **state)
{
	static const struct edit_case cases[] = {
		{ LINES("edit = ( { op = \"rename\"; from = \"/a\"; to = "
			"\"b\"; where = \"@.a\"; } );"),
		  "{\"a\": 1}\r\n\r\n  {\"c\": 2} \n\n[1]\n{\"a\":3}",
		  "{\"b\": 1}\r\n\r\n  {\"c\": 2} \n\n[1]\n{\"b\":3}", NULL },
		{ LINES(""), "{}\n{]\n{}\n", NULL, "a.jsonl:2: column 2: " },
		{ LINES("edit = ( { op = \"remove\"; path = \"/a\"; } );"),
		  "{\"a\": 1}\n\n{}\n", NULL, "a.jsonl:3: operation 1" },
		{ LINES("edit = ( { op = \"add\"; path = \"/z\"; value = 1; } "
			"); bad_records = \"quarantine\";"),
		  "{\"a\": 1}\n{oops\n{}\n",
		  "{\"a\": 1, \"z\": 1}\n{oops\n{\"z\": 1}\n", NULL },
		{ LINES("bad_records = \"quarantine\"; max_bad = 1;"),
		  "{oops\n{}\n{again\n", NULL, "a.jsonl:3: " },
		{ LINES("select = \"$.m[*]\"; count = \"messages\"; expect = "
			"( { path = \"\"; type = \"number\"; unique = true; }"
			");"), "{\"m\": [1, 2]}\n{\"m\": [3]}\n",
		  "{\"m\": [1, 2]}\n{\"m\": [3]}\n", NULL },
		{ LINES(""), "", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		one_edit(&cases[i], "a.jsonl");
}

static void quarantine(void **state)
{
	struct step_ctx *c = world(LINES("edit = ( { op = \"remove\"; path = "
		"\"/a\"; } ); bad_records = \"quarantine\";"), "a.jsonl",
		"{\"a\": 1}\n{\"b\": 2}\n{\"a\": \xff}\n");
	_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;

	(void)state;
	assert_int_equal(fake_check(c), CHECK_WARN);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.jsonl", "{}\n{\"b\": 2}\n{\"a\": \xff}\n");
	assert_int_equal(fs_read_file(c->state_fd, "quarantine-s.jsonl", 4096,
				      &s), 0);
	assert_non_null(strstr(s.buf, "\"line\":2"));
	assert_non_null(strstr(s.buf, "no such value"));
	assert_non_null(strstr(s.buf, "{\\\"b\\\": 2}"));
	/* bytes that are no UTF-8 as base64 */
	assert_non_null(strstr(s.buf, "\"record64\":\"eyJhIjog/30=\""));
	assert_non_null(strstr(c->log.v[c->log.n - 1], "2 bad records"));
	fake_free(c, true);
}

/* --- files --- */

static void what_is_not_touched(void **state)
{
	struct step_ctx *c = world("steps = ( { id = \"s\"; kind = \"json\"; "
		"paths = [\"d/**/*.json\"]; edit = ( { op = \"default\"; path "
		"= \"/v\"; value = 2; } ); } );", "x.json", "{}");
	struct stat a, b;

	(void)state;
	fake_sh(c, "mkdir -p d/e; printf '{\"v\": 1}' >d/one.json; "
		"printf '{ }' >d/e/two.json; printf x >d/other; "
		"chmod 640 d/e/two.json; ln -s two.json d/e/link.json");
	assert_int_equal(fstatat(c->root_fd, "d/one.json", &a, 0), 0);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "d/e/two.json", "{\"v\": 2}");
	assert_int_equal(fstatat(c->root_fd, "d/e/two.json", &b, 0), 0);
	assert_int_equal(b.st_mode & 07777, 0640);
	/* nothing to do: the same file with the same time */
	assert_int_equal(fstatat(c->root_fd, "d/one.json", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	/* what came later is none of ours */
	fake_sh(c, "echo '[]' >d/new.json");
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	/* what was changed behind our back is seen */
	fake_sh(c, "echo '{}' >d/one.json");
	assert_int_equal(fake_verify(c), -EBADMSG);
	fake_free(c, true);
}

static void alternatives(void **state)
{
	static const char steps[] = "steps = ( { id = \"s\"; kind = \"json\"; "
		"path = [\"new/a.json\", \"a.json\"]; count = \"things\"; "
		"select = \"$[*]\"; edit = ( { op = \"replace\"; path = \"\"; "
		"value = 0; } ); } );";
	struct step_ctx *c = world(steps, "a.json", "[1]");

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.json", "[0]");
	fake_free(c, true);

	c = world(steps, "a.json", "[1]");
	fake_sh(c, "mkdir new; echo '[2]' >new/a.json");
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.json", "[1]");
	holds(c, "new/a.json", "[0]\n");
	fake_free(c, true);

	/* none of them: nothing to do, and no error */
	c = world(steps, "b.json", "[1]");
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	fake_free(c, true);
}

static void output(void **state)
{
	struct step_ctx *c = world(STEP("output = \"cache/index.json\"; "
		"select = \"$[*]\"; edit = ( { op = \"remove\"; path = "
		"\"/big\"; } );"), "a.json",
		"[ {\"id\": 1, \"big\": 2},\n {\"big\": 1} ]\n");

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.json", "[ {\"id\": 1, \"big\": 2},\n {\"big\": 1} ]\n");
	holds(c, "cache/index.json", "[ {\"id\": 1},\n {} ]\n");
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	assert_false(there(c->root_fd, "cache"));
	fake_free(c, true);
}

static void previews(void **state)
{
	struct step_ctx *c = world(E("op = \"rename\"; from = \"/a\"; to = "
				     "\"b\";"), "a.json", "{\n  \"a\": 1\n}\n");
	char *p = fake_preview(c);

	(void)state;
	assert_non_null(strstr(p, "edit 'a.json': 1 of 1 values change"));
	assert_non_null(strstr(p, "-  \"a\": 1\n+  \"b\": 1"));
	free(p);
	fake_free(c, true);
}

/* --- plans --- */

static void refused_plans(void **state)
{
	static const struct { const char *steps, *why; } cases[] = {
		{ "steps = ( { id = \"s\"; kind = \"json\"; } );",
		  "one of 'path' and 'paths'" },
		{ STEP("select = \"$[?length(@.a) > 1]\";"),
		  "the function 'length' is not supported" },
		{ STEP("select = \"a\";"), "a path begins with '$'" },
		{ E("op = \"ad\"; path = \"/a\";"), "did you mean 'add'" },
		{ E("op = \"add\"; path = \"a\"; value = 1;"),
		  "no JSON Pointer" },
		{ E("op = \"add\"; path = \"/a\";"), "'value' is missing" },
		{ E("op = \"add\"; path = \"/a\"; value = 1; json = \"1\";"),
		  "one of 'value' and 'json'" },
		{ E("op = \"add\"; path = \"/a\"; json = \"{\";"),
		  "no valid JSON" },
		{ E("op = \"rename\"; from = \"/a\"; to = \"/b\";"),
		  "a name, not a path" },
		{ E("op = \"rename\"; from = \"\"; to = \"b\";"),
		  "has no name here" },
		{ E("op = \"remove\"; path = \"/a\"; where = \"@.a = 1\";"),
		  "no condition" },
		{ E("op = \"remove\"; path = \"/a\"; value = 1;"),
		  "unknown key 'value'" },
		{ E("op = \"secret\"; path = \"/a\"; name = \"{\"; store = { "
		    "file = \"s/k.json\"; };"), "without its other half" },
		{ E("op = \"secret\"; path = \"/a\"; name = \"x\";"),
		  "'store' is missing" },
		{ E("op = \"secret\"; path = \"/a\"; name = \"x\"; store = { "
		    "file = \"k.json\"; };"), "directory of its own" },
		{ E("op = \"secret\"; path = \"/a\"; name = \"x\"; store = { "
		    "put = [\"p\", \"{name}\"]; get = [\"g\"]; remove = "
		    "[\"r\", \"{name}\"]; };"), "'{name}'" },
		{ STEP("split = \"{id}.json\";"), "a directory" },
		{ STEP("split = \"../x/{id}\";"), "below the root" },
		{ STEP("split = \"n/{id}\"; output = \"x\";"),
		  "a step of its own" },
		{ LINES("expect = ( { path = \"$.a\"; } );"), "no meaning" },
		{ STEP("bad_records = \"stop\";"), "unknown key" },
		{ STEP("expect = ( { path = \"/a\"; type = \"text\"; } );"),
		  "unknown word 'text'" },
		{ STEP("expect = ( { path = \"/a\"; min = \"1\"; } );"),
		  "must be a number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct step_ctx *c = fake_new();

		assert_int_equal(fake_load(c, cases[i].steps), -EINVAL);
		if (!strstr(fake_problem(c), cases[i].why))
			fail_msg("%s: %s", cases[i].steps, fake_problem(c));
		fake_free(c, true);
	}
}

/* --- secrets --- */

#define SECRET(more) STEP("select = \"$.p[*]\"; edit = ( { op = \"secret\"; " \
	"path = \"/key\"; name = \"p/{id}/key\"; where = \"@.key\"; " more \
	" } );")
#define FILE_STORE "store = { file = \"secrets/keys.json\"; };"

static void secrets(void **state)
{
	struct step_ctx *c = world(SECRET(FILE_STORE), "a.json",
		"{\"p\": [{\"id\": 1, \"key\": \"s\\u0065cret-canary\"},\n"
		" {\"id\": \"b\", \"key\": \"\"}, {\"id\": 3, \"key\": null},"
		" {\"id\": 4}]}");
	char *before = fake_tree(c), *after, *p = fake_preview(c);
	struct stat st;

	(void)state;
	/* in neither spelling */
	assert_null(strstr(p, "canary"));
	assert_non_null(strstr(p, "\"***\""));
	free(p);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.json", "{\"p\": [{\"id\": 1, \"key\": "
	      "\"secret:p/1/key\"},\n {\"id\": \"b\", \"key\": \"\"}, "
	      "{\"id\": 3, \"key\": null}, {\"id\": 4}]}");
	holds(c, "secrets/keys.json",
	      "{\"p/1/key\": \"secret-canary\"}\n");
	assert_int_equal(fstatat(c->root_fd, "secrets/keys.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fstatat(c->root_fd, "secrets", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	for (size_t i = 0; i < c->log.n; i++)
		assert_null(strstr(c->log.v[i], "canary"));
	assert_null(strstr(json_object_to_json_string(c->facts), "canary"));
	assert_int_equal(fake_put_back(c), 0);
	after = fake_tree(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	fake_free(c, true);
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
		fake_free(c, true);
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		one_edit(&cases[i], "a.json");
	assert_int_equal(fake_load(c, JQ(".a |")), -EINVAL);
	assert_non_null(strstr(fake_problem(c), "'filter': "));
	fake_free(c, true);
}

static void what_is_left(void **state)
{
	static const struct edit_case cases[] = {
		{ SECRET("leave = \"null\"; " FILE_STORE),
		  "{\"p\": [{\"id\": 1, \"key\": [1]}]}",
		  "{\"p\": [{\"id\": 1, \"key\": null}]}", NULL },
		{ SECRET("leave = \"nothing\"; " FILE_STORE),
		  "{\"p\": [{\"id\": 1, \"key\": \"x\"}]}",
		  "{\"p\": [{\"id\": 1}]}", NULL },
		{ SECRET("leave = \"{{{name}}} of {id}\"; " FILE_STORE),
		  "{\"p\": [{\"id\": 1, \"key\": \"x\"}]}",
		  "{\"p\": [{\"id\": 1, \"key\": \"{p/1/key} of 1\"}]}",
		  NULL },
		/* taken out before */
		{ SECRET(FILE_STORE),
		  "{\"p\": [{\"id\": 1, \"key\": \"secret:p/1/key\"}]}",
		  "{\"p\": [{\"id\": 1, \"key\": \"secret:p/1/key\"}]}",
		  NULL },
		{ SECRET(FILE_STORE), "{\"p\": [{\"key\": \"x\"}]}", NULL,
		  "there is no 'id'" },
		{ SECRET(FILE_STORE),
		  "{\"p\": [{\"id\": \"../x\", \"key\": \"x\"}]}", NULL,
		  "holds a slash" },
		{ SECRET(FILE_STORE),
		  "{\"p\": [{\"id\": \"..\", \"key\": \"x\"}]}", NULL,
		  "'.' or '..'" },
		{ SECRET(FILE_STORE),
		  "{\"p\": [{\"id\": \"-x\", \"key\": \"x\"}]}", NULL,
		  "begin with '-'" },
		{ SECRET(FILE_STORE), "{\"p\": [{\"id\": 1, \"key\": \"x\"}, "
		  "{\"id\": 1, \"key\": \"y\"}]}", NULL,
		  "two different values would have the name 'p/1/key'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		one_edit(&cases[i], "a.json");
}

static void stores_that_are_there(void **state)
{
	static const char doc[] = "{\"p\": [{\"id\": 1, \"key\": \"new\"}]}";
	static const struct { const char *sh, *why; } cases[] = {
		{ "mkdir -m 700 secrets; umask 077; echo '{ \"p/1/key\": "
		  "\"old\" }' >secrets/keys.json", "another value" },
		{ "mkdir -m 755 secrets", "closed to others" },
		{ "mkdir -m 700 secrets; echo '{}' >secrets/keys.json; "
		  "chmod 644 secrets/keys.json", "closed to others" },
		{ "mkdir -m 700 secrets; umask 077; echo '[]' "
		  ">secrets/keys.json", "no store" },
		{ "mkdir -m 700 secrets; umask 077; echo '{ \"x\" : 1.0 }' "
		  ">secrets/keys.json", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct step_ctx *c = world(SECRET(FILE_STORE), "a.json", doc);

		fake_sh(c, cases[i].sh);
		if (cases[i].why) {
			assert_true(fake_apply(c) < 0);
			assert_non_null(strstr(c->err.msg, cases[i].why));
			assert_null(strstr(c->err.msg, "new"));
			holds(c, "a.json", doc);
		} else {
			assert_int_equal(fake_apply(c), 0);
			holds(c, "secrets/keys.json", "{ \"x\" : 1.0, "
			      "\"p/1/key\" : \"new\" }\n");
		}
		fake_free(c, true);
	}
}

/* a store of files, one a name, outside of what the step declares */
#define COMMAND_STORE "store = { " \
	"put = [\"sh\", \"-c\", \"cat >../k-$(echo \\\"$1\\\" | tr / _)\", " \
	"\"put\", \"{name}\"]; " \
	"get = [\"sh\", \"-c\", \"cat ../k-$(echo \\\"$1\\\" | tr / _)\", " \
	"\"get\", \"{name}\"]; " \
	"remove = [\"sh\", \"-c\", \"rm ../k-$(echo \\\"$1\\\" | tr / _)\", " \
	"\"rm\", \"{name}\"]; };"

static void commands(void **state)
{
	static const char doc[] = "{\"p\": [{\"id\": 1, \"key\": "
		"\"canary\\nof two lines\\n\"}, {\"id\": 2, \"key\": "
		"\"was there\"}]}";
	struct step_ctx *c = world(SECRET(COMMAND_STORE), "a.json", doc);
	struct error err = ERROR_INIT;

	(void)state;
	fake_sh(c, "printf 'was there' >../k-p_2_key");
	assert_int_equal(fake_apply(c), 0);
	fake_sh(c, "printf 'canary\\nof two lines\\n' | cmp - ../k-p_1_key");
	for (size_t i = 0; i < c->log.n; i++)
		assert_null(strstr(c->log.v[i], "canary"));
	assert_null(strstr(json_object_to_json_string(c->facts), "canary"));
	/* what was there before stays; twice is fine */
	for (int i = 0; i < 2; i++)
		assert_int_equal(c->step->ops->undo(c->step, c, &err), 0);
	fake_sh(c, "test ! -e ../k-p_1_key && test -e ../k-p_2_key");
	/* and back to where it was: the old document has them again */
	put(c, "a.json", doc);
	for (int i = 0; i < 2; i++)
		assert_int_equal(c->step->ops->redo(c->step, c, &err), 0);
	fake_sh(c, "printf 'canary\\nof two lines\\n' | cmp - ../k-p_1_key");
	fake_free(c, true);

	c = world(SECRET(COMMAND_STORE), "a.json", doc);
	fake_sh(c, "echo other >../k-p_2_key");
	assert_true(fake_apply(c) < 0);
	assert_non_null(strstr(c->err.msg, "another value"));
	/* nothing was put, and nothing changed */
	fake_sh(c, "test ! -e ../k-p_1_key");
	holds(c, "a.json", doc);
	fake_free(c, true);
}

/* --- split and join --- */

#define SPLIT STEP("select = \"$.n[*]\"; split = \"notes/{id}.json\";")
#define JOIN "steps = ( { id = \"s\"; kind = \"json\"; path = " \
	"\"all.json\"; join = [\"notes/*.json\"]; } );"

static void splits_and_joins(void **state)
{
	static const char doc[] = "{\"n\": [{\"id\": \"b\",  \"v\": 1.0},\n"
		" {\"id\": 7, \"x\": [ ]}]}";
	static const struct { const char *text, *why; } bad[] = {
		{ "{\"n\": [{\"id\": 1}, {\"id\": \"1\"}]}", "two values" },
		{ "{\"n\": [{\"id\": \"a/b\"}]}", "slash" },
		{ "{\"n\": [{}]}", "there is no 'id'" },
	};
	struct step_ctx *c = world(SPLIT, "a.json", doc);
	char *before = fake_tree(c), *after;

	(void)state;
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "notes/b.json", "{\"id\": \"b\",  \"v\": 1.0}\n");
	holds(c, "notes/7.json", "{\"id\": 7, \"x\": [ ]}\n");
	holds(c, "a.json", doc);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	after = fake_tree(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	/* a file that is there must be equal */
	fake_sh(c, "mkdir notes; echo 1 >notes/7.json");
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_int_equal(fake_apply(c), -EEXIST);
	fake_free(c, true);

	c = world(JOIN, "b", "");
	fake_sh(c, "mkdir notes; echo ' {\"a\" : 1.0}' >notes/2.json; "
		"echo 7 >notes/1.json");
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "all.json", "[\n  7,\n  {\"a\" : 1.0}\n]\n");
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	fake_free(c, true);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		c = world(SPLIT, "a.json", bad[i].text);
		assert_int_equal(fake_check(c), CHECK_FAIL);
		assert_non_null(strstr(c->log.v[c->log.n - 1], bad[i].why));
		assert_true(fake_apply(c) < 0);
		fake_free(c, true);
	}
}

/* --- kills --- */

static void kills(void **state)
{
	(void)state;
	assert_true(fake_sweep(STEP("select = \"$[*]\"; edit = ( { op = "
		"\"default\"; path = \"/v\"; value = 1; } );"),
		"echo '[{}, {\"v\": 2}]' >a.json; chmod 600 a.json") > 3);
	assert_true(fake_sweep("steps = ( { id = \"s\"; kind = \"jsonl\"; "
		"paths = [\"*.jsonl\"]; edit = ( { op = \"remove\"; path = "
		"\"/v\"; where = \"@.v\"; } ); } );",
		"for i in a b c; do echo '{\"v\": 1}' >$i.jsonl; done; "
		"echo '{}' >d.jsonl") > 6);
	assert_true(fake_sweep(SECRET(FILE_STORE),
		"echo '{\"p\": [{\"id\": 1, \"key\": \"x\"}]}' >a.json") > 6);
	assert_true(fake_sweep(SPLIT, "echo '{\"n\": [{\"id\": 1}, "
		"{\"id\": 2}, {\"id\": 3}]}' >a.json") > 6);
	assert_true(fake_sweep(JOIN, "mkdir notes; echo 1 >notes/1.json")
		    > 3);
	assert_true(fake_sweep(STEP("output = \"n/b.json\";"),
		"echo '[]' >a.json") > 3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations),
		cmocka_unit_test(conversions),
		cmocka_unit_test(expectations),
		cmocka_unit_test(lines),
		cmocka_unit_test(quarantine),
		cmocka_unit_test(what_is_not_touched),
		cmocka_unit_test(alternatives),
		cmocka_unit_test(output),
		cmocka_unit_test(previews),
		cmocka_unit_test(refused_plans),
		cmocka_unit_test(secrets),
		cmocka_unit_test(filters),
		cmocka_unit_test(what_is_left),
		cmocka_unit_test(stores_that_are_there),
		cmocka_unit_test(commands),
		cmocka_unit_test(splits_and_joins),
		cmocka_unit_test(kills),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
