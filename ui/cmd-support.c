/* SPDX-License-Identifier: MIT */
/* support-bundle, and status --bundle: its other end */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backup-bundle.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "session.h"
#include "status-text.h"
#include "support.h"
#include "text.h"

#define STATUS_MAX (1024u * 1024u)

static void print_lines(const struct strvec *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		(void)out_line(lines->v[i]);
}

/* a run is named as status names it, everything else is a file */
static bool is_run_id(const char *s)
{
	return strlen(s) == RUN_ID_LEN &&
		strspn(s, "23456789ABCDEFGHJKLMNPQRSTUVWXYZ") == RUN_ID_LEN;
}

static int make(struct session *s, const struct support_spec *given)
{
	struct support_spec spec = *given;
	_cleanup_strvec_ struct strvec lines = STRVEC_INIT;
	_cleanup_json_ struct json_object *o = NULL;
	char current[RUN_ID_LEN + 1] = "";
	struct error err = ERROR_INIT;
	int ret;

	spec.sd = &s->sd;
	spec.run = s->run;
	if (!spec.id && s->run)
		spec.id = s->run->id;
	else if (!spec.id && state_dir_current(&s->sd, current) == 0)
		spec.id = current;
	if (!spec.id || !*spec.id)
		return 66;
	ret = support_bundle(&spec, &lines, &o, &err);
	if (s->o->json) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		json_print(o, &sb);
		(void)out_line(sb.buf);
	} else {
		print_lines(&lines);
	}
	if (ret < 0) {
		say_error(&err);
		/* a full disk, too: nothing of the run is concerned */
		ret = err.code == ERR_NO_RUN ? 66 : 73;
	}
	error_release(&err);
	return ret;
}

static int exec_support(const struct options *o,
			const struct step_ops *const *kinds)
{
	struct support_spec spec = { .kinds = kinds,
				     .list_only = o->list || o->dry_run };
	struct options mine = *o;
	struct session s;
	int ret;

	for (size_t i = 0; i < o->args.n; i++)
		if (is_run_id(o->args.v[i]))
			mine.run_id = o->args.v[i];
		else
			spec.path = o->args.v[i];
	spec.id = mine.run_id;
	session_init(&s, &mine, kinds);
	/* a run that cannot be opened has been told; its files are there */
	ret = session_open_run(&s, false);
	if (!ret || (s.sd.fd >= 0 && ret != 66))
		ret = make(&s, &spec);
	session_release(&s);
	return ret;
}

/* the texts of a bundle may be anybody's: nothing of them is obeyed */
static void print_text(const struct strbuf *text)
{
	const char *s = text->buf;
	size_t left = text->len;

	while (left) {
		_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
		const char *nl = memchr(s, '\n', left);
		size_t n = nl ? (size_t)(nl - s) : left;

		strbuf_add_escaped(&line, s, n);
		(void)out_line(line.buf);
		n += nl != NULL;
		s += n;
		left -= n;
	}
}

int status_of_bundle(const struct options *o)
{
	const char *member = o->json ? "status.json" : o->shorter ?
		"status-short.txt" : "status.txt";
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_close_ int fd = fs_open(AT_FDCWD, o->bundle, O_RDONLY, 0);
	struct error err = ERROR_INIT;
	int ret = 0;

	if (fd < 0)
		(void)error_errno(&err, ERR_NO_RUN, fd, _("cannot open '%s'"),
				  o->bundle);
	else
		ret = bundle_archive_read(fd, member, STATUS_MAX, &text, &err);
	if (fd < 0 || ret < 0) {
		say_error(&err);
		ret = error_code_exit(err.code);
	} else {
		print_text(&text);
	}
	error_release(&err);
	return ret;
}

const struct command cmd_support = {
	.name = "support-bundle",
	.usage = "[RUN] [FILE] [--list] [--json]",
	.summary = N_("write a file for support, without passwords and data"),
	.max_args = 2,
	.exec = exec_support,
};
