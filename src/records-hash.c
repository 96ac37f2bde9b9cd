/* SPDX-License-Identifier: MIT */
/*
 * Rows compared without an order: buckets whose sums are not the same are read
 * again, put aside in parts that fit into memory, and each part is sorted and
 * merged. What is put aside beyond a few MiB goes to a file without a name, in
 * chunks that belong to one part each. Where most of the rows would have to be
 * put aside, both sides are read in the order of their keys instead, if that
 * is the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "records-internal.h"

#define PARTS_MAX 1024u
#define PART_BYTES (8u << 20)
#define CHUNK_BYTES (16u << 10)
/* fewer are put aside, however many of all they are */
#define MANY_BYTES (64u << 20)

struct chunk {
	uint32_t part;
	uint64_t off, len;
};

/* the rows of one side that were put aside */
struct aside {
	int fd;                  /* -1: no chunk was full yet */
	uint64_t size;
	struct chunk *chunk;
	size_t n, cap;
	struct strbuf *part;     /* not in the file yet */
};

struct hashing {
	struct records_pass *p;
	uint32_t part[RECORDS_BUCKETS]; /* from 1; 0: of no interest */
	uint32_t parts;
	struct aside aside[2];
};

/* a row of a part, by its key */
struct row {
	const char *key;
	size_t n;
	uint32_t i;
};

struct rows {
	struct store_batch b;
	struct strbuf keys;
	struct row *v;
};

/* --- rows put aside --- */

/* a file without a name; where the file system has none, one that loses it */
static int temporary(int dirfd)
{
	char name[64];
	int fd = fs_open(dirfd, ".", O_RDWR | O_TMPFILE, 0600), ret;

	if (fd != -EOPNOTSUPP && fd != -EISDIR)
		return fd;
	(void)snprintf(name, sizeof(name), ".upshift-rows-%ld-%llx",
		       (long)getpid(), (unsigned long long)clock_mono_ns());
	fd = fs_open(dirfd, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	ret = fd < 0 ? 0 : fs_unlink(dirfd, name, 0);
	if (ret < 0) {
		(void)fs_close(fd);
		return ret;
	}
	return fd;
}

static int flush(struct hashing *h, struct aside *a, uint32_t part,
		 struct error *err)
{
	struct strbuf *sb = &a->part[part - 1];
	struct chunk *c;
	int ret;

	if (a->fd < 0) {
		a->fd = temporary(h->p->spec->scratch_fd);
		if (a->fd < 0)
			return error_errno(err, ERR_IO, a->fd,
				_("cannot make a temporary file"));
	}
	ret = fs_pwrite_all(a->fd, sb->buf, sb->len, (off_t)a->size);
	if (ret < 0)
		return error_errno(err, ERR_IO, ret,
				   _("cannot write a temporary file"));
	VEC_GROW(a->chunk, a->n, a->cap);
	c = &a->chunk[a->n++];
	c->part = part;
	c->off = a->size;
	c->len = sb->len;
	a->size += sb->len;
	strbuf_clear(sb);
	return 0;
}

static int put_aside(void *hashing, int side, const struct store_batch *b,
		     uint32_t row, uint32_t bucket, struct error *err)
{
	struct hashing *h = hashing;
	uint32_t part = h->part[bucket];
	struct strbuf *sb;

	if (!part)
		return 0;
	sb = &h->aside[side].part[part - 1];
	for (uint32_t i = 0; i < b->ncol; i++) {
		const struct store_cell *x = store_batch_cell(b, row, i);

		strbuf_add(sb, &x->len, sizeof(x->len));
		strbuf_addch(sb, (char)x->type);
		if (x->len > 0)
			strbuf_add(sb, b->buf + x->off, (size_t)x->len);
	}
	/* one part alone stays in memory */
	return h->parts > 1 && sb->len > CHUNK_BYTES ?
		flush(h, &h->aside[side], part, err) : 0;
}

static int put_side_aside(void *hashing, int side, struct error *err)
{
	struct hashing *h = hashing;

	return records_each(h->p, side, put_aside, h, err);
}

static int by_key(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	int r = memcmp(a->key, b->key, MIN(a->n, b->n));

	return r ? r : (a->n > b->n) - (a->n < b->n);
}

static void sort_rows(struct rows *r, uint32_t nkey)
{
	size_t at = 0;

	r->v = xcalloc(MAX(r->b.nrow, 1u), sizeof(*r->v));
	for (uint32_t i = 0; i < r->b.nrow; i++) {
		records_key_text(&r->b, i, nkey, &r->keys);
		r->v[i].n = r->keys.len - at;
		r->v[i].i = i;
		at = r->keys.len;
	}
	at = 0;
	for (uint32_t i = 0; i < r->b.nrow; i++) {
		r->v[i].key = r->keys.buf + at;
		at += r->v[i].n;
	}
	if (r->b.nrow)
		qsort(r->v, r->b.nrow, sizeof(*r->v), by_key);
}

static void take_cells(const struct strbuf *sb, struct store_batch *b)
{
	for (size_t at = 0; at < sb->len;) {
		int32_t len;
		uint8_t type = (uint8_t)sb->buf[at + sizeof(len)];
		const char *text = sb->buf + at + sizeof(len) + 1;

		memcpy(&len, sb->buf + at, sizeof(len));
		store_batch_add(b, (enum store_type)type,
				len < 0 ? NULL : text, MAX(len, 0));
		at += sizeof(len) + 1 + (size_t)MAX(len, 0);
	}
}

static int load_part(struct hashing *h, int side, uint32_t part,
		     struct rows *r, struct error *err)
{
	struct aside *a = &h->aside[side];
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	store_batch_clear(&r->b, h->p->ncol);
	for (size_t i = 0; i < a->n; i++) {
		ssize_t n;

		if (a->chunk[i].part != part)
			continue;
		strbuf_clear(&sb);
		strbuf_grow(&sb, a->chunk[i].len);
		n = fs_pread_full(a->fd, sb.buf, a->chunk[i].len,
				  (off_t)a->chunk[i].off);
		if (n < 0 || (uint64_t)n != a->chunk[i].len)
			return error_errno(err, ERR_IO, n < 0 ? (int)n : -EIO,
				_("cannot read a temporary file"));
		strbuf_set_len(&sb, (size_t)n);
		take_cells(&sb, &r->b);
	}
	take_cells(&a->part[part - 1], &r->b);
	sort_rows(r, h->p->nkey);
	return 0;
}

static void rows_release(struct rows *r)
{
	store_batch_release(&r->b);
	strbuf_release(&r->keys);
	free(r->v);
}

/* where the second look will be */
static void heat(struct records_pass *p, const struct row *r)
{
	if (p->hold)
		p->hot[records_bucket_of(r->key, r->n)] = 1;
}

static int differ(struct records_pass *p, enum records_kind kind,
		  const struct rows *r, uint32_t at, uint32_t ncol,
		  struct error *err)
{
	if (kind != RECORDS_EQUIVALENT)
		heat(p, &r->v[at]);
	return records_tell(p, kind, &r->b, r->v[at].i, ncol, err);
}

static int merge_rows(struct records_pass *p, const struct rows *a,
		      const struct rows *b, struct error *err)
{
	uint32_t i = 0, k = 0, n;
	int ret = 0;

	while (ret >= 0 && (i < a->b.nrow || k < b->b.nrow)) {
		int kind, r = i == a->b.nrow ? 1 : k == b->b.nrow ? -1 :
			by_key(&a->v[i], &b->v[k]);

		if (r < 0) {
			ret = differ(p, RECORDS_MISSING, a, i++, 0, err);
		} else if (r > 0) {
			ret = differ(p, RECORDS_EXTRA, b, k++, 0, err);
		} else {
			kind = records_row_cmp(&a->b, a->v[i].i, &b->b,
					       b->v[k].i, p->ncol, p->cols,
					       &n);
			if (kind >= 0)
				ret = differ(p, (enum records_kind)kind, a, i,
					     n, err);
			i++;
			k++;
		}
	}
	return ret;
}

static int compare_parts(struct hashing *h, struct error *err)
{
	int ret = 0;

	for (uint32_t part = 1; ret >= 0 && part <= h->parts; part++) {
		struct rows a = { .keys = STRBUF_INIT };
		struct rows b = { .keys = STRBUF_INIT };

		ret = load_part(h, 0, part, &a, err);
		if (ret >= 0)
			ret = load_part(h, 1, part, &b, err);
		if (ret >= 0)
			ret = merge_rows(h->p, &a, &b, err);
		rows_release(&a);
		rows_release(&b);
	}
	return ret;
}

/* --- which buckets --- */

static uint32_t chosen(const struct records_pass *p)
{
	uint32_t r = (uint32_t)p->spec->seed;

	if (!r && getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)clock_mono_ns();
	return r % RECORDS_BUCKETS;
}

static bool differs(const struct records_pass *p, uint32_t i)
{
	const struct records_bucket *a = &p->bucket[0][i];
	const struct records_bucket *b = &p->bucket[1][i];

	if (p->second)
		return p->hot[i];
	return p->all || a->n != b->n || a->sum != b->sum;
}

static uint64_t bytes_of(const struct records_pass *p, uint32_t i)
{
	return p->bucket[0][i].bytes + p->bucket[1][i].bytes;
}

/* which buckets are of interest; returns their bytes */
static uint64_t choose(struct hashing *h, uint64_t sample, uint64_t *all)
{
	struct records_pass *p = h->p;
	uint32_t first = chosen(p);
	uint64_t total = 0;

	for (uint32_t k = 0; k < RECORDS_BUCKETS; k++) {
		uint32_t i = (first + k) % RECORDS_BUCKETS;

		h->part[i] = differs(p, i);
		if (!h->part[i] && p->out->sampled < sample) {
			h->part[i] = 1;
			p->out->sampled += p->bucket[0][i].n;
		}
		*all += bytes_of(p, i);
		if (h->part[i])
			total += bytes_of(p, i);
	}
	return total;
}

/* the buckets of interest in parts of about the same size */
static void divide(struct hashing *h, uint64_t total)
{
	uint32_t parts = (uint32_t)MIN(total / PART_BYTES + 1, PARTS_MAX);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < RECORDS_BUCKETS; i++) {
		if (!h->part[i])
			continue;
		h->part[i] = (uint32_t)(sum * parts / (total + 1)) + 1;
		sum += bytes_of(h->p, i);
		h->parts = h->part[i];
	}
	for (int side = 0; side < 2; side++) {
		h->aside[side].part = xcalloc(MAX(h->parts, 1u),
					      sizeof(struct strbuf));
		for (uint32_t i = 0; i < h->parts; i++)
			strbuf_init(&h->aside[side].part[i]);
	}
}

static void release(struct hashing *h)
{
	for (int side = 0; side < 2; side++) {
		struct aside *a = &h->aside[side];

		for (uint32_t i = 0; a->part && i < h->parts; i++)
			strbuf_release(&a->part[i]);
		free(a->part);
		free(a->chunk);
		(void)fs_closep(&a->fd); /* nobody reads it any more */
	}
	free(h);
}

static int compare_aside(struct hashing *h, uint64_t total, struct error *err)
{
	int ret = 0;

	divide(h, total);
	if (h->parts) {
		h->p->total += h->p->out->rows[0]; /* it is read once more */
		ret = records_both(h->p, put_side_aside, h, err);
	}
	return ret < 0 ? ret : compare_parts(h, err);
}

/* most of it: RECORDS_DISORDER where the sides do not have the same order */
static int compare_merged(struct records_pass *p, struct error *err)
{
	int ret;

	if (p->disorder)
		return RECORDS_DISORDER;
	p->out->by_hash = false;
	p->total += p->out->rows[0];
	ret = records_merge(p, NULL, NULL, err);
	if (ret != RECORDS_DISORDER) {
		p->out->sampled = p->out->rows[0];
		return ret;
	}
	ret = records_anew(p, err);
	return ret < 0 ? ret : RECORDS_DISORDER;
}

int records_by_hash(struct records_pass *p, uint64_t sample,
		    struct error *err)
{
	struct hashing *h = xcalloc(1, sizeof(*h));
	uint64_t all = 0, total;
	int ret = 0;

	h->p = p;
	h->aside[0].fd = h->aside[1].fd = -1;
	p->out->by_hash = true;
	p->done = 0;
	/* the second look reads the buckets that were hot alone */
	if (!p->second) {
		ret = records_sum_buckets(p, err);
		if (ret >= 0)
			ret = records_tell_part(p, NULL, NULL, err);
	}
	if (!p->hot)
		p->hot = xcalloc(RECORDS_BUCKETS, 1);
	total = ret < 0 ? 0 : choose(h, p->all ? 0 : sample, &all);
	if (ret >= 0 && !p->second && total > MANY_BYTES && total > all / 2) {
		ret = compare_merged(p, err);
		if (ret != RECORDS_DISORDER) {
			release(h);
			return ret;
		}
		p->out->by_hash = true;
		ret = 0;
	}
	if (ret >= 0)
		ret = compare_aside(h, total, err);
	release(h);
	return ret;
}
