/* SPDX-License-Identifier: MIT */
/* The blocks of json-cut.h for processors that have AVX2. */
#include "json-avx2.h"
#include "json-cut-internal.h"

#ifdef JSON_X86
AVX2_INLINE int count(uint64_t bits)
{
	return __builtin_popcountll(bits);
}

AVX2 bool json_cut_avx2(struct json_cut *c, const char *buf, const char *p,
			size_t blocks)
{
	for (; blocks; blocks--, p += JSON_BLOCK, c->scanned += JSON_BLOCK) {
		struct pair b = { load((const unsigned char *)p),
				  load((const unsigned char *)p + 32) };
		__m256i low = _mm256_set1_epi8(0x20);
		/* makes [ and { one, and ] and } */
		struct pair same = { _mm256_or_si256(b.lo, low),
				     _mm256_or_si256(b.hi, low) };
		struct json_cut_masks m = {
			.quote = equal(&b, '"'),
			.back = equal(&b, '\\'),
			.comma = equal(&b, ','),
			.open = equal(&same, '{'),
			.close = equal(&same, '}'),
		};

		if (json_cut_block(c, buf, &m, parity, count))
			return true;
	}
	return false;
}
#else
/* a file has something in it */
extern int json_cut_avx2_is_not_here;
#endif
