/* SPDX-License-Identifier: MIT */
/*
 * The job of a step: which columns, by which key. Rows are read by the columns
 * that the key of the destination comes from. Where those are computed, they
 * are read by the primary key of the source instead, which is not written.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-cast.h"
#include "records-copy-internal.h"
#include "step-records.h"
#include "store-ours.h"
#include "store-sql.h"

#define WORKERS_AUTO 4

void step_records_job_release(struct step_records_job *j)
{
	strvec_release(&j->names);
	free(j->id);
	free(j->marks);
	free(j->set);
	free(j->until);
	free(j->cols);
	free(j->exprs);
	free(j->loose);
	free(j->json);
	memset(j, 0, sizeof(*j));
}

/* SQLite has one writer at a time; another one helps to read meanwhile. A file
   of records has one writer, and each reader has all of its keys in memory. */
static unsigned int workers(const struct plan *p, const struct records_step *m)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int n = m->workers ? m->workers : p->defaults.workers;

	if (plan_set_is_file(&m->to) ||
	    (plan_set_is_file(&m->from) && m->workers <= 0))
		return 1;
	if (n > 0)
		return (unsigned int)n;
	if (m->to.store->kind == PLAN_STORE_SQLITE)
		return 2;
	return cpus < 2 ? 2 : cpus > WORKERS_AUTO ? WORKERS_AUTO :
		(unsigned int)cpus;
}

void step_records_job_init(const struct step *s, struct step_ctx *ctx,
			   struct step_records_job *j)
{
	const struct records_step *m = s->priv;
	const struct plan *p = step_plan(ctx);
	struct step_run_info info;
	int64_t retries;

	memset(j, 0, sizeof(*j));
	step_run_info(ctx, &info);
	j->marks = xasprintf("%s/%s/%s", p->name, info.run_key, s->id);
	j->id = store_ours_id(s->id, info.run_key);
	j->job.id = j->id;
	j->job.marks = j->marks;
	j->job.from_url = m->from.store->url;
	j->job.to_url = m->to.store->url;
	step_store_options(ctx, m->from.store, &j->job.from_options);
	step_store_options(ctx, m->to.store, &j->job.to_options);
	j->job.from_options.read_only = true;
	j->job.to_options.create = true;
	j->job.conflict = m->conflict;
	j->job.workers = workers(p, m);
	j->job.batch = m->batch ? (uint32_t)m->batch : p->defaults.batch;
	retries = m->retries >= 0 ? m->retries : p->defaults.retries;
	j->job.retries = retries > 0 ? (int)retries : retries < 0 ? 0 : -1;
	j->job.pause_ms = (unsigned int)(MIN(m->throttle.pause_s, 1e6) * 1000);
	j->job.quarantine = m->quarantine;
	j->job.max_bad = (uint64_t)m->max_bad;
	j->job.live = m->live;
	if (m->to.store->kind == PLAN_STORE_PG) {
		j->job.lease_plan = p->name;
		j->job.lease_owner = info.run_key;
	}
	if (m->backfill) {
		j->job.sql = (const char *const *)m->up.v;
		j->job.sql_n = m->up.n;
		j->job.undo = m->undo;
	}
	j->to_set = m->to.set;
	j->set = m->from.query ? xasprintf("_upshift_q_%s", j->id) :
		 xstrdup(m->from.set);
}

static int one(struct store *s, const struct strbuf *sql, struct error *err)
{
	int ret = store_exec(s, sql->buf, NULL, NULL, err);

	return MIN(ret, 0);
}

/* what a store says of a set; the elements of a file have what they have */
struct columns {
	struct store_batch b;
	bool any;
};

static int columns_of(struct store *s, const char *set, struct columns *c,
		      struct error *err)
{
	int n = store_columns(s, set, &c->b, err);

	c->any = !store_can(s, STORE_CAP_SQL);
	if (n != 0 || c->any)
		return MIN(n, 0);
	n = error_set(err, ERR_STORE, -ENOENT, _("%s: there is no '%s'"),
		      store_name(s), set);
	if (strchr(set, '"'))
		error_hint(err, _("a plan has names of tables as they are, "
				  "without the quotes of SQL"));
	return n;
}

int step_records_job_source(const struct step_records_job *j, struct store *s,
			    struct error *err)
{
	struct columns c = { .b = STORE_BATCH_INIT };
	int ret = columns_of(s, j->set, &c, err);

	store_batch_release(&c.b);
	return ret;
}

static bool has_column(const struct columns *c, const char *name)
{
	bool found = c->any;

	for (uint32_t i = 0; !found && i < c->b.nrow; i++) {
		_cleanup_free_ char *text = records_cell_text(&c->b, i, 0);

		found = !strcmp(text, name);
	}
	return found;
}

static void primary_key(const struct columns *c, struct strvec *ret)
{
	for (uint32_t place = 1;; place++) {
		bool found = false;

		for (uint32_t i = 0; !found && i < c->b.nrow; i++) {
			found = records_cell_number(&c->b, i, 4) == place;
			if (found)
				strvec_take(ret,
					    records_cell_text(&c->b, i, 0));
		}
		if (!found)
			return;
	}
}

static bool is_name(const char *text)
{
	if (!isalpha((unsigned char)*text) && *text != '_')
		return false;
	while (isalnum((unsigned char)*text) || *text == '_')
		text++;
	return !*text;
}

/* how a column of the destination is read; NULL: by its name */
static const char *expression(const struct records_step *m, const char *name)
{
	for (size_t i = 0; i + 1 < m->columns.n; i += 2)
		if (!strcmp(m->columns.v[i], name))
			return strcmp(m->columns.v[i + 1], name) ?
			       m->columns.v[i + 1] : NULL;
	return NULL;
}

static int no_key(const struct store *s, const char *set, struct error *err)
{
	return error_set(err, ERR_PLAN_VALUE, -EINVAL,
			 _("%s: '%s' has no primary key; name a 'key'"),
			 store_name(s), set);
}

/* the columns of the destination, its key first */
static int choose(const struct records_step *m, const struct columns *from,
		  const struct columns *to, struct store *dst,
		  struct strvec *key, struct strvec *ret, struct error *err)
{
	if (m->key.n)
		strvec_copy(key, &m->key);
	else
		primary_key(to, key);
	if (!key->n)
		return no_key(dst, m->to.set, err);
	strvec_copy(ret, key);
	for (size_t i = 0; i + 1 < m->columns.n; i += 2)
		if (!strvec_has(key, m->columns.v[i]))
			strvec_push(ret, m->columns.v[i]);
	for (uint32_t i = 0; !m->columns.n && i < from->b.nrow; i++) {
		_cleanup_free_ char *name = records_cell_text(&from->b, i, 0);

		if (!strvec_has(key, name))
			strvec_push(ret, name);
	}
	for (size_t i = 0; i < ret->n; i++)
		if (!has_column(to, ret->v[i]))
			return error_set(err, ERR_PLAN_VALUE, -EINVAL,
				_("%s: '%s' has no column '%s'"),
				store_name(dst), m->to.set, ret->v[i]);
	return 0;
}

/* false: the key is computed, or has columns that can be NULL */
static bool read_by_key(const struct records_step *m,
			const struct columns *from, const struct strvec *key)
{
	for (size_t i = 0; i < key->n; i++) {
		const char *e = expression(m, key->v[i]);

		if (e ? !is_name(e) || !has_column(from, e) :
		    !has_column(from, key->v[i]))
			return false;
	}
	return true;
}

static void fill_shapes(const struct records_step *m, const struct strvec *key,
			const struct strvec *cols, struct step_records_job *j)
{
	j->job.hidden = (uint32_t)j->names.n;
	for (size_t i = 0; i < cols->n; i++)
		strvec_push(&j->names, cols->v[i]);
	j->cols = xcalloc(j->names.n, sizeof(*j->cols));
	j->exprs = xcalloc(j->names.n, sizeof(*j->exprs));
	for (size_t i = 0; i < j->names.n; i++) {
		const char *e = i < j->job.hidden ? NULL :
			expression(m, j->names.v[i]);

		j->cols[i] = j->names.v[i];
		j->exprs[i] = e;
	}
	j->job.from = (struct store_shape) {
		.set = j->set, .ncol = (uint32_t)j->names.n,
		.nkey = j->job.hidden ? j->job.hidden : (uint32_t)key->n,
		.col = j->cols, .expr = j->exprs, .where = m->where,
	};
	j->job.to = (struct store_shape) {
		.set = j->to_set, .ncol = (uint32_t)cols->n,
		.nkey = (uint32_t)key->n, .col = j->cols + j->job.hidden,
	};
}

/* From server to server an expression means what it says, and a value goes into a
   column of its own type; what comes from elsewhere is looked at. */
static void decide_loose(struct step_records_job *j, const struct columns *src,
			 const struct columns *dst)
{
	const struct store_shape *to = &j->job.to;

	j->loose = xcalloc(to->ncol, sizeof(*j->loose));
	for (uint32_t i = 0; i < to->ncol; i++) {
		const char *e = j->exprs[j->job.hidden + i];
		_cleanup_free_ char *has = records_cast_type(&src->b, e ? e :
			to->col[i]);
		_cleanup_free_ char *wants = records_cast_type(&dst->b,
			to->col[i]);

		j->loose[i] = !has || !wants ||
			!records_cast_watched(has, wants);
	}
	j->job.to.loose = j->loose;
}

/* The type of the server says that members of the file are read as JSON; pg: its
   columns. */
static void decide_json(struct step_records_job *j, const struct columns *pg,
			bool from_file)
{
	uint32_t hidden = j->job.hidden;

	j->json = xcalloc(j->job.from.ncol, sizeof(*j->json));
	for (uint32_t i = hidden; i < j->job.from.ncol; i++) {
		const char *e = from_file ? NULL : j->exprs[i];
		_cleanup_free_ char *type = records_cast_type(&pg->b, e ? e :
			j->cols[i]);

		j->json[i] = type && records_cast_is_json(type);
	}
	if (from_file)
		j->job.from.json = j->json;
	else
		j->job.to.json = j->json + hidden;
}

static int copy_shape(const struct records_step *m, struct store *from,
		      struct store *to, struct step_records_job *j,
		      struct error *err)
{
	struct columns src = { .b = STORE_BATCH_INIT };
	struct columns dst = { .b = STORE_BATCH_INIT };
	_cleanup_strvec_ struct strvec key = STRVEC_INIT;
	_cleanup_strvec_ struct strvec cols = STRVEC_INIT;
	int ret = columns_of(from, j->set, &src, err);

	if (ret == 0)
		ret = columns_of(to, j->to_set, &dst, err);
	if (ret == 0)
		ret = choose(m, &src, &dst, to, &key, &cols, err);
	if (ret == 0 && !read_by_key(m, &src, &key)) {
		primary_key(&src, &j->names);
		if (!j->names.n)
			ret = no_key(from, j->set, err);
	}
	if (ret == 0)
		fill_shapes(m, &key, &cols, j);
	if (ret == 0 && store_is_pg(from) && store_is_pg(to))
		decide_loose(j, &src, &dst);
	if (ret == 0 && src.any && store_is_pg(to))
		decide_json(j, &dst, true);
	if (ret == 0 && store_is_pg(from) && dst.any)
		decide_json(j, &src, false);
	store_batch_release(&src.b);
	store_batch_release(&dst.b);
	return ret;
}

/* the number of a row, which is no column; unquoted, so that a table without
   such numbers says so */
static int by_rowid(struct store *s, struct step_records_job *j,
		    struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "SELECT rowid FROM ");
	store_sql_set(&sql, j->set);
	strbuf_addstr(&sql, " LIMIT 0");
	j->job.by_rowid = true;
	return one(s, &sql, err);
}

/* the key alone is read; pre-images have all columns */
static int backfill_shape(const struct records_step *m, struct store *s,
			  struct step_records_job *j, struct error *err)
{
	struct columns c = { .b = STORE_BATCH_INIT };
	int ret = columns_of(s, j->set, &c, err);

	strvec_copy(&j->names, &m->key);
	for (size_t i = 0; ret == 0 && i < m->key.n; i++)
		if (m->key.n == 1 && !strcmp(m->key.v[i], "rowid") &&
		    m->to.store->kind == PLAN_STORE_SQLITE &&
		    !has_column(&c, m->key.v[i]))
			ret = by_rowid(s, j, err);
		else if (!has_column(&c, m->key.v[i]))
			ret = error_set(err, ERR_PLAN_VALUE, -EINVAL,
				_("%s: '%s' has no column '%s'"),
				store_name(s), j->set, m->key.v[i]);
	for (uint32_t i = 0; ret == 0 && i < c.b.nrow; i++) {
		_cleanup_free_ char *name = records_cell_text(&c.b, i, 0);

		if (!strvec_has(&m->key, name))
			strvec_push(&j->names, name);
	}
	store_batch_release(&c.b);
	if (ret < 0)
		return ret;
	j->cols = xcalloc(j->names.n, sizeof(*j->cols));
	for (size_t i = 0; i < j->names.n; i++)
		j->cols[i] = j->names.v[i];
	j->job.from = (struct store_shape) {
		.set = j->set, .ncol = (uint32_t)m->key.n,
		.nkey = (uint32_t)m->key.n, .col = j->cols, .where = m->where,
	};
	j->job.to = j->job.from;
	j->job.to.ncol = (uint32_t)j->names.n;
	j->job.to.where = NULL;
	return 0;
}

int step_records_job_shape(const struct step *s, struct store *from,
			   struct store *to, struct step_records_job *j,
			   struct error *err)
{
	const struct records_step *m = s->priv;

	return m->backfill ? backfill_shape(m, from, j, err) :
		copy_shape(m, from, to, j, err);
}

struct keeping {
	const struct records_step *m;
	const struct step_records_job *j;
};

static int make_query(void *ctx, struct store *s, struct error *err)
{
	const struct keeping *k = ctx;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	strbuf_addstr(&sql, "CREATE TABLE ");
	store_sql_name(&sql, k->j->set);
	strbuf_addf(&sql, " AS %s", k->m->from.set);
	ret = one(s, &sql, err);
	if (ret < 0)
		return ret;
	strbuf_clear(&sql);
	strbuf_addstr(&sql, "CREATE UNIQUE INDEX ON ");
	if (store_is_sqlite(s)) {
		_cleanup_free_ char *index = xasprintf("%s_key", k->j->set);

		strbuf_clear(&sql);
		strbuf_addstr(&sql, "CREATE UNIQUE INDEX ");
		store_sql_name(&sql, index);
		strbuf_addstr(&sql, " ON ");
	}
	store_sql_name(&sql, k->j->set);
	for (size_t i = 0; i < k->m->key.n; i++) {
		const char *e = expression(k->m, k->m->key.v[i]);

		strbuf_addstr(&sql, i ? ", " : " (");
		if (e && !is_name(e))
			strbuf_addf(&sql, "(%s)", e);
		else
			store_sql_name(&sql, e ? e : k->m->key.v[i]);
	}
	strbuf_addch(&sql, ')');
	return one(s, &sql, err);
}

int step_records_keep_query(const struct step *s, struct step_ctx *ctx,
			    const struct step_records_job *j,
			    struct error *err)
{
	const struct records_step *m = s->priv;
	struct keeping k = { .m = m, .j = j };
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_ struct store *from = NULL;
	int ret = 0;

	if (!m->from.query)
		return 0;
	ret = step_store(ctx, m->from.store->name, false, &from, err);
	if (ret == 0)
		ret = store_columns(from, j->set, &b, err);
	if (ret == 0) {
		step_waits(ctx, _("the answer to the query"));
		ret = store_transact(from, make_query, &k, 10, err);
		step_waits(ctx, NULL);
	}
	return MIN(ret, 0);
}

int step_records_drop_query(const struct step *s, struct step_ctx *ctx,
			    const struct step_records_job *j,
			    struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_store_ struct store *from = NULL;
	int ret = 0;

	/* a file comes back without it */
	if (!m->from.query || m->from.store->path)
		return 0;
	ret = step_store(ctx, m->from.store->name, false, &from, err);
	strbuf_addstr(&sql, "DROP TABLE IF EXISTS ");
	store_sql_name(&sql, j->set);
	return ret < 0 ? ret : one(from, &sql, err);
}
