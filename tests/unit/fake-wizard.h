/* SPDX-License-Identifier: MIT */
#ifndef FAKE_WIZARD_H
#define FAKE_WIZARD_H
/*
 * fake-wizard - a wizard without an engine
 *
 * Its pages come from the test, what it is told to do is written down, and time
 * goes on by one each time the test sends a byte. For the plain front end
 * (plain-talk.h) and for the screens (../tui/fake-screens.h).
 */
#include "model.h"
#include "wizard.h"

struct wizard {
	enum page page;
	int tick;
	bool secret_given;
	enum wizard_stop stop;
	const char *notice;
	const char *abort_text, *text_title;
	const char *goodbye;         /* NULL: as of a run that is complete */
	struct model model;
	struct options options;
	struct strvec text;
	int events;                  /* read end: one byte is one tick; -1 */
	int acts;                    /* "act id row value" lines go here */
	int exit;
	char *select;
	void (*sheet)(struct wizard *w, struct sheet *s);
	unsigned int (*act)(struct wizard *w, const char *id, const char *row,
			    const char *value);
	unsigned int (*ticked)(struct wizard *w);
	/* in the place of ticks, of a clock and of a help; NULL: the usual */
	unsigned int (*io)(struct wizard *w);
	int (*timeout)(const struct wizard *w);
	void (*help)(const struct wizard *w, struct strvec *ret);
	void *priv;                  /* of the test */
};

/* PAGE_COUNT: no such code */
enum page fake_page(const char *code);

void fake_wizard_init(struct wizard *w);
void fake_wizard_release(struct wizard *w);
/* another page: what act() and ticked() return then */
unsigned int fake_go(struct wizard *w, enum page page);
/* the lines that every page has */
void fake_frame(struct wizard *w, struct sheet *s, const char *phase);

#endif
