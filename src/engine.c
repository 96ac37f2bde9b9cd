/* SPDX-License-Identifier: MIT */
/*
 * Invariants (tests/fault kills the process at every system call for them):
 *
 * I1 the backup is complete, flushed, read back and compared before the first
 *    `applying` record;
 * I2 `applying` is durable before the first change of that step;
 * I3 a step's pre-image is durable before its `applying`;
 * I4 `applied` is written only after the change is durable;
 * I5 a step's verification has passed before the next step starts;
 * I6 a torn last line of the journal is cut, any other damage stops;
 * I7 state.json may lag, never lead.
 *
 *   run:     begun --checks--> begun --backup--> backed-up --steps, verify-->
 *            complete                                 engine_run()
 *               | checks fail        | anything fails
 *               v                    v
 *            closed               failed --resume--> where it stood
 *                                    |                engine_resume()
 *            rolling-back <----------+----------- complete
 *               |                                     engine_rollback()
 *               v
 *            rolled-back (open again if the point is not start)
 *
 * Whatever ends the process, the next one reads the state from the journal:
 * there is no other truth, and drive() below begins wherever it says.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "control.h"
#include "engine-internal.h"
#include "inhibit.h"
#include "report.h"
#include "store-pool.h"

/* events between two that are logged, at the most (see engine_emit) */
#define SEQ_BLOCK 1000

struct engine *engine_new(const struct engine_spec *spec)
{
	struct engine *e = xcalloc(1, sizeof(*e));

	e->sd = spec->sd;
	e->plan = spec->plan;
	e->scope = spec->scope;
	e->kinds = spec->kinds;
	e->bus = spec->bus;
	e->ask = spec->ask;
	e->ask_ctx = spec->ask_ctx;
	e->opts = spec->opts;
	e->inhibit_fd = -1;
	e->pool = store_pool_new();
	e->begun_ns = clock_mono_ns();
	e->run_facts = json_object_new_object();
	return e;
}

static void part(struct engine *e);

void engine_free(struct engine *e)
{
	if (!e)
		return;
	part(e);
	engine_leases_end(e);
	if (e->own_run)
		run_free(e->run);
	error_release(&e->err);
	json_object_put(e->run_facts);
	strvec_release(&e->warned);
	free(e->looked);
	store_pool_free(e->pool);
	free(e);
}

void engine_cancel(struct engine *e)
{
	if (e->cancel < ENGINE_CANCEL_NOW)
		e->cancel++;
}

const struct error *engine_error(const struct engine *e)
{
	return error_is_set(&e->err) ? &e->err : NULL;
}

void engine_take_command(struct engine *e, struct json_object *msg)
{
	const char *name = json_get_str(msg, "name", "");

	if (strcmp(json_get_str(msg, "type", ""), "command") != 0)
		return;
	if (!strcmp(name, "stop") && e->cancel < ENGINE_CANCEL_AFTER_STEP)
		e->cancel = ENGINE_CANCEL_AFTER_STEP;
	else if (!strcmp(name, "abort"))
		e->cancel = ENGINE_CANCEL_NOW;
}

enum engine_cancel_level engine_cancelled(struct engine *e)
{
	while (e->control) {
		struct json_object *msg = control_poll(e->control, 0);

		if (!msg)
			break;
		engine_take_command(e, msg);
		json_object_put(msg);
	}
	return (enum engine_cancel_level)e->cancel;
}

enum plan_on_failure engine_on_failure(const struct engine *e)
{
	enum plan_on_failure f = e->opts.on_failure_given ?
		e->opts.on_failure : e->plan->on_failure;

	return f == PLAN_ASK && e->opts.batch ? PLAN_STOP : f;
}

bool engine_has_changed(const struct engine *e)
{
	return e->run && run_changed_data(e->run);
}

int engine_exit_of(const struct engine *e, const struct error *err)
{
	int code = error_code_exit(err->code);

	if (code == EXIT_FAILED_UNCHANGED || code == EXIT_FAILED)
		return engine_has_changed(e) ? EXIT_FAILED :
			EXIT_FAILED_UNCHANGED;
	return code;
}

/* --- ends --- */

/* a mistake of the command line is no failure of the run */
static bool asked_wrong(enum err_code code)
{
	return code == ERR_USAGE || code == ERR_NO_RUN ||
		code == ERR_NO_POINT || code == ERR_NO_WAY_BACK;
}

/* Says why the process ends, in the journal, unless the run is over. */
static void record_end(struct engine *e, int *exit)
{
	struct json_object *x;
	struct error err = ERROR_INIT;
	enum run_state s = RUN_FAILED;

	if (!e->run || !e->run->writable || !run_is_open(e->run) ||
	    e->run->state == RUN_ROLLING_BACK ||
	    e->run->state == RUN_ROLLBACK_FAILED ||
	    (e->run->state == RUN_ROLLED_BACK && *exit == 0) ||
	    asked_wrong(e->err.code))
		return;
	x = json_object_new_object();
	json_set_int(x, "exit", *exit);
	if (*exit == EXIT_STOPPED || *exit == EXIT_NEED_ANSWER ||
	    e->err.code == ERR_CANCELLED) {
		s = RUN_PAUSED;
		json_set_str(x, "reason", e->err.code == ERR_WINDOW ?
			     "window" : *exit == EXIT_NEED_ANSWER ?
			     "answer" : "stopped");
	} else {
		json_set_str(x, "code", error_code_name(e->err.code));
		json_set_str(x, "message", e->err.msg);
		json_set_str(x, "step", e->failed_step);
		if (e->failed_phase)
			json_set_str(x, "phase",
				     event_phase_name(e->failed_phase));
	}
	if (run_record_state(e->run, s, x, &err) < 0) {
		/* what was done is in the journal; only the farewell is not */
		if (!error_is_set(&e->err))
			error_move(&e->err, &err);
		if (*exit == EXIT_DONE)
			*exit = error_code_exit(ERR_JOURNAL);
	}
	error_release(&err);
}

/* The sinks that live as long as the run is open. */
static void part(struct engine *e)
{
	if (e->bus) {
		event_bus_drop(e->bus, &control_reporter_ops);
		event_bus_drop(e->bus, &run_log_ops);
	}
	control_stop(e->control);
	e->control = NULL;
	inhibit_end(e->inhibit_fd);
	e->inhibit_fd = -1;
}

/* tables may be as they were behind the steps, which are undone */
static bool is_rolling_back(const struct engine *e)
{
	return e->run && (e->run->state == RUN_ROLLING_BACK ||
			  e->run->state == RUN_ROLLBACK_FAILED);
}

/* The last messages: how it ended. */
static void notify_end(struct engine *e, const char *verb, int exit)
{
	bool back = exit == EXIT_ROLLED_BACK || !strcmp(verb, "rollback");

	if (exit == EXIT_STOPPED || exit == EXIT_NEED_ANSWER ||
	    asked_wrong(e->err.code))
		goto out;
	if (exit != EXIT_DONE && exit != EXIT_WARNINGS)
		engine_notify(e, NOTIFY_FAILURE, e->failed_step, e->err.msg);
	if (back && e->run && e->run->state == RUN_ROLLED_BACK)
		engine_notify(e, NOTIFY_ROLLBACK, NULL,
			      e->run->rollback_point);
out:
	engine_notify_end(e);
}

static int finish(struct engine *e, const char *verb, int exit)
{
	struct error err = ERROR_INIT;

	engine_leases_end(e);
	/* a retry leaves the run as it is */
	if (strcmp(verb, "retry-rejects"))
		record_end(e, &exit);
	if (error_is_set(&e->err) && exit != EXIT_STOPPED && !e->told)
		engine_emit_error(e, NULL, &e->err, NULL,
			engine_has_changed(e) || is_rolling_back(e) ?
			_("the backup is complete; nothing more happens") :
			_("nothing was changed"));
	notify_end(e, verb, exit);
	engine_emit_summary(e, verb, exit);
	if (e->run && e->run->writable)
		/* the report is made from the journal and can be made again */
		(void)report_write(e->run, e->plan, &err);
	error_release(&err);
	part(e);
	return exit;
}

static int complete(struct engine *e)
{
	struct json_object *x = json_object_new_object();
	struct strvec pruned = STRVEC_INIT;
	struct error err = ERROR_INIT;
	int done, skipped, undone, exit;

	engine_count_states(e, &done, &skipped, &undone);
	if (e->run->warnings &&
	    json_object_array_length(e->run->warnings) > (size_t)e->warnings)
		e->warnings = (int)json_object_array_length(e->run->warnings);
	exit = e->warnings || skipped || undone ? EXIT_WARNINGS : EXIT_DONE;
	json_set_int(x, "exit", exit);
	if (run_record_state(e->run, RUN_COMPLETE, x, &e->err) < 0)
		return error_code_exit(ERR_JOURNAL);
	engine_notify(e, NOTIFY_DONE, NULL, NULL);
	if (e->plan->keep_s >= 0 &&
	    run_prune(e->sd, e->run, e->plan->keep_s, &pruned, &err) < 0)
		/* an old backup too many is no failure of this run */
		engine_log(e, NULL, "note", err.msg, strlen(err.msg));
	for (size_t i = 0; i < pruned.n; i++) {
		_cleanup_free_ char *t = xasprintf(
			_("backup of run %s removed, it was kept long enough"),
			pruned.v[i]);

		engine_log(e, NULL, "note", t, strlen(t));
	}
	strvec_release(&pruned);
	error_release(&err);
	return exit;
}

/* From wherever the journal says the run stands, to its end. */
static int drive(struct engine *e)
{
	int ret;

	if (e->run->state == RUN_BEGUN || !e->run->backup.done) {
		ret = engine_phase_check(e);
		if (ret)
			return ret;
		if (engine_same_record(e, &e->err) < 0)
			return error_code_exit(ERR_JOURNAL);
	}
	if (engine_leases_begin(e, &e->err) < 0)
		return engine_exit_of(e, &e->err);
	ret = engine_phase_backup(e);
	if (ret)
		return ret;
	ret = engine_phase_steps(e);
	if (ret)
		return ret;
	ret = engine_phase_verify(e);
	if (ret)
		return ret;
	if (engine_app_start(e, &e->err) < 0)
		return EXIT_FAILED;
	return complete(e);
}

/* Socket, log and the first two events. */
static void introduce(struct engine *e)
{
	struct error err = ERROR_INIT;

	e->inhibit_fd = inhibit_begin(_("data is being upgraded"));
	e->bus->next_seq = run_log_last_seq(e->run) + SEQ_BLOCK;
	event_bus_add(e->bus, &run_log_ops, e->run);
	if (control_start(&e->control, e->sd->fd, &err) < 0) {
		engine_log(e, NULL, "note", err.msg, strlen(err.msg));
		e->control = NULL;
	} else {
		event_bus_add(e->bus, &control_reporter_ops, e->control);
	}
	error_release(&err);
	engine_emit_version(e);
	engine_emit_plan(e);
}

static int record_process(struct engine *e, const char *verb)
{
	if (run_record_process(e->run, verb, &e->err) < 0 ||
	    run_record_decision(e->run, strcmp(verb, "run") ? verb : "start",
				NULL, NULL, &e->err) < 0)
		return error_code_exit(e->err.code);
	return 0;
}

static int bad_step(struct engine *e, const char *id)
{
	if (!id || plan_find_step(e->plan, id))
		return 0;
	(void)error_set(&e->err, ERR_USAGE, -EINVAL,
			_("no step '%s' in this plan"), id);
	return 64;
}

static int bad_skip(struct engine *e)
{
	for (size_t i = 0; i < e->opts.skip.n; i++) {
		const char *id = e->opts.skip.v[i];
		const struct step *s = plan_find_step(e->plan, id);

		if (!s)
			return bad_step(e, id);
		if (!s->optional) {
			(void)error_set(&e->err, ERR_USAGE, -EINVAL,
				_("step '%s' is not optional"), id);
			error_hint(&e->err, "%s", _("only a step that the plan "
				"calls optional can be skipped"));
			return 64;
		}
	}
	return 0;
}

static int bad_approval(struct engine *e)
{
	for (size_t i = 0; i < e->opts.approve.n; i++) {
		const char *text = e->opts.approve.v[i];
		_cleanup_free_ char *role = xstrndup(text, strcspn(text, ":"));
		bool known = false;

		for (size_t k = 0; k < e->plan->step_n; k++)
			known |= strvec_has(&e->plan->steps[k]->roles, role);
		if (known)
			continue;
		(void)error_set(&e->err, ERR_USAGE, -EINVAL,
				_("no step of this plan is signed by '%s'"),
				role);
		return 64;
	}
	return 0;
}

static int bad_options(struct engine *e)
{
	int ret = bad_skip(e);

	if (!ret)
		ret = bad_step(e, e->opts.stop_after);
	if (!ret)
		ret = bad_step(e, e->opts.run_step);
	return ret ? ret : bad_approval(e);
}

int engine_run(struct engine *e, const char *run_id, const char *started)
{
	struct run_options opts = {
		.vars = e->scope->vars, .answers = e->scope->answers,
		.env = e->scope->env_used, .options = e->opts.record,
	};
	int ret = bad_options(e);

	if (ret)
		return finish(e, "run", ret);
	engine_place_options(e, &opts);
	if (state_dir_create(e->sd, &e->err) < 0 ||
	    state_dir_sweep(e->sd, &e->err) < 0 ||
	    engine_take_place(e, &e->err) < 0 ||
	    run_create(&e->run, e->sd, e->plan, run_id, started, &opts,
		       &e->err) < 0)
		return finish(e, "run", engine_exit_of(e, &e->err));
	e->own_run = true;
	introduce(e);
	ret = record_process(e, "run");
	if (!ret)
		ret = drive(e);
	return finish(e, "run", ret);
}

/* A rollback that was cut short goes on; anything else goes forward. */
static int resume_from(struct engine *e)
{
	struct error err = ERROR_INIT;

	if (engine_wait_children(e, &e->err) < 0)
		return EXIT_FAILED;
	engine_sweep(e);
	switch (e->run->state) {
	case RUN_ROLLING_BACK:
	case RUN_ROLLBACK_FAILED:
		return engine_rollback_to(e, e->run->rollback_point);
	case RUN_COMPLETE:
		return EXIT_DONE;
	case RUN_NONE:
	case RUN_CLOSED:
	case RUN_STATE_COUNT:
		return error_code_exit(ERR_NO_RUN);
	case RUN_ROLLED_BACK:
		if (!run_is_open(e->run)) {
			(void)error_set(&e->err, ERR_NO_RUN, -ENOENT,
				_("run %s was rolled back to start; nothing "
				  "is open"), e->run->id);
			return error_code_exit(ERR_NO_RUN);
		}
		break;
	case RUN_BEGUN:
	case RUN_BACKED_UP:
	case RUN_PAUSED:
	case RUN_FAILED:
		break;
	}
	error_release(&err);
	return drive(e);
}

/*
 * A complete run that makes up for a step is open again, durably so before the
 * step begins: killed in it, the next process goes on with it.
 */
static int reopen(struct engine *e)
{
	const struct run_step *rs = e->opts.run_step ?
		run_step_find(e->run, e->opts.run_step) : NULL;
	char last[RUN_ID_LEN + 1];
	struct json_object *x;

	if (!rs || e->run->state != RUN_COMPLETE ||
	    rs->state == STEP_VERIFIED)
		return 0;
	if (state_dir_current(e->sd, last) < 0 || strcmp(last, e->run->id)) {
		(void)error_set(&e->err, ERR_NO_WAY_BACK, -EPERM,
			_("run %s is over: run %s came later"), e->run->id,
			last);
		return error_code_exit(ERR_NO_WAY_BACK);
	}
	if (engine_due(e, plan_find_step(e->plan, rs->id), &e->err) < 0)
		return EXIT_NEED_ANSWER;
	x = json_object_new_object();
	json_set_str(x, "reason", "run-step");
	return run_record_state(e->run, RUN_PAUSED, x, &e->err) < 0 ?
		error_code_exit(ERR_JOURNAL) : 0;
}

int engine_resume(struct engine *e, struct run *run)
{
	int ret;

	engine_adopt(e, run);
	introduce(e);
	ret = bad_options(e);
	if (!ret)
		ret = reopen(e);
	if (!ret)
		ret = record_process(e, "resume");
	if (!ret)
		ret = resume_from(e);
	return finish(e, "resume", ret);
}

void engine_leave(struct engine *e, struct run *run)
{
	engine_adopt(e, run);
	if (!run_is_open(run))
		engine_leases_forget(e);
}

int engine_rollback(struct engine *e, struct run *run, const char *point)
{
	int ret;

	engine_adopt(e, run);
	introduce(e);
	ret = record_process(e, "rollback");
	if (!ret && engine_wait_children(e, &e->err) < 0)
		ret = EXIT_FAILED;
	if (!ret)
		engine_sweep(e);
	if (!ret)
		ret = engine_rollback_to(e, point);
	return finish(e, "rollback", ret);
}

int engine_retry(struct engine *e, struct run *run, const char *id,
		 struct step_retry *r)
{
	engine_adopt(e, run);
	introduce(e);
	return finish(e, "retry-rejects", engine_retry_step(e, id, r));
}
