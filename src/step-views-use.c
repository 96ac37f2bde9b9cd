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

struct noting {
	const char *step;
};

static int note_use(void *ctx, struct store *s, struct error *err)
{
	const struct noting *n = ctx;
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	int ret;

	store_batch_clear(&args, 1);
	step_sql_arg(&args, n->step);
	ret = store_exec(s, "UPDATE _upshift.watch w SET reads = " READS ", "
			 "since = now() WHERE step = $1 AND reads <> " READS,
			 &args, NULL, err);
	return MIN(ret, 0);
}

int step_views_use(struct store *s, const char *step, bool note,
		   struct views_use *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_free_ char *cell = NULL;
	struct noting n = { .step = step };
	char *end;
	int r;

	memset(ret, 0, sizeof(*ret));
	store_batch_clear(&args, 1);
	step_sql_arg(&args, step);
	/* a writer of today may write again today */
	r = step_sql_cell(s, "SELECT count(*) || ' ' || count(*) FILTER ("
		"WHERE w.reads <> " READS ") || ' ' || coalesce(floor(extract("
		"epoch FROM now() - max(greatest(w.since, (SELECT max(u.day) "
		"+ 1 FROM _upshift.usage u WHERE u.step = w.step AND u.view = "
		"w.view)::timestamptz)))), 0) FROM _upshift.watch w "
		"WHERE w.step = $1", &args, &cell, err);
	if (r < 0 || !cell)
		return r;
	ret->views = strtoull(cell, &end, 10);
	ret->moved = strtoull(end, &end, 10) > 0;
	ret->quiet_s = strtod(end, NULL);
	if (ret->quiet_s < 0 || ret->moved)
		ret->quiet_s = 0;
	return note ? store_transact(s, note_use, &n, 5, err) : 0;
}
