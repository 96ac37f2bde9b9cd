/* SPDX-License-Identifier: MIT */
/*
 * Secrets: what is taken out, what stays, in which store, and where a secret
 * must never stand.
 */
#include "json-step.h"

static void secrets(void **state)
{
	struct step_ctx *c = world(SECRET(FILE_STORE), "a.json",
		"{\"p\": [{\"id\": 1, \"key\": \"s\\u0065cret-canary\"},\n"
		" {\"id\": \"b\", \"key\": \"\"}, {\"id\": 3, \"key\": null},"
		" {\"id\": 4}]}");
	char *before = fake_tree(c), *after, *p = fake_preview(c);
	struct stat st;

	(void)state;
	/* in neither spelling */
	assert_null(strstr(p, "canary"));
	assert_non_null(strstr(p, "\"***\""));
	free(p);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.json", "{\"p\": [{\"id\": 1, \"key\": "
	      "\"secret:p/1/key\"},\n {\"id\": \"b\", \"key\": \"\"}, "
	      "{\"id\": 3, \"key\": null}, {\"id\": 4}]}");
	holds(c, "secrets/keys.json",
	      "{\"p/1/key\": \"secret-canary\"}\n");
	assert_int_equal(fstatat(c->root_fd, "secrets/keys.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fstatat(c->root_fd, "secrets", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	for (size_t i = 0; i < c->log.n; i++)
		assert_null(strstr(c->log.v[i], "canary"));
	assert_null(strstr(json_object_to_json_string(c->facts), "canary"));
	assert_int_equal(fake_put_back(c), 0);
	after = fake_tree(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	fake_free(c, true);
}

static void what_is_left(void **state)
{
	static const struct edit_case cases[] = {
		{ SECRET("leave = \"null\"; " FILE_STORE),
		  "{\"p\": [{\"id\": 1, \"key\": [1]}]}",
		  "{\"p\": [{\"id\": 1, \"key\": null}]}", NULL },
		{ SECRET("leave = \"nothing\"; " FILE_STORE),
		  "{\"p\": [{\"id\": 1, \"key\": \"x\"}]}",
		  "{\"p\": [{\"id\": 1}]}", NULL },
		{ SECRET("leave = \"{{{name}}} of {id}\"; " FILE_STORE),
		  "{\"p\": [{\"id\": 1, \"key\": \"x\"}]}",
		  "{\"p\": [{\"id\": 1, \"key\": \"{p/1/key} of 1\"}]}",
		  NULL },
		/* taken out before */
		{ SECRET(FILE_STORE),
		  "{\"p\": [{\"id\": 1, \"key\": \"secret:p/1/key\"}]}",
		  "{\"p\": [{\"id\": 1, \"key\": \"secret:p/1/key\"}]}",
		  NULL },
		{ SECRET(FILE_STORE), "{\"p\": [{\"key\": \"x\"}]}", NULL,
		  "there is no 'id'" },
		{ SECRET(FILE_STORE),
		  "{\"p\": [{\"id\": \"../x\", \"key\": \"x\"}]}", NULL,
		  "holds a slash" },
		{ SECRET(FILE_STORE),
		  "{\"p\": [{\"id\": \"..\", \"key\": \"x\"}]}", NULL,
		  "'.' or '..'" },
		{ SECRET(FILE_STORE),
		  "{\"p\": [{\"id\": \"-x\", \"key\": \"x\"}]}", NULL,
		  "begin with '-'" },
		{ SECRET(FILE_STORE), "{\"p\": [{\"id\": 1, \"key\": \"x\"}, "
		  "{\"id\": 1, \"key\": \"y\"}]}", NULL,
		  "two different values would have the name 'p/1/key'" },
	};

	(void)state;
	edits(cases, ARRAY_SIZE(cases), "a.json");
}

static void stores_that_are_there(void **state)
{
	static const char doc[] = "{\"p\": [{\"id\": 1, \"key\": \"new\"}]}";
	static const struct { const char *sh, *why; } cases[] = {
		{ "mkdir -m 700 secrets; umask 077; echo '{ \"p/1/key\": "
		  "\"old\" }' >secrets/keys.json", "another value" },
		{ "mkdir -m 755 secrets", "closed to others" },
		{ "mkdir -m 700 secrets; echo '{}' >secrets/keys.json; "
		  "chmod 644 secrets/keys.json", "closed to others" },
		{ "mkdir -m 700 secrets; umask 077; echo '[]' "
		  ">secrets/keys.json", "no store" },
		{ "mkdir -m 700 secrets; umask 077; echo '{ \"x\" : 1.0 }' "
		  ">secrets/keys.json", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct step_ctx *c = world(SECRET(FILE_STORE), "a.json", doc);

		fake_sh(c, cases[i].sh);
		if (cases[i].why) {
			assert_true(fake_apply(c) < 0);
			assert_non_null(strstr(c->err.msg, cases[i].why));
			assert_null(strstr(c->err.msg, "new"));
			holds(c, "a.json", doc);
		} else {
			assert_int_equal(fake_apply(c), 0);
			holds(c, "secrets/keys.json", "{ \"x\" : 1.0, "
			      "\"p/1/key\" : \"new\" }\n");
		}
		fake_free(c, true);
	}
}

/* a store of files, one a name, outside of what the step declares */
#define COMMAND_STORE "store = { " \
	"put = [\"sh\", \"-c\", \"cat >../k-$(echo \\\"$1\\\" | tr / _)\", " \
	"\"put\", \"{name}\"]; " \
	"get = [\"sh\", \"-c\", \"cat ../k-$(echo \\\"$1\\\" | tr / _)\", " \
	"\"get\", \"{name}\"]; " \
	"remove = [\"sh\", \"-c\", \"rm ../k-$(echo \\\"$1\\\" | tr / _)\", " \
	"\"rm\", \"{name}\"]; };"

static void commands(void **state)
{
	static const char doc[] = "{\"p\": [{\"id\": 1, \"key\": "
		"\"canary\\nof two lines\\n\"}, {\"id\": 2, \"key\": "
		"\"was there\"}]}";
	struct step_ctx *c = world(SECRET(COMMAND_STORE), "a.json", doc);
	struct error err = ERROR_INIT;

	(void)state;
	fake_sh(c, "printf 'was there' >../k-p_2_key");
	assert_int_equal(fake_apply(c), 0);
	fake_sh(c, "printf 'canary\\nof two lines\\n' | cmp - ../k-p_1_key");
	for (size_t i = 0; i < c->log.n; i++)
		assert_null(strstr(c->log.v[i], "canary"));
	assert_null(strstr(json_object_to_json_string(c->facts), "canary"));
	/* what was there before stays; twice is fine */
	for (int i = 0; i < 2; i++)
		assert_int_equal(c->step->ops->undo(c->step, c, &err), 0);
	fake_sh(c, "test ! -e ../k-p_1_key && test -e ../k-p_2_key");
	/* and back to where it was: the old document has them again */
	put(c, "a.json", doc);
	for (int i = 0; i < 2; i++)
		assert_int_equal(c->step->ops->redo(c->step, c, &err), 0);
	fake_sh(c, "printf 'canary\\nof two lines\\n' | cmp - ../k-p_1_key");
	fake_free(c, true);

	c = world(SECRET(COMMAND_STORE), "a.json", doc);
	fake_sh(c, "echo other >../k-p_2_key");
	assert_true(fake_apply(c) < 0);
	assert_non_null(strstr(c->err.msg, "another value"));
	/* nothing was put, and nothing changed */
	fake_sh(c, "test ! -e ../k-p_1_key");
	holds(c, "a.json", doc);
	fake_free(c, true);
}

/* n records, each with a key of its own, twenty a line */
static char *many(size_t n)
{
	struct strbuf s = STRBUF_INIT;

	strbuf_addstr(&s, "{\"p\": [");
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&s, "%s{\"id\":%zu,\"key\":\"canary-%zu\"}",
			    !i ? "" : i % 20 ? "," : ",\n", i, i);
	strbuf_addstr(&s, "]}");
	return strbuf_detach(&s);
}

/*
 * So many that a look at all of them for each one would take minutes; put in,
 * found there by a second attempt, and hidden from a preview.
 */
static void very_many(void **state)
{
	const size_t n = 200000, few = 20000;
	_cleanup_strbuf_ struct strbuf store = STRBUF_INIT;
	char *doc = many(n), *text;
	struct step_ctx *c = world(SECRET(FILE_STORE), "a.json", doc);

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	for (int i = 0; i < 2; i++) {
		strbuf_clear(&store);
		assert_int_equal(fs_read_file(c->root_fd, "secrets/keys.json",
					      16 << 20, &store), 0);
		assert_true(str_starts(store.buf, "{\"p/0/key\": "
				       "\"canary-0\""));
		assert_true(str_ends(store.buf, "\"p/199999/key\": "
				     "\"canary-199999\"}\n"));
		/* each once */
		for (size_t k = 0, at = 0; k < n; k++) {
			_cleanup_free_ char *name = xasprintf(
					"\"p/%zu/key\": \"canary-%zu\"", k, k);
			const char *p = strstr(store.buf + at, name);

			assert_non_null(p);
			at = (size_t)(p - store.buf);
		}
		put(c, "a.json", doc);
		assert_int_equal(fake_apply(c), 0);
	}
	free(doc);
	fake_free(c, true);

	doc = many(few);
	c = world(SECRET(FILE_STORE), "a.json", doc);
	text = fake_preview(c);
	assert_non_null(strstr(text, "\"***\""));
	assert_null(strstr(text, "canary"));
	free(text);
	free(doc);
	fake_free(c, true);
}

/* one that begins or ends in another, or is no string */
static void hidden(void **state)
{
	static const char doc[] = "{\"p\": [\n"
		"{\"id\": 1, \"key\": \"canary\"},\n"
		"{\"id\": 2, \"key\": \"a canary sings\"},\n"
		"{\"id\": 3, \"key\": \"singsong\"},\n"
		"{\"id\": 4, \"key\": 471147114711},\n"
		"{\"id\": 5, \"key\": \"k\", \"x\": 74711471147112}\n"
		"], \"note\": \"a canary singsong, \\u0063anary\"}\n";
	struct step_ctx *c = world(SECRET(FILE_STORE), "a.json", doc);
	char *p = fake_preview(c);

	(void)state;
	assert_null(strstr(p, "canary"));
	assert_null(strstr(p, "anary"));
	assert_null(strstr(p, "sings"));
	assert_null(strstr(p, "song"));
	assert_null(strstr(p, "4711"));
	assert_non_null(strstr(p, "***"));
	free(p);
	fake_free(c, true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hidden),
		cmocka_unit_test(very_many),
		cmocka_unit_test(secrets),
		cmocka_unit_test(what_is_left),
		cmocka_unit_test(stores_that_are_there),
		cmocka_unit_test(commands),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
