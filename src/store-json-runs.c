/* SPDX-License-Identifier: MIT */
/*
 * Entries of the index that do not fit into memory: sorted by key in a file
 * without a name, which is gone with the process. A block is a few entries, of
 * which the first one's key is in memory.
 *
 * An entry is struct stored, then its key. Nobody else ever reads it, so it is
 * as this machine has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-json-internal.h"

#define BLOCK 4096
#define BUFFER (256 * 1024)

struct stored {
	uint64_t off;
	uint32_t len, back, name_len, key_len;
	uint8_t src, gone, bad, none[5];
};

static int failed(const struct json_store *q, int ret, struct error *err)
{
	return error_errno(err, ret == -ENOSPC || ret == -EDQUOT ?
			   ERR_NO_SPACE : ERR_STORE, ret,
			   _("%s: cannot write the index of '%s'"), q->s.name,
			   q->path);
}

/* of a key of one column, about */
#define KEY 24

uint64_t store_index_size(uint64_t records)
{
	uint64_t bytes = records * (sizeof(struct stored) + KEY);

	/* all of it is written once more when the parts are put together */
	return bytes < json_index_room() ? 0 : 2 * bytes;
}

size_t json_key_len(const char *key)
{
	const char *p = key;

	while ((unsigned char)*p != 0xff) {
		uint32_t n;

		memcpy(&n, p + 1, sizeof(n));
		p += 5 + n;
	}
	return (size_t)(p - key) + 1;
}

/* --- writing --- */

static int open_scratch(struct json_store *q)
{
	_cleanup_close_ int dir = -1;
	int fd = q->scratch_fd > 0 ? fs_open(q->scratch_fd, ".",
					     O_RDWR | O_TMPFILE, 0600) :
		 -EOPNOTSUPP;

	/* not every file system has such files */
	if (fd != -EOPNOTSUPP && fd != -EISDIR)
		return fd;
	dir = fs_open(AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY, 0);
	return dir < 0 ? dir : fs_open(dir, ".", O_RDWR | O_TMPFILE, 0600);
}

int json_run_begin(struct json_store *q, struct json_run *r, struct error *err)
{
	memset(r, 0, sizeof(*r));
	strbuf_init(&r->keys);
	strbuf_init(&r->buf);
	strbuf_init(&r->last);
	strbuf_init(&r->page.buf);
	r->fd = open_scratch(q);
	return r->fd < 0 ? failed(q, r->fd, err) : 0;
}

static int flush(struct json_store *q, struct json_run *r, struct error *err)
{
	int ret = fs_pwrite_all(r->fd, r->buf.buf, r->buf.len,
				(off_t)(r->len - r->buf.len));

	strbuf_clear(&r->buf);
	return ret < 0 ? failed(q, ret, err) : 0;
}

int json_run_add(struct json_store *q, struct json_run *r,
		 const struct json_entry *e, const char *key,
		 struct error *err)
{
	struct stored s = {
		.off = e->off, .len = e->len, .back = e->back,
		.name_len = e->name_len, .key_len = (uint32_t)json_key_len(key),
		.src = e->src, .gone = e->gone, .bad = e->bad,
	};

	if (!r->nblock || r->len - r->block[r->nblock - 1].off >= BLOCK) {
		VEC_GROW(r->block, r->nblock, r->blockcap);
		r->block[r->nblock++] = (struct json_block) {
			.off = r->len, .first = r->n, .key = r->keys.len,
		};
		strbuf_add(&r->keys, key, s.key_len);
	}
	strbuf_add(&r->buf, (const char *)&s, sizeof(s));
	strbuf_add(&r->buf, key, s.key_len);
	strbuf_clear(&r->last);
	strbuf_add(&r->last, key, s.key_len);
	r->len += sizeof(s) + s.key_len;
	r->n++;
	return r->buf.len < BUFFER ? 0 : flush(q, r, err);
}

int json_run_end(struct json_store *q, struct json_run *r, struct error *err)
{
	int ret = flush(q, r, err);

	strbuf_release(&r->buf);
	strbuf_init(&r->buf);
	return ret;
}

void json_run_release(struct json_run *r)
{
	if (r->fd >= 0)
		(void)fs_close(r->fd); /* it goes with it */
	free(r->block);
	strbuf_release(&r->keys);
	strbuf_release(&r->buf);
	strbuf_release(&r->last);
	strbuf_release(&r->page.buf);
}

/* --- reading --- */

static int load(struct json_store *q, const struct json_run *r,
		struct json_page *p, size_t block, struct error *err)
{
	uint64_t off = r->block[block].off;
	size_t n = (size_t)((block + 1 < r->nblock ? r->block[block + 1].off :
			     r->len) - off);
	ssize_t got;

	if (p->buf.len && p->block == block)
		return 0;
	strbuf_clear(&p->buf);
	strbuf_grow(&p->buf, n);
	got = fs_pread_full(r->fd, p->buf.buf, n, (off_t)off);
	if (got != (ssize_t)n)
		return error_errno(err, ERR_STORE, got < 0 ? (int)got : -EIO,
				   _("%s: cannot read the index of '%s'"),
				   q->s.name, q->path);
	strbuf_set_len(&p->buf, n);
	p->block = block;
	return 0;
}

/* the entry at p->at; its key stays until another block is read */
static size_t entry_at(const struct json_page *p, struct json_entry *e,
		       const char **key)
{
	struct stored s;

	memcpy(&s, p->buf.buf + p->at, sizeof(s));
	*e = (struct json_entry) {
		.off = s.off, .len = s.len, .back = s.back,
		.name_len = s.name_len, .src = s.src, .gone = s.gone,
		.bad = s.bad,
	};
	*key = p->buf.buf + p->at + sizeof(s);
	return sizeof(s) + s.key_len;
}

int json_run_next(struct json_store *q, const struct json_run *r,
		  struct json_page *p, struct json_entry *e, const char **key,
		  struct error *err)
{
	int ret = 0;

	if (p->buf.len && p->at == p->buf.len) {
		if (p->block + 1 == r->nblock)
			return 0;
		p->at = 0;
		ret = load(q, r, p, p->block + 1, err);
	} else if (!p->buf.len) {
		p->at = 0;
		ret = r->n ? load(q, r, p, 0, err) : 0;
	}
	if (ret < 0 || !r->n)
		return ret;
	if (!p->at)
		p->nth = r->block[p->block].first;
	p->at += entry_at(p, e, key);
	p->nth++;
	return 1;
}

/* the last block that begins at the key or before it */
static size_t block_of(const struct json_run *r, const char *key)
{
	size_t lo = 0, hi = r->nblock;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (json_key_cmp(r->keys.buf + r->block[mid].key, key) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int json_run_seek(struct json_store *q, const struct json_run *r,
		  struct json_page *p, const char *key, bool past,
		  struct error *err)
{
	const char *k;
	int ret = r->n ? load(q, r, p, block_of(r, key), err) : 0;

	p->at = 0;
	p->nth = r->n ? r->block[p->block].first : 0;
	while (ret == 0 && p->at < p->buf.len) {
		struct json_entry e;
		size_t n = entry_at(p, &e, &k);
		int c = json_key_cmp(k, key);

		if (past ? c > 0 : c >= 0)
			break;
		p->at += n;
		p->nth++;
	}
	return ret;
}

int json_run_find(struct json_store *q, struct json_run *r, const char *key,
		  struct json_entry *e, uint64_t *nth, struct error *err)
{
	const char *k;
	int ret;

	if (!r->n || json_key_cmp(key, r->keys.buf) < 0 ||
	    json_key_cmp(key, r->last.buf) > 0)
		return 0;
	ret = json_run_seek(q, r, &r->page, key, false, err);
	if (ret < 0 || r->page.at == r->page.buf.len)
		return ret;
	(void)entry_at(&r->page, e, &k);
	*nth = r->page.nth;
	return !json_key_cmp(k, key);
}
