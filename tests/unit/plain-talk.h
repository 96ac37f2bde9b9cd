/* SPDX-License-Identifier: MIT */
#ifndef PLAIN_TALK_H
#define PLAIN_TALK_H
/*
 * The plain front end in a child process, with a pipe or a terminal for its
 * input. Nothing waits for a time: a test sends a byte for each tick of the
 * fake wizard and reads on until what it expects has come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "fake-wizard.h"

struct talk {
	pid_t pid;
	int in;                      /* what is typed; the terminal's master */
	int out;                     /* what is said; the same with a terminal */
	int acts, ticks;
	int slave;                   /* kept open to look at, or -1 */
	struct strbuf said;
	size_t at;                   /* up to here the test has looked */
};

/* w: as the child gets it; released here */
void talk_open(struct talk *t, struct wizard *w, bool tty);
void talk_close(struct talk *t);
void type(struct talk *t, const char *s);
void tick(struct talk *t);
void end_of_input(struct talk *t);
/* reads on until text has come behind what was expected before */
void expect(struct talk *t, const char *text);
void expect_not(const struct talk *t, const char *text);
/* everything that was said is heard; its exit status */
int finish(struct talk *t);
/* the calls of wizard_act() were these, one a line: id row value */
void acts_are(struct talk *t, const char *wanted);

/* --- wizards that are used by more than one test --- */
/* K80 to K82, then D90: as on the twelfth sheet of the design */
void rollback_wizard(struct wizard *w);
/* A15 with a text, a text with a value, and a secret */
void answer_wizard(struct wizard *w);

#endif
