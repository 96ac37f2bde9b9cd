/* SPDX-License-Identifier: MIT */
/*
 * Stores of a plan that are one database under two URLs: a host spelled
 * otherwise, a service file and a URI, two names of one file. Taken for two, a
 * transaction that holds a lock under the one name would wait for itself under
 * the other, and the backup would hold everything twice. So what the server or
 * the file says decides, and the later store becomes another name of the first:
 * with its URL, and in effects, backup and leases with its name.
 *
 * PostgreSQL: the same system identifier (where it may be read; clones have
 * that of their origin), the same moment of the server's start, the same oid of
 * the database; and the one connection is seen by the other. Nothing is written
 * for it, so that checks and dry runs can tell, too. Another user or another
 * search path is another view of that database, and such stores stay two: a
 * name may mean another table there. They are saved twice then.
 * SQLite: the file has the same device and inode.
 *
 * Settled when a run begins, and then fixed by a record of the journal (fact
 * `same`: later name to first name): what is saved under a name goes back under
 * it. A run without that record has no such names, be it of an older upshift.
 */
#include <errno.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "store.h"

#define FACT "same"
#define WAIT_MS 3000

/* of a store; what cannot be told is NULL */
struct identity {
	char *text;              /* equal: one database, seen in one way */
	struct store *s;         /* of a server, open */
};

static char *cell(struct store *s, const char *sql, const char *arg)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n = store_exec_text(s, sql, &arg, arg != NULL, &b, NULL);

	if (n != 1 || b.cell[0].len < 0)
		return NULL;
	return xstrndup(b.buf + b.cell[0].off, (size_t)b.cell[0].len);
}

static void ask_server(struct engine *e, const struct plan_store *st,
		       struct identity *id)
{
	struct store_options o = { .root_fd = e->sd->root_fd,
				   .read_only = true, .connect_ms = WAIT_MS,
				   .lock_ms = WAIT_MS, .statement_ms = WAIT_MS,
				   .allow_plaintext = st->allow_plaintext };
	_cleanup_free_ char *system = NULL, *rest = NULL;

	/* who does not answer is told about by the checks */
	if (store_open(st->url, &o, &id->s, NULL) < 0)
		return;
	system = cell(id->s, "SELECT system_identifier FROM "
		      "pg_control_system()", NULL);
	rest = cell(id->s, "SELECT concat_ws('/', extract(epoch FROM "
		    "pg_postmaster_start_time()), oid, current_user, "
		    "current_setting('search_path')) FROM pg_database WHERE "
		    "datname = current_database()", NULL);
	if (rest)
		id->text = xasprintf("%s/%s", system ? system : "", rest);
}

static void ask_file(struct engine *e, const struct plan_store *st,
		     struct identity *id)
{
	struct stat sb;

	if (fs_stat_beneath(e->sd->root_fd, st->path, &sb) == 0 &&
	    S_ISREG(sb.st_mode))
		id->text = xasprintf("%ju:%ju", (uintmax_t)sb.st_dev,
				     (uintmax_t)sb.st_ino);
}

/* b sees a at work */
static bool sees(struct store *a, struct store *b)
{
	_cleanup_free_ char *pid = NULL, *seen = NULL;

	if (store_begin(a, false, NULL) < 0)
		return false;
	pid = cell(a, "SELECT pg_backend_pid()", NULL);
	if (pid)
		seen = cell(b, "SELECT 1 FROM pg_stat_activity WHERE pid = "
			    "$1 AND datname = current_database()", pid);
	store_abort(a);
	return seen;
}

static bool is_one(const struct identity *a, const struct identity *b)
{
	return a->text && b->text && !strcmp(a->text, b->text) &&
		(!a->s || sees(a->s, b->s));
}

/* is there another of its kind that it could be? */
static bool has_peer(const struct plan *p, size_t i)
{
	for (size_t k = 0; k < p->store_n; k++)
		if (k != i && p->stores[k].kind == p->stores[i].kind)
			return p->stores[i].kind == PLAN_STORE_PG ||
			       p->stores[i].kind == PLAN_STORE_SQLITE;
	return false;
}

void engine_same_settle(struct engine *e)
{
	const struct plan *p = e->plan;
	struct identity *id = xcalloc(p->store_n + 1, sizeof(*id));

	for (size_t i = 0; i < p->store_n; i++) {
		struct plan_store *st = &p->stores[i];

		if (!has_peer(p, i) || st->same)
			continue;
		if (st->path)
			ask_file(e, st, &id[i]);
		else
			ask_server(e, st, &id[i]);
		for (size_t k = 0; k < i && !st->same; k++)
			if (!p->stores[k].same &&
			    p->stores[k].kind == st->kind &&
			    is_one(&id[k], &id[i]))
				plan_store_is_same(st, &p->stores[k]);
	}
	for (size_t i = 0; i < p->store_n; i++) {
		store_close(id[i].s);
		free(id[i].text);
	}
	free(id);
}

int engine_same_record(struct engine *e, struct error *err)
{
	struct json_object *now = json_object_new_object();
	struct json_object *then = json_get(e->run->facts, FACT);

	for (size_t i = 0; i < e->plan->store_n; i++)
		json_set_str(now, e->plan->stores[i].name,
			     e->plan->stores[i].same);
	if (then ? json_object_equal(then, now) :
	    !json_object_object_length(now)) {
		json_object_put(now);
		return 0;
	}
	return run_record_fact(e->run, NULL, FACT, now, err);
}

void engine_adopt(struct engine *e, struct run *run)
{
	struct json_object *same = json_get(run->facts, FACT);

	e->run = run;
	for (size_t i = 0; same && i < e->plan->store_n; i++) {
		struct plan_store *st = &e->plan->stores[i];
		const char *name = json_get_str(same, st->name, NULL);
		const struct plan_store *first = name ?
			plan_find_store(e->plan, name) : NULL;

		if (first && first != st && !st->same)
			plan_store_is_same(st, first);
	}
}

/* --- names to be shown --- */

static bool has_others(const struct plan *p)
{
	for (size_t i = 0; i < p->store_n; i++)
		if (p->stores[i].same)
			return true;
	return false;
}

/* as the step itself names it, "" if it does not */
static const char *store_of(const struct plan *p, const struct step *s,
			    const char *store, const char *set)
{
	_cleanup_effects_ struct effects eff = EFFECTS_INIT;

	if (!s->ops->effects || s->ops->effects(s, NULL, &eff, NULL) < 0)
		return "";
	for (size_t i = 0; i < eff.set_n; i++) {
		const struct effect_set *its = &eff.sets[i];
		const struct plan_store *st = plan_find_store(p, its->store);

		if (st && its->type != EFFECT_READ &&
		    !strcmp(its->set, set) &&
		    !strcmp(st->same ? st->same : st->name, store))
			return st->name;
	}
	return "";
}

char *engine_same_shown(const struct engine *e, const struct step *s,
			const char *store, const char *set)
{
	const struct plan *p = e->plan;
	const char *name = "";

	if (has_others(p))
		name = s ? store_of(p, s, store, set) : "";
	for (size_t i = 0; !s && !*name && has_others(p) && i < p->step_n; i++)
		name = store_of(p, p->steps[i], store, set);
	return xasprintf("%s:%s", *name ? name : store, *set ? set : "*");
}
