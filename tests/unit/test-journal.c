/* SPDX-License-Identifier: MIT */
#include "run-fixture.h"

/*
 * Every bit flipped, every length, every kind of torn end. The oracle is the
 * list of sums taken while the records were written.
 */
#define RECORDS 4

struct made {
	char *text;                     /* the whole file */
	size_t len;
	size_t end[RECORDS + 1];        /* where each record ends */
	char sum[RECORDS + 1][BLAKE2_TEXT_SIZE];
};

static void load_file(struct fixture *f, const char *name, char **text,
		      size_t *len)
{
	struct strbuf sb = STRBUF_INIT;

	assert_int_equal(fs_read_file(f->dirfd, name, 1 << 20, &sb), 0);
	*len = sb.len;
	*text = strbuf_detach(&sb);
}

static void put_file(struct fixture *f, const char *name, const void *p,
		     size_t n)
{
	/* not O_TRUNC: ext4 flushes a file that is replaced that way */
	int fd = openat(f->dirfd, name, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, p, n), 0);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	close(fd);
}

static void put_state(struct fixture *f, uint64_t seq, const char *sum)
{
	char *text = xasprintf("{\"seq\":%llu,\"sum\":\"%s\"}\n",
			       (unsigned long long)seq, sum);

	put_file(f, JOURNAL_STATE_NAME, text, strlen(text));
	free(text);
}

static struct json_object *record(int i)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "what", "fact");
	json_set_int(o, "value", i);
	json_set_str(o, "text", "a b\nc \"quoted\" J* \xc3\xa9");
	return o;
}

static void make(struct fixture *f, struct made *m)
{
	struct journal *j = NULL;
	struct stat st;
	int i;

	memset(m, 0, sizeof(*m));
	assert_int_equal(journal_create(&j, f->dirfd, 2, NULL), 0);
	assert_int_equal(journal_seq(j), 0);
	assert_string_equal(journal_sum(j), "");
	for (i = 1; i <= RECORDS; i++) {
		assert_int_equal(journal_append(j, record(i), NULL), 0);
		assert_int_equal(journal_seq(j), i);
		strcpy(m->sum[i], journal_sum(j));
		assert_int_equal(fstatat(f->dirfd, JOURNAL_NAME, &st, 0), 0);
		m->end[i] = (size_t)st.st_size;
	}
	journal_close(j);
	load_file(f, JOURNAL_NAME, &m->text, &m->len);
	assert_int_equal(m->len, m->end[RECORDS]);
}

static int count_fn(void *ctx, struct json_object *rec, struct error *err)
{
	int *n = ctx;

	(void)err;
	assert_int_equal(json_get_int(rec, "seq", 0), *n + 1);
	assert_int_equal(json_get_int(rec, "value", 0), *n + 1);
	++*n;
	return 0;
}

static int some_fn(void *ctx, struct json_object *rec, struct error *err)
{
	(void)rec;
	(void)err;
	++*(int *)ctx;
	return 0;
}

/* who does not look into the records is told the very same */
static void look(struct fixture *f, int ret, const struct journal *all,
		 const struct error *err)
{
	static const char *const none[] = { "run", NULL };
	static const char *const facts[] = { "run", "fact", NULL };
	struct error why = ERROR_INIT;
	struct journal *j = NULL;
	int n = 0;

	assert_int_equal(journal_open_some(&j, f->dirfd, none, some_fn, &n,
					   &why), ret);
	assert_int_equal(n, ret < 0 ? n : !!journal_seq(all));
	if (ret < 0 && err)
		assert_string_equal(why.msg, err->msg);
	if (ret == 0) {
		assert_int_equal(journal_seq(j), journal_seq(all));
		assert_string_equal(journal_sum(j), journal_sum(all));
		assert_string_equal(journal_last_time(j),
				    journal_last_time(all));
	}
	journal_close(j);
	j = NULL;
	error_release(&why);
	assert_int_equal(journal_open_last(&j, f->dirfd, false, "undone",
					   some_fn, &n, &why), ret);
	if (ret < 0 && err)
		assert_string_equal(why.msg, err->msg);
	journal_close(j);
	j = NULL;
	n = 0;
	error_release(&why);
	assert_int_equal(journal_open_some(&j, f->dirfd, facts, some_fn, &n,
					   NULL), ret);
	if (ret == 0)
		assert_int_equal(n, journal_seq(j));
	journal_close(j);
}

/* number of records, or -errno with err */
static int reopen(struct fixture *f, bool writable, struct error *err)
{
	struct journal *j = NULL;
	int n = 0, r;

	r = journal_open(&j, f->dirfd, writable, count_fn, &n, err);
	if (r == 0)
		assert_int_equal(journal_seq(j), n);
	if (!writable)
		look(f, r, j, err);
	journal_close(j);
	return r < 0 ? r : n;
}

static void t_append_and_replay(void **state)
{
	struct fixture *f = *state;
	struct journal *j = NULL;
	struct made m;
	struct stat st;
	int n = 0;

	make(f, &m);
	assert_int_equal(reopen(f, false, NULL), RECORDS);
	assert_int_equal(journal_open(&j, f->dirfd, true, count_fn, &n, NULL),
			 0);
	assert_string_equal(journal_sum(j), m.sum[RECORDS]);
	assert_int_equal(strlen(journal_last_time(j)), 24);
	assert_int_equal(journal_append(j, record(RECORDS + 1), NULL), 0);
	journal_close(j);
	assert_int_equal(reopen(f, false, NULL), RECORDS + 1);
	assert_int_equal(fstatat(f->dirfd, JOURNAL_NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(journal_create(&j, f->dirfd, 2, NULL), -EEXIST);
	free(m.text);
}

static void t_line_is_as_documented(void **state)
{
	struct fixture *f = *state;
	char want[BLAKE2_TEXT_SIZE];
	struct made m;
	char *line, *sum, *body;

	make(f, &m);
	line = xstrndup(m.text + m.end[1], m.end[2] - m.end[1]);
	sum = strstr(line, ",\"sum\":");
	assert_non_null(sum);
	body = xasprintf("%.*s}", (int)(sum - line), line);
	blake2_of(body, strlen(body), want);
	assert_true(!strncmp(sum + 8, want, strlen(want)));
	assert_string_equal(sum + 8 + strlen(want), "\"}\n");
	assert_non_null(strstr(line, m.sum[1]));
	assert_true(str_starts(line, "{\"seq\":2,\"time\":\""));
	free(body);
	free(line);
	free(m.text);
}

static void t_every_bit(void **state)
{
	struct fixture *f = *state;
	struct made m;
	size_t i, rec;
	int bit;

	make(f, &m);
	for (i = 0; i < m.len; i++) {
		for (rec = 1; m.end[rec] <= i; rec++)
			;
		for (bit = 0; bit < 8; bit++) {
			struct error err = ERROR_INIT;
			char where[32];
			int r;

			m.text[i] ^= (char)(1 << bit);
			put_file(f, JOURNAL_NAME, m.text, m.len);
			m.text[i] ^= (char)(1 << bit);
			r = reopen(f, false, &err);
			if (i == m.len - 1) {
				/* the last newline: cannot be told from a
				   torn write, so it is cut */
				assert_int_equal(r, RECORDS - 1);
				continue;
			}
			assert_int_equal(r, -EBADMSG);
			assert_int_equal(err.code, ERR_JOURNAL_DAMAGED);
			(void)snprintf(where, sizeof(where), "record %zu ",
				       rec);
			assert_non_null(strstr(err.msg, where));
			error_release(&err);
		}
	}
	free(m.text);
}

static void t_every_length(void **state)
{
	struct fixture *f = *state;
	struct made m;
	size_t len, whole;

	make(f, &m);
	for (len = 0; len <= m.len; len++) {
		for (whole = RECORDS; m.end[whole] > len; whole--)
			;
		put_file(f, JOURNAL_NAME, m.text, len);
		assert_int_equal(reopen(f, false, NULL), whole);
	}
	free(m.text);
}

/* the writer cuts, a reader leaves the file alone */
static void t_cut_and_go_on(void **state)
{
	struct fixture *f = *state;
	struct journal *j = NULL;
	struct made m;
	struct stat st;
	int n = 0;

	make(f, &m);
	put_file(f, JOURNAL_NAME, m.text, m.len - 7);
	assert_int_equal(reopen(f, false, NULL), RECORDS - 1);
	assert_int_equal(fstatat(f->dirfd, JOURNAL_NAME, &st, 0), 0);
	assert_int_equal(st.st_size, m.len - 7);
	assert_int_equal(journal_open(&j, f->dirfd, true, count_fn, &n, NULL),
			 0);
	assert_int_equal(fstatat(f->dirfd, JOURNAL_NAME, &st, 0), 0);
	assert_int_equal(st.st_size, m.end[RECORDS - 1]);
	assert_int_equal(journal_append(j, record(RECORDS), NULL), 0);
	journal_close(j);
	assert_int_equal(reopen(f, false, NULL), RECORDS);
	free(m.text);
}

static void t_truncated_is_told_by_state(void **state)
{
	struct fixture *f = *state;
	struct made m;
	size_t seq, whole, len;

	make(f, &m);
	for (seq = 1; seq <= RECORDS; seq++) {
		put_state(f, seq, m.sum[seq]);
		for (len = 0; len <= m.len; len++) {
			struct error err = ERROR_INIT;
			int r;

			for (whole = RECORDS; m.end[whole] > len; whole--)
				;
			put_file(f, JOURNAL_NAME, m.text, len);
			r = reopen(f, true, &err);
			if (whole >= seq) {
				assert_int_equal(r, whole);
				continue;
			}
			assert_int_equal(r, -EBADMSG);
			assert_int_equal(err.code, ERR_JOURNAL_TRUNCATED);
			error_release(&err);
		}
	}
	free(m.text);
}

/* refused: nothing may be cut, so that it can be looked at */
static void t_refusal_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	struct made m;

	make(f, &m);
	put_state(f, RECORDS, m.sum[RECORDS]);
	put_file(f, JOURNAL_NAME, m.text, m.len - 3);
	assert_int_equal(reopen(f, true, NULL), -EBADMSG);
	assert_int_equal(fstatat(f->dirfd, JOURNAL_NAME, &st, 0), 0);
	assert_int_equal(st.st_size, m.len - 3);
	free(m.text);
}

static void t_other_journal_of_same_length(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct made m;

	make(f, &m);
	put_state(f, 2, m.sum[3]);
	assert_int_equal(reopen(f, false, &err), -EBADMSG);
	assert_int_equal(err.code, ERR_JOURNAL_DAMAGED);
	error_release(&err);
	free(m.text);
}

static void t_damaged_state(void **state)
{
	static const char *const bad[] = {
		"", "{", "{}", "{\"seq\":1}", "{\"seq\":0,\"sum\":\"\"}",
		"null", "{\"seq\":2,\"sum\":\"short\"}",
	};
	struct fixture *f = *state;
	struct made m;
	size_t i;

	make(f, &m);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = ERROR_INIT;

		put_file(f, JOURNAL_STATE_NAME, bad[i], strlen(bad[i]));
		assert_int_equal(reopen(f, false, &err), -EBADMSG);
		assert_int_equal(err.code, ERR_JOURNAL_DAMAGED);
		assert_non_null(err.hint);
		error_release(&err);
	}
	free(m.text);
}

static void t_unwritten_sectors(void **state)
{
	struct json_object *o = json_object_new_object();
	struct fixture *f = *state;
	struct journal *j = NULL;
	char text[3000];
	size_t from, to;
	struct made m;

	make(f, &m);
	free(m.text);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json_set_str(o, "text", text);
	json_set_int(o, "value", RECORDS + 1);
	assert_int_equal(journal_open(&j, f->dirfd, true, NULL, NULL, NULL),
			 0);
	assert_int_equal(journal_append(j, o, NULL), 0);
	journal_close(j);
	load_file(f, JOURNAL_NAME, &m.text, &m.len);
	/* the last sectors of the record came, those before did not */
	from = m.end[RECORDS];
	to = (from / 512 + 1) * 512;
	assert_true(to < m.len);
	memset(m.text + from, 0, to - from);
	put_file(f, JOURNAL_NAME, m.text, m.len);
	assert_int_equal(reopen(f, true, NULL), RECORDS);
	/* only NULs came */
	memset(m.text + from, 0, m.len - from);
	put_file(f, JOURNAL_NAME, m.text, m.len);
	assert_int_equal(reopen(f, true, NULL), RECORDS);
	free(m.text);
}

static void t_order_counts(void **state)
{
	struct fixture *f = *state;
	struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct made m;

	make(f, &m);
	/* record 2 is missing in the middle */
	strbuf_add(&sb, m.text, m.end[1]);
	strbuf_add(&sb, m.text + m.end[2], m.len - m.end[2]);
	put_file(f, JOURNAL_NAME, sb.buf, sb.len);
	assert_int_equal(reopen(f, false, &err), -EBADMSG);
	assert_int_equal(err.code, ERR_JOURNAL_DAMAGED);
	error_release(&err);
	/* record 2 twice */
	strbuf_clear(&sb);
	strbuf_add(&sb, m.text, m.end[2]);
	strbuf_add(&sb, m.text + m.end[1], m.len - m.end[1]);
	put_file(f, JOURNAL_NAME, sb.buf, sb.len);
	assert_int_equal(reopen(f, false, NULL), -EBADMSG);
	strbuf_release(&sb);
	free(m.text);
}

static void t_newer_format(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	struct journal *j = NULL;

	assert_int_equal(journal_create(&j, f->dirfd, 1, NULL), 0);
	assert_int_equal(journal_append(j, obj("{\"journal\":2,"
					       "\"upshift\":\"9.7\"}"), NULL),
			 0);
	journal_close(j);
	j = NULL;
	assert_true(journal_open(&j, f->dirfd, false, NULL, NULL, &err) < 0);
	assert_int_equal(err.code, ERR_JOURNAL_FORMAT);
	assert_non_null(strstr(err.msg, "9.7"));
	error_release(&err);
}

static void t_no_utf8(void **state)
{
	struct fixture *f = *state;
	struct journal *j = NULL;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "text",
			       json_object_new_string("a\xff\xc3(\xe2\x82z"));
	json_set_int(o, "value", 1);
	assert_int_equal(journal_create(&j, f->dirfd, 1, NULL), 0);
	assert_int_equal(journal_append(j, o, NULL), 0);
	journal_close(j);
	assert_int_equal(reopen(f, false, NULL), 1);
}

static void t_peek(void **state)
{
	struct fixture *f = *state;
	struct json_object *o = NULL;
	struct made m;

	assert_int_equal(journal_peek(f->dirfd, NULL), 0);
	make(f, &m);
	assert_int_equal(journal_peek(f->dirfd, &o), 1);
	assert_int_equal(json_get_int(o, "seq", 0), 1);
	json_object_put(o);
	o = NULL;
	put_file(f, JOURNAL_NAME, m.text, m.end[1] - 1);
	assert_int_equal(journal_peek(f->dirfd, &o), 0);
	/* damaged is not "never there" */
	m.text[20] ^= 1;
	put_file(f, JOURNAL_NAME, m.text, m.len);
	assert_int_equal(journal_peek(f->dirfd, &o), 1);
	assert_null(o);
	free(m.text);
}

/* the children: exit status tells */

/* bit n: record n was acknowledged; 64: refused with another code */
static int child_append(int dirfd)
{
	struct error err = ERROR_INIT;
	struct journal *j = NULL;
	int ok = 0, i;

	if (journal_create(&j, dirfd, 1, NULL) < 0)
		return 127;
	for (i = 1; i <= 4; i++) {
		error_release(&err);
		if (journal_append(j, record(i), &err) == 0)
			ok |= 1 << i;
		else if (err.code != ERR_JOURNAL)
			ok |= 64;
	}
	error_release(&err);
	journal_close(j);
	return ok;
}

static int child_full(int dirfd)
{
	struct json_object *o = json_object_new_object();
	struct error err = ERROR_INIT;
	struct journal *j = NULL;
	static char big[250 * 1024];
	bool ok;

	memset(big, 'x', sizeof(big) - 1);
	json_set_str(o, "text", big);
	ok = journal_create(&j, dirfd, 0, NULL) == 0 &&
	     journal_append(j, o, NULL) == 0 &&
	     /* a step is not begun without room to end it */
	     journal_append(j, obj("{\"what\":\"step\","
				   "\"state\":\"applying\"}"), &err) ==
		     -ENOSPC &&
	     err.code == ERR_NO_SPACE &&
	     /* but what is under way can be recorded */
	     journal_append(j, obj("{\"what\":\"run\","
				   "\"state\":\"paused\"}"), NULL) == 0;
	error_release(&err);
	journal_close(j);
	return !ok;
}

static int child(const char *what, const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	return strcmp(what, "full") ? child_append(fd) : child_full(fd);
}

static void t_first_error_latches(void **state)
{
	struct fixture *f = *state;
	int n, status;

	/* the second record cannot be written: nothing follows it */
	status = run_child("append", f->dir, "write:2:EIO");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1 << 1);
	assert_int_equal(reopen(f, true, NULL), 1);
	assert_int_equal(unlinkat(f->dirfd, JOURNAL_NAME, 0), 0);
	/* two for the making, then the first record's; the second is written
	   but not flushed: it may be there, and still nothing follows */
	status = run_child("append", f->dir, "sync:4:EIO");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1 << 1);
	n = reopen(f, true, NULL);
	assert_true(n == 1 || n == 2);
}

static void t_full_disk(void **state)
{
	struct fixture *f = *state;
	int status = run_child("full", f->dir, "fallocate:2+:ENOSPC");

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(t_append_and_replay), T(t_line_is_as_documented),
		T(t_every_bit), T(t_every_length), T(t_cut_and_go_on),
		T(t_truncated_is_told_by_state), T(t_refusal_changes_nothing),
		T(t_other_journal_of_same_length), T(t_damaged_state),
		T(t_unwritten_sectors), T(t_order_counts), T(t_newer_format),
		T(t_no_utf8), T(t_peek), T(t_first_error_latches),
		T(t_full_disk),
	};

	if (argc == 3)
		return child(argv[1], argv[2]);
	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
