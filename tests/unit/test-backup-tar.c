/* SPDX-License-Identifier: MIT */
/*
 * What a file system can hold goes into the archive and comes out of it the
 * same: by GNU tar with the line that we print, by bsdtar, and by ourselves.
 */
#include "backup-world.h"

#include <endian.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "backup-internal.h"
#include "base/fsutil.h"
#include "base/path.h"

#define NAME_255 \
	"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff" \
	"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff" \
	"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff" \
	"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff" \
	"aaaaaaaaaabbbbb"

static void make_names(struct world *w)
{
	static const char *const names[] = {
		"plain", "with space", "new\nline", "tab\there", "-dash",
		"q\"uo", "back\\slash", "\xff\xfe raw", "caf\xc3\xa9", "cafe\xcc\x81",
		"control\x01", "trailing ", "=", "%3D", NAME_255,
	};

	put_dir(w->root_fd, "names");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *p = xasprintf("names/%s", names[i]);

		put_file(w->root_fd, p, names[i]);
	}
	/* directories and symlinks with such names, and paths of any length */
	put_dir(w->root_fd, "names/d\xff");
	put_file(w->root_fd, "names/d\xff/x", "x");
	put_dir(w->root_fd, "names/d\xff/" NAME_255);
	put_file(w->root_fd, "names/d\xff/" NAME_255 "/y", "y");
	assert_int_equal(symlinkat("to\xffsomething", w->root_fd,
				   "names/l\xc3\xb6nk"), 0);
	assert_int_equal(symlinkat(NAME_255 "/" NAME_255, w->root_fd,
				   "names/long-target"), 0);
	/* exactly as much as fits into a header, and one more */
	put_dir(w->root_fd, "0123456789012345678901234567890123456789");
	put_file(w->root_fd, "0123456789012345678901234567890123456789/"
		 "12345678901234567890123456789012345678901234567890123456789",
		 "100");
	put_file(w->root_fd, "0123456789012345678901234567890123456789/"
		 "123456789012345678901234567890123456789012345678901234567890",
		 "101");
}

static void make_kinds(struct world *w)
{
	put_dir(w->root_fd, "kinds");
	put_dir(w->root_fd, "kinds/empty-dir");
	put_file(w->root_fd, "kinds/empty", "");
	world_noise(w, "kinds/511", 511, 1);
	world_noise(w, "kinds/512", 512, 2);
	world_noise(w, "kinds/513", 513, 3);
	/* read ahead to the last byte, and one that is not */
	world_noise(w, "kinds/small", 1024 * 1024, 4);
	world_noise(w, "kinds/large", 1024 * 1024 + 1, 5);
	/* over several frames */
	world_noise(w, "kinds/huge", 9 * 1024 * 1024 + 77, 6);
	assert_int_equal(mkfifoat(w->root_fd, "kinds/fifo", 0640), 0);
	assert_int_equal(symlinkat("nowhere", w->root_fd, "kinds/link"), 0);
	put_file(w->root_fd, "kinds/one", "linked");
	assert_int_equal(linkat(w->root_fd, "kinds/one", w->root_fd,
				"kinds/two\xff", 0), 0);
	assert_int_equal(linkat(w->root_fd, "kinds/one", w->root_fd,
				"names/three", 0), 0);
}

static void chmod_to(struct world *w, const char *path, mode_t mode)
{
	put_file(w->root_fd, path, "mode");
	assert_int_equal(fchmodat(w->root_fd, path, mode, 0), 0);
}

static void make_meta(struct world *w)
{
	put_dir(w->root_fd, "meta");
	chmod_to(w, "meta/0400", 0400);
	chmod_to(w, "meta/4755", 04755);
	chmod_to(w, "meta/0666", 0666);
	put_dir(w->root_fd, "meta/sticky");
	assert_int_equal(fchmodat(w->root_fd, "meta/sticky", 01777, 0), 0);
	put_file(w->root_fd, "meta/epoch", "0");
	world_mtime(w, "meta/epoch", 0, 0);
	put_file(w->root_fd, "meta/ns", "1 ns");
	world_mtime(w, "meta/ns", 1000000000, 1);
	put_file(w->root_fd, "meta/before", "-2.25");
	world_mtime(w, "meta/before", -3, 750000000);
	put_file(w->root_fd, "meta/before-even", "-86400");
	world_mtime(w, "meta/before-even", -86400, 0);
	put_file(w->root_fd, "meta/just-before", "-0.25");
	world_mtime(w, "meta/just-before", -1, 750000000);
	put_file(w->root_fd, "meta/late", "2446");
	world_mtime(w, "meta/late", 15000000000, 5);
	if (geteuid() == 0) {
		put_file(w->root_fd, "meta/owner", "large numbers");
		assert_int_equal(fchownat(w->root_fd, "meta/owner", 3000000000u,
					  2097152, 0), 0);
		put_file(w->root_fd, "meta/owner-fits", "just fits");
		assert_int_equal(fchownat(w->root_fd, "meta/owner-fits",
					  2097151, 1234, 0), 0);
	}
	world_mtime(w, "meta/sticky", 1234567890, 123456789);
	world_mtime(w, "kinds/link", 1111111111, 111111111);
	world_mtime(w, "meta", 999999999, 999999999);
}

/* as the kernel keeps it: a named user and a named group, and their mask */
static size_t raw_acl(uint32_t out[16])
{
	const uint32_t v[] = {
		2, 0x01 | 6u << 16, 0xffffffff, 0x02 | 7u << 16, 1234,
		0x04 | 4u << 16, 0xffffffff, 0x08 | 5u << 16, 4321,
		0x10 | 7u << 16, 0xffffffff, 0x20 | 0u << 16, 0xffffffff,
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		out[i] = htole32(v[i]);
	return sizeof(v);
}

static bool make_xattrs(struct world *w)
{
	char large[1500];
	uint32_t acl[16];
	size_t n = raw_acl(acl);

	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)(i * 7);
	put_dir(w->root_fd, "xattr");
	put_file(w->root_fd, "xattr/file", "x");
	put_dir(w->root_fd, "xattr/dir");
	if (!world_xattr(w, "xattr/file", "user.plain", "value", 5))
		return false;
	world_xattr(w, "xattr/file", "user.empty", "", 0);
	world_xattr(w, "xattr/file", "user.bytes", "a\0\n=\xff", 5);
	world_xattr(w, "xattr/file", "user.a=b%c", "odd name", 8);
	world_xattr(w, "xattr/file", "user.large", large, sizeof(large));
	world_xattr(w, "xattr/dir", "user.on dir", "1", 1);
	if (world_xattr(w, "xattr/file", "system.posix_acl_access", acl, n))
		world_xattr(w, "xattr/dir", "system.posix_acl_default", acl,
			    n);
	return true;
}

static void make_holes(struct world *w)
{
	static const struct {
		const char *path;
		off_t data[4];   /* where 4 KiB of data lie; 0 ends it */
		off_t size;
	} v[] = {
		{ "holes/all", { 0 }, 3 << 20 },
		{ "holes/middle", { 1 << 20, 2 << 20, 0 }, 4 << 20 },
		{ "holes/at-end", { 5 << 20, 0 }, (5 << 20) + 4096 },
		{ "holes/odd-size", { 1 << 20, 0 }, (6 << 20) + 777 },
		{ "holes/odd \xff", { 1 << 20, 3 << 20, 0 }, 7 << 20 },
	};
	char block[4096];

	memset(block, 'd', sizeof(block));
	put_dir(w->root_fd, "holes");
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		int fd = openat(w->root_fd, v[i].path, O_RDWR | O_CREAT, 0600);

		assert_true(fd >= 0);
		for (size_t k = 0; v[i].data[k]; k++)
			assert_int_equal(pwrite(fd, block, sizeof(block),
						v[i].data[k]), 4096);
		assert_int_equal(ftruncate(fd, v[i].size), 0);
		assert_int_equal(close(fd), 0);
	}
}

static void make_all(struct world *w)
{
	make_names(w);
	make_kinds(w);
	make_xattrs(w);
	make_holes(w);
	make_meta(w);
}

static int open_back(struct world *w)
{
	int fd = openat(w->dir_fd, "back", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void same_links(int fd)
{
	static const char *const names[] = { "kinds/one", "kinds/two\xff",
					     "names/three" };
	struct stat st[3];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(fstatat(fd, names[i], &st[i],
					 AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st[0].st_ino, st[1].st_ino);
	assert_int_equal(st[0].st_ino, st[2].st_ino);
	assert_int_equal(st[0].st_nlink, 3);
}

/* holes take no room (a file system without holes had none to begin with) */
static void still_sparse(struct world *w, int fd)
{
	struct stat a, b;

	assert_int_equal(fstatat(w->root_fd, "holes/middle", &a, 0), 0);
	assert_int_equal(fstatat(fd, "holes/middle", &b, 0), 0);
	if (a.st_blocks * 512 < a.st_size / 2)
		assert_true(b.st_blocks * 512 < b.st_size / 2);
}

/* back/ must be what the manifest says, the manifest's member aside */
static void check_back(struct world *w, const char *how)
{
	_cleanup_free_ char *root = path_join(w->dir, "back");
	_cleanup_free_ char *differs = NULL;
	_cleanup_close_ int fd = open_back(w);
	struct stat st;

	assert_int_equal(fstatat(fd, ".upshift-manifest.jsonl", &st, 0), 0);
	assert_int_equal(unlinkat(fd, ".upshift-manifest.jsonl", 0), 0);
	/* taking it away changed the time of the root */
	assert_int_equal(fstat(w->root_fd, &st), 0);
	assert_int_equal(futimens(fd, (struct timespec[2]){
		{ .tv_nsec = UTIME_OMIT }, st.st_mtim }), 0);
	if (world_compare(w, "start", fd, root, &differs)) {
		_cleanup_free_ char *shown = escape_bytes(differs);

		fail_msg("%s: '%s' is another", how, shown);
	}
	same_links(fd);
	still_sparse(w, fd);
}

static void t_gnu_tar(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *line = NULL, *command = NULL;
	int rc;

	make_all(w);
	world_save(w, "start");
	line = backup_tar_line("out/start.tar.zst", "back");
	/* names that are not ASCII bring their note, far times another */
	command = xasprintf("mkdir back && %s 2>notes && "
		"! grep -vE 'unknown extended header keyword|time stamp' notes; "
		"rc=$?; rm notes; exit $rc", line);
	rc = world_sh(w, "zstd", command);
	if (rc < 0)
		skip();
	assert_int_equal(rc, 0);
	check_back(w, "tar");
}

/* names that are all ASCII: not a word; and words that need quotes */
static void t_gnu_tar_quiet(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *line = NULL, *command = NULL;
	int rc;

	put_dir(w->root_fd, "d");
	put_file(w->root_fd, "d/new\nline", "x");
	put_file(w->root_fd, "d/" NAME_255, "y");
	world_mtime(w, "d/new\nline", 1000000000, 5);
	world_save(w, "it's mine");
	line = backup_tar_line("out/it's mine.tar.zst", "back/a b");
	command = xasprintf("mkdir -p 'back/a b' && test -z \"$(%s 2>&1)\"",
			    line);
	rc = world_sh(w, "zstd", command);
	if (rc < 0)
		skip();
	assert_int_equal(rc, 0);
}

/* libarchive puts the fraction of a time before 1970 on the wrong side, and
   does not undo GNU's way to write '=' in a name */
static void t_bsdtar(void **state)
{
	struct world *w = *state;
	int rc;

	make_names(w);
	make_kinds(w);
	make_holes(w);
	world_save(w, "start");
	rc = world_sh(w, "bsdtar", "mkdir back && "
		      "LC_ALL=C.UTF-8 bsdtar -xpf out/start.tar.zst -C back "
		      ">&2");
	if (rc < 0)
		skip();
	assert_int_equal(rc, 0);
	check_back(w, "bsdtar");
}

/* --- by ourselves: every regular file, written and compared --- */

struct pull {
	struct world *w;
	int fd;
	size_t n;
};

static bool want_files(void *ctx, const struct item *it)
{
	(void)ctx;
	return it->type == ITEM_FILE;
}

static int pull_file(void *ctx, const struct item *it,
		     struct backup_member *m, struct error *err)
{
	struct pull *p = ctx;
	struct xxh128 a, b;
	struct stat st;
	struct item now = ITEM_INIT, was = ITEM_INIT;
	int fd = openat(p->fd, "one", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int ret;

	assert_true(fd >= 0);
	ret = backup_member_write(m, fd, err);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	if (ret < 0)
		return ret;
	assert_int_equal(item_read(p->fd, "one", true, &now, err), 0);
	assert_int_equal(item_read(p->w->root_fd, it->path, true, &was, err),
			 0);
	a = now.digest;
	b = was.digest;
	assert_true(xxh128_equal(&a, &b));
	assert_int_equal(now.size, was.size);
	p->n++;
	item_release(&now);
	item_release(&was);
	return 0;
}

static void t_ourselves(void **state)
{
	struct world *w = *state;
	struct pull p = { .w = w };
	struct manifest items = MANIFEST_INIT;
	size_t files = 0;

	make_all(w);
	world_save(w, "start");
	assert_int_equal(mkdirat(w->dir_fd, "back", 0700), 0);
	p.fd = open_back(w);
	if (backup_extract(w->out_fd, "start", w->res.manifest_digest,
			   want_files, pull_file, &p, &w->err) < 0)
		fail_msg("extract: %s", w->err.msg);
	(void)world_item(w, "start", &items, ".");
	for (size_t i = 0; i < items.n; i++)
		files += items.items[i].type == ITEM_FILE;
	assert_int_equal(p.n, files);
	assert_true(files > 30);
	manifest_release(&items);
	close(p.fd);
}

/* --- what the manifest says of them --- */

static void t_manifest(void **state)
{
	struct world *w = *state;
	struct manifest items = MANIFEST_INIT;
	const struct item *it;

	make_all(w);
	world_save(w, "start");
	it = world_item(w, "start", &items, "meta/just-before");
	assert_int_equal(it->meta.mtime.tv_sec, -1);
	assert_int_equal(it->meta.mtime.tv_nsec, 750000000);
	it = world_item(w, "start", &items, "names/\xff\xfe raw");
	assert_int_equal(it->size, 6);
	it = world_item(w, "start", &items, "kinds/two\xff");
	assert_string_equal(it->link, "kinds/one");
	it = world_item(w, "start", &items, "holes/middle");
	if (it->alloc) /* a file system that has holes */
		assert_true(it->alloc < it->size / 2);
	it = world_item(w, "start", &items, "kinds/fifo");
	assert_int_equal(it->type, ITEM_FIFO);
	manifest_release(&items);
}

/* --- records and access lists --- */

/* the length in front counts itself */
static void t_records(void **state)
{
	(void)state;
	for (size_t n = 0; n < 1200; n++) {
		struct strbuf sb = STRBUF_INIT;
		_cleanup_free_ char *v = xcalloc(1, n + 1);
		char *end;

		memset(v, 'v', n);
		pax_add(&sb, "key", v, n);
		assert_int_equal(strtoul(sb.buf, &end, 10), sb.len);
		assert_int_equal(strncmp(end, " key=", 5), 0);
		assert_int_equal(strspn(end + 5, "v"), n);
		assert_string_equal(end + 5 + n, "\n");
		strbuf_release(&sb);
	}
}

static int acl(const uint32_t *v, size_t words, char **ret)
{
	struct strbuf sb = STRBUF_INIT;
	int r = acl_to_text(v, words * sizeof(*v), &sb);

	*ret = strbuf_detach(&sb);
	return r;
}

static void t_acl(void **state)
{
	uint32_t v[16];
	size_t words = raw_acl(v) / sizeof(*v);
	char *text;

	(void)state;
	assert_int_equal(acl(v, words, &text), 0);
	assert_string_equal(text, "user::rw-,user:1234:rwx,group::r--,"
			    "group:4321:r-x,mask::rwx,other::---");
	free(text);
	/* cut off in the middle of an entry, of another version, empty */
	assert_int_equal(acl(v, words - 1, &text), -EINVAL);
	free(text);
	assert_int_equal(acl(v, 0, &text), -EINVAL);
	free(text);
	v[0] = htole32(3);
	assert_int_equal(acl(v, words, &text), -EINVAL);
	free(text);
	/* a tag and a right that nobody knows */
	(void)raw_acl(v);
	v[1] = htole32(0x40 | 6u << 16);
	assert_int_equal(acl(v, words, &text), -EINVAL);
	free(text);
	v[1] = htole32(0x01 | 8u << 16);
	assert_int_equal(acl(v, words, &text), -EINVAL);
	free(text);
}

/* --- what cannot be kept, and what needs root --- */

struct heard {
	int n;
	char path[64];
};

static void on_warn(void *ctx, const char *path, const char *text)
{
	struct heard *h = ctx;

	(void)text;
	h->n++;
	(void)snprintf(h->path, sizeof(h->path), "%s", path);
}

static void t_socket(void **state)
{
	struct world *w = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct backup_need need;
	struct heard h = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/sock",
		       w->root_fd);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	put_file(w->root_fd, "file", "x");
	w->spec.warn = on_warn;
	w->spec.ctx = &h;
	world_save(w, "start");
	assert_int_equal(h.n, 1);
	assert_string_equal(h.path, "sock");
	assert_int_equal(backup_measure(&w->spec, &need, &w->err), 0);
	assert_int_equal(need.lost.n, 1);
	assert_string_equal(need.lost.v[0], "sock: a socket is not kept");
	assert_int_equal(need.files, 1);
	assert_int_equal(need.bytes, 1);
	backup_need_release(&need);
	close(fd);
}

static void t_flags(void **state)
{
	struct world *w = *state;
	struct backup_need need;
	int fd, flags;

	put_file(w->root_fd, "none", "x");
	put_file(w->root_fd, "nodump", "x");
	fd = openat(w->root_fd, "nodump", O_RDONLY | O_CLOEXEC);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		skip();
	flags |= FS_NODUMP_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
		skip();
	close(fd);
	effects_add(&w->set, EFFECT_CHANGE, 0, ".");
	assert_int_equal(backup_measure(&w->spec, &need, &w->err), 0);
	assert_int_equal(need.lost.n, 1);
	assert_string_equal(need.lost.v[0], "nodump: its file flags 'd' "
			    "(chattr) are not kept");
	backup_need_release(&need);
}

static void t_devices(void **state)
{
	struct world *w = *state;
	int rc;

	if (mknodat(w->root_fd, "null", S_IFCHR | 0666, makedev(1, 3)) < 0)
		skip();
	assert_int_equal(mknodat(w->root_fd, "block", S_IFBLK | 0600,
				 makedev(259, 1048575)), 0);
	world_save(w, "start");
	rc = world_sh(w, "zstd", "mkdir back && "
		      "tar --zstd -xpf out/start.tar.zst -C back && "
		      "stat -c '%t:%T %F' back/null back/block >devs && "
		      "printf '1:3 character special file\\n"
		      "103:fffff block special file\\n' | cmp - devs; "
		      "rc=$?; rm devs; exit $rc");
	if (rc < 0)
		skip();
	assert_int_equal(rc, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_world(t_gnu_tar), with_world(t_gnu_tar_quiet),
		with_world(t_bsdtar), with_world(t_ourselves),
		with_world(t_manifest), cmocka_unit_test(t_records),
		cmocka_unit_test(t_acl), with_world(t_socket),
		with_world(t_flags), with_world(t_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
