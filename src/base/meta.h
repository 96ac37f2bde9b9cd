/* SPDX-License-Identifier: MIT */
#ifndef META_H
#define META_H
/*
 * meta - mode, owner, modification time and extended attributes of a file
 *
 * ACLs are kept as the raw attributes system.posix_acl_access and
 * system.posix_acl_default. All but trusted.* (no right) and security.selinux
 * (the system's) are read. Access times are never set or restored.
 *
 * meta_apply() sets what differs: owner (which drops set-id bits), attributes
 * (those that are not in m go), mode, time last. Errors name the attribute.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/compiler.h"

struct error;

struct meta_xattr {
	char *name;
	void *value;
	uint32_t len;
};

struct meta {
	mode_t mode;       /* permission bits, 07777 */
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	struct meta_xattr *xattrs;   /* sorted by name */
	uint32_t xattr_n;
};

#define META_INIT { 0 }
#define _cleanup_meta_ _cleanup_(meta_release)

void meta_release(struct meta *m);
void meta_copy(struct meta *dst, const struct meta *src);
/* fd may be O_PATH; st is its fstat; symlinks too */
int meta_read(int fd, const struct stat *st, struct meta *m,
	      struct error *err);
bool meta_equal(const struct meta *a, const struct meta *b);
bool meta_xattrs_equal(const struct meta *a, const struct meta *b);
/*
 * name in dirfd (never followed). where is for messages. Without the right to
 * give a file away (not root) a foreign owner is -EPERM only if it differs.
 */
int meta_apply(int dirfd, const char *name, const struct meta *m,
	       const char *where, struct error *err);

#endif
