/* SPDX-License-Identifier: MIT */
/* The question before a step, and the view of the work. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

/* lines of a preview on the page itself; d shows all */
#define PREVIEW_LINES 7
#define SHOWN_EFFECTS 6
/* silence that is worth a word */
#define SILENT_S 30

/* --- S40 --- */

static int asked_index(const struct wizard *w)
{
	const struct step *st = wizard_asked_step(w);

	return st ? plan_step_index(w->s.plan, st->id) : -1;
}

static char *effect_line(struct json_object *one)
{
	static const struct { const char *effect, *text; } table[] = {
		{ "create", N_("create") }, { "change", N_("change") },
		{ "remove", N_("remove") },
	};
	const char *what = json_get_str(one, "effect", "");
	_cleanup_free_ char *path = json_get_bytes(one, "path");

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!strcmp(what, table[i].effect))
			what = _(table[i].text);
	return xasprintf("%s  %s", what, path ? path : "?");
}

static void effects_facts(struct wizard *w, struct sheet *s)
{
	struct json_object *list = json_get(w->m.ask.extra, "effects");
	size_t n = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n && i < SHOWN_EFFECTS; i++) {
		_cleanup_free_ char *line = effect_line(
			json_object_array_get_idx(list, i));

		sheet_fact(s, i ? "" : _("Changes"), "%s", line);
	}
	if (n > SHOWN_EFFECTS)
		sheet_fact(s, "", ngettext("and %lu more (d)",
			   "and %lu more (d)", (unsigned long)(n -
			   SHOWN_EFFECTS)), (unsigned long)(n -
			   SHOWN_EFFECTS));
	if (!n)
		sheet_fact(s, _("Changes"), "%s", _("nothing that it names"));
}

static void undo_fact(struct wizard *w, struct sheet *s, int i)
{
	if (!w->m.ask.undoable)
		sheet_fact(s, _("Undo"), "%s", _("NO: nothing can bring back "
			   "what this step takes away"));
	else if (i > 0)
		sheet_fact(s, _("Undo"), _("YES: back to checkpoint CP%d, or "
			   "to start"), i);
	else
		sheet_fact(s, _("Undo"), "%s", _("YES: back to start"));
}

static enum sheet_role diff_role(const char *line)
{
	if (str_starts(line, "+") && !str_starts(line, "+++"))
		return ROLE_ADDED;
	if (str_starts(line, "-") && !str_starts(line, "---"))
		return ROLE_REMOVED;
	return ROLE_NORMAL;
}

static void preview_lines(struct wizard *w, struct sheet *s)
{
	struct json_object *list = json_get(w->m.ask.extra, "preview");
	size_t n = list ? json_object_array_length(list) : 0;

	if (!n)
		return;
	sheet_blank(s);
	for (size_t i = 0; i < n && i < PREVIEW_LINES; i++) {
		_cleanup_free_ char *line = json_array_get_bytes(list, i);
		struct sheet_item *it = sheet_pre(s, diff_role(line ? line :
			""), line ? line : "");

		if (!i && n > PREVIEW_LINES)
			it->note = xasprintf(_("%d of %zu lines, d shows all"),
					     PREVIEW_LINES, n);
	}
}

static void step_choices(struct wizard *w, struct sheet *s, int i)
{
	struct json_object *list = json_get(w->m.ask.extra, "preview");
	_cleanup_free_ char *run = xasprintf(_("Run step %d"), i + 1);
	int last = i;
	bool end = wizard_undoable_to_end(w, i, &last);

	s->flags |= SHEET_BUTTONS;
	sheet_choice(s, 0, "run", run, NULL);
	if (w->m.ask.undoable && last > i) {
		_cleanup_free_ char *all = xasprintf(
			_("Run %d-%d, all can be undone"), i + 1, last + 1);

		sheet_choice(s, 0, "all", all, NULL);
	}
	if (list && json_object_array_length(list))
		sheet_choice(s, 0, "details", _("Diff"), NULL);
	if (w->m.ask.skippable)
		sheet_choice(s, 0, "skip", _("Skip"), NULL);
	sheet_choice(s, 0, "stop-here", _("Stop here"), NULL);
	s->focus = w->m.ask.undoable ? "run" : "stop-here";
	if (!w->m.ask.undoable)
		sheet_status(s, _("This step has no way back: it asks for typed "
				  "words first."));
	else if (end || last == i)
		sheet_status(s, _("Nothing happens before you choose. You can "
				  "stop here and go on another day."));
	else {
		_cleanup_free_ char *text = xasprintf(_("\"Run %d-%d\" stops "
			"again before step %d, which cannot be undone."),
			i + 1, last + 1, last + 2);

		sheet_status(s, text);
	}
}

void page_s40(struct wizard *w, struct sheet *s)
{
	const struct step *st = wizard_asked_step(w);
	int i = asked_index(w);
	double t = json_get_double(w->m.ask.extra, "estimate_s", -1);
	_cleanup_free_ char *time = t >= 0 ? wizard_time(t) : NULL;

	if (!st)
		return;
	if (strcmp(wizard_title_of(w, st), st->id) != 0)
		sheet_text(s, ROLE_STRONG, _("Step %d  %s    %s"), i + 1,
			   st->id, wizard_title_of(w, st));
	else
		sheet_text(s, ROLE_STRONG, _("Step %d  %s"), i + 1, st->id);
	sheet_blank(s);
	effects_facts(w, s);
	sheet_fact(s, _("Risk"), "%s", json_get_str(w->m.ask.extra, "risk",
						    ""));
	undo_fact(w, s, i);
	if (time)
		sheet_fact(s, _("Time"), _("about %s"), time);
	preview_lines(w, s);
	sheet_add(s, SHEET_FILL);
	step_choices(w, s, i);
	if (w->notice)
		sheet_status(s, w->notice);
}

/* --- S45 --- */

void page_s45(struct wizard *w, struct sheet *s)
{
	const struct step *st = wizard_asked_step(w);

	if (!st)
		return;
	sheet_text(s, ROLE_STRONG, _("Step %d \"%s\" cannot be undone."),
		   asked_index(w) + 1, st->id);
	if (strcmp(wizard_title_of(w, st), st->id) != 0)
		sheet_text(s, ROLE_NORMAL, "%s", wizard_title_of(w, st));
	sheet_words(s, w->m.ask.words ? w->m.ask.words : "", _("Run the step"),
		    _("Back"));
	sheet_status(s, w->notice ? w->notice :
		     _("Waiting for the words. The step has not begun."));
}

/* --- P50 --- */

static void step_rows(struct wizard *w, struct sheet *s)
{
	for (size_t i = 0; i < w->m.step_n; i++) {
		const struct model_step *st = &w->m.steps[i];
		_cleanup_free_ char *label = xasprintf("%zu %s", i + 1,
						       st->id);
		_cleanup_free_ char *time = NULL;
		struct sheet_item *it;

		if (st->running)
			time = wizard_elapsed(clock_since(st->begun_ns));
		else if (st->state == EVENT_NONE && !st->undoable)
			time = xstrdup(_("NO UNDO"));
		else if (st->elapsed_s >= 1)
			time = wizard_elapsed(st->elapsed_s);
		it = sheet_row(s, NULL, wizard_step_mark(w, i), label, NULL,
			       time);
		it->side = SIDE_LEFT;
		if (st->running)
			it->role = ROLE_STRONG;
	}
}

static struct sheet_item *right(struct sheet_item *it)
{
	it->side = SIDE_RIGHT;
	return it;
}

static void progress_facts(struct wizard *w, struct sheet *s)
{
	const struct model_progress *p = &w->m.progress;
	bool bytes = !strcmp(p->unit ? p->unit : "", "bytes");
	_cleanup_free_ char *done = NULL, *total = NULL, *rate = NULL;
	struct sheet_item *it = right(sheet_add(s, SHEET_BAR));

	/* it is not over: what it does next may not be counted */
	it->percent = p->given ? MIN(p->percent, 99) : -1;
	if (!p->given)
		return;
	done = bytes ? wizard_bytes(p->done) : wizard_count(p->done);
	total = bytes ? wizard_bytes(p->total) : wizard_count(p->total);
	if (p->total && bytes)
		right(sheet_text(s, ROLE_NORMAL, _("%s of %s"), done, total));
	else if (p->total)
		right(sheet_text(s, ROLE_NORMAL, _("%s of %s %s"), done,
				 total, p->unit));
	else
		right(sheet_text(s, ROLE_NORMAL, _("%s %s"), done,
				 bytes ? "" : p->unit));
	if (p->records) {
		_cleanup_free_ char *n = wizard_count(p->records);

		right(sheet_text(s, ROLE_NORMAL, _("%s records"), n));
	}
	if (p->rate > 0) {
		rate = bytes ? wizard_bytes((uint64_t)p->rate) :
			wizard_count((uint64_t)(p->rate + 0.5));
		it = right(sheet_text(s, ROLE_NORMAL, bytes ? _("%s/s") :
				      _("%s %s/s"), rate, p->unit));
		if (p->eta_s >= 0) {
			_cleanup_free_ char *left = wizard_time(p->eta_s);

			it->note = xasprintf(_("about %s left"), left);
		}
	}
}

/* one bar for each of what is done at once */
static void part_bars(struct wizard *w, struct sheet *s)
{
	const struct model_progress *p = &w->m.progress;

	for (size_t i = 0; i < p->part_n; i++) {
		struct sheet_item *it = right(sheet_add(s, SHEET_BAR));

		it->percent = p->parts[i].percent;
		it->text = xstrdup(p->parts[i].name);
	}
}

static void current_step(struct wizard *w, struct sheet *s)
{
	int i = w->m.step_at;
	const struct model_step *st;
	const struct step *plan;
	_cleanup_free_ char *since = NULL, *usual = NULL;
	double quiet;

	if (i < 0)
		return;
	st = &w->m.steps[i];
	plan = plan_find_step(w->s.plan, st->id);
	right(sheet_text(s, ROLE_STRONG, _("Step %d  %s"), i + 1, st->id));
	if (!st->running)
		return;
	/* what it waits for */
	if (st->message && st->title && strcmp(st->message, st->title) != 0)
		right(sheet_row(s, NULL, MARK_NONE, st->message, NULL, NULL));
	progress_facts(w, s);
	part_bars(w, s);
	since = wizard_elapsed(clock_since(st->begun_ns));
	if (plan && plan->estimate_s >= 0) {
		usual = wizard_time(plan->estimate_s);
		right(sheet_text(s, ROLE_NORMAL, _("running %s    usually %s"),
				 since, usual));
	} else {
		right(sheet_text(s, ROLE_NORMAL, _("running %s"), since));
	}
	quiet = clock_since(MAX(w->m.progress.heard_ns, MAX(w->line_seen,
							    st->begun_ns)));
	if (quiet > SILENT_S)
		right(sheet_text(s, ROLE_CAUTION, _("last output %.0f s ago, "
				 "still running"), quiet));
}

static void all_steps(struct wizard *w, struct sheet *s)
{
	struct sheet_item *it;
	unsigned long done = 0;

	if (!w->m.step_n)
		return;
	for (size_t i = 0; i < w->m.step_n; i++)
		done += w->m.steps[i].state == EVENT_VERIFIED ||
			w->m.steps[i].state == EVENT_SKIPPED;
	right(sheet_add(s, SHEET_BLANK));
	right(sheet_text(s, ROLE_NORMAL, _("All steps: %lu of %zu"), done,
			 w->m.step_n));
	it = right(sheet_add(s, SHEET_BAR));
	it->percent = model_percent(&w->m);
}

/* verification and rollback have rows of their own */
static void other_rows(struct wizard *w, struct sheet *s)
{
	if (w->m.phase == PHASE_ROLLBACK || w->m.rollback)
		right(sheet_text(s, ROLE_STRONG, _("Going back to %s"),
				 w->m.rollback_point ? w->m.rollback_point :
				 "start"));
	else if (w->m.phase == PHASE_VERIFY || w->look)
		right(sheet_text(s, ROLE_STRONG, "%s",
				 _("Verifying the data")));
	if (w->m.progress.given)
		progress_facts(w, s);
	for (size_t i = 0; i < w->m.verify_n; i++) {
		const struct model_check *c = &w->m.verify[i];

		right(sheet_row(s, NULL, c->state == EVENT_OK ? MARK_OK :
				c->state == EVENT_WARN ? MARK_WARN :
				MARK_FAIL, c->id, c->message, NULL));
	}
}

void page_p50(struct wizard *w, struct sheet *s)
{
	step_rows(w, s);
	if (w->m.phase == PHASE_ROLLBACK || w->m.phase == PHASE_VERIFY ||
	    (w->look && !w->c)) {
		other_rows(w, s);
	} else {
		current_step(w, s);
		all_steps(w, s);
	}
	s->flags |= SHEET_COMPACT_LOG;
	if (w->look && !w->c)
		sheet_key(s, SHEET_ESC, "back", _("Back"));
	sheet_add(s, SHEET_LOG);
	if (w->look && !w->c)
		sheet_status(s, _("Only looking; nothing is changed."));
	else if (w->stopping)
		sheet_status(s, _("It stops after this step. You can go on "
				  "later with \"upshift resume\"."));
	else
		sheet_status(s, _("If this window closes the step goes on; "
			"type \"upshift\" to see this screen again."));
}

/* --- what they do --- */

static unsigned int show_preview(struct wizard *w)
{
	struct json_object *eff = json_get(w->m.ask.extra, "effects");
	struct json_object *pre = json_get(w->m.ask.extra, "preview");
	const struct step *st = wizard_asked_step(w);
	struct strvec *t = wizard_text_begin(w, st ? st->id : "");

	for (size_t i = 0; eff && i < json_object_array_length(eff); i++)
		strvec_take(t, effect_line(json_object_array_get_idx(eff, i)));
	if (t->n)
		strvec_push(t, "");
	for (size_t i = 0; pre && i < json_object_array_length(pre); i++) {
		char *line = json_array_get_bytes(pre, i);

		strvec_take(t, line ? line : xstrdup(""));
	}
	return WIZARD_SHOW_TEXT;
}

static unsigned int act_words(struct wizard *w, const char *id,
			      const char *value)
{
	if (!strcmp(id, "back"))
		return wizard_go(w, PAGE_S40);
	if (strcmp(id, "words") != 0)
		return WIZARD_NOTHING;
	if (!w->m.ask.words || !value ||
	    !ask_words_match(value, w->m.ask.words))
		return wizard_say(w, WIZARD_REFUSED, "%s", _("These are not "
			"the words. Nothing has happened."));
	return wizard_answer(w, value);
}

unsigned int act_steps(struct wizard *w, const char *id, const char *value)
{
	if (w->page == PAGE_S45)
		return act_words(w, id, value);
	/* a look can be broken off; nothing hangs on it */
	if (!strcmp(id, "back") && w->page == PAGE_P50 && w->look && !w->c) {
		client_free(w->look);
		w->look = NULL;
		return wizard_go(w, w->back);
	}
	if (!strcmp(id, "details"))
		return w->page == PAGE_S40 ? show_preview(w) :
			wizard_show_steps(w);
	if (w->page != PAGE_S40)
		return WIZARD_NOTHING;
	if (!strcmp(id, "run") && !w->m.ask.undoable) {
		free(w->typed_for);
		w->typed_for = xstrdup(w->m.ask.id);
		return wizard_go(w, PAGE_S45);
	}
	if (!strcmp(id, "run"))
		return wizard_answer(w, "yes");
	if (!strcmp(id, "all"))
		return wizard_answer(w, "all");
	if (!strcmp(id, "skip"))
		return wizard_answer(w, "skip");
	return WIZARD_NOTHING;
}
