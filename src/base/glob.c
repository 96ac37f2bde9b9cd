/* SPDX-License-Identifier: MIT */
/* Globs over bytes; see path.h for what they mean. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/walk.h"
#include "base/xalloc.h"

bool glob_has_magic(const char *pattern)
{
	return strpbrk(pattern, "*?[\\") != NULL;
}

/* one [...] at p; *next behind it, or NULL if it is not closed */
static bool match_class(const unsigned char *p, unsigned char c,
			const unsigned char **next)
{
	bool negate = false, hit = false, first = true;

	p++;
	if (*p == '!' || *p == '^') {
		negate = true;
		p++;
	}
	for (; *p && (*p != ']' || first); first = false) {
		unsigned char lo = *p, hi;

		if (lo == '\\' && p[1])
			lo = *++p;
		hi = lo;
		p++;
		if (*p == '-' && p[1] && p[1] != ']') {
			hi = p[1];
			p += 2;
			if (hi == '\\' && *p)
				hi = *p++;
		}
		if (c >= lo && c <= hi)
			hit = true;
	}
	*next = *p == ']' ? p + 1 : NULL;
	return hit != negate && c != '/';
}

/* one component of the pattern against one of the path, both by length */
static bool match_name(const unsigned char *p, const unsigned char *pe,
		       const unsigned char *s, const unsigned char *se)
{
	const unsigned char *star = NULL, *back = NULL, *next;

	for (;;) {
		if (p < pe && *p == '*') {
			star = ++p;
			back = s;
			continue;
		}
		if (s == se) {
			if (p == pe)
				return true;
			return false;
		}
		if (p < pe && *p == '?') {
			p++;
			s++;
			continue;
		}
		if (p < pe && *p == '[') {
			bool hit = match_class(p, *s, &next);

			if (next && next <= pe) {
				if (hit) {
					p = next;
					s++;
					continue;
				}
				goto retry;
			}
		}
		if (p < pe && *p == '\\' && p + 1 < pe && p[1] == *s) {
			p += 2;
			s++;
			continue;
		}
		if (p < pe && *p != '\\' && *p == *s) {
			p++;
			s++;
			continue;
		}
retry:
		if (!star)
			return false;
		p = star;
		s = ++back;
		if (back > se)
			return false;
	}
}

static const char *component_end(const char *s)
{
	return s + strcspn(s, "/");
}

/*
 * Components from the left. '**' tries every number of directories; a later
 * '**' takes over from an earlier one, as with '*' in a name, so the work is
 * bounded by pattern times path.
 */
static bool match_path(const char *p, const char *s)
{
	const char *star = NULL, *back = NULL;

	for (;;) {
		const char *pe = component_end(p), *se = component_end(s);

		if (pe - p == 2 && p[0] == '*' && p[1] == '*') {
			if (!*pe)
				return true;
			star = p = pe + 1;
			back = s;
			continue;
		}
		if (*p && *s &&
		    match_name((const unsigned char *)p,
			       (const unsigned char *)pe,
			       (const unsigned char *)s,
			       (const unsigned char *)se)) {
			if (!*pe && !*se)
				return true;
			if (*pe && *se) {
				p = pe + 1;
				s = se + 1;
				continue;
			}
		}
		if (!star)
			return false;
		back = component_end(back);
		if (!*back)
			return false;
		s = ++back;
		p = star;
	}
}

bool glob_match(const char *pattern, const char *path)
{
	/* "*" means what is in the root, never the root: it may be removed */
	if (!strcmp(path, "."))
		return !strcmp(pattern, ".");
	return match_path(pattern, path);
}

bool glob_match_tree(const char *pattern, const char *path)
{
	_cleanup_free_ char *p = xstrdup(path);

	if (!strcmp(pattern, ".") || !strcmp(path, "."))
		return path_is_below(path, ".") && !strcmp(pattern, ".");
	for (;;) {
		char *slash;

		if (match_path(pattern, p))
			return true;
		slash = strrchr(p, '/');
		if (!slash || slash == p)
			return false;
		*slash = '\0';
	}
}

bool glob_match_any(const struct strvec *patterns, const char *path)
{
	for (size_t i = 0; patterns && i < patterns->n; i++)
		if (glob_match(patterns->v[i], path))
			return true;
	return false;
}

/* can the pattern match anything below directory dir? */
static bool may_match_below(const char *p, const char *dir)
{
	if (!strcmp(dir, ".") || !strcmp(dir, "/"))
		return true;
	for (;;) {
		const char *pe = component_end(p), *de = component_end(dir);

		if (pe - p == 2 && p[0] == '*' && p[1] == '*')
			return true;
		if (!*pe || !match_name((const unsigned char *)p,
					(const unsigned char *)pe,
					(const unsigned char *)dir,
					(const unsigned char *)de))
			return false;
		if (!*de)
			return true;
		p = pe + 1;
		dir = de + 1;
	}
}

struct expand {
	const char *pattern;
	const struct ours *ours;
	struct strvec *out;
};

static int expand_entry(void *ctx, const struct walk_entry *we,
			struct error *err)
{
	struct expand *x = ctx;

	(void)err;
	if (ours_has(x->ours, we->path))
		return WALK_SKIP;
	if (glob_match(x->pattern, we->path))
		strvec_push(x->out, we->path);
	if (S_ISDIR(we->st.st_mode) && !may_match_below(x->pattern, we->path))
		return WALK_SKIP;
	return 0;
}

/* the part of the pattern before the first component with magic */
static char *fixed_part(const char *pattern)
{
	size_t len = 0;

	for (const char *p = pattern; *p;) {
		const char *e = component_end(p);
		_cleanup_free_ char *c = xstrndup(p, (size_t)(e - p));

		if (glob_has_magic(c))
			break;
		len = (size_t)(e - pattern);
		p = *e ? e + 1 : e;
	}
	if (!len)
		return xstrdup(*pattern == '/' ? "/" : ".");
	return xstrndup(pattern, len);
}

static int error_through_link(const char *path, struct error *err)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	return error_set(err, ERR_UNSUPPORTED, -ELOOP,
			 _("'%s' is or leads through a symbolic link"), shown);
}

int glob_expand(int root_fd, const char *pattern, const struct ours *ours,
		struct strvec *out, struct error *err)
{
	struct expand x = { .pattern = pattern, .ours = ours, .out = out };
	_cleanup_free_ char *start = fixed_part(pattern);
	struct stat st;
	int ret = fs_stat_beneath(root_fd, start, &st);

	if (ret == -ENOENT || ret == -ENOTDIR)
		return 0;
	/* to find nothing there would leave files out without a word */
	if (ret == -ELOOP || (!ret && S_ISLNK(st.st_mode) &&
			      glob_has_magic(pattern)))
		return error_through_link(start, err);
	if (ret < 0) {
		_cleanup_free_ char *shown = escape_bytes(start);

		return error_errno(err, ERR_IO, ret,
				   _("cannot look at '%s'"), shown);
	}
	if (!glob_has_magic(pattern)) {
		if (!ours_has(ours, pattern))
			strvec_push(out, pattern);
		return 0;
	}
	return walk_tree(root_fd, start, WALK_NO_OPEN, expand_entry, &x, err);
}
