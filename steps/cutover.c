/* SPDX-License-Identifier: MIT */
/*
 * cutover - from the old to the new, while nobody writes
 *
 * store and fence (its tables whose writers are turned away, SQLSTATE 25006);
 * then, in this order and all within max_stall: drain (argument list: what is
 * still on its way), copies (steps whose changes are drained, or whose two
 * sides are made the same, and which are compared then at level), equal
 * (queries in pairs whose first cells must be the same), verify (argument
 * list), switch (argument list); then the fence goes, or stays with keep, and
 * the captures of the copies end. switch_back takes the switch back.
 *
 * What may be found after a kill, by the row of the fence (step-sql.h) and the
 * fact "phase":
 *	no row, no fact		nothing was done
 *	a row, no fact		fenced: the fence goes, all of it again
 *	"switching"		the switch may have happened: switch_back, the
 *				fence goes, all of it again
 *	"switched"		the fence goes unless it is kept, the captures
 *				end, and that is all
 *	"done"			so it is (with copies)
 *	"back"			all was put back after a failure
 * An engine that is dead leaves the fence where it is until somebody resumes
 * or rolls back.
 */
#include <errno.h>
#include <string.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "effects.h"
#include "plan.h"
#include "sql-grants.h"
#include "step-compare.h"
#include "step-live.h"
#include "step-sql.h"
#include "steps.h"
#include "store-sql.h"
#include "store.h"

#define STALL_S 60.0
#define BACK_S 600.0
/* less than deadlock_timeout of a server: no writer is the one to give way */
#define LOCK_S 0.8

struct cutover {
	struct sql_target target;
	struct strvec fence;
	struct sql_list up, down;
	struct strvec drain, verify, go, back;
	struct plan_set *equal;
	size_t equal_n;
	struct strvec copies;
	enum plan_level level;
	double max_stall_s;
	bool keep;
};

/* --- the fence --- */

static void fence_pg(const struct step *s, const char *table,
		     struct sql_list *up, struct sql_list *down)
{
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf fn = STRBUF_INIT;
	_cleanup_free_ char *name = xasprintf("_upshift_fence_%s", s->id);

	store_sql_name(&fn, name);
	if (!up->n) {
		step_sql_add(up, SQL_PG, "CREATE FUNCTION %s() RETURNS "
			"trigger LANGUAGE plpgsql AS $upshift$ BEGIN RAISE "
			"EXCEPTION 'the data are being moved, nothing can be "
			"written' USING ERRCODE = 'read_only_sql_transaction';"
			" END $upshift$", fn.buf);
		step_sql_add(down, SQL_PG, "DROP FUNCTION %s()", fn.buf);
	}
	store_sql_set(&set, table);
	step_sql_add(up, SQL_PG, "CREATE TRIGGER _upshift_fence BEFORE INSERT "
		"OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT "
		"EXECUTE FUNCTION %s()", set.buf, fn.buf);
	step_sql_add(down, SQL_PG, "DROP TRIGGER _upshift_fence ON %s",
		     set.buf);
}

static void fence_sqlite(const char *table, struct sql_list *up,
			 struct sql_list *down)
{
	static const char *const ops[] = { "INSERT", "UPDATE", "DELETE" };
	_cleanup_strbuf_ struct strbuf set = STRBUF_INIT;

	store_sql_set(&set, table);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		_cleanup_free_ char *plain = xasprintf("_upshift_fence_%s_%s",
						       table, ops[i]);
		_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;

		store_sql_name(&name, plain);
		step_sql_add(up, SQL_SQLITE, "CREATE TRIGGER %s BEFORE %s ON "
			"%s BEGIN SELECT raise(ABORT, 'the data are being "
			"moved, nothing can be written'); END", name.buf,
			ops[i], set.buf);
		step_sql_add(down, SQL_SQLITE, "DROP TRIGGER %s", name.buf);
	}
}

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

static int cutover_parse(struct step *s, struct plan_node *n)
{
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
	if (!step_sql_target(n, &c->target) || plan_node_failed(n))
		return -EINVAL;
	if (!plan_node_has(n, "lock_timeout"))
		c->target.lock_s = LOCK_S;
	for (size_t i = 0; i < c->fence.n; i++)
		if (c->target.dialect == SQL_PG)
			fence_pg(s, c->fence.v[i], &c->up, &c->down);
		else
			fence_sqlite(c->fence.v[i], &c->up, &c->down);
	return 0;
}

static void cutover_lint(const struct step *s, const struct plan *p,
			 struct plan_problems *problems)
{
	const struct cutover *c = s->priv;

	step_live_lint_end(s, p, &c->copies, c->target.store->name, &c->fence,
			   problems);
}

static const struct strvec *cutover_ends(const struct step *s)
{
	const struct cutover *c = s->priv;

	return &c->copies;
}

static int cutover_effects(const struct step *s, struct step_ctx *ctx,
			   struct effects *out, struct error *err)
{
	const struct cutover *c = s->priv;

	(void)ctx;
	(void)err;
	/* An application that writes meanwhile would lose it all if the file
	   came back; the fence goes by itself. */
	for (size_t i = 0; c->copies.n && i < c->fence.n; i++)
		effects_add_set(out, EFFECT_READ, c->target.store->name,
				c->fence.v[i]);
	if (c->target.dialect == SQL_SQLITE && !c->copies.n)
		step_sql_effects(&c->target, &c->up, out);
	return 0;
}

static bool cutover_undoable(const struct step *s)
{
	const struct cutover *c = s->priv;

	return c->back.n || !c->go.n;
}

/* --- looking --- */

static void init(struct sql_work *w, const struct step *s,
		 struct step_ctx *ctx)
{
	const struct cutover *c = s->priv;

	step_sql_init(w, s, ctx, &c->target, &c->up, &c->down);
	w->names_only = true;
}

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

	init(&w, s, ctx);
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

static int cutover_preview(const struct step *s, struct step_ctx *ctx,
			   struct preview *p, struct error *err)
{
	const struct cutover *c = s->priv;

	(void)ctx;
	(void)err;
	step_sql_show(s, _("would run:"), &c->up, p);
	if (!s->secret) {
		show(_("would run:"), &c->drain, p);
		show(_("would run:"), &c->verify, p);
		show(_("would run:"), &c->go, p);
		show(_("undone by:"), &c->back, p);
	}
	return 0;
}

static const char *phase(struct step_ctx *ctx)
{
	struct json_object *o = step_get_fact(ctx, "phase");

	return o ? json_object_get_string(o) : "";
}

static int set_phase(struct step_ctx *ctx, const char *name,
		     struct error *err)
{
	return step_set_fact(ctx, "phase", json_object_new_string(name), err);
}

static int cutover_probe(const struct step *s, struct step_ctx *ctx,
			 enum step_probe *ret, struct error *err)
{
	const struct cutover *c = s->priv;
	_cleanup_work_ struct sql_work w;
	const char *at = phase(ctx);
	int r;

	init(&w, s, ctx);
	r = step_sql_open(&w, true, err);
	if (r < 0)
		return r;
	if (!strcmp(at, "switched") || !strcmp(at, "done"))
		*ret = w.m.there == c->keep &&
		       (!c->copies.n || !strcmp(at, "done")) ? PROBE_FULLY :
		       PROBE_PARTLY;
	else
		*ret = w.m.there || !strcmp(at, "switching") ? PROBE_PARTLY :
		       PROBE_NOT;
	return 0;
}

/* --- doing --- */

static int command(struct step_ctx *ctx, const struct strvec *argv,
		   double timeout_s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf tail = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct child_result res;
	struct step_command cmd = { .argv = argv, .timeout_s = timeout_s,
				    .tail = &tail };
	_cleanup_free_ char *prog = NULL;
	int ret;

	if (!argv->n)
		return 0;
	ret = step_command(ctx, &cmd, &res, err);
	if (ret < 0 || (!res.timed_out && res.exit_status == 0))
		return MIN(ret, 0);
	prog = escape_bytes(argv->v[0]);
	while (tail.len && tail.buf[tail.len - 1] == '\n')
		strbuf_set_len(&tail, tail.len - 1);
	if (tail.len)
		strbuf_addstr(&text, ": ");
	strbuf_add_escaped(&text, tail.buf, tail.len);
	if (res.timed_out)
		return error_set(err, ERR_STEP_TIMEOUT, -ETIMEDOUT,
			_("'%s' did not end within %g seconds%s"), prog,
			timeout_s, text.buf);
	return error_set(err, ERR_STEP_COMMAND, -ECHILD,
			 _("'%s' ended with status %d%s"), prog,
			 res.exit_status, text.buf);
}

static int one_cell(struct step_ctx *ctx, const struct plan_set *q,
		    char **ret, struct error *err)
{
	_cleanup_store_ struct store *s = NULL;
	int r = step_store(ctx, q->store->name, true, &s, err);

	return r < 0 ? r : step_sql_cell(s, q->set, NULL, ret, err);
}

static int compare(const struct cutover *c, struct step_ctx *ctx,
		   struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i + 1 < c->equal_n; i += 2) {
		_cleanup_free_ char *a = NULL, *b = NULL;

		ret = one_cell(ctx, &c->equal[i], &a, err);
		if (ret == 0)
			ret = one_cell(ctx, &c->equal[i + 1], &b, err);
		if (ret == 0 && strcmp(a ? a : "NULL", b ? b : "NULL") != 0)
			ret = error_set(err, ERR_STEP_VERIFY, -EBADMSG,
				_("'%s' gave '%s', '%s' gave '%s'"),
				c->equal[i].set, a ? a : "NULL",
				c->equal[i + 1].set, b ? b : "NULL");
	}
	return ret;
}

/* what was copied is the same on both sides */
static int same(const struct step *s, struct step_ctx *ctx, struct error *err)
{
	const struct cutover *c = s->priv;
	struct step_compare compare = { .copies = c->copies,
					.level = c->level, .pause_s = -1 };
	struct step as_check = *s;
	struct check_result r;
	int ret;

	if (!c->copies.n)
		return 0;
	as_check.priv = &compare;
	check_result_init(&r);
	ret = step_compare_check(&as_check, ctx, &r, err);
	for (size_t i = 0; ret >= 0 && i < r.details.n; i++)
		step_log(ctx, "note", r.details.v[i], strlen(r.details.v[i]));
	if (ret >= 0 && r.state == CHECK_FAIL)
		ret = error_set(err, ERR_STEP_VERIFY, -EBADMSG, "%s",
				r.message.buf);
	check_result_release(&r);
	return MIN(ret, 0);
}

static int left(const struct cutover *c, uint64_t since, double *ret,
		struct error *err)
{
	*ret = c->max_stall_s - clock_since(since);
	if (*ret > 0)
		return 0;
	return error_set(err, ERR_STEP_TIMEOUT, -ETIMEDOUT,
			 _("writers would be held up for more than %g seconds"),
			 c->max_stall_s);
}

/* behind the fence */
static int behind(const struct step *s, struct step_ctx *ctx, uint64_t since,
		  struct error *err)
{
	const struct cutover *c = s->priv;
	double rest;
	int ret = left(c, since, &rest, err);

	if (ret == 0)
		ret = command(ctx, &c->drain, rest, err);
	if (ret == 0)
		ret = step_live_drain(s, ctx, &c->copies, true, err);
	if (ret == 0)
		ret = left(c, since, &rest, err);
	if (ret == 0)
		ret = compare(c, ctx, err);
	if (ret == 0)
		ret = same(s, ctx, err);
	if (ret == 0)
		ret = left(c, since, &rest, err);
	if (ret == 0)
		ret = command(ctx, &c->verify, rest, err);
	if (ret == 0)
		ret = left(c, since, &rest, err);
	if (ret == 0 && step_cancelled(ctx))
		ret = error_set(err, ERR_CANCELLED, -ECANCELED,
				_("cancelled"));
	if (ret == 0)
		ret = set_phase(ctx, "switching", err);
	if (ret == 0)
		ret = command(ctx, &c->go, rest, err);
	return ret < 0 ? ret : set_phase(ctx, "switched", err);
}

static bool has_switched(struct step_ctx *ctx)
{
	return !strcmp(phase(ctx), "switched") || !strcmp(phase(ctx), "done");
}

/* behind the switch: writers come back, and nothing is captured any more */
static int finish(const struct step *s, struct step_ctx *ctx,
		  struct sql_work *w, struct error *err)
{
	const struct cutover *c = s->priv;
	int ret = c->keep ? step_sql_apply(w, err) : step_sql_undo(w, err);

	if (ret < 0 || !c->copies.n)
		return ret;
	ret = step_live_end_all(ctx, &c->copies, err);
	return ret < 0 ? ret : set_phase(ctx, "done", err);
}

/* as before the cutover, from wherever it stands */
static int restore(const struct step *s, struct step_ctx *ctx,
		   struct sql_work *w, struct error *err)
{
	const struct cutover *c = s->priv;
	const char *at = phase(ctx);
	int ret = 0;

	if (!strcmp(at, "switching") || has_switched(ctx)) {
		if (c->go.n && !c->back.n)
			return error_set(err, ERR_NO_WAY_BACK, -EPERM,
				_("nothing can bring back what it does"));
		ret = command(ctx, &c->back, BACK_S, err);
	}
	if (ret == 0)
		ret = step_sql_undo(w, err);
	return ret < 0 ? ret : set_phase(ctx, "back", err);
}

static int say_stall(struct step_ctx *ctx, uint64_t since, struct error *err)
{
	double stall = clock_since(since);
	_cleanup_free_ char *text = xasprintf(
		_("writers were held up for %.2f s"), stall);

	step_log(ctx, "note", text, strlen(text));
	return step_set_fact(ctx, "stall_s", json_object_new_double(stall),
			     err);
}

static int from_start(const struct step *s, struct step_ctx *ctx,
		      struct sql_work *w, struct error *err)
{
	const struct cutover *c = s->priv;
	_cleanup_error_ struct error back = ERROR_INIT;
	uint64_t since;
	/* most of it while writers write */
	int ret = c->copies.n ? step_live_drain(s, ctx, &c->copies, false,
						err) : 0;

	if (ret < 0)
		return ret;
	since = clock_mono_ns();
	ret = step_sql_apply(w, err);
	if (ret == 0)
		ret = behind(s, ctx, since, err);
	if (ret == 0)
		ret = c->keep ? 0 : step_sql_undo(w, err);
	if (ret == 0)
		ret = say_stall(ctx, since, err);
	if (ret == 0)
		return finish(s, ctx, w, err);
	/* switched, and the fence will not go: a resume goes on there */
	if (has_switched(ctx))
		return ret;
	if (restore(s, ctx, w, &back) < 0) {
		error_prefix(err, "%s", back.msg);
		return ret;
	}
	(void)say_stall(ctx, since, NULL);
	return ret;
}

static int cutover_apply(const struct step *s, struct step_ctx *ctx,
			 struct error *err)
{
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	ret = step_sql_open(&w, false, err);
	if (ret < 0)
		return ret;
	if (has_switched(ctx))
		return finish(s, ctx, &w, err);
	ret = w.m.there || !strcmp(phase(ctx), "switching") ?
	      restore(s, ctx, &w, err) : 0;
	return ret < 0 ? ret : from_start(s, ctx, &w, err);
}

static int cutover_undo(const struct step *s, struct step_ctx *ctx,
			struct error *err)
{
	_cleanup_work_ struct sql_work w;
	int ret;

	init(&w, s, ctx);
	ret = step_sql_open(&w, false, err);
	return ret < 0 ? ret : restore(s, ctx, &w, err);
}

static void cutover_grants(const struct step *s, struct sql_grants *g)
{
	const struct cutover *c = s->priv;

	sql_grants_ours(g, c->target.store);
	sql_grants_list(g, c->target.store, &c->up);
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
	.check = cutover_check,
	.preview = cutover_preview,
	.probe = cutover_probe,
	.apply = cutover_apply,
	.undo = cutover_undo,
	.redo = cutover_apply,
	.undoable = cutover_undoable,
	.grants = cutover_grants,
	.release = cutover_release,
};
