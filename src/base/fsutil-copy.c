/* SPDX-License-Identifier: MIT */
/* Copies of data by the cheapest way that the file system knows. */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "base/fsutil-internal.h"
#include "base/fsutil.h"
#include "base/xalloc.h"

#define COPY_CHUNK (4u * 1024u * 1024u)
#define COPY_BUFFER (128u * 1024u)

static int copy_by_buffer(int in, int out, off_t off, off_t end)
{
	_cleanup_free_ char *buf = xmalloc(COPY_BUFFER);

	while (off < end) {
		size_t want = (size_t)MIN((off_t)COPY_BUFFER, end - off);
		ssize_t n = fs_pread_full(in, buf, want, off);
		int ret;

		if (n < 0)
			return (int)n;
		/* cut meanwhile: what is missing would come out as zeros */
		if ((size_t)n < want)
			return -ESTALE;
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

/* no data any more: a hole to the end, or an end that came nearer */
static int still_as_long(int in, off_t size)
{
	struct stat st;

	if (fstat(in, &st) < 0)
		return -errno;
	return st.st_size < size ? -ESTALE : 0;
}

int fs_copy_data(int in, int out, fs_progress_fn *progress, void *ctx)
{
	struct stat st;
	off_t off = 0;
	int ret;

	if (fstat(in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	ret = try_clone(in, out);
	if (ret <= 0)
		return ret < 0 ? ret : progress ?
			progress(ctx, (uint64_t)st.st_size) : 0;
	ret = fs_truncate(out, st.st_size);
	while (!ret && off < st.st_size) {
		off_t data = lseek(in, off, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return still_as_long(in, st.st_size);
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
