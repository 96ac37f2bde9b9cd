/* SPDX-License-Identifier: MIT */
/*
 * How the sets of database servers come back.
 *
 *	incremental  each step undoes what it did; rows that others changed since
 *	             are left alone
 *	schema       the same, but steps that wrote rows alone (STEP_ROWS) are
 *	             passed over: their tables go with the steps that made them
 *	backup       the same, and then all sets that the steps wrote are loaded
 *	             from the backup, a transaction for each store
 *	snapshot     the same, but the provider's snapshot is put back
 *
 * Going on after a crash loads once more, which changes nothing where it was
 * done. Before, the sets are saved with the R point (NAME.stores.tar.zst), and
 * with them what we keep there of steps; from there they come back.
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "engine-keep.h"
#include "engine-rollback.h"
#include "engine-snapshot.h"
#include "engine-stores.h"

enum plan_strategy rollback_wants(const struct engine *e)
{
	return e->opts.strategy_given ? e->opts.strategy : e->plan->strategy;
}

void engine_set_strategy(struct engine *e, enum plan_strategy s)
{
	e->opts.strategy_given = true;
	e->opts.strategy = s;
}

void engine_set_no_carry(struct engine *e)
{
	e->opts.no_carry = true;
}

enum plan_strategy rollback_strategy(const struct engine *e)
{
	enum plan_strategy s = PLAN_BY_INCREMENTAL;

	if (e->run->rollback_strategy)
		(void)plan_strategy_parse(e->run->rollback_strategy, &s);
	return s;
}

bool rollback_loads(enum plan_strategy s)
{
	return s == PLAN_BY_BACKUP || s == PLAN_BY_SNAPSHOT;
}

static bool is_under_way(const struct engine *e)
{
	return e->run->state == RUN_ROLLING_BACK ||
	       e->run->state == RUN_ROLLBACK_FAILED;
}

bool rollback_carries(const struct engine *e)
{
	if (is_under_way(e))
		return !e->run->rollback_no_carry &&
		       !rollback_loads(rollback_strategy(e));
	return !e->opts.no_carry && !rollback_loads(rollback_wants(e));
}

int rollback_sets(struct engine *e, int goal, struct store_sets *ret)
{
	int r = 0;

	for (int i = (int)e->plan->step_n - 1; r >= 0 && i >= goal; i--)
		if (rollback_touches(e, i))
			r = engine_sets_written(e, i, ret);
	/* the plan wants them back with the rest */
	if (goal == 0 && rollback_loads(is_under_way(e) ? rollback_strategy(e) :
					rollback_wants(e))) {
		engine_sets_named(e, ret);
		engine_sets_whole(e, ret);
	}
	return r;
}

bool rollback_passes_over(const struct engine *e, int i)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;

	return is_under_way(e) && rollback_strategy(e) != PLAN_BY_INCREMENTAL &&
	       (e->plan->steps[i]->ops->flags & STEP_ROWS) &&
	       engine_sets_written((struct engine *)e, i, &sets) >= 0 &&
	       sets.n;
}

/* --- may it --- */

static int refuse(const char *point, const char *step, const char *store,
		  const char *set, const char *why, struct error *err)
{
	return error_set(err, ERR_NO_WAY_BACK, -EPERM,
		_("cannot go back to %s like that: step '%s' changed '%s:%s', "
		  "%s"), point, step, store, set, why);
}

/* among the sets, or saved with one of them: a partition with its table */
static int is_among(struct engine *e, const char *store, const char *set,
		    const struct store_sets *sets, struct error *err)
{
	_cleanup_store_dump_ struct store_dump d = STORE_DUMP_INIT;
	const struct store_dump_set *its;
	int ret;

	if (store_sets_has(sets, store, set))
		return 1;
	ret = engine_stores_index(e, "start", e->run->backup.manifest_digest,
				  store, &d, err);
	its = ret < 0 ? NULL : store_dump_find(&d, set);
	for (size_t i = 0; its && i < sets->n; i++)
		for (size_t k = 0; k < sets->v[i].sets.n; k++)
			if (!strcmp(sets->v[i].store, store) &&
			    store_dump_find(&d, sets->v[i].sets.v[k]) == its)
				return 1;
	return MIN(ret, 0);
}

/* what stays applied must not have touched them: the backup holds the start,
   and a table whose maker stays is not dropped */
static int may_leave(struct engine *e, const char *point, int goal,
		    const struct store_sets *sets, struct error *err)
{
	int ret;

	for (int i = 0; i < goal; i++) {
		_cleanup_store_sets_ struct store_sets w = STORE_SETS_INIT;

		if (!rollback_touches(e, i) ||
		    engine_sets_written(e, i, &w) < 0)
			continue;
		for (size_t k = 0; k < w.n; k++)
			for (size_t m = 0; m < w.v[k].sets.n; m++) {
				ret = is_among(e, w.v[k].store,
					       w.v[k].sets.v[m], sets, err);
				if (ret < 0)
					return ret;
				if (ret)
					return refuse(point,
						e->plan->steps[i]->id,
						w.v[k].store,
						w.v[k].sets.v[m],
						_("too, and stays applied"),
						err);
			}
	}
	return 0;
}

static int only_new(struct engine *e, const char *point, int i,
		    const struct store_sets_one *one, struct error *err)
{
	_cleanup_store_dump_ struct store_dump d = STORE_DUMP_INIT;
	int ret = engine_stores_index(e, "start",
				      e->run->backup.manifest_digest,
				      one->store, &d, err);

	for (size_t k = 0; ret >= 0 && k < one->sets.n; k++) {
		const struct store_dump_set *s =
			store_dump_find(&d, one->sets.v[k]);

		if (!s || s->full)
			ret = refuse(point, e->plan->steps[i]->id, one->store,
				one->sets.v[k],
				_("which was there before"), err);
	}
	return ret;
}

/* rows go only with the table that they are in */
static int may_drop(struct engine *e, const char *point, int goal,
		    struct error *err)
{
	int ret = 0;

	for (int i = goal; ret >= 0 && i < (int)e->plan->step_n; i++) {
		_cleanup_store_sets_ struct store_sets w = STORE_SETS_INIT;

		if (!(e->plan->steps[i]->ops->flags & STEP_ROWS) ||
		    !rollback_touches(e, i))
			continue;
		ret = engine_sets_written(e, i, &w);
		for (size_t k = 0; ret >= 0 && k < w.n; k++)
			ret = only_new(e, point, i, &w.v[k], err);
		if (ret >= 0)
			ret = may_leave(e, point, goal, &w, err);
	}
	return ret;
}

int rollback_may(struct engine *e, const char *point, int goal,
		 struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	int ret;

	if (e->run->state == RUN_CLOSED)
		return error_set(err, ERR_NO_WAY_BACK, -ENOENT,
			_("run %s changed nothing: there is nothing to roll "
			  "back"), e->run->id);
	ret = rollback_sets(e, goal, &sets);
	if (ret >= 0 && rollback_wants(e) == PLAN_BY_SNAPSHOT)
		return engine_snapshot_may(e, point, goal, err);
	if (ret < 0 || !sets.n)
		return ret;
	if (rollback_wants(e) == PLAN_BY_BACKUP)
		return may_leave(e, point, goal, &sets, err);
	return rollback_wants(e) == PLAN_BY_SCHEMA ?
	       may_drop(e, point, goal, err) : 0;
}

/* --- it does --- */

static struct run_point *point_of(struct run *r)
{
	for (size_t i = 0; r->rollback_r && i < r->point_n; i++)
		if (!strcmp(r->points[i].name, r->rollback_r))
			return &r->points[i];
	return NULL;
}

bool rollback_is_ours(const char *set)
{
	const char *dot = strchr(set, '.');

	return str_starts(dot ? dot + 1 : set, "_upshift_");
}

/* the sets that were saved with the R point are those that are to come back */
int rollback_point_sets(struct engine *e, struct store_sets *ret,
			struct error *err)
{
	_cleanup_store_sets_ struct store_sets all = STORE_SETS_INIT;
	const struct run_point *p = point_of(e->run);
	_cleanup_free_ char *file = NULL;
	int r;

	if (!p || !p->stores_digest)
		return 0;
	file = xasprintf("%s.stores", p->name);
	r = engine_stores_in(e, file, p->stores_digest, &all, err);
	for (size_t i = 0; r >= 0 && i < all.n; i++)
		for (size_t k = 0; k < all.v[i].sets.n; k++)
			if (!rollback_is_ours(all.v[i].sets.v[k]))
				store_sets_add_one(ret, all.v[i].store,
						   all.v[i].sets.v[k]);
	return r;
}

int rollback_load(struct engine *e, int goal, struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	_cleanup_strvec_ struct strvec steps = STRVEC_INIT;
	const struct run_point *p = point_of(e->run);
	struct engine_keep keep = { .e = e };
	int ret, last = 0;

	if (rollback_strategy(e) == PLAN_BY_SNAPSHOT)
		return engine_snapshot_restore(e, err);
	if (rollback_strategy(e) != PLAN_BY_BACKUP)
		return 0;
	ret = rollback_point_sets(e, &sets, err);
	if (ret < 0 || !sets.n)
		return ret;
	for (int i = goal; i < (int)e->plan->step_n; i++)
		if (!(e->plan->steps[i]->ops->flags & STEP_IS_CHECK)) {
			strvec_push(&steps, e->plan->steps[i]->id);
			last = i;
		}
	keep.since = p->name;
	keep.digest = p->stores_digest;
	ret = engine_stores_load(e, "start", e->run->backup.manifest_digest,
				 &sets, &steps, last, goal == 0, &keep, err);
	if (ret < 0)
		error_prefix(err, _("databases"));
	return ret;
}

int rollback_save_sets(struct engine *e, const char *name,
		       const struct store_sets *sets, char *digest,
		       struct error *err)
{
	_cleanup_store_spool_ struct store_spool spool = STORE_SPOOL_INIT;
	_cleanup_store_sets_ struct store_sets all = STORE_SETS_INIT;
	_cleanup_free_ char *file = xasprintf("%s.stores", name);
	_cleanup_effects_ struct effects none = EFFECTS_INIT;
	struct backup_result res = { 0 };
	struct backup_spec spec;
	int ret;

	if (!sets->n)
		return 0;
	/* what we keep there of the steps comes back with them */
	store_sets_add(&all, sets, STORE_DUMP_OURS);
	ret = engine_stores_dump(e, &all, e->run->backup_fd, file, false,
				 &spool, err);
	if (ret < 0)
		return ret;
	engine_backup_spec(e, &spec);
	spec.set = &none;
	spec.extras = spool.extras;
	spec.extra_n = spool.n;
	ret = backup_create(e->run->backup_fd, file, &spec, &res, err);
	memcpy(digest, res.manifest_digest, BLAKE2_TEXT_SIZE);
	return ret;
}

/* --- and behind it --- */

static int tell(void *ctx, const char *store,
		const struct store_dump_set *then,
		const struct store_dump_set *now, unsigned int diff)
{
	_cleanup_free_ char *text = NULL;

	/* a sequence goes on: nobody gets a number twice */
	if (!(diff & ~(unsigned int)STORE_DIFF_VALUES))
		return 0;
	if (diff & STORE_DIFF_ROWS)
		text = xasprintf(rollback_strategy(ctx) == PLAN_BY_SNAPSHOT ?
			_("'%s:%s' is not as in the backup: %llu rows there, "
			  "%llu now; the snapshot held others") :
			_("'%s:%s' is not as in the backup: %llu rows "
			  "then, %llu now; what others changed since is kept"),
			store, now->set,
			(unsigned long long)(then ? then->rows : 0),
			(unsigned long long)now->rows);
	else
		text = xasprintf(_("'%s:%s' is not as in the backup: its "
				   "schema is another"), store, now->set);
	engine_warn(ctx, NULL, text);
	return 0;
}

int rollback_tell(struct engine *e, int goal, struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	int ret = 0;

	/* a load compared them itself */
	if (goal > 0 || rollback_some(e) ||
	    rollback_strategy(e) == PLAN_BY_BACKUP)
		return 0;
	for (int i = 0; ret >= 0 && i < (int)e->plan->step_n; i++)
		if (e->run->steps[i].state == STEP_UNDONE &&
		    e->run->steps[i].effects)
			ret = engine_sets_written(e, i, &sets);
	if (rollback_strategy(e) == PLAN_BY_SNAPSHOT)
		engine_sets_named(e, &sets);
	if (ret < 0 || !sets.n)
		return ret;
	return engine_stores_compare(e, "start",
				     e->run->backup.manifest_digest, &sets,
				     tell, e, err);
}
