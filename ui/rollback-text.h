/* SPDX-License-Identifier: MIT */
#ifndef ROLLBACK_TEXT_H
#define ROLLBACK_TEXT_H
/*
 * rollback-text - what a rollback would do, for people and for programs
 */
struct json_object;
struct rollback_preview;

/* {"type":"preview",...}, see upshift-events(7) */
struct json_object *rollback_preview_json(const struct rollback_preview *p);
/* to standard output */
void rollback_preview_show(const struct rollback_preview *p,
			   const char *point);

#endif
