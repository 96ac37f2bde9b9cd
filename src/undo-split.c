/* SPDX-License-Identifier: MIT */
/*
 * A displaced name may be one of several of its inode, and another of them may
 * still be in use: a step that links a new name to an old file, for one. What
 * is kept in aside must not change with the file in use, and that file must
 * not have a name in our state directory (the next backup would refuse it). So
 * such a name gets an inode of its own.
 *
 * Killed in here the place still has the file "links", which says to the next
 * process that it has to look again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/walk.h"
#include "base/xalloc.h"
#include "undo-internal.h"

#define MARK "links"
#define COPY_NAME "split"

struct name {
	uint64_t ino, nlink;
	char *path;              /* in aside */
};

struct names {
	struct name *v;
	size_t n, cap;
};

int undo_split_mark(struct undo *u, struct error *err)
{
	int fd, r;

	if (!u->split)
		return 0;
	fd = fs_open(u->home->fd, MARK, O_CREAT | O_WRONLY | O_NOFOLLOW, 0600);
	r = fd < 0 ? fd : fs_close(fd);
	return r < 0 ? undo_fail(err, r, _("cannot make"), MARK) : 0;
}

void undo_split_look(struct undo *u)
{
	struct stat st;

	u->split_left = fstatat(u->home->fd, MARK, &st,
				AT_SYMLINK_NOFOLLOW) == 0;
}

int undo_split_unmark(struct undo_place *p)
{
	int r = fs_unlink(p->fd, MARK, 0);

	return r == -ENOENT ? 0 : r;
}

static int collect(void *ctx, const struct walk_entry *e, struct error *err)
{
	struct names *names = ctx;

	(void)err;
	if (!S_ISREG(e->st.st_mode) || e->st.st_nlink < 2)
		return 0;
	VEC_GROW(names->v, names->n, names->cap);
	names->v[names->n++] = (struct name){
		e->st.st_ino, e->st.st_nlink, xstrdup(e->path),
	};
	return 0;
}

static int name_cmp(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return path_cmp(x->path, y->path);
}

static int copy(struct undo *u, int dir, const char *name,
		const struct meta *meta, struct error *err)
{
	int r;

	r = undo_remove_tree(u->home->new_fd, COPY_NAME);
	if (r < 0)
		return r;
	_cleanup_close_ int in = fs_open(dir, name, O_RDONLY | O_NOFOLLOW, 0);
	if (in < 0)
		return in;
	_cleanup_close_ int out = fs_open(u->home->new_fd, COPY_NAME,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (out < 0)
		return out;
	r = fs_copy_data(in, out, NULL, NULL);
	if (r == 0)
		r = fs_sync(out);
	if (r == 0)
		r = fs_close(TAKE_FD(out));
	return r < 0 ? r : meta_apply(u->home->new_fd, COPY_NAME, meta, name,
				      err);
}

static int split_one(struct undo *u, const char *path, struct error *err)
{
	_cleanup_item_ struct item it = ITEM_INIT, now = ITEM_INIT;
	mode_t was = 07777;
	const char *name;
	int r;

	r = item_read(u->aside_fd, path, true, &it, err);
	if (r < 0)
		return r;
	_cleanup_close_ int dir = fs_open_parent(u->aside_fd, path, &name);
	r = dir < 0 ? dir : copy(u, dir, name, &it.meta, err);
	if (r == 0) {
		r = item_read(u->home->new_fd, COPY_NAME, true, &now, err);
		if (r == 0 && item_compare(&it, &now))
			r = -EIO;
	}
	if (r == 0)
		r = undo_loosen(dir, ".", &was);
	if (r == 0)
		r = fs_rename(u->home->new_fd, COPY_NAME, dir, name, 0);
	if (r == 0)
		r = undo_tighten(dir, ".", was);
	if (r == -ENOSPC || r == -EDQUOT) {
		if (err)
			error_release(err);
		return error_errno(err, ERR_ROLLBACK_SPACE, r,
				   _("cannot keep what is displaced"));
	}
	return r < 0 && !(err && error_is_set(err)) ?
	       undo_fail(err, r, _("cannot put aside"), path) : r;
}

int undo_split(struct undo *u, struct error *err)
{
	struct names names = { 0 };
	int r;

	if (!u->split && !u->split_left)
		return 0;
	r = walk_tree(u->aside_fd, ".", WALK_NO_OPEN, collect, &names, err);
	if (r == 0 && names.n > 1)
		qsort(names.v, names.n, sizeof(*names.v), name_cmp);
	for (size_t i = 0, end; r == 0 && i < names.n; i = end) {
		for (end = i; end < names.n &&
			      names.v[end].ino == names.v[i].ino; end++)
			;
		/* all of its names are here: it is ours alone */
		if (end - i >= names.v[i].nlink)
			continue;
		for (size_t k = i; r == 0 && k < end; k++)
			r = split_one(u, names.v[k].path, err);
	}
	for (size_t i = 0; i < names.n; i++)
		free(names.v[i].path);
	free(names.v);
	return r;
}
