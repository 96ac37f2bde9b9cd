/* SPDX-License-Identifier: MIT */
/*
 * From a set of paths to items in path order: parents first (metadata alone),
 * entries, trees; what is excluded, ours, or on another file system is dealt
 * with here, and nowhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/walk.h"
#include "base/xalloc.h"

struct set_walk {
	const struct backup_spec *spec;
	const struct effects *set;
	bool with_meta;
	set_item_fn *fn;
	void *ctx;
	const char *top;         /* path of the set that is being walked */
	dev_t dev;               /* its file system */
	const char *previous;    /* path of the set before it */
	struct backup_need *need;/* refusals go here, or are errors if NULL */
};

static int refuse(struct set_walk *w, const char *path, const char *why,
		  struct error *err)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	if (w->need) {
		strvec_pushf(&w->need->refused, "%s: %s", shown, why);
		return 0;
	}
	return error_set(err, ERR_MOUNT, -EPERM, "%s: %s", shown, why);
}

static bool allowed(const struct set_walk *w, const char *path)
{
	_cleanup_free_ char *full = *path == '/' ? xstrdup(path) :
		path_join(w->spec->root, path);

	/* a snapshot holds nothing that could get lost: it refuses nothing */
	if (w->spec->manifest_only)
		return true;
	for (size_t i = 0; w->spec->allow && i < w->spec->allow->n; i++)
		if (path_is_below(full, w->spec->allow->v[i]))
			return true;
	return false;
}

/* where a symlink to a directory leads must be in the set, or be allowed */
static int check_symlink(struct set_walk *w, const char *path, int dirfd,
			 const char *name, struct error *err)
{
	_cleanup_free_ char *full = NULL;
	_cleanup_free_ char *target = NULL;
	size_t n = strlen(w->spec->root);
	struct stat st;

	if (fstatat(dirfd, name, &st, 0) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	full = *path == '/' ? xstrdup(path) : path_join(w->spec->root, path);
	target = realpath(full, NULL);
	if (!target || allowed(w, target))
		return 0;
	if (path_is_below(target, w->spec->root)) {
		const char *rel = target[n] ? target + n + 1 : ".";

		if (effects_cover(w->set, rel))
			return 0;
	}
	return refuse(w, path, _("is a symlink to a directory that the backup "
				 "does not hold"), err);
}

static int tell(struct set_walk *w, struct item *it, int dirfd,
		const char *name, struct error *err)
{
	struct set_entry e = { .it = it, .dirfd = dirfd, .name = name };

	return w->fn(w->ctx, &e, err);
}

static int tell_bare(struct set_walk *w, const struct walk_entry *we,
		     struct error *err)
{
	_cleanup_item_ struct item it = ITEM_INIT;
	struct set_entry e = { .it = &it, .dirfd = we->dirfd,
			       .name = we->name, .bare = true };

	it.path = xstrdup(we->path);
	it.type = ITEM_FILE;
	return w->fn(w->ctx, &e, err);
}

static int finish_item(struct set_walk *w, struct item *it, int dirfd,
		       const char *name, int fd, const struct stat *st,
		       struct error *err)
{
	int ret = 0;

	if (w->with_meta) {
		ret = meta_read(fd, st, &it->meta, err);
		if (ret >= 0 && it->type == ITEM_SYMLINK) {
			char buf[PATH_MAX];
			ssize_t n = readlinkat(fd, "", buf, sizeof(buf) - 1);

			if (n < 0)
				return error_errno(err, ERR_BACKUP, -errno,
					_("cannot read symlink '%s'"),
					it->path);
			it->target = xstrndup(buf, (size_t)n);
		}
		if (ret >= 0 && it->type == ITEM_DIR) {
			ret = item_names_digest(w->spec->root_fd, it->path,
						w->spec->ours, &it->names,
						err);
			it->flags |= ITEM_HAS_NAMES;
		}
	}
	return ret < 0 ? ret : tell(w, it, dirfd, name, err);
}

static int walked(void *ctx, const struct walk_entry *we, struct error *err)
{
	struct set_walk *w = ctx;
	_cleanup_item_ struct item it = ITEM_INIT;
	int ret;

	if (ours_has(w->spec->ours, we->path))
		return WALK_SKIP;
	if (strcmp(we->path, w->top) != 0 &&
	    glob_match_any(w->spec->exclude, we->path))
		return WALK_SKIP;
	if (we->bare)
		return tell_bare(w, we, err);
	if (S_ISDIR(we->st.st_mode) && we->st.st_dev != w->dev &&
	    !allowed(w, we->path)) {
		ret = refuse(w, we->path, _("is on another file system"), err);
		return ret < 0 ? ret : WALK_SKIP;
	}
	if (S_ISLNK(we->st.st_mode)) {
		ret = check_symlink(w, we->path, we->dirfd, we->name, err);
		if (ret < 0)
			return ret;
	}
	item_from_stat(&it, we->path, &we->st);
	if (!strcmp(we->path, w->top))
		it.flags |= ITEM_ROOT;
	return finish_item(w, &it, we->dirfd, we->name, we->fd, &we->st, err);
}

/* one entry without what is below it */
static int single(struct set_walk *w, const char *path, unsigned int flags,
		  struct error *err)
{
	_cleanup_item_ struct item it = ITEM_INIT;
	_cleanup_close_ int dir = -1, fd = -1;
	const char *name;
	struct stat st;

	dir = fs_open_parent(w->spec->root_fd, path, &name);
	fd = dir < 0 ? dir : fs_open(dir, name, O_PATH | O_NOFOLLOW, 0);
	if (fd == -ENOENT || fd == -ENOTDIR) {
		it.path = xstrdup(path);
		it.type = ITEM_ABSENT;
		it.flags = flags & ~(unsigned int)ITEM_PARENT;
		return tell(w, &it, -1, NULL, err);
	}
	if (fd == -ELOOP)
		return refuse(w, path, _("lies behind a symlink"), err);
	if (fd < 0)
		return error_errno(err, ERR_BACKUP, fd, _("cannot open '%s'"),
				   path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, ERR_BACKUP, -errno,
				   _("cannot look at '%s'"), path);
	item_from_stat(&it, path, &st);
	it.flags |= flags;
	if (!S_ISDIR(st.st_mode))
		it.flags &= ~(unsigned int)ITEM_SELF;
	return finish_item(w, &it, dir, name, fd, &st, err);
}

/* is dir an ancestor of a path that came before? then it was told */
static bool parent_told(const struct set_walk *w, const char *dir)
{
	if (!w->previous)
		return false;
	return path_is_below(w->previous, dir);
}

static int parents(struct set_walk *w, const char *path, struct error *err)
{
	_cleanup_free_ char *dir = NULL;
	struct stat st;
	int ret;

	if (*path == '/' || !strcmp(path, "."))
		return 0;
	dir = path_dirname(path);
	if (parent_told(w, dir))
		return 0;
	ret = strcmp(dir, ".") ? parents(w, dir, err) : 0;
	if (ret)
		return ret;
	/* a parent that is not there is no item; its entries are absent */
	if (fs_stat_beneath(w->spec->root_fd, dir, &st) < 0)
		return 0;
	return single(w, dir, ITEM_PARENT, err);
}

static int top_path(struct set_walk *w, const struct effect *e,
		    struct error *err)
{
	const unsigned int flags = w->with_meta ? WALK_BARE : WALK_NO_OPEN;
	struct stat st;
	int ret = parents(w, e->path, err);

	if (ret)
		return ret;
	if (e->flags & EFFECT_SELF ||
	    fs_stat_beneath(w->spec->root_fd, e->path, &st) < 0 ||
	    !S_ISDIR(st.st_mode))
		return single(w, e->path, ITEM_ROOT |
			      (e->flags & EFFECT_SELF ? ITEM_SELF : 0), err);
	w->top = e->path;
	w->dev = st.st_dev;
	return walk_tree(w->spec->root_fd, e->path, flags, walked, w, err);
}

static int walk_set(struct set_walk *w, struct error *err)
{
	const char *tree = NULL;
	int ret = 0;

	for (size_t i = 0; !ret && i < w->set->n; i++) {
		const struct effect *e = &w->set->v[i];

		if (ours_has(w->spec->ours, e->path) ||
		    (tree && path_is_below(e->path, tree)))
			continue;
		ret = top_path(w, e, err);
		w->previous = e->path;
		if (!(e->flags & EFFECT_SELF))
			tree = e->path;
	}
	return ret;
}

int backup_set_walk(const struct backup_spec *spec, const struct effects *set,
		    set_item_fn *fn, void *ctx, struct error *err)
{
	struct set_walk w = { .spec = spec, .set = set, .fn = fn, .ctx = ctx,
			      .with_meta = true };

	return walk_set(&w, err);
}

int backup_set_look(const struct backup_spec *spec, const struct effects *set,
		    struct backup_need *need, set_item_fn *fn, void *ctx,
		    struct error *err)
{
	struct set_walk w = { .spec = spec, .set = set, .fn = fn, .ctx = ctx,
			      .need = need };

	return walk_set(&w, err);
}
