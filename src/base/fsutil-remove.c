/* SPDX-License-Identifier: MIT */
/*
 * Removal of a tree of any depth with two descriptors: down by name, up by
 * ".." if that is still the directory we came from, and else not at all. What
 * is mounted somewhere in it is not ours to remove.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/fsutil-internal.h"
#include "base/fsutil.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

struct place {
	dev_t dev;
	ino_t ino;
	char *name;           /* in the directory above */
};

struct removal {
	struct place *v;
	size_t n, cap;
	int fd;               /* of v[n - 1] */
	dev_t dev;            /* the one file system that we stay in */
};

/* ours to remove, so also if its mode keeps us out */
static int open_up(int dirfd, const char *name)
{
	_cleanup_close_ int fd = fs_open(dirfd, name, O_PATH | O_DIRECTORY |
					 O_NOFOLLOW, 0);
	struct stat st;
	char proc[48];
	int ret;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (geteuid() != 0 && (st.st_mode & 0700) != 0700) {
		(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
		ret = fs_chmod_proc(proc, st.st_mode | 0700);
		if (ret < 0)
			return ret;
	}
	return fs_open(fd, ".", O_RDONLY | O_DIRECTORY, 0);
}

static int descend(struct removal *r, int dirfd, const char *name)
{
	int fd = open_up(dirfd, name);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || st.st_dev != r->dev) {
		(void)close(fd);
		return -EXDEV;
	}
	VEC_GROW(r->v, r->n, r->cap);
	r->v[r->n].dev = st.st_dev;
	r->v[r->n].ino = st.st_ino;
	r->v[r->n].name = xstrdup(name);
	r->n++;
	if (r->fd >= 0)
		(void)close(r->fd);
	r->fd = fd;
	return 0;
}

/* the directory above is open again, or the name that is left is in top_fd */
static int ascend(struct removal *r, int top_fd)
{
	_cleanup_free_ char *name = r->v[--r->n].name;
	struct stat st;
	int up, ret;

	if (!r->n) {
		(void)close(TAKE_FD(r->fd));
		ret = fs_unlink(top_fd, name, AT_REMOVEDIR);
		return ret == -ENOENT ? 0 : ret;
	}
	up = fs_open(r->fd, "..", O_RDONLY | O_DIRECTORY, 0);
	if (up < 0)
		return up;
	(void)close(r->fd);
	r->fd = up;
	/* somebody moved the tree while we were in it */
	if (fstat(up, &st) < 0 || st.st_dev != r->v[r->n - 1].dev ||
	    st.st_ino != r->v[r->n - 1].ino)
		return -ESTALE;
	ret = fs_unlink(up, name, AT_REMOVEDIR);
	return ret == -ENOENT ? 0 : ret;
}

/* 1: name (caller frees) is a directory to go into; 0: nothing is left */
static int clear_files(int fd, char **ret_name)
{
	int copy = fs_open(fd, ".", O_RDONLY | O_DIRECTORY, 0), ret = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *de;

	if (!d) {
		ret = copy < 0 ? copy : -errno;
		closep(&copy);
		return ret;
	}
	errno = 0;
	while (!ret && (de = readdir(d))) {
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..")) {
			ret = de->d_type == DT_DIR ? -EISDIR :
				fs_unlink(fd, de->d_name, 0);
			if (ret == -EISDIR) {
				*ret_name = xstrdup(de->d_name);
				ret = 1;
			} else if (ret == -ENOENT) {
				ret = 0;
			}
		}
		errno = 0;
	}
	if (!ret)
		ret = -errno;
	(void)closedir(d);
	return ret;
}

static int remove_directory(int dirfd, const char *name)
{
	struct removal r = { .fd = -1 };
	/* it may be elsewhere than dirfd */
	const char *slash = strrchr(name, '/');
	_cleanup_free_ char *parent = slash ?
		xasprintf("%.*s/.", (int)(slash - name), name) : xstrdup(".");
	struct stat st;
	int ret;

	if (fstatat(dirfd, parent, &st, 0) < 0)
		return -errno;
	r.dev = st.st_dev;
	ret = descend(&r, dirfd, name);
	while (ret >= 0 && r.n) {
		_cleanup_free_ char *next = NULL;

		ret = clear_files(r.fd, &next);
		if (ret == 1)
			ret = descend(&r, r.fd, next);
		else if (ret == 0)
			ret = ascend(&r, dirfd);
	}
	closep(&r.fd);
	while (r.n)
		free(r.v[--r.n].name);
	free(r.v);
	return ret;
}

int fs_remove_tree(int dirfd, const char *name)
{
	struct stat st;
	int ret;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	ret = S_ISDIR(st.st_mode) ? remove_directory(dirfd, name) :
		fs_unlink(dirfd, name, 0);
	return ret == -ENOENT ? 0 : ret;
}
