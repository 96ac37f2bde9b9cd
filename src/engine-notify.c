/* SPDX-License-Identifier: MIT */
/*
 * Messages to people who do not look on (plan: notify). Each command runs in a
 * thread of its own, so that the work goes on; it has a time limit and ends
 * with its group. Before the process ends it waits for those that still run,
 * which their limits bound. One that fails is a note in the log and nothing
 * else: no message is worth a stopped upgrade.
 *
 * The command gets the event as one JSON object on standard input, and in
 * UPSHIFT_EVENT, UPSHIFT_MESSAGE, UPSHIFT_STEP, UPSHIFT_RUN, UPSHIFT_PLAN and
 * UPSHIFT_ROOT. What it says itself goes nowhere.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"

/* more at once are no messages any more */
#define NOTICES_MAX 16

struct notice {
	struct engine *e;
	const struct plan_notify *to;
	const char *event;
	pthread_t thread;
	struct strvec argv, env;
	int input;
	struct child_result res;
	struct error err;
	int ret;
	bool over;               /* written by the thread, last */
};

struct notices {
	struct notice *v[NOTICES_MAX];
	size_t n;
};

static bool cancelled(void *ctx)
{
	const struct notice *o = ctx;

	return o->e->cancel == ENGINE_CANCEL_NOW;
}

static const struct child_ops quiet_ops = { .cancelled = cancelled };

static void *run_notice(void *ctx)
{
	struct notice *o = ctx;
	const struct child_spec spec = {
		.argv = &o->argv, .env = &o->env, .lock_fd = -1,
		.dir_fd = o->e->sd->root_fd, .input_fd = o->input,
		.timeout_s = o->to->run.timeout_s, .ops = &quiet_ops,
		.ctx = o,
	};

	o->ret = child_run(&spec, &o->res, &o->err);
	__atomic_store_n(&o->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static void say_failed(const struct notice *o)
{
	_cleanup_free_ char *t = NULL;
	const char *cmd = o->argv.v[0];

	if (o->ret < 0)
		t = xasprintf(_("message '%s' was not sent: %s"), o->event,
			      o->err.msg);
	else if (o->res.timed_out)
		t = xasprintf(_("message '%s' was not sent: '%s' took longer "
				"than %.0f s"), o->event, cmd,
			      o->to->run.timeout_s);
	else if (o->res.exit_status)
		t = xasprintf(_("message '%s' was not sent: '%s' ended with "
				"status %d"), o->event, cmd,
			      o->res.exit_status);
	if (t)
		engine_log(o->e, NULL, "note", t, strlen(t));
}

static void say_full(struct engine *e, const char *event)
{
	_cleanup_free_ char *t = xasprintf(_("message '%s' was not sent: %d "
		"others are still on their way"), event, NOTICES_MAX);

	engine_log(e, NULL, "note", t, strlen(t));
}

static void free_notice(struct notice *o)
{
	strvec_release(&o->argv);
	strvec_release(&o->env);
	(void)fs_closep(&o->input); /* it was written and read */
	error_release(&o->err);
	free(o);
}

/* those that are over, or all of them */
static void collect(struct engine *e, bool all)
{
	struct notices *list = e->notices;
	size_t kept = 0;

	for (size_t i = 0; list && i < list->n; i++) {
		struct notice *o = list->v[i];

		if (!all && !__atomic_load_n(&o->over, __ATOMIC_ACQUIRE)) {
			list->v[kept++] = o;
			continue;
		}
		(void)pthread_join(o->thread, NULL); /* it is ours */
		say_failed(o);
		free_notice(o);
	}
	if (list)
		list->n = kept;
}

static struct json_object *describe(struct engine *e, const char *event,
				    const char *step, const char *message)
{
	struct json_object *j = json_object_new_object();
	char time[CLOCK_TEXT_SIZE], host[256] = "";
	struct timespec ts;

	clock_now(&ts);
	clock_format(&ts, time);
	(void)gethostname(host, sizeof(host) - 1); /* "" says nothing */
	json_set_str(j, "event", event);
	json_set_str(j, "time", time);
	json_set_str(j, "host", host);
	json_set_str(j, "plan", e->plan->name);
	json_set_str(j, "from", e->plan->from);
	json_set_str(j, "to", e->plan->to);
	json_set_str(j, "root", e->sd->root);
	json_set_str(j, "run", e->run->id);
	json_set_str(j, "step", step);
	json_set_str(j, "message", message);
	return j;
}

/* a file in memory: the whole of it is there at once, whatever is read */
static int input_of(struct json_object *j)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	_cleanup_close_ int fd = memfd_create("upshift", MFD_CLOEXEC);

	json_print(j, &sb);
	strbuf_addch(&sb, '\n');
	if (fd < 0 || fs_pwrite_all(fd, sb.buf, sb.len, 0) < 0)
		return -1;
	return TAKE_FD(fd);
}

static void start(struct engine *e, const struct plan_notify *to,
		  const char *event, const char *step, const char *message)
{
	_cleanup_json_ struct json_object *j = describe(e, event, step,
							message);
	struct notice *o = xcalloc(1, sizeof(*o));

	o->e = e;
	o->to = to;
	o->event = event;
	o->input = input_of(j);
	for (size_t i = 0; i < to->run.argv.n; i++)
		strvec_push(&o->argv, to->run.argv.v[i]);
	strvec_pushf(&o->env, "UPSHIFT_EVENT=%s", event);
	strvec_pushf(&o->env, "UPSHIFT_MESSAGE=%s", message ? message : "");
	strvec_pushf(&o->env, "UPSHIFT_STEP=%s", step ? step : "");
	strvec_pushf(&o->env, "UPSHIFT_RUN=%s", e->run->id);
	strvec_pushf(&o->env, "UPSHIFT_PLAN=%s", e->plan->name);
	strvec_pushf(&o->env, "UPSHIFT_ROOT=%s", e->sd->root);
	plan_command_env(e->plan, e->scope, &o->env);
	if (o->input < 0 ||
	    pthread_create(&o->thread, NULL, run_notice, o) != 0) {
		o->ret = error_set(&o->err, ERR_IO, -1, "%s",
				   _("no thread for it"));
		say_failed(o);
		free_notice(o);
		return;
	}
	e->notices->v[e->notices->n++] = o;
}

void engine_notify(struct engine *e, enum plan_notify_event event,
		   const char *step, const char *message)
{
	if (!e->plan->notify_n || !e->run || !e->run->writable || e->dry)
		return;
	if (!e->notices)
		e->notices = xcalloc(1, sizeof(*e->notices));
	collect(e, false);
	for (size_t i = 0; i < e->plan->notify_n; i++) {
		const struct plan_notify *to = &e->plan->notify[i];

		if (!(to->on & 1u << event))
			continue;
		if (e->notices->n < NOTICES_MAX)
			start(e, to, plan_notify_words[event], step, message);
		else
			say_full(e, plan_notify_words[event]);
	}
}

void engine_notify_end(struct engine *e)
{
	collect(e, true);
	free(e->notices);
	e->notices = NULL;
}
