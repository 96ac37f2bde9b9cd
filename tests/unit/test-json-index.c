/* SPDX-License-Identifier: MIT */
/*
 * Whatever the processor can do: each way of looking at blocks of bytes takes
 * and refuses what the scanner does, byte by byte, and finds the same values.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/xalloc.h"
#include "json-cut.h"
#include "json-gen.h"
#include "json-index.h"
#include "json-scan.h"
#include "json-tree.h"

static const enum json_simd ways[] = {
	JSON_SIMD_NONE, JSON_SIMD_SSE2, JSON_SIMD_AVX2,
};

struct fixture {
	struct json_scan *scan;
	struct json_tree first, other;
};

static void fixture_init(struct fixture *f)
{
	f->scan = json_scan_new(NULL, NULL);
	json_tree_init(&f->first);
	json_tree_init(&f->other);
}

static void fixture_release(struct fixture *f)
{
	json_scan_free(f->scan);
	json_tree_release(&f->first);
	json_tree_release(&f->other);
	(void)json_simd_limit(JSON_SIMD_AVX2);
}

static bool scan_takes(struct fixture *f, const char *text, size_t n)
{
	int ret;

	json_scan_reset(f->scan);
	ret = json_scan_feed(f->scan, text, n);
	if (ret >= 0)
		ret = json_scan_end(f->scan);
	return ret >= 0;
}

/* true: it was taken */
static bool assert_same(struct fixture *f, const char *text, size_t n)
{
	/* nothing stands behind it that may be read */
	char *copy = xmemdup(text, n);
	bool takes = scan_takes(f, copy, n);

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct json_tree *t = i ? &f->other : &f->first;

		(void)json_simd_limit(ways[i]);
		assert_int_equal(json_tree_parse(t, copy, n),
				 takes ? 0 : -EINVAL);
		if (!i || !takes)
			continue;
		assert_int_equal(t->n, f->first.n);
		/* but for the bytes that fill a node up */
		for (uint32_t k = 1; k < t->n; k++)
			assert_memory_equal(&t->v[k], &f->first.v[k],
				offsetof(struct json_node, flags) + 1);
	}
	free(copy);
	return takes;
}

static bool assert_same_string(struct fixture *f, const struct strbuf *before,
			       const char *p, size_t n, const char *behind)
{
	_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;

	strbuf_add(&s, before->buf, before->len);
	strbuf_add(&s, p, n);
	strbuf_addstr(&s, behind);
	return assert_same(f, s.buf, s.len);
}

/* all first bytes, with each that is at an edge of some range behind it, at
   every place of a block */
static void test_characters(void **state)
{
	static const unsigned char edge[] = {
		0x00, 0x22, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
		0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff,
	};
	const size_t n = ARRAY_SIZE(edge);
	struct fixture f;
	size_t taken = 0;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < 256 * n * n * n; i += i < 0xc0 * n * n * n ?
	     61 : 1) {
		_cleanup_strbuf_ struct strbuf pad = STRBUF_INIT;
		char c[4] = { (char)(i / n / n / n), (char)edge[i / n / n % n],
			      (char)edge[i / n % n], (char)edge[i % n] };

		strbuf_addf(&pad, "\"%*s", (int)(i % 67), "");
		taken += assert_same_string(&f, &pad, c, sizeof(c), "\"");
	}
	assert_true(taken > 1000);
	fixture_release(&f);
}

/* backslashes over the borders of blocks */
static void test_backslashes(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (int at = 0; at < 70; at++)
		for (int n = 0; n < 140; n++) {
			_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;

			strbuf_addf(&s, "[\"%*s", at, "");
			for (int i = 0; i < n; i++)
				strbuf_addch(&s, '\\');
			assert_int_equal(assert_same_string(&f, &s, "", 0,
							    "\",1]"),
					 n % 2 == 0);
			assert_int_equal(assert_same_string(&f, &s, "", 0,
							    "u00e9\"]"),
					 true);
		}
	fixture_release(&f);
}

/* where they do not belong, and at the end of the text */
static void test_refused(void **state)
{
	static const char *const texts[] = {
		"", " ", "\f1", "1\f", "\x1a", "[1\x1a]", "[\x0c]", "\\", "1\\",
		"1\"a\"", "\"a\"1", "\"a\"\"b\"", "truefalse", "true1", "nul",
		"1\xc3", "\xc3\xa9", "\"\xc3", "\"\xc3\"", "\"\\", "\"\\u00",
		"\"\\u00\"", "\"\\u00g0\"", "\"\\x\"", "\"\x1f\"", "[\"a\":1]",
		"{\"a\",1}", "{1:1}", "{\"a\":1,}", "[1,]", "[,1]", "{,}", "]",
		"[1}", "{\"a\":1]", "1 2", "[1 2]", "{\"a\" 1}", "{\"a\":}",
		"-", "01", "1.", "1.e1", "1e", "+1", ".5", "0x1", "1-", "--1",
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (int at = 0; at < 130; at++)
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
			_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;

			strbuf_addf(&s, "%*s", at, "");
			assert_false(assert_same_string(&f, &s, texts[i],
						strlen(texts[i]), ""));
		}
	fixture_release(&f);
}

static void mutate(struct gen *g, struct strbuf *s)
{
	static const char some[] = "\"\\{}[]:, \n\t\x01\x0c\x1a\x80\xc3\xe2\xf0"
		"0-.eEutx";

	for (uint32_t n = gen_below(g, 3); n && s->len; n--)
		s->buf[gen_below(g, (uint32_t)s->len)] =
			some[gen_below(g, sizeof(some))];
	if (s->len && !gen_below(g, 4))
		strbuf_set_len(s, gen_below(g, (uint32_t)s->len));
}

static void test_documents(void **state)
{
	struct fixture f;
	size_t taken = 0;

	(void)state;
	fixture_init(&f);
	for (uint64_t seed = 0; seed < 10000; seed++) {
		_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;
		struct gen g;

		gen_init(&g, seed);
		gen_document(&g, &s);
		assert_true(assert_same(&f, s.buf, s.len));
		mutate(&g, &s);
		taken += assert_same(&f, s.buf, s.len);
	}
	assert_in_range(taken, 1000, 9000);
	fixture_release(&f);
}

/* more than a window, with tokens at all its borders */
static void test_windows(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t n = JSON_WINDOW - 3; n < JSON_WINDOW + 70; n++) {
		_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;

		strbuf_addch(&s, '[');
		while (s.len < n)
			strbuf_addstr(&s, n - s.len < 5 ? " " : "1,[],");
		strbuf_addstr(&s, "\"\\\\\\\"\xf0\x9f\x98\x80\",{\"a\":null}]");
		assert_true(assert_same(&f, s.buf, s.len));
	}
	fixture_release(&f);
}

/* --- the elements of an array --- */

static void cut_all(const struct strbuf *s, size_t step, struct json_cut *c)
{
	size_t len = 0;

	json_cut_init(c);
	do
		len = MIN(s->len, len + step);
	while (!json_cut_scan(c, s->buf, len, len == s->len) && len < s->len);
}

static void test_elements(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 3000; seed++) {
		_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;
		struct json_cut a, b;
		struct gen g;

		gen_init(&g, seed);
		for (uint32_t n = gen_below(&g, 30); n; n--) {
			gen_document(&g, &s);
			strbuf_addch(&s, n > 1 ? ',' : ']');
		}
		strbuf_addstr(&s, ", \"more\"");
		if (!gen_below(&g, 3))
			mutate(&g, &s);
		(void)json_simd_limit(JSON_SIMD_NONE);
		cut_all(&s, s.len, &a);
		for (size_t i = 1; i < ARRAY_SIZE(ways); i++) {
			(void)json_simd_limit(ways[i]);
			cut_all(&s, 1 + gen_below(&g, 300), &b);
			assert_int_equal(b.n, a.n);
			assert_int_equal(b.close, a.close);
			assert_memory_equal(b.v, a.v, a.n * sizeof(*a.v));
			json_cut_release(&b);
		}
		json_cut_release(&a);
	}
	(void)json_simd_limit(JSON_SIMD_AVX2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_backslashes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
