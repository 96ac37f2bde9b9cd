/* SPDX-License-Identifier: MIT */
/*
 * Records that a step refused are tried again, while the run is over or waits.
 * The step is `applied` before the first of them goes, without what it left by
 * digest, so that a rollback takes whatever is there for the step's own; behind
 * the last it is `applied` once more, with that, and `verified`. So it is
 * nowhere that a killed engine could not go on from, and the run stays as it
 * was.
 */
#include <errno.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"

/* the index of the step that may do it */
static int find(struct engine *e, const char *id, struct error *err)
{
	const struct step *s = plan_find_step(e->plan, id);
	const struct run_step *rs = run_step_find(e->run, id);
	char last[RUN_ID_LEN + 1] = "";

	if (!s || !rs)
		return error_set(err, ERR_USAGE, -EPERM,
				 _("no step '%s' in this plan"), id);
	if (!s->ops->retry)
		return error_set(err, ERR_USAGE, -EPERM,
				 _("step '%s' keeps no records that it "
				   "refused"), id);
	if (rs->state != STEP_APPLIED && rs->state != STEP_VERIFIED)
		return error_set(err, ERR_USAGE, -EPERM,
				 _("step '%s' is not applied"), id);
	if (e->run->state == RUN_ROLLING_BACK ||
	    e->run->state == RUN_ROLLBACK_FAILED)
		return error_set(err, ERR_RUN_OPEN, -EPERM,
				 _("run %s is on its way back"), e->run->id);
	if (state_dir_current(e->sd, last) < 0 || strcmp(last, e->run->id))
		return error_set(err, ERR_NO_WAY_BACK, -EPERM,
			_("run %s is over: run %s came later"), e->run->id,
			last);
	return (int)(rs - e->run->steps);
}

static int record_begin(struct engine *e, int i, struct error *err)
{
	const struct run_step *rs = &e->run->steps[i];
	struct json_object *x = json_object_new_object();

	json_set_int(x, "attempt", rs->attempt);
	json_set_bool(x, "already", rs->already);
	json_set_bool(x, "retry", true);
	return run_record_step(e->run, rs->id, STEP_APPLIED, x, err);
}

static int call(struct engine *e, int i, struct step_retry *r,
		struct error *err)
{
	const struct step *s = e->plan->steps[i];
	struct effects eff = EFFECTS_INIT;
	struct step_ctx c;
	int ret = 0;

	if (e->run->steps[i].effects)
		ret = effects_from_json(e->run->steps[i].effects, &eff);
	if (ret >= 0) {
		step_ctx_init(&c, e, s, PHASE_STEPS);
		c.effects = &eff;
		engine_meter_begin(&c.meter);
		ret = s->ops->retry(s, &c, r, err);
		step_ctx_release(&c);
	}
	effects_release(&eff);
	return ret;
}

static int record_result(struct engine *e, const struct step *s,
			 const struct step_retry *r, struct error *err)
{
	_cleanup_free_ char *text = xasprintf(
		_("%ju passed, %ju are not there any more, %ju are left"),
		(uintmax_t)r->passed, (uintmax_t)r->gone, (uintmax_t)r->left);

	engine_log(e, s->id, "note", text, strlen(text));
	return run_record_decision(e->run, "rejects", s->id, text, err);
}

int engine_retry_step(struct engine *e, const char *id, struct step_retry *r)
{
	int i = find(e, id, &e->err), ret = i, back;
	struct error err = ERROR_INIT;

	if (ret >= 0 && (run_record_process(e->run, "retry-rejects",
					    &e->err) < 0 ||
			 record_begin(e, i, &e->err) < 0))
		return error_code_exit(e->err.code);
	if (ret >= 0)
		ret = call(e, i, r, &e->err);
	/* some may have gone through even so */
	back = i < 0 ? 0 : engine_reapplied(e, i, &err);
	if (ret >= 0 && back < 0) {
		ret = back;
		error_move(&e->err, &err);
	}
	error_release(&err);
	if (ret >= 0)
		ret = record_result(e, e->plan->steps[i], r, &e->err);
	if (ret < 0)
		return engine_exit_of(e, &e->err);
	return r->left ? EXIT_WARNINGS : EXIT_DONE;
}

int engine_rejects(struct engine *e, struct run *run, const char *id,
		   struct strbuf *out)
{
	const struct step *s;
	struct step_ctx c;
	int i, ret;

	engine_adopt(e, run);
	i = ret = find(e, id, &e->err);
	if (ret >= 0) {
		s = e->plan->steps[i];
		step_ctx_init(&c, e, s, PHASE_VERIFY);
		ret = s->ops->rejects(s, &c, out, &e->err);
		step_ctx_release(&c);
	}
	return ret < 0 ? engine_exit_of(e, &e->err) : EXIT_DONE;
}
