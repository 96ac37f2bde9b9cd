/* SPDX-License-Identifier: MIT */
#ifndef WINDOW_H
#define WINDOW_H
/*
 * window - the hours of a day in which a step may begin
 *
 * "HH:MM-HH:MM", then a blank and "UTC", "local" or "+HH:MM", "-HH:MM" (east
 * of UTC is +); nothing is UTC. The first minute is inside, the last is not;
 * a window may go over midnight. Pure: time is given.
 */
#include <stdbool.h>
#include <time.h>

struct window {
	bool given;
	short from, until;       /* minutes of the day */
	bool local;
	int offset_s;            /* east of UTC, if not local */
};

/* 0 or -EINVAL */
int window_parse(const char *text, struct window *ret);
/* true also where none is given */
bool window_is_open(const struct window *w, time_t t);
/* t, or when it opens next */
time_t window_opening(const struct window *w, time_t t);

#endif
