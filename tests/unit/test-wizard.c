/* SPDX-License-Identifier: MIT */
/*
 * The wizard without a screen: the real engine in its own process, pages as a
 * user would walk them, and what is on the disk afterwards.
 */
#include "scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "base/clock.h"
#include "base/json.h"
#include "run.h"
#include "steps.h"
#include "wizard.h"

/* nobody waits longer for a page; a test that gets here has failed */
#define PATIENCE_S 60

static const char plan_text[] =
	"plan = 1; name = \"acme\"; title = \"Acme\"; from = \"1\"; to = \"2\";\n"
	"backup: { include = [\"data\"]; };\n"
	"checks = ( { id = \"C01\"; kind = \"exists\"; paths = [\"data\"]; },\n"
	" { id = \"C02\"; kind = \"absent\"; paths = [\"new\"]; } );\n"
	"steps = ( { id = \"dirs\"; kind = \"mkdir\"; paths = [\"new\"]; },\n"
	" { id = \"conf\"; kind = \"write\"; path = \"new/conf\"; text = \"two\\n\"; },\n"
	" { id = \"old\"; kind = \"run\"; run = [\"sh\", \"step.sh\"];\n"
	"   creates = [\"new/made\"]; optional = true; } );\n"
	"verify = ( { id = \"V01\"; kind = \"unchanged\"; paths = [\"data\"]; } );\n";

struct world {
	struct scratch *s;
	char *root, *plan;
	struct options o;
	struct wizard *w;
	unsigned int seen;
};

static void world_init(struct world *x, struct scratch *s)
{
	int fd;

	memset(x, 0, sizeof(*x));
	x->s = s;
	put_dir(s->fd, "root");
	put_dir(s->fd, "root/data");
	put_file(s->fd, "root/data/a", "one\n");
	put_file(s->fd, "root/step.sh", "echo made > new/made\n");
	put_file(s->fd, "acme.plan", plan_text);
	fd = openat(s->fd, "state", O_RDONLY);
	assert_true(fd < 0);
	x->root = xasprintf("%s/root", s->dir);
	x->plan = xasprintf("%s/acme.plan", s->dir);
	assert_int_equal(setenv("XDG_STATE_HOME", s->dir, 1), 0);
	x->o.command = "run";
	x->o.root = x->root;
	strvec_push(&x->o.args, x->plan);
}

static void world_end(struct world *x)
{
	wizard_close(x->w);
	strvec_release(&x->o.args);
	free(x->root);
	free(x->plan);
}

static void open_wizard(struct world *x, const char *command)
{
	wizard_close(x->w);
	x->w = NULL;
	x->o.command = command;
	if (strcmp(command, "run") != 0)
		strvec_clear(&x->o.args);
	assert_int_equal(wizard_open(&x->w, &x->o, step_kinds, false), 0);
}

static void turn(struct world *x)
{
	struct pollfd p[WIZARD_FDS];
	size_t n = wizard_poll_fds(x->w, p);
	int ms = wizard_timeout(x->w);
	struct sheet s;

	assert_true(n <= WIZARD_FDS);
	(void)poll(p, n, ms < 0 ? 100 : ms);
	x->seen |= wizard_io(x->w);
	/* every page must be drawable at every moment */
	sheet_init(&s);
	wizard_sheet(x->w, &s);
	assert_string_equal(s.code, page_code(wizard_page(x->w)));
	assert_non_null(s.safety);
	assert_non_null(s.status);
	sheet_release(&s);
}

static void until(struct world *x, enum page page)
{
	uint64_t since = clock_mono_ns();

	while (wizard_page(x->w) != page ||
	       (page == PAGE_C20 && !wizard_model(x->w)->ask.id)) {
		turn(x);
		if (clock_since(since) > PATIENCE_S)
			fail_msg("on %s, not %s: %s",
				 page_code(wizard_page(x->w)),
				 page_code(page), wizard_notice(x->w));
	}
}

static void until_quit(struct world *x)
{
	uint64_t since = clock_mono_ns();

	while (!(x->seen & WIZARD_QUIT)) {
		turn(x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

/* the question that is open now is another than the one before */
static void until_asked(struct world *x, const char *id)
{
	uint64_t since = clock_mono_ns();

	while (!wizard_model(x->w)->ask.id ||
	       strcmp(wizard_model(x->w)->ask.id, id) != 0) {
		turn(x);
		if (clock_since(since) > PATIENCE_S)
			fail_msg("asked %s, not %s",
				 wizard_model(x->w)->ask.id, id);
	}
}

static unsigned int act(struct world *x, const char *id)
{
	unsigned int r = wizard_act(x->w, id, NULL, NULL);

	x->seen |= r;
	return r;
}

/* does the page say so? */
static bool says(struct world *x, const char *text)
{
	bool found = false;
	struct sheet s;

	sheet_init(&s);
	wizard_sheet(x->w, &s);
	for (size_t i = 0; i < s.n; i++) {
		const char *const t[] = { s.items[i].label, s.items[i].text,
					  s.items[i].note };

		for (size_t k = 0; k < ARRAY_SIZE(t); k++)
			found |= t[k] && strstr(t[k], text);
	}
	found |= strstr(s.safety, text) || strstr(s.status, text);
	sheet_release(&s);
	return found;
}

static bool offers(struct world *x, const char *id)
{
	const struct sheet_item *it;
	struct sheet s;
	bool ret;

	sheet_init(&s);
	wizard_sheet(x->w, &s);
	it = sheet_find(&s, id);
	ret = it && it->enabled;
	sheet_release(&s);
	return ret;
}

static void until_offered(struct world *x, const char *id)
{
	uint64_t since = clock_mono_ns();

	while (!offers(x, id)) {
		turn(x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

static int system_in(struct world *x, const char *command)
{
	_cleanup_free_ char *line = xasprintf("cd '%s' && %s", x->s->dir,
					      command);

	return system(line);
}

/* --- journeys --- */

static void to_first_step(struct world *x)
{
	open_wizard(x, "run");
	assert_int_equal(wizard_page(x->w), PAGE_W10);
	assert_false(there(x->s->fd, "root/.upshift"));
	act(x, "start");
	until(x, PAGE_C20);
	assert_true(says(x, "2 checks: 2 ok"));
	assert_true(says(x, "DATA not changed"));
	assert_false(there(x->s->fd, "root/new"));
	act(x, "go-on");
	until(x, PAGE_S40);
	assert_string_equal(wizard_model(x->w)->ask.id, "confirm:dirs");
	assert_true(says(x, "BACKUP verified"));
	assert_false(there(x->s->fd, "root/new"));
}

static void t_to_the_end_and_back(void **state)
{
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	act(&x, "run");
	until_asked(&x, "confirm:conf");
	assert_true(there(x.s->fd, "root/new"));
	assert_false(there(x.s->fd, "root/new/conf"));
	assert_true(says(&x, "changed by step 1"));
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new/made"));
	assert_true(says(&x, "UPGRADE COMPLETE: Acme is now 2."));
	assert_int_equal(wizard_exit(x.w), 0);
	/* back again, through the words */
	act(&x, "rollback");
	assert_int_equal(wizard_page(x.w), PAGE_K80);
	x.seen |= wizard_act(x.w, "preview", "start", NULL);
	until(&x, PAGE_K81);
	until_offered(&x, "confirm");
	assert_true(says(&x, "RESTORED"));
	act(&x, "confirm");
	assert_int_equal(wizard_page(x.w), PAGE_K82);
	assert_true(wizard_act(x.w, "words", NULL, "roll back to CP1") &
		    WIZARD_REFUSED);
	assert_true(there(x.s->fd, "root/new/made"));
	(void)wizard_act(x.w, "words", NULL, " Roll  BACK to start ");
	until(&x, PAGE_D90);
	assert_true(says(&x, "ROLLED BACK to start"));
	assert_false(there(x.s->fd, "root/new"));
	assert_int_equal(wizard_exit(x.w), 0);
	world_end(&x);
}

static void t_stop_and_resume(void **state)
{
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	act(&x, "run");
	until_asked(&x, "confirm:conf");
	act(&x, "stop-here");
	until_quit(&x);
	assert_int_equal(wizard_exit(x.w), 6);
	x.seen = 0;
	open_wizard(&x, "resume");
	assert_int_equal(wizard_page(x.w), PAGE_R70);
	assert_true(says(&x, "Continue with step 2"));
	assert_true(says(&x, "changed by step 1"));
	act(&x, "continue");
	until_asked(&x, "confirm:conf");
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new/made"));
	world_end(&x);
}

static void t_fail_retry_skip(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "echo half > new/made; exit 3\n");
	to_first_step(&x);
	act(&x, "all");
	until(&x, PAGE_F60);
	assert_true(says(&x, "Step 3 \"old\" FAILED"));
	assert_true(offers(&x, "retry"));
	assert_true(offers(&x, "skip"));
	/* what the step left is gone before anybody is asked */
	assert_false(there(x.s->fd, "root/new/made"));
	act(&x, "retry");
	until_asked(&x, "failed:old");
	put_file(x.s->fd, "root/step.sh", "echo made > new/made\n");
	act(&x, "retry");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new/made"));
	world_end(&x);
}

static void t_fail_roll_back(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "exit 3\n");
	to_first_step(&x);
	act(&x, "all");
	until(&x, PAGE_F60);
	act(&x, "rollback");
	until(&x, PAGE_K80);
	x.seen |= wizard_act(x.w, "preview", "CP1", NULL);
	until_offered(&x, "confirm");
	act(&x, "confirm");
	(void)wizard_act(x.w, "words", NULL, "roll back to cp1");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new"));
	assert_false(there(x.s->fd, "root/new/conf"));
	world_end(&x);
}

static void t_check_fails(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_dir(x.s->fd, "root/new");
	open_wizard(&x, "run");
	act(&x, "start");
	until(&x, PAGE_C20);
	assert_true(says(&x, "1 FAILED"));
	assert_false(offers(&x, "go-on"));
	assert_true(act(&x, "go-on") & WIZARD_REFUSED);
	assert_int_equal(unlinkat(x.s->fd, "root/new", AT_REMOVEDIR), 0);
	act(&x, "retry");
	until_offered(&x, "go-on");
	act(&x, "quit");
	until_quit(&x);
	assert_int_equal(wizard_exit(x.w), 6);
	assert_false(there(x.s->fd, "root/new"));
	world_end(&x);
}

/* the wizard goes without a word; the engine pauses and another wizard is
   where the first one was */
static void t_killed_wizard(void **state)
{
	struct world x;
	enum page p;

	world_init(&x, *state);
	to_first_step(&x);
	act(&x, "run");
	until_asked(&x, "confirm:conf");
	open_wizard(&x, "resume");
	/* beside the engine that still waits */
	until_asked(&x, "confirm:conf");
	p = wizard_page(x.w);
	assert_int_equal(p, PAGE_S40);
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_true(there(x.s->fd, "root/new/made"));
	world_end(&x);
}

static void t_two_controllers(void **state)
{
	_cleanup_free_ char *pid = xasprintf("process %d", (int)getpid());
	struct wizard *second = NULL, *first;
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	x.o.command = "attach";
	strvec_clear(&x.o.args);
	assert_int_equal(wizard_open(&second, &x.o, step_kinds, false), 0);
	first = x.w;
	x.w = second;
	until(&x, PAGE_S40);
	/* and who it is that has the control */
	assert_true(says(&x, "You are watching: "));
	assert_true(says(&x, pid));
	x.w = first;
	assert_true(wizard_act(second, "run", NULL, NULL) & WIZARD_REFUSED);
	assert_false(there(x.s->fd, "root/new"));
	wizard_close(second);
	act(&x, "all");
	until(&x, PAGE_D90);
	world_end(&x);
}

/* an engine that dies leaves a run that says where it stands */
static void t_killed_engine(void **state)
{
	struct lock_holder h;
	struct state_dir sd;
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	assert_int_equal(state_dir_open(&sd, x.root, NULL, true, NULL), 0);
	assert_true(state_dir_is_locked(&sd, &h));
	assert_int_equal(kill((pid_t)h.pid, SIGKILL), 0);
	state_dir_release(&sd);
	until(&x, PAGE_R70);
	assert_true(says(&x, "signal 9"));
	assert_true(says(&x, "DATA not changed"));
	act(&x, "continue");
	until_asked(&x, "confirm:dirs");
	act(&x, "all");
	until(&x, PAGE_D90);
	world_end(&x);
}

static void t_verify_again(void **state)
{
	struct world x;

	world_init(&x, *state);
	to_first_step(&x);
	act(&x, "all");
	until(&x, PAGE_D90);
	act(&x, "verify");
	assert_int_equal(wizard_page(x.w), PAGE_P50);
	until(&x, PAGE_D90);
	assert_true(says(&x, "Verified"));
	put_file(x.s->fd, "root/new/conf", "other\n");
	act(&x, "verify");
	until(&x, PAGE_D90);
	assert_true(says(&x, "not as this run left it"));
	world_end(&x);
}

/* stopped for a while: the engine does not wait, and is found again */
static void t_deaf_for_a_while(void **state)
{
	_cleanup_free_ char *log = NULL;
	uint64_t since = clock_mono_ns();
	struct stat st = { 0 };
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "yes | head -c 100000\n"
		 "while [ ! -e ../go ]; do sleep 0.1; done\n"
		 "echo made > new/made\n");
	to_first_step(&x);
	act(&x, "all");
	log = xasprintf("root/.upshift/runs/%s/log.jsonl",
			wizard_model(x.w)->run);
	/* far more than the engine keeps for one who does not listen */
	while (st.st_size < 4000000) {
		(void)poll(NULL, 0, 20);
		(void)fstatat(x.s->fd, log, &st, 0);
		assert_true(clock_since(since) < PATIENCE_S);
	}
	/* all of it, though the line was cut in the middle */
	while (wizard_model(x.w)->line_total < 40000) {
		turn(&x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
	assert_int_equal(wizard_page(x.w), PAGE_P50);
	assert_true(says(&x, "3 old"));
	put_file(x.s->fd, "go", "");
	until(&x, PAGE_D90);
	assert_int_equal(wizard_exit(x.w), 0);
	world_end(&x);
}

static const struct sheet_item *bar_of(const struct sheet *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].type == SHEET_BAR && s->items[i].text &&
		    !strcmp(s->items[i].text, text))
			return &s->items[i];
	return NULL;
}

/* workers that report on their own have a bar each */
static void t_parts(void **state)
{
	uint64_t since = clock_mono_ns();
	const struct model_progress *p;
	struct world x;
	struct sheet s;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "for i in 1 2 3 4 5; do\n"
		 "echo \"@progress $i/10 rows orders\" >&3\n"
		 "echo \"@progress $i/5 lines lines\" >&3; sleep 0.3; done\n"
		 "while [ ! -e ../go ]; do sleep 0.3\n"
		 "echo \"@progress 5/10 rows orders\" >&3; done\n"
		 "echo made > new/made\n");
	to_first_step(&x);
	act(&x, "all");
	p = &wizard_model(x.w)->progress;
	while (p->part_n < 2 || p->parts[0].percent != 50 ||
	       p->parts[1].percent != 100) {
		turn(&x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
	sheet_init(&s);
	wizard_sheet(x.w, &s);
	assert_int_equal(bar_of(&s, "orders")->percent, 50);
	assert_int_equal(bar_of(&s, "lines")->percent, 100);
	sheet_release(&s);
	/* 5 + 5 of 10 + 5 */
	assert_int_equal(p->percent, 66);
	put_file(x.s->fd, "go", "");
	until(&x, PAGE_D90);
	world_end(&x);
}

static void until_signed(struct world *x)
{
	uint64_t since = clock_mono_ns();

	while (offers(x, "sign:dba")) {
		turn(x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

/* every role signs, over days if need be */
static void t_sign_off(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "acme.plan",
		 "plan = 1; name = \"acme\"; from = \"1\"; to = \"2\";\n"
		 "steps = ( { id = \"dirs\"; kind = \"mkdir\"; paths = [\"new\"]; },\n"
		 " { id = \"seen\"; kind = \"confirm\"; roles = [\"dba\", \"owner\"];\n"
		 "   items = [\"the numbers agree\", \"no alarms\"]; } );\n");
	open_wizard(&x, "run");
	act(&x, "start");
	until(&x, PAGE_C20);
	act(&x, "go-on");
	until(&x, PAGE_S40);
	act(&x, "run");
	until(&x, PAGE_S42);
	assert_true(says(&x, "[ ] the numbers agree"));
	(void)wizard_act(x.w, "name:dba", NULL, "Ann");
	assert_true(act(&x, "sign:dba") & WIZARD_REFUSED);
	act(&x, "tick:0");
	act(&x, "tick:1");
	assert_true(says(&x, "[x] no alarms"));
	act(&x, "sign:dba");
	until_signed(&x);
	assert_true(says(&x, "Ann"));
	act(&x, "stop-here");
	until_quit(&x);
	x.seen = 0;
	open_wizard(&x, "resume");
	act(&x, "continue");
	until(&x, PAGE_S42);
	assert_true(says(&x, "Ann"));
	(void)wizard_act(x.w, "name:owner", NULL, "Bob");
	act(&x, "tick:0");
	act(&x, "tick:1");
	act(&x, "sign:owner");
	until(&x, PAGE_D90);
	assert_int_equal(wizard_exit(x.w), 0);
	world_end(&x);
}

static void t_answers(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "acme.plan",
		 "plan = 1; name = \"acme\"; from = \"1\"; to = \"2\";\n"
		 "answers = ( { id = \"mail\"; prompt = \"Admin mail\";\n"
		 "   pattern = \"^[^@]+@[^@]+$\"; },\n"
		 " { id = \"pass\"; prompt = \"Password\"; secret = true; } );\n"
		 "steps = ( { id = \"conf\"; kind = \"write\"; path = \"conf\";\n"
		 "   text = \"${mail} ${pass}\"; secret = true; } );\n");
	open_wizard(&x, "run");
	/* nothing begins before they are given */
	act(&x, "start");
	assert_int_equal(wizard_page(x.w), PAGE_A15);
	assert_true(wizard_act(x.w, "answer:mail", NULL, "nobody") &
		    WIZARD_REFUSED);
	(void)wizard_act(x.w, "answer:mail", NULL, "a@b");
	assert_true(act(&x, "answered") & WIZARD_REFUSED);
	(void)wizard_act(x.w, "answer:pass", NULL, "hunter2");
	act(&x, "answered");
	assert_int_equal(wizard_page(x.w), PAGE_W10);
	act(&x, "start");
	until(&x, PAGE_C20);
	act(&x, "go-on");
	until(&x, PAGE_S40);
	assert_false(says(&x, "hunter2"));
	act(&x, "stop-here");
	until_quit(&x);
	/* it is nowhere on the disk, and asked for again */
	assert_int_equal(system_in(&x, "! grep -r hunter2 root"), 0);
	x.seen = 0;
	open_wizard(&x, "resume");
	act(&x, "continue");
	assert_int_equal(wizard_page(x.w), PAGE_A15);
	(void)wizard_act(x.w, "answer:pass", NULL, "hunter2");
	act(&x, "answered");
	act(&x, "continue");
	until(&x, PAGE_S40);
	act(&x, "run");
	until(&x, PAGE_D90);
	assert_int_equal(system_in(&x, "grep -q 'a@b hunter2' root/conf"), 0);
	world_end(&x);
}

static void t_other_folder(void **state)
{
	_cleanup_free_ char *dir = NULL, *archive = NULL;
	struct world x;

	world_init(&x, *state);
	put_dir(x.s->fd, "elsewhere");
	dir = xasprintf("%s/elsewhere", x.s->dir);
	open_wizard(&x, "run");
	act(&x, "start");
	until(&x, PAGE_C20);
	act(&x, "other-folder");
	assert_int_equal(wizard_page(x.w), PAGE_C25);
	assert_true(wizard_act(x.w, "folder", NULL, "here") & WIZARD_REFUSED);
	(void)wizard_act(x.w, "folder", NULL, dir);
	until_offered(&x, "go-on");
	act(&x, "go-on");
	until(&x, PAGE_S40);
	archive = xasprintf("elsewhere/%s/start.tar.zst",
			    wizard_model(x.w)->run);
	assert_true(there(x.s->fd, archive));
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_true(says(&x, dir));
	world_end(&x);
}

/* a step that nobody can judge or bring back: typed words, and a question */
static void t_no_way_back(void **state)
{
	struct lock_holder h;
	struct state_dir sd;
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "acme.plan",
		 "plan = 1; name = \"acme\"; from = \"1\"; to = \"2\";\n"
		 "steps = ( { id = \"send-mails\"; kind = \"run\";\n"
		 "   run = [\"sh\", \"step.sh\"]; } );\n");
	put_file(x.s->fd, "root/step.sh",
		 "while [ ! -e ../go ]; do sleep 0.1; done\n");
	open_wizard(&x, "run");
	assert_true(says(&x, "No way back"));
	act(&x, "start");
	until(&x, PAGE_C20);
	act(&x, "go-on");
	until(&x, PAGE_S40);
	act(&x, "run");
	assert_int_equal(wizard_page(x.w), PAGE_S45);
	assert_true(wizard_act(x.w, "words", NULL, "yes") & WIZARD_REFUSED);
	act(&x, "back");
	assert_int_equal(wizard_page(x.w), PAGE_S40);
	act(&x, "run");
	(void)wizard_act(x.w, "words", NULL, "send mails");
	until(&x, PAGE_P50);
	while (wizard_model(x.w)->step_at < 0 ||
	       !wizard_model(x.w)->steps[0].running)
		turn(&x);
	assert_int_equal(state_dir_open(&sd, x.root, NULL, true, NULL), 0);
	assert_true(state_dir_is_locked(&sd, &h));
	assert_int_equal(kill((pid_t)h.pid, SIGKILL), 0);
	state_dir_release(&sd);
	put_file(x.s->fd, "go", "");
	until(&x, PAGE_R70);
	assert_true(says(&x, "UNDO NOT possible"));
	act(&x, "continue");
	until(&x, PAGE_F60);
	assert_true(says(&x, "nobody can tell"));
	act(&x, "applied");
	until(&x, PAGE_D90);
	world_end(&x);
}

static void t_which_plan(void **state)
{
	char cwd[4096];
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "other.plan", "plan = 1; nonsense");
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(fchdir(x.s->fd), 0);
	strvec_clear(&x.o.args);
	open_wizard(&x, "run");
	assert_int_equal(wizard_page(x.w), PAGE_W05);
	/* one that cannot be used says why, and one may choose again */
	assert_true(act(&x, "other.plan") & WIZARD_SHOW_TEXT);
	assert_int_equal(wizard_page(x.w), PAGE_W05);
	act(&x, "acme.plan");
	assert_int_equal(wizard_page(x.w), PAGE_W10);
	assert_int_equal(chdir(cwd), 0);
	world_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(t_to_the_end_and_back),
		with_scratch(t_stop_and_resume),
		with_scratch(t_fail_retry_skip),
		with_scratch(t_fail_roll_back),
		with_scratch(t_check_fails),
		with_scratch(t_killed_wizard),
		with_scratch(t_two_controllers),
		with_scratch(t_killed_engine),
		with_scratch(t_verify_again),
		with_scratch(t_deaf_for_a_while),
		with_scratch(t_parts),
		with_scratch(t_sign_off),
		with_scratch(t_answers),
		with_scratch(t_other_folder),
		with_scratch(t_no_way_back),
		with_scratch(t_which_plan),
	};

	(void)umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
