/* SPDX-License-Identifier: MIT */
#include "plan-draft.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "plan-draft-internal.h"
#include "store.h"

/* a string of libconfig; filled_in: ${...} means what it says */
static void quoted(struct strbuf *out, const char *text, bool filled_in)
{
	strbuf_addch(out, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			strbuf_addf(out, "\\%c", *p);
		else if (*p == '\n')
			strbuf_addstr(out, "\\n");
		else if (*p == '\t')
			strbuf_addstr(out, "\\t");
		else if ((unsigned char)*p < ' ' || *p == 0x7f)
			strbuf_addf(out, "\\x%02x", (unsigned char)*p);
		else if (*p == '$' && p[1] == '{' && !filled_in)
			strbuf_addstr(out, "$$");
		else
			strbuf_addch(out, *p);
	}
	strbuf_addch(out, '"');
}

static void list(struct strbuf *out, const struct strvec *v,
		 const char *between)
{
	strbuf_addstr(out, "[ ");
	for (size_t i = 0; i < v->n; i++) {
		if (i)
			strbuf_addstr(out, between);
		quoted(out, v->v[i], false);
	}
	strbuf_addstr(out, " ]");
}

/* a statement a line */
static void statements(struct strbuf *out, const char *key,
		       const struct strvec *v)
{
	strbuf_addf(out, "    %s = ", key);
	list(out, v, ",\n      ");
	strbuf_addstr(out, ";\n");
}

static void comment(struct strbuf *out, const char *text)
{
	_cleanup_free_ char *safe = escape_bytes(text);

	strbuf_addf(out, "// %s\n", safe);
}

/* --- names --- */

static bool id_is_taken(const struct draft *d, const char *id)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->t[i].id && !strcmp(d->t[i].id, id))
			return true;
	return false;
}

/* letters, digits and _ of the set's name, and no other step's */
static void name_steps(struct draft *d)
{
	for (size_t i = 0; i < d->n; i++) {
		_cleanup_free_ char *base = xasprintf("copy_%.50s",
						      d->t[i].set);
		char *id;

		for (char *p = base; *p; p++)
			*p = isalnum((unsigned char)*p) ?
				(char)tolower((unsigned char)*p) : '_';
		id = xstrdup(base);
		for (int k = 2; id_is_taken(d, id); k++) {
			free(id);
			id = xasprintf("%s_%d", base, k);
		}
		d->t[i].id = id;
	}
}

/* the last part of the database's name, as the plan's */
static char *plan_name(const char *url)
{
	const char *colon = strchr(url, ':'), *slash = strrchr(url, '/');
	const char *from = slash ? slash + 1 : colon ? colon + 1 : url;
	struct strbuf out = STRBUF_INIT;

	for (; *from && *from != '.' && *from != '?' && out.len < 60; from++)
		if (isalnum((unsigned char)*from) || *from == '-' ||
		    *from == '_')
			strbuf_addch(&out, *from);
	if (!out.len || strchr(url, ' ') || strchr(url, '$')) {
		strbuf_set_len(&out, 0);
		strbuf_addstr(&out, "my-application");
	}
	return strbuf_detach(&out);
}

/* --- the order: what is referred to comes first --- */

static bool may_come(const struct draft *d, const struct draft_table *t)
{
	for (size_t i = 0; i < d->n; i++)
		if (!d->t[i].placed && &d->t[i] != t &&
		    strvec_has(&t->refers, d->t[i].set))
			return false;
	return true;
}

/* A circle is broken at its first table: the keys are tied behind the rows. */
static void order(struct draft *d)
{
	struct draft_table *sorted = xcalloc(d->n + 1, sizeof(*sorted));

	for (size_t n = 0; n < d->n; n++) {
		struct draft_table *next = NULL;

		for (size_t i = 0; i < d->n && !next; i++)
			if (!d->t[i].placed && may_come(d, &d->t[i]))
				next = &d->t[i];
		for (size_t i = 0; i < d->n && !next; i++)
			if (!d->t[i].placed)
				next = &d->t[i];
		next->placed = true;
		sorted[n] = *next;
	}
	free(d->t);
	d->t = sorted;
	d->cap = d->n + 1;
}

/* --- what is written --- */

static bool is_copied(const struct draft_table *t)
{
	return t->key.n > 0;
}

/* "old": as it was named; a path is one below the root */
static void write_stores(struct strbuf *out, const struct draft *d,
			 const char *url)
{
	_cleanup_free_ char *from = NULL;
	_cleanup_free_ char *to = NULL;

	if (d->server) {
		/* what it takes from the environment the plan takes, too */
		from = xstrdup(url);
		to = xstrdup("pg:${env:NEW_DATABASE_URL}");
	} else {
		const char *path = url + strlen("sqlite:");
		const char *name = path_basename(path), *dot;

		if (*path == '/')
			path = name;
		dot = strrchr(name, '.');
		if (!dot)
			dot = name + strlen(name);
		from = xasprintf("sqlite:%s", path);
		to = xasprintf("sqlite:%.*s-new%s", (int)(dot - path), path,
			       dot);
	}
	strbuf_addstr(out, "stores: {\n  old = ");
	quoted(out, from, d->server);
	strbuf_addstr(out, ";\n  // decide: where to\n  new = ");
	quoted(out, to, d->server);
	strbuf_addstr(out, ";\n};\n");
}

static void write_backup(struct strbuf *out, const struct draft *d,
			 const char *url)
{
	struct strvec v = STRVEC_INIT;

	strbuf_addstr(out, "// the old tables are read alone; saved all the same\n"
		    "backup: { ");
	if (d->server) {
		for (size_t i = 0; i < d->n; i++)
			strvec_pushf(&v, "old:%s", d->t[i].set);
		strbuf_addstr(out, "stores = ");
	} else {
		const char *path = url + strlen("sqlite:");

		strvec_push(&v, *path == '/' ? path_basename(path) : path);
		strbuf_addstr(out, "include = ");
	}
	list(out, &v, ",\n    ");
	strbuf_addstr(out, "; };\n\n");
	strvec_release(&v);
}

/* a type stands behind a blank, so what has one cannot be asked for */
static void write_columns(struct strbuf *out, const struct draft_table *t)
{
	struct strvec v = STRVEC_INIT;

	for (size_t i = 0; i < t->columns.n; i++)
		if (!strpbrk(t->columns.v[i], " \t\n"))
			strvec_push(&v, t->columns.v[i]);
	list(out, &v, ", ");
	strvec_release(&v);
}

static void write_checks(struct strbuf *out, const struct draft *d)
{
	struct strvec rights = STRVEC_INIT;

	strbuf_addstr(out, "checks = (\n");
	if (d->server) {
		for (size_t i = 0; i < d->n; i++)
			strvec_pushf(&rights, "SELECT %s", d->t[i].set);
		strbuf_addstr(out, "  { id = \"C01\"; kind = \"store\"; store = "
			    "\"old\";\n    rights = ");
		list(out, &rights, ",\n      ");
		strbuf_addstr(out, "; },\n  { id = \"C02\"; kind = \"store\"; "
			    "store = \"new\"; rights = [ \"CREATE\" ]; },\n");
	}
	strbuf_addstr(out, "  { id = \"C03\"; kind = \"schema\"; store = \"old\"; "
		    "tables = (\n");
	for (size_t i = 0; i < d->n; i++) {
		const struct draft_table *t = &d->t[i];

		strbuf_addstr(out, "    { name = ");
		quoted(out, t->set, false);
		strbuf_addstr(out, "; columns = ");
		write_columns(out, t);
		if (t->key.n) {
			strbuf_addstr(out, "; key = ");
			list(out, &t->key, ", ");
		}
		strbuf_addf(out, "; }%s\n", i + 1 < d->n ? "," : " ); },");
	}
	strbuf_addstr(out, "  { id = \"C04\"; kind = \"space\"; }\n);\n\n");
	strvec_release(&rights);
}

/* are all of them names that libconfig takes? */
static bool can_list(const struct strvec *names)
{
	for (size_t i = 0; i < names->n; i++) {
		const char *p = names->v[i];

		if (!isalpha((unsigned char)*p))
			return false;
		while (isalnum((unsigned char)*p) || *p == '_' || *p == '-')
			p++;
		if (*p)
			return false;
	}
	return true;
}

static void write_copy(struct strbuf *out, const struct draft_table *t)
{
	_cleanup_free_ char *from = xasprintf("old:%s", t->set);
	_cleanup_free_ char *to = xasprintf("new:%s", t->set);

	if (!is_copied(t)) {
		_cleanup_free_ char *text = xasprintf("decide: '%s' has no "
			"primary key; name what tells its rows apart, and copy "
			"it too", t->set);

		strbuf_addstr(out, "  ");
		comment(out, text);
		return;
	}
	strbuf_addf(out, "  { id = \"%s\"; kind = \"copy-records\"; needs = "
		    "[\"schema\"];\n    from = ", t->id);
	quoted(out, from, false);
	strbuf_addstr(out, "; to = ");
	quoted(out, to, false);
	strbuf_addstr(out, "; key = ");
	list(out, &t->key, ", ");
	/* other names cannot be said: all columns are taken, by their names */
	if (!can_list(&t->columns)) {
		strbuf_addstr(out, "; },\n");
		return;
	}
	strbuf_addstr(out, ";\n    columns = {");
	for (size_t i = 0; i < t->columns.n; i++) {
		_cleanup_free_ char *as = xasprintf("\"%s\"", t->columns.v[i]);

		strbuf_addf(out, "%s%s = ", i % 4 ? " " : "\n      ",
			    t->columns.v[i]);
		quoted(out, as, false);
		strbuf_addch(out, ';');
	}
	strbuf_addstr(out, " }; },\n");
}

static void write_sql(struct strbuf *out, const char *id, const char *needs,
		      const struct strvec *up, const struct strvec *down)
{
	struct strvec back = STRVEC_INIT;

	strbuf_addf(out, "  { id = \"%s\"; kind = \"sql\"; store = \"new\";%s\n",
		    id, needs);
	statements(out, "up", up);
	/* `down` is run from the last to the first */
	for (size_t i = 0; i < down->n; i++)
		strvec_push(&back, down->v[i]);
	if (back.n)
		statements(out, "down", &back);
	strbuf_addstr(out, "  },\n");
	strvec_release(&back);
}

static void write_ids(struct strbuf *out, const struct draft *d)
{
	struct strvec ids = STRVEC_INIT;

	for (size_t i = 0; i < d->n; i++)
		if (is_copied(&d->t[i]))
			strvec_push(&ids, d->t[i].id);
	list(out, &ids, ", ");
	strvec_release(&ids);
}

static void write_steps(struct strbuf *out, const struct draft *d)
{
	strbuf_addstr(out, "steps = (\n"
		"  // decide: what is different in the new schema\n");
	write_sql(out, "schema", "", &d->before, &d->before_down);
	strbuf_addstr(out, "\n  // decide: columns (new name = expression on the "
		"old row), where, and what\n  // becomes of rows that the new "
		"table refuses: bad_records = \"quarantine\"\n");
	for (size_t i = 0; i < d->n; i++)
		write_copy(out, &d->t[i]);
	if (d->after.n) {
		strbuf_addstr(out, "\n  // behind the rows: quicker, and in any "
			    "order\n");
		write_sql(out, "constraints", " needs = [\"schema\"];",
			  &d->after, &d->after_down);
	}
	/* the list has at least one element: schema */
	strbuf_addstr(out, "\n  { id = \"compare\"; kind = \"records\"; "
		    "copies = ");
	write_ids(out, d);
	strbuf_addstr(out, "; }\n);\n\n");
}

static void write_plan(struct strbuf *out, const struct draft *d,
		       const char *url)
{
	_cleanup_free_ char *name = plan_name(url);

	comment(out, "A first plan: all tables into a new database, as they "
		"are. Lines with");
	comment(out, "\"decide\" want a decision; upshift-plan(5) has the "
		"keys, and");
	comment(out, "upshift lint, upshift check and upshift run --dry-run "
		"tell what it would do.");
	if (!d->server && url[strlen("sqlite:")] == '/')
		comment(out, "The root is the directory that the database is "
			"in.");
	for (size_t i = 0; i < d->left.n; i++)
		comment(out, d->left.v[i]);
	strbuf_addstr(out, "plan = 1;\nname = ");
	quoted(out, name, false);
	strbuf_addstr(out, ";\ntitle = ");
	quoted(out, name, false);
	strbuf_addstr(out, ";\n// decide: the versions\nfrom = \"1\";\nto = "
		    "\"2\";\non_failure = \"ask\";\n\n");
	write_stores(out, d, url);
	strbuf_addstr(out, "defaults: { level = \"standard\"; };\n\n");
	write_backup(out, d, url);
	write_checks(out, d);
	write_steps(out, d);
	strbuf_addstr(out, "// decide: rules that must hold, as { id = \"...\"; "
		"store = \"new\";\n// zero = \"SELECT count(*) ...\"; }\n"
		"verify = (\n  { id = \"V01\"; kind = \"records\"; copies = ");
	write_ids(out, d);
	strbuf_addstr(out, "; }\n);\n");
}

int plan_draft(struct store *s, const char *url, struct strbuf *out,
	       struct error *err)
{
	struct draft d = { .server = store_is_pg(s) };
	bool any = false;
	int ret;

	if (!store_can(s, STORE_CAP_SQL))
		return error_set(err, ERR_USAGE, -EOPNOTSUPP,
				 _("'%s' has no schema to begin from"),
				 store_name(s));
	ret = d.server ? draft_look_server(s, &d, err) :
		draft_look_sqlite(s, &d, err);
	for (size_t i = 0; i < d.n; i++)
		any |= is_copied(&d.t[i]);
	if (ret >= 0 && !any)
		ret = error_set(err, ERR_USAGE, -ENOENT,
				_("'%s' has no table with a primary key"),
				store_name(s));
	if (ret >= 0) {
		if (d.server)
			strvec_push(&d.left, "Owners, grants, functions, types "
				    "and extensions are not in it.");
		name_steps(&d);
		order(&d);
		write_plan(out, &d, url);
	}
	draft_release(&d);
	return ret < 0 ? ret : 0;
}
