/* SPDX-License-Identifier: MIT */
#ifndef RUN_FIXTURE_H
#define RUN_FIXTURE_H
/*
 * run-fixture - a temporary root and a plan made by hand, for tests of runs
 */
#include <errno.h>
#include <ftw.h>
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
#include "base/fsutil.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "journal.h"
#include "plan.h"
#include "run.h"
#include "step.h"

struct fixture {
	char *dir;              /* all of the test is below it */
	char *root;
	int dirfd;
};

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static _unused_ void remove_all(const char *path)
{
	(void)nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

static _unused_ int fixture_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	struct fixture *f = xcalloc(1, sizeof(*f));
	char *real;

	f->dir = xasprintf("%s/upshift-test-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	real = realpath(f->dir, NULL);
	assert_non_null(real);
	free(f->dir);
	f->dir = real;
	f->root = xasprintf("%s/root", f->dir);
	assert_int_equal(mkdir(f->root, 0755), 0);
	f->dirfd = fs_open(AT_FDCWD, f->dir, O_RDONLY | O_DIRECTORY, 0);
	assert_true(f->dirfd >= 0);
	setenv("XDG_STATE_HOME", f->dir, 1);
	unsetenv("UPSHIFT_TEST_RUN_ID");
	*state = f;
	return 0;
}

static _unused_ int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	closep(&f->dirfd);
	remove_all(f->dir);
	free(f->root);
	free(f->dir);
	free(f);
	return 0;
}

/* --- a plan of three steps; the second cannot be undone if asked --- */

static bool never_undoable(const struct step *s)
{
	(void)s;
	return false;
}

static const struct step_ops kind_plain = { .name = "plain" };
static const struct step_ops kind_final = {
	.name = "final", .undoable = never_undoable,
};

struct test_plan {
	struct plan plan;
	struct step step[3], *list[3];
	struct plan_file file[2];
	struct plan_answer answer[2];
};

static _unused_ void test_plan_init(struct test_plan *t, bool final)
{
	static char *const ids[] = {
		(char *)"one", (char *)"two", (char *)"three",
	};
	size_t i;

	memset(t, 0, sizeof(*t));
	for (i = 0; i < 3; i++) {
		t->step[i].id = ids[i];
		t->step[i].ops = final && i == 1 ? &kind_final : &kind_plain;
		t->list[i] = &t->step[i];
	}
	t->file[0] = (struct plan_file){
		.name = (char *)"default.json", .data = (char *)"{}\n",
		.len = 3,
	};
	t->file[1] = (struct plan_file){
		.name = (char *)"sub/dir/text", .data = (char *)"", .len = 0,
	};
	t->answer[0].id = (char *)"mail";
	t->answer[1].id = (char *)"word";
	t->answer[1].secret = true;
	t->plan.name = (char *)"demo";
	t->plan.title.text = (char *)"Demo | `app`";
	t->plan.from = (char *)"1.0";
	t->plan.to = (char *)"2.0";
	t->plan.source = (char *)"plan = 1;\n";
	t->plan.source_len = 10;
	(void)snprintf(t->plan.digest, sizeof(t->plan.digest), "blake2b-512:0");
	t->plan.steps = t->list;
	t->plan.step_n = 3;
	t->plan.files = t->file;
	t->plan.file_n = 2;
	t->plan.answers = t->answer;
	t->plan.answer_n = 2;
}

static _unused_ struct run *new_run(struct state_dir *sd,
				    const struct test_plan *t)
{
	struct run_options opts = { 0 };
	char id[RUN_ID_LEN + 1];
	struct error err = ERROR_INIT;
	struct run *r = NULL;

	assert_int_equal(run_new_id(sd, id), 0);
	if (run_create(&r, sd, &t->plan, id, "2026-11-20T11:46:03.000Z", &opts,
		       &err) < 0)
		fail_msg("run_create: %s", err.msg);
	return r;
}

static _unused_ void open_sd(struct fixture *f, struct state_dir *sd,
			     bool create)
{
	struct error err = ERROR_INIT;

	if (state_dir_open(sd, f->root, NULL, true, &err) < 0)
		fail_msg("state_dir_open: %s", err.msg);
	if (create && state_dir_create(sd, &err) < 0)
		fail_msg("state_dir_create: %s", err.msg);
}

/*
 * Runs this test program again as `program WHAT DIR` with a fault: the table
 * is read once in a process. Gives the status of waitpid().
 */
static _unused_ int run_child(const char *what, const char *dir,
			      const char *fault)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		setenv("UPSHIFT_TEST_FAULT", fault, 1);
		(void)execl("/proc/self/exe", "child", what, dir, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* an object from text, for a test's records */
static _unused_ struct json_object *obj(const char *text)
{
	struct json_object *o = NULL;

	assert_int_equal(json_parse(text, strlen(text), &o, NULL), 0);
	return o;
}

#endif
