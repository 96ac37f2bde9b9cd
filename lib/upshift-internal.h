/* SPDX-License-Identifier: MIT */
#ifndef UPSHIFT_INTERNAL_H
#define UPSHIFT_INTERNAL_H
/*
 * upshift-internal - the program started, its lines handed on
 *
 * Nothing of the engine is linked: a library does not end its host when memory
 * runs out, as the engine may. Names begin with upshift_internal_, since an
 * archive hides none.
 */
#include <stddef.h>
#include <sys/types.h>

#include "upshift.h"

/* 0; > 0: the program is to stop; -errno: lost */
typedef int upshift_internal_line_fn(void *ctx, char *line);

struct upshift_internal_text {
	char *buf;               /* ends with NUL, or is NULL */
	size_t len, cap;
};
int upshift_internal_add(struct upshift_internal_text *t, const char *s,
			 size_t len);

/*
 * Runs argv to its end. Lines of standard output go to line_fn, standard error
 * to *err (the last 64 KiB). *status: exit status, 128 + signal, or -1 if
 * somebody else waited for it. A failure of line_fn stops the program at a
 * safe point, is waited for all the same, and returned.
 */
int upshift_internal_spawn(const char *const *argv,
			   upshift_internal_line_fn *line_fn, void *ctx,
			   struct upshift_internal_text *err, int *status);

#define UPSHIFT_ARGS 64
struct upshift_internal_args {
	const char *v[UPSHIFT_ARGS];
	size_t n;
	int error;
};
/* program, command and the options that all commands share */
void upshift_internal_args(struct upshift_internal_args *a,
			   const struct upshift_options *o,
			   const char *command);
void upshift_internal_arg(struct upshift_internal_args *a, const char *arg);
void upshift_internal_option(struct upshift_internal_args *a,
			     const char *name, const char *value);

#endif
