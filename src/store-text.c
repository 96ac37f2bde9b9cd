/* SPDX-License-Identifier: MIT */
/* The text of cells, and MD5 of them. */
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "store-internal.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int store_bytes_parse(const char *text, size_t n, struct strbuf *out)
{
	if (n < 2 || n % 2 || memcmp(text, "\\x", 2))
		return -EINVAL;
	strbuf_grow(out, n / 2);
	for (size_t i = 2; i < n; i += 2) {
		int hi = hex_value(text[i]), lo = hex_value(text[i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		strbuf_addch(out, (char)(hi << 4 | lo));
	}
	return 0;
}

#define ROL(x, n) ((x) << (n) | (x) >> (32 - (n)))

static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a,
	0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
	0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340,
	0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
	0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
	0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
	0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92,
	0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
	0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

#define F(x, y, z) (((y ^ z) & x) ^ z)
#define G(x, y, z) (((x ^ y) & z) ^ y)
#define H(x, y, z) (x ^ y ^ z)
#define I(x, y, z) (y ^ (x | ~z))
#define STEP(f, a, b, c, d, i, k, s) \
	a += f(b, c, d) + sines[i] + w[(k) % 16]; \
	a = ROL(a, s) + b
/* four steps, whose shifts are constants of the code; word number i of the
   round is m * i + n */
#define FOUR(f, from, m, n, s0, s1, s2, s3) \
	for (unsigned int i = from; i < from + 16; i += 4) { \
		STEP(f, a, b, c, d, i, m * i + n, s0); \
		STEP(f, d, a, b, c, i + 1, m * (i + 1) + n, s1); \
		STEP(f, c, d, a, b, i + 2, m * (i + 2) + n, s2); \
		STEP(f, b, c, d, a, i + 3, m * (i + 3) + n, s3); \
	}

static void md5_block(uint32_t h[4], const unsigned char *p)
{
	uint32_t a = h[0], b = h[1], c = h[2], d = h[3], w[16];

	for (int i = 0; i < 16; i++, p += 4)
		w[i] = (uint32_t)p[0] | (uint32_t)p[1] << 8 |
		       (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	FOUR(F, 0, 1, 0, 7, 12, 17, 22)
	FOUR(G, 16, 5, 1, 5, 9, 14, 20)
	FOUR(H, 32, 3, 5, 4, 11, 16, 23)
	FOUR(I, 48, 7, 0, 6, 10, 15, 21)
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
}

#undef F
#undef G
#undef H
#undef I

uint64_t store_md5_half(const void *p, size_t n)
{
	uint32_t h[4] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
	const unsigned char *b = p;
	unsigned char tail[128] = { 0 };
	size_t rest = n % 64, end = rest < 56 ? 64 : 128;

	for (size_t i = 0; i + 64 <= n; i += 64)
		md5_block(h, b + i);
	if (rest)
		memcpy(tail, b + n - rest, rest);
	tail[rest] = 0x80;
	for (int i = 0; i < 8; i++)
		tail[end - 8 + (size_t)i] =
			(unsigned char)((uint64_t)n * 8 >> 8 * i);
	md5_block(h, tail);
	if (end == 128)
		md5_block(h, tail + 64);
	return (uint64_t)__builtin_bswap32(h[0]) << 32 |
	       __builtin_bswap32(h[1]);
}
