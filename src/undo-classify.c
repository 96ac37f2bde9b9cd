/* SPDX-License-Identifier: MIT */
/*
 * The tree as it is beside the manifest to go back to, and beside the one that
 * says what the step left: three lists in path order, merged in one pass. Only
 * the first manifest is in memory.
 *
 *  before    now         the step left    what it is
 *  absent    present     the same         made by the step: displaced
 *  absent    present     something else   displaced, LOST
 *  no item   present     no item          KEPT, if its directory was there
 *  present   absent                       comes back
 *  present   other                        comes back; LOST if others wrote it
 *  present   same, but metadata           metadata are set
 *  present   same                         nothing
 *
 * Without a manifest of what the step left (it was killed) nothing is KEPT and
 * nothing LOST: whatever is new goes aside, to be on the safe side for the
 * next attempt. Everything below a directory that goes, goes with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/walk.h"
#include "base/xalloc.h"
#include "effects.h"
#include "undo-internal.h"

struct classify {
	struct undo *u;
	struct undo_counts *counts;
	const struct undo_top *top;
	size_t i;                  /* next item of top */
	struct manifest_reader *post;
	const struct item *post_item;
	/* directories that decide for all below them */
	char *gone, *placed, *kept;
	size_t gone_act;
};

/* --- counting --- */

static void count(struct classify *c, uint64_t *n, struct strvec *names,
		  const char *path)
{
	if (c->u->spec.handled && effects_cover(c->u->spec.handled, path))
		return;
	(*n)++;
	if (names && names->n < UNDO_NAMES_MAX)
		strvec_push(names, path);
}

static void count_restored(struct classify *c, const char *path, bool removed)
{
	struct undo_counts *n = c->counts;

	if (!n)
		return;
	count(c, &n->restored, n->restored_names, path);
	if (removed)
		count(c, &n->removed, NULL, path);
}

static void count_lost(struct classify *c, const char *path)
{
	if (c->counts)
		count(c, &c->counts->lost, c->counts->lost_names, path);
}

static void count_kept(struct classify *c, const char *path)
{
	if (c->counts)
		count(c, &c->counts->kept, c->counts->kept_names, path);
}

/* --- what the step left --- */

/* Paths come in order, so the reader only ever goes on. */
static int post_find(struct classify *c, const char *path,
		     const struct item **ret, struct error *err)
{
	*ret = NULL;
	while (c->post) {
		int r, d = c->post_item ? path_cmp(c->post_item->path, path)
					: -1;

		if (d >= 0) {
			if (d == 0 && c->post_item->type != ITEM_ABSENT)
				*ret = c->post_item;
			return 0;
		}
		r = manifest_next(c->post, &c->post_item, err);
		if (r < 0)
			return r;
		if (r == 0) {
			manifest_reader_free(c->post);
			c->post = NULL;
			c->post_item = NULL;
		}
	}
	return 0;
}

static int read_digest(struct classify *c, struct item *now,
		       struct error *err)
{
	struct item again = ITEM_INIT;
	int r;

	if (now->type != ITEM_FILE || (now->flags & ITEM_HAS_DIGEST))
		return 0;
	r = item_read(c->u->spec.root_fd, now->path, true, &again, err);
	if (r < 0)
		return r;
	item_release(now);
	*now = again;
	return 0;
}

/* Did others write it since the step left it? */
static int is_lost(struct classify *c, struct item *now, const char *path,
		   bool *ret, struct error *err)
{
	const struct item *post;
	int r;

	*ret = false;
	if (!c->u->spec.post_name)
		return 0;
	r = post_find(c, path, &post, err);
	if (r < 0)
		return r;
	if (!post) {
		*ret = true;
		return 0;
	}
	if (post->size == now->size) {
		r = read_digest(c, now, err);
		if (r < 0)
			return r;
	}
	*ret = (item_compare(post, now) & ~ITEM_DIFF_MTIME) != 0;
	return 0;
}

/* --- actions --- */

struct undo_action *undo_add_action(struct undo *u, enum undo_what what,
				    const char *path, size_t lo, size_t hi)
{
	struct undo_action *a;

	VEC_GROW(u->acts, u->act_n, u->act_cap);
	a = &u->acts[u->act_n++];
	*a = (struct undo_action){ .what = what, .path = xstrdup(path),
				   .lo = lo, .hi = hi };
	undo_key(path, a->key);
	return a;
}

void undo_clear_actions(struct undo *u)
{
	for (size_t i = 0; i < u->act_n; i++)
		free(u->acts[i].path);
	u->act_n = 0;
	undo_reset_links(u);
}

/* Within a pass actions are in path order. */
static struct undo_action *find_action(struct undo *u, const char *path)
{
	size_t lo = 0, hi = u->act_n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = path_cmp(path, u->acts[mid].path);

		if (d == 0)
			return &u->acts[mid];
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

size_t undo_subtree_end(const struct undo *u, size_t i)
{
	const char *path = u->pre.items[i].path;

	while (++i < u->pre.n && path_is_below(u->pre.items[i].path, path))
		;
	return i;
}

static void set_prefix(char **p, const char *path)
{
	free(*p);
	*p = xstrdup(path);
}

static bool below(const char *prefix, const char *path)
{
	return prefix && path_is_below(path, prefix);
}

/* Item i is not there: it comes back with all below it. */
static void place_missing(struct classify *c, size_t i)
{
	struct undo *u = c->u;
	const struct item *it = &u->pre.items[i];
	size_t hi = it->type == ITEM_DIR ? undo_subtree_end(u, i) : i + 1;

	undo_add_action(c->u, UNDO_PLACE, it->path, i, hi);
	if (it->type == ITEM_DIR)
		set_prefix(&c->placed, it->path);
	for (; i < hi; i++)
		if (u->needed[i] && u->pre.items[i].type != ITEM_ABSENT &&
		    u->pre.items[i].type != ITEM_SOCKET)
			count_restored(c, u->pre.items[i].path, false);
}

static void on_absent(struct classify *c, size_t i)
{
	const struct item *it = &c->u->pre.items[i];

	if (it->type == ITEM_ABSENT || it->type == ITEM_SOCKET ||
	    below(c->placed, it->path))
		return;
	place_missing(c, i);
}

/* --- what is new --- */

static bool goes_with_database(struct classify *c, const char *path)
{
	_cleanup_free_ char *db = undo_database_of(path);
	struct undo_action *a = db ? find_action(c->u, db) : NULL;

	return a && a->what == UNDO_PLACE &&
	       c->u->pre.items[a->lo].type == ITEM_FILE &&
	       undo_is_database(c->u, db);
}

static void note_gone(struct classify *c, const struct item *now)
{
	if (now->type != ITEM_FILE)
		return;
	c->u->acts[c->gone_act].gone_bytes += now->size;
	if (now->nlink > 1) {
		c->u->split = true;
		c->u->split_bytes += now->size;
	}
}

/* A name below a directory that goes. */
static int on_gone(struct classify *c, struct item *now, bool top,
		   struct error *err)
{
	bool lost;
	int r = is_lost(c, now, now->path, &lost, err);

	if (r < 0)
		return r;
	note_gone(c, now);
	if (lost)
		count_lost(c, now->path);
	if (!lost || top)
		count_restored(c, now->path, true);
	return 0;
}

static int displace(struct classify *c, struct item *now, struct error *err)
{
	undo_add_action(c->u, UNDO_DISPLACE, now->path, 0, 0);
	c->gone_act = c->u->act_n - 1;
	if (now->type == ITEM_DIR)
		set_prefix(&c->gone, now->path);
	return on_gone(c, now, true, err);
}

/* pre: its item if it has one (absent, or a socket), or NULL */
static int on_new(struct classify *c, const struct item *pre,
		  struct item *now, struct error *err)
{
	const struct item *post = NULL;
	int r;

	if (pre && (pre->flags & ITEM_SQLITE) &&
	    !goes_with_database(c, now->path))
		return 0;
	if (!pre && c->u->spec.post_name) {
		r = post_find(c, now->path, &post, err);
		if (r < 0)
			return r;
		if (!post && !goes_with_database(c, now->path)) {
			if (now->type == ITEM_DIR)
				set_prefix(&c->kept, now->path);
			count_kept(c, now->path);
			return 0;
		}
	}
	return displace(c, now, err);
}

/* --- what is on both sides --- */

/*
 * A database that was archived through SQLite comes back as the copy, which
 * has other bytes than the file had. The file itself may well have the bytes
 * of then and yet be another database, by what is in its -wal, or no longer
 * is: so nothing but the copy is what was there before.
 */
unsigned int undo_diff(const struct item *pre, const struct item *now)
{
	unsigned int diff = item_compare(pre, now);

	if (pre->type == ITEM_FILE && (pre->flags & ITEM_HAS_DIGEST2) &&
	    !(diff & ITEM_DIFF_TYPE)) {
		diff |= ITEM_DIFF_CONTENT;
		if ((now->flags & ITEM_HAS_DIGEST) &&
		    now->size == pre->stored_size &&
		    xxh128_equal(&pre->digest2, &now->digest))
			diff &= ~ITEM_DIFF_CONTENT;
	}
	if (pre->type == ITEM_DIR)
		diff &= ~ITEM_DIFF_MTIME;
	return diff;
}

static int on_both(struct classify *c, size_t i, struct item *now,
		   struct error *err)
{
	const struct item *pre = &c->u->pre.items[i];
	unsigned int diff;
	bool lost = false;
	int r;

	if (pre->type == ITEM_SOCKET && now->type == ITEM_SOCKET)
		return 0;
	if (pre->type == ITEM_ABSENT || pre->type == ITEM_SOCKET)
		return on_new(c, pre, now, err);
	if (pre->type == ITEM_FILE && now->type == ITEM_FILE &&
	    (pre->size == now->size || (pre->flags & ITEM_HAS_DIGEST2))) {
		r = read_digest(c, now, err);
		if (r < 0)
			return r;
	}
	diff = undo_diff(pre, now);
	if (!(diff & (ITEM_DIFF_TYPE | ITEM_DIFF_CONTENT)) &&
	    !undo_links_right(c->u, i, now))
		diff |= ITEM_DIFF_CONTENT;
	if (!diff)
		return 0;
	r = is_lost(c, now, now->path, &lost, err);
	if (r < 0)
		return r;
	/* a new time alone is nobody's work */
	if (lost && diff != ITEM_DIFF_MTIME)
		count_lost(c, now->path);
	if (!(diff & (ITEM_DIFF_TYPE | ITEM_DIFF_CONTENT))) {
		undo_add_action(c->u, UNDO_META, now->path, i, i + 1);
		count_restored(c, now->path, false);
		return 0;
	}
	place_missing(c, i);
	c->gone_act = c->u->act_n - 1;
	note_gone(c, now);
	if (now->type == ITEM_DIR)
		set_prefix(&c->gone, now->path);
	return 0;
}

/* --- the pass --- */

static int on_entry(void *ctx, const struct walk_entry *e, struct error *err)
{
	_cleanup_item_ struct item now = ITEM_INIT;
	_cleanup_free_ char *dir = path_dirname(e->path);
	struct classify *c = ctx;
	struct undo *u = c->u;
	int r;

	if (ours_has_entry(u->spec.ours, dir, path_basename(e->path)))
		return WALK_SKIP;
	if (below(c->kept, e->path)) {
		count_kept(c, e->path);
		return 0;
	}
	r = item_read(u->spec.root_fd, e->path, false, &now, err);
	if (r < 0 || now.type == ITEM_ABSENT)
		return r;
	if (below(c->gone, e->path))
		return on_gone(c, &now, false, err);
	while (c->i < c->top->hi &&
	       path_cmp(u->pre.items[c->i].path, e->path) < 0)
		on_absent(c, c->i++);
	if (c->i < c->top->hi &&
	    strcmp(u->pre.items[c->i].path, e->path) == 0)
		r = on_both(c, c->i++, &now, err);
	else
		r = on_new(c, NULL, &now, err);
	if (r == 0 && c->top->self && now.type == ITEM_DIR &&
	    !below(c->gone, e->path))
		return WALK_SKIP;
	return r;
}

/* A directory above top is away: it comes back, and with it what was in it. */
static int place_parents(struct classify *c, struct error *err)
{
	_cleanup_free_ char *dir = path_dirname(c->top->path);
	_cleanup_free_ char *missing = NULL;
	struct undo *u = c->u;
	struct stat st;
	const struct item *it;
	int r;

	for (;;) {
		char *up;

		r = fs_stat_beneath(u->spec.root_fd, dir, &st);
		if (r == 0 && S_ISDIR(st.st_mode))
			break;
		if (r == 0)
			r = -ENOTDIR;
		if (r != -ENOENT)
			return undo_fail(err, r, _("cannot go back below"),
					 dir);
		free(missing);
		missing = dir;
		up = path_dirname(dir);
		dir = up;
		if (strcmp(missing, dir) == 0)
			return undo_fail(err, -ENOENT,
					 _("cannot go back below"), dir);
	}
	if (!missing || below(c->placed, missing))
		return 0;
	it = manifest_find(&u->pre, missing);
	if (!it || it->type != ITEM_DIR)
		return error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
				 _("the manifest lacks a directory"));
	place_missing(c, (size_t)(it - u->pre.items));
	return 0;
}

static int classify_top(struct classify *c, const struct undo_top *top,
			struct error *err)
{
	struct undo *u = c->u;
	struct stat st;
	int r;

	if (below(c->placed, top->path) || below(c->gone, top->path))
		return 0;
	c->top = top;
	c->i = top->lo;
	for (size_t i = top->lo; i < top->hi; i++) {
		if (u->pre.items[i].type == ITEM_ABSENT)
			continue;
		r = place_parents(c, err);
		if (r < 0)
			return r;
		break;
	}
	r = fs_stat_beneath(u->spec.root_fd, top->path, &st);
	if (r < 0 && r != -ENOENT && r != -ENOTDIR)
		return undo_fail(err, r, _("cannot read"), top->path);
	if (r == 0) {
		r = walk_tree(u->spec.root_fd, top->path, WALK_NO_OPEN,
			      on_entry, c, err);
		if (r < 0)
			return r;
	}
	while (c->i < top->hi)
		on_absent(c, c->i++);
	return 0;
}

static void on_beside(void *ctx, const char *path)
{
	count_lost(ctx, path);
}

int undo_classify(struct undo *u, struct undo_counts *counts,
		  struct error *err)
{
	struct classify c = { .u = u, .counts = counts };
	int r = 0;

	undo_clear_actions(u);
	u->split = false;
	u->split_bytes = 0;
	if (u->spec.post_name) {
		_cleanup_free_ char *name = xasprintf("%s.manifest.jsonl",
						      u->spec.post_name);

		r = manifest_reader_open(&c.post, u->spec.backup_fd, name,
					 u->spec.post_digest, err);
	}
	for (size_t i = 0; r >= 0 && i < u->top_n; i++)
		r = classify_top(&c, &u->tops[i], err);
	if (r >= 0)
		r = undo_add_beside(u, on_beside, &c, err);
	manifest_reader_free(c.post);
	free(c.gone);
	free(c.placed);
	free(c.kept);
	return r < 0 ? r : 0;
}
