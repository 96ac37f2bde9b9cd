/* SPDX-License-Identifier: MIT */
#ifndef STEP_PAIR_H
#define STEP_PAIR_H
/*
 * step-pair - `from` and `to` of the kinds that take one path to another
 *
 * The functions are members of struct step_ops as they stand: parse makes
 * s->priv a struct step_pair, release frees it.
 */
struct check_result;
struct effects;
struct error;
struct plan_node;
struct step;
struct step_ctx;

struct step_pair {
	char *from, *to;         /* paths as plans have them; neither lies
				    within the other */
};

int step_pair_parse(struct step *s, struct plan_node *n);
void step_pair_release(struct step *s);
/* to is created, with its parents where they are missing */
int step_pair_creates(const struct step *s, struct step_ctx *ctx,
		      struct effects *out, struct error *err);
/* 1 if from is there and to is not; else 0, and r says what is wrong */
int step_pair_check(const struct step *s, struct step_ctx *ctx,
		    struct check_result *r, struct error *err);

#endif
