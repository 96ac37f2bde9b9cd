/* SPDX-License-Identifier: MIT */
#ifndef TEXT_H
#define TEXT_H
/*
 * text - events and facts as sentences; the one place where they are made
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct event;
struct event_figure;
struct run;
struct strbuf;

/* a line without its newline, or nothing if the event is not for people */
void text_event(const struct event *ev, bool verbose, struct strbuf *out);
/* what happened, what is safe, what to do next; several lines */
void text_error(const struct event *ev, struct strbuf *out);
void text_plain_error(const struct error *err, struct strbuf *out);
/* what limits the work, of an event: "writing to the destination"; or NULL */
const char *text_bound(const char *bound);
/* ", 1,200 rows at a time, waits mostly for ..."; of what is known */
void text_pace(uint64_t batch, const char *unit, const char *bound,
	       const char *wait, struct strbuf *out);
void text_bytes(uint64_t n, struct strbuf *out);
/* ", NAME VALUE (LIMIT)" for each that is watched; !holds is said */
void text_figures(const struct event_figure *f, size_t n, struct strbuf *out);
void text_count(uint64_t n, struct strbuf *out);
/* "12:04:08" of an RFC 3339 time, local */
void text_clock(const char *time, struct strbuf *out);
const char *text_run_state(const struct run *r, bool live);
/* "stopped" of the application, or that nobody stops it */
const char *text_app_state(const struct run *r);
/* prints "upshift: ..." and the hint to standard error */
void say_error(const struct error *err);
/* the same for a code (enum err_code) and a sentence; hint may be NULL; the
   exit status that belongs to the code */
int say_refused(int code, const char *msg, const char *hint);
/* standard output; false once it cannot be written any more */
bool out_line(const char *s);
bool out_failed(void);

#endif
