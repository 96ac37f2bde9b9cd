/* SPDX-License-Identifier: MIT */
#include "tui/field.h"

#include <string.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "text-width.h"

void field_init(struct field *f, bool secret)
{
	memset(f, 0, sizeof(*f));
	f->secret = secret;
	f->cap = 64;
	f->text = xcalloc(1, f->cap);
}

/* wiped whether it is a secret or not: it may become one */
void field_release(struct field *f)
{
	if (f->text)
		explicit_bzero(f->text, f->cap);
	free(f->text);
	memset(f, 0, sizeof(*f));
}

/* not realloc(): that may leave a copy behind */
static void grow(struct field *f, size_t len)
{
	char *text;

	if (len < f->cap)
		return;
	text = xcalloc(1, len * 2);
	memcpy(text, f->text, f->len);
	explicit_bzero(f->text, f->cap);
	free(f->text);
	f->text = text;
	f->cap = len * 2;
}

static void cut(struct field *f, size_t from, size_t to)
{
	if (from == to)
		return;
	memmove(f->text + from, f->text + to, f->len - to);
	f->len -= to - from;
	explicit_bzero(f->text + f->len, f->cap - f->len);
	f->at = from;
	f->changed = true;
}

void field_set(struct field *f, const char *text)
{
	size_t n = text ? strnlen(text, FIELD_MAX) : 0;

	f->at = 0;
	cut(f, 0, f->len);
	grow(f, n);
	if (n)
		memcpy(f->text, text, n);
	f->len = f->at = n;
	f->changed = false;
}

bool field_insert(struct field *f, const char *text)
{
	size_t n = strlen(text);

	if (f->len + n > FIELD_MAX)
		return false;
	grow(f, f->len + n);
	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c == '\n' || c == '\r' || c == '\t')
			c = ' ';
		if ((unsigned char)c < ' ' || c == 0x7f)
			continue;
		memmove(f->text + f->at + 1, f->text + f->at, f->len - f->at);
		f->text[f->at++] = c;
		f->len++;
	}
	f->text[f->len] = '\0';
	f->changed = true;
	return true;
}

static size_t word_start(const struct field *f)
{
	size_t at = f->at;

	while (at > 0 && f->text[at - 1] == ' ')
		at--;
	while (at > 0 && f->text[at - 1] != ' ')
		at--;
	return at;
}

void field_key(struct field *f, enum field_key key)
{
	size_t back = width_back(f->text, f->at);
	size_t next = width_next(f->text + f->at);

	switch (key) {
	case FIELD_LEFT:
		f->at -= back;
		break;
	case FIELD_RIGHT:
		f->at += next;
		break;
	case FIELD_HOME:
		f->at = 0;
		break;
	case FIELD_END:
		f->at = f->len;
		break;
	case FIELD_BACKSPACE:
		cut(f, f->at - back, f->at);
		break;
	case FIELD_DELETE:
		cut(f, f->at, f->at + next);
		break;
	case FIELD_CUT_LINE:
		cut(f, 0, f->at);
		break;
	case FIELD_CUT_END:
		cut(f, f->at, f->len);
		break;
	case FIELD_CUT_WORD:
		cut(f, word_start(f), f->at);
		break;
	}
}

static void add_shown(const struct field *f, size_t n, unsigned int safe,
		      struct strbuf *out)
{
	char *part = xstrndup(f->text, n);

	if (f->secret)
		for (const char *p = part; *p; p += width_next(p))
			strbuf_addch(out, '*');
	else
		width_safe(out, part, safe);
	explicit_bzero(part, n);
	free(part);
}

void field_view(const struct field *f, int cols, unsigned int safe,
		struct strbuf *out, int *ret_cursor)
{
	struct strbuf whole = STRBUF_INIT, before = STRBUF_INIT;
	int cursor, off = 0;
	size_t from = 0;

	add_shown(f, f->len, safe, &whole);
	add_shown(f, f->at, safe, &before);
	cursor = width_of(before.buf);
	/* the cursor stays in sight, with a column behind the end for it */
	while (cursor - off > cols - 1) {
		size_t n = width_next(whole.buf + from);
		char *one;

		if (!n)
			break;
		one = xstrndup(whole.buf + from, n);
		off += width_of(one);
		from += n;
		free(one);
	}
	strbuf_add(out, whole.buf + from,
		   width_fit(whole.buf + from, cols, NULL));
	*ret_cursor = cursor - off;
	strbuf_release(&whole);
	strbuf_release(&before);
}
