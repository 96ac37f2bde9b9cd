/* SPDX-License-Identifier: MIT */
#include "event.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

static const char *const type_names[EVENT_TYPE_COUNT] = {
	[EVENT_VERSION] = "version",
	[EVENT_PLAN] = "plan",
	[EVENT_CHECK] = "check",
	[EVENT_BACKUP] = "backup",
	[EVENT_STEP] = "step",
	[EVENT_PROGRESS] = "progress",
	[EVENT_LOG] = "log",
	[EVENT_ASK] = "ask",
	[EVENT_ERROR] = "error",
	[EVENT_WARNING] = "warning",
	[EVENT_CHECKPOINT] = "checkpoint",
	[EVENT_ROLLBACK] = "rollback",
	[EVENT_VERIFY] = "verify",
	[EVENT_APP] = "app",
	[EVENT_PHASE] = "phase",
	[EVENT_STATUS] = "status",
	[EVENT_SUMMARY] = "summary",
};

static const char *const state_names[EVENT_STATE_COUNT] = {
	[EVENT_NONE] = "none",
	[EVENT_OK] = "ok",
	[EVENT_WARN] = "warn",
	[EVENT_FAIL] = "fail",
	[EVENT_STARTED] = "started",
	[EVENT_DONE] = "done",
	[EVENT_APPLIED] = "applied",
	[EVENT_VERIFIED] = "verified",
	[EVENT_FAILED] = "failed",
	[EVENT_SKIPPED] = "skipped",
	[EVENT_UNDONE] = "undone",
	[EVENT_STOPPED] = "stopped",
	[EVENT_RUNNING] = "running",
};

static const char *const phase_names[PHASE_COUNT] = {
	[PHASE_NONE] = "none",
	[PHASE_CHECK] = "check",
	[PHASE_BACKUP] = "backup",
	[PHASE_STEPS] = "steps",
	[PHASE_VERIFY] = "verify",
	[PHASE_ROLLBACK] = "rollback",
};

const char *event_type_name(enum event_type t)
{
	return t < EVENT_TYPE_COUNT ? type_names[t] : "unknown";
}

const char *event_state_name(enum event_state s)
{
	return s < EVENT_STATE_COUNT ? state_names[s] : "unknown";
}

const char *event_phase_name(enum event_phase p)
{
	return p < PHASE_COUNT ? phase_names[p] : "unknown";
}

/* text of unknown origin must be UTF-8 in JSON; bytes are shown escaped */
static void set_text(struct json_object *o, const char *key, const char *s,
		     size_t len)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	if (!s)
		return;
	if (utf8_valid(s, len)) {
		json_object_object_add(o, key, json_object_new_string_len(
			s, (int)len));
		return;
	}
	strbuf_add_escaped(&sb, s, len);
	json_set_str(o, key, sb.buf);
}

static void set_str(struct json_object *o, const char *key, const char *s)
{
	if (s)
		set_text(o, key, s, strlen(s));
}

static void set_list(struct json_object *o, const char *key,
		     const char *const *list)
{
	struct json_object *a;

	if (!list)
		return;
	a = json_object_new_array();
	for (; *list; list++)
		json_object_array_add(a, json_object_new_string(*list));
	json_object_object_add(o, key, a);
}

static void set_figures(struct json_object *o, const struct event *ev)
{
	struct json_object *a;

	if (!ev->figure_n)
		return;
	a = json_object_new_array();
	for (size_t i = 0; i < ev->figure_n; i++) {
		const struct event_figure *f = &ev->figures[i];
		struct json_object *one = json_object_new_object();

		json_set_str(one, "name", f->name);
		set_str(one, "value", f->value);
		json_set_str(one, "limit", f->limit);
		json_set_bool(one, "holds", f->holds);
		json_object_array_add(a, one);
	}
	json_object_object_add(o, "figures", a);
}

static void set_progress(struct json_object *o, const struct event *ev)
{
	set_str(o, "part", ev->part);
	json_set_int(o, "done", (int64_t)ev->done);
	if (ev->total)
		json_set_int(o, "total", (int64_t)ev->total);
	set_str(o, "unit", ev->unit);
	if (ev->records)
		json_set_int(o, "records", (int64_t)ev->records);
	if (ev->rate >= 0)
		json_set_double(o, "rate", ev->rate);
	if (ev->eta_s >= 0)
		json_set_double(o, "eta_s", ev->eta_s);
	if (ev->batch)
		json_set_int(o, "batch", (int64_t)ev->batch);
	if (ev->rejected)
		json_set_int(o, "rejected", (int64_t)ev->rejected);
	set_str(o, "bound", ev->bound);
	set_str(o, "wait", ev->wait);
	set_figures(o, ev);
}

static void set_backup(struct json_object *o, const struct event *ev)
{
	set_str(o, "path", ev->path);
	if (ev->state != EVENT_DONE)
		return;
	json_set_int(o, "bytes", (int64_t)ev->bytes);
	json_set_int(o, "stored_bytes", (int64_t)ev->stored_bytes);
	json_set_int(o, "items", (int64_t)ev->items);
	set_str(o, "digest", ev->digest);
	if (ev->secrets)
		json_set_bool(o, "secrets", true);
	json_set_double(o, "elapsed_s", ev->elapsed_s);
}

static void set_error(struct json_object *o, const struct event *ev)
{
	if (ev->error) {
		set_str(o, "code", error_code_name(ev->error->code));
		set_str(o, "message", ev->error->msg);
	}
	set_str(o, "step", ev->id);
	set_str(o, "probe", ev->probe);
	set_str(o, "safe", ev->safe);
	set_list(o, "next", ev->next);
}

/* members of the object that the event carries */
static void set_extra(struct json_object *o, struct json_object *extra)
{
	if (!json_object_is_type(extra, json_type_object))
		return;
	json_object_object_foreach(extra, key, val)
		json_object_object_add(o, key, json_object_get(val));
}

static void set_common(struct json_object *o, const struct event *ev)
{
	if (ev->phase)
		json_set_str(o, "phase", event_phase_name(ev->phase));
	if (ev->type != EVENT_ERROR && ev->type != EVENT_WARNING)
		set_str(o, "id", ev->id);
	if (ev->n) {
		json_set_int(o, "n", ev->n);
		if (ev->of)
			json_set_int(o, "of", ev->of);
	}
	set_str(o, "kind", ev->kind);
	if (ev->state)
		json_set_str(o, "state", event_state_name(ev->state));
	if (!ev->error)
		set_str(o, "message", ev->message);
	set_str(o, "point", ev->point);
	set_str(o, "hint", ev->hint);
}

struct json_object *event_to_json(const struct event *ev)
{
	struct json_object *o = json_object_new_object();
	char time[CLOCK_TEXT_SIZE];

	clock_format(&ev->time, time);
	json_set_str(o, "type", event_type_name(ev->type));
	json_set_int(o, "seq", (int64_t)ev->seq);
	json_set_str(o, "time", time);
	set_common(o, ev);
	switch (ev->type) {
	case EVENT_CHECK:
		if (ev->need || ev->have) {
			json_set_int(o, "need", (int64_t)ev->need);
			json_set_int(o, "have", (int64_t)ev->have);
		}
		break;
	case EVENT_BACKUP:
		set_backup(o, ev);
		break;
	case EVENT_STEP:
		if (ev->state > EVENT_STARTED)
			json_set_double(o, "elapsed_s", ev->elapsed_s);
		break;
	case EVENT_PROGRESS:
		set_progress(o, ev);
		break;
	case EVENT_LOG:
		set_str(o, "stream", ev->stream);
		set_text(o, "text", ev->text, ev->text_len);
		break;
	case EVENT_ERROR:
	case EVENT_WARNING:
		set_error(o, ev);
		break;
	case EVENT_CHECKPOINT:
		set_str(o, "step", ev->id);
		break;
	case EVENT_ROLLBACK:
		if (ev->carried)
			json_set_int(o, "carried", (int64_t)ev->carried);
		if (ev->restored || ev->lost || ev->kept || ev->carried) {
			json_set_int(o, "restored", (int64_t)ev->restored);
			json_set_int(o, "lost", (int64_t)ev->lost);
			json_set_int(o, "kept", (int64_t)ev->kept);
		}
		if (ev->extra)
			json_object_object_add(o, "tables",
					       json_object_get(ev->extra));
		break;
	case EVENT_PLAN:
		if (ev->extra)
			json_object_object_add(o, "steps",
					       json_object_get(ev->extra));
		break;
	case EVENT_VERSION:
	case EVENT_ASK:
	case EVENT_STATUS:
	case EVENT_SUMMARY:
		set_extra(o, ev->extra);
		break;
	case EVENT_VERIFY:
	case EVENT_APP:
	case EVENT_PHASE:
	case EVENT_TYPE_COUNT:
		break;
	}
	return o;
}

void event_bus_add(struct event_bus *bus, const struct reporter_ops *ops,
		   void *self)
{
	if (bus->n == EVENT_SINKS_MAX)
		BUG("too many reporters");
	bus->sinks[bus->n].ops = ops;
	bus->sinks[bus->n].self = self;
	bus->n++;
}

void event_emit(struct event_bus *bus, struct event *ev)
{
	ev->seq = ++bus->next_seq;
	clock_now(&ev->time);
	for (size_t i = 0; i < bus->n; i++)
		bus->sinks[i].ops->event(bus->sinks[i].self, ev);
}

void event_bus_drop(struct event_bus *bus, const struct reporter_ops *ops)
{
	for (size_t i = 0; i < bus->n; i++) {
		if (bus->sinks[i].ops != ops)
			continue;
		if (ops->close)
			ops->close(bus->sinks[i].self);
		bus->n--;
		memmove(&bus->sinks[i], &bus->sinks[i + 1],
			(bus->n - i) * sizeof(bus->sinks[0]));
		return;
	}
}

void event_bus_close(struct event_bus *bus)
{
	for (size_t i = 0; i < bus->n; i++)
		if (bus->sinks[i].ops->close)
			bus->sinks[i].ops->close(bus->sinks[i].self);
	bus->n = 0;
}

static void record(void *self, const struct event *ev)
{
	struct event_recorder *r = self;

	if (!r->list)
		r->list = json_object_new_array();
	json_object_array_add(r->list, event_to_json(ev));
}

const struct reporter_ops event_recorder_ops = {
	.name = "recorder",
	.event = record,
};
