/* SPDX-License-Identifier: MIT */
/*
 * Making and removing the directory of a backup (where: run-place.c).
 *
 * Making the place below the root, and removing it with the last backup, gives
 * the directory above another mtime, which is put back. For one who is killed
 * in between it stands in PLACE_TIME_NAME of the run directory, from before the
 * change until it has been put back; whoever opens the run next does so.
 *
 * What a kill leaves of the making: record 1, then the place, then the rest
 * down to <id>, each made if it is not there. Of the removing: `pruned` in the
 * journal, then some part of the files; the next prune or forget goes on.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run-internal.h"

/* --- the time of the directory above --- */

/* of the directory that holds the place */
static int open_above(const struct run *r, const char **name)
{
	return fs_open_parent(r->sd->root_fd, r->backup.place, name);
}

static int note_time(const struct run *r, int above)
{
	struct stat st;

	/* one who was killed before noted the right one */
	if (faccessat(r->fd, PLACE_TIME_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (fstat(above, &st) < 0)
		return -errno;
	return mtime_note(r->fd, PLACE_TIME_NAME, &st.st_mtim);
}

int run_settle_place(const struct run *r)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT } };
	_cleanup_close_ int above = -1;
	const char *name;
	int rc;

	if (!r->backup.place)
		return 0;
	rc = mtime_noted(r->fd, PLACE_TIME_NAME, &ts[1]);
	if (rc <= 0)
		return rc;
	above = open_above(r, &name);
	if (above >= 0)
		rc = fs_utimes(above, ".", ts, 0);
	else
		rc = above == -ENOENT ? 0 : above;
	/* the note may go when the time is on disk, not before */
	if (rc == 0 && above >= 0)
		rc = fs_sync_dir(above, ".");
	return rc < 0 ? rc : fs_unlink(r->fd, PLACE_TIME_NAME, 0);
}

/* --- making --- */

static int make_place(const struct run *r)
{
	_cleanup_close_ int above = -1;
	const char *name;
	struct stat st;
	int rc = fs_stat_beneath(r->sd->root_fd, r->backup.place, &st);

	if (rc == -ENOENT) {
		above = open_above(r, &name);
		rc = above < 0 ? above : note_time(r, above);
		if (rc == 0)
			rc = fs_mkdir(above, name, 0700);
		if (rc == 0)
			rc = fs_sync_dir(above, ".");
	}
	return rc < 0 ? rc : run_settle_place(r);
}

/* nobody else may put another directory there */
static int check_holder(int fd, const char *path, struct error *err)
{
	_cleanup_free_ char *safe = escape_bytes(path);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, ERR_BACKUP_DIR, -errno,
				   _("cannot create '%s' for the backup"),
				   safe);
	if ((st.st_mode & 002) && !(st.st_mode & S_ISVTX))
		return error_set(err, ERR_BACKUP_DIR, -EPERM,
				 _("anybody may write to '%s', which is to "
				   "hold the backup"), safe);
	return 0;
}

static int make_below(struct run *r, struct error *err)
{
	_cleanup_free_ char *safe = escape_bytes(r->backup.dir);
	_cleanup_free_ char *dir = path_dirname(r->backup.below);
	int rc = make_place(r);

	if (rc == 0)
		rc = fs_mkdirs(r->sd->root_fd, dir, 0700, NULL);
	while (rc == 0) {
		_cleanup_close_ int fd = fs_open_beneath(r->sd->root_fd, dir,
			O_RDONLY | O_DIRECTORY, 0);
		char *up;

		if (fd < 0) {
			rc = fd;
			break;
		}
		rc = check_holder(fd, dir, err);
		if (rc < 0)
			return rc;
		if (!strcmp(dir, r->backup.place))
			break;
		up = path_dirname(dir);
		free(dir);
		dir = up;
	}
	if (rc == 0)
		rc = fs_mkdirs(r->sd->root_fd, r->backup.below, 0700, NULL);
	if (rc < 0)
		return error_errno(err, ERR_BACKUP_DIR, rc,
				   _("cannot create '%s' for the backup"),
				   safe);
	return 0;
}

static int make_elsewhere(struct run *r, struct error *err)
{
	_cleanup_free_ char *parent = path_dirname(r->backup.dir);
	_cleanup_free_ char *safe = escape_bytes(parent);
	_cleanup_close_ int top = fs_open(AT_FDCWD, "/",
					  O_RDONLY | O_DIRECTORY, 0);
	_cleanup_close_ int fd = -1;
	int rc = top < 0 ? top : 0;

	if (rc == 0 && strcmp(parent, "/"))
		rc = fs_mkdirs(top, parent + 1, 0700, NULL);
	if (rc == 0)
		fd = rc = fs_open(AT_FDCWD, parent,
				  O_RDONLY | O_DIRECTORY, 0);
	if (rc < 0)
		return error_errno(err, ERR_BACKUP_DIR, rc,
				   _("cannot create '%s' for the backup"),
				   safe);
	rc = check_holder(fd, parent, err);
	if (rc < 0)
		return rc;
	rc = fs_mkdir(fd, path_basename(r->backup.dir), 0700);
	if (rc == 0)
		rc = fs_sync_dir(fd, ".");
	if (rc < 0 && rc != -EEXIST)
		return error_errno(err, ERR_BACKUP_DIR, rc,
				   _("cannot create a directory in '%s' for "
				     "the backup"), safe);
	return 0;
}

static int make_inside(struct run *r, struct error *err)
{
	int rc = fs_mkdir(r->fd, BACKUP_NAME, 0700);

	if (rc == 0)
		rc = fs_sync_dir(r->fd, ".");
	if (rc < 0 && rc != -EEXIST)
		return error_errno(err, ERR_BACKUP_DIR, rc,
				   _("cannot create the backup directory"));
	return 0;
}

int run_backup_dir(struct run *r, struct error *err)
{
	int rc;

	if (r->backup_fd >= 0)
		return 0;
	if (run_backup_inside(r))
		rc = make_inside(r, err);
	else if (r->backup.below)
		rc = make_below(r, err);
	else
		rc = make_elsewhere(r, err);
	if (rc == 0)
		rc = run_open_backup(r, err);
	if (rc == 0 && r->backup_fd < 0)
		rc = error_set(err, ERR_BACKUP_DIR, -ENOENT,
			       _("the backup directory went away"));
	return rc;
}

int run_need_backup(const struct run *r, struct error *err)
{
	_cleanup_free_ char *safe = NULL;

	if (!r->backup.done || r->backup.pruned || r->backup_fd >= 0)
		return 0;
	safe = escape_bytes(r->backup.dir);
	error_set(err, ERR_BACKUP_DAMAGED, -ENOENT,
		  _("the backup in '%s' is not there any more"), safe);
	error_hint(err, _("put it back where it was; is its disk mounted?"));
	return -ENOENT;
}

/* --- removing --- */

/* rmdir of path; 1: something is in it */
static int remove_empty(const struct run *r, const char *path, bool last)
{
	_cleanup_close_ int dir = -1;
	const char *name;
	int rc;

	dir = fs_open_parent(r->sd->root_fd, path, &name);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	rc = last ? note_time(r, dir) : 0;
	if (rc < 0)
		return rc;
	rc = fs_unlink(dir, name, AT_REMOVEDIR);
	if (rc == 0)
		rc = fs_sync_dir(dir, ".");
	if (rc == -ENOENT)
		rc = 0;
	return rc == -ENOTEMPTY || rc == -EEXIST ? 1 : rc;
}

/* the backup, and what was made for it and holds no other */
static int remove_below(const struct run *r)
{
	_cleanup_free_ char *dir = path_dirname(r->backup.below);
	_cleanup_close_ int fd = -1;
	const char *name;
	int rc;

	fd = fs_open_parent(r->sd->root_fd, r->backup.below, &name);
	if (fd >= 0) {
		rc = fs_remove_tree(fd, name);
		if (rc == 0)
			rc = fs_sync_dir(fd, ".");
	} else {
		rc = fd == -ENOENT ? 0 : fd;
	}
	while (rc == 0) {
		bool last = !strcmp(dir, r->backup.place);
		char *up;

		if (last && r->backup.kept)
			break;
		rc = remove_empty(r, dir, last);
		if (last)
			break;
		up = path_dirname(dir);
		free(dir);
		dir = up;
	}
	return rc < 0 ? rc : run_settle_place(r);
}

int run_remove_backup(struct run *r)
{
	_cleanup_free_ char *parent = NULL;
	_cleanup_close_ int fd = -1;
	int rc;

	closep(&r->backup_fd);
	r->backup_fd = -1;
	if (r->backup.below)
		return remove_below(r);
	if (run_backup_inside(r)) {
		rc = fs_remove_tree(r->fd, BACKUP_NAME);
		return rc < 0 ? rc : fs_sync_dir(r->fd, ".");
	}
	parent = path_dirname(r->backup.dir);
	fd = fs_open(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	rc = fs_remove_tree(fd, path_basename(r->backup.dir));
	return rc < 0 ? rc : fs_sync_dir(fd, ".");
}
