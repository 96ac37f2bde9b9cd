/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "plan.h"
#include "run-bundle.h"
#include "run.h"
#include "status-text.h"
#include "text.h"

/* --- what goes in besides the files of the run --- */

static void know_secrets(struct run_bundle *b, const struct plan *p)
{
	for (size_t i = 0; p && i < p->answer_n; i++)
		if (p->answers[i].secret)
			run_bundle_secret(b, p->answers[i].id);
}

/* the run's own copy; where it cannot be read names alone must do */
static void know_plan(struct run_bundle *b, const struct support_spec *spec)
{
	_cleanup_free_ char *path = xasprintf("%s/runs/%s/plan/plan.plan",
					      spec->sd->path, spec->id);
	struct plan_problems problems = { 0 };
	struct plan_scope scope = { .lint = true, .root = spec->sd->root };
	struct error err = ERROR_INIT;
	struct plan *p = NULL;

	if (spec->plan || !spec->kinds) {
		know_secrets(b, spec->plan);
		return;
	}
	if (plan_load(path, spec->kinds, &scope, &p, &problems, &err) >= 0)
		know_secrets(b, p);
	plan_free(p);
	plan_problems_release(&problems);
	json_object_put(scope.env_used);
	error_release(&err);
}

static void add_status(struct run_bundle *b, const struct support_spec *spec)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	_cleanup_json_ struct json_object *o = NULL;
	bool live = state_dir_is_locked(spec->sd, NULL);

	if (!spec->run) {
		strbuf_addf(&text, _("Run %s: the journal cannot be read.\n"),
			    spec->id);
		run_bundle_add(b, "status.txt", text.buf, text.len);
		return;
	}
	live = live && run_is_open(spec->run);
	status_short(spec->run, live, &line);
	status_text(spec->run, live, "", &text);
	o = run_status_json(spec->run, live);
	run_bundle_add(b, "status.txt", text.buf, text.len);
	run_bundle_add(b, "status-short.txt", line.buf, line.len);
	run_bundle_add_json(b, "status.json", o);
}

static void add_terminal(struct run_bundle *b)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct winsize ws;

	json_set_bool(o, "input", isatty(STDIN_FILENO) != 0);
	json_set_bool(o, "output", isatty(STDOUT_FILENO) != 0);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0) {
		json_set_int(o, "columns", ws.ws_col);
		json_set_int(o, "rows", ws.ws_row);
	}
	run_bundle_add_json(b, "terminal.json", o);
}

/* --- where it goes --- */

/* a bundle among the data would be data */
static bool lies_in_data(const struct support_spec *spec, const char *dir)
{
	char real[PATH_MAX];
	size_t n = strlen(spec->sd->root);

	return realpath(dir, real) && !strncmp(real, spec->sd->root, n) &&
		(!real[n] || real[n] == '/');
}

static char *new_path(const struct support_spec *spec)
{
	const char *home = getenv("HOME");
	bool away = lies_in_data(spec, ".") && home && *home == '/';
	const char *dir = away ? home : ".";
	struct timespec now;
	char stamp[32], more[16] = "";
	struct tm tm;
	char *path;

	clock_now(&now);
	if (!localtime_r(&now.tv_sec, &tm) ||
	    !strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm))
		stamp[0] = '\0';
	/* two in one second are two */
	for (int n = 2;; n++) {
		path = xasprintf("%s/upshift-support-%s-%s%s.tar.zst", dir,
				 spec->id, stamp, more);
		if (access(path, F_OK) != 0 || n > 99)
			return path;
		free(path);
		(void)snprintf(more, sizeof(more), "-%d", n);
	}
}

/* --- the list --- */

static void list_file(const struct run_bundle_file *f, struct strvec *lines,
		      struct json_object *list)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct json_object *o = json_object_new_object();

	strbuf_addf(&sb, "  %-28s ", f->name);
	text_bytes(f->data.len, &sb);
	if (f->cut)
		strbuf_addstr(&sb, _(", a part of it"));
	if (f->redacted)
		strbuf_addf(&sb, ngettext(", %llu place redacted",
					  ", %llu places redacted",
					  (unsigned long)f->redacted),
			    (unsigned long long)f->redacted);
	strvec_push(lines, sb.buf);
	json_set_str(o, "name", f->name);
	json_set_int(o, "bytes", (int64_t)f->data.len);
	json_set_int(o, "redacted", (int64_t)f->redacted);
	json_set_bool(o, "part", f->cut);
	json_object_array_add(list, o);
}

static void list_files(const struct run_bundle *b, const char *id,
		       struct strvec *lines, struct json_object *o)
{
	struct json_object *list = json_object_new_array();
	const struct run_bundle_file *f;
	size_t n = run_bundle_files(b, &f);

	strvec_pushf(lines, _("Support bundle of run %s; it holds no data of "
			      "yours:"), id);
	for (size_t i = 0; i < n; i++)
		list_file(&f[i], lines, list);
	json_set_str(o, "run", id);
	json_object_object_add(o, "files", list);
	json_set_int(o, "redacted", (int64_t)run_bundle_redacted(b));
}

/* --- */

static int write_bundle(struct run_bundle *b, const struct support_spec *spec,
			const char *path, const char *map_name,
			struct strvec *lines, struct json_object *o,
			struct error *err)
{
	_cleanup_free_ char *dir = path_dirname(path);
	_cleanup_free_ char *map = path_join(dir, map_name);
	_cleanup_free_ char *shown = escape_bytes(path);
	int ret;

	if (lies_in_data(spec, dir)) {
		(void)error_set(err, ERR_BUNDLE, -EINVAL,
				_("'%s' would lie in the data"), shown);
		error_hint(err, "upshift support-bundle /tmp/FILE.tar.zst");
		return -EINVAL;
	}
	ret = run_bundle_write(b, path, map_name, err);
	if (ret < 0)
		return ret;
	strvec_pushf(lines, _("Written: %s"), shown);
	strvec_push(lines, _("Nothing was sent. Look through it, then pass it "
			     "on yourself."));
	json_set_str(o, "bundle", path);
	if (access(map, F_OK) == 0) {
		strvec_pushf(lines, _("Which host is host-1, who is user-1: "
				      "%s. Keep that file."), map);
		json_set_str(o, "map", map);
	}
	return 0;
}

int support_bundle(const struct support_spec *spec, struct strvec *lines,
		   struct json_object **json, struct error *err)
{
	struct run_bundle *b = run_bundle_new(spec->sd, spec->id, spec->run);
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_free_ char *path = spec->path ? xstrdup(spec->path) :
		new_path(spec);
	_cleanup_free_ char *dir = path_dirname(path);
	_cleanup_free_ char *map_name = xasprintf("upshift-support-%s.names",
						  spec->id);
	_cleanup_free_ char *map = path_join(dir, map_name);
	int ret;

	know_plan(b, spec);
	ret = run_bundle_collect(b, map, err);
	if (ret >= 0) {
		add_status(b, spec);
		add_terminal(b);
		list_files(b, spec->id, lines, o);
		if (spec->list_only)
			strvec_push(lines, _("Nothing was written."));
		else
			ret = write_bundle(b, spec, path, map_name, lines, o,
					   err);
	}
	run_bundle_free(b);
	if (json)
		*json = TAKE_PTR(o);
	return ret;
}
