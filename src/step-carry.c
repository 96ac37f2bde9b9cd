/* SPDX-License-Identifier: MIT */
/* The jobs there and back of the copies of a cutover. */
#include "step-carry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "records-map.h"
#include "records-verify.h"
#include "step-carry-internal.h"
#include "step-live.h"
#include "store-ours.h"
#include "store-sql.h"

/* --- stores --- */

/* the new store is a file that was put back: where it is now */
static void look_aside(struct carry_job *k, struct step_ctx *ctx)
{
	const struct records_step *m = k->copy->priv;

	k->aside_fd = step_aside(ctx, m->to.store);
	if (k->aside_fd < 0)
		return;
	k->aside = true;
	k->now.root_fd = k->aside_fd;
	k->now.read_only = true;
	k->now.recover = false;
	k->now.within = NULL;
	k->now.within_url = NULL;
}

static int open_now(const struct carry_job *k, struct step_ctx *ctx,
		    struct store **ret, struct error *err)
{
	const struct records_step *m = k->copy->priv;

	return k->aside ? store_open(m->to.store->url, &k->now, ret, err) :
	       step_store(ctx, m->to.store->name, true, ret, err);
}

/* --- a table of what a view shows --- */

struct showing {
	const struct carry_job *k;
	const char *select;
};

static int make_table(void *ctx, struct store *s, struct error *err)
{
	const struct showing *w = ctx;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "DROP TABLE IF EXISTS ");
	store_sql_name(&sql, w->k->table);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	if (ret < 0 || !w->select)
		return MIN(ret, 0);
	strbuf_clear(&sql);
	strbuf_addstr(&sql, "CREATE TABLE ");
	store_sql_name(&sql, w->k->table);
	strbuf_addf(&sql, " AS %s", w->select);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

#define TRIES 10u

static int drop_table(struct carry_job *k, struct step_ctx *ctx,
		      struct error *err)
{
	const struct records_step *m = k->copy->priv;
	_cleanup_store_ struct store *s = NULL;
	struct showing w = { .k = k };
	int ret;

	if (!k->table)
		return 0;
	ret = step_store(ctx, m->to.store->name, false, &s, err);
	return ret < 0 ? ret : store_transact(s, make_table, &w, TRIES, err);
}

static int index_table(void *ctx, struct store *s, struct error *err)
{
	const struct carry_job *k = ctx;
	_cleanup_free_ char *name = xasprintf("%s_key", k->table);
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "CREATE INDEX ");
	store_sql_name(&sql, name);
	strbuf_addstr(&sql, " ON ");
	store_sql_name(&sql, k->table);
	strbuf_addstr(&sql, " (");
	store_sql_names(&sql, &k->back.to, 0, k->back.to.nkey);
	strbuf_addch(&sql, ')');
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

/* *ret: its columns */
static int show_view(struct carry_job *k, struct step_ctx *ctx,
		     const char *select, struct store_batch *ret,
		     struct error *err)
{
	const struct records_step *m = k->copy->priv;
	struct showing w = { .k = k, .select = select };
	_cleanup_store_ struct store *s = NULL;
	_cleanup_free_ char *id = xasprintf("%s_back", k->went.id);
	int r;

	if (k->aside) {
		k->set = xstrdup(m->from.set);
		r = open_now(k, ctx, &s, err);
		return r < 0 ? r : store_columns(s, k->set, ret, err);
	}
	k->table = xasprintf("_upshift_q_%s", id);
	k->set = xstrdup(k->table);
	r = step_store(ctx, m->to.store->name, false, &s, err);
	if (r == 0)
		r = store_transact(s, make_table, &w, TRIES, err);
	return r < 0 ? r : store_columns(s, k->set, ret, err);
}

/* --- how the old table was --- */

/* of a rollback before, which was gone back from in another way */
static int drop_undo(const struct carry_job *k, struct step_ctx *ctx,
		     struct error *err)
{
	const struct records_step *m = k->copy->priv;
	_cleanup_store_ struct store *s = NULL;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	if (!k->back.undo)
		return 0;
	ret = step_store(ctx, m->from.store->name, false, &s, err);
	strbuf_addstr(&sql, "DROP TABLE IF EXISTS ");
	records_undo_table(&k->back, "undo", &sql);
	if (ret == 0)
		ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

/* there is something to take back; or there is not */
static int keep_undo(const struct carry_job *k, struct step_ctx *ctx,
		     const struct records_carried *n, struct error *err)
{
	const struct records_step *m = k->copy->priv;
	const struct store_mark mark = { .step = k->back.marks, .pos = "",
					 .rows = n->put + n->deleted,
					 .done = true };
	_cleanup_store_ struct store *s = NULL;
	int ret;

	if (!k->back.undo)
		return 0;
	if (!(n->put + n->deleted))
		return drop_undo(k, ctx, err);
	ret = step_store(ctx, m->from.store->name, false, &s, err);
	return ret < 0 ? ret : store_mark(s, &mark, NULL, err);
}

/* --- one copy --- */

static int shapes(struct carry_job *k, struct step_ctx *ctx,
		  const struct store_batch *old, struct error *err)
{
	const struct records_step *m = k->copy->priv;
	_cleanup_store_batch_ struct store_batch shown = STORE_BATCH_INIT;
	const char *select = carry_select(k->copy, step_plan(ctx));
	int ret;

	if (carry_by_columns(k, old, select != NULL))
		return 1;
	if (!select)
		return 0;
	ret = show_view(k, ctx, select, &shown, err);
	if (ret < 0 || !carry_by_view(k, old, &shown))
		return MIN(ret, 0);
	if (k->table) {
		_cleanup_store_ struct store *s = NULL;

		ret = step_store(ctx, m->to.store->name, false, &s, err);
		if (ret == 0)
			ret = store_transact(s, index_table, k, TRIES, err);
	}
	return ret < 0 ? ret : 1;
}

/* 1: rows can come back, 0: they cannot */
static int build(struct carry_job *k, const struct step *copy,
		 struct step_ctx *ctx, struct error *err)
{
	const struct records_step *m = copy->priv;
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	_cleanup_store_ struct store *old = NULL, *now = NULL;
	struct records_job *b = &k->back;
	_cleanup_free_ char *step = NULL;
	struct step_run_info info;
	int ret;

	k->copy = copy;
	k->aside_fd = -1;
	if (!carry_stores(m) || carry_is_mirror(copy, step_plan(ctx)))
		return 0;
	step_records_job_init(copy, ctx, &k->went);
	step_store_options(ctx, m->to.store, &k->now);
	look_aside(k, ctx);
	ret = step_store(ctx, m->from.store->name, false, &old, err);
	if (ret == 0)
		ret = open_now(k, ctx, &now, err);
	if (ret == 0)
		ret = step_records_job_shape(copy, old, now, &k->went, err);
	if (ret == 0)
		ret = store_columns(old, m->from.set, &cols, err);
	store_close(TAKE_PTR(now));
	if (ret < 0)
		return ret;
	k->went.job.to.where = m->owns;
	k->owns = step_live_owns(copy, ctx);
	step = step_carry_step(copy->id);
	step_run_info(ctx, &info);
	k->id = store_ours_id(step, info.run_key);
	k->marks = xasprintf("%s/back", k->went.marks);
	b->id = k->id;
	b->marks = k->marks;
	b->undo = m->from.store->kind == PLAN_STORE_PG;
	b->from_url = m->to.store->url;
	b->to_url = m->from.store->url;
	b->from_options = k->now;
	step_store_options(ctx, m->from.store, &b->to_options);
	b->batch = k->went.job.batch;
	b->workers = 1;
	if (b->undo) {
		b->lease_plan = step_plan(ctx)->name;
		b->lease_owner = info.run_key;
	}
	return shapes(k, ctx, &cols, err);
}

static void release(struct carry_job *k)
{
	step_records_job_release(&k->went);
	strvec_release(&k->names);
	strvec_release(&k->exprs);
	free(k->col);
	free(k->expr);
	free(k->set);
	free(k->table);
	free(k->where);
	free(k->id);
	free(k->marks);
	if (k->aside)
		closep(&k->aside_fd);
}

static bool is_skipped(struct step_ctx *ctx, int i)
{
	struct step_run_info info;

	step_run_info(ctx, &info);
	return !strcmp(info.step_state(ctx, (size_t)i), "skipped");
}

/* --- counting --- */

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
		r = open_now(k, ctx, &now, err);
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
	ret->known = carry_select(k->copy, step_plan(ctx)) ||
		     carry_by_columns(k, &cols, false);
	if (!ret->known)
		return 0;
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
	look_aside(&k, ctx);
	r = count(&k, ctx, ret, err);
	release(&k);
	return r;
}

int step_carry_any(struct step_ctx *ctx, const struct strvec *copies,
		   struct error *err)
{
	const struct plan *p = step_plan(ctx);

	for (size_t i = 0; i < copies->n; i++) {
		int at = plan_step_index(p, copies->v[i]);
		struct step_carried n;
		int ret = is_skipped(ctx, at) ? 0 :
			  step_carry_count(p->steps[at], ctx, &n, err);

		if (ret < 0)
			return ret;
		if (!is_skipped(ctx, at) && n.put + n.deleted)
			return 1;
	}
	return 0;
}

/* --- all of them --- */

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

struct carrying {
	struct carry_job *job;
	const struct records_job **went, **back;
	struct records_carried *sum;
	size_t n, all;
	bool stops, keeps;
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
		    is_skipped(ctx, i))
			continue;
		c->all++;
		ret = build(k, p->steps[i], ctx, err);
		if (ret < 0)
			error_prefix(err, "%s", p->steps[i]->id);
		if (ret == 0)
			release(k);
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
			release(&c->job[i]);
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
		ret = drop_undo(&c->job[i], ctx, err);
	if (ret >= 0)
		ret = records_carry(&rc, c->sum, err);
	if (ret < 0 && c->stops)
		error_hint(err, _("With --no-carry the old tables come back "
				  "as they were at the cutover."));
	for (size_t i = 0; ret == 0 && i < c->n; i++) {
		ret = drop_table(&c->job[i], ctx, err);
		if (ret == 0)
			ret = keep_undo(&c->job[i], ctx, &c->sum[i], err);
		tell(&c->job[i], ctx, &c->sum[i]);
	}
	return MIN(ret, 0);
}

int step_carry(struct step_ctx *ctx, const struct strvec *copies, bool keeps,
	       uint64_t *rows, struct error *err)
{
	struct carrying c = { .keeps = keeps };
	int ret = build_all(&c, ctx, copies, err);

	*rows = 0;
	if (ret == 0 && c.n)
		ret = carry_all(&c, ctx, err);
	for (size_t i = 0; ret == 0 && i < c.n; i++)
		*rows += c.sum[i].put + c.sum[i].deleted;
	if (ret == 0 && c.n < c.all)
		ret = 1;
	carrying_release(&c, copies);
	return ret;
}

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
			ret = drop_table(&c.job[i], ctx, err);
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

		if (is_skipped(ctx, at) || strcmp(m->to.store->url, url) != 0)
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
