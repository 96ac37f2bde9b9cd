/* SPDX-License-Identifier: MIT */
/* json: and jsonl: as stores. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "json-text.h"
#include "json-tree.h"
#include "store-json-internal.h"

#define COLUMNS_LOOKED_AT 1000

static struct json_store *of(struct store *s)
{
	return (struct json_store *)s;
}

/* --- transactions --- */

static void forget(struct json_store *q)
{
	q->pending.n = 0;
	strbuf_clear(&q->tx);
	if (q->keys.len > q->keys_before)
		strbuf_set_len(&q->keys, q->keys_before);
	q->rewrite = q->moved = false;
	free(q->step);
	q->step = NULL;
	json_marks_release(&q->marks_before);
}

static int json_begin(struct store *s, bool write, struct error *err)
{
	struct json_store *q = of(s);
	int ret = 0;

	if (write && q->read_only)
		return error_set(err, ERR_STORE, -EROFS,
				 _("%s: it was opened for reading"), s->name);
	if (write)
		ret = json_files_begin(q, err);
	q->keys_before = q->keys.len;
	json_marks_copy(&q->marks_before, &q->marks);
	return ret;
}

static int json_commit(struct store *s, struct error *err)
{
	struct json_store *q = of(s);
	int ret = 0;

	if (q->pending.n || q->moved)
		ret = json_files_commit(q, err);
	if (ret < 0)
		return ret;
	q->keys_before = q->keys.len;
	forget(q);
	return 0;
}

static void json_abort(struct store *s)
{
	struct json_store *q = of(s);
	struct json_marks now = q->marks;

	q->marks = q->marks_before;
	q->marks_before = now;
	forget(q);
}

/* --- reading --- */

/* a key as it comes, in keys of the index; the caller takes it off again */
static int bound(struct json_store *q, const struct store_shape *shape,
		 const char *key, size_t *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	store_batch_clear(&b, shape->nkey);
	if (store_key_cells(key, &b) < 0)
		return error_set(err, ERR_STORE, -EINVAL,
				 _("%s: '%s' is no key of '%s'"), q->s.name,
				 key, q->path);
	*ret = json_index_key(q, &b, 0, shape->nkey);
	return 0;
}

static int open_walk(struct json_store *q, const struct store_shape *shape,
		     const char *after, const char *until, struct json_walk *w,
		     struct error *err)
{
	size_t was = q->keys.len, lo = 0, hi = 0;
	int ret = 0;

	w->n = 0;
	if (after)
		ret = bound(q, shape, after, &lo, err);
	if (ret == 0 && until)
		ret = bound(q, shape, until, &hi, err);
	if (ret == 0)
		ret = json_walk_open(w, q, after ? q->keys.buf + lo : NULL,
				     after != until,
				     until ? q->keys.buf + hi : NULL, err);
	strbuf_set_len(&q->keys, was);
	return ret;
}

/* the cells of a key of the index */
static void key_cells(const char *p, struct store_batch *b)
{
	for (; (unsigned char)*p != 0xff;) {
		uint32_t n;

		memcpy(&n, p + 1, sizeof(n));
		store_batch_add(b, (enum store_type)*p, p + 5, n);
		p += 5 + n;
	}
}

static int add_row(struct json_store *q, const struct json_reader *r,
		   const struct json_entry *e, const char *key,
		   struct json_tree *t, struct store_batch *b,
		   struct error *err)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	uint32_t node;
	int ret;

	if (e->bad && !q->s.keys)
		return json_lines_refuse(q, r->shape, e, key, err);
	if (e->bad) {
		key_cells(key, b);
		return 0;
	}
	ret = json_entry_parse(q, e, t, &node, &name, err);
	if (ret < 0)
		return ret;
	json_reader_cells(r, t, node, ret ? name.buf : NULL, name.len,
			  r->shape->ncol, b);
	return 0;
}

static int json_scan_rows(struct store *s, const struct store_shape *shape,
			  const char *after, const char *until,
			  uint32_t limit, struct store_batch *b,
			  struct error *err)
{
	struct json_store *q = of(s);
	_cleanup_json_tree_ struct json_tree t;
	struct json_entry e;
	struct json_reader r;
	struct json_walk w;
	uint32_t left = limit;
	int ret;

	json_tree_init(&t);
	if (after && after == until && store_key_line(after))
		return json_lines_get(q, shape, after, b, err);
	ret = json_index(q, shape, true, err);
	if (ret == 0)
		ret = json_reader_init(&r, q, shape, true, err);
	if (ret < 0)
		return ret;
	ret = open_walk(q, shape, after, until, &w, err);
	while (ret == 0 && left) {
		ret = json_walk_next(&w, &e, err);
		if (ret <= 0)
			break;
		ret = add_row(q, &r, &e, w.key.buf, &t, b, err);
		left = store_scan_full(s, b) ? 0 : left - 1;
	}
	json_walk_release(&w);
	json_reader_release(&r);
	return ret < 0 ? ret : (int)b->nrow;
}

static int json_split(struct store *s, const struct store_shape *shape,
		      const char *lo, const char *hi, uint64_t every,
		      struct store_batch *b, struct error *err)
{
	struct json_store *q = of(s);
	_cleanup_strbuf_ struct strbuf last = STRBUF_INIT;
	struct json_entry e;
	struct json_walk w;
	uint64_t n = 0;
	int ret = json_index(q, shape, true, err);

	if (ret < 0)
		return ret;
	ret = open_walk(q, shape, lo, hi, &w, err);
	/* a part ends where one more row comes behind it */
	while (ret == 0 && (ret = json_walk_next(&w, &e, err)) > 0) {
		if (n && n % every == 0)
			key_cells(last.buf, b);
		strbuf_clear(&last);
		strbuf_add(&last, w.key.buf, w.key.len);
		n++;
		ret = 0;
	}
	json_walk_release(&w);
	return ret < 0 ? ret : (int)b->nrow;
}

struct looking {
	struct json_tree t;
	struct strvec names;
	int left;
};

static int look_at(struct json_store *q, uint64_t off, uint32_t len,
		   const char *key, size_t n, void *ctx, struct error *err)
{
	struct json_entry e = { .off = off, .len = len, .src = SRC_FILE };
	struct looking *l = ctx;
	uint32_t node;
	_cleanup_error_ struct error why = ERROR_INIT;
	int ret = json_entry_parse(q, &e, &l->t, &node, NULL, &why);

	(void)key; /* no column of the element */
	(void)n;
	if (ret == -EINVAL && q->how != STORE_LINES_STRICT)
		return 0;
	if (ret < 0) {
		error_move(err, &why);
		return ret;
	}
	if (json_type_of(&l->t, node) != JSON_T_OBJECT)
		return 0;
	for (uint32_t i = json_child(&l->t, node); i;
	     i = json_next(&l->t, i)) {
		_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
		const char *k = json_key(&l->t, i, &n);

		json_text_decode(k, n, &name);
		if (!strvec_has(&l->names, name.buf))
			strvec_push(&l->names, name.buf);
	}
	return --l->left <= 0;
}

/* the members that the first elements have; they have no types */
static int json_columns(struct store *s, const char *set,
			struct store_batch *b, struct error *err)
{
	struct looking l = { .left = COLUMNS_LOOKED_AT };
	int ret;

	if (*set)
		return 0;
	json_tree_init(&l.t);
	ret = json_each_element(of(s), look_at, &l, err);
	for (size_t i = 0; ret >= 0 && i < l.names.n; i++) {
		store_batch_add(b, STORE_TEXT, l.names.v[i],
				strlen(l.names.v[i]));
		store_batch_add(b, STORE_TEXT, "json", 4);
		store_batch_add(b, STORE_BOOL, "f", 1);
		store_batch_add(b, STORE_TEXT, NULL, 0);
		store_batch_add(b, STORE_INT, "0", 1);
	}
	json_tree_release(&l.t);
	strvec_release(&l.names);
	return ret < 0 ? ret : (int)b->nrow;
}

/* --- writing --- */

static void set_state(struct json_store *q, const char *state)
{
	(void)snprintf(q->s.sqlstate, sizeof(q->s.sqlstate), "%s", state);
}

static int check_keys(struct json_store *q, const struct store_shape *shape,
		      const struct store_batch *b, uint32_t row,
		      struct error *err)
{
	for (uint32_t i = 0; i < shape->nkey; i++) {
		if (store_batch_cell(b, row, i)->len >= 0)
			continue;
		set_state(q, "23502");
		return error_set(err, ERR_STORE, -EBADMSG,
			_("%s: '%s' is NULL, which a key cannot be"),
			q->s.name, shape->col[i]);
	}
	return 0;
}

/* what is there under the key now: 1 or 0 */
static int current(struct json_store *q, size_t key, struct json_entry *ret,
		   struct error *err)
{
	const char *k = q->keys.buf + key;
	const struct json_entry *e = json_index_find(q, &q->pending, k);
	uint64_t nth;

	if (!e)
		return json_index_get(q, k, ret, &nth, err);
	*ret = *e;
	return !e->gone;
}

/*
 * A line of the transaction; of a document with what it is. It is made where it
 * stays, for a row may be long; text: made before, from what stands there.
 */
static void add_line(struct json_store *q, const struct store_shape *shape,
		     const struct store_batch *b, uint32_t row,
		     const struct strbuf *text, struct json_entry *e)
{
	const struct store_cell *name = json_row_name(shape, b, row);

	e->off = q->tx.len;
	e->src = SRC_TX;
	if (!q->lines) {
		strbuf_addch(&q->tx, '{');
		if (name && name->len >= 0) {
			strbuf_addstr(&q->tx, "\"@key\": ");
			json_text_encode(b->buf + name->off,
					 (size_t)name->len, &q->tx);
			strbuf_addstr(&q->tx, ", ");
			q->named = true;
		}
		strbuf_addstr(&q->tx, "\"@value\": ");
	}
	if (text)
		strbuf_add(&q->tx, text->buf, text->len);
	else
		json_row_text(shape, b, row, NULL, 0, &q->tx);
	if (!q->lines)
		strbuf_addch(&q->tx, '}');
	e->len = (uint32_t)(q->tx.len - e->off);
	strbuf_addch(&q->tx, '\n');
}

static int put_row(struct json_store *q, const struct store_shape *shape,
		   const struct store_batch *b, uint32_t row,
		   enum store_conflict how, struct json_tree *t,
		   struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct json_entry e = { .gone = false }, was;
	bool old;
	uint32_t node = 0;
	int ret = check_keys(q, shape, b, row, err), lost;

	if (ret < 0)
		return ret;
	lost = json_row_lost(shape, b, row);
	if (lost >= 0)
		return store_not_kept(&q->s, shape->col[lost], err);
	e.key = json_index_key(q, b, row, shape->nkey);
	ret = current(q, e.key, &was, err);
	if (ret < 0)
		return ret;
	old = ret;
	if (old && how == STORE_ERROR) {
		set_state(q, "23505");
		return error_set(err, ERR_STORE, -EBADMSG,
			_("%s: '%s' has this key already"), q->s.name,
			q->path);
	}
	if (old && how == STORE_SKIP) {
		strbuf_set_len(&q->keys, e.key);
		return 0;
	}
	if (old) {
		ret = json_entry_parse(q, &was, t, &node, NULL, err);
		if (ret < 0)
			return ret;
		q->rewrite = true;
		json_row_text(shape, b, row, t, node, &text);
	}
	add_line(q, shape, b, row, old ? &text : NULL, &e);
	json_index_pend(q, &e);
	return 1;
}

static int json_put(struct store *s, const struct store_shape *shape,
		    const struct store_batch *b, uint32_t from, uint32_t n,
		    enum store_conflict how, struct error *err)
{
	struct json_store *q = of(s);
	_cleanup_json_tree_ struct json_tree t;
	int ret = json_index(q, shape, false, err), count = 0;

	json_tree_init(&t);
	for (uint32_t i = from; ret >= 0 && i < from + n; i++) {
		ret = put_row(q, shape, b, i, how, &t, err);
		count += ret > 0;
	}
	return ret < 0 ? ret : count;
}

static int json_del(struct store *s, const struct store_shape *shape,
		    const struct store_batch *b, struct error *err)
{
	struct json_store *q = of(s);
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	int ret = json_index(q, shape, false, err), count = 0;

	for (uint32_t i = 0; ret == 0 && i < b->nrow; i++) {
		struct json_entry e = { .gone = true }, was;

		e.key = json_index_key(q, b, i, shape->nkey);
		ret = current(q, e.key, &was, err);
		if (ret <= 0) {
			strbuf_set_len(&q->keys, e.key);
			continue;
		}
		ret = 0;
		if (!q->lines) {
			store_key(b, i, shape->nkey, &key);
			strbuf_addf(&q->tx, "{\"@gone\": %s}\n", key.buf);
		}
		q->rewrite = true;
		json_index_pend(q, &e);
		count++;
	}
	return ret < 0 ? ret : count;
}

/* --- open and close --- */

static void json_close(struct store *s)
{
	struct json_store *q = of(s);

	/* what it would say the next one finds out */
	(void)json_files_close(q, NULL);
	json_index_drop(q);
	json_marks_release(&q->marks);
	json_marks_release(&q->marks_before);
	strbuf_release(&q->keys);
	strbuf_release(&q->tx);
	free(q->step);
	free(q->index.v);
	free(q->pending.v);
	strvec_release(&q->key);
	free(q->path);
	free(q->base);
	free(q->member);
	free(q);
}

static int open_kind(const char *rest, const struct store_options *o,
		     bool lines, struct store **ret, struct error *err)
{
	struct json_store *q = xcalloc(1, sizeof(*q));
	size_t n = lines ? strlen(rest) : strcspn(rest, "#");
	const char *name, *why;
	int r = 0;

	q->s.ops = lines ? &store_jsonl_ops : &store_json_ops;
	q->s.name = xasprintf("%s:%s", lines ? "jsonl" : "json", rest);
	strbuf_init(&q->keys);
	strbuf_init(&q->tx);
	strbuf_init(&q->win[0].buf);
	strbuf_init(&q->win[1].buf);
	q->lines = lines;
	q->read_only = o->read_only;
	q->create = o->create;
	q->scratch_fd = o->scratch_fd;
	q->room = json_index_room();
	q->dir_fd = q->fd[0] = q->fd[1] = -1;
	q->path = xstrndup(rest, n);
	q->member = xstrdup(rest[n] == '#' ? rest + n + 1 : "");
	store_clock_init(&q->clock, o);
	q->s.clock = &q->clock;
	why = path_check(q->path);
	if (!why && *q->path == '/')
		why = N_("a store lies below the root");
	if (why)
		r = error_set(err, ERR_PLAN_VALUE, -EINVAL, "'%s': %s",
			      q->path, _(why));
	if (r == 0) {
		q->dir_fd = fs_open_parent(o->root_fd, q->path, &name);
		if (q->dir_fd < 0)
			r = error_errno(err, ERR_STORE, q->dir_fd,
					_("cannot open '%s'"), q->path);
		else
			q->base = xstrdup(name);
	}
	if (r == 0)
		r = json_files_open(q, err);
	if (r < 0) {
		store_close(&q->s);
		return r;
	}
	*ret = &q->s;
	return 0;
}

static int json_open(const char *rest, const struct store_options *o,
		     struct store **ret, struct error *err)
{
	return open_kind(rest, o, false, ret, err);
}

static int jsonl_open(const char *rest, const struct store_options *o,
		      struct store **ret, struct error *err)
{
	return open_kind(rest, o, true, ret, err);
}

#define OPS \
	.close = json_close, .begin = json_begin, .commit = json_commit, \
	.abort = json_abort, .scan = json_scan_rows, .put = json_put, \
	.del = json_del, .mark = json_store_mark, .marks = json_store_marks, \
	.columns = json_columns, .split = json_split

const struct store_ops store_json_ops = {
	.scheme = "json", .open = json_open, OPS
};

const struct store_ops store_jsonl_ops = {
	.scheme = "jsonl", .open = jsonl_open, OPS,
	.set_lines = json_set_lines, .line_text = json_line_text,
	.line_parse = json_line_parse,
};
