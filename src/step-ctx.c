/* SPDX-License-Identifier: MIT */
/*
 * What a step gets from the engine while it works (step.h). Without a run
 * (checks alone, dry run) facts live in memory and no command is started in a
 * dry run.
 */
#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include "backup.h"
#include "base/child.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "journal.h"
#include "manifest.h"
#include "step-files.h"

#define CAPTURE_MAX (64u * 1024u)
#define TAIL_MAX 1024u

void step_ctx_init(struct step_ctx *c, struct engine *e, const struct step *s,
		   enum event_phase phase)
{
	memset(c, 0, sizeof(*c));
	c->e = e;
	c->step = s;
	c->phase = phase;
	c->index = s ? plan_step_index(e->plan, s->id) : -1;
	if (c->index >= 0 && e->plan->steps[c->index] != s)
		c->index = -1;
	engine_meter_begin(&c->meter);
}

/* Stages are scratch: what a step placed is no longer in them. */
static void drop_stage(struct step_ctx *c, const char *path)
{
	const char *name;
	int dir = fs_open_parent(c->e->sd->root_fd, path, &name);

	if (dir < 0)
		return;
	(void)fs_remove_tree(dir, name);
	(void)close(dir);
}

void step_ctx_release(struct step_ctx *c)
{
	for (size_t i = 0; i < c->stages.n; i++)
		drop_stage(c, c->stages.v[i]);
	strvec_release(&c->stages);
	if (c->e->run && c->index >= 0 && c->e->run->fd >= 0 &&
	    c->e->run->writable)
		(void)fs_remove_tree(c->e->run->fd, "stage");
}

int step_root_fd(struct step_ctx *c)
{
	return c->e->sd->root_fd;
}

const char *step_root(struct step_ctx *c)
{
	return c->e->sd->root;
}

const struct plan *step_plan(struct step_ctx *c)
{
	return c->e->plan;
}

const char *step_skip(struct step_ctx *c)
{
	return c->e->sd->skip;
}

static const char *ctx_id(struct step_ctx *c)
{
	return c->step ? c->step->id : "app";
}

void step_progress(struct step_ctx *c, uint64_t done, uint64_t total,
		   const char *unit)
{
	engine_progress(c->e, &c->meter, c->phase, ctx_id(c), c->index + 1,
			done, total, unit);
}

void step_warn(struct step_ctx *c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	engine_warn(c->e, ctx_id(c), text);
}

void step_log(struct step_ctx *c, const char *stream, const char *text,
	      size_t len)
{
	engine_log(c->e, ctx_id(c), stream, text, len);
}

bool step_cancelled(struct step_ctx *c)
{
	return engine_cancelled(c->e) == ENGINE_CANCEL_NOW;
}

/* --- staging --- */

static int same_fs(int a, int b)
{
	struct stat sa, sb;

	if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0)
		return -errno;
	return sa.st_dev == sb.st_dev;
}

/* the nearest directory above rel that exists; ret_rel: its path */
static int open_above(struct step_ctx *c, const char *rel, char **ret_rel)
{
	_cleanup_free_ char *dir = path_dirname(rel);

	for (;;) {
		_cleanup_free_ char *up = NULL;
		int fd = *dir == '/' ?
			fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY |
				O_NOFOLLOW, 0) :
			fs_open_beneath(c->e->sd->root_fd, dir,
					O_RDONLY | O_DIRECTORY, 0);

		if (fd != -ENOENT) {
			if (fd >= 0)
				*ret_rel = TAKE_PTR(dir);
			return fd;
		}
		up = path_dirname(dir);
		if (!strcmp(up, dir))
			return -ENOENT;
		free(dir);
		dir = TAKE_PTR(up);
	}
}

static int stage_beside(struct step_ctx *c, int dir, const char *where,
			int *ret_fd)
{
	_cleanup_free_ char *name = xasprintf(".upshift-stage-%s",
					      c->e->run->id);
	char *path = path_join(where, name);
	int ret = fs_mkdir(dir, name, 0700);

	if (ret == -EEXIST)
		ret = 0;
	if (ret >= 0)
		ret = fs_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
			      0);
	if (ret < 0) {
		free(path);
		return ret;
	}
	if (strvec_has(&c->stages, path))
		free(path);
	else
		strvec_take(&c->stages, path);
	*ret_fd = ret;
	return 0;
}

int step_stage(struct step_ctx *c, const char *rel, int *ret_fd,
	       struct error *err)
{
	_cleanup_free_ char *where = NULL;
	_cleanup_close_ int above = -1;
	int ret;

	if (!c->e->run)
		BUG("a stage without a run");
	above = open_above(c, rel, &where);
	if (above < 0)
		return error_errno(err, ERR_IO, above,
				   _("cannot open the directory of '%s'"),
				   rel);
	ret = same_fs(above, c->e->run->fd);
	if (ret == 0) {
		ret = stage_beside(c, above, where, ret_fd);
	} else if (ret > 0) {
		ret = fs_mkdir(c->e->run->fd, "stage", 0700);
		if (ret >= 0 || ret == -EEXIST)
			ret = *ret_fd = fs_open(c->e->run->fd, "stage",
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	}
	if (ret < 0)
		return error_errno(err, ERR_STEP, ret,
				   _("cannot make room to stage '%s'"), rel);
	return 0;
}

/* what lies in the stage must be on the disk before its name moves */
static int sync_staged(int stage_fd, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (fstatat(stage_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return fs_sync_fs(stage_fd);
	if (!S_ISREG(st.st_mode))
		return 0;
	/* the mode may forbid reading; then all of the file system is synced */
	fd = fs_open(stage_fd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd == -EACCES)
		return fs_sync_fs(stage_fd);
	return fd < 0 ? fd : fs_sync(fd);
}

int step_place(struct step_ctx *c, int stage_fd, const char *name,
	       const char *rel, bool replace, struct error *err)
{
	_cleanup_close_ int dir = -1;
	const char *base;
	int ret = sync_staged(stage_fd, name);

	if (ret < 0)
		return error_errno(err, ERR_STEP, ret,
				   _("cannot flush the new '%s'"), rel);
	dir = fs_open_parent(c->e->sd->root_fd, rel, &base);
	if (dir < 0)
		return error_errno(err, ERR_STEP, dir,
				   _("cannot open the directory of '%s'"),
				   rel);
	ret = fs_rename(stage_fd, name, dir, base,
			replace ? 0 : RENAME_NOREPLACE);
	if (ret >= 0)
		ret = fs_sync_dir(dir, ".");
	if (ret >= 0)
		ret = fs_sync_dir(stage_fd, ".");
	if (ret < 0)
		return error_errno(err, ret == -EEXIST ? ERR_STEP_EXISTS :
				   ERR_STEP, ret, _("cannot put '%s' in place"),
				   rel);
	return 0;
}

int step_make_parents(struct step_ctx *c, const char *rel, struct error *err)
{
	_cleanup_free_ char *dir = path_dirname(rel);
	_cleanup_strvec_ struct strvec made = STRVEC_INIT;
	int ret = fs_mkdirs(c->e->sd->root_fd, dir, 0755, &made);

	for (size_t i = 0; ret >= 0 && i < made.n; i++)
		ret = step_files_own_as(c, c->e->sd->root_fd, made.v[i],
					made.v[i]);
	if (ret < 0)
		return error_errno(err, ERR_STEP, ret,
				   _("cannot make directory '%s'"), dir);
	return 0;
}

/* --- facts --- */

int step_set_fact(struct step_ctx *c, const char *key, struct json_object *v,
		  struct error *err)
{
	if (!c->e->run || !c->step)
		BUG("a fact '%s' without a step", key);
	return run_record_fact(c->e->run, c->step->id, key, v, err);
}

struct json_object *step_get_fact(struct step_ctx *c, const char *key)
{
	if (!c->e->run || c->index < 0)
		return NULL;
	return json_get(c->e->run->steps[c->index].facts, key);
}

int step_set_run_fact(struct step_ctx *c, const char *key,
		      struct json_object *v, struct error *err)
{
	if (c->e->run && c->e->run->writable)
		return run_record_fact(c->e->run, NULL, key, v, err);
	json_object_object_add(c->e->run_facts, key, v);
	return 0;
}

struct json_object *step_get_run_fact(struct step_ctx *c, const char *key)
{
	struct json_object *v = json_get(c->e->run_facts, key);

	return v || !c->e->run ? v : json_get(c->e->run->facts, key);
}

/* --- pre-images --- */

static int find_item(struct step_ctx *c, const char *name, const char *digest,
		     const char *path, struct item *ret, struct error *err)
{
	struct manifest_reader *r = NULL;
	const struct item *it;
	int n = manifest_reader_open(&r, c->e->run->backup_fd, name, digest,
				     err);

	if (n < 0)
		return n;
	while ((n = manifest_next(r, &it, err)) > 0) {
		int cmp = path_cmp(it->path, path);

		if (cmp < 0)
			continue;
		if (cmp == 0 && !(it->flags & ITEM_PARENT))
			item_copy(ret, it);
		else
			n = 0;
		break;
	}
	manifest_reader_free(r);
	return n;
}

/* the pre-image of this attempt; false: there is none */
static bool pre_image(struct step_ctx *c, char name[STEP_NAME_SIZE],
		      const char **digest)
{
	const struct run_step *rs;

	if (!c->e->run || c->index < 0)
		return false;
	rs = &c->e->run->steps[c->index];
	if (!rs->pre_digest)
		return false;
	engine_step_name(name, STEP_NAME_SIZE, rs->id, rs->attempt,
			 ".manifest.jsonl");
	*digest = rs->pre_digest;
	return true;
}

int step_pre_item(struct step_ctx *c, const char *path, struct item *ret,
		  struct error *err)
{
	char name[STEP_NAME_SIZE];
	const char *digest;

	if (!pre_image(c, name, &digest))
		return 0;
	return find_item(c, name, digest, path, ret, err);
}

int step_pre_walk(struct step_ctx *c, step_item_fn *fn, void *ctx,
		  struct error *err)
{
	struct manifest_reader *r = NULL;
	char name[STEP_NAME_SIZE];
	const struct item *it;
	const char *digest;
	int ret;

	if (!pre_image(c, name, &digest))
		return 0;
	ret = manifest_reader_open(&r, c->e->run->backup_fd, name, digest,
				   err);
	while (ret >= 0 && (ret = manifest_next(r, &it, err)) > 0)
		ret = fn(ctx, it, err);
	manifest_reader_free(r);
	return ret;
}

/* --- text --- */

static char *lookup(void *ctx, const char *name)
{
	struct step_ctx *c = ctx;

	if (!strcmp(name, "step.started"))
		return xstrdup(step_started(c));
	return plan_lookup(c->e->plan, c->e->scope, name);
}

int step_expand(struct step_ctx *c, const char *text, size_t len, bool json,
		struct strbuf *out, struct error *err)
{
	return expand_text(text, len, json, lookup, c, out, err);
}

const char *step_started(struct step_ctx *c)
{
	const struct run_step *rs;

	if (!c->e->run || c->index < 0)
		return c->e->scope && c->e->scope->run_started ?
			c->e->scope->run_started : "";
	rs = &c->e->run->steps[c->index];
	return rs->started ? rs->started : journal_last_time(c->e->run->journal);
}

/* --- commands --- */

struct running {
	struct step_ctx *c;
	const struct step_command *cmd;
	bool recorded;
};

static int on_start(void *ctx, pid_t pid, uint64_t start)
{
	struct running *r = ctx;
	struct json_object *rec;

	if (r->cmd->read_only || !r->c->e->run || r->c->index < 0)
		return 0;
	rec = json_object_new_object();
	json_set_str(rec, "what", "child");
	json_set_str(rec, "step", r->c->step->id);
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
	struct running *r = ctx;

	if (r->cmd->tail)
		add_tail(r->cmd->tail, line, len);

	if (s == CHILD_OUT && r->cmd->capture &&
	    r->cmd->capture->len + len < CAPTURE_MAX) {
		strbuf_add(r->cmd->capture, line, len);
		strbuf_addch(r->cmd->capture, '\n');
	}
	step_log(r->c, s == CHILD_OUT ? "out" : "err", line, len);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total,
			const char *unit)
{
	struct running *r = ctx;

	step_progress(r->c, done, total, unit);
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
	struct json_object *rec = json_object_new_object();

	json_set_str(rec, "what", "child");
	json_set_str(rec, "step", c->step->id);
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
	if (!cmd->read_only && c->e->run && c->index >= 0) {
		lock = open_child_lock(c);
		if (lock < 0)
			return error_errno(err, ERR_STATE, lock,
					   _("cannot make the child's lock"));
		spec.lock_fd = lock;
	}
	n = child_run(&spec, ret, err);
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
		engine_log(c->e, ctx_id(c), "note", _("more output left out"),
			   strlen(_("more output left out")));
	return n;
}

/* --- archives, space, comparisons --- */

static bool pack_cancelled(void *ctx)
{
	return step_cancelled(ctx);
}

static void pack_progress(void *ctx, uint64_t done, uint64_t total)
{
	step_progress(ctx, done, total, "bytes");
}

static void pack_warn(void *ctx, const char *path, const char *text)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	step_warn(ctx, "%s: %s", shown, text);
}

int step_pack(struct step_ctx *c, const struct strvec *paths, int stage_fd,
	      const char *name, struct error *err)
{
	struct effects set = EFFECTS_INIT;
	struct backup_result res = { 0 };
	struct backup_spec spec;
	_cleanup_free_ char *archive = NULL;
	_cleanup_free_ char *stem = xstrdup(name);
	int ret;

	if (str_ends(stem, ".tar.zst"))
		stem[strlen(stem) - strlen(".tar.zst")] = '\0';
	for (size_t i = 0; i < paths->n; i++)
		effects_add(&set, EFFECT_READ, 0, paths->v[i]);
	engine_backup_spec(c->e, &spec);
	spec.exclude = NULL;
	spec.set = &set;
	spec.progress = pack_progress;
	spec.warn = pack_warn;
	spec.cancelled = pack_cancelled;
	spec.ctx = c;
	ret = backup_create(stage_fd, stem, &spec, &res, err);
	effects_release(&set);
	if (ret < 0)
		return ret;
	archive = xasprintf("%s.tar.zst", stem);
	if (strcmp(archive, name) != 0)
		ret = fs_rename(stage_fd, archive, stage_fd, name, 0);
	return ret < 0 ? error_errno(err, ERR_IO, ret,
				     _("cannot name '%s'"), name) : 0;
}

static const char *info_state(struct step_ctx *c, size_t i)
{
	enum step_state s;

	if (!c->e->run || i >= c->e->run->step_n)
		return "pending";
	s = c->e->run->steps[i].state;
	if (s == STEP_VERIFIED || s == STEP_APPLIED ||
	    (int)i == c->index)
		return "completed";
	if (s == STEP_SKIPPED)
		return "skipped";
	if (s == STEP_FAILED || s == STEP_UNDO_FAILED ||
	    (s == STEP_UNDONE && c->e->run->steps[i].error_msg))
		return "failed";
	return "pending";
}

void step_run_info(struct step_ctx *c, struct step_run_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->run_id = c->e->run ? c->e->run->id : "";
	ret->started = c->e->run ?
		json_get_str(c->e->run->begun, "started", "") :
		c->e->scope->run_started;
	ret->backup_location = c->e->run && c->e->run->backup.dir ?
		c->e->run->backup.dir : "";
	ret->rollback_available = true;
	ret->step_n = c->e->plan->step_n;
	for (size_t i = 0; i < c->e->plan->step_n; i++)
		if (!step_undoable(c->e->plan->steps[i]))
			ret->rollback_available = false;
	ret->step_state = info_state;
}
