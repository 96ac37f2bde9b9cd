/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "manifest.h"

struct world {
	char dir[32];
	int fd;
	struct error err;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/upshift-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->fd = open(w->dir, O_RDONLY | O_DIRECTORY);
	assert_true(w->fd >= 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	close(w->fd);
	fs_remove_tree(AT_FDCWD, w->dir);
	error_release(&w->err);
	free(w);
	return 0;
}

static void write_list(struct world *w, const struct item *items, size_t n,
		       char *digest)
{
	struct manifest_writer *mw;
	int fd = openat(w->fd, "m", O_CREAT | O_TRUNC | O_WRONLY, 0600);

	assert_true(fd >= 0);
	mw = manifest_writer_new(fd, "start", "/data/\xff");
	for (size_t i = 0; i < n; i++)
		assert_int_equal(manifest_write(mw, &items[i], &w->err), 0);
	assert_int_equal(manifest_writer_end(mw, digest, &w->err), 0);
	manifest_writer_free(mw);
	close(fd);
}

/* A new file each time: some file systems flush one that is truncated. */
static void put_text(struct world *w, const char *text, size_t n)
{
	int fd;

	(void)unlinkat(w->fd, "m", 0);
	fd = openat(w->fd, "m", O_CREAT | O_EXCL | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, text, n), 0);
	close(fd);
}

static void same_item(const struct item *a, const struct item *b)
{
	assert_string_equal(a->path, b->path);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->alloc, b->alloc);
	assert_int_equal(a->rdev, b->rdev);
	assert_int_equal(a->stored_size, b->stored_size);
	assert_int_equal(a->at_frame, b->at_frame);
	assert_int_equal(a->at_offset, b->at_offset);
	assert_true(meta_equal(&a->meta, &b->meta));
	assert_memory_equal(&a->digest, &b->digest, 16);
	assert_memory_equal(&a->digest2, &b->digest2, 16);
	assert_memory_equal(&a->names, &b->names, 16);
	assert_string_equal(a->target ? a->target : "-",
			    b->target ? b->target : "-");
	assert_string_equal(a->link ? a->link : "-", b->link ? b->link : "-");
}

static struct meta_xattr some_xattrs[] = {
	{ (char *)"user.empty", (char *)"", 0 },
	{ (char *)"user.nul", (char *)"a\0b", 3 },
	{ (char *)"user.\xc3\x28", (char *)"odd name", 8 },
};

static const struct item samples[] = {
	{ .path = (char *)".", .type = ITEM_DIR,
	  .flags = ITEM_PARENT | ITEM_HAS_NAMES, .names = { { 1, 2, 255 } },
	  .meta = { .mode = 0755, .mtime = { -5, 999999999 } } },
	{ .path = (char *)"a", .type = ITEM_DIR, .flags = ITEM_ROOT,
	  .meta = { .mode = 07777, .uid = 4294967294u, .gid = 7,
		    .mtime = { 15032385535, 1 } } },
	{ .path = (char *)"a/\"q\\\n\x1b\x7f\xe2\x82\xac", .type = ITEM_FILE,
	  .size = UINT64_MAX - 1000, .alloc = 4097,
	  .flags = ITEM_HAS_DIGEST | ITEM_HAS_DIGEST2 | ITEM_SQLITE |
		   ITEM_LIVE | ITEM_IN_START,
	  .digest = { { 9, 8 } }, .digest2 = { { 7 } }, .stored_size = 5,
	  .at_frame = UINT64_MAX, .at_offset = 3,
	  .meta = { .mode = 04711, .mtime = { 0, 0 },
		    .xattrs = some_xattrs, .xattr_n = 3 } },
	{ .path = (char *)"a/\xff\xfe", .type = ITEM_SYMLINK, .size = 3,
	  .target = (char *)"\x80 x", .link = (char *)"a/\xff\x01",
	  .meta = { .mode = 0777, .mtime = { 1, 0 } } },
	{ .path = (char *)"b", .type = ITEM_ABSENT, .flags = ITEM_ROOT },
	{ .path = (char *)"c", .type = ITEM_BLOCK, .rdev = 0x12345678abcdull,
	  .meta = { .mode = 0600, .mtime = { 1, 0 } } },
};

static void test_round_trip(void **state)
{
	struct world *w = *state;
	_cleanup_manifest_ struct manifest m = MANIFEST_INIT;
	char digest[BLAKE2_TEXT_SIZE];

	write_list(w, samples, ARRAY_SIZE(samples), digest);
	assert_int_equal(manifest_load(&m, w->fd, "m", digest, &w->err), 0);
	assert_int_equal(m.n, ARRAY_SIZE(samples));
	for (size_t i = 0; i < m.n; i++) {
		same_item(&m.items[i], &samples[i]);
		assert_ptr_equal(manifest_find(&m, samples[i].path),
				 &m.items[i]);
	}
	assert_null(manifest_find(&m, "a/b"));
	assert_null(manifest_find(&m, "zz"));
}

/* One flipped bit anywhere: refused by the digest, and never a crash. */
static void test_flipped_bits(void **state)
{
	struct world *w = *state;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char digest[BLAKE2_TEXT_SIZE];

	write_list(w, samples, ARRAY_SIZE(samples), digest);
	assert_int_equal(fs_read_file(w->fd, "m", 1 << 20, &text), 0);
	for (size_t i = 0; i < text.len * 8; i++) {
		_cleanup_manifest_ struct manifest m = MANIFEST_INIT;

		text.buf[i / 8] ^= (char)(1 << (i % 8));
		put_text(w, text.buf, text.len);
		text.buf[i / 8] ^= (char)(1 << (i % 8));
		(void)manifest_load(&m, w->fd, "m", NULL, &w->err);
		manifest_release(&m);
		error_release(&w->err);
		if (i % 61)
			continue;
		assert_true(manifest_load(&m, w->fd, "m", digest,
					  &w->err) < 0);
		assert_int_equal(w->err.code, ERR_BACKUP_DAMAGED);
		error_release(&w->err);
	}
}

/* Cut anywhere it is refused, also without a digest. */
static void test_truncated(void **state)
{
	struct world *w = *state;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	write_list(w, samples, ARRAY_SIZE(samples), NULL);
	assert_int_equal(fs_read_file(w->fd, "m", 1 << 20, &text), 0);
	for (size_t n = 0; n < text.len; n++) {
		_cleanup_manifest_ struct manifest m = MANIFEST_INIT;

		put_text(w, text.buf, n);
		assert_true(manifest_load(&m, w->fd, "m", NULL, &w->err) < 0);
		assert_int_equal(w->err.code, ERR_BACKUP_DAMAGED);
		assert_int_equal(m.n, 0);
		error_release(&w->err);
	}
}

#define HEAD "{\"type\":\"manifest\",\"format\":1,\"name\":\"x\",\"root\":\"/\"}\n"
#define END(n) "{\"type\":\"end\",\"items\":" #n ",\"bytes\":0}\n"
#define DIR_LINE(p) "{\"path\":\"" p "\",\"type\":\"dir\",\"mode\":\"0755\"," \
	"\"uid\":0,\"gid\":0,\"mtime\":\"1.000000000\"}\n"

static const struct {
	const char *text;
	bool fine;
} texts[] = {
	{ HEAD END(0), true },
	{ HEAD DIR_LINE("a") DIR_LINE("a/b") END(2), true },
	/* keys of a later version */
	{ HEAD "{\"path\":\"a\",\"type\":\"absent\",\"new\":[1,{\"x\":[]},"
	  "\"s\"],\"n\":null}\n" END(1), true },
	{ HEAD "{\"path\":\"\\u00e4\\ud83d\\ude00\\/b\",\"type\":\"absent\"}\n"
	  END(1), true },
	{ "", false },
	{ END(0), false },
	{ HEAD HEAD END(0), false },
	{ HEAD END(0) END(0), false },
	{ HEAD END(1), false },
	{ HEAD DIR_LINE("a") END(0), false },
	/* order, twice the same */
	{ HEAD DIR_LINE("b") DIR_LINE("a") END(2), false },
	{ HEAD DIR_LINE("a") DIR_LINE("a") END(2), false },
	/* paths that lead out */
	{ HEAD DIR_LINE("../a") END(1), false },
	{ HEAD DIR_LINE("a/../b") END(1), false },
	{ HEAD DIR_LINE("a//b") END(1), false },
	{ HEAD DIR_LINE("") END(1), false },
	{ HEAD "{\"path\":\"a\\u0000b\",\"type\":\"absent\"}\n" END(1), false },
	{ HEAD "{\"path64\":\"YQBi\",\"type\":\"absent\"}\n" END(1), false },
	/* a symlink without target, a type and a flag that nobody knows */
	{ HEAD "{\"path\":\"a\",\"type\":\"symlink\"}\n" END(1), false },
	{ HEAD "{\"path\":\"a\",\"type\":\"door\"}\n" END(1), false },
	{ HEAD "{\"path\":\"a\",\"type\":\"absent\",\"flags\":[\"?\"]}\n"
	  END(1), false },
	{ HEAD "{\"path\":\"a\"}\n" END(1), false },
	{ HEAD "{\"path\":\"a\",\"type\":\"absent\"} x\n" END(1), false },
	{ HEAD "{\"path\":\"a\",\"type\":\"absent\",\"size\":"
	  "18446744073709551616}\n" END(1), false },
	{ HEAD "{\"path\":\"a\",\"type\":\"absent\",\"uid\":4294967296}\n"
	  END(1), false },
	{ HEAD "{\"path\":\"a\",\"type\":\"absent\",\"mode\":\"0888\"}\n"
	  END(1), false },
	{ "{\"type\":\"manifest\",\"format\":2}\n" END(0), false },
};

static void test_texts(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_manifest_ struct manifest m = MANIFEST_INIT;
		int r;

		put_text(w, texts[i].text, strlen(texts[i].text));
		r = manifest_load(&m, w->fd, "m", NULL, &w->err);
		if ((r == 0) != texts[i].fine)
			fail_msg("text %zu: %d %s", i, r,
				 w->err.msg ? w->err.msg : "");
		error_release(&w->err);
	}
}

static void test_missing(void **state)
{
	struct world *w = *state;
	struct manifest_reader *r;

	assert_true(manifest_reader_open(&r, w->fd, "none", NULL,
					 &w->err) < 0);
	assert_int_equal(w->err.code, ERR_BACKUP_DAMAGED);
}

/* Many items: each is given out once, in one reader's memory. */
static void test_many(void **state)
{
	struct world *w = *state;
	struct manifest_writer *mw;
	struct manifest_reader *mr;
	const struct item *it;
	size_t n = 0;
	int r, fd = openat(w->fd, "m", O_CREAT | O_WRONLY, 0600);

	mw = manifest_writer_new(fd, "many", "/");
	for (int i = 0; i < 20000; i++) {
		_cleanup_free_ char *path = xasprintf("d/%08d", i);
		struct item one = { .path = path, .type = ITEM_FILE,
				    .size = 3, .flags = ITEM_HAS_DIGEST };

		assert_int_equal(manifest_write(mw, &one, &w->err), 0);
	}
	assert_int_equal(manifest_writer_end(mw, NULL, &w->err), 0);
	manifest_writer_free(mw);
	close(fd);
	assert_int_equal(manifest_reader_open(&mr, w->fd, "m", NULL,
					      &w->err), 0);
	while ((r = manifest_next(mr, &it, &w->err)) > 0) {
		assert_int_equal(atoi(it->path + 2), n);
		n++;
	}
	assert_int_equal(r, 0);
	assert_int_equal(n, 20000);
	assert_int_equal(manifest_next(mr, &it, &w->err), 0);
	manifest_reader_free(mr);
}

static void test_item_read(void **state)
{
	struct world *w = *state;
	_cleanup_item_ struct item f = ITEM_INIT, l = ITEM_INIT;
	_cleanup_item_ struct item none = ITEM_INIT, fifo = ITEM_INIT;
	struct xxh128 want = xxh128_of("hello", 5);

	put_text(w, "hello", 5);
	assert_int_equal(symlinkat("m", w->fd, "link"), 0);
	assert_int_equal(mkfifoat(w->fd, "fifo", 0600), 0);
	assert_int_equal(item_read(w->fd, "m", true, &f, &w->err), 0);
	assert_int_equal(f.type, ITEM_FILE);
	assert_int_equal(f.size, 5);
	assert_true(f.flags & ITEM_HAS_DIGEST);
	assert_memory_equal(&f.digest, &want, sizeof(want));
	/* not followed; does not wait for a writer */
	assert_int_equal(item_read(w->fd, "link", true, &l, &w->err), 0);
	assert_int_equal(l.type, ITEM_SYMLINK);
	assert_string_equal(l.target, "m");
	assert_int_equal(item_read(w->fd, "fifo", true, &fifo, &w->err), 0);
	assert_int_equal(fifo.type, ITEM_FIFO);
	assert_int_equal(item_read(w->fd, "x/y", true, &none, &w->err), 0);
	assert_int_equal(none.type, ITEM_ABSENT);
	assert_true(item_read(w->fd, "link/y", true, &none, &w->err) < 0);
}

static void test_compare(void **state)
{
	struct item a = { .type = ITEM_FILE, .size = 1,
			  .flags = ITEM_HAS_DIGEST, .digest = { { 1 } },
			  .meta = { .mode = 0644, .mtime = { 1, 2 } } };
	struct item b = a;

	(void)state;
	assert_int_equal(item_compare(&a, &b), 0);
	b.digest.b[15] = 1;
	assert_int_equal(item_compare(&a, &b), ITEM_DIFF_CONTENT);
	b.flags = 0;
	assert_int_equal(item_compare(&a, &b), 0);
	b.size = 2;
	b.meta.mode = 0600;
	b.meta.gid = 1;
	b.meta.mtime.tv_nsec = 3;
	assert_int_equal(item_compare(&a, &b), ITEM_DIFF_CONTENT |
			 ITEM_DIFF_MODE | ITEM_DIFF_OWNER | ITEM_DIFF_MTIME);
	b.meta.xattr_n = 1;
	b.meta.xattrs = some_xattrs;
	assert_true(item_compare(&a, &b) & ITEM_DIFF_XATTR);
	b.type = ITEM_DIR;
	assert_int_equal(item_compare(&a, &b), ITEM_DIFF_TYPE);
}

static void test_names(void **state)
{
	struct world *w = *state;
	_cleanup_strvec_ struct strvec v = STRVEC_INIT;
	struct ours ours = OURS_INIT;
	struct xxh128 one, two;

	ours_add(&ours, "d/skip");
	assert_int_equal(mkdirat(w->fd, "d", 0700), 0);
	assert_int_equal(mkdirat(w->fd, "d/b", 0700), 0);
	assert_int_equal(mkdirat(w->fd, "d/a", 0700), 0);
	assert_int_equal(item_names_digest(w->fd, "d", &ours, &one,
					   &w->err), 0);
	/* our own names do not count */
	assert_int_equal(mkdirat(w->fd, "d/skip", 0700), 0);
	assert_int_equal(mkdirat(w->fd, "d/.upshift-stage-X", 0700), 0);
	assert_int_equal(item_names_digest(w->fd, "d", &ours, &two,
					   &w->err), 0);
	assert_true(xxh128_equal(&one, &two));
	strvec_push(&v, "b");
	strvec_push(&v, "a");
	item_names_of(&v, &two);
	assert_true(xxh128_equal(&one, &two));
	assert_int_equal(mkdirat(w->fd, "d/c", 0700), 0);
	assert_int_equal(item_names_digest(w->fd, "d", &ours, &two,
					   &w->err), 0);
	assert_false(xxh128_equal(&one, &two));
	ours_release(&ours);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_round_trip),
		T(test_flipped_bits),
		T(test_truncated),
		T(test_texts),
		T(test_missing),
		T(test_many),
		T(test_item_read),
		T(test_compare),
		T(test_names),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
