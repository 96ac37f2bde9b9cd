/* SPDX-License-Identifier: MIT */
#ifndef TUI_DRAW_H
#define TUI_DRAW_H
/*
 * draw - the frame and what stands in it
 *
 * Row 0: application, phase, run, code. Row 1: rule. The body. Then a rule,
 * the safety line, the status sentence, the keys. Both lines of text may take
 * two rows on a narrow screen that is high enough.
 */
#include "tui/layout.h"
#include "tui/terminal.h"

struct frame {
	const struct sheet *sheet;   /* header and safety line */
	const char *status;          /* instead of the sheet's, or NULL */
	enum sheet_role status_role;
	const char *keys;            /* safe */
	int body_y, body_lines;      /* by draw_frame_size() */
	int foot_y;
};

/* where the body goes on a terminal of this size */
void draw_frame_size(struct frame *f, const struct terminal *t);
/* all but the body; the screen is empty before */
void draw_frame(const struct frame *f, const struct terminal *t);
void draw_layout(const struct layout *l, const struct frame *f,
		 const struct terminal *t);
void draw_begin(void);
/* y, x: where the cursor is seen */
void draw_end(int y, int x);
/* safe text, cut at the edge */
void draw_text(const struct terminal *t, int y, int x, const char *text,
	       enum sheet_role role, unsigned int flags);
/* instead of everything: no room for a page */
void draw_too_small(const struct terminal *t, const char *text);

#endif
