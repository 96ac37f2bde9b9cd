/* SPDX-License-Identifier: MIT */
#ifndef EVENT_H
#define EVENT_H
/*
 * event - what happened, as facts; reporter - who wants to know
 *
 * The engine emits events; front ends make sentences of them. seq strictly
 * grows over all processes of a run; BEGIN and END nest and every BEGIN has
 * its END on every path; only EVENT_PROGRESS may be dropped or merged.
 * Pointers in an event live until the callback returns. The JSON form (one
 * object a line; DESIGN 7, upshift-events(7), data/schemas/) is the same on
 * the socket, in log.jsonl and under --json.
 *
 * Reporters are called in the engine's thread, one after the other; one that
 * fails or is slow must handle that itself (control.c queues).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct error;
struct json_object;
struct plan;

/* one that is watched: texts as who gives them writes them */
struct event_figure {
	char *name;
	char *value;               /* NULL: none was given */
	char *limit;               /* "< 500" */
	bool holds;
};

enum event_type {
	EVENT_VERSION,
	EVENT_PLAN,
	EVENT_CHECK,
	EVENT_BACKUP,
	EVENT_STEP,
	EVENT_PROGRESS,
	EVENT_LOG,
	EVENT_ASK,
	EVENT_ERROR,
	EVENT_WARNING,
	EVENT_CHECKPOINT,
	EVENT_ROLLBACK,
	EVENT_VERIFY,
	EVENT_APP,
	EVENT_PHASE,
	EVENT_STATUS,
	EVENT_SUMMARY,
	EVENT_TYPE_COUNT
};

enum event_state {
	EVENT_NONE,
	EVENT_OK, EVENT_WARN, EVENT_FAIL,               /* check, verify */
	EVENT_STARTED, EVENT_DONE,                      /* backup, rollback, phase */
	EVENT_APPLIED, EVENT_VERIFIED, EVENT_FAILED, EVENT_SKIPPED,
	EVENT_UNDONE,                                   /* step */
	EVENT_STOPPED, EVENT_RUNNING,                   /* app */
	EVENT_STATE_COUNT
};

enum event_phase {
	PHASE_NONE, PHASE_CHECK, PHASE_BACKUP, PHASE_STEPS, PHASE_VERIFY,
	PHASE_ROLLBACK, PHASE_COUNT
};

struct event {
	enum event_type type;
	uint64_t seq;              /* set by event_emit() */
	struct timespec time;      /* set by event_emit() */
	enum event_state state;
	enum event_phase phase;
	const char *id;            /* step, check, ask; as in the plan */
	const char *kind;
	int n, of;                 /* step n of of, from 1 */
	const char *message;       /* check, verify: finding, translated */
	const char *path;          /* backup: archive */
	const char *point;         /* checkpoint, rollback */
	const char *stream;        /* log: "out", "err", "note" */
	const char *text;          /* log */
	size_t text_len;
	uint64_t need, have;       /* check "space": bytes, 0 if not given */
	uint64_t done, total;      /* progress; total 0: unknown */
	const char *unit;          /* progress */
	const char *part;          /* progress: of several at once, or NULL */
	uint64_t records;          /* progress: besides; 0: not counted */
	double rate, eta_s;        /* progress; < 0: unknown */
	uint64_t batch;            /* progress: at a time; 0: not known */
	uint64_t rejected;         /* progress: rows put aside so far */
	const char *bound;         /* progress: what limits it, as in step.h */
	const char *wait;          /* progress: what it waits for, translated */
	const struct event_figure *figures; /* progress: what is watched */
	size_t figure_n;
	uint64_t bytes, stored_bytes, items;   /* backup */
	const char *digest;        /* backup */
	bool secrets;              /* backup: it holds some */
	double elapsed_s;
	uint64_t restored, lost, kept, carried; /* rollback */
	const struct error *error; /* error, warning */
	const char *probe;         /* error: "applied", "not", "partly", "unknown" */
	const char *safe;          /* error: what is safe, translated */
	const char *hint;          /* error: the author's or ours */
	const char *const *next;   /* error, summary: commands, NULL at the end */
	struct json_object *extra; /* plan: steps; ask: choices; rollback: tables;
				      status, summary: the object itself;
				      borrowed */
};

const char *event_type_name(enum event_type t);
const char *event_state_name(enum event_state s);
const char *event_phase_name(enum event_phase p);
/* new object; caller puts it */
struct json_object *event_to_json(const struct event *ev);

struct reporter_ops {
	const char *name;
	void (*event)(void *self, const struct event *ev);
	/* may be NULL */
	void (*close)(void *self);
};

struct reporter {
	const struct reporter_ops *ops;
	void *self;
};

#define EVENT_SINKS_MAX 8
struct event_bus {
	struct reporter sinks[EVENT_SINKS_MAX];
	size_t n;
	uint64_t next_seq;
};

void event_bus_add(struct event_bus *bus, const struct reporter_ops *ops,
		   void *self);
/* fills seq and time, hands it to every sink */
void event_emit(struct event_bus *bus, struct event *ev);
/* closes a sink and forgets it; nothing if it is not there */
void event_bus_drop(struct event_bus *bus, const struct reporter_ops *ops);
/* calls close of every sink */
void event_bus_close(struct event_bus *bus);

/* A reporter that keeps every event as JSON, for tests. */
struct event_recorder {
	struct json_object *list;
};
extern const struct reporter_ops event_recorder_ops;

#endif
