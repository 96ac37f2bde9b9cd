/* SPDX-License-Identifier: MIT */
/* Is a process running, by its name in /proc/PID/comm or by a pid file? */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "steps.h"

struct process {
	char *name;
	bool want_running;
};

static int parse(struct step *s, struct plan_node *n)
{
	struct process *p = s->priv = xcalloc(1, sizeof(*p));
	bool absent = plan_node_string(n, "absent", false, &p->name);
	char *running = NULL;

	if (plan_node_string(n, "running", false, &running)) {
		if (absent)
			plan_node_problem(n, "running", "%s",
				_("give one of 'absent' and 'running'"));
		free(p->name);
		p->name = running;
		p->want_running = true;
	} else if (!absent) {
		plan_node_problem(n, "absent", "%s",
				  _("'absent' or 'running' is missing"));
	}
	return plan_node_failed(n) ? -EINVAL : 0;
}

/* 0: nobody, else a process id */
static long by_name(const char *name)
{
	int fd = fs_open(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	long found = 0;

	while (d && !found && (de = readdir(d))) {
		_cleanup_strbuf_ struct strbuf comm = STRBUF_INIT;
		_cleanup_free_ char *path = NULL;

		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		path = xasprintf("%s/comm", de->d_name);
		if (fs_read_file(dirfd(d), path, 256, &comm) < 0)
			continue;
		comm.buf[strcspn(comm.buf, "\n")] = '\0';
		/* the kernel keeps 15 bytes of a name */
		if (!strncmp(comm.buf, name, 15) &&
		    (strlen(name) > 15 || !strcmp(comm.buf, name)))
			found = strtol(de->d_name, NULL, 10);
	}
	if (d)
		(void)closedir(d);
	return found;
}

static long by_pid_file(int root_fd, const char *path)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	_cleanup_close_ int dir = -1;
	const char *name;
	char *end;
	long pid;

	dir = fs_open_parent(root_fd, path, &name);
	if (dir < 0 || fs_read_file(dir, name, 256, &sb) < 0)
		return 0;
	pid = strtol(sb.buf, &end, 10);
	if (end == sb.buf || pid <= 0)
		return 0;
	return kill((pid_t)pid, 0) == 0 || errno == EPERM ? pid : 0;
}

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	const struct process *p = s->priv;
	long pid = strchr(p->name, '/') ?
		by_pid_file(step_root_fd(c), p->name) : by_name(p->name);

	(void)err;
	if (pid)
		check_result_set(r, p->want_running ? CHECK_OK : CHECK_FAIL,
				 _("'%s' is running (process %ld)"), p->name,
				 pid);
	else
		check_result_set(r, p->want_running ? CHECK_FAIL : CHECK_OK,
				 _("'%s' is not running"), p->name);
	return 0;
}

static void release(struct step *s)
{
	struct process *p = s->priv;

	free(p->name);
	free(p);
}

const struct step_ops check_process_ops = {
	.name = "process",
	.flags = STEP_IS_CHECK,
	.parse = parse,
	.check = check,
	.release = release,
};
