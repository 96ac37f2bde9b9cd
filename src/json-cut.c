/* SPDX-License-Identifier: MIT */
#include "json-cut.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "json-bytes.h"
#include "json-cut-internal.h"

void json_cut_init(struct json_cut *c)
{
	memset(c, 0, sizeof(*c));
}

void json_cut_release(struct json_cut *c)
{
	free(c->v);
	memset(c, 0, sizeof(*c));
}

#ifdef __SSE2__
static inline uint64_t mask16(__m128i v, char c, int at)
{
	int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));

	return (uint64_t)(unsigned int)bits << at;
}

static inline void find_masks(const char *p, struct json_cut_masks *m)
{
	memset(m, 0, sizeof(*m));
	for (int at = 0; at < JSON_BLOCK; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)
					    (const void *)(p + at));
		/* makes [ and { one, and ] and } */
		__m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));

		m->quote |= mask16(v, '"', at);
		m->back |= mask16(v, '\\', at);
		m->comma |= mask16(v, ',', at);
		m->open |= mask16(low, '{', at);
		m->close |= mask16(low, '}', at);
	}
}
#else
static inline void find_masks(const char *p, struct json_cut_masks *m)
{
	memset(m, 0, sizeof(*m));
	for (int at = 0; at < JSON_BLOCK; at++) {
		uint64_t bit = UINT64_C(1) << at;

		m->quote |= p[at] == '"' ? bit : 0;
		m->back |= p[at] == '\\' ? bit : 0;
		m->comma |= p[at] == ',' ? bit : 0;
		m->open |= (p[at] | 0x20) == '{' ? bit : 0;
		m->close |= (p[at] | 0x20) == '}' ? bit : 0;
	}
}
#endif

static void add(struct json_cut *c, size_t end)
{
	VEC_GROW(c->v, c->n, c->cap);
	c->v[c->n++] = (struct json_span) { c->begin, end };
	c->begin = end + 1;
	c->any = true;
}

static bool is_blank(const char *p, size_t n)
{
	while (n && json_is_space((unsigned char)*p)) {
		p++;
		n--;
	}
	return !n;
}

bool json_cut_one_by_one(struct json_cut *c, const char *buf,
			 const struct json_cut_masks *m)
{
	uint64_t bits = m->open | m->close | m->comma;

	for (; bits; bits &= bits - 1) {
		uint64_t bit = bits & -bits;
		size_t at = c->scanned + (size_t)__builtin_ctzll(bits);

		if (bit & m->open) {
			c->depth++;
		} else if (bit & m->close) {
			if (c->depth--)
				continue;
			/* "[ ]" has no element, "[1, ]" a bad one */
			if (c->any || !is_blank(buf + c->begin,
						at - c->begin))
				add(c, at);
			c->close = at;
			return true;
		} else if (!c->depth) {
			add(c, at);
		}
	}
	return false;
}

/* there are few of them, and popcnt need not be there */
static inline int count(uint64_t bits)
{
	int n = 0;

	for (; bits; bits &= bits - 1)
		n++;
	return n;
}

static bool cut_blocks(struct json_cut *c, const char *buf, const char *p,
		       size_t blocks)
{
	for (; blocks; blocks--, p += JSON_BLOCK, c->scanned += JSON_BLOCK) {
		struct json_cut_masks m;

		find_masks(p, &m);
		if (json_cut_block(c, buf, &m, json_parity, count))
			return true;
	}
	return false;
}

static json_cut_fn *pick(void)
{
#ifdef JSON_X86
	if (json_simd() == JSON_SIMD_AVX2)
		return json_cut_avx2;
#endif
	return cut_blocks;
}

bool json_cut_scan(struct json_cut *c, const char *buf, size_t len, bool last)
{
	json_cut_fn *blocks = pick();
	char block[JSON_BLOCK];

	if (blocks(c, buf, buf + c->scanned, (len - c->scanned) / JSON_BLOCK))
		return true;
	if (!last || c->scanned == len)
		return false;
	memset(block, ' ', sizeof(block));
	memcpy(block, buf + c->scanned, len - c->scanned);
	if (blocks(c, buf, block, 1))
		return true;
	c->scanned = len;
	return false;
}

void json_cut_drop(struct json_cut *c, size_t n)
{
	c->n = 0;
	c->scanned -= n;
	c->begin -= n;
}
