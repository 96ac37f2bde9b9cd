/* SPDX-License-Identifier: MIT */
#ifndef JOURNEY_H
#define JOURNEY_H
/*
 * journey - a plan of four steps, its data, and the program on a terminal
 *
 * world_init() makes them in the scratch directory, start() opens the screens,
 * to_first_step() goes on until step 1 is asked for; finish() waits until the
 * program has left with a status.
 */
#include "../unit/scratch.h"

#include <poll.h>
#include <signal.h>

#include "base/clock.h"
#include "pty.h"
#include "run.h"

#define ENTER "\r"
#define TAB "\t"
#define DOWN "\033[B"
#define ESC "\033"
/* nobody waits longer; a test that gets here has failed */
#define PATIENCE_S 180

static _unused_ const char plan_text[] =
	"plan = 1; name = \"acme\"; title = \"Acme\"; from = \"1\"; to = \"2\";\n"
	"support = \"Acme, +49 30 5555 123\";\n"
	"backup: { include = [\"data\"]; };\n"
	"checks = ( { id = \"C01\"; kind = \"exists\"; paths = [\"data\"]; } );\n"
	"steps = ( { id = \"dirs\"; kind = \"mkdir\"; paths = [\"new\"]; },\n"
	" { id = \"conf\"; kind = \"write\"; path = \"new/conf\"; text = \"two\\n\"; },\n"
	" { id = \"long\"; kind = \"run\"; run = [\"sh\", \"step.sh\"];\n"
	"   creates = [\"new/made\"]; },\n"
	" { id = \"last\"; kind = \"write\"; path = \"new/last\"; text = \"end\\n\"; } );\n"
	"verify = ( { id = \"V01\"; kind = \"unchanged\"; paths = [\"data\"]; } );\n";

struct world {
	struct scratch *s;
	char *root, *plan;
	struct pty p;
};

/* the third step works until there is a file "go" beside the root */
#define WAITS ": >../begun; while [ ! -e ../go ]; do sleep 0.05; done\n" \
	"echo made > new/made\n"

static _unused_ void world_init(struct world *x, struct scratch *s, const char *step)
{
	memset(x, 0, sizeof(*x));
	x->s = s;
	put_dir(s->fd, "root");
	put_dir(s->fd, "root/data");
	put_file(s->fd, "root/data/a", "one\n");
	put_file(s->fd, "root/step.sh", step);
	put_file(s->fd, "acme.plan", plan_text);
	x->root = xasprintf("%s/root", s->dir);
	x->plan = xasprintf("%s/acme.plan", s->dir);
	assert_int_equal(setenv("XDG_STATE_HOME", s->dir, 1), 0);
}

static _unused_ void world_end(struct world *x)
{
	free(x->root);
	free(x->plan);
}

static _unused_ void start_at(struct world *x, struct pty *p,
			      const char *command, const char *more,
			      const struct pty_setup *how)
{
	const char *argv[8] = { getenv("UPSHIFT"), command };
	struct pty_setup setup = *how;
	int n = 2;

	if (!strcmp(command, "run"))
		argv[n++] = x->plan;
	argv[n++] = "--root";
	argv[n++] = x->root;
	if (more)
		argv[n++] = more;
	setup.argv = argv;
	pty_start(p, "", 80, 24, &setup);
}

static _unused_ void start(struct world *x, const char *command)
{
	static const struct pty_setup usual;

	start_at(x, &x->p, command, NULL, &usual);
}

static _unused_ int ended(struct world *x)
{
	int status = pty_wait_end(&x->p);

	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static _unused_ void finish(struct world *x, int status)
{
	assert_int_equal(ended(x), status);
	pty_release(&x->p);
}

static _unused_ void until_there(struct world *x, const char *name)
{
	uint64_t since = clock_mono_ns();

	while (!there(x->s->fd, name)) {
		(void)poll(NULL, 0, 20);
		pty_drain(&x->p);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

/* nobody holds the lock any more */
static _unused_ void until_free(struct world *x)
{
	uint64_t since = clock_mono_ns();
	bool locked = true;

	while (locked) {
		struct state_dir sd;

		assert_int_equal(state_dir_open(&sd, x->root, NULL, true,
						NULL), 0);
		locked = state_dir_is_locked(&sd, NULL);
		state_dir_release(&sd);
		(void)poll(NULL, 0, 20);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

/* a key that comes while the page is being opened is thrown away */
static _unused_ void quit_d90(struct world *x)
{
	pty_wait(&x->p, "[D90]");
	pty_sync(&x->p);
	pty_keys(&x->p, "q");
}

static _unused_ pid_t engine_pid(struct world *x)
{
	struct lock_holder h;
	struct state_dir sd;

	assert_int_equal(state_dir_open(&sd, x->root, NULL, true, NULL), 0);
	assert_true(state_dir_is_locked(&sd, &h));
	state_dir_release(&sd);
	return (pid_t)h.pid;
}

static _unused_ void to_first_step(struct world *x)
{
	start(x, "run");
	pty_wait(&x->p, "[W10]");
	assert_false(there(x->s->fd, "root/.upshift"));
	pty_wait(&x->p, "> [ Start checks ]");
	pty_keys(&x->p, ENTER);
	pty_wait(&x->p, "> [ Start the backup ]");
	pty_wait(&x->p, "[C20]");
	pty_keys(&x->p, ENTER);
	pty_wait(&x->p, "> [ Run step 1 ]");
	pty_wait(&x->p, "DATA not changed");
	assert_false(there(x->s->fd, "root/new"));
}

static _unused_ void run_all(struct world *x)
{
	pty_keys(&x->p, TAB);
	pty_wait(&x->p, "> [ Run 1-4, all can be undone ]");
	pty_keys(&x->p, ENTER);
}

#endif
