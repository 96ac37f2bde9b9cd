/* SPDX-License-Identifier: MIT */
/*
 * Views over sets, and over those views: what stands in the way of a table that
 * is dropped. A dump keeps their definitions beside its sets; a load drops
 * those that read what goes, and makes them again: as the dump has them, or,
 * if they came later, as they were, where that can be.
 */
#include "store-dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-dump-internal.h"
#include "store-internal.h"

/* what reads something is below it; the longest way counts */
static const char query[] =
	"WITH RECURSIVE v (oid, depth) AS (SELECT unnest($1::oid[]), 0 UNION "
	"SELECT r.ev_class, v.depth + 1 FROM v JOIN pg_depend d ON "
	"d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid AND "
	"d.classid = 'pg_rewrite'::regclass JOIN pg_rewrite r ON r.oid = "
	"d.objid AND r.ev_class <> v.oid WHERE v.depth < 100) "
	"SELECT c.oid, c.relkind, quote_ident(n.nspname) || '.' || "
	"quote_ident(c.relname), n.nspname || '.' || c.relname FROM v JOIN "
	"pg_class c ON c.oid = v.oid AND c.relkind IN ('v', 'm') JOIN "
	"pg_namespace n ON n.oid = c.relnamespace GROUP BY c.oid, n.oid "
	"ORDER BY max(v.depth), c.oid";

static char *cell(const struct store_batch *b, uint32_t row, uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);

	return xstrndup(store_batch_text(b, c), (size_t)c->len);
}

static bool has_oid(const struct store_dump *d, unsigned long oid)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->sets[i].full && d->sets[i].oid == oid)
			return true;
	return false;
}

static void add_view(const struct store_batch *b, uint32_t row,
		     const struct store_dump *on, struct store_dump *ret)
{
	_cleanup_free_ char *oid = cell(b, row, 0);
	_cleanup_free_ char *kind = cell(b, row, 1);
	struct store_dump_set set = {
		.oid = strtoul(oid, NULL, 10), .type = *kind, .beside = true,
	};

	if (has_oid(on, set.oid))
		return;
	set.full = cell(b, row, 2);
	set.set = cell(b, row, 3);
	ret->sets = xrealloc(ret->sets, ret->n + 1, sizeof(*ret->sets));
	ret->sets[ret->n++] = set;
}

int dump_views(struct store *s, const struct store_dump *on,
	       bool (*want)(void *ctx, const struct store_dump_set *set),
	       void *ctx, struct store_dump *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf oids = STRBUF_INIT;
	int n;

	for (size_t i = 0; i < on->n; i++)
		if (on->sets[i].full && (!want || want(ctx, &on->sets[i])))
			strbuf_addf(&oids, "%s%lu", oids.len ? "," : "{",
				    on->sets[i].oid);
	if (!oids.len)
		return 0;
	strbuf_addch(&oids, '}');
	store_batch_clear(&args, 1);
	store_batch_add(&args, STORE_TEXT, oids.buf, oids.len);
	n = store_exec(s, query, &args, &b, err);
	for (uint32_t i = 0; n > 0 && i < b.nrow; i++)
		add_view(&b, i, on, ret);
	return n < 0 || !ret->n ? MIN(n, 0) : dump_objects(s, ret, err);
}

int dump_drop_views(struct store *s, const struct store_dump *views,
		    struct error *err)
{
	int ret = 0;

	for (size_t i = views->n; ret >= 0 && i-- > 0;) {
		_cleanup_free_ char *sql = xasprintf("DROP %sVIEW %s",
			views->sets[i].type == 'm' ? "MATERIALIZED " : "",
			views->sets[i].full);

		ret = store_exec(s, sql, NULL, NULL, err);
	}
	return MIN(ret, 0);
}

/* by rank, as they are */
static int make_view(struct store *s, const struct store_dump_set *v,
		     struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < v->object_n; i++)
		if (v->objects[i].create)
			ret = store_exec(s, v->objects[i].create, NULL, NULL,
					 err);
	return MIN(ret, 0);
}

/* one that came later may read what is not there any more */
static int try_view(struct store *s, const struct store_dump_set *v,
		    struct strvec *lost, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	int ret = store_exec(s, "SAVEPOINT upshift_view", NULL, NULL, err);

	if (ret < 0)
		return ret;
	ret = make_view(s, v, &why);
	if (ret >= 0)
		return store_exec(s, "RELEASE SAVEPOINT upshift_view", NULL,
				  NULL, err);
	if (store_class(ret) != STORE_CLASS_FATAL) {
		error_move(err, &why);
		return ret;
	}
	strvec_push(lost, v->set);
	return store_exec(s, "ROLLBACK TO SAVEPOINT upshift_view", NULL, NULL,
			  err);
}

static int is_there(struct store *s, const struct store_dump_set *v,
		    struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;

	store_batch_clear(&args, 1);
	store_batch_add(&args, STORE_TEXT, v->full, strlen(v->full));
	return store_exec(s, "SELECT 1 WHERE to_regclass($1) IS NOT NULL",
			  &args, NULL, err);
}

int dump_make_views(struct store *s, const struct store_dump *kept,
		    const struct store_dump *dropped, struct strvec *lost,
		    struct error *err)
{
	int ret = 0;

	for (size_t i = 0; kept && ret >= 0 && i < kept->n; i++) {
		if (!kept->sets[i].beside)
			continue;
		ret = is_there(s, &kept->sets[i], err);
		if (ret == 0)
			ret = make_view(s, &kept->sets[i], err);
	}
	for (size_t i = 0; ret >= 0 && i < dropped->n; i++) {
		ret = is_there(s, &dropped->sets[i], err);
		if (ret == 0)
			ret = try_view(s, &dropped->sets[i], lost, err);
	}
	return MIN(ret, 0);
}
