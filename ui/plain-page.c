/* SPDX-License-Identifier: MIT */
/*
 * A sheet as lines. On opening, a page is said as a whole; afterwards each
 * item is compared with what was said of it. An item is known again by its id
 * or label, a text by itself without its figures; so a sentence whose figures
 * alone have moved on is the same fact, and waits for the line of progress.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "plain-internal.h"
#include "text.h"

#define PROGRESS_S 30.0
/* between two tenths, so that a short step is no hail of lines */
#define PROGRESS_MIN_S 1.0

void plain_memory_clear(struct plain_memory *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].key);
		free(m->v[i].line);
	}
	free(m->v);
	memset(m, 0, sizeof(*m));
}

static struct plain_fact *recall(struct plain_memory *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->v[i].key, key))
			return &m->v[i];
	return NULL;
}

static void remember(struct plain_memory *m, const char *key,
		     enum sheet_mark mark, const char *line)
{
	struct plain_fact *f = recall(m, key);

	if (!f) {
		VEC_GROW(m->v, m->n, m->cap);
		f = &m->v[m->n++];
		memset(f, 0, sizeof(*f));
		f->key = xstrdup(key);
	}
	free(f->line);
	f->line = xstrdup(line);
	f->mark = mark;
}

static void without_figures(const char *s, struct strbuf *out)
{
	for (; *s; s++)
		if (!isdigit((unsigned char)*s))
			strbuf_addch(out, *s);
		else if (!out->len || out->buf[out->len - 1] != '#')
			strbuf_addch(out, '#');
}

/* id or label, or NULL: known by its text */
static const char *item_name(const struct sheet_item *it)
{
	const char *name = it->id ? it->id : it->label;

	return it->type != SHEET_TEXT && it->type != SHEET_PRE && name &&
		*name ? name : NULL;
}

/* several facts may have one label: the first of them, the second, ... */
static size_t item_place(const struct plain *p, const struct sheet_item *it)
{
	const char *name = item_name(it);
	size_t n = 0;

	for (const struct sheet_item *s = p->sheet.items; name && s < it; s++)
		n += s->type == it->type && item_name(s) &&
			!strcmp(item_name(s), name);
	return n;
}

static char *item_key(const struct plain *p, const struct sheet_item *it)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%d:%zu:", (int)it->type, item_place(p, it));
	if (item_name(it))
		strbuf_addstr(&sb, item_name(it));
	else
		without_figures(it->text ? it->text : "", &sb);
	return strbuf_detach(&sb);
}

/* "00:41": it will be another one when the step ends */
static bool is_clock(const char *s)
{
	return s && s[strspn(s, "0123456789: ")] == '\0';
}

/* the mark's word, then what it is about; NULL: nothing to say */
static char *item_line(const struct sheet_item *it)
{
	struct strbuf sb = STRBUF_INIT;
	struct sheet_item bare = *it;    /* borrows its texts */

	switch (it->type) {
	case SHEET_TEXT:
	case SHEET_HEAD:
		plain_join(it, &sb);
		break;
	case SHEET_ROW:
		if (*sheet_mark_word(it->mark))
			strbuf_addf(&sb, "%s: ", sheet_mark_word(it->mark));
		if (it->mark == MARK_BUSY && is_clock(bare.text))
			bare.text = NULL;
		if (it->mark == MARK_BUSY && is_clock(bare.note))
			bare.note = NULL;
		plain_join(&bare, &sb);
		break;
	case SHEET_FACT:
		plain_spoken(it->label, &sb);
		if (sb.len && it->text && *it->text)
			strbuf_addstr(&sb, ": ");
		plain_spoken(it->text, &sb);
		if (it->note && *it->note) {
			strbuf_addstr(&sb, ", ");
			plain_spoken(it->note, &sb);
		}
		break;
	case SHEET_PRE:
		strbuf_addstr(&sb, it->text ? it->text : "");
		if (it->note && *it->note)
			strbuf_addf(&sb, ", %s", it->note);
		break;
	case SHEET_BLANK:
	case SHEET_BAR:
	case SHEET_LOG:
	case SHEET_FILL:
	case SHEET_CHOICE:
	case SHEET_FIELD:
		break;
	}
	if (sb.len)
		return strbuf_detach(&sb);
	strbuf_release(&sb);
	return NULL;
}

static bool is_numbered(const struct plain *p, const struct sheet_item *it)
{
	for (size_t i = 0; i < p->entry_n; i++)
		if (p->entries[i].item == it)
			return true;
	return false;
}

/* what is told by the line of progress, or not worth a line of its own */
static bool is_passing(const struct plain *p, const struct sheet_item *it)
{
	if (!p->sheet.working)
		return false;
	/* beside the list: figures, but for what somebody should know */
	return it->mark == MARK_PENDING || it->mark == MARK_WAITING ||
		(it->side == SIDE_RIGHT && it->type != SHEET_ROW &&
		 (it->type != SHEET_TEXT || it->role != ROLE_CAUTION));
}

/* "12:04:08 ": when this was said of the work */
static void add_time(struct plain *p, struct strbuf *out)
{
	char now[CLOCK_TEXT_SIZE];
	struct timespec ts;

	clock_now(&ts);
	clock_format(&ts, now);
	text_clock(now, out);
	strbuf_addch(out, ' ');
	p->spoke_ns = clock_mono_ns();
}

static void say_fact(struct plain *p, const struct sheet_item *it,
		     const char *line)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	if (p->sheet.working && it->type == SHEET_ROW && it->mark)
		add_time(p, &sb);
	strbuf_addstr(&sb, line);
	plain_line(p, sb.buf);
}

static void open_item(struct plain *p, const struct sheet_item *it)
{
	_cleanup_free_ char *key = NULL;
	_cleanup_free_ char *line = item_line(it);
	struct plain_fact *f;

	/* rows that can be chosen are said with their numbers */
	if (!line || is_numbered(p, it) || is_passing(p, it))
		return;
	key = item_key(p, it);
	remember(&p->page, key, it->mark, line);
	if (p->notice && !strcmp(p->notice, line))
		return;
	if (p->sheet.working && it->type == SHEET_ROW && it->mark) {
		/* step 3 was said to be done: it need not be said for step 4 */
		f = recall(&p->rows, key);
		if (f && f->mark == it->mark && !strcmp(f->line, line))
			return;
		remember(&p->rows, key, it->mark, line);
	}
	say_fact(p, it, line);
}

static void update_item(struct plain *p, const struct sheet_item *it)
{
	_cleanup_free_ char *key = NULL;
	_cleanup_free_ char *line = item_line(it);
	struct plain_fact *f;

	if (!line || is_numbered(p, it) || is_passing(p, it))
		return;
	key = item_key(p, it);
	f = recall(&p->page, key);
	if (f && f->mark == it->mark) {
		_cleanup_strbuf_ struct strbuf was = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf is = STRBUF_INIT;

		if (!strcmp(f->line, line))
			return;
		without_figures(f->line, &was);
		without_figures(line, &is);
		if (p->sheet.working && (it->mark == MARK_BUSY ||
					 !strcmp(was.buf, is.buf)))
			return;
	}
	remember(&p->page, key, it->mark, line);
	if (it->type == SHEET_ROW && it->mark)
		remember(&p->rows, key, it->mark, line);
	if (p->notice && !strcmp(p->notice, line))
		return;
	say_fact(p, it, line);
}

/* -> is an arrow to the eye and nothing to the ear */
static char *spoken_title(const char *app)
{
	_cleanup_strbuf_ struct strbuf from = STRBUF_INIT;
	const char *s = app ? app : "", *arrow = strstr(s, " -> ");

	for (; *s && s != arrow; s++)
		if (s[0] != ' ' || s[1] != ' ')
			strbuf_addch(&from, *s);
	/* TRANSLATORS: application and version, version: "Ledger 4.2 to 5.0" */
	return arrow ? xasprintf(_("%s to %s"), from.buf, arrow + 4) :
		strbuf_detach(&from);
}

static void say_head(struct plain *p)
{
	_cleanup_free_ char *title = spoken_title(p->sheet.app);
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	if (!p->app || strcmp(p->app, title)) {
		strbuf_addf(&sb, "%s. ", title);
		if (p->sheet.run)
			strbuf_addf(&sb, _("Run %s. "), p->sheet.run);
	}
	free(p->app);
	p->app = xstrdup(title);
	strbuf_addf(&sb, _("Screen %s: "), p->sheet.code);
	plain_spoken(p->sheet.phase, &sb);
	if (sb.buf[sb.len - 1] != '.')
		strbuf_addch(&sb, '.');
	plain_line(p, sb.buf);
}

static bool changed(const char *was, const char *is)
{
	return strcmp(was ? was : "", is ? is : "") != 0;
}

static void say_status(struct plain *p)
{
	if (p->sheet.status && *p->sheet.status &&
	    (!p->notice || strcmp(p->notice, p->sheet.status)))
		plain_line(p, p->sheet.status);
	free(p->status);
	p->status = xstrdup_null(p->sheet.status);
}

void plain_open_page(struct plain *p)
{
	plain_memory_clear(&p->page);
	say_head(p);
	if (changed(p->safety, p->sheet.safety))
		plain_safety(p);
	for (size_t i = 0; i < p->sheet.n; i++)
		open_item(p, &p->sheet.items[i]);
	if (changed(p->status, p->sheet.status))
		say_status(p);
	p->spoke_ns = clock_mono_ns();
}

/* notes and warnings stand in the log of a screen; here they are said */
static void say_warnings(struct plain *p)
{
	const struct model *m = wizard_model(p->w);

	if (p->warning_n > m->warning_n)
		p->warning_n = 0;
	for (; p->warning_n < m->warning_n; p->warning_n++)
		plain_say(p, _("Warning: %s"), m->warnings[p->warning_n]);
}

/* with --verbose the output of commands as it comes */
static void say_log(struct plain *p)
{
	const struct model *m = wizard_model(p->w);
	uint64_t first = m->line_total - m->line_n;

	if (p->line_total > m->line_total)
		p->line_total = 0;
	if (p->line_total < first)
		p->line_total = first;
	for (; p->line_total < m->line_total; p->line_total++)
		if (wizard_options(p->w)->verbose)
			plain_line(p, model_line(m, (size_t)(p->line_total -
							     first))->text);
}

void plain_update(struct plain *p)
{
	say_warnings(p);
	say_log(p);
	for (size_t i = 0; i < p->sheet.n; i++)
		update_item(p, &p->sheet.items[i]);
	if (changed(p->safety, p->sheet.safety))
		plain_safety(p);
	if (changed(p->status, p->sheet.status))
		say_status(p);
}

/* --- progress --- */

static const struct sheet_item *busy_row(const struct plain *p)
{
	for (size_t i = 0; i < p->sheet.n; i++)
		if (p->sheet.items[i].type == SHEET_ROW &&
		    p->sheet.items[i].mark == MARK_BUSY)
			return &p->sheet.items[i];
	return NULL;
}

/* "2.1 MB", "1,439,502 rows" */
static void add_amount(const struct model_progress *g, uint64_t n,
		       bool with_unit, struct strbuf *out)
{
	bool bytes = g->unit && !strcmp(g->unit, "bytes");

	if (bytes)
		text_bytes(n, out);
	else
		text_count(n, out);
	if (!bytes && g->unit && with_unit)
		strbuf_addf(out, " %s", g->unit);
}

static void add_done(const struct model_progress *g, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf done = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf total = STRBUF_INIT;

	add_amount(g, g->done, !g->total, &done);
	add_amount(g, g->total, true, &total);
	/* all rows may be through; the step is not, or nothing would be said */
	if (g->total)
		/* TRANSLATORS: ", 31 percent, 1,000 of 3,200 rows" */
		strbuf_addf(out, _(", %d percent, %s of %s"),
			    MIN(g->percent, 99), done.buf, total.buf);
	else
		strbuf_addf(out, ", %s", done.buf);
}

static void add_progress(const struct model *m, struct strbuf *out)
{
	const struct model_progress *g = &m->progress;
	uint64_t since = m->heard_ns ? clock_mono_ns() - m->heard_ns : 0;

	since /= 1000000000u;
	if (g->given && (g->done || g->total || (!g->wait && *g->unit)))
		add_done(g, out);
	if (g->given && g->rate > 0 && strcmp(g->unit, "s") != 0) {
		strbuf_addstr(out, ", ");
		add_amount(g, (uint64_t)(g->rate + 0.5), true, out);
		strbuf_addstr(out, "/s");
	}
	if (g->given && g->eta_s >= 0) {
		_cleanup_strbuf_ struct strbuf eta = STRBUF_INIT;

		clock_duration(g->eta_s, &eta);
		strbuf_addf(out, _(", about %s left"), eta.buf);
	}
	if (g->given)
		text_pace(g->batch, g->unit, g->bound, g->wait, out);
	if (g->given)
		text_figures(g->figures, g->figure_n, out);
	if (since >= (uint64_t)PROGRESS_S)
		strbuf_addf(out, ngettext(", nothing heard for %llu second",
					  ", nothing heard for %llu seconds",
					  (unsigned long)since),
			    (unsigned long long)since);
}

static double interval(const struct plain *p)
{
	double s = wizard_options(p->w)->progress_interval;

	return s < 0 ? PROGRESS_S : s;
}

static bool is_due(struct plain *p, const char *subject)
{
	const struct model_progress *g = &wizard_model(p->w)->progress;
	int tenth = g->given && g->total ? g->percent / 10 : 0;
	double since = clock_since(p->spoke_ns);
	bool due;

	if (!p->subject || strcmp(p->subject, subject)) {
		free(p->subject);
		p->subject = xstrdup(subject);
		p->tenth = tenth;
		return false;
	}
	/* 10 of 10 is the end, which has a line of its own */
	due = since >= MAX(interval(p), PROGRESS_MIN_S) ||
		(tenth > p->tenth && tenth < 10 &&
		 since >= MIN(PROGRESS_MIN_S, interval(p)));
	if (due)
		p->tenth = tenth;
	return due;
}

void plain_progress(struct plain *p)
{
	_cleanup_strbuf_ struct strbuf subject = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	const struct sheet_item *it = busy_row(p);

	if (!p->sheet.working)
		return;
	plain_spoken(it ? it->label : p->sheet.phase, &subject);
	if (!is_due(p, subject.buf))
		return;
	add_time(p, &sb);
	strbuf_addf(&sb, _("Still working: %s"), subject.buf);
	add_progress(wizard_model(p->w), &sb);
	plain_line(p, sb.buf);
}

int plain_progress_timeout(const struct plain *p)
{
	double left = MAX(interval(p), PROGRESS_MIN_S) -
		clock_since(p->spoke_ns);

	if (!p->sheet.working)
		return -1;
	return left < 0 ? 0 : (int)(left * 1000) + 1;
}
