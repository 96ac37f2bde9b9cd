/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static const struct {
	const char *name;
	int number;
	int exit;
} codes[ERR_COUNT] = {
	[ERR_NONE] = { NULL, 0, 0 },
#define X(code, number, exit) [code] = { "E-" #number, number, exit },
	ERR_CODES(X)
#undef X
};

static void take(struct error *err, enum err_code code, int sys, char *msg)
{
	free(err->msg);
	free(err->hint);
	err->code = code;
	err->sys_errno = sys;
	err->msg = msg;
	err->hint = NULL;
}

int error_set(struct error *err, enum err_code code, int ret,
	      const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return ret;
	va_start(ap, fmt);
	take(err, code, 0, xvasprintf(fmt, ap));
	va_end(ap);
	return ret;
}

int error_errno(struct error *err, enum err_code code, int ret,
		const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (!err)
		return ret;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (ret == -ENOSPC || ret == -EDQUOT)
		code = error_code_exit(code) == 74 ? code : ERR_NO_SPACE;
	take(err, code, -ret, xasprintf("%s: %s", text, strerror(-ret)));
	free(text);
	return ret;
}

void error_prefix(struct error *err, const char *fmt, ...)
{
	char *text, *msg;
	va_list ap;

	if (!err || !err->msg)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	msg = xasprintf("%s: %s", text, err->msg);
	free(text);
	free(err->msg);
	err->msg = msg;
}

void error_hint(struct error *err, const char *fmt, ...)
{
	char *hint;
	va_list ap;

	if (!err)
		return;
	/* the arguments may point into the old one */
	va_start(ap, fmt);
	hint = xvasprintf(fmt, ap);
	va_end(ap);
	free(err->hint);
	err->hint = hint;
}

void error_move(struct error *dst, struct error *src)
{
	if (!dst) {
		error_release(src);
		return;
	}
	error_release(dst);
	*dst = *src;
	memset(src, 0, sizeof(*src));
}

void error_copy(struct error *dst, const struct error *src)
{
	struct error copy = { .code = src->code, .sys_errno = src->sys_errno,
			      .msg = xstrdup_null(src->msg),
			      .hint = xstrdup_null(src->hint) };

	error_release(dst);
	*dst = copy;
}

void error_release(struct error *err)
{
	if (!err)
		return;
	free(err->msg);
	free(err->hint);
	memset(err, 0, sizeof(*err));
}

const char *error_code_name(enum err_code code)
{
	return code < ERR_COUNT ? codes[code].name : NULL;
}

enum err_code error_code_from_name(const char *name)
{
	char *end;
	long number;

	if (tolower((unsigned char)*name) == 'e') {
		name++;
		if (*name == '-')
			name++;
	}
	if (!isdigit((unsigned char)*name))
		return ERR_NONE;
	errno = 0;
	number = strtol(name, &end, 10);
	if (errno || *end || end == name)
		return ERR_NONE;
	for (int i = ERR_NONE + 1; i < ERR_COUNT; i++)
		if (codes[i].number == number)
			return (enum err_code)i;
	return ERR_NONE;
}

int error_code_exit(enum err_code code)
{
	return code < ERR_COUNT ? codes[code].exit : 70;
}
