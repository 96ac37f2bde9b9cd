/* SPDX-License-Identifier: MIT */
/* The view of the work: steps, verification, the way back. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "text.h"
#include "wizard-internal.h"

/* silence that is worth a word */
#define SILENT_S 30

static void step_rows(struct wizard *w, struct sheet *s)
{
	for (size_t i = 0; i < w->m.step_n; i++) {
		const struct model_step *st = &w->m.steps[i];
		_cleanup_free_ char *label = xasprintf("%zu %s", i + 1,
						       st->id);
		_cleanup_free_ char *time = NULL;
		struct sheet_item *it;

		if (st->running)
			time = wizard_elapsed(clock_since(st->begun_ns));
		else if (st->state == EVENT_NONE && !st->undoable)
			time = xstrdup(_("NO UNDO"));
		else if (st->elapsed_s >= 1)
			time = wizard_elapsed(st->elapsed_s);
		it = sheet_row(s, NULL, wizard_step_mark(w, i), label, NULL,
			       time);
		it->side = SIDE_LEFT;
		if (st->running)
			it->role = ROLE_STRONG;
	}
}

static struct sheet_item *right(struct sheet_item *it)
{
	it->side = SIDE_RIGHT;
	return it;
}

static char *amount(const struct model_progress *p, uint64_t n)
{
	if (!strcmp(p->unit, "bytes"))
		return wizard_bytes(n);
	return !strcmp(p->unit, "s") ? wizard_elapsed((double)n) :
		wizard_count(n);
}

/* sizes and times say themselves what they count */
static bool has_unit(const struct model_progress *p)
{
	return strcmp(p->unit, "bytes") != 0 && strcmp(p->unit, "s") != 0;
}

static void amount_fact(const struct model_progress *p, struct sheet *s)
{
	_cleanup_free_ char *done = amount(p, p->done);
	_cleanup_free_ char *total = amount(p, p->total);

	if (p->total && !has_unit(p)) {
		_cleanup_free_ char *left = NULL;
		struct sheet_item *it = right(sheet_text(s, ROLE_NORMAL,
			_("%s of %s"), done, total));

		/* bytes have their rate for it */
		if (!strcmp(p->unit, "s") && p->eta_s > 0) {
			left = wizard_time(p->eta_s);
			it->note = xasprintf(_("about %s left"), left);
		}
	}
	else if (p->total)
		right(sheet_text(s, ROLE_NORMAL, _("%s of %s %s"), done,
				 total, p->unit));
	else
		right(sheet_text(s, ROLE_NORMAL, _("%s %s"), done,
				 has_unit(p) ? p->unit : ""));
	if (p->records) {
		_cleanup_free_ char *n = wizard_count(p->records);

		right(sheet_text(s, ROLE_NORMAL, _("%s records"), n));
	}
}

/* time goes at its own rate */
static void rate_fact(const struct model_progress *p, struct sheet *s)
{
	_cleanup_free_ char *rate = NULL, *left = NULL;
	struct sheet_item *it;

	if (p->rate <= 0 || !strcmp(p->unit, "s"))
		return;
	rate = amount(p, (uint64_t)(p->rate + 0.5));
	it = right(sheet_text(s, ROLE_NORMAL, has_unit(p) ? _("%s %s/s") :
			      _("%s/s"), rate, p->unit));
	if (p->eta_s < 0 || p->done >= p->total)
		return;
	left = wizard_time(p->eta_s);
	it->note = xasprintf(_("about %s left"), left);
}

static void pace_facts(const struct model_progress *p, struct sheet *s)
{
	const char *bound = text_bound(p->bound);

	if (p->rejected) {
		_cleanup_free_ char *n = wizard_count(p->rejected);

		right(sheet_text(s, ROLE_CAUTION, ngettext("%s row put aside",
			"%s rows put aside", p->rejected), n));
	}
	if (p->batch) {
		_cleanup_free_ char *n = wizard_count(p->batch);

		right(sheet_text(s, ROLE_NORMAL, _("%s %s at a time"), n,
				 p->unit));
	}
	if (bound && !p->wait)
		right(sheet_text(s, ROLE_NORMAL, _("waits mostly for %s"),
				 bound));
}

/* what is watched: how it was at the last look, and how it has to be */
static void figure_rows(const struct model_progress *p, struct sheet *s)
{
	for (size_t i = 0; i < p->figure_n; i++) {
		const struct event_figure *f = &p->figures[i];
		_cleanup_free_ char *text = xasprintf(f->holds ?
			_("%s (limit %s)") : _("%s (NOT %s)"),
			f->value ? f->value : _("no number"), f->limit);

		right(sheet_row(s, NULL, f->holds ? MARK_OK : MARK_WARN,
				f->name, text, NULL));
	}
}

static void progress_facts(struct wizard *w, struct sheet *s)
{
	const struct model_progress *p = &w->m.progress;
	struct sheet_item *it = right(sheet_add(s, SHEET_BAR));

	/* it is not over: what it does next may not be counted */
	it->percent = p->given ? MIN(p->percent, 99) : -1;
	if (!p->given)
		return;
	if (p->wait)
		right(sheet_text(s, ROLE_CAUTION, _("waiting: %s"), p->wait));
	/* it may wait for what is known here by now */
	if (p->wait && w->environ)
		right(sheet_text(s, ROLE_CAUTION, _("%s: set otherwise here "
			"than where the run was started; stop it and continue "
			"to have that used"), w->environ));
	/* what was waited for came, and nothing is counted yet */
	if (p->done || p->total || (!p->wait && *p->unit))
		amount_fact(p, s);
	rate_fact(p, s);
	pace_facts(p, s);
	figure_rows(p, s);
}

/* of one that does its share of the whole: how far it is, or what it did */
static void add_share(const struct model_progress *p,
		      const struct model_part *part, struct strbuf *line)
{
	_cleanup_free_ char *n = part->total ? NULL : amount(p, part->done);

	strbuf_addf(line, "%s%s ", line->len ? "   " : "", part->name);
	if (n)
		strbuf_addstr(line, n);
	else
		strbuf_addf(line, "%d %%", part->percent);
}

/* what is done at once: a bar each, or a line, if there is a bar of the whole */
static void part_bars(struct wizard *w, struct sheet *s)
{
	const struct model_progress *p = &w->m.progress;
	struct strbuf line = STRBUF_INIT;

	for (size_t i = 0; i < p->part_n; i++) {
		const struct model_part *part = &p->parts[i];

		if (p->whole) {
			add_share(p, part, &line);
		} else {
			struct sheet_item *it = right(sheet_add(s, SHEET_BAR));

			it->percent = part->percent;
			it->text = xstrdup(part->name);
		}
	}
	if (line.len)
		right(sheet_text(s, ROLE_DIM, "%s", line.buf));
	strbuf_release(&line);
}

static void current_step(struct wizard *w, struct sheet *s)
{
	int i = w->m.step_at;
	const struct model_step *st;
	const struct step *plan;
	_cleanup_free_ char *since = NULL, *usual = NULL;
	double quiet;

	if (i < 0)
		return;
	st = &w->m.steps[i];
	plan = plan_find_step(w->s.plan, st->id);
	right(sheet_text(s, ROLE_STRONG, _("Step %d  %s"), i + 1, st->id));
	if (!st->running)
		return;
	/* what it waits for, unless the bar says so */
	if (!w->m.progress.wait && st->message && st->title &&
	    strcmp(st->message, st->title) != 0)
		right(sheet_text(s, ROLE_CAUTION, "%s", st->message));
	progress_facts(w, s);
	part_bars(w, s);
	since = wizard_elapsed(clock_since(st->begun_ns));
	if (plan && plan->estimate_s >= 0) {
		usual = wizard_time(plan->estimate_s);
		right(sheet_text(s, ROLE_NORMAL, _("running %s    usually %s"),
				 since, usual));
	} else {
		right(sheet_text(s, ROLE_NORMAL, _("running %s"), since));
	}
	quiet = clock_since(MAX(w->m.progress.heard_ns, MAX(w->line_seen,
							    st->begun_ns)));
	if (quiet > SILENT_S)
		right(sheet_text(s, ROLE_CAUTION, _("last output %.0f s ago, "
				 "still running"), quiet));
}

static void all_steps(struct wizard *w, struct sheet *s)
{
	struct sheet_item *it;
	unsigned long done = 0;

	if (!w->m.step_n)
		return;
	for (size_t i = 0; i < w->m.step_n; i++)
		done += w->m.steps[i].state == EVENT_VERIFIED ||
			w->m.steps[i].state == EVENT_SKIPPED;
	right(sheet_add(s, SHEET_BLANK));
	right(sheet_text(s, ROLE_NORMAL, _("All steps: %lu of %zu"), done,
			 w->m.step_n));
	it = right(sheet_add(s, SHEET_BAR));
	it->percent = model_percent(&w->m);
}

/* which step is being undone, how long all of it takes, and how far it is */
static void rollback_rows(struct wizard *w, struct sheet *s)
{
	const struct model_progress *p = &w->m.progress;
	_cleanup_free_ char *since = NULL;
	int i = wizard_undoing(w);

	right(sheet_text(s, ROLE_STRONG, _("Going back to %s"),
			 w->m.rollback_point ? w->m.rollback_point : "start"));
	if (i >= 0)
		right(sheet_text(s, ROLE_NORMAL, _("Step %d  %s"), i + 1,
				 w->m.steps[i].id));
	if (p->given && p->phase == PHASE_ROLLBACK &&
	    (i < 0 || !strcmp(p->id, w->m.steps[i].id)))
		progress_facts(w, s);
	if (!w->phase_since || !w->m.phase_running)
		return;
	since = wizard_elapsed(clock_since(w->phase_since));
	right(sheet_text(s, ROLE_NORMAL, _("running %s"), since));
}

/* verification and rollback have rows of their own */
static void other_rows(struct wizard *w, struct sheet *s)
{
	if (w->m.phase == PHASE_ROLLBACK || w->m.rollback)
		rollback_rows(w, s);
	else if (w->m.phase == PHASE_VERIFY || w->look)
		right(sheet_text(s, ROLE_STRONG, "%s",
				 _("Verifying the data")));
	if (w->m.phase != PHASE_ROLLBACK && w->m.progress.given &&
	    w->m.progress.phase == PHASE_VERIFY)
		progress_facts(w, s);
	for (size_t i = 0; i < w->m.verify_n; i++) {
		const struct model_check *c = &w->m.verify[i];

		right(sheet_row(s, NULL, c->state == EVENT_OK ? MARK_OK :
				c->state == EVENT_WARN ? MARK_WARN :
				MARK_FAIL, c->id, c->message, NULL));
	}
}

void page_p50(struct wizard *w, struct sheet *s)
{
	step_rows(w, s);
	if (w->m.phase == PHASE_ROLLBACK || w->m.phase == PHASE_VERIFY ||
	    (w->look && !w->c)) {
		other_rows(w, s);
	} else {
		current_step(w, s);
		all_steps(w, s);
	}
	s->flags |= SHEET_COMPACT_LOG;
	if (w->look && !w->c)
		sheet_key(s, SHEET_ESC, "back", _("Back"));
	sheet_add(s, SHEET_LOG);
	if (w->look && !w->c)
		sheet_status(s, _("Only looking; nothing is changed."));
	else if (w->stopping)
		sheet_status(s, _("It stops after this step. You can go on "
				  "later with \"upshift resume\"."));
	else
		sheet_status(s, _("If this window closes the step goes on; "
			"type \"upshift\" to see this screen again."));
}
