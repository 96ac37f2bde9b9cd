/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/path.h"
#include "effects.h"

static unsigned int seed = 1;

static unsigned int roll(unsigned int n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

/* up to four names of a few, so that paths meet often */
static void random_path(char out[64])
{
	static const char *const names[] = { "a", "a.b", "b", "ab", "-", "\xff" };
	unsigned int n = 1 + roll(4);

	if (roll(20) == 0) {
		strcpy(out, roll(2) ? "." : "/opt/a");
		return;
	}
	*out = '\0';
	for (unsigned int i = 0; i < n; i++) {
		if (i)
			strcat(out, "/");
		strcat(out, names[roll(6)]);
	}
}

/* what is sorted is found as what is not */
static void t_cover(void **state)
{
	char path[64];

	(void)state;
	for (int round = 0; round < 300; round++) {
		_cleanup_effects_ struct effects plain = EFFECTS_INIT;
		_cleanup_effects_ struct effects quick = EFFECTS_INIT;
		unsigned int n = roll(12);

		for (unsigned int i = 0; i < n; i++) {
			enum effect_type t = (enum effect_type)roll(4);
			unsigned int flags = roll(2) ? EFFECT_SELF : 0;

			random_path(path);
			effects_add(&plain, t, flags, path);
			effects_add(&quick, t, flags, path);
		}
		effects_index(&quick);
		assert_true(quick.indexed);
		for (int i = 0; i < 100; i++) {
			random_path(path);
			assert_int_equal(effects_cover(&plain, path),
					 effects_cover(&quick, path));
		}
	}
}

static void t_index_ends_with_an_add(void **state)
{
	_cleanup_effects_ struct effects e = EFFECTS_INIT;

	(void)state;
	effects_index(&e);
	assert_false(effects_cover(&e, "a"));
	effects_add(&e, EFFECT_CHANGE, 0, "b");
	assert_false(e.indexed);
	effects_add(&e, EFFECT_CHANGE, EFFECT_SELF, "a");
	assert_true(effects_cover(&e, "b/c"));
	assert_true(effects_cover(&e, "a"));
	assert_false(effects_cover(&e, "a/b"));
	/* a pattern is matched, not looked up */
	effects_add(&e, EFFECT_REMOVE, EFFECT_PATTERN, "c/*.tmp");
	effects_index(&e);
	assert_false(e.indexed);
	assert_true(effects_cover(&e, "c/x.tmp"));
}

static void assert_above(const struct effects *e, const char *place,
			 const char *want)
{
	char *got = effects_above(e, place);

	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
	free(got);
}

static void t_above(void **state)
{
	_cleanup_effects_ struct effects e = EFFECTS_INIT;

	(void)state;
	effects_add(&e, EFFECT_CHANGE, 0, ".");
	effects_add(&e, EFFECT_CHANGE, EFFECT_PATTERN, "**/*.json");
	effects_add(&e, EFFECT_READ, 0, "a");
	effects_add(&e, EFFECT_CREATE, 0, "a/bc");
	assert_above(&e, "a", NULL);
	assert_above(&e, "a/b/c", NULL);
	effects_add(&e, EFFECT_CREATE, EFFECT_SELF, "a/b");
	assert_above(&e, "a/b/c/d", "a/b");
	assert_above(&e, "a/b", NULL);
	effects_add(&e, EFFECT_REMOVE, EFFECT_PATTERN, "x/*");
	assert_above(&e, "x/y", NULL);
	assert_above(&e, "x/y/z", "x/y");
}

static void t_json(void **state)
{
	_cleanup_effects_ struct effects e = EFFECTS_INIT, back = EFFECTS_INIT;
	struct json_object *o;

	(void)state;
	effects_add(&e, EFFECT_CREATE, EFFECT_SELF, "new");
	effects_add(&e, EFFECT_READ, 0, "old");
	effects_add(&e, EFFECT_REMOVE, 0, "name \xff");
	o = effects_to_json(&e);
	assert_int_equal(effects_from_json(o, &back), 0);
	json_object_put(o);
	assert_int_equal(back.n, 3);
	assert_true(back.indexed);
	assert_true(effects_cover(&back, "new"));
	assert_false(effects_cover(&back, "new/x"));
	assert_false(effects_cover(&back, "old"));
	assert_true(effects_cover(&back, "name \xff/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_cover),
		cmocka_unit_test(t_index_ends_with_an_add),
		cmocka_unit_test(t_above),
		cmocka_unit_test(t_json),
	};

	return cmocka_run_group_tests_name("effects", tests, NULL, NULL);
}
