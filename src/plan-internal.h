/* SPDX-License-Identifier: MIT */
#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H
/*
 * plan-internal - what the plan*.c files share
 *
 * The way of a plan: plan-scan.c looks at the bytes for what libconfig would
 * take silently; plan.c lets libconfig parse them and copies the result into a
 * tree of struct plan_value, so that libconfig is known to plan.c alone;
 * plan-load.c and plan-steps.c read groups of that tree through struct
 * plan_node, as the kinds do; plan-check.c looks at the whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "plan.h"

#define PLAN_DEPTH_MAX 32
/* a hundred years in seconds: longer is a slip */
#define PLAN_DURATION_MAX (100.0 * 366 * 86400)

enum value_type {
	VALUE_GROUP,
	VALUE_ARRAY,
	VALUE_LIST,
	VALUE_STRING,
	VALUE_INT,
	VALUE_FLOAT,
	VALUE_BOOL,
};

struct plan_value {
	enum value_type type;
	int line;
	char *key;                  /* NULL in arrays and lists */
	char *str;
	int64_t num;
	double real;
	bool flag;
	struct plan_value *items;   /* group, array, list */
	size_t n;
};

struct plan_id {
	char *id;
	int line;
};

/* Steps that were named before all of them were known. */
struct plan_later {
	char *key, *id;
	unsigned int flags;
	int line;
};

/* One load, from the first byte to the last check. */
struct plan_load {
	struct plan *plan;
	struct plan_scope *scope;
	struct plan_problems *problems;
	const struct step_ops *const *kinds;
	char *home;                 /* what ~ stands for, or NULL */
	char *root;                 /* absolute, or NULL: not known yet */
	struct plan_id *ids;        /* of all steps and checks */
	size_t id_n, id_cap;
	struct strvec step_ids;     /* of the steps so far, failed ones too */
	struct strvec bad_stores;   /* that were refused */
	struct plan_later *later;
	size_t later_n, later_cap;
};

enum node_key_flags {
	KEY_TEXT = 1u << 0,         /* may carry a language suffix */
};

struct node_key {
	char *name;
	unsigned int flags;
};

struct plan_node {
	struct plan_load *load;
	struct plan_node *parent;
	const struct plan_value *value;
	struct node_key *asked;     /* keys that somebody knows */
	size_t asked_n, asked_cap;
	struct plan_node **children;
	size_t child_n, child_cap;
	bool failed;
	bool finished;
};

/* --- plan-scan.c --- */
enum scan_result {
	SCAN_OK = 0,
	SCAN_BAD = 1u << 0,         /* parse, but do not look at the values */
	SCAN_STOP = 1u << 1,        /* libconfig must not see it, or would
				       only say less, and leak memory */
};
/* text is NUL terminated; commas before a closing bracket become spaces */
unsigned int plan_scan(char *text, size_t len, struct plan_problems *problems);

/* --- plan.c --- */
/* NULL and a problem on a syntax error */
struct plan_value *plan_parse(const char *text,
			      struct plan_problems *problems);
/* what v holds, not v itself */
void plan_value_free(struct plan_value *v);
/* NUL, scan, parse; values: those of the tree (not NULL then) can be used. The
   caller releases the tree with plan_value_free() and free() */
struct plan_value *plan_tree(const char *source, size_t len, bool *values,
			     struct plan_problems *problems);
int plan_read_source(const char *path, struct strbuf *out, struct error *err);

/* --- plan-node.c --- */
struct plan_node *node_new(struct plan_load *load, struct plan_node *parent,
			   const struct plan_value *group);
void node_free(struct plan_node *n);
static inline void node_freep(struct plan_node **n)
{
	node_free(*n);
}
#define _cleanup_node_ _cleanup_(node_freep)
void node_know(struct plan_node *n, const char *key, unsigned int flags);
/* marks the key as known; NULL if it is not there */
const struct plan_value *node_get(struct plan_node *n, const char *key,
				  unsigned int flags);
/* the same, with a problem if it is missing and required */
const struct plan_value *node_want(struct plan_node *n, const char *key,
				   bool required);
/* the language in key if it is base with one ("title_de"), else NULL */
const char *node_language(const char *key, const char *base);
void node_problem_at(struct plan_node *n, int line, const char *fmt, ...)
	_printf_(3, 4);
/* keys that nobody asked for, here and in the children */
void node_finish(struct plan_node *n);
bool node_is_string(struct plan_node *n, const struct plan_value *v,
		    const char *key);
bool node_check_text(struct plan_node *n, const char *key, int line,
		     const char *text);

/* --- plan-expand.c --- */
enum expand_use {
	USE_STRING,                 /* a value of the plan */
	USE_TEXT,                   /* shown to people: no secrets */
	USE_PATH,                   /* no secrets */
	USE_ARGUMENT,               /* no secrets, ${step.started} stays */
	USE_ENV,                    /* ${step.started} stays */
	USE_VAR,                    /* no secrets */
	USE_STORE,                  /* a URL: secrets are fine, nobody sees it */
	USE_RAW,                    /* stays as it is: names are checked */
	USE_SNAPSHOT,               /* no secrets, ${snapshot.name} stays */
	USE_SNAPSHOT_ID,            /* and ${snapshot.id} */
};
/*
 * Fills in text, the value of key at line; problems are reported. In lint a
 * value that is missing gives a placeholder, and *guess (may be NULL) is set.
 */
bool node_expand(struct plan_node *n, const char *key, int line,
		 const char *text, enum expand_use use, bool *guess,
		 struct strbuf *out);
/* a name in text that may not stand in a shell script, or NULL; caller frees */
char *expand_unsafe_name(const char *text);
bool expand_has_refs(const char *text);

/* --- plan-values.c --- */
int parse_duration(const char *text, double *ret);
int parse_size(const char *text, uint64_t *ret);
int parse_mode(const char *text, mode_t *ret);
/* NULL if fine, else why not, marked with N_() */
const char *regex_refused(const char *pattern);
/* a number as text, the same in every locale */
char *format_real(double v);
/* shortest text to number, "C" locale; 0 or -EINVAL, -ERANGE */
int parse_real(const char *text, double *ret);
int parse_whole(const char *text, int64_t *ret);

/* --- plan-list.c --- */
/* each string of the list of key, filled in, and its line */
typedef void list_fn(struct plan_node *n, const char *key,
		     const struct plan_value *v, const char *text, void *ctx);
bool node_each(struct plan_node *n, const char *key, bool required,
	       enum expand_use use, list_fn *fn, void *ctx);
/* plan_node_argv() */
bool node_argv(struct plan_node *n, const char *key, bool required,
	       enum expand_use use, struct strvec *ret);
/* a number, a truth or a string as text as it stands; NULL for the rest */
char *plan_value_text(const struct plan_value *v);
/* the same, filled in; NULL and a problem for the rest */
char *node_scalar(struct plan_node *n, const struct plan_value *v,
		  enum expand_use use);

/* --- plan-names.c --- */
/* each: NULL if fine, else why not, marked with N_() */
const char *step_id_refused(const char *id);
const char *check_id_refused(const char *id);
const char *var_name_refused(const char *name);
const char *plan_name_refused(const char *name);
bool env_name_valid(const char *name);

/* --- plan-paths.c --- */
/* "~/x" -> home/x; absolute below the root -> relative; normalized. NULL and a
   problem if it may not be touched */
char *node_place(struct plan_node *n, const char *key, int line,
		 const char *path, bool magic);
/* the same without a judgement */
char *load_relative(const struct plan_load *l, const char *path);
bool plan_path_allowed(const struct plan *p, const char *path);
bool plan_path_is_state(const struct plan *p, const char *path);
char *load_expand_home(const struct plan_load *l, const char *path);

/* --- plan-files.c --- */
const struct plan_file *load_file(struct plan_node *n, const char *key,
				  int line, const char *name);
void plan_digest(struct plan *p);

/* --- plan-steps.c --- */
/* checks, steps, verify, verify_rollback; false: some step was refused */
bool load_steps(struct plan_load *l, struct plan_node *top);
/* those of plan_node_steps_later(), when all steps are there */
void check_later(struct plan_load *l);

/* --- plan-groups.c --- */
void load_answers(struct plan_load *l, struct plan_node *top);
void load_vars(struct plan_load *l, struct plan_node *top);
void load_app(struct plan_load *l, struct plan_node *top);
void load_backup(struct plan_load *l, struct plan_node *top);
void load_changes(struct plan_load *l, struct plan_node *top);
/* --- plan-snapshot.c --- */
/* n: the group `backup` */
void load_snapshot(struct plan_load *l, struct plan_node *n);

void load_defaults(struct plan_load *l, struct plan_node *top);

/* --- plan-store.c --- */
/* the names of what is secret in the environment; before anything is filled in */
void load_store_env(struct plan_load *l, struct plan_node *top);
void load_stores(struct plan_load *l, struct plan_node *top);
/* --- plan-notify.c --- */
void load_notify(struct plan_load *l, struct plan_node *top);

/* --- plan-rollback.c --- */
void load_rollback(struct plan_load *l, struct plan_node *top);
void load_backup_stores(struct plan_load *l, struct plan_node *top);

/* --- plan-check.c --- */
/* conflicts: not if some steps could not be read, as chains would be broken */
void check_effects(const struct plan *p, bool conflicts,
		   struct plan_problems *problems);
/* what is copied and compared by nothing, or cannot be carried back, to the
   warnings */
void check_compared(struct plan *p);

/* --- plan-object.c --- */
void plan_text_release(struct plan_text *t);

#endif
