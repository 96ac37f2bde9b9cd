/* SPDX-License-Identifier: MIT */
/* The loop: waits for keys, signals and the wizard, and draws. */
#include "tui/tui.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "command.h"
#include "text-width.h"
#include "tui/app-internal.h"
#include "tui/wakeup.h"

#define EVERY_MS 250             /* between two drawings without a key */
#define EVERY_SLOW_MS 1000

const char *tui_unusable(const struct options *o)
{
	(void)o;
	return terminal_unusable(TUI_COLS_MIN, TUI_LINES_MIN);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool app_too_small(const struct app *a)
{
	return a->term.cols < TUI_COLS_MIN || a->term.lines < TUI_LINES_MIN;
}

static struct pane *front(struct app *a)
{
	return a->dialog_open ? &a->dialog : &a->page;
}

struct hints app_hints(const struct app *a)
{
	const struct pane *p = a->dialog_open ? &a->dialog : &a->page;
	bool typing = pane_typing(p) || p->sheet.typed;

	return (struct hints){
		.view = a->pager_open ? VIEW_PAGER :
			a->dialog_open ? VIEW_DIALOG :
			typing ? VIEW_TYPED : VIEW_PAGE,
		.page = a->shown,
		.sheet = &p->sheet,
		.focus = pane_focus(p),
		.stop = wizard_stop_kind(a->w),
		.stops = pane_stops(p),
		.log_shown = p->layout.log_n > 0,
		.is_log = a->pager.is_log,
	};
}

/* the sheet of now; what it says on the selected row depends on that row */
static void refresh_sheet(struct app *a)
{
	enum page page = wizard_page(a->w);
	bool anew = a->fresh || page != a->shown;
	struct sheet s;

	for (int i = 0; i < 2; i++) {
		_cleanup_free_ char *row = NULL;

		(void)wizard_select(a->w, anew ? NULL : a->page.row);
		row = xstrdup_null(a->page.row);
		sheet_init(&s);
		wizard_sheet(a->w, &s);
		if (pane_take(&a->page, &s, anew))
			terminal_flush();
		a->shown = page;
		a->fresh = false;
		if (!anew && (row == a->page.row ||
			      (row && a->page.row && !strcmp(row, a->page.row))))
			break;
		anew = false;
	}
	a->stale = false;
}

static void draw_small(struct app *a)
{
	_cleanup_free_ char *text = xasprintf(
		_("Terminal %dx%d, need %dx%d. p = plain mode, q = leave. "
		  "The upgrade goes on."), a->term.cols, a->term.lines,
		TUI_COLS_MIN, TUI_LINES_MIN);

	draw_too_small(&a->term, text);
}

static void draw_pane(struct app *a, const char *notice)
{
	struct pane *p = front(a);
	struct strbuf keys = STRBUF_INIT;
	struct hints h;
	int y, x;

	a->frame.sheet = &p->sheet;
	a->frame.status = notice;
	a->frame.status_role = notice ? ROLE_CAUTION : ROLE_NORMAL;
	draw_frame_size(&a->frame, &a->term);
	draw_begin();
	pane_draw(p, &a->frame, &a->term, wizard_model(a->w));
	/* which keys there are depends on what was laid out */
	h = app_hints(a);
	keymap_line(&h, a->term.cols, a->term.safe, &keys);
	a->frame.keys = keys.buf;
	draw_frame(&a->frame, &a->term);
	y = p->layout.cursor_y;
	x = p->layout.cursor_x;
	draw_end(y < 0 ? a->frame.body_y : a->frame.body_y + y,
		 y < 0 ? 0 : x);
	a->frame.keys = NULL;
	strbuf_release(&keys);
}

static void draw_pager(struct app *a)
{
	struct hints h = app_hints(a);
	struct strbuf keys = STRBUF_INIT, status = STRBUF_INIT;
	int y, x;

	keymap_line(&h, a->term.cols, a->term.safe, &keys);
	a->frame.sheet = &a->page.sheet;
	a->frame.status = "";
	a->frame.status_role = ROLE_NORMAL;
	a->frame.keys = keys.buf;
	draw_frame_size(&a->frame, &a->term);
	draw_begin();
	pager_draw(&a->pager, &a->frame, &a->term, wizard_model(a->w), &status,
		   &y, &x);
	a->frame.status = status.buf;
	draw_frame(&a->frame, &a->term);
	draw_end(y, x);
	a->frame.keys = NULL;
	strbuf_release(&keys);
	strbuf_release(&status);
}

/* of all, if there are several: the last bar of the page */
static void show_progress(const struct app *a)
{
	const struct sheet *s = &a->page.sheet;
	int percent = -1;

	for (size_t i = 0; s->working && i < s->n; i++)
		if (s->items[i].type == SHEET_BAR && s->items[i].percent >= 0)
			percent = s->items[i].percent;
	terminal_progress(percent);
}

static void draw(struct app *a)
{
	bool fresh = a->fresh || wizard_page(a->w) != a->shown;

	/* typed before this page could be read: not meant for it */
	if (fresh)
		terminal_flush();
	if (a->stale || fresh)
		refresh_sheet(a);
	if (app_too_small(a))
		draw_small(a);
	else if (a->pager_open)
		draw_pager(a);
	else
		draw_pane(a, a->notice ? wizard_notice(a->w) : NULL);
	show_progress(a);
	a->dirty = a->later = false;
	a->drawn_ms = now_ms();
}

void app_leave(struct app *a)
{
	a->done = true;
	a->ret = wizard_exit(a->w);
}

static bool wants_bell(const struct app *a, unsigned int result)
{
	const char *when = wizard_options(a->w)->bell;

	if (when && !strcmp(when, "never"))
		return false;
	if (when && !strcmp(when, "always") && (result & WIZARD_REFUSED))
		return true;
	return result & WIZARD_BELL;
}

/* what wizard_io() or wizard_act() led to */
void app_result(struct app *a, unsigned int result)
{
	if (wants_bell(a, result))
		terminal_bell();
	if (result & (WIZARD_PAGE | WIZARD_ASKED | WIZARD_MOVED)) {
		a->fresh = a->fresh ||
			(result & (WIZARD_PAGE | WIZARD_ASKED));
		a->dialog_open = false;
		/* a page that asks comes to the front; the log can be opened
		   again */
		if (result & (WIZARD_PAGE | WIZARD_ASKED))
			a->pager_open = false;
		a->dirty = true;
	}
	if (result & (WIZARD_PAGE | WIZARD_REDRAW | WIZARD_MOVED |
		      WIZARD_REFUSED))
		a->stale = true;
	if (result & WIZARD_REDRAW)
		a->later = true;
	if (result & (WIZARD_REFUSED | WIZARD_MOVED))
		a->notice = a->dirty = true;
	if (result & WIZARD_QUIT)
		app_leave(a);
}

static void take_signals(struct app *a)
{
	unsigned int wake = wakeup_take();

	if (wake & WAKE_SUSPEND && !(wake & WAKE_LEAVE)) {
		terminal_suspend(&a->term);
		/* its end was this stop's */
		wake |= wakeup_take() & ~(unsigned int)WAKE_CONTINUE;
	} else if (wake & WAKE_CONTINUE) {
		terminal_continue(&a->term);
	}
	if (wake & WAKE_LEAVE) {
		app_leave(a);
		return;
	}
	if (wake & WAKE_STOP)
		app_ask_stop(a, true);
	if (wake & (WAKE_RESIZE | WAKE_CONTINUE | WAKE_SUSPEND)) {
		bool blind = app_too_small(a);

		terminal_resize(&a->term);
		/* typed while there was nothing to see */
		if (blind && !app_too_small(a))
			terminal_flush();
		a->dirty = true;
	}
}

static void take_keys(struct app *a)
{
	struct key k;

	/* bounded: what the wizard has to say is not kept waiting */
	for (int i = 0; i < 256 && !a->done; i++) {
		k = terminal_key();
		if (k.kind == K_NONE)
			return;
		app_key(a, &k);
		free(k.paste);
		/* what is typed behind ^Z is the shell's */
		if (k.kind == K_CTRL && k.text[0] == 'Z')
			return;
		/* a choice may have led to another page: the keys behind it
		   were meant for this one */
		if (a->dirty)
			draw(a);
	}
}

static int wait_ms(const struct app *a)
{
	int ms = wizard_timeout(a->w), every;
	uint64_t since = now_ms() - a->drawn_ms;

	if (!a->later)
		return ms;
	every = a->term.slow ? EVERY_SLOW_MS : EVERY_MS;
	every = since >= (uint64_t)every ? 0 : every - (int)since;
	return ms < 0 ? every : MIN(ms, every);
}

static void wait_and_take(struct app *a)
{
	struct pollfd p[2 + WIZARD_FDS] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = wakeup_fd(), .events = POLLIN },
	};
	size_t n = 2 + wizard_poll_fds(a->w, p + 2);

	if (poll(p, n, wait_ms(a)) < 0 && errno != EINTR) {
		app_leave(a);
		return;
	}
	if (p[1].revents)
		take_signals(a);
	/* gone: getch() would say "nothing" for ever */
	if (p[0].revents & (POLLHUP | POLLERR | POLLNVAL))
		app_leave(a);
	if (!a->done && (p[0].revents & POLLIN))
		take_keys(a);
	if (!a->done)
		app_result(a, wizard_io(a->w));
	if (a->pager_open && pager_update(&a->pager, wizard_model(a->w)))
		a->later = true;
}

static void loop(struct app *a)
{
	a->fresh = a->dirty = true;
	while (!a->done) {
		uint64_t every = a->term.slow ? EVERY_SLOW_MS : EVERY_MS;

		if (a->dirty || (a->later && now_ms() - a->drawn_ms >= every))
			draw(a);
		wait_and_take(a);
	}
}

static void farewell(struct app *a)
{
	_cleanup_strvec_ struct strvec lines = STRVEC_INIT;

	wizard_farewell(a->w, &lines);
	for (size_t i = 0; i < lines.n; i++) {
		struct strbuf sb = STRBUF_INIT;

		width_safe(&sb, lines.v[i], a->term.safe);
		(void)puts(sb.buf); /* a terminal that is gone reads nothing */
		strbuf_release(&sb);
	}
	(void)fflush(stdout);
}

int tui_run(struct wizard *w)
{
	struct app *a = xcalloc(1, sizeof(*a));
	int ret;

	a->w = w;
	ret = wakeup_open();
	if (ret == 0)
		ret = terminal_start(&a->term, wizard_options(w));
	if (ret < 0) {
		wakeup_close();
		free(a);
		return TUI_PLAIN;
	}
	die_set_hook(terminal_emergency);
	a->mouse = wizard_options(w)->mouse;
	pane_init(&a->page);
	pane_init(&a->dialog);
	pager_init(&a->pager);
	loop(a);
	terminal_stop();
	wakeup_close();
	die_set_hook(NULL);
	if (a->ret != TUI_PLAIN)
		farewell(a);
	ret = a->ret;
	pane_release(&a->page);
	pane_release(&a->dialog);
	pager_release(&a->pager);
	free(a);
	return ret;
}
