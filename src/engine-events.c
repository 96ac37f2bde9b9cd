/* SPDX-License-Identifier: MIT */
/*
 * What the engine tells: events, the meter behind progress, the first two
 * events of a process and its last.
 */
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"

#define PROGRESS_NS 250000000ull

const char *engine_title(const struct engine *e, const struct step *s)
{
	const char *t = plan_text_get(&s->title, e->opts.lang);

	return *t ? t : s->id;
}

void engine_emit(struct engine *e, struct event *ev)
{
	if (e->bus)
		event_emit(e->bus, ev);
}

void engine_warn(struct engine *e, const char *step, const char *text)
{
	struct error err = ERROR_INIT;
	struct event ev = { .type = EVENT_WARNING, .id = step };

	e->warnings++;
	(void)error_set(&err, ERR_STEP, 0, "%s", text);
	ev.error = &err;
	ev.message = text;
	engine_emit(e, &ev);
	if (e->run && e->run->writable)
		/* a warning that cannot be recorded was shown all the same */
		(void)run_record_warning(e->run, step, text);
	error_release(&err);
}

void engine_log(struct engine *e, const char *id, const char *stream,
		const char *text, size_t len)
{
	struct event ev = { .type = EVENT_LOG, .id = id, .stream = stream,
			    .text = text, .text_len = len };

	engine_emit(e, &ev);
}

static const char *next_retry[] = { "upshift resume", "upshift rollback",
				    "upshift status", NULL };
static const char *next_again[] = { "upshift run PLAN", "upshift status",
				    NULL };
/* a later look at what is complete */
static const char *next_look[] = { "upshift report", "upshift rollback",
				   "upshift status", NULL };

void engine_emit_error(struct engine *e, const struct step *s,
		       const struct error *err, const char *probe,
		       const char *safe)
{
	struct event ev = { .type = EVENT_ERROR, .error = err, .probe = probe,
			    .safe = safe, .hint = err->hint };

	if (s) {
		const char *hint = plan_text_get(&s->hint, e->opts.lang);

		ev.id = s->id;
		ev.kind = s->ops->name;
		if (*hint)
			ev.hint = hint;
	}
	ev.next = e->run && run_is_open(e->run) ? next_retry :
		  e->run && e->run->state == RUN_COMPLETE ? next_look :
		  next_again;
	engine_emit(e, &ev);
}

void engine_phase(struct engine *e, enum event_phase p, enum event_state s)
{
	struct event ev = { .type = EVENT_PHASE, .phase = p, .state = s };

	engine_emit(e, &ev);
}

void engine_meter_begin(struct engine_meter *m)
{
	memset(m, 0, sizeof(*m));
	m->begun_ns = m->last_ns = clock_mono_ns();
}

/*
 * The rate is an average over about 30 s that forgets the past smoothly; time
 * left is told after 10 s and 5 %, as people complain of anything earlier. What
 * was done before it began says nothing on how fast it goes.
 */
void engine_progress(struct engine *e, struct engine_meter *m,
		     enum event_phase phase, const char *id, int n,
		     uint64_t done, uint64_t total, const char *unit)
{
	uint64_t now = clock_mono_ns();
	double dt = (double)(now - m->last_ns) / 1e9;
	double age = (double)(now - m->begun_ns) / 1e9;
	struct event ev = { .type = EVENT_PROGRESS, .phase = phase, .id = id,
			    .part = m->part, .n = n,
			    .of = (int)e->plan->step_n, .done = done,
			    .total = total, .unit = unit,
			    .records = m->records, .rate = -1,
			    .eta_s = -1 };

	if (now - m->shown_ns < PROGRESS_NS && (!total || done < total))
		return;
	if (!m->begun || done < m->last_done) {
		/* what an earlier process did, or the next thing counted */
		m->begun = true;
		m->begun_ns = now;
		m->first_done = done;
		m->rate = 0;
	} else if (dt > 0) {
		double r = (double)(done - m->last_done) / dt;
		double w = dt > 30 ? 1 : dt / 30;

		if (age < 30 && age > 0)
			m->rate = (double)(done - m->first_done) / age;
		else
			m->rate += (r - m->rate) * w;
	}
	m->last_ns = m->shown_ns = now;
	m->last_done = done;
	m->last_total = total;
	(void)snprintf(m->last_unit, sizeof(m->last_unit), "%s",
		       unit ? unit : "");
	ev.rate = m->rate;
	if (m->pace) {
		ev.batch = m->pace->batch;
		ev.rejected = m->pace->rejected;
		ev.bound = m->pace->bound;
		ev.wait = m->pace->wait;
		ev.figures = m->pace->figures;
		ev.figure_n = m->pace->figure_n;
	}
	/* time needs no measuring */
	if (total && unit && !strcmp(unit, "s"))
		ev.eta_s = (double)(total - MIN(done, total));
	else if (total && m->rate > 0 && age >= 10 && done * 20 >= total)
		ev.eta_s = (double)(total - MIN(done, total)) / m->rate;
	engine_emit(e, &ev);
}

void engine_emit_version(struct engine *e)
{
	struct event ev = { .type = EVENT_VERSION };
	_cleanup_json_ struct json_object *o = json_object_new_object();

	json_set_int(o, "format", 1);
	json_set_str(o, "upshift", PACKAGE_VERSION);
	json_set_str(o, "run", e->run ? e->run->id : NULL);
	json_set_str(o, "plan", e->plan->name);
	json_set_str(o, "title", plan_text_get(&e->plan->title, e->opts.lang));
	json_set_str(o, "from", e->plan->from);
	json_set_str(o, "to", e->plan->to);
	json_set_str(o, "root", e->sd->root);
	json_set_str(o, "plan_digest", e->plan->digest);
	ev.extra = o;
	engine_emit(e, &ev);
}

void engine_emit_plan(struct engine *e)
{
	struct event ev = { .type = EVENT_PLAN };
	_cleanup_json_ struct json_object *o = json_object_new_array();

	for (size_t i = 0; i < e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		struct json_object *one = json_object_new_object();
		const char *risk = plan_text_get(&s->risk, e->opts.lang);

		json_set_str(one, "id", s->id);
		json_set_str(one, "title", engine_title(e, s));
		json_set_str(one, "kind", s->ops->name);
		json_set_str(one, "risk", *risk ? risk : "low");
		json_set_str(one, "undo", step_undoable(s) ? "yes" : "none");
		json_set_bool(one, "optional", s->optional);
		if (e->run && i < e->run->step_n)
			json_set_str(one, "state", step_state_name(
				e->run->steps[i].state));
		json_object_array_add(o, one);
	}
	ev.extra = o;
	engine_emit(e, &ev);
}

void engine_count_states(const struct engine *e, int *done, int *skipped,
			 int *undone)
{
	*done = *skipped = *undone = 0;
	for (size_t i = 0; e->run && i < e->run->step_n; i++) {
		const struct run_step *rs = &e->run->steps[i];

		*done += rs->state == STEP_VERIFIED;
		*skipped += rs->state == STEP_SKIPPED;
		*undone += rs->error_msg && (rs->state == STEP_UNDONE ||
					     rs->state == STEP_FAILED);
	}
}

static const char *result_name(int exit)
{
	static const char *const names[] = {
		"done", "failed_unchanged", "failed_resumable", "warnings",
		"rolled_back", "rollback_failed", "stopped", "verify_failed",
		"need_answer", "pending",
	};

	return exit >= 0 && (size_t)exit < ARRAY_SIZE(names) ? names[exit] :
		"refused";
}

void engine_emit_summary(struct engine *e, const char *verb, int exit)
{
	struct event ev = { .type = EVENT_SUMMARY };
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *counts = json_object_new_object();
	struct json_object *next = json_object_new_array();
	int done, skipped, undone;
	const char *const *cmd;

	engine_count_states(e, &done, &skipped, &undone);
	json_set_str(o, "verb", verb);
	json_set_str(o, "result", result_name(exit));
	json_set_int(o, "exit", exit);
	json_set_int(o, "steps_done", done);
	json_set_int(o, "steps_total", (int64_t)e->plan->step_n);
	json_set_str(o, "run", e->run ? e->run->id : NULL);
	json_set_str(o, "state", e->run ? run_state_name(e->run->state) :
		     NULL);
	json_set_str(o, "app", e->run ? e->run->app_state : NULL);
	json_set_int(counts, "warnings", e->warnings);
	json_set_int(counts, "skipped", skipped);
	json_set_int(counts, "undone", undone);
	json_object_object_add(o, "counts", counts);
	json_set_double(o, "elapsed_s", clock_since(e->begun_ns));
	if (e->run && run_is_open(e->run))
		for (cmd = next_retry; *cmd; cmd++)
			json_object_array_add(next,
					      json_object_new_string(*cmd));
	else if (e->run && e->run->state == RUN_COMPLETE)
		json_object_array_add(next, json_object_new_string(
			"upshift rollback start"));
	json_object_object_add(o, "next", next);
	ev.extra = o;
	engine_emit(e, &ev);
}

void engine_stream_begin(struct engine *e)
{
	engine_emit_version(e);
	engine_emit_plan(e);
}

int engine_stream_end(struct engine *e, const char *verb, int exit)
{
	engine_emit_summary(e, verb, exit);
	return exit;
}
