/* SPDX-License-Identifier: MIT */
/*
 * views - what programs of the old version still see
 *
 * store; views (a list of groups: name, select, insert, update, delete,
 * defaults, keep, mode, key, sources); count_use; deprecate (a date); security_invoker. See
 * step-views.h for what is made of it.
 */
#include <errno.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "effects.h"
#include "plan.h"
#include "sql-grants.h"
#include "step-sql.h"
#include "step-views.h"
#include "steps.h"
#include "store-sql.h"
#include "store.h"

struct views_step {
	struct sql_target target;
	struct views_spec spec;
	struct sql_list up, down;
};

static int views_parse(struct step *s, struct plan_node *n)
{
	struct views_step *v = xcalloc(1, sizeof(*v));

	s->priv = v;
	v->spec.step = s->id;
	/* the rest is read without a store too: all problems are listed */
	(void)step_sql_target(n, &v->target);
	v->spec.dialect = v->target.dialect;
	step_views_parse(n, &v->spec);
	if (plan_node_failed(n))
		return -EINVAL;
	step_views_up(&v->spec, &v->up);
	step_views_down(&v->spec, &v->down);
	return 0;
}

static int views_effects(const struct step *s, struct step_ctx *ctx,
			 struct effects *out, struct error *err)
{
	const struct views_step *v = s->priv;

	(void)ctx;
	(void)err;
	/* no row is changed: on a server only the names are */
	if (v->target.dialect == SQL_SQLITE)
		step_sql_effects(&v->target, &v->up, out);
	return 0;
}

static void init(struct sql_work *w, const struct step *s,
		 struct step_ctx *ctx)
{
	const struct views_step *v = s->priv;

	step_sql_init(w, s, ctx, &v->target, &v->up, &v->down);
	/* a foreign key that names a view is a mismatch to SQLite's check */
	w->names_only = true;
}

static const struct views_spec *views_of(const struct step *s,
					 const struct plan_store **store)
{
	const struct views_step *v = s->priv;

	*store = v->target.store;
	return &v->spec;
}

/* A view reads as its owner, whom policies do not hold back. */
static int look_at_policies(const struct views_step *v, struct store *store,
			    struct check_result *r, struct error *err)
{
	static const char sql[] = "SELECT 1 FROM pg_class WHERE oid = "
		"to_regclass($1) AND relkind IN ('r', 'p') AND relrowsecurity";
	int n = 0;

	for (size_t i = 0; n == 0 && i < v->spec.n; i++) {
		_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;
		const char *name = v->spec.v[i].name, *arg;

		if (v->spec.v[i].mirror)
			continue;
		store_sql_set(&set, name);
		arg = set.buf;
		n = store_exec_text(store, sql, &arg, 1, NULL, err);
		if (n > 0)
			check_result_set(r, CHECK_WARN, _("policies (row-level "
				"security) hide rows of '%s' from some; its "
				"view shows all rows to whoever may read it, "
				"unless security_invoker = true, and policies "
				"on the new tables"), name);
	}
	return n;
}

/* what stands for the old tables, and these, are in schemas of their own */
static int look_at_rights(struct store *store, struct check_result *r,
			  struct error *err)
{
	int n = store_exec(store, "SELECT 1 WHERE NOT has_database_privilege("
			   "current_database(), 'CREATE')", NULL, NULL, err);

	if (n > 0) {
		check_result_set(r, CHECK_FAIL, _("%s: no right to create a "
				 "schema"), store_name(store));
		r->code = ERR_STORE;
	}
	return n;
}

static int look_at_server(const struct views_step *v, struct store *store,
			  struct check_result *r, struct error *err)
{
	int n = look_at_rights(store, r, err);

	if (n == 0 && !v->spec.invoker)
		n = look_at_policies(v, store, r, err);
	/* other engines may have no such thing */
	if (n < 0 && store_class(n) == STORE_CLASS_FATAL) {
		error_release(err);
		return 0;
	}
	return MIN(n, 0);
}

static int views_check(const struct step *s, struct step_ctx *ctx,
		       struct check_result *r, struct error *err)
{
	const struct views_step *v = s->priv;
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	ret = step_sql_check(&w, r, err);
	if (ret == 0 && r->state == CHECK_OK && w.store &&
	    v->target.dialect != SQL_SQLITE)
		ret = look_at_server(v, w.store, r, err);
	return ret;
}

static int views_preview(const struct step *s, struct step_ctx *ctx,
			 struct preview *p, struct error *err)
{
	const struct views_step *v = s->priv;
	_cleanup_work_ struct sql_work w;

	init(&w, s, ctx);
	step_sql_show(s, _("would run:"), &v->up, p);
	if (v->target.dialect == SQL_SQLITE)
		return step_sql_rehearse(&w, p, err);
	return 0;
}

static int views_probe(const struct step *s, struct step_ctx *ctx,
		       enum step_probe *ret, struct error *err)
{
	_cleanup_work_ struct sql_work w;
	int r;

	init(&w, s, ctx);
	r = step_sql_open(&w, true, err);
	*ret = r > 0 ? step_sql_state(&w) : PROBE_NOT;
	return MIN(r, 0);
}

static int views_apply(const struct step *s, struct step_ctx *ctx,
		       struct error *err)
{
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	ret = step_sql_open(&w, false, err);
	return ret < 0 ? ret : step_sql_apply(&w, err);
}

static int views_undo(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	const struct views_step *v = s->priv;
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	if (v->target.dialect == SQL_SQLITE)
		return 0;
	ret = step_sql_open(&w, false, err);
	return ret < 0 ? ret : step_sql_undo(&w, err);
}

static int views_redo(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	const struct views_step *v = s->priv;

	return v->target.dialect == SQL_SQLITE ? 0 : views_apply(s, ctx, err);
}

static void views_grants(const struct step *s, struct sql_grants *g)
{
	const struct views_step *v = s->priv;

	sql_grants_ours(g, v->target.store);
	sql_grants_list(g, v->target.store, &v->up);
	/* put aside, or kept equal: if it is there */
	for (size_t i = 0; i < v->spec.n; i++)
		if (v->spec.v[i].keep)
			sql_grants_table(g, v->target.store, "OWN",
					 v->spec.v[i].name);
}

static void views_release(struct step *s)
{
	struct views_step *v = s->priv;

	if (!v)
		return;
	step_views_release(&v->spec);
	sql_list_release(&v->up);
	sql_list_release(&v->down);
	free(v);
	s->priv = NULL;
}

const struct step_ops views_ops = {
	.name = "views",
	.flags = STEP_RESUMES | STEP_LOOK_FIRST,
	.parse = views_parse,
	.effects = views_effects,
	.check = views_check,
	.preview = views_preview,
	.probe = views_probe,
	.apply = views_apply,
	.undo = views_undo,
	.redo = views_redo,
	.views = views_of,
	.grants = views_grants,
	.release = views_release,
};
