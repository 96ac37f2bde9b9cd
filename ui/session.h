/* SPDX-License-Identifier: MIT */
#ifndef SESSION_H
#define SESSION_H
/*
 * session - from a command line to a root, a run and its plan
 *
 * Functions return 0, or the exit status, having said why on standard error.
 */
#include "command.h"
#include "plan.h"
#include "run.h"

struct session {
	const struct options *o;
	const struct step_ops *const *kinds;
	struct state_dir sd;
	struct run *run;
	struct plan *plan;
	struct plan_scope scope;
	struct json_object *vars, *answers, *record;
	char *root, *run_started, *plan_path;
	char *backup;
	struct strvec confirm;       /* words given now, and when it began */
};

void session_init(struct session *s, const struct options *o,
		  const struct step_ops *const *kinds);
void session_release(struct session *s);
/* the plan named on the command line, or found; all its problems said */
int session_lint(struct session *s);
/* to standard error, with file and line */
struct plan_problems;
void session_say_problems(const struct session *s,
			  const struct plan_problems *p);
/* root from --root or the plan; state directory opened, not made */
int session_root(struct session *s);
/* the run that a command without PLAN is about; writable takes the lock */
int session_open_run(struct session *s, bool writable);
/* paths of the plans here, or else of the installed ones */
void session_plans(struct strvec *ret);
/* the plan copy of the open run, to be looked at: what is missing to carry it
   out (secret answers) may be missing */
int session_show_plan(struct session *s);
/* the plan copy of the open run, with what was in force then */
int session_run_plan(struct session *s);
/* vars and answers from options and files into scope */
int session_values(struct session *s);
/* the plan for a new run id, everything filled in */
int session_new_plan(struct session *s, const char *id);
void session_engine_spec(struct session *s, struct engine_spec *spec,
			 struct event_bus *bus);
void session_bus(struct session *s, struct event_bus *bus, void *batch);

#endif
