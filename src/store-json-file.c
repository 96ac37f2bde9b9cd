/* SPDX-License-Identifier: MIT */
/* The files behind a store of records: what counts, and how it changes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "store-json-internal.h"

#define RECORD ".upshift"
#define PART ".upshift-part"
#define NEW ".upshift-new"
#define RECORD_MAX (16 * 1024 * 1024)

static char *beside(const struct json_store *q, const char *end)
{
	return xasprintf("%s%s", q->base, end);
}

static int failed(const struct json_store *q, int ret, const char *name,
		  struct error *err)
{
	return error_errno(err, ret == -ENOSPC || ret == -EDQUOT ?
			   ERR_NO_SPACE : ERR_STORE, ret,
			   _("%s: cannot write '%s'"), q->s.name, name);
}

/* --- marks --- */

void json_marks_release(struct json_marks *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].step);
		free(m->v[i].lo);
		free(m->v[i].hi);
		free(m->v[i].pos);
	}
	free(m->v);
	memset(m, 0, sizeof(*m));
}

void json_marks_copy(struct json_marks *dst, const struct json_marks *src)
{
	json_marks_release(dst);
	dst->v = xcalloc(MAX(src->n, 1u), sizeof(*dst->v));
	dst->n = dst->cap = src->n;
	for (size_t i = 0; i < src->n; i++) {
		dst->v[i] = src->v[i];
		dst->v[i].step = xstrdup(src->v[i].step);
		dst->v[i].lo = xstrdup_null(src->v[i].lo);
		dst->v[i].hi = xstrdup_null(src->v[i].hi);
		dst->v[i].pos = xstrdup(src->v[i].pos);
	}
	dst->cap = MAX(src->n, 1u);
}

static struct json_object *marks_to_json(const struct json_marks *m)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < m->n; i++) {
		const struct json_mark *k = &m->v[i];
		struct json_object *o = json_object_new_object();

		json_set_str(o, "step", k->step);
		json_set_int(o, "part", k->part);
		if (k->lo)
			json_set_bytes(o, "lo", k->lo);
		if (k->hi)
			json_set_bytes(o, "hi", k->hi);
		json_set_bytes(o, "pos", k->pos);
		json_set_int(o, "rows", (int64_t)k->rows);
		json_set_int(o, "batches", (int64_t)k->batches);
		json_set_bool(o, "done", k->done);
		json_object_array_add(a, o);
	}
	return a;
}

static void marks_from_json(struct json_object *a, struct json_marks *m)
{
	size_t n = json_object_is_type(a, json_type_array) ?
		   json_object_array_length(a) : 0;

	m->v = xcalloc(MAX(n, 1u), sizeof(*m->v));
	m->cap = MAX(n, 1u);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(a, i);
		struct json_mark *k = &m->v[m->n++];

		k->step = xstrdup(json_get_str(o, "step", ""));
		k->part = (int)json_get_int(o, "part", 0);
		k->lo = json_get_bytes(o, "lo");
		k->hi = json_get_bytes(o, "hi");
		k->pos = json_get_bytes(o, "pos");
		if (!k->pos)
			k->pos = xstrdup("");
		k->rows = (uint64_t)json_get_int(o, "rows", 0);
		k->batches = (uint64_t)json_get_int(o, "batches", 0);
		k->done = json_get_bool(o, "done", false);
	}
}

/* --- the record --- */

static int write_record(struct json_store *q, bool open, struct error *err)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_free_ char *name = beside(q, RECORD);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int ret;

	json_set_int(o, "format", 1);
	json_set_bool(o, "open", open);
	json_set_int(o, "length", (int64_t)q->len[SRC_FILE]);
	json_set_int(o, "part", (int64_t)q->len[SRC_PART]);
	json_set_int(o, "new", (int64_t)q->new_ino);
	json_object_object_add(o, "marks", marks_to_json(&q->marks));
	json_print(o, &text);
	strbuf_addch(&text, '\n');
	ret = fs_write_file(q->dir_fd, name, text.buf, text.len, 0600);
	return ret < 0 ? failed(q, ret, name, err) : 0;
}

static int damaged(const struct json_store *q, const char *name,
		   struct error *err)
{
	return error_set(err, ERR_STORE, -EIO, _("%s: '%s' is damaged"),
			 q->s.name, name);
}

/* 0: there is none */
static int read_record(struct json_store *q, struct json_object **ret,
		       struct error *err)
{
	_cleanup_free_ char *name = beside(q, RECORD);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = fs_read_file(q->dir_fd, name, RECORD_MAX, &text);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_errno(err, ERR_STORE, r, _("%s: cannot read '%s'"),
				   q->s.name, name);
	if (json_parse(text.buf, text.len, ret, NULL) < 0 ||
	    json_get_int(*ret, "format", 0) != 1)
		return damaged(q, name, err);
	return 1;
}

/* --- opening --- */

static int open_file(struct json_store *q, const char *name,
		     enum json_src src, struct stat *st, struct error *err)
{
	int fd = fs_open(q->dir_fd, name, (q->read_only ? O_RDONLY : O_RDWR) |
			 O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))) {
		(void)fs_close(fd);
		fd = -EINVAL;
	}
	if (fd < 0)
		return fd == -ENOENT ? fd :
		       error_errno(err, ERR_STORE, fd, _("cannot open '%s'"),
				   q->path);
	q->fd[src] = fd;
	q->len[src] = (uint64_t)st->st_size;
	return 0;
}

/* The file that was written anew, if its rename is still to be done. */
static int finish_rename(struct json_store *q, const char **name,
			 struct error *err)
{
	_cleanup_free_ char *new = beside(q, NEW);
	struct stat st;
	int ret = 0;

	if (fstatat(q->dir_fd, new, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (q->new_ino && (uint64_t)st.st_ino == q->new_ino) {
		/* who may not write reads it where it is */
		if (q->read_only) {
			*name = NEW;
			return 0;
		}
		ret = fs_rename(q->dir_fd, new, q->dir_fd, q->base, 0);
		if (ret >= 0)
			ret = fs_sync_dir(q->dir_fd, ".");
	} else if (!q->read_only) {
		ret = fs_unlink(q->dir_fd, new, 0);
	}
	return ret < 0 ? failed(q, ret, new, err) : 0;
}

/* What stands behind the length that counts was never committed. */
static int cut(struct json_store *q, enum json_src src, uint64_t len,
	       const char *name, struct error *err)
{
	int ret;

	if (q->fd[src] < 0 || q->len[src] < len)
		return len ? damaged(q, name, err) : 0;
	if (q->len[src] > len && !q->read_only) {
		ret = fs_truncate(q->fd[src], (off_t)len);
		if (ret < 0)
			return failed(q, ret, name, err);
	}
	q->len[src] = len;
	return 0;
}

static int open_part(struct json_store *q, uint64_t len, struct error *err)
{
	_cleanup_free_ char *name = beside(q, PART);
	struct stat st;
	int ret;

	if (!len) {
		if (!q->read_only)
			(void)fs_unlink(q->dir_fd, name, 0);
		return 0;
	}
	ret = open_file(q, name, SRC_PART, &st, err);
	if (ret == -ENOENT)
		return damaged(q, name, err);
	return ret < 0 ? ret : cut(q, SRC_PART, len, name, err);
}

int json_files_open(struct json_store *q, struct error *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_free_ char *name = NULL;
	const char *end = "";
	struct stat st;
	int known = read_record(q, &o, err), ret;

	if (known < 0)
		return known;
	if (known) {
		q->new_ino = (uint64_t)json_get_int(o, "new", 0);
		marks_from_json(json_get(o, "marks"), &q->marks);
	}
	ret = finish_rename(q, &end, err);
	if (ret < 0)
		return ret;
	if (!q->read_only)
		q->new_ino = 0;
	name = beside(q, end);
	ret = open_file(q, name, SRC_FILE, &st, err);
	/* a new document is its part until all rows are there */
	if (ret == -ENOENT && (q->read_only || !q->create) &&
	    (!known || !json_get_int(o, "part", 0)))
		return error_errno(err, ERR_STORE, ret, _("cannot open '%s'"),
				   q->path);
	if (ret < 0 && ret != -ENOENT)
		return ret;
	/* outside of our sessions others may append */
	if (known && q->lines && json_get_bool(o, "open", false))
		ret = cut(q, SRC_FILE, (uint64_t)json_get_int(o, "length", 0),
			  q->path, err);
	else
		ret = 0;
	if (ret == 0 && known && !q->lines)
		ret = open_part(q, (uint64_t)json_get_int(o, "part", 0), err);
	return ret;
}

int json_files_begin(struct json_store *q, struct error *err)
{
	int ret = q->dirty ? 0 : write_record(q, true, err);

	if (ret == 0)
		q->dirty = true;
	return ret;
}

int json_files_marks(struct json_store *q, struct error *err)
{
	return write_record(q, true, err);
}

int json_files_close(struct json_store *q, struct error *err)
{
	int ret = q->dirty ? write_record(q, false, err) : 0;

	for (int i = 0; i < 2; i++) {
		if (q->fd[i] >= 0)
			(void)fs_close(q->fd[i]); /* flushed at each commit */
		strbuf_release(&q->win[i].buf);
	}
	if (q->dir_fd >= 0)
		(void)fs_close(q->dir_fd);
	return ret;
}

/* --- commit --- */

static int make_file(struct json_store *q, enum json_src src, const char *name,
		     struct error *err)
{
	int fd, ret = 0;

	if (q->fd[src] >= 0)
		return 0;
	fd = fs_open(q->dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failed(q, fd, name, err);
	/* a umask is for what people make */
	if (src == SRC_FILE)
		ret = fs_chmod(fd, 0644);
	if (ret < 0) {
		(void)fs_close(fd);
		return failed(q, ret, name, err);
	}
	q->fd[src] = fd;
	q->len[src] = 0;
	return 0;
}

/* a line that somebody did not end is ended first */
static int end_line(struct json_store *q, enum json_src src)
{
	char last = '\n';
	int ret;

	if (q->len[src] && fs_pread_full(q->fd[src], &last, 1,
					 (off_t)q->len[src] - 1) != 1)
		return -EIO;
	if (last == '\n')
		return 0;
	ret = fs_pwrite_all(q->fd[src], "\n", 1, (off_t)q->len[src]);
	if (ret >= 0)
		q->len[src]++;
	return ret;
}

/* the lines of the transaction behind what counts, flushed */
static int append(struct json_store *q, struct error *err)
{
	enum json_src src = q->lines ? SRC_FILE : SRC_PART;
	_cleanup_free_ char *name = beside(q, q->lines ? "" : PART);
	int ret = make_file(q, src, name, err);

	if (ret < 0)
		return ret;
	ret = fs_truncate(q->fd[src], (off_t)q->len[src]);
	if (ret >= 0)
		ret = end_line(q, src);
	if (ret >= 0)
		ret = fs_pwrite_all(q->fd[src], q->tx.buf, q->tx.len,
				    (off_t)q->len[src]);
	if (ret >= 0)
		ret = fs_datasync(q->fd[src]);
	if (ret >= 0 && q->len[src] == 0)
		ret = fs_sync_dir(q->dir_fd, ".");
	if (ret < 0)
		return failed(q, ret, name, err);
	ret = json_index_merge(q, src, q->len[src], err);
	if (ret < 0)
		return ret;
	q->len[src] += q->tx.len;
	/* the window may hold what stood there before */
	strbuf_clear(&q->win[src].buf);
	return write_record(q, true, err);
}

/* of the step that is at work; those of others may never come to an end */
static bool all_done(const struct json_store *q)
{
	for (size_t i = 0; q->step && i < q->marks.n; i++)
		if (!q->marks.v[i].done && !strcmp(q->marks.v[i].step, q->step))
			return false;
	return true;
}

static int keep_mode(struct json_store *q, int fd)
{
	struct stat st, now;
	int ret = 0;

	if (q->fd[SRC_FILE] < 0)
		return fs_chmod(fd, 0644);
	if (fstat(q->fd[SRC_FILE], &st) < 0 || fstat(fd, &now) < 0)
		return -errno;
	if (st.st_uid != now.st_uid || st.st_gid != now.st_gid)
		ret = fs_chown(fd, "", st.st_uid, st.st_gid, AT_EMPTY_PATH);
	return ret < 0 ? ret : fs_chmod(fd, st.st_mode & 07777);
}

/* a flushed file FILE.upshift-new with all of it; *ino */
static int write_new(struct json_store *q, const char *name, uint64_t *ino,
		     uint64_t *len, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int ret;

	fd = fs_open(q->dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW,
		     0600);
	if (fd < 0)
		return failed(q, fd, name, err);
	ret = json_render(q, fd, err);
	if (ret < 0)
		return ret;
	ret = keep_mode(q, fd);
	if (ret >= 0)
		ret = fs_sync(fd);
	if (ret >= 0)
		ret = fs_sync_dir(q->dir_fd, ".");
	if (ret >= 0 && fstat(fd, &st) < 0)
		ret = -errno;
	if (ret < 0)
		return failed(q, ret, name, err);
	*ino = (uint64_t)st.st_ino;
	*len = (uint64_t)st.st_size;
	return 0;
}

static void close_files(struct json_store *q)
{
	for (int i = 0; i < 2; i++) {
		if (q->fd[i] >= 0)
			(void)fs_close(q->fd[i]); /* what counts is flushed */
		q->fd[i] = -1;
		q->len[i] = 0;
		strbuf_clear(&q->win[i].buf);
	}
	json_index_drop(q);
}

/*
 * The record is the moment: it names the new file, with the marks. Whoever
 * comes behind a crash renames it as we do here.
 */
static int replace(struct json_store *q, struct error *err)
{
	_cleanup_free_ char *new = beside(q, NEW);
	_cleanup_free_ char *part = beside(q, PART);
	uint64_t ino = 0, len = 0;
	struct stat st;
	int ret;

	ret = json_index_merge(q, SRC_TX, 0, err);
	if (ret == 0)
		ret = json_index_unite(q, err);
	if (ret < 0)
		return ret;
	ret = write_new(q, new, &ino, &len, err);
	if (ret < 0)
		return ret;
	close_files(q);
	q->new_ino = ino;
	q->len[SRC_FILE] = len;
	ret = write_record(q, true, err);
	if (ret < 0)
		return ret;
	ret = fs_rename(q->dir_fd, new, q->dir_fd, q->base, 0);
	if (ret >= 0)
		ret = fs_sync_dir(q->dir_fd, ".");
	if (ret < 0)
		return failed(q, ret, q->base, err);
	q->new_ino = 0; /* another file may get this number */
	(void)fs_unlink(q->dir_fd, part, 0); /* it does not count any more */
	return open_file(q, q->base, SRC_FILE, &st, err);
}

int json_files_commit(struct json_store *q, struct error *err)
{
	bool records = q->pending.n || q->len[SRC_PART];
	int ret;

	if (q->lines ? q->rewrite : records && all_done(q))
		ret = replace(q, err);
	else if (q->tx.len)
		ret = append(q, err);
	else
		ret = write_record(q, true, err);
	if (ret < 0)
		json_index_drop(q);
	return ret;
}
