/* SPDX-License-Identifier: MIT */
/* Words, times, sizes, modes, names: the small rules of a plan. */
#include <locale.h>

#include "plan-fake.h"
#include "plan-internal.h"

static void durations(void **state)
{
	static const struct {
		const char *text;
		double want;
	} good[] = {
		{ "30", 30 }, { "30s", 30 }, { "5m", 300 }, { "24h", 86400 },
		{ "30d", 2592000 }, { "2 min", 120 }, { "0", 0 },
		{ "1.5h", 5400 }, { ".5s", 0.5 }, { "250ms", 0.25 },
		{ "2w", 1209600 }, { "1 day", 86400 },
	};
	static const char *const bad[] = {
		"", "s", "-1s", "5 parsecs", "1e3", "5s ", " 5s", "5ss", "1..5",
		"inf", "nan", "0x10", "99999999999d", ".",
	};
	double v;

	(void)state; /* none */
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse_duration(good[i].text, &v), 0);
		assert_true(v > good[i].want - 1e-6 && v < good[i].want + 1e-6);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!parse_duration(bad[i], &v))
			fail_msg("'%s' was taken as %g s", bad[i], v);
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} good[] = {
		{ "0", 0 }, { "512", 512 }, { "1K", 1024 }, { "200M", 209715200 },
		{ "2G", 2147483648 }, { "1T", 1099511627776 },
		{ "200 MiB", 209715200 }, { "10kB", 10240 }, { "7B", 7 },
		{ "9223372036854775807", INT64_MAX },
	};
	static const char *const bad[] = {
		"", "M", "-1", "1.5G", "1X", "1MM", "1Mi ", "0x10",
		"9223372036854775808", "18446744073709551616", "8388608T",
		"99999999999999999999P",
	};
	uint64_t v;

	(void)state; /* none */
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse_size(good[i].text, &v), 0);
		assert_int_equal(v, good[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!parse_size(bad[i], &v))
			fail_msg("'%s' was taken as %llu bytes", bad[i],
				 (unsigned long long)v);
}

static void modes(void **state)
{
	static const char *const bad[] = {
		"", "7", "75", "0888", "rwx", "10755", "0o755", "-755", "075 ",
		"007555",
	};
	mode_t m;

	(void)state; /* none */
	assert_int_equal(parse_mode("0700", &m), 0);
	assert_int_equal(m, 0700);
	assert_int_equal(parse_mode("644", &m), 0);
	assert_int_equal(m, 0644);
	assert_int_equal(parse_mode("2755", &m), 0);
	assert_int_equal(m, 02755);
	assert_int_equal(parse_mode("01777", &m), 0);
	assert_int_equal(m, 01777);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!parse_mode(bad[i], &m))
			fail_msg("'%s' was taken as a mode", bad[i]);
}

static void numbers_in_every_locale(void **state)
{
	static const double values[] = { 1.1, 0.1, 1e300, -2.5, 3, 1.0 / 3 };
	double v;

	(void)state; /* none */
	(void)setlocale(LC_ALL, "de_DE.UTF-8"); /* if it is there */
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_free_ char *s = format_real(values[i]);

		assert_null(strchr(s, ','));
		assert_int_equal(parse_real(s, &v), 0);
		assert_true(v == values[i]);
	}
	(void)setlocale(LC_ALL, "C");
	assert_int_equal(parse_real("1e400", &v), -ERANGE);
	assert_int_equal(parse_real("nan", &v), -EINVAL);
	assert_int_equal(parse_real("1.5x", &v), -EINVAL);
	assert_int_equal(parse_real("", &v), -EINVAL);
}

static void expressions(void **state)
{
	(void)state; /* none */
	assert_null(regex_refused(".+@.+"));
	assert_null(regex_refused("([0-9.]+)"));
	assert_null(regex_refused("a{2,30}"));
	assert_null(regex_refused("\\{9999}"));
	assert_non_null(regex_refused("("));
	assert_non_null(regex_refused("[a"));
	/* would take all memory of the machine in regcomp() */
	assert_non_null(regex_refused("((a{1,200}){1,200}){1,200}"));
	assert_non_null(regex_refused("(a{200}){200}"));
	assert_non_null(regex_refused("a{99999}"));
}

static void words(void **state)
{
	static const char *const keys[] = {
		"title", "needs", "on_error", "on_failure", "paths", "id", NULL
	};

	(void)state; /* none */
	assert_string_equal(nearest_word("tittle", keys), "title");
	assert_string_equal(nearest_word("titel", keys), "title");
	assert_string_equal(nearest_word("onfailure", keys), "on_failure");
	assert_string_equal(nearest_word("on-error", keys), "on_error");
	assert_string_equal(nearest_word("need", keys), "needs");
	assert_string_equal(nearest_word("PATHS", keys), "paths");
	assert_null(nearest_word("retention", keys));
	assert_null(nearest_word("xy", keys));
	assert_null(nearest_word("", keys));
	assert_null(nearest_word("q", keys));
	assert_null(nearest_word("title", NULL));
	assert_null(nearest_word("titletitletitletitletitletitletitletitletitle"
				 "titletitletitletitletitletitletitletitle",
				 keys));
}

static void ids(void **state)
{
	static const char *const good[] = {
		"a", "init_config", "a-b", "restart", "r", "rx1", "c", "copy",
		"start2", "z9",
	};
	static const char *const bad[] = {
		"", "A", "1a", "_a", "start", "cp", "cp1", "cpu", "r1", "r9x",
		"a b", "a.b", "a/b", "\xc3\xa4", "a\n", "a\x1b[2J",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	(void)state; /* none */
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_null(step_id_refused(good[i]));
		assert_null(check_id_refused(good[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!step_id_refused(bad[i]))
			fail_msg("'%s' was taken as an id", bad[i]);
	assert_null(check_id_refused("C01"));
	assert_null(check_id_refused("Ready"));
	assert_non_null(check_id_refused("1"));
	assert_non_null(check_id_refused("start"));
	assert_null(var_name_refused("retention_days"));
	assert_non_null(var_name_refused("root"));
	assert_non_null(var_name_refused("a-b"));
	assert_non_null(var_name_refused("9"));
	assert_non_null(var_name_refused(""));
	assert_null(plan_name_refused("prism-gateway"));
	assert_non_null(plan_name_refused("../x"));
	assert_non_null(plan_name_refused(".x"));
	assert_non_null(plan_name_refused("a b"));
}

static void texts(void **state)
{
	char *langs[] = { (char *)"de", (char *)"Hallo", (char *)"pt_BR",
			  (char *)"Oi", NULL };
	struct plan_text t = { .text = (char *)"Hello", .langs = langs };
	struct plan_text none = { 0 };

	(void)state; /* none */
	assert_string_equal(plan_text_get(&t, NULL), "Hello");
	assert_string_equal(plan_text_get(&t, "de"), "Hallo");
	assert_string_equal(plan_text_get(&t, "de_AT.UTF-8"), "Hallo");
	assert_string_equal(plan_text_get(&t, "de@euro"), "Hallo");
	assert_string_equal(plan_text_get(&t, "pt_BR.UTF-8"), "Oi");
	assert_string_equal(plan_text_get(&t, "pt_PT"), "Hello");
	assert_string_equal(plan_text_get(&t, "C"), "Hello");
	assert_string_equal(plan_text_get(&t, ""), "Hello");
	assert_string_equal(plan_text_get(&t, "d"), "Hello");
	assert_string_equal(plan_text_get(&none, "de"), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(modes),
		cmocka_unit_test(numbers_in_every_locale),
		cmocka_unit_test(expressions),
		cmocka_unit_test(words),
		cmocka_unit_test(ids),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
