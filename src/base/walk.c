/* SPDX-License-Identifier: MIT */
#include "base/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* directories whose descriptors are held; those above are opened again */
#define HELD_MAX 12

struct level {
	int fd;               /* -1: given up for a while */
	struct strvec names;  /* d_type and name, sorted by the bytes of it */
	size_t next;
	size_t path_len;      /* of the directory's own path */
	struct stat st;
};

struct walk {
	int root_fd;
	unsigned int flags;
	walk_fn *fn;
	void *ctx;
	struct strbuf path;
	struct level *v;
	size_t n, cap;
	dev_t dev;
	int top_fd;           /* directory that holds the start */
};

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a + 1, *(char *const *)b + 1);
}

static void add_name(struct strvec *names, const struct dirent *de)
{
	size_t n = strlen(de->d_name) + 1;
	char *s = xmalloc(n + 1);

	s[0] = (char)de->d_type;
	memcpy(s + 1, de->d_name, n);
	strvec_take(names, s);
}

/* the position of fd is shared with the copy; it is read this once */
static int read_names(int fd, struct strvec *names)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *de;

	if (!d) {
		int ret = -errno;

		closep(&copy);
		return ret;
	}
	for (;;) {
		errno = 0;
		de = readdir(d);
		if (!de)
			break;
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			add_name(names, de);
	}
	if (errno) {
		int ret = -errno;

		(void)closedir(d);
		return ret;
	}
	(void)closedir(d);
	if (names->n > 1)
		qsort(names->v, names->n, sizeof(*names->v), cmp_names);
	return 0;
}

static int fail(struct walk *w, int ret, struct error *err)
{
	_cleanup_free_ char *shown = escape_bytes(w->path.len ? w->path.buf :
						  ".");

	return error_errno(err, ERR_IO, ret, _("cannot read '%s'"), shown);
}

/* without marking that we were there, where the owner may ask for that */
static int open_dir(int dirfd, const char *name, const struct stat *st)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	uid_t uid = geteuid();

	if (uid == 0 || uid == st->st_uid) {
		int fd = fs_open(dirfd, name, flags | O_NOATIME, 0);

		if (fd != -EPERM)
			return fd;
	}
	return fs_open(dirfd, name, flags, 0);
}

/* descriptor of a level, opened again if it was given up */
static int level_fd(struct walk *w, struct level *l)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (l->fd >= 0)
		return l->fd;
	path = l->path_len ? xstrndup(w->path.buf, l->path_len) : xstrdup(".");
	l->fd = fs_open_beneath(w->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
	if (l->fd < 0)
		return l->fd;
	/* another directory under the old name is not the one we walk */
	if (fstat(l->fd, &st) < 0 || st.st_ino != l->st.st_ino ||
	    st.st_dev != l->st.st_dev) {
		(void)close(TAKE_FD(l->fd));
		return -ESTALE;
	}
	return l->fd;
}

static int call_bare(struct walk *w, int dirfd, const char *name,
		     struct error *err)
{
	struct walk_entry e = { .path = w->path.buf, .dirfd = dirfd,
				.name = name, .fd = -1,
				.st.st_mode = S_IFREG, .bare = true };
	int ret = w->fn(w->ctx, &e, err);

	return ret == WALK_SKIP ? 0 : ret;
}

static int call(struct walk *w, int dirfd, const char *name, int fd,
		const struct stat *st, bool leaving, struct error *err)
{
	struct walk_entry e = { .path = w->path.len ? w->path.buf : ".",
				.dirfd = dirfd, .name = name, .fd = fd,
				.st = *st, .leaving = leaving };

	return w->fn(w->ctx, &e, err);
}

/* fd is taken over */
static int enter(struct walk *w, int fd, const struct stat *st,
		 struct error *err)
{
	struct level *l;
	int ret;

	VEC_GROW(w->v, w->n, w->cap);
	l = &w->v[w->n++];
	memset(l, 0, sizeof(*l));
	l->fd = fd;
	l->st = *st;
	l->path_len = w->path.len;
	ret = read_names(fd, &l->names);
	if (w->n > HELD_MAX) {
		struct level *far = &w->v[w->n - 1 - HELD_MAX];

		if (far->fd >= 0)
			(void)close(TAKE_FD(far->fd));
	}
	return ret < 0 ? fail(w, ret, err) : 0;
}

/* one name: look, tell, enter; path is already set to it */
static int visit(struct walk *w, int dirfd, const char *name,
		 struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int ret;

	if (w->flags & WALK_NO_OPEN) {
		if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : fail(w, -errno, err);
	} else {
		fd = fs_open(dirfd, name, O_PATH | O_NOFOLLOW, 0);
		if (fd == -ENOENT)
			return 0;
		if (fd < 0)
			return fail(w, fd, err);
		if (fstat(fd, &st) < 0)
			return fail(w, -errno, err);
	}
	ret = call(w, dirfd, name, fd, &st, false, err);
	if (ret || !S_ISDIR(st.st_mode))
		return ret == WALK_SKIP ? 0 : ret;
	if ((w->flags & WALK_XDEV) && st.st_dev != w->dev)
		return 0;
	if (fd >= 0)
		(void)close(TAKE_FD(fd));
	fd = open_dir(dirfd, name, &st);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fail(w, fd, err);
	return enter(w, TAKE_FD(fd), &st, err);
}

static void pop(struct walk *w)
{
	struct level *l = &w->v[--w->n];

	if (l->fd >= 0)
		(void)close(l->fd);
	strvec_release(&l->names);
}

/* called while the level is the innermost, and the one above it is at hand */
static int tell_leaving(struct walk *w, struct error *err)
{
	struct level *l = &w->v[w->n - 1];
	struct stat st;
	int fd = level_fd(w, l);
	int up = fd < 0 || w->n == 1 ? w->top_fd : level_fd(w, l - 1);

	if (fd < 0 || up < 0)
		return fail(w, fd < 0 ? fd : up, err);
	if (fstat(fd, &st) < 0)
		return fail(w, -errno, err);
	return call(w, up, w->path.len ? path_basename(w->path.buf) : ".", fd,
		    &st, true, err);
}

static int leave(struct walk *w, struct error *err)
{
	int ret = 0;

	strbuf_set_len(&w->path, w->v[w->n - 1].path_len);
	if (w->flags & WALK_LEAVE)
		ret = tell_leaving(w, err);
	pop(w);
	return ret == WALK_SKIP ? 0 : ret;
}

static int run(struct walk *w, struct error *err)
{
	int ret = 0;

	while (!ret && w->n) {
		struct level *l = &w->v[w->n - 1];
		const char *name;
		char type;
		int fd;

		if (l->next == l->names.n) {
			ret = leave(w, err);
			continue;
		}
		type = l->names.v[l->next][0];
		name = l->names.v[l->next++] + 1;
		strbuf_set_len(&w->path, l->path_len);
		fd = level_fd(w, l);
		if (fd < 0) {
			ret = fail(w, fd, err);
			break;
		}
		if (w->path.len && w->path.buf[w->path.len - 1] != '/')
			strbuf_addch(&w->path, '/');
		strbuf_addstr(&w->path, name);
		ret = (w->flags & WALK_BARE) && type == DT_REG ?
			call_bare(w, fd, name, err) : visit(w, fd, name, err);
	}
	return ret;
}

int walk_tree(int root_fd, const char *start, unsigned int flags, walk_fn *fn,
	      void *ctx, struct error *err)
{
	struct walk w = { .root_fd = root_fd, .flags = flags, .fn = fn,
			  .ctx = ctx, .path = STRBUF_INIT };
	_cleanup_close_ int dir = -1;
	const char *name;
	struct stat st;
	int ret;

	strbuf_grow(&w.path, 1);
	if (strcmp(start, ".") != 0)
		strbuf_addstr(&w.path, start);
	dir = fs_open_parent(root_fd, start, &name);
	if (dir < 0)
		ret = fail(&w, dir, err);
	else if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		ret = fail(&w, -errno, err);
	else {
		w.dev = st.st_dev;
		w.top_fd = dir;
		ret = visit(&w, dir, name, err);
		if (!ret)
			ret = run(&w, err);
	}
	while (w.n)
		pop(&w);
	free(w.v);
	strbuf_release(&w.path);
	return ret;
}
