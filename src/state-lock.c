/* SPDX-License-Identifier: MIT */
/*
 * Two locks. flock on root's own descriptor: two state directories cannot make
 * two engines, and a lock file that is deleted by hand frees nothing. flock on
 * the file `lock`: for everybody who looks at the state directory. Beside it
 * an OFD lock on the same file, for one thing flock cannot do: `status` asks
 * whether it is held without taking it, so that looking never makes an engine
 * fail that starts at that moment.
 */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "run-internal.h"

#define HOLDER_MAX 4096
/* a lock file that vanishes again and again is somebody's game */
#define LOCK_TRIES 100
/* 10 ms each */
#define DEAD_TRIES 300

static int try_flock(int fd, int how)
{
	while (flock(fd, how | LOCK_NB) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void read_holder(int fd, struct lock_holder *h)
{
	_cleanup_json_ struct json_object *o = NULL;
	char buf[HOLDER_MAX];
	ssize_t n;

	memset(h, 0, sizeof(*h));
	n = fs_pread_full(fd, buf, sizeof(buf), 0);
	if (n <= 0 || json_parse(buf, (size_t)n, &o, NULL) < 0)
		return;
	h->pid = (long)json_get_int(o, "pid", 0);
	(void)snprintf(h->user, sizeof(h->user), "%s",
		       json_get_str(o, "user", ""));
	(void)snprintf(h->host, sizeof(h->host), "%s",
		       json_get_str(o, "host", ""));
	(void)snprintf(h->since, sizeof(h->since), "%s",
		       json_get_str(o, "since", ""));
}

static int locked_by_other(struct state_dir *sd, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct lock_holder h = { 0 };

	if (sd->fd >= 0)
		fd = fs_open(sd->fd, LOCK_NAME, O_RDONLY | O_NOFOLLOW |
			     O_NONBLOCK, 0);
	if (fd >= 0)
		read_holder(fd, &h);
	if (h.pid)
		error_set(err, ERR_LOCKED, -EWOULDBLOCK,
			  _("another upshift is at work here: process %ld of "
			    "%s on %s, since %s"), h.pid, h.user, h.host,
			  h.since);
	else
		error_set(err, ERR_LOCKED, -EWOULDBLOCK,
			  _("another upshift is at work here"));
	error_hint(err, "upshift status");
	return -EWOULDBLOCK;
}

static int cannot_lock(int r, struct error *err)
{
	error_errno(err, ERR_STATE, r, _("cannot lock the state directory"));
	error_hint(err, _("this file system has no locks; give "
			  "--state-dir on one that has"));
	return r;
}

/*
 * Whoever is killed while it starts a child leaves the lock to that one, until
 * it has become another program: an instant, but a script that goes on at once
 * would be turned away by nobody.
 */
static bool holder_is_dead(const struct state_dir *sd)
{
	_cleanup_close_ int fd = -1;
	struct lock_holder h = { 0 };
	struct who w;

	if (sd->fd >= 0)
		fd = fs_open(sd->fd, LOCK_NAME, O_RDONLY | O_NOFOLLOW |
			     O_NONBLOCK, 0);
	if (fd < 0)
		return false;
	read_holder(fd, &h);
	who_am_i(&w);
	return h.pid > 0 && !strcmp(h.host, w.host) &&
	       kill((pid_t)h.pid, 0) < 0 && errno == ESRCH;
}

static int flock_of_living(const struct state_dir *sd, int fd)
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int r = try_flock(fd, LOCK_EX);

	for (int i = 0; r == -EWOULDBLOCK && i < DEAD_TRIES &&
	     holder_is_dead(sd); i++) {
		(void)nanosleep(&pause, NULL);
		r = try_flock(fd, LOCK_EX);
	}
	return r;
}

int state_dir_lock_root(struct state_dir *sd, struct error *err)
{
	int r = flock_of_living(sd, sd->root_fd);

	if (r == -EWOULDBLOCK)
		return locked_by_other(sd, err);
	/*
	 * NFS locks only what is open for writing, which no directory is. The
	 * lock file still keeps two engines apart: a root has one state
	 * directory (state_dir_open() refuses another).
	 */
	if (r == -EBADF || r == -EISDIR)
		return 0;
	/* nor where root has no locks at all and the state directory has */
	if ((r == -ENOLCK || r == -EOPNOTSUPP) && sd->outside)
		return 0;
	return r < 0 ? cannot_lock(r, err) : 0;
}

/* what stands in it is for display: no failure counts */
static void write_holder(int fd)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char now[CLOCK_TEXT_SIZE];
	struct timespec ts;
	struct who w;

	who_am_i(&w);
	clock_now(&ts);
	clock_format(&ts, now);
	json_set_int(o, "pid", getpid());
	json_set_str(o, "user", w.user);
	json_set_str(o, "host", w.host);
	json_set_str(o, "since", now);
	json_print(o, &text);
	strbuf_addch(&text, '\n');
	if (fs_truncate(fd, 0) == 0)
		(void)fs_pwrite_all(fd, text.buf, text.len, 0);
}

/* 1: locked; 0: the name went to another file meanwhile, try again */
static int lock_file(struct state_dir *sd, int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat a, b;
	int r;

	r = flock_of_living(sd, fd);
	if (r < 0)
		return r;
	if (fcntl(fd, F_OFD_SETLK, &fl) < 0)
		return errno == EACCES || errno == EAGAIN ? -EWOULDBLOCK :
							     -errno;
	if (fstat(fd, &a) < 0)
		return -errno;
	if (fstatat(sd->fd, LOCK_NAME, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int lock_state(struct state_dir *sd, struct error *err)
{
	int tries, r = 0;

	for (tries = 0; tries < LOCK_TRIES && r == 0; tries++) {
		_cleanup_close_ int fd = fs_open(sd->fd, LOCK_NAME,
						 O_RDWR | O_CREAT |
						 O_NOFOLLOW | O_NONBLOCK, 0600);
		struct stat st;

		if (fd < 0)
			return error_errno(err, ERR_STATE, fd,
					   _("cannot open the lock file"));
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			return error_set(err, ERR_STATE_UNSAFE, -EINVAL,
					 _("the lock file is not a regular "
					   "file"));
		r = lock_file(sd, fd);
		if (r > 0) {
			write_holder(fd);
			sd->lock_fd = TAKE_FD(fd);
			return 0;
		}
	}
	if (r == -EWOULDBLOCK)
		return locked_by_other(sd, err);
	return cannot_lock(r ? r : -EAGAIN, err);
}

int state_dir_lock(struct state_dir *sd, struct error *err)
{
	int r;

	if (sd->lock_fd >= 0)
		return 0;
	r = state_dir_lock_root(sd, err);
	if (r < 0)
		return r;
	r = lock_state(sd, err);
	if (r < 0)
		(void)flock(sd->root_fd, LOCK_UN);
	return r;
}

/* no lock file: somebody deleted it, so ask root; taken for an instant */
static bool root_is_locked(struct state_dir *sd)
{
	_cleanup_close_ int fd = fs_open(AT_FDCWD, sd->root,
					 O_RDONLY | O_DIRECTORY, 0);

	return fd >= 0 && try_flock(fd, LOCK_SH) == -EWOULDBLOCK;
}

bool state_dir_is_locked(struct state_dir *sd, struct lock_holder *ret)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	_cleanup_close_ int fd = -1;
	struct lock_holder h;

	if (ret)
		memset(ret, 0, sizeof(*ret));
	if (sd->fd < 0)
		return false;
	fd = fs_open(sd->fd, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd == -ENOENT)
		return sd->lock_fd >= 0 || root_is_locked(sd);
	if (fd < 0)
		return sd->lock_fd >= 0;
	if (fcntl(fd, F_OFD_GETLK, &fl) < 0 || fl.l_type == F_UNLCK)
		return false;
	read_holder(fd, &h);
	if (ret)
		*ret = h;
	return true;
}
