/* SPDX-License-Identifier: MIT */
#include "if-needed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "run-look.h"
#include "session.h"
#include "text.h"

/* 1: asked for, 0: not, 64: who knows (said) */
static int asks_rollback(const char *name)
{
	static const char *const yes[] = { "1", "yes", "true", "on", NULL };
	static const char *const no[] = { "", "0", "no", "false", "off",
					  NULL };
	const char *v = name ? getenv(name) : NULL;
	_cleanup_free_ char *msg = NULL;

	if (!v)
		return 0;
	for (const char *const *w = yes; *w; w++)
		if (!strcasecmp(v, *w))
			return 1;
	for (const char *const *w = no; *w; w++)
		if (!strcasecmp(v, *w))
			return 0;
	msg = xasprintf(_("the variable %s is neither 1 nor 0"), name);
	return say_refused(ERR_USAGE, msg, _("1 asks for a rollback"));
}

/* Where standard output is for JSON objects, standard error gets the words. */
static void say(const struct session *s, const char *line)
{
	if (!s->o->json)
		(void)out_line(line);
	else
		(void)fprintf(stderr, "upshift: %s\n", line);
}

static bool is_of_plan(const struct run *r, const struct plan *p)
{
	return r->state != RUN_CLOSED &&
	       !strcmp(json_get_str(r->begun, "plan", ""), p->name) &&
	       !strcmp(json_get_str(r->begun, "to", ""), p->to);
}

/*
 * The newest run that took this data to where the plan goes, or tried to; those
 * that ended before anything was changed tell nothing. Opened into s->run,
 * NULL: there is none. 0, or the exit status.
 */
static int find_run(struct session *s)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	struct error err = ERROR_INIT;
	int ret = 0;

	if (s->sd.fd < 0)
		return 0;
	if (state_dir_runs(&s->sd, &ids, &err) < 0)
		ret = error_code_exit(err.code);
	for (size_t i = ids.n; !ret && i > 0 && !s->run; i--) {
		if (run_look(&s->run, &s->sd, ids.v[i - 1], &err) < 0) {
			s->run = NULL;
			if (err.code != ERR_NO_RUN)
				ret = error_code_exit(err.code);
			else
				error_release(&err);
		} else if (!is_of_plan(s->run, s->plan)) {
			run_free(s->run);
			s->run = NULL;
		}
	}
	if (ret)
		say_error(&err);
	error_release(&err);
	return ret;
}

/* -1: nothing (more) to do, else the exit status */
static int take_back(struct session *s, const char *name)
{
	_cleanup_free_ char *line = NULL;
	struct options mine = *s->o;
	int ret;

	if (!s->run || (s->run->state == RUN_ROLLED_BACK &&
			!run_is_open(s->run))) {
		line = s->run ?
			xasprintf(_("%s is set, and run %s is rolled back "
				    "already: nothing is done"), name,
				  s->run->id) :
			xasprintf(_("%s is set, and there is nothing to roll "
				    "back: nothing is done"), name);
		say(s, line);
		return -1;
	}
	line = xasprintf(s->o->dry_run ?
			 _("%s is set: run %s would be rolled back to start") :
			 _("%s is set: run %s is rolled back to start"), name,
			 s->run->id);
	say(s, line);
	if (s->o->dry_run)
		return 9;
	mine.root = s->sd.root;
	mine.run_id = s->run->id;
	ret = rollback_by_variable(&mine, s->kinds, name);
	return ret ? ret : -1;
}

static int look(struct session *s)
{
	_cleanup_free_ char *line = NULL;

	if (!s->run || run_is_open(s->run))
		return 0;
	if (s->run->state == RUN_COMPLETE)
		return -1;
	if (s->run->state != RUN_ROLLED_BACK || s->o->again ||
	    strcmp(json_get_str(s->run->begun, "plan_digest", ""),
		   s->plan->digest) != 0)
		return 0;
	line = xasprintf(_("run %s of %s was rolled back and the plan is still "
			   "the same: nothing is done; --again runs it"),
			 s->run->id, s->plan->name);
	say(s, line);
	return -1;
}

int if_needed(const struct options *o, const struct step_ops *const *kinds)
{
	const char *name = "UPSHIFT_ROLLBACK";
	struct session s;
	int ret, asked = 0;

	session_init(&s, o, kinds);
	ret = session_lint(&s);
	if (!ret)
		ret = session_root(&s);
	if (!ret) {
		asked = asks_rollback(name);
		if (!asked && s.plan->rollback_env) {
			name = s.plan->rollback_env;
			asked = asks_rollback(name);
		}
		if (asked > 1)
			ret = asked;
	}
	/* whoever holds the lock now is named by the run that finds it */
	if (!ret && (s.sd.fd < 0 || asked ||
		     !state_dir_is_locked(&s.sd, NULL))) {
		ret = find_run(&s);
		if (!ret)
			ret = asked ? take_back(&s, name) : look(&s);
	}
	session_release(&s);
	return ret;
}
