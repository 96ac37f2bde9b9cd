/* SPDX-License-Identifier: MIT */
/* What a step calls (step.h), in the world of fake-ctx. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"
#include "base/child.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "fake-ctx.h"
#include "step-keep.h"
#include "manifest.h"
#include "store.h"

/* --- context functions --- */

int step_root_fd(struct step_ctx *c)
{
	return c->root_fd;
}

const char *step_root(struct step_ctx *c)
{
	return c->root;
}

int step_aside(_unused_ struct step_ctx *c, _unused_ const struct plan_store *s)
{
	return -ENOENT;
}

const char *step_rollback_point(_unused_ struct step_ctx *c)
{
	return "";
}

bool step_carries(_unused_ struct step_ctx *c)
{
	return false;
}

bool step_carries_forward(_unused_ struct step_ctx *c)
{
	return false;
}

bool step_goes_too(_unused_ struct step_ctx *c, _unused_ size_t i)
{
	return false;
}

bool step_comes_back(_unused_ struct step_ctx *c,
		     _unused_ const struct plan_store *s)
{
	return false;
}

bool step_made_before(_unused_ const struct step_ctx *c,
		      _unused_ const struct step *s,
		      _unused_ const struct plan_store *st)
{
	return false;
}

bool step_is_ahead(_unused_ const struct step_ctx *c)
{
	return false;
}

const char *step_ctx_id(_unused_ struct step_ctx *c)
{
	return "step";
}

const struct plan *step_plan(struct step_ctx *c)
{
	return c->plan;
}

const struct ours *step_ours(struct step_ctx *c)
{
	(void)c;
	return NULL;
}

void step_progress_part(struct step_ctx *c, const char *part, uint64_t done,
			uint64_t total, const char *unit)
{
	(void)part;
	step_progress(c, done, total, unit);
}

void step_progress_pace(struct step_ctx *c, uint64_t done, uint64_t total,
			const char *unit, const struct step_pace *pace)
{
	(void)pace;
	step_progress(c, done, total, unit);
}

void step_watches(struct step_ctx *c, double done, double total,
		  const struct event_figure *figures, size_t n, bool is_new)
{
	(void)figures;
	(void)n;
	(void)is_new;
	step_progress(c, (uint64_t)done, (uint64_t)total, "s");
}

int step_store_scratch(_unused_ struct step_ctx *c, _unused_ const char *name,
		       _unused_ struct store **ret, struct error *err)
{
	return error_set(err, ERR_BUG, -ENOSYS, "no store in this world");
}

void step_waits(struct step_ctx *c, const char *text)
{
	(void)c;
	(void)text;
}

void step_progress(struct step_ctx *c, uint64_t done, uint64_t total,
		   const char *unit)
{
	(void)unit;
	c->done = done;
	c->total = total;
}

void step_records(struct step_ctx *c, uint64_t records)
{
	c->records = records;
}

void step_warn(struct step_ctx *c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	strvec_pushf(&c->log, "warning: %s", text);
}

void step_log(struct step_ctx *c, const char *stream, const char *text,
	      size_t len)
{
	strvec_pushf(&c->log, "%s: %.*s", stream, (int)len, text);
}

bool step_cancelled(struct step_ctx *c)
{
	return c->cancelled;
}

void step_deadline(_unused_ struct step_ctx *c, _unused_ uint64_t at_ns)
{
}

bool step_late(_unused_ struct step_ctx *c)
{
	return false;
}

/* nearest directory above rel that exists, and its path */
static int open_above(struct step_ctx *c, const char *rel, char **where)
{
	char *dir = path_dirname(rel);
	int fd;

	while ((fd = fs_open_beneath(c->root_fd, dir, O_RDONLY | O_DIRECTORY,
				     0)) == -ENOENT) {
		char *up = path_dirname(dir);

		free(dir);
		dir = up;
	}
	*where = dir;
	return fd;
}

int step_stage(struct step_ctx *c, const char *rel, int *ret_fd,
	       struct error *err)
{
	_cleanup_free_ char *where = NULL;
	_cleanup_close_ int above = open_above(c, rel, &where);
	const char *name = "stage";
	struct stat a, b;
	int ret = above, dir = c->state_fd;

	if (above >= 0 && (fstat(above, &a) || fstat(c->state_fd, &b)))
		ret = -errno;
	if (ret >= 0 && (a.st_dev != b.st_dev || c->force_beside)) {
		name = ".upshift-stage-TEST";
		dir = above;
		strvec_take(&c->stages, path_join(where, name));
	}
	if (ret >= 0)
		ret = fs_mkdir(dir, name, 0700);
	if (ret == -EEXIST)
		ret = 0;
	if (ret >= 0)
		ret = *ret_fd = fs_open(dir, name, O_RDONLY | O_DIRECTORY, 0);
	return ret < 0 ? error_errno(err, ERR_STEP, ret, "stage") : 0;
}

int step_place(struct step_ctx *c, int stage_fd, const char *name,
	       const char *rel, bool replace, struct error *err)
{
	const char *base;
	_cleanup_close_ int dir = fs_open_parent(c->root_fd, rel, &base);
	int ret = dir < 0 ? dir : fs_sync_fs(stage_fd);

	if (ret >= 0)
		ret = fs_rename(stage_fd, name, dir, base,
				replace ? 0 : RENAME_NOREPLACE);
	if (ret >= 0)
		ret = fs_sync_dir(dir, ".");
	return ret < 0 ? error_errno(err, ret == -EEXIST ? ERR_STEP_EXISTS :
				     ERR_STEP, ret, "place") : 0;
}

int step_make_parents(struct step_ctx *c, const char *rel, struct error *err)
{
	_cleanup_free_ char *dir = path_dirname(rel);
	int ret = fs_mkdirs(c->root_fd, dir, 0755, NULL);

	return ret < 0 ? error_errno(err, ERR_STEP, ret, "parents") : 0;
}

int step_store_timeout(struct step_ctx *c, const char *name, bool read_only,
		       double timeout_s, struct store **ret, struct error *err)
{
	const struct plan_store *s = plan_find_store(c->plan, name);
	struct store_options o = {
		.root_fd = c->root_fd, .read_only = read_only,
		.create = !read_only,
		.allow_plaintext = s && s->allow_plaintext,
		.statement_ms = (unsigned int)(timeout_s * 1000),
	};

	return s ? store_open(s->url, &o, ret, err) :
	       error_set(err, ERR_PLAN_VALUE, -EINVAL, "no store");
}

void step_store_options(struct step_ctx *c, const struct plan_store *s,
			struct store_options *o)
{
	memset(o, 0, sizeof(*o));
	o->root_fd = c->root_fd;
	o->allow_plaintext = s->allow_plaintext;
}

void step_store_join(_unused_ struct step_ctx *c, _unused_ const char *name,
		     _unused_ struct store *s)
{
}

bool step_store_is_joined(_unused_ const struct step_ctx *c)
{
	return false;
}

int step_store(struct step_ctx *c, const char *name, bool read_only,
	       struct store **ret, struct error *err)
{
	return step_store_timeout(c, name, read_only, 0, ret, err);
}

int step_run_dir(_unused_ struct step_ctx *c)
{
	return -1;
}

bool step_has_audit(_unused_ struct step_ctx *c)
{
	return false;
}

bool step_looks_back(_unused_ struct step_ctx *c)
{
	return false;
}

enum plan_level step_level(_unused_ struct step_ctx *c)
{
	return PLAN_LEVEL_NONE;
}

int step_wait(_unused_ struct step_ctx *c, _unused_ double seconds,
	      _unused_ struct error *err)
{
	return 0;
}

void step_notify(_unused_ struct step_ctx *c,
		 _unused_ enum plan_notify_event event,
		 _unused_ const char *message)
{
}

int step_set_fact(struct step_ctx *c, const char *key, struct json_object *v,
		  struct error *err)
{
	(void)err;
	json_object_object_add(c->facts, key, v);
	fake_save(c);
	return 0;
}

struct json_object *step_get_fact(struct step_ctx *c, const char *key)
{
	return json_get(c->facts, key);
}

struct json_object *step_fact_of(struct step_ctx *c, const char *step,
				 const char *key)
{
	return c->step && !strcmp(c->step->id, step) ? step_get_fact(c, key) :
		NULL;
}

int step_set_run_fact(struct step_ctx *c, const char *key,
		      struct json_object *v, struct error *err)
{
	return step_set_fact(c, key, v, err);
}

struct json_object *step_get_run_fact(struct step_ctx *c, const char *key)
{
	return step_get_fact(c, key);
}

int step_pre_walk(struct step_ctx *c, step_item_fn *fn, void *ctx,
		  struct error *err)
{
	struct manifest_reader *r = NULL;
	const struct item *it;
	char name[128];
	int ret;

	if (!c->pre[0])
		return 0;
	fake_pre_name(c, name, sizeof(name), ".manifest.jsonl");
	ret = manifest_reader_open(&r, c->backup_fd, name, c->pre, err);
	while (ret >= 0 && (ret = manifest_next(r, &it, err)) > 0)
		ret = fn(ctx, it, err);
	manifest_reader_free(r);
	return ret;
}

struct find {
	const char *path;
	struct item *ret;
	bool found;
};

static int find_item(void *ctx, const struct item *it, struct error *err)
{
	struct find *f = ctx;

	(void)err;
	if (strcmp(it->path, f->path) || (it->flags & ITEM_PARENT))
		return 0;
	item_copy(f->ret, it);
	f->found = true;
	return 0;
}

int step_pre_item(struct step_ctx *c, const char *path, struct item *ret,
		  struct error *err)
{
	struct find f = { .path = path, .ret = ret };
	int r = step_pre_walk(c, find_item, &f, err);

	return r < 0 ? r : f.found;
}

static char *lookup(void *ctx, const char *name)
{
	struct step_ctx *c = ctx;

	if (!strcmp(name, "step.started"))
		return xstrdup(FAKE_STARTED);
	return plan_lookup(c->plan, &c->scope, name);
}

int step_expand(struct step_ctx *c, const char *text, size_t len, bool json,
		struct strbuf *out, struct error *err)
{
	return expand_text(text, len, json, lookup, c, out, err);
}

const char *step_started(struct step_ctx *c)
{
	(void)c;
	return FAKE_STARTED;
}

struct running {
	struct step_ctx *c;
	const struct step_command *cmd;
};

static void on_line(void *ctx, enum child_stream s, const char *line,
		    size_t len)
{
	struct running *r = ctx;

	if (!r->cmd->quiet)
		step_log(r->c, s == CHILD_OUT ? "out" : "err", line, len);
	if (s == CHILD_OUT && r->cmd->capture) {
		strbuf_add(r->cmd->capture, line, len);
		strbuf_addch(r->cmd->capture, '\n');
	}
	if (r->cmd->tail) {
		strbuf_add(r->cmd->tail, line, len);
		strbuf_addch(r->cmd->tail, '\n');
	}
}

static const struct child_ops running_ops = { .on_line = on_line };

int step_command(struct step_ctx *c, const struct step_command *cmd,
		 struct child_result *ret, struct error *err)
{
	struct running r = { .c = c, .cmd = cmd };
	_cleanup_close_ int dir = fs_open_beneath(c->root_fd, cmd->dir ?
				cmd->dir : ".", O_RDONLY | O_DIRECTORY, 0);
	struct child_spec spec = {
		.argv = cmd->argv, .env = cmd->env, .dir_fd = dir,
		.timeout_s = cmd->timeout_s, .lock_fd = -1,
		.ops = &running_ops, .ctx = &r, .input_fd = cmd->input_fd,
	};

	memset(ret, 0, sizeof(*ret));
	return dir < 0 ? error_errno(err, ERR_STEP_COMMAND, dir, "dir") :
		child_run(&spec, ret, err);
}

int step_pack(struct step_ctx *c, const struct strvec *paths, int stage_fd,
	      const char *name, struct error *err)
{
	struct effects set = EFFECTS_INIT;
	struct backup_result res = { 0 };
	struct backup_spec spec = { .root_fd = c->root_fd, .root = c->root,
				    .set = &set };
	_cleanup_free_ char *stem = xstrndup(name, strlen(name) -
					     strlen(".tar.zst"));
	int ret;

	for (size_t i = 0; i < paths->n; i++)
		effects_add(&set, EFFECT_READ, 0, paths->v[i]);
	ret = backup_create(stage_fd, stem, &spec, &res, err);
	effects_release(&set);
	return ret;
}

int step_compare_unchanged(struct step_ctx *c, const struct strvec *paths,
			   struct check_result *r, struct error *err)
{
	(void)c;
	(void)paths;
	(void)r;
	return error_set(err, ERR_BUG, -ENOSYS, "no backup in this world");
}

int step_space(struct step_ctx *c, uint64_t extra, struct check_result *r,
	       struct error *err)
{
	(void)c;
	(void)extra;
	(void)r;
	return error_set(err, ERR_BUG, -ENOSYS, "no plan in this world");
}

static const char *state_of(struct step_ctx *c, size_t i)
{
	int me = plan_step_index(c->plan, c->step->id);

	return (int)i < me ? "completed" : "pending";
}

void step_run_info(struct step_ctx *c, struct step_run_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->run_id = ret->run_key = "TEST";
	ret->started = "2026-11-20T11:00:00.000Z";
	ret->backup_location = "/backup/TEST";
	ret->rollback_available = true;
	ret->step_n = c->plan->step_n;
	ret->step_state = state_of;
}

int step_keep(struct step_ctx *c, const char *name, const void *p, size_t n,
	      struct error *err)
{
	_cleanup_free_ char *flat = xstrdup(name);

	for (char *s = flat; *s; s++)
		*s = *s == '/' ? '-' : *s;
	return fs_write_file(c->state_fd, flat, p, n, 0600) < 0 ?
		error_set(err, ERR_BUG, -EIO, "keep") : 0;
}
