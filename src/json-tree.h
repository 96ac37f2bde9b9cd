/* SPDX-License-Identifier: MIT */
#ifndef JSON_TREE_H
#define JSON_TREE_H
/*
 * json-tree - the values of a JSON text by position, to be looked at and
 * edited
 *
 *	json_tree_init(&t);
 *	if (json_tree_parse(&t, text, n) < 0) ... no document
 *	for (i = json_child(&t, JSON_ROOT); i; i = json_next(&t, i)) ...
 *	json_tree_release(&t);
 *
 * Parses a whole text as strictly as json-scan.h does (what one refuses the
 * other does too; tests hold them to that) into nodes that name spans of it.
 * Nothing is decoded: a number keeps its text. Why a text is refused is asked
 * of the scanner (json_tree_why()), which keeps this one quick.
 *
 * A tree is a value struct that is parsed into again and again; the text is
 * borrowed and must stay while the tree is used. Edits (json-edit.h) mark
 * nodes and put new text into an arena of the tree; positions from t->len on
 * mean the arena. All that looks at a tree sees it as edited.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

struct error;

/* more is refused: positions are 32 bits wide, with room for what is added */
#define JSON_TREE_TEXT_MAX ((size_t)UINT32_MAX / 2)
#define JSON_ROOT 1u

enum json_node_type {
	JSON_T_NULL, JSON_T_FALSE, JSON_T_TRUE, JSON_T_NUMBER, JSON_T_STRING,
	JSON_T_ARRAY, JSON_T_OBJECT,
};

enum json_node_flags {
	JSON_GONE = 1u << 0,     /* removed */
	JSON_REPLACED = 1u << 1, /* child is the node of the new value */
	JSON_RENAMED = 1u << 2,  /* name is the node of the new key */
	JSON_DIRTY = 1u << 3,    /* something at or below it was edited */
	JSON_STRUCT = 1u << 4,   /* children were added or removed */
	JSON_ADDED = 1u << 5,    /* was not in its container at first */
	JSON_FRESH = 1u << 6,    /* text of a plan: to be laid out */
	JSON_KEY_ESCAPES = 1u << 7, /* the key (it was) has some */
};

struct json_node {
	uint32_t begin, end;     /* the value as it was */
	uint32_t key, key_end;   /* of a member, quotes in; else 0 */
	uint32_t parent;         /* other nodes; 0: none */
	uint32_t child, last;
	uint32_t next;
	uint32_t name;
	uint8_t type;            /* enum json_node_type */
	uint8_t flags;           /* enum json_node_flags */
};

/*
 * What stands around a text that is one element or member of a larger document
 * and was parsed alone: what is put into it is written as if the whole document
 * had been parsed.
 */
struct json_around {
	bool member;             /* the text is a key, a colon and a value */
	int depth;               /* containers that are open around it */
	/* blanks ahead of the container (of its key), and of the first one
	   in it */
	struct strbuf above, lead;
	/* what stands between the key and the value of that one; or, in an
	   array, between the array and its own key */
	struct strbuf colon;
};

struct json_tree {
	const char *text;
	uint32_t len;
	/* borrowed; NULL: the text is a document. To be set ahead of
	   json_tree_parse(). The root has a key if the text is a member */
	const struct json_around *around;
	struct json_node *v;     /* v[0] is not used */
	uint32_t n, cap;
	bool lost;               /* some value was removed or replaced */
	struct strbuf arena;
};

void json_around_init(struct json_around *a);
void json_around_release(struct json_around *a);
void json_around_copy(struct json_around *to, const struct json_around *from);

void json_tree_init(struct json_tree *t);
void json_tree_release(struct json_tree *t);
#define _cleanup_json_tree_ _cleanup_(json_tree_release)
/* 0 or -EINVAL (no document), -EFBIG; what was parsed before is forgotten */
int json_tree_parse(struct json_tree *t, const char *text, size_t n);
/* fills err (ERR_JSON) with "LINE:COLUMN: why" for a text that was refused;
   returns -EINVAL */
int json_tree_why(const char *text, size_t n, struct error *err);
/*
 * Parses text (behind which there is nothing else) into nodes of the arena;
 * the new node, or 0 if it is no document or too large.
 */
uint32_t json_tree_graft(struct json_tree *t, const char *text, size_t n);
/* the same of a text that was parsed before, and not edited since; of a tree
   without one: 0 */
uint32_t json_tree_graft_tree(struct json_tree *t,
			      const struct json_tree *from);

static inline const char *json_at(const struct json_tree *t, uint32_t pos)
{
	return pos < t->len ? t->text + pos : t->arena.buf + (pos - t->len);
}

/* the node that has the value of i now */
static inline uint32_t json_now(const struct json_tree *t, uint32_t i)
{
	while (t->v[i].flags & JSON_REPLACED)
		i = t->v[i].child;
	return i;
}

static inline enum json_node_type json_type_of(const struct json_tree *t, uint32_t i)
{
	return (enum json_node_type)t->v[json_now(t, i)].type;
}

static inline uint32_t json_live(const struct json_tree *t, uint32_t i)
{
	while (i && t->v[i].flags & JSON_GONE)
		i = t->v[i].next;
	return i;
}

/* first child, next sibling: 0 behind the last */
static inline uint32_t json_child(const struct json_tree *t, uint32_t i)
{
	return json_live(t, t->v[json_now(t, i)].child);
}

static inline uint32_t json_next(const struct json_tree *t, uint32_t i)
{
	return json_live(t, t->v[i].next);
}

/* the key of a member, quotes in */
static inline const char *json_key(const struct json_tree *t, uint32_t i,
				   size_t *n)
{
	const struct json_node *d = &t->v[i];

	if (d->flags & JSON_RENAMED) {
		d = &t->v[d->name];
		*n = d->end - d->begin;
		return json_at(t, d->begin);
	}
	*n = d->key_end - d->key;
	return json_at(t, d->key);
}

/* number of children, or 0 of a scalar */
size_t json_count(const struct json_tree *t, uint32_t i);
/* is the key of member i this name (decoded)? */
bool json_key_is(const struct json_tree *t, uint32_t i, const char *name,
		 size_t n);
/* the member of that name, the last of several; 0: none */
uint32_t json_member(const struct json_tree *t, uint32_t obj,
		     const char *name, size_t n);
/* the same; *twice is set if there are several */
uint32_t json_member_twice(const struct json_tree *t, uint32_t obj,
			   const char *name, size_t n, bool *twice);
/* the element of that index; 0: none */
uint32_t json_element(const struct json_tree *t, uint32_t arr, uint64_t index);
/* still part of the document? */
bool json_is_live(const struct json_tree *t, uint32_t i);
/*
 * The text of a value that was not edited, or of a scalar; NULL if something
 * below was (then json_edit_text() has it).
 */
const char *json_raw(const struct json_tree *t, uint32_t i, size_t *n);
/*
 * The same value? Numbers as decimal numbers, strings as characters, members
 * in any order (of a name that is there twice the last), elements in order.
 */
bool json_equal(const struct json_tree *t, uint32_t i,
		const struct json_tree *u, uint32_t k);
/* the characters of a string value; appended */
void json_string(const struct json_tree *t, uint32_t i, struct strbuf *out);

#endif
