/* SPDX-License-Identifier: MIT */
#ifndef MANIFEST_H
#define MANIFEST_H
/*
 * manifest - what a tree holds: one item for each name, with its digest
 *
 * On disk: JSON lines, first {"type":"manifest","format":1,"name":...,
 * "root":...}, then one item a line in path order, last {"type":"end",
 * "items":N,"bytes":N}; a manifest without its end line is refused. Paths that
 * are not UTF-8 are in "path64" (base64). Item keys: path, type, size, mode
 * ("0644"), uid, gid, mtime ("SECONDS.NNNNNNNNN"), digest ("xxh3-128:HEX"),
 * target, link (the first name of a hard-link group), xattrs {name: base64},
 * rdev, at [compressed offset, offset in the frame], digest2 and stored (what
 * the archive holds, if that is something else), alloc (bytes on disk of a
 * sparse file), rows (of a set in a store), names (digest of a directory's names, see
 * item_names_digest()), flags ["parent", "self", ...].
 * Numbers that identify an inode (dev, ino, nlink, ctime) are not written.
 *
 * Written and read as a stream: memory does not grow with the number of
 * items, except manifest_load(), for small sets and look-ups.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "base/hash.h"
#include "base/meta.h"

struct error;
struct ours;

enum item_type {
	ITEM_ABSENT,    /* there was nothing at this path */
	ITEM_FILE,
	ITEM_DIR,
	ITEM_SYMLINK,
	ITEM_FIFO,
	ITEM_SOCKET,    /* listed, never archived */
	ITEM_CHAR,
	ITEM_BLOCK,
	ITEM_TYPE_COUNT
};

enum item_flags {
	ITEM_HAS_DIGEST = 1u << 0,
	ITEM_PARENT = 1u << 1,    /* above the set: metadata only, kept for times */
	ITEM_LIVE = 1u << 2,      /* may be appended to while it is read */
	ITEM_IN_START = 1u << 3,  /* content is in start's archive, not in ours */
	ITEM_SQLITE = 1u << 4,    /* archived through SQLite; digest2 is the copy's
				     (on ITEM_ABSENT: a -wal, -shm or -journal
				     whose content went into that copy) */
	ITEM_ROOT = 1u << 5,      /* a root of the set that was asked for */
	ITEM_HAS_DIGEST2 = 1u << 6,
	ITEM_SELF = 1u << 7,      /* a directory without what is below it */
	ITEM_HAS_NAMES = 1u << 8,
	/* no file of the tree: what was saved of a store (backup.h); readers
	   see such only if they ask for them */
	ITEM_STORE = 1u << 9,
};

struct item {
	char *path;
	enum item_type type;
	unsigned int flags;
	uint64_t size;
	struct meta meta;
	uint64_t dev, ino, nlink;
	int64_t ctime_ns;
	uint64_t rdev;
	char *target;             /* of a symlink */
	char *link;               /* first name of its group, NULL if it is */
	struct xxh128 digest;     /* of the file as it lay there */
	struct xxh128 digest2;    /* of what the archive holds, if another */
	uint64_t stored_size;     /* of what the archive holds */
	uint64_t rows;            /* ITEM_STORE: of a set */
	uint64_t alloc;           /* bytes on disk of a sparse file, else 0 */
	struct xxh128 names;      /* of a directory, see item_names_digest() */
	uint64_t at_frame;        /* offset of the zstd frame in the archive */
	uint64_t at_offset;       /* offset of the member's header in it */
};

#define ITEM_INIT { 0 }
#define _cleanup_item_ _cleanup_(item_release)

void item_release(struct item *it);
void item_copy(struct item *dst, const struct item *src);
const char *item_type_name(enum item_type t);
/* from lstat; type, size, dev, ino, nlink, ctime, rdev, mode, owner, mtime */
void item_from_stat(struct item *it, const char *path, const struct stat *st);
/*
 * Fills it for path below root_fd (or absolute): all metadata, and the digest
 * of a regular file if with_digest. Nothing there: ITEM_ABSENT, 0.
 */
int item_read(int root_fd, const char *path, bool with_digest,
	      struct item *it, struct error *err);

/*
 * XXH3-128 over the sorted names of directory path, each with its NUL, without
 * what is ours. Whoever writes a manifest that can be gone back to fills it in
 * for every directory (ITEM_HAS_NAMES): undo_dirmeta() puts the time of a
 * directory back only where it holds the same names as then.
 */
int item_names_digest(int root_fd, const char *path, const struct ours *ours,
		      struct xxh128 *ret, struct error *err);
/* the digest of a list of names that is at hand already; it gets sorted */
struct strvec;
void item_names_of(struct strvec *names, struct xxh128 *ret);

enum item_diff {
	ITEM_DIFF_TYPE = 1u << 0,
	ITEM_DIFF_CONTENT = 1u << 1,  /* digest, size, target, rdev */
	ITEM_DIFF_MODE = 1u << 2,
	ITEM_DIFF_OWNER = 1u << 3,
	ITEM_DIFF_MTIME = 1u << 4,
	ITEM_DIFF_XATTR = 1u << 5,
};
/* bits of enum item_diff; content only if both have a digest */
unsigned int item_compare(const struct item *a, const struct item *b);

struct manifest_writer;
/* writes to fd (borrowed); NULL never */
struct manifest_writer *manifest_writer_new(int fd, const char *name,
					    const char *root);
int manifest_write(struct manifest_writer *w, const struct item *it,
		   struct error *err);
/*
 * End line, everything written out; not yet fsynced. digest may be NULL, else
 * it takes BLAKE2_TEXT_SIZE bytes: "blake2b-512:HEX" over the whole file.
 */
int manifest_writer_end(struct manifest_writer *w, char *digest,
			struct error *err);
void manifest_writer_free(struct manifest_writer *w);

struct manifest_reader;
/*
 * Opens dirfd/name. expect (may be NULL): a "blake2b-512:" digest, compared
 * over the whole file before the first item is given out; else
 * ERR_BACKUP_DAMAGED with the name of the file.
 */
int manifest_reader_open(struct manifest_reader **ret, int dirfd,
			 const char *name, const char *expect,
			 struct error *err);
/*
 * 1 and *ret valid until the next call; 0 at the end; -errno. A line that is
 * no item, items out of path order, no end line or one that disagrees:
 * ERR_BACKUP_DAMAGED.
 */
int manifest_next(struct manifest_reader *r, const struct item **ret,
		  struct error *err);
void manifest_reader_free(struct manifest_reader *r);
/* gives out ITEM_STORE as well */
void manifest_reader_stores(struct manifest_reader *r);

struct manifest {
	struct item *items;
	size_t n, cap;
};
#define MANIFEST_INIT { 0 }
#define _cleanup_manifest_ _cleanup_(manifest_release)
void manifest_release(struct manifest *m);
int manifest_load(struct manifest *m, int dirfd, const char *name,
		  const char *expect, struct error *err);
/* binary search; NULL if it is not there */
const struct item *manifest_find(const struct manifest *m, const char *path);

#endif
