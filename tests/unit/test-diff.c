/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "diff.h"

static char *diff(const char *a, const char *b)
{
	struct strvec out = STRVEC_INIT;
	struct strbuf sb = STRBUF_INIT;

	diff_unified("old", a, strlen(a), "new", b, strlen(b), &out);
	for (size_t i = 0; i < out.n; i++)
		strbuf_addf(&sb, "%s\n", out.v[i]);
	strvec_release(&out);
	return strbuf_detach(&sb);
}

static void expect(const char *a, const char *b, const char *want)
{
	char *got = diff(a, b);

	assert_string_equal(got, want);
	free(got);
}

static void equal_texts(void **state)
{
	(void)state;
	expect("", "", "");
	expect("a\nb\n", "a\nb\n", "");
}

static void one_line(void **state)
{
	(void)state;
	expect("", "a\n", "--- old\n+++ new\n@@ -0,0 +1,1 @@\n+a\n");
	expect("a\n", "", "--- old\n+++ new\n@@ -1,1 +0,0 @@\n-a\n");
	expect("a\nb\nc\n", "a\nx\nc\n",
	       "--- old\n+++ new\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
	expect("a\nc\n", "a\nb\nc\n",
	       "--- old\n+++ new\n@@ -1,2 +1,3 @@\n a\n+b\n c\n");
}

static void no_newline(void **state)
{
	(void)state;
	expect("a", "a\n", "--- old\n+++ new\n@@ -1,1 +1,1 @@\n-a\n"
	       "\\ no newline at the end\n+a\n");
	expect("a\nb", "c\nb", "--- old\n+++ new\n@@ -1,2 +1,2 @@\n-a\n+c\n b\n"
	       "\\ no newline at the end\n");
}

/* Seven equal lines part two hunks, six do not. */
static void hunks(void **state)
{
	(void)state;
	expect("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\ny\n",
	       "--- old\n+++ new\n@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n"
	       "@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n");
	expect("1\n2\n3\n4\n5\n6\n7\n8\n", "x\n2\n3\n4\n5\n6\n7\ny\n",
	       "--- old\n+++ new\n@@ -1,8 +1,8 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n"
	       " 7\n-8\n+y\n");
}

static void odd_bytes(void **state)
{
	struct strvec out = STRVEC_INIT;

	(void)state;
	expect("\033[31m\n", "\303\244\377\n", "--- old\n+++ new\n"
	       "@@ -1,1 +1,1 @@\n-\\x1b[31m\n+\303\244\\xff\n");
	diff_unified("a", "x\0y", 3, "b", "x", 1, &out);
	assert_int_equal(out.n, 1);
	assert_non_null(strstr(out.v[0], "binary"));
	strvec_release(&out);
}

static void limits(void **state)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	struct strvec out = STRVEC_INIT;

	(void)state;
	for (int i = 0; i < 2001; i++) {
		strbuf_addf(&a, "a%d\n", i);
		strbuf_addf(&b, "b%d\n", i);
	}
	diff_unified("a", a.buf, a.len, "b", b.buf, b.len, &out);
	assert_int_equal(out.n, 1);
	assert_non_null(strstr(out.v[0], "4000"));
	strvec_clear(&out);
	while (b.len <= 1024 * 1024)
		strbuf_addstr(&b, "more and more and more\n");
	diff_unified("a", a.buf, a.len, "b", b.buf, b.len, &out);
	assert_int_equal(out.n, 1);
	assert_non_null(strstr(out.v[0], "too large"));
	strvec_release(&out);
	strbuf_release(&a);
	strbuf_release(&b);
}

/* --- random texts: the diff leads from one to the other, and is shortest --- */

#define LINES_MAX 40

static unsigned int random_of(unsigned int *seed, unsigned int n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

static int shortest(const char *a, int n, const char *b, int m)
{
	int len[LINES_MAX + 1][LINES_MAX + 1] = { { 0 } };

	for (int i = 1; i <= n; i++)
		for (int j = 1; j <= m; j++)
			len[i][j] = a[i - 1] == b[j - 1] ?
				len[i - 1][j - 1] + 1 :
				MAX(len[i - 1][j], len[i][j - 1]);
	return n + m - 2 * len[n][m];
}

/* applies it to a, hunk by hunk; returns the number of edits */
static int patch(const struct strvec *d, const char *a, int n, char *out)
{
	int edits = 0, at = 0, o = 0;

	for (size_t i = 2; i < d->n; i++) {
		const char *l = d->v[i];
		int first, count;

		if (sscanf(l, "@@ -%d,%d", &first, &count) == 2) {
			while (at < first - (count > 0))
				out[o++] = a[at++];
			continue;
		}
		if (*l == '+')
			out[o++] = l[1];
		else
			assert_int_equal(a[at++], l[1]);
		if (*l == ' ')
			out[o++] = l[1];
		else
			edits++;
	}
	while (at < n)
		out[o++] = a[at++];
	out[o] = '\0';
	return edits;
}

static void random_texts(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		char a[LINES_MAX + 1], b[LINES_MAX + 1];
		char at[2 * LINES_MAX + 1], bt[2 * LINES_MAX + 1];
		char got[2 * LINES_MAX + 1];
		int n = (int)random_of(&seed, LINES_MAX + 1);
		int m = (int)random_of(&seed, LINES_MAX + 1);
		unsigned int letters = 1 + random_of(&seed, 5);
		struct strvec d = STRVEC_INIT;
		int edits;

		for (int i = 0; i < n; i++) {
			a[i] = (char)('a' + random_of(&seed, letters));
			at[2 * i] = a[i];
			at[2 * i + 1] = '\n';
		}
		for (int i = 0; i < m; i++) {
			b[i] = (char)('a' + random_of(&seed, letters));
			bt[2 * i] = b[i];
			bt[2 * i + 1] = '\n';
		}
		a[n] = b[m] = '\0';
		diff_unified("a", at, 2 * (size_t)n, "b", bt, 2 * (size_t)m,
			     &d);
		edits = patch(&d, a, n, got);
		assert_string_equal(got, b);
		assert_int_equal(edits, shortest(a, n, b, m));
		strvec_release(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_texts),
		cmocka_unit_test(one_line),
		cmocka_unit_test(no_newline),
		cmocka_unit_test(hunks),
		cmocka_unit_test(odd_bytes),
		cmocka_unit_test(limits),
		cmocka_unit_test(random_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
