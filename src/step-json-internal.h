/* SPDX-License-Identifier: MIT */
#ifndef STEP_JSON_INTERNAL_H
#define STEP_JSON_INTERNAL_H
/* What the step-json-*.c files share; the kinds see step-json.h alone. */
#include <sys/stat.h>

#include "base/hash.h"
#include "json-stream.h"
#include "step-json.h"
#include "step-secret.h"

/* --- what is expected of values: step-json-expect.c --- */

/* a value that must be unique, or is one that others must name */
struct json_seen {
	struct xxh128 digest;
	uint32_t expect;         /* its number */
};

struct json_seens {
	struct json_seen *v;
	size_t n, cap;
};

/* expectations at work on one file (or several, for unique and count) */
struct json_holding {
	const struct json_expects *x;
	/* for each: values found; what `in` allows, sorted */
	uint64_t *found;
	struct json_seens *allowed;
	struct json_seens seen;
	bool files;              /* json_holding_file() saw one */
};
int json_holding_init(struct json_holding *h, const struct json_expects *x,
		      struct step_ctx *c, struct error *err);
void json_holding_release(struct json_holding *h);
/* what one batch adds; merged in order */
struct json_held {
	uint64_t *found;
	struct json_seens seen;
};
void json_held_init(struct json_held *d, const struct json_holding *h);
void json_held_release(struct json_held *d);
void json_held_merge(struct json_holding *h, struct json_held *d);
/* one selected value; only pointers (not "$...") */
int json_held_value(const struct json_holding *h, struct json_held *d,
		    const struct json_tree *t, uint32_t node,
		    struct error *err);
/* unique and count, once all files were read */
int json_holding_end(struct json_holding *h, struct error *err);
/* the same for those that begin with '$', each in a pass over the file */
int json_holding_file(struct json_holding *h, int fd, struct error *err);
bool json_holding_has_paths(const struct json_holding *h);

/* --- what is not to be shown: step-json-hide.c --- */

/* "***" for each in a text of JSON, also in strings that hold one in another
   spelling and in one that is cut off */
void json_secrets_hide(const struct json_secrets *s, struct strbuf *text);

/* --- one file from its first byte to its last: step-json-pass.c --- */

struct json_sample {
	uint64_t offset;
	char *before, *after;
};

struct json_pass {
	const struct json_step *m;
	struct step_ctx *c;
	const char *path;        /* for messages */
	bool edit;
	struct json_holding *before, *after;    /* NULL: not asked for */
	int out_fd;              /* -1: nothing is written */
	struct strbuf *out;      /* NULL, or the text for a preview */
	struct json_secrets *secrets;           /* with edit: where they go */
	size_t sample_max;
	bool hide;               /* records are not for the quarantine */
	/* progress over all files; records of those that are done */
	uint64_t done, total, recorded;
	/* results */
	uint64_t selected, left, changed, records;
	uint64_t spliced;        /* places that differ */
	struct xxh128 digest;    /* of what was written */
	struct strbuf bad;       /* JSONL for the quarantine */
	uint64_t bad_n;
	struct json_sample *samples;
	size_t sample_n;
	/* at work */
	struct xxh_stream *hash;
};
void json_pass_init(struct json_pass *p, const struct json_step *m,
		    struct step_ctx *c);
void json_pass_release(struct json_pass *p);
/* the file dirfd/name (or below root if it is a path); err: "PATH:LINE: why" */
int json_pass_run(struct json_pass *p, int fd, struct error *err);
/* --- all files of a step: step-json.c --- */

struct json_staged {
	char *path;
	int fd;                  /* of the stage; borrowed */
	char name[24];
};

struct json_attempt {
	const struct json_step *m;
	const struct step *s;
	struct step_ctx *ctx;
	struct json_pass pass;
	struct json_holding before, after;
	struct json_secrets secrets;
	struct xxh_stream *digest;
	struct json_staged *staged;
	size_t staged_n, staged_cap;
	uint64_t selected, left, changed;
};
int json_attempt_init(struct json_attempt *a, const struct step *s,
		      struct step_ctx *ctx, struct error *err);
void json_attempt_release(struct json_attempt *a);
#define _cleanup_attempt_ _cleanup_(json_attempt_release)
/* a pass over the file behind fd; counts are added up */
int json_attempt_file(struct json_attempt *a, const char *path, int fd,
		      struct error *err);
/* what can be said only when all files were seen */
int json_attempt_end(struct json_attempt *a, struct error *err);
/* the files to work on, in path order */
int step_json_files(const struct json_step *m, struct step_ctx *ctx,
		    struct strvec *out, struct error *err);
/* is this one of the files that m is about, by its name? */
bool step_json_names(const struct json_step *m, const char *path);
int step_json_open(struct step_ctx *ctx, const char *path, struct stat *st,
		   struct error *err);
/* what has a digest in the journal: the files, or the output */
void step_json_targets(const struct json_step *m, const struct strvec *files,
		       struct strvec *out);
void step_json_digest_add(struct xxh_stream *x, const char *path,
			  const struct xxh128 *content);
uint64_t step_json_size(struct step_ctx *ctx, const struct strvec *files);
/* 1,234,567 */
void step_json_number(struct strbuf *out, uint64_t v);
/* 1 + the newlines ahead of offset */
uint64_t json_line_of(int fd, uint64_t offset);

#endif
