/* SPDX-License-Identifier: MIT */
/*
 * One backup: set -> items -> archive and manifest -> read back -> names.
 *
 * What a crash leaves: NAME.*.part files, which the next backup of that name
 * begins anew (O_TRUNC); or, between the renames, an archive without its
 * manifest, which nobody takes for a backup: the journal names neither yet.
 */
#include "backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup-internal.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "sqlite-copy.h"

#define TRIES 3
#define STREAM_BUFFER (256u * 1024u)

/* an item whose frame is not written yet, so that its place is unknown */
struct pending {
	struct item it;
	size_t frame;
};

struct sqlite_hold {
	char *path;              /* of the database; NULL: none is held */
	struct sqlite_lock *lock;
	bool copied;             /* by the API: side files are in the copy */
};

struct maker {
	const struct backup_spec *spec;
	const char *name;
	int dirfd;
	struct effects full;
	struct backup_need need;
	struct frames *frames;
	struct tar *tar;
	struct manifest_writer *manifest;
	struct manifest_reader *start;
	const struct item *start_it;
	struct link_table *links;
	struct pending *queue;
	size_t queue_n, queue_at, queue_cap;
	struct sqlite_hold sqlite;
	char *buf;
	uint64_t read, items, files, bytes;
	uint64_t shown_ns;
	bool stored;
};

int backup_open_quietly(int dirfd, const char *name)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = fs_open(dirfd, name, flags | O_NOATIME, 0);

	return fd == -EPERM ? fs_open(dirfd, name, flags, 0) : fd;
}

static int tell_progress(struct maker *m, uint64_t bytes, struct error *err)
{
	const struct backup_spec *s = m->spec;

	m->read += bytes;
	if (s->cancelled && s->cancelled(s->ctx))
		return error_set(err, ERR_CANCELLED, -ECANCELED,
				 _("stopped by the user"));
	if (s->progress)
		s->progress(s->ctx, m->read, MAX(m->need.bytes, m->read));
	return 0;
}

static int io_error(struct error *err, int ret, const char *path)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	return error_errno(err, ERR_BACKUP, ret, _("cannot back up '%s'"),
			   shown);
}

/* --- manifest, in the order of the frames --- */

static int flush_queue(struct maker *m, struct error *err)
{
	while (m->queue_at < m->queue_n) {
		struct pending *p = &m->queue[m->queue_at];
		int ret;

		if (m->frames && p->frame != SIZE_MAX) {
			if (p->frame >= frames_known(m->frames))
				break;
			p->it.at_frame = frames_get(m->frames, p->frame)->at;
		}
		ret = manifest_write(m->manifest, &p->it, err);
		if (ret < 0)
			return ret;
		item_release(&p->it);
		m->queue_at++;
	}
	if (m->queue_at == m->queue_n) {
		m->queue_at = m->queue_n = 0;
	} else if (m->queue_at > 4096) {
		memmove(m->queue, m->queue + m->queue_at,
			(m->queue_n - m->queue_at) * sizeof(*m->queue));
		m->queue_n -= m->queue_at;
		m->queue_at = 0;
	}
	return 0;
}

/* it is taken over and left empty; frame SIZE_MAX: not in the archive */
static int list_item(struct maker *m, struct item *it, size_t frame,
		     struct error *err)
{
	VEC_GROW(m->queue, m->queue_n, m->queue_cap);
	m->queue[m->queue_n].it = *it;
	m->queue[m->queue_n].frame = frame;
	m->queue_n++;
	memset(it, 0, sizeof(*it));
	m->items++;
	return m->queue_n - m->queue_at > 512 ? flush_queue(m, err) : 0;
}

/* --- what start holds --- */

static int start_has(struct maker *m, const struct item *it, bool *ret,
		     struct error *err)
{
	int r = 0;

	*ret = false;
	if (!m->start)
		return 0;
	while (m->start_it && path_cmp(m->start_it->path, it->path) < 0) {
		r = manifest_next(m->start, &m->start_it, err);
		if (r <= 0)
			m->start_it = NULL;
		if (r < 0)
			return r;
	}
	if (!m->start_it || strcmp(m->start_it->path, it->path) != 0 ||
	    m->start_it->type == ITEM_ABSENT)
		return 0;
	*ret = item_compare(it, m->start_it) == 0 &&
		(it->type != ITEM_FILE ||
		 ((it->flags & m->start_it->flags & ITEM_HAS_DIGEST) &&
		  !(m->start_it->flags & (ITEM_SQLITE | ITEM_LIVE))));
	return 0;
}

/* --- members --- */

static int begin_member(struct maker *m, struct item *it, int fd,
			size_t *frame, struct error *err)
{
	uint32_t off;

	frames_where(m->frames, frame, &off);
	it->at_offset = off;
	m->stored = true;
	return tar_header(m->tar, it, fd, err);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
		a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
		a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
		a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool is_live(const struct maker *m, const char *path)
{
	return glob_match_any(m->spec->live, path);
}

/* reads n bytes from the start and hashes them; into the tar if to_tar */
static int pump(struct maker *m, int fd, uint64_t n, bool to_tar,
		struct xxh128 *ret, const char *path, struct error *err)
{
	struct xxh_stream *x = xxh_stream_new();
	off_t off = 0;
	int r = 0;

	while (r >= 0 && n) {
		size_t want = (size_t)MIN(n, (uint64_t)STREAM_BUFFER);
		ssize_t got = fs_pread_full(fd, m->buf, want, off);

		if (got < 0 || (size_t)got < want) {
			r = got < 0 ? io_error(err, (int)got, path) : -EAGAIN;
			break;
		}
		xxh_stream_add(x, m->buf, want);
		if (to_tar)
			r = tar_data(m->tar, m->buf, want, err);
		if (r >= 0)
			r = tell_progress(m, to_tar ? want : 0, err);
		n -= want;
		off += (off_t)want;
	}
	*ret = xxh_stream_end(x);
	xxh_stream_free(x);
	return r;
}

static int changed(struct error *err, const char *path)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	(void)error_set(err, ERR_BACKUP_CHANGED, -EAGAIN,
			_("'%s' changes while it is read"), shown);
	error_hint(err, "%s", _("stop the program that writes it, or let the "
				"plan name it in 'live'"));
	return -EAGAIN;
}

/* Whole file in m->buf; *it gets size, times and digest of what was read. */
static int read_small(struct maker *m, struct item *it, int fd,
		      struct error *err)
{
	bool live = is_live(m, it->path);

	for (int tries = 0; tries < TRIES; tries++) {
		struct stat a, b;
		ssize_t n;

		if (fstat(fd, &a) < 0 || a.st_size > SMALL_FILE)
			break;
		n = fs_pread_full(fd, m->buf, (size_t)a.st_size, 0);
		if (n < 0)
			return io_error(err, (int)n, it->path);
		if (fstat(fd, &b) < 0)
			return io_error(err, -errno, it->path);
		if (n != a.st_size || (!same_file(&a, &b) && !live) ||
		    b.st_size < a.st_size)
			continue;
		it->size = (uint64_t)n;
		it->meta.mtime = a.st_mtim;
		it->digest = xxh128_of(m->buf, (size_t)n);
		it->flags |= ITEM_HAS_DIGEST | (live ? ITEM_LIVE : 0);
		return 0;
	}
	return changed(err, it->path);
}

static int store_small(struct maker *m, struct item *it, int fd,
		       size_t *frame, struct error *err)
{
	int ret = begin_member(m, it, fd, frame, err);

	if (ret >= 0 && it->size)
		ret = tar_data(m->tar, m->buf, it->size, err);
	if (ret >= 0)
		ret = tar_end_member(m->tar, err);
	return ret < 0 ? ret : tell_progress(m, it->size, err);
}

/* A change while a large file streams spoils the archive: -EAGAIN, anew. */
static int store_large(struct maker *m, struct item *it, int fd,
		       size_t *frame, struct error *err)
{
	bool live = is_live(m, it->path);
	struct stat a, b;
	int ret;

	if (fstat(fd, &a) < 0)
		return io_error(err, -errno, it->path);
	it->size = (uint64_t)a.st_size;
	it->meta.mtime = a.st_mtim;
	it->flags |= ITEM_HAS_DIGEST | (live ? ITEM_LIVE : 0);
	ret = begin_member(m, it, fd, frame, err);
	if (ret >= 0)
		ret = pump(m, fd, it->size, true, &it->digest, it->path, err);
	if (ret == -EAGAIN)
		return changed(err, it->path);
	if (ret >= 0)
		ret = tar_end_member(m->tar, err);
	if (ret < 0)
		return ret;
	if (fstat(fd, &b) < 0)
		return io_error(err, -errno, it->path);
	if (!same_file(&a, &b) && (!live || b.st_size < a.st_size))
		return changed(err, it->path);
	return 0;
}

/* digest alone: manifests without an archive, and "does start hold it?" */
static int digest_large(struct maker *m, struct item *it, int fd,
			struct error *err)
{
	int ret = -EAGAIN;

	for (int tries = 0; tries < TRIES && ret == -EAGAIN; tries++) {
		struct stat a, b;

		if (fstat(fd, &a) < 0)
			return io_error(err, -errno, it->path);
		ret = pump(m, fd, (uint64_t)a.st_size, false, &it->digest,
			   it->path, err);
		if (ret < 0 && ret != -EAGAIN)
			return ret;
		if (fstat(fd, &b) < 0)
			return io_error(err, -errno, it->path);
		if (ret >= 0 && !same_file(&a, &b) &&
		    (!is_live(m, it->path) || b.st_size < a.st_size))
			ret = -EAGAIN;
		it->size = (uint64_t)a.st_size;
		it->meta.mtime = a.st_mtim;
		it->flags |= ITEM_HAS_DIGEST;
		if (is_live(m, it->path))
			it->flags |= ITEM_LIVE;
	}
	return ret < 0 ? changed(err, it->path) : 0;
}

/* --- SQLite --- */

static void sqlite_release(struct maker *m)
{
	sqlite_lock_release(m->sqlite.lock);
	free(m->sqlite.path);
	memset(&m->sqlite, 0, sizeof(m->sqlite));
}

static bool sqlite_side_file(const struct maker *m, const char *path)
{
	static const char *const ends[] = { "-wal", "-shm", "-journal" };
	size_t n;

	if (!m->sqlite.path || !str_starts(path, m->sqlite.path))
		return false;
	n = strlen(m->sqlite.path);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (!strcmp(path + n, ends[i]))
			return true;
	return false;
}

/* from a copy that SQLite made; the digest stays that of the file itself */
static int store_sqlite(struct maker *m, struct item *it, size_t *frame,
			struct error *err)
{
	_cleanup_free_ char *temp = xasprintf("%s.sqlite.part", m->name);
	_cleanup_free_ char *dir = xasprintf("/proc/self/fd/%d/%s", m->dirfd,
					     temp);
	_cleanup_free_ char *path = *it->path == '/' ? xstrdup(it->path) :
		path_join(m->spec->root, it->path);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int ret;

	(void)fs_unlink(m->dirfd, temp, 0); /* of a killed backup */
	ret = sqlite_copy_api(path, dir, err);
	if (ret < 0)
		return ret;
	fd = fs_open(m->dirfd, temp, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return io_error(err, fd < 0 ? fd : -errno, it->path);
	it->flags |= ITEM_SQLITE | ITEM_HAS_DIGEST2;
	it->stored_size = (uint64_t)st.st_size;
	it->alloc = 0;
	ret = begin_member(m, it, -1, frame, err);
	if (ret >= 0)
		ret = pump(m, fd, it->stored_size, true, &it->digest2,
			   it->path, err);
	if (ret == -EAGAIN)
		return changed(err, it->path);
	if (ret >= 0)
		ret = tar_end_member(m->tar, err);
	(void)fs_unlink(m->dirfd, temp, 0); /* swept by the next backup */
	return ret;
}

static int try_sqlite(struct maker *m, const struct item *it, int dirfd,
		      const char *name, int fd, enum sqlite_copy_how *how,
		      struct error *err)
{
	char head[16];
	struct sqlite_lock *lock = NULL;
	int ret;

	*how = SQLITE_COPY_RAW;
	if (it->nlink > 1 || it->size < 512 || !m->tar ||
	    fs_pread_full(fd, head, sizeof(head), 0) != sizeof(head) ||
	    !sqlite_is_database(head, sizeof(head)))
		return 0;
	ret = sqlite_lock_try(dirfd, name, &lock, how, err);
	if (ret < 0)
		return ret;
	sqlite_release(m);
	m->sqlite.path = xstrdup(it->path);
	m->sqlite.lock = lock;
	m->sqlite.copied = *how == SQLITE_COPY_API;
	return 0;
}

/* --- one item --- */

static int add_file(struct maker *m, struct item *it, int dirfd,
		    const char *name, size_t *frame, struct error *err)
{
	_cleanup_close_ int fd = backup_open_quietly(dirfd, name);
	bool small, in_start = false;
	enum sqlite_copy_how how;
	struct stat st;
	int ret;

	if (fd < 0)
		return io_error(err, fd, it->path);
	if (fstat(fd, &st) < 0)
		return io_error(err, -errno, it->path);
	if (!S_ISREG(st.st_mode) || st.st_ino != it->ino)
		return changed(err, it->path);
	ret = try_sqlite(m, it, dirfd, name, fd, &how, err);
	if (ret < 0)
		return ret;
	small = st.st_size <= (off_t)SMALL_FILE && !it->alloc;
	if (small)
		ret = read_small(m, it, fd, err);
	else if (!m->tar || m->start || how == SQLITE_COPY_API)
		ret = digest_large(m, it, fd, err);
	/* an application that has the database open writes it while we look:
	   the digest of the moment is of no use then */
	if (ret == -EAGAIN && how == SQLITE_COPY_API) {
		error_release(err);
		it->flags &= ~(unsigned int)ITEM_HAS_DIGEST;
		ret = 0;
	}
	if (ret >= 0)
		ret = start_has(m, it, &in_start, err);
	if (ret < 0)
		return ret;
	m->files++;
	m->bytes += it->size;
	if (!m->tar)
		return tell_progress(m, it->size, err);
	if (in_start) {
		it->flags |= ITEM_IN_START;
		return 0;
	}
	if (how == SQLITE_COPY_API)
		return store_sqlite(m, it, frame, err);
	return small ? store_small(m, it, fd, frame, err) :
		store_large(m, it, fd, frame, err);
}

static void remember_link(struct link_name *l, const struct item *it,
			  size_t frame)
{
	l->first = xcalloc(1, sizeof(*l->first));
	item_copy(l->first, it);
	l->frame = frame;
}

/* a further name: stored as a link to the first, found where that is */
static int add_link(struct maker *m, struct item *it,
		    const struct link_name *l, size_t *frame,
		    struct error *err)
{
	int ret;

	it->link = xstrdup(l->first->path);
	it->digest = l->first->digest;
	it->size = l->first->size;
	it->flags |= l->first->flags & (ITEM_HAS_DIGEST | ITEM_LIVE |
					ITEM_IN_START);
	if (!m->tar || (it->flags & ITEM_IN_START))
		return 0;
	ret = begin_member(m, it, -1, frame, err);
	if (ret >= 0)
		ret = tar_end_member(m->tar, err);
	*frame = l->frame;
	it->at_offset = l->first->at_offset;
	return ret;
}

static int add_plain(struct maker *m, struct item *it, size_t *frame,
		     struct error *err)
{
	bool in_start = false;
	int ret = start_has(m, it, &in_start, err);

	if (ret < 0 || !m->tar)
		return ret;
	/* parents tell tar users the mode and time of directories */
	if (m->start && (it->flags & ITEM_PARENT))
		return 0;
	if (in_start) {
		it->flags |= ITEM_IN_START;
		return 0;
	}
	ret = begin_member(m, it, -1, frame, err);
	return ret < 0 ? ret : tar_end_member(m->tar, err);
}

static int add_item(void *ctx, struct item *it, int dirfd, const char *name,
		    struct error *err)
{
	struct maker *m = ctx;
	size_t frame = SIZE_MAX;
	struct link_name *l = NULL;
	bool first = true;
	int ret = 0;

	if (m->sqlite.path && !str_starts(it->path, m->sqlite.path))
		sqlite_release(m);
	if (m->sqlite.copied && sqlite_side_file(m, it->path)) {
		it->type = ITEM_ABSENT;
		it->flags = ITEM_SQLITE;
		meta_release(&it->meta);
		it->size = 0;
		return list_item(m, it, SIZE_MAX, err);
	}
	switch (it->type) {
	case ITEM_ABSENT:
		break;
	case ITEM_FILE:
		if (it->nlink > 1)
			l = link_table_get(m->links, it, &first);
		ret = first ? add_file(m, it, dirfd, name, &frame, err) :
			add_link(m, it, l, &frame, err);
		if (ret >= 0 && l && first)
			remember_link(l, it, frame);
		break;
	case ITEM_SOCKET:
		if (m->tar && m->spec->warn)
			m->spec->warn(m->spec->ctx, it->path,
				      _("a socket is not kept"));
		break;
	default:
		ret = add_plain(m, it, &frame, err);
	}
	return ret < 0 ? ret : list_item(m, it, frame, err);
}

/* --- the whole --- */

struct part {
	char *name, *temp;
	int fd;
};

static int part_open(struct part *p, int dirfd, const char *name,
		     const char *end, struct error *err)
{
	p->name = xasprintf("%s%s", name, end);
	p->temp = xasprintf("%s.part", p->name);
	p->fd = fs_open(dirfd, p->temp, O_RDWR | O_CREAT | O_TRUNC |
			O_NOFOLLOW, 0600);
	if (p->fd < 0)
		return error_errno(err, ERR_BACKUP, p->fd,
				   _("cannot create '%s'"), p->temp);
	return 0;
}

static int part_commit(struct part *p, int dirfd, struct error *err)
{
	int ret = fs_closep(&p->fd);

	if (ret >= 0)
		ret = fs_rename(dirfd, p->temp, dirfd, p->name, 0);
	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot finish '%s'"), p->name);
	free(TAKE_PTR(p->temp));
	return 0;
}

static void part_release(struct part *p, int dirfd)
{
	if (p->fd >= 0)
		(void)close(p->fd); /* it is thrown away */
	if (p->temp)
		(void)fs_unlink(dirfd, p->temp, 0); /* swept later */
	free(p->name);
	free(p->temp);
}

static int open_start(struct maker *m, struct error *err)
{
	_cleanup_free_ char *file = NULL;
	int ret;

	if (!m->spec->start_name)
		return 0;
	file = xasprintf("%s.manifest.jsonl", m->spec->start_name);
	ret = manifest_reader_open(&m->start, m->dirfd, file,
				   m->spec->start_digest, err);
	if (ret >= 0)
		ret = manifest_next(m->start, &m->start_it, err);
	if (ret == 0)
		m->start_it = NULL;
	return ret < 0 ? ret : 0;
}

/* the manifest once more, as the last member */
static int add_manifest(struct maker *m, int fd, struct error *err)
{
	_cleanup_item_ struct item it = ITEM_INIT;
	struct xxh128 digest;
	struct stat st;
	size_t frame;
	int ret;

	if (fstat(fd, &st) < 0)
		return error_errno(err, ERR_BACKUP, -errno,
				   _("cannot look at the manifest"));
	it.path = xstrdup(MANIFEST_MEMBER);
	it.type = ITEM_FILE;
	it.size = (uint64_t)st.st_size;
	it.meta.mode = 0600;
	it.meta.uid = st.st_uid;
	it.meta.gid = st.st_gid;
	it.meta.mtime = st.st_mtim;
	ret = begin_member(m, &it, -1, &frame, err);
	if (ret >= 0)
		ret = pump(m, fd, it.size, true, &digest, it.path, err);
	return ret < 0 ? ret : tar_end_member(m->tar, err);
}

static void maker_release(struct maker *m)
{
	sqlite_release(m);
	tar_free(m->tar);
	frames_free(m->frames);
	manifest_writer_free(m->manifest);
	manifest_reader_free(m->start);
	link_table_free(m->links);
	for (size_t i = m->queue_at; i < m->queue_n; i++)
		item_release(&m->queue[i].it);
	free(m->queue);
	free(m->buf);
	effects_release(&m->full);
	backup_need_release(&m->need);
}

static int flush_frames(struct maker *m, struct error *err)
{
	int ret = frames_flush(m->frames);

	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot write the archive"));
	return 0;
}

static int write_all(struct maker *m, struct part *archive,
		     struct part *manifest, struct backup_result *res,
		     struct error *err)
{
	int ret = backup_set_walk(m->spec, &m->full, true, add_item, m, err);

	sqlite_release(m);
	if (ret >= 0 && m->frames)
		ret = flush_frames(m, err);
	if (ret >= 0)
		ret = flush_queue(m, err);
	if (ret >= 0)
		ret = manifest_writer_end(m->manifest, res->manifest_digest,
					  err);
	if (ret < 0 || !m->stored)
		return ret;
	ret = add_manifest(m, manifest->fd, err);
	if (ret >= 0)
		ret = tar_close(m->tar, err);
	if (ret >= 0)
		ret = flush_frames(m, err);
	if (ret < 0)
		return ret;
	frames_digest(m->frames, res->archive_digest);
	res->has_archive = true;
	res->stored_bytes = frames_size(m->frames);
	ret = fs_sync(archive->fd);
	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot flush the archive"));
	return frames_read_back(m->frames, archive->fd, &res->readback, err);
}

/* what lies there is what was written: the manifest by its digest */
static int check_manifest(struct part *manifest, const char *digest,
			  struct error *err)
{
	char now[BLAKE2_TEXT_SIZE];
	int ret = fs_sync(manifest->fd);

	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot flush the manifest"));
	(void)posix_fadvise(manifest->fd, 0, 0, POSIX_FADV_DONTNEED);
	ret = blake2_of_fd(manifest->fd, now, err);
	if (ret >= 0 && strcmp(now, digest) != 0)
		ret = error_set(err, ERR_BACKUP, -EBADMSG,
			_("the manifest that was read back is not the one "
			  "that was written"));
	return ret;
}

static int write_sums(int dirfd, const char *name,
		      const struct backup_result *res, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.b2", name);
	struct strbuf sb = STRBUF_INIT;
	int ret;

	if (res->has_archive)
		strbuf_addf(&sb, "%s  %s.tar.zst\n",
			    strchr(res->archive_digest, ':') + 1, name);
	strbuf_addf(&sb, "%s  %s.manifest.jsonl\n",
		    strchr(res->manifest_digest, ':') + 1, name);
	/* also flushes the directory, and with it the two renames */
	ret = fs_write_file(dirfd, file, sb.buf, sb.len, 0600);
	strbuf_release(&sb);
	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot write '%s'"), file);
	return 0;
}

static int one_try(struct maker *m, struct backup_result *res,
		   struct error *err)
{
	struct part archive = { .fd = -1 }, manifest = { .fd = -1 };
	int ret = part_open(&manifest, m->dirfd, m->name, ".manifest.jsonl",
			    err);

	m->buf = xmalloc(MAX(SMALL_FILE, STREAM_BUFFER));
	m->links = link_table_new();
	if (ret >= 0)
		ret = open_start(m, err);
	if (ret >= 0 && !m->spec->manifest_only) {
		ret = part_open(&archive, m->dirfd, m->name, ".tar.zst", err);
		if (ret >= 0) {
			m->frames = frames_new(archive.fd, m->spec->level);
			m->tar = tar_new(m->frames, err);
			ret = m->tar ? 0 : -EIO;
		}
	}
	if (ret >= 0) {
		m->manifest = manifest_writer_new(manifest.fd, m->name,
						  m->spec->root);
		ret = write_all(m, &archive, &manifest, res, err);
	}
	if (ret >= 0)
		ret = check_manifest(&manifest, res->manifest_digest, err);
	if (ret >= 0 && res->has_archive)
		ret = part_commit(&archive, m->dirfd, err);
	if (ret >= 0)
		ret = part_commit(&manifest, m->dirfd, err);
	if (ret >= 0)
		ret = write_sums(m->dirfd, m->name, res, err);
	part_release(&archive, m->dirfd);
	part_release(&manifest, m->dirfd);
	return ret;
}

int backup_create(int dirfd, const char *name, const struct backup_spec *spec,
		  struct backup_result *ret, struct error *err)
{
	uint64_t begun = clock_mono_ns();
	int r = -EAGAIN;

	for (int tries = 0; tries < TRIES && r == -EAGAIN; tries++) {
		struct maker m = { .spec = spec, .name = name,
				   .dirfd = dirfd };

		memset(ret, 0, sizeof(*ret));
		ret->readback = "none";
		if (err)
			error_release(err);
		r = backup_set_complete(spec, &m.full, &m.need, err);
		if (r >= 0 && m.need.refused.n)
			r = error_set(err, ERR_MOUNT, -EPERM, "%s",
				      m.need.refused.v[0]);
		if (r >= 0)
			r = one_try(&m, ret, err);
		ret->items = m.items;
		ret->files = m.files;
		ret->bytes = m.bytes;
		maker_release(&m);
	}
	ret->elapsed_s = clock_since(begun);
	return r;
}

/* --- is it still so? --- */

struct compare {
	struct maker m;
	struct manifest_reader *r;
	char *path;
};

static int compare_item(void *ctx, struct item *it, int dirfd,
			const char *name, struct error *err)
{
	struct compare *c = ctx;
	const struct item *was;
	int ret;

	if (it->type == ITEM_FILE && !(it->flags & ITEM_PARENT)) {
		_cleanup_close_ int fd = backup_open_quietly(dirfd, name);

		ret = fd < 0 ? io_error(err, fd, it->path) :
			digest_large(&c->m, it, fd, err);
		if (ret < 0)
			return ret;
	}
	ret = manifest_next(c->r, &was, err);
	if (ret < 0)
		return ret;
	if (ret && !strcmp(was->path, it->path) &&
	    (was->type == ITEM_ABSENT && (was->flags & ITEM_SQLITE)))
		return 0;
	if (ret && !strcmp(was->path, it->path) && !item_compare(it, was))
		return 0;
	/* a log that the running application appended to is no change */
	if (ret && !strcmp(was->path, it->path) &&
	    (was->flags & ITEM_LIVE) && it->size >= was->size)
		return 0;
	c->path = xstrdup(it->path);
	return 1;
}

int backup_compare(int dirfd, const char *name, const char *manifest_digest,
		   const struct backup_spec *spec, char **ret_path,
		   struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.manifest.jsonl", name);
	struct compare c = { .m = { .spec = spec, .dirfd = dirfd } };
	const struct item *rest;
	int ret = backup_set_complete(spec, &c.m.full, &c.m.need, err);

	c.m.buf = xmalloc(STREAM_BUFFER);
	if (ret >= 0)
		ret = manifest_reader_open(&c.r, dirfd, file, manifest_digest,
					   err);
	if (ret >= 0)
		ret = backup_set_walk(spec, &c.m.full, true, compare_item, &c,
				      err);
	if (ret == 0) {
		ret = manifest_next(c.r, &rest, err);
		if (ret == 1)
			c.path = xstrdup(rest->path);
	}
	if (ret_path)
		*ret_path = TAKE_PTR(c.path);
	free(c.path);
	manifest_reader_free(c.r);
	maker_release(&c.m);
	return ret < 0 ? ret : ret > 0;
}

char *backup_tar_line(const char *archive, const char *dir)
{
	return xasprintf("tar --zstd --xattrs --xattrs-include='*' --acls "
			 "-xpf %s -C %s", archive, dir);
}
