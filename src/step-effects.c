/* SPDX-License-Identifier: MIT */
/* What a step declares, with the files behind the stores that it names. */
#include "step.h"

#include <string.h>

#include "base/xalloc.h"
#include "effects.h"
#include "step-live.h"

/* what a store of a file keeps beside it; NULL at the end */
static const char *const beside_sqlite[] = { "-wal", "-shm", "-journal",
					     NULL };
static const char *const beside_json[] = { ".upshift", ".upshift-part",
					   ".upshift-new",
					   NULL };

static const char *const *beside(enum plan_store_kind kind)
{
	return kind == PLAN_STORE_SQLITE ? beside_sqlite : beside_json;
}

bool step_is_beside(const struct plan_store *s, const char *path)
{
	size_t n = s->path ? strlen(s->path) : 0;

	if (!n || strncmp(path, s->path, n))
		return false;
	for (const char *const *end = beside(s->kind); *end; end++)
		if (!strcmp(path + n, *end))
			return true;
	return false;
}

static void add_file(struct effects *out, enum effect_type type,
		     const struct plan_store *s)
{
	/* a table that goes is a change of the file that holds it */
	if (type == EFFECT_REMOVE)
		type = EFFECT_CHANGE;
	effects_add(out, type, EFFECT_STORE, s->path);
	if (type == EFFECT_READ)
		return;
	for (const char *const *end = beside(s->kind); *end; end++) {
		_cleanup_free_ char *path = xasprintf("%s%s", s->path, *end);

		effects_add(out, EFFECT_CHANGE, EFFECT_STORE, path);
	}
}

static bool has_file(const struct effects *e, enum effect_type type,
		     const char *path)
{
	for (size_t i = 0; i < e->n; i++)
		if ((e->v[i].flags & EFFECT_STORE) && e->v[i].type >= type &&
		    !strcmp(e->v[i].path, path))
			return true;
	return false;
}

int step_effects(const struct step *s, const struct plan *p,
		 struct step_ctx *c, struct effects *out, struct error *err)
{
	int ret = s->ops->effects(s, c, out, err);

	/* it drains what others copied */
	if (ret >= 0 && s->ops->ends)
		step_live_effects(p, s->ops->ends(s), out);

	for (size_t i = 0; ret >= 0 && i < out->set_n; i++) {
		struct effect_set *set = &out->sets[i];
		const struct plan_store *st = plan_find_store(p, set->store);

		if (st && st->same) {
			free(set->store);
			set->store = xstrdup(st->same);
		}
		if (!st || !st->path || has_file(out, set->type, st->path))
			continue;
		add_file(out, set->type, st);
		if (c && set->type != EFFECT_READ)
			ret = effects_add_parents(out, step_root_fd(c),
						  st->path, err);
	}
	return ret;
}
