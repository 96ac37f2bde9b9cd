/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>

#include "base/child.h"
#include "base/fsutil.h"

struct heard {
	struct strbuf out, err;
	size_t lines, longest, bytes;
	uint64_t done, total;
	char unit[32];
	pid_t pid;
	uint64_t start;
	int refuse;
	bool cancel;
	int fd;               /* a file that must not be there in on_start */
};

#define HEARD_INIT { .out = STRBUF_INIT, .err = STRBUF_INIT, .fd = -1 }

static void heard_release(struct heard *h)
{
	strbuf_release(&h->out);
	strbuf_release(&h->err);
}

static int on_start(void *ctx, pid_t pid, uint64_t start)
{
	struct heard *h = ctx;

	h->pid = pid;
	h->start = start;
	if (h->fd >= 0 && there(h->fd, "ran"))
		return -EBUSY;
	return h->refuse;
}

static void on_line(void *ctx, enum child_stream s, const char *line,
		    size_t len)
{
	struct heard *h = ctx;
	struct strbuf *sb = s == CHILD_OUT ? &h->out : &h->err;

	h->lines++;
	h->bytes += len;
	if (len > h->longest)
		h->longest = len;
	if (sb->len > 4096)
		return;
	strbuf_add(sb, line, MIN(len, 4096u));
	strbuf_addch(sb, '|');
}

static void on_progress(void *ctx, const char *part, uint64_t done,
			uint64_t total, const char *unit)
{
	struct heard *h = ctx;

	h->done = done;
	h->total = total;
	(void)snprintf(h->unit, sizeof(h->unit), "%s%s%s", unit, part ? "/" : "",
		       part ? part : "");
}

static bool cancelled(void *ctx)
{
	return ((struct heard *)ctx)->cancel;
}

static const struct child_ops ops = {
	.on_start = on_start,
	.on_line = on_line,
	.on_progress = on_progress,
	.cancelled = cancelled,
};

static const struct child_spec plain = {
	.dir_fd = -1, .lock_fd = -1, .ops = &ops,
};

/* sh -c SCRIPT */
static int sh(struct scratch *s, const struct child_spec *base,
	      struct heard *h, const char *script, struct child_result *r)
{
	_cleanup_strvec_ struct strvec argv = STRVEC_INIT;
	struct child_spec spec = *base;

	strvec_push(&argv, "sh");
	strvec_push(&argv, "-c");
	strvec_push(&argv, script);
	spec.argv = &argv;
	spec.ctx = h;
	return child_run(&spec, r, &s->err);
}

static void output_and_status(void **state)
{
	struct scratch *s = *state;
	struct heard h = HEARD_INIT;
	struct child_result r;

	assert_int_equal(sh(s, &plain, &h, "echo one; echo two >&2; "
			    "printf 'no\\nend'; exit 3", &r), 0);
	assert_int_equal(r.exit_status, 3);
	assert_int_equal(r.signal, 0);
	assert_false(r.timed_out || r.cancelled || r.truncated);
	assert_string_equal(h.out.buf, "one|no|end|");
	assert_string_equal(h.err.buf, "two|");
	assert_true(r.elapsed_s >= 0);
	assert_true(h.pid > 1);
	assert_true(h.start > 0);
	heard_release(&h);
}

static void signals_are_told(void **state)
{
	struct scratch *s = *state;
	struct heard h = HEARD_INIT;
	struct child_result r;

	assert_int_equal(sh(s, &plain, &h, "kill -USR1 $$", &r), 0);
	assert_int_equal(r.exit_status, -1);
	assert_int_equal(r.signal, SIGUSR1);
	heard_release(&h);
}

static void odd_bytes_and_long_lines(void **state)
{
	struct scratch *s = *state;
	struct heard h = HEARD_INIT, g = HEARD_INIT, f = HEARD_INIT;
	struct child_result r;

	assert_int_equal(sh(s, &plain, &h, "printf 'a\\0b\\377\\n\\n'", &r),
			 0);
	assert_int_equal(h.out.len, 6);
	assert_memory_equal(h.out.buf, "a\0b\xff||", 6);
	heard_release(&h);
	/* 200,000 bytes without an end: in pieces of 64 KiB */
	assert_int_equal(sh(s, &plain, &g, "head -c 200000 /dev/zero", &r), 0);
	assert_int_equal(g.bytes, 200000);
	assert_int_equal(g.longest, 65536);
	assert_int_equal(g.lines, 4);
	assert_false(r.truncated);
	heard_release(&g);
	/* one of exactly that length is one line */
	assert_int_equal(sh(s, &plain, &f, "head -c 65536 /dev/zero; echo", &r),
			 0);
	assert_int_equal(f.lines, 1);
	assert_int_equal(f.bytes, 65536);
	heard_release(&f);
}

static void output_is_capped(void **state)
{
	struct scratch *s = *state;
	struct child_spec spec = plain;
	struct heard h = HEARD_INIT;
	struct child_result r;

	spec.output_cap = 1000;
	assert_int_equal(sh(s, &spec, &h, "yes | head -c 3000000; exit 4", &r),
			 0);
	/* it was read to the end, so that the command did not block */
	assert_int_equal(r.exit_status, 4);
	assert_true(r.truncated);
	assert_true(h.bytes <= 1000);
	heard_release(&h);
}

static void progress(void **state)
{
	struct scratch *s = *state;
	struct heard h = HEARD_INIT;
	struct child_result r;

	assert_int_equal(sh(s, &plain, &h, "echo '@progress 3/9 rows' >&3; "
			    "echo nonsense >&3; echo '@progress x/y' >&3", &r),
			 0);
	assert_int_equal(h.done, 3);
	assert_int_equal(h.total, 9);
	assert_string_equal(h.unit, "rows");
	assert_int_equal(h.lines, 0);
	heard_release(&h);
	assert_int_equal(sh(s, &plain, &h, "echo '@progress 4/9 rows "
			    "orders_2' >&3", &r), 0);
	assert_string_equal(h.unit, "rows/orders_2");
}

static void surroundings(void **state)
{
	struct scratch *s = *state;
	_cleanup_strvec_ struct strvec env = STRVEC_INIT;
	_cleanup_free_ char *want = NULL;
	struct child_spec spec = plain;
	struct heard h = HEARD_INIT;
	struct child_result r;
	sigset_t block, old;

	put_dir(s->fd, "sub");
	strvec_push(&env, "UPSHIFT_A=1 2");
	strvec_push(&env, "HOME=/elsewhere");
	spec.env = &env;
	spec.dir_fd = openat(s->fd, "sub", O_RDONLY | O_CLOEXEC);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &block, &old);
	/* stdin empty, no terminal, own session, nothing ignored or blocked */
	assert_int_equal(sh(s, &spec, &h,
		"pwd -P; echo \"$UPSHIFT_A $HOME\"; read x; echo \"<$?$x>\"; "
		"(: </dev/tty) 2>/dev/null && echo tty; "
		"set -- $(sed 's/.*) //' /proc/$$/stat); "
		"[ \"$4\" = $$ ] && [ \"$3\" = $$ ] && echo leader; "
		"grep -E '^Sig(Blk|Ign)' /proc/$$/status | "
		"grep -v '0000000000000000'; exit 0", &r), 0);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	close(spec.dir_fd);
	want = xasprintf("%s/sub|1 2 /elsewhere|<1>|leader|", s->dir);
	assert_string_equal(h.out.buf, want);
	heard_release(&h);
}

#define LIST_DESCRIPTORS \
	"i=0; while [ $i -lt 300 ]; do [ -e /proc/$$/fd/$i ] && echo $i; " \
	"i=$((i+1)); done; :"

/* Only 0 to 3, the lock, and nothing that somebody else left open. */
static void descriptors(void **state)
{
	struct scratch *s = *state;
	struct child_spec spec = plain;
	struct heard h = HEARD_INIT, g = HEARD_INIT;
	struct child_result r;
	int lock, again, foreign;

	foreign = dup2(s->fd, 33);
	assert_int_equal(foreign, 33);
	assert_int_equal(sh(s, &spec, &h, LIST_DESCRIPTORS, &r), 0);
	close(foreign);
	if (!strcmp(h.out.buf, "0|1|2|3|33|")) {
		heard_release(&h);
		skip(); /* no close_range() */
	}
	assert_string_equal(h.out.buf, "0|1|2|3|");
	heard_release(&h);

	put_file(s->fd, "lock", "");
	lock = openat(s->fd, "lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	spec.lock_fd = lock;
	/* a descendant that lives on holds it, and the pipes */
	assert_int_equal(sh(s, &spec, &g, "sleep 60 & echo $!", &r), 0);
	assert_int_equal(r.exit_status, 0);
	close(lock);
	again = openat(s->fd, "lock", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(child_end_group(g.pid, g.start), 0);
	/* its last descriptor goes with the process, which may take a moment */
	assert_int_equal(flock(again, LOCK_EX), 0);
	close(again);
	heard_release(&g);
}

/* A daemon that keeps the pipes: its leader's end is the end, a second on. */
static void grandchild_with_the_pipes(void **state)
{
	struct scratch *s = *state;
	struct heard h = HEARD_INIT;
	struct child_result r;

	assert_int_equal(sh(s, &plain, &h, "echo before; "
			    "setsid sleep 60 & echo $!", &r), 0);
	assert_int_equal(r.exit_status, 0);
	assert_int_equal(strncmp(h.out.buf, "before|", 7), 0);
	assert_true(r.elapsed_s < 30);
	assert_int_equal(kill((pid_t)atol(h.out.buf + 7), SIGKILL), 0);
	heard_release(&h);
}

static void time_is_limited(void **state)
{
	struct scratch *s = *state;
	struct child_spec spec = plain;
	struct heard h = HEARD_INIT;
	struct child_result r;

	spec.timeout_s = 0.2;
	/* what it started goes as well */
	assert_int_equal(sh(s, &spec, &h, "sleep 60 & echo $!; wait", &r), 0);
	assert_true(r.timed_out);
	assert_false(r.cancelled);
	assert_int_equal(r.exit_status, -1);
	assert_int_equal(r.signal, SIGTERM);
	assert_true(r.elapsed_s < 30);
	heard_release(&h);
}

static void cancelling(void **state)
{
	struct scratch *s = *state;
	struct heard h = HEARD_INIT;
	struct child_result r;

	h.cancel = true;
	assert_int_equal(sh(s, &plain, &h, "sleep 60", &r), 0);
	assert_true(r.cancelled);
	assert_false(r.timed_out);
	assert_int_equal(r.signal, SIGTERM);
	heard_release(&h);
}

static void deaf_commands_are_killed(void **state)
{
	struct scratch *s = *state;
	struct child_spec spec = plain;
	struct heard h = HEARD_INIT;
	struct child_result r;

	spec.timeout_s = 0.2;
	assert_int_equal(sh(s, &spec, &h, "trap '' TERM; while :; do sleep 1; "
			    "done", &r), 0);
	assert_true(r.timed_out);
	assert_int_equal(r.signal, SIGKILL);
	heard_release(&h);
}

/* Its number is durable before the program does anything, or it never runs. */
static void start_waits_for_the_journal(void **state)
{
	struct scratch *s = *state;
	struct child_spec spec = plain;
	struct heard h = HEARD_INIT;
	struct child_result r;

	h.fd = s->fd;
	spec.dir_fd = s->fd;
	assert_int_equal(sh(s, &spec, &h, ": >ran", &r), 0);
	assert_int_equal(r.exit_status, 0);
	assert_true(there(s->fd, "ran"));
	assert_int_equal(unlinkat(s->fd, "ran", 0), 0);
	h.refuse = -EIO;
	assert_int_equal(sh(s, &spec, &h, ": >ran", &r), -EIO);
	assert_false(there(s->fd, "ran"));
	assert_true(error_is_set(&s->err));
	assert_int_equal(waitpid(h.pid, NULL, WNOHANG), -1);
	heard_release(&h);
}

static void run_name(struct scratch *s, const char *name, int dir_fd,
		     int want)
{
	_cleanup_strvec_ struct strvec argv = STRVEC_INIT;
	struct child_spec spec = plain;
	struct heard h = HEARD_INIT;
	struct child_result r;

	strvec_push(&argv, name);
	spec.argv = &argv;
	spec.dir_fd = dir_fd;
	spec.ctx = &h;
	assert_int_equal(child_run(&spec, &r, &s->err), want);
	if (want) {
		assert_int_equal(s->err.code, ERR_TOOL);
		assert_non_null(strstr(s->err.msg, name));
		error_release(&s->err);
	}
	heard_release(&h);
}

static void finding(void **state)
{
	struct scratch *s = *state;
	_cleanup_free_ char *old = xstrdup(getenv("PATH"));
	_cleanup_free_ char *p = NULL, *q = NULL, *r = NULL;
	int found;

	run_name(s, "no-such-program-here", -1, -ENOENT);
	run_name(s, "./none", s->fd, -ENOENT);
	put_file(s->fd, "plain", "#!/bin/sh\n");
	run_name(s, "./plain", s->fd, -EACCES);
	put_file(s->fd, "script", "#!/bin/sh\nexit 0\n");
	assert_int_equal(fchmodat(s->fd, "script", 0755, 0), 0);
	run_name(s, "./script", s->fd, 0);
	put_file(s->fd, "lost", "#!/no/interpreter\n");
	assert_int_equal(fchmodat(s->fd, "lost", 0755, 0), 0);
	run_name(s, "./lost", s->fd, -ENOENT);
	put_dir(s->fd, "directory");
	run_name(s, "./directory", s->fd, -EACCES);
	assert_int_equal(child_find("sh", -1, &p), 0);
	assert_int_equal(p[0], '/');
	assert_int_equal(child_find("./script", s->fd, &q), 0);
	/*
	 * A relative entry of PATH would be searched here and run from the
	 * directory of the command.
	 */
	assert_int_equal(fchdir(s->fd), 0);
	setenv("PATH", ".::bin", 1);
	found = child_find("script", -1, &r);
	setenv("PATH", old, 1);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(found, -ENOENT);
}

/* A host that has its own plans for SIGCHLD keeps them. */
static void signals_of_the_host_stay(void **state)
{
	struct scratch *s = *state;
	struct sigaction before, after;
	struct heard h = HEARD_INIT;
	struct child_result r;

	assert_int_equal(sigaction(SIGCHLD, NULL, &before), 0);
	assert_int_equal(sh(s, &plain, &h, "exit 0", &r), 0);
	assert_int_equal(sigaction(SIGCHLD, NULL, &after), 0);
	assert_ptr_equal(before.sa_handler, after.sa_handler);
	/* children that nobody waits for: the end is seen all the same */
	(void)signal(SIGCHLD, SIG_IGN);
	assert_int_equal(sh(s, &plain, &h, "echo x; exit 0", &r), 0);
	(void)signal(SIGCHLD, SIG_DFL);
	assert_string_equal(h.out.buf, "x|");
	assert_int_equal(r.exit_status, -1);
	assert_int_equal(r.signal, 0);
	heard_release(&h);
}

static size_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void nothing_stays_open(void **state)
{
	struct scratch *s = *state;
	size_t before = open_files();
	struct heard h = HEARD_INIT;
	struct child_result r;

	assert_int_equal(sh(s, &plain, &h, "exit 0", &r), 0);
	run_name(s, "./none", s->fd, -ENOENT);
	assert_int_equal(open_files(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	heard_release(&h);
}

static void recorded_groups(void **state)
{
	pid_t pid = fork();
	uint64_t t = 0;
	int st;

	(void)state;
	if (pid == 0) {
		(void)setpgid(0, 0);
		for (;;)
			(void)poll(NULL, 0, -1);
	}
	(void)setpgid(pid, pid);
	assert_int_equal(proc_start_time(pid, &t), 0);
	/* another process got the number: hands off */
	assert_int_equal(child_end_group(pid, t + 1), -ESRCH);
	assert_int_equal(waitpid(pid, &st, WNOHANG), 0);
	assert_int_equal(child_end_group(0, t), -EINVAL);
	assert_int_equal(child_end_group(1, t), -EINVAL);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	/* nobody there any more */
	assert_int_equal(child_end_group(pid, t), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(output_and_status),
		with_scratch(signals_are_told),
		with_scratch(odd_bytes_and_long_lines),
		with_scratch(output_is_capped),
		with_scratch(progress),
		with_scratch(surroundings),
		with_scratch(descriptors),
		with_scratch(grandchild_with_the_pipes),
		with_scratch(time_is_limited),
		with_scratch(cancelling),
		with_scratch(deaf_commands_are_killed),
		with_scratch(start_waits_for_the_journal),
		with_scratch(finding),
		with_scratch(signals_of_the_host_stay),
		with_scratch(nothing_stays_open),
		cmocka_unit_test(recorded_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
