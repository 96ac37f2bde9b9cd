/* SPDX-License-Identifier: MIT */
#ifndef JSON_OP_H
#define JSON_OP_H
/*
 * json-op - operations of a plan on a value: add, remove, replace, move, copy
 * and test of RFC 6902, and rename, default, map, convert and secret
 *
 *	for each value that the path selected:
 *		json_ops_apply(ops, n, &t, node, &hooks, &changed, err)
 *
 * Operations are immutable and may be used by several threads, each with a
 * tree of its own. They mark the tree (json-edit.h). Paths are JSON Pointers
 * (RFC 6901) below the value. What an operation names must be there, but for
 * the target of add and default; a name that an object has twice is refused,
 * as nobody can tell which one is meant. An operation that would write what is
 * there already changes nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "json-path.h"
#include "json-tree.h"

struct error;

enum json_op_type {
	JSON_OP_ADD, JSON_OP_REMOVE, JSON_OP_REPLACE, JSON_OP_MOVE,
	JSON_OP_COPY, JSON_OP_TEST, JSON_OP_RENAME, JSON_OP_DEFAULT,
	JSON_OP_MAP, JSON_OP_CONVERT, JSON_OP_SECRET,
};
/* as in a plan, NULL at the end; the index is the type */
extern const char *const json_op_names[];

enum json_convert {
	JSON_TO_STRING, JSON_TO_NUMBER, JSON_TO_BOOLEAN, JSON_TO_UNIX,
	JSON_TO_UNIX_MS, JSON_TO_ISO8601, JSON_TO_ISO8601_MS,
};
/* "string", "number", "boolean", "unix-time", "unix-time-ms", "iso8601" and
   "iso8601-from-ms" */
extern const char *const json_convert_names[];

enum json_otherwise { JSON_KEEP, JSON_FAIL, JSON_VALUE };
enum json_leave { JSON_LEAVE_TEXT, JSON_LEAVE_NULL, JSON_LEAVE_NOTHING };

/* a value of the plan: text, and the same parsed */
struct json_literal {
	char *text;
	size_t len;
	struct json_tree tree;
};
/* takes text; -EINVAL: it is no JSON (text is the caller's again) */
int json_literal_init(struct json_literal *l, char *text);
void json_literal_release(struct json_literal *l);

struct json_op {
	enum json_op_type type;
	char *path, *from;              /* as in the plan, for messages */
	struct strvec path_parts, from_parts;
	struct json_filter *where;      /* NULL: always */
	struct json_literal value;      /* add, replace, test, default; map:
					   otherwise */
	char *to;                       /* rename: the new name */
	enum json_convert convert;
	struct json_literal *map;       /* pairs: old, new */
	size_t map_n;
	enum json_otherwise otherwise;
	char *name, *leave;             /* secret: templates */
	enum json_leave leave_what;
	size_t store;                   /* secret: the caller's number */
	struct json_literal key;        /* json_op_ready(): a token of the name
					   under which something is put */
};
/* once all else is set, before it is applied */
void json_op_ready(struct json_op *op);
void json_op_release(struct json_op *op);

struct json_op_hooks {
	/*
	 * A secret is about to leave the document: text is the string, or the
	 * JSON text of another value. Nonzero ends it and is returned.
	 */
	int (*secret)(void *ctx, const struct json_op *op, const char *name,
		      const char *text, size_t n, struct error *err);
	void *ctx;
};

/*
 * 0, or -EINVAL with err filled: "operation 2, rename '/a': why" (ERR_STEP).
 * The tree is then half edited and of no use. node is not a member that
 * was removed.
 */
int json_ops_apply(const struct json_op *ops, size_t n, struct json_tree *t,
		   uint32_t node, const struct json_op_hooks *hooks,
		   bool *changed, struct error *err);
/* could it change what is around the selected value? */
bool json_op_is_outer(const struct json_op *op);

/* the value behind parts; 0: none; *twice is set if a name is there twice */
uint32_t json_op_find(const struct json_tree *t, uint32_t node,
		      const struct strvec *parts, size_t n, bool *twice);
/* -EINVAL and err filled if it cannot be done without loss; appends JSON */
int json_convert_value(const struct json_tree *t, uint32_t i,
		       enum json_convert to, struct strbuf *out,
		       struct error *err);

/*
 * Templates: {id} is a member of the value (a string, or the text of a number),
 * {/a/b} one further down, {{ and }} are braces. extra (may be NULL): pairs of
 * a name and a text that go first.
 */
const char *json_template_refused(const char *text);   /* why, N_(), or NULL */
int json_template_fill(const char *text, const struct json_tree *t,
		       uint32_t node, const char *const *extra,
		       struct strbuf *out, struct error *err);
/* a name made of parts between slashes, each usable as a file name and an
   argument; NULL, or why not (N_()) */
const char *json_name_refused(const char *name, size_t n);

#endif
