/* SPDX-License-Identifier: MIT */
#ifndef TUI_PAGER_H
#define TUI_PAGER_H
/*
 * pager - a long text or the log in full screen
 *
 * Wraps lines at the edge, searches with / n N, and follows the log until it
 * is scrolled up, with a visible mark. The text is copied; the log is read
 * from the model anew when lines came, and what is read stays where it is while
 * the oldest lines are dropped.
 */
#include <stdbool.h>

#include "base/strbuf.h"
#include "tui/draw.h"
#include "tui/field.h"
#include "tui/keymap.h"

struct pager {
	struct strbuf title;
	bool is_log, all, follow;
	struct strvec src;           /* safe lines, not wrapped */
	struct pager_line {
		enum sheet_role role;
		uint64_t ordinal;    /* of the log; else its number */
	} *src_line;                 /* [src.n] */
	size_t src_cap;
	struct strvec lines;         /* wrapped */
	size_t *from;                /* of src; [lines.n] */
	size_t from_cap;
	size_t top;
	uint64_t top_ordinal;        /* of src, to find it again */
	int cols, height;
	unsigned int safe;
	uint64_t log_end;            /* of the log as it was read last */
	struct field search;
	bool searching;              /* the prompt is open */
	char *found;                 /* what is searched, or NULL */
	bool missing;                /* it was not found */
};

void pager_init(struct pager *p);
void pager_release(struct pager *p);
/* lines are copied; a text with "@@" lines is shown as a diff */
void pager_open_text(struct pager *p, const char *title,
		     const struct strvec *lines, unsigned int safe);
void pager_open_log(struct pager *p, unsigned int safe);
/* false: the pager is to be closed */
bool pager_key(struct pager *p, const struct key *k);
/* true if something is to be drawn anew */
bool pager_update(struct pager *p, const struct model *m);
void pager_draw(struct pager *p, struct frame *f, const struct terminal *t,
		const struct model *m, struct strbuf *status, int *cursor_y,
		int *cursor_x);

#endif
