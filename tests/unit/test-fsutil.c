/* SPDX-License-Identifier: MIT */
#include "apart.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include "base/fsutil.h"
#include "base/path.h"

#define LEVELS 1500

/* 1500 levels of 10 bytes: far beyond PATH_MAX and any number of files */
static char *make_deep(int dirfd)
{
	struct strbuf path = STRBUF_INIT;
	int fd = dup(dirfd);

	for (int i = 0; i < LEVELS; i++) {
		int next;

		strbuf_addf(&path, "%slevel%04d", i ? "/" : "", i);
		put_dir(fd, path.buf + path.len - 9);
		next = openat(fd, path.buf + path.len - 9,
			      O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	put_file(fd, "bottom", "x");
	close(fd);
	return strbuf_detach(&path);
}

static void deep_trees(void **state)
{
	struct scratch *s = *state;
	_cleanup_free_ char *deep = make_deep(s->fd);
	_cleanup_free_ char *bottom = path_join(deep, "bottom");
	struct stat st;

	assert_true(strlen(bottom) > PATH_MAX);
	assert_int_equal(fs_stat_beneath(s->fd, bottom, &st), 0);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(fs_remove_tree(s->fd, "level0000"), 0);
	assert_false(there(s->fd, "level0000"));
}

/* --- data --- */

static void reading(void **state)
{
	struct scratch *s = *state;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	char buf[16];
	int fd;

	put_file(s->fd, "f", "0123456789");
	strbuf_addstr(&sb, ">");
	assert_int_equal(fs_read_file(s->fd, "f", 10, &sb), 0);
	assert_string_equal(sb.buf, ">0123456789");
	strbuf_clear(&sb);
	assert_int_equal(fs_read_file(s->fd, "f", 9, &sb), -EFBIG);
	strbuf_clear(&sb);
	assert_int_equal(mkfifoat(s->fd, "p", 0600), 0);
	assert_int_equal(fs_read_file(s->fd, "p", 10, &sb), -EINVAL);
	assert_int_equal(fs_read_file(s->fd, ".", 10, &sb), -EINVAL);
	assert_int_equal(fs_read_file(s->fd, "none", 10, &sb), -ENOENT);
	/* a size of 0 that is a lie */
	assert_int_equal(fs_read_file(AT_FDCWD, "/proc/self/stat", 65536,
				      &sb), 0);
	assert_true(sb.len > 20);
	fd = fs_open(s->fd, "f", O_RDWR, 0);
	assert_int_equal(fs_pread_full(fd, buf, 16, 4), 6);
	assert_memory_equal(buf, "456789", 6);
	assert_int_equal(fs_pread_full(fd, buf, 16, 99), 0);
	assert_int_equal(fs_pwrite_all(fd, "ab", 2, 9), 0);
	assert_int_equal(fs_read_full(fd, buf, 16), 11);
	assert_memory_equal(buf, "012345678ab", 11);
	assert_int_equal(fs_closep(&fd), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(fs_closep(&fd), 0);
	assert_int_equal(fs_close(999999), -EBADF);
}

static void make_sparse(int dirfd, const char *name, off_t size,
			const off_t *data, size_t n)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char block[4096];

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < sizeof(block); k++)
			block[k] = (char)(i + k * 7 + 1);
		assert_int_equal(pwrite(fd, block, sizeof(block), data[i]),
				 sizeof(block));
	}
	close(fd);
}

static void same_bytes(int dirfd, const char *a, const char *b)
{
	_cleanup_strbuf_ struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;

	assert_int_equal(fs_read_file(dirfd, a, 1u << 28, &x), 0);
	assert_int_equal(fs_read_file(dirfd, b, 1u << 28, &y), 0);
	assert_int_equal(x.len, y.len);
	assert_memory_equal(x.buf, y.buf, x.len);
}

static int last_progress(void *ctx, uint64_t done)
{
	uint64_t *last = ctx;

	if (done < *last)
		return -ERANGE;
	*last = done;
	return 0;
}

static int copy_to(struct scratch *s, const char *from, const char *to)
{
	int in = openat(s->fd, from, O_RDONLY);
	int out = openat(s->fd, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	uint64_t last = 0;
	int ret = fs_copy_data(in, out, last_progress, &last);

	close(in);
	close(out);
	return ret;
}

static const off_t islands[] = { 0, 1 << 20, 9 << 20 };

static int copies_are_alike(struct scratch *s)
{
	static const char *const names[] = { "empty", "text", "sparse",
		"hole", "head" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat a, b;

		if (copy_to(s, names[i], "copy"))
			return 1 + (int)i;
		if (fstatat(s->fd, names[i], &a, 0) ||
		    fstatat(s->fd, "copy", &b, 0))
			return 50;
		if (a.st_size != b.st_size)
			return 10 + (int)i;
		if (b.st_blocks > a.st_blocks + 64)
			return 20 + (int)i;
		same_bytes(s->fd, names[i], "copy");
	}
	return 0;
}

static int by_buffer(struct scratch *s)
{
	if (forbid(SYS_ioctl, SECCOMP_RET_ERRNO | EOPNOTSUPP) ||
	    forbid(SYS_copy_file_range, SECCOMP_RET_ERRNO | EXDEV))
		return 77;
	return copies_are_alike(s);
}

static void copies(void **state)
{
	struct scratch *s = *state;
	int r;

	put_file(s->fd, "empty", "");
	put_file(s->fd, "text", "hello\n");
	make_sparse(s->fd, "sparse", 16 << 20, islands, 3);
	make_sparse(s->fd, "hole", 8 << 20, islands, 0);
	make_sparse(s->fd, "head", 4096 + 7, islands, 1);
	assert_int_equal(copies_are_alike(s), 0);
	r = apart(by_buffer, s);
	if (r != 77)
		assert_int_equal(r, 0);
	assert_int_equal(copy_to(s, ".", "copy2"), -EINVAL);
}

static int stop_at_once(void *ctx, uint64_t done)
{
	(void)ctx;
	(void)done;
	return -ECANCELED;
}

static int cut_short(void *ctx, uint64_t done)
{
	(void)done;
	return ftruncate(*(int *)ctx, 100);
}

static void copies_stop(void **state)
{
	struct scratch *s = *state;
	int in, out;

	make_sparse(s->fd, "sparse", 16 << 20, islands, 3);
	in = openat(s->fd, "sparse", O_RDWR);
	out = openat(s->fd, "copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(fs_copy_data(in, out, stop_at_once, NULL),
			 -ECANCELED);
	assert_int_equal(ftruncate(out, 0), 0);
	/*
	 * A file that shrinks while it is copied must not come out as zeros.
	 * A clone is taken at one instant and has it whole.
	 */
	if (fs_copy_data(in, out, cut_short, &in) == 0) {
		struct stat st;

		assert_int_equal(fstat(out, &st), 0);
		assert_int_equal(st.st_size, 16 << 20);
		assert_int_equal(fs_pread_full(out, &(char){ 0 }, 1, 9 << 20),
				 1);
	}
	close(in);
	close(out);
}

static int cut_by_buffer(struct scratch *s)
{
	int in = openat(s->fd, "sparse", O_RDWR);
	int out = openat(s->fd, "copy", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (forbid(SYS_ioctl, SECCOMP_RET_ERRNO | EOPNOTSUPP))
		return 77;
	return fs_copy_data(in, out, cut_short, &in) == -ESTALE ? 0 : 1;
}

static void copies_notice_a_shrinking_file(void **state)
{
	struct scratch *s = *state;
	off_t data[6];
	int r;

	/* data all along, so that no hole ends it early */
	for (int i = 0; i < 6; i++)
		data[i] = (off_t)i << 22;
	make_sparse(s->fd, "sparse", 24 << 20, data, 6);
	r = apart(cut_by_buffer, s);
	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

/* --- names --- */

static void directories(void **state)
{
	struct scratch *s = *state;
	_cleanup_strvec_ struct strvec made = STRVEC_INIT;
	_cleanup_free_ char *text = NULL;
	mode_t old = umask(077);
	struct stat st;

	assert_int_equal(fs_mkdirs(s->fd, "a/b/c", 0755, &made), 0);
	(void)umask(old);
	text = joined(&made);
	assert_string_equal(text, "a a/b a/b/c");
	assert_int_equal(fstatat(s->fd, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	strvec_clear(&made);
	assert_int_equal(fs_mkdirs(s->fd, "a/b", 0700, &made), 0);
	assert_int_equal(made.n, 0);
	assert_int_equal(fs_mkdirs(s->fd, ".", 0700, &made), 0);
	put_file(s->fd, "f", "");
	assert_int_equal(symlinkat("a", s->fd, "l"), 0);
	assert_int_equal(fs_mkdirs(s->fd, "f/x", 0700, &made), -ENOTDIR);
	assert_int_equal(fs_mkdirs(s->fd, "f", 0700, &made), -ENOTDIR);
	assert_int_equal(fs_mkdirs(s->fd, "l/x", 0700, &made), -ELOOP);
	assert_false(there(s->fd, "a/x"));
	assert_int_equal(fs_sync_dir(s->fd, "."), 0);
	assert_int_equal(fs_sync_dir(s->fd, "a"), 0);
	assert_int_equal(fs_sync_dir(s->fd, "none"), -ENOENT);
}

static void removal(void **state)
{
	struct scratch *s = *state;

	put_dir(s->fd, "keep");
	put_file(s->fd, "keep/f", "x");
	put_dir(s->fd, "t");
	put_dir(s->fd, "t/u");
	put_dir(s->fd, "t/none");
	put_file(s->fd, "t/u/f", "x");
	put_file(s->fd, "file", "x");
	assert_int_equal(symlinkat("../keep", s->fd, "t/l"), 0);
	assert_int_equal(symlinkat("keep", s->fd, "l"), 0);
	/* as a tree that was put back may be: closed to its owner */
	assert_int_equal(fchmodat(s->fd, "t/u", 0500, 0), 0);
	assert_int_equal(fchmodat(s->fd, "t/none", 0, 0), 0);
	assert_int_equal(fs_remove_tree(s->fd, "t"), 0);
	assert_false(there(s->fd, "t"));
	assert_int_equal(fs_remove_tree(s->fd, "l"), 0);
	assert_false(there(s->fd, "l"));
	assert_true(there(s->fd, "keep/f"));
	assert_int_equal(fs_remove_tree(s->fd, "file"), 0);
	assert_int_equal(fs_remove_tree(s->fd, "none"), 0);
	put_dir(s->fd, "many");
	for (int i = 0; i < 3000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "many/%d", i);
		put_file(s->fd, name, "");
	}
	assert_int_equal(fs_remove_tree(s->fd, "many"), 0);
	assert_false(there(s->fd, "many"));
}

static int remove_with_mount(struct scratch *s)
{
	_cleanup_free_ char *where = xasprintf("%s/t/m", s->dir);
	int ret, fd;

	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", where, "tmpfs", 0, NULL))
		return 77;
	/* the old descriptor sees the mounts of the old name space */
	fd = open(s->dir, O_RDONLY | O_DIRECTORY);
	put_file(fd, "t/m/f", "theirs");
	ret = fs_remove_tree(fd, "t");
	return ret == -EXDEV && there(fd, "t/m/f") ? 0 : 1;
}

static void removal_stays_in_its_file_system(void **state)
{
	struct scratch *s = *state;
	int r;

	put_dir(s->fd, "t");
	put_dir(s->fd, "t/m");
	r = apart(remove_with_mount, s);
	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

static void renames(void **state)
{
	struct scratch *s = *state;

	put_file(s->fd, "a", "1");
	put_file(s->fd, "b", "22");
	assert_int_equal(fs_rename(s->fd, "a", s->fd, "b", RENAME_NOREPLACE),
			 -EEXIST);
	assert_int_equal(fs_rename(s->fd, "a", s->fd, "b", RENAME_EXCHANGE),
			 0);
	assert_int_equal(fs_rename(s->fd, "a", s->fd, "b", 0), 0);
	assert_false(there(s->fd, "a"));
	assert_int_equal(fs_link(s->fd, "b", s->fd, "c"), 0);
	assert_int_equal(fs_symlink("b", s->fd, "l"), 0);
	assert_int_equal(fs_unlink(s->fd, "l", 0), 0);
	assert_true(there(s->fd, "b"));
}

/* --- atomic_file --- */

static void atomic_files(void **state)
{
	struct scratch *s = *state;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct atomic_file af = ATOMIC_FILE_INIT;
	char *name = xcalloc(1, 256);
	struct stat st;

	assert_int_equal(fs_write_file(s->fd, "f", "one", 3, 0640), 0);
	assert_int_equal(fs_write_file(s->fd, "f", "two!", 4, 0604), 0);
	assert_int_equal(fs_read_file(s->fd, "f", 99, &sb), 0);
	assert_string_equal(sb.buf, "two!");
	assert_int_equal(fstatat(s->fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(entries(s->fd), 1);

	assert_int_equal(atomic_file_begin(&af, s->fd, "f"), 0);
	assert_int_equal(fs_write_all(af.fd, "x", 1), 0);
	assert_int_equal(entries(s->fd), 2);
	atomic_file_release(&af);
	assert_int_equal(entries(s->fd), 1);
	atomic_file_release(&af);

	memset(name, 'n', 255);
	assert_int_equal(fs_write_file(s->fd, name, "x", 1, 0600), 0);
	assert_true(there(s->fd, name));
	free(name);
}

/* What a killed process left goes; what looks like it a little stays. */
static void sweeps(void **state)
{
	static const char *const theirs[] = { ".f.backup", ".f.abc123",
		".f.json", ".fx.abc123", ".f.", "f.abc123" };
	struct scratch *s = *state;
	struct atomic_file af = ATOMIC_FILE_INIT, other = ATOMIC_FILE_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
		put_file(s->fd, theirs[i], "user data");
	put_file(s->fd, "f", "x");
	assert_int_equal(atomic_file_begin(&af, s->fd, "f"), 0);
	assert_int_equal(atomic_file_begin(&other, s->fd, "g"), 0);
	assert_int_equal(atomic_file_sweep(s->fd, "f"), 0);
	assert_false(there(s->fd, af.temp));
	assert_true(there(s->fd, other.temp));
	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
		assert_true(there(s->fd, theirs[i]));
	assert_true(there(s->fd, "f"));
	atomic_file_release(&af);
	atomic_file_release(&other);
}

/* --- the machine --- */

static void machine(void **state)
{
	struct scratch *s = *state;
	uint64_t a, b;
	char id[37];
	pid_t pid;
	int st;

	assert_int_equal(fs_space(s->fd, &a, &b), 0);
	assert_true(a > 0 && b > 0);
	assert_int_equal(proc_start_time(getpid(), &a), 0);
	assert_int_equal(proc_start_time(getpid(), &b), 0);
	assert_int_equal(a, b);
	/* a name that looks like the fields behind it */
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_NAME, "a) R 1 (2 3");
		_exit(proc_start_time(getpid(), &b) || b < a);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
	assert_int_equal(proc_start_time(pid, &b), -ESRCH);
	proc_boot_id(id);
	assert_true(*id == '\0' || strlen(id) == 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(deep_trees),
		with_scratch(reading),
		with_scratch(copies),
		with_scratch(copies_stop),
		with_scratch(copies_notice_a_shrinking_file),
		with_scratch(directories),
		with_scratch(removal),
		with_scratch(removal_stays_in_its_file_system),
		with_scratch(renames),
		with_scratch(atomic_files),
		with_scratch(sweeps),
		with_scratch(machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
