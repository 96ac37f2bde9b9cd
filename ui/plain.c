/* SPDX-License-Identifier: MIT */
/* The loop: what came from the engine, from the keyboard, by signals. */
#include "plain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "plain-internal.h"

/* the sheet anew, and the numbers on it */
static void look(struct plain *p)
{
	sheet_release(&p->sheet);
	wizard_sheet(p->w, &p->sheet);
	plain_menu(p);
}

static void open_page(struct plain *p)
{
	plain_in_discard(&p->in);
	p->hold_ns = 0;
	look(p);
	/* as a screen: the page may say more on the row in focus */
	if (wizard_select(p->w, sheet_find(&p->sheet, p->sheet.focus) ?
			  p->sheet.focus : NULL) & WIZARD_REDRAW)
		look(p);
	plain_begin(p);
	plain_open_page(p);
}

/* what a call of the wizard led to; acted: by the user */
static void take_result(struct plain *p, unsigned int r, bool acted)
{
	const char *notice = wizard_notice(p->w);
	const char *title = NULL;

	if (notice && (r & (WIZARD_REFUSED | WIZARD_MOVED) ||
		       (acted && (!p->told || strcmp(p->told, notice))))) {
		plain_line(p, notice);
		p->notice = xstrdup(notice);
	}
	free(p->told);
	p->told = xstrdup_null(notice);
	if (r & WIZARD_BELL && p->in.tty &&
	    fs_write_all(STDOUT_FILENO, "\a", 1) < 0)
		p->out_failed = true;
	p->done = p->done || r & WIZARD_QUIT;
	if (p->done)
		r = WIZARD_NOTHING;
	if (r & WIZARD_ASKED)
		plain_in_discard(&p->in);
	if (r & (WIZARD_PAGE | WIZARD_MOVED)) {
		open_page(p);
	} else if (r & WIZARD_REDRAW) {
		look(p);
		plain_update(p);
	}
	if (r & WIZARD_SHOW_LOG)
		plain_log(p, "");
	if (r & WIZARD_SHOW_TEXT) {
		const struct strvec *text = wizard_text(p->w, &title);

		plain_text_open(p, title, text);
	}
	free(p->notice);
	p->notice = NULL;
}

/* a terminal has shown it already, newline and all */
static void echo_line(struct plain *p, const char *line)
{
	const struct sheet_item *it = plain_field(p, p->field);
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	if (!p->prompted)
		return;
	p->prompted = false;
	if (p->in.tty)
		return;
	if (p->mode != MODE_FIELD || (it && !it->secret))
		strbuf_add_escaped(&sb, line, strlen(line));
	strbuf_addch(&sb, '\n');
	if (fs_write_all(STDOUT_FILENO, sb.buf, sb.len) < 0)
		p->out_failed = true;
}

/* An engine needs a moment to take up what was chosen. Until then the page is
   the old one, and its choices are not to be taken twice. */
static void answer(struct plain *p, const char *line)
{
	bool chose = p->mode == MODE_PAGE && p->entry_n;
	uint64_t before = p->lines;

	p->hold_ns = 0;
	take_result(p, plain_answer(p, line), true);
	if (chose && p->mode == MODE_PAGE && p->lines == before && *line)
		p->hold_ns = clock_mono_ns() + PLAIN_HOLD_NS;
}

static void read_lines(struct plain *p, bool readable)
{
	char line[PLAIN_LINE_MAX];
	enum plain_read got = PLAIN_LINE;

	/* one line at a time: its effect decides what the next one means */
	while (got != PLAIN_NO_LINE && !p->done && plain_listens(p)) {
		got = plain_in_line(&p->in, readable, line);
		readable = false;
		if (got == PLAIN_END) {
			p->done = true;
		} else if (got == PLAIN_BAD_LINE) {
			echo_line(p, "");
			plain_say(p, "%s", _("This line is too long, or is no "
					     "text. Nothing was done."));
		} else if (got == PLAIN_LINE) {
			echo_line(p, line);
			answer(p, line);
		}
		if (got != PLAIN_NO_LINE && !p->done)
			plain_ask(p);
	}
	explicit_bzero(line, sizeof(line));
}

static void take_signals(struct plain *p)
{
	unsigned int s = plain_in_signals();

	if (s & PLAIN_LEAVE)
		p->done = true;
	else if (s & PLAIN_INTERRUPT) {
		/* the cursor stands behind "^C" */
		p->prompted = true;
		take_result(p, plain_stop(p, true), true);
	}
	if (s & PLAIN_SUSPEND) {
		plain_in_suspend(&p->in);
		/* the shell has written below the prompt */
		p->prompted = false;
	}
}

static int wait_ms(struct plain *p)
{
	int clock = wizard_timeout(p->w);
	int progress = plain_progress_timeout(p);
	int hold;

	if (plain_listens(p) && plain_in_ready(&p->in))
		return 0;
	if (clock < 0 || (progress >= 0 && progress < clock))
		clock = progress;
	if (plain_holds(p)) {
		uint64_t left = p->hold_ns - clock_mono_ns();

		hold = left > PLAIN_HOLD_NS ? 0 : (int)(left / 1000000u) + 1;
		clock = clock < 0 ? hold : MIN(clock, hold);
	}
	return clock;
}

static void wait_once(struct plain *p)
{
	struct pollfd fds[WIZARD_FDS + 2];
	size_t n = wizard_poll_fds(p->w, fds);
	struct pollfd *in = &fds[n], *sig = &fds[n + 1];
	int got;

	in->fd = plain_listens(p) ? STDIN_FILENO : -1;
	sig->fd = plain_in_signal_fd();
	in->events = sig->events = POLLIN;
	in->revents = sig->revents = 0;
	got = poll(fds, (nfds_t)n + 2, wait_ms(p));
	if (got < 0) {
		if (errno != EINTR)
			die("poll: %s", strerror(errno));
		in->revents = 0;
	}
	take_signals(p);
	if (!p->done)
		take_result(p, wizard_io(p->w), false);
	if (!p->done)
		plain_progress(p);
	if (!p->done)
		read_lines(p, in->revents != 0);
}

static void plain_release(struct plain *p)
{
	plain_in_close(&p->in);
	sheet_release(&p->sheet);
	plain_memory_clear(&p->page);
	plain_memory_clear(&p->rows);
	strvec_release(&p->text);
	free(p->safety);
	free(p->status);
	free(p->told);
	free(p->app);
	free(p->row);
	free(p->asked);
	free(p->subject);
}

static void say_farewell(struct plain *p)
{
	_cleanup_strvec_ struct strvec lines = STRVEC_INIT;

	wizard_farewell(p->w, &lines);
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		plain_spoken(lines.v[i], &sb);
		if (sb.len)
			plain_line(p, sb.buf);
	}
}

int plain_run(struct wizard *w)
{
	struct plain p = { .w = w };

	plain_in_open(&p.in);
	open_page(&p);
	while (!p.done && !p.out_failed) {
		plain_ask(&p);
		wait_once(&p);
	}
	if (!p.out_failed)
		say_farewell(&p);
	plain_release(&p);
	return wizard_exit(w);
}
