/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/xalloc.h"

char *load_expand_home(const struct plan_load *l, const char *path)
{
	if (path[0] != '~' || (path[1] && path[1] != '/') || !l->home)
		return xstrdup(path);
	return xasprintf("%s%s", l->home, path + 1);
}

/* The part of path below root, which may be "/", or NULL. */
static char *below_root(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (!path_is_below(path, root))
		return NULL;
	path += n;
	while (*path == '/')
		path++;
	return xstrdup(*path ? path : ".");
}

bool plan_path_allowed(const struct plan *p, const char *path)
{
	for (size_t i = 0; i < p->allow_paths.n; i++)
		if (path_is_below(path, p->allow_paths.v[i]))
			return true;
	return false;
}

bool plan_path_is_state(const struct plan *p, const char *path)
{
	return ours_has(NULL, path) ||
	       (p->backup_place && path_is_below(path, p->backup_place)) ||
	       (p->state_dir && path_is_below(path, p->state_dir));
}

char *load_relative(const struct plan_load *l, const char *path)
{
	_cleanup_free_ char *full = load_expand_home(l, path);
	char *p = path_normalize(full);

	if (*p == '/' && l->root) {
		char *rel = below_root(p, l->root);

		if (rel) {
			free(p);
			p = rel;
		}
	}
	return p;
}

char *node_place(struct plan_node *n, const char *key, int line,
		 const char *path, bool magic)
{
	struct plan_load *l = n->load;
	_cleanup_free_ char *p = load_relative(l, path);
	const char *why = *path ? path_check(p) : N_("it is empty");

	if (!why && !magic && strpbrk(p, "*?"))
		why = N_("patterns are not taken here");
	if (why) {
		node_problem_at(n, line, _("'%s': '%s': %s"), key, path,
				_(why));
		return NULL;
	}
	if (*p == '/' && !plan_path_allowed(l->plan, p)) {
		node_problem_at(n, line,
				_("'%s': '%s' is outside the root and not in "
				  "'allow_paths'"), key, path);
		return NULL;
	}
	if (plan_path_is_state(l->plan, p)) {
		node_problem_at(n, line,
				_("'%s': '%s' belongs to upshift itself"), key,
				path);
		return NULL;
	}
	return TAKE_PTR(p);
}
