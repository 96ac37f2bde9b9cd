/* SPDX-License-Identifier: MIT */
#include "upshift.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upshift-internal.h"

enum {
	EXIT_DONE = 0, EXIT_WARNINGS = 3, EXIT_PENDING = 9,
};

struct stream {
	const struct upshift_options *o;
	struct upshift_result *r;
	bool summary, told;      /* a run, rollback, ... was under way */
};

static const char *text(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) &&
		json_object_is_type(v, json_type_string) ?
		json_object_get_string(v) : NULL;
}

static int64_t number(struct json_object *o, const char *key, int64_t def)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ?
		json_object_get_int64(v) : def;
}

static bool is(const char *a, const char *b)
{
	return a && !strcmp(a, b);
}

static int add_finding(struct upshift_result *r, enum upshift_severity sev,
		       const char *id, struct json_object *ev)
{
	struct upshift_finding *v = realloc(r->findings, (r->finding_n + 1) *
					    sizeof(*v));
	struct upshift_finding *f;

	if (!v)
		return -ENOMEM;
	r->findings = v;
	f = &v[r->finding_n++];
	f->severity = sev;
	f->id = strdup(id ? id : "");
	f->message = strdup(text(ev, "message") ? text(ev, "message") : "");
	f->hint = strdup(text(ev, "hint") ? text(ev, "hint") : "");
	return f->id && f->message && f->hint ? 0 : -ENOMEM;
}

static int take_finding(struct upshift_result *r, const char *type,
			struct json_object *ev)
{
	const char *state = text(ev, "state");

	if (is(type, "check") || is(type, "verify"))
		return add_finding(r, is(state, "fail") ? UPSHIFT_FAIL :
				   is(state, "warn") ? UPSHIFT_WARN :
				   UPSHIFT_OK, text(ev, "id"), ev);
	if (is(type, "warning"))
		return add_finding(r, UPSHIFT_WARN, text(ev, "step"), ev);
	if (is(type, "error"))
		return add_finding(r, UPSHIFT_FAIL, text(ev, "step"), ev);
	return 0;
}

static void take_summary(struct stream *s, struct json_object *ev)
{
	struct upshift_result *r = s->r;

	s->summary = true;
	r->status = (int)number(ev, "exit", -1);
	r->steps_completed = (int)number(ev, "steps_done", 0);
	r->steps_total = (int)number(ev, "steps_total", 0);
	if (text(ev, "run"))
		(void)snprintf(r->run, sizeof(r->run), "%s", text(ev, "run"));
}

static int call_back(struct stream *s, struct json_object *ev,
		     const char *line)
{
	struct upshift_event e = {
		.type = text(ev, "type"), .id = text(ev, "id"),
		.state = text(ev, "state"), .phase = text(ev, "phase"),
		.message = text(ev, "message"),
		.done = (uint64_t)number(ev, "done", 0),
		.total = (uint64_t)number(ev, "total", 0),
		.n = (int)number(ev, "n", 0), .of = (int)number(ev, "of", 0),
		.json = line,
	};

	if (!s->o->on_event || !e.type)
		return 0;
	return s->o->on_event(s->o->ctx, &e) ? 1 : 0;
}

static int take_line(void *ctx, char *line)
{
	struct stream *s = ctx;
	struct json_object *ev = json_tokener_parse(line);
	const char *type;
	int ret;

	/* what is no object is not from upshift */
	if (!ev || !json_object_is_type(ev, json_type_object)) {
		json_object_put(ev);
		return -EPROTO;
	}
	s->told = true;
	type = text(ev, "type");
	if (is(type, "summary"))
		take_summary(s, ev);
	if (is(type, "step") && is(text(ev, "state"), "failed"))
		s->r->steps_failed++;
	ret = take_finding(s->r, type, ev);
	if (ret >= 0)
		ret = call_back(s, ev, line);
	json_object_put(ev);
	return ret;
}

static int carry_out(const struct upshift_options *o,
		     struct upshift_internal_args *a, bool dry,
		     struct upshift_result *r)
{
	struct upshift_internal_text err = { 0 };
	struct stream s = { .o = o, .r = r };
	int status, ret;

	if (a->error)
		return a->error;
	ret = upshift_internal_spawn(a->v, take_line, &s, &err, &status);
	r->message = err.buf ? err.buf : strdup("");
	if (!r->message && ret >= 0)
		ret = -ENOMEM;
	if (status >= 0)
		r->status = status;
	else if (ret >= 0 && !s.summary)
		ret = -ECHILD;
	r->nothing_to_do = r->status == EXIT_DONE && !s.told;
	r->success = ret >= 0 && (r->status == EXIT_DONE ||
				  r->status == EXIT_WARNINGS ||
				  (dry && r->status == EXIT_PENDING));
	return ret;
}

static void clear(struct upshift_result *r)
{
	memset(r, 0, sizeof(*r));
	r->status = -1;
}

static void add_values(struct upshift_internal_args *a,
		       const struct upshift_options *o)
{
	upshift_internal_option(a, "--answers", o->answers_file);
	upshift_internal_option(a, "--backup-dir", o->backup_dir);
	for (size_t i = 0; o->set && o->set[i]; i++)
		upshift_internal_option(a, "--set", o->set[i]);
}

/* a plan's name may begin with a dash */
static void add_plan(struct upshift_internal_args *a,
		     const struct upshift_options *o)
{
	upshift_internal_arg(a, "--");
	upshift_internal_arg(a, o->plan);
}

int upshift_run(const struct upshift_options *o, bool dry,
		struct upshift_result *ret)
{
	struct upshift_internal_args a = { .n = 0 };

	clear(ret);
	if (!o->plan)
		return -EINVAL;
	upshift_internal_args(&a, o, "run");
	upshift_internal_arg(&a, "--batch");
	if (dry)
		upshift_internal_arg(&a, "--dry-run");
	if (o->yes)
		upshift_internal_arg(&a, "--yes");
	if (o->if_needed)
		upshift_internal_arg(&a, "--if-needed");
	if (o->again)
		upshift_internal_arg(&a, "--again");
	add_values(&a, o);
	add_plan(&a, o);
	return carry_out(o, &a, dry, ret);
}

int upshift_rollback(const struct upshift_options *o, const char *point,
		     struct upshift_result *ret)
{
	struct upshift_internal_args a = { .n = 0 };
	const char *to = point ? point : "start";
	char words[64];

	clear(ret);
	if (strlen(to) >= 32)
		return -EINVAL;
	(void)snprintf(words, sizeof(words), "roll back to %s", to);
	upshift_internal_args(&a, o, "rollback");
	upshift_internal_arg(&a, "--batch");
	upshift_internal_option(&a, "--answers", o->answers_file);
	upshift_internal_option(&a, "--confirm", words);
	upshift_internal_arg(&a, "--");
	upshift_internal_arg(&a, to);
	return carry_out(o, &a, false, ret);
}

int upshift_validate(const struct upshift_options *o,
		     struct upshift_result *ret)
{
	struct upshift_internal_args a = { .n = 0 };

	clear(ret);
	if (!o->plan)
		return -EINVAL;
	upshift_internal_args(&a, o, "check");
	add_values(&a, o);
	add_plan(&a, o);
	return carry_out(o, &a, false, ret);
}

int upshift_check_integrity(const struct upshift_options *o,
			    const char *level, struct upshift_result *ret)
{
	struct upshift_internal_args a = { .n = 0 };

	clear(ret);
	upshift_internal_args(&a, o, "verify");
	upshift_internal_option(&a, "--level", level);
	upshift_internal_option(&a, "--answers", o->answers_file);
	return carry_out(o, &a, false, ret);
}

void upshift_result_free(struct upshift_result *r)
{
	for (size_t i = 0; i < r->finding_n; i++) {
		free(r->findings[i].id);
		free(r->findings[i].message);
		free(r->findings[i].hint);
	}
	free(r->findings);
	free(r->message);
	memset(r, 0, sizeof(*r));
}
