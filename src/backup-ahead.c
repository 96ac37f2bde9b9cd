/* SPDX-License-Identifier: MIT */
/*
 * Looking and reading are half of the work with many small files, and they
 * wait for the kernel, so a thread does them while the caller packs. What it
 * gives out is as good as if the caller had read it: complete, and found the
 * same behind it. Whatever is not that simple, it leaves to the caller.
 *
 * A ring of batches. The thread fills one with items and the content of their
 * files, then it belongs to the caller until that is through with it.
 *
 * What is not in memory yet is asked for, and read when OPEN_MAX further files
 * have been asked for, or with the batch: so the disk has several to fetch at
 * a time, which takes half as long as one after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/thread.h"
#include "base/xalloc.h"

#define BATCHES 4
#define BATCH_ITEMS 256
/* a batch that is half full is given out when the next file does not fit */
#define BATCH_SIZE SMALL_FILE
#define OPEN_MAX 16
#define SQLITE_HEAD 16

struct entry {
	struct item it;
	const char *content;
	int fd;                  /* still to be read, into room; or -1 */
	char *room;
};

struct batch {
	struct entry v[BATCH_ITEMS];
	size_t n;
	size_t open_from, open_n;/* entries with an fd: how many, from where */
	char *data;
	size_t used;
};

struct ahead {
	const struct backup_spec *spec;
	const struct effects *set;
	bool databases;
	char *database;          /* the last that was met */
	struct batch batches[BATCHES];
	size_t filled, taken;    /* batches, growing; under the lock */
	bool quit, ended;        /* the same */
	int ret;
	struct error err;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t room, work;
};

/* --- the thread --- */

static struct batch *current(struct ahead *a)
{
	return &a->batches[a->filled % BATCHES];
}

/* a database's own files begin with its name */
static bool may_be_held(const struct ahead *a, const char *path)
{
	return a->database && str_starts(path, a->database);
}

static bool is_database(struct ahead *a, const struct item *it, int fd,
			const char *content)
{
	char head[SQLITE_HEAD];

	if (!a->databases || it->nlink > 1 || it->size < 512)
		return false;
	if (!content) {
		if (fs_pread_full(fd, head, sizeof(head), 0) != sizeof(head))
			return false;
		content = head;
	}
	return sqlite_is_database(content, SQLITE_HEAD);
}

static bool still_same(const struct item *it, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_ino == it->ino &&
		st.st_dev == it->dev && (uint64_t)st.st_size == it->size &&
		st.st_mtim.tv_sec == it->meta.mtime.tv_sec &&
		st.st_mtim.tv_nsec == it->meta.mtime.tv_nsec &&
		(int64_t)st.st_ctim.tv_sec * 1000000000 +
		st.st_ctim.tv_nsec == it->ctime_ns;
}

static void drop_fd(struct batch *b, struct entry *e)
{
	if (e->fd < 0)
		return;
	(void)close(TAKE_FD(e->fd)); /* read alone */
	b->open_n--;
}

/* it is left to the caller, and so is what may belong to it */
static void found_database(struct ahead *a, struct batch *b, struct entry *e)
{
	free(a->database);
	a->database = xstrdup(e->it.path);
	for (; e < b->v + b->n; e++) {
		if (!may_be_held(a, e->it.path))
			break;
		drop_fd(b, e);
		e->content = NULL;
		e->it.flags &= ~(unsigned int)ITEM_HAS_DIGEST;
	}
}

/* room has the whole file */
static void take_content(struct ahead *a, struct batch *b, struct entry *e,
			 int fd)
{
	if (!still_same(&e->it, fd))
		return;
	if (is_database(a, &e->it, fd, e->room)) {
		found_database(a, b, e);
		return;
	}
	e->content = e->room;
	e->it.digest = xxh128_of(e->content, e->it.size);
	e->it.flags |= ITEM_HAS_DIGEST;
}

static void read_oldest(struct ahead *a, struct batch *b)
{
	struct entry *e;
	int fd;

	while (b->v[b->open_from].fd < 0)
		b->open_from++;
	e = &b->v[b->open_from];
	fd = TAKE_FD(e->fd);
	b->open_n--;
	if (fs_pread_full(fd, e->room, e->it.size, 0) == (ssize_t)e->it.size)
		take_content(a, b, e, fd);
	(void)close(fd); /* read alone */
}

/* what is in memory, without waiting for the disk */
static bool read_now(int fd, char *p, size_t n)
{
	struct iovec v = { p, n };

	return !n || preadv2(fd, &v, 1, 0, RWF_NOWAIT) == (ssize_t)n;
}

/* gives the batch out and waits for the next; the caller may have gone */
static int hand_over(struct ahead *a)
{
	struct batch *b = current(a);
	bool quit;

	while (b->open_n)
		read_oldest(a, b);
	(void)pthread_mutex_lock(&a->lock);
	a->filled++;
	(void)pthread_cond_signal(&a->work);
	while (a->filled - a->taken == BATCHES && !a->quit)
		(void)pthread_cond_wait(&a->room, &a->lock);
	quit = a->quit;
	(void)pthread_mutex_unlock(&a->lock);
	return quit ? -ECANCELED : 0;
}

static bool is_simple(const struct ahead *a, const struct item *it)
{
	return it->nlink <= 1 && it->size <= SMALL_FILE && !it->alloc &&
		!content_is_live(a->spec, it->path);
}

static struct entry *put(struct ahead *a, struct item *it)
{
	struct batch *b = current(a);
	struct entry *e = &b->v[b->n++];

	e->it = *it;
	e->content = NULL;
	e->fd = -1;
	memset(it, 0, sizeof(*it));
	return e;
}

/* *fd may be taken over */
static int put_file(struct ahead *a, struct item *it, int *fd)
{
	struct batch *b = current(a);
	struct entry *e;
	int ret;

	if (!is_simple(a, it)) {
		e = put(a, it);
		if (is_database(a, &e->it, *fd, NULL))
			found_database(a, b, e);
		return 0;
	}
	if (b->used + it->size > BATCH_SIZE) {
		ret = hand_over(a);
		if (ret < 0)
			return ret;
		b = current(a);
	}
	e = put(a, it);
	e->room = b->data + b->used;
	b->used += e->it.size;
	if (read_now(*fd, e->room, e->it.size)) {
		take_content(a, b, e, *fd);
		return 0;
	}
	(void)posix_fadvise(*fd, 0, 0, POSIX_FADV_WILLNEED);
	if (!b->open_n++)
		b->open_from = (size_t)(e - b->v);
	e->fd = TAKE_FD(*fd);
	if (b->open_n > OPEN_MAX)
		read_oldest(a, b);
	return 0;
}

/* fd may be O_PATH */
static int look(struct item *it, int fd, struct error *err)
{
	struct item now;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return pack_io_error(err, -errno, it->path);
	if (!S_ISREG(st.st_mode))
		return pack_changed(err, it->path);
	item_from_stat(&now, it->path, &st);
	item_release(it);
	*it = now;
	return meta_read(fd, &st, &it->meta, err);
}

static int take_file(struct ahead *a, struct set_entry *e, struct error *err)
{
	struct item *it = e->it;
	bool held = may_be_held(a, it->path);
	_cleanup_close_ int fd = held ?
		fs_open(e->dirfd, e->name, O_PATH | O_NOFOLLOW, 0) :
		content_open_quietly(e->dirfd, e->name);
	int ret;

	if (fd == -ENOENT)
		return 0;
	if (fd == -ELOOP)
		return pack_changed(err, it->path);
	if (fd < 0)
		return pack_io_error(err, fd, it->path);
	ret = look(it, fd, err);
	if (ret < 0)
		return ret;
	if (!held)
		return put_file(a, it, &fd);
	(void)put(a, it);
	return 0;
}

static int on_entry(void *ctx, struct set_entry *e, struct error *err)
{
	struct ahead *a = ctx;
	int ret;

	if (current(a)->n == BATCH_ITEMS) {
		ret = hand_over(a);
		if (ret < 0)
			return ret;
	}
	if (a->database && !may_be_held(a, e->it->path))
		free(TAKE_PTR(a->database));
	if (e->bare)
		return take_file(a, e, err);
	(void)put(a, e->it);
	return 0;
}

static void *run(void *arg)
{
	struct ahead *a = arg;

	a->ret = backup_set_walk(a->spec, a->set, on_entry, a, &a->err);
	/* not if the caller has gone: then it is not ours to be filled */
	if (a->ret != -ECANCELED)
		while (current(a)->open_n)
			read_oldest(a, current(a));
	(void)pthread_mutex_lock(&a->lock);
	if (a->ret != -ECANCELED && current(a)->n)
		a->filled++;
	a->ended = true;
	(void)pthread_cond_signal(&a->work);
	(void)pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* --- the caller --- */

static struct batch *next_batch(struct ahead *a)
{
	bool more;

	(void)pthread_mutex_lock(&a->lock);
	while (a->taken == a->filled && !a->ended)
		(void)pthread_cond_wait(&a->work, &a->lock);
	more = a->taken < a->filled;
	(void)pthread_mutex_unlock(&a->lock);
	return more ? &a->batches[a->taken % BATCHES] : NULL;
}

static void give_back(struct ahead *a, struct batch *b)
{
	b->n = b->used = b->open_n = 0;
	(void)pthread_mutex_lock(&a->lock);
	a->taken++;
	(void)pthread_cond_signal(&a->room);
	(void)pthread_mutex_unlock(&a->lock);
}

static int take_all(struct ahead *a, ahead_fn *fn, void *ctx,
		    struct error *err)
{
	struct batch *b;
	int ret = 0;

	while (!ret && (b = next_batch(a))) {
		for (size_t i = 0; i < b->n; i++) {
			if (!ret)
				ret = fn(ctx, &b->v[i].it, b->v[i].content,
					 err);
			item_release(&b->v[i].it);
		}
		give_back(a, b);
	}
	return ret;
}

static void stop(struct ahead *a)
{
	(void)pthread_mutex_lock(&a->lock);
	a->quit = true;
	(void)pthread_cond_signal(&a->room);
	(void)pthread_mutex_unlock(&a->lock);
	(void)pthread_join(a->thread, NULL);
	for (size_t i = 0; i < BATCHES; i++) {
		for (size_t j = 0; j < a->batches[i].n; j++) {
			drop_fd(&a->batches[i], &a->batches[i].v[j]);
			item_release(&a->batches[i].v[j].it);
		}
		free(a->batches[i].data);
	}
	(void)pthread_mutex_destroy(&a->lock);
	(void)pthread_cond_destroy(&a->room);
	(void)pthread_cond_destroy(&a->work);
	free(a->database);
}

int backup_ahead(const struct backup_spec *spec, const struct effects *set,
		 bool databases, ahead_fn *fn, void *ctx, struct error *err)
{
	struct ahead *a = xcalloc(1, sizeof(*a));
	int ret;

	a->spec = spec;
	a->set = set;
	a->databases = databases;
	for (size_t i = 0; i < BATCHES; i++)
		a->batches[i].data = xmalloc(BATCH_SIZE);
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->room, NULL);
	(void)pthread_cond_init(&a->work, NULL);
	if (thread_create(&a->thread, run, a) < 0)
		die("cannot start a thread");
	ret = take_all(a, fn, ctx, err);
	stop(a);
	if (!ret && a->ret) {
		ret = a->ret;
		if (err)
			error_move(err, &a->err);
	}
	error_release(&a->err);
	free(a);
	return ret;
}
