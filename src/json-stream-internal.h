/* SPDX-License-Identifier: MIT */
#ifndef JSON_STREAM_INTERNAL_H
#define JSON_STREAM_INTERNAL_H
/*
 * A ring of slots: json-stream.c fills them in the order of the input,
 * json-stream-pool.c has them worked on and writes them in that order.
 */
#include <pthread.h>

#include "base/error.h"
#include "json-cut.h"
#include "json-stream.h"

#define JSON_THREADS_MAX 4
/* few enough that what is worked on stays in the caches */
#define JSON_BATCH (256u * 1024u)
/* less is not worth a thread */
#define JSON_SMALL (1024u * 1024u)

enum slot_state { SLOT_FREE, SLOT_READY, SLOT_BUSY, SLOT_DONE };
enum slot_kind { SLOT_COPY, SLOT_SPANS, SLOT_LINES, SLOT_WHOLE };

struct slot {
	enum slot_state state;
	enum slot_kind kind;
	struct strbuf in, out;
	struct json_span *spans;
	size_t span_n, span_cap;
	struct json_around around;      /* of the spans */
	uint64_t offset;         /* of in */
	uint64_t lines;          /* that end in it */
	void *batch;
	int ret;
	struct error err;
	uint64_t failed_offset, failed_line;    /* in the batch */
};

struct json_pool {
	const struct json_stream_ops *ops;
	void *ctx;
	struct slot slots[2 * JSON_THREADS_MAX + 1];
	size_t slot_n;
	/* counters: slot = counter % slot_n */
	size_t head, next, tail;        /* to write, to work on, to fill */
	pthread_t threads[JSON_THREADS_MAX];
	size_t thread_n;
	pthread_mutex_t lock;
	pthread_cond_t ready, done;
	bool stop;
	struct json_tree tree;          /* where there are no threads */
	uint64_t lines;
	struct json_stream_result *res;
};

/* small: not worth a thread */
void pool_init(struct json_pool *p, bool small);
void pool_release(struct json_pool *p);
/* an empty slot to fill; NULL with *ret: writing another one failed */
struct slot *pool_take(struct json_pool *p, int *ret, struct error *err);
/* the slot that was taken is filled */
int pool_give(struct json_pool *p, struct error *err);
/* all that was given is worked on and written */
int pool_drain(struct json_pool *p, struct error *err);

#endif
