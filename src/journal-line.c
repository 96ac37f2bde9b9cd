/* SPDX-License-Identifier: MIT */
#include "journal-line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"

#define SECTOR 512
/* of different keys, between two records of other kinds */
#define MOST 64
#define VALUE ",\"value\":"

/* Each run of them begins at the record or at a sector and ends at a sector or
   the file's end; a flipped bit gives a single one in the middle. */
bool journal_nuls_torn(const char *line, size_t len, off_t start, off_t size)
{
	bool any = false;
	size_t i = 0, from;

	while (i < len) {
		if (line[i]) {
			i++;
			continue;
		}
		from = i;
		while (i < len && !line[i])
			i++;
		if (from && (start + (off_t)from) % SECTOR)
			return false;
		if ((start + (off_t)i) % SECTOR && start + (off_t)i != size)
			return false;
		any = true;
	}
	return any;
}

bool journal_sum_ok(struct blake2 *b, const char *line, size_t len)
{
	char want[BLAKE2_TEXT_SIZE];
	const char *tail = line + len - SUM_TAIL;

	if (len <= SUM_TAIL || memcmp(tail, SUM_KEY, SUM_KEY_LEN) ||
	    memcmp(line + len - 2, "\"}", 2))
		return false;
	blake2_begin(b);
	blake2_add(b, line, len - SUM_TAIL);
	blake2_add(b, "}", 1);
	blake2_end(b, want);
	return memcmp(tail + SUM_KEY_LEN, want, BLAKE2_TEXT_SIZE - 1) == 0;
}

/* p without text at its beginning, or NULL */
static const char *behind(const char *p, const char *end, const char *text)
{
	size_t n = strlen(text);

	return p && (size_t)(end - p) >= n && !memcmp(p, text, n) ? p + n :
		NULL;
}

/* what stands up to the next quote; NULL: it is too long, or there is none */
static const char *quoted(const char *p, const char *end, char *ret,
			  size_t size)
{
	const char *q = p ? memchr(p, '"', (size_t)(end - p)) : NULL;

	if (!q || (size_t)(q - p) >= size || memchr(p, '\\', (size_t)(q - p)))
		return NULL;
	memcpy(ret, p, (size_t)(q - p));
	ret[q - p] = '\0';
	return q;
}

bool journal_line_head(const char *line, size_t len, uint64_t seq,
		       const char *prev, struct journal_head *ret)
{
	const char *p, *end = line + len;
	char begin[64];

	(void)snprintf(begin, sizeof(begin), "{\"seq\":%llu,\"time\":\"",
		       (unsigned long long)seq);
	p = quoted(behind(line, end, begin), end, ret->time,
		   sizeof(ret->time));
	p = behind(behind(behind(p, end, "\",\"prev\":\""), end, prev), end,
		   "\",\"what\":\"");
	p = quoted(p, end, ret->what, sizeof(ret->what));
	ret->at = p ? (size_t)(p - line) : 0;
	return p;
}

/* --- facts --- */

struct waiting {
	char *line;
	size_t len, at, key_len;         /* key: from at */
};

struct journal_facts {
	struct waiting *v;
	size_t n, cap;
};

struct journal_facts *journal_facts_new(void)
{
	return xcalloc(1, sizeof(struct journal_facts));
}

void journal_facts_free(struct journal_facts *f)
{
	for (size_t i = 0; f && i < f->n; i++)
		free(f->v[i].line);
	if (f)
		free(f->v);
	free(f);
}

static struct waiting *find(struct journal_facts *f, const char *key,
			    size_t key_len)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].key_len == key_len &&
		    !memcmp(f->v[i].line + f->v[i].at, key, key_len))
			return &f->v[i];
	return NULL;
}

bool journal_facts_add(struct journal_facts *f, const char *line, size_t len,
		       const struct journal_head *h, const char *alone)
{
	const char *key = line + h->at;
	const char *end = strcmp(h->what, "fact") ? NULL :
		memmem(key, len - h->at, VALUE, sizeof(VALUE) - 1);
	size_t n = end ? (size_t)(end - key) : 0;
	struct waiting *w;

	if (!end || memchr(key, '\\', n) ||
	    memmem(key, n, alone, strlen(alone)))
		return false;
	w = find(f, key, n);
	if (!w) {
		if (f->n == MOST)
			return false;
		VEC_GROW(f->v, f->n, f->cap);
		w = &f->v[f->n++];
		memset(w, 0, sizeof(*w));
	}
	free(w->line);
	*w = (struct waiting){ .line = xstrndup(line, len), .len = len,
			       .at = h->at, .key_len = n };
	return true;
}

int journal_facts_flush(struct journal_facts *f, journal_fn *fn, void *ctx,
			struct error *err)
{
	int ret = 0;

	for (size_t i = 0; i < f->n; i++) {
		_cleanup_json_ struct json_object *o = NULL;

		if (ret >= 0)
			ret = json_parse(f->v[i].line, f->v[i].len, &o, err);
		if (ret >= 0)
			ret = fn(ctx, o, err);
		free(f->v[i].line);
	}
	f->n = 0;
	return ret;
}
