/* SPDX-License-Identifier: MIT */
#ifndef JSON_AVX2_H
#define JSON_AVX2_H
/*
 * json-avx2 - a block of 64 bytes in two registers
 *
 * For the files that are compiled for processors with AVX2 function by
 * function (AVX2), whatever the compiler's flags are. Callers ask
 * json_has_avx2() first.
 */
#include "json-index-internal.h"

#ifdef JSON_X86
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi,popcnt,pclmul")))
#define AVX2_INLINE static inline AVX2

/* both halves of a block */
struct pair {
	__m256i lo, hi;
};

AVX2_INLINE __m256i load(const unsigned char *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

AVX2_INLINE void store(unsigned char *p, __m256i v)
{
	_mm256_storeu_si256((__m256i *)(void *)p, v);
}

AVX2_INLINE uint64_t mask(__m256i lo, __m256i hi)
{
	return (uint64_t)(uint32_t)_mm256_movemask_epi8(lo) |
		(uint64_t)(uint32_t)_mm256_movemask_epi8(hi) << 32;
}

AVX2_INLINE uint64_t equal(const struct pair *b, char c)
{
	__m256i want = _mm256_set1_epi8(c);

	return mask(_mm256_cmpeq_epi8(b->lo, want),
		    _mm256_cmpeq_epi8(b->hi, want));
}

/* times all ones without carry: each bit the parity of those up to it */
AVX2_INLINE uint64_t parity(uint64_t v)
{
	__m128i a = _mm_set_epi64x(0, (long long)v);

	return (uint64_t)_mm_cvtsi128_si64(
			_mm_clmulepi64_si128(a, _mm_set1_epi8(-1), 0));
}

#endif
#endif
