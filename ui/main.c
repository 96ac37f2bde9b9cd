/* SPDX-License-Identifier: MIT */
/* The composition root: the one file that sees front ends, engine and kinds. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/i18n.h"
#include "command.h"
#include "steps.h"
#include "text.h"

const struct command *const commands[] = {
	&cmd_run,
	&cmd_check,
	&cmd_status,
	&cmd_resume,
	&cmd_rollback,
	&cmd_verify,
	&cmd_retry,
	&cmd_attach,
	&cmd_list,
	&cmd_report,
	&cmd_lint,
	&cmd_explain,
	&cmd_doctor,
	&cmd_new,
	&cmd_forget,
	&cmd_support,
	&cmd_help,
	NULL,
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

/* a data file must never get descriptor 0, 1 or 2 */
static void fill_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

/* what the user set, by the order in which the C library looks */
static const char *wanted_locale(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *v = getenv(names[i]);

		if (v && *v)
			return v;
	}
	return "";
}

/* "de_DE.UTF-8" is not installed on a bare system, and SSH sends it all the
   same: the messages are found by LANGUAGE then */
static void keep_language(const char *locale)
{
	char lang[32];
	const char *v = getenv("LANGUAGE");

	if (v && *v)
		return;
	(void)snprintf(lang, sizeof(lang), "%.*s",
		       (int)strcspn(locale, ".@"), locale);
	if (*lang)
		(void)setenv("LANGUAGE", lang, 1);
}

/* asked for by --lang; in the C locale there are no messages at all */
static void use_language(const char *lang)
{
	const char *now = setlocale(LC_MESSAGES, NULL);

	(void)setenv("LANGUAGE", lang, 1);
	if (now && strcmp(now, "C") != 0 && strcmp(now, "POSIX") != 0)
		return;
	(void)setlocale(LC_MESSAGES, "C.UTF-8");
	(void)setlocale(LC_CTYPE, "C.UTF-8");
}

static void init_locale(void)
{
	/* a program that was moved, or one that is not installed yet */
	const char *dir = getenv("UPSHIFT_LOCALE_DIR");

	if (!setlocale(LC_ALL, "")) {
		(void)setlocale(LC_ALL, "C.UTF-8");
		keep_language(wanted_locale());
	}
	/* numbers in files and on the wire have a point */
	(void)setlocale(LC_NUMERIC, "C");
#ifdef ENABLE_NLS
	(void)bindtextdomain(PACKAGE, dir && *dir ? dir : LOCALEDIR);
	(void)textdomain(PACKAGE);
	/* JSON and the screens take nothing else */
	(void)bind_textdomain_codeset(PACKAGE, "UTF-8");
#endif
}

int main(int argc, char **argv)
{
	struct options o;
	bool done;
	int ret;

	fill_descriptors();
	init_locale();
	(void)umask(077);
	/* a core file would hold answers */
	(void)prctl(PR_SET_DUMPABLE, 0);
	signals_install();
	ret = options_parse(&o, argc, argv, &done);
	if (!ret && !done) {
		if (o.lang)
			use_language(o.lang);
		ret = command_find(o.command)->exec(&o, step_kinds);
	}
	options_release(&o);
	if (out_failed()) {
		(void)fprintf(stderr, "upshift: %s\n",
			_("standard output cannot be written; the exit status "
			  "tells how it ended"));
		/* a failure of its own only where there is no other */
		if (!ret)
			ret = 74;
	}
	return ret;
}
