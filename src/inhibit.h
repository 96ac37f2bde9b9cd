/* SPDX-License-Identifier: MIT */
#ifndef INHIBIT_H
#define INHIBIT_H
/*
 * inhibit - the machine does not sleep or shut down in the middle of the work
 *
 * Where systemd-logind is there, its own tool takes an inhibitor for sleep,
 * idle, shutdown and the lid (systemd-inhibit(1)) and holds it as long as we
 * hold the descriptor that inhibit_begin() returns: whatever ends this process
 * ends the inhibitor. Where it is not there, or refuses, nothing happens: this
 * is a courtesy and not what the data's safety rests on.
 */

/* -1: there is none; else a descriptor to be closed */
int inhibit_begin(const char *why);
void inhibit_end(int fd);

#endif
