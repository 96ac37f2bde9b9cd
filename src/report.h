/* SPDX-License-Identifier: MIT */
#ifndef REPORT_H
#define REPORT_H
/*
 * report - a run as Markdown: steps, counts, times, checksums, what next
 *
 * Made from the journal alone. report_write() puts it into runs/<id>/report.md
 * (replaced atomically); its failure is never the failure of a run.
 */
#include <stdbool.h>

struct error;
struct plan;
struct run;
struct strbuf;

void report_markdown(const struct run *r, const struct plan *plan,
		     struct strbuf *out);
int report_write(const struct run *r, const struct plan *plan,
		 struct error *err);

/* who still uses the legacy views of the plan, as a table or a list of objects;
   remembers that somebody looked */
int report_compat(const struct plan *p, int root_fd, bool json,
		  struct strbuf *out, struct error *err);

#endif
