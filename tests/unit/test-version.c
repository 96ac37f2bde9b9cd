/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/version.h"

/* each below the next */
static const char *const rising[] = {
	"0.9", "1.0-alpha", "1.0-beta1", "1.0-beta2", "1.0-beta10", "1.0rc1",
	"v1.0", "1.0.1", "1.9-dev", "1.9", "1.9.1", "1.10", "1.10.2",
	"2", "10.0", "99999999999999999999.0", "100000000000000000000",
};

static void orders(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rising); i++)
		for (size_t k = 0; k < ARRAY_SIZE(rising); k++) {
			int r = version_cmp(rising[i], rising[k]);

			if ((r > 0) - (r < 0) != (i > k) - (i < k))
				fail_msg("%s and %s: %d", rising[i],
					 rising[k], r);
		}
}

static void same(void **state)
{
	static const char *const pairs[][2] = {
		{ "1.9", "1.9.0" }, { "1", "1.0.0" }, { "01.002", "1.2" },
		{ "v2.0", "2.0" }, { "1.2+deb12u1", "1.2" },
		{ "1.2 (build 7)", "1.2" }, { "0", "0.0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		assert_int_equal(version_cmp(pairs[i][0], pairs[i][1]), 0);
		assert_int_equal(version_cmp(pairs[i][1], pairs[i][0]), 0);
	}
}

static void up_to(void **state)
{
	(void)state;
	assert_true(version_upto("1.9", "1.9"));
	assert_true(version_upto("1.9.0", "1.9"));
	assert_true(version_upto("1.9.7", "1.9"));
	assert_true(version_upto("1.9-rc1", "1.9"));
	assert_true(version_upto("1.8.99", "1.9"));
	assert_true(version_upto("1", "1.0"));
	assert_false(version_upto("1.10", "1.9"));
	assert_false(version_upto("2.0", "1.9"));
	assert_false(version_upto("1.9.1", "1.9.0"));
	assert_true(version_upto("1.99", "1"));
	assert_false(version_upto("10", "1"));
	/* a bound that is itself ahead of its version */
	assert_true(version_upto("2.0-beta", "2.0-rc1"));
	assert_false(version_upto("2.0", "2.0-rc1"));
	assert_false(version_upto("2.0.1", "2.0-rc1"));
}

static void valid(void **state)
{
	(void)state;
	assert_true(version_valid("0"));
	assert_true(version_valid("v1"));
	assert_false(version_valid(""));
	assert_false(version_valid("v"));
	assert_false(version_valid("one"));
	assert_false(version_valid(".5"));
	assert_false(version_valid("-1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders),
		cmocka_unit_test(same),
		cmocka_unit_test(up_to),
		cmocka_unit_test(valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
