/* SPDX-License-Identifier: MIT */
#ifndef TUI_KEYMAP_H
#define TUI_KEYMAP_H
/*
 * keymap - which key does what, and which keys are named at the bottom
 *
 * One table of keys; views get actions, never keys. Letters are the same in
 * every language, because support staff name them on the phone. No letter
 * changes data: what does so is a choice that Enter takes.
 */
#include <stdbool.h>

#include "sheet.h"
#include "tui/terminal.h"
#include "wizard.h"

enum action {
	ACT_NONE,
	ACT_NEXT, ACT_PREV,            /* Tab, Shift-Tab */
	ACT_UP, ACT_DOWN, ACT_LEFT, ACT_RIGHT,
	ACT_TICK, ACT_PAGE_UP, ACT_PAGE_DOWN, ACT_HOME, ACT_END,
	ACT_ENTER,
	ACT_BACK,                      /* Esc, < */
	ACT_DIGIT,                     /* key->text[0] */
	ACT_HELP, ACT_LOG, ACT_DETAILS, ACT_SUPPORT, ACT_FOLLOW,
	ACT_SEARCH, ACT_SEARCH_NEXT, ACT_SEARCH_PREV, ACT_ALL_LINES,
	ACT_MOUSE, ACT_REDRAW, ACT_SUSPEND,
	ACT_QUIT, ACT_STOP,            /* q, ^C */
	ACT_COUNT
};

/* where keys go; decides what a letter means */
enum keymap_view {
	VIEW_PAGE = 1u << 0,
	VIEW_TYPED = 1u << 1,          /* a field: letters are text */
	VIEW_PAGER = 1u << 2,
	VIEW_DIALOG = 1u << 3,
};

enum action keymap_action(const struct key *k, enum keymap_view view);

/* what the line of keys has to know */
struct hints {
	enum keymap_view view;
	enum page page;
	const struct sheet *sheet;
	const struct sheet_item *focus;   /* NULL: none */
	enum wizard_stop stop;
	int stops;                        /* items that can have the focus */
	bool log_shown;                   /* in the page; up and down move it */
	bool is_log;                      /* pager */
};

/*
 * "Tab Move  Enter Choose  ? Help  q Quit" in at most cols columns; what does
 * not fit is left out, help and the way out last.
 */
void keymap_line(const struct hints *h, int cols, unsigned int safe,
		 struct strbuf *out);
/* what the help of the wizard cannot know: this page's letters, the screen's */
void keymap_help(const struct hints *h, struct strvec *out);

#endif
