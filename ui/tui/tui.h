/* SPDX-License-Identifier: MIT */
#ifndef TUI_H
#define TUI_H
/*
 * tui - the wizard on a terminal that can move its cursor
 *
 *	if (!(why = tui_unusable(o)))
 *		ret = tui_run(w);        after wizard_open()
 *
 * tui_run() takes the terminal of standard input and output, shows the
 * wizard's sheets until the user leaves, and puts the terminal right again
 * whatever happens: on return, in die(), on a fatal signal. It changes no data
 * and knows nothing of runs; every choice goes to wizard_act(). Signals: TERM
 * and HUP, and a terminal that is gone, leave the screens and let the engine
 * go on; TSTP stops the screens alone.
 */
struct options;
struct wizard;

/* the least the screens can do with */
#define TUI_COLS_MIN 40
#define TUI_LINES_MIN 12

/* tui_run(): the user asked for plain mode; the wizard is as it was */
#define TUI_PLAIN (-1)

/* NULL, or why there can be no screens; valid until the next call */
const char *tui_unusable(const struct options *o);
/*
 * wizard_exit() when the user left, having printed wizard_farewell(); or
 * TUI_PLAIN. The wizard stays open.
 */
int tui_run(struct wizard *w);

#endif
