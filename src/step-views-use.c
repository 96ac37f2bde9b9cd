/* SPDX-License-Identifier: MIT */
/* For how long nobody has used the views of a step. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "step-sql.h"
#include "step-views.h"
#include "store.h"

#define READS STEP_VIEWS_READS
/* Its own: another plan may have a step of this id in the same database, but
   never a view of the same name, as both are made under step and view. */
#define OURS "w.step = $1 AND ($2 = '' OR w.view = ANY (string_to_array(" \
	"$2, chr(10))))"

struct noting {
	const char *step;
	const struct views_spec *own;
};

/* $1 and $2 */
static void add_args(const struct noting *n, struct store_batch *args)
{
	const struct views_spec *v = n->own;
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;

	for (size_t i = 0; v && i < v->n; i++)
		strbuf_addf(&names, "%s%s", i ? "\n" : "", v->v[i].name);
	store_batch_clear(args, 2);
	step_sql_arg(args, n->step);
	store_batch_add(args, STORE_TEXT, names.buf, names.len);
}

static int note_use(void *ctx, struct store *s, struct error *err)
{
	const struct noting *n = ctx;
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	int ret;

	add_args(n, &args);
	ret = store_exec(s, "UPDATE _upshift.watch w SET reads = " READS ", "
			 "since = now() WHERE " OURS " AND reads <> " READS,
			 &args, NULL, err);
	return MIN(ret, 0);
}

int step_views_use(struct store *s, const char *step,
		   const struct views_spec *own, bool note,
		   struct views_use *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_free_ char *cell = NULL;
	struct noting n = { .step = step, .own = own };
	char *end;
	int r;

	memset(ret, 0, sizeof(*ret));
	add_args(&n, &args);
	/* a writer of today may write again today */
	r = step_sql_cell(s, "SELECT count(*) || ' ' || count(*) FILTER ("
		"WHERE w.reads <> " READS ") || ' ' || coalesce(floor(extract("
		"epoch FROM now() - max(greatest(w.since, (SELECT max(u.day) "
		"+ 1 FROM _upshift.usage u WHERE u.step = w.step AND u.view = "
		"w.view)::timestamptz)))), 0) FROM _upshift.watch w "
		"WHERE " OURS, &args, &cell, err);
	if (r < 0 || !cell)
		return r;
	ret->views = strtoull(cell, &end, 10);
	ret->moved = strtoull(end, &end, 10) > 0;
	ret->quiet_s = strtod(end, NULL);
	if (ret->quiet_s < 0 || ret->moved)
		ret->quiet_s = 0;
	return note ? store_transact(s, note_use, &n, 5, err) : 0;
}
