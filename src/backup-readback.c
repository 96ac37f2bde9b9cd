/* SPDX-License-Identifier: MIT */
/*
 * What lies on the disk is decompressed and compared with what was packed.
 *
 * It begins while the archive is still being written, as reading 600 MB takes
 * longer than all that is left to do then: a thread flushes what is there,
 * every FLUSH_EVERY bytes, and reads that range alone. At the end the caller
 * flushes the whole, and both read the rest. A flush that failed is never
 * repeated: it fails the backup.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/thread.h"
#include "base/xalloc.h"

#define FLUSH_EVERY (16u * 1024u * 1024u)
#define ALIGN 4096u

struct readback {
	struct frames *f;
	int fd;                  /* of the archive, borrowed */
	int direct_fd;
	uint64_t asked;          /* size of the archive at the last request */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t work;
	/* the rest is under the lock */
	bool direct;
	size_t next, limit;      /* frames [next, limit) may be read */
	size_t wanted;           /* flush, so that this may be the limit */
	bool ended, quit;
	int error;
};

/* of each that reads */
struct reader {
	struct readback *r;
	ZSTD_DCtx *z;
	char *packed, *raw;
	size_t room;
};

/* --- one frame --- */

static void reader_init(struct reader *rd, struct readback *r)
{
	rd->r = r;
	rd->z = ZSTD_createDCtx();
	rd->raw = xmalloc(FRAME_RAW);
	/* whole blocks, of which the frame has a part */
	rd->room = ZSTD_compressBound(FRAME_RAW) + 2 * ALIGN;
	rd->room -= rd->room % ALIGN;
	if (!rd->z || posix_memalign((void **)&rd->packed, ALIGN, rd->room))
		die("out of memory");
}

static void reader_release(struct reader *rd)
{
	(void)ZSTD_freeDCtx(rd->z);
	free(rd->packed);
	free(rd->raw);
}

/* the blocks that hold want bytes at off, which is a multiple of ALIGN */
static int read_blocks(struct reader *rd, int fd, off_t off, size_t want)
{
	size_t room = want + (size_t)(-want % ALIGN), have = 0;

	while (have < want) {
		ssize_t n = pread(fd, rd->packed + have, room - have,
				  off + (off_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		/* from the middle of a block there is no going on */
		if (n == 0 || (have + (size_t)n < want && n % ALIGN))
			return -EBADMSG;
		have += (size_t)n;
	}
	return 0;
}

/* past the page cache, or, where that cannot be, after emptying it */
static int fetch(struct reader *rd, off_t off, size_t want)
{
	struct readback *r = rd->r;
	bool direct;
	int ret;

	(void)pthread_mutex_lock(&r->lock);
	direct = r->direct;
	(void)pthread_mutex_unlock(&r->lock);
	if (direct) {
		ret = read_blocks(rd, r->direct_fd, off, want);
		if (ret != -EINVAL)
			return ret;
		(void)pthread_mutex_lock(&r->lock);
		r->direct = false;
		(void)pthread_mutex_unlock(&r->lock);
	}
	(void)posix_fadvise(r->fd, off, (off_t)want, POSIX_FADV_DONTNEED);
	return read_blocks(rd, r->fd, off, want);
}

static int check_frame(struct reader *rd, const struct frame *fr)
{
	size_t skip = fr->at % ALIGN, n;
	struct xxh128 digest;
	int ret = fetch(rd, (off_t)(fr->at - skip), skip + fr->stored);

	if (ret < 0)
		return ret;
	n = ZSTD_decompressDCtx(rd->z, rd->raw, FRAME_RAW, rd->packed + skip,
				fr->stored);
	if (ZSTD_isError(n) || n != fr->raw)
		return -EBADMSG;
	digest = xxh128_of(rd->raw, n);
	return xxh128_equal(&digest, &fr->digest) ? 0 : -EBADMSG;
}

/* --- all that may be read --- */

static void fail(struct readback *r, int error)
{
	(void)pthread_mutex_lock(&r->lock);
	if (error && !r->error)
		r->error = error;
	(void)pthread_mutex_unlock(&r->lock);
}

static bool next_frame(struct readback *r, size_t *ret)
{
	bool more;

	(void)pthread_mutex_lock(&r->lock);
	more = !r->error && !r->quit && r->next < r->limit;
	if (more)
		*ret = r->next++;
	(void)pthread_mutex_unlock(&r->lock);
	return more;
}

static void check_frames(struct reader *rd)
{
	size_t i;

	while (next_frame(rd->r, &i)) {
		struct frame fr = frames_get(rd->r->f, i);

		fail(rd->r, check_frame(rd, &fr));
	}
}

/* false: nothing will come any more */
static bool wait_for_work(struct readback *r, size_t *flush)
{
	bool more;

	(void)pthread_mutex_lock(&r->lock);
	while (r->wanted <= r->limit && !r->ended && !r->quit)
		(void)pthread_cond_wait(&r->work, &r->lock);
	*flush = r->wanted > r->limit ? r->wanted : 0;
	more = !r->quit && !r->error && (*flush || r->next < r->limit);
	(void)pthread_mutex_unlock(&r->lock);
	return more;
}

static void flush_to(struct readback *r, size_t n)
{
	int ret = fs_datasync(r->fd);

	fail(r, ret);
	(void)pthread_mutex_lock(&r->lock);
	if (ret >= 0)
		r->limit = MAX(r->limit, n);
	(void)pthread_mutex_unlock(&r->lock);
}

static void *run(void *arg)
{
	struct readback *r = arg;
	struct reader rd;
	size_t flush;

	reader_init(&rd, r);
	while (wait_for_work(r, &flush)) {
		if (flush)
			flush_to(r, flush);
		check_frames(&rd);
	}
	reader_release(&rd);
	return NULL;
}

/* --- the caller --- */

struct readback *readback_new(struct frames *f, int fd)
{
	struct readback *r = xcalloc(1, sizeof(*r));
	char proc[40];

	r->f = f;
	r->fd = fd;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	r->direct_fd = fs_open(AT_FDCWD, proc, O_RDONLY | O_DIRECT, 0);
	r->direct = r->direct_fd >= 0;
	if (r->direct_fd < 0 && r->direct_fd != -EINVAL)
		r->error = r->direct_fd;
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_cond_init(&r->work, NULL);
	return r;
}

static void start(struct readback *r)
{
	if (!r->started)
		r->started = !thread_create(&r->thread, run, r);
}

void readback_follow(struct readback *r)
{
	if (frames_size(r->f) - r->asked < FLUSH_EVERY)
		return;
	r->asked = frames_size(r->f);
	(void)pthread_mutex_lock(&r->lock);
	r->wanted = frames_known(r->f);
	(void)pthread_cond_signal(&r->work);
	(void)pthread_mutex_unlock(&r->lock);
	start(r);
}

void readback_rest(struct readback *r)
{
	bool several;

	(void)pthread_mutex_lock(&r->lock);
	r->wanted = 0;
	r->limit = frames_known(r->f);
	r->ended = true;
	several = r->limit - r->next > 2;
	(void)pthread_cond_signal(&r->work);
	(void)pthread_mutex_unlock(&r->lock);
	if (several)
		start(r);
}

int readback_end(struct readback *r, const char **how, struct error *err)
{
	struct reader rd;

	reader_init(&rd, r);
	check_frames(&rd);
	reader_release(&rd);
	if (r->started)
		(void)pthread_join(r->thread, NULL);
	r->started = false;
	*how = r->direct ? "disk" : "cache";
	if (r->error == -EBADMSG)
		return error_set(err, ERR_BACKUP, r->error,
			_("what was read back from the disk is not what was "
			  "written"));
	if (r->error < 0)
		return error_errno(err, ERR_BACKUP, r->error,
				   _("cannot read the archive back"));
	return 0;
}

void readback_free(struct readback *r)
{
	if (!r)
		return;
	(void)pthread_mutex_lock(&r->lock);
	r->quit = true;
	(void)pthread_cond_signal(&r->work);
	(void)pthread_mutex_unlock(&r->lock);
	if (r->started)
		(void)pthread_join(r->thread, NULL);
	if (r->direct_fd >= 0)
		(void)close(r->direct_fd); /* read alone */
	(void)pthread_mutex_destroy(&r->lock);
	(void)pthread_cond_destroy(&r->work);
	free(r);
}
