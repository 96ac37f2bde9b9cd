/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "json-jq.h"
#include "json-pointer.h"
#include "step-json.h"
#include "step-split.h"

#define MAX_BAD 100

const char *const json_type_words[] = {
	"null", "boolean", "number", "integer", "string", "array", "object",
	NULL,
};

static const char *const otherwise_words[] = { "keep", "fail", "value", NULL };
static const char *const count_words[] = { "same", "fewer", "more", "any",
	NULL };
static const char *const bad_words[] = { "stop", "quarantine", NULL };

/* --- small parts --- */

static bool get_pointer(struct plan_node *n, const char *key, char **ret,
			struct strvec *parts)
{
	if (!plan_node_string(n, key, true, ret))
		return false;
	if (!json_pointer_valid(*ret)) {
		plan_node_problem(n, key, _("'%s': '%s' is no JSON Pointer "
				  "(like /a/0/b)"), key, *ret);
		return false;
	}
	json_pointer_split(*ret, parts);
	return true;
}

static bool get_path(struct plan_node *n, const char *key, bool required,
		     char **text, struct json_path **ret)
{
	struct error err = ERROR_INIT;
	int r;

	if (!plan_node_string(n, key, required, text))
		return false;
	r = json_path_parse(*text, ret, &err);
	if (r < 0)
		plan_node_problem(n, key, _("'%s': '%s' is no path that can be "
				  "used: %s"), key, *text, err.msg);
	error_release(&err);
	return r >= 0;
}

/* the key `value`, or JSON text in `json` */
static bool get_value(struct plan_node *n, bool required,
		      struct json_literal *ret)
{
	bool json = plan_node_has(n, "json"), value = plan_node_has(n, "value");
	char *text = NULL;

	if (json && value) {
		plan_node_problem(n, "json", _("give one of 'value' and "
					       "'json'"));
		return false;
	}
	if (json ? !plan_node_string(n, "json", true, &text) :
	    !plan_node_json(n, "value", required, &text))
		return false;
	if (json_literal_init(ret, text) >= 0)
		return true;
	plan_node_problem(n, "json", _("'json' is no valid JSON"));
	free(text);
	return false;
}

/* --- operations --- */

static void check_template(struct plan_node *n, const char *key,
			   const char *text)
{
	const char *why = text ? json_template_refused(text) : NULL;

	if (why)
		plan_node_problem(n, key, "'%s': %s", key, _(why));
}

static bool same_store(const struct json_store *a, const struct json_store *b)
{
	const struct strvec *x[] = { &a->put, &a->get, &a->remove };
	const struct strvec *y[] = { &b->put, &b->get, &b->remove };

	if (!a->file != !b->file || (a->file && strcmp(a->file, b->file) != 0))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(x); i++) {
		if (x[i]->n != y[i]->n)
			return false;
		for (size_t k = 0; k < x[i]->n; k++)
			if (strcmp(x[i]->v[k], y[i]->v[k]) != 0)
				return false;
	}
	return true;
}

static void store_release(struct json_store *s)
{
	free(s->file);
	strvec_release(&s->put);
	strvec_release(&s->get);
	strvec_release(&s->remove);
}

static void check_store(struct plan_node *n, const struct json_store *s)
{
	const struct strvec *all[] = { &s->put, &s->get, &s->remove };
	static const char *const keys[] = { "put", "get", "remove" };

	if (s->file && !strchr(s->file, '/'))
		plan_node_problem(n, "file", _("'file' must stand in a "
				  "directory of its own, which is closed to "
				  "others"));
	for (size_t i = 0; !s->file && i < ARRAY_SIZE(all); i++) {
		bool named = false;

		for (size_t k = 0; k < all[i]->n; k++)
			named |= strstr(all[i]->v[k], "{name}") != NULL;
		if (all[i]->n && !named)
			plan_node_problem(n, keys[i], _("'%s' must have "
					  "'{name}' among its arguments"),
					  keys[i]);
	}
}

static size_t parse_store(struct json_step *m, struct plan_node *op)
{
	struct json_store s = { 0 };
	struct plan_node *n;

	if (!plan_node_count(op, "store")) {
		plan_node_problem(op, NULL, _("'store' is missing: { file = "
				  "\"...\"; } or { put = [...]; get = [...]; "
				  "remove = [...]; }"));
		return 0;
	}
	n = plan_node_child(op, "store", 0);
	if (plan_node_has(n, "file")) {
		(void)plan_node_path(n, "file", true, &s.file);
	} else {
		(void)plan_node_argv(n, "put", true, &s.put);
		(void)plan_node_argv(n, "get", true, &s.get);
		(void)plan_node_argv(n, "remove", true, &s.remove);
	}
	check_store(n, &s);
	for (size_t i = 0; i < m->store_n; i++)
		if (same_store(&m->stores[i], &s)) {
			store_release(&s);
			return i;
		}
	m->stores = xrealloc(m->stores, m->store_n + 1, sizeof(s));
	m->stores[m->store_n] = s;
	return m->store_n++;
}

static void parse_secret(struct json_step *m, struct json_op *op,
			 struct plan_node *n)
{
	(void)get_pointer(n, "path", &op->path, &op->path_parts);
	if (plan_node_raw(n, "name", true, &op->name))
		check_template(n, "name", op->name);
	if (!plan_node_raw(n, "leave", false, &op->leave))
		op->leave = xstrdup("secret:{name}");
	if (!strcmp(op->leave, "null"))
		op->leave_what = JSON_LEAVE_NULL;
	else if (!strcmp(op->leave, "nothing"))
		op->leave_what = JSON_LEAVE_NOTHING;
	else
		check_template(n, "leave", op->leave);
	op->store = parse_store(m, n);
}

static void parse_map(struct json_op *op, struct plan_node *n)
{
	_cleanup_strvec_ struct strvec pairs = STRVEC_INIT;
	int word = JSON_KEEP;

	(void)get_pointer(n, "path", &op->path, &op->path_parts);
	(void)plan_node_word(n, "otherwise", false, otherwise_words, &word);
	op->otherwise = (enum json_otherwise)word;
	if (op->otherwise == JSON_VALUE)
		(void)get_value(n, true, &op->value);
	if (!plan_node_json_pairs(n, "values", true, &pairs))
		return;
	op->map_n = pairs.n / 2;
	op->map = xcalloc(pairs.n ? pairs.n : 1, sizeof(*op->map));
	for (size_t i = 0; i < pairs.n; i++)
		if (json_literal_init(&op->map[i], pairs.v[i]) < 0)
			BUG("a value of a plan that is no JSON");
	/* the literals own the texts now */
	free(pairs.v);
	pairs = (struct strvec)STRVEC_INIT;
}

static void parse_rename(struct json_op *op, struct plan_node *n)
{
	if (get_pointer(n, "from", &op->from, &op->from_parts) &&
	    !op->from_parts.n)
		plan_node_problem(n, "from", _("the value itself has no name "
					       "here"));
	if (!plan_node_string(n, "to", true, &op->to))
		return;
	if (*op->to == '/')
		plan_node_problem(n, "to", _("'to' is a name, not a path; use "
				  "'move' to change the place"));
}

static void parse_keys(struct json_step *m, struct json_op *op,
		       struct plan_node *n)
{
	int word;

	switch (op->type) {
	case JSON_OP_ADD:
	case JSON_OP_REPLACE:
	case JSON_OP_TEST:
	case JSON_OP_DEFAULT:
		if (get_pointer(n, "path", &op->path, &op->path_parts) &&
		    op->type == JSON_OP_DEFAULT && !op->path_parts.n)
			plan_node_problem(n, "path", _("the value itself is "
						       "never absent"));
		(void)get_value(n, true, &op->value);
		return;
	case JSON_OP_REMOVE:
		(void)get_pointer(n, "path", &op->path, &op->path_parts);
		return;
	case JSON_OP_MOVE:
	case JSON_OP_COPY:
		(void)get_pointer(n, "from", &op->from, &op->from_parts);
		(void)get_pointer(n, "path", &op->path, &op->path_parts);
		return;
	case JSON_OP_RENAME:
		parse_rename(op, n);
		return;
	case JSON_OP_MAP:
		parse_map(op, n);
		return;
	case JSON_OP_CONVERT:
		(void)get_pointer(n, "path", &op->path, &op->path_parts);
		if (plan_node_word(n, "to", true, json_convert_names, &word))
			op->convert = (enum json_convert)word;
		return;
	case JSON_OP_SECRET:
		parse_secret(m, op, n);
	}
}

static void parse_op(struct json_step *m, struct json_op *op,
		     struct plan_node *n)
{
	_cleanup_free_ char *where = NULL;
	struct error err = ERROR_INIT;
	int word;

	if (!plan_node_word(n, "op", true, json_op_names, &word))
		return;
	op->type = (enum json_op_type)word;
	parse_keys(m, op, n);
	json_op_ready(op);
	if (plan_node_string(n, "where", false, &where) &&
	    json_filter_parse(where, &op->where, &err) < 0)
		plan_node_problem(n, "where", _("'where': '%s' is no "
				  "condition: %s"), where, err.msg);
	error_release(&err);
}

/* --- expectations --- */

static void parse_bound(struct plan_node *n, const char *key,
			struct json_literal *ret)
{
	char *text = NULL;

	if (!plan_node_json(n, key, false, &text))
		return;
	if (json_literal_init(ret, text) < 0)
		BUG("a value of a plan that is no JSON");
	if (ret->tree.v[JSON_ROOT].type != JSON_T_NUMBER)
		plan_node_problem(n, key, _("'%s' must be a number"), key);
}

static void parse_in(struct json_expect *e, struct plan_node *n)
{
	_cleanup_free_ char *text = NULL;
	struct plan_node *in;

	if (!plan_node_count(n, "in"))
		return;
	in = plan_node_child(n, "in", 0);
	(void)plan_node_path(in, "path", true, &e->in_file);
	(void)get_path(in, "select", true, &text, &e->in_select);
}

static void parse_expect(struct json_expect *e, struct plan_node *n,
			 bool lines)
{
	e->type = -1;
	if (plan_node_string(n, "path", true, &e->path)) {
		_cleanup_free_ char *text = NULL;

		if (*e->path != '$')
			(void)get_pointer(n, "path", &text, &e->parts);
		else if (lines)
			plan_node_problem(n, "path", _("a path with '$' has no "
					  "meaning in a file of lines"));
		else
			(void)get_path(n, "path", true, &text, &e->select);
	}
	(void)plan_node_word(n, "type", false, json_type_words, &e->type);
	(void)plan_node_bool(n, "required", &e->required);
	(void)plan_node_bool(n, "unique", &e->unique);
	if (plan_node_regex(n, "pattern", false, &e->pattern))
		e->has_regex = !regcomp(&e->regex, e->pattern,
					REG_EXTENDED | REG_NOSUB);
	parse_bound(n, "min", &e->min);
	parse_bound(n, "max", &e->max);
	e->has_count = plan_node_int(n, "count", false, 0, INT64_MAX,
				     &e->count);
	parse_in(e, n);
}

static void parse_expects(struct plan_node *n, const char *key, bool lines,
			  struct json_expects *ret)
{
	size_t count = plan_node_count(n, key);

	ret->v = xcalloc(count ? count : 1, sizeof(*ret->v));
	ret->n = count;
	for (size_t i = 0; i < count; i++)
		parse_expect(&ret->v[i], plan_node_child(n, key, i), lines);
}

/* --- the whole --- */

static void parse_paths(struct json_step *m, struct plan_node *n)
{
	bool path = plan_node_has(n, "path"), paths = plan_node_has(n, "paths");

	/* each is asked for, or it would be an unknown key */
	(void)plan_node_path(n, "output", false, &m->output);
	if (path == paths) {
		plan_node_problem(n, path ? "path" : NULL,
				  _("give one of 'path' and 'paths'"));
		return;
	}
	m->alternatives = path;
	(void)plan_node_paths(n, path ? "path" : "paths", true, !path,
			      &m->paths);
	if (m->output && paths)
		plan_node_problem(n, "output", _("'output' goes with 'path', "
						 "not with 'paths'"));
}

static void parse_edit(struct json_step *m, struct plan_node *n)
{
	size_t count = plan_node_count(n, "edit");

	m->ops = xcalloc(count ? count : 1, sizeof(*m->ops));
	m->op_n = count;
	for (size_t i = 0; i < count; i++)
		parse_op(m, &m->ops[i], plan_node_child(n, "edit", i));
}

/* absolute, or with dots */
static bool path_is_unsafe(const char *dir)
{
	_cleanup_free_ char *whole = xasprintf("/%s/", dir);

	return *dir == '/' || strstr(whole, "/../") || strstr(whole, "/./") ||
		strstr(whole, "//");
}

/* a split or a join does nothing else */
static void parse_split(struct json_step *m, struct plan_node *n)
{
	_cleanup_free_ char *dir = NULL;
	bool join = plan_node_paths(n, "join", false, true, &m->join);

	if (plan_node_raw(n, "split", false, &m->split)) {
		check_template(n, "split", m->split);
		dir = step_split_dir(m->split);
		if (!dir || path_is_unsafe(dir))
			plan_node_problem(n, "split", _("'split' must begin "
					  "with a directory below the root "
					  "(like notes/{id}.json)"));
	}
	if (!m->split && !join)
		return;
	if ((m->split && join) || m->op_n || m->output || m->before.n ||
	    m->after.n || plan_node_has(n, "filter"))
		plan_node_problem(n, join ? "join" : "split",
			_("'%s' goes with nothing that edits or expects; make "
			  "it a step of its own"), join ? "join" : "split");
	if (join && (m->paths.n > 1 || !m->alternatives ||
		     strcmp(m->select_text, "$") != 0))
		plan_node_problem(n, "join", _("'join' wants one 'path' to "
					       "write, and no 'select'"));
}

static void parse_filter(struct json_step *m, struct plan_node *n)
{
	_cleanup_free_ char *program = NULL;
	struct error err = ERROR_INIT;

	if (!plan_node_raw(n, "filter", false, &program))
		return;
	if (m->op_n)
		plan_node_problem(n, "filter", _("give one of 'edit' and "
						 "'filter'"));
	else if (json_jq_new(program, &m->filter, &err) < 0)
		plan_node_problem(n, "filter", _("'filter': %s"), err.msg);
	error_release(&err);
}

static void parse_bad(struct json_step *m, struct plan_node *n)
{
	int word = 0;

	(void)plan_node_word(n, "bad_records", false, bad_words, &word);
	m->quarantine = word == 1;
	m->max_bad = MAX_BAD;
	(void)plan_node_int(n, "max_bad", false, 0, 1000000, &m->max_bad);
}

int step_json_parse(struct step *s, struct plan_node *n, bool lines)
{
	struct json_step *m = xcalloc(1, sizeof(*m));
	int word = JSON_SAME;

	s->priv = m;
	m->lines = lines;
	parse_paths(m, n);
	if (!plan_node_has(n, "select"))
		m->select_text = xstrdup("$");
	if (m->select_text)
		(void)json_path_parse(m->select_text, &m->select, NULL);
	else
		(void)get_path(n, "select", true, &m->select_text, &m->select);
	parse_edit(m, n);
	parse_filter(m, n);
	parse_expects(n, "expect_before", lines, &m->before);
	parse_expects(n, "expect", lines, &m->after);
	if (!lines)
		parse_split(m, n);
	(void)plan_node_string(n, "count", false, &m->count);
	(void)plan_node_word(n, "count_change", false, count_words, &word);
	m->count_change = (enum json_count)word;
	if (lines)
		parse_bad(m, n);
	return plan_node_failed(n) ? -EINVAL : 0;
}

bool step_json_has_secrets(const struct json_step *m)
{
	return m->store_n;
}

static void expects_release(struct json_expects *x)
{
	for (size_t i = 0; i < x->n; i++) {
		struct json_expect *e = &x->v[i];

		free(e->path);
		strvec_release(&e->parts);
		json_path_free(e->select);
		if (e->has_regex)
			regfree(&e->regex);
		free(e->pattern);
		json_literal_release(&e->min);
		json_literal_release(&e->max);
		free(e->in_file);
		json_path_free(e->in_select);
	}
	free(x->v);
}

void step_json_release(struct step *s)
{
	struct json_step *m = s->priv;

	if (!m)
		return;
	strvec_release(&m->paths);
	free(m->output);
	free(m->split);
	strvec_release(&m->join);
	free(m->select_text);
	json_path_free(m->select);
	for (size_t i = 0; i < m->op_n; i++)
		json_op_release(&m->ops[i]);
	free(m->ops);
	json_jq_free(m->filter);
	expects_release(&m->before);
	expects_release(&m->after);
	free(m->count);
	for (size_t i = 0; i < m->store_n; i++)
		store_release(&m->stores[i]);
	free(m->stores);
	free(m);
	s->priv = NULL;
}
