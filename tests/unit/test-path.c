/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "base/path.h"

static int sign(int n)
{
	return n < 0 ? -1 : n > 0;
}

/* in path order; each must be below all that follow it */
static const char *const ordered[] = {
	"/", "/a", ".", "a", "a/a", "a/a/z", "a/b", "a/\xff", "a\x01", "a b",
	"a b/c", "a-b", "a.b", "a0", "aa", "b", "\xc3\xa4", "\xff",
};

static void order_is_total(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ordered); i++)
		for (size_t k = 0; k < ARRAY_SIZE(ordered); k++)
			assert_int_equal(sign(path_cmp(ordered[i],
						       ordered[k])),
					 i < k ? -1 : i > k);
}

static void below(void **state)
{
	(void)state;
	assert_true(path_is_below("a", "a"));
	assert_true(path_is_below("a/b", "a"));
	assert_true(path_is_below("a/b/c", "a/b"));
	assert_false(path_is_below("ab", "a"));
	assert_false(path_is_below("a-b", "a"));
	assert_false(path_is_below("a", "a/b"));
	assert_true(path_is_below("a", "."));
	assert_true(path_is_below(".", "."));
	assert_false(path_is_below(".", "a"));
	assert_false(path_is_below("/a", "."));
	assert_true(path_is_below("/a", "/"));
	assert_true(path_is_below("/a/b", "/a"));
	assert_false(path_is_below("a", "/"));
}

static void checks(void **state)
{
	static const char *const good[] = { ".", "a", "a/b", "/", "/a/b",
		"...", "a/..b", ".a", "a b", "\xff", "a\\b" };
	static const char *const bad[] = { "", "..", "a/..", "../a", "a//b",
		"a/", "./a", "a/./b", "a/.", "//", "//a", "/a/", "/.." };
	char *name = xmalloc(400);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_null(path_check(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_non_null(path_check(bad[i]));
	memset(name, 'x', 400);
	name[255] = '\0';
	assert_null(path_check(name));
	name[255] = 'x';
	name[256] = '\0';
	assert_non_null(path_check(name));
	free(name);
}

static void normalized(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "a//b/./c/", "a/b/c" }, { "./a", "a" }, { ".", "." },
		{ "./", "." }, { "././.", "." }, { "a/..", "a/.." },
		{ "/", "/" }, { "//a//", "/a" }, { "/./", "/" }, { "", "" },
		{ "...", "..." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *p = path_normalize(t[i].in);

		assert_string_equal(p, t[i].out);
	}
}

static void pieces(void **state)
{
	static const struct {
		const char *a, *b, *out;
	} t[] = {
		{ "a", "b", "a/b" }, { ".", "b", "b" }, { "a", ".", "a" },
		{ ".", ".", "." }, { "/", "b", "/b" }, { "a", "/b", "/b" },
		{ "a/b", "c/d", "a/b/c/d" },
	};
	static const struct {
		const char *path, *dir, *base;
	} d[] = {
		{ "a/b", "a", "b" }, { "a", ".", "a" }, { "a/b/c", "a/b", "c" },
		{ "/a", "/", "a" }, { "/a/b", "/a", "b" }, { ".", ".", "." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_free_ char *p = path_join(t[i].a, t[i].b);

		assert_string_equal(p, t[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(d); i++) {
		_cleanup_free_ char *p = path_dirname(d[i].path);

		assert_string_equal(p, d[i].dir);
		assert_string_equal(path_basename(d[i].path), d[i].base);
	}
}

static void lists_sort_and_lose_doubles(void **state)
{
	_cleanup_strvec_ struct strvec sv = STRVEC_INIT;
	_cleanup_free_ char *text = NULL;

	(void)state;
	strvec_sort_paths(&sv);
	assert_int_equal(sv.n, 0);
	strvec_push(&sv, "b");
	strvec_push(&sv, "a-b");
	strvec_push(&sv, "a/c");
	strvec_push(&sv, "b");
	strvec_push(&sv, ".");
	strvec_push(&sv, "a");
	strvec_push(&sv, "b");
	strvec_sort_paths(&sv);
	text = joined(&sv);
	assert_string_equal(text, ". a a/c a-b b");
	assert_null(sv.v[sv.n]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_total),
		cmocka_unit_test(below),
		cmocka_unit_test(checks),
		cmocka_unit_test(normalized),
		cmocka_unit_test(pieces),
		cmocka_unit_test(lists_sort_and_lose_doubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
