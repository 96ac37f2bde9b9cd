/* SPDX-License-Identifier: MIT */
/* Can there be screens here? Apart, because term.h has a macro "lines". */
#include <curses.h>
#include <term.h>
#undef lines
#undef columns
#undef bell

#include <stdio.h>
#include <stdlib.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "text-width.h"
#include "tui/terminal.h"

static char why[256];

static const char *too_small(int cols_min, int lines_min)
{
	int cols = tigetnum((char *)"cols"), rows = tigetnum((char *)"lines");

	terminal_size(&cols, &rows);
	if (cols >= cols_min && rows >= lines_min)
		return NULL;
	(void)snprintf(why, sizeof(why),
		       _("the terminal has %dx%d, the screens need %dx%d"),
		       cols, rows, cols_min, lines_min);
	return why;
}

static const char *unknown(const char *type)
{
	struct strbuf sb = STRBUF_INIT;

	width_safe(&sb, type, 0);
	(void)snprintf(why, sizeof(why),
		       _("the terminal type '%s' is not known"), sb.buf);
	strbuf_release(&sb);
	return why;
}

const char *terminal_unusable(int cols_min, int lines_min)
{
	const char *type = getenv("TERM"), *ret, *cup;
	int err = 0;

	if (!isatty(STDIN_FILENO))
		return _("standard input is no terminal");
	if (!isatty(STDOUT_FILENO))
		return _("standard output is no terminal");
	if (!type || !*type)
		return _("TERM is not set");
	if (setupterm(NULL, STDOUT_FILENO, &err) == ERR)
		return unknown(type);
	cup = tigetstr((char *)"cup");
	if (!cup || cup == (char *)-1)
		ret = _("this type of terminal cannot move its cursor");
	else
		ret = too_small(cols_min, lines_min);
	(void)del_curterm(cur_term);
	return ret;
}
