/* SPDX-License-Identifier: MIT */
/*
 * A store inside of the transaction of another: the same connection, so that
 * it sees what is locked and not yet committed there. Each of several such
 * handles has transactions of its own: those that write are savepoints, those
 * that read are nothing. What fails outside of one takes nothing along: each
 * such call has a savepoint to itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "store-internal.h"

struct store_within {
	struct store s;
	struct store_ops ops;
	struct store *outer;     /* borrowed, in a transaction that writes */
};

static struct store *outer_of(struct store *s)
{
	return ((struct store_within *)s)->outer;
}

static int run(struct store *s, const char *sql, struct error *err)
{
	struct store *o = outer_of(s);
	int ret = o->ops->exec(o, sql, NULL, NULL, err);

	return MIN(ret, 0);
}

/* the state that a failure had, not that of what tidied up behind it */
static int back(struct store *s, int ret)
{
	memcpy(s->sqlstate, outer_of(s)->sqlstate, sizeof(s->sqlstate));
	if (run(s, "ROLLBACK TO SAVEPOINT upshift_within", NULL) == 0)
		(void)run(s, "RELEASE SAVEPOINT upshift_within", NULL);
	return ret;
}

static int enter(struct store *s, struct error *err)
{
	struct store *o = outer_of(s);

	if (!o->in_tx)
		BUG("a store inside of a transaction that has ended");
	o->sqlstate[0] = '\0';
	o->most = s->most;
	o->cut = false;
	o->row_bytes = s->row_bytes;
	if (s->in_tx && s->writes)
		return 0;
	return run(s, "SAVEPOINT upshift_within", err);
}

static int leave(struct store *s, int ret, struct error *err)
{
	struct store *o = outer_of(s);
	int r;

	s->cut = o->cut;
	o->most = 0;
	o->cut = false;
	memcpy(s->sqlstate, o->sqlstate, sizeof(s->sqlstate));
	if (s->in_tx && s->writes)
		return ret;
	if (ret < 0)
		return back(s, ret);
	r = run(s, "RELEASE SAVEPOINT upshift_within", err);
	return r < 0 ? r : ret;
}

static int within_begin(struct store *s, bool write, struct error *err)
{
	return write ? run(s, "SAVEPOINT upshift_within", err) : 0;
}

static int within_commit(struct store *s, struct error *err)
{
	return s->writes ? run(s, "RELEASE SAVEPOINT upshift_within", err) : 0;
}

static void within_abort(struct store *s)
{
	char state[sizeof(s->sqlstate)];

	memcpy(state, s->sqlstate, sizeof(state));
	if (s->writes)
		(void)back(s, 0);
	memcpy(s->sqlstate, state, sizeof(state));
}

static int within_scan(struct store *s, const struct store_shape *shape,
		       const char *after, const char *until, uint32_t limit,
		       struct store_batch *b, struct error *err)
{
	struct store *o = outer_of(s);
	int ret = enter(s, err);

	if (ret < 0)
		return ret;
	ret = o->ops->scan(o, shape, after, until, limit, b, err);
	return leave(s, ret, err);
}

static int within_put(struct store *s, const struct store_shape *shape,
		      const struct store_batch *b, uint32_t from, uint32_t n,
		      enum store_conflict how, struct error *err)
{
	struct store *o = outer_of(s);
	int ret = enter(s, err);

	if (ret < 0)
		return ret;
	return leave(s, o->ops->put(o, shape, b, from, n, how, err), err);
}

static int within_del(struct store *s, const struct store_shape *shape,
		      const struct store_batch *b, struct error *err)
{
	struct store *o = outer_of(s);
	int ret = enter(s, err);

	return ret < 0 ? ret : leave(s, o->ops->del(o, shape, b, err), err);
}

static int within_mark(struct store *s, const struct store_mark *m,
		       const char *old, struct error *err)
{
	struct store *o = outer_of(s);
	int ret = enter(s, err);

	return ret < 0 ? ret : leave(s, o->ops->mark(o, m, old, err), err);
}

static int within_marks(struct store *s, const char *step,
			struct store_batch *b, struct error *err)
{
	struct store *o = outer_of(s);
	int ret = enter(s, err);

	return ret < 0 ? ret : leave(s, o->ops->marks(o, step, b, err), err);
}

static int within_columns(struct store *s, const char *set,
			  struct store_batch *b, struct error *err)
{
	struct store *o = outer_of(s);
	int ret = enter(s, err);

	return ret < 0 ? ret : leave(s, o->ops->columns(o, set, b, err), err);
}

static int within_exec(struct store *s, const char *sql,
		       const struct store_batch *args, struct store_batch *b,
		       struct error *err)
{
	struct store *o = outer_of(s);
	int ret = enter(s, err);

	return ret < 0 ? ret : leave(s, o->ops->exec(o, sql, args, b, err),
				     err);
}

static int within_split(struct store *s, const struct store_shape *shape,
			const char *lo, const char *hi, uint64_t every,
			struct store_batch *b, struct error *err)
{
	struct store *o = outer_of(s);
	int ret = enter(s, err);

	if (ret < 0)
		return ret;
	return leave(s, o->ops->split(o, shape, lo, hi, every, b, err), err);
}

static int within_digest(struct store *s, const struct store_shape *shape,
			 const char *lo, const char *hi,
			 struct store_digest *ret, struct error *err)
{
	struct store *o = outer_of(s);
	int r = enter(s, err);

	if (r < 0)
		return r;
	return leave(s, o->ops->digest(o, shape, lo, hi, ret, err), err);
}

static int within_kinds(struct store *s, const struct store_shape *shape,
			struct store_kinds *ret, struct error *err)
{
	struct store *o = outer_of(s);
	int r = enter(s, err);

	if (r < 0)
		return r;
	return leave(s, o->ops->kinds(o, shape, ret, err), err);
}

static void within_close(struct store *s)
{
	free(s);
}

int store_within_open(struct store *outer, struct store **ret,
		      struct error *err)
{
	struct store_within *w;

	if (!outer->in_tx || !outer->writes)
		BUG("a store inside of no transaction");
	if (!outer->ops->exec)
		return error_set(err, ERR_STORE, -EOPNOTSUPP, "%s",
				 outer->name);
	w = xcalloc(1, sizeof(*w));
	w->outer = outer;
	w->ops = (struct store_ops){
		.scheme = outer->ops->scheme, .caps = outer->ops->caps,
		.by_row = outer->ops->by_row, .now_s = outer->ops->now_s,
		.close = within_close, .begin = within_begin,
		.commit = within_commit, .abort = within_abort,
		.scan = within_scan, .put = within_put, .del = within_del,
		.mark = within_mark, .marks = within_marks,
		.columns = within_columns, .exec = within_exec,
		.split = outer->ops->split ? within_split : NULL,
		.digest = outer->ops->digest ? within_digest : NULL,
		.kinds = outer->ops->kinds ? within_kinds : NULL,
	};
	w->s.ops = &w->ops;
	w->s.name = xstrdup(outer->name);
	w->s.caps = outer->caps;
	w->s.tried = outer->tried;
	*ret = &w->s;
	return 0;
}

bool store_is_within(const struct store *s)
{
	return s->ops->close == within_close;
}

bool store_is_one(const struct store *a, const struct store *b)
{
	const struct store_within *x = store_is_within(a) ?
		(const struct store_within *)a : NULL;
	const struct store_within *y = store_is_within(b) ?
		(const struct store_within *)b : NULL;

	return (x ? x->outer : a) == (y ? y->outer : b);
}

void store_try_all(struct store *s)
{
	for (unsigned int i = 0; i < STORE_CAP_COUNT; i++)
		(void)store_can(s, (enum store_cap)(1u << i));
}
