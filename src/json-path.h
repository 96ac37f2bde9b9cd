/* SPDX-License-Identifier: MIT */
#ifndef JSON_PATH_H
#define JSON_PATH_H
/*
 * json-path - which values of a document are meant (JSONPath, RFC 9535)
 *
 *	json_path_parse("$.conversations[?@.archived == false].id", &p, err);
 *	json_path_select(p, &t, JSON_ROOT, &nodes);
 *
 * Names, indexes, slices, wildcards, descendants, unions, and filters with
 * existence, comparison, !, &&, || and parentheses. Functions (length(),
 * count(), match(), search(), value()) are refused by name when the path is
 * read. Of a name that an object has twice every member is selected; where a
 * single value is compared, the last. Numbers are compared as decimal numbers.
 *
 * Paths are immutable and may be used by several threads at a time, each with
 * a tree of its own.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "json-tree.h"

struct error;
struct strvec;
struct json_path;
struct json_filter;

struct json_nodes {
	uint32_t *v;
	size_t n, cap;
};
void json_nodes_release(struct json_nodes *n);
#define _cleanup_json_nodes_ _cleanup_(json_nodes_release)

/* -EINVAL with err filled: "column 7: why" (ERR_PLAN_VALUE) */
int json_path_parse(const char *text, struct json_path **ret,
		    struct error *err);
void json_path_free(struct json_path *p);
static inline void json_path_freep(struct json_path **p)
{
	json_path_free(*p);
}
#define _cleanup_json_path_ _cleanup_(json_path_freep)
/* adds the nodes in the order of the document; root is what $ means */
void json_path_select(const struct json_path *p, const struct json_tree *t,
		      uint32_t root, struct json_nodes *out);

/*
 * Can the values be found element by element? That is: names, then one
 * wildcard or filter, then anything, and nowhere a $ inside a filter. names
 * gets the names (decoded; no NUL in them); may be NULL.
 */
bool json_path_streams(const struct json_path *p, struct strvec *names);
/* what the path selects at or below elem, an element of the array or a value of
   the object that these names lead to, parsed alone */
void json_path_select_element(const struct json_path *p,
			      const struct json_tree *t, uint32_t elem,
			      struct json_nodes *out);

/* the part of a filter behind the question mark; @ is the node. Without $ */
int json_filter_parse(const char *text, struct json_filter **ret,
		      struct error *err);
void json_filter_free(struct json_filter *f);
bool json_filter_test(const struct json_filter *f, const struct json_tree *t,
		      uint32_t node);

#endif
