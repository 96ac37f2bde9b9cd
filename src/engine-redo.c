/* SPDX-License-Identifier: MIT */
/*
 * On the way back to an R point: what kinds undid by themselves, done again.
 *
 * Rows of servers are not: they come with the point, behind all this (rows of a
 * copy are many, and what was done to them since is in nobody's statements).
 * Until then there are in their tables those that the rollback left: of others,
 * or of a time before, which a constraint may not suffer (they refer to rows
 * that are not there yet, or have not been filled in). Where a step fails for
 * such rows the tables of those that write rows are emptied, and it is tried
 * again: all that was in them is in the point of this rollback, and what is to
 * be in them in the other.
 */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-rollback.h"
#include "engine-stores.h"
#include "step-records.h"
#include "store.h"

#define TRIES 4

bool rollback_was_undone(const struct engine *e, const struct run_point *p,
			 int i)
{
	const struct run_step *rs = &e->run->steps[i];
	enum step_state was;

	if (step_state_parse(json_get_str(p->steps, rs->id, ""), &was) < 0)
		return false;
	return (was == STEP_VERIFIED || was == STEP_APPLIED ||
		was == STEP_APPLYING || was == STEP_FAILED) &&
		rs->state == STEP_UNDONE && rs->effects;
}

static bool is_rows(const struct engine *e, const struct run_point *p, int i)
{
	return p->stores_digest &&
	       (e->plan->steps[i]->ops->flags & STEP_ROWS);
}

/* --- tables without rows --- */

static int empty(void *ctx, struct store *s, struct error *err)
{
	return MIN(store_exec(s, ctx, NULL, NULL, err), 0);
}

static int tables_of(struct store *s, const struct strvec *sets,
		     struct strbuf *sql, struct error *err)
{
	_cleanup_store_dump_ struct store_dump now = STORE_DUMP_INIT;
	int ret = store_dump_begin(s, sets, &now, err);

	for (size_t i = 0; ret >= 0 && i < now.n; i++)
		if (store_dump_has_rows(&now.sets[i]) && !now.sets[i].beside)
			strbuf_addf(sql, "%s%s", sql->len ? ", " :
				    "TRUNCATE TABLE ", now.sets[i].full);
	return ret < 0 ? ret : store_dump_end(s, err);
}

static int empty_all(void *ctx, struct store *s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret = tables_of(s, ctx, &sql, err);

	return ret < 0 || !sql.len ? ret :
	       store_transact(s, empty, sql.buf, TRIES, err);
}

/* on behalf of step i */
static int empty_tables(struct engine *e, const struct run_point *p, int i,
			struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	int ret = 0;

	for (int k = 0; ret >= 0 && k < (int)e->plan->step_n; k++)
		if (is_rows(e, p, k) && rollback_was_undone(e, p, k))
			ret = engine_sets_written(e, k, &sets);
	for (size_t k = 0; ret >= 0 && k < sets.n; k++)
		ret = engine_stores_empty(e, i, sets.v[k].store, empty_all,
					  &sets.v[k].sets, err);
	return ret;
}

/* --- the steps --- */

static int redo_step(struct engine *e, int i, struct error *err)
{
	const struct step *s = e->plan->steps[i];
	struct step_ctx c;
	int ret;

	step_ctx_init(&c, e, s, PHASE_ROLLBACK);
	ret = s->ops->redo(s, &c, err);
	step_ctx_release(&c);
	return ret;
}

static int redo_anyhow(struct engine *e, const struct run_point *p, int i,
		       bool *emptied, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	const char *id = e->plan->steps[i]->id;
	int ret = redo_step(e, i, &why);

	if (ret < 0 && p->stores_digest && !*emptied &&
	    why.code == ERR_STORE &&
	    store_class(ret) == STORE_CLASS_BADROW) {
		engine_log(e, id, "note", why.msg, strlen(why.msg));
		*emptied = true;
		ret = empty_tables(e, p, i, err);
		return ret < 0 ? ret : redo_step(e, i, err);
	}
	if (ret < 0)
		error_move(err, &why);
	return ret;
}

/* what it copied from comes with the point, as it is behind it */
static bool is_loaded(const struct engine *e, const struct step *s,
		      const struct store_sets *sets)
{
	const struct strvec *copies = s->ops->ends ? s->ops->ends(s) : NULL;

	for (size_t i = 0; copies && i < copies->n; i++) {
		int at = plan_step_index(e->plan, copies->v[i]);
		const struct plan_set *from = at < 0 ? NULL :
			step_records_from(e->plan->steps[at]);

		if (from && rollback_has_set(e, sets, from))
			return true;
	}
	return false;
}

static bool is_last(const struct engine *e, const struct step *s,
		    const struct store_sets *sets)
{
	return s->ops->redo_last && s->ops->redo_last(s) &&
	       !is_loaded(e, s, sets);
}

int rollback_redo(struct engine *e, const struct run_point *p,
		  const struct store_sets *sets, bool last, struct error *err)
{
	bool emptied = false;
	int ret = 0;

	e->rows_are_back = last;
	for (int i = 0; ret >= 0 && i < (int)e->plan->step_n; i++)
		if (e->plan->steps[i]->ops->redo &&
		    is_last(e, e->plan->steps[i], sets) == last &&
		    rollback_was_undone(e, p, i) && !is_rows(e, p, i))
			ret = redo_anyhow(e, p, i, &emptied, err);
	return ret;
}
