/* SPDX-License-Identifier: MIT */
/* What "d" opens: all steps of the plan, and all that a page had to cut. */
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

const char *wizard_run_step(const struct run *r, const struct run_step *st,
			    enum sheet_mark *ret)
{
	/* what it left was put back; that it failed is what counts */
	if (st->state == STEP_UNDONE && (r->state == RUN_COMPLETE ||
	    (r->state == RUN_FAILED && r->failed_step &&
	     !strcmp(r->failed_step, st->id)))) {
		*ret = MARK_FAIL;
		return st->error_msg ? st->error_msg : r->error_msg &&
			r->state == RUN_FAILED ? r->error_msg : _("failed");
	}
	switch (st->state) {
	case STEP_APPLIED:
	case STEP_VERIFIED:
		*ret = MARK_OK;
		return _("done");
	case STEP_SKIPPED:
		*ret = MARK_SKIP;
		return _("skipped");
	case STEP_FAILED:
		*ret = MARK_FAIL;
		return st->error_msg ? st->error_msg : _("failed");
	case STEP_UNDONE:
		*ret = MARK_UNDONE;
		return _("undone");
	case STEP_APPLYING:
		*ret = MARK_UNKNOWN;
		return _("was running; it is looked at before anything else");
	case STEP_UNDOING:
	case STEP_UNDO_FAILED:
		*ret = MARK_UNKNOWN;
		return _("was being undone");
	case STEP_PENDING:
	case STEP_STATE_COUNT:
		break;
	}
	*ret = MARK_PENDING;
	return _("not started");
}

/* --- all steps --- */

/* the journal's word; what is being done now the engine says */
static void push_state(struct wizard *w, struct strvec *t, size_t i,
		       const char *id)
{
	const struct run_step *st = w->run && i < w->run->step_n ?
		&w->run->steps[i] : NULL;
	enum sheet_mark mark = MARK_PENDING;
	const char *text = st ? wizard_run_step(w->run, st, &mark) : "";

	if (w->c && i < w->m.step_n && (w->m.steps[i].running ||
					w->m.steps[i].state == EVENT_FAILED)) {
		mark = wizard_step_mark(w, i);
		text = w->m.steps[i].message;
		/* what it begins with is its title, and stands below */
		if (text && !strcmp(text, w->m.steps[i].title))
			text = NULL;
	}
	strvec_pushf(t, "%s %3zu  %s", sheet_mark_text(mark), i + 1, id);
	if (text && *text && mark != MARK_PENDING)
		strvec_pushf(t, "            %s", text);
}

static void push_step(struct wizard *w, struct strvec *t, size_t i,
		      bool states)
{
	const struct step *st = w->s.plan->steps[i];
	const char *risk = plan_text_get(&st->risk, wizard_lang(w));
	const char *title = wizard_title_of(w, st);
	const char *in = states ? "       " : "";

	if (states)
		push_state(w, t, i, st->id);
	else
		strvec_pushf(t, "%3zu  %s", i + 1, st->id);
	if (strcmp(title, st->id) != 0)
		strvec_pushf(t, "%s     %s", in, title);
	if (wizard_is_check(st))
		strvec_pushf(t, "%s     %s", in, _("a check; it changes "
						   "nothing"));
	else
		strvec_pushf(t, "%s     %s", in, step_undoable(st) ?
			     _("can be undone") : _("NO way back"));
	if (st->optional)
		strvec_pushf(t, "%s     %s", in, _("can be skipped"));
	if (*risk) {
		_cleanup_free_ char *line = xasprintf(_("     risk: %s"), risk);

		strvec_pushf(t, "%s%s", in, line);
	}
}

unsigned int wizard_show_steps(struct wizard *w)
{
	struct strvec *t = wizard_text_begin(w, _("All steps"));

	for (size_t i = 0; w->s.plan && i < w->s.plan->step_n; i++)
		push_step(w, t, i, w->run);
	return WIZARD_SHOW_TEXT;
}

/* --- a page in full --- */

/* what it tells above its choices; rows are left to the steps below */
static void push_page(struct wizard *w, struct strvec *t)
{
	struct sheet s;

	sheet_init(&s);
	wizard_sheet(w, &s);
	for (size_t i = 0; i < s.n && s.items[i].type != SHEET_CHOICE; i++) {
		const struct sheet_item *it = &s.items[i];

		if (it->type == SHEET_TEXT && it->note)
			strvec_pushf(t, "%s  %s", it->text, it->note);
		else if (it->type == SHEET_TEXT)
			strvec_push(t, it->text);
		else if (it->type == SHEET_FACT && *it->label)
			strvec_pushf(t, "%s: %s", it->label, it->text);
		else if (it->type == SHEET_FACT)
			strvec_push(t, it->text);
		else if (it->type == SHEET_BLANK && t->n &&
			 *t->v[t->n - 1])
			strvec_push(t, "");
	}
	sheet_release(&s);
}

unsigned int wizard_show_details(struct wizard *w)
{
	struct strvec *t = wizard_text_begin(w, _("Details"));

	push_page(w, t);
	for (size_t i = 0; w->s.plan && i < w->s.plan->step_n; i++)
		push_step(w, t, i, true);
	return WIZARD_SHOW_TEXT;
}
