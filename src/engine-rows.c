/* SPDX-License-Identifier: MIT */
/*
 * What a rollback does to the rows of servers, table by table.
 *
 * Of each table there are the rows of the backup that are gone (G), rows that
 * are not in the backup (N), and rows that steps wrote and nobody touched since
 * (ours). What others wrote or changed is N without ours.
 *
 *	                     RESTORED          LOST     KEPT
 *	undone row by row    ours                       others
 *	table goes           ours              others
 *	from the backup      G, and ours that  others
 *	                     replaced none of
 *	                     G
 *
 * Rows written to new tables since a cutover are CARRIED, under the names of the
 * old tables, and not LOST with the new ones.
 *
 * Ours of steps that stay applied are not counted, nor taken for those of
 * others. Where a step cannot tell its rows from others (statements that it was
 * given) the table is named without numbers. A row that others changed in a
 * column that the run has added is not N; who undoes it row by row knows it all
 * the same. It is LOST where the column goes. So, where all of the steps know
 * their rows by keys, others' are those that are not as the last of these left
 * them, and what is N of the rows that none of them knows. A row that several
 * steps changed is that of the last.
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-rollback.h"
#include "engine-stores.h"
#include "step-carry.h"
#include "store.h"

/* one table */
struct tally {
	struct step_rows *of;        /* by step of the plan */
	const char *store, *url, *set;
	bool goes, load;
	bool unknown;
	uint64_t brought, changed;   /* of steps that are undone */
	uint64_t stay;               /* of the others */
	const struct step_carried *carried; /* by step of the plan */
	size_t carried_n;
	/* that others have changed, as those who undo their rows know; they
	   may have done so in columns that the backup has not */
	uint64_t known;
	bool altered;                /* such columns may go */
	/* rows t that none of them knows, and those that are not as one of them
	   has left them; NULL: some of them cannot tell */
	struct strbuf none, not_left;
	bool told;
};

/* "public.t" is "t" */
static bool same_set(const char *a, const char *b)
{
	static const char usual[] = "public.";

	if (str_starts(a, usual))
		a += strlen(usual);
	if (str_starts(b, usual))
		b += strlen(usual);
	return !strcmp(a, b);
}

static int ask_steps(struct engine *e, struct step_rows *rows,
		     struct error *err)
{
	int ret = 0;

	for (int i = 0; ret >= 0 && i < (int)e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		struct step_ctx c;

		if (!s->ops->rows || !rollback_in_effect(e, i))
			continue;
		step_ctx_init(&c, e, s, PHASE_BACKUP);
		ret = s->ops->rows(s, &c, &rows[i], err);
		step_ctx_release(&c);
		if (ret < 0)
			error_prefix(err, "%s", s->id);
	}
	return ret;
}

bool rollback_writes(const struct engine *e, int i, const char *store,
		     const char *set, enum effect_type *ret)
{
	_cleanup_effects_ struct effects eff = EFFECTS_INIT;

	if (effects_from_json(e->run->steps[i].effects, &eff) < 0)
		return false;
	for (size_t k = 0; k < eff.set_n; k++)
		if (eff.sets[k].type != EFFECT_READ &&
		    !strcmp(eff.sets[k].store, store) &&
		    same_set(eff.sets[k].set, set)) {
			*ret = eff.sets[k].type;
			return true;
		}
	return false;
}

static void add_rows_of(struct tally *t, const struct step_rows *r)
{
	if (!r->known || !(r->brought + r->changed + r->others))
		return;
	t->told &= r->is_one && r->is_left;
	if (!t->told)
		return;
	strbuf_addf(&t->none, "%s NOT %s", t->none.len ? " AND" : " WHERE",
		    r->is_one);
	strbuf_addf(&t->not_left, "%s NOT %s",
		    t->not_left.len ? " AND" : " WHERE", r->is_left);
}

/* what the steps say of the table */
static void add_steps(struct engine *e, int goal, bool there, struct tally *t)
{
	for (int i = 0; i < (int)e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		bool goes = i >= goal && rollback_is_meant(e, i);
		enum effect_type type;

		if (!rollback_in_effect(e, i) ||
		    !rollback_writes(e, i, t->store, t->set, &type))
			continue;
		if (!(s->ops->flags & STEP_ROWS)) {
			/* what it drained counts with the copies it names */
			const struct strvec *copies = s->ops->ends ?
						      s->ops->ends(s) : NULL;

			if (copies && copies->n)
				continue;
			t->altered |= goes;
			if (goes && !there && type == EFFECT_CREATE)
				t->goes = true;
			else if (type != EFFECT_CREATE)
				t->unknown = true;
			continue;
		}
		add_rows_of(t, &t->of[i]);
		if (!t->of[i].known)
			t->unknown = true;
		else if (!goes)
			t->stay += t->of[i].brought + t->of[i].changed;
		else {
			t->brought += t->of[i].brought;
			t->changed += t->of[i].changed;
		}
		t->known += t->of[i].others;
	}
}

/* rows of others, and those that the backup's columns do not tell */
struct others {
	uint64_t seen, unseen;
};

/* some of them are not in the backup as they are now */
static int count_beside(struct store *s, const struct store_load *l,
			const struct store_dump_set *then,
			const struct store_dump_set *now,
			const struct strbuf *where, uint64_t *ret,
			struct error *err)
{
	struct store_dump_set part = { .set = now->set, .type = 'p' };
	struct store_beside b = { 0 };
	int r;

	/* a query has its rows as those of partitions are had */
	part.full = xasprintf("%s t%s", now->full, where->buf);
	strvec_copy(&part.columns, &now->columns);
	r = store_dump_beside(s, l, then, &part, &b, err);
	*ret = b.now;
	strvec_release(&part.columns);
	free(part.full);
	return r;
}

/* Where each of the steps knows its rows, others' are those of theirs that are
   not as they were left, and of the rest what is not in the backup. */
static int count_others(struct store *s, const struct store_load *l,
			const struct store_dump_set *then,
			const struct store_dump_set *now,
			const struct tally *t, const struct store_beside *b,
			struct others *ret, struct error *err)
{
	uint64_t ours = t->brought + t->changed + t->stay, rest = 0, seen = 0;
	int r;

	ret->seen = b->now > ours ? b->now - ours : 0;
	ret->unseen = t->known > ret->seen ? t->known - ret->seen : 0;
	if (!t->told || !t->none.len)
		return 0;
	r = count_beside(s, l, then, now, &t->none, &rest, err);
	if (r >= 0 && t->known)
		r = count_beside(s, l, then, now, &t->not_left, &seen, err);
	seen = MAX(seen, rest);
	ret->seen = rest + MIN(t->known, seen - rest);
	ret->unseen = t->known + rest - ret->seen;
	return r;
}

static void add_table(struct rollback_preview *p, const struct tally *t,
		      const struct store_beside *b, const struct others *o)
{
	uint64_t ours = t->brought + t->changed;
	uint64_t others = o->seen, unseen = o->unseen;
	struct rollback_rows *r;

	p->tables = xrealloc(p->tables, p->table_n + 1, sizeof(*p->tables));
	r = &p->tables[p->table_n++];
	*r = (struct rollback_rows){
		.name = xasprintf("%s:%s", t->store, t->set),
		.known = !t->unknown || t->load, .restored = ours,
	};
	/* from the backup all comes that is not as it was then */
	if (t->load)
		r->restored = b->then + ours - MIN(t->changed, b->then);
	for (size_t i = 0; i < t->carried_n && !t->load; i++)
		if (t->carried[i].known &&
		    !strcmp(t->carried[i].url, t->url) &&
		    same_set(t->carried[i].now, t->set) && t->goes)
			others -= MIN(others, t->carried[i].put);
	/* nobody can tell: better said to be lost than not */
	if (t->load || t->goes)
		r->lost = others + unseen;
	else
		r->kept = others;
	*(t->altered ? &r->lost : &r->kept) += t->load || t->goes ? 0 : unseen;
	if (!r->known)
		r->restored = r->kept = r->lost = 0;
}

/* tables that views stand in for, and what counts who uses these: undone, all
   of it is back in its place */
bool rollback_is_aside(const char *set)
{
	return str_starts(set, "upshift_old_") || str_starts(set, "_upshift.");
}

static int one_table(struct engine *e, int goal, struct store *s,
		     const struct store_load *l, struct store_dump_set *now,
		     struct tally *t, struct rollback_preview *p,
		     struct error *err)
{
	const struct store_dump_set *then = store_dump_find(l->dump, now->set);
	struct store_beside b = { 0 };
	struct others o = { 0 };
	int ret = 0;

	/* views have none of their own */
	if ((now->full && !store_dump_has_rows(now)) || rollback_is_aside(now->set))
		return 0;
	t->set = now->set;
	strbuf_clear(&t->none);
	strbuf_clear(&t->not_left);
	t->told = now->full;
	t->goes = t->unknown = false;
	t->brought = t->changed = t->stay = t->known = 0;
	t->altered = false;
	add_steps(e, goal, then && then->full, t);
	/* at the start there are those of the backup, and no others */
	t->altered |= goal == 0 && !rollback_some(e) && then &&
		now->columns.n > then->columns.n;
	t->goes |= rollback_empties(e, t->store, t->set, then && then->full);
	if (!t->unknown || t->load)
		ret = store_dump_beside(s, l, then, now, &b, err);
	if (ret >= 0 && !t->unknown)
		ret = count_others(s, l, then, now, t, &b, &o, err);
	else if (ret >= 0 && t->load)
		o.seen = b.now > t->brought + t->changed + t->stay ?
			b.now - t->brought - t->changed - t->stay : 0;
	/* all of the database: those that nothing happened to are not told */
	if (ret >= 0 && (b.then || b.now || t->brought || t->changed ||
			 t->unknown))
		add_table(p, t, &b, &o);
	return ret;
}

static int one_store(struct engine *e, int goal, const struct store_sets_one *o,
		     struct tally *t, struct rollback_preview *p,
		     struct error *err)
{
	_cleanup_store_dump_ struct store_dump then = STORE_DUMP_INIT;
	_cleanup_store_dump_ struct store_dump now = STORE_DUMP_INIT;
	_cleanup_store_ struct store *s = NULL;
	struct store_load l = { .dump = &then };
	struct stores_reader *rd;
	struct step_ctx c;
	int ret = engine_stores_index(e, "start",
				      e->run->backup.manifest_digest,
				      o->store, &then, err);

	if (ret < 0)
		return ret;
	t->store = o->store;
	t->url = plan_find_store(e->plan, o->store)->url;
	rd = engine_stores_reader(e, "start", e->run->backup.manifest_digest,
				  o->store, &l);
	step_ctx_init(&c, e, NULL, PHASE_BACKUP);
	ret = step_store(&c, o->store, true, &s, err);
	if (ret >= 0)
		ret = store_dump_begin(s, &o->sets, &now, err);
	for (size_t i = 0; ret >= 0 && i < now.n; i++)
		ret = one_table(e, goal, s, &l, &now.sets[i], t, p, err);
	store_close(TAKE_PTR(s));
	step_ctx_release(&c);
	engine_stores_reader_free(rd);
	return ret;
}

/* those that steps name; "" stands for what nobody knows */
static int named_sets(struct engine *e, int goal, struct store_sets *ret)
{
	int r = 0;

	for (int i = goal; r >= 0 && i < (int)e->plan->step_n; i++) {
		_cleanup_store_sets_ struct store_sets w = STORE_SETS_INIT;

		if (!rollback_touches(e, i))
			continue;
		r = engine_sets_written(e, i, &w);
		for (size_t k = 0; k < w.n; k++)
			for (size_t m = 0; m < w.v[k].sets.n; m++)
				if (*w.v[k].sets.v[m])
					store_sets_add_one(ret, w.v[k].store,
							   w.v[k].sets.v[m]);
	}
	return r;
}

/* the cutover that is undone with step i, a copy of it; -1: none */
static int carried_by(const struct engine *e, int goal, int i)
{
	for (int k = MAX(goal, i + 1); k < (int)e->plan->step_n; k++) {
		const struct step_ops *ops = e->plan->steps[k]->ops;
		const struct strvec *copies = ops->carry ?
			ops->ends(e->plan->steps[k]) : NULL;

		if (copies && rollback_touches(e, k) &&
		    (e->run->steps[k].state == STEP_APPLIED ||
		     e->run->steps[k].state == STEP_VERIFIED) &&
		    strvec_has(copies, e->plan->steps[i]->id))
			return rollback_in_effect(e, i) ? k : -1;
	}
	return -1;
}

static int count_carried(struct engine *e, int goal, struct step_carried *of,
			 struct error *err)
{
	int ret = 0;

	for (int i = 0; ret >= 0 && i < (int)e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		int by = carried_by(e, goal, i);
		struct step_ctx c;

		if (by < 0)
			continue;
		step_ctx_init(&c, e, s, PHASE_BACKUP);
		ret = step_carry_count(s, &c, &of[i], err);
		step_ctx_release(&c);
		/* what is in the old table alone may have come in between */
		if (json_get_bool(e->run->steps[by].facts, STEP_AGAIN, false))
			of[i].deleted = 0;
		if (ret < 0)
			error_prefix(err, "%s", s->id);
	}
	return MIN(ret, 0);
}

static void add_carried(struct rollback_preview *p,
			const struct step_carried *c)
{
	uint64_t n = c->put + c->deleted;
	_cleanup_free_ char *count = count_text(n);

	if (!n)
		return;
	if (!c->known) {
		p->alone += n;
		strvec_take(&p->alone_names, xasprintf(ngettext("%s: %s row",
			"%s: %s rows", n), c->now, count));
		return;
	}
	p->tables = xrealloc(p->tables, p->table_n + 1, sizeof(*p->tables));
	p->tables[p->table_n++] = (struct rollback_rows) {
		.name = xasprintf("%s:%s", c->store, c->old), .known = true,
		.carried = n,
	};
}

int rollback_count_rows(struct engine *e, int goal, struct rollback_preview *p,
			struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	struct tally t = { .load = rollback_loads(rollback_wants(e)),
			   .none = STRBUF_INIT, .not_left = STRBUF_INIT };
	struct step_carried *carried;
	int ret = t.load ? rollback_sets(e, goal, &sets) :
		named_sets(e, goal, &sets);

	if (ret < 0)
		return ret;
	t.of = xcalloc(e->plan->step_n, sizeof(*t.of));
	carried = xcalloc(e->plan->step_n, sizeof(*carried));
	t.carried = carried;
	t.carried_n = e->plan->step_n;
	if (rollback_carries(e))
		ret = count_carried(e, goal, carried, err);
	if (ret >= 0 && sets.n)
		ret = ask_steps(e, t.of, err);
	for (size_t i = 0; ret >= 0 && i < sets.n; i++)
		ret = one_store(e, goal, &sets.v[i], &t, p, err);
	for (size_t i = 0; ret >= 0 && i < t.carried_n; i++)
		add_carried(p, &carried[i]);
	for (size_t i = 0; i < e->plan->step_n; i++) {
		free(t.of[i].is_one);
		free(t.of[i].is_left);
	}
	strbuf_release(&t.none);
	strbuf_release(&t.not_left);
	free(carried);
	free(t.of);
	return ret;
}
