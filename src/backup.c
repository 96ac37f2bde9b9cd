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

#define TRIES 3

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

static int copy_to_tar(struct maker *m, int fd, uint64_t n,
		       struct error *err)
{
	off_t off = 0;
	int ret = 0;

	while (ret >= 0 && n) {
		size_t want = (size_t)MIN(n, (uint64_t)SMALL_FILE);
		ssize_t got = fs_pread_full(fd, m->buf, want, off);

		if (got != (ssize_t)want)
			return error_errno(err, ERR_BACKUP,
				got < 0 ? (int)got : -EIO,
				_("cannot read the manifest"));
		ret = tar_data(m->tar, m->buf, want, err);
		n -= want;
		off += got;
	}
	return ret;
}

/* the manifest once more, as the last member */
static int add_manifest(struct maker *m, int fd, struct error *err)
{
	_cleanup_item_ struct item it = ITEM_INIT;
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
	ret = pack_begin(m, &it, -1, &frame, err);
	if (ret >= 0)
		ret = copy_to_tar(m, fd, it.size, err);
	return ret < 0 ? ret : tar_end_member(m->tar, err);
}

static int flush_frames(struct maker *m, struct error *err)
{
	int ret = frames_flush(m->frames);

	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot write the archive"));
	return 0;
}

/* the look must have ended; then all is read, whatever was counted before */
static int settle(struct maker *m, struct error *err)
{
	int ret = pack_settle(m, err);

	m->total = m->read;
	return ret < 0 ? ret : pack_progress(m, 0, err);
}

static int write_all(struct maker *m, struct part *archive,
		     struct part *manifest, struct backup_result *res,
		     struct error *err)
{
	int ret = backup_ahead(m->spec, &m->full, m->tar != NULL, pack_item, m,
			       err);

	hold_release(m, NULL);
	if (ret >= 0)
		ret = pack_extras(m, NULL, err);
	if (ret >= 0)
		ret = settle(m, err);
	if (ret >= 0 && m->frames)
		ret = flush_frames(m, err);
	if (ret >= 0)
		ret = pack_flush(m, err);
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
	readback_rest(m->readback);
	return 0;
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

	m->buf = xmalloc(SMALL_FILE);
	m->links = link_table_new();
	if (ret >= 0)
		ret = open_start(m, err);
	if (ret >= 0 && !m->spec->manifest_only) {
		ret = part_open(&archive, m->dirfd, m->name, ".tar.zst", err);
		if (ret >= 0) {
			m->frames = frames_new(archive.fd, m->spec->level);
			m->readback = readback_new(m->frames, archive.fd);
			m->tar = tar_new(m->frames);
		}
	}
	if (ret >= 0) {
		m->manifest = manifest_writer_new(manifest.fd, m->name,
						  m->spec->root);
		ret = write_all(m, &archive, &manifest, res, err);
	}
	/* while the rest of the archive is read */
	if (ret >= 0)
		ret = check_manifest(&manifest, res->manifest_digest, err);
	if (ret >= 0 && res->has_archive)
		ret = readback_end(m->readback, &res->readback, err);
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

/* set NULL: as given, and it is seen whether that is all */
static int create(struct maker *m, const struct effects *set,
		  struct backup_result *res, struct error *err)
{
	const struct backup_spec *spec = m->spec;
	int ret = effects_resolve(set ? set : spec->set, spec->root_fd,
				  spec->ours, &m->full, err);

	if (ret < 0)
		return ret;
	m->looked = set != NULL;
	if (spec->progress && !m->total)
		pack_look(m);
	return one_try(m, res, err);
}

int backup_create(int dirfd, const char *name, const struct backup_spec *spec,
		  struct backup_result *ret, struct error *err)
{
	uint64_t begun = clock_mono_ns();
	struct effects wider = EFFECTS_INIT;
	uint64_t total = spec->total;
	int r = -EAGAIN;

	for (int tries = 0; tries < TRIES && r == -EAGAIN; tries++) {
		struct maker m = { .spec = spec, .name = name,
				   .dirfd = dirfd, .total = total };

		memset(ret, 0, sizeof(*ret));
		ret->readback = "none";
		if (err)
			error_release(err);
		r = create(&m, wider.n ? &wider : NULL, ret, err);
		if (r == -ESTALE && m.wider.n) {
			/* it has just begun: once more with the wider set */
			effects_release(&wider);
			wider = m.wider;
			memset(&m.wider, 0, sizeof(m.wider));
			r = -EAGAIN;
			tries--;
		}
		ret->items = m.items;
		ret->files = m.files;
		ret->bytes = m.bytes;
		total = m.total;
		maker_release(&m);
	}
	effects_release(&wider);
	ret->elapsed_s = clock_since(begun);
	return r;
}

/* as one word for a shell */
static void add_word(struct strbuf *sb, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.,:=@%+-";

	if (*s && !s[strspn(s, plain)]) {
		strbuf_addstr(sb, s);
		return;
	}
	strbuf_addch(sb, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			strbuf_addstr(sb, "'\\''");
		else
			strbuf_addch(sb, *s);
	}
	strbuf_addch(sb, '\'');
}

char *backup_tar_line(const char *archive, const char *dir)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addstr(&sb, "tar --zstd --xattrs --xattrs-include='*' --acls "
		      "-xpf ");
	add_word(&sb, archive);
	strbuf_addstr(&sb, " -C ");
	add_word(&sb, dir);
	return strbuf_detach(&sb);
}
