/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: JSONPath. A path, a newline, a document: whatever is taken is
 * followed, and element by element gives as many values.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "json-path.h"

static void compare(const struct json_path *p, const struct json_tree *t,
		    size_t n)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	_cleanup_json_nodes_ struct json_nodes one = { 0 };
	uint32_t at = JSON_ROOT;

	if (!json_path_streams(p, &names))
		return;
	for (size_t i = 0; at && i < names.n; i++) {
		uint32_t next = json_member(t, at, names.v[i],
					    strlen(names.v[i]));

		/* a name that is there twice leads to more than one array */
		for (uint32_t c = at ? json_child(t, at) : 0; next && c;
		     c = json_next(t, c))
			if (c != next && t->v[c].key_end &&
			    json_key_is(t, c, names.v[i], strlen(names.v[i])))
				return;
		at = next;
	}
	if (!at || json_type_of(t, at) < JSON_T_ARRAY) {
		if (n)
			abort();
		return;
	}
	for (uint32_t c = json_child(t, at); c; c = json_next(t, c))
		json_path_select_element(p, t, c, &one);
	if (one.n != n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nl = size ? memchr(data, '\n', size) : NULL;
	struct json_nodes nodes = { 0 };
	struct json_path *p = NULL;
	struct json_tree t;
	char *text;

	if (!nl || size > 4096)
		return 0;
	text = xstrndup((const char *)data, (size_t)(nl - data));
	json_tree_init(&t);
	if (json_path_parse(text, &p, NULL) >= 0 &&
	    json_tree_parse(&t, (const char *)nl + 1,
			    size - (size_t)(nl + 1 - data)) >= 0) {
		json_path_select(p, &t, JSON_ROOT, &nodes);
		compare(p, &t, nodes.n);
	}
	json_nodes_release(&nodes);
	json_path_free(p);
	json_tree_release(&t);
	free(text);
	return 0;
}
