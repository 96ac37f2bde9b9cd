/* SPDX-License-Identifier: MIT */
/* resume, rollback, verify: what is done with a run that is there */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "front.h"
#include "frontend.h"
#include "if-needed.h"
#include "records-audit.h"
#include "rollback-text.h"
#include "session.h"
#include "text.h"

#define MENDED_MAX (256u << 20)

struct job {
	struct session s;
	struct batch batch;
	struct event_bus bus;
	struct engine_spec spec;
	struct engine *e;
};

static int job_begin(struct job *j, const struct options *o,
		     const struct step_ops *const *kinds, bool writable)
{
	int ret;

	memset(j, 0, sizeof(*j));
	session_init(&j->s, o, kinds);
	j->batch.o = o;
	ret = session_open_run(&j->s, writable);
	/* one that only tells what would happen needs no secret for it */
	if (!ret)
		ret = o->preview ? session_show_plan(&j->s) :
			session_run_plan(&j->s);
	if (ret)
		return ret;
	session_bus(&j->s, &j->bus, &j->batch);
	session_engine_spec(&j->s, &j->spec, &j->bus);
	j->e = engine_new(&j->spec);
	signals_engine(j->e);
	return log_file_add(o, &j->bus);
}

static int job_end(struct job *j, int ret)
{
	signals_engine(NULL);
	engine_free(j->e);
	event_bus_close(&j->bus);
	session_release(&j->s);
	return ret;
}

static int exec_resume(const struct options *o,
		       const struct step_ops *const *kinds)
{
	struct job j;
	int ret;

	if (front_is_wanted(o))
		return front_run(o, kinds, false);
	ret = job_begin(&j, o, kinds, true);
	if (ret)
		return job_end(&j, ret);
	if (!run_is_open(j.s.run))
		engine_leave(j.e, j.s.run);
	if (j.s.run->state == RUN_COMPLETE && !o->run_step) {
		if (!o->json)
			(void)out_line(_("the run is complete; there is "
					 "nothing to resume"));
		return job_end(&j, 0);
	}
	if (j.s.run->state == RUN_CLOSED ||
	    (j.s.run->state == RUN_ROLLED_BACK && !run_is_open(j.s.run)))
		return job_end(&j, say_refused(ERR_NO_RUN,
			_("no run is open here"), "upshift run PLAN"));
	if (!o->yes && !run_changed_data(j.s.run) && !o->batch)
		return job_end(&j, say_refused(ERR_USAGE,
			_("there is no terminal to ask on"),
			"upshift resume --batch --yes"));
	return job_end(&j, engine_resume(j.e, j.s.run));
}

/* --- rollback --- */

static int show_preview(struct job *j, const char *point)
{
	struct rollback_preview p;
	struct error err = ERROR_INIT;
	int ret = engine_preview_rollback(j->e, j->s.run, point, &p, &err);

	if (ret < 0) {
		say_error(&err);
		ret = error_code_exit(err.code);
		error_release(&err);
	} else if (j->s.o->json) {
		_cleanup_json_ struct json_object *o =
			rollback_preview_json(&p);
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		json_print(o, &sb);
		(void)out_line(sb.buf);
	} else {
		rollback_preview_show(&p, point);
	}
	rollback_preview_release(&p);
	return ret;
}

static bool words_given(const struct options *o, const char *words)
{
	for (size_t i = 0; i < o->confirm.n; i++)
		if (ask_words_match(o->confirm.v[i], words))
			return true;
	return false;
}

static int confirm_rollback(struct job *j, const char *point)
{
	_cleanup_free_ char *words = xasprintf("roll back to %s", point);
	_cleanup_free_ char *hint = xasprintf("--confirm \"%s\"", words);

	return words_given(j->s.o, words) ? 0 : say_refused(ERR_CONFIRM,
		_("nothing was changed; a rollback needs its words"), hint);
}

/* the point and the way to it, as a scenario of the plan or options say */
static int choose_way(struct job *j, const struct options *o,
		      const char **point)
{
	const struct plan_scenario *s = o->scenario ?
		plan_find_scenario(j->s.plan, o->scenario) : NULL;
	enum plan_strategy how;

	if (o->scenario && !s) {
		_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;

		for (size_t i = 0; i < j->s.plan->scenario_n; i++)
			strbuf_addf(&names, "%s--scenario \"%s\"", i ? ", " :
				    "", j->s.plan->scenarios[i].name);
		return say_refused(ERR_NO_POINT,
				   _("the plan has no scenario of that name"),
				   names.buf);
	}
	if (s && o->args.n)
		return say_refused(ERR_USAGE, _("a scenario has its own point"),
				   "upshift rollback --scenario NAME");
	if (s)
		*point = engine_set_scenario(j->e, s);
	if (s && !s->point && o->strategy)
		return say_refused(ERR_USAGE,
				   _("this scenario undoes steps one by one"),
				   "upshift rollback --scenario NAME");
	if (o->strategy && plan_strategy_parse(o->strategy, &how) < 0)
		return say_refused(ERR_USAGE, _("unknown strategy"),
				   "--strategy backup|incremental|schema|"
				   "snapshot");
	if (o->strategy)
		engine_set_strategy(j->e, how);
	if (o->no_carry)
		engine_set_no_carry(j->e);
	return 0;
}

static int exec_rollback(const struct options *o,
			 const struct step_ops *const *kinds)
{
	const char *point = o->args.n ? o->args.v[0] : "start";
	struct job j;
	int ret;

	/* words that were given need no screen to type them on */
	if (!o->preview && !o->confirm.n && !o->strategy && !o->scenario &&
	    front_is_wanted(o))
		return front_run(o, kinds, false);
	ret = job_begin(&j, o, kinds, !o->preview);
	if (!ret)
		ret = choose_way(&j, o, &point);
	if (ret)
		return job_end(&j, ret);
	if (o->preview)
		return job_end(&j, show_preview(&j, point));
	/* one that was begun was confirmed then */
	if (j.s.run->state != RUN_ROLLING_BACK)
		ret = confirm_rollback(&j, point);
	if (!ret)
		ret = engine_rollback(j.e, j.s.run, point);
	return job_end(&j, ret);
}

int rollback_by_variable(const struct options *o,
			 const struct step_ops *const *kinds, const char *name)
{
	struct error err = ERROR_INIT;
	struct job j;
	int ret = job_begin(&j, o, kinds, true);

	if (ret)
		return job_end(&j, ret);
	/* looked at without the lock, it may have been rolled back since */
	if (j.s.run->state == RUN_ROLLED_BACK && !run_is_open(j.s.run))
		return job_end(&j, 0);
	if (run_record_decision(j.s.run, "variable", name, "rollback",
				&err) < 0) {
		say_error(&err);
		ret = error_code_exit(err.code);
		error_release(&err);
		return job_end(&j, ret);
	}
	return job_end(&j, engine_rollback(j.e, j.s.run, "start"));
}

/* without a run: the file may be a copy */
static int check_audit(const struct options *o)
{
	_cleanup_json_ struct json_object *out = json_object_new_object();
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct records_audit a;
	int ret = 0;

	if (records_audit_check(o->audit, &a, &err) < 0) {
		say_error(&err);
		ret = error_code_exit(err.code);
		error_release(&err);
	}
	if (o->json) {
		json_set_str(out, "file", o->audit);
		json_set_bool(out, "ok", !ret);
		json_set_int(out, "lines", (int64_t)a.lines);
		json_set_int(out, "broken", (int64_t)a.broken);
		json_set_int(out, "rows", (int64_t)a.rows);
		json_set_bool(out, "in_journal", a.in_journal);
		json_set_str(out, "sum", a.sum);
		json_print(out, &text);
		(void)out_line(text.buf);
		return ret;
	}
	if (ret)
		return ret;
	strbuf_addf(&text, ngettext("%llu line, each as it was written",
				    "%llu lines, each as it was written",
				    a.lines), (unsigned long long)a.lines);
	strbuf_addf(&text, "\n%s\n%s", a.sum, a.in_journal ?
		    _("the journal of the run has the same last sum") :
		    _("no journal has its last sum; compare it with what was "
		      "printed"));
	(void)out_line(text.buf);
	return 0;
}

static int exec_verify(const struct options *o,
		       const struct step_ops *const *kinds)
{
	static const char *const levels[] = { "basic", "standard", "rigorous",
					      "forensic", NULL };
	int level = LEVEL_BASIC, ret;
	struct job j;

	if (o->audit)
		return check_audit(o);
	if (o->level) {
		for (level = 0; levels[level] &&
		     strcmp(levels[level], o->level); level++)
			;
		if (!levels[level])
			return say_refused(ERR_USAGE, _("unknown level"),
				"--level basic|standard|rigorous|forensic");
	}
	ret = job_begin(&j, o, kinds, false);
	if (ret)
		return job_end(&j, ret);
	if (o->level)
		engine_set_level(j.e, (enum plan_level)(PLAN_BASIC + level));
	engine_stream_begin(j.e);
	ret = engine_verify(j.e, j.s.run, (enum engine_level)level);
	return job_end(&j, engine_stream_end(j.e, "verify", ret));
}

/* --- retry-rejects --- */

static int read_mended(const char *path, struct strbuf *text)
{
	int ret = fs_read_file(AT_FDCWD, path, MENDED_MAX, text);
	struct error err = ERROR_INIT;

	if (ret >= 0)
		return 0;
	(void)error_errno(&err, ERR_USAGE, ret, _("cannot read '%s'"), path);
	say_error(&err);
	error_release(&err);
	return 64;
}

static int list_rejects(struct job *j, const char *step)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	int ret = engine_rejects(j->e, j->s.run, step, &out);

	if (ret)
		say_error(engine_error(j->e));
	else if (out.len) {
		strbuf_set_len(&out, out.len - 1);
		(void)out_line(out.buf);
	}
	return ret;
}

static int exec_retry(const struct options *o,
		      const struct step_ops *const *kinds)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct step_retry r = { .text = NULL };
	struct job j;
	int ret;

	if (!o->args.n)
		return say_refused(ERR_USAGE, _("which step?"),
				   "upshift retry-rejects STEP");
	ret = o->file ? read_mended(o->file, &text) : 0;
	if (ret)
		return ret;
	if (o->file) {
		r.text = text.buf;
		r.len = text.len;
	}
	ret = job_begin(&j, o, kinds, !o->list);
	if (ret)
		return job_end(&j, ret);
	return job_end(&j, o->list ? list_rejects(&j, o->args.v[0]) :
		       engine_retry(j.e, j.s.run, o->args.v[0], &r));
}

const struct command cmd_retry = {
	.name = "retry-rejects",
	.usage = "STEP [--file FILE] [--list] [--run ID]",
	.summary = N_("try records again that a step refused"),
	.max_args = 1,
	.exec = exec_retry,
};

const struct command cmd_resume = {
	.name = "resume",
	.usage = "[--run ID] [--run-step STEP] [--approve ROLE:NAME] "
		"[--take-over RUN] [--batch] [--yes]",
	.summary = N_("go on with a run that was stopped or interrupted"),
	.max_args = 0,
	.exec = exec_resume,
};

const struct command cmd_rollback = {
	.name = "rollback",
	.usage = "[POINT] [--strategy backup|incremental|schema|snapshot] "
		"[--no-carry] [--scenario NAME] [--preview] [--take-over RUN] "
		"[--batch --confirm \"roll back to POINT\"]",
	.summary = N_("go back to a checkpoint (start if none is named)"),
	.max_args = 1,
	.exec = exec_rollback,
};

const struct command cmd_verify = {
	.name = "verify",
	.usage = "[--run ID] [--level basic|standard|rigorous|forensic] "
		"[--audit FILE]",
	.summary = N_("compare data and backup with what the run recorded"),
	.max_args = 0,
	.exec = exec_verify,
};
