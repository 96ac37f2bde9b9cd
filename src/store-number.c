/* SPDX-License-Identifier: MIT */
/*
 * Numbers as the text of cells. Most of those that people store have few
 * digits, and for them the C library is not needed: a decimal of at most 15
 * digits, m / 10^k, is a division of two numbers that a double has
 * exactly, and the only such decimal that reads as its quotient.
 * Source: W. D. Clinger, How to read floating point numbers accurately (1990);
 * IEEE 754 (15 digits survive the way through a double)
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/strbuf.h"
#include "store-internal.h"

#define EXACT_DIGITS 15

static const double tens[EXACT_DIGITS + 5] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
	1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
};

size_t store_int_write(int64_t v, char *out)
{
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char text[20], *p = text + sizeof(text);
	size_t n, sign = v < 0;

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	n = (size_t)(text + sizeof(text) - p);
	if (sign)
		*out = '-';
	memcpy(out + sign, p, n);
	return n + sign;
}

/* digits d1d2d3... without zeros at the end, value d1.d2d3... * 10^exp */
static size_t put_digits(char *out, const char *digits, int n, int exp)
{
	char *o = out;

	if (exp < -4 || exp >= 15) {
		*o++ = digits[0];
		if (n > 1)
			*o++ = '.';
		memcpy(o, digits + 1, (size_t)n - 1);
		o += n - 1;
		*o++ = 'e';
		*o++ = exp < 0 ? '-' : '+';
		if (abs(exp) >= 100)
			*o++ = (char)('0' + abs(exp) / 100);
		*o++ = (char)('0' + abs(exp) / 10 % 10);
		*o++ = (char)('0' + abs(exp) % 10);
	} else if (exp < 0) {
		memcpy(o, "0.000", (size_t)(1 - exp));
		o += 1 - exp;
		memcpy(o, digits, (size_t)n);
		o += n;
	} else {
		for (int i = 0; i < n || i <= exp; i++) {
			if (i == exp + 1)
				*o++ = '.';
			*o++ = i < n ? digits[i] : '0';
		}
	}
	return (size_t)(o - out);
}

/* a >= 0 as the decimal of at most 15 digits that it is; 0: it is none */
static size_t write_short(double a, char *out)
{
	char text[20];
	int n;

	if (a == 0) {
		*out = '0';
		return 1;
	}
	if (FLT_EVAL_METHOD || a < 1e-4 || a >= 1e15)
		return 0;
	for (int k = 0; k < (int)ARRAY_SIZE(tens); k++) {
		double t = a * tens[k];
		int64_t m;

		if (t >= 1e15)
			return 0;
		m = (int64_t)t;
		if ((double)m != t || t / tens[k] != a)
			continue;
		for (; k && m % 10 == 0; k--)
			m /= 10;
		n = (int)store_int_write(m, text);
		k = n - 1 - k;
		while (n > 1 && text[n - 1] == '0')
			n--;
		return put_digits(out, text, n, k);
	}
	return 0;
}

/* the fewest digits that come back, in the form of PostgreSQL's float8out
   (extra_float_digits 1) */
static size_t write_any(double a, char *out)
{
	char text[40], digits[20];
	int n = 0, exp;
	const char *p;

	/* fifteen digits always come back from text, zeros at the end go below;
	   of a denormal number there may be fewer */
	for (int precision = a < DBL_MIN ? 0 : EXACT_DIGITS - 1;
	     precision < 17; precision++) {
		(void)snprintf(text, sizeof(text), "%.*e", precision, a);
		if (strtod(text, NULL) == a)
			break;
	}
	for (p = text; *p != 'e'; p++)
		if (*p != '.')
			digits[n++] = *p;
	exp = atoi(p + 1);
	while (n > 1 && digits[n - 1] == '0')
		n--;
	return put_digits(out, digits, n, exp);
}

size_t store_real_write(double v, char *out)
{
	size_t sign = signbit(v) != 0, n;

	if (isnan(v)) {
		memcpy(out, "NaN", 3);
		return 3;
	}
	if (sign)
		*out++ = '-';
	v = fabs(v);
	if (isinf(v)) {
		memcpy(out, "Infinity", 8);
		return sign + 8;
	}
	n = write_short(v, out);
	return sign + (n ? n : write_any(v, out));
}

void store_real_text(double v, struct strbuf *out)
{
	char text[STORE_NUMBER_ROOM];

	strbuf_add(out, text, store_real_write(v, text));
}

/* "0", or digits without a zero in front, at most 18; how many, 0 for others */
static size_t read_digits(const char *p, size_t n, int64_t *v)
{
	size_t i;

	*v = 0;
	for (i = 0; i < n && i < 19 && p[i] >= '0' && p[i] <= '9'; i++)
		*v = *v * 10 + (p[i] - '0');
	return i > 18 || (i > 1 && *p == '0') ? 0 : i;
}

bool store_int_read(const char *p, size_t n, int64_t *ret)
{
	bool minus = n && *p == '-';
	char text[24], again[STORE_NUMBER_ROOM];
	int64_t v;

	if (n > minus && read_digits(p + minus, n - minus, &v) == n - minus &&
	    (v || !minus)) {
		*ret = minus ? -v : v;
		return true;
	}
	if (n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	*ret = strtoll(text, NULL, 10);
	return store_int_write(*ret, again) == n && !memcmp(again, p, n);
}

/* [-]12.5 or 12 as it would be written, with at most 15 digits */
static bool read_short(const char *p, size_t n, double *ret)
{
	bool minus = n && *p == '-';
	size_t i, k = 0;
	int64_t m;

	p += minus;
	n -= minus;
	i = read_digits(p, n, &m);
	if (!i || n > EXACT_DIGITS + 1)
		return false;
	if (i < n && p[i] == '.') {
		for (k = i + 1; k < n && p[k] >= '0' && p[k] <= '9'; k++)
			m = m * 10 + (p[k] - '0');
		if (k < n || k == i + 1 || p[n - 1] == '0')
			return false;
		k = n - i - 1;
	} else if (i < n) {
		return false;
	}
	if (FLT_EVAL_METHOD || m >= 1000000000000000 ||
	    (k && (double)m * 1e4 < tens[k]))
		return false;
	*ret = (double)m / tens[k];
	if (minus)
		*ret = -*ret;
	return true;
}

bool store_real_read(const char *p, size_t n, double *ret)
{
	char text[64], again[STORE_NUMBER_ROOM];

	if (read_short(p, n, ret))
		return true;
	if (n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	*ret = strtod(text, NULL);
	return store_real_write(*ret, again) == n && !memcmp(again, p, n);
}
