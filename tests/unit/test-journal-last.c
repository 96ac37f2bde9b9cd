/* SPDX-License-Identifier: MIT */
/* Of facts the last of each key alone: what is folded is the same. */
#include "run-fixture.h"

static struct json_object *fact(const char *step, const char *key, int value)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "what", "fact");
	if (step)
		json_set_str(o, "step", step);
	json_set_str(o, "key", key);
	json_set_int(o, "value", value);
	return o;
}

/* "a/pos=3 undone=1 ..." */
static int list_fn(void *ctx, struct json_object *rec, struct error *err)
{
	(void)err;
	if (strcmp(json_get_str(rec, "what", ""), "fact") != 0)
		strbuf_addf(ctx, "%s ", json_get_str(rec, "what", ""));
	else
		strbuf_addf(ctx, "%s/%s=%d ", json_get_str(rec, "step", ""),
			    json_get_str(rec, "key", ""),
			    (int)json_get_int(rec, "value", 0));
	return 0;
}

static struct json_object *other(const char *what)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "what", what);
	return o;
}

static void t_last(void **state)
{
	_cleanup_strbuf_ struct strbuf got = STRBUF_INIT;
	struct fixture *f = *state;
	struct journal *j = NULL, *k = NULL;
	struct json_object *recs[] = {
		other("run"), fact("a", "pos", 1), fact("a", "pos", 2),
		fact("b", "pos", 3), fact(NULL, "pos", 4), fact("a", "pos", 5),
		other("step"), fact("a", "pos", 6), fact("a", "undone", 7),
		fact("a", "undone", 8), fact("a", "odd\"key", 9),
		fact("a", "odd\"key", 10), fact("a", "pos", 11),
		fact("a", "pos", 12),
	};

	assert_int_equal(journal_create(&j, f->dirfd, 2, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(recs); i++)
		assert_int_equal(journal_append(j, recs[i], NULL), 0);
	assert_int_equal(journal_open_last(&k, f->dirfd, false, "undone",
					   list_fn, &got, NULL), 0);
	assert_string_equal(got.buf, "run a/pos=5 b/pos=3 /pos=4 step a/pos=6 "
			    "a/undone=7 a/undone=8 a/odd\"key=9 "
			    "a/odd\"key=10 a/pos=12 ");
	assert_int_equal(journal_seq(k), journal_seq(j));
	assert_string_equal(journal_sum(k), journal_sum(j));
	assert_string_equal(journal_last_time(k), journal_last_time(j));
	journal_close(k);
	journal_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_last, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests_name("journal-last", tests, NULL, NULL);
}
