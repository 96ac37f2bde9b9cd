/* SPDX-License-Identifier: MIT */
/*
 * Where the content of a file that comes back is: in the archive of the
 * pre-image; in start's, where that still held it; or, going back to an R
 * point, among the inodes that an earlier rollback kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "undo-internal.h"

struct source {
	struct undo *u;
	struct undo_leaves *ls;
	struct undo_leaf **by_start;    /* sorted by start_path */
	size_t start_n;
	const struct item *src;         /* the item as start's manifest has it */
};

static bool is_first(const struct undo_leaves *ls, size_t k)
{
	return k == 0 || ls->v[k - 1].src != ls->v[k].src;
}

static const char *src_path(const struct undo *u, const struct undo_leaf *l)
{
	return u->pre.items[l->src].path;
}

static int not_kept(struct error *err, const char *path)
{
	_cleanup_free_ char *text = escape_bytes(path);

	return error_set(err, ERR_BACKUP_DAMAGED, -ENOENT,
			 _("the backup does not hold '%s'"), text);
}

static int create(struct undo *u, const struct undo_leaf *l,
		  struct error *err)
{
	_cleanup_free_ char *name = NULL;
	int fd;

	_cleanup_close_ int dir = undo_leaf_parent(u, l, &name, err);
	if (dir < 0)
		return dir;
	fd = fs_open(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	return fd < 0 ? undo_stage_fail(err, fd, src_path(u, l)) : fd;
}

static int write_member(struct source *s, struct undo_leaf *l,
			struct backup_member *m, struct error *err)
{
	int fd = create(s->u, l, err), r;

	if (fd < 0)
		return fd;
	r = backup_member_write(m, fd, err);
	if (r < 0) {
		(void)fs_close(fd); /* the first error is the one to tell */
		if (r == -ENOSPC || r == -EDQUOT)
			return undo_stage_fail(err, r, src_path(s->u, l));
		return r;
	}
	r = fs_close(fd);
	if (r < 0)
		return undo_stage_fail(err, r, src_path(s->u, l));
	return undo_leaf_finish(s->u, s->ls, l, err);
}

static int copy_fd(struct undo *u, struct undo_leaves *ls,
		   struct undo_leaf *l, int in, struct error *err)
{
	int fd = create(u, l, err), r;

	if (fd < 0)
		return fd;
	r = fs_copy_data(in, fd, NULL, NULL);
	if (r < 0)
		(void)fs_close(fd); /* the first error is the one to tell */
	else
		r = fs_close(fd);
	if (r < 0)
		return undo_stage_fail(err, r, src_path(u, l));
	return undo_leaf_finish(u, ls, l, err);
}

/* --- the archive of the pre-image --- */

/* The first leaf with this source; ls is sorted by it. */
static struct undo_leaf *leaf_of(struct source *s, const char *path)
{
	const struct item *it = manifest_find(&s->u->pre, path);
	size_t lo = 0, hi = s->ls->n, src;

	if (!it)
		return NULL;
	src = (size_t)(it - s->u->pre.items);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->ls->v[mid].src < src)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->ls->n && s->ls->v[lo].src == src ? &s->ls->v[lo] : NULL;
}

static bool want_pre(void *ctx, const struct item *it)
{
	struct undo_leaf *l = leaf_of(ctx, it->path);

	return l && !l->filled && !(it->flags & ITEM_IN_START) &&
	       it->type == ITEM_FILE;
}

static int take_pre(void *ctx, const struct item *it,
		    struct backup_member *m, struct error *err)
{
	return write_member(ctx, leaf_of(ctx, it->path), m, err);
}

/* --- start's archive --- */

static int by_start_cmp(const void *a, const void *b)
{
	return path_cmp((*(struct undo_leaf *const *)a)->start_path,
			(*(struct undo_leaf *const *)b)->start_path);
}

static struct undo_leaf **find_start(struct source *s, const char *path)
{
	size_t lo = 0, hi = s->start_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (path_cmp(s->by_start[mid]->start_path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == s->start_n ||
	    strcmp(s->by_start[lo]->start_path, path) != 0)
		return NULL;
	return &s->by_start[lo];
}

static bool want_start(void *ctx, const struct item *it)
{
	return it->type == ITEM_FILE && find_start(ctx, it->path);
}

/* Several files of today may have been one inode at the start. */
static int take_start(void *ctx, const struct item *it,
		      struct backup_member *m, struct error *err)
{
	struct source *s = ctx;
	struct undo_leaf **v = find_start(s, it->path);
	_cleanup_free_ char *name = NULL;
	int r = write_member(s, v[0], m, err);

	if (r < 0)
		return r;
	_cleanup_close_ int dir = undo_leaf_parent(s->u, v[0], &name, err);
	if (dir < 0)
		return dir;
	for (v++; v < s->by_start + s->start_n &&
		  strcmp((*v)->start_path, it->path) == 0; v++) {
		_cleanup_close_ int in = fs_open(dir, name,
						 O_RDONLY | O_NOFOLLOW, 0);
		if (in < 0)
			return undo_stage_fail(err, in, it->path);
		r = copy_fd(s->u, s->ls, *v, in, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Which members of start's archive are they? The manifest is read as a stream,
 * since it may be long and few of its items are asked for.
 */
static int resolve_start(struct source *s, struct error *err)
{
	struct undo *u = s->u;
	_cleanup_free_ char *name = xasprintf("%s.manifest.jsonl",
					      u->spec.start_name);
	struct manifest_reader *m;
	const struct item *it;
	int r;

	r = manifest_reader_open(&m, u->spec.backup_fd, name,
				 u->spec.start_digest, err);
	if (r < 0)
		return r;
	while ((r = manifest_next(m, &it, err)) > 0) {
		struct undo_leaf *l = leaf_of(s, it->path);

		if (!l || l->filled || it->type != ITEM_FILE ||
		    (it->flags & ITEM_HAS_DIGEST2) ||
		    (undo_diff(&u->pre.items[l->src], it) &
		     ITEM_DIFF_CONTENT))
			continue;
		l->start_path = xstrdup(it->link ? it->link : it->path);
		s->by_start[s->start_n++] = l;
	}
	manifest_reader_free(m);
	if (s->start_n > 1)
		qsort(s->by_start, s->start_n, sizeof(*s->by_start),
		      by_start_cmp);
	return r;
}

static int fill_from_start(struct source *s, size_t missing,
			   struct error *err)
{
	struct undo *u = s->u;
	int r;

	s->by_start = xcalloc(missing, sizeof(*s->by_start));
	r = resolve_start(s, err);
	if (r == 0 && s->start_n)
		r = backup_extract(u->spec.backup_fd, u->spec.start_name,
				   u->spec.start_digest, want_start,
				   take_start, s, err);
	free(s->by_start);
	return r;
}

/* --- inodes that were kept --- */

/*
 * Linked, not moved: killed at any point the kept name is still there. The
 * name goes at the end of undo_commit().
 */
static int fill_from_tree(struct source *s, struct undo_leaf *l,
			  struct error *err)
{
	struct undo *u = s->u;
	const struct item *it = &u->pre.items[l->src];
	const struct undo_leaf *end = s->ls->v + s->ls->n;
	_cleanup_free_ char *kept = NULL, *name = NULL;
	const char *last;
	int r = -ENOENT;

	/* any name of the inode will do */
	for (const struct undo_leaf *k = l;
	     r == -ENOENT && k < end && k->src == l->src; k++)
		r = undo_find_kept(u->spec.backup_fd, u->spec.tree_name,
				   &u->pre.items[k->item], &kept, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	_cleanup_close_ int tree = fs_open(u->spec.backup_fd,
					   u->spec.tree_name,
					   O_RDONLY | O_DIRECTORY, 0);
	if (tree < 0)
		return undo_stage_fail(err, tree, it->path);
	_cleanup_close_ int from = fs_open_parent(tree, kept, &last);
	if (from < 0)
		return undo_stage_fail(err, from, it->path);
	_cleanup_close_ int to = undo_leaf_parent(u, l, &name, err);
	if (to < 0)
		return to;
	r = u->no_link ? -EXDEV : fs_link(from, last, to, name);
	if (r == 0)
		return undo_leaf_finish(u, s->ls, l, err);
	if (r != -EXDEV && r != -EPERM && r != -EOPNOTSUPP && r != -EMLINK)
		return undo_stage_fail(err, r, it->path);
	_cleanup_close_ int in = fs_open(from, last,
					 O_RDONLY | O_NOFOLLOW, 0);
	if (in < 0)
		return undo_stage_fail(err, in, it->path);
	return copy_fd(u, s->ls, l, in, err);
}

static int fill_empty(struct source *s, struct undo_leaf *l,
		      struct error *err)
{
	int fd = create(s->u, l, err), r;

	if (fd < 0)
		return fd;
	r = fs_close(fd);
	if (r < 0)
		return undo_stage_fail(err, r, src_path(s->u, l));
	return undo_leaf_finish(s->u, s->ls, l, err);
}

/* What is left to be filled; *ret_here: of it, what is in our own archive. */
static size_t missing(struct source *s, size_t *ret_here, const char **path)
{
	size_t n = 0;

	*ret_here = 0;
	for (size_t k = 0; k < s->ls->n; k++) {
		struct undo_leaf *l = &s->ls->v[k];

		if (l->filled || !is_first(s->ls, k))
			continue;
		if (!n++)
			*path = src_path(s->u, l);
		if (s->u->spec.source == UNDO_FROM_ARCHIVE &&
		    !(s->u->pre.items[l->src].flags & ITEM_IN_START))
			(*ret_here)++;
	}
	return n;
}

int undo_fill_files(struct undo *u, struct undo_leaves *ls,
		    struct error *err)
{
	struct source s = { .u = u, .ls = ls };
	const char *path = NULL;
	size_t n, here;
	int r = 0;

	for (size_t k = 0; r == 0 && k < ls->n; k++) {
		struct undo_leaf *l = &ls->v[k];
		const struct item *it = &u->pre.items[l->src];

		if (l->filled || !is_first(ls, k))
			continue;
		if (u->spec.source == UNDO_FROM_TREE)
			r = fill_from_tree(&s, l, err);
		else if (it->size == 0 && !(it->flags & ITEM_HAS_DIGEST2))
			r = fill_empty(&s, l, err);
	}
	n = r == 0 ? missing(&s, &here, &path) : 0;
	if (n && here) {
		r = backup_extract(u->spec.backup_fd, u->spec.pre_name,
				   u->spec.pre_digest, want_pre, take_pre, &s,
				   err);
		n = r == 0 ? missing(&s, &here, &path) : 0;
		if (n && here)
			return not_kept(err, path);
	}
	if (n && u->spec.start_name && u->spec.start_digest) {
		r = fill_from_start(&s, n, err);
		n = r == 0 ? missing(&s, &here, &path) : 0;
	}
	return n ? not_kept(err, path) : r;
}
