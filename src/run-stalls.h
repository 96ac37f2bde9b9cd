/* SPDX-License-Identifier: MIT */
#ifndef RUN_STALLS_H
#define RUN_STALLS_H
/*
 * run-stalls - for how long writers were held up, and by which step
 *
 * A fact of the run, the list RUN_STALLS; each entry is an object with step,
 * since and s, written by step-cutover-stall.c.
 */
struct json_object;
struct run;
struct strvec;

#define RUN_STALLS "stalls"

/* one of them in a sentence; caller frees */
char *run_stall_text(struct json_object *o);
/* all, with step and time */
void run_stalls(const struct run *r, struct strvec *ret);

#endif
