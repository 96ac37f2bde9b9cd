/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* '.' alone is the root and comes before everything */
int path_cmp(const char *a, const char *b)
{
	const unsigned char *x = (const unsigned char *)a;
	const unsigned char *y = (const unsigned char *)b;

	/* the root comes before what it holds, and behind what lies outside */
	if (!strcmp(a, "."))
		return *b == '/' ? 1 : strcmp(b, ".") ? -1 : 0;
	if (!strcmp(b, "."))
		return *a == '/' ? -1 : 1;
	while (*x && *x == *y) {
		x++;
		y++;
	}
	if (*x == *y)
		return 0;
	if (!*x)
		return -1;
	if (!*y)
		return 1;
	if (*x == '/')
		return -1;
	if (*y == '/')
		return 1;
	return *x < *y ? -1 : 1;
}

bool path_is_below(const char *a, const char *b)
{
	size_t n = strlen(b);

	if (!strcmp(b, "."))
		return *a != '/';
	if (!strcmp(b, "/"))
		return *a == '/';
	return !strncmp(a, b, n) && (a[n] == '\0' || a[n] == '/');
}

const char *path_check(const char *path)
{
	const char *p = path;

	if (!*path)
		return N_("it is empty");
	if (strlen(path) >= 32768)
		return N_("it is too long");
	if (!strcmp(path, "."))
		return NULL;
	if (*p == '/')
		p++;
	while (*p) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return N_("'..' is not allowed");
		if (n == 0 || (n == 1 && p[0] == '.'))
			return N_("it has an empty component");
		if (n > 255)
			return N_("a component is longer than 255 bytes");
		p += n;
		if (*p == '/') {
			p++;
			if (!*p)
				return N_("it ends in '/'");
		}
	}
	return NULL;
}

char *path_normalize(const char *path)
{
	struct strbuf out = STRBUF_INIT;
	const char *p = path;

	if (*p == '/')
		strbuf_addch(&out, '/');
	while (*p) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n && !(n == 1 && *p == '.')) {
			if (out.len && out.buf[out.len - 1] != '/')
				strbuf_addch(&out, '/');
			strbuf_add(&out, p, n);
		}
		p += n;
	}
	if (!out.len && *path)
		strbuf_addch(&out, '.');
	return strbuf_detach(&out);
}

char *path_join(const char *a, const char *b)
{
	if (!strcmp(a, ".") || *b == '/')
		return xstrdup(b);
	if (!strcmp(b, "."))
		return xstrdup(a);
	if (str_ends(a, "/"))
		return xasprintf("%s%s", a, b);
	return xasprintf("%s/%s", a, b);
}

char *path_dirname(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	if (slash == path)
		return xstrdup("/");
	return xstrndup(path, (size_t)(slash - path));
}

const char *path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
