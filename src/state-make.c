/* SPDX-License-Identifier: MIT */
/*
 * The order of making: root is locked by its own descriptor first, so nobody
 * else makes or unmakes; then the directory (and the pointer, last, so that it
 * never names what is not there); then its lock file. Killed in between, an
 * empty state directory is left, which the next engine takes over.
 *
 * Each new name in root gives root another mtime, which is put back. For one
 * who is killed in between it is kept where the next finds it, from the first
 * change on: in the name of the directory that becomes .upshift, and in
 * root-time within the state directory until it has been put back.
 */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "journal.h"
#include "run-internal.h"

/* our entry in root is no change of the data: its mtime stays */
static int put_mtime_back(struct state_dir *sd)
{
	struct timespec ts[2] = {
		{ .tv_nsec = UTIME_OMIT },
		sd->root_stat.st_mtim,
	};

	return fs_utimes(sd->root_fd, ".", ts, 0);
}

static int note_mtime(struct state_dir *sd, int fd)
{
	return mtime_note(fd, ROOT_TIME_NAME, &sd->root_stat.st_mtim);
}

static int make_inside(struct state_dir *sd)
{
	_cleanup_free_ char *stage = xasprintf(MAKE_PREFIX "%lld.%09ld",
		(long long)sd->root_stat.st_mtim.tv_sec,
		sd->root_stat.st_mtim.tv_nsec);
	_cleanup_close_ int fd = -1;
	int r;

	r = fs_mkdir(sd->root_fd, stage, 0700);
	if (r < 0)
		return r;
	fd = fs_open(sd->root_fd, stage, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
		     0);
	r = fd < 0 ? fd : note_mtime(sd, fd);
	if (r == 0)
		r = fs_rename(sd->root_fd, stage, sd->root_fd, STATE_NAME, 0);
	if (r < 0) {
		(void)fs_remove_tree(sd->root_fd, stage);
		(void)put_mtime_back(sd);
		return r;
	}
	sd->made = true;
	r = put_mtime_back(sd);
	return r < 0 ? r : fs_unlink(fd, ROOT_TIME_NAME, 0);
}

/* --- what one who was killed left --- */

/* directories that were to become .upshift; their name is root's mtime */
static int take_stages(struct state_dir *sd, bool *found)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	int r = list_dir(sd->root_fd, ".", &names);

	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		if (!str_starts(names.v[i], MAKE_PREFIX) ||
		    !mtime_parse(names.v[i] + strlen(MAKE_PREFIX),
				 &sd->root_stat.st_mtim))
			continue;
		*found = true;
		r = fs_remove_tree(sd->root_fd, names.v[i]);
	}
	return r < 0 ? r : 0;
}

static int take_root_time(struct state_dir *sd, bool *found)
{
	int r = mtime_noted(sd->fd, ROOT_TIME_NAME, &sd->root_stat.st_mtim);

	*found = r > 0;
	return r < 0 ? r : 0;
}

static int settle_mtime(struct state_dir *sd)
{
	bool found = false;
	int r = sd->fd < 0 ? take_stages(sd, &found) :
		take_root_time(sd, &found);

	if (r == 0 && found)
		r = put_mtime_back(sd);
	if (r == 0 && sd->fd >= 0) {
		r = fs_unlink(sd->fd, ROOT_TIME_NAME, 0);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static int write_pointer(struct state_dir *sd)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r;

	json_set_bytes(o, "state_dir", sd->path);
	json_print(o, &text);
	strbuf_addch(&text, '\n');
	r = atomic_file_sweep(sd->root_fd, STATE_NAME);
	if (r == 0)
		r = fs_write_file(sd->root_fd, STATE_NAME, text.buf, text.len,
				  0600);
	if (r < 0)
		return r;
	return put_mtime_back(sd);
}

static int make_pointer(struct state_dir *sd)
{
	int r = note_mtime(sd, sd->fd);

	if (r == 0)
		r = write_pointer(sd);
	return r < 0 ? r : fs_unlink(sd->fd, ROOT_TIME_NAME, 0);
}

static int make_outside(struct state_dir *sd)
{
	_cleanup_close_ int top = fs_open(AT_FDCWD, "/",
					  O_RDONLY | O_DIRECTORY, 0);
	_cleanup_free_ char *parent = path_dirname(sd->path);
	_cleanup_close_ int pfd = -1;
	int r;

	if (top < 0)
		return top;
	if (strcmp(parent, "/")) {
		r = fs_mkdirs(top, parent + 1, 0700, NULL);
		if (r < 0)
			return r;
	}
	pfd = fs_open(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0);
	if (pfd < 0)
		return pfd;
	r = fs_mkdir(pfd, path_basename(sd->path), 0700);
	if (r < 0)
		return r;
	sd->made = true;
	return fs_sync_dir(pfd, ".");
}

/* An engine that began nothing took its directory away again while we held a
   descriptor of it. */
static void forget_if_gone(struct state_dir *sd)
{
	struct stat a, b;

	if (sd->fd < 0)
		return;
	if (fstat(sd->fd, &a) == 0 && lstat(sd->path, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return;
	closep(&sd->fd);
	sd->fd = -1;
}

/* under root's lock; what another engine made since is not taken over */
static int make_state(struct state_dir *sd, struct error *err)
{
	_cleanup_free_ char *safe = escape_bytes(sd->path);
	struct stat st;
	int r = 0;

	forget_if_gone(sd);
	if (fstatat(sd->root_fd, STATE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    sd->fd < 0)
		return error_set(err, ERR_LOCKED, -EWOULDBLOCK,
				 _("another upshift began in '%s' just now"),
				 sd->root);
	/* the mtime as it is right before the first change of ours */
	if (fstat(sd->root_fd, &sd->root_stat) < 0)
		r = -errno;
	if (r == 0)
		r = settle_mtime(sd);
	if (r == 0 && sd->fd < 0)
		r = sd->outside ? make_outside(sd) : make_inside(sd);
	if (r < 0)
		goto fail;
	if (sd->fd < 0) {
		r = state_dir_open_fd(sd, err);
		if (r < 0)
			return r;
		r = fs_chmod(sd->fd, 0700);
	}
	if (r == 0 && sd->outside &&
	    fstatat(sd->root_fd, STATE_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = errno == ENOENT ? make_pointer(sd) : -errno;
	if (r == 0)
		r = fs_sync_dir(sd->root_fd, ".");
fail:
	if (r < 0)
		return error_errno(err, r == -EACCES || r == -EPERM ?
				   ERR_PERMISSION : ERR_STATE, r,
				   _("cannot create state directory '%s'"),
				   safe);
	return 0;
}

/* a state directory serves one root */
static int check_same_root(struct state_dir *sd, struct error *err)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	_cleanup_json_ struct json_object *first = NULL;
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *root = NULL;
	_cleanup_free_ char *safe = NULL;
	int r;

	r = state_dir_runs(sd, &ids, err);
	if (r < 0 || !ids.n)
		return r;
	fd = run_dir_open(sd, ids.v[ids.n - 1]);
	if (fd < 0 || journal_peek(fd, &first) <= 0 || !first)
		return 0; /* run_open() says what is wrong with it */
	if (json_get_int(first, "root_ino", 0) ==
	    (int64_t)sd->root_stat.st_ino)
		return 0;
	root = json_get_bytes(first, "root");
	safe = escape_bytes(root ? root : "?");
	return error_set(err, ERR_FOREIGN, -EXDEV,
			 _("state directory '%s' serves another root, '%s'"),
			 sd->path, safe);
}

int state_dir_create(struct state_dir *sd, struct error *err)
{
	int r;

	r = state_dir_lock_root(sd, err);
	if (r == 0)
		r = make_state(sd, err);
	if (r == 0)
		r = state_dir_lock(sd, err);
	if (r == 0)
		r = check_same_root(sd, err);
	/* others may have made some before we had the lock */
	if (r == 0) {
		r = state_dir_take_places(sd);
		if (r < 0)
			(void)error_errno(err, ERR_STATE, r,
				_("cannot read the list of runs"));
	}
	if (r == 0)
		r = state_dir_sweep(sd, err);
	if (r < 0)
		state_dir_unmake(sd);
	return r;
}

void state_dir_unmake(struct state_dir *sd)
{
	_cleanup_strvec_ struct strvec runs = STRVEC_INIT;
	struct stat st;
	bool same;
	int r;

	if (!sd->made)
		return;
	sd->made = false;
	r = sd->fd >= 0 ? list_dir(sd->fd, RUNS_NAME, &runs) : -ENOENT;
	if (runs.n || (r < 0 && r != -ENOENT))
		return;
	same = fstat(sd->root_fd, &st) == 0 &&
	       st.st_mtim.tv_sec == sd->root_stat.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == sd->root_stat.st_mtim.tv_nsec;
	if (sd->fd >= 0) {
		(void)fs_unlink(sd->fd, RUNS_NAME, AT_REMOVEDIR);
		(void)fs_unlink(sd->fd, LOCK_NAME, 0);
		(void)fs_unlink(sd->fd, CURRENT_NAME, 0);
		(void)fs_unlink(sd->fd, ROOT_TIME_NAME, 0);
	}
	/* the directory goes only if it is empty: what others put there stays,
	   and then the pointer that finds it stays too */
	if (sd->outside) {
		if (fs_unlink(AT_FDCWD, sd->path, AT_REMOVEDIR) == 0)
			(void)fs_unlink(sd->root_fd, STATE_NAME, 0);
	} else {
		(void)fs_unlink(sd->root_fd, STATE_NAME, AT_REMOVEDIR);
	}
	if (same)
		(void)put_mtime_back(sd);
}

void state_dir_release(struct state_dir *sd)
{
	state_dir_unmake(sd);
	closep(&sd->lock_fd);
	closep(&sd->fd);
	closep(&sd->root_fd);
	free(sd->root);
	free(sd->path);
	ours_release(&sd->ours);
	*sd = (struct state_dir)STATE_DIR_INIT;
}
