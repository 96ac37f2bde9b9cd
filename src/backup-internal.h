/* SPDX-License-Identifier: MIT */
#ifndef BACKUP_INTERNAL_H
#define BACKUP_INTERNAL_H
/*
 * backup-internal - what the files of the backup share
 *
 * set: which items, in path order (backup-set.c). frames: compressed frames of
 * FRAME_RAW bytes, made and read back by two threads (backup-frames.c).
 * tar: items to members (backup-tar.c). backup.c puts them together,
 * backup-read.c is the way back.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "backup.h"
#include "effects.h"
#include "manifest.h"

struct walk_entry;

#define FRAME_RAW (2u * 1024u * 1024u)
#define MANIFEST_MEMBER ".upshift-manifest.jsonl"
#define OUTSIDE_PREFIX ".upshift-outside"
/* read whole before its header is written */
#define SMALL_FILE (1024u * 1024u)

/* --- set --- */
struct link_table;
/* the first name of an inode with several; digest once it is known */
struct link_name {
	uint64_t dev, ino;
	char *path;
	uint64_t nlink, seen;
	struct item *first;      /* as written, owned; NULL before */
	size_t frame;
};
struct link_table *link_table_new(void);
void link_table_free(struct link_table *t);
/* *ret_new: this is the first name */
struct link_name *link_table_get(struct link_table *t, const struct item *it,
				 bool *ret_new);
typedef int link_each_fn(void *ctx, struct link_name *l);
int link_table_each(struct link_table *t, link_each_fn *fn, void *ctx);

/*
 * Called for each item in path order; with_meta: metadata, symlink target and
 * names of directories are filled in, and dirfd/name reach it.
 */
typedef int set_item_fn(void *ctx, struct item *it, int dirfd,
			const char *name, struct error *err);
int backup_set_walk(const struct backup_spec *spec, const struct effects *set,
		    bool with_meta, set_item_fn *fn, void *ctx,
		    struct error *err);
/* set and the further names of its hard-link groups; bytes, refusals */
int backup_set_complete(const struct backup_spec *spec, struct effects *full,
			struct backup_need *need, struct error *err);

/* --- frames --- */
struct frame {
	uint64_t at;             /* offset in the archive */
	uint32_t raw, stored;
	struct xxh128 digest;    /* of the raw bytes */
};
struct frames;
/* compresses what is added, in order, into fd; level of zstd */
struct frames *frames_new(int fd, int level);
int frames_add(struct frames *f, const void *p, size_t n);
/* where the next byte goes: frame number and offset in it */
void frames_where(const struct frames *f, size_t *frame, uint32_t *offset);
/* frames that are written: their offsets are known */
size_t frames_known(const struct frames *f);
const struct frame *frames_get(const struct frames *f, size_t i);
/* ends the frame that is open and waits for all */
int frames_flush(struct frames *f);
uint64_t frames_size(const struct frames *f);
void frames_digest(struct frames *f, char out[BLAKE2_TEXT_SIZE]);
/* from the disk, decompressed, compared; *how "disk" or "cache" */
int frames_read_back(struct frames *f, int fd, const char **how,
		     struct error *err);
void frames_free(struct frames *f);

/* --- tar --- */
struct tar;
struct tar *tar_new(struct frames *f, struct error *err);
/* header; data follows by tar_data() if it is a file that is no link */
int tar_header(struct tar *t, const struct item *it, int fd,
	       struct error *err);
int tar_data(struct tar *t, const void *p, size_t n, struct error *err);
/* pads the member */
int tar_end_member(struct tar *t, struct error *err);
int tar_close(struct tar *t, struct error *err);
void tar_free(struct tar *t);
/* name of a path in the archive; caller frees */
char *tar_name(const char *path);

/* --- ACL --- */
struct archive_entry;
/* raw attribute value into the entry; 0, or -EINVAL if it is none */
int acl_to_entry(struct archive_entry *entry, const void *value, size_t len,
		 bool is_default);

/* opens without touching the access time where that is allowed */
int backup_open_quietly(int dirfd, const char *name);

#endif
