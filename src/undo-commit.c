/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>   /* RENAME_EXCHANGE */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "undo-internal.h"

/* A descriptor for each file system, to flush it once at the end. */
static int touch(struct undo *u, int fd)
{
	struct stat st;
	int dup;

	if (fstat(fd, &st) < 0)
		return -errno;
	for (size_t i = 0; i < u->touched_n; i++)
		if (u->touched[i].dev == st.st_dev)
			return 0;
	/* fd may be O_PATH, which cannot be flushed */
	dup = fs_open(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (dup < 0)
		return dup;
	VEC_GROW(u->touched, u->touched_n, u->touched_cap);
	u->touched[u->touched_n++] = (struct undo_fs){ st.st_dev, dup };
	return 0;
}

static int flush(struct undo *u, struct error *err)
{
	for (size_t i = 0; i < u->touched_n; i++) {
		int r = fs_sync_fs(u->touched[i].fd);

		if (r < 0)
			return error_errno(err, ERR_ROLLBACK, r,
				_("cannot flush the file system"));
	}
	return 0;
}

static void forget_touched(struct undo *u)
{
	for (size_t i = 0; i < u->touched_n; i++)
		closep(&u->touched[i].fd);
	u->touched_n = 0;
}

/* The directory that holds path, made writable if it is ours and is not. */
static int open_parent(struct undo *u, const char *path, const char **name,
		       struct error *err)
{
	int fd = fs_open_parent(u->spec.root_fd, path, name), r;
	mode_t was;

	if (fd < 0)
		return undo_fail(err, fd, _("cannot open the directory of"),
				 path);
	r = undo_loosen(fd, ".", &was);
	if (r == 0)
		r = touch(u, fd);
	if (r < 0) {
		(void)close(fd); /* O_PATH */
		return undo_fail(err, r, _("cannot change the directory of"),
				 path);
	}
	return fd;
}

static bool exists(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * The path and new/, swap/ and aside are one of these:
 *
 *  path present                     renamed to aside
 *  path gone                        done before, or somebody else did it
 *
 * swap/ has nothing of this path: it never comes back.
 */
static int displace_one(struct undo *u, struct undo_action *a,
			struct error *err)
{
	const char *name;
	_cleanup_close_ int dir = open_parent(u, a->path, &name, err);

	if (dir < 0)
		return dir;
	return exists(dir, name) ?
	       undo_put_aside(u, a->place, dir, name, a->path, err) : 0;
}

static int exchange(struct undo *u, struct undo_action *a, int dir,
		    const char *name)
{
	struct undo_place *p = a->place;
	mode_t was;
	int r;

	if (u->no_exchange)
		return -EINVAL;
	r = undo_loosen(dir, name, &was);
	if (r == 0)
		r = fs_rename(p->swap_fd, a->key, dir, name, RENAME_EXCHANGE);
	return r < 0 ? r : undo_tighten(p->swap_fd, a->key, was);
}

/*
 * What may be met, whether this process or one before it did half of the work
 * (undo_prepare() has settled swap/ and built new/ again by then):
 *
 *  path absent, new/KEY             renamed in; never replaces
 *  path other, new/KEY              new/KEY -> swap/KEY, exchanged: the name
 *                                   is old or other, never absent; then
 *                                   swap/KEY, which is the other one now,
 *                                   goes to aside
 *  path appeared since it was looked at    as `other`
 *  path vanished since                     as `absent`
 *  path old, swap/KEY other         killed between exchange and aside: no
 *                                   action is left, undo_settle() does it
 *  path other, swap/KEY old         killed before the exchange: settled
 *                                   (thrown away), built again
 *  the file system cannot exchange  path -> aside, swap/KEY -> path; killed
 *                                   between: path absent, see above
 */
static int place_one(struct undo *u, struct undo_action *a,
		     struct error *err)
{
	struct undo_place *p = a->place;
	const char *name;
	int r;

	_cleanup_close_ int dir = open_parent(u, a->path, &name, err);
	if (dir < 0)
		return dir;
	if (!exists(dir, name)) {
		r = undo_rename_noreplace(p->new_fd, a->key, dir, name);
		if (r != -EEXIST)
			goto out;
	}
	r = undo_rename_noreplace(p->new_fd, a->key, p->swap_fd, a->key);
	if (r < 0)
		goto out;
	r = exchange(u, a, dir, name);
	if (r == 0)
		return undo_put_aside(u, p, p->swap_fd, a->key, a->path, err);
	if (r != -EINVAL && r != -ENOENT && r != -ENOSYS)
		goto out;
	if (exists(dir, name)) {
		r = undo_put_aside(u, p, dir, name, a->path, err);
		if (r < 0)
			return r;
	}
	r = undo_rename_noreplace(p->swap_fd, a->key, dir, name);
out:
	return r < 0 ? undo_fail(err, r, _("cannot put back"), a->path) : 0;
}

/* --- metadata --- */

static int set_meta(struct undo *u, size_t i, struct error *err)
{
	const struct item *it = &u->pre.items[i];
	struct meta meta = it->meta;
	const char *name;
	struct stat st;

	_cleanup_close_ int dir = fs_open_parent(u->spec.root_fd, it->path,
						 &name);
	if (dir < 0)
		return undo_fail(err, dir, _("cannot open the directory of"),
				 it->path);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return undo_fail(err, -errno, _("cannot read"), it->path);
	/* the time of a directory is undo_dirmeta()'s */
	if (it->type == ITEM_DIR)
		meta.mtime = st.st_mtim;
	int r = touch(u, dir);
	if (r < 0)
		return undo_fail(err, r, _("cannot read"), it->path);
	return meta_apply(dir, name, &meta, it->path, err);
}

/*
 * Only the owner's write and search bits that undo_loosen() sets are taken
 * back, so nothing has to be remembered: a directory above the set that has
 * another mode than then keeps it.
 */
int undo_tighten_dirs(struct undo *u, struct error *err)
{
	if (geteuid() == 0)
		return 0;
	for (size_t i = u->pre.n; i-- > 0;) {
		const struct item *it = &u->pre.items[i];
		const char *name;
		struct stat st;
		int r;

		if (!u->needed[i] || it->type != ITEM_DIR ||
		    (it->meta.mode & 0300) == 0300)
			continue;
		r = fs_stat_beneath(u->spec.root_fd, it->path, &st);
		if (r < 0 || !S_ISDIR(st.st_mode) ||
		    (st.st_mode & 07777) != (it->meta.mode | 0300))
			continue;
		_cleanup_close_ int dir = fs_open_parent(u->spec.root_fd,
							 it->path, &name);
		r = dir < 0 ? dir : undo_tighten(dir, name, it->meta.mode);
		if (r < 0)
			return undo_fail(err, r, _("cannot set the mode of"),
					 it->path);
	}
	return 0;
}

/* Files first, then directories from the inside out. */
static int set_metas(struct undo *u, struct error *err)
{
	int r = 0;

	for (size_t k = 0; r == 0 && k < u->act_n; k++) {
		const struct undo_action *a = &u->acts[k];

		/* a name that was linked to an inode in use has its metadata */
		for (size_t i = a->lo; r == 0 && i < a->hi; i++)
			if (u->needed[i] && u->pre.items[i].type != ITEM_DIR &&
			    (a->what == UNDO_META || undo_group_of(u, i)))
				r = set_meta(u, i, err);
	}
	for (size_t k = u->act_n; r == 0 && k-- > 0;)
		if (u->acts[k].what == UNDO_META &&
		    u->pre.items[u->acts[k].lo].type == ITEM_DIR)
			r = set_meta(u, u->acts[k].lo, err);
	return r == 0 ? undo_tighten_dirs(u, err) : r;
}

/* --- the end --- */

/*
 * Going back to an R point: the inodes are in the tree again, so their kept
 * names go. Told by the inode, hence right after a kill too.
 */
static int drop_kept(struct undo *u, struct error *err)
{
	_cleanup_close_ int tree = fs_open(u->spec.backup_fd,
					   u->spec.tree_name,
					   O_RDONLY | O_DIRECTORY, 0);

	if (tree == -ENOENT)
		return 0;
	if (tree < 0)
		return undo_fail(err, tree, _("cannot open"),
				 u->spec.tree_name);
	for (size_t i = 0; i < u->pre.n; i++) {
		const struct item *it = &u->pre.items[i];
		struct stat now, st;

		if (!u->needed[i] || it->type == ITEM_DIR ||
		    it->type == ITEM_ABSENT ||
		    fs_stat_beneath(u->spec.root_fd, it->path, &now) < 0)
			continue;
		for (int slot = 0; now.st_nlink > 1; slot++) {
			_cleanup_free_ char *rel =
				undo_aside_path(it->path, slot);
			const char *name;
			int r = fs_stat_beneath(tree, rel, &st);

			if (r < 0 && !undo_slot_exists(tree, slot))
				break;
			if (r < 0 || st.st_dev != now.st_dev ||
			    st.st_ino != now.st_ino)
				continue;
			_cleanup_close_ int dir = fs_open_parent(tree, rel,
								 &name);
			r = dir < 0 ? dir : fs_unlink(dir, name, 0);
			if (r < 0)
				return undo_fail(err, r, _("cannot remove"),
						 rel);
			break;
		}
	}
	return 0;
}

int undo_commit_actions(struct undo *u, struct error *err)
{
	int r = touch(u, u->spec.backup_fd);

	if (r < 0)
		return undo_fail(err, r, _("cannot open"), u->spec.aside_name);
	r = undo_split_mark(u, err);
	for (size_t k = 0; r == 0 && k < u->act_n; k++)
		if (undo_goes_first(u, &u->acts[k]))
			r = displace_one(u, &u->acts[k], err);
	for (size_t k = 0; r == 0 && k < u->act_n; k++)
		if (u->acts[k].what == UNDO_DISPLACE)
			r = displace_one(u, &u->acts[k], err);
	for (size_t k = 0; r == 0 && k < u->act_n; k++)
		if (u->acts[k].what == UNDO_PLACE)
			r = place_one(u, &u->acts[k], err);
	if (r == 0)
		r = set_metas(u, err);
	if (r == 0)
		r = flush(u, err);
	for (size_t i = 0; r == 0 && i < u->place_n; i++)
		if (u->places[i]->dir)
			r = undo_drain(u, u->places[i], err);
	if (r == 0)
		r = undo_split(u, err);
	if (r == 0 && u->spec.source == UNDO_FROM_TREE)
		r = drop_kept(u, err);
	if (r == 0)
		r = undo_places_remove(u, err);
	if (r == 0)
		r = flush(u, err);
	forget_touched(u);
	return r;
}
