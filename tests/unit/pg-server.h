/* SPDX-License-Identifier: MIT */
#ifndef PG_SERVER_H
#define PG_SERVER_H
/*
 * pg-server - a PostgreSQL of a test's own
 *
 * In a scratch directory, on a socket in it and on no network, as a user
 * without rights (the server refuses root). It is stopped by its process id,
 * and ends by itself when the test does. Tests are skipped where no server is
 * installed.
 */
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "scratch.h"

struct pg_server {
	char *bin, *dir, *url;
	pid_t pid;
	int log;
	uid_t uid;
	gid_t gid;
};

static void pg_run_as(const struct pg_server *pg, const char *const argv[],
		      int out)
{
	if (geteuid() == 0 && (setgroups(0, NULL) || setgid(pg->gid) ||
			       setuid(pg->uid)))
		_exit(126);
	/* SIGQUIT: at once; before anything else can happen */
	if (prctl(PR_SET_PDEATHSIG, SIGQUIT) || dup2(out, 1) < 0 ||
	    dup2(out, 2) < 0 || chdir(pg->dir))
		_exit(126);
	setenv("LC_ALL", "C", 1);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

/* until a line of the log has these words; false: what a crash left behind
   has not ended yet */
static bool pg_await(struct pg_server *pg, const char *words)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	char c;

	while (!strstr(sb.buf, words)) {
		if (read(pg->log, &c, 1) == 1)
			strbuf_addch(&sb, c);
		else if (strstr(sb.buf, "still in use"))
			return false;
		else
			fail_msg("PostgreSQL ended: %s", sb.buf);
	}
	return true;
}

/* A full pipe would stop a server, with the locks that it holds. Ends with the
   server, which is the last to write. */
static void pg_drain(struct pg_server *pg)
{
	char buf[4096];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return;
	while (read(pg->log, buf, sizeof(buf)) > 0)
		;
	_exit(0);
}

static bool pg_try(struct pg_server *pg)
{
	_cleanup_free_ char *postgres = xasprintf("%s/postgres", pg->bin);
	_cleanup_free_ char *data = xasprintf("%s/data", pg->dir);
	const char *const argv[] = { postgres, "-D", data, "-k", pg->dir, "-c",
		"listen_addresses=", "-c", "log_min_messages=log", "-c",
		"max_connections=20", "-c", "shared_buffers=16MB", "-c",
		"fsync=off", NULL };
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pg->pid = fork();
	assert_true(pg->pid >= 0);
	if (pg->pid == 0)
		pg_run_as(pg, argv, fds[1]);
	close(fds[1]);
	pg->log = fds[0];
	if (!pg_await(pg, "ready to accept connections")) {
		assert_int_equal(waitpid(pg->pid, NULL, 0), pg->pid);
		close(pg->log);
		return false;
	}
	pg_drain(pg);
	return true;
}

static void pg_start(struct pg_server *pg)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	while (!pg_try(pg))
		(void)nanosleep(&ms, NULL);
}

static _unused_ void pg_stop(struct pg_server *pg, int sig)
{
	if (pg->pid <= 0)
		return;
	assert_int_equal(kill(pg->pid, sig), 0);
	assert_int_equal(waitpid(pg->pid, NULL, 0), pg->pid);
	pg->pid = 0;
	close(pg->log);
}

static bool pg_find(struct pg_server *pg)
{
	glob_t g;
	bool found = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) ==
		     0;

	if (found) {
		pg->bin = xstrdup(g.gl_pathv[g.gl_pathc - 1]);
		*strrchr(pg->bin, '/') = '\0';
		globfree(&g);
	}
	return found;
}

/* false: there is none */
static _unused_ bool pg_setup(struct pg_server *pg)
{
	const struct passwd *nobody = getpwnam("nobody");
	_cleanup_free_ char *initdb = NULL, *data = NULL;
	const char *argv[] = { NULL, "-D", NULL, "-A", "trust", "-U", "upshift",
			 "-N", "-E", "UTF8", "--no-locale", NULL };
	int st, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;

	memset(pg, 0, sizeof(*pg));
	if (!pg_find(pg) || (geteuid() == 0 && !nobody)) {
		close(null);
		return false;
	}
	pg->uid = nobody ? nobody->pw_uid : geteuid();
	pg->gid = nobody ? nobody->pw_gid : getegid();
	/* short: the name of a socket has 107 bytes */
	pg->dir = xstrdup("/tmp/upshift-pg-XXXXXX");
	assert_non_null(mkdtemp(pg->dir));
	if (geteuid() == 0)
		assert_int_equal(chown(pg->dir, pg->uid, pg->gid), 0);
	argv[0] = initdb = xasprintf("%s/initdb", pg->bin);
	argv[2] = data = xasprintf("%s/data", pg->dir);
	pg->url = xasprintf("pg:host=%s user=upshift dbname=postgres",
			    pg->dir);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		pg_run_as(pg, argv, null);
	close(null);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
	pg_start(pg);
	return true;
}

static _unused_ void pg_teardown(struct pg_server *pg)
{
	pid_t pid;

	if (!pg->dir)
		return;
	pg_stop(pg, SIGINT);
	pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", pg->dir, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
	free(pg->bin);
	free(pg->dir);
	free(pg->url);
}

#endif
