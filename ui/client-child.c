/* SPDX-License-Identifier: MIT */
/*
 * The engine's side of the fork: a session of its own, no terminal, and every
 * descriptor opened anew. It leaves by _exit(), as what the parent had in its
 * buffers is the parent's.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "client-internal.h"
#include "event.h"
#include "frontend.h"
#include "rollback-text.h"
#include "session.h"
#include "text.h"

/* --- reporters --- */

struct ready {
	int fd;
	bool listens;
};

static void ready_event(void *self, const struct event *ev)
{
	struct ready *r = self;

	/* the socket is there when the first event is; a parent that has gone
	   needs no word */
	if (ev->type == EVENT_VERSION) {
		r->listens = true;
		(void)fs_write_all(r->fd, "1", 1);
	}
	/* no run, no socket: what is wrong goes the way that is there */
	if (ev->type == EVENT_ERROR && !r->listens && ev->error)
		say_error(ev->error);
}

static const struct reporter_ops ready_ops = {
	.name = "ready",
	.event = ready_event,
};

static void send_object(int fd, struct json_object *o)
{
	struct strbuf line = STRBUF_INIT;

	json_print(o, &line);
	strbuf_addch(&line, '\n');
	/* nobody reads any more: nothing was at stake, so leave */
	if (fs_write_all(fd, line.buf, line.len) < 0)
		_exit(6);
	strbuf_release(&line);
}

static void stream_event(void *self, const struct event *ev)
{
	const int *fd = self;
	struct json_object *o = event_to_json(ev);

	send_object(*fd, o);
	json_object_put(o);
}

static const struct reporter_ops stream_ops = {
	.name = "stream",
	.event = stream_event,
};

/* --- the process --- */

/* handlers of the screens are not ours; what nohup ignores stays ignored */
static void reset_signals(void)
{
	struct sigaction old, dfl;
	sigset_t none;

	memset(&dfl, 0, sizeof(dfl));
	dfl.sa_handler = SIG_DFL;
	for (int i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			(void)sigaction(i, &dfl, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	signals_install();
}

/* Nothing but the pipes may be ours: a terminal held open would be a terminal
   that cannot be closed. */
static void settle(struct client_pipes *p)
{
	int *const keep[] = { &p->ready, &p->report, &p->stream };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int next = STDERR_FILENO + 1;

	(void)setsid();
	die_set_hook(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		if (*keep[i] >= 0)
			/* out of the way of the next loop */
			*keep[i] = fcntl(*keep[i], F_DUPFD_CLOEXEC, 10);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(p->report, STDERR_FILENO);
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		if (*keep[i] >= 0)
			*keep[i] = dup3(*keep[i], next++, O_CLOEXEC);
	(void)close_range((unsigned int)next, ~0u, 0);
	reset_signals();
}

/* --- verbs --- */

static void take_answers(struct session *s, struct json_object *answers)
{
	if (!answers)
		return;
	json_object_object_foreach(answers, key, val)
		json_object_object_add(s->answers, key, json_object_get(val));
}

/* the plan as it was shown, or not at all */
static int same_plan(const struct session *s, const char *digest)
{
	struct error err = ERROR_INIT;

	if (!digest || !strcmp(digest, s->plan->digest))
		return 0;
	(void)error_set(&err, ERR_PLAN_CHANGED, 0,
			_("the plan file '%s' was changed while you looked at "
			  "it"), s->plan_path);
	error_hint(&err, "upshift run %s", s->plan_path);
	say_error(&err);
	error_release(&err);
	return 65;
}

static int prepare_new(struct session *s, const struct client_spec *spec)
{
	char id[RUN_ID_LEN + 1] = "";
	int ret = session_lint(s);

	if (!ret)
		ret = same_plan(s, spec->plan_digest);
	if (!ret)
		ret = session_values(s);
	if (!ret)
		ret = session_root(s);
	if (ret)
		return ret;
	take_answers(s, spec->answers);
	if (!spec->run_id && run_new_id(&s->sd, id) < 0)
		return 73;
	return session_new_plan(s, spec->run_id ? spec->run_id : id);
}

static int prepare_old(struct session *s, const struct client_spec *spec)
{
	bool writable = spec->verb == CLIENT_RESUME ||
		spec->verb == CLIENT_ROLLBACK;
	int ret = session_open_run(s, writable);

	if (ret)
		return ret;
	take_answers(s, spec->answers);
	return session_run_plan(s);
}

static int preview(struct engine *e, struct session *s, const char *point,
		   int fd)
{
	struct rollback_preview p = { 0 };
	struct error err = ERROR_INIT;
	int ret = engine_preview_rollback(e, s->run, point, &p, &err);

	if (ret < 0) {
		ret = error_code_exit(err.code);
		say_error(&err);
	} else {
		struct json_object *o = rollback_preview_json(&p);

		send_object(fd, o);
		json_object_put(o);
		ret = 0;
	}
	error_release(&err);
	rollback_preview_release(&p);
	return ret;
}

static int measure(struct engine *e, int fd)
{
	struct engine_need n = { 0 };
	struct error err = ERROR_INIT;
	struct json_object *o;
	int ret = engine_measure(e, &n, &err);

	if (ret < 0) {
		ret = error_code_exit(err.code);
		say_error(&err);
		error_release(&err);
		return ret;
	}
	o = json_object_new_object();
	json_set_str(o, "type", "measure");
	json_set_int(o, "items", (int64_t)n.items);
	json_set_int(o, "databases", (int64_t)n.databases);
	json_set_int(o, "bytes", (int64_t)n.bytes);
	json_set_int(o, "need", (int64_t)n.need);
	json_set_int(o, "have", (int64_t)n.have);
	send_object(fd, o);
	json_object_put(o);
	return 0;
}

static int do_verb(struct engine *e, struct session *s,
		   const struct client_spec *spec, int stream)
{
	switch (spec->verb) {
	case CLIENT_RUN:
		return engine_run(e, spec->run_id, s->run_started);
	case CLIENT_RESUME:
		return engine_resume(e, s->run);
	case CLIENT_ROLLBACK:
		return engine_rollback(e, s->run, spec->point);
	case CLIENT_VERIFY:
		return engine_verify(e, s->run, LEVEL_STANDARD);
	case CLIENT_PREVIEW:
		return preview(e, s, spec->point, stream);
	case CLIENT_MEASURE:
		return measure(e, stream);
	case CLIENT_ATTACHED:
		break;
	}
	return 70;
}

_noreturn_ void client_child(const struct client_spec *spec,
			     const struct client_pipes *pipes)
{
	struct client_pipes p = *pipes;
	struct event_bus bus = { .next_seq = spec->seq };
	struct engine_spec es;
	struct ready ready = { .fd = -1 };
	struct options o = *spec->o;
	enum plan_strategy way;
	struct session s;
	struct engine *e;
	int ret;

	settle(&p);
	/* by its place from now on, and nobody is asked here */
	o.root = spec->root;
	o.json = false;
	session_init(&s, &o, spec->kinds);
	if (spec->verb == CLIENT_RUN || spec->verb == CLIENT_MEASURE)
		ret = prepare_new(&s, spec);
	else
		ret = prepare_old(&s, spec);
	if (ret)
		_exit(ret);
	ready.fd = p.ready;
	if (p.stream < 0)
		event_bus_add(&bus, &ready_ops, &ready);
	else
		event_bus_add(&bus, &stream_ops, &p.stream);
	if (p.stream < 0 && log_file_add(&o, &bus))
		_exit(73);
	session_engine_spec(&s, &es, &bus);
	es.ask = NULL;
	es.opts.batch = false;
	es.opts.remote = p.stream < 0;
	/* what a batch run was told once is not said again by who sits here:
	   every page promises to ask */
	es.opts.yes = o.yes;
	es.opts.confirm = o.confirm;
	e = engine_new(&es);
	/* of a rollback that the user chose a way for */
	if (o.strategy && plan_strategy_parse(o.strategy, &way) >= 0 &&
	    (spec->verb == CLIENT_ROLLBACK || spec->verb == CLIENT_PREVIEW))
		engine_set_strategy(e, way);
	if (o.no_carry &&
	    (spec->verb == CLIENT_ROLLBACK || spec->verb == CLIENT_PREVIEW))
		engine_set_no_carry(e);
	signals_engine(e);
	ret = do_verb(e, &s, spec, p.stream);
	signals_engine(NULL);
	engine_free(e);
	event_bus_close(&bus);
	/* the lock and what waits for it go with the process */
	session_release(&s);
	_exit(ret);
}
