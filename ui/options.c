/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "command.h"
#include "store.h"
#include "text.h"

enum opt {
	OPT_ROOT = 256, OPT_STATE_DIR, OPT_BACKUP_DIR, OPT_RUN, OPT_SET,
	OPT_VARS, OPT_CONFIRM, OPT_ANSWERS, OPT_WRITE_ANSWERS, OPT_SKIP,
	OPT_STOP_AFTER, OPT_RUN_STEP, OPT_APPROVE, OPT_ON_FAILURE, OPT_LEVEL,
	OPT_STRATEGY, OPT_NO_CARRY, OPT_SCENARIO, OPT_JSON, OPT_SHORT,
	OPT_BATCH, OPT_IF_NEEDED, OPT_PREVIEW, OPT_READ_ONLY,
	OPT_BUNDLE, OPT_LIST, OPT_KEEP_SNAPSHOT, OPT_EXPIRED, OPT_PLAIN,
	OPT_LANG, OPT_LOG_FILE, OPT_INTERVAL, OPT_AGAIN, OPT_COMPLETION,
	OPT_STORE, OPT_COMPAT, OPT_FILE, OPT_FROM, OPT_AUDIT, OPT_GRANTS,
	OPT_TAKE_OVER,
	OPT_ASCII, OPT_MOUSE, OPT_COLOR, OPT_NO_COLOR, OPT_THEME, OPT_BELL,
};

static const struct option longs[] = {
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "backup-dir", required_argument, NULL, OPT_BACKUP_DIR },
	{ "run", required_argument, NULL, OPT_RUN },
	{ "set", required_argument, NULL, OPT_SET },
	{ "vars", required_argument, NULL, OPT_VARS },
	{ "confirm", required_argument, NULL, OPT_CONFIRM },
	{ "answers", required_argument, NULL, OPT_ANSWERS },
	{ "write-answers", required_argument, NULL, OPT_WRITE_ANSWERS },
	{ "skip", required_argument, NULL, OPT_SKIP },
	{ "approve", required_argument, NULL, OPT_APPROVE },
	{ "stop-after", required_argument, NULL, OPT_STOP_AFTER },
	{ "take-over", required_argument, NULL, OPT_TAKE_OVER },
	{ "run-step", required_argument, NULL, OPT_RUN_STEP },
	{ "strategy", required_argument, NULL, OPT_STRATEGY },
	{ "no-carry", no_argument, NULL, OPT_NO_CARRY },
	{ "scenario", required_argument, NULL, OPT_SCENARIO },
	{ "on-failure", required_argument, NULL, OPT_ON_FAILURE },
	{ "level", required_argument, NULL, OPT_LEVEL },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "short", no_argument, NULL, OPT_SHORT },
	{ "batch", no_argument, NULL, OPT_BATCH },
	{ "yes", no_argument, NULL, 'y' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "if-needed", no_argument, NULL, OPT_IF_NEEDED },
	{ "again", no_argument, NULL, OPT_AGAIN },
	{ "preview", no_argument, NULL, OPT_PREVIEW },
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ "expired", no_argument, NULL, OPT_EXPIRED },
	{ "keep-snapshot", no_argument, NULL, OPT_KEEP_SNAPSHOT },
	{ "plain", no_argument, NULL, OPT_PLAIN },
	{ "lang", required_argument, NULL, OPT_LANG },
	{ "bundle", required_argument, NULL, OPT_BUNDLE },
	{ "completion", required_argument, NULL, OPT_COMPLETION },
	{ "store", required_argument, NULL, OPT_STORE },
	{ "file", required_argument, NULL, OPT_FILE },
	{ "audit", required_argument, NULL, OPT_AUDIT },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "compat", no_argument, NULL, OPT_COMPAT },
	{ "grants", no_argument, NULL, OPT_GRANTS },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "log-file", required_argument, NULL, OPT_LOG_FILE },
	{ "progress-interval", required_argument, NULL, OPT_INTERVAL },
	/* of the screens; they change nothing in text */
	{ "ascii", no_argument, NULL, OPT_ASCII },
	{ "mouse", no_argument, NULL, OPT_MOUSE },
	{ "no-color", no_argument, NULL, OPT_NO_COLOR },
	{ "color", required_argument, NULL, OPT_COLOR },
	{ "theme", required_argument, NULL, OPT_THEME },
	{ "bell", required_argument, NULL, OPT_BELL },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* fmt: translated, with one %s for what */
static int usage(const char *fmt, const char *what, const char *near)
{
	struct error err = ERROR_INIT;
	const char *at = strstr(fmt, "%s");

	(void)error_set(&err, ERR_USAGE, 0, "%.*s%s%s", (int)(at - fmt), fmt,
			what, at + 2);
	if (near)
		error_hint(&err, _("did you mean '%s'?"), near);
	else
		error_hint(&err, "upshift help");
	say_error(&err);
	error_release(&err);
	return 64;
}

static int set_interval(struct options *o, const char *arg)
{
	char *end;

	errno = 0;
	o->progress_interval = strtod(arg, &end);
	if (errno || *end || end == arg || !isfinite(o->progress_interval) ||
	    o->progress_interval < 0)
		return usage(_("'%s' is no number of seconds"), arg, NULL);
	return 0;
}

static int set_on_failure(struct options *o, const char *arg)
{
	if (strcmp(arg, "stop") && strcmp(arg, "rollback"))
		return usage(_("--on-failure takes stop or rollback, not "
			       "'%s'"), arg, NULL);
	o->on_failure_given = true;
	o->on_failure = !strcmp(arg, "stop") ? PLAN_STOP : PLAN_ROLLBACK;
	return 0;
}

static int set_word(const char **dst, const char *arg,
		    const char *const *words, const char *fmt)
{
	for (const char *const *w = words; *w; w++)
		if (!strcmp(*w, arg)) {
			*dst = *w;
			return 0;
		}
	return usage(fmt, arg, nearest_word(arg, words));
}

static int set_look(struct options *o, int c, const char *arg)
{
	static const char *const whens[] = { "auto", "always", "never", NULL };
	static const char *const themes[] = {
		"default", "contrast", "mono", NULL
	};

	if (c == OPT_THEME)
		return set_word(&o->theme, arg, themes,
				_("--theme takes default, contrast or mono, "
				  "not '%s'"));
	if (c == OPT_COLOR)
		return set_word(&o->color, arg, whens,
				_("--color takes auto, always or never, not "
				  "'%s'"));
	return set_word(&o->bell, arg, whens,
			_("--bell takes auto, always or never, not '%s'"));
}

static int take_flag(struct options *o, int c)
{
	switch (c) {
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_SHORT:
		o->shorter = true;
		return 0;
	case OPT_BATCH:
		o->batch = true;
		return 0;
	case 'y':
		o->yes = true;
		return 0;
	case 'n':
		o->dry_run = true;
		return 0;
	case OPT_IF_NEEDED:
		o->if_needed = true;
		return 0;
	case OPT_AGAIN:
		o->again = true;
		return 0;
	case OPT_PREVIEW:
		o->preview = true;
		return 0;
	case OPT_READ_ONLY:
		o->read_only = true;
		return 0;
	case OPT_KEEP_SNAPSHOT:
		o->keep_snapshot = true;
		return 0;
	case OPT_EXPIRED:
		o->expired = true;
		return 0;
	case OPT_PLAIN:
		o->plain = true;
		return 0;
	case OPT_LIST:
		o->list = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case OPT_ASCII:
		o->ascii = true;
		return 0;
	case OPT_MOUSE:
		o->mouse = true;
		return 0;
	case OPT_NO_COLOR:
		o->color = "never";
		return 0;
	}
	return -1;
}

static int add_approval(struct options *o, const char *arg)
{
	const char *colon = strchr(arg, ':');

	if (!colon || colon == arg || !colon[1])
		return usage(_("--approve takes ROLE:NAME, not '%s'"), arg, NULL);
	strvec_push(&o->approve, arg);
	return 0;
}

static int take_value(struct options *o, int c, const char *arg)
{
	switch (c) {
	case OPT_ROOT:
		o->root = arg;
		return 0;
	case OPT_STATE_DIR:
		o->state_dir = arg;
		return 0;
	case OPT_BACKUP_DIR:
		o->backup_dir = arg;
		return 0;
	case OPT_RUN:
		o->run_id = arg;
		return 0;
	case OPT_SET:
		strvec_push(&o->set, arg);
		return 0;
	case OPT_VARS:
		o->vars_file = arg;
		return 0;
	case OPT_CONFIRM:
		strvec_push(&o->confirm, arg);
		return 0;
	case OPT_ANSWERS:
		o->answers_file = arg;
		return 0;
	case OPT_WRITE_ANSWERS:
		o->write_answers = arg;
		return 0;
	case OPT_SKIP:
		strvec_push(&o->skip, arg);
		return 0;
	case OPT_APPROVE:
		return add_approval(o, arg);
	case OPT_STOP_AFTER:
		o->stop_after = arg;
		return 0;
	case OPT_STRATEGY:
		o->strategy = arg;
		return 0;
	case OPT_NO_CARRY:
		o->no_carry = true;
		return 0;
	case OPT_SCENARIO:
		o->scenario = arg;
		return 0;
	case OPT_TAKE_OVER:
		o->take_over = arg;
		return 0;
	case OPT_RUN_STEP:
		o->run_step = arg;
		return 0;
	case OPT_LEVEL:
		o->level = arg;
		return 0;
	case OPT_GRANTS:
		o->grants = true;
		return 0;
	case OPT_COMPAT:
		o->compat = true;
		return 0;
	case OPT_FILE:
		o->file = arg;
		return 0;
	case OPT_AUDIT:
		o->audit = arg;
		return 0;
	case OPT_FROM:
		o->from = arg;
		return 0;
	case OPT_STORE:
		o->store = arg;
		return 0;
	case OPT_COMPLETION:
		o->completion = arg;
		return 0;
	case OPT_BUNDLE:
		o->bundle = arg;
		return 0;
	case OPT_LANG:
		o->lang = arg;
		return 0;
	case OPT_LOG_FILE:
		o->log_file = arg;
		return 0;
	case OPT_INTERVAL:
		return set_interval(o, arg);
	case OPT_ON_FAILURE:
		return set_on_failure(o, arg);
	case OPT_THEME:
	case OPT_COLOR:
	case OPT_BELL:
		return set_look(o, c, arg);
	}
	return -1;
}

static int unknown(char **argv)
{
	const char *words[ARRAY_SIZE(longs)];
	_cleanup_free_ char *name = NULL, *near = NULL;
	size_t n = 0;

	if (optopt && optopt < 256) {
		char one[3] = { '-', (char)optopt, '\0' };

		return usage(_("unknown option '%s'"), one, NULL);
	}
	if (optopt)
		return usage(_("option '%s' needs a value"), argv[optind - 1],
			     NULL);
	for (size_t i = 0; longs[i].name; i++)
		words[n++] = longs[i].name;
	words[n] = NULL;
	name = xstrdup(argv[optind - 1] + strspn(argv[optind - 1], "-"));
	name[strcspn(name, "=")] = '\0';
	if (nearest_word(name, words))
		near = xasprintf("--%s", nearest_word(name, words));
	return usage(_("unknown option '%s'"), argv[optind - 1], near);
}

static void from_environment(struct options *o)
{
	const char *v;

	if (!o->state_dir && (v = getenv("UPSHIFT_STATE_DIR")) && *v)
		o->state_dir = v;
	if (!o->backup_dir && (v = getenv("UPSHIFT_BACKUP_DIR")) && *v)
		o->backup_dir = v;
	if (!o->answers_file && (v = getenv("UPSHIFT_ANSWERS")) && *v)
		o->answers_file = v;
	if (!o->log_file && (v = getenv("UPSHIFT_LOG_FILE")) && *v)
		o->log_file = v;
}

static int take_command(struct options *o, int argc, char **argv)
{
	const char *words[32];
	size_t n = 0;
	int i = optind;

	o->command = "run";
	if (i < argc && command_find(argv[i])) {
		o->command = argv[i++];
	} else if (i < argc && !strchr(argv[i], '/') &&
		   !strchr(argv[i], '.') && strcmp(argv[i], "-")) {
		for (const struct command *const *c = commands; *c; c++)
			words[n++] = (*c)->name;
		words[n] = NULL;
		return usage(_("unknown command '%s'"), argv[i],
			     nearest_word(argv[i], words));
	}
	for (; i < argc; i++)
		strvec_push(&o->args, argv[i]);
	if ((int)o->args.n > command_find(o->command)->max_args)
		return usage(_("'%s' is one argument too many"),
			     o->args.v[command_find(o->command)->max_args],
			     NULL);
	return 0;
}

/* for scripts and support, so in one language */
static void say_version(void)
{
	_cleanup_free_ char *stores = xasprintf("stores: %s", store_built());

	(void)out_line("upshift " PACKAGE_VERSION);
	(void)out_line(stores);
}

int options_parse(struct options *o, int argc, char **argv, bool *done)
{
	int c, ret;

	memset(o, 0, sizeof(*o));
	o->progress_interval = -1;
	*done = false;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "ynqvhV", longs, NULL)) != -1) {
		if (c == '?')
			return unknown(argv);
		if (c == 'V') {
			say_version();
			*done = true;
			return 0;
		}
		if (c == 'h') {
			o->command = "help";
			if (optind < argc || argc > 2)
				for (int i = 1; i < argc; i++)
					if (command_find(argv[i]) &&
					    !o->args.n)
						strvec_push(&o->args, argv[i]);
			return 0;
		}
		ret = take_flag(o, c);
		if (ret < 0)
			ret = take_value(o, c, optarg);
		if (ret)
			return ret;
	}
	from_environment(o);
	return take_command(o, argc, argv);
}

void options_release(struct options *o)
{
	strvec_release(&o->args);
	strvec_release(&o->set);
	strvec_release(&o->confirm);
	strvec_release(&o->skip);
	strvec_release(&o->approve);
}
