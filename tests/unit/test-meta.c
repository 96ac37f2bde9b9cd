/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <sys/xattr.h>

#include "base/fsutil.h"
#include "base/meta.h"

static int read_at(struct scratch *s, const char *name, struct meta *m)
{
	int fd = openat(s->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), ret;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	ret = meta_read(fd, &st, m, &s->err);
	close(fd);
	return ret;
}

static void set(struct scratch *s, const char *file, const char *name,
		const void *v, size_t n)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", s->dir, file);

	assert_int_equal(lsetxattr(path, name, v, n, 0), 0);
}

static bool has_xattrs(struct scratch *s)
{
	_cleanup_free_ char *path = xasprintf("%s/probe", s->dir);
	bool ret;

	put_file(s->fd, "probe", "");
	ret = lsetxattr(path, "user.x", "", 0, 0) == 0;
	(void)unlinkat(s->fd, "probe", 0);
	return ret;
}

static void reads_all(void **state)
{
	struct scratch *s = *state;
	_cleanup_meta_ struct meta m = META_INIT, c = META_INIT,
		bare = META_INIT;
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
				  { 123456789, 987654321 } };
	char big[3000];
	int fd;

	if (!has_xattrs(s))
		skip();
	put_file(s->fd, "f", "x");
	memset(big, 'b', sizeof(big));
	set(s, "f", "user.zz", "z\0z", 3);
	set(s, "f", "user.empty", "", 0);
	set(s, "f", "user.big", big, sizeof(big));
	assert_int_equal(fchmodat(s->fd, "f", 04751, 0), 0);
	assert_int_equal(utimensat(s->fd, "f", ts, 0), 0);
	assert_int_equal(read_at(s, "f", &m), 0);
	assert_int_equal(m.mode, 04751);
	assert_int_equal(m.uid, geteuid());
	assert_int_equal(m.mtime.tv_sec, 123456789);
	assert_int_equal(m.mtime.tv_nsec, 987654321);
	assert_int_equal(m.xattr_n, 3);
	assert_string_equal(m.xattrs[0].name, "user.big");
	assert_int_equal(m.xattrs[0].len, sizeof(big));
	assert_memory_equal(m.xattrs[0].value, big, sizeof(big));
	assert_string_equal(m.xattrs[1].name, "user.empty");
	assert_int_equal(m.xattrs[1].len, 0);
	assert_memory_equal(m.xattrs[2].value, "z\0z", 3);
	meta_copy(&c, &m);
	assert_true(meta_equal(&c, &m));
	((char *)c.xattrs[2].value)[1] = 'x';
	assert_false(meta_equal(&c, &m));
	assert_false(meta_xattrs_equal(&c, &m));
	/* a descriptor that is no O_PATH gives the same */
	fd = openat(s->fd, "f", O_RDONLY);
	if (fd >= 0) {
		_cleanup_meta_ struct meta again = META_INIT;
		struct stat st;

		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(meta_read(fd, &st, &again, &s->err), 0);
		assert_true(meta_equal(&again, &m));
		close(fd);
	}
	put_file(s->fd, "g", "");
	assert_int_equal(read_at(s, "g", &bare), 0);
	assert_int_equal(bare.xattr_n, 0);
}

/* More names than fit into a small buffer. */
static void many_names(void **state)
{
	struct scratch *s = *state;
	_cleanup_meta_ struct meta m = META_INIT, now = META_INIT;

	if (!has_xattrs(s))
		skip();
	put_file(s->fd, "f", "x");
	for (int i = 0; i < 60; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name),
			       "user.a-rather-long-name-%03d", i);
		set(s, "f", name, name, 10);
	}
	assert_int_equal(read_at(s, "f", &m), 0);
	assert_int_equal(m.xattr_n, 60);
	put_file(s->fd, "g", "");
	assert_int_equal(meta_apply(s->fd, "g", &m, "g", &s->err), 0);
	assert_int_equal(read_at(s, "g", &now), 0);
	assert_true(meta_equal(&m, &now));
}

static void trusted_is_left_out(void **state)
{
	struct scratch *s = *state;
	_cleanup_free_ char *path = xasprintf("%s/f", s->dir);
	_cleanup_meta_ struct meta m = META_INIT;
	char v[8];

	put_file(s->fd, "f", "x");
	if (lsetxattr(path, "trusted.t", "1", 1, 0) < 0) {
		free(TAKE_PTR(path)); /* skip() jumps */
		skip();
	}
	set(s, "f", "user.u", "1", 1);
	assert_int_equal(read_at(s, "f", &m), 0);
	assert_int_equal(m.xattr_n, 1);
	assert_string_equal(m.xattrs[0].name, "user.u");
	/* and what we do not read we do not remove */
	meta_release(&m);
	put_file(s->fd, "g", "");
	assert_int_equal(read_at(s, "g", &m), 0);
	assert_int_equal(meta_apply(s->fd, "f", &m, "f", &s->err), 0);
	assert_int_equal(lgetxattr(path, "trusted.t", v, sizeof(v)), 1);
	assert_int_equal(lgetxattr(path, "user.u", v, sizeof(v)), -1);
}

static void applies_all(void **state)
{
	struct scratch *s = *state;
	_cleanup_meta_ struct meta m = META_INIT, now = META_INIT;
	struct timespec ts[2] = { { 5, 0 }, { 1000, 1 } };
	struct stat st;

	if (!has_xattrs(s))
		skip();
	put_file(s->fd, "from", "x");
	set(s, "from", "user.a", "1", 1);
	set(s, "from", "user.b", "same", 4);
	assert_int_equal(fchmodat(s->fd, "from", 06511, 0), 0);
	assert_int_equal(utimensat(s->fd, "from", ts, 0), 0);
	assert_int_equal(read_at(s, "from", &m), 0);
	put_file(s->fd, "to", "y");
	set(s, "to", "user.b", "same", 4);
	set(s, "to", "user.gone", "1", 1);
	ts[0].tv_sec = 77;
	assert_int_equal(utimensat(s->fd, "to", ts, 0), 0);
	assert_int_equal(meta_apply(s->fd, "to", &m, "to", &s->err), 0);
	assert_int_equal(read_at(s, "to", &now), 0);
	assert_true(meta_equal(&m, &now));
	assert_int_equal(fstatat(s->fd, "to", &st, 0), 0);
	assert_int_equal(st.st_atim.tv_sec, 77);
}

/* A file that nobody may write, with attributes to set and to remove. */
static void read_only_files(void **state)
{
	struct scratch *s = *state;
	_cleanup_meta_ struct meta m = META_INIT, now = META_INIT;

	if (!has_xattrs(s))
		skip();
	put_file(s->fd, "from", "x");
	set(s, "from", "user.a", "1", 1);
	assert_int_equal(fchmodat(s->fd, "from", 0444, 0), 0);
	assert_int_equal(read_at(s, "from", &m), 0);
	put_file(s->fd, "to", "y");
	set(s, "to", "user.gone", "1", 1);
	assert_int_equal(fchmodat(s->fd, "to", 0444, 0), 0);
	assert_int_equal(meta_apply(s->fd, "to", &m, "to", &s->err), 0);
	assert_int_equal(read_at(s, "to", &now), 0);
	assert_true(meta_equal(&m, &now));
}

static void directories_and_links(void **state)
{
	struct scratch *s = *state;
	_cleanup_meta_ struct meta m = META_INIT, l = META_INIT,
		now = META_INIT;
	struct timespec ts[2] = { { 5, 0 }, { 2000, 3 } };
	struct stat st;

	put_dir(s->fd, "d");
	put_dir(s->fd, "e");
	assert_int_equal(fchmodat(s->fd, "d", 01511, 0), 0);
	assert_int_equal(utimensat(s->fd, "d", ts, 0), 0);
	assert_int_equal(read_at(s, "d", &m), 0);
	assert_int_equal(meta_apply(s->fd, "e", &m, "e", &s->err), 0);
	assert_int_equal(read_at(s, "e", &now), 0);
	assert_true(meta_equal(&m, &now));
	meta_release(&now);

	assert_int_equal(symlinkat("d", s->fd, "l"), 0);
	assert_int_equal(symlinkat("nowhere", s->fd, "k"), 0);
	ts[1].tv_sec = 3000;
	assert_int_equal(utimensat(s->fd, "l", ts, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(read_at(s, "l", &l), 0);
	assert_int_equal(l.mtime.tv_sec, 3000);
	assert_int_equal(meta_apply(s->fd, "k", &l, "k", &s->err), 0);
	assert_int_equal(read_at(s, "k", &now), 0);
	assert_true(meta_equal(&l, &now));
	/* what the link points to is untouched */
	assert_int_equal(fstatat(s->fd, "d", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(meta_apply(s->fd, "none", &l, "none", &s->err),
			 -ENOENT);
	assert_non_null(strstr(s->err.msg, "none"));
}

static void link_attributes(void **state)
{
	struct scratch *s = *state;
	_cleanup_free_ char *path = xasprintf("%s/l", s->dir);
	_cleanup_meta_ struct meta m = META_INIT, now = META_INIT;

	assert_int_equal(symlinkat("nowhere", s->fd, "l"), 0);
	assert_int_equal(symlinkat("nowhere", s->fd, "k"), 0);
	if (lsetxattr(path, "security.upshift-test", "v", 1, 0) < 0) {
		free(TAKE_PTR(path)); /* skip() jumps */
		skip();
	}
	assert_int_equal(read_at(s, "l", &m), 0);
	assert_int_equal(m.xattr_n, 1);
	assert_int_equal(meta_apply(s->fd, "k", &m, "k", &s->err), 0);
	assert_int_equal(read_at(s, "k", &now), 0);
	assert_true(meta_equal(&m, &now));
}

/* version 2: user rw, user 65534 r, group r, mask r, other none */
static const unsigned char acl[] = {
	2, 0, 0, 0,
	0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
	0x02, 0, 4, 0, 0xfe, 0xff, 0, 0,
	0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
	0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
	0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
};

static void acls(void **state)
{
	struct scratch *s = *state;
	_cleanup_free_ char *path = xasprintf("%s/f", s->dir);
	_cleanup_meta_ struct meta with = META_INIT, without = META_INIT,
		now = META_INIT;

	put_file(s->fd, "f", "x");
	put_file(s->fd, "plain", "x");
	assert_int_equal(fchmodat(s->fd, "plain", 0664, 0), 0);
	if (lsetxattr(path, "system.posix_acl_access", acl, sizeof(acl), 0) <
	    0) {
		free(TAKE_PTR(path)); /* skip() jumps */
		skip();
	}
	assert_int_equal(read_at(s, "f", &with), 0);
	assert_int_equal(with.mode, 0640);
	assert_int_equal(with.xattr_n, 1);
	assert_int_equal(read_at(s, "plain", &without), 0);
	assert_int_equal(without.xattr_n, 0);
	/* off and on again: the bits of the group are the mask's */
	assert_int_equal(meta_apply(s->fd, "f", &without, "f", &s->err), 0);
	assert_int_equal(read_at(s, "f", &now), 0);
	assert_true(meta_equal(&without, &now));
	meta_release(&now);
	assert_int_equal(meta_apply(s->fd, "f", &with, "f", &s->err), 0);
	assert_int_equal(read_at(s, "f", &now), 0);
	assert_true(meta_equal(&with, &now));
}

static void owners(void **state)
{
	struct scratch *s = *state;
	_cleanup_meta_ struct meta m = META_INIT, now = META_INIT;

	put_file(s->fd, "f", "x");
	assert_int_equal(fchmodat(s->fd, "f", 06755, 0), 0);
	assert_int_equal(read_at(s, "f", &m), 0);
	m.uid = m.uid == 12345 ? 12346 : 12345;
	if (geteuid() != 0) {
		assert_int_equal(meta_apply(s->fd, "f", &m, "the file",
					    &s->err), -EPERM);
		assert_non_null(strstr(s->err.msg, "the file"));
		return;
	}
	/* chown drops the set-id bits; they come back */
	m.gid = 12345;
	assert_int_equal(meta_apply(s->fd, "f", &m, "f", &s->err), 0);
	assert_int_equal(read_at(s, "f", &now), 0);
	assert_true(meta_equal(&m, &now));
}

/* What is right already is not set again: no change time, no right needed. */
static void equal_is_left_alone(void **state)
{
	struct scratch *s = *state;
	_cleanup_meta_ struct meta m = META_INIT;
	struct stat a, b;

	put_file(s->fd, "f", "x");
	if (has_xattrs(s))
		set(s, "f", "user.a", "1", 1);
	assert_int_equal(read_at(s, "f", &m), 0);
	/* the clock of change times may be coarse: make it move */
	assert_int_equal(fstatat(s->fd, "f", &a, 0), 0);
	do {
		put_file(s->fd, "tick", "x");
		assert_int_equal(fstatat(s->fd, "tick", &b, 0), 0);
	} while (b.st_ctim.tv_sec == a.st_ctim.tv_sec &&
		 b.st_ctim.tv_nsec == a.st_ctim.tv_nsec);
	assert_int_equal(meta_apply(s->fd, "f", &m, "f", &s->err), 0);
	assert_int_equal(fstatat(s->fd, "f", &b, 0), 0);
	assert_memory_equal(&a.st_ctim, &b.st_ctim, sizeof(a.st_ctim));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(reads_all),
		with_scratch(many_names),
		with_scratch(trusted_is_left_out),
		with_scratch(applies_all),
		with_scratch(read_only_files),
		with_scratch(directories_and_links),
		with_scratch(link_attributes),
		with_scratch(acls),
		with_scratch(owners),
		with_scratch(equal_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
