/* SPDX-License-Identifier: MIT */
#ifndef VERSION_H
#define VERSION_H
/*
 * version - version texts compared as people mean them
 *
 * A version is numbers with dots between them, with or without a "v" in front:
 * 1.9 is below 1.10. A number that is not there counts as 0: 1.9 is 1.9.0. A
 * word behind the numbers that means "before" (alpha, beta, dev, pre, rc)
 * puts it below the same version without it; any other rest ("+deb12u1") is
 * not looked at.
 *
 * As an upper bound a version stands for all that begins with its numbers:
 * "up to 1.9" takes 1.9.7, which came later, but not 1.10. Who means 1.9.0
 * and no later one writes 1.9.0.
 */
#include <stdbool.h>

/* does it begin with a number? */
bool version_valid(const char *v);
/* < 0, 0, > 0; both valid */
int version_cmp(const char *a, const char *b);
/* v is not above the upper bound max, see above */
bool version_upto(const char *v, const char *max);

#endif
