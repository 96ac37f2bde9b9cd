/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "base/ours.h"
#include "base/path.h"

static void matches(void **state)
{
	static const struct {
		const char *pattern, *path;
	} yes[] = {
		{ "a", "a" }, { "a/b", "a/b" }, { "*", "a" }, { "*", ".a" },
		{ "*.json", ".json" }, { "a*b*c", "axxbyyc" }, { "a**b", "axb" },
		{ "?", "x" }, { "a?c", "abc" }, { "[abc]", "b" },
		{ "[a-c]x", "bx" }, { "[!a]", "b" }, { "[^a]", "b" },
		{ "[]]", "]" }, { "[!]]", "a" }, { "[a-]", "-" },
		{ "[a", "[a" }, { "a[", "a[" }, { "\\*", "*" }, { "\\[a]", "[a]" },
		{ "[\\]]", "]" }, { "[[]", "[" }, { "a/*/c", "a/b/c" },
		{ "**", "a" }, { "**", "a/b/c" }, { "**/c", "c" },
		{ "**/c", "a/b/c" }, { "a/**", "a/b" }, { "a/**", "a/b/c" },
		{ "a/**/c", "a/c" }, { "a/**/c", "a/b/b/c" },
		{ "**/a/**/b", "x/a/y/a/z/b" }, { "**/*.json", "x.json" },
		{ "**/*.json", "a/b/x.json" }, { "**/**", "a" },
		{ "/a/*", "/a/b" }, { "/**/b", "/a/b" }, { ".", "." },
		{ "\xc3*", "\xc3\xa4" }, { "[\xc0-\xff]", "\xe4" },
		{ "a\\b", "ab" }, { "*a", "aaaa" }, { "*ab", "aab" },
	};
	static const struct {
		const char *pattern, *path;
	} no[] = {
		{ "a", "b" }, { "a", "A" }, { "a", "a/b" }, { "a/b", "a" },
		{ "*", "a/b" }, { "a*c", "a/c" }, { "a?c", "a/c" },
		{ "a[/]c", "a/c" }, { "a[!b]c", "a/c" }, { "?", "ab" },
		{ "[!a]", "a" }, { "[abc]", "d" }, { "a/**", "a" },
		{ "a/**/c", "a/b" }, { "a/**/c", "ac" }, { "**/c", "xc" },
		{ "**/a/b", "a/x/b" }, { "a/*", "/a/b" }, { "/a", "a" },
		{ "\\*", "a" }, { "", "a" }, { "a", "" },
		/* the root is matched by its own name alone */
		{ "*", "." }, { "?", "." }, { "**", "." }, { "[.]", "." },
		{ ".*", "." }, { "*.json", "json" }, { "a*b", "ac" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!glob_match(yes[i].pattern, yes[i].path))
			fail_msg("'%s' must match '%s'", yes[i].pattern,
				 yes[i].path);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (glob_match(no[i].pattern, no[i].path))
			fail_msg("'%s' must not match '%s'", no[i].pattern,
				 no[i].path);
}

static void trees(void **state)
{
	struct strvec list = STRVEC_INIT;

	(void)state;
	assert_true(glob_match_tree("a", "a/b/c"));
	assert_true(glob_match_tree("a/*", "a/b/c"));
	assert_true(glob_match_tree("**/cache", "x/cache/y"));
	assert_true(glob_match_tree("/a", "/a/b"));
	assert_true(glob_match_tree(".", "a/b"));
	assert_true(glob_match_tree(".", "."));
	assert_false(glob_match_tree("a/b", "a"));
	assert_false(glob_match_tree("b", "a/b"));
	assert_false(glob_match_tree("*", "."));
	assert_false(glob_match_any(NULL, "a"));
	assert_false(glob_match_any(&list, "a"));
	strvec_push(&list, "x");
	strvec_push(&list, "a*");
	assert_true(glob_match_any(&list, "ab"));
	assert_false(glob_match_any(&list, "ba"));
	strvec_release(&list);
}

/* Work must grow with pattern times path, never with their powers. */
static void hostile_patterns_end(void **state)
{
	struct strbuf p = STRBUF_INIT, s = STRBUF_INIT;

	(void)state;
	for (int i = 0; i < 60; i++)
		strbuf_addstr(&p, "*a");
	strbuf_addstr(&p, "b");
	for (int i = 0; i < 5000; i++)
		strbuf_addch(&s, 'a');
	assert_false(glob_match(p.buf, s.buf));
	strbuf_clear(&p);
	strbuf_clear(&s);
	for (int i = 0; i < 60; i++)
		strbuf_addstr(&p, "**/a/");
	strbuf_addstr(&p, "b");
	for (int i = 0; i < 2000; i++)
		strbuf_addstr(&s, i ? "/a" : "a");
	assert_false(glob_match(p.buf, s.buf));
	strbuf_release(&p);
	strbuf_release(&s);
}

static void make_tree(int fd)
{
	put_dir(fd, "a");
	put_dir(fd, "a/b");
	put_dir(fd, "a/.hid");
	put_dir(fd, "s");
	put_dir(fd, "s/a");
	put_file(fd, "a/b/x.json", "1");
	put_file(fd, "a/b/y.txt", "1");
	put_file(fd, "a/.hid/z.json", "1");
	put_file(fd, "a/b.json", "1");
	put_file(fd, "s/a/k.json", "1");
	put_file(fd, "a-1.json", "1");
	put_file(fd, "st*r", "1");
	assert_int_equal(symlinkat("a", fd, "l"), 0);
	assert_int_equal(symlinkat("nowhere", fd, "dead.json"), 0);
}

static void want(struct scratch *s, const char *pattern, const char *place,
		 const char *text)
{
	struct ours ours = OURS_INIT;
	_cleanup_strvec_ struct strvec out = STRVEC_INIT;
	_cleanup_free_ char *got = NULL;

	if (place)
		ours_add(&ours, place);
	assert_int_equal(glob_expand(s->fd, pattern, &ours, &out, &s->err), 0);
	ours_release(&ours);
	got = joined(&out);
	assert_string_equal(got, text);
}

static void expands(void **state)
{
	struct scratch *s = *state;

	make_tree(s->fd);
	want(s, "**/*.json", "s", "a/.hid/z.json a/b/x.json a/b.json "
	     "a-1.json dead.json");
	want(s, "**/*.json", NULL, "a/.hid/z.json a/b/x.json a/b.json "
	     "a-1.json dead.json s/a/k.json");
	want(s, "*", "s", "a a-1.json dead.json l st*r");
	want(s, "a/*", NULL, "a/.hid a/b a/b.json");
	want(s, "a/**", NULL, "a/.hid a/.hid/z.json a/b a/b/x.json "
	     "a/b/y.txt a/b.json");
	want(s, "a/*/*.json", NULL, "a/.hid/z.json a/b/x.json");
	want(s, "a/b", NULL, "a/b");
	want(s, "l", NULL, "l");
	want(s, "dead.json", NULL, "dead.json");
	want(s, "st\\*r", NULL, "st*r");
	want(s, "none", NULL, "");
	want(s, "none/*", NULL, "");
	want(s, "a/b.json/*", NULL, "");
	want(s, "s/*", "s", "");
	want(s, "s", "s", "");
	want(s, ".", NULL, ".");
	/* passed over where the pattern leaves the way open */
	want(s, "*/b", NULL, "a/b");
}

/* What the plan names must not vanish from the backup set without a word. */
static void symlinks_in_the_fixed_part_are_errors(void **state)
{
	struct scratch *s = *state;
	_cleanup_strvec_ struct strvec out = STRVEC_INIT;

	make_tree(s->fd);
	assert_int_equal(glob_expand(s->fd, "l/b/*.json", NULL, &out, &s->err),
			 -ELOOP);
	assert_non_null(strstr(s->err.msg, "l"));
	error_release(&s->err);
	assert_int_equal(glob_expand(s->fd, "l/*", NULL, &out, &s->err),
			 -ELOOP);
	error_release(&s->err);
	assert_int_equal(glob_expand(s->fd, "l/b", NULL, &out, &s->err),
			 -ELOOP);
	assert_int_equal(out.n, 0);
}

/* Directories that no match can be below are not read. */
static void reads_only_where_matches_can_be(void **state)
{
	struct scratch *s = *state;

	if (geteuid() == 0)
		skip();
	make_tree(s->fd);
	assert_int_equal(fchmodat(s->fd, "s/a", 0, 0), 0);
	want(s, "*/b.json", NULL, "a/b.json");
	want(s, "a*", NULL, "a a-1.json");
}

static void outside(void **state)
{
	struct scratch *s = *state;
	_cleanup_free_ char *pattern = xasprintf("%s/a/b/*.json", s->dir);
	_cleanup_free_ char *text = xasprintf("%s/a/b/x.json", s->dir);

	make_tree(s->fd);
	want(s, pattern, NULL, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),
		cmocka_unit_test(trees),
		cmocka_unit_test(hostile_patterns_end),
		with_scratch(expands),
		with_scratch(symlinks_in_the_fixed_part_are_errors),
		with_scratch(reads_only_where_matches_can_be),
		with_scratch(outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
