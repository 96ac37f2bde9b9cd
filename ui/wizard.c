/* SPDX-License-Identifier: MIT */
/* Listening to the engine, and which page follows. */
#include "wizard.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

/* a phase that took this long is worth a bell when it ends */
#define LONG_PHASE_S 20
/* how often a page with a running clock is drawn: 4 a second, 1 over SSH */
#define TICK_MS 1000
/* an engine whose lines have ended is waited for */
#define REAP_MS 50
/* how often one who watches looks whether somebody works */
#define WATCH_S 0.9

void wizard_look(struct wizard *w)
{
	struct error err = ERROR_INIT;

	run_free(w->run);
	w->run = NULL;
	state_dir_release(&w->sd);
	w->sd = (struct state_dir)STATE_DIR_INIT;
	w->live = false;
	w->looked_ns = clock_mono_ns();
	if (!w->s.sd.root || state_dir_open(&w->sd, w->s.sd.root,
					    w->o.state_dir, true, &err) < 0)
		goto out;
	if (w->sd.fd < 0)
		goto out;
	w->live = state_dir_is_locked(&w->sd, &w->holder);
	if (run_open(&w->run, &w->sd, w->o.run_id, false, &err) < 0)
		w->run = NULL;
	/* the one before ours, while ours is not made yet */
	if (w->run && *w->id && strcmp(w->run->id, w->id) != 0) {
		run_free(w->run);
		w->run = NULL;
	}
out:
	error_release(&err);
}

unsigned int wizard_go(struct wizard *w, enum page p)
{
	if (w->page == p)
		return WIZARD_REDRAW;
	w->page = p;
	free(w->row);
	w->row = NULL;
	free(w->notice);
	w->notice = NULL;
	return WIZARD_REDRAW | WIZARD_PAGE;
}

unsigned int wizard_say(struct wizard *w, unsigned int ret, const char *fmt,
			...)
{
	char *old = w->notice;
	va_list ap;

	va_start(ap, fmt);
	w->notice = xvasprintf(fmt, ap);
	va_end(ap);
	free(old);
	return ret | WIZARD_REDRAW;
}

struct strvec *wizard_text_begin(struct wizard *w, const char *title)
{
	strvec_clear(&w->text);
	w->text_title = title;
	return &w->text;
}

/* --- processes --- */

unsigned int wizard_start(struct wizard *w, enum client_verb verb)
{
	struct client **to = verb >= CLIENT_VERIFY ? &w->look : &w->c;
	struct client_spec spec = {
		.verb = verb, .o = &w->o, .kinds = w->kinds,
		.root = w->s.sd.root, .point = w->point, .seq = w->m.seq,
		.answers = w->s.answers,
	};
	struct error err = ERROR_INIT;
	unsigned int ret = WIZARD_REDRAW;

	if (w->read_only && verb < CLIENT_VERIFY)
		return wizard_say(w, WIZARD_REFUSED, "%s",
			_("you are watching; you cannot act from here"));
	client_free(*to);
	*to = NULL;
	if (verb == CLIENT_RUN) {
		spec.run_id = w->id;
		spec.plan_digest = w->s.plan->digest;
	}
	if (verb < CLIENT_VERIFY) {
		/* what was told before is of another process */
		model_new_process(&w->m);
		/* and what a look told was numbered like what is said next */
		w->m.seq = verb == CLIENT_RUN ? 0 : w->engine_seq;
		w->intent = INTENT_NONE;
		w->stopping = false;
		w->exit = -1;
		w->died = 0;
		/* a new run counts its events from the start */
		w->answered = w->asked = 0;
	}
	if (client_spawn(to, &spec, &err) < 0) {
		ret = wizard_say(w, WIZARD_REFUSED, "%s", err.msg);
		error_release(&err);
	}
	return ret;
}

static void take_other(void *ctx, struct json_object *o)
{
	struct wizard *w = ctx;
	struct json_object **to = !strcmp(json_get_str(o, "type", ""),
					  "preview") ? &w->preview : &w->need;

	json_object_put(*to);
	*to = json_object_get(o);
}

/* --- which page --- */

bool wizard_ask_is(const struct wizard *w, const char *prefix)
{
	return w->m.ask.id && str_starts(w->m.ask.id, prefix);
}

bool wizard_is_asked(const struct wizard *w)
{
	return w->m.ask.id && w->answered != w->m.ask.seq;
}

unsigned int wizard_answer(struct wizard *w, const char *value)
{
	/* it goes on already; a second answer might meet the next question */
	if (!wizard_is_asked(w))
		return WIZARD_MOVED | WIZARD_REDRAW;
	/* somebody else may have gone on since the page was drawn */
	wizard_look(w);
	if (!w->c || !w->live || !client_answer(w->c, w->m.ask.id, value))
		return WIZARD_MOVED | WIZARD_REDRAW;
	w->answered = w->m.ask.seq;
	return WIZARD_REDRAW;
}

bool wizard_command(struct wizard *w, const char *name)
{
	w->answered = w->m.ask.seq;
	return client_command(w->c, name);
}

static enum page page_of_engine(struct wizard *w)
{
	if (wizard_ask_is(w, "checks"))
		return w->page == PAGE_C25 ? PAGE_C25 : PAGE_C20;
	if (wizard_ask_is(w, "confirm:"))
		return w->page == PAGE_S45 && w->typed_for &&
			!strcmp(w->typed_for, w->m.ask.id) ? PAGE_S45 :
			PAGE_S40;
	if (wizard_ask_is(w, "sign:"))
		return PAGE_S42;
	if (w->m.ask.id)
		return PAGE_F60;
	switch (w->m.phase) {
	case PHASE_CHECK:
		return PAGE_C20;
	case PHASE_BACKUP:
		return PAGE_B30;
	case PHASE_STEPS:
	case PHASE_VERIFY:
	case PHASE_ROLLBACK:
		return PAGE_P50;
	case PHASE_NONE:
	case PHASE_COUNT:
		break;
	}
	return client_verb(w->c) == CLIENT_RUN ? PAGE_C20 : PAGE_P50;
}

static unsigned int bell_for(struct wizard *w)
{
	unsigned int ret = 0;

	if (w->m.phase != w->phase_seen) {
		if (w->phase_since &&
		    clock_since(w->phase_since) > LONG_PHASE_S)
			ret = WIZARD_BELL;
		w->phase_seen = w->m.phase;
		w->phase_since = clock_mono_ns();
	}
	/* another question is another page, though it looks the same: what was
	   typed ahead was not meant for it */
	if (w->m.ask.id && w->asked != w->m.ask.seq) {
		w->asked = w->m.ask.seq;
		free(w->notice);
		w->notice = NULL;
		ret |= WIZARD_BELL | (w->page == PAGE_C20 ? WIZARD_ASKED :
				      WIZARD_PAGE);
	}
	return ret;
}

/* The first lines of what it said on its way out. */
static unsigned int say_report(struct wizard *w, const char *report)
{
	_cleanup_free_ char *shown = xstrdup(report);

	shown[strcspn(shown, "\n")] = '\0';
	return wizard_say(w, WIZARD_REFUSED, "%s", str_starts(shown,
			  "upshift: ") ? shown + 9 : shown);
}

static unsigned int new_run(struct wizard *w)
{
	if (w->backup_dir)
		w->o.backup_dir = w->backup_dir;
	if (run_new_id(&w->s.sd, w->id) < 0)
		return wizard_say(w, WIZARD_REFUSED, "%s",
				  _("no new run can be made here"));
	model_release(&w->m);
	return wizard_go(w, PAGE_C20) | wizard_start(w, CLIENT_RUN);
}

/* the checks begin again from there, in a run of their own */
unsigned int wizard_to_plan(struct wizard *w)
{
	model_release(&w->m);
	if (run_new_id(&w->s.sd, w->id) < 0)
		return wizard_say(w, WIZARD_REFUSED, "%s",
				  _("no new run can be made here"));
	run_free(w->run);
	w->run = NULL;
	return wizard_go(w, PAGE_W10);
}

enum page wizard_rest_page(const struct wizard *w)
{
	if (!w->run)
		return PAGE_W10;
	switch (w->run->state) {
	case RUN_COMPLETE:
		return PAGE_D90;
	case RUN_ROLLED_BACK:
		return PAGE_D90;
	case RUN_CLOSED:
		return PAGE_C20;
	case RUN_FAILED:
		return w->m.error.given && !w->died ? PAGE_F60 : PAGE_R70;
	case RUN_ROLLBACK_FAILED:
		return PAGE_F60;
	case RUN_NONE:
	case RUN_BEGUN:
	case RUN_BACKED_UP:
	case RUN_PAUSED:
	case RUN_ROLLING_BACK:
	case RUN_STATE_COUNT:
		break;
	}
	return PAGE_R70;
}

static unsigned int engine_ended(struct wizard *w)
{
	_cleanup_free_ char *report = xstrdup(client_report(w->c));
	bool before = !w->m.summary;
	unsigned int ret = WIZARD_BELL | WIZARD_REDRAW;

	w->exit = client_exit(w->c);
	w->died = client_signal(w->c);
	if (w->exit < 0 && w->m.summary)
		w->exit = (int)json_get_int(w->m.summary, "exit", -1);
	if (!w->died && w->exit < 0)
		w->died = -1;
	client_free(w->c);
	w->c = NULL;
	w->stopping = false;
	free(w->environ);
	w->environ = NULL;
	wizard_look(w);
	switch (w->intent) {
	case INTENT_QUIT:
		return WIZARD_QUIT;
	case INTENT_ROLLBACK:
		return ret | wizard_go(w, PAGE_K80);
	case INTENT_AGAIN:
		return ret | new_run(w);
	case INTENT_PLAN:
		return ret | wizard_to_plan(w);
	case INTENT_RESUME:
		return ret | wizard_resume(w);
	case INTENT_NONE:
		break;
	}
	/* the folder was refused: there is another try */
	ret |= wizard_go(w, before && !w->run && w->backup_dir ? PAGE_C25 :
			 wizard_rest_page(w));
	if (before && *report)
		ret |= say_report(w, report);
	return ret;
}

static unsigned int look_ended(struct wizard *w)
{
	enum client_verb verb = client_verb(w->look);
	_cleanup_free_ char *report = xstrdup(client_report(w->look));
	unsigned int ret = WIZARD_REDRAW;

	if (verb == CLIENT_VERIFY) {
		w->verified = client_exit(w->look);
		ret |= WIZARD_BELL | wizard_go(w, w->back);
		if (w->verified == 0 || w->verified == 3)
			ret |= wizard_say(w, 0, "%s", _("Verified: data and "
				"backup are as this run left them."));
		else
			ret |= wizard_say(w, WIZARD_REFUSED, "%s",
				w->m.error.message ? w->m.error.message :
				_("the verification was not finished"));
	}
	/* none came; see look_io() */
	if (verb == CLIENT_PREVIEW && !w->preview)
		ret |= WIZARD_ASKED;
	client_free(w->look);
	w->look = NULL;
	if (*report)
		ret |= say_report(w, report);
	return ret;
}

/* Somebody else has the wheel: watch. */
static unsigned int only_watch(struct wizard *w)
{
	struct error err = ERROR_INIT;

	free(w->wheel);
	w->wheel = xstrdup(client_refused(w->c));
	client_free(w->c);
	w->c = NULL;
	w->read_only = true;
	if (client_attach(&w->c, &w->sd, true, &err) < 0) {
		error_release(&err);
		wizard_look(w);
		return wizard_go(w, wizard_rest_page(w));
	}
	return WIZARD_REDRAW;
}

/* One who watches waits for the next engine. */
static unsigned int keep_watch(struct wizard *w)
{
	enum run_state was = w->run ? w->run->state : RUN_NONE;
	unsigned int ret = 0;

	if (clock_since(w->looked_ns) < WATCH_S)
		return 0;
	wizard_look(w);
	if (w->live && client_attach(&w->c, &w->sd, true, NULL) >= 0) {
		model_new_process(&w->m);
		return wizard_go(w, PAGE_P50);
	}
	if (w->run && w->run->state != was)
		ret = wizard_go(w, wizard_rest_page(w));
	return ret;
}

/* --- the front end's calls --- */

size_t wizard_poll_fds(struct wizard *w, struct pollfd *p)
{
	size_t n = 0;

	if (w->c)
		n += client_poll_fds(w->c, p);
	if (w->look)
		n += client_poll_fds(w->look, p + n);
	return n;
}

static bool clock_runs(const struct wizard *w)
{
	return (w->c && !w->m.ask.id) || w->look;
}

/* a second is over that the page shows; nothing else need have happened */
static bool clock_ticks(struct wizard *w)
{
	uint64_t now = clock_mono_ns();

	if (!clock_runs(w) || now - w->ticked_ns < TICK_MS * 1000000ull)
		return false;
	w->ticked_ns = now;
	/* no event says that a step begins to be undone */
	if (w->c && w->m.phase == PHASE_ROLLBACK)
		wizard_look(w);
	return true;
}

static unsigned int look_io(struct wizard *w)
{
	bool counted = w->preview;

	if (!client_io(w->look, &w->m, take_other, w))
		return WIZARD_NOTHING;
	/* words that were typed meanwhile are for nothing that comes up now */
	return WIZARD_REDRAW | (!counted && w->preview ? WIZARD_ASKED : 0);
}

unsigned int wizard_io(struct wizard *w)
{
	unsigned int ret = 0;

	if (w->c && client_io(w->c, &w->m, take_other, w)) {
		ret |= WIZARD_REDRAW;
		w->engine_seq = w->m.seq;
	}
	if (w->look)
		ret |= look_io(w);
	if (w->read_only && !w->c)
		return ret | keep_watch(w);
	if (w->c && client_refused(w->c) && !w->read_only)
		return ret | only_watch(w);
	if (w->m.line_total != w->lines) {
		w->lines = w->m.line_total;
		w->line_seen = clock_mono_ns();
	}
	if (w->m.changes != w->seen) {
		w->seen = w->m.changes;
		if (w->m.run && w->c)
			(void)snprintf(w->id, sizeof(w->id), "%s", w->m.run);
		wizard_look(w);
		ret |= bell_for(w);
	}
	if (w->look && client_is_over(w->look))
		ret |= look_ended(w);
	if (w->c && client_is_over(w->c))
		return ret | engine_ended(w);
	if (w->c && (ret & WIZARD_REDRAW))
		ret |= wizard_go(w, page_of_engine(w));
	return ret | (clock_ticks(w) ? WIZARD_REDRAW : 0);
}

int wizard_timeout(const struct wizard *w)
{
	struct pollfd p[CLIENT_FDS];

	if (w->c && !client_poll_fds(w->c, p))
		return REAP_MS;
	if (w->look && !client_poll_fds(w->look, p))
		return REAP_MS;
	/* one who watches looks whether somebody begins */
	return clock_runs(w) || (w->read_only && !w->c) ? TICK_MS : -1;
}

enum page wizard_page(const struct wizard *w)
{
	return w->page;
}

const struct model *wizard_model(const struct wizard *w)
{
	return &w->m;
}

const char *wizard_notice(const struct wizard *w)
{
	return w->notice;
}

const struct strvec *wizard_text(const struct wizard *w,
				 const char **ret_title)
{
	*ret_title = w->text_title;
	return &w->text;
}

const struct options *wizard_options(const struct wizard *w)
{
	return &w->o;
}

unsigned int wizard_select(struct wizard *w, const char *row)
{
	if (row && w->row && !strcmp(row, w->row))
		return WIZARD_NOTHING;
	free(w->row);
	w->row = xstrdup_null(row);
	return WIZARD_REDRAW;
}

enum wizard_stop wizard_stop_kind(const struct wizard *w)
{
	bool changed = w->run && run_changed_data(w->run);

	if (w->look && !w->c)
		return STOP_FREE;
	if (!w->c || w->read_only)
		return STOP_FREE;
	if (w->m.ask.id)
		return changed ? STOP_BETWEEN : STOP_FREE;
	if (w->m.phase == PHASE_CHECK || w->m.phase == PHASE_NONE)
		return STOP_FREE;
	return STOP_WORKING;
}

char *wizard_abort_text(const struct wizard *w)
{
	int i = w->m.step_at;

	if (w->m.phase == PHASE_BACKUP)
		return xstrdup(_("The unfinished backup is removed. Nothing "
				 "was changed."));
	if (w->m.phase == PHASE_ROLLBACK)
		return xstrdup(_("The rollback stays half done; \"upshift "
				 "resume\" finishes it."));
	if (w->m.phase == PHASE_STEPS && i >= 0 && w->m.steps[i].running)
		return xasprintf(w->m.steps[i].undoable ?
			_("Step %d is cut off where it is and put back the "
			  "next time.") :
			_("Step %d is cut off where it is; it cannot be put "
			  "back by upshift."), i + 1);
	return xstrdup(_("What is running is cut off; \"upshift resume\" goes "
			 "on from there."));
}

int wizard_exit(const struct wizard *w)
{
	if (w->exit >= 0)
		return w->exit;
	if (!w->run)
		return 6;
	if (!run_is_open(w->run))
		return w->run->exit >= 0 ? w->run->exit : 0;
	return run_changed_data(w->run) ? 2 : 6;
}

const char *page_code(enum page p)
{
	static const char *const codes[PAGE_COUNT] = {
		"W05", "W10", "A15", "C20", "C25", "B30", "S40", "S42", "S45", "P50",
		"F60", "R70", "K80", "K81", "K82", "D90",
	};

	return p < PAGE_COUNT ? codes[p] : "";
}
