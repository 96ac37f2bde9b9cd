/* SPDX-License-Identifier: MIT */
/* What a store can do, as found by trying. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "base/child.h"
#include "command.h"
#include "session.h"
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
		N_("SERIALIZABLE by default"), N_("binary COPY"),
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

static int one_store(struct store *s, const struct options *o)
{
	_cleanup_free_ char *version = version_of(s);

	if (o->json)
		print_json(s, version);
	else
		print_text(s, version);
	return 0;
}

/* --- of a plan: its stores, and the snapshots of the provider --- */

static int plan_store(const struct session *s, const struct plan_store *ps)
{
	const struct store_options o = {
		.root_fd = s->sd.root_fd,
		.allow_plaintext = ps->allow_plaintext,
	};
	_cleanup_store_ struct store *store = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (store_open(ps->url, &o, &store, &err) == 0)
		return one_store(store, s->o);
	error_prefix(&err, _("store '%s'"), ps->name);
	say_error(&err);
	return 1;
}

/* can it be run? */
static int snapshot_command(const struct session *s, const char *verb,
			    const struct strvec *argv, struct json_object *o)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *line = NULL;
	bool found = child_find(argv->v[0], s->sd.root_fd, &path) >= 0;

	if (o)
		json_set_bool(o, verb, found);
	else {
		line = xasprintf("  %-12s %-4s %s", verb,
				 found ? _("yes") : _("no"),
				 found ? path : argv->v[0]);
		(void)out_line(line);
	}
	return found ? 0 : error_code_exit(ERR_TOOL);
}

/* of this run and those before it */
static void snapshots_there(struct session *s, struct json_object *o)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	struct json_object *a = o ? json_object_new_array() : NULL;

	if (s->sd.fd >= 0)
		(void)state_dir_runs(&s->sd, &ids, NULL);
	for (size_t i = 0; i < ids.n; i++) {
		_cleanup_free_ char *text = NULL, *line = NULL;
		struct run *r = NULL;

		if (run_open(&r, &s->sd, ids.v[i], false, NULL) < 0)
			continue;
		text = run_snapshot_text(r);
		if (text && a) {
			struct json_object *one = json_object_new_object();

			json_set_str(one, "run", r->id);
			json_set_str(one, "state", r->snapshot.state);
			if (r->snapshot.id)
				json_set_str(one, "id", r->snapshot.id);
			json_object_array_add(a, one);
		} else if (text) {
			line = xasprintf("  %s  %s", r->id, text);
			(void)out_line(line);
		}
		run_free(r);
	}
	if (o)
		json_object_object_add(o, "there", a);
}

static int plan_snapshot(struct session *s)
{
	const struct plan_snapshot *p = &s->plan->snapshot;
	const struct { const char *verb; const struct strvec *argv; } cmd[] = {
		{ "create", &p->create.argv }, { "restore", &p->restore.argv },
		{ "drop", &p->drop.argv },
	};
	_cleanup_json_ struct json_object *o = s->o->json ?
		json_object_new_object() : NULL;
	_cleanup_json_ struct json_object *all = NULL;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int ret = 0;

	if (!p->create.argv.n)
		return 0;
	if (!o)
		(void)out_line(_("Snapshot of the provider"));
	for (size_t i = 0; i < ARRAY_SIZE(cmd); i++)
		if (cmd[i].argv->n) {
			int r = snapshot_command(s, cmd[i].verb, cmd[i].argv,
						 o);

			ret = r ? r : ret;
		}
	snapshots_there(s, o);
	if (!o)
		return ret;
	all = json_object_new_object();
	json_object_object_add(all, "snapshot", json_object_get(o));
	json_print(all, &text);
	(void)out_line(text.buf);
	return ret;
}

static int whole_plan(const struct options *o,
		      const struct step_ops *const *kinds)
{
	char id[RUN_ID_LEN + 1] = "";
	struct session s;
	int ret;

	session_init(&s, o, kinds);
	ret = session_lint(&s);
	if (!ret)
		ret = session_values(&s);
	if (!ret)
		ret = session_root(&s);
	if (!ret)
		ret = run_new_id(&s.sd, id) < 0 ? 73 :
			session_new_plan(&s, id);
	if (!ret) {
		for (size_t i = 0; i < s.plan->store_n; i++) {
			int r = plan_store(&s, &s.plan->stores[i]);

			ret = r ? r : ret;
		}
		if (!ret)
			ret = plan_snapshot(&s);
		else
			(void)plan_snapshot(&s);
	}
	session_release(&s);
	return ret;
}

static int exec_doctor(const struct options *o,
		       const struct step_ops *const *kinds)
{
	_cleanup_store_ struct store *s = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (!o->store && o->args.n)
		return whole_plan(o, kinds);
	if (!o->store || o->args.n) {
		(void)error_set(&err, ERR_USAGE, 0,
				_("--store URL is missing"));
		error_hint(&err, "upshift doctor --store URL | PLAN");
		say_error(&err);
		return 64;
	}
	r = store_url_open(o->store, &s, &err);
	if (r < 0) {
		say_error(&err);
		return error_code_exit(err.code) == 2 ? 1 :
		       error_code_exit(err.code);
	}
	return one_store(s, o);
}

const struct command cmd_doctor = {
	.name = "doctor",
	.usage = "PLAN | --store URL",
	.summary = N_("what a database can do"),
	.max_args = 1,
	.exec = exec_doctor,
};
