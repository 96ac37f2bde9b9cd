/* SPDX-License-Identifier: MIT */
/* A backup that fails, is stopped or is spoilt on its way is none. */
#include "backup-world.h"

#include <signal.h>

#define MIB (1024u * 1024u)

/*
 * The fault table is read once in a process, so each case has its own, and up
 * to t_meanwhile() nothing may ask for it here. 0: made, and sound.
 */
static int in_child(struct world *w, const char *fault)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setenv("UPSHIFT_TEST_FAULT", fault, 1))
			_exit(99);
		if (world_create(w, "start") >= 0)
			_exit(backup_verify(w->out_fd, "start",
					    w->res.archive_digest,
					    w->res.manifest_digest, true,
					    &w->err) < 0 ? 3 : 0);
		_exit(w->err.code == ERR_NO_SPACE ? 2 : 1);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -WTERMSIG(st);
}

static void want_out(struct world *w, const char *want)
{
	_cleanup_free_ char *have = world_out(w);

	assert_string_equal(have, want);
}

static void fill(struct world *w)
{
	put_file(w->root_fd, "a", "small");
	world_noise(w, "large", 3 * MIB, 1);
}

static bool complete(struct world *w)
{
	_cleanup_free_ char *have = world_out(w);

	return !strcmp(have, "start.b2 start.manifest.jsonl start.tar.zst");
}

/* every call in turn, until there is no such call: no error passes */
static void each_call(struct world *w, const char *op, const char *what,
		      int code)
{
	int n = 1, rc;

	fill(w);
	for (;; n++) {
		_cleanup_free_ char *fault = xasprintf("%s:%d:%s", op, n,
						       what);

		assert_true(n < 100);
		rc = in_child(w, fault);
		if (rc == 0)
			break;
		if (rc != code)
			fail_msg("%s: %d", fault, rc);
		/* the last flush is that of the directory: all is there then */
		if (!complete(w))
			assert_int_equal(world_sh(w, "sh", "cd out && "
				"test \"$(ls | grep -v '\\.part$' | "
				"grep -c .)\" -lt 3"), 0);
	}
	assert_true(n > 1);
	assert_true(complete(w));
}

static void t_sync(void **state)
{
	each_call(*state, "sync", "EIO", 1);
}

static void t_write(void **state)
{
	each_call(*state, "write", "ENOSPC", 2);
}

static void t_rename(void **state)
{
	each_call(*state, "rename", "EIO", 1);
}

/* killed anywhere: the next one begins anew over what lies there */
static void t_killed(void **state)
{
	struct world *w = *state;
	int n = 1, rc;

	fill(w);
	for (;; n++) {
		_cleanup_free_ char *fault = xasprintf("any:%d:kill", n);

		assert_true(n < 100);
		rc = in_child(w, fault);
		if (rc == 0)
			break;
		assert_int_equal(rc, -SIGKILL);
	}
	assert_true(n > 8);
	assert_true(complete(w));
}

/* so much that it is flushed and read back while more is being packed */
static void t_meanwhile(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 40; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f%02u", i);
		world_noise(w, name, 2 * MIB + i, i);
	}
	/* a flush on the way that fails is the end of it */
	assert_int_equal(in_child(w, "sync:1:EIO"), 1);
	want_out(w, "");
	assert_int_equal(in_child(w, ""), 0);
	assert_true(complete(w));
}

/* --- stopped --- */

struct stopper {
	int after;
};

static bool on_cancelled(void *ctx)
{
	struct stopper *s = ctx;

	return s->after-- <= 0;
}

static void t_cancelled(void **state)
{
	struct world *w = *state;

	fill(w);
	world_noise(w, "z", 5 * MIB, 2);
	w->spec.cancelled = on_cancelled;
	for (int i = 0; i < 12; i++) {
		struct stopper s = { .after = i };

		w->spec.ctx = &s;
		assert_true(world_create(w, "start") < 0);
		assert_int_equal(w->err.code, ERR_CANCELLED);
		want_out(w, "");
	}
}

/* --- what is on the disk is not what was written --- */

struct spoiler {
	struct world *w;
	bool done;
};

/* one bit of what is written already */
static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct spoiler *s = ctx;
	struct stat st;
	char c;
	int fd;

	(void)done;
	(void)total;
	fd = openat(s->w->out_fd, "start.tar.zst.part", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!s->done && fstat(fd, &st) == 0 && st.st_size > 100000) {
		assert_int_equal(pread(fd, &c, 1, 70000), 1);
		c ^= 4;
		assert_int_equal(pwrite(fd, &c, 1, 70000), 1);
		s->done = true;
	}
	close(fd);
}

static void t_spoilt(void **state)
{
	struct world *w = *state;
	struct spoiler s = { .w = w };

	world_noise(w, "large", 20 * MIB, 1);
	w->spec.progress = on_progress;
	w->spec.ctx = &s;
	assert_true(world_create(w, "start") < 0);
	assert_true(s.done);
	assert_int_equal(w->err.code, ERR_BACKUP);
	assert_string_equal(w->err.msg, "what was read back from the disk is "
			    "not what was written");
	want_out(w, "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_world(t_sync), with_world(t_write), with_world(t_rename),
		with_world(t_killed), with_world(t_meanwhile),
		with_world(t_cancelled), with_world(t_spoilt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
