/* SPDX-License-Identifier: MIT */
/*
 * One step back to its pre-image: the kind's own undo, then the paths it
 * wrote, then what a command changed without saying so.
 */
#include <errno.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-rollback.h"

/* written paths of the step's last attempt */
int rollback_written(struct engine *e, int i, struct effects *ret)
{
	struct effects all = EFFECTS_INIT;
	int r = effects_from_json(e->run->steps[i].effects, &all);

	for (size_t k = 0; r >= 0 && k < all.n; k++)
		if (all.v[k].type != EFFECT_READ)
			effects_add(ret, all.v[k].type, all.v[k].flags,
				    all.v[k].path);
	effects_index(ret);
	effects_release(&all);
	return r;
}

/*
 * What a rollback displaces. A directory that the run made goes with all that
 * others put in it, and one that others removed comes back for what was in it:
 * the state before, and the way back to it, cover both whole.
 */
void rollback_whole(struct engine *e, const struct effects *written,
		    struct effects *ret)
{
	for (size_t i = 0; i < written->n; i++) {
		const struct effect *w = &written->v[i];
		_cleanup_free_ char *dir = path_dirname(w->path);
		struct stat st;

		effects_add(ret, w->type, w->type == EFFECT_CREATE ?
			    w->flags & ~(unsigned int)EFFECT_SELF : w->flags,
			    w->path);
		while (strcmp(dir, ".") != 0 && strcmp(dir, "/") != 0 &&
		       fs_stat_beneath(e->sd->root_fd, dir, &st) == -ENOENT) {
			char *up = path_dirname(dir);

			effects_add(ret, EFFECT_CREATE, 0, dir);
			free(dir);
			dir = up;
		}
	}
}

bool step_goes_too(struct step_ctx *c, size_t i)
{
	return rollback_touches(c->e, (int)i);
}

bool step_comes_back(struct step_ctx *c, const struct plan_store *s)
{
	struct engine *e = c->e;
	bool ret = false;

	if (c->phase != PHASE_ROLLBACK || !s->path ||
	    (e->run->state != RUN_ROLLING_BACK &&
	     e->run->state != RUN_ROLLBACK_FAILED) ||
	    rollback_is_r_point(e->run->rollback_point))
		return false;
	for (int i = c->index; !ret && i >= rollback_under_way(e); i--) {
		struct effects eff = EFFECTS_INIT;

		if (rollback_touches(e, i) && e->run->steps[i].pre_digest &&
		    rollback_written(e, i, &eff) >= 0)
			ret = effects_cover(&eff, s->path);
		effects_release(&eff);
	}
	return ret;
}

static void undo_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct step_ctx *c = ctx;

	engine_progress(c->e, &c->meter, PHASE_ROLLBACK, c->step->id,
			c->index + 1, done, total, "bytes");
}

void rollback_spec(struct engine *e, struct undo_spec *u)
{
	memset(u, 0, sizeof(*u));
	u->root_fd = e->sd->root_fd;
	u->root = e->sd->root;
	u->ours = &e->sd->ours;
	u->backup_fd = e->run->backup_fd;
	u->start_name = "start";
	u->start_digest = e->run->backup.manifest_digest;
	u->run_id = e->run->id;
}

void rollback_spec_step(struct engine *e, int i, struct undo_spec *u,
			struct undo_names *n, const struct effects *eff)
{
	const struct run_step *rs = &e->run->steps[i];

	rollback_spec(e, u);
	engine_step_name(n->pre, sizeof(n->pre), rs->id, rs->attempt, "");
	engine_step_name(n->post, sizeof(n->post), rs->id, rs->attempt,
			 ".post");
	u->effects = eff;
	u->pre_name = n->pre;
	u->pre_digest = rs->pre_digest;
	if (rs->post_digest) {
		u->post_name = n->post;
		u->post_digest = rs->post_digest;
	}
}

bool rollback_is_recorded(struct engine *e, const char *step, const char *r)
{
	struct run_step *rs = step ? run_step_find(e->run, step) : NULL;
	struct json_object *was = json_get(rs ? rs->facts : e->run->facts,
					   RUN_UNDONE);

	return !strcmp(json_get_str(was, "r", ""), r);
}

int rollback_record_paths(struct engine *e, const char *step, const char *r,
			  const struct undo_counts *n, struct error *err)
{
	struct json_object *o = json_object_new_object();
	struct json_object *names = json_object_new_array();
	size_t bytes = 0;

	json_set_str(o, "r", r);
	json_set_int(o, "restored", (int64_t)n->restored);
	json_set_int(o, "lost", (int64_t)n->lost);
	json_set_int(o, "kept", (int64_t)n->kept);
	for (size_t i = 0; i < n->lost_names->n && i < RUN_UNDONE_NAMES; i++) {
		bytes += strlen(n->lost_names->v[i]);
		if (bytes > RUN_UNDONE_BYTES)
			break;
		json_array_add_bytes(names, n->lost_names->v[i]);
	}
	json_object_object_add(o, "lost_names", names);
	return run_record_fact(e->run, step, RUN_UNDONE, o, err);
}

/* a step that fails is undone, too, and that is no rollback */
static bool is_rollback(struct engine *e, const char *aside)
{
	return e->run->rollback_r && !strcmp(e->run->rollback_r, aside) &&
	       (e->run->state == RUN_ROLLING_BACK ||
		e->run->state == RUN_ROLLBACK_FAILED);
}

int rollback_run_undo(struct engine *e, const char *step,
		      struct undo_spec *spec, struct error *err)
{
	_cleanup_strvec_ struct strvec lost = STRVEC_INIT;
	struct undo_counts n = { .lost_names = &lost };
	bool told = step && is_rollback(e, spec->aside_name) &&
		!rollback_is_recorded(e, step, spec->aside_name);
	struct undo *u = NULL;
	int ret;

	spec->counts = told ? &n : NULL;
	ret = undo_open(&u, spec, err);
	if (ret >= 0)
		ret = undo_prepare(u, err);
	if (ret >= 0 && told)
		ret = rollback_record_paths(e, step, spec->aside_name, &n, err);
	if (ret >= 0)
		ret = undo_commit(u, err);
	if (ret >= 0)
		ret = undo_check(u, err);
	if (ret >= 0)
		ret = undo_dirmeta(u, err);
	undo_free(u);
	return ret;
}

/* what this rollback undid before: each path counts once */
static int add_newer(struct engine *e, int i, const char *aside,
		     struct effects *ret)
{
	int r = 0;

	for (int k = i + 1; r >= 0 && k < (int)e->plan->step_n; k++)
		if (e->run->steps[k].state == STEP_UNDONE &&
		    rollback_is_recorded(e, e->run->steps[k].id, aside))
			r = rollback_written(e, k, ret);
	return r;
}

/* What a command changed without saying so comes back from `start`. */
static int undo_undeclared(struct engine *e, int i, const char *aside,
			   struct error *err)
{
	struct json_object *list = json_get(e->run->steps[i].facts,
					    "undeclared");
	struct effects eff = EFFECTS_INIT;
	struct undo_spec u;
	int ret = 0;

	if (!list)
		return 0;
	for (size_t k = 0; k < json_object_array_length(list); k++) {
		_cleanup_free_ char *p = json_array_get_bytes(list, k);

		if (p)
			effects_add(&eff, EFFECT_CHANGE, EFFECT_SELF, p);
	}
	rollback_spec(e, &u);
	u.effects = &eff;
	u.pre_name = "start";
	u.pre_digest = e->run->backup.manifest_digest;
	u.aside_name = aside;
	if (eff.n)
		ret = rollback_run_undo(e, e->plan->steps[i]->id, &u, err);
	effects_release(&eff);
	return ret;
}

static int undo_paths(struct engine *e, int i, const char *aside,
		      struct step_ctx *c, struct error *err)
{
	struct effects eff = EFFECTS_INIT, newer = EFFECTS_INIT;
	struct undo_names names;
	struct undo_spec u = { .aside_name = NULL };
	int ret = rollback_written(e, i, &eff);

	if (ret >= 0 && eff.n && e->run->steps[i].pre_digest) {
		rollback_spec_step(e, i, &u, &names, &eff);
		u.aside_name = aside;
		u.handled = &newer;
		u.progress = undo_progress;
		u.ctx = c;
		ret = add_newer(e, i, aside, &newer);
	}
	if (u.aside_name && ret >= 0)
		ret = rollback_run_undo(e, e->plan->steps[i]->id, &u, err);
	effects_release(&newer);
	effects_release(&eff);
	return ret < 0 ? ret : undo_undeclared(e, i, aside, err);
}

static int record_undo_failed(struct engine *e, const char *id,
			      const struct error *err)
{
	struct json_object *x = json_object_new_object();

	json_set_str(x, "code", error_code_name(err->code));
	json_set_str(x, "message", err->msg);
	return run_record_step(e->run, id, STEP_UNDO_FAILED, x, NULL);
}

/* each is written there before it is carried: that there are rows was seen when
   the rollback began, and if none came nobody would miss them */
static int find_carried(struct engine *e, struct error *err)
{
	const struct run_point *p = run_last_point(e->run);
	struct stat st;

	if (!p || !p->carried || !rollback_carries(e) ||
	    (fs_stat_beneath(e->run->fd, "carried.jsonl", &st) == 0 &&
	     st.st_size))
		return 0;
	(void)error_set(err, ERR_CARRY, -ENOENT, ngettext("%ju row was to be "
		"carried back when the rollback began, and is not found now",
		"%ju rows were to be carried back when the rollback began, and "
		"none is found now", p->carried), (uintmax_t)p->carried);
	error_hint(err, _("With --no-carry the old tables come back as they "
			  "were at the cutover."));
	return -ENOENT;
}

int rollback_carry(struct engine *e, int goal, struct error *err)
{
	int ret = 0;

	for (int i = (int)e->plan->step_n - 1; ret >= 0 && i >= goal; i--) {
		const struct step *s = e->plan->steps[i];
		struct step_ctx c;

		if (!s->ops->carry || e->run->steps[i].state != STEP_UNDONE)
			continue;
		step_ctx_init(&c, e, s, PHASE_ROLLBACK);
		ret = s->ops->carry(s, &c, err);
		step_ctx_release(&c);
		if (ret < 0)
			error_prefix(err, "%s", s->id);
	}
	return ret < 0 ? ret : find_carried(e, err);
}

int engine_undo_step(struct engine *e, int index, const char *aside,
		     struct error *err)
{
	const struct step *s = e->plan->steps[index];
	struct json_object *x = json_object_new_object();
	struct event ev = { .type = EVENT_STEP, .id = s->id,
			    .kind = s->ops->name, .n = index + 1,
			    .of = (int)e->plan->step_n,
			    .state = EVENT_UNDONE };
	struct step_ctx c;
	int ret;

	json_set_int(x, "attempt", e->run->steps[index].attempt);
	json_set_str(x, "r", aside);
	ret = run_record_step(e->run, s->id, STEP_UNDOING, x, err);
	if (ret < 0)
		return ret;
	step_ctx_init(&c, e, s, PHASE_ROLLBACK);
	if (rollback_passes_over(e, index))
		ret = s->ops->leave ? s->ops->leave(s, &c, err) : 0;
	else if (s->ops->undo)
		ret = s->ops->undo(s, &c, err);
	if (ret < 0 && engine_lease_lost(e, err))
		ret = -EBUSY;
	if (ret >= 0)
		ret = undo_paths(e, index, aside, &c, err);
	step_ctx_release(&c);
	if (ret < 0) {
		error_prefix(err, _("cannot undo step '%s'"), s->id);
		if (err->code != ERR_JOURNAL && err->code != ERR_CANCELLED)
			(void)record_undo_failed(e, s->id, err);
		return ret;
	}
	ret = run_record_step(e->run, s->id, STEP_UNDONE, NULL, err);
	if (ret >= 0)
		engine_emit(e, &ev);
	return ret;
}
