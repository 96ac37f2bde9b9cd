/* SPDX-License-Identifier: MIT */
#include "scratch.h"

static void filling(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	assert_false(error_is_set(&err));
	assert_int_equal(error_set(&err, ERR_PLAN, -EINVAL, "bad '%s'", "x"),
			 -EINVAL);
	assert_true(error_is_set(&err));
	assert_int_equal(err.code, ERR_PLAN);
	assert_int_equal(err.sys_errno, 0);
	assert_string_equal(err.msg, "bad 'x'");
	assert_null(err.hint);
	error_hint(&err, "try %d", 1);
	error_hint(&err, "try %d", 2);
	assert_string_equal(err.hint, "try 2");
	error_prefix(&err, "step '%s'", "s");
	error_prefix(&err, "plan");
	assert_string_equal(err.msg, "plan: step 's': bad 'x'");
	/* a new one leaves nothing of the old, not even its hint */
	assert_int_equal(error_errno(&err, ERR_IO, -EACCES, "open '%s'", "f"),
			 -EACCES);
	assert_int_equal(err.sys_errno, EACCES);
	assert_string_equal(err.msg, "open 'f': Permission denied");
	assert_null(err.hint);
}

/* The message may be made from the one that it replaces. */
static void rephrasing(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	error_set(&err, ERR_IO, -EIO, "inner");
	error_set(&err, ERR_STEP, -EIO, "outer (%s)", err.msg);
	assert_string_equal(err.msg, "outer (inner)");
	error_hint(&err, "see %s", err.msg);
	error_hint(&err, "please %s", err.hint);
	assert_string_equal(err.hint, "please see outer (inner)");
}

static void nobody_listens(void **state)
{
	struct error empty = ERROR_INIT;

	(void)state;
	assert_int_equal(error_set(NULL, ERR_IO, -EIO, "x"), -EIO);
	assert_int_equal(error_errno(NULL, ERR_IO, -EIO, "x"), -EIO);
	error_prefix(NULL, "x");
	error_hint(NULL, "x");
	error_release(NULL);
	error_prefix(&empty, "x");
	assert_false(error_is_set(&empty));
	assert_null(empty.msg);
}

static void room_has_a_code_of_its_own(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)state;
	error_errno(&err, ERR_IO, -ENOSPC, "x");
	assert_int_equal(err.code, ERR_NO_SPACE);
	error_errno(&err, ERR_STEP, -EDQUOT, "x");
	assert_int_equal(err.code, ERR_NO_SPACE);
	/* the journal's exit status stays the journal's */
	error_errno(&err, ERR_JOURNAL, -ENOSPC, "x");
	assert_int_equal(err.code, ERR_JOURNAL);
}

static void moving(void **state)
{
	_cleanup_error_ struct error a = ERROR_INIT, b = ERROR_INIT;
	struct error c = ERROR_INIT;

	(void)state;
	error_set(&a, ERR_PLAN, -1, "one");
	error_hint(&a, "hint");
	error_set(&b, ERR_IO, -1, "two");
	error_copy(&b, &a);
	assert_string_equal(b.msg, "one");
	assert_ptr_not_equal(b.msg, a.msg);
	assert_string_equal(b.hint, "hint");
	error_copy(&b, &b);
	assert_string_equal(b.msg, "one");
	error_move(&c, &a);
	assert_false(error_is_set(&a));
	assert_null(a.msg);
	assert_string_equal(c.msg, "one");
	error_move(NULL, &c);
	assert_false(error_is_set(&c));
}

static void codes(void **state)
{
	(void)state;
	assert_null(error_code_name(ERR_NONE));
	assert_null(error_code_name(ERR_COUNT));
	assert_string_equal(error_code_name(ERR_PLAN), "E-1002");
	for (int i = ERR_NONE + 1; i < ERR_COUNT; i++) {
		const char *name = error_code_name((enum err_code)i);
		int status = error_code_exit((enum err_code)i);

		assert_non_null(name);
		/* no number twice */
		assert_int_equal(error_code_from_name(name), i);
		assert_int_equal(error_code_from_name(name + 2), i);
		assert_true((status >= 1 && status <= 9) ||
			    (status >= 64 && status <= 78));
	}
	assert_int_equal(error_code_from_name("e1002"), ERR_PLAN);
	assert_int_equal(error_code_from_name("E-1002"), ERR_PLAN);
	assert_int_equal(error_code_from_name("E-1002x"), ERR_NONE);
	assert_int_equal(error_code_from_name("E--1002"), ERR_NONE);
	assert_int_equal(error_code_from_name(""), ERR_NONE);
	assert_int_equal(error_code_from_name("E-"), ERR_NONE);
	assert_int_equal(error_code_from_name("0"), ERR_NONE);
	assert_int_equal(error_code_from_name("99999999999999999999"),
			 ERR_NONE);
	assert_int_equal(error_code_exit(ERR_PLAN), 65);
	assert_int_equal(error_code_exit(ERR_BUG), 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filling),
		cmocka_unit_test(rephrasing),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(room_has_a_code_of_its_own),
		cmocka_unit_test(moving),
		cmocka_unit_test(codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
