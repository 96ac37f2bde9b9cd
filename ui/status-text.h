/* SPDX-License-Identifier: MIT */
#ifndef STATUS_TEXT_H
#define STATUS_TEXT_H
/*
 * status-text - where a run stands, as `upshift status` says it
 *
 * From the journal in memory alone. live: an engine works on it now.
 */
#include <stdbool.h>

struct options;
struct run;
struct strbuf;

/* several lines, each with its newline */
void status_text(const struct run *r, bool live, const char *now,
		 struct strbuf *out);
/* "7K4Q R70 FAILED, resumable, 3 of 9 steps done, step 4 failed E-4107"; the
   code is that of the screen that `upshift` would show now */
void status_short(const struct run *r, bool live, struct strbuf *out);

/* the same out of a support bundle, o->bundle; prints, returns an exit status */
int status_of_bundle(const struct options *o);

/* a line on what goes on, asked of the engine; nothing if there is none */
struct session;
void status_now(struct session *s, struct strbuf *out);

#endif
