/* SPDX-License-Identifier: MIT */
#ifndef ROLLBACK_TEXT_H
#define ROLLBACK_TEXT_H
/*
 * rollback-text - what a rollback would do, for people and for programs
 */
struct json_object;
struct rollback_preview;
struct run_point;

/* {"type":"preview",...}, see upshift-events(7) */
struct json_object *rollback_preview_json(const struct rollback_preview *p);
/* the same of one that was done, as the journal counted it */
struct json_object *rollback_done_json(const struct run_point *p);
/* to standard output */
void rollback_preview_show(const struct rollback_preview *p,
			   const char *point);

#endif
