/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "step.h"

/* More help nobody, and a hostile plan could have a hundred thousand. */
#define PROBLEMS_MAX 200
#define MESSAGE_MAX 600

void plan_problems_release(struct plan_problems *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].message);
	free(p->v);
	*p = (struct plan_problems){ 0 };
}

/* Messages quote the plan: what could steer a terminal is written out. */
void plan_problem_add(struct plan_problems *p, int line, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strbuf_ struct strbuf shown = STRBUF_INIT;
	va_list ap;

	if (p->n == PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	strbuf_add_escaped(&shown, text, strnlen(text, MESSAGE_MAX));
	if (strlen(text) > MESSAGE_MAX)
		strbuf_addstr(&shown, "...");
	VEC_GROW(p->v, p->n, p->cap);
	p->v[p->n].line = line;
	p->v[p->n++].message = strbuf_detach(&shown);
}

/* --- texts --- */

void plan_text_release(struct plan_text *t)
{
	for (char **l = t->langs; l && *l; l++)
		free(*l);
	free(t->langs);
	free(t->text);
	*t = (struct plan_text){ 0 };
}

/* Same language, with or without the country of the one who asks. */
static const char *text_in(const struct plan_text *t, const char *lang,
			   size_t len)
{
	for (char **l = t->langs; l && *l; l += 2)
		if (strlen(*l) == len && !strncmp(*l, lang, len))
			return l[1];
	return NULL;
}

const char *plan_text_get(const struct plan_text *t, const char *lang)
{
	const char *found = NULL;

	if (lang) {
		size_t all = strcspn(lang, ".@"), base = strcspn(lang, "_.@");

		found = text_in(t, lang, all);
		if (!found)
			found = text_in(t, lang, base);
	}
	if (!found)
		found = t->text;
	return found ? found : "";
}

/* --- the plan --- */

static void free_steps(struct step **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		step_free(v[i]);
	free(v);
}

static void free_answers(struct plan *p)
{
	for (size_t i = 0; i < p->answer_n; i++) {
		free(p->answers[i].id);
		plan_text_release(&p->answers[i].prompt);
		free(p->answers[i].pattern);
		free(p->answers[i].def);
	}
	free(p->answers);
}

static void free_files(struct plan *p)
{
	for (size_t i = 0; i < p->file_n; i++) {
		free(p->files[i].name);
		free(p->files[i].data);
	}
	free(p->files);
}

static void free_stores(struct plan *p)
{
	for (size_t i = 0; i < p->store_n; i++) {
		free(p->stores[i].name);
		free(p->stores[i].url);
		free(p->stores[i].path);
	}
	free(p->stores);
	strvec_release(&p->store_env);
}

static void free_strings(struct plan *p)
{
	free(p->path);
	free(p->dir);
	free(p->source);
	free(p->name);
	free(p->from);
	free(p->to);
	free(p->root);
	free(p->state_dir);
	free(p->run_as);
	free(p->rollback_env);
	free(p->backup_dir);
	free(p->backup_fixed);
	free(p->backup_place);
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	/* steps first: they point into files */
	free_steps(p->checks, p->check_n);
	free_steps(p->steps, p->step_n);
	free_steps(p->verify, p->verify_n);
	free_steps(p->verify_rollback, p->verify_rollback_n);
	free_answers(p);
	free_stores(p);
	free_files(p);
	plan_problems_release(&p->warnings);
	free_strings(p);
	plan_text_release(&p->title);
	plan_text_release(&p->support);
	plan_text_release(&p->release_notes);
	for (size_t i = 0; i < p->change_n; i++)
		plan_text_release(&p->changes[i]);
	free(p->changes);
	strvec_release(&p->allow_paths);
	strvec_release(&p->live);
	strvec_release(&p->snapshot.create.argv);
	strvec_release(&p->snapshot.restore.argv);
	strvec_release(&p->snapshot.drop.argv);
	strvec_release(&p->include);
	strvec_release(&p->exclude);
	strvec_release(&p->backup_sets);
	for (size_t i = 0; i < p->scenario_n; i++) {
		free(p->scenarios[i].name);
		free(p->scenarios[i].point);
		strvec_release(&p->scenarios[i].steps);
	}
	free(p->scenarios);
	strvec_release(&p->app.stop.argv);
	strvec_release(&p->app.start.argv);
	strvec_release(&p->app.running.argv);
	for (size_t i = 0; i < p->notify_n; i++)
		strvec_release(&p->notify[i].run.argv);
	free(p->notify);
	json_object_put(p->vars);
	free(p);
}

int plan_step_index(const struct plan *p, const char *id)
{
	for (size_t i = 0; i < p->step_n; i++)
		if (!strcmp(p->steps[i]->id, id))
			return (int)i;
	return -1;
}

struct step *plan_find_step(const struct plan *p, const char *id)
{
	int i = plan_step_index(p, id);

	return i < 0 ? NULL : p->steps[i];
}
