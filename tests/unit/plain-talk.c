/* SPDX-License-Identifier: MIT */
#include "plain-talk.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "plain.h"

#define LIMIT_MS 20000

/* --- the child --- */

static void child(struct wizard *w, int in, int out, int acts, int ticks,
		  bool tty)
{
	if (tty) {
		(void)setsid();
		(void)ioctl(in, TIOCSCTTY, 0);
	}
	(void)dup2(in, STDIN_FILENO);
	(void)dup2(out, STDOUT_FILENO);
	w->acts = acts;
	w->events = ticks;
	(void)signal(SIGPIPE, SIG_IGN);
	/* a test that fails must not hang */
	(void)alarm(LIMIT_MS / 1000);
	_exit(plain_run(w));
}

static int open_terminal(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -1;
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	return *slave < 0 ? -1 : master;
}

void talk_open(struct talk *t, struct wizard *w, bool tty)
{
	int in[2], out[2], acts[2], ticks[2];

	memset(t, 0, sizeof(*t));
	strbuf_init(&t->said);
	t->slave = -1;
	if (tty) {
		in[1] = open_terminal(&in[0]);
		if (in[1] < 0)
			skip();
		t->slave = out[1] = in[0];
		out[0] = in[1];
	} else {
		assert_int_equal(pipe2(in, O_CLOEXEC), 0);
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	}
	assert_int_equal(pipe2(acts, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ticks, O_CLOEXEC), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (!t->pid) {
		/* as on a terminal, though a test may run behind nohup */
		(void)signal(SIGINT, SIG_DFL);
		(void)signal(SIGQUIT, SIG_DFL);
		(void)signal(SIGHUP, SIG_DFL);
		close(in[1]);
		close(ticks[1]);
		if (!tty)
			close(out[0]);
		child(w, in[0], out[1], acts[1], ticks[0], tty);
	}
	if (!tty) {
		close(in[0]);
		close(out[1]);
	}
	close(acts[1]);
	close(ticks[0]);
	t->in = in[1];
	t->out = out[0];
	t->acts = acts[0];
	t->ticks = ticks[1];
	fake_wizard_release(w);
}

/* --- the test's side --- */

void type(struct talk *t, const char *s)
{
	assert_int_equal(write(t->in, s, strlen(s)), strlen(s));
}

void tick(struct talk *t)
{
	assert_int_equal(write(t->ticks, "", 1), 1);
}

/* false: the end */
static bool hear(struct talk *t)
{
	struct pollfd p = { .fd = t->out, .events = POLLIN };
	char buf[4096];
	ssize_t n;

	if (poll(&p, 1, LIMIT_MS) <= 0)
		fail_msg("nothing came behind: %s", t->said.buf + t->at);
	n = read(t->out, buf, sizeof(buf));
	if (n <= 0)
		return false;
	strbuf_add(&t->said, buf, (size_t)n);
	return true;
}

void expect(struct talk *t, const char *text)
{
	char *found;

	while (!(found = strstr(t->said.buf + t->at, text)))
		if (!hear(t))
			fail_msg("'%s' was not said: %s", text,
				 t->said.buf + t->at);
	t->at = (size_t)(found - t->said.buf) + strlen(text);
}

void expect_not(const struct talk *t, const char *text)
{
	if (strstr(t->said.buf, text))
		fail_msg("'%s' was said: %s", text, t->said.buf);
}

int finish(struct talk *t)
{
	int status;

	if (t->slave >= 0) {
		assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
		t->pid = 0;
		close(t->slave);
		t->slave = -1;
	}
	while (hear(t))
		;
	if (t->pid)
		assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	t->pid = 0;
	/* append only: no escape, no carriage return but the terminal's own */
	expect_not(t, "\033");
	for (const char *s = t->said.buf; (s = strchr(s, '\r')); s++)
		assert_int_equal(s[1], '\n');
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void acts_are(struct talk *t, const char *wanted)
{
	char buf[4096];
	ssize_t n = fs_read_full(t->acts, buf, sizeof(buf) - 1);

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, wanted);
}

void talk_close(struct talk *t)
{
	if (t->in >= 0)
		close(t->in);
	if (t->out != t->in)
		close(t->out);
	close(t->acts);
	close(t->ticks);
	strbuf_release(&t->said);
}

void end_of_input(struct talk *t)
{
	close(t->in);
	t->in = -1;
}

static void rollback_sheet(struct wizard *w, struct sheet *s)
{
	struct sheet_item *it;

	fake_frame(w, s, w->page == PAGE_K80 ? "choose a point to go back to" :
		   w->page == PAGE_K81 ? "preview of the rollback to CP2" :
		   w->page == PAGE_K82 ? "type the words" : "Rolled back");
	if (w->page == PAGE_K80) {
		it = sheet_row(s, "CP3", MARK_NONE, "CP3",
			       "after step 3 add-columns\tmade 12:04",
			       "checked");
		it->key = '1';
		it = sheet_row(s, "CP2", MARK_NONE, "CP2",
			       "after step 2 export-config   made 11:58",
			       "checked");
		it->key = '2';
		sheet_key(s, SHEET_ENTER, "preview", "Preview");
		s->focus = "CP3";
	} else if (w->page == PAGE_K81) {
		sheet_fact(s, "RESTORED", "database acme, as it was at 11:58");
		sheet_fact(s, "LOST", "31 web-shop orders");
		sheet_fact(s, "LOST", "1 setting");
		sheet_fact(s, "", "keep/1");
		sheet_fact(s, "", "keep/b");
		sheet_choice(s, 0, "go-on", "Go on to confirmation", NULL);
		sheet_choice(s, 0, "cancel", "Cancel", NULL);
		s->focus = "go-on";
	} else if (w->page == PAGE_K82) {
		sheet_text(s, ROLE_STRONG,
			   "Type these words: roll back to CP2");
		sheet_field(s, "words", NULL, NULL, false);
		sheet_key(s, SHEET_ENTER, "rollback", "Start");
		s->typed = true;
		s->focus = "words";
	} else {
		sheet_text(s, ROLE_STRONG, "Rolled back to CP2.");
		sheet_choice(s, 0, "exit", "Exit", NULL);
		s->focus = "exit";
	}
}

static unsigned int rollback_act(struct wizard *w, const char *id,
				 const char *row, const char *value)
{
	if (!strcmp(id, "preview"))
		return fake_go(w, PAGE_K81);
	if (!strcmp(id, "go-on"))
		return fake_go(w, PAGE_K82);
	if (!strcmp(id, "back"))
		return fake_go(w, PAGE_K80);
	if (!strcmp(id, "rollback") && strcmp(value, "roll back to cp2")) {
		w->notice = "these are not the words; nothing happened";
		return WIZARD_REFUSED;
	}
	(void)row;
	return !strcmp(id, "rollback") ? fake_go(w, PAGE_D90) : WIZARD_QUIT;
}

void rollback_wizard(struct wizard *w)
{
	fake_wizard_init(w);
	w->page = PAGE_K80;
	w->sheet = rollback_sheet;
	w->act = rollback_act;
}

static void answer_sheet(struct wizard *w, struct sheet *s)
{
	fake_frame(w, s, "Answers");
	sheet_field(s, "mail", "Admin mail", w->tick ? "a@b" : NULL, false);
	sheet_field(s, "reports", "Keep old reports?", "yes", false);
	sheet_field(s, "password", "Database password",
		    w->secret_given ? "***" : NULL, true);
	sheet_choice(s, 0, "done", "Go on", NULL);
	s->focus = "mail";
}

static unsigned int answer_act(struct wizard *w, const char *id,
			       const char *row, const char *value)
{
	(void)row;
	if (!strcmp(id, "mail") && !strchr(value, '@')) {
		w->notice = "this is no mail address";
		return WIZARD_REFUSED;
	}
	if (!strcmp(id, "mail"))
		w->tick = 1;
	if (!strcmp(id, "password"))
		w->secret_given = true;
	return !strcmp(id, "done") || !strcmp(id, "quit") ? WIZARD_QUIT :
		WIZARD_REDRAW;
}

void answer_wizard(struct wizard *w)
{
	fake_wizard_init(w);
	w->page = PAGE_A15;
	w->sheet = answer_sheet;
	w->act = answer_act;
}
