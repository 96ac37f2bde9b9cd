/* SPDX-License-Identifier: MIT */
/*
 * Commands of a step (step.h): the record of the child, its lock, its output
 * and progress. In a dry run nothing is started.
 */
#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include "base/child.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "redact.h"

#define CAPTURE_MAX (64u * 1024u)
#define TAIL_MAX 1024u

/* --- commands --- */

struct running {
	struct step_ctx *c;
	const struct step_command *cmd;
	bool recorded;
	struct redact redact[2];     /* of each stream: a key may span lines */
};

/* what a command must not tell: secret answers, passwords of stores */
static void know_secrets(const struct engine *e, struct redact *r)
{
	_cleanup_strvec_ struct strvec words = STRVEC_INIT;

	plan_store_secrets(e->plan, &words);
	for (size_t i = 0; i < words.n; i++)
		redact_add_value(r, words.v[i]);
	for (size_t i = 0; i < e->plan->answer_n; i++) {
		const struct plan_answer *a = &e->plan->answers[i];
		const char *v = e->scope ? json_get_str(e->scope->answers,
							a->id, NULL) : NULL;

		if (!a->secret)
			continue;
		redact_add_name(r, a->id);
		if (v)
			redact_add_value(r, v);
	}
}

/* does the journal have it, so that nobody starts a second one? */
static bool is_kept(const struct step_ctx *c, const struct step_command *cmd)
{
	return !cmd->read_only && c->e->run && (c->index >= 0 || cmd->of_run);
}

static struct json_object *new_record(const struct step_ctx *c)
{
	struct json_object *rec = json_object_new_object();

	json_set_str(rec, "what", "child");
	if (c->step)
		json_set_str(rec, "step", c->step->id);
	else
		json_set_bool(rec, "of_run", true);
	return rec;
}

static int on_start(void *ctx, pid_t pid, uint64_t start)
{
	struct running *r = ctx;
	struct json_object *rec;

	if (!is_kept(r->c, r->cmd))
		return 0;
	rec = new_record(r->c);
	json_set_int(rec, "pgid", (int64_t)pid);
	json_set_int(rec, "start", (int64_t)start);
	json_set_bool(rec, "ended", false);
	if (run_record(r->c->e->run, rec, NULL) < 0)
		return -EIO;
	r->recorded = true;
	return 0;
}

/* keeps whole lines at the end, as many as fit */
static void add_tail(struct strbuf *tail, const char *line, size_t len)
{
	size_t from = 0;

	strbuf_add(tail, line, MIN(len, TAIL_MAX));
	strbuf_addch(tail, '\n');
	while (tail->len - from > TAIL_MAX + 1) {
		const char *nl = memchr(tail->buf + from, '\n',
					tail->len - from);

		from = (size_t)(nl - tail->buf) + 1;
	}
	memmove(tail->buf, tail->buf + from, tail->len - from);
	strbuf_set_len(tail, tail->len - from);
}

static void on_line(void *ctx, enum child_stream s, const char *line,
		    size_t len)
{
	_cleanup_strbuf_ struct strbuf safe = STRBUF_INIT;
	struct running *r = ctx;

	/* the plan judges by what was said, people see what may be shown */
	redact_line(&r->redact[s], line, len, &safe);
	if (r->cmd->tail)
		add_tail(r->cmd->tail, safe.buf, safe.len);
	if (s == CHILD_OUT && r->cmd->capture &&
	    r->cmd->capture->len + len < CAPTURE_MAX) {
		strbuf_add(r->cmd->capture, line, len);
		strbuf_addch(r->cmd->capture, '\n');
	}
	if (!r->cmd->quiet)
		step_log(r->c, s == CHILD_OUT ? "out" : "err", safe.buf,
			 safe.len);
}

static void on_progress(void *ctx, const char *part, uint64_t done,
			uint64_t total,
			const char *unit)
{
	struct running *r = ctx;

	step_progress_part(r->c, part, done, total, unit);
}

static bool on_cancelled(void *ctx)
{
	struct running *r = ctx;

	return step_cancelled(r->c);
}

static const struct child_ops running_ops = {
	.on_start = on_start,
	.on_line = on_line,
	.on_progress = on_progress,
	.cancelled = on_cancelled,
};

static void log_would_run(struct step_ctx *c, const struct step_command *cmd)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addstr(&sb, _("would run:"));
	for (size_t i = 0; i < cmd->argv->n; i++) {
		strbuf_addch(&sb, ' ');
		strbuf_add_escaped(&sb, cmd->argv->v[i],
				   strlen(cmd->argv->v[i]));
	}
	step_log(c, "note", sb.buf, sb.len);
	strbuf_release(&sb);
}

/*
 * A fresh lock file for each child: one that a daemon of an earlier command
 * still holds must not look like this child.
 */
static int open_child_lock(struct step_ctx *c)
{
	int fd, ret = fs_unlink(c->e->run->fd, "child.lock", 0);

	if (ret < 0 && ret != -ENOENT)
		return ret;
	fd = fs_open(c->e->run->fd, "child.lock",
		     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		ret = -errno;
		(void)close(fd);
		return ret;
	}
	return fd;
}

/*
 * What was left for this moment: ${step.started}. Values of variables and
 * answers come in the environment, where a script cannot take them for text
 * of its own.
 */
static void fill_command(struct step_ctx *c, const struct step_command *cmd,
			 struct strvec *argv, struct strvec *env)
{
	const char *started = step_started(c);

	for (size_t i = 0; i < cmd->argv->n; i++) {
		struct strbuf sb = STRBUF_INIT;

		expand_step_started(cmd->argv->v[i], started, &sb);
		strvec_take(argv, strbuf_detach(&sb));
	}
	for (size_t i = 0; cmd->env && i < cmd->env->n; i++) {
		struct strbuf sb = STRBUF_INIT;

		expand_step_started(cmd->env->v[i], started, &sb);
		strvec_take(env, strbuf_detach(&sb));
	}
	plan_command_env(c->e->plan, c->e->scope, env);
}

static int record_ended(struct step_ctx *c, struct error *err)
{
	struct json_object *rec = new_record(c);

	json_set_bool(rec, "ended", true);
	return run_record(c->e->run, rec, err);
}

int step_command(struct step_ctx *c, const struct step_command *cmd,
		 struct child_result *ret, struct error *err)
{
	struct running r = { .c = c, .cmd = cmd };
	_cleanup_strvec_ struct strvec argv = STRVEC_INIT, env = STRVEC_INIT;
	_cleanup_close_ int dir = -1, lock = -1;
	struct child_spec spec = {
		.argv = &argv, .env = &env, .lock_fd = -1,
		.timeout_s = cmd->timeout_s, .ops = &running_ops, .ctx = &r,
		.input_fd = cmd->input_fd, .output_fd = cmd->output_fd,
	};
	int n;

	memset(ret, 0, sizeof(*ret));
	if (c->e->dry) {
		c->ran_command = true;
		log_would_run(c, cmd);
		return 0;
	}
	dir = fs_open_beneath(c->e->sd->root_fd, cmd->dir ? cmd->dir : ".",
			      O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return error_errno(err, ERR_STEP_COMMAND, dir,
				   _("cannot enter directory '%s'"),
				   cmd->dir ? cmd->dir : ".");
	spec.dir_fd = dir;
	fill_command(c, cmd, &argv, &env);
	if (is_kept(c, cmd)) {
		lock = open_child_lock(c);
		if (lock < 0)
			return error_errno(err, ERR_STATE, lock,
					   _("cannot make the child's lock"));
		spec.lock_fd = lock;
	}
	know_secrets(c->e, &r.redact[CHILD_OUT]);
	know_secrets(c->e, &r.redact[CHILD_ERR]);
	n = child_run(&spec, ret, err);
	redact_release(&r.redact[CHILD_OUT]);
	redact_release(&r.redact[CHILD_ERR]);
	if (r.recorded) {
		struct error rerr = ERROR_INIT;
		int m = record_ended(c, &rerr);

		if (n >= 0 && m < 0) {
			n = m;
			error_move(err, &rerr);
		}
		error_release(&rerr);
	}
	if (n >= 0 && ret->cancelled)
		n = error_set(err, ERR_CANCELLED, -ECANCELED,
			      _("stopped by the user"));
	if (n >= 0 && ret->truncated)
		step_log(c, "note", _("more output left out"),
			 strlen(_("more output left out")));
	return n;
}
