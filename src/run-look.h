/* SPDX-License-Identifier: MIT */
#ifndef RUN_LOOK_H
#define RUN_LOOK_H
/*
 * run-look - where a run stands, without all that it did
 *
 * For who asks at every start of an application. The journal is read and
 * checked to its end as run_open() does, which is what makes the answer true;
 * but records of steps, facts, decisions and warnings are not looked into. Of
 * struct run these hold: begun, state, rollback_point, backup, and so
 * run_is_open(). Read-only.
 */
struct error;
struct run;
struct state_dir;

/* as run_open() */
int run_look(struct run **ret, struct state_dir *sd, const char *id,
	     struct error *err);

#endif
