/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ours.h"

/* Without any list: the state directory in the root, and stages anywhere. */
static void always_ours(void **state)
{
	struct ours none = OURS_INIT;

	(void)state;
	for (const struct ours *o = &none;; o = NULL) {
		assert_true(ours_has(o, ".upshift"));
		assert_true(ours_has(o, ".upshift/runs/AB23/backup"));
		assert_true(ours_has(o, ".upshift-stage-AB23"));
		assert_true(ours_has(o, "a/.upshift-stage-AB23.undo/b/c"));
		assert_false(ours_has(o, "."));
		assert_false(ours_has(o, ".upshift2"));
		assert_false(ours_has(o, "a/.upshift"));
		assert_false(ours_has(o, "a.upshift-stage-AB23"));
		assert_false(ours_has(o, "/.upshift"));
		assert_false(ours_has(o, "/x/.upshift-stage-AB23"));
		assert_true(ours_has_entry(o, ".", ".upshift"));
		assert_true(ours_has_entry(o, "d", ".upshift-stage-1"));
		assert_false(ours_has_entry(o, "d", ".upshift"));
		assert_false(ours_has_entry(o, ".", "d"));
		if (!o)
			break;
	}
	ours_release(&none);
}

static void places(void **state)
{
	struct ours o = OURS_INIT;

	(void)state;
	ours_add(&o, "backups");
	ours_add(&o, "var/keep");
	ours_add(&o, "backups");
	assert_int_equal(o.places.n, 2);
	assert_true(ours_has(&o, "backups"));
	assert_true(ours_has(&o, "backups/2026/AB23/start.tar.zst"));
	assert_true(ours_has(&o, "var/keep/x"));
	assert_true(ours_has(&o, ".upshift/lock"));
	assert_false(ours_has(&o, "var"));
	assert_false(ours_has(&o, "var/keep2"));
	assert_false(ours_has(&o, "backups.old/x"));
	assert_false(ours_has(&o, "a/backups"));
	assert_false(ours_has(&o, "/backups"));
	assert_true(ours_has_entry(&o, ".", "backups"));
	assert_true(ours_has_entry(&o, "var", "keep"));
	assert_false(ours_has_entry(&o, ".", "keep"));
	assert_false(ours_has_entry(&o, "var", "backups"));
	assert_false(ours_has_entry(&o, "va", "r/keep"));
	assert_false(ours_has_entry(&o, "vary", "keep"));
	ours_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(always_ours),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
