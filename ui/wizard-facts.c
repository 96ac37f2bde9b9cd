/* SPDX-License-Identifier: MIT */
/* Facts that several pages tell, as texts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "help-pages.h"
#include "text.h"
#include "wizard-internal.h"

const char *wizard_lang(const struct wizard *w)
{
	return w->o.lang ? w->o.lang : getenv("LANG");
}

const char *wizard_title_of(const struct wizard *w, const struct step *s)
{
	const char *t = plan_text_get(&s->title, wizard_lang(w));

	return *t ? t : s->id;
}

bool wizard_is_check(const struct step *s)
{
	return s->ops->flags & (STEP_IS_CHECK | STEP_LOOKS);
}

/* is everything from step `from` (index) on undoable, and up to which? */
bool wizard_undoable_to_end(const struct wizard *w, int from, int *last)
{
	*last = from;
	for (size_t i = (size_t)from; i < w->m.step_n; i++) {
		if (!w->m.steps[i].undoable)
			return false;
		*last = (int)i;
	}
	return true;
}

int wizard_unanswered(const struct wizard *w)
{
	int n = 0;

	for (size_t i = 0; w->s.plan && i < w->s.plan->answer_n; i++) {
		const struct plan_answer *a = &w->s.plan->answers[i];

		n += a->required && !a->def && !json_get(w->s.answers, a->id);
	}
	return n;
}

const struct step *wizard_asked_step(const struct wizard *w)
{
	return w->m.ask.step && w->s.plan ?
		plan_find_step(w->s.plan, w->m.ask.step) : NULL;
}

char *wizard_hhmm(const char *time)
{
	struct timespec ts;
	struct tm tm;
	char buf[16];

	if (!time || clock_parse(time, &ts) < 0 ||
	    !localtime_r(&ts.tv_sec, &tm) ||
	    !strftime(buf, sizeof(buf), "%H:%M", &tm))
		return xstrdup("--:--");
	return xstrdup(buf);
}

static char *detach(void (*add)(uint64_t, struct strbuf *), uint64_t n)
{
	struct strbuf sb = STRBUF_INIT;

	add(n, &sb);
	return strbuf_detach(&sb);
}

char *wizard_bytes(uint64_t n)
{
	return detach(text_bytes, n);
}

char *wizard_count(uint64_t n)
{
	return detach(text_count, n);
}

/* as people say it: nobody believes seconds of an estimate */
char *wizard_time(double s)
{
	unsigned long n;

	if (s < 55) {
		n = s <= 5 ? 5 : (unsigned long)(ceil(s / 10) * 10);
		return xasprintf(ngettext("%lu s", "%lu s", n), n);
	}
	if (s < 5400) {
		n = (unsigned long)floor(s / 60 + 0.5);
		return xasprintf(ngettext("%lu min", "%lu min", n), n);
	}
	if (s >= 172800) {
		n = (unsigned long)(s / 86400 + 0.5);
		return xasprintf(ngettext("%lu day", "%lu days", n), n);
	}
	return xasprintf(_("%.1f h"), s / 3600);
}

char *wizard_elapsed(double s)
{
	unsigned long n = s > 0 ? (unsigned long)s : 0;

	if (n >= 3600)
		return xasprintf("%lu:%02lu:%02lu", n / 3600, n / 60 % 60,
				 n % 60);
	return xasprintf("%02lu:%02lu", n / 60, n % 60);
}

int wizard_undoing(const struct wizard *w)
{
	if (w->m.phase != PHASE_ROLLBACK || !w->run)
		return -1;
	for (size_t i = w->run->step_n; i-- > 0;)
		if (w->run->steps[i].state == STEP_UNDOING &&
		    i < w->m.step_n)
			return (int)i;
	return -1;
}

/* the journal knows best; the stream is ahead of it for moments only */
enum sheet_mark wizard_step_mark(const struct wizard *w, size_t i)
{
	const struct model_step *s = &w->m.steps[i];

	if (s->running || (int)i == wizard_undoing(w))
		return MARK_BUSY;
	switch (s->state) {
	case EVENT_VERIFIED:
	case EVENT_APPLIED:
		return MARK_OK;
	case EVENT_FAILED:
		return MARK_FAIL;
	case EVENT_SKIPPED:
		return MARK_SKIP;
	case EVENT_UNDONE:
		return MARK_UNDONE;
	case EVENT_STARTED:
		return MARK_UNKNOWN;
	default:
		return MARK_PENDING;
	}
}

/* --- help --- */

void wizard_help(const struct wizard *w, struct strvec *ret)
{
	const char *support = w->s.plan ?
		plan_text_get(&w->s.plan->support, wizard_lang(w)) : "";

	(void)help_page(page_code(w->page), ret);
	help_common_keys(ret);
	if (*support) {
		_cleanup_free_ char *shown = escape_bytes(support);

		strvec_pushf(ret, _("Support: %s"), shown);
	}
	if (*w->id)
		strvec_pushf(ret, _("Support staff will ask for the run, %s, "
				    "and the code of this screen, %s."), w->id,
			     page_code(w->page));
}
