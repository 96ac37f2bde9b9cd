/* SPDX-License-Identifier: MIT */
#ifndef RUN_RECORDS_H
#define RUN_RECORDS_H
/*
 * run-records - short ways to write records and to look at what they made
 */
#include "run-fixture.h"

static _unused_ void ok(int rc, const struct error *err)
{
	if (rc < 0)
		fail_msg("%s", err->msg ? err->msg : "no message");
}

static _unused_ void rec(struct run *r, const char *text)
{
	struct error err = ERROR_INIT;

	ok(run_record(r, obj(text), &err), &err);
}

static _unused_ void step(struct run *r, const char *id, enum step_state s,
		 const char *extra)
{
	struct error err = ERROR_INIT;

	ok(run_record_step(r, id, s, extra ? obj(extra) : NULL, &err), &err);
}

static _unused_ void apply(struct run *r, const char *id)
{
	step(r, id, STEP_APPLYING,
	     "{\"attempt\":1,\"effects\":[],\"pre\":\"blake2b-512:1\"}");
	step(r, id, STEP_APPLIED, "{\"attempt\":1,\"post\":\"p\","
				  "\"elapsed_s\":0.5}");
	step(r, id, STEP_VERIFIED, NULL);
}

static _unused_ void to_state(struct run *r, enum run_state s, const char *extra)
{
	struct error err = ERROR_INIT;

	ok(run_record_state(r, s, extra ? obj(extra) : NULL, &err), &err);
}

static _unused_ void back_up(struct run *r)
{
	struct error err = ERROR_INIT;

	ok(run_backup_dir(r, &err), &err);
	to_state(r, RUN_BACKED_UP,
		 "{\"backup\":{\"archive_digest\":\"a\",\"manifest_digest\":"
		 "\"m\",\"readback\":\"disk\",\"bytes\":10,\"stored_bytes\":5,"
		 "\"items\":2}}");
}

static _unused_ struct run *reopen(struct state_dir *sd, const char *id, bool writable)
{
	struct error err = ERROR_INIT;
	struct run *r = NULL;

	ok(run_open(&r, sd, id, writable, &err), &err);
	return r;
}

static _unused_ void assert_data(const struct run *r, bool live, const char *want)
{
	char *text = run_data_text(r, live);

	assert_string_equal(text, want);
	free(text);
}

static _unused_ void assert_word(const struct run *r, bool live, const char *want)
{
	struct json_object *o = run_status_json(r, live);

	assert_string_equal(json_get_str(o, "state", ""), want);
	json_object_put(o);
}

/* what memory says is what the next process reads from the disk */
static _unused_ void assert_same_on_disk(struct run *r)
{
	struct run *d = reopen(r->sd, r->id, false);
	struct json_object *a = run_status_json(r, false);
	struct json_object *b = run_status_json(d, false);

	assert_string_equal(json_object_to_json_string(a),
			    json_object_to_json_string(b));
	assert_int_equal(json_object_array_length(r->decisions),
			 json_object_array_length(d->decisions));
	assert_int_equal(journal_seq(r->journal), journal_seq(d->journal));
	json_object_put(a);
	json_object_put(b);
	run_free(d);
}

#endif
