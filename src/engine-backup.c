/* SPDX-License-Identifier: MIT */
/*
 * The backup set, the backup phase, and need and have of space.
 *
 * The set is what the plan includes and what the steps' effects name, with all
 * parents. It is worked out anew each time from plan and tree; what really was
 * saved stands in the manifest.
 */
#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "backup.h"
#include "base/clock.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-snapshot.h"
#include "engine-stores.h"

#define LARGE (128 * 1024)

/* room for journal, log and report beside the backup */
#define STATE_ROOM (1024u * 1024u)

/*
 * Documents with secrets pass through large buffers, of libraries and of ours,
 * above all when they are saved. From here on these go back to the kernel when
 * they are freed, and what was in them is gone; strbuf sees to the small ones.
 */
static void give_back_large(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, LARGE); /* else as ever */
}

int engine_step_effects(struct engine *e, const struct step *s,
			struct effects *ret, struct error *err)
{
	struct effects declared = EFFECTS_INIT;
	struct step_ctx c;
	int r = 0;

	if (!s->ops->effects)
		return 0;
	step_ctx_init(&c, e, s, PHASE_STEPS);
	r = step_effects(s, e->plan, &c, &declared, err);
	if (r >= 0)
		r = effects_resolve(&declared, e->sd->root_fd, &e->sd->ours,
				    ret, err);
	if (r >= 0) {
		ret->outside = declared.outside;
		ret->secrets |= s->secret;
		if (ret->secrets)
			give_back_large();
	}
	step_ctx_release(&c);
	effects_release(&declared);
	if (r < 0)
		error_prefix(err, _("step '%s'"), s->id);
	return r;
}

static int add_step(struct engine *e, const struct step *s,
		    struct effects *set, bool reads, struct error *err)
{
	struct effects one = EFFECTS_INIT;
	int ret = engine_step_effects(e, s, &one, err);

	for (size_t i = 0; ret >= 0 && i < one.n; i++)
		if ((one.v[i].type == EFFECT_READ) == reads)
			effects_add(set, one.v[i].type, one.v[i].flags,
				    one.v[i].path);
	set->secrets |= one.secrets;
	effects_release(&one);
	return ret;
}

int engine_backup_set(struct engine *e, struct effects *ret,
		      struct error *err)
{
	struct effects all = EFFECTS_INIT;
	int r = 0;

	for (size_t i = 0; i < e->plan->include.n; i++) {
		const char *p = e->plan->include.v[i];

		effects_add(&all, EFFECT_CHANGE,
			    glob_has_magic(p) ? EFFECT_PATTERN : 0, p);
	}
	for (size_t i = 0; r >= 0 && i < e->plan->step_n; i++)
		if (!(e->plan->steps[i]->ops->flags & STEP_IS_CHECK))
			r = add_step(e, e->plan->steps[i], &all, false, err);
	if (r >= 0)
		r = effects_resolve(&all, e->sd->root_fd, &e->sd->ours, ret,
				    err);
	effects_release(&all);
	return r;
}

static int add_looked_at(struct engine *e, struct step **v, size_t n,
			 struct effects *all, struct error *err)
{
	for (size_t i = 0; i < n; i++)
		if ((v[i]->ops->flags & STEP_IS_CHECK) && v[i]->ops->effects) {
			int r = add_step(e, v[i], all, true, err);

			if (r < 0)
				return r;
		}
	return 0;
}

int engine_snapshot_set(struct engine *e, const struct effects *set,
			struct effects *ret, struct error *err)
{
	const struct plan *p = e->plan;
	struct effects all = EFFECTS_INIT;
	int r = add_looked_at(e, p->steps, p->step_n, &all, err);

	if (r >= 0)
		r = add_looked_at(e, p->verify, p->verify_n, &all, err);
	if (r >= 0)
		r = add_looked_at(e, p->verify_rollback, p->verify_rollback_n,
				  &all, err);
	for (size_t i = 0; r >= 0 && i < all.n; i++)
		if (!effects_cover(set, all.v[i].path))
			effects_add(ret, EFFECT_READ, all.v[i].flags,
				    all.v[i].path);
	effects_release(&all);
	return r;
}

/* --- callbacks of the archive writer --- */

struct backup_progress {
	struct engine *e;
	struct engine_meter meter;
};

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct backup_progress *bp = ctx;

	engine_progress(bp->e, &bp->meter, PHASE_BACKUP, "backup", 0, done,
			total, "bytes");
}

static void on_warn(void *ctx, const char *path, const char *text)
{
	struct backup_progress *bp = ctx;
	_cleanup_free_ char *shown = escape_bytes(path);
	_cleanup_free_ char *line = xasprintf("%s: %s", shown, text);

	engine_warn(bp->e, NULL, line);
}

static bool on_cancelled(void *ctx)
{
	struct backup_progress *bp = ctx;

	/* a backup is thrown away as a whole, so the first wish is enough */
	return engine_cancelled(bp->e) != ENGINE_CANCEL_NONE;
}

void engine_backup_spec(struct engine *e, struct backup_spec *spec)
{
	memset(spec, 0, sizeof(*spec));
	spec->root_fd = e->sd->root_fd;
	spec->root = e->sd->root;
	spec->exclude = &e->plan->exclude;
	spec->live = &e->plan->live;
	spec->allow = &e->plan->allow_paths;
	spec->ours = &e->sd->ours;
	spec->hard_links_break = e->plan->hard_links_break;
}

/* --- the phase --- */

static void emit_backup(struct engine *e, enum event_state s,
			const struct backup_result *r)
{
	_cleanup_free_ char *path = NULL;
	struct event ev = { .type = EVENT_BACKUP, .state = s };

	if (e->run->backup.dir)
		path = path_join(e->run->backup.dir, "start.tar.zst");
	ev.path = path;
	if (r) {
		ev.bytes = r->bytes;
		ev.stored_bytes = r->stored_bytes;
		ev.items = r->items;
		ev.digest = r->archive_digest;
		ev.elapsed_s = r->elapsed_s;
		ev.secrets = e->run->backup.secrets;
	}
	engine_emit(e, &ev);
}

static int record_backup(struct engine *e, const struct effects *set,
			 const struct backup_result *r,
			 const struct store_spool *spool,
			 const struct backup_result *snap)
{
	struct json_object *x = json_object_new_object();
	struct json_object *b = json_object_new_object();

	json_set_str(b, "archive_digest", r->archive_digest);
	json_set_str(b, "manifest_digest", r->manifest_digest);
	json_set_str(b, "readback", r->readback);
	json_set_int(b, "bytes", (int64_t)r->bytes);
	json_set_int(b, "stored_bytes", (int64_t)r->stored_bytes);
	json_set_int(b, "items", (int64_t)r->items);
	if (spool->n) {
		json_set_int(b, "sets", (int64_t)spool->sets);
		json_set_int(b, "rows", (int64_t)spool->rows);
	}
	json_set_str(b, "dir", e->run->backup.dir);
	json_set_double(b, "elapsed_s", r->elapsed_s);
	if (set->secrets)
		json_set_bool(b, "secrets", true);
	if (snap->items)
		json_set_str(b, "snapshot", snap->manifest_digest);
	json_object_object_add(x, "backup", b);
	return run_record_state(e->run, RUN_BACKED_UP, x, &e->err);
}

static int make_snapshot(struct engine *e, const struct effects *set,
			 struct backup_spec *spec, struct backup_result *ret)
{
	struct effects snap = EFFECTS_INIT;
	int r = engine_snapshot_set(e, set, &snap, &e->err);

	if (r >= 0 && snap.n) {
		spec->set = &snap;
		spec->manifest_only = true;
		r = backup_create(e->run->backup_fd, "snapshot", spec, ret,
				  &e->err);
		if (r >= 0)
			r = run_record_fact(e->run, NULL, "snapshot",
				json_object_new_string(ret->manifest_digest),
				&e->err);
	}
	effects_release(&snap);
	return r;
}

static int make_backup(struct engine *e, const struct effects *set,
		       const struct store_sets *sets)
{
	_cleanup_store_spool_ struct store_spool spool = STORE_SPOOL_INIT;
	struct backup_progress bp = { .e = e };
	struct backup_result res = { 0 }, snap = { 0 };
	struct backup_spec spec;
	int ret;

	engine_meter_begin(&bp.meter);
	engine_backup_spec(e, &spec);
	spec.set = set;
	spec.total = e->set_bytes;
	spec.progress = on_progress;
	spec.warn = on_warn;
	spec.cancelled = on_cancelled;
	spec.ctx = &bp;
	emit_backup(e, EVENT_STARTED, NULL);
	ret = engine_stores_dump(e, sets, e->run->backup_fd, "start",
				 e->plan->pg_dump, &spool, &e->err);
	spec.extras = spool.extras;
	spec.extra_n = spool.n;
	spec.total += spec.total ? spool.size : 0;
	if (ret >= 0)
		ret = backup_create(e->run->backup_fd, "start", &spec, &res,
				    &e->err);
	if (ret >= 0)
		ret = make_snapshot(e, set, &spec, &snap);
	if (ret >= 0)
		ret = record_backup(e, set, &res, &spool, &snap);
	emit_backup(e, ret < 0 ? EVENT_FAILED : EVENT_DONE,
		    ret < 0 ? NULL : &res);
	return ret;
}

/* Any `applying` record: from then on `start` is never made again. */
static bool ever_applied(const struct run *r)
{
	for (size_t i = 0; i < r->step_n; i++)
		if (r->steps[i].attempt > 0)
			return true;
	return false;
}

static int note_changed(void *ctx, const char *store,
			_unused_ const struct store_dump_set *then,
			const struct store_dump_set *now,
			_unused_ unsigned int diff)
{
	_cleanup_free_ char *t = xasprintf(
		_("'%s:%s' changed since the backup; it is made again"), store,
		now->set);

	engine_log(ctx, NULL, "note", t, strlen(t));
	return 1;
}

/* 1: the backup that is there still holds what is there */
static int backup_is_current(struct engine *e, const struct effects *set,
			     const struct store_sets *sets)
{
	_cleanup_free_ char *path = NULL;
	struct backup_spec spec;
	int ret;

	engine_backup_spec(e, &spec);
	spec.set = set;
	ret = backup_compare(e->run->backup_fd, "start",
			     e->run->backup.manifest_digest, &spec, &path,
			     &e->err);
	if (ret == 1 && path) {
		_cleanup_free_ char *shown = escape_bytes(path);
		_cleanup_free_ char *t = xasprintf(
			_("'%s' changed since the backup; it is made again"),
			shown);

		engine_log(e, NULL, "note", t, strlen(t));
	}
	if (ret == 0 && sets->n)
		ret = engine_stores_compare(e, "start",
			e->run->backup.manifest_digest, sets, note_changed, e,
			&e->err);
	return ret < 0 ? ret : ret == 0;
}

/* Checks and backup failed or were stopped: the application goes on. */
static int backup_failed(struct engine *e)
{
	struct error err = ERROR_INIT;
	int exit;

	if (engine_app_start(e, &err) < 0)
		engine_warn(e, NULL, err.msg);
	error_release(&err);
	engine_lease_reason(e, &e->err);
	if (engine_cancelled(e) && (e->err.code == ERR_CANCELLED ||
				    !error_is_set(&e->err)))
		return EXIT_STOPPED;
	exit = engine_exit_of(e, &e->err);
	return exit == 5 ? EXIT_FAILED_UNCHANGED : exit;
}

/* Somebody removed it from the data, and nothing was changed yet: what is
   there can be saved once more. (Elsewhere a disk may just be missing.) */
static bool lost_in_time(const struct run *r)
{
	return r->backup.done && r->backup.below && r->backup_fd < 0 &&
		!run_changed_data(r);
}

int engine_phase_backup(struct engine *e)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	struct effects set = EFFECTS_INIT;
	bool lost = lost_in_time(e->run), anew = false;
	int ret;

	if (e->run->backup.done && ever_applied(e->run) && !lost)
		return engine_app_stop(e, &e->err) < 0 ? EXIT_FAILED : 0;
	e->failed_phase = PHASE_BACKUP;
	engine_phase(e, PHASE_BACKUP, EVENT_STARTED);
	ret = engine_app_stop(e, &e->err);
	if (ret >= 0)
		ret = run_backup_dir(e->run, &e->err);
	if (ret >= 0)
		ret = engine_backup_set(e, &set, &e->err);
	if (ret >= 0)
		ret = engine_sets_of_plan(e, &sets, &e->err);
	if (ret >= 0 && e->run->backup.done && !lost) {
		ret = backup_is_current(e, &set, &sets);
		anew = ret != 1;
	} else {
		anew = true;
	}
	if (ret >= 0 && anew)
		ret = make_backup(e, &set, &sets);
	if (ret >= 0)
		ret = engine_snapshot_create(e, anew, &e->err);
	effects_release(&set);
	engine_phase(e, PHASE_BACKUP, EVENT_DONE);
	return ret < 0 ? backup_failed(e) : 0;
}

/* --- space --- */

struct space_fs {
	dev_t dev;
	uint64_t need, have;
	const char *where;
};

static void space_add(struct space_fs *fs, size_t *n, int fd,
		      const char *where, uint64_t need)
{
	struct stat st;
	uint64_t inodes;
	size_t i;

	if (fstat(fd, &st) < 0)
		return;
	for (i = 0; i < *n && fs[i].dev != st.st_dev; i++)
		;
	if (i == *n) {
		(*n)++;
		memset(&fs[i], 0, sizeof(fs[i]));
		fs[i].dev = st.st_dev;
		fs[i].where = where;
		if (fs_space(fd, &fs[i].have, &inodes) < 0)
			fs[i].have = 0;
	}
	fs[i].need += need;
}

/* bytes that steps change or remove: staged again when they come back */
static int changed_bytes(struct engine *e, struct backup_spec *spec,
			 uint64_t *ret, struct error *err)
{
	struct effects changed = EFFECTS_INIT, set = EFFECTS_INIT;
	struct backup_need need = { 0 };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < e->plan->step_n; i++)
		if (!(e->plan->steps[i]->ops->flags & STEP_IS_CHECK))
			r = add_step(e, e->plan->steps[i], &changed, false,
				     err);
	if (r >= 0)
		r = effects_resolve(&changed, e->sd->root_fd, &e->sd->ours,
				    &set, err);
	if (r >= 0) {
		spec->set = &set;
		r = backup_measure(spec, &need, err);
	}
	*ret = need.bytes;
	backup_need_release(&need);
	effects_release(&changed);
	effects_release(&set);
	return r;
}

/* of the steps, which come one after the other, the one that needs the most */
static uint64_t room_of_steps(struct engine *e)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < e->plan->step_n; i++) {
		const struct step *s = e->plan->steps[i];
		struct step_ctx c;
		uint64_t bytes = 0;

		if (!s->ops->room)
			continue;
		step_ctx_init(&c, e, s, PHASE_CHECK);
		bytes = s->ops->room(s, &c);
		step_ctx_release(&c);
		ret = MAX(ret, bytes);
	}
	return ret;
}

static void space_tell(const struct space_fs *fs, size_t n,
		       struct check_result *r)
{
	check_result_set(r, CHECK_OK, _("need %.1f MB, have %.1f MB"),
			 (double)fs[0].need / 1e6, (double)fs[0].have / 1e6);
	r->need = fs[0].need;
	r->have = fs[0].have;
	for (size_t i = 0; i < n; i++) {
		if (n > 1)
			strvec_pushf(&r->details,
				_("%s: need %.1f MB, have %.1f MB"),
				fs[i].where, (double)fs[i].need / 1e6,
				(double)fs[i].have / 1e6);
		if (fs[i].need <= fs[i].have)
			continue;
		check_result_set(r, CHECK_FAIL,
			_("%s: need %.1f MB, have %.1f MB"), fs[i].where,
			(double)fs[i].need / 1e6, (double)fs[i].have / 1e6);
		r->need = fs[i].need;
		r->have = fs[i].have;
		r->code = ERR_SPACE;
		return;
	}
}

/* need of every file system that is written to; items and bytes to save */
static int measure_space(struct engine *e, uint64_t extra,
			 struct backup_need *need, struct space_fs *fs,
			 size_t *n, size_t *databases, struct error *err)
{
	struct effects set = EFFECTS_INIT;
	struct backup_spec spec;
	uint64_t changed = 0, room;
	_cleanup_close_ int fd = -1;
	int ret = engine_backup_set(e, &set, err);

	if (ret < 0)
		goto out;
	engine_backup_spec(e, &spec);
	spec.set = &set;
	ret = backup_measure(&spec, need, err);
	if (ret >= 0)
		ret = changed_bytes(e, &spec, &changed, err);
	if (ret < 0)
		goto out;
	need->bytes += engine_stores_size(e, databases);
	fd = engine_open_place(e);
	if (fd < 0) {
		ret = error_errno(err, ERR_BACKUP_DIR, fd,
				  _("cannot open the backup directory"));
		goto out;
	}
	space_add(fs, n, fd, _("backup"), need->bytes + STATE_ROOM);
	space_add(fs, n, e->sd->root_fd, _("data"), changed + extra);
	room = room_of_steps(e);
	if (room)
		space_add(fs, n, e->sd->fd >= 0 ? e->sd->fd : e->sd->root_fd,
			  _("run"), room);
out:
	effects_release(&set);
	return ret;
}

int step_space(struct step_ctx *c, uint64_t extra, struct check_result *r,
	       struct error *err)
{
	struct backup_need need = { 0 };
	struct space_fs fs[3];
	size_t n = 0, databases;
	int ret = measure_space(c->e, extra, &need, fs, &n, &databases, err);

	if (ret >= 0)
		space_tell(fs, n, r);
	backup_need_release(&need);
	return ret;
}

int engine_measure(struct engine *e, struct engine_need *ret,
		   struct error *err)
{
	struct backup_need need = { 0 };
	struct space_fs fs[3];
	size_t n = 0, databases = 0;
	int r = measure_space(e, 0, &need, fs, &n, &databases, err);

	if (r >= 0) {
		ret->items = need.items;
		ret->databases = databases;
		ret->bytes = need.bytes;
		ret->need = fs[0].need;
		ret->have = fs[0].have;
	}
	backup_need_release(&need);
	return r;
}
