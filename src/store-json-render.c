/* SPDX-License-Identifier: MIT */
/* A file of records as a whole, from the one before and what is new. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-text.h"
#include "json-tree.h"
#include "store-json-internal.h"

#define BUFFER (256 * 1024)
#define SPACE_MAX 256

struct output {
	int fd;
	struct strbuf buf;
	bool any;                /* an element was written */
	uint8_t *written;        /* a bit for each entry, by its number */
	/* white space ahead of an element, and behind the last */
	char *gap, *tail;
	struct json_reader reader;
	struct json_tree t;
	struct store_batch row;
};

static int write_out(const struct json_store *q, const struct output *o,
		     const char *p, size_t n, struct error *err)
{
	int ret = fs_write_all(o->fd, p, n);

	return ret < 0 ? error_errno(err, ret == -ENOSPC || ret == -EDQUOT ?
				     ERR_NO_SPACE : ERR_STORE, ret,
				     _("%s: cannot write '%s'"), q->s.name,
				     q->base) : 0;
}

static int flush(struct json_store *q, struct output *o, struct error *err)
{
	int ret = write_out(q, o, o->buf.buf, o->buf.len, err);

	strbuf_clear(&o->buf);
	return ret;
}

/* element and key: as they shall stand there */
static int put(struct json_store *q, struct output *o, const char *key,
	       size_t kn, const char *p, size_t n, struct error *err)
{
	int ret;

	if (!q->lines) {
		if (o->any)
			strbuf_addch(&o->buf, ',');
		strbuf_addstr(&o->buf, o->gap);
	}
	if (key) {
		strbuf_add(&o->buf, key, kn);
		strbuf_addstr(&o->buf, ": ");
	}
	if (n < BUFFER) {
		strbuf_add(&o->buf, p, n);
	} else {
		ret = flush(q, o, err);
		if (ret == 0)
			ret = write_out(q, o, p, n, err);
		if (ret < 0)
			return ret;
	}
	if (q->lines)
		strbuf_addch(&o->buf, '\n');
	o->any = true;
	return o->buf.len < BUFFER ? 0 : flush(q, o, err);
}

static bool is_written(const struct output *o, uint64_t nth)
{
	return o->written[nth / 8] & 1u << nth % 8;
}

/* the entry with this number */
static int put_new(struct json_store *q, struct output *o,
		   const struct json_entry *e, uint64_t nth,
		   struct error *err)
{
	uint32_t node, name;
	const char *key = NULL, *p;
	size_t kn = 0, n;
	int ret = json_entry_parse(q, e, &o->t, &node, NULL, err);

	if (ret < 0)
		return ret;
	o->written[nth / 8] |= (uint8_t)(1u << nth % 8);
	name = q->lines ? 0 : json_member(&o->t, JSON_ROOT, "@key", 4);
	if (name && q->object)
		key = json_raw(&o->t, name, &kn);
	if (q->object && !key)
		return error_set(err, ERR_STORE, -EINVAL,
			_("%s: a row without '@key' for an object"),
			q->s.name);
	p = json_raw(&o->t, node, &n);
	return put(q, o, key, kn, p, n, err);
}

/* an element of the file as it was: stays, goes, or has a new text */
static int on_old(struct json_store *q, uint64_t off, uint32_t len,
		  const char *key, size_t kn, void *ctx, struct error *err)
{
	struct json_entry old = { .off = off, .len = len, .src = SRC_FILE };
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	struct output *o = ctx;
	struct json_entry e;
	const char *text;
	uint64_t nth;
	size_t at;
	uint32_t node;
	int ret = json_entry_parse(q, &old, &o->t, &node, NULL, err);

	if (ret < 0)
		return ret;
	if (key)
		json_text_decode(key, kn, &name);
	store_batch_clear(&o->row, o->reader.shape->nkey);
	json_reader_cells(&o->reader, &o->t, node, key ? name.buf : NULL,
			  name.len, o->reader.shape->nkey, &o->row);
	at = json_index_key(q, &o->row, 0, o->reader.shape->nkey);
	ret = json_index_get(q, q->keys.buf + at, &e, &nth, err);
	strbuf_set_len(&q->keys, at);
	if (ret <= 0)
		return ret;
	if (e.src != SRC_FILE)
		return is_written(o, nth) ? 0 : put_new(q, o, &e, nth, err);
	text = json_entry_text(q, &old, err);
	return text ? put(q, o, key, kn, text, len, err) : -EIO;
}

static int put_elements(struct json_store *q, struct output *o,
			struct error *err)
{
	struct json_entry e;
	struct json_walk w;
	int ret = json_each_element(q, on_old, o, err);

	if (ret < 0)
		return ret;
	ret = json_walk_open(&w, q, NULL, false, NULL, err);
	for (uint64_t nth = 0; ret == 0 &&
	     (ret = json_walk_next(&w, &e, err)) > 0; nth++)
		ret = e.src == SRC_FILE || is_written(o, nth) ? 0 :
		      put_new(q, o, &e, nth, err);
	json_walk_release(&w);
	return ret;
}

static int none(struct json_store *q, uint64_t off, uint32_t len,
		const char *key, size_t n, void *ctx, struct error *err)
{
	uint64_t *last = ctx;

	(void)q; /* the place alone */
	(void)key;
	(void)n;
	(void)err;
	*last = off + len;
	return 0;
}

/* bytes from .. to of the file, as they are */
static int copy(struct json_store *q, struct output *o, uint64_t from,
		uint64_t to, struct error *err)
{
	while (from < to) {
		struct json_entry e = { .off = from, .src = SRC_FILE,
			.len = (uint32_t)MIN(to - from, (uint64_t)BUFFER) };
		const char *p = json_entry_text(q, &e, err);
		int ret;

		if (!p)
			return -EIO;
		strbuf_add(&o->buf, p, e.len);
		ret = flush(q, o, err);
		if (ret < 0)
			return ret;
		from += e.len;
	}
	return 0;
}

/* the white space from a place on, or what is usual */
static char *space_at(struct json_store *q, uint64_t from, uint64_t to,
		      const char *usual)
{
	struct json_entry e = { .off = from, .src = SRC_FILE };
	const char *p;
	size_t n;

	if (to - from > SPACE_MAX)
		to = from + SPACE_MAX;
	e.len = (uint32_t)(to - from);
	p = e.len ? json_entry_text(q, &e, NULL) : NULL;
	if (!p)
		return xstrdup(usual);
	for (n = 0; n < e.len && p[n] && strchr(" \t\r\n", p[n]);)
		n++;
	return xstrndup(p, n);
}

static int render_old(struct json_store *q, struct output *o,
		      struct error *err)
{
	uint64_t last = 0;
	int ret = json_each_element(q, none, &last, err);

	if (ret < 0)
		return ret;
	o->gap = last ? space_at(q, q->open_at, q->close_at, "") :
		 xstrdup("\n  ");
	o->tail = last ? space_at(q, last, q->close_at, "") : xstrdup("\n");
	ret = copy(q, o, 0, q->open_at, err);
	if (ret == 0)
		ret = put_elements(q, o, err);
	if (ret == 0 && o->any)
		strbuf_addstr(&o->buf, o->tail);
	return ret == 0 ? copy(q, o, q->close_at, q->len[SRC_FILE], err) : ret;
}

/* a document that was not there: the members on the way, and the container */
static int render_first(struct json_store *q, struct output *o,
			struct error *err)
{
	int depth = 0, ret;

	o->gap = xstrdup("\n  ");
	for (const char *s = q->member; *s; depth++) {
		size_t n = strcspn(s, ".");

		strbuf_addch(&o->buf, '{');
		json_text_encode(s, n, &o->buf);
		strbuf_addstr(&o->buf, ": ");
		s += n + (s[n] == '.');
	}
	q->object = q->named;
	strbuf_addch(&o->buf, q->object ? '{' : '[');
	ret = put_elements(q, o, err);
	if (o->any)
		strbuf_addch(&o->buf, '\n');
	strbuf_addch(&o->buf, q->object ? '}' : ']');
	while (depth--)
		strbuf_addch(&o->buf, '}');
	strbuf_addch(&o->buf, '\n');
	return ret;
}

int json_render(struct json_store *q, int fd, struct error *err)
{
	struct output o = { .fd = fd, .buf = STRBUF_INIT };
	struct store_shape shape = { .set = "", .ncol = (uint32_t)q->key.n,
		.nkey = (uint32_t)q->key.n,
		.col = (const char *const *)q->key.v };
	int ret = json_reader_init(&o.reader, q, &shape, false, err);

	if (ret < 0)
		return ret;
	json_tree_init(&o.t);
	o.written = xcalloc(json_index_count(q) / 8 + 1, 1);
	if (q->lines)
		ret = put_elements(q, &o, err);
	else if (q->fd[SRC_FILE] < 0)
		ret = render_first(q, &o, err);
	else
		ret = render_old(q, &o, err);
	if (ret == 0)
		ret = flush(q, &o, err);
	json_reader_release(&o.reader);
	json_tree_release(&o.t);
	store_batch_release(&o.row);
	strbuf_release(&o.buf);
	free(o.written);
	free(o.gap);
	free(o.tail);
	return ret;
}
