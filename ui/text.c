/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "event.h"
#include "run.h"
#include "text-width.h"

#define LABEL_COLS 10

static bool stdout_failed;

bool out_line(const char *s)
{
	struct strbuf sb = STRBUF_INIT;

	if (stdout_failed)
		return false;
	strbuf_addstr(&sb, s);
	strbuf_addch(&sb, '\n');
	if (fs_write_all(STDOUT_FILENO, sb.buf, sb.len) < 0)
		stdout_failed = true;
	strbuf_release(&sb);
	return !stdout_failed;
}

bool out_failed(void)
{
	return stdout_failed;
}

void text_count(uint64_t n, struct strbuf *out)
{
	strbuf_add_count(out, n);
}

void text_bytes(uint64_t n, struct strbuf *out)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB" };
	double v = (double)n;
	size_t i = 0;

	while (v >= 1000 && i + 1 < ARRAY_SIZE(units)) {
		v /= 1000;
		i++;
	}
	strbuf_addf(out, i ? "%.1f %s" : "%.0f %s", v, units[i]);
}

static void clock_of(const struct timespec *ts, struct strbuf *out)
{
	struct tm tm;
	char buf[16] = "--:--:--";

	if (localtime_r(&ts->tv_sec, &tm))
		(void)strftime(buf, sizeof(buf), "%H:%M:%S", &tm);
	strbuf_addstr(out, buf);
}

void text_clock(const char *time, struct strbuf *out)
{
	struct timespec ts;

	if (time && clock_parse(time, &ts) == 0)
		clock_of(&ts, out);
}

/* --- events --- */

static const char *state_text(enum event_state s)
{
	switch (s) {
	case EVENT_OK:
		return _("ok");
	case EVENT_WARN:
		return _("warning");
	case EVENT_FAIL:
		return _("FAILED");
	case EVENT_STARTED:
		return _("started");
	case EVENT_DONE:
		return _("done");
	case EVENT_APPLIED:
		return _("applied");
	case EVENT_VERIFIED:
		return _("verified");
	case EVENT_FAILED:
		return _("FAILED");
	case EVENT_SKIPPED:
		return _("skipped");
	case EVENT_UNDONE:
		return _("undone");
	case EVENT_STOPPED:
		return _("stopped");
	case EVENT_RUNNING:
		return _("running");
	case EVENT_NONE:
	case EVENT_STATE_COUNT:
		break;
	}
	return "";
}

static const char *backup_state_text(enum event_state s)
{
	switch (s) {
	case EVENT_STARTED:
		return pgettext("backup", "started");
	case EVENT_RUNNING:
		return pgettext("backup", "running");
	case EVENT_DONE:
		return pgettext("backup", "done");
	default:
		return state_text(s);
	}
}

static const char *app_state_text(enum event_state s)
{
	switch (s) {
	case EVENT_STARTED:
		return pgettext("application", "started");
	case EVENT_STOPPED:
		return pgettext("application", "stopped");
	case EVENT_RUNNING:
		return pgettext("application", "running");
	default:
		return state_text(s);
	}
}

static void add_text(struct strbuf *out, const char *s)
{
	if (s)
		strbuf_add_escaped(out, s, strlen(s));
}

static void step_line(const struct event *ev, struct strbuf *out)
{
	strbuf_addf(out, _("step %d/%d %s"), ev->n, ev->of, ev->id);
	if (ev->state)
		strbuf_addf(out, ": %s", state_text(ev->state));
	if (ev->message) {
		strbuf_addstr(out, ev->state == EVENT_STARTED ? ", " : ": ");
		add_text(out, ev->message);
	}
	if (ev->elapsed_s >= 1) {
		strbuf_addstr(out, ", ");
		clock_duration(ev->elapsed_s, out);
	}
}

const char *text_bound(const char *bound)
{
	static const struct { const char *bound, *text; } table[] = {
		{ "read", N_("reading from the source") },
		{ "write", N_("writing to the destination") },
		{ "lock", N_("others and their locks") },
		{ "throttle", N_("the throttle of the plan") },
	};

	for (size_t i = 0; bound && i < ARRAY_SIZE(table); i++)
		if (!strcmp(bound, table[i].bound))
			return _(table[i].text);
	return NULL;
}

void text_pace(uint64_t batch, const char *unit, const char *bound,
	       const char *wait, struct strbuf *out)
{
	const char *text = text_bound(bound);

	if (batch) {
		_cleanup_strbuf_ struct strbuf n = STRBUF_INIT;

		text_count(batch, &n);
		strbuf_addstr(out, ", ");
		strbuf_addf(out, _("%s %s at a time"), n.buf, unit ? unit : "");
	}
	if (wait || text)
		strbuf_addstr(out, ", ");
	if (wait)
		strbuf_addf(out, _("waiting: %s"), wait);
	else if (text)
		strbuf_addf(out, _("waits mostly for %s"), text);
}

void text_figures(const struct event_figure *f, size_t n, struct strbuf *out)
{
	for (size_t i = 0; i < n; i++) {
		const char *value = f[i].value ? f[i].value : _("no number");

		strbuf_addstr(out, ", ");
		if (f[i].holds)
			/* TRANSLATORS: a figure that is watched: its name,
			   how it is, and the limit, like "< 500" */
			strbuf_addf(out, _("%s %s (limit %s)"), f[i].name,
				    value, f[i].limit);
		else
			strbuf_addf(out, _("%s %s (NOT %s)"), f[i].name,
				    value, f[i].limit);
	}
}

static void progress_line(const struct event *ev, struct strbuf *out)
{
	strbuf_addf(out, "%s: ", ev->id ? ev->id : event_phase_name(ev->phase));
	/* nothing is counted yet */
	if (!ev->done && !ev->total && (ev->wait || !ev->unit)) {
		if (ev->wait)
			strbuf_addf(out, _("waiting: %s"), ev->wait);
		else
			strbuf_addstr(out, _("going on"));
		return;
	}
	if (ev->total) {
		uint64_t pct = ev->done >= ev->total ? 100 :
			ev->done * 100 / ev->total;

		strbuf_addf(out, "%llu %%", (unsigned long long)pct);
	} else {
		text_count(ev->done, out);
		strbuf_addf(out, " %s", ev->unit ? ev->unit : "");
	}
	if (ev->records) {
		_cleanup_strbuf_ struct strbuf n = STRBUF_INIT;

		text_count(ev->records, &n);
		strbuf_addstr(out, ", ");
		strbuf_addf(out, _("%s records"), n.buf);
	}
	/* time goes at its own rate */
	if (ev->rate > 0 && !(ev->unit && !strcmp(ev->unit, "s"))) {
		strbuf_addstr(out, ", ");
		if (ev->unit && !strcmp(ev->unit, "bytes"))
			text_bytes((uint64_t)ev->rate, out);
		else
			strbuf_addf(out, "%.0f %s", ev->rate,
				    ev->unit ? ev->unit : "");
		strbuf_addstr(out, "/s");
	}
	if (ev->eta_s >= 0) {
		strbuf_addstr(out, _(", about "));
		clock_duration(ev->eta_s, out);
		strbuf_addstr(out, _(" left"));
	}
	text_pace(ev->batch, ev->unit, ev->bound, ev->wait, out);
	text_figures(ev->figures, ev->figure_n, out);
}

static void backup_line(const struct event *ev, struct strbuf *out)
{
	strbuf_addf(out, _("backup: %s"), backup_state_text(ev->state));
	if (ev->state != EVENT_DONE)
		return;
	strbuf_addstr(out, ", ");
	text_count(ev->items, out);
	strbuf_addstr(out, _(" items, "));
	text_bytes(ev->bytes, out);
	strbuf_addstr(out, _(" stored in "));
	text_bytes(ev->stored_bytes, out);
	strbuf_addstr(out, _(", read back and compared"));
	if (ev->secrets)
		strbuf_addstr(out, _("; it holds secrets"));
}

/* what makes no run has words of its own */
static bool looked_only(const char *verb, int exit, struct strbuf *out)
{
	const char *text = NULL;

	if (!strcmp(verb, "check"))
		text = exit == 0 ? _("all checks passed") :
			exit == 3 ? _("the checks passed, with warnings") :
			exit == 1 ? _("a check failed; nothing was changed") :
			NULL;
	else if (!strcmp(verb, "dry-run"))
		text = exit == 0 ? _("dry run: there is nothing to do") :
			exit == 9 ? _("dry run: changes are pending, nothing "
				      "was changed") : NULL;
	else if (!strcmp(verb, "verify"))
		text = exit == 0 ? pgettext("data", "verified") : NULL;
	if (text)
		strbuf_addstr(out, text);
	return text != NULL;
}

static void rollback_counts(const struct event *ev, struct strbuf *out)
{
	const struct { const char *label; uint64_t n; bool hide; } c[] = {
		{ _("RESTORED"), ev->restored, false },
		{ _("CARRIED"), ev->carried, !ev->carried },
		{ _("LOST"), ev->lost, false }, { _("KEPT"), ev->kept, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		if (c[i].hide)
			continue;
		strbuf_addf(out, "%s %s ", i ? "," : ":", c[i].label);
		text_count(c[i].n, out);
	}
}

static void summary_line(const struct event *ev, struct strbuf *out)
{
	const char *run = json_get_str(ev->extra, "run", NULL);
	const char *verb = json_get_str(ev->extra, "verb", "");
	int exit = (int)json_get_int(ev->extra, "exit", 0);

	if (looked_only(verb, exit, out))
		return;
	switch (exit) {
	case 0:
		strbuf_addstr(out, strcmp(json_get_str(ev->extra, "state", ""),
					  "rolled-back") ?
			      _("done and verified") : _("rolled back"));
		break;
	case 1:
		strbuf_addstr(out, _("failed; nothing was changed"));
		break;
	case 2:
		strbuf_addstr(out, _("stopped or failed; it can be resumed or "
				     "rolled back"));
		break;
	case 3:
		strbuf_addstr(out, _("done, with warnings or skipped steps"));
		break;
	case 4:
		strbuf_addstr(out, _("failed and rolled back"));
		break;
	case 5:
		strbuf_addstr(out, _("the rollback failed; call support"));
		break;
	case 6:
		strbuf_addstr(out, _("stopped at a safe point"));
		break;
	case 7:
		strbuf_addstr(out, _("a verification failed"));
		break;
	case 8:
		strbuf_addstr(out, _("an answer or confirmation is needed"));
		break;
	default:
		strbuf_addf(out, _("ended with status %d"), exit);
	}
	if (run)
		strbuf_addf(out, _(" (run %s)"), run);
}

static void check_line(const struct event *ev, struct strbuf *out)
{
	strbuf_addf(out, ev->type == EVENT_VERIFY ? _("verify %s: %s") :
		    _("check %s: %s"), ev->id, state_text(ev->state));
	if (ev->message && *ev->message) {
		strbuf_addstr(out, ", ");
		add_text(out, ev->message);
	}
	if (ev->hint)
		strbuf_addf(out, " (%s)", ev->hint);
}

static bool log_wanted(const struct event *ev, bool verbose)
{
	return verbose || !strcmp(ev->stream, "note") ||
		!strcmp(ev->stream, "preview");
}

static void log_line(const struct event *ev, struct strbuf *out)
{
	if (!strcmp(ev->stream, "preview"))
		strbuf_addstr(out, "    ");
	else if (ev->id)
		strbuf_addf(out, "%s: ", ev->id);
	strbuf_add_escaped(out, ev->text, ev->text_len);
}

static void say_event(const struct event *ev, struct strbuf *out)
{
	switch (ev->type) {
	case EVENT_VERSION:
		strbuf_addf(out, "%s %s -> %s",
			    json_get_str(ev->extra, "title", ""),
			    json_get_str(ev->extra, "from", ""),
			    json_get_str(ev->extra, "to", ""));
		if (json_get_str(ev->extra, "run", NULL))
			strbuf_addf(out, _(", run %s"),
				    json_get_str(ev->extra, "run", ""));
		break;
	case EVENT_CHECK:
	case EVENT_VERIFY:
		check_line(ev, out);
		break;
	case EVENT_BACKUP:
		backup_line(ev, out);
		break;
	case EVENT_STEP:
		step_line(ev, out);
		break;
	case EVENT_PROGRESS:
		progress_line(ev, out);
		break;
	case EVENT_LOG:
		log_line(ev, out);
		break;
	case EVENT_WARNING:
		strbuf_addstr(out, _("warning: "));
		if (ev->id)
			strbuf_addf(out, "%s: ", ev->id);
		add_text(out, ev->error ? ev->error->msg : ev->message);
		break;
	case EVENT_ROLLBACK:
		strbuf_addf(out, ev->state == EVENT_DONE ?
			    _("rolled back to %s") :
			    _("rolling back to %s"), ev->point);
		if (ev->restored || ev->lost || ev->kept || ev->carried)
			rollback_counts(ev, out);
		break;
	case EVENT_APP:
		strbuf_addf(out, _("application: %s"),
			    app_state_text(ev->state));
		break;
	case EVENT_SUMMARY:
		summary_line(ev, out);
		break;
	case EVENT_PLAN:
	case EVENT_ASK:
	case EVENT_ERROR:
	case EVENT_CHECKPOINT:
	case EVENT_PHASE:
	case EVENT_STATUS:
	case EVENT_TYPE_COUNT:
		break;
	}
}

void text_event(const struct event *ev, bool verbose, struct strbuf *out)
{
	size_t at;

	if (ev->type == EVENT_LOG && !log_wanted(ev, verbose))
		return;
	/* a preview is a page of its own, without times */
	if (!(ev->type == EVENT_LOG && !strcmp(ev->stream, "preview"))) {
		clock_of(&ev->time, out);
		strbuf_addch(out, ' ');
	}
	at = out->len;
	say_event(ev, out);
	if (out->len == at)
		strbuf_clear(out);
}

static void add_label(struct strbuf *out, const char *label)
{
	strbuf_addstr(out, "  ");
	width_pad(out, label, LABEL_COLS);
}

static void add_field(struct strbuf *out, const char *label, const char *s)
{
	if (!s || !*s)
		return;
	add_label(out, label);
	add_text(out, s);
	strbuf_addch(out, '\n');
}

void text_plain_error(const struct error *err, struct strbuf *out)
{
	strbuf_addf(out, "upshift: %s %s\n", error_code_name(err->code),
		    err->msg);
	add_field(out, _("next:"), err->hint);
}

void text_error(const struct event *ev, struct strbuf *out)
{
	strbuf_addstr(out, "upshift: ");
	if (ev->id)
		strbuf_addf(out, _("step '%s': "), ev->id);
	strbuf_addf(out, "%s ", error_code_name(ev->error->code));
	add_text(out, ev->error->msg);
	strbuf_addch(out, '\n');
	add_field(out, _("safe:"), ev->safe);
	add_field(out, _("hint:"), ev->hint);
	if (ev->next && ev->next[0]) {
		add_label(out, _("next:"));
		for (size_t i = 0; ev->next[i]; i++)
			strbuf_addf(out, "%s%s", i ? _(", or ") : "",
				    ev->next[i]);
		strbuf_addch(out, '\n');
	}
	add_label(out, _("more:"));
	strbuf_addf(out, "upshift explain %s\n",
		    error_code_name(ev->error->code));
}

void say_error(const struct error *err)
{
	struct strbuf sb = STRBUF_INIT;

	text_plain_error(err, &sb);
	/* if nobody can read it the exit status still tells */
	(void)fs_write_all(STDERR_FILENO, sb.buf, sb.len);
	strbuf_release(&sb);
}

int say_refused(int code, const char *msg, const char *hint)
{
	struct error err = ERROR_INIT;

	(void)error_set(&err, (enum err_code)code, 0, "%s", msg);
	if (hint)
		error_hint(&err, "%s", hint);
	say_error(&err);
	error_release(&err);
	return error_code_exit((enum err_code)code);
}

const char *text_app_state(const struct run *r)
{
	static const struct { const char *word; enum event_state state; } w[] = {
		{ "running", EVENT_RUNNING }, { "stopped", EVENT_STOPPED },
		{ "started", EVENT_STARTED },
	};

	if (!r->app_state)
		return _("not managed");
	for (size_t i = 0; i < ARRAY_SIZE(w); i++)
		if (!strcmp(r->app_state, w[i].word))
			return app_state_text(w[i].state);
	return r->app_state;
}

const char *text_run_state(const struct run *r, bool live)
{
	if (live)
		return pgettext("run", "running");
	switch (r->state) {
	case RUN_COMPLETE:
		return _("complete");
	case RUN_PAUSED:
		return _("paused, resumable");
	case RUN_FAILED:
		return _("FAILED, resumable");
	case RUN_CLOSED:
		return _("failed in the checks, nothing was changed");
	case RUN_ROLLING_BACK:
		return _("a rollback was interrupted, resumable");
	case RUN_ROLLED_BACK:
		return _("rolled back");
	case RUN_ROLLBACK_FAILED:
		return _("the rollback FAILED");
	case RUN_NONE:
	case RUN_BEGUN:
	case RUN_BACKED_UP:
	case RUN_STATE_COUNT:
		break;
	}
	return _("interrupted, resumable");
}
