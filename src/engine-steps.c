/* SPDX-License-Identifier: MIT */
/*
 * The phase of the steps: order, confirmation, and what follows a failure.
 *
 * A step that failed is probed and, unless its kind goes on where it stopped,
 * put back at once, so that the data stands at the checkpoint before it. Then
 * the policy decides: stop, ask, go on without it (on_error), or roll back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "store-pool.h"

static struct run_step *rs_of(struct engine *e, int i)
{
	return &e->run->steps[i];
}

static bool is_check(const struct step *s)
{
	return s->ops->flags & STEP_IS_CHECK;
}

/* --- failure --- */

static const char *safe_text(struct engine *e, const struct step *s,
			     enum step_probe p)
{
	if (p == PROBE_NOT)
		return engine_has_changed(e) ?
			_("the steps before it are complete; this step "
			  "changed nothing; the backup is verified") :
			_("nothing was changed");
	if (s->ops->flags & STEP_RESUMES && !s->on_error_continue)
		return _("the steps before it are complete; this step is "
			 "partly applied and goes on where it stopped; the "
			 "backup is verified");
	return _("the steps before it are complete; this step is partly "
		 "applied and will be put back first; the backup is verified");
}

static int record_failed(struct engine *e, int i, const struct error *why,
			 enum step_probe p)
{
	struct json_object *x;
	enum step_state st = rs_of(e, i)->state;

	if (!step_state_may(st, STEP_FAILED))
		return 0;
	x = json_object_new_object();
	json_set_str(x, "code", error_code_name(why->code));
	json_set_str(x, "message", why->msg);
	json_set_str(x, "probe", step_probe_name(p));
	return run_record_step(e->run, e->plan->steps[i]->id, STEP_FAILED, x,
			       NULL);
}

/*
 * Says it, and puts back what the step left half done, unless the kind goes on
 * where it stopped, or a person wanted to stop at once.
 */
static enum step_probe fail_step(struct engine *e, int i, struct error *why)
{
	const struct step *s = e->plan->steps[i];
	struct error err = ERROR_INIT;
	enum step_probe p = PROBE_NOT;
	bool stuck = false, begun = rs_of(e, i)->state != STEP_PENDING &&
		rs_of(e, i)->attempt > 0 && !is_check(s);

	if (begun && engine_probe(e, i, &p, &err) < 0)
		p = PROBE_UNKNOWN;
	error_release(&err);
	if (why->code != ERR_JOURNAL && why->code != ERR_CANCELLED &&
	    record_failed(e, i, why, p) >= 0 && begun &&
	    rs_of(e, i)->state == STEP_FAILED &&
	    (!(s->ops->flags & STEP_RESUMES) || s->on_error_continue) &&
	    p != PROBE_UNKNOWN) {
		if (engine_put_back(e, i, &err) >= 0)
			p = PROBE_NOT;
		else
			stuck = true;
	}
	engine_emit_step(e, i, EVENT_FAILED, 0, why->msg);
	engine_emit_error(e, s, why, step_probe_name(p),
			  safe_text(e, s, p));
	if (stuck)
		engine_emit_error(e, s, &err, step_probe_name(p),
				  safe_text(e, s, p));
	e->told = true;
	e->failed_step = s->id;
	e->failed_phase = PHASE_STEPS;
	error_release(&err);
	return p;
}

enum after_failure { AFTER_STOP, AFTER_RETRY, AFTER_SKIP, AFTER_ROLLBACK,
		     AFTER_GO_ON };

static enum after_failure ask_after(struct engine *e, const struct step *s)
{
	static const char *const with_skip[] = { "retry", "skip", "rollback",
						 "stop", NULL };
	static const char *const without[] = { "retry", "rollback", "stop",
					       NULL };
	_cleanup_free_ char *id = xasprintf("failed:%s", s->id);
	_cleanup_free_ char *prompt = xasprintf(_("step '%s' failed"), s->id);
	struct ask a = { .id = id, .kind = ASK_CHOICE, .step = s->id,
			 .prompt = prompt, .def = "stop",
			 .choices = s->optional ? with_skip : without };
	enum after_failure ret = AFTER_STOP;

	if (engine_ask(e, &a, NULL) >= 0 && a.answer) {
		if (!strcmp(a.answer, "retry"))
			ret = AFTER_RETRY;
		else if (!strcmp(a.answer, "skip") && s->optional)
			ret = AFTER_SKIP;
		else if (!strcmp(a.answer, "rollback"))
			ret = AFTER_ROLLBACK;
		if (run_record_decision(e->run, "answer", id, a.answer,
					NULL) < 0)
			ret = AFTER_STOP;
	}
	ask_release(&a);
	return ret;
}

static enum after_failure after_failure(struct engine *e, int i,
					enum step_probe p)
{
	const struct step *s = e->plan->steps[i];

	if (e->err.code == ERR_JOURNAL || e->err.code == ERR_CANCELLED ||
	    e->err.code == ERR_STEP_UNKNOWN)
		return AFTER_STOP;
	if (s->on_error_continue)
		return p == PROBE_NOT ? AFTER_GO_ON : AFTER_STOP;
	switch (e->err.code == ERR_BREACH && s->on_breach_given ?
		s->on_breach : engine_on_failure(e)) {
	case PLAN_ROLLBACK:
		return AFTER_ROLLBACK;
	case PLAN_ASK:
		return ask_after(e, s);
	case PLAN_STOP:
		break;
	}
	return AFTER_STOP;
}

static int exit_after(struct engine *e, enum step_probe p)
{
	if (e->err.code == ERR_JOURNAL)
		return error_code_exit(ERR_JOURNAL);
	if (e->err.code == ERR_STEP_UNKNOWN)
		return EXIT_NEED_ANSWER;
	if (e->err.code == ERR_CANCELLED)
		return engine_cancelled(e) == ENGINE_CANCEL_NOW ?
			EXIT_FAILED : EXIT_STOPPED;
	return p == PROBE_NOT && !engine_has_changed(e) ?
		EXIT_FAILED_UNCHANGED : EXIT_FAILED;
}

static int skip_step(struct engine *e, int i, const char *reason)
{
	struct json_object *x = json_object_new_object();

	json_set_str(x, "reason", reason);
	if (run_record_step(e->run, e->plan->steps[i]->id, STEP_SKIPPED, x,
			    &e->err) < 0)
		return error_code_exit(ERR_JOURNAL);
	engine_emit_step(e, i, EVENT_SKIPPED, 0, reason);
	return 0;
}

/* --- one step with everything around it --- */

static const char *needs_missing(struct engine *e, const struct step *s)
{
	for (size_t i = 0; i < s->needs.n; i++) {
		const struct run_step *rs = run_step_find(e->run,
							  s->needs.v[i]);

		if (rs && rs->state != STEP_VERIFIED)
			return s->needs.v[i];
	}
	return NULL;
}

static char *words_of(const char *id)
{
	char *w = xstrdup(id);

	for (char *p = w; *p; p++)
		if (*p == '-' || *p == '_')
			*p = ' ';
	return w;
}

static int ask_confirm(struct engine *e, const struct step *s,
		       struct error *err)
{
	bool undoable = step_undoable(s);
	_cleanup_free_ char *id = xasprintf("confirm:%s", s->id);
	_cleanup_free_ char *words = words_of(s->id);
	struct ask a = { .id = id, .step = s->id, .undoable = undoable,
			 .prompt = engine_title(e, s),
			 .kind = undoable ? ASK_YES_NO : ASK_WORDS,
			 .def = undoable ? "yes" : NULL,
			 .words = undoable ? NULL : words,
			 .skippable = s->optional };
	int ret;

	if (undoable && e->opts.yes)
		return 0;
	for (size_t i = 0; !undoable && i < e->opts.confirm.n; i++)
		if (ask_words_match(e->opts.confirm.v[i], words))
			return run_record_decision(e->run, "confirm", s->id,
						   words, err);
	ret = engine_ask(e, &a, e->opts.remote ? engine_ask_facts(e, s) :
			 NULL);
	if (ret >= 0 && undoable && !strcmp(a.answer, "all"))
		/* the questions end here, but for steps with no way back */
		e->opts.yes = true;
	else if (ret >= 0 && s->optional && !strcmp(a.answer, "skip") &&
		 (undoable || !ask_words_match("skip", words)))
		ret = 1;
	else if (ret >= 0 && (undoable ? strcmp(a.answer, "yes") != 0 :
			      !ask_words_match(a.answer, words)))
		ret = -ECANCELED;
	if (ret == 0)
		ret = run_record_decision(e->run, "confirm", s->id, a.answer,
					  err);
	else if (ret > 0)
		ret = run_record_decision(e->run, "skip", s->id, NULL, err) < 0 ?
			-EIO : 1;
	else if (ret == -ECANCELED)
		(void)error_set(err, ERR_CANCELLED, ret,
				_("step '%s' was not confirmed"), s->id);
	else
		(void)error_set(err, ERR_CONFIRM, ret,
				_("step '%s' needs a confirmation"), s->id);
	ask_release(&a);
	return ret;
}

/* 0: go; 1: skip; or -ECANCELED, -ENOTTY with err */
static int confirm(struct engine *e, const struct step *s, struct error *err)
{
	if (s->ops->flags & STEP_SIGN_OFF)
		return engine_sign_off(e, s, err);
	return ask_confirm(e, s, err);
}

static int step_failed(struct engine *e, int i, bool *again)
{
	enum step_probe p;
	int ret;

	engine_lease_reason(e, &e->err);
	p = fail_step(e, i, &e->err);

	*again = false;
	switch (after_failure(e, i, p)) {
	case AFTER_RETRY:
		*again = true;
		break;
	case AFTER_SKIP:
		ret = p == PROBE_NOT ? skip_step(e, i, _("skipped after it "
						 "failed")) : EXIT_FAILED;
		if (ret)
			return ret;
		break;
	case AFTER_GO_ON:
		e->warnings++;
		break;
	case AFTER_ROLLBACK:
		return engine_auto_rollback(e);
	case AFTER_STOP:
		return exit_after(e, p);
	}
	error_release(&e->err);
	e->told = false;
	e->failed_step = NULL;
	return 0;
}

static bool not_begun(const struct run_step *rs)
{
	return rs->state == STEP_PENDING || rs->state == STEP_UNDONE ||
		rs->state == STEP_SKIPPED;
}

/* its time has not come, and the run is complete without it */
static int rest(struct engine *e, int i)
{
	_cleanup_error_ struct error why = ERROR_INIT;

	error_move(&why, &e->err);
	return skip_step(e, i, why.msg);
}

/* Who writes rows alone runs no command that could mind a session which does
   nothing, and opens the same stores again and again. */
static int do_step(struct engine *e, int i)
{
	bool holds = e->plan->steps[i]->ops->flags & STEP_ROWS;
	int ret;

	if (holds)
		store_pool_hold(e->pool);
	ret = engine_do_step(e, i, &e->err);
	if (holds)
		store_pool_let_go(e->pool);
	return ret;
}

static int one_step(struct engine *e, int i)
{
	const struct step *s = e->plan->steps[i];
	const char *missing = needs_missing(e, s);
	bool again;
	int ret;

	if (missing) {
		_cleanup_free_ char *why = xasprintf(
			_("it needs step '%s', which was not applied"),
			missing);

		return skip_step(e, i, why);
	}
	if (s->optional && strvec_has(&e->opts.skip, s->id))
		return skip_step(e, i, _("skipped as asked for"));
	if (not_begun(rs_of(e, i))) {
		ret = s->optional ? engine_due(e, s, &e->err) :
				    engine_wait_due(e, s, &e->err);
		if (ret == -EAGAIN && s->optional)
			return rest(e, i);
		if (ret < 0)
			return ret == -EAGAIN ? EXIT_NEED_ANSWER : EXIT_STOPPED;
	}
	if (not_begun(rs_of(e, i)) || s->ops->flags & STEP_SIGN_OFF) {
		ret = confirm(e, s, &e->err);
		if (ret < 0)
			return e->err.code == ERR_CONFIRM ? EXIT_NEED_ANSWER :
				e->err.code == ERR_CANCELLED ? EXIT_STOPPED :
				error_code_exit(e->err.code);
		if (ret)
			return skip_step(e, i, _("skipped as asked for"));
	}
	if (rs_of(e, i)->state != STEP_APPLIED) {
		ret = engine_window(e, s, &e->err);
		if (ret < 0)
			return ret == -EAGAIN ? EXIT_NEED_ANSWER : EXIT_STOPPED;
	}
	do {
		again = false;
		engine_emit_step(e, i, EVENT_STARTED, 0, engine_title(e, s));
		if (do_step(e, i) < 0) {
			ret = step_failed(e, i, &again);
			if (ret)
				return ret;
		} else {
			char point[16];
			struct event ev = { .type = EVENT_CHECKPOINT,
					    .point = point, .id = s->id };

			(void)snprintf(point, sizeof(point), "CP%d", i + 1);
			engine_emit(e, &ev);
			if (!strcmp(s->ops->name, "cutover"))
				engine_notify(e, NOTIFY_CUTOVER, s->id, NULL);
		}
	} while (again);
	return 0;
}

/* Steps that need nothing more in this run. */
static bool settled(struct engine *e, int i)
{
	const struct run_step *rs = rs_of(e, i);

	if (e->opts.run_step && !strcmp(rs->id, e->opts.run_step))
		return rs->state == STEP_VERIFIED;
	return rs->state == STEP_VERIFIED || rs->state == STEP_SKIPPED ||
		(rs->state == STEP_UNDONE && rs->error_msg &&
		 e->plan->steps[i]->on_error_continue);
}

int engine_phase_steps(struct engine *e)
{
	int ret = 0;

	engine_phase(e, PHASE_STEPS, EVENT_STARTED);
	for (int i = 0; i < (int)e->plan->step_n && !ret; i++) {
		if (settled(e, i))
			continue;
		if (engine_cancelled(e))
			ret = EXIT_STOPPED;
		else
			ret = one_step(e, i);
		if (!ret && e->opts.stop_after &&
		    !strcmp(e->opts.stop_after, e->plan->steps[i]->id))
			ret = EXIT_STOPPED;
	}
	if (!ret && engine_cancelled(e))
		ret = EXIT_STOPPED;
	engine_phase(e, PHASE_STEPS, EVENT_DONE);
	return ret;
}
