/* SPDX-License-Identifier: MIT */
/* The copies of a cutover, all at once. */
#include "step-carry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "step-carry-internal.h"
#include "store-sql.h"

static int on_tick(void *ctx, uint64_t done, uint64_t total)
{
	struct step_ctx *c = ctx;

	if (step_cancelled(c))
		return -ECANCELED;
	if (total)
		step_progress(c, MIN(done, total), total, "rows");
	return 0;
}

static void on_note(void *ctx, const char *text)
{
	struct step_ctx *c = ctx;

	step_log(c, "note", text, strlen(text));
}

static void tell(const struct carry_job *k, struct step_ctx *ctx,
		 const struct records_carried *n)
{
	const struct records_step *m = k->copy->priv;
	_cleanup_free_ char *text = NULL;

	if (n->put + n->deleted + n->stay) {
		text = xasprintf(_("'%s': %ju rows carried back, %ju deleted; "
			"%ju that nobody wrote since stay as they were"),
			plan_set_name(&m->from), (uintmax_t)n->put,
			(uintmax_t)n->deleted, (uintmax_t)n->stay);
		on_note(ctx, text);
	}
	if (n->refused)
		step_warn(ctx, ngettext("'%s': %ju row cannot be carried back "
			"and stands in 'carried.jsonl' of the run",
			"'%s': %ju rows cannot be carried back and stand in "
			"'carried.jsonl' of the run", n->refused),
			plan_set_name(&m->from), (uintmax_t)n->refused);
}

static void tell_forward(const struct carry_job *k, struct step_ctx *ctx,
			 const struct records_carried *n)
{
	const struct records_step *m = k->copy->priv;
	_cleanup_free_ char *text = NULL;

	if (n->put + n->deleted) {
		text = xasprintf(_("'%s': %ju rows that were written to '%s' "
			"meanwhile carried along, %ju deleted"),
			plan_set_name(&m->to), (uintmax_t)n->put,
			m->from.set, (uintmax_t)n->deleted);
		on_note(ctx, text);
	}
	if (n->refused)
		step_warn(ctx, ngettext("'%s': %ju row of '%s' cannot be "
			"carried along and stands in 'carried.jsonl' of the "
			"run", "'%s': %ju rows of '%s' cannot be carried along "
			"and stand in 'carried.jsonl' of the run", n->refused),
			plan_set_name(&m->to), (uintmax_t)n->refused,
			m->from.set);
}

struct carrying {
	struct carry_job *job;
	const struct records_job **went, **back;
	struct records_carried *sum;
	size_t n, all;
	bool stops, keeps, here;
};

static int build_all(struct carrying *c, struct step_ctx *ctx,
		     const struct strvec *copies, struct error *err)
{
	const struct plan *p = step_plan(ctx);
	int ret = 0;

	c->job = xcalloc(copies->n + 1, sizeof(*c->job));
	c->went = xcalloc(copies->n + 1, sizeof(*c->went));
	c->back = xcalloc(copies->n + 1, sizeof(*c->back));
	c->sum = xcalloc(copies->n + 1, sizeof(*c->sum));
	for (int i = 0; ret >= 0 && i < (int)p->step_n; i++) {
		struct carry_job *k = &c->job[c->n];

		if (!strvec_has(copies, p->steps[i]->id) ||
		    carry_is_skipped(ctx, i))
			continue;
		c->all++;
		k->here = c->here;
		ret = carry_build(k, p->steps[i], ctx, err);
		if (ret < 0)
			error_prefix(err, "%s", p->steps[i]->id);
		if (ret == 0)
			carry_release(k);
		if (ret == 0)
			memset(k, 0, sizeof(*k));
		if (ret == 0)
			continue;
		c->went[c->n] = &k->went.job;
		c->back[c->n] = &k->back;
		c->stops |= !((struct records_step *)
			      p->steps[i]->priv)->quarantine;
		c->n++;
	}
	return MIN(ret, 0);
}

static void carrying_release(struct carrying *c, const struct strvec *copies)
{
	for (size_t i = 0; i <= copies->n; i++)
		if (c->job[i].copy)
			carry_release(&c->job[i]);
	free(c->job);
	free(c->went);
	free(c->back);
	free(c->sum);
}

static int lines_file(struct step_ctx *ctx, struct error *err)
{
	int dir = step_run_dir(ctx);
	int fd = fs_open(dir, "carried.jsonl", O_WRONLY | O_CREAT | O_APPEND,
			 0600);
	int ret = fd < 0 ? fd : fs_sync_dir(dir, ".");

	if (ret >= 0)
		return fd;
	if (fd >= 0)
		(void)fs_close(fd);
	return error_set(err, ERR_IO, ret, _("cannot open '%s'"),
			 "carried.jsonl");
}

static int carry_all(struct carrying *c, struct step_ctx *ctx,
		     struct error *err)
{
	struct records_carry rc = {
		.went = c->went, .back = c->back, .n = c->n,
		.stops = c->stops, .keeps = c->keeps, .tick = on_tick, .note = on_note,
		.ctx = ctx, .scratch_fd = step_run_dir(ctx),
	};
	_cleanup_close_ int lines = lines_file(ctx, err);
	int ret = lines;

	rc.lines_fd = lines;
	for (size_t i = 0; ret >= 0 && i < c->n; i++)
		ret = carry_drop_undo(&c->job[i], ctx, err);
	if (ret >= 0)
		ret = records_carry(&rc, c->sum, err);
	if (ret < 0 && c->stops)
		error_hint(err, _("With --no-carry the old tables come back "
				  "as they were at the cutover."));
	for (size_t i = 0; ret == 0 && i < c->n; i++) {
		ret = carry_drop_table(&c->job[i], ctx, err);
		if (ret == 0)
			ret = carry_keep_undo(&c->job[i], ctx, &c->sum[i], err);
		tell(&c->job[i], ctx, &c->sum[i]);
	}
	return MIN(ret, 0);
}

int step_carry(struct step_ctx *ctx, const struct strvec *copies, bool keeps,
	       uint64_t *rows, uint64_t *refused, struct error *err)
{
	struct carrying c = { .keeps = keeps };
	int ret = build_all(&c, ctx, copies, err);

	*rows = *refused = 0;
	if (ret == 0 && c.n)
		ret = carry_all(&c, ctx, err);
	for (size_t i = 0; ret == 0 && i < c.n; i++) {
		*rows += c.sum[i].put + c.sum[i].deleted;
		*refused += c.sum[i].refused;
	}
	if (ret == 0 && c.n < c.all)
		ret = 1;
	carrying_release(&c, copies);
	return ret;
}

/* --- and the other way --- */

static int forward_all(struct carrying *c, struct step_ctx *ctx,
		       struct error *err)
{
	struct records_carry rc = {
		.went = c->back, .back = c->went, .n = c->n,
		.stops = c->stops, .keeps = c->keeps,
		.tick = on_tick, .note = on_note,
		.ctx = ctx, .scratch_fd = step_run_dir(ctx),
	};
	_cleanup_close_ int lines = lines_file(ctx, err);
	int ret = lines;

	rc.lines_fd = lines;
	if (ret >= 0)
		ret = records_carry(&rc, c->sum, err);
	/* the old tables are as they are to be; there is nothing to take back */
	for (size_t i = 0; ret >= 0 && i < c->n; i++) {
		ret = carry_drop_table(&c->job[i], ctx, err);
		if (ret == 0)
			ret = carry_drop_undo(&c->job[i], ctx, err);
		tell_forward(&c->job[i], ctx, &c->sum[i]);
	}
	return MIN(ret, 0);
}

int step_carry_forward(struct step_ctx *ctx, const struct strvec *copies,
		       bool keeps, struct error *err)
{
	struct carrying c = { .here = true, .keeps = keeps };
	int ret = build_all(&c, ctx, copies, err);

	if (ret == 0 && c.n)
		ret = forward_all(&c, ctx, err);
	carrying_release(&c, copies);
	return ret;
}

/* --- taken back --- */

static int take_back(const struct carry_job *k, struct step_ctx *ctx,
		     struct error *err)
{
	struct records_undone u = { .deleted = 0 };
	int ret = !k->back.undo ? 0 : records_copy_undo(&k->back, &u, err);

	if (ret == 0 && u.kept)
		step_warn(ctx, ngettext("'%s': %ju row was changed since by "
					"others and stays",
					"'%s': %ju rows were changed since by "
					"others and stay", u.kept),
			  k->back.to.set, (uintmax_t)u.kept);
	records_undone_release(&u);
	return ret;
}

int step_carry_undo(struct step_ctx *ctx, const struct strvec *copies,
		    struct error *err)
{
	struct carrying c = { .job = NULL };
	int ret = build_all(&c, ctx, copies, err);

	for (size_t i = 0; ret == 0 && i < c.n; i++) {
		ret = take_back(&c.job[i], ctx, err);
		if (ret == 0)
			ret = carry_drop_table(&c.job[i], ctx, err);
	}
	carrying_release(&c, copies);
	return ret;
}

int step_carry_lock(struct step_ctx *ctx, const struct strvec *copies,
		    const char *url, struct store *s, struct error *err)
{
	const struct plan *p = step_plan(ctx);
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	if (!store_is_pg(s))
		return 0;
	for (size_t i = 0; i < copies->n; i++) {
		int at = plan_step_index(p, copies->v[i]);
		const struct records_step *m = p->steps[at]->priv;

		if (carry_is_skipped(ctx, at) || strcmp(m->to.store->url, url) != 0)
			continue;
		strbuf_addstr(&sql, sql.len ? ", " : "LOCK TABLE ");
		store_sql_set(&sql, m->to.set);
	}
	if (!sql.len)
		return 0;
	strbuf_addstr(&sql, " IN SHARE ROW EXCLUSIVE MODE");
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}
