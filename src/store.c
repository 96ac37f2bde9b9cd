/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-internal.h"

/* of a scan by bytes */
#define SCAN_FIRST 500

enum store_class store_class(int ret)
{
	switch (-ret) {
	case ECONNRESET: return STORE_CLASS_RECONNECT;
	case EAGAIN: return STORE_CLASS_RETRY;
	case E2BIG: return STORE_CLASS_SHRINK;
	case EBADMSG: return STORE_CLASS_BADROW;
	case ESTALE: return STORE_CLASS_STALE;
	case ECANCELED: return STORE_CLASS_CANCELLED;
	default: return ret < 0 ? STORE_CLASS_FATAL : STORE_CLASS_NONE;
	}
}

const char *store_name(const struct store *s)
{
	return s->name;
}

const char *store_scheme(const struct store *s)
{
	return s->ops->scheme;
}

bool store_is_pg(const struct store *s)
{
	return !strcmp(store_scheme(s), "pg");
}

bool store_is_sqlite(const struct store *s)
{
	return !strcmp(store_scheme(s), "sqlite");
}

const char *store_sqlstate(const struct store *s)
{
	return s->sqlstate;
}

int store_begin(struct store *s, bool write, struct error *err)
{
	int ret;

	if (s->in_tx)
		BUG("a transaction in a transaction");
	s->sqlstate[0] = '\0';
	if (s->clock)
		atomic_store(&s->clock->stop, false);
	ret = s->ops->begin(s, write, err);
	if (ret == 0) {
		s->in_tx = true;
		s->writes = write;
	}
	return ret;
}

int store_commit(struct store *s, struct error *err)
{
	int ret;

	if (!s->in_tx)
		BUG("a commit without a transaction");
	s->sqlstate[0] = '\0';
	ret = s->ops->commit(s, err);
	if (ret == 0)
		s->in_tx = s->writes = false;
	return ret;
}

void store_abort(struct store *s)
{
	if (s->in_tx)
		s->ops->abort(s);
	s->in_tx = s->writes = false;
}

void store_check_shape(const struct store_shape *shape)
{
	if (!shape->nkey || shape->nkey > shape->ncol)
		BUG("a shape of %u columns with a key of %u", shape->ncol,
		    shape->nkey);
}

int store_check_key(const struct store *s, const struct store_shape *shape,
		    const struct store_batch *b, struct error *err)
{
	uint32_t last = b->nrow - 1;
	bool same = last > 0;

	for (uint32_t i = 0; i < shape->nkey; i++) {
		const struct store_cell *c = store_batch_cell(b, last, i);
		const struct store_cell *p;

		if (c->len < 0)
			return error_set(err, ERR_STORE, -EINVAL,
				_("%s: '%s' has a row without a key, '%s' is "
				  "NULL"), s->name, shape->set, shape->col[i]);
		if (!same)
			continue;
		p = store_batch_cell(b, last - 1, i);
		same = p->len == c->len &&
		       !memcmp(b->buf + p->off, b->buf + c->off,
			       (size_t)c->len);
	}
	if (same) {
		_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;

		store_key(b, last, shape->nkey, &key);
		return error_set(err, ERR_STORE, -EINVAL,
			_("%s: '%s' has the key %s twice"), s->name,
			shape->set, key.buf);
	}
	return 0;
}

int store_scan(struct store *s, const struct store_shape *shape,
	       const char *after, const char *until, uint32_t limit,
	       struct store_batch *b, struct error *err)
{
	int ret;

	store_check_shape(shape);
	if (!limit || limit >= INT32_MAX)
		BUG("a scan of %u rows", limit);
	s->sqlstate[0] = '\0';
	store_batch_clear(b, shape->ncol);
	/* one more tells whether its key is the same as the last one's */
	ret = s->ops->scan(s, shape, after, until, limit + 1, b, err);
	if (ret < 0)
		return ret;
	if (b->nrow > limit)
		store_batch_drop_row(b);
	return (int)b->nrow;
}

int store_scan_keys(struct store *s, const struct store_shape *shape,
		    const char *after, const char *until, uint32_t limit,
		    struct store_batch *b, struct error *err)
{
	struct store_shape alone = *shape;
	int ret;

	alone.ncol = alone.nkey;
	s->keys = true;
	ret = store_scan(s, &alone, after, until, limit, b, err);
	s->keys = false;
	return ret;
}

bool store_scan_full(struct store *s, struct store_batch *b)
{
	if (!s->most || b->n <= s->most || b->nrow < 2)
		return false;
	store_batch_drop_row(b);
	s->cut = true;
	return true;
}

/* Rows that a server sends are sent to the end, so few of them are asked for
   until it is known what they weigh; mostly as much as those before. */
static uint32_t next_few(const struct store *s, const struct store_batch *b,
			 uint32_t limit)
{
	uint64_t n = SCAN_FIRST;

	if (s->ops->by_row)
		return limit - b->nrow;
	if (b->nrow || s->row_bytes)
		n = (s->most - MIN(b->n, s->most)) /
			(b->nrow ? b->n / b->nrow + 1 : s->row_bytes) + 1;
	if (b->nrow)
		n = MIN(n, 4 * (uint64_t)b->nrow);
	return (uint32_t)MIN(n, limit - b->nrow);
}

static int scan_once(struct store *s, const struct store_pack *k,
		     const struct store_shape *shape, const char *after,
		     const char *until, uint32_t limit, struct store_batch *b,
		     struct error *err)
{
	return k ? s->ops->scan_packed(s, k, shape, after, until, limit, b,
				       err) :
		s->ops->scan(s, shape, after, until, limit, b, err);
}

/* one more than asked for tells whether its key is the same as the last
   one's, and whether there are others */
static int scan_more(struct store *s, const struct store_pack *k,
		     const struct store_shape *shape, const char *after,
		     const char *until, uint32_t limit, struct store_batch *b,
		     bool *more, struct error *err)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	int ret;

	do {
		uint32_t had = b->nrow, n = next_few(s, b, limit);

		if (had)
			store_key(b, had - 1, shape->nkey, &key);
		ret = scan_once(s, k, shape, had ? key.buf : after, until,
				n + 1, b, err);
		if (ret < 0)
			return ret;
		*more = s->cut || b->nrow > had + n;
		if (b->nrow > had + n)
			store_batch_drop_row(b);
	} while (*more && !s->cut && b->nrow < limit);
	return (int)b->nrow;
}

static int scan_some(struct store *s, const struct store_pack *k,
		     const struct store_shape *shape, const char *after,
		     const char *until, uint32_t limit, size_t bytes,
		     struct store_batch *b, bool *more, struct error *err)
{
	int ret;

	store_check_shape(shape);
	if (!limit || limit >= INT32_MAX || !bytes)
		BUG("a scan of %u rows", limit);
	s->sqlstate[0] = '\0';
	store_batch_clear(b, k ? shape->nkey + 1 : shape->ncol);
	s->most = bytes;
	s->cut = false;
	ret = scan_more(s, k, shape, after, until, limit, b, more, err);
	s->most = 0;
	s->cut = false;
	if (ret > 0)
		s->row_bytes = b->n / b->nrow + 1;
	return ret;
}

int store_scan_some(struct store *s, const struct store_shape *shape,
		    const char *after, const char *until, uint32_t limit,
		    size_t bytes, struct store_batch *b, bool *more,
		    struct error *err)
{
	return scan_some(s, NULL, shape, after, until, limit, bytes, b, more,
			 err);
}

int store_scan_packed(struct store *s, const struct store_pack *k,
		      const struct store_shape *shape, const char *after,
		      const char *until, uint32_t limit, size_t bytes,
		      struct store_batch *b, bool *more, struct error *err)
{
	return scan_some(s, k, shape, after, until, limit, bytes, b, more,
			 err);
}

bool store_pack_init(struct store_pack *k, struct store *from,
		     const struct store_shape *of, uint32_t hidden,
		     struct store *dest, const struct store_shape *to)
{
	store_check_shape(of);
	if (of->ncol - hidden != to->ncol)
		BUG("%u columns for %u", of->ncol - hidden, to->ncol);
	k->hidden = hidden;
	k->n = of->ncol;
	k->type = NULL;
	return from->ops->pack && from->ops->pack == dest->ops->pack &&
	       from->ops->pack(k, from, of, dest, to);
}

void store_pack_release(struct store_pack *k)
{
	free(k->type);
	memset(k, 0, sizeof(*k));
}

void store_put_typed(struct store *s, const struct store_shape *shape)
{
	store_check_shape(shape);
	if (s->ops->typed)
		s->ops->typed(s, shape);
}

void store_stop(struct store *s)
{
	if (s->clock)
		atomic_store(&s->clock->stop, true);
}

int store_get(struct store *s, const struct store_shape *shape,
	      const char *key, struct store_batch *b, struct error *err)
{
	int ret;

	store_check_shape(shape);
	s->sqlstate[0] = '\0';
	store_batch_clear(b, shape->ncol);
	/* two: one that is there twice is no key */
	ret = s->ops->scan(s, shape, key, key, 2, b, err);
	return MIN(ret, 1);
}

void store_set_lines(struct store *s, enum store_lines how)
{
	if (s->ops->set_lines)
		s->ops->set_lines(s, how);
}

int store_line_text(struct store *s, const char *key, struct strbuf *out,
		    struct error *err)
{
	uint64_t line = store_key_line(key);

	return s->ops->line_text && line ?
	       s->ops->line_text(s, line, out, err) : 0;
}

int store_line_parse(struct store *s, const struct store_shape *shape,
		     const char *p, size_t n, struct store_batch *b,
		     struct error *err)
{
	store_check_shape(shape);
	s->sqlstate[0] = '\0';
	store_batch_clear(b, shape->ncol);
	if (!s->ops->line_parse)
		return error_set(err, ERR_STORE, -EINVAL,
				 _("%s: it is no file of JSON lines"),
				 s->name);
	return s->ops->line_parse(s, shape, p, n, b, err);
}

static void need_write(const struct store *s)
{
	if (!s->in_tx || !s->writes)
		BUG("a write without a transaction");
}

/* files count what they write */
static bool too_few(const struct store *s, int put, uint32_t n,
		    enum store_conflict how)
{
	return put >= 0 && (uint32_t)put < n && how != STORE_SKIP &&
	       s->ops->exec;
}

int store_put(struct store *s, const struct store_shape *shape,
	      const struct store_batch *b, uint32_t from, uint32_t n,
	      enum store_conflict how, struct error *err)
{
	int put, ret = 0;

	store_check_shape(shape);
	need_write(s);
	if (b->ncol != shape->ncol || from + n > b->nrow)
		BUG("a put of rows that are not there");
	s->sqlstate[0] = '\0';
	put = n ? s->ops->put(s, shape, b, from, n, how, err) : 0;
	if (too_few(s, put, n, how))
		ret = store_taken(s, shape, b, from, n, err);
	return ret < 0 ? ret : put;
}

int store_keeps(struct store *s, const struct store_shape *shape,
		const struct store_batch *b, uint32_t from, uint32_t n,
		uint32_t *row, uint32_t *col, struct error *err)
{
	store_check_shape(shape);
	if (b->ncol != shape->ncol || from + n > b->nrow)
		BUG("a look at rows that are not there");
	s->sqlstate[0] = '\0';
	return n && s->ops->keeps ? s->ops->keeps(s, shape, b, from, n, row,
						  col, err) : 1;
}

int store_not_kept(struct store *s, const char *column, struct error *err)
{
	memcpy(s->sqlstate, "22018", sizeof("22018"));
	(void)error_set(err, ERR_STORE, -EBADMSG,
			_("%s: column '%s' would not keep a value as it is"),
			s->name, column);
	error_hint(err, _("convert it in 'columns', if another value is meant, "
			  "or give the column another type"));
	return -EBADMSG;
}

int store_kinds(struct store *s, const struct store_shape *shape,
		struct store_kinds *ret, struct error *err)
{
	memset(ret, 0, sizeof(*ret));
	return s->ops->kinds ? s->ops->kinds(s, shape, ret, err) : 0;
}

bool store_kinds_have_forms(const struct store_kinds *k)
{
	for (uint32_t i = 0; i < k->n; i++)
		if (k->col[i].forms)
			return true;
	return false;
}

void store_kinds_release(struct store_kinds *k)
{
	free(k->col);
	memset(k, 0, sizeof(*k));
}

int store_put_packed(struct store *s, const struct store_pack *k,
		     const struct store_shape *shape,
		     const struct store_batch *b, uint32_t from, uint32_t n,
		     enum store_conflict how, struct error *err)
{
	int put;

	store_check_shape(shape);
	need_write(s);
	if (k->n - k->hidden != shape->ncol || from + n > b->nrow)
		BUG("a put of packed rows that are not there");
	s->sqlstate[0] = '\0';
	put = n ? s->ops->put_packed(s, k, shape, b, from, n, how, err) : 0;
	return too_few(s, put, n, how) ?
		store_taken(s, shape, NULL, from, n, err) : put;
}

int store_del(struct store *s, const struct store_shape *shape,
	      const struct store_batch *b, struct error *err)
{
	store_check_shape(shape);
	need_write(s);
	if (b->ncol < shape->nkey)
		BUG("keys of %u columns", b->ncol);
	s->sqlstate[0] = '\0';
	return b->nrow ? s->ops->del(s, shape, b, err) : 0;
}

int store_mark(struct store *s, const struct store_mark *m, const char *old,
	       struct error *err)
{
	if (old)
		need_write(s);
	else if (s->in_tx)
		BUG("a range is made known outside of a transaction");
	s->sqlstate[0] = '\0';
	return s->ops->mark(s, m, old, err);
}

int store_marks(struct store *s, const char *step, struct store_batch *b,
		struct error *err)
{
	s->sqlstate[0] = '\0';
	store_batch_clear(b, 7);
	return s->ops->marks(s, step, b, err);
}

int store_columns(struct store *s, const char *set, struct store_batch *b,
		  struct error *err)
{
	s->sqlstate[0] = '\0';
	store_batch_clear(b, 5);
	return s->ops->columns(s, set, b, err);
}

static int has_none(const struct store *s, struct error *err)
{
	return error_set(err, ERR_STORE, -EOPNOTSUPP,
			 _("%s: a file takes no statements"), s->name);
}

int store_exec(struct store *s, const char *sql, const struct store_batch *args,
	       struct store_batch *b, struct error *err)
{
	s->sqlstate[0] = '\0';
	if (b)
		store_batch_clear(b, 0);
	if (!s->ops->exec)
		return has_none(s, err);
	return s->ops->exec(s, sql, args, b, err);
}

int store_exec_text(struct store *s, const char *sql, const char *const *args,
		    uint32_t n, struct store_batch *b, struct error *err)
{
	_cleanup_store_batch_ struct store_batch row = STORE_BATCH_INIT;

	store_batch_clear(&row, n);
	for (uint32_t i = 0; i < n; i++)
		store_batch_add(&row, STORE_TEXT, args[i], strlen(args[i]));
	return store_exec(s, sql, n ? &row : NULL, b, err);
}

int store_split(struct store *s, const struct store_shape *shape,
		const char *lo, const char *hi, uint64_t every,
		struct store_batch *b, struct error *err)
{
	store_check_shape(shape);
	if (!every)
		BUG("parts of no rows");
	s->sqlstate[0] = '\0';
	store_batch_clear(b, shape->nkey);
	if (!s->ops->split)
		return has_none(s, err);
	return s->ops->split(s, shape, lo, hi, every, b, err);
}

int store_nth(struct store *s, const struct store_shape *shape,
	      const char *after, const char *until, uint64_t n,
	      struct store_batch *b, struct error *err)
{
	store_check_shape(shape);
	if (!n)
		BUG("the last of no rows");
	s->sqlstate[0] = '\0';
	if (!s->ops->exec)
		return has_none(s, err);
	return store_sql_nth(s, shape, after, until, n, b, err);
}

int store_count(struct store *s, const struct store_shape *shape,
		uint64_t *ret, struct error *err)
{
	struct store_shape alone = *shape;
	struct store_digest d;
	int r;

	store_check_shape(shape);
	if (s->ops->exec) {
		s->sqlstate[0] = '\0';
		return store_sql_count(s, shape, ret, err);
	}
	/* what cannot be read is a row as well */
	alone.ncol = alone.nkey;
	s->keys = true;
	r = store_digest(s, &alone, NULL, NULL, &d, err);
	s->keys = false;
	if (r >= 0)
		*ret = d.n;
	return r;
}
