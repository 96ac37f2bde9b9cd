/* SPDX-License-Identifier: MIT */
/* How far a step is, for stores that are files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-json-internal.h"

static struct json_mark *find_mark(struct json_store *q, const char *step,
				   int part)
{
	for (size_t i = 0; i < q->marks.n; i++)
		if (q->marks.v[i].part == part &&
		    !strcmp(q->marks.v[i].step, step))
			return &q->marks.v[i];
	return NULL;
}

static int new_mark(struct json_store *q, const struct store_mark *m,
		    struct error *err)
{
	struct json_mark *n;
	size_t at = 0;
	int ret;

	if (q->read_only)
		return error_set(err, ERR_STORE, -EROFS,
			_("%s: it was opened for reading"), q->s.name);
	if (find_mark(q, m->step, m->part))
		return 0;
	ret = json_files_begin(q, err);
	if (ret < 0)
		return ret;
	VEC_GROW(q->marks.v, q->marks.n, q->marks.cap);
	while (at < q->marks.n && q->marks.v[at].part < m->part)
		at++;
	memmove(&q->marks.v[at + 1], &q->marks.v[at],
		(q->marks.n - at) * sizeof(*q->marks.v));
	q->marks.n++;
	n = &q->marks.v[at];
	memset(n, 0, sizeof(*n));
	n->step = xstrdup(m->step);
	n->part = m->part;
	n->lo = xstrdup_null(m->lo);
	n->hi = xstrdup_null(m->hi);
	n->pos = xstrdup("");
	n->done = m->done;
	return json_files_marks(q, err);
}

int json_store_mark(struct store *s, const struct store_mark *m,
		    const char *old, struct error *err)
{
	struct json_store *q = (struct json_store *)s;
	struct json_mark *have;

	if (!old)
		return new_mark(q, m, err);
	have = find_mark(q, m->step, m->part);
	if (!have || strcmp(have->pos, old) != 0)
		return error_set(err, ERR_STORE, -ESTALE,
			_("%s: somebody else moved the position of '%s'"),
			s->name, m->step);
	free(have->pos);
	have->pos = xstrdup(m->pos);
	have->rows += m->rows;
	have->batches++;
	have->done = m->done;
	q->moved = true;
	free(q->step);
	q->step = xstrdup(m->step);
	return 0;
}

static void add_text(struct store_batch *b, const char *text)
{
	store_batch_add(b, STORE_TEXT, text, text ? strlen(text) : 0);
}

static void add_number(struct store_batch *b, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	store_batch_add(b, STORE_INT, text, strlen(text));
}

int json_store_marks(struct store *s, const char *step,
		     struct store_batch *b, struct error *err)
{
	const struct json_store *q = (const struct json_store *)s;

	(void)err; /* they are in memory */
	for (size_t i = 0; i < q->marks.n; i++) {
		const struct json_mark *m = &q->marks.v[i];

		if (strcmp(m->step, step) != 0)
			continue;
		add_number(b, (uint64_t)m->part);
		add_text(b, m->lo);
		add_text(b, m->hi);
		add_text(b, m->pos);
		add_number(b, m->rows);
		add_number(b, m->batches);
		add_number(b, m->done);
	}
	return (int)b->nrow;
}
