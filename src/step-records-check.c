/* SPDX-License-Identifier: MIT */
/*
 * What a copy would trip over, looked for before there is a backup: rows that
 * scans would pass over, and values that the destination would not keep. That
 * reads much, so it is told how far it is, and it ends when the user says so.
 */
#include "step-records.h"

#include <errno.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-cast.h"
#include "records-copy-internal.h"
#include "records-keys.h"
#include "store-ours.h"

/* nobody refuses later what the look at keys would have found, so it has time */
#define KEYS_S 3600.0

/* a row that scans would pass over */
static int look_at_keys(const struct records_step *m,
			const struct step_records_job *j,
			struct step_ctx *ctx, struct check_result *r,
			struct error *err)
{
	_cleanup_free_ char *why = NULL, *text = NULL;
	_cleanup_store_ struct store *from = NULL;
	int n = step_store_timeout(ctx, m->from.store->name, true,
				   MAX(KEYS_S, step_plan(ctx)->
				       defaults.timeout_s), &from, err);

	if (n < 0)
		return n;
	text = xasprintf(_("the keys of '%s' are looked at"),
			 plan_set_name(&m->from));
	step_waits(ctx, text);
	n = records_keys_look(from, &j->job.from, &why, err);
	step_waits(ctx, NULL);
	if (n > 0)
		check_result_set(r, CHECK_FAIL, "%s", why);
	return n;
}

/* tables of ours, that another role may have left there */
static int look_at_ours(struct store *to, struct check_result *r,
			struct error *err)
{
	_cleanup_free_ char *why = NULL;
	int n = store_ours_look(to, "_upshift_range", &why, err);

	if (n > 0) {
		check_result_set(r, CHECK_FAIL, "%s", why);
		r->code = ERR_STORE;
	}
	return n;
}

static void on_progress(void *ctx, uint64_t rows)
{
	step_progress(ctx, rows, 0, "rows");
}

static int find_types(const struct records_step *m,
		      const struct step_records_job *j, struct step_ctx *ctx,
		      struct store *from, struct store *to, char **column,
		      char **type, struct error *err)
{
	/* what came since is found by the copy */
	const struct records_look look = { .read = step_is_ahead(ctx),
					   .progress = on_progress,
					   .ctx = ctx };
	_cleanup_free_ char *text = xasprintf(_("the values of '%s' are looked "
		"at"), plan_set_name(&m->from));
	int n;

	step_waits(ctx, text);
	n = records_cast_find(from, &j->job.from, j->job.hidden, to,
			      &j->job.to, &look, column, type, err);
	step_waits(ctx, NULL);
	return n;
}

/* a value that the column of the destination would make another one of */
static int look_at_types(const struct records_step *m,
			 const struct step_records_job *j,
			 struct step_ctx *ctx, struct store *from,
			 struct store *to, struct check_result *r,
			 struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_free_ char *column = NULL, *type = NULL;
	int n;

	if (m->quarantine)
		store_set_lines(from, STORE_LINES_SKIP);
	n = find_types(m, j, ctx, from, to, &column, &type, &why);
	if (store_class(n) == STORE_CLASS_SHRINK) {
		check_result_set(r, CHECK_WARN, _("whether '%s' would keep all "
			"values of '%s' could not be looked at in time (%s); "
			"what it would not, the copy refuses"), j->job.to.set,
			j->job.from.set, why.msg);
		return 0;
	}
	if (n < 0)
		error_move(err, &why);
	/* their rows will be set aside */
	if (n > 0)
		check_result_set(r, m->quarantine ? CHECK_WARN : CHECK_FAIL, _("'%s' has values that column "
			"'%s' of '%s' (%s) would not keep; if that is meant, "
			"convert them in 'columns'"), j->job.from.set, column,
			j->job.to.set, type);
	return n;
}

/* A table or a column that it names may be for a step before it to make; a
   database that somebody left in the middle is for who writes to it. */
static bool may_come(const struct step *s, struct step_ctx *ctx, int ret,
		     const struct store *from, const struct store *to)
{
	const struct records_step *m = s->priv;

	if (ret == -EROFS)
		return true;
	if (ret != -ENOENT &&
	    !(from && to && store_class(ret) == STORE_CLASS_FATAL))
		return false;
	return step_made_before(ctx, s, m->from.store) ||
		step_made_before(ctx, s, m->to.store);
}

int step_records_check(const struct step *s, struct step_ctx *ctx,
		       struct check_result *r, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *from = NULL, *to = NULL;
	struct step_records_job j;
	int ret;

	check_result_set(r, CHECK_OK, _("'%s' can be read"),
			 plan_set_name(&m->from));
	if (m->from.query)
		return 0;
	step_records_job_init(s, ctx, &j);
	ret = step_records_open(s, ctx, &j, &from, &to, err);
	if (ret > 0)
		ret = look_at_keys(m, &j, ctx, r, err);
	if (ret == 0 && to)
		ret = look_at_ours(to, r, err);
	if (ret == 0 && !m->backfill && from && to)
		ret = look_at_types(m, &j, ctx, from, to, r, err);
	if (ret < 0 && step_is_ahead(ctx) && may_come(s, ctx, ret, from, to)) {
		error_release(err);
		ret = ret != -EROFS && from &&
		      !step_made_before(ctx, s, m->from.store) ?
			step_records_job_source(&j, from, err) : 0;
	}
	step_records_job_release(&j);
	return MIN(ret, 0);
}
