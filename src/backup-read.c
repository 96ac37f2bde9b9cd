/* SPDX-License-Identifier: MIT */
/*
 * The way back: archives compared with their manifests, and items got out.
 *
 * libarchive reads what zstd gives; it never writes a file here. A reader may
 * begin at any member, as the manifest says in which frame, and where in it, a
 * member's header lies.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "backup-internal.h"
#include "backup-lib.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"

#define OUT_SIZE (256u * 1024u)
/* a member that is at most so far ahead is reached by reading on */
#define NEAR (8u * 1024u * 1024u)

struct stream {
	int fd;
	const char *name;
	ZSTD_DCtx *z;
	char *in, *out;
	ZSTD_inBuffer ib;
	uint64_t at;             /* in the archive, behind what is in ib */
	uint64_t skip;           /* decompressed bytes to pass over first */
	bool frame_open;
	int ret;
	struct archive *a;
};

struct backup_member {
	struct stream *s;
	struct archive_entry *entry;
	const struct item *it;
	struct xxh_stream *x;    /* of what backup_pull() gave */
	uint64_t off;
	bool ended;
};

static int damaged(struct error *err, const char *name, const char *why)
{
	return error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
			 _("backup '%s' is damaged: %s"), name, why);
}

/* one piece of decompressed data; 0 at the end */
static la_ssize_t more(struct stream *s, const void **ret)
{
	for (;;) {
		ZSTD_outBuffer ob = { s->out, OUT_SIZE, 0 };
		size_t n;

		if (s->ib.pos == s->ib.size) {
			ssize_t r = fs_pread_full(s->fd, s->in, OUT_SIZE,
						  (off_t)s->at);

			if (r < 0) {
				s->ret = (int)r;
				return -1;
			}
			s->at += (uint64_t)r;
			s->ib = (ZSTD_inBuffer){ s->in, (size_t)r, 0 };
			if (r == 0) {
				s->ret = s->frame_open ? -EBADMSG : 0;
				return s->frame_open ? -1 : 0;
			}
		}
		n = ZSTD_decompressStream(s->z, &ob, &s->ib);
		if (ZSTD_isError(n)) {
			s->ret = -EBADMSG;
			return -1;
		}
		s->frame_open = n != 0;
		if (s->skip >= ob.pos) {
			s->skip -= ob.pos;
			continue;
		}
		*ret = s->out + s->skip;
		n = ob.pos - s->skip;
		s->skip = 0;
		return (la_ssize_t)n;
	}
}

static la_ssize_t on_read(struct archive *a, void *ctx, const void **ret)
{
	struct stream *s = ctx;
	la_ssize_t n = more(s, ret);

	if (n < 0)
		archive_set_error(a, -s->ret, "read");
	return n;
}

static int stream_begin(struct stream *s, uint64_t at, uint64_t skip,
			struct error *err)
{
	int ret = archive_lib_load(err);

	if (ret < 0)
		return ret;
	if (s->a)
		(void)archive_read_free(s->a); /* read alone */
	(void)ZSTD_DCtx_reset(s->z, ZSTD_reset_session_only);
	s->ib = (ZSTD_inBuffer){ s->in, 0, 0 };
	s->at = at;
	s->skip = skip;
	s->ret = 0;
	s->frame_open = false;
	s->a = archive_read_new();
	if (!s->a)
		die("out of memory");
	/* each header that needs it says hdrcharset=BINARY itself; as an
	   option of the reader it would be a charset to convert from */
	if (archive_read_support_format_tar(s->a) != ARCHIVE_OK ||
	    archive_read_open(s->a, s, NULL, on_read, NULL) != ARCHIVE_OK)
		return damaged(err, s->name, archive_error_string(s->a) ?
			       archive_error_string(s->a) : "?");
	return 0;
}

static int stream_open(struct stream *s, int dirfd, const char *name,
		       struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.tar.zst", name);

	memset(s, 0, sizeof(*s));
	s->name = name;
	s->fd = fs_open(dirfd, file, O_RDONLY | O_NOFOLLOW, 0);
	if (s->fd < 0)
		return s->fd == -ENOENT ?
			damaged(err, name, _("its archive is not there")) :
			error_errno(err, ERR_BACKUP_DAMAGED, s->fd,
				    _("cannot open '%s'"), file);
	s->z = ZSTD_createDCtx();
	s->in = xmalloc(OUT_SIZE);
	s->out = xmalloc(OUT_SIZE);
	if (!s->z)
		die("out of memory");
	return 0;
}

static void stream_close(struct stream *s)
{
	if (s->a)
		(void)archive_read_free(s->a); /* read alone */
	if (s->fd >= 0)
		(void)close(s->fd); /* read alone */
	(void)ZSTD_freeDCtx(s->z);
	free(s->in);
	free(s->out);
}

/* next header: 1, 0 at the end, or damage */
static int next_header(struct stream *s, struct archive_entry **ret,
		       struct error *err)
{
	int r = archive_read_next_header(s->a, ret);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r == ARCHIVE_OK || r == ARCHIVE_WARN)
		return 1;
	return damaged(err, s->name, archive_error_string(s->a) ?
		       archive_error_string(s->a) : "?");
}

/* a name as it was given: directories come back with a slash */
static bool is_member(struct archive_entry *entry, const char *path)
{
	_cleanup_free_ char *want = tar_name(path);
	const char *have = archive_entry_pathname(entry);
	size_t n = strlen(want);

	return have && !strncmp(have, want, n) &&
		(!have[n] || (have[n] == '/' && !have[n + 1]));
}

/* --- content --- */

static const struct xxh128 *stored_digest(const struct item *it)
{
	return it->flags & ITEM_HAS_DIGEST2 ? &it->digest2 : &it->digest;
}

static uint64_t stored_size(const struct item *it)
{
	return it->flags & ITEM_HAS_DIGEST2 ? it->stored_size : it->size;
}

static void hash_zeros(struct xxh_stream *x, uint64_t n)
{
	static const char zeros[65536];

	while (n) {
		size_t k = (size_t)MIN(n, sizeof(zeros));

		xxh_stream_add(x, zeros, k);
		n -= k;
	}
}

/* reads the member to its end, into fd (or nowhere), and compares it */
static int read_content(struct backup_member *m, int fd, struct error *err)
{
	uint64_t size = stored_size(m->it), off = 0;
	struct xxh_stream *x = xxh_stream_new();
	struct xxh128 digest;
	int ret = 0;

	for (;;) {
		const void *p;
		size_t n;
		la_int64_t at;
		int r = archive_read_data_block(m->s->a, &p, &n, &at);

		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK || (uint64_t)at < off ||
		    (uint64_t)at + n > size) {
			ret = damaged(err, m->s->name, _("a member does not "
							 "have its size"));
			break;
		}
		hash_zeros(x, (uint64_t)at - off);
		xxh_stream_add(x, p, n);
		if (fd >= 0)
			ret = fs_pwrite_all(fd, p, n, (off_t)at);
		if (ret < 0) {
			(void)error_errno(err, ERR_ROLLBACK, ret,
					  _("cannot write '%s'"), m->it->path);
			break;
		}
		off = (uint64_t)at + n;
	}
	if (ret >= 0 && off < size)
		hash_zeros(x, size - off);
	digest = xxh_stream_end(x);
	xxh_stream_free(x);
	if (ret >= 0 && !xxh128_equal(&digest, stored_digest(m->it))) {
		_cleanup_free_ char *shown = escape_bytes(m->it->path);

		ret = error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
			_("backup '%s' is damaged: '%s' is not what the "
			  "manifest says"), m->s->name, shown);
	}
	/* the last hole has no data behind it */
	if (ret >= 0 && fd >= 0)
		ret = fs_truncate(fd, (off_t)size);
	return ret;
}

int backup_member_write(struct backup_member *m, int fd, struct error *err)
{
	if (m->it->type != ITEM_FILE)
		return error_set(err, ERR_BUG, -EINVAL,
				 "'%s' is no regular file", m->it->path);
	return read_content(m, fd, err);
}

/* compared, as it was read to its end */
static int compare_member(struct backup_member *m, struct error *err)
{
	struct xxh128 digest = xxh_stream_end(m->x);
	_cleanup_free_ char *shown = escape_bytes(m->it->path);

	m->ended = true;
	if (m->off == stored_size(m->it) &&
	    xxh128_equal(&digest, stored_digest(m->it)))
		return 0;
	return error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
		_("backup '%s' is damaged: '%s' is not what the manifest "
		  "says"), m->s->name, shown);
}

static ssize_t member_read(struct backup_member *m, const void **p,
			   struct error *err)
{
	size_t n;
	la_int64_t at;
	int r;

	if (m->ended)
		return 0;
	if (!m->x)
		m->x = xxh_stream_new();
	do
		r = archive_read_data_block(m->s->a, p, &n, &at);
	while (r == ARCHIVE_OK && n == 0);
	if (r == ARCHIVE_EOF)
		return compare_member(m, err);
	/* these have no holes */
	if (r != ARCHIVE_OK || (uint64_t)at != m->off)
		return damaged(err, m->s->name,
			       _("a member does not have its size"));
	xxh_stream_add(m->x, *p, n);
	m->off += n;
	return (ssize_t)n;
}

/* --- verify --- */

static bool in_archive(const struct item *it)
{
	return it->type != ITEM_ABSENT && it->type != ITEM_SOCKET &&
		!(it->flags & ITEM_IN_START);
}

static int verify_member(struct stream *s, const struct item *it,
			 struct error *err)
{
	struct backup_member m = { .s = s, .it = it };
	int ret = next_header(s, &m.entry, err);

	if (ret < 0)
		return ret;
	if (ret == 0)
		return damaged(err, s->name, _("members are missing"));
	if (!is_member(m.entry, it->path))
		return damaged(err, s->name, _("a member is not where the "
					       "manifest has it"));
	if (it->type == ITEM_FILE && !it->link)
		return read_content(&m, -1, err);
	return 0;
}

/* behind the items: the manifest itself, and nothing more */
static int verify_end(struct stream *s, struct error *err)
{
	struct archive_entry *entry;
	const void *rest;
	la_ssize_t n;
	int ret = next_header(s, &entry, err);

	if (ret > 0 && !is_member(entry, MANIFEST_MEMBER))
		ret = 0;
	if (ret > 0) {
		ret = next_header(s, &entry, err);
		if (ret == 0)
			ret = 2;
		else if (ret > 0)
			ret = 0;
	}
	if (ret < 0)
		return ret;
	if (ret != 2)
		return damaged(err, s->name, _("it does not end as it was "
					       "written"));
	while ((n = more(s, &rest)) > 0)
		for (la_ssize_t i = 0; i < n; i++)
			if (((const char *)rest)[i])
				return damaged(err, s->name,
					_("something follows its end"));
	return n < 0 ? damaged(err, s->name, _("it is cut off")) : 0;
}

static int verify_archive_digest(int dirfd, const char *name,
				 const char *digest, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.tar.zst", name);
	_cleanup_close_ int fd = fs_open(dirfd, file, O_RDONLY | O_NOFOLLOW,
					 0);
	char now[BLAKE2_TEXT_SIZE];
	int ret;

	if (fd == -ENOENT)
		return damaged(err, name, _("its archive is not there"));
	if (fd < 0)
		return error_errno(err, ERR_BACKUP_DAMAGED, fd,
				   _("cannot open '%s'"), file);
	ret = blake2_of_fd(fd, now, err);
	if (ret >= 0 && strcmp(now, digest) != 0)
		return damaged(err, name, _("its archive is not the one that "
					    "was written"));
	return ret;
}

int backup_verify(int dirfd, const char *name, const char *archive_digest,
		  const char *manifest_digest, bool deep, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.manifest.jsonl", name);
	struct manifest_reader *r = NULL;
	struct stream s = { .fd = -1 };
	const struct item *it;
	bool open = false;
	int ret = 0;

	if (archive_digest && *archive_digest)
		ret = verify_archive_digest(dirfd, name, archive_digest, err);
	if (ret >= 0)
		ret = manifest_reader_open(&r, dirfd, file, manifest_digest,
					   err);
	if (ret >= 0)
		manifest_reader_stores(r);
	while (ret >= 0 && (ret = manifest_next(r, &it, err)) > 0) {
		/* pre-images list parents without storing them */
		if (!deep || !in_archive(it) ||
		    (it->flags & ITEM_PARENT && strcmp(name, "start") &&
		     it->at_frame == 0 && it->at_offset == 0))
			continue;
		if (!open) {
			ret = stream_open(&s, dirfd, name, err);
			if (ret >= 0)
				ret = stream_begin(&s, 0, 0, err);
			open = true;
		}
		if (ret >= 0)
			ret = verify_member(&s, it, err);
	}
	if (ret >= 0 && open)
		ret = verify_end(&s, err);
	if (open)
		stream_close(&s);
	manifest_reader_free(r);
	return ret;
}

/* --- extract --- */

/* the reader stands before the member: by reading on, or from its frame */
static int seek_member(struct stream *s, const struct item *it,
		       const char *path, struct archive_entry **ret,
		       struct error *err)
{
	bool fresh = false;
	int r;

	if (!s->a || it->at_frame > s->at + NEAR) {
		r = stream_begin(s, it->at_frame, it->at_offset, err);
		if (r < 0)
			return r;
		fresh = true;
	}
	for (;;) {
		r = next_header(s, ret, err);
		if (r < 0)
			return r;
		if (r > 0 && is_member(*ret, path))
			return 0;
		if (fresh)
			return damaged(err, s->name, _("a member is not where "
						       "the manifest has it"));
		if (r > 0)
			continue;
		/* it lies behind us (a link's first name): from its frame */
		r = stream_begin(s, it->at_frame, it->at_offset, err);
		if (r < 0)
			return r;
		fresh = true;
	}
}

static int extract_one(struct stream *s, const struct item *it,
		       backup_member_fn *fn, void *ctx, struct error *err)
{
	struct backup_member m = { .s = s, .it = it };
	int ret = 0;

	/* a link is found where its first name is, which is behind us */
	if (it->link && s->a)
		ret = stream_begin(s, it->at_frame, it->at_offset, err);
	if (ret >= 0)
		ret = seek_member(s, it, it->link ? it->link : it->path,
				  &m.entry, err);
	return ret < 0 ? ret : fn(ctx, it, &m, err);
}

int backup_extract(int dirfd, const char *name, const char *manifest_digest,
		   backup_want_fn *want, backup_member_fn *fn, void *ctx,
		   struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.manifest.jsonl", name);
	struct manifest_reader *r = NULL;
	struct stream s = { .fd = -1 };
	const struct item *it;
	bool open = false;
	int ret = manifest_reader_open(&r, dirfd, file, manifest_digest, err);

	while (ret >= 0 && (ret = manifest_next(r, &it, err)) > 0) {
		if (!in_archive(it) || !want(ctx, it))
			continue;
		if (!open) {
			ret = stream_open(&s, dirfd, name, err);
			open = ret >= 0;
		}
		if (ret >= 0)
			ret = extract_one(&s, it, fn, ctx, err);
	}
	if (open)
		stream_close(&s);
	manifest_reader_free(r);
	return ret < 0 ? ret : 0;
}

/* --- members of stores --- */

struct backup_pull {
	struct stream s;
	struct backup_member m;
	struct item it;
	char *name;
};

static int find_store_item(int dirfd, const char *name,
			   const char *manifest_digest, const char *path,
			   struct item *ret, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.manifest.jsonl", name);
	struct manifest_reader *r = NULL;
	const struct item *it;
	int k = manifest_reader_open(&r, dirfd, file, manifest_digest, err);

	if (k < 0)
		return k;
	manifest_reader_stores(r);
	while ((k = manifest_next(r, &it, err)) > 0)
		if ((it->flags & ITEM_STORE) && !strcmp(it->path, path)) {
			item_copy(ret, it);
			break;
		}
	manifest_reader_free(r);
	return k;
}

int backup_pull_open(int dirfd, const char *name, const char *manifest_digest,
		     const char *path, struct backup_pull **ret,
		     struct error *err)
{
	struct backup_pull *p = xcalloc(1, sizeof(*p));
	int r;

	p->s.fd = -1;
	p->name = xstrdup(name);
	p->m.s = &p->s;
	p->m.it = &p->it;
	r = find_store_item(dirfd, name, manifest_digest, path, &p->it, err);
	if (r == 0)
		r = damaged(err, name, _("members are missing"));
	if (r >= 0)
		r = stream_open(&p->s, dirfd, p->name, err);
	if (r >= 0)
		r = seek_member(&p->s, &p->it, path, &p->m.entry, err);
	if (r < 0) {
		backup_pull_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

ssize_t backup_pull(struct backup_pull *p, const void **data,
		    struct error *err)
{
	return member_read(&p->m, data, err);
}

void backup_pull_close(struct backup_pull *p)
{
	if (!p)
		return;
	xxh_stream_free(p->m.x);
	stream_close(&p->s);
	item_release(&p->it);
	free(p->name);
	free(p);
}
