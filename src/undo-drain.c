/* SPDX-License-Identifier: MIT */
/*
 * The data are on another file system than the backup: what was displaced lies
 * in gone/ beside the data and is copied into aside, compared, flushed, and
 * only then removed. Killed anywhere, the next pass finds in aside what it has
 * copied already, by content, and does the rest.
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

#define COPY_NAME "drain"

struct drain {
	struct undo *u;
	struct undo_place *p;
};

static int drain_error(struct error *err, int r, const char *path)
{
	_cleanup_free_ char *text = escape_bytes(path);

	return error_errno(err, r == -ENOSPC || r == -EDQUOT ?
			   ERR_ROLLBACK_SPACE : ERR_ROLLBACK, r,
			   _("cannot keep a copy of '%s'"), text);
}

const char *undo_original(const char *rel)
{
	size_t n = strlen(UNDO_OUTSIDE);

	if (str_starts(rel, ".more/")) {
		rel = strchr(rel + strlen(".more/"), '/');
		if (!rel)
			return NULL;
		rel++;
	}
	if (str_starts(rel, UNDO_OUTSIDE "/"))
		return rel + n;
	return strcmp(rel, ".") == 0 || strcmp(rel, ".more") == 0 ||
	       strcmp(rel, UNDO_OUTSIDE) == 0 ? NULL : rel;
}

static int copy_file(struct drain *d, const struct walk_entry *e)
{
	int home = d->u->home->new_fd, r;
	_cleanup_close_ int in = fs_open(e->dirfd, e->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

	if (in < 0)
		return in;
	_cleanup_close_ int out = fs_open(home, COPY_NAME,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (out < 0)
		return out;
	r = fs_copy_data(in, out, NULL, NULL);
	return r < 0 ? r : fs_close(TAKE_FD(out));
}

static int copy_leaf(struct drain *d, const struct walk_entry *e,
		     const struct item *it, struct error *err)
{
	int home = d->u->home->new_fd;
	_cleanup_item_ struct item copy = ITEM_INIT;
	int r;

	r = undo_remove_tree(home, COPY_NAME);
	if (r < 0)
		return drain_error(err, r, it->path);
	switch (it->type) {
	case ITEM_FILE:
		r = copy_file(d, e);
		break;
	case ITEM_SYMLINK:
		r = fs_symlink(it->target, home, COPY_NAME);
		break;
	case ITEM_FIFO:
		r = fs_mkfifo(home, COPY_NAME, 0600);
		break;
	default:
		r = fs_mknod(home, COPY_NAME, (e->st.st_mode & S_IFMT) | 0600,
			     (dev_t)it->rdev);
		break;
	}
	if (r < 0)
		return drain_error(err, r, it->path);
	r = meta_apply(home, COPY_NAME, &it->meta, it->path, err);
	if (r == 0)
		r = item_read(home, COPY_NAME, true, &copy, err);
	if (r == 0 && item_compare(it, &copy))
		r = drain_error(err, -EIO, it->path);
	return r;
}

/* Is it in aside already? Else *rel is the first free name for it. */
static int find_slot(struct drain *d, const struct item *it, const char *path,
		     char **rel, bool *there, struct error *err)
{
	int first = undo_first_slot(d->u->aside_fd, path);

	*there = false;
	for (int slot = 0;; slot++) {
		_cleanup_free_ char *at = undo_aside_path(path, slot);
		_cleanup_item_ struct item now = ITEM_INIT;
		struct stat st;
		int r = fs_stat_beneath(d->u->aside_fd, at, &st);

		if (r == -ENOENT && slot < first)
			continue;
		if (r == -ENOENT) {
			*rel = TAKE_PTR(at);
			return 0;
		}
		if (r < 0 && !undo_slot_is_taken(r))
			return drain_error(err, r, path);
		if (r < 0)
			continue;
		r = item_read(d->u->aside_fd, at, true, &now, err);
		if (r < 0)
			return r;
		if (!item_compare(it, &now)) {
			*there = true;
			return 0;
		}
	}
}

static int drain_leaf(struct drain *d, const struct walk_entry *e,
		      const char *path, struct error *err)
{
	_cleanup_item_ struct item it = ITEM_INIT;
	_cleanup_free_ char *rel = NULL;
	bool there;
	int r;

	r = item_read(d->p->gone_fd, e->path, true, &it, err);
	if (r < 0 || it.type == ITEM_SOCKET)
		return r;
	r = find_slot(d, &it, path, &rel, &there, err);
	if (r < 0 || there)
		return r;
	r = copy_leaf(d, e, &it, err);
	if (r < 0)
		return r;
	r = undo_put_into(d->u->aside_fd, rel, d->u->home->new_fd, COPY_NAME);
	return r < 0 ? drain_error(err, r, path) : 0;
}

/* what lies beside a database is in aside first, so that it finds it there */
static int drain_beside(struct drain *d, const struct walk_entry *e,
			const char *path, struct error *err)
{
	char *name;
	int r = 0;

	for (size_t i = 0; r == 0 && (name = undo_beside(e->name, i)); i++) {
		_cleanup_free_ char *its_path = undo_beside(path, i);
		_cleanup_free_ char *at = undo_beside(e->path, i);
		struct walk_entry its = *e;

		its.name = name;
		its.path = at;
		if (fstatat(e->dirfd, name, &its.st,
			    AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(its.st.st_mode))
			r = drain_leaf(d, &its, its_path, err);
		free(name);
	}
	return r;
}

static int drain_dir(struct drain *d, const char *path, struct error *err)
{
	for (int slot = 0;; slot++) {
		_cleanup_free_ char *rel = undo_aside_path(path, slot);
		int r = undo_make_dirs(d->u->aside_fd, rel);

		if (r == 0)
			return 0;
		if (!undo_slot_is_taken(r))
			return drain_error(err, r, path);
	}
}

static int drain_entry(void *ctx, const struct walk_entry *e,
		       struct error *err)
{
	const char *path = undo_original(e->path);
	int r;

	if (!path)
		return 0;
	if (S_ISDIR(e->st.st_mode))
		return drain_dir(ctx, path, err);
	r = drain_beside(ctx, e, path, err);
	return r < 0 ? r : drain_leaf(ctx, e, path, err);
}

int undo_drain(struct undo *u, struct undo_place *p, struct error *err)
{
	struct drain d = { u, p };
	int r;

	r = walk_tree(p->gone_fd, ".", 0, drain_entry, &d, err);
	if (r < 0)
		return r;
	r = fs_sync_fs(u->aside_fd);
	if (r == 0)
		r = undo_remove_tree(p->fd, "gone");
	if (r == 0)
		r = fs_mkdir(p->fd, "gone", 0700);
	if (r < 0)
		return drain_error(err, r, p->name);
	closep(&p->gone_fd);
	p->gone_fd = fs_open(p->fd, "gone",
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return p->gone_fd < 0 ? drain_error(err, p->gone_fd, p->name) : 0;
}
