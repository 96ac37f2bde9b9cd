/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
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
#include "frontend.h"
#include "text.h"

void session_init(struct session *s, const struct options *o,
		  const struct step_ops *const *kinds)
{
	memset(s, 0, sizeof(*s));
	s->o = o;
	s->kinds = kinds;
	s->sd.root_fd = s->sd.fd = s->sd.lock_fd = -1;
	s->vars = json_object_new_object();
	s->answers = json_object_new_object();
}

void session_release(struct session *s)
{
	run_free(s->run);
	plan_free(s->plan);
	state_dir_release(&s->sd);
	json_object_put(s->scope.env_used);
	json_object_put(s->vars);
	json_object_put(s->answers);
	json_object_put(s->record);
	free(s->root);
	free(s->run_started);
	free(s->plan_path);
	free(s->backup);
	strvec_release(&s->confirm);
}

static int fail(struct error *err)
{
	int ret = error_code_exit(err->code);

	say_error(err);
	error_release(err);
	return ret;
}

/* --- plans --- */

static void add_glob(const char *pattern, struct strvec *ret)
{
	glob_t g;

	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			strvec_push(ret, g.gl_pathv[i]);
		globfree(&g);
	}
}

void session_plans(struct strvec *ret)
{
	add_glob("*.plan", ret);
	if (!ret->n)
		add_glob(PLANDIR "/*.plan", ret);
	if (!ret->n)
		add_glob(PLANDIR "/*/*.plan", ret);
}

/* *.plan here, then installed ones; exactly one, or a list to choose from */
static int find_plan(struct session *s)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	struct error err = ERROR_INIT;

	session_plans(&found);
	if (found.n == 1) {
		s->plan_path = xstrdup(found.v[0]);
		return 0;
	}
	(void)error_set(&err, ERR_NO_PLAN, 0, "%s", found.n ?
		_("there is more than one plan here") :
		_("there is no plan here (*.plan)"));
	error_hint(&err, "upshift run %s", found.n ? found.v[0] : "PLAN");
	return fail(&err);
}

void session_say_problems(const struct session *s,
			  const struct plan_problems *p)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].line)
			strbuf_addf(&sb, "%s:%d: ", s->plan_path,
				    p->v[i].line);
		else
			strbuf_addf(&sb, "%s: ", s->plan_path);
		strbuf_addf(&sb, "%s\n", p->v[i].message);
	}
	(void)fs_write_all(STDERR_FILENO, sb.buf, sb.len);
	strbuf_release(&sb);
}

static int load(struct session *s)
{
	struct plan_problems problems = { 0 };
	struct error err = ERROR_INIT;
	int ret;

	plan_free(s->plan);
	s->plan = NULL;
	ret = plan_load(s->plan_path, s->kinds, &s->scope, &s->plan,
			&problems, &err);
	if (ret >= 0) {
		plan_problems_release(&problems);
		return 0;
	}
	session_say_problems(s, &problems);
	ret = error_code_exit(err.code);
	if (!problems.n)
		ret = fail(&err);
	error_release(&err);
	plan_problems_release(&problems);
	return ret;
}

int session_lint(struct session *s)
{
	int ret = 0;

	if (s->o->args.n)
		s->plan_path = xstrdup(s->o->args.v[0]);
	else
		ret = find_plan(s);
	if (ret)
		return ret;
	s->scope.lint = true;
	s->scope.vars = s->vars;
	return load(s);
}

/* --- roots --- */

static char *expand_home(const char *path)
{
	const struct passwd *pw;
	const char *home = getenv("HOME");

	if (*path != '~' || (path[1] && path[1] != '/'))
		return xstrdup(path);
	if (!home || !*home) {
		pw = getpwuid(geteuid());
		home = pw ? pw->pw_dir : "/";
	}
	return xasprintf("%s%s", home, path + 1);
}

int session_root(struct session *s)
{
	const char *given = s->o->root ? s->o->root :
		s->plan ? s->plan->root : NULL;
	struct error err = ERROR_INIT;
	const char *why;

	if (!given) {
		(void)error_set(&err, ERR_USAGE, 0, "%s",
			_("the plan names no root, and --root is not given"));
		return fail(&err);
	}
	s->root = expand_home(given);
	if (state_dir_open(&s->sd, s->root, s->o->state_dir, s->plan &&
			   s->plan->run_as && !strcmp(s->plan->run_as, "root"),
			   &err) < 0)
		return fail(&err);
	why = plan_root_refused(s->sd.root, getenv("HOME"));
	if (why) {
		(void)error_set(&err, ERR_PLAN_VALUE, 0,
				_("'%s' cannot be the root: %s"), s->sd.root,
				_(why));
		return fail(&err);
	}
	if (s->plan && s->plan->state_dir && !s->o->state_dir &&
	    s->sd.fd < 0 &&
	    state_dir_prefer(&s->sd, s->plan->state_dir, &err) < 0)
		return fail(&err);
	return 0;
}

/* roots with a run that is open, of all that this user has */
static int from_register(char **ret)
{
	_cleanup_strvec_ struct strvec roots = STRVEC_INIT;
	_cleanup_strvec_ struct strvec open = STRVEC_INIT;
	_cleanup_strvec_ struct strvec all = STRVEC_INIT;
	struct error err = ERROR_INIT;

	(void)register_roots(&roots);
	for (size_t i = 0; i < roots.n; i++) {
		struct state_dir sd;
		struct run *r = NULL;

		if (state_dir_open(&sd, roots.v[i], NULL, true, NULL) < 0)
			continue;
		if (sd.fd >= 0 && run_open(&r, &sd, NULL, false, NULL) >= 0) {
			strvec_push(&all, roots.v[i]);
			if (run_is_open(r))
				strvec_push(&open, roots.v[i]);
		}
		run_free(r);
		state_dir_release(&sd);
	}
	if (open.n == 1 || (!open.n && all.n == 1)) {
		*ret = xstrdup(open.n ? open.v[0] : all.v[0]);
		return 0;
	}
	if (!open.n && !all.n)
		return -ENOENT;
	(void)error_set(&err, ERR_USAGE, 0, "%s",
			_("there is more than one run; say which by --root"));
	for (size_t i = 0; i < (open.n ? open.n : all.n); i++) {
		error_prefix(&err, "--root %s", open.n ? open.v[i] : all.v[i]);
	}
	(void)fail(&err);
	return 64;
}

static int find_root(struct session *s)
{
	char cwd[PATH_MAX];
	struct error err = ERROR_INIT;
	int ret;

	if (s->o->root) {
		s->root = expand_home(s->o->root);
		return 0;
	}
	if (getcwd(cwd, sizeof(cwd)) && state_find_root(cwd, &s->root) == 0)
		return 0;
	ret = from_register(&s->root);
	if (ret >= 0)
		return ret;
	(void)error_set(&err, ERR_NO_RUN, 0, "%s",
		_("there is no run here, in a directory above, or known to "
		  "this user"));
	error_hint(&err, "upshift run PLAN, or --root DIR");
	return fail(&err);
}

int session_open_run(struct session *s, bool writable)
{
	struct error err = ERROR_INIT;
	int ret = find_root(s);

	if (ret)
		return ret;
	if (state_dir_open(&s->sd, s->root, s->o->state_dir, true, &err) < 0)
		return fail(&err);
	if (s->sd.fd < 0) {
		(void)error_set(&err, ERR_NO_RUN, 0,
				_("there is no run in '%s'"), s->sd.root);
		return fail(&err);
	}
	if (writable && state_dir_lock(&s->sd, &err) < 0)
		return fail(&err);
	if (run_open(&s->run, &s->sd, s->o->run_id, writable, &err) < 0)
		return fail(&err);
	return 0;
}

int session_show_plan(struct session *s)
{
	struct json_object *b = s->run->begun;
	struct error err = ERROR_INIT;

	if (run_plan_verify(s->run, &err) < 0)
		return fail(&err);
	free(s->plan_path);
	s->plan_path = run_plan_path(s->run);
	json_object_put(s->vars);
	s->vars = json_object_get(json_get(b, "vars"));
	json_object_object_foreach(json_get(b, "answers") ?
				   json_get(b, "answers") : s->answers,
				   key, val)
		json_object_object_add(s->answers, key, json_object_get(val));
	s->run_started = xstrdup(json_get_str(b, "started", ""));
	s->scope.lint = false;
	s->scope.root = s->sd.root;
	s->scope.run_id = s->run->id;
	s->scope.run_started = s->run_started;
	s->scope.user = json_get_str(b, "user", "");
	s->scope.backup = s->run->backup.dir;
	s->scope.vars = s->vars;
	s->scope.answers = s->answers;
	s->scope.env = json_get(b, "env");
	s->scope.lint = true;
	return load(s) ? 65 : 0;
}

int session_run_plan(struct session *s)
{
	struct error err = ERROR_INIT;
	int ret = session_show_plan(s);

	if (ret)
		return ret;
	if (s->o->answers_file &&
	    plan_pairs_load(s->o->answers_file, s->answers, &err) < 0)
		return fail(&err);
	s->scope.lint = false;
	/* secrets are never kept, so they are needed again */
	for (size_t i = 0; i < s->plan->answer_n; i++) {
		const struct plan_answer *a = &s->plan->answers[i];

		if (!a->secret || !a->required || json_get(s->answers, a->id))
			continue;
		(void)error_set(&err, ERR_NEED_ANSWER, 0,
				_("answer '%s' is secret and needed again"),
				a->id);
		error_hint(&err, "--answers FILE");
		return fail(&err);
	}
	return load(s);
}

/* --- values --- */

static const struct plan_answer *find_answer(const struct plan *p,
					     const char *id)
{
	for (size_t i = 0; i < p->answer_n; i++)
		if (!strcmp(p->answers[i].id, id))
			return &p->answers[i];
	return NULL;
}

static int set_option(struct session *s, const char *text)
{
	const char *eq = strchr(text, '=');
	_cleanup_free_ char *name = NULL;
	const struct plan_answer *a;
	struct error err = ERROR_INIT;

	if (!eq || eq == text) {
		(void)error_set(&err, ERR_USAGE, 0,
				_("--set takes NAME=VALUE, not '%s'"), text);
		return fail(&err);
	}
	name = xstrndup(text, (size_t)(eq - text));
	a = find_answer(s->plan, name);
	if (a && a->secret) {
		(void)error_set(&err, ERR_SECRET_ARGUMENT, 0,
			_("'%s' is a secret and must not be given as an "
			  "argument"), name);
		error_hint(&err, "--answers FILE");
		return fail(&err);
	}
	if (!a && !json_get(s->plan->vars, name)) {
		(void)error_set(&err, ERR_USAGE, 0,
				_("the plan has no variable '%s'"), name);
		return fail(&err);
	}
	json_set_str(a ? s->answers : s->vars, name, eq + 1);
	return 0;
}

/* a secret in a file that others may read is no secret */
static int check_answers_file(struct session *s, struct error *err)
{
	bool secret = false;
	struct stat st;

	for (size_t i = 0; i < s->plan->answer_n; i++)
		secret |= s->plan->answers[i].secret &&
			json_get(s->answers, s->plan->answers[i].id);
	if (!secret || stat(s->o->answers_file, &st) < 0 ||
	    (!(st.st_mode & 077) && st.st_uid == geteuid()))
		return 0;
	(void)error_set(err, ERR_ANSWERS, -EPERM,
			_("'%s' holds a secret and may be read by others"),
			s->o->answers_file);
	error_hint(err, "chmod 600 %s", s->o->answers_file);
	return -EPERM;
}

static int check_answers(struct session *s, struct error *err)
{
	json_object_object_foreach(s->answers, key, val) {
		const struct plan_answer *a = find_answer(s->plan, key);

		if (!a)
			return error_set(err, ERR_ANSWERS, -EINVAL,
				_("'%s' is no question of this plan"), key);
		if (!plan_answer_fits(a, json_object_get_string(val)))
			return error_set(err, ERR_ANSWERS, -EINVAL,
				_("the answer for '%s' is empty or does not "
				  "match '%s'"), key,
				a->pattern ? a->pattern : ".+");
	}
	for (size_t i = 0; i < s->plan->answer_n; i++) {
		const struct plan_answer *a = &s->plan->answers[i];

		if (!json_get(s->answers, a->id) && a->def)
			json_set_str(s->answers, a->id, a->def);
	}
	return 0;
}

int session_values(struct session *s)
{
	struct error err = ERROR_INIT;

	if (s->o->vars_file &&
	    plan_pairs_load(s->o->vars_file, s->vars, &err) < 0)
		return fail(&err);
	for (size_t i = 0; i < s->o->set.n; i++) {
		int ret = set_option(s, s->o->set.v[i]);

		if (ret)
			return ret;
	}
	if (s->o->answers_file &&
	    (plan_pairs_load(s->o->answers_file, s->answers, &err) < 0 ||
	     check_answers_file(s, &err) < 0))
		return fail(&err);
	return check_answers(s, &err) < 0 ? fail(&err) : 0;
}

/* what may stand in the journal: answers that are no secrets */
static struct json_object *open_answers(const struct session *s)
{
	struct json_object *o = json_object_new_object();

	json_object_object_foreach(s->answers, key, val) {
		const struct plan_answer *a = find_answer(s->plan, key);

		if (a && !a->secret)
			json_object_object_add(o, key, json_object_get(val));
	}
	return o;
}

int session_new_plan(struct session *s, const char *id)
{
	char now[CLOCK_TEXT_SIZE];
	struct timespec ts;
	const struct passwd *pw = getpwuid(geteuid());
	const char *dir;
	int ret;

	clock_now(&ts);
	clock_format(&ts, now);
	free(s->run_started);
	s->run_started = xstrdup(now);
	s->scope.root = s->sd.root;
	s->scope.run_id = id;
	s->scope.run_started = s->run_started;
	s->scope.user = pw ? pw->pw_name : "";
	s->scope.vars = s->vars;
	s->scope.answers = s->answers;
	/* where the backup goes may depend on all of these */
	s->scope.lint = true;
	ret = load(s);
	s->scope.lint = false;
	if (ret)
		return ret;
	dir = s->o->backup_dir ? s->o->backup_dir : s->plan->backup_dir;
	free(s->backup);
	if (!dir)
		s->backup = xasprintf("%s/runs/%s/backup", s->sd.path, id);
	else if (*dir == '/')
		s->backup = xasprintf("%s/%s", dir, id);
	else
		s->backup = xasprintf("%s/%s/%s", s->sd.root, dir, id);
	s->scope.backup = s->backup;
	return load(s);
}

/* --- engine --- */

/* What was agreed to when the run began still holds when it goes on. */
static void record_options(struct session *s)
{
	struct json_object *words = json_object_new_array();
	const struct options *o = s->o;

	if (!s->record)
		s->record = json_object_new_object();
	json_object_object_add(s->record, "answers", open_answers(s));
	json_set_bool(s->record, "yes", o->yes);
	if (o->on_failure_given)
		json_set_str(s->record, "on_failure",
			     o->on_failure == PLAN_ROLLBACK ? "rollback" :
			     "stop");
	for (size_t i = 0; i < o->confirm.n; i++)
		json_array_add_bytes(words, o->confirm.v[i]);
	json_object_object_add(s->record, "confirm", words);
}

static void carry_over(struct session *s, struct engine_options *opts)
{
	struct json_object *was = json_get(s->run->begun, "options");
	struct json_object *words = json_get(was, "confirm");
	const char *f = json_get_str(was, "on_failure", NULL);

	opts->yes |= json_get_bool(was, "yes", false);
	if (!opts->on_failure_given && f) {
		opts->on_failure_given = true;
		opts->on_failure = strcmp(f, "rollback") ? PLAN_STOP :
			PLAN_ROLLBACK;
	}
	strvec_copy(&s->confirm, &opts->confirm);
	for (size_t i = 0; words && i < json_object_array_length(words); i++)
		strvec_take(&s->confirm, json_array_get_bytes(words, i));
	opts->confirm = s->confirm;
}

void session_engine_spec(struct session *s, struct engine_spec *spec,
			 struct event_bus *bus)
{
	const struct options *o = s->o;

	memset(spec, 0, sizeof(*spec));
	spec->sd = &s->sd;
	spec->plan = s->plan;
	spec->scope = &s->scope;
	spec->kinds = s->kinds;
	spec->bus = bus;
	spec->ask = ask_batch;
	spec->ask_ctx = (void *)(uintptr_t)o;
	spec->opts.yes = o->yes;
	spec->opts.confirm = o->confirm;
	spec->opts.skip = o->skip;
	spec->opts.approve = o->approve;
	spec->opts.stop_after = o->stop_after;
	spec->opts.run_step = o->run_step;
	spec->opts.take_over = o->take_over;
	spec->opts.on_failure_given = o->on_failure_given;
	spec->opts.on_failure = o->on_failure;
	spec->opts.backup_dir = o->backup_dir;
	spec->opts.batch = true;
	spec->opts.lang = o->lang ? o->lang : getenv("LANG");
	if (s->run)
		carry_over(s, &spec->opts);
	else
		record_options(s);
	spec->opts.record = s->record;
}

void session_bus(struct session *s, struct event_bus *bus, void *batch)
{
	memset(bus, 0, sizeof(*bus));
	if (s->o->json)
		event_bus_add(bus, &json_ops, NULL);
	else
		event_bus_add(bus, &batch_ops, batch);
}
