/* SPDX-License-Identifier: MIT */
#ifndef WALK_H
#define WALK_H
/*
 * walk - a tree by descriptors, in path order, never through a symlink
 *
 * Each entry is opened O_PATH | O_NOFOLLOW and statted before the callback; a
 * directory comes before its entries, and again behind them with WALK_LEAVE.
 * Depth is bounded by descriptors: 16 at most are held, the others are opened
 * again from the root and must be the same directories. One directory's names
 * are in memory at a time for each level. Access times are left alone where we
 * have the right to. What vanishes in between is passed over (-ENOENT from
 * open), anything else stops the walk.
 *
 * The callback returns 0 to go on, WALK_SKIP not to enter a directory, or a
 * negative value, which stops the walk and is returned.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct error;

#define WALK_SKIP 1

enum walk_flags {
	WALK_LEAVE = 1u << 0,   /* call for directories when left, too */
	WALK_XDEV = 1u << 1,    /* do not enter other file systems */
	WALK_NO_OPEN = 1u << 2, /* fstatat only, fd in the entry is -1 */
	WALK_BARE = 1u << 3,    /* regular files are not looked at (bare) where
				   their directory tells that they are ones */
};

struct walk_entry {
	const char *path;       /* relative to the root of the walk */
	int dirfd;              /* directory that holds it */
	const char *name;       /* name in dirfd */
	int fd;                 /* O_PATH descriptor, or -1; when leaving: one
				   to read the directory */
	struct stat st;         /* when leaving: as it is then */
	bool bare;              /* fd is -1 and st says S_IFREG, no more; it may
				   be gone, or be something else by now */
	bool leaving;
};

typedef int walk_fn(void *ctx, const struct walk_entry *e, struct error *err);

/* start: "." or a path below root_fd (or absolute); it is visited itself */
int walk_tree(int root_fd, const char *start, unsigned int flags, walk_fn *fn,
	      void *ctx, struct error *err);

#endif
