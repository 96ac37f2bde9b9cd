/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <sys/xattr.h>

#include "fake-ctx.h"

#define STEPS(keys) "steps = ( { id = \"s\"; kind = \"write\"; " keys " } );"
#define PLAN(top, keys) top " " STEPS(keys)

static void expect(struct step_ctx *c, const char *path, const char *want,
		   mode_t mode)
{
	char buf[512];
	struct stat st;
	int fd = openat(c->root_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	n = read(fd, buf, sizeof(buf) - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd);
	assert_string_equal(buf, want);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void beside(struct step_ctx *c, const char *name, const char *text)
{
	int dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	put_file(dir, name, text);
	close(dir);
}

static void new_file(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"a/b\"; "
					      "text = \"one\\ntwo\\n\";"),
					"true");
	char *p = fake_preview(c);

	(void)state;
	assert_string_equal(p, "write 'a/b', mode 0644\n--- /dev/null\n"
			    "+++ a/b\n@@ -0,0 +1,2 @@\n+one\n+two\n");
	free(p);
	assert_false(there(c->root_fd, "a"));
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	assert_int_equal(fake_apply(c), 0);
	expect(c, "a/b", "one\ntwo\n", 0644);
	assert_int_equal(fake_verify(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	assert_false(there(c->root_fd, "a"));
	fake_free(c, true);
}

static void there_and_differs(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"f\"; text = \"new\";"),
					"printf old >f");

	(void)state;
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	assert_int_equal(c->err.code, ERR_STEP_EXISTS);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	expect(c, "f", "old", 0644);
	fake_free(c, true);
}

static void there_and_equal(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"f\"; text = \"new\";"),
					"printf new >f && chmod 0600 f");

	(void)state;
	/* the plan does not say which mode: equal bytes are enough */
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_check(c), CHECK_OK);
	fake_free(c, true);
	c = fake_world(STEPS("path = \"f\"; text = \"new\"; mode = \"0644\";"),
		       "printf new >f && chmod 0600 f");
	assert_int_equal(fake_probe(c), PROBE_NOT);
	assert_int_equal(fake_check(c), CHECK_FAIL);
	fake_free(c, true);
}

static void replaces(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"f\"; text = \"new\\n\"; "
					      "replace = true; mode = \"0640\";"),
					"printf 'old\\n' >f && ln f g");
	char *p = fake_preview(c), value[8];
	bool attrs;

	(void)state;
	assert_non_null(strstr(p, "replace 'f', mode 0640\n"));
	assert_non_null(strstr(p, "'f' has 2 names; this one gets a file of "
			       "its own\n"));
	assert_non_null(strstr(p, "-old\n+new\n"));
	free(p);
	attrs = fsetxattr(openat(c->root_fd, "f", O_RDONLY | O_CLOEXEC),
			  "user.note", "mine", 4, 0) == 0;
	assert_int_equal(fake_apply(c), 0);
	expect(c, "f", "new\n", 0640);
	expect(c, "g", "old\n", 0644);
	if (attrs)
		assert_int_equal(fgetxattr(openat(c->root_fd, "f", O_RDONLY |
				O_CLOEXEC), "user.note", value,
				sizeof(value)), 4);
	assert_int_equal(fake_put_back(c), 0);
	expect(c, "f", "old\n", 0644);
	fake_free(c, true);
}

static void keeps_the_owner(void **state)
{
	struct step_ctx *c;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	c = fake_world(STEPS("path = \"d/f\"; text = \"new\"; "
			     "replace = true;"),
		       "mkdir d && touch d/f && chown 1234:1235 d/f");
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(fstatat(c->root_fd, "d/f", &st, 0), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 1235);
	fake_free(c, true);
	/* what is made in a directory of somebody else's is theirs */
	c = fake_world(STEPS("path = \"d/f\"; text = \"new\";"),
		       "mkdir d && chown 1234:1235 d");
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(fstatat(c->root_fd, "d/f", &st, 0), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 1235);
	fake_free(c, true);
}

static void sources(void **state)
{
	struct step_ctx *c = fake_new();

	(void)state;
	beside(c, "file.txt", "${days} as it is\n");
	assert_int_equal(fake_load(c, PLAN("vars: { days = 30; };",
		"path = \"f\"; source = \"file.txt\";")), 0);
	assert_int_equal(fake_apply(c), 0);
	expect(c, "f", "${days} as it is\n", 0644);
	assert_int_equal(fake_load(c, PLAN("vars: { days = 30; };",
		"path = \"g\"; template = \"file.txt\";")), 0);
	assert_int_equal(fake_apply(c), 0);
	expect(c, "g", "30 as it is\n", 0644);
	fake_free(c, true);
}

static void json_values_are_escaped(void **state)
{
	struct step_ctx *c = fake_new();

	(void)state;
	beside(c, "t", "{\"a\": \"${x}\", \"at\": \"${step.started}\"}\n");
	assert_int_equal(fake_load(c, PLAN("vars: { x = \"q\\\"\\n\"; };",
		"path = \"f.json\"; template = \"t\";")), 0);
	assert_int_equal(fake_apply(c), 0);
	expect(c, "f.json", "{\"a\": \"q\\\"\\u000a\", \"at\": \"" FAKE_STARTED
	       "\"}\n", 0644);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	fake_free(c, true);
}

static void json_must_be_valid(void **state)
{
	struct step_ctx *c = fake_new();

	(void)state;
	assert_true(fake_load(c, STEPS("path = \"f.json\"; "
				       "text = \"{,}\";")) < 0);
	assert_non_null(strstr(fake_problem(c), "JSON"));
	/* found when it is filled in */
	assert_int_equal(fake_load(c, PLAN("vars: { x = \"\"; };",
		"path = \"f.json\"; text = \"[${x},]\";")), 0);
	assert_true(fake_apply(c) < 0);
	assert_int_equal(c->err.code, ERR_JSON);
	assert_false(there(c->root_fd, "f.json"));
	fake_free(c, true);
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		STEPS("path = \"f\";"), STEPS("text = \"x\";"),
		STEPS("path = \"f\"; text = \"x\"; source = \"y\";"),
		STEPS("path = \"f\"; source = \"missing\";"),
		STEPS("path = \"f\"; text = \"${nobody}\";"),
		STEPS("path = \"/etc/f\"; text = \"x\";"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct step_ctx *c = fake_new();

		if (fake_load(c, bad[i]) >= 0)
			fail_msg("taken: %s", bad[i]);
		fake_free(c, true);
	}
}

static void not_through_a_symlink(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"l/f\"; text = \"x\"; "
					      "replace = true;"),
					"mkdir ../out && ln -s ../out l");

	(void)state;
	assert_true(fake_apply(c) < 0);
	fake_sh(c, "test ! -e ../out/f");
	fake_free(c, true);
	c = fake_world(STEPS("path = \"f\"; text = \"x\"; replace = true;"),
		       "printf old >../out && ln -s ../out f");
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	fake_sh(c, "test \"$(cat ../out)\" = old");
	fake_free(c, true);
}

static void secret(void **state)
{
	struct step_ctx *c = fake_world(STEPS("path = \"f\"; "
				"text = \"hunter2\"; secret = true;"), "true");
	char *p = fake_preview(c);

	(void)state;
	assert_null(strstr(p, "hunter2"));
	free(p);
	fake_free(c, true);
}

static void killed_anywhere(void **state)
{
	(void)state;
	(void)fake_sweep(STEPS("path = \"a/b/f\"; text = \"new\";"), "true");
	(void)fake_sweep(STEPS("path = \"f\"; text = \"new\"; "
			       "replace = true; mode = \"0600\";"),
			 "printf old >f && touch -d @1000 f && ln f g");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_file),
		cmocka_unit_test(there_and_differs),
		cmocka_unit_test(there_and_equal),
		cmocka_unit_test(replaces),
		cmocka_unit_test(keeps_the_owner),
		cmocka_unit_test(sources),
		cmocka_unit_test(json_values_are_escaped),
		cmocka_unit_test(json_must_be_valid),
		cmocka_unit_test(refuses),
		cmocka_unit_test(not_through_a_symlink),
		cmocka_unit_test(secret),
		cmocka_unit_test(killed_anywhere),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
