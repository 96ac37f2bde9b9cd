/* SPDX-License-Identifier: MIT */
#include "tui/theme.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "command.h"
#include "tui/layout.h"

struct look_of {
	short color256, color16, color8;     /* -1: the terminal's own */
	attr_t attr;
};

/* how roles look in the default theme */
static const struct look_of normal[ROLE_COUNT] = {
	[ROLE_NORMAL] = { -1, -1, -1, A_NORMAL },
	[ROLE_TITLE] = { -1, -1, -1, A_BOLD },
	[ROLE_STRONG] = { -1, -1, -1, A_BOLD },
	/* 33 and 172 can be read on black and on white */
	[ROLE_GOOD] = { 33, 12, COLOR_BLUE, A_BOLD },
	[ROLE_CAUTION] = { 172, 11, COLOR_YELLOW, A_BOLD },
	[ROLE_BAD] = { 172, 11, COLOR_YELLOW, A_BOLD | A_REVERSE },
	[ROLE_DIM] = { 244, -1, -1, A_NORMAL },
	[ROLE_ADDED] = { 33, 12, COLOR_BLUE, A_NORMAL },
	[ROLE_REMOVED] = { 172, 11, COLOR_YELLOW, A_NORMAL },
};

/* contrast and mono: no colour between black and white, attributes alone */
static const attr_t plain[ROLE_COUNT] = {
	[ROLE_TITLE] = A_BOLD,
	[ROLE_STRONG] = A_BOLD,
	[ROLE_GOOD] = A_BOLD,
	[ROLE_CAUTION] = A_BOLD,
	[ROLE_BAD] = A_BOLD | A_REVERSE,
	[ROLE_ADDED] = A_BOLD,
	[ROLE_REMOVED] = A_NORMAL,
};

static const char *const names[THEME_KIND_COUNT] = {
	[THEME_DEFAULT] = "default",
	[THEME_CONTRAST] = "contrast",
	[THEME_MONO] = "mono",
};

int theme_find(const char *name)
{
	for (int i = 0; name && i < THEME_KIND_COUNT; i++)
		if (!strcmp(names[i], name))
			return i;
	return name ? -1 : THEME_DEFAULT;
}

static bool is_set(const char *name)
{
	const char *v = getenv(name);

	return v && *v;
}

static bool wants_color(const struct options *o)
{
	if (o->color)
		return strcmp(o->color, "never") != 0;
	return !is_set("NO_COLOR") && !is_set("UPSHIFT_NO_COLOR");
}

struct theme theme_choose(const struct options *o, int colors)
{
	struct theme t = { .kind = THEME_DEFAULT };
	int kind = theme_find(o->theme ? o->theme : getenv("UPSHIFT_THEME"));

	/* an unknown name in the environment is no reason to stop */
	if (kind >= 0)
		t.kind = (enum theme_kind)kind;
	if (t.kind != THEME_MONO && wants_color(o) && colors >= 8)
		t.colors = colors;
	return t;
}

static short color_of(const struct theme *t, enum sheet_role role)
{
	if (t->kind == THEME_CONTRAST)
		return COLOR_WHITE;
	if (t->colors >= 256)
		return normal[role].color256;
	return t->colors >= 16 ? normal[role].color16 : normal[role].color8;
}

/* curses does not know NO_COLOR: no start_color(), no colour */
void theme_start(const struct theme *t)
{
	if (!t->colors || start_color() == ERR)
		return;
	if (t->kind == THEME_DEFAULT)
		(void)use_default_colors(); /* else black, as it was */
	for (int role = 0; role < ROLE_COUNT; role++)
		(void)init_pair((short)(role + 1),
				color_of(t, (enum sheet_role)role),
				t->kind == THEME_CONTRAST ? COLOR_BLACK : -1);
	if (t->kind == THEME_CONTRAST)
		(void)bkgd((chtype)COLOR_PAIR(ROLE_NORMAL + 1) | ' ');
}

unsigned int theme_attr(const struct theme *t, enum sheet_role role,
			unsigned int flags)
{
	attr_t attr;

	/* its reason says it; this only makes it easier to pass over */
	if (flags & SPAN_OFF)
		role = ROLE_DIM;
	attr = t->kind == THEME_DEFAULT ? normal[role].attr : plain[role];
	if (t->kind == THEME_DEFAULT && !t->colors)
		attr = plain[role];
	/* a whole line in reverse would look like the focus */
	if (role == ROLE_BAD && !(flags & SPAN_MARK))
		attr &= ~(attr_t)A_REVERSE;
	if (t->colors && (t->kind == THEME_CONTRAST ||
			  color_of(t, role) >= 0))
		attr |= (attr_t)COLOR_PAIR(role + 1);
	if (flags & SPAN_FOCUS)
		attr = A_REVERSE | (attr & A_BOLD);
	else if (flags & SPAN_FIELD)
		attr |= A_UNDERLINE;
	return (unsigned int)attr;
}
