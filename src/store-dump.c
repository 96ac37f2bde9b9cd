/* SPDX-License-Identifier: MIT */
/* Sets out of a database, in one snapshot. */
#include "store-dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-dump-internal.h"
#include "store-internal.h"
#include "store-ours.h"
#include "store-sql.h"

#define PASSED_ROWS 50000

static void object_release(struct store_object *o)
{
	free(o->kind);
	free(o->name);
	free(o->create);
	free(o->drop);
	free(o->state);
}

void dump_set_release(struct store_dump_set *set)
{
	for (size_t i = 0; i < set->object_n; i++)
		object_release(&set->objects[i]);
	free(set->objects);
	free(set->set);
	free(set->full);
	strvec_release(&set->columns);
	strvec_release(&set->parts);
	memset(set, 0, sizeof(*set));
}

void store_dump_release(struct store_dump *d)
{
	for (size_t i = 0; i < d->n; i++)
		dump_set_release(&d->sets[i]);
	free(d->sets);
	free(d->server);
	memset(d, 0, sizeof(*d));
}

struct store_dump_set *store_dump_find(const struct store_dump *d,
				       const char *set)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->sets[i].set, set) ||
		    strvec_has(&d->sets[i].parts, set))
			return &d->sets[i];
	return NULL;
}

bool store_can_dump(const struct store *s)
{
	return s->ops->copy_out != NULL;
}

int store_reach(struct store *s, char **ret, struct strvec *env,
		struct error *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	if (!s->ops->reach)
		return error_set(err, ERR_STORE, -EOPNOTSUPP,
			_("%s: a file takes no statements"), store_name(s));
	s->ops->reach(s, &out, env);
	*ret = strbuf_detach(&out);
	return 0;
}

int dump_settings(struct store *s, struct error *err)
{
	static const char *const sets[] = {
		/* COPY takes its time; what stands still is found by us */
		"SET LOCAL statement_timeout = 0",
		/* rows in the order in which they lie there */
		"SET LOCAL synchronize_seqscans = off",
		"SET LOCAL max_parallel_workers_per_gather = 0",
		"SET LOCAL jit = off",
		/* rows that policies hide are an error, not a gap */
		"SET LOCAL row_security = off",
		/* as pg_dump has them, so that its rows are these */
		"SET LOCAL intervalstyle = postgres",
		"SET LOCAL extra_float_digits = 3",
	};
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(sets); i++)
		ret = store_exec(s, sets[i], NULL, NULL, err);
	return MIN(ret, 0);
}

static char *cell(const struct store_batch *b, uint32_t row, uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);
	const char *p = store_batch_text(b, c);

	return p ? xstrndup(p, (size_t)c->len) : NULL;
}

/* --- names --- */

static int all_sets(struct store *s, const char *which, struct strvec *ret,
		    struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *sql = xasprintf("SELECT n.nspname || '.' || "
		"c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = "
		"c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm') AND "
		"NOT c.relispartition AND c.relpersistence <> 't' AND "
		"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND "
		"%s AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = "
		"'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') "
		"ORDER BY 1", which);
	int n = store_exec(s, sql, NULL, &b, err);

	for (uint32_t i = 0; n > 0 && i < b.nrow; i++)
		strvec_take(ret, cell(&b, i, 0));
	return MIN(n, 0);
}

static int wanted_sets(struct store *s, const struct strvec *sets,
		       struct strvec *ret, struct error *err)
{
	int r = 0;

	/* those that are named bear the name that they were given */
	for (size_t i = 0; i < sets->n; i++)
		if (*sets->v[i] && strcmp(sets->v[i], STORE_DUMP_OURS) &&
		    !strvec_has(ret, sets->v[i]))
			strvec_push(ret, sets->v[i]);
	if (strvec_has(sets, ""))
		r = all_sets(s, "c.relname !~ '^_upshift_'", ret, err);
	if (r >= 0 && strvec_has(sets, STORE_DUMP_OURS))
		r = all_sets(s, "c.relname ~ '^_upshift_' AND c.relname <> "
			     "'_upshift_run'", ret, err);
	return r;
}

/* where there is none of that name ret is left alone; *above: the tables that
   it is a partition of, " OID OID " */
static int resolve(struct store *s, const char *set,
		   struct store_dump_set *ret, char **above, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	_cleanup_free_ char *kind = NULL, *oid = NULL;
	const char *arg;
	int n;

	store_sql_set(&name, set);
	arg = name.buf;
	n = store_exec_text(s, "SELECT c.oid, c.relkind, quote_ident(n.nspname) || "
		"'.' || quote_ident(c.relname), CASE WHEN c.relispartition "
		"THEN (SELECT ' ' || string_agg(a::oid::text, ' ') || ' ' FROM "
		"pg_partition_ancestors(c.oid) a WHERE a <> c.oid) END FROM "
		"pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "
		"to_regclass($1)", &arg, 1, &b, err);
	if (n <= 0)
		return n;
	kind = cell(&b, 0, 1);
	if (!strchr("rpvm", *kind))
		return error_set(err, ERR_STORE, -EOPNOTSUPP,
			_("%s: '%s' is neither a table nor a view"),
			store_name(s), set);
	oid = cell(&b, 0, 0);
	ret->full = cell(&b, 0, 2);
	*above = cell(&b, 0, 3);
	ret->type = *kind;
	ret->oid = strtoul(oid, NULL, 10);
	return 0;
}

/* --- a look --- */

static int by_type(const void *a, const void *b)
{
	const struct store_dump_set *x = a, *y = b;
	bool vx = x->type == 'v' || x->type == 'm';
	bool vy = y->type == 'v' || y->type == 'm';

	/* what reads tables comes behind them */
	/* and a view behind the view that it reads */
	if (vx && vy)
		return (x->oid > y->oid) - (x->oid < y->oid);
	return vx != vy ? vx - vy : strcmp(x->set, y->set);
}

/* the same set by another name */
static bool has_oid(const struct store_dump *d, unsigned long oid)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->sets[i].full && d->sets[i].oid == oid)
			return true;
	return false;
}

/* A partition beside its table: saved with it, and not twice. */
static void join_parts(struct store_dump *d, char **above)
{
	size_t left = 0;

	for (size_t i = 0; i < d->n; i++) {
		struct store_dump_set *whole = NULL;
		size_t least = SIZE_MAX;

		for (size_t k = 0; above[i] && k < d->n; k++) {
			_cleanup_free_ char *oid = xasprintf(" %lu ",
							     d->sets[k].oid);
			size_t n = above[k] ? strlen(above[k]) : 0;

			/* the outermost of them has the fewest above it */
			if (d->sets[k].full && n < least &&
			    strstr(above[i], oid)) {
				whole = &d->sets[k];
				least = n;
			}
		}
		if (whole)
			strvec_push(&whole->parts, d->sets[i].set);
	}
	for (size_t i = 0; i < d->n; i++) {
		bool gone = false;

		for (size_t k = 0; !gone && above[i] && k < d->n; k++)
			gone = strvec_has(&d->sets[k].parts, d->sets[i].set);
		if (gone)
			dump_set_release(&d->sets[i]);
	}
	for (size_t i = 0; i < d->n; i++)
		if (d->sets[i].set)
			d->sets[left++] = d->sets[i];
	d->n = left;
}

/* in two goes: names are found by the search_path of the session */
int dump_look(struct store *s, const struct strvec *sets,
	      struct store_dump *ret, struct error *err)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	char **above;
	int r = store_exec(s, "SET LOCAL search_path TO DEFAULT", NULL, NULL,
			   err);

	if (r >= 0)
		r = wanted_sets(s, sets, &names, err);

	ret->sets = xcalloc(names.n ? names.n : 1, sizeof(*ret->sets));
	above = xcalloc(names.n ? names.n : 1, sizeof(*above));
	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		struct store_dump_set set = { 0 };

		r = resolve(s, names.v[i], &set, &above[ret->n], err);
		if (r < 0 || (set.full && has_oid(ret, set.oid))) {
			dump_set_release(&set);
			free(TAKE_PTR(above[ret->n]));
			continue;
		}
		set.set = xstrdup(names.v[i]);
		ret->sets[ret->n++] = set;
	}
	join_parts(ret, above);
	for (size_t i = 0; i < names.n; i++)
		free(above[i]);
	free(above);
	if (r >= 0)
		r = store_exec(s, "SET LOCAL search_path TO pg_catalog", NULL,
			       NULL, err);
	if (r >= 0)
		r = dump_objects(s, ret, err);
	if (r >= 0 && ret->n)
		qsort(ret->sets, ret->n, sizeof(*ret->sets), by_type);
	return MIN(r, 0);
}

static int look_server(struct store *s, struct store_dump *d,
		       struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n = store_exec(s, "SHOW server_version", NULL, &b, err);

	if (n > 0)
		d->server = cell(&b, 0, 0);
	return MIN(n, 0);
}

static int add_views(struct store *s, struct store_dump *d, struct error *err)
{
	_cleanup_store_dump_ struct store_dump v = STORE_DUMP_INIT;
	int r = dump_views(s, d, NULL, NULL, &v, err);

	if (r < 0 || !v.n)
		return r;
	d->sets = xrealloc(d->sets, d->n + v.n, sizeof(*d->sets));
	memcpy(&d->sets[d->n], v.sets, v.n * sizeof(*v.sets));
	d->n += v.n;
	v.n = 0;
	return 0;
}

static int no_statements(const struct store *s, struct error *err)
{
	return error_set(err, ERR_STORE, -EOPNOTSUPP,
			 _("%s: a file takes no statements"), store_name(s));
}

int store_dump_begin(struct store *s, const struct strvec *sets,
		     struct store_dump *ret, struct error *err)
{
	int r;

	if (!store_can_dump(s))
		return no_statements(s, err);
	r = store_begin(s, false, err);
	if (r >= 0)
		r = dump_settings(s, err);
	if (r >= 0)
		r = look_server(s, ret, err);
	if (r >= 0)
		r = dump_look(s, sets, ret, err);
	if (r >= 0)
		r = add_views(s, ret, err);
	if (r < 0) {
		store_abort(s);
		store_dump_release(ret);
	}
	return r;
}

int store_dump_end(struct store *s, struct error *err)
{
	int ret = store_commit(s, err);

	if (ret < 0)
		store_abort(s);
	return ret;
}

/* --- rows --- */

struct rows {
	struct store_dump_set *set;
	store_sink_fn *sink;
	void *ctx;
};

/* big endian, as the digest is written */
static void sum_add(struct xxh128 *sum, const struct xxh128 *x)
{
	unsigned int carry = 0;

	for (int i = 15; i >= 0; i--) {
		carry += (unsigned int)sum->b[i] + x->b[i];
		sum->b[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

void store_dump_add_row(struct store_dump_set *set, const char *row, size_t n)
{
	struct xxh128 x = xxh128_of(row, n);

	sum_add(&set->sum, &x);
	set->rows++;
	set->bytes += n;
}

static int on_row(void *ctx, const char *row, size_t n, struct error *err)
{
	struct rows *r = ctx;

	store_dump_add_row(r->set, row, n);
	return r->sink ? r->sink(r->ctx, row, n, err) : 0;
}

/* "COPY t (a, b) TO STDOUT"; only a query reads partitions */
static void copy_statement(struct strbuf *sql, const struct store_dump_set *set)
{
	strbuf_addstr(sql, set->type == 'p' ? "COPY (SELECT " : "COPY ");
	if (set->type != 'p')
		strbuf_addf(sql, "%s (", set->full);
	for (size_t i = 0; i < set->columns.n; i++) {
		strbuf_addstr(sql, i ? ", " : "");
		store_sql_name(sql, set->columns.v[i]);
	}
	if (set->type == 'p')
		strbuf_addf(sql, " FROM %s", set->full);
	strbuf_addstr(sql, ") TO STDOUT");
}

bool store_dump_has_rows(const struct store_dump_set *set)
{
	return set->full && (set->type == 'r' || set->type == 'p') &&
	       set->columns.n;
}

int store_dump_rows(struct store *s, struct store_dump_set *set,
		    store_sink_fn *sink, void *ctx, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct rows r = { .set = set, .sink = sink, .ctx = ctx };
	int ret;

	set->rows = set->bytes = 0;
	memset(&set->sum, 0, sizeof(set->sum));
	if (!store_dump_has_rows(set))
		return 0;
	copy_statement(&sql, set);
	ret = s->ops->copy_out(s, sql.buf, on_row, &r, err);
	if (ret < 0)
		error_prefix(err, _("cannot save '%s'"), set->set);
	return ret;
}

/* --- sums alone --- */

struct summing {
	struct store_sum *sum;
	void (*passed)(void *ctx, uint64_t rows);
	void *ctx;
};

static int on_summed(void *ctx, const char *row, size_t n,
		     _unused_ struct error *err)
{
	struct summing *g = ctx;
	struct xxh128 x = xxh128_of(row, n);

	sum_add(&g->sum->sum, &x);
	if (++g->sum->rows % PASSED_ROWS == 0 && g->passed)
		g->passed(g->ctx, g->sum->rows);
	return 0;
}

int store_dump_sum(struct store *s, const struct store_shape *shape,
		   void (*passed)(void *ctx, uint64_t rows), void *ctx,
		   struct store_sum *ret, struct error *err)
{
	struct summing g = { .sum = ret, .passed = passed, .ctx = ctx };
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!store_can_dump(s))
		return no_statements(s, err);
	r = dump_settings(s, err);
	if (r < 0)
		return r;
	strbuf_addstr(&sql, "COPY (SELECT ");
	store_sql_reads(&sql, shape, 0, shape->ncol);
	strbuf_addstr(&sql, " FROM ");
	store_sql_set(&sql, shape->set);
	if (shape->where)
		strbuf_addf(&sql, " WHERE (%s\n)", shape->where);
	strbuf_addstr(&sql, ") TO STDOUT");
	return s->ops->copy_out(s, sql.buf, on_summed, &g, err);
}

/* --- differences --- */

static bool same_objects(const struct store_dump_set *a,
			 const struct store_dump_set *b, bool values)
{
	size_t i = 0, k = 0;

	for (;;) {
		while (i < a->object_n &&
		       !strcmp(a->objects[i].kind, "value") != values)
			i++;
		while (k < b->object_n &&
		       !strcmp(b->objects[k].kind, "value") != values)
			k++;
		if (i == a->object_n || k == b->object_n)
			return i == a->object_n && k == b->object_n;
		if (strcmp(a->objects[i].kind, b->objects[k].kind) ||
		    strcmp(a->objects[i].name, b->objects[k].name) ||
		    strcmp(a->objects[i].state, b->objects[k].state))
			return false;
		i++;
		k++;
	}
}

unsigned int store_dump_compare(const struct store_dump_set *a,
				const struct store_dump_set *b)
{
	unsigned int ret = 0;

	if (!a->full || !b->full)
		return !a->full != !b->full ? STORE_DIFF_THERE : 0;
	if (!same_objects(a, b, false))
		ret |= STORE_DIFF_SCHEMA;
	if (!same_objects(a, b, true))
		ret |= STORE_DIFF_VALUES;
	if (a->rows != b->rows || !xxh128_equal(&a->sum, &b->sum))
		ret |= STORE_DIFF_ROWS;
	return ret;
}

/* --- ours --- */

static bool of_step(const struct strvec *steps, const char *run,
		    const char *name)
{
	bool is = false;

	for (size_t i = 0; !is && i < steps->n; i++) {
		_cleanup_free_ char *id = store_ours_id(steps->v[i], run);

		is = !strcmp(id, name);
	}
	return is;
}

/* _upshift_undo_STEP_RUN and the like go, rows of the others */
static void forget_in(const char *full, const char *name, bool has_step,
		      const char *run, const struct strvec *steps,
		      const char *ids, struct strvec *ret)
{
	const char *step = name + strlen("_upshift_");

	step += strcspn(step, "_");
	if (*step && of_step(steps, run, step + 1)) {
		strvec_pushf(ret, "DROP TABLE %s", full);
		return;
	}
	if (!has_step)
		return;
	strvec_pushf(ret, "DELETE FROM %s t WHERE t.step ~ "
		     "'/%s/(%s)(/|$)' OR (t.step ~ '^(%s)$' AND "
		     "to_jsonb(t)->>'run' LIKE '%s %%')", full, run, ids, ids,
		     run);
	/* as undo leaves it: nothing of ours stays in an empty table */
	strvec_pushf(ret, "DO $upshift$ BEGIN IF NOT EXISTS (SELECT FROM %s) "
		     "THEN DROP TABLE %s; END IF; END $upshift$", full, full);
}

int store_dump_forget(struct store *s, const char *run,
		      const struct strvec *steps, struct strvec *ret,
		      struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf ids = STRBUF_INIT;
	int n = store_exec(s, "SELECT quote_ident(n.nspname) || '.' || "
		"quote_ident(c.relname), c.relname, EXISTS (SELECT FROM "
		"pg_attribute a WHERE a.attrelid = c.oid AND a.attname = "
		"'step' AND NOT a.attisdropped) FROM pg_class c JOIN "
		"pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' "
		"AND c.relname ~ '^_upshift_' AND c.relpersistence <> 't' "
		"ORDER BY 1", NULL, &b, err);

	for (size_t i = 0; i < steps->n; i++)
		strbuf_addf(&ids, "%s%s", i ? "|" : "", steps->v[i]);
	for (uint32_t i = 0; n > 0 && i < b.nrow && steps->n; i++) {
		_cleanup_free_ char *full = cell(&b, i, 0);
		_cleanup_free_ char *name = cell(&b, i, 1);
		_cleanup_free_ char *has = cell(&b, i, 2);

		forget_in(full, name, *has == 't', run, steps, ids.buf, ret);
	}
	return MIN(n, 0);
}
