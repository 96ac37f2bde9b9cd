/* SPDX-License-Identifier: MIT */
/*
 * The check phase, the list of what a batch run lacks, and the dry run: all
 * that looks and changes nothing.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "backup.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "effects.h"
#include "engine-internal.h"
#include "store.h"

const char *engine_check_hint(const struct engine *e, const struct step *s,
			      const struct check_result *r)
{
	return r->hint ? r->hint : plan_text_get(&s->hint, e->opts.lang);
}

void engine_check_settle(const struct step *s, int ret,
			 const struct error *err, struct check_result *r)
{
	if (ret >= 0)
		return;
	check_result_set(r, s->severity_warn ? CHECK_WARN : CHECK_FAIL, "%s",
			 err->msg);
	r->code = (int)err->code;
	/* what the plan says is about what the check would have found */
	if (err->hint)
		r->hint = err->hint;
	else if (ret == -ECONNRESET)
		r->hint = _("See that the server runs, and that its address, "
			    "the user and the password are right. A password "
			    "belongs in ~/.pgpass, which only its owner may "
			    "read.");
	else if (err->code == ERR_PLAN_VALUE)
		r->hint = "";
}

void engine_emit_check(struct engine *e, const struct step *s, int n,
		       enum event_phase phase, const struct check_result *r)
{
	static const enum event_state states[] = {
		[CHECK_OK] = EVENT_OK,
		[CHECK_WARN] = EVENT_WARN,
		[CHECK_FAIL] = EVENT_FAIL,
	};
	struct event ev = {
		.type = phase == PHASE_VERIFY || phase == PHASE_ROLLBACK ?
			EVENT_VERIFY : EVENT_CHECK,
		.id = s->id, .kind = s->ops->name, .n = n,
		.state = states[r->state], .message = r->message.buf,
		.need = r->need, .have = r->have,
	};
	const char *hint = engine_check_hint(e, s, r);

	if (r->state != CHECK_OK && *hint)
		ev.hint = hint;
	engine_emit(e, &ev);
	for (size_t i = 0; i < r->details.n; i++)
		engine_log(e, s->id, "note", r->details.v[i],
			   strlen(r->details.v[i]));
}

int engine_check_one(struct engine *e, const struct step *s,
		     enum event_phase phase, struct check_result *r,
		     struct error *err)
{
	unsigned int tried = 0;
	struct step_ctx c;
	int ret;

	step_ctx_init(&c, e, s, phase);
	do {
		check_result_release(r);
		check_result_init(r);
		ret = s->ops->check(s, &c, r, err);
		/* a table that is locked now is no reason to end a run */
	} while (phase == PHASE_STEPS &&
		 step_store_again(&c, &tried, ret, err));
	if (ret >= 0 && e->dry && c.ran_command)
		check_result_set(r, CHECK_OK, "%s",
				 _("not run in a dry run"));
	step_ctx_release(&c);
	if (ret < 0)
		return ret;
	if (r->state == CHECK_FAIL && s->severity_warn)
		r->state = CHECK_WARN;
	return 0;
}

static void fail_check(struct engine *e, const struct step *s,
		       const struct check_result *r)
{
	const char *hint = engine_check_hint(e, s, r);

	if (error_is_set(&e->err))
		return;
	(void)error_set(&e->err, r->code ? (enum err_code)r->code : ERR_CHECK,
			-EPERM, _("check %s failed: %s"), s->id,
			r->message.buf);
	if (*hint)
		error_hint(&e->err, "%s", hint);
}

static void warn_check(struct engine *e, const struct step *s,
		       const struct check_result *r)
{
	e->warnings++;
	strvec_push(&e->warned, s->id);
	strvec_push(&e->warned, r->message.buf);
}

/* Whoever goes on has seen them. */
static void accept_warnings(struct engine *e)
{
	for (size_t i = 0; e->run && e->run->writable && i < e->warned.n;
	     i += 2) {
		(void)run_record_warning(e->run, e->warned.v[i],
					 e->warned.v[i + 1]);
		(void)run_record_decision(e->run, "accept", e->warned.v[i],
					  NULL, NULL);
	}
	strvec_release(&e->warned);
}

/* Links, mounts and the like that would make the backup untrue. */
static int check_set(struct engine *e)
{
	struct backup_spec spec;
	struct backup_need need = { 0 };
	struct effects set = EFFECTS_INIT;
	int ret = engine_backup_set(e, &set, &e->err);

	if (ret < 0)
		goto out;
	engine_backup_spec(e, &spec);
	spec.set = &set;
	ret = backup_measure(&spec, &need, &e->err);
	if (ret < 0)
		goto out;
	e->set_bytes = need.bytes;
	for (size_t i = 0; i < need.refused.n; i++) {
		engine_log(e, NULL, "note", need.refused.v[i],
			   strlen(need.refused.v[i]));
		ret = -EPERM;
	}
	if (ret < 0)
		(void)error_set(&e->err, ERR_LINK_OUTSIDE, ret,
			"%s", need.refused.v[0]);
	for (size_t i = 0; ret >= 0 && i < need.lost.n; i++)
		engine_warn(e, NULL, need.lost.v[i]);
out:
	backup_need_release(&need);
	effects_release(&set);
	return ret;
}

static int baselines(struct engine *e, struct step **v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct step_ctx c;
		int ret;

		/* without a run nobody compares with it later */
		if (!v[i]->ops->baseline || e->dry || !e->run)
			continue;
		step_ctx_init(&c, e, v[i], PHASE_CHECK);
		ret = v[i]->ops->baseline(v[i], &c, &e->err);
		step_ctx_release(&c);
		if (ret < 0) {
			error_prefix(&e->err, "%s", v[i]->id);
			return ret;
		}
	}
	return 0;
}

/* One check, told where there is something to tell: 0, or 1: it failed. */
static int one_check(struct engine *e, const struct step *s, int n,
		     bool tell_ok)
{
	struct error err = ERROR_INIT;
	struct check_result r;
	int failed, ret;

	check_result_init(&r);
	ret = engine_check_one(e, s, PHASE_CHECK, &r, &err);
	/* it found nothing yet */
	if (ret == -ECANCELED && engine_cancelled(e)) {
		check_result_release(&r);
		error_release(&err);
		return 0;
	}
	engine_check_settle(s, ret, &err, &r);
	if (tell_ok || r.state != CHECK_OK)
		engine_emit_check(e, s, n, PHASE_CHECK, &r);
	failed = r.state == CHECK_FAIL;
	if (failed)
		fail_check(e, s, &r);
	else if (r.state == CHECK_WARN)
		warn_check(e, s, &r);
	check_result_release(&r);
	error_release(&err);
	return failed;
}

/* 0, or 1: a check failed; every check is made and told. */
static int all_checks(struct engine *e)
{
	int failed = 0;

	for (size_t i = 0; i < e->plan->check_n && !engine_cancelled(e); i++)
		failed |= one_check(e, e->plan->checks[i], (int)i + 1, true);
	return failed;
}

/* What a step on a database needs, before the application is stopped for it:
   only failures are told. */
static int look_first(struct engine *e)
{
	int failed = 0;

	for (size_t i = 0; i < e->plan->step_n && !engine_cancelled(e); i++) {
		const struct step *s = e->plan->steps[i];

		if (s->ops->flags & STEP_LOOK_FIRST && !s->on_error_continue &&
		    !(s->optional && strvec_has(&e->opts.skip, s->id)))
			failed |= one_check(e, s,
				(int)(e->plan->check_n + i) + 1, false);
	}
	return failed;
}

/* SQLite tells the journal of a database by its name: whoever opens another one
   does not see it, and what a rollback puts in place of one name leaves the
   other with what the steps wrote */
static int check_names(struct engine *e, const struct step *s)
{
	_cleanup_effects_ struct effects eff = EFFECTS_INIT;
	int ret = s->ops->flags & STEP_IS_CHECK ? 0 :
		engine_step_effects(e, s, &eff, &e->err);

	for (size_t i = 0; ret >= 0 && i < eff.set_n; i++) {
		const struct plan_store *d =
			plan_find_store(e->plan, eff.sets[i].store);
		struct stat st;

		if (eff.sets[i].type == EFFECT_READ || !d ||
		    d->kind != PLAN_STORE_SQLITE ||
		    fs_stat_beneath(e->sd->root_fd, d->path, &st) < 0 ||
		    st.st_nlink < 2)
			continue;
		ret = error_set(&e->err, ERR_LINK_OUTSIDE, -EPERM,
			_("database '%s' has other names (hard links), which "
			  "SQLite does not allow"), d->path);
		error_hint(&e->err, _("leave it one name, or make copies of "
				      "the others"));
	}
	return ret;
}

static int check_all_names(struct engine *e)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < e->plan->step_n; i++)
		ret = check_names(e, e->plan->steps[i]);
	return ret < 0;
}

/* a library that was left out is no state of the world that can change */
static int check_built(struct engine *e)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < e->plan->store_n; i++)
		ret = store_check_built(e->plan->stores[i].url, &e->err);
	return ret < 0;
}

int engine_look(struct engine *e)
{
	int failed = check_built(e);

	if (!failed)
		engine_same_settle(e);
	failed = failed || all_checks(e);
	if (!failed && !engine_cancelled(e))
		failed = look_first(e);
	if (!failed && !engine_cancelled(e))
		failed = check_all_names(e) || check_set(e) < 0;
	if (!failed && !engine_cancelled(e))
		failed = engine_check_ahead(e, &e->err) < 0;
	return failed;
}

int engine_check_exit(const struct engine *e)
{
	return e->err.code == ERR_TOOL ? error_code_exit(ERR_TOOL) :
		EXIT_FAILED_UNCHANGED;
}

/* Nothing was changed: the run is over, so that the next one may begin. */
static int close_run(struct engine *e, int exit)
{
	struct json_object *x;

	if (!e->run || !e->run->writable || engine_has_changed(e) ||
	    e->run->backup.done)
		return exit;
	x = json_object_new_object();
	json_set_int(x, "exit", exit);
	json_object_object_add(x, "phase", json_object_new_string("check"));
	if (e->err.msg)
		json_object_object_add(x, "message",
				       json_object_new_string(e->err.msg));
	/* stopped by the user: there is no error */
	if (error_is_set(&e->err))
		json_set_str(x, "code", error_code_name(e->err.code));
	/* if it cannot be recorded the run stays open, which is safe too */
	(void)run_record_state(e->run, RUN_CLOSED, x, NULL);
	return exit;
}

static int check_round(struct engine *e)
{
	int failed;

	e->warnings = 0;
	strvec_release(&e->warned);
	engine_phase(e, PHASE_CHECK, EVENT_STARTED);
	failed = engine_look(e);
	if (!failed && !engine_cancelled(e))
		failed = baselines(e, e->plan->verify, e->plan->verify_n) < 0 ||
			baselines(e, e->plan->verify_rollback,
				  e->plan->verify_rollback_n) < 0 ||
			baselines(e, e->plan->steps, e->plan->step_n) < 0;
	engine_phase(e, PHASE_CHECK, EVENT_DONE);
	return failed;
}

/*
 * Nothing was changed yet and the application runs: the place to look at what
 * was found, mend it and look again. 1: once more; 0: go on (or, after a
 * failure, give up); or -errno.
 */
static int ask_checks(struct engine *e, int failed)
{
	static const char *const good[] = { "go-on", "retry", "stop", NULL };
	static const char *const bad[] = { "retry", "stop", NULL };
	struct ask a = { .id = "checks", .kind = ASK_CHOICE,
			 .prompt = failed ? _("a check failed") :
				_("the checks passed; the backup is next"),
			 .def = failed ? "stop" : "go-on",
			 .choices = failed ? bad : good };
	int ret;

	if (!e->opts.remote || e->opts.yes || e->err.code == ERR_JOURNAL)
		return 0;
	if (failed) {
		engine_emit_error(e, NULL, &e->err, NULL,
				  _("nothing was changed"));
		e->told = true;
	}
	ret = engine_ask(e, &a, NULL);
	if (ret >= 0 && !strcmp(a.answer, "retry"))
		ret = 1;
	else if (ret >= 0 && !strcmp(a.answer, "stop"))
		ret = -ECANCELED;
	ask_release(&a);
	return ret;
}

int engine_phase_check(struct engine *e)
{
	int failed, again;

	e->failed_phase = PHASE_CHECK;
	do {
		failed = check_round(e);
		again = engine_cancelled(e) ? 0 : ask_checks(e, failed);
		if (again > 0) {
			error_release(&e->err);
			e->told = false;
		}
	} while (again > 0);
	if (failed && e->err.code == ERR_JOURNAL)
		return error_code_exit(ERR_JOURNAL);
	if (failed)
		return close_run(e, engine_check_exit(e));
	if (again == -ECANCELED) {
		(void)close_run(e, EXIT_STOPPED);
		return EXIT_STOPPED;
	}
	if (again < 0) {
		(void)error_set(&e->err, ERR_CONFIRM, again, "%s",
			_("nobody is there to say that the backup may begin"));
		return EXIT_NEED_ANSWER;
	}
	if (engine_cancelled(e))
		return EXIT_STOPPED;
	accept_warnings(e);
	return 0;
}

int engine_check(struct engine *e)
{
	int ret = engine_take_place(e, &e->err) < 0 ?
		engine_exit_of(e, &e->err) : engine_phase_check(e);

	strvec_release(&e->warned);
	if (!ret && e->warnings)
		ret = EXIT_WARNINGS;
	if (error_is_set(&e->err))
		engine_emit_error(e, NULL, &e->err, NULL,
				  _("nothing was changed"));
	return ret;
}

/* --- what a batch run lacks --- */

static bool confirmed(const struct engine *e, const char *id)
{
	_cleanup_free_ char *words = xstrdup(id);

	for (char *p = words; *p; p++)
		if (*p == '-' || *p == '_')
			*p = ' ';
	for (size_t i = 0; i < e->opts.confirm.n; i++)
		if (ask_words_match(e->opts.confirm.v[i], words))
			return true;
	return false;
}

static bool skipped(const struct engine *e, const struct step *s)
{
	return s->optional && strvec_has(&e->opts.skip, s->id);
}

void engine_missing(struct engine *e, struct strvec *ret)
{
	const struct plan *p = e->plan;

	if (!e->opts.yes && p->step_n)
		strvec_push(ret, "--yes");
	for (size_t i = 0; i < p->step_n; i++) {
		const struct step *s = p->steps[i];
		_cleanup_free_ char *words = NULL;

		/* one that may rest is asked for when its time has come */
		if (step_undoable(s) || skipped(e, s) ||
		    (s->optional && s->timed) || confirmed(e, s->id))
			continue;
		words = xstrdup(s->id);
		for (char *q = words; *q; q++)
			if (*q == '-' || *q == '_')
				*q = ' ';
		strvec_pushf(ret, "--confirm \"%s\"", words);
	}
	for (size_t i = 0; i < p->answer_n; i++) {
		const struct plan_answer *a = &p->answers[i];

		if (a->required && !a->def &&
		    !(e->scope && e->scope->answers &&
		      json_object_object_get_ex(e->scope->answers, a->id,
						NULL)))
			strvec_pushf(ret, "--answers FILE (%s = \"...\")",
				     a->id);
	}
}
