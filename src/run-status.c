/* SPDX-License-Identifier: MIT */
/*
 * Where a run stands, in words and as JSON. From memory alone, so that status,
 * state.json, report and screen tell the same story.
 */
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "journal.h"
#include "plan.h"
#include "run-errors.h"
#include "run-internal.h"
#include "step-fence.h"

static bool step_is_done(const struct run_step *st)
{
	return st->state == STEP_APPLIED || st->state == STEP_VERIFIED;
}

/* "1-3, 5": of the steps that changed data and are through */
static size_t list_touched(const struct run *r, struct strbuf *out)
{
	size_t i, from, n = 0;

	for (i = 0; i < r->step_n; i++) {
		if (!r->steps[i].touched || !step_is_done(&r->steps[i]))
			continue;
		from = i;
		while (i + 1 < r->step_n && r->steps[i + 1].touched &&
		       step_is_done(&r->steps[i + 1]))
			i++;
		strbuf_addf(out, "%s%zu", n ? ", " : "", from + 1);
		if (i > from)
			strbuf_addf(out, "-%zu", i + 1);
		n += i - from + 1;
	}
	return n;
}

/* number of the step that is half done, 0: none */
static int unfinished_step(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->step_n; i++)
		if (r->steps[i].touched && !step_is_done(&r->steps[i]))
			return (int)i + 1;
	return 0;
}

static void add_unfinished(const struct run *r, int n, bool live,
			   struct strbuf *out)
{
	const struct run_step *st = &r->steps[n - 1];

	if (out->len)
		strbuf_addstr(out, "; ");
	if (st->state == STEP_APPLYING && live)
		strbuf_addf(out, _("changing, step %d"), n);
	else if (st->state == STEP_APPLYING)
		strbuf_addf(out, _("step %d was interrupted"), n);
	else if (st->state == STEP_UNDO_FAILED)
		strbuf_addf(out, _("step %d could not be undone"), n);
	else if (st->state == STEP_UNDOING)
		strbuf_addf(out, _("step %d is half undone"), n);
	else
		strbuf_addf(out, _("step %d failed"), n);
}

/* who asks why an application cannot write looks here */
static void add_fences(const struct run *r, struct strbuf *out)
{
	for (size_t i = 0; i < r->step_n; i++) {
		struct json_object *list = json_get(r->steps[i].facts,
						    STEP_FENCED);
		_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
		size_t n = list ? json_object_array_length(list) : 0;

		for (size_t k = 0; k < n; k++)
			strbuf_addf(&names, "%s'%s'", k ? ", " : "",
				json_object_get_string(
					json_object_array_get_idx(list, k)));
		if (n)
			strbuf_addf(out, _("; nobody can write %s (step %d)"),
				    names.buf, (int)i + 1);
	}
}

char *run_data_text(const struct run *r, bool live)
{
	_cleanup_strbuf_ struct strbuf list = STRBUF_INIT;
	struct strbuf out = STRBUF_INIT;
	const char *point = r->rollback_point ? r->rollback_point : "start";
	size_t n = list_touched(r, &list);
	int half = unfinished_step(r);

	strbuf_init(&out);
	if (r->state == RUN_COMPLETE)
		strbuf_addstr(&out, _("upgraded, verified"));
	else if (r->state == RUN_ROLLED_BACK)
		strbuf_addf(&out, _("rolled back to %s"), point);
	else if (r->state == RUN_ROLLING_BACK && live)
		strbuf_addf(&out, _("being rolled back to %s"), point);
	else if (r->state == RUN_ROLLING_BACK)
		strbuf_addf(&out, _("rollback to %s was interrupted"), point);
	else if (r->state == RUN_ROLLBACK_FAILED)
		strbuf_addf(&out, _("rollback to %s failed"), point);
	if (r->state == RUN_COMPLETE || r->state == RUN_ROLLED_BACK) {
		add_fences(r, &out);
		return strbuf_detach(&out);
	}
	if (n) {
		if (out.len)
			strbuf_addstr(&out, "; ");
		strbuf_addf(&out, ngettext("changed by step %s",
					   "changed by steps %s", n),
			    list.buf);
	}
	if (half)
		add_unfinished(r, half, live, &out);
	if (!n && !half && r->state != RUN_ROLLING_BACK &&
	    r->state != RUN_ROLLBACK_FAILED)
		strbuf_addstr(&out, _("not changed"));
	add_fences(r, &out);
	return strbuf_detach(&out);
}

/* the seven words of DESIGN 7 */
static const char *status_word(const struct run *r, bool live)
{
	switch (r->state) {
	case RUN_NONE:
		return "none";
	case RUN_BEGUN:
	case RUN_BACKED_UP:
	case RUN_ROLLING_BACK:
		return live ? "running" : "paused";
	case RUN_PAUSED:
		return "paused";
	case RUN_FAILED:
	case RUN_CLOSED:
		return "failed";
	case RUN_COMPLETE:
		return "complete";
	case RUN_ROLLED_BACK:
		return "rolled-back";
	default:
		return "rollback-failed";
	}
}

/* --- what to type next --- */

static void add_next(const struct run *r, struct strvec *ret, const char *verb,
		     const char *rest)
{
	_cleanup_strbuf_ struct strbuf cmd = STRBUF_INIT;

	strbuf_addf(&cmd, "upshift %s --root ", verb);
	add_shell_word(&cmd, r->sd->root);
	if (rest)
		strbuf_addf(&cmd, " %s", rest);
	strvec_take(ret, strbuf_detach(&cmd));
}

void run_next(const struct run *r, bool live, struct strvec *ret)
{
	_cleanup_free_ char *this_run = xasprintf("--run %s", r->id);

	if (live) {
		add_next(r, ret, "attach", NULL);
		add_next(r, ret, "status", NULL);
		return;
	}
	switch (r->state) {
	case RUN_NONE:
		return;
	case RUN_COMPLETE:
		add_next(r, ret, "report", this_run);
		if (!r->backup.pruned)
			add_next(r, ret, "rollback start", "--preview");
		return;
	case RUN_CLOSED:
		add_next(r, ret, "report", this_run);
		return;
	case RUN_ROLLED_BACK:
		if (run_is_open(r)) {
			add_next(r, ret, "resume", NULL);
			add_next(r, ret, "rollback start", "--preview");
		} else {
			add_next(r, ret, "report", this_run);
		}
		return;
	case RUN_ROLLING_BACK:
		add_next(r, ret, "resume", NULL);
		return;
	case RUN_ROLLBACK_FAILED: {
		const char *point = r->rollback_point ? r->rollback_point :
			"start";
		_cleanup_free_ char *verb = r->rollback_only.n ?
			xasprintf("rollback --scenario \"%s\"", point) :
			xasprintf("rollback %s", point);

		add_next(r, ret, verb, NULL);
		add_next(r, ret, "report", this_run);
		return;
	}
	default:
		add_next(r, ret, "resume", NULL);
		add_next(r, ret, "rollback start", "--preview");
	}
}

/* --- JSON --- */

static struct json_object *steps_json(const struct run *r)
{
	struct json_object *a = json_object_new_array();
	size_t i;

	for (i = 0; i < r->step_n; i++) {
		const struct run_step *st = &r->steps[i];
		struct json_object *o = json_object_new_object();

		json_set_str(o, "id", st->id);
		json_set_str(o, "state", step_state_name(st->state));
		if (st->changed_at)
			json_set_str(o, "time", st->changed_at);
		if (st->error_code) {
			json_set_str(o, "code", st->error_code);
			json_set_str(o, "message", st->error_msg ?
				     st->error_msg : "");
		}
		if (json_get(st->facts, STEP_FENCED))
			json_object_object_add(o, STEP_FENCED,
				json_object_get(json_get(st->facts,
							 STEP_FENCED)));
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *backup_json(const struct run *r)
{
	const struct run_backup *b = &r->backup;
	struct json_object *o;

	if (!b->done)
		return NULL;
	o = json_object_new_object();
	json_set_bytes(o, "dir", b->dir ? b->dir : "");
	json_set_str(o, "time", b->finished);
	json_set_int(o, "bytes", (int64_t)b->bytes);
	json_set_int(o, "stored_bytes", (int64_t)b->stored_bytes);
	json_set_int(o, "items", (int64_t)b->items);
	if (b->archive_digest)
		json_set_str(o, "digest", b->archive_digest);
	if (b->readback)
		json_set_str(o, "readback", b->readback);
	json_set_bool(o, "pruned", b->pruned);
	json_set_bool(o, "secrets", b->secrets);
	return o;
}

static struct json_object *snapshot_json(const struct run *r)
{
	const struct run_snapshot *s = &r->snapshot;
	struct json_object *o;

	if (!s->state)
		return NULL;
	o = json_object_new_object();
	json_set_str(o, "state", s->state);
	json_set_str(o, "name", s->name);
	if (s->id)
		json_set_str(o, "id", s->id);
	if (s->time)
		json_set_str(o, "time", s->time);
	json_set_bool(o, "available", run_has_snapshot(r));
	return o;
}

static struct json_object *points_json(const struct run *r)
{
	struct json_object *a = json_object_new_array();
	struct run_goal *g;
	size_t i, n = run_goals(r, NULL, &g);

	for (i = n; i-- > 0;) {
		struct json_object *o = json_object_new_object();

		json_set_str(o, "point", g[i].name);
		if (g[i].step > 0)
			json_set_str(o, "step", r->steps[g[i].step - 1].id);
		if (g[i].time)
			json_set_str(o, "time", g[i].time);
		json_set_bool(o, "available", g[i].available);
		if (g[i].why)
			json_set_str(o, "why", g[i].why);
		json_object_array_add(a, o);
	}
	run_goals_free(g, n);
	return a;
}

static void add_rest(const struct run *r, bool live, struct json_object *o)
{
	struct json_object *e;

	json_set_bool(o, "live", live);
	json_set_str(o, "phase", run_state_name(r->state));
	json_set_int(o, "exit", r->exit);
	if (r->finished)
		json_set_str(o, "finished", r->finished);
	if (r->app_state) {
		e = json_object_new_object();
		json_set_str(e, "state", r->app_state);
		json_set_str(e, "since", r->app_since);
		json_object_object_add(o, "app", e);
	}
	if (r->rollback_point && r->rollback_r && run_last_point(r)) {
		json_object_object_add(o, "rollback",
				       run_point_json(run_last_point(r)));
	} else if (r->rollback_point) {
		e = json_object_new_object();
		json_set_str(e, "point", r->rollback_point);
		if (r->rollback_r)
			json_set_str(e, "r", r->rollback_r);
		json_object_object_add(o, "rollback", e);
	}
	e = run_errors_json(r);
	if (e)
		json_object_object_add(o, "errors", e);
	if (r->error_code || r->error_msg) {
		e = json_object_new_object();
		json_set_str(e, "code", r->error_code ? r->error_code : "");
		json_set_str(e, "message", r->error_msg ? r->error_msg : "");
		if (r->failed_step)
			json_set_str(e, "step", r->failed_step);
		if (r->failed_phase)
			json_set_str(e, "phase", r->failed_phase);
		json_object_object_add(o, "error", e);
	}
}

struct json_object *run_status_json(const struct run *r, bool live)
{
	_cleanup_strvec_ struct strvec next = STRVEC_INIT;
	_cleanup_free_ char *data = run_data_text(r, live);
	struct json_object *o = json_object_new_object();
	struct json_object *cmds = json_object_new_array();
	size_t i;

	json_set_str(o, "run", r->id);
	json_set_str(o, "plan", json_get_str(r->begun, "plan", ""));
	json_set_str(o, "from", json_get_str(r->begun, "from", ""));
	json_set_str(o, "to", json_get_str(r->begun, "to", ""));
	json_set_str(o, "started", json_get_str(r->begun, "started", ""));
	json_set_bytes(o, "root", r->sd->root);
	json_set_str(o, "state", status_word(r, live));
	json_object_object_add(o, "steps", steps_json(r));
	json_set_str(o, "data", data);
	json_object_object_add(o, "backup", backup_json(r));
	if (r->snapshot.state)
		json_object_object_add(o, "snapshot", snapshot_json(r));
	json_object_object_add(o, "checkpoints", points_json(r));
	run_next(r, live, &next);
	for (i = 0; i < next.n; i++)
		json_array_add_bytes(cmds, next.v[i]);
	json_object_object_add(o, "next", cmds);
	add_rest(r, live, o);
	return o;
}

/* --- points --- */

/* by the plan, or, where it is not at hand, by what record 1 says of it */
static bool is_one_way(const struct run *r, const struct plan *plan,
		       const char *id)
{
	struct json_object *list = json_get(r->begun, "one_way");
	const struct step *s;
	size_t i;

	if (plan) {
		s = plan_find_step(plan, id);
		return s && !step_undoable(s);
	}
	if (!json_object_is_type(list, json_type_array))
		return false;
	for (i = 0; i < json_object_array_length(list); i++)
		if (!strcmp(json_object_get_string(
				json_object_array_get_idx(list, i)), id))
			return true;
	return false;
}

/* the step above `step` that nothing can bring back, or NULL */
static const char *step_in_the_way(const struct run *r,
				   const struct plan *plan, int step)
{
	size_t i;

	for (i = (size_t)step; i < r->step_n; i++)
		if (r->steps[i].touched && is_one_way(r, plan, r->steps[i].id))
			return r->steps[i].id;
	return NULL;
}

static void add_goal(struct run_goal *g, const char *name, int step,
		     const char *time, uint64_t record_n, const char *why)
{
	(void)snprintf(g->name, sizeof(g->name), "%s", name);
	g->step = step;
	g->time = time;
	g->record_n = record_n;
	g->available = !why;
	g->why = xstrdup_null(why);
}

/* above the first that is older; the room is there */
static void insert_point(struct run_goal *g, size_t n,
			 const struct run_point *p, const char *why)
{
	size_t at = 0;

	while (at < n && g[at].record_n > p->record_n)
		at++;
	memmove(g + at + 1, g + at, (n - at) * sizeof(*g));
	add_goal(&g[at], p->name, 0, p->time, p->record_n, why);
}

/* going back to an R point while a newer run stands would undo its ground */
static char *newer_run(const struct run *r)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;

	if (state_dir_runs(r->sd, &ids, NULL) < 0 || !ids.n)
		return NULL;
	return strcmp(ids.v[ids.n - 1], r->id) ? xstrdup(ids.v[ids.n - 1]) :
						 NULL;
}

size_t run_goals(const struct run *r, const struct plan *plan,
		 struct run_goal **ret)
{
	const char *gone = r->backup.pruned ? "pruned" : NULL;
	_cleanup_free_ char *newer = r->point_n ? newer_run(r) : NULL;
	char name[24];
	struct run_goal *g;
	const char *why;
	size_t i, n = 0;

	g = xcalloc(r->step_n + r->point_n + 1, sizeof(*g));
	for (i = r->step_n; i-- > 0;) {
		if (!step_is_done(&r->steps[i]))
			continue;
		(void)snprintf(name, sizeof(name), "CP%zu", i + 1);
		why = gone ? gone : step_in_the_way(r, plan, (int)i + 1);
		add_goal(&g[n++], name, (int)i + 1, r->steps[i].changed_at,
			 r->steps[i].changed_n, why);
	}
	why = gone ? gone : step_in_the_way(r, plan, 0);
	add_goal(&g[n++], "start", 0, json_get_str(r->begun, "started", NULL),
		 0, why);
	for (i = 0; i < r->point_n; i++)
		if (!r->points[i].used)
			insert_point(g, n++, &r->points[i], gone ? gone :
				     newer);
	*ret = g;
	return n;
}

void run_goals_free(struct run_goal *g, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(g[i].why);
	free(g);
}
