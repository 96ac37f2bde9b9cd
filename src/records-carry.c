/* SPDX-License-Identifier: MIT */
/*
 * A pass: what differs goes into a spool, out of this what was written since,
 * at most so many keys at a time, and these into the old set. Another pass if
 * there were more.
 */
#include "records-carry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-text.h"
#include "records-drain-internal.h"
#include "records-internal.h"
#include "records-map.h"
#include "records-verify.h"

#define KEYS_MOST 200000u        /* of one job in one pass */
#define LOOK_ROWS 200u
#define PUT_ROWS 500u

/* what was found of a row, by its key; first byte of a line of the spool */
enum { GONE = 'd', CAME = 'p', CHANGED = 'c' };

struct carry_one {
	const struct records_carry *c;
	const struct records_job *went;
	struct records_one one;          /* of the way back */
	struct records_shapes shapes;    /* of the way there */
	bool inits;                      /* one is */
	FILE *spool;
	struct strbuf line;
	uint64_t rejects;                /* of the way there */
	struct strbuf kinds;             /* one byte for each of keys */
	struct strvec keys;
	bool more;
};

/* --- what is not the same --- */

static int on_found(void *ctx, const struct records_found *f,
		    struct error *err)
{
	struct carry_one *k = ctx;
	int kind = f->kind == RECORDS_EXTRA ? GONE :
		   f->kind == RECORDS_MISSING ? CAME : CHANGED;

	if (f->kind == RECORDS_EQUIVALENT)
		return 0;
	strbuf_clear(&k->line);
	strbuf_addf(&k->line, "%c%s\n", kind, f->key);
	if (fwrite(k->line.buf, 1, k->line.len, k->spool) != k->line.len)
		return error_set(err, ERR_IO, -errno,
				 _("cannot write a temporary file"));
	return 0;
}

static int on_again(void *ctx, struct error *err)
{
	struct carry_one *k = ctx;
	int ret = fflush(k->spool) ? -errno : 0;

	rewind(k->spool);
	if (ret == 0)
		ret = fs_truncate(fileno(k->spool), 0);
	return ret >= 0 ? 0 : error_set(err, ERR_IO, ret,
				_("cannot write a temporary file"));
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	const struct records_drain *d = ((struct carry_one *)ctx)->one.d;

	if (d->tick)
		(void)d->tick(d->ctx, done, total);
}

static bool on_cancelled(void *ctx)
{
	const struct records_drain *d = ((struct carry_one *)ctx)->one.d;

	return d->tick && d->tick(d->ctx, 0, 0) < 0;
}

static int compare(struct carry_one *k, struct error *err)
{
	struct records_one *o = &k->one;
	struct records_verdict verdict;
	struct records_shapes shapes;
	struct records_spec spec = {
		.nkey = o->job->to.nkey, .level = RECORDS_STANDARD,
		.pause_s = -1, .scratch_fd = o->d->scratch_fd,
		.found = on_found, .again = on_again,
		.progress = on_progress, .cancelled = on_cancelled, .ctx = k,
	};
	int ret = records_map_cast(&o->job->from, o->job->hidden, &o->job->to,
				   o->from, o->to, &shapes, err);

	if (ret < 0)
		return ret;
	spec.old = (struct records_side) { o->from, &shapes.from,
					   shapes.hidden };
	spec.now = (struct records_side) { o->to, &shapes.to, 0 };
	ret = on_again(k, err);
	if (ret == 0)
		ret = records_verify(&spec, &verdict, err);
	records_shapes_release(&shapes);
	return MIN(ret, 0);
}

/* --- and was written since --- */

/* a shape of some rows alone; where is room for its condition */
static struct store_shape some(const struct store_shape *shape,
			       const struct store *s, uint32_t nkey,
			       uint32_t first, const struct store_batch *keys,
			       uint32_t from, uint32_t n, struct strbuf *where)
{
	struct store_shape ret = *shape;

	strbuf_clear(where);
	if (shape->where)
		strbuf_addf(where, "(%s\n) AND ", shape->where);
	records_add_in(where, s, shape, nkey, keys, first, from, n);
	ret.where = where->buf;
	return ret;
}

/* those of b without the first columns, whose texts it borrows */
static void without(const struct store_batch *b, uint32_t hidden,
		    struct store_batch *ret)
{
	*ret = *b;
	ret->cell = xcalloc(MAX(b->ncell, (size_t)1), sizeof(*ret->cell));
	ret->ncell = 0;
	ret->ncol = b->ncol - hidden;
	for (uint32_t row = 0; row < b->nrow; row++)
		for (uint32_t i = hidden; i < b->ncol; i++)
			ret->cell[ret->ncell++] =
				*store_batch_cell(b, row, i);
}

static bool has_row(const struct store_batch *a, uint32_t row,
		    const struct store_batch *b, uint32_t nkey)
{
	_cleanup_free_ uint32_t *cols = xcalloc(MAX(a->ncol, 1u),
						sizeof(*cols));
	uint32_t n;

	for (uint32_t i = 0; i < b->nrow; i++)
		if (!records_key_cmp(a, row, b, i, nkey))
			return records_row_cmp(a, row, b, i, a->ncol, cols,
					       &n) != RECORDS_DIFFERENT;
	return false;
}

/* rows of the old set as they would be copied now, and those of the new one
   under their keys: the same? Marked as '\0' in kinds then */
static int spare_copied(struct carry_one *k, const struct store_batch *keys,
			const struct strvec *texts, char *kinds,
			struct error *err)
{
	const struct store_shape *f = &k->shapes.from, *t = &k->shapes.to;
	_cleanup_store_batch_ struct store_batch there = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch now = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf where = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	struct store_batch as;
	struct store_shape shape = some(f, k->one.to, f->nkey, 0, keys, 0,
					keys->nrow, &where);
	int ret = store_scan(k->one.to, &shape, NULL, NULL, keys->nrow + 1,
			     &there, err);

	if (ret <= 0)
		return ret;
	without(&there, k->shapes.hidden, &as);
	shape = some(t, k->one.from, t->nkey, 0, &as, 0, as.nrow, &where);
	ret = store_scan(k->one.from, &shape, NULL, NULL, 2 * as.nrow + 1,
			 &now, err);
	for (uint32_t row = 0; ret >= 0 && row < as.nrow; row++) {
		if (!has_row(&as, row, &now, t->nkey))
			continue;
		store_key(&there, row, f->nkey, &key);
		for (size_t i = 0; i < texts->n; i++)
			if (!strcmp(texts->v[i], key.buf))
				kinds[i] = '\0';
	}
	free(as.cell);
	return MIN(ret, 0);
}

/* what the copy was refused is not in the new set, and never was */
static int spare_rejected(struct carry_one *k, const struct strvec *texts,
			  char *kinds, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && (k->rejects || k->c->keeps) &&
	     i < texts->n; i++) {
		_cleanup_store_batch_ struct store_batch args =
			STORE_BATCH_INIT;
		_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

		if (kinds[i] != GONE)
			continue;
		if (k->c->keeps) {
			kinds[i] = '\0';
			continue;
		}
		store_batch_clear(&args, 2);
		records_add_text(&args, k->went->marks);
		records_add_text(&args, texts->v[i]);
		ret = store_exec(k->one.from, "SELECT 1 FROM _upshift_reject "
				 "WHERE step = $1 AND key = $2", &args, &b,
				 err);
		if (ret > 0)
			kinds[i] = '\0';
	}
	return MIN(ret, 0);
}

struct block {
	struct strvec texts;
	struct strbuf kinds;
	uint32_t old;                    /* of them, in the old set */
};

static int end_block(struct carry_one *k, struct block *b,
		     struct records_carried *sum, struct error *err)
{
	_cleanup_store_batch_ struct store_batch keys = STORE_BATCH_INIT;
	int ret = 0;

	store_batch_clear(&keys, k->one.job->to.nkey);
	for (size_t i = 0; i < b->texts.n; i++)
		if (b->kinds.buf[i] != CAME &&
		    store_key_cells(b->texts.v[i], &keys) < 0)
			BUG("a key that was made here");
	if (keys.nrow)
		ret = spare_copied(k, &keys, &b->texts, b->kinds.buf, err);
	if (ret == 0)
		ret = spare_rejected(k, &b->texts, b->kinds.buf, err);
	for (size_t i = 0; ret == 0 && i < b->texts.n; i++) {
		if (!b->kinds.buf[i]) {
			sum->stay++;
			continue;
		}
		strbuf_addch(&k->kinds, b->kinds.buf[i]);
		strvec_push(&k->keys, b->texts.v[i]);
	}
	strvec_clear(&b->texts);
	strbuf_clear(&b->kinds);
	return ret;
}

/* out of the spool */
static int choose(struct carry_one *k, struct records_carried *sum,
		  struct error *err)
{
	struct block b = { .kinds = STRBUF_INIT };
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;
	ssize_t n = 0;
	int ret = 0;

	sum->stay = 0;
	rewind(k->spool);
	while (ret == 0 && !k->more && (n = getline(&line, &cap,
						    k->spool)) > 0) {
		line[n - 1] = '\0';
		strbuf_addch(&b.kinds, line[0]);
		strvec_push(&b.texts, line + 1);
		if (b.texts.n >= LOOK_ROWS)
			ret = end_block(k, &b, sum, err);
		k->more = k->keys.n >= KEYS_MOST;
	}
	if (ret == 0)
		ret = end_block(k, &b, sum, err);
	strvec_release(&b.texts);
	strbuf_release(&b.kinds);
	if (ret == 0 && ferror(k->spool))
		ret = error_set(err, ERR_IO, -EIO,
				_("cannot read a temporary file"));
	return ret;
}

/* --- lines --- */

static void add_row(struct carry_one *k, const char *what,
		    const struct store_batch *b, uint32_t row,
		    struct strbuf *out)
{
	struct records_worker w = { .run = &k->one.run, .out = *b };

	strbuf_addf(out, ",\"%s\":", what);
	if (row == UINT32_MAX)
		strbuf_addstr(out, "null");
	else
		records_reject_text(&w, row, out);
}

/* the row of b with the key in row i of keys */
static uint32_t find_row(const struct store_batch *b,
			 const struct store_batch *keys, uint32_t i)
{
	for (uint32_t row = 0; row < b->nrow; row++)
		if (!records_key_cmp(b, row, keys, i, keys->ncol))
			return row;
	return UINT32_MAX;
}

static void begin_line(struct carry_one *k, const char *key,
		       struct strbuf *out)
{
	const char *set = k->one.job->to.set;

	strbuf_addstr(out, "{\"set\":");
	json_text_encode(set, strlen(set), out);
	strbuf_addf(out, ",\"key\":%s", key);
}

static int write_lines(struct carry_one *k, const struct strbuf *lines,
		       struct error *err)
{
	int fd = k->c->lines_fd, ret = 0;

	if (fd >= 0 && lines->len)
		ret = fs_write_all(fd, lines->buf, lines->len);
	if (fd >= 0 && lines->len && ret >= 0)
		ret = fs_datasync(fd);
	return ret >= 0 ? 0 : error_set(err, ERR_IO, ret,
		_("cannot save rows before they are changed"));
}

/* how they are in the old set, and how they are to be */
static int save(struct carry_one *k, const struct store_batch *keys,
		char *const *texts, bool gone, struct error *err)
{
	struct records_one *o = &k->one;
	_cleanup_store_batch_ struct store_batch was = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch all = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf where = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
	struct store_batch now = STORE_BATCH_INIT;
	uint32_t nkey = o->job->to.nkey, hidden = o->job->hidden;
	struct store_shape shape = some(&o->job->to, o->to, nkey, 0, keys, 0,
					keys->nrow, &where);
	int ret;

	if (k->c->lines_fd < 0)
		return 0;
	ret = store_scan(o->to, &shape, NULL, NULL, keys->nrow + 1, &was, err);
	if (ret >= 0 && !gone) {
		shape = some(&o->job->from, o->from, nkey, hidden, keys, 0,
			     keys->nrow, &where);
		ret = store_scan(o->from, &shape, NULL, NULL, keys->nrow + 1,
				 &all, err);
		without(&all, hidden, &now);
	}
	for (uint32_t i = 0; ret >= 0 && i < keys->nrow; i++) {
		begin_line(k, texts[i], &lines);
		add_row(k, "was", &was, find_row(&was, keys, i), &lines);
		add_row(k, "now", &now, find_row(&now, keys, i), &lines);
		strbuf_addstr(&lines, "}\n");
	}
	free(now.cell);
	return ret < 0 ? ret : write_lines(k, &lines, err);
}

/* --- into the old set --- */

static void key_rows(const struct carry_one *k, size_t at, size_t n,
		     struct store_batch *ret)
{
	store_batch_clear(ret, k->one.job->to.nkey);
	for (size_t i = at; i < at + n; i++)
		if (store_key_cells(k->keys.v[i], ret) < 0)
			BUG("a key that was made here");
}

static int put_block(struct carry_one *k, size_t at, size_t n,
		     struct error *err)
{
	struct records_one *o = &k->one;
	_cleanup_store_batch_ struct store_batch keys = STORE_BATCH_INIT;
	int ret;

	key_rows(k, at, n, &keys);
	ret = save(k, &keys, k->keys.v + at, false, err);
	if (ret < 0)
		return ret;
	o->own.from = some(&o->job->from, o->from, keys.ncol, o->job->hidden,
			   &keys, 0, keys.nrow, &o->where);
	return records_one_put(o, NULL, NULL, err);
}

static int gone_block(struct carry_one *k, size_t at, size_t n,
		      struct error *err)
{
	struct records_one *o = &k->one;
	_cleanup_store_batch_ struct store_batch keys = STORE_BATCH_INIT;

	key_rows(k, at, n, &keys);
	if (!o->gone.ncol)
		store_batch_clear(&o->gone, keys.ncol);
	for (size_t i = 0; i < n; i++) {
		(void)store_key_cells(k->keys.v[at + i], &o->gone);
		strvec_push(&o->gone_keys, k->keys.v[at + i]);
	}
	return save(k, &keys, k->keys.v + at, true, err);
}

static bool is_gone(const struct carry_one *k, size_t i)
{
	return k->kinds.buf[i] == GONE;
}

/* rows of one kind that stand together, as many as go at once */
static int take(struct carry_one *k, struct error *err)
{
	size_t n;
	int ret = 0;

	for (size_t at = 0; ret == 0 && at < k->keys.n; at += n) {
		for (n = 1; n < PUT_ROWS && at + n < k->keys.n &&
		     is_gone(k, at) == is_gone(k, at + n); n++)
			;
		ret = is_gone(k, at) ? gone_block(k, at, n, err) :
		      put_block(k, at, n, err);
	}
	return ret;
}

/* refused rows and deletions again, as long as it helps */
static int settle(struct carry_one *k, size_t n, struct error *err)
{
	uint64_t before = UINT64_MAX;

	for (;;) {
		uint64_t left = 0;
		int ret = 0;

		for (size_t i = n; ret >= 0 && i-- > 0;) {
			ret = records_one_delete(&k[i].one, err);
			left += ret > 0 ? (uint64_t)ret : 0;
		}
		for (size_t i = 0; ret >= 0 && i < n; i++) {
			ret = records_one_retry(&k[i].one, err);
			left += ret > 0 ? (uint64_t)ret : 0;
		}
		if (ret < 0 || !left || left >= before)
			return MIN(ret, 0);
		before = left;
	}
}

static int refuse_one(struct carry_one *k, const char *key, const char *why,
		      struct records_carried *sum, struct error *err)
{
	const struct records_carry *c = k->c;
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	_cleanup_free_ char *text = xasprintf(_("row %s of '%s' cannot be "
		"carried back: %s"), key, k->one.job->to.set, why);

	sum->refused++;
	begin_line(k, key, &line);
	strbuf_addstr(&line, ",\"refused\":");
	json_text_encode(why, strlen(why), &line);
	strbuf_addstr(&line, "}\n");
	if (c->stops)
		return error_set(err, ERR_CARRY, -EBADMSG, "%s", text);
	if (c->note)
		c->note(c->ctx, text);
	return write_lines(k, &line, err);
}

static int refuse(struct carry_one *k, struct records_carried *sum,
		  struct error *err)
{
	struct records_one *o = &k->one;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < o->refused.keys.n; i++)
		ret = refuse_one(k, o->refused.keys.v[i], o->refused.why.v[i],
				 sum, err);
	for (size_t i = 0; ret == 0 && i < o->gone_keys.n; i++)
		ret = refuse_one(k, o->gone_keys.v[i], _("rows of other "
				 "tables refer to it"), sum, err);
	return ret;
}

/* --- a pass --- */

static int open_one(struct carry_one *k, struct records_pool *pool,
		    const struct records_drain *d, size_t i,
		    struct error *err)
{
	int dir = k->c->scratch_fd;
	int fd = fs_open(dir, ".", O_RDWR | O_TMPFILE, 0600), ret;

	if (fd < 0)
		fd = fs_open(AT_FDCWD, "/tmp", O_RDWR | O_TMPFILE, 0600);
	k->spool = fd < 0 ? NULL : fdopen(fd, "w+");
	if (!k->spool)
		return error_set(err, ERR_IO, fd < 0 ? fd : -errno,
				 _("cannot make a temporary file"));
	k->went = k->c->went[i];
	strbuf_init(&k->kinds);
	strbuf_init(&k->line);
	k->inits = true;
	ret = records_one_init(&k->one, pool, d, k->c->back[i], err);
	if (ret == 0)
		ret = records_reject_count(k->one.from, k->went->marks,
					   &k->rejects, err);
	return ret < 0 ? ret :
	       records_map_cast(&k->went->from, k->went->hidden,
				&k->went->to, k->one.to, k->one.from,
				&k->shapes, err);
}

static void close_one(struct carry_one *k)
{
	if (k->inits) {
		records_one_release(&k->one);
		records_shapes_release(&k->shapes);
		strbuf_release(&k->kinds);
		strbuf_release(&k->line);
		strvec_release(&k->keys);
	}
	if (k->spool)
		(void)fclose(k->spool); /* has no name, and was read */
}

/* 1: there is more, and this one did some of it */
static int one_pass(const struct records_carry *c,
		    const struct records_drain *d, struct records_carried *sum,
		    struct error *err)
{
	struct carry_one *k = xcalloc(MAX(c->n, (size_t)1), sizeof(*k));
	struct records_pool pool = { .d = d };
	bool more = false, any = false;
	int ret = 0;

	for (size_t i = 0; i < c->n; i++)
		k[i].c = c;
	for (size_t i = 0; ret == 0 && i < c->n; i++) {
		ret = open_one(&k[i], &pool, d, i, err);
		if (ret == 0)
			ret = compare(&k[i], err);
		if (ret == 0)
			ret = choose(&k[i], &sum[i], err);
	}
	for (size_t i = 0; ret == 0 && i < c->n; i++)
		ret = take(&k[i], err);
	if (ret == 0)
		ret = settle(k, c->n, err);
	for (size_t i = 0; ret == 0 && i < c->n; i++) {
		sum[i].put += k[i].one.out.put;
		sum[i].deleted += k[i].one.out.deleted;
		any |= k[i].one.out.put + k[i].one.out.deleted > 0;
		more |= k[i].more;
	}
	for (size_t i = 0; ret == 0 && i < c->n && !(more && any); i++)
		ret = refuse(&k[i], &sum[i], err);
	for (size_t i = 0; i < c->n; i++)
		close_one(&k[i]);
	free(k);
	records_pool_close(&pool);
	return ret < 0 ? ret : more && any;
}

int records_carry(const struct records_carry *c, struct records_carried *ret,
		  struct error *err)
{
	_cleanup_free_ bool *owner = xcalloc(MAX(c->n, (size_t)1),
					     sizeof(*owner));
	const struct records_drain d = {
		.job = c->back, .owner = owner, .n = c->n, .once = true,
		.reads = true,
		.tick = c->tick, .note = c->note, .ctx = c->ctx,
		.scratch_fd = c->scratch_fd,
	};
	int r;

	memset(ret, 0, c->n * sizeof(*ret));
	do {
		r = one_pass(c, &d, ret, err);
	} while (r > 0);
	return r < 0 ? r : records_drain_end(&d, err);
}
