/* SPDX-License-Identifier: MIT */
#ifndef STEP_FILES_H
#define STEP_FILES_H
/*
 * step-files - what several kinds of step do with files
 *
 * Paths are as in effects: below the root, or absolute where the plan allows
 * it; never through a symlink. Functions return 0 (or what is said) or -errno
 * with err filled; nothing here knows a kind.
 *
 * An inode that a step is about to put somewhere is journalled as a fact by
 * its device and number, before the rename. After a crash that tells whether
 * the rename happened. Where these numbers do not outlive a reboot the answer
 * is "not mine": the engine then restores, which costs time and no data.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct effects;
struct error;
struct json_object;
struct preview;
struct strvec;
struct step_ctx;

/* "WHAT 'path': errno text"; what is translated ("cannot open") */
int step_files_fail(struct error *err, int ret, const char *what,
		    const char *path);

/* lstat: 1, 0 if nothing is there, -errno */
int step_files_stat(struct step_ctx *c, const char *path, struct stat *st,
		    struct error *err);
/* whole content of a regular file; -EFBIG beyond limit without err */
struct strbuf;
int step_files_read(struct step_ctx *c, const char *path, uint64_t limit,
		    struct strbuf *out, struct error *err);
/* target of a symlink; caller frees */
int step_files_readlink(struct step_ctx *c, const char *path, char **ret,
			struct error *err);

/* create if nothing is there now (or ctx is NULL), else change; with missing
   parents */
int step_files_effect(struct step_ctx *c, const char *path,
		      unsigned int flags, struct effects *out,
		      struct error *err);

/*
 * As root over the data of somebody else, what is made belongs to the owner of
 * the directory it is made in: owner_fd, or the one that holds path, where a
 * staged file will go to.
 */
int step_files_own(int dirfd, const char *name, int owner_fd);
int step_files_own_as(struct step_ctx *c, int dirfd, const char *name,
		      const char *path);

/* 1 if path or one of its parents is not as the pre-image has it; 0 if all is
   as before, or if there is no pre-image: nothing was begun */
int step_files_touched(struct step_ctx *c, const char *path,
		       struct error *err);

/*
 * Flushes path, if it is a directory, and the directory that holds it. A probe
 * calls it before it says "fully" of an attempt that may have been cut short:
 * what is to be seen need not be on the disk. (Parents that were made were
 * flushed before anything was put into them.)
 */
int step_files_settle(struct step_ctx *c, const char *path,
		      struct error *err);

/* {"dev":, "ino":}; new */
struct json_object *step_files_id(const struct stat *st);
bool step_files_is(struct json_object *id, const struct stat *st);
/* is there something at path that has this id? 1, 0, -errno; id may be NULL */
int step_files_at(struct step_ctx *c, const char *path,
		  struct json_object *id, struct error *err);

/* a line for a preview, paths escaped: "VERB 'path'" */
void step_files_say(struct preview *p, const char *verb, const char *path);

#endif
