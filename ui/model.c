/* SPDX-License-Identifier: MIT */
#include "model-internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

void model_set(char **dst, const char *v)
{
	char *old = *dst;

	*dst = xstrdup_null(v);
	free(old);
}

void model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	m->step_at = -1;
}

/* --- ends of life --- */

static void check_release(struct model_check *c)
{
	free(c->id);
	free(c->kind);
	free(c->message);
	free(c->hint);
}

static void checks_clear(struct model_check **v, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		check_release(&(*v)[i]);
	free(*v);
	*v = NULL;
	*n = 0;
}

static void steps_clear(struct model *m)
{
	for (size_t i = 0; i < m->step_n; i++) {
		struct model_step *s = &m->steps[i];

		free(s->id);
		free(s->title);
		free(s->kind);
		free(s->risk);
		free(s->message);
	}
	free(m->steps);
	m->steps = NULL;
	m->step_n = 0;
	m->step_at = -1;
}

static void ask_clear(struct model_ask *a)
{
	free(a->id);
	free(a->step);
	free(a->prompt);
	free(a->def);
	free(a->words);
	free(a->kind);
	json_object_put(a->extra);
	memset(a, 0, sizeof(*a));
}

static void error_clear(struct model_error *e)
{
	free(e->code);
	free(e->message);
	free(e->step);
	free(e->probe);
	free(e->safe);
	free(e->hint);
	json_object_put(e->next);
	memset(e, 0, sizeof(*e));
}

static void warnings_clear(struct model *m)
{
	for (size_t i = 0; i < m->warning_n; i++)
		free(m->warnings[i]);
	free(m->warnings);
	m->warnings = NULL;
	m->warning_n = 0;
}

void model_new_process(struct model *m)
{
	ask_clear(&m->ask);
	error_clear(&m->error);
	model_progress_clear(&m->progress);
	warnings_clear(m);
	json_object_put(m->summary);
	m->summary = NULL;
	m->phase_running = false;
	m->phase = PHASE_NONE;
	m->rollback = EVENT_NONE;
	for (size_t i = 0; i < m->step_n; i++)
		m->steps[i].running = false;
}

void model_release(struct model *m)
{
	model_new_process(m);
	checks_clear(&m->checks, &m->check_n);
	checks_clear(&m->verify, &m->verify_n);
	steps_clear(m);
	for (size_t i = 0; i < m->line_n; i++) {
		free(m->lines[i].time);
		free(m->lines[i].id);
		free(m->lines[i].text);
	}
	free(m->lines);
	free(m->run);
	free(m->title);
	free(m->from);
	free(m->to);
	free(m->root);
	free(m->backup_path);
	free(m->app);
	free(m->app_since);
	free(m->rollback_point);
	model_init(m);
}

/* --- words of the stream --- */

static enum event_state state_of(struct json_object *o)
{
	const char *name = json_get_str(o, "state", "");

	for (int i = 0; i < EVENT_STATE_COUNT; i++)
		if (!strcmp(name, event_state_name((enum event_state)i)))
			return (enum event_state)i;
	return EVENT_NONE;
}

enum event_phase model_phase_of(struct json_object *o)
{
	const char *name = json_get_str(o, "phase", "");

	for (int i = 0; i < PHASE_COUNT; i++)
		if (!strcmp(name, event_phase_name((enum event_phase)i)))
			return (enum event_phase)i;
	return PHASE_NONE;
}

/* the moment of an event on our clock, so that one who comes late sees how
   long a step runs already */
static uint64_t moment_of(struct json_object *o)
{
	uint64_t now = clock_mono_ns();
	struct timespec ts, wall;
	double age;

	if (clock_parse(json_get_str(o, "time", ""), &ts) < 0)
		return now;
	clock_now(&wall);
	age = difftime(wall.tv_sec, ts.tv_sec) +
		(double)(wall.tv_nsec - ts.tv_nsec) / 1e9;
	if (age <= 0 || age * 1e9 >= (double)now)
		return now;
	return now - (uint64_t)(age * 1e9);
}

/* --- log --- */

static void add_line(struct model *m, struct json_object *o, const char *id,
		     const char *text, char stream)
{
	struct model_line *l;

	if (m->line_n < MODEL_LINES_MAX) {
		m->lines = xrealloc(m->lines, m->line_n + 1,
				   sizeof(*m->lines));
		l = &m->lines[m->line_n++];
		memset(l, 0, sizeof(*l));
	} else {
		l = &m->lines[m->line_first];
		m->line_first = (m->line_first + 1) % m->line_n;
	}
	model_set(&l->time, json_get_str(o, "time", NULL));
	model_set(&l->id, id);
	free(l->text);
	l->text = escape_bytes(text);
	l->stream = stream;
	m->line_total++;
}

const struct model_line *model_line(const struct model *m, size_t i)
{
	return i < m->line_n ? &m->lines[(m->line_first + i) % m->line_n] :
		NULL;
}

static void on_log(struct model *m, struct json_object *o)
{
	const char *stream = json_get_str(o, "stream", "note");

	add_line(m, o, json_get_str(o, "id", NULL),
		 json_get_str(o, "text", ""), *stream ? *stream : 'n');
}

/* --- one function for each type --- */

static void on_version(struct model *m, struct json_object *o)
{
	model_new_process(m);
	model_set(&m->run, json_get_str(o, "run", m->run));
	model_set(&m->title, json_get_str(o, "title", m->title));
	model_set(&m->from, json_get_str(o, "from", m->from));
	model_set(&m->to, json_get_str(o, "to", m->to));
	model_set(&m->root, json_get_str(o, "root", m->root));
}

static enum event_state plan_state(struct json_object *o)
{
	const char *name = json_get_str(o, "state", "pending");

	if (!strcmp(name, "applying"))
		return EVENT_STARTED;
	if (!strcmp(name, "undoing") || !strcmp(name, "undo-failed"))
		return EVENT_FAILED;
	return state_of(o);
}

static void on_plan(struct model *m, struct json_object *o)
{
	struct json_object *steps = json_get(o, "steps");
	size_t n = steps ? json_object_array_length(steps) : 0;
	struct model_step *was = m->steps;
	size_t was_n = m->step_n;

	m->steps = xcalloc(n ? n : 1, sizeof(*m->steps));
	m->step_n = n;
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(steps, i);
		struct model_step *s = &m->steps[i];

		s->id = xstrdup(json_get_str(one, "id", ""));
		s->title = xstrdup(json_get_str(one, "title", s->id));
		s->kind = xstrdup(json_get_str(one, "kind", ""));
		s->risk = xstrdup(json_get_str(one, "risk", ""));
		s->undoable = strcmp(json_get_str(one, "undo", "yes"),
				     "none") != 0;
		s->optional = json_get_bool(one, "optional", false);
		s->state = plan_state(one);
		if (i < was_n && !strcmp(was[i].id, s->id)) {
			s->elapsed_s = was[i].elapsed_s;
			s->message = TAKE_PTR(was[i].message);
		}
	}
	/* steps_clear() is for the ones of before */
	{
		struct model old = { .steps = was, .step_n = was_n };

		steps_clear(&old);
	}
	m->step_at = -1;
}

struct model_step *model_find_step(const struct model *m, const char *id)
{
	for (size_t i = 0; id && i < m->step_n; i++)
		if (!strcmp(m->steps[i].id, id))
			return &m->steps[i];
	return NULL;
}

static struct model_check *find_check(struct model_check **v, size_t *n,
				      const char *id)
{
	struct model_check *c;

	for (size_t i = 0; i < *n; i++)
		if (!strcmp((*v)[i].id, id))
			return &(*v)[i];
	*v = xrealloc(*v, *n + 1, sizeof(**v));
	c = &(*v)[(*n)++];
	memset(c, 0, sizeof(*c));
	c->id = xstrdup(id);
	return c;
}

static void on_check(struct model *m, struct json_object *o, bool verify)
{
	struct model_check *c = verify ?
		find_check(&m->verify, &m->verify_n,
			   json_get_str(o, "id", "")) :
		find_check(&m->checks, &m->check_n,
			   json_get_str(o, "id", ""));

	c->state = state_of(o);
	c->n = (int)json_get_int(o, "n", 0);
	c->need = (uint64_t)json_get_int(o, "need", 0);
	c->have = (uint64_t)json_get_int(o, "have", 0);
	model_set(&c->kind, json_get_str(o, "kind", NULL));
	model_set(&c->message, json_get_str(o, "message", NULL));
	model_set(&c->hint, json_get_str(o, "hint", NULL));
}

static void on_phase(struct model *m, struct json_object *o)
{
	m->phase = model_phase_of(o);
	m->phase_running = state_of(o) == EVENT_STARTED;
	if (!m->phase_running)
		return;
	model_progress_clear(&m->progress);
	error_clear(&m->error);
	/* a round of looks begins anew */
	if (m->phase == PHASE_CHECK)
		checks_clear(&m->checks, &m->check_n);
	else if (m->phase == PHASE_VERIFY || m->phase == PHASE_ROLLBACK)
		checks_clear(&m->verify, &m->verify_n);
}

static void on_backup(struct model *m, struct json_object *o)
{
	m->backup = state_of(o);
	if (json_get_str(o, "path", NULL))
		model_set(&m->backup_path, json_get_str(o, "path", NULL));
	if (m->backup != EVENT_DONE)
		return;
	m->backup_bytes = (uint64_t)json_get_int(o, "bytes", 0);
	m->backup_stored = (uint64_t)json_get_int(o, "stored_bytes", 0);
	m->backup_items = (uint64_t)json_get_int(o, "items", 0);
	m->backup_elapsed_s = json_get_double(o, "elapsed_s", 0);
}

static void on_step(struct model *m, struct json_object *o)
{
	struct model_step *s = model_find_step(m, json_get_str(o, "id", ""));
	bool was_running;

	if (!s)
		return;
	m->step_at = (int)(s - m->steps);
	was_running = s->running;
	s->state = state_of(o);
	/* what it did is looked at before it is over */
	s->running = s->state == EVENT_STARTED || s->state == EVENT_APPLIED;
	model_set(&s->message, json_get_str(o, "message", NULL));
	if (s->running && !was_running)
		s->begun_ns = moment_of(o);
	if (s->state == EVENT_STARTED) {
		s->begun_ns = moment_of(o);
		model_progress_clear(&m->progress);
		/* it is tried again */
		error_clear(&m->error);
	} else if (json_get_double(o, "elapsed_s", 0) > 0) {
		s->elapsed_s = json_get_double(o, "elapsed_s", 0);
	}
}

static void on_ask(struct model *m, struct json_object *o)
{
	struct model_ask *a = &m->ask;

	ask_clear(a);
	a->id = xstrdup(json_get_str(o, "id", ""));
	a->step = xstrdup_null(json_get_str(o, "step", NULL));
	a->prompt = xstrdup(json_get_str(o, "prompt", ""));
	a->def = xstrdup_null(json_get_str(o, "default", NULL));
	a->words = xstrdup_null(json_get_str(o, "words", NULL));
	a->kind = xstrdup(json_get_str(o, "ask", "text"));
	a->undoable = json_get_bool(o, "undoable", false);
	a->skippable = json_get_bool(o, "skippable", false);
	a->refused = json_get_bool(o, "refused", false);
	a->seq = (uint64_t)json_get_int(o, "seq", 0);
	a->extra = json_object_get(o);
	model_progress_clear(&m->progress);
}

static void on_error(struct model *m, struct json_object *o)
{
	struct model_error *e = &m->error;

	error_clear(e);
	e->given = true;
	e->code = xstrdup_null(json_get_str(o, "code", NULL));
	e->message = xstrdup_null(json_get_str(o, "message", NULL));
	e->step = xstrdup_null(json_get_str(o, "step", NULL));
	e->probe = xstrdup_null(json_get_str(o, "probe", NULL));
	e->safe = xstrdup_null(json_get_str(o, "safe", NULL));
	e->hint = xstrdup_null(json_get_str(o, "hint", NULL));
	e->next = json_object_get(json_get(o, "next"));
	add_line(m, o, e->step, e->message ? e->message : "", 'e');
}

static void on_warning(struct model *m, struct json_object *o)
{
	const char *text = json_get_str(o, "message", "");

	m->warnings = xrealloc(m->warnings, m->warning_n + 1,
			      sizeof(*m->warnings));
	m->warnings[m->warning_n++] = escape_bytes(text);
	add_line(m, o, json_get_str(o, "step", NULL), text, 'n');
}

static void on_app(struct model *m, struct json_object *o)
{
	model_set(&m->app, json_get_str(o, "state", NULL));
	model_set(&m->app_since, json_get_str(o, "time", NULL));
}

static void on_rollback(struct model *m, struct json_object *o)
{
	m->rollback = state_of(o);
	if (json_get_str(o, "point", NULL))
		model_set(&m->rollback_point, json_get_str(o, "point", NULL));
	m->restored = (uint64_t)json_get_int(o, "restored",
					     (int64_t)m->restored);
	m->lost = (uint64_t)json_get_int(o, "lost", (int64_t)m->lost);
	m->kept = (uint64_t)json_get_int(o, "kept", (int64_t)m->kept);
}

/* of one who was there before us; and a sign of life */
static void on_status(struct model *m, struct json_object *o)
{
	struct json_object *steps = json_get(o, "steps");
	struct json_object *ask = json_get(o, "ask");
	enum event_phase p = model_phase_of(o);

	for (size_t i = 0; steps && i < json_object_array_length(steps); i++) {
		struct json_object *one = json_object_array_get_idx(steps, i);
		struct model_step *s = model_find_step(m,
			json_get_str(one, "id", ""));

		if (!s || (s->state != EVENT_NONE))
			continue;
		s->state = plan_state(one);
	}
	if (p && !m->phase)
		m->phase = p;
	if (ask && !m->ask.id)
		on_ask(m, ask);
}

/* --- the stream --- */

/* A question is open until the engine does something else. */
static void settle_ask(struct model *m, const char *type)
{
	static const char *const quiet[] = { "progress", "log", "status",
					     "warning", "ask" };

	for (size_t i = 0; i < ARRAY_SIZE(quiet); i++)
		if (!strcmp(type, quiet[i]))
			return;
	ask_clear(&m->ask);
}

bool model_event(struct model *m, struct json_object *o)
{
	static const struct {
		const char *type;
		void (*fn)(struct model *m, struct json_object *o);
	} table[] = {
		{ "version", on_version }, { "plan", on_plan },
		{ "phase", on_phase }, { "backup", on_backup },
		{ "step", on_step }, { "progress", model_on_progress },
		{ "log", on_log }, { "ask", on_ask }, { "error", on_error },
		{ "warning", on_warning }, { "app", on_app },
		{ "rollback", on_rollback }, { "status", on_status },
	};
	const char *type = json_get_str(o, "type", "");
	uint64_t seq = (uint64_t)json_get_int(o, "seq", 0);
	bool status = !strcmp(type, "status");

	m->heard_ns = clock_mono_ns();
	/* a status repeats the last number; so does the log what was heard */
	if (!status && seq && seq <= m->seq)
		return false;
	if (seq > m->seq)
		m->seq = seq;
	if (!status)
		settle_ask(m, type);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!strcmp(type, table[i].type))
			table[i].fn(m, o);
	if (!strcmp(type, "check") || !strcmp(type, "verify"))
		on_check(m, o, *type == 'v');
	if (!strcmp(type, "summary")) {
		json_object_put(m->summary);
		m->summary = json_object_get(o);
	}
	if (strcmp(type, "progress") != 0 && strcmp(type, "log") != 0)
		m->changes++;
	return true;
}
