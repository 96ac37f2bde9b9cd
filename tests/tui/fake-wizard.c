/* SPDX-License-Identifier: MIT */
#include "fake-wizard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct wizard {
	enum page page;
	const struct options *o;
	struct model model;
	struct model_line lines[MODEL_LINES_MAX];
	char *row;
	const char *notice;
	struct strvec text;
	const char *text_title;
	FILE *log;
	int fd;              /* FAKE_EVENTS: each line there is a log line */
	bool left;
	bool checked;        /* "checked" came: C20 has choices */
	struct {             /* "burst N MS", "ticks N MS" */
		int left, every_ms;
		bool news;   /* each brings an update; else only wakes up */
		uint64_t next_ms;
	} burst;
	int updates;
	int woken, drawn;    /* since the last burst began */
};

static const char *const codes[PAGE_COUNT] = {
	"W05", "W10", "A15", "C20", "C25", "B30", "S40", "S42", "S45", "P50", "F60",
	"R70", "K80", "K81", "K82", "D90",
};

const char *page_code(enum page p)
{
	return codes[p];
}

enum page fake_page(const char *code)
{
	for (int i = 0; i < PAGE_COUNT; i++)
		if (!strcmp(codes[i], code))
			return (enum page)i;
	return PAGE_COUNT;
}

const struct model_line *model_line(const struct model *m, size_t i)
{
	return &m->lines[(m->line_first + i) % MODEL_LINES_MAX];
}

static void add_line(struct wizard *w, const char *time, const char *text,
		     char stream)
{
	struct model *m = &w->model;
	size_t at = (m->line_first + m->line_n) % MODEL_LINES_MAX;

	free(w->lines[at].time);
	free(w->lines[at].text);
	w->lines[at].time = xstrdup(time);
	w->lines[at].text = xstrdup(text);
	w->lines[at].stream = stream;
	if (m->line_n < MODEL_LINES_MAX)
		m->line_n++;
	else
		m->line_first = (m->line_first + 1) % MODEL_LINES_MAX;
	m->line_total++;
}

struct wizard *fake_wizard_new(enum page page, const struct options *o)
{
	struct wizard *w = xcalloc(1, sizeof(*w));
	const char *log = getenv("FAKE_LOG"), *many = getenv("FAKE_LINES");

	w->page = page;
	w->o = o;
	w->model.lines = w->lines;
	w->fd = -1;
	if (getenv("FAKE_FD"))
		w->fd = atoi(getenv("FAKE_FD"));
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
	if (log)
		w->log = fopen(log, "a");
	return w;
}

void fake_wizard_free(struct wizard *w)
{
	for (size_t i = 0; i < MODEL_LINES_MAX; i++) {
		free(w->lines[i].time);
		free(w->lines[i].text);
	}
	if (w->log)
		(void)fclose(w->log);
	strvec_release(&w->text);
	free(w->row);
	free(w);
}

enum page wizard_page(const struct wizard *w)
{
	return w->page;
}

const struct model *wizard_model(const struct wizard *w)
{
	return &w->model;
}

void wizard_sheet(struct wizard *w, struct sheet *s)
{
	w->drawn++;
	if (w->page == PAGE_P50)
		fake_work(s, w->updates);
	else
		fake_sheet(w->page, w->row, s);
	if (w->page == PAGE_C20 && w->checked) {
		s->flags |= SHEET_BUTTONS;
		(void)sheet_choice(s, 0, "backup", "Start the backup", NULL);
		s->focus = "backup";
	}
}

unsigned int wizard_select(struct wizard *w, const char *row)
{
	free(w->row);
	w->row = xstrdup_null(row);
	return WIZARD_REDRAW;
}

static unsigned int go(struct wizard *w, enum page page)
{
	w->page = page;
	return WIZARD_PAGE | WIZARD_REDRAW;
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

unsigned int wizard_act(struct wizard *w, const char *id, const char *row,
			const char *value)
{
	w->notice = NULL;
	if (w->log) {
		(void)fprintf(w->log, "%s %s row=%s value=%s\n",
			      codes[w->page], id, row ? row : "-",
			      value ? value : "-");
		(void)fflush(w->log);
	}
	if (!strcmp(id, "quit") || !strcmp(id, "leave")) {
		w->left = true;
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

size_t wizard_poll_fds(struct wizard *w, struct pollfd *p)
{
	if (w->fd < 0)
		return 0;
	p->fd = w->fd;
	p->events = POLLIN;
	return 1;
}

static bool burst_begin(struct wizard *w, const char *line)
{
	char what[8];

	if (sscanf(line, "%7s %d %d", what, &w->burst.left,
		   &w->burst.every_ms) != 3 ||
	    (strcmp(what, "burst") != 0 && strcmp(what, "ticks") != 0))
		return false;
	w->burst.news = !strcmp(what, "burst");
	w->burst.next_ms = fake_clock_ms() + (uint64_t)w->burst.every_ms;
	w->woken = w->drawn = 0;
	return true;
}

static unsigned int burst_go_on(struct wizard *w)
{
	char text[64];

	if (!w->burst.left || fake_clock_ms() < w->burst.next_ms)
		return WIZARD_NOTHING;
	w->burst.next_ms += (uint64_t)w->burst.every_ms;
	w->burst.left--;
	if (w->burst.news) {
		(void)snprintf(text, sizeof(text), "copied rows of part %d",
			       ++w->updates);
		add_line(w, "12:07:20", text, 'o');
	}
	if (!w->burst.left && w->log) {
		(void)fprintf(w->log, "over woken=%d drawn=%d updates=%d\n",
			      w->woken, w->drawn, w->updates);
		(void)fflush(w->log);
	}
	return w->burst.news ? WIZARD_REDRAW : WIZARD_NOTHING;
}

/* a line from outside is a line of the log; "page X" leads to that page */
unsigned int wizard_io(struct wizard *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	char line[256];
	ssize_t n;

	w->woken++;
	if (w->fd < 0 || poll(&p, 1, 0) <= 0)
		return burst_go_on(w);
	n = read(w->fd, line, sizeof(line) - 1);
	if (n <= 0) {
		w->fd = -1;
		return WIZARD_NOTHING;
	}
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (str_starts(line, "page ") && fake_page(line + 5) != PAGE_COUNT)
		return go(w, fake_page(line + 5));
	if (burst_begin(w, line))
		return WIZARD_NOTHING;
	if (!strcmp(line, "checked")) {
		w->checked = true;
		return WIZARD_REDRAW;
	}
	add_line(w, "12:09:00", line, 'o');
	return WIZARD_REDRAW;
}

int wizard_timeout(const struct wizard *w)
{
	uint64_t now = fake_clock_ms();

	if (!w->burst.left)
		return -1;
	return now < w->burst.next_ms ? (int)(w->burst.next_ms - now) : 0;
}

enum wizard_stop wizard_stop_kind(const struct wizard *w)
{
	switch (w->page) {
	case PAGE_B30:
	case PAGE_P50:
		return STOP_WORKING;
	case PAGE_S40:
		return STOP_BETWEEN;
	default:
		return STOP_FREE;
	}
}

char *wizard_abort_text(const struct wizard *w)
{
	(void)w;
	return xstrdup("step 4 can be undone: its transaction is rolled back");
}

const char *wizard_notice(const struct wizard *w)
{
	return w->notice;
}

const struct strvec *wizard_text(const struct wizard *w,
				 const char **ret_title)
{
	*ret_title = w->text_title;
	return &w->text;
}

void wizard_help(const struct wizard *w, struct strvec *ret)
{
	strvec_pushf(ret, "This is help for %s.", codes[w->page]);
	strvec_push(ret, "");
	for (int i = 1; i <= 30; i++)
		strvec_pushf(ret, "Help line %d.", i);
}

void wizard_farewell(struct wizard *w, struct strvec *ret)
{
	(void)w;
	strvec_push(ret, "Goodbye from run 7K4Q.");
}

int wizard_exit(const struct wizard *w)
{
	return w->left ? 6 : 0;
}

const struct options *wizard_options(const struct wizard *w)
{
	return w->o;
}
