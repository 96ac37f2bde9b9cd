/* SPDX-License-Identifier: MIT */
/*
 * The group `backup`. Below the root the directory has a leading part that is
 * the same for every run, and that part as a whole is ours (base/ours.h): what
 * ${run.started} and the like make of the rest, earlier backups stand in it.
 */
#include "plan-internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/xalloc.h"

#define SECONDS_A_DAY 86400.0
/* what begins the names that each run fills in anew */
#define OF_THE_RUN "${run."

/* absolute, where that can be told */
static char *full_path(const struct plan_load *l, const char *text)
{
	_cleanup_free_ char *home = load_expand_home(l, text);
	_cleanup_free_ char *joined = NULL;

	if (*home == '/' || *home == '<' || !l->root)
		return path_normalize(home);
	joined = path_join(l->root, home);
	return path_normalize(joined);
}

/* raw up to the first component that a run fills in */
static char *fixed_part(const char *raw)
{
	const char *at = strstr(raw, OF_THE_RUN);

	if (!at)
		return xstrdup(raw);
	while (at > raw && at[-1] != '/')
		at--;
	return xstrndup(raw, (size_t)(at - raw));
}

/* fixed: what fixed_part() gave, filled in */
static const char *place_below(struct plan_load *l, const char *rel,
			       const char *fixed, char **ret)
{
	_cleanup_free_ char *place = load_relative(l, fixed);

	if (!strcmp(rel, "."))
		return N_("it is the root itself");
	if (!*fixed || *place == '/' || !strcmp(place, "."))
		return N_("the name that comes first below the root must be "
			  "the same for every run");
	if (ours_has(NULL, place))
		return N_("it belongs to upshift itself");
	*ret = TAKE_PTR(place);
	return NULL;
}

static void load_dir(struct plan_load *l, struct plan_node *n)
{
	_cleanup_strbuf_ struct strbuf fixed = STRBUF_INIT;
	_cleanup_free_ char *dir = NULL, *raw = NULL, *head = NULL;
	_cleanup_free_ char *path = NULL, *rel = NULL, *place = NULL;
	const char *why;

	if (!plan_node_string(n, "dir", false, &dir) ||
	    !plan_node_raw(n, "dir", false, &raw))
		return;
	head = fixed_part(raw);
	if (!node_expand(n, "dir", plan_node_line(n, "dir"), head, USE_STRING,
			 NULL, &fixed))
		return;
	path = full_path(l, dir);
	rel = load_relative(l, dir);
	why = *dir ? path_check(path) : N_("it is empty");
	/* lint: one that nobody knows yet */
	if (!why && *rel != '/' && *rel != '<')
		why = place_below(l, rel, fixed.buf, &place);
	if (why) {
		plan_node_problem(n, "dir", "'dir': '%s': %s", dir, _(why));
		return;
	}
	l->plan->backup_dir = TAKE_PTR(path);
	l->plan->backup_fixed = full_path(l, fixed.buf);
	l->plan->backup_place = TAKE_PTR(place);
}

void load_backup(struct plan_load *l, struct plan_node *top)
{
	struct plan_node *n;
	static const char *const ways[] = { "copy", "pg_dump", NULL };
	double days;
	int way;

	l->plan->keep_s = -1;
	if (!plan_node_count(top, "backup"))
		return;
	n = plan_node_child(top, "backup", 0);
	/* first: no path of the plan may lie in it */
	load_dir(l, n);
	if (plan_node_word(n, "with", false, ways, &way))
		l->plan->pg_dump = way == 1;
	load_snapshot(l, n);
	plan_node_paths(n, "include", false, true, &l->plan->include);
	plan_node_paths(n, "exclude", false, true, &l->plan->exclude);
	if (plan_node_double(n, "keep_days", false, 0, &days)) {
		if (days * SECONDS_A_DAY > PLAN_DURATION_MAX)
			plan_node_problem(n, "keep_days",
					  _("'keep_days' is longer than a "
					    "hundred years"));
		else
			l->plan->keep_s = days * SECONDS_A_DAY;
	}
}
