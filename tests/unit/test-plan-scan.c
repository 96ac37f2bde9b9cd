/* SPDX-License-Identifier: MIT */
/* What libconfig 1.5 would take in silence, each with its line. */
#include "plan-fake.h"
#include "plan-internal.h"

static void syntax(const char *text, int line, const char *part)
{
	struct loaded l;

	load(&l, text);
	if (l.problems.n != 1 || !has_problem(&l, line, part)) {
		show_problems(&l);
		fail_msg("not one problem in line %d, '%s': %s", line, part,
			 text);
	}
	assert_int_equal(l.err.code, ERR_PLAN_SYNTAX);
	load_end(&l);
}

static void fine(const char *text)
{
	struct loaded l;

	load(&l, text);
	assert_loads(&l);
	load_end(&l);
}

static void include(void **state)
{
	static const char nested[] =
		HEAD "/* @include \"/etc/passwd\" */ # @include \"x\"\n"
		"// @include \"x\"\n"
		"title = \"@include\n@include \\\"/etc/passwd\\\"\n\";\n"
		"steps = ({ id = \"a\"; kind = \"write\"; });\n";

	(void)state; /* none */
	syntax("\n@include \"/etc/shadow\"\n", 2, "@include is not allowed");
	syntax("a = 1;\n \t@include \"/dev/zero\"\n", 2, "@include");
	syntax("a = 1; b = (@include \"x\");\n", 1, "@include");
	syntax("a = \"\\\\\";\n@include \"x\"\n", 2, "@include");
	syntax("a = \"\\\"\";\n@include \"x\"\n", 2, "@include");
	syntax("/*/ * /\n*/@include \"x\"\n", 2, "@include");
	syntax("@foo\n", 1, "'@' cannot stand here");
	/* in strings and comments it is text */
	fine(nested);
}

static void number(const char *n, const char *why)
{
	_cleanup_free_ char *text = xasprintf("a = 1;\nb =\n%s;\n", n);

	syntax(text, 3, why);
}

static void numbers(void **state)
{
	static const char *const good[] = {
		"2147483647", "-2147483648", "+5", "0x7FFFFFFF", "2147483648L",
		"9223372036854775807L", "-9223372036854775807LL",
		"0x7FFFFFFFFFFFFFFL", "1e308", "1.5e-300", ".5", "5.", "-0.0",
		"0x0000000000000000000001", "1E5", "007",
	};

	(void)state; /* none */
	number("2147483648", "write L behind it");
	number("-2147483649", "32 bits");
	number("99999999999999999999", "64 bits");
	number("99999999999999999999L", "64 bits");
	number("9223372036854775808L", "64 bits");
	number("0x1FFFFFFFF", "32 bits");
	number("0xFFFFFFFF", "32 bits");
	number("0x80000000", "32 bits");
	number("0xFFFFFFFFFFFFFFFFFL", "64 bits");
	/* tried: libconfig gives -1 */
	number("0x7FFFFFFFFFFFFFFFL", "64 bits");
	number("1e400", "floating-point");
	number("-1.5e999", "floating-point");
	number("1e-400", "floating-point");
	number("0000000000000000000000000000000000001", "too long");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *text = xasprintf("a = %s;\n", good[i]);
		struct plan_problems p = { 0 };

		if (plan_scan(text, strlen(text), &p))
			fail_msg("%s: %s", good[i], p.v[0].message);
		plan_problems_release(&p);
	}
}

/* The rules above are libconfig's own: each good number comes out as it is. */
static void numbers_as_parsed(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} ints[] = {
		{ "2147483647", 2147483647 }, { "-2147483648", INT32_MIN },
		{ "0x7FFFFFFF", 2147483647 }, { "2147483648L", 2147483648 },
		{ "9223372036854775807L", INT64_MAX },
		{ "0x7FFFFFFFFFFFFFFL", 0x7FFFFFFFFFFFFFF },
		{ "0xabcdefL", 0xabcdef }, { "0X1f", 31 }, { "007", 7 },
	};

	(void)state; /* none */
	for (size_t i = 0; i < ARRAY_SIZE(ints); i++) {
		_cleanup_free_ char *text = xasprintf("a = %s;\n", ints[i].text);
		struct plan_problems p = { 0 };
		struct plan_value *v = plan_parse(text, &p);

		assert_non_null(v);
		assert_int_equal(v->items[0].type, VALUE_INT);
		assert_int_equal(v->items[0].num, ints[i].want);
		plan_value_free(v);
		free(v);
		plan_problems_release(&p);
	}
}

static void commas(void **state)
{
	struct loaded l;

	(void)state; /* none */
	syntax(STEP("paths = [\n\"a\",\n\"b\",\n];"), 4, "remove the comma before ]");
	syntax(HEAD "steps = ({ id = \"a\"; kind = \"write\"; },\n/* , */\n);\n", 2,
	    "remove the comma before )");
	syntax(STEP("paths = [\"a\", # ,]\n];"), 2, "remove the comma before ]");
	/* a group takes one */
	fine(HEAD "steps = ({ id = \"a\", kind = \"write\", });\n");
	fine(STEP("paths = [ ];"));
	/* all of them, and what else is wrong */
	load(&l, HEAD "steps = ({ id = \"a\"; kind = \"write\"; paths = [\"a\",];\n"
	     "nope = 1;\nlist = [\"x\",]; },);\n");
	assert_int_equal(l.problems.n, 4);
	assert_true(has_problem(&l, 2, "before ]"));
	assert_true(has_problem(&l, 3, "unknown key 'nope'"));
	assert_true(has_problem(&l, 4, "before ]"));
	assert_true(has_problem(&l, 4, "before )"));
	load_end(&l);
	syntax("a = [,];\n", 1, "syntax error");
	syntax("a = [1,,];\n", 1, "syntax error");
}

static void strings(void **state)
{
	(void)state; /* none */
	syntax("a = 1;\nb = \"x\\x00y\";\n", 2, "\"\\x00\"");
	syntax("b = \"x\\X00y\";\n", 1, "\"\\x00\"");
	syntax("a = 1;\nb = \"never\nends\n", 2, "has no end");
	syntax("a = 1;\n/* never\nends\n", 2, "comment that begins here");
	syntax("a = [\"x\"\n\"y\"];\n", 2, "put a comma between them");
	syntax("a = (\"x\", \"y\" \"z\");\n", 1, "put a comma between them");
	/* long texts may be written in parts, and hold a backslash */
	fine(HEAD "title = \"one \"\n\"text\";\n"
	     "steps = ({ id = \"a\"; kind = \"write\"; raw = \"\\\\x00\"; });\n");
}

static void brackets(void **state)
{
	struct loaded l;
	char deep[200];

	(void)state; /* none */
	syntax("a = (\n1\n", 1, "the '(' of this line is never closed");
	syntax("a = (\n{ b = 1; ]\n);\n", 2, "']' does not close the '{' of line 2");
	syntax("a = 1;\n}\n", 2, "'}' closes nothing");
	load(&l, "a = (\n{ b = [\n");
	assert_int_equal(l.problems.n, 3);
	load_end(&l);

	memset(deep, '(', sizeof(deep));
	memcpy(deep, "a =\n", 4);
	deep[199] = '\0';
	syntax(deep, 2, "nested deeper than 32");
	memset(deep, 0, sizeof(deep));
	strcpy(deep, "a = ");
	for (int i = 0; i < PLAN_DEPTH_MAX; i++)
		strcat(deep, "(");
	for (int i = 0; i < PLAN_DEPTH_MAX; i++)
		strcat(deep, ")");
	strcat(deep, ";");
	load(&l, deep);
	assert_false(has_problem(&l, 1, "nested"));
	load_end(&l);
}

static void libconfig_own(void **state)
{
	struct loaded l;

	(void)state; /* none */
	syntax("a = 1;\nb = ;\n", 2, "syntax error");
	syntax("a = 1;\na = 2;\n", 2, "given twice");
	syntax("a = [1,\n\"x\"];\n", 2, "of one type");
	/* the first of its own, and all of ours */
	load(&l, "a = 1e400;\nb = 2147483648;\nc = = 1;\nd = = 1;\n");
	assert_int_equal(l.problems.n, 3);
	assert_true(has_problem(&l, 1, "1e400"));
	assert_true(has_problem(&l, 2, "2147483648"));
	assert_true(has_problem(&l, 3, "syntax error"));
	load_end(&l);
}

static void bytes(void **state)
{
	static const char nul[] = "plan = 1;\nname\0 = \"x\";\n";
	static const char crlf[] =
		"plan = 1;\r\nname = \"x\";\r\n# comment\r\nsteps = (\r\n"
		"{ id = \"a\"; kind = \"write\"; raw = \"1\r\n2\"; }\r\n);\r\n";
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	load_bytes(&l, nul, sizeof(nul) - 1);
	assert_problem(&l, 2, "NUL");
	load_end(&l);

	load(&l, "\xef\xbb\xbf" STEP(""));
	assert_loads(&l);
	load_end(&l);

	load(&l, crlf);
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->raw, "1\n2");
	load_again(&l, "plan = 1;\r\nname = \"x\";\r\n\r\nsteps = (\r\n{ id = "
		   "\"a\"; kind = \"nope\"; });\r\n");
	assert_problem(&l, 5, "unknown kind");
	load_end(&l);

	/* a comment that the file ends with */
	load(&l, STEP("") "# the end");
	assert_loads(&l);
	load_again(&l, "");
	assert_true(has_problem(&l, 0, "'plan = 1;' is missing"));
	load_end(&l);
}

/* No byte at all may crash it; what is refused is refused with a reason. */
static void garbage(void **state)
{
	static const char text[] = STEP("paths = [\"a\", \"b\"]; ratio = 1.5; "
					"run = [\"x\"]; /* c */ flag = true;");
	char copy[sizeof(text)];
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		static const char bytes[] = "\"\\@,(){}[]#/*\xff$\n0";

		for (size_t k = 0; k < sizeof(bytes) - 1; k += 1 + i % 3) {
			memcpy(copy, text, sizeof(copy));
			copy[i] = bytes[k];
			load_reset(&l);
			load_bytes(&l, copy, sizeof(copy) - 1);
		}
		/* and cut there; the last ";" may go */
		load_reset(&l);
		load_bytes(&l, text, i);
		assert_true(l.r < 0 || i >= sizeof(text) - 3);
		assert_true((l.r < 0) == (l.problems.n > 0));
	}
	load_end(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(include),
		cmocka_unit_test(numbers),
		cmocka_unit_test(numbers_as_parsed),
		cmocka_unit_test(commas),
		cmocka_unit_test(strings),
		cmocka_unit_test(brackets),
		cmocka_unit_test(libconfig_own),
		cmocka_unit_test(bytes),
		cmocka_unit_test(garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
