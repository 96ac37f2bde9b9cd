/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/xalloc.h"

/* what a state holds back; it is opaque */
#define STATE_BUFFER 256

struct xxh_stream {
	XXH3_state_t *state;
};

struct xxh_stream *xxh_stream_new(void)
{
	struct xxh_stream *x = xmalloc(sizeof(*x));

	x->state = XXH3_createState();
	if (!x->state)
		die("out of memory");
	xxh_stream_reset(x);
	return x;
}

void xxh_stream_reset(struct xxh_stream *x)
{
	(void)XXH3_128bits_reset(x->state); /* fails for NULL alone */
}

void xxh_stream_add(struct xxh_stream *x, const void *p, size_t n)
{
	(void)XXH3_128bits_update(x->state, p, n); /* fails for NULL alone */
}

static struct xxh128 canonical(XXH128_hash_t h)
{
	XXH128_canonical_t c;
	struct xxh128 ret;

	XXH128_canonicalFromHash(&c, h);
	memcpy(ret.b, c.digest, sizeof(ret.b));
	return ret;
}

struct xxh128 xxh_stream_end(struct xxh_stream *x)
{
	return canonical(XXH3_128bits_digest(x->state));
}

void xxh_stream_free(struct xxh_stream *x)
{
	static const char nothing[STATE_BUFFER];

	if (!x)
		return;
	/* the last bytes, which may be of a secret, are in its buffer */
	xxh_stream_reset(x);
	xxh_stream_add(x, nothing, sizeof(nothing));
	(void)XXH3_freeState(x->state);
	free(x);
}

struct xxh128 xxh128_of(const void *p, size_t n)
{
	return canonical(XXH3_128bits(p, n));
}

bool xxh128_equal(const struct xxh128 *a, const struct xxh128 *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static void put_hex(char *out, const uint8_t *b, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = hex[b[i] >> 4];
		*out++ = hex[b[i] & 15];
	}
	*out = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

void xxh128_format(const struct xxh128 *d, char out[XXH128_TEXT_SIZE])
{
	memcpy(out, "xxh3-128:", 9);
	put_hex(out + 9, d->b, sizeof(d->b));
}

int xxh128_parse(const char *text, struct xxh128 *ret)
{
	struct xxh128 d;

	if (strncmp(text, "xxh3-128:", 9) != 0 || strlen(text) != 41)
		return -EINVAL;
	text += 9;
	for (size_t i = 0; i < sizeof(d.b); i++, text += 2) {
		int hi = hex_value(text[0]), lo = hex_value(text[1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		d.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = d;
	return 0;
}

/* --- BLAKE2b --- */

struct blake2 {
	EVP_MD_CTX *ctx;
};

static EVP_MD *blake2_md;
static pthread_once_t blake2_once = PTHREAD_ONCE_INIT;

/* fetching is slow and its result may be shared by all threads */
static void fetch(void)
{
	blake2_md = EVP_MD_fetch(NULL, "BLAKE2B-512", NULL);
	if (!blake2_md)
		die("OpenSSL has no BLAKE2b-512");
}

struct blake2 *blake2_new(void)
{
	struct blake2 *b = xmalloc(sizeof(*b));

	(void)pthread_once(&blake2_once, fetch);
	b->ctx = EVP_MD_CTX_new();
	if (!b->ctx)
		die("OpenSSL cannot start BLAKE2b-512");
	blake2_begin(b);
	return b;
}

void blake2_begin(struct blake2 *b)
{
	if (EVP_DigestInit_ex2(b->ctx, blake2_md, NULL) != 1)
		die("OpenSSL cannot start BLAKE2b-512");
}

void blake2_add(struct blake2 *b, const void *p, size_t n)
{
	if (EVP_DigestUpdate(b->ctx, p, n) != 1)
		die("OpenSSL cannot go on with BLAKE2b-512");
}

void blake2_end(struct blake2 *b, char out[BLAKE2_TEXT_SIZE])
{
	uint8_t d[64];
	unsigned int n = 0;

	if (EVP_DigestFinal_ex(b->ctx, d, &n) != 1 || n != sizeof(d))
		die("OpenSSL cannot finish BLAKE2b-512");
	memcpy(out, "blake2b-512:", 12);
	put_hex(out + 12, d, sizeof(d));
}

void blake2_free(struct blake2 *b)
{
	if (!b)
		return;
	EVP_MD_CTX_free(b->ctx);
	free(b);
}

void blake2_of(const void *p, size_t n, char out[BLAKE2_TEXT_SIZE])
{
	struct blake2 *b = blake2_new();

	blake2_add(b, p, n);
	blake2_end(b, out);
	blake2_free(b);
}
