/* SPDX-License-Identifier: MIT */
#ifndef WIZARD_H
#define WIZARD_H
/*
 * wizard - the walk from plan to finish, for whoever shows it
 *
 * The wizard knows the page it is on, what stands there (wizard_sheet()) and
 * what each choice does (wizard_act()). It starts the engine as a process in a
 * session of its own, listens to its socket and sends it answers; it never
 * touches the data. The screens and the plain front end call:
 *
 *	wizard_open() -> loop { wizard_sheet(), show, poll keys and
 *	wizard_poll_fds(), wizard_io() or wizard_act() } -> wizard_close()
 *
 * One thread. Before a choice acts, the journal is read again (I act on the
 * present state, not on what the screen shows): where it has moved on,
 * wizard_act() does nothing and returns WIZARD_MOVED.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "command.h"
#include "model.h"
#include "sheet.h"

enum page {
	PAGE_W05,          /* which plan? */
	PAGE_W10,          /* the plan */
	PAGE_A15,          /* answers */
	PAGE_C20,          /* checks */
	PAGE_C25,          /* other folder for the backup */
	PAGE_B30,          /* backup */
	PAGE_S40,          /* step confirmation */
	PAGE_S42,          /* sign-off */
	PAGE_S45,          /* typed words of a step that has no way back */
	PAGE_P50,          /* progress: steps, verification, rollback */
	PAGE_F60,          /* failure */
	PAGE_R70,          /* unfinished run */
	PAGE_K80,          /* which point? */
	PAGE_K81,          /* preview of the rollback */
	PAGE_K82,          /* typed words */
	PAGE_D90,          /* finish */
	PAGE_COUNT
};

/* what a call of the wizard led to; or-ed */
enum wizard_result {
	WIZARD_NOTHING = 0,
	WIZARD_REDRAW = 1u << 0,     /* something on the page changed */
	WIZARD_PAGE = 1u << 1,       /* another page: type-ahead is discarded */
	WIZARD_ASKED = 1u << 8,      /* a question on the page that is there:
					type-ahead is discarded, the focus goes
					where the sheet has it */
	WIZARD_QUIT = 1u << 2,       /* leave; wizard_exit() is the status */
	WIZARD_MOVED = 1u << 3,      /* the run had moved on; look again */
	WIZARD_REFUSED = 1u << 4,    /* not accepted; wizard_notice() says why */
	WIZARD_BELL = 1u << 5,       /* input is needed, or a long phase ended */
	WIZARD_SHOW_LOG = 1u << 6,   /* the front end's own views */
	WIZARD_SHOW_TEXT = 1u << 7,  /* wizard_text(): diff, list, notes */
};

struct wizard;

/*
 * 0 and a wizard; or an exit status, having said why on standard error.
 * read_only: watches, can act on nothing.
 */
int wizard_open(struct wizard **ret, const struct options *o,
		const struct step_ops *const *kinds, bool read_only);
/* the engine, if there is one, goes on */
void wizard_close(struct wizard *w);

enum page wizard_page(const struct wizard *w);
const struct model *wizard_model(const struct wizard *w);
/* the page as it is now; s is initialized, the caller releases it */
void wizard_sheet(struct wizard *w, struct sheet *s);
/*
 * The row that has the focus now, or NULL: the sheet may say more on it. To be
 * called before wizard_sheet() whenever it changed.
 */
unsigned int wizard_select(struct wizard *w, const char *row);
/*
 * id: of a choice or a key of the sheet, of a field (then value is what was
 * typed there, when the focus leaves it or Enter is pressed and the sheet has
 * no SHEET_ENTER), or one of "back", "quit", "stop"
 * (after this step), "abort" (now), "leave" (the engine goes on), "log",
 * "details", "support". row: id of the selected row, or NULL. value: what was
 * typed into the field row, or NULL.
 */
unsigned int wizard_act(struct wizard *w, const char *id, const char *row,
			const char *value);
/* descriptors to wait for; returns their number (at most WIZARD_FDS) */
#define WIZARD_FDS 6
size_t wizard_poll_fds(struct wizard *w, struct pollfd *p);
/* after poll(), whether something came or not */
unsigned int wizard_io(struct wizard *w);
/* ms until wizard_io() wants to be called for the clock's sake; -1: never */
int wizard_timeout(const struct wizard *w);
/* what quitting would mean now: nothing to lose, between steps, in a step */
enum wizard_stop { STOP_FREE, STOP_BETWEEN, STOP_WORKING };
enum wizard_stop wizard_stop_kind(const struct wizard *w);
/* may "abort" leave the step half done? one sentence on what happens then */
char *wizard_abort_text(const struct wizard *w);
/* one sentence for the user about the last call, or NULL */
const char *wizard_notice(const struct wizard *w);
/* lines of the text that WIZARD_SHOW_TEXT is about; title in *ret_title */
const struct strvec *wizard_text(const struct wizard *w,
				 const char **ret_title);
/* help for this page: paragraphs, translated, the plan's support at the end */
void wizard_help(const struct wizard *w, struct strvec *ret);
/* the summary for the normal screen, at most 12 lines; empty: none */
void wizard_farewell(struct wizard *w, struct strvec *ret);
int wizard_exit(const struct wizard *w);
/* options as given: --theme, --ascii, --mouse, --lang, ... */
const struct options *wizard_options(const struct wizard *w);

const char *page_code(enum page p);

#endif
