/* SPDX-License-Identifier: MIT */
#include "base/ours.h"

#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"

void ours_add(struct ours *o, const char *place)
{
	if (!strvec_has(&o->places, place))
		strvec_push(&o->places, place);
}

void ours_release(struct ours *o)
{
	strvec_release(&o->places);
}

/* some component begins with OURS_STAGE */
static bool is_staged(const char *path)
{
	return str_starts(path, OURS_STAGE) || strstr(path, "/" OURS_STAGE);
}

bool ours_has(const struct ours *o, const char *path)
{
	if (*path == '/')
		return false;
	if (path_is_below(path, OURS_STATE) || is_staged(path))
		return true;
	for (size_t i = 0; o && i < o->places.n; i++)
		if (path_is_below(path, o->places.v[i]))
			return true;
	return false;
}

/* path is dir/name */
static bool is_entry(const char *path, const char *dir, const char *name)
{
	size_t n = strlen(dir);

	if (!strcmp(dir, "."))
		return !strcmp(path, name);
	return !strncmp(path, dir, n) && path[n] == '/' &&
		!strcmp(path + n + 1, name);
}

bool ours_has_entry(const struct ours *o, const char *dir, const char *name)
{
	if (str_starts(name, OURS_STAGE) ||
	    is_entry(OURS_STATE, dir, name))
		return true;
	for (size_t i = 0; o && i < o->places.n; i++)
		if (is_entry(o->places.v[i], dir, name))
			return true;
	return false;
}
