/* SPDX-License-Identifier: MIT */
/* Going back: which point, what it restores and loses, and the typed words. */
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

/* names of a list on the page itself; d shows all */
#define SHOWN_NAMES 5

/* rows of K80: to the start, in another way than the plan's */
#define BY_BACKUP "start/backup"
#define BY_SNAPSHOT "start/snapshot"
#define SNAPSHOT_TEXT N_("The provider puts snapshot '%s' back: what others " \
			 "wrote since to what it holds is lost, in all tables.")

/* --- K80 --- */

static const char *step_of(const struct wizard *w, const struct run_goal *g)
{
	return g->step > 0 && (size_t)g->step <= w->run->step_n ?
		w->run->steps[g->step - 1].id : NULL;
}

static char *goal_text(const struct wizard *w, const struct run_goal *g)
{
	if (!strcmp(g->name, "start"))
		return *w->s.plan->from ? xasprintf(_("version %s, before step "
			"1"), w->s.plan->from) : xstrdup(_("before step 1"));
	if (g->step > 0)
		return xasprintf(_("after step %d %s"), g->step,
				 step_of(w, g));
	return xstrdup(_("as it was before a rollback"));
}

static char *goal_why(const struct run_goal *g)
{
	if (g->available)
		return xstrdup("");
	if (!g->why || !strcmp(g->why, "pruned"))
		return xstrdup(_("not possible: the backup was removed"));
	if (g->step == 0 && *g->name == 'R')
		return xasprintf(_("not possible: run %s came later"), g->why);
	return xasprintf(_("not possible: step \"%s\" cannot be undone"),
			 g->why);
}

/* the point where the data stands now is no way to go */
static bool is_here(const struct wizard *w, const struct run_goal *g)
{
	if (g->step <= 0)
		return false;
	for (size_t i = (size_t)g->step; i < w->run->step_n; i++)
		if (w->run->steps[i].touched)
			return false;
	return w->run->state != RUN_ROLLED_BACK;
}

static void goal_row(struct wizard *w, struct sheet *s,
		     const struct run_goal *g, int *n)
{
	_cleanup_free_ char *text = goal_text(w, g);
	_cleanup_free_ char *why = is_here(w, g) ?
		xstrdup(_("here now")) : goal_why(g);
	_cleanup_free_ char *at = wizard_hhmm(g->time);
	_cleanup_free_ char *note = xasprintf("%s\t%s", at, why);
	struct sheet_item *it;

	if (!g->available || is_here(w, g)) {
		it = sheet_row(s, NULL, MARK_NONE, g->name, text, note);
		it->role = ROLE_DIM;
		return;
	}
	it = sheet_row(s, g->name, MARK_NONE, g->name, text, note);
	if (++*n <= 9)
		it->key = (char)('0' + *n);
	if (!s->focus)
		s->focus = it->id;
}

/* all of it at once, for who does not want the steps undone one by one; the
   data below the root comes back as ever */
static void other_ways(struct wizard *w, struct sheet *s, int *n)
{
	const struct plan *p = w->s.plan;
	const struct run *r = w->run;
	_cleanup_free_ char *snap = run_has_snapshot(r) ?
		xasprintf(_("the provider's snapshot '%s'"), r->snapshot.id) :
		NULL;
	const struct { const char *id, *text, *time; bool given; } ways[] = {
		{ BY_BACKUP, _("all tables, from the backup"),
		  r->backup.finished, r->backup.sets &&
		  p->strategy != PLAN_BY_BACKUP },
		{ BY_SNAPSHOT, snap, r->snapshot.time, snap &&
		  p->snapshot.restore.argv.n },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		_cleanup_free_ char *at = NULL, *note = NULL;
		struct sheet_item *it;

		if (!ways[i].given)
			continue;
		at = wizard_hhmm(ways[i].time);
		note = xasprintf("%s\t", at);
		it = sheet_row(s, ways[i].id, MARK_NONE, "start", ways[i].text,
			       note);
		if (++*n <= 9)
			it->key = (char)('0' + *n);
	}
}

static const char *point_or_start(const struct wizard *w)
{
	return w->row && !strchr(w->row, '/') ? w->row : "start";
}

static void way_fact(struct wizard *w, struct sheet *s)
{
	if (w->row && !strcmp(w->row, BY_SNAPSHOT))
		sheet_fact(s, _("Way back"), _(SNAPSHOT_TEXT),
			   w->run->snapshot.id);
	else if (w->row && !strcmp(w->row, BY_BACKUP))
		sheet_fact(s, _("Way back"), "%s", _("all tables are loaded "
			   "from the backup; what others wrote to them since "
			   "is lost"));
	else if (*point_or_start(w) == 'R')
		sheet_fact(s, _("Way back"), "%s", _("the rollback is taken "
			   "back: what it undid is there again"));
	else
		sheet_fact(s, _("Way back"), _("what the steps behind %s "
			   "changed is put back"), point_or_start(w));
}

static void backup_fact(struct wizard *w, struct sheet *s)
{
	const struct run_backup *b = &w->run->backup;
	_cleanup_free_ char *size = wizard_bytes(b->stored_bytes);
	_cleanup_free_ char *at = wizard_hhmm(b->finished);

	sheet_fact(s, _("Backup"), _("%s, read back and compared at %s"), size,
		   at);
}

void page_k80(struct wizard *w, struct sheet *s)
{
	struct sheet_item *it;
	struct run_goal *g;
	size_t n;
	int keys = 0;
	bool start = false;

	if (!w->run)
		return;
	sheet_text(s, ROLE_NORMAL, "%s", _("Go back to which point? Nothing "
		"happens until you have seen the next screen and typed words "
		"on the one after it."));
	sheet_blank(s);
	it = sheet_add(s, SHEET_HEAD);
	it->label = xstrdup(_("Point"));
	it->text = xstrdup(_("State of the data"));
	it->note = xasprintf("%s\t", _("Made"));
	n = run_goals(w->run, w->s.plan, &g);
	for (size_t i = 0; i < n; i++) {
		goal_row(w, s, &g[i], &keys);
		start |= !strcmp(g[i].name, "start") && g[i].available;
	}
	run_goals_free(g, n);
	if (start)
		other_ways(w, s, &keys);
	sheet_blank(s);
	if (!keys)
		sheet_text(s, ROLE_CAUTION, "%s", _("There is no point that the "
			"data could go back to."));
	else {
		backup_fact(w, s);
		way_fact(w, s);
		sheet_fact(s, _("Afterwards"), "%s", _("you can upgrade again, "
			   "or take the rollback back"));
	}
	sheet_blank(s);
	sheet_text(s, ROLE_NORMAL, "%s", _("Points are kept with the backup "
		"until you delete it with \"upshift forget\"."));
	if (keys) {
		sheet_key(s, SHEET_ENTER, "preview", _("Preview"));
		sheet_key(s, 'v', "verify", _("Check again"));
	}
	sheet_key(s, SHEET_ESC, "back", _("Back"));
	sheet_status(s, w->notice ? w->notice : _("Enter shows exactly what "
		"would be restored and what would be lost."));
}

/* --- K81 --- */

void page_k81(struct wizard *w, struct sheet *s)
{
	const char *snapshot = json_get_str(w->preview, "snapshot", NULL);
	int n = (int)json_get_int(w->preview, "steps", 0);
	struct sheet_item *it = sheet_text(s, ROLE_STRONG,
		_("Preview of the rollback to %s"), w->point);

	/* which may have no rows and no files to speak of */
	if (n > 0)
		it->note = xasprintf(ngettext("%d step is undone",
					      "%d steps are undone",
					      (unsigned long)n), n);
	sheet_blank(s);
	if (!w->preview) {
		/* who knows the words may type them already: no letter of
		   theirs is a key */
		s->typed = w->look != NULL;
		sheet_text(s, ROLE_NORMAL, "%s", w->look ?
			   _("Looking what would be restored and lost ...") :
			   w->notice ? w->notice :
			   _("What would be restored cannot be told."));
		sheet_key(s, SHEET_ESC, "back", _("Back"));
		sheet_status(s, _("Still nothing has been restored."));
		return;
	}
	wizard_told(s, w->preview, SHOWN_NAMES);
	if (snapshot)
		sheet_text(s, ROLE_CAUTION, _(SNAPSHOT_TEXT), snapshot);
	sheet_blank(s);
	sheet_text(s, ROLE_NORMAL, "%s", _("Before anything is restored, the "
		"present state is saved as a point of its own, so this "
		"rollback can be undone as well."));
	if (w->s.plan->verify_rollback_n)
		sheet_blank(s);
	if (w->s.plan->verify_rollback_n)
		sheet_fact(s, _("Then"), ngettext("%lu check runs",
			   "%lu checks run",
			   (unsigned long)w->s.plan->verify_rollback_n),
			   (unsigned long)w->s.plan->verify_rollback_n);
	sheet_add(s, SHEET_FILL);
	s->flags |= SHEET_BUTTONS;
	sheet_choice(s, 0, "confirm", _("Go on to confirmation"), NULL);
	sheet_choice(s, 0, "save-list", _("Show this list"), NULL);
	sheet_choice(s, 0, "other-point", _("Other point"), NULL);
	sheet_choice(s, 0, "cancel", _("Cancel"), NULL);
	s->focus = "cancel";
	sheet_key(s, SHEET_ESC, "back", _("Back"));
	sheet_status(s, w->notice ? w->notice :
		     _("Still nothing has been restored."));
}

/* --- K82 --- */

static char *words_for(const struct wizard *w)
{
	return xasprintf("roll back to %s", w->point);
}

void page_k82(struct wizard *w, struct sheet *s)
{
	_cleanup_free_ char *words = words_for(w);
	uint64_t lost = (uint64_t)json_get_int(w->preview, "lost", 0);
	_cleanup_free_ char *n = wizard_count(lost);

	if (lost)
		sheet_text(s, ROLE_NORMAL, ngettext(
			"This goes back to %s. %s item that came later is "
			"taken away.", "This goes back to %s. %s items that "
			"came later are taken away.", lost), w->point, n);
	else
		sheet_text(s, ROLE_NORMAL, _("This goes back to %s. Nothing "
			   "that came later is lost."), w->point);
	sheet_words(s, words, _("Start the rollback"), _("Back to the preview"));
	sheet_status(s, w->notice ? w->notice : _("Waiting for the words. "
		     "Nothing has been restored."));
}

/* --- what they do --- */

static unsigned int leave(struct wizard *w)
{
	wizard_look(w);
	if (!w->run)
		return wizard_go(w, PAGE_W10);
	return wizard_go(w, run_is_open(w->run) ? PAGE_R70 : PAGE_D90);
}

static unsigned int preview(struct wizard *w, const char *row)
{
	/* "start/snapshot" */
	const char *way = row ? strchr(row, '/') : NULL;
	_cleanup_free_ char *point = row ? xstrndup(row, way ?
		(size_t)(way - row) : strlen(row)) : NULL;
	struct run_goal *g;
	size_t n;
	bool found = false;

	wizard_look(w);
	if (!w->run || w->live)
		return WIZARD_MOVED | WIZARD_REDRAW;
	n = run_goals(w->run, w->s.plan, &g);
	for (size_t i = 0; point && i < n; i++)
		found |= !strcmp(g[i].name, point) && g[i].available;
	run_goals_free(g, n);
	if (!found)
		return wizard_say(w, WIZARD_REFUSED, _("'%s' is no point that "
				  "the data can go back to"), row ? row : "");
	if (wizard_unanswered(w))
		return wizard_ask_answers(w);
	free(w->point);
	w->point = TAKE_PTR(point);
	w->o.strategy = !way ? NULL : !strcmp(row, BY_SNAPSHOT) ?
		plan_strategy_name(PLAN_BY_SNAPSHOT) :
		plan_strategy_name(PLAN_BY_BACKUP);
	json_object_put(w->preview);
	w->preview = NULL;
	return wizard_go(w, PAGE_K81) | wizard_start(w, CLIENT_PREVIEW);
}

static unsigned int typed(struct wizard *w, const char *value)
{
	_cleanup_free_ char *words = words_for(w);

	if (!value || !ask_words_match(value, words))
		return wizard_say(w, WIZARD_REFUSED, "%s", _("These are not "
			"the words. Nothing has been restored."));
	wizard_look(w);
	if (!w->run || w->live)
		return WIZARD_MOVED | WIZARD_REDRAW;
	if (wizard_unanswered(w))
		return wizard_ask_answers(w);
	return wizard_go(w, PAGE_P50) | wizard_start(w, CLIENT_ROLLBACK);
}

unsigned int act_back(struct wizard *w, const char *id, const char *row,
		      const char *value)
{
	if (w->page == PAGE_K82) {
		if (!strcmp(id, "back"))
			return wizard_go(w, PAGE_K81);
		return !strcmp(id, "words") ? typed(w, value) : WIZARD_NOTHING;
	}
	if (w->page == PAGE_K81) {
		if (!strcmp(id, "confirm") && w->preview)
			return wizard_go(w, PAGE_K82);
		if (!strcmp(id, "save-list") || !strcmp(id, "details"))
			return w->preview ? wizard_show_told(w, w->preview) :
				WIZARD_NOTHING;
		if (!strcmp(id, "cancel"))
			return leave(w);
		if (!strcmp(id, "other-point") || !strcmp(id, "back"))
			return wizard_go(w, PAGE_K80);
		return WIZARD_NOTHING;
	}
	if (!strcmp(id, "verify"))
		return act_fail(w, id);
	if (!strcmp(id, "preview"))
		return preview(w, row ? row : w->row);
	if (!strcmp(id, "back"))
		return leave(w);
	return WIZARD_NOTHING;
}
