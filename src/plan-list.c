/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"

static struct strvec take(struct strvec *from)
{
	struct strvec v = *from;

	*from = (struct strvec)STRVEC_INIT;
	return v;
}

/* --- lists of strings --- */

static bool is_sequence(const struct plan_value *v)
{
	return v->type == VALUE_ARRAY || v->type == VALUE_LIST;
}

static bool each_one(struct plan_node *n, const char *key,
		     const struct plan_value *v, enum expand_use use,
		     list_fn *fn, void *ctx)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	if (v->type != VALUE_STRING) {
		node_problem_at(n, v->line,
				_("'%s' may hold strings in quotes alone"), key);
		return false;
	}
	if (!node_expand(n, key, v->line, v->str, use, NULL, &out))
		return false;
	fn(n, key, v, out.buf, ctx);
	return true;
}

bool node_each(struct plan_node *n, const char *key, bool required,
	       enum expand_use use, list_fn *fn, void *ctx)
{
	const struct plan_value *v = node_want(n, key, required);
	bool ok = true;

	if (!v)
		return false;
	if (!is_sequence(v))
		return each_one(n, key, v, use, fn, ctx);
	if (required && !v->n) {
		node_problem_at(n, v->line, _("'%s' is empty"), key);
		return false;
	}
	for (size_t i = 0; i < v->n; i++)
		if (!each_one(n, key, &v->items[i], use, fn, ctx))
			ok = false;
	return ok;
}

static void push_string(struct plan_node *n _unused_, const char *key _unused_,
			const struct plan_value *v _unused_, const char *text,
			void *ctx)
{
	strvec_push(ctx, text);
}

bool plan_node_list(struct plan_node *n, const char *key, bool required,
		    struct strvec *ret)
{
	_cleanup_strvec_ struct strvec out = STRVEC_INIT;

	if (!node_each(n, key, required, USE_STRING, push_string, &out))
		return false;
	strvec_release(ret);
	*ret = take(&out);
	return true;
}

/* --- paths --- */

struct placing {
	bool magic, failed;
	struct strvec *out;
};

static void push_path(struct plan_node *n, const char *key,
		      const struct plan_value *v, const char *text, void *ctx)
{
	struct placing *p = ctx;
	char *path = node_place(n, key, v->line, text, p->magic);

	if (path)
		strvec_take(p->out, path);
	else
		p->failed = true;
}

bool plan_node_path(struct plan_node *n, const char *key, bool required,
		    char **ret)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	const struct plan_value *v = node_want(n, key, required);
	char *path;

	if (!v || !node_is_string(n, v, key) ||
	    !node_expand(n, key, v->line, v->str, USE_PATH, NULL, &out))
		return false;
	path = node_place(n, key, v->line, out.buf, false);
	if (!path)
		return false;
	*ret = path;
	return true;
}

bool plan_node_paths(struct plan_node *n, const char *key, bool required,
		     bool magic, struct strvec *ret)
{
	_cleanup_strvec_ struct strvec out = STRVEC_INIT;
	struct placing p = { .magic = magic, .out = &out };

	if (!node_each(n, key, required, USE_PATH, push_path, &p) || p.failed)
		return false;
	strvec_release(ret);
	*ret = take(&out);
	return true;
}

/* --- argument lists --- */

/*
 * Programs that take a program as text, with the letters of the options that
 * it stands behind. The text must be the author's alone: a value in it would
 * be read as commands.
 */
static const struct {
	const char *name;
	const char *letters;
} interpreters[] = {
	{ "sh", "c" }, { "bash", "c" }, { "dash", "c" }, { "zsh", "c" },
	{ "ksh", "c" }, { "ksh93", "c" }, { "mksh", "c" }, { "ash", "c" },
	{ "rbash", "c" }, { "fish", "c" }, { "csh", "c" }, { "tcsh", "c" },
	{ "su", "c" }, { "runuser", "c" }, { "env", "S" },
	{ "python", "c" }, { "python3", "c" }, { "perl", "eE" },
	{ "ruby", "e" }, { "node", "e" },
};

static const char *script_letters(const char *program)
{
	const char *base = path_basename(program);

	for (size_t i = 0; i < ARRAY_SIZE(interpreters); i++)
		if (!strcmp(base, interpreters[i].name))
			return interpreters[i].letters;
	return NULL;
}

/* A cluster of short options, as in "-ec". */
static bool has_letter(const char *arg, const char *letters)
{
	return arg[0] == '-' && arg[1] != '-' && strpbrk(arg + 1, letters);
}

static bool is_option(const char *arg)
{
	return (arg[0] == '-' || arg[0] == '+') && arg[1];
}

/* "-o", "+O", "-euo": the next argument is the option's name. */
static bool takes_argument(const char *arg)
{
	char last = arg[strlen(arg) - 1];

	return is_option(arg) && arg[1] != '-' && (last == 'o' || last == 'O');
}

/*
 * The arguments of a program at argv[i] from its -c on, up to the first that
 * is no option: that one is the script.
 */
static void check_script(struct plan_node *n, const char *key,
			 const struct plan_value *v, const struct strvec *argv,
			 size_t i, const char *letters)
{
	size_t k = i + 1;

	while (k < argv->n && !has_letter(argv->v[k], letters) &&
	       strcmp(argv->v[k], "--command") &&
	       !str_starts(argv->v[k], "--command=") &&
	       !str_starts(argv->v[k], "--split-string"))
		k++;
	for (; k < argv->n; k++) {
		_cleanup_free_ char *name =
			expand_unsafe_name(v->items[k].str);

		if (name && strchr(name, '.') == NULL &&
		    strcmp(name, "root") && !strchr(name, ':'))
			node_problem_at(n, v->items[k].line,
					_("'%s': '${%s}' must not stand inside "
					  "a script: write \"$UPSHIFT_VAR_%s\" "
					  "there"), key, name, name);
		else if (name)
			node_problem_at(n, v->items[k].line,
					_("'%s': '${%s}' must not stand inside "
					  "a script: pass it as an argument "
					  "behind the script"), key, name);
		if (!is_option(argv->v[k]))
			return;
		if (takes_argument(argv->v[k]))
			k++;
	}
}

static void check_scripts(struct plan_node *n, const char *key,
			  const struct plan_value *v, const struct strvec *argv)
{
	for (size_t i = 0; i < argv->n; i++) {
		/* busybox sh, env sh, nice sh: wherever it stands */
		const char *letters = script_letters(argv->v[i]);

		if (letters)
			check_script(n, key, v, argv, i, letters);
	}
}

bool node_argv(struct plan_node *n, const char *key, bool required,
	       enum expand_use use, struct strvec *ret)
{
	_cleanup_strvec_ struct strvec out = STRVEC_INIT;
	const struct plan_value *v = node_want(n, key, required);
	bool was = n->failed;

	if (!v)
		return false;
	if (!is_sequence(v) || !v->n) {
		node_problem_at(n, v->line,
				_("'%s' must be a list of arguments: "
				  "[\"program\", \"argument\"]"), key);
		return false;
	}
	if (!node_each(n, key, required, use, push_string, &out))
		return false;
	if (!*out.v[0]) {
		node_problem_at(n, v->items[0].line,
				_("'%s': the name of the program is empty"),
				key);
		return false;
	}
	n->failed = false;
	check_scripts(n, key, v, &out);
	if (n->failed)
		return false;
	n->failed = was;
	strvec_release(ret);
	*ret = take(&out);
	return true;
}

bool plan_node_argv(struct plan_node *n, const char *key, bool required,
		    struct strvec *ret)
{
	return node_argv(n, key, required, USE_ARGUMENT, ret);
}

/* --- groups of strings --- */

char *plan_value_text(const struct plan_value *v)
{
	switch (v->type) {
	case VALUE_STRING:
		return xstrdup(v->str);
	case VALUE_INT:
		return xasprintf("%lld", (long long)v->num);
	case VALUE_FLOAT:
		return format_real(v->real);
	case VALUE_BOOL:
		return xstrdup(v->flag ? "true" : "false");
	case VALUE_GROUP:
	case VALUE_ARRAY:
	case VALUE_LIST:
		break;
	}
	return NULL;
}

char *node_scalar(struct plan_node *n, const struct plan_value *v,
		  enum expand_use use)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	char *text;

	if (v->type == VALUE_STRING) {
		if (!node_expand(n, v->key, v->line, v->str, use, NULL, &out))
			return NULL;
		return strbuf_detach(&out);
	}
	text = plan_value_text(v);
	if (!text)
		node_problem_at(n, v->line,
				_("'%s' must be a string or a number"), v->key);
	return text;
}

static const struct plan_value *get_group(struct plan_node *n, const char *key)
{
	const struct plan_value *v = node_get(n, key, 0);

	if (v && v->type != VALUE_GROUP) {
		node_problem_at(n, v->line, _("'%s' must be a group: { name = "
					      "\"value\"; }"), key);
		return NULL;
	}
	return v;
}

bool plan_node_env(struct plan_node *n, const char *key, struct strvec *ret)
{
	_cleanup_strvec_ struct strvec out = STRVEC_INIT;
	const struct plan_value *v = get_group(n, key);
	bool ok = true;

	if (!v)
		return false;
	for (size_t i = 0; i < v->n; i++) {
		_cleanup_free_ char *value = NULL;

		if (!env_name_valid(v->items[i].key)) {
			node_problem_at(n, v->items[i].line,
					_("'%s' is not a name for an "
					  "environment variable"),
					v->items[i].key);
			ok = false;
			continue;
		}
		value = node_scalar(n, &v->items[i], USE_ENV);
		if (value)
			strvec_pushf(&out, "%s=%s", v->items[i].key, value);
		else
			ok = false;
	}
	if (!ok)
		return false;
	strvec_release(ret);
	*ret = take(&out);
	return true;
}

bool plan_node_pairs(struct plan_node *n, const char *key, struct strvec *ret)
{
	_cleanup_strvec_ struct strvec out = STRVEC_INIT;
	const struct plan_value *v = get_group(n, key);
	bool ok = true;

	if (!v)
		return false;
	for (size_t i = 0; i < v->n; i++) {
		char *value = node_scalar(n, &v->items[i], USE_STRING);

		if (!value) {
			ok = false;
			continue;
		}
		strvec_push(&out, v->items[i].key);
		strvec_take(&out, value);
	}
	if (!ok)
		return false;
	strvec_release(ret);
	*ret = take(&out);
	return true;
}

bool plan_node_regex(struct plan_node *n, const char *key, bool required,
		     char **ret)
{
	_cleanup_free_ char *pattern = NULL;
	const char *why;

	if (!plan_node_raw(n, key, required, &pattern))
		return false;
	why = regex_refused(pattern);
	if (why) {
		plan_node_problem(n, key, "'%s': %s", key, _(why));
		return false;
	}
	*ret = TAKE_PTR(pattern);
	return true;
}
