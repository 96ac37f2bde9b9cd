/* SPDX-License-Identifier: MIT */
#ifndef CHECK_DOCUMENTS_H
#define CHECK_DOCUMENTS_H
/*
 * check-documents - every file of a list is JSON, or JSON lines
 *
 * The common body of the kinds `json` and `jsonl`: all faults are named with
 * file, line and column, the first hundred one by one.
 */
#include "step.h"

int check_documents(const struct step *s, struct step_ctx *c, bool lines,
		    struct check_result *r, struct error *err);

#endif
