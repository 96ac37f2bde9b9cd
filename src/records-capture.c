/* SPDX-License-Identifier: MIT */
/* The queue of keys, and the triggers that fill it. */
#include "records-live.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "store-sql.h"

#define TRIES 20u
/* shorter than deadlock_timeout of a server, so that it is never the
   application that has to give way; writers queue up behind us meanwhile */
#define LOCK_TIMEOUT "500ms"

char *records_capture_name(const struct records_job *job)
{
	return xasprintf("_upshift_delta_%s", job->id);
}

const char *records_capture_key(const struct records_job *job, uint32_t i)
{
	const struct store_shape *f = &job->from;

	return f->expr && f->expr[i] ? f->expr[i] : f->col[i];
}

static int run(struct store *s, const struct strbuf *sql, struct error *err)
{
	int ret = store_exec(s, sql->buf, NULL, NULL, err);

	return MIN(ret, 0);
}

_printf_(3, 4)
static int runf(struct store *s, struct error *err, const char *fmt, ...)
{
	_cleanup_free_ char *sql = NULL;
	va_list ap;
	int ret;

	va_start(ap, fmt);
	sql = xvasprintf(fmt, ap);
	va_end(ap);
	ret = store_exec(s, sql, NULL, NULL, err);
	return MIN(ret, 0);
}

/* --- names --- */

struct capture {
	const struct records_job *job;
	char *name;                  /* not quoted */
	struct strbuf queue;         /* quoted */
	struct strbuf set;
};

static void capture_init(struct capture *c, const struct records_job *job)
{
	c->job = job;
	c->name = records_capture_name(job);
	strbuf_init(&c->queue);
	strbuf_init(&c->set);
	store_sql_name(&c->queue, c->name);
	store_sql_set(&c->set, job->from.set);
}

static void capture_release(struct capture *c)
{
	free(c->name);
	strbuf_release(&c->queue);
	strbuf_release(&c->set);
}
#define _cleanup_capture_ _cleanup_(capture_release)

/* upshift_k0, upshift_k1 */
static void add_queued(struct strbuf *sb, const struct records_job *job)
{
	for (uint32_t i = 0; i < job->from.nkey; i++)
		strbuf_addf(sb, "%supshift_k%u", i ? ", " : "", i);
}

/* NEW."id", NEW."other" */
static void add_values(struct strbuf *sb, const struct records_job *job,
		       const char *row)
{
	for (uint32_t i = 0; i < job->from.nkey; i++) {
		strbuf_addf(sb, "%s%s.", i ? ", " : "", row);
		store_sql_name(sb, records_capture_key(job, i));
	}
}

/* OLD."id" is another than NEW."id"; by text, as the operators of a type need
   not be on the path */
static void add_moved(struct strbuf *sb, const struct records_job *job,
		      const char *cast, const char *differs)
{
	for (uint32_t i = 0; i < job->from.nkey; i++) {
		strbuf_addstr(sb, i ? " OR OLD." : "OLD.");
		store_sql_name(sb, records_capture_key(job, i));
		strbuf_addf(sb, "%s %s NEW.", cast, differs);
		store_sql_name(sb, records_capture_key(job, i));
		strbuf_addstr(sb, cast);
	}
}

/* --- looking --- */

int records_capture_there(const struct records_job *job, struct store *from,
			  struct error *err)
{
	_cleanup_free_ char *name = records_capture_name(job);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_columns(from, name, &b, err);

	return MIN(ret, 1);
}

int records_capture_count(const struct records_job *job, struct store *from,
			  uint64_t *ret, struct error *err)
{
	_cleanup_free_ char *name = records_capture_name(job);
	const struct store_shape shape = {
		.set = name, .ncol = 1, .nkey = 1,
		.col = (const char *const[]) { "upshift_k0" },
	};

	return store_count(from, &shape, ret, err);
}

int records_capture_add(const struct records_job *job, struct store *from,
			const char *key, struct error *err)
{
	_cleanup_capture_ struct capture c;
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	capture_init(&c, job);
	store_batch_clear(&args, job->from.nkey);
	if (store_key_cells(key, &args) < 0)
		return error_set(err, ERR_STORE, -EINVAL,
				 _("%s: '%s' is no key of '%s'"),
				 store_name(from), key, job->from.set);
	strbuf_addf(&sql, "INSERT INTO %s (", c.queue.buf);
	add_queued(&sql, job);
	for (uint32_t i = 0; i < job->from.nkey; i++)
		strbuf_addf(&sql, "%s$%u", i ? ", " : ") VALUES (", i + 1);
	strbuf_addch(&sql, ')');
	ret = store_exec(from, sql.buf, &args, NULL, err);
	return MIN(ret, 0);
}

/* the key of the destination out of that of the source alone, for no row */
static int key_is_enough(const struct records_job *job, struct store *from,
			 struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	const char *dot = strchr(job->from.set, '.');
	_cleanup_error_ struct error why = ERROR_INIT;

	if (!job->hidden)
		return 0;
	strbuf_addstr(&sql, "SELECT ");
	for (uint32_t i = 0; i < job->to.nkey; i++)
		strbuf_addf(&sql, "%s(%s)", i ? ", " : "",
			    job->from.expr[job->hidden + i] ?
			    job->from.expr[job->hidden + i] :
			    job->from.col[job->hidden + i]);
	strbuf_addstr(&sql, " FROM (SELECT ");
	for (uint32_t i = 0; i < job->from.nkey; i++) {
		strbuf_addstr(&sql, i ? ", " : "");
		store_sql_name(&sql, records_capture_key(job, i));
	}
	strbuf_addstr(&sql, " FROM ");
	store_sql_set(&sql, job->from.set);
	strbuf_addstr(&sql, " WHERE 1 = 0) AS ");
	store_sql_name(&sql, dot ? dot + 1 : job->from.set);
	if (store_exec(from, sql.buf, NULL, &b, &why) >= 0)
		return 0;
	(void)error_set(err, ERR_PLAN_VALUE, -EINVAL,
		_("'live': the key of '%s' must come from the primary key of "
		  "'%s' alone: %s"), job->to.set, job->from.set, why.msg);
	return -EINVAL;
}

static int key_is_unique(const struct records_job *job, struct store *to,
			 struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_error_ struct error why = ERROR_INIT;
	int ret;

	strbuf_addstr(&sql, "EXPLAIN INSERT INTO ");
	store_sql_set(&sql, job->to.set);
	strbuf_addstr(&sql, " (");
	store_sql_names(&sql, &job->to, 0, job->to.nkey);
	for (uint32_t i = 0; i < job->to.nkey; i++)
		strbuf_addstr(&sql, i ? ", NULL" : ") VALUES (NULL");
	strbuf_addstr(&sql, ") ON CONFLICT (");
	store_sql_names(&sql, &job->to, 0, job->to.nkey);
	strbuf_addstr(&sql, ") DO NOTHING");
	ret = store_exec(to, sql.buf, NULL, &b, &why);
	if (ret >= 0)
		return 0;
	if (store_class(ret) == STORE_CLASS_RECONNECT) {
		error_move(err, &why);
		return ret;
	}
	return error_set(err, ERR_PLAN_VALUE, -EINVAL,
			 _("'live': the key of '%s' is not unique there: %s"),
			 job->to.set, why.msg);
}

int records_capture_may(const struct records_job *job, struct store *from,
			struct store *to, struct error *err)
{
	int ret = key_is_enough(job, from, err);

	return ret < 0 ? ret : key_is_unique(job, to, err);
}

/* --- making it --- */

/* the type of a column without what a domain demands: a key that is NULL
   stands for all rows */
static const char pg_types[] =
	"SELECT CASE WHEN t.typbasetype <> 0 THEN format_type(t.typbasetype, "
	"t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END "
	"FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
	"WHERE a.attrelid = to_regclass($1) AND a.attname = $2";
static const char sqlite_types[] =
	"SELECT type FROM pragma_table_info($1) WHERE name = $2";

static int add_types(const struct capture *c, struct store *s,
		     struct strbuf *sql, struct error *err)
{
	for (uint32_t i = 0; i < c->job->from.nkey; i++) {
		_cleanup_store_batch_ struct store_batch args =
			STORE_BATCH_INIT;
		_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
		_cleanup_free_ char *type = NULL;
		const char *name = records_capture_key(c->job, i);
		int ret;

		store_batch_clear(&args, 2);
		records_add_text(&args, store_is_pg(s) ? c->set.buf :
				 c->job->from.set);
		records_add_text(&args, name);
		ret = store_exec(s, store_is_pg(s) ? pg_types : sqlite_types,
				 &args, &b, err);
		if (ret < 0)
			return ret;
		if (!b.nrow)
			return error_set(err, ERR_STORE, -EINVAL,
				_("%s: '%s' has no column '%s'"),
				store_name(s), c->job->from.set, name);
		type = records_cell_text(&b, 0, 0);
		strbuf_addf(sql, ", upshift_k%u %s", i, type ? type : "");
	}
	return 0;
}

static int schema_of(struct store *s, struct strbuf *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *name = NULL;
	int r = store_exec(s, "SELECT current_schema()", NULL, &b, err);

	if (r < 0)
		return r;
	name = records_cell_text(&b, 0, 0);
	if (name)
		store_sql_name(ret, name);
	return name ? 0 : error_set(err, ERR_STORE, -EINVAL,
		_("%s: there is no schema to make a table in"),
		store_name(s));
}

/* It runs for whoever writes to the table, and may do no more than that; what
   others put on their path must not matter. */
static int pg_function(const struct capture *c, struct store *s,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf into = STRBUF_INIT;
	int ret = schema_of(s, &into, err);

	if (ret < 0)
		return ret;
	strbuf_addf(&into, ".%s (", c->queue.buf);
	strbuf_addf(&sql, "CREATE FUNCTION %s() RETURNS trigger LANGUAGE "
		    "plpgsql SECURITY DEFINER SET search_path = pg_catalog, "
		    "pg_temp AS $upshift$ BEGIN IF TG_OP = 'TRUNCATE' THEN "
		    "INSERT INTO %supshift_all) VALUES (true); RETURN NULL; "
		    "END IF; ", c->queue.buf, into.buf);
	add_queued(&into, c->job);
	strbuf_addf(&sql, "IF TG_OP <> 'INSERT' THEN INSERT INTO %s) VALUES (",
		    into.buf);
	add_values(&sql, c->job, "OLD");
	strbuf_addstr(&sql, "); END IF; IF TG_OP = 'DELETE' THEN RETURN NULL; "
		      "END IF; IF TG_OP = 'UPDATE' THEN IF NOT (");
	add_moved(&sql, c->job, "::text", "IS DISTINCT FROM");
	strbuf_addf(&sql, ") THEN RETURN NULL; END IF; END IF; INSERT INTO %s)"
		    " VALUES (", into.buf);
	add_values(&sql, c->job, "NEW");
	strbuf_addstr(&sql, "); RETURN NULL; END $upshift$");
	return run(s, &sql, err);
}

/* Partitions have the trigger for rows by themselves, tables that inherit have
   not; who empties one of them names it. */
static int pg_below(const struct capture *c, struct store *s,
		    const char *emptied, struct error *err)
{
	static const char *const kind[] = { "NOT c.relispartition", "true" };
	const char *const name[] = { c->queue.buf, emptied };
	static const char *const when[] = { "INSERT OR UPDATE OR DELETE",
					    "TRUNCATE" };
	static const char *const each[] = { "ROW", "STATEMENT" };
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(kind); i++) {
		_cleanup_free_ char *make = xasprintf("CREATE TRIGGER %s AFTER "
						      "%s ON ", name[i],
						      when[i]);
		_cleanup_free_ char *end = xasprintf(" FOR EACH %s EXECUTE "
			"FUNCTION %s()", each[i], c->queue.buf);
		_cleanup_free_ char *always = xasprintf(" ENABLE ALWAYS "
							"TRIGGER %s", name[i]);
		_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

		store_sql_below(&sql, c->job->from.set, kind[i], make, end);
		ret = run(s, &sql, err);
		strbuf_clear(&sql);
		store_sql_below(&sql, c->job->from.set, kind[i],
				"ALTER TABLE ", always);
		if (ret == 0)
			ret = run(s, &sql, err);
	}
	return ret;
}

static int pg_begin(const struct capture *c, struct store *s,
		    struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_free_ char *all = xasprintf("%s_all", c->name);
	_cleanup_strbuf_ struct strbuf emptied = STRBUF_INIT;
	int ret;

	store_sql_name(&emptied, all);
	strbuf_addf(&sql, "CREATE TABLE %s (upshift_tx bigint NOT NULL DEFAULT "
		    "txid_current(), upshift_all boolean NOT NULL DEFAULT "
		    "false", c->queue.buf);
	ret = add_types(c, s, &sql, err);
	strbuf_addch(&sql, ')');
	if (ret == 0)
		ret = run(s, &sql, err);
	if (ret == 0)
		ret = pg_function(c, s, err);
	if (ret == 0)
		ret = runf(s, err, "SET LOCAL lock_timeout = '" LOCK_TIMEOUT
			   "'");
	/* waits for writers at work, and writers who come now for us */
	if (ret == 0)
		ret = runf(s, err, "CREATE TRIGGER %s AFTER INSERT OR UPDATE "
			   "OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION "
			   "%s()", c->queue.buf, c->set.buf, c->queue.buf);
	if (ret == 0)
		ret = runf(s, err, "CREATE TRIGGER %s AFTER TRUNCATE ON %s FOR "
			   "EACH STATEMENT EXECUTE FUNCTION %s()",
			   emptied.buf, c->set.buf, c->queue.buf);
	/* also for what a replica applies */
	if (ret == 0)
		ret = runf(s, err, "ALTER TABLE %s ENABLE ALWAYS TRIGGER %s, "
			   "ENABLE ALWAYS TRIGGER %s", c->set.buf,
			   c->queue.buf, emptied.buf);
	return ret < 0 ? ret : pg_below(c, s, emptied.buf, err);
}

/* one trigger of SQLite */
static int sqlite_trigger(const struct capture *c, struct store *s,
			  const char *end, const char *when,
			  const struct strbuf *body, struct error *err)
{
	_cleanup_free_ char *name = xasprintf("%s_%s", c->name, end);
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "CREATE TRIGGER ");
	store_sql_name(&sql, name);
	strbuf_addf(&sql, " %s ON %s BEGIN INSERT INTO %s (", when, c->set.buf,
		    c->queue.buf);
	add_queued(&sql, c->job);
	strbuf_addf(&sql, ") %s; END", body->buf);
	return run(s, &sql, err);
}

/* What takes the place of other rows (OR REPLACE) deletes them without calling
   triggers: their keys are looked up before, by every other unique index. */
static int sqlite_replaced(const struct capture *c, struct store *s,
			   struct strbuf *body, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *last = NULL;
	int n;

	store_batch_clear(&args, 1);
	records_add_text(&args, c->job->from.set);
	n = store_exec(s, "SELECT l.name, i.name FROM pragma_index_list($1) l, "
		       "pragma_index_info(l.name) i WHERE l.\"unique\" AND "
		       "i.name IS NOT NULL UNION ALL SELECT '', name FROM "
		       "pragma_table_info($1) WHERE pk ORDER BY 1", &args, &b,
		       err);
	for (uint32_t row = 0; n > 0 && row < b.nrow; row++) {
		_cleanup_free_ char *index = records_cell_text(&b, row, 0);
		_cleanup_free_ char *col = records_cell_text(&b, row, 1);
		bool more = last && !strcmp(last, index);

		if (!more) {
			strbuf_addstr(body, body->len ? " UNION SELECT " :
				      "SELECT ");
			add_values(body, c->job, c->set.buf);
			strbuf_addf(body, " FROM %s", c->set.buf);
		}
		strbuf_addstr(body, more ? " AND " : " WHERE ");
		strbuf_addf(body, "%s.", c->set.buf);
		store_sql_name(body, col);
		strbuf_addstr(body, " = NEW.");
		store_sql_name(body, col);
		free(last);
		last = xstrdup(index);
	}
	return MIN(n, 0);
}

static int sqlite_begin(const struct capture *c, struct store *s,
			struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf now = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf both = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf replaced = STRBUF_INIT;
	int ret;

	strbuf_addf(&sql, "CREATE TABLE %s (upshift_tx INTEGER PRIMARY KEY, "
		    "upshift_all INTEGER NOT NULL DEFAULT 0", c->queue.buf);
	ret = add_types(c, s, &sql, err);
	strbuf_addch(&sql, ')');
	if (ret == 0)
		ret = run(s, &sql, err);
	strbuf_addstr(&now, "SELECT ");
	add_values(&now, c->job, "NEW");
	strbuf_addstr(&old, "SELECT ");
	add_values(&old, c->job, "OLD");
	strbuf_addf(&both, "%s UNION ALL %s WHERE ", old.buf, now.buf);
	add_moved(&both, c->job, "", "IS NOT");
	if (ret == 0)
		ret = sqlite_trigger(c, s, "insert", "AFTER INSERT", &now,
				     err);
	if (ret == 0)
		ret = sqlite_trigger(c, s, "update", "AFTER UPDATE", &both,
				     err);
	if (ret == 0)
		ret = sqlite_trigger(c, s, "delete", "AFTER DELETE", &old,
				     err);
	if (ret == 0)
		ret = sqlite_replaced(c, s, &replaced, err);
	if (ret == 0 && replaced.len)
		ret = sqlite_trigger(c, s, "before", "BEFORE INSERT",
				     &replaced, err);
	if (ret == 0 && replaced.len)
		ret = sqlite_trigger(c, s, "change", "BEFORE UPDATE",
				     &replaced, err);
	return ret;
}

static int make(void *ctx, struct store *s, struct error *err)
{
	const struct capture *c = ctx;

	return store_is_pg(s) ? pg_begin(c, s, err) : sqlite_begin(c, s, err);
}

int records_capture_begin(const struct records_job *job, struct store *from,
			  struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_capture_ struct capture c;
	int ret;

	capture_init(&c, job);
	ret = records_capture_there(job, from, err);
	if (ret != 0)
		return MIN(ret, 0);
	ret = store_transact(from, make, &c, TRIES, &why);
	/* of two at once, or an answer to COMMIT that was lost */
	if (ret < 0 && records_capture_there(job, from, NULL) > 0)
		return 0;
	if (ret < 0 && !strcmp(store_sqlstate(from), "42501")) {
		error_hint(&why, _("Leave 'live' out, and the cutover compares "
				   "both sides while nobody writes."));
		ret = -EPERM;
	}
	if (ret < 0) {
		error_move(err, &why);
		error_prefix(err, _("cannot capture changes of '%s'"),
			     job->from.set);
	}
	return ret;
}

/* --- and its end --- */

static int unmake_pg(const struct capture *c, struct store *s,
		     struct error *err)
{
	int ret = runf(s, err, "SET LOCAL lock_timeout = '" LOCK_TIMEOUT "'");

	/* its triggers go with the function, wherever the table is now */
	if (ret == 0)
		ret = runf(s, err, "DROP FUNCTION IF EXISTS %s() CASCADE",
			   c->queue.buf);
	return ret < 0 ? ret : runf(s, err, "DROP TABLE IF EXISTS %s",
				    c->queue.buf);
}

static int unmake(void *ctx, struct store *s, struct error *err)
{
	static const char *const ends[] = { "insert", "update", "delete",
					    "before", "change" };
	const struct capture *c = ctx;
	int ret = 0;

	if (store_is_pg(s))
		return unmake_pg(c, s, err);
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(ends); i++) {
		_cleanup_free_ char *name = xasprintf("%s_%s", c->name,
						      ends[i]);
		_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

		strbuf_addstr(&sql, "DROP TRIGGER IF EXISTS ");
		store_sql_name(&sql, name);
		ret = run(s, &sql, err);
	}
	return ret < 0 ? ret : runf(s, err, "DROP TABLE IF EXISTS %s",
				    c->queue.buf);
}

int records_capture_end(const struct records_job *job, struct store *from,
			struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_capture_ struct capture c;
	int ret;

	capture_init(&c, job);
	ret = records_capture_there(job, from, err);
	if (ret <= 0)
		return ret;
	ret = store_transact(from, unmake, &c, TRIES, &why);
	if (ret < 0 && records_capture_there(job, from, NULL) == 0)
		return 0;
	if (ret < 0)
		error_move(err, &why);
	return ret;
}
