/* SPDX-License-Identifier: MIT */
/* Files through the scanner: pieces, lines, and what is no file. */
#include "scratch.h"

#include "json-scan.h"

struct told {
	struct strbuf text;
	int torn, ticks;
};

static int on_fault(void *ctx, const struct json_place *at,
		    const char *reason, bool torn)
{
	struct told *t = ctx;

	(void)reason;
	t->torn += torn;
	strbuf_addf(&t->text, "%d:%d@%d ", (int)at->line, (int)at->column,
		    (int)at->offset);
	return 0;
}

static int on_tick(void *ctx, uint64_t done)
{
	struct told *t = ctx;

	(void)done;
	return ++t->ticks == 2 ? -ECANCELED : 0;
}

static void put(struct scratch *s, const char *p, size_t n)
{
	int fd = openat(s->fd, "f", O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_int_equal(write(fd, p, n), n);
	assert_int_equal(close(fd), 0);
}

/* all faults of this text as one string; caller frees */
static char *faults(struct scratch *s, const char *p, size_t n, bool lines,
		    uint64_t *count, int *torn)
{
	static const struct json_check_ops ops = { .fault = on_fault };
	struct told t = { .text = STRBUF_INIT };

	put(s, p, n);
	assert_int_equal(json_check_faults(s->fd, "f", lines, &ops, &t, count,
					   &s->err), 0);
	*torn = t.torn;
	return strbuf_detach(&t.text);
}

static void check_text(struct scratch *s, const char *text, bool lines,
		       const char *want, uint64_t count, int torn)
{
	uint64_t got_count;
	int got_torn;
	_cleanup_free_ char *got = faults(s, text, strlen(text), lines,
					  &got_count, &got_torn);

	assert_string_equal(got, want);
	assert_int_equal(got_count, count);
	assert_int_equal(got_torn, torn);
}

static void documents(void **state)
{
	check_text(*state, "{\"a\": [1]}\n", false, "", 1, 0);
	check_text(*state, "", false, "1:1@0 ", 0, 0);
	check_text(*state, "[1,\n2,,3,,4]", false, "2:3@6 ", 0, 0);
	check_text(*state, "1\n2\n", false, "2:1@2 ", 0, 0);
}

static void lines(void **state)
{
	check_text(*state, "", true, "", 0, 0);
	check_text(*state, "\n \n\t\r\n", true, "", 0, 0);
	check_text(*state, "1\n{}\r\n\n[2]", true, "", 3, 0);
	/* a document ends with its line */
	check_text(*state, "[1,\n2]\n", true, "1:4@3 2:2@5 ", 0, 0);
	/* every faulty line once, at its place in the file */
	check_text(*state, "{}\n{,,}\n{}\n \"\xc3\xa9\" x\n{}\n", true,
		   "2:2@4 4:6@17 ", 3, 0);
	/* the last one, which somebody may be writing */
	check_text(*state, "{}\n{\"a\":", true, "2:6@8 ", 1, 1);
	check_text(*state, "{}\n{\"a\":\n", true, "2:6@8 ", 1, 0);
}

/* the pieces that a file is read in end anywhere: move a text over one */
static void across_pieces(void **state)
{
	static const char tail[] = "{\"k\xc3\xa9y\": [\"\\u00e9\", -1.5e3, "
		"true, null]}\n{\"a\": \"\xe2\x82\xac\"}\n[tru]\n";
	struct scratch *s = *state;

	for (size_t back = 0; back < sizeof(tail) + 1; back++) {
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
		_cleanup_free_ char *got = NULL;
		uint64_t count;
		int torn;

		while (text.len < 65536 - back - 1)
			strbuf_addch(&text, ' ');
		strbuf_addch(&text, '\n');
		strbuf_add(&text, tail, sizeof(tail) - 1);
		got = faults(s, text.buf, text.len, true, &count, &torn);
		assert_int_equal(count, 2);
		assert_true(str_starts(got, "4:2@"));
	}
}

static void one_error(void **state)
{
	struct scratch *s = *state;
	uint64_t n;

	put(s, "{}\n[1 2]\n[3 4]\n", 15);
	assert_int_equal(json_check_file(s->fd, "f", true, &n, &s->err),
			 -EINVAL);
	assert_int_equal(s->err.code, ERR_JSON);
	assert_true(str_starts(s->err.msg, "f:2:4: "));
}

static void no_file(void **state)
{
	struct scratch *s = *state;

	put_dir(s->fd, "d");
	assert_int_equal(mkfifoat(s->fd, "fifo", 0644), 0);
	assert_int_equal(symlinkat("f", s->fd, "link"), 0);
	put(s, "1", 1);
	assert_int_equal(json_check_file(s->fd, "gone", false, NULL, NULL),
			 -ENOENT);
	assert_int_equal(json_check_file(s->fd, "d", false, NULL, NULL),
			 -EINVAL);
	/* does not wait for a writer */
	assert_int_equal(json_check_file(s->fd, "fifo", false, NULL, NULL),
			 -EINVAL);
	assert_int_equal(json_check_file(s->fd, "link", false, NULL, NULL),
			 -ELOOP);
	assert_int_equal(json_check_file(s->fd, "f", false, NULL, NULL), 0);
}

static void can_be_stopped(void **state)
{
	static const struct json_check_ops ops = { .tick = on_tick };
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct told t = { .text = STRBUF_INIT };
	struct scratch *s = *state;

	strbuf_grow(&text, 16u << 20);
	memset(text.buf, ' ', 16u << 20);
	strbuf_set_len(&text, 16u << 20);
	put(s, text.buf, text.len);
	assert_int_equal(json_check_faults(s->fd, "f", false, &ops, &t, NULL,
					   NULL), -ECANCELED);
	assert_int_equal(t.ticks, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(documents),
		with_scratch(lines),
		with_scratch(across_pieces),
		with_scratch(one_error),
		with_scratch(no_file),
		with_scratch(can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
