/* SPDX-License-Identifier: MIT */
#ifndef JSON_EDIT_H
#define JSON_EDIT_H
/*
 * json-edit - changes to a JSON text that keep every byte they do not name
 *
 *	json_tree_parse(&t, text, n);
 *	json_edit_rename(&t, json_member(&t, JSON_ROOT, "a", 1), "\"b\"", 3);
 *	json_splices(&t, &s);
 *	json_splices_apply(&s, text, n, &out);
 *
 * An edit marks nodes of a tree; nothing is printed anew. json_splices() gives
 * what is to be cut out of the original bytes and put in, in order and apart
 * from each other; what leads to the bytes that were there is left out, so no
 * splice at all means no change. json_splices_invert() leads back.
 *
 * What is put in takes the style of its neighbours: the blanks ahead of a
 * member and around its colon are those of the member before it, the blanks
 * ahead of the closing bracket stay there. The first member of a container
 * gets a line of its own, one level deeper, where the container stands on a
 * line of its own. Values with members of their own are laid out alike.
 *
 * The texts that are handed in are JSON texts (keys: string tokens) and
 * copied; -EINVAL if they are none, or if there is no room. What is put in
 * again and again is better grafted (json-tree.h: without another parse) and
 * handed in as a node; no node (0) is -EINVAL too.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "json-tree.h"

struct json_splice {
	uint64_t at, removed;    /* in the original */
	size_t text, len;        /* what stands there instead, in text */
};

struct json_splices {
	struct json_splice *v;
	size_t n, cap;
	struct strbuf text;
};
#define JSON_SPLICES_INIT { .text = STRBUF_INIT }
#define _cleanup_json_splices_ _cleanup_(json_splices_release)

void json_splices_release(struct json_splices *s);
void json_splices_clear(struct json_splices *s);
/* adds those of the edited tree */
void json_splices(const struct json_tree *t, struct json_splices *s);
/* original: the text, n bytes; appends the edited one */
void json_splices_apply(const struct json_splices *s, const char *original,
			size_t n, struct strbuf *out);
/* what leads from the edited text back to the original */
void json_splices_invert(const struct json_splices *s, const char *original,
			 struct json_splices *ret);

/* layout: the text is written as its neighbours are; else as it stands */
int json_edit_replace(struct json_tree *t, uint32_t i, const char *json,
		      size_t n, bool layout);
int json_edit_replace_node(struct json_tree *t, uint32_t i, uint32_t value,
			   bool layout);
/* not the root */
void json_edit_remove(struct json_tree *t, uint32_t i);
int json_edit_rename(struct json_tree *t, uint32_t i, const char *key,
		     size_t n);
int json_edit_rename_node(struct json_tree *t, uint32_t i, uint32_t key);
/* a member behind the last one; it must not be there */
int json_edit_member(struct json_tree *t, uint32_t obj, const char *key,
		     size_t key_len, const char *json, size_t n, bool layout);
int json_edit_member_node(struct json_tree *t, uint32_t obj, uint32_t key,
			  uint32_t value, bool layout);
/* an element ahead of the one at index, or behind the last; index is at most
   the number of elements */
int json_edit_element(struct json_tree *t, uint32_t arr, uint64_t index,
		      const char *json, size_t n, bool layout);
int json_edit_element_node(struct json_tree *t, uint32_t arr, uint64_t index,
			   uint32_t value, bool layout);
/* the text of a value as it is now; appends */
void json_edit_text(const struct json_tree *t, uint32_t i, struct strbuf *out);

#endif
