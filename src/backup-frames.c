/* SPDX-License-Identifier: MIT */
/*
 * A stream in zstd frames of 2 MiB (RFC 8878), each of its own, so that two
 * threads compress, and one file can be got without the rest. Plain `zstd -d`
 * and `tar --zstd` read frames one after the other.
 *
 * A ring of slots: the caller fills one, a thread works on it, the caller
 * collects it in order. Only the caller touches the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "backup-internal.h"
#include "base/fsutil.h"
#include "base/thread.h"
#include "base/xalloc.h"

#define SLOTS 5
#define THREADS 2
/* the disk gets to work on what is written while more is being made */
#define WRITE_BEHIND (8u * 1024u * 1024u)

enum slot_state { SLOT_FREE, SLOT_READY, SLOT_BUSY, SLOT_DONE };

struct slot {
	enum slot_state state;
	char *raw, *packed;
	size_t raw_len, packed_len;
	struct xxh128 digest;
	int error;
};

struct frames {
	int fd, level;
	struct slot slots[SLOTS];
	size_t fill, collect;     /* slot numbers, growing under the lock */
	size_t packed_cap;
	struct frame *v;          /* grows under the lock */
	size_t n, cap;
	uint64_t size;
	uint64_t begun;           /* is under way to the disk */
	struct blake2 *sum;
	bool summed;
	pthread_t threads[THREADS];
	int thread_n;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	bool quit;
};

static void pack(struct frames *f, ZSTD_CCtx *c, struct slot *s)
{
	size_t n = ZSTD_compress2(c, s->packed, f->packed_cap, s->raw,
				  s->raw_len);

	s->digest = xxh128_of(s->raw, s->raw_len);
	s->packed_len = n;
	s->error = ZSTD_isError(n) ? -EIO : 0;
}

static struct slot *next_ready(struct frames *f)
{
	for (size_t i = f->collect; i < f->fill; i++)
		if (f->slots[i % SLOTS].state == SLOT_READY)
			return &f->slots[i % SLOTS];
	return NULL;
}

static void *worker(void *arg)
{
	struct frames *f = arg;
	ZSTD_CCtx *c = ZSTD_createCCtx();
	struct slot *s;

	if (!c)
		die("out of memory");
	(void)ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, f->level);
	(void)pthread_mutex_lock(&f->lock);
	for (;;) {
		while (!(s = next_ready(f)) && !f->quit)
			(void)pthread_cond_wait(&f->work, &f->lock);
		if (!s)
			break;
		s->state = SLOT_BUSY;
		(void)pthread_mutex_unlock(&f->lock);
		pack(f, c, s);
		(void)pthread_mutex_lock(&f->lock);
		s->state = SLOT_DONE;
		(void)pthread_cond_signal(&f->done);
	}
	(void)pthread_mutex_unlock(&f->lock);
	(void)ZSTD_freeCCtx(c);
	return NULL;
}

struct frames *frames_new(int fd, int level)
{
	struct frames *f = xcalloc(1, sizeof(*f));

	f->fd = fd;
	f->level = level ? level : 1;
	f->packed_cap = ZSTD_compressBound(FRAME_RAW);
	f->sum = blake2_new();
	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->work, NULL);
	(void)pthread_cond_init(&f->done, NULL);
	for (int i = 0; i < THREADS; i++) {
		if (thread_create(&f->threads[i], worker, f) < 0)
			break;
		f->thread_n++;
	}
	if (!f->thread_n)
		die("cannot start a thread");
	return f;
}

void frames_free(struct frames *f)
{
	if (!f)
		return;
	(void)pthread_mutex_lock(&f->lock);
	f->quit = true;
	(void)pthread_cond_broadcast(&f->work);
	(void)pthread_mutex_unlock(&f->lock);
	for (int i = 0; i < f->thread_n; i++)
		(void)pthread_join(f->threads[i], NULL);
	for (int i = 0; i < SLOTS; i++) {
		free(f->slots[i].raw);
		free(f->slots[i].packed);
	}
	(void)pthread_mutex_destroy(&f->lock);
	(void)pthread_cond_destroy(&f->work);
	(void)pthread_cond_destroy(&f->done);
	blake2_free(f->sum);
	free(f->v);
	free(f);
}

/* a hint: what it cannot do, the flush at the end does */
static void write_behind(struct frames *f)
{
	if (f->size - f->begun < WRITE_BEHIND)
		return;
	(void)sync_file_range(f->fd, (off_t)f->begun,
			      (off_t)(f->size - f->begun),
			      SYNC_FILE_RANGE_WRITE);
	f->begun = f->size;
}

static int write_slot(struct frames *f, struct slot *s)
{
	struct frame *fr;
	int ret;

	if (s->error)
		return s->error;
	ret = fs_write_all(f->fd, s->packed, s->packed_len);
	if (ret < 0)
		return ret;
	blake2_add(f->sum, s->packed, s->packed_len);
	(void)pthread_mutex_lock(&f->lock);
	VEC_GROW(f->v, f->n, f->cap);
	fr = &f->v[f->n++];
	fr->at = f->size;
	fr->raw = (uint32_t)s->raw_len;
	fr->stored = (uint32_t)s->packed_len;
	fr->digest = s->digest;
	(void)pthread_mutex_unlock(&f->lock);
	f->size += s->packed_len;
	write_behind(f);
	return 0;
}

/* waits for the oldest slot that is under way, and takes its result */
static int collect(struct frames *f)
{
	struct slot *s = &f->slots[f->collect % SLOTS];
	int ret;

	(void)pthread_mutex_lock(&f->lock);
	while (s->state != SLOT_DONE)
		(void)pthread_cond_wait(&f->done, &f->lock);
	(void)pthread_mutex_unlock(&f->lock);
	ret = write_slot(f, s);
	(void)pthread_mutex_lock(&f->lock);
	s->state = SLOT_FREE;
	s->raw_len = s->packed_len = 0;
	f->collect++;
	(void)pthread_mutex_unlock(&f->lock);
	return ret;
}

static void submit(struct frames *f)
{
	(void)pthread_mutex_lock(&f->lock);
	f->slots[f->fill % SLOTS].state = SLOT_READY;
	f->fill++;
	(void)pthread_cond_signal(&f->work);
	(void)pthread_mutex_unlock(&f->lock);
}

/* the slot to fill, free and with its memory */
static int open_slot(struct frames *f, struct slot **ret)
{
	struct slot *s = &f->slots[f->fill % SLOTS];
	int r = 0;

	if (f->fill - f->collect == SLOTS)
		r = collect(f);
	if (!s->raw) {
		s->raw = xmalloc(FRAME_RAW);
		s->packed = xmalloc(f->packed_cap);
	}
	*ret = s;
	return r;
}

int frames_add(struct frames *f, const void *p, size_t n)
{
	const char *c = p;

	while (n) {
		struct slot *s;
		size_t k;
		int ret = open_slot(f, &s);

		if (ret < 0)
			return ret;
		k = MIN(n, FRAME_RAW - s->raw_len);
		memcpy(s->raw + s->raw_len, c, k);
		s->raw_len += k;
		c += k;
		n -= k;
		if (s->raw_len == FRAME_RAW)
			submit(f);
	}
	return 0;
}

void frames_where(const struct frames *f, size_t *frame, uint32_t *offset)
{
	const struct slot *s = &f->slots[f->fill % SLOTS];

	*frame = f->fill;
	/* a slot that still has to be collected is not the one to be filled */
	*offset = f->fill - f->collect == SLOTS ? 0 : (uint32_t)s->raw_len;
}

size_t frames_known(const struct frames *f)
{
	return f->n;
}

struct frame frames_get(struct frames *f, size_t i)
{
	struct frame ret;

	(void)pthread_mutex_lock(&f->lock);
	ret = f->v[i];
	(void)pthread_mutex_unlock(&f->lock);
	return ret;
}

int frames_flush(struct frames *f)
{
	struct slot *s = &f->slots[f->fill % SLOTS];
	int ret = 0;

	if (f->fill - f->collect < SLOTS && s->raw_len)
		submit(f);
	while (ret >= 0 && f->collect < f->fill)
		ret = collect(f);
	return ret;
}

uint64_t frames_size(const struct frames *f)
{
	return f->size;
}

void frames_digest(struct frames *f, char out[BLAKE2_TEXT_SIZE])
{
	if (f->summed)
		BUG("the digest was taken already");
	f->summed = true;
	blake2_end(f->sum, out);
}
