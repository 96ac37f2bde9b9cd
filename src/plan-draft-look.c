/* SPDX-License-Identifier: MIT */
/* What a database holds: tables, keys, and statements that make them again. */
#include "plan-draft-internal.h"

#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "store-dump.h"
#include "store.h"

struct draft_table *draft_add(struct draft *d, const char *set)
{
	struct draft_table *t;

	VEC_GROW(d->t, d->n, d->cap);
	t = &d->t[d->n++];
	memset(t, 0, sizeof(*t));
	t->set = xstrdup(set);
	return t;
}

void draft_release(struct draft *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->t[i].set);
		free(d->t[i].id);
		strvec_release(&d->t[i].columns);
		strvec_release(&d->t[i].key);
		strvec_release(&d->t[i].refers);
	}
	free(d->t);
	strvec_release(&d->before);
	strvec_release(&d->before_down);
	strvec_release(&d->after);
	strvec_release(&d->after_down);
	strvec_release(&d->left);
}

/* NULL for NULL; the caller frees */
static char *cell(const struct store_batch *b, uint32_t row, uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);

	return c->len < 0 ? NULL :
		xstrndup(store_batch_text(b, c), (size_t)c->len);
}

/* columns in order, and those of the primary key in the key's */
static int look_columns(struct store *s, struct draft_table *t,
			struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n = store_columns(s, t->set, &b, err);

	for (uint32_t i = 0; n >= 0 && i < b.nrow; i++) {
		_cleanup_free_ char *name = cell(&b, i, 0);

		strvec_push(&t->columns, name);
	}
	for (int64_t place = 1; n >= 0 && place <= b.nrow; place++)
		for (uint32_t i = 0; i < b.nrow; i++)
			if (store_batch_int(&b, i, 4) == place)
				strvec_push(&t->key, t->columns.v[i]);
	return n < 0 ? n : 0;
}

/* one query: the names in its only column, after those that are there */
static int names(struct store *s, const char *sql, const char *arg,
		 struct strvec *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	int n;

	if (arg) {
		store_batch_clear(&args, 1);
		store_batch_add(&args, STORE_TEXT, arg, strlen(arg));
	}
	n = store_exec(s, sql, arg ? &args : NULL, &b, err);
	for (uint32_t i = 0; n >= 0 && i < b.nrow; i++) {
		char *v = cell(&b, i, 0);

		if (v)
			strvec_take(ret, v);
	}
	return n < 0 ? n : 0;
}

/* "." parts a schema from its table in a set's name */
static bool can_name(struct draft *d, const char *name)
{
	if (!strchr(name, '.') && *name)
		return true;
	strvec_pushf(&d->left, "'%s' has a name that a plan cannot say", name);
	return false;
}

/* --- SQLite --- */

#define OURS "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT LIKE " \
	"'\\_upshift\\_%' ESCAPE '\\'"

static int sqlite_table(struct store *s, struct draft *d, const char *name,
			const char *sql, struct error *err)
{
	struct draft_table *t;
	int ret;

	if (!strncasecmp(sql, "CREATE VIRTUAL", 14)) {
		strvec_pushf(&d->left, "'%s' is a virtual table, and is to be "
			     "filled in its own way", name);
		return 0;
	}
	strvec_push(&d->before, sql);
	if (!can_name(d, name))
		return 0;
	t = draft_add(d, name);
	ret = look_columns(s, t, err);
	if (ret < 0)
		return ret;
	return names(s, "SELECT DISTINCT \"table\" FROM "
		     "pragma_foreign_key_list($1)", name, &t->refers, err);
}

int draft_look_sqlite(struct store *s, struct draft *d, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_exec(s, "SELECT name, sql FROM sqlite_schema WHERE "
		"type = 'table' AND sql IS NOT NULL AND " OURS " AND name NOT "
		"IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') "
		"ORDER BY rowid", NULL, &b, err);

	for (uint32_t i = 0; ret >= 0 && i < b.nrow; i++) {
		_cleanup_free_ char *name = cell(&b, i, 0);
		_cleanup_free_ char *sql = cell(&b, i, 1);

		ret = sqlite_table(s, d, name, sql, err);
	}
	/* triggers would fire for rows that are copied */
	return ret < 0 ? ret : names(s, "SELECT sql FROM sqlite_schema WHERE "
		"type <> 'table' AND sql IS NOT NULL AND " OURS " ORDER BY "
		"CASE type WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, "
		"rowid", NULL, &d->after, err);
}

/* --- PostgreSQL --- */

/* what the new database has by itself, or a table's own statement says */
static bool passed_over(const struct store_object *x)
{
	static const char *const kinds[] = {
		"column", "default", "not null", "owner", "grant",
		"sequence value", NULL,
	};

	for (const char *const *k = kinds; *k; k++)
		if (!strcmp(x->kind, *k))
			return true;
	return !x->create;
}

/* one statement once, whichever of its tables it was found with */
static void add_object(struct draft *d, const struct store_object *x, bool view)
{
	bool after = view || x->rank >= 40;
	struct strvec *up = after ? &d->after : &d->before;
	struct strvec *down = after ? &d->after_down : &d->before_down;

	if (passed_over(x) || strvec_has(up, x->create))
		return;
	strvec_push(up, x->create);
	if (x->drop)
		strvec_push(down, x->drop);
}

/* tables in the order of ranks, and views, which come last, in their own */
static void add_statements(struct draft *d, const struct store_dump *dump)
{
	for (int rank = 0; rank < 100; rank++)
		for (size_t i = 0; i < dump->n; i++) {
			const struct store_dump_set *set = &dump->sets[i];

			for (size_t k = 0; k < set->object_n; k++)
				if (set->objects[k].rank == rank &&
				    set->type != 'v' && set->type != 'm')
					add_object(d, &set->objects[k], false);
		}
	for (size_t i = 0; i < dump->n; i++) {
		const struct store_dump_set *set = &dump->sets[i];

		for (size_t k = 0; k < set->object_n; k++)
			if (set->type == 'v' || set->type == 'm')
				add_object(d, &set->objects[k], true);
	}
}

#define SET "CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END " \
	"|| c.relname"
#define THEIRS "n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN " \
	"('information_schema', '_upshift') AND c.relname NOT LIKE " \
	"'\\_upshift\\_%'"

static int server_tables(struct store *s, struct draft *d,
			 const struct store_dump *dump, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < dump->n; i++) {
		const struct store_dump_set *set = &dump->sets[i];
		struct draft_table *t;

		if (set->type != 'r' && set->type != 'p')
			continue;
		t = draft_add(d, set->set);
		ret = look_columns(s, t, err);
		if (ret >= 0)
			ret = names(s, "SELECT DISTINCT " SET " FROM "
				"pg_constraint k JOIN pg_class c ON c.oid = "
				"k.confrelid JOIN pg_namespace n ON n.oid = "
				"c.relnamespace JOIN pg_class o ON o.oid = "
				"k.conrelid JOIN pg_namespace m ON m.oid = "
				"o.relnamespace WHERE k.contype = 'f' AND CASE "
				"m.nspname WHEN 'public' THEN '' ELSE "
				"m.nspname || '.' END || o.relname = $1",
				set->set, &t->refers, err);
	}
	return ret;
}

int draft_look_server(struct store *s, struct draft *d, struct error *err)
{
	_cleanup_strvec_ struct strvec all = STRVEC_INIT, sets = STRVEC_INIT;
	_cleanup_store_dump_ struct store_dump dump = STORE_DUMP_INIT;
	int ret = names(s, "SELECT DISTINCT 'CREATE SCHEMA ' || "
		"quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON "
		"n.oid = c.relnamespace WHERE " THEIRS " AND n.nspname <> "
		"'public' AND c.relkind IN ('r', 'p', 'v', 'm')", NULL,
		&d->before, err);

	for (size_t i = 0; i < d->before.n; i++)
		strvec_pushf(&d->before_down, "DROP SCHEMA IF EXISTS %s",
			     d->before.v[i] + strlen("CREATE SCHEMA "));
	if (ret >= 0)
		ret = names(s, "SELECT " SET " FROM pg_class c JOIN pg_namespace "
			"n ON n.oid = c.relnamespace WHERE " THEIRS " AND "
			"c.relkind IN ('r', 'p', 'v', 'm') AND NOT "
			"c.relispartition ORDER BY c.relkind IN ('v', 'm'), "
			"CASE WHEN c.relkind IN ('v', 'm') THEN c.oid::bigint "
			"END, 1", NULL, &all, err);
	for (size_t i = 0; ret >= 0 && i < all.n; i++) {
		const char *dot = strchr(all.v[i], '.');

		if (!dot || can_name(d, dot + 1))
			strvec_push(&sets, all.v[i]);
	}
	if (ret < 0 || !sets.n)
		return ret;
	ret = store_dump_begin(s, &sets, &dump, err);
	if (ret < 0)
		return ret;
	ret = store_dump_end(s, err);
	if (ret >= 0)
		ret = server_tables(s, d, &dump, err);
	if (ret >= 0)
		add_statements(d, &dump);
	return ret;
}
