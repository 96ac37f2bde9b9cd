/* SPDX-License-Identifier: MIT */
/*
 * Questions: told to everybody as an event, answered by the front end in this
 * process or, for an engine that stands alone, by the controller over the
 * socket. Where nobody can answer for a while the run is paused, so that the
 * lock is free and whoever comes back attaches by resuming (PROTOCOL 7).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "control.h"
#include "engine-internal.h"

/* how long a question waits for a controller to come (back) */
#define NOBODY_S 60
/* how often it looks whether there is one */
#define LOOK_MS 1000
/* effects and preview lines that go with a confirmation */
#define SHOWN_EFFECTS_MAX 40
#define SHOWN_LINES_MAX 400

static const char *const kind_names[] = {
	[ASK_YES_NO] = "yes_no",
	[ASK_CHOICE] = "choice",
	[ASK_TEXT] = "text",
	[ASK_WORDS] = "words",
};

static double nobody_s(void)
{
	const char *v = getenv("UPSHIFT_TEST_NOBODY_S");

	return v && *v ? atof(v) : NOBODY_S;
}

static void emit_ask(struct engine *e, const struct ask *a,
		     struct json_object *more, bool refused)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct event ev = { .type = EVENT_ASK, .id = a->id, .extra = o };

	json_set_str(o, "ask", kind_names[a->kind]);
	json_set_str(o, "step", a->step);
	json_set_str(o, "prompt", a->prompt);
	json_set_str(o, "default", a->def);
	json_set_str(o, "words", a->words);
	json_set_str(o, "pattern", a->pattern);
	json_set_bool(o, "secret", a->secret);
	json_set_bool(o, "undoable", a->undoable);
	json_set_bool(o, "skippable", a->skippable);
	if (refused)
		json_set_bool(o, "refused", true);
	if (a->kind == ASK_CHOICE) {
		struct json_object *list = json_object_new_array();

		for (int i = 0; a->choices[i]; i++)
			json_object_array_add(list, json_object_new_string(
				a->choices[i]));
		json_object_object_add(o, "choices", list);
	}
	if (more) {
		json_object_object_foreach(more, key, val)
			json_object_object_add(o, key, json_object_get(val));
	}
	engine_emit(e, &ev);
}

static bool fits(const struct ask *a, const char *v)
{
	switch (a->kind) {
	case ASK_YES_NO:
		return !strcmp(v, "yes") || !strcmp(v, "no") ||
			!strcmp(v, "all") || (a->skippable &&
					      !strcmp(v, "skip"));
	case ASK_CHOICE:
		for (int i = 0; a->choices[i]; i++)
			if (!strcmp(v, a->choices[i]))
				return true;
		return false;
	case ASK_WORDS:
		return ask_words_match(v, a->words) ||
			(a->skippable && !strcmp(v, "skip"));
	case ASK_TEXT:
		return *v;
	}
	return false;
}

/* 1: answered; 0: not for us; -ECANCELED; -EINVAL: no answer to this */
static int take_message(struct engine *e, struct ask *a,
			struct json_object *msg)
{
	const char *type = json_get_str(msg, "type", "");
	const char *name = json_get_str(msg, "name", "");
	const char *v = json_get_str(msg, "value", NULL);

	if (!strcmp(type, "command")) {
		if (!strcmp(name, "quit"))
			return -ECANCELED;
		engine_take_command(e, msg);
		return e->cancel ? -ECANCELED : 0;
	}
	if (strcmp(type, "answer") ||
	    strcmp(json_get_str(msg, "id", ""), a->id) || !v)
		return 0;
	if (!fits(a, v))
		return -EINVAL;
	a->answer = xstrdup(v);
	return 1;
}

static int wait_answer(struct engine *e, struct ask *a,
		       struct json_object *more)
{
	uint64_t alone = clock_mono_ns();
	int ret = 0;

	while (!ret) {
		struct json_object *msg;

		if (e->cancel)
			return -ECANCELED;
		msg = control_poll(e->control, LOOK_MS);
		if (msg)
			ret = take_message(e, a, msg);
		json_object_put(msg);
		if (ret == -EINVAL) {
			emit_ask(e, a, more, true);
			ret = 0;
		}
		if (msg || control_has_controller(e->control))
			alone = clock_mono_ns();
		else if (clock_since(alone) >= nobody_s())
			return -ENOTTY;
	}
	return ret < 0 ? ret : 0;
}

int engine_ask(struct engine *e, struct ask *a, struct json_object *more)
{
	int ret = -ENOTTY;

	if (e->opts.remote && e->control) {
		emit_ask(e, a, more, false);
		ret = wait_answer(e, a, more);
	} else if (e->ask) {
		ret = e->ask(e->ask_ctx, a);
	}
	json_object_put(more);
	return ret;
}

/* --- what a person wants to see before a step --- */

static void add_effect(struct json_object *list, enum effect_type type,
		       const char *path)
{
	struct json_object *one;

	if (type == EFFECT_READ ||
	    json_object_array_length(list) >= SHOWN_EFFECTS_MAX)
		return;
	one = json_object_new_object();
	json_set_str(one, "effect", effect_type_name(type));
	json_set_bytes(one, "path", path);
	json_object_array_add(list, one);
}

/* a statement may name again what one before it did */
static bool was_named(const struct effects *eff, size_t i)
{
	const struct effect_set *s = &eff->sets[i];

	for (size_t k = 0; k < i; k++)
		if (eff->sets[k].type == s->type &&
		    !strcmp(eff->sets[k].store, s->store) &&
		    !strcmp(eff->sets[k].set, s->set))
			return true;
	return false;
}

static bool has_path(const struct effects *eff, const char *path)
{
	for (size_t i = 0; i < eff->n; i++)
		if (!strcmp(eff->v[i].path, path))
			return true;
	return false;
}

/* what a store keeps beside its file comes and goes with that */
static bool is_beside(const struct engine *e, const struct effects *eff,
		      const char *path)
{
	for (size_t i = 0; i < e->plan->store_n; i++) {
		const struct plan_store *s = &e->plan->stores[i];

		if (s->path && step_is_beside(s, path) &&
		    has_path(eff, s->path))
			return true;
	}
	return false;
}

/* paths, and tables as "STORE:TABLE"; all of a database is "STORE:*", unless
   its file stands there */
static struct json_object *effects_json(const struct engine *e,
					const struct step *step,
					const struct effects *eff)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < eff->n; i++)
		if (!is_beside(e, eff, eff->v[i].path))
			add_effect(list, eff->v[i].type, eff->v[i].path);
	for (size_t i = 0; i < eff->set_n; i++) {
		const struct effect_set *s = &eff->sets[i];
		_cleanup_free_ char *name = engine_same_shown(e, step,
			s->store, s->set);

		if (!was_named(eff, i) && (*s->set || !eff->n))
			add_effect(list, s->type, name);
	}
	return list;
}

static struct json_object *preview_json(struct engine *e,
					const struct step *s)
{
	struct json_object *list = json_object_new_array();
	struct preview p = { 0 };
	struct error err = ERROR_INIT;
	struct step_ctx c;

	step_ctx_init(&c, e, s, PHASE_STEPS);
	if (s->ops->preview && !s->secret &&
	    s->ops->preview(s, &c, &p, &err) < 0)
		strvec_push(&p.lines, err.msg);
	for (size_t i = 0; i < p.lines.n && i < SHOWN_LINES_MAX; i++)
		json_array_add_bytes(list, p.lines.v[i]);
	if (p.lines.n > SHOWN_LINES_MAX)
		json_object_array_add(list, json_object_new_string("..."));
	strvec_release(&p.lines);
	step_ctx_release(&c);
	error_release(&err);
	return list;
}

struct json_object *engine_ask_facts(struct engine *e, const struct step *s)
{
	struct json_object *o = json_object_new_object();
	struct effects eff = EFFECTS_INIT;
	struct error err = ERROR_INIT;
	const char *risk = plan_text_get(&s->risk, e->opts.lang);

	json_set_str(o, "risk", *risk ? risk : "low");
	json_set_str(o, "undo", step_undoable(s) ? "yes" : "none");
	if (s->estimate_s >= 0)
		json_set_double(o, "estimate_s", s->estimate_s);
	/* a question that cannot say all it could is still a question */
	if (engine_step_effects(e, s, &eff, &err) >= 0)
		json_object_object_add(o, "effects", effects_json(e, s, &eff));
	effects_release(&eff);
	error_release(&err);
	if (!(s->ops->flags & STEP_IS_CHECK))
		json_object_object_add(o, "preview", preview_json(e, s));
	return o;
}
