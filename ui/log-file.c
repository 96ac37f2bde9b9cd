/* SPDX-License-Identifier: MIT */
/*
 * --log-file: every event but progress, a JSON object a line, appended to a
 * file of the user's. It is opened before anything begins; a disk that is full
 * ends the log, not the run, and that is said once.
 */
#include <fcntl.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "frontend.h"
#include "text.h"

struct log_file {
	int fd;
	const char *path;
	bool failed;
};

static void say_cannot(const struct log_file *l, int r)
{
	_cleanup_free_ char *shown = escape_bytes(l->path);
	struct error err = ERROR_INIT;

	(void)error_errno(&err, ERR_STATE, r, _("cannot write log file '%s'"),
			  shown);
	say_error(&err);
	error_release(&err);
}

static void on_event(void *self, const struct event *ev)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	struct log_file *l = self;
	int r;

	if (ev->type == EVENT_PROGRESS || l->failed)
		return;
	o = event_to_json(ev);
	json_print(o, &line);
	strbuf_addch(&line, '\n');
	r = fs_write_all(l->fd, line.buf, line.len);
	if (r >= 0)
		return;
	l->failed = true;
	say_cannot(l, r);
}

static void on_close(void *self)
{
	struct log_file *l = self;
	int r = fs_close(l->fd);

	if (r < 0 && !l->failed)
		say_cannot(l, r);
	free(l);
}

static const struct reporter_ops log_file_ops = {
	.name = "log-file",
	.event = on_event,
	.close = on_close,
};

int log_file_add(const struct options *o, struct event_bus *bus)
{
	struct log_file *l;

	/* a dry run writes nothing anywhere */
	if (!o->log_file || o->dry_run)
		return 0;
	l = xcalloc(1, sizeof(*l));
	l->path = o->log_file;
	l->fd = fs_open(AT_FDCWD, o->log_file, O_WRONLY | O_APPEND | O_CREAT |
			O_NOCTTY, 0600);
	if (l->fd < 0) {
		say_cannot(l, l->fd);
		free(l);
		return error_code_exit(ERR_STATE);
	}
	event_bus_add(bus, &log_file_ops, l);
	return 0;
}
