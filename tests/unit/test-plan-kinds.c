/* SPDX-License-Identifier: MIT */
/*
 * The kinds as they are, and the manual: upshift-plan(5) names every kind and
 * every key, no other, and its example is a plan.
 */
#include "plan-fake.h"
#include "plan-internal.h"
#include "steps.h"

static char *manual;

static int read_manual(void **state)
{
	const char *src = getenv("top_srcdir");
	_cleanup_free_ char *path = xasprintf("%s/data/man/upshift-plan.5",
					      src ? src : ".");
	FILE *f = fopen(path, "r");

	(void)state; /* none */
	assert_non_null(f);
	manual = xcalloc(1, 256 * 1024);
	assert_true(fread(manual, 1, 256 * 1024 - 1, f) > 0);
	assert_int_equal(fclose(f), 0);
	return 0;
}

static int free_manual(void **state)
{
	(void)state; /* none */
	free(manual);
	return 0;
}

static char *next_line(char **p)
{
	char *line = *p, *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*p = end + 1;
	return xstrndup(line, (size_t)(end - line));
}

/* Is the word in a list like "copy, move"? */
static bool names(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (*list) {
		size_t len = strcspn(list, ", ");

		if (len == n && !strncmp(list, word, n))
			return true;
		list += len;
		list += strspn(list, ", ");
	}
	return false;
}

/* The keys under the heading of a kind; false: there is no heading. */
static bool manual_keys(const char *kind, bool check, struct strvec *ret)
{
	char *p = manual;
	bool found = false, here = false, checks = false;

	for (;;) {
		_cleanup_free_ char *line = next_line(&p);
		char *cm;

		if (!line)
			return found;
		if (str_starts(line, ".Sh "))
			checks = str_starts(line, ".Sh CHECKS");
		/* json is a check and a step */
		if (str_starts(line, ".Ss ") || str_starts(line, ".Sh "))
			here = names(line + 4, kind) && checks == check;
		found |= here;
		if (!here || !str_starts(line, ".It "))
			continue;
		cm = line;
		while ((cm = strstr(cm, "Cm "))) {
			size_t n;

			cm += 3;
			n = strcspn(cm, " ,");
			strvec_take(ret, xstrndup(cm, n));
		}
	}
}

/* What a kind asks for, when it is given nothing. */
static void asked_keys(const struct step_ops *ops, struct strvec *ret)
{
	struct plan plan = { .name = (char *)"x" };
	struct plan_scope scope = { .lint = true };
	struct plan_problems problems = { 0 };
	struct plan_load l = { .plan = &plan, .scope = &scope,
			       .problems = &problems };
	struct plan_value group = { .type = VALUE_GROUP, .line = 1 };
	struct plan_node *n = node_new(&l, NULL, &group);
	struct step *s = xcalloc(1, sizeof(*s));

	s->ops = ops;
	(void)ops->parse(s, n); /* what it asks for counts */
	for (size_t i = 0; i < n->asked_n; i++)
		strvec_push(ret, n->asked[i].name);
	step_free(s);
	node_free(n);
	plan_problems_release(&problems);
}

static void every_key_is_in_the_manual(void **state)
{
	(void)state; /* none */
	for (const struct step_ops *const *k = step_kinds; *k; k++) {
		_cleanup_strvec_ struct strvec told = STRVEC_INIT;
		_cleanup_strvec_ struct strvec asked = STRVEC_INIT;

		if (!manual_keys((*k)->name,
				 ((*k)->flags & (STEP_IS_CHECK |
						  STEP_SIGN_OFF)) ==
				 STEP_IS_CHECK, &told))
			fail_msg("no heading for kind '%s'", (*k)->name);
		asked_keys(*k, &asked);
		for (size_t i = 0; i < asked.n; i++)
			if (!strvec_has(&told, asked.v[i]))
				fail_msg("kind '%s': the manual lacks '%s'",
					 (*k)->name, asked.v[i]);
		for (size_t i = 0; i < told.n; i++)
			if (!strvec_has(&asked, told.v[i]))
				fail_msg("kind '%s': nobody knows '%s'",
					 (*k)->name, told.v[i]);
	}
}

/* The first block of text behind EXAMPLES. */
static char *example(void)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	char *p = strstr(manual, ".Sh EXAMPLES");
	bool in = false;

	assert_non_null(p);
	for (;;) {
		_cleanup_free_ char *line = next_line(&p);

		if (!line || (in && str_starts(line, ".Ed")))
			return strbuf_detach(&out);
		if (str_starts(line, ".Bd")) {
			in = true;
			continue;
		}
		for (const char *s = line; in && *s; s++) {
			strbuf_addch(&out, *s);
			/* \e is a backslash */
			if (*s == '\\' && s[1] == 'e')
				s++;
		}
		if (in)
			strbuf_addch(&out, '\n');
	}
}

static void load_real(struct loaded *l, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/x.plan", l->dir);

	load_reset(l);
	put_file(l->dir, "x.plan", text, strlen(text));
	l->r = plan_load(path, step_kinds, &l->scope, &l->plan, &l->problems,
			 &l->err);
}

static void the_example_is_a_plan(void **state)
{
	_cleanup_free_ char *text = example();
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	l.scope.lint = true;
	load_real(&l, text);
	assert_loads(&l);
	assert_int_equal(l.plan->step_n, 4);
	assert_int_equal(l.plan->check_n, 3);
	assert_int_equal(l.plan->verify_n, 3);
	load_end(&l);
}

static const char all[] =
	"plan = 1; name = \"all\";\n"
	"checks = ( { kind = \"space\"; extra = \"1M\"; },\n"
	"{ kind = \"writable\"; paths = [\"a\"]; },\n"
	"{ kind = \"exists\"; paths = [\"a\"]; },\n"
	"{ kind = \"absent\"; paths = [\"zz\"]; },\n"
	"{ kind = \"process\"; absent = \"demo\"; },\n"
	"{ kind = \"command\"; run = [\"true\"]; },\n"
	"{ kind = \"version\"; path = \"v\"; pattern = \"(.*)\"; min = \"1\"; },\n"
	"{ kind = \"json\"; paths = [\"*.json\"]; },\n"
	"{ kind = \"jsonl\"; paths = [\"*.jsonl\"]; } );\n"
	"steps = (\n"
	"{ id = \"a\"; kind = \"mkdir\"; paths = [\"d\"]; },\n"
	"{ id = \"b\"; kind = \"write\"; path = \"d/w.json\"; text = \"{}\"; },\n"
	"{ id = \"c\"; kind = \"copy\"; from = \"x\"; to = \"y\"; },\n"
	"{ id = \"d\"; kind = \"move\"; from = \"y\"; to = \"z\"; needs = [\"c\"]; },\n"
	"{ id = \"e\"; kind = \"remove\"; paths = [\"z\"]; needs = [\"d\"]; },\n"
	"{ id = \"f\"; kind = \"link\"; path = \"l\"; target = \"d\"; },\n"
	"{ id = \"g\"; kind = \"archive\"; paths = [\"old\"]; to = \"o.tar.zst\"; },\n"
	"{ id = \"h\"; kind = \"run\"; run = [\"true\"]; changes = [\"q\"]; },\n"
	"{ id = \"i\"; kind = \"state\"; path = \"s.json\"; },\n"
	"{ id = \"j\"; kind = \"command\"; run = [\"true\"]; severity = \"warn\"; },\n"
	"{ id = \"k\"; kind = \"space\"; } );\n"
	"verify = ( { kind = \"unchanged\"; paths = [\"a\"]; },\n"
	"{ kind = \"timing\"; run = [\"true\"]; } );\n"
	"verify_rollback = ( { kind = \"unchanged\"; paths = [\"a\"]; } );\n";

static void every_kind(void **state)
{
	struct loaded l;

	(void)state; /* none */
	load_begin(&l);
	load_real(&l, all);
	assert_loads(&l);
	assert_int_equal(l.plan->step_n, 11);
	load_end(&l);
}

static void wrong(const char *step, const char *part)
{
	_cleanup_free_ char *text = xasprintf(
		"plan = 1; name = \"x\";\nsteps = (\n{ id = \"a\"; %s });\n",
		step);
	struct loaded l;

	load_begin(&l);
	load_real(&l, text);
	if (l.problems.n != 1 || !has_problem(&l, 3, part)) {
		show_problems(&l);
		fail_msg("not one problem in line 3, '%s': %s", part, step);
	}
	load_end(&l);
}

static void mistakes(void **state)
{
	(void)state; /* none */
	wrong("kind = \"mkdir\"; paths = [\"a\"]; mode = 0700;",
	    "write the mode as a string: \"0700\"");
	wrong("kind = \"mkdir\"; path = \"a\"; paths = [\"b\"];",
	    "unknown key 'path' (did you mean 'paths'?)");
	wrong("kind = \"write\"; path = \"a\";", "give one of");
	wrong("kind = \"write\"; path = \"a.json\"; text = \"{\";", "no valid JSON");
	wrong("kind = \"write\"; path = \"../a\"; text = \"x\";", "'..'");
	wrong("kind = \"write\"; path = \"a\"; text = \"${nobody}\";",
	    "unknown name");
	wrong("kind = \"copy\"; from = \"/etc/passwd\"; to = \"b\";",
	    "outside the root");
	wrong("kind = \"copy\"; to = \"b\";", "'from' is missing");
	wrong("kind = \"remove\"; paths = [\"/\"];", "outside the root");
	wrong("kind = \"remove\"; paths = [\".\"];", "root itself");
	wrong("kind = \"remove\"; paths = [\".upshift/**\"];",
	    "belongs to upshift");
	wrong("kind = \"run\"; run = \"rm -rf x\";", "list of arguments");
	wrong("kind = \"archive\"; paths = [\"a\"]; to = \"b.zip\";", ".tar.zst");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_in_the_manual),
		cmocka_unit_test(the_example_is_a_plan),
		cmocka_unit_test(every_kind),
		cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, read_manual, free_manual);
}
