/* SPDX-License-Identifier: MIT */
#include "sql-lint.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/compiler.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "sql-words.h"

/* index behind the words a (and b, unless NULL) in a row, or 0 */
static size_t find(const struct sql_words *w, const char *a, const char *b)
{
	for (size_t i = 0; i < w->n; i++)
		if (sql_word(w, i, a) && (!b || sql_word(w, i + 1, b)))
			return i + (b ? 2 : 1);
	return 0;
}

/* the name at i, with its schema; also behind IF [NOT] EXISTS and ONLY */
static void take_table(const struct sql_words *w, size_t i, struct strbuf *out)
{
	while (sql_word(w, i, "if") || sql_word(w, i, "not") ||
	       sql_word(w, i, "exists") || sql_word(w, i, "only"))
		i++;
	for (; i < w->n; i += 2) {
		char *name = sql_name(&w->t[i], SQL_PG);

		if (!name)
			return;
		strbuf_addstr(out, name);
		free(name);
		if (!sql_word(w, i + 1, "."))
			return;
		strbuf_addch(out, '.');
	}
}

/* behind CREATE TABLE and its kin, as CREATE MATERIALIZED VIEW, or 0 */
static size_t made(const struct sql_words *w)
{
	size_t i = find(w, "table", NULL);

	if (!sql_word(w, 0, "create"))
		return 0;
	if (sql_word(w, 1, "materialized"))
		return 3;
	return i && i <= 4 ? i : 0;
}

/* the table that a statement makes, changes or indexes; "" if none */
static void table_of(const struct sql_words *w, struct strbuf *out)
{
	size_t i = made(w) ? made(w) : find(w, "table", NULL);

	if (sql_word(w, 0, "create") && find(w, "index", NULL))
		i = find(w, "on", NULL);
	if (i)
		take_table(w, i, out);
}

static bool makes(const struct sql_words *w)
{
	return made(w);
}

static bool validates(const struct sql_words *w)
{
	return sql_word(w, 0, "alter") && find(w, "validate", "constraint");
}

/* an earlier statement on the same table for which fn holds */
static bool earlier(const struct sql_list *l, size_t i, const char *table,
		    bool (*fn)(const struct sql_words *w))
{
	for (size_t k = 0; k < i; k++) {
		_cleanup_strbuf_ struct strbuf other = STRBUF_INIT;
		_cleanup_sql_words_ struct sql_words w = SQL_WORDS_INIT;

		sql_words_read(&w, SQL_PG, l->v[k].text);
		if (!fn(&w))
			continue;
		table_of(&w, &other);
		if (!strcmp(other.buf, table))
			return true;
	}
	return false;
}

/* a new column whose value is not the same for all rows */
static bool fills_column(const struct sql_words *w)
{
	static const char *const changing[] = { "random", "nextval",
		"gen_random_uuid", "uuid_generate_v1", "uuid_generate_v4",
		"clock_timestamp", "timeofday", "serial", "bigserial",
		"smallserial", "stored" };

	for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
		if (find(w, changing[i], NULL))
			return true;
	return find(w, "as", "identity");
}

static const char *adds(const struct sql_words *w)
{
	bool later = find(w, "not", "valid");

	if (!later && (find(w, "foreign", "key") || find(w, "references",
							 NULL)))
		return N_("writers of both tables wait while all rows are "
			  "read; add the foreign key NOT VALID, then VALIDATE "
			  "CONSTRAINT");
	if (!later && find(w, "check", "("))
		return N_("all wait while all rows are read; add the check "
			  "NOT VALID, then VALIDATE CONSTRAINT");
	if ((find(w, "primary", "key") || find(w, "unique", "(")) &&
	    !find(w, "using", "index"))
		return N_("all wait while the index is built; CREATE UNIQUE "
			  "INDEX CONCURRENTLY, then add the constraint USING "
			  "INDEX");
	if (fills_column(w))
		return N_("all wait while the table is written anew; add the "
			  "column without a value, set the default, fill it "
			  "by a backfill");
	return NULL;
}

static const char *alters(const struct sql_list *l, size_t i,
			  const struct sql_words *w, const char *table,
			  bool confirmed)
{
	if (find(w, "rename", NULL))
		return N_("programs of the old version fail at once; add the "
			  "new name and keep the old one by a view");
	if (find(w, "set", "not") && !earlier(l, i, table, validates))
		return N_("all wait while all rows are read; add CHECK (... IS "
			  "NOT NULL) NOT VALID, VALIDATE CONSTRAINT, then SET "
			  "NOT NULL");
	if (find(w, "alter", "column") && find(w, "type", NULL))
		return N_("all may wait while the table is written anew; add "
			  "a column of the new type and fill it by a "
			  "backfill");
	if (!confirmed && find(w, "drop", "column"))
		return N_("what is in it never comes back; confirm = true has "
			  "that confirmed");
	return find(w, "add", NULL) ? adds(w) : NULL;
}

const char *sql_hazard(const struct sql_list *l, size_t i, bool confirmed)
{
	_cleanup_strbuf_ struct strbuf table = STRBUF_INIT;
	_cleanup_sql_words_ struct sql_words w = SQL_WORDS_INIT;

	sql_words_read(&w, SQL_PG, l->v[i].text);
	table_of(&w, &table);
	if (!table.len || earlier(l, i, table.buf, makes))
		return NULL;
	if (sql_word(&w, 0, "create") && find(&w, "index", NULL) &&
	    !find(&w, "concurrently", NULL))
		return N_("writers wait while the index is built; CREATE INDEX "
			  "CONCURRENTLY");
	if (sql_word(&w, 0, "drop") && sql_word(&w, 1, "table") && !confirmed)
		return N_("what is in it never comes back; confirm = true has "
			  "that confirmed");
	if (sql_word(&w, 0, "alter") && sql_word(&w, 1, "table"))
		return alters(l, i, &w, table.buf, confirmed);
	return NULL;
}

bool sql_makes_table_of(const struct sql_list *before,
			const struct sql_list *l, size_t i)
{
	_cleanup_strbuf_ struct strbuf table = STRBUF_INIT;
	_cleanup_sql_words_ struct sql_words w = SQL_WORDS_INIT;

	sql_words_read(&w, SQL_PG, l->v[i].text);
	table_of(&w, &table);
	return table.len && earlier(before, before->n, table.buf, makes);
}

char *sql_indexes_early(const struct sql_list *l, const char *table)
{
	for (size_t i = 0; i < l->n; i++) {
		_cleanup_strbuf_ struct strbuf on = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
		_cleanup_sql_words_ struct sql_words w = SQL_WORDS_INIT;
		size_t at;

		sql_words_read(&w, SQL_PG, l->v[i].text);
		if (!sql_word(&w, 0, "create") || !sql_word(&w, 1, "index"))
			continue;
		table_of(&w, &on);
		if (strcasecmp(on.buf, table) != 0 ||
		    !earlier(l, i, on.buf, makes))
			continue;
		at = sql_word(&w, 2, "concurrently") ? 3 : 2;
		if (sql_word(&w, at, "on"))
			strbuf_addf(&name, "ON %s", on.buf);
		else
			take_table(&w, at, &name);
		return strbuf_detach(&name);
	}
	return NULL;
}
