/* SPDX-License-Identifier: MIT */
/* Whole files and trees: replace durably, copy with holes, remove. */
#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "base/fsutil-internal.h"
#include "base/fsutil.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

#define COPY_CHUNK (4u * 1024u * 1024u)
#define COPY_BUFFER (128u * 1024u)

/* --- atomic_file --- */

static void random_suffix(char out[7])
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char r[6];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		memset(r, 0, sizeof(r));
	for (int i = 0; i < 6; i++)
		out[i] = set[r[i] % (sizeof(set) - 1)];
	out[6] = '\0';
}

int atomic_file_begin(struct atomic_file *af, int dirfd, const char *name)
{
	int ret = -EEXIST;

	for (int tries = 0; tries < 100 && ret == -EEXIST; tries++) {
		_cleanup_free_ char *temp = NULL;
		char suffix[7];

		random_suffix(suffix);
		temp = xasprintf(".%.240s.%s", name, suffix);
		ret = fs_open(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL |
			      O_NOFOLLOW, 0600);
		if (ret >= 0) {
			af->dirfd = dirfd;
			af->fd = ret;
			af->name = xstrdup(name);
			af->temp = TAKE_PTR(temp);
			ret = 0;
		}
	}
	return ret;
}

int atomic_file_commit(struct atomic_file *af, mode_t mode)
{
	int ret = fs_chmod(af->fd, mode);

	if (ret >= 0)
		ret = fs_sync(af->fd);
	if (ret >= 0)
		ret = fs_closep(&af->fd);
	if (ret >= 0)
		ret = fs_rename(af->dirfd, af->temp, af->dirfd, af->name, 0);
	if (ret >= 0) {
		free(TAKE_PTR(af->temp));
		ret = fs_sync_dir(af->dirfd, ".");
	}
	atomic_file_release(af);
	return ret;
}

void atomic_file_release(struct atomic_file *af)
{
	if (af->fd >= 0)
		(void)close(TAKE_FD(af->fd)); /* it is thrown away */
	if (af->temp)
		(void)fs_unlink(af->dirfd, af->temp, 0); /* swept later */
	free(TAKE_PTR(af->temp));
	free(TAKE_PTR(af->name));
	af->dirfd = -1;
}

int atomic_file_sweep(int dirfd, const char *name)
{
	_cleanup_free_ char *prefix = xasprintf(".%.240s.", name);
	int fd = fs_open(dirfd, ".", O_RDONLY | O_DIRECTORY, 0), ret = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d)
		return fd < 0 ? fd : -errno;
	while (ret >= 0 && (de = readdir(d)))
		if (str_starts(de->d_name, prefix) &&
		    strlen(de->d_name) == strlen(prefix) + 6)
			ret = fs_unlink(dirfd, de->d_name, 0);
	(void)closedir(d);
	return ret < 0 ? ret : 0;
}

int fs_write_file(int dirfd, const char *name, const void *p, size_t n,
		  mode_t mode)
{
	struct atomic_file af = ATOMIC_FILE_INIT;
	int ret = atomic_file_begin(&af, dirfd, name);

	if (ret >= 0)
		ret = fs_write_all(af.fd, p, n);
	if (ret >= 0)
		return atomic_file_commit(&af, mode);
	atomic_file_release(&af);
	return ret;
}

/* --- removal --- */

static int remove_entries(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *de;
	int ret = 0;

	if (!d) {
		ret = -errno;
		(void)close(fd);
		return ret;
	}
	while (ret >= 0 && (de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			ret = fs_remove_tree(dirfd(d), de->d_name);
	(void)closedir(d);
	return ret;
}

int fs_remove_tree(int dirfd, const char *name)
{
	int ret = fs_unlink(dirfd, name, 0), fd;

	if (ret >= 0 || ret == -ENOENT)
		return 0;
	if (ret != -EISDIR && ret != -EPERM)
		return ret;
	fd = fs_open(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd == -EACCES) {
		/* ours, with a mode that keeps us out */
		fd = fs_open(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW,
			     0);
		if (fd >= 0) {
			char proc[40];

			(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d",
				       fd);
			ret = fs_chmod_proc(proc, 0700);
			(void)close(fd);
			if (ret < 0)
				return ret;
			fd = fs_open(dirfd, name, O_RDONLY | O_DIRECTORY |
				     O_NOFOLLOW, 0);
		}
	}
	if (fd < 0)
		return fd == -ENOTDIR ? ret : fd;
	ret = remove_entries(fd);
	if (ret >= 0)
		ret = fs_unlink(dirfd, name, AT_REMOVEDIR);
	return ret == -ENOENT ? 0 : ret;
}

/* --- copies --- */

static int copy_by_buffer(int in, int out, off_t off, off_t end)
{
	_cleanup_free_ char *buf = xmalloc(COPY_BUFFER);

	while (off < end) {
		size_t want = (size_t)MIN((off_t)COPY_BUFFER, end - off);
		ssize_t n = fs_pread_full(in, buf, want, off);
		int ret;

		if (n <= 0)
			return (int)n;
		ret = fs_pwrite_all(out, buf, (size_t)n, off);
		if (ret < 0)
			return ret;
		off += n;
	}
	return 0;
}

/* 1: not possible here, use the buffer */
static int copy_in_kernel(int in, int out, off_t off, off_t end)
{
	while (off < end) {
		loff_t from = off, to = off;
		ssize_t n;
		int ret = fault_before(FAULT_COPY);

		if (ret < 0)
			return ret;
		n = copy_file_range(in, &from, out, &to, (size_t)(end - off),
				    0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EXDEV || errno == EINVAL ||
			      errno == ENOSYS || errno == EOPNOTSUPP ||
			      errno == EPERM || errno == EBADF))
			return 1;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 1;
		fault_after(FAULT_COPY);
		off += n;
	}
	return 0;
}

static int copy_extent(int in, int out, off_t off, off_t end,
		       fs_progress_fn *progress, void *ctx)
{
	int buffered = 0, ret = 0;

	while (!ret && off < end) {
		off_t stop = MIN(end, off + (off_t)COPY_CHUNK);

		if (!buffered) {
			ret = copy_in_kernel(in, out, off, stop);
			if (ret == 1)
				buffered = 1;
		}
		if (buffered)
			ret = copy_by_buffer(in, out, off, stop);
		off = stop;
		if (!ret && progress)
			ret = progress(ctx, (uint64_t)off);
	}
	return ret;
}

static int try_clone(int in, int out)
{
	int ret = fault_before(FAULT_COPY);

	if (ret < 0)
		return ret;
	if (ioctl(out, FICLONE, in) < 0)
		return 1;
	fault_after(FAULT_COPY);
	return 0;
}

int fs_copy_data(int in, int out, fs_progress_fn *progress, void *ctx)
{
	struct stat st;
	off_t off = 0;
	int ret;

	if (fstat(in, &st) < 0)
		return -errno;
	ret = try_clone(in, out);
	if (ret <= 0)
		return ret < 0 ? ret : progress ?
			progress(ctx, (uint64_t)st.st_size) : 0;
	ret = fs_truncate(out, st.st_size);
	while (!ret && off < st.st_size) {
		off_t data = lseek(in, off, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = off;
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0 || hole > st.st_size)
			hole = st.st_size;
		ret = copy_extent(in, out, data, hole, progress, ctx);
		off = hole;
	}
	return ret;
}
