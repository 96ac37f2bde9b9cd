/* SPDX-License-Identifier: MIT */
#ifndef PLAN_FAKE_H
#define PLAN_FAKE_H
/*
 * plan-fake - kinds for tests of plans, and plans from strings
 *
 * The fakes read keys as the real kinds do and keep what they got, so that a
 * test can look at what a plan was understood to say. load() writes the text
 * to a file in a directory of its own and loads that.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "effects.h"
#include "plan.h"
#include "step.h"

#ifdef __SANITIZE_ADDRESS__
/* libconfig 1.5 forgets the string before a syntax error */
__attribute__((visibility("default")))
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so\n";
}
#endif

struct fake {
	struct strvec paths, argv, env, list, pairs;
	char *path, *string, *raw, *regex;
	const struct plan_file *file;
	struct plan_set set;
	const struct plan_store *store;
	int workers;
	mode_t mode;
	double timeout, ratio;
	uint64_t size;
	int64_t count;
	bool flag;
	size_t parts;
	char *part_name;
};

static inline void fake_release(struct step *s)
{
	struct fake *f = s->priv;

	strvec_release(&f->paths);
	strvec_release(&f->argv);
	strvec_release(&f->env);
	strvec_release(&f->list);
	strvec_release(&f->pairs);
	free(f->path);
	free(f->string);
	free(f->raw);
	free(f->regex);
	free(f->part_name);
	plan_set_release(&f->set);
	free(f);
}

static inline int fake_parse(struct step *s, struct plan_node *n)
{
	struct fake *f = xcalloc(1, sizeof(*f));

	s->priv = f;
	plan_node_paths(n, "paths", false, true, &f->paths);
	plan_node_path(n, "path", false, &f->path);
	plan_node_mode(n, "mode", &f->mode);
	plan_node_string(n, "string", false, &f->string);
	if (plan_node_raw(n, "raw", false, &f->raw))
		plan_node_check_refs(n, "raw", f->raw);
	plan_node_regex(n, "pattern", false, &f->regex);
	plan_node_argv(n, "run", false, &f->argv);
	plan_node_env(n, "env", &f->env);
	plan_node_pairs(n, "keys", &f->pairs);
	plan_node_list(n, "list", false, &f->list);
	plan_node_file(n, "source", false, &f->file);
	plan_node_store(n, "store", false, &f->store);
	plan_node_set(n, "to", false, 0, &f->set);
	if (plan_node_has(n, "query"))
		plan_node_set(n, "query", false, PLAN_SET_QUERY, &f->set);
	plan_node_workers(n, "workers", &f->workers);
	plan_node_duration(n, "timeout", &f->timeout);
	plan_node_double(n, "ratio", false, 0, &f->ratio);
	plan_node_size(n, "size", &f->size);
	plan_node_int(n, "count", false, 1, 10, &f->count);
	plan_node_bool(n, "flag", &f->flag);
	f->parts = plan_node_count(n, "parts");
	for (size_t i = 0; i < f->parts; i++) {
		free(f->part_name);
		f->part_name = NULL;
		plan_node_string(plan_node_child(n, "parts", i), "name", true,
				 &f->part_name);
	}
	return plan_node_failed(n) ? -EINVAL : 0;
}

static inline int fake_strict_parse(struct step *s, struct plan_node *n)
{
	struct fake *f = xcalloc(1, sizeof(*f));

	s->priv = f;
	plan_node_paths(n, "paths", true, false, &f->paths);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static inline int fake_effects(const struct step *s, struct step_ctx *ctx,
			       struct effects *out, struct error *err)
{
	const struct fake *f = s->priv;

	(void)ctx; /* a fake has no world */
	(void)err;
	for (size_t i = 0; i < f->paths.n; i++)
		effects_add(out, EFFECT_CHANGE, EFFECT_PATTERN, f->paths.v[i]);
	if (f->path)
		effects_add(out, EFFECT_CREATE, 0, f->path);
	if (f->set.store)
		effects_add_set(out, EFFECT_CHANGE, f->set.store->name,
				f->set.set);
	if (f->store)
		effects_add_set(out, EFFECT_READ, f->store->name, "");
	return 0;
}

static const struct step_ops fake_write = {
	.name = "write", .parse = fake_parse, .effects = fake_effects,
	.release = fake_release,
};
static const struct step_ops fake_mkdir = {
	.name = "mkdir", .parse = fake_strict_parse, .effects = fake_effects,
	.release = fake_release,
};
static const struct step_ops fake_command = {
	.name = "command", .flags = STEP_IS_CHECK, .parse = fake_parse,
	.release = fake_release,
};
static const struct step_ops fake_space = {
	.name = "space", .flags = STEP_IS_CHECK | STEP_CHECKS_ONLY,
	.parse = fake_parse, .release = fake_release,
};
static const struct step_ops fake_unchanged = {
	.name = "unchanged", .flags = STEP_IS_CHECK | STEP_VERIFY_ONLY,
	.parse = fake_parse, .release = fake_release,
};

static const struct step_ops *const fakes[] = {
	&fake_write, &fake_mkdir, &fake_command, &fake_space, &fake_unchanged,
	NULL
};

/* --- plans from strings --- */

struct loaded {
	char dir[64];
	struct plan *plan;
	struct plan_scope scope;
	struct plan_problems problems;
	struct error err;
	int r;
};

static inline void put_file(const char *dir, const char *name, const void *p,
			    size_t n)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static inline void load_begin(struct loaded *l)
{
	memset(l, 0, sizeof(*l));
	strcpy(l->dir, "/tmp/upshift-plan-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
}

static inline void load_bytes(struct loaded *l, const void *p, size_t n)
{
	_cleanup_free_ char *path = xasprintf("%s/x.plan", l->dir);

	put_file(l->dir, "x.plan", p, n);
	l->r = plan_load(path, fakes, &l->scope, &l->plan, &l->problems,
			 &l->err);
	/* a plan, or problems, or an error; never both */
	assert_true((l->r == 0) == (l->plan != NULL));
	assert_true((l->r == 0) == !error_is_set(&l->err));
	if (!l->r)
		assert_int_equal(l->problems.n, 0);
	for (size_t i = 1; i < l->problems.n; i++)
		assert_true(l->problems.v[i - 1].line <= l->problems.v[i].line);
}

/* What went before is let go, the directory and the scope stay. */
static inline void load_reset(struct loaded *l)
{
	plan_free(l->plan);
	l->plan = NULL;
	plan_problems_release(&l->problems);
	error_release(&l->err);
	l->err = (struct error)ERROR_INIT;
	json_object_put(l->scope.env_used);
	l->scope.env_used = NULL;
}

static inline void load_end(struct loaded *l)
{
	_cleanup_free_ char *cmd = xasprintf("rm -rf '%s'", l->dir);

	load_reset(l);
	json_object_put(l->scope.vars);
	json_object_put(l->scope.answers);
	json_object_put(l->scope.env);
	assert_int_equal(system(cmd), 0);
}

static inline void load(struct loaded *l, const char *text)
{
	load_begin(l);
	load_bytes(l, text, strlen(text));
}

/* A plan of one step with these keys, in line 2. */
#define HEAD "plan = 1; name = \"x\"; to = \"2\";\n"
#define STEP(keys) HEAD "steps = ({ id = \"a\"; kind = \"write\"; " keys " });\n"

static inline void load_again(struct loaded *l, const char *text)
{
	load_reset(l);
	load_bytes(l, text, strlen(text));
}

static inline bool has_problem(const struct loaded *l, int line,
			       const char *part)
{
	for (size_t i = 0; i < l->problems.n; i++)
		if (l->problems.v[i].line == line &&
		    strstr(l->problems.v[i].message, part))
			return true;
	return false;
}

static inline void show_problems(const struct loaded *l)
{
	for (size_t i = 0; i < l->problems.n; i++)
		print_message("%d: %s\n", l->problems.v[i].line,
			      l->problems.v[i].message);
	if (l->err.msg)
		print_message("err: %s\n", l->err.msg);
}

/* One problem alone, in line, with part in its message. */
#define assert_problem(l, ln, part)                                     \
	do {                                                            \
		if ((l)->problems.n != 1 || !has_problem((l), (ln), (part))) { \
			show_problems(l);                               \
			fail_msg("not one problem in line %d: %s",      \
				 (ln), (part));                         \
		}                                                       \
		assert_int_equal((l)->r, -EINVAL);                      \
	} while (0)

/* The text has one problem alone. */
static inline void one(const char *text, int line, const char *part)
{
	struct loaded l;

	load(&l, text);
	if (l.problems.n != 1 || !has_problem(&l, line, part)) {
		show_problems(&l);
		fail_msg("not one problem in line %d, '%s': %s", line, part,
			 text);
	}
	load_end(&l);
}

#define assert_loads(l)                                                 \
	do {                                                            \
		if ((l)->r) {                                           \
			show_problems(l);                               \
			fail_msg("the plan was refused");               \
		}                                                       \
	} while (0)

static inline const struct fake *fake_of(const struct loaded *l, size_t i)
{
	assert_true(i < l->plan->step_n);
	return l->plan->steps[i]->priv;
}

#endif
