/* SPDX-License-Identifier: MIT */
/* help, lint */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "help-pages.h"
#include "session.h"
#include "sql-grants.h"
#include "text-width.h"
#include "text.h"

#define COLS 79

struct topic {
	const char *name, *text;
};

static const struct topic topics[] = {
	{ "accessibility", N_(
"--plain, ACCESSIBLE=1 or TERM=dumb give the wizard as lines: one fact a line,\n"
"no cursor movement, no colour, no drawing. Choices have numbers; a line that\n"
"says that the work goes on comes every 30 seconds (--progress-interval). ? is\n"
"help, s the state of the data, l the log, < back, q quit; Enter after each.\n"
"On the screens the cursor stands on what is in focus, and every state is a\n"
"word, never a colour alone. --batch asks nothing; --json is for programs.") },
	{ "backup", N_(
"Before the first step everything that the steps can change is packed, written\n"
"to the disk, read back and compared. It stands below the data, in .upshift, or\n"
"in --backup-dir. `upshift status` names it, `upshift verify --level rigorous`\n"
"compares it. It is kept as long as the plan says, and longer if there is none\n"
"newer. Without this program, too, it can be unpacked:\n"
"tar --zstd --xattrs --xattrs-include='*' --acls -xpf start.tar.zst -C DIR") },
	{ "environment", N_(
"UPSHIFT_STATE_DIR, UPSHIFT_BACKUP_DIR, UPSHIFT_ANSWERS, UPSHIFT_LOG_FILE\n"
"stand for the options of the same name. XDG_STATE_HOME holds the register of\n"
"runs. An option wins over the environment. Secrets are never taken from it.") },
	{ "exit-codes", N_(
"0 done and verified; 1 failed, nothing changed; 2 failed or paused with\n"
"changes, resumable; 3 done with warnings or skips; 4 failed and rolled back;\n"
"5 rollback failed; 6 stopped at a safe point; 7 verification failed;\n"
"8 needs an answer or confirmation; 9 dry run: changes pending.\n"
"Refused before touching anything: 64 usage, 65 bad plan, 66 no such plan,\n"
"run or point, 69 tool missing, 70 bug, 73 cannot create state or backup,\n"
"74 journal, 75 another engine holds the lock, 77 permission, 78 answers.\n"
"An unknown status means failure. `upshift explain NUMBER` says more.") },
	{ "resume", N_(
"Killed at any instant, by any signal or power cut, `upshift resume` finds out\n"
"from the disk what is true and goes on. `upshift status` says where a run\n"
"stands. Nothing has to be cleaned up by hand.") },
	{ "rollback", N_(
"`upshift rollback --preview` shows what would be RESTORED, what is LOST\n"
"(changed by others since; it is saved first) and what is KEPT. Points are\n"
"start, CP1, CP2, ... and, after a rollback, R1: the state before it.") },
	{ "support", N_(
"Support staff ask for three things: the run (four letters and figures, such as\n"
"7K4Q), the code of the screen (top right, such as F60), and the line that\n"
"begins with DATA. `upshift status --short` prints the first two in one line.\n"
"`upshift help F60` says what a screen shows and what its keys do, `upshift\n"
"explain E-4107` what a code means. `upshift support-bundle` writes a file with\n"
"plan, journal and log, without passwords and without your data; it sends\n"
"nothing. See upshift-support(7).") },
};

static void usage_line(const struct command *c)
{
	_cleanup_free_ char *line = xasprintf("  %-14s %s", c->name,
					      _(c->summary));

	(void)out_line(line);
}

static int general(void)
{
	(void)out_line(_("upshift takes a user's data from one version of an "
			 "application to the next."));
	(void)out_line("");
	(void)out_line(_("Usage: upshift [COMMAND] [ARGUMENT] [OPTION]..."));
	for (const struct command *const *c = commands; *c; c++)
		usage_line(*c);
	(void)out_line("");
	(void)out_line(_(
"Options: --root DIR --state-dir DIR --backup-dir DIR --run ID --json --batch\n"
"  -y|--yes --confirm WORDS --answers FILE --write-answers FILE --set NAME=VALUE\n"
"  --vars FILE --skip STEP --stop-after STEP --run-step STEP\n"
"  --strategy backup|incremental|schema|snapshot --no-carry --scenario NAME\n"
"  --on-failure stop|rollback -n|--dry-run --if-needed --progress-interval S\n"
"  --log-file FILE --lang LANG -q|--quiet -v|--verbose -h|--help -V|--version"));
	(void)out_line(_("Topics: accessibility backup environment exit-codes "
			 "resume rollback screens\n  support, or the code of a "
			 "screen. More: upshift help COMMAND, man upshift."));
	return 0;
}

/* code and title of each screen, in the order of the walk */
static int screens(void)
{
	const char *code;

	for (size_t i = 0; (code = help_page_code(i)); i++) {
		_cleanup_free_ char *line = xasprintf("%s  %s", code,
			help_page_title(code));

		(void)out_line(line);
	}
	(void)out_line("");
	(void)out_line(_("`upshift help CODE` says what it shows, what its "
			 "keys do and what is safe."));
	return 0;
}

static bool screen(const char *code)
{
	_cleanup_strvec_ struct strvec paragraphs = STRVEC_INIT;

	if (!help_page(code, &paragraphs))
		return false;
	for (size_t i = 0; i < paragraphs.n; i++) {
		_cleanup_strvec_ struct strvec lines = STRVEC_INIT;

		width_wrap(&lines, paragraphs.v[i], COLS);
		for (size_t j = 0; j < lines.n; j++)
			(void)out_line(lines.v[j]);
	}
	return true;
}

static int exec_help(const struct options *o,
		     const struct step_ops *const *kinds)
{
	const char *words[40];
	const struct command *c;
	struct error err = ERROR_INIT;
	const char *near;
	size_t n = 0;

	(void)kinds;
	if (!o->args.n)
		return general();
	c = command_find(o->args.v[0]);
	if (c) {
		_cleanup_free_ char *line = xasprintf("upshift %s %s\n  %s",
			c->name, c->usage, _(c->summary));

		(void)out_line(line);
		return 0;
	}
	if (!strcmp(o->args.v[0], "screens"))
		return screens();
	if (screen(o->args.v[0]))
		return 0;
	words[n++] = "screens";
	for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
		words[n++] = topics[i].name;
		if (!strcmp(topics[i].name, o->args.v[0])) {
			(void)out_line(_(topics[i].text));
			return 0;
		}
	}
	words[n] = NULL;
	near = nearest_word(o->args.v[0], words);
	(void)error_set(&err, ERR_USAGE, 0, _("there is no help on '%s'"),
			o->args.v[0]);
	error_hint(&err, "upshift help %s", near ? near : "");
	say_error(&err);
	error_release(&err);
	return 64;
}

static int exec_lint(const struct options *o,
		     const struct step_ops *const *kinds)
{
	struct session s;
	int ret;

	session_init(&s, o, kinds);
	ret = session_lint(&s);
	if (!ret)
		session_say_problems(&s, &s.plan->warnings);
	if (!ret && o->grants) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

		sql_grants_plan(s.plan, &text);
		if (text.len) {
			strbuf_set_len(&text, text.len - 1);
			(void)out_line(text.buf);
		}
	} else if (!ret && !o->quiet) {
		_cleanup_free_ char *line = xasprintf(ngettext(
			"%s: no mistake found (%zu step)",
			"%s: no mistake found (%zu steps)",
			(unsigned long)s.plan->step_n), s.plan_path,
			s.plan->step_n);

		(void)out_line(line);
	}
	session_release(&s);
	return ret;
}

const struct command cmd_help = {
	.name = "help",
	.usage = "[COMMAND|TOPIC|CODE]",
	.summary = N_("this, or more on a command, a topic or a screen"),
	.max_args = 1,
	.exec = exec_help,
};

const struct command cmd_lint = {
	.name = "lint",
	.usage = "[--grants] PLAN",
	.summary = N_("find the mistakes of a plan"),
	.flags = COMMAND_PLAN,
	.max_args = 1,
	.exec = exec_lint,
};
