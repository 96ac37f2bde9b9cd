/* SPDX-License-Identifier: MIT */
/* The way back of steps that copy or fill rows. */
#include "step-records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "step-live.h"

static void tell_undone(struct step_ctx *ctx, const struct records_step *m,
			const struct records_undone *u)
{
	_cleanup_free_ char *text = xasprintf(_("'%s': %ju rows deleted, %ju "
		"put back, %ju kept"), plan_set_name(&m->to),
		(uintmax_t)u->deleted, (uintmax_t)u->restored,
		(uintmax_t)u->kept);

	step_log(ctx, "note", text, strlen(text));
	if (u->kept)
		step_warn(ctx, ngettext("'%s': %ju row was changed since by "
					"others and stays",
					"'%s': %ju rows were changed since by "
					"others and stay", u->kept),
			  plan_set_name(&m->to), (uintmax_t)u->kept);
	for (size_t i = 0; i < u->keys.n; i++)
		step_log(ctx, "note", u->keys.v[i], strlen(u->keys.v[i]));
}

static void on_undone(void *watch, uint64_t rows)
{
	struct records_watch *w = watch;

	step_progress(w->ctx, MIN(rows, w->undo_total), w->undo_total, "rows");
}

/* the statements that go back, by ranges of keys too, with marks of their own */
static int run_down(const struct step *s, struct step_ctx *ctx,
		    struct step_records_job *j, struct error *err)
{
	const struct records_step *m = s->priv;
	struct records_result res;
	struct records_undone u = { .deleted = 0 };
	char *marks = j->marks;
	int ret;

	j->job.marks = j->marks = xasprintf("%s/down", marks);
	j->job.sql = (const char *const *)m->down.v;
	j->job.sql_n = m->down.n;
	ret = step_records_run(s, ctx, j, &res, err);
	/* first those of the way there: without them nothing is undone again */
	j->job.marks = marks;
	if (ret == 0)
		ret = records_copy_undo(&j->job, &u, err);
	j->job.marks = j->marks;
	records_undone_release(&u);
	if (ret == 0)
		ret = records_copy_undo(&j->job, &u, err);
	records_undone_release(&u);
	free(marks);
	return ret;
}

/* what is to be undone; *st says whether there is something */
static int look_back(const struct step *s, struct step_ctx *ctx,
		     struct step_records_job *j, struct records_state *st,
		     struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *from = NULL, *to = NULL;
	int ret;

	step_records_job_init(s, ctx, j);
	st->begun = false;
	ret = step_store(ctx, m->to.store->name, false, &to, err);
	if (ret == 0)
		ret = records_copy_state(&j->job, to, st, err);
	if (ret == 0 && st->begun)
		ret = step_store(ctx, m->from.store->name, true, &from, err);
	if (ret == 0 && from && m->quarantine)
		store_set_lines(from, STORE_LINES_KEEP);
	if (ret == 0 && st->begun)
		ret = step_records_job_shape(s, from, to, j, err);
	if (ret == 0 && st->begun && !m->backfill)
		ret = step_records_decide_undo(s, j, to, err);
	return ret;
}

static int drop_query(const struct step *s, struct step_ctx *ctx,
		      const struct step_records_job *j, struct error *err)
{
	unsigned int tried = 0;
	int ret;

	do {
		ret = step_records_drop_query(s, ctx, j, err);
	} while (step_store_again(ctx, &tried, ret, err));
	return ret;
}

int step_records_undo(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	const struct records_step *m = s->priv;
	struct records_watch w = { .ctx = ctx, .throttle = &m->throttle };
	struct records_undone u = { .deleted = 0 };
	struct records_state st;
	struct step_records_job j;
	unsigned int tried = 0;
	int ret;

	ret = step_live_end(s, ctx, err);
	/* comes back as a file */
	if (ret < 0 || m->to.store->path)
		return ret;
	memset(&j, 0, sizeof(j));
	do {
		step_records_job_release(&j);
		ret = look_back(s, ctx, &j, &st, err);
	} while (step_store_again(ctx, &tried, ret, err));
	j.job.note = step_records_note;
	j.job.undone = on_undone;
	j.job.ctx = &w;
	w.undo_total = st.rows;
	if (ret == 0 && st.begun)
		on_undone(&w, 0);
	if (ret == 0 && st.begun && m->down.n)
		ret = run_down(s, ctx, &j, err);
	else if (ret == 0 && st.begun)
		ret = records_copy_undo(&j.job, &u, err);
	if (ret == 0)
		ret = drop_query(s, ctx, &j, err);
	if (ret == 0 && u.deleted + u.restored + u.kept)
		tell_undone(ctx, m, &u);
	records_undone_release(&u);
	step_records_job_release(&j);
	return ret;
}

int step_records_leave(const struct step *s, struct step_ctx *ctx,
		       struct error *err)
{
	return step_live_end(s, ctx, err);
}
