/* SPDX-License-Identifier: MIT */
/* What a rollback would do: RESTORED, LOST, KEPT (PROTOCOL 5). */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-rollback.h"
#include "engine-snapshot.h"

/* --- preview --- */

void rollback_preview_release(struct rollback_preview *p)
{
	strvec_release(&p->restored_names);
	strvec_release(&p->carried_names);
	strvec_release(&p->alone_names);
	strvec_release(&p->lost_names);
	strvec_release(&p->kept_names);
	for (size_t i = 0; i < p->table_n; i++)
		free(p->tables[i].name);
	free(p->tables);
	free(p->snapshot);
}

/* Paths that a newer step covers were told with that step. */
static int preview_step(struct engine *e, int i, const struct effects *newer,
			struct undo_counts *n, struct error *err)
{
	struct effects eff = EFFECTS_INIT;
	struct undo_names names;
	struct undo_spec spec;
	struct undo *u = NULL;
	int ret = rollback_written(e, i, &eff);

	if (ret >= 0 && eff.n && e->run->steps[i].pre_digest) {
		rollback_spec_step(e, i, &spec, &names, &eff);
		spec.aside_name = "preview";
		spec.handled = newer;
		ret = undo_open(&u, &spec, err);
		if (ret >= 0)
			ret = undo_preview(u, n, err);
		undo_free(u);
	}
	effects_release(&eff);
	return ret;
}

static void add_rows(struct strvec *names, uint64_t *total, const char *name,
		     uint64_t n)
{
	_cleanup_free_ char *count = count_text(n);

	if (!n)
		return;
	strvec_pushf(names, ngettext("%s: %s row", "%s: %s rows", n), name,
		     count);
	*total += n;
}

/* as the plan calls it where it is written */
static void set_shown(const struct engine *e, struct rollback_rows *t)
{
	const char *set = strchr(t->name, ':');
	_cleanup_free_ char *store = set ? xstrndup(t->name,
		(size_t)(set - t->name)) : NULL;
	char *was = t->name;

	if (!set || !set[1])
		return;
	t->name = engine_same_shown(e, NULL, store, set + 1);
	free(was);
}

/* Tables on servers, ahead of what there is of files. */
static int preview_tables(struct engine *e, const char *point, int goal,
			  struct rollback_preview *ret, struct error *err)
{
	int r = rollback_is_r_point(point) ?
		rollback_preview_rows(e, point, ret, err) :
		rollback_count_rows(e, goal, ret, err);

	for (size_t i = 0; r >= 0 && i < ret->table_n; i++) {
		struct rollback_rows *t = &ret->tables[i];

		set_shown(e, t);
		add_rows(&ret->restored_names, &ret->restored, t->name,
			 t->restored);
		add_rows(&ret->carried_names, &ret->carried, t->name,
			 t->carried);
		add_rows(&ret->lost_names, &ret->lost, t->name, t->lost);
		add_rows(&ret->kept_names, &ret->kept, t->name, t->kept);
		if (t->known)
			continue;
		strvec_push(&ret->restored_names, t->name);
		ret->restored++;
	}
	return r;
}

int engine_preview_rollback(struct engine *e, struct run *run,
			    const char *point, struct rollback_preview *ret,
			    struct error *err)
{
	struct effects newer = EFFECTS_INIT;
	int goal, r = 0;

	memset(ret, 0, sizeof(*ret));
	engine_adopt(e, run);
	if (rollback_is_r_point(point)) {
		r = preview_tables(e, point, 0, ret, err);
		return r < 0 ? r : rollback_preview_files(e, point, ret, err);
	}
	goal = rollback_goal(e, point, err);
	if (goal < 0)
		return -ENOENT;
	if (rollback_wants(e) == PLAN_BY_SNAPSHOT) {
		r = engine_snapshot_may(e, point, goal, err);
		if (r < 0)
			return r;
		ret->snapshot = xstrdup(e->run->snapshot.id);
	} else {
		r = rollback_may(e, point, goal, err);
	}
	if (r >= 0)
		r = preview_tables(e, point, goal, ret, err);
	for (int i = (int)e->plan->step_n - 1; r >= 0 && i >= goal; i--) {
		struct undo_counts n = {
			.lost_names = &ret->lost_names,
			.kept_names = &ret->kept_names,
			.restored_names = &ret->restored_names,
		};

		if (!rollback_touches(e, i))
			continue;
		ret->undone_steps++;
		r = preview_step(e, i, &newer, &n, err);
		ret->restored += n.restored;
		ret->lost += n.lost;
		ret->kept += n.kept;
		ret->bytes += n.bytes;
		if (r >= 0)
			r = rollback_written(e, i, &newer);
		effects_index(&newer);
	}
	effects_release(&newer);
	return r;
}

/* --- and what it did --- */

struct json_object *rollback_tables_json(const struct rollback_preview *p)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < p->table_n; i++) {
		const struct rollback_rows *t = &p->tables[i];
		struct json_object *o = json_object_new_object();

		json_set_bytes(o, "table", t->name);
		if (t->known) {
			json_set_int(o, "restored", (int64_t)t->restored);
			if (t->carried)
				json_set_int(o, "carried", (int64_t)t->carried);
			json_set_int(o, "lost", (int64_t)t->lost);
			json_set_int(o, "kept", (int64_t)t->kept);
		}
		json_object_array_add(a, o);
	}
	return a;
}

/* the rest is told as one */
static void cut_tables(struct rollback_preview *p)
{
	struct rollback_rows *last;

	if (p->table_n <= RUN_UNDONE_TABLES)
		return;
	last = &p->tables[RUN_UNDONE_TABLES - 1];
	free(last->name);
	last->name = xstrdup("...");
	for (size_t i = RUN_UNDONE_TABLES; i < p->table_n; i++) {
		last->restored += p->tables[i].restored;
		last->carried += p->tables[i].carried;
		last->lost += p->tables[i].lost;
		last->kept += p->tables[i].kept;
		last->known &= p->tables[i].known;
		free(p->tables[i].name);
	}
	p->table_n = RUN_UNDONE_TABLES;
}

/* what cannot be counted is no reason to stay where one is */
struct json_object *rollback_rows_json(struct engine *e, const char *point,
				       int goal)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct json_object *ret = NULL;
	struct rollback_preview p;

	memset(&p, 0, sizeof(p));
	if (preview_tables(e, point, goal, &p, &err) >= 0 && p.table_n) {
		cut_tables(&p);
		ret = rollback_tables_json(&p);
	}
	rollback_preview_release(&p);
	return ret;
}
