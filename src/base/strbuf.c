/* SPDX-License-Identifier: MIT */
#include "base/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"

char strbuf_empty[1];

void strbuf_init(struct strbuf *sb)
{
	sb->len = sb->cap = 0;
	sb->buf = strbuf_empty;
}

static void give_back(struct strbuf *sb)
{
	if (!sb->cap)
		return;
	explicit_bzero(sb->buf, sb->cap);
	free(sb->buf);
}

void strbuf_release(struct strbuf *sb)
{
	give_back(sb);
	strbuf_init(sb);
}

void strbuf_clear(struct strbuf *sb)
{
	if (sb->cap)
		strbuf_set_len(sb, 0);
}

void strbuf_grow(struct strbuf *sb, size_t extra)
{
	size_t need;
	char *buf;

	if (__builtin_add_overflow(sb->len, extra, &need) ||
	    __builtin_add_overflow(need, 1, &need))
		die("out of memory");
	if (need <= sb->cap)
		return;
	if (need < sb->cap + sb->cap / 2)
		need = sb->cap + sb->cap / 2;
	if (need < 32)
		need = 32;
	/* not realloc, which leaves what was there where it was */
	buf = xmalloc(need);
	memcpy(buf, sb->buf, sb->len);
	give_back(sb);
	sb->buf = buf;
	sb->cap = need;
	sb->buf[sb->len] = '\0';
}

void strbuf_set_len(struct strbuf *sb, size_t len)
{
	if (!sb->cap && !len)
		return;
	if (len >= sb->cap)
		BUG("strbuf length %zu over capacity %zu", len, sb->cap);
	sb->len = len;
	sb->buf[len] = '\0';
}

void strbuf_add_slow(struct strbuf *sb, const void *p, size_t n)
{
	if (!n)
		return;
	strbuf_grow(sb, n);
	memcpy(sb->buf + sb->len, p, n);
	strbuf_set_len(sb, sb->len + n);
}

void strbuf_addstr(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_add_utf8(struct strbuf *sb, uint32_t c)
{
	if (c < 0x80) {
		strbuf_addch(sb, (char)c);
		return;
	}
	if (c < 0x800) {
		strbuf_addch(sb, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			strbuf_addch(sb, (char)(0xe0 | c >> 12));
		} else {
			strbuf_addch(sb, (char)(0xf0 | c >> 18));
			strbuf_addch(sb, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		strbuf_addch(sb, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	strbuf_addch(sb, (char)(0x80 | (c & 0x3f)));
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		BUG("bad format '%s'", fmt);
	strbuf_grow(sb, (size_t)n);
	(void)vsnprintf(sb->buf + sb->len, (size_t)n + 1, fmt, ap);
	strbuf_set_len(sb, sb->len + (size_t)n);
}

size_t format_u64(char out[20], uint64_t v)
{
	char text[20];
	size_t i = sizeof(text);

	do {
		text[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	memcpy(out, text + i, sizeof(text) - i);
	return sizeof(text) - i;
}

void strbuf_add_u64(struct strbuf *sb, uint64_t v)
{
	char text[20];

	strbuf_add(sb, text, format_u64(text, v));
}

void strbuf_add_count(struct strbuf *sb, uint64_t v)
{
	char text[20];
	size_t n = format_u64(text, v);

	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			strbuf_addch(sb, ',');
		strbuf_addch(sb, text[i]);
	}
}

char *count_text(uint64_t v)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_add_count(&sb, v);
	return strbuf_detach(&sb);
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
}

char *strbuf_detach(struct strbuf *sb)
{
	char *ret;

	strbuf_grow(sb, 0);
	ret = sb->buf;
	strbuf_init(sb);
	return ret;
}

/* length of the UTF-8 sequence at s that may be shown, or 0 */
static size_t printable_len(const unsigned char *s, size_t n)
{
	uint32_t c;
	size_t len;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		len = 2;
		c = s[0] & 0x1fu;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		len = 3;
		c = s[0] & 0x0fu;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		len = 4;
		c = s[0] & 0x07u;
	} else {
		return 0;
	}
	if (len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0u) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) ||
	    c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	/* C1 controls, and marks that turn the direction of a line around */
	if (c < 0xa0 || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029)
		return 0;
	return len;
}

void strbuf_add_escaped(struct strbuf *sb, const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;

	for (size_t i = 0; i < n;) {
		size_t len = printable_len(u + i, n - i);

		if (len) {
			strbuf_add(sb, u + i, len);
			i += len;
			continue;
		}
		if (u[i] == '\n')
			strbuf_addstr(sb, "\\n");
		else if (u[i] == '\t')
			strbuf_addstr(sb, "\\t");
		else
			strbuf_addf(sb, "\\x%02x", u[i]);
		i++;
	}
}

char *escape_bytes(const char *s)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_add_escaped(&sb, s, strlen(s));
	return strbuf_detach(&sb);
}

void strvec_release(struct strvec *sv)
{
	strvec_clear(sv);
	free(sv->v);
	memset(sv, 0, sizeof(*sv));
}

void strvec_clear(struct strvec *sv)
{
	for (size_t i = 0; i < sv->n; i++)
		free(sv->v[i]);
	sv->n = 0;
	if (sv->v)
		sv->v[0] = NULL;
}

void strvec_take(struct strvec *sv, char *s)
{
	if (sv->n + 1 >= sv->cap) {
		sv->cap = sv->cap ? sv->cap * 2 : 8;
		sv->v = xrealloc(sv->v, sv->cap, sizeof(*sv->v));
	}
	sv->v[sv->n++] = s;
	sv->v[sv->n] = NULL;
}

void strvec_push(struct strvec *sv, const char *s)
{
	strvec_take(sv, xstrdup(s));
}

void strvec_pushf(struct strvec *sv, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strvec_take(sv, xvasprintf(fmt, ap));
	va_end(ap);
}

void strvec_copy(struct strvec *dst, const struct strvec *src)
{
	for (size_t i = 0; i < src->n; i++)
		strvec_push(dst, src->v[i]);
}

bool strvec_has(const struct strvec *sv, const char *s)
{
	for (size_t i = 0; i < sv->n; i++)
		if (!strcmp(sv->v[i], s))
			return true;
	return false;
}

static int cmp_paths(const void *a, const void *b)
{
	return path_cmp(*(char *const *)a, *(char *const *)b);
}

void strvec_sort_paths(struct strvec *sv)
{
	size_t kept = 0;

	if (!sv->n)
		return;
	qsort(sv->v, sv->n, sizeof(*sv->v), cmp_paths);
	for (size_t i = 1; i < sv->n; i++) {
		if (!strcmp(sv->v[kept], sv->v[i]))
			free(sv->v[i]);
		else
			sv->v[++kept] = sv->v[i];
	}
	sv->n = kept + 1;
	sv->v[sv->n] = NULL;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !memcmp(s + n - m, suffix, m);
}
