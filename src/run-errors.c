/* SPDX-License-Identifier: MIT */
#include "run-errors.h"

#include <string.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "run.h"

#define SHOWN 3

static const char *const names[] = { "class", "sqlstate", "table" };

static bool is_same(struct json_object *a, struct json_object *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(json_get_str(a, names[i], ""),
			   json_get_str(b, names[i], "")) != 0)
			return false;
	return true;
}

static void add(struct json_object *all, struct json_object *e)
{
	struct json_object *o;
	int64_t n = json_get_int(e, "count", 0);

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		o = json_object_array_get_idx(all, i);
		if (is_same(o, e)) {
			json_set_int(o, "count",
				     json_get_int(o, "count", 0) + n);
			return;
		}
	}
	o = json_object_new_object();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		json_set_str(o, names[i], json_get_str(e, names[i], ""));
	json_set_int(o, "count", n);
	(void)json_object_array_add(all, o);
}

static int by_count(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object *const *)a;
	struct json_object *y = *(struct json_object *const *)b;
	int64_t m = json_get_int(x, "count", 0);
	int64_t n = json_get_int(y, "count", 0);

	return (n > m) - (n < m);
}

struct json_object *run_errors_json(const struct run *r)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < r->step_n; i++) {
		const struct run_step *s = &r->steps[i];
		struct json_object *list = s->facts && s->state !=
			STEP_UNDONE ? json_get(s->facts, "errors") : NULL;

		for (size_t k = 0; list && k < json_object_array_length(list);
		     k++)
			add(all, json_object_array_get_idx(list, k));
	}
	if (!json_object_array_length(all)) {
		json_object_put(all);
		return NULL;
	}
	json_object_array_sort(all, by_count);
	return all;
}

bool run_errors_text(const struct run *r, struct strbuf *out)
{
	_cleanup_json_ struct json_object *all = run_errors_json(r);
	size_t n = all ? json_object_array_length(all) : 0;

	for (size_t i = 0; i < n && i < SHOWN; i++) {
		struct json_object *o = json_object_array_get_idx(all, i);

		strbuf_addstr(out, i ? ", " : "");
		for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
			const char *t = json_get_str(o, names[k], "");

			if (*t)
				strbuf_addf(out, "%s ", t);
		}
		strbuf_addf(out, "%lld",
			    (long long)json_get_int(o, "count", 0));
	}
	if (n > SHOWN)
		strbuf_addstr(out, ", ...");
	return n > 0;
}
