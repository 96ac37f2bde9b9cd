/* SPDX-License-Identifier: MIT */
/* What is looked at before anything changes, and the backup. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

/* --- C20 --- */

static const struct model_check *found(const struct wizard *w, const char *id)
{
	for (size_t i = 0; id && i < w->m.check_n; i++)
		if (!strcmp(w->m.checks[i].id, id))
			return &w->m.checks[i];
	return NULL;
}

struct tally {
	unsigned long ok, warn, fail, waiting, accepted;
};

static void count(const struct wizard *w, struct tally *t)
{
	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < w->s.plan->check_n; i++) {
		const char *id = w->s.plan->checks[i]->id;
		const struct model_check *c = found(w, id);

		if (!c)
			t->waiting++;
		else if (c->state == EVENT_FAIL)
			t->fail++;
		else if (c->state == EVENT_WARN)
			t->warn++;
		else
			t->ok++;
		t->accepted += c && c->state == EVENT_WARN &&
			strvec_has(&w->accepted, id);
	}
}

static void headline(struct wizard *w, struct sheet *s, const struct tally *t)
{
	unsigned long n = w->s.plan->check_n;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct sheet_item *it;

	if (t->ok)
		strbuf_addf(&sb, ngettext(", %lu ok", ", %lu ok", t->ok),
			    t->ok);
	if (t->warn)
		strbuf_addf(&sb, ngettext(", %lu warning", ", %lu warnings",
					  t->warn), t->warn);
	if (t->fail)
		strbuf_addf(&sb, ngettext(", %lu FAILED", ", %lu FAILED",
					  t->fail), t->fail);
	if (t->waiting)
		strbuf_addf(&sb, ngettext(", %lu waiting", ", %lu waiting",
					  t->waiting), t->waiting);
	it = sb.len ? sheet_text(s, t->fail ? ROLE_BAD : ROLE_STRONG, ngettext(
		"%lu check: %s", "%lu checks: %s", n), n, sb.buf + 2) :
		/* nothing is known of any, or there are none */
		sheet_text(s, ROLE_STRONG, ngettext("%lu check", "%lu checks",
						    n), n);
	it->note = xstrdup(_("read only, safe to repeat"));
}

static char *title_of_check(const struct wizard *w, const struct step *st)
{
	const char *t = plan_text_get(&st->title, wizard_lang(w));

	return xstrdup(*t ? t : st->ops->name);
}

static enum sheet_mark mark_of(const struct model_check *c, bool running)
{
	if (!c)
		return running ? MARK_WAITING : MARK_PENDING;
	switch (c->state) {
	case EVENT_OK:
		return MARK_OK;
	case EVENT_WARN:
		return MARK_WARN;
	case EVENT_FAIL:
		return MARK_FAIL;
	default:
		return MARK_PENDING;
	}
}

static char *room_of(const struct model_check *c)
{
	_cleanup_free_ char *need = wizard_bytes(c->need);
	_cleanup_free_ char *have = wizard_bytes(c->have);

	return xasprintf(_("need %s, have %s"), need, have);
}

static void check_rows(struct wizard *w, struct sheet *s)
{
	const struct plan *p = w->s.plan;
	bool running = w->c && !w->m.ask.id;
	const char *focus = NULL;

	for (size_t i = 0; i < p->check_n; i++) {
		const struct step *st = p->checks[i];
		const struct model_check *c = found(w, st->id);
		_cleanup_free_ char *title = title_of_check(w, st);
		_cleanup_free_ char *note = NULL;
		enum sheet_mark m = mark_of(c, running);
		struct sheet_item *it;

		if (!c)
			/* one after the other, in the plan's order */
			running = false;
		else if (c->need || c->have)
			note = room_of(c);
		else if (c->state == EVENT_WARN &&
			 strvec_has(&w->accepted, c->id))
			note = xstrdup(_("accepted"));
		else
			note = xstrdup_null(c->message);
		it = sheet_row(s, st->id, m, st->id, title, note);
		it->role = m == MARK_FAIL ? ROLE_BAD : m == MARK_WARN ?
			ROLE_CAUTION : ROLE_NORMAL;
		if (!focus && (m == MARK_FAIL || m == MARK_WARN))
			focus = st->id;
	}
	s->focus = focus;
}

/* one that takes long: what it looks at, and how much of it */
static void looking(struct wizard *w, struct sheet *s)
{
	const struct model_progress *p = &w->m.progress;
	_cleanup_free_ char *n = NULL;

	if (!w->c || w->m.ask.id || !w->m.phase_running || !p->given ||
	    p->phase != PHASE_CHECK || !(p->wait || p->done))
		return;
	n = !strcmp(p->unit, "bytes") ? wizard_bytes(p->done) :
		wizard_count(p->done);
	sheet_blank(s);
	if (p->wait)
		sheet_fact(s, p->id, "%s", p->wait);
	else if (!strcmp(p->unit, "bytes"))
		sheet_fact(s, p->id, "%s", n);
	else
		sheet_fact(s, p->id, "%s %s", n, p->unit);
}

/* the selected one, or the first that is not well */
static const struct model_check *shown_check(struct wizard *w,
					     const struct sheet *s)
{
	const struct model_check *c = found(w, w->row);

	return c ? c : found(w, s->focus);
}

static void check_details(struct wizard *w, struct sheet *s)
{
	const struct model_check *c = shown_check(w, s);
	struct sheet_item *it;

	if (!c || c->state == EVENT_OK)
		return;
	sheet_blank(s);
	for (size_t i = 0; i < w->s.plan->check_n; i++) {
		const struct step *st = w->s.plan->checks[i];
		_cleanup_free_ char *title = NULL;

		if (strcmp(st->id, c->id) != 0)
			continue;
		title = title_of_check(w, st);
		it = sheet_text(s, ROLE_STRONG, "%s  %s", c->id, title);
		if (c->state == EVENT_FAIL && w->m.error.code)
			it->note = xasprintf(_("code %s"), w->m.error.code);
	}
	sheet_fact(s, _("Why"), "%s", c->message ? c->message : "");
	if (c->hint)
		sheet_fact(s, _("Fix"), "%s", c->hint);
	else if (c->need > c->have) {
		_cleanup_free_ char *lack = wizard_bytes(c->need - c->have);

		sheet_fact(s, _("Fix"), _("Free at least %s there, or press o "
			   "to put the backup into another folder."), lack);
	}
	if (c->need > c->have)
		sheet_fact(s, _("Look"), "df -h %s", w->o.backup_dir ?
			   w->o.backup_dir : w->s.sd.root);
}

static const char *checks_next(const struct wizard *w, const struct tally *t)
{
	if (w->m.error.given)
		return w->m.error.message;
	if (t->warn > t->accepted)
		return _("Accept the warnings (a), or fix them and check "
			 "again (r).");
	return _("Enter starts the backup. Still nothing is changed.");
}

static void checks_status(struct wizard *w, struct sheet *s,
			  const struct tally *t)
{
	_cleanup_free_ char *problems = xasprintf(ngettext(
		"%lu problem must be fixed before the backup can start.",
		"%lu problems must be fixed before the backup can start.",
		t->fail), t->fail);

	sheet_status(s, w->notice ? w->notice : w->c && !w->m.ask.id ?
		     _("The checks run; they change nothing.") : t->fail ?
		     problems : checks_next(w, t));
}

void page_c20(struct wizard *w, struct sheet *s)
{
	bool asked = wizard_ask_is(w, "checks") && wizard_is_asked(w);
	struct tally t;

	count(w, &t);
	headline(w, s, &t);
	sheet_blank(s);
	check_rows(w, s);
	looking(w, s);
	check_details(w, s);
	if (!t.fail && w->m.error.given && w->m.error.message) {
		struct sheet_item *it;

		sheet_blank(s);
		it = sheet_text(s, ROLE_BAD, "%s", w->m.error.message);
		it->note = xasprintf(_("code %s"), w->m.error.code);
		if (w->m.error.hint)
			sheet_fact(s, _("Fix"), "%s", w->m.error.hint);
	}
	if (asked && !t.fail && !w->m.error.given) {
		sheet_add(s, SHEET_FILL);
		s->flags |= SHEET_BUTTONS;
		sheet_choice(s, 0, "go-on", _("Start the backup"), NULL);
		sheet_choice(s, 0, "retry", _("Check again"), NULL);
		sheet_choice(s, 0, "stop-here", _("Stop here"), NULL);
		s->focus = t.warn > t.accepted ? s->focus : "go-on";
	}
	if (asked || !w->c) {
		sheet_key(s, 'r', "retry", _("Check again"));
		if (t.warn)
			sheet_key(s, 'a', "accept", _("Accept warning"));
		sheet_key(s, 'o', "other-folder", _("Other folder"));
	}
	checks_status(w, s, &t);
}

/* --- C25 --- */

void page_c25(struct wizard *w, struct sheet *s)
{
	_cleanup_free_ char *now = xstrdup(w->backup_dir ? w->backup_dir :
		w->o.backup_dir ? w->o.backup_dir : w->s.plan->backup_dir ?
		w->s.plan->backup_dir : w->s.sd.path);

	sheet_text(s, ROLE_NORMAL, "%s", _("Where shall the backup go? The "
		"folder must exist, be yours, and lie on a file system that "
		"keeps owners and times."));
	sheet_blank(s);
	sheet_fact(s, _("Now"), "%s", now);
	(void)sheet_field(s, "folder", _("Folder"), w->backup_dir ?
			  w->backup_dir : "", false);
	sheet_blank(s);
	sheet_text(s, ROLE_NORMAL, "%s", _("The run that stands here ends "
		"without a change and a new one makes its checks with that "
		"folder."));
	sheet_key(s, SHEET_ENTER, "folder", _("Use this folder"));
	sheet_key(s, SHEET_ESC, "back", _("Back to the checks"));
	s->typed = true;
	s->focus = "folder";
	sheet_status(s, w->notice ? w->notice : _("Nothing is changed."));
}

static unsigned int use_folder(struct wizard *w, const char *value)
{
	if (!value || !*value)
		return wizard_say(w, WIZARD_REFUSED, "%s",
				  _("the name of a folder is needed"));
	if (*value != '/')
		return wizard_say(w, WIZARD_REFUSED,
				  _("'%s' does not begin with '/'"), value);
	if (access(value, W_OK | X_OK) < 0)
		return wizard_say(w, WIZARD_REFUSED, _("'%s' is no folder that "
				  "you may write to: %s"), value,
				  strerror(errno));
	free(w->backup_dir);
	w->backup_dir = xstrdup(value);
	w->o.backup_dir = w->backup_dir;
	if (!w->c)
		return wizard_go(w, PAGE_C20) | act_checks(w, "retry", NULL,
							   NULL);
	w->intent = INTENT_AGAIN;
	(void)wizard_command(w, "quit");
	return wizard_go(w, PAGE_C20);
}

/* --- B30 --- */

static void backup_head(struct wizard *w, struct sheet *s)
{
	const struct model_progress *p = &w->m.progress;
	_cleanup_free_ char *total = NULL, *left = NULL, *since = NULL;
	struct sheet_item *it;

	if (!p->given || p->phase != PHASE_BACKUP) {
		sheet_text(s, ROLE_STRONG, "%s", _("Backup"));
		return;
	}
	if (p->total && p->done >= p->total) {
		sheet_text(s, ROLE_STRONG, "%s", _("Backup: all is written, "
			   "and is being read back"));
		return;
	}
	total = wizard_bytes(p->total);
	since = wizard_elapsed(clock_since(p->begun_ns));
	if (p->eta_s >= 0) {
		left = wizard_time(p->eta_s);
		it = sheet_text(s, ROLE_STRONG, _("Backup: %d %% of %s, about "
				"%s left"), p->percent, total, left);
	} else if (p->percent >= 0) {
		it = sheet_text(s, ROLE_STRONG, _("Backup: %d %% of %s"),
				p->percent, total);
	} else {
		it = sheet_text(s, ROLE_STRONG, "%s", _("Backup"));
	}
	it->note = xasprintf(_("elapsed %s"), since);
}

static void backup_rows(struct wizard *w, struct sheet *s)
{
	const struct model_progress *p = &w->m.progress;
	bool reading = p->given && p->phase == PHASE_BACKUP;
	/* all is written: what follows is the reading back */
	bool back = reading && p->total && p->done >= p->total;
	_cleanup_free_ char *text = NULL, *speed = NULL;
	struct sheet_item *it;

	if (reading) {
		_cleanup_free_ char *done = wizard_bytes(p->done);
		_cleanup_free_ char *total = wizard_bytes(p->total);

		text = xasprintf(_("%s of %s"), done, total);
	}
	if (reading && p->rate > 0) {
		_cleanup_free_ char *r = wizard_bytes((uint64_t)p->rate);

		speed = xasprintf(_("%s/s"), r);
	}
	sheet_row(s, NULL, back || w->m.backup == EVENT_DONE ? MARK_OK :
		  MARK_BUSY, "B1", _("save all that the steps change"),
		  back ? NULL : text);
	if (reading && !back) {
		it = sheet_add(s, SHEET_BAR);
		it->percent = p->percent;
		it->text = xstrdup_null(speed);
	}
	sheet_row(s, NULL, w->m.backup == EVENT_DONE ? MARK_OK : back ?
		  MARK_BUSY : MARK_PENDING, "B2",
		  _("read back from the disk and compare"), NULL);
}

/* what it waits for or tries again, while that is the last that was said */
static void backup_trouble(struct wizard *w, struct sheet *s)
{
	const struct model_line *l = w->m.line_n ?
		model_line(&w->m, w->m.line_n - 1) : NULL;

	if (l && l->id && !strcmp(l->id, "backup") && w->m.backup != EVENT_DONE)
		sheet_text(s, ROLE_CAUTION, "%s", l->text);
}

void page_b30(struct wizard *w, struct sheet *s)
{
	const char *dir = w->run && w->run->backup.dir ? w->run->backup.dir :
		NULL;

	backup_head(w, s);
	sheet_blank(s);
	backup_rows(w, s);
	backup_trouble(w, s);
	sheet_blank(s);
	if (dir) {
		sheet_fact(s, _("Folder"), "%s", dir);
		sheet_fact(s, _("Checksums"), "%s/start.manifest.jsonl", dir);
	}
	if (w->need) {
		uint64_t have = (uint64_t)json_get_int(w->need, "have", 0);
		uint64_t need = (uint64_t)json_get_int(w->need, "need", 0);
		_cleanup_free_ char *left = wizard_bytes(have > need ?
							 have - need : 0);

		sheet_fact(s, _("Free"), _("%s after this backup"), left);
	}
	sheet_fact(s, _("Restore"), "%s", _("upshift rollback start   (needs "
		   "no new version)"));
	sheet_blank(s);
	sheet_text(s, ROLE_NORMAL, "%s", _("The steps can start only after "
		"the backup is read back and every checksum is right."));
	if (!w->stopping)
		sheet_status(s, w->s.plan->app.given ?
			_("Stopping now is safe: an unfinished backup is "
			  "removed and the app is started.") :
			_("Stopping now is safe: an unfinished backup is "
			  "removed."));
}

/* --- what they do --- */

static unsigned int accept(struct wizard *w, const char *row)
{
	const struct model_check *c = found(w, row ? row : w->row);
	unsigned int n = 0;

	if (c && c->state == EVENT_WARN) {
		if (!strvec_has(&w->accepted, c->id))
			strvec_push(&w->accepted, c->id);
		return WIZARD_REDRAW;
	}
	for (size_t i = 0; i < w->m.check_n; i++) {
		if (w->m.checks[i].state != EVENT_WARN)
			continue;
		n++;
		if (!strvec_has(&w->accepted, w->m.checks[i].id))
			strvec_push(&w->accepted, w->m.checks[i].id);
	}
	return n ? WIZARD_REDRAW : wizard_say(w, WIZARD_REFUSED, "%s",
		_("there is no warning to accept"));
}

static unsigned int check_again(struct wizard *w)
{
	if (w->c && !wizard_ask_is(w, "checks"))
		return wizard_say(w, WIZARD_REFUSED, "%s",
				  _("the checks are running"));
	strvec_clear(&w->accepted);
	if (w->c)
		return wizard_answer(w, "retry");
	model_release(&w->m);
	if (run_new_id(&w->s.sd, w->id) < 0)
		return WIZARD_REFUSED;
	return WIZARD_REDRAW | wizard_start(w, CLIENT_RUN);
}

static unsigned int go_on(struct wizard *w)
{
	struct tally t;

	count(w, &t);
	if (!wizard_ask_is(w, "checks"))
		return WIZARD_MOVED;
	if (t.fail || w->m.error.given)
		return wizard_say(w, WIZARD_REFUSED, "%s",
			_("a check failed; the backup cannot start"));
	if (t.warn > t.accepted)
		return wizard_say(w, WIZARD_REFUSED, "%s",
			_("a warning is not accepted yet: press a"));
	return wizard_answer(w, "go-on");
}

unsigned int act_checks(struct wizard *w, const char *id, const char *row,
			const char *value)
{
	if (w->page == PAGE_B30)
		return WIZARD_NOTHING;
	if (w->page == PAGE_C25) {
		if (!strcmp(id, "folder"))
			return use_folder(w, value);
		if (!strcmp(id, "back"))
			return wizard_go(w, PAGE_C20);
		return WIZARD_NOTHING;
	}
	if (!strcmp(id, "accept"))
		return accept(w, row);
	if (!strcmp(id, "retry"))
		return check_again(w);
	if (!strcmp(id, "go-on"))
		return go_on(w);
	if (!strcmp(id, "other-folder"))
		return wizard_go(w, PAGE_C25);
	if (!strcmp(id, "back") && w->c) {
		/* nothing was changed: the run closes, the plan stays */
		w->intent = INTENT_PLAN;
		(void)wizard_command(w, w->m.ask.id ? "quit" : "abort");
		return WIZARD_REDRAW;
	}
	if (!strcmp(id, "back"))
		return wizard_to_plan(w);
	return WIZARD_NOTHING;
}
