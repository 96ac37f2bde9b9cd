/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"

#define STEP_STARTED "${step.started}"

/* --- ${...} in a text --- */

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("_.:-", c));
}

static int add_json(struct strbuf *out, const char *name, const char *value,
		    struct error *err)
{
	if (!utf8_valid(value, strlen(value)))
		return error_set(err, ERR_PLAN_VALUE, -EINVAL,
				 _("the value of '%s' is not valid UTF-8 and "
				   "cannot stand in JSON"), name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			strbuf_addf(out, "\\%c", *value);
		else if ((unsigned char)*value < 0x20 || *value == 0x7f)
			strbuf_addf(out, "\\u%04x", (unsigned char)*value);
		else
			strbuf_addch(out, *value);
	}
	return 0;
}

/* s stands behind "${"; *used is the length with the brace. */
static int expand_one(const char *s, size_t len, bool json, expand_fn *lookup,
		      void *ctx, struct strbuf *out, size_t *used,
		      struct error *err)
{
	_cleanup_free_ char *name = NULL, *value = NULL;
	size_t n = 0;

	while (n < len && name_char(s[n]))
		n++;
	if (n == len || s[n] != '}')
		return error_set(err, ERR_PLAN_VALUE, -EINVAL,
				 _("'${' without a name and '}'; write '$${' "
				   "for the characters themselves"));
	*used = n + 1;
	name = xstrndup(s, n);
	value = n ? lookup(ctx, name) : NULL;
	if (!value)
		return error_set(err, ERR_PLAN_VALUE, -ENOENT,
				 _("unknown name '${%s}'"), name);
	if (json)
		return add_json(out, name, value, err);
	strbuf_addstr(out, value);
	return 0;
}

int expand_text(const char *text, size_t len, bool json, expand_fn *lookup,
		void *ctx, struct strbuf *out, struct error *err)
{
	size_t i = 0;

	while (i < len) {
		size_t used = 0;
		int r;

		if (text[i] == '$' && len - i >= 3 && text[i + 1] == '$' &&
		    text[i + 2] == '{') {
			strbuf_addstr(out, "${");
			i += 3;
			continue;
		}
		if (text[i] != '$' || len - i < 2 || text[i + 1] != '{') {
			strbuf_addch(out, text[i++]);
			continue;
		}
		r = expand_one(text + i + 2, len - i - 2, json, lookup, ctx,
			       out, &used, err);
		if (r < 0)
			return r;
		i += 2 + used;
	}
	return 0;
}

void expand_step_started(const char *text, const char *started,
			 struct strbuf *out)
{
	const char *at;

	while ((at = strstr(text, STEP_STARTED))) {
		strbuf_add(out, text, (size_t)(at - text));
		strbuf_addstr(out, started);
		text = at + strlen(STEP_STARTED);
	}
	strbuf_addstr(out, text);
}

bool expand_has_refs(const char *text)
{
	return strstr(text, "${") != NULL;
}

static char *note_unsafe(void *ctx, const char *name)
{
	char **found = ctx;

	/* made by us, of letters, digits and punctuation without a meaning */
	if (!*found && strcmp(name, "run.id") && strcmp(name, "run.started") &&
	    strcmp(name, "step.started") && strcmp(name, "snapshot.name"))
		*found = xstrdup(name);
	return xstrdup("");
}

char *expand_unsafe_name(const char *text)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	char *found = NULL;

	/* a text that is wrong altogether was reported where it was filled in */
	(void)expand_text(text, strlen(text), false, note_unsafe, &found, &out,
			  NULL);
	return found;
}

/* --- what a name stands for --- */

enum ref_state {
	REF_UNKNOWN,
	REF_MISSING,                /* known, but there is no value */
	REF_VALUE,
	REF_GUESS,                  /* lint: a placeholder */
};

static enum ref_state ref_value(const char *value, char **ret)
{
	*ret = xstrdup(value);
	return REF_VALUE;
}

static enum ref_state ref_missing(const struct plan_scope *scope,
				  const char *name, char **ret)
{
	if (!scope || !scope->lint)
		return REF_MISSING;
	*ret = xasprintf("<%s>", name);
	return REF_GUESS;
}

static const struct plan_answer *find_answer(const struct plan *p,
					     const char *name)
{
	for (size_t i = 0; i < p->answer_n; i++)
		if (!strcmp(p->answers[i].id, name))
			return &p->answers[i];
	return NULL;
}

static enum ref_state resolve_answer(const struct plan_answer *a,
				     const struct plan_scope *scope, char **ret)
{
	const char *v = scope && scope->answers ?
		json_get_str(scope->answers, a->id, NULL) : NULL;

	if (v)
		return ref_value(v, ret);
	if (a->def)
		return ref_value(a->def, ret);
	if (!a->required)
		return ref_value("", ret);
	return ref_missing(scope, a->id, ret);
}

static bool is_store_env(const struct plan *p, const char *ref)
{
	return str_starts(ref, "env:") &&
	       strvec_has(&p->store_env, ref + strlen("env:"));
}

static enum ref_state resolve_env(const struct plan *p,
				  const struct plan_scope *scope,
				  const char *ref, char **ret)
{
	const char *name = ref + strlen("env:"), *v;
	/* not in the journal, so it comes from here on resume as well */
	bool secret = is_store_env(p, ref);

	if (!env_name_valid(name))
		return REF_UNKNOWN;
	v = scope && scope->env && !secret ?
		json_get_str(scope->env, name, NULL) : getenv(name);
	if (!v)
		return ref_missing(scope, ref, ret);
	if (scope && scope->env_used && !secret)
		json_set_str(scope->env_used, name, v);
	return ref_value(v, ret);
}

static enum ref_state resolve_run(const struct plan_scope *scope,
				  const char *name, char **ret)
{
	const char *v;

	if (!strcmp(name, "run.id"))
		v = scope ? scope->run_id : NULL;
	else if (!strcmp(name, "run.started"))
		v = scope ? scope->run_started : NULL;
	else if (!strcmp(name, "run.user"))
		v = scope ? scope->user : NULL;
	else if (!strcmp(name, "run.backup"))
		v = scope ? scope->backup : NULL;
	else
		return REF_UNKNOWN;
	return v ? ref_value(v, ret) : ref_missing(scope, name, ret);
}

static enum ref_state resolve(const struct plan *p,
			      const struct plan_scope *scope, const char *name,
			      char **ret)
{
	const struct plan_answer *a;
	const char *v;

	if (!strcmp(name, "root")) {
		v = scope && scope->root ? scope->root : p->root;
		return v ? ref_value(v, ret) : ref_missing(scope, name, ret);
	}
	if (str_starts(name, "env:"))
		return resolve_env(p, scope, name, ret);
	if (str_starts(name, "run."))
		return resolve_run(scope, name, ret);
	v = p->vars ? json_get_str(p->vars, name, NULL) : NULL;
	if (v)
		return ref_value(v, ret);
	a = find_answer(p, name);
	return a ? resolve_answer(a, scope, ret) : REF_UNKNOWN;
}

char *plan_lookup(const struct plan *p, const struct plan_scope *scope,
		  const char *name)
{
	char *v = NULL;

	(void)resolve(p, scope, name, &v); /* v says it */
	return v;
}

void plan_command_env(const struct plan *p, const struct plan_scope *scope,
		      struct strvec *env)
{
	if (p->vars) {
		json_object_object_foreach(p->vars, name, val) {
			strvec_pushf(env, "UPSHIFT_VAR_%s=%s", name,
				     json_object_get_string(val));
		}
	}
	for (size_t i = 0; i < p->answer_n; i++) {
		_cleanup_free_ char *v = NULL;

		/* a secret goes only where the plan's own env names it */
		if (p->answers[i].secret)
			continue;
		if (resolve_answer(&p->answers[i], scope, &v) == REF_VALUE)
			strvec_pushf(env, "UPSHIFT_VAR_%s=%s",
				     p->answers[i].id, v);
	}
}

/* --- values of a plan, with problems --- */

struct filling {
	struct plan_node *n;
	const char *key;
	int line;
	enum expand_use use;
	bool *guess;
	bool failed;
};

static void name_problem(struct filling *f, const char *name)
{
	const struct plan *p = f->n->load->plan;
	_cleanup_strvec_ struct strvec words = STRVEC_INIT;
	const char *near;

	if (p->vars) {
		json_object_object_foreach(p->vars, var, val) {
			(void)val; /* the name alone */
			strvec_push(&words, var);
		}
	}
	for (size_t i = 0; i < p->answer_n; i++)
		strvec_push(&words, p->answers[i].id);
	for (const char *const *w = (const char *const[]){ "root", "run.id",
	     "run.started", "run.user", "run.backup", "step.started", NULL };
	     *w; w++)
		strvec_push(&words, *w);
	near = nearest_word(name, (const char *const *)words.v);
	if (near)
		node_problem_at(f->n, f->line, _("'%s': unknown name '${%s}' "
						 "(did you mean '${%s}'?)"),
				f->key, name, near);
	else
		node_problem_at(f->n, f->line,
				_("'%s': unknown name '${%s}'"), f->key, name);
	f->failed = true;
}

static void missing_problem(struct filling *f, const char *name)
{
	if (str_starts(name, "env:"))
		node_problem_at(f->n, f->line,
				_("'%s': environment variable '%s' is not set"),
				f->key, name + strlen("env:"));
	else if (find_answer(f->n->load->plan, name))
		node_problem_at(f->n, f->line,
				_("'%s': the answer '%s' was not given"),
				f->key, name);
	else
		node_problem_at(f->n, f->line,
				_("'%s': '${%s}' has no value here"), f->key,
				name);
	f->failed = true;
}

static char *fill_step(struct filling *f, const char *name)
{
	if (strcmp(name, "step.started")) {
		name_problem(f, name);
	} else if (f->use != USE_ARGUMENT && f->use != USE_ENV &&
		   f->use != USE_RAW) {
		node_problem_at(f->n, f->line,
				_("'%s': '${step.started}' is known only when "
				  "the step runs and cannot stand here"),
				f->key);
		f->failed = true;
	}
	return xstrdup(STEP_STARTED);
}

/* known when the snapshot was made, its name before */
static char *fill_snapshot(struct filling *f, const char *name)
{
	bool id = !strcmp(name, "snapshot.id");

	if (!id && strcmp(name, "snapshot.name"))
		name_problem(f, name);
	else if (f->use != USE_SNAPSHOT_ID && (id || f->use != USE_SNAPSHOT))
		missing_problem(f, name);
	return xasprintf("${%s}", name);
}

static bool is_public(enum expand_use use)
{
	return use == USE_TEXT || use == USE_PATH || use == USE_ARGUMENT ||
	       use == USE_VAR || use == USE_SNAPSHOT ||
	       use == USE_SNAPSHOT_ID;
}

/* Always gives something, so that one look finds every unknown name. */
static char *fill(void *ctx, const char *name)
{
	struct filling *f = ctx;
	const struct plan_load *l = f->n->load;
	const struct plan_answer *a = find_answer(l->plan, name);
	char *v = NULL;

	if (str_starts(name, "step."))
		return fill_step(f, name);
	if (str_starts(name, "snapshot."))
		return fill_snapshot(f, name);
	switch (resolve(l->plan, l->scope, name, &v)) {
	case REF_UNKNOWN:
		name_problem(f, name);
		break;
	case REF_MISSING:
		missing_problem(f, name);
		break;
	case REF_GUESS:
		if (f->guess)
			*f->guess = true;
		break;
	case REF_VALUE:
		break;
	}
	if (a && a->secret && is_public(f->use)) {
		node_problem_at(f->n, f->line,
				_("'%s': the secret answer '%s' would be seen "
				  "by others here; commands have it as "
				  "$UPSHIFT_VAR_%s"), f->key, name, name);
		f->failed = true;
	}
	if (is_public(f->use) && is_store_env(l->plan, name)) {
		node_problem_at(f->n, f->line,
				_("'%s': '${%s}' stands in the URL of a store "
				  "and may hold a password, which would be "
				  "seen by others here"), f->key, name);
		f->failed = true;
	}
	return v ? v : xstrdup("");
}

bool node_expand(struct plan_node *n, const char *key, int line,
		 const char *text, enum expand_use use, bool *guess,
		 struct strbuf *out)
{
	struct filling f = {
		.n = n, .key = key, .line = line, .use = use, .guess = guess,
	};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (expand_text(text, strlen(text), false, fill, &f, out, &err) < 0) {
		node_problem_at(n, line, "'%s': %s", key, err.msg);
		return false;
	}
	return !f.failed;
}

bool plan_node_check_refs(struct plan_node *n, const char *key,
			  const char *text)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	return node_expand(n, key, plan_node_line(n, key), text, USE_RAW, NULL,
			   &out);
}
