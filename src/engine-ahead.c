/* SPDX-License-Identifier: MIT */
/*
 * Steps looked at before any of them is applied: what they build on, whether
 * the programs they start are there, and the dry run.
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-pgdump.h"
#include "engine-snapshot.h"

/* what each step would touch, against the tree as it is now */
static struct effects *all_effects(struct engine *e)
{
	struct effects *all = xcalloc(e->plan->step_n + 1, sizeof(*all));

	for (size_t i = 0; i < e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		struct error err = ERROR_INIT;

		if (engine_step_effects(e, s, &all[i], &err) < 0)
			engine_log(e, s->id, "note", err.msg,
				   strlen(err.msg));
		error_release(&err);
	}
	return all;
}

static void free_effects(struct engine *e, struct effects *all)
{
	for (size_t i = 0; i < e->plan->step_n; i++)
		effects_release(&all[i]);
	free(all);
}

/*
 * The step before i whose result this one builds on, by its paths or by its
 * word. pending: what would do anything at all; NULL: all of them.
 */
static const char *builds_on(struct engine *e, const struct effects *all,
			     const bool *pending, size_t i)
{
	const struct effects *mine = &all[i];

	for (size_t k = 0; k < i; k++) {
		const char *id = e->plan->steps[k]->id;

		if (pending && !pending[k])
			continue;
		if (strvec_has(&e->plan->steps[i]->needs, id))
			return id;
		for (size_t j = 0; j < mine->n; j++)
			if (effects_cover(&all[k], mine->v[j].path))
				return id;
	}
	return NULL;
}

static bool writes_to(const struct effects *eff, const struct plan_store *st)
{
	const char *name = st->same ? st->same : st->name;

	for (size_t i = 0; i < eff->set_n; i++)
		if (eff->sets[i].type != EFFECT_READ &&
		    !strcmp(eff->sets[i].store, name))
			return true;
	return eff->outside || strvec_has(&eff->servers, name) ||
		(st->path && effects_cover(eff, st->path));
}

bool engine_made_before(struct engine *e, const struct step *s,
			const struct plan_store *st)
{
	bool made = false;

	for (size_t i = 0; !made && i < e->plan->step_n &&
	     e->plan->steps[i] != s; i++) {
		_cleanup_effects_ struct effects eff = EFFECTS_INIT;
		struct error err = ERROR_INIT;

		/* what cannot be told now may be that */
		made = engine_step_effects(e, e->plan->steps[i], &eff,
					   &err) < 0 || writes_to(&eff, st);
		error_release(&err);
	}
	return made;
}

/* --- programs --- */

/* A failure of such a step is no reason not to begin. */
static bool may_fail(const struct engine *e, const struct step *s)
{
	return s->on_error_continue ||
		(s->optional && strvec_has(&e->opts.skip, s->id));
}

static void keep_first(struct error *err, const struct step *s, int code,
		       const char *what, const char *hint)
{
	if (error_is_set(err))
		return;
	(void)error_set(err, code ? (enum err_code)code : ERR_STEP, -EPERM,
			_("step '%s': %s"), s->id, what);
	if (*hint)
		error_hint(err, "%s", hint);
}

static int check_tool(struct engine *e, const struct step *s,
		      struct error *err)
{
	struct error one = ERROR_INIT;
	struct check_result r;
	int ret = 0;

	check_result_init(&r);
	/* whatever else it finds is found again, and told, with the step */
	if (engine_check_one(e, s, PHASE_CHECK, &r, &one) >= 0 &&
	    r.state == CHECK_FAIL && r.code == ERR_TOOL) {
		ret = -ENOENT;
		keep_first(err, s, ERR_TOOL, r.message.buf, "");
	}
	check_result_release(&r);
	error_release(&one);
	return ret;
}

/* --- documents --- */

/* 1: it cannot be done */
static int check_early(struct engine *e, size_t i, struct error *err)
{
	const struct step *s = e->plan->steps[i];
	struct error one = ERROR_INIT;
	struct check_result r;
	const char *what = NULL;
	int ret;

	check_result_init(&r);
	ret = engine_check_one(e, s, PHASE_CHECK, &r, &one);
	if (ret == -ECANCELED && engine_cancelled(e))
		what = NULL;
	else if (ret < 0)
		what = one.msg;
	else if (r.state == CHECK_FAIL)
		what = r.message.buf;
	if (what) {
		engine_log(e, s->id, "note", what, strlen(what));
		keep_first(err, s, ret < 0 ? (int)one.code : r.code, what,
			   plan_text_get(&s->hint, e->opts.lang));
	} else if (ret >= 0) {
		e->looked[i] = true;
	}
	check_result_release(&r);
	error_release(&one);
	return what != NULL;
}

/* what step i can be asked now; 1: it failed */
static int check_ahead(struct engine *e, const struct effects *all, size_t i,
		       struct error *err)
{
	const struct step *s = e->plan->steps[i];

	if (may_fail(e, s) || builds_on(e, all, NULL, i))
		return 0;
	if (s->ops->flags & STEP_WATCH)
		return check_tool(e, s, err) < 0;
	return s->ops->flags & STEP_EARLY && check_early(e, i, err);
}

int engine_check_ahead(struct engine *e, struct error *err)
{
	struct effects *all = all_effects(e);
	int failed = engine_snapshot_check(e, err) < 0 ||
		engine_pgdump_check(e, err) < 0;

	free(e->looked);
	e->looked = xcalloc(e->plan->step_n + 1, sizeof(*e->looked));
	for (size_t i = 0; i < e->plan->step_n && !engine_cancelled(e); i++) {
		failed |= check_ahead(e, all, i, err);
		/* nobody knows what it would install, or change */
		if (all[i].outside && e->plan->steps[i]->ops->flags &
		    STEP_WATCH)
			break;
	}
	free_effects(e, all);
	return failed ? -EPERM : 0;
}

/* --- dry run --- */

static void preview_text(struct engine *e, const struct step *s,
			 const struct preview *p)
{
	for (size_t i = 0; i < p->lines.n; i++)
		engine_log(e, s->id, "preview", p->lines.v[i],
			   strlen(p->lines.v[i]));
}

/* what its check finds, or NULL; err and r own it */
static const char *what_is_wrong(struct engine *e, size_t i,
				 struct step_ctx *c, struct check_result *r,
				 struct error *err)
{
	const struct step *s = e->plan->steps[i];
	int ret;

	error_release(err);
	if (!s->ops->check || (e->looked && e->looked[i]))
		return NULL;
	ret = s->ops->check(s, c, r, err);
	if (c->ran_command || ret == -ECANCELED)
		return NULL;
	if (ret < 0)
		return err->msg;
	return r->state == CHECK_FAIL ? r->message.buf : NULL;
}

static int preview_one(struct engine *e, size_t i,
		       const struct effects *all, const bool *before)
{
	const struct step *s = e->plan->steps[i];
	struct preview p = { 0 };
	struct error err = ERROR_INIT;
	struct check_result r;
	struct step_ctx c;
	const char *on = builds_on(e, all, before, i), *wrong;
	enum step_probe probe = PROBE_UNKNOWN;
	struct event ev = { .type = EVENT_STEP, .id = s->id,
			    .n = (int)i + 1, .of = (int)e->plan->step_n,
			    .kind = s->ops->name };
	_cleanup_free_ char *text = NULL;
	int pending = 1;

	step_ctx_init(&c, e, s, PHASE_STEPS);
	check_result_init(&r);
	if (s->ops->flags & STEP_IS_CHECK) {
		ev.message = _("a check; nothing is changed");
		pending = 0;
	} else if (on) {
		text = xasprintf(_("depends on step '%s'"), on);
		ev.message = text;
	} else if (s->ops->probe && s->ops->probe(s, &c, &probe, &err) >= 0 &&
		   probe == PROBE_FULLY && !c.ran_command) {
		ev.message = _("nothing to do");
		pending = 0;
	} else if ((wrong = what_is_wrong(e, i, &c, &r, &err))) {
		ev.message = wrong;
		ev.state = EVENT_FAIL;
	} else {
		ev.message = _("would be applied");
	}
	engine_emit(e, &ev);
	error_release(&err);
	if (pending && s->ops->preview &&
	    s->ops->preview(s, &c, &p, &err) >= 0)
		preview_text(e, s, &p);
	if (error_is_set(&err))
		engine_log(e, s->id, "note", err.msg, strlen(err.msg));
	strvec_release(&p.lines);
	check_result_release(&r);
	step_ctx_release(&c);
	error_release(&err);
	return pending;
}

int engine_dry_run(struct engine *e)
{
	_cleanup_free_ bool *pending = xcalloc(e->plan->step_n + 1,
					       sizeof(*pending));
	struct effects *all;
	int any = 0, failed;

	e->dry = true;
	if (engine_take_place(e, &e->err) < 0) {
		engine_emit_error(e, NULL, &e->err, NULL,
				  _("nothing was changed"));
		return engine_exit_of(e, &e->err);
	}
	failed = engine_look(e);
	engine_snapshot_preview(e);
	all = all_effects(e);
	for (size_t i = 0; i < e->plan->step_n; i++)
		any |= pending[i] = preview_one(e, i, all, pending);
	free_effects(e, all);
	if (failed) {
		engine_emit_error(e, NULL, &e->err, NULL,
				  _("nothing was changed"));
		return engine_check_exit(e);
	}
	return any ? EXIT_PENDING : EXIT_DONE;
}
