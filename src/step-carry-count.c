/* SPDX-License-Identifier: MIT */
/* How many rows would be carried back; nothing is written. */
#include <fcntl.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "records-copy-internal.h"
#include "records-map.h"
#include "records-verify.h"
#include "step-carry-internal.h"
#include "step-live.h"

static int on_found(_unused_ void *ctx, _unused_ const struct records_found *f,
		    _unused_ struct error *err)
{
	return 0;
}

static bool on_cancelled(void *ctx)
{
	return step_cancelled(ctx);
}

/* as it was copied, and as it is */
static int compare(const struct records_job *w, struct step_ctx *ctx,
		   struct store *old, struct store *now,
		   struct records_verdict *v, struct error *err)
{
	_cleanup_close_ int dir = fs_open(AT_FDCWD, "/tmp",
					  O_RDONLY | O_DIRECTORY, 0);
	struct records_shapes shapes;
	int ret = records_map_cast(&w->from, w->hidden, &w->to, old, now,
				   &shapes, err);
	struct records_spec spec = {
		.old = { old, &shapes.from, shapes.hidden },
		.now = { now, &shapes.to, 0 }, .nkey = shapes.to.nkey,
		.level = RECORDS_STANDARD, .pause_s = -1, .scratch_fd = dir,
		.found = on_found, .cancelled = on_cancelled, .ctx = ctx,
	};

	if (ret < 0)
		return ret;
	ret = records_verify(&spec, v, err);
	records_shapes_release(&shapes);
	return MIN(ret, 0);
}

static int count(struct carry_job *k, struct step_ctx *ctx,
		 struct step_carried *ret, struct error *err)
{
	const struct records_step *m = k->copy->priv;
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	_cleanup_store_ struct store *old = NULL, *now = NULL;
	struct records_verdict v = { .n = { 0 } };
	uint64_t rejected = 0;
	int r = step_store(ctx, m->from.store->name, true, &old, err);

	if (r == 0)
		r = carry_open_now(k, ctx, &now, err);
	if (r == 0)
		r = step_records_find_source(&k->went, old, err);
	if (r == 0)
		r = step_records_job_shape(k->copy, old, now, &k->went, err);
	if (r == 0)
		r = store_columns(old, k->went.set, &cols, err);
	if (r < 0)
		return r;
	k->went.job.to.where = m->owns;
	k->owns = step_live_owns(k->copy, ctx);
	ret->known = carry_has_key(m, &cols) &&
		     (carry_select(k->copy, step_plan(ctx)) ||
		      carry_by_columns(k, &cols, false));
	r = compare(&k->went.job, ctx, old, now, &v, err);
	if (r == 0)
		r = records_reject_count(now, k->went.marks, &rejected, err);
	ret->put = v.n[RECORDS_EXTRA] + v.n[RECORDS_DIFFERENT];
	ret->deleted = v.n[RECORDS_MISSING] -
		       MIN(rejected, v.n[RECORDS_MISSING]);
	return r;
}

int step_carry_count(const struct step *copy, struct step_ctx *ctx,
		     struct step_carried *ret, struct error *err)
{
	const struct records_step *m = copy->priv;
	struct carry_job k = { .copy = copy, .aside_fd = -1 };
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!carry_stores(m) || carry_is_mirror(copy, step_plan(ctx)))
		return 0;
	ret->store = m->from.store->name;
	ret->old = m->from.set;
	ret->url = m->to.store->url;
	ret->now = m->to.set;
	step_records_job_init(copy, ctx, &k.went);
	step_store_options(ctx, m->to.store, &k.now);
	carry_look_aside(&k, ctx);
	carry_use_kept(&k, ctx);
	r = count(&k, ctx, ret, err);
	carry_release(&k);
	return r;
}

static void tell_alone(struct step_ctx *ctx, const struct step_carried *n)
{
	uint64_t rows = n->put + n->deleted;

	step_warn(ctx, ngettext("%ju row that was written to '%s' since the "
				"cutover cannot be carried back into '%s'; %s "
				"has it", "%ju rows that were written to '%s' "
				"since the cutover cannot be carried back into "
				"'%s'; %s has them", rows), (uintmax_t)rows,
		  n->now, n->old, step_rollback_point(ctx));
}

int step_carry_any(struct step_ctx *ctx, const struct strvec *copies,
		   struct error *err)
{
	const struct plan *p = step_plan(ctx);
	int any = 0;

	for (size_t i = 0; i < copies->n; i++) {
		int at = plan_step_index(p, copies->v[i]);
		struct step_carried n;
		int ret = carry_is_skipped(ctx, at) ? 0 :
			  step_carry_count(p->steps[at], ctx, &n, err);

		if (ret < 0)
			return ret;
		if (carry_is_skipped(ctx, at) || !(n.put + n.deleted))
			continue;
		if (n.known)
			any = 1;
		else
			tell_alone(ctx, &n);
	}
	return any;
}
