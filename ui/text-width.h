/* SPDX-License-Identifier: MIT */
#ifndef TEXT_WIDTH_H
#define TEXT_WIDTH_H
/*
 * text-width - text in columns of a screen
 *
 * Whatever comes to a screen passes width_safe() first: what a terminal would
 * obey instead of showing (control characters, C1, invalid UTF-8) and what
 * changes the order of other text (bidirectional controls) becomes visible as
 * \xHH, \uHHHH or \n. So no plan, file name or output of a command can move
 * the cursor, change a colour or pretend to be another screen.
 *
 * The other functions take text made safe and count columns as wcwidth() of
 * the present locale does: two for wide characters, none for combining marks.
 * Nothing is ever cut within a character or before its combining marks.
 */
#include <stdbool.h>
#include <stddef.h>

struct strbuf;
struct strvec;

enum width_flags {
	WIDTH_UTF8 = 1u << 0,   /* the terminal shows UTF-8; else ASCII only */
	WIDTH_LINES = 1u << 1,  /* newlines stay */
	WIDTH_TABS = 1u << 2,   /* tabs stay */
};

void width_safe(struct strbuf *out, const char *s, unsigned int flags);
/* columns of s */
int width_of(const char *s);
/* bytes from the start of s that fit into cols; *ret_cols: what they take */
size_t width_fit(const char *s, int cols, int *ret_cols);
/* bytes of the character before s + at, its combining marks included */
size_t width_back(const char *s, size_t at);
/* bytes of the character at s, its combining marks included; 0 at the end */
size_t width_next(const char *s);
/* s, or as much of it as fits before "..." */
void width_cut(struct strbuf *out, const char *s, int cols);
/*
 * Lines of at most cols columns, broken at blanks where possible, and between
 * wide characters; blanks at the start of a paragraph indent all its lines.
 */
void width_wrap(struct strvec *out, const char *s, int cols);
/* s, and blanks up to that many columns; what is longer stays whole */
void width_pad(struct strbuf *out, const char *s, int cols);
/* a word in capitals gets small letters after the first; others stay */
void width_uncapital(struct strbuf *out, const char *word);
/* tabs become blanks up to the next multiple of eight columns */
void width_untab(struct strbuf *out, const char *s);

#endif
