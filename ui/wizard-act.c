/* SPDX-License-Identifier: MIT */
/*
 * What works on every page: quitting, stopping, log, support file. Pages say
 * what their own choices do; a watcher may only look.
 */
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

/* Nothing more from us: the engine closes or pauses the run, then we leave. */
static unsigned int end_engine(struct wizard *w, const char *command)
{
	w->intent = INTENT_QUIT;
	if (!wizard_command(w, command))
		return WIZARD_QUIT;
	return wizard_say(w, WIZARD_REDRAW, "%s",
			  _("Leaving as soon as the engine has written where it "
			    "stands ..."));
}

static unsigned int quit(struct wizard *w)
{
	if (!w->c || w->read_only)
		return WIZARD_QUIT;
	if (w->m.ask.id)
		return end_engine(w, "quit");
	if (wizard_stop_kind(w) == STOP_FREE)
		return end_engine(w, "abort");
	/* the front end asks which of the three; this is the gentle one */
	return wizard_act(w, "stop", NULL, NULL);
}

static unsigned int stop(struct wizard *w)
{
	if (!w->c)
		return WIZARD_QUIT;
	if (w->m.ask.id)
		return end_engine(w, "quit");
	w->stopping = true;
	w->intent = INTENT_QUIT;
	if (!wizard_command(w, "stop"))
		return WIZARD_MOVED;
	return WIZARD_REDRAW;
}

static unsigned int any_page(struct wizard *w, const char *id)
{
	if (!strcmp(id, "quit") || !strcmp(id, "stop-here"))
		return quit(w);
	if (!strcmp(id, "leave"))
		return WIZARD_QUIT;
	if (!strcmp(id, "log"))
		return WIZARD_SHOW_LOG;
	if (!strcmp(id, "support"))
		return wizard_save_support(w);
	if (w->read_only)
		return WIZARD_NOTHING;
	if (!strcmp(id, "stop"))
		return stop(w);
	if (!strcmp(id, "abort") && w->c)
		return end_engine(w, w->m.ask.id ? "quit" : "abort");
	return WIZARD_NOTHING;
}

bool wizard_may_watch(const char *id)
{
	static const char *const harmless[] = {
		"back", "details", "exit", "leave", "log", "notes", "quit",
		"save-list", "steps", "stop-here", "support", "verify",
		"warnings",
	};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (!strcmp(id, harmless[i]))
			return true;
	return false;
}

static unsigned int page_act(struct wizard *w, const char *id,
			     const char *row, const char *value)
{
	switch (w->page) {
	case PAGE_W05:
	case PAGE_W10:
	case PAGE_A15:
		return act_plan(w, id, value);
	case PAGE_C20:
	case PAGE_C25:
	case PAGE_B30:
		return act_checks(w, id, row, value);
	case PAGE_S40:
	case PAGE_S45:
	case PAGE_P50:
		return act_steps(w, id, value);
	case PAGE_S42:
		return act_sign(w, id, value);
	case PAGE_F60:
	case PAGE_R70:
		return act_fail(w, id);
	case PAGE_K80:
	case PAGE_K81:
	case PAGE_K82:
		return act_back(w, id, row, value);
	case PAGE_D90:
		return act_finish(w, id);
	case PAGE_COUNT:
		break;
	}
	return WIZARD_NOTHING;
}

unsigned int wizard_act(struct wizard *w, const char *id, const char *row,
			const char *value)
{
	unsigned int ret;

	if (w->read_only && !wizard_may_watch(id))
		return wizard_say(w, WIZARD_REFUSED, "%s",
			_("you are watching; you cannot act from here"));
	ret = page_act(w, id, row, value);
	return ret == WIZARD_NOTHING ? any_page(w, id) : ret;
}
