/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "base/xalloc.h"
#include "json-bytes.h"
#include "json-stream-internal.h"

/* --- the work --- */

static int do_record(struct json_pool *p, struct slot *s, struct json_tree *t,
		     size_t begin, size_t end, uint64_t line)
{
	struct json_record r = {
		.tree = t, .text = s->in.buf + begin, .len = end - begin,
		.line = line, .offset = begin,
	};
	int ret;

	t->around = s->kind == SLOT_SPANS ? &s->around : NULL;
	r.parsed = json_tree_parse(t, r.text, r.len);
	ret = p->ops->record(p->ctx, s->batch, &r, &s->out, &s->err);
	if (ret < 0) {
		/* the value itself, not the end of the line ahead of it */
		while (begin < end &&
		       json_is_space((unsigned char)s->in.buf[begin]))
			begin++;
		s->failed_offset = begin;
		s->failed_line = line;
	}
	return ret;
}

static int do_spans(struct json_pool *p, struct slot *s, struct json_tree *t)
{
	size_t at = 0;
	int ret = 0;

	for (size_t i = 0; i < s->span_n && ret >= 0; i++) {
		strbuf_add(&s->out, s->in.buf + at, s->spans[i].begin - at);
		ret = do_record(p, s, t, s->spans[i].begin, s->spans[i].end,
				i);
		at = s->spans[i].end;
	}
	strbuf_add(&s->out, s->in.buf + at, s->in.len - at);
	return ret;
}

/* blank lines, and the blanks around a record, stay */
static int do_lines(struct json_pool *p, struct slot *s, struct json_tree *t)
{
	const char *buf = s->in.buf;
	int ret = 0;

	for (size_t at = 0; at < s->in.len && ret >= 0; s->lines++) {
		const char *nl = memchr(buf + at, '\n', s->in.len - at);
		size_t end = nl ? (size_t)(nl - buf) : s->in.len;
		size_t next = nl ? end + 1 : end;
		size_t begin = at;

		while (begin < end && json_is_space((unsigned char)buf[begin]))
			begin++;
		while (end > begin &&
		       json_is_space((unsigned char)buf[end - 1]))
			end--;
		strbuf_add(&s->out, buf + at, begin - at);
		if (begin < end)
			ret = do_record(p, s, t, begin, end, s->lines);
		strbuf_add(&s->out, buf + end, next - end);
		at = next;
	}
	return ret;
}

static void work(struct json_pool *p, struct slot *s, struct json_tree *t)
{
	if (s->kind == SLOT_COPY)
		return;
	s->batch = p->ops->batch_new(p->ctx);
	switch (s->kind) {
	case SLOT_SPANS:
		s->ret = do_spans(p, s, t);
		break;
	case SLOT_LINES:
		s->ret = do_lines(p, s, t);
		break;
	default:
		s->ret = do_record(p, s, t, 0, s->in.len, 0);
	}
}

static void *worker(void *arg)
{
	struct json_pool *p = arg;
	struct json_tree t;

	json_tree_init(&t);
	(void)pthread_mutex_lock(&p->lock);
	for (;;) {
		struct slot *s;

		while (!p->stop && p->next == p->tail)
			(void)pthread_cond_wait(&p->ready, &p->lock);
		if (p->stop)
			break;
		s = &p->slots[p->next++ % p->slot_n];
		s->state = SLOT_BUSY;
		(void)pthread_mutex_unlock(&p->lock);
		work(p, s, &t);
		(void)pthread_mutex_lock(&p->lock);
		s->state = SLOT_DONE;
		(void)pthread_cond_signal(&p->done);
	}
	(void)pthread_mutex_unlock(&p->lock);
	json_tree_release(&t);
	return NULL;
}

/* --- the ring --- */

static size_t cores(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 :
		CPU_COUNT(&set);

	return (size_t)MIN(MAX(n, 1), JSON_THREADS_MAX);
}

/* our threads take no signals: those are for the one that waits for them */
static void start_threads(struct json_pool *p, size_t n)
{
	sigset_t all, old;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->thread_n < n &&
	       !pthread_create(&p->threads[p->thread_n], NULL, worker, p))
		p->thread_n++;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void pool_init(struct json_pool *p, bool small)
{
	size_t n = small ? 1 : cores();

	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->ready, NULL);
	(void)pthread_cond_init(&p->done, NULL);
	json_tree_init(&p->tree);
	p->slot_n = n > 1 ? 2 * n + 1 : 1;
	for (size_t i = 0; i < p->slot_n; i++) {
		strbuf_init(&p->slots[i].in);
		strbuf_init(&p->slots[i].out);
		json_around_init(&p->slots[i].around);
	}
	if (n > 1)
		start_threads(p, n);
}

static void slot_release(struct json_pool *p, struct slot *s)
{
	if (s->batch)
		p->ops->batch_free(s->batch);
	strbuf_release(&s->in);
	strbuf_release(&s->out);
	json_around_release(&s->around);
	free(s->spans);
	error_release(&s->err);
}

void pool_release(struct json_pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_cond_broadcast(&p->ready);
	(void)pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->thread_n; i++)
		(void)pthread_join(p->threads[i], NULL);
	for (size_t i = 0; i < p->slot_n; i++)
		slot_release(p, &p->slots[i]);
	json_tree_release(&p->tree);
	(void)pthread_cond_destroy(&p->ready);
	(void)pthread_cond_destroy(&p->done);
	(void)pthread_mutex_destroy(&p->lock);
}

static int failed(struct json_pool *p, struct slot *s, struct error *err)
{
	p->res->failed_offset = s->offset + s->failed_offset;
	p->res->failed_line = p->lines + s->failed_line + 1;
	error_move(err, &s->err);
	return s->ret;
}

/* the oldest one, which is done */
static int flush(struct json_pool *p, struct slot *s, struct error *err)
{
	const struct strbuf *b = s->kind == SLOT_COPY ? &s->in : &s->out;
	int ret = 0;

	if (s->ret < 0)
		return failed(p, s, err);
	if (s->batch) {
		ret = p->ops->batch_end(p->ctx, s->batch, p->lines + 1,
					s->offset, err);
		p->ops->batch_free(s->batch);
		s->batch = NULL;
	}
	if (ret >= 0 && b->len)
		ret = p->ops->write(p->ctx, b->buf, b->len, err);
	p->lines += s->lines;
	if (ret >= 0 && p->ops->tick)
		ret = p->ops->tick(p->ctx, s->offset + s->in.len, err);
	strbuf_clear(&s->in);
	strbuf_clear(&s->out);
	s->span_n = 0;
	s->lines = 0;
	s->state = SLOT_FREE;
	p->head++;
	return ret;
}

static bool wait_done(struct json_pool *p, struct slot *s, bool wait)
{
	bool done;

	if (!p->thread_n)
		return s->state == SLOT_DONE;
	(void)pthread_mutex_lock(&p->lock);
	while (wait && s->state != SLOT_DONE)
		(void)pthread_cond_wait(&p->done, &p->lock);
	done = s->state == SLOT_DONE;
	(void)pthread_mutex_unlock(&p->lock);
	return done;
}

struct slot *pool_take(struct json_pool *p, int *ret, struct error *err)
{
	*ret = 0;
	while (p->head < p->tail) {
		struct slot *s = &p->slots[p->head % p->slot_n];

		if (!wait_done(p, s, p->tail - p->head == p->slot_n))
			break;
		*ret = flush(p, s, err);
		if (*ret < 0)
			return NULL;
	}
	return &p->slots[p->tail % p->slot_n];
}

int pool_give(struct json_pool *p, struct error *err)
{
	struct slot *s = &p->slots[p->tail % p->slot_n];

	if (!p->thread_n) {
		work(p, s, &p->tree);
		s->state = SLOT_DONE;
		p->tail++;
		return flush(p, s, err);
	}
	(void)pthread_mutex_lock(&p->lock);
	s->state = SLOT_READY;
	p->tail++;
	(void)pthread_cond_signal(&p->ready);
	(void)pthread_mutex_unlock(&p->lock);
	return 0;
}

int pool_drain(struct json_pool *p, struct error *err)
{
	int ret = 0;

	while (p->head < p->tail && ret >= 0) {
		struct slot *s = &p->slots[p->head % p->slot_n];

		(void)wait_done(p, s, true);
		ret = flush(p, s, err);
	}
	return ret;
}
