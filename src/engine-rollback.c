/* SPDX-License-Identifier: MIT */
/*
 * Going back (PROTOCOL 5): the steps above a checkpoint are undone, newest
 * first, each path to its pre-image.
 *
 *  1 the digests of backup and pre-images are compared; damage ends it here
 *  2 the state before is written as R1 (a manifest; the inodes follow by
 *    rename), durable before `rolling-back` names it
 *  3 for each step: undoing -> [command, paths, directory times] -> undone
 *  4 the plan's verify_rollback, the application, rolled-back
 *
 * Killed anywhere: the state is rolling-back, and going on begins at 3 with
 * the same R point; steps that are `undone` are passed over, the others are
 * done again, which undo.h makes safe.
 */
#include <errno.h>
#include <string.h>

#include "backup.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-rollback.h"
#include "engine-stores.h"
#include "store.h"
#include "undo.h"

/* --- which steps, and may they --- */

/* did it change anything that is still there? */
static bool in_effect(const struct run_step *rs)
{
	switch (rs->state) {
	case STEP_APPLYING:
	case STEP_UNDOING:
	case STEP_UNDO_FAILED:
		return true;
	case STEP_APPLIED:
	case STEP_VERIFIED:
	case STEP_FAILED:
		return rs->attempt > 0 && !rs->already;
	case STEP_PENDING:
	case STEP_SKIPPED:
	case STEP_UNDONE:
	case STEP_STATE_COUNT:
		break;
	}
	return false;
}

bool rollback_in_effect(const struct engine *e, int i)
{
	return !(e->plan->steps[i]->ops->flags & STEP_IS_CHECK) &&
		in_effect(&e->run->steps[i]);
}

bool rollback_touches(const struct engine *e, int i)
{
	return rollback_in_effect(e, i) && rollback_is_meant(e, i);
}

static void no_way_back(struct engine *e, const char *point, const char *why,
			struct error *err)
{
	if (!why || !strcmp(why, "pruned"))
		(void)error_set(err, ERR_NO_WAY_BACK, -EPERM,
			_("cannot go back to %s: the backup was removed, it "
			  "was kept long enough"), point);
	else if (plan_find_step(e->plan, why))
		(void)error_set(err, ERR_NO_WAY_BACK, -EPERM,
			_("cannot go back to %s: step '%s' has no way back"),
			point, why);
	else
		(void)error_set(err, ERR_NO_WAY_BACK, -EPERM,
			_("cannot go back to %s: run %s came later"), point,
			why);
}

/* The step number that stays applied, 0 for start; -1 with err. */
int rollback_goal_step(struct engine *e, const char *point, struct error *err)
{
	struct run_goal *goals = NULL;
	size_t n = run_goals(e->run, e->plan, &goals);
	int ret = -1;

	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(goals[i].name, point) != 0)
			continue;
		ret = goals[i].step;
		if (!goals[i].available) {
			no_way_back(e, point, goals[i].why, err);
			ret = -2;
		}
	}
	if (ret == -1)
		(void)error_set(err, ERR_NO_POINT, -ENOENT,
				_("run %s has no point '%s'"), e->run->id,
				point);
	run_goals_free(goals, n);
	return ret;
}

/* Nothing is changed before this has passed. */
static int verify_sources(struct engine *e, int goal, struct error *err)
{
	int ret = run_need_backup(e->run, err);

	if (ret >= 0 && e->run->backup.done)
		ret = backup_verify(e->run->backup_fd, "start",
				    e->run->backup.archive_digest,
				    e->run->backup.manifest_digest, false,
				    err);
	for (int i = (int)e->plan->step_n - 1; ret >= 0 && i >= goal; i--) {
		const struct run_step *rs = &e->run->steps[i];
		char name[STEP_NAME_SIZE];

		if (!rollback_touches(e, i) || !rs->pre_digest)
			continue;
		engine_step_name(name, sizeof(name), rs->id, rs->attempt, "");
		ret = backup_verify(e->run->backup_fd, name, NULL,
				    rs->pre_digest, true, err);
	}
	return ret;
}

static int all_written(struct engine *e, int goal, struct effects *ret)
{
	int r = 0;

	for (int i = (int)e->plan->step_n - 1; r >= 0 && i >= goal; i--)
		if (rollback_touches(e, i))
			r = rollback_written(e, i, ret);
	return r;
}

static struct json_object *states_json(const struct engine *e)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < e->run->step_n; i++)
		json_set_str(o, e->run->steps[i].id,
			     step_state_name(e->run->steps[i].state));
	return o;
}

static bool has_log(const struct engine *e, const char *db)
{
	static const char *const ends[] = { "-wal", "-journal" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_cleanup_free_ char *log = xasprintf("%s%s", db, ends[i]);

		if (fs_stat_beneath(e->sd->root_fd, log, &st) == 0)
			return true;
	}
	return false;
}

/*
 * What a killed writer of a SQLite database left in its log, whoever opens the
 * file folds into it, or takes back; and a step may open it before it goes
 * aside. The manifest is to have the file as it is then. Where that cannot be
 * done now, as somebody is at work in it, it is for those who close it last.
 */
static void settle_databases(struct engine *e, const struct effects *eff)
{
	for (size_t i = 0; i < e->plan->store_n; i++) {
		const struct plan_store *st = &e->plan->stores[i];
		struct store_options o;
		struct store *s = NULL;
		struct step_ctx c;

		if (st->kind != PLAN_STORE_SQLITE ||
		    !effects_cover(eff, st->path) || !has_log(e, st->path))
			continue;
		step_ctx_init(&c, e, NULL, PHASE_ROLLBACK);
		step_store_options(&c, st, &o);
		if (store_open(st->url, &o, &s, NULL) == 0)
			store_close(s);
		step_ctx_release(&c);
	}
}

/* R1, R2, ...: the state before, and the record that begins the rollback. */
int rollback_begin(struct engine *e, const char *point, int goal,
		   const struct effects *eff, const struct store_sets *sets,
		   struct error *err)
{
	_cleanup_free_ char *r = xasprintf("R%zu", e->run->point_n + 1);
	struct effects whole = EFFECTS_INIT;
	char digest[BLAKE2_TEXT_SIZE] = "", stores[BLAKE2_TEXT_SIZE] = "";
	struct json_object *x, *rows;
	int ret = 0;

	rollback_whole(e, eff, &whole);
	settle_databases(e, &whole);
	if (whole.n)
		ret = undo_write_point(e->sd->root_fd, e->sd->root,
				       &e->sd->ours, e->run->backup_fd, r,
				       &whole, digest, err);
	effects_release(&whole);
	if (ret >= 0)
		ret = rollback_save_sets(e, r, sets, stores, err);
	if (ret < 0)
		return ret;
	rows = rollback_rows_json(e, point, goal);
	x = json_object_new_object();
	json_set_str(x, "point", point);
	json_set_str(x, "r", r);
	json_set_str(x, "r_digest", digest);
	if (rows)
		json_object_object_add(x, "tables", rows);
	if (*stores)
		json_set_str(x, "r_stores", stores);
	if (*stores || rollback_wants(e) == PLAN_BY_SNAPSHOT)
		json_set_str(x, "strategy",
			     plan_strategy_name(rollback_wants(e)));
	if (e->opts.no_carry)
		json_set_bool(x, "no_carry", true);
	rollback_record_steps(e, x);
	json_object_object_add(x, "steps", states_json(e));
	return run_record_state(e->run, RUN_ROLLING_BACK, x, err);
}

int rollback_failed(struct engine *e, struct error *err)
{
	struct json_object *x = json_object_new_object();
	int exit = err->code == ERR_ROLLBACK_SPACE || err->code == ERR_NO_SPACE ||
		err->code == ERR_CANCELLED ? EXIT_FAILED :
		EXIT_ROLLBACK_FAILED;

	json_set_str(x, "code", error_code_name(err->code));
	json_set_str(x, "message", err->msg);
	json_set_int(x, "exit", exit);
	if (exit == EXIT_ROLLBACK_FAILED)
		(void)run_record_state(e->run, RUN_ROLLBACK_FAILED, x, NULL);
	else
		json_object_put(x);
	e->failed_phase = PHASE_ROLLBACK;
	return exit;
}

int rollback_record_done(struct engine *e, const char *point, int exit)
{
	struct json_object *x = json_object_new_object();

	json_set_str(x, "point", point);
	json_set_int(x, "exit", exit);
	return run_record_state(e->run, RUN_ROLLED_BACK, x, &e->err);
}

void rollback_emit(struct engine *e, const char *point, enum event_state s)
{
	struct event ev = { .type = EVENT_ROLLBACK, .state = s,
			    .point = point };
	const struct run_point *p = run_last_point(e->run);

	if (s == EVENT_DONE && p) {
		ev.restored = p->restored;
		ev.lost = p->lost;
		ev.kept = p->kept;
		ev.carried = p->carried;
		ev.extra = p->tables;
	}
	engine_emit(e, &ev);
}

/* Steps are undone, or the tree goes back to an R point; then all the rest. */
static int finish_rollback(struct engine *e, const char *point, int exit)
{
	int ret = engine_verify_rollback(e, &e->err);

	if (ret >= 0)
		ret = engine_app_start(e, &e->err);
	if (ret < 0)
		return rollback_failed(e, &e->err);
	if (rollback_record_done(e, point, exit) < 0)
		return error_code_exit(ERR_JOURNAL);
	rollback_emit(e, point, EVENT_DONE);
	return exit;
}

static int undo_steps(struct engine *e, const char *point, int goal, int exit)
{
	_cleanup_free_ char *r = xstrdup(e->run->rollback_r);

	if (rollback_empty(e, &e->err) < 0)
		return rollback_failed(e, &e->err);
	for (int i = (int)e->plan->step_n - 1; i >= goal; i--) {
		if (!rollback_is_meant(e, i))
			continue;
		if (!rollback_touches(e, i)) {
			/* checks and steps with nothing to undo: not done */
			enum step_state st = e->run->steps[i].state;

			if (st == STEP_VERIFIED || st == STEP_APPLIED ||
			    st == STEP_FAILED) {
				if (run_record_step(e->run,
					e->run->steps[i].id, STEP_UNDOING,
					NULL, &e->err) < 0 ||
				    run_record_step(e->run,
					e->run->steps[i].id, STEP_UNDONE,
					NULL, &e->err) < 0)
					return error_code_exit(ERR_JOURNAL);
			}
			continue;
		}
		if (engine_cancelled(e) == ENGINE_CANCEL_NOW) {
			(void)error_set(&e->err, ERR_CANCELLED, -ECANCELED,
				_("the rollback was stopped by the user"));
			return rollback_failed(e, &e->err);
		}
		if (engine_undo_step(e, i, r, &e->err) < 0)
			return e->err.code == ERR_JOURNAL ?
				error_code_exit(ERR_JOURNAL) :
				rollback_failed(e, &e->err);
	}
	if (rollback_load(e, goal, &e->err) < 0 ||
	    rollback_carry(e, goal, &e->err) < 0 ||
	    rollback_tell(e, goal, &e->err) < 0)
		return rollback_failed(e, &e->err);
	return finish_rollback(e, point, exit);
}

/* --- entries --- */

/* a provider that fails for good is no reason to be without the backup */
static int leave_snapshot(struct engine *e)
{
	struct json_object *x;

	if (rollback_strategy(e) != PLAN_BY_SNAPSHOT ||
	    !e->opts.strategy_given || e->opts.strategy != PLAN_BY_BACKUP)
		return 0;
	x = json_object_new_object();
	json_set_str(x, "point", e->run->rollback_point);
	json_set_str(x, "r", e->run->rollback_r);
	json_set_str(x, "strategy", plan_strategy_name(PLAN_BY_BACKUP));
	if (e->run->rollback_no_carry)
		json_set_bool(x, "no_carry", true);
	return run_record_state(e->run, RUN_ROLLING_BACK, x, &e->err);
}

/* what cannot be carried is no reason to stay, if nobody wants it */
static int leave_carrying(struct engine *e)
{
	struct json_object *x;

	if (!e->opts.no_carry || e->run->rollback_no_carry)
		return 0;
	x = json_object_new_object();
	json_set_str(x, "point", e->run->rollback_point);
	json_set_str(x, "r", e->run->rollback_r);
	if (e->run->rollback_strategy)
		json_set_str(x, "strategy", e->run->rollback_strategy);
	json_set_bool(x, "no_carry", true);
	rollback_record_steps(e, x);
	return run_record_state(e->run, RUN_ROLLING_BACK, x, &e->err);
}

int rollback_under_way(const struct engine *e)
{
	const char *point = e->run->rollback_point;

	return !strcasecmp(point, "start") || e->run->rollback_only.n ? 0 :
	       atoi(point + 2);
}

static int continue_rollback(struct engine *e, const char *point, int exit)
{
	int goal;

	if (strcasecmp(point, e->run->rollback_point) != 0) {
		(void)error_set(&e->err, ERR_ROLLBACK, -EBUSY,
			_("a rollback to %s is under way; it has to be "
			  "finished first"), e->run->rollback_point);
		error_hint(&e->err, _("upshift resume"));
		return EXIT_FAILED;
	}
	if (rollback_is_r_point(point))
		return rollback_return(e, point);
	goal = rollback_under_way(e);
	if (verify_sources(e, goal, &e->err) < 0)
		return rollback_failed(e, &e->err);
	if (leave_snapshot(e) < 0 || leave_carrying(e) < 0)
		return error_code_exit(ERR_JOURNAL);
	rollback_emit(e, point, EVENT_STARTED);
	return undo_steps(e, point, goal, exit);
}

static int rollback(struct engine *e, const char *point, int exit)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	struct effects eff = EFFECTS_INIT;
	_cleanup_free_ char *to = xstrdup(point);
	int goal, ret;

	engine_phase(e, PHASE_ROLLBACK, EVENT_STARTED);
	if (e->run->state == RUN_ROLLING_BACK ||
	    e->run->state == RUN_ROLLBACK_FAILED)
		return continue_rollback(e, to, exit);
	if (rollback_is_r_point(to))
		return rollback_return(e, to);
	goal = rollback_goal(e, to, &e->err);
	if (goal < 0)
		return error_code_exit(e->err.code);
	if (rollback_may(e, to, goal, &e->err) < 0)
		return error_code_exit(e->err.code);
	if (verify_sources(e, goal, &e->err) < 0) {
		error_hint(&e->err, "%s",
			   _("nothing was changed by this rollback"));
		e->failed_phase = PHASE_ROLLBACK;
		return EXIT_ROLLBACK_FAILED;
	}
	rollback_emit(e, to, EVENT_STARTED);
	ret = engine_app_stop(e, &e->err);
	if (ret >= 0)
		ret = all_written(e, goal, &eff);
	if (ret >= 0)
		ret = rollback_sets(e, goal, &sets);
	if (ret >= 0)
		ret = rollback_begin(e, to, goal, &eff, &sets, &e->err);
	effects_release(&eff);
	if (ret < 0)
		return EXIT_FAILED;
	return undo_steps(e, to, goal, exit);
}

int engine_rollback_to(struct engine *e, const char *point)
{
	/* what cannot be known now is said by the step that needs it */
	if (engine_leases_begin(e, &e->err) == -EBUSY)
		return engine_exit_of(e, &e->err);
	error_release(&e->err);
	return rollback(e, point, EXIT_DONE);
}

/* Only if it takes back every change; else nothing is undone. */
int engine_auto_rollback(struct engine *e)
{
	struct error why = ERROR_INIT, no = ERROR_INIT;
	int ret;

	if (rollback_goal_step(e, "start", &no) < 0) {
		engine_warn(e, NULL, no.msg);
		error_release(&no);
		return EXIT_FAILED;
	}
	error_move(&why, &e->err);
	ret = rollback(e, "start", EXIT_ROLLED_BACK);
	if (ret == EXIT_ROLLED_BACK)
		/* what failed first is what the user has to know */
		error_move(&e->err, &why);
	error_release(&why);
	return ret;
}
