/* SPDX-License-Identifier: MIT */
/* Reading a batch, and finding the row that the source cannot give. */
#include <errno.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"

/* Rows are too much at once, or one of them cannot be evaluated: its key can.
   Half of the rows again and again, until they can be read or it is one. */
static int narrow(struct records_worker *w, const char *after,
		  const char *until, uint32_t n, struct error *err)
{
	_cleanup_store_batch_ struct store_batch keys = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	const struct store_shape *shape = &w->run->job->from;
	_cleanup_error_ struct error why = ERROR_INIT;
	bool more;
	int got;

	got = store_scan_keys(w->from, shape, after, until, n, &keys, err);
	w->more = true;
	if (got <= 0)
		return got;
	for (uint32_t size = (uint32_t)got; size; size /= 2) {
		error_release(&why);
		store_key(&keys, size - 1, shape->nkey, &key);
		got = store_scan_some(w->from, shape, after, key.buf, size,
				      w->pace.bytes, &w->rows, &more, &why);
		if (got >= 0)
			return got;
		if (store_class(got) != STORE_CLASS_BADROW) {
			if (err)
				error_move(err, &why);
			return got;
		}
	}
	/* it was one row in the end */
	store_key(&keys, 0, shape->nkey, &key);
	w->bad_key = strbuf_detach(&key);
	store_batch_clear(&w->rows, shape->ncol);
	if (err)
		error_move(err, &why);
	return got;
}

/* Statements, and the way back of replaced rows, want cells; the way back of
   others only where it goes by their keys. */
void records_pack(struct records_worker *w)
{
	const struct records_job *job = w->run->job;
	bool as_are;

	store_pack_release(&w->pack);
	store_move_release(&w->move);
	as_are = !job->sql_n && (!w->run->undo || (records_undo_is_own(w) &&
		job->conflict != STORE_REPLACE));
	w->moves = as_are &&
		store_move_init(&w->move, w->from, &job->from, job->hidden,
				w->to, &job->to);
	w->packs = as_are &&
		store_pack_init(&w->pack, w->from, &job->from, job->hidden,
				w->to, &job->to);
	if (!w->packs && !job->sql_n)
		store_put_typed(w->to, &job->to);
}

/* the end of what is left of the part, if that is fewer rows than n */
static bool read_last(struct records_worker *w, const char *after, uint32_t n)
{
	_cleanup_store_batch_ struct store_batch keys = STORE_BATCH_INIT;
	const struct store_shape *shape = &w->run->job->from;
	int got = store_scan_keys(w->from, shape, after, w->part->hi, n, &keys,
				  NULL);

	if (got <= 0 || (uint32_t)got == n)
		return false;
	store_batch_clear(&w->rows, shape->nkey);
	for (uint32_t i = 0; i < shape->nkey; i++) {
		const struct store_cell *c = store_batch_cell(&keys,
			(uint32_t)got - 1, i);

		store_batch_add(&w->rows, (enum store_type)c->type,
				store_batch_text(&keys, c), (size_t)c->len);
	}
	w->span = (uint32_t)got;
	w->more = false;
	return true;
}

/* Statements for a range want no more than its end, and not the keys inside. The
   first and the last of a part are read: there may be rows without a key, or
   fewer. What moves is read only where there is nothing before it: whoever
   reads says what is wrong with keys, and must not write. */
static bool read_end(struct records_worker *w, const char *after, uint32_t n)
{
	const struct records_job *job = w->run->job;
	bool moves = w->moves && !w->plain;
	int got;

	w->span = 0;
	if ((!job->sql_n && !moves) || w->whole || !after || n < 2 ||
	    (!moves && (w->run->undo || !*w->part->pos)))
		return false;
	got = store_nth(w->from, &job->from, after, w->part->hi, n, &w->rows,
			NULL);
	w->packed = w->packed && !moves;
	if (got == 0 && moves)
		return read_last(w, after, n);
	if (got <= 0)
		return false;
	w->more = true;
	w->span = n;
	return true;
}

/* Where it cannot be done, or has brought other rows than were counted, the
   rows go as cells, and the reason comes up again if it is one. */
int records_move(struct records_worker *w, struct error *err)
{
	_cleanup_strbuf_ struct strbuf until = STRBUF_INIT;
	_cleanup_error_ struct error why = ERROR_INIT;
	const struct records_job *job = w->run->job;
	bool all = job->conflict == STORE_ERROR ||
		   (job->conflict == STORE_REPLACE &&
		    job->to.ncol > job->to.nkey);
	int ret;

	store_key(&w->rows, 0, job->from.nkey, &until);
	ret = store_move(w->to, &w->move,
			 *w->part->pos ? w->part->pos : w->part->lo, until.buf,
			 job->conflict, &why);
	if (store_class(ret) == STORE_CLASS_FATAL) {
		w->moves = false;
		ret = -EBADMSG;
	} else if (ret >= 0 && all && (uint32_t)ret != w->span) {
		ret = -EBADMSG;
	}
	if (ret < 0)
		error_move(err, &why);
	return ret;
}

static int read_rows(struct records_worker *w, const char *after, uint32_t n,
		     struct error *err)
{
	const struct store_shape *shape = &w->run->job->from;
	const char *hi = w->part->hi;

	return w->packed ?
		store_scan_packed(w->from, &w->pack, shape, after, hi, n,
				  w->pace.bytes, &w->rows, &w->more, err) :
		store_scan_some(w->from, shape, after, hi, n, w->pace.bytes,
				&w->rows, &w->more, err);
}

int records_read(struct records_worker *w, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	const struct records_range *p = w->part;
	const char *after = *p->pos ? p->pos : p->lo;
	uint32_t n = records_pace_next(&w->pace);
	int got;

	free(w->bad_key);
	w->bad_key = NULL;
	if (read_end(w, after, n))
		return (int)n;
	if (records_ahead_take(w, after))
		return (int)w->rows.nrow;
	w->packed = w->packs && !w->plain;
	w->plain -= w->plain > 0;
	got = read_rows(w, after, n, &why);
	if (store_class(got) == STORE_CLASS_BADROW) {
		w->packed = false;
		return narrow(w, after, p->hi, n, err);
	}
	if (got < 0 && err)
		error_move(err, &why);
	return got;
}

void records_project(struct records_worker *w)
{
	if (!w->packed)
		store_batch_show(&w->rows, w->run->job->hidden, &w->out);
}

int records_range_args(struct records_worker *w, uint32_t from, uint32_t n,
		       struct store_batch *args, struct error *err)
{
	const struct store_shape *shape = &w->run->job->from;
	const char *after = *w->part->pos ? w->part->pos : w->part->lo;

	store_batch_clear(args, shape->nkey);
	for (uint32_t i = 0; !after && i < shape->nkey; i++)
		store_batch_add(args, STORE_TEXT, NULL, 0);
	if (after && store_key_cells(after, args) < 0)
		return error_set(err, ERR_STORE, -EINVAL,
				 _("%s: '%s' is no key of '%s'"),
				 store_name(w->to), after, shape->set);
	for (uint32_t i = 0; i < shape->nkey; i++) {
		const struct store_cell *c =
			store_batch_cell(&w->rows, from + n - 1, i);

		store_batch_add(args, c->type, store_batch_text(&w->rows, c),
				c->len < 0 ? 0 : (size_t)c->len);
	}
	args->ncol = (uint32_t)args->ncell;
	args->nrow = 1;
	return 0;
}
