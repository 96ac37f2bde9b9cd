/* SPDX-License-Identifier: MIT */
/* Secrets in a text that is to be shown, in whatever spelling. */
#include <string.h>

#include "json-text.h"
#include "step-json-internal.h"

static void hide(struct strbuf *text, const char *what, size_t n)
{
	struct strbuf out = STRBUF_INIT;
	const char *p = text->buf, *end = p + text->len, *at;

	while (n && (at = memmem(p, (size_t)(end - p), what, n))) {
		strbuf_add(&out, p, (size_t)(at - p));
		strbuf_addstr(&out, "***");
		p = at + n;
	}
	strbuf_add(&out, p, (size_t)(end - p));
	explicit_bzero(text->buf, text->len);
	strbuf_release(text);
	*text = out;
}

/* behind the string that begins at p; *whole: it ends at all */
static const char *string_end(const char *p, const char *end, bool *whole)
{
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	*whole = p < end;
	return p < end ? p + 1 : end;
}

static bool is_secret(const char *token, size_t n,
		      const struct json_secrets *s)
{
	struct strbuf text = STRBUF_INIT;
	struct json_tree t;
	bool found = false;

	json_tree_init(&t);
	if (json_tree_parse(&t, token, n) >= 0)
		json_text_decode(token, n, &text);
	for (size_t i = 0; i < s->n && !found; i++)
		found = memmem(text.buf, text.len, s->v[i].text, s->v[i].len);
	json_tree_release(&t);
	explicit_bzero(text.buf, text.cap);
	strbuf_release(&text);
	return found;
}

/* strings that hold one, in any spelling */
static void hide_strings(struct strbuf *text, const struct json_secrets *s)
{
	struct strbuf out = STRBUF_INIT;
	const char *p = text->buf, *end = p + text->len, *at;

	while ((at = memchr(p, '"', (size_t)(end - p)))) {
		bool whole;
		const char *next = string_end(at, end, &whole);

		strbuf_add(&out, p, (size_t)(at - p));
		if (!whole || is_secret(at, (size_t)(next - at), s))
			strbuf_addstr(&out, "\"***\"");
		else
			strbuf_add(&out, at, (size_t)(next - at));
		p = next;
	}
	strbuf_add(&out, p, (size_t)(end - p));
	explicit_bzero(text->buf, text->len);
	strbuf_release(text);
	*text = out;
}

void json_secrets_hide(const struct json_secrets *s, struct strbuf *text)
{
	if (s->n)
		hide_strings(text, s);
	/* then those that are no strings */
	for (size_t i = 0; i < s->n; i++)
		hide(text, s->v[i].text, s->v[i].len);
}
