/* SPDX-License-Identifier: MIT */
/* What all stores share: batches, keys, the text of cells, MD5, the kinds. */
#include "scratch.h"

#include <float.h>
#include <math.h>

#include "store-internal.h"
#include "store.h"

static void add(struct store_batch *b, enum store_type type, const char *text)
{
	store_batch_add(b, type, text, text ? strlen(text) : 0);
}

static void test_batch(_unused_ void **state)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	store_batch_clear(&b, 2);
	add(&b, STORE_INT, "1");
	assert_int_equal(b.nrow, 0);
	add(&b, STORE_TEXT, NULL);
	assert_int_equal(b.nrow, 1);
	add(&b, STORE_INT, "22");
	add(&b, STORE_TEXT, "");
	assert_int_equal(b.nrow, 2);
	assert_null(store_batch_text(&b, store_batch_cell(&b, 0, 1)));
	assert_int_equal(store_batch_cell(&b, 1, 1)->len, 0);
	assert_non_null(store_batch_text(&b, store_batch_cell(&b, 1, 1)));
	store_batch_drop_row(&b);
	assert_int_equal(b.nrow, 1);
	assert_int_equal(b.n, 1);
	add(&b, STORE_TEXT, "x");
	add(&b, STORE_TEXT, "y");
	assert_memory_equal(b.buf, "1xy", 3);
	assert_int_equal(b.nrow, 2);
}

static void check_key(enum store_type type, const char *p, size_t n,
		      const char *expect)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch c = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf again = STRBUF_INIT;

	store_batch_clear(&b, 2);
	store_batch_add(&b, type, p, n);
	add(&b, STORE_TEXT, "z");
	store_key(&b, 0, 2, &key);
	assert_string_equal(key.buf, expect);
	store_batch_clear(&c, 2);
	assert_int_equal(store_key_cells(key.buf, &c), 0);
	assert_int_equal(c.nrow, 1);
	assert_int_equal(c.cell[0].len, n);
	assert_memory_equal(c.buf, p, n);
	assert_int_equal(c.cell[0].type, type);
	store_key(&c, 0, 2, &again);
	assert_string_equal(again.buf, key.buf);
}

static void test_keys(_unused_ void **state)
{
	check_key(STORE_TEXT, "a\"\\\n", 4, "[\"a\\\"\\\\\\n\",\"z\"]");
	check_key(STORE_TEXT, "", 0, "[\"\",\"z\"]");
	check_key(STORE_TEXT, "7", 1, "[\"7\",\"z\"]");
	check_key(STORE_INT, "-7", 2, "[-7,\"z\"]");
	check_key(STORE_NUM, "1.50", 4, "[1.50,\"z\"]");
	check_key(STORE_NUM, "1e+20", 5, "[1e+20,\"z\"]");
	check_key(STORE_NUM, "NaN", 3, "[[\"n4e614e\"],\"z\"]");
	check_key(STORE_BOOL, "t", 1, "[true,\"z\"]");
	check_key(STORE_BYTES, "\\x00ff", 6, "[[\"b5c7830306666\"],\"z\"]");
	check_key(STORE_TEXT, "a\0b", 3, "[[\"t610062\"],\"z\"]");
	check_key(STORE_TEXT, "\xff", 1, "[[\"tff\"],\"z\"]");
}

static void test_no_keys(_unused_ void **state)
{
	static const char *const bad[] = {
		"", "[", "7", "[1]", "[1,2,3]", "[1,null]", "[1,{}]",
		"[1,[]]", "[1,[\"\"]]", "[1,[\"q00\"]]", "[1,[\"t0\"]]",
		"[1,[\"tzz\"]]", "[1,[1]]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

		store_batch_clear(&b, 2);
		assert_int_equal(store_key_cells(bad[i], &b), -EINVAL);
	}
}

/* the second column is what PostgreSQL 15 prints for the float8 */
static void test_numbers(_unused_ void **state)
{
	static const struct {
		double v;
		const char *text;
	} t[] = {
		{ 0, "0" }, { -0.0, "-0" }, { 1, "1" }, { -1.5, "-1.5" },
		{ 0.1 + 0.2, "0.30000000000000004" }, { 0.1, "0.1" },
		{ 1e14, "100000000000000" }, { 1e15, "1e+15" },
		{ 1e20, "1e+20" }, { 1.0 / 3, "0.3333333333333333" },
		{ 1e-4, "0.0001" }, { 1e-5, "1e-05" }, { 1e-7, "1e-07" },
		{ 1234567890123456.0, "1.234567890123456e+15" },
		{ 123456789012345.67, "123456789012345.67" },
		{ 5e-324, "5e-324" }, { 1.7976931348623157e308,
			"1.7976931348623157e+308" },
		{ INFINITY, "Infinity" }, { -INFINITY, "-Infinity" },
		{ NAN, "NaN" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		store_real_text(t[i].v, &sb);
		assert_string_equal(sb.buf, t[i].text);
	}
}

/* its digits without zeros at either end */
static void digits_of(char *text)
{
	size_t n = 0;

	for (const char *p = text; *p && *p != 'e'; p++)
		if (*p >= '0' && *p <= '9' && (n || *p != '0'))
			text[n++] = *p;
	while (n && text[n - 1] == '0')
		n--;
	text[n] = '\0';
}

/* whatever way it takes, a number is the shortest text that reads as it, and
   read back it is the same; what would be written otherwise is no number */
static void test_numbers_again(_unused_ void **state)
{
	static const char *const ints[] = {
		"0", "7", "-7", "999999999999999999", "1000000000000000000",
		"-9223372036854775808", "9223372036854775807",
	}, *const no_ints[] = {
		"", "-", "-0", "00", "01", "-01", "+1", " 1", "1 ", "1.0", "1e3",
		"9223372036854775808", "99999999999999999999999", "0x10",
	}, *const no_reals[] = {
		"", "-", "+1", "1.0", "01", "01.5", ".5", "1.", "1.50", "-.5",
		"1e3", "0.00001", "1e-4", "1000000000000000", "1e15", "1 ",
		"0.0", "1.5.2", "1,5", "0.1000000000000000055511151231257827",
	};
	uint64_t seed = 88172645463325252u;
	int64_t v;
	double d;

	for (size_t i = 0; i < ARRAY_SIZE(ints); i++) {
		char text[STORE_NUMBER_ROOM];

		assert_true(store_int_read(ints[i], strlen(ints[i]), &v));
		assert_int_equal(store_int_write(v, text), strlen(ints[i]));
		assert_memory_equal(text, ints[i], strlen(ints[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(no_ints); i++)
		assert_false(store_int_read(no_ints[i], strlen(no_ints[i]),
					    &v));
	for (size_t i = 0; i < ARRAY_SIZE(no_reals); i++)
		assert_false(store_real_read(no_reals[i],
					     strlen(no_reals[i]), &d));
	for (unsigned int i = 0; i < 100000; i++) {
		char text[STORE_NUMBER_ROOM], want[40];
		double back;
		size_t n;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		/* few digits at all places, and now and then any bits */
		d = (double)(int64_t)(seed >> (20 + seed % 40));
		for (uint64_t k = seed / 64 % 20; k; k--)
			d /= 10;
		if (i % 8 == 0)
			memcpy(&d, &seed, sizeof(d));
		n = store_real_write(i % 2 ? d : -d, text);
		text[n] = '\0';
		if (!isfinite(d))
			continue;
		assert_true(strtod(text, NULL) == (i % 2 ? d : -d));
		assert_true(store_real_read(text, n, &back));
		assert_true(back == (i % 2 ? d : -d));
		(void)snprintf(want, sizeof(want), "%.14e", d);
		if ((d >= DBL_MIN || d <= -DBL_MIN) && strtod(want, NULL) == d) {
			digits_of(want);
			digits_of(text);
			assert_string_equal(text, want);
		}
	}
}

/* the values of RFC 1321, A.5 */
static void test_md5(_unused_ void **state)
{
	const char *digits = "1234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890";
	char block[64];

	assert_true(store_md5_half("", 0) == 0xd41d8cd98f00b204u);
	assert_true(store_md5_half("abc", 3) == 0x900150983cd24fb0u);
	assert_true(store_md5_half("message digest", 14) ==
		    0xf96b697d7cb7938du);
	assert_true(store_md5_half(digits, 80) == 0x57edf4a22be3c955u);
	memset(block, 'a', sizeof(block));
	/* printf %055d, %056d, %064d of a's | md5sum */
	assert_true(store_md5_half(block, 55) == 0xef1772b6dff9a122u);
	assert_true(store_md5_half(block, 56) == 0x3b0c8ac703f828b0u);
	assert_true(store_md5_half(block, 64) == 0x014842d480b57149u);
}

static void test_kinds(_unused_ void **state)
{
	struct store_options o = { .root_fd = AT_FDCWD };
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store *s;

	assert_int_equal(store_open("mysql://u:geheim@h/d", &o, &s, &err),
			 -EINVAL);
	assert_int_equal(err.code, ERR_PLAN_VALUE);
	assert_null(strstr(err.msg, "geheim"));
	assert_int_equal(store_open("sqlite", &o, &s, &err), -EINVAL);
	assert_int_equal(store_open("", &o, &s, &err), -EINVAL);
}

/* what was left out at configure is told from what is none */
static void test_left_out(_unused_ void **state)
{
	struct store_options o = { .root_fd = AT_FDCWD };
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store *s;

#ifdef HAVE_PG
	skip();
#endif
	assert_int_equal(store_open("pg:host=/nowhere", &o, &s, &err),
			 -EOPNOTSUPP);
	assert_int_equal(error_code_exit(err.code), 69);
}

static void test_classes(_unused_ void **state)
{
	assert_int_equal(store_class(0), STORE_CLASS_NONE);
	assert_int_equal(store_class(5), STORE_CLASS_NONE);
	assert_int_equal(store_class(-ECONNRESET), STORE_CLASS_RECONNECT);
	assert_int_equal(store_class(-EAGAIN), STORE_CLASS_RETRY);
	assert_int_equal(store_class(-EIO), STORE_CLASS_FATAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_no_keys),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_numbers_again),
		cmocka_unit_test(test_md5),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
