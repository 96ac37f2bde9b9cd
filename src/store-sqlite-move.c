/* SPDX-License-Identifier: MIT */
/*
 * Rows that SQLite takes from one table of a file to another. Each value is
 * asked for whether the column keeps it as it is; where one would not, the rows
 * go as cells, which knows what to do. Tables with triggers are left out: these
 * may change what is read on the way.
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-sqlite-internal.h"

#define KEPT "upshift_kept"

/* upshift_kept(value, affinity): the value */
static void kept(sqlite3_context *ctx, _unused_ int n, sqlite3_value **v)
{
	unsigned char affinity = (unsigned char)sqlite3_value_int(v[1]);

	if (sqlite_keeps_value(affinity, v[0]))
		sqlite3_result_value(ctx, v[0]);
	else
		sqlite3_result_error_code(ctx, SQLITE_MISMATCH);
}

/* not for what stands in a schema */
static bool add_kept(struct sqlite_store *q)
{
	return sqlite3_create_function(q->db, KEPT, 2, SQLITE_UTF8 |
				       SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
				       NULL, kept, NULL, NULL) == SQLITE_OK;
}

static char *reads(struct sqlite_store *q, const struct store_move *m)
{
	_cleanup_free_ unsigned char *affinity = sqlite_affinities(q->db,
								   m->to);
	struct strbuf sb = STRBUF_INIT;

	for (uint32_t i = 0; i < m->to->ncol; i++) {
		strbuf_addstr(&sb, i ? ", " KEPT "(" : KEPT "(");
		store_sql_reads(&sb, m->of, m->hidden + i, m->hidden + i + 1);
		strbuf_addf(&sb, ", %u)", affinity[i]);
	}
	return strbuf_detach(&sb);
}

static char *schema_version(struct store *s)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	if (store_exec(s, "PRAGMA schema_version", NULL, &b, NULL) != 1)
		return NULL;
	return xstrndup(store_batch_text(&b, &b.cell[0]),
			(size_t)b.cell[0].len);
}

static bool same_file(struct sqlite_store *a, struct sqlite_store *b)
{
	const char *x = sqlite3_db_filename(a->db, "main");
	const char *y = sqlite3_db_filename(b->db, "main");

	return x && y && *x && !strcmp(x, y);
}

/* a table of the file itself, which does nothing of its own */
static bool takes_rows(struct store *dest, const char *set)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	return !strchr(set, '.') &&
	       store_exec_text(dest, "SELECT 1 FROM sqlite_master WHERE "
			"type = 'table' AND name = $1 COLLATE NOCASE AND "
			"NOT EXISTS (SELECT 1 FROM sqlite_master t WHERE "
			"t.type = 'trigger' AND t.tbl_name = $1 COLLATE "
			"NOCASE)", &set, 1, &b, NULL) == 1;
}

/* no two rows of it have one key */
static bool key_is_unique(struct store *from, const struct store_shape *of)
{
	_cleanup_free_ const char **args = xcalloc(of->nkey + 1,
						   sizeof(*args));
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf none = STRBUF_INIT;

	args[0] = of->set;
	strbuf_addstr(&none, "(name IS NULL OR lower(name) NOT IN (");
	for (uint32_t i = 0; i < of->nkey; i++) {
		/* an expression is the name of no column */
		args[i + 1] = of->expr && of->expr[i] ? of->expr[i] :
			      of->col[i];
		strbuf_addf(&none, "%slower($%u)", i ? ", " : "", i + 2);
	}
	strbuf_addstr(&none, "))");
	strbuf_addf(&sql, "SELECT 1 WHERE (SELECT max(pk) FROM "
		    "pragma_table_info($1)) > 0 AND NOT EXISTS (SELECT 1 FROM "
		    "pragma_table_info($1) WHERE pk > 0 AND %s) OR EXISTS ("
		    "SELECT 1 FROM pragma_index_list($1) l WHERE l.\"unique\" "
		    "AND NOT l.partial AND NOT EXISTS (SELECT 1 FROM "
		    "pragma_index_info(l.name) WHERE %s))", none.buf, none.buf);
	return store_exec_text(from, sql.buf, args, of->nkey + 1, &b,
			       NULL) == 1;
}

bool sqlite_moves(struct store_move *m, struct store *from, struct store *dest)
{
	struct sqlite_store *q = (struct sqlite_store *)dest;

	if (!same_file((struct sqlite_store *)from, q) ||
	    strchr(m->of->set, '.') || !takes_rows(dest, m->to->set) ||
	    !key_is_unique(from, m->of) || !add_kept(q))
		return false;
	m->schema = schema_version(dest);
	m->reads = reads(q, m);
	return m->schema;
}

bool sqlite_moves_still(struct store *s, const struct store_move *m)
{
	_cleanup_free_ char *now = schema_version(s);

	/* it may be another connection */
	return now && !strcmp(now, m->schema) &&
	       add_kept((struct sqlite_store *)s);
}
