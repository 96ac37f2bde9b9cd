/* SPDX-License-Identifier: MIT */
/* The question before a step, and the words of one that has no way back. */
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

static void effects_facts(struct wizard *w, struct sheet *s,
			  const struct step *st)
{
	struct json_object *pre = json_get(w->m.ask.extra, "preview");
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
	if (n)
		return;
	/* statements that make an index name no rows */
	sheet_fact(s, _("Changes"), "%s", wizard_is_check(st) ?
		   _("nothing") : pre && json_object_array_length(pre) ?
		   _("what the lines below say") : _("nothing that it names"));
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

/* in the hours of the plan; when it would begin, if that is not now */
static void window_fact(struct sheet *s, const struct window *win)
{
	char text[CLOCK_TEXT_SIZE];
	struct timespec ts;
	time_t now;

	clock_now(&ts);
	now = ts.tv_sec;
	ts.tv_sec = window_opening(win, now);
	clock_format(&ts, text);
	if (window_is_open(win, now))
		sheet_fact(s, _("Window"), "%s", _("open now"));
	else
		sheet_fact(s, _("Window"), _("closed; the step waits until "
			   "%.16s UTC"), text);
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
	effects_facts(w, s, st);
	sheet_fact(s, _("Risk"), "%s", json_get_str(w->m.ask.extra, "risk",
						    ""));
	undo_fact(w, s, i);
	if (st->window.given)
		window_fact(s, &st->window);
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
