/* SPDX-License-Identifier: MIT */
/*
 * What a rollback did, as the journal has it: rows were counted before the
 * first change (rolling-back), paths before the first change of each step (a
 * fact). One that was killed and gone on with is thus told whole.
 */
#include "base/json.h"
#include "base/xalloc.h"
#include "run-internal.h"

static void add_counts(struct run_point *p, struct json_object *o)
{
	p->restored += (uint64_t)json_get_int(o, "restored", 0);
	p->carried += (uint64_t)json_get_int(o, "carried", 0);
	p->lost += (uint64_t)json_get_int(o, "lost", 0);
	p->kept += (uint64_t)json_get_int(o, "kept", 0);
}

void run_count_rows(struct run_point *p, struct json_object *tables)
{
	size_t n = tables ? json_object_array_length(tables) : 0;

	if (!n)
		return;
	p->tables = json_object_get(tables);
	for (size_t i = 0; i < n; i++)
		add_counts(p, json_object_array_get_idx(tables, i));
}

void run_count_paths(struct run_point *p, struct json_object *o)
{
	struct json_object *names = json_get(o, "lost_names");

	add_counts(p, o);
	for (size_t i = 0; names && i < json_object_array_length(names); i++)
		if (p->lost_names.n < RUN_UNDONE_NAMES)
			strvec_take(&p->lost_names,
				    json_array_get_bytes(names, i));
}

const struct run_point *run_last_point(const struct run *r)
{
	return r->point_n ? &r->points[r->point_n - 1] : NULL;
}

struct json_object *run_point_json(const struct run_point *p)
{
	struct json_object *o = json_object_new_object();
	struct json_object *names = json_object_new_array();

	json_set_str(o, "point", p->to);
	json_set_str(o, "r", p->name);
	json_set_str(o, "time", p->time);
	json_set_int(o, "restored", (int64_t)p->restored);
	if (p->carried)
		json_set_int(o, "carried", (int64_t)p->carried);
	json_set_int(o, "lost", (int64_t)p->lost);
	json_set_int(o, "kept", (int64_t)p->kept);
	for (size_t i = 0; i < p->lost_names.n; i++)
		json_array_add_bytes(names, p->lost_names.v[i]);
	json_object_object_add(o, "lost_names", names);
	json_object_object_add(o, "tables", p->tables ?
			       json_object_get(p->tables) :
			       json_object_new_array());
	return o;
}
