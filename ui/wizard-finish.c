/* SPDX-License-Identifier: MIT */
/* The end: what became of it, where everything lies, what comes next. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "run-errors.h"
#include "text-width.h"
#include "wizard-internal.h"

#define FAREWELL_LINES 12
#define LABEL_COLS 10
/* of each list of what a rollback did; d shows all */
#define SHOWN_NAMES 2

static bool went_back(const struct wizard *w)
{
	return w->run->state == RUN_ROLLED_BACK;
}

/* failed, undone if there was something to undo, and gone on from: "on_error"
   of the plan */
static bool has_failed(const struct wizard *w, size_t i)
{
	return !went_back(w) && (w->run->steps[i].state == STEP_FAILED ||
				 w->run->steps[i].state == STEP_UNDONE);
}

static unsigned long failed_steps(const struct wizard *w)
{
	unsigned long n = 0;

	for (size_t i = 0; i < w->run->step_n; i++)
		n += has_failed(w, i);
	return n;
}

/* rows of some table cannot be told from others */
static bool is_uncounted(const struct run_point *p)
{
	size_t n = p->tables ? json_object_array_length(p->tables) : 0;

	for (size_t i = 0; i < n; i++)
		if (!json_get(json_object_array_get_idx(p->tables, i),
			      "restored"))
			return true;
	return false;
}

/* no more than what holds */
static char *back_text(const struct wizard *w, const char *title)
{
	const struct run_point *p = run_last_point(w->run);
	const char *to = w->run->rollback_point ? w->run->rollback_point :
						  "start";
	uint64_t stays = p ? p->kept + p->carried : 0;

	if (w->run->rollback_only.n)
		return xasprintf(ngettext("ROLLED BACK: %zu step of %s is "
			"undone, the others stay.", "ROLLED BACK: %zu steps of "
			"%s are undone, the others stay.",
			w->run->rollback_only.n), w->run->rollback_only.n,
			title);
	if (p && is_uncounted(p))
		return xasprintf(_("ROLLED BACK to %s: what steps of %s did "
				   "behind it is undone."), to, title);
	if (stays)
		return xasprintf(ngettext("ROLLED BACK to %s: %s is as it was, "
			"but for %ju entry that others wrote since and that "
			"stays.", "ROLLED BACK to %s: %s is as it was, but for "
			"%ju entries that others wrote since and that stay.",
			stays), to, title, (uintmax_t)stays);
	return xasprintf(_("ROLLED BACK to %s: %s is as it was."), to, title);
}

static char *head_text(const struct wizard *w)
{
	const struct plan *p = w->s.plan;
	unsigned long failed = failed_steps(w);
	const char *title = plan_text_get(&p->title, wizard_lang(w));
	const char *app = w->run->app_state;

	if (!*title)
		title = p->name;
	if (went_back(w))
		return back_text(w, title);
	if (failed)
		return xasprintf(ngettext("UPGRADE COMPLETE but for %lu step "
			"that FAILED: %s.", "UPGRADE COMPLETE but for %lu "
			"steps that FAILED: %s.", failed), failed, title);
	if (!*p->to)
		return xasprintf(_("UPGRADE COMPLETE: %s."), title);
	if (app && !strcmp(app, "running"))
		return xasprintf(_("UPGRADE COMPLETE: %s is now %s and "
				   "running."), title, p->to);
	return xasprintf(_("UPGRADE COMPLETE: %s is now %s."), title, p->to);
}

static char *steps_text(const struct wizard *w)
{
	unsigned long done = 0, skipped = 0, undone = 0;
	unsigned long failed = failed_steps(w);
	struct strbuf sb = STRBUF_INIT;

	strbuf_init(&sb);
	for (size_t i = 0; i < w->run->step_n; i++) {
		const struct run_step *st = &w->run->steps[i];

		done += st->state == STEP_VERIFIED;
		skipped += st->state == STEP_SKIPPED;
		undone += st->state == STEP_UNDONE ||
			st->state == STEP_FAILED;
	}
	undone -= failed;
	strbuf_addf(&sb, ngettext("%lu done", "%lu done", done), done);
	if (skipped)
		strbuf_addf(&sb, ngettext(", %lu skipped", ", %lu skipped",
					  skipped), skipped);
	if (undone)
		strbuf_addf(&sb, ngettext(", %lu undone", ", %lu undone",
					  undone), undone);
	if (failed)
		strbuf_addf(&sb, ngettext(", %lu FAILED", ", %lu FAILED",
					  failed), failed);
	return strbuf_detach(&sb);
}

/* every verification of the record; NULL: there is none */
static char *verify_text(const struct wizard *w)
{
	unsigned long ok = 0, n = 0;

	if (!w->run->verify)
		return NULL;
	json_object_object_foreach(w->run->verify, key, val) {
		(void)key;
		n++;
		ok += !strcmp(json_get_str(val, "state", ""), "ok");
	}
	if (!n)
		return NULL;
	return xasprintf(ngettext("%lu of %lu check ok", "%lu of %lu checks "
				  "ok", n), ok, n);
}

static size_t warnings(const struct wizard *w)
{
	return w->run->warnings ?
		json_object_array_length(w->run->warnings) : 0;
}

/* between two times of records, in seconds; < 0: not known */
static double span(const char *from, const char *to)
{
	struct timespec a, b;

	if (!from || !to || clock_parse(from, &a) < 0 ||
	    clock_parse(to, &b) < 0)
		return -1;
	return difftime(b.tv_sec, a.tv_sec) +
		(double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* the furthest point that can still be reached */
static void way_back(struct wizard *w, struct sheet *s)
{
	struct run_goal *g;
	size_t n = run_goals(w->run, w->s.plan, &g), at = n;

	for (size_t i = 0; i < n; i++)
		if (g[i].available && *g[i].name != 'R')
			at = i;
	if (at < n)
		sheet_fact(s, _("Go back"), "upshift rollback %s --root %s",
			   g[at].name, w->run->sd->root);
	run_goals_free(g, n);
}

/* what the rollback did */
static void told_facts(struct wizard *w, struct sheet *s, size_t names)
{
	_cleanup_json_ struct json_object *o = wizard_last_rollback(w);

	if (o)
		wizard_told(s, o, names);
}

static void finish_facts(struct wizard *w, struct sheet *s, size_t names)
{
	const struct run *r = w->run;
	_cleanup_free_ char *steps = steps_text(w);
	_cleanup_free_ char *verify = verify_text(w);
	_cleanup_free_ char *size = wizard_bytes(r->backup.stored_bytes);
	_cleanup_strbuf_ struct strbuf errors = STRBUF_INIT;
	double took = span(json_get_str(r->begun, "started", NULL),
			   r->finished);

	sheet_fact(s, _("Steps"), "%s", steps);
	for (size_t i = 0; i < r->step_n; i++)
		if (has_failed(w, i))
			sheet_fact(s, _("FAILED"), "%zu %s: %s", i + 1,
				   r->steps[i].id, r->steps[i].error_msg ?
				   r->steps[i].error_msg : "");
	if (went_back(w))
		told_facts(w, s, names);
	if (verify)
		sheet_fact(s, pgettext("heading", "Verify"), "%s", verify);
	if (warnings(w)) {
		_cleanup_free_ char *first = json_array_get_bytes(
			r->warnings, 0);

		sheet_fact(s, _("Warnings"), "%zu: \"%s\"", warnings(w),
			   first ? first : "");
	}
	if (run_errors_text(r, &errors))
		sheet_fact(s, _("Errors"), "%s", errors.buf);
	if (took >= 0) {
		_cleanup_free_ char *t = wizard_time(took);

		sheet_fact(s, _("Time"), _("%s in total"), t);
	}
	sheet_blank(s);
	if (r->backup.done && !r->backup.pruned) {
		_cleanup_free_ char *days = NULL;

		if (w->s.plan->keep_s > 0)
			days = wizard_time(w->s.plan->keep_s);
		if (days)
			sheet_fact(s, _("Backup"), _("%s    %s, kept for %s"),
				   r->backup.dir, size, days);
		else
			sheet_fact(s, _("Backup"), "%s    %s", r->backup.dir,
				   size);
	}
	if (went_back(w) && r->rollback_r)
		sheet_fact(s, _("Undo this"), "upshift rollback %s --root %s",
			   r->rollback_r, r->sd->root);
	else
		way_back(w, s);
	sheet_fact(s, _("Log"), "%s/runs/%s/log.jsonl", r->sd->path, r->id);
	sheet_fact(s, _("Report"), "upshift report %s --root %s", r->id,
		   r->sd->root);
}

/* a sentence, such as until when at least it has to rest; "user" is none */
static void skipped_why(struct sheet *s, const char *why)
{
	if (why && strchr(why, ' '))
		sheet_text(s, ROLE_NORMAL, "     %s", why);
}

static void what_next(struct wizard *w, struct sheet *s)
{
	const struct run *r = w->run;
	int n = 0;

	sheet_blank(s);
	sheet_text(s, ROLE_STRONG, "%s", _("Next, for you"));
	if (went_back(w))
		sheet_text(s, ROLE_NORMAL, _("  %d. Look at the data; then "
			   "upgrade again whenever you like."), ++n);
	else
		sheet_text(s, ROLE_NORMAL, _("  %d. Look at the result and work "
			   "with it for a while."), ++n);
	for (size_t i = 0; i < r->step_n && !went_back(w); i++)
		if (r->steps[i].state == STEP_SKIPPED) {
			sheet_text(s, ROLE_NORMAL, _("  %d. To do the skipped "
				   "step: upshift resume --run-step %s"), ++n,
				   r->steps[i].id);
			skipped_why(s, r->steps[i].skipped_why);
		} else if (has_failed(w, i))
			sheet_text(s, ROLE_NORMAL, _("  %d. Put right what "
				   "made it fail, then: upshift resume "
				   "--run-step %s"), ++n, r->steps[i].id);
	sheet_text(s, ROLE_NORMAL, _("  %d. When you need the backup no more: "
		   "upshift forget %s"), ++n, r->id);
}

void page_d90(struct wizard *w, struct sheet *s)
{
	_cleanup_free_ char *head = NULL;

	if (!w->run)
		return;
	head = head_text(w);
	sheet_text(s, failed_steps(w) ? ROLE_CAUTION : went_back(w) ?
		   ROLE_STRONG : ROLE_GOOD, "%s", head);
	sheet_blank(s);
	finish_facts(w, s, SHOWN_NAMES);
	what_next(w, s);
	sheet_add(s, SHEET_FILL);
	s->flags |= SHEET_BUTTONS;
	sheet_choice(s, 0, "exit", _("Exit"), NULL);
	if (warnings(w))
		sheet_choice(s, 0, "warnings", _("Show warnings"), NULL);
	if (went_back(w) && run_is_open(w->run))
		sheet_choice(s, 0, "continue", _("Upgrade again"), NULL);
	if (w->run->backup.done && !w->run->backup.pruned) {
		sheet_choice(s, 0, "verify", _("Verify again"), NULL);
		sheet_choice(s, 0, "rollback", _("Roll back..."), NULL);
	}
	s->focus = "exit";
	/* its lists are cut short */
	if (went_back(w))
		sheet_key(s, 'd', "details", _("Details"));
	sheet_key(s, 'q', "exit", _("Exit"));
	sheet_status(s, w->notice ? w->notice : _("This summary is printed "
		     "again on the normal screen when you leave."));
}

unsigned int act_finish(struct wizard *w, const char *id)
{
	if (!strcmp(id, "exit"))
		return WIZARD_QUIT;
	if (!strcmp(id, "details") && went_back(w)) {
		_cleanup_json_ struct json_object *o = wizard_last_rollback(w);

		if (o)
			return wizard_show_told(w, o);
	}
	if (!strcmp(id, "details") && !warnings(w))
		return wizard_show_steps(w);
	if (!strcmp(id, "warnings") || !strcmp(id, "details")) {
		struct strvec *t = wizard_text_begin(w, _("Warnings"));

		for (size_t i = 0; i < warnings(w); i++)
			strvec_take(t, json_array_get_bytes(w->run->warnings,
							    i));
		return WIZARD_SHOW_TEXT;
	}
	if (!strcmp(id, "verify") || !strcmp(id, "rollback") ||
	    !strcmp(id, "continue"))
		return act_fail(w, id);
	return WIZARD_NOTHING;
}

/* --- the normal screen --- */

static void push_safe(struct strvec *ret, char *line)
{
	strvec_take(ret, escape_bytes(line));
	free(line);
}

static void farewell_facts(struct wizard *w, struct strvec *ret)
{
	struct sheet s;
	int width = LABEL_COLS;

	sheet_init(&s);
	finish_facts(w, &s, 0);
	for (size_t i = 0; i < s.n; i++)
		if (s.items[i].type == SHEET_FACT)
			width = MAX(width, width_of(s.items[i].label));
	for (size_t i = 0; i < s.n && ret->n < FAREWELL_LINES; i++) {
		struct strbuf line = STRBUF_INIT;

		if (s.items[i].type != SHEET_FACT)
			continue;
		strbuf_addstr(&line, "  ");
		width_pad(&line, s.items[i].label, width);
		strbuf_addf(&line, " %s", s.items[i].text);
		push_safe(ret, strbuf_detach(&line));
	}
	sheet_release(&s);
}

void wizard_farewell(struct wizard *w, struct strvec *ret)
{
	_cleanup_strvec_ struct strvec next = STRVEC_INIT;
	_cleanup_free_ char *data = NULL;

	wizard_look(w);
	if (!w->run || w->run->state == RUN_CLOSED) {
		if (*w->id && w->exit >= 0)
			strvec_push(ret, _("upshift: nothing was changed"));
		return;
	}
	if (!run_is_open(w->run) && !w->live) {
		push_safe(ret, head_text(w));
		farewell_facts(w, ret);
		return;
	}
	data = run_data_text(w->run, w->live);
	if (w->live)
		push_safe(ret, xasprintf(_("Run %s goes on without this window; "
				   "data %s."), w->run->id, data));
	else
		push_safe(ret, xasprintf(_("Run %s is not finished; data %s. "
				   "Nothing is running now."), w->run->id,
				   data));
	run_next(w->run, w->live, &next);
	for (size_t i = 0; i < next.n; i++)
		push_safe(ret, xasprintf("  %s", next.v[i]));
}
