/* SPDX-License-Identifier: MIT */
#ifndef CHECK_DOCUMENTS_H
#define CHECK_DOCUMENTS_H
/*
 * check-documents - are these files well-formed JSON, or JSON lines?
 *
 * What the checks `json` and `jsonl` share. paths are patterns or paths; a
 * directory means all files below it. A path without magic must be there, and
 * be a file or a directory; what a pattern meets that is neither (symlinks,
 * sockets) is passed over, since it holds no document of its own. In files
 * that the plan calls live the last line may be unfinished.
 */
#include <stdbool.h>

struct check_result;
struct error;
struct step_ctx;
struct strvec;

/* every fault in r->details ("FILE:LINE:COLUMN: why"), the first 100 */
int check_documents(struct step_ctx *c, const struct strvec *paths, bool lines,
		    struct check_result *r, struct error *err);

#endif
