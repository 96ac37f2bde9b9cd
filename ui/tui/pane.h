/* SPDX-License-Identifier: MIT */
#ifndef TUI_PANE_H
#define TUI_PANE_H
/*
 * pane - a sheet on the screen, with what belongs to the eye: focus, selected
 * row, scrolling, what is being typed
 *
 * pane_take() gives it a new sheet (moved, the caller's is empty afterwards);
 * focus, row and what was typed stay if the sheet still has them; until the user
 * has moved the focus it goes where the sheet wants it. It moves the focus and
 * says what has it; it never acts.
 */
#include <stdbool.h>

#include "sheet.h"
#include "tui/draw.h"
#include "tui/field.h"
#include "tui/keymap.h"
#include "tui/layout.h"

struct pane {
	struct sheet sheet;
	char *focus;             /* id, or NULL: nothing can have it */
	char *row;               /* id of the row that had it last, or NULL */
	struct field field;      /* of the focus, if that is a field */
	char *field_id;          /* whose text is in it */
	int scroll;
	bool touched;            /* the user moved the focus on this page */
	bool to_focus;           /* the focus moved: it is to be seen */
	struct log_place log;
	struct layout layout;    /* as drawn last */
};

void pane_init(struct pane *p);
void pane_release(struct pane *p);
/*
 * anew: another page; the sheet says where the focus is. True if the focus went
 * elsewhere without a key: what was typed is not meant for what has it now.
 */
bool pane_take(struct pane *p, struct sheet *s, bool anew);
const struct sheet_item *pane_focus(const struct pane *p);
/* is the focus a field, so that letters are text? */
bool pane_typing(const struct pane *p);
/* items that can have the focus */
int pane_stops(const struct pane *p);
/* id may be NULL; false: it cannot have the focus */
bool pane_set_focus(struct pane *p, const char *id);
/* moves or scrolls; false: the action is none of these */
bool pane_move(struct pane *p, enum action a, const struct model *m);
/* the item with this digit gets the focus */
bool pane_digit(struct pane *p, char digit);
/* a key of the field; false: it is none */
bool pane_type(struct pane *p, const struct key *k);
/* true: the focus was out of sight; it will be seen when drawn again */
bool pane_show_focus(struct pane *p);
/* screen line and column to item; it gets the focus */
void pane_click(struct pane *p, const struct frame *f, int x, int y);
void pane_draw(struct pane *p, const struct frame *f, const struct terminal *t,
	       const struct model *m);

#endif
