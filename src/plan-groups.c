/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"

#define APP_TIMEOUT_S 120

/* --- variables --- */

static bool name_taken(const struct plan *p, const char *name)
{
	if (p->vars && json_get(p->vars, name))
		return true;
	for (size_t i = 0; i < p->answer_n; i++)
		if (!strcmp(p->answers[i].id, name))
			return true;
	return false;
}

/* What was given on the command line is taken as it is. */
static const char *override(const struct plan_load *l, const char *name)
{
	return l->scope->vars ? json_get_str(l->scope->vars, name, NULL) : NULL;
}

static void load_var(struct plan_load *l, struct plan_node *top,
		     const struct plan_value *v)
{
	const char *why = var_name_refused(v->key), *given;
	_cleanup_free_ char *value = NULL;

	if (!why && name_taken(l->plan, v->key))
		why = N_("an answer has this name");
	if (why) {
		node_problem_at(top, v->line, _("variable '%s': %s"), v->key,
				_(why));
		return;
	}
	given = override(l, v->key);
	value = given ? xstrdup(given) : node_scalar(top, v, USE_VAR);
	if (!value)
		return;
	if (!utf8_valid(value, strlen(value)))
		node_problem_at(top, v->line,
				_("variable '%s': the value is not valid "
				  "UTF-8"), v->key);
	else
		json_set_str(l->plan->vars, v->key, value);
}

/* Names from the command line that the plan does not have. */
static void check_overrides(struct plan_load *l, const struct plan_value *vars)
{
	_cleanup_strvec_ struct strvec words = STRVEC_INIT;

	for (size_t i = 0; vars && i < vars->n; i++)
		strvec_push(&words, vars->items[i].key);
	if (!l->scope->vars)
		return;
	json_object_object_foreach(l->scope->vars, name, val) {
		const char *near;

		(void)val; /* the name alone */
		if (strvec_has(&words, name))
			continue;
		near = nearest_word(name, (const char *const *)words.v);
		if (near)
			plan_problem_add(l->problems, 0,
					 _("the plan has no variable '%s' (did "
					   "you mean '%s'?)"), name, near);
		else
			plan_problem_add(l->problems, 0,
					 _("the plan has no variable '%s'"),
					 name);
	}
}

void load_vars(struct plan_load *l, struct plan_node *top)
{
	const struct plan_value *v = node_get(top, "vars", 0);

	if (v && v->type != VALUE_GROUP) {
		node_problem_at(top, v->line,
				_("'vars' must be a group: { name = "
				  "\"value\"; }"));
		return;
	}
	/* in the order of the plan: each may use those before it */
	for (size_t i = 0; v && i < v->n; i++)
		load_var(l, top, &v->items[i]);
	check_overrides(l, v);
}

/* --- answers --- */

static bool matches(const char *pattern, const char *text)
{
	regex_t re;
	bool yes;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	yes = !regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	return yes;
}

bool plan_answer_fits(const struct plan_answer *a, const char *text)
{
	if (!*text)
		return !a->required;
	return !a->pattern || matches(a->pattern, text);
}

static void check_default(struct plan_node *n, const struct plan_answer *a)
{
	if (a->secret)
		plan_node_problem(n, "default", _("a secret answer cannot have "
						  "a default"));
	else if (!plan_answer_fits(a, a->def))
		plan_node_problem(n, "default", _("the default is empty or does "
						  "not match the pattern"));
}

static void load_answer(struct plan_load *l, struct plan_node *n)
{
	struct plan *p = l->plan;
	struct plan_answer *a = &p->answers[p->answer_n];
	const char *why;

	a->required = true;
	a->line = plan_node_line(n, NULL);
	if (!plan_node_raw(n, "id", true, &a->id))
		a->id = xstrdup("");
	plan_node_text(n, "prompt", true, &a->prompt);
	plan_node_regex(n, "pattern", false, &a->pattern);
	plan_node_bool(n, "required", &a->required);
	plan_node_bool(n, "secret", &a->secret);
	if (plan_node_string(n, "default", false, &a->def))
		check_default(n, a);
	why = var_name_refused(a->id);
	if (!why && name_taken(p, a->id))
		why = N_("it is used twice");
	if (*a->id && why)
		plan_node_problem(n, "id", _("answer '%s': %s"), a->id, _(why));
	/* counted now, so that it did not find itself */
	p->answer_n++;
}

void load_answers(struct plan_load *l, struct plan_node *top)
{
	size_t count = plan_node_count(top, "answers");

	if (!count)
		return;
	l->plan->answers = xcalloc(count, sizeof(*l->plan->answers));
	for (size_t i = 0; i < count; i++)
		load_answer(l, plan_node_child(top, "answers", i));
}

/* --- app --- */

void load_app(struct plan_load *l, struct plan_node *top)
{
	struct plan_app *app = &l->plan->app;
	double timeout = APP_TIMEOUT_S;
	struct plan_node *n;

	if (!plan_node_count(top, "app"))
		return;
	n = plan_node_child(top, "app", 0);
	app->given = true;
	plan_node_argv(n, "stop", false, &app->stop.argv);
	plan_node_argv(n, "start", false, &app->start.argv);
	plan_node_argv(n, "running", false, &app->running.argv);
	plan_node_duration(n, "timeout", &timeout);
	plan_node_duration(n, "downtime", &app->downtime_s);
	app->stop.timeout_s = app->start.timeout_s = timeout;
	app->running.timeout_s = timeout;
	if (plan_node_has(n, "stop") != plan_node_has(n, "start"))
		plan_node_problem(n, NULL, _("'app': 'stop' and 'start' go "
					     "together"));
	else if (!plan_node_has(n, "stop") && !plan_node_has(n, "running"))
		plan_node_problem(n, NULL, _("'app' needs 'stop' and 'start', "
					     "or 'running'"));
}

/* --- defaults --- */

bool plan_node_workers(struct plan_node *n, const char *key, int *ret)
{
	static const char *const words[] = { "auto", NULL };
	const struct plan_value *v = node_get(n, key, 0);
	int64_t num;
	int w;

	if (v && v->type == VALUE_STRING) {
		if (!plan_node_word(n, key, false, words, &w))
			return false;
		*ret = PLAN_WORKERS_AUTO;
		return true;
	}
	if (!plan_node_int(n, key, false, 1, PLAN_WORKERS_MAX, &num))
		return false;
	*ret = (int)num;
	return true;
}

bool plan_node_level(struct plan_node *n, const char *key,
		     enum plan_level *ret)
{
	static const char *const words[] = {
		"basic", "standard", "rigorous", "forensic", NULL
	};
	int w;

	if (!plan_node_word(n, key, false, words, &w))
		return false;
	*ret = (enum plan_level)(PLAN_BASIC + w);
	return true;
}

void load_defaults(struct plan_load *l, struct plan_node *top)
{
	struct plan_defaults *d = &l->plan->defaults;
	struct plan_node *n;
	int64_t num;

	d->retries = -1;
	if (!plan_node_count(top, "defaults"))
		return;
	n = plan_node_child(top, "defaults", 0);
	if (plan_node_int(n, "batch", false, 1, PLAN_BATCH_MAX, &num))
		d->batch = (uint32_t)num;
	(void)plan_node_workers(n, "workers", &d->workers);
	if (plan_node_int(n, "retries", false, 0, 1000, &num))
		d->retries = (int)num;
	(void)plan_node_duration(n, "timeout", &d->timeout_s);
	(void)plan_node_level(n, "level", &d->level);
}

/* --- changes --- */

static void take_changes(struct plan_node *n, const char *key,
			 struct strvec *ret)
{
	plan_node_list(n, key, false, ret);
	for (size_t i = 0; i < ret->n; i++)
		node_check_text(n, key, plan_node_line(n, key), ret->v[i]);
}

static void add_language(struct plan_text *t, const char *lang, size_t nth,
			 const char *text)
{
	t->langs = xrealloc(t->langs, nth * 2 + 3, sizeof(*t->langs));
	t->langs[nth * 2] = xstrdup(lang);
	t->langs[nth * 2 + 1] = xstrdup(text);
	t->langs[nth * 2 + 2] = NULL;
}

/* A list of texts; a language has a list of its own, as long as this one. */
void load_changes(struct plan_load *l, struct plan_node *top)
{
	_cleanup_strvec_ struct strvec texts = STRVEC_INIT;
	struct plan *p = l->plan;
	size_t nth = 0;

	take_changes(top, "changes", &texts);
	node_know(top, "changes", KEY_TEXT);
	p->changes = xcalloc(texts.n ? texts.n : 1, sizeof(*p->changes));
	for (p->change_n = 0; p->change_n < texts.n; p->change_n++)
		p->changes[p->change_n].text = xstrdup(texts.v[p->change_n]);
	for (size_t i = 0; i < top->value->n; i++) {
		const struct plan_value *v = &top->value->items[i];
		_cleanup_strvec_ struct strvec list = STRVEC_INIT;
		const char *lang = node_language(v->key, "changes");

		if (!lang)
			continue;
		take_changes(top, v->key, &list);
		if (list.n != texts.n) {
			node_problem_at(top, v->line,
					_("'%s' must hold as many texts as "
					  "'changes'"), v->key);
			continue;
		}
		for (size_t k = 0; k < texts.n; k++)
			add_language(&p->changes[k], lang, nth, list.v[k]);
		nth++;
	}
}
