/* SPDX-License-Identifier: MIT */
#ifndef STEP_JSON_H
#define STEP_JSON_H
/*
 * step-json - what the kinds json and jsonl have in common
 *
 * Both select values in files, change them by operations (json-op.h) and hold
 * expectations before and after. The kinds' own files have their tables; here
 * are the functions that stand in them. In what order things happen, and what
 * is on the disk in between, stands at the top of step-json.c.
 *
 * The keys of both are in upshift-plan(5).
 */
#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "json-op.h"
#include "json-path.h"
#include "step.h"

struct json_jq;
struct json_secrets;

/* one entry of expect or expect_before */
struct json_expect {
	char *path;                     /* as in the plan */
	struct strvec parts;            /* a pointer below the value, or */
	struct json_path *select;       /* "$...": values of the whole file */
	int type;                       /* index of json_type_words, -1: any */
	bool required, unique, has_regex, has_count;
	regex_t regex;
	char *pattern;
	struct json_literal min, max;   /* text NULL: none */
	int64_t count;
	/* the value is one of those that a path selects in another file */
	char *in_file;
	struct json_path *in_select;
};
/* "null", "boolean", "number", "integer", "string", "array", "object" */
extern const char *const json_type_words[];

struct json_expects {
	struct json_expect *v;
	size_t n;
};

/* how the number of selected values may change */
enum json_count { JSON_SAME, JSON_FEWER, JSON_MORE, JSON_ANY };

/* where secrets go */
struct json_store {
	char *file;                     /* or commands: */
	struct strvec put, get, remove;
};

struct json_step {
	bool lines;                     /* jsonl */
	struct strvec paths;
	bool alternatives;              /* the first of paths that is there */
	char *output;                   /* NULL: in place */
	char *split;                    /* a template, or NULL */
	struct strvec join;             /* patterns, or none */
	char *select_text;
	struct json_path *select;
	struct json_op *ops;
	size_t op_n;
	struct json_jq *filter;         /* NULL: ops */
	struct json_expects before, after;
	char *count;                    /* what is counted, or NULL */
	enum json_count count_change;
	struct json_store *stores;
	size_t store_n;
	bool quarantine;
	int64_t max_bad;
};

bool step_json_has_secrets(const struct json_step *m);

/* --- the slots of struct step_ops --- */
int step_json_parse(struct step *s, struct plan_node *n, bool lines);
int step_json_effects(const struct step *s, struct step_ctx *ctx,
		      struct effects *out, struct error *err);
int step_json_check(const struct step *s, struct step_ctx *ctx,
		    struct check_result *r, struct error *err);
int step_json_preview(const struct step *s, struct step_ctx *ctx,
		      struct preview *p, struct error *err);
int step_json_probe(const struct step *s, struct step_ctx *ctx,
		    enum step_probe *ret, struct error *err);
int step_json_apply(const struct step *s, struct step_ctx *ctx,
		    struct error *err);
int step_json_verify(const struct step *s, struct step_ctx *ctx,
		     struct error *err);
int step_json_undo(const struct step *s, struct step_ctx *ctx,
		   struct error *err);
int step_json_redo(const struct step *s, struct step_ctx *ctx,
		   struct error *err);
void step_json_release(struct step *s);

#endif
