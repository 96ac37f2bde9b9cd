/* SPDX-License-Identifier: MIT */
#include "json-cut.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "json-bytes.h"

#define BLOCK 64

struct masks {
	uint64_t quote, back, open, close, comma;
};

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

static inline void find_masks(const char *p, struct masks *m)
{
	memset(m, 0, sizeof(*m));
	for (int at = 0; at < BLOCK; at += 16) {
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
static inline void find_masks(const char *p, struct masks *m)
{
	memset(m, 0, sizeof(*m));
	for (int at = 0; at < BLOCK; at++) {
		uint64_t bit = UINT64_C(1) << at;

		m->quote |= p[at] == '"' ? bit : 0;
		m->back |= p[at] == '\\' ? bit : 0;
		m->comma |= p[at] == ',' ? bit : 0;
		m->open |= (p[at] | 0x20) == '{' ? bit : 0;
		m->close |= (p[at] | 0x20) == '}' ? bit : 0;
	}
}
#endif

/* bytes behind a backslash that is not itself behind one */
static inline uint64_t escaped_bytes(struct json_cut *c, uint64_t back)
{
	const uint64_t even = UINT64_C(0x5555555555555555);
	uint64_t follows, odd_starts, on_even;

	back &= ~c->escaped;
	follows = back << 1 | c->escaped;
	odd_starts = back & ~even & ~follows;
	c->escaped = __builtin_add_overflow(odd_starts, back, &on_even);
	return (even ^ on_even << 1) & follows;
}

/* each bit becomes the parity of those up to it */
static inline uint64_t parity(uint64_t v)
{
	v ^= v << 1;
	v ^= v << 2;
	v ^= v << 4;
	v ^= v << 8;
	v ^= v << 16;
	v ^= v << 32;
	return v;
}

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

/* every bracket and comma on its own; true: the end of the array */
static bool one_by_one(struct json_cut *c, const char *buf,
		       const struct masks *m)
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

static bool scan_block(struct json_cut *c, const char *buf, const char *block)
{
	uint64_t strings;
	struct masks m;
	int closed;

	find_masks(block, &m);
	if (m.back | c->escaped)
		m.quote &= ~escaped_bytes(c, m.back);
	strings = parity(m.quote) ^ c->in_string;
	c->in_string = (uint64_t)((int64_t)strings >> 63);
	m.open &= ~strings;
	m.close &= ~strings;
	m.comma &= ~strings;
	/* it cannot come down to the elements in this block */
	closed = count(m.close);
	if (c->depth > closed) {
		c->depth += count(m.open) - closed;
		return false;
	}
	return one_by_one(c, buf, &m);
}

bool json_cut_scan(struct json_cut *c, const char *buf, size_t len, bool last)
{
	char block[BLOCK];

	for (; len - c->scanned >= BLOCK; c->scanned += BLOCK)
		if (scan_block(c, buf, buf + c->scanned))
			return true;
	if (!last || c->scanned == len)
		return false;
	memset(block, ' ', sizeof(block));
	memcpy(block, buf + c->scanned, len - c->scanned);
	if (scan_block(c, buf, block))
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
