/* SPDX-License-Identifier: MIT */
/*
 * The table of faults (fsutil.h). It is read once in a process, so each case
 * is a program of its own: this one, with what to do as its argument.
 */
#include "apart.h"

#include <signal.h>

#include "base/fsutil.h"

static const char *fault;

static int again(struct scratch *s, const char *what)
{
	if (setenv("UPSHIFT_TEST_FAULT", fault, 1) || fchdir(s->fd))
		return 99;
	execl("/proc/self/exe", "test-fsutil-fault", what, (char *)NULL);
	return 99;
}

static int as_child(const char *what)
{
	int ret;

	if (!strcmp(what, "create"))
		return fs_open_beneath(AT_FDCWD, "n", O_WRONLY | O_CREAT,
				       0600) < 0;
	ret = fs_write_file(AT_FDCWD, "f", "new", 3, 0600);
	return ret < 0 ? -ret : 0;
}

static int write_under_fault(struct scratch *s)
{
	return again(s, "write");
}

static void want_fault(struct scratch *s, const char *rule, int result,
		       const char *content)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	put_file(s->fd, "f", "old");
	fault = rule;
	assert_int_equal(apart(write_under_fault, s), result);
	assert_int_equal(fs_read_file(s->fd, "f", 99, &sb), 0);
	assert_string_equal(sb.buf, content);
}

static void faults(void **state)
{
	struct scratch *s = *state;

	want_fault(s, "open:1:ENOSPC", ENOSPC, "old");
	want_fault(s, "write:1:ENOSPC", ENOSPC, "old");
	want_fault(s, "chmod:1:EPERM", EPERM, "old");
	want_fault(s, "sync:1:EIO", EIO, "old");
	want_fault(s, "rename:1:EIO", EIO, "old");
	/* the second fsync is that of the directory */
	want_fault(s, "sync:2:EIO", EIO, "new");
	want_fault(s, "sync:2:EROFS", EROFS, "new");
	want_fault(s, "sync:3:EIO", 0, "new");
	want_fault(s, "write:2:EIO,rename:1:EXDEV", EXDEV, "old");
	want_fault(s, "any:1+:ENOSPC", ENOSPC, "old");
	assert_int_equal(entries(s->fd), 1);
}

static void kills(void **state)
{
	struct scratch *s = *state;

	want_fault(s, "open:1:kill", -SIGKILL, "old");
	want_fault(s, "rename:1:kill", -SIGKILL, "old");
	want_fault(s, "rename:1:kill-after", -SIGKILL, "new");
	want_fault(s, "any:1:kill-after", -SIGKILL, "old");
	/* open, write, chmod, fsync, rename, fsync */
	want_fault(s, "any:5:kill", -SIGKILL, "old");
	want_fault(s, "any:5:kill-after", -SIGKILL, "new");
	want_fault(s, "any:7:kill", 0, "new");
	assert_int_equal(atomic_file_sweep(s->fd, "f"), 0);
	assert_int_equal(entries(s->fd), 1);
}

static int create_beneath(struct scratch *s)
{
	return again(s, "create");
}

static void faults_of_creating_opens(void **state)
{
	struct scratch *s = *state;

	fault = "open:1:kill";
	assert_int_equal(apart(create_beneath, s), -SIGKILL);
	assert_false(there(s->fd, "n"));
	fault = "open:1:kill-after";
	assert_int_equal(apart(create_beneath, s), -SIGKILL);
	assert_true(there(s->fd, "n"));
	fault = "open:2:kill";
	assert_int_equal(apart(create_beneath, s), 0);
}

/* A rule that nobody understands would make a test pass for nothing. */
static void bad_rules_end_the_process(void **state)
{
	static const char *const bad[] = { "open", "open:1", "opne:1:EIO",
		"open:0:EIO", "open:1x:EIO", "open:1:EWHAT", "open:1:EIO:x" };
	struct scratch *s = *state;
	int saved = dup(2), null = open("/dev/null", O_WRONLY);

	put_file(s->fd, "f", "old");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int r;

		fault = bad[i];
		(void)dup2(null, 2);
		r = apart(write_under_fault, s);
		(void)dup2(saved, 2);
		assert_int_equal(r, 70);
	}
	close(saved);
	close(null);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		with_scratch(faults),
		with_scratch(kills),
		with_scratch(faults_of_creating_opens),
		with_scratch(bad_rules_end_the_process),
	};

	if (argc > 1)
		return as_child(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
