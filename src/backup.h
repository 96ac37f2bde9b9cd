/* SPDX-License-Identifier: MIT */
#ifndef BACKUP_H
#define BACKUP_H
/*
 * backup - archive and manifest of a set of paths, read back and compared
 *
 * backup_create() writes into dirfd: NAME.tar.zst (pax tar, hdrcharset=BINARY,
 * zstd in frames that begin at a member's header, so that one file can be got
 * without the rest), NAME.manifest.jsonl, the manifest again as the last
 * member (.upshift-manifest.jsonl), and NAME.b2 (for `b2sum -c`). Each is
 * written under NAME.*.part, flushed, read back from the disk (O_DIRECT; where
 * that cannot be, after DONTNEED: readback "cache"), decompressed and compared
 * with the manifest, then renamed, and the directory flushed: when it returns
 * 0 the backup is complete and durable, killed before that there are only
 * .part files, which the next backup_create() of that name removes.
 *
 * Members are relative to the root; paths outside (allow_paths) stand under
 * .upshift-outside/. Order is path order. A hard-link group is stored once.
 * Reading a file: size, times and inode are compared behind the read; what
 * changed is read again (3 times), then refused by name (ERR_BACKUP_CHANGED),
 * except `live` files, of which the prefix that was there at the first look is
 * kept. SQLite databases are recognised by their header (PROTOCOL 3).
 *
 * `tar --zstd --xattrs --xattrs-include='*' --acls -xpf NAME.tar.zst -C DIR`
 * brings everything back without this program.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "base/strbuf.h"

struct effects;
struct error;
struct ours;
struct manifest_reader;

/*
 * A member that is no file of the tree: what was saved of a store. It stands
 * below .upshift-stores/STORE/ (see engine-stores.h), is listed in the manifest
 * with the flag "store" and read by backup_pull() alone.
 */
#define BACKUP_STORES ".upshift-stores"
struct backup_extra {
	char *path;
	int fd;                          /* borrowed */
	uint64_t at, size;               /* where it lies behind fd */
	uint64_t rows;
};

struct backup_spec {
	int root_fd;
	const char *root;
	/* what to take, as resolved effects: EFFECT_SELF is the entry alone; a
	   path that is not there becomes an ITEM_ABSENT. All parents up to the
	   root are added as ITEM_PARENT. */
	const struct effects *set;
	const struct strvec *exclude;    /* globs */
	const struct strvec *live;       /* globs */
	const struct strvec *allow;      /* allow_paths: may be entered */
	const struct ours *ours;         /* what is not the user's */
	bool hard_links_break;
	/* pre-images: what is equal (digest and metadata) to this manifest is
	   listed as ITEM_IN_START and not stored; NULL: everything is stored */
	const char *start_name;
	const char *start_digest;
	/* manifest alone, no archive (a snapshot to compare with); symlinked
	   and mounted directories and links outside are no reason to refuse */
	bool manifest_only;
	int level;                       /* zstd; 0: the default, 1 */
	/* members of stores, in path order */
	const struct backup_extra *extras;
	size_t extra_n;
	/* bytes that backup_measure() found; 0: they are counted meanwhile */
	uint64_t total;
	/* bytes read so far, of total (0: not known yet) */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	/* one sentence about path */
	void (*warn)(void *ctx, const char *path, const char *text);
	bool (*cancelled)(void *ctx);
	void *ctx;
};

struct backup_result {
	uint64_t items, files, bytes, stored_bytes;
	bool has_archive;                /* false: nothing had to be stored */
	char archive_digest[BLAKE2_TEXT_SIZE];
	char manifest_digest[BLAKE2_TEXT_SIZE];
	const char *readback;            /* "disk", "cache" */
	double elapsed_s;
};

int backup_create(int dirfd, const char *name, const struct backup_spec *spec,
		  struct backup_result *ret, struct error *err);

/* digests of archive and manifest against the journal's; decompressed and
   every member compared with the manifest if deep. ERR_BACKUP_DAMAGED */
int backup_verify(int dirfd, const char *name, const char *archive_digest,
		  const char *manifest_digest, bool deep, struct error *err);

/* a look, before anything is written: what would be stored, where, and what
   cannot be kept (a sentence each) */
struct backup_need {
	uint64_t items, files, bytes;
	struct strvec lost;              /* "path: why" */
	struct strvec refused;           /* a check must fail: links outside,
					    symlinked or mounted directories */
};
int backup_measure(const struct backup_spec *spec, struct backup_need *ret,
		   struct error *err);
void backup_need_release(struct backup_need *n);

/* is the set on disk still as the manifest says? 0 equal, 1 differs (first
   path in *ret_path, may be NULL), -errno */
int backup_compare(int dirfd, const char *name, const char *manifest_digest,
		   const struct backup_spec *spec, char **ret_path,
		   struct error *err);

/*
 * Gets items out of the archive: called for every member that want() accepts,
 * in archive order, with its data to be read by read(). Frames without a
 * wanted item are not decompressed. Every content is compared with the
 * manifest's digest when it was read to the end.
 */
struct item;
struct backup_member;
typedef bool backup_want_fn(void *ctx, const struct item *it);
typedef int backup_member_fn(void *ctx, const struct item *it,
			     struct backup_member *m, struct error *err);
int backup_extract(int dirfd, const char *name, const char *manifest_digest,
		   backup_want_fn *want, backup_member_fn *fn, void *ctx,
		   struct error *err);
/* writes the content of a regular file to fd, holes as holes */
int backup_member_write(struct backup_member *m, int fd, struct error *err);

/*
 * A member of a store, read piece by piece: bytes, 0 at the end, when all of it
 * was compared with the manifest's digest. *data is valid until the next call.
 */
struct backup_pull;
int backup_pull_open(int dirfd, const char *name, const char *manifest_digest,
		     const char *path, struct backup_pull **ret,
		     struct error *err);
ssize_t backup_pull(struct backup_pull *p, const void **data,
		    struct error *err);
void backup_pull_close(struct backup_pull *p);

/* the line for a shell that brings the data back without us; caller frees */
char *backup_tar_line(const char *archive, const char *dir);

#endif
