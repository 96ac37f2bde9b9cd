/* SPDX-License-Identifier: MIT */
/*
 * A step whose time has to come: what it removes must have been unused for
 * weeks, say. It is asked, and tells how long it will be at least.
 *
 * An optional step that cannot begin yet is skipped: the run is complete
 * without it, and `resume --run-step` makes up for it when it is time. Any
 * other is waited for as a window is (engine-window.c): in batch the run rests
 * with exit 8.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "control.h"
#include "engine-internal.h"

#define LISTEN_MS 1000
/* how often it is asked again while somebody waits; UPSHIFT_TEST_ASK_S stands
   for it in tests */
#define ASK_S 60.0

static double ask_s(void)
{
	const char *v = getenv("UPSHIFT_TEST_ASK_S");

	return v ? strtod(v, NULL) : ASK_S;
}

static int ask(struct engine *e, const struct step *s, double *in_s,
	       struct strbuf *why)
{
	struct error now = ERROR_INIT;
	struct step_ctx c;
	int ret;

	*in_s = 0;
	if (!s->timed)
		return 0;
	step_ctx_init(&c, e, s, PHASE_STEPS);
	ret = s->ops->due(s, &c, in_s, why, &now);
	step_ctx_release(&c);
	/* what does not answer now fails in its turn, with all that belongs to
	   a failure */
	error_release(&now);
	if (ret < 0)
		*in_s = 0;
	return ret == -ECANCELED ? ret : 0;
}

static void time_text(double in_s, char text[CLOCK_TEXT_SIZE])
{
	struct timespec ts;

	clock_now(&ts);
	ts.tv_sec += (time_t)in_s + 1;
	clock_format(&ts, text);
	strcpy(text + strlen("YYYY-MM-DDTHH:MM:SS"), "Z");
}

int engine_due(struct engine *e, const struct step *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	char text[CLOCK_TEXT_SIZE];
	double in_s;
	int ret = ask(e, s, &in_s, &why);

	if (ret < 0)
		return error_set(err, ERR_CANCELLED, -ECANCELED,
				 _("stopped by the user"));
	if (in_s <= 0)
		return 0;
	time_text(in_s, text);
	(void)error_set(err, ERR_WINDOW, -EAGAIN,
			_("step '%s' may not begin before %s: %s"), s->id,
			text, why.buf);
	error_hint(err, s->optional ? "upshift resume --run-step %s" :
		   "upshift resume", s->id);
	return -EAGAIN;
}

int engine_wait_due(struct engine *e, const struct step *s, struct error *err)
{
	int i = plan_step_index(e->plan, s->id), ret;
	struct engine_meter meter;
	uint64_t begun = clock_mono_ns();

	ret = engine_due(e, s, err);
	if (ret != -EAGAIN || e->opts.batch)
		return ret;
	engine_log(e, s->id, "note", err->msg, strlen(err->msg));
	engine_emit_step(e, i, EVENT_STARTED, 0, err->msg);
	engine_meter_begin(&meter);
	while (ret == -EAGAIN) {
		const struct step_pace pace = { .wait = err->msg };
		uint64_t asked = clock_mono_ns();

		/* it may say something else than the time before */
		meter.pace = &pace;
		while (clock_since(asked) < ask_s() && !engine_cancelled(e)) {
			engine_progress(e, &meter, PHASE_STEPS, s->id, i + 1,
				(uint64_t)clock_since(begun), 0, "s");
			engine_listen(e, LISTEN_MS);
		}
		error_release(err);
		ret = engine_cancelled(e) ?
			error_set(err, ERR_CANCELLED, -ECANCELED,
				  _("stopped by the user")) :
			engine_due(e, s, err);
	}
	return ret;
}
