/* SPDX-License-Identifier: MIT */
#ifndef XALLOC_H
#define XALLOC_H
/*
 * xalloc - memory that is there, or the process ends
 *
 * Running out of memory ends the process through die(): a run resumes from its
 * journal, so there is one crash path that is tested instead of thousands that
 * are not. Sizes that come from input are bounded by the caller first.
 *
 * die() calls the hook (a terminal puts itself right there), writes one line
 * to standard error and exits 70. BUG() is die() with file and line.
 */
#include <stdarg.h>
#include <stddef.h>

#include "base/compiler.h"

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
/* NULL gives NULL */
char *xstrdup_null(const char *s);
char *xstrndup(const char *s, size_t n);
char *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) _printf_(1, 2);
char *xvasprintf(const char *fmt, va_list ap) _printf_(1, 0);

/* Make room for one more element in v (pointer), n used, cap allocated. */
#define VEC_GROW(v, n, cap)                                              \
	do {                                                             \
		if ((n) >= (cap)) {                                      \
			(cap) = (cap) ? (cap) * 2 : 8;                   \
			(v) = xrealloc((v), (cap), sizeof(*(v)));        \
		}                                                        \
	} while (0)

void die_set_hook(void (*hook)(void));
_noreturn_ void die(const char *fmt, ...) _printf_(1, 2);
#define BUG(...) die_bug(__FILE__, __LINE__, __VA_ARGS__)
_noreturn_ void die_bug(const char *file, int line, const char *fmt, ...)
	_printf_(3, 4);

#endif
