/* SPDX-License-Identifier: MIT */
/*
 * Edits as marks on nodes. What they do to the bytes is in json-layout.c.
 */
#include "json-edit.h"

#include <errno.h>
#include <string.h>

#include "base/xalloc.h"

/* up to the root, so that what prints finds its way down */
static void mark(struct json_tree *t, uint32_t i, unsigned int flags)
{
	t->v[i].flags |= (uint8_t)flags;
	for (; i && !(t->v[i].flags & JSON_DIRTY); i = t->v[i].parent)
		t->v[i].flags |= JSON_DIRTY;
}

int json_edit_replace_node(struct json_tree *t, uint32_t i, uint32_t d,
			   bool layout)
{
	if (!d)
		return -EINVAL;
	i = json_now(t, i);
	t->v[d].parent = i;
	t->v[d].flags |= layout ? JSON_FRESH : 0;
	/* the slot keeps its place; its old children are no longer seen */
	t->v[i].child = t->v[i].last = d;
	t->lost = true;
	mark(t, i, JSON_REPLACED);
	return 0;
}

int json_edit_replace(struct json_tree *t, uint32_t i, const char *json,
		      size_t n, bool layout)
{
	return json_edit_replace_node(t, i, json_tree_graft(t, json, n),
				      layout);
}

void json_edit_remove(struct json_tree *t, uint32_t i)
{
	if (i == JSON_ROOT || !t->v[i].parent)
		BUG("the document itself cannot be removed from itself");
	t->v[i].flags |= JSON_GONE;
	t->lost = true;
	mark(t, t->v[i].parent, JSON_STRUCT);
}

int json_edit_rename_node(struct json_tree *t, uint32_t i, uint32_t d)
{
	if (!d || t->v[d].type != JSON_T_STRING)
		return -EINVAL;
	t->v[i].name = d;
	/* its value is as it was */
	t->v[i].flags |= JSON_RENAMED;
	mark(t, t->v[i].parent, 0);
	return 0;
}

int json_edit_rename(struct json_tree *t, uint32_t i, const char *key,
		     size_t n)
{
	return json_edit_rename_node(t, i, json_tree_graft(t, key, n));
}

/* behind the sibling prev, or in front of all (0) */
static void link_node(struct json_tree *t, uint32_t up, uint32_t prev,
		      uint32_t i)
{
	struct json_node *c = &t->v[up];

	t->v[i].parent = up;
	t->v[i].next = prev ? t->v[prev].next : c->child;
	if (prev)
		t->v[prev].next = i;
	else
		c->child = i;
	if (c->last == prev)
		c->last = i;
	t->v[i].flags |= JSON_ADDED;
	mark(t, up, JSON_STRUCT);
}

int json_edit_member_node(struct json_tree *t, uint32_t obj, uint32_t k,
			  uint32_t d, bool layout)
{
	if (!k || !d || t->v[k].type != JSON_T_STRING)
		return -EINVAL;
	obj = json_now(t, obj);
	t->v[d].key = t->v[k].begin;
	t->v[d].key_end = t->v[k].end;
	t->v[d].flags |= layout ? JSON_FRESH : 0;
	link_node(t, obj, t->v[obj].last, d);
	return 0;
}

int json_edit_member(struct json_tree *t, uint32_t obj, const char *key,
		     size_t key_len, const char *json, size_t n, bool layout)
{
	uint32_t k = json_tree_graft(t, key, key_len);

	return json_edit_member_node(t, obj, k, json_tree_graft(t, json, n),
				     layout);
}

int json_edit_element_node(struct json_tree *t, uint32_t arr, uint64_t index,
			   uint32_t d, bool layout)
{
	uint32_t prev = 0;

	if (!d)
		return -EINVAL;
	arr = json_now(t, arr);
	t->v[d].flags |= layout ? JSON_FRESH : 0;
	for (uint32_t i = json_live(t, t->v[arr].child); i && index;
	     i = json_next(t, i), index--)
		prev = i;
	/* behind those that are gone, if it is to be the last */
	if (prev && !json_next(t, prev))
		prev = t->v[arr].last;
	link_node(t, arr, prev, d);
	return 0;
}

int json_edit_element(struct json_tree *t, uint32_t arr, uint64_t index,
		      const char *json, size_t n, bool layout)
{
	return json_edit_element_node(t, arr, index,
				      json_tree_graft(t, json, n), layout);
}

/* --- splices --- */

void json_splices_release(struct json_splices *s)
{
	free(s->v);
	strbuf_release(&s->text);
	memset(s, 0, sizeof(*s));
	strbuf_init(&s->text);
}

void json_splices_clear(struct json_splices *s)
{
	s->n = 0;
	strbuf_clear(&s->text);
}

void json_splices_apply(const struct json_splices *s, const char *original,
			size_t n, struct strbuf *out)
{
	uint64_t at = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct json_splice *p = &s->v[i];

		strbuf_add(out, original + at, p->at - at);
		strbuf_add(out, s->text.buf + p->text, p->len);
		at = p->at + p->removed;
	}
	strbuf_add(out, original + at, n - at);
}

void json_splices_invert(const struct json_splices *s, const char *original,
			 struct json_splices *ret)
{
	int64_t shift = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct json_splice *p = &s->v[i];

		VEC_GROW(ret->v, ret->n, ret->cap);
		ret->v[ret->n++] = (struct json_splice) {
			.at = (uint64_t)((int64_t)p->at + shift),
			.removed = p->len,
			.text = ret->text.len,
			.len = p->removed,
		};
		strbuf_add(&ret->text, original + p->at, p->removed);
		shift += (int64_t)p->len - (int64_t)p->removed;
	}
}
