/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: scanner, parser and edits. The first byte picks the edits, the
 * rest is the text. The scanner and the parser must agree, and the parser with
 * itself, whatever instructions it uses; an edited text must parse, and its
 * splices must lead back.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/xalloc.h"
#include "json-edit.h"
#include "json-index.h"
#include "json-scan.h"

static uint32_t pick(const struct json_tree *t, uint32_t seed)
{
	uint32_t i = 1 + seed % (t->n - 1);

	return json_is_live(t, i) ? i : JSON_ROOT;
}

static void edit(struct json_tree *t, uint32_t seed)
{
	uint32_t i = pick(t, seed);
	enum json_node_type type = json_type_of(t, i);

	switch (seed % 5) {
	case 0:
		if (i != JSON_ROOT && t->v[i].parent)
			json_edit_remove(t, i);
		break;
	case 1:
		(void)json_edit_replace(t, i, "{\"a\":[1,{}]}", 12, seed & 64);
		break;
	case 2:
		if (t->v[i].key_end)
			(void)json_edit_rename(t, i, "\"\\u0041\"", 8);
		break;
	default:
		if (type == JSON_T_OBJECT)
			(void)json_edit_member(t, i, "\"k\"", 3, "[0]", 3,
					       seed & 32);
		else if (type == JSON_T_ARRAY)
			(void)json_edit_element(t, i, seed %
						(json_count(t, i) + 1),
						"{\"b\":0}", 7, seed & 32);
	}
}

static void check_edits(struct json_tree *t, uint32_t seed)
{
	struct json_splices s = JSON_SPLICES_INIT, back = JSON_SPLICES_INIT;
	struct strbuf out = STRBUF_INIT, again = STRBUF_INIT;
	struct json_tree u;

	for (int i = 0; i < 4; i++, seed = seed * 2654435761u + 1)
		edit(t, seed >> 8);
	json_splices(t, &s);
	json_splices_apply(&s, t->text, t->len, &out);
	json_tree_init(&u);
	/* deeper than allowed by what was put in: the only reason to refuse */
	if (json_tree_parse(&u, out.buf, out.len) >= 0 &&
	    !json_equal(t, JSON_ROOT, &u, JSON_ROOT))
		abort();
	json_splices_invert(&s, t->text, &back);
	json_splices_apply(&back, out.buf, out.len, &again);
	if (again.len != t->len || memcmp(again.buf, t->text, t->len) != 0)
		abort();
	json_tree_release(&u);
	json_splices_release(&s);
	json_splices_release(&back);
	strbuf_release(&out);
	strbuf_release(&again);
}

/* but for the bytes that fill a node up */
static bool same_nodes(const struct json_tree *t, const struct json_tree *u)
{
	for (uint32_t i = 1; i < t->n; i++)
		if (memcmp(&t->v[i], &u->v[i],
			   offsetof(struct json_node, flags) + 1) != 0)
			return false;
	return t->n == u->n;
}

/* as the ways with less of the processor do */
static void check_ways(const struct json_tree *t, const char *text, size_t n,
		       int ret)
{
	for (enum json_simd most = JSON_SIMD_NONE; most < JSON_SIMD_AVX2;
	     most++) {
		struct json_tree u;

		(void)json_simd_limit(most);
		json_tree_init(&u);
		if (json_tree_parse(&u, text, n) != ret)
			abort();
		if (ret >= 0 && (u.n != t->n || !same_nodes(t, &u)))
			abort();
		json_tree_release(&u);
	}
	(void)json_simd_limit(JSON_SIMD_AVX2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_scan *scan;
	struct json_tree t;
	const char *text;
	int a, b;

	if (size < 2)
		return 0;
	text = (const char *)data + 1;
	scan = json_scan_new(NULL, NULL);
	a = json_scan_feed(scan, text, (size - 1) / 2);
	if (a >= 0)
		a = json_scan_feed(scan, text + (size - 1) / 2,
				   size - 1 - (size - 1) / 2);
	if (a >= 0)
		a = json_scan_end(scan);
	json_tree_init(&t);
	b = json_tree_parse(&t, text, size - 1);
	if ((a < 0) != (b < 0))
		abort();
	check_ways(&t, text, size - 1, b);
	if (b >= 0)
		check_edits(&t, data[0] * 16777619u);
	json_tree_release(&t);
	json_scan_free(scan);
	return 0;
}
