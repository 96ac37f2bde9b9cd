/* SPDX-License-Identifier: MIT */
/* Checks that look at files: json, jsonl, exists, absent, writable. */
#include "scratch.h"

#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "fake-ctx.h"

#define STEPS(kind, keys) \
	"checks = ( { id = \"s\"; kind = \"" kind "\"; " keys " } ); " \
	"steps = ( { id = \"x\"; kind = \"mkdir\"; paths = [\"zz\"]; } );"

/* Makes the check; the details are in *r, which the caller releases. */
static enum check_state look(struct step_ctx *c, struct check_result *r)
{
	check_result_init(r);
	error_release(&c->err);
	if (c->step->ops->check(c->step, c, r, &c->err) < 0)
		fail_msg("%s", c->err.msg);
	return r->state;
}

/* In a world made by line the check must end so, with this in its message
   and these many details. */
static void expect(const char *steps, const char *line, enum check_state want,
		   const char *message, size_t details)
{
	struct step_ctx *c = fake_world(steps, line);
	struct check_result r;

	if (look(c, &r) != want || !strstr(r.message.buf, message) ||
	    r.details.n != details)
		fail_msg("%s: state %d, %zu details: %s", steps, r.state, r.details.n,
			 r.message.buf);
	check_result_release(&r);
	fake_free(c, true);
}

static void documents(void **state)
{
	(void)state;
	expect(STEPS("json", "paths = [\"d/**/*.json\"];"),
	       "mkdir -p d/e; echo '{}' >d/a.json; echo '[1]' >d/e/.b.json;"
	       "echo no >d/c.md", CHECK_OK, "2 documents in 2 files", 0);
	expect(STEPS("json", "paths = [\"d/**/*.json\", \"d/x\"];"),
	       "mkdir -p d/e; echo '{,}' >d/a.json; printf '[1\\n,2,]' >"
	       "d/e/b.json; echo '1' >d/x", CHECK_FAIL,
	       "2 faults in 3 files: d/a.json:1:2: ", 2);
	/* a named file must be there; a pattern may match nothing */
	/* told, never refused */
	expect(STEPS("json", "paths = [\"a.json\"];"),
	       "printf '{\"a\": 1, \"a\": 2, \"n\": 9007199254740993}\n'"
	       " >a.json", CHECK_OK, "1 document in 1 file, well-formed; "
	       "2 places that programs read differently", 2);
	expect(STEPS("json", "paths = [\"a.json\"];"),
	       "echo '[1e999,1e999,1e999,1e999,1e999,1e999,1e999]' >a.json",
	       CHECK_OK, "7 places", 6);
	expect(STEPS("json", "paths = [\"gone.json\"];"), ":", CHECK_FAIL,
	       "gone.json: is not there", 1);
	expect(STEPS("json", "paths = [\"*.json\"];"), ":", CHECK_OK,
	       "no file matches", 0);
	/* a directory is all files below it */
	expect(STEPS("json", "paths = [\"d\"];"),
	       "mkdir -p d/e; echo 1 >d/a; echo x >d/e/b", CHECK_FAIL,
	       "d/e/b:1:1: ", 1);
	expect(STEPS("json", "paths = [\"d-?\"];"),
	       "mkdir d-1; echo x >d-1/b", CHECK_FAIL, "d-1/b:1:1: ", 1);
	/* the same file twice is one fault */
	expect(STEPS("json", "paths = [\"d\", \"d/a\", \"d/*\"];"),
	       "mkdir d; echo x >d/a", CHECK_FAIL, "1 fault", 1);
}

static void what_is_no_file(void **state)
{
	(void)state;
	expect(STEPS("json", "paths = [\"**\"];"),
	       "mkdir d; mkfifo d/f; ln -s /etc/passwd d/l; ln -s gone x; "
	       "echo 1 >d/a", CHECK_OK, "1 document in 1 file", 0);
	expect(STEPS("json", "paths = [\"l\"];"), "echo 1 >a; ln -s a l",
	       CHECK_FAIL, "l: is a symbolic link", 1);
	expect(STEPS("json", "paths = [\"f\"];"), "mkfifo f", CHECK_FAIL,
	       "f: is not a regular file", 1);
	/* bytes that a terminal would take for its own */
	expect(STEPS("json", "paths = [\"*\"];"),
	       "echo x >\"$(printf 'a\\033b')\"", CHECK_FAIL,
	       "a\\x1bb:1:1: ", 1);
}

static void many_faults(void **state)
{
	struct step_ctx *c = fake_world(STEPS("jsonl", "paths = [\"f\"];"),
		"i=0; while [ $i -lt 120 ]; do echo '{'; i=$((i + 1)); "
		"done >f");
	struct check_result r;

	(void)state;
	assert_int_equal(look(c, &r), CHECK_FAIL);
	assert_non_null(strstr(r.message.buf, "120 faults"));
	assert_int_equal(r.details.n, 101);
	assert_string_equal(r.details.v[100], "and 20 more");
	assert_int_equal(r.code, ERR_JSON);
	check_result_release(&r);
	fake_free(c, true);
}

static void json_lines(void **state)
{
	(void)state;
	expect(STEPS("jsonl", "paths = [\"*.jsonl\"];"),
	       "printf '1\\n\\n{}\\n' >a.jsonl; : >b.jsonl", CHECK_OK,
	       "2 records in 2 files", 0);
	expect(STEPS("jsonl", "paths = [\"*.jsonl\"];"),
	       "printf '1\\n{,}\\n[}\\n' >a.jsonl", CHECK_FAIL,
	       "2 faults in 1 files: a.jsonl:2:2: ", 2);
	expect(STEPS("jsonl", "paths = [\"a.jsonl\"];"),
	       "printf '1\\n{\"a' >a.jsonl", CHECK_FAIL, "a.jsonl:2:4: ", 1);
	/* somebody writes it */
	expect("live = [\"a.*\"];" STEPS("jsonl", "paths = [\"a.jsonl\"];"),
	       "printf '1\\n{\"a' >a.jsonl", CHECK_OK, "1 record", 0);
	expect("live = [\"a.*\"];" STEPS("jsonl", "paths = [\"a.jsonl\"];"),
	       "printf '{\\n{\"a' >a.jsonl", CHECK_FAIL, "a.jsonl:1:2: ", 1);
}

static void there_or_not(void **state)
{
	(void)state;
	expect(STEPS("exists", "paths = [\"a\", \"d/*\"];"),
	       "mkdir d; touch d/.x; ln -s nowhere a", CHECK_OK, "2 paths", 0);
	expect(STEPS("exists", "paths = [\"a\", \"d/*\", \"b\"];"),
	       "mkdir d; touch b", CHECK_FAIL,
	       "2 of 3 paths are missing: 'a' is not there", 2);
	expect(STEPS("absent", "paths = [\"a\", \"d/*\"];"), "mkdir d",
	       CHECK_OK, "nothing is there", 0);
	expect(STEPS("absent", "paths = [\"a\"];"), "ln -s nowhere a",
	       CHECK_FAIL, "'a' is there", 1);
	expect(STEPS("absent", "paths = [\"d/**\"];"),
	       "mkdir -p d/e; touch d/e/f", CHECK_FAIL,
	       "2 paths are there that must not be: 'd/e'", 2);
}

static void writable(void **state)
{
	(void)state;
	expect(STEPS("writable", ""), ":", CHECK_OK, "1 path is writable", 0);
	expect(STEPS("writable", "paths = [\"a\", \"d/new/deep\", \"*\"];"),
	       "mkdir d; touch a", CHECK_OK, "4 paths are writable", 0);
	expect(STEPS("writable", "paths = [\"a\"];"), "ln -s /tmp a",
	       CHECK_FAIL, "'a' is a symbolic link", 1);
	expect(STEPS("writable", "paths = [\"a/b\"];"), "ln -s /tmp a",
	       CHECK_FAIL, "symbolic link", 1);
	expect(STEPS("writable", "paths = [\"a/b\"];"), "touch a", CHECK_FAIL,
	       "'a/b' ", 1);
}

static void not_writable(void **state)
{
	(void)state;
	if (geteuid() == 0)
		skip();
	expect(STEPS("writable", "paths = [\"a\"];"), "touch a; chmod 444 a",
	       CHECK_FAIL, "'a' must not be written by this user", 1);
	expect(STEPS("writable", "paths = [\"d/x\"];"),
	       "mkdir d; chmod 555 d", CHECK_FAIL,
	       "'d' must not be written by this user", 1);
	/* cannot be read, and need not be */
	expect(STEPS("writable", "paths = [\"a\"];"), "touch a; chmod 200 a",
	       CHECK_OK, "1 path", 0);
}

static bool set_flags(int fd, int flags)
{
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

static void immutable(void **state)
{
	struct step_ctx *c = fake_world(STEPS("writable", "paths = [\"a\"];"),
					"touch a");
	int fd = openat(c->root_fd, "a", O_RDONLY);
	struct check_result r;

	(void)state;
	/* takes a right and a file system that has such flags */
	if (!set_flags(fd, FS_IMMUTABLE_FL)) {
		close(fd);
		fake_free(c, true);
		skip();
	}
	look(c, &r);
	assert_true(set_flags(fd, 0));
	close(fd);
	assert_int_equal(r.state, CHECK_FAIL);
	assert_non_null(strstr(r.message.buf, "immutable"));
	assert_int_equal(r.code, ERR_PERMISSION);
	check_result_release(&r);
	fake_free(c, true);
}

/* 0: refused for the right reason; 77: nothing can be mounted here */
static int look_at_read_only(struct step_ctx *c)
{
	_cleanup_free_ char *d = xasprintf("%s/d", c->root);
	struct check_result r;
	int ret;

	if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", d, "tmpfs", MS_RDONLY, NULL) < 0)
		return 77;
	/* the descriptor still looks at the mounts of the parent */
	close(c->root_fd);
	c->root_fd = open(c->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	look(c, &r);
	ret = r.state != CHECK_FAIL || !strstr(r.message.buf, "read-only");
	check_result_release(&r);
	return ret;
}

static void read_only_mount(void **state)
{
	struct step_ctx *c = fake_world(STEPS("writable", "paths = [\"d\"];"),
					"mkdir d");
	pid_t pid = fork();
	int st;

	(void)state;
	/* in a process of its own, whose mounts go with it */
	if (pid == 0)
		_exit(look_at_read_only(c));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	fake_free(c, true);
	if (WIFEXITED(st) && WEXITSTATUS(st) == 77)
		skip();
	assert_int_equal(st, 0);
}

static void mistakes(void **state)
{
	static const char *const bad[][2] = {
		{ STEPS("json", ""), "'paths'" },
		{ STEPS("json", "paths = [\"../x\"];"), "'../x'" },
		{ STEPS("exists", "paths = \"a\"; path = \"b\";"), "path" },
		{ "steps = ( { id = \"s\"; kind = \"unchanged\"; paths = "
		  "[\"a/*\"]; } );", "patterns" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct step_ctx *c = fake_new();

		assert_int_equal(fake_load(c, bad[i][0]), -EINVAL);
		if (!strstr(fake_problem(c), bad[i][1]))
			fail_msg("%s", fake_problem(c));
		fake_free(c, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(what_is_no_file),
		cmocka_unit_test(many_faults),
		cmocka_unit_test(json_lines),
		cmocka_unit_test(there_or_not),
		cmocka_unit_test(writable),
		cmocka_unit_test(not_writable),
		cmocka_unit_test(immutable),
		cmocka_unit_test(read_only_mount),
		cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
