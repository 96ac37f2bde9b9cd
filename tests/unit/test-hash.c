/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "base/hash.h"

/* what b2sum prints, and the published values of XXH3 */
#define BLAKE2_EMPTY \
	"786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419" \
	"d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce"
#define BLAKE2_ABC \
	"ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1" \
	"7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
#define XXH3_EMPTY "99aa06d3014798d86001c324468d497f"
#define XXH3_ABC "06b05ab6733a618578af5f94892f3950"

static void known_values(void **state)
{
	char b[BLAKE2_TEXT_SIZE], x[XXH128_TEXT_SIZE];
	struct xxh128 d;

	(void)state;
	blake2_of("", 0, b);
	assert_string_equal(b, "blake2b-512:" BLAKE2_EMPTY);
	blake2_of("abc", 3, b);
	assert_string_equal(b, "blake2b-512:" BLAKE2_ABC);
	d = xxh128_of("", 0);
	xxh128_format(&d, x);
	assert_string_equal(x, "xxh3-128:" XXH3_EMPTY);
	d = xxh128_of("abc", 3);
	xxh128_format(&d, x);
	assert_string_equal(x, "xxh3-128:" XXH3_ABC);
}

/* However the bytes come, the digest is the same. */
static void in_pieces(void **state)
{
	static const size_t cuts[] = { 1, 7, 64, 127, 128, 129, 240, 241,
		1024, 4096, 100000 };
	size_t n = 100000;
	char *data = xmalloc(n), want[BLAKE2_TEXT_SIZE], got[BLAKE2_TEXT_SIZE];
	struct xxh_stream *xs = xxh_stream_new();
	struct xxh128 whole, part;

	(void)state;
	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 31 + i / 251);
	whole = xxh128_of(data, n);
	blake2_of(data, n, want);
	for (size_t c = 0; c < ARRAY_SIZE(cuts); c++) {
		struct blake2 *b = blake2_new();

		xxh_stream_reset(xs);
		for (size_t i = 0; i < n; i += cuts[c]) {
			size_t k = MIN(cuts[c], n - i);

			blake2_add(b, data + i, k);
			xxh_stream_add(xs, data + i, k);
		}
		blake2_end(b, got);
		blake2_free(b);
		part = xxh_stream_end(xs);
		assert_string_equal(got, want);
		assert_true(xxh128_equal(&part, &whole));
	}
	data[n / 2] ^= 1;
	part = xxh128_of(data, n);
	assert_false(xxh128_equal(&part, &whole));
	xxh_stream_free(xs);
	xxh_stream_free(NULL);
	blake2_free(NULL);
	free(data);
}

static void parsing(void **state)
{
	static const char *const bad[] = { "", "xxh3-128:", XXH3_ABC,
		"xxh3-128:06b05ab6733a618578af5f94892f395",
		"xxh3-128:06b05ab6733a618578af5f94892f39500",
		"xxh3-128:06b05ab6733a618578af5f94892f395g",
		"xxh3-128:06B05AB6733A618578AF5F94892F3950",
		"xxh3-128: 6b05ab6733a618578af5f94892f3950",
		"XXH3-128:" XXH3_ABC, "blake2b-512:" XXH3_ABC };
	struct xxh128 d, want = xxh128_of("abc", 3);

	(void)state;
	assert_int_equal(xxh128_parse("xxh3-128:" XXH3_ABC, &d), 0);
	assert_true(xxh128_equal(&d, &want));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(xxh128_parse(bad[i], &d), -EINVAL);
	assert_true(xxh128_equal(&d, &want));
}

static void files(void **state)
{
	struct scratch *s = *state;
	char got[BLAKE2_TEXT_SIZE], want[BLAKE2_TEXT_SIZE];
	size_t n = 300000;
	char *data = xcalloc(1, n);
	int fd;

	put_file(s->fd, "empty", "");
	fd = openat(s->fd, "empty", O_RDONLY);
	assert_int_equal(blake2_of_fd(fd, got, &s->err), 0);
	assert_string_equal(got, "blake2b-512:" BLAKE2_EMPTY);
	close(fd);
	put_file(s->fd, "f", "");
	fd = openat(s->fd, "f", O_RDWR);
	memset(data + 1000, 'x', 1000);
	assert_int_equal(write(fd, data, n), n);
	blake2_of(data, n, want);
	/* from the start, wherever the position is, and it stays there */
	assert_int_equal(lseek(fd, 77, SEEK_SET), 77);
	assert_int_equal(blake2_of_fd(fd, got, &s->err), 0);
	assert_string_equal(got, want);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 77);
	close(fd);
	free(data);
	assert_int_equal(blake2_of_fd(s->fd, got, &s->err), -EISDIR);
	assert_true(error_is_set(&s->err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(parsing),
		with_scratch(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
