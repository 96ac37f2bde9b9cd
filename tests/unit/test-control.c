/* SPDX-License-Identifier: MIT */
#include "run-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "control.h"
#include "event.h"

/*
 * Real sockets, engine and clients in one process. Nothing waits for a time:
 * every read waits for a line that must come (or for the end of file), with a
 * limit that only a failure reaches.
 */
#define LIMIT_MS 20000

struct client {
	int fd;
	char buf[1 << 16];
	size_t len;
	bool eof;
};

static void client_open(struct client *c, int dirfd, const char *role)
{
	struct error err = ERROR_INIT;

	memset(c, 0, sizeof(*c));
	c->fd = control_connect(dirfd, role, &err);
	if (c->fd < 0)
		fail_msg("%s", err.msg);
}

static void client_close(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

static void say(struct client *c, const char *line)
{
	assert_int_equal(send(c->fd, line, strlen(line), MSG_NOSIGNAL),
			 strlen(line));
}

/* the next line as an object; NULL at the end of file */
static struct json_object *hear(struct client *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	struct json_object *o = NULL;
	char *nl;
	ssize_t n;

	while (!(nl = memchr(c->buf, '\n', c->len))) {
		if (c->eof)
			return NULL;
		assert_true(c->len < sizeof(c->buf));
		assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
		n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len, 0);
		if (n <= 0)
			c->eof = true;
		else
			c->len += (size_t)n;
	}
	assert_int_equal(json_parse(c->buf, (size_t)(nl - c->buf), &o, NULL),
			 0);
	c->len -= (size_t)(nl + 1 - c->buf);
	memmove(c->buf, nl + 1, c->len);
	return o;
}

static void expect(struct client *c, const char *type, const char *key,
		   const char *value)
{
	struct json_object *o = hear(c);

	assert_non_null(o);
	assert_string_equal(json_get_str(o, "type", ""), type);
	if (key)
		assert_string_equal(json_get_str(o, key, ""), value);
	json_object_put(o);
}

static void expect_end(struct client *c)
{
	assert_null(hear(c));
}

/* --- the engine's side --- */

static uint64_t seq;

static void emit(struct control *c, struct event *ev)
{
	ev->seq = ++seq;
	clock_gettime(CLOCK_REALTIME, &ev->time);
	control_reporter_ops.event(c, ev);
}

static void emit_type(struct control *c, enum event_type t)
{
	struct event ev = { .type = t };

	emit(c, &ev);
}

static void emit_step(struct control *c, const char *id, enum event_state s)
{
	struct event ev = { .type = EVENT_STEP, .state = s, .id = id,
			    .kind = "plain", .n = 1, .of = 2 };

	emit(c, &ev);
}

static void emit_log(struct control *c, const char *text)
{
	struct event ev = { .type = EVENT_LOG, .stream = "out", .text = text,
			    .text_len = strlen(text) };

	emit(c, &ev);
}

static void emit_progress(struct control *c, uint64_t done)
{
	struct event ev = { .type = EVENT_PROGRESS, .done = done,
			    .total = 1000000, .unit = "bytes", .rate = -1,
			    .eta_s = -1 };

	emit(c, &ev);
}

static struct control *start(struct fixture *f)
{
	struct error err = ERROR_INIT;
	struct control *c = NULL;

	if (control_start(&c, f->dirfd, &err) < 0)
		fail_msg("%s", err.msg);
	return c;
}

/* a client's hello was taken when it has heard its status */
static void join_as(struct client *cl, struct fixture *f, const char *role)
{
	struct json_object *o;
	const char *type;
	bool status = false;

	client_open(cl, f->dirfd, role);
	while (!status) {
		o = hear(cl);
		assert_non_null(o);
		type = json_get_str(o, "type", "");
		status = !strcmp(type, "status");
		json_object_put(o);
	}
}

static void t_stream(void **state)
{
	struct fixture *f = *state;
	struct control *c = start(f);
	struct client v;
	struct stat st;

	assert_int_equal(fstatat(f->dirfd, "control.sock", &st, 0), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_false(control_has_controller(c));
	join_as(&v, f, "view");
	emit_step(c, "one", EVENT_STARTED);
	emit_log(c, "a line");
	emit_step(c, "one", EVENT_VERIFIED);
	emit_type(c, EVENT_SUMMARY);
	expect(&v, "step", "state", "started");
	expect(&v, "log", "text", "a line");
	expect(&v, "step", "state", "verified");
	control_stop(c);
	/* what was queued came before the end */
	expect(&v, "summary", NULL, NULL);
	expect_end(&v);
	client_close(&v);
	assert_int_equal(fstatat(f->dirfd, "control.sock", &st, 0), -1);
}

static void t_late_joiner(void **state)
{
	struct fixture *f = *state;
	struct control *c = start(f);
	struct json_object *steps = obj("[{\"id\":\"one\"},{\"id\":\"two\"}]");
	struct event ev = { .type = EVENT_PLAN, .extra = steps };
	struct event ask = { .type = EVENT_ASK, .id = "confirm:two",
			     .message = "go on?" };
	struct json_object *o, *a;
	struct client v;

	emit_type(c, EVENT_VERSION);
	emit(c, &ev);
	emit_step(c, "one", EVENT_VERIFIED);
	emit_progress(c, 5);
	emit(c, &ask);
	client_open(&v, f->dirfd, "view");
	expect(&v, "version", NULL, NULL);
	expect(&v, "plan", NULL, NULL);
	o = hear(&v);
	assert_string_equal(json_get_str(o, "type", ""), "status");
	assert_int_equal(json_get_int(o, "seq", 0), seq);
	assert_string_equal(json_get_str(o, "step", ""), "one");
	a = json_object_array_get_idx(json_get(o, "steps"), 0);
	assert_string_equal(json_get_str(a, "state", ""), "verified");
	assert_string_equal(json_get_str(json_get(o, "ask"), "id", ""),
			    "confirm:two");
	json_object_put(o);
	client_close(&v);
	/* it was answered: the engine went on */
	emit_step(c, "two", EVENT_STARTED);
	client_open(&v, f->dirfd, "view");
	expect(&v, "version", NULL, NULL);
	expect(&v, "plan", NULL, NULL);
	o = hear(&v);
	assert_null(json_get(o, "ask"));
	assert_string_equal(json_get_str(o, "step", ""), "two");
	json_object_put(o);
	emit_log(c, "behind");
	expect(&v, "log", "text", "behind");
	client_close(&v);
	control_stop(c);
	json_object_put(steps);
}

static void t_one_controller(void **state)
{
	struct fixture *f = *state;
	struct control *c = start(f);
	struct json_object *o;
	struct client a, b, v;

	join_as(&a, f, "control");
	assert_true(control_has_controller(c));
	client_open(&b, f->dirfd, "control");
	expect(&b, "error", "code", error_code_name(ERR_LOCKED));
	expect_end(&b);
	client_close(&b);
	/* the first is still the one */
	say(&a, "{\"type\":\"answer\",\"id\":\"x\",\"value\":\"yes\"}\n"
		"{\"type\":\"command\",\"name\":\"st");
	o = control_poll(c, LIMIT_MS);
	assert_non_null(o);
	assert_string_equal(json_get_str(o, "value", ""), "yes");
	json_object_put(o);
	assert_null(control_poll(c, 0));
	say(&a, "op\"}\n");
	o = control_poll(c, LIMIT_MS);
	assert_string_equal(json_get_str(o, "name", ""), "stop");
	json_object_put(o);
	/* a viewer may look, not touch */
	join_as(&v, f, "view");
	say(&v, "{\"type\":\"command\",\"name\":\"abort\"}\n");
	expect(&v, "error", "code", error_code_name(ERR_LOCKED));
	assert_null(control_poll(c, 0));
	/* one that hung up is in nobody's way, and its last word counts */
	for (int i = 0; i < 50; i++) {
		say(&a, "{\"type\":\"answer\",\"id\":\"y\",\"value\":\"z\"}\n");
		client_close(&a);
		join_as(&a, f, "control");
		o = control_poll(c, LIMIT_MS);
		assert_string_equal(json_get_str(o, "value", ""), "z");
		json_object_put(o);
	}
	assert_true(control_has_controller(c));
	client_close(&a);
	client_open(&b, f->dirfd, "view");
	client_close(&b);
	client_close(&v);
	control_stop(c);
}

static void t_garbage(void **state)
{
	static const char *const bad[] = {
		"\n", "garbage\n", "[]\n", "null\n", "{\"type\":5}\n",
		"{\"type\":\"dance\"}\n", "{\n", "\xff\xfe\n",
	};
	struct fixture *f = *state;
	struct control *c = start(f);
	struct client v;
	char *flood;
	size_t i;

	join_as(&v, f, "control");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		say(&v, bad[i]);
		expect(&v, "error", "code", error_code_name(ERR_USAGE));
	}
	say(&v, "{\"type\":\"hello\",\"role\":\"view\"}\n");
	expect(&v, "error", NULL, NULL);
	assert_null(control_poll(c, 0));
	/* it is still served, and still in control */
	emit_log(c, "alive");
	expect(&v, "log", "text", "alive");
	assert_true(control_has_controller(c));
	/* a line without end ends the connection */
	flood = xmalloc(200000);
	memset(flood, 'x', 200000);
	(void)send(v.fd, flood, 200000, MSG_NOSIGNAL);
	free(flood);
	expect_end(&v);
	client_close(&v);
	control_stop(c);
}

/* who does not read is dropped; the engine and the others notice nothing */
static void t_slow_viewer(void **state)
{
	struct fixture *f = *state;
	struct control *c = start(f);
	struct client slow, quick;
	char text[4001];
	size_t i, n = 0;
	ssize_t got = -1;
	char buf[65536];
	struct pollfd p;

	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	join_as(&slow, f, "view");
	join_as(&quick, f, "view");
	for (i = 0; i < 1000; i++) {
		emit_log(c, text);
		expect(&quick, "log", NULL, NULL);
	}
	/* shorter than a heartbeat, which would keep it alive. 4 MB: the
	   socket's buffer and the queue of 1 MiB hold less */
	p = (struct pollfd){ .fd = slow.fd, .events = POLLIN };
	while (poll(&p, 1, 5000) == 1 && n < 3000000 &&
	       (got = recv(slow.fd, buf, sizeof(buf), 0)) > 0)
		n += (size_t)got;
	assert_true(n < 3000000);
	assert_int_equal(got, 0);
	emit_log(c, "on");
	expect(&quick, "log", "text", "on");
	client_close(&slow);
	client_close(&quick);
	control_stop(c);
}

/* progress is merged: it never costs a viewer its connection */
static void t_progress_merges(void **state)
{
	struct fixture *f = *state;
	struct control *c = start(f);
	struct client slow, quick;
	struct json_object *o;
	uint64_t i, seen = 0, last = 0;
	bool end = false;

	join_as(&slow, f, "view");
	join_as(&quick, f, "view");
	for (i = 1; i <= 60000; i++)
		emit_progress(c, i);
	emit_log(c, "end");
	while (!end) {
		o = hear(&slow);
		assert_non_null(o);
		if (!strcmp(json_get_str(o, "type", ""), "progress")) {
			seen++;
			/* in order, and the last one is never missing */
			assert_true((uint64_t)json_get_int(o, "done", 0) >
				    last);
			last = (uint64_t)json_get_int(o, "done", 0);
		} else {
			assert_string_equal(json_get_str(o, "type", ""),
					    "log");
			end = true;
		}
		json_object_put(o);
	}
	assert_int_equal(last, 60000);
	assert_true(seen <= 60000);
	client_close(&slow);
	client_close(&quick);
	control_stop(c);
}

static void t_viewer_vanishes(void **state)
{
	struct fixture *f = *state;
	struct control *c = start(f);
	struct client v, w;
	int i;

	join_as(&w, f, "view");
	/* SIGPIPE would end the test */
	for (i = 0; i < 20; i++) {
		join_as(&v, f, i % 2 ? "control" : "view");
		emit_log(c, "one");
		client_close(&v);
		emit_log(c, "two");
	}
	for (i = 0; i < 20; i++) {
		expect(&w, "log", "text", "one");
		expect(&w, "log", "text", "two");
	}
	client_close(&w);
	control_stop(c);
}

static void t_long_path(void **state)
{
	struct fixture *f = *state;
	char name[101];
	struct control *c = NULL;
	struct client v;
	int a, b;

	memset(name, 'd', 100);
	name[100] = '\0';
	assert_int_equal(mkdirat(f->dirfd, name, 0700), 0);
	a = openat(f->dirfd, name, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(a, name, 0700), 0);
	b = openat(a, name, O_RDONLY | O_DIRECTORY);
	assert_int_equal(control_start(&c, b, NULL), 0);
	client_open(&v, b, "view");
	expect(&v, "status", NULL, NULL);
	client_close(&v);
	control_stop(c);
	close(a);
	close(b);
}

static void t_nobody_listens(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct control *c;
	struct client v;
	int fd;

	assert_int_equal(control_connect(f->dirfd, "view", NULL), -ENOENT);
	/* what a killed engine left */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path),
		       "/proc/self/fd/%d/control.sock", f->dirfd);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	assert_int_equal(control_connect(f->dirfd, "view", NULL),
			 -ECONNREFUSED);
	c = start(f);
	join_as(&v, f, "view");
	client_close(&v);
	control_stop(c);
}

/* as another user: the directory is open here, the socket still says no */
static void t_other_user(void **state)
{
	struct fixture *f = *state;
	struct control *c;
	pid_t pid;
	int status;

	if (geteuid() != 0)
		skip();
	c = start(f);
	assert_int_equal(fchmod(f->dirfd, 0755), 0);
	assert_int_equal(fchmodat(f->dirfd, "control.sock", 0666, 0), 0);
	pid = fork();
	if (pid == 0) {
		char buf[16];
		int fd;

		if (setgid(65534) || setuid(65534))
			_exit(3);
		fd = control_connect(f->dirfd, "control", NULL);
		_exit(fd >= 0 && recv(fd, buf, sizeof(buf), 0) > 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_false(control_has_controller(c));
	control_stop(c);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(t_stream), T(t_late_joiner), T(t_one_controller),
		T(t_garbage), T(t_slow_viewer), T(t_progress_merges),
		T(t_viewer_vanishes), T(t_long_path), T(t_nobody_listens),
		T(t_other_user),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
