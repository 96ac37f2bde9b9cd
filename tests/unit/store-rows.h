/* SPDX-License-Identifier: MIT */
/* What a store gave, as text that can be compared. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H
#include "store.h"

/* cells with a space between two, rows with a '|'; NULL as ~ */
static char *shown(const struct store_batch *b)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < b->ncell; i++) {
		const char *p = store_batch_text(b, &b->cell[i]);

		if (i)
			strbuf_addch(&sb, i % b->ncol ? ' ' : '|');
		strbuf_add(&sb, p ? p : "~", p ? (size_t)b->cell[i].len : 1);
	}
	return strbuf_detach(&sb);
}

static void assert_batch(const struct store_batch *b, const char *expect)
{
	_cleanup_free_ char *text = shown(b);

	assert_string_equal(text, expect);
}

static _unused_ void assert_rows(struct store *s, const char *query, const char *expect)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	assert_true(store_exec(s, query, NULL, &b, NULL) >= 0);
	assert_batch(&b, expect);
}

#endif
