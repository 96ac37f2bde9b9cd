/* SPDX-License-Identifier: MIT */
/*
 * Where the walk begins: at a plan, at an unfinished run, or beside an engine
 * that is at work. What cannot be begun at all is said on standard error,
 * before there is a screen.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "text.h"
#include "wizard-internal.h"

static int say_held(struct wizard *w)
{
	_cleanup_free_ char *msg = xasprintf(
		_("another engine works on this data (process %ld, %s, since "
		  "%s) and cannot be reached"), w->holder.pid,
		w->holder.user, w->holder.since);

	return say_refused(ERR_LOCKED, msg, "upshift status");
}

/* An engine lives: sit down beside it. */
static int attach(struct wizard *w)
{
	struct error err = ERROR_INIT;

	if (client_attach(&w->c, &w->sd, w->read_only, &err) < 0) {
		error_release(&err);
		return say_held(w);
	}
	if (!w->read_only)
		w->environ = wizard_environ(w->holder.pid);
	w->page = PAGE_P50;
	return 0;
}

/* the session's plan is of the run's own copy from now on */
static int open_run(struct wizard *w)
{
	int ret;

	session_release(&w->s);
	session_init(&w->s, &w->o, w->kinds);
	ret = session_open_run(&w->s, false);
	if (!ret)
		ret = session_show_plan(&w->s);
	if (ret)
		return ret;
	(void)snprintf(w->id, sizeof(w->id), "%s", w->s.run->id);
	wizard_look(w);
	return 0;
}

/* what was said in it before, for the page of the log; nobody says it now */
static void load_log(struct wizard *w)
{
	client_log(&w->sd, w->id, &w->m);
	model_new_process(&w->m);
	w->engine_seq = w->m.seq;
}

static int at_point(struct wizard *w)
{
	const char *point = w->o.args.n ? w->o.args.v[0] : NULL;

	if (w->run->state == RUN_ROLLING_BACK) {
		w->page = PAGE_R70;
		return 0;
	}
	w->page = PAGE_K80;
	if (point && wizard_act(w, "preview", point, NULL) & WIZARD_REFUSED)
		return say_refused(ERR_NO_POINT, w->notice, "upshift rollback");
	return 0;
}

static int old_run(struct wizard *w)
{
	int ret = open_run(w);

	if (ret)
		return ret;
	if (w->live)
		return attach(w);
	load_log(w);
	if (w->read_only) {
		w->page = wizard_rest_page(w);
		return 0;
	}
	if (!strcmp(w->o.command, "attach"))
		return say_refused(ERR_NO_RUN,
				   _("no engine is running here"), "upshift status");
	if (!strcmp(w->o.command, "rollback"))
		return at_point(w);
	if (w->run->state == RUN_COMPLETE || !run_is_open(w->run)) {
		if (w->run->state == RUN_CLOSED)
			return say_refused(ERR_NO_RUN,
				   _("no run is open here"), "upshift run PLAN");
		w->page = PAGE_D90;
		if (w->o.run_step)
			(void)wizard_start(w, CLIENT_RESUME);
		return 0;
	}
	w->page = PAGE_R70;
	return 0;
}

/* the last run of this root, if it says more than the plan */
static bool is_taken(struct wizard *w)
{
	if (w->live)
		return true;
	if (!w->run)
		return false;
	return run_is_open(w->run) || (w->run->state == RUN_COMPLETE &&
		!strcmp(json_get_str(w->run->begun, "plan", ""),
			w->s.plan->name) &&
		!strcmp(json_get_str(w->run->begun, "to", ""),
			w->s.plan->to));
}

int wizard_load_plan(struct wizard *w)
{
	struct error err = ERROR_INIT;
	int ret = session_lint(&w->s);

	if (!ret)
		ret = session_values(&w->s);
	if (!ret)
		ret = session_root(&w->s);
	if (ret)
		return ret;
	*w->id = '\0';
	wizard_look(w);
	/* damage of the journal is no reason to begin a second run */
	if (!w->run && w->sd.fd >= 0 &&
	    run_open(&w->run, &w->sd, NULL, false, &err) < 0 &&
	    err.code != ERR_NO_RUN) {
		say_error(&err);
		ret = error_code_exit(err.code);
		error_release(&err);
		return ret;
	}
	error_release(&err);
	if (is_taken(w)) {
		/* the run's root is the one of this plan */
		w->o.root = w->root_given = xstrdup(w->s.sd.root);
		return old_run(w);
	}
	run_free(w->run);
	w->run = NULL;
	if (run_new_id(&w->s.sd, w->id) < 0)
		return say_refused(ERR_STATE,
				   _("no new run can be made here"), NULL);
	w->page = PAGE_W10;
	(void)wizard_start(w, CLIENT_MEASURE);
	return 0;
}

/* an open run here or above is what the user means before any plan */
static bool open_run_here(const struct options *o)
{
	_cleanup_free_ char *root = NULL;
	char *cwd = getcwd(NULL, 0);
	struct state_dir sd;
	struct run *r = NULL;
	bool is = false;

	if (!o->root && cwd && state_find_root(cwd, &root) < 0)
		root = NULL;
	free(cwd);
	if (!root && !o->root)
		return false;
	if (state_dir_open(&sd, o->root ? o->root : root, o->state_dir, true,
			   NULL) < 0)
		return false;
	if (sd.fd >= 0 && run_open(&r, &sd, NULL, false, NULL) >= 0)
		is = run_is_open(r) || state_dir_is_locked(&sd, NULL);
	run_free(r);
	state_dir_release(&sd);
	return is;
}

static int begin(struct wizard *w)
{
	if (strcmp(w->o.command, "run") != 0)
		return old_run(w);
	if (w->o.args.n)
		return wizard_load_plan(w);
	if (open_run_here(&w->o))
		return old_run(w);
	session_plans(&w->plans);
	if (w->plans.n > 1) {
		w->page = PAGE_W05;
		return 0;
	}
	if (w->plans.n == 1) {
		strvec_push(&w->o.args, w->plans.v[0]);
		return wizard_load_plan(w);
	}
	/* no plan: a run that is known, or the sentence that there is none */
	return old_run(w);
}

int wizard_open(struct wizard **ret, const struct options *o,
		const struct step_ops *const *kinds, bool read_only)
{
	struct wizard *w = xcalloc(1, sizeof(*w));
	int r;

	w->o = *o;
	w->o.args = (struct strvec)STRVEC_INIT;
	strvec_copy(&w->o.args, &o->args);
	w->kinds = kinds;
	w->read_only = read_only;
	w->exit = w->verified = -1;
	w->sd = (struct state_dir)STATE_DIR_INIT;
	model_init(&w->m);
	session_init(&w->s, &w->o, kinds);
	r = begin(w);
	if (r) {
		wizard_close(w);
		return r;
	}
	*ret = w;
	return 0;
}

void wizard_close(struct wizard *w)
{
	if (!w)
		return;
	client_free(w->c);
	client_free(w->look);
	run_free(w->run);
	state_dir_release(&w->sd);
	session_release(&w->s);
	model_release(&w->m);
	strvec_release(&w->o.args);
	strvec_release(&w->plans);
	strvec_release(&w->accepted);
	strvec_release(&w->text);
	json_object_put(w->need);
	json_object_put(w->preview);
	strvec_release(&w->ticks);
	json_object_put(w->names);
	free(w->point);
	free(w->backup_dir);
	free(w->row);
	free(w->typed_for);
	free(w->notice);
	free(w->root_given);
	free(w->wheel);
	free(w->environ);
	free(w);
}
