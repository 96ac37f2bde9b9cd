/* SPDX-License-Identifier: MIT */
#ifndef EFFECTS_H
#define EFFECTS_H
/*
 * effects - what a step declares it will read, create, change and remove
 *
 * From the effects follow: backup set, space, preview, rollback and the
 * conflicts that lint refuses. Paths are below the root, or absolute below an
 * entry of allow_paths. Declared effects may be patterns; resolved ones (after
 * effects_resolve()) are paths: a pattern gives its matches, anything else
 * stands for itself whether it exists or not.
 *
 * A path stands for everything below it too, unless EFFECT_SELF: then the
 * entry alone (a directory that is made, not what others put in it).
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

struct error;
struct ours;
struct json_object;
struct strvec;

enum effect_type {
	EFFECT_READ,
	EFFECT_CREATE,
	EFFECT_CHANGE,
	EFFECT_REMOVE,
};

enum effect_flags {
	EFFECT_SELF = 1u << 0,
	/* a pattern that matches nothing is fine and gives nothing */
	EFFECT_PATTERN = 1u << 1,
	/* the file of a store: steps may share it (step_effects() adds it) */
	EFFECT_STORE = 1u << 2,
};

struct effect {
	enum effect_type type;
	unsigned int flags;
	char *path;
};

/* records in a store of the plan; set "": all of it */
struct effect_set {
	enum effect_type type;
	char *store, *set;
};

struct effects {
	struct effect *v;
	size_t n, cap;
	/* not outside by themselves: the kind's undo or the backup of the
	   database brings them back */
	struct effect_set *sets;
	size_t set_n, set_cap;
	/* databases that are written to, known sets or not: names of stores */
	struct strvec servers;
	/* touches the world outside files: nothing here can undo it */
	bool outside;
	/* what is there before holds secrets, and so does a backup of it */
	bool secrets;
	/* sorted, without patterns: effects_cover() need not try them all */
	bool indexed;
};

#define EFFECTS_INIT { 0 }
#define _cleanup_effects_ _cleanup_(effects_release)

void effects_release(struct effects *e);
void effects_add(struct effects *e, enum effect_type type, unsigned int flags,
		 const char *path);
/* a set of a store; where the data of that store are a file, step_effects()
   adds the file */
void effects_add_set(struct effects *e, enum effect_type type,
		     const char *store, const char *set);
void effects_add_server(struct effects *e, const char *store);
/* EFFECT_CREATE | EFFECT_SELF for every parent of path that is not there */
int effects_add_parents(struct effects *e, int root_fd, const char *path,
			struct error *err);
/* patterns expanded, sorted, each path once (the strongest type); indexed */
int effects_resolve(const struct effects *e, int root_fd,
		    const struct ours *ours,
		    struct effects *ret, struct error *err);
/* may the two write the same path? path: where (borrowed) */
bool effects_clash(const struct effects *a, const struct effects *b,
		   const char **path);
/* sorts resolved effects, so that effects_cover() stays quick for many; it
   holds until the next effects_add() */
void effects_index(struct effects *e);
/* writes (create, change, remove) that cover path? */
bool effects_cover(const struct effects *e, const char *path);
/*
 * The nearest directory that holds place, a path below the root, and that e
 * writes: who moves or removes it does so to all in it. New, for the caller to
 * free; NULL: none. The root itself does not count.
 */
char *effects_above(const struct effects *e, const char *place);
const char *effect_type_name(enum effect_type t);
/* [{"path":..., "type":"create", "self":true}, {"store":..., "set":...,
   "type":...}] for the journal */
struct json_object *effects_to_json(const struct effects *e);
int effects_from_json(struct json_object *o, struct effects *ret);

#endif
