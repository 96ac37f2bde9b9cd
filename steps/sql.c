/* SPDX-License-Identifier: MIT */
/*
 * sql - statements on a database
 *
 * store; up (statements) or file (a script beside the plan); down (what undoes
 * them, the last first); probe (a query whose one cell is not, partly or
 * fully); lock_timeout, timeout, retries. See step-sql.h for how they are run.
 *
 * Undo: the file of SQLite comes back as it was, down is not run. A server has
 * only down; without it nothing brings back what was done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "effects.h"
#include "plan.h"
#include "sql-grants.h"
#include "sql-lint.h"
#include "step-sql.h"
#include "step-views.h"
#include "steps.h"
#include "store.h"

#define DAY_S (24 * 60 * 60)
#define UNUSED_S (30.0 * DAY_S)

struct sql_spec {
	struct sql_target target;
	struct sql_list up, down;
	bool has_down;
	char *probe;
	char *unused;            /* a step of views that nobody uses */
	double unused_s;
};

/* by a step before this one: what is done to it holds up nobody */
static bool is_new(const struct plan *p, const struct sql_spec *q, size_t i)
{
	for (size_t k = 0; k < p->step_n; k++) {
		const struct sql_spec *other = p->steps[k]->priv;

		if (p->steps[k]->ops == &sql_ops &&
		    other->target.store == q->target.store &&
		    sql_makes_table_of(&other->up, &q->up, i))
			return true;
	}
	return false;
}

static void parse_up(struct plan_node *n, struct sql_spec *q)
{
	const struct plan_file *file = NULL;
	bool up = plan_node_has(n, "up");

	if (up == plan_node_has(n, "file")) {
		plan_node_problem(n, "up", _("one of 'up' and 'file' is "
					     "needed"));
		return;
	}
	if (up)
		(void)step_sql_list(n, "up", true, &q->target, &q->up);
	else if (plan_node_file(n, "file", true, &file))
		step_sql_text(n, "file", file->data, file->len, &q->target,
			      &q->up);
	for (size_t i = 0; i < q->up.n && q->target.dialect == SQL_PG; i++) {
		const char *why = sql_hazard(&q->up, i,
					     plan_node_has(n, "confirm"));

		if (why && !is_new(plan_node_plan(n), q, i))
			plan_node_warning(n, up ? "up" : "file",
				_("warning: statement %d (line %d): %s"),
				(int)i + 1, q->up.v[i].line, _(why));
	}
	if (!q->up.n && !plan_node_failed(n))
		plan_node_problem(n, up ? "up" : "file",
				  _("there is no statement in it"));
}

static int sql_parse(struct step *s, struct plan_node *n)
{
	struct sql_spec *q = xcalloc(1, sizeof(*q));

	s->priv = q;
	(void)plan_node_string(n, "probe", false, &q->probe);
	q->unused_s = UNUSED_S;
	s->timed = plan_node_string(n, "unused", false, &q->unused);
	(void)plan_node_duration(n, "unused_for", &q->unused_s);
	/* the rest is read without a store too: all problems are listed */
	(void)step_sql_target(n, &q->target);
	if (q->unused && q->target.dialect != SQL_PG)
		plan_node_problem(n, "unused", _("SQLite cannot count who "
						 "reads"));
	parse_up(n, q);
	q->has_down = step_sql_list(n, "down", false, &q->target, &q->down);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int sql_effects(const struct step *s, struct step_ctx *ctx,
		       struct effects *out, struct error *err)
{
	const struct sql_spec *q = s->priv;

	(void)ctx;
	(void)err;
	step_sql_effects(&q->target, &q->up, out);
	return 0;
}

static const struct sql_list *sql_statements(const struct step *s,
					     const struct plan_store **store)
{
	const struct sql_spec *q = s->priv;

	*store = q->target.store;
	return &q->up;
}

static bool sql_undoable(const struct step *s)
{
	const struct sql_spec *q = s->priv;

	return q->has_down || q->target.dialect == SQL_SQLITE;
}

static void init(struct sql_work *w, const struct step *s,
		 struct step_ctx *ctx)
{
	const struct sql_spec *q = s->priv;

	step_sql_init(w, s, ctx, &q->target, &q->up, &q->down);
}

/* UPSHIFT_TEST_UNUSED_S, in seconds, stands for unused_for in tests */
static double unused_s(const struct sql_spec *q)
{
	const char *v = getenv("UPSHIFT_TEST_UNUSED_S");

	return v && *v ? strtod(v, NULL) : q->unused_s;
}

/* for how long yet they must not be used, and why; -EPERM: nobody counts it */
static int time_left(const struct sql_spec *q, const struct plan *p,
		     struct store *store, bool note, double *in_s,
		     struct strbuf *why, struct error *err)
{
	struct views_use use;
	int ret = q->unused ? step_views_use(store, q->unused,
		step_views_of(plan_find_step(p, q->unused)), note, &use, err) :
		0;

	*in_s = 0;
	if (!q->unused || ret < 0)
		return ret;
	if (!use.views)
		return error_set(err, ERR_CHECK, -EPERM,
			_("step '%s' has no views that count their use"),
			q->unused);
	*in_s = MAX(unused_s(q) - use.quiet_s, 0);
	if (use.moved)
		strbuf_addf(why, _("the views of step '%s' are still in use "
			    "(upshift report --compat says by whom)"),
			    q->unused);
	else if (*in_s > 0)
		strbuf_addf(why, _("the views of step '%s' were not used for "
			    "%.1f days, and %.1f are asked for"), q->unused,
			    use.quiet_s / DAY_S, unused_s(q) / DAY_S);
	return 0;
}

/* -EPERM: somebody used the views, or nobody watched for long enough */
static int judge_use(const struct sql_spec *q, struct sql_work *w, bool note,
		     struct error *err)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	double in_s;
	int ret = time_left(q, step_plan(w->ctx), w->store, note, &in_s,
			    &why, err);

	return ret < 0 || !why.len ? ret :
		error_set(err, ERR_CHECK, -EPERM, "%s", why.buf);
}

static int sql_due(const struct step *s, struct step_ctx *ctx, double *in_s,
		   struct strbuf *why, struct error *err)
{
	const struct sql_spec *q = s->priv;
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	ret = step_sql_open(&w, false, err);
	return ret <= 0 || w.m.there ? MIN(ret, 0) :
		time_left(q, step_plan(ctx), w.store, true, in_s, why, err);
}

static int sql_check(const struct step *s, struct step_ctx *ctx,
		     struct check_result *r, struct error *err)
{
	const struct sql_spec *q = s->priv;
	_cleanup_error_ struct error now = ERROR_INIT;
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	ret = step_sql_check(&w, r, err);
	/* what this very plan makes is judged when it is time */
	if (ret < 0 || r->state == CHECK_FAIL || !w.store || w.m.there ||
	    (q->unused && plan_find_step(step_plan(ctx), q->unused)) ||
	    judge_use(q, &w, false, &now) == 0)
		return ret;
	check_result_set(r, CHECK_FAIL, "%s", now.msg);
	return 0;
}

static int sql_preview(const struct step *s, struct step_ctx *ctx,
		       struct preview *p, struct error *err)
{
	const struct sql_spec *q = s->priv;
	_cleanup_work_ struct sql_work w;

	init(&w, s, ctx);
	if (q->unused)
		strvec_pushf(&p->lines, _("not before the views of step '%s' "
			     "were not used for %.1f days"), q->unused,
			     unused_s(q) / DAY_S);
	step_sql_show(s, _("would run:"), &q->up, p);
	if (q->target.dialect == SQL_SQLITE)
		return s->secret ? 0 : step_sql_rehearse(&w, p, err);
	step_sql_show(s, _("undone by:"), &q->down, p);
	if (!q->has_down)
		strvec_push(&p->lines, _("nothing can bring back what it "
			    "does"));
	return 0;
}

static int ask(const struct step *s, struct sql_work *w, enum step_probe *ret,
	       struct error *err)
{
	static const char *const words[] = { "not", "partly", "fully" };
	static const enum step_probe probes[] = { PROBE_NOT, PROBE_PARTLY,
						  PROBE_FULLY };
	const struct sql_spec *q = s->priv;
	_cleanup_free_ char *cell = NULL;
	int r = step_sql_cell(w->store, q->probe, NULL, &cell, err);

	if (r < 0) {
		error_prefix(err, "probe");
		return r;
	}
	for (size_t i = 0; cell && i < ARRAY_SIZE(words); i++)
		if (!strcmp(cell, words[i])) {
			*ret = probes[i];
			return 0;
		}
	return error_set(err, ERR_STEP, -EINVAL,
			 _("the probe gave '%s', not 'not', 'partly' or "
			   "'fully'"), cell ? cell : "NULL");
}

static int sql_probe(const struct step *s, struct step_ctx *ctx,
		     enum step_probe *ret, struct error *err)
{
	const struct sql_spec *q = s->priv;
	_cleanup_work_ struct sql_work w;
	int r;

	init(&w, s, ctx);
	r = step_sql_open(&w, true, err);
	*ret = PROBE_NOT;
	if (r <= 0)
		return r;
	*ret = step_sql_state(&w);
	return w.m.there || !q->probe ? 0 : ask(s, &w, ret, err);
}

static int sql_apply(const struct step *s, struct step_ctx *ctx,
		     struct error *err)
{
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	ret = step_sql_open(&w, false, err);
	if (ret > 0 && !w.m.there)
		ret = judge_use(s->priv, &w, true, err);
	return ret < 0 ? ret : step_sql_apply(&w, err);
}

static int sql_verify(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	const struct sql_spec *q = s->priv;
	_cleanup_work_ struct sql_work w;
	enum step_probe p = PROBE_NOT;
	int ret;

	init(&w, s, ctx);
	ret = step_sql_open(&w, true, err);
	if (ret > 0) {
		/* without a row it was there before this run, says the probe */
		p = w.m.there ? step_sql_state(&w) : PROBE_FULLY;
		ret = 0;
		/* later steps may have gone on from there */
		if (q->probe && p == PROBE_FULLY && !step_looks_back(ctx))
			ret = ask(s, &w, &p, err);
	}
	return ret < 0 || p == PROBE_FULLY ? ret :
		error_set(err, ERR_STEP_VERIFY, -EBADMSG,
			  _("what it should have done is not there"));
}

static int sql_undo(const struct step *s, struct step_ctx *ctx,
		    struct error *err)
{
	const struct sql_spec *q = s->priv;
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	if (q->target.dialect == SQL_SQLITE)
		return 0;
	ret = step_sql_open(&w, false, err);
	if (ret > 0 && w.m.there && !q->has_down)
		return error_set(err, ERR_NO_WAY_BACK, -EPERM,
				 _("nothing can bring back what it does"));
	return ret < 0 ? ret : step_sql_undo(&w, err);
}

static int sql_redo(const struct step *s, struct step_ctx *ctx,
		    struct error *err)
{
	const struct sql_spec *q = s->priv;

	return q->target.dialect == SQL_SQLITE ? 0 : sql_apply(s, ctx, err);
}

static void sql_grants(const struct step *s, struct sql_grants *g)
{
	const struct sql_spec *q = s->priv;

	sql_grants_ours(g, q->target.store);
	sql_grants_list(g, q->target.store, &q->up);
	sql_grants_list(g, q->target.store, &q->down);
	sql_grants_text(g, q->target.store, q->probe);
}

static void sql_release(struct step *s)
{
	struct sql_spec *q = s->priv;

	if (!q)
		return;
	sql_list_release(&q->up);
	sql_list_release(&q->down);
	free(q->probe);
	free(q->unused);
	free(q);
	s->priv = NULL;
}

const struct step_ops sql_ops = {
	.name = "sql",
	.flags = STEP_RESUMES | STEP_LOOK_FIRST,
	.parse = sql_parse,
	.effects = sql_effects,
	.check = sql_check,
	.preview = sql_preview,
	.probe = sql_probe,
	.apply = sql_apply,
	.verify = sql_verify,
	.undo = sql_undo,
	.redo = sql_redo,
	.due = sql_due,
	.undoable = sql_undoable,
	.grants = sql_grants,
	.statements = sql_statements,
	.release = sql_release,
};
