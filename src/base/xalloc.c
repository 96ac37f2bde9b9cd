/* SPDX-License-Identifier: MIT */
#include "base/xalloc.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXIT_BUG 70

static void (*die_hook)(void);

void die_set_hook(void (*hook)(void))
{
	die_hook = hook;
}

static _noreturn_ void die_out(const char *prefix, const char *fmt,
			       va_list ap)
{
	char line[1024];

	if (die_hook)
		die_hook();
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	/* nothing is left to do if standard error is gone */
	(void)dprintf(STDERR_FILENO, "upshift: %s%s\n", prefix, line);
	_exit(EXIT_BUG);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die_out("", fmt, ap);
}

void die_bug(const char *file, int line, const char *fmt, ...)
{
	char prefix[256];
	va_list ap;

	(void)snprintf(prefix, sizeof(prefix), "BUG: %s:%d: ", file, line);
	va_start(ap, fmt);
	die_out(prefix, fmt, ap);
}

static void *checked(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

void *xmalloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		die("out of memory");
	return checked(realloc(p, bytes ? bytes : 1));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xstrdup_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

char *xmemdup(const void *p, size_t n)
{
	char *copy = xmalloc(n + 1);

	if (n)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		die("out of memory");
	return s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}
