/* SPDX-License-Identifier: MIT */
/* What the rows of the new table are in the shape of the old one. */
#include <ctype.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "records-live.h"
#include "step-carry-internal.h"
#include "step-views.h"
#include "store-sql.h"

enum { COL_NAME, COL_TYPE, COL_NOT_NULL, COL_DEFAULT, COL_PRIMARY };

/* --- by the plan --- */

bool carry_stores(const struct records_step *m)
{
	const struct plan_store *old = m->from.store, *now = m->to.store;

	return old && now && !m->from.query && !m->backfill &&
	       (old->kind == PLAN_STORE_PG || old->kind == PLAN_STORE_SQLITE) &&
	       (now->kind == PLAN_STORE_PG || now->kind == PLAN_STORE_SQLITE);
}

static bool same_set(const char *a, const char *b)
{
	static const char usual[] = "public.";

	if (str_starts(a, usual))
		a += strlen(usual);
	if (str_starts(b, usual))
		b += strlen(usual);
	return !strcmp(a, b);
}

static const struct view_spec *find_view(const struct step *copy,
					 const struct plan *p)
{
	const struct records_step *m = copy->priv;

	for (size_t i = 0; i < p->step_n; i++) {
		const struct step *s = p->steps[i];
		const struct plan_store *store = NULL;
		const struct views_spec *v = s->ops && s->ops->views && s->priv ?
			s->ops->views(s, &store) : NULL;

		if (!v || !store || strcmp(store->url, m->to.store->url) != 0)
			continue;
		for (size_t k = 0; k < v->n; k++)
			if (same_set(v->v[k].name, m->from.set))
				return &v->v[k];
	}
	return NULL;
}

const char *carry_select(const struct step *copy, const struct plan *p)
{
	const struct view_spec *v = find_view(copy, p);

	return v ? v->select : NULL;
}

bool carry_is_mirror(const struct step *copy, const struct plan *p)
{
	const struct records_step *m = copy->priv;
	const struct view_spec *v = find_view(copy, p);

	/* it is in its place, and up to date; a file goes with it */
	return v && v->mirror && !m->to.store->path;
}

/* the name of a column, if the expression is no more than that */
static char *plain_name(const char *expr, bool folds)
{
	size_t n = strlen(expr);
	char *ret;

	if (n > 2 && expr[0] == '"' && expr[n - 1] == '"' &&
	    !memchr(expr + 1, '"', n - 2))
		return xstrndup(expr + 1, n - 2);
	if (!isalpha((unsigned char)*expr) && *expr != '_')
		return NULL;
	for (size_t i = 1; i < n; i++)
		if (!isalnum((unsigned char)expr[i]) && expr[i] != '_')
			return NULL;
	ret = xstrdup(expr);
	for (char *p = ret; folds && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return ret;
}

static bool all_plain(const struct records_step *m)
{
	bool ret = true;

	for (size_t i = 0; ret && i + 1 < m->columns.n; i += 2) {
		_cleanup_free_ char *name = plain_name(m->columns.v[i + 1],
						       false);

		ret = name != NULL;
	}
	return ret;
}

char *step_carry_step(const char *copy)
{
	return xasprintf("0%s", copy);
}

void step_carry_advise(const struct step *s, const struct plan *p,
		       const struct strvec *copies,
		       struct plan_problems *warnings)
{
	for (size_t i = 0; i < copies->n; i++) {
		int at = plan_step_index(p, copies->v[i]);
		const struct step *copy = at < 0 ? NULL : p->steps[at];
		const struct records_step *m;

		if (!copy || !copy->ops || !(copy->ops->flags & STEP_COPIES))
			continue;
		m = copy->priv;
		if (!carry_stores(m) || m->back.n || find_view(copy, p) ||
		    all_plain(m))
			continue;
		plan_problem_add(warnings, s->line, _("warning: step "
			"'%s': what is written behind it to '%s' cannot be carried back into "
			"'%s' by a rollback: give '%s' a 'back', or a view in "
			"the place of '%s'"), s->id, m->to.set, m->from.set,
			copy->id, m->from.set);
	}
}

/* --- shapes --- */

static bool is_true(const struct store_batch *b, uint32_t row, uint32_t col)
{
	_cleanup_free_ char *text = records_cell_text(b, row, col);

	return text && *text == 't';
}

/* new; how the column of the old table is read, "" by its name; NULL: not */
typedef char *column_fn(const struct carry_job *k, const char *name);

static char *by_pairs(const struct carry_job *k, const char *name)
{
	const struct records_step *m = k->copy->priv;

	for (size_t i = 0; i + 1 < m->back.n; i += 2)
		if (!strcmp(m->back.v[i], name)) {
			_cleanup_free_ char *col = plain_name(
				m->back.v[i + 1],
				m->to.store->kind == PLAN_STORE_PG);

			/* a name can be looked for in an index */
			return col ? xasprintf("\"%s\"", col) :
			       xstrdup(m->back.v[i + 1]);
		}
	return NULL;
}

static bool has_name(const struct carry_job *k, const char *name)
{
	const struct store_shape *to = &k->went.job.to;

	for (uint32_t i = 0; i < to->ncol; i++)
		if (!strcmp(to->col[i], name))
			return true;
	return false;
}

static char *by_names(const struct carry_job *k, const char *name)
{
	const struct records_step *m = k->copy->priv;
	bool folds = m->from.store->kind == PLAN_STORE_PG;

	if (!m->columns.n)
		return has_name(k, name) ? xstrdup("") : NULL;
	for (size_t i = 0; i + 1 < m->columns.n; i += 2) {
		_cleanup_free_ char *col = plain_name(m->columns.v[i + 1],
						      folds);

		if (col && !strcmp(col, name))
			return xasprintf("\"%s\"", m->columns.v[i]);
	}
	return NULL;
}

static bool is_plain(const char *expr)
{
	_cleanup_free_ char *name = *expr ? plain_name(expr, false) : NULL;

	return !*expr || name;
}

static void add(struct carry_job *k, const char *name, const char *expr)
{
	strvec_push(&k->names, name);
	strvec_push(&k->exprs, expr);
}

/* what the copy reads as its key; new */
static char *key_column(const struct records_step *m, size_t i)
{
	bool folds = m->from.store->kind == PLAN_STORE_PG;

	for (size_t k = 0; k + 1 < m->columns.n; k += 2)
		if (!strcmp(m->columns.v[k], m->key.v[i]))
			return plain_name(m->columns.v[k + 1], folds);
	return xstrdup(m->key.v[i]);
}

/* as add_key() will want it, when both tables are there */
bool carry_has_key(const struct records_step *m,
		   const struct store_batch *old)
{
	uint32_t primary = 0, found = 0;
	bool computed = false;

	for (uint32_t row = 0; row < old->nrow; row++) {
		_cleanup_free_ char *name = records_cell_text(old, row,
							      COL_NAME);

		if (records_cell_number(old, row, COL_PRIMARY) <= 0)
			continue;
		primary++;
		for (size_t i = 0; i < m->key.n; i++) {
			_cleanup_free_ char *col = key_column(m, i);

			found += col && !strcmp(col, name);
			/* then it is read by the primary key itself */
			computed |= !col;
		}
	}
	if (computed)
		return primary;
	/* without: that of the new table, which may not be there yet */
	return primary && (!m->key.n || (primary == found &&
					 found == m->key.n));
}

int step_carry_look(struct step_ctx *ctx, const struct strvec *copies,
		    struct strvec *lines, struct error *err)
{
	const struct plan *p = step_plan(ctx);

	for (size_t i = 0; i < copies->n; i++) {
		int at = plan_step_index(p, copies->v[i]);
		const struct records_step *m = p->steps[at]->priv;
		_cleanup_store_batch_ struct store_batch old = STORE_BATCH_INIT;
		_cleanup_store_ struct store *s = NULL;
		int ret;

		if (!carry_stores(m) || carry_is_mirror(p->steps[at], p))
			continue;
		ret = step_store(ctx, m->from.store->name, true, &s, err);
		if (ret == 0)
			ret = store_columns(s, m->from.set, &old, err);
		if (ret < 0)
			return ret;
		if (old.nrow && !carry_has_key(m, &old))
			strvec_take(lines, xasprintf(_("what is written to "
				"'%s' behind it cannot be carried back into "
				"'%s' by a rollback: that has no primary key "
				"which is the key of '%s'"), m->to.set,
				m->from.set, p->steps[at]->id));
	}
	return 0;
}

/* the primary key of the old table, which is that of the copy, too */
static bool add_key(struct carry_job *k, const struct store_batch *old,
		    column_fn *how)
{
	const struct records_job *w = &k->went.job;
	bool plain = true;
	uint32_t primary = 0;

	for (uint32_t row = 0; row < old->nrow; row++)
		primary += records_cell_number(old, row, COL_PRIMARY) > 0;
	if (!primary || primary != w->from.nkey)
		return false;
	for (uint32_t i = 0; i < w->from.nkey; i++) {
		const char *key = records_capture_key(w, i);
		_cleanup_free_ char *name = plain_name(key, false);
		_cleanup_free_ char *expr = NULL;
		uint32_t row = 0;

		for (; row < old->nrow; row++) {
			_cleanup_free_ char *col = records_cell_text(old, row,
								     COL_NAME);

			if (!strcmp(col, name ? name : key))
				break;
		}
		if (row == old->nrow ||
		    !records_cell_number(old, row, COL_PRIMARY))
			return false;
		expr = how(k, name ? name : key);
		if (!expr)
			return false;
		plain &= is_plain(expr);
		add(k, name ? name : key, expr);
	}
	k->back.from.nkey = plain ? primary : 0;
	k->back.to.nkey = primary;
	return true;
}

/* false: a column that has to have a value gets none; partly: one that may be
   NULL, or has a default */
static bool add_others(struct carry_job *k, const struct store_batch *old,
		       column_fn *how, bool *partly)
{
	for (uint32_t row = 0; row < old->nrow; row++) {
		_cleanup_free_ char *name = records_cell_text(old, row,
							      COL_NAME);
		const struct store_cell *def = store_batch_cell(old, row,
								COL_DEFAULT);
		_cleanup_free_ char *expr = NULL;

		if (strvec_has(&k->names, name))
			continue;
		expr = how(k, name);
		if (expr) {
			add(k, name, expr);
			continue;
		}
		if (is_true(old, row, COL_NOT_NULL) && def->len < 0)
			return false;
		*partly = true;
	}
	return true;
}

/* the columns by which it is read stand ahead, where the key is computed */
static void hide_key(struct carry_job *k)
{
	const struct store_shape *to = &k->went.job.to;
	struct strvec names = STRVEC_INIT, exprs = STRVEC_INIT;

	for (uint32_t i = 0; i < to->nkey; i++) {
		strvec_push(&names, to->col[i]);
		strvec_push(&exprs, "");
	}
	for (size_t i = 0; i < k->names.n; i++) {
		strvec_push(&names, k->names.v[i]);
		strvec_push(&exprs, k->exprs.v[i]);
	}
	strvec_release(&k->names);
	strvec_release(&k->exprs);
	k->names = names;
	k->exprs = exprs;
	k->back.hidden = k->back.from.nkey = to->nkey;
}

/* rows that have no key are in no table of the old version */
static void add_where(struct carry_job *k, const char *where)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	uint32_t hidden = k->back.hidden;

	for (uint32_t i = 0; i < k->back.to.nkey; i++) {
		const char *expr = k->exprs.v[hidden + i];

		strbuf_addstr(&sb, i ? " AND (" : "(");
		if (*expr)
			strbuf_addstr(&sb, expr);
		else
			store_sql_name(&sb, k->names.v[hidden + i]);
		strbuf_addstr(&sb, "\n) IS NOT NULL");
	}
	if (where)
		strbuf_addf(&sb, " AND (%s\n)", where);
	k->where = strbuf_detach(&sb);
}

static void make(struct carry_job *k, const char *where)
{
	const struct records_step *m = k->copy->priv;
	struct records_job *b = &k->back;
	size_t n;

	if (!b->from.nkey)
		hide_key(k);
	add_where(k, where);
	n = k->names.n;
	k->col = xcalloc(n, sizeof(*k->col));
	k->expr = xcalloc(n, sizeof(*k->expr));
	for (size_t i = 0; i < n; i++) {
		k->col[i] = k->names.v[i];
		k->expr[i] = *k->exprs.v[i] ? k->exprs.v[i] : NULL;
	}
	b->from = (struct store_shape) {
		.set = k->set, .ncol = (uint32_t)n, .nkey = b->from.nkey,
		.col = k->col, .expr = k->expr, .where = k->where,
	};
	b->to = (struct store_shape) {
		.set = m->from.set, .ncol = (uint32_t)n - b->hidden,
		.nkey = b->to.nkey, .col = k->col + b->hidden,
		.where = m->where,
	};
}

static bool try(struct carry_job *k, const struct store_batch *old,
		column_fn *how, bool *partly)
{
	*partly = false;
	strvec_clear(&k->names);
	strvec_clear(&k->exprs);
	memset(&k->back.from, 0, sizeof(k->back.from));
	return add_key(k, old, how) && add_others(k, old, how, partly);
}

bool carry_by_columns(struct carry_job *k, const struct store_batch *old,
		      bool view)
{
	const struct records_step *m = k->copy->priv;
	column_fn *how = m->back.n ? by_pairs : by_names;
	bool partly;

	if (!k->owns || !try(k, old, how, &partly))
		return false;
	/* what is computed from a column may be all that is left of it */
	if (partly && !m->back.n && (view || !all_plain(m)))
		return false;
	k->set = xstrdup(k->went.to_set);
	make(k, m->owns);
	return true;
}

static char *by_itself(_unused_ const struct carry_job *k,
		       _unused_ const char *name)
{
	return xstrdup("");
}

bool carry_by_view(struct carry_job *k, const struct store_batch *old,
		   const struct store_batch *shown)
{
	const struct records_step *m = k->copy->priv;
	struct store_batch has = *old;
	bool partly = false, ret;

	/* without the columns that it does not show */
	has.cell = xcalloc(MAX(old->ncell, (size_t)1), sizeof(*has.cell));
	has.ncell = 0;
	has.nrow = 0;
	ret = true;
	for (uint32_t row = 0; row < old->nrow; row++) {
		_cleanup_free_ char *name = records_cell_text(old, row,
							      COL_NAME);
		const struct store_cell *def = store_batch_cell(old, row,
								COL_DEFAULT);
		bool found = false;

		for (uint32_t i = 0; !found && i < shown->nrow; i++) {
			_cleanup_free_ char *col = records_cell_text(shown, i,
								     COL_NAME);

			found = !strcmp(col, name);
		}
		if (!found) {
			ret &= !is_true(old, row, COL_NOT_NULL) ||
			       def->len >= 0;
			continue;
		}
		memcpy(&has.cell[has.ncell], &old->cell[(size_t)row *
		       old->ncol], old->ncol * sizeof(*has.cell));
		has.ncell += old->ncol;
		has.nrow++;
	}
	ret = ret && try(k, &has, by_itself, &partly);
	if (ret)
		make(k, m->where);
	free(has.cell);
	return ret;
}
