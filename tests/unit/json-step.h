/* SPDX-License-Identifier: MIT */
#ifndef JSON_STEP_H
#define JSON_STEP_H
/*
 * json-step - a step of kind json or jsonl on a file in a scratch directory
 *
 * For the tests of these kinds. world() writes the file and loads the step;
 * edits() takes a table through check, apply, probe, verify and back, or holds
 * it to the reason for which it must be refused.
 */
#include "scratch.h"

#include <sys/stat.h>

#include "base/fsutil.h"
#include "base/json.h"
#include "fake-ctx.h"

#define STEP(keys) "steps = ( { id = \"s\"; kind = \"json\"; " \
	"path = \"a.json\"; " keys " } );"
#define LINES(keys) "steps = ( { id = \"s\"; kind = \"jsonl\"; " \
	"path = \"a.jsonl\"; " keys " } );"
#define E(keys) STEP("edit = ( { " keys " } );")
#define SECRET(more) STEP("select = \"$.p[*]\"; edit = ( { op = \"secret\"; " \
	"path = \"/key\"; name = \"p/{id}/key\"; where = \"@.key\"; " more \
	" } );")
#define FILE_STORE "store = { file = \"secrets/keys.json\"; };"

static _unused_ void put(struct step_ctx *c, const char *name,
			  const char *text)
{
	assert_int_equal(fs_write_file(c->root_fd, name, text, strlen(text),
				       0644), 0);
}

static _unused_ char *get(struct step_ctx *c, const char *name)
{
	struct strbuf s = STRBUF_INIT;

	assert_int_equal(fs_read_file(c->root_fd, name, 1 << 20, &s), 0);
	return strbuf_detach(&s);
}

static _unused_ void holds(struct step_ctx *c, const char *name,
			    const char *want)
{
	char *text = get(c, name);

	assert_string_equal(text, want);
	free(text);
}

static _unused_ struct step_ctx *world(const char *steps, const char *file,
				       const char *text)
{
	struct step_ctx *c = fake_new();

	if (!c)
		fail_msg("no world");
	put(c, file, text);
	if (fake_load(c, steps) < 0)
		fail_msg("%s: %s", steps, fake_problem(c));
	return c;
}

struct edit_case {
	const char *steps, *text, *want;        /* want NULL: refused */
	const char *why;                        /* part of the message */
};

static _unused_ void one_edit(const struct edit_case *e, const char *file)
{
	struct step_ctx *c = world(e->steps, file, e->text);
	char *before = fake_tree(c), *after;

	if (e->want) {
		if (fake_check(c) == CHECK_FAIL || fake_apply(c) < 0)
			fail_msg("%s: %s", e->steps, c->err.msg ? c->err.msg :
				 c->log.v[c->log.n - 1]);
		holds(c, file, e->want);
		assert_int_equal(fake_probe(c), PROBE_FULLY);
		if (fake_verify(c) < 0)
			fail_msg("%s: %s", e->steps, c->err.msg);
		assert_int_equal(fake_put_back(c), 0);
		assert_int_equal(fake_probe(c), !strcmp(e->text, e->want) ?
				 PROBE_FULLY : PROBE_NOT);
	} else {
		/* the check says so, and nothing is changed */
		assert_int_equal(fake_check(c), CHECK_FAIL);
		if (!strstr(c->log.v[c->log.n - 1], e->why))
			fail_msg("%s: %s, not %s", e->steps,
				 c->log.v[c->log.n - 1], e->why);
		assert_true(fake_apply(c) < 0);
		if (!strstr(c->err.msg, e->why))
			fail_msg("%s: %s, not %s", e->steps, c->err.msg,
				 e->why);
	}
	after = fake_tree(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	fake_free(c, true);
}

static _unused_ void edits(const struct edit_case *v, size_t n,
			   const char *file)
{
	for (size_t i = 0; i < n; i++)
		one_edit(&v[i], file);
}

#endif
