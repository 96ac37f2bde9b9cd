/* SPDX-License-Identifier: MIT */
/* What a plan says of going back, and of databases in its backup. */
#include "plan-internal.h"

#include <string.h>
#include <strings.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "step.h"

static const char *const strategies[] = {
	[PLAN_BY_INCREMENTAL] = "incremental", [PLAN_BY_SCHEMA] = "schema",
	[PLAN_BY_BACKUP] = "backup", [PLAN_BY_SNAPSHOT] = "snapshot", NULL
};

const char *plan_strategy_name(enum plan_strategy s)
{
	return strategies[s];
}

int plan_strategy_parse(const char *name, enum plan_strategy *ret)
{
	for (size_t i = 0; strategies[i]; i++)
		if (!strcmp(strategies[i], name)) {
			*ret = (enum plan_strategy)i;
			return 0;
		}
	return -1;
}

const struct plan_scenario *plan_find_scenario(const struct plan *p,
					       const char *name)
{
	for (size_t i = 0; i < p->scenario_n; i++)
		if (!strcasecmp(p->scenarios[i].name, name))
			return &p->scenarios[i];
	return NULL;
}

static bool is_point(const struct plan *p, const char *point)
{
	char *end;
	long n;

	if (!strcasecmp(point, "start"))
		return true;
	if (strncasecmp(point, "CP", 2) || point[2] < '1' || point[2] > '9')
		return false;
	n = strtol(point + 2, &end, 10);
	return !*end && n < (long)p->step_n;
}

/* "start" and "backup", CPn, or the step behind which it is */
static char *point_of(const struct plan *p, const char *text)
{
	int step = plan_step_index(p, text);

	if (!strcmp(text, "backup"))
		return xstrdup("start");
	return step < 0 ? xstrdup(text) : xasprintf("CP%d", step + 1);
}

static bool is_r_point(const char *name)
{
	return (*name == 'R' || *name == 'r') && name[1] >= '0' &&
		name[1] <= '9';
}

static void load_point(struct plan_load *l, struct plan_node *n,
		       const char *key, struct plan_scenario *s)
{
	_cleanup_free_ char *text = NULL;

	if (!plan_node_string(n, key, true, &text))
		return;
	free(s->point);
	s->point = point_of(l->plan, text);
	if (!is_point(l->plan, s->point))
		plan_node_problem(n, key, _("'%s': '%s' is no checkpoint of "
					    "this plan"), key, text);
}

static void load_ids(struct plan_load *l, struct plan_node *n,
		     const char *key, struct plan_scenario *s)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	const struct plan *p = l->plan;

	if (!plan_node_list(n, key, true, &ids))
		return;
	for (size_t i = 0; i < ids.n; i++) {
		const struct step *st = plan_find_step(p, ids.v[i]);

		if (!st)
			plan_node_problem(n, key, _("no step '%s' in this plan"),
					  ids.v[i]);
		else if (s->reset ? !st->ops->rows : !step_undoable(st))
			plan_node_problem(n, key, s->reset ?
				_("step '%s' writes no rows") :
				_("step '%s' has no way back"), ids.v[i]);
	}
	for (size_t i = 0; i < p->step_n; i++)
		if (strvec_has(&ids, p->steps[i]->id))
			strvec_push(&s->steps, p->steps[i]->id);
	free(s->point);
	s->point = NULL;
	/* the name stands where points do */
	if (is_point(p, s->name) || is_r_point(s->name))
		plan_node_problem(n, "name", _("'%s' is the name of a "
				  "checkpoint"), s->name);
}

/* the key that says it; NULL: none */
static const char *load_way(struct plan_load *l, struct plan_node *n,
			    struct plan_scenario *s)
{
	static const char *const keys[] = { "to", "undo_to", "undo", "reset" };
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!plan_node_has(n, keys[i]))
			continue;
		if (found) {
			plan_node_problem(n, keys[i], _("'%s' and '%s' exclude "
					  "each other"), found, keys[i]);
			return found;
		}
		found = keys[i];
		s->reset = !strcmp(keys[i], "reset");
		if (i < 2)
			load_point(l, n, keys[i], s);
		else
			load_ids(l, n, keys[i], s);
	}
	return found;
}

static void check_snapshot(struct plan_node *n, const struct plan *p,
			   const struct plan_scenario *s)
{
	if (!p->snapshot.create.argv.n)
		plan_node_problem(n, "strategy", _("the plan makes no "
				  "snapshot ('backup.snapshot')"));
	else if (s->point && strcasecmp(s->point, "start") != 0)
		plan_node_problem(n, "strategy", _("a snapshot holds the start "
				  "alone"));
}

static void load_scenario(struct plan_load *l, struct plan_node *n)
{
	struct plan *p = l->plan;
	struct plan_scenario *s = &p->scenarios[p->scenario_n];
	const char *way, *how = NULL;
	bool restore = false;
	int w = 0;

	/* what else is wrong is told all the same */
	if (!plan_node_string(n, "name", true, &s->name))
		s->name = xstrdup("");
	p->scenario_n++;
	for (size_t i = 0; i + 1 < p->scenario_n; i++)
		if (*s->name && !strcasecmp(p->scenarios[i].name, s->name))
			plan_node_problem(n, "name", _("scenario '%s' is there "
						       "twice"), s->name);
	s->point = xstrdup("start");
	way = load_way(l, n, s);
	s->strategy = p->strategy;
	if (plan_node_word(n, how = "strategy", false, strategies, &w))
		s->strategy = (enum plan_strategy)w;
	else if (plan_node_bool(n, how = "restore", &restore) && restore)
		s->strategy = PLAN_BY_BACKUP;
	else
		how = NULL;
	if (s->strategy == PLAN_BY_SNAPSHOT)
		check_snapshot(n, p, s);
	if (s->point)
		return;
	/* each step by itself */
	s->strategy = PLAN_BY_INCREMENTAL;
	if (how)
		plan_node_problem(n, how, _("'%s' and '%s' exclude each "
				  "other"), way, how);
}

/* behind the steps: scenarios name their checkpoints */
void load_rollback(struct plan_load *l, struct plan_node *top)
{
	struct plan *p = l->plan;
	struct plan_node *n;
	size_t count;
	int w;

	if (!plan_node_count(top, "rollback"))
		return;
	n = plan_node_child(top, "rollback", 0);
	if (plan_node_string(n, "env", false, &p->rollback_env) &&
	    !env_name_valid(p->rollback_env))
		plan_node_problem(n, "env", _("'%s' is not a name for an "
					      "environment variable"),
				  p->rollback_env);
	if (plan_node_word(n, "strategy", false, strategies, &w))
		p->strategy = (enum plan_strategy)w;
	if (p->strategy == PLAN_BY_SNAPSHOT) {
		/* nobody asked for it then */
		plan_node_problem(n, "strategy", _("'snapshot' is only for "
				  "a scenario, and for --strategy"));
		p->strategy = PLAN_BY_INCREMENTAL;
	}
	count = plan_node_count(n, "scenarios");
	p->scenarios = xcalloc(count ? count : 1, sizeof(*p->scenarios));
	for (size_t i = 0; i < count; i++)
		load_scenario(l, plan_node_child(n, "scenarios", i));
}

/* --- databases in the backup --- */

void load_backup_stores(struct plan_load *l, struct plan_node *top)
{
	_cleanup_strvec_ struct strvec sets = STRVEC_INIT;
	struct plan_node *n;

	if (!plan_node_count(top, "backup"))
		return;
	n = plan_node_child(top, "backup", 0);
	if (!plan_node_list(n, "stores", false, &sets))
		return;
	for (size_t i = 0; i < sets.n; i++) {
		struct plan_set set = { 0 };

		if (!plan_node_set_text(n, "stores", sets.v[i],
					PLAN_SET_WHOLE, &set))
			continue;
		if (set.store->path)
			strvec_push(&l->plan->include, set.store->path);
		strvec_push(&l->plan->backup_sets, sets.v[i]);
		plan_set_release(&set);
	}
}
