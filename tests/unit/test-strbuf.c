/* SPDX-License-Identifier: MIT */
#include "scratch.h"

static void growing(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	char *s;

	(void)state;
	assert_string_equal(sb.buf, "");
	strbuf_clear(&sb);
	strbuf_add(&sb, NULL, 0);
	assert_int_equal(sb.len, 0);
	for (int i = 0; i < 10000; i++)
		strbuf_addch(&sb, (char)('a' + i % 26));
	assert_int_equal(sb.len, 10000);
	assert_int_equal(strlen(sb.buf), 10000);
	assert_int_equal(sb.buf[9999], 'a' + 9999 % 26);
	strbuf_set_len(&sb, 3);
	assert_string_equal(sb.buf, "abc");
	strbuf_add(&sb, "\0x", 2);
	assert_int_equal(sb.len, 5);
	assert_memory_equal(sb.buf, "abc\0x\0", 6);
	strbuf_clear(&sb);
	strbuf_addf(&sb, "%s-%d-%s", "one", 2, "");
	assert_string_equal(sb.buf, "one-2-");
	strbuf_addf(&sb, "%s", "");
	assert_int_equal(sb.len, 6);
	s = strbuf_detach(&sb);
	assert_string_equal(s, "one-2-");
	assert_int_equal(sb.len, 0);
	assert_string_equal(sb.buf, "");
	free(s);
	s = strbuf_detach(&sb);
	assert_string_equal(s, "");
	free(s);
	strbuf_release(&sb);
	strbuf_release(&sb);
}

/* Two empty ones share a buffer; neither may write into it. */
static void empty_is_shared_and_stays(void **state)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&a, "x");
	strbuf_set_len(&b, 0);
	strbuf_clear(&b);
	strbuf_addf(&b, "%s", "");
	assert_string_equal(b.buf, "");
	assert_int_equal(strbuf_empty[0], 0);
	strbuf_release(&a);
	strbuf_release(&b);
}

static void escaping(void **state)
{
	static const struct {
		const char *in, *out;
		size_t n;
	} t[] = {
		{ "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x99\x82", "plain "
		  "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x99\x82", 0 },
		{ "a\nb\tc", "a\\nb\\tc", 0 },
		{ "\x1b[31m\r\x7f", "\\x1b[31m\\x0d\\x7f", 0 },
		{ "a\0b", "a\\x00b", 3 },
		/* not UTF-8: alone, cut, overlong, surrogate, too high */
		{ "\xff", "\\xff", 0 }, { "\xc3", "\\xc3", 0 },
		{ "\xc3z", "\\xc3z", 0 }, { "\xe2\x82", "\\xe2\\x82", 0 },
		{ "\xc0\xaf", "\\xc0\\xaf", 0 },
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf", 0 },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", 0 },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 0 },
		/* C1 control, a line separator, right-to-left override */
		{ "\xc2\x9b", "\\xc2\\x9b", 0 },
		{ "\xe2\x80\xa8", "\\xe2\\x80\\xa8", 0 },
		{ "x\xe2\x80\xaez", "x\\xe2\\x80\\xaez", 0 },
		{ "", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct strbuf sb = STRBUF_INIT;

		strbuf_add_escaped(&sb, t[i].in, t[i].n ? t[i].n :
				   strlen(t[i].in));
		assert_string_equal(sb.buf, t[i].out);
		strbuf_release(&sb);
	}
}

/* A cut sequence at the end of what is given, with its rest behind it. */
static void escaping_stops_at_its_end(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	strbuf_add_escaped(&sb, "\xe2\x82\xac", 2);
	assert_string_equal(sb.buf, "\\xe2\\x82");
	strbuf_release(&sb);
}

static void lists(void **state)
{
	struct strvec v = STRVEC_INIT, w = STRVEC_INIT;

	(void)state;
	assert_false(strvec_has(&v, "a"));
	for (int i = 0; i < 100; i++) {
		strvec_pushf(&v, "item %d", i);
		assert_null(v.v[v.n]);
	}
	assert_int_equal(v.n, 100);
	assert_string_equal(v.v[99], "item 99");
	assert_true(strvec_has(&v, "item 50"));
	strvec_push(&w, "first");
	strvec_copy(&w, &v);
	assert_int_equal(w.n, 101);
	assert_string_equal(w.v[1], "item 0");
	assert_ptr_not_equal(w.v[1], v.v[0]);
	strvec_take(&w, xstrdup("taken"));
	assert_string_equal(w.v[101], "taken");
	strvec_clear(&w);
	assert_int_equal(w.n, 0);
	assert_null(w.v[0]);
	strvec_release(&w);
	strvec_release(&w);
	strvec_release(&v);
}

static void ends(void **state)
{
	(void)state;
	assert_true(str_starts("abc", "ab"));
	assert_true(str_starts("abc", ""));
	assert_false(str_starts("a", "ab"));
	assert_true(str_ends("abc", "bc"));
	assert_true(str_ends("abc", ""));
	assert_false(str_ends("c", "bc"));
	assert_false(str_ends("abc", "b"));
}

static void allocation(void **state)
{
	char *s = xmemdup("a\0b", 3), *n = xstrdup_null(NULL);

	(void)state;
	assert_memory_equal(s, "a\0b\0", 4);
	assert_null(n);
	free(s);
	s = xstrndup("abcdef", 3);
	assert_string_equal(s, "abc");
	free(s);
	free(xmalloc(0));
	free(xcalloc(0, 8));
	free(xrealloc(NULL, 0, 4));
	s = xasprintf("%d%s", 1, "x");
	assert_string_equal(s, "1x");
	free(s);
}

static void overflow_ends_the_process(void **state)
{
	pid_t pid = fork();
	int st;

	(void)state;
	if (pid == 0) {
		close(2);
		free(xrealloc(NULL, SIZE_MAX / 2, 4));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	assert_int_equal(WEXITSTATUS(st), 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growing),
		cmocka_unit_test(empty_is_shared_and_stays),
		cmocka_unit_test(escaping),
		cmocka_unit_test(escaping_stops_at_its_end),
		cmocka_unit_test(lists),
		cmocka_unit_test(ends),
		cmocka_unit_test(allocation),
		cmocka_unit_test(overflow_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
