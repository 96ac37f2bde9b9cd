/* SPDX-License-Identifier: MIT */
#include "json-text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "json-bytes.h"

/* --- strings --- */

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)p[i];

		v = v << 4 | (c <= '9' ? c - 0x30u : (c | 0x20u) - 0x57u);
	}
	return v;
}

static bool is_high(uint32_t c)
{
	return c >= 0xd800 && c <= 0xdbff;
}

static bool is_low(uint32_t c)
{
	return c >= 0xdc00 && c <= 0xdfff;
}

/* p is at the backslash; *ret the code point; returns the length */
static size_t escape(const char *p, const char *end, uint32_t *ret)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *named;
	uint32_t low;

	if (p[1] != 'u') {
		named = strchr(from, p[1]);
		*ret = (uint32_t)(unsigned char)(named ? to[named - from] :
						 p[1]);
		return 2;
	}
	*ret = hex4(p + 2);
	if (!is_high(*ret) || end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return 6;
	low = hex4(p + 8);
	if (!is_low(low))
		return 6;
	*ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
	return 12;
}

void json_text_decode(const char *token, size_t n, struct strbuf *out)
{
	const char *p = token + 1, *end = token + n - 1;

	while (p < end) {
		const char *back = memchr(p, '\\', (size_t)(end - p));
		uint32_t c;

		strbuf_add(out, p, (size_t)((back ? back : end) - p));
		if (!back)
			return;
		p = back + escape(back, end, &c);
		strbuf_add_utf8(out, c);
	}
}

bool json_text_equal(const char *token, size_t n, const char *text, size_t len)
{
	_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;

	if (!memchr(token, '\\', n))
		return n == len + 2 && !memcmp(token + 1, text, len);
	json_text_decode(token, n, &s);
	return s.len == len && !memcmp(s.buf, text, len);
}

bool json_text_has_lone(const char *token, size_t n)
{
	const char *p = token + 1, *end = token + n - 1;

	while ((p = memchr(p, '\\', (size_t)(end - p)))) {
		uint32_t c;

		p += escape(p, end, &c);
		if (is_high(c) || is_low(c))
			return true;
	}
	return false;
}

static const char *plain_end(const char *p, const char *end)
{
	return (const char *)json_plain_end((const unsigned char *)p,
					    (const unsigned char *)end);
}

void json_text_encode(const char *text, size_t n, struct strbuf *out)
{
	static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";

	/* and what ends a row, so that a long one does not move for it */
	strbuf_grow(out, n + 16);
	strbuf_addch(out, '"');
	for (const char *p = text, *end = text + n; p < end; p++) {
		const char *plain = plain_end(p, end), *named;
		unsigned char c;

		strbuf_add(out, p, (size_t)(plain - p));
		p = plain;
		if (p == end)
			break;
		c = (unsigned char)*p;
		named = c ? strchr(from, c) : NULL;
		if (named) {
			strbuf_addch(out, '\\');
			strbuf_addch(out, to[named - from]);
		} else if (c < 0x20) {
			strbuf_addf(out, "\\u%04x", c);
		} else if (c == 0xed && end - p >= 3 &&
			   (unsigned char)p[1] >= 0xa0) {
			/* half a pair, as the decoder writes it */
			strbuf_addf(out, "\\u%04x", 0xd000u |
				    ((unsigned char)p[1] & 0x3fu) << 6 |
				    ((unsigned char)p[2] & 0x3fu));
			p += 2;
		} else {
			strbuf_addch(out, (char)c);
		}
	}
	strbuf_addch(out, '"');
}

/* --- numbers --- */

/*
 * digits[0] . digits[1] ... x 10^exp, without zeros at either end. The digits
 * stay in the text: point is skipped when they are read.
 */
struct decimal {
	bool negative, zero;
	const char *p;           /* first digit that is not 0 */
	size_t n;                /* digits up to the last that is not 0 */
	int64_t exp;             /* of the first digit */
};

static int64_t read_exp(const char *p, const char *end)
{
	bool negative = p < end && *p == '-';
	int64_t v = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	/* beyond any length of digits: clamped */
	for (; p < end; p++)
		v = v > INT64_MAX / 1000 ? v : v * 10 + (*p - '0');
	return negative ? -v : v;
}

static void read_decimal(const char *p, size_t n, struct decimal *d)
{
	const char *end = p + n, *e, *last = NULL;
	int64_t whole = 0;
	bool fraction = false;
	size_t count = 0;

	memset(d, 0, sizeof(*d));
	d->negative = *p == '-';
	p += d->negative;
	for (e = p; e < end && (*e | 0x20) != 'e'; e++)
		;
	for (const char *q = p; q < e; q++) {
		if (*q == '.') {
			fraction = true;
			continue;
		}
		/* digits ahead of the point, from the first that counts */
		if (*q != '0' && !d->p)
			d->p = q;
		if (d->p) {
			count++;
			if (*q != '0') {
				last = q;
				d->n = count;
			}
			whole += !fraction;
		} else {
			whole -= fraction;
		}
	}
	d->zero = !last;
	d->exp = whole + (e < end ? read_exp(e + 1, end) : 0);
}

static int cmp_digits(const struct decimal *a, const struct decimal *b)
{
	const char *p = a->p, *q = b->p;

	for (size_t i = 0; i < MIN(a->n, b->n); i++, p++, q++) {
		p += *p == '.';
		q += *q == '.';
		if (*p != *q)
			return *p < *q ? -1 : 1;
	}
	return a->n < b->n ? -1 : a->n > b->n;
}

int json_number_cmp(const char *ap, size_t an, const char *bp, size_t bn)
{
	struct decimal a, b;
	int r;

	read_decimal(ap, an, &a);
	read_decimal(bp, bn, &b);
	if (a.zero || b.zero) {
		if (a.zero && b.zero)
			return 0;
		return a.zero ? (b.negative ? 1 : -1) : (a.negative ? -1 : 1);
	}
	if (a.negative != b.negative)
		return a.negative ? -1 : 1;
	r = a.exp != b.exp ? (a.exp < b.exp ? -1 : 1) : cmp_digits(&a, &b);
	return a.negative ? -r : r;
}

bool json_number_valid(const char *p, size_t n)
{
	size_t i = n && p[0] == '-', digits = i;

	while (i < n && p[i] >= '0' && p[i] <= '9')
		i++;
	if (i == digits || (p[digits] == '0' && i > digits + 1))
		return false;
	if (i < n && p[i] == '.') {
		digits = ++i;
		while (i < n && p[i] >= '0' && p[i] <= '9')
			i++;
		if (i == digits)
			return false;
	}
	if (i < n && (p[i] == 'e' || p[i] == 'E')) {
		i++;
		if (i < n && (p[i] == '+' || p[i] == '-'))
			i++;
		digits = i;
		while (i < n && p[i] >= '0' && p[i] <= '9')
			i++;
		if (i == digits)
			return false;
	}
	return i == n;
}

/* from the first digit that is not zero to the last one */
static size_t significant(const char *p, size_t n)
{
	size_t digits = 0, zeros = 0;

	for (size_t i = 0; i < n && (p[i] | 0x20) != 'e'; i++) {
		if (p[i] == '-' || p[i] == '.' || (p[i] == '0' && !digits))
			continue;
		zeros = p[i] == '0' ? zeros + 1 : 0;
		digits++;
	}
	return digits - zeros;
}

bool json_number_fits_double(const char *p, size_t n)
{
	_cleanup_free_ char *text = NULL;
	size_t digits = significant(p, n);
	char back[40];
	double v;

	/* fifteen digits always do */
	if (digits <= 15 && n < 300 && !memchr(p, 'e', n) &&
	    !memchr(p, 'E', n))
		return true;
	if (!digits || digits > 17)
		return !digits;
	text = xstrndup(p, n);
	/* LC_NUMERIC is "C": main() sees to that */
	v = strtod(text, NULL);
	(void)snprintf(back, sizeof(back), "%.*g", (int)digits, v);
	return !strchr("in", back[*back == '-']) &&
		json_number_cmp(p, n, back, strlen(back)) == 0;
}
