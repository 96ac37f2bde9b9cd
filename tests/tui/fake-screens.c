/* SPDX-License-Identifier: MIT */
#include "fake-screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct screens {
	FILE *log;
	bool checked;        /* "checked" came: C20 has choices */
	struct {             /* "burst N MS", "ticks N MS" */
		int left, every_ms;
		bool news;   /* each brings an update; else only wakes up */
		uint64_t next_ms;
	} burst;
	int updates;
	int woken, drawn;    /* since the last burst began */
};

static void add_line(struct wizard *w, const char *time, const char *text,
		     char stream)
{
	struct model *m = &w->model;
	size_t at = (m->line_first + m->line_n) % MODEL_LINES_MAX;

	free(m->lines[at].time);
	free(m->lines[at].text);
	m->lines[at].time = xstrdup(time);
	m->lines[at].text = xstrdup(text);
	m->lines[at].stream = stream;
	if (m->line_n < MODEL_LINES_MAX)
		m->line_n++;
	else
		m->line_first = (m->line_first + 1) % MODEL_LINES_MAX;
	m->line_total++;
}

static enum wizard_stop stop_on(enum page page)
{
	switch (page) {
	case PAGE_B30:
	case PAGE_P50:
		return STOP_WORKING;
	case PAGE_S40:
		return STOP_BETWEEN;
	default:
		return STOP_FREE;
	}
}

static unsigned int go(struct wizard *w, enum page page)
{
	w->stop = stop_on(page);
	return fake_go(w, page);
}

static void sheet(struct wizard *w, struct sheet *s)
{
	struct screens *x = w->priv;

	x->drawn++;
	if (w->page == PAGE_P50)
		fake_work(s, x->updates);
	else
		fake_sheet(w->page, w->select, s);
	if (w->page == PAGE_C20 && x->checked) {
		s->flags |= SHEET_BUTTONS;
		(void)sheet_choice(s, 0, "backup", "Start the backup", NULL);
		s->focus = "backup";
	}
}

static unsigned int show(struct wizard *w, const char *title)
{
	strvec_clear(&w->text);
	w->text_title = title;
	strvec_push(&w->text, "--- old");
	strvec_push(&w->text, "+++ new");
	strvec_push(&w->text, "@@ -1,2 +1,2 @@");
	for (int i = 1; i <= 60; i++)
		strvec_pushf(&w->text, "%cline %d\tof the diff", " -+"[i % 3],
			     i);
	strvec_push(&w->text, "an escape \033[31m and a bell \a");
	return WIZARD_SHOW_TEXT;
}

static const struct {
	enum page page;
	const char *id;
	enum page to;
} ways[] = {
	{ PAGE_W10, "start", PAGE_C20 }, { PAGE_W10, "answers", PAGE_A15 },
	{ PAGE_A15, "done", PAGE_W10 }, { PAGE_A15, "back", PAGE_W10 },
	{ PAGE_C20, "recheck", PAGE_B30 }, { PAGE_C20, "back", PAGE_W10 },
	{ PAGE_S40, "run", PAGE_P50 }, { PAGE_P50, "stop", PAGE_F60 },
	{ PAGE_F60, "rollback", PAGE_K80 }, { PAGE_R70, "rollback", PAGE_K80 },
	{ PAGE_K80, "preview", PAGE_K81 }, { PAGE_K81, "confirm", PAGE_K82 },
	{ PAGE_K81, "back", PAGE_K80 }, { PAGE_K82, "back", PAGE_K81 },
	{ PAGE_D90, "rollback", PAGE_K80 },
};

static unsigned int act(struct wizard *w, const char *id, const char *row,
			const char *value)
{
	struct screens *x = w->priv;

	if (x->log) {
		(void)fprintf(x->log, "%s %s row=%s value=%s\n",
			      page_code(w->page), id, row ? row : "-",
			      value ? value : "-");
		(void)fflush(x->log);
	}
	if (!strcmp(id, "quit") || !strcmp(id, "leave")) {
		w->exit = 6;
		return WIZARD_QUIT;
	}
	if (!strcmp(id, "log"))
		return WIZARD_SHOW_LOG;
	if (!strcmp(id, "diff") || !strcmp(id, "details"))
		return show(w, "Diff");
	if (w->page == PAGE_K82 && !strcmp(id, "rollback")) {
		if (value && !strcmp(value, "roll back to CP2"))
			return go(w, PAGE_D90);
		w->notice = "These are not the words. Nothing has been done.";
		return WIZARD_REFUSED;
	}
	if (!strcmp(id, "mail") && value && !strchr(value, '@')) {
		w->notice = "That is no mail address.";
		return WIZARD_REFUSED;
	}
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (ways[i].page == w->page && !strcmp(ways[i].id, id))
			return go(w, ways[i].to);
	return WIZARD_NOTHING;
}

static bool burst_begin(struct screens *x, const char *line)
{
	char what[8];

	if (sscanf(line, "%7s %d %d", what, &x->burst.left,
		   &x->burst.every_ms) != 3 ||
	    (strcmp(what, "burst") != 0 && strcmp(what, "ticks") != 0))
		return false;
	x->burst.news = !strcmp(what, "burst");
	x->burst.next_ms = fake_clock_ms() + (uint64_t)x->burst.every_ms;
	x->woken = x->drawn = 0;
	return true;
}

static unsigned int burst_go_on(struct wizard *w)
{
	struct screens *x = w->priv;
	char text[64];

	if (!x->burst.left || fake_clock_ms() < x->burst.next_ms)
		return WIZARD_NOTHING;
	x->burst.next_ms += (uint64_t)x->burst.every_ms;
	x->burst.left--;
	if (x->burst.news) {
		(void)snprintf(text, sizeof(text), "copied rows of part %d",
			       ++x->updates);
		add_line(w, "12:07:20", text, 'o');
	}
	if (!x->burst.left && x->log) {
		(void)fprintf(x->log, "over woken=%d drawn=%d updates=%d\n",
			      x->woken, x->drawn, x->updates);
		(void)fflush(x->log);
	}
	return x->burst.news ? WIZARD_REDRAW : WIZARD_NOTHING;
}

/* a line from outside is a line of the log; "page X" leads to that page */
static unsigned int io(struct wizard *w)
{
	struct screens *x = w->priv;
	struct pollfd p = { .fd = w->events, .events = POLLIN };
	char line[256];
	ssize_t n;

	x->woken++;
	if (w->events < 0 || poll(&p, 1, 0) <= 0)
		return burst_go_on(w);
	n = read(w->events, line, sizeof(line) - 1);
	if (n <= 0) {
		w->events = -1;
		return WIZARD_NOTHING;
	}
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (str_starts(line, "page ") && fake_page(line + 5) != PAGE_COUNT)
		return go(w, fake_page(line + 5));
	if (burst_begin(x, line))
		return WIZARD_NOTHING;
	if (!strcmp(line, "checked")) {
		x->checked = true;
		return WIZARD_REDRAW;
	}
	add_line(w, "12:09:00", line, 'o');
	return WIZARD_REDRAW;
}

static int timeout(const struct wizard *w)
{
	const struct screens *x = w->priv;
	uint64_t now = fake_clock_ms();

	if (!x->burst.left)
		return -1;
	return now < x->burst.next_ms ? (int)(x->burst.next_ms - now) : 0;
}

static void help(const struct wizard *w, struct strvec *ret)
{
	strvec_pushf(ret, "This is help for %s.", page_code(w->page));
	strvec_push(ret, "");
	for (int i = 1; i <= 30; i++)
		strvec_pushf(ret, "Help line %d.", i);
}

static void first_lines(struct wizard *w)
{
	const char *many = getenv("FAKE_LINES");

	w->model.lines = xcalloc(MODEL_LINES_MAX, sizeof(*w->model.lines));
	for (int i = many ? atoi(many) : 0; i > 0; i--) {
		char text[64];

		(void)snprintf(text, sizeof(text), "older line %d", i);
		add_line(w, "12:00:00", text, i % 10 ? 'o' : 's');
	}
	add_line(w, "12:07:14", "copied rows 1,400,001-1,410,000", 'o');
	add_line(w, "12:07:15", "copied rows 1,410,001-1,420,000", 'o');
	add_line(w, "12:07:17",
		 "note: 3 orders without lines, kept as they are", 'n');
	add_line(w, "12:07:18", "copied rows 1,420,001-1,430,000", 'o');
	add_line(w, "12:07:19", "copied rows 1,430,001-1,439,502", 'o');
}

struct wizard *fake_screens_new(enum page page, const struct options *o)
{
	struct wizard *w = xcalloc(1, sizeof(*w));
	struct screens *x = xcalloc(1, sizeof(*x));
	const char *log = getenv("FAKE_LOG"), *fd = getenv("FAKE_FD");

	fake_wizard_init(w);
	w->options = *o;
	w->priv = x;
	w->sheet = sheet;
	w->act = act;
	w->io = io;
	w->timeout = timeout;
	w->help = help;
	w->goodbye = "Goodbye from run 7K4Q.";
	w->abort_text = "step 4 can be undone: its transaction is rolled back";
	(void)go(w, page);
	first_lines(w);
	/* each line there is a log line */
	if (fd)
		w->events = atoi(fd);
	if (log)
		x->log = fopen(log, "a");
	return w;
}

void fake_screens_free(struct wizard *w)
{
	struct screens *x = w->priv;

	if (x->log)
		(void)fclose(x->log);
	free(x);
	fake_wizard_release(w);
	free(w);
}
