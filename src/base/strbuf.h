/* SPDX-License-Identifier: MIT */
#ifndef STRBUF_H
#define STRBUF_H
/*
 * strbuf - growing byte string; strvec - growing list of strings
 *
 * buf is always NUL terminated and never NULL after init; it may hold NULs,
 * len is the truth. A strvec owns its strings; v is NULL terminated, so that
 * v.v can be an argument list. Both are value structs: _init, _release (free,
 * unusable until init), _clear (empty, memory kept), _detach (caller owns).
 *
 * Secrets of users go through here, so what a strbuf held is overwritten
 * before its memory is given back, also when it grows.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

struct strbuf {
	size_t len;
	size_t cap;
	char *buf;
};

extern char strbuf_empty[];
#define STRBUF_INIT { .buf = strbuf_empty }
#define _cleanup_strbuf_ _cleanup_(strbuf_release)

void strbuf_init(struct strbuf *sb);
void strbuf_release(struct strbuf *sb);
void strbuf_clear(struct strbuf *sb);
/* make room for extra more bytes and the NUL */
void strbuf_grow(struct strbuf *sb, size_t extra);
/* shorten to len; or declare bytes written into grown room */
void strbuf_set_len(struct strbuf *sb, size_t len);
void strbuf_add_slow(struct strbuf *sb, const void *p, size_t n);
static inline void strbuf_add(struct strbuf *sb, const void *p, size_t n)
{
	if (!n)
		return;
	/* room for the NUL too */
	if (n >= sb->cap - sb->len) {
		strbuf_add_slow(sb, p, n);
		return;
	}
	memcpy(sb->buf + sb->len, p, n);
	sb->len += n;
	sb->buf[sb->len] = '\0';
}
void strbuf_addstr(struct strbuf *sb, const char *s);
static inline void strbuf_addch(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}
/* c as UTF-8; a surrogate gives three bytes too, which are none */
void strbuf_add_utf8(struct strbuf *sb, uint32_t c);
/* in decimal; the first to out without a NUL, at most 20 characters */
size_t format_u64(char out[20], uint64_t v);
void strbuf_add_u64(struct strbuf *sb, uint64_t v);
/* for people: "1,234,567" */
void strbuf_add_count(struct strbuf *sb, uint64_t v);
char *count_text(uint64_t v);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) _printf_(2, 3);
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
	_printf_(2, 0);
char *strbuf_detach(struct strbuf *sb);

/*
 * Text for a person from bytes of unknown origin: valid printable UTF-8 stays,
 * control characters and invalid bytes become \xHH, newline and tab \n \t.
 */
void strbuf_add_escaped(struct strbuf *sb, const char *s, size_t n);
char *escape_bytes(const char *s);

struct strvec {
	size_t n;
	size_t cap;
	char **v;
};

#define STRVEC_INIT { 0 }
#define _cleanup_strvec_ _cleanup_(strvec_release)

void strvec_release(struct strvec *sv);
void strvec_clear(struct strvec *sv);
void strvec_push(struct strvec *sv, const char *s);
void strvec_pushf(struct strvec *sv, const char *fmt, ...) _printf_(2, 3);
/* takes ownership of s */
void strvec_take(struct strvec *sv, char *s);
void strvec_copy(struct strvec *dst, const struct strvec *src);
bool strvec_has(const struct strvec *sv, const char *s);
/* sorts in path order (see path_cmp in base/path.h) and drops duplicates */
void strvec_sort_paths(struct strvec *sv);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

#endif
