/* SPDX-License-Identifier: MIT */
/*
 * move - a file, a directory with all below it, or a symlink, elsewhere
 *
 * from, to; to must not exist. Facts of an attempt, each durable before what
 * follows it:
 *
 *  moving {dev, ino}   of from; then it is renamed, and that is all
 *
 * and where from and to lie on two file systems:
 *
 *  staged {dev, ino}   of a copy in the stage of to, flushed and compared;
 *                      then it is put in place by one rename
 *  copied              to is complete and on the disk
 *  removing            from goes, entry by entry
 *
 * Killed while removing, apply goes on with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "manifest.h"
#include "step-copy.h"
#include "step-files.h"
#include "step-pair.h"
#include "step-saved.h"
#include "steps.h"

static int move_effects(const struct step *s, struct step_ctx *ctx,
			struct effects *out, struct error *err)
{
	const struct step_pair *m = s->priv;

	effects_add(out, EFFECT_REMOVE, 0, m->from);
	return step_pair_creates(s, ctx, out, err);
}

static int move_check(const struct step *s, struct step_ctx *ctx,
		      struct check_result *r, struct error *err)
{
	const struct step_pair *m = s->priv;
	_cleanup_free_ char *from = escape_bytes(m->from);
	int ret = step_pair_check(s, ctx, r, err);

	if (ret <= 0)
		return ret;
	check_result_set(r, CHECK_OK, _("'%s' can be moved"), from);
	return 0;
}

static int move_preview(const struct step *s, struct step_ctx *ctx,
			struct preview *p, struct error *err)
{
	const struct step_pair *m = s->priv;
	_cleanup_free_ char *from = escape_bytes(m->from);
	_cleanup_free_ char *to = escape_bytes(m->to);

	(void)ctx;
	(void)err;
	strvec_pushf(&p->lines, _("move '%s' to '%s'"), from, to);
	return 0;
}

/* --- where it stands --- */

enum move_at {
	MOVE_BEFORE,      /* from is there, to is not ours */
	MOVE_PLACED,      /* to is a complete copy, from is there in part */
	MOVE_DONE,
	MOVE_ELSEWHERE,   /* from is gone, and to is nothing we know */
};

static int where(const struct step_pair *m, struct step_ctx *ctx,
		 enum move_at *ret, struct error *err)
{
	struct stat st;
	int from = step_files_stat(ctx, m->from, &st, err);
	int moved = from < 0 ? from :
		step_files_at(ctx, m->to, step_get_fact(ctx, "moving"), err);
	int placed = moved < 0 ? moved :
		step_files_at(ctx, m->to, step_get_fact(ctx, "staged"), err);

	if (placed < 0)
		return placed;
	if (moved || (placed && !from))
		*ret = MOVE_DONE;
	else if (placed)
		*ret = MOVE_PLACED;
	else
		*ret = from ? MOVE_BEFORE : MOVE_ELSEWHERE;
	return 0;
}

static int move_probe(const struct step *s, struct step_ctx *ctx,
		      enum step_probe *ret, struct error *err)
{
	const struct step_pair *m = s->priv;
	enum move_at at;
	int touched, r = where(m, ctx, &at, err);

	if (r < 0)
		return r;
	switch (at) {
	case MOVE_DONE:
		*ret = PROBE_FULLY;
		r = step_files_settle(ctx, m->to, err);
		return r < 0 ? r : step_files_settle(ctx, m->from, err);
	case MOVE_PLACED:
		*ret = PROBE_PARTLY;
		return 0;
	case MOVE_ELSEWHERE:
		*ret = step_get_fact(ctx, "moving") ? PROBE_PARTLY : PROBE_NOT;
		return 0;
	case MOVE_BEFORE:
		break;
	}
	touched = step_files_touched(ctx, m->to, err);
	*ret = touched > 0 ? PROBE_PARTLY : PROBE_NOT;
	return MIN(touched, 0);
}

/* --- there and back --- */

static int rename_noreplace(int odir, const char *old, int ndir,
			    const char *new_name)
{
	struct stat st;
	int ret = fs_rename(odir, old, ndir, new_name, RENAME_NOREPLACE);

	/* NFS and some FUSE file systems do not know the flag */
	if (ret != -EINVAL)
		return ret;
	if (fstatat(ndir, new_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return fs_rename(odir, old, ndir, new_name, 0);
}

static int rename_path(struct step_ctx *ctx, const char *from, const char *to)
{
	const char *old, *new_name;
	_cleanup_close_ int odir = fs_open_parent(step_root_fd(ctx), from,
						  &old);
	_cleanup_close_ int ndir = fs_open_parent(step_root_fd(ctx), to,
						  &new_name);
	int ret = odir < 0 ? odir : ndir < 0 ? ndir :
		rename_noreplace(odir, old, ndir, new_name);

	/* the new name first: a power cut between the two must not lose both */
	if (ret >= 0)
		ret = fs_sync_dir(ndir, ".");
	return ret < 0 ? ret : fs_sync_dir(odir, ".");
}

static int fail_move(const struct step_pair *m, int ret, struct error *err)
{
	_cleanup_free_ char *from = escape_bytes(m->from);
	_cleanup_free_ char *to = escape_bytes(m->to);

	return error_errno(err, ret == -EEXIST ? ERR_STEP_EXISTS : ERR_STEP,
			   ret, _("cannot move '%s' to '%s'"), from, to);
}

static int set_flag(struct step_ctx *ctx, const char *key, struct error *err)
{
	return step_get_fact(ctx, key) ? 0 :
		step_set_fact(ctx, key, json_object_new_boolean(1), err);
}

static int finish_across(struct step_ctx *ctx, struct error *err)
{
	int ret = set_flag(ctx, "copied", err);

	if (ret >= 0)
		ret = set_flag(ctx, "removing", err);
	return ret < 0 ? ret : step_saved_remove(ctx, err);
}

static int move_across(const struct step_pair *m, struct step_ctx *ctx,
		       struct error *err)
{
	struct stat st;
	int stage, ret = step_stage(ctx, m->to, &stage, err);

	if (ret >= 0)
		ret = step_copy_tree(ctx, m->from, stage, "copy", err);
	if (ret < 0)
		return ret;
	if (fstatat(stage, "copy", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return step_files_fail(err, -errno, _("cannot look at"),
				       m->to);
	ret = step_set_fact(ctx, "staged", step_files_id(&st), err);
	if (ret >= 0)
		ret = step_place(ctx, stage, "copy", m->to, false, err);
	return ret < 0 ? ret : finish_across(ctx, err);
}

static int move_fresh(const struct step_pair *m, struct step_ctx *ctx,
		      struct error *err)
{
	struct stat st;
	int ret = step_files_stat(ctx, m->from, &st, err);

	if (ret == 0)
		return error_set(err, ERR_STEP_MISSING, -ENOENT,
				 _("'%s' does not exist"), m->from);
	if (ret > 0)
		ret = step_set_fact(ctx, "moving", step_files_id(&st), err);
	if (ret >= 0)
		ret = step_make_parents(ctx, m->to, err);
	if (ret < 0)
		return ret;
	ret = rename_path(ctx, m->from, m->to);
	if (ret == -EXDEV)
		return move_across(m, ctx, err);
	return ret < 0 ? fail_move(m, ret, err) : 0;
}

static int move_apply(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	const struct step_pair *m = s->priv;
	enum move_at at;
	int ret = where(m, ctx, &at, err);

	if (ret < 0)
		return ret;
	if (at == MOVE_PLACED) {
		ret = step_files_settle(ctx, m->to, err);
		return ret < 0 ? ret : finish_across(ctx, err);
	}
	return at == MOVE_DONE ? 0 : move_fresh(m, ctx, err);
}

/* --- back again --- */

struct compare {
	struct step_ctx *ctx;
	const char *from, *at;
	uint64_t items;
	bool differs;
};

static int compare_item(void *ctx, const struct item *it, struct error *err)
{
	struct compare *c = ctx;
	_cleanup_item_ struct item now = ITEM_INIT;
	_cleanup_free_ char *path = NULL;
	int ret;

	if (c->differs || (it->flags & ITEM_PARENT) ||
	    !path_is_below(it->path, c->from))
		return 0;
	c->items++;
	path = xasprintf("%s%s", c->at, it->path + strlen(c->from));
	ret = item_read(step_root_fd(c->ctx), path, false, &now, err);
	if (ret < 0)
		return ret;
	c->differs = item_compare(it, &now) != 0;
	return 0;
}

/* Does at hold what the pre-image has for from, by metadata? 1, 0, -errno */
static int as_saved(const struct step_pair *m, struct step_ctx *ctx,
		    const char *at, struct error *err)
{
	struct compare c = { .ctx = ctx, .from = m->from, .at = at };
	struct step_copy_size size;
	int ret = step_pre_walk(ctx, compare_item, &c, err);

	if (ret >= 0 && !c.differs)
		ret = step_copy_measure(ctx, at, &size, err);
	if (ret < 0)
		return ret;
	return !c.differs && c.items == size.entries;
}

/* one rename, if what was moved is at old, as it was, and the other is free */
static int rename_back(const struct step_pair *m, struct step_ctx *ctx,
		       const char *old, const char *new_name,
		       struct error *err)
{
	struct stat st;
	int ret = step_files_at(ctx, old, step_get_fact(ctx, "moving"), err);

	if (ret > 0) {
		ret = step_files_stat(ctx, new_name, &st, err);
		ret = ret < 0 ? ret : !ret;
	}
	if (ret > 0)
		ret = as_saved(m, ctx, old, err);
	if (ret <= 0)
		return ret;
	ret = rename_path(ctx, old, new_name);
	/* the directory of from is gone, say: restored with the rest */
	if (ret == -ENOENT || ret == -ENOTDIR || ret == -EEXIST)
		return 0;
	return ret < 0 ? fail_move(m, ret, err) : 0;
}

/*
 * What the disk may look like, and what is done:
 *
 *  to is the inode that was moved,   renamed back; the engine then finds
 *  unchanged; nothing at from        everything equal to the pre-image
 *  the same, but something in it     nothing: the engine restores from, and
 *  was changed, added or removed     keeps all of to aside
 *  the same, but from exists         nothing, as before
 *  from is that inode                nothing: it was never moved, or moved
 *                                    back before a kill
 *  to is a copy, or another inode    nothing: the engine restores from
 */
static int move_undo(const struct step *s, struct step_ctx *ctx,
		     struct error *err)
{
	const struct step_pair *m = s->priv;

	return rename_back(m, ctx, m->to, m->from, err);
}

/* The same, the other way round. */
static int move_redo(const struct step *s, struct step_ctx *ctx,
		     struct error *err)
{
	const struct step_pair *m = s->priv;
	enum move_at at;
	int ret = where(m, ctx, &at, err);

	if (ret < 0 || at != MOVE_BEFORE)
		return ret;
	ret = step_files_at(ctx, m->from, step_get_fact(ctx, "moving"), err);
	if (ret > 0)
		ret = step_make_parents(ctx, m->to, err);
	return ret < 0 ? ret : rename_back(m, ctx, m->from, m->to, err);
}

const struct step_ops move_ops = {
	.name = "move",
	.flags = STEP_RESUMES,
	.parse = step_pair_parse,
	.effects = move_effects,
	.check = move_check,
	.preview = move_preview,
	.probe = move_probe,
	.apply = move_apply,
	.undo = move_undo,
	.redo = move_redo,
	.release = step_pair_release,
};
