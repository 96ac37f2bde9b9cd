/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H
/*
 * control-internal - shared by control*.c alone
 *
 * Two threads. The engine's puts lines into `pending` and takes messages from
 * `inbox`, both under the mutex; everything else belongs to the I/O thread,
 * except the lists' counters that are read under the mutex too. The I/O thread
 * never holds the mutex over a system call.
 */
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/strbuf.h"
#include "control.h"

#define CONTROL_NAME "control.sock"
#define VIEWERS_MAX 16
#define QUEUE_MAX (1024 * 1024)
#define LINE_IN_MAX (64 * 1024)
#define INBOX_MAX 256
#define HEARTBEAT_NS (10ull * 1000000000)
#define DRAIN_NS (1ull * 1000000000)
/* pause of accept() when descriptors have run out */
#define ACCEPT_PAUSE_NS (1ull * 1000000000)

struct json_object;

/* a line for viewers, shared by their queues; I/O thread only */
struct msg {
	int refs;
	bool progress;
	size_t len;
	char *text;
	/* what control-status.c learns from it; NULL for our own lines */
	struct json_object *event;
	struct msg *next;       /* in control.pending */
};

enum role { ROLE_NONE, ROLE_VIEW, ROLE_CONTROL };

struct viewer {
	int fd;
	enum role role;
	bool closing;           /* flush, then close */
	struct strbuf in;
	struct msg **q;         /* queue, q[0] goes first */
	size_t q_n, q_cap;
	size_t q_bytes;
	size_t sent;            /* of q[0] */
};

/* what a late joiner has to know */
struct latest {
	struct msg *version, *plan;
	struct json_object *status;     /* of the last status event */
	struct json_object *steps;      /* id -> state, in the plan's order */
	struct json_object *ask;        /* open question, NULL: none */
	struct json_object *app;
	char *phase, *id;
	int64_t seq, n, of;
};

struct control {
	int listen_fd, wake_fd, state_fd;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;            /* inbox has something */
	/* under the mutex */
	struct msg *pending, **pending_tail;
	struct msg *pending_last;
	struct json_object *inbox[INBOX_MAX];
	size_t inbox_n;
	bool stopping;
	bool has_controller;
	int viewers;
	/* I/O thread */
	struct viewer v[VIEWERS_MAX];
	size_t v_n;
	struct latest latest;
	uint64_t last_sent_ns;
	uint64_t accept_after_ns;
};

struct msg *msg_new(struct json_object *o, bool progress);
void msg_put(struct msg *m);
/* both are progress of the same thing: the newer one says it all */
bool msg_replaces(const struct msg *newer, const struct msg *older);

void latest_learn(struct latest *l, struct msg *m);
struct msg *latest_status(const struct latest *l);
void latest_release(struct latest *l);

void *control_io(void *ctx);
/* false: the viewer is to be dropped */
bool viewer_queue(struct viewer *v, struct msg *m);
bool viewer_send(struct viewer *v);
bool viewer_receive(struct control *c, struct viewer *v);
void viewer_release(struct viewer *v);

#endif
