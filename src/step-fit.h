/* SPDX-License-Identifier: MIT */
#ifndef STEP_FIT_H
#define STEP_FIT_H
/*
 * step-fit - would the destinations of these steps take what they copy?
 *
 * ids are of steps that copy records to PostgreSQL (see records-fit.h). As a
 * check it finds, before anything is done, what does not fit into tables that
 * are there; as a step behind the one that makes them, before the copy. In a dry
 * run, which writes nothing for not even a moment, it is passed over.
 */
struct check_result;
struct error;
struct step_ctx;
struct strvec;

int step_fit_check(const struct strvec *ids, struct step_ctx *ctx,
		   struct check_result *r, struct error *err);

#endif
