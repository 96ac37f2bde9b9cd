/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "json-text.h"
#include "json-tree.h"

static const char *span(const struct json_tree *t, uint32_t i, size_t *n)
{
	*n = t->v[i].end - t->v[i].begin;
	return json_at(t, t->v[i].begin);
}

static bool strings_equal(const char *a, size_t an, const char *b, size_t bn)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	if (an == bn && !memcmp(a, b, an))
		return true;
	if (!memchr(a, '\\', an) && !memchr(b, '\\', bn))
		return false;
	json_text_decode(a, an, &text);
	return json_text_equal(b, bn, text.buf, text.len);
}

static bool scalars_equal(const struct json_tree *t, uint32_t i,
			  const struct json_tree *u, uint32_t k)
{
	size_t an, bn;
	const char *a = span(t, i, &an), *b = span(u, k, &bn);

	if (t->v[i].type == JSON_T_NUMBER)
		return json_number_cmp(a, an, b, bn) == 0;
	return t->v[i].type != JSON_T_STRING || strings_equal(a, an, b, bn);
}

static bool arrays_equal(const struct json_tree *t, uint32_t i,
			 const struct json_tree *u, uint32_t k)
{
	i = json_child(t, i);
	k = json_child(u, k);
	for (; i && k; i = json_next(t, i), k = json_next(u, k))
		if (!json_equal(t, i, u, k))
			return false;
	return !i && !k;
}

/* the member of obj that has the key of member i */
static uint32_t same_member(const struct json_tree *t, uint32_t i,
			    const struct json_tree *u, uint32_t obj)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	size_t n;
	const char *key = json_key(t, i, &n);

	json_text_decode(key, n, &name);
	return json_member(u, obj, name.buf, name.len);
}

static bool objects_equal(const struct json_tree *t, uint32_t i,
			  const struct json_tree *u, uint32_t k)
{
	for (uint32_t c = json_child(t, i); c; c = json_next(t, c)) {
		uint32_t other = same_member(t, c, u, k);
		uint32_t last = same_member(t, c, t, i);

		if (!other || (last == c && !json_equal(t, c, u, other)))
			return false;
	}
	for (uint32_t c = json_child(u, k); c; c = json_next(u, c))
		if (!same_member(u, c, t, i))
			return false;
	return true;
}

bool json_equal(const struct json_tree *t, uint32_t i,
		const struct json_tree *u, uint32_t k)
{
	i = json_now(t, i);
	k = json_now(u, k);
	if (t->v[i].type != u->v[k].type)
		return false;
	switch (t->v[i].type) {
	case JSON_T_OBJECT:
		return objects_equal(t, i, u, k);
	case JSON_T_ARRAY:
		return arrays_equal(t, i, u, k);
	default:
		return scalars_equal(t, i, u, k);
	}
}
