/* SPDX-License-Identifier: MIT */
#ifndef TUI_APP_INTERNAL_H
#define TUI_APP_INTERNAL_H
/*
 * app-internal - what the loop (app.c) and the keys (app-keys.c) share
 *
 * Invariants:
 * 1. One view has the keys: the pager if it is open, else the dialog if it is
 *    open, else the page. On a terminal that is too small none has.
 * 2. Only app_act() calls wizard_act(), and nothing but a key leads there.
 * 3. What was typed before a page came up is thrown away.
 */
#include <stdbool.h>
#include <stdint.h>

#include "tui/pager.h"
#include "tui/pane.h"
#include "tui/terminal.h"
#include "wizard.h"

struct app {
	struct wizard *w;
	struct terminal term;
	struct pane page, dialog;
	struct pager pager;
	struct frame frame;          /* as drawn last */
	enum page shown;             /* whose sheet is in page */
	bool dialog_open, pager_open;
	bool fresh;                  /* the page has not been drawn yet */
	bool stale;                  /* the wizard has a new sheet */
	bool dirty;                  /* to be drawn before the next wait */
	bool later;                  /* to be drawn when the time has come */
	uint64_t drawn_ms;
	bool notice;                 /* the status line shows it */
	bool mouse;
	bool done;
	int ret;
};

/* a choice, key or field; value: NULL or what was typed */
void app_act(struct app *a, const char *id, const char *row,
	     const char *value);
void app_key(struct app *a, const struct key *k);
/* asks how to stop, or leaves if there is nothing to lose */
void app_ask_stop(struct app *a, bool interrupt);
void app_result(struct app *a, unsigned int result);
void app_leave(struct app *a);
/* for keys and hints */
struct hints app_hints(const struct app *a);
bool app_too_small(const struct app *a);

#endif
