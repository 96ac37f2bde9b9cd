/* SPDX-License-Identifier: MIT */
#ifndef JSON_PATH_INTERNAL_H
#define JSON_PATH_INTERNAL_H
/* What the parser of paths hands to those who follow them. */
#include "json-path.h"

enum selector_type {
	SELECT_NAME, SELECT_INDEX, SELECT_SLICE, SELECT_ALL, SELECT_FILTER,
};

struct selector {
	enum selector_type type;
	char *name;              /* decoded, of len bytes */
	size_t len;
	/* index in start; of a slice what is not given has its flag unset */
	int64_t start, end, step;
	bool has_start, has_end;
	struct path_expr *filter;
};

struct segment {
	bool descend;
	struct selector *v;
	size_t n, cap;
};

struct json_path {
	bool relative;           /* @ */
	struct segment *v;
	size_t n, cap;
};

enum expr_type {
	EXPR_OR, EXPR_AND, EXPR_NOT, EXPR_EXISTS,
	EXPR_EQ, EXPR_NE, EXPR_LT, EXPR_LE, EXPR_GT, EXPR_GE,
};

/* one side of a comparison: a path that gives one value at most, or a text
   of the plan, which is a document of its own */
struct operand {
	struct json_path *path;
	char *text;
	struct json_tree literal;
};

struct path_expr {
	enum expr_type type;
	struct path_expr *a, *b; /* or, and; not: a */
	struct operand left, right;   /* exists: left.path */
};

struct json_filter {
	struct path_expr *expr;
};

void path_expr_free(struct path_expr *e);
/* is there a $ in it? */
bool path_expr_absolute(const struct path_expr *e);
bool path_absolute(const struct json_path *p);

#endif
