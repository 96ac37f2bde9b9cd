/* SPDX-License-Identifier: MIT */
#include "completion.h"

#include <string.h>

#include "backup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run.h"

static void add(struct json_object *o, const char *key, struct json_object *v)
{
	(void)json_object_object_add(o, key, v);
}

static struct json_object *steps(const struct run *r)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < r->step_n; i++) {
		struct json_object *o = json_object_new_object();

		json_set_str(o, "id", r->steps[i].id);
		json_set_str(o, "state", step_state_name(r->steps[i].state));
		(void)json_object_array_add(list, o);
	}
	return list;
}

/* of steps that hold; what was undone again counts nothing */
static struct json_object *counts(const struct run *r)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < r->step_n; i++) {
		const struct run_step *st = &r->steps[i];
		struct json_object *f = st->facts ?
			json_get(st->facts, "result") : NULL;
		struct json_object *o;

		if (!f || !*json_get_str(f, "count", "") ||
		    (st->state != STEP_APPLIED && st->state != STEP_VERIFIED))
			continue;
		o = json_object_new_object();
		json_set_str(o, "step", st->id);
		json_set_str(o, "what", json_get_str(f, "count", ""));
		json_set_int(o, "before", json_get_int(f, "before", 0));
		json_set_int(o, "after", json_get_int(f, "after", 0));
		json_set_int(o, "quarantined", json_get_int(f, "bad", 0));
		(void)json_object_array_add(list, o);
	}
	return list;
}

/* {step, class, sqlstate, table, hour, count}: rows that are refused, and what
   was done again */
static struct json_object *errors(const struct run *r)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < r->step_n; i++) {
		struct json_object *list = r->steps[i].facts ?
			json_get(r->steps[i].facts, "errors") : NULL;

		for (size_t k = 0; list && k < json_object_array_length(list);
		     k++) {
			struct json_object *o = json_object_new_object();

			json_set_str(o, "step", r->steps[i].id);
			json_object_object_foreach(
				json_object_array_get_idx(list, k), key, v)
				add(o, key, json_object_get(v));
			(void)json_object_array_add(all, o);
		}
	}
	return all;
}

static struct json_object *verification(const struct run *r)
{
	struct json_object *list = json_object_new_array();

	json_object_object_foreach(r->verify, id, v) {
		const char *state = json_get_str(v, "state", "");
		struct json_object *o = json_object_new_object();

		json_set_str(o, "id", id);
		json_set_str(o, "result", !strcmp(state, "ok") ? "PASS" :
			     !strcmp(state, "warn") ? "WARN" : "FAIL");
		json_set_str(o, "message", json_get_str(v, "message", ""));
		(void)json_object_array_add(list, o);
	}
	return list;
}

/* which counts shrank, and which verifications did not hold */
static struct json_object *data_loss(struct json_object *count,
				     struct json_object *verify)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < json_object_array_length(count); i++) {
		struct json_object *c = json_object_array_get_idx(count, i);
		int64_t lost = json_get_int(c, "before", 0) -
			json_get_int(c, "after", 0);
		_cleanup_free_ char *text = NULL;

		if (lost <= 0)
			continue;
		text = xasprintf(_("%s: %lld of %lld are not there any more"),
				 json_get_str(c, "what", ""), (long long)lost,
				 (long long)json_get_int(c, "before", 0));
		json_array_add_bytes(list, text);
	}
	for (i = 0; i < json_object_array_length(verify); i++) {
		struct json_object *v = json_object_array_get_idx(verify, i);
		_cleanup_free_ char *text = NULL;

		if (strcmp(json_get_str(v, "result", ""), "FAIL") != 0)
			continue;
		text = xasprintf("%s: %s", json_get_str(v, "id", ""),
				 json_get_str(v, "message", ""));
		json_array_add_bytes(list, text);
	}
	return list;
}

static struct json_object *backup(const struct run *r)
{
	struct json_object *o = json_object_new_object();
	const struct run_backup *b = &r->backup;
	_cleanup_free_ char *path = NULL;
	struct error err = ERROR_INIT;

	json_set_bool(o, "made", b->done);
	if (!b->done)
		return o;
	path = path_join(b->dir, "start.tar.zst");
	json_set_bytes(o, "path", path);
	json_set_int(o, "bytes", (int64_t)b->bytes);
	json_set_int(o, "items", (int64_t)b->items);
	json_set_bool(o, "secrets", b->secrets);
	if (b->pruned)
		json_set_str(o, "integrity", "removed");
	else if (backup_verify(r->backup_fd, "start", b->archive_digest,
			       b->manifest_digest, false, &err) >= 0)
		json_set_str(o, "integrity", "PASS");
	else
		json_set_str(o, "integrity", "FAIL");
	if (error_is_set(&err))
		json_set_str(o, "message", err.msg);
	error_release(&err);
	return o;
}

/* A run of this very plan on this data that went all the way back, this one or
   another: to go back is tried on a machine, not proven on paper. */
static struct json_object *rollback(struct run *r)
{
	const char *digest = json_get_str(r->begun, "plan_digest", "");
	struct json_object *o = json_object_new_object();
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	bool tested = false;

	(void)state_dir_runs(r->sd, &ids, NULL);
	for (size_t i = ids.n; i > 0 && !tested; i--) {
		struct run *other = NULL;

		if (run_open(&other, r->sd, ids.v[i - 1], false, NULL) < 0)
			continue;
		tested = other->state == RUN_ROLLED_BACK &&
			!run_is_open(other) &&
			!strcmp(json_get_str(other->begun, "plan_digest", ""),
				digest);
		if (tested) {
			json_set_str(o, "run", other->id);
			json_set_str(o, "time", other->finished ?
				     other->finished : "");
		}
		run_free(other);
	}
	json_set_bool(o, "tested", tested);
	return o;
}

/* every rollback of this run, and what it did */
static struct json_object *rolled_back(const struct run *r)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < r->point_n; i++)
		json_object_array_add(a, run_point_json(&r->points[i]));
	return a;
}

/* of all but the sum, in the order of the keys */
static void digest_of(struct json_object *o, char *ret)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	json_print(o, &text);
	blake2_of(text.buf, text.len, ret);
}

struct json_object *completion_json(struct run *r)
{
	char digest[BLAKE2_TEXT_SIZE];
	struct json_object *o = json_object_new_object();
	struct json_object *count = counts(r), *verify = verification(r);

	json_set_str(o, "plan", json_get_str(r->begun, "plan", ""));
	json_set_str(o, "from", json_get_str(r->begun, "from", ""));
	json_set_str(o, "to", json_get_str(r->begun, "to", ""));
	json_set_str(o, "plan_digest",
		     json_get_str(r->begun, "plan_digest", ""));
	if (json_get(r->facts, "environment"))
		json_set_str(o, "environment",
			     json_get_str(r->facts, "environment", ""));
	json_set_str(o, "run", r->id);
	json_set_bytes(o, "root", r->sd->root);
	json_set_str(o, "result", run_state_name(r->state));
	json_set_int(o, "exit", r->exit);
	json_set_str(o, "started", json_get_str(r->begun, "started", ""));
	json_set_str(o, "finished", r->finished ? r->finished : "");
	add(o, "steps", steps(r));
	add(o, "counts", count);
	add(o, "errors", errors(r));
	add(o, "data_loss", data_loss(count, verify));
	json_set_bool(o, "data_loss_known", json_object_array_length(count) ||
		      json_object_array_length(verify));
	add(o, "backup", backup(r));
	add(o, "rollback", rollback(r));
	if (run_last_point(r))
		add(o, "rolled_back", rolled_back(r));
	add(o, "verification", verify);
	digest_of(o, digest);
	json_set_str(o, "sum", digest);
	return o;
}

bool completion_sum_is_right(struct json_object *o)
{
	_cleanup_free_ char *sum = xstrdup(json_get_str(o, "sum", ""));
	char digest[BLAKE2_TEXT_SIZE];

	json_object_object_del(o, "sum");
	digest_of(o, digest);
	json_set_str(o, "sum", sum);
	return !strcmp(sum, digest);
}

/* --- as text --- */

static void line(struct strbuf *out, const char *key, const char *value)
{
	_cleanup_free_ char *safe = escape_bytes(value);

	strbuf_addf(out, "- %s: %s\n", key, safe);
}

static void member(struct strbuf *out, const char *key, struct json_object *o,
		   const char *name)
{
	_cleanup_free_ char *v = json_get_bytes(o, name);

	line(out, key, v ? v : "");
}

static void head(struct strbuf *out, const char *text)
{
	strbuf_addf(out, "\n## %s\n\n", text);
}

/* the number, and by name those that are not applied */
static void text_steps(struct json_object *list, struct strbuf *out)
{
	size_t n = json_object_array_length(list), done = 0;

	head(out, _("Steps"));
	for (size_t i = 0; i < n; i++) {
		struct json_object *st = json_object_array_get_idx(list, i);
		const char *state = json_get_str(st, "state", "");

		if (!strcmp(state, step_state_name(STEP_APPLIED)) ||
		    !strcmp(state, step_state_name(STEP_VERIFIED)))
			done++;
		else
			line(out, json_get_str(st, "id", ""), state);
	}
	strbuf_addf(out, _("- applied: %zu of %zu"), done, n);
	strbuf_addch(out, '\n');
}

static void text_counts(struct json_object *list, struct strbuf *out)
{
	size_t n = json_object_array_length(list);

	head(out, _("Counts"));
	if (!n)
		strbuf_addf(out, "- %s\n", _("nothing was counted"));
	for (size_t i = 0; i < n; i++) {
		struct json_object *c = json_object_array_get_idx(list, i);
		int64_t bad = json_get_int(c, "quarantined", 0);

		strbuf_addf(out, _("- %s: %lld before, %lld after"),
			    json_get_str(c, "what", ""),
			    (long long)json_get_int(c, "before", 0),
			    (long long)json_get_int(c, "after", 0));
		if (bad)
			strbuf_addf(out, _(", %lld left as they were"),
				    (long long)bad);
		strbuf_addch(out, '\n');
	}
}

static void text_backup(struct json_object *b, struct strbuf *out)
{
	head(out, _("Backup"));
	if (!json_get_bool(b, "made", false)) {
		strbuf_addf(out, "- %s\n", _("none was made"));
		return;
	}
	member(out, _("place"), b, "path");
	member(out, _("integrity"), b, "integrity");
	if (json_get(b, "message"))
		member(out, _("finding"), b, "message");
}

static void text_loss(struct json_object *loss, bool known,
		      struct strbuf *out)
{
	size_t n = json_object_array_length(loss);

	head(out, _("Data loss"));
	if (!n)
		strbuf_addf(out, "- %s\n", known ? _("none") :
			    _("not known: nothing was counted or verified"));
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *raw = json_array_get_bytes(loss, i);
		_cleanup_free_ char *safe = escape_bytes(raw);

		strbuf_addf(out, "- %s\n", safe);
	}
}

static void text_verification(struct json_object *list, struct strbuf *out)
{
	size_t n = json_object_array_length(list);

	head(out, _("Verification"));
	if (!n)
		strbuf_addf(out, "- %s\n", _("none was made"));
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		_cleanup_free_ char *what = xasprintf("%s %s",
			json_get_str(v, "result", ""),
			json_get_str(v, "id", ""));

		line(out, what, json_get_str(v, "message", ""));
	}
}

void completion_text(struct json_object *o, struct strbuf *out)
{
	struct json_object *back = json_get(o, "rollback");

	strbuf_addf(out, "# %s %s -> %s\n\n", json_get_str(o, "plan", ""),
		    json_get_str(o, "from", ""), json_get_str(o, "to", ""));
	member(out, _("result"), o, "result");
	member(out, _("run"), o, "run");
	member(out, _("directory"), o, "root");
	member(out, pgettext("time", "started"), o, "started");
	member(out, _("finished"), o, "finished");
	text_steps(json_get(o, "steps"), out);
	text_counts(json_get(o, "counts"), out);
	text_loss(json_get(o, "data_loss"),
		  json_get_bool(o, "data_loss_known", false), out);
	text_backup(json_get(o, "backup"), out);
	head(out, _("Rollback"));
	if (json_get_bool(back, "tested", false))
		strbuf_addf(out, _("- tested: run %s, %s\n"),
			    json_get_str(back, "run", ""),
			    json_get_str(back, "time", ""));
	else
		strbuf_addf(out, "- %s\n", _("not tested"));
	text_verification(json_get(o, "verification"), out);
}
