/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "journal.h"
#include "run-internal.h"
#include "run-look.h"

struct run *run_alloc(struct state_dir *sd, const char *id)
{
	struct run *r = xcalloc(1, sizeof(*r));

	r->sd = sd;
	(void)snprintf(r->id, sizeof(r->id), "%s", id);
	r->fd = -1;
	r->backup_fd = -1;
	r->log_fd = -1;
	r->decisions = json_object_new_array();
	r->warnings = json_object_new_array();
	r->verify = json_object_new_object();
	return r;
}

static void free_step(struct run_step *st)
{
	free(st->id);
	free(st->started);
	free(st->changed_at);
	json_object_put(st->effects);
	free(st->pre_digest);
	free(st->post_digest);
	json_object_put(st->schemas);
	json_object_put(st->facts);
	free(st->error_code);
	free(st->error_msg);
	free(st->skipped_why);
	free(st->probe);
}

static void free_point(struct run_point *p)
{
	free(p->name);
	free(p->digest);
	free(p->stores_digest);
	json_object_put(p->steps);
	json_object_put(p->touched);
	free(p->time);
	free(p->rollback_point);
	free(p->to);
	strvec_release(&p->lost_names);
	json_object_put(p->tables);
	json_object_put(p->verify);
}

static void free_strings(struct run *r)
{
	free(r->backup.archive_digest);
	free(r->backup.manifest_digest);
	free(r->backup.readback);
	free(r->backup.finished);
	free(r->backup.dir);
	free(r->backup.below);
	free(r->backup.place);
	free(r->snapshot.state);
	free(r->snapshot.name);
	free(r->snapshot.id);
	free(r->snapshot.time);
	free(r->snapshot.restored);
	strvec_release(&r->snapshot.drop);
	free(r->rollback_point);
	free(r->rollback_r);
	free(r->rollback_strategy);
	strvec_release(&r->rollback_only);
	free(r->app_state);
	free(r->app_since);
	free(r->finished);
	free(r->failed_phase);
	free(r->failed_step);
	free(r->error_code);
	free(r->error_msg);
}

void run_free(struct run *r)
{
	size_t i;

	if (!r)
		return;
	journal_close(r->journal);
	closep(&r->fd);
	closep(&r->backup_fd);
	closep(&r->log_fd);
	json_object_put(r->begun);
	free(r->key);
	for (i = 0; i < r->step_n; i++)
		free_step(&r->steps[i]);
	free(r->steps);
	for (i = 0; i < r->point_n; i++)
		free_point(&r->points[i]);
	free(r->points);
	json_object_put(r->facts);
	json_object_put(r->decisions);
	json_object_put(r->warnings);
	json_object_put(r->verify);
	free_strings(r);
	free(r);
}

static void run_freep(struct run **r)
{
	run_free(*r);
}

/* --- opening --- */

static int open_fold(void *ctx, struct json_object *rec, struct error *err)
{
	return run_fold(ctx, rec, err);
}

/* what the whole records before the damage vouch for */
static void hint_safe(const struct run *r, struct error *err)
{
	_cleanup_free_ char *dir = NULL;

	if (err->hint)
		return;
	if (!r->backup.done || r->backup.pruned || !r->backup.dir) {
		error_hint(err, _("nothing was changed now; the records "
				  "before it are whole and name no backup"));
		return;
	}
	dir = escape_bytes(r->backup.dir);
	error_hint(err, _("nothing was changed now; the records before it are "
			  "whole: the backup of %s in '%s' was complete and "
			  "verified"), r->backup.finished, dir);
}

/*
 * Inode and, within one boot, device: device numbers of btrfs, NFS and loop
 * devices change with a reboot. A copy of the tree has other inodes.
 */
static int check_foreign(const struct run *r, struct error *err)
{
	const struct stat *st = &r->sd->root_stat;
	_cleanup_free_ char *root = json_get_bytes(r->begun, "root");
	_cleanup_free_ char *safe = escape_bytes(root ? root : "?");
	char boot[37];
	bool other;

	proc_boot_id(boot);
	other = json_get_int(r->begun, "root_ino", 0) != (int64_t)st->st_ino;
	if (boot[0] && !strcmp(json_get_str(r->begun, "boot_id", ""), boot) &&
	    json_get_int(r->begun, "root_dev", 0) != (int64_t)st->st_dev)
		other = true;
	if (other) {
		error_set(err, ERR_FOREIGN, -EXDEV,
			  _("run %s was begun in '%s', which is not this "
			    "directory"), r->id, safe);
		error_hint(err, _("a copied directory has no run of its own; "
				  "go on in the original"));
		return -EXDEV;
	}
	if (strcmp(json_get_str(r->begun, "id", r->id), r->id))
		return error_set(err, ERR_FOREIGN, -EXDEV,
				 _("the directory of run %s holds the journal "
				   "of run %s"), r->id,
				 json_get_str(r->begun, "id", ""));
	/* reading where it stands is fine; going on needs the old place, since
	   commands and the backup may name it */
	if (r->writable && root && strcmp(root, r->sd->root)) {
		error_set(err, ERR_FOREIGN, -EXDEV,
			  _("run %s was begun in '%s', and the directory was "
			    "moved since"), r->id, safe);
		error_hint(err, _("move it back to go on or go back"));
		return -EXDEV;
	}
	return 0;
}

bool run_backup_inside(const struct run *r)
{
	_cleanup_free_ char *end = xasprintf("/" RUNS_NAME "/%s/" BACKUP_NAME,
					     r->id);

	return !r->backup.dir || str_ends(r->backup.dir, end);
}

int run_open_backup(struct run *r, struct error *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	_cleanup_free_ char *safe = escape_bytes(r->backup.dir ?
						 r->backup.dir : BACKUP_NAME);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int rc;

	if (run_backup_inside(r))
		fd = fs_open(r->fd, BACKUP_NAME, flags, 0);
	else if (r->backup.below)
		fd = fs_open_beneath(r->sd->root_fd, r->backup.below, flags,
				     0);
	else
		fd = fs_open(AT_FDCWD, r->backup.dir, flags, 0);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, ERR_BACKUP_DIR, fd < 0 ? fd : -errno,
				   _("cannot open backup directory '%s'"),
				   safe);
	rc = check_private(&st, r->backup.dir, err);
	if (rc < 0)
		return rc;
	closep(&r->backup_fd);
	r->backup_fd = TAKE_FD(fd);
	return 0;
}

/* the run is ours to go on with: finish what a killed start left undone */
static int take_over(struct run *r, struct error *err)
{
	int rc = run_settle_place(r);

	if (rc < 0)
		return error_errno(err, ERR_STATE, rc,
				   _("cannot set the time of '%s'"),
				   r->backup.place);
	if (faccessat(r->fd, JOURNAL_STATE_NAME, F_OK,
		      AT_SYMLINK_NOFOLLOW) < 0) {
		rc = state_dir_set_current(r->sd, r->id, NULL);
		/* once state.json is there `current` has to be right */
		if (rc < 0) {
			(void)fs_unlink(r->fd, RESERVE_NAME, 0);
			rc = state_dir_set_current(r->sd, r->id, err);
		}
		if (rc < 0)
			return rc;
	}
	(void)atomic_file_sweep(r->fd, JOURNAL_STATE_NAME);
	run_save_state(r);
	return 0;
}

/* what moves the state of a run */
static const char *const look_kinds[] = { "run", "process", "pruned", NULL };

static int load(struct run *r, bool look, struct error *err)
{
	_cleanup_error_ struct error e = ERROR_INIT;
	int rc;

	rc = look ? journal_open_some(&r->journal, r->fd, look_kinds,
				      open_fold, r, &e) :
		journal_open_last(&r->journal, r->fd, r->writable, RUN_UNDONE,
				  open_fold, r,
			     &e);
	if (rc == 0 && !r->begun)
		rc = error_set(&e, ERR_JOURNAL_DAMAGED, -EBADMSG,
			       _("the journal is empty"));
	if (rc < 0) {
		if (rc == -EBADMSG)
			hint_safe(r, &e);
		error_prefix(&e, _("run %s"), r->id);
		if (err)
			error_move(err, &e);
		return rc;
	}
	rc = check_foreign(r, err);
	if (rc == 0)
		rc = run_open_backup(r, err);
	return rc;
}

static int open_run(struct run **ret, struct state_dir *sd, const char *id,
		    bool writable, bool look, struct error *err)
{
	_cleanup_(run_freep) struct run *r = NULL;
	char current[RUN_ID_LEN + 1] = "";
	_cleanup_free_ char *safe = NULL;
	int rc;

	if (writable && sd->lock_fd < 0)
		BUG("run_open() for writing without the lock");
	if (!id) {
		rc = state_dir_current(sd, current);
		if (rc < 0)
			return error_errno(err, ERR_STATE, rc,
					   _("cannot find the current run"));
		if (!current[0])
			return error_set(err, ERR_NO_RUN, -ENOENT,
					 _("there is no run in '%s'"),
					 sd->root);
		id = current;
	}
	safe = escape_bytes(id);
	r = run_alloc(sd, id);
	r->writable = writable;
	r->fd = run_dir_open(sd, id);
	if (r->fd == -ENOENT || (r->fd >= 0 && journal_peek(r->fd, NULL) == 0 &&
				 faccessat(r->fd, JOURNAL_STATE_NAME, F_OK,
					   AT_SYMLINK_NOFOLLOW) < 0))
		return error_set(err, ERR_NO_RUN, -ENOENT,
				 _("there is no run '%s'"), safe);
	if (r->fd < 0)
		return error_errno(err, ERR_STATE, r->fd,
				   _("cannot open run '%s'"), safe);
	rc = load(r, look, err);
	if (rc == 0 && writable)
		rc = take_over(r, err);
	if (rc < 0)
		return rc;
	/* before a backup is in it, and when it vanished, it is ours as well */
	if (r->backup.place && !r->backup.pruned)
		ours_add(&sd->ours, r->backup.place);
	*ret = TAKE_PTR(r);
	return 0;
}

int run_open(struct run **ret, struct state_dir *sd, const char *id,
	     bool writable, struct error *err)
{
	return open_run(ret, sd, id, writable, false, err);
}

int run_look(struct run **ret, struct state_dir *sd, const char *id,
	     struct error *err)
{
	return open_run(ret, sd, id, false, true, err);
}

/* --- questions --- */

bool run_is_open(const struct run *r)
{
	switch (r->state) {
	case RUN_NONE:
	case RUN_COMPLETE:
	case RUN_CLOSED:
		return false;
	case RUN_ROLLED_BACK:
		/* to a checkpoint: resume goes on with the step behind it */
		return r->rollback_point && strcasecmp(r->rollback_point, "start");
	default:
		return true;
	}
}

bool run_changed_data(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->step_n; i++)
		if (r->steps[i].touched)
			return true;
	return false;
}

struct run_step *run_step_find(struct run *r, const char *id)
{
	int n = run_step_number(r, id);

	return n < 0 ? NULL : &r->steps[n - 1];
}

int run_step_number(const struct run *r, const char *id)
{
	size_t i;

	for (i = 0; i < r->step_n; i++)
		if (!strcmp(r->steps[i].id, id))
			return (int)i + 1;
	return -1;
}
