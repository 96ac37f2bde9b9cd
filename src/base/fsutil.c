/* SPDX-License-Identifier: MIT */
#include "base/fsutil.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "base/fsutil-internal.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

static int open_again(int dirfd, const char *path, int flags)
{
	for (;;) {
		int fd = openat(dirfd, path, flags | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (errno != EINTR)
			return -errno;
	}
}

int fs_open(int dirfd, const char *path, int flags, mode_t mode)
{
	if (flags & (O_CREAT | O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE)
		return CHANGING(FAULT_OPEN, openat(dirfd, path,
						   flags | O_CLOEXEC, mode));
	if (fs_may_be_quiet(flags)) {
		int fd = open_again(dirfd, path, flags | O_NOATIME);

		/* only the owner may ask for that */
		if (fd != -EPERM)
			return fd;
	}
	return open_again(dirfd, path, flags);
}

int fs_close(int fd)
{
	/* after EINTR the descriptor is gone all the same (close(2)) */
	if (close(fd) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

int fs_closep(int *fd)
{
	return *fd < 0 ? 0 : fs_close(TAKE_FD(*fd));
}

/* --- data --- */

int fs_write_all(int fd, const void *p, size_t n)
{
	const char *c = p;

	while (n) {
		ssize_t w;
		int ret = fault_before(FAULT_WRITE);

		if (ret < 0)
			return ret;
		w = write(fd, c, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		fault_after(FAULT_WRITE);
		c += w;
		n -= (size_t)w;
	}
	return 0;
}

int fs_pwrite_all(int fd, const void *p, size_t n, off_t off)
{
	const char *c = p;

	while (n) {
		ssize_t w;
		int ret = fault_before(FAULT_WRITE);

		if (ret < 0)
			return ret;
		w = pwrite(fd, c, n, off);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		fault_after(FAULT_WRITE);
		c += w;
		off += w;
		n -= (size_t)w;
	}
	return 0;
}

ssize_t fs_read_full(int fd, void *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, (char *)p + got, n - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

ssize_t fs_pread_full(int fd, void *p, size_t n, off_t off)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = pread(fd, (char *)p + got, n - got,
				  off + (off_t)got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int fs_read_regular(int fd, uint64_t limit, struct strbuf *out)
{
	size_t begin = out->len;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > limit)
		return -EFBIG;
	for (;;) {
		ssize_t n;

		strbuf_grow(out, 65536);
		n = fs_read_full(fd, out->buf + out->len, 65536);
		if (n < 0)
			return (int)n;
		strbuf_set_len(out, out->len + (size_t)n);
		if (out->len - begin > limit)
			return -EFBIG;
		if (n < 65536)
			return 0;
	}
}

int fs_read_file(int dirfd, const char *path, size_t limit, struct strbuf *out)
{
	/* a FIFO would hang without O_NONBLOCK */
	_cleanup_close_ int fd = fs_open(dirfd, path, O_RDONLY | O_NONBLOCK |
					 O_NOCTTY, 0);

	return fd < 0 ? fd : fs_read_regular(fd, limit, out);
}

int fs_sync(int fd)
{
	/* never again on the same descriptor, so EINTR is an error too */
	int ret = fault_before(FAULT_SYNC);

	if (ret < 0)
		return ret;
	if (fsync(fd) < 0)
		return -errno;
	fault_after(FAULT_SYNC);
	return 0;
}

int fs_datasync(int fd)
{
	int ret = fault_before(FAULT_SYNC);

	if (ret < 0)
		return ret;
	if (fdatasync(fd) < 0)
		return -errno;
	fault_after(FAULT_SYNC);
	return 0;
}

int fs_sync_dir(int dirfd, const char *path)
{
	int fd = fs_open(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
	int ret;

	if (fd < 0)
		return fd;
	ret = fs_sync(fd);
	/*
	 * Some file systems cannot flush a directory and need not. EROFS is
	 * no such answer: ext4 gives it after it has shut itself down.
	 */
	if (ret == -EINVAL)
		ret = 0;
	(void)close(fd); /* nothing was written through it */
	return ret;
}

int fs_sync_fs(int fd)
{
	int ret = fault_before(FAULT_SYNC);

	if (ret < 0)
		return ret;
	if (syncfs(fd) < 0)
		return -errno;
	fault_after(FAULT_SYNC);
	return 0;
}

/* --- names --- */

int fs_rename(int odir, const char *old, int ndir, const char *new_name,
	      unsigned int flags)
{
	return CHANGING(FAULT_RENAME,
			renameat2(odir, old, ndir, new_name, flags));
}

int fs_link(int odir, const char *old, int ndir, const char *new_name)
{
	return CHANGING(FAULT_LINK, linkat(odir, old, ndir, new_name, 0));
}

int fs_unlink(int dirfd, const char *name, int flags)
{
	return CHANGING(FAULT_UNLINK, unlinkat(dirfd, name, flags));
}

int fs_mkdir(int dirfd, const char *name, mode_t mode)
{
	return CHANGING(FAULT_MKDIR, mkdirat(dirfd, name, mode));
}

int fs_symlink(const char *target, int dirfd, const char *name)
{
	return CHANGING(FAULT_SYMLINK, symlinkat(target, dirfd, name));
}

int fs_mkfifo(int dirfd, const char *name, mode_t mode)
{
	return CHANGING(FAULT_OPEN, mkfifoat(dirfd, name, mode));
}

int fs_mknod(int dirfd, const char *name, mode_t mode, dev_t dev)
{
	return CHANGING(FAULT_OPEN, mknodat(dirfd, name, mode, dev));
}

int fs_truncate(int fd, off_t len)
{
	return CHANGING(FAULT_TRUNCATE, ftruncate(fd, len));
}

int fs_fallocate_keep(int fd, off_t off, off_t len)
{
	return CHANGING(FAULT_FALLOCATE,
			fallocate(fd, FALLOC_FL_KEEP_SIZE, off, len));
}

int fs_chmod(int fd, mode_t mode)
{
	return CHANGING(FAULT_CHMOD, fchmod(fd, mode));
}

int fs_chmod_proc(const char *proc_path, mode_t mode)
{
	return CHANGING(FAULT_CHMOD, chmod(proc_path, mode));
}

int fs_chown(int dirfd, const char *name, uid_t uid, gid_t gid, int flags)
{
	return CHANGING(FAULT_CHOWN, fchownat(dirfd, name, uid, gid, flags));
}

int fs_utimes(int dirfd, const char *name, const struct timespec ts[2],
	      int flags)
{
	return CHANGING(FAULT_UTIMES, utimensat(dirfd, name, ts, flags));
}

int fs_setxattr(const char *proc_path, const char *name, const void *v,
		size_t n)
{
	return CHANGING(FAULT_XATTR, setxattr(proc_path, name, v, n, 0));
}

int fs_removexattr(const char *proc_path, const char *name)
{
	return CHANGING(FAULT_XATTR, removexattr(proc_path, name));
}

int fs_mkdirs(int root_fd, const char *rel, mode_t mode, struct strvec *made)
{
	_cleanup_free_ char *dir = NULL;
	_cleanup_close_ int parent = -1, fd = -1;
	const char *name;
	struct stat st;
	int ret = fs_stat_beneath(root_fd, rel, &st);

	if (ret == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	if (ret != -ENOENT)
		return ret;
	dir = path_dirname(rel);
	ret = fs_mkdirs(root_fd, dir, mode, made);
	if (ret < 0)
		return ret;
	parent = fs_open_parent(root_fd, rel, &name);
	if (parent < 0)
		return parent;
	/* never wider than asked for, and mostly right at once */
	ret = fs_mkdir(parent, name, mode);
	if (ret < 0)
		return ret == -EEXIST ? 0 : ret;
	fd = fs_open(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	/* exact, whatever the umask */
	ret = fs_chmod(fd, mode);
	if (ret >= 0)
		ret = fs_sync(fd);
	if (ret >= 0)
		ret = fs_sync(parent);
	if (ret >= 0 && made)
		strvec_push(made, rel);
	return ret;
}

int fs_space(int fd, uint64_t *ret_free, uint64_t *ret_inodes_free)
{
	struct statvfs sv;

	if (fstatvfs(fd, &sv) < 0)
		return -errno;
	*ret_free = (uint64_t)sv.f_bavail * sv.f_frsize;
	/* file systems without inodes say 0 of 0 */
	*ret_inodes_free = sv.f_files ? sv.f_favail : UINT64_MAX;
	return 0;
}

int proc_start_time(pid_t pid, uint64_t *ret)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	char path[64];
	const char *p;
	unsigned long long t;
	int n;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	n = fs_read_file(AT_FDCWD, path, 65536, &sb);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : n;
	/* the name in parentheses may hold anything: from its end, field 22 */
	p = strrchr(sb.buf, ')');
	if (!p)
		return -EIO;
	p += 2;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EIO;
		p++;
	}
	if (sscanf(p, "%llu", &t) != 1)
		return -EIO;
	*ret = t;
	return 0;
}

void proc_boot_id(char out[37])
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	*out = '\0';
	if (fs_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256,
			 &sb) < 0 || sb.len < 36)
		return;
	memcpy(out, sb.buf, 36);
	out[36] = '\0';
}
