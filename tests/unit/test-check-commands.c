/* SPDX-License-Identifier: MIT */
/* Checks that start or look for programs: command, version, process, timing. */
#include "scratch.h"

#include <json-c/json.h>
#include <signal.h>

#include "fake-ctx.h"

#define STEPS(kind, keys) \
	"steps = ( { id = \"s\"; kind = \"" kind "\"; " keys " } );"
#define SH(script) "run = [\"sh\", \"-c\", \"" script "\"]; "

/* state, message and error as one line; caller frees */
static char *look(struct step_ctx *c)
{
	static const char *const states[] = { "ok", "warn", "fail" };
	struct check_result r;
	char *ret;

	check_result_init(&r);
	error_release(&c->err);
	c->err = (struct error)ERROR_INIT;
	if (c->step->ops->check(c->step, c, &r, &c->err) < 0)
		ret = xasprintf("error: %s", c->err.msg);
	else
		ret = xasprintf("%s: %s", states[r.state], r.message.buf);
	check_result_release(&r);
	return ret;
}

static void expect_in(struct step_ctx *c, const char *begin, const char *part)
{
	_cleanup_free_ char *got = look(c);

	if (!str_starts(got, begin) || !strstr(got, part))
		fail_msg("%s", got);
}

static void expect(const char *steps, const char *line, const char *begin,
		   const char *part)
{
	struct step_ctx *c = fake_world(steps, line);

	expect_in(c, begin, part);
	fake_free(c, true);
}

static void refused(const char *steps, const char *part)
{
	struct step_ctx *c = fake_new();

	assert_int_equal(fake_load(c, steps), -EINVAL);
	if (!strstr(fake_problem(c), part))
		fail_msg("%s", fake_problem(c));
	fake_free(c, true);
}

static void commands(void **state)
{
	(void)state;
	expect(STEPS("command", "run = [\"true\"];"), ":", "ok: ", "'true'");
	expect(STEPS("command", SH("echo first; echo why >&2; exit 3")), ":",
	       "fail: ", "ended with status 3, expected 0: why");
	expect(STEPS("command", SH("exit 3") "status = 3;"), ":", "ok: ",
	       "status 3");
	expect(STEPS("command", SH("kill -TERM $$")), ":", "fail: ",
	       "signal 15");
	/* in the root, by a path below it */
	expect(STEPS("command", "run = [\"bin/x\"]; output = \"^in here$\";"),
	       "mkdir bin; printf '#!/bin/sh\\ncat a\\n' >bin/x; "
	       "chmod 755 bin/x; echo in here >a", "ok: ", "bin/x");
	expect(STEPS("command", "run = [\"no-such-program\"];"), ":",
	       "error: ", "no-such-program");
}

static void command_output(void **state)
{
	(void)state;
	expect(STEPS("command", SH("echo a; echo ok: 7") "output = \"^ok: [0-9]+$\";"),
	       ":", "ok: ", "");
	expect(STEPS("command", SH("echo not ok: 7") "output = \"^ok\";"), ":",
	       "fail: ", "does not match '^ok'");
	/* standard error is no output */
	expect(STEPS("command", SH("echo ok >&2") "output = \"ok\";"), ":",
	       "fail: ", "does not match");
	/* the status counts first */
	expect(STEPS("command", SH("echo ok; exit 1") "output = \"ok\";"), ":",
	       "fail: ", "status 1");
}

static void command_limit(void **state)
{
	(void)state;
	expect(STEPS("command", "run = [\"sleep\", \"1000\"]; timeout = 0.01;"),
	       ":", "fail: ", "did not end within 0.01 s");
	refused(STEPS("command", "run = [\"true\"]; timeout = 0;"), "above 0");
	refused(STEPS("command", "timeout = 1;"), "'run'");
	refused(STEPS("command", "run = [\"true\"]; status = 300;"), "status");
}

static void command_as_before(void **state)
{
	struct step_ctx *c = fake_world(STEPS("command",
		SH("cat a; exit 3") "status = 3; as_before = true;"),
		"echo one >a");

	(void)state;
	expect_in(c, "warn: ", "not asked before");
	assert_int_equal(c->step->ops->baseline(c->step, c, &c->err), 0);
	expect_in(c, "ok: ", "answers as before");
	fake_sh(c, "echo two >a");
	/* what it says now is never taken for what it said before */
	assert_int_equal(c->step->ops->baseline(c->step, c, &c->err), 0);
	expect_in(c, "fail: ", "does not answer as before");
	fake_sh(c, "echo one >a");
	expect_in(c, "ok: ", "");
	fake_free(c, true);

	c = fake_world(STEPS("command", "run = [\"false\"]; as_before = true;"),
		       ":");
	assert_true(c->step->ops->baseline(c->step, c, &c->err) < 0);
	fake_free(c, true);
}

#define IN_FILE(rest) STEPS("version", "path = \"v\"; " rest)

static void versions(void **state)
{
	(void)state;
	expect(IN_FILE("pattern = \"version ([0-9.]+)\"; min = \"1.9\";"),
	       "echo 'x version 1.10' >v", "ok: ", "version 1.10");
	expect(IN_FILE("pattern = \"[0-9.]+\"; max = \"1.9\";"),
	       "echo 'x version 1.10' >v", "fail: ",
	       "'v': version 1.10 is above 1.9");
	expect(IN_FILE("pattern = \"[0-9.]+\"; max = \"1.9\";"),
	       "echo 1.9.7 >v", "ok: ", "1.9.7");
	expect(IN_FILE("pattern = \"[0-9.]+\"; min = \"2\";"),
	       "echo 1.9.7 >v", "fail: ", "1.9.7 is below 2");
	expect(IN_FILE("pattern = \"v=([0-9.]+)\"; min = \"2\";"),
	       "echo none >v", "fail: ", "'v' tells no version");
	expect(IN_FILE("pattern = \"none\"; min = \"2\";"), "echo none >v",
	       "fail: ", "'none' is no version");
	expect(IN_FILE("pattern = \"[0-9]\"; min = \"2\";"), ":", "error: ",
	       "'v'");
	expect(STEPS("version", SH("echo prism 1.4; exit 1")
		     "pattern = \" ([0-9.]+)\"; min = \"1.0\"; max = \"1.9\";"),
	       ":", "ok: ", "1.4");
}

static void version_in_json(void **state)
{
	(void)state;
	expect(IN_FILE("pointer = \"/a/version\"; max = \"1.9\";"),
	       "echo '{\"a\": {\"version\": \"1.9.2\"}}' >v", "ok: ", "1.9.2");
	/* a number is what is written: 1.10, not 1.1 */
	expect(IN_FILE("pointer = \"/version\"; max = \"1.9\";"),
	       "echo '{\"version\": 1.10}' >v", "fail: ", "1.10 is above");
	expect(IN_FILE("pointer = \"/nothing\"; min = \"1\";"),
	       "echo '{\"version\": 1.10}' >v", "fail: ", "no version");
	expect(IN_FILE("pointer = \"\"; min = \"1\";"),
	       "echo '{\"version\": 1.10}' >v", "fail: ", "no version");
	expect(IN_FILE("pointer = \"/version\"; min = \"1\";"),
	       "printf '{\"version\": 1.10,\\n}' >v", "error: ", "v: 2:1: ");
}

static void version_mistakes(void **state)
{
	(void)state;
	refused(STEPS("version", "pattern = \"x\"; min = \"1\";"),
		"'path' and 'run'");
	refused(STEPS("version", "path = \"a\"; run = [\"b\"]; pattern = \"x\"; min = \"1\";"),
		"'path' and 'run'");
	refused(IN_FILE("min = \"1\";"), "'pattern' and 'pointer'");
	refused(STEPS("version", "run = [\"b\"]; pointer = \"/x\"; min = \"1\";"),
		"'pointer'");
	refused(IN_FILE("pointer = \"x\"; min = \"1\";"), "no JSON Pointer");
	refused(IN_FILE("pattern = \"x\";"), "'min' and 'max'");
	refused(IN_FILE("pattern = \"x\"; min = \"new\";"), "no version");
	refused(IN_FILE("pattern = \"x\"; min = \"1.10\"; max = \"1.9\";"),
		"below 'min'");
	refused(IN_FILE("pattern = \"(\"; min = \"1\";"), "pattern");
}

/* A process of ours with this name that lives until it is killed. */
static pid_t start_named(struct step_ctx *c)
{
	_cleanup_free_ char *path = xasprintf("%s/up-t-%d", c->root,
					      (int)getpid());
	int p[2];
	char byte;
	pid_t pid;

	fake_sh(c, "cp \"$(command -v sleep)\" sleeper");
	assert_int_equal(renameat(c->root_fd, "sleeper", AT_FDCWD, path), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		execl(path, path, "1000", (char *)NULL);
		_exit(127);
	}
	/* closed by exec: now it has its name */
	close(p[1]);
	assert_int_equal(read(p[0], &byte, 1), 0);
	close(p[0]);
	return pid;
}

static void end(pid_t pid)
{
	int st;

	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &st, 0), pid);
}

static char *named(const char *key)
{
	return xasprintf("steps = ( { id = \"s\"; kind = \"process\"; "
			 "%s = \"up-t-%d\"; } );", key, (int)getpid());
}

static void processes(void **state)
{
	_cleanup_free_ char *absent = named("absent");
	_cleanup_free_ char *running = named("running");
	struct step_ctx *c = fake_world(absent, ":");
	struct step_ctx *d = fake_world(running, ":");
	siginfo_t si;
	pid_t pid;

	(void)state;
	expect_in(c, "ok: ", "does not run");
	expect_in(d, "fail: ", "does not run");
	pid = start_named(c);
	expect_in(c, "fail: ", "runs as process ");
	expect_in(d, "ok: ", "runs as process ");
	/* dead, and not yet waited for */
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	expect_in(c, "ok: ", "does not run");
	end(pid);
	fake_free(c, true);
	fake_free(d, true);
}

static void pid_files(void **state)
{
	_cleanup_free_ char *ours = xasprintf("mkdir run; echo %d >run/x.pid",
					      (int)getpid());

	(void)state;
	expect(STEPS("process", "absent = \"run/x.pid\";"), ":", "ok: ",
	       "does not run");
	expect(STEPS("process", "absent = \"run/x.pid\";"), ours, "fail: ",
	       "'run/x.pid' runs as process ");
	expect(STEPS("process", "running = \"x.pid\";"), "echo 4194999 >x.pid",
	       "fail: ", "does not run");
	expect(STEPS("process", "absent = \"x.pid\";"), "echo ../1 >x.pid",
	       "error: ", "'x.pid' holds no process id");
	expect(STEPS("process", "absent = \"x.pid\";"), ": >x.pid",
	       "error: ", "no process id");
}

static void process_mistakes(void **state)
{
	(void)state;
	refused(STEPS("process", ""), "'absent' and 'running'");
	refused(STEPS("process", "absent = \"a\"; running = \"b\";"),
		"do not go together");
	refused(STEPS("process", "absent = \"\";"), "empty");
}

/* --- timing: what was measured before is set, not waited for --- */

#define TIMING(keys) STEPS("timing", SH("echo x >>log") keys)

static size_t runs(struct step_ctx *c)
{
	struct stat st;

	return fstatat(c->root_fd, "log", &st, 0) ? 0 : (size_t)st.st_size / 2;
}

/* pretends that it took so long before */
static struct step_ctx *measured(const char *steps, double s)
{
	struct step_ctx *c = fake_world(steps, ":");
	struct json_object_iterator it, stop;

	assert_int_equal(c->step->ops->baseline(c->step, c, &c->err), 0);
	it = json_object_iter_begin(c->facts);
	stop = json_object_iter_end(c->facts);
	assert_false(json_object_iter_equal(&it, &stop));
	json_object_object_add(c->facts, json_object_iter_peek_name(&it),
			       json_object_new_double(s));
	return c;
}

static void timing(void **state)
{
	struct step_ctx *c = measured(TIMING("runs = 3;"), 1000);

	(void)state;
	/* one that warms up, then the series */
	assert_int_equal(runs(c), 4);
	expect_in(c, "ok: ", "before 1000.000 s");
	assert_int_equal(runs(c), 8);
	/* measured once: a resumed run keeps what it knows */
	assert_int_equal(c->step->ops->baseline(c->step, c, &c->err), 0);
	assert_int_equal(runs(c), 8);
	fake_free(c, true);

	/* slower by any ratio, but not by the floor */
	c = measured(TIMING("runs = 3; floor = 3600;"), 0);
	expect_in(c, "ok: ", "");
	fake_free(c, true);

	/* slower by both in each of three series */
	c = measured(TIMING("runs = 3; tolerance = 1.0; floor = 0;"), 0);
	expect_in(c, "fail: ", "before 0.000 s");
	assert_int_equal(runs(c), 4 + 1 + 9);
	fake_free(c, true);

	/* slower by the floor, but not by the ratio */
	c = measured(TIMING("runs = 1; tolerance = 1e12; floor = 0;"), 1e-6);
	expect_in(c, "ok: ", "");
	fake_free(c, true);
}

static void timing_without(void **state)
{
	struct step_ctx *c;

	(void)state;
	expect(TIMING(""), ":", "warn: ", "not measured before");
	c = fake_world(STEPS("timing", "run = [\"false\"];"), ":");
	assert_true(c->step->ops->baseline(c->step, c, &c->err) < 0);
	assert_int_equal(c->err.code, ERR_STEP_COMMAND);
	fake_free(c, true);
	refused(TIMING("tolerance = 0.9;"), "tolerance");
	refused(TIMING("runs = 0;"), "runs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),
		cmocka_unit_test(command_output),
		cmocka_unit_test(command_limit),
		cmocka_unit_test(command_as_before),
		cmocka_unit_test(versions),
		cmocka_unit_test(version_in_json),
		cmocka_unit_test(version_mistakes),
		cmocka_unit_test(processes),
		cmocka_unit_test(pid_files),
		cmocka_unit_test(process_mistakes),
		cmocka_unit_test(timing),
		cmocka_unit_test(timing_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
