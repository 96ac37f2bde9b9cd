/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "step.h"

/* The four lists of a plan that hold steps or checks. */
struct section {
	const char *key;
	const char *prefix;         /* of ids that we give; NULL: none */
};

static const struct section checks = { "checks", "C" };
static const struct section steps = { "steps", NULL };
static const struct section verify = { "verify", "V" };
static const struct section verify_rollback = { "verify_rollback", "B" };

/* --- ids --- */

static const struct plan_id *find_id(const struct plan_load *l, const char *id)
{
	for (size_t i = 0; i < l->id_n; i++)
		if (!strcmp(l->ids[i].id, id))
			return &l->ids[i];
	return NULL;
}

static void add_id(struct plan_load *l, const char *id, int line)
{
	VEC_GROW(l->ids, l->id_n, l->id_cap);
	l->ids[l->id_n].id = xstrdup(id);
	l->ids[l->id_n++].line = line;
}

/* Journal, screen and command line name steps and checks alike: one space. */
static void take_id(struct plan_load *l, struct plan_node *n,
		    const struct section *s)
{
	_cleanup_free_ char *id = NULL;
	const struct plan_id *other;
	const char *why;

	if (!plan_node_raw(n, "id", !s->prefix, &id))
		return;
	why = s->prefix ? check_id_refused(id) : step_id_refused(id);
	other = find_id(l, id);
	if (why)
		plan_node_problem(n, "id", _("id '%s': %s"), id, _(why));
	else if (other)
		plan_node_problem(n, "id", _("id '%s' is in use in line %d"),
				  id, other->line);
	else
		add_id(l, id, plan_node_line(n, "id"));
}

/* Before any of them is read, so that ids of ours keep out of their way. */
static void take_ids(struct plan_load *l, struct plan_node *top,
		     const struct section *s)
{
	size_t count = plan_node_count(top, s->key);

	if (count > PLAN_STEPS_MAX) {
		plan_node_problem(top, s->key, _("'%s' holds more than %d"),
				  s->key, PLAN_STEPS_MAX);
		return;
	}
	for (size_t i = 0; i < count; i++)
		take_id(l, plan_node_child(top, s->key, i), s);
}

static char *give_id(struct plan_load *l, struct plan_node *n,
		     const struct section *s, size_t index)
{
	char *id = NULL;

	if (plan_node_raw(n, "id", false, &id))
		return id;
	if (!s->prefix)
		return xstrdup("");
	do {
		free(id);
		id = xasprintf("%s%02zu", s->prefix, ++index);
	} while (find_id(l, id));
	add_id(l, id, plan_node_line(n, NULL));
	return id;
}

/* --- kinds --- */

static const char *kind_refused(const struct section *s, unsigned int flags)
{
	if (s == &steps)
		return NULL;
	if (flags & STEP_SIGN_OFF)
		return N_("people sign it on the way; it belongs into "
			  "'steps'");
	if (!(flags & STEP_IS_CHECK))
		return N_("it makes changes and belongs into 'steps'");
	if (s == &checks && flags & STEP_VERIFY_ONLY)
		return N_("it compares with the state before and belongs into "
			  "'verify'");
	if (s != &checks && flags & STEP_CHECKS_ONLY)
		return N_("it is about what is to come and belongs into "
			  "'checks'");
	return NULL;
}

static void unknown_kind(struct plan_load *l, struct plan_node *n,
			 const struct section *s, const char *kind)
{
	_cleanup_strvec_ struct strvec words = STRVEC_INIT;
	const char *near;

	for (const struct step_ops *const *k = l->kinds; *k; k++)
		if (!kind_refused(s, (*k)->flags))
			strvec_push(&words, (*k)->name);
	near = nearest_word(kind, (const char *const *)words.v);
	if (near)
		plan_node_problem(n, "kind",
				  _("unknown kind '%s' (did you mean '%s'?)"),
				  kind, near);
	else
		plan_node_problem(n, "kind", _("unknown kind '%s'"), kind);
}

static const struct step_ops *take_kind(struct plan_load *l,
					struct plan_node *n,
					const struct section *s)
{
	_cleanup_free_ char *kind = NULL;
	const struct step_ops *ops;
	const char *why;

	if (!plan_node_raw(n, "kind", true, &kind))
		return NULL;
	ops = step_kind_find(l->kinds, kind, s != &steps);
	if (!ops) {
		unknown_kind(l, n, s, kind);
		return NULL;
	}
	why = kind_refused(s, ops->flags);
	if (why)
		plan_node_problem(n, "kind", _("kind '%s' cannot stand in '%s': "
					       "%s"), kind, s->key, _(why));
	return ops;
}

/* --- needs --- */

static void check_need(struct plan_node *n, const char *key,
		       const struct plan_value *v, const char *id, void *ctx)
{
	struct step *st = ctx;
	struct plan_load *l = n->load;
	const char *near;

	if (strvec_has(&l->step_ids, id)) {
		if (!strvec_has(&st->needs, id))
			strvec_push(&st->needs, id);
		return;
	}
	if (!strcmp(id, st->id)) {
		node_problem_at(n, v->line, _("'%s': a step cannot need itself"),
				key);
		return;
	}
	if (find_id(l, id)) {
		node_problem_at(n, v->line,
				_("'%s': '%s' is no step before this one"), key,
				id);
		return;
	}
	near = nearest_word(id, (const char *const *)l->step_ids.v);
	if (near)
		node_problem_at(n, v->line, _("'%s': unknown step '%s' (did "
					      "you mean '%s'?)"), key, id,
				near);
	else
		node_problem_at(n, v->line, _("'%s': unknown step '%s'"), key,
				id);
}

struct named_steps {
	unsigned int flags;
	struct strvec *ret;
};

static void take_step(struct plan_node *n, const char *key,
		      const struct plan_value *v, const char *id, void *ctx)
{
	struct named_steps *named = ctx;
	const struct plan *p = n->load->plan;
	const char *near;
	int i;

	if (!strvec_has(&n->load->step_ids, id)) {
		near = nearest_word(id, (const char *const *)
				    n->load->step_ids.v);
		node_problem_at(n, v->line, near ? _("'%s': unknown step '%s' "
				"(did you mean '%s'?)") :
				_("'%s': unknown step '%s'"), key, id, near);
		return;
	}
	i = p->steps ? plan_step_index(p, id) : -1;
	if (i >= 0 && named->flags &&
	    !(p->steps[i]->ops->flags & named->flags))
		node_problem_at(n, v->line, _("'%s': step '%s' is of another "
					      "kind"), key, id);
	strvec_push(named->ret, id);
}

bool plan_node_steps(struct plan_node *n, const char *key, unsigned int flags,
		     struct strvec *ret)
{
	struct named_steps named = { .flags = flags, .ret = ret };

	return node_each(n, key, false, USE_STRING, take_step, &named);
}

static void take_later(struct plan_node *n, const char *key,
		       const struct plan_value *v, const char *id, void *ctx)
{
	struct named_steps *named = ctx;
	struct plan_load *l = n->load;

	VEC_GROW(l->later, l->later_n, l->later_cap);
	l->later[l->later_n++] = (struct plan_later){
		xstrdup(key), xstrdup(id), named->flags, v->line,
	};
	strvec_push(named->ret, id);
}

bool plan_node_steps_later(struct plan_node *n, const char *key,
			   unsigned int flags, struct strvec *ret)
{
	struct named_steps named = { .flags = flags, .ret = ret };

	return node_each(n, key, false, USE_STRING, take_later, &named);
}

void check_later(struct plan_load *l)
{
	const struct plan *p = l->plan;

	for (size_t i = 0; i < l->later_n; i++) {
		struct plan_later *t = &l->later[i];
		int at = plan_step_index(p, t->id);

		if (at >= 0 && p->steps[at]->ops->flags & t->flags)
			continue;
		if (strvec_has(&l->step_ids, t->id))
			plan_problem_add(l->problems, t->line,
				_("'%s': step '%s' is of another kind"),
				t->key, t->id);
		else
			plan_problem_add(l->problems, t->line,
				_("'%s': unknown step '%s'"), t->key, t->id);
	}
}

/* --- one step --- */

static void common_keys(struct step *st, struct plan_node *n)
{
	static const char *const severities[] = { "fail", "warn", NULL };
	bool check = st->ops && st->ops->flags & STEP_IS_CHECK;
	int w = 0;

	plan_node_text(n, "title", false, &st->title);
	plan_node_text(n, "hint", false, &st->hint);
	if (check && plan_node_word(n, "severity", false, severities, &w))
		st->severity_warn = w == 1;
}

static void step_keys(struct step *st, struct plan_node *n)
{
	static const char *const on_error[] = { "stop", "continue", NULL };
	_cleanup_free_ char *window = NULL;
	int w = 0;

	plan_node_text(n, "risk", false, &st->risk);
	plan_node_bool(n, "optional", &st->optional);
	plan_node_bool(n, "confirm", &st->confirm);
	plan_node_bool(n, "secret", &st->secret);
	plan_node_duration(n, "estimate", &st->estimate_s);
	if (plan_node_string(n, "window", false, &window) &&
	    window_parse(window, &st->window) < 0)
		plan_node_problem(n, "window", _("'%s' is no window (like "
						 "'02:00-04:00 UTC')"), window);
	if (plan_node_word(n, "on_error", false, on_error, &w))
		st->on_error_continue = w == 1;
	(void)node_each(n, "needs", false, USE_STRING, check_need, st);
}

static struct step *load_step(struct plan_load *l, struct plan_node *n,
			      const struct section *s, size_t index)
{
	struct step *st = xcalloc(1, sizeof(*st));

	st->line = plan_node_line(n, NULL);
	st->estimate_s = -1;
	st->id = give_id(l, n, s, index);
	st->ops = take_kind(l, n, s);
	common_keys(st, n);
	if (s == &steps) {
		step_keys(st, n);
		if (*st->id)
			strvec_push(&l->step_ids, st->id);
	}
	if (st->ops) {
		if (st->ops->parse && st->ops->parse(st, n) < 0 &&
		    !plan_node_failed(n))
			plan_node_problem(n, NULL, _("kind '%s' refuses this "
						     "step"), st->ops->name);
		node_finish(n);
	}
	/* without a kind nobody can tell which keys are wrong */
	n->finished = true;
	if (plan_node_failed(n)) {
		step_free(st);
		return NULL;
	}
	return st;
}

/* step by step: a kind may look at those before it (plan_node_plan()) */
static void load_section(struct plan_load *l, struct plan_node *top,
			 const struct section *s, struct step ***v,
			 size_t *ret)
{
	size_t count = plan_node_count(top, s->key);

	*v = xcalloc(count ? count : 1, sizeof(struct step *));
	*ret = 0;
	for (size_t i = 0; i < count && count <= PLAN_STEPS_MAX; i++) {
		struct step *st = load_step(l, plan_node_child(top, s->key, i),
					    s, i);

		if (st)
			(*v)[(*ret)++] = st;
	}
}

bool load_steps(struct plan_load *l, struct plan_node *top)
{
	const struct plan_value *v = node_want(top, steps.key, true);
	struct plan *p = l->plan;

	if (v && !v->n)
		plan_node_problem(top, steps.key, _("'steps' is empty"));
	take_ids(l, top, &steps);
	take_ids(l, top, &checks);
	take_ids(l, top, &verify);
	take_ids(l, top, &verify_rollback);
	load_section(l, top, &checks, &p->checks, &p->check_n);
	load_section(l, top, &steps, &p->steps, &p->step_n);
	load_section(l, top, &verify, &p->verify, &p->verify_n);
	load_section(l, top, &verify_rollback, &p->verify_rollback,
		     &p->verify_rollback_n);
	return v && p->step_n == plan_node_count(top, steps.key);
}
