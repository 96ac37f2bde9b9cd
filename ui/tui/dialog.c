/* SPDX-License-Identifier: MIT */
#include "tui/dialog.h"

#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "sheet.h"
#include "wizard.h"

static void copy_frame(struct sheet *s, const struct sheet *page)
{
	memcpy(s->code, page->code, sizeof(s->code));
	s->app = xstrdup_null(page->app);
	s->phase = xstrdup_null(page->phase);
	s->run = xstrdup_null(page->run);
	s->safety = xstrdup_null(page->safety);
}

static void while_working(struct sheet *s, const struct wizard *w)
{
	_cleanup_free_ char *abort_text = wizard_abort_text(w);

	(void)sheet_text(s, ROLE_STRONG, "%s",
			 _("Something is running now. What should happen?"));
	sheet_blank(s);
	(void)sheet_choice(s, '1', "stop", _("Stop after this step"),
			   _("it is finished first, then nothing more is "
			     "changed; you can go on later"));
	(void)sheet_choice(s, '2', "leave", _("Leave it running"),
			   _("this screen closes; type \"upshift\" to see it "
			     "again"));
	(void)sheet_choice(s, '3', "abort", _("Abort it now"), abort_text);
	(void)sheet_choice(s, '4', "stay", _("Go back to the screen"),
			   _("nothing changes"));
	s->focus = "stop";
	s->status = xstrdup(_("It goes on while you decide."));
}

static void between_steps(struct sheet *s)
{
	(void)sheet_text(s, ROLE_STRONG, "%s", _("Leave now?"));
	sheet_blank(s);
	(void)sheet_text(s, ROLE_NORMAL, "%s",
			 _("Nothing is running. What is done so far stays as "
			   "the line below says, and \"upshift resume\" goes "
			   "on from here, whenever you want."));
	sheet_blank(s);
	(void)sheet_choice(s, '1', "stay", _("Stay"), _("nothing changes"));
	(void)sheet_choice(s, '2', "quit", _("Quit, resume later"),
			   _("nothing more happens until you come back"));
	s->focus = "stay";
	s->status = xstrdup(_("Nothing is running now. There is no time "
			      "limit."));
}

void dialog_stop(struct sheet *s, const struct sheet *page,
		 const struct wizard *w)
{
	copy_frame(s, page);
	if (wizard_stop_kind(w) == STOP_WORKING)
		while_working(s, w);
	else
		between_steps(s);
}
