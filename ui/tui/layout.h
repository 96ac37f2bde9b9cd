/* SPDX-License-Identifier: MIT */
#ifndef TUI_LAYOUT_H
#define TUI_LAYOUT_H
/*
 * layout - a sheet as lines of a given width and height, without a terminal
 *
 * layout_make() turns the items of a sheet into lines of spans that draw.c
 * puts on the screen. It is pure: the same sheet, size and focus give the same
 * lines. What does not fit is taken away in this order: rows of a long list
 * (a window around the focus, with a line that counts the rest), blank lines
 * one by one, the log where the sheet allows it; after that the page scrolls, with the
 * choices kept in sight. From 80 columns on, what stands on the right side
 * stands there; on narrower screens it comes first, and what is on the left
 * follows. From 120 columns on the log stands beside the page.
 *
 * All text in spans is safe (see text-width.h) and owned by the layout.
 */
#include <stdbool.h>
#include <stddef.h>

#include "sheet.h"

struct field;
struct model;

enum span_flags {
	SPAN_FOCUS = 1u << 0,    /* reverse: Enter acts here */
	SPAN_MARK = 1u << 1,     /* "[ ok ]", "[###..]": role is a colour */
	SPAN_OFF = 1u << 2,      /* a choice that cannot be taken */
	SPAN_FIELD = 1u << 3,    /* to be typed into */
};

struct span {
	int col, cols;
	enum sheet_role role;
	unsigned int flags;
	int item;                /* of the sheet, or -1 */
	char *text;
};

enum line_kind { LINE_TEXT, LINE_BLANK, LINE_FILL, LINE_CHOICE, LINE_LOG };

struct line {
	enum line_kind kind;
	struct span *span;
	size_t n, cap;
};

/* how much of the log is seen; the caller keeps it between two pages */
struct log_place {
	bool follow;
	uint64_t last;           /* ordinal (of all ever) of the lowest line */
};

/* what is laid out; all borrowed */
struct look {
	const struct sheet *sheet;
	const struct model *model;     /* NULL: no log */
	const struct log_place *log;
	const struct field *field;     /* of the item that has the focus */
	const char *focus;             /* id, or NULL */
	const char *row;               /* id of the selected row, or NULL */
	int width, height;
	int scroll;                    /* lines, where the page scrolls */
	bool to_focus;                 /* scroll to where the focus is */
	unsigned int safe;             /* enum width_flags */
};

struct layout {
	struct line *v;
	size_t n, cap;
	int cursor_y, cursor_x;        /* of the focus; -1: none */
	int scroll, scroll_max;        /* as it came out */
	int scroll_room;               /* lines of the part that scrolls */
	int log_y, log_n;              /* lines of the log; 0: not shown */
};

void layout_init(struct layout *l);
void layout_release(struct layout *l);
void layout_make(struct layout *l, const struct look *in);

#endif
