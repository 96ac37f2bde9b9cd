/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <locale.h>

#include "text-width.h"
#include "tui/field.h"

static void type(struct field *f, const char *s)
{
	assert_true(field_insert(f, s));
}

static void keys(struct field *f, enum field_key key, int times)
{
	while (times-- > 0)
		field_key(f, key);
}

static void view_is(const struct field *f, int cols, const char *want,
		    int cursor)
{
	struct strbuf sb = STRBUF_INIT;
	int at;

	field_view(f, cols, WIDTH_UTF8, &sb, &at);
	assert_string_equal(sb.buf, want);
	assert_int_equal(at, cursor);
	strbuf_release(&sb);
}

static void typing(void **state)
{
	struct field f;

	(void)state;
	field_init(&f, false);
	field_key(&f, FIELD_BACKSPACE);
	field_key(&f, FIELD_DELETE);
	field_key(&f, FIELD_LEFT);
	assert_false(f.changed);
	type(&f, "abd");
	assert_true(f.changed);
	field_key(&f, FIELD_LEFT);
	type(&f, "c");
	assert_string_equal(f.text, "abcd");
	field_key(&f, FIELD_HOME);
	type(&f, "_");
	field_key(&f, FIELD_DELETE);
	assert_string_equal(f.text, "_bcd");
	field_key(&f, FIELD_END);
	keys(&f, FIELD_RIGHT, 3);
	type(&f, "!");
	keys(&f, FIELD_BACKSPACE, 2);
	assert_string_equal(f.text, "_bc");
	keys(&f, FIELD_LEFT, 9);
	assert_int_equal(f.at, 0);
	field_release(&f);
}

static void cutting(void **state)
{
	struct field f;

	(void)state;
	field_init(&f, false);
	type(&f, "roll back to CP2 ");
	field_key(&f, FIELD_CUT_WORD);
	assert_string_equal(f.text, "roll back to ");
	keys(&f, FIELD_LEFT, 3);
	field_key(&f, FIELD_CUT_WORD);
	assert_string_equal(f.text, "roll to ");
	field_key(&f, FIELD_CUT_END);
	assert_string_equal(f.text, "roll ");
	field_key(&f, FIELD_CUT_LINE);
	assert_string_equal(f.text, "");
	field_key(&f, FIELD_CUT_WORD);
	assert_string_equal(f.text, "");
	field_release(&f);
}

/* accents go with their letters, wide ones are one key each */
static void characters(void **state)
{
	struct field f;

	(void)state;
	field_init(&f, false);
	type(&f, "e\314\201\346\274\242x");
	keys(&f, FIELD_LEFT, 2);
	assert_int_equal(f.at, 3);
	view_is(&f, 10, "e\314\201\346\274\242x", 1);
	field_key(&f, FIELD_BACKSPACE);
	assert_string_equal(f.text, "\346\274\242x");
	field_key(&f, FIELD_DELETE);
	assert_string_equal(f.text, "x");
	field_release(&f);
}

static void pasting(void **state)
{
	char *big = xcalloc(1, FIELD_MAX + 2);
	struct field f;

	(void)state;
	field_init(&f, false);
	type(&f, "one\ntwo\tthree\r\033\007");
	assert_string_equal(f.text, "one two three ");
	memset(big, 'x', FIELD_MAX + 1);
	assert_false(field_insert(&f, big));
	assert_string_equal(f.text, "one two three ");
	field_set(&f, big);
	assert_int_equal(f.len, FIELD_MAX);
	assert_false(field_insert(&f, "y"));
	free(big);
	field_release(&f);
}

static void seen_part(void **state)
{
	struct field f;

	(void)state;
	field_init(&f, false);
	field_set(&f, "abcdefghij");
	assert_false(f.changed);
	/* a column behind the end for the cursor */
	view_is(&f, 11, "abcdefghij", 10);
	view_is(&f, 5, "ghij", 4);
	keys(&f, FIELD_LEFT, 10);
	view_is(&f, 5, "abcde", 0);
	keys(&f, FIELD_RIGHT, 5);
	view_is(&f, 5, "bcdef", 4);
	field_set(&f, "a\033b");
	view_is(&f, 20, "a\\x1bb", 6);
	field_release(&f);
}

static void secrets(void **state)
{
	struct field f;
	char *where;

	(void)state;
	field_init(&f, true);
	type(&f, "s\303\244cret");
	view_is(&f, 20, "******", 6);
	field_key(&f, FIELD_LEFT);
	view_is(&f, 20, "******", 5);
	/* nothing of it stays in memory */
	where = f.text;
	field_set(&f, "x");
	for (size_t i = 1; i < 7; i++)
		assert_int_equal(where[i], 0);
	field_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typing),
		cmocka_unit_test(cutting),
		cmocka_unit_test(characters),
		cmocka_unit_test(pasting),
		cmocka_unit_test(seen_part),
		cmocka_unit_test(secrets),
	};

	if (!setlocale(LC_ALL, "C.UTF-8")) {
		(void)printf("1..0 # SKIP no locale C.UTF-8\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
