/* SPDX-License-Identifier: MIT */
/*
 * What the events said so far, as one status line for those who come late and
 * as heartbeat. It is learnt from the events themselves, in the I/O thread, so
 * it is exactly as old as the stream that follows it.
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "control-internal.h"

static void set_str(char **dst, const char *v)
{
	free(*dst);
	*dst = xstrdup_null(v);
}

static void set_obj(struct json_object **dst, struct json_object *v)
{
	struct json_object *old = *dst;

	*dst = json_object_get(v);
	json_object_put(old);
}

static void keep_msg(struct msg **dst, struct msg *m)
{
	msg_put(*dst);
	m->refs++;
	*dst = m;
}

/* all steps are pending until an event says more */
static void learn_plan(struct latest *l, struct json_object *ev)
{
	struct json_object *steps = json_get(ev, "steps");
	size_t i;

	json_object_put(l->steps);
	l->steps = json_object_new_object();
	if (!json_object_is_type(steps, json_type_array))
		return;
	for (i = 0; i < json_object_array_length(steps); i++) {
		struct json_object *s = json_object_array_get_idx(steps, i);

		json_set_str(l->steps, json_get_str(s, "id", ""),
			     json_get_str(s, "state", "pending"));
	}
}

static void learn_step(struct latest *l, struct json_object *ev)
{
	const char *id = json_get_str(ev, "id", "");

	set_str(&l->id, id);
	l->n = json_get_int(ev, "n", l->n);
	l->of = json_get_int(ev, "of", l->of);
	if (!l->steps)
		l->steps = json_object_new_object();
	if (json_get_str(ev, "state", NULL))
		json_set_str(l->steps, id, json_get_str(ev, "state", ""));
}

void latest_learn(struct latest *l, struct msg *m)
{
	static const char *const quiet[] = {
		"progress", "log", "status", "warning", "ask",
	};
	struct json_object *ev = m->event;
	const char *type = json_get_str(ev, "type", "");
	bool is_quiet = false;
	size_t i;

	l->seq = json_get_int(ev, "seq", l->seq);
	for (i = 0; i < ARRAY_SIZE(quiet); i++)
		is_quiet |= !strcmp(type, quiet[i]);
	/* the engine went on, so the question was answered */
	if (!is_quiet)
		set_obj(&l->ask, NULL);
	if (!strcmp(type, "version"))
		keep_msg(&l->version, m);
	else if (!strcmp(type, "plan"))
		keep_msg(&l->plan, m);
	else if (!strcmp(type, "status"))
		set_obj(&l->status, ev);
	else if (!strcmp(type, "ask"))
		set_obj(&l->ask, ev);
	else if (!strcmp(type, "app"))
		set_obj(&l->app, ev);
	if (!strcmp(type, "plan"))
		learn_plan(l, ev);
	if (!strcmp(type, "phase"))
		set_str(&l->phase, json_get_str(ev, "phase",
				   json_get_str(ev, "id", NULL)));
	if (!strcmp(type, "step"))
		learn_step(l, ev);
}

static struct json_object *steps_array(const struct latest *l)
{
	struct json_object *a = json_object_new_array();

	json_object_object_foreach(l->steps, id, state) {
		struct json_object *s = json_object_new_object();

		json_set_str(s, "id", id);
		json_object_object_add(s, "state", json_object_get(state));
		json_object_array_add(a, s);
	}
	return a;
}

struct msg *latest_status(const struct latest *l)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	char now[CLOCK_TEXT_SIZE];
	struct timespec ts;

	clock_now(&ts);
	clock_format(&ts, now);
	if (l->status) {
		json_object_object_foreach(l->status, key, v)
			json_object_object_add(o, key, json_object_get(v));
	}
	json_set_str(o, "type", "status");
	json_set_int(o, "seq", l->seq);
	json_set_str(o, "time", now);
	json_set_bool(o, "live", true);
	if (l->phase)
		json_set_str(o, "phase", l->phase);
	if (l->id) {
		json_set_str(o, "step", l->id);
		json_set_int(o, "n", l->n);
		json_set_int(o, "of", l->of);
	}
	if (l->steps)
		json_object_object_add(o, "steps", steps_array(l));
	if (l->app)
		json_set_str(o, "app", json_get_str(l->app, "state", ""));
	if (l->ask)
		json_object_object_add(o, "ask", json_object_get(l->ask));
	return msg_new(o, false);
}

void latest_release(struct latest *l)
{
	msg_put(l->version);
	msg_put(l->plan);
	json_object_put(l->status);
	json_object_put(l->steps);
	json_object_put(l->ask);
	json_object_put(l->app);
	free(l->phase);
	free(l->id);
}
