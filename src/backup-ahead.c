/* SPDX-License-Identifier: MIT */
/*
 * Looking and reading are half of the work with many small files, and they
 * wait for the kernel, so a thread does them while the caller packs. What it
 * gives out is as good as if the caller had read it: complete, and found the
 * same behind it. Whatever is not that simple, it leaves to the caller.
 *
 * A ring of batches. The thread fills one with items and the content of their
 * files, then it belongs to the caller until that is through with it.
 */
#include <errno.h>
#include <string.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/thread.h"
#include "base/xalloc.h"

#define BATCHES 4
#define BATCH_ITEMS 256
/* a batch that is half full is given out when the next file does not fit */
#define BATCH_SIZE SMALL_FILE
#define SQLITE_HEAD 16

struct entry {
	struct item it;
	const char *content;
};

struct batch {
	struct entry v[BATCH_ITEMS];
	size_t n;
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

/* gives the batch out and waits for the next; the caller may have gone */
static int hand_over(struct ahead *a)
{
	bool quit;

	(void)pthread_mutex_lock(&a->lock);
	a->filled++;
	(void)pthread_cond_signal(&a->work);
	while (a->filled - a->taken == BATCHES && !a->quit)
		(void)pthread_cond_wait(&a->room, &a->lock);
	quit = a->quit;
	(void)pthread_mutex_unlock(&a->lock);
	return quit ? -ECANCELED : 0;
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

/* the whole file behind what the batch has; NULL: left to the caller */
static int read_file(struct ahead *a, struct item *it, int fd,
		     const char **ret)
{
	struct batch *b = current(a);
	int r;

	*ret = NULL;
	if (it->nlink > 1 || it->size > SMALL_FILE || it->alloc ||
	    content_is_live(a->spec, it->path))
		return 0;
	if (b->used + it->size > BATCH_SIZE) {
		r = hand_over(a);
		if (r < 0)
			return r;
		b = current(a);
	}
	if (it->size && fs_pread_full(fd, b->data + b->used, it->size, 0) !=
	    (ssize_t)it->size)
		return 0;
	if (!still_same(it, fd))
		return 0;
	*ret = b->data + b->used;
	return 0;
}

static void put(struct ahead *a, struct item *it, const char *content)
{
	struct batch *b = current(a);
	struct entry *e = &b->v[b->n++];

	e->it = *it;
	e->content = content;
	memset(it, 0, sizeof(*it));
	if (!content)
		return;
	e->it.digest = xxh128_of(content, e->it.size);
	e->it.flags |= ITEM_HAS_DIGEST;
	b->used += e->it.size;
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
	const char *content = NULL;
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
	if (ret >= 0 && !held) {
		ret = read_file(a, it, fd, &content);
		if (ret >= 0 && is_database(a, it, fd, content)) {
			content = NULL;
			free(a->database);
			a->database = xstrdup(it->path);
		}
	}
	if (ret >= 0)
		put(a, it, content);
	return ret;
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
	put(a, e->it, NULL);
	return 0;
}

static void *run(void *arg)
{
	struct ahead *a = arg;

	a->ret = backup_set_walk(a->spec, a->set, on_entry, a, &a->err);
	(void)pthread_mutex_lock(&a->lock);
	if (current(a)->n && !a->quit)
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
	b->n = b->used = 0;
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
		for (size_t j = 0; j < a->batches[i].n; j++)
			item_release(&a->batches[i].v[j].it);
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
