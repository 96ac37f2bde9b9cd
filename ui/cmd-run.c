/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "front.h"
#include "frontend.h"
#include "if-needed.h"
#include "session.h"
#include "text.h"

/* where an open run stands, and what to type */
static int say_open(struct session *s, const struct run *r)
{
	_cleanup_strvec_ struct strvec next = STRVEC_INIT;
	_cleanup_free_ char *data = run_data_text(r, false);
	_cleanup_free_ char *msg = xasprintf(
		_("run %s of this data is not finished: %s; data %s"), r->id,
		text_run_state(r, false), data);

	(void)s;
	run_next(r, false, &next);
	return say_refused(ERR_RUN_OPEN, msg, next.n ? next.v[0] : "upshift status");
}

/* 0: go on; -1: nothing to do (0 is the exit status); else the exit status */
static int look_at_last(struct session *s)
{
	struct error err = ERROR_INIT;
	struct run *r = NULL;
	int ret = 0;

	if (s->sd.fd < 0)
		return 0;
	if (state_dir_is_locked(&s->sd, NULL)) {
		(void)state_dir_lock(&s->sd, &err);
		if (!error_is_set(&err))
			(void)error_set(&err, ERR_LOCKED, 0, "%s",
				_("another engine works on this data"));
		say_error(&err);
		error_release(&err);
		return 75;
	}
	if (run_open(&r, &s->sd, NULL, false, &err) < 0) {
		/* a directory without a durable first record is no run */
		ret = err.code == ERR_NO_RUN ? 0 : error_code_exit(err.code);
		if (ret)
			say_error(&err);
		error_release(&err);
		return ret;
	}
	if (run_is_open(r)) {
		ret = say_open(s, r);
	} else if (r->state == RUN_COMPLETE &&
		   !strcmp(json_get_str(r->begun, "plan", ""),
			   s->plan->name) &&
		   !strcmp(json_get_str(r->begun, "to", ""), s->plan->to)) {
		_cleanup_free_ char *line = xasprintf(
			_("%s is %s already (run %s)%s"), s->plan->name,
			s->plan->to, r->id,
			strcmp(json_get_str(r->begun, "plan_digest", ""),
			       s->plan->digest) ?
			_("; the plan file has changed since") : "");

		if (!s->o->json && !s->o->if_needed)
			(void)out_line(line);
		ret = -1;
	}
	run_free(r);
	return ret;
}

static int write_answers(struct session *s)
{
	struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;
	int ret;

	for (size_t i = 0; i < s->plan->answer_n; i++) {
		const struct plan_answer *a = &s->plan->answers[i];

		strbuf_addf(&sb, "// %s%s\n%s = \"%s\";\n",
			    plan_text_get(&a->prompt, s->o->lang),
			    a->secret ? _(" (secret)") : "", a->id,
			    a->def ? a->def : "");
	}
	ret = fs_write_named(s->o->write_answers, sb.buf, sb.len, 0600);
	strbuf_release(&sb);
	if (ret >= 0)
		return 0;
	(void)error_errno(&err, ERR_IO, ret, _("cannot write '%s'"),
			  s->o->write_answers);
	say_error(&err);
	error_release(&err);
	return 73;
}

/*
 * Everything that is missing at once, before anything is written, and before
 * values are filled in. looking: a dry run or the checks, which need no word.
 */
static int say_missing(struct session *s, bool looking)
{
	_cleanup_strvec_ struct strvec missing = STRVEC_INIT;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	struct engine_spec spec;
	struct engine *e;

	s->scope.answers = s->answers;
	session_engine_spec(s, &spec, NULL);
	if (!spec.opts.batch && !looking)
		return 0;
	e = engine_new(&spec);
	engine_missing(e, &missing);
	engine_free(e);
	for (size_t i = 0; i < missing.n; i++)
		if (!looking || str_starts(missing.v[i], "--answers"))
			strbuf_addf(&sb, "%s%s", sb.len ? "  " : "",
				    missing.v[i]);
	if (!sb.len)
		return 0;
	(void)say_refused(ERR_NEED_ANSWER,
		  _("nothing was changed; this run still needs:"), sb.buf);
	return 8;
}

static int dry_run(struct engine *e)
{
	engine_stream_begin(e);
	return engine_stream_end(e, "dry-run", engine_dry_run(e));
}

static int check(struct engine *e)
{
	engine_stream_begin(e);
	return engine_stream_end(e, "check", engine_check(e));
}

static int run_engine(struct session *s)
{
	struct batch batch = { .o = s->o };
	struct event_bus bus;
	struct engine_spec spec;
	struct engine *e;
	char id[RUN_ID_LEN + 1];
	int ret = say_missing(s, s->o->dry_run);

	if (!ret)
		ret = run_new_id(&s->sd, id) < 0 ? 73 :
			session_new_plan(s, id);
	if (ret)
		return ret;
	session_bus(s, &bus, &batch);
	session_engine_spec(s, &spec, &bus);
	e = engine_new(&spec);
	ret = log_file_add(s->o, &bus);
	if (!ret) {
		signals_engine(e);
		ret = s->o->dry_run ? dry_run(e) :
			engine_run(e, id, s->run_started);
		signals_engine(NULL);
	}
	if (!ret && !s->o->dry_run && !s->o->json)
		register_add(s->sd.root, s->plan->name, id);
	engine_free(e);
	event_bus_close(&bus);
	return ret;
}

static int prepare(struct session *s)
{
	int ret = session_lint(s);

	if (!ret)
		ret = session_values(s);
	return ret ? ret : session_root(s);
}

static int exec_run(const struct options *o,
		    const struct step_ops *const *kinds)
{
	struct session s;
	int ret;

	if (o->if_needed && !o->write_answers) {
		ret = if_needed(o, kinds);
		if (ret)
			return ret == -1 ? 0 : ret;
	}
	if (!o->batch && !o->dry_run && !o->write_answers) {
		if (front_is_wanted(o))
			return front_run(o, kinds, false);
		return say_refused(ERR_USAGE, o->json ?
			   _("--json asks nothing, so it needs --batch") :
			   _("there is no terminal to ask on"),
			   _("upshift run PLAN --batch --yes"));
	}
	session_init(&s, o, kinds);
	ret = prepare(&s);
	if (!ret && o->write_answers)
		ret = write_answers(&s);
	else if (!ret) {
		ret = o->dry_run && s.sd.fd < 0 ? 0 : look_at_last(&s);
		if (!ret)
			ret = run_engine(&s);
		else if (ret == -1)
			ret = 0;
	}
	session_release(&s);
	return ret;
}

static int exec_check(const struct options *o,
		      const struct step_ops *const *kinds)
{
	struct batch batch = { .o = o };
	struct engine_spec spec;
	struct event_bus bus;
	struct session s;
	char id[RUN_ID_LEN + 1] = "";
	int ret;

	session_init(&s, o, kinds);
	ret = prepare(&s);
	if (!ret)
		ret = say_missing(&s, true);
	if (!ret)
		ret = run_new_id(&s.sd, id) < 0 ? 73 :
			session_new_plan(&s, id);
	if (!ret) {
		struct engine *e;

		session_bus(&s, &bus, &batch);
		session_engine_spec(&s, &spec, &bus);
		e = engine_new(&spec);
		signals_engine(e);
		ret = log_file_add(o, &bus);
		if (!ret)
			ret = check(e);
		signals_engine(NULL);
		engine_free(e);
		event_bus_close(&bus);
	}
	session_release(&s);
	return ret;
}

const struct command cmd_run = {
	.name = "run",
	.usage = "[PLAN] [--batch] [--yes] [--dry-run] [--if-needed [--again]] "
		"[--set NAME=VALUE] [--vars FILE] [--answers FILE] "
		"[--confirm WORDS] [--skip STEP] [--stop-after STEP] "
		"[--approve ROLE:NAME] [--take-over RUN] "
		"[--on-failure stop|rollback]",
	.summary = N_("carry a plan out"),
	.flags = COMMAND_PLAN,
	.max_args = 1,
	.exec = exec_run,
};

const struct command cmd_check = {
	.name = "check",
	.usage = "PLAN",
	.summary = N_("make the plan's checks and change nothing"),
	.flags = COMMAND_PLAN,
	.max_args = 1,
	.exec = exec_check,
};
