/* SPDX-License-Identifier: MIT */
/*
 * Some steps alone, as a scenario of the plan names them. They are undone like
 * others, newest first; steps above them that changed nothing (who looked at
 * what was done, and who signed) are not done any more either. It is refused
 * where a step that stays builds on one that goes, or wrote the same.
 *
 * A reset empties tables that the run made and that only those steps filled,
 * with all that is in them (it is saved with the R point), and forgets how far
 * the steps were there, in one transaction for each store. In tables that were
 * there before, each row of the steps goes back by itself. A transaction that
 * was committed is not made again: then the steps are at their beginning.
 *
 * On disk: "only", "reset" in the record `rolling-back`, whose point is the
 * name of the scenario.
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-rollback.h"
#include "engine-stores.h"
#include "store-sql.h"
#include "store.h"

#define TRIES 4

static bool is_under_way(const struct engine *e)
{
	return e->run->state == RUN_ROLLING_BACK ||
	       e->run->state == RUN_ROLLBACK_FAILED;
}

const char *engine_set_scenario(struct engine *e,
				const struct plan_scenario *s)
{
	engine_set_strategy(e, s->strategy);
	if (s->point)
		return s->point;
	e->opts.scenario = s;
	return s->name;
}

/* NULL: all */
static const struct strvec *only(const struct engine *e)
{
	if (is_under_way(e))
		return e->run->rollback_only.n ? &e->run->rollback_only : NULL;
	return e->opts.scenario ? &e->opts.scenario->steps : NULL;
}

bool rollback_some(const struct engine *e)
{
	return only(e) != NULL;
}

static bool is_reset(const struct engine *e)
{
	if (is_under_way(e))
		return e->run->rollback_reset;
	return e->opts.scenario && e->opts.scenario->reset;
}

/* what the last attempt of step i wrote; false: nothing */
static bool written(const struct engine *e, int i, struct effects *ret)
{
	bool any = false;

	if (effects_from_json(e->run->steps[i].effects, ret) < 0)
		return false;
	for (size_t k = 0; k < ret->n; k++)
		any |= ret->v[k].type != EFFECT_READ;
	for (size_t k = 0; k < ret->set_n; k++)
		any |= ret->sets[k].type != EFFECT_READ;
	return any;
}

static bool changes(const struct engine *e, int i)
{
	const struct step_ops *ops = e->plan->steps[i]->ops;
	_cleanup_effects_ struct effects eff = EFFECTS_INIT;

	/* of a command nobody knows */
	return !(ops->flags & STEP_IS_CHECK) &&
		(ops->undo || written(e, i, &eff));
}

bool rollback_is_meant(const struct engine *e, int i)
{
	const struct strvec *ids = only(e);

	if (!ids || strvec_has(ids, e->plan->steps[i]->id))
		return true;
	for (int k = 0; k < i; k++)
		if (strvec_has(ids, e->plan->steps[k]->id))
			return !changes(e, i);
	return false;
}

void rollback_record_steps(const struct engine *e, struct json_object *x)
{
	const struct strvec *ids = only(e);
	struct json_object *list;

	if (!ids)
		return;
	list = json_object_new_array();
	for (size_t i = 0; i < ids->n; i++)
		json_array_add_bytes(list, ids->v[i]);
	json_object_object_add(x, "only", list);
	if (is_reset(e))
		json_set_bool(x, "reset", true);
}

/* --- may it --- */

/* rows of the one are told from those of the other; all else is not */
static bool wrote_same(const struct engine *e, int i, int k)
{
	_cleanup_effects_ struct effects a = EFFECTS_INIT;
	_cleanup_effects_ struct effects b = EFFECTS_INIT;
	bool rows = e->plan->steps[i]->ops->rows && e->plan->steps[k]->ops->rows;
	enum effect_type type;

	if (!written(e, i, &a) || !written(e, k, &b))
		return false;
	for (size_t n = 0; n < b.n; n++)
		if (b.v[n].type != EFFECT_READ && effects_cover(&a, b.v[n].path))
			return true;
	for (size_t n = 0; n < a.n; n++)
		if (a.v[n].type != EFFECT_READ && effects_cover(&b, a.v[n].path))
			return true;
	for (size_t n = 0; !rows && n < b.set_n; n++)
		if (b.sets[n].type != EFFECT_READ && *b.sets[n].set &&
		    rollback_writes(e, i, b.sets[n].store, b.sets[n].set, &type))
			return true;
	return false;
}

static int stands_alone(const struct engine *e, int i, struct error *err)
{
	const struct step *s = e->plan->steps[i];

	for (int k = i + 1; k < (int)e->plan->step_n; k++) {
		const struct step *later = e->plan->steps[k];

		if (!rollback_in_effect(e, k) || rollback_is_meant(e, k) ||
		    (!strvec_has(&later->needs, s->id) &&
		     !wrote_same(e, i, k)))
			continue;
		return error_set(err, ERR_NO_WAY_BACK, -EPERM,
			_("cannot undo step '%s' alone: step '%s' builds on "
			  "it and stays applied"), s->id, later->id);
	}
	return 0;
}

int rollback_goal(struct engine *e, const char *point, struct error *err)
{
	int ret = 0;

	if (!rollback_some(e))
		return rollback_goal_step(e, point, err);
	if (e->run->backup.pruned)
		ret = error_set(err, ERR_NO_WAY_BACK, -EPERM,
			_("cannot go back to %s: the backup was removed, it "
			  "was kept long enough"), point);
	for (int i = 0; ret >= 0 && i < (int)e->plan->step_n; i++)
		if (rollback_touches(e, i))
			ret = stands_alone(e, i, err);
	return ret;
}

/* --- emptied --- */

bool rollback_empties(struct engine *e, const char *store, const char *set,
		      bool was_there)
{
	bool any = false;

	if (!is_reset(e) || was_there)
		return false;
	for (int i = 0; i < (int)e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		enum effect_type type;

		if (!rollback_in_effect(e, i) ||
		    !rollback_writes(e, i, store, set, &type))
			continue;
		if (s->ops->rows ? !rollback_is_meant(e, i) :
		    type != EFFECT_CREATE)
			return false;
		any |= s->ops->rows != NULL;
	}
	return any;
}

struct emptying {
	struct strbuf truncate;
	struct strvec steps;     /* that filled them */
	struct strvec sql;
	bool begun;              /* some of these are not at their beginning */
	const char *key;         /* of the run */
	int step;                /* on whose behalf */
};

static int add_set(struct engine *e, const char *store, const char *set,
		   struct emptying *m, struct error *err)
{
	int ret = 0;

	strbuf_addstr(&m->truncate, m->truncate.len ? ", " : "TRUNCATE TABLE ");
	store_sql_set(&m->truncate, set);
	for (int i = 0; ret >= 0 && i < (int)e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		enum step_probe p = PROBE_NOT;
		enum effect_type type;
		struct step_ctx c;

		if (!s->ops->rows || !rollback_touches(e, i) ||
		    !rollback_writes(e, i, store, set, &type))
			continue;
		step_ctx_init(&c, e, s, PHASE_ROLLBACK);
		ret = s->ops->probe(s, &c, &p, err);
		step_ctx_release(&c);
		m->begun |= p != PROBE_NOT;
		strvec_push(&m->steps, s->id);
		m->step = i;
	}
	return ret;
}

static int run_all(void *ctx, struct store *s, struct error *err)
{
	const struct emptying *m = ctx;
	int ret = store_exec(s, m->truncate.buf, NULL, NULL, err);

	for (size_t i = 0; ret >= 0 && i < m->sql.n; i++)
		ret = store_exec(s, m->sql.v[i], NULL, NULL, err);
	return MIN(ret, 0);
}

static int empty_all(void *ctx, struct store *s, struct error *err)
{
	struct emptying *m = ctx;
	int ret = store_dump_forget(s, m->key, &m->steps, &m->sql, err);

	return ret < 0 ? ret : store_transact(s, run_all, m, TRIES, err);
}

static int empty_store(struct engine *e, const struct store_sets_one *o,
		       struct error *err)
{
	_cleanup_store_dump_ struct store_dump then = STORE_DUMP_INIT;
	struct emptying m = { .key = e->run->key, .truncate = STRBUF_INIT };
	int ret = engine_stores_index(e, "start",
				      e->run->backup.manifest_digest,
				      o->store, &then, err);

	for (size_t i = 0; ret >= 0 && i < o->sets.n; i++) {
		const char *set = o->sets.v[i];
		const struct store_dump_set *t = store_dump_find(&then, set);

		if (*set && rollback_empties(e, o->store, set, t && t->full))
			ret = add_set(e, o->store, set, &m, err);
	}
	if (ret >= 0 && m.begun)
		ret = engine_stores_empty(e, m.step, o->store, empty_all, &m,
					  err);
	strbuf_release(&m.truncate);
	strvec_release(&m.steps);
	strvec_release(&m.sql);
	return ret;
}

int rollback_empty(struct engine *e, struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	int ret = is_reset(e) ? rollback_sets(e, 0, &sets) : 0;

	for (size_t i = 0; ret >= 0 && i < sets.n; i++)
		ret = empty_store(e, &sets.v[i], err);
	return ret;
}
