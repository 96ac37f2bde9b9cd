/* SPDX-License-Identifier: MIT */
/*
 * Hashes of values as they lie. Values that have the same text as a cell have
 * the same hash, whatever their types are, and others have not; so the texts
 * that a number or bytes would have are taken for these. A number is told by
 * its type, a whole one as an integer where its text is that of one.
 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/strbuf.h"
#include "store-internal.h"

/* the longest text of a number: -1.2345678901234567e-308 */
#define NUMBER_MOST 24
/* longer ones are hashed where they are */
#define LONG 4096
/* from here on whole numbers have an exponent */
#define EXPONENT_FROM 1e15

static void add_fixed(struct store_hasher *h, char tag, const void *p)
{
	char value[9] = { tag };

	memcpy(value + 1, p, 8);
	strbuf_add(&h->values, value, sizeof(value));
	h->bytes += 8;
}

static void add_bytes(struct store_hasher *h, char tag, const char *p,
		      size_t n)
{
	char head[9] = { tag };
	uint64_t size = n;
	struct xxh128 d;

	memcpy(head + 1, &size, sizeof(size));
	strbuf_add(&h->values, head, sizeof(head));
	if (n > LONG) {
		d = xxh128_of(p, n);
		p = (const char *)d.b;
		n = sizeof(d.b);
	}
	strbuf_add(&h->values, p, n);
}

void store_hash_null(struct store_hasher *h)
{
	strbuf_addch(&h->values, 'n');
}

void store_hash_int(struct store_hasher *h, int64_t v)
{
	add_fixed(h, 'i', &v);
}

void store_hash_real(struct store_hasher *h, double v)
{
	bool whole = fabs(v) < EXPONENT_FROM && v == trunc(v) &&
		!(v == 0 && signbit(v));

	if (whole)
		store_hash_int(h, (int64_t)v);
	else
		add_fixed(h, 'r', &v);
}

void store_hash_blob(struct store_hasher *h, const void *p, size_t n)
{
	add_bytes(h, 'b', p, n);
	h->bytes += 2 + 2 * n;
}

/* a guess that is never wrong when it says no */
static bool like_number(const char *p, size_t n)
{
	if (!n || n > NUMBER_MOST)
		return false;
	if (p[0] == 'I' || (n > 1 && p[1] == 'I'))
		return true;
	if ((unsigned char)(p[n - 1] - '0') > 9)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)(p[i] - '0') > 9 && p[i] != '.' &&
		    p[i] != 'e' && p[i] != '+' &&
		    (p[i] != '-' || (i && p[i - 1] != 'e')))
			return false;
	return true;
}

static bool like_blob(const char *p, size_t n)
{
	if (n < 2 || n % 2 || p[0] != '\\' || p[1] != 'x')
		return false;
	for (size_t i = 2; i < n; i++)
		if ((unsigned char)(p[i] - '0') > 9 &&
		    (unsigned char)(p[i] - 'a') > 5)
			return false;
	return true;
}

void store_hash_text(struct store_hasher *h, const char *p, size_t n)
{
	bool number = like_number(p, n);
	int64_t whole;
	double real;

	if (number && store_int_read(p, n, &whole)) {
		store_hash_int(h, whole);
	} else if (number && store_real_read(p, n, &real)) {
		store_hash_real(h, real);
	} else if (like_blob(p, n)) {
		_cleanup_strbuf_ struct strbuf bytes = STRBUF_INIT;

		(void)store_bytes_parse(p, n, &bytes); /* as was seen */
		store_hash_blob(h, bytes.buf, bytes.len);
	} else {
		add_bytes(h, 't', p, n);
		h->bytes += n;
	}
}

struct store_hashed store_hash_row(struct store_hasher *h)
{
	struct xxh128 d = xxh128_of(h->values.buf, h->values.len);
	struct store_hashed ret = { .bytes = h->bytes };

	memcpy(&ret.hash, d.b, sizeof(ret.hash));
	strbuf_set_len(&h->values, 0);
	h->bytes = 0;
	return ret;
}

void store_hasher_release(struct store_hasher *h)
{
	strbuf_release(&h->values);
}
