/* SPDX-License-Identifier: MIT */
#include "front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "command.h"
#include "plain.h"
#include "tui/tui.h"
#include "wizard.h"

bool front_is_wanted(const struct options *o)
{
	if (o->batch || o->json)
		return false;
	return o->plain || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
}

static bool wants_plain(const struct options *o)
{
	const char *v = getenv("ACCESSIBLE"), *ui = getenv("UPSHIFT_UI");

	if (o->plain || (ui && !strcmp(ui, "plain")))
		return true;
	/* what names this program counts more than what is for all */
	return v && *v && strcmp(v, "0") != 0 && !(ui && !strcmp(ui, "tui"));
}

int front_run(const struct options *o, const struct step_ops *const *kinds,
	      bool read_only)
{
	const char *why = wants_plain(o) ? NULL : tui_unusable(o);
	struct wizard *w;
	int ret;

	if (why)
		(void)fprintf(stderr, _("upshift: no screens here: %s; going "
			      "on in plain mode\n"), why);
	ret = wizard_open(&w, o, kinds, read_only);
	if (ret)
		return ret;
	ret = TUI_PLAIN;
	if (!why && !wants_plain(o))
		ret = tui_run(w);
	if (ret == TUI_PLAIN)
		ret = plain_run(w);
	wizard_close(w);
	return ret;
}
