/* SPDX-License-Identifier: MIT */
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/xalloc.h"

#define DEADLINE_S 180

static int on_cursor(VTermPos pos, VTermPos old, int visible, void *user)
{
	struct pty *p = user;

	(void)old;
	(void)visible;
	p->cursor_y = pos.row;
	p->cursor_x = pos.col;
	return 1;
}

static int on_prop(VTermProp prop, VTermValue *val, void *user)
{
	struct pty *p = user;

	if (prop == VTERM_PROP_CURSORVISIBLE)
		p->cursor_seen = val->boolean;
	if (prop == VTERM_PROP_ALTSCREEN)
		p->alt_screen = val->boolean;
	return 1;
}

static int on_bell(void *user)
{
	((struct pty *)user)->bells++;
	return 1;
}

static VTermScreenCallbacks callbacks = {
	.movecursor = on_cursor,
	.settermprop = on_prop,
	.bell = on_bell,
};

static void set_environment(const struct pty *p, const struct pty_setup *s)
{
	static const char *const gone[] = {
		"NO_COLOR", "UPSHIFT_NO_COLOR", "UPSHIFT_THEME", "ESCDELAY",
		"COLUMNS", "LINES", "SSH_CONNECTION", "LANGUAGE",
		"NCURSES_NO_UTF8_ACS", "TMUX", "STY", "WT_SESSION",
		"ConEmuANSI", "VTE_VERSION", "TERM_PROGRAM", NULL
	};

	for (const char *const *g = gone; *g; g++)
		(void)unsetenv(*g);
	(void)setenv("TERM", s->term ? s->term : "xterm-256color", 1);
	(void)setenv("LC_ALL", s->locale ? s->locale : "C.UTF-8", 1);
	(void)setenv("FAKE_LOG", p->log, 1);
	(void)setenv("FAKE_FD", "3", 1);
	if (s->env)
		(void)putenv((char *)s->env);
}

static _noreturn_ void run(const char *code, const char *option)
{
	const char *top = getenv("top_builddir");
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/tests/tui/fake-tui",
		       top ? top : ".");
	(void)execl(path, path, code, option, (char *)NULL);
	_exit(127);
}

/* as a shell does: a foreground job of its own, continued when it stops */
static _noreturn_ void run_as_job(const char *code, const char *option)
{
	struct termios before;
	int status = 0;
	pid_t pid;

	(void)tcgetattr(STDIN_FILENO, &before);
	pid = fork();

	(void)signal(SIGTTOU, SIG_IGN);
	if (pid == 0) {
		(void)setpgid(0, 0);
		(void)tcsetpgrp(STDIN_FILENO, getpid());
		(void)signal(SIGTTOU, SIG_DFL);
		run(code, option);
	}
	(void)setpgid(pid, pid);
	(void)tcsetpgrp(STDIN_FILENO, pid);
	while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status)) {
		char c;

		(void)tcsetpgrp(STDIN_FILENO, getpgrp());
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
		(void)printf("the job has stopped\r\n");
		(void)fflush(stdout);
		if (read(STDIN_FILENO, &c, 1) < 1)
			_exit(126);
		(void)tcsetpgrp(STDIN_FILENO, pid);
		(void)kill(pid, SIGCONT);
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 125);
}

static void child(const struct pty *p, const char *code,
		  const struct pty_setup *s, int events)
{
	if (events != 3)
		(void)dup2(events, 3);
	(void)fcntl(3, F_SETFD, 0);
	/* as on a terminal, though a test may run behind nohup */
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGQUIT, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	set_environment(p, s);
	if (s->argv) {
		(void)execv(s->argv[0], (char *const *)s->argv);
		_exit(127);
	}
	if (s->job)
		run_as_job(code, s->option);
	run(code, s->option);
}

void pty_start(struct pty *p, const char *code, int cols, int lines,
	       const struct pty_setup *setup)
{
	static const struct pty_setup usual;
	struct winsize ws = { .ws_row = (unsigned short)lines,
			      .ws_col = (unsigned short)cols };
	int events[2], fd;

	memset(p, 0, sizeof(*p));
	strbuf_init(&p->raw);
	p->blind = setup && setup->blind;
	p->cols = cols;
	p->lines = lines;
	(void)strcpy(p->log, "/tmp/upshift-tui.XXXXXX");
	fd = mkstemp(p->log);
	if (fd < 0 || close(fd) || pipe2(events, O_CLOEXEC))
		die("cannot prepare a terminal");
	p->vt = vterm_new(lines, cols);
	vterm_set_utf8(p->vt, 1);
	p->screen = vterm_obtain_screen(p->vt);
	vterm_screen_enable_altscreen(p->screen, 1);
	vterm_screen_set_callbacks(p->screen, &callbacks, p);
	vterm_screen_reset(p->screen, 1);
	p->pid = forkpty(&p->fd, NULL, NULL, &ws);
	if (p->pid < 0)
		die("cannot make a terminal");
	if (p->pid == 0)
		child(p, code, setup ? setup : &usual, events[0]);
	(void)close(events[0]);
	p->events = events[1];
	(void)fcntl(p->fd, F_SETFL, O_NONBLOCK);
}

/* false: nothing came before the time was over, or it has ended */
static bool read_some(struct pty *p, int ms)
{
	struct pollfd pf = { .fd = p->fd, .events = POLLIN };
	char buf[4096];
	ssize_t n;

	if (poll(&pf, 1, ms) <= 0)
		return false;
	n = read(p->fd, buf, sizeof(buf));
	if (n <= 0)
		return false;
	strbuf_add(&p->raw, buf, (size_t)n);
	/* libvterm 0.1.4 does not survive every resize */
	if (p->blind)
		return true;
	(void)vterm_input_write(p->vt, buf, (size_t)n);
	n = (ssize_t)vterm_output_read(p->vt, buf, sizeof(buf));
	if (n > 0 && write(p->fd, buf, (size_t)n) < 0)
		return false;
	return true;
}

void pty_read(struct pty *p, int ms)
{
	(void)read_some(p, ms);
}

void pty_read_all(struct pty *p, int ms)
{
	while (read_some(p, ms))
		;
}

void pty_drain(struct pty *p)
{
	while (read_some(p, 0))
		;
}

void pty_resize(struct pty *p, int cols, int lines)
{
	struct winsize ws = { .ws_row = (unsigned short)lines,
			      .ws_col = (unsigned short)cols };

	pty_drain(p);
	if (!p->blind)
		vterm_set_size(p->vt, lines, cols);
	p->cols = cols;
	p->lines = lines;
	(void)ioctl(p->fd, TIOCSWINSZ, &ws);
}

static void add_utf8(struct strbuf *out, uint32_t c)
{
	if (c < 0x80) {
		strbuf_addch(out, (char)c);
	} else if (c < 0x800) {
		strbuf_addch(out, (char)(0xc0 | c >> 6));
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		strbuf_addch(out, (char)(0xe0 | c >> 12));
		strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	} else {
		strbuf_addch(out, (char)(0xf0 | c >> 18));
		strbuf_addch(out, (char)(0x80 | (c >> 12 & 0x3f)));
		strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	}
}

void pty_line(const struct pty *p, int y, struct strbuf *out)
{
	size_t from = out->len;

	for (int x = 0; x < p->cols;) {
		VTermPos pos = { .row = y, .col = x };
		VTermScreenCell cell;

		memset(&cell, 0, sizeof(cell));
		(void)vterm_screen_get_cell(p->screen, pos, &cell);
		if (!cell.chars[0])
			strbuf_addch(out, ' ');
		for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i];
		     i++)
			add_utf8(out, cell.chars[i]);
		x += cell.width > 1 ? cell.width : 1;
	}
	while (out->len > from && out->buf[out->len - 1] == ' ')
		strbuf_set_len(out, out->len - 1);
}

void pty_text(const struct pty *p, struct strbuf *out)
{
	for (int y = 0; y < p->lines; y++) {
		pty_line(p, y, out);
		strbuf_addch(out, '\n');
	}
}

bool pty_has(const struct pty *p, const char *text)
{
	struct strbuf sb = STRBUF_INIT;
	bool has;

	pty_text(p, &sb);
	has = strstr(sb.buf, text) != NULL;
	strbuf_release(&sb);
	return has;
}

bool pty_reverse(const struct pty *p, int y, int x)
{
	VTermPos pos = { .row = y, .col = x };
	VTermScreenCell cell;

	memset(&cell, 0, sizeof(cell));
	(void)vterm_screen_get_cell(p->screen, pos, &cell);
	return cell.attrs.reverse;
}

bool pty_sent(const struct pty *p, const char *bytes)
{
	return memmem(p->raw.buf, p->raw.len, bytes, strlen(bytes)) != NULL;
}

static time_t now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static _noreturn_ void give_up(struct pty *p, const char *what,
			       const char *text)
{
	struct strbuf sb = STRBUF_INIT;

	pty_text(p, &sb);
	(void)kill(p->pid, SIGKILL);
	(void)unlink(p->log);
	(void)fprintf(stderr, "waited for %s '%s', cursor at %d,%d:\n%s", what,
		      text, p->cursor_y, p->cursor_x, sb.buf);
	exit(1);
}

void pty_keys(struct pty *p, const char *keys)
{
	time_t end = now() + DEADLINE_S;
	size_t n = strlen(keys);

	while (n > 0) {
		ssize_t k = write(p->fd, keys, n);

		if (k < 0 && errno != EAGAIN)
			return;
		if (k < 0) {
			if (now() > end)
				give_up(p, "somebody to read", keys);
			(void)read_some(p, 10);
			continue;
		}
		keys += k;
		n -= (size_t)k;
	}
}

static void wait_screen(struct pty *p, const char *text, bool there)
{
	time_t end = now() + DEADLINE_S;

	while (pty_has(p, text) != there) {
		if (now() > end)
			give_up(p, there ? "text" : "the end of", text);
		(void)read_some(p, 100);
	}
}

void pty_wait(struct pty *p, const char *text)
{
	wait_screen(p, text, true);
}

void pty_wait_gone(struct pty *p, const char *text)
{
	wait_screen(p, text, false);
}

void pty_wait_cursor(struct pty *p, int y, int x)
{
	time_t end = now() + DEADLINE_S;

	while ((y >= 0 && p->cursor_y != y) || p->cursor_x != x) {
		if (now() > end)
			give_up(p, "cursor", "elsewhere");
		(void)read_some(p, 100);
	}
}

static bool last_line_blank(const struct pty *p)
{
	struct strbuf sb = STRBUF_INIT;
	bool blank;

	pty_line(p, p->lines - 1, &sb);
	blank = !sb.len;
	strbuf_release(&sb);
	return blank;
}

static bool cleared_since(const struct pty *p, size_t from)
{
	const char *s = p->raw.buf + from;
	size_t n = p->raw.len - from;

	return memmem(s, n, "\033[H\033[2J", 7) ||
	       memmem(s, n, "\033[H\033[J", 6);
}

/*
 * ^L has everything drawn anew: after the keys before it, from the top to the
 * line of keys, and at last the cursor goes where the focus is.
 */
bool pty_sync(struct pty *p)
{
	time_t end = now() + DEADLINE_S;
	size_t from;

	pty_drain(p);
	from = p->raw.len;
	pty_keys(p, "\f");
	while (!cleared_since(p, from) ||
	       (p->lines >= 12 && p->cols >= 40 &&
		(last_line_blank(p) || p->cursor_y == p->lines - 1))) {
		if (now() > end)
			give_up(p, "a new drawing", "");
		if (read_some(p, 100))
			continue;
		if (waitpid(p->pid, &p->status, WNOHANG) == p->pid) {
			p->pid = 0;
			return false;
		}
		/* a page that came up threw it away */
		if (!cleared_since(p, from))
			pty_keys(p, "\f");
	}
	return true;
}

static bool log_has(const struct pty *p, const char *line)
{
	char buf[16384];
	size_t n = 0;
	FILE *f = fopen(p->log, "r");

	if (!f)
		return false;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	(void)fclose(f);
	buf[n] = '\0';
	return strstr(buf, line) != NULL;
}

void pty_wait_log(struct pty *p, const char *line)
{
	time_t end = now() + DEADLINE_S;

	while (!log_has(p, line)) {
		if (now() > end)
			give_up(p, "a call", line);
		(void)read_some(p, 20);
	}
}

int pty_wait_end(struct pty *p)
{
	time_t end = now() + DEADLINE_S;
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(p->pid, &status, WNOHANG)) == 0) {
		if (now() > end)
			give_up(p, "the end of", "fake-tui");
		if (p->fd < 0)
			(void)poll(NULL, 0, 10);
		else
			(void)read_some(p, 20);
	}
	p->pid = 0;
	if (p->fd >= 0)
		pty_drain(p);
	return status;
}

void pty_release(struct pty *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	if (p->events >= 0)
		(void)close(p->events);
	(void)unlink(p->log);
	vterm_free(p->vt);
	strbuf_release(&p->raw);
}

int pty_end(struct pty *p)
{
	int status = 0;

	if (p->pid > 0) {
		(void)kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, &status, 0);
	}
	pty_release(p);
	return status;
}

void pty_page(struct pty *p, const char *code)
{
	char mark[8];

	(void)snprintf(mark, sizeof(mark), "[%s]", code);
	pty_start(p, code, 80, 24, NULL);
	pty_wait(p, mark);
	if (!pty_sync(p))
		give_up(p, "the page", code);
}
