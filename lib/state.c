/* SPDX-License-Identifier: MIT */
/* where a run stands: the one object of `upshift status --json` */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "upshift-internal.h"

enum { EXIT_NO_RUN = 66 };

static int keep_line(void *ctx, char *line)
{
	struct json_object **o = ctx;

	if (*o)
		return 0;
	*o = json_tokener_parse(line);
	return json_object_is_type(*o, json_type_object) ? 0 : -EPROTO;
}

static char *copy(struct json_object *o, const char *key)
{
	struct json_object *v;

	return strdup(json_object_object_get_ex(o, key, &v) ?
		      json_object_get_string(v) : "");
}

static bool has(struct json_object *o, const char *key, const char *text)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && v &&
	       !strcmp(json_object_get_string(v), text);
}

static void count_steps(struct json_object *o, struct upshift_state *s)
{
	struct json_object *list;
	size_t n;

	if (!json_object_object_get_ex(o, "steps", &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	n = json_object_array_length(list);
	for (size_t i = 0; i < n; i++) {
		struct json_object *st = json_object_array_get_idx(list, i);

		s->steps_completed += has(st, "state", "applied") ||
			has(st, "state", "verified");
		s->steps_failed += has(st, "state", "failed") ||
			has(st, "state", "undo-failed");
	}
	s->steps_total = (int)n;
}

static int take_points(struct json_object *o, struct upshift_state *s)
{
	struct json_object *list, *v;
	size_t n;

	if (!json_object_object_get_ex(o, "checkpoints", &list) ||
	    !json_object_is_type(list, json_type_array))
		list = NULL;
	n = list ? json_object_array_length(list) : 0;
	s->points = calloc(n + 1, sizeof(*s->points));
	if (!s->points)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct json_object *p = json_object_array_get_idx(list, i);

		if (json_object_object_get_ex(p, "available", &v) &&
		    !json_object_get_boolean(v))
			continue;
		s->points[s->point_n] = copy(p, "point");
		if (!s->points[s->point_n++])
			return -ENOMEM;
	}
	return 0;
}

static int take_state(struct json_object *o, struct upshift_state **ret)
{
	struct upshift_state *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->run = copy(o, "run");
	s->plan = copy(o, "plan");
	s->from = copy(o, "from");
	s->to = copy(o, "to");
	s->state = copy(o, "state");
	s->data = copy(o, "data");
	if (!s->run || !s->plan || !s->from || !s->to || !s->state ||
	    !s->data || take_points(o, s) < 0) {
		upshift_state_free(s);
		return -ENOMEM;
	}
	s->complete = !strcmp(s->state, "complete");
	count_steps(o, s);
	*ret = s;
	return 0;
}

int upshift_get_state(const struct upshift_options *o,
		      struct upshift_state **ret)
{
	struct upshift_internal_args a = { .n = 0 };
	struct upshift_internal_text err = { 0 };
	struct json_object *j = NULL;
	int status, rc;

	*ret = NULL;
	if (!o->root)
		return -EINVAL;
	upshift_internal_args(&a, o, "status");
	rc = upshift_internal_spawn(a.v, keep_line, &j, &err, &status);
	if (!rc && !j)
		rc = status < 0 ? -ECHILD : status == EXIT_NO_RUN ? 0 : -EIO;
	else if (!rc && !has(j, "state", "none"))
		rc = take_state(j, ret);
	json_object_put(j);
	free(err.buf);
	return rc;
}

int upshift_is_complete(const struct upshift_options *o)
{
	struct upshift_state *s;
	int ret = upshift_get_state(o, &s);

	if (ret >= 0 && s)
		ret = s->complete;
	upshift_state_free(s);
	return ret;
}

void upshift_state_free(struct upshift_state *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->point_n; i++)
		free(s->points[i]);
	free(s->points);
	free(s->run);
	free(s->plan);
	free(s->from);
	free(s->to);
	free(s->state);
	free(s->data);
	free(s);
}
