/* SPDX-License-Identifier: MIT */
#ifndef CHECK_PATHS_H
#define CHECK_PATHS_H
/*
 * check-paths - what the checks over a list of paths share
 *
 * `paths`, patterns or paths below the root, is their one key; step->priv is a
 * struct strvec of them.
 */
struct plan_node;
struct step;

/* faults that are named one by one; the rest is only counted */
#define CHECK_DETAILS_MAX 100

int check_paths_parse(struct step *s, struct plan_node *n);
/* without it: def, a path */
int check_paths_parse_or(struct step *s, struct plan_node *n, const char *def);
/* patterns are refused */
int check_paths_parse_plain(struct step *s, struct plan_node *n);
void check_paths_release(struct step *s);

#endif
