/* SPDX-License-Identifier: MIT */
/*
 * Going back (PROTOCOL 5): the steps above a checkpoint are undone, newest
 * first, each path to its pre-image.
 *
 *  1 the digests of backup and pre-images are compared; damage ends it here
 *  2 the state before is written as R1 (a manifest; the inodes follow by
 *    rename), durable before `rolling-back` names it
 *  3 for each step: undoing -> [command, paths, directory times] -> undone
 *  4 the plan's verify_rollback, the application, rolled-back
 *
 * Killed anywhere: the state is rolling-back, and going on begins at 3 with
 * the same R point; steps that are `undone` are passed over, the others are
 * done again, which undo.h makes safe.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backup.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "undo.h"

/* written paths of the step's last attempt */
static int written(struct engine *e, int i, struct effects *ret)
{
	struct effects all = EFFECTS_INIT;
	int r = effects_from_json(e->run->steps[i].effects, &all);

	for (size_t k = 0; r >= 0 && k < all.n; k++)
		if (all.v[k].type != EFFECT_READ)
			effects_add(ret, all.v[k].type, all.v[k].flags,
				    all.v[k].path);
	effects_release(&all);
	return r;
}

static void undo_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct step_ctx *c = ctx;

	engine_progress(c->e, &c->meter, PHASE_ROLLBACK, c->step->id,
			c->index + 1, done, total, "bytes");
}

static void spec_for(struct engine *e, struct undo_spec *u)
{
	memset(u, 0, sizeof(*u));
	u->root_fd = e->sd->root_fd;
	u->root = e->sd->root;
	u->skip = e->sd->skip;
	u->backup_fd = e->run->backup_fd;
	u->start_name = "start";
	u->start_digest = e->run->backup.manifest_digest;
	u->run_id = e->run->id;
}

struct undo_names {
	char pre[STEP_NAME_SIZE], post[STEP_NAME_SIZE];
};

static void spec_for_step(struct engine *e, int i, struct undo_spec *u,
			  struct undo_names *n, const struct effects *eff)
{
	const struct run_step *rs = &e->run->steps[i];

	spec_for(e, u);
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

static int run_undo(const struct undo_spec *spec, struct error *err)
{
	struct undo *u = NULL;
	int ret = undo_open(&u, spec, err);

	if (ret >= 0)
		ret = undo_prepare(u, err);
	if (ret >= 0)
		ret = undo_commit(u, err);
	if (ret >= 0)
		ret = undo_check(u, err);
	if (ret >= 0)
		ret = undo_dirmeta(u, err);
	undo_free(u);
	return ret;
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
	spec_for(e, &u);
	u.effects = &eff;
	u.pre_name = "start";
	u.pre_digest = e->run->backup.manifest_digest;
	u.aside_name = aside;
	if (eff.n)
		ret = run_undo(&u, err);
	effects_release(&eff);
	return ret;
}

static int undo_paths(struct engine *e, int i, const char *aside,
		      struct step_ctx *c, struct error *err)
{
	struct effects eff = EFFECTS_INIT;
	struct undo_names names;
	struct undo_spec u;
	int ret = written(e, i, &eff);

	if (ret >= 0 && eff.n && e->run->steps[i].pre_digest) {
		spec_for_step(e, i, &u, &names, &eff);
		u.aside_name = aside;
		u.progress = undo_progress;
		u.ctx = c;
		ret = run_undo(&u, err);
	}
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
	if (s->ops->undo)
		ret = s->ops->undo(s, &c, err);
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

/* --- which steps, and may they --- */

/* did it change anything that is still there? */
static bool in_effect(const struct run_step *rs)
{
	switch (rs->state) {
	case STEP_APPLYING:
	case STEP_UNDOING:
	case STEP_UNDO_FAILED:
		return true;
	case STEP_APPLIED:
	case STEP_VERIFIED:
	case STEP_FAILED:
		return rs->attempt > 0 && !rs->already;
	case STEP_PENDING:
	case STEP_SKIPPED:
	case STEP_UNDONE:
	case STEP_STATE_COUNT:
		break;
	}
	return false;
}

static bool touches(const struct engine *e, int i)
{
	return !(e->plan->steps[i]->ops->flags & STEP_IS_CHECK) &&
		in_effect(&e->run->steps[i]);
}

static void no_way_back(struct engine *e, const char *point, const char *why,
			struct error *err)
{
	if (!why || !strcmp(why, "pruned"))
		(void)error_set(err, ERR_NO_WAY_BACK, -EPERM,
			_("cannot go back to %s: the backup was removed, it "
			  "was kept long enough"), point);
	else if (plan_find_step(e->plan, why))
		(void)error_set(err, ERR_NO_WAY_BACK, -EPERM,
			_("cannot go back to %s: step '%s' has no way back"),
			point, why);
	else
		(void)error_set(err, ERR_NO_WAY_BACK, -EPERM,
			_("cannot go back to %s: run %s came later"), point,
			why);
}

/* The step number that stays applied, 0 for start; -1 with err. */
static int goal_step(struct engine *e, const char *point, struct error *err)
{
	struct run_goal *goals = NULL;
	size_t n = run_goals(e->run, e->plan, &goals);
	int ret = -1;

	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(goals[i].name, point) != 0)
			continue;
		ret = goals[i].step;
		if (!goals[i].available) {
			no_way_back(e, point, goals[i].why, err);
			ret = -2;
		}
	}
	if (ret == -1)
		(void)error_set(err, ERR_NO_POINT, -ENOENT,
				_("run %s has no point '%s'"), e->run->id,
				point);
	run_goals_free(goals, n);
	return ret;
}

/* Nothing is changed before this has passed. */
static int verify_sources(struct engine *e, int goal, struct error *err)
{
	int ret = 0;

	if (e->run->backup.done)
		ret = backup_verify(e->run->backup_fd, "start",
				    e->run->backup.archive_digest,
				    e->run->backup.manifest_digest, false,
				    err);
	for (int i = (int)e->plan->step_n - 1; ret >= 0 && i >= goal; i--) {
		const struct run_step *rs = &e->run->steps[i];
		char name[STEP_NAME_SIZE];

		if (!touches(e, i) || !rs->pre_digest)
			continue;
		engine_step_name(name, sizeof(name), rs->id, rs->attempt, "");
		ret = backup_verify(e->run->backup_fd, name, NULL,
				    rs->pre_digest, true, err);
	}
	return ret;
}

static int all_written(struct engine *e, int goal, struct effects *ret)
{
	int r = 0;

	for (int i = (int)e->plan->step_n - 1; r >= 0 && i >= goal; i--)
		if (touches(e, i))
			r = written(e, i, ret);
	return r;
}

static struct json_object *states_json(const struct engine *e)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < e->run->step_n; i++)
		json_set_str(o, e->run->steps[i].id,
			     step_state_name(e->run->steps[i].state));
	return o;
}

/* R1, R2, ...: the state before, and the record that begins the rollback. */
static int begin_rollback(struct engine *e, const char *point, int goal,
			  const struct effects *eff, struct error *err)
{
	_cleanup_free_ char *r = xasprintf("R%zu", e->run->point_n + 1);
	char digest[BLAKE2_TEXT_SIZE] = "";
	struct json_object *x;
	int ret = 0;

	(void)goal;
	if (eff->n)
		ret = undo_write_point(e->sd->root_fd, e->sd->root,
				       e->sd->skip, e->run->backup_fd, r, eff,
				       digest, err);
	if (ret < 0)
		return ret;
	x = json_object_new_object();
	json_set_str(x, "point", point);
	json_set_str(x, "r", r);
	json_set_str(x, "r_digest", digest);
	json_object_object_add(x, "steps", states_json(e));
	return run_record_state(e->run, RUN_ROLLING_BACK, x, err);
}

static int rollback_failed(struct engine *e, struct error *err)
{
	struct json_object *x = json_object_new_object();
	int exit = err->code == ERR_ROLLBACK_SPACE || err->code == ERR_NO_SPACE ||
		err->code == ERR_CANCELLED ? EXIT_FAILED :
		EXIT_ROLLBACK_FAILED;

	json_set_str(x, "code", error_code_name(err->code));
	json_set_str(x, "message", err->msg);
	json_set_int(x, "exit", exit);
	if (exit == EXIT_ROLLBACK_FAILED)
		(void)run_record_state(e->run, RUN_ROLLBACK_FAILED, x, NULL);
	else
		json_object_put(x);
	e->failed_phase = PHASE_ROLLBACK;
	return exit;
}

static int record_rolled_back(struct engine *e, const char *point, int exit)
{
	struct json_object *x = json_object_new_object();

	json_set_str(x, "point", point);
	json_set_int(x, "exit", exit);
	return run_record_state(e->run, RUN_ROLLED_BACK, x, &e->err);
}

static void emit_rollback(struct engine *e, const char *point,
			  enum event_state s,
			  const struct rollback_preview *p)
{
	struct event ev = { .type = EVENT_ROLLBACK, .state = s,
			    .point = point };

	if (p) {
		ev.restored = p->restored;
		ev.lost = p->lost;
		ev.kept = p->kept;
	}
	engine_emit(e, &ev);
}

/* Steps are undone, or the tree goes back to an R point; then all the rest. */
static int finish_rollback(struct engine *e, const char *point, int exit)
{
	int ret = engine_verify_rollback(e, &e->err);

	if (ret >= 0)
		ret = engine_app_start(e, &e->err);
	if (ret < 0)
		return rollback_failed(e, &e->err);
	if (record_rolled_back(e, point, exit) < 0)
		return error_code_exit(ERR_JOURNAL);
	emit_rollback(e, point, EVENT_DONE, NULL);
	return exit;
}

static int undo_steps(struct engine *e, const char *point, int goal, int exit)
{
	_cleanup_free_ char *r = xstrdup(e->run->rollback_r);

	for (int i = (int)e->plan->step_n - 1; i >= goal; i--) {
		if (!touches(e, i)) {
			/* checks and steps with nothing to undo: not done */
			enum step_state st = e->run->steps[i].state;

			if (st == STEP_VERIFIED || st == STEP_APPLIED ||
			    st == STEP_FAILED) {
				if (run_record_step(e->run,
					e->run->steps[i].id, STEP_UNDOING,
					NULL, &e->err) < 0 ||
				    run_record_step(e->run,
					e->run->steps[i].id, STEP_UNDONE,
					NULL, &e->err) < 0)
					return error_code_exit(ERR_JOURNAL);
			}
			continue;
		}
		if (engine_cancelled(e) == ENGINE_CANCEL_NOW) {
			(void)error_set(&e->err, ERR_CANCELLED, -ECANCELED,
				_("the rollback was stopped by the user"));
			return rollback_failed(e, &e->err);
		}
		if (engine_undo_step(e, i, r, &e->err) < 0)
			return e->err.code == ERR_JOURNAL ?
				error_code_exit(ERR_JOURNAL) :
				rollback_failed(e, &e->err);
	}
	return finish_rollback(e, point, exit);
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

static int point_effects(struct engine *e, const struct run_point *p,
			 struct effects *ret)
{
	int r = 0;

	for (int i = 0; r >= 0 && i < (int)e->plan->step_n; i++)
		if (was_undone(e, p, i))
			r = written(e, i, ret);
	return r;
}

/* What kinds undid by themselves; oldest first, as it was done. */
static int redo_steps(struct engine *e, const struct run_point *p)
{
	int ret = 0;

	for (int i = 0; ret >= 0 && i < (int)e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		struct step_ctx c;

		if (!s->ops->redo || !was_undone(e, p, i))
			continue;
		step_ctx_init(&c, e, s, PHASE_ROLLBACK);
		ret = s->ops->redo(s, &c, &e->err);
		step_ctx_release(&c);
	}
	return ret;
}

static int return_to_point(struct engine *e, const char *name)
{
	struct run_point *p = find_point(e->run, name);
	bool going_on = e->run->state == RUN_ROLLING_BACK ||
		e->run->state == RUN_ROLLBACK_FAILED;
	struct effects eff = EFFECTS_INIT;
	_cleanup_free_ char *tree = NULL;
	_cleanup_free_ char *digest = NULL;
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
	emit_rollback(e, tree, EVENT_STARTED, NULL);
	ret = point_effects(e, p, &eff);
	if (ret >= 0 && !going_on)
		ret = begin_rollback(e, tree, 0, &eff, &e->err);
	/* the list of points may have moved: p is found anew */
	if (ret >= 0)
		ret = redo_steps(e, find_point(e->run, tree));
	if (ret >= 0 && eff.n) {
		spec_for(e, &u);
		u.effects = &eff;
		u.source = UNDO_FROM_TREE;
		u.pre_name = u.tree_name = tree;
		u.pre_digest = digest;
		u.aside_name = e->run->rollback_r;
		ret = run_undo(&u, &e->err);
	}
	effects_release(&eff);
	if (ret < 0)
		return rollback_failed(e, &e->err);
	if (record_rolled_back(e, tree, EXIT_DONE) < 0)
		return error_code_exit(ERR_JOURNAL);
	emit_rollback(e, tree, EVENT_DONE, NULL);
	return EXIT_DONE;
}

static bool is_r_point(const char *point)
{
	return (*point == 'R' || *point == 'r') && point[1] >= '0' &&
		point[1] <= '9';
}

/* --- entries --- */

static int continue_rollback(struct engine *e, const char *point, int exit)
{
	int goal;

	if (strcasecmp(point, e->run->rollback_point) != 0) {
		(void)error_set(&e->err, ERR_ROLLBACK, -EBUSY,
			_("a rollback to %s is under way; it has to be "
			  "finished first"), e->run->rollback_point);
		error_hint(&e->err, _("upshift resume"));
		return EXIT_FAILED;
	}
	if (is_r_point(point))
		return return_to_point(e, point);
	goal = !strcasecmp(point, "start") ? 0 : atoi(point + 2);
	if (verify_sources(e, goal, &e->err) < 0)
		return rollback_failed(e, &e->err);
	emit_rollback(e, point, EVENT_STARTED, NULL);
	return undo_steps(e, point, goal, exit);
}

static int rollback(struct engine *e, const char *point, int exit)
{
	struct effects eff = EFFECTS_INIT;
	_cleanup_free_ char *to = xstrdup(point);
	int goal, ret;

	engine_phase(e, PHASE_ROLLBACK, EVENT_STARTED);
	if (e->run->state == RUN_ROLLING_BACK ||
	    e->run->state == RUN_ROLLBACK_FAILED)
		return continue_rollback(e, to, exit);
	if (is_r_point(to))
		return return_to_point(e, to);
	goal = goal_step(e, to, &e->err);
	if (goal < 0)
		return error_code_exit(e->err.code);
	if (verify_sources(e, goal, &e->err) < 0) {
		error_hint(&e->err, "%s",
			   _("nothing was changed by this rollback"));
		e->failed_phase = PHASE_ROLLBACK;
		return EXIT_ROLLBACK_FAILED;
	}
	emit_rollback(e, to, EVENT_STARTED, NULL);
	ret = engine_app_stop(e, &e->err);
	if (ret >= 0)
		ret = all_written(e, goal, &eff);
	if (ret >= 0)
		ret = begin_rollback(e, to, goal, &eff, &e->err);
	effects_release(&eff);
	if (ret < 0)
		return EXIT_FAILED;
	return undo_steps(e, to, goal, exit);
}

int engine_rollback_to(struct engine *e, const char *point)
{
	return rollback(e, point, EXIT_DONE);
}

/* Only if it takes back every change; else nothing is undone. */
int engine_auto_rollback(struct engine *e)
{
	struct error why = ERROR_INIT, no = ERROR_INIT;
	int ret;

	if (goal_step(e, "start", &no) < 0) {
		engine_warn(e, NULL, no.msg);
		error_release(&no);
		return EXIT_FAILED;
	}
	error_move(&why, &e->err);
	ret = rollback(e, "start", EXIT_ROLLED_BACK);
	if (ret == EXIT_ROLLED_BACK)
		/* what failed first is what the user has to know */
		error_move(&e->err, &why);
	error_release(&why);
	return ret;
}

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
	int ret = written(e, i, &eff);

	if (ret >= 0 && eff.n && e->run->steps[i].pre_digest) {
		spec_for_step(e, i, &spec, &names, &eff);
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

int engine_preview_rollback(struct engine *e, struct run *run,
			    const char *point, struct rollback_preview *ret,
			    struct error *err)
{
	struct effects newer = EFFECTS_INIT;
	int goal, r = 0;

	memset(ret, 0, sizeof(*ret));
	e->run = run;
	if (is_r_point(point))
		return 0;
	goal = goal_step(e, point, err);
	if (goal < 0)
		return -ENOENT;
	for (int i = (int)e->plan->step_n - 1; r >= 0 && i >= goal; i--) {
		struct undo_counts n = {
			.lost_names = &ret->lost_names,
			.kept_names = &ret->kept_names,
			.restored_names = &ret->restored_names,
		};

		if (!touches(e, i))
			continue;
		ret->undone_steps++;
		r = preview_step(e, i, &newer, &n, err);
		ret->restored += n.restored;
		ret->lost += n.lost;
		ret->kept += n.kept;
		ret->bytes += n.bytes;
		if (r >= 0)
			r = written(e, i, &newer);
	}
	effects_release(&newer);
	return r;
}
