/* SPDX-License-Identifier: MIT */
/*
 * A step that has a window begins inside of it. In batch the run ends outside
 * (exit 8, so that a timer may resume it when the window opens); with a person
 * at the wheel the engine waits, whether anybody looks on or not, and can be
 * stopped meanwhile. Nothing is in the journal about it: whoever goes on looks
 * at the clock anew. A step that has begun is not cut short by the end.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "control.h"
#include "engine-internal.h"

#define LOOK_MS 1000

static time_t now(void)
{
	struct timespec ts;

	clock_now(&ts);
	return ts.tv_sec;
}

void engine_listen(struct engine *e, int ms)
{
	struct json_object *msg;

	if (!e->control) {
		(void)poll(NULL, 0, ms);
		return;
	}
	msg = control_poll(e->control, ms);
	if (msg)
		engine_take_command(e, msg);
	json_object_put(msg);
}

static void say(struct engine *e, const struct step *s, const char *opens)
{
	_cleanup_free_ char *t = xasprintf(
		_("it waits for its window, which opens at %s"), opens);

	engine_log(e, s->id, "note", t, strlen(t));
	engine_emit_step(e, plan_step_index(e->plan, s->id), EVENT_STARTED, 0,
			 t);
}

int engine_window(struct engine *e, const struct step *s, struct error *err)
{
	time_t begun = now(), opens = window_opening(&s->window, begun);
	const struct timespec ts = { .tv_sec = opens };
	char text[CLOCK_TEXT_SIZE];
	struct engine_meter meter;

	if (opens == begun)
		return 0;
	clock_format(&ts, text);
	strcpy(text + strlen("YYYY-MM-DDTHH:MM:SS"), "Z");
	if (e->opts.batch) {
		(void)error_set(err, ERR_WINDOW, -EAGAIN,
			_("step '%s' may not begin before %s"), s->id, text);
		error_hint(err, "upshift resume");
		return -EAGAIN;
	}
	say(e, s, text);
	engine_meter_begin(&meter);
	while (!window_is_open(&s->window, now())) {
		if (engine_cancelled(e))
			return error_set(err, ERR_CANCELLED, -ECANCELED,
					 _("stopped by the user"));
		engine_progress(e, &meter, PHASE_STEPS, s->id,
				plan_step_index(e->plan, s->id) + 1,
				(uint64_t)MAX(now() - begun, 0),
				(uint64_t)(opens - begun), "s");
		engine_listen(e, LOOK_MS);
	}
	return 0;
}
