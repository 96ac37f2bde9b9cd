/* SPDX-License-Identifier: MIT */
#include "backup-bundle.h"

#include <errno.h>
#include <string.h>

#include "backup-lib.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

#define CHUNK (64u * 1024u)

struct out {
	int fd;
	int ret;
};

static la_ssize_t on_write(struct archive *a, void *ctx, const void *p,
			   size_t n)
{
	struct out *o = ctx;

	o->ret = fs_write_all(o->fd, p, n);
	if (o->ret < 0) {
		archive_set_error(a, -o->ret, "write");
		return ARCHIVE_FATAL;
	}
	return (la_ssize_t)n;
}

static int write_failed(struct archive *a, const struct out *o,
			struct error *err)
{
	if (o->ret < 0)
		return error_errno(err, ERR_BUNDLE, o->ret,
				   _("cannot write the archive"));
	return error_set(err, ERR_BUNDLE, -EIO,
			 _("cannot write the archive: %s"),
			 archive_error_string(a) ? archive_error_string(a) :
			 "?");
}

static bool write_member(struct archive *a, const struct bundle_member *m,
			 time_t mtime)
{
	struct archive_entry *e = archive_entry_new();
	bool ok;

	if (!e)
		die("out of memory");
	archive_entry_set_pathname(e, m->name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0600);
	archive_entry_set_size(e, (la_int64_t)m->len);
	archive_entry_set_mtime(e, mtime, 0);
	ok = archive_write_header(a, e) == ARCHIVE_OK &&
		(!m->len || archive_write_data(a, m->data, m->len) ==
		 (la_ssize_t)m->len);
	archive_entry_free(e);
	return ok;
}

int bundle_archive_write(int fd, const struct bundle_member *m, size_t n,
			 time_t mtime, struct error *err)
{
	struct out o = { .fd = fd };
	struct archive *a;
	bool ok;
	int ret = archive_lib_load(err);

	if (ret < 0)
		return ret;
	a = archive_write_new();
	if (!a)
		die("out of memory");
	ok = archive_write_set_format_pax_restricted(a) == ARCHIVE_OK &&
		archive_write_add_filter_zstd(a) == ARCHIVE_OK &&
		archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK &&
		archive_write_open(a, &o, NULL, on_write, NULL) == ARCHIVE_OK;
	for (size_t i = 0; ok && i < n; i++)
		ok = write_member(a, &m[i], mtime);
	if (!ok || archive_write_close(a) != ARCHIVE_OK)
		ret = write_failed(a, &o, err);
	(void)archive_write_free(a); /* closed above if it counts */
	return ret;
}

static int read_member(struct archive *a, size_t limit, struct strbuf *out,
		       struct error *err)
{
	la_ssize_t n;

	for (;;) {
		strbuf_grow(out, CHUNK);
		n = archive_read_data(a, out->buf + out->len, CHUNK);
		if (n <= 0)
			break;
		strbuf_set_len(out, out->len + (size_t)n);
		if (out->len > limit)
			return error_set(err, ERR_BUNDLE, -EFBIG,
					 _("the member is too large"));
	}
	if (n < 0)
		return error_set(err, ERR_BUNDLE, -EBADMSG,
				 _("the archive is damaged: %s"),
				 archive_error_string(a) ?
				 archive_error_string(a) : "?");
	return 0;
}

static int find_member(struct archive *a, const char *name, size_t limit,
		       struct strbuf *out, struct error *err)
{
	struct archive_entry *e;
	int rc;

	while ((rc = archive_read_next_header(a, &e)) == ARCHIVE_OK) {
		const char *is = archive_entry_pathname(e);

		if (is && !strcmp(is, name) &&
		    archive_entry_filetype(e) == AE_IFREG)
			return read_member(a, limit, out, err);
	}
	if (rc == ARCHIVE_EOF)
		return error_set(err, ERR_BUNDLE, -ENOENT,
				 _("there is no '%s' in the archive"), name);
	return error_set(err, ERR_BUNDLE, -EBADMSG,
			 _("this is no support bundle: %s"),
			 archive_error_string(a) ? archive_error_string(a) :
			 "?");
}

int bundle_archive_read(int fd, const char *name, size_t limit,
			struct strbuf *out, struct error *err)
{
	int ret = archive_lib_load(err);
	struct archive *a;

	if (ret < 0)
		return ret;
	a = archive_read_new();
	if (!a)
		die("out of memory");
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
	    archive_read_open_fd(a, fd, CHUNK) != ARCHIVE_OK)
		ret = error_set(err, ERR_BUNDLE, -EBADMSG,
				_("this is no support bundle: %s"),
				archive_error_string(a) ?
				archive_error_string(a) : "?");
	else
		ret = find_member(a, name, limit, out, err);
	(void)archive_read_free(a); /* read alone */
	return ret;
}

const char *bundle_archive_library(void)
{
	/* libarchive makes the text anew each time and never frees it */
	static const char *text;

	if (!text && archive_lib_load(NULL) >= 0)
		text = archive_version_details();
	return text ? text : "libarchive";
}
