/* SPDX-License-Identifier: MIT */
/* Stores in JSON documents and JSON lines. */
#include "scratch.h"

#include <signal.h>

#include "store-rows.h"

static const char *const cols[] = { "a", "b", "v" };
static const struct store_shape one = {
	.set = "", .ncol = 3, .nkey = 1, .col = cols,
};
static const char *const named[] = { "@key", "v" };
static const struct store_shape members = {
	.set = "", .ncol = 2, .nkey = 1, .col = named,
};

static void file(struct scratch *t, const char *name, const char *text)
{
	int fd = openat(t->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static char *text_of(struct scratch *t, const char *name)
{
	struct strbuf sb = STRBUF_INIT;
	int fd = openat(t->fd, name, O_RDONLY);
	char buf[4096];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		strbuf_add(&sb, buf, (size_t)n);
	close(fd);
	return strbuf_detach(&sb);
}

static void assert_text(struct scratch *t, const char *name,
			const char *expect)
{
	_cleanup_free_ char *text = text_of(t, name);

	assert_string_equal(text, expect);
}

static struct store *open_as(struct scratch *t, const char *url, bool read)
{
	struct store_options o = { .root_fd = t->fd, .create = !read,
				   .read_only = read };
	struct store *s = NULL;

	if (store_open(url, &o, &s, &t->err) < 0)
		fail_msg("%s", t->err.msg);
	return s;
}

static void add(struct store_batch *b, enum store_type type, const char *text)
{
	store_batch_add(b, type, text, text ? strlen(text) : 0);
}

static void assert_scan(struct store *s, const struct store_shape *shape,
			const char *expect)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (store_scan(s, shape, NULL, NULL, 10000, &b, &err) < 0)
		fail_msg("%s", err.msg);
	assert_batch(&b, expect);
}

static void test_lines(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = NULL;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_shape odd = one;

	file(t, "l.jsonl", "{\"a\": 10, \"b\": \"x\", \"v\": null}\n\n"
	     "{\"a\": 9, \"v\": {\"w\": [1, 2.50]}, \"b\": true}\r\n"
	     "{\"a\": 10, \"b\": \"\\u00e4\\n\", \"v\": 1.50}\n"
	     "{\"a\": 11, \"b\": \"last\"}");
	s = open_as(t, "jsonl:l.jsonl", true);
	/* the last line of a key counts; 9 is before 10 */
	assert_int_equal(store_scan(s, &one, NULL, NULL, 9, &b, NULL), 3);
	assert_batch(&b, "9 t {\"w\": [1, 2.50]}|10 \xc3\xa4\n 1.50|"
		     "11 last ~");
	assert_int_equal(b.cell[0].type, STORE_INT);
	assert_int_equal(b.cell[2].type, STORE_JSON);
	assert_int_equal(b.cell[5].type, STORE_NUM);
	assert_int_equal(store_scan(s, &one, "[9]", NULL, 1, &b, NULL), 1);
	assert_batch(&b, "10 \xc3\xa4\n 1.50");
	assert_int_equal(store_scan(s, &one, "[9]", "[10]", 9, &b, NULL), 1);
	assert_int_equal(store_scan(s, &one, "[11]", NULL, 9, &b, NULL), 0);
	odd.where = "@.a > 9";
	odd.expr = (const char *const[]) { NULL, "@value", "$.v.w[1]" };
	assert_int_equal(store_scan(s, &odd, NULL, NULL, 9, &b, NULL), 2);
	assert_batch(&b, "10 {\"a\": 10, \"b\": \"\\u00e4\\n\", \"v\": 1.50} ~|"
		     "11 {\"a\": 11, \"b\": \"last\"} ~");
	assert_int_equal(store_split(s, &one, NULL, NULL, 2, &b, NULL), 1);
	assert_batch(&b, "10");
	assert_int_equal(store_columns(s, "", &b, NULL), 3);
	assert_int_equal(store_begin(s, true, NULL), -EROFS);
	assert_int_equal(store_exec(s, "SELECT 1", NULL, NULL, NULL),
			 -EOPNOTSUPP);
	store_close(TAKE_PTR(s));
	/* reading leaves nothing behind */
	assert_int_equal(faccessat(t->fd, "l.jsonl.upshift", F_OK, 0), -1);
}

static void test_document(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = NULL;
	struct store_shape array = one;

	file(t, "d.json", "{\"skip\": {\"b\": [9]}, \"x\": [1], \"a\": {\"c\": 1, "
	     "\"b\": {\"k2\": {\"v\": 1}, \"k\\u0031\": {\"v\": [2]}}}, "
	     "\"list\": [{\"a\": 2, \"b\": \"x\"}, {\"a\": 1}]}");
	s = open_as(t, "json:d.json#a.b", true);
	assert_scan(s, &members, "k1 [2]|k2 1");
	store_close(s);
	s = open_as(t, "json:d.json#list", true);
	assert_scan(s, &array, "1 ~ ~|2 x ~");
	store_close(s);
	s = open_as(t, "json:d.json#none", true);
	assert_int_equal(store_scan(s, &array, NULL, NULL, 9,
		&(struct store_batch)STORE_BATCH_INIT, NULL), -ENOENT);
	store_close(TAKE_PTR(s));
}

static void test_refused(void **state)
{
	struct scratch *t = *state;
	struct store_options o = { .root_fd = t->fd, .read_only = true };
	static const char *const bad[][2] = {
		{ "jsonl:x", "{\"a\": 1}\n{\"a\": }\n" },
		{ "jsonl:x", "{\"a\": 1}\n{\"b\": 1}\n" },
		{ "jsonl:x", "{\"a\": null}\n" },
		{ "json:x", "[{\"a\": 1}, {\"a\": 1}]" },
		{ "json:x", "[{\"a\": 1}" },
	};
	struct store *s;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
		_cleanup_error_ struct error err = ERROR_INIT;

		file(t, "x", bad[i][1]);
		s = open_as(t, bad[i][0], true);
		assert_int_equal(store_scan(s, &one, NULL, NULL, 9, &b, &err),
				 -EINVAL);
		assert_int_equal(err.code, ERR_STORE);
		store_close(s);
	}
	assert_int_equal(store_open("jsonl:none", &o, &s, NULL), -ENOENT);
	assert_int_equal(store_open("jsonl:../x", &o, &s, NULL), -EINVAL);
	assert_int_equal(store_open("json:/etc/passwd", &o, &s, NULL), -EINVAL);
	assert_int_equal(symlinkat("/etc/passwd", t->fd, "link"), 0);
	assert_true(store_open("jsonl:link", &o, &s, NULL) < 0);
}

static void rows(struct store_batch *b, int from, int n, const char *v)
{
	store_batch_clear(b, 3);
	for (int i = from; i < from + n; i++) {
		_cleanup_free_ char *a = xasprintf("%d", i);

		add(b, STORE_INT, a);
		add(b, STORE_TEXT, "\"q\n");
		add(b, STORE_TEXT, v);
	}
}

static void test_put_lines(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = NULL;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	file(t, "l", "{\"a\": 2, \"z\": [0.10],  \"v\": 5}");
	s = open_as(t, "jsonl:l", false);
	rows(&b, 1, 3, NULL);
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 3, STORE_ERROR, NULL),
			 -EBADMSG);
	assert_string_equal(store_sqlstate(s), "23505");
	store_abort(s);
	assert_scan(s, &one, "2 ~ 5");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 3, STORE_SKIP, NULL), 2);
	/* visible inside, and not before the commit outside */
	assert_scan(s, &one, "1 \"q\n ~|2 ~ 5|3 \"q\n ~");
	assert_text(t, "l", "{\"a\": 2, \"z\": [0.10],  \"v\": 5}");
	assert_int_equal(store_commit(s, NULL), 0);
	assert_text(t, "l", "{\"a\": 2, \"z\": [0.10],  \"v\": 5}\n"
		    "{\"a\": 1, \"b\": \"\\\"q\\n\", \"v\": null}\n"
		    "{\"a\": 3, \"b\": \"\\\"q\\n\", \"v\": null}\n");
	/* what the shape does not know stays, and the place in the file */
	rows(&b, 2, 1, "w");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 1, STORE_REPLACE, NULL), 1);
	store_batch_clear(&b, 3);
	add(&b, STORE_INT, "1");
	add(&b, STORE_TEXT, NULL);
	add(&b, STORE_TEXT, NULL);
	assert_int_equal(store_del(s, &one, &b, NULL), 1);
	assert_int_equal(store_del(s, &one, &b, NULL), 0);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_text(t, "l", "{\"a\": 2, \"z\": [0.10], \"v\": \"w\", \"b\": "
		    "\"\\\"q\\n\"}\n"
		    "{\"a\": 3, \"b\": \"\\\"q\\n\", \"v\": null}\n");
	assert_scan(s, &one, "2 \"q\n w|3 \"q\n ~");
}

static void test_put_document(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = NULL;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store_mark m = { .step = "c", .pos = "" };

	file(t, "d", "{\"n\": 1.10, \"list\": [\n    {\"a\": 2, \"v\": 0.50},\n"
	     "    {\"a\": 4}\n  ], \"end\": true}\n");
	assert_int_equal(fchmodat(t->fd, "d", 0640, 0), 0);
	s = open_as(t, "json:d#list", false);
	/* while a range is open the document stays as it is */
	assert_int_equal(store_mark(s, &m, NULL, NULL), 0);
	rows(&b, 1, 2, "w");
	assert_int_equal(store_begin(s, true, NULL), 0);
	m.pos = "[2]";
	assert_int_equal(store_mark(s, &m, "", NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 2, STORE_REPLACE, NULL), 2);
	assert_int_equal(store_commit(s, NULL), 0);
	store_close(s);
	assert_text(t, "d", "{\"n\": 1.10, \"list\": [\n    {\"a\": 2, \"v\": "
		    "0.50},\n    {\"a\": 4}\n  ], \"end\": true}\n");
	s = open_as(t, "json:d#list", true);
	assert_scan(s, &one, "1 \"q\n w|2 \"q\n w|4 ~ ~");
	store_close(s);
	s = open_as(t, "json:d#list", false);
	assert_int_equal(store_marks(s, "c", &b, NULL), 1);
	assert_batch(&b, "0 ~ ~ [2] 0 1 0");
	rows(&b, 4, 1, "w");
	assert_int_equal(store_begin(s, true, NULL), 0);
	m.pos = "[4]";
	m.done = true;
	assert_int_equal(store_mark(s, &m, "", NULL), -ESTALE);
	assert_int_equal(store_mark(s, &m, "[2]", NULL), 0);
	assert_int_equal(store_del(s, &one, &b, NULL), 1);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_text(t, "d", "{\"n\": 1.10, \"list\": [\n    {\"a\": 2, \"v\": "
		    "\"w\", \"b\": \"\\\"q\\n\"},\n    {\"a\": 1, \"b\": "
		    "\"\\\"q\\n\", \"v\": \"w\"}\n  ], \"end\": true}\n");
	assert_int_equal(faccessat(t->fd, "d.upshift-part", F_OK, 0), -1);
	assert_scan(s, &one, "1 \"q\n w|2 \"q\n w");
}

/* a document that was not there, by name */
/* Numbers of files come back: what a later rewrite left, unfinished, is not
   what the one before has finished. */
static void test_number_again(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store *s;

	file(t, "f", "{\"a\": 1, \"b\": 1, \"v\": \"x\"}\n");
	s = open_as(t, "jsonl:f", false);
	rows(&b, 1, 1, "y");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, b.nrow, STORE_REPLACE,
				   NULL), 1);
	assert_int_equal(store_commit(s, NULL), 0);
	store_close(s);
	assert_int_equal(renameat(t->fd, "f", t->fd, "f.upshift-new"), 0);
	file(t, "f", "{\"a\": 2}\n");
	store_close(open_as(t, "jsonl:f", false));
	assert_text(t, "f", "{\"a\": 2}\n");
	assert_int_equal(faccessat(t->fd, "f.upshift-new", F_OK, 0), -1);
}

/* who only reads sees what there is of a document that is not there yet */
static void test_part_read(void **state)
{
	struct scratch *t = *state;
	struct store_mark m = { .step = "s", .pos = "" };
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_ struct store *s = open_as(t, "json:f#x", false);
	_cleanup_store_ struct store *read = NULL;

	assert_int_equal(store_mark(s, &m, NULL, NULL), 0);
	rows(&b, 1, 2, "y");
	assert_int_equal(store_begin(s, true, NULL), 0);
	m.pos = "[2]";
	m.rows = 2;
	assert_int_equal(store_mark(s, &m, "", NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 2, STORE_ERROR, NULL), 2);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_int_equal(faccessat(t->fd, "f", F_OK, 0), -1);
	read = open_as(t, "json:f#x", true);
	assert_scan(read, &one, "1 \"q\n y|2 \"q\n y");
	assert_int_equal(store_marks(read, "s", &b, NULL), 1);
}

static void test_new_document(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_ struct store *s = open_as(t, "json:n#a.b", false);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	store_batch_clear(&b, 2);
	add(&b, STORE_TEXT, "k\"2");
	add(&b, STORE_JSON, "{\"x\": 1.0}");
	add(&b, STORE_TEXT, "k1");
	add(&b, STORE_BOOL, "t");
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &members, &b, 0, 2, STORE_ERROR, NULL),
			 2);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_text(t, "n", "{\"a\": {\"b\": {\n  \"k\\\"2\": {\"v\": {\"x\": "
		    "1.0}},\n  \"k1\": {\"v\": true}\n}}}\n");
	assert_scan(s, &members, "k\"2 {\"x\": 1.0}|k1 t");
}

/* what a session of ours did not commit is cut; what others append is theirs */
static void test_tails(void **state)
{
	struct scratch *t = *state;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct store *s = open_as(t, "jsonl:l", false), *late;
	int fd;

	rows(&b, 1, 1, NULL);
	assert_int_equal(store_begin(s, true, NULL), 0);
	assert_int_equal(store_put(s, &one, &b, 0, 1, STORE_ERROR, NULL), 1);
	assert_int_equal(store_commit(s, NULL), 0);
	/* the session is open: as after a crash in the next commit */
	fd = openat(t->fd, "l", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "{\"a\": 2, \"to", 11), 11);
	late = open_as(t, "jsonl:l", true);
	assert_scan(late, &one, "1 \"q\n ~");
	store_close(late);
	late = open_as(t, "jsonl:l", false);
	assert_scan(late, &one, "1 \"q\n ~");
	store_close(late);
	store_close(s);
	assert_int_equal(write(fd, "{\"a\": 7}\n", 9), 9);
	close(fd);
	s = open_as(t, "jsonl:l", false);
	assert_scan(s, &one, "1 \"q\n ~|7 ~ ~");
	store_close(s);
}

/* --- killed at every change of the disk --- */

#define BATCHES 6
#define ROWS 10

/* rows 1 to 60 by batches, each with the position; from where it stands */
static int copy_all(struct scratch *t, const char *url)
{
	_cleanup_store_ struct store *s = open_as(t, url, false);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT, old = STRBUF_INIT;
	struct store_mark m = { .step = "copy", .rows = ROWS };
	int64_t done;

	if (store_mark(s, &m, NULL, NULL) < 0 ||
	    store_marks(s, "copy", &b, NULL) != 1)
		return 2;
	done = store_batch_int(&b, 0, 4) / ROWS;
	strbuf_add(&old, b.buf + b.cell[3].off, (size_t)b.cell[3].len);
	for (; done < BATCHES; done++) {
		rows(&b, (int)done * ROWS + 1, ROWS, "w");
		store_key(&b, ROWS - 1, 1, &key);
		m.pos = key.buf;
		m.done = done + 1 == BATCHES;
		if (store_begin(s, true, NULL) < 0 ||
		    store_mark(s, &m, old.buf, NULL) < 0 ||
		    store_put(s, &one, &b, 0, ROWS, STORE_REPLACE, NULL) < 0 ||
		    store_commit(s, NULL) < 0)
			return 3;
		strbuf_clear(&old);
		strbuf_add(&old, key.buf, key.len);
	}
	return 0;
}

/* the fault table is read once in a process: nobody of ours did it before */
static int in_child(struct scratch *t, const char *url, const char *fault)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("UPSHIFT_TEST_FAULT", fault, 1);
		_exit(copy_all(t, url));
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -WTERMSIG(st);
}

static void start_anew(struct scratch *t, const char *before)
{
	static const char *const ends[] = { "", ".upshift", ".upshift-part",
					    ".upshift-new" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_cleanup_free_ char *name = xasprintf("f%s", ends[i]);

		(void)unlinkat(t->fd, name, 0);
	}
	if (before)
		file(t, "f", before);
}

static void sweep(struct scratch *t, const char *url, const char *before,
		  const char *how)
{
	_cleanup_free_ char *expect = NULL;
	int ret, kills = 0;

	start_anew(t, before);
	assert_int_equal(in_child(t, url, ""), 0);
	expect = text_of(t, "f");
	for (int n = 1;; n++) {
		_cleanup_free_ char *fault = xasprintf("any:%d:%s", n, how);

		start_anew(t, before);
		ret = in_child(t, url, fault);
		kills += ret != 0;
		if (ret == 0)
			break;
		if (ret != -SIGKILL)
			fail_msg("%s: %d", fault, ret);
		assert_int_equal(in_child(t, url, ""), 0);
		assert_text(t, "f", expect);
		assert_int_equal(faccessat(t->fd, "f.upshift-part", F_OK, 0),
				 -1);
		assert_int_equal(faccessat(t->fd, "f.upshift-new", F_OK, 0),
				 -1);
	}
	assert_true(kills > 2 * BATCHES);
}

static void test_killed_lines(void **state)
{
	sweep(*state, "jsonl:f", NULL, "kill");
	sweep(*state, "jsonl:f", NULL, "kill-after");
}

static void test_killed_anew(void **state)
{
	static const char before[] = "{\"a\": 60, \"z\": 1}\n"
		"{\"a\": 1}\n{\"a\": 25}\n{\"a\": 77}\n";

	sweep(*state, "jsonl:f", before, "kill");
	sweep(*state, "jsonl:f", before, "kill-after");
}

static void test_killed_document(void **state)
{
	sweep(*state, "json:f#l", "{\"l\": [{\"a\": 60}, {\"a\": 0.5}]}\n",
	      "kill");
	sweep(*state, "json:f#l", NULL, "kill-after");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* first, before anything reads the fault table here */
		with_scratch(test_killed_lines),
		with_scratch(test_killed_anew),
		with_scratch(test_killed_document),
		with_scratch(test_lines),
		with_scratch(test_document),
		with_scratch(test_refused),
		with_scratch(test_put_lines),
		with_scratch(test_put_document),
		with_scratch(test_number_again),
		with_scratch(test_part_read),
		with_scratch(test_new_document),
		with_scratch(test_tails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
