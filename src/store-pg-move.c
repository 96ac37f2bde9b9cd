/* SPDX-License-Identifier: MIT */
/*
 * Rows that a server takes from one of its tables to another: if both sessions
 * are one user's in one database and find the same names, and the columns have
 * the same types, with the same digits and lengths if there are any, so that no
 * value is converted on its way. Tables with rules are
 * left out, COPY does not know them; and servers that are SERIALIZABLE: what a
 * transaction has read there is one reason more for it to fail.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-pg-internal.h"

/* who, by what names, and the session itself: its number and its beginning */
#define WHERE_WE_ARE "current_database(), current_user, session_user, " \
	"current_setting('search_path'), current_setting('row_security')"
static const char this_session[] = "SELECT pid, backend_start::text, "
	WHERE_WE_ARE " FROM pg_catalog.pg_stat_activity "
	"WHERE pid = pg_catalog.pg_backend_pid()";
static const char that_session[] = "SELECT 1 FROM pg_catalog.pg_stat_activity "
	"WHERE pid = $1 AND backend_start::text = $2 AND datname = $3 AND "
	"(" WHERE_WE_ARE ") = ($3, $4, $5, $6, $7)";

static bool one_row(struct store *s, const char *sql,
		    const struct store_batch *args, struct store_batch *b)
{
	return store_exec(s, sql, args, b, NULL) == 1;
}

static bool same_place(struct store *from, struct store *dest)
{
	_cleanup_store_batch_ struct store_batch here = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	return one_row(from, this_session, NULL, &here) &&
	       one_row(dest, that_session, &here, &b);
}

/* a table of its own, or one in parts, whose rows an INSERT puts there */
static bool takes_rows(struct store *dest, const char *set)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	const char *arg;

	store_sql_set(&name, set);
	arg = name.buf;
	return store_exec_text(dest, "SELECT 1 FROM pg_catalog.pg_class WHERE "
		"oid = to_regclass($1) AND relkind IN ('r', 'p') AND "
		"NOT relhasrules", &arg, 1, &b, NULL) == 1;
}

/* the columns that the key is read from, names as the server knows them */
static bool key_columns(const struct store_shape *of, struct store_batch *args)
{
	for (uint32_t i = 0; i < of->nkey; i++) {
		const char *e = of->expr ? of->expr[i] : NULL;
		const char *name = e ? e : of->col[i];

		/* an expression, or a name that means another one */
		if (e && strspn(e, "abcdefghijklmnopqrstuvwxyz_0123456789") !=
			 strlen(e))
			return false;
		store_batch_add(args, STORE_TEXT, name, strlen(name));
	}
	return true;
}

/* no two rows of it have one key, tables below it included */
static bool key_is_unique(struct store *from, const struct store_shape *of)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	store_sql_set(&name, of->set);
	store_batch_clear(&args, of->nkey + 1);
	store_batch_add(&args, STORE_TEXT, name.buf, name.len);
	if (!key_columns(of, &args))
		return false;
	strbuf_addstr(&sql, "SELECT 1 FROM pg_catalog.pg_class c "
		"JOIN pg_catalog.pg_index i ON i.indrelid = c.oid "
		"WHERE c.oid = to_regclass($1) AND (c.relkind = 'p' OR "
		"(c.relkind IN ('r', 'm') AND NOT c.relhassubclass)) AND "
		"i.indisunique AND i.indisvalid AND i.indimmediate AND "
		"i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS ("
		"SELECT 1 FROM pg_catalog.unnest(i.indkey::int2[]) WITH "
		"ORDINALITY AS u(k, n) JOIN pg_catalog.pg_attribute a ON "
		"a.attrelid = c.oid AND a.attnum = u.k "
		"WHERE u.n <= i.indnkeyatts AND a.attname NOT IN (");
	for (uint32_t i = 0; i < of->nkey; i++)
		strbuf_addf(&sql, "%s$%u", i ? ", " : "", i + 2);
	strbuf_addstr(&sql, ")) LIMIT 1");
	return one_row(from, sql.buf, &args, &b);
}

/* of what is written; what is read has the same */
static bool load_types(struct pg_store *from, struct pg_store *dest,
		       const struct store_move *m, uint32_t *type)
{
	_cleanup_free_ uint32_t *is = xcalloc(m->of->ncol, sizeof(*is));
	_cleanup_free_ int *mod = xcalloc(m->of->ncol, sizeof(*mod));
	_cleanup_free_ int *want = xcalloc(m->to->ncol, sizeof(*want));
	bool same = pg_types_of(from, m->of->set, m->of, is, mod, NULL) == 0 &&
		    pg_types_of(dest, m->to->set, m->to, type, want, NULL) == 0;

	for (uint32_t i = 0; same && i < m->to->ncol; i++)
		same = is[m->hidden + i] == type[i] &&
		       (want[i] < 0 || want[i] == mod[m->hidden + i]);
	return same;
}

bool pg_moves(struct store_move *m, struct store *from, struct store *dest)
{
	m->words = " OVERRIDING SYSTEM VALUE"; /* as COPY */
	m->type = xcalloc(m->to->ncol, sizeof(*m->type));
	return !store_can(dest, STORE_CAP_SERIALIZABLE) &&
	       load_types((struct pg_store *)from, (struct pg_store *)dest, m,
			  m->type) &&
	       takes_rows(dest, m->to->set) && key_is_unique(from, m->of) &&
	       same_place(from, dest);
}

/* from here to the end of the transaction they stay what they are */
bool pg_moves_still(struct store *s, const struct store_move *m)
{
	_cleanup_free_ uint32_t *type = xcalloc(m->to->ncol, sizeof(*type));
	struct pg_store *p = (struct pg_store *)s;

	return load_types(p, p, m, type) &&
	       !memcmp(type, m->type, m->to->ncol * sizeof(*type));
}
