/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "step.h"

#define PASSWD_MAX (64 * 1024)

/* --- what stands beside the plan --- */

static char *home_of(uid_t uid)
{
	_cleanup_free_ char *buf = NULL;
	struct passwd pw, *found = NULL;

	buf = xmalloc(PASSWD_MAX);
	if (getpwuid_r(uid, &pw, buf, PASSWD_MAX, &found) || !found ||
	    *found->pw_dir != '/')
		return NULL;
	return xstrdup(found->pw_dir);
}

/* ~ is the home of the one whose data it is, who need not be the caller. */
static char *find_home(const struct plan_scope *scope)
{
	const char *env = getenv("HOME");
	uid_t uid = geteuid();
	struct stat st;

	if (scope->root && !stat(scope->root, &st))
		uid = st.st_uid;
	if (uid == geteuid() && env && *env == '/')
		return xstrdup(env);
	return home_of(uid);
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!strcmp(path, "-") || !slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") :
		xstrndup(path, (size_t)(slash - path));
}

/* --- top-level keys --- */

static bool check_format(struct plan_node *top)
{
	int64_t format = PLAN_FORMAT;

	if (!plan_node_has(top, "plan"))
		plan_node_problem(top, NULL, _("'plan = %d;' is missing, the "
					       "format of the plan"),
				  PLAN_FORMAT);
	else
		plan_node_int(top, "plan", true, 1, INT64_MAX, &format);
	/* what a newer format means by its keys is not for us to judge */
	if (format > PLAN_FORMAT) {
		plan_node_problem(top, "plan",
				  _("plan format %lld is newer than this "
				    "program, which knows formats up to %d"),
				  (long long)format, PLAN_FORMAT);
		return false;
	}
	return true;
}

static void refuse_root(struct plan_node *top, const char *shown,
			const char *why)
{
	plan_node_problem(top, "root", _("'%s' cannot be the root: %s"), shown,
			  _(why));
}

static void load_root(struct plan_load *l, struct plan_node *top)
{
	struct plan *p = l->plan;
	const char *why = NULL;
	_cleanup_free_ char *full = NULL;

	if (plan_node_string(top, "root", false, &p->root)) {
		full = load_expand_home(l, p->root);
		/* lint: a part that nobody knows yet */
		if (*full != '<')
			why = plan_root_refused(full, l->home);
		if (why)
			refuse_root(top, p->root, why);
	}
	if (l->scope->root) {
		why = plan_root_refused(l->scope->root, l->home);
		if (why)
			plan_problem_add(l->problems, 0,
					 _("'%s' cannot be the root: %s"),
					 l->scope->root, _(why));
		l->root = path_normalize(l->scope->root);
	} else if (full && *full == '/') {
		l->root = path_normalize(full);
	}
}

static void take_allowed(struct plan_node *n, const char *key,
			 const struct plan_value *v, const char *text, void *ctx)
{
	struct plan_load *l = ctx;
	_cleanup_free_ char *full = load_expand_home(l, text);
	_cleanup_free_ char *path = path_normalize(full);
	const char *why;

	if (*full == '<')
		return;
	why = plan_root_refused(path, l->home);
	if (!why && glob_has_magic(path))
		why = N_("patterns are not taken here");
	if (why)
		node_problem_at(n, v->line, _("'%s': '%s': %s"), key, text,
				_(why));
	else
		strvec_push(&l->plan->allow_paths, path);
}

static void load_state_dir(struct plan_load *l, struct plan_node *top)
{
	_cleanup_free_ char *dir = NULL, *path = NULL;
	const char *why;

	if (!plan_node_string(top, "state_dir", false, &dir))
		return;
	path = load_relative(l, dir);
	why = *dir ? path_check(path) : N_("it is empty");
	if (!why && !strcmp(path, "."))
		why = N_("it is the root itself");
	if (why)
		plan_node_problem(top, "state_dir", "'state_dir': '%s': %s",
				  dir, _(why));
	else
		l->plan->state_dir = TAKE_PTR(path);
}

static void load_names(struct plan_load *l, struct plan_node *top)
{
	struct plan *p = l->plan;
	const char *why;

	if (plan_node_string(top, "name", true, &p->name)) {
		why = plan_name_refused(p->name);
		if (why)
			plan_node_problem(top, "name", "'name': %s", _(why));
	}
	plan_node_text(top, "title", false, &p->title);
	plan_node_text(top, "support", false, &p->support);
	plan_node_text(top, "release_notes", false, &p->release_notes);
	if (!plan_node_string(top, "from", false, &p->from))
		p->from = xstrdup("");
	if (!plan_node_string(top, "to", false, &p->to))
		p->to = xstrdup("");
	node_check_text(top, "from", plan_node_line(top, "from"), p->from);
	node_check_text(top, "to", plan_node_line(top, "to"), p->to);
	if (!p->title.text && p->name)
		p->title.text = xstrdup(p->name);
}

static void load_policies(struct plan_load *l, struct plan_node *top)
{
	static const char *const on_failure[] = {
		[PLAN_ASK] = "ask", [PLAN_STOP] = "stop",
		[PLAN_ROLLBACK] = "rollback", NULL
	};
	static const char *const hard_links[] = { "keep", "break", NULL };
	static const char *const run_as[] = { "root", NULL };
	struct plan *p = l->plan;
	int w;

	if (plan_node_word(top, "on_failure", false, on_failure, &w))
		p->on_failure = (enum plan_on_failure)w;
	if (plan_node_word(top, "hard_links", false, hard_links, &w))
		p->hard_links_break = w == 1;
	if (plan_node_word(top, "run_as", false, run_as, &w))
		p->run_as = xstrdup(run_as[w]);
	plan_node_paths(top, "live", false, true, &p->live);
}

/*
 * Order matters: each may use ${...} of what was read before it. Gives the
 * code for problems, if there are any.
 */
static enum err_code load_all(struct plan_load *l, struct plan_node *top)
{
	size_t before;
	bool whole;

	if (!check_format(top))
		return ERR_PLAN;
	l->plan->vars = json_object_new_object();
	load_store_env(l, top);
	load_root(l, top);
	load_answers(l, top);
	load_vars(l, top);
	(void)node_each(top, "allow_paths", false, USE_PATH, take_allowed, l);
	load_state_dir(l, top);
	load_names(l, top);
	load_policies(l, top);
	load_changes(l, top);
	load_backup(l, top);
	load_app(l, top);
	load_stores(l, top);
	load_backup_stores(l, top);
	load_defaults(l, top);
	load_notify(l, top);
	whole = load_steps(l, top);
	if (whole)
		check_later(l);
	load_rollback(l, top);
	node_finish(top);
	before = l->problems->n;
	check_effects(l->plan, whole, l->problems);
	if (!before)
		check_compared(l->plan);
	return before ? ERR_PLAN : ERR_PLAN_CONFLICT;
}

/* --- from bytes to a plan --- */

static enum err_code load_source(struct plan_load *l)
{
	_cleanup_node_ struct plan_node *top = NULL;
	enum err_code code = ERR_PLAN_SYNTAX;
	bool values = false;
	struct plan_value *root = plan_tree(l->plan->source,
					    l->plan->source_len, &values,
					    l->problems);

	if (values) {
		bool commas = l->problems->n > 0;

		top = node_new(l, NULL, root);
		code = load_all(l, top);
		if (commas)
			code = ERR_PLAN_SYNTAX;
	}
	plan_value_free(root);
	free(root);
	return code;
}

static void load_release(struct plan_load *l)
{
	for (size_t i = 0; i < l->id_n; i++)
		free(l->ids[i].id);
	free(l->ids);
	for (size_t i = 0; i < l->later_n; i++) {
		free(l->later[i].key);
		free(l->later[i].id);
	}
	free(l->later);
	strvec_release(&l->step_ids);
	strvec_release(&l->bad_stores);
	free(l->home);
	free(l->root);
}

static int by_line(const void *a, const void *b)
{
	const struct plan_problem *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

/* An insertion sort: stable, and there are few. */
static void sort_problems(struct plan_problems *p)
{
	for (size_t i = 1; i < p->n; i++) {
		struct plan_problem one = p->v[i];
		size_t k = i;

		for (; k && by_line(&p->v[k - 1], &one) > 0; k--)
			p->v[k] = p->v[k - 1];
		p->v[k] = one;
	}
}

static int summarize(const struct plan_problems *p, const char *path,
		     enum err_code code, struct error *err)
{
	_cleanup_free_ char *shown = escape_bytes(path);
	_cleanup_free_ char *where = p->v[0].line ?
		xasprintf("%s:%d", shown, p->v[0].line) : xstrdup(shown);

	if (p->n == 1)
		return error_set(err, code, -EINVAL, "%s: %s", where,
				 p->v[0].message);
	return error_set(err, code, -EINVAL,
			 ngettext("%s: %s (and %zu more problem)",
				  "%s: %s (and %zu more problems)", p->n - 1),
			 where, p->v[0].message, p->n - 1);
}

int plan_load(const char *path, const struct step_ops *const *kinds,
	      struct plan_scope *scope, struct plan **ret,
	      struct plan_problems *problems, struct error *err)
{
	_cleanup_strbuf_ struct strbuf source = STRBUF_INIT;
	struct plan *p;
	struct plan_load l;
	enum err_code code;
	int r;

	r = plan_read_source(path, &source, err);
	if (r < 0)
		return r;
	if (!scope->env_used)
		scope->env_used = json_object_new_object();
	p = xcalloc(1, sizeof(*p));
	p->path = xstrdup(path);
	p->dir = directory_of(path);
	p->source_len = source.len;
	p->source = strbuf_detach(&source);
	l = (struct plan_load){
		.plan = p, .scope = scope, .problems = problems,
		.kinds = kinds, .home = find_home(scope),
	};
	code = load_source(&l);
	load_release(&l);
	if (problems->n) {
		sort_problems(problems);
		plan_free(p);
		return summarize(problems, path, code, err);
	}
	plan_digest(p);
	*ret = p;
	return 0;
}
