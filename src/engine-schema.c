/* SPDX-License-Identifier: MIT */
/*
 * The schemas of database files that steps change. Whoever uses such a file
 * goes on writing to it, so that its bytes say nothing of a run; its tables,
 * indexes, triggers and views do, and what we keep there of the steps. The
 * journal has a digest of each object as a step left it (`schemas` of its
 * `applied` record: by store, by "TYPE NAME"), unless that is what the step
 * before it left; null: it could not be read then, so nobody can tell later.
 * Objects that others made since are theirs; our own tables come and go.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/hash.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "manifest.h"
#include "store.h"

#define DIGEST_BYTES 8u

static bool is_file(const struct plan_store *s)
{
	return s->kind == PLAN_STORE_SQLITE && s->path;
}

/* --- read --- */

static int add_objects(void *ctx, const struct store_batch *b,
		       _unused_ struct error *err)
{
	struct json_object *schema = ctx;

	for (uint32_t row = 0; row < b->nrow; row++) {
		const struct store_cell *c = store_batch_cell(b, row, 0);
		_cleanup_free_ char *name = NULL, *shown = NULL;
		char text[2 * DIGEST_BYTES + 1];
		struct xxh128 h;

		name = xstrndup(store_batch_text(b, c), (size_t)c->len);
		shown = escape_bytes(name);
		c = store_batch_cell(b, row, 1);
		h = xxh128_of(store_batch_text(b, c), (size_t)c->len);
		for (size_t i = 0; i < DIGEST_BYTES; i++)
			(void)snprintf(text + 2 * i, 3, "%02x", h.b[i]);
		json_set_str(schema, shown, text);
	}
	return 0;
}

static int read_schema(struct store *s, struct json_object *ret,
		       struct error *err)
{
	static const char *const col[] = { "name", "sql" };
	static const char *const expr[] = { "type || ' ' || name",
					    "coalesce(sql, '')" };
	const struct store_shape shape = {
		.set = "sqlite_master", .ncol = 2, .nkey = 1, .col = col,
		.expr = expr,
		.where = "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND "
			 "tbl_name NOT LIKE '\\_upshift\\_%' ESCAPE '\\'",
	};

	return store_each(s, &shape, add_objects, ret, err);
}

/* does it hang together? what it says; NULL: it does */
static int look_inside(struct store *s, enum engine_level level, char **ret,
		       struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int r = store_exec(s, level >= LEVEL_FORENSIC ?
			   "PRAGMA integrity_check(1)" :
			   "PRAGMA quick_check(1)", NULL, &b, err);

	*ret = NULL;
	if (r == 1 && b.cell[0].len >= 0 &&
	    (b.cell[0].len != 2 || memcmp(b.buf + b.cell[0].off, "ok", 2)))
		*ret = xstrndup(b.buf + b.cell[0].off, (size_t)b.cell[0].len);
	return MIN(r, 0);
}

/* level: how closely it is looked at; *ret_fault is NULL, or what is wrong */
static int look(struct engine *e, const struct step *step,
		enum event_phase phase, const struct plan_store *st,
		enum engine_level level, struct json_object **ret,
		char **ret_fault, struct error *err)
{
	unsigned int tried = 0;
	struct step_ctx c;
	int r;

	*ret_fault = NULL;
	step_ctx_init(&c, e, step, phase);
	do {
		_cleanup_store_ struct store *s = NULL;

		json_object_put(*ret);
		*ret = json_object_new_object();
		r = step_store(&c, st->name, true, &s, err);
		if (r >= 0)
			r = read_schema(s, *ret, err);
		if (r >= 0 && level >= LEVEL_RIGOROUS)
			r = look_inside(s, level, ret_fault, err);
	} while (step_store_again(&c, &tried, r, err));
	step_ctx_release(&c);
	return r;
}

/* --- kept --- */

static bool is_applied(const struct run_step *rs)
{
	return rs->state == STEP_APPLIED || rs->state == STEP_VERIFIED;
}

/* what is known since the steps up to `before`; false: nothing */
static bool last_known(const struct run *r, int before, const char *store,
		       struct json_object **ret)
{
	for (int i = before - 1; i >= 0; i--)
		if (is_applied(&r->steps[i]) && r->steps[i].schemas &&
		    json_object_object_get_ex(r->steps[i].schemas, store, ret))
			return true;
	return false;
}

static bool writes(const struct effects *eff, const struct plan_store *st)
{
	return is_file(st) && effects_cover(eff, st->path);
}

struct json_object *engine_schemas_of(struct engine *e, int i)
{
	struct json_object *all = NULL, *before;
	_cleanup_effects_ struct effects eff = EFFECTS_INIT;
	const struct plan *p = e->plan;

	if (!e->run->steps[i].effects ||
	    effects_from_json(e->run->steps[i].effects, &eff) < 0)
		return NULL;
	for (size_t k = 0; k < p->store_n; k++) {
		const struct plan_store *st = &p->stores[k];
		_cleanup_error_ struct error none = ERROR_INIT;
		struct json_object *now = NULL;
		char *fault;
		struct stat sb;

		if (!writes(&eff, st) ||
		    fs_stat_beneath(e->sd->root_fd, st->path, &sb) < 0)
			continue;
		if (look(e, p->steps[i], PHASE_STEPS, st, LEVEL_BASIC, &now,
			 &fault, &none) < 0) {
			json_object_put(now);
			now = NULL;
		}
		if (now && last_known(e->run, i, st->name, &before) &&
		    json_object_equal(now, before)) {
			json_object_put(now);
			continue;
		}
		all = all ? all : json_object_new_object();
		json_object_object_add(all, st->name, now);
	}
	return all;
}

/* --- compared --- */

struct looking {
	struct engine *e;
	enum engine_level level;
	engine_differs_fn *differs;
	void *ctx;
};

static int compare(const struct looking *l, const struct plan_store *st,
		   struct json_object *then, struct json_object *now)
{
	int ret = 0;

	json_object_object_foreach(then, name, digest) {
		struct json_object *is;
		_cleanup_free_ char *what = NULL;

		if (json_object_object_get_ex(now, name, &is) &&
		    json_object_equal(is, digest))
			continue;
		what = xasprintf(is ? _("its %s is another") :
				 _("its %s is not there any more"), name);
		ret = l->differs(l->ctx, st->path, what, 0);
		if (ret < 0)
			break;
	}
	return ret;
}

/* cut short: nobody knows what the schema should be */
static bool unsettled(const struct run *r, const struct plan_store *st)
{
	bool found = false;

	for (size_t i = 0; !found && i < r->step_n; i++) {
		const struct run_step *rs = &r->steps[i];
		_cleanup_effects_ struct effects eff = EFFECTS_INIT;

		found = !is_applied(rs) && rs->touched && rs->effects &&
			effects_from_json(rs->effects, &eff) >= 0 &&
			writes(&eff, st);
	}
	return found;
}

static int compare_store(const struct looking *l, const struct plan_store *st,
			 struct error *err)
{
	struct json_object *then = NULL, *now = NULL;
	_cleanup_free_ char *fault = NULL;
	struct stat sb;
	int ret;

	if (!last_known(l->e->run, (int)l->e->run->step_n, st->name, &then) ||
	    fs_stat_beneath(l->e->sd->root_fd, st->path, &sb) < 0)
		return 0;
	ret = look(l->e, NULL, PHASE_VERIFY, st, l->level, &now, &fault, err);
	if (ret >= 0 && fault)
		ret = l->differs(l->ctx, st->path, fault, 0);
	if (ret >= 0 && then && !unsettled(l->e->run, st))
		ret = compare(l, st, then, now);
	json_object_put(now);
	return ret;
}

/* of a step that wrote records or a schema into such a file: its own word */
static const char *file_of(const struct engine *e, const struct run_step *rs)
{
	_cleanup_effects_ struct effects eff = EFFECTS_INIT;
	const struct plan_store *st = NULL;

	if (!is_applied(rs) || !rs->effects ||
	    effects_from_json(rs->effects, &eff) < 0)
		return NULL;
	for (size_t i = 0; i < eff.set_n; i++) {
		const struct plan_store *s =
			plan_find_store(e->plan, eff.sets[i].store);

		if (eff.sets[i].type == EFFECT_READ || !s)
			continue;
		if (!is_file(s))
			return NULL;
		st = s;
	}
	return st ? st->path : NULL;
}

static int ask_step(const struct looking *l, size_t i, struct error *err)
{
	const struct step *s = l->e->plan->steps[i];
	const char *path = file_of(l->e, &l->e->run->steps[i]);
	_cleanup_error_ struct error says = ERROR_INIT;
	_cleanup_free_ char *what = NULL;
	struct step_ctx c;
	struct stat sb;
	int ret;

	if (!path || !s->ops->verify ||
	    fs_stat_beneath(l->e->sd->root_fd, path, &sb) < 0)
		return 0;
	step_ctx_init(&c, l->e, s, PHASE_VERIFY);
	ret = s->ops->verify(s, &c, &says);
	step_ctx_release(&c);
	if (ret >= 0)
		return 0;
	if (says.code != ERR_STEP_VERIFY) {
		error_move(err, &says);
		return ret;
	}
	what = xasprintf(_("step '%s': %s"), s->id, says.msg);
	return l->differs(l->ctx, path, what, 0);
}

int engine_schemas_verify(struct engine *e, enum engine_level level,
			  engine_differs_fn *differs, void *ctx,
			  struct error *err)
{
	const struct looking l = { e, level, differs, ctx };
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < e->plan->store_n; i++)
		if (is_file(&e->plan->stores[i]))
			ret = compare_store(&l, &e->plan->stores[i], err);
	for (size_t i = 0; ret >= 0 && i < e->run->step_n; i++)
		ret = ask_step(&l, i, err);
	return ret;
}

/* the directory that holds the file; its entries come and go, too */
static bool holds(const char *path, const struct plan_store *st)
{
	size_t dir = (size_t)(path_basename(st->path) - st->path);

	return dir ? strlen(path) == dir - 1 &&
		     !strncmp(path, st->path, dir - 1) : !strcmp(path, ".");
}

bool engine_schema_excuses(const struct engine *e, const char *path,
			   unsigned int *diff)
{
	bool differed = *diff;

	for (size_t i = 0; i < e->plan->store_n; i++) {
		const struct plan_store *st = &e->plan->stores[i];

		if (!is_file(st))
			continue;
		if (step_is_beside(st, path))
			return true;
		if (!strcmp(path, st->path))
			*diff &= ITEM_DIFF_TYPE | ITEM_DIFF_MODE |
				 ITEM_DIFF_OWNER;
		else if (holds(path, st))
			*diff &= ~(unsigned int)ITEM_DIFF_MTIME;
	}
	return differed && !*diff;
}
