/* SPDX-License-Identifier: MIT */
/*
 * Element by element, line by line: what comes out is what went in with each
 * record in its place, whatever the records hold and however the input falls
 * into batches; what is no document is refused wherever it breaks.
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
#include "json-gen.h"
#include "json-stream.h"

/* --- a user of the stream: <record> in angle brackets --- */

struct sink {
	struct strbuf out;
	uint64_t records, lines;
};

static void *batch_new(void *ctx)
{
	(void)ctx;
	return xcalloc(1, sizeof(uint64_t));
}

static int record(void *ctx, void *batch, const struct json_record *r,
		  struct strbuf *out, struct error *err)
{
	(void)ctx;
	if (r->parsed < 0)
		return error_set(err, ERR_JSON, r->parsed, "bad");
	++*(uint64_t *)batch;
	strbuf_addch(out, '<');
	strbuf_add(out, r->text, r->len);
	strbuf_addch(out, '>');
	return 0;
}

static int batch_end(void *ctx, void *batch, uint64_t line, uint64_t offset,
		     struct error *err)
{
	struct sink *s = ctx;

	(void)offset;
	(void)err;
	assert_true(line > s->lines || line == 1);
	s->lines = line;
	s->records += *(uint64_t *)batch;
	return 0;
}

static int take(void *ctx, const char *p, size_t n, struct error *err)
{
	struct sink *s = ctx;

	(void)err;
	strbuf_add(&s->out, p, n);
	return 0;
}

static const struct json_stream_ops ops = {
	.batch_new = batch_new, .record = record, .batch_end = batch_end,
	.batch_free = free, .write = take,
};

static int stream(const struct strbuf *text, enum json_stream_mode mode,
		  const char *name, struct sink *s,
		  struct json_stream_result *res, struct error *err)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	int ret, fd = memfd_create("test", MFD_CLOEXEC);

	if (name)
		strvec_push(&names, name);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, text->buf, text->len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	memset(s, 0, sizeof(*s));
	strbuf_init(&s->out);
	ret = json_stream(fd, mode, &names, &ops, s, res, err);
	(void)close(fd);
	return ret;
}

/* --- many elements, and large ones --- */

static void wrap(struct strbuf *out, const struct strbuf *v)
{
	strbuf_addch(out, '<');
	strbuf_add(out, v->buf, v->len);
	strbuf_addch(out, '>');
}

/* the array "a" with a few megabytes in it, and other things around it */
static uint64_t make(struct gen *g, size_t size, struct strbuf *in,
		     struct strbuf *want)
{
	static const char head[] = "{ \"b\": [[1, \"]\"], {\"a\": [2]}],\n"
		" \"a\": 7, \"\\u0061\" : [";
	static const char tail[] = " ], \"c\": {\"a\": [3]} }\n";
	uint64_t n = 0;

	strbuf_addstr(in, head);
	strbuf_addstr(want, head);
	while (in->len < size) {
		_cleanup_strbuf_ struct strbuf v = STRBUF_INIT;

		g->style = gen_below(g, 4);
		gen_document(g, &v);
		/* now and then one that is larger than a batch */
		if (gen_below(g, 5000) == 0) {
			strbuf_addstr(&v, " ");
			strbuf_clear(&v);
			strbuf_addch(&v, '"');
			for (int i = 0; i < 300000; i++)
				strbuf_addstr(&v, "\\\"[,\\\\");
			strbuf_addch(&v, '"');
		}
		if (n++) {
			strbuf_addch(in, ',');
			strbuf_addch(want, ',');
		}
		strbuf_add(in, v.buf, v.len);
		wrap(want, &v);
	}
	/* blanks of the last element are its own */
	strbuf_addstr(in, tail);
	strbuf_set_len(want, want->len - 1);
	strbuf_addstr(want, " >");
	strbuf_addstr(want, tail + 1);
	return n;
}

static void elements(void **state)
{
	struct gen g;

	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		_cleanup_strbuf_ struct strbuf in = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf want = STRBUF_INIT;
		struct json_stream_result res;
		struct sink s;
		uint64_t n;

		gen_init(&g, seed);
		n = make(&g, seed % 2 ? 6000000 : 50000, &in, &want);
		assert_int_equal(stream(&in, JSON_ELEMENTS, "a", &s, &res,
					NULL), 0);
		assert_int_equal(s.records, n);
		assert_int_equal(s.out.len, want.len);
		assert_memory_equal(s.out.buf, want.buf, want.len);
		assert_int_equal(res.bytes, in.len);
		strbuf_release(&s.out);
	}
}

static void lines_of(void **state)
{
	_cleanup_strbuf_ struct strbuf in = STRBUF_INIT, want = STRBUF_INIT;
	struct json_stream_result res;
	struct gen g;
	struct sink s;
	uint64_t n = 0;

	(void)state;
	gen_init(&g, 7);
	while (in.len < 5000000) {
		_cleanup_strbuf_ struct strbuf v = STRBUF_INIT;
		const char *end = n % 3 ? "\n" : " \r\n";

		g.style = gen_below(&g, 2);
		gen_value(&g, 0, &v);
		strbuf_add(&in, v.buf, v.len);
		wrap(&want, &v);
		if (n++ % 50 == 0) {
			strbuf_addstr(&in, "\n \n");
			strbuf_addstr(&want, "\n \n");
		} else {
			strbuf_addstr(&in, end);
			strbuf_addstr(&want, end);
		}
	}
	strbuf_addstr(&in, "{}");
	strbuf_addstr(&want, "<{}>");
	assert_int_equal(stream(&in, JSON_LINES, NULL, &s, &res, NULL), 0);
	assert_int_equal(s.records, n + 1);
	assert_int_equal(s.out.len, want.len);
	assert_memory_equal(s.out.buf, want.buf, want.len);
	strbuf_release(&s.out);
}

static void failures(void **state)
{
	_cleanup_strbuf_ struct strbuf in = STRBUF_INIT;
	struct json_stream_result res;
	struct error err = ERROR_INIT;
	struct sink s;

	(void)state;
	/* two bad lines far apart: the first is told, whoever saw it first */
	for (int i = 1; i <= 400000; i++)
		strbuf_addstr(&in, i == 300000 || i == 399999 ? "{\n" :
			      "[1,2]\n");
	assert_int_equal(stream(&in, JSON_LINES, NULL, &s, &res, &err),
			 -EINVAL);
	assert_int_equal(res.failed_line, 300000);
	assert_string_equal(err.msg, "bad");
	error_release(&err);
	strbuf_release(&s.out);
}

/* every cut of a document is no document, and every byte too many */
static void broken(void **state)
{
	static const char doc[] = "{\"x\": [1], \"a\": [1, {\"b\": [\"]\"]},"
		" \"\\\\\", []], \"c\": 2}";
	static const char *const others[] = {
		"{\"a\": [1, 2,]}", "{\"a\": [,]}", "{\"a\": [1}", "{\"a\": [}",
		"{\"a\": [{]}", "{\"a\": [[}]}", "{\"a\": [1]]", "[}", "",
		"{\"a\": [\"]}", "{\"a\": [1 2]}", "{\"a\": [1] 2}",
		"{\"a\" [1]}", "{\"a\": [1], }",
	};
	struct json_stream_result res;
	struct sink s;

	(void)state;
	for (size_t n = 0; n < sizeof(doc) - 1; n++) {
		struct strbuf in = { .buf = (char *)doc, .len = n };
		int ret = stream(&in, JSON_ELEMENTS, "a", &s, &res, NULL);

		assert_true(ret == -EBADMSG || ret == -EINVAL);
		strbuf_release(&s.out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct strbuf in = { .buf = (char *)others[i],
				     .len = strlen(others[i]) };
		int ret = stream(&in, JSON_ELEMENTS, "a", &s, &res, NULL);

		if (ret != -EBADMSG && ret != -EINVAL)
			fail_msg("%s: %d", others[i], ret);
		strbuf_release(&s.out);
	}
}

static void no_array(void **state)
{
	static const struct { const char *text; int ret; } cases[] = {
		{ "{\"a\": 1}", 0 },
		{ "{\"b\": [1]}", 0 }, { "[{\"a\": [1]}]", 0 }, { "7", 0 },
	};
	struct json_stream_result res;
	struct sink s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf in = { .buf = (char *)cases[i].text,
				     .len = strlen(cases[i].text) };

		assert_int_equal(stream(&in, JSON_ELEMENTS, "a", &s, &res,
					NULL), cases[i].ret);
		if (!cases[i].ret)
			assert_string_equal(s.out.buf, cases[i].text);
		strbuf_release(&s.out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements),
		cmocka_unit_test(lines_of),
		cmocka_unit_test(failures),
		cmocka_unit_test(broken),
		cmocka_unit_test(no_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
