/* SPDX-License-Identifier: MIT */
/*
 * Whole journeys by keys alone: the program as it is installed, a real engine,
 * a terminal that is read cell by cell, and what is on the disk afterwards.
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

static const char plan_text[] =
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

static void world_init(struct world *x, struct scratch *s, const char *step)
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

static void world_end(struct world *x)
{
	free(x->root);
	free(x->plan);
}

static void start_at(struct world *x, struct pty *p, const char *command,
		     const char *more, const struct pty_setup *how)
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

static void start(struct world *x, const char *command)
{
	static const struct pty_setup usual;

	start_at(x, &x->p, command, NULL, &usual);
}

static int ended(struct world *x)
{
	int status = pty_wait_end(&x->p);

	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void finish(struct world *x, int status)
{
	assert_int_equal(ended(x), status);
	pty_release(&x->p);
}

static void until_there(struct world *x, const char *name)
{
	uint64_t since = clock_mono_ns();

	while (!there(x->s->fd, name)) {
		(void)poll(NULL, 0, 20);
		pty_drain(&x->p);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

/* nobody holds the lock any more */
static void until_free(struct world *x)
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
static void quit_d90(struct world *x)
{
	pty_wait(&x->p, "[D90]");
	pty_sync(&x->p);
	pty_keys(&x->p, "q");
}

static pid_t engine_pid(struct world *x)
{
	struct lock_holder h;
	struct state_dir sd;

	assert_int_equal(state_dir_open(&sd, x->root, NULL, true, NULL), 0);
	assert_true(state_dir_is_locked(&sd, &h));
	state_dir_release(&sd);
	return (pid_t)h.pid;
}

static void to_first_step(struct world *x)
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

static void run_all(struct world *x)
{
	pty_keys(&x->p, TAB);
	pty_wait(&x->p, "> [ Run 1-4, all can be undone ]");
	pty_keys(&x->p, ENTER);
}

/* --- journeys --- */

static void t_to_the_end(void **state)
{
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	to_first_step(&x);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 2 ]");
	assert_true(there(x.s->fd, "root/new"));
	assert_false(there(x.s->fd, "root/new/conf"));
	pty_wait(&x.p, "DATA changed by step 1");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 3 ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 4 ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "[D90]");
	pty_wait(&x.p, "UPGRADE COMPLETE: Acme is now 2.");
	assert_true(there(x.s->fd, "root/new/last"));
	pty_keys(&x.p, ENTER);
	assert_int_equal(ended(&x), 0);
	/* on the normal screen, for those who scroll back */
	assert_false(x.p.alt_screen);
	assert_true(pty_has(&x.p, "UPGRADE COMPLETE: Acme is now 2."));
	pty_release(&x.p);
	world_end(&x);
}

/* "Stop here" before the backup: the run is over, not broken off */
static void t_stop_before(void **state)
{
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	start(&x, "run");
	pty_wait(&x.p, "> [ Start checks ]");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Start the backup ]");
	pty_keys(&x.p, TAB TAB);
	pty_wait(&x.p, "> [ Stop here ]");
	pty_keys(&x.p, ENTER);
	assert_int_equal(ended(&x), 6);
	assert_true(pty_has(&x.p, "nothing was changed"));
	pty_release(&x.p);
	start(&x, "run");
	pty_wait(&x.p, "[W10]");
	pty_keys(&x.p, "q");
	finish(&x, 6);
	world_end(&x);
}

static void t_stop_resume(void **state)
{
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	to_first_step(&x);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "> [ Run step 2 ]");
	pty_keys(&x.p, "q");
	pty_wait(&x.p, "Quit");
	pty_keys(&x.p, TAB ENTER);
	finish(&x, 6);
	assert_false(there(x.s->fd, "root/new/conf"));
	start(&x, "resume");
	pty_wait(&x.p, "[R70]");
	pty_wait(&x.p, "Continue with step 2");
	pty_keys(&x.p, "1" ENTER);
	pty_wait(&x.p, "> [ Run step 2 ]");
	pty_keys(&x.p, TAB ENTER);
	quit_d90(&x);
	finish(&x, 0);
	assert_true(there(x.s->fd, "root/new/last"));
	world_end(&x);
}

static void t_fail_retry(void **state)
{
	struct world x;

	world_init(&x, *state, "echo half > new/made; exit 3\n");
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[F60]");
	pty_wait(&x.p, "Step 3 \"long\" FAILED");
	pty_wait(&x.p, "DATA changed by steps 1-2");
	/* the safe one has the focus */
	pty_wait(&x.p, "> 3  Quit, decide later");
	assert_false(there(x.s->fd, "root/new/made"));
	put_file(x.s->fd, "root/step.sh", "echo made > new/made\n");
	pty_keys(&x.p, "1");
	pty_wait(&x.p, "> 1  Retry step 3");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "[D90]");
	pty_keys(&x.p, ENTER);
	finish(&x, 0);
	world_end(&x);
}

static void t_fail_roll_back(void **state)
{
	struct world x;

	world_init(&x, *state, "exit 3\n");
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[F60]");
	pty_keys(&x.p, "2");
	pty_wait(&x.p, "> 2  Roll back...");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "[K80]");
	/* CP2 is where the data stands; CP1 is the first that can be chosen */
	pty_wait(&x.p, "> 1  CP1");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "Preview of the rollback to CP1");
	pty_wait(&x.p, "Go on to confirmation");
	pty_wait(&x.p, "new/conf");
	assert_true(there(x.s->fd, "root/new/conf"));
	/* the focus is on Cancel: one more to the first */
	pty_keys(&x.p, TAB ENTER);
	pty_wait(&x.p, "[K82]");
	pty_keys(&x.p, "roll back to start" ENTER);
	pty_wait(&x.p, "These are not the words");
	assert_true(there(x.s->fd, "root/new/conf"));
	pty_keys(&x.p, "\025Roll  back to cp1" ENTER);
	pty_wait(&x.p, "[D90]");
	pty_wait(&x.p, "ROLLED BACK to CP1");
	assert_true(there(x.s->fd, "root/new"));
	assert_false(there(x.s->fd, "root/new/conf"));
	pty_keys(&x.p, "q");
	finish(&x, 0);
	world_end(&x);
}

static void t_kill_engine(void **state)
{
	struct world x;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	until_there(&x, "begun");
	assert_int_equal(kill(engine_pid(&x), SIGKILL), 0);
	pty_wait(&x.p, "[R70]");
	pty_wait(&x.p, "signal 9");
	pty_wait(&x.p, "[ ?? ] 3 long");
	put_file(x.s->fd, "go", "");
	pty_wait(&x.p, "puts that back, does it again");
	pty_keys(&x.p, "1" ENTER);
	pty_wait(&x.p, "> [ Run step 4 ]");
	assert_true(there(x.s->fd, "root/new/made"));
	pty_keys(&x.p, ENTER);
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

static void t_kill_wizard(void **state)
{
	struct world x;
	pid_t engine;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	engine = engine_pid(&x);
	assert_int_equal(kill(x.p.pid, SIGKILL), 0);
	(void)pty_wait_end(&x.p);
	pty_release(&x.p);
	assert_int_equal(kill(engine, 0), 0);
	/* from another terminal */
	start(&x, "run");
	pty_wait(&x.p, "[P50]");
	pty_wait(&x.p, "[ >> ] 3 long");
	put_file(x.s->fd, "go", "");
	quit_d90(&x);
	finish(&x, 0);
	assert_true(there(x.s->fd, "root/new/last"));
	world_end(&x);
}

static void t_close_terminal(void **state)
{
	struct world x;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	/* the window is closed; "run all" was chosen, so it goes on */
	(void)pty_end(&x.p);
	put_file(x.s->fd, "go", "");
	until_free(&x);
	assert_true(there(x.s->fd, "root/new/last"));
	start(&x, "run");
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

static void t_stopped_wizard(void **state)
{
	struct world x;

	world_init(&x, *state, "yes | head -c 100000\n" WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	assert_int_equal(kill(x.p.pid, SIGSTOP), 0);
	put_file(x.s->fd, "go", "");
	until_free(&x);
	assert_true(there(x.s->fd, "root/new/last"));
	assert_int_equal(kill(x.p.pid, SIGCONT), 0);
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

/* first ^C: the three choices; the one with the focus ends after the step */
static void t_control_c(void **state)
{
	struct world x;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	pty_keys(&x.p, "\003");
	pty_wait(&x.p, "Stop after this step");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "It stops after this step");
	put_file(x.s->fd, "go", "");
	finish(&x, 6);
	assert_true(there(x.s->fd, "root/new/made"));
	assert_false(there(x.s->fd, "root/new/last"));
	world_end(&x);
}

/* support on the phone: status, and a second terminal that only looks */
static void t_helper_watches(void **state)
{
	static const struct pty_setup usual;
	struct world x;
	struct pty second;

	world_init(&x, *state, "echo made > new/made\n");
	to_first_step(&x);
	start_at(&x, &second, "attach", "--read-only", &usual);
	pty_wait(&second, "[S40]");
	pty_wait(&second, "Step 1  dirs");
	pty_wait(&second, "You are watching");
	/* what can be chosen is shown, and not for this one */
	pty_wait(&second, "[ Run step 1 ]");
	assert_false(pty_has(&second, "> [ Run step 1 ]"));
	assert_false(there(x.s->fd, "root/new"));
	pty_keys(&x.p, ENTER);
	pty_wait(&second, "Step 2  conf");
	pty_keys(&second, "q");
	assert_true(WIFEXITED(pty_wait_end(&second)));
	pty_release(&second);
	pty_keys(&x.p, TAB);
	pty_wait(&x.p, "> [ Run 2-4, all can be undone ]");
	pty_keys(&x.p, ENTER);
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

/* and through a failure and the way back, where no engine works at times */
static void t_helper_to_the_words(void **state)
{
	static const struct pty_setup usual;
	struct world x;
	struct pty second;

	world_init(&x, *state, "exit 3\n");
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[F60]");
	start_at(&x, &second, "attach", "--read-only", &usual);
	pty_wait(&second, "[F60]");
	pty_wait(&second, "Roll back...");
	pty_keys(&x.p, "2" ENTER);
	pty_wait(&x.p, "[K80]");
	/* nothing runs: the run as the journal has it */
	pty_wait(&second, "[F60]");
	pty_wait(&second, "DATA changed by steps 1-2");
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "new/conf");
	pty_keys(&x.p, TAB ENTER);
	pty_wait(&x.p, "[K82]");
	pty_keys(&x.p, "roll back to cp1" ENTER);
	pty_wait(&x.p, "[D90]");
	pty_wait(&second, "[D90]");
	pty_wait(&second, "DATA rolled back to CP1");
	pty_keys(&second, "q");
	assert_true(WIFEXITED(pty_wait_end(&second)));
	pty_release(&second);
	pty_keys(&x.p, "q");
	finish(&x, 0);
	world_end(&x);
}

/* a locale that is not installed, as SSH sends it; the catalogue is there */
static void speak(struct world *x, const char *lang)
{
	const char *top = getenv("top_srcdir");
	_cleanup_free_ char *mo = xasprintf("%s/po/%s.gmo", top ? top : ".",
					    lang);
	_cleanup_free_ char *real = realpath(mo, NULL);
	_cleanup_free_ char *dir = xasprintf("%s/locale", x->s->dir);
	_cleanup_free_ char *sub = xasprintf("locale/%s", lang);
	_cleanup_free_ char *messages = xasprintf("%s/LC_MESSAGES", sub);
	_cleanup_free_ char *name = xasprintf("%s/upshift.mo", messages);

	if (!real)
		skip();
	put_dir(x->s->fd, "locale");
	put_dir(x->s->fd, sub);
	put_dir(x->s->fd, messages);
	assert_int_equal(symlinkat(real, x->s->fd, name), 0);
	assert_int_equal(setenv("UPSHIFT_LOCALE_DIR", dir, 1), 0);
}

static void walk_in(void **state, const char *lang, const char *locale,
		    const char *start_text, const char *backup_text,
		    const char *over_text)
{
	struct pty_setup how = { .locale = locale };
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	speak(&x, lang);
	start_at(&x, &x.p, "run", NULL, &how);
	pty_wait(&x.p, "[W10]");
	pty_wait(&x.p, start_text);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, backup_text);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "[S40]");
	pty_keys(&x.p, TAB);
	pty_sync(&x.p);
	pty_keys(&x.p, ENTER);
	pty_wait(&x.p, "[D90]");
	pty_wait(&x.p, over_text);
	pty_sync(&x.p);
	/* letters are the same in all languages */
	pty_keys(&x.p, "q");
	finish(&x, 0);
	assert_int_equal(unsetenv("UPSHIFT_LOCALE_DIR"), 0);
	world_end(&x);
}

static void t_german(void **state)
{
	walk_in(state, "de", "de_DE.UTF-8", "> [ Prüfungen starten ]",
		"> [ Sicherung starten ]", "Acme ist jetzt auf 2.");
}

static void t_japanese(void **state)
{
	walk_in(state, "ja", "ja_JP.UTF-8", "> [ チェックを開始 ]",
		"> [ バックアップを開始 ]", "アップグレード完了: Acme");
}

/* what was typed ahead for one question is no answer to the next */
static void t_type_ahead(void **state)
{
	struct world x;

	world_init(&x, *state, "echo made > new/made\n");
	to_first_step(&x);
	pty_keys(&x.p, ENTER ENTER ENTER ENTER);
	pty_wait(&x.p, "> [ Run step 2 ]");
	pty_sync(&x.p);
	pty_wait(&x.p, "> [ Run step 2 ]");
	assert_false(there(x.s->fd, "root/new/conf"));
	pty_keys(&x.p, "q");
	pty_wait(&x.p, "Quit");
	pty_keys(&x.p, TAB ENTER);
	finish(&x, 6);
	world_end(&x);
}

/* how often it waited for something; the kernel's count */
static unsigned long waits(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/status", (int)pid);
	unsigned long n = 0;
	char line[256];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		(void)sscanf(line, "voluntary_ctxt_switches: %lu", &n);
	(void)fclose(f);
	return n;
}

/* seconds that P50 says the step has been running; -1: it does not say */
static int clock_shown(const struct pty *p)
{
	struct strbuf sb = STRBUF_INIT;
	int min, s, ret = -1;
	const char *at;

	pty_text(p, &sb);
	at = strstr(sb.buf, "running 0");
	if (at && sscanf(at, "running %d:%d", &min, &s) == 2)
		ret = min * 60 + s;
	strbuf_release(&sb);
	return ret;
}

/* a step that says nothing: the clock goes on, and hardly anything else */
static void t_silent_step(void **state)
{
	uint64_t since;
	unsigned long before;
	struct world x;
	size_t bytes;

	world_init(&x, *state, WAITS);
	to_first_step(&x);
	run_all(&x);
	pty_wait(&x.p, "[ >> ] 3 long");
	pty_wait(&x.p, "running 00:0");
	assert_true(pty_sync(&x.p));
	pty_drain(&x.p);
	since = clock_mono_ns();
	before = waits(x.p.pid);
	bytes = x.p.raw.len;
	while (clock_shown(&x.p) < 3) {
		pty_read(&x.p, 100);
		assert_true(clock_since(since) < PATIENCE_S);
	}
	assert_in_range(waits(x.p.pid) - before, 1, clock_since(since) + 2);
	assert_in_range(x.p.raw.len - bytes, 1, 250 * (clock_since(since) + 1));
	put_file(x.s->fd, "go", "");
	quit_d90(&x);
	finish(&x, 0);
	world_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(t_to_the_end),
		with_scratch(t_stop_before),
		with_scratch(t_stop_resume),
		with_scratch(t_fail_retry),
		with_scratch(t_fail_roll_back),
		with_scratch(t_kill_engine),
		with_scratch(t_kill_wizard),
		with_scratch(t_close_terminal),
		with_scratch(t_stopped_wizard),
		with_scratch(t_control_c),
		with_scratch(t_helper_watches),
		with_scratch(t_helper_to_the_words),
		with_scratch(t_german),
		with_scratch(t_japanese),
		with_scratch(t_type_ahead),
		with_scratch(t_silent_step),
	};

	(void)umask(077);
	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
