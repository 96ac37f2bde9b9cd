/* SPDX-License-Identifier: MIT */
#ifndef MODEL_H
#define MODEL_H
/*
 * model - a run as a front end knows it: the event stream, folded
 *
 * model_event() takes one object of the stream (upshift-events(7)), from the
 * socket or from log.jsonl; it is the same stream. Objects with a seq that was
 * seen already are passed over, so that the log of a run can be read first and
 * the socket afterwards. Nothing here decides anything: before a choice acts
 * the wizard reads the journal again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

struct json_object;

struct model_check {
	char *id, *kind, *message, *hint;
	enum event_state state;        /* NONE: not looked at yet */
	uint64_t need, have;
	int n;
};

struct model_step {
	char *id, *title, *kind, *risk;
	bool undoable, optional;
	enum event_state state;        /* NONE: pending */
	bool running;
	double elapsed_s;              /* of the last attempt */
	uint64_t begun_ns;             /* while running, ours */
	char *message;
};

/* one of several things that are done at once: a worker, a table */
struct model_part {
	char *name;
	uint64_t done, total;
	int percent;                   /* -1: unknown */
};

struct model_progress {
	bool given;
	enum event_phase phase;
	char *id, *unit;
	uint64_t done, total;          /* total 0: unknown */
	uint64_t records;              /* 0: not counted */
	double rate, eta_s;            /* < 0: unknown */
	uint64_t batch;                /* at a time; 0: unknown */
	uint64_t rejected;             /* put aside so far */
	char *bound, *wait;            /* as in the event; NULL: nothing */
	struct event_figure *figures;  /* what is watched, at the last look */
	size_t figure_n;
	bool whole;                    /* told for the step, not for parts alone */
	uint64_t begun_ns, heard_ns;
	int percent;                   /* never falls, 100 only when done */
	struct model_part *parts;
	size_t part_n;
};

struct model_line {
	char *time;                    /* as in the event */
	char *id, *text;
	char stream;                   /* 'o' out, 'e' err, 'n' note, 'p' preview */
};
#define MODEL_LINES_MAX 4000

struct model_ask {
	char *id, *step, *prompt, *def, *words;
	char *kind;                    /* "yes_no" "choice" "text" "words" */
	bool undoable, skippable;
	bool refused;                  /* the last answer was none */
	uint64_t seq;
	struct json_object *extra;     /* the whole event */
};

struct model_error {
	bool given;
	char *code, *message, *step, *probe, *safe, *hint;
	struct json_object *next;
};

struct model {
	char *run, *title, *from, *to, *root;
	enum event_phase phase;
	bool phase_running;
	struct model_check *checks;
	size_t check_n;
	struct model_check *verify;
	size_t verify_n;
	struct model_step *steps;
	size_t step_n;
	int step_at;                   /* index of the one that runs or ran last */
	struct model_progress progress;
	/* backup: NONE, STARTED, DONE, FAIL */
	enum event_state backup;
	char *backup_path;
	uint64_t backup_bytes, backup_stored, backup_items;
	double backup_elapsed_s;
	char *app, *app_since;         /* "stopped", time */
	enum event_state rollback;     /* NONE, STARTED, DONE */
	char *rollback_point;
	uint64_t restored, lost, kept;
	struct model_line *lines;      /* ring; oldest at line_first */
	size_t line_n, line_first;
	uint64_t line_total;           /* ever */
	struct model_ask ask;          /* id NULL: no question is open */
	struct model_error error;      /* the last one */
	char **warnings;
	size_t warning_n;
	struct json_object *summary;   /* NULL: not over */
	uint64_t seq, heard_ns;
	unsigned int changes;          /* grows with all but progress and log */
};

void model_init(struct model *m);
void model_release(struct model *m);
/* o stays the caller's. True if something to be seen changed */
bool model_event(struct model *m, struct json_object *o);
/* forgets what belongs to one process: ask, error, summary, progress */
void model_new_process(struct model *m);
/* i-th line from the oldest */
const struct model_line *model_line(const struct model *m, size_t i);
struct model_step *model_find_step(const struct model *m, const char *id);
/* of all steps, 0 to 100; 100 only when every one is done */
int model_percent(const struct model *m);

#endif
