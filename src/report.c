/* SPDX-License-Identifier: MIT */
/*
 * Text from outside (names of files and users, messages, the plan's words)
 * goes through md(): no control character reaches a terminal, and nothing
 * ends a table cell or begins a tag. Commands stand in indented blocks, where
 * Markdown has no special characters; odd bytes in them are escaped too.
 */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backup.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "plan.h"
#include "run-internal.h"
#include "run-stalls.h"

#define REPORT_NAME "report.md"

static void md(struct strbuf *out, const char *text)
{
	_cleanup_free_ char *safe = escape_bytes(text ? text : "");
	const char *p;

	for (p = safe; *p; p++) {
		if (strchr("\\`*_{}[]<>#|~&$", *p))
			strbuf_addch(out, '\\');
		strbuf_addch(out, *p);
	}
}

static void row(struct strbuf *out, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	strbuf_addf(out, "| %s | ", key);
	md(out, value);
	strbuf_addstr(out, " |\n");
}

static void cell(struct strbuf *out, const char *value)
{
	strbuf_addstr(out, " ");
	md(out, value);
	strbuf_addstr(out, " |");
}

static void code(struct strbuf *out, const char *line)
{
	_cleanup_free_ char *safe = escape_bytes(line);

	strbuf_addf(out, "    %s\n", safe);
}

static void title(struct strbuf *out, const char *text)
{
	strbuf_addf(out, "\n## %s\n\n", text);
}

/* "1,234,567 bytes (1.2 MiB)" without a locale of its own */
static void bytes(struct strbuf *out, uint64_t n)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double v = (double)n;
	size_t i = 0;

	strbuf_addf(out, ngettext("%llu byte", "%llu bytes",
				  (unsigned long)n), (unsigned long long)n);
	if (n < 1024)
		return;
	for (v /= 1024; v >= 1024 && i + 1 < ARRAY_SIZE(units); i++)
		v /= 1024;
	strbuf_addf(out, " (%.1f %s)", v, units[i]);
}

/* --- parts --- */

static const char *result_text(const struct run *r)
{
	switch (r->state) {
	case RUN_COMPLETE:
		return json_object_array_length(r->warnings) ?
			_("done and verified, with warnings") :
			_("done and verified");
	case RUN_CLOSED:
		return _("failed before anything was changed");
	case RUN_FAILED:
		return _("failed; it can be resumed or rolled back");
	case RUN_ROLLED_BACK:
		return _("rolled back");
	case RUN_ROLLING_BACK:
		return _("a rollback is not finished");
	case RUN_ROLLBACK_FAILED:
		return _("a rollback failed");
	default:
		return _("not finished");
	}
}

static void add_head(const struct run *r, const struct plan *plan,
		     struct strbuf *out)
{
	_cleanup_free_ char *data = run_data_text(r, false);
	_cleanup_free_ char *who = NULL;
	const char *name = json_get_str(r->begun, "title", "");
	char exit[16];

	if (plan && *plan_text_get(&plan->title, NULL))
		name = plan_text_get(&plan->title, NULL);
	if (!*name)
		name = json_get_str(r->begun, "plan", "");
	strbuf_addstr(out, "# ");
	md(out, name);
	strbuf_addf(out, " %s ", _("from"));
	md(out, json_get_str(r->begun, "from", ""));
	strbuf_addf(out, " %s ", _("to"));
	md(out, json_get_str(r->begun, "to", ""));
	strbuf_addstr(out, "\n\n| | |\n|---|---|\n");
	who = xasprintf("%s@%s", json_get_str(r->begun, "user", "?"),
			json_get_str(r->begun, "host", "?"));
	row(out, _("result"), result_text(r));
	row(out, _("data"), data);
	(void)snprintf(exit, sizeof(exit), "%d", r->exit);
	row(out, _("exit status"), exit);
	row(out, _("run"), r->id);
	row(out, _("directory"), r->sd->root);
	row(out, _("plan"), json_get_str(r->begun, "plan", ""));
	row(out, _("digest of the plan"),
	    json_get_str(r->begun, "plan_digest", ""));
	row(out, pgettext("time", "started"), json_get_str(r->begun, "started", ""));
	row(out, _("finished"), r->finished);
	row(out, _("by"), who);
	row(out, "upshift", json_get_str(r->begun, "upshift", ""));
	row(out, _("application"), r->app_state);
}

static void add_failure(const struct run *r, const struct plan *plan,
			struct strbuf *out)
{
	const struct step *s;

	if (!r->error_msg && !r->error_code)
		return;
	title(out, _("What went wrong"));
	md(out, r->error_msg ? r->error_msg : "");
	if (r->error_code) {
		strbuf_addstr(out, " (");
		md(out, r->error_code);
		strbuf_addstr(out, ")");
	}
	strbuf_addstr(out, "\n");
	s = plan && r->failed_step ? plan_find_step(plan, r->failed_step) :
				     NULL;
	if (s && *plan_text_get(&s->hint, NULL)) {
		strbuf_addstr(out, "\n");
		md(out, plan_text_get(&s->hint, NULL));
		strbuf_addstr(out, "\n");
	}
}

/* what a step counted: "1,234 conversations"; NULL: nothing */
static char *counted(const struct run_step *st)
{
	struct json_object *fact = st->facts ? json_get(st->facts, "result") :
					       NULL;
	const char *what = fact ? json_get_str(fact, "count", "") : "";
	_cleanup_free_ char *digits = NULL;
	struct strbuf out = STRBUF_INIT;
	size_t n;

	if (!*what)
		return NULL;
	digits = xasprintf("%llu", (unsigned long long)
			   json_get_int(fact, "after", 0));
	n = strlen(digits);
	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			strbuf_addch(&out, ',');
		strbuf_addch(&out, digits[i]);
	}
	strbuf_addf(&out, " %s", what);
	return strbuf_detach(&out);
}

static void add_step(const struct run *r, const struct plan *plan, size_t i,
		     struct strbuf *out)
{
	const struct run_step *st = &r->steps[i];
	const struct step *s = plan ? plan_find_step(plan, st->id) : NULL;
	const char *text = s ? plan_text_get(&s->title, NULL) : "";
	_cleanup_free_ char *count = counted(st);

	strbuf_addf(out, "| %zu |", i + 1);
	cell(out, st->id);
	cell(out, text);
	cell(out, step_state_name(st->state));
	if (st->elapsed_s > 0)
		strbuf_addf(out, " %.1f s |", st->elapsed_s);
	else
		strbuf_addstr(out, " |");
	cell(out, st->started ? st->started : "");
	if (st->already)
		cell(out, _("was there already"));
	else
		cell(out, st->error_msg ? st->error_msg : count ? count :
		     st->state == STEP_SKIPPED && st->skipped_why ?
		     st->skipped_why : "");
	strbuf_addstr(out, "\n");
}

static void add_steps(const struct run *r, const struct plan *plan,
		      struct strbuf *out)
{
	size_t count[STEP_STATE_COUNT] = { 0 };
	size_t i, n = 0;

	title(out, _("Steps"));
	strbuf_addf(out, "| | %s | %s | %s | %s | %s | %s |\n", _("step"),
		    _("title"), _("state"), _("time"),
		    pgettext("time", "started"), _("note"));
	strbuf_addstr(out, "|--:|---|---|---|--:|---|---|\n");
	for (i = 0; i < r->step_n; i++) {
		add_step(r, plan, i, out);
		count[r->steps[i].state]++;
	}
	strbuf_addf(out, "\n%s: %zu", _("steps"), r->step_n);
	for (i = 0; i < STEP_STATE_COUNT; i++)
		if (count[i])
			strbuf_addf(out, "%s%zu %s", n++ ? ", " : "; ",
				    count[i],
				    step_state_name((enum step_state)i));
	strbuf_addstr(out, "\n");
}

/* beside the backup */
static void add_snapshot(const struct run *r, struct strbuf *out)
{
	_cleanup_free_ char *text = run_snapshot_text(r);

	if (!text)
		return;
	strbuf_addf(out, "\n%s: %s\n", _("Snapshot of the provider"), text);
	if (run_has_snapshot(r))
		strbuf_addf(out, "%s\n",
			    _("'upshift rollback --strategy snapshot' puts it "
			      "back; nothing else does."));
}

/* a table whose rows nobody can tell from others has none */
static void number(struct json_object *o, const char *key, struct strbuf *out)
{
	if (json_get(o, key))
		strbuf_addf(out, " %lld |", (long long)json_get_int(o, key, 0));
	else
		strbuf_addstr(out, " ? |");
}

static void undone_row(struct strbuf *out, const char *what,
		       struct json_object *o)
{
	strbuf_addstr(out, "|");
	cell(out, what);
	number(o, "restored", out);
	number(o, "lost", out);
	number(o, "kept", out);
	strbuf_addstr(out, "\n");
}

static void add_carried(struct json_object *t, struct strbuf *out)
{
	_cleanup_free_ char *name = json_get_bytes(t, "table");
	uint64_t n = (uint64_t)json_get_int(t, "carried", 0);
	_cleanup_free_ char *count = count_text(n);
	_cleanup_free_ char *text = xasprintf(ngettext("%s: %s row",
		"%s: %s rows", n), name ? name : "?", count);

	if (!n)
		return;
	strbuf_addf(out, "\n- %s: ", _("CARRIED"));
	md(out, text);
	strbuf_addstr(out, "\n");
}

/* as a preview tells it, and as it was when it was done */
static void add_rollback(const struct run *r, const struct run_point *p,
			 struct strbuf *out)
{
	_cleanup_json_ struct json_object *rest = json_object_new_object();
	bool last = p == run_last_point(r);
	_cleanup_free_ char *head = xasprintf(
		last && r->state == RUN_ROLLING_BACK ?
			_("rollback to %s was interrupted") :
		last && r->state == RUN_ROLLBACK_FAILED ?
			_("rollback to %s failed") : _("rolled back to %s"),
		p->to);
	uint64_t n[3] = { p->restored, p->lost, p->kept };
	static const char *const keys[] = { "restored", "lost", "kept" };
	size_t table_n = p->tables ? json_object_array_length(p->tables) : 0;

	strbuf_addf(out, "%s (%s, %s)\n\n| %s | %s | %s | %s |\n"
		    "|---|--:|--:|--:|\n", head, p->time, p->name,
		    _("table"), _("RESTORED"), _("LOST"), _("KEPT"));
	for (size_t i = 0; i < table_n; i++) {
		struct json_object *t = json_object_array_get_idx(p->tables, i);
		_cleanup_free_ char *name = json_get_bytes(t, "table");

		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			n[k] -= (uint64_t)json_get_int(t, keys[k], 0);
		if (!json_get(t, "carried"))
			undone_row(out, name, t);
	}
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		json_set_int(rest, keys[k], (int64_t)n[k]);
	undone_row(out, _("files and directories"), rest);
	for (size_t i = 0; p->carried && i < table_n; i++)
		add_carried(json_object_array_get_idx(p->tables, i), out);
	for (size_t i = 0; i < p->lost_names.n; i++) {
		strbuf_addf(out, "%s- %s: ", i ? "" : "\n", _("LOST"));
		md(out, p->lost_names.v[i]);
		strbuf_addstr(out, "\n");
	}
	strbuf_addstr(out, "\n");
}

static void add_rollbacks(const struct run *r, struct strbuf *out)
{
	if (r->point_n)
		title(out, _("Rollback"));
	for (size_t i = 0; i < r->point_n; i++)
		add_rollback(r, &r->points[i], out);
}

static void add_backup(const struct run *r, struct strbuf *out)
{
	const struct run_backup *b = &r->backup;
	_cleanup_strbuf_ struct strbuf size = STRBUF_INIT;
	_cleanup_free_ char *archive = NULL;
	_cleanup_free_ char *line = NULL;
	char items[32];

	title(out, _("Backup"));
	if (!b->done) {
		strbuf_addf(out, "%s\n", _("none was made"));
		return;
	}
	if (b->pruned) {
		strbuf_addf(out, "%s\n", _("it was removed after its time"));
		return;
	}
	archive = path_join(b->dir, "start.tar.zst");
	strbuf_addstr(out, "| | |\n|---|---|\n");
	row(out, _("archive"), archive);
	(void)snprintf(items, sizeof(items), "%llu",
		       (unsigned long long)b->items);
	row(out, _("items"), items);
	bytes(&size, b->bytes);
	row(out, _("size"), size.buf);
	strbuf_clear(&size);
	bytes(&size, b->stored_bytes);
	row(out, _("stored"), size.buf);
	row(out, _("finished"), b->finished);
	row(out, _("read back from"), b->readback && !strcmp(b->readback,
	    "cache") ? _("the cache (this disk allows no direct reads)") :
	    _("the disk"));
	if (b->secrets)
		row(out, _("secrets"), _("it holds some; only its owner can "
					 "read it, keep it so"));
	if (b->sets) {
		_cleanup_free_ char *sets = xasprintf(
			_("%llu, with %llu rows"), (unsigned long long)b->sets,
			(unsigned long long)b->rows);

		row(out, _("tables of servers"), sets);
	}
	row(out, _("digest of the archive"), b->archive_digest);
	row(out, _("digest of the manifest"), b->manifest_digest);
	strbuf_addf(out, "\n%s\n\n",
		    _("This line brings the data back without upshift:"));
	line = backup_tar_line(archive, r->sd->root);
	code(out, line);
	if (b->sets)
		strbuf_addf(out, "\n%s\n", _("It brings back files alone. "
			"Tables of servers lie in .upshift-stores/ of the "
			"archive, as text for COPY and with their schema; "
			"'upshift rollback' puts them back."));
}

static void add_verify(const struct run *r, struct strbuf *out)
{
	if (!json_object_object_length(r->verify))
		return;
	title(out, _("Verification"));
	strbuf_addf(out, "| %s | %s | %s |\n|---|---|---|\n", _("check"),
		    _("state"), _("finding"));
	json_object_object_foreach(r->verify, id, v) {
		strbuf_addstr(out, "|");
		cell(out, id);
		cell(out, json_get_str(v, "state", ""));
		cell(out, json_get_str(v, "message", ""));
		strbuf_addstr(out, "\n");
	}
	json_object_object_foreach(r->verify, audited, w) {
		const char *sum = json_get_str(w, "audit", NULL);

		if (sum)
			strbuf_addf(out, "\n`%s.audit.jsonl`: `%s`\n",
				    audited, sum);
	}
}

/* what steps met on their way, by class, SQLSTATE, table and hour */
static void add_errors(const struct run *r, struct strbuf *out)
{
	bool any = false;

	for (size_t i = 0; i < r->step_n; i++) {
		struct json_object *list = r->steps[i].facts ?
			json_get(r->steps[i].facts, "errors") : NULL;

		for (size_t k = 0; list && k < json_object_array_length(list);
		     k++) {
			struct json_object *o =
				json_object_array_get_idx(list, k);

			if (!any) {
				title(out, _("Errors"));
				strbuf_addf(out, "| %s | %s | SQLSTATE | %s | "
					    "%s | %s |\n|---|---|---|---|---|"
					    "--:|\n", _("step"), _("class"),
					    _("table"), _("hour"), _("count"));
			}
			any = true;
			strbuf_addstr(out, "|");
			cell(out, r->steps[i].id);
			cell(out, json_get_str(o, "class", ""));
			cell(out, json_get_str(o, "sqlstate", ""));
			cell(out, json_get_str(o, "table", ""));
			cell(out, json_get_str(o, "hour", ""));
			strbuf_addf(out, " %lld |\n", (long long)
				    json_get_int(o, "count", 0));
		}
	}
}

static void add_decisions(const struct run *r, struct strbuf *out)
{
	size_t i, n = json_object_array_length(r->decisions);

	if (!n)
		return;
	title(out, _("Decisions"));
	strbuf_addf(out, "| %s | %s | %s | %s | %s |\n|---|---|---|---|---|\n",
		    _("time"), _("decision"), _("subject"), _("value"),
		    _("by"));
	for (i = 0; i < n; i++) {
		struct json_object *d =
			json_object_array_get_idx(r->decisions, i);
		_cleanup_free_ char *who = xasprintf("%s@%s %s",
			json_get_str(d, "user", "?"),
			json_get_str(d, "host", "?"),
			json_get_str(d, "tty", ""));

		strbuf_addstr(out, "|");
		cell(out, json_get_str(d, "time", ""));
		cell(out, json_get_str(d, "kind", ""));
		cell(out, json_get_str(d, "subject", ""));
		cell(out, json_get_str(d, "value", ""));
		cell(out, who);
		strbuf_addstr(out, "\n");
	}
}

static void item(struct strbuf *out, const char *text)
{
	strbuf_addstr(out, "- ");
	md(out, text);
	strbuf_addstr(out, "\n");
}

static void add_warnings(const struct run *r, struct strbuf *out)
{
	size_t i, n = json_object_array_length(r->warnings);

	if (!n)
		return;
	title(out, _("Warnings"));
	for (i = 0; i < n; i++)
		item(out, json_object_get_string(
			json_object_array_get_idx(r->warnings, i)));
}

static void add_stalls(const struct run *r, struct strbuf *out)
{
	_cleanup_strvec_ struct strvec list = STRVEC_INIT;

	run_stalls(r, &list);
	if (list.n)
		title(out, _("Writers held up"));
	for (size_t i = 0; i < list.n; i++)
		item(out, list.v[i]);
}

static void add_points(const struct run *r, const struct plan *plan,
		       struct strbuf *out)
{
	struct run_goal *g;
	size_t i, n = run_goals(r, plan, &g);

	title(out, _("Points to go back to"));
	strbuf_addf(out, "| %s | %s | %s | %s |\n|---|---|---|---|\n",
		    _("point"), _("behind step"), _("time"), _("note"));
	for (i = 0; i < n; i++) {
		strbuf_addstr(out, "|");
		cell(out, g[i].name);
		cell(out, g[i].step > 0 ? r->steps[g[i].step - 1].id : "");
		cell(out, g[i].time ? g[i].time : "");
		if (g[i].available) {
			strbuf_addstr(out, " |\n");
			continue;
		}
		strbuf_addf(out, " %s: ", _("not available"));
		md(out, g[i].why);
		strbuf_addstr(out, " |\n");
	}
	run_goals_free(g, n);
}

static void add_next(const struct run *r, const struct plan *plan,
		     struct strbuf *out)
{
	_cleanup_strvec_ struct strvec next = STRVEC_INIT;
	size_t i;

	run_next(r, false, &next);
	title(out, _("What to do next"));
	for (i = 0; i < next.n; i++)
		code(out, next.v[i]);
	if (plan && *plan_text_get(&plan->support, NULL)) {
		strbuf_addf(out, "\n%s: ", _("Help"));
		md(out, plan_text_get(&plan->support, NULL));
		strbuf_addstr(out, "\n");
	}
}

void report_markdown(const struct run *r, const struct plan *plan,
		     struct strbuf *out)
{
	add_head(r, plan, out);
	add_failure(r, plan, out);
	add_steps(r, plan, out);
	add_stalls(r, out);
	add_rollbacks(r, out);
	add_verify(r, out);
	add_backup(r, out);
	add_snapshot(r, out);
	add_points(r, plan, out);
	add_warnings(r, out);
	add_errors(r, out);
	add_decisions(r, out);
	add_next(r, plan, out);
}

int report_write(const struct run *r, const struct plan *plan,
		 struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int rc;

	report_markdown(r, plan, &text);
	rc = fs_write_file(r->fd, REPORT_NAME, text.buf, text.len, 0600);
	if ((rc == -ENOSPC || rc == -EDQUOT) &&
	    fs_unlink(r->fd, RESERVE_NAME, 0) == 0)
		rc = fs_write_file(r->fd, REPORT_NAME, text.buf, text.len,
				   0600);
	if (rc < 0)
		return error_errno(err, ERR_STATE, rc, _("cannot write '%s'"),
				   REPORT_NAME);
	return 0;
}
