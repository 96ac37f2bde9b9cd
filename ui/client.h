/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_H
#define CLIENT_H
/*
 * client - an engine in a session of its own, and the line to it
 *
 * client_spawn() forks. The child leads a new session (no terminal, nothing
 * that a closed window could end), opens root, lock and journal itself, for a
 * lock belongs to the description that took it, and runs the verb to its end.
 * What it says on standard error comes back as client_report(): the reason
 * where it ended before it could listen.
 *
 * CLIENT_RUN, CLIENT_RESUME and CLIENT_ROLLBACK listen on the control socket;
 * we are their controller, their events come from the run's log first and then
 * from the socket. The others look only, make no state, and send their events
 * through a pipe; they end with us.
 *
 *	client_spawn() or client_attach() -> poll(client_poll_fds()),
 *	client_io() ... until client_is_over() -> client_free()
 *
 * client_free() of one that runs leaves the engine alone: it finishes its step
 * and waits (PROTOCOL 7).
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "command.h"

struct client;
struct error;
struct json_object;
struct model;
struct state_dir;

enum client_verb {
	CLIENT_RUN,
	CLIENT_RESUME,
	CLIENT_ROLLBACK,
	CLIENT_VERIFY,       /* looks: the plan's verifications, the backup */
	CLIENT_PREVIEW,      /* looks: RESTORED, LOST, KEPT, as "preview" */
	CLIENT_MEASURE,      /* looks: size and room of the backup, "measure" */
	CLIENT_ATTACHED,     /* an engine that was there before */
};

struct client_spec {
	enum client_verb verb;
	const struct options *o;
	const struct step_ops *const *kinds;
	const char *root;             /* resolved */
	const char *run_id;           /* CLIENT_RUN: under this id */
	const char *plan_digest;      /* CLIENT_RUN: what was shown, or NULL */
	const char *point;            /* CLIENT_ROLLBACK, CLIENT_PREVIEW */
	struct json_object *answers;  /* given by the user; may hold secrets */
	uint64_t seq;                 /* looks: numbers of events begin above */
};

/* -errno if no process can be made; its own troubles come later */
int client_spawn(struct client **ret, const struct client_spec *spec,
		 struct error *err);
/* sd: open state directory; read_only: can answer nothing. -ECONNREFUSED,
   -ENOENT: nobody listens */
int client_attach(struct client **ret, struct state_dir *sd, bool read_only,
		  struct error *err);
void client_free(struct client *c);

#define CLIENT_FDS 3
size_t client_poll_fds(struct client *c, struct pollfd *p);
/*
 * Takes what there is and folds it into m (the log of the run first). other:
 * called with objects that are no events ("preview", "measure"); may be NULL.
 * True if something changed.
 */
bool client_io(struct client *c, struct model *m,
	       void (*other)(void *ctx, struct json_object *o), void *ctx);
/* the engine has ended, or does not talk to us any more */
bool client_is_over(struct client *c);
/* exit status of our child; -1: not known (attached, killed) */
int client_exit(const struct client *c);
/* signal that ended our child, 0: none */
int client_signal(const struct client *c);
/* what it said on standard error, "" if nothing */
const char *client_report(const struct client *c);
enum client_verb client_verb(const struct client *c);
/* another controller was there first; who, as the engine says it */
const char *client_refused(const struct client *c);
/* The run's own log, all that was before we came, into m. No log: nothing. */
void client_log(const struct state_dir *sd, const char *run, struct model *m);
bool client_answer(struct client *c, const char *id, const char *value);
/* "stop", "abort", "quit" */
bool client_command(struct client *c, const char *name);

#endif
