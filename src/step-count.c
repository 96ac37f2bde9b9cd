/* SPDX-License-Identifier: MIT */
#include "step-count.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "step.h"
#include "store.h"
#include "store-sql.h"

struct step_count {
	struct plan_set set, same_as;
	char *where, *key;
	int64_t min, max, equal; /* -1: not given */
};

static void take_number(struct plan_node *n, const char *key, int64_t *ret)
{
	*ret = -1;
	(void)plan_node_int(n, key, false, 0, INT64_MAX, ret);
}

struct step_count *step_count_parse(struct plan_node *n)
{
	struct step_count *m = xcalloc(1, sizeof(*m));

	(void)plan_node_set(n, "set", true, PLAN_SET_QUERY, &m->set);
	if (plan_node_has(n, "same_as"))
		(void)plan_node_set(n, "same_as", true, PLAN_SET_QUERY,
				    &m->same_as);
	(void)plan_node_string(n, "where", false, &m->where);
	(void)plan_node_string(n, "key", false, &m->key);
	take_number(n, "min", &m->min);
	take_number(n, "max", &m->max);
	take_number(n, "equal", &m->equal);
	if (!m->key && (plan_set_is_file(&m->set) ||
			plan_set_is_file(&m->same_as)))
		plan_node_problem(n, "set", _("'key' is needed to count in a "
					      "file of records"));
	if (!plan_node_has(n, "min") && !plan_node_has(n, "max") &&
	    !plan_node_has(n, "equal") && !plan_node_has(n, "same_as"))
		plan_node_problem(n, NULL, _("one of 'min', 'max', 'equal' and "
					     "'same_as' is needed"));
	return m;
}

static int by_sql(struct store *st, const struct plan_set *set,
		  const char *where, int64_t *ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int r;

	strbuf_addstr(&sql, "SELECT count(*) FROM ");
	/* a newline, as it may end in a comment */
	if (set->query)
		strbuf_addf(&sql, "(%s\n) AS upshift_q", set->set);
	else
		store_sql_set(&sql, set->set);
	if (where)
		strbuf_addf(&sql, " WHERE %s", where);
	r = store_exec(st, sql.buf, NULL, &b, err);
	if (r < 0)
		return r;
	*ret = r ? store_batch_int(&b, 0, 0) : 0;
	return 0;
}

static int by_key(struct store *st, const struct plan_set *set,
		  const char *key, const char *where, int64_t *ret,
		  struct error *err)
{
	struct store_shape shape = {
		.set = set->set, .ncol = 1, .nkey = 1, .col = &key,
		.where = where,
	};
	struct store_digest d;
	int r = store_digest(st, &shape, NULL, NULL, &d, err);

	*ret = r < 0 ? 0 : (int64_t)d.n;
	return r;
}

static int count(struct step_ctx *ctx, const struct step_count *m,
		 const struct plan_set *set, const char *where, int64_t *ret,
		 struct error *err)
{
	_cleanup_store_ struct store *st = NULL;
	int r = step_store(ctx, set->store->name, true, &st, err);

	if (r < 0)
		return r;
	return plan_set_is_file(set) ?
	       by_key(st, set, m->key, where, ret, err) :
	       by_sql(st, set, where, ret, err);
}

static const char *shown(const struct plan_set *set)
{
	return *set->set ? set->set : set->store->name;
}

int step_count_check(const struct step_count *m, struct step_ctx *ctx,
		     struct check_result *r, struct error *err)
{
	int64_t n = 0, other = -1;
	const char *what = shown(&m->set);
	int ret = count(ctx, m, &m->set, m->where, &n, err);

	if (ret >= 0 && m->same_as.store)
		ret = count(ctx, m, &m->same_as, NULL, &other, err);
	if (ret < 0)
		return ret;
	if (m->min >= 0 && n < m->min)
		check_result_set(r, CHECK_FAIL, _("'%s' has %lld records, "
			"fewer than %lld"), what, (long long)n,
			(long long)m->min);
	else if (m->max >= 0 && n > m->max)
		check_result_set(r, CHECK_FAIL, _("'%s' has %lld records, "
			"more than %lld"), what, (long long)n,
			(long long)m->max);
	else if (m->equal >= 0 && n != m->equal)
		check_result_set(r, CHECK_FAIL, _("'%s' has %lld records, not "
			"%lld"), what, (long long)n, (long long)m->equal);
	else if (other >= 0 && n != other)
		check_result_set(r, CHECK_FAIL, _("'%s' has %lld records, "
			"'%s' has %lld"), what, (long long)n,
			shown(&m->same_as), (long long)other);
	else
		check_result_set(r, CHECK_OK, _("'%s' has %lld records"), what,
				 (long long)n);
	return 0;
}

void step_count_free(struct step_count *m)
{
	if (!m)
		return;
	plan_set_release(&m->set);
	plan_set_release(&m->same_as);
	free(m->where);
	free(m->key);
	free(m);
}
