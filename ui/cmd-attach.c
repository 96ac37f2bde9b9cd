/* SPDX-License-Identifier: MIT */
/* The live event stream of an engine, as it comes over its socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "control.h"
#include "front.h"
#include "session.h"
#include "text.h"

/* members that tell a person something, in one line */
static void show_line(struct json_object *o)
{
	static const char *const keys[] = { "phase", "id", "state", "message",
					    "text", "point", "result", NULL };
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	if (!strcmp(json_get_str(o, "type", ""), "plan"))
		return;
	text_clock(json_get_str(o, "time", NULL), &sb);
	strbuf_addf(&sb, " %s", json_get_str(o, "type", "?"));
	for (size_t i = 0; keys[i]; i++) {
		const char *v = json_get_str(o, keys[i], NULL);

		if (v) {
			strbuf_addch(&sb, ' ');
			strbuf_add_escaped(&sb, v, strlen(v));
		}
	}
	if (json_get_int(o, "total", 0) > 0)
		strbuf_addf(&sb, " %lld %%", (long long)(100 *
			json_get_int(o, "done", 0) /
			json_get_int(o, "total", 1)));
	(void)out_line(sb.buf);
}

static int follow(int fd, bool json)
{
	FILE *f = fdopen(fd, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!f)
		return 70;
	while ((n = getline(&line, &cap, f)) > 0) {
		struct json_object *o = NULL;

		if (line[n - 1] == '\n')
			line[--n] = '\0';
		if (json)
			(void)out_line(line);
		else if (json_parse(line, (size_t)n, &o, NULL) >= 0)
			show_line(o);
		json_object_put(o);
		if (out_failed())
			break;
	}
	free(line);
	(void)fclose(f); /* read alone */
	return 0;
}

static int exec_attach(const struct options *o,
		       const struct step_ops *const *kinds)
{
	struct error err = ERROR_INIT;
	struct session s;
	int ret, fd;

	if (front_is_wanted(o))
		return front_run(o, kinds, o->read_only);
	if (!o->read_only) {
		(void)error_set(&err, ERR_USAGE, 0, "%s",
			_("there is no terminal to steer the run from"));
		error_hint(&err, "upshift attach --read-only");
		say_error(&err);
		error_release(&err);
		return 64;
	}
	session_init(&s, o, kinds);
	ret = session_open_run(&s, false);
	if (!ret) {
		fd = control_connect(s.sd.fd, "view", &err);
		if (fd >= 0) {
			ret = follow(fd, o->json);
		} else {
			error_release(&err);
			(void)error_set(&err, ERR_NO_RUN, 0, "%s",
				_("no engine is running here"));
			error_hint(&err, "upshift status");
			say_error(&err);
			ret = 66;
		}
	}
	error_release(&err);
	session_release(&s);
	return ret;
}

const struct command cmd_attach = {
	.name = "attach",
	.usage = "[--read-only] [--json]",
	.summary = N_("steer or watch a run that is going on"),
	.exec = exec_attach,
};
