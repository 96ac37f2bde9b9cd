/* SPDX-License-Identifier: MIT */
#ifndef STEP_SPLIT_H
#define STEP_SPLIT_H
/*
 * step-split - each selected value to a file of its own, and back
 *
 * split: names come from a template whose directory is fixed
 * ("notes/{id}.json"); each part must be usable as a file name, no two values
 * may have one name, and a file that is there must be equal. The document
 * stays as it is. join: the documents that patterns match, in path order, as
 * the elements of one array in a new document. Values keep their bytes.
 *
 * As in step-json.c everything is staged, then the digest over names and
 * contents is journalled, then the files are put in place one by one: killed
 * in between, the probe says partly.
 */
struct effects;
struct error;
struct check_result;
struct json_step;
struct preview;
struct step;
struct step_ctx;

/* the fixed directory of a template; caller frees; NULL: there is none */
char *step_split_dir(const char *template);

int step_split_effects(const struct json_step *m, struct step_ctx *ctx,
		       struct effects *out, struct error *err);
int step_split_check(const struct json_step *m, struct step_ctx *ctx,
		     struct check_result *r, struct error *err);
int step_split_preview(const struct json_step *m, struct step_ctx *ctx,
		       struct preview *p, struct error *err);
int step_split_probe(const struct json_step *m, struct step_ctx *ctx,
		     int *ret, struct error *err);
int step_split_apply(const struct json_step *m, struct step_ctx *ctx,
		     struct error *err);
int step_split_verify(const struct json_step *m, struct step_ctx *ctx,
		      struct error *err);

#endif
