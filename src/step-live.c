/* SPDX-License-Identifier: MIT */
#include "step-live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "effects.h"
#include "records-live.h"
#include "step-records.h"

#define LITTLE 1000u             /* entries that come in during a pass */
#define PASSES 30u
#define LAST_PASSES 10u
/* passes in which as much came in as in the one before: more do not help */
#define STEADY_PASSES 3u

static const struct records_step *live_step(const struct step *s)
{
	const struct records_step *m =
		s->ops && s->ops->flags & STEP_COPIES ? s->priv : NULL;

	return m && m->live ? m : NULL;
}

/* --- by the plan --- */

static bool takes_triggers(const struct plan_set *set)
{
	return set->store && (set->store->kind == PLAN_STORE_PG ||
			      set->store->kind == PLAN_STORE_SQLITE);
}

static bool is_ended(const struct step *s, const struct plan *p)
{
	int at = plan_step_index(p, s->id);

	for (size_t i = at < 0 ? 0 : (size_t)at + 1; i < p->step_n; i++) {
		const struct step *k = p->steps[i];
		const struct strvec *copies = k->ops && k->ops->ends ?
					      k->ops->ends(k) : NULL;

		if (copies && strvec_has(copies, s->id))
			return true;
	}
	return false;
}

void step_live_lint(const struct step *s, const struct plan *p,
		    struct plan_problems *problems)
{
	const struct records_step *m = live_step(s);

	if (!m)
		return;
	if (!takes_triggers(&m->from) || !takes_triggers(&m->to))
		plan_problem_add(problems, s->line, _("step '%s': 'live' goes "
			"from a database to a database"), s->id);
	else if (m->from.query)
		plan_problem_add(problems, s->line, _("step '%s': the rows of "
			"a query cannot be 'live'"), s->id);
	else if (m->from.store->path && m->to.store->path &&
		 !strcmp(m->from.store->path, m->to.store->path))
		plan_problem_add(problems, s->line, _("step '%s': with 'live' "
			"the source cannot be the file that a rollback "
			"brings back"), s->id);
	if (m->conflict == STORE_SKIP)
		plan_problem_add(problems, s->line, _("step '%s': 'live' and "
			"'on_conflict = \"skip\"' exclude each other"), s->id);
	if (!is_ended(s, p))
		plan_problem_add(problems, s->line, _("step '%s': 'live', but "
			"no cutover behind it has it in its 'copies'"), s->id);
}

void step_live_lint_end(const struct step *s, const struct plan *p,
			const struct strvec *copies, const char *store,
			const struct strvec *fence,
			struct plan_problems *problems)
{
	for (size_t i = 0; i < copies->n; i++) {
		int at = plan_step_index(p, copies->v[i]);
		const struct step *k = at < 0 ? NULL : p->steps[at];
		const struct records_step *m;

		if (!k || !k->ops || !(k->ops->flags & STEP_COPIES)) {
			plan_problem_add(problems, s->line,
				_("step '%s': step '%s' copies no records"),
				s->id, copies->v[i]);
			continue;
		}
		m = k->priv;
		if (m->from.query || strcmp(m->from.store->name, store) ||
		    !strvec_has(fence, m->from.set))
			plan_problem_add(problems, s->line,
				_("step '%s': '%s' is copied by '%s' and not "
				  "in the fence"), s->id, m->from.set, k->id);
	}
}

void step_live_effects(const struct plan *p, const struct strvec *copies,
		       struct effects *out)
{
	for (size_t i = 0; i < copies->n; i++) {
		int at = plan_step_index(p, copies->v[i]);
		const struct records_step *m;

		/* a plan that is wrong: lint has said so */
		if (at < 0 || !p->steps[at]->ops ||
		    !(p->steps[at]->ops->flags & STEP_COPIES))
			continue;
		m = p->steps[at]->priv;
		if (m->to.store)
			effects_add_set(out, EFFECT_CHANGE, m->to.store->name,
					m->to.set);
	}
}

/* --- the capture --- */

bool step_live_into_file(const struct plan *p, const struct strvec *copies)
{
	for (size_t i = 0; i < copies->n; i++) {
		int at = plan_step_index(p, copies->v[i]);
		const struct records_step *m = live_step(p->steps[at]);

		if (m && m->to.store->path)
			return true;
	}
	return false;
}


bool step_live_owns(const struct step *s, struct step_ctx *ctx)
{
	const struct records_step *m = s->priv;
	const struct plan *p = step_plan(ctx);
	struct json_object *alone = step_fact_of(ctx, s->id, STEP_LIVE_ALONE);

	if (m->owns)
		return true;
	for (size_t i = 0; i < p->step_n; i++) {
		const struct step *k = p->steps[i];
		const struct records_step *other = k->priv;

		if (k != s && k->ops->flags & STEP_COPIES &&
		    other->to.store == m->to.store &&
		    !strcmp(other->to.set, m->to.set))
			return false;
	}
	return alone && json_object_get_boolean(alone);
}

int step_live_begin(const struct step *s, struct step_ctx *ctx,
		    const struct step_records_job *j, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *from = NULL, *to = NULL;
	int ret = step_store(ctx, m->from.store->name, false, &from, err);

	if (ret == 0)
		ret = step_store(ctx, m->to.store->name, true, &to, err);
	if (ret == 0)
		ret = records_capture_may(&j->job, from, to, err);
	if (ret == 0)
		ret = step_set_fact(ctx, "capture",
				    json_object_new_string(j->id), err);
	return ret < 0 ? ret : records_capture_begin(&j->job, from, err);
}

int step_live_end(const struct step *s, struct step_ctx *ctx,
		  struct error *err)
{
	const struct records_step *m = live_step(s);
	_cleanup_store_ struct store *from = NULL;
	struct step_records_job j;
	int ret;

	if (!m)
		return 0;
	step_records_job_init(s, ctx, &j);
	j.job.from.set = j.set;
	ret = step_store(ctx, m->from.store->name, false, &from, err);
	if (ret == 0)
		ret = records_capture_end(&j.job, from, err);
	step_records_job_release(&j);
	return ret;
}

int step_live_end_all(struct step_ctx *ctx, const struct strvec *copies,
		      struct error *err)
{
	const struct plan *p = step_plan(ctx);
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < copies->n; i++)
		ret = step_live_end(p->steps[plan_step_index(p, copies->v[i])],
				    ctx, err);
	return ret;
}

/* --- jobs --- */

struct live_set {
	struct step_ctx *ctx;
	struct step_records_job *job;
	const struct records_job **ptr;
	bool *owner;
	bool *live;              /* has live, so that it had a capture once */
	size_t n;
};

static void live_release(struct live_set *l)
{
	for (size_t i = 0; i < l->n; i++)
		step_records_job_release(&l->job[i]);
	free(l->job);
	free(l->ptr);
	free(l->owner);
	free(l->live);
}

/* 1: it has a capture, 0: it has none */
static int add_step(struct live_set *l, const struct step *s, bool captured,
		    struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *from = NULL, *to = NULL;
	struct step_records_job *j = &l->job[l->n];
	int ret, there;

	step_records_job_init(s, l->ctx, j);
	l->n++;
	ret = step_store(l->ctx, m->from.store->name, false, &from, err);
	if (ret == 0)
		ret = step_store(l->ctx, m->to.store->name, false, &to, err);
	if (ret == 0)
		ret = step_records_job_shape(s, from, to, j, err);
	if (ret == 0)
		ret = step_records_decide_undo(s, j, to, err);
	if (ret < 0)
		return ret;
	j->job.to.where = m->owns;
	there = records_capture_there(&j->job, from, err);
	if (there < 0)
		return there;
	if ((there > 0) != captured) {
		step_records_job_release(j);
		l->n--;
		return there;
	}
	l->ptr[l->n - 1] = &j->job;
	l->owner[l->n - 1] = step_live_owns(s, l->ctx);
	l->live[l->n - 1] = m->live;
	return there;
}

static bool is_skipped(struct step_ctx *ctx, int i)
{
	struct step_run_info info;

	step_run_info(ctx, &info);
	return !strcmp(info.step_state(ctx, (size_t)i), "skipped");
}

/* those of copies (NULL: all up to s) that have a capture, or have none */
static int live_load(struct live_set *l, struct step_ctx *ctx,
		     const struct step *s, const struct strvec *copies,
		     bool captured, struct error *err)
{
	const struct plan *p = step_plan(ctx);
	int last = plan_step_index(p, s->id), ret = 0;

	memset(l, 0, sizeof(*l));
	l->ctx = ctx;
	l->job = xcalloc(p->step_n, sizeof(*l->job));
	l->ptr = xcalloc(p->step_n, sizeof(*l->ptr));
	l->owner = xcalloc(p->step_n, sizeof(*l->owner));
	l->live = xcalloc(p->step_n, sizeof(*l->live));
	for (int i = 0; ret >= 0 && i <= last; i++) {
		const struct step *k = p->steps[i];

		if (!(k->ops->flags & STEP_COPIES) || is_skipped(ctx, i) ||
		    (copies ? !strvec_has(copies, k->id) : !live_step(k)))
			continue;
		ret = add_step(l, k, captured, err);
		if (ret < 0)
			error_prefix(err, "%s", k->id);
	}
	return MIN(ret, 0);
}

/* the same, whatever becomes of a connection meanwhile */
static int live_open(struct live_set *l, struct step_ctx *ctx,
		     const struct step *s, const struct strvec *copies,
		     bool captured, struct error *err)
{
	unsigned int tried = 0;

	for (;;) {
		_cleanup_error_ struct error now = ERROR_INIT;
		int ret = live_load(l, ctx, s, copies, captured, &now);

		if (ret == 0)
			return 0;
		if (step_store_is_joined(ctx) ||
		    !step_store_again(ctx, &tried, ret, &now)) {
			if (err)
				error_move(err, &now);
			return ret;
		}
		live_release(l);
	}
}

/* --- draining --- */

static int on_tick(void *ctx, uint64_t done, uint64_t total)
{
	struct step_ctx *c = ctx;

	if (step_cancelled(c))
		return -ECANCELED;
	if (total)
		step_progress_part(c, "drain", MIN(done, total), total,
				   "rows");
	return 0;
}

static void on_note(void *ctx, const char *text)
{
	struct step_ctx *c = ctx;

	step_log(c, "note", text, strlen(text));
}

static void tell(struct step_ctx *ctx, const struct records_drained *r)
{
	_cleanup_free_ char *text = xasprintf(_("%ju changes drained: %ju rows "
		"put, %ju deleted"), (uintmax_t)r->entries, (uintmax_t)r->put,
		(uintmax_t)r->deleted);

	step_log(ctx, "note", text, strlen(text));
	if (r->rejected)
		step_warn(ctx, ngettext("%ju row was refused and stands in "
					"'_upshift_reject'",
					"%ju rows were refused and stand in "
					"'_upshift_reject'", r->rejected),
			  (uintmax_t)r->rejected);
}

/* is there no need for another pass? */
static int enough(uint64_t now, unsigned int pass, bool last,
		  struct error *err)
{
	if (!last)
		return now < LITTLE || pass + 1 >= PASSES;
	if (!now || pass + 1 < LAST_PASSES)
		return !now;
	return error_set(err, ERR_STEP_VERIFY, -EBUSY,
			 _("changes still come in: somebody writes past the "
			   "fence"));
}

static int drain_all(struct live_set *l, struct records_drain *d, bool last,
		     struct error *err)
{
	uint64_t before = UINT64_MAX;
	unsigned int steady = 0;
	int ret = 0;

	d->job = l->ptr;
	d->owner = l->owner;
	d->n = l->n;
	for (unsigned int pass = 0; l->n && ret == 0; pass++) {
		struct records_drained sum;

		d->rejects = pass == 0;
		ret = records_drain(d, &sum, err);
		if (ret < 0)
			return ret;
		if (sum.entries)
			tell(l->ctx, &sum);
		steady += sum.entries / 3 >= before / 4;
		before = sum.entries;
		ret = !last && steady >= STEADY_PASSES ? 1 :
		      enough(sum.entries, pass, last, err);
	}
	return ret < 0 || !last ? MIN(ret, 0) : records_drain_end(d, err);
}

static void on_replaced(void *ctx, const struct records_job *job,
			const char *key)
{
	_cleanup_free_ char *text = xasprintf(_("row %s of '%s' is as in the "
		"source now"), key, job->to.set);

	on_note(ctx, text);
}

/*
 * A cutover that was taken back has ended its captures. What others wrote to
 * the new tables by then stood beside the old ones until now: it goes, and is
 * told. The point that the rollback made holds it.
 */
static void tell_replaced(struct live_set *l, size_t i,
			  const struct records_drained *r)
{
	if (l->live[i] && r->replaced)
		step_warn(l->ctx, ngettext("%ju row of '%s' was not as in the "
			"source and was made so; how it was is in the backup "
			"of the last rollback",
			"%ju rows of '%s' were not as in the source and were "
			"made so; how they were is in the backup of the last "
			"rollback", r->replaced), (uintmax_t)r->replaced,
			l->ptr[i]->to.set);
}

static int repair_all(struct live_set *l, struct records_drain *d,
		      struct error *err)
{
	int ret = 0;

	d->job = l->ptr;
	d->owner = l->owner;
	d->n = l->n;
	for (size_t i = 0; ret == 0 && i < l->n; i++) {
		struct records_drained sum;

		d->replaced = l->live[i] ? on_replaced : NULL;
		ret = records_repair(d, i, &sum, err);
		sum.entries = sum.put + sum.deleted;
		if (ret == 0 && sum.entries)
			tell(l->ctx, &sum);
		if (ret == 0)
			tell_replaced(l, i, &sum);
	}
	return ret < 0 ? ret : records_drain_end(d, err);
}

int step_live_drain(const struct step *s, struct step_ctx *ctx,
		    const struct strvec *copies, bool last,
		    struct error *err)
{
	_cleanup_close_ int scratch = fs_open(step_run_dir(ctx), ".",
					      O_RDONLY | O_DIRECTORY, 0);
	struct records_drain d = { .once = step_store_is_joined(ctx),
				   .tick = on_tick, .note = on_note,
				   .ctx = ctx, .scratch_fd = scratch };
	struct live_set l;
	int ret = live_open(&l, ctx, s, copies, true, err);

	if (ret == 0)
		ret = drain_all(&l, &d, last, err);
	live_release(&l);
	if (ret == 0 && last) {
		ret = live_open(&l, ctx, s, copies, false, err);
		if (ret == 0)
			ret = repair_all(&l, &d, err);
		live_release(&l);
	}
	return ret;
}
