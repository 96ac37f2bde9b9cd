/* SPDX-License-Identifier: MIT */
#ifndef STEP_COPY_H
#define STEP_COPY_H
/*
 * step-copy - a file, a directory with all below it, or a symlink, made again
 *
 * step_copy_tree() copies path to stage_fd/name, a name of the stage that is
 * removed first if an earlier attempt left it: contents by reflink where the
 * file system can, holes as holes, hard links inside the tree as links, FIFOs
 * and devices as nodes, all metadata, times of directories last. It then
 * flushes everything, reads source and copy once more and compares their
 * digests and metadata: on 0 the copy is on the disk and equal to a source
 * that did not change meanwhile. On failure something is left in the stage,
 * which the engine empties. Progress is in bytes; a stop is honoured between
 * and inside files.
 */
#include <stdint.h>

struct error;
struct step_ctx;

int step_copy_tree(struct step_ctx *c, const char *path, int stage_fd,
		   const char *name, struct error *err);

/* entries and bytes below path, itself included */
struct step_copy_size {
	uint64_t entries, bytes;
};
int step_copy_measure(struct step_ctx *c, const char *path,
		      struct step_copy_size *ret, struct error *err);

#endif
