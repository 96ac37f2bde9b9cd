/* SPDX-License-Identifier: MIT */
#ifndef TUI_DIALOG_H
#define TUI_DIALOG_H
/*
 * dialog - questions of the screens themselves, as sheets
 *
 * A dialog takes the place of the page's body; header, safety line and keys
 * stay. Its choices have the ids that wizard_act() takes, "stay" closes it.
 */
struct sheet;
struct wizard;

/* how to stop while something runs, or between two steps; page: its header */
void dialog_stop(struct sheet *s, const struct sheet *page,
		 const struct wizard *w);

#endif
