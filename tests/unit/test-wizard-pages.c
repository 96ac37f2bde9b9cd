/* SPDX-License-Identifier: MIT */
/* Pages that not every walk comes by: answers, sign-offs, other folders. */
#include "store.h"
#include "wizard-world.h"

static void until_signed(struct world *x)
{
	uint64_t since = clock_mono_ns();

	while (offers(x, "sign:dba")) {
		turn(x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

/* a command that waits for "go" is there */
static void until_begun(struct world *x)
{
	uint64_t since = clock_mono_ns();

	while (!there(x->s->fd, "begun")) {
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

/* a backup that fails: the page speaks of it, not of steps, and once */
static void t_backup_fails(void **state)
{
	struct sheet s = { 0 };
	struct world x;
	int said = 0;

	world_init(&x, *state);
	put_file(x.s->fd, "acme.plan",
		 "plan = 1; name = \"acme\"; from = \"1\"; to = \"2\";\n"
		 "stores = { db = \"pg:host=127.0.0.1 dbname=a\"; };\n"
		 "backup: { stores = [\"db\"]; };\n"
		 "steps = ( { id = \"dirs\"; kind = \"mkdir\"; paths = [\"new\"]; } );\n");
	open_wizard(&x, "run");
	act(&x, "start");
	until(&x, PAGE_C20);
	assert_true(says(&x, "0 checks"));
	assert_false(says(&x, "0 checks:"));
	act(&x, "go-on");
	until(&x, PAGE_F60);
	wizard_sheet(x.w, &s);
	assert_string_equal(s.phase, "3 Backup");
	for (size_t i = 0; i < s.n; i++) {
		said += s.items[i].text && strstr(s.items[i].text,
						  "127.0.0.1");
		if (s.items[i].id && !strcmp(s.items[i].id, "retry"))
			assert_string_equal(s.items[i].note,
					    "nothing was changed so far");
	}
	assert_int_equal(said, 1);
	sheet_release(&s);
	act(&x, "stop-here");
	until_quit(&x);
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
	_cleanup_free_ char *dir = NULL, *archive = NULL, *inside = NULL;
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
	assert_true(wizard_act(x.w, "folder", NULL, "/nowhere/at/all") &
		    WIZARD_REFUSED);
	/* in the data: the engine says so, and one may try again */
	inside = xasprintf("%s/data", x.root);
	(void)wizard_act(x.w, "folder", NULL, inside);
	while (!wizard_notice(x.w) || wizard_page(x.w) != PAGE_C25)
		turn(&x);
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
		 ": >../begun; while [ ! -e ../go ]; do sleep 0.1; done\n");
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
	/* that it has begun is in the journal before the command is */
	until_begun(&x);
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

/* a backup that cannot go on before the app is stopped, and somebody stops it */
static void t_stop_backup(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "acme.plan",
		 "plan = 1; name = \"acme\"; from = \"1\"; to = \"2\";\n"
		 "backup: { include = [\"data\"]; };\n"
		 "app: { stop = [\"sh\", \"-c\",\n"
		 "  \": >../begun; while [ ! -e ../go ]; do sleep 0.1; done\"];\n"
		 "  start = [\"true\"]; };\n"
		 "steps = ( { id = \"dirs\"; kind = \"mkdir\"; paths = [\"new\"]; } );\n");
	open_wizard(&x, "run");
	act(&x, "start");
	until(&x, PAGE_C20);
	act(&x, "go-on");
	until(&x, PAGE_B30);
	until_begun(&x);
	act(&x, "stop");
	assert_true(says(&x, "It stops after this step"));
	put_file(x.s->fd, "go", "");
	until_quit(&x);
	assert_false(there(x.s->fd, "root/new"));
	world_end(&x);
}

/* does what "d" opens say so? */
static bool details_say(struct world *x, const char *text)
{
	const char *title;
	const struct strvec *t;

	if (!(act(x, "details") & WIZARD_SHOW_TEXT))
		return false;
	t = wizard_text(x->w, &title);
	for (size_t i = 0; i < t->n; i++)
		if (strstr(t->v[i], text))
			return true;
	for (size_t i = 0; i < t->n; i++)
		print_message("# %s\n", t->v[i]);
	return false;
}

static bool has_line(struct world *x, const char *text)
{
	const struct model *m = wizard_model(x->w);

	for (size_t i = 0; i < m->line_n; i++)
		if (strstr(model_line(m, i)->text, text))
			return true;
	return false;
}

/* steps of the run, in full, from every page that has to cut them */
static void t_details(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "echo a word of mine; exit 3\n");
	to_first_step(&x);
	act(&x, "all");
	until(&x, PAGE_F60);
	assert_true(details_say(&x, "What happened: "));
	assert_true(details_say(&x, "[ ok ]   2  conf"));
	assert_true(details_say(&x, "[FAIL]   3  old"));
	assert_true(details_say(&x, "can be skipped"));
	act(&x, "stop-here");
	until_quit(&x);
	x.seen = 0;
	open_wizard(&x, "resume");
	assert_int_equal(wizard_page(x.w), PAGE_R70);
	assert_true(details_say(&x, "An upgrade was started on "));
	assert_true(details_say(&x, "[FAIL]   3  old"));
	put_file(x.s->fd, "root/step.sh",
		 ": >../begun; while [ ! -e ../go ]; do sleep 0.1; done\n"
		 "echo made > new/made\n");
	act(&x, "continue");
	until_asked(&x, "confirm:old");
	act(&x, "run");
	until_begun(&x);
	until(&x, PAGE_P50);
	assert_true(details_say(&x, "[ >> ]   3  old"));
	assert_true(details_say(&x, "[ ok ]   1  dirs"));
	put_file(x.s->fd, "go", "");
	until(&x, PAGE_D90);
	assert_true(details_say(&x, "[ ok ]   3  old"));
	world_end(&x);
}

/* gone on from because the plan says so; nobody may take it for done */
static void t_failed_and_went_on(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "echo a word of mine; exit 3\n");
	put_file(x.s->fd, "acme.plan",
		 "plan = 1; name = \"acme\"; from = \"1\"; to = \"2\";\n"
		 "steps = ( { id = \"dirs\"; kind = \"mkdir\"; paths = [\"new\"]; },\n"
		 " { id = \"old\"; kind = \"run\"; run = [\"sh\", \"step.sh\"];\n"
		 "   creates = [\"new/made\"]; on_error = \"continue\"; },\n"
		 " { id = \"last\"; kind = \"write\"; path = \"new/b\"; text = \"x\"; } );\n");
	open_wizard(&x, "run");
	act(&x, "start");
	until(&x, PAGE_C20);
	act(&x, "go-on");
	until(&x, PAGE_S40);
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_int_equal(wizard_exit(x.w), 3);
	assert_true(says(&x, "UPGRADE COMPLETE but for 1 step that FAILED: acme."));
	assert_true(says(&x, "2 done, 1 FAILED"));
	assert_true(says(&x, "2 old: 'sh' ended with status 3"));
	assert_true(says(&x, "upshift resume --run-step old"));
	assert_true(details_say(&x, "[FAIL]   2  old"));
	world_end(&x);
}

/* what was refused, in short */
static void t_refused(void **state)
{
	struct world x;

	if (store_check_built("sqlite:b", NULL) < 0)
		skip();
	world_init(&x, *state);
	put_file(x.s->fd, "root/a.jsonl", "{\"id\": 1}\n{\"id\": 2\n{}\n[]\n"
		 "{\"id\": 5}\n");
	put_file(x.s->fd, "acme.plan",
		 "plan = 1; name = \"acme\"; from = \"1\"; to = \"2\";\n"
		 "stores = { a = \"jsonl:a.jsonl\"; b = \"sqlite:b.db\"; };\n"
		 "steps = ( { id = \"make\"; kind = \"sql\"; store = \"b\";\n"
		 "   up = [\"CREATE TABLE t (id INTEGER PRIMARY KEY)\"];\n"
		 "   down = [\"DROP TABLE t\"]; },\n"
		 " { id = \"copy\"; kind = \"copy-records\"; from = \"a\";\n"
		 "   to = \"b:t\"; key = \"id\"; columns = { id = \"id\"; };\n"
		 "   bad_records = \"quarantine\"; } );\n");
	open_wizard(&x, "run");
	act(&x, "start");
	until(&x, PAGE_C20);
	act(&x, "go-on");
	until(&x, PAGE_S40);
	act(&x, "all");
	until(&x, PAGE_D90);
	assert_true(says(&x, "bad-row 23502 t 2, bad-row 22032 t 1"));
	world_end(&x);
}

/* a run that another process made: its log is there, from the first line on */
static void t_log_of_before(void **state)
{
	struct world x;
	uint64_t lines, own;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh",
		 "echo a word of mine; echo made > new/made\n");
	to_first_step(&x);
	act(&x, "all");
	until(&x, PAGE_D90);
	act(&x, "exit");
	/* a look has words of its own, and none of them hides the engine's */
	open_wizard(&x, "rollback");
	assert_int_equal(wizard_page(x.w), PAGE_K80);
	assert_true(has_line(&x, "a word of mine"));
	(void)wizard_act(x.w, "preview", "CP1", NULL);
	until_offered(&x, "confirm");
	act(&x, "confirm");
	(void)wizard_act(x.w, "words", NULL, "roll back to cp1");
	until(&x, PAGE_D90);
	lines = wizard_model(x.w)->line_total;
	act(&x, "verify");
	until(&x, PAGE_D90);
	own = wizard_model(x.w)->line_total - lines;
	act(&x, "continue");
	until_asked(&x, "confirm:conf");
	act(&x, "all");
	until(&x, PAGE_D90);
	lines = wizard_model(x.w)->line_total - own;
	open_wizard(&x, "resume");
	assert_int_equal(wizard_page(x.w), PAGE_D90);
	assert_int_equal(wizard_model(x.w)->line_total, lines);
	world_end(&x);
}

/* whoever opens it then did not break anything off */
static void t_back_to_a_point(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "root/step.sh", "echo made > new/made\n");
	to_first_step(&x);
	act(&x, "all");
	until(&x, PAGE_D90);
	act(&x, "exit");
	open_wizard(&x, "rollback");
	(void)wizard_act(x.w, "preview", "CP1", NULL);
	until_offered(&x, "confirm");
	act(&x, "confirm");
	(void)wizard_act(x.w, "words", NULL, "roll back to cp1");
	until(&x, PAGE_D90);
	act(&x, "exit");
	x.seen = 0;
	open_wizard(&x, "resume");
	assert_int_equal(wizard_page(x.w), PAGE_R70);
	assert_true(says(&x, "It was rolled back to CP1"));
	assert_false(says(&x, "cut short"));
	assert_true(says(&x, "Continue with step 2"));
	world_end(&x);
}

/* what the provider keeps is a way to the start of its own */
static void t_snapshot(void **state)
{
	struct world x;

	world_init(&x, *state);
	put_file(x.s->fd, "acme.plan",
		 "plan = 1; name = \"acme\"; from = \"1\"; to = \"2\";\n"
		 "backup: { snapshot: { create = [\"echo\", \"s-1\"];\n"
		 " restore = [\"sh\", \"-c\", \"touch back-$UPSHIFT_SNAPSHOT_ID\"];\n"
		 " drop = [\"true\"]; }; };\n"
		 "steps = ( { id = \"dirs\"; kind = \"mkdir\"; paths = "
		 "[\"new\"]; } );\n");
	open_wizard(&x, "run");
	act(&x, "start");
	until(&x, PAGE_C20);
	act(&x, "go-on");
	until(&x, PAGE_S40);
	act(&x, "all");
	until(&x, PAGE_D90);
	act(&x, "rollback");
	assert_int_equal(wizard_page(x.w), PAGE_K80);
	assert_true(says(&x, "the provider's snapshot 's-1'"));
	x.seen |= wizard_act(x.w, "preview", "start/snapshot", NULL);
	until_offered(&x, "confirm");
	assert_true(says(&x, "Preview of the rollback to start"));
	assert_true(says(&x, "The provider puts snapshot 's-1' back"));
	/* the other way is not that one */
	act(&x, "other-point");
	x.seen |= wizard_act(x.w, "preview", "start", NULL);
	until_offered(&x, "confirm");
	assert_false(says(&x, "The provider puts snapshot 's-1' back"));
	act(&x, "other-point");
	x.seen |= wizard_act(x.w, "preview", "start/snapshot", NULL);
	until_offered(&x, "confirm");
	act(&x, "confirm");
	(void)wizard_act(x.w, "words", NULL, "roll back to start");
	until(&x, PAGE_D90);
	assert_true(says(&x, "ROLLED BACK to start"));
	assert_true(there(x.s->fd, "root/back-s-1"));
	assert_false(there(x.s->fd, "root/new"));
	/* there is a way back from here, and none by what was put back */
	act(&x, "rollback");
	world_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(t_sign_off),
		with_scratch(t_backup_fails),
		with_scratch(t_answers),
		with_scratch(t_other_folder),
		with_scratch(t_no_way_back),
		with_scratch(t_which_plan),
		with_scratch(t_stop_backup),
		with_scratch(t_details),
		with_scratch(t_refused),
		with_scratch(t_failed_and_went_on),
		with_scratch(t_log_of_before),
		with_scratch(t_back_to_a_point),
		with_scratch(t_snapshot),
	};

	(void)umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
