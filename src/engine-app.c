/* SPDX-License-Identifier: MIT */
/*
 * The application itself: stopped before the backup, started at the end.
 *
 * The journal says `stopping` before the command and `stopped` behind it, so
 * that a killed engine knows that it may have to be started again; asking the
 * application (app.running) decides, never the record alone.
 */
#include <errno.h>
#include <string.h>

#include "base/child.h"
#include "base/i18n.h"
#include "base/json.h"
#include "engine-internal.h"

static int app_command(struct engine *e, const struct plan_command *cmd,
		       const char *what, int *status, struct error *err)
{
	struct step_command sc = { .argv = &cmd->argv, .read_only = true,
				   .timeout_s = cmd->timeout_s };
	struct child_result res;
	struct step_ctx c;
	int ret;

	step_ctx_init(&c, e, NULL, PHASE_NONE);
	ret = step_command(&c, &sc, &res, err);
	step_ctx_release(&c);
	if (ret < 0)
		return ret;
	*status = res.exit_status;
	if (res.timed_out)
		return error_set(err, ERR_APP, -ETIMEDOUT,
			_("the application's %s command took too long"), what);
	return 0;
}

static int app_is_running(struct engine *e, bool *ret, struct error *err)
{
	int status = 0, r;

	*ret = true;
	if (!e->plan->app.running.argv.n)
		return 0;
	r = app_command(e, &e->plan->app.running, "running", &status, err);
	*ret = status == 0;
	return r;
}

static int app_record(struct engine *e, const char *state, struct error *err)
{
	struct json_object *rec = json_object_new_object();
	struct event ev = { .type = EVENT_APP };
	int ret;

	json_set_str(rec, "what", "app");
	json_set_str(rec, "state", state);
	ret = run_record(e->run, rec, err);
	if (ret < 0)
		return ret;
	ev.state = !strcmp(state, "stopped") ? EVENT_STOPPED :
		!strcmp(state, "running") ? EVENT_RUNNING : EVENT_STARTED;
	ev.message = state;
	engine_emit(e, &ev);
	return 0;
}

int engine_app_stop(struct engine *e, struct error *err)
{
	const struct plan_app *app = &e->plan->app;
	bool running;
	int status = 0, ret;

	if (!app->given || !app->stop.argv.n)
		return 0;
	ret = app_is_running(e, &running, err);
	if (ret < 0)
		return ret;
	/* it was not running when we came, so it will not be started either */
	if (!running)
		return 0;
	ret = app_record(e, "stopping", err);
	if (ret >= 0)
		ret = app_command(e, &app->stop, "stop", &status, err);
	if (ret >= 0 && status != 0)
		ret = error_set(err, ERR_APP, -EIO,
			_("the application could not be stopped "
			  "(its command ended with status %d)"), status);
	if (ret >= 0 && app->running.argv.n) {
		ret = app_is_running(e, &running, err);
		if (ret >= 0 && running)
			ret = error_set(err, ERR_APP, -EBUSY,
				_("the application still runs after its stop "
				  "command"));
	}
	return ret < 0 ? ret : app_record(e, "stopped", err);
}

int engine_app_start(struct engine *e, struct error *err)
{
	const struct plan_app *app = &e->plan->app;
	bool running = false;
	int status = 0, ret = 0;

	if (!app->given || !app->start.argv.n || !e->run->app_state ||
	    !strcmp(e->run->app_state, "running"))
		return 0;
	if (app->running.argv.n)
		ret = app_is_running(e, &running, err);
	if (ret >= 0 && !running) {
		ret = app_record(e, "starting", err);
		if (ret >= 0)
			ret = app_command(e, &app->start, "start", &status,
					  err);
		if (ret >= 0 && status != 0)
			ret = error_set(err, ERR_APP, -EIO,
				_("the application could not be started "
				  "(its command ended with status %d)"),
				status);
	}
	return ret < 0 ? ret : app_record(e, "running", err);
}
