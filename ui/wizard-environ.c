/* SPDX-License-Identifier: MIT */
/*
 * An engine that lives on has the environment it was started in. Whoever comes
 * back with another password is told, and may have it used. Names alone are
 * told, never what is in them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

#define ENVIRON_MAX (4u << 20)

extern char **environ;

/* what libpq reads, and the commands of steps with it */
static bool counts(const char *var)
{
	return str_starts(var, "PG") && !str_starts(var, "PGAPPNAME=");
}

static bool has(const struct strbuf *all, const char *var)
{
	const char *p = all->buf, *end = p + all->len;

	for (; p && p < end; p += strlen(p) + 1)
		if (!strcmp(p, var))
			return true;
	return false;
}

char *wizard_environ(long engine)
{
	_cleanup_free_ char *path = xasprintf("/proc/%ld/environ", engine);
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	struct strbuf names = STRBUF_INIT;

	/* of another user, or gone */
	if (fs_read_file(AT_FDCWD, path, ENVIRON_MAX, &all) < 0)
		return NULL;
	for (char **v = environ; v && *v; v++) {
		const char *eq = strchr(*v, '=');

		if (!eq || !counts(*v) || has(&all, *v))
			continue;
		strbuf_addstr(&names, names.len ? ", " : "");
		strbuf_add(&names, *v, (size_t)(eq - *v));
	}
	return names.len ? strbuf_detach(&names) : NULL;
}
