/* SPDX-License-Identifier: MIT */
#ifndef BACKUP_WORLD_H
#define BACKUP_WORLD_H
/*
 * backup-world - a directory with a tree in it (root/) and its backups (out/)
 *
 * with_world() runs a test in one. The set is the whole root unless w->set is
 * filled first. Every helper fails the test with what went wrong.
 */
#include "scratch.h"

#include "backup.h"
#include "effects.h"
#include "manifest.h"

struct world {
	char *dir, *root;
	int dir_fd, root_fd, out_fd;
	struct effects set;
	struct backup_spec spec;
	struct backup_result res;
	struct error err;
};

int world_setup(void **state);
int world_teardown(void **state);
#define with_world(f) \
	cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* a file of n bytes that do not compress, the same for the same seed */
void world_noise(struct world *w, const char *path, size_t n, unsigned seed);
/* true if the file system takes it */
bool world_xattr(struct world *w, const char *path, const char *name,
		 const void *value, size_t n);
/* it is on the disk, and no longer in memory, where that can be */
void world_cold(struct world *w, const char *path);
void world_mtime(struct world *w, const char *path, int64_t sec, long ns);
/* backup_create() of w->spec */
int world_create(struct world *w, const char *name);
/* it must succeed, and be sound when every member is compared */
void world_save(struct world *w, const char *name);
/* 0 if root/ is what manifest NAME says, else 1 and the path in *ret */
int world_compare(struct world *w, const char *name, int root_fd,
		  const char *root, char **ret);
/* the item of a manifest, in items, which the caller releases */
const struct item *world_item(struct world *w, const char *name,
			      struct manifest *items, const char *path);
/* a shell command in w->dir; its exit status; -1 if there is no such tool */
int world_sh(struct world *w, const char *tool, const char *command);
/* names in out/, sorted, a space between two; caller frees */
char *world_out(struct world *w);

#endif
