/* SPDX-License-Identifier: MIT */
/*
 * Going back to where a rollback began (R1, R2, ...): what it put aside takes
 * the place of what it restored, and that becomes the next R point.
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-rollback.h"
#include "engine-stores.h"
#include "manifest.h"

bool rollback_is_r_point(const char *point)
{
	return (*point == 'R' || *point == 'r') && point[1] >= '0' &&
		point[1] <= '9';
}

/* --- back to where a rollback began --- */

static struct run_point *find_point(struct run *r, const char *name)
{
	for (size_t i = 0; i < r->point_n; i++)
		if (!strcasecmp(r->points[i].name, name))
			return &r->points[i];
	return NULL;
}

/* did the rollback that made the point undo this step? */
static bool was_undone(struct engine *e, const struct run_point *p, int i)
{
	const struct run_step *rs = &e->run->steps[i];
	enum step_state was;

	if (step_state_parse(json_get_str(p->steps, rs->id, ""), &was) < 0)
		return false;
	return (was == STEP_VERIFIED || was == STEP_APPLIED ||
		was == STEP_APPLYING || was == STEP_FAILED) &&
		rs->state == STEP_UNDONE && rs->effects;
}

static bool holds_one(const struct effects *eff, const char *dir)
{
	for (size_t i = 0; i < eff->n; i++)
		if (path_is_below(eff->v[i].path, dir))
			return true;
	return false;
}

/* directories that were away then, and came back with what was in them */
static int add_absent(struct engine *e, const struct run_point *p,
		      struct effects *eff, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.manifest.jsonl", p->name);
	struct manifest_reader *m = NULL;
	const struct item *it;
	int r = manifest_reader_open(&m, e->run->backup_fd, file, p->digest,
				     err);

	while (r >= 0 && (r = manifest_next(m, &it, err)) > 0)
		if (it->type == ITEM_ABSENT && holds_one(eff, it->path))
			effects_add(eff, EFFECT_CREATE, 0, it->path);
	manifest_reader_free(m);
	return r;
}

/* All that the rollback displaced and brought back, as in its manifest. */
static int point_effects(struct engine *e, const struct run_point *p,
			 struct effects *ret, struct error *err)
{
	struct effects written = EFFECTS_INIT;
	int r = 0;

	for (int i = 0; r >= 0 && i < (int)e->plan->step_n; i++)
		if (was_undone(e, p, i))
			r = rollback_written(e, i, &written);
	if (r >= 0)
		rollback_whole(e, &written, ret);
	if (r >= 0 && ret->n)
		r = add_absent(e, p, ret, err);
	effects_release(&written);
	return r;
}

/* sets of servers, as they were saved with the point */
static int point_sets(struct engine *e, const struct run_point *p,
		      struct store_sets *ret, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.stores", p->name);

	return p->stores_digest ? engine_stores_in(e, file, p->stores_digest,
						   ret, err) : 0;
}

static int load_sets(struct engine *e, const char *name, const char *digest,
		     const struct store_sets *sets)
{
	_cleanup_free_ char *file = xasprintf("%s.stores", name);
	_cleanup_strvec_ struct strvec none = STRVEC_INIT;
	int step = 0;

	if (!sets->n)
		return 0;
	/* on behalf of any that may write */
	while (e->plan->steps[step]->ops->flags & STEP_IS_CHECK)
		step++;
	return engine_stores_load(e, file, digest, sets, &none, step, &e->err);
}

/* What kinds undid by themselves; oldest first, as it was done. */
static int redo_steps(struct engine *e, const struct run_point *p)
{
	int ret = 0;

	for (int i = 0; ret >= 0 && i < (int)e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		struct step_ctx c;

		/* rows come with the sets of the point */
		if (!s->ops->redo || !was_undone(e, p, i) ||
		    (p->stores_digest && (s->ops->flags & STEP_ROWS)))
			continue;
		step_ctx_init(&c, e, s, PHASE_ROLLBACK);
		ret = s->ops->redo(s, &c, &e->err);
		step_ctx_release(&c);
	}
	return ret;
}

int rollback_return(struct engine *e, const char *name)
{
	struct run_point *p = find_point(e->run, name);
	bool going_on = e->run->state == RUN_ROLLING_BACK ||
		e->run->state == RUN_ROLLBACK_FAILED;
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	struct effects eff = EFFECTS_INIT;
	_cleanup_free_ char *tree = NULL;
	_cleanup_free_ char *digest = NULL;
	_cleanup_free_ char *stores = NULL;
	struct undo_spec u;
	int ret;

	if (!p || (!going_on && (e->run->state != RUN_ROLLED_BACK ||
				 !e->run->rollback_r ||
				 strcasecmp(e->run->rollback_r, name) != 0))) {
		(void)error_set(&e->err, ERR_NO_POINT, -ENOENT,
			_("point %s cannot be gone back to: it is not the "
			  "state before the last rollback"), name);
		return error_code_exit(ERR_NO_POINT);
	}
	tree = xstrdup(p->name);
	digest = xstrdup_null(p->digest);
	stores = xstrdup_null(p->stores_digest);
	rollback_emit(e, tree, EVENT_STARTED, NULL);
	ret = point_effects(e, p, &eff, &e->err);
	if (ret >= 0)
		ret = point_sets(e, p, &sets, &e->err);
	if (ret >= 0 && !going_on)
		ret = rollback_begin(e, tree, &eff, &sets, &e->err);
	/* the list of points may have moved: p is found anew */
	if (ret >= 0)
		ret = redo_steps(e, find_point(e->run, tree));
	if (ret >= 0)
		ret = load_sets(e, tree, stores, &sets);
	if (ret >= 0 && eff.n) {
		rollback_spec(e, &u);
		u.effects = &eff;
		u.source = UNDO_FROM_TREE;
		u.pre_name = u.tree_name = tree;
		u.pre_digest = digest;
		u.aside_name = e->run->rollback_r;
		ret = rollback_run_undo(&u, &e->err);
	}
	effects_release(&eff);
	if (ret < 0)
		return rollback_failed(e, &e->err);
	if (rollback_record_done(e, tree, EXIT_DONE) < 0)
		return error_code_exit(ERR_JOURNAL);
	rollback_emit(e, tree, EVENT_DONE, NULL);
	return EXIT_DONE;
}
