/* SPDX-License-Identifier: MIT */
/*
 * Verification: the plan's own list, what `unchanged` compares, and the levels
 * of `upshift verify`.
 */
#include <errno.h>
#include <string.h>

#include "backup.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "manifest.h"

#define DETAILS_MAX 100

/* --- `unchanged` --- */

struct differences {
	struct strvec *details;
	uint64_t n;
	const struct effects *mask;  /* differences below it are expected */
};

/* a directory whose entries a step changed has another time since */
static bool holds_effect(const struct effects *mask, const char *path)
{
	for (size_t i = 0; i < mask->n; i++)
		if (mask->v[i].type != EFFECT_READ &&
		    path_is_below(mask->v[i].path, path))
			return true;
	return false;
}

static int add_difference(void *ctx, const char *path, const char *what,
			  unsigned int diff)
{
	struct differences *d = ctx;
	_cleanup_free_ char *shown = NULL;

	if (d->mask && (effects_cover(d->mask, path) ||
			(diff == ITEM_DIFF_MTIME &&
			 holds_effect(d->mask, path))))
		return 0;
	shown = escape_bytes(path);
	if (d->n++ < DETAILS_MAX)
		strvec_pushf(d->details, "'%s': %s", shown, what);
	return 0;
}

static int compare_lists(struct engine *e, const struct strvec *saved,
			 const struct strvec *seen, struct differences *d,
			 uint64_t *items, struct error *err)
{
	struct compare_spec spec = { .digests = true, .live = true,
				     .differs = add_difference, .ctx = d };
	const char *snap = json_get_str(e->run->facts, "snapshot", NULL);
	uint64_t n = 0;
	int ret = 0;

	*items = 0;
	if (saved->n) {
		spec.paths = saved;
		ret = engine_compare(e, "start",
				     e->run->backup.manifest_digest, &spec,
				     &n, err);
		*items += n;
	}
	if (ret >= 0 && seen->n && snap) {
		spec.paths = seen;
		ret = engine_compare(e, "snapshot", snap, &spec, &n, err);
		*items += n;
	}
	return ret;
}

int step_compare_unchanged(struct step_ctx *c, const struct strvec *paths,
			   struct check_result *r, struct error *err)
{
	struct engine *e = c->e;
	_cleanup_strvec_ struct strvec saved = STRVEC_INIT;
	_cleanup_strvec_ struct strvec seen = STRVEC_INIT;
	struct differences d = { .details = &r->details };
	struct effects set = EFFECTS_INIT;
	uint64_t items = 0;
	int ret;

	if (!e->run || !e->run->backup.done) {
		check_result_set(r, CHECK_OK, "%s",
				 _("there is no backup yet to compare with"));
		return 0;
	}
	ret = engine_backup_set(e, &set, err);
	for (size_t i = 0; ret >= 0 && i < paths->n; i++)
		strvec_push(effects_cover(&set, paths->v[i]) ? &saved : &seen,
			    paths->v[i]);
	if (ret >= 0)
		ret = compare_lists(e, &saved, &seen, &d, &items, err);
	effects_release(&set);
	if (ret < 0)
		return ret;
	if (d.n) {
		check_result_set(r, CHECK_FAIL, ngettext(
			"%llu path is not as it was before: %s",
			"%llu paths are not as they were before: %s", d.n),
			(unsigned long long)d.n, r->details.v[0]);
		r->code = ERR_VERIFY;
	} else {
		check_result_set(r, CHECK_OK, ngettext(
			"%llu item, every byte as before",
			"%llu items, every byte as before", items),
			(unsigned long long)items);
	}
	return 0;
}

/* --- the plan's list --- */

static const char *const check_state_names[] = {
	[CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "fail",
};

static int record_verify(struct engine *e, const struct step *s,
			 const struct check_result *r)
{
	struct json_object *rec;

	if (!e->run->writable)
		return 0;
	rec = json_object_new_object();
	json_set_str(rec, "what", "verify");
	json_set_str(rec, "id", s->id);
	json_set_str(rec, "state", check_state_names[r->state]);
	json_set_bytes(rec, "message", r->message.buf);
	json_set_str(rec, "audit", r->audit);
	return run_record(e->run, rec, &e->err);
}

/* every verification is made and told; the first failure is the error */
static int verify_list(struct engine *e, struct step **v, size_t n,
		       enum event_phase phase, struct error *err)
{
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		struct error one = ERROR_INIT;
		struct check_result r;
		int ret;

		check_result_init(&r);
		ret = engine_check_one(e, v[i], phase, &r, &one);
		if (ret < 0 && one.code == ERR_CANCELLED) {
			error_move(err, &one);
			check_result_release(&r);
			return -ECANCELED;
		}
		engine_check_settle(v[i], ret, &one, &r);
		engine_emit_check(e, v[i], (int)i + 1, phase, &r);
		if (r.state == CHECK_WARN)
			e->warnings++;
		if (r.state == CHECK_FAIL && !failed) {
			const char *hint = engine_check_hint(e, v[i], &r);

			failed = error_set(err, phase == PHASE_ROLLBACK ?
				ERR_ROLLBACK_VERIFY : ERR_VERIFY, -EBADMSG,
				_("verification %s failed: %s"), v[i]->id,
				r.message.buf);
			if (*hint)
				error_hint(err, "%s", hint);
		}
		if (record_verify(e, v[i], &r) < 0)
			failed = failed ? failed : -EIO;
		check_result_release(&r);
		error_release(&one);
	}
	return failed;
}

enum after_verify { VERIFY_KEEP, VERIFY_AGAIN, VERIFY_ROLLBACK };

static enum after_verify ask_verify(struct engine *e)
{
	static const char *const choices[] = { "retry", "rollback", "stop",
					       NULL };
	struct ask a = { .id = "failed:verify", .kind = ASK_CHOICE,
			 .prompt = _("a verification failed"),
			 .def = "stop", .choices = choices };
	enum after_verify after = VERIFY_KEEP;

	if (engine_ask(e, &a, NULL) >= 0 && a.answer) {
		if (!strcmp(a.answer, "retry"))
			after = VERIFY_AGAIN;
		else if (!strcmp(a.answer, "rollback"))
			after = VERIFY_ROLLBACK;
		if (run_record_decision(e->run, "answer", a.id, a.answer,
					NULL) < 0)
			after = VERIFY_KEEP;
	}
	ask_release(&a);
	return after;
}

static enum after_verify after_verify(struct engine *e)
{
	switch (engine_on_failure(e)) {
	case PLAN_ROLLBACK:
		return VERIFY_ROLLBACK;
	case PLAN_ASK:
		return ask_verify(e);
	case PLAN_STOP:
		break;
	}
	return VERIFY_KEEP;
}

/* 0, an exit status, or -EAGAIN: once more */
static int verify_round(struct engine *e)
{
	int ret;

	engine_phase(e, PHASE_VERIFY, EVENT_STARTED);
	ret = verify_list(e, e->plan->verify, e->plan->verify_n,
			  PHASE_VERIFY, &e->err);
	engine_phase(e, PHASE_VERIFY, EVENT_DONE);
	if (ret >= 0)
		return 0;
	engine_lease_reason(e, &e->err);
	if (e->err.code == ERR_CANCELLED)
		return EXIT_STOPPED;
	if (e->err.code == ERR_JOURNAL)
		return error_code_exit(ERR_JOURNAL);
	engine_emit_error(e, NULL, &e->err, NULL,
			  _("all steps are applied; the backup is verified"));
	e->told = true;
	switch (after_verify(e)) {
	case VERIFY_ROLLBACK:
		return engine_auto_rollback(e);
	case VERIFY_AGAIN:
		error_release(&e->err);
		e->told = false;
		return -EAGAIN;
	case VERIFY_KEEP:
		break;
	}
	return EXIT_VERIFY_FAILED;
}

int engine_phase_verify(struct engine *e)
{
	int ret;

	e->failed_phase = PHASE_VERIFY;
	do
		ret = verify_round(e);
	while (ret == -EAGAIN);
	return ret;
}

int engine_verify_rollback(struct engine *e, struct error *err)
{
	return verify_list(e, e->plan->verify_rollback,
			   e->plan->verify_rollback_n, PHASE_ROLLBACK, err);
}

/* --- levels --- */

static bool applied(const struct run_step *rs)
{
	return (rs->state == STEP_VERIFIED || rs->state == STEP_APPLIED) &&
		rs->attempt > 0 && !rs->already;
}

/* what steps after i wrote over */
static int later_effects(struct engine *e, size_t i, struct effects *ret)
{
	int r = 0;

	for (size_t k = i; r >= 0 && k < e->run->step_n; k++) {
		struct effects one = EFFECTS_INIT;

		if (!applied(&e->run->steps[k]) || !e->run->steps[k].effects)
			continue;
		r = effects_from_json(e->run->steps[k].effects, &one);
		for (size_t j = 0; r >= 0 && j < one.n; j++)
			if (one.v[j].type != EFFECT_READ)
				effects_add(ret, one.v[j].type,
					    one.v[j].flags, one.v[j].path);
		effects_release(&one);
	}
	return r;
}

static void paths_of(const struct effects *eff, struct strvec *ret)
{
	for (size_t i = 0; i < eff->n; i++)
		if (eff->v[i].type != EFFECT_READ &&
		    !(eff->v[i].flags & EFFECT_SELF))
			strvec_push(ret, eff->v[i].path);
}

/* The tree: what steps left as they left it, the rest as `start` has it. */
static int verify_tree(struct engine *e, bool digests, struct differences *d,
		       struct error *err)
{
	struct compare_spec spec = { .digests = digests, .live = true,
				     .schemas = true,
				     .differs = add_difference, .ctx = d };
	uint64_t n;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i <= e->run->step_n; i++) {
		_cleanup_strvec_ struct strvec paths = STRVEC_INIT;
		struct effects later = EFFECTS_INIT, mine = EFFECTS_INIT;
		const struct run_step *rs = i ? &e->run->steps[i - 1] : NULL;
		char name[STEP_NAME_SIZE] = "start";

		ret = later_effects(e, i, &later);
		effects_index(&later);
		d->mask = &later;
		if (ret >= 0 && !rs) {
			strvec_copy(&paths, &e->plan->include);
		} else if (ret >= 0 && applied(rs) && rs->post_digest) {
			ret = effects_from_json(rs->effects, &mine);
			paths_of(&mine, &paths);
			engine_step_name(name, sizeof(name), rs->id,
					 rs->attempt, ".post");
		}
		spec.paths = &paths;
		if (ret >= 0 && paths.n)
			ret = engine_compare(e, name, rs ? rs->post_digest :
					     e->run->backup.manifest_digest,
					     &spec, &n, err);
		effects_release(&later);
		effects_release(&mine);
	}
	return ret;
}

void engine_set_level(struct engine *e, enum plan_level level)
{
	e->level = level;
}

/* The plan's list holds once all steps are done, be the run complete or stopped
   by a verification; that of a rollback once everything is undone. */
static int verify_plan(struct engine *e, struct error *err)
{
	static const char early[] = N_("the plan's verifications were not made: "
				       "not all steps are done");
	const struct run *r = e->run;
	size_t done = 0;

	if (r->state == RUN_ROLLED_BACK && !run_is_open(r))
		return engine_verify_rollback(e, err);
	for (size_t i = 0; i < r->step_n; i++)
		done += r->steps[i].state == STEP_VERIFIED ||
			r->steps[i].state == STEP_SKIPPED;
	if (r->state == RUN_COMPLETE || (r->step_n && done == r->step_n))
		return verify_list(e, e->plan->verify, e->plan->verify_n,
				   PHASE_VERIFY, err);
	if (e->plan->verify_n)
		engine_log(e, NULL, "note", _(early), strlen(_(early)));
	return 0;
}

int engine_verify(struct engine *e, struct run *run, enum engine_level level)
{
	_cleanup_strvec_ struct strvec details = STRVEC_INIT;
	_cleanup_error_ struct error other = ERROR_INIT;
	struct differences d = { .details = &details };
	int ret = 0;

	engine_adopt(e, run);
	engine_phase(e, PHASE_VERIFY, EVENT_STARTED);
	ret = run_need_backup(run, &e->err);
	if (ret >= 0 && run->backup.done)
		ret = backup_verify(run->backup_fd, "start",
				    run->backup.archive_digest,
				    run->backup.manifest_digest,
				    level >= LEVEL_FORENSIC, &e->err);
	if (ret >= 0 && level >= LEVEL_STANDARD && run->backup.done)
		ret = verify_tree(e, level >= LEVEL_RIGOROUS, &d, &e->err);
	d.mask = NULL;
	if (ret >= 0 && level >= LEVEL_STANDARD && run->backup.done)
		ret = engine_schemas_verify(e, level, add_difference, &d,
					    &e->err);
	for (size_t i = 0; i < details.n; i++)
		engine_log(e, NULL, "note", details.v[i],
			   strlen(details.v[i]));
	if (ret >= 0 && d.n)
		ret = error_set(&e->err, ERR_VERIFY, -EBADMSG, ngettext(
			"%llu path is not as this run left it: %s",
			"%llu paths are not as this run left them: %s", d.n),
			(unsigned long long)d.n, details.v[0]);
	/* what the plan says of it is told in any case */
	if (ret >= 0)
		ret = verify_plan(e, &e->err);
	else if (e->err.code == ERR_VERIFY)
		(void)verify_plan(e, &other);
	engine_phase(e, PHASE_VERIFY, EVENT_DONE);
	if (ret < 0) {
		engine_emit_error(e, NULL, &e->err, NULL,
				  _("nothing was changed by this look"));
		return EXIT_VERIFY_FAILED;
	}
	return e->warnings ? EXIT_WARNINGS : EXIT_DONE;
}
