/* SPDX-License-Identifier: MIT */
/*
 * Everything that comes back is built in new/, complete with metadata, read
 * again and compared, and flushed, before the first name of the user's tree is
 * touched. What fails here has changed nothing.
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
#include "base/xalloc.h"
#include "undo-internal.h"

/* what a name costs at the most, beside its content */
#define INODE_COST 4096u

int undo_stage_fail(struct error *err, int r, const char *path)
{
	_cleanup_free_ char *text = escape_bytes(path);

	if (r == -ENOSPC || r == -EDQUOT)
		return error_errno(err, ERR_ROLLBACK_SPACE, r,
				   _("cannot stage '%s'"), text);
	return error_errno(err, ERR_ROLLBACK, r, _("cannot stage '%s'"), text);
}

static bool comes_back(const struct undo *u, size_t i)
{
	return u->needed[i] && u->pre.items[i].type != ITEM_ABSENT &&
	       u->pre.items[i].type != ITEM_SOCKET;
}

/* Path of item i within new/ of the action's place. */
static char *staged_path(const struct undo *u, const struct undo_action *a,
			 size_t i)
{
	return xasprintf("%s%s", a->key,
			 u->pre.items[i].path + strlen(a->path));
}

static int staged_parent(struct undo *u, const struct undo_action *a,
			 size_t i, char **name, struct error *err)
{
	_cleanup_free_ char *rel = staged_path(u, a, i);
	const char *last;
	int fd = fs_open_parent(a->place->new_fd, rel, &last);

	if (fd < 0)
		return undo_stage_fail(err, fd, u->pre.items[i].path);
	*name = xstrdup(last);
	return fd;
}

int undo_leaf_parent(struct undo *u, const struct undo_leaf *l, char **name,
		     struct error *err)
{
	return staged_parent(u, l->a, l->item, name, err);
}

/* --- what there is to do --- */

static int leaf_cmp(const void *a, const void *b)
{
	const struct undo_leaf *x = a, *y = b;

	if (x->src != y->src)
		return x->src < y->src ? -1 : 1;
	return x->item < y->item ? -1 : x->item > y->item;
}

static int collect(struct undo *u, struct undo_leaves *ls, struct error *err)
{
	for (size_t k = 0; k < u->act_n; k++) {
		struct undo_action *a = &u->acts[k];

		if (a->what != UNDO_PLACE)
			continue;
		for (size_t i = a->lo; i < a->hi; i++) {
			struct undo_group *g = undo_group_of(u, i);
			int r;

			if (!comes_back(u, i) ||
			    u->pre.items[i].type == ITEM_DIR)
				continue;
			r = g ? undo_group_look(u, g, err) : 0;
			if (r < 0)
				return r;
			VEC_GROW(ls->v, ls->n, ls->cap);
			ls->v[ls->n++] = (struct undo_leaf){
				.item = i, .src = g ? g->leader : i, .a = a,
			};
		}
	}
	if (ls->n > 1)
		qsort(ls->v, ls->n, sizeof(*ls->v), leaf_cmp);
	return 0;
}

static uint64_t cost(const struct item *it)
{
	uint64_t n = it->flags & ITEM_HAS_DIGEST2 ? it->stored_size : it->size;

	if (it->alloc && it->alloc < n)
		n = it->alloc;
	return it->type == ITEM_FILE ? (n + 4095) / 4096 * 4096 : 0;
}

static void sum_need(struct undo *u, struct undo_leaves *ls)
{
	for (size_t i = 0; i < u->place_n; i++)
		u->places[i]->need = 0;
	for (size_t k = 0; k < ls->n; k++) {
		struct undo_leaf *l = &ls->v[k];
		struct undo_group *g = undo_group_of(u, l->item);

		l->a->place->need += INODE_COST;
		if ((g && g->good) || (k && ls->v[k - 1].src == l->src))
			continue;
		ls->total += u->pre.items[l->src].size;
		if (u->spec.source == UNDO_FROM_ARCHIVE || u->no_link)
			l->a->place->need += cost(&u->pre.items[l->src]);
	}
	u->home->need += u->split_bytes;
	for (size_t k = 0; k < u->act_n; k++)
		if (u->acts[k].what != UNDO_META && u->acts[k].place->dir)
			u->home->need += u->acts[k].gone_bytes;
}

/* Places on one file system share its room. */
static int check_space(struct undo *u, struct error *err)
{
	for (size_t i = 0; i < u->place_n; i++) {
		uint64_t need = 0, have, inodes;
		struct stat a, b;
		int r;

		if (fstat(u->places[i]->fd, &a) < 0)
			return undo_stage_fail(err, -errno,
					       u->places[i]->name);
		for (size_t k = 0; k < u->place_n; k++) {
			if (fstat(u->places[k]->fd, &b) < 0)
				return undo_stage_fail(err, -errno,
						       u->places[k]->name);
			if (a.st_dev == b.st_dev)
				need += u->places[k]->need;
		}
		r = fs_space(u->places[i]->fd, &have, &inodes);
		if (r < 0)
			return undo_stage_fail(err, r, u->places[i]->name);
		if (need > have)
			return error_set(err, ERR_ROLLBACK_SPACE, -ENOSPC,
				_("going back needs %llu bytes of free space, "
				  "%llu are free"), (unsigned long long)need,
				(unsigned long long)have);
	}
	return 0;
}

/* --- building --- */

static int make_dirs(struct undo *u, struct undo_action *a, struct error *err)
{
	for (size_t i = a->lo; i < a->hi; i++) {
		_cleanup_free_ char *name = NULL;
		int r;

		if (!comes_back(u, i) || u->pre.items[i].type != ITEM_DIR)
			continue;
		_cleanup_close_ int fd = staged_parent(u, a, i, &name, err);
		if (fd < 0)
			return fd;
		r = fs_mkdir(fd, name, 0700);
		if (r < 0)
			return undo_stage_fail(err, r, u->pre.items[i].path);
	}
	return 0;
}

/* Innermost first. The top keeps its write bit until it has been moved. */
static int finish_dirs(struct undo *u, struct undo_action *a,
		       struct error *err)
{
	mode_t was;

	for (size_t i = a->hi; i-- > a->lo;) {
		const struct item *it = &u->pre.items[i];
		_cleanup_free_ char *name = NULL;
		int r;

		if (!comes_back(u, i) || it->type != ITEM_DIR)
			continue;
		_cleanup_close_ int fd = staged_parent(u, a, i, &name, err);
		if (fd < 0)
			return fd;
		r = meta_apply(fd, name, &it->meta, it->path, err);
		if (r < 0)
			return r;
		if (i != a->lo)
			continue;
		r = undo_loosen(fd, name, &was);
		if (r < 0)
			return undo_stage_fail(err, r, it->path);
	}
	return 0;
}

/* Everything that has no content in an archive. */
static int make_special(struct undo *u, const struct undo_leaf *l,
			struct error *err)
{
	const struct item *it = &u->pre.items[l->src];
	_cleanup_free_ char *name = NULL;
	int r;

	_cleanup_close_ int fd = undo_leaf_parent(u, l, &name, err);
	if (fd < 0)
		return fd;
	switch (it->type) {
	case ITEM_SYMLINK:
		r = fs_symlink(it->target, fd, name);
		break;
	case ITEM_FIFO:
		r = fs_mkfifo(fd, name, 0600);
		break;
	case ITEM_CHAR:
		r = fs_mknod(fd, name, S_IFCHR | 0600, (dev_t)it->rdev);
		break;
	case ITEM_BLOCK:
		r = fs_mknod(fd, name, S_IFBLK | 0600, (dev_t)it->rdev);
		break;
	default:
		BUG("item '%s' is no special file", it->path);
	}
	return r < 0 ? undo_stage_fail(err, r, it->path) : 0;
}

static int compare_leaf(struct undo *u, const struct undo_leaf *l, int fd,
			const char *name, struct error *err)
{
	_cleanup_item_ struct item now = ITEM_INIT;
	const struct item *it = &u->pre.items[l->item];
	_cleanup_free_ char *text = NULL;
	unsigned int diff;
	int r = item_read(fd, name, true, &now, err);

	if (r < 0)
		return r;
	diff = undo_diff(it, &now);
	if (!diff)
		return 0;
	text = escape_bytes(it->path);
	if (diff & (ITEM_DIFF_TYPE | ITEM_DIFF_CONTENT))
		return error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
			_("what the backup holds of '%s' is not what its "
			  "manifest says"), text);
	return error_set(err, ERR_ROLLBACK, -EIO,
			 _("'%s' cannot get the mode, owner, time or "
			   "attributes that it had"), text);
}

int undo_leaf_finish(struct undo *u, struct undo_leaves *ls,
		     struct undo_leaf *l, struct error *err)
{
	const struct item *it = &u->pre.items[l->item];
	_cleanup_free_ char *name = NULL;
	int r;

	_cleanup_close_ int fd = undo_leaf_parent(u, l, &name, err);
	if (fd < 0)
		return fd;
	r = meta_apply(fd, name, &it->meta, it->path, err);
	if (r == 0)
		r = compare_leaf(u, l, fd, name, err);
	if (r < 0)
		return r;
	l->filled = true;
	ls->done += it->size;
	if (u->spec.progress)
		u->spec.progress(u->spec.ctx, ls->done, ls->total);
	return 0;
}

/* The other names of an inode that new/ or the tree has. */
static int link_leaf(struct undo *u, struct undo_leaf *l,
		     const struct undo_leaf *first, const char *good,
		     struct error *err)
{
	_cleanup_free_ char *name = NULL, *first_name = NULL;
	_cleanup_close_ int from = -1;
	const char *src;
	int r;

	_cleanup_close_ int fd = undo_leaf_parent(u, l, &name, err);
	if (fd < 0)
		return fd;
	if (good) {
		from = fs_open_parent(u->spec.root_fd, good, &src);
		if (from < 0)
			return undo_stage_fail(err, from, good);
	} else {
		from = undo_leaf_parent(u, first, &first_name, err);
		if (from < 0)
			return from;
		src = first_name;
	}
	r = fs_link(from, src, fd, name);
	if (r < 0)
		return undo_stage_fail(err, r, u->pre.items[l->item].path);
	l->filled = true;
	l->linked = good != NULL;
	return 0;
}

static int link_leaves(struct undo *u, struct undo_leaves *ls, bool good,
		       struct error *err)
{
	const struct undo_leaf *first = NULL;
	int r = 0;

	for (size_t k = 0; r == 0 && k < ls->n; k++) {
		struct undo_leaf *l = &ls->v[k];
		struct undo_group *g = undo_group_of(u, l->item);

		if (!first || first->src != l->src)
			first = l;
		if (g && g->good) {
			if (good)
				r = link_leaf(u, l, NULL, g->path, err);
		} else if (!good && l != first) {
			r = link_leaf(u, l, first, NULL, err);
		}
	}
	return r;
}

static int make_specials(struct undo *u, struct undo_leaves *ls,
			 struct error *err)
{
	for (size_t k = 0; k < ls->n; k++) {
		struct undo_leaf *l = &ls->v[k];
		int r;

		if (l->filled || u->pre.items[l->src].type == ITEM_FILE ||
		    (k && ls->v[k - 1].src == l->src))
			continue;
		r = make_special(u, l, err);
		if (r == 0)
			r = undo_leaf_finish(u, ls, l, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int build(struct undo *u, struct undo_leaves *ls, struct error *err)
{
	int r = 0;

	for (size_t k = 0; r == 0 && k < u->act_n; k++)
		if (u->acts[k].what == UNDO_PLACE)
			r = make_dirs(u, &u->acts[k], err);
	if (r == 0)
		r = link_leaves(u, ls, true, err);
	if (r == 0)
		r = make_specials(u, ls, err);
	if (r == 0)
		r = undo_fill_files(u, ls, err);
	if (r == 0)
		r = link_leaves(u, ls, false, err);
	for (size_t k = 0; r == 0 && k < u->act_n; k++)
		if (u->acts[k].what == UNDO_PLACE)
			r = finish_dirs(u, &u->acts[k], err);
	for (size_t i = 0; r == 0 && i < u->place_n; i++) {
		r = fs_sync_fs(u->places[i]->fd);
		if (r < 0)
			r = undo_stage_fail(err, r, u->places[i]->name);
	}
	return r;
}

int undo_stage(struct undo *u, struct error *err)
{
	struct undo_leaves ls = { 0 };
	int r = 0;

	for (size_t k = 0; r == 0 && k < u->act_n; k++)
		if (u->acts[k].what != UNDO_META)
			r = undo_place_for(u, &u->acts[k], err);
	for (size_t i = 0; r == 0 && i < u->place_n; i++)
		r = undo_place_clear(u, u->places[i], err);
	if (r == 0)
		r = collect(u, &ls, err);
	if (r == 0) {
		sum_need(u, &ls);
		r = check_space(u, err);
	}
	if (r == 0)
		r = build(u, &ls, err);
	/* on a full disk the room is needed for other things */
	for (size_t i = 0; r < 0 && i < u->place_n; i++)
		(void)undo_place_clear(u, u->places[i], NULL);
	for (size_t k = 0; k < ls.n; k++)
		free(ls.v[k].start_path);
	free(ls.v);
	return r;
}
