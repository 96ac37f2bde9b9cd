/* SPDX-License-Identifier: MIT */
#ifndef JSON_INDEX_H
#define JSON_INDEX_H
/*
 * json-index - where the tokens of a JSON text begin, 64 bytes in one step
 *
 *	json_index_init(&x, text, n);
 *	while (json_index_more(&x)) ... x.v[0] to x.v[x.n - 1]
 *	if (x.bad) ... no document
 *
 * Goes over the text in windows and gives, in order, the positions of
 *	each of { } [ ] : , outside strings,
 *	each quote that opens or closes a string,
 *	each backslash in a string that is not itself behind one,
 *	the first byte of whatever else is no white space.
 * A form feed or SUB outside a string may be among them, like any byte that
 * does not belong there.
 *
 * What it checks on the way, and sets bad for: UTF-8 (RFC 3629) of the whole
 * text, and control characters inside strings. All else is for the one who
 * goes from position to position (json-tree.h).
 *
 * The masks are those of G. Langdale and D. Lemire, "Parsing Gigabytes of JSON
 * per Second" (2019), sections 3.1 and 3.2; the check of UTF-8 where there is
 * AVX2 is the one of J. Keiser and D. Lemire, "Validating UTF-8 In Less Than
 * One Instruction Per Byte" (2020). What the processor can do is found out at
 * run time; all ways give the same. The environment variable UPSHIFT_SIMD
 * (none, sse2, avx2) keeps it to less, for tests.
 *
 * A value struct of 20 KB without memory of its own; the text is borrowed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_BLOCK 64
/* bytes that are looked at in one go; few enough to stay in the first cache */
#define JSON_WINDOW 4096

enum json_simd { JSON_SIMD_NONE, JSON_SIMD_SSE2, JSON_SIMD_AVX2 };
/* what is used in this process */
enum json_simd json_simd(void);
/* uses no more than that from now on; what is used then (for tests) */
enum json_simd json_simd_limit(enum json_simd most);

struct json_index;
typedef void json_index_fn(struct json_index *x, const unsigned char *p,
			   size_t blocks);

struct json_index {
	const unsigned char *text;
	size_t len;
	size_t at;               /* bytes that were looked at */
	size_t n;
	bool bad;
	/* carried from block to block: all or no bits, one bit, one bit */
	uint64_t in_string, escaped, scalar;
	/* bytes at `at` that belong to a character that was checked before */
	size_t in_char;
	/* the check of UTF-8 with AVX2: the last bytes, what is awaited of the
	   next ones, and all errors so far */
	unsigned char last[32], awaited[32], wrong[32];
	json_index_fn *blocks;
	/* a few are written ahead of their time */
	uint32_t v[JSON_WINDOW + JSON_BLOCK];
};

void json_index_init(struct json_index *x, const void *text, size_t n);
/* false: the text is at its end, or bad; n and v are then empty */
bool json_index_more(struct json_index *x);

#endif
