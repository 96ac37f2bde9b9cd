/* SPDX-License-Identifier: MIT */
/* Looking. What makes a tree is json-parse.c. */
#include "json-tree.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-bytes.h"
#include "json-scan.h"
#include "json-text.h"

void json_around_init(struct json_around *a)
{
	memset(a, 0, sizeof(*a));
	strbuf_init(&a->above);
	strbuf_init(&a->lead);
	strbuf_init(&a->colon);
}

void json_around_release(struct json_around *a)
{
	strbuf_release(&a->above);
	strbuf_release(&a->lead);
	strbuf_release(&a->colon);
}

static void set(struct strbuf *to, const struct strbuf *from)
{
	strbuf_clear(to);
	strbuf_add(to, from->buf, from->len);
}

void json_around_copy(struct json_around *to, const struct json_around *from)
{
	to->member = from->member;
	to->depth = from->depth;
	set(&to->above, &from->above);
	set(&to->lead, &from->lead);
	set(&to->colon, &from->colon);
}

void json_tree_init(struct json_tree *t)
{
	memset(t, 0, sizeof(*t));
	strbuf_init(&t->arena);
}

void json_tree_release(struct json_tree *t)
{
	free(t->v);
	strbuf_release(&t->arena);
	memset(t, 0, sizeof(*t));
}

int json_tree_why(const char *text, size_t n, struct error *err)
{
	_cleanup_json_scan_ struct json_scan *s = json_scan_new(NULL, NULL);
	struct json_place at;
	const char *reason;

	if (json_scan_feed(s, text, n) == 0 && json_scan_end(s) == 0)
		BUG("a text that only the parser refuses");
	reason = json_scan_reason(s, &at);
	return error_set(err, ERR_JSON, -EINVAL, "%llu:%llu: %s",
			 (unsigned long long)at.line,
			 (unsigned long long)at.column, _(reason));
}

/* --- looking --- */

size_t json_count(const struct json_tree *t, uint32_t i)
{
	size_t n = 0;

	for (i = json_child(t, i); i; i = json_next(t, i))
		n++;
	return n;
}

bool json_key_is(const struct json_tree *t, uint32_t i, const char *name,
		 size_t n)
{
	const struct json_node *d = &t->v[i];
	size_t len;
	const char *key = json_key(t, i, &len);

	if (!(d->flags & (JSON_KEY_ESCAPES | JSON_RENAMED | JSON_ADDED)))
		return len == n + 2 && json_same_bytes(key + 1, name, n);
	return len >= n + 2 && json_text_equal(key, len, name, n);
}

uint32_t json_member_twice(const struct json_tree *t, uint32_t obj,
			   const char *name, size_t n, bool *twice)
{
	/* what is not just a key in the text */
	const unsigned int odd = JSON_GONE | JSON_KEY_ESCAPES | JSON_RENAMED |
		JSON_ADDED;
	const struct json_node *d = &t->v[json_now(t, obj)];
	uint32_t found = 0;

	if (d->type != JSON_T_OBJECT)
		return 0;
	for (uint32_t i = d->child; i; i = d->next) {
		d = &t->v[i];
		if (d->flags & odd) {
			if (d->flags & JSON_GONE || !json_key_is(t, i, name, n))
				continue;
		} else if (d->key_end - d->key != n + 2 ||
			   !json_same_bytes(json_at(t, d->key) + 1, name, n)) {
			continue;
		}
		*twice |= found != 0;
		found = i;
	}
	return found;
}

uint32_t json_member(const struct json_tree *t, uint32_t obj,
		     const char *name, size_t n)
{
	bool twice = false;

	return json_member_twice(t, obj, name, n, &twice);
}

uint32_t json_element(const struct json_tree *t, uint32_t arr, uint64_t index)
{
	uint32_t i;

	if (json_type_of(t, arr) != JSON_T_ARRAY)
		return 0;
	for (i = json_child(t, arr); i && index; i = json_next(t, i))
		index--;
	return i;
}

bool json_is_live(const struct json_tree *t, uint32_t i)
{
	if (!t->lost)
		return true;
	for (uint32_t up; i != JSON_ROOT; i = up) {
		if (t->v[i].flags & JSON_GONE)
			return false;
		up = t->v[i].parent;
		/* the new value of a node has it for a parent */
		if (!up || (t->v[up].flags & JSON_REPLACED &&
			    t->v[up].child != i))
			return false;
	}
	return true;
}

const char *json_raw(const struct json_tree *t, uint32_t i, size_t *n)
{
	const struct json_node *d = &t->v[json_now(t, i)];

	if (d->flags & JSON_DIRTY)
		return NULL;
	*n = d->end - d->begin;
	return json_at(t, d->begin);
}

void json_string(const struct json_tree *t, uint32_t i, struct strbuf *out)
{
	const struct json_node *d = &t->v[json_now(t, i)];

	json_text_decode(json_at(t, d->begin), d->end - d->begin, out);
}
