/* SPDX-License-Identifier: MIT */
/* A store of the plan, opened for a step. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-rollback.h"
#include "store.h"

static int tick(void *ctx)
{
	return step_cancelled(ctx);
}

static void held(void *ctx, const char *by)
{
	step_waits(ctx, by);
}

/* steps alone write, and not when nothing may change */
static bool must_read(const struct step_ctx *c)
{
	return c->e->dry || !c->e->run || !c->step ||
	       (c->step->ops->flags & STEP_IS_CHECK) ||
	       (c->phase != PHASE_STEPS && c->phase != PHASE_ROLLBACK);
}

void step_store_join(struct step_ctx *c, const char *name, struct store *s)
{
	c->joined = s;
	c->joined_url = s ? plan_find_store(c->e->plan, name)->url : NULL;
}

bool step_store_is_joined(const struct step_ctx *c)
{
	return c->joined;
}

static bool is_joined(const struct step_ctx *c, const struct plan_store *s)
{
	return c->joined && !strcmp(c->joined_url, s->url);
}

void step_store_options(struct step_ctx *c, const struct plan_store *s,
			struct store_options *o)
{
	double timeout_s = c->e->plan->defaults.timeout_s;

	memset(o, 0, sizeof(*o));
	o->root_fd = step_root_fd(c);
	o->scratch_fd = step_run_dir(c);
	o->allow_plaintext = s->allow_plaintext;
	o->recover = !must_read(c);
	o->pool = c->e->pool;
	if (timeout_s > 0)
		o->statement_ms = (unsigned int)(MIN(timeout_s, 1e6) * 1000);
	if (is_joined(c, s)) {
		o->within = c->joined;
		o->within_url = c->joined_url;
	}
}

int step_store_timeout(struct step_ctx *c, const char *name, bool read_only,
		       double timeout_s, struct store **ret, struct error *err)
{
	const struct plan_store *s = plan_find_store(c->e->plan, name);
	_cleanup_store_ struct store *open = NULL;
	struct store_options o;
	int r = 0;

	if (!s)
		return error_set(err, ERR_PLAN_VALUE, -EINVAL,
				 _("unknown store '%s'"), name);
	step_store_options(c, s, &o);
	o.tick = tick;
	o.held = held;
	o.ctx = c;
	o.read_only = read_only || must_read(c);
	o.create = !o.read_only;
	if (timeout_s > 0)
		o.statement_ms = (unsigned int)(MIN(timeout_s, 1e6) * 1000);
	if (o.create && s->path && !o.within)
		r = step_make_parents(c, s->path, err);
	if (r >= 0)
		r = store_open(s->url, &o, &open, err);
	/* the lease is not for a transaction to keep */
	if (r >= 0 && !o.read_only && s->kind == PLAN_STORE_PG && !o.within)
		r = engine_lease(c->e, name, open, err);
	if (r < 0)
		error_prefix(err, _("store '%s'"), name);
	else
		*ret = TAKE_PTR(open);
	return r;
}

int step_store(struct step_ctx *c, const char *name, bool read_only,
	       struct store **ret, struct error *err)
{
	return step_store_timeout(c, name, read_only, 0, ret, err);
}

int step_store_scratch(struct step_ctx *c, const char *name,
		       struct store **ret, struct error *err)
{
	const struct plan_store *s = plan_find_store(c->e->plan, name);
	struct store_options o;
	int r;

	if (c->e->dry)
		return -EROFS;
	if (!s || s->kind != PLAN_STORE_PG)
		return step_store(c, name, true, ret, err);
	step_store_options(c, s, &o);
	o.tick = tick;
	o.held = held;
	o.ctx = c;
	r = store_open(s->url, &o, ret, err);
	if (r < 0)
		error_prefix(err, _("store '%s'"), name);
	return r;
}

struct json_object *step_fact_of(struct step_ctx *c, const char *step,
				 const char *key)
{
	int i = plan_step_index(c->e->plan, step);

	return i < 0 || !c->e->run ? NULL :
	       json_get(c->e->run->steps[i].facts, key);
}

int step_aside(struct step_ctx *c, const struct plan_store *s)
{
	struct engine *e = c->e;
	struct stat st;
	int fd;

	if (!s->path || !e->run || !e->run->rollback_r)
		return -ENOENT;
	fd = fs_open(e->run->backup_fd, e->run->rollback_r,
		     O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0 && fs_stat_beneath(fd, s->path, &st) < 0) {
		(void)fs_close(fd);
		return -ENOENT;
	}
	return fd;
}

const char *step_rollback_point(struct step_ctx *c)
{
	return c->e->run && c->e->run->rollback_r ? c->e->run->rollback_r : "";
}

static bool carries(struct step_ctx *c, bool forward)
{
	struct engine *e = c->e;

	return e->run && c->phase == PHASE_ROLLBACK &&
	       (e->run->state == RUN_ROLLING_BACK ||
		e->run->state == RUN_ROLLBACK_FAILED) &&
	       rollback_is_r_point(e->run->rollback_point) == forward &&
	       rollback_carries(e);
}

bool step_carries(struct step_ctx *c)
{
	return carries(c, false);
}

bool step_carries_forward(struct step_ctx *c)
{
	/* which of two is the newer nobody knows of what others wrote to both */
	return c->e->rows_are_back && !c->e->others_stay && carries(c, true);
}
