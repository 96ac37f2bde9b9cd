/* SPDX-License-Identifier: MIT */
#ifndef RUN_BUNDLE_H
#define RUN_BUNDLE_H
/*
 * run-bundle - what support staff need of a run, without secrets and data
 *
 *	run_bundle_new() -> run_bundle_secret(), run_bundle_add() ...
 *	-> run_bundle_collect() -> show the list -> run_bundle_write()
 *
 * Everything is read, redacted (redact.h) and kept in memory, so that the list
 * tells what was taken out before anything is written. In it: plan, journal,
 * state, log, report, names and sizes (no contents) of the run's and the
 * backup's files, the manifest of the backup, versions, system, disks, an
 * allow-list of the environment; README.txt, redactions.json, and b2sums over
 * all of it (`b2sum -c`). Works on a run whose journal is damaged, too.
 *
 * The bundle is a .tar.zst, 0600, new and durable, or not there at all. The
 * map from pseudonyms to names stands beside it, never in it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

struct error;
struct json_object;
struct run;
struct run_bundle;
struct state_dir;

struct run_bundle_file {
	char *name;
	struct strbuf data;          /* as it is written */
	uint64_t redacted;           /* places */
	bool cut;                    /* too large: a part of it */
};

/* id: of a run directory of sd. run: opened, or NULL if it cannot be */
struct run_bundle *run_bundle_new(struct state_dir *sd, const char *id,
				  const struct run *run);
void run_bundle_free(struct run_bundle *b);
/* id of an answer that is secret */
void run_bundle_secret(struct run_bundle *b, const char *id);
/* a text of the caller's, redacted like all others */
void run_bundle_add(struct run_bundle *b, const char *name, const char *text,
		    size_t len);
/* the same of an object, indented for people */
void run_bundle_add_json(struct run_bundle *b, const char *name,
			 struct json_object *o);
/* map: path of an older map, so that names stay the same; may be missing */
int run_bundle_collect(struct run_bundle *b, const char *map,
		       struct error *err);
size_t run_bundle_files(const struct run_bundle *b,
			const struct run_bundle_file **ret);
/* places that were redacted, in all files */
uint64_t run_bundle_redacted(const struct run_bundle *b);
/* path must not be there yet; the map goes beside it, as the file map_name,
   if there is anything in it. ERR_BUNDLE */
int run_bundle_write(struct run_bundle *b, const char *path,
		     const char *map_name, struct error *err);

/* --- run-bundle-facts.c --- */
/* versions, system, memory, disks, environment; new */
struct json_object *run_bundle_facts(struct state_dir *sd,
				     const struct run *run);
/* "TYPE MODE SIZE TIME NAME" of what is in the directory, three levels deep */
void run_bundle_list(int dirfd, const char *name, struct strbuf *out);

#endif
