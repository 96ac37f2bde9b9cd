/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "sql-lint.h"
#include "step-carry.h"
#include "step-records.h"
#include "step.h"

/* --- roots --- */

/* The system's, or many people's: no application has its data here. What is
   below them may well be a root. */
static const char *const not_a_root[] = {
	"/", "/etc", "/home", "/lost+found", "/media", "/mnt", "/opt", "/root",
	"/run", "/srv", "/tmp", "/usr", "/usr/bin", "/usr/include", "/usr/lib",
	"/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/local",
	"/usr/local/bin", "/usr/local/lib", "/usr/local/share", "/usr/sbin",
	"/usr/share", "/var", "/var/cache", "/var/lib", "/var/lock", "/var/log",
	"/var/mail", "/var/opt", "/var/run", "/var/spool", "/var/tmp",
	"/dev/shm", NULL
};

/* Nothing below them is anybody's data. */
static const char *const no_root_below[] = {
	"/bin", "/boot", "/dev", "/lib", "/lib32", "/lib64", "/libx32", "/proc",
	"/sbin", "/sys", NULL
};

const char *plan_root_refused(const char *path, const char *home)
{
	_cleanup_free_ char *p = path_normalize(path);
	_cleanup_free_ char *h = home ? path_normalize(home) : NULL;

	if (*p != '/')
		return N_("it must begin with '/' or '~/'");
	if (path_check(p))
		return path_check(p);
	if (h && !strcmp(p, h))
		return N_("it is a home directory; name the application's own "
			  "directory");
	for (const char *const *d = not_a_root; *d; d++)
		if (!strcmp(p, *d))
			return N_("it is a system directory");
	if (str_starts(p, "/dev/shm/"))
		return NULL;
	for (const char *const *d = no_root_below; *d; d++)
		if (path_is_below(p, *d))
			return N_("it is a system directory");
	return NULL;
}

/* --- effects --- */

static bool is_write(const struct effect *e)
{
	return e->type != EFFECT_READ;
}

static void check_place(const struct plan *p, const struct step *s,
			const struct effect *e, struct plan_problems *problems)
{
	const char *why = path_check(e->path);

	if (why)
		plan_problem_add(problems, s->line, _("step '%s': '%s': %s"),
				 s->id, e->path, _(why));
	else if (*e->path == '/' && !plan_path_allowed(p, e->path))
		plan_problem_add(problems, s->line,
				 _("step '%s': '%s' is outside the root and "
				   "not in 'allow_paths'"), s->id, e->path);
	else if (is_write(e) && plan_path_is_state(p, e->path))
		plan_problem_add(problems, s->line,
				 _("step '%s': '%s' belongs to upshift itself"),
				 s->id, e->path);
	else if (e->type == EFFECT_REMOVE && !strcmp(e->path, "."))
		plan_problem_add(problems, s->line,
				 _("step '%s' would remove the root itself"),
				 s->id);
}

static void check_places(const struct plan *p, const struct step *s,
			 const struct effects *e,
			 struct plan_problems *problems)
{
	_cleanup_free_ char *above = NULL;

	for (size_t i = 0; i < e->n; i++)
		check_place(p, s, &e->v[i], problems);
	above = p->backup_place ? effects_above(e, p->backup_place) : NULL;
	if (above)
		plan_problem_add(problems, s->line,
				 _("step '%s': the backup would stand in '%s', "
				   "which this step changes"), s->id, above);
}

/* what the backup is to hold whole cannot hold the backup */
static void check_include(const struct plan *p, struct plan_problems *problems)
{
	_cleanup_effects_ struct effects e = EFFECTS_INIT;
	_cleanup_free_ char *above = NULL;

	for (size_t i = 0; i < p->include.n; i++)
		effects_add(&e, EFFECT_CHANGE, EFFECT_PATTERN,
			    p->include.v[i]);
	above = p->backup_place ? effects_above(&e, p->backup_place) : NULL;
	if (above)
		plan_problem_add(problems, 0,
				 _("the backup would stand in '%s', which it "
				   "is to hold"), above);
}

/*
 * needs[i * n + k]: step i comes after step k by a chain of needs. A step's
 * needs stand before it, so one pass from the front is enough.
 */
static bool *close_needs(const struct plan *p)
{
	size_t n = p->step_n;
	bool *needs = xcalloc(n + 1, (n + 1) * sizeof(*needs));

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < p->steps[i]->needs.n; k++) {
			int at = plan_step_index(p, p->steps[i]->needs.v[k]);

			if (at < 0 || (size_t)at >= i)
				continue;
			needs[i * n + (size_t)at] = true;
			for (size_t j = 0; j < (size_t)at; j++)
				needs[i * n + j] |= needs[(size_t)at * n + j];
		}
	return needs;
}

static void check_conflicts(const struct plan *p, const struct effects *all,
			    struct plan_problems *problems)
{
	_cleanup_free_ bool *needs = close_needs(p);
	size_t n = p->step_n;

	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < i; k++) {
			const char *path;

			if (needs[i * n + k] ||
			    !effects_clash(&all[i], &all[k], &path))
				continue;
			plan_problem_add(problems, p->steps[i]->line,
					 _("steps '%s' and '%s' both write "
					   "'%s': say in '%s' which comes "
					   "first (needs = [\"%s\"])"),
					 p->steps[k]->id, p->steps[i]->id, path,
					 p->steps[i]->id, p->steps[k]->id);
		}
}

void check_effects(const struct plan *p, bool conflicts,
		   struct plan_problems *problems)
{
	size_t n = p->step_n;
	struct effects *all = xcalloc(n ? n : 1, sizeof(*all));

	for (size_t i = 0; i < n; i++) {
		const struct step *s = p->steps[i];
		_cleanup_error_ struct error err = ERROR_INIT;

		if (s->ops->lint)
			s->ops->lint(s, p, problems);
		if (!s->ops->effects)
			continue;
		if (step_effects(s, p, NULL, &all[i], &err) < 0)
			plan_problem_add(problems, s->line,
					 _("step '%s': %s"), s->id,
					 err.msg ? err.msg : "");
		else
			check_places(p, s, &all[i], problems);
	}
	check_include(p, problems);
	if (conflicts)
		check_conflicts(p, all, problems);
	for (size_t i = 0; i < n; i++)
		effects_release(&all[i]);
	free(all);
}

static bool is_compared(struct step *const *v, size_t n,
			const struct step *copy)
{
	for (size_t i = 0; i < n; i++)
		if (v[i]->ops->compares && v[i]->priv &&
		    v[i]->ops->compares(v[i], copy))
			return true;
	return false;
}

/* what may fail, or leaves what others wrote, need not be the same */
static bool is_exact(const struct step *s)
{
	const struct records_step *m = s->priv;

	return s->ops->flags & STEP_COPIES && !s->on_error_continue &&
		m && m->conflict != STORE_SKIP;
}

/* It can be emptied alone: of a file only if no step behind it changes that. */
static bool is_reset_alone(const struct plan *p, const struct step *s)
{
	const struct records_step *m = s->priv;

	for (size_t i = 0; m->to.store->path && i < p->scenario_n; i++)
		if (p->scenarios[i].reset &&
		    strvec_has(&p->scenarios[i].steps, s->id))
			return true;
	return false;
}

/* Rows that come into a table with an index of the plan's own are sorted into it
   one by one; behind them it is built at once. */
static void advise_indexes(struct plan *p, size_t at)
{
	const struct step *s = p->steps[at];
	const struct records_step *m = s->priv;

	if (!(s->ops->flags & STEP_COPIES) || !m || !m->to.store ||
	    !m->to.set || is_reset_alone(p, s))
		return;
	for (size_t i = 0; i < at; i++) {
		const struct step *before = p->steps[i];
		const struct plan_store *store = NULL;
		const struct sql_list *l = before->ops->statements ?
			before->ops->statements(before, &store) : NULL;
		_cleanup_free_ char *name = l && store == m->to.store ?
			sql_indexes_early(l, m->to.set) : NULL;

		if (name)
			plan_problem_add(&p->warnings, s->line, _("warning: "
				"step '%s': its rows are sorted into index "
				"'%s' of step '%s' one by one; made in a step "
				"behind this one it is built at once"), s->id,
				name, before->id);
	}
}

void check_compared(struct plan *p)
{
	for (size_t i = 0; i < p->step_n; i++) {
		const struct step *s = p->steps[i];

		advise_indexes(p, i);
		if (s->ops->ends)
			step_carry_advise(s, p, s->ops->ends(s), &p->warnings);
		if (is_exact(s) &&
		    !is_compared(p->steps, p->step_n, s) &&
		    !is_compared(p->verify, p->verify_n, s))
			plan_problem_add(&p->warnings, s->line, _("warning: "
				"step '%s': its records are counted, and "
				"nothing compares them (verify = ( { kind = \"records\"; "
				"copies = [ \"%s\" ]; } ))"), s->id, s->id);
	}
}

void plan_check_effects(const struct plan *p, struct plan_problems *problems)
{
	check_effects(p, true, problems);
}
