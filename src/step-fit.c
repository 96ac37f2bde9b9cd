/* SPDX-License-Identifier: MIT */
#include "step-fit.h"

#include <errno.h>

#include "base/error.h"
#include "base/i18n.h"
#include "records-fit.h"
#include "step-records.h"
#include "step.h"
#include "store.h"

struct fit_check {
	struct step_ctx *ctx;
	struct check_result *r;
	uint64_t rows;               /* of the steps before this one */
};

static void on_progress(void *ctx, uint64_t rows)
{
	struct fit_check *c = ctx;

	step_progress(c->ctx, c->rows + rows, 0, "rows");
}

/* what was found of one step */
static void tell(struct fit_check *c, const struct step *s,
		 const struct records_fit *f)
{
	const struct records_step *m = s->priv;

	for (size_t i = 0; i < f->shown.n; i++)
		strvec_pushf(&c->r->details, "%s: %s", s->id, f->shown.v[i]);
	c->rows += f->rows;
	if (!f->bad || c->r->state == CHECK_FAIL)
		return;
	check_result_set(c->r, CHECK_FAIL, f->more ?
		_("%s: %ju records or more do not fit into '%s'; the first: %s") :
		ngettext("%s: %ju record does not fit into '%s': %s",
			 "%s: %ju records do not fit into '%s'; the first: %s",
			 f->bad), s->id, (uintmax_t)f->bad,
		plan_set_name(&m->to), f->shown.v[0]);
}

static int one_step(struct fit_check *c, const struct step *s,
		    struct error *err)
{
	const struct records_step *m = s->priv;
	struct records_fit f = { .progress = on_progress, .ctx = c };
	_cleanup_store_ struct store *from = NULL, *to = NULL;
	struct step_records_job j;
	int ret;

	if (m->from.query)
		return error_set(err, ERR_PLAN_VALUE, -EINVAL,
			_("step '%s' copies no set whose records could be "
			  "tried"), s->id);
	ret = step_store(c->ctx, m->from.store->name, true, &from, err);
	if (ret >= 0)
		ret = step_store_scratch(c->ctx, m->to.store->name, &to, err);
	if (ret < 0)
		return ret;
	if (m->quarantine)
		store_set_lines(from, STORE_LINES_SKIP);
	step_records_job_init(s, c->ctx, &j);
	ret = step_records_job_shape(s, from, to, &j, err);
	if (ret >= 0)
		ret = records_fit(&j.job, from, to, &f, err);
	if (ret >= 0)
		tell(c, s, &f);
	step_records_job_release(&j);
	records_fit_release(&f);
	return ret;
}

int step_fit_check(const struct strvec *ids, struct step_ctx *ctx,
		   struct check_result *r, struct error *err)
{
	const struct plan *p = step_plan(ctx);
	struct fit_check c = { .ctx = ctx, .r = r };
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < ids->n; i++) {
		ret = one_step(&c, p->steps[plan_step_index(p, ids->v[i])],
			       err);
		if (ret < 0 && ret != -EROFS)
			error_prefix(err, "%s", ids->v[i]);
	}
	if (ret == -EROFS) {
		check_result_set(r, CHECK_OK, "%s",
				 _("not run in a dry run"));
		return 0;
	}
	if (ret >= 0 && r->state != CHECK_FAIL)
		check_result_set(r, CHECK_OK, ngettext("%ju record fits",
				 "%ju records fit", c.rows),
				 (uintmax_t)c.rows);
	return MIN(ret, 0);
}
