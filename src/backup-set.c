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
#include "base/path.h"
#include "base/walk.h"
#include "base/xalloc.h"

/* --- names of one inode --- */

struct link_table {
	struct link_name **slots;
	size_t n, size;
};

struct link_table *link_table_new(void)
{
	return xcalloc(1, sizeof(struct link_table));
}

void link_table_free(struct link_table *t)
{
	for (size_t i = 0; t && i < t->size; i++) {
		struct link_name *l = t->slots[i];

		if (!l)
			continue;
		if (l->first) {
			item_release(l->first);
			free(l->first);
		}
		free(l->path);
		free(l);
	}
	if (t)
		free(t->slots);
	free(t);
}

static size_t slot_of(const struct link_table *t, uint64_t dev, uint64_t ino)
{
	size_t i = (size_t)((ino * 0x9e3779b97f4a7c15ull) ^ dev) &
		(t->size - 1);

	while (t->slots[i] && (t->slots[i]->ino != ino ||
			       t->slots[i]->dev != dev))
		i = (i + 1) & (t->size - 1);
	return i;
}

static void grow(struct link_table *t)
{
	struct link_table old = *t;

	t->size = old.size ? old.size * 2 : 64;
	t->slots = xcalloc(t->size, sizeof(*t->slots));
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i])
			t->slots[slot_of(t, old.slots[i]->dev,
					 old.slots[i]->ino)] = old.slots[i];
	free(old.slots);
}

struct link_name *link_table_get(struct link_table *t, const struct item *it,
				 bool *ret_new)
{
	struct link_name *l;
	size_t i;

	if (2 * t->n >= t->size)
		grow(t);
	i = slot_of(t, it->dev, it->ino);
	*ret_new = !t->slots[i];
	if (!t->slots[i]) {
		l = xcalloc(1, sizeof(*l));
		l->dev = it->dev;
		l->ino = it->ino;
		l->nlink = it->nlink;
		l->path = xstrdup(it->path);
		t->slots[i] = l;
		t->n++;
	}
	t->slots[i]->seen++;
	return t->slots[i];
}

int link_table_each(struct link_table *t, link_each_fn *fn, void *ctx)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < t->size; i++)
		if (t->slots[i])
			ret = fn(ctx, t->slots[i]);
	return ret;
}

/* --- the walk --- */

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
	return error_set(err, ERR_MOUNT, -EXDEV, "'%s' %s", shown, why);
}

static bool ours(const struct set_walk *w, const char *path)
{
	return (w->spec->skip && path_is_below(path, w->spec->skip)) ||
		str_starts(path_basename(path), ".upshift-stage-");
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
						w->spec->skip, &it->names,
						err);
			it->flags |= ITEM_HAS_NAMES;
		}
	}
	return ret < 0 ? ret : w->fn(w->ctx, it, dirfd, name, err);
}

static int walked(void *ctx, const struct walk_entry *we, struct error *err)
{
	struct set_walk *w = ctx;
	_cleanup_item_ struct item it = ITEM_INIT;
	int ret;

	if (ours(w, we->path))
		return WALK_SKIP;
	if (strcmp(we->path, w->top) != 0 &&
	    glob_match_any(w->spec->exclude, we->path))
		return WALK_SKIP;
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
		return w->fn(w->ctx, &it, -1, NULL, err);
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
	return walk_tree(w->spec->root_fd, e->path,
			 w->with_meta ? 0 : WALK_NO_OPEN, walked, w, err);
}

static int walk_set(struct set_walk *w, struct error *err)
{
	const char *tree = NULL;
	int ret = 0;

	for (size_t i = 0; !ret && i < w->set->n; i++) {
		const struct effect *e = &w->set->v[i];

		if (ours(w, e->path) || (tree && path_is_below(e->path, tree)))
			continue;
		ret = top_path(w, e, err);
		w->previous = e->path;
		if (!(e->flags & EFFECT_SELF))
			tree = e->path;
	}
	return ret;
}

int backup_set_walk(const struct backup_spec *spec, const struct effects *set,
		    bool with_meta, set_item_fn *fn, void *ctx,
		    struct error *err)
{
	struct set_walk w = { .spec = spec, .set = set, .fn = fn, .ctx = ctx,
			      .with_meta = with_meta };

	return walk_set(&w, err);
}

/* --- the first look --- */

struct look {
	const struct backup_spec *spec;
	struct backup_need *need;
	struct link_table *links;
	struct effects *full;
	bool strangers;          /* some name of an inode was not met */
};

static int count_item(void *ctx, struct item *it, int dirfd, const char *name,
		      struct error *err)
{
	struct look *l = ctx;
	_cleanup_free_ char *shown = NULL;
	bool first = true;

	(void)dirfd;
	(void)name;
	(void)err;
	l->need->items++;
	if (it->type == ITEM_FILE && it->nlink > 1 &&
	    !(it->flags & ITEM_PARENT))
		(void)link_table_get(l->links, it, &first);
	if (it->type == ITEM_FILE && first) {
		l->need->files++;
		l->need->bytes += it->alloc ? it->alloc : it->size;
	}
	if (it->type == ITEM_SOCKET) {
		shown = escape_bytes(it->path);
		strvec_pushf(&l->need->lost, _("%s: a socket is not kept"),
			     shown);
	} else if (it->type != ITEM_ABSENT && geteuid() != 0 &&
		   it->meta.uid != geteuid() && l->need->lost.n < 100) {
		shown = escape_bytes(it->path);
		strvec_pushf(&l->need->lost, _("%s: its owner cannot be given "
			     "back without being root"), shown);
	}
	return 0;
}

static int is_stranger(void *ctx, struct link_name *l)
{
	struct look *k = ctx;

	if (l->seen < l->nlink)
		k->strangers = true;
	return 0;
}

/* another name of an inode of the set, somewhere below the root */
static int find_name(void *ctx, const struct walk_entry *we,
		     struct error *err)
{
	struct look *l = ctx;
	struct item it = ITEM_INIT;
	struct link_name *ln;
	bool fresh;

	(void)err;
	if ((l->spec->skip && path_is_below(we->path, l->spec->skip)))
		return WALK_SKIP;
	if (!S_ISREG(we->st.st_mode) || we->st.st_nlink < 2 ||
	    effects_cover(l->full, we->path))
		return 0;
	it.path = (char *)(uintptr_t)we->path;
	it.dev = we->st.st_dev;
	it.ino = we->st.st_ino;
	it.nlink = we->st.st_nlink;
	ln = link_table_get(l->links, &it, &fresh);
	/* an inode of nobody's set: forget that it was seen */
	if (fresh)
		ln->nlink = ln->seen = 1;
	else if (ln->nlink > 1)
		effects_add(l->full, EFFECT_CHANGE, EFFECT_SELF, we->path);
	return 0;
}

static int refuse_outside(void *ctx, struct link_name *ln)
{
	struct look *l = ctx;
	_cleanup_free_ char *shown = NULL;

	if (ln->seen >= ln->nlink || l->spec->hard_links_break ||
	    l->spec->manifest_only)
		return 0;
	shown = escape_bytes(ln->path);
	strvec_pushf(&l->need->refused, _("%s: has a further name (hard link) "
		     "outside the root"), shown);
	return 0;
}

int backup_set_complete(const struct backup_spec *spec, struct effects *full,
			struct backup_need *need, struct error *err)
{
	struct look l = { .spec = spec, .need = need, .full = full,
			  .links = link_table_new() };
	struct set_walk w = { .spec = spec, .set = spec->set,
			      .fn = count_item, .ctx = &l, .need = need };
	struct effects sorted = EFFECTS_INIT;
	int ret;

	for (size_t i = 0; i < spec->set->n; i++)
		effects_add(full, spec->set->v[i].type, spec->set->v[i].flags,
			    spec->set->v[i].path);
	ret = walk_set(&w, err);
	if (ret >= 0)
		(void)link_table_each(l.links, is_stranger, &l);
	if (ret >= 0 && l.strangers) {
		ret = walk_tree(spec->root_fd, ".", WALK_NO_OPEN | WALK_XDEV,
				find_name, &l, err);
		(void)link_table_each(l.links, refuse_outside, &l);
	}
	link_table_free(l.links);
	/* in path order again, each once */
	if (ret >= 0)
		ret = effects_resolve(full, spec->root_fd, spec->skip,
				      &sorted, err);
	effects_release(full);
	*full = sorted;
	return ret;
}

int backup_measure(const struct backup_spec *spec, struct backup_need *ret,
		   struct error *err)
{
	struct effects full = EFFECTS_INIT;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = backup_set_complete(spec, &full, ret, err);
	effects_release(&full);
	return r;
}

void backup_need_release(struct backup_need *n)
{
	strvec_release(&n->lost);
	strvec_release(&n->refused);
}
