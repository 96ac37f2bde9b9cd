/* SPDX-License-Identifier: MIT */
#include "text-width.h"

#include <iconv.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "base/strbuf.h"
#include "base/xalloc.h"

/* curses keeps a base and four marks in a cell; it drops what is more */
#define MARKS_MAX 4

/*
 * One character of UTF-8 as RFC 3629 has it: no overlong form, no surrogate,
 * none above 10FFFF. Returns its bytes, 0 if these are none. Not mbrtowc():
 * our texts are UTF-8 in every locale.
 */
static size_t decode(const char *s, uint32_t *ret)
{
	const unsigned char *u = (const unsigned char *)s;
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c;
	size_t n;

	if (u[0] < 0x80) {
		*ret = u[0];
		return u[0] ? 1 : 0;
	}
	n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	c = u[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < lowest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

/* columns of a character of safe text */
static int columns(uint32_t c)
{
	int w;

	if (c < 0x80)
		return 1;
	w = wcwidth((wchar_t)c);
	return w < 0 ? 1 : w;
}

/* a character that acts on others or has no shape */
static bool is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad ||
	       c == 0x61c || c == 0x180e || c == 0x200b || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe007f);
}

static bool is_shown(uint32_t c)
{
	return !is_hidden(c) && wcwidth((wchar_t)c) >= 0;
}

static void add_number(struct strbuf *out, uint32_t c)
{
	if (c < 0x100)
		strbuf_addf(out, "\\x%02x", (unsigned int)c);
	else
		strbuf_addf(out, c > 0xffff ? "\\U%06x" : "\\u%04x",
			    (unsigned int)c);
}

/* "oe" for a letter that this terminal has not; or its bytes */
static void add_ascii(struct strbuf *out, const char *s, size_t n)
{
	iconv_t cd = iconv_open("ASCII//TRANSLIT", "UTF-8");
	char in[8], res[32];
	char *ip = in, *rp = res;
	size_t in_left = n, res_left = sizeof(res);

	memcpy(in, s, n);
	if (cd != (iconv_t)-1) {
		if (iconv(cd, &ip, &in_left, &rp, &res_left) == (size_t)-1)
			rp = res;
		(void)iconv_close(cd); /* cannot fail on what was opened */
	}
	for (char *p = res; p < rp; p++)
		if (*p < 0x20 || *p > 0x7e)
			rp = res;
	if (rp > res && !(rp == res + 1 && *res == '?')) {
		strbuf_add(out, res, (size_t)(rp - res));
		return;
	}
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "\\x%02x", (unsigned char)s[i]);
}

static bool keep_blank(uint32_t c, unsigned int flags)
{
	return (c == '\n' && (flags & WIDTH_LINES)) ||
	       (c == '\t' && (flags & WIDTH_TABS));
}

void width_safe(struct strbuf *out, const char *s, unsigned int flags)
{
	int marks = MARKS_MAX;     /* a mark at the start has no base */

	while (s && *s) {
		uint32_t c;
		size_t n = decode(s, &c);

		if (!n) {
			strbuf_addf(out, "\\x%02x", (unsigned char)*s);
			n = 1;
			marks = 0;
		} else if ((c >= ' ' && c < 0x7f) || keep_blank(c, flags)) {
			strbuf_addch(out, (char)c);
			marks = c >= ' ' ? 0 : MARKS_MAX;
		} else if (c == '\n' || c == '\t') {
			strbuf_addstr(out, c == '\n' ? "\\n" : "\\t");
			marks = 0;
		} else if (c < 0x80 || is_hidden(c)) {
			add_number(out, c);
			marks = 0;
		} else if (!(flags & WIDTH_UTF8)) {
			add_ascii(out, s, n);
			marks = 0;
		} else if (!is_shown(c)) {
			add_number(out, c);
			marks = 0;
		} else if (columns(c) == 0 && marks++ >= MARKS_MAX) {
			add_number(out, c);
			marks = 0;
		} else {
			strbuf_add(out, s, n);
			if (columns(c) > 0)
				marks = 0;
		}
		s += n;
	}
}

size_t width_next(const char *s)
{
	uint32_t c;
	size_t n;

	if (!*s)
		return 0;
	n = decode(s, &c);
	if (!n)
		return 1;
	for (;;) {
		size_t m = decode(s + n, &c);

		if (!m || columns(c) != 0)
			return n;
		n += m;
	}
}

size_t width_back(const char *s, size_t at)
{
	size_t from = 0, n;

	if (!at)
		return 0;
	while ((n = width_next(s + from)) && from + n < at)
		from += n;
	return at - from;
}

/* columns of the character at s, n bytes long with its marks */
static int cluster(const char *s)
{
	uint32_t c;

	return decode(s, &c) ? columns(c) : 1;
}

int width_of(const char *s)
{
	int w = 0;

	for (size_t n; s && (n = width_next(s)); s += n)
		w += cluster(s);
	return w;
}

size_t width_fit(const char *s, int cols, int *ret_cols)
{
	size_t at = 0, n;
	int w = 0;

	while ((n = width_next(s + at)) && w + cluster(s + at) <= cols) {
		w += cluster(s + at);
		at += n;
	}
	if (ret_cols)
		*ret_cols = w;
	return at;
}

void width_cut(struct strbuf *out, const char *s, int cols)
{
	size_t n;

	if (!s || cols <= 0)
		return;
	n = width_fit(s, cols, NULL);
	if (!s[n]) {
		strbuf_addstr(out, s);
		return;
	}
	if (cols < 4) {
		strbuf_add(out, s, n);
		return;
	}
	strbuf_add(out, s, width_fit(s, cols - 3, NULL));
	strbuf_addstr(out, "...");
}

void width_pad(struct strbuf *out, const char *s, int cols)
{
	strbuf_addstr(out, s);
	for (int w = width_of(s); w < cols; w++)
		strbuf_addch(out, ' ');
}

void width_uncapital(struct strbuf *out, const char *word)
{
	struct strbuf small = STRBUF_INIT;
	const char *s = word;
	uint32_t c;

	for (size_t n; *s && (n = decode(s, &c)); s += n) {
		if (!iswupper((wint_t)c))
			break;
		strbuf_add_utf8(&small, s == word ? c :
				(uint32_t)towlower((wint_t)c));
	}
	strbuf_addstr(out, *s ? word : small.buf);
	strbuf_release(&small);
}

void width_untab(struct strbuf *out, const char *s)
{
	int w = 0;

	for (size_t n; (n = width_next(s)); s += n) {
		if (*s == '\t') {
			do
				strbuf_addch(out, ' ');
			while (++w % 8);
		} else {
			strbuf_add(out, s, n);
			w += cluster(s);
		}
	}
}

/* may a line end before s + at? between wide characters it may */
static bool breaks(const char *s, size_t at, size_t next)
{
	return cluster(s + at) == 2 || cluster(s + next) == 2;
}

/* the first line of s: bytes to take */
static size_t line_end(const char *s, int cols)
{
	size_t at = 0, last = 0, n;
	int w = 0;

	while ((n = width_next(s + at))) {
		w += cluster(s + at);
		if (s[at] == ' ')
			last = at;
		else if (w > cols)
			break;
		if (s[at] != ' ' && s[at + n] && s[at + n] != ' ' &&
		    breaks(s, at, at + n))
			last = at + n;
		at += n;
	}
	if (!n)
		return at;
	if (last)
		return last;
	/* one long word: a path goes on after a slash, if there is one */
	at = width_fit(s, cols, NULL);
	for (size_t i = at; i > (size_t)cols / 2; i--)
		if (s[i - 1] == '/')
			return i;
	return at ? at : width_next(s);
}

static void wrap_paragraph(struct strvec *out, const char *s, int cols)
{
	size_t indent = strspn(s, " ");
	int room;

	if (!s[indent]) {
		strvec_push(out, "");
		return;
	}
	if ((int)indent > cols / 2)
		indent = (size_t)cols / 2;
	s += strspn(s, " ");
	room = MAX(cols - (int)indent, 1);
	while (*s) {
		struct strbuf line = STRBUF_INIT;
		size_t n = line_end(s, room), end = n;

		while (end > 0 && s[end - 1] == ' ')
			end--;
		for (size_t i = 0; i < indent; i++)
			strbuf_addch(&line, ' ');
		strbuf_add(&line, s, end);
		strvec_take(out, strbuf_detach(&line));
		s += n;
		s += strspn(s, " ");
	}
}

void width_wrap(struct strvec *out, const char *s, int cols)
{
	if (cols < 1)
		cols = 1;
	while (s) {
		const char *end = strchr(s, '\n');
		char *one = end ? xstrndup(s, (size_t)(end - s)) : xstrdup(s);

		wrap_paragraph(out, one, cols);
		free(one);
		s = end ? end + 1 : NULL;
	}
}
