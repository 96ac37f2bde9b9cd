/* SPDX-License-Identifier: MIT */
/*
 * cutover - from the old to the new, while nobody writes
 *
 * store and fence (its tables that nobody writes meanwhile); writers ("wait" or
 * "refuse": see step-cutover.h); max_stall; drain, copies, level, equal and
 * verify: what is done, and asked, before the switch; views (as the kind views
 * has them) and switch (an argument list), which switch_back takes back; keep
 * (the fence stays).
 */
#include <errno.h>
#include <string.h>

#include "base/child.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "effects.h"
#include "plan.h"
#include "sql-grants.h"
#include "step-carry.h"
#include "step-cutover.h"
#include "step-fence.h"
#include "step-live.h"
#include "steps.h"

#define STALL_S 60.0
/* less than deadlock_timeout of a server: no writer is the one to give way */
#define LOCK_S 0.8

/* --- parse --- */

static void parse_equal(struct plan_node *n, struct cutover *c)
{
	_cleanup_strvec_ struct strvec texts = STRVEC_INIT;

	if (!plan_node_list(n, "equal", false, &texts))
		return;
	if (texts.n % 2)
		plan_node_problem(n, "equal", _("'equal' takes queries in "
						"pairs"));
	c->equal = xcalloc(texts.n + 1, sizeof(*c->equal));
	for (size_t i = 0; i < texts.n; i++) {
		struct plan_set *set = &c->equal[i];

		c->equal_n = i + 1;
		if (plan_node_set_text(n, "equal", texts.v[i], PLAN_SET_QUERY,
				       set) && !set->query)
			plan_node_problem(n, "equal", _("'%s' is no query"),
					  texts.v[i]);
	}
}

static void parse_views(struct step *s, struct plan_node *n,
			struct cutover *c)
{
	if (!plan_node_has(n, "views"))
		return;
	c->views.step = s->id;
	c->views.dialect = c->target.dialect;
	step_views_parse(n, &c->views);
	c->views_id = xasprintf("%s/views", s->id);
	c->as_views.id = c->views_id;
	c->as_views.ops = s->ops;
	if (c->keep)
		plan_node_problem(n, "keep", _("'%s' and '%s' exclude each "
				  "other"), "keep", "views");
}

static int cutover_parse(struct step *s, struct plan_node *n)
{
	static const char *const words[] = { "wait", "refuse", NULL };
	int writers;
	struct cutover *c = xcalloc(1, sizeof(*c));

	s->priv = c;
	c->max_stall_s = STALL_S;
	(void)plan_node_duration(n, "max_stall", &c->max_stall_s);
	(void)plan_node_bool(n, "keep", &c->keep);
	(void)plan_node_argv(n, "drain", false, &c->drain);
	(void)plan_node_argv(n, "verify", false, &c->verify);
	(void)plan_node_argv(n, "switch", false, &c->go);
	(void)plan_node_argv(n, "switch_back", false, &c->back);
	parse_equal(n, c);
	(void)plan_node_steps(n, "copies", STEP_COPIES, &c->copies);
	(void)plan_node_level(n, "level", &c->level);
	(void)plan_node_list(n, "fence", true, &c->fence);
	if (plan_node_word(n, "writers", false, words, &writers))
		c->writers = writers ? CUTOVER_REFUSE : CUTOVER_WAIT;
	(void)step_sql_target(n, &c->target);
	parse_views(s, n, c);
	if (plan_node_failed(n))
		return -EINVAL;
	if (!plan_node_has(n, "lock_timeout"))
		c->target.lock_s = LOCK_S;
	step_fence_add(s->id, c->target.dialect, &c->fence, &c->up, &c->down);
	if (c->views.n) {
		step_views_up(&c->views, &c->views_up);
		step_views_down(&c->views, &c->views_down);
	}
	return 0;
}

static void cutover_lint(const struct step *s, const struct plan *p,
			 struct plan_problems *problems)
{
	const struct cutover *c = s->priv;
	_cleanup_free_ char *why = NULL;

	step_live_lint_end(s, p, &c->copies, c->target.store->name, &c->fence,
			   problems);
	if (c->writers == CUTOVER_WAIT)
		why = step_cutover_no_wait(s, p);
	if (why)
		plan_problem_add(problems, s->line, _("step '%s': writers "
				 "cannot wait: %s"), s->id, why);
}

static bool cutover_compares(const struct step *s, const struct step *copy)
{
	const struct cutover *c = s->priv;

	return strvec_has(&c->copies, copy->id);
}

static const struct strvec *cutover_ends(const struct step *s)
{
	const struct cutover *c = s->priv;

	return &c->copies;
}

static const struct views_spec *cutover_views(const struct step *s,
					      const struct plan_store **store)
{
	const struct cutover *c = s->priv;

	*store = c->target.store;
	return &c->views;
}

static int cutover_effects(const struct step *s, struct step_ctx *ctx,
			   struct effects *out, struct error *err)
{
	const struct cutover *c = s->priv;

	(void)ctx;
	(void)err;
	/* An application that writes meanwhile would lose it all if the file
	   came back; the fence goes by itself. */
	for (size_t i = 0; (c->copies.n || c->views.n) && i < c->fence.n; i++)
		effects_add_set(out, EFFECT_READ, c->target.store->name,
				c->fence.v[i]);
	if (c->target.dialect == SQL_SQLITE && !c->copies.n && !c->views.n)
		step_sql_effects(&c->target, &c->up, out);
	return 0;
}

/* The file that comes back has it, and is not to be another before. What was
   written to the old tables meanwhile comes into new ones that have their
   rows; old ones that stand aside are loaded under that name. */
static bool cutover_redo_last(const struct step *s)
{
	const struct cutover *c = s->priv;

	return c->target.dialect == SQL_SQLITE || (c->copies.n && !c->views.n);
}

static bool cutover_undoable(const struct step *s)
{
	const struct cutover *c = s->priv;

	return c->back.n || !c->go.n;
}

/* --- looking --- */

static bool has_program(struct step_ctx *ctx, const struct strvec *argv,
			struct check_result *r)
{
	_cleanup_free_ char *path = NULL, *shown = NULL;

	if (!argv->n || child_find(argv->v[0], step_root_fd(ctx), &path) >= 0)
		return true;
	shown = escape_bytes(argv->v[0]);
	check_result_set(r, CHECK_FAIL, _("cannot find program '%s'"), shown);
	r->code = ERR_TOOL;
	return false;
}

static int cutover_check(const struct step *s, struct step_ctx *ctx,
			 struct check_result *r, struct error *err)
{
	const struct cutover *c = s->priv;
	_cleanup_work_ struct sql_work w;
	int ret;

	step_cutover_work(&w, s, ctx);
	ret = step_sql_check(&w, r, err);
	if (ret >= 0 && r->state == CHECK_OK)
		(void)(has_program(ctx, &c->drain, r) &&
		       has_program(ctx, &c->verify, r) &&
		       has_program(ctx, &c->go, r) &&
		       has_program(ctx, &c->back, r));
	return ret;
}

static void show(const char *what, const struct strvec *argv,
		 struct preview *p)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addstr(&sb, what);
	for (size_t i = 0; i < argv->n; i++) {
		strbuf_addch(&sb, ' ');
		strbuf_add_escaped(&sb, argv->v[i], strlen(argv->v[i]));
	}
	if (argv->n)
		strvec_push(&p->lines, sb.buf);
}

static void show_writers(const struct step *s, struct step_ctx *ctx,
			 struct preview *p)
{
	const struct cutover *c = s->priv;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	_cleanup_free_ char *why = NULL;

	if (step_cutover_waits(s, step_plan(ctx))) {
		strbuf_addf(&sb, _("writers wait, for %g s at most"),
			    c->max_stall_s);
	} else {
		strbuf_addf(&sb, _("writers get an error, for %g s at most"),
			    c->max_stall_s);
		if (c->writers == CUTOVER_DEFAULT)
			why = step_cutover_no_wait(s, step_plan(ctx));
		if (why)
			strbuf_addf(&sb, " (%s)", why);
	}
	strvec_push(&p->lines, sb.buf);
}

static int cutover_preview(const struct step *s, struct step_ctx *ctx,
			   struct preview *p, struct error *err)
{
	const struct cutover *c = s->priv;

	(void)err;
	show_writers(s, ctx, p);
	if (!step_cutover_waits(s, step_plan(ctx)))
		step_sql_show(s, _("would run:"), &c->up, p);
	if (!s->secret) {
		show(_("would run:"), &c->drain, p);
		show(_("would run:"), &c->verify, p);
		show(_("would run:"), &c->go, p);
		show(_("undone by:"), &c->back, p);
	}
	step_sql_show(s, _("would run:"), &c->views_up, p);
	/* who cannot look is told why by the check */
	(void)step_carry_look(ctx, &c->copies, &p->lines, NULL);
	return 0;
}

static void cutover_grants(const struct step *s, struct sql_grants *g)
{
	const struct cutover *c = s->priv;

	sql_grants_ours(g, c->target.store);
	sql_grants_list(g, c->target.store, &c->up);
	sql_grants_list(g, c->target.store, &c->views_up);
	for (size_t i = 0; i < c->views.n; i++)
		if (c->views.v[i].keep)
			sql_grants_table(g, c->target.store, "OWN",
					 c->views.v[i].name);
	for (size_t i = 0; i < c->equal_n; i++)
		sql_grants_read(g, &c->equal[i]);
}

static void cutover_release(struct step *s)
{
	struct cutover *c = s->priv;

	if (!c)
		return;
	strvec_release(&c->fence);
	strvec_release(&c->copies);
	strvec_release(&c->drain);
	strvec_release(&c->verify);
	strvec_release(&c->go);
	strvec_release(&c->back);
	for (size_t i = 0; i < c->equal_n; i++)
		plan_set_release(&c->equal[i]);
	free(c->equal);
	sql_list_release(&c->up);
	sql_list_release(&c->down);
	step_views_release(&c->views);
	sql_list_release(&c->views_up);
	sql_list_release(&c->views_down);
	free(c->views_id);
	free(c);
	s->priv = NULL;
}

const struct step_ops cutover_ops = {
	.name = "cutover",
	.flags = STEP_RESUMES | STEP_LOOK_FIRST,
	.parse = cutover_parse,
	.effects = cutover_effects,
	.lint = cutover_lint,
	.ends = cutover_ends,
	.views = cutover_views,
	.compares = cutover_compares,
	.check = cutover_check,
	.preview = cutover_preview,
	.probe = step_cutover_probe,
	.apply = step_cutover_apply,
	.undo = step_cutover_undo,
	.carry = step_cutover_carry,
	.redo = step_cutover_redo,
	.redo_last = cutover_redo_last,
	.undoable = cutover_undoable,
	.grants = cutover_grants,
	.release = cutover_release,
};
