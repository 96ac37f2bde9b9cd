/* SPDX-License-Identifier: MIT */
#ifndef TUI_PTY_H
#define TUI_PTY_H
/*
 * pty - fake-tui on a terminal that is looked at cell by cell
 *
 * pty_start() runs it under forkpty(), pty_keys() types, pty_wait() reads until
 * a text stands on the screen; nothing ever sleeps. After DEADLINE_S the test
 * fails and shows what was there instead.
 */
#include <stdbool.h>
#include <sys/types.h>
#include <vterm.h>

#include "base/strbuf.h"

struct pty {
	int fd;
	pid_t pid;
	int cols, lines;
	VTerm *vt;
	VTermScreen *screen;
	int cursor_y, cursor_x;
	bool cursor_seen, alt_screen;
	int bells;
	struct strbuf raw;        /* all that came */
	char log[64];             /* what was asked of the wizard; a file */
	int status;               /* see pty_sync() */
	bool blind;
	int events;               /* a line written here reaches the log page */
};

/* what is set before the program starts; NULL: as usual */
struct pty_setup {
	const char *term;         /* xterm-256color */
	const char *locale;       /* C.UTF-8 */
	const char *env;          /* "NAME=VALUE", one more */
	const char *option;
	bool blind;               /* nobody looks at cells, only at bytes */
	bool job;                 /* under a parent that watches it stop */
	const char *const *argv;  /* this program, not fake-tui */
};

void pty_start(struct pty *p, const char *code, int cols, int lines,
	       const struct pty_setup *setup);
/* at 80x24, and the page is there */
void pty_page(struct pty *p, const char *code);
/* ends it; returns the status as of waitpid() */
int pty_end(struct pty *p);
/* waits until it has ended */
int pty_wait_end(struct pty *p);
/* it stays; what was set up for it goes */
void pty_release(struct pty *p);
void pty_keys(struct pty *p, const char *keys);
void pty_resize(struct pty *p, int cols, int lines);
/* until text stands in one line */
void pty_wait(struct pty *p, const char *text);
void pty_wait_gone(struct pty *p, const char *text);
/* y: -1 is any */
void pty_wait_cursor(struct pty *p, int y, int x);
/* until the log file has the line */
void pty_wait_log(struct pty *p, const char *line);
/*
 * Until all keys before have been acted on and drawn; false: it has ended, and
 * status is what waitpid() said.
 */
bool pty_sync(struct pty *p);
/* waits so long for more; or until no more comes for so long */
void pty_read(struct pty *p, int ms);
void pty_read_all(struct pty *p, int ms);
/* whatever can be read now */
void pty_drain(struct pty *p);
bool pty_has(const struct pty *p, const char *text);
/* the whole screen, blanks at the ends of lines removed */
void pty_text(const struct pty *p, struct strbuf *out);
/* one line */
void pty_line(const struct pty *p, int y, struct strbuf *out);
bool pty_reverse(const struct pty *p, int y, int x);
/* the bytes that came contain these */
bool pty_sent(const struct pty *p, const char *bytes);

#endif
