/* SPDX-License-Identifier: MIT */
/* Rows that a database takes from one of its sets to another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-internal.h"

bool store_move_init(struct store_move *m, struct store *from,
		     const struct store_shape *of, uint32_t hidden,
		     struct store *dest, const struct store_shape *to)
{
	bool can;

	store_check_shape(of);
	if (of->ncol - hidden != to->ncol)
		BUG("%u columns for %u", of->ncol - hidden, to->ncol);
	memset(m, 0, sizeof(*m));
	m->of = of;
	m->to = to;
	m->hidden = hidden;
	m->words = "";
	can = from->ops->moves && from->ops == dest->ops &&
	      strcmp(of->set, to->set) && from->ops->moves(m, from, dest);
	from->sqlstate[0] = '\0';
	dest->sqlstate[0] = '\0';
	if (!can)
		store_move_release(m);
	else if (!m->reads)
		m->reads = store_move_reads(m);
	return can;
}

void store_move_release(struct store_move *m)
{
	free(m->reads);
	free(m->type);
	free(m->schema);
	memset(m, 0, sizeof(*m));
}

char *store_move_reads(const struct store_move *m)
{
	struct strbuf sb = STRBUF_INIT;

	store_sql_reads(&sb, m->of, m->hidden, m->of->ncol);
	return strbuf_detach(&sb);
}

int store_move(struct store *s, const struct store_move *m, const char *after,
	       const char *until, enum store_conflict how, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret = store_sql_range(s, m->of, after, until, &args, err);

	s->sqlstate[0] = '\0';
	if (ret < 0)
		return ret;
	if (!s->ops->moves_still(s, m))
		return error_set(err, ERR_STORE, -EBADMSG, "%s", s->name);
	strbuf_addstr(&sql, "INSERT INTO ");
	store_sql_set(&sql, m->to->set);
	strbuf_addstr(&sql, " (");
	store_sql_names(&sql, m->to, 0, m->to->ncol);
	strbuf_addf(&sql, ")%s SELECT %s FROM ", m->words, m->reads);
	store_sql_set(&sql, m->of->set);
	store_sql_where(&sql, m->of, after, until);
	strbuf_addstr(&sql, " ORDER BY ");
	store_sql_reads(&sql, m->of, 0, m->of->nkey);
	store_sql_conflict(&sql, m->to, how);
	return s->ops->exec(s, sql.buf, &args, NULL, err);
}
