/* SPDX-License-Identifier: MIT */
/*
 * Items as members of a pax tar. Written by ourselves: libarchive takes three
 * times as long for a small file, cannot say a time between -1 s and 0, and
 * gives every member the record hdrcharset, of which GNU tar complains.
 * libarchive reads it back, so that each is checked by the other.
 *
 * A file with holes has GNU's sparse format 1.0 (GNU tar manual, "PAX Format,
 * Versions 1.0"): the map of its data stands before the data.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"

struct range {
	uint64_t at, n;
};

struct tar {
	struct frames *f;
	struct strbuf out, records;
	uint64_t size;           /* of the content of the member */
	uint64_t done;           /* bytes of it that came */
	uint64_t stored;         /* bytes behind the header */
	bool sparse;
	struct range *ranges;
	size_t range_n, range_cap;
	size_t range_at;         /* the first that is not behind us */
};

char *tar_name(const char *path)
{
	return *path == '/' ? xasprintf(OUTSIDE_PREFIX "%s", path) :
		xstrdup(path);
}

struct tar *tar_new(struct frames *f)
{
	struct tar *t = xcalloc(1, sizeof(*t));

	t->f = f;
	strbuf_init(&t->out);
	strbuf_init(&t->records);
	return t;
}

void tar_free(struct tar *t)
{
	if (!t)
		return;
	strbuf_release(&t->out);
	strbuf_release(&t->records);
	free(t->ranges);
	free(t);
}

static int put(struct tar *t, const void *p, size_t n, struct error *err)
{
	int ret = frames_add(t->f, p, n);

	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot write the archive"));
	return 0;
}

static int put_out(struct tar *t, struct error *err)
{
	int ret = put(t, t->out.buf, t->out.len, err);

	strbuf_clear(&t->out);
	return ret;
}

/* --- attributes --- */

/* as GNU tar has it: '=' ends the keyword, so it cannot stand in it */
static void add_xattr(struct tar *t, const struct meta_xattr *x)
{
	struct strbuf key = STRBUF_INIT;

	strbuf_addstr(&key, "SCHILY.xattr.");
	for (const char *c = x->name; *c; c++) {
		if (*c == '=')
			strbuf_addstr(&key, "%3D");
		else if (*c == '%')
			strbuf_addstr(&key, "%25");
		else
			strbuf_addch(&key, *c);
	}
	pax_add(&t->records, key.buf, x->value, x->len);
	strbuf_release(&key);
}

static int add_acl(struct tar *t, const struct meta_xattr *x, const char *key)
{
	struct strbuf text = STRBUF_INIT;
	int ret = acl_to_text(x->value, x->len, &text);

	if (ret >= 0)
		pax_add(&t->records, key, text.buf, text.len);
	strbuf_release(&text);
	return ret;
}

static int add_xattrs(struct tar *t, const struct item *it)
{
	int ret = 0;

	for (uint32_t i = 0; ret >= 0 && i < it->meta.xattr_n; i++) {
		const struct meta_xattr *x = &it->meta.xattrs[i];

		if (!strcmp(x->name, "system.posix_acl_access"))
			ret = add_acl(t, x, "SCHILY.acl.access");
		else if (!strcmp(x->name, "system.posix_acl_default"))
			ret = add_acl(t, x, "SCHILY.acl.default");
		else
			add_xattr(t, x);
	}
	return ret;
}

/* --- files with holes --- */

static void add_range(struct tar *t, uint64_t at, uint64_t n)
{
	VEC_GROW(t->ranges, t->range_n, t->range_cap);
	t->ranges[t->range_n++] = (struct range){ at, n };
}

static void find_ranges(struct tar *t, int fd)
{
	uint64_t off = 0;

	while (off < t->size) {
		off_t data = lseek(fd, (off_t)off, SEEK_DATA), hole;

		if (data < 0 || (uint64_t)data >= t->size)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole <= data || (uint64_t)hole > t->size)
			hole = (off_t)t->size;
		add_range(t, (uint64_t)data, (uint64_t)(hole - data));
		off = (uint64_t)hole;
	}
	/* a hole at the end: an empty range behind it says where that is */
	if (off < t->size)
		add_range(t, t->size, 0);
	(void)lseek(fd, 0, SEEK_SET); /* read by position from here on */
}

/* the map into out; what is stored is the map and the data */
static void map_ranges(struct tar *t)
{
	strbuf_addf(&t->out, "%zu\n", t->range_n);
	t->stored = 0;
	for (size_t i = 0; i < t->range_n; i++) {
		strbuf_addf(&t->out, "%llu\n%llu\n",
			    (unsigned long long)t->ranges[i].at,
			    (unsigned long long)t->ranges[i].n);
		t->stored += t->ranges[i].n;
	}
	tar_pad(&t->out, t->out.len);
	t->stored += t->out.len;
}

static void add_sparse_records(struct tar *t, const char *name)
{
	struct strbuf *sb = &t->records;

	pax_add(sb, "GNU.sparse.major", "1", 1);
	pax_add(sb, "GNU.sparse.minor", "0", 1);
	pax_add(sb, "GNU.sparse.name", name, strlen(name));
	pax_add_u64(sb, "GNU.sparse.realsize", t->size);
}

/* the parts of the content that are no holes */
static int put_ranges(struct tar *t, const char *p, size_t n,
		      struct error *err)
{
	uint64_t end = t->done + n;
	int ret = 0;

	while (ret >= 0 && t->range_at < t->range_n) {
		const struct range *r = &t->ranges[t->range_at];
		uint64_t from = MAX(r->at, t->done);
		uint64_t to = MIN(r->at + r->n, end);

		if (from < to)
			ret = put(t, p + (from - t->done), to - from, err);
		if (r->at + r->n > end)
			break;
		t->range_at++;
	}
	return ret;
}

/* --- members --- */

static const char types[ITEM_TYPE_COUNT] = {
	[ITEM_FILE] = '0', [ITEM_SYMLINK] = '2', [ITEM_CHAR] = '3',
	[ITEM_BLOCK] = '4', [ITEM_DIR] = '5', [ITEM_FIFO] = '6',
};

static int put_header(struct tar *t, const struct item *it,
		      struct tar_head *h, struct error *err)
{
	struct strbuf map = STRBUF_INIT;
	int ret;

	if (t->sparse) {
		map_ranges(t);
		map = t->out;
		strbuf_init(&t->out);
		h->alias = "GNUSparseFile.0/data";
	}
	h->size = t->stored;
	pax_add_head(&t->records, h);
	if (t->sparse)
		add_sparse_records(t, h->name);
	ret = it->link ? 0 : add_xattrs(t, it);
	if (ret < 0) {
		_cleanup_free_ char *shown = escape_bytes(it->path);

		ret = error_set(err, ERR_BACKUP_FIDELITY, -EINVAL,
				_("'%s' has an access list that is not "
				  "understood"), shown);
	} else {
		tar_add_head(&t->out, h, &t->records);
		strbuf_add(&t->out, map.buf, map.len);
		ret = put_out(t, err);
	}
	strbuf_release(&map);
	strbuf_clear(&t->records);
	return ret;
}

int tar_header(struct tar *t, const struct item *it, int fd,
	       struct error *err)
{
	_cleanup_free_ char *name = tar_name(it->path);
	_cleanup_free_ char *dir = it->type == ITEM_DIR ?
		xasprintf("%s/", name) : NULL;
	_cleanup_free_ char *first = it->link ? tar_name(it->link) : NULL;
	struct tar_head h = {
		.name = dir ? dir : name,
		.link = first ? first : it->target,
		.type = first ? '1' : types[it->type],
		.mode = it->meta.mode, .uid = it->meta.uid,
		.gid = it->meta.gid, .mtime = it->meta.mtime,
	};

	if (it->type == ITEM_CHAR || it->type == ITEM_BLOCK) {
		h.major = major(it->rdev);
		h.minor = minor(it->rdev);
	}
	t->size = t->done = t->stored = 0;
	t->range_n = t->range_at = 0;
	if (it->type == ITEM_FILE && !first)
		t->size = t->stored = it->flags & ITEM_HAS_DIGEST2 ?
			it->stored_size : it->size;
	t->sparse = t->size && it->alloc && fd >= 0;
	if (t->sparse)
		find_ranges(t, fd);
	return put_header(t, it, &h, err);
}

int tar_data(struct tar *t, const void *p, size_t n, struct error *err)
{
	int ret;

	if (n > t->size - t->done)
		BUG("a member has more than its header says");
	ret = t->sparse ? put_ranges(t, p, n, err) : put(t, p, n, err);
	t->done += n;
	return ret;
}

int tar_end_member(struct tar *t, struct error *err)
{
	if (t->done != t->size)
		BUG("a member has less than its header says");
	tar_pad(&t->out, t->stored);
	return t->out.len ? put_out(t, err) : 0;
}

int tar_close(struct tar *t, struct error *err)
{
	static const char end[2 * TAR_BLOCK];

	return put(t, end, sizeof(end), err);
}
