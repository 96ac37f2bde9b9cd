/* SPDX-License-Identifier: MIT */
/* Opening below a root, with openat2() and without it. */
#include "apart.h"

#include <sys/syscall.h>

#include "base/fsutil.h"

/* --- opening below a root --- */

static void make_links(int fd)
{
	put_dir(fd, "d");
	put_dir(fd, "d/e");
	put_file(fd, "d/e/f", "text");
	assert_int_equal(symlinkat("d", fd, "ld"), 0);
	assert_int_equal(symlinkat("d/e/f", fd, "lf"), 0);
	assert_int_equal(symlinkat("/etc", fd, "abs"), 0);
}

/* 0, or the number of the line that found something wrong */
static int beneath_holds(struct scratch *s)
{
	static const struct {
		const char *rel;
		int flags, want;
	} t[] = {
		{ "d/e/f", O_RDONLY, 0 }, { "d", O_RDONLY | O_DIRECTORY, 0 },
		{ ".", O_RDONLY | O_DIRECTORY, 0 }, { "d//e/f", O_RDONLY, 0 },
		{ "none", O_RDONLY, -ENOENT }, { "d/e/f/g", O_RDONLY, -ENOTDIR },
		{ "ld/e/f", O_RDONLY, -ELOOP }, { "lf", O_RDONLY, -ELOOP },
		{ "ld", O_PATH | O_DIRECTORY, -ELOOP },
		{ "ld", O_RDONLY | O_DIRECTORY, -ELOOP },
		{ "lf", O_PATH | O_NOFOLLOW, 0 },
		{ "abs/passwd", O_RDONLY, -ELOOP },
		{ "..", O_PATH, -EXDEV }, { "../x", O_RDONLY, -EXDEV },
		{ "d/../../x", O_RDONLY, -EXDEV },
		{ "d/new", O_WRONLY | O_CREAT | O_EXCL, 0 },
		{ "lf", O_WRONLY | O_CREAT, -ELOOP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int fd = fs_open_beneath(s->fd, t[i].rel, t[i].flags, 0600);

		if (fd >= 0) {
			if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
				return 100;
			close(fd);
			fd = 0;
		}
		if (fd != t[i].want) {
			print_message("%s: %d, not %d\n", t[i].rel, fd,
				      t[i].want);
			return 1 + (int)i;
		}
	}
	(void)unlinkat(s->fd, "d/new", 0);
	return 0;
}

static void beneath(void **state)
{
	struct scratch *s = *state;
	_cleanup_free_ char *far = xasprintf("%s/d/e/f", s->dir);
	_cleanup_free_ char *target = NULL;
	const char *name;
	struct stat st;
	int fd;

	make_links(s->fd);
	assert_int_equal(beneath_holds(s), 0);
	assert_int_equal(fs_stat_beneath(s->fd, "lf", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(fs_stat_beneath(s->fd, far, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(fs_stat_beneath(s->fd, "ld/e", &st), -ELOOP);
	assert_int_equal(fs_readlink_beneath(s->fd, "abs", &target), 0);
	assert_string_equal(target, "/etc");
	assert_int_equal(fs_readlink_beneath(s->fd, "d", &target), -EINVAL);
	fd = fs_open_parent(s->fd, "d/e/f", &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "f");
	assert_true(there(fd, name));
	close(fd);
	fd = fs_open_parent(s->fd, ".", &name);
	assert_true(fd >= 0);
	assert_string_equal(name, ".");
	close(fd);
	assert_int_equal(fs_open_parent(s->fd, "ld/f", &name), -ELOOP);
}

static int without_openat2(struct scratch *s)
{
	if (forbid(SYS_openat2, SECCOMP_RET_ERRNO | ENOSYS))
		return 77;
	return beneath_holds(s);
}

static int with_openat2_refused(struct scratch *s)
{
	if (forbid(SYS_openat2, SECCOMP_RET_ERRNO | EPERM))
		return 77;
	return beneath_holds(s);
}

/* Old kernels and containers: the walk by steps keeps the same promises. */
static void beneath_without_openat2(void **state)
{
	struct scratch *s = *state;
	int r;

	make_links(s->fd);
	r = apart(without_openat2, s);
	if (r == 77)
		skip();
	assert_int_equal(r, 0);
	assert_int_equal(apart(with_openat2_refused, s), 0);
}

static void parents_that_cannot_be_listed(void **state)
{
	struct scratch *s = *state;
	const char *name;
	int fd;

	if (geteuid() == 0)
		skip();
	make_links(s->fd);
	assert_int_equal(fchmodat(s->fd, "d/e", 0311, 0), 0);
	fd = fs_open_parent(s->fd, "d/e/f", &name);
	assert_true(fd >= 0);
	assert_true(there(fd, name));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(beneath),
		with_scratch(beneath_without_openat2),
		with_scratch(parents_that_cannot_be_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
