/* SPDX-License-Identifier: MIT */
#ifndef JSON_CUT_INTERNAL_H
#define JSON_CUT_INTERNAL_H
/*
 * One block of json-cut.h, to be compiled once for each set of instructions.
 */
#include "json-cut.h"
#include "json-index-internal.h"

struct json_cut_masks {
	uint64_t quote, back, open, close, comma;
};

/* true: the array ends; else scanned is that much larger */
typedef bool json_cut_fn(struct json_cut *c, const char *buf, const char *p,
			 size_t blocks);
#ifdef JSON_X86
json_cut_fn json_cut_avx2;
#endif

/* every bracket and comma on its own; true: the end of the array */
bool json_cut_one_by_one(struct json_cut *c, const char *buf,
			 const struct json_cut_masks *m);

json_inline bool json_cut_block(struct json_cut *c, const char *buf,
				struct json_cut_masks *m,
				json_parity_fn *to_parity,
				int (*to_count)(uint64_t))
{
	uint64_t strings;
	int closed;

	m->quote &= ~json_escaped_bytes(m->back, &c->escaped);
	strings = to_parity(m->quote) ^ c->in_string;
	c->in_string = (uint64_t)((int64_t)strings >> 63);
	m->open &= ~strings;
	m->close &= ~strings;
	m->comma &= ~strings;
	/* it cannot come down to the elements in this block */
	closed = to_count(m->close);
	if (c->depth > closed) {
		c->depth += to_count(m->open) - closed;
		return false;
	}
	return json_cut_one_by_one(c, buf, m);
}

#endif
