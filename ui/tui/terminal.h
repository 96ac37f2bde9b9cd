/* SPDX-License-Identifier: MIT */
#ifndef TUI_TERMINAL_H
#define TUI_TERMINAL_H
/*
 * terminal - the terminal itself: taken, given back, read
 *
 * terminal_start() puts it into raw mode (no key is a signal, ^S is a key like
 * any other except on a serial line) and on its second screen if it has one;
 * terminal_stop() undoes that and may be called at any time and twice. There
 * is one terminal, as there is one in curses.
 */
#include <stdbool.h>

#include "tui/theme.h"

struct options;

enum key_kind {
	K_NONE,            /* nothing (more) to read */
	K_CHAR,            /* text: one character */
	K_PASTE,           /* text: what was pasted, to be freed */
	K_CTRL,            /* text[0]: the letter, 'A' to '_' */
	K_ENTER, K_TAB, K_BACKTAB, K_ESC, K_BACKSPACE, K_DELETE,
	K_UP, K_DOWN, K_LEFT, K_RIGHT, K_HOME, K_END, K_PGUP, K_PGDN,
	K_F1,
	K_CLICK,           /* x, y */
	K_WHEEL_UP, K_WHEEL_DOWN,
	K_OTHER,           /* a key that means nothing here */
};

struct key {
	enum key_kind kind;
	char text[8];      /* K_CHAR, K_CTRL */
	char *paste;       /* K_PASTE */
	int x, y;
};

struct terminal {
	struct theme theme;
	unsigned int safe; /* enum width_flags for what is shown */
	int cols, lines;
	bool slow;         /* a remote line: fewer updates */
};

/* 0; or -errno, and the terminal as it was */
int terminal_start(struct terminal *t, const struct options *o);
void terminal_stop(void);
/* no lock, no memory: for handlers of fatal signals */
void terminal_emergency(void);
/* gives it back, stops the process group, takes it again */
void terminal_suspend(struct terminal *t);
/* after a stop that was not ours: a shell has had the terminal meanwhile */
void terminal_continue(struct terminal *t);
/* reads the size again; all will be drawn anew */
void terminal_resize(struct terminal *t);
void terminal_redraw(void);
/* never waits */
struct key terminal_key(void);
/* forgets what was typed before now */
void terminal_flush(void);
void terminal_bell(void);
/*
 * How far it is, for the task bar or the tab of those terminals that are known
 * to show it (OSC 9;4, from ConEmu); < 0: nothing goes on. It is taken back when
 * the terminal is given back.
 */
void terminal_progress(int percent);
void terminal_mouse(bool on);
/* the window's size, where it is known; else as it was */
void terminal_size(int *cols, int *lines);
/* NULL, or why there can be no screens */
const char *terminal_unusable(int cols_min, int lines_min);

#endif
