/* SPDX-License-Identifier: MIT */
/* What went wrong, and a run that was left unfinished. */
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "text.h"
#include "wizard-internal.h"

#define LAST_LINES 3

/* --- F60 --- */

static bool is_unknown(const struct wizard *w)
{
	return wizard_ask_is(w, "unknown:");
}

/* index of the step that failed, -1: none (verification, rollback) */
static int failed_index(const struct wizard *w)
{
	const char *id = w->m.ask.step ? w->m.ask.step : w->m.error.step ?
		w->m.error.step : w->run ? w->run->failed_step : NULL;

	return id && w->s.plan ? plan_step_index(w->s.plan, id) : -1;
}

static void fail_head(struct wizard *w, struct sheet *s, int i)
{
	const char *code = w->m.error.code ? w->m.error.code : w->run ?
		w->run->error_code : NULL;
	struct sheet_item *it;

	if (is_unknown(w))
		it = sheet_text(s, ROLE_BAD, _("Step %d \"%s\" was cut off; "
				"nobody can tell from here whether it is "
				"applied."), i + 1, w->m.ask.step);
	else if (w->run && w->run->state == RUN_ROLLBACK_FAILED)
		it = sheet_text(s, ROLE_BAD, "%s", _("The rollback FAILED"));
	else if (i >= 0)
		it = sheet_text(s, ROLE_BAD, _("Step %d \"%s\" FAILED"),
				i + 1, w->s.plan->steps[i]->id);
	else
		it = sheet_text(s, ROLE_BAD, "%s", wizard_ask_is(w,
				"failed:verify") ?
				_("The verification FAILED") :
				_("The run FAILED"));
	if (code && *code)
		it->note = xasprintf(_("code %s"), code);
}

static void last_output(struct wizard *w, struct sheet *s)
{
	size_t from = w->m.line_n, to = from, n = 0;
	const struct model_line *end = to ? model_line(&w->m, to - 1) : NULL;

	/* what happened says it already */
	if (end && end->stream == 'e' && w->m.error.message &&
	    !strcmp(end->text, w->m.error.message))
		from = --to;
	/* of the commands, not of ours */
	while (from > 0 && n < LAST_LINES) {
		const struct model_line *l = model_line(&w->m, from - 1);

		if (l->stream == 'p')
			break;
		from--;
		n++;
	}
	for (size_t i = from; i < to; i++) {
		const struct model_line *l = model_line(&w->m, i);
		_cleanup_strbuf_ struct strbuf clock = STRBUF_INIT;

		text_clock(l->time, &clock);
		sheet_fact(s, i == from ? _("Last output") : "", "%s %s",
			   clock.buf, l->text);
	}
}

static void fail_facts(struct wizard *w, struct sheet *s)
{
	const struct model_error *e = &w->m.error;
	const char *msg = e->message ? e->message : w->run ?
		w->run->error_msg : NULL;

	if (msg)
		sheet_fact(s, _("What happened"), "%s", msg);
	if (e->safe)
		sheet_fact(s, _("What is safe"), "%s", e->safe);
	else if (w->run) {
		_cleanup_free_ char *data = run_data_text(w->run, w->live);

		sheet_fact(s, _("What is safe"), w->run->backup.done ?
			   _("data %s; the backup is verified") :
			   _("data %s"), data);
	}
	if (e->hint)
		sheet_fact(s, _("Hint"), "%s", e->hint);
	if (w->environ)
		sheet_fact(s, _("Environment"), _("%s: set otherwise here than "
			   "where the run was started"), w->environ);
	last_output(w, s);
}

static struct sheet_item *choice(struct sheet *s, int *n, const char *id,
				 const char *label, const char *note)
{
	return sheet_choice(s, (char)('0' + ++*n), id, label, note);
}

static void no_choice(struct sheet *s, const char *id, const char *label,
		      const char *why)
{
	struct sheet_item *it = sheet_choice(s, 0, id, label, why);

	it->enabled = false;
}

static void skip_choice(struct wizard *w, struct sheet *s, int *n, int i)
{
	const struct plan *p = w->s.plan;
	_cleanup_free_ char *label = xasprintf(_("Skip step %d"), i + 1);

	for (size_t k = (size_t)i + 1; k < p->step_n; k++) {
		_cleanup_free_ char *why = NULL;

		if (!strvec_has(&p->steps[k]->needs, p->steps[i]->id))
			continue;
		if (p->steps[i]->optional) {
			why = xasprintf(_("step %zu, which needs it, is "
					  "skipped too"), k + 1);
			(void)choice(s, n, "skip", label, why);
		} else {
			why = xasprintf(_("not possible: step %zu needs it"),
					k + 1);
			no_choice(s, "skip", label, why);
		}
		return;
	}
	if (p->steps[i]->optional)
		(void)choice(s, n, "skip", label,
			     _("the plan allows to go on without it"));
	else
		no_choice(s, "skip", label,
			  _("not possible: the plan needs it"));
}

static const char *retry_note(const struct wizard *w, int i)
{
	if (i < 0)
		return w->run && run_changed_data(w->run) ? NULL :
			_("nothing was changed so far");
	return w->s.plan->steps[i]->ops->flags & STEP_RESUMES ?
		_("it goes on where it stopped") :
		_("what the step left is put back first");
}

static void fail_choices(struct wizard *w, struct sheet *s, int i)
{
	_cleanup_free_ char *retry = i >= 0 ?
		xasprintf(_("Retry step %d"), i + 1) :
		xstrdup(_("Try again"));
	bool back = w->run && w->run->backup.done &&
		(run_changed_data(w->run) || w->run->points);
	int n = 0;

	if (is_unknown(w)) {
		(void)choice(s, &n, "not-applied", _("It is NOT applied"),
			     _("the step is put back and done again"));
		(void)choice(s, &n, "applied", _("It IS applied"),
			     _("the run goes on behind it"));
	} else {
		(void)choice(s, &n, "retry", retry, retry_note(w, i));
		if (w->environ && w->c) {
			_cleanup_free_ char *note = xasprintf(
				_("with %s as set in this terminal"),
				w->environ);

			(void)choice(s, &n, "retry-here",
				     _("Retry from here"), note);
		}
	}
	if (back)
		(void)choice(s, &n, "rollback", _("Roll back..."),
			_("shows what would be restored and lost, then asks"));
	(void)choice(s, &n, "stop-here", _("Quit, decide later"),
		_("nothing more happens; \"upshift resume\" returns here"));
	if (i >= 0 && !is_unknown(w) && w->c)
		skip_choice(w, s, &n, i);
	(void)choice(s, &n, "support", _("Save support file"),
		     _("log and facts, secrets removed"));
	s->focus = "stop-here";
}

void page_f60(struct wizard *w, struct sheet *s)
{
	int i = failed_index(w);

	fail_head(w, s, i);
	sheet_blank(s);
	fail_facts(w, s);
	sheet_blank(s);
	fail_choices(w, s, i);
	sheet_key(s, 'q', "stop-here", _("Quit"));
	sheet_status(s, w->notice ? w->notice :
		     _("Nothing is running now. There is no time limit; you "
		       "can read the log first."));
}

/* --- R70 --- */

/* "2-4" or "5 ID" of the steps that never began */
static void pending_row(struct wizard *w, struct sheet *s, size_t from)
{
	_cleanup_free_ char *label = from + 1 == w->run->step_n ?
		xasprintf("%zu %s", from + 1, w->run->steps[from].id) :
		xasprintf("%zu-%zu", from + 1, w->run->step_n);

	sheet_row(s, NULL, MARK_PENDING, label, _("not started"), NULL);
}

static void run_rows(struct wizard *w, struct sheet *s)
{
	const struct run *r = w->run;
	size_t last = r->step_n;

	while (last > 0 && r->steps[last - 1].state == STEP_PENDING)
		last--;
	for (size_t i = 0; i < last; i++) {
		const struct run_step *st = &r->steps[i];
		_cleanup_free_ char *label = xasprintf("%zu %s", i + 1,
						       st->id);
		enum sheet_mark m;
		const char *text = wizard_run_step(r, st, &m);

		sheet_row(s, NULL, m, label, text, NULL);
	}
	if (last < r->step_n)
		pending_row(w, s, last);
}

static void begun_by(struct wizard *w, struct sheet *s)
{
	struct json_object *b = w->run->begun;
	_cleanup_free_ char *at = wizard_hhmm(json_get_str(b, "started",
							   NULL));
	const char *started = json_get_str(b, "started", "");

	sheet_text(s, ROLE_NORMAL, _("An upgrade was started on %.10s at %s by "
		   "%s."), started, at, json_get_str(b, "user", "?"));
	if (w->died > 0)
		sheet_text(s, ROLE_STRONG, _("Its engine was ended by signal "
			   "%d. Nothing is lost: the journal says where it "
			   "stands."), w->died);
	else if (w->died < 0)
		sheet_text(s, ROLE_STRONG, "%s", _("Its engine is not there any "
			   "more. Nothing is lost: the journal says where it "
			   "stands."));
	else if (w->run->state == RUN_PAUSED)
		sheet_text(s, ROLE_STRONG, "%s", _("It was stopped between two "
			   "steps and waits."));
	else if (w->run->state == RUN_FAILED)
		sheet_text(s, ROLE_STRONG, _("It stopped: %s"),
			   w->run->error_msg ? w->run->error_msg :
			   _("it failed"));
	else if (w->run->state == RUN_ROLLING_BACK)
		sheet_text(s, ROLE_STRONG, "%s", _("A rollback was cut short "
			   "and has to be finished."));
	else if (w->run->state == RUN_ROLLED_BACK)
		sheet_text(s, ROLE_STRONG, _("It was rolled back to %s; the "
			   "steps behind it can be taken again."),
			   w->run->rollback_point);
	else
		sheet_text(s, ROLE_STRONG, "%s", _("It was cut short: the "
			   "computer or the program was ended."));
}

/* the first step that is not through, NULL: none */
static const struct run_step *next_step(const struct wizard *w, int *number)
{
	const struct run *r = w->run;

	for (size_t i = 0; i < r->step_n; i++) {
		*number = (int)i + 1;
		if (r->steps[i].state != STEP_VERIFIED &&
		    r->steps[i].state != STEP_SKIPPED)
			return &r->steps[i];
	}
	return NULL;
}

static void continue_choice(struct wizard *w, struct sheet *s, int *n)
{
	const struct run *r = w->run;
	int i = 0;
	const struct run_step *st = next_step(w, &i);
	_cleanup_free_ char *label = NULL;
	const char *note = NULL;

	if (r->state == RUN_ROLLING_BACK) {
		label = xstrdup(_("Finish the rollback"));
	} else if (!r->backup.done) {
		label = xstrdup(_("Continue with the checks"));
		note = _("nothing was changed so far");
	} else if (!st) {
		label = xstrdup(_("Continue with the verification"));
	} else {
		label = xasprintf(_("Continue with step %d"), i);
		note = st->state == STEP_PENDING || st->state == STEP_UNDONE ?
			_("asks you again before it starts") :
			_("looks what it left, puts that back, does it again");
	}
	(void)choice(s, n, "continue", label, note);
}

void page_r70(struct wizard *w, struct sheet *s)
{
	const struct run *r = w->run;
	int n = 0;

	if (!r)
		return;
	begun_by(w, s);
	sheet_blank(s);
	run_rows(w, s);
	sheet_blank(s);
	sheet_fact(s, _("Data"), "%s", r->sd->root);
	sheet_fact(s, _("Plan file"), "%s", _("the copy that the run made when "
		   "it began; its checksum is right"));
	sheet_fact(s, _("Backup"), "%s", !r->backup.done ?
		   _("not made yet") : r->backup.pruned ?
		   pgettext("backup", "removed") :
		   _("verified when it was made"));
	sheet_blank(s);
	continue_choice(w, s, &n);
	if (r->backup.done)
		(void)choice(s, &n, "verify", _("Verify the data first"),
			     _("read only"));
	if (r->backup.done && r->state != RUN_ROLLING_BACK)
		(void)choice(s, &n, "rollback", _("Roll back..."),
			_("shows what would be restored and lost first"));
	(void)choice(s, &n, "stop-here", _("Quit, decide later"), NULL);
	s->focus = "continue";
	sheet_key(s, 'q', "stop-here", _("Quit"));
	sheet_status(s, w->notice ? w->notice : _("Nothing is running now."));
}

/* --- what they do --- */

/* somebody else may have gone on, or begun, since the page was drawn */
static bool moved_on(struct wizard *w)
{
	enum run_state was = w->run ? w->run->state : RUN_NONE;

	wizard_look(w);
	return w->live || !w->run || w->run->state != was;
}

/* once the engine is gone */
static unsigned int end_for(struct wizard *w, enum intent intent)
{
	w->intent = intent;
	(void)wizard_command(w, "quit");
	return WIZARD_REDRAW;
}

static unsigned int start_verify(struct wizard *w)
{
	if (wizard_unanswered(w))
		return wizard_ask_answers(w);
	w->back = w->page;
	return wizard_start(w, CLIENT_VERIFY) | wizard_go(w, PAGE_P50);
}

unsigned int wizard_resume(struct wizard *w)
{
	if (moved_on(w))
		return WIZARD_MOVED | WIZARD_REDRAW;
	if (wizard_unanswered(w))
		return wizard_ask_answers(w);
	return wizard_start(w, CLIENT_RESUME) | wizard_go(w, PAGE_P50);
}

unsigned int act_fail(struct wizard *w, const char *id)
{
	if (!strcmp(id, "rollback"))
		return w->c ? end_for(w, INTENT_ROLLBACK) :
			wizard_go(w, PAGE_K80);
	if (!strcmp(id, "retry-here") && w->c)
		return end_for(w, INTENT_RESUME);
	if (!strcmp(id, "verify"))
		return start_verify(w);
	if (!strcmp(id, "continue"))
		return wizard_resume(w);
	if (!strcmp(id, "retry")) {
		if (w->c)
			return wizard_answer(w, "retry");
		return wizard_resume(w);
	}
	if (!strcmp(id, "skip") || !strcmp(id, "applied") ||
	    !strcmp(id, "not-applied"))
		return wizard_answer(w, id);
	if (!strcmp(id, "details"))
		return wizard_show_details(w);
	return WIZARD_NOTHING;
}
