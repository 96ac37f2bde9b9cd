/* SPDX-License-Identifier: MIT */
/*
 * Finding a state directory, with all that may be wrong with it. Nothing is
 * followed that another user could have put there.
 */
#include "run.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run-internal.h"

#define POINTER_MAX 8192
#define CMDLINE_MAX 65536

/* --- finding --- */

/* "sudo -u NAME" and the words of this very command */
static void hint_sudo(struct error *err, uid_t uid)
{
	_cleanup_strbuf_ struct strbuf cmd = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf raw = STRBUF_INIT;
	_cleanup_free_ char *safe = NULL;
	char name[64];
	char chunk[4096];
	size_t i;
	ssize_t n;
	int fd;

	fd = fs_open(AT_FDCWD, "/proc/self/cmdline", O_RDONLY, 0);
	while (fd >= 0 && raw.len < CMDLINE_MAX &&
	       (n = fs_read_full(fd, chunk, sizeof(chunk))) > 0)
		strbuf_add(&raw, chunk, (size_t)n);
	closep(&fd);
	user_name(uid, name, sizeof(name));
	strbuf_addstr(&cmd, "sudo -u ");
	add_shell_word(&cmd, name);
	if (!raw.len)
		strbuf_addstr(&cmd, " upshift");
	for (i = 0; i < raw.len; i += strlen(raw.buf + i) + 1) {
		strbuf_addch(&cmd, ' ');
		add_shell_word(&cmd, raw.buf + i);
	}
	safe = escape_bytes(cmd.buf);
	error_hint(err, "%s", safe);
}

static int check_owner(const struct state_dir *sd, bool as_root_allowed,
		       struct error *err)
{
	_cleanup_free_ char *safe = escape_bytes(sd->root);
	char name[64];

	if (sd->root_stat.st_uid == geteuid() ||
	    (as_root_allowed && geteuid() == 0))
		return 0;
	user_name(sd->root_stat.st_uid, name, sizeof(name));
	error_set(err, ERR_OWNER, -EPERM, _("'%s' belongs to %s"), safe, name);
	hint_sudo(err, sd->root_stat.st_uid);
	return -EPERM;
}

/* ours, and closed to others: who can write here can make us do anything */
int check_private(const struct stat *st, const char *path, struct error *err)
{
	_cleanup_free_ char *safe = escape_bytes(path);
	_cleanup_strbuf_ struct strbuf cmd = STRBUF_INIT;
	char name[64];

	if (st->st_uid != geteuid()) {
		user_name(st->st_uid, name, sizeof(name));
		error_set(err, ERR_STATE_UNSAFE, -EPERM,
			  _("state directory '%s' belongs to %s"), safe, name);
		hint_sudo(err, st->st_uid);
		return -EPERM;
	}
	if (st->st_mode & 077) {
		error_set(err, ERR_STATE_UNSAFE, -EPERM,
			  _("'%s' is open to other users (mode %04o)"), safe,
			  st->st_mode & 07777);
		strbuf_addf(&cmd, "chmod %s ",
			    S_ISDIR(st->st_mode) ? "700" : "600");
		add_shell_word(&cmd, safe);
		error_hint(err, "%s", cmd.buf);
		return -EPERM;
	}
	return 0;
}

/* in a directory that all may write to anybody can put another in its place */
static int check_parent(const char *path, struct error *err)
{
	_cleanup_free_ char *parent = path_dirname(path);
	_cleanup_free_ char *safe = escape_bytes(parent);
	struct stat st;

	if (stat(parent, &st) < 0)
		return 0; /* to be made */
	if (!(st.st_mode & 022) || (st.st_mode & S_ISVTX))
		return 0;
	if (st.st_mode & 002)
		return error_set(err, ERR_STATE_UNSAFE, -EPERM,
				 _("anybody may write to '%s', which holds "
				   "the state directory"), safe);
	return 0;
}

int state_dir_open_fd(struct state_dir *sd, struct error *err)
{
	_cleanup_free_ char *safe = escape_bytes(sd->path);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	fd = sd->outside ?
		fs_open(AT_FDCWD, sd->path,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0) :
		fs_open(sd->root_fd, STATE_NAME,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd == -ENOTDIR || fd == -ELOOP)
		return error_set(err, ERR_STATE_UNSAFE, fd,
				 _("state directory '%s' is not a directory"),
				 safe);
	if (fd < 0)
		return error_errno(err, fd == -EACCES ? ERR_STATE_UNSAFE :
				   ERR_STATE, fd,
				   _("cannot open state directory '%s'"), safe);
	if (fstat(fd, &st) < 0)
		return error_errno(err, ERR_STATE, -errno,
				   _("cannot open state directory '%s'"), safe);
	r = check_private(&st, sd->path, err);
	if (r == 0 && sd->outside)
		r = check_parent(sd->path, err);
	if (r < 0)
		return r;
	sd->fd = TAKE_FD(fd);
	r = state_dir_take_places(sd);
	if (r < 0)
		return error_errno(err, ERR_STATE, r,
				   _("cannot read the list of runs"));
	return 0;
}

/* where the state is to be: .upshift, or outside of root */
static int set_place(struct state_dir *sd, const char *path,
		     struct error *err)
{
	_cleanup_free_ char *inside = path_join(sd->root, STATE_NAME);
	_cleanup_free_ char *real = NULL;
	_cleanup_free_ char *safe = escape_bytes(path);
	int r;

	r = resolve_future(path, &real);
	if (r < 0)
		return error_errno(err, ERR_STATE, r,
				   _("cannot use '%s' as state directory"),
				   safe);
	sd->outside = strcmp(real, inside) != 0;
	if (sd->outside && abs_is_below(real, sd->root))
		return error_set(err, ERR_USAGE, -EINVAL,
				 _("state directory '%s' is inside the data; "
				   "only '%s' may be"), safe, STATE_NAME);
	if (sd->outside && abs_is_below(sd->root, real))
		return error_set(err, ERR_USAGE, -EINVAL,
				 _("state directory '%s' holds the data"),
				 safe);
	free(sd->path);
	sd->path = TAKE_PTR(real);
	return 0;
}

/* the pointer file names the place, and that must be there */
static int follow_pointer(struct state_dir *sd, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_free_ char *inside = path_join(sd->root, STATE_NAME);
	_cleanup_free_ char *safe = escape_bytes(inside);
	_cleanup_free_ char *target = NULL;
	_cleanup_free_ char *safe_target = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	char buf[POINTER_MAX];
	ssize_t n;
	int r;

	/* one descriptor for the look and the read */
	fd = fs_open(sd->root_fd, STATE_NAME,
		     O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, ERR_STATE, fd < 0 ? fd : -errno,
				   _("cannot open '%s'"), safe);
	r = check_private(&st, inside, err);
	if (r < 0)
		return r;
	n = fs_read_full(fd, buf, sizeof(buf));
	if (n < 0)
		return error_errno(err, ERR_STATE, (int)n,
				   _("cannot read '%s'"), safe);
	strbuf_add(&text, buf, (size_t)n);
	if (json_parse(text.buf, text.len, &o, NULL) == 0)
		target = json_get_bytes(o, "state_dir");
	if (!target || target[0] != '/')
		return error_set(err, ERR_STATE, -EINVAL,
				 _("'%s' does not say where the state "
				   "directory is"), safe);
	safe_target = escape_bytes(target);
	if (lstat(target, &st) < 0) {
		r = -errno;
		error_errno(err, ERR_STATE, r,
			    _("cannot open state directory '%s', named by "
			      "'%s'"), safe_target, safe);
		error_hint(err, _("is its disk mounted?"));
		return r;
	}
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERR_STATE_UNSAFE, -ENOTDIR,
				 _("state directory '%s' is not a directory"),
				 safe_target);
	r = set_place(sd, target, err);
	if (r == 0 && !sd->outside)
		r = error_set(err, ERR_STATE, -EINVAL,
			      _("'%s' names itself as state directory"), safe);
	return r < 0 ? r : state_dir_open_fd(sd, err);
}

static int find_state(struct state_dir *sd, struct error *err)
{
	_cleanup_free_ char *inside = path_join(sd->root, STATE_NAME);
	_cleanup_free_ char *safe = escape_bytes(inside);
	struct stat st;

	sd->path = xstrdup(inside);
	if (fstatat(sd->root_fd, STATE_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_errno(err, ERR_STATE, -errno,
				   _("cannot look at '%s'"), safe);
	}
	if (S_ISDIR(st.st_mode))
		return state_dir_open_fd(sd, err);
	if (S_ISREG(st.st_mode))
		return follow_pointer(sd, err);
	return error_set(err, ERR_STATE_UNSAFE, -ENOTDIR,
			 _("'%s' is neither a directory nor a file"), safe);
}

static int apply_option(struct state_dir *sd, const char *option,
			struct error *err)
{
	_cleanup_free_ char *was = xstrdup(sd->path);
	_cleanup_free_ char *safe = escape_bytes(sd->path);
	struct stat st;
	int r;

	r = set_place(sd, option, err);
	if (r < 0)
		return r;
	if (sd->fd >= 0)
		return strcmp(was, sd->path) ?
			error_set(err, ERR_USAGE, -EINVAL,
				  _("the state of this data is in '%s' "
				    "already"), safe) : 0;
	/* without a pointer: a run that was never begun, or one that lost it */
	if (stat(sd->path, &st) < 0)
		return errno == ENOENT ? 0 :
			error_errno(err, ERR_STATE, -errno,
				    _("cannot open state directory '%s'"),
				    option);
	return state_dir_open_fd(sd, err);
}

static int open_root(struct state_dir *sd, const char *root,
		     struct error *err)
{
	_cleanup_free_ char *safe = escape_bytes(root);

	sd->root = realpath(root, NULL);
	if (!sd->root)
		return error_errno(err, errno == EACCES ? ERR_PERMISSION :
				   ERR_USAGE, -errno,
				   _("cannot open root '%s'"), safe);
	sd->root_fd = fs_open(AT_FDCWD, sd->root, O_RDONLY | O_DIRECTORY, 0);
	if (sd->root_fd < 0)
		return error_errno(err, sd->root_fd == -EACCES ?
				   ERR_PERMISSION : ERR_USAGE, sd->root_fd,
				   _("cannot open root '%s'"), safe);
	if (fstat(sd->root_fd, &sd->root_stat) < 0)
		return error_errno(err, ERR_IO, -errno,
				   _("cannot open root '%s'"), safe);
	return 0;
}

int state_dir_open(struct state_dir *sd, const char *root,
		   const char *state_dir_option, bool as_root_allowed,
		   struct error *err)
{
	int r;

	*sd = (struct state_dir)STATE_DIR_INIT;
	r = open_root(sd, root, err);
	if (r == 0)
		r = check_owner(sd, as_root_allowed, err);
	if (r == 0)
		r = find_state(sd, err);
	if (r == 0 && state_dir_option) {
		r = apply_option(sd, state_dir_option, err);
		sd->fixed = true;
	}
	if (r < 0)
		state_dir_release(sd);
	return r;
}

int state_dir_prefer(struct state_dir *sd, const char *path,
		     struct error *err)
{
	_cleanup_free_ char *full = NULL;
	_cleanup_free_ char *home = NULL;

	if (sd->fd >= 0 || sd->fixed)
		return 0;
	if (!strcmp(path, "~") || str_starts(path, "~/")) {
		home = user_home(sd->root_stat.st_uid);
		if (!home)
			return error_set(err, ERR_STATE, -ENOENT,
					 _("cannot tell whose home '%s' is"),
					 path);
		full = xasprintf("%s%s", home, path + 1);
	} else {
		full = path[0] == '/' ? xstrdup(path) :
			xasprintf("%s/%s", sd->root, path);
	}
	return apply_option(sd, full, err);
}

int state_find_root(const char *start_dir, char **ret)
{
	_cleanup_free_ char *dir = realpath(start_dir, NULL);
	struct stat st;
	char *slash;

	if (!dir)
		return -errno;
	for (;;) {
		_cleanup_free_ char *p = path_join(dir, STATE_NAME);

		if (lstat(p, &st) == 0 &&
		    (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))) {
			*ret = TAKE_PTR(dir);
			return 0;
		}
		slash = strrchr(dir, '/');
		if (!slash || !slash[1])
			return -ENOENT;
		slash[slash == dir] = '\0';
	}
}
