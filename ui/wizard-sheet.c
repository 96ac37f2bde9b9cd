/* SPDX-License-Identifier: MIT */
/*
 * The frame around each page: title, phase, run, the safety line from the
 * journal alone, and what is safe to show.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

/* --- safety line --- */

static char *app_text(const struct wizard *w)
{
	_cleanup_free_ char *since = NULL;

	if (!w->s.plan || !w->s.plan->app.given)
		return xstrdup(_("not managed"));
	if (!w->run || !w->run->app_state)
		return xstrdup(_("not stopped"));
	since = wizard_hhmm(w->run->app_since);
	if (!strcmp(w->run->app_state, "stopped"))
		return xasprintf(_("stopped %s"), since);
	return xasprintf(_("running since %s"), since);
}

static const char *backup_text(const struct wizard *w)
{
	const struct run *r = w->run;

	if (!r || !r->backup.done)
		return w->c && w->m.phase == PHASE_BACKUP &&
			w->m.phase_running ? pgettext("backup", "running") :
			_("none yet");
	if (r->backup.pruned)
		return pgettext("backup", "removed");
	return run_is_open(r) ? pgettext("backup", "verified") :
		pgettext("backup", "kept");
}

/* the way back, at its longest */
static char *undo_text(const struct wizard *w)
{
	struct run_goal *g;
	char *ret = NULL;
	size_t n;

	if (!w->run || !w->run->backup.done)
		return xstrdup(_("not needed"));
	if (!run_changed_data(w->run) && w->run->state != RUN_COMPLETE)
		return xstrdup(_("not needed"));
	n = run_goals(w->run, w->s.plan, &g);
	for (size_t i = 0; i < n && !ret; i++)
		if (!strcmp(g[i].name, "start") && g[i].available)
			ret = xstrdup(_("possible"));
	/* newest first, so the last that is available lies furthest back */
	for (size_t i = n; i-- > 0 && !ret;)
		if (g[i].available)
			ret = xasprintf(_("to %s only"), g[i].name);
	run_goals_free(g, n);
	return ret ? ret : xstrdup(_("NOT possible"));
}

static char *safety(const struct wizard *w)
{
	_cleanup_free_ char *data = w->run ? run_data_text(w->run, w->live) :
		xstrdup(_("not changed"));
	_cleanup_free_ char *app = app_text(w);
	_cleanup_free_ char *undo = undo_text(w);

	return xasprintf(_("DATA %s | APP %s | BACKUP %s | UNDO %s"), data,
			 app, backup_text(w), undo);
}

/* --- title line --- */

static char *app_title(const struct wizard *w)
{
	const struct plan *p = w->s.plan;
	const char *t;

	if (!p)
		return xstrdup("upshift");
	t = plan_text_get(&p->title, wizard_lang(w));
	if (!*p->from && !*p->to)
		return xstrdup(*t ? t : p->name);
	return xasprintf("%s  %s -> %s", *t ? t : p->name, *p->from ?
			 p->from : "?", *p->to ? p->to : "?");
}

static char *steps_phase(const struct wizard *w)
{
	int at = w->m.step_at;
	const struct step *s = wizard_asked_step(w);

	if (s)
		at = plan_step_index(w->s.plan, s->id);
	if (at < 0)
		return xstrdup(_("4 Steps"));
	return xasprintf(_("4 Steps: %d of %zu"), at + 1, w->m.step_n);
}

static char *phase_text(const struct wizard *w)
{
	switch (w->page) {
	case PAGE_W05:
	case PAGE_W10:
	case PAGE_A15:
		return xstrdup(_("1 Plan"));
	case PAGE_C20:
	case PAGE_C25:
		return xstrdup(_("2 Checks"));
	case PAGE_B30:
		return xstrdup(_("3 Backup"));
	case PAGE_S40:
	case PAGE_S42:
	case PAGE_S45:
		return steps_phase(w);
	case PAGE_P50:
	case PAGE_F60:
		if (w->look && !w->c)
			return xstrdup(_("Verification"));
		if (w->m.phase == PHASE_ROLLBACK)
			return xstrdup(_("Rolling back"));
		if (w->m.phase == PHASE_VERIFY)
			return xstrdup(_("5 Verify"));
		if (w->m.phase == PHASE_BACKUP)
			return xstrdup(_("3 Backup"));
		return steps_phase(w);
	case PAGE_R70:
		return xstrdup(_("Unfinished upgrade"));
	case PAGE_K80:
		return xstrdup(_("Roll back 1/3"));
	case PAGE_K81:
		return xstrdup(_("Roll back 2/3"));
	case PAGE_K82:
		return xstrdup(_("Roll back 3/3"));
	case PAGE_D90:
		return xstrdup(_("Finished"));
	case PAGE_COUNT:
		break;
	}
	return xstrdup("");
}

/* --- what is safe to show --- */

/* a tab divides columns; everything else that is no text is escaped */
static void make_safe(char **text)
{
	struct strbuf sb = STRBUF_INIT;
	const char *p = *text;

	if (!p)
		return;
	strbuf_init(&sb);
	for (;;) {
		size_t n = strcspn(p, "\t");

		strbuf_add_escaped(&sb, p, n);
		p += n;
		if (!*p)
			break;
		strbuf_addch(&sb, *p++);
	}
	free(*text);
	*text = strbuf_detach(&sb);
}

void sheet_make_safe(struct sheet *s)
{
	make_safe(&s->app);
	make_safe(&s->phase);
	make_safe(&s->safety);
	make_safe(&s->status);
	for (size_t i = 0; i < s->n; i++) {
		make_safe(&s->items[i].label);
		make_safe(&s->items[i].text);
		make_safe(&s->items[i].note);
	}
	for (size_t i = 0; i < s->key_n; i++)
		make_safe(&s->keys[i].hint);
}

void sheet_words(struct sheet *s, const char *words, const char *enter,
		 const char *esc)
{
	sheet_blank(s);
	sheet_text(s, ROLE_NORMAL, "%s", _("Type these words, then press "
					   "Enter:"));
	sheet_blank(s);
	sheet_pre(s, ROLE_STRONG, words);
	sheet_blank(s);
	(void)sheet_field(s, "words", NULL, "", false);
	sheet_blank(s);
	sheet_text(s, ROLE_NORMAL, "%s", _("Large or small letters and extra "
		"spaces do not matter. Anything else is refused and nothing "
		"happens. Esc leaves this screen without doing anything."));
	sheet_add(s, SHEET_FILL);
	sheet_text(s, ROLE_DIM, "%s", _("Support staff: ask the user to read "
		"the line above aloud before pressing Enter."));
	sheet_key(s, SHEET_ENTER, "words", enter);
	sheet_key(s, SHEET_ESC, "back", esc);
	s->typed = true;
	s->focus = "words";
}

void sheet_status(struct sheet *s, const char *text)
{
	free(s->status);
	s->status = xstrdup(text);
}

static void watch_status(const struct wizard *w, struct sheet *s)
{
	_cleanup_free_ char *text = w->wheel ?
		xasprintf(_("You are watching: %s."), w->wheel) :
		xstrdup(_("You are watching; you cannot act from here."));

	sheet_status(s, text);
	/* what the other one may choose is shown, and not for us */
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].type == SHEET_CHOICE &&
		    !wizard_may_watch(s->items[i].id))
			s->items[i].enabled = false;
}

void wizard_sheet(struct wizard *w, struct sheet *s)
{
	static void (*const pages[PAGE_COUNT])(struct wizard *,
					       struct sheet *) = {
		page_w05, page_w10, page_a15, page_c20, page_c25, page_b30,
		page_s40, page_s42, page_s45, page_p50, page_f60, page_r70, page_k80,
		page_k81, page_k82, page_d90,
	};

	(void)snprintf(s->code, sizeof(s->code), "%s", page_code(w->page));
	s->app = app_title(w);
	s->phase = phase_text(w);
	s->run = *w->id ? xstrdup(w->id) : NULL;
	s->safety = safety(w);
	s->working = wizard_stop_kind(w) == STOP_WORKING;
	pages[w->page](w, s);
	if (!s->status)
		sheet_status(s, w->stopping ?
			_("It stops after this step; nothing is lost.") : "");
	if (w->read_only)
		watch_status(w, s);
	sheet_make_safe(s);
}
