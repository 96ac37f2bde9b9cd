/* SPDX-License-Identifier: MIT */
/* What each code means, what is safe, what to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "command.h"
#include "text.h"

/* a switch without default: a code without a text does not compile */
static const char *meaning(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
	case ERR_COUNT:
		break;
	case ERR_USAGE:
		return N_("The command line is wrong. Nothing was touched. "
			"`upshift help` lists commands and options.");
	case ERR_PLAN:
	case ERR_PLAN_VALUE:
		return N_("The plan has a mistake. Nothing was touched. Each "
			"mistake is named with its line; `upshift lint PLAN` "
			"shows them again. Tell the plan's author.");
	case ERR_PLAN_SYNTAX:
		return N_("The plan is not in libconfig syntax. Nothing was "
			"touched. The line named is where reading stopped.");
	case ERR_PLAN_CONFLICT:
		return N_("Two steps of the plan write the same path without "
			"an order. Nothing was touched. The author adds "
			"`needs`.");
	case ERR_PLAN_CHANGED:
		return N_("The plan's copy in the run directory is not what "
			"was recorded when the run began. Nothing was "
			"touched. Restore the state directory, or call "
			"support.");
	case ERR_NO_PLAN:
		return N_("There is no such plan file. Nothing was touched.");
	case ERR_NO_RUN:
		return N_("There is no such run, or none that is open. Name "
			"the data by --root DIR; `upshift list` shows runs.");
	case ERR_NO_POINT:
		return N_("The run has no such checkpoint. `upshift list` "
			"shows the points one can go back to.");
	case ERR_NO_FILE:
		return N_("The file that was named is not there, or is none "
			"that could be read (a directory, a device). Nothing "
			"was touched.");
	case ERR_RUN_OPEN:
		return N_("A run on this data is not finished. Nothing was "
			"touched now. Resume it, or roll it back.");
	case ERR_RUN_ELSEWHERE:
		return N_("A run of the same plan, of another host or other "
			"data, is not finished in a database that this one "
			"would write to. Nothing was touched there. Resume it "
			"or roll it back where it began. If that can never "
			"be, take its place with --take-over RUN: what it "
			"had done stays as it is.");
	case ERR_ANSWERS:
		return N_("The answers or variables file has a mistake, or "
			"may be read by others though it holds a secret. "
			"Nothing was touched.");
	case ERR_NEED_ANSWER:
		return N_("A run without a person in front of it lacks "
			"something. Nothing was changed. All that is missing "
			"is listed.");
	case ERR_SECRET_ARGUMENT:
		return N_("A secret was given as an argument, where every "
			"user of the machine can read it. Nothing was "
			"touched. Put it into an answers file with mode 0600, "
			"and change the secret.");
	case ERR_CHECK:
		return N_("A check of the plan failed. Nothing was changed. "
			"Fix what it names and run again.");
	case ERR_SPACE:
		return N_("There is not enough room for backup and steps. "
			"Nothing was changed. Make room, or choose another "
			"place with --backup-dir.");
	case ERR_JSON:
		return N_("A document is not valid JSON; file, line and "
			"column are named. Nothing was changed.");
	case ERR_TOOL:
		return N_("A program that the plan runs is not there or "
			"cannot be executed.");
	case ERR_PERMISSION:
		return N_("The user may not do this. Nothing was touched.");
	case ERR_OWNER:
		return N_("The data belongs to another user. Nothing was "
			"touched. Run as the owner; the line is printed.");
	case ERR_LINK_OUTSIDE:
		return N_("A file has a further name (hard link) outside the "
			"data, or lies where the backup would not hold it. "
			"Nothing was changed.");
	case ERR_MOUNT:
		return N_("A directory of the data is a symlink or on another "
			"file system, so that the backup would not hold it. "
			"Nothing was changed. The plan can allow it with "
			"allow_paths.");
	case ERR_UNSUPPORTED:
		return N_("What is needed cannot be done here: by the file "
			"system, by the way to a server, or for want of a "
			"library. Nothing was changed.");
	case ERR_APP:
		return N_("The application could not be stopped or started. "
			"No step was applied because of this. Stop it by "
			"hand and resume.");
	case ERR_BACKUP:
		return N_("The backup could not be made. Nothing was changed; "
			"what was written of it was removed.");
	case ERR_BACKUP_CHANGED:
		return N_("A file changes while it is read, so no true copy "
			"can be made. Nothing was changed. Stop the program "
			"that writes it, or let the plan name it in `live`.");
	case ERR_BACKUP_DAMAGED:
		return N_("The backup is not what was written: a disk fault, "
			"or somebody changed it. Nothing was changed by the "
			"command that says so. Keep the data as it is and "
			"call support.");
	case ERR_BACKUP_FIDELITY:
		return N_("Something about a file cannot be kept in the "
			"backup. Nothing was changed.");
	case ERR_BACKUP_DIR:
		return N_("The backup directory cannot be made or used. "
			"Nothing was changed.");
	case ERR_STEP:
		return N_("A step failed. Steps before it are complete, the "
			"backup is verified. What was half done was put back "
			"or will be first of all. Fix the cause, then `upshift "
			"resume`; or `upshift rollback`.");
	case ERR_STEP_EXISTS:
		return N_("Something is where the step would write, and it is "
			"not what the step would write. It was not touched. "
			"Move it away, then resume.");
	case ERR_STEP_MISSING:
		return N_("What the step works on is not there. Nothing was "
			"changed by the step.");
	case ERR_STEP_COMMAND:
		return N_("A command of a step ended with a failure. Its last "
			"output is in the log. Fix the cause, then resume.");
	case ERR_STEP_TIMEOUT:
		return N_("A command took longer than the plan allows and was "
			"ended with all its children.");
	case ERR_STEP_UNDECLARED:
		return N_("A command changed files that its step does not "
			"declare. They are in the backup and come back with "
			"a rollback. Tell the plan's author.");
	case ERR_STEP_UNKNOWN:
		return N_("A step was cut short and nothing can tell whether "
			"it was applied. A person has to say: `upshift "
			"resume` on a terminal asks.");
	case ERR_STEP_VERIFY:
		return N_("A step ended without error, but what it should "
			"have done is not there.");
	case ERR_STEP_CHILD:
		return N_("A command of an earlier, interrupted run is still "
			"going on and could not be ended. Nothing was done "
			"beside it. End it, then resume.");
	case ERR_STORE:
		return N_("A database, or a file of records, refused something "
			"or could not be reached. The message has its own "
			"words. What was not committed is not there; set it "
			"right, then resume.");
	case ERR_NO_SPACE:
		return N_("The disk is full. Nothing is lost: each file is "
			"old or new, and the journal has room of its own. "
			"Make room, then `upshift resume`.");
	case ERR_CANCELLED:
		return N_("It was stopped as asked for. `upshift resume` goes "
			"on, `upshift rollback` goes back.");
	case ERR_VERIFY:
		return N_("All steps are applied, but a verification failed. "
			"The backup is verified. Look at what it names; then "
			"`upshift resume` verifies again, `upshift rollback` "
			"goes back.");
	case ERR_ROLLBACK:
		return N_("Going back failed. Each file is old or new, none "
			"is mixed; what was displaced is kept beside the "
			"backup. `upshift resume` goes on with the rollback.");
	case ERR_ROLLBACK_SPACE:
		return N_("There is not enough room to go back. Nothing was "
			"changed by the rollback. Make room and try again.");
	case ERR_ROLLBACK_VERIFY:
		return N_("The data is back, but a verification of the plan "
			"failed afterwards. Call support.");
	case ERR_NO_WAY_BACK:
		return N_("A step in between cannot be undone, so this point "
			"cannot be reached. Points behind it can.");
	case ERR_CONFIRM:
		return N_("A confirmation is missing or its words do not "
			"match. Nothing was changed.");
	case ERR_BREACH:
		return N_("A figure that the plan watches broke its limit. "
			"The message says which one, and when.");
	case ERR_WINDOW:
		return N_("The plan lets this step begin at certain hours, or "
			"after a time, alone. Resume then, or from a timer.");
	case ERR_CARRY:
		return N_("A row that was written to a new table since the "
			"cutover cannot be carried back into the old one. The "
			"message says which, and why; the new tables have it. "
			"Mend it there, then `upshift resume`; or go back "
			"without it: `upshift rollback --no-carry`.");
	case ERR_STATE:
		return N_("The state directory (.upshift) cannot be made or "
			"read. Nothing was changed.");
	case ERR_BUNDLE:
		return N_("The support bundle cannot be written or read. It "
			"is a file of its own: name another place, as in "
			"upshift support-bundle /tmp/FILE. The run is not "
			"affected.");
	case ERR_STATE_UNSAFE:
		return N_("The state directory belongs to somebody else or is "
			"open to others, so it cannot be trusted. Nothing was "
			"touched.");
	case ERR_JOURNAL:
		return N_("The journal could not be written. Nothing was "
			"changed after that. State as of the last record.");
	case ERR_JOURNAL_DAMAGED:
		return N_("A record of the journal is not what was written. "
			"Nothing was touched. The backup named is still good; "
			"call support.");
	case ERR_JOURNAL_TRUNCATED:
		return N_("Records at the end of the journal are missing. "
			"Nothing was touched. Call support.");
	case ERR_JOURNAL_FORMAT:
		return N_("The journal was written by a newer upshift. Use "
			"that version.");
	case ERR_LOCKED:
		return N_("Another engine works on this data. The kernel "
			"holds its lock, so it is alive. `upshift attach "
			"--read-only` watches it.");
	case ERR_FOREIGN:
		return N_("The state directory belongs to other data: it was "
			"copied or moved. Nothing was touched.");
	case ERR_IO:
		return N_("The system refused an operation on a file; the "
			"message says which and why.");
	case ERR_MEMORY:
		return N_("Memory ran out. The journal is whole; resume.");
	case ERR_BUG:
		return N_("A mistake in upshift itself. The journal is whole; "
			"please report it.");
	}
	return NULL;
}

static const struct {
	int exit;
	const char *text;
} exits[] = {
	{ 0, N_("done and verified, or nothing to do") },
	{ 1, N_("failed, nothing was changed") },
	{ 2, N_("failed or paused with changes; can be resumed") },
	{ 3, N_("done, with warnings or skipped steps") },
	{ 4, N_("failed and rolled back") },
	{ 5, N_("a rollback failed or was refused because of damage") },
	{ 6, N_("stopped by the user or a signal at a safe point") },
	{ 7, N_("a verification failed") },
	{ 8, N_("an answer or confirmation is needed") },
	{ 9, N_("dry run: changes are pending") },
	{ 64, N_("wrong usage") },
	{ 65, N_("the plan has mistakes") },
	{ 66, N_("no such plan, run, point or file") },
	{ 69, N_("a tool or server is missing") },
	{ 70, N_("a mistake in upshift") },
	{ 73, N_("state or backup directory cannot be made") },
	{ 74, N_("the journal cannot be read or written") },
	{ 75, N_("another engine works on this data") },
	{ 77, N_("permission denied") },
	{ 78, N_("wrong answers file") },
};

static int explain_exit(const char *arg)
{
	char *end;
	long n = strtol(arg, &end, 10);

	for (size_t i = 0; !*end && end != arg && i < ARRAY_SIZE(exits); i++)
		if (exits[i].exit == n) {
			_cleanup_free_ char *line = xasprintf(
				_("exit status %ld: %s"), n,
				_(exits[i].text));

			(void)out_line(line);
			return 0;
		}
	return -1;
}

static int explain_all(void)
{
	for (int i = ERR_NONE + 1; i < ERR_COUNT; i++) {
		_cleanup_free_ char *line = xasprintf("%s  %s",
			error_code_name((enum err_code)i),
			_(meaning((enum err_code)i)));

		(void)out_line(line);
	}
	for (size_t i = 0; i < ARRAY_SIZE(exits); i++) {
		_cleanup_free_ char *line = xasprintf(
			_("exit status %d: %s"), exits[i].exit,
			_(exits[i].text));

		(void)out_line(line);
	}
	return 0;
}

static int exec_explain(const struct options *o,
			const struct step_ops *const *kinds)
{
	enum err_code code;
	struct error err = ERROR_INIT;
	_cleanup_free_ char *line = NULL;

	(void)kinds;
	if (!o->args.n)
		return explain_all();
	code = error_code_from_name(o->args.v[0]);
	if (code != ERR_NONE) {
		line = xasprintf(_("%s (exit status %d)\n%s"),
				 error_code_name(code), error_code_exit(code),
				 _(meaning(code)));
		(void)out_line(line);
		return 0;
	}
	if (explain_exit(o->args.v[0]) == 0)
		return 0;
	(void)error_set(&err, ERR_USAGE, 0, _("there is no code '%s'"),
			o->args.v[0]);
	error_hint(&err, "upshift explain");
	say_error(&err);
	error_release(&err);
	return 64;
}

const struct command cmd_explain = {
	.name = "explain",
	.usage = "[CODE]",
	.summary = N_("what an error code or exit status means"),
	.max_args = 1,
	.exec = exec_explain,
};
