/* SPDX-License-Identifier: MIT */
/*
 * Edits keep what they do not name: by hand, and by 10,000 documents from
 * seeds with random edits, whose result must be what the edited tree says and
 * must lead back to the same bytes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "json-edit.h"
#include "json-gen.h"
#include "json-scan.h"

#define SEEDS 10000

static void parse(struct json_tree *t, const char *text)
{
	json_tree_init(t);
	assert_int_equal(json_tree_parse(t, text, strlen(text)), 0);
}

/* the text after the edits, which must lead back */
static void after(const struct json_tree *t, struct strbuf *out)
{
	_cleanup_json_splices_ struct json_splices s = JSON_SPLICES_INIT;
	_cleanup_json_splices_ struct json_splices back = JSON_SPLICES_INIT;
	_cleanup_strbuf_ struct strbuf again = STRBUF_INIT;

	json_splices(t, &s);
	json_splices_apply(&s, t->text, t->len, out);
	json_splices_invert(&s, t->text, &back);
	json_splices_apply(&back, out->buf, out->len, &again);
	assert_int_equal(again.len, t->len);
	assert_memory_equal(again.buf, t->text, t->len);
	/* at least one byte differs if there is a splice, and the reverse */
	assert_int_equal(!s.n, out->len == t->len &&
			 !memcmp(out->buf, t->text, t->len));
}

static uint32_t find(const struct json_tree *t, const char *path)
{
	uint32_t i = JSON_ROOT;

	for (; *path; path++) {
		i = json_type_of(t, i) == JSON_T_ARRAY ?
			json_element(t, i, (uint64_t)(*path - '0')) :
			json_member(t, i, path, 1);
		assert_int_not_equal(i, 0);
	}
	return i;
}

struct edit {
	const char *op;         /* replace, remove, rename, add, insert */
	const char *at;         /* a letter or digit for each level */
	const char *key;        /* index for insert */
	const char *value;
};

static void do_edit(struct json_tree *t, const struct edit *e)
{
	uint32_t i = find(t, e->at);
	int ret = 0;

	if (!strcmp(e->op, "replace"))
		ret = json_edit_replace(t, i, e->value, strlen(e->value),
					true);
	else if (!strcmp(e->op, "remove"))
		json_edit_remove(t, i);
	else if (!strcmp(e->op, "rename"))
		ret = json_edit_rename(t, i, e->key, strlen(e->key));
	else if (!strcmp(e->op, "add"))
		ret = json_edit_member(t, i, e->key, strlen(e->key), e->value,
				       strlen(e->value), true);
	else
		ret = json_edit_element(t, i, (uint64_t)(*e->key - '0'),
					e->value, strlen(e->value), true);
	assert_int_equal(ret, 0);
}

static void edits(void **state)
{
	static const struct {
		const char *text;
		struct edit edit[4];
		const char *want;
	} cases[] = {
		{ "{\"a\":1}", { { NULL, NULL, NULL, NULL } }, "{\"a\":1}" },
		/* members are written as those before them */
		{ "{\"a\":1}", { { "add", "", "\"b\"", "2" } },
		  "{\"a\":1,\"b\":2}" },
		{ "{\"a\": 1}", { { "add", "", "\"b\"", "2" } },
		  "{\"a\": 1, \"b\": 2}" },
		{ "{ \"a\" : 1 }", { { "add", "", "\"b\"", "2" } },
		  "{ \"a\" : 1, \"b\" : 2 }" },
		{ "{\n\t\"a\": 1\n}\n", { { "add", "", "\"b\"", "2" } },
		  "{\n\t\"a\": 1,\n\t\"b\": 2\n}\n" },
		{ "{\r\n  \"a\": 1\r\n}\r\n", { { "add", "", "\"b\"", "2" } },
		  "{\r\n  \"a\": 1,\r\n  \"b\": 2\r\n}\r\n" },
		{ "{\"a\":1\n,\"c\":3}", { { "add", "", "\"b\"", "2" } },
		  "{\"a\":1\n,\"c\":3,\"b\":2}" },
		{ "{}", { { "add", "", "\"b\"", "2" } }, "{\"b\": 2}" },
		{ "{ }", { { "add", "", "\"b\"", "2" } }, "{\"b\": 2}" },
		{ "{\"a\":{}}", { { "add", "a", "\"b\"", "2" } },
		  "{\"a\":{\"b\":2}}" },
		{ "{\n  \"a\": {}\n}", { { "add", "a", "\"b\"", "2" } },
		  "{\n  \"a\": {\n    \"b\": 2\n  }\n}" },
		{ "{\n  \"a\": [ ]\n}", { { "insert", "a", "0", "2" } },
		  "{\n  \"a\": [\n    2\n  ]\n}" },
		/* so are members of members */
		{ "{\n  \"a\": 1\n}",
		  { { "add", "", "\"b\"", "{\"c\":[1,{}],\"d\":{\"e\":2}}" } },
		  "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": [\n      1,\n"
		  "      {}\n    ],\n    \"d\": {\n      \"e\": 2\n    }\n"
		  "  }\n}" },
		{ "{\"a\": 1}", { { "add", "", "\"b\"", "{\"c\":[1,2]}" } },
		  "{\"a\": 1, \"b\": {\"c\": [1, 2]}}" },
		{ "{\n \"a\": 1, \"b\": 2\n}",
		  { { "replace", "a", NULL, "{\"c\":1}" } },
		  "{\n \"a\": {\n  \"c\": 1\n }, \"b\": 2\n}" },
		/* elements at any place */
		{ "[1, 2]", { { "insert", "", "0", "0" } }, "[0, 1, 2]" },
		{ "[1, 2]", { { "insert", "", "1", "0" } }, "[1, 0, 2]" },
		{ "[ 1, 2 ]", { { "insert", "", "2", "0" } }, "[ 1, 2, 0 ]" },
		{ "[\n 1\n]", { { "insert", "", "0", "0" } },
		  "[\n 0,\n 1\n]" },
		{ "[]", { { "insert", "", "0", "0" } }, "[0]" },
		{ "[1]", { { "insert", "", "0", "7" }, { "remove", "1", NULL, NULL } },
		  "[7]" },
		/* gone: from the end of what is before, or up to what is next */
		{ "{\"a\":1, \"b\":2}", { { "remove", "a", NULL, NULL } }, "{\"b\":2}" },
		{ "{\"a\":1 , \"b\":2 }", { { "remove", "b", NULL, NULL } },
		  "{\"a\":1 }" },
		{ "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}",
		  { { "remove", "b", NULL, NULL } },
		  "{\n  \"a\": 1,\n  \"c\": 3\n}" },
		{ "{\n  \"a\": 1\n}", { { "remove", "a", NULL, NULL } }, "{}" },
		{ "[1, 2, 3]", { { "remove", "0", NULL, NULL }, { "remove", "0", NULL, NULL } },
		  "[3]" },
		{ "[1, 2, 3]", { { "remove", "2", NULL, NULL }, { "remove", "0", NULL, NULL } },
		  "[2]" },
		{ "[ 1, 2 ]", { { "remove", "0", NULL, NULL }, { "remove", "0", NULL, NULL },
				{ "insert", "", "0", "5" } }, "[ 5 ]" },
		/* a place is kept */
		{ "{\"a\" :1,\"b\":2}", { { "rename", "a", "\"c\"", NULL } },
		  "{\"c\" :1,\"b\":2}" },
		{ "{\"a\":1.10}", { { "replace", "a", NULL, "1.10" } },
		  "{\"a\":1.10}" },
		/* there and back again */
		{ "{\"a\":1, \"b\":2 }", { { "add", "", "\"c\"", "3" },
					   { "remove", "c", NULL, NULL } },
		  "{\"a\":1, \"b\":2 }" },
		{ "{\"a\": 1}", { { "rename", "a", "\"b\"", NULL },
				  { "rename", "b", "\"a\"", NULL } },
		  "{\"a\": 1}" },
		{ "[1]", { { "replace", "0", NULL, "2" },
			   { "replace", "0", NULL, "1" } }, "[1]" },
		/* what was put in can be edited */
		{ "{\"a\": 1}", { { "add", "", "\"b\"", "{\"c\":1}" },
				  { "add", "b", "\"d\"", "[]" },
				  { "remove", "bc", NULL, NULL },
				  { "insert", "bd", "0", "null" } },
		  "{\"a\": 1, \"b\": {\"d\": [null]}}" },
		{ "7", { { "replace", "", NULL, "{\"a\":[1]}" } },
		  "{\"a\": [1]}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_tree_ struct json_tree t;
		_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

		parse(&t, cases[i].text);
		for (size_t k = 0; k < 4 && cases[i].edit[k].op; k++)
			do_edit(&t, &cases[i].edit[k]);
		after(&t, &out);
		assert_string_equal(out.buf, cases[i].want);
	}
}

static void refused_texts(void **state)
{
	_cleanup_json_tree_ struct json_tree t;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	(void)state;
	parse(&t, "{\"a\": 1}");
	assert_int_equal(json_edit_replace(&t, find(&t, "a"), "1 2", 3, true),
			 -EINVAL);
	assert_int_equal(json_edit_rename(&t, find(&t, "a"), "1", 1), -EINVAL);
	assert_int_equal(json_edit_member(&t, JSON_ROOT, "\"b\"", 3, "", 0,
					  true), -EINVAL);
	after(&t, &out);
	assert_string_equal(out.buf, "{\"a\": 1}");
}

/* --- by the thousand --- */

/* a node of the tree as it is now */
static uint32_t some_node(struct gen *g, const struct json_tree *t)
{
	uint32_t i = JSON_ROOT;

	while (gen_below(g, 4)) {
		size_t n = json_count(t, i);

		if (!n)
			break;
		i = json_child(t, i);
		for (uint32_t k = gen_below(g, (uint32_t)n); k; k--)
			i = json_next(t, i);
	}
	return i;
}

static void random_edit(struct gen *g, struct json_tree *t)
{
	_cleanup_strbuf_ struct strbuf v = STRBUF_INIT, key = STRBUF_INIT;
	uint32_t i = some_node(g, t), what = gen_below(g, 4);
	enum json_node_type type = json_type_of(t, i);
	bool fresh = gen_below(g, 2);
	unsigned int style = g->style;
	int ret = 0;

	g->style = gen_below(g, 4);
	gen_value(g, 4, &v);
	gen_string(g, &key);
	g->style = style;
	if (what == 0 && i != JSON_ROOT)
		json_edit_remove(t, i);
	else if (what == 1 && i != JSON_ROOT &&
		 t->v[i].key_end)
		ret = json_edit_rename(t, i, key.buf, key.len);
	else if (what == 2)
		ret = json_edit_replace(t, i, v.buf, v.len, fresh);
	else if (type == JSON_T_OBJECT)
		ret = json_edit_member(t, i, key.buf, key.len, v.buf, v.len,
				       fresh);
	else if (type == JSON_T_ARRAY)
		ret = json_edit_element(t, i, gen_below(g, 1 +
					(uint32_t)json_count(t, i)),
					v.buf, v.len, fresh);
	assert_int_equal(ret, 0);
}

/* as short as it can be, tokens as they are */
static void canonical(const struct json_tree *t, uint32_t i,
		      struct strbuf *out)
{
	enum json_node_type type = json_type_of(t, i);
	bool first = true;
	size_t n;
	const char *p;

	if (type < JSON_T_ARRAY) {
		p = json_raw(t, i, &n);
		strbuf_add(out, p, n);
		return;
	}
	strbuf_addch(out, type == JSON_T_OBJECT ? '{' : '[');
	for (uint32_t c = json_child(t, i); c; c = json_next(t, c)) {
		if (!first)
			strbuf_addch(out, ',');
		first = false;
		if (type == JSON_T_OBJECT) {
			p = json_key(t, c, &n);
			strbuf_add(out, p, n);
			strbuf_addch(out, ':');
		}
		canonical(t, c, out);
	}
	strbuf_addch(out, type == JSON_T_OBJECT ? '}' : ']');
}

static void properties(void **state)
{
	_cleanup_json_tree_ struct json_tree t, u;
	struct gen g;

	(void)state;
	json_tree_init(&t);
	json_tree_init(&u);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf want = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf got = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf whole = STRBUF_INIT;

		gen_init(&g, seed);
		gen_document(&g, &text);
		assert_int_equal(json_tree_parse(&t, text.buf, text.len), 0);
		/* the identity edit */
		after(&t, &out);
		assert_int_equal(out.len, text.len);
		for (uint32_t k = 1 + gen_below(&g, 6); k; k--)
			random_edit(&g, &t);
		strbuf_clear(&out);
		after(&t, &out);
		assert_int_equal(json_tree_parse(&u, out.buf, out.len), 0);
		canonical(&t, JSON_ROOT, &want);
		canonical(&u, JSON_ROOT, &got);
		assert_string_equal(got.buf, want.buf);
		/* and equal in the other sense too */
		assert_true(json_equal(&t, JSON_ROOT, &u, JSON_ROOT));
		/* the value alone, laid out or not */
		json_edit_text(&t, JSON_ROOT, &whole);
		assert_int_equal(json_tree_parse(&u, whole.buf, whole.len), 0);
		assert_true(json_equal(&t, JSON_ROOT, &u, JSON_ROOT));
	}
}

/* the parser and the scanner refuse the same */
static void refusals(void **state)
{
	_cleanup_json_tree_ struct json_tree t;
	struct json_scan *s = json_scan_new(NULL, NULL);
	size_t bad = 0;
	struct gen g;

	(void)state;
	json_tree_init(&t);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
		static const char bytes[] = "{}[]\",:\\u0eE.-+ \n\xff\xc3\0x";
		char *p;
		size_t n;
		int by_scan, by_tree;

		gen_init(&g, seed);
		gen_document(&g, &text);
		if (!text.len)
			continue;
		text.buf[gen_below(&g, (uint32_t)text.len)] =
			bytes[gen_below(&g, sizeof(bytes) - 1)];
		n = gen_below(&g, 4) ? text.len :
			gen_below(&g, (uint32_t)text.len);
		/* of the exact size, for a sanitizer */
		p = xmemdup(text.buf, n);
		json_scan_reset(s);
		by_scan = json_scan_feed(s, p, n);
		if (by_scan >= 0)
			by_scan = json_scan_end(s);
		by_tree = json_tree_parse(&t, p, n);
		assert_int_equal(by_scan, by_tree);
		if (by_tree < 0) {
			_cleanup_error_ struct error err = ERROR_INIT;

			assert_int_equal(json_tree_why(p, n, &err), -EINVAL);
			assert_int_equal(err.code, ERR_JSON);
			bad++;
		}
		free(p);
	}
	/* most of them should be broken, and not all */
	assert_in_range(bad, SEEDS / 3, SEEDS - 100);
	json_scan_free(s);
}

static void depth(void **state)
{
	_cleanup_json_tree_ struct json_tree t;
	char text[2 * (JSON_DEPTH_MAX + 1)];

	(void)state;
	json_tree_init(&t);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	assert_int_equal(json_tree_parse(&t, text, sizeof(text)), -EINVAL);
	assert_int_equal(json_tree_parse(&t, text + 1, sizeof(text) - 2), 0);
}

static void equality(void **state)
{
	static const struct { const char *a, *b; bool equal; } cases[] = {
		{ "1", "1.0", true }, { "10", "1e1", true },
		{ "9007199254740993", "9007199254740992", false },
		{ "0", "-0.0", true }, { "1", "\"1\"", false },
		{ "\"\\u00e9\"", "\"\xc3\xa9\"", true },
		{ "\"\\ud800\"", "\"\\uD800\"", true },
		{ "\"\\ud800\"", "\"\\ud801\"", false },
		{ "[1,2]", "[1, 2.0]", true }, { "[1,2]", "[2,1]", false },
		{ "[1]", "[1,1]", false }, { "null", "false", false },
		{ "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true },
		{ "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
		{ "{\"a\":1,\"b\":2}", "{\"a\":1}", false },
		{ "{\"a\":7,\"a\":1}", "{\"\\u0061\":1}", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_tree_ struct json_tree t, u;

		parse(&t, cases[i].a);
		parse(&u, cases[i].b);
		assert_int_equal(json_equal(&t, JSON_ROOT, &u, JSON_ROOT),
				 cases[i].equal);
		assert_int_equal(json_equal(&u, JSON_ROOT, &t, JSON_ROOT),
				 cases[i].equal);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits),
		cmocka_unit_test(refused_texts),
		cmocka_unit_test(properties),
		cmocka_unit_test(refusals),
		cmocka_unit_test(depth),
		cmocka_unit_test(equality),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
