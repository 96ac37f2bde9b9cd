/* SPDX-License-Identifier: MIT */
/*
 * Reading and cutting. A document alternates between two phases:
 *
 *	around	 the scanner (json-scan.h) looks at every byte, and a callback
 *		 follows the names; it pauses behind the bracket of the array
 *		 or object
 *	elements json_cut_scan() finds the commas and the closing bracket, which
 *		 goes to the scanner: for it the container is empty
 *
 * The scanner thus has its own count of bytes; its offsets are used only to
 * find keys in what it was fed last.
 */
#include "json-stream.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-bytes.h"
#include "json-scan.h"
#include "json-stream-internal.h"
#include "json-text.h"

/* longer keys are none that a plan names */
#define KEY_MAX (64u * 1024u)

struct stream {
	struct json_pool pool;
	int fd;
	const struct strvec *names;
	struct error *err;
	uint64_t offset;         /* of what is read next */
	struct slot *slot;       /* being filled */
	bool end;                /* of the input */
	/* around */
	struct json_scan *scan;
	struct strbuf fed;       /* the last bytes that the scanner got */
	uint64_t fed_at;         /* offset of the first of them, for it */
	size_t open;             /* containers that are open on the way */
	uint64_t key, key_end;   /* of the last key on the way; 0: none */
	bool key_fits, arrived;
	struct json_cut cut;
	/* of the container that it arrived at; its lead is known once the
	   first element is */
	struct json_around around;
	bool lead_known;
};

/* --- reading --- */

static int take_slot(struct stream *s)
{
	int ret;

	s->slot = pool_take(&s->pool, &ret, s->err);
	if (s->slot)
		s->slot->offset = s->offset;
	return ret;
}

static int give_slot(struct stream *s, enum slot_kind kind)
{
	s->slot->kind = kind;
	s->offset = s->slot->offset + s->slot->in.len;
	return pool_give(&s->pool, s->err);
}

/* up to want bytes more into the slot */
static int fill(struct stream *s, size_t want)
{
	struct strbuf *in = &s->slot->in;
	ssize_t n;

	strbuf_grow(in, want);
	n = fs_read_full(s->fd, in->buf + in->len, want);
	if (n < 0)
		return error_errno(s->err, ERR_IO, (int)n, _("cannot read"));
	strbuf_set_len(in, in->len + (size_t)n);
	s->end = (size_t)n < want;
	return 0;
}

/* gives what is in the slot up to len away, and takes the rest along */
static int split_slot(struct stream *s, enum slot_kind kind, size_t len)
{
	struct strbuf rest = STRBUF_INIT;
	int ret;

	strbuf_add(&rest, s->slot->in.buf + len, s->slot->in.len - len);
	strbuf_set_len(&s->slot->in, len);
	ret = give_slot(s, kind);
	if (ret >= 0)
		ret = take_slot(s);
	if (ret >= 0)
		strbuf_add(&s->slot->in, rest.buf, rest.len);
	strbuf_release(&rest);
	return ret;
}

/* --- around the array --- */

static bool key_fits(const struct stream *s, const struct json_token *t)
{
	const char *name;

	if (s->open > s->names->n || t->begin < s->fed_at)
		return false;
	name = s->names->v[s->open - 1];
	return json_text_equal(s->fed.buf + (t->begin - s->fed_at),
			       (size_t)(t->end - t->begin), name,
			       strlen(name));
}

static void set(struct strbuf *to, const char *p, size_t n)
{
	strbuf_clear(to);
	strbuf_add(to, p, n);
}

/* blanks that end at p, at begin at the earliest */
static size_t blanks_before(const char *begin, const char *p)
{
	const char *from = p;

	while (from > begin && json_is_space((unsigned char)from[-1]))
		from--;
	return (size_t)(p - from);
}

/* what stands ahead of the container whose bracket t is */
static void arrive(struct stream *s, const struct json_token *t)
{
	struct json_around *a = &s->around;
	const char *buf = s->fed.buf, *key = buf;

	json_scan_pause(s->scan);
	s->arrived = true;
	s->lead_known = false;
	a->member = t->type == JSON_OBJECT_BEGIN;
	a->depth = t->depth + 1;
	strbuf_clear(&a->above);
	strbuf_clear(&a->lead);
	strbuf_clear(&a->colon);
	/* not the document itself, nor further away than anybody indents */
	if (!s->open || s->key < s->fed_at)
		return;
	key += s->key - s->fed_at;
	set(&a->above, key - blanks_before(buf, key), blanks_before(buf, key));
	set(&a->colon, buf + (s->key_end - s->fed_at),
	    t->begin - s->key_end);
}

static int on_token(void *ctx, const struct json_token *t)
{
	struct stream *s = ctx;

	if (t->type == JSON_OBJECT_END || t->type == JSON_ARRAY_END) {
		if (s->open && (size_t)t->depth == s->open - 1)
			s->open--;
		return 0;
	}
	if ((size_t)t->depth != s->open)
		return 0;
	if (t->type == JSON_KEY) {
		s->key_fits = key_fits(s, t);
		s->key = t->begin;
		s->key_end = t->end;
		return 0;
	}
	if (s->open && !s->key_fits)
		return 0;
	if (s->open == s->names->n) {
		if (t->type == JSON_ARRAY_BEGIN || t->type == JSON_OBJECT_BEGIN)
			arrive(s, t);
	} else if (t->type == JSON_OBJECT_BEGIN) {
		s->open++;
		s->key_fits = false;
	}
	return 0;
}

/* returns how many bytes were taken */
static ssize_t feed(struct stream *s, const char *p, size_t n)
{
	if (s->fed.len > 16 * KEY_MAX) {
		size_t drop = s->fed.len - KEY_MAX;

		memmove(s->fed.buf, s->fed.buf + drop, KEY_MAX);
		strbuf_set_len(&s->fed, KEY_MAX);
		s->fed_at += drop;
	}
	strbuf_add(&s->fed, p, n);
	if (json_scan_feed(s->scan, p, n) < 0)
		return -EBADMSG;
	strbuf_set_len(&s->fed, s->fed.len - (n - json_scan_fed(s->scan)));
	return (ssize_t)json_scan_fed(s->scan);
}

/* feeds what is in the slot; *at: how far, behind the bracket if it arrived */
static int around(struct stream *s, size_t *at)
{
	const struct strbuf *in = &s->slot->in;
	ssize_t n = feed(s, in->buf + *at, in->len - *at);

	*at += n < 0 ? 0 : (size_t)n;
	return n < 0 ? (int)n : 0;
}

/* --- the elements --- */

/* how the first element or member stands there */
static void find_lead(struct stream *s, const struct slot *slot)
{
	struct json_around *a = &s->around;
	const char *p = slot->in.buf + slot->spans[0].begin, *key = p;
	const char *end = slot->in.buf + slot->spans[0].end, *colon;

	while (p < end && json_is_space((unsigned char)*p))
		p++;
	set(&a->lead, key, (size_t)(p - key));
	s->lead_known = true;
	if (!a->member || p == end || *p != '"')
		return;
	/* a wrong one is refused by the parser */
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	colon = p = p < end ? p + 1 : end;
	while (p < end && (*p == ':' || json_is_space((unsigned char)*p)))
		p++;
	set(&a->colon, colon, (size_t)(p - colon));
}

static void take_spans(struct stream *s)
{
	struct slot *slot = s->slot;

	/* the two lists change places: memory is used again */
	struct json_span *v = slot->spans;
	size_t cap = slot->span_cap;

	slot->spans = s->cut.v;
	slot->span_n = s->cut.n;
	slot->span_cap = s->cut.cap;
	if (!s->lead_known && slot->span_n)
		find_lead(s, slot);
	json_around_copy(&slot->around, &s->around);
	s->cut.v = v;
	s->cut.n = 0;
	s->cut.cap = cap;
}

/* a slot is full: all whole elements go */
static int give_elements(struct stream *s)
{
	size_t len = s->cut.begin;

	take_spans(s);
	json_cut_drop(&s->cut, len);
	return split_slot(s, SLOT_SPANS, len);
}

/* from behind the opening bracket up to the closing one */
static int elements(struct stream *s)
{
	int ret = 0;

	json_cut_init(&s->cut);
	while (ret >= 0 && !json_cut_scan(&s->cut, s->slot->in.buf,
					  s->slot->in.len, s->end)) {
		if (s->end)
			return -EBADMSG;
		if (s->cut.n && s->slot->in.len >= JSON_BATCH / 2) {
			ret = give_elements(s);
			continue;
		}
		if (s->slot->in.len > JSON_TREE_TEXT_MAX)
			return error_set(s->err, ERR_UNSUPPORTED, -EFBIG,
				_("an element or member of more than 2 GiB "
				  "cannot be edited"));
		/* a large element: not a little at a time */
		ret = fill(s, MAX(JSON_BATCH, s->slot->in.len) -
			   (s->slot->in.len < JSON_BATCH ?
			    s->slot->in.len : 0));
	}
	if (ret >= 0) {
		size_t len = s->cut.close;

		take_spans(s);
		ret = split_slot(s, SLOT_SPANS, len);
	}
	json_cut_release(&s->cut);
	return ret;
}

static int run_elements(struct stream *s)
{
	size_t at = 0;
	int ret = take_slot(s);

	while (ret >= 0) {
		if (at == s->slot->in.len) {
			if (at)
				ret = split_slot(s, SLOT_COPY, at);
			at = 0;
			if (ret < 0 || s->end)
				break;
			ret = fill(s, JSON_BATCH);
			continue;
		}
		ret = around(s, &at);
		if (ret < 0 || !s->arrived)
			continue;
		s->arrived = false;
		ret = split_slot(s, SLOT_COPY, at);
		at = 0;
		if (ret >= 0)
			ret = elements(s);
	}
	if (ret >= 0 && json_scan_end(s->scan) < 0)
		ret = -EBADMSG;
	return ret;
}

/* --- lines, and the whole --- */

static int run_lines(struct stream *s)
{
	int ret = take_slot(s);

	while (ret >= 0 && !s->end) {
		size_t had = s->slot->in.len;
		const char *nl;

		ret = fill(s, MAX(JSON_BATCH, had));
		if (ret < 0 || s->end)
			break;
		/* without a newline it would have gone before */
		nl = memrchr(s->slot->in.buf + had, '\n',
			     s->slot->in.len - had);
		if (nl)
			ret = split_slot(s, SLOT_LINES,
					 (size_t)(nl - s->slot->in.buf) + 1);
		else if (s->slot->in.len > JSON_TREE_TEXT_MAX)
			return error_set(s->err, ERR_UNSUPPORTED, -EFBIG,
				_("a line of more than 2 GiB cannot be "
				  "edited"));
	}
	return ret < 0 ? ret : give_slot(s, SLOT_LINES);
}

static int run_whole(struct stream *s)
{
	int ret = take_slot(s);

	while (ret >= 0 && !s->end) {
		if (s->slot->in.len > JSON_TREE_TEXT_MAX)
			return error_set(s->err, ERR_UNSUPPORTED, -EFBIG,
				_("a document of more than 2 GiB can be "
				  "edited only if 'select' takes the elements "
				  "of one array or the members of one "
				  "object"));
		ret = fill(s, MAX(JSON_BATCH, s->slot->in.len));
	}
	return ret < 0 ? ret : give_slot(s, SLOT_WHOLE);
}

int json_stream(int fd, enum json_stream_mode mode,
		const struct strvec *names, const struct json_stream_ops *ops,
		void *ctx, struct json_stream_result *res, struct error *err)
{
	struct stream s = {
		.pool = { .ops = ops, .ctx = ctx, .res = res },
		.fd = fd, .names = names, .err = err, .fed = STRBUF_INIT,
	};
	struct stat st;
	int ret;

	memset(res, 0, sizeof(*res));
	pool_init(&s.pool, fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		  st.st_size < (off_t)JSON_SMALL);
	s.scan = json_scan_new(on_token, &s);
	json_around_init(&s.around);
	ret = mode == JSON_ELEMENTS ? run_elements(&s) :
		mode == JSON_LINES ? run_lines(&s) : run_whole(&s);
	/* what comes first in the input is the one to be told */
	if (ret >= 0 || ret == -EBADMSG) {
		int r = pool_drain(&s.pool, err);

		ret = r < 0 ? r : ret;
	}
	res->bytes = s.offset;
	res->lines = s.pool.lines;
	pool_release(&s.pool);
	json_scan_free(s.scan);
	json_cut_release(&s.cut);
	json_around_release(&s.around);
	strbuf_release(&s.fed);
	return ret;
}
