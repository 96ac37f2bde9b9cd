/* SPDX-License-Identifier: MIT */
/*
 * The journal's records folded into struct run, one after the other: by replay
 * when a run is opened, and by every record that is appended. Both go the same
 * way, so memory is always what the next process will read from the disk.
 *
 * run_check() comes first, before a record is appended: what may not follow
 * never becomes durable.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "journal.h"
#include "run-internal.h"

static const char *const state_names[RUN_STATE_COUNT] = {
	[RUN_NONE] = "none",
	[RUN_BEGUN] = "begun",
	[RUN_BACKED_UP] = "backed-up",
	[RUN_PAUSED] = "paused",
	[RUN_FAILED] = "failed",
	[RUN_COMPLETE] = "complete",
	[RUN_ROLLING_BACK] = "rolling-back",
	[RUN_ROLLED_BACK] = "rolled-back",
	[RUN_ROLLBACK_FAILED] = "rollback-failed",
	[RUN_CLOSED] = "closed",
};

#define S(x) (1u << RUN_##x)
#define S_STOPPED (S(PAUSED) | S(FAILED))
/*
 * What may follow, by run records alone; a `process` record also leads from a
 * stop back to work (take_process()). Under ROLLING_BACK a stop leaves the
 * state as it is: a rollback that was begun is only ever gone on with.
 */
static const unsigned int state_may[RUN_STATE_COUNT] = {
	[RUN_NONE] = S(BEGUN),
	[RUN_BEGUN] = S(BACKED_UP) | S_STOPPED | S(CLOSED) | S(COMPLETE) |
		      S(ROLLING_BACK),
	[RUN_BACKED_UP] = S(BACKED_UP) | S_STOPPED | S(CLOSED) | S(COMPLETE) |
			  S(ROLLING_BACK),
	[RUN_PAUSED] = S(BACKED_UP) | S_STOPPED | S(CLOSED) | S(COMPLETE) |
		       S(ROLLING_BACK),
	[RUN_FAILED] = S(BACKED_UP) | S_STOPPED | S(CLOSED) | S(COMPLETE) |
		       S(ROLLING_BACK),
	/* paused: a step that was skipped is made up for */
	[RUN_COMPLETE] = S(ROLLING_BACK) | S(PAUSED),
	[RUN_ROLLING_BACK] = S(ROLLING_BACK) | S_STOPPED | S(ROLLED_BACK) |
			     S(ROLLBACK_FAILED),
	[RUN_ROLLED_BACK] = S(ROLLING_BACK) | S(ROLLBACK_FAILED) | S_STOPPED |
			    S(COMPLETE),
	[RUN_ROLLBACK_FAILED] = S(ROLLING_BACK) | S(ROLLED_BACK) |
				S(ROLLBACK_FAILED) | S_STOPPED,
	[RUN_CLOSED] = 0,
};

const char *run_state_name(enum run_state s)
{
	return state_names[s];
}

static bool state_parse(const char *name, enum run_state *ret)
{
	int i;

	for (i = RUN_BEGUN; i < RUN_STATE_COUNT; i++) {
		if (!strcmp(state_names[i], name)) {
			*ret = (enum run_state)i;
			return true;
		}
	}
	return false;
}

static void set_str(char **dst, const char *v)
{
	char *old = *dst;

	*dst = xstrdup_null(v);
	free(old);
}

static void set_obj(struct json_object **dst, struct json_object *v)
{
	struct json_object *old = *dst;

	*dst = json_object_get(v);
	json_object_put(old);
}

static const char *time_of(const struct run *r, struct json_object *rec)
{
	return json_get_str(rec, "time",
			    r->journal ? journal_last_time(r->journal) : "");
}

/* --- may it follow? --- */

static const char *check_run(struct run *r, struct json_object *rec)
{
	enum run_state s;

	if (!state_parse(json_get_str(rec, "state", ""), &s))
		return N_("a run state that nobody knows");
	if (!(state_may[r->state] & (1u << s)))
		return N_("a run state that may not follow");
	return NULL;
}

static const char *check_step(struct run *r, struct json_object *rec)
{
	struct run_step *st;
	enum step_state s;

	st = run_step_find(r, json_get_str(rec, "step", ""));
	if (!st)
		return N_("a step that is not in the plan");
	if (step_state_parse(json_get_str(rec, "state", ""), &s) < 0)
		return N_("a step state that nobody knows");
	if (!step_state_may(st->state, s))
		return N_("a step state that may not follow");
	return NULL;
}

const char *run_check(struct run *r, struct json_object *rec)
{
	const char *what = json_get_str(rec, "what", "");

	if (r->state == RUN_NONE &&
	    (strcmp(what, "run") || strcmp(json_get_str(rec, "state", ""),
					   "begun")))
		return N_("the first record does not begin a run");
	if (!strcmp(what, "run"))
		return check_run(r, rec);
	if (!strcmp(what, "step"))
		return check_step(r, rec);
	return NULL;
}

/* --- run records --- */

static void fold_begun(struct run *r, struct json_object *rec)
{
	struct json_object *ids = json_get(rec, "steps");
	struct backup_where where = { 0 };
	size_t i, n = 0;

	set_obj(&r->begun, rec);
	set_str(&r->key, json_get_str(rec, "store_key", r->id));
	if (json_object_is_type(ids, json_type_array))
		n = json_object_array_length(ids);
	r->steps = xcalloc(n ? n : 1, sizeof(*r->steps));
	r->step_n = n;
	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(ids, i);

		r->steps[i].id = xstrdup(json_object_get_string(o));
	}
	if (!backup_where_read(rec, &where)) {
		r->backup.dir = where.dir;
		return;
	}
	/* the root may stand elsewhere by now, and the backup with it */
	free(where.dir);
	r->backup.dir = path_join(r->sd->root, where.below);
	r->backup.below = where.below;
	r->backup.place = where.place;
	r->backup.kept = where.kept;
}

static void fold_backed_up(struct run *r, struct json_object *rec)
{
	struct json_object *b = json_get(rec, "backup");
	struct run_backup *rb = &r->backup;

	if (!b)
		b = rec;
	rb->done = true;
	set_str(&rb->archive_digest, json_get_str(b, "archive_digest", NULL));
	set_str(&rb->manifest_digest,
		json_get_str(b, "manifest_digest", NULL));
	set_str(&rb->readback, json_get_str(b, "readback", NULL));
	rb->bytes = (uint64_t)json_get_int(b, "bytes", 0);
	rb->stored_bytes = (uint64_t)json_get_int(b, "stored_bytes", 0);
	rb->items = (uint64_t)json_get_int(b, "items", 0);
	rb->sets = (uint64_t)json_get_int(b, "sets", 0);
	rb->rows = (uint64_t)json_get_int(b, "rows", 0);
	rb->secrets = json_get_bool(b, "secrets", false);
	set_str(&rb->finished, time_of(r, rec));
}

static struct run_point *find_point(struct run *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->point_n; i++)
		if (!strcasecmp(r->points[i].name, name))
			return &r->points[i];
	return NULL;
}

/* which steps have something to take back */
static struct json_object *touched_json(const struct run *r)
{
	struct json_object *o = json_object_new_object();
	size_t i;

	for (i = 0; i < r->step_n; i++)
		json_set_bool(o, r->steps[i].id, r->steps[i].touched);
	return o;
}

static void fold_rolling_back(struct run *r, struct json_object *rec)
{
	const char *name = json_get_str(rec, "r", NULL);
	struct json_object *list;
	struct run_point *p;

	/* a resumed rollback names the point it made before */
	if (name && !find_point(r, name)) {
		r->points = xrealloc(r->points, r->point_n + 1,
				     sizeof(*r->points));
		p = &r->points[r->point_n++];
		memset(p, 0, sizeof(*p));
		p->name = xstrdup(name);
		p->digest = xstrdup_null(json_get_str(rec, "r_digest", NULL));
		p->stores_digest = xstrdup_null(json_get_str(rec, "r_stores",
							     NULL));
		set_obj(&p->steps, json_get(rec, "steps"));
		p->touched = touched_json(r);
		p->time = xstrdup(time_of(r, rec));
		p->record_n = r->record_n;
		p->state = r->state;
		p->rollback_point = xstrdup_null(r->rollback_point);
		p->to = xstrdup(json_get_str(rec, "point", "start"));
		run_count_rows(p, json_get(rec, "tables"));
		/* what the data was then; what it is now is not looked at yet */
		p->verify = r->verify;
		r->verify = json_object_new_object();
	}
	set_str(&r->rollback_point, json_get_str(rec, "point", "start"));
	set_str(&r->rollback_r, name);
	set_str(&r->rollback_strategy, json_get_str(rec, "strategy", NULL));
	r->rollback_no_carry = json_get_bool(rec, "no_carry", false);
	list = json_get(rec, "only");
	strvec_clear(&r->rollback_only);
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		strvec_push(&r->rollback_only, json_object_get_string(
			    json_object_array_get_idx(list, i)));
	r->rollback_reset = json_get_bool(rec, "reset", false);
}

/* back at an R point: the run is where it was before that rollback */
static void return_to_point(struct run *r, struct run_point *p)
{
	enum step_state s;
	size_t i;

	for (i = 0; i < r->step_n; i++) {
		struct run_step *st = &r->steps[i];

		if (step_state_parse(json_get_str(p->steps, st->id, ""),
				     &s) < 0)
			continue;
		st->state = s;
		st->touched = json_get_bool(p->touched, st->id, false);
	}
	p->used = true;
	set_obj(&r->verify, p->verify);
	switch (p->state) {
	case RUN_COMPLETE:
	case RUN_ROLLED_BACK:
	case RUN_FAILED:
		r->state = p->state;
		break;
	default:
		r->state = RUN_PAUSED;
	}
	set_str(&r->rollback_point, p->rollback_point);
	set_str(&r->rollback_r, NULL);
}

static void fold_failed(struct run *r, struct json_object *rec)
{
	set_str(&r->failed_phase, json_get_str(rec, "phase", NULL));
	set_str(&r->failed_step, json_get_str(rec, "step", NULL));
	set_str(&r->error_code, json_get_str(rec, "code", NULL));
	set_str(&r->error_msg, json_get_str(rec, "message", NULL));
}

static void fold_run(struct run *r, struct json_object *rec)
{
	enum run_state s = RUN_NONE;
	struct run_point *p;

	(void)state_parse(json_get_str(rec, "state", ""), &s); /* checked */
	r->exit = (int)json_get_int(rec, "exit", r->exit);
	switch (s) {
	case RUN_BEGUN:
		fold_begun(r, rec);
		break;
	case RUN_BACKED_UP:
		fold_backed_up(r, rec);
		break;
	case RUN_FAILED:
	case RUN_CLOSED:
	case RUN_ROLLBACK_FAILED:
		fold_failed(r, rec);
		break;
	case RUN_ROLLING_BACK:
		fold_rolling_back(r, rec);
		break;
	default:
		break;
	}
	if (s == RUN_COMPLETE || s == RUN_ROLLED_BACK || s == RUN_CLOSED)
		set_str(&r->finished, time_of(r, rec));
	if ((s == RUN_PAUSED || s == RUN_FAILED) &&
	    (r->state == RUN_ROLLING_BACK ||
	     r->state == RUN_ROLLBACK_FAILED || r->state == RUN_ROLLED_BACK))
		return;
	r->state = s;
	if (s != RUN_ROLLED_BACK)
		return;
	set_str(&r->rollback_point,
		json_get_str(rec, "point", r->rollback_point));
	p = r->rollback_point ? find_point(r, r->rollback_point) : NULL;
	if (p)
		return_to_point(r, p);
}

/* an engine has the run: what stopped the one before is history */
static void fold_process(struct run *r, struct json_object *rec)
{
	const char *verb = json_get_str(rec, "verb", "");

	/* neither goes forward */
	if (!strcmp(verb, "rollback") || !strcmp(verb, "retry-rejects"))
		return;
	r->exit = 0;
	set_str(&r->failed_phase, NULL);
	set_str(&r->failed_step, NULL);
	set_str(&r->error_code, NULL);
	set_str(&r->error_msg, NULL);
	if (r->state != RUN_PAUSED && r->state != RUN_FAILED &&
	    r->state != RUN_ROLLED_BACK)
		return;
	if (r->state == RUN_ROLLED_BACK && !run_is_open(r))
		return;
	if (r->state == RUN_ROLLED_BACK) {
		json_object_put(r->verify);
		r->verify = json_object_new_object();
	}
	r->state = r->backup.done ? RUN_BACKED_UP : RUN_BEGUN;
}

/* --- step records --- */

static void fold_applying(struct run *r, struct run_step *st,
			  struct json_object *rec)
{
	const char *pre = json_get_str(rec, "pre", NULL);

	st->attempt = (int)json_get_int(rec, "attempt", st->attempt + 1);
	if (!st->started)
		st->started = xstrdup(time_of(r, rec));
	set_obj(&st->effects, json_get(rec, "effects"));
	set_str(&st->pre_digest, pre && strcmp(pre, "absent") ? pre : NULL);
	set_str(&st->post_digest, NULL);
	set_obj(&st->schemas, NULL);
	/* values of an earlier attempt are not seen */
	set_obj(&st->facts, NULL);
	set_str(&st->error_code, NULL);
	set_str(&st->error_msg, NULL);
	set_str(&st->probe, NULL);
	st->already = false;
	/* a check among the steps has nothing to take back */
	st->touched = !json_get_bool(rec, "check", false);
	st->elapsed_s = 0;
}

static void fold_step_failed(struct run_step *st, struct json_object *rec)
{
	set_str(&st->error_code, json_get_str(rec, "code", NULL));
	set_str(&st->error_msg, json_get_str(rec, "message", NULL));
	set_str(&st->probe, json_get_str(rec, "probe", NULL));
	if (st->probe && !strcmp(st->probe, "not"))
		st->touched = false;
}

static void fold_step(struct run *r, struct json_object *rec)
{
	struct run_step *st;
	enum step_state s = STEP_PENDING;

	st = run_step_find(r, json_get_str(rec, "step", ""));
	(void)step_state_parse(json_get_str(rec, "state", ""), &s);
	switch (s) {
	case STEP_APPLYING:
		fold_applying(r, st, rec);
		break;
	case STEP_APPLIED:
		if (json_get(rec, "schemas"))
			set_obj(&st->schemas, json_get(rec, "schemas"));
		set_str(&st->post_digest, json_get_str(rec, "post", NULL));
		st->already = json_get_bool(rec, "already", false);
		if (st->already)
			st->touched = false;
		break;
	case STEP_FAILED:
	case STEP_UNDO_FAILED:
		fold_step_failed(st, rec);
		break;
	case STEP_UNDONE:
		st->touched = false;
		break;
	case STEP_SKIPPED:
		set_str(&st->skipped_why, json_get_str(rec, "reason", NULL));
		break;
	default:
		break;
	}
	st->elapsed_s = json_get_double(rec, "elapsed_s", st->elapsed_s);
	st->state = s;
	set_str(&st->changed_at, time_of(r, rec));
	st->changed_n = r->record_n;
}

/* --- the rest --- */

static void fold_fact(struct run *r, struct json_object *rec)
{
	struct run_step *st = run_step_find(r, json_get_str(rec, "step", ""));
	struct json_object **facts = st ? &st->facts : &r->facts;
	struct json_object *value = json_get(rec, "value");
	struct run_point *p;

	if (!*facts)
		*facts = json_object_new_object();
	json_object_object_add(*facts, json_get_str(rec, "key", ""),
			       json_object_get(value));
	if (strcmp(json_get_str(rec, "key", ""), RUN_UNDONE) != 0)
		return;
	p = find_point(r, json_get_str(value, "r", ""));
	if (p)
		run_count_paths(p, value);
}

static void fold_child(struct run *r, struct json_object *rec)
{
	struct run_step *st = run_step_find(r, json_get_str(rec, "step", ""));
	bool ended = json_get_bool(rec, "ended", false);
	long pgid = ended ? 0 : (long)json_get_int(rec, "pgid", 0);
	uint64_t start = ended ? 0 : (uint64_t)json_get_int(rec, "start", 0);

	if (st) {
		st->child_pgid = pgid;
		st->child_start = start;
	} else if (json_get_bool(rec, "of_run", false)) {
		r->child_pgid = pgid;
		r->child_start = start;
	}
}

static void fold_snapshot(struct run *r, struct json_object *rec)
{
	struct run_snapshot *s = &r->snapshot;
	const char *state = json_get_str(rec, "state", "");
	struct json_object *list = json_get(rec, "drop");

	set_str(&s->state, state);
	if (!strcmp(state, "creating")) {
		set_str(&s->name, json_get_str(rec, "name", NULL));
		set_str(&s->id, NULL);
		set_str(&s->restored, NULL);
		s->timeout_s = json_get_double(rec, "timeout_s", 0);
		strvec_clear(&s->drop);
		for (size_t i = 0; list && i < json_object_array_length(list);
		     i++)
			strvec_take(&s->drop, json_array_get_bytes(list, i));
	} else if (!strcmp(state, "created")) {
		set_str(&s->id, json_get_str(rec, "id", NULL));
		set_str(&s->time, time_of(r, rec));
	} else if (!strcmp(state, "restored")) {
		set_str(&s->restored, json_get_str(rec, "r", NULL));
	}
}

static void fold_warning(struct run *r, struct json_object *rec)
{
	const char *step = json_get_str(rec, "step", NULL);
	const char *text = json_get_str(rec, "text", "");
	_cleanup_free_ char *line = step ? xasprintf("%s: %s", step, text) :
					   xstrdup(text);

	json_object_array_add(r->warnings, json_object_new_string(line));
}

static void fold_decision(struct run *r, struct json_object *rec)
{
	struct json_object *o = NULL;

	/* with its time, which a record that is appended has not yet */
	if (json_object_deep_copy(rec, &o, NULL) < 0)
		return;
	if (!json_get(o, "time"))
		json_set_str(o, "time", time_of(r, rec));
	json_object_array_add(r->decisions, o);
}

int run_fold(struct run *r, struct json_object *rec, struct error *err)
{
	const char *what = json_get_str(rec, "what", "");
	const char *why = run_check(r, rec);

	if (why)
		return error_set(err, ERR_JOURNAL_DAMAGED, -EBADMSG,
				 _("record %lld of the journal makes no "
				   "sense: %s"),
				 (long long)json_get_int(rec, "seq", 0),
				 _(why));
	r->record_n++;
	if (!strcmp(what, "run"))
		fold_run(r, rec);
	else if (!strcmp(what, "process"))
		fold_process(r, rec);
	else if (!strcmp(what, "step"))
		fold_step(r, rec);
	else if (!strcmp(what, "fact"))
		fold_fact(r, rec);
	else if (!strcmp(what, "child"))
		fold_child(r, rec);
	else if (!strcmp(what, "decision"))
		fold_decision(r, rec);
	else if (!strcmp(what, "warning"))
		fold_warning(r, rec);
	else if (!strcmp(what, "verify"))
		json_object_object_add(r->verify,
				       json_get_str(rec, "id", ""),
				       json_object_get(rec));
	else if (!strcmp(what, "snapshot"))
		fold_snapshot(r, rec);
	else if (!strcmp(what, "pruned"))
		r->backup.pruned = true;
	if (!strcmp(what, "app")) {
		set_str(&r->app_state, json_get_str(rec, "state", NULL));
		set_str(&r->app_since, time_of(r, rec));
	}
	return 0;
}

bool run_changes_state(struct json_object *rec)
{
	static const char *const kinds[] = {
		"run", "process", "step", "app", "verify", "pruned",
		"snapshot",
	};
	const char *what = json_get_str(rec, "what", "");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(what, kinds[i]))
			return true;
	return false;
}
