/* SPDX-License-Identifier: MIT */
/* Secrets in a text that is to be shown, in whatever spelling. */
#include <string.h>

#include "base/xalloc.h"
#include "json-text.h"
#include "step-json-internal.h"

/*
 * All secrets at once: those that begin with the same bytes (as many as the
 * shortest one has, eight at most) are in one chain.
 */
struct finder {
	const struct json_secrets *s;
	size_t prefix;
	uint32_t *heads, *next;  /* numbers from 1 */
	unsigned int bits;       /* of the index of heads */
};

static size_t chain_of(const struct finder *f, const char *p)
{
	uint64_t v = 0;

	memcpy(&v, p, f->prefix);
	return v * UINT64_C(0x9e3779b97f4a7c15) >> (64 - f->bits);
}

static void finder_init(struct finder *f, const struct json_secrets *s)
{
	f->s = s;
	f->prefix = sizeof(uint64_t);
	f->bits = 4;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].len)
			f->prefix = MIN(f->prefix, s->v[i].len);
	while ((size_t)1 << f->bits < s->n)
		f->bits++;
	f->heads = xcalloc((size_t)1 << f->bits, sizeof(*f->heads));
	f->next = xcalloc(s->n + 1, sizeof(*f->next));
	for (size_t i = 0; i < s->n; i++) {
		size_t c;

		if (!s->v[i].len)
			continue;
		c = chain_of(f, s->v[i].text);
		f->next[i + 1] = f->heads[c];
		f->heads[c] = (uint32_t)i + 1;
	}
}

static void finder_release(struct finder *f)
{
	free(f->heads);
	free(f->next);
}

/* the length of the longest secret that begins at p, or 0 */
static size_t secret_at(const struct finder *f, const char *p, const char *end)
{
	size_t most = 0;

	if ((size_t)(end - p) < f->prefix)
		return 0;
	for (uint32_t i = f->heads[chain_of(f, p)]; i; i = f->next[i]) {
		const struct json_secret *x = &f->s->v[i - 1];

		if (x->len > most && x->len <= (size_t)(end - p) &&
		    !memcmp(p, x->text, x->len))
			most = x->len;
	}
	return most;
}

/* also where one begins in another */
static void hide_all(const struct finder *f, struct strbuf *text)
{
	struct strbuf out = STRBUF_INIT;
	const char *end = text->buf + text->len, *until = NULL;

	strbuf_grow(&out, text->len);
	for (const char *p = text->buf; p < end; p++) {
		size_t n = secret_at(f, p, end);

		if (n && (!until || p >= until))
			strbuf_addstr(&out, "***");
		if (n && (!until || p + n > until))
			until = p + n;
		if (!until || p >= until)
			strbuf_addch(&out, *p);
	}
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
		      const struct finder *f)
{
	struct strbuf text = STRBUF_INIT;
	struct json_tree t;
	bool found = false;

	json_tree_init(&t);
	if (json_tree_parse(&t, token, n) >= 0)
		json_text_decode(token, n, &text);
	for (size_t i = 0; i < text.len && !found; i++)
		found = secret_at(f, text.buf + i, text.buf + text.len);
	json_tree_release(&t);
	strbuf_release(&text);
	return found;
}

/* strings that hold one, in any spelling */
static void hide_strings(const struct finder *f, struct strbuf *text)
{
	struct strbuf out = STRBUF_INIT;
	const char *p = text->buf, *end = p + text->len, *at;

	while ((at = memchr(p, '"', (size_t)(end - p)))) {
		bool whole;
		const char *next = string_end(at, end, &whole);

		strbuf_add(&out, p, (size_t)(at - p));
		if (!whole || is_secret(at, (size_t)(next - at), f))
			strbuf_addstr(&out, "\"***\"");
		else
			strbuf_add(&out, at, (size_t)(next - at));
		p = next;
	}
	strbuf_add(&out, p, (size_t)(end - p));
	strbuf_release(text);
	*text = out;
}

void json_secrets_hide(const struct json_secrets *s, struct strbuf *text)
{
	struct finder f;

	if (!s->n)
		return;
	finder_init(&f, s);
	hide_strings(&f, text);
	/* then those that are no strings */
	hide_all(&f, text);
	finder_release(&f);
}
