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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets),
		cmocka_unit_test(what_is_left),
		cmocka_unit_test(stores_that_are_there),
		cmocka_unit_test(commands),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
