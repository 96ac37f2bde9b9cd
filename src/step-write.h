/* SPDX-License-Identifier: MIT */
#ifndef STEP_WRITE_H
#define STEP_WRITE_H
/*
 * step-write - a whole file, put in place at once
 *
 * Parents are made, the file is built in the stage with its exact mode, and
 * renamed to path: the name is old or new at any moment, and on the disk on
 * return. replace: over the regular file that is there, whose owner and
 * extended attributes (ACLs too) the new one takes over; without it anything
 * of that name is a failure, and the new file is ours (see step_files_own()).
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct step_ctx;

int step_write(struct step_ctx *c, const char *path, const void *p, size_t n,
	       mode_t mode, bool replace, struct error *err);
/* gives stage/name what the file at path has, but for its time, and this mode */
int step_write_like(struct step_ctx *c, const char *path, int stage,
		    const char *name, mode_t mode, struct error *err);

#endif
