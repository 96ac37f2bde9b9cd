/* SPDX-License-Identifier: MIT */
#include "fake-wizard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "help-pages.h"

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

void fake_wizard_init(struct wizard *w)
{
	memset(w, 0, sizeof(*w));
	w->abort_text = "step 4 is put back from its checkpoint";
	w->text_title = "Full list";
	w->events = -1;
	w->acts = -1;
	w->options.progress_interval = -1;
	model_init(&w->model);
}

void fake_wizard_release(struct wizard *w)
{
	model_release(&w->model);
	strvec_release(&w->text);
	free(w->select);
}

unsigned int fake_go(struct wizard *w, enum page page)
{
	w->page = page;
	return WIZARD_PAGE | WIZARD_REDRAW;
}

void fake_frame(struct wizard *w, struct sheet *s, const char *phase)
{
	(void)snprintf(s->code, sizeof(s->code), "%s", codes[w->page]);
	s->app = xstrdup("Acme Ledger  4.2 -> 5.0");
	s->phase = xstrdup(phase);
	s->run = xstrdup("7K4Q");
	s->safety = xstrdup("DATA changed by steps 1-3 | APP stopped 11:47 | "
			    "BACKUP verified | UNDO possible");
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
	sheet_init(s);
	w->sheet(w, s);
}

static void note(struct wizard *w, const char *line)
{
	if (w->acts >= 0 && write(w->acts, line, strlen(line)) < 0)
		abort();
}

unsigned int wizard_select(struct wizard *w, const char *row)
{
	free(w->select);
	w->select = xstrdup_null(row);
	return WIZARD_REDRAW;
}

unsigned int wizard_act(struct wizard *w, const char *id, const char *row,
			const char *value)
{
	_cleanup_free_ char *line = xasprintf("%s %s %s\n", id,
		row ? row : "-", value ? value : "-");

	w->notice = NULL;
	note(w, line);
	return w->act ? w->act(w, id, row, value) : WIZARD_NOTHING;
}

size_t wizard_poll_fds(struct wizard *w, struct pollfd *p)
{
	p[0].fd = w->events;
	p[0].events = POLLIN;
	p[0].revents = 0;
	return 1;
}

unsigned int wizard_io(struct wizard *w)
{
	struct pollfd p = { .fd = w->events, .events = POLLIN };
	char c;

	if (w->io)
		return w->io(w);
	if (w->events < 0 || poll(&p, 1, 0) <= 0)
		return WIZARD_NOTHING;
	if (read(w->events, &c, 1) <= 0) {
		w->events = -1;
		return WIZARD_NOTHING;
	}
	w->tick++;
	return WIZARD_REDRAW | (w->ticked ? w->ticked(w) : 0);
}

int wizard_timeout(const struct wizard *w)
{
	return w->timeout ? w->timeout(w) : -1;
}

enum wizard_stop wizard_stop_kind(const struct wizard *w)
{
	return w->stop;
}

char *wizard_abort_text(const struct wizard *w)
{
	return xstrdup(w->abort_text);
}

const char *wizard_notice(const struct wizard *w)
{
	return w->notice;
}

const struct strvec *wizard_text(const struct wizard *w, const char **ret_title)
{
	*ret_title = w->text_title;
	return &w->text;
}

void wizard_help(const struct wizard *w, struct strvec *ret)
{
	if (w->help) {
		w->help(w, ret);
		return;
	}
	strvec_pushf(ret, "Help on %s.", codes[w->page]);
	help_common_keys(ret);
	strvec_push(ret, "");
	strvec_push(ret, "Support: Acme.");
}

void wizard_farewell(struct wizard *w, struct strvec *ret)
{
	if (w->goodbye)
		strvec_push(ret, w->goodbye);
	else if (w->page == PAGE_D90)
		strvec_push(ret, "UPGRADE COMPLETE");
}

int wizard_exit(const struct wizard *w)
{
	return w->exit;
}

const struct options *wizard_options(const struct wizard *w)
{
	return &w->options;
}
