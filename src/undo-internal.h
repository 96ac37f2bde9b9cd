/* SPDX-License-Identifier: MIT */
#ifndef UNDO_INTERNAL_H
#define UNDO_INTERNAL_H
/*
 * undo-internal - what the files of undo share
 *
 *  undo.c           the handle, the order of work
 *  undo-classify.c  tree against manifest -> list of actions and counts
 *  undo-beside.c    a database of SQLite and what lies beside it
 *  undo-links.c     hard-link groups: which inode is still the right one
 *  undo-place.c     directories for staging and for what is displaced
 *  undo-settle.c    what an earlier process left in them, and their end
 *  undo-stage.c     fills them: archive, tree or link -> new/, compared
 *  undo-source.c    where a content is got from: archives, aside, a sibling
 *  undo-commit.c    exchanges and renames
 *  undo-split.c     displaced names of inodes that stay in use
 *  undo-drain.c     across file systems: durable copy of what was displaced
 *
 * A place is a directory of ours on the file system of the data:
 *
 *  new/KEY   being built; worth nothing, thrown away at every start
 *  swap/KEY  complete; what is exchanged with the path. Killed behind the
 *            exchange it holds the displaced inode
 *  gone/     only where the backup is on another file system: what was
 *            displaced, until aside has a durable copy of it
 *
 * KEY is the hash of the path, so that a later process finds it again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "manifest.h"
#include "undo.h"

struct error;
struct walk_entry;

#define UNDO_KEY_SIZE 33
#define UNDO_OUTSIDE ".upshift-outside"
#define UNDO_NAMES_MAX 1000

/* a path that the step may write, with its part of the manifest */
struct undo_top {
	char *path;
	bool self;               /* the entry alone */
	size_t lo, hi;           /* items of pre; empty: nothing is listed */
};

enum undo_what {
	UNDO_DISPLACE,           /* present, was absent */
	UNDO_PLACE,              /* absent or other, comes back */
	UNDO_META,               /* mode, owner, attributes, time of a file */
};

struct undo_action {
	enum undo_what what;
	char *path;
	size_t lo, hi;           /* items of pre that come back with it */
	uint64_t gone_bytes;     /* that are displaced */
	struct undo_place *place;
	char key[UNDO_KEY_SIZE];
};

struct undo_group {
	size_t leader;           /* index in pre */
	bool good, looked;
	uint64_t dev, ino;
	char *path;              /* where the good inode is */
};

/* inodes with several names, and whose they are */
struct undo_claim {
	uint64_t dev, ino;
	size_t owner;
	bool used;
};

struct undo_place {
	char *dir;               /* NULL: in backup_fd */
	char *name;
	int fd, new_fd, swap_fd, gone_fd;
	uint64_t need;
	/* time of dir before the place was made in it, if this process did */
	bool made;
	struct timespec dir_mtime;
};

struct undo_fs {
	uint64_t dev;
	int fd;
};

struct undo {
	struct undo_spec spec;
	struct manifest pre;
	bool *needed;            /* per item: covered by tops, or above one */
	struct undo_top *tops;
	size_t top_n, top_cap;
	struct undo_group *groups;
	size_t group_n, group_cap;
	struct undo_claim *claims;
	size_t claim_n, claim_cap;
	struct undo_action *acts;
	size_t act_n, act_cap;
	struct undo_place **places;
	size_t place_n, place_cap;
	struct undo_place *home;
	int aside_fd;
	struct undo_fs *touched; /* file systems with changes to be flushed */
	size_t touched_n, touched_cap;
	bool prepared;
	bool again;              /* somebody was killed in it before */
	/* a name of an inode with several is displaced: now, or before a kill */
	bool split, split_left;
	uint64_t split_bytes;
	/* for tests: behave as on file systems that cannot */
	bool no_exchange, force_sibling, no_link;
};

/* messages: "cannot WHAT 'path': ..."; what is translated */
int undo_fail(struct error *err, int r, const char *what, const char *path);

/* undo-classify.c */
int undo_load_tops(struct undo *u, struct error *err);
/* fills acts; counts may be NULL */
int undo_classify(struct undo *u, struct undo_counts *counts,
		  struct error *err);
void undo_clear_actions(struct undo *u);
struct undo_action *undo_add_action(struct undo *u, enum undo_what what,
				    const char *path, size_t lo, size_t hi);
unsigned int undo_diff(const struct item *pre, const struct item *now);
size_t undo_subtree_end(const struct undo *u, size_t i);

/* undo-beside.c */
/* the path of the database that path would lie beside, or NULL; new */
char *undo_database_of(const char *path);
/* the i-th of the names that may lie beside it, or NULL behind them; new */
char *undo_beside(const char *path, size_t i);
/* has it the look of one? also if it is not there */
bool undo_is_database(struct undo *u, const char *path);
/* the actions, done, make a database complete; lost: what nobody declared */
typedef void undo_path_fn(void *ctx, const char *path);
int undo_add_beside(struct undo *u, undo_path_fn *lost, void *ctx,
		    struct error *err);
/* and what an undo that was killed has displaced a part of; before staging */
int undo_finish_beside(struct undo *u, struct error *err);
/* is what is there displaced before anything else is done? */
bool undo_goes_first(struct undo *u, const struct undo_action *a);
/* the slot in aside that path comes into, or above it, as it may be taken */
int undo_first_slot(int aside_fd, const char *path);

/* undo-links.c */
int undo_load_groups(struct undo *u, struct error *err);
void undo_reset_links(struct undo *u);
/* now, which has the content of item i: is it the inode it should be? */
bool undo_links_right(struct undo *u, size_t i, const struct item *now);
/* the group of item i, or NULL */
struct undo_group *undo_group_of(struct undo *u, size_t i);
/* looks for a good inode among the names that are not ours to undo */
int undo_group_look(struct undo *u, struct undo_group *g, struct error *err);

/* undo-place.c */
void undo_key(const char *path, char out[UNDO_KEY_SIZE]);
/* the place for an action, made if it is not there */
int undo_place_for(struct undo *u, struct undo_action *a, struct error *err);
/* the place in backup_fd, and aside */
int undo_open_home(struct undo *u, struct error *err);
/* the place in directory dir, on the file system of the data */
int undo_open_sibling(struct undo *u, const char *dir,
		      struct undo_place **ret, struct error *err);
char *undo_sibling_name(const struct undo *u);
int undo_remove_tree(int dirfd, const char *name);
/* path below aside, for the n-th that comes there; caller frees */
char *undo_aside_path(const char *path, int slot);
int undo_make_dirs(int fd, const char *rel);
/* renames dirfd/name to aside_fd/rel, whose directories are made */
int undo_put_into(int aside_fd, const char *rel, int dirfd, const char *name);
/* is there anything in slot n, or are there only fewer? */
bool undo_slot_exists(int aside_fd, int slot);
/* that failed because something else has the name or one above it */
bool undo_slot_is_taken(int r);
/* empties new/ */
int undo_place_clear(struct undo *u, struct undo_place *p, struct error *err);
void undo_places_free(struct undo *u);
/* moves dirfd/name to where path belongs in the place's aside */
int undo_put_aside(struct undo *u, struct undo_place *p, int dirfd,
		   const char *name, const char *path, struct error *err);
/* the kept inode of item it in tree_name (or aside): its directory as a
   descriptor and *name (caller frees), or -ENOENT */
int undo_find_kept(int base_fd, const char *tree, const struct item *it,
		   char **name, struct error *err);
int undo_rename_noreplace(int odir, const char *old, int ndir,
			  const char *new_name);
/* a directory's own write bit, which a rename to another parent needs */
int undo_loosen(int dirfd, const char *name, mode_t *was);
int undo_tighten(int dirfd, const char *name, mode_t was);

/* undo-settle.c */
/* places that an earlier process left, and what is in them */
int undo_settle(struct undo *u, struct error *err);
/* all places away; what is in gone/ is in aside by then */
int undo_places_remove(struct undo *u, struct error *err);
/* the same when nothing was changed yet: as if they had never been */
void undo_places_abandon(struct undo *u);

/* undo-stage.c */
/*
 * One inode that has to be made: the leaf items that come back as it, by item.
 * src is the item under which the archive has it.
 */
struct undo_leaf {
	size_t item, src;
	struct undo_action *a;
	bool filled;
	bool linked;             /* to an inode that is in use already */
	char *start_path;        /* its name in start's archive */
};

struct undo_leaves {
	struct undo_leaf *v;     /* sorted by src, then item */
	size_t n, cap;
	uint64_t done, total;
};

int undo_stage(struct undo *u, struct error *err);
/* the directory that the leaf is built in, and its name there */
int undo_leaf_parent(struct undo *u, const struct undo_leaf *l, char **name,
		     struct error *err);
/* metadata, comparison with the manifest, progress */
int undo_leaf_finish(struct undo *u, struct undo_leaves *ls,
		     struct undo_leaf *l, struct error *err);
int undo_stage_fail(struct error *err, int r, const char *path);

/* undo-source.c */
/* fills every leaf that is not filled and is a first of its src */
int undo_fill_files(struct undo *u, struct undo_leaves *ls,
		    struct error *err);

/* undo-commit.c */
int undo_commit_actions(struct undo *u, struct error *err);
/* takes back what undo_loosen() did to directories of the tree */
int undo_tighten_dirs(struct undo *u, struct error *err);

/* undo-split.c */
/* says in the place that undo_split() is due; before the first change */
int undo_split_mark(struct undo *u, struct error *err);
void undo_split_look(struct undo *u);
int undo_split_unmark(struct undo_place *p);
/* names in aside whose inode is in use get one of their own */
int undo_split(struct undo *u, struct error *err);

/* undo-drain.c */
/* the user's path of what lies in aside or gone/ as rel; NULL: none */
const char *undo_original(const char *rel);
int undo_drain(struct undo *u, struct undo_place *p, struct error *err);

#endif
