/* SPDX-License-Identifier: MIT */
#ifndef TUI_THEME_H
#define TUI_THEME_H
/*
 * theme - from what a text is to how it looks
 *
 * Colour only ever repeats what a word or a sign says already, so the mono
 * theme, NO_COLOR and a terminal without colours lose nothing. Blue and yellow
 * instead of green and red: those two are the ones most eyes can tell apart.
 *
 * The choice: --color or --no-color, --theme; then NO_COLOR or
 * UPSHIFT_NO_COLOR if not empty, UPSHIFT_THEME; then what terminfo knows.
 */
#include "sheet.h"

struct options;

enum theme_kind { THEME_DEFAULT, THEME_CONTRAST, THEME_MONO, THEME_KIND_COUNT };

struct theme {
	enum theme_kind kind;
	int colors;              /* 0: none are used */
};

/* NULL and "default" are the same; -1: no such theme */
int theme_find(const char *name);
/* what the options and the environment say; colors: the terminal's number */
struct theme theme_choose(const struct options *o, int colors);
/* after newterm() */
void theme_start(const struct theme *t);
/* attributes for a span; flags: enum span_flags */
unsigned int theme_attr(const struct theme *t, enum sheet_role role,
			unsigned int flags);

#endif
