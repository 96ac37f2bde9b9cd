/* SPDX-License-Identifier: MIT */
/*
 * The old tables are in a file that comes back as a whole, by a step further
 * down, and the new ones are on a server: what is undone on the way there takes
 * their rows, so these are kept in tables of ours until the file is there.
 */

#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "step-carry-internal.h"
#include "store-ours.h"
#include "store-sql.h"

#define TRIES 10u

char *carry_id(const struct step *copy, struct step_ctx *ctx)
{
	_cleanup_free_ char *step = step_carry_step(copy->id);
	struct step_run_info info;

	step_run_info(ctx, &info);
	return store_ours_id(step, info.run_key);
}

static char *kept_name(const struct step *copy, struct step_ctx *ctx)
{
	_cleanup_free_ char *id = carry_id(copy, ctx);

	return xasprintf("_upshift_q_%s", id);
}

static struct json_object *fact(struct step_ctx *ctx)
{
	struct json_object *o = step_get_fact(ctx, "kept");

	/* of another rollback */
	return !strcmp(json_get_str(o, "r", ""), step_rollback_point(ctx)) ?
	       o : NULL;
}

static bool is_one(const struct step *copy, struct step_ctx *ctx)
{
	const struct records_step *m = copy->priv;

	return carry_stores(m) && m->to.store->kind == PLAN_STORE_PG &&
	       !carry_is_mirror(copy, step_plan(ctx));
}

char *carry_kept(const struct step *copy, struct step_ctx *ctx)
{
	return fact(ctx) && is_one(copy, ctx) ? kept_name(copy, ctx) : NULL;
}

bool step_carry_is_kept(struct step_ctx *ctx, bool *rejects)
{
	struct json_object *o = fact(ctx);

	*rejects = json_get_bool(o, "rejects", false);
	return o;
}

/* --- the tables --- */

struct keeping {
	struct step_ctx *ctx;
	const struct strvec *copies;
	const char *url;
	bool drops, rejects;
};

static int drop(struct store *s, const char *name, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "DROP TABLE IF EXISTS ");
	store_sql_name(&sql, name);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

/* with its keys, by which its rows are told from each other and looked for */
static int keep_set(struct store *s, const char *name, const char *set,
		    struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "CREATE TABLE ");
	store_sql_name(&sql, name);
	strbuf_addstr(&sql, " (LIKE ");
	store_sql_set(&sql, set);
	strbuf_addstr(&sql, " INCLUDING INDEXES)");
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	if (ret < 0)
		return ret;
	strbuf_clear(&sql);
	strbuf_addstr(&sql, "INSERT INTO ");
	store_sql_name(&sql, name);
	strbuf_addstr(&sql, " SELECT * FROM ");
	store_sql_set(&sql, set);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

static int keep_view(struct store *s, const char *name, const char *select,
		     struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "CREATE TABLE ");
	store_sql_name(&sql, name);
	strbuf_addf(&sql, " AS %s", select);
	ret = store_exec(s, sql.buf, NULL, NULL, err);
	return MIN(ret, 0);
}

static int keep_one(struct keeping *k, const struct step *copy,
		    struct store *s, struct error *err)
{
	const struct records_step *m = copy->priv;
	const char *view = carry_select(copy, step_plan(k->ctx));
	_cleanup_free_ char *name = kept_name(copy, k->ctx);
	_cleanup_free_ char *shown = carry_shown(copy, k->ctx);
	uint64_t rejects = 0;
	struct step_records_job j;
	int ret = drop(s, name, err);

	if (ret == 0 && view)
		ret = drop(s, shown, err);
	if (ret < 0 || k->drops)
		return ret;
	ret = keep_set(s, name, m->to.set, err);
	if (ret == 0 && view)
		ret = keep_view(s, shown, view, err);
	step_records_job_init(copy, k->ctx, &j);
	if (ret == 0)
		ret = records_reject_count(s, j.marks, &rejects, err);
	step_records_job_release(&j);
	k->rejects |= rejects > 0;
	return ret;
}

static int keep_all(void *arg, struct store *s, struct error *err)
{
	struct keeping *k = arg;
	const struct plan *p = step_plan(k->ctx);
	int ret = k->drops ? 0 :
		  step_carry_lock(k->ctx, k->copies, k->url, s, err);

	for (size_t i = 0; ret == 0 && i < k->copies->n; i++) {
		int at = plan_step_index(p, k->copies->v[i]);
		const struct step *copy = p->steps[at];
		const struct records_step *m = copy->priv;

		if (!carry_is_skipped(k->ctx, at) && is_one(copy, k->ctx) &&
		    !strcmp(m->to.store->url, k->url))
			ret = keep_one(k, copy, s, err);
	}
	return ret;
}

/* one transaction in each of the new stores; 1: there is one */
static int in_stores(struct keeping *k, struct error *err)
{
	const struct plan *p = step_plan(k->ctx);
	_cleanup_strvec_ struct strvec urls = STRVEC_INIT;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < k->copies->n; i++) {
		int at = plan_step_index(p, k->copies->v[i]);
		const struct records_step *m = p->steps[at]->priv;
		_cleanup_store_ struct store *s = NULL;

		if (carry_is_skipped(k->ctx, at) ||
		    !is_one(p->steps[at], k->ctx) ||
		    strvec_has(&urls, m->to.store->url))
			continue;
		k->url = m->to.store->url;
		strvec_push(&urls, k->url);
		ret = step_store(k->ctx, m->to.store->name, false, &s, err);
		if (ret == 0)
			ret = store_transact(s, keep_all, k, TRIES, err);
	}
	return ret < 0 ? ret : urls.n > 0;
}

int step_carry_keep(struct step_ctx *ctx, const struct strvec *copies,
		    struct error *err)
{
	struct keeping k = { .ctx = ctx, .copies = copies };
	int ret = in_stores(&k, err);
	struct json_object *o;

	if (ret <= 0)
		return ret;
	o = json_object_new_object();
	json_set_str(o, "r", step_rollback_point(ctx));
	json_set_bool(o, "rejects", k.rejects);
	return step_set_fact(ctx, "kept", o, err);
}

int step_carry_let_go(struct step_ctx *ctx, const struct strvec *copies,
		      struct error *err)
{
	struct keeping k = { .ctx = ctx, .copies = copies, .drops = true };

	return fact(ctx) ? MIN(in_stores(&k, err), 0) : 0;
}
