/* SPDX-License-Identifier: MIT */
/*
 * process - does a program run, or not? (check)
 *
 * absent or running: a name as in /proc/PID/comm, or the path of a file that
 * holds a process id (it has a '/' in it, or ends in ".pid"; relative to the
 * root). Any user's process counts: one that writes to the data is as harmful
 * under another name. Zombies do not run.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "steps.h"

/* what the kernel keeps of a name */
#define COMM_MAX 15
#define DETAILS_MAX 100

struct process_check {
	char *what;
	bool absent;
};

static int process_parse(struct step *s, struct plan_node *n)
{
	struct process_check *m = xcalloc(1, sizeof(*m));
	char *running = NULL;

	s->priv = m;
	m->absent = plan_node_string(n, "absent", false, &m->what);
	if (!plan_node_string(n, "running", false, &running)) {
		if (!m->absent && !plan_node_failed(n))
			plan_node_problem(n, NULL,
				_("one of 'absent' and 'running' is needed"));
	} else if (m->absent) {
		plan_node_problem(n, "running",
			_("'absent' and 'running' do not go together"));
		free(running);
	} else {
		m->what = running;
	}
	if (m->what && !*m->what)
		plan_node_problem(n, m->absent ? "absent" : "running",
				  _("the name is empty"));
	return plan_node_failed(n) ? -EINVAL : 0;
}

static bool is_pid_file(const char *what)
{
	return strchr(what, '/') || str_ends(what, ".pid");
}

/* name (COMM_MAX + 1) of a process that runs; false: it does not */
static bool process_name(int proc_fd, const char *pid, char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/stat", pid);
	_cleanup_close_ int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	char buf[512], *open, *close;
	ssize_t n;

	if (fd < 0)
		return false;
	n = fs_read_full(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	/* "PID (NAME) STATE ...": the name may hold anything, ") R" too */
	open = strchr(buf, '(');
	close = strrchr(buf, ')');
	if (!open || !close || close <= open || close[1] != ' ')
		return false;
	*close = '\0';
	(void)snprintf(name, COMM_MAX + 1, "%s", open + 1);
	return close[2] != 'Z' && close[2] != 'X';
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

/* every process with that name, but not ourselves */
static int find_by_name(const char *what, int proc_fd, struct strvec *pids)
{
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	_cleanup_free_ char *self = xasprintf("%ld", (long)getpid());
	struct dirent *de;

	if (!d) {
		int ret = -errno;

		if (fd >= 0)
			(void)close(fd); /* nothing was written */
		return ret;
	}
	while ((errno = 0, de = readdir(d))) {
		char name[COMM_MAX + 1];

		if (is_number(de->d_name) && strcmp(de->d_name, self) != 0 &&
		    process_name(proc_fd, de->d_name, name) &&
		    !strncmp(name, what, COMM_MAX))
			strvec_push(pids, de->d_name);
	}
	fd = -errno;
	(void)closedir(d);
	return fd;
}

/* the process that the file names; none if there is no such file */
static int find_by_file(struct step_ctx *ctx, const char *what, int proc_fd,
			struct strvec *pids, struct error *err)
{
	_cleanup_free_ char *shown = escape_bytes(what);
	_cleanup_close_ int fd = fs_open_beneath(step_root_fd(ctx), what,
						 O_RDONLY | O_NONBLOCK |
						 O_NOCTTY, 0);
	char buf[64], name[COMM_MAX + 1];
	ssize_t n;
	size_t len;

	if (fd == -ENOENT)
		return 0;
	n = fd < 0 ? fd : fs_read_full(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		return error_errno(err, ERR_IO, (int)n, _("cannot read '%s'"),
				   shown);
	buf[n] = '\0';
	len = strspn(buf, "0123456789");
	if (!len || len > 10 || (buf[len] && buf[len] != '\n' &&
				 buf[len] != ' '))
		return error_set(err, ERR_CHECK, -EINVAL,
				 _("'%s' holds no process id"), shown);
	buf[len] = '\0';
	if (process_name(proc_fd, buf, name))
		strvec_push(pids, buf);
	return 0;
}

static void tell(const struct process_check *m, const struct strvec *pids,
		 int proc_fd, struct check_result *r)
{
	_cleanup_free_ char *what = escape_bytes(m->what);

	for (size_t i = 0; i < pids->n && i < DETAILS_MAX; i++) {
		char name[COMM_MAX + 1] = "";
		_cleanup_free_ char *shown = NULL;

		(void)process_name(proc_fd, pids->v[i], name);
		shown = escape_bytes(name);
		strvec_pushf(&r->details, _("process %s (%s)"), pids->v[i],
			     shown);
	}
	if (!pids->n)
		check_result_set(r, m->absent ? CHECK_OK : CHECK_FAIL,
				 _("'%s' does not run"), what);
	else if (pids->n == 1)
		check_result_set(r, m->absent ? CHECK_FAIL : CHECK_OK,
				 _("'%s' runs as process %s"), what,
				 pids->v[0]);
	else
		check_result_set(r, m->absent ? CHECK_FAIL : CHECK_OK,
				 _("'%s' runs as %zu processes, one is %s"),
				 what, pids->n, pids->v[0]);
	if (r->state == CHECK_FAIL)
		r->code = ERR_APP;
}

static int process_check(const struct step *s, struct step_ctx *ctx,
			 struct check_result *r, struct error *err)
{
	const struct process_check *m = s->priv;
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY |
					   O_CLOEXEC);
	_cleanup_strvec_ struct strvec pids = STRVEC_INIT;
	int ret;

	if (proc_fd < 0)
		return error_errno(err, ERR_IO, -errno,
				   _("cannot open '%s'"), "/proc");
	if (is_pid_file(m->what)) {
		ret = find_by_file(ctx, m->what, proc_fd, &pids, err);
	} else {
		ret = find_by_name(m->what, proc_fd, &pids);
		if (ret < 0)
			(void)error_errno(err, ERR_IO, ret,
					  _("cannot read '%s'"), "/proc");
	}
	if (ret >= 0)
		tell(m, &pids, proc_fd, r);
	return ret;
}

static void process_release(struct step *s)
{
	struct process_check *m = s->priv;

	free(m->what);
	free(m);
}

const struct step_ops check_process_ops = {
	.name = "process",
	.flags = STEP_IS_CHECK,
	.parse = process_parse,
	.check = process_check,
	.release = process_release,
};
