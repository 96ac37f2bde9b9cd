/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/walk.h"
#include "base/xalloc.h"
#include "fake-ctx.h"
#include "manifest.h"

/* a step that makes more calls than this is not one for a sweep */
#define CALLS_MAX 2000
/* times before it are the test's own; later ones differ from run to run */
#define OLD_TIME 978307200

/* --- the tree as text --- */

struct tree {
	struct step_ctx *c;
	struct strbuf out;
};

static int add_name(void *ctx, const struct walk_entry *e, struct error *err)
{
	struct tree *t = ctx;
	struct item it = ITEM_INIT;
	char digest[XXH128_TEXT_SIZE] = "";
	int ret;

	if (str_starts(e->name, ".upshift-stage-"))
		return WALK_SKIP;
	ret = item_read(t->c->root_fd, e->path, S_ISREG(e->st.st_mode), &it,
			err);
	if (ret < 0)
		return ret;
	if (it.flags & ITEM_HAS_DIGEST)
		xxh128_format(&it.digest, digest);
	strbuf_addf(&t->out, "%s %s %04o %d:%d", it.path,
		    item_type_name(it.type), (unsigned int)it.meta.mode,
		    (int)it.meta.uid, (int)it.meta.gid);
	if (it.type != ITEM_DIR)
		strbuf_addf(&t->out, " links %llu %s%s",
			    (unsigned long long)it.nlink, digest,
			    it.target ? it.target : "");
	if (it.type != ITEM_DIR && it.meta.mtime.tv_sec < OLD_TIME)
		strbuf_addf(&t->out, " at %lld.%09ld",
			    (long long)it.meta.mtime.tv_sec,
			    it.meta.mtime.tv_nsec);
	for (uint32_t i = 0; i < it.meta.xattr_n; i++)
		strbuf_addf(&t->out, " %s", it.meta.xattrs[i].name);
	strbuf_addch(&t->out, '\n');
	item_release(&it);
	return 0;
}

char *fake_tree(struct step_ctx *c)
{
	struct tree t = { .c = c, .out = STRBUF_INIT };

	if (walk_tree(c->root_fd, ".", 0, add_name, &t, &c->err) < 0)
		die("walk: %s", c->err.msg);
	return strbuf_detach(&t.out);
}

/* --- the sweep --- */

struct sweep {
	const char *steps, *prepare;
	char *before, *after;
};

static struct step_ctx *ready(const struct sweep *s)
{
	struct step_ctx *c = fake_new();

	assert_non_null(c);
	fake_sh(c, s->prepare);
	if (fake_load(c, s->steps) < 0)
		fail_msg("plan: %s", fake_problem(c));
	assert_int_not_equal(fake_probe(c), PROBE_FULLY);
	if (fake_begin(c) < 0)
		fail_msg("begin: %s", c->err.msg);
	return c;
}

static void expect_tree(struct step_ctx *c, const char *want, int n,
			const char *when)
{
	char *now = fake_tree(c);

	if (strcmp(now, want) != 0)
		fail_msg("call %d, %s: the tree is\n%sand should be\n%s", n,
			 when, now, want);
	free(now);
}

/* Each name that is no directory is as before or as after. */
static void expect_old_or_new(struct step_ctx *c, const struct sweep *s, int n)
{
	char *now = fake_tree(c), *save = NULL;

	for (char *line = strtok_r(now, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		_cleanup_free_ char *with_end = xasprintf("%s\n", line);

		if (strstr(line, " directory ") || strstr(line, " dir ") ||
		    strstr(s->before, with_end) || strstr(s->after, with_end))
			continue;
		fail_msg("call %d: neither old nor new: %s", n, line);
	}
	free(now);
}

static void again_from_start(struct step_ctx *c, const struct sweep *s, int n)
{
	if (fake_put_back(c) < 0)
		fail_msg("call %d, put back: %s", n, c->err.msg);
	expect_tree(c, s->before, n, "put back");
	if (fake_apply(c) < 0)
		fail_msg("call %d, again: %s", n, c->err.msg);
}

static void go_on(struct step_ctx *c, const struct sweep *s, int n)
{
	enum step_probe p = fake_probe(c);

	if (p == PROBE_FULLY) {
		expect_tree(c, s->after, n, "probe says fully");
	} else if (p == PROBE_NOT) {
		expect_tree(c, s->before, n, "probe says not");
		again_from_start(c, s, n);
	} else if (c->step->ops->flags & STEP_RESUMES) {
		assert_int_equal(p, PROBE_PARTLY);
		if (fake_child(c, NULL) != 0)
			fail_msg("call %d: cannot go on", n);
	} else {
		assert_int_equal(p, PROBE_PARTLY);
		again_from_start(c, s, n);
	}
	if (fake_verify(c) < 0)
		fail_msg("call %d, verify: %s", n, c->err.msg);
	expect_tree(c, s->after, n, "in the end");
}

/* true: the call was made, and the process killed there */
static bool kill_at(const struct sweep *s, int n)
{
	struct step_ctx *c = ready(s);
	char fault[64];
	int st;

	(void)snprintf(fault, sizeof(fault), "any:%d:kill", n);
	st = fake_child(c, fault);
	assert_true(st == 0 || st == 128 + SIGKILL);
	expect_old_or_new(c, s, n);
	if (st)
		go_on(c, s, n);
	fake_free(c, true);
	return st != 0;
}

static bool fail_at(const struct sweep *s, int n, const char *what)
{
	struct step_ctx *c = ready(s);
	char fault[64];
	int st;

	(void)snprintf(fault, sizeof(fault), "any:%d:%s", n, what);
	st = fake_child(c, fault);
	expect_old_or_new(c, s, n);
	if (st == 0) {
		/* a call that may fail, or one that was worked around */
		expect_tree(c, s->after, n, "succeeded");
	} else {
		assert_int_equal(st, 1);
		if (fake_probe(c) == PROBE_NOT)
			expect_tree(c, s->before, n, "probe says not");
		again_from_start(c, s, n);
		expect_tree(c, s->after, n, "tried again");
	}
	fake_free(c, true);
	return st != 0;
}

int fake_sweep(const char *steps, const char *prepare)
{
	struct sweep s = { .steps = steps, .prepare = prepare };
	struct step_ctx *c = fake_new();
	int n = 0;

	assert_non_null(c);
	fake_sh(c, prepare);
	s.before = fake_tree(c);
	fake_free(c, true);
	c = ready(&s);
	assert_int_equal(fake_child(c, NULL), 0);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	s.after = fake_tree(c);
	/* and a rollback leads back */
	if (fake_put_back(c) < 0)
		fail_msg("rolled back: %s", c->err.msg);
	expect_tree(c, s.before, 0, "rolled back");
	fake_free(c, true);
	while (n < CALLS_MAX && kill_at(&s, n + 1))
		n++;
	assert_true(n > 0 && n < CALLS_MAX);
	for (int i = 1; i <= n; i++)
		(void)fail_at(&s, i, "ENOSPC");
	free(s.before);
	free(s.after);
	return n;
}
