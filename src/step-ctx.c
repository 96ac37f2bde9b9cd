/* SPDX-License-Identifier: MIT */
/*
 * What a step gets from the engine while it works (step.h). Without a run
 * (checks alone, dry run) facts live in memory and no command is started in a
 * dry run.
 */
#include <errno.h>
#include <string.h>

#include "backup.h"
#include "base/clock.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "journal.h"
#include "manifest.h"

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
static void drop_stage(struct engine *e, const char *path)
{
	const char *name;
	int dir = fs_open_parent(e->sd->root_fd, path, &name);

	if (dir < 0)
		return;
	(void)fs_remove_tree(dir, name);
	(void)close(dir);
}

void engine_sweep(struct engine *e)
{
	struct json_object *list = json_get(e->run->facts, STEP_STAGES);
	int ret;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		_cleanup_free_ char *path = json_array_get_bytes(list, i);

		if (path && str_starts(path_basename(path), OURS_STAGE))
			drop_stage(e, path);
	}
	ret = run_sweep(e->run);
	if (ret < 0) {
		_cleanup_free_ char *text = xasprintf(
			_("cannot remove what was left over: %s"),
			strerror(-ret));

		engine_warn(e, NULL, text);
	}
}

void step_ctx_release(struct step_ctx *c)
{
	for (size_t i = 0; i < c->stages.n; i++)
		drop_stage(c->e, c->stages.v[i]);
	strvec_release(&c->stages);
	for (size_t i = 0; i < c->part_n; i++)
		free(c->parts[i].name);
	if (c->e->run && c->index >= 0 && c->e->run->fd >= 0 &&
	    c->e->run->writable)
		(void)fs_remove_tree(c->e->run->fd, RUN_STAGE);
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

const struct ours *step_ours(struct step_ctx *c)
{
	return &c->e->sd->ours;
}

const char *step_ctx_id(struct step_ctx *c)
{
	return c->step ? c->step->id :
	       c->phase == PHASE_BACKUP ? "backup" : "app";
}

void step_progress(struct step_ctx *c, uint64_t done, uint64_t total,
		   const char *unit)
{
	engine_progress(c->e, &c->meter, c->phase, step_ctx_id(c), c->index + 1,
			done, total, unit);
}

void step_progress_pace(struct step_ctx *c, uint64_t done, uint64_t total,
			const char *unit, const struct step_pace *pace)
{
	c->meter.pace = pace;
	step_progress(c, done, total, unit);
	c->meter.pace = NULL;
}

void step_waits(struct step_ctx *c, const char *text)
{
	const struct step_pace pace = { .wait = text };
	struct engine_meter *m = &c->meter;
	char unit[sizeof(m->last_unit)];

	/* told at once, whatever was told just now */
	m->shown_ns = 0;
	memcpy(unit, m->last_unit, sizeof(unit));
	step_progress_pace(c, m->last_done, m->last_total,
			   *unit ? unit : NULL, &pace);
}

void step_watches(struct step_ctx *c, double done, double total,
		  const struct event_figure *figures, size_t n, bool is_new)
{
	const struct step_pace pace = { .figures = figures, .figure_n = n };

	if (is_new)
		c->meter.shown_ns = 0;
	step_progress_pace(c, (uint64_t)MIN(done, total), (uint64_t)total, "s",
			   &pace);
}

void step_records(struct step_ctx *c, uint64_t records)
{
	c->meter.records = records;
}

/* The meter of a part; more of them than anybody can read share the last. */
static struct engine_meter *part_meter(struct step_ctx *c, const char *part)
{
	struct part_meter *p;

	for (size_t i = 0; i < c->part_n; i++)
		if (!strcmp(c->parts[i].name, part))
			return &c->parts[i].meter;
	if (c->part_n == STEP_PARTS_MAX)
		return NULL;
	p = &c->parts[c->part_n++];
	p->name = xstrdup(part);
	engine_meter_begin(&p->meter);
	p->meter.part = p->name;
	return &p->meter;
}

void step_progress_part(struct step_ctx *c, const char *part, uint64_t done,
			uint64_t total, const char *unit)
{
	struct engine_meter *m = part ? part_meter(c, part) : &c->meter;

	if (m)
		engine_progress(c->e, m, c->phase, step_ctx_id(c),
				c->index + 1, done, total, unit);
}

void step_warn(struct step_ctx *c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	engine_warn(c->e, step_ctx_id(c), text);
}

void step_log(struct step_ctx *c, const char *stream, const char *text,
	      size_t len)
{
	engine_log(c->e, step_ctx_id(c), stream, text, len);
}

static bool stopped(struct step_ctx *c)
{
	enum engine_cancel_level level = engine_cancelled(c->e);

	/* in the check phase there is no step whose end could be waited for */
	return level == ENGINE_CANCEL_NOW ||
	       (level && c->phase == PHASE_CHECK) ||
	       engine_lease_lost(c->e, NULL);
}

static bool is_late(const struct step_ctx *c)
{
	return c->deadline_ns && clock_mono_ns() >= c->deadline_ns;
}

bool step_cancelled(struct step_ctx *c)
{
	return stopped(c) || is_late(c);
}

bool step_is_ahead(const struct step_ctx *c)
{
	return c->e->dry || c->phase == PHASE_CHECK;
}

bool step_made_before(const struct step_ctx *c, const struct step *s,
		      const struct plan_store *st)
{
	return engine_made_before(c->e, s, st);
}

void step_deadline(struct step_ctx *c, uint64_t at_ns)
{
	c->deadline_ns = at_ns;
}

bool step_late(struct step_ctx *c)
{
	return is_late(c) && !stopped(c);
}

int step_run_dir(struct step_ctx *c)
{
	return c->e->run ? c->e->run->fd : -1;
}

bool step_looks_back(struct step_ctx *c)
{
	return c->phase == PHASE_VERIFY;
}

enum plan_level step_level(struct step_ctx *c)
{
	return c->e->level;
}

bool step_has_audit(struct step_ctx *c)
{
	const struct run *r = c->e->run;
	struct json_object *v = r && !r->writable ?
		json_get(r->verify, step_ctx_id(c)) : NULL;

	return v && json_get_str(v, "audit", NULL);
}

void step_notify(struct step_ctx *c, enum plan_notify_event event,
		 const char *message)
{
	engine_notify(c->e, event, step_ctx_id(c), message);
}

int step_wait(struct step_ctx *c, double seconds, struct error *err)
{
	uint64_t begun = clock_mono_ns();
	double left;

	while ((left = seconds - clock_since(begun)) > 0) {
		if (engine_cancelled(c->e))
			return error_set(err, ERR_CANCELLED, -ECANCELED,
					 _("stopped by the user"));
		engine_listen(c->e, (int)(MIN(left, 1) * 1000) + 1);
	}
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
	ret->run_key = c->e->run ? c->e->run->key : "";
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
