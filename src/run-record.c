/* SPDX-License-Identifier: MIT */
/*
 * A record: checked, appended (durable), folded, and then state.json. Killed
 * behind the append, state.json lags by one record; the next process replays
 * the journal and writes it anew.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "journal.h"
#include "run-internal.h"

void run_save_state(struct run *r)
{
	_cleanup_json_ struct json_object *o = run_status_json(r, true);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int rc;

	json_set_int(o, "seq", (int64_t)journal_seq(r->journal));
	json_set_str(o, "sum", journal_sum(r->journal));
	json_print(o, &text);
	strbuf_addch(&text, '\n');
	rc = fs_write_file(r->fd, JOURNAL_STATE_NAME, text.buf, text.len,
			   0600);
	if (rc != -ENOSPC && rc != -EDQUOT)
		return;
	/* that is what the reserve is for */
	if (fs_unlink(r->fd, RESERVE_NAME, 0) == 0)
		(void)fs_write_file(r->fd, JOURNAL_STATE_NAME, text.buf,
				    text.len, 0600);
}

/* An older run that is gone back in is the one to resume from now on. A full
   disk does not stop a rollback: then --run has to name it. */
static void make_current(struct run *r)
{
	char id[RUN_ID_LEN + 1];

	if (state_dir_current(r->sd, id) == 0 && strcmp(id, r->id))
		(void)state_dir_set_current(r->sd, r->id, NULL);
}

int run_record(struct run *r, struct json_object *rec, struct error *err)
{
	_cleanup_json_ struct json_object *own = rec;
	const char *why = run_check(r, own);
	int rc;

	if (why)
		BUG("journal record refused: %s (%s %s %s, run %s)", why,
		    json_get_str(own, "what", ""),
		    json_get_str(own, "step", ""),
		    json_get_str(own, "state", ""), run_state_name(r->state));
	rc = journal_append(r->journal, json_object_get(own), err);
	if (rc < 0)
		return rc;
	rc = run_fold(r, own, err);
	if (rc < 0)
		return rc;
	if (run_changes_state(own))
		run_save_state(r);
	if (r->state == RUN_ROLLING_BACK &&
	    !strcmp(json_get_str(own, "what", ""), "run"))
		make_current(r);
	return 0;
}

/* the keys of extra behind those that rec has; extra is taken over */
static void take_extra(struct json_object *rec, struct json_object *extra)
{
	if (!extra)
		return;
	json_object_object_foreach(extra, key, v) {
		if (!json_get(rec, key))
			json_object_object_add(rec, key, json_object_get(v));
	}
	json_object_put(extra);
}

static struct json_object *new_record(const char *what)
{
	struct json_object *rec = json_object_new_object();

	json_set_str(rec, "what", what);
	return rec;
}

int run_record_state(struct run *r, enum run_state s,
		     struct json_object *extra, struct error *err)
{
	struct json_object *rec = new_record("run");

	json_set_str(rec, "state", run_state_name(s));
	take_extra(rec, extra);
	return run_record(r, rec, err);
}

int run_record_snapshot(struct run *r, const char *state,
			struct json_object *extra, struct error *err)
{
	struct json_object *rec = new_record("snapshot");

	json_set_str(rec, "state", state);
	take_extra(rec, extra);
	return run_record(r, rec, err);
}

int run_record_step(struct run *r, const char *id, enum step_state s,
		    struct json_object *extra, struct error *err)
{
	struct json_object *rec = new_record("step");

	json_set_str(rec, "step", id);
	json_set_str(rec, "state", step_state_name(s));
	take_extra(rec, extra);
	return run_record(r, rec, err);
}

int run_record_process(struct run *r, const char *verb, struct error *err)
{
	struct json_object *rec = new_record("process");
	char boot[37];
	struct who w;

	who_am_i(&w);
	proc_boot_id(boot);
	json_set_int(rec, "pid", getpid());
	json_set_str(rec, "boot_id", boot);
	json_set_str(rec, "host", w.host);
	json_set_str(rec, "verb", verb);
	return run_record(r, rec, err);
}

int run_record_decision(struct run *r, const char *kind, const char *subject,
			const char *value, struct error *err)
{
	struct json_object *rec = new_record("decision");
	struct who w;

	who_am_i(&w);
	json_set_str(rec, "kind", kind);
	if (subject)
		json_set_str(rec, "subject", subject);
	if (value)
		json_set_str(rec, "value", value);
	who_to_json(&w, rec);
	return run_record(r, rec, err);
}

int run_record_fact(struct run *r, const char *step, const char *key,
		    struct json_object *v, struct error *err)
{
	struct json_object *rec = new_record("fact");

	if (step)
		json_set_str(rec, "step", step);
	json_set_str(rec, "key", key);
	json_object_object_add(rec, "value", v);
	return run_record(r, rec, err);
}

int run_record_warning(struct run *r, const char *step, const char *text)
{
	struct json_object *rec = new_record("warning");

	if (step)
		json_set_str(rec, "step", step);
	json_set_str(rec, "text", text);
	return run_record(r, rec, NULL);
}
