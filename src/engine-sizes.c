/* SPDX-License-Identifier: MIT */
/* How much room the sets of servers take in a backup. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-stores.h"
#include "store-sql.h"
#include "store.h"

/*
 * In the archive, which the whole size stands for (what a row takes as text is
 * about what it takes in its table, and not packed at the worst), and in the
 * spool meanwhile.
 */
#define SIZE "coalesce(sum(pg_total_relation_size(t.oid) + " \
	"pg_table_size(t.oid)), 0)"

static uint64_t number(const struct store_batch *b)
{
	const struct store_cell *c = store_batch_cell(b, 0, 0);
	_cleanup_free_ char *text = xstrndup(store_batch_text(b, c),
					     (size_t)c->len);

	return strtoull(text, NULL, 10);
}

static int size_of(struct store *s, const char *set, uint64_t *bytes,
		   struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	int n;

	if (!*set) {
		n = store_exec(s, "SELECT " SIZE " FROM pg_class t JOIN "
			"pg_namespace n ON n.oid = t.relnamespace WHERE "
			"t.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND "
			"n.nspname <> 'information_schema'", NULL, &b, err);
	} else {
		store_sql_set(&name, set);
		store_batch_clear(&args, 1);
		store_batch_add(&args, STORE_TEXT, name.buf, name.len);
		n = store_exec(s, "SELECT " SIZE " FROM (SELECT relid::oid AS "
			"oid FROM pg_partition_tree(to_regclass($1)) UNION "
			"SELECT to_regclass($1)::oid) t WHERE t.oid IS NOT "
			"NULL", &args, &b, err);
	}
	if (n > 0)
		*bytes += number(&b);
	return n;
}

uint64_t engine_stores_size(struct engine *e, size_t *databases)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	uint64_t bytes = 0;
	int ret = engine_sets_of_plan(e, &sets, &err);

	*databases = ret >= 0 ? sets.n : 0;
	for (size_t i = 0; ret >= 0 && i < sets.n; i++) {
		const struct store_sets_one *o = &sets.v[i];
		_cleanup_store_ struct store *s = NULL;
		struct step_ctx c;
		int r;

		step_ctx_init(&c, e, NULL, PHASE_CHECK);
		r = step_store(&c, o->store, true, &s, &err);
		/* all of it has the others in it */
		if (r >= 0 && strvec_has(&o->sets, ""))
			(void)size_of(s, "", &bytes, &err);
		else
			for (size_t k = 0; r >= 0 && k < o->sets.n; k++)
				r = size_of(s, o->sets.v[k], &bytes, &err);
		store_close(TAKE_PTR(s));
		step_ctx_release(&c);
		error_release(&err);
	}
	return bytes;
}
