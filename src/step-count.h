/* SPDX-License-Identifier: MIT */
#ifndef STEP_COUNT_H
#define STEP_COUNT_H
/*
 * step-count - how many records are there?
 *
 * set is "STORE:TABLE", "STORE:SELECT ..." or a file of records; where is a
 * condition in the language of the store; key names the key of a file of
 * records ("@key" in an object). min, max, equal bound the number; same_as is
 * another set that has as many.
 */
struct check_result;
struct error;
struct plan_node;
struct step_count;
struct step_ctx;

/* never NULL; problems are reported by n */
struct step_count *step_count_parse(struct plan_node *n);
int step_count_check(const struct step_count *m, struct step_ctx *ctx,
		     struct check_result *r, struct error *err);
void step_count_free(struct step_count *m);

#endif
