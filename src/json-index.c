/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "json-bytes.h"
#include "json-index-internal.h"

/* --- what there is --- */

/* nobody is wrong who finds it out a second time */
static _Atomic int simd = -1;

static enum json_simd best(void)
{
#ifdef JSON_X86
	return json_has_avx2() ? JSON_SIMD_AVX2 : JSON_SIMD_SSE2;
#else
	return JSON_SIMD_NONE;
#endif
}

enum json_simd json_simd_limit(enum json_simd most)
{
	enum json_simd have = best();

	if (have > most)
		have = most;
	atomic_store_explicit(&simd, (int)have, memory_order_relaxed);
	return have;
}

enum json_simd json_simd(void)
{
	int have = atomic_load_explicit(&simd, memory_order_relaxed);
	const char *most;

	if (have >= 0)
		return (enum json_simd)have;
	most = getenv("UPSHIFT_SIMD");
	return json_simd_limit(!most ? JSON_SIMD_AVX2 :
			       !strcmp(most, "none") ? JSON_SIMD_NONE :
			       !strcmp(most, "sse2") ? JSON_SIMD_SSE2 :
			       JSON_SIMD_AVX2);
}

/* --- for those that have no better way --- */

void json_index_positions(struct json_index *x, uint64_t bits, size_t at)
{
	for (; bits; bits &= bits - 1)
		x->v[x->n++] = (uint32_t)at +
			(uint32_t)__builtin_ctzll(bits);
}

/*
 * A character may end in the next block, which is why the text itself is
 * looked at: it is there as a whole.
 */
void json_index_utf8(struct json_index *x, uint64_t high)
{
	const unsigned char *block = x->text + x->at, *end = x->text + x->len;

	if (x->in_char)
		high &= ~UINT64_C(0) << x->in_char;
	x->in_char = 0;
	while (high) {
		size_t i = (size_t)__builtin_ctzll(high);
		const unsigned char *next = json_character_end(block + i, end);

		if (!next) {
			x->bad = true;
			return;
		}
		i = (size_t)(next - block);
		if (i >= JSON_BLOCK) {
			x->in_char = i - JSON_BLOCK;
			return;
		}
		high &= ~UINT64_C(0) << i;
	}
}

/* --- eight bytes in a word --- */

/* a bit for each byte of v that is c */
static inline uint64_t equal8(uint64_t v, unsigned char c)
{
	const uint64_t low7 = JSON_EACH_BYTE(0x7f);

	v ^= JSON_EACH_BYTE(c);
	v = ~(((v & low7) + low7) | v | low7) >> 7;
	/* the bits of the bytes, gathered in the highest one */
	return v * UINT64_C(0x0102040810204080) >> 56;
}

/* of each byte that has its highest bit */
static inline uint64_t high8(uint64_t v)
{
	v = v >> 7 & JSON_EACH_BYTE(1);
	return v * UINT64_C(0x0102040810204080) >> 56;
}

static void find_masks(const unsigned char *p, struct json_masks *m)
{
	memset(m, 0, sizeof(*m));
	for (int at = 0; at < JSON_BLOCK; at += 8) {
		uint64_t v = json_load_le(p + at);
		/* makes [ and { one, and ] and } */
		uint64_t low = v | JSON_EACH_BYTE(0x20);

		m->quote |= equal8(v, '"') << at;
		m->back |= equal8(v, '\\') << at;
		m->op |= (equal8(low, '{') | equal8(low, '}') |
			  equal8(v, ':') | equal8(v, ',')) << at;
		m->space |= (equal8(v, ' ') | equal8(v, '\n') |
			     equal8(v, '\r') | equal8(v, '\t')) << at;
		m->control |= equal8(v & JSON_EACH_BYTE(0xe0), 0) << at;
		m->high |= high8(v) << at;
	}
}

static void index_words(struct json_index *x, const unsigned char *p,
			size_t blocks)
{
	for (; blocks; blocks--, p += JSON_BLOCK, x->at += JSON_BLOCK) {
		struct json_masks m;

		find_masks(p, &m);
		if (m.high)
			json_index_utf8(x, m.high);
		else
			x->in_char = 0;
		json_index_positions(x, json_block_tokens(x, &m, json_parity),
				     x->at);
	}
}

/* --- sixteen bytes: each x86-64 has SSE2 --- */

#ifdef JSON_X86
static inline uint64_t equal16(__m128i v, char c)
{
	return (uint64_t)(unsigned int)_mm_movemask_epi8(
			_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

static inline void find_masks_sse2(const unsigned char *p,
				   struct json_masks *m)
{
	memset(m, 0, sizeof(*m));
	for (int at = 0; at < JSON_BLOCK; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)
					    (const void *)(p + at));
		__m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
		__m128i control = _mm_cmpeq_epi8(v,
				_mm_min_epu8(v, _mm_set1_epi8(0x1f)));

		m->quote |= equal16(v, '"') << at;
		m->back |= equal16(v, '\\') << at;
		m->op |= (equal16(low, '{') | equal16(low, '}') |
			  equal16(v, ':') | equal16(v, ',')) << at;
		m->space |= (equal16(v, ' ') | equal16(v, '\n') |
			     equal16(v, '\r') | equal16(v, '\t')) << at;
		m->control |= (uint64_t)(unsigned int)
			_mm_movemask_epi8(control) << at;
		m->high |= (uint64_t)(unsigned int)
			_mm_movemask_epi8(v) << at;
	}
}

void json_index_sse2(struct json_index *x, const unsigned char *p,
		     size_t blocks)
{
	for (; blocks; blocks--, p += JSON_BLOCK, x->at += JSON_BLOCK) {
		struct json_masks m;

		find_masks_sse2(p, &m);
		if (m.high)
			json_index_utf8(x, m.high);
		else
			x->in_char = 0;
		json_index_positions(x, json_block_tokens(x, &m, json_parity),
				     x->at);
	}
}
#endif

/* --- windows --- */

void json_index_init(struct json_index *x, const void *text, size_t n)
{
	/* all but the positions */
	memset(x, 0, offsetof(struct json_index, v));
	x->text = text;
	x->len = n;
	switch (json_simd()) {
#ifdef JSON_X86
	case JSON_SIMD_AVX2:
		x->blocks = json_index_avx2;
		break;
	case JSON_SIMD_SSE2:
		x->blocks = json_index_sse2;
		break;
#endif
	default:
		x->blocks = index_words;
	}
}

static void one_window(struct json_index *x)
{
	size_t blocks = (x->len - x->at) / JSON_BLOCK;
	unsigned char last[JSON_BLOCK];

	if (blocks >= JSON_WINDOW / JSON_BLOCK) {
		x->blocks(x, x->text + x->at, JSON_WINDOW / JSON_BLOCK);
		return;
	}
	if (blocks)
		x->blocks(x, x->text + x->at, blocks);
	if (x->at == x->len)
		return;
	/* blanks behind the end: a character that is cut there is wrong */
	memset(last, ' ', sizeof(last));
	memcpy(last, x->text + x->at, x->len - x->at);
	x->blocks(x, last, 1);
	explicit_bzero(last, sizeof(last)); /* it may be of a secret */
	x->at = x->len;
}

bool json_index_more(struct json_index *x)
{
	x->n = 0;
	while (!x->n && x->at < x->len && !x->bad)
		one_window(x);
	if (x->bad)
		x->n = 0;
	return x->n;
}
