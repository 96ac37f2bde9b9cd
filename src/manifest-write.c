/* SPDX-License-Identifier: MIT */
/*
 * Lines are put together by hand: json-c objects for 100,000 items cost ten
 * times as much as the lines themselves.
 */
#include "manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "manifest-internal.h"

#define FLUSH_SIZE (128 * 1024)

struct manifest_writer {
	int fd;
	uint64_t items, bytes;
	struct blake2 *sum;
	struct strbuf buf;
};

const struct manifest_flag manifest_flags[] = {
	{ "parent", ITEM_PARENT },
	{ "live", ITEM_LIVE },
	{ "in-start", ITEM_IN_START },
	{ "sqlite", ITEM_SQLITE },
	{ "root", ITEM_ROOT },
	{ "self", ITEM_SELF },
	{ "store", ITEM_STORE },
	{ NULL, 0 },
};

static void put(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

static void put_string(struct strbuf *sb, const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t from = 0;

	strbuf_addch(sb, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		strbuf_add(sb, s + from, i - from);
		from = i + 1;
		if (c == '"' || c == '\\') {
			strbuf_addch(sb, '\\');
			strbuf_addch(sb, (char)c);
		} else {
			strbuf_add(sb, "\\u00", 4);
			strbuf_addch(sb, hex[c >> 4]);
			strbuf_addch(sb, hex[c & 15]);
		}
	}
	strbuf_add(sb, s + from, n - from);
	strbuf_addch(sb, '"');
}

static void put_base64(struct strbuf *sb, const void *p, size_t n)
{
	strbuf_addch(sb, '"');
	base64_encode(p, n, sb);
	strbuf_addch(sb, '"');
}

/* KEY is the name with its comma: ",\"link" */
static void put_bytes(struct strbuf *sb, const char *key, const char *v)
{
	size_t n = strlen(v);

	put(sb, key);
	if (utf8_valid(v, n)) {
		put(sb, "\":");
		put_string(sb, v, n);
	} else {
		put(sb, "64\":");
		put_base64(sb, v, n);
	}
}

static void put_digest(struct strbuf *sb, const char *key,
		       const struct xxh128 *d)
{
	char text[XXH128_TEXT_SIZE];

	xxh128_format(d, text);
	put(sb, key);
	put(sb, "\":\"");
	put(sb, text);
	strbuf_addch(sb, '"');
}

static void put_number(struct strbuf *sb, const char *key, uint64_t v)
{
	put(sb, key);
	put(sb, "\":");
	strbuf_add_u64(sb, v);
}

static void put_meta(struct strbuf *sb, const struct meta *m)
{
	char mode[4];
	char nsec[10] = ".000000000";
	long ns = m->mtime.tv_nsec;
	int64_t sec = m->mtime.tv_sec;

	for (int i = 3, bits = (int)m->mode; i >= 0; i--, bits >>= 3)
		mode[i] = (char)('0' + (bits & 7));
	put(sb, ",\"mode\":\"");
	strbuf_add(sb, mode, sizeof(mode));
	strbuf_addch(sb, '"');
	put_number(sb, ",\"uid", m->uid);
	put_number(sb, ",\"gid", m->gid);

	put(sb, ",\"mtime\":\"");
	if (sec < 0)
		strbuf_addch(sb, '-');
	strbuf_add_u64(sb, sec < 0 ? 0 - (uint64_t)sec : (uint64_t)sec);
	for (int i = 9; i > 0; i--, ns /= 10)
		nsec[i] = (char)('0' + ns % 10);
	strbuf_add(sb, nsec, sizeof(nsec));
	strbuf_addch(sb, '"');
}

/* Attributes whose name is not UTF-8 stand in a second object. */
static void put_xattrs(struct strbuf *sb, const struct meta *m, bool odd)
{
	bool first = true;

	for (uint32_t i = 0; i < m->xattr_n; i++) {
		const struct meta_xattr *x = &m->xattrs[i];
		size_t n = strlen(x->name);

		if (utf8_valid(x->name, n) == odd)
			continue;
		if (first)
			put(sb, odd ? ",\"xattrs64\":{" : ",\"xattrs\":{");
		else
			strbuf_addch(sb, ',');
		first = false;
		if (odd)
			put_base64(sb, x->name, n);
		else
			put_string(sb, x->name, n);
		strbuf_addch(sb, ':');
		put_base64(sb, x->value, x->len);
	}
	if (!first)
		strbuf_addch(sb, '}');
}

static void put_flags(struct strbuf *sb, unsigned int flags)
{
	bool first = true;

	for (const struct manifest_flag *f = manifest_flags; f->name; f++) {
		if (!(flags & f->bit))
			continue;
		put(sb, first ? ",\"flags\":[\"" : ",\"");
		put(sb, f->name);
		strbuf_addch(sb, '"');
		first = false;
	}
	if (!first)
		strbuf_addch(sb, ']');
}

static void put_content(struct strbuf *sb, const struct item *it)
{
	if (it->type == ITEM_FILE || it->type == ITEM_SYMLINK)
		put_number(sb, ",\"size", it->size);
	if (it->alloc)
		put_number(sb, ",\"alloc", it->alloc);
	if (it->rows)
		put_number(sb, ",\"rows", it->rows);
	if (it->type == ITEM_CHAR || it->type == ITEM_BLOCK)
		put_number(sb, ",\"rdev", it->rdev);
	if (it->flags & ITEM_HAS_DIGEST)
		put_digest(sb, ",\"digest", &it->digest);
	if (it->flags & ITEM_HAS_DIGEST2) {
		put_digest(sb, ",\"digest2", &it->digest2);
		put_number(sb, ",\"stored", it->stored_size);
	}
	if (it->flags & ITEM_HAS_NAMES)
		put_digest(sb, ",\"names", &it->names);
	if (it->target)
		put_bytes(sb, ",\"target", it->target);
	if (it->link)
		put_bytes(sb, ",\"link", it->link);
	if (it->at_frame || it->at_offset) {
		put(sb, ",\"at\":[");
		strbuf_add_u64(sb, it->at_frame);
		strbuf_addch(sb, ',');
		strbuf_add_u64(sb, it->at_offset);
		strbuf_addch(sb, ']');
	}
}

static int flush(struct manifest_writer *w, struct error *err)
{
	int r;

	blake2_add(w->sum, w->buf.buf, w->buf.len);
	r = fs_write_all(w->fd, w->buf.buf, w->buf.len);
	strbuf_clear(&w->buf);
	if (r < 0)
		return error_errno(err, ERR_IO, r, _("cannot write the manifest"));
	return 0;
}

struct manifest_writer *manifest_writer_new(int fd, const char *name,
					    const char *root)
{
	struct manifest_writer *w = xcalloc(1, sizeof(*w));

	w->fd = fd;
	w->sum = blake2_new();
	strbuf_init(&w->buf);
	put(&w->buf, "{\"type\":\"manifest\",\"format\":1");
	put_bytes(&w->buf, ",\"name", name);
	put_bytes(&w->buf, ",\"root", root);
	put(&w->buf, "}\n");
	return w;
}

int manifest_write(struct manifest_writer *w, const struct item *it,
		   struct error *err)
{
	struct strbuf *sb = &w->buf;

	put_bytes(sb, "{\"path", it->path);
	put(sb, ",\"type\":\"");
	put(sb, item_type_name(it->type));
	strbuf_addch(sb, '"');
	if (it->type != ITEM_ABSENT) {
		put_content(sb, it);
		put_meta(sb, &it->meta);
		put_xattrs(sb, &it->meta, false);
		put_xattrs(sb, &it->meta, true);
	}
	put_flags(sb, it->flags);
	put(sb, "}\n");

	w->items++;
	if (it->type == ITEM_FILE)
		w->bytes += it->size;
	return sb->len < FLUSH_SIZE ? 0 : flush(w, err);
}

int manifest_writer_end(struct manifest_writer *w, char *digest,
			struct error *err)
{
	char text[BLAKE2_TEXT_SIZE];
	int r;

	put(&w->buf, "{\"type\":\"end\"");
	put_number(&w->buf, ",\"items", w->items);
	put_number(&w->buf, ",\"bytes", w->bytes);
	put(&w->buf, "}\n");
	r = flush(w, err);
	if (r < 0)
		return r;
	blake2_end(w->sum, text);
	if (digest)
		memcpy(digest, text, sizeof(text));
	return 0;
}

void manifest_writer_free(struct manifest_writer *w)
{
	if (!w)
		return;
	blake2_free(w->sum);
	strbuf_release(&w->buf);
	free(w);
}
