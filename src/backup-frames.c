/* SPDX-License-Identifier: MIT */
/*
 * A stream in zstd frames of 2 MiB (RFC 8878), each of its own, so that two
 * threads compress and read back, and one file can be got without the rest.
 * Plain `zstd -d` and `tar --zstd` read frames one after the other.
 *
 * A ring of slots: the caller fills one, a thread works on it, the caller
 * collects it in order. Only the caller touches the file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"

#define SLOTS 5
#define THREADS 2
#define DIRECT_SIZE (1024u * 1024u)
#define DIRECT_ALIGN 4096u

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
	bool unpack;              /* threads decompress (read-back) */
	struct slot slots[SLOTS];
	size_t fill, collect;     /* slot numbers, growing */
	size_t packed_cap;
	struct frame *v;
	size_t n, cap;
	uint64_t size;
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

static void unpack(ZSTD_DCtx *d, struct slot *s)
{
	size_t n = ZSTD_decompressDCtx(d, s->raw, FRAME_RAW, s->packed,
				       s->packed_len);

	s->error = ZSTD_isError(n) ? -EBADMSG : 0;
	s->raw_len = s->error ? 0 : n;
	s->digest = xxh128_of(s->raw, s->raw_len);
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
	ZSTD_DCtx *d = ZSTD_createDCtx();
	struct slot *s;

	if (!c || !d)
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
		if (f->unpack)
			unpack(d, s);
		else
			pack(f, c, s);
		(void)pthread_mutex_lock(&f->lock);
		s->state = SLOT_DONE;
		(void)pthread_cond_signal(&f->done);
	}
	(void)pthread_mutex_unlock(&f->lock);
	(void)ZSTD_freeCCtx(c);
	(void)ZSTD_freeDCtx(d);
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
		if (pthread_create(&f->threads[i], NULL, worker, f) != 0)
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
	VEC_GROW(f->v, f->n, f->cap);
	fr = &f->v[f->n++];
	fr->at = f->size;
	fr->raw = (uint32_t)s->raw_len;
	fr->stored = (uint32_t)s->packed_len;
	fr->digest = s->digest;
	f->size += s->packed_len;
	return 0;
}

static int check_slot(struct frames *f, struct slot *s)
{
	const struct frame *fr = &f->v[f->collect];

	if (s->error || s->raw_len != fr->raw ||
	    !xxh128_equal(&s->digest, &fr->digest))
		return -EBADMSG;
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
	ret = f->unpack ? check_slot(f, s) : write_slot(f, s);
	s->state = SLOT_FREE;
	s->raw_len = s->packed_len = 0;
	f->collect++;
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

const struct frame *frames_get(const struct frames *f, size_t i)
{
	return &f->v[i];
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

/* --- read-back --- */

struct direct {
	int fd;
	char *buf;
	size_t have, used;
	off_t off;
	uint64_t size;
	bool is_direct;
};

/*
 * Aligned blocks past the page cache. Where that is not to be had, the pages
 * are dropped first and "cache" is said, as that proves less.
 */
static int direct_open(struct direct *d, int fd, uint64_t size)
{
	char proc[40];

	memset(d, 0, sizeof(*d));
	d->size = size;
	if (posix_memalign((void **)&d->buf, DIRECT_ALIGN, DIRECT_SIZE))
		die("out of memory");
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	d->fd = fs_open(AT_FDCWD, proc, O_RDONLY | O_DIRECT, 0);
	d->is_direct = d->fd >= 0;
	if (d->fd == -EINVAL) {
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		d->fd = fs_open(AT_FDCWD, proc, O_RDONLY, 0);
	}
	return d->fd < 0 ? d->fd : 0;
}

static void direct_close(struct direct *d)
{
	free(d->buf);
	if (d->fd >= 0)
		(void)close(d->fd); /* read alone */
}

static int direct_fill(struct direct *d)
{
	ssize_t n;

	do
		n = pread(d->fd, d->buf, DIRECT_SIZE, d->off);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EBADMSG;
	d->have = (size_t)n;
	d->used = 0;
	d->off += n;
	return 0;
}

static int direct_read(struct direct *d, char *to, size_t n)
{
	while (n) {
		size_t k;
		int ret = d->used == d->have ? direct_fill(d) : 0;

		if (ret < 0)
			return ret;
		k = MIN(n, d->have - d->used);
		memcpy(to, d->buf + d->used, k);
		d->used += k;
		to += k;
		n -= k;
	}
	return 0;
}

static int feed_back(struct frames *f, struct direct *d)
{
	int ret = 0;

	f->unpack = true;
	f->fill = f->collect = 0;
	for (size_t i = 0; ret >= 0 && i < f->n; i++) {
		struct slot *s;

		ret = open_slot(f, &s);
		if (ret < 0)
			break;
		s->packed_len = f->v[i].stored;
		ret = direct_read(d, s->packed, s->packed_len);
		if (ret >= 0)
			submit(f);
	}
	while (f->collect < f->fill) {
		int r = collect(f);

		if (ret >= 0)
			ret = r;
	}
	return ret;
}

int frames_read_back(struct frames *f, int fd, const char **how,
		     struct error *err)
{
	struct direct d;
	int ret = direct_open(&d, fd, f->size);

	if (ret >= 0)
		ret = feed_back(f, &d);
	*how = d.is_direct ? "disk" : "cache";
	direct_close(&d);
	if (ret == -EBADMSG)
		return error_set(err, ERR_BACKUP, ret,
			_("what was read back from the disk is not what was "
			  "written"));
	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot read the archive back"));
	return 0;
}
