/* SPDX-License-Identifier: MIT */
#ifndef UPSHIFT_H
#define UPSHIFT_H
/*
 * libupshift - an application migrates its users' data at its own start
 *
 * Each call starts the program `upshift` and reads its events, upshift(1) and
 * upshift-events(7); it returns when that has ended. Signals, locale and
 * threads of the caller are not touched, and any thread may call; what happens
 * to the caller does not hurt the data, as the work is done in the other
 * process. Fill options and results with {0} first:
 *
 *	struct upshift_options o = { .plan = "app.plan", .root = dir,
 *				     .yes = true, .if_needed = true };
 *	struct upshift_result r;
 *
 *	if (upshift_run(&o, false, &r) < 0 || !r.success)
 *		complain(r.message);
 *	upshift_result_free(&r);
 *
 * Calls return 0 where upshift ran to its end, however that was (the result
 * tells), or -errno: it could not be started, or its end is not known. -ECHILD:
 * the caller ignores SIGCHLD or waits for all children, and the events did not
 * tell the end. All results are to be released, after errors too. Texts are
 * UTF-8 and belong to the result.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define UPSHIFT_API __attribute__((visibility("default")))
#else
#define UPSHIFT_API
#endif

/* One event. Texts are NULL where there is none and end with the call. */
struct upshift_event {
	const char *type;        /* "step", "progress", "check", ... */
	const char *id, *state, *phase, *message;
	uint64_t done, total;    /* of progress; total 0: not known */
	int n, of;               /* of steps; 0: not known */
	const char *json;        /* the whole object */
};
/* not 0: stop at the next safe point, as SIGTERM does; the call still returns
   when upshift has ended. Runs in the thread of the call. */
typedef int upshift_event_fn(void *ctx, const struct upshift_event *ev);

struct upshift_options {
	const char *program;     /* NULL: "upshift", found by PATH */
	const char *plan;        /* for run and validate */
	const char *root;        /* NULL: as the plan has it */
	const char *state_dir, *backup_dir, *answers_file;
	const char *const *set;  /* "NAME=VALUE" ..., NULL; or NULL */
	bool yes;                /* --yes: all that can be undone */
	bool if_needed, again;   /* --if-needed, --again */
	upshift_event_fn *on_event;
	void *ctx;
};

enum upshift_severity { UPSHIFT_OK, UPSHIFT_WARN, UPSHIFT_FAIL };

/* a check, a verification, a warning or an error */
struct upshift_finding {
	enum upshift_severity severity;
	char *id;                /* of check or step; "" if there is none */
	char *message, *hint;    /* "" if there is none */
};

struct upshift_result {
	bool success;            /* status 0 or 3; dry run: 9, too */
	bool nothing_to_do;      /* --if-needed found nothing to be done */
	int status;              /* exit status of upshift; -1: not known */
	int steps_completed, steps_failed, steps_total;
	char run[8];             /* "" if there is none */
	struct upshift_finding *findings;
	size_t finding_n;
	char *message;           /* what upshift said to people; "": nothing */
};

struct upshift_state {
	char *run, *plan, *from, *to;
	char *state;             /* running, paused, failed, complete,
				    rolled-back, rollback-failed */
	char *data;              /* "upgraded, verified"; for people */
	bool complete;
	int steps_completed, steps_failed, steps_total;
	char **points;           /* that can be gone back to; ends with NULL */
	size_t point_n;
};

/* carries the plan out; dry: says what it would do, and changes nothing */
UPSHIFT_API int upshift_run(const struct upshift_options *o, bool dry,
			    struct upshift_result *ret);
/* back to a point ("CP2"), NULL: to the start; the words are given for you */
UPSHIFT_API int upshift_rollback(const struct upshift_options *o,
				 const char *point,
				 struct upshift_result *ret);
/* where the last run of o->root stands; *ret is NULL if there was none */
UPSHIFT_API int upshift_get_state(const struct upshift_options *o,
				  struct upshift_state **ret);
/* 1: the last run is complete, 0: not, or there was none; -errno */
UPSHIFT_API int upshift_is_complete(const struct upshift_options *o);
/* the plan's checks, each a finding; nothing is made */
UPSHIFT_API int upshift_validate(const struct upshift_options *o,
				 struct upshift_result *ret);
/* level: "basic", "standard", "rigorous", "forensic"; NULL: basic */
UPSHIFT_API int upshift_check_integrity(const struct upshift_options *o,
					const char *level,
					struct upshift_result *ret);

UPSHIFT_API void upshift_result_free(struct upshift_result *r);
UPSHIFT_API void upshift_state_free(struct upshift_state *s);

#ifdef __cplusplus
}
#endif

#endif
