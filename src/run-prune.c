/* SPDX-License-Identifier: MIT */
/*
 * A backup goes in two steps: `pruned` is durable in its journal first, then
 * the files go. Killed in between, the journal already says that the backup
 * cannot be relied on, and the next prune or forget goes on.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run-internal.h"

static void run_freep(struct run **r)
{
	run_free(*r);
}

static int drop_files(struct run *r, struct error *err)
{
	struct json_object *rec;
	int rc;

	if (r->backup.done && !r->backup.pruned) {
		rec = json_object_new_object();
		json_set_str(rec, "what", "pruned");
		rc = run_record(r, rec, err);
		if (rc < 0)
			return rc;
	}
	if (r->backup_fd < 0 && !r->backup.below)
		return 0;
	rc = run_remove_backup(r);
	if (rc < 0)
		return error_errno(err, ERR_STATE, rc,
				   _("cannot remove the backup of run %s"),
				   r->id);
	return 0;
}

int run_drop_backup(struct run *r, struct error *err)
{
	int rc = run_drop_snapshot(r, err);

	/* the next one tries again, as long as the backup is there */
	return rc < 0 ? rc : drop_files(r, err);
}

/* seconds from a's time to b's; false if one cannot be read */
static bool seconds_between(const char *a, const char *b, double *ret)
{
	struct timespec x, y;

	if (!a || !b || clock_parse(a, &x) < 0 || clock_parse(b, &y) < 0)
		return false;
	*ret = difftime(y.tv_sec, x.tv_sec);
	return true;
}

static bool may_prune(const struct run *old, const struct run *newer,
		      double keep_s)
{
	struct timespec ts;
	char now[CLOCK_TEXT_SIZE];
	double age, gap;

	if (run_is_open(old) || old->backup_fd < 0 || !old->finished)
		return false;
	if (strcmp(json_get_str(old->begun, "plan", ""),
		   json_get_str(newer->begun, "plan", "?")))
		return false;
	/* newer by its number; a clock that stands before a run is wrong */
	if (json_get_int(old->begun, "number", 0) >=
	    json_get_int(newer->begun, "number", 0))
		return false;
	clock_now(&ts);
	clock_format(&ts, now);
	if (!seconds_between(old->finished, newer->finished, &gap) || gap < 0)
		return false;
	return seconds_between(old->finished, now, &age) && age >= 0 &&
	       age >= keep_s;
}

int run_prune(struct state_dir *sd, const struct run *newer, double keep_s,
	      struct strvec *pruned, struct error *err)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	size_t i;
	int rc;

	/* only behind a run that is complete, verified and not rolled back */
	if (newer->state != RUN_COMPLETE || !newer->backup.done ||
	    newer->backup.pruned || newer->backup_fd < 0 || keep_s < 0)
		return 0;
	rc = state_dir_runs(sd, &ids, err);
	for (i = 0; i < ids.n && rc == 0; i++) {
		_cleanup_(run_freep) struct run *old = NULL;

		if (!strcmp(ids.v[i], newer->id))
			continue;
		/* a run that cannot be read is not ours to throw away */
		if (run_open(&old, sd, ids.v[i], false, NULL) < 0 ||
		    !may_prune(old, newer, keep_s))
			continue;
		run_free(TAKE_PTR(old));
		rc = run_open(&old, sd, ids.v[i], true, err);
		if (rc == 0)
			rc = run_drop_backup(old, err);
		if (rc == 0 && pruned)
			strvec_push(pruned, ids.v[i]);
	}
	return rc;
}

/* `current` never names a run that goes */
static int move_current(struct state_dir *sd, const char *id,
			struct error *err)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	char current[RUN_ID_LEN + 1];
	size_t i;
	int rc;

	rc = state_dir_current(sd, current);
	if (rc < 0 || strcmp(current, id))
		return 0;
	rc = state_dir_runs(sd, &ids, err);
	if (rc < 0)
		return rc;
	for (i = ids.n; i-- > 0;)
		if (strcmp(ids.v[i], id))
			return state_dir_set_current(sd, ids.v[i], err);
	rc = fs_unlink(sd->fd, CURRENT_NAME, 0);
	if (rc < 0 && rc != -ENOENT)
		return error_errno(err, ERR_STATE, rc, _("cannot remove '%s'"),
				   CURRENT_NAME);
	return 0;
}

int run_forget(struct state_dir *sd, const char *id, bool keep_snapshot,
	       struct error *err)
{
	_cleanup_(run_freep) struct run *r = NULL;
	int rc;

	if (sd->lock_fd < 0)
		BUG("run_forget() without the lock");
	rc = run_open(&r, sd, id, true, err);
	if (rc < 0)
		return rc;
	if (run_is_open(r))
		return error_set(err, ERR_RUN_OPEN, -EBUSY,
				 _("run %s is not finished"), id);
	/* a backup elsewhere first: only the journal knows where it is */
	if (!keep_snapshot) {
		rc = run_drop_snapshot(r, err);
		if (rc < 0) {
			error_hint(err, "upshift forget %s --keep-snapshot",
				   id);
			return rc;
		}
	}
	if (!run_backup_inside(r)) {
		rc = drop_files(r, err);
		if (rc < 0)
			return rc;
	}
	rc = move_current(sd, id, err);
	if (rc < 0)
		return rc;
	rc = run_discard(sd, id);
	if (rc < 0)
		return error_errno(err, ERR_STATE, rc,
				   _("cannot remove run %s"), id);
	return 0;
}

static bool holds_backup(struct state_dir *sd, const char *id)
{
	_cleanup_(run_freep) struct run *r = NULL;

	return run_open(&r, sd, id, false, NULL) == 0 && r->backup.done &&
	       !r->backup.pruned && r->backup_fd >= 0;
}

bool run_is_only_backup(struct state_dir *sd, const char *id)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	size_t i;

	if (!holds_backup(sd, id) || state_dir_runs(sd, &ids, NULL) < 0)
		return false;
	for (i = 0; i < ids.n; i++)
		if (strcmp(ids.v[i], id) && holds_backup(sd, ids.v[i]))
			return false;
	return true;
}

/* --- what one who was killed left --- */

int run_sweep(struct run *r)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	int rc = fs_remove_tree(r->fd, RUN_STAGE);

	if (rc >= 0 && r->backup_fd >= 0)
		rc = list_dir(r->backup_fd, ".", &names);
	for (size_t i = 0; rc >= 0 && i < names.n; i++)
		if (str_ends(names.v[i], ".part"))
			rc = fs_unlink(r->backup_fd, names.v[i], 0);
	return rc < 0 ? rc : 0;
}
