/* SPDX-License-Identifier: MIT */
/* What a rollback would do: RESTORED, LOST, KEPT (PROTOCOL 5). */
#include <errno.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-rollback.h"

/* --- preview --- */

void rollback_preview_release(struct rollback_preview *p)
{
	strvec_release(&p->restored_names);
	strvec_release(&p->lost_names);
	strvec_release(&p->kept_names);
}

/* Paths that a newer step covers were told with that step. */
static int preview_step(struct engine *e, int i, const struct effects *newer,
			struct undo_counts *n, struct error *err)
{
	struct effects eff = EFFECTS_INIT;
	struct undo_names names;
	struct undo_spec spec;
	struct undo *u = NULL;
	int ret = rollback_written(e, i, &eff);

	if (ret >= 0 && eff.n && e->run->steps[i].pre_digest) {
		rollback_spec_step(e, i, &spec, &names, &eff);
		spec.aside_name = "preview";
		spec.handled = newer;
		ret = undo_open(&u, &spec, err);
		if (ret >= 0)
			ret = undo_preview(u, n, err);
		undo_free(u);
	}
	effects_release(&eff);
	return ret;
}

/* Tables on a server are named; their rows are not counted. */
static void preview_sets(struct engine *e, int i, struct rollback_preview *ret)
{
	struct effects all = EFFECTS_INIT;

	if (effects_from_json(e->run->steps[i].effects, &all) < 0)
		all.set_n = 0;
	for (size_t k = 0; k < all.set_n; k++) {
		const struct effect_set *f = &all.sets[k];
		const struct plan_store *store =
			plan_find_store(e->plan, f->store);
		_cleanup_free_ char *name = NULL;

		/* a file is among the paths */
		if (f->type == EFFECT_READ || !store ||
		    store->kind != PLAN_STORE_PG)
			continue;
		name = *f->set ? xasprintf("%s:%s", f->store, f->set) :
				 xstrdup(f->store);
		if (strvec_has(&ret->restored_names, name))
			continue;
		strvec_push(&ret->restored_names, name);
		ret->restored++;
	}
	effects_release(&all);
}

int engine_preview_rollback(struct engine *e, struct run *run,
			    const char *point, struct rollback_preview *ret,
			    struct error *err)
{
	struct effects newer = EFFECTS_INIT;
	int goal, r = 0;

	memset(ret, 0, sizeof(*ret));
	e->run = run;
	if (rollback_is_r_point(point))
		return 0;
	goal = rollback_goal_step(e, point, err);
	if (goal < 0)
		return -ENOENT;
	for (int i = (int)e->plan->step_n - 1; r >= 0 && i >= goal; i--) {
		struct undo_counts n = {
			.lost_names = &ret->lost_names,
			.kept_names = &ret->kept_names,
			.restored_names = &ret->restored_names,
		};

		if (!rollback_touches(e, i))
			continue;
		ret->undone_steps++;
		r = preview_step(e, i, &newer, &n, err);
		preview_sets(e, i, ret);
		ret->restored += n.restored;
		ret->lost += n.lost;
		ret->kept += n.kept;
		ret->bytes += n.bytes;
		if (r >= 0)
			r = rollback_written(e, i, &newer);
		effects_index(&newer);
	}
	effects_release(&newer);
	return r;
}
