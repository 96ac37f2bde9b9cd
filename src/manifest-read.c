/* SPDX-License-Identifier: MIT */
#include "manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "manifest-internal.h"

#define MANIFEST_FORMAT 1
#define CHUNK_SIZE (128 * 1024)
/* attributes of 64 KiB each in base64; a longer line is no line of ours */
#define LINE_SIZE_MAX (64u * 1024 * 1024)

struct manifest_reader {
	int fd;
	char *name;              /* escaped, for messages */
	struct strbuf buf;       /* bytes from..len are not yet used up */
	size_t from;
	struct strbuf tmp;
	uint64_t line, items, bytes;
	bool ended, eof, stores;
	char *prev;              /* path of the item before */
	struct item item;
};

static int damaged(const struct manifest_reader *r, struct error *err)
{
	return error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
			 _("manifest '%s' is damaged in line %llu"), r->name,
			 (unsigned long long)r->line);
}

/* 1: *s is a line without its newline, valid until the next call; 0: end */
static int next_line(struct manifest_reader *r, char **s, size_t *n,
		     struct error *err)
{
	size_t seen = 0;

	r->line++;
	for (;;) {
		char *at = r->buf.buf + r->from;
		size_t left = r->buf.len - r->from;
		char *nl = memchr(at + seen, '\n', left - seen);
		ssize_t got;

		if (nl) {
			*s = at;
			*n = (size_t)(nl - at);
			r->from += *n + 1;
			return 1;
		}
		if (r->eof)
			return left ? damaged(r, err) : 0;
		if (left > LINE_SIZE_MAX)
			return damaged(r, err);
		seen = left;
		memmove(r->buf.buf, at, left);
		r->from = 0;
		strbuf_set_len(&r->buf, left);
		strbuf_grow(&r->buf, CHUNK_SIZE);
		got = fs_read_full(r->fd, r->buf.buf + left, CHUNK_SIZE);
		if (got < 0)
			return error_errno(err, ERR_IO, (int)got,
					   _("cannot read manifest '%s'"),
					   r->name);
		strbuf_set_len(&r->buf, left + (size_t)got);
		r->eof = got < CHUNK_SIZE;
	}
}

static int read_head(struct manifest_reader *r, struct error *err)
{
	_cleanup_item_ struct item it = ITEM_INIT;
	struct manifest_line line;
	size_t n;
	char *s;
	int k;

	k = next_line(r, &s, &n, err);
	if (k < 0)
		return k;
	if (k == 0 || manifest_parse_line(s, n, &r->tmp, &line, &it) < 0 ||
	    line.kind != LINE_HEAD)
		return damaged(r, err);
	if (line.format != MANIFEST_FORMAT)
		return error_set(err, ERR_BACKUP_DAMAGED, -EPROTONOSUPPORT,
				 _("manifest '%s' has format %llu, this "
				   "upshift knows format %d"), r->name,
				 (unsigned long long)line.format,
				 MANIFEST_FORMAT);
	return 0;
}

static int compare_digest(struct manifest_reader *r, const char *expect,
			  struct error *err)
{
	char text[BLAKE2_TEXT_SIZE];
	int k;

	k = blake2_of_fd(r->fd, text, err);
	if (k < 0)
		return k;
	if (strcmp(text, expect) != 0)
		return error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
				 _("manifest '%s' is not the one that was "
				   "written: its digest differs"), r->name);
	return 0;
}

int manifest_reader_open(struct manifest_reader **ret, int dirfd,
			 const char *name, const char *expect,
			 struct error *err)
{
	struct manifest_reader *r = xcalloc(1, sizeof(*r));
	int k;

	r->name = escape_bytes(name);
	strbuf_init(&r->buf);
	strbuf_init(&r->tmp);
	r->fd = fs_open(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NOCTTY, 0);
	if (r->fd == -ENOENT)
		k = error_errno(err, ERR_BACKUP_DAMAGED, r->fd,
				_("manifest '%s' is missing"), r->name);
	else if (r->fd < 0)
		k = error_errno(err, ERR_IO, r->fd,
				_("cannot open manifest '%s'"), r->name);
	else
		k = expect ? compare_digest(r, expect, err) : 0;
	if (k == 0)
		k = read_head(r, err);
	if (k < 0) {
		manifest_reader_free(r);
		return k;
	}
	*ret = r;
	return 0;
}

static int read_end(struct manifest_reader *r, const struct manifest_line *l,
		    struct error *err)
{
	size_t n;
	char *s;
	int k;

	if (l->items != r->items || l->bytes != r->bytes)
		return damaged(r, err);
	k = next_line(r, &s, &n, err);
	if (k != 0)
		return k < 0 ? k : damaged(r, err);
	r->ended = true;
	return 0;
}

static int next_item(struct manifest_reader *r, struct error *err)
{
	struct manifest_line line;
	size_t n;
	char *s;
	int k;

	if (r->ended)
		return 0;
	free(r->prev);
	r->prev = TAKE_PTR(r->item.path);
	item_release(&r->item);

	k = next_line(r, &s, &n, err);
	if (k < 0)
		return k;
	if (k == 0)
		return error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
				 _("manifest '%s' is incomplete: its last line "
				   "is missing"), r->name);
	if (manifest_parse_line(s, n, &r->tmp, &line, &r->item) < 0)
		return damaged(r, err);
	if (line.kind == LINE_END)
		return read_end(r, &line, err);
	if (line.kind != LINE_ITEM ||
	    (r->prev && path_cmp(r->prev, r->item.path) >= 0))
		return damaged(r, err);
	r->items++;
	if (r->item.type == ITEM_FILE)
		r->bytes += r->item.size;
	return 1;
}

int manifest_next(struct manifest_reader *r, const struct item **ret,
		  struct error *err)
{
	int k;

	do
		k = next_item(r, err);
	while (k > 0 && (r->item.flags & ITEM_STORE) && !r->stores);
	if (k > 0)
		*ret = &r->item;
	return k;
}

void manifest_reader_stores(struct manifest_reader *r)
{
	r->stores = true;
}

void manifest_reader_free(struct manifest_reader *r)
{
	if (!r)
		return;
	closep(&r->fd);
	free(r->name);
	free(r->prev);
	strbuf_release(&r->buf);
	strbuf_release(&r->tmp);
	item_release(&r->item);
	free(r);
}

int manifest_load(struct manifest *m, int dirfd, const char *name,
		  const char *expect, struct error *err)
{
	struct manifest_reader *r;
	const struct item *it;
	int k;

	k = manifest_reader_open(&r, dirfd, name, expect, err);
	if (k < 0)
		return k;
	while ((k = manifest_next(r, &it, err)) > 0) {
		VEC_GROW(m->items, m->n, m->cap);
		item_copy(&m->items[m->n++], it);
	}
	manifest_reader_free(r);
	if (k < 0)
		manifest_release(m);
	return k;
}
