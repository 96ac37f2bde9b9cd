/* SPDX-License-Identifier: MIT */
/* status, list, report, forget: what the journal says */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "completion.h"
#include "report.h"
#include "session.h"
#include "status-text.h"
#include "step-carry.h"
#include "store-ours.h"
#include "store.h"
#include "text.h"

/* --- status --- */

static void print_text(struct strbuf *sb)
{
	if (sb->len && sb->buf[sb->len - 1] == '\n')
		strbuf_set_len(sb, sb->len - 1);
	(void)out_line(sb->buf);
	strbuf_clear(sb);
}

static int exec_status(const struct options *o,
		       const struct step_ops *const *kinds)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct session s;
	bool live;
	int ret;

	if (o->bundle)
		return status_of_bundle(o);
	session_init(&s, o, kinds);
	ret = session_open_run(&s, false);
	if (ret == 66 && o->json)
		(void)out_line("{\"state\":\"none\"}");
	if (!ret) {
		live = state_dir_is_locked(&s.sd, NULL) &&
			(!o->run_id || run_is_open(s.run));
		if (o->json) {
			_cleanup_json_ struct json_object *j =
				run_status_json(s.run, live);

			json_print(j, &sb);
		} else if (o->shorter) {
			status_short(s.run, live, &sb);
		} else {
			_cleanup_strbuf_ struct strbuf now = STRBUF_INIT;

			if (live)
				status_now(&s, &now);
			status_text(s.run, live, now.buf, &sb);
		}
		print_text(&sb);
	}
	session_release(&s);
	return ret;
}

/* --- list --- */

static void list_run(struct run *r, bool json)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct run_goal *g;
	size_t n, points = 0;

	if (json) {
		_cleanup_json_ struct json_object *j = run_status_json(r,
								       false);

		json_print(j, &sb);
		print_text(&sb);
		return;
	}
	strbuf_addf(&sb, "%s  %s  %s %s -> %s  %s", r->id,
		    json_get_str(r->begun, "started", ""),
		    json_get_str(r->begun, "plan", ""),
		    json_get_str(r->begun, "from", ""),
		    json_get_str(r->begun, "to", ""),
		    text_run_state(r, false));
	n = run_goals(r, NULL, &g);
	for (size_t i = 0; i < n; i++)
		if (g[i].available)
			strbuf_addf(&sb, "%s%s", points++ ? " " :
				    _("; points "), g[i].name);
	run_goals_free(g, n);
	if (r->backup.pruned)
		strbuf_addstr(&sb, _("; backup removed, it was kept long "
				     "enough"));
	print_text(&sb);
}

static int exec_list(const struct options *o,
		     const struct step_ops *const *kinds)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	struct error err = ERROR_INIT;
	struct session s;
	int ret;

	session_init(&s, o, kinds);
	ret = session_open_run(&s, false);
	if (!ret && state_dir_runs(&s.sd, &ids, &err) < 0) {
		say_error(&err);
		ret = error_code_exit(err.code);
	}
	for (size_t i = 0; !ret && i < ids.n; i++) {
		struct run *r = NULL;

		if (run_open(&r, &s.sd, ids.v[i], false, &err) >= 0)
			list_run(r, o->json);
		else
			say_error(&err);
		error_release(&err);
		run_free(r);
	}
	session_release(&s);
	return ret;
}

/* --- report --- */

/* JSON by the name of the file, or by --json; else text */
static int write_completion(struct session *s)
{
	const char *path = s->o->completion;
	_cleanup_json_ struct json_object *o = completion_json(s->run);
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;
	size_t len = strlen(path);
	int ret;

	if (s->o->json || (len > 5 && !strcmp(path + len - 5, ".json"))) {
		json_print(o, &sb);
		strbuf_addch(&sb, '\n');
	} else {
		completion_text(o, &sb);
	}
	ret = fs_write_named(path, sb.buf, sb.len, 0600);
	if (ret >= 0)
		return 0;
	(void)error_errno(&err, ERR_IO, ret, _("cannot write '%s'"), path);
	say_error(&err);
	error_release(&err);
	return 73;
}

static int exec_report(const struct options *o,
		       const struct step_ops *const *kinds)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct options mine = *o;
	struct session s;
	int ret;

	if (o->args.n)
		mine.run_id = o->args.v[0];
	session_init(&s, &mine, kinds);
	ret = session_open_run(&s, false);
	if (!ret && o->compat)
		ret = session_run_plan(&s);
	if (!ret && o->compat) {
		struct error err = ERROR_INIT;

		if (report_compat(s.plan, s.sd.root_fd, o->json, &sb,
				  &err) < 0) {
			say_error(&err);
			ret = error_code_exit(err.code);
		} else {
			print_text(&sb);
		}
		error_release(&err);
	} else if (!ret && o->completion) {
		ret = write_completion(&s);
	} else if (!ret) {
		/* a plan that is damaged is told; all else is known */
		(void)session_show_plan(&s);
		report_markdown(s.run, s.plan, &sb);
		print_text(&sb);
	}
	session_release(&s);
	return ret;
}

/* --- forget --- */

static void forget_in(struct session *s, const struct plan_store *ps)
{
	const struct store_options o = {
		.root_fd = s->sd.root_fd,
		.allow_plaintext = ps->allow_plaintext,
	};
	_cleanup_strvec_ struct strvec steps = STRVEC_INIT;
	_cleanup_store_ struct store *store = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	for (size_t i = 0; i < s->plan->step_n; i++) {
		strvec_push(&steps, s->plan->steps[i]->id);
		strvec_take(&steps, step_carry_step(s->plan->steps[i]->id));
	}
	if (store_open(ps->url, &o, &store, &err) == 0 &&
	    store_ours_forget(store, s->plan->name, s->run->key, &steps,
			      &err) == 0)
		return;
	error_prefix(&err, _("store '%s'"), ps->name);
	error_hint(&err, "%s", _("tables that begin with _upshift_ may be left "
				 "there"));
	say_error(&err);
}

/* what the run keeps in the databases of its plan; one that is not to be had
   now is no reason to keep the backup */
static void forget_tables(const struct session *now, const char *id)
{
	struct options o = *now->o;
	struct session s;

	o.run_id = id;
	session_init(&s, &o, now->kinds);
	if (!session_open_run(&s, false) && !run_is_open(s.run) &&
	    !session_show_plan(&s))
		for (size_t i = 0; i < s.plan->store_n; i++)
			forget_in(&s, &s.plan->stores[i]);
	session_release(&s);
}

static int forget_one(struct session *s, const char *id)
{
	_cleanup_free_ char *words = xasprintf("forget %s", id);
	struct error err = ERROR_INIT;
	bool confirmed = false;
	int ret;

	for (size_t i = 0; i < s->o->confirm.n; i++)
		confirmed |= ask_words_match(s->o->confirm.v[i], words);
	if (run_is_only_backup(&s->sd, id) && !confirmed) {
		_cleanup_free_ char *hint = xasprintf("--confirm \"%s\"",
						      words);

		return say_refused(ERR_CONFIRM,
			   _("this is the only backup of this data"), hint);
	}
	forget_tables(s, id);
	run_free(s->run);
	s->run = NULL;
	ret = run_forget(&s->sd, id, s->o->keep_snapshot, &err);
	if (ret < 0) {
		say_error(&err);
		ret = error_code_exit(err.code);
	}
	error_release(&err);
	return ret;
}

/* complete, verified, past its keep_days; never the last, nor the only one
   that has a backup */
static bool is_expired(struct session *s, const char *id)
{
	char current[RUN_ID_LEN + 1];
	struct run *r = NULL;
	struct timespec then, now;
	bool ret = false;
	double keep;

	if (state_dir_current(&s->sd, current) < 0 || !strcmp(id, current) ||
	    run_open(&r, &s->sd, id, false, NULL) < 0)
		return false;
	keep = json_get_double(r->begun, "keep_s", -1);
	clock_now(&now);
	if (r->state == RUN_COMPLETE && keep >= 0 && r->finished &&
	    clock_parse(r->finished, &then) == 0)
		ret = now.tv_sec >= then.tv_sec &&
			difftime(now.tv_sec, then.tv_sec) >= keep &&
			!run_is_only_backup(&s->sd, id);
	run_free(r);
	return ret;
}

static int forget_expired(struct session *s)
{
	_cleanup_strvec_ struct strvec ids = STRVEC_INIT;
	struct error err = ERROR_INIT;
	int ret = 0;

	if (state_dir_runs(&s->sd, &ids, &err) < 0) {
		say_error(&err);
		ret = error_code_exit(err.code);
		error_release(&err);
	}
	for (size_t i = 0; !ret && i < ids.n; i++) {
		_cleanup_free_ char *line = NULL;

		if (!is_expired(s, ids.v[i]))
			continue;
		ret = forget_one(s, ids.v[i]);
		line = xasprintf(_("run %s forgotten"), ids.v[i]);
		if (!ret)
			(void)out_line(line);
	}
	return ret;
}

static int exec_forget(const struct options *o,
		       const struct step_ops *const *kinds)
{
	struct options mine = *o;
	struct session s;
	int ret;

	if (!o->expired && !o->args.n)
		return say_refused(ERR_USAGE, _("which run?"),
			   "upshift forget RUN, or --expired");
	if (o->args.n)
		mine.run_id = o->args.v[0];
	session_init(&s, &mine, kinds);
	ret = session_open_run(&s, true);
	if (!ret)
		ret = o->expired ? forget_expired(&s) :
			forget_one(&s, o->args.v[0]);
	session_release(&s);
	return ret;
}

const struct command cmd_status = {
	.name = "status",
	.usage = "[--json|--short] [--run ID | --bundle FILE]",
	.summary = N_("where a run stands and what to type next"),
	.exec = exec_status,
};

const struct command cmd_list = {
	.name = "list",
	.usage = "[--json]",
	.summary = N_("runs and their checkpoints"),
	.exec = exec_list,
};

const struct command cmd_report = {
	.name = "report",
	.usage = "[RUN] [--completion FILE] [--compat]",
	.summary = N_("a run as Markdown"),
	.max_args = 1,
	.exec = exec_report,
};

const struct command cmd_forget = {
	.name = "forget",
	.usage = "RUN [--keep-snapshot] [--confirm \"forget RUN\"] | --expired",
	.summary = N_("remove a run that is over, with its backup"),
	.max_args = 1,
	.exec = exec_forget,
};
