/* SPDX-License-Identifier: MIT */
/* What a store can do, as found by trying. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "command.h"
#include "store.h"
#include "store-url.h"
#include "text.h"

/* the first cell, or NULL */
static char *first_cell(struct store *s, const char *sql)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	if (!store_can(s, STORE_CAP_SQL) ||
	    store_exec(s, sql, NULL, &b, NULL) < 1 || b.cell[0].len < 0)
		return NULL;
	return xstrndup(store_batch_text(&b, &b.cell[0]),
			(size_t)b.cell[0].len);
}

static char *version_of(struct store *s)
{
	char *v = first_cell(s, "SELECT version()");

	return v ? v : first_cell(s, "SELECT 'SQLite ' || sqlite_version()");
}

/* what runs keep there, or left */
static void find_ours(struct store *s, struct strvec *ret)
{
	static const char pg[] =
		"SELECT 'table ' || oid::regclass FROM pg_class WHERE "
		"relkind = 'r' AND relpersistence <> 't' AND "
		"relname ~ '^_upshift_' UNION ALL "
		"SELECT 'function ' || oid::regprocedure FROM pg_proc "
		"WHERE proname ~ '^_upshift_' UNION ALL "
		"SELECT 'trigger ' || quote_ident(tgname) || ' on ' || "
		"tgrelid::regclass FROM pg_trigger WHERE "
		"tgname ~ '^_upshift_' ORDER BY 1";
	static const char sqlite[] =
		"SELECT type || ' ' || name || CASE type WHEN 'trigger' THEN "
		"' on ' || tbl_name ELSE '' END FROM sqlite_schema WHERE "
		"name GLOB '_upshift_*' AND type IN ('table', 'trigger') "
		"ORDER BY 1";
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	if (!store_can(s, STORE_CAP_SQL) ||
	    store_exec(s, store_is_pg(s) ? pg : sqlite, NULL,
		       &b, NULL) < 0)
		return;
	for (size_t i = 0; i < b.nrow; i++)
		strvec_take(ret, xstrndup(store_batch_text(&b, &b.cell[i]),
					  (size_t)b.cell[i].len));
}

static void print_json(struct store *s, const char *version)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *caps = json_object_new_object();
	struct json_object *list = json_object_new_array();
	_cleanup_strvec_ struct strvec ours = STRVEC_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	json_set_str(o, "store", store_name(s));
	if (version)
		json_set_str(o, "version", version);
	for (unsigned int i = 0; i < STORE_CAP_COUNT; i++)
		json_set_bool(caps, store_cap_name(1u << i),
			      store_can(s, 1u << i));
	json_object_object_add(o, "can", caps);
	find_ours(s, &ours);
	for (size_t i = 0; i < ours.n; i++)
		json_object_array_add(list, json_object_new_string(ours.v[i]));
	json_object_object_add(o, "ours", list);
	json_print(o, &text);
	(void)out_line(text.buf);
}

static void print_text(struct store *s, const char *version)
{
	static const char *const what[STORE_CAP_COUNT] = {
		N_("statements"), N_("COPY inside a transaction"),
		N_("schema changes that roll back"), N_("temporary tables"),
		N_("triggers"), N_("triggers in place of writing to views"),
		N_("digests computed by the server"),
		N_("SERIALIZABLE by default"),
	};

	_cleanup_strvec_ struct strvec ours = STRVEC_INIT;

	(void)out_line(store_name(s));
	if (version)
		(void)out_line(version);
	for (unsigned int i = 0; i < STORE_CAP_COUNT; i++) {
		_cleanup_free_ char *line = xasprintf("  %-12s %-4s %s",
			store_cap_name(1u << i), store_can(s, 1u << i) ?
			_("yes") : _("no"), _(what[i]));

		(void)out_line(line);
	}
	find_ours(s, &ours);
	if (ours.n)
		(void)out_line(_("of runs that are not over, or were lost:"));
	for (size_t k = 0; k < ours.n; k++) {
		_cleanup_free_ char *line = xasprintf("  %s", ours.v[k]);

		(void)out_line(line);
	}
}

static int exec_doctor(const struct options *o,
		       const struct step_ops *const *kinds)
{
	_cleanup_store_ struct store *s = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *version = NULL;
	int r;

	(void)kinds; /* no plan is read */
	if (!o->store) {
		(void)error_set(&err, ERR_USAGE, 0,
				_("--store URL is missing"));
		error_hint(&err, "upshift doctor --store URL");
		say_error(&err);
		return 64;
	}
	r = store_url_open(o->store, &s, &err);
	if (r < 0) {
		say_error(&err);
		return error_code_exit(err.code) == 2 ? 1 :
		       error_code_exit(err.code);
	}
	version = version_of(s);
	if (o->json)
		print_json(s, version);
	else
		print_text(s, version);
	return 0;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.usage = "--store URL",
	.summary = N_("what a database can do"),
	.max_args = 0,
	.exec = exec_doctor,
};
