/* SPDX-License-Identifier: MIT */
/*
 * Killed, or out of room, at each call that changes the file system, while
 * going back and while returning to the R point: done again it converges, to
 * the nanosecond. UPSHIFT_TEST_ALL=1 takes every call, else every 7th.
 *
 * All work is done in children, as the fault table is read once in a process;
 * this process only looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/xalloc.h"
#include "undo-world.h"

/* shared with the children, which leave digests and messages in it */
struct shared {
	struct world w;
	char message[1000];
	char point[16];
	bool back;               /* to the R point */
};

struct sweep {
	struct shared *s;
	struct strvec before, after;
	int cycle;
	int step;
};

enum { CHILD_FINE, CHILD_ERROR, CHILD_KILLED };

static int in_child(struct shared *s, int (*fn)(struct shared *s),
		    const char *fault)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int r;

		memset(&s->w.err, 0, sizeof(s->w.err));
		s->message[0] = '\0';
		setenv("UPSHIFT_TEST_FAULT", fault ? fault : "", 1);
		r = fn(s);
		if (r < 0 && s->w.err.msg)
			(void)snprintf(s->message, sizeof(s->message), "%s",
				       s->w.err.msg);
		_exit(r < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	memset(&s->w.err, 0, sizeof(s->w.err));
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return CHILD_KILLED;
	}
	return WEXITSTATUS(status) ? CHILD_ERROR : CHILD_FINE;
}

static void must(struct shared *s, int (*fn)(struct shared *s),
		 const char *what)
{
	if (in_child(s, fn, NULL) != CHILD_FINE)
		fail_msg("%s: %s", what, s->message);
}

static int do_back_up(struct shared *s)
{
	world_back_up(&s->w);
	return 0;
}

static int do_change(struct shared *s)
{
	world_change(&s->w, 60);
	world_post(&s->w);
	return 0;
}

static int do_point(struct shared *s)
{
	world_write_point(&s->w, s->point);
	return 0;
}

static int do_undo(struct shared *s)
{
	char other[32];

	(void)snprintf(other, sizeof(other), "%s-back", s->point);
	if (s->back)
		return world_return(&s->w, s->point, other);
	return world_undo(&s->w, s->point);
}

static void look(struct sweep *sw, const struct strvec *want,
		 const char *what)
{
	_cleanup_strvec_ struct strvec now = STRVEC_INIT;

	world_list(&sw->s->w, &now);
	world_same(want, &now, what);
}

/* One fault, and another in the second attempt; then it has to go through. */
static bool attempt(struct sweep *sw, bool back, int n, const char *how)
{
	_cleanup_free_ char *fault = xasprintf("any:%d:%s", n, how);
	_cleanup_free_ char *second = xasprintf("any:%d:kill", n / 2 + 1);
	_cleanup_free_ char *what = xasprintf("%s, %s", back ? "return" :
					      "undo", fault);
	int r;

	sw->s->back = back;
	r = in_child(sw->s, do_undo, fault);
	if (r == CHILD_FINE) {
		look(sw, back ? &sw->after : &sw->before, what);
		return false;
	}
	if (n % 3 == 0)
		(void)in_child(sw->s, do_undo, second);
	must(sw->s, do_undo, what);
	look(sw, back ? &sw->after : &sw->before, what);
	return true;
}

/* There and back; max 0: until there is nothing left to be hit. */
static int sweep(struct sweep *sw, const char *how, int max)
{
	bool there = true, back = true;
	int n;

	/* an error in clearing up may be passed over, a kill never is */
	for (n = 1; max ? n < max : there || back; n += sw->step) {
		(void)snprintf(sw->s->point, sizeof(sw->s->point), "R%d",
			       ++sw->cycle);
		must(sw->s, do_point, "point");
		there = attempt(sw, false, n, how);
		back = attempt(sw, true, n, how);
	}
	return n;
}

static void round_of_faults(uint64_t seed, bool no_exchange, bool sibling)
{
	struct sweep sw = { .s = mmap(NULL, sizeof(*sw.s),
				      PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
	int n;

	assert_ptr_not_equal(sw.s, MAP_FAILED);
	sw.step = getenv("UPSHIFT_TEST_ALL") ? 1 : 7;
	world_init(&sw.s->w, seed);
	sw.s->w.no_exchange = no_exchange;
	sw.s->w.force_sibling = sibling;
	must(sw.s, do_back_up, "backup");
	world_list(&sw.s->w, &sw.before);
	must(sw.s, do_change, "change");
	world_list(&sw.s->w, &sw.after);

	n = sweep(&sw, "kill", 0);
	/* fewer than that is no sweep */
	assert_true(n > 80);
	(void)sweep(&sw, "kill-after", 0);
	(void)sweep(&sw, "ENOSPC", n);
	(void)sweep(&sw, "EIO", n);

	strvec_release(&sw.before);
	strvec_release(&sw.after);
	world_release(&sw.s->w);
	munmap(sw.s, sizeof(*sw.s));
}

static void test_exchange(void **state)
{
	(void)state;
	round_of_faults(11, false, false);
}

static void test_no_exchange(void **state)
{
	(void)state;
	round_of_faults(12, true, false);
}

static void test_other_file_system(void **state)
{
	(void)state;
	round_of_faults(13, false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_no_exchange),
		cmocka_unit_test(test_other_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
