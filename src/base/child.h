/* SPDX-License-Identifier: MIT */
#ifndef CHILD_H
#define CHILD_H
/*
 * child - run a command without a terminal, within limits
 *
 * An argument list, never a shell line. Standard input is /dev/null or what is
 * given, output and errors come back line by line, descriptor 3 takes progress lines
 * ("@progress DONE/TOTAL UNIT [PART]"). The child leads a process group of its own
 * and a new session (so it has no terminal), with default signal actions; on
 * time-out or cancellation the group gets SIGTERM, 5 s later SIGKILL.
 * lock_fd (or -1) is inherited, so that its flock lives as long as any
 * descendant; no other descriptor above 3 is.
 *
 * A descendant that outlives the leader and keeps the pipes is listened to for
 * a second more, then left alone. Signal actions of this process are not
 * touched; while it ignores SIGCHLD, how a command ended cannot be known
 * (exit_status -1, signal 0).
 *
 * on_start is called with the child's pid before the program runs (the child
 * waits), so that the caller can make the pid durable first; nonzero kills it.
 * Output is capped: beyond output_cap bytes only the fact is told.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct strbuf;
struct strvec;

enum child_stream { CHILD_OUT, CHILD_ERR };

struct child_ops {
	int (*on_start)(void *ctx, pid_t pid, uint64_t start_time);
	void (*on_line)(void *ctx, enum child_stream s, const char *line,
			size_t len);
	/* part: one of several that are done at once, or NULL */
	void (*on_progress)(void *ctx, const char *part, uint64_t done,
			    uint64_t total, const char *unit);
	/* asked at least every 200 ms; true: end the group */
	bool (*cancelled)(void *ctx);
};

struct child_spec {
	const struct strvec *argv;
	/* NAME=VALUE added to our environment */
	const struct strvec *env;
	int dir_fd;             /* working directory, -1: ours */
	double timeout_s;       /* 0: none */
	uint64_t output_cap;    /* bytes over both streams, 0: 1 MiB */
	int lock_fd;
	int input_fd;           /* standard input, 0: /dev/null */
	int output_fd;          /* standard output, 0: line by line */
	const struct child_ops *ops;
	void *ctx;
};

struct child_result {
	int exit_status;        /* -1 if ended by a signal */
	int signal;
	bool timed_out;
	bool cancelled;
	bool truncated;
	double elapsed_s;
};

/* -ENOENT, -EACCES: the program cannot be run; err names it (ERR_TOOL) */
int child_run(const struct child_spec *spec, struct child_result *ret,
	      struct error *err);
/* 0 if it ended with status 0; else err says how it ended, and, as the hint,
   what it said last (may be NULL) */
int child_judge(const struct child_result *res, const char *program,
		double timeout_s, const struct strbuf *said,
		enum err_code code, struct error *err);
/* whether argv[0] can be found and executed: with a '/' from dir_fd, else in
   the absolute entries of our PATH */
int child_find(const char *program, int dir_fd, char **ret_path);
/*
 * TERM, then KILL, to a recorded group. -ESRCH: its leader's number is that of
 * another process now. A group without a leader is ended too: call it only if
 * something else (the child lock) says that ours are still alive.
 */
int child_end_group(pid_t pgid, uint64_t start_time);

#endif
