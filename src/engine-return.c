/* SPDX-License-Identifier: MIT */
/*
 * Going back to where a rollback began (R1, R2, ...): what it put aside takes
 * the place of what it restored, and that becomes the next R point.
 *
 * What others wrote since the rollback is told by what it left: the backup, or,
 * to a checkpoint, what the steps that it undid had found. Of rows it is those
 * that neither the backup nor the point has. Such rows of servers stay where they can (engine-keep.h).
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-keep.h"
#include "engine-rollback.h"
#include "engine-stores.h"
#include "manifest.h"
#include "step-records.h"
#include "store.h"

bool rollback_is_r_point(const char *point)
{
	return (*point == 'R' || *point == 'r') && point[1] >= '0' &&
		point[1] <= '9';
}

/* --- back to where a rollback began --- */

static struct run_point *find_point(struct run *r, const char *name)
{
	for (size_t i = 0; i < r->point_n; i++)
		if (!strcasecmp(r->points[i].name, name))
			return &r->points[i];
	return NULL;
}

static bool holds_one(const struct effects *eff, const char *dir)
{
	for (size_t i = 0; i < eff->n; i++)
		if (path_is_below(eff->v[i].path, dir))
			return true;
	return false;
}

/* directories that were away then, and came back with what was in them */
static int add_absent(struct engine *e, const struct run_point *p,
		      struct effects *eff, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.manifest.jsonl", p->name);
	struct manifest_reader *m = NULL;
	const struct item *it;
	int r = manifest_reader_open(&m, e->run->backup_fd, file, p->digest,
				     err);

	while (r >= 0 && (r = manifest_next(m, &it, err)) > 0)
		if (it->type == ITEM_ABSENT && holds_one(eff, it->path))
			effects_add(eff, EFFECT_CREATE, 0, it->path);
	manifest_reader_free(m);
	return r;
}

/* All that the rollback displaced and brought back, as in its manifest. */
static int point_effects(struct engine *e, const struct run_point *p,
			 struct effects *ret, struct error *err)
{
	struct effects written = EFFECTS_INIT;
	int r = 0;

	for (int i = 0; r >= 0 && i < (int)e->plan->step_n; i++)
		if (rollback_was_undone(e, p, i))
			r = rollback_written(e, i, &written);
	if (r >= 0)
		rollback_whole(e, &written, ret);
	if (r >= 0 && ret->n)
		r = add_absent(e, p, ret, err);
	effects_release(&written);
	return r;
}

static bool is_same(const char *set, const char *from)
{
	const char *dot = strchr(set, '.'), *its = strchr(from, '.');

	return !strcmp(set, from) || (dot && !strcmp(dot + 1, its ? its + 1 :
		from) && (rollback_is_aside(set) || str_starts(set,
							"public.")));
}

bool rollback_has_set(const struct engine *e, const struct store_sets *sets,
		      const struct plan_set *set)
{
	for (size_t i = 0; i < sets->n; i++)
		for (size_t k = 0; k < sets->v[i].sets.n; k++)
			if (!strcmp(plan_find_store(e->plan,
				    sets->v[i].store)->url, set->store->url) &&
			    is_same(sets->v[i].sets.v[k], set->set))
				return true;
	return false;
}

/* an old table into which this rollback carried rows, and nothing else was
   done to it: the redo of the step takes these back, and nobody else's */
static bool is_carried(struct engine *e, const struct run_point *p,
		       const char *store, const char *set)
{
	enum effect_type type;

	for (size_t i = 0; i < e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		const struct strvec *copies = s->ops->carry ?
					      s->ops->ends(s) : NULL;
		const char *r = json_get_str(e->run->steps[i].facts,
					     STEP_CARRIED, "");

		for (size_t k = 0; copies && !strcmp(r, p->name) &&
		     k < copies->n; k++) {
			int at = plan_step_index(e->plan, copies->v[k]);
			const struct plan_set *from = at < 0 ? NULL :
				step_records_from(e->plan->steps[at]);

			if (from && !strcmp(from->store->url,
			    plan_find_store(e->plan, store)->url) &&
			    is_same(set, from->set) &&
			    !rollback_writes(e, at, store, from->set, &type))
				return true;
		}
	}
	return false;
}

/* its name is that of a view, as the table stands aside */
static bool is_view(const struct strvec *sets, const char *set)
{
	for (size_t i = 0; i < sets->n; i++)
		if (rollback_is_aside(sets->v[i]) && strcmp(sets->v[i], set) &&
		    is_same(sets->v[i], set))
			return true;
	return false;
}

static void drop_carried(struct engine *e, const struct run_point *p,
			 struct store_sets *sets)
{
	struct store_sets left = STORE_SETS_INIT;

	for (size_t i = 0; i < sets->n; i++)
		for (size_t k = 0; k < sets->v[i].sets.n; k++)
			if (is_view(&sets->v[i].sets, sets->v[i].sets.v[k]) ||
			    !is_carried(e, p, sets->v[i].store,
					sets->v[i].sets.v[k]))
				store_sets_add_one(&left, sets->v[i].store,
						   sets->v[i].sets.v[k]);
	store_sets_release(sets);
	*sets = left;
}

/* sets of servers, as they were saved with the point */
static int point_sets(struct engine *e, const struct run_point *p,
		      struct store_sets *ret, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.stores", p->name);

	int r = p->stores_digest ? engine_stores_in(e, file, p->stores_digest,
						    ret, err) : 0;

	if (r >= 0)
		drop_carried(e, p, ret);
	return r;
}

/* and more came in behind it, which is not to be without */
static bool is_loaded(const struct engine *e)
{
	for (size_t i = 0; i < e->run->step_n; i++)
		if (!strcmp(json_get_str(e->run->steps[i].facts, STEP_ALONG,
					 ""), e->run->rollback_r))
			return true;
	return false;
}

static int load_sets(struct engine *e, const char *name, const char *digest,
		     const struct store_sets *sets)
{
	const struct run_point *since = find_point(e->run, e->run->rollback_r);
	_cleanup_free_ char *file = xasprintf("%s.stores", name);
	const struct engine_keep keep = {
		.e = e, .point = name, .point_digest = digest,
		.since = since->name, .digest = since->stores_digest,
	};
	_cleanup_strvec_ struct strvec none = STRVEC_INIT;
	int step = 0;

	if (!sets->n || is_loaded(e))
		return 0;
	/* on behalf of any that may write */
	while (e->plan->steps[step]->ops->flags & STEP_IS_CHECK)
		step++;
	return engine_stores_load(e, file, digest, sets, &none, step, false,
				  keep.digest ? &keep : NULL, &e->err);
}

/* --- what it would do --- */

/* post: the manifest of what the rollback left there, or NULL: not known */
static int count_paths(struct engine *e, const struct run_point *p,
		       const struct effects *eff, const struct effects *told,
		       const char *post, const char *digest,
		       struct undo_counts *n, struct error *err)
{
	struct undo *u = NULL;
	struct undo_spec spec;
	int r;

	if (!eff->n)
		return 0;
	rollback_spec(e, &spec);
	spec.effects = eff;
	spec.handled = told;
	spec.source = UNDO_FROM_TREE;
	spec.pre_name = spec.tree_name = p->name;
	spec.pre_digest = p->digest;
	spec.aside_name = "preview";
	spec.post_name = post;
	spec.post_digest = digest;
	r = undo_open(&u, &spec, err);
	if (r >= 0)
		r = undo_preview(u, n, err);
	undo_free(u);
	return r;
}

/* What the steps below the point had made of a path is what the first one that
   was undone found there. */
static int count_found(struct engine *e, const struct run_point *p,
		       struct effects *told, struct undo_counts *n,
		       struct error *err)
{
	int r = 0;

	for (int i = 0; r >= 0 && i < (int)e->plan->step_n; i++) {
		_cleanup_effects_ struct effects eff = EFFECTS_INIT;
		struct undo_names names;
		struct undo_spec spec;

		if (!rollback_was_undone(e, p, i) ||
		    !e->run->steps[i].pre_digest)
			continue;
		r = rollback_written(e, i, &eff);
		if (r < 0)
			break;
		rollback_spec_step(e, i, &spec, &names, &eff);
		r = count_paths(e, p, &eff, told, spec.pre_name,
				spec.pre_digest, n, err);
		if (r >= 0)
			r = rollback_written(e, i, told);
		effects_index(told);
	}
	return r;
}

static int count_files(struct engine *e, const struct run_point *p,
		       struct rollback_preview *ret, struct error *err)
{
	struct undo_counts n = {
		.lost_names = &ret->lost_names,
		/* no file keeps what came in since */
		.kept_names = &ret->lost_names,
		.restored_names = &ret->restored_names,
	};
	struct effects eff = EFFECTS_INIT, told = EFFECTS_INIT;
	/* all of it is in the backup; of a scenario "to" is its name */
	bool start = p->to && !strcasecmp(p->to, "start");
	int r = point_effects(e, p, &eff, err);

	if (r >= 0 && !start)
		r = count_found(e, p, &told, &n, err);
	if (r >= 0)
		r = count_paths(e, p, &eff, &told, start ? "start" : NULL,
				start ? e->run->backup.manifest_digest : NULL,
				&n, err);
	effects_release(&told);
	effects_release(&eff);
	ret->restored += n.restored;
	ret->lost += n.lost + n.kept;
	ret->bytes += n.bytes;
	return r;
}

static void add_rows(struct rollback_preview *p, const char *store,
		     const char *set, const struct store_beside *b,
		     uint64_t others, uint64_t lost)
{
	uint64_t goes = b->now - MIN(others, b->now);

	if (!b->then && !b->now && !others)
		return;
	p->tables = xrealloc(p->tables, p->table_n + 1, sizeof(*p->tables));
	/* one that comes back and one that goes may be the same row */
	p->tables[p->table_n++] = (struct rollback_rows){
		.name = xasprintf("%s:%s", store, set), .known = true,
		.restored = MAX(b->then, goes), .lost = lost,
		.kept = others - lost,
	};
}

struct beside {
	struct store_dump dump[2];       /* the point, and the backup */
	struct store_load load[2];
	struct stores_reader *reader[2];
};

/* what others wrote, and what of it does not stay */
static int count_others(struct store *s, struct beside *d,
			struct store_dump_set *now,
			struct store_dump_set *to, uint64_t *others,
			uint64_t *lost, struct error *err)
{
	const struct store_dump_one live = { .s = s, .set = now };
	const struct store_dump_one known[] = {
		{ .l = &d->load[0], .set = to },
		{ .l = &d->load[1],
		  .set = engine_keep_find(&d->dump[1], now->full) },
	};
	int r = store_dump_rows(s, now, NULL, NULL, err);

	if (r >= 0)
		r = store_dump_others(&live, known, ARRAY_SIZE(known), others,
				      lost, err);
	if (!to)
		*lost = *others;
	return r;
}

static int count_set(struct store *s, const char *store, struct beside *d,
		     struct store_dump_set *now, struct rollback_preview *ret,
		     struct error *err)
{
	struct store_dump_set *then = store_dump_find(&d->dump[0], now->set);
	struct store_dump_set *to = now->full ?
		engine_keep_to(&d->dump[0], now->full) : NULL;
	bool viewed = then && then->full && !store_dump_has_rows(then);
	struct store_beside b = { 0 };
	uint64_t others = 0, lost = 0;
	int r = 0;

	/* views have none of their own */
	if ((now->full && !store_dump_has_rows(now)) ||
	    rollback_is_aside(now->set))
		return 0;
	if (now->full)
		r = count_others(s, d, now, to, &others, &lost, err);
	/* one that stands aside by then is where it is */
	if (r >= 0 && !viewed)
		r = store_dump_beside(s, &d->load[0], then, now, &b, err);
	if (r >= 0)
		add_rows(ret, store, to ? to->set : now->set, &b, others, lost);
	return r;
}

static int count_store(struct engine *e, const struct run_point *p,
		       const struct store_sets_one *o,
		       struct rollback_preview *ret, struct error *err)
{
	_cleanup_store_dump_ struct store_dump now = STORE_DUMP_INIT;
	_cleanup_free_ char *file = xasprintf("%s.stores", p->name);
	const char *const names[] = { file, "start" };
	const char *const digest[] = { p->stores_digest,
				       e->run->backup.manifest_digest };
	_cleanup_store_ struct store *s = NULL;
	struct beside d = { .reader = { NULL } };
	struct step_ctx c;
	int r = 0;

	for (int i = 0; r >= 0 && i < 2; i++) {
		d.load[i].dump = &d.dump[i];
		r = engine_stores_index(e, names[i], digest[i], o->store,
					&d.dump[i], err);
		d.reader[i] = engine_stores_reader(e, names[i], digest[i],
						   o->store, &d.load[i]);
	}
	step_ctx_init(&c, e, NULL, PHASE_BACKUP);
	if (r >= 0)
		r = step_store(&c, o->store, true, &s, err);
	if (r >= 0)
		r = store_dump_begin(s, &o->sets, &now, err);
	for (size_t i = 0; r >= 0 && i < now.n; i++)
		if (!now.sets[i].beside &&
		    !(store_dump_has_rows(&now.sets[i]) &&
		      is_carried(e, p, o->store, now.sets[i].set)))
			r = count_set(s, o->store, &d, &now.sets[i], ret, err);
	store_close(TAKE_PTR(s));
	step_ctx_release(&c);
	for (int i = 0; i < 2; i++) {
		if (d.reader[i])
			engine_stores_reader_free(d.reader[i]);
		store_dump_release(&d.dump[i]);
	}
	return r;
}

static bool may_return(struct engine *e, const struct run_point *p,
		       const char *name, struct error *err)
{
	if (p && e->run->state == RUN_ROLLED_BACK && e->run->rollback_r &&
	    !strcasecmp(e->run->rollback_r, name))
		return true;
	(void)error_set(err, ERR_NO_POINT, -ENOENT,
		_("point %s cannot be gone back to: it is not the "
		  "state before the last rollback"), name);
	return false;
}

int rollback_preview_rows(struct engine *e, const char *name,
			  struct rollback_preview *ret, struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	const struct run_point *p = find_point(e->run, name);
	int r;

	if (!may_return(e, p, name, err))
		return -ENOENT;
	r = rollback_point_sets(e, &sets, err);
	if (r >= 0)
		drop_carried(e, p, &sets);
	for (size_t i = 0; r >= 0 && i < sets.n; i++)
		r = count_store(e, p, &sets.v[i], ret, err);
	return r;
}

int rollback_preview_files(struct engine *e, const char *name,
			   struct rollback_preview *ret, struct error *err)
{
	return count_files(e, find_point(e->run, name), ret, err);
}

/* --- it does --- */

/* the undo that comes cannot tell: it does not know what the last one left */
static int record_paths(struct engine *e, const char *name, struct error *err)
{
	struct rollback_preview p;
	struct undo_counts n = { .lost_names = &p.lost_names };
	int ret;

	memset(&p, 0, sizeof(p));
	if (rollback_is_recorded(e, NULL, e->run->rollback_r))
		return 0;
	ret = rollback_preview_files(e, name, &p, err);
	n.restored = p.restored;
	n.lost = p.lost;
	if (ret >= 0)
		ret = rollback_record_paths(e, NULL, e->run->rollback_r, &n,
					    err);
	rollback_preview_release(&p);
	return ret;
}

int rollback_return(struct engine *e, const char *name)
{
	struct run_point *p = find_point(e->run, name);
	bool going_on = e->run->state == RUN_ROLLING_BACK ||
		e->run->state == RUN_ROLLBACK_FAILED;
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	struct effects eff = EFFECTS_INIT;
	_cleanup_free_ char *tree = NULL;
	_cleanup_free_ char *digest = NULL;
	_cleanup_free_ char *stores = NULL;
	struct undo_spec u;
	int ret;

	if (!(p && going_on) && !may_return(e, p, name, &e->err))
		return error_code_exit(ERR_NO_POINT);
	tree = xstrdup(p->name);
	digest = xstrdup_null(p->digest);
	stores = xstrdup_null(p->stores_digest);
	rollback_emit(e, tree, EVENT_STARTED);
	ret = point_effects(e, p, &eff, &e->err);
	if (ret >= 0)
		ret = point_sets(e, p, &sets, &e->err);
	if (ret >= 0 && !going_on)
		ret = rollback_begin(e, tree, 0, &eff, &sets,
				     &e->err);
	/* the list of points may have moved: p is found anew */
	if (ret >= 0)
		ret = record_paths(e, tree, &e->err);
	if (ret >= 0)
		ret = rollback_redo(e, find_point(e->run, tree), &sets,
				    false, &e->err);
	if (ret >= 0)
		ret = load_sets(e, tree, stores, &sets);
	if (ret >= 0 && eff.n) {
		rollback_spec(e, &u);
		u.effects = &eff;
		u.source = UNDO_FROM_TREE;
		u.pre_name = u.tree_name = tree;
		u.pre_digest = digest;
		u.aside_name = e->run->rollback_r;
		ret = rollback_run_undo(e, NULL, &u, &e->err);
	}
	effects_release(&eff);
	if (ret >= 0)
		ret = rollback_redo(e, find_point(e->run, tree), &sets,
				    true, &e->err);
	if (ret < 0)
		return rollback_failed(e, &e->err);
	if (rollback_record_done(e, tree, EXIT_DONE) < 0)
		return error_code_exit(ERR_JOURNAL);
	rollback_emit(e, tree, EVENT_DONE);
	return EXIT_DONE;
}
