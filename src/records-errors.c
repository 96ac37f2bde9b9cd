/* SPDX-License-Identifier: MIT */
#include "records-errors.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"

#define BAD_ROW "bad-row"

static const char *const classes[] = { "connection", "conflict", "too-much",
				       BAD_ROW };

static const char *class_of(int ret)
{
	switch (store_class(ret)) {
	case STORE_CLASS_RECONNECT:
		return classes[0];
	case STORE_CLASS_RETRY:
		return classes[1];
	case STORE_CLASS_SHRINK:
		return classes[2];
	case STORE_CLASS_BADROW:
		return classes[3];
	default:
		return NULL;
	}
}

void records_errors_release(struct records_errors *e)
{
	free(e->v);
	memset(e, 0, sizeof(*e));
}

static void count(struct records_errors *e, const char *class,
		  const char *sqlstate, const char *hour, uint64_t n)
{
	struct records_error *r;

	for (size_t i = 0; i < e->n; i++) {
		r = &e->v[i];
		if (!strcmp(r->class, class) && !strcmp(r->hour, hour) &&
		    !strcmp(r->sqlstate, sqlstate)) {
			r->n += n;
			return;
		}
	}
	VEC_GROW(e->v, e->n, e->cap);
	r = &e->v[e->n++];
	memset(r, 0, sizeof(*r));
	r->class = class;
	r->n = n;
	(void)snprintf(r->sqlstate, sizeof(r->sqlstate), "%s", sqlstate);
	(void)snprintf(r->hour, sizeof(r->hour), "%s", hour);
}

void records_errors_add(struct records_errors *e, int ret,
			const char *sqlstate)
{
	const char *class = class_of(ret);
	char now[CLOCK_TEXT_SIZE], hour[14];
	struct timespec ts;

	if (!class)
		return;
	clock_now(&ts);
	clock_format(&ts, now);
	(void)snprintf(hour, sizeof(hour), "%.10s %.2s", now, now + 11);
	count(e, class, sqlstate, hour, 1);
}

int records_errors_rejects(struct records_errors *e, const char *marks,
			   struct store *to, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_columns(to, "_upshift_reject", &b, err);

	if (ret <= 0)
		return ret;
	store_batch_clear(&args, 1);
	records_add_text(&args, marks);
	ret = store_exec(to, "SELECT sqlstate, substr(CAST(at AS text), 1, 13),"
			 " count(*) FROM _upshift_reject WHERE step = $1 "
			 "GROUP BY 1, 2 ORDER BY 1, 2", &args, &b, err);
	for (uint32_t row = 0; ret > 0 && row < b.nrow; row++) {
		_cleanup_free_ char *state = records_cell_text(&b, row, 0);
		_cleanup_free_ char *hour = records_cell_text(&b, row, 1);

		count(e, classes[3], state, hour ? hour : "",
		      records_cell_number(&b, row, 2));
	}
	return MIN(ret, 0);
}

struct json_object *records_errors_json(const struct records_errors *e,
					const char *table)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < e->n; i++) {
		struct json_object *o = json_object_new_object();

		json_set_str(o, "class", e->v[i].class);
		json_set_str(o, "sqlstate", e->v[i].sqlstate);
		json_set_str(o, "table", table);
		json_set_str(o, "hour", e->v[i].hour);
		json_set_int(o, "count", (int64_t)e->v[i].n);
		(void)json_object_array_add(list, o);
	}
	return list;
}

void records_errors_parse(struct records_errors *e, struct json_object *list)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *class = json_get_str(o, "class", "");

		for (size_t k = 0; k + 1 < ARRAY_SIZE(classes); k++)
			if (!strcmp(classes[k], class))
				count(e, classes[k],
				      json_get_str(o, "sqlstate", ""),
				      json_get_str(o, "hour", ""),
				      (uint64_t)json_get_int(o, "count", 0));
	}
}
