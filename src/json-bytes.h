/* SPDX-License-Identifier: MIT */
#ifndef JSON_BYTES_H
#define JSON_BYTES_H
/*
 * json-bytes - the inner loops over the bytes of a JSON text
 *
 * For the scanner and the parser, which must agree on what a plain byte is.
 * Sixteen bytes in one step where the processor has SSE2 (each x86-64 does),
 * eight in a word elsewhere. Nothing reads at or behind end.
 */
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define JSON_EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

/*
 * Nonzero bits mark bytes of v; the lowest mark is exact, those above it may
 * not be (a borrow runs upwards only).
 */
static inline uint64_t json_zero_bytes(uint64_t v)
{
	return (v - JSON_EACH_BYTE(1)) & ~v & JSON_EACH_BYTE(0x80);
}

static inline uint64_t json_load_le(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* memcmp() for names, which are short: two words that overlap */
static inline bool json_same_bytes(const char *a, const char *b, size_t n)
{
	if (n > 16)
		return !memcmp(a, b, n);
	if (n >= 8) {
		uint64_t v[2], w[2];

		memcpy(&v[0], a, 8);
		memcpy(&v[1], a + n - 8, 8);
		memcpy(&w[0], b, 8);
		memcpy(&w[1], b + n - 8, 8);
		return v[0] == w[0] && v[1] == w[1];
	}
	if (n >= 4) {
		uint32_t v[2], w[2];

		memcpy(&v[0], a, 4);
		memcpy(&v[1], a + n - 4, 4);
		memcpy(&w[0], b, 4);
		memcpy(&w[1], b + n - 4, 4);
		return v[0] == w[0] && v[1] == w[1];
	}
	return !n || (a[0] == b[0] && a[n / 2] == b[n / 2] &&
		      a[n - 1] == b[n - 1]);
}

static inline bool json_is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static inline bool json_is_space(unsigned char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* the first byte that is not plain ASCII inside a string */
static inline const unsigned char *json_plain_end(const unsigned char *p,
						  const unsigned char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* signed: bytes from 0x80 on are below 0x20 too */
		__m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
		__m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
		__m128i back = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
		int stop = _mm_movemask_epi8(_mm_or_si128(low,
					_mm_or_si128(quote, back)));

		if (stop)
			return p + __builtin_ctz((unsigned int)stop);
	}
#endif
	for (; end - p >= 8; p += 8) {
		uint64_t v = json_load_le(p);
		uint64_t stop = (v & JSON_EACH_BYTE(0x80)) |
			((v - JSON_EACH_BYTE(0x20)) & ~v &
			 JSON_EACH_BYTE(0x80)) |
			json_zero_bytes(v ^ JSON_EACH_BYTE('"')) |
			json_zero_bytes(v ^ JSON_EACH_BYTE('\\'));

		if (stop)
			return p + (__builtin_ctzll(stop) >> 3);
	}
	while (p < end && json_is_plain(*p))
		p++;
	return p;
}

/* RFC 3629, table in section 4; NULL: no character */
static inline const unsigned char *json_character_end(const unsigned char *p,
						      const unsigned char *end)
{
	unsigned char c = *p, lo = 0x80, hi = 0xbf;
	int left;

	if (c >= 0xc2 && c <= 0xdf) {
		left = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		left = 2;
		lo = c == 0xe0 ? 0xa0 : 0x80;
		hi = c == 0xed ? 0x9f : 0xbf;
	} else if (c >= 0xf0 && c <= 0xf4) {
		left = 3;
		lo = c == 0xf0 ? 0x90 : 0x80;
		hi = c == 0xf4 ? 0x8f : 0xbf;
	} else {
		return NULL;
	}
	if (end - p <= left)
		return NULL;
	for (p++; left; p++, left--) {
		if (*p < lo || *p > hi)
			return NULL;
		lo = 0x80;
		hi = 0xbf;
	}
	return p;
}

/* behind the white space at p */
static inline const unsigned char *json_space_end(const unsigned char *p,
						  const unsigned char *end)
{
	/* none, or one blank, is the most common */
	if (p < end && *p > ' ')
		return p;
	for (; p < end && json_is_space(*p); p++)
		/* indentation comes in long runs */
		while (*p == '\n' && end - p > 8 &&
		       json_load_le(p + 1) == JSON_EACH_BYTE(' '))
			p += 8;
	return p;
}

#endif
