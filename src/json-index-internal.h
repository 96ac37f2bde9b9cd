/* SPDX-License-Identifier: MIT */
#ifndef JSON_INDEX_INTERNAL_H
#define JSON_INDEX_INTERNAL_H
/*
 * From masks of a block (bit n: byte n is such a one) to positions. In a
 * header, to be compiled once for each set of instructions.
 */
#include "json-index.h"

/* each x86-64 has SSE2; -U__SSE2__ builds what others get */
#if defined(__x86_64__) && defined(__SSE2__)
#define JSON_X86 1
#endif

struct json_masks {
	uint64_t quote, back, op, space, control, high;
};

#define json_inline static inline __attribute__((always_inline))

/*
 * Bytes behind a backslash that is not itself behind one. A run of backslashes
 * that begins at an odd place carries, when it is added to its begin, into the
 * byte behind it; *escaped is carried on to the next block.
 */
json_inline uint64_t json_escaped_bytes(uint64_t back, uint64_t *escaped)
{
	const uint64_t even = UINT64_C(0x5555555555555555);
	uint64_t follows, odd_starts, on_even;

	back &= ~*escaped;
	follows = back << 1 | *escaped;
	odd_starts = back & ~even & ~follows;
	*escaped = __builtin_add_overflow(odd_starts, back, &on_even);
	return (even ^ on_even << 1) & follows;
}

/* each bit becomes the parity of those up to it */
json_inline uint64_t json_parity(uint64_t v)
{
	v ^= v << 1;
	v ^= v << 2;
	v ^= v << 4;
	v ^= v << 8;
	v ^= v << 16;
	v ^= v << 32;
	return v;
}

typedef uint64_t json_parity_fn(uint64_t v);

/* the tokens of a block, as bits; but for UTF-8 all is checked */
json_inline uint64_t json_block_tokens(struct json_index *x,
				       const struct json_masks *m,
				       json_parity_fn *to_parity)
{
	/* also where there is no backslash: to ask costs more */
	uint64_t escaped = json_escaped_bytes(m->back, &x->escaped);
	uint64_t active = m->back & ~escaped;
	uint64_t quote = m->quote & ~escaped;
	uint64_t strings, scalar, follows;

	/* the opening quote is in, the closing one is not */
	strings = to_parity(quote) ^ x->in_string;
	x->in_string = (uint64_t)((int64_t)strings >> 63);
	if (m->control & strings)
		x->bad = true;
	scalar = ~(m->op | m->space | quote);
	follows = scalar << 1 | x->scalar;
	x->scalar = scalar >> 63;
	return ((m->op | (scalar & ~follows)) & ~strings) | quote |
		(active & strings);
}

#ifdef JSON_X86
json_index_fn json_index_sse2, json_index_avx2;
bool json_has_avx2(void);
#endif
/* any UTF-8 that begins in the block at x->at and has these high bytes */
void json_index_utf8(struct json_index *x, uint64_t high);
void json_index_positions(struct json_index *x, uint64_t bits, size_t at);

#endif
