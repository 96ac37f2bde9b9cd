/* SPDX-License-Identifier: MIT */
#ifndef PATH_H
#define PATH_H
/*
 * path - names below a root, and globs over them
 *
 * A path is relative to the root ("a/b", "." is the root itself), with no
 * empty, "." or ".." component, or absolute where a plan's allow_paths permits
 * it. Bytes, not characters; case counts.
 *
 * Path order is the order of a walk: parent before child, siblings by byte
 * value; so '/' sorts below every other byte. Absolute paths come first, then
 * ".", which holds all the others. Manifests are in this order.
 */
#include <stdbool.h>
#include <stddef.h>

struct error;
struct ours;
struct strvec;

int path_cmp(const char *a, const char *b);
/* a is b, or lies below b ("." holds every relative path) */
bool path_is_below(const char *a, const char *b);
/* NULL if fine, else a reason, untranslated and marked with N_() */
const char *path_check(const char *path);
/* "a//b/./c/" -> "a/b/c"; ".." stays and is refused by path_check */
char *path_normalize(const char *path);
char *path_join(const char *a, const char *b);
/* "a/b" -> "a"; "a" -> "." */
char *path_dirname(const char *path);
const char *path_basename(const char *path);

bool glob_has_magic(const char *pattern);
/*
 * '*' and '?' stop at '/', and match a leading dot; '[...]' with '!' or '^';
 * '**' as a whole component is zero or more directories, at the end at least
 * one name; '\' quotes. "." is matched by the pattern "." alone.
 */
bool glob_match(const char *pattern, const char *path);
/* matches path or any of its parents */
bool glob_match_tree(const char *pattern, const char *path);
/* any of the patterns, NULL and empty lists match nothing */
bool glob_match_any(const struct strvec *patterns, const char *path);
/*
 * Adds the existing paths below root_fd that match, in path order. Never goes
 * through a symlink, never to what is ours (see ours.h; may be NULL). A pattern
 * without magic is added if it exists (lstat). A symlink that '*' meets is
 * passed over; one in the part that the pattern spells out is -ELOOP, since to
 * find nothing would be a lie.
 * Returns 0 or -errno with err filled.
 */
int glob_expand(int root_fd, const char *pattern, const struct ours *ours,
		struct strvec *out, struct error *err);

#endif
