/* SPDX-License-Identifier: MIT */
/*
 * One step: pre-image, intent, change, evidence, verification (I2 to I5).
 *
 *   pending/undone -> [pre-image durable] -> applying -> [change durable]
 *     -> [snapshot of what it left] -> applied -> [verify] -> verified
 *
 * A step found `applying` was cut short. Its kind is asked what the disk says:
 *   fully   the effect is there: go on behind the change
 *   not     nothing of it is there: a new attempt
 *   partly  the pre-image goes back, then a new attempt; or, for a kind that
 *           resumes, apply goes on in the same attempt
 *   unknown nobody can tell from here: a person is asked
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "backup.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"

#define CHILD_WAIT_MS 30000
#define CHILD_POLL_MS 100

void engine_step_name(char *buf, size_t size, const char *id, int attempt,
		      const char *suffix)
{
	(void)snprintf(buf, size, "%s.%d%s", id, attempt, suffix);
}

static struct run_step *rs_of(struct engine *e, int i)
{
	return &e->run->steps[i];
}

static void emit_step(struct engine *e, int i, enum event_state s,
		      double elapsed, const char *message)
{
	const struct step *st = e->plan->steps[i];
	struct event ev = { .type = EVENT_STEP, .id = st->id,
			    .kind = st->ops->name, .n = i + 1,
			    .of = (int)e->plan->step_n, .state = s,
			    .elapsed_s = elapsed, .message = message };

	engine_emit(e, &ev);
}

/* --- a child that outlived its engine --- */

static int child_lock_free(struct engine *e)
{
	_cleanup_close_ int fd = fs_open(e->run->fd, "child.lock",
					 O_RDONLY | O_NOFOLLOW, 0);

	if (fd == -ENOENT)
		return 1;
	if (fd < 0)
		return fd;
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static int wait_child(struct engine *e, struct run_step *rs, int wait_ms)
{
	int ret = 0;

	for (int t = 0; t < wait_ms; t += CHILD_POLL_MS) {
		ret = child_lock_free(e);
		if (ret)
			return ret;
		if (t == 0) {
			_cleanup_free_ char *s = xasprintf(_("waiting for the "
				"command of step '%s' (process %ld) to end"),
				rs->id, rs->child_pgid);

			engine_log(e, rs->id, "note", s, strlen(s));
		}
		if (engine_cancelled(e) == ENGINE_CANCEL_NOW)
			return -ECANCELED;
		(void)poll(NULL, 0, CHILD_POLL_MS);
	}
	return 0;
}

static int child_wait_limit(void)
{
	const char *s = getenv("UPSHIFT_TEST_CHILD_WAIT_MS");

	return s ? atoi(s) : CHILD_WAIT_MS;
}

int engine_wait_children(struct engine *e, struct error *err)
{
	for (size_t i = 0; i < e->run->step_n; i++) {
		struct run_step *rs = rs_of(e, (int)i);
		struct json_object *rec;
		int ret;

		if (!rs->child_pgid)
			continue;
		ret = wait_child(e, rs, child_wait_limit());
		if (ret == 0) {
			(void)child_end_group((pid_t)rs->child_pgid,
					      rs->child_start);
			ret = wait_child(e, rs, 10000);
		}
		if (ret <= 0)
			return error_set(err, ERR_STEP_CHILD, -EBUSY,
				_("the command of step '%s' (process %ld) "
				  "still runs and could not be ended"),
				rs->id, rs->child_pgid);
		rec = json_object_new_object();
		json_set_str(rec, "what", "child");
		json_set_str(rec, "step", rs->id);
		json_set_int(rec, "pgid", rs->child_pgid);
		json_set_bool(rec, "ended", true);
		ret = run_record(e->run, rec, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* --- parts of one attempt --- */

static bool is_check(const struct step *s)
{
	return s->ops->flags & STEP_IS_CHECK;
}

/* Pre-image of what the step is about to change; durable on return (I3). */
static int take_pre_image(struct engine *e, const struct step *s,
			  const struct effects *eff, int attempt,
			  char digest[BLAKE2_TEXT_SIZE], struct error *err)
{
	struct effects set = EFFECTS_INIT;
	struct backup_result res = { 0 };
	struct backup_spec spec;
	char name[STEP_NAME_SIZE];
	int ret;

	for (size_t i = 0; i < eff->n; i++)
		if (eff->v[i].type != EFFECT_READ)
			effects_add(&set, eff->v[i].type, eff->v[i].flags,
				    eff->v[i].path);
	*digest = '\0';
	if (!set.n)
		return 0;
	engine_backup_spec(e, &spec);
	spec.exclude = NULL;
	spec.set = &set;
	spec.start_name = "start";
	spec.start_digest = e->run->backup.manifest_digest;
	engine_step_name(name, sizeof(name), s->id, attempt, "");
	ret = backup_create(e->run->backup_fd, name, &spec, &res, err);
	effects_release(&set);
	if (ret < 0) {
		error_prefix(err, _("step '%s': cannot save what it changes"),
			     s->id);
		return ret;
	}
	memcpy(digest, res.manifest_digest, BLAKE2_TEXT_SIZE);
	return 0;
}

static int record_applying(struct engine *e, const struct step *s,
			   const struct effects *eff, int attempt,
			   const char *pre, struct error *err)
{
	struct json_object *x = json_object_new_object();

	json_set_int(x, "attempt", attempt);
	json_object_object_add(x, "effects", effects_to_json(eff));
	if (*pre)
		json_set_str(x, "pre", pre);
	return run_record_step(e->run, s->id, STEP_APPLYING, x, err);
}

/* What the step left, by digest: a later rollback tells by it what others
   changed since. */
static int take_post_snapshot(struct engine *e, int i, const char **ret_digest,
			      struct backup_result *res, struct error *err)
{
	struct run_step *rs = rs_of(e, i);
	struct effects eff = EFFECTS_INIT, set = EFFECTS_INIT;
	struct backup_spec spec;
	char name[STEP_NAME_SIZE];
	int ret = effects_from_json(rs->effects, &eff);

	*ret_digest = NULL;
	for (size_t k = 0; ret >= 0 && k < eff.n; k++)
		if (eff.v[k].type != EFFECT_READ)
			effects_add(&set, eff.v[k].type, eff.v[k].flags,
				    eff.v[k].path);
	if (ret >= 0 && set.n) {
		engine_backup_spec(e, &spec);
		spec.exclude = NULL;
		spec.set = &set;
		spec.manifest_only = true;
		engine_step_name(name, sizeof(name), rs->id, rs->attempt,
				 ".post");
		ret = backup_create(e->run->backup_fd, name, &spec, res, err);
		*ret_digest = res->manifest_digest;
	}
	effects_release(&eff);
	effects_release(&set);
	return ret;
}

static int record_applied(struct engine *e, int i, bool already,
			  double elapsed, struct error *err)
{
	struct backup_result res = { 0 };
	const char *post = NULL;
	struct json_object *x;
	int ret = 0;

	if (!already && !is_check(e->plan->steps[i]))
		ret = take_post_snapshot(e, i, &post, &res, err);
	if (ret < 0)
		return ret;
	x = json_object_new_object();
	json_set_int(x, "attempt", rs_of(e, i)->attempt);
	json_set_bool(x, "already", already);
	json_set_double(x, "elapsed_s", elapsed);
	if (post)
		json_set_str(x, "post", post);
	ret = run_record_step(e->run, e->plan->steps[i]->id, STEP_APPLIED, x,
			      err);
	if (ret >= 0)
		emit_step(e, i, EVENT_APPLIED, elapsed,
			  already ? _("nothing to do") : NULL);
	return ret;
}

static int probe(struct engine *e, int i, enum step_probe *ret,
		 struct error *err)
{
	const struct step *s = e->plan->steps[i];
	struct step_ctx c;
	int r;

	*ret = PROBE_NOT;
	if (is_check(s) || !s->ops->probe)
		return 0;
	step_ctx_init(&c, e, s, PHASE_STEPS);
	r = s->ops->probe(s, &c, ret, err);
	step_ctx_release(&c);
	return r;
}

/* A check among the steps: passing is its being applied. */
static int apply_check(struct engine *e, const struct step *s,
		       struct error *err)
{
	struct check_result r;
	int ret;

	check_result_init(&r);
	ret = engine_check_one(e, s, PHASE_STEPS, &r, err);
	if (ret >= 0) {
		for (size_t i = 0; i < r.details.n; i++)
			engine_log(e, s->id, "note", r.details.v[i],
				   strlen(r.details.v[i]));
		if (r.state == CHECK_FAIL)
			ret = error_set(err, r.code ? (enum err_code)r.code :
					ERR_CHECK, -EPERM, "%s",
					r.message.buf);
		else if (r.state == CHECK_WARN)
			engine_warn(e, s->id, r.message.buf);
		else
			engine_log(e, s->id, "note", r.message.buf,
				   r.message.len);
	}
	check_result_release(&r);
	return ret;
}

static int undeclared(struct engine *e, const struct step *s,
		      struct watch *w, const struct effects *eff,
		      struct error *err)
{
	struct strvec inside = STRVEC_INIT, elsewhere = STRVEC_INIT;
	int ret = watch_end(w, eff, &inside, &elsewhere, err);

	for (size_t i = 0; ret >= 0 && i < elsewhere.n; i++) {
		_cleanup_free_ char *p = escape_bytes(elsewhere.v[i]);
		_cleanup_free_ char *t = xasprintf(
			_("'%s' was changed, which the step does not declare"),
			p);

		engine_warn(e, s->id, t);
	}
	if (ret >= 0 && inside.n) {
		struct json_object *a = json_object_new_array();
		_cleanup_free_ char *p = escape_bytes(inside.v[0]);

		for (size_t i = 0; i < inside.n; i++)
			json_array_add_bytes(a, inside.v[i]);
		ret = run_record_fact(e->run, s->id, "undeclared", a, err);
		if (ret >= 0)
			ret = error_set(err, ERR_STEP_UNDECLARED, -EPERM,
				_("it changed '%s' (%zu paths in all), which "
				  "it does not declare"), p, inside.n);
	}
	strvec_release(&inside);
	strvec_release(&elsewhere);
	return ret;
}

static int call_apply(struct engine *e, int i, struct error *err)
{
	const struct step *s = e->plan->steps[i];
	struct effects eff = EFFECTS_INIT;
	struct watch *w = NULL;
	struct step_ctx c;
	int ret = 0, r;

	if (rs_of(e, i)->effects)
		ret = effects_from_json(rs_of(e, i)->effects, &eff);
	if (ret >= 0 && (s->ops->flags & STEP_WATCH))
		ret = watch_begin(&w, e, err);
	if (ret >= 0) {
		step_ctx_init(&c, e, s, PHASE_STEPS);
		c.effects = &eff;
		engine_meter_begin(&c.meter);
		ret = s->ops->apply(s, &c, err);
		step_ctx_release(&c);
	}
	if (w && (ret >= 0 || err->code != ERR_CANCELLED)) {
		struct error werr = ERROR_INIT;

		r = undeclared(e, s, w, &eff, &werr);
		if (ret >= 0 && r < 0) {
			ret = r;
			error_move(err, &werr);
		}
		error_release(&werr);
	}
	watch_free(w);
	effects_release(&eff);
	return ret;
}

static int begin_attempt(struct engine *e, int i, struct error *err)
{
	const struct step *s = e->plan->steps[i];
	struct effects eff = EFFECTS_INIT;
	char pre[BLAKE2_TEXT_SIZE];
	int attempt = rs_of(e, i)->attempt + 1;
	int ret = engine_step_effects(e, s, &eff, err);

	if (ret >= 0)
		ret = take_pre_image(e, s, &eff, attempt, pre, err);
	if (ret >= 0)
		ret = record_applying(e, s, &eff, attempt, pre, err);
	effects_release(&eff);
	return ret;
}

/* Read-only: could it be done at all? Nothing is touched if not. */
static int precheck(struct engine *e, int i, struct error *err)
{
	const struct step *s = e->plan->steps[i];
	struct check_result r;
	int ret;

	if (is_check(s) || !s->ops->check)
		return 0;
	check_result_init(&r);
	ret = engine_check_one(e, s, PHASE_STEPS, &r, err);
	if (ret >= 0 && r.state == CHECK_FAIL)
		ret = error_set(err, r.code ? (enum err_code)r.code :
				ERR_STEP, -EPERM, "%s", r.message.buf);
	check_result_release(&r);
	return ret;
}

static int verify_step(struct engine *e, int i, struct error *err)
{
	const struct step *s = e->plan->steps[i];
	enum step_probe p = PROBE_FULLY;
	struct step_ctx c;
	int ret = 0;

	if (!is_check(s) && s->ops->verify) {
		step_ctx_init(&c, e, s, PHASE_STEPS);
		ret = s->ops->verify(s, &c, err);
		step_ctx_release(&c);
	} else if (!is_check(s) && s->ops->probe) {
		ret = probe(e, i, &p, err);
		if (ret >= 0 && (p == PROBE_NOT || p == PROBE_PARTLY))
			ret = error_set(err, ERR_STEP_VERIFY, -EBADMSG,
				_("what it should have done is not there"));
	}
	if (ret >= 0)
		ret = run_record_step(e->run, s->id, STEP_VERIFIED, NULL, err);
	if (ret < 0)
		return ret;
	emit_step(e, i, EVENT_VERIFIED, rs_of(e, i)->elapsed_s, NULL);
	return 0;
}

/* From `applying` (fresh, or resumable and partly) to `verified`. */
static int finish_attempt(struct engine *e, int i, bool apply,
			  struct error *err)
{
	const struct step *s = e->plan->steps[i];
	uint64_t t = clock_mono_ns();
	int ret = 0;

	if (apply)
		ret = is_check(s) ? apply_check(e, s, err) :
			call_apply(e, i, err);
	if (ret >= 0)
		ret = record_applied(e, i, false, clock_since(t), err);
	return ret < 0 ? ret : verify_step(e, i, err);
}

static int ask_unknown(struct engine *e, int i, enum step_probe *p,
		       struct error *err)
{
	static const char *const choices[] = { "applied", "not-applied",
					       "stop", NULL };
	const struct step *s = e->plan->steps[i];
	_cleanup_free_ char *id = xasprintf("unknown:%s", s->id);
	_cleanup_free_ char *prompt = xasprintf(
		_("step '%s' was cut short and nothing can tell whether it "
		  "was applied"), s->id);
	struct ask a = { .id = id, .kind = ASK_CHOICE, .step = s->id,
			 .prompt = prompt, .choices = choices };
	int ret = e->ask ? e->ask(e->ask_ctx, &a) : -ENOTTY;

	if (ret >= 0)
		ret = run_record_decision(e->run, "answer", id, a.answer, err);
	if (ret >= 0 && !strcmp(a.answer, "applied"))
		*p = PROBE_FULLY;
	else if (ret >= 0 && !strcmp(a.answer, "not-applied"))
		*p = PROBE_NOT;
	else if (ret >= 0)
		ret = error_set(err, ERR_CANCELLED, -ECANCELED,
				_("stopped by the user"));
	else if (ret == -ENOTTY || ret == -ECANCELED)
		ret = error_set(err, ERR_STEP_UNKNOWN, -ENOTTY,
			_("step '%s' was cut short and it is unknown whether "
			  "it was applied"), s->id);
	ask_release(&a);
	return ret;
}

static int put_back(struct engine *e, int i, struct error *err)
{
	char aside[STEP_NAME_SIZE];

	engine_step_name(aside, sizeof(aside), e->plan->steps[i]->id,
			 rs_of(e, i)->attempt, ".aside");
	return engine_undo_step(e, i, aside, err);
}

/* The step was `applying` or `failed` when an engine died or stopped. */
static int recover(struct engine *e, int i, bool *done, struct error *err)
{
	const struct step *s = e->plan->steps[i];
	enum step_probe p;
	int ret = probe(e, i, &p, err);
	_cleanup_free_ char *t = NULL;

	*done = false;
	if (ret < 0)
		return ret;
	t = xasprintf(_("was cut short; on the disk it is: %s"),
		      p == PROBE_FULLY ? _("fully applied") :
		      p == PROBE_PARTLY ? _("partly applied") :
		      p == PROBE_NOT ? _("not applied") : _("unknown"));
	engine_log(e, s->id, "note", t, strlen(t));
	if (p == PROBE_UNKNOWN) {
		ret = ask_unknown(e, i, &p, err);
		if (ret < 0)
			return ret;
	}
	if (rs_of(e, i)->state == STEP_APPLYING && p == PROBE_FULLY) {
		*done = true;
		return finish_attempt(e, i, false, err);
	}
	if (rs_of(e, i)->state == STEP_APPLYING && p == PROBE_PARTLY &&
	    (s->ops->flags & STEP_RESUMES)) {
		*done = true;
		return finish_attempt(e, i, true, err);
	}
	/* not, too: temporary files and made parents go with it */
	return put_back(e, i, err);
}

/* The whole of one step, wherever it stands. */
static int do_step(struct engine *e, int i, struct error *err)
{
	struct run_step *rs = rs_of(e, i);
	enum step_probe p;
	bool done = false;
	int ret = 0;

	switch (rs->state) {
	case STEP_APPLIED:
		return verify_step(e, i, err);
	case STEP_APPLYING:
	case STEP_FAILED:
		if (rs->attempt && !is_check(e->plan->steps[i])) {
			ret = recover(e, i, &done, err);
			if (ret < 0 || done)
				return ret;
		}
		break;
	case STEP_UNDOING:
	case STEP_UNDO_FAILED:
		ret = put_back(e, i, err);
		break;
	case STEP_PENDING:
	case STEP_UNDONE:
	case STEP_SKIPPED:
	case STEP_VERIFIED:
	case STEP_STATE_COUNT:
		break;
	}
	if (ret >= 0)
		ret = probe(e, i, &p, err);
	if (ret >= 0 && p == PROBE_FULLY) {
		ret = run_record_step(e->run, rs->id, STEP_APPLIED,
			json_tokener_parse("{\"already\":true}"), err);
		if (ret >= 0)
			emit_step(e, i, EVENT_APPLIED, 0, _("nothing to do"));
		return ret < 0 ? ret : verify_step(e, i, err);
	}
	if (ret >= 0)
		ret = precheck(e, i, err);
	if (ret >= 0)
		ret = begin_attempt(e, i, err);
	return ret < 0 ? ret : finish_attempt(e, i, true, err);
}

/* --- failure --- */

static const char *safe_text(struct engine *e, enum step_probe p)
{
	if (p == PROBE_NOT)
		return engine_has_changed(e) ?
			_("the steps before it are complete; this step "
			  "changed nothing; the backup is verified") :
			_("nothing was changed");
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
	bool begun = rs_of(e, i)->state != STEP_PENDING &&
		rs_of(e, i)->attempt > 0 && !is_check(s);

	if (begun && probe(e, i, &p, &err) < 0)
		p = PROBE_UNKNOWN;
	error_release(&err);
	if (why->code != ERR_JOURNAL && why->code != ERR_CANCELLED &&
	    record_failed(e, i, why, p) >= 0 && begun &&
	    rs_of(e, i)->state == STEP_FAILED &&
	    !(s->ops->flags & STEP_RESUMES) && p != PROBE_UNKNOWN) {
		if (put_back(e, i, &err) >= 0)
			p = PROBE_NOT;
		else
			engine_warn(e, s->id, err.msg);
	}
	emit_step(e, i, EVENT_FAILED, 0, why->msg);
	engine_emit_error(e, s, why, step_probe_name(p), safe_text(e, p));
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

	if (e->ask && e->ask(e->ask_ctx, &a) >= 0 && a.answer) {
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
	switch (engine_on_failure(e)) {
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
		return EXIT_FAILED;
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
	emit_step(e, i, EVENT_SKIPPED, 0, reason);
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

/* 0: go; 1: skip; or -ECANCELED, -ENOTTY with err */
static int confirm(struct engine *e, const struct step *s, struct error *err)
{
	bool undoable = step_undoable(s);
	_cleanup_free_ char *id = xasprintf("confirm:%s", s->id);
	_cleanup_free_ char *words = words_of(s->id);
	struct ask a = { .id = id, .step = s->id, .undoable = undoable,
			 .prompt = engine_title(e, s),
			 .kind = undoable ? ASK_YES_NO : ASK_WORDS,
			 .def = undoable ? "yes" : NULL,
			 .words = undoable ? NULL : words };
	int ret;

	if (undoable && e->opts.yes)
		return 0;
	for (size_t i = 0; !undoable && i < e->opts.confirm.n; i++)
		if (ask_words_match(e->opts.confirm.v[i], words))
			return run_record_decision(e->run, "confirm", s->id,
						   words, err);
	ret = e->ask ? e->ask(e->ask_ctx, &a) : -ENOTTY;
	if (ret >= 0 && (undoable ? strcmp(a.answer, "yes") != 0 :
			 !ask_words_match(a.answer, words)))
		ret = -ECANCELED;
	if (ret >= 0)
		ret = run_record_decision(e->run, "confirm", s->id, a.answer,
					  err);
	else if (ret == -ECANCELED)
		(void)error_set(err, ERR_CANCELLED, ret,
				_("step '%s' was not confirmed"), s->id);
	else
		(void)error_set(err, ERR_CONFIRM, ret,
				_("step '%s' needs a confirmation"), s->id);
	ask_release(&a);
	return ret;
}

static int step_failed(struct engine *e, int i, bool *again)
{
	enum step_probe p = fail_step(e, i, &e->err);
	int ret;

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
	if (rs_of(e, i)->state == STEP_PENDING ||
	    rs_of(e, i)->state == STEP_UNDONE) {
		ret = confirm(e, s, &e->err);
		if (ret < 0)
			return e->err.code == ERR_CONFIRM ? EXIT_NEED_ANSWER :
				e->err.code == ERR_CANCELLED ? EXIT_STOPPED :
				error_code_exit(e->err.code);
	}
	do {
		again = false;
		emit_step(e, i, EVENT_STARTED, 0, engine_title(e, s));
		if (do_step(e, i, &e->err) < 0) {
			ret = step_failed(e, i, &again);
			if (ret)
				return ret;
		} else {
			char point[16];
			struct event ev = { .type = EVENT_CHECKPOINT,
					    .point = point, .id = s->id };

			(void)snprintf(point, sizeof(point), "CP%d", i + 1);
			engine_emit(e, &ev);
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
