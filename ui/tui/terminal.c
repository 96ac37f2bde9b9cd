/* SPDX-License-Identifier: MIT */
#include "tui/terminal.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "command.h"
#include "text-width.h"

#define ESC_DELAY_MS 100
#define SIZE_MAX_CELLS 1000      /* a terminal that lies about its size */

/* what terminal_emergency() may touch: set once, read by handlers */
static struct termios saved_modes;
static char restore_text[256];
static size_t restore_len;
static volatile sig_atomic_t taken;
static SCREEN *screen;
/* the task bar's; -1: none */
static int progress = -1;
static bool progress_shown;

static const char *capability(const char *name)
{
	const char *s = tigetstr((char *)name);

	/* (char *)-1: no such string */
	return s && s != (const char *)-1 ? s : NULL;
}

static void put_text(const char *s)
{
	if (!s)
		return;
	/* a terminal that is gone shows nothing; poll() finds out */
	(void)fputs(s, stdout);
	(void)fflush(stdout);
}

static void add_restore(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	/* delays are for terminals that have none of this */
	if (!n || strstr(s, "$<") || restore_len + n >= sizeof(restore_text))
		return;
	memcpy(restore_text + restore_len, s, n);
	restore_len += n;
}

/*
 * Terminals that show it. Others show the text of the sequence, make a
 * notification of it (kitty) or swallow it (tmux, screen).
 */
static bool shows_progress(void)
{
	static const char *const programs[] = { "WezTerm", "ghostty" };
	const char *v;

	if (getenv("TMUX") || getenv("STY"))
		return false;
	v = getenv("ConEmuANSI");
	if (getenv("WT_SESSION") || (v && !strcmp(v, "ON")))
		return true;
	v = getenv("VTE_VERSION");
	if (v && atoi(v) >= 7900)
		return true;
	v = getenv("TERM_PROGRAM");
	for (size_t i = 0; v && i < ARRAY_SIZE(programs); i++)
		if (!strcmp(v, programs[i]))
			return true;
	return false;
}

#define PROGRESS_NONE "\033]9;4;0;0\033\\"

void terminal_progress(int percent)
{
	char text[32];

	percent = MIN(percent, 100);
	if (!progress_shown || percent == progress)
		return;
	progress = percent;
	(void)snprintf(text, sizeof(text), "\033]9;4;1;%d\033\\", percent);
	put_text(percent < 0 ? PROGRESS_NONE : text);
}

static void plan_restore(void)
{
	restore_len = 0;
	progress = -1;
	progress_shown = shows_progress();
	if (progress_shown)
		add_restore(PROGRESS_NONE);
	add_restore(capability("BD"));
	add_restore(capability("rmkx"));
	add_restore(capability("sgr0"));
	add_restore(capability("cnorm"));
	if (capability("rmcup"))
		add_restore(capability("rmcup"));
	else
		add_restore("\r\n\n");
}

void terminal_emergency(void)
{
	if (!taken)
		return;
	taken = 0;
	/* nobody is left to be told that this failed */
	if (write(STDOUT_FILENO, restore_text, restore_len) < 0)
		return;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &saved_modes);
}

/*
 * Off the screen. Without a second one the page stays where it is, and what
 * comes next begins below it.
 */
static void leave_screen(void)
{
	bool alone = !capability("rmcup");

	terminal_progress(-1);
	terminal_mouse(false);
	put_text(capability("BD"));
	(void)curs_set(1);
	if (alone) {
		(void)move(LINES - 1, 0);
		(void)clrtoeol();
		(void)refresh();
	}
	(void)endwin();
	if (alone)
		put_text("\r\n");
}

void terminal_stop(void)
{
	if (!taken)
		return;
	leave_screen();
	taken = 0;
}

void terminal_size(int *cols, int *lines)
{
	struct winsize ws;

	memset(&ws, 0, sizeof(ws));
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || !ws.ws_col ||
	    !ws.ws_row)
		return;
	*cols = MIN(ws.ws_col, SIZE_MAX_CELLS);
	*lines = MIN(ws.ws_row, SIZE_MAX_CELLS);
}

/* ^S and ^Q keep a slow printer or modem from losing text; a pty has none */
static bool is_serial(void)
{
	const char *name = ttyname(STDIN_FILENO);

	return name && str_starts(name, "/dev/ttyS");
}

static void set_modes(void)
{
	struct termios tio;

	(void)raw();
	(void)noecho();
	(void)nonl();
	(void)intrflush(stdscr, FALSE);
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	if (!is_serial() || tcgetattr(STDIN_FILENO, &tio) < 0)
		return;
	tio.c_iflag |= IXON;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &tio) == 0)
		(void)def_prog_mode();
}

static bool speaks_utf8(const struct options *o)
{
	return !o->ascii && !strcmp(nl_langinfo(CODESET), "UTF-8");
}

#define CODE_PASTE 10001
#define CODE_PASTED 10002

int terminal_start(struct terminal *t, const struct options *o)
{
	memset(t, 0, sizeof(*t));
	if (tcgetattr(STDIN_FILENO, &saved_modes) < 0)
		return -errno;
	if (!getenv("ESCDELAY"))
		(void)set_escdelay(ESC_DELAY_MS);
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return -ENODEV;
	plan_restore();
	taken = 1;
	set_modes();
	(void)idlok(stdscr, TRUE);
	t->theme = theme_choose(o, tigetnum((char *)"colors"));
	theme_start(&t->theme);
	t->safe = speaks_utf8(o) ? WIDTH_UTF8 : 0;
	t->slow = getenv("SSH_CONNECTION") != NULL;
	(void)define_key("\033[200~", CODE_PASTE);
	(void)define_key("\033[201~", CODE_PASTED);
	put_text(capability("BE"));
	if (o->mouse)
		terminal_mouse(true);
	terminal_resize(t);
	terminal_flush();
	return 0;
}

void terminal_resize(struct terminal *t)
{
	getmaxyx(stdscr, t->lines, t->cols);
	terminal_size(&t->cols, &t->lines);
	(void)resizeterm(t->lines, t->cols);
	(void)clearok(curscr, TRUE);
}

void terminal_redraw(void)
{
	(void)clearok(curscr, TRUE);
}

static void take_again(struct terminal *t)
{
	/* before anything is seen: what is typed then is meant for us */
	terminal_flush();
	(void)refresh();
	set_modes();
	put_text(capability("BE"));
	terminal_resize(t);
}

void terminal_suspend(struct terminal *t)
{
	struct sigaction dfl, old;

	leave_screen();
	memset(&dfl, 0, sizeof(dfl));
	dfl.sa_handler = SIG_DFL;
	(void)sigaction(SIGTSTP, &dfl, &old);
	/* all that the shell started with us, as the terminal's ^Z would do */
	(void)kill(0, SIGTSTP);
	(void)sigaction(SIGTSTP, &old, NULL);
	take_again(t);
}

void terminal_continue(struct terminal *t)
{
	/* curses does not know that it lost the screen */
	(void)endwin();
	take_again(t);
}

void terminal_flush(void)
{
	(void)flushinp();
}

void terminal_bell(void)
{
	(void)beep();
}

void terminal_mouse(bool on)
{
	if (on)
		(void)mousemask(BUTTON1_CLICKED | BUTTON1_PRESSED |
				BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
	else
		(void)mousemask(0, NULL);
	(void)mouseinterval(0);
}

static struct key mouse_key(void)
{
	struct key k = { .kind = K_OTHER };
	MEVENT e;

	if (getmouse(&e) == ERR)
		return k;
	k.x = e.x;
	k.y = e.y;
	if (e.bstate & BUTTON4_PRESSED)
		k.kind = K_WHEEL_UP;
	else if (e.bstate & BUTTON5_PRESSED)
		k.kind = K_WHEEL_DOWN;
	else if (e.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED))
		k.kind = K_CLICK;
	return k;
}

/* up to the closing mark; a terminal that never sends it is not waited for */
static struct key read_paste(void)
{
	struct strbuf sb = STRBUF_INIT;
	int c, waits = 0;

	while (sb.len < 65536) {
		c = getch();
		if (c == CODE_PASTED)
			break;
		if (c == ERR) {
			if (++waits > 10)
				break;
			(void)napms(10);
			continue;
		}
		if (c > 0 && c < 256)
			strbuf_addch(&sb, (char)c);
	}
	return (struct key){ .kind = K_PASTE, .paste = strbuf_detach(&sb) };
}

/* the other bytes of a character of UTF-8 follow at once */
static struct key read_char(int c)
{
	struct key k = { .kind = K_CHAR };
	int n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;

	k.text[0] = (char)c;
	for (int i = 1; i < n; i++) {
		c = getch();
		if (c < 0x80 || c > 0xbf) {
			if (c != ERR)
				(void)ungetch(c);
			k.kind = K_OTHER;
			break;
		}
		k.text[i] = (char)c;
	}
	if (n == 1 && (unsigned char)k.text[0] >= 0x80)
		k.kind = K_OTHER;
	return k;
}

static enum key_kind special(int c)
{
	static const struct {
		int code;
		enum key_kind kind;
	} keys[] = {
		{ KEY_UP, K_UP }, { KEY_DOWN, K_DOWN },
		{ KEY_LEFT, K_LEFT }, { KEY_RIGHT, K_RIGHT },
		{ KEY_HOME, K_HOME }, { KEY_FIND, K_HOME },
		{ KEY_END, K_END }, { KEY_SELECT, K_END },
		{ KEY_PPAGE, K_PGUP }, { KEY_NPAGE, K_PGDN },
		{ KEY_ENTER, K_ENTER }, { KEY_BTAB, K_BACKTAB },
		{ KEY_BACKSPACE, K_BACKSPACE }, { KEY_DC, K_DELETE },
		{ KEY_F(1), K_F1 }, { KEY_HELP, K_F1 },
		{ '\r', K_ENTER }, { '\n', K_ENTER }, { '\t', K_TAB },
		{ 27, K_ESC }, { 8, K_BACKSPACE }, { 127, K_BACKSPACE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].code == c)
			return keys[i].kind;
	return K_NONE;
}

struct key terminal_key(void)
{
	struct key k = { .kind = K_NONE };
	int c = getch();

	if (c == ERR)
		return k;
	if (c == CODE_PASTE)
		return read_paste();
	if (c == KEY_MOUSE)
		return mouse_key();
	k.kind = special(c);
	if (k.kind != K_NONE)
		return k;
	k.kind = K_OTHER;
	if (c >= 256)
		return k;
	if (c < ' ') {
		k.kind = K_CTRL;
		k.text[0] = (char)(c + '@');
		return k;
	}
	return read_char(c);
}
