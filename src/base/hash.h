/* SPDX-License-Identifier: MIT */
#ifndef HASH_H
#define HASH_H
/*
 * hash - digests, each written with the name of its algorithm
 *
 * XXH3-128 (libxxhash) tells accident: one for every file in a manifest.
 * BLAKE2b-512 (OpenSSL libcrypto) tells tampering: archives, manifests, plans
 * and the chain of the journal; `b2sum` computes the same.
 * Text form: "xxh3-128:" + 32 hex digits (canonical, big endian, as xxhsum -H2
 * prints) and "blake2b-512:" + 128 hex digits.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct xxh128 {
	uint8_t b[16];
};

struct xxh_stream;
struct xxh_stream *xxh_stream_new(void);
void xxh_stream_reset(struct xxh_stream *x);
void xxh_stream_add(struct xxh_stream *x, const void *p, size_t n);
struct xxh128 xxh_stream_end(struct xxh_stream *x);
void xxh_stream_free(struct xxh_stream *x);
struct xxh128 xxh128_of(const void *p, size_t n);
bool xxh128_equal(const struct xxh128 *a, const struct xxh128 *b);

#define XXH128_TEXT_SIZE (9 + 32 + 1)
void xxh128_format(const struct xxh128 *d, char out[XXH128_TEXT_SIZE]);
/* 0 or -EINVAL */
int xxh128_parse(const char *text, struct xxh128 *ret);

#define BLAKE2_TEXT_SIZE (12 + 128 + 1)
struct blake2;
struct blake2 *blake2_new(void);
/* from the beginning, once more: what was added is forgotten */
void blake2_begin(struct blake2 *b);
void blake2_add(struct blake2 *b, const void *p, size_t n);
/* writes "blake2b-512:HEX"; b must be freed, or begun, afterwards */
void blake2_end(struct blake2 *b, char out[BLAKE2_TEXT_SIZE]);
void blake2_free(struct blake2 *b);
void blake2_of(const void *p, size_t n, char out[BLAKE2_TEXT_SIZE]);
/* digest of the whole file behind fd, from offset 0, position not used */
int blake2_of_fd(int fd, char out[BLAKE2_TEXT_SIZE], struct error *err);

#endif
