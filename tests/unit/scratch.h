/* SPDX-License-Identifier: MIT */
#ifndef SCRATCH_H
#define SCRATCH_H
/*
 * scratch - a directory of a test's own, gone when the test is over
 *
 * scratch_setup() and scratch_teardown() go into cmocka_unit_test_setup_
 * teardown(); *state is a struct scratch. Removal is by the shell's rm, so
 * that a test of our own removal does not clean up after itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

struct scratch {
	char *dir;
	int fd;
	struct error err;
};

static _unused_ int scratch_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	struct scratch *s = xcalloc(1, sizeof(*s));

	s->dir = xasprintf("%s/upshift-test-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(s->dir))
		return -1;
	s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = s;
	return s->fd < 0 ? -1 : 0;
}

static _unused_ int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	pid_t pid = fork();
	int st = 0;

	if (pid == 0) {
		execlp("sh", "sh", "-c", "chmod -R u+rwx \"$0\" 2>/dev/null; "
		       "rm -rf \"$0\"", s->dir, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &st, 0) != pid || st)
		return -1;
	close(s->fd);
	error_release(&s->err);
	free(s->dir);
	free(s);
	return 0;
}

static _unused_ void put_file(int dirfd, const char *name, const char *text)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static _unused_ void put_dir(int dirfd, const char *name)
{
	assert_int_equal(mkdirat(dirfd, name, 0755), 0);
}

static _unused_ bool there(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* the strings of a list, a space between two; caller frees */
static _unused_ char *joined(const struct strvec *sv)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < sv->n; i++)
		strbuf_addf(&sb, "%s%s", i ? " " : "", sv->v[i]);
	return strbuf_detach(&sb);
}

#define with_scratch(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

static _unused_ size_t entries(int dirfd)
{
	_cleanup_strvec_ struct strvec v = STRVEC_INIT;

	assert_int_equal(glob_expand(dirfd, "*", NULL, &v, NULL), 0);
	return v.n;
}

#endif
