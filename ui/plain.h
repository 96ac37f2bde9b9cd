/* SPDX-License-Identifier: MIT */
#ifndef PLAIN_H
#define PLAIN_H
/*
 * plain - the wizard as lines of text, for speech, braille and dumb terminals
 *
 * The same walk as on the screens (wizard.h), append-only: each fact is said
 * once as a line; nothing is redrawn, coloured or moved. What changes later is
 * said when it changes: the result of a check, the end of a step, the safety
 * line. Progress is said at each tenth and at least every 30 seconds
 * (--progress-interval). Questions have numbers; an answer is a line: a
 * number, a letter of the page, the words that are asked for, or
 *
 *	?  help     <  back     s  state of the data     l  log     q  quit
 *
 * A line ends with a newline; what stands before the end of input without one
 * is no answer. The end of input is a closed terminal: the wizard is left, the
 * engine finishes its step and waits. Secrets are read with echo off; the
 * terminal is put right again on every way out, also by signals and die().
 */
struct wizard;

/* until the wizard is left; the exit status */
int plain_run(struct wizard *w);

#endif
