/* SPDX-License-Identifier: MIT */
/* The elements of a file, and the bytes of each. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-scan.h"
#include "json-text.h"
#include "json-tree.h"
#include "store-json-internal.h"

#define CHUNK (256 * 1024)

static int cannot_read(const struct json_store *q, int ret, struct error *err)
{
	return error_errno(err, ERR_STORE, ret, _("%s: cannot read '%s'"),
			   q->s.name, q->path);
}

static int check_stop(struct json_store *q, struct error *err)
{
	q->clock.deadline = 0;
	if (!store_clock_stop(&q->clock))
		return 0;
	return error_set(err, ERR_CANCELLED, -ECANCELED, _("%s: cancelled"),
			 q->s.name);
}

/* len bytes at off; reads ahead where one follows the other */
static const char *window(struct json_store *q, enum json_src src,
			  uint64_t off, uint32_t len, struct error *err)
{
	struct json_window *w = &q->win[src];
	uint64_t end = w->off + w->buf.len, want = len;
	ssize_t n;

	if (off >= w->off && off + len <= end)
		return w->buf.buf + (off - w->off);
	if (off >= w->off && off <= end && w->buf.len)
		want = MAX((uint64_t)len, (uint64_t)CHUNK);
	want = MIN(want, q->len[src] - MIN(off, q->len[src]));
	strbuf_clear(&w->buf);
	strbuf_grow(&w->buf, MAX(want, 1));
	n = fs_pread_full(q->fd[src], w->buf.buf, want, (off_t)off);
	if (n < (ssize_t)len) {
		(void)cannot_read(q, n < 0 ? (int)n : -EIO, err);
		return NULL;
	}
	strbuf_set_len(&w->buf, (size_t)n);
	w->off = off;
	return w->buf.buf;
}

const char *json_entry_text(struct json_store *q, const struct json_entry *e,
			    struct error *err)
{
	if (e->src == SRC_TX)
		return q->tx.buf + e->off;
	return window(q, (enum json_src)e->src, e->off, e->len, err);
}

/* --- elements of the file --- */

static bool is_blank(const char *p, size_t n)
{
	while (n && memchr(" \t\r", *p, 3)) {
		p++;
		n--;
	}
	return !n;
}

/* what is in memory from off on; *have bytes, or none */
static const char *at_hand(struct json_store *q, enum json_src src,
			   uint64_t off, uint32_t *have)
{
	const struct json_window *w = &q->win[src];
	uint64_t end = w->off + w->buf.len;

	*have = off >= w->off && off < end ? (uint32_t)(end - off) : 0;
	return *have ? w->buf.buf + (off - w->off) : NULL;
}

/* the line at off; 0, or what failed */
static int take_line(struct json_store *q, enum json_src src, uint64_t off,
		     const char **ret, size_t *ret_n, struct error *err)
{
	uint64_t left = q->len[src] - off;
	uint32_t have, ahead = CHUNK;
	const char *p = at_hand(q, src, off, &have), *nl;

	for (;; ahead *= 2) {
		nl = have ? memchr(p, '\n', have) : NULL;
		if (nl || (have && have >= left))
			break;
		if (ahead >= JSON_TREE_TEXT_MAX / 2)
			return error_set(err, ERR_STORE, -EFBIG,
				_("%s: a line is too long"), q->s.name);
		if (check_stop(q, err) < 0)
			return -ECANCELED;
		have = (uint32_t)MIN(ahead, left);
		p = window(q, src, off, have, err);
		if (!p)
			return -EIO;
	}
	*ret = p;
	*ret_n = nl ? (size_t)(nl - p) : (size_t)left;
	return 0;
}

int json_lines_from(struct json_store *q, enum json_src src, uint64_t off,
		    uint64_t line, json_element_fn *fn, void *ctx,
		    struct error *err)
{
	while (off < q->len[src]) {
		const char *p = NULL;
		size_t n = 0;
		int ret = take_line(q, src, off, &p, &n, err);

		if (ret < 0)
			return ret;
		q->line_at = line++;
		if (!is_blank(p, n)) {
			ret = fn(q, off, (uint32_t)n, NULL, 0, ctx, err);
			if (ret)
				return ret;
		}
		off += n + 1;
	}
	return 0;
}

/* each line of a file, blank ones left out */
int json_each_line(struct json_store *q, enum json_src src,
		     json_element_fn *fn, void *ctx, struct error *err)
{
	return json_lines_from(q, src, 0, 1, fn, ctx, err);
}

struct finding {
	struct json_store *q;
	json_element_fn *fn;
	void *ctx;
	struct error *err;
	struct strvec names;     /* the way to the container */
	int level;               /* of objects on it that we are in */
	bool fits, inside;
	uint64_t begin;          /* of the element */
	uint64_t key_at;
	uint32_t key_len;
	int ret;
};

static int on_element(struct finding *f, uint64_t begin, uint64_t end)
{
	_cleanup_free_ char *key = NULL;

	if (end - begin > JSON_TREE_TEXT_MAX) {
		f->ret = error_set(f->err, ERR_STORE, -EFBIG,
				   _("%s: an element is too long"),
				   f->q->s.name);
		return f->ret;
	}
	if (f->q->object) {
		const char *p = window(f->q, SRC_FILE, f->key_at, f->key_len,
				       f->err);

		if (!p)
			return f->ret = -EIO;
		key = xstrndup(p, f->key_len);
		f->q->key_at = f->key_at;
	}
	f->ret = f->fn(f->q, begin, (uint32_t)(end - begin), key,
		       key ? f->key_len : 0, f->ctx, f->err);
	return f->ret;
}

static bool name_fits(struct finding *f, const struct json_token *t)
{
	const char *want = f->names.v[f->level - 1];
	const char *p = window(f->q, SRC_FILE, t->begin,
			       (uint32_t)(t->end - t->begin), f->err);

	return p && json_text_equal(p, t->end - t->begin, want, strlen(want));
}

/* a token ahead of the container, or behind it */
static void on_way(struct finding *f, const struct json_token *t)
{
	bool ends = t->type == JSON_OBJECT_END || t->type == JSON_ARRAY_END;

	if (ends && f->level && t->depth == f->level - 1)
		f->level--;
	if (ends || f->q->found || t->depth != f->level)
		return;
	if (t->type == JSON_KEY) {
		f->fits = name_fits(f, t);
		return;
	}
	if (f->level && !f->fits)
		return;
	f->fits = false;
	if (f->level == (int)f->names.n && (t->type == JSON_OBJECT_BEGIN ||
					    t->type == JSON_ARRAY_BEGIN)) {
		f->inside = f->q->found = true;
		f->q->object = t->type == JSON_OBJECT_BEGIN;
		f->q->open_at = t->begin + 1;
	} else if (t->type == JSON_OBJECT_BEGIN &&
		   f->level < (int)f->names.n) {
		f->level++;
	}
}

static int on_token(void *ctx, const struct json_token *t)
{
	struct finding *f = ctx;
	int in = (int)f->names.n + 1;

	if (!f->inside) {
		on_way(f, t);
		return 0;
	}
	if (t->depth == in - 1) {
		f->inside = false;
		f->q->close_at = t->begin;
		f->level = 0;
		return 0;
	}
	if (t->depth != in)
		return 0;
	switch (t->type) {
	case JSON_KEY:
		f->key_at = t->begin;
		f->key_len = (uint32_t)(t->end - t->begin);
		return 0;
	case JSON_OBJECT_BEGIN:
	case JSON_ARRAY_BEGIN:
		f->begin = t->begin;
		return 0;
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
		return on_element(f, f->begin, t->end);
	default:
		return on_element(f, t->begin, t->end);
	}
}

static int no_document(struct json_store *q, const struct json_scan *scan,
		       struct error *err)
{
	struct json_place at;
	const char *why = json_scan_reason(scan, &at);

	return error_set(err, ERR_STORE, -EINVAL, "%s: %s:%llu:%llu: %s",
			 q->s.name, q->path, (unsigned long long)at.line,
			 (unsigned long long)at.column, _(why));
}

static int scan_document(struct finding *f, struct json_scan *scan)
{
	_cleanup_strbuf_ struct strbuf buf = STRBUF_INIT;
	struct json_store *q = f->q;
	int ret = 0;

	strbuf_grow(&buf, CHUNK);
	for (uint64_t off = 0; ret == 0 && off < q->len[SRC_FILE];) {
		size_t want = MIN((uint64_t)CHUNK, q->len[SRC_FILE] - off);
		ssize_t n = fs_pread_full(q->fd[SRC_FILE], buf.buf, want,
					  (off_t)off);

		if (n <= 0)
			return cannot_read(q, n < 0 ? (int)n : -EIO, f->err);
		ret = check_stop(q, f->err);
		if (ret == 0)
			ret = json_scan_feed(scan, buf.buf, (size_t)n);
		off += (uint64_t)n;
	}
	return ret;
}

/* elements of the container in a document, once */
static int each_member(struct json_store *q, json_element_fn *fn, void *ctx,
		       struct error *err)
{
	struct finding f = { .q = q, .fn = fn, .ctx = ctx, .err = err };
	_cleanup_json_scan_ struct json_scan *scan = NULL;
	int ret;

	q->found = q->object = false;
	for (const char *s = q->member; *s;) {
		size_t n = strcspn(s, ".");

		strvec_take(&f.names, xstrndup(s, n));
		s += n + (s[n] == '.');
	}
	scan = json_scan_new(on_token, &f);
	ret = scan_document(&f, scan);
	if (ret == 0)
		ret = json_scan_end(scan);
	strvec_release(&f.names);
	if (f.ret < 0)
		return f.ret;
	if (ret == -EINVAL && json_scan_reason(scan, NULL))
		return no_document(q, scan, err);
	if (ret == 0 && !q->found)
		return error_set(err, ERR_STORE, -ENOENT,
			_("%s: there is no array or object '%s'"), q->s.name,
			q->member);
	return ret;
}

int json_each_element(struct json_store *q, json_element_fn *fn, void *ctx,
		      struct error *err)
{
	if (q->fd[SRC_FILE] < 0)
		return 0;
	return q->lines ? json_each_line(q, SRC_FILE, fn, ctx, err) :
	       each_member(q, fn, ctx, err);
}

int json_entry_parse(struct json_store *q, const struct json_entry *e,
		     struct json_tree *t, uint32_t *node, struct strbuf *name,
		     struct error *err)
{
	struct json_entry whole = *e;
	const char *text, *p;
	uint32_t i;
	size_t n;

	/* the name and the element in one piece */
	whole.off -= e->back;
	whole.len += e->back;
	text = json_entry_text(q, &whole, err);
	if (!text)
		return -EIO;
	if (e->back && name) {
		strbuf_clear(name);
		json_text_decode(text, e->name_len, name);
	}
	text += e->back;
	if (json_tree_parse(t, text, e->len) < 0) {
		_cleanup_error_ struct error why = ERROR_INIT;

		(void)json_tree_why(text, e->len, &why);
		return error_set(err, ERR_STORE, -EINVAL,
			_("%s: at byte %llu: %s"), q->s.name,
			(unsigned long long)e->off, why.msg);
	}
	*node = JSON_ROOT;
	if (q->lines || e->src == SRC_FILE)
		return e->back > 0;
	*node = json_member(t, JSON_ROOT, "@value", 6);
	i = json_member(t, JSON_ROOT, "@key", 4);
	if (!i)
		return 0;
	q->named = true;
	if (name) {
		p = json_raw(t, i, &n);
		strbuf_clear(name);
		json_text_decode(p, n, name);
	}
	return 1;
}
