/* SPDX-License-Identifier: MIT */
#ifndef BACKUP_BUNDLE_H
#define BACKUP_BUNDLE_H
/*
 * backup-bundle - a small archive in memory's reach: .tar.zst of texts
 *
 * For support bundles (run-bundle.h). Members are regular files, mode 0600, of
 * user and group 0; they are written and read whole. Reading is for archives
 * of unknown origin: one member by its exact name, bounded, nothing unpacked.
 */
#include <stddef.h>
#include <time.h>

struct error;
struct strbuf;

struct bundle_member {
	const char *name;
	const void *data;
	size_t len;
};

/* to fd from where it stands; ERR_BUNDLE */
int bundle_archive_write(int fd, const struct bundle_member *m, size_t n,
			 time_t mtime, struct error *err);
/*
 * Appends the member's bytes. -ENOENT: it is not there; -EFBIG: more than
 * limit; -EBADMSG and ERR_BUNDLE: this is no such archive.
 */
int bundle_archive_read(int fd, const char *name, size_t limit,
			struct strbuf *out, struct error *err);
/* versions of the library and of what it is linked with */
const char *bundle_archive_library(void);

#endif
