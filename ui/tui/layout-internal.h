/* SPDX-License-Identifier: MIT */
#ifndef TUI_LAYOUT_INTERNAL_H
#define TUI_LAYOUT_INTERNAL_H
/*
 * layout-internal - what the parts of layout share
 *
 * A struct build is one try to lay a sheet out, with so many rows a list, so
 * many of its blank lines, and with or without the log.
 */
#include "tui/layout.h"

#define SIDES_FROM 80             /* columns */
#define INDENT 2                  /* of rows, facts and choices */
#define MARK_COLS 7               /* "[ ok ] " */

struct build {
	const struct look *in;
	struct layout *out;
	int width;                /* of this part of the page */
	int fact_cols;            /* widest label of the facts */
	int field_cols;
	int row_max;              /* rows a list may show */
	int choice_max;           /* choices a page may show */
	size_t blanks;            /* blank lines that are kept, of those ... */
	size_t *blank_rank;       /* ... of the sheet, by item: 1 is the last
				     to go; 0 are those that part the log and
				     the sides */
	bool beside;              /* left and right are side by side */
	int log_room;             /* lines for the log; 0: none, < 0: beside */
};

/* a new line at the end of b->out */
struct line *build_line(struct build *b, enum line_kind kind);
/* safe text, cut to what is left of the line; returns the column behind it */
int build_span(struct build *b, struct line *line, int col, const char *text,
	       enum sheet_role role, unsigned int flags, int item);
char *build_safe(const struct build *b, const char *s, unsigned int flags);
bool build_focused(const struct build *b, const struct sheet_item *it);
/* marks the line that was added last as the one with the focus */
void build_cursor(struct build *b, int col);
/* wrapped text, first line in *line at col, the others below it */
void build_wrapped(struct build *b, struct line *line, int col, int cols,
		   const char *text, enum sheet_role role, int item);

/* "... 3 more below" */
void build_more(struct build *b, enum line_kind kind, size_t above,
		size_t below);

/* all of the sheet, from the first line on */
void build_page(struct build *b);
/* so that it is not higher; log_room says whether there is a log */
void build_fit(struct build *b, int height);
void build_line_release(struct line *line);

/* items i, i + 1, ... of one kind on one side; return the next index */
size_t build_table(struct build *b, const size_t *at, size_t i, size_t n);
size_t build_choices(struct build *b, const size_t *at, size_t i, size_t n);
void build_item(struct build *b, size_t item, bool after_row);
/* the lines of the log, h of them */
void build_log(struct build *b, int h);

#endif
