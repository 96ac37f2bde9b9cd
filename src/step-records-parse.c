/* SPDX-License-Identifier: MIT */
/* The keys of copy-records and backfill. */
#include "step-records.h"

#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "sql-grants.h"
#include "sql-later.h"

#define MAX_BAD 100
#define MAX_DELTA 1000000

static const char *const conflict_words[] = { "error", "skip", "replace",
					      NULL };
static const char *const bad_words[] = { "stop", "quarantine", NULL };

static void parse_throttle(struct plan_node *n, struct records_throttle *t)
{
	struct plan_node *lag;

	(void)plan_node_duration(n, "pause", &t->pause_s);
	(void)plan_node_path(n, "pause_file", false, &t->file);
	if (!plan_node_has(n, "max_lag"))
		return;
	if (plan_node_count(n, "max_lag") != 1) {
		plan_node_problem(n, "max_lag", _("'%s' must be a group"),
				  "max_lag");
		return;
	}
	lag = plan_node_child(n, "max_lag", 0);
	(void)plan_node_store(lag, "store", true, &t->lag_store);
	(void)plan_node_string(lag, "query", true, &t->lag_query);
	(void)plan_node_double(lag, "max", true, 0, &t->lag_max);
}

static void parse_common(struct plan_node *n, struct records_step *m)
{
	int word = 0;

	(void)plan_node_list(n, "key", m->backfill, &m->key);
	(void)plan_node_string(n, "where", false, &m->where);
	(void)plan_node_int(n, "batch", false, 1, PLAN_BATCH_MAX, &m->batch);
	(void)plan_node_workers(n, "workers", &m->workers);
	(void)plan_node_int(n, "retries", false, 0, 1000, &m->retries);
	(void)plan_node_word(n, "bad_records", false, bad_words, &word);
	m->quarantine = word == 1;
	m->max_bad = MAX_BAD;
	(void)plan_node_int(n, "max_bad", false, 0, 1000000, &m->max_bad);
	parse_throttle(n, &m->throttle);
}

static void parse_copy(struct plan_node *n, struct records_step *m)
{
	int word = STORE_ERROR;

	(void)plan_node_set(n, "from", true, PLAN_SET_QUERY, &m->from);
	(void)plan_node_set(n, "to", true, 0, &m->to);
	(void)plan_node_pairs(n, "columns", &m->columns);
	(void)plan_node_pairs(n, "back", &m->back);
	(void)plan_node_string(n, "owns", false, &m->owns);
	(void)plan_node_bool(n, "live", &m->live);
	m->max_delta = MAX_DELTA;
	(void)plan_node_int(n, "max_delta", false, 1, INT64_MAX,
			    &m->max_delta);
	(void)plan_node_word(n, "on_conflict", false, conflict_words, &word);
	m->conflict = (enum store_conflict)word;
	for (size_t k = 0; m->columns.n && k < m->key.n; k++) {
		bool found = false;

		for (size_t i = 0; i + 1 < m->columns.n; i += 2)
			found = found ||
				!strcmp(m->columns.v[i], m->key.v[k]);
		if (!found)
			plan_node_problem(n, "key", _("'%s' is not among the "
					  "columns"), m->key.v[k]);
	}
	if (plan_set_is_file(&m->to) && !m->key.n)
		plan_node_problem(n, "to", _("records of a file have a "
				  "'key'"));
	if (plan_set_is_file(&m->to) && m->quarantine)
		plan_node_problem(n, "bad_records", _("a file of records has "
				  "no place for those that are refused"));
	if (m->from.query && !m->key.n)
		plan_node_problem(n, "from", _("a query takes a 'key'"));
	if (m->from.query && m->where)
		plan_node_problem(n, "where", _("a query has its own WHERE"));
}

static void look_at_ranges(struct plan_node *n, const char *key,
			   const struct records_step *m,
			   const struct strvec *sql)
{
	const struct plan_store *st = m->from.store;
	enum sql_dialect d = st && st->kind == PLAN_STORE_SQLITE ? SQL_SQLITE :
			     SQL_PG;

	for (size_t i = 0; m->key.n && i < sql->n; i++) {
		const char *why = sql_range_fault(d, sql->v[i], m->key.n);

		if (why)
			plan_node_warning(n, key, _("warning: statement %d of "
					  "'%s': %s"), (int)i + 1, key, _(why));
	}
}

static void parse_backfill(struct plan_node *n, struct records_step *m)
{
	(void)plan_node_set(n, "set", true, 0, &m->from);
	m->to = m->from;
	m->to.set = m->from.set ? xstrdup(m->from.set) : NULL;
	(void)plan_node_list(n, "up", true, &m->up);
	(void)plan_node_list(n, "down", false, &m->down);
	look_at_ranges(n, "up", m, &m->up);
	look_at_ranges(n, "down", m, &m->down);
	(void)plan_node_bool(n, "undo", &m->undo);
	if (m->undo && m->down.n)
		plan_node_problem(n, "down", _("'%s' and '%s' exclude each "
				  "other"), "undo", "down");
}

int step_records_parse(struct step *s, struct plan_node *n, bool backfill)
{
	struct records_step *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	m->backfill = backfill;
	m->retries = -1;
	parse_common(n, m);
	if (backfill)
		parse_backfill(n, m);
	else
		parse_copy(n, m);
	return 0;
}

const struct plan_set *step_records_from(const struct step *s)
{
	const struct records_step *m = s->ops->flags & STEP_COPIES ? s->priv :
				       NULL;

	return m && m->from.store ? &m->from : NULL;
}

void step_records_release(struct step *s)
{
	struct records_step *m = s->priv;

	if (!m)
		return;
	plan_set_release(&m->from);
	plan_set_release(&m->to);
	strvec_release(&m->key);
	strvec_release(&m->columns);
	strvec_release(&m->back);
	strvec_release(&m->up);
	strvec_release(&m->down);
	free(m->where);
	free(m->owns);
	free(m->throttle.file);
	free(m->throttle.lag_query);
	free(m);
	s->priv = NULL;
}

void step_records_grants(const struct step *s, struct sql_grants *g)
{
	const struct records_step *m = s->priv;

	if (!m->from.store || !m->to.store)
		return;
	sql_grants_read(g, &m->from);
	if (m->from.query || m->backfill || m->live)
		sql_grants_ours(g, m->from.store);
	if (m->live && !m->from.query)
		sql_grants_table(g, m->from.store, "TRIGGER", m->from.set);
	for (size_t i = 0; i < m->up.n; i++)
		sql_grants_text(g, m->to.store, m->up.v[i]);
	for (size_t i = 0; i < m->down.n; i++)
		sql_grants_text(g, m->to.store, m->down.v[i]);
	if (m->throttle.lag_store)
		sql_grants_text(g, m->throttle.lag_store, m->throttle.lag_query);
	if (m->backfill) {
		/* pre-images are put back */
		if (m->undo)
			sql_grants_table(g, m->to.store, "SELECT UPDATE",
					 m->to.set);
		return;
	}
	sql_grants_ours(g, m->to.store);
	/* a row that came is taken out again by an undo */
	sql_grants_table(g, m->to.store, m->conflict == STORE_REPLACE ?
			 "SELECT INSERT UPDATE DELETE" :
			 "SELECT INSERT DELETE", m->to.set);
}
