/* SPDX-License-Identifier: MIT */
/*
 * run - a command of the plan's
 *
 * run (argument list), dir ("."), env, timeout (600); creates, changes,
 * removes (paths, the last two also globs); probe and undo (argument lists).
 *
 * The command sees the variables and answers as UPSHIFT_VAR_name, and
 * UPSHIFT_ROOT, UPSHIFT_RUN, UPSHIFT_STEP. What it changes is what its effects
 * say; the engine watches that, and restores it. probe ends 0 (applied), 1
 * (not), 2 (partly). Without it the effects tell: all as before means not,
 * else partly; with neither nobody knows. undo is called before the files go
 * back, unless the probe says that nothing was done; it must bear being called
 * twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/child.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "step-files.h"
#include "step-saved.h"
#include "steps.h"

#define TIMEOUT_S 600

struct run_spec {
	struct strvec argv, env, probe, undo;
	struct strvec creates, changes, removes;
	char *dir;
	double timeout_s;
};

static int run_parse(struct step *s, struct plan_node *n)
{
	struct run_spec *r = xcalloc(1, sizeof(*r));

	s->priv = r;
	r->timeout_s = TIMEOUT_S;
	(void)plan_node_argv(n, "run", true, &r->argv);
	if (!plan_node_path(n, "dir", false, &r->dir) && !r->dir)
		r->dir = xstrdup(".");
	(void)plan_node_env(n, "env", &r->env);
	if (plan_node_duration(n, "timeout", &r->timeout_s) &&
	    r->timeout_s <= 0)
		plan_node_problem(n, "timeout",
				  _("the time limit must be above 0"));
	(void)plan_node_paths(n, "creates", false, false, &r->creates);
	(void)plan_node_paths(n, "changes", false, true, &r->changes);
	(void)plan_node_paths(n, "removes", false, true, &r->removes);
	(void)plan_node_argv(n, "probe", false, &r->probe);
	(void)plan_node_argv(n, "undo", false, &r->undo);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static bool has_effects(const struct run_spec *r)
{
	return r->creates.n || r->changes.n || r->removes.n;
}

static void add_all(struct effects *out, enum effect_type type,
		    const struct strvec *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		effects_add(out, type, glob_has_magic(paths->v[i]) ?
			    EFFECT_PATTERN : 0, paths->v[i]);
}

/* a program below the root may be the work of an earlier step */
static void add_program(struct effects *out, const struct run_spec *r,
			const struct strvec *argv)
{
	_cleanup_free_ char *path = NULL, *joined = NULL;

	if (!argv->n || *argv->v[0] == '/' || !strchr(argv->v[0], '/'))
		return;
	joined = path_join(r->dir, argv->v[0]);
	path = path_normalize(joined);
	if (!path_check(path))
		effects_add(out, EFFECT_READ, EFFECT_SELF, path);
}

static int run_effects(const struct step *s, struct step_ctx *ctx,
		       struct effects *out, struct error *err)
{
	const struct run_spec *r = s->priv;
	int ret = 0;

	for (size_t i = 0; i < r->creates.n && ret >= 0; i++)
		ret = step_files_effect(ctx, r->creates.v[i], 0, out, err);
	add_program(out, r, &r->argv);
	add_program(out, r, &r->undo);
	add_all(out, EFFECT_CHANGE, &r->changes);
	add_all(out, EFFECT_REMOVE, &r->removes);
	out->outside = !has_effects(r);
	return ret;
}

static bool run_undoable(const struct step *s)
{
	const struct run_spec *r = s->priv;

	return r->undo.n || has_effects(r);
}

static int find_program(const struct run_spec *r, struct step_ctx *ctx,
			const struct strvec *argv, struct check_result *res)
{
	_cleanup_close_ int dir = fs_open_beneath(step_root_fd(ctx), r->dir,
						  O_RDONLY | O_DIRECTORY, 0);
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *shown = NULL;

	if (dir < 0) {
		shown = escape_bytes(r->dir);
		check_result_set(res, CHECK_FAIL,
				 _("cannot enter directory '%s': %s"), shown,
				 strerror(-dir));
		return -1;
	}
	if (!argv->n || child_find(argv->v[0], dir, &path) >= 0)
		return 0;
	shown = escape_bytes(argv->v[0]);
	check_result_set(res, CHECK_FAIL, _("cannot find program '%s'"),
			 shown);
	res->code = ERR_TOOL;
	return -1;
}

static int run_check(const struct step *s, struct step_ctx *ctx,
		     struct check_result *res, struct error *err)
{
	const struct run_spec *r = s->priv;

	(void)err;
	if (find_program(r, ctx, &r->argv, res) == 0 &&
	    find_program(r, ctx, &r->undo, res) == 0)
		check_result_set(res, CHECK_OK, _("the command is there"));
	return 0;
}

static void show_argv(const struct step *s, const char *what,
		      const struct strvec *argv, struct preview *p)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	if (!argv->n)
		return;
	strbuf_addstr(&sb, what);
	/* arguments may hold answers */
	for (size_t i = 0; i < (s->secret ? 1 : argv->n); i++) {
		strbuf_addch(&sb, ' ');
		strbuf_add_escaped(&sb, argv->v[i], strlen(argv->v[i]));
	}
	strvec_push(&p->lines, sb.buf);
}

static void show_paths(const char *what, const struct strvec *paths,
		       struct preview *p)
{
	for (size_t i = 0; i < paths->n; i++)
		step_files_say(p, what, paths->v[i]);
}

static int run_preview(const struct step *s, struct step_ctx *ctx,
		       struct preview *p, struct error *err)
{
	const struct run_spec *r = s->priv;

	(void)ctx;
	(void)err;
	show_argv(s, _("would run:"), &r->argv, p);
	show_paths(_("it creates"), &r->creates, p);
	show_paths(_("it changes"), &r->changes, p);
	show_paths(_("it removes"), &r->removes, p);
	show_argv(s, _("undone by:"), &r->undo, p);
	if (!run_undoable(s))
		strvec_push(&p->lines, _("nothing can bring back what it "
			    "does"));
	return 0;
}

/* --- commands --- */

static int command(const struct step *s, struct step_ctx *ctx,
		   const struct strvec *argv, bool read_only,
		   struct strbuf *tail, struct child_result *res,
		   struct error *err)
{
	const struct run_spec *r = s->priv;
	_cleanup_strvec_ struct strvec env = STRVEC_INIT;
	struct step_run_info info;
	struct step_command cmd = {
		.argv = argv, .env = &env, .dir = r->dir,
		.timeout_s = r->timeout_s, .read_only = read_only,
		.tail = tail,
	};

	step_run_info(ctx, &info);
	strvec_pushf(&env, "UPSHIFT_ROOT=%s", step_root(ctx));
	strvec_pushf(&env, "UPSHIFT_RUN=%s", info.run_id);
	strvec_pushf(&env, "UPSHIFT_STEP=%s", s->id);
	for (size_t i = 0; i < r->env.n; i++)
		strvec_push(&env, r->env.v[i]);
	return step_command(ctx, &cmd, res, err);
}

/* "'prog' ended with status 3: last lines" */
static int judge(const struct step *s, const struct strvec *argv,
		 const struct child_result *res, const struct strbuf *tail,
		 struct error *err)
{
	const struct run_spec *r = s->priv;
	_cleanup_free_ char *prog = escape_bytes(argv->v[0]);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	size_t len = tail->len;

	if (!res->timed_out && res->exit_status == 0)
		return 0;
	while (len && tail->buf[len - 1] == '\n')
		len--;
	if (len)
		strbuf_addstr(&text, ": ");
	strbuf_add_escaped(&text, tail->buf, len);
	if (res->timed_out)
		return error_set(err, ERR_STEP_TIMEOUT, -ETIMEDOUT,
			_("'%s' did not end within %g seconds%s"), prog,
			r->timeout_s, text.buf);
	if (res->exit_status < 0)
		return error_set(err, ERR_STEP_COMMAND, -ECHILD,
			_("'%s' was ended by signal %d%s"), prog, res->signal,
			text.buf);
	return error_set(err, ERR_STEP_COMMAND, -ECHILD,
			 _("'%s' ended with status %d%s"), prog,
			 res->exit_status, text.buf);
}

static int ask_command(const struct step *s, struct step_ctx *ctx,
		       enum step_probe *ret, struct error *err)
{
	const struct run_spec *r = s->priv;
	struct child_result res;
	struct error why = ERROR_INIT;
	int n = command(s, ctx, &r->probe, true, NULL, &res, &why);

	*ret = PROBE_UNKNOWN;
	if (n < 0 && why.code != ERR_TOOL) {
		error_move(err, &why);
		return n;
	}
	if (n >= 0 && !res.timed_out)
		*ret = res.exit_status == 0 ? PROBE_FULLY :
			res.exit_status == 1 ? PROBE_NOT :
			res.exit_status == 2 ? PROBE_PARTLY : PROBE_UNKNOWN;
	error_release(&why);
	return 0;
}

static int run_probe(const struct step *s, struct step_ctx *ctx,
		     enum step_probe *ret, struct error *err)
{
	const struct run_spec *r = s->priv;
	int same;

	if (r->probe.n)
		return ask_command(s, ctx, ret, err);
	*ret = PROBE_UNKNOWN;
	if (!has_effects(r))
		return 0;
	same = step_saved_unchanged(ctx, err);
	*ret = same ? PROBE_NOT : PROBE_PARTLY;
	return MIN(same, 0);
}

static int flush_outside(struct step_ctx *ctx, const struct strvec *paths)
{
	int ret = 0;

	for (size_t i = 0; i < paths->n && ret >= 0; i++) {
		_cleanup_close_ int dir = -1;
		const char *name;

		if (*paths->v[i] != '/' || glob_has_magic(paths->v[i]))
			continue;
		dir = fs_open_parent(step_root_fd(ctx), paths->v[i], &name);
		/* gone, with the directory that held it */
		ret = dir == -ENOENT || dir == -ENOTDIR ? 0 :
			dir < 0 ? dir : fs_sync_fs(dir);
	}
	return ret;
}

/* Commands do not flush what they write. */
static int flush(const struct run_spec *r, struct step_ctx *ctx,
		 struct error *err)
{
	int ret = fs_sync_fs(step_root_fd(ctx));

	if (ret >= 0)
		ret = flush_outside(ctx, &r->creates);
	if (ret >= 0)
		ret = flush_outside(ctx, &r->changes);
	if (ret >= 0)
		ret = flush_outside(ctx, &r->removes);
	return ret < 0 ? error_errno(err, ERR_STEP, ret,
			_("cannot flush what the command wrote")) : 0;
}

static int run_apply(const struct step *s, struct step_ctx *ctx,
		     struct error *err)
{
	const struct run_spec *r = s->priv;
	_cleanup_strbuf_ struct strbuf tail = STRBUF_INIT;
	struct child_result res;
	int ret = command(s, ctx, &r->argv, false, &tail, &res, err);

	if (ret >= 0)
		ret = judge(s, &r->argv, &res, &tail, err);
	return ret < 0 ? ret : flush(r, ctx, err);
}

static int run_verify(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	const struct run_spec *r = s->priv;
	enum step_probe p = PROBE_FULLY;
	int ret = r->probe.n ? ask_command(s, ctx, &p, err) : 0;

	if (ret >= 0 && p != PROBE_FULLY)
		return error_set(err, ERR_STEP_VERIFY, -EBADMSG,
			_("the probe does not say that it is applied (%s)"),
			step_probe_name(p));
	for (size_t i = 0; i < r->creates.n && ret >= 0; i++) {
		struct stat st;

		ret = step_files_stat(ctx, r->creates.v[i], &st, err);
		if (ret == 0) {
			_cleanup_free_ char *shown = escape_bytes(
							r->creates.v[i]);

			step_warn(ctx, _("the command did not create '%s'"),
				  shown);
		}
	}
	return MIN(ret, 0);
}

/*
 * Not applied, says the probe: nothing is run. Applied, partly, or nobody can
 * tell: the undo command is run, also for a second time after a kill.
 */
static int run_undo(const struct step *s, struct step_ctx *ctx,
		    struct error *err)
{
	const struct run_spec *r = s->priv;
	_cleanup_strbuf_ struct strbuf tail = STRBUF_INIT;
	enum step_probe p = PROBE_UNKNOWN;
	struct child_result res;
	int ret = 0;

	if (!r->undo.n)
		return 0;
	if (r->probe.n)
		ret = ask_command(s, ctx, &p, err);
	if (ret < 0 || p == PROBE_NOT)
		return ret;
	ret = command(s, ctx, &r->undo, false, &tail, &res, err);
	if (ret >= 0)
		ret = judge(s, &r->undo, &res, &tail, err);
	return ret < 0 ? ret : flush(r, ctx, err);
}

static void run_release(struct step *s)
{
	struct run_spec *r = s->priv;

	if (!r)
		return;
	strvec_release(&r->argv);
	strvec_release(&r->env);
	strvec_release(&r->probe);
	strvec_release(&r->undo);
	strvec_release(&r->creates);
	strvec_release(&r->changes);
	strvec_release(&r->removes);
	free(r->dir);
	free(r);
	s->priv = NULL;
}

const struct step_ops run_ops = {
	.name = "run",
	.flags = STEP_WATCH,
	.parse = run_parse,
	.effects = run_effects,
	.check = run_check,
	.preview = run_preview,
	.probe = run_probe,
	.apply = run_apply,
	.verify = run_verify,
	.undo = run_undo,
	.undoable = run_undoable,
	.release = run_release,
};
