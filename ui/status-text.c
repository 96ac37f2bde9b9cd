/* SPDX-License-Identifier: MIT */
#include "status-text.h"

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "run-errors.h"
#include "run.h"
#include "text.h"

static void add_steps(const struct run *r, const char *label, bool (*want)(
		      const struct run_step *), struct strbuf *out)
{
	bool first = true;

	for (size_t i = 0; i < r->step_n; i++) {
		if (!want(&r->steps[i]))
			continue;
		strbuf_addf(out, "%s%zu %s", first ? label : ", ", i + 1,
			    r->steps[i].id);
		if (r->steps[i].error_code && r->steps[i].state !=
		    STEP_VERIFIED)
			strbuf_addf(out, " (%s)", r->steps[i].error_code);
		first = false;
	}
	if (!first)
		strbuf_addch(out, '\n');
}

static bool is_done(const struct run_step *s)
{
	return s->state == STEP_VERIFIED || s->state == STEP_APPLIED;
}

static bool is_skipped(const struct run_step *s)
{
	return s->state == STEP_SKIPPED;
}

static bool is_failed(const struct run_step *s)
{
	return s->state == STEP_FAILED || s->state == STEP_UNDO_FAILED ||
		(s->state == STEP_UNDONE && s->error_code);
}

static bool is_under_way(const struct run_step *s)
{
	return s->state == STEP_APPLYING || s->state == STEP_UNDOING;
}

static bool is_ahead(const struct run_step *s)
{
	return s->state == STEP_PENDING ||
		(s->state == STEP_UNDONE && !s->error_code);
}

static void add_backup(const struct run *r, struct strbuf *out)
{
	if (!r->backup.done) {
		strbuf_addstr(out, _("backup none yet"));
		return;
	}
	if (r->backup.pruned) {
		strbuf_addstr(out, _("backup removed, it was kept long "
				     "enough"));
		return;
	}
	strbuf_addstr(out, _("backup verified "));
	text_clock(r->backup.finished, out);
	if (r->backup.secrets)
		strbuf_addstr(out, _("; it holds secrets"));
	if (run_has_snapshot(r))
		strbuf_addf(out, _(" | snapshot %s"), r->snapshot.id);
}

/* now: a line on what goes on, or "" */
void status_text(const struct run *r, bool live, const char *now,
		 struct strbuf *out)
{
	_cleanup_strvec_ struct strvec next = STRVEC_INIT;
	_cleanup_free_ char *data = run_data_text(r, live);
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;

	strbuf_addf(out, _("Run %s  %s %s -> %s  started %s by %s\n"), r->id,
		    json_get_str(r->begun, "title",
				 json_get_str(r->begun, "plan", "")),
		    json_get_str(r->begun, "from", ""),
		    json_get_str(r->begun, "to", ""),
		    json_get_str(r->begun, "started", ""),
		    json_get_str(r->begun, "user", "?"));
	strbuf_addf(out, _("State: %s.%s\n"), text_run_state(r, live),
		    live ? "" : _(" Nothing is running."));
	add_steps(r, _("Done: "), is_done, out);
	add_steps(r, _("Skipped: "), is_skipped, out);
	add_steps(r, _("Under way: "), is_under_way, out);
	add_steps(r, _("Failed: "), is_failed, out);
	add_steps(r, _("Next: "), is_ahead, out);
	if (r->error_code)
		strbuf_addf(out, _("Stopped by %s: %s\n"), r->error_code,
			    r->error_msg ? r->error_msg : "");
	if (run_errors_text(r, &errors))
		strbuf_addf(out, "%s: %s\n", _("Errors"), errors.buf);
	strbuf_addstr(out, now);
	strbuf_addf(out, _("Data %s | app %s | "), data,
		    text_app_state(r));
	add_backup(r, out);
	strbuf_addch(out, '\n');
	run_next(r, live, &next);
	for (size_t i = 0; i < next.n; i++)
		strbuf_addf(out, _("  (use \"%s\")\n"), next.v[i]);
}

/* the screen that `upshift` would show now */
static const char *screen_code(const struct run *r, bool live)
{
	if (live)
		return "P50";
	switch (r->state) {
	case RUN_COMPLETE:
	case RUN_ROLLED_BACK:
		return "D90";
	case RUN_NONE:
	case RUN_CLOSED:
		return "W10";
	default:
		return "R70";
	}
}

void status_short(const struct run *r, bool live, struct strbuf *out)
{
	size_t done = 0;

	for (size_t i = 0; i < r->step_n; i++)
		done += is_done(&r->steps[i]);
	strbuf_addf(out, _("%s %s %s, %zu of %zu steps done"), r->id,
		    screen_code(r, live), text_run_state(r, live), done,
		    r->step_n);
	if (r->failed_step)
		strbuf_addf(out, _(", step %d failed"),
			    run_step_number(r, r->failed_step));
	if (r->error_code)
		strbuf_addf(out, " %s", r->error_code);
	strbuf_addch(out, '\n');
}
