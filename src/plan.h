/* SPDX-License-Identifier: MIT */
#ifndef PLAN_H
#define PLAN_H
/*
 * plan - a plan file read, checked and filled in; immutable afterwards
 *
 * plan_load() reads the file itself (regular file or "-", 1 MiB at most),
 * refuses what libconfig 1.5 would take silently (@include, NUL, numbers that
 * do not fit), parses, fills in ${...}, and asks each kind to parse its own
 * step. Every problem is collected in a struct plan_problems with file and
 * line, not the first alone; any problem makes the load fail with -EINVAL.
 * No side effects: nothing is created, run or locked. Only files that the plan
 * names beside itself are read.
 *
 * Kinds see a struct plan_node, never libconfig. A getter marks its key as
 * known; after a kind's parse every key that nobody asked for is a problem,
 * with the nearest known word. Getters report wrong types themselves and
 * return false, so parse functions read straight down and return -EINVAL at
 * the end if plan_node_failed().
 *
 * ${x} is filled in by the getters from struct plan_scope. With scope->lint
 * values that are missing stand for themselves ("<id>", "<run.id>"), so that a
 * first load with lint tells which answers to ask for and where the backup
 * goes, and a second one with all values in scope is the plan to run. Without
 * lint a value that is missing is a problem (an answer that is not required,
 * or has a default, is not missing).
 *
 * `${step.started}` is allowed in two places only. Argument lists and env come
 * from the getters with everything else filled in; expand_step_started() does
 * the rest and never looks at them again, so that no value is expanded twice.
 * Texts that were read raw (plan_node_raw(), a template) go through
 * step_expand() as a whole when the step is applied.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/strbuf.h"

struct error;
struct json_object;
struct step;
struct step_ops;

#define PLAN_FORMAT 1
#define PLAN_SIZE_MAX (1024 * 1024)
/* files beside the plan: how many, and how large each */
#define PLAN_FILES_MAX 256
#define PLAN_FILE_SIZE_MAX (16 * 1024 * 1024)
#define PLAN_STEPS_MAX 1000

/* A user-visible text and its translations (key_de, key_zh_CN, ...). */
struct plan_text {
	char *text;
	char **langs;   /* pairs: language, text; NULL at the end */
};
/* lang: "de_DE.UTF-8", "de", NULL; never NULL, "" if the plan has no text */
const char *plan_text_get(const struct plan_text *t, const char *lang);

struct plan_answer {
	char *id;
	struct plan_text prompt;
	char *pattern;      /* extended regular expression, or NULL */
	char *def;
	bool required;      /* default true */
	bool secret;
	int line;
};

enum plan_on_failure { PLAN_ASK, PLAN_STOP, PLAN_ROLLBACK };

struct plan_command {
	struct strvec argv; /* n 0: not given */
	double timeout_s;
};

struct plan_app {
	bool given;
	struct plan_command stop, start, running;
	double downtime_s;
};

/*
 * Beside the backup, never in its place: commands of whoever runs the database.
 * In their arguments ${snapshot.name} and, but for create, ${snapshot.id} stay;
 * run_snapshot_argv() fills them in.
 */
struct plan_snapshot {
	struct plan_command create;  /* argv.n 0: there is none */
	struct plan_command restore, drop;
};

/* A store that steps name; opened by step_store(). */
enum plan_store_kind {
	PLAN_STORE_UNKNOWN, /* lint alone: the URL is not known yet */
	PLAN_STORE_PG, PLAN_STORE_SQLITE, PLAN_STORE_JSON, PLAN_STORE_JSONL,
};

struct plan_store {
	char *name;
	char *url;          /* of store_open(); may hold a password: for no
			       message, journal or file */
	int line;
	enum plan_store_kind kind;
	char *path;         /* of its file, below the root; NULL: a server */
	bool allow_plaintext;
	const char *same;   /* the name of the one that it is, too (engine-same.c);
			       NULL: it is its own */
};
/* from now on st is another name of first */
void plan_store_is_same(struct plan_store *st, const struct plan_store *first);

/* "STORE:SET", "STORE:SELECT ...", or "STORE" alone */
struct plan_set {
	const struct plan_store *store;
	char *set;          /* or the query; "" for the store as a whole */
	bool query;
};
enum plan_set_flags {
	PLAN_SET_QUERY = 1u << 0,   /* a query is fine, where a kind has them */
	PLAN_SET_WHOLE = 1u << 1,   /* a database without a table is fine */
};
void plan_set_release(struct plan_set *set);
/* for messages: the set, or the store that is one */
const char *plan_set_name(const struct plan_set *set);
/* a file of records: json or jsonl */
bool plan_set_is_file(const struct plan_set *set);

/* What steps on stores do where they say nothing themselves; 0: not given. */
enum plan_level {
	PLAN_LEVEL_NONE, PLAN_BASIC, PLAN_STANDARD, PLAN_RIGOROUS,
	PLAN_FORENSIC,
};
#define PLAN_WORKERS_AUTO (-1)
#define PLAN_WORKERS_MAX 64
#define PLAN_BATCH_MAX 200000

struct plan_defaults {
	uint32_t batch;             /* rows; 0: adaptive */
	int workers;                /* or PLAN_WORKERS_AUTO */
	int retries;                /* < 0: not given */
	double timeout_s;           /* of one statement */
	enum plan_level level;
};

/* Who is told of what; in the order of plan_notify_words. */
enum plan_notify_event {
	NOTIFY_FAILURE, NOTIFY_BREACH, NOTIFY_CUTOVER, NOTIFY_SIGN_OFF,
	NOTIFY_ROLLBACK, NOTIFY_DONE,
};
extern const char *const plan_notify_words[];
struct plan_notify {
	unsigned int on;            /* bits by enum plan_notify_event */
	struct plan_command run;
};

/* How a rollback brings the sets of database servers back. */
enum plan_strategy {
	PLAN_BY_INCREMENTAL,   /* each step undoes what it did */
	PLAN_BY_SCHEMA,        /* the steps that change the schema alone */
	PLAN_BY_BACKUP,        /* the backup, into place */
	PLAN_BY_SNAPSHOT,      /* the provider's snapshot; only when asked for */
};
const char *plan_strategy_name(enum plan_strategy s);
int plan_strategy_parse(const char *name, enum plan_strategy *ret);

/* To a point; or some steps alone, in the order of the plan. */
struct plan_scenario {
	char *name, *point;          /* NULL: steps */
	enum plan_strategy strategy;
	struct strvec steps;
	bool reset;                  /* what they wrote is emptied, so that
					they can be run again */
};

struct plan_file {          /* a file that the plan names beside itself */
	char *name;         /* as in the plan */
	char *data;
	size_t len;
	char digest[141];   /* "blake2b-512:HEX" */
};

struct plan_problem {
	int line;           /* 0: the file as a whole */
	char *message;
};

struct plan_problems {
	struct plan_problem *v;
	size_t n, cap;
};

struct plan {
	char *path;         /* as given; "-" for standard input */
	char *dir;          /* directory that named files are relative to */
	char *source;       /* the bytes of the file */
	size_t source_len;
	char digest[141];   /* over source and the named files, in name order */
	char *name;
	struct plan_text title, support, release_notes;
	struct plan_text *changes;
	size_t change_n;
	char *from, *to;    /* "" if not given */
	char *root;         /* as in the plan, ~ not expanded; may be NULL */
	char *state_dir;
	char *run_as;       /* "root" or NULL */
	enum plan_on_failure on_failure;
	char *rollback_env;
	enum plan_strategy strategy;
	struct plan_scenario *scenarios;
	size_t scenario_n;
	struct strvec allow_paths;   /* absolute */
	struct strvec live;          /* globs */
	bool hard_links_break;
	struct json_object *vars;    /* in force: name -> string */
	struct plan_answer *answers;
	size_t answer_n;
	struct plan_app app;
	struct strvec include, exclude;
	struct strvec backup_sets;   /* "STORE:SET", "STORE" */
	bool pg_dump;                /* backup.with */
	struct plan_snapshot snapshot;
	char *backup_dir;            /* absolute where the root is known */
	char *backup_fixed;          /* its beginning, up to what a run fills
					in (${run.started} and the like) */
	char *backup_place;          /* backup_fixed below the root; NULL: it
					is elsewhere, or cannot be told yet */
	double keep_s;               /* backup.keep_days, in seconds; < 0: not given */
	struct plan_store *stores;
	size_t store_n;
	struct strvec store_env;     /* environment variables in their URLs */
	struct plan_defaults defaults;
	struct plan_notify *notify;
	size_t notify_n;
	struct step **checks;
	size_t check_n;
	struct step **steps;
	size_t step_n;
	struct step **verify;
	size_t verify_n;
	struct step **verify_rollback;
	size_t verify_rollback_n;
	/* what is no mistake and yet better done otherwise */
	struct plan_problems warnings;
	struct plan_file *files;
	size_t file_n;
};

/* What ${...} is filled in from. Borrowed; any member may be NULL. */
struct plan_scope {
	bool lint;
	const char *root, *run_id, *run_started, *user, *backup;
	struct json_object *vars;     /* overrides, from --set and --vars */
	struct json_object *answers;  /* id -> string */
	struct json_object *env;      /* on resume: what was in force; else
					 NULL: getenv() */
	/* filled: every ${env:X} that was used; plan_load() makes it if it is
	   NULL, the caller puts it */
	struct json_object *env_used;
};

void plan_problems_release(struct plan_problems *p);
void plan_problem_add(struct plan_problems *p, int line, const char *fmt, ...)
	_printf_(3, 4);

/*
 * path: file or "-". kinds: table ended by NULL; the same for steps and checks.
 * Fails with ERR_NO_PLAN (no such file, not to be read), ERR_PLAN_SYNTAX,
 * ERR_PLAN_VALUE, ERR_PLAN_CONFLICT, ERR_PLAN; the problems are sorted by line.
 * err names the first of them; where there is none (the file as a whole was
 * refused) err is all there is to say.
 */
int plan_load(const char *path, const struct step_ops *const *kinds,
	      struct plan_scope *scope, struct plan **ret,
	      struct plan_problems *problems, struct error *err);
void plan_free(struct plan *p);
/* why path (absolute) must not be a root,
   or NULL; the reason is marked with N_(). home may be NULL */
const char *plan_root_refused(const char *path, const char *home);
struct step *plan_find_step(const struct plan *p, const char *id);
/* does the answer fit its pattern? (an empty one only if it is not required) */
bool plan_answer_fits(const struct plan_answer *a, const char *text);
/* NULL: there is none of that name */
const struct plan_store *plan_find_store(const struct plan *p,
					 const char *name);
/* what stands for it in effects, backups and leases */
const char *plan_store_of(const struct plan *p, const char *name);
/* is there one that does not come from outside (${env:X})? */
bool plan_url_has_password(const char *raw);
/* adds every password in the URLs, for redaction */
void plan_store_secrets(const struct plan *p, struct strvec *ret);
/* by name, in any case; NULL: there is none */
const struct plan_scenario *plan_find_scenario(const struct plan *p,
					       const char *name);
const struct plan_file *plan_find_file(const struct plan *p, const char *name);
/* index in steps, or -1 */
int plan_step_index(const struct plan *p, const char *id);
/*
 * Effects that clash without a chain of needs, effects outside the root, and
 * effects on the state directory: added to problems. Called by plan_load().
 */
void plan_check_effects(const struct plan *p, struct plan_problems *problems);

/* --- what kinds see --- */
struct plan_node;

bool plan_node_has(struct plan_node *n, const char *key);
int plan_node_line(struct plan_node *n, const char *key);
bool plan_node_failed(const struct plan_node *n);
/* the plan, as far as it is read: with the steps before this one */
const struct plan *plan_node_plan(const struct plan_node *n);
void plan_node_problem(struct plan_node *n, const char *key, const char *fmt,
		       ...) _printf_(3, 4);
/* the load goes on; `upshift lint` tells it */
void plan_node_warning(struct plan_node *n, const char *key, const char *fmt,
		       ...) _printf_(3, 4);
/*
 * Each returns true and sets *ret (caller frees) if the key is there and
 * right; if it is missing: false, and a problem only with required.
 */
bool plan_node_string(struct plan_node *n, const char *key, bool required,
		      char **ret);
/* no ${...} filled in (patterns, templates); no step.* in plan_node_string() */
bool plan_node_raw(struct plan_node *n, const char *key, bool required,
		   char **ret);
bool plan_node_text(struct plan_node *n, const char *key, bool required,
		    struct plan_text *ret);
bool plan_node_bool(struct plan_node *n, const char *key, bool *ret);
bool plan_node_int(struct plan_node *n, const char *key, bool required,
		   int64_t min, int64_t max, int64_t *ret);
bool plan_node_double(struct plan_node *n, const char *key, bool required,
		      double min, double *ret);
/* number of seconds, or "30s" "5m" "24h" "30d" */
bool plan_node_duration(struct plan_node *n, const char *key, double *ret);
/* bytes: number, or "200M" (K M G T, powers of 1024) */
bool plan_node_size(struct plan_node *n, const char *key, uint64_t *ret);
/* "0755"; a number is a problem that says so */
bool plan_node_mode(struct plan_node *n, const char *key, mode_t *ret);
/* one of the words (NULL at the end); *ret = index */
bool plan_node_word(struct plan_node *n, const char *key, bool required,
		    const char *const *words, int *ret);
/* array of strings, or one string */
bool plan_node_list(struct plan_node *n, const char *key, bool required,
		    struct strvec *ret);
/* an argument list: array of at least one string; refuses values of others
   inside the script of a shell; ${step.started} stays */
bool plan_node_argv(struct plan_node *n, const char *key, bool required,
		    struct strvec *ret);
/* path below root (normalized) or in allow_paths; no glob */
bool plan_node_path(struct plan_node *n, const char *key, bool required,
		    char **ret);
/* list of paths; globs allowed if magic */
bool plan_node_paths(struct plan_node *n, const char *key, bool required,
		     bool magic, struct strvec *ret);
/* group of strings: NAME -> value, as "NAME=value" (checked for env names);
   ${step.started} stays */
bool plan_node_env(struct plan_node *n, const char *key, struct strvec *ret);
/* group of strings as pairs key, value */
bool plan_node_pairs(struct plan_node *n, const char *key,
		     struct strvec *ret);
/* any value as JSON text: a group is an object, a list or array an array */
bool plan_node_json(struct plan_node *n, const char *key, bool required,
		    char **ret);
/* a group, or a list of pairs (OLD, NEW): JSON texts, old and new in turn */
bool plan_node_json_pairs(struct plan_node *n, const char *key, bool required,
			  struct strvec *ret);
/* checks a regular expression (POSIX extended); raw string */
bool plan_node_regex(struct plan_node *n, const char *key, bool required,
		     char **ret);
/* a file beside the plan, read and kept in plan->files; borrowed */
bool plan_node_file(struct plan_node *n, const char *key, bool required,
		    const struct plan_file **ret);
/* the name of a store; borrowed from the plan */
bool plan_node_store(struct plan_node *n, const char *key, bool required,
		     const struct plan_store **ret);
/* a set in a store; the caller releases ret */
bool plan_node_set(struct plan_node *n, const char *key, bool required,
		   unsigned int flags, struct plan_set *ret);
/* the same for a text of a list of the key */
bool plan_node_set_text(struct plan_node *n, const char *key, const char *text,
			unsigned int flags, struct plan_set *ret);
/* ids of steps before this one; with flags, of kinds that have them, as far as
   that is known (in checks and verifications) */
bool plan_node_steps(struct plan_node *n, const char *key, unsigned int flags,
		     struct strvec *ret);
/* the same of any step; which there are is looked at when the plan is read */
bool plan_node_steps_later(struct plan_node *n, const char *key,
			   unsigned int flags, struct strvec *ret);
/* a number, or "auto": PLAN_WORKERS_AUTO */
bool plan_node_workers(struct plan_node *n, const char *key, int *ret);
bool plan_node_level(struct plan_node *n, const char *key,
		     enum plan_level *ret);
/* children of a list of groups: count, and each in turn (owned by n) */
size_t plan_node_count(struct plan_node *n, const char *key);
struct plan_node *plan_node_child(struct plan_node *n, const char *key,
				  size_t i);
/* refuses ${...} names that nobody knows, in a text that stays raw */
bool plan_node_check_refs(struct plan_node *n, const char *key,
			  const char *text);

/*
 * Fills in ${...}. lookup gives the value of a name (caller of lookup frees)
 * or NULL: unknown. json: values are escaped for inside a JSON string.
 * "$${" gives "${". Fails with the unknown name in err.
 */
typedef char *expand_fn(void *ctx, const char *name);
int expand_text(const char *text, size_t len, bool json, expand_fn *lookup,
		void *ctx, struct strbuf *out, struct error *err);
/* replaces ${step.started} in an argument or an env entry, and nothing else */
void expand_step_started(const char *text, const char *started,
			 struct strbuf *out);
/* adds UPSHIFT_VAR_name=value for every variable and answer that has a value:
   what commands of the plan get; secret answers are among them */
void plan_command_env(const struct plan *p, const struct plan_scope *scope,
		      struct strvec *env);
/* value of NAME in scope and plan (vars, answers, root, run.*, env:X), or
   NULL; what expand_text() uses everywhere */
char *plan_lookup(const struct plan *p, const struct plan_scope *scope,
		  const char *name);

/*
 * A file of `name = "value";` (answers, variables), bounded and scanned like a
 * plan; adds strings to ret. ERR_ANSWERS with file and line.
 */
int plan_pairs_load(const char *path, struct json_object *ret,
		    struct error *err);

/* nearest of words (NULL at the end) by edit distance, or NULL if none is near */
const char *nearest_word(const char *word, const char *const *words);

#endif
