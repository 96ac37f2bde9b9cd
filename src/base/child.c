/* SPDX-License-Identifier: MIT */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

#define LINE_CAP (64u * 1024u)
#define DEFAULT_CAP (1024u * 1024u)
/* how often cancelled() is asked; the end itself wakes us through a pidfd */
#define POLL_MS 100
/* where there is none: how long the end may go unseen */
#define POLL_BLIND_MS 10
#define KILL_AFTER_S 5
/* a descendant that keeps the pipes open is not waited for longer */
#define DRAIN_S 1

extern char **environ;

enum pipe_index { P_OUT, P_ERR, P_PROGRESS, P_GO, P_STATUS, P_COUNT };

struct source {
	int fd;
	struct strbuf line;
};

struct child {
	const struct child_spec *spec;
	struct child_result *res;
	pid_t pid;
	int pidfd;            /* readable when it has ended; -1: not to be had */
	struct source src[3];
	uint64_t told, cap;
	bool ended;
};

/* --- the child's side: async-signal-safe calls alone --- */

/*
 * By the system call, as glibc keeps 32 and 33 for itself and signal() refuses
 * them; who started us may have left them ignored all the same. All zeros is
 * the kernel's form of the default action.
 */
static void child_signals(void)
{
	static const unsigned long deflt[8];
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)syscall(SYS_rt_sigaction, s, deflt, NULL,
			      (size_t)(_NSIG / 8));
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _noreturn_ void child_fail(int status_fd)
{
	int e = errno;

	(void)!write(status_fd, &e, sizeof(e));
	_exit(127);
}

static _noreturn_ void child_exec(const struct child_spec *spec, char **env,
				  int p[P_COUNT][2], const char *program)
{
	int status = fcntl(p[P_STATUS][1], F_DUPFD_CLOEXEC, 20);
	int out = fcntl(p[P_OUT][1], F_DUPFD_CLOEXEC, 20);
	int errfd = fcntl(p[P_ERR][1], F_DUPFD_CLOEXEC, 20);
	int progress = fcntl(p[P_PROGRESS][1], F_DUPFD_CLOEXEC, 20);
	int go = fcntl(p[P_GO][0], F_DUPFD_CLOEXEC, 20);
	int lock = spec->lock_fd >= 0 ? fcntl(spec->lock_fd, F_DUPFD, 10) : -1;
	int dir = spec->dir_fd >= 0 ?
		fcntl(spec->dir_fd, F_DUPFD_CLOEXEC, 20) : -1;
	int in = spec->input_fd > 0 ?
		fcntl(spec->input_fd, F_DUPFD_CLOEXEC, 20) :
		open("/dev/null", O_RDONLY | O_CLOEXEC);
	int to = spec->output_fd > 0 ?
		fcntl(spec->output_fd, F_DUPFD_CLOEXEC, 20) : out;
	char c;

	if (status < 0 || to < 0 || out < 0 || errfd < 0 || progress < 0 || go < 0)
		_exit(127);
	(void)close(p[P_GO][1]);
	(void)setsid();
	child_signals();
	/* nobody wrote: the parent died, or could not make our id durable */
	if (read(go, &c, 1) != 1)
		_exit(127);
	if (in < 0 || dup2(in, 0) < 0 || dup2(to, 1) < 0 ||
	    dup2(errfd, 2) < 0 || dup2(progress, 3) < 0)
		child_fail(status);
	if (spec->dir_fd >= 0 && (dir < 0 || fchdir(dir) < 0))
		child_fail(status);
	/* a host may hold descriptors that are not close-on-exec */
	(void)close_range(4, ~0u, CLOSE_RANGE_CLOEXEC); /* new in 5.11 */
	if (spec->lock_fd >= 0 && (lock < 0 || fcntl(lock, F_SETFD, 0) < 0))
		child_fail(status);
	environ = env;
	(void)execve(program, spec->argv->v, env);
	child_fail(status);
}

/* --- the parent's side --- */

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(b, "=");

	return !strncmp(a, b, n) && a[n] == '=';
}

static void make_env(const struct child_spec *spec, struct strvec *ret)
{
	for (char **e = environ; *e; e++) {
		bool replaced = false;

		for (size_t i = 0; spec->env && i < spec->env->n; i++)
			replaced |= same_name(*e, spec->env->v[i]);
		if (!replaced)
			strvec_push(ret, *e);
	}
	for (size_t i = 0; spec->env && i < spec->env->n; i++)
		strvec_push(ret, spec->env->v[i]);
}

int child_find(const char *program, int dir_fd, char **ret_path)
{
	const char *path = getenv("PATH");
	int saved = -ENOENT;

	if (strchr(program, '/')) {
		if (faccessat(dir_fd >= 0 ? dir_fd : AT_FDCWD, program, X_OK,
			      AT_EACCESS) < 0)
			return -errno;
		*ret_path = xstrdup(program);
		return 0;
	}
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*path) {
		size_t n = strcspn(path, ":");
		_cleanup_free_ char *full = xasprintf("%.*s/%s", (int)n, path,
						      program);
		struct stat st;

		/* a relative entry means another place once it runs */
		if (*path == '/' && stat(full, &st) == 0 &&
		    S_ISREG(st.st_mode)) {
			if (access(full, X_OK) == 0) {
				*ret_path = TAKE_PTR(full);
				return 0;
			}
			saved = -EACCES;
		}
		path += n + (path[n] == ':');
	}
	return saved;
}

static void close_pipes(int p[P_COUNT][2])
{
	for (int i = 0; i < P_COUNT; i++)
		for (int k = 0; k < 2; k++)
			if (p[i][k] >= 0)
				(void)close(p[i][k]);
}

static void tell_line(struct child *c, int which, const char *s, size_t n)
{
	const struct child_ops *ops = c->spec->ops;

	if (!ops || !ops->on_line)
		return;
	if (c->told >= c->cap) {
		c->res->truncated = true;
		return;
	}
	if (n > c->cap - c->told) {
		n = c->cap - c->told;
		c->res->truncated = true;
	}
	c->told += n + 1;
	ops->on_line(c->spec->ctx, which == P_OUT ? CHILD_OUT : CHILD_ERR, s,
		     n);
}

static void tell_progress(struct child *c, const char *s)
{
	const struct child_ops *ops = c->spec->ops;
	unsigned long long done, total = 0;
	char unit[32] = "", part[64] = "";
	int n;

	if (!ops || !ops->on_progress)
		return;
	n = sscanf(s, "@progress %llu/%llu %31[A-Za-z] %63[A-Za-z0-9_.-]",
		   &done, &total, unit, part);
	if (n < 2)
		return;
	ops->on_progress(c->spec->ctx, *part ? part : NULL, done, total,
			 *unit ? unit : "items");
}

static void flush_line(struct child *c, int which)
{
	struct strbuf *l = &c->src[which].line;

	if (which == P_PROGRESS)
		tell_progress(c, l->buf);
	else
		tell_line(c, which, l->buf, l->len);
	strbuf_clear(l);
}

static void take_bytes(struct child *c, int which, const char *p, size_t n)
{
	struct strbuf *l = &c->src[which].line;

	while (n) {
		const char *nl = memchr(p, '\n', n);
		size_t k = nl ? (size_t)(nl - p) : n;
		size_t room = LINE_CAP - l->len;

		/* a line without end is told in pieces */
		if (k > room) {
			strbuf_add(l, p, room);
			flush_line(c, which);
			p += room;
			n -= room;
			continue;
		}
		strbuf_add(l, p, k);
		if (!nl)
			return;
		flush_line(c, which);
		p += k + 1;
		n -= k + 1;
	}
}

static void read_source(struct child *c, int which)
{
	char buf[16384];
	ssize_t n = read(c->src[which].fd, buf, sizeof(buf));

	if (n > 0) {
		take_bytes(c, which, buf, (size_t)n);
		explicit_bzero(buf, (size_t)n); /* a helper may tell secrets */
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		if (c->src[which].line.len)
			flush_line(c, which);
		(void)close(TAKE_FD(c->src[which].fd));
	}
}

static bool any_open(const struct child *c)
{
	return c->src[0].fd >= 0 || c->src[1].fd >= 0 || c->src[2].fd >= 0;
}

static int poll_time(const struct child *c)
{
	/* the pipes end a moment before the process does */
	if (!c->ended && c->pidfd < 0 && !any_open(c))
		return POLL_BLIND_MS;
	return POLL_MS;
}

static void poll_sources(struct child *c)
{
	struct pollfd pfd[4];

	for (int i = 0; i < 4; i++) {
		pfd[i].fd = i < 3 ? c->src[i].fd : c->ended ? -1 : c->pidfd;
		pfd[i].events = POLLIN;
		pfd[i].revents = 0;
	}
	if (poll(pfd, 4, poll_time(c)) <= 0)
		return;
	for (int i = 0; i < 3; i++)
		if (pfd[i].fd >= 0 && pfd[i].revents)
			read_source(c, i);
}

/*
 * Whether the leader has ended. It stays a zombie until reap(), so that its
 * number, and that of its group, is nobody else's while we send signals to it.
 */
static bool has_ended(const struct child *c)
{
	siginfo_t si = { 0 };

	if (waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
		return errno != EINTR;
	return si.si_pid == c->pid;
}

/* without SIGCHLD's default action the kernel forgets how it ended */
static void reap(struct child *c)
{
	pid_t p;
	int st;

	do
		p = waitpid(c->pid, &st, 0);
	while (p < 0 && errno == EINTR);
	c->res->exit_status = -1;
	if (p == c->pid && WIFEXITED(st))
		c->res->exit_status = WEXITSTATUS(st);
	else if (p == c->pid && WIFSIGNALED(st))
		c->res->signal = WTERMSIG(st);
}

/* whether the group has to go now */
static bool must_end(struct child *c, uint64_t begun)
{
	const struct child_spec *spec = c->spec;

	if (spec->timeout_s > 0 && clock_since(begun) >= spec->timeout_s)
		c->res->timed_out = true;
	else if (spec->ops && spec->ops->cancelled &&
		 spec->ops->cancelled(spec->ctx))
		c->res->cancelled = true;
	return c->res->timed_out || c->res->cancelled;
}

static void supervise(struct child *c)
{
	uint64_t begun = clock_mono_ns(), ended_at = 0, term_at = 0;
	bool killed = false;

	while (!c->ended || any_open(c)) {
		poll_sources(c);
		if (!c->ended && has_ended(c)) {
			c->ended = true;
			ended_at = clock_mono_ns();
			c->res->elapsed_s = clock_since(begun);
		}
		if (c->ended) {
			if (clock_since(ended_at) >= DRAIN_S)
				break;
			continue;
		}
		if (!term_at && must_end(c, begun)) {
			term_at = clock_mono_ns();
			(void)kill(-c->pid, SIGTERM);
		}
		if (term_at && !killed &&
		    clock_since(term_at) >= KILL_AFTER_S) {
			killed = true;
			(void)kill(-c->pid, SIGKILL);
		}
	}
	/* what the leader left behind in its group after a time-out goes too */
	if (term_at)
		(void)kill(-c->pid, SIGKILL);
	reap(c);
}

static int start(struct child *c, const char *program, int p[P_COUNT][2])
{
	_cleanup_strvec_ struct strvec env = STRVEC_INIT;
	const struct child_spec *spec = c->spec;
	sigset_t all, old;
	uint64_t t = 0;
	int ret = 0;

	make_env(spec, &env);
	/* no handler of ours may run in the child before it has reset them */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	c->pid = fork();
	if (c->pid == 0)
		child_exec(spec, env.v, p, program);
	if (c->pid < 0)
		ret = -errno;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret < 0)
		return ret;
	(void)proc_start_time(c->pid, &t);
	if (spec->ops && spec->ops->on_start)
		ret = spec->ops->on_start(spec->ctx, c->pid, t);
	if (!ret && write(p[P_GO][1], "g", 1) != 1)
		ret = -EPIPE;
	return ret;
}

/* errno of the exec, 0 if it went through */
static int exec_result(int fd)
{
	int e = 0;
	ssize_t n = fs_read_full(fd, &e, sizeof(e));

	return n == (ssize_t)sizeof(e) ? -e : 0;
}

static int make_pipes(int p[P_COUNT][2])
{
	for (int i = 0; i < P_COUNT; i++)
		if (pipe2(p[i], O_CLOEXEC) < 0)
			return -errno;
	return 0;
}

static int run(struct child *c, const char *program, struct error *err)
{
	int p[P_COUNT][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 },
			      { -1, -1 } };
	const char *name = c->spec->argv->v[0];
	int ret = make_pipes(p);

	if (ret >= 0)
		ret = start(c, program, p);
	for (int i = 0; i < P_COUNT; i++) {
		int ours = i == P_GO ? 1 : 0;

		if (p[i][!ours] >= 0)
			(void)close(TAKE_FD(p[i][!ours]));
	}
	/* closing without a word tells the child to end */
	if (p[P_GO][1] >= 0)
		(void)close(TAKE_FD(p[P_GO][1]));
	if (ret < 0) {
		if (c->pid > 0)
			reap(c);
		close_pipes(p);
		return error_errno(err, ERR_STEP_COMMAND, ret,
				   _("cannot start '%s'"), name);
	}
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	ret = exec_result(p[P_STATUS][0]);
	if (ret < 0) {
		reap(c);
		closep(&c->pidfd);
		close_pipes(p);
		return error_errno(err, ERR_TOOL, ret, _("cannot run '%s'"),
				   name);
	}
	for (int i = 0; i < 3; i++) {
		c->src[i].fd = TAKE_FD(p[i][0]);
		strbuf_init(&c->src[i].line);
	}
	close_pipes(p);
	supervise(c);
	closep(&c->pidfd);
	for (int i = 0; i < 3; i++) {
		if (c->src[i].line.len)
			flush_line(c, i);
		if (c->src[i].fd >= 0)
			(void)close(c->src[i].fd);
		strbuf_release(&c->src[i].line);
	}
	return 0;
}

int child_run(const struct child_spec *spec, struct child_result *ret,
	      struct error *err)
{
	struct child c = { .spec = spec, .res = ret, .pidfd = -1,
			   .cap = spec->output_cap ? spec->output_cap :
				DEFAULT_CAP };
	_cleanup_free_ char *program = NULL;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!spec->argv->n)
		BUG("a command without a name");
	r = child_find(spec->argv->v[0], spec->dir_fd, &program);
	if (r < 0)
		return error_errno(err, ERR_TOOL, r, _("cannot run '%s'"),
				   spec->argv->v[0]);
	return run(&c, program, err);
}

int child_end_group(pid_t pgid, uint64_t start_time)
{
	uint64_t t;

	if (pgid <= 1)
		return -EINVAL;
	/* the leader is gone, or its number belongs to somebody else: the
	   group may still hold children of ours, as its id cannot be reused
	   while it has members */
	if (proc_start_time(pgid, &t) == 0 && start_time && t != start_time)
		return -ESRCH;
	if (kill(-pgid, SIGTERM) < 0)
		return errno == ESRCH ? 0 : -errno;
	for (int i = 0; i < KILL_AFTER_S * 10; i++) {
		if (kill(-pgid, 0) < 0 && errno == ESRCH)
			return 0;
		(void)poll(NULL, 0, 100);
	}
	if (kill(-pgid, SIGKILL) < 0 && errno != ESRCH)
		return -errno;
	return 0;
}

int child_judge(const struct child_result *res, const char *program,
		double timeout_s, const struct strbuf *said,
		enum err_code code, struct error *err)
{
	_cleanup_strbuf_ struct strbuf hint = STRBUF_INIT;
	_cleanup_free_ char *safe = NULL;
	int ret = -EIO;

	if (!res->timed_out && !res->exit_status)
		return 0;
	safe = escape_bytes(program);
	if (res->timed_out)
		ret = error_set(err, code, -ETIMEDOUT,
				_("'%s' took longer than %g s"), safe,
				timeout_s);
	else if (res->signal)
		error_set(err, code, ret, _("'%s' was ended by signal %d"),
			  safe, res->signal);
	else
		error_set(err, code, ret, _("'%s' ended with status %d"), safe,
			  res->exit_status);
	if (said)
		strbuf_add_escaped(&hint, said->buf, said->len);
	if (hint.len)
		error_hint(err, "%s", hint.buf);
	return ret;
}
