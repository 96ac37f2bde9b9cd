/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
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

static const struct item *item_of_key(const struct undo *u, const char *key)
{
	char k[UNDO_KEY_SIZE];

	for (size_t i = 0; i < u->pre.n; i++) {
		undo_key(u->pre.items[i].path, k);
		if (strcmp(k, key) == 0)
			return &u->pre.items[i];
	}
	return NULL;
}

static int is_content(int root_fd, const char *path, const struct item *it,
		      bool *ret, struct error *err)
{
	_cleanup_item_ struct item now = ITEM_INIT;
	int r = item_read(root_fd, path, true, &now, err);

	if (r == 0)
		*ret = !(undo_diff(it, &now) &
			 (ITEM_DIFF_TYPE | ITEM_DIFF_CONTENT));
	return r;
}

/*
 * Something is left in swap/. The path and it are one of these:
 *
 *  the path is old (what the manifest says), swap is other
 *	killed behind the exchange: swap has the displaced inode, to aside
 *  the path is other, swap is old
 *	killed before the exchange: it was only staged, it goes
 *  both are old
 *	somebody else put the path back; or only links differed. What was
 *	displaced cannot be told from what was staged: kept, in aside
 *  neither is old
 *	killed behind the exchange, and the path was written again: to aside
 *  its key is that of no path
 *	not ours as far as anyone can tell: to aside
 */
static int settle_one(struct undo *u, struct undo_place *p, const char *key,
		      struct error *err)
{
	const struct item *it = item_of_key(u, key);
	bool path_old = false, swap_old = false;
	int r;

	if (!it)
		return undo_put_aside(u, p, p->swap_fd, key, key, err);
	r = is_content(u->spec.root_fd, it->path, it, &path_old, err);
	if (r == 0)
		r = is_content(p->swap_fd, key, it, &swap_old, err);
	if (r < 0)
		return r;
	if (path_old || !swap_old)
		return undo_put_aside(u, p, p->swap_fd, key, it->path, err);
	r = undo_remove_tree(p->swap_fd, key);
	return r < 0 ? undo_fail(err, r, _("cannot clear what was staged for"),
				 it->path) : 0;
}

static int list_dir(int dirfd, struct strvec *names)
{
	int fd = fs_open(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct dirent *de;
	DIR *dir;
	int r;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		(void)close(fd); /* opened to read */
		return r;
	}
	while ((errno = 0, de = readdir(dir)))
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0)
			strvec_push(names, de->d_name);
	r = -errno;
	(void)closedir(dir); /* opened to read */
	return r;
}

static int settle_place(struct undo *u, struct undo_place *p,
			struct error *err)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	int r = list_dir(p->swap_fd, &names);

	if (r < 0)
		return undo_fail(err, r, _("cannot read"), p->name);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = settle_one(u, p, names.v[i], err);
	return r == 0 && p->dir ? undo_drain(u, p, err) : r;
}

/* A sibling place can only be in a directory of the manifest, or in the one that
   holds an entry of the effects. */
static int settle_sibling(struct undo *u, const char *dir, struct error *err)
{
	_cleanup_free_ char *name = undo_sibling_name(u);
	_cleanup_free_ char *path = path_join(dir, name);
	struct undo_place *p;
	struct stat st;
	int r = fs_stat_beneath(u->spec.root_fd, path, &st);

	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return 0;
	if (r < 0)
		return undo_fail(err, r, _("cannot read"), path);
	r = undo_open_sibling(u, dir, &p, err);
	return r < 0 ? r : settle_place(u, p, err);
}

int undo_settle(struct undo *u, struct error *err)
{
	int r = undo_open_home(u, err);

	if (r == 0)
		undo_split_look(u);
	if (r == 0)
		r = settle_place(u, u->home, err);
	for (size_t i = 0; r == 0 && i < u->pre.n; i++)
		if (u->needed[i] && u->pre.items[i].type == ITEM_DIR)
			r = settle_sibling(u, u->pre.items[i].path, err);
	/* where nothing is needed any more a killed one may still have had a
	   place */
	for (size_t i = 0; r == 0 && i < u->top_n; i++) {
		_cleanup_free_ char *dir = path_dirname(u->tops[i].path);

		r = settle_sibling(u, dir, err);
	}
	return r;
}

static int remove_place(struct undo *u, struct undo_place *p)
{
	int base = u->spec.backup_fd, r;
	_cleanup_close_ int dir = -1;

	if (p->dir) {
		base = dir = fs_open_beneath(u->spec.root_fd, p->dir,
					     O_RDONLY | O_DIRECTORY, 0);
		if (dir < 0)
			return dir;
	}
	r = undo_remove_tree(p->fd, "new");
	if (r == 0)
		r = undo_split_unmark(p);
	if (r == 0)
		r = fs_unlink(p->fd, "swap", AT_REMOVEDIR);
	if (r == 0 && p->dir)
		r = fs_unlink(p->fd, "gone", AT_REMOVEDIR);
	if (r == 0)
		r = fs_unlink(base, p->name, AT_REMOVEDIR);
	return r;
}

int undo_places_remove(struct undo *u, struct error *err)
{
	for (size_t i = 0; i < u->place_n; i++) {
		int r = remove_place(u, u->places[i]);

		if (r < 0)
			return undo_fail(err, r, _("cannot remove"),
					 u->places[i]->name);
	}
	undo_places_free(u);
	return 0;
}

/* The failure that brought us here is the one to tell. */
void undo_places_abandon(struct undo *u)
{
	for (size_t i = 0; i < u->place_n; i++) {
		struct undo_place *p = u->places[i];
		struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
					  p->dir_mtime };

		/* work of a process before us is still to be done */
		if (p == u->home && u->split_left)
			continue;
		if (remove_place(u, p) < 0 || !p->dir || !p->made)
			continue;
		_cleanup_close_ int fd = fs_open_beneath(u->spec.root_fd,
					p->dir, O_RDONLY | O_DIRECTORY, 0);
		if (fd >= 0)
			(void)fs_utimes(fd, ".", ts, 0);
	}
	(void)undo_tighten_dirs(u, NULL);
	undo_places_free(u);
}
