/* SPDX-License-Identifier: MIT */
/*
 * Paths of RFC 9535: its own examples (section numbers beside them), what is
 * refused and where, and that element by element gives the same.
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
#include "base/strbuf.h"
#include "json-path.h"

/* figure 1 */
static const char store[] =
	"{ \"store\": { \"book\": ["
	"{ \"category\": \"reference\", \"author\": \"Nigel Rees\","
	"  \"title\": \"Sayings of the Century\", \"price\": 8.95 },"
	"{ \"category\": \"fiction\", \"author\": \"Evelyn Waugh\","
	"  \"title\": \"Sword of Honour\", \"price\": 12.99 },"
	"{ \"category\": \"fiction\", \"author\": \"Herman Melville\","
	"  \"title\": \"Moby Dick\", \"isbn\": \"0-553-21311-3\","
	"  \"price\": 8.99 },"
	"{ \"category\": \"fiction\", \"author\": \"J. R. R. Tolkien\","
	"  \"title\": \"The Lord of the Rings\","
	"  \"isbn\": \"0-395-19395-8\", \"price\": 22.99 } ],"
	"\"bicycle\": { \"color\": \"red\", \"price\": 399 } } }";
static const char names[] =
	"{\"o\": {\"j j\": {\"k.k\": 3}}, \"'\": {\"@\": 2}}";
static const char letters[] =
	"[\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\"]";
static const char mixed[] = "{\"o\": {\"j\": 1, \"k\": 2}, \"a\": [5, 3]}";
static const char filters[] =
	"{\"a\": [3, 5, 1, 2, 4, 6, {\"b\": \"j\"}, {\"b\": \"k\"},"
	" {\"b\": {}}, {\"b\": \"kilo\"}], \"o\": {\"p\": 1, \"q\": 2,"
	" \"r\": 3, \"s\": 5, \"t\": {\"u\": 6}}, \"e\": \"f\"}";
static const char compare[] =
	"{\"obj\": {\"x\": \"y\"}, \"arr\": [2, 3]}";
static const char deep[] =
	"{\"o\": {\"j\": 1, \"k\": 2}, \"a\": [5, 3, [{\"j\": 4},"
	" {\"k\": 6}]]}";

static void select_text(const char *text, const char *path,
			struct strbuf *out)
{
	_cleanup_json_nodes_ struct json_nodes nodes = { 0 };
	_cleanup_json_path_ struct json_path *p = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_json_tree_ struct json_tree t;

	json_tree_init(&t);
	assert_int_equal(json_tree_parse(&t, text, strlen(text)), 0);
	if (json_path_parse(path, &p, &err) < 0)
		fail_msg("%s: %s", path, err.msg);
	json_path_select(p, &t, JSON_ROOT, &nodes);
	for (size_t i = 0; i < nodes.n; i++) {
		size_t n;
		const char *raw = json_raw(&t, nodes.v[i], &n);

		if (i)
			strbuf_addch(out, ' ');
		for (size_t k = 0; k < n; k++)
			if (raw[k] != ' ' && raw[k] != '\n')
				strbuf_addch(out, raw[k]);
	}
}

static void selects(void **state)
{
	static const struct { const char *text, *path, *want; } cases[] = {
		/* table 2 */
		{ store, "$.store.book[*].author", "\"NigelRees\" "
		  "\"EvelynWaugh\" \"HermanMelville\" \"J.R.R.Tolkien\"" },
		{ store, "$..author", "\"NigelRees\" \"EvelynWaugh\" "
		  "\"HermanMelville\" \"J.R.R.Tolkien\"" },
		{ store, "$.store..price", "8.95 12.99 8.99 22.99 399" },
		{ store, "$..book[2].title", "\"MobyDick\"" },
		{ store, "$..book[2].publisher", "" },
		{ store, "$..book[-1].title", "\"TheLordoftheRings\"" },
		{ store, "$..book[0,1].price", "8.95 12.99" },
		{ store, "$..book[:2].price", "8.95 12.99" },
		{ store, "$..book[?@.isbn].title",
		  "\"MobyDick\" \"TheLordoftheRings\"" },
		{ store, "$..book[?@.price<10].title",
		  "\"SayingsoftheCentury\" \"MobyDick\"" },
		/* 2.3.1, 2.3.2 */
		{ names, "$.o['j j']", "{\"k.k\":3}" },
		{ names, "$.o['j j']['k.k']", "3" },
		{ names, "$.o[\"j j\"][\"k.k\"]", "3" },
		{ names, "$[\"'\"][\"@\"]", "2" },
		{ names, "$['\\'']['\\u0040']", "2" },
		{ mixed, "$[*]", "{\"j\":1,\"k\":2} [5,3]" },
		{ mixed, "$.o[*, *]", "1 2 1 2" },
		{ mixed, "$.a[*]", "5 3" },
		{ mixed, "$ .a [ * ]", "5 3" },
		/* 2.3.3, 2.3.4 */
		{ letters, "$[1]", "\"b\"" }, { letters, "$[-2]", "\"f\"" },
		{ letters, "$[7]", "" }, { letters, "$[-8]", "" },
		{ letters, "$[1:3]", "\"b\" \"c\"" },
		{ letters, "$[5:]", "\"f\" \"g\"" },
		{ letters, "$[1:5:2]", "\"b\" \"d\"" },
		{ letters, "$[5:1:-2]", "\"f\" \"d\"" },
		{ letters, "$[::-1]",
		  "\"g\" \"f\" \"e\" \"d\" \"c\" \"b\" \"a\"" },
		{ letters, "$[::0]", "" },
		{ letters, "$[-100:2]", "\"a\" \"b\"" },
		{ letters, "$[0, 0:2, -1]", "\"a\" \"a\" \"b\" \"g\"" },
		/* 2.3.5 */
		{ filters, "$.a[?@.b == 'kilo']", "{\"b\":\"kilo\"}" },
		{ filters, "$.a[?(@.b == 'kilo')]", "{\"b\":\"kilo\"}" },
		{ filters, "$.a[?@>3.5]", "5 4 6" },
		{ filters, "$.a[?@.b]", "{\"b\":\"j\"} {\"b\":\"k\"} "
		  "{\"b\":{}} {\"b\":\"kilo\"}" },
		{ filters, "$[?@.*]", "[3,5,1,2,4,6,{\"b\":\"j\"},"
		  "{\"b\":\"k\"},{\"b\":{}},{\"b\":\"kilo\"}] {\"p\":1,"
		  "\"q\":2,\"r\":3,\"s\":5,\"t\":{\"u\":6}}" },
		{ filters, "$[?@[?@.b]]", "[3,5,1,2,4,6,{\"b\":\"j\"},"
		  "{\"b\":\"k\"},{\"b\":{}},{\"b\":\"kilo\"}]" },
		{ filters, "$.o[?@<3, ?@<3]", "1 2 1 2" },
		{ filters, "$.a[?@<2 || @.b == \"k\"]", "1 {\"b\":\"k\"}" },
		{ filters, "$.o[?@>1 && @<4]", "2 3" },
		{ filters, "$.o[?!(@>1 || @.u)]", "1" },
		{ filters, "$.o[?!@.u]", "1 2 3 5" },
		{ filters, "$.o[?@.u || @.x]", "{\"u\":6}" },
		{ filters, "$.a[?@.b == $.x]", "3 5 1 2 4 6" },
		{ filters, "$.a[?@ == @]", "3 5 1 2 4 6 {\"b\":\"j\"} "
		  "{\"b\":\"k\"} {\"b\":{}} {\"b\":\"kilo\"}" },
		/* table 11, as filters that take all or nothing */
		{ compare, "$.arr[?$.absent1 == $.absent2]", "2 3" },
		{ compare, "$.arr[?$.absent1 <= $.absent2]", "2 3" },
		{ compare, "$.arr[?$.absent == 'g']", "" },
		{ compare, "$.arr[?$.absent1 != $.absent2]", "" },
		{ compare, "$.arr[?$.absent != 'g']", "2 3" },
		{ compare, "$.arr[?1 <= 2]", "2 3" },
		{ compare, "$.arr[?1 > 2]", "" },
		{ compare, "$.arr[?13 == '13']", "" },
		{ compare, "$.arr[?'a' <= 'b']", "2 3" },
		{ compare, "$.arr[?'a' > 'b']", "" },
		{ compare, "$.arr[?$.obj == $.arr]", "" },
		{ compare, "$.arr[?$.obj == $.obj]", "2 3" },
		{ compare, "$.arr[?$.obj <= $.obj]", "2 3" },
		{ compare, "$.arr[?$.obj < $.obj]", "" },
		{ compare, "$.arr[?1 <= $.arr]", "" },
		{ compare, "$.arr[?true <= true]", "2 3" },
		{ compare, "$.arr[?true > true]", "" },
		/* 2.5.2, with the children in the order of the document */
		{ deep, "$..j", "1 4" },
		{ deep, "$..[0]", "5 {\"j\":4}" },
		{ deep, "$.o..[*, *]", "1 2 1 2" },
		{ deep, "$.a..[0, 1]", "5 3 {\"j\":4} {\"k\":6}" },
		/* 2.6: null is a value */
		{ "{\"a\": null, \"b\": [null]}", "$.a", "null" },
		{ "{\"a\": null, \"b\": [null]}", "$.a[0]", "" },
		{ "{\"a\": null, \"b\": [null]}", "$.b[?@==null]", "null" },
		{ "{\"a\": null, \"b\": [null]}", "$.c[?@.d==null]", "" },
		{ "{\"null\": 1}", "$.null", "1" },
		/* numbers of any size, names twice, the whole */
		{ "[9007199254740993, 9007199254740992]",
		  "$[?@ == 9007199254740993]", "9007199254740993" },
		{ "{\"a\":1,\"\\u0061\":2}", "$.a", "1 2" },
		{ "7", "$", "7" },
		{ "{\"\xc3\xa9\": 1}", "$.\xc3\xa9", "1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

		select_text(cases[i].text, cases[i].path, &out);
		if (strcmp(out.buf, cases[i].want) != 0)
			fail_msg("%s: %s, not %s", cases[i].path, out.buf,
				 cases[i].want);
	}
}

static void refuses(void **state)
{
	static const struct { const char *path; int column; const char *why; }
	cases[] = {
		{ "", 1, "'$'" }, { "a", 1, "'$'" }, { " $", 1, "'$'" },
		{ "$ ", 2, "'.' or '['" }, { "$a", 2, "'.' or '['" },
		{ "$.", 3, "a name" }, { "$..", 4, "a name" },
		{ "$.1", 3, "a name" }, { "$.a.", 5, "a name" },
		{ "$[", 3, "a name in quotes" }, { "$[]", 3, "in quotes" },
		{ "$[a]", 3, "in quotes" }, { "$[1", 4, "',' or ']'" },
		{ "$[01]", 3, "leading zero" }, { "$[-0]", 4, "a zero" },
		{ "$[9007199254740992]", 3, "too large" },
		{ "$['a", 5, "without its end" },
		{ "$['\\x']", 3, "not valid" },
		{ "$['\\ud800']", 3, "not valid" },
		{ "$[\"\\'\"]", 4, "unknown escape" },
		{ "$['a'", 6, "',' or ']'" },
		{ "$[?@.a", 7, "',' or ']'" },
		{ "$[?]", 4, "a value" }, { "$[?1]", 4, "no condition" },
		{ "$[?@.a==]", 9, "a value" },
		{ "$[?@.a=1]", 7, "',' or ']'" },
		{ "$[?@.*==1]", 4, "names and indexes" },
		{ "$[?@..a==1]", 4, "names and indexes" },
		{ "$[?@[0,1]==1]", 4, "names and indexes" },
		{ "$[?!@.a==1]", 10, "parentheses" },
		{ "$[?(@.a]", 8, "')'" },
		{ "$[?@.a==01]", 9, "not valid" },
		{ "$[?@.a==nul]", 9, "not valid" },
		{ "$[?length(@.a)==1]", 4, "'length'" },
		{ "$[?match(@.a, 'x')]", 4, "'match'" },
		{ "$[?count(@.*) > 1]", 4, "'count'" },
		{ "$.a()", 4, "functions" },
		{ "$[?@.a==1 and @.b]", 11, "',' or ']'" },
		{ "$.\xff", 1, "UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_json_path_ struct json_path *p = NULL;
		char column[32];

		assert_int_equal(json_path_parse(cases[i].path, &p, &err),
				 -EINVAL);
		(void)snprintf(column, sizeof(column), "column %d: ",
			       cases[i].column);
		if (strncmp(err.msg, column, strlen(column)) != 0 ||
		    !strstr(err.msg, cases[i].why))
			fail_msg("%s: %s, not %s%s", cases[i].path, err.msg,
				 column, cases[i].why);
	}
}

static void nesting(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_json_path_ struct json_path *p = NULL;
	_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;

	(void)state;
	strbuf_addch(&s, '$');
	for (int i = 0; i < 20000; i++)
		strbuf_addstr(&s, "[?(@");
	assert_int_equal(json_path_parse(s.buf, &p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "too deep"));
}

/* the elements one by one, as somebody with a large document would */
static void element_wise(void **state)
{
	static const struct { const char *path; const char *names; } cases[] = {
		{ "$.store.book[*]", "store/book/" },
		{ "$.store.book[*].price", "store/book/" },
		{ "$.store.book[?@.price < 10].title", "store/book/" },
		{ "$['store'].book[?@.isbn][?@ == 8.99]", "store/book/" },
		{ "$.store.book[*]..*", "store/book/" },
		{ "$.store", NULL }, { "$..book[*]", NULL },
		{ "$.store.book[0]", NULL }, { "$.store.book[*,*]", NULL },
		{ "$.store.book[?@.price < $.store.bicycle.price]", NULL },
		{ "$.store.book[*][?$.store]", NULL },
	};
	_cleanup_json_tree_ struct json_tree t;

	(void)state;
	json_tree_init(&t);
	assert_int_equal(json_tree_parse(&t, store, strlen(store)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_nodes_ struct json_nodes all = { 0 };
		_cleanup_json_nodes_ struct json_nodes one = { 0 };
		_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;
		_cleanup_strvec_ struct strvec way = STRVEC_INIT;
		_cleanup_json_path_ struct json_path *p = NULL;
		uint32_t at = JSON_ROOT;

		assert_int_equal(json_path_parse(cases[i].path, &p, NULL), 0);
		assert_int_equal(json_path_streams(p, &way), !!cases[i].names);
		if (!cases[i].names)
			continue;
		for (size_t k = 0; k < way.n; k++) {
			strbuf_addf(&s, "%s/", way.v[k]);
			at = json_member(&t, at, way.v[k], strlen(way.v[k]));
		}
		assert_string_equal(s.buf, cases[i].names);
		json_path_select(p, &t, JSON_ROOT, &all);
		for (uint32_t c = json_child(&t, at); c; c = json_next(&t, c))
			json_path_select_element(p, &t, c, &one);
		assert_int_equal(one.n, all.n);
		assert_true(all.n > 0);
		assert_memory_equal(one.v, all.v, all.n * sizeof(*all.v));
	}
}

static void tests_nodes(void **state)
{
	static const struct { const char *text, *filter; bool want; } cases[] = {
		{ "{\"a\":1}", "@.a == 1", true },
		{ "{\"a\":1}", "!@.a", false },
		{ "3", "@ > 2 && @ < 4", true },
	};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct json_filter *f = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_tree_ struct json_tree t;

		json_tree_init(&t);
		assert_int_equal(json_tree_parse(&t, cases[i].text,
						 strlen(cases[i].text)), 0);
		assert_int_equal(json_filter_parse(cases[i].filter, &f, NULL),
				 0);
		assert_int_equal(json_filter_test(f, &t, JSON_ROOT),
				 cases[i].want);
		json_filter_free(f);
	}
	assert_int_equal(json_filter_parse("@.a == $.b", &f, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "column 8: "));
	error_release(&err);
	assert_int_equal(json_filter_parse("@.a)", &f, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "column 4: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selects),
		cmocka_unit_test(refuses),
		cmocka_unit_test(nesting),
		cmocka_unit_test(element_wise),
		cmocka_unit_test(tests_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
