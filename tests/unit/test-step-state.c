/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include "fake-ctx.h"

#define STATE(keys) "{ id = \"st\"; kind = \"state\"; " \
	"path = \".migration/state.json\"; " keys " }"
#define STEPS(keys) "steps = ( " STATE(keys) " );"

static char *content(struct step_ctx *c)
{
	struct strbuf sb = STRBUF_INIT;
	char buf[4096];
	int fd = openat(c->root_fd, ".migration/state.json",
			O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf));

	assert_true(n > 0);
	close(fd);
	strbuf_add(&sb, buf, (size_t)n);
	return strbuf_detach(&sb);
}

static void exactly_these_keys(void **state)
{
	struct step_ctx *c = fake_world("steps = ( { id = \"one\"; "
		"kind = \"mkdir\"; paths = [\"x\"]; }, "
		STATE("version = \"2.0.0\"; keys: { version = \"version\"; "
		      "from = \"phase1_version\"; to = \"phase2_version\"; "
		      "started = \"migration_started\"; "
		      "completed = \"migration_completed\"; "
		      "steps = \"steps\"; "
		      "rollback_available = \"rollback_available\"; "
		      "backup_location = \"backup_location\"; }; "
		      "phases = [\"pre_validation\", \"backup\"];")
		", { id = \"two\"; kind = \"mkdir\"; paths = [\"y\"]; } );",
		"true");
	char *text, *p;

	(void)state;
	fake_step(c, 1);
	p = fake_preview(c);
	assert_non_null(strstr(p, "+  \"phase1_version\": \"1\","));
	free(p);
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_probe(c), PROBE_NOT);
	assert_int_equal(fake_apply(c), 0);
	text = content(c);
	assert_string_equal(text, "{\n"
		"  \"version\": \"2.0.0\",\n"
		"  \"phase1_version\": \"1\",\n"
		"  \"phase2_version\": \"2\",\n"
		"  \"migration_started\": \"2026-11-20T11:00:00.000Z\",\n"
		"  \"migration_completed\": \"" FAKE_STARTED "\",\n"
		"  \"steps\": [\n"
		"    {\n      \"name\": \"pre_validation\",\n"
		"      \"status\": \"completed\"\n    },\n"
		"    {\n      \"name\": \"backup\",\n"
		"      \"status\": \"completed\"\n    },\n"
		"    {\n      \"name\": \"one\",\n"
		"      \"status\": \"completed\"\n    },\n"
		"    {\n      \"name\": \"st\",\n"
		"      \"status\": \"completed\"\n    },\n"
		"    {\n      \"name\": \"two\",\n"
		"      \"status\": \"pending\"\n    }\n"
		"  ],\n"
		"  \"rollback_available\": true,\n"
		"  \"backup_location\": \"/backup/TEST\"\n"
		"}\n");
	free(text);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_put_back(c), 0);
	assert_false(there(c->root_fd, ".migration"));
	fake_free(c, true);
}

static void our_own_names(void **state)
{
	struct step_ctx *c = fake_world(STEPS(""), "true");
	char *text;

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	text = content(c);
	assert_non_null(strstr(text, "\"version\": \"1\""));
	assert_non_null(strstr(text, "\"from\": \"1\""));
	assert_non_null(strstr(text, "\"backup_location\": "));
	free(text);
	fake_free(c, true);
}

static void order_and_choice_are_the_plans(void **state)
{
	struct step_ctx *c = fake_world(STEPS("keys: { to = \"b\"; "
					      "from = \"a\"; };"), "true");
	char *text;

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	text = content(c);
	assert_string_equal(text, "{\n  \"b\": \"2\",\n  \"a\": \"1\"\n}\n");
	free(text);
	fake_free(c, true);
}

static void replaces(void **state)
{
	struct step_ctx *c = fake_world(STEPS("keys: { to = \"v\"; };"),
		"mkdir .migration && echo old >.migration/state.json && "
		"chmod 0600 .migration/state.json");
	struct stat st;
	char *text;

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	text = content(c);
	assert_string_equal(text, "{\n  \"v\": \"2\"\n}\n");
	free(text);
	assert_int_equal(fstatat(c->root_fd, ".migration/state.json", &st, 0),
			 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(fake_put_back(c), 0);
	text = content(c);
	assert_string_equal(text, "old\n");
	free(text);
	fake_free(c, true);
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		STEPS("keys: { form = \"a\"; };"),
		STEPS("keys: { from = \"a\"; to = \"a\"; };"),
		STEPS("keys: { from = [\"a\"]; };"),
		"steps = ( { id = \"s\"; kind = \"state\"; } );",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct step_ctx *c = fake_new();

		if (fake_load(c, bad[i]) >= 0)
			fail_msg("taken: %s", bad[i]);
		if (i == 0)
			assert_non_null(strstr(fake_problem(c), "'from'"));
		fake_free(c, true);
	}
}

static void in_the_way(void **state)
{
	struct step_ctx *c = fake_world(STEPS(""),
					"mkdir -p .migration/state.json");

	(void)state;
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_true(fake_apply(c) < 0);
	fake_free(c, true);
}

static void killed_anywhere(void **state)
{
	(void)state;
	(void)fake_sweep(STEPS(""), "true");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_these_keys),
		cmocka_unit_test(our_own_names),
		cmocka_unit_test(order_and_choice_are_the_plans),
		cmocka_unit_test(replaces),
		cmocka_unit_test(refuses),
		cmocka_unit_test(in_the_way),
		cmocka_unit_test(killed_anywhere),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
