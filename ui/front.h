/* SPDX-License-Identifier: MIT */
#ifndef FRONT_H
#define FRONT_H
/*
 * front - the wizard on whatever the user has: screens, or lines of text
 *
 * Screens where the terminal can show them; else plain lines and one sentence
 * that says why. --plain, ACCESSIBLE=1 and TERM=dumb ask for lines.
 */
#include <stdbool.h>

struct options;
struct step_ops;

/* nobody said --batch or --json, and somebody is there who reads and types:
   a terminal, or whoever asked for plain lines */
bool front_is_wanted(const struct options *o);
/* opens, shows and closes the wizard; the exit status */
int front_run(const struct options *o, const struct step_ops *const *kinds,
	      bool read_only);

#endif
