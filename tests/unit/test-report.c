/* SPDX-License-Identifier: MIT */
#include "run-fixture.h"

#include "report.h"

#define NASTY "a|b\n\x1b[31m`<b>`_c_\xff"

static void rec(struct run *r, const char *text)
{
	assert_int_equal(run_record(r, obj(text), NULL), 0);
}

/* a run with everything that a report shows, and names that bite */
static struct run *make_run(struct state_dir *sd, const struct test_plan *t)
{
	struct run *r = new_run(sd, t);

	assert_int_equal(run_record_process(r, "run", NULL), 0);
	assert_int_equal(run_record_decision(r, "accept", NASTY, "yes", NULL),
			 0);
	assert_int_equal(run_backup_dir(r, NULL), 0);
	rec(r, "{\"what\":\"run\",\"state\":\"backed-up\",\"backup\":{"
	       "\"archive_digest\":\"blake2b-512:aa\",\"manifest_digest\":"
	       "\"blake2b-512:bb\",\"readback\":\"cache\",\"bytes\":1234567,"
	       "\"stored_bytes\":1000,\"items\":42}}");
	rec(r, "{\"what\":\"step\",\"step\":\"one\",\"state\":\"applying\","
	       "\"attempt\":1}");
	rec(r, "{\"what\":\"fact\",\"step\":\"one\",\"key\":\"result\","
	       "\"value\":{\"count\":\"things\",\"after\":1234567}}");
	rec(r, "{\"what\":\"step\",\"step\":\"one\",\"state\":\"applied\","
	       "\"elapsed_s\":1.25}");
	rec(r, "{\"what\":\"step\",\"step\":\"one\",\"state\":\"verified\"}");
	rec(r, "{\"what\":\"step\",\"step\":\"two\",\"state\":\"skipped\"}");
	assert_int_equal(run_record_warning(r, "one", NASTY), 0);
	rec(r, "{\"what\":\"verify\",\"id\":\"V1\",\"state\":\"fail\","
	       "\"message\":\"x | y\"}");
	rec(r, "{\"what\":\"run\",\"state\":\"failed\",\"code\":\"E-5001\","
	       "\"message\":\"it went | wrong\",\"step\":\"three\","
	       "\"exit\":7}");
	return r;
}

static size_t count_pipes(const char *line, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += line[i] == '|' && (!i || line[i - 1] != '\\');
	return n;
}

/* each row of a table has as many cells as its head */
static void check_tables(const char *text)
{
	const char *p = text, *nl;
	size_t head = 0, n;

	for (; (nl = strchr(p, '\n')); p = nl + 1) {
		if (*p != '|') {
			head = 0;
			continue;
		}
		n = count_pipes(p, (size_t)(nl - p));
		if (!head)
			head = n;
		assert_int_equal(n, head);
	}
}

static void check_printable(const char *text)
{
	assert_true(utf8_valid(text, strlen(text)));
	for (; *text; text++)
		assert_true(*text == '\n' || (unsigned char)*text >= 0x20);
}

static void t_everything(void **state)
{
	static const char *const want[] = {
		"1,234,567 things",
		"# Demo \\| \\`app\\` from 1.0 to 2.0",
		"1 verified", "1 skipped", "1 pending", "1.2 s",
		"blake2b-512:aa", "blake2b-512:bb", "1234567 bytes (1.2 MiB)",
		"| items | 42 |", "    tar --zstd", "start.tar.zst", "CP1",
		"it went \\| wrong", "E-5001", "x \\| y", "the cache",
		"    upshift resume --root", "changed by step 1",
		"| exit status | 7 |",
	};
	struct fixture *f = *state;
	struct strbuf sb = STRBUF_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	size_t i;

	test_plan_init(&t, false);
	t.step[0].title.text = (char *)NASTY;
	open_sd(f, &sd, true);
	r = make_run(&sd, &t);
	report_markdown(r, &t.plan, &sb);
	for (i = 0; i < ARRAY_SIZE(want); i++)
		if (!strstr(sb.buf, want[i]))
			fail_msg("no '%s' in:\n%s", want[i], sb.buf);
	check_tables(sb.buf);
	check_printable(sb.buf);
	/* without the plan, from the journal alone */
	strbuf_clear(&sb);
	report_markdown(r, NULL, &sb);
	check_tables(sb.buf);
	check_printable(sb.buf);
	strbuf_release(&sb);
	run_free(r);
	state_dir_release(&sd);
}

static void t_write(void **state)
{
	struct fixture *f = *state;
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;
	struct stat st;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = make_run(&sd, &t);
	assert_int_equal(report_write(r, &t.plan, NULL), 0);
	report_markdown(r, &t.plan, &a);
	assert_int_equal(fs_read_file(r->fd, "report.md", 1 << 20, &b), 0);
	assert_string_equal(a.buf, b.buf);
	assert_int_equal(fstatat(r->fd, "report.md", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* made again, it takes the place of the old one */
	assert_int_equal(report_write(r, &t.plan, NULL), 0);
	strbuf_release(&a);
	strbuf_release(&b);
	run_free(r);
	state_dir_release(&sd);
}

static void t_before_anything(void **state)
{
	struct fixture *f = *state;
	struct strbuf sb = STRBUF_INIT;
	struct test_plan t;
	struct state_dir sd;
	struct run *r;

	test_plan_init(&t, false);
	open_sd(f, &sd, true);
	r = new_run(&sd, &t);
	report_markdown(r, &t.plan, &sb);
	assert_non_null(strstr(sb.buf, "not changed"));
	assert_null(strstr(sb.buf, "tar --zstd"));
	check_tables(sb.buf);
	strbuf_release(&sb);
	run_free(r);
	state_dir_release(&sd);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(t_everything), T(t_write), T(t_before_anything),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
