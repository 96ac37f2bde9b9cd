/* SPDX-License-Identifier: MIT */
/*
 * A document that is edited element by element, or member by member, comes out
 * as one that was parsed as a whole: the same bytes, the same refusals, for
 * every shape of what is around (from seeds), every cut and every spare byte.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/xalloc.h"
#include "json-edit.h"
#include "json-gen.h"
#include "json-op.h"
#include "json-pointer.h"
#include "json-stream.h"

#define SEEDS 6000

/* --- a few operations on what a path selects --- */

struct edits {
	struct json_path *path;
	enum json_stream_mode mode;
	struct json_op ops[3];
	size_t n;
	struct strbuf out;
	uint64_t selected;
};

static void *batch_new(void *ctx)
{
	(void)ctx;
	return xcalloc(1, sizeof(uint64_t));
}

static int record(void *ctx, void *batch, const struct json_record *r,
		  struct strbuf *out, struct error *err)
{
	_cleanup_json_nodes_ struct json_nodes nodes = { 0 };
	_cleanup_json_splices_ struct json_splices s = JSON_SPLICES_INIT;
	const struct edits *e = ctx;
	int ret = r->parsed;

	if (ret < 0)
		return error_set(err, ERR_JSON, ret, "bad");
	if (e->mode == JSON_ELEMENTS)
		json_path_select_element(e->path, r->tree, JSON_ROOT, &nodes);
	else
		json_path_select(e->path, r->tree, JSON_ROOT, &nodes);
	*(uint64_t *)batch += nodes.n;
	for (size_t i = 0; i < nodes.n && ret >= 0; i++) {
		bool changed;

		if (json_is_live(r->tree, nodes.v[i]))
			ret = json_ops_apply(e->ops, e->n, r->tree, nodes.v[i],
					     NULL, &changed, err);
	}
	if (ret < 0)
		return ret;
	json_splices(r->tree, &s);
	json_splices_apply(&s, r->text, r->len, out);
	return 0;
}

static int batch_end(void *ctx, void *batch, uint64_t line, uint64_t offset,
		     struct error *err)
{
	struct edits *e = ctx;

	(void)line;
	(void)offset;
	(void)err;
	e->selected += *(uint64_t *)batch;
	return 0;
}

static int take(void *ctx, const char *p, size_t n, struct error *err)
{
	struct edits *e = ctx;

	(void)err;
	strbuf_add(&e->out, p, n);
	return 0;
}

static int run(struct edits *e, enum json_stream_mode mode,
	       const struct strvec *names, const struct strbuf *text)
{
	static const struct json_stream_ops ops = {
		.batch_new = batch_new, .record = record,
		.batch_end = batch_end, .batch_free = free, .write = take,
	};
	struct json_stream_result res;
	struct error err = ERROR_INIT;
	int ret, fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, text->buf, text->len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	e->mode = mode;
	e->selected = 0;
	strbuf_clear(&e->out);
	ret = json_stream(fd, mode, names, &ops, e, &res, &err);
	error_release(&err);
	(void)close(fd);
	return ret == -EBADMSG ? -EINVAL : ret;
}

/* both ways; what they return */
static int both(struct edits *e, const struct strbuf *text)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	_cleanup_strbuf_ struct strbuf whole = STRBUF_INIT;
	uint64_t selected;
	int want, got;

	assert_true(json_path_streams(e->path, &names));
	want = run(e, JSON_WHOLE, NULL, text);
	strbuf_add(&whole, e->out.buf, e->out.len);
	selected = e->selected;
	got = run(e, JSON_ELEMENTS, &names, text);
	if (want != got)
		fail_msg("%d as a whole, %d in parts: %s", want, got,
			 text->buf);
	if (want < 0)
		return want;
	if (e->selected != selected)
		fail_msg("%llu and %llu values: %s",
			 (unsigned long long)selected,
			 (unsigned long long)e->selected, text->buf);
	if (whole.len != e->out.len ||
	    memcmp(whole.buf, e->out.buf, whole.len) != 0)
		fail_msg("%s\n--- as a whole\n%s\n--- in parts\n%s",
			 text->buf, whole.buf, e->out.buf);
	return 0;
}

static void add_op(struct edits *e, enum json_op_type type, const char *at,
		   const char *text)
{
	struct json_op *op = &e->ops[e->n++];

	memset(op, 0, sizeof(*op));
	op->type = type;
	json_pointer_split(at, type == JSON_OP_RENAME ? &op->from_parts :
			   &op->path_parts);
	if (type == JSON_OP_RENAME)
		op->to = xstrdup(text);
	else if (type != JSON_OP_REMOVE)
		assert_int_equal(json_literal_init(&op->value, xstrdup(text)),
				 0);
	json_op_ready(op);
}

static void edits_init(struct edits *e, const char *path)
{
	memset(e, 0, sizeof(*e));
	strbuf_init(&e->out);
	assert_int_equal(json_path_parse(path, &e->path, NULL), 0);
}

static void edits_release(struct edits *e)
{
	for (size_t i = 0; i < e->n; i++)
		json_op_release(&e->ops[i]);
	json_path_free(e->path);
	strbuf_release(&e->out);
}

/* --- documents --- */

static void gen_entry(struct gen *g, bool member, int depth, uint32_t i,
		      struct strbuf *out)
{
	if (i)
		strbuf_addstr(out, g->style == 1 ? ", " : ",");
	gen_blank(g, depth, true, out);
	if (member) {
		if (gen_below(g, 2))
			strbuf_addf(out, "\"k%u\"", gen_below(g, 9));
		else
			gen_string(g, out);
		gen_blank(g, depth, false, out);
		strbuf_addstr(out, g->style ? ": " : ":");
		gen_blank(g, depth, false, out);
	}
	if (gen_below(g, 3))
		gen_value(g, depth + 1, out);
	else
		strbuf_addstr(out, gen_below(g, 2) ? "{}" : "[]");
	gen_blank(g, depth, false, out);
}

/* the container that is meant, `above` objects further down, among others */
static void gen_around(struct gen *g, int above, int depth, struct strbuf *out)
{
	bool object = above || gen_below(g, 2);
	uint32_t n = gen_below(g, 4), at = above ? gen_below(g, n + 1) : n + 1;

	strbuf_addch(out, object ? '{' : '[');
	for (uint32_t i = 0; i < n + (above > 0); i++) {
		if (i != at) {
			gen_entry(g, object, depth + 1, i, out);
			continue;
		}
		if (i)
			strbuf_addstr(out, g->style == 1 ? ", " : ",");
		gen_blank(g, depth + 1, true, out);
		strbuf_addstr(out, above == 2 ? "\"a\"" : "\"\\u0062\"");
		gen_blank(g, depth, false, out);
		strbuf_addstr(out, g->style ? ": " : ":");
		gen_around(g, above - 1, depth + 1, out);
	}
	gen_blank(g, depth, n, out);
	strbuf_addch(out, object ? '}' : ']');
}

static const char *const values[] = {
	"1", "[]", "{\"n\": [1, {\"m\": 2}], \"o\": {}}", "[[1], {\"p\": 3}]",
};

static void some_ops(struct edits *e, struct gen *g)
{
	const char *v = values[gen_below(g, ARRAY_SIZE(values))];

	switch (gen_below(g, 5)) {
	case 0:
		add_op(e, JSON_OP_REPLACE, "", v);
		break;
	case 1:
		add_op(e, JSON_OP_REPLACE, "", "{\"q\": 1}");
		add_op(e, JSON_OP_DEFAULT, "/r", v);
		break;
	case 2:
		add_op(e, JSON_OP_REPLACE, "", "[1]");
		add_op(e, JSON_OP_ADD, "/-", v);
		break;
	default:
		break;
	}
}

/* documents, in all four styles, from seeds */
static void by_seeds(void **state)
{
	static const char *const paths[3][4] = {
		{ "$[*]", "$.*", "$[?@ != 1]", "$[*][*]" },
		{ "$.b[*]", "$.b.*", "$.b[?!@.key]", "$.b.*.*" },
		{ "$.a.b[*]", "$.a.b.*", "$['a']['b'][?@ != null]",
		  "$.a.b.*[*]" },
	};
	uint64_t edited = 0, refused = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
		struct edits e;
		struct gen g;
		uint32_t above;

		gen_init(&g, seed);
		g.style = seed % 4;
		above = gen_below(&g, 3);
		gen_blank(&g, 0, false, &text);
		gen_around(&g, (int)above, 0, &text);
		gen_blank(&g, 0, false, &text);
		edits_init(&e, paths[above][gen_below(&g, 4)]);
		some_ops(&e, &g);
		if (both(&e, &text) < 0)
			refused++;
		else
			edited += e.selected;
		edits_release(&e);
	}
	assert_true(edited > SEEDS);
	assert_true(refused < SEEDS / 10);
}

/* defaults and new members go where the values are objects */
static void objects_by_seeds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
		struct edits e;
		struct gen g;
		bool member;
		uint32_t n;

		gen_init(&g, seed);
		g.style = seed % 4;
		member = gen_below(&g, 2);
		n = gen_below(&g, 4);
		strbuf_addstr(&text, "{");
		gen_blank(&g, 1, true, &text);
		strbuf_addstr(&text, g.style ? "\"a\": " : "\"a\":");
		strbuf_addch(&text, member ? '{' : '[');
		for (uint32_t i = 0; i < n; i++) {
			strbuf_addstr(&text, i ? "," : "");
			gen_blank(&g, 2, true, &text);
			if (member)
				strbuf_addf(&text, g.style ? "\"m%u\" : " :
					    "\"m%u\":", i);
			if (gen_below(&g, 2)) {
				strbuf_addstr(&text, "{}");
				continue;
			}
			strbuf_addstr(&text, "{");
			gen_blank(&g, 3, true, &text);
			strbuf_addstr(&text, "\"x\":");
			gen_value(&g, 4, &text);
			gen_blank(&g, 2, true, &text);
			strbuf_addstr(&text, "}");
		}
		gen_blank(&g, 1, n, &text);
		strbuf_addstr(&text, member ? "} }" : "] }");
		edits_init(&e, "$.a.*");
		add_op(&e, JSON_OP_DEFAULT, "/y",
		       values[gen_below(&g, ARRAY_SIZE(values))]);
		if (gen_below(&g, 2))
			add_op(&e, JSON_OP_RENAME, "/y", "z\xc3\xa9");
		assert_int_equal(both(&e, &text), 0);
		assert_int_equal(e.selected, n);
		edits_release(&e);
	}
}

/* --- by hand --- */

static void laid_out(void **state)
{
	static const char text[] = "{\n\t\"servers\": {\n\t\t\"one\": {},\n"
		"\t\t\"two\": {\n\t\t\t\"port\": 1\n\t\t},\n\t\t\"two\": 7\n\t}\n}\n";
	static const char want[] = "{\n\t\"servers\": {\n\t\t\"one\": {\n"
		"\t\t\t\"on\": true\n\t\t},\n\t\t\"two\": {\n\t\t\t\"port\": 1,\n"
		"\t\t\t\"on\": true\n\t\t},\n\t\t\"two\": 7\n\t}\n}\n";
	struct strbuf in = { .buf = (char *)text, .len = sizeof(text) - 1 };
	struct edits e;

	(void)state;
	edits_init(&e, "$.servers[?@.port || @ != 7]");
	add_op(&e, JSON_OP_DEFAULT, "/on", "true");
	assert_int_equal(both(&e, &in), 0);
	assert_int_equal(e.selected, 2);
	assert_string_equal(e.out.buf, want);
	edits_release(&e);
}

/* every cut of a document is none, and so are these */
static void broken(void **state)
{
	static const char doc[] = "{\"x\": {\"y\": [1]}, \"a\": {\"b\": 1, \"c\" :"
		" {\"d\": [\"}\"]}, \"\\\\\\\"\" : \"\", \"b\":[]}, \"c\": {}}";
	static const char *const others[] = {
		"{\"a\": {\"b\": 1,}}", "{\"a\": {,}}", "{\"a\": {\"b\": 1]",
		"{\"a\": {]}", "{\"a\": {\"b\"}}", "{\"a\": {\"b\":}}",
		"{\"a\": {1}}", "{\"a\": {1: 2}}", "{\"a\": {\"b\": 1 2}}",
		"{\"a\": {\"b\" 1}}", "{\"a\": {b: 1}}", "{\"a\": {\"b\":: 1}}",
		"{\"a\": {\"b\": 1}, }", "{\"a\": {\"b\": 1}} 2",
		"{\"a\": {\"b\": {\"c\": 1]}}", "{\"a\": {\"\\q\": 1}}",
		"{\"a\": {\"b\": 1: 2}}", "{\"a\": {\"\n\": 1}}",
		"{\"a\": [\"b\": 1]}", "{\"a\": [}", "{\"a\": {\"b\": \"}",
		"{\"a\": {\"\xff\": 1}}",
	};
	struct edits e;

	(void)state;
	edits_init(&e, "$.a.*");
	for (size_t n = 0; n < sizeof(doc) - 1; n++) {
		struct strbuf in = { .buf = (char *)doc, .len = n };

		assert_int_equal(both(&e, &in), -EINVAL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct strbuf in = { .buf = (char *)others[i],
				     .len = strlen(others[i]) };

		if (both(&e, &in) != -EINVAL)
			fail_msg("%s", others[i]);
	}
	edits_release(&e);
}

/* the limit is one of the document, not of each member */
static void depth(void **state)
{
	struct edits e;

	(void)state;
	edits_init(&e, "$.a.b.*");
	for (size_t n = 508; n <= 512; n++) {
		_cleanup_strbuf_ struct strbuf in = STRBUF_INIT;

		strbuf_addstr(&in, "{\"a\": {\"b\": {\"c\": ");
		for (size_t i = 0; i < n; i++)
			strbuf_addch(&in, '[');
		for (size_t i = 0; i < n; i++)
			strbuf_addch(&in, ']');
		strbuf_addstr(&in, "}}}");
		assert_int_equal(both(&e, &in), n <= 509 ? 0 : -EINVAL);
	}
	edits_release(&e);
}

/* several batches, a member that is larger than one, a name that comes twice,
   and the container twice too */
static void many(void **state)
{
	_cleanup_strbuf_ struct strbuf in = STRBUF_INIT;
	struct edits e;

	(void)state;
	strbuf_addstr(&in, "{\n \"m\": {");
	for (int i = 0; i < 60000; i++)
		strbuf_addf(&in, "%s\n  \"%d\": {\"n\": [%d, \"},{\\\"\"]}",
			    i ? "," : "", i % 50000, i);
	strbuf_addstr(&in, ",\n  \"large\": {\"text\": \"");
	for (int i = 0; i < 400000; i++)
		strbuf_addstr(&in, "}, \\\"x");
	strbuf_addstr(&in, "\"}\n },\n\"m\": [{}, {\"a\": 1}],\n\"m\": {}}\n");
	edits_init(&e, "$.m.*");
	add_op(&e, JSON_OP_DEFAULT, "/on", "{\"since\": 1}");
	assert_int_equal(both(&e, &in), 0);
	assert_int_equal(e.selected, 60000 + 1 + 2);
	edits_release(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(laid_out),
		cmocka_unit_test(by_seeds),
		cmocka_unit_test(objects_by_seeds),
		cmocka_unit_test(broken),
		cmocka_unit_test(depth),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
