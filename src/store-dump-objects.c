/* SPDX-License-Identifier: MIT */
/*
 * The schema of sets from the catalogue, as statements. Names come out
 * qualified, as the session has no search_path but the system's. $1 are
 * the sets, $2 their tables: themselves, and partitions at level $3. One query for all sets: planning takes
 * longer than what there is to do.
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

/* each gives set, rank, kind, name, create, drop, state, shared */
#define REL "WITH rel AS (SELECT r.root, r.oid, r.level FROM " \
	"unnest($1::oid[], $2::oid[], $3::int[]) r (root, oid, level)) "
#define X "c.oid::regclass::text"
#define COL "quote_ident(a.attname)"
#define FROM_COLUMNS "FROM pg_class c JOIN pg_attribute a ON " \
	"a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped " \
	"LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum "

/* what makes a column of one type with another: only a new table changes it */
#define COLUMN_TYPE COL " || ' ' || format_type(a.atttypid, a.atttypmod) || " \
	"coalesce((SELECT ' COLLATE ' || quote_ident(n.nspname) || '.' || " \
	"quote_ident(l.collname) FROM pg_collation l JOIN pg_namespace n ON " \
	"n.oid = l.collnamespace JOIN pg_type t ON t.oid = a.atttypid " \
	"WHERE l.oid = a.attcollation AND t.typcollation <> l.oid), '') || " \
	"CASE WHEN a.attgenerated <> '' THEN ' GENERATED ALWAYS AS (' || " \
	"pg_get_expr(d.adbin, d.adrelid) || CASE a.attgenerated WHEN 's' " \
	"THEN ') STORED' ELSE ')' END ELSE '' END || " \
	"CASE WHEN a.attidentity <> '' THEN ' GENERATED ' || " \
	"CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END || " \
	"' AS IDENTITY (SEQUENCE NAME ' || (SELECT s.seqrelid::regclass || " \
	SEQUENCE_OPTIONS " FROM pg_sequence s JOIN pg_depend e ON " \
	"e.classid = 'pg_class'::regclass AND e.objid = s.seqrelid AND " \
	"e.refclassid = 'pg_class'::regclass AND e.refobjid = c.oid AND " \
	"e.refobjsubid = a.attnum AND e.deptype = 'i') || ')' ELSE '' END"
#define SEQUENCE_OPTIONS "' INCREMENT BY ' || s.seqincrement || " \
	"' MINVALUE ' || s.seqmin || ' MAXVALUE ' || s.seqmax || " \
	"' START WITH ' || s.seqstart || ' CACHE ' || s.seqcache || " \
	"CASE WHEN s.seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END"
#define INHERITS "(SELECT string_agg(h.inhparent::regclass::text, ', ' " \
	"ORDER BY h.inhseqno) FROM pg_inherits h WHERE h.inhrelid = c.oid)"
#define OPTIONS "coalesce(' WITH (' || array_to_string(c.reloptions, ', ') " \
	"|| ')', '')"
/* sequences that columns own, are, or use */
#define SEQUENCES "SELECT rel.root, s.seqrelid, s.seqtypid, s.seqstart, " \
	"s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle, " \
	"e.deptype::text AS how, e.refobjid::regclass || '.' || " \
	"quote_ident(a.attname) AS owner FROM pg_sequence s JOIN pg_depend e " \
	"ON e.classid = 'pg_class'::regclass AND e.objid = s.seqrelid AND " \
	"e.refclassid = 'pg_class'::regclass AND e.deptype IN ('a', 'i') " \
	"JOIN rel ON rel.oid = e.refobjid JOIN pg_attribute a ON " \
	"a.attrelid = e.refobjid AND a.attnum = e.refobjsubid " \
	"UNION SELECT rel.root, s.seqrelid, s.seqtypid, s.seqstart, s.seqincrement, " \
	"s.seqmax, s.seqmin, s.seqcache, s.seqcycle, 'n', NULL " \
	"FROM pg_sequence s JOIN pg_depend e ON e.refclassid = " \
	"'pg_class'::regclass AND e.refobjid = s.seqrelid AND e.classid = " \
	"'pg_attrdef'::regclass JOIN pg_attrdef d ON d.oid = e.objid " \
	"JOIN rel ON rel.oid = d.adrelid WHERE NOT EXISTS (SELECT FROM " \
	"pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = " \
	"s.seqrelid AND o.refobjid = d.adrelid AND o.deptype IN ('a', 'i'))"
#define GRANTEE "CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE " \
	"quote_ident(pg_get_userbyid(p.grantee)) END"
#define GRANTABLE "CASE WHEN p.is_grantable THEN ' WITH GRANT OPTION' " \
	"ELSE '' END"

static const char *const queries[] = {
	REL "SELECT rel.root, 10 + least(rel.level, 9), "
	"CASE WHEN c.oid = rel.root THEN 'table' ELSE 'partition' END, " X ", "
	"CASE WHEN c.relkind IN ('v', 'm') THEN 'CREATE ' || CASE c.relkind "
	"WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END || 'VIEW ' || " X " || "
	OPTIONS " || ' AS ' || rtrim(pg_get_viewdef(c.oid), ';') ELSE "
	"'CREATE ' || CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' "
	"END || 'TABLE ' || " X " || CASE WHEN c.relispartition THEN "
	"' PARTITION OF ' || " INHERITS " || ' ' || "
	"pg_get_expr(c.relpartbound, c.oid) ELSE ' (' || coalesce((SELECT "
	"string_agg(" COLUMN_TYPE " || CASE WHEN d.oid IS NOT NULL AND "
	"a.attgenerated = '' THEN ' DEFAULT ' || pg_get_expr(d.adbin, "
	"d.adrelid) ELSE '' END || CASE WHEN a.attnotnull THEN ' NOT NULL' "
	"ELSE '' END, ', ' ORDER BY a.attnum) FROM pg_attribute a "
	"LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum "
	"WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), "
	"'') || ')' || coalesce(' INHERITS (' || " INHERITS " || ')', '') END "
	"|| coalesce(' PARTITION BY ' || pg_get_partkeydef(c.oid), '') || "
	OPTIONS " END, 'DROP ' || CASE c.relkind WHEN 'v' THEN 'VIEW' "
	"WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END || ' ' || " X ", "
	"concat_ws('|', c.relkind, c.relpersistence, " INHERITS ", "
	"pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid), "
	OPTIONS ", CASE WHEN c.relkind IN ('v', 'm') THEN "
	"pg_get_viewdef(c.oid) END), false FROM pg_class c JOIN rel USING "
	"(oid)",

	REL "SELECT rel.root, 12, 'column', " X " || '.' || " COL ", NULL, "
	"'ALTER TABLE ' || " X " || ' DROP COLUMN IF EXISTS ' || " COL ", "
	"row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum) || ' ' || "
	COLUMN_TYPE ", false " FROM_COLUMNS "JOIN rel ON rel.oid = c.oid "
	"WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition ",

	REL "SELECT rel.root, 20, 'default', " X " || '.' || " COL ", 'ALTER TABLE ' || "
	X " || ' ALTER COLUMN ' || " COL " || ' SET DEFAULT ' || "
	"pg_get_expr(d.adbin, d.adrelid), 'ALTER TABLE ' || " X " || "
	"' ALTER COLUMN ' || " COL " || ' DROP DEFAULT', NULL, false "
	FROM_COLUMNS "JOIN rel ON rel.oid = c.oid WHERE NOT c.relispartition "
	"AND d.oid IS NOT NULL AND a.attgenerated = '' ",

	REL "SELECT rel.root, 20, 'not null', " X " || '.' || " COL ", 'ALTER TABLE ' || "
	X " || ' ALTER COLUMN ' || " COL " || ' SET NOT NULL', "
	"'ALTER TABLE ' || " X " || ' ALTER COLUMN ' || " COL " || "
	"' DROP NOT NULL', NULL, false " FROM_COLUMNS "JOIN rel ON rel.oid = "
	"c.oid WHERE NOT c.relispartition AND a.attnotnull AND c.relkind IN "
	"('r', 'p') ",

	REL ", seq AS (" SEQUENCES ") SELECT s.root, 5, 'sequence', "
	"s.seqrelid::regclass::text, 'CREATE SEQUENCE ' || "
	"s.seqrelid::regclass || ' AS ' || format_type(s.seqtypid, NULL) || "
	SEQUENCE_OPTIONS ", CASE s.how WHEN 'a' THEN 'DROP SEQUENCE IF "
	"EXISTS ' || s.seqrelid::regclass END, NULL, s.how = 'n' FROM seq s "
	"WHERE s.how <> 'i'",

	REL ", seq AS (" SEQUENCES ") SELECT s.root, 15, 'sequence owner', "
	"s.seqrelid::regclass::text, 'ALTER SEQUENCE ' || "
	"s.seqrelid::regclass || ' OWNED BY ' || s.owner, 'ALTER SEQUENCE ' "
	"|| s.seqrelid::regclass || ' OWNED BY NONE', NULL, false FROM seq s "
	"WHERE s.how = 'a'",

	REL "SELECT DISTINCT rel.root, CASE k.contype WHEN 'f' THEN 60 ELSE 30 END, "
	"CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, "
	"k.conrelid::regclass || '.' || quote_ident(k.conname), "
	"'ALTER TABLE ' || k.conrelid::regclass || ' ADD CONSTRAINT ' || "
	"quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid), "
	"'ALTER TABLE ' || k.conrelid::regclass || ' DROP CONSTRAINT IF "
	"EXISTS ' || quote_ident(k.conname), NULL, k.contype = 'f' FROM "
	"pg_constraint k JOIN rel ON rel.oid IN (k.conrelid, k.confrelid) "
	"WHERE k.contype IN ('p', 'u', 'c', 'x', 'f') AND k.conparentid = 0 "
	"AND k.coninhcount = 0",

	REL "SELECT rel.root, 40, 'index', i.indexrelid::regclass::text, "
	"CASE c.relkind WHEN 'I' THEN regexp_replace(pg_get_indexdef(c.oid), "
	"' ON ONLY ', ' ON ') ELSE pg_get_indexdef(c.oid) END, "
	"'DROP INDEX IF EXISTS ' || i.indexrelid::regclass, "
	"pg_get_indexdef(c.oid) || CASE WHEN i.indisvalid THEN '' ELSE "
	"' INVALID' END, false FROM pg_index i JOIN pg_class c ON c.oid = "
	"i.indexrelid JOIN rel ON rel.oid = i.indrelid WHERE NOT "
	"c.relispartition AND NOT EXISTS (SELECT FROM pg_constraint k WHERE "
	"k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')) ",

	REL "SELECT rel.root, 70, 'trigger', c.oid::regclass || '.' || "
	"quote_ident(t.tgname), pg_get_triggerdef(t.oid), 'DROP TRIGGER IF "
	"EXISTS ' || quote_ident(t.tgname) || ' ON ' || " X ", NULL, false "
	"FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN rel ON "
	"rel.oid = c.oid WHERE NOT t.tgisinternal AND "
	"coalesce(to_jsonb(t)->>'tgparentid', '0') = '0' ",

	REL "SELECT rel.root, 71, 'trigger state', c.oid::regclass || '.' || "
	"quote_ident(t.tgname), 'ALTER TABLE ' || " X " || CASE t.tgenabled "
	"WHEN 'D' THEN ' DISABLE TRIGGER ' WHEN 'A' THEN ' ENABLE ALWAYS "
	"TRIGGER ' ELSE ' ENABLE REPLICA TRIGGER ' END || "
	"quote_ident(t.tgname), 'ALTER TABLE ' || " X " || ' ENABLE TRIGGER ' "
	"|| quote_ident(t.tgname), NULL, false FROM pg_trigger t JOIN "
	"pg_class c ON c.oid = t.tgrelid JOIN rel ON rel.oid = c.oid WHERE "
	"NOT t.tgisinternal AND t.tgenabled <> 'O' ",

	REL "SELECT rel.root, 70, 'rule', c.oid::regclass || '.' || "
	"quote_ident(r.rulename), pg_get_ruledef(r.oid), 'DROP RULE IF EXISTS "
	"' || quote_ident(r.rulename) || ' ON ' || " X ", NULL, false FROM "
	"pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN rel ON "
	"rel.oid = c.oid WHERE r.rulename <> '_RETURN' ",

	REL "SELECT rel.root, 72, 'policy', " X " || '.' || quote_ident(p.polname), "
	"'CREATE POLICY ' || quote_ident(p.polname) || ' ON ' || " X " || "
	"CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END || "
	"CASE p.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' "
	"WHEN 'w' THEN ' FOR UPDATE' WHEN 'd' THEN ' FOR DELETE' ELSE '' END "
	"|| ' TO ' || (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE "
	"quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) "
	"r) || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || "
	"')', '') || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, "
	"p.polrelid) || ')', ''), 'DROP POLICY IF EXISTS ' || "
	"quote_ident(p.polname) || ' ON ' || " X ", NULL, false FROM pg_policy "
	"p JOIN pg_class c ON c.oid = p.polrelid JOIN rel ON rel.oid = c.oid",

	REL "SELECT rel.root, 72, 'row security', " X " || v.f, 'ALTER TABLE ' || " X
	" || ' ' || v.f || ' ROW LEVEL SECURITY', 'ALTER TABLE ' || " X
	" || v.n || ' ROW LEVEL SECURITY', NULL, false FROM pg_class c JOIN "
	"rel USING (oid), (VALUES ('ENABLE', ' DISABLE'), ('FORCE', "
	"' NO FORCE')) v (f, n) WHERE CASE v.f WHEN 'ENABLE' THEN "
	"c.relrowsecurity ELSE c.relforcerowsecurity END",

	REL ", named AS (SELECT rel.root, 'pg_class'::regclass AS class, c.oid, "
	"e.objsubid AS sub, CASE WHEN e.objsubid <> 0 THEN 'COLUMN ' || " X
	" || '.' || (SELECT quote_ident(a.attname) FROM pg_attribute a WHERE "
	"a.attrelid = c.oid AND a.attnum = e.objsubid) ELSE CASE c.relkind "
	"WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW ' ELSE "
	"'TABLE ' END || " X " END AS what FROM pg_class c JOIN rel USING "
	"(oid) JOIN pg_description e ON e.classoid = 'pg_class'::regclass AND "
	"e.objoid = c.oid UNION SELECT rel.root, 'pg_class'::regclass, "
	"i.indexrelid, 0, 'INDEX ' || i.indexrelid::regclass FROM pg_index i "
	"JOIN rel ON rel.oid = i.indrelid UNION SELECT rel.root, "
	"'pg_constraint'::regclass, k.oid, 0, 'CONSTRAINT ' || "
	"quote_ident(k.conname) || ' ON ' || k.conrelid::regclass FROM "
	"pg_constraint k JOIN rel ON rel.oid IN (k.conrelid, k.confrelid) "
	"UNION SELECT rel.root, 'pg_trigger'::regclass, t.oid, 0, 'TRIGGER ' || "
	"quote_ident(t.tgname) || ' ON ' || t.tgrelid::regclass FROM "
	"pg_trigger t JOIN rel ON rel.oid = t.tgrelid) SELECT n.root, 80, 'comment', "
	"n.what, 'COMMENT ON ' || n.what || ' IS ' || "
	"quote_literal(e.description), 'COMMENT ON ' || n.what || ' IS NULL', "
	"NULL, true FROM named n JOIN pg_description e ON e.classoid = n.class "
	"AND e.objoid = n.oid AND e.objsubid = n.sub ",

	REL "SELECT rel.root, 85, 'owner', " X ", 'ALTER TABLE ' || " X " || "
	"' OWNER TO ' || quote_ident(pg_get_userbyid(c.relowner)), NULL, NULL, "
	"false FROM pg_class c JOIN rel USING (oid)",

	REL ", seq AS (" SEQUENCES "), o AS (SELECT rel.root, c.oid, 'TABLE ' || " X
	" AS x, coalesce(c.relacl, acldefault('r', c.relowner)) AS acl FROM "
	"pg_class c JOIN rel USING (oid) UNION ALL SELECT seq.root, c.oid, 'SEQUENCE ' "
	"|| " X ", coalesce(c.relacl, acldefault('s', c.relowner)) FROM "
	"pg_class c JOIN seq ON seq.seqrelid = c.oid) SELECT DISTINCT o.root, 86, "
	"'grant', o.x || ' ' || p.privilege_type || ' ' || " GRANTEE ", "
	"'GRANT ' || p.privilege_type || ' ON ' || o.x || ' TO ' || " GRANTEE
	" || " GRANTABLE ", 'REVOKE ' || p.privilege_type || ' ON ' || o.x || "
	"' FROM ' || " GRANTEE ", NULL, o.x LIKE 'SEQUENCE%' FROM o, "
	"aclexplode(o.acl) p ",

	REL "SELECT rel.root, 86, 'grant', " X " || '.' || " COL " || ' ' || "
	"p.privilege_type || ' ' || " GRANTEE ", 'GRANT ' || p.privilege_type "
	"|| ' (' || " COL " || ') ON ' || " X " || ' TO ' || " GRANTEE " || "
	GRANTABLE ", 'REVOKE ' || p.privilege_type || ' (' || " COL " || ') ON "
	"' || " X " || ' FROM ' || " GRANTEE ", NULL, false " FROM_COLUMNS
	"JOIN rel ON rel.oid = c.oid, aclexplode(a.attacl) p",
};

static char *cell(const struct store_batch *b, uint32_t row, uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);
	const char *p = store_batch_text(b, c);

	return p ? xstrndup(p, (size_t)c->len) : NULL;
}

static struct store_object *add_object(struct store_dump_set *set)
{
	VEC_GROW(set->objects, set->object_n, set->object_cap);
	memset(&set->objects[set->object_n], 0, sizeof(*set->objects));
	return &set->objects[set->object_n++];
}

static void add_objects(struct store_dump *d, const struct store_batch *b)
{
	for (uint32_t i = 0; i < b->nrow; i++) {
		_cleanup_free_ char *oid = cell(b, i, 0);
		_cleanup_free_ char *rank = cell(b, i, 1);
		_cleanup_free_ char *shared = cell(b, i, 7);
		struct store_object *o = NULL;

		for (size_t k = 0; !o && k < d->n; k++)
			if (d->sets[k].full &&
			    d->sets[k].oid == strtoul(oid, NULL, 10))
				o = add_object(&d->sets[k]);
		if (!o)
			continue;
		o->rank = atoi(rank);
		o->kind = cell(b, i, 2);
		o->name = cell(b, i, 3);
		o->create = cell(b, i, 4);
		o->drop = cell(b, i, 5);
		o->state = cell(b, i, 6);
		o->shared = *shared == 't';
		if (!o->state)
			o->state = xstrdup_null(o->create);
	}
}

/* --- where sequences stand --- */

/* the name of the sequence that the object is or has; NULL: none */
static char *sequence_of(const struct store_object *o)
{
	static const char head[] = "AS IDENTITY (SEQUENCE NAME ";
	const char *at = strstr(o->state ? o->state : "", head), *end;

	if (!strcmp(o->kind, "sequence"))
		return xstrdup(o->name);
	if (strcmp(o->kind, "column") != 0 || !at)
		return NULL;
	at += strlen(head);
	end = strstr(at, " INCREMENT BY ");
	return end ? xstrndup(at, (size_t)(end - at)) : NULL;
}

static void add_value(struct strbuf *sql, unsigned long oid, const char *name)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	for (const char *p = name; *p; p++) {
		if (*p == '\'')
			strbuf_addch(&text, '\'');
		strbuf_addch(&text, *p);
	}
	strbuf_addf(sql, "%sSELECT %lu, 90, 'value', '%s', 'SELECT setval(' "
		    "|| quote_literal('%s') || '::regclass, ' || last_value "
		    "|| ', ' || is_called || ')', NULL, NULL, true FROM %s",
		    sql->len ? " UNION ALL " : "", oid, text.buf, text.buf,
		    name);
}

static int look_values(struct store *s, struct store_dump *d,
		       struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret = 0;

	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; k < d->sets[i].object_n; k++) {
			_cleanup_free_ char *name =
				sequence_of(&d->sets[i].objects[k]);

			if (name)
				add_value(&sql, d->sets[i].oid, name);
		}
	if (sql.len)
		ret = store_exec(s, sql.buf, NULL, &b, err);
	if (ret > 0)
		add_objects(d, &b);
	return ret;
}

/* --- all of it --- */

static int by_rank(const void *a, const void *b)
{
	const struct store_object *x = a, *y = b;
	int ret = (x->rank > y->rank) - (x->rank < y->rank);

	if (ret == 0)
		ret = strcmp(x->kind, y->kind);
	return ret ? ret : strcmp(x->name, y->name);
}

static void add_columns(struct store_dump *d, const struct store_batch *b)
{
	for (uint32_t i = 0; i < b->nrow; i++) {
		_cleanup_free_ char *oid = cell(b, i, 0);

		for (size_t k = 0; k < d->n; k++)
			if (d->sets[k].full &&
			    d->sets[k].oid == strtoul(oid, NULL, 10))
				strvec_take(&d->sets[k].columns,
					    cell(b, i, 1));
	}
}

/* "{1,2,3}" of a column */
static void add_array(struct store_batch *args, const struct store_batch *b,
		      uint32_t col)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	for (uint32_t i = 0; i < b->nrow; i++) {
		_cleanup_free_ char *v = cell(b, i, col);

		strbuf_addf(&text, "%s%s", i ? "," : "{", v);
	}
	strbuf_addch(&text, '}');
	store_batch_add(args, STORE_TEXT, text.buf, text.len);
}

/* the arguments of all queries */
static int look_tables(struct store *s, const struct store_dump *d,
		       struct store_batch *args, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	for (size_t i = 0; i < d->n; i++)
		if (d->sets[i].full && d->sets[i].type != 'p')
			strbuf_addf(&sql, "%sSELECT %lu::oid, %lu::oid, 0",
				    sql.len ? " UNION ALL " : "",
				    d->sets[i].oid, d->sets[i].oid);
		else if (d->sets[i].full)
			strbuf_addf(&sql, "%sSELECT %lu::oid, relid::oid, "
				    "level FROM pg_partition_tree(%lu)",
				    sql.len ? " UNION ALL " : "",
				    d->sets[i].oid, d->sets[i].oid);
	store_batch_clear(args, 3);
	if (!sql.len)
		return 0;
	ret = store_exec(s, sql.buf, NULL, &b, err);
	for (uint32_t i = 0; ret > 0 && i < 3; i++)
		add_array(args, &b, i);
	return ret;
}

int dump_objects(struct store *s, struct store_dump *d, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = look_tables(s, d, &args, err);

	if (ret <= 0)
		return ret;
	ret = store_exec(s, REL "SELECT a.attrelid, a.attname FROM "
		"pg_attribute a JOIN rel ON rel.oid = a.attrelid AND rel.level "
		"= 0 WHERE a.attnum > 0 AND NOT a.attisdropped AND "
		"a.attgenerated = '' ORDER BY a.attrelid, a.attnum", &args, &b,
		err);
	if (ret > 0)
		add_columns(d, &b);
	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(queries); i++) {
		ret = store_exec(s, queries[i], &args, &b, err);
		if (ret > 0)
			add_objects(d, &b);
	}
	if (ret >= 0)
		ret = look_values(s, d, err);
	for (size_t i = 0; ret >= 0 && i < d->n; i++)
		if (d->sets[i].object_n)
			qsort(d->sets[i].objects, d->sets[i].object_n,
			      sizeof(*d->sets[i].objects), by_rank);
	return MIN(ret, 0);
}
