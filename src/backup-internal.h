/* SPDX-License-Identifier: MIT */
#ifndef BACKUP_INTERNAL_H
#define BACKUP_INTERNAL_H
/*
 * backup-internal - what the files of the backup share
 *
 * set: which items, in path order (backup-set.c, backup-measure.c,
 * backup-links.c). ahead: a thread that looks and reads before us
 * (backup-ahead.c). pack: items to members and manifest (backup-pack.c,
 * backup-content.c, backup-sqlite.c). tar: the form of a member (backup-tar.c,
 * backup-pax.c, backup-acl.c). frames: compressed frames of FRAME_RAW bytes,
 * made by two threads (backup-frames.c), and read back from the disk
 * (backup-readback.c). backup.c puts them together, backup-read.c is the way
 * back.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "backup.h"
#include "effects.h"
#include "manifest.h"
#include "sqlite-copy.h"

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
 * Called for each item in path order. Regular files that are bare have their
 * path and type alone: the callback looks at them itself, as it opens them
 * anyway; all else has its metadata, symlink target and digest of names.
 */
struct set_entry {
	struct item *it;         /* may be taken over */
	int dirfd;
	const char *name;
	bool bare;
};
typedef int set_item_fn(void *ctx, struct set_entry *e, struct error *err);
int backup_set_walk(const struct backup_spec *spec, const struct effects *set,
		    set_item_fn *fn, void *ctx, struct error *err);
/* type, size and inode alone, nothing is opened; refusals go into need */
int backup_set_look(const struct backup_spec *spec, const struct effects *set,
		    struct backup_need *need, set_item_fn *fn, void *ctx,
		    struct error *err);
/* set and the further names of its hard-link groups; bytes, refusals */
int backup_set_complete(const struct backup_spec *spec, struct effects *full,
			struct backup_need *need, struct error *err);

/* --- ahead --- */
/*
 * backup_set_walk() in a thread of its own; fn is called in ours, in the same
 * order. content: the whole of a regular file, with its digest in the item,
 * read between two looks that found the same; NULL: to be read by
 * content_open() and what follows it. That is so for what is large, sparse,
 * `live`, has several names, changed meanwhile, or with databases is one or
 * may belong to one: such are not opened here, as closing them would let go of
 * the locks that SQLite has in our process.
 */
typedef int ahead_fn(void *ctx, struct item *it, const char *content,
		     struct error *err);
int backup_ahead(const struct backup_spec *spec, const struct effects *set,
		 bool databases, ahead_fn *fn, void *ctx, struct error *err);

/*
 * The same in a thread of its own, while the set is packed as it was given:
 * mostly that is all of it. It is looked at when a file with several names is
 * met, or when somebody wants to know how much there is.
 */
struct look_job;
struct look_job *look_begin(const struct backup_spec *spec);
bool look_done(const struct look_job *j);
/* waits; both are handed over */
int look_end(struct look_job *j, struct effects *full,
	     struct backup_need *need, struct error *err);
void look_free(struct look_job *j);

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
/* by any thread, of those that are known */
struct frame frames_get(struct frames *f, size_t i);
/* ends the frame that is open and waits for all */
int frames_flush(struct frames *f);
uint64_t frames_size(const struct frames *f);
void frames_digest(struct frames *f, char out[BLAKE2_TEXT_SIZE]);
void frames_free(struct frames *f);

/* --- read-back --- */
struct readback;
/* of the archive that f writes into fd */
struct readback *readback_new(struct frames *f, int fd);
/* whenever frames may have been written: flushes and reads what there is */
void readback_follow(struct readback *r);
/* all is written and flushed: the thread reads what is left */
void readback_rest(struct readback *r);
/* waits for that, and helps; *how "disk" or "cache" */
int readback_end(struct readback *r, const char **how, struct error *err);
void readback_free(struct readback *r);

/* --- tar --- */
struct tar;
struct tar *tar_new(struct frames *f);
/* header; data follows by tar_data() if it is a file that is no link. fd: to
   look for holes in, or -1 */
int tar_header(struct tar *t, const struct item *it, int fd,
	       struct error *err);
int tar_data(struct tar *t, const void *p, size_t n, struct error *err);
/* pads the member */
int tar_end_member(struct tar *t, struct error *err);
int tar_close(struct tar *t, struct error *err);
void tar_free(struct tar *t);
/* name of a path in the archive; caller frees */
char *tar_name(const char *path);

/* --- its headers --- */
#define TAR_BLOCK 512
struct tar_head {
	const char *name;
	const char *alias;       /* in the field, as a record has the name */
	const char *link;
	char type;
	mode_t mode;
	uint64_t uid, gid, size;
	unsigned int major, minor;
	struct timespec mtime;
};
void pax_add(struct strbuf *sb, const char *key, const void *v, size_t n);
void pax_add_u64(struct strbuf *sb, const char *key, uint64_t v);
/* a record for each value that the header's fields have no room for */
void pax_add_head(struct strbuf *sb, const struct tar_head *h);
/* records, if there are, and the header */
void tar_add_head(struct strbuf *sb, const struct tar_head *h,
		  const struct strbuf *records);
/* zeros behind n bytes up to a whole block */
void tar_pad(struct strbuf *sb, uint64_t n);

/* --- ACL --- */
/* text of a raw attribute value; 0, or -EINVAL if it is none */
int acl_to_text(const void *value, size_t len, struct strbuf *sb);

/* --- pack --- */
/* an item whose frame is not written yet, so that its place is unknown */
struct pending {
	struct item it;
	size_t frame;
};

/* a database that is being saved, while paths come that begin like its own */
struct sqlite_hold {
	char *path;
	struct sqlite_lock *lock;
	bool copied;             /* by the API: side files are in the copy */
};

struct maker {
	const struct backup_spec *spec;
	const char *name;
	int dirfd;
	struct effects full;     /* what is packed */
	struct look_job *look;   /* under way */
	bool looked;             /* it was begun, or need not be */
	struct effects wider;    /* what should be, where that is more */
	uint64_t total;          /* bytes, as far as known */
	struct frames *frames;
	struct readback *readback;
	struct tar *tar;
	struct manifest_writer *manifest;
	struct manifest_reader *start;
	const struct item *start_it;
	struct link_table *links;
	struct pending *queue;
	size_t queue_n, queue_at, queue_cap;
	struct sqlite_hold *holds;
	size_t hold_n, hold_cap;
	char *buf;               /* SMALL_FILE bytes */
	uint64_t read, items, files, bytes;
	size_t extra_at;         /* of the spec's extras */
	bool stored;
};

/* an ahead_fn: one item into archive and manifest */
int pack_item(void *ctx, struct item *it, const char *content,
	      struct error *err);
/* manifest lines whose place is known by now */
int pack_flush(struct maker *m, struct error *err);
/* header of a member, and where it lies */
int pack_begin(struct maker *m, struct item *it, int fd, size_t *frame,
	       struct error *err);
int pack_progress(struct maker *m, uint64_t bytes, struct error *err);
/* the members of stores that come before path; NULL: all that are left */
int pack_extras(struct maker *m, const char *path, struct error *err);
int pack_io_error(struct error *err, int ret, const char *path);
/* it changed while it was read; -EAGAIN */
int pack_changed(struct error *err, const char *path);
/* a look beside the packing, if there was none */
void pack_look(struct maker *m);
/* what the look has found: -ESTALE if the set is not all (it is in m->wider),
   a refusal is an error */
int pack_settle(struct maker *m, struct error *err);
void maker_release(struct maker *m);

/* --- content of regular files --- */
/* opens without touching the access time where that is allowed */
int content_open_quietly(int dirfd, const char *name);
/* opened, and looked at again */
int content_open(struct maker *m, struct item *it, struct error *err);
bool content_is_live(const struct backup_spec *spec, const char *path);
/* a file of up to SMALL_FILE bytes into m->buf */
int content_read(struct maker *m, struct item *it, int fd,
		 struct error *err);
int content_store_read(struct maker *m, struct item *it, const char *data,
		       int fd, size_t *frame, struct error *err);
/* as it streams; -EAGAIN if it changed: the archive is spoilt */
int content_store(struct maker *m, struct item *it, int fd, size_t *frame,
		  struct error *err);
/* digest alone: manifests without an archive, and "does start hold it?" */
int content_digest(struct maker *m, struct item *it, int fd,
		   struct error *err);
/* n bytes from at, hashed; into the tar if to_tar. -EAGAIN: fewer */
int content_pump(struct maker *m, int fd, uint64_t at, uint64_t n,
		 bool to_tar, struct xxh128 *ret, const char *path,
		 struct error *err);

/* --- databases --- */
/* is it one? then it is held, and how says how it is to be saved */
int hold_try(struct maker *m, const struct item *it, int fd,
	     enum sqlite_copy_how *how, struct error *err);
/* of those that path has nothing to do with; NULL: of all */
void hold_release(struct maker *m, const char *path);
/* is it in the copy of a database already? */
bool hold_has(const struct maker *m, const char *path);
/* from a copy that SQLite made; the digest stays that of the file itself */
int hold_store(struct maker *m, struct item *it, size_t *frame,
	       struct error *err);

#endif
