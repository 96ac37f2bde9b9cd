/* SPDX-License-Identifier: MIT */
#include "effects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

static const char *const type_names[] = {
	[EFFECT_READ] = "read",
	[EFFECT_CREATE] = "create",
	[EFFECT_CHANGE] = "change",
	[EFFECT_REMOVE] = "remove",
};

const char *effect_type_name(enum effect_type t)
{
	return type_names[t];
}

void effects_release(struct effects *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].path);
	for (size_t i = 0; i < e->set_n; i++) {
		free(e->sets[i].store);
		free(e->sets[i].set);
	}
	strvec_release(&e->servers);
	free(e->v);
	free(e->sets);
	memset(e, 0, sizeof(*e));
}

void effects_add_set(struct effects *e, enum effect_type type,
		     const char *store, const char *set)
{
	for (size_t i = 0; i < e->set_n; i++) {
		struct effect_set *s = &e->sets[i];

		if (strcmp(s->store, store) || strcmp(s->set, set))
			continue;
		if (type > s->type)
			s->type = type;
		return;
	}
	VEC_GROW(e->sets, e->set_n, e->set_cap);
	e->sets[e->set_n].type = type;
	e->sets[e->set_n].store = xstrdup(store);
	e->sets[e->set_n++].set = xstrdup(set);
}

void effects_add_server(struct effects *e, const char *store)
{
	if (!strvec_has(&e->servers, store))
		strvec_push(&e->servers, store);
}

void effects_add(struct effects *e, enum effect_type type, unsigned int flags,
		 const char *path)
{
	VEC_GROW(e->v, e->n, e->cap);
	e->v[e->n].type = type;
	e->v[e->n].flags = flags;
	e->v[e->n].path = xstrdup(path);
	e->n++;
	e->indexed = false;
}

int effects_add_parents(struct effects *e, int root_fd, const char *path,
			struct error *err)
{
	_cleanup_free_ char *dir = path_dirname(path);

	while (strcmp(dir, ".") != 0 && strcmp(dir, "/") != 0) {
		struct stat st;
		int ret = fs_stat_beneath(root_fd, dir, &st);
		char *up;

		if (ret == 0)
			return 0;
		if (ret != -ENOENT)
			return error_errno(err, ERR_STEP, ret,
					   _("cannot look at '%s'"), dir);
		effects_add(e, EFFECT_CREATE, EFFECT_SELF, dir);
		up = path_dirname(dir);
		free(dir);
		dir = up;
	}
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct effect *x = a, *y = b;
	int c = path_cmp(x->path, y->path);

	if (c)
		return c;
	return (int)y->type - (int)x->type;
}

/* each path once: the strongest type, and the tree if any asks for it */
static void unite(struct effects *e)
{
	size_t kept = 0;

	if (!e->n)
		return;
	qsort(e->v, e->n, sizeof(*e->v), by_path);
	for (size_t i = 1; i < e->n; i++) {
		if (strcmp(e->v[kept].path, e->v[i].path) != 0) {
			e->v[++kept] = e->v[i];
			continue;
		}
		/* reading a tree does not widen the change of an entry */
		if (e->v[i].type != EFFECT_READ ||
		    e->v[kept].type == EFFECT_READ)
			e->v[kept].flags &= e->v[i].flags;
		free(e->v[i].path);
	}
	e->n = kept + 1;
}

void effects_index(struct effects *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].flags & EFFECT_PATTERN)
			return;
	if (e->n > 1)
		qsort(e->v, e->n, sizeof(*e->v), by_path);
	e->indexed = true;
}

int effects_resolve(const struct effects *e, int root_fd,
		    const struct ours *ours,
		    struct effects *ret, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < e->n && r >= 0; i++) {
		const struct effect *f = &e->v[i];
		_cleanup_strvec_ struct strvec found = STRVEC_INIT;

		if (!(f->flags & EFFECT_PATTERN)) {
			effects_add(ret, f->type, f->flags, f->path);
			continue;
		}
		r = glob_expand(root_fd, f->path, ours, &found, err);
		for (size_t k = 0; r >= 0 && k < found.n; k++)
			effects_add(ret, f->type,
				    f->flags & ~(unsigned int)EFFECT_PATTERN,
				    found.v[k]);
	}
	for (size_t i = 0; i < e->set_n; i++)
		effects_add_set(ret, e->sets[i].type, e->sets[i].store,
				e->sets[i].set);
	for (size_t i = 0; i < e->servers.n; i++)
		effects_add_server(ret, e->servers.v[i]);
	ret->outside |= e->outside;
	ret->secrets |= e->secrets;
	unite(ret);
	effects_index(ret);
	return r;
}

/* what a pattern can reach: the part before its first magic component */
static char *reach(const struct effect *f)
{
	_cleanup_free_ char *p = xstrdup(f->path);
	char *cut;

	if (!(f->flags & EFFECT_PATTERN) || !glob_has_magic(p))
		return TAKE_PTR(p);
	cut = strpbrk(p, "*?[\\");
	*cut = '\0';
	cut = strrchr(p, '/');
	if (!cut)
		return xstrdup(".");
	*cut = '\0';
	return TAKE_PTR(p);
}

static bool clash(const struct effect *a, const struct effect *b)
{
	bool pa = a->flags & EFFECT_PATTERN && glob_has_magic(a->path);
	bool pb = b->flags & EFFECT_PATTERN && glob_has_magic(b->path);

	if (a->type == EFFECT_READ || b->type == EFFECT_READ)
		return false;
	/* each has its own records in it, in the order of the plan */
	if (a->flags & b->flags & EFFECT_STORE)
		return false;
	/* parent and child is no conflict */
	if (!pa && !pb)
		return !strcmp(a->path, b->path);
	if (pa && pb)
		return !strcmp(a->path, b->path);
	if (pa) {
		_cleanup_free_ char *r = reach(a);

		return path_is_below(b->path, r) &&
			glob_match(a->path, b->path);
	}
	return clash(b, a);
}

/* two steps that make the same directory do not write over each other */
static bool both_make_directory(const struct effect *a, const struct effect *b)
{
	return a->type == EFFECT_CREATE && b->type == EFFECT_CREATE &&
		(a->flags & b->flags & EFFECT_SELF);
}

bool effects_clash(const struct effects *a, const struct effects *b,
		   const char **path)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			if (clash(&a->v[i], &b->v[k]) &&
			    !both_make_directory(&a->v[i], &b->v[k])) {
				*path = a->v[i].flags & EFFECT_PATTERN ?
					b->v[k].path : a->v[i].path;
				return true;
			}
	return false;
}

/* Is there a write of exactly this path, and, above another, of its tree? */
static bool has_write(const struct effects *e, const char *path, bool above)
{
	size_t lo = 0, hi = e->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (path_cmp(e->v[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < e->n && !strcmp(e->v[lo].path, path); lo++)
		if (e->v[lo].type != EFFECT_READ &&
		    !(above && (e->v[lo].flags & EFFECT_SELF)))
			return true;
	return false;
}

/* by the path and each directory above it */
static bool cover_indexed(const struct effects *e, const char *path)
{
	_cleanup_free_ char *dir = NULL;
	bool above = false;

	if (!e->n)
		return false;
	dir = xstrdup(path);
	for (;;) {
		char *up;
		bool top;

		if (has_write(e, dir, above))
			return true;
		above = true;
		up = path_dirname(dir);
		top = !strcmp(up, dir);
		free(dir);
		dir = up;
		if (top)
			return false;
	}
}

bool effects_cover(const struct effects *e, const char *path)
{
	if (e->indexed)
		return cover_indexed(e, path);
	for (size_t i = 0; i < e->n; i++) {
		const struct effect *f = &e->v[i];

		if (f->type == EFFECT_READ)
			continue;
		if (f->flags & EFFECT_PATTERN ?
		    glob_match_tree(f->path, path) :
		    f->flags & EFFECT_SELF ? !strcmp(f->path, path) :
		    path_is_below(path, f->path))
			return true;
	}
	return false;
}

static bool writes(const struct effects *e, const char *dir)
{
	for (size_t i = 0; i < e->n; i++) {
		const struct effect *f = &e->v[i];

		if (f->type != EFFECT_READ &&
		    (f->flags & EFFECT_PATTERN ? glob_match(f->path, dir) :
		     !strcmp(f->path, dir)))
			return true;
	}
	return false;
}

char *effects_above(const struct effects *e, const char *place)
{
	_cleanup_free_ char *dir = path_dirname(place);

	while (strcmp(dir, ".") != 0) {
		char *up;

		if (writes(e, dir))
			return TAKE_PTR(dir);
		up = path_dirname(dir);
		free(dir);
		dir = up;
	}
	return NULL;
}

struct json_object *effects_to_json(const struct effects *e)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < e->n; i++) {
		struct json_object *o = json_object_new_object();

		json_set_bytes(o, "path", e->v[i].path);
		json_set_str(o, "type", effect_type_name(e->v[i].type));
		if (e->v[i].flags & EFFECT_SELF)
			json_set_bool(o, "self", true);
		json_object_array_add(a, o);
	}
	for (size_t i = 0; i < e->set_n; i++) {
		struct json_object *o = json_object_new_object();

		json_set_str(o, "store", e->sets[i].store);
		json_set_bytes(o, "set", e->sets[i].set);
		json_set_str(o, "type", effect_type_name(e->sets[i].type));
		json_object_array_add(a, o);
	}
	return a;
}

static int type_parse(const char *name, enum effect_type *ret)
{
	for (size_t t = 0; t < ARRAY_SIZE(type_names); t++)
		if (!strcmp(name, type_names[t])) {
			*ret = (enum effect_type)t;
			return 0;
		}
	return -EINVAL;
}

int effects_from_json(struct json_object *o, struct effects *ret)
{
	size_t n = json_object_is_type(o, json_type_array) ?
		json_object_array_length(o) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *x = json_object_array_get_idx(o, i);
		_cleanup_free_ char *path = json_get_bytes(x, "path");
		_cleanup_free_ char *set = json_get_bytes(x, "set");
		const char *store = json_get_str(x, "store", NULL);
		enum effect_type type;

		if (type_parse(json_get_str(x, "type", ""), &type) < 0)
			return -EINVAL;
		if (path)
			effects_add(ret, type,
				    json_get_bool(x, "self", false) ?
				    EFFECT_SELF : 0, path);
		else if (store && set)
			effects_add_set(ret, type, store, set);
		else
			return -EINVAL;
	}
	effects_index(ret);
	return 0;
}
