/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_H
#define CONTROL_H
/*
 * control - the socket through which an engine is watched and steered
 *
 * control_start() binds <state>/control.sock (0600, under the lock, through
 * /proc/self/fd so that the length of the path does not matter), and starts
 * the one I/O thread: it accepts viewers and one controller (SO_PEERCRED: our
 * uid or 0), sends them the event stream as JSON lines (PROTOCOL 7) and, when
 * nothing else went out for 10 s, a "status" as heartbeat.
 *
 * Nothing is sent before the peer's hello. Whoever comes late gets version and
 * plan as they were sent, then a "status" (phase, step, states of all steps,
 * the question that is open), then the events behind it. A status of this kind
 * bears the seq of the last event that it tells of.
 *
 * Events come in by control_reporter_ops from the engine's thread: they are
 * queued, never waited for. A viewer's queue is 1 MiB: progress merges first,
 * then the viewer is dropped. A second controller gets an "error" with code
 * E-6010 and is closed; so does a viewer that commands, but it stays. A line
 * that is no message is answered by an "error" (E-1001); one over 64 KiB ends
 * the connection. Messages from the controller (answer, command) are taken by
 * the engine with control_poll().
 */
#include <stdbool.h>
#include <stdint.h>

struct error;
struct json_object;
struct reporter_ops;
struct control;

/* -errno and ERR_STATE where the file system has no sockets; a batch run goes
   on without */
int control_start(struct control **ret, int state_fd, struct error *err);
extern const struct reporter_ops control_reporter_ops; /* self: struct control */
/* next message (caller puts it), NULL if there is none within timeout_ms */
struct json_object *control_poll(struct control *c, int timeout_ms);
bool control_has_controller(struct control *c);
/* sends what is queued (1 s at most), unlinks the socket, joins the thread */
void control_stop(struct control *c);

/*
 * The other end. control_connect(): descriptor, hello sent ("view" or
 * "control"); -ECONNREFUSED or -ENOENT if no engine listens.
 */
int control_connect(int state_fd, const char *role, struct error *err);

#endif
