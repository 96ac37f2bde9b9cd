/* SPDX-License-Identifier: MIT */
/*
 * records - two sets hold the same records, and rules hold (check)
 *
 * from, to, key, columns, where, owns, or copies (names of steps that copy);
 * level, pause; rules (id, severity, and store with zero, or equal); queries
 * (id, old, new, tolerance, floor), which are timed. What it does and leaves
 * stands in step-compare.h and records-verify.h. With set it counts records
 * instead (step-count.h), with fits it tries whether those of copies can be
 * written (step-fit.h).
 */
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "step-compare.h"
#include "step-count.h"
#include "step-fit.h"
#include "sql-grants.h"
#include "steps.h"

#define PAUSE_S 5.0
#define TOLERANCE 2.0
#define FLOOR_S 0.5

static void parse_equal(struct plan_node *n, struct compare_rule *rule)
{
	_cleanup_strvec_ struct strvec texts = STRVEC_INIT;

	(void)plan_node_list(n, "equal", true, &texts);
	if (texts.n != 2) {
		plan_node_problem(n, "equal", _("'equal' takes two queries, "
						"\"STORE:SELECT ...\""));
		return;
	}
	for (size_t i = 0; i < 2; i++)
		(void)plan_node_set_text(n, "equal", texts.v[i],
					 PLAN_SET_QUERY, &rule->equal[i]);
}

static void parse_rule(struct plan_node *n, struct compare_rule *rule)
{
	static const char *const severities[] = { "fail", "warn", NULL };
	int w = 0;

	(void)plan_node_string(n, "id", true, &rule->id);
	if (plan_node_word(n, "severity", false, severities, &w))
		rule->warn = w == 1;
	if (plan_node_has(n, "equal")) {
		parse_equal(n, rule);
		return;
	}
	(void)plan_node_store(n, "store", true, &rule->store);
	(void)plan_node_string(n, "zero", true, &rule->zero);
}

static void parse_query(struct plan_node *n, struct compare_query *q)
{
	q->tolerance = TOLERANCE;
	q->floor_s = FLOOR_S;
	(void)plan_node_string(n, "id", true, &q->id);
	(void)plan_node_set(n, "old", true, PLAN_SET_QUERY, &q->old);
	(void)plan_node_set(n, "new", true, PLAN_SET_QUERY, &q->now);
	(void)plan_node_double(n, "tolerance", false, 1.0, &q->tolerance);
	(void)plan_node_duration(n, "floor", &q->floor_s);
}

static int parse(struct step *s, struct plan_node *n)
{
	struct step_compare *m = xcalloc(1, sizeof(*m));
	size_t rules = plan_node_count(n, "rules");
	size_t queries = plan_node_count(n, "queries");

	s->priv = m;
	if (plan_node_has(n, "set")) {
		m->count = step_count_parse(n);
		return 0;
	}
	if (plan_node_has(n, "fits")) {
		(void)plan_node_steps_later(n, "fits", STEP_COPIES,
					    &m->fits);
		return 0;
	}
	m->pause_s = PAUSE_S;
	(void)plan_node_level(n, "level", &m->level);
	(void)plan_node_duration(n, "pause", &m->pause_s);
	(void)plan_node_steps(n, "copies", STEP_COPIES, &m->copies);
	m->own = plan_node_has(n, "from") || plan_node_has(n, "to");
	records_map_parse(n, m->own, &m->map);
	if (!m->own && !plan_node_has(n, "copies") && !rules) {
		plan_node_problem(n, NULL, _("it compares nothing: 'copies', "
				  "'from' and 'to', or 'rules' are missing"));
		m->count = step_count_parse(n); /* or what that needs */
	}
	m->rules = xcalloc(MAX(rules, 1u), sizeof(*m->rules));
	for (; m->rule_n < rules; m->rule_n++)
		parse_rule(plan_node_child(n, "rules", m->rule_n),
			   &m->rules[m->rule_n]);
	m->queries = xcalloc(MAX(queries, 1u), sizeof(*m->queries));
	for (; m->query_n < queries; m->query_n++)
		parse_query(plan_node_child(n, "queries", m->query_n),
			    &m->queries[m->query_n]);
	return 0;
}

static bool compares(const struct step *s, const struct step *copy)
{
	return step_compare_has(s->priv, copy);
}

static void release(struct step *s)
{
	struct step_compare *m = s->priv;

	if (!m)
		return;
	step_count_free(m->count);
	records_map_release(&m->map);
	strvec_release(&m->copies);
	strvec_release(&m->fits);
	for (size_t i = 0; i < m->rule_n; i++) {
		free(m->rules[i].id);
		free(m->rules[i].zero);
		plan_set_release(&m->rules[i].equal[0]);
		plan_set_release(&m->rules[i].equal[1]);
	}
	free(m->rules);
	for (size_t i = 0; i < m->query_n; i++) {
		free(m->queries[i].id);
		plan_set_release(&m->queries[i].old);
		plan_set_release(&m->queries[i].now);
	}
	free(m->queries);
	free(m);
	s->priv = NULL;
}

static void grants(const struct step *s, struct sql_grants *g)
{
	const struct step_compare *m = s->priv;

	for (size_t i = 0; i < m->rule_n; i++) {
		sql_grants_text(g, m->rules[i].store, m->rules[i].zero);
		sql_grants_read(g, &m->rules[i].equal[0]);
		sql_grants_read(g, &m->rules[i].equal[1]);
	}
	for (size_t i = 0; i < m->query_n; i++) {
		sql_grants_read(g, &m->queries[i].old);
		sql_grants_read(g, &m->queries[i].now);
	}
}

static int check(const struct step *s, struct step_ctx *ctx,
		 struct check_result *r, struct error *err)
{
	const struct step_compare *m = s->priv;

	if (m->fits.n)
		return step_fit_check(&m->fits, ctx, r, err);
	return m->count ? step_count_check(m->count, ctx, r, err) :
	       step_compare_check(s, ctx, r, err);
}

const struct step_ops verify_records_ops = {
	.name = "records",
	.flags = STEP_IS_CHECK,
	.parse = parse,
	.check = check,
	.compares = compares,
	.grants = grants,
	.release = release,
};
