/* SPDX-License-Identifier: MIT */
#ifndef TUI_FIELD_H
#define TUI_FIELD_H
/*
 * field - one line of text that a user types
 *
 * Holds UTF-8 and a cursor between characters. A secret is shown as one star a
 * character and wiped from memory when it is changed or released.
 */
#include <stdbool.h>
#include <stddef.h>

struct strbuf;

#define FIELD_MAX 4000           /* bytes */

struct field {
	char *text;
	size_t len, cap, at;     /* bytes; at: the cursor */
	bool secret, changed;
};

enum field_key {
	FIELD_LEFT, FIELD_RIGHT, FIELD_HOME, FIELD_END,
	FIELD_BACKSPACE, FIELD_DELETE,
	FIELD_CUT_LINE,          /* to the start of the line (^U) */
	FIELD_CUT_END,           /* to its end (^K) */
	FIELD_CUT_WORD,          /* the word before the cursor (^W) */
};

void field_init(struct field *f, bool secret);
void field_release(struct field *f);
void field_set(struct field *f, const char *text);
/*
 * What was typed or pasted. Newlines and tabs become blanks, other control
 * characters are left out. False if it had no room.
 */
bool field_insert(struct field *f, const char *text);
void field_key(struct field *f, enum field_key key);
/* what is seen of it in cols columns, and the cursor's column in that */
void field_view(const struct field *f, int cols, unsigned int safe,
		struct strbuf *out, int *ret_cursor);

#endif
