/* SPDX-License-Identifier: MIT */
#include "store-ours.h"

#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-dump.h"
#include "store-sql.h"
#include "store.h"

#define TRIES 5
/* of a name: as ids had it before there were keys, and since */
#define STEP_LONGEST 40
#define STEP_MOST 28
#define STEP_DIGEST 8
#define TAG_DIGITS 12

/* --- names --- */

char *store_ours_shown(const char *run)
{
	return xstrndup(run, strcspn(run, "."));
}

char *store_ours_tag(const char *run)
{
	struct strbuf sb = STRBUF_INIT;
	size_t id = strcspn(run, "."), digits = 0;

	strbuf_add(&sb, run, id);
	for (run += id; *run && digits < TAG_DIGITS; run++)
		if (isxdigit((unsigned char)*run)) {
			strbuf_addch(&sb, *run);
			digits++;
		}
	return strbuf_detach(&sb);
}

char *store_ours_id(const char *step, const char *run)
{
	_cleanup_free_ char *tag = store_ours_tag(run);
	struct xxh128 h = xxh128_of(step, strlen(step));
	char *id;

	if (!strchr(run, '.'))
		id = xasprintf("%.*s_%s", STEP_LONGEST, step, tag);
	else if (strlen(step) <= STEP_MOST)
		id = xasprintf("%s_%s", step, tag);
	else
		id = xasprintf("%.*s%02x%02x%02x%02x_%s",
			       STEP_MOST - STEP_DIGEST, step, h.b[0], h.b[1],
			       h.b[2], h.b[3], tag);
	for (char *c = id; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '_';
	return id;
}

struct ours {
	const char *plan, *run;
	const struct strvec *steps;
};

static int exec(struct store *s, const char *sql, const char *a,
		const char *b, struct error *err)
{
	const char *args[] = { a, b };
	int ret = store_exec_text(s, sql, args, !a ? 0 : !b ? 1 : 2, NULL,
				  err);

	return MIN(ret, 0);
}

/* --- servers --- */

/* Others that come now wait for us; > 0: some are here already. */
static int others(const struct ours *o, struct store *s, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_columns(s, "_upshift_run", &b, err);

	if (ret <= 0)
		return ret;
	ret = exec(s, "LOCK TABLE _upshift_run IN ACCESS EXCLUSIVE MODE", NULL,
		   NULL, err);
	if (ret == 0)
		ret = exec(s, "DELETE FROM _upshift_run WHERE plan = $1 AND "
			   "owner = $2 AND taken = ''", o->plan, o->run, err);
	return ret < 0 ? ret : store_exec(s, "SELECT 1 FROM _upshift_run LIMIT "
					  "1", NULL, &b, err);
}

static int forget_server(void *ctx, struct store *s, struct error *err)
{
	_cleanup_strvec_ struct strvec sql = STRVEC_INIT;
	const struct ours *o = ctx;
	int ret = others(o, s, err);
	bool alone = ret == 0;

	if (ret >= 0)
		ret = store_dump_forget(s, o->run, o->steps, &sql, err);
	for (size_t i = 0; ret >= 0 && i < sql.n; i++)
		/* the others may be about to write in what is empty */
		if (alone || !str_starts(sql.v[i], "DO "))
			ret = exec(s, sql.v[i], NULL, NULL, err);
	if (ret >= 0 && alone)
		ret = exec(s, "DROP TABLE IF EXISTS _upshift_run", NULL, NULL,
			   err);
	return ret;
}

/* --- SQLite --- */

static int forget_in(const struct ours *o, struct store *s, const char *table,
		     struct error *err)
{
	_cleanup_free_ char *marks = xasprintf("%s/%s/", o->plan, o->run);
	_cleanup_free_ char *mark = xasprintf("%s ", o->run);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *sql = NULL;
	bool step = !strcmp(table, "_upshift_step");
	int ret = store_columns(s, table, &b, err);

	if (ret <= 0)
		return ret;
	sql = xasprintf("DELETE FROM %s WHERE substr(%s, 1, length($1)) = $1",
			table, step ? "run" : "step");
	ret = exec(s, sql, step ? mark : marks, NULL, err);
	free(sql);
	sql = xasprintf("SELECT 1 FROM %s LIMIT 1", table);
	if (ret == 0)
		ret = store_exec(s, sql, NULL, &b, err);
	free(sql);
	sql = xasprintf("DROP TABLE %s", table);
	return ret == 0 ? exec(s, sql, NULL, NULL, err) : MIN(ret, 0);
}

static int forget_file(void *ctx, struct store *s, struct error *err)
{
	static const char *const common[] = { "_upshift_range",
		"_upshift_reject", "_upshift_step" };
	const struct ours *o = ctx;
	_cleanup_free_ char *tag = store_ours_tag(o->run);
	_cleanup_free_ char *end = xasprintf("_%s", tag);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_exec(s, "SELECT name FROM sqlite_master WHERE type = "
		"'table' AND (name LIKE '\\_upshift\\_q\\_%' ESCAPE '\\' OR "
		"name LIKE '\\_upshift\\_undo\\_%' ESCAPE '\\')", NULL, &b,
		err);

	for (uint32_t i = 0; ret >= 0 && i < b.nrow; i++) {
		const struct store_cell *c = store_batch_cell(&b, i, 0);
		_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
		_cleanup_free_ char *name = xstrndup(b.buf + c->off,
						     (size_t)c->len);

		strbuf_addstr(&sql, "DROP TABLE ");
		store_sql_name(&sql, name);
		if (str_ends(name, end))
			ret = exec(s, sql.buf, NULL, NULL, err);
	}
	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(common); i++)
		ret = forget_in(o, s, common[i], err);
	return MIN(ret, 0);
}

int store_ours_forget(struct store *s, const char *plan, const char *run,
		      const struct strvec *steps, struct error *err)
{
	struct ours o = { .plan = plan, .run = run, .steps = steps };

	if (store_can_dump(s))
		return store_transact(s, forget_server, &o, TRIES, err);
	if (store_is_sqlite(s))
		return store_transact(s, forget_file, &o, TRIES, err);
	return 0;
}

/* --- rights --- */

/* does the server take what is written? Ours ask for nothing else, so what
   another has set is seen behind their own setting. */
static int look_at_server(struct store *s, char **why, struct error *err)
{
	enum { STANDBY, CLOSED };
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n = store_exec(s, "SELECT pg_is_in_recovery()::int, "
			   "(reset_val = 'on')::int FROM pg_settings WHERE "
			   "name = 'default_transaction_read_only'", NULL, &b,
			   err);

	if (n > 0 && store_batch_int(&b, 0, STANDBY))
		*why = xasprintf(_("%s: the server is a standby, which takes "
				   "no writes"), store_name(s));
	else if (n > 0 && store_batch_int(&b, 0, CLOSED))
		*why = xasprintf(_("%s: no writes are taken here: "
				   "default_transaction_read_only is on for "
				   "this database or this role"),
				 store_name(s));
	return n;
}

int store_ours_look(struct store *s, const char *table, char **why,
		    struct error *err)
{
	enum { NAME, OWNER, OPEN, MAKE };
	static const char sql[] = "SELECT n.name, "
		"coalesce(pg_get_userbyid(c.relowner)::text, ''), "
		"(has_table_privilege(c.oid, 'SELECT') "
		"AND has_table_privilege(c.oid, 'INSERT') "
		"AND has_table_privilege(c.oid, 'UPDATE') "
		"AND has_table_privilege(c.oid, 'DELETE'))::int, "
		"has_schema_privilege(current_schema(), 'CREATE')::int "
		"FROM (VALUES ('_upshift_run'), ($1::text)) n (name) "
		"LEFT JOIN pg_class c ON c.oid = to_regclass(n.name)";
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n;

	if (!store_can_dump(s))
		return 0;
	n = look_at_server(s, why, err);
	if (n >= 0 && !*why)
		n = store_exec_text(s, sql, &table, 1, &b, err);
	if (*why)
		return 1;
	if (n < 0 && store_class(n) == STORE_CLASS_RECONNECT)
		return n;
	if (n < 0)
		error_release(err);
	for (uint32_t i = 0; n > 0 && i < b.nrow; i++) {
		const struct store_cell *name = store_batch_cell(&b, i, NAME);
		const struct store_cell *owner = store_batch_cell(&b, i, OWNER);

		if (owner->len && !store_batch_int(&b, i, OPEN))
			*why = xasprintf(_("%s: '%.*s' belongs to the role "
				"'%.*s' and is closed to this one; that role "
				"can grant all rights on it, or forget the run "
				"that left it there"), store_name(s),
				name->len, b.buf + name->off,
				owner->len, b.buf + owner->off);
		else if (!owner->len && !store_batch_int(&b, i, MAKE))
			*why = xasprintf(_("%s: no right to create a table"),
					 store_name(s));
		if (*why)
			return 1;
	}
	return 0;
}
