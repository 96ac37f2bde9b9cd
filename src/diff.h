/* SPDX-License-Identifier: MIT */
#ifndef DIFF_H
#define DIFF_H
/*
 * diff - unified diff of two texts, for previews
 *
 * Myers' O(ND) algorithm (E. Myers, "An O(ND) Difference Algorithm and Its
 * Variations", 1986) over lines, three lines of context. Texts with NUL, or
 * over 1 MiB, or that differ in more than 4,000 lines, give one line that says
 * so. Lines are escaped for a terminal.
 */
#include <stddef.h>

struct strvec;

/* a_name, b_name: for the two header lines; "/dev/null" for nothing */
void diff_unified(const char *a_name, const char *a, size_t a_len,
		  const char *b_name, const char *b, size_t b_len,
		  struct strvec *out);

#endif
