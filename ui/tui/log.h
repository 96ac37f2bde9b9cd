/* SPDX-License-Identifier: MIT */
#ifndef TUI_LOG_H
#define TUI_LOG_H
/*
 * log - the lines of the model, as a pane of a page or in full screen
 *
 * Lines are counted over all that ever came, so that a place in the log stays
 * the same line while others arrive and the oldest are dropped.
 */
#include <stdbool.h>
#include <stdint.h>

#include "sheet.h"
#include "tui/layout.h"

struct strbuf;

/* ordinal of the oldest line that is kept, and of the one after the newest */
uint64_t log_first(const struct model *m);
uint64_t log_end(const struct model *m);
/* "12:04:08 copied"; returns how it is to be shown */
enum sheet_role log_line(const struct model *m, uint64_t ordinal,
			 unsigned int safe, struct strbuf *out);
/* a step's beginning or end, a note; not the output of a command */
bool log_is_step_line(const struct model *m, uint64_t ordinal);
/* moves the pane of h lines by so many lines; down to the end follows again */
void log_move(struct log_place *at, const struct model *m, int lines, int h);

#endif
