/* SPDX-License-Identifier: MIT */
#include "undo.h"

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
#include "effects.h"
#include "undo-internal.h"

int undo_fail(struct error *err, int r, const char *what, const char *path)
{
	_cleanup_free_ char *text = escape_bytes(path);

	return error_errno(err, ERR_ROLLBACK, r, "%s '%s'", what, text);
}

/* --- what is to be undone --- */

static int effect_cmp(const void *a, const void *b)
{
	return path_cmp(((const struct effect *)a)->path,
			((const struct effect *)b)->path);
}

/*
 * The writes, in path order, each path once and none below another that stands
 * for its whole tree.
 */
static void list_writes(const struct effects *from, struct effects *ret)
{
	const char *tree = NULL;
	size_t out = 0;

	for (size_t i = 0; i < from->n; i++)
		if (from->v[i].type != EFFECT_READ)
			effects_add(ret, from->v[i].type,
				    from->v[i].flags & EFFECT_SELF,
				    from->v[i].path);
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), effect_cmp);
	for (size_t i = 0; i < ret->n; i++) {
		struct effect *e = &ret->v[i], *last;

		last = out ? &ret->v[out - 1] : NULL;
		if (last && strcmp(last->path, e->path) == 0)
			last->flags &= e->flags;
		else if (!tree || !path_is_below(e->path, tree))
			last = NULL;
		if (last) {
			if (!(last->flags & EFFECT_SELF))
				tree = last->path;
			free(e->path);
			continue;
		}
		ret->v[out] = *e;
		if (!(e->flags & EFFECT_SELF))
			tree = ret->v[out].path;
		out++;
	}
	ret->n = out;
}

static void need_parents(struct undo *u, const char *path)
{
	_cleanup_free_ char *dir = path_dirname(path);

	for (;;) {
		const struct item *it = manifest_find(&u->pre, dir);
		char *up = path_dirname(dir);
		bool top = strcmp(up, dir) == 0;

		if (it)
			u->needed[it - u->pre.items] = true;
		free(dir);
		dir = up;
		if (top)
			return;
	}
}

/* Nothing is listed for path: is that because nothing was there? */
static bool was_listed(const struct undo *u, const char *path)
{
	_cleanup_free_ char *dir = path_dirname(path);

	for (;;) {
		const struct item *it = manifest_find(&u->pre, dir);
		char *up;

		if (it)
			return it->type == ITEM_ABSENT ||
			       !(it->flags & (ITEM_PARENT | ITEM_SELF));
		up = path_dirname(dir);
		if (strcmp(up, dir) == 0) {
			free(up);
			return false;
		}
		free(dir);
		dir = up;
	}
}

static int add_top(struct undo *u, const struct effect *e, struct error *err)
{
	const struct item *it = manifest_find(&u->pre, e->path);
	struct undo_top t = { .path = xstrdup(e->path),
			      .self = e->flags & EFFECT_SELF };

	if (it) {
		t.lo = (size_t)(it - u->pre.items);
		t.self |= (it->flags & (ITEM_PARENT | ITEM_SELF)) != 0;
		t.hi = t.self ? t.lo + 1 : undo_subtree_end(u, t.lo);
	} else if (!was_listed(u, e->path)) {
		_cleanup_free_ char *text = escape_bytes(e->path);

		free(t.path);
		return error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
				 _("the manifest '%s' does not list '%s'"),
				 u->spec.pre_name, text);
	}
	for (size_t i = t.lo; i < t.hi; i++)
		u->needed[i] = true;
	need_parents(u, t.path);
	VEC_GROW(u->tops, u->top_n, u->top_cap);
	u->tops[u->top_n++] = t;
	return 0;
}

int undo_load_tops(struct undo *u, struct error *err)
{
	_cleanup_effects_ struct effects writes = EFFECTS_INIT;
	int r = 0;

	list_writes(u->spec.effects, &writes);
	u->needed = xcalloc(u->pre.n + 1, sizeof(*u->needed));
	for (size_t i = 0; r == 0 && i < writes.n; i++)
		r = add_top(u, &writes.v[i], err);
	return r;
}

/* --- the handle --- */

int undo_open(struct undo **ret, const struct undo_spec *spec,
	      struct error *err)
{
	_cleanup_free_ char *name = xasprintf("%s.manifest.jsonl",
					      spec->pre_name);
	struct undo *u = xcalloc(1, sizeof(*u));
	int r;

	u->spec = *spec;
	u->aside_fd = -1;
	r = manifest_load(&u->pre, spec->backup_fd, name, spec->pre_digest,
			  err);
	if (r == 0)
		r = undo_load_tops(u, err);
	if (r == 0)
		r = undo_load_groups(u, err);
	if (r < 0) {
		undo_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

void undo_free(struct undo *u)
{
	if (!u)
		return;
	undo_clear_actions(u);
	undo_places_free(u);
	for (size_t i = 0; i < u->top_n; i++)
		free(u->tops[i].path);
	for (size_t i = 0; i < u->touched_n; i++)
		closep(&u->touched[i].fd);
	free(u->touched);
	free(u->tops);
	free(u->groups);
	free(u->acts);
	free(u->needed);
	manifest_release(&u->pre);
	free(u);
}

static uint64_t bytes_to_stage(const struct undo *u)
{
	uint64_t n = 0;

	for (size_t k = 0; k < u->act_n; k++)
		for (size_t i = u->acts[k].lo; i < u->acts[k].hi; i++)
			if (u->acts[k].what == UNDO_PLACE && u->needed[i] &&
			    u->pre.items[i].type == ITEM_FILE)
				n += u->pre.items[i].size;
	return n;
}

int undo_preview(struct undo *u, struct undo_counts *counts,
		 struct error *err)
{
	int r;

	u->prepared = false;
	r = undo_classify(u, counts, err);
	if (r == 0)
		counts->bytes += bytes_to_stage(u);
	return r;
}

int undo_prepare(struct undo *u, struct error *err)
{
	int r;

	u->prepared = false;
	r = undo_settle(u, err);
	if (r == 0)
		r = undo_classify(u, u->spec.counts, err);
	if (r == 0)
		r = undo_finish_beside(u, err);
	if (r == 0)
		r = undo_stage(u, err);
	if (r < 0)
		undo_places_abandon(u);
	u->prepared = r == 0;
	return r;
}

int undo_commit(struct undo *u, struct error *err)
{
	if (!u->prepared) {
		int r = undo_prepare(u, err);

		if (r < 0)
			return r;
	}
	/* what fails in the middle is looked at again from the start */
	u->prepared = false;
	return undo_commit_actions(u, err);
}

int undo_check(struct undo *u, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	int r = undo_classify(u, NULL, err);

	if (r < 0 || u->act_n == 0)
		return r;
	text = escape_bytes(u->acts[0].path);
	return error_set(err, ERR_ROLLBACK_VERIFY, -EIO,
			 _("'%s' is not as it was before"), text);
}

/* --- times of directories --- */

/* The names that the manifest lists in directory i. */
static void names_listed(const struct undo *u, size_t i, struct xxh128 *ret)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	const char *path = u->pre.items[i].path;
	size_t end = undo_subtree_end(u, i);

	for (size_t k = i + 1; k < end; k++) {
		const struct item *it = &u->pre.items[k];
		_cleanup_free_ char *dir = path_dirname(it->path);

		if (it->type != ITEM_ABSENT && strcmp(dir, path) == 0)
			strvec_push(&names, path_basename(it->path));
	}
	item_names_of(&names, ret);
}

static int put_time(struct undo *u, size_t i, struct error *err)
{
	const struct item *it = &u->pre.items[i];
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, it->meta.mtime };
	struct xxh128 was, now;
	const char *name;
	struct stat st;
	int r;

	r = fs_stat_beneath(u->spec.root_fd, it->path, &st);
	if (r < 0 || !S_ISDIR(st.st_mode) ||
	    (st.st_mtim.tv_sec == it->meta.mtime.tv_sec &&
	     st.st_mtim.tv_nsec == it->meta.mtime.tv_nsec))
		return 0;
	/* only the owner may set a time; above the set others may be it */
	if (geteuid() != 0 && st.st_uid != geteuid())
		return 0;
	if (it->flags & ITEM_HAS_NAMES)
		was = it->names;
	else if (it->flags & (ITEM_PARENT | ITEM_SELF))
		return 0;
	else
		names_listed(u, i, &was);
	r = item_names_digest(u->spec.root_fd, it->path, u->spec.ours, &now,
			      err);
	if (r < 0)
		return r;
	if (!xxh128_equal(&was, &now))
		return 0;
	_cleanup_close_ int dir = fs_open_parent(u->spec.root_fd, it->path,
						 &name);
	r = dir < 0 ? dir : fs_utimes(dir, name, ts, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? undo_fail(err, r, _("cannot set the time of"),
				 it->path) : 0;
}

int undo_dirmeta(struct undo *u, struct error *err)
{
	int r = 0;

	for (size_t i = u->pre.n; r == 0 && i-- > 0;)
		if (u->needed[i] && u->pre.items[i].type == ITEM_DIR)
			r = put_time(u, i, err);
	if (r < 0)
		return r;
	r = fs_sync_fs(u->spec.root_fd);
	return r < 0 ? undo_fail(err, r, _("cannot flush"), ".") : 0;
}

/* --- the state before --- */

int undo_write_point(int root_fd, const char *root, const struct ours *ours,
		     int backup_fd, const char *name,
		     const struct effects *effects, char *ret_digest,
		     struct error *err)
{
	_cleanup_effects_ struct effects writes = EFFECTS_INIT;
	struct backup_spec spec = {
		.root_fd = root_fd,
		.root = root,
		.set = &writes,
		.ours = ours,
		.manifest_only = true,
	};
	struct backup_result res;
	int r;

	list_writes(effects, &writes);
	r = backup_create(backup_fd, name, &spec, &res, err);
	if (r < 0) {
		error_prefix(err, _("cannot record the present state"));
		return r;
	}
	if (ret_digest)
		memcpy(ret_digest, res.manifest_digest, BLAKE2_TEXT_SIZE);
	return 0;
}
