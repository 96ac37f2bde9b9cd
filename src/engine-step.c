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

void engine_emit_step(struct engine *e, int i, enum event_state s,
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

/* id: of its step; NULL: it is of the run */
static int wait_child(struct engine *e, const char *id, long pgid, int wait_ms)
{
	int ret = 0;

	for (int t = 0; t < wait_ms; t += CHILD_POLL_MS) {
		ret = child_lock_free(e);
		if (ret)
			return ret;
		if (t == 0) {
			_cleanup_free_ char *s = id ?
				xasprintf(_("waiting for the command of step "
					    "'%s' (process %ld) to end"), id,
					  pgid) :
				xasprintf(_("waiting for a command of the "
					    "run (process %ld) to end"),
					  pgid);

			engine_log(e, id, "note", s, strlen(s));
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

static int await_one(struct engine *e, const char *id, long pgid,
		     uint64_t start, struct error *err)
{
	struct json_object *rec;
	int ret;

	if (!pgid)
		return 0;
	ret = wait_child(e, id, pgid, child_wait_limit());
	if (ret == 0) {
		(void)child_end_group((pid_t)pgid, start);
		ret = wait_child(e, id, pgid, 10000);
	}
	if (ret <= 0 && !id)
		return error_set(err, ERR_STEP_CHILD, -EBUSY,
			_("a command of the run (process %ld) still runs "
			  "and could not be ended"), pgid);
	if (ret <= 0)
		return error_set(err, ERR_STEP_CHILD, -EBUSY,
			_("the command of step '%s' (process %ld) "
			  "still runs and could not be ended"), id, pgid);
	rec = json_object_new_object();
	json_set_str(rec, "what", "child");
	if (id)
		json_set_str(rec, "step", id);
	else
		json_set_bool(rec, "of_run", true);
	json_set_int(rec, "pgid", pgid);
	json_set_bool(rec, "ended", true);
	ret = run_record(e->run, rec, err);
	return MIN(ret, 0);
}

int engine_wait_children(struct engine *e, struct error *err)
{
	int ret = await_one(e, NULL, e->run->child_pgid,
			    e->run->child_start, err);

	for (size_t i = 0; ret >= 0 && i < e->run->step_n; i++) {
		const struct run_step *rs = rs_of(e, (int)i);

		ret = await_one(e, rs->id, rs->child_pgid, rs->child_start,
				err);
	}
	return ret;
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
	ret = run_need_backup(e->run, err);
	if (ret >= 0)
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
	if (s->ops->flags & (STEP_IS_CHECK | STEP_LOOKS))
		json_set_bool(x, "check", true);
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
	struct json_object *x, *schemas = NULL;
	int ret = 0;

	/* ahead of what it left: to look may write beside the file */
	if (!is_check(e->plan->steps[i]))
		schemas = engine_schemas_of(e, i);
	if (!already && !is_check(e->plan->steps[i]))
		ret = take_post_snapshot(e, i, &post, &res, err);
	if (ret < 0) {
		json_object_put(schemas);
		return ret;
	}
	x = json_object_new_object();
	json_set_int(x, "attempt", rs_of(e, i)->attempt);
	json_set_bool(x, "already", already);
	json_set_double(x, "elapsed_s", elapsed);
	if (post)
		json_set_str(x, "post", post);
	if (schemas)
		json_object_object_add(x, "schemas", schemas);
	ret = run_record_step(e->run, e->plan->steps[i]->id, STEP_APPLIED, x,
			      err);
	if (ret >= 0)
		engine_emit_step(e, i, EVENT_APPLIED, elapsed,
			  already ? _("nothing to do") : NULL);
	return ret;
}

int engine_probe(struct engine *e, int i, enum step_probe *ret,
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
		if (ret < 0 && engine_lease_lost(e, err))
			ret = -EBUSY;
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
	/* once: whoever tries again may have mended what the step found */
	if (e->looked && e->looked[i]) {
		e->looked[i] = false;
		return 0;
	}
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
		ret = engine_probe(e, i, &p, err);
		if (ret >= 0 && (p == PROBE_NOT || p == PROBE_PARTLY))
			ret = error_set(err, ERR_STEP_VERIFY, -EBADMSG,
				_("what it should have done is not there"));
	}
	if (ret >= 0)
		ret = run_record_step(e->run, s->id, STEP_VERIFIED, NULL, err);
	if (ret < 0)
		return ret;
	engine_emit_step(e, i, EVENT_VERIFIED, rs_of(e, i)->elapsed_s, NULL);
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
	int ret = engine_ask(e, &a, NULL);

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

int engine_put_back(struct engine *e, int i, struct error *err)
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
	int ret = engine_probe(e, i, &p, err);
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
	if (p == PROBE_PARTLY && (s->ops->flags & STEP_RESUMES) &&
	    (rs_of(e, i)->state == STEP_APPLYING || !s->on_error_continue)) {
		*done = true;
		return finish_attempt(e, i, true, err);
	}
	/* not, too: temporary files and made parents go with it */
	return engine_put_back(e, i, err);
}

int engine_reapplied(struct engine *e, int i, struct error *err)
{
	const struct run_step *rs = rs_of(e, i);
	int ret = record_applied(e, i, rs->already, rs->elapsed_s, err);

	return ret < 0 ? ret : run_record_step(e->run, rs->id, STEP_VERIFIED,
					       NULL, err);
}

/* The whole of one step, wherever it stands. */
int engine_do_step(struct engine *e, int i, struct error *err)
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
		ret = engine_put_back(e, i, err);
		break;
	case STEP_PENDING:
	case STEP_UNDONE:
	case STEP_SKIPPED:
	case STEP_VERIFIED:
	case STEP_STATE_COUNT:
		break;
	}
	if (ret >= 0)
		ret = engine_probe(e, i, &p, err);
	if (ret >= 0 && p == PROBE_FULLY) {
		ret = run_record_step(e->run, rs->id, STEP_APPLIED,
			json_tokener_parse("{\"already\":true}"), err);
		if (ret >= 0)
			engine_emit_step(e, i, EVENT_APPLIED, 0, _("nothing to do"));
		return ret < 0 ? ret : verify_step(e, i, err);
	}
	if (ret >= 0)
		ret = precheck(e, i, err);
	if (ret >= 0)
		ret = begin_attempt(e, i, err);
	return ret < 0 ? ret : finish_attempt(e, i, true, err);
}

