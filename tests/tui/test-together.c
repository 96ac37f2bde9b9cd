/* SPDX-License-Identifier: MIT */
/*
 * Journeys with somebody else: a helper at a second terminal, and people who
 * read the screens in their own language.
 */
#include "journey.h"

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
	/* the key is for this page, not for the one before */
	pty_wait(&x.p, "> [ Run step 2 ]");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(t_helper_watches),
		with_scratch(t_helper_to_the_words),
		with_scratch(t_german),
		with_scratch(t_japanese),
	};

	(void)umask(077);
	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
