/* SPDX-License-Identifier: MIT */
/*
 * log.jsonl: every event but progress, appended as it comes. It is for people;
 * the journal is the truth, so lines are not flushed one by one, and a disk
 * that is full ends the log, not the run.
 */
#include <string.h>

#include "base/fsutil.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "event.h"
#include "run-internal.h"

/* a line holds at most one log event, which child.c caps */
#define TAIL_BYTES (1024 * 1024)

static int open_log(struct run *r)
{
	struct stat st;
	char last;

	r->log_fd = fs_open(r->fd, LOG_NAME, O_RDWR | O_CREAT | O_APPEND |
			    O_NOFOLLOW | O_NONBLOCK, 0600);
	if (r->log_fd < 0)
		return r->log_fd;
	if (fstat(r->log_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	/* the line that a kill cut short stays a line of its own */
	if (st.st_size &&
	    fs_pread_full(r->log_fd, &last, 1, st.st_size - 1) == 1 &&
	    last != '\n')
		return fs_write_all(r->log_fd, "\n", 1);
	return 0;
}

static void log_event(void *self, const struct event *ev)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	struct run *r = self;

	if (ev->type == EVENT_PROGRESS || r->log_failed)
		return;
	if (r->log_fd < 0 && open_log(r) < 0) {
		r->log_failed = true;
		return;
	}
	o = event_to_json(ev);
	json_print(o, &line);
	strbuf_addch(&line, '\n');
	if (fs_write_all(r->log_fd, line.buf, line.len) < 0)
		r->log_failed = true;
}

static void log_close(void *self)
{
	struct run *r = self;

	if (r->log_fd >= 0 && !r->log_failed)
		(void)fs_datasync(r->log_fd);
	closep(&r->log_fd);
	r->log_fd = -1;
}

const struct reporter_ops run_log_ops = {
	.name = "log",
	.event = log_event,
	.close = log_close,
};

uint64_t run_log_last_seq(const struct run *r)
{
	_cleanup_close_ int fd = fs_open(r->fd, LOG_NAME, O_RDONLY |
					 O_NOFOLLOW | O_NONBLOCK, 0);
	_cleanup_free_ char *buf = NULL;
	struct stat st;
	char *p, *nl;
	uint64_t seq = 0, s;
	off_t from;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	from = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
	buf = xmalloc(TAIL_BYTES + 1);
	n = fs_pread_full(fd, buf, TAIL_BYTES, from);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	for (p = buf; (nl = memchr(p, '\n', (size_t)(buf + n - p)));
	     p = nl + 1) {
		_cleanup_json_ struct json_object *o = NULL;

		if (json_parse(p, (size_t)(nl - p), &o, NULL) < 0)
			continue;
		s = (uint64_t)json_get_int(o, "seq", 0);
		seq = MAX(seq, s);
	}
	return seq;
}
