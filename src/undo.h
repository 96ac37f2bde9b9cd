/* SPDX-License-Identifier: MIT */
#ifndef UNDO_H
#define UNDO_H
/*
 * undo - put a set of paths back to what a manifest says, losing nothing
 *
 * One struct undo takes the paths of one step's effects back to its pre-image
 * (or of a whole rollback to an R point). Three steps, each idempotent, each
 * may be killed anywhere and done again:
 *
 *  undo_prepare()  stages what must come back from the archive, beside the
 *                  data, compares it with the manifest, flushes it;
 *  undo_commit()   path by path: renameat2(EXCHANGE) of staged and present
 *                  inode, so that each name is old or new, never absent; what
 *                  was displaced lands in aside/<path>, by rename, never by
 *                  deletion; directories that the run made go whole;
 *  undo_check()    compares the tree with the manifest again.
 *
 * undo_dirmeta() comes last of all: times of directories, innermost first.
 *
 * Where a path is taken in aside already (an older step displaces the same
 * name), what comes later goes to aside/.more/N/<path>; nothing is replaced.
 * A database of SQLite and what lies beside it come there together, so that
 * aside/<path> is the database as it was before the first undo.
 * Paths outside the root go below aside/.upshift-outside/.
 *
 * Classes of a path (preview): RESTORED (comes back), LOST (others changed it
 * since the step left it: what they wrote goes to aside and is named), KEPT
 * (in a directory that stays, made by others: not touched).
 */
#include <stdbool.h>
#include <stdint.h>

struct effects;
struct error;
struct ours;
struct strvec;
struct undo;

struct undo_counts;

enum undo_source {
	UNDO_FROM_ARCHIVE,    /* pre_name's archive, or start's for IN_START */
	UNDO_FROM_TREE,       /* inodes kept under aside of an earlier undo */
};

struct undo_spec {
	int root_fd;
	const char *root;
	const struct ours *ours;     /* what is not the user's */
	int backup_fd;               /* .../backup */
	const struct effects *effects;   /* as journalled by `applying` */
	enum undo_source source;
	const char *pre_name;        /* manifest to return to: "STEP.ATTEMPT" */
	const char *pre_digest;
	const char *tree_name;       /* UNDO_FROM_TREE: directory in backup_fd */
	const char *start_name;      /* "start" */
	const char *start_digest;
	const char *post_name;       /* what the step left; NULL: unknown */
	const char *post_digest;
	/* directory in backup_fd that takes what is displaced ("R1"), made if
	   missing; where the data is on another file system a sibling
	   .upshift-stage-<id> takes it first and aside gets a durable copy */
	const char *aside_name;
	const char *run_id;
	/* for a preview of several steps: what the undo of newer steps takes
	   care of before this one comes; not counted. NULL: nothing */
	const struct effects *handled;
	/* undo_prepare() adds what it found; NULL: not wanted */
	struct undo_counts *counts;
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

/*
 * Every path counts once, directories too. A path that the step made and
 * nobody touched since is RESTORED as well: its absence is what comes back.
 */
struct undo_counts {
	uint64_t restored, lost, kept;
	uint64_t removed;            /* of restored: made by the step, goes */
	uint64_t bytes;              /* to be staged */
	struct strvec *lost_names;   /* may be NULL; first 1000 */
	struct strvec *kept_names;
	struct strvec *restored_names;
};

/* loads and compares the manifest; what spec points to must outlive u */
int undo_open(struct undo **ret, const struct undo_spec *spec,
	      struct error *err);
/* read-only: classes and counts against the tree as it is now */
int undo_preview(struct undo *u, struct undo_counts *counts,
		 struct error *err);
/* ERR_ROLLBACK_SPACE with need and have, before anything is changed */
int undo_prepare(struct undo *u, struct error *err);
int undo_commit(struct undo *u, struct error *err);
int undo_check(struct undo *u, struct error *err);
int undo_dirmeta(struct undo *u, struct error *err);
void undo_free(struct undo *u);

/*
 * The state before a rollback as a manifest NAME in backup_fd: every path of
 * effects with digests, written durably before the first `undoing`. The inodes
 * follow by rename when undo_commit() displaces them into NAME/.
 */
int undo_write_point(int root_fd, const char *root, const struct ours *ours,
		     int backup_fd, const char *name,
		     const struct effects *effects, char *ret_digest,
		     struct error *err);

#endif
