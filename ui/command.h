/* SPDX-License-Identifier: MIT */
#ifndef COMMAND_H
#define COMMAND_H
/*
 * command - one subcommand, one row of the table in main.c
 *
 * To add one: write ui/cmd-NAME.c with a const struct command, name it in the
 * table, in upshift(1), in ui/Makemodule.am and in po/POTFILES.in.
 */
#include <stdbool.h>

#include "base/strbuf.h"
#include "engine.h"

struct json_object;
struct step_ops;

/* what the command line said, over all commands */
struct options {
	const char *command;
	struct strvec args;          /* plan, point, run, code, ... */
	const char *root, *state_dir, *backup_dir, *run_id;
	const char *vars_file, *answers_file, *write_answers;
	const char *stop_after, *run_step, *take_over, *strategy, *scenario,
		*level, *log_file, *lang, *bundle, *completion, *store, *file,
		*from, *audit;
	struct strvec set, confirm, skip, approve;
	bool batch, yes, dry_run, if_needed, again, json, shorter, preview, plain;
	bool compat, grants, list, read_only, expired, quiet, verbose;
	bool keep_snapshot;
	bool no_carry;
	bool on_failure_given;
	enum plan_on_failure on_failure;
	double progress_interval;    /* seconds; < 0: the default */
	/* of the screens; NULL: not given, else a word that is known */
	const char *theme, *color, *bell;
	bool ascii, mouse;
};

enum command_flags {
	COMMAND_PLAN = 1u << 0,      /* its first argument is a plan */
};

struct command {
	const char *name;
	const char *usage;           /* arguments, untranslated */
	const char *summary;         /* N_() */
	unsigned int flags;
	int max_args;
	/* exit status */
	int (*exec)(const struct options *o,
		    const struct step_ops *const *kinds);
};

extern const struct command cmd_run, cmd_check, cmd_status, cmd_resume,
	cmd_retry, cmd_rollback, cmd_verify, cmd_list, cmd_report, cmd_lint, cmd_explain,
	cmd_forget, cmd_attach, cmd_support, cmd_doctor, cmd_new,
	cmd_help;
extern const struct command *const commands[];
const struct command *command_find(const char *name);

/* 0, or 64 and a message on standard error; *done: --help or --version said */
int options_parse(struct options *o, int argc, char **argv, bool *done);
void options_release(struct options *o);

/* signals: the engine that they stop; NULL: none */
void signals_install(void);
void signals_engine(struct engine *e);

#endif
