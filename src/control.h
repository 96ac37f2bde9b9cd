/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_H
#define CONTROL_H
/*
 * control - the socket through which an engine is watched and steered
 *
 * control_start() binds <state>/control.sock (0600, under the lock, through
 * /proc/self/fd so that the length of the path does not matter), and starts
 * the one I/O thread: it accepts viewers and one controller (SO_PEERCRED: our
 * uid or 0), sends them the event stream as JSON lines (PROTOCOL 7), keeps the
 * version, plan and latest state for those who come late, and gives a
 * heartbeat ("progress" repeated, or "status") at least every 10 s.
 *
 * Events come in by control_reporter_ops from the engine's thread: they are
 * queued, never waited for. A viewer's queue is 1 MiB: progress merges first,
 * then the viewer is dropped. Messages from the controller are taken by the
 * engine with control_poll().
 */
#include <stdbool.h>
#include <stdint.h>

struct error;
struct json_object;
struct reporter_ops;
struct control;

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
