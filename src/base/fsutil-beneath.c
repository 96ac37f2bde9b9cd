/* SPDX-License-Identifier: MIT */
/*
 * Opening below a root, never through a symlink and never out of it: openat2,
 * or where the kernel or a filter has none, one component after the other.
 */
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/fsutil-internal.h"
#include "base/fsutil.h"
#include "base/path.h"
#include "base/xalloc.h"

/* what is handed to the kernel at once; with room below PATH_MAX */
#define PIECE_MAX 2048
/* a rename somewhere, or a lease that is being broken, gives EAGAIN */
#define TRIES_MAX 64

/* O_DIRECTORY on a symlink gives ENOTDIR, which names the wrong cause */
static int symlink_or(int dirfd, const char *name, int ret)
{
	struct stat st;

	if (ret == -ENOTDIR &&
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return -ELOOP;
	return ret;
}

static int open_component(int dirfd, const char *name, int flags, mode_t mode)
{
	int fd;

	/* no RESOLVE_BENEATH watches over this */
	if (!strcmp(name, ".."))
		return -EXDEV;
	do
		fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? symlink_or(dirfd, name, -errno) : fd;
}

static int open_stepwise(int dirfd, const char *rel, int flags, mode_t mode)
{
	_cleanup_free_ char *copy = xstrdup(rel);
	char *p = copy;
	int fd = dirfd, next;

	for (;;) {
		size_t n = strcspn(p, "/");
		char *rest = p + n + strspn(p + n, "/");
		bool last = !*rest;

		p[n] = '\0';
		next = open_component(fd, p, last ? flags :
				      O_PATH | O_DIRECTORY, mode);
		if (fd != dirfd)
			(void)close(fd);
		if (next < 0 || last)
			return next;
		fd = next;
		p = rest;
	}
}

static int open_how(int dirfd, const char *rel, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			RESOLVE_NO_MAGICLINKS,
	};
	int fd, tries = 0;

	/* with O_DIRECTORY it would turn ELOOP into ENOTDIR */
	if (!(flags & O_DIRECTORY))
		how.flags |= O_NOFOLLOW;
	do
		fd = (int)syscall(SYS_openat2, dirfd, rel, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR ||
			  (errno == EAGAIN && ++tries < TRIES_MAX)));
	return fd < 0 ? -errno : fd;
}

static int open_piece(int dirfd, const char *rel, int flags, mode_t mode)
{
	int fd = open_how(dirfd, rel, flags, mode);

	/* EPERM: a filter that does not know the call, or the real thing */
	if (fd == -ENOSYS || fd == -EPERM)
		fd = open_stepwise(dirfd, rel, flags, mode);
	return fd;
}

/* any length, in pieces that the kernel takes */
static int open_pieces(int root_fd, const char *rel, int flags, mode_t mode)
{
	int dirfd = root_fd, fd;

	while (strlen(rel) >= PIECE_MAX) {
		_cleanup_free_ char *head = xstrndup(rel, PIECE_MAX - 1);
		char *cut = strrchr(head, '/');

		if (!cut || cut == head) {
			fd = -ENAMETOOLONG;
			goto out;
		}
		*cut = '\0';
		fd = open_piece(dirfd, head, O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			goto out;
		if (dirfd != root_fd)
			(void)close(dirfd);
		dirfd = fd;
		rel += (cut - head) + 1;
	}
	fd = open_piece(dirfd, rel, flags, mode);
out:
	if (dirfd != root_fd)
		(void)close(dirfd);
	return fd;
}

/* ".." within the root would be harmless, but no path of ours has one */
static bool climbs(const char *rel)
{
	while (*rel) {
		size_t n = strcspn(rel, "/");

		if (n == 2 && rel[0] == '.' && rel[1] == '.')
			return true;
		rel += n;
		rel += strspn(rel, "/");
	}
	return false;
}

int fs_open_beneath(int root_fd, const char *rel, int flags, mode_t mode)
{
	_cleanup_close_ int top = -1;
	int fd;

	if (climbs(rel))
		return -EXDEV;
	if (*rel == '/') {
		top = fs_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
		if (top < 0)
			return top;
		rel += strspn(rel, "/");
		root_fd = top;
		if (!*rel)
			rel = ".";
	}
	if (fs_may_be_quiet(flags)) {
		fd = open_pieces(root_fd, rel, flags | O_NOATIME, mode);
		if (fd != -EPERM)
			return fd;
	}
	if (!(flags & (O_CREAT | O_TRUNC)))
		return open_pieces(root_fd, rel, flags, mode);
	fd = fault_before(FAULT_OPEN);
	if (fd < 0)
		return fd;
	fd = open_pieces(root_fd, rel, flags, mode);
	if (fd >= 0)
		fault_after(FAULT_OPEN);
	return fd;
}

int fs_open_parent(int root_fd, const char *rel, const char **name)
{
	_cleanup_free_ char *dir = NULL;
	int fd;

	if (!strcmp(rel, ".") || !strcmp(rel, "/")) {
		*name = ".";
		return fs_open_beneath(root_fd, rel, O_RDONLY | O_DIRECTORY,
				       0);
	}
	dir = path_dirname(rel);
	*name = path_basename(rel);
	fd = fs_open_beneath(root_fd, dir, O_RDONLY | O_DIRECTORY, 0);
	/* one may pass through a directory that one may not list */
	if (fd == -EACCES)
		fd = fs_open_beneath(root_fd, dir, O_PATH | O_DIRECTORY, 0);
	return fd;
}

int fs_stat_beneath(int root_fd, const char *rel, struct stat *st)
{
	_cleanup_close_ int fd = fs_open_beneath(root_fd, rel,
						 O_PATH | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	return fstat(fd, st) < 0 ? -errno : 0;
}

int fs_readlink_beneath(int root_fd, const char *rel, char **ret)
{
	_cleanup_close_ int fd = fs_open_beneath(root_fd, rel,
						 O_PATH | O_NOFOLLOW, 0);
	size_t size = 256;

	if (fd < 0)
		return fd;
	for (;;) {
		char *buf = xmalloc(size);
		ssize_t n = readlinkat(fd, "", buf, size);

		if (n >= 0 && (size_t)n < size) {
			buf[n] = '\0';
			*ret = buf;
			return 0;
		}
		free(buf);
		/* an O_PATH descriptor of something else says ENOENT */
		if (n < 0)
			return errno == ENOENT ? -EINVAL : -errno;
		size *= 2;
	}
}
