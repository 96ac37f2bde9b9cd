/* SPDX-License-Identifier: MIT */
/*
 * The index as a whole: what is pending, what is in memory, and what is on
 * the disk, newest first where a key is there more than once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-json-internal.h"

#define ROOM (8u << 20)

/* --- one place after the other --- */

static int load(struct json_walk *w, struct json_source *s, struct error *err)
{
	int ret = 1;

	if (s->run) {
		ret = json_run_next(w->q, s->run, &s->page, &s->e, &s->key,
				    err);
		s->live = ret > 0 &&
			(!w->hi.len || json_key_cmp(s->key, w->hi.buf) <= 0);
		return MIN(ret, 0);
	}
	s->live = s->i < s->end;
	if (s->live) {
		s->e = s->in->v[s->i++];
		s->key = w->q->keys.buf + s->e.key;
	}
	return 0;
}

static int add_memory(struct json_walk *w, const struct json_entries *in,
		      const char *lo, bool past, struct error *err)
{
	struct json_source *s = &w->src[w->n++];

	memset(s, 0, sizeof(*s));
	strbuf_init(&s->page.buf);
	s->in = in;
	s->i = lo ? json_index_seek(w->q, in, lo, past) : 0;
	s->end = w->hi.len ? json_index_seek(w->q, in, w->hi.buf, true) : in->n;
	return load(w, s, err);
}

static int add_run(struct json_walk *w, const struct json_run *r,
		   const char *lo, bool past, struct error *err)
{
	struct json_source *s = &w->src[w->n++];
	int ret = 0;

	memset(s, 0, sizeof(*s));
	strbuf_init(&s->page.buf);
	s->run = r;
	if (lo)
		ret = json_run_seek(w->q, r, &s->page, lo, past, err);
	return ret < 0 ? ret : load(w, s, err);
}

/* the runs from one on, and what is in memory */
static int open_some(struct json_walk *w, struct json_store *q, size_t from,
		     bool memory, const char *lo, bool past,
		     struct error *err)
{
	int ret = 0;

	w->q = q;
	w->n = 0;
	for (size_t i = from; ret == 0 && i < q->nrun; i++)
		ret = add_run(w, &q->run[i], lo, past, err);
	if (ret == 0 && memory)
		ret = add_memory(w, &q->index, lo, past, err);
	return ret;
}

int json_walk_open(struct json_walk *w, struct json_store *q, const char *lo,
		   bool past, const char *hi, struct error *err)
{
	int ret;

	strbuf_init(&w->hi);
	strbuf_init(&w->key);
	if (hi)
		strbuf_add(&w->hi, hi, json_key_len(hi));
	ret = open_some(w, q, 0, true, lo, past, err);
	return ret < 0 ? ret : add_memory(w, &q->pending, lo, past, err);
}

void json_walk_release(struct json_walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		strbuf_release(&w->src[i].page.buf);
	strbuf_release(&w->hi);
	strbuf_release(&w->key);
}

/* the source that stands at the lowest key, of several the newest */
static struct json_source *lowest(struct json_walk *w)
{
	struct json_source *best = NULL;

	for (size_t i = 0; i < w->n; i++) {
		struct json_source *s = &w->src[i];

		if (s->live && (!best || json_key_cmp(s->key, best->key) <= 0))
			best = s;
	}
	return best;
}

static int same_key(struct json_store *q, struct error *err)
{
	return error_set(err, ERR_STORE, -EINVAL,
			 _("%s: '%s' has the same key twice"), q->s.name,
			 q->path);
}

/* The next entry, those that are gone with them. Its key is kept, as the
   sources go on. */
static int step(struct json_walk *w, struct json_entry *e, struct error *err)
{
	struct json_source *s = lowest(w);
	int ret = 0;

	if (!s)
		return 0;
	*e = s->e;
	strbuf_clear(&w->key);
	strbuf_add(&w->key, s->key, json_key_len(s->key));
	for (size_t i = 0; ret == 0 && i < w->n; i++) {
		struct json_source *o = &w->src[i];

		if (o != s && (!o->live || json_key_cmp(o->key, w->key.buf)))
			continue;
		/* of a document's own elements none may be a second one */
		if (o != s && !w->q->lines && e->src == SRC_FILE)
			ret = same_key(w->q, err);
		else
			ret = load(w, o, err);
	}
	return ret < 0 ? ret : 1;
}

int json_walk_next(struct json_walk *w, struct json_entry *e,
		   struct error *err)
{
	int ret;

	do {
		ret = step(w, e, err);
	} while (ret > 0 && e->gone);
	return ret;
}

/* --- to the disk, and there together --- */

static int write_all(struct json_walk *w, struct json_run *r, bool whole,
		     struct error *err)
{
	struct json_entry e;
	int ret;

	while ((ret = step(w, &e, err)) > 0) {
		/* nothing is older that it could hide */
		if (whole && e.gone)
			continue;
		ret = json_run_add(w->q, r, &e, w->key.buf, err);
		if (ret < 0)
			return ret;
	}
	return ret < 0 ? ret : json_run_end(w->q, r, err);
}

static void forget_memory(struct json_store *q)
{
	q->index.n = 0;
	strbuf_clear(&q->keys);
	q->keys_before = 0;
}

/* runs from this one on, and what is in memory, are one run then */
static int merge(struct json_store *q, size_t from, bool memory,
		 struct error *err)
{
	struct json_walk w = { .n = 0 };
	struct json_run r;
	int ret = json_run_begin(q, &r, err);

	strbuf_init(&w.hi);
	strbuf_init(&w.key);
	if (ret == 0)
		ret = open_some(&w, q, from, memory, NULL, false, err);
	if (ret == 0)
		ret = write_all(&w, &r, from == 0, err);
	json_walk_release(&w);
	if (ret < 0) {
		json_run_release(&r);
		return ret;
	}
	while (q->nrun > from)
		json_run_release(&q->run[--q->nrun]);
	q->run[q->nrun++] = r;
	if (memory)
		forget_memory(q);
	return 0;
}

size_t json_index_room(void)
{
	const char *v = getenv("UPSHIFT_TEST_JSON_INDEX");

	return v ? strtoul(v, NULL, 10) : ROOM;
}

int json_index_spill(struct json_store *q, struct error *err)
{
	size_t room = q->index.n * sizeof(*q->index.v) + q->keys.len;
	size_t from = q->nrun;
	uint64_t n = q->index.n;

	if (room < q->room)
		return 0;
	/* with those that are no longer than twice what there is behind them */
	while (from && (q->run[from - 1].n <= 2 * n ||
			from == JSON_RUNS_MAX))
		n += q->run[--from].n;
	return merge(q, from, true, err);
}

int json_index_unite(struct json_store *q, struct error *err)
{
	if (!q->nrun || (q->nrun == 1 && !q->index.n))
		return 0;
	return merge(q, 0, true, err);
}

int json_index_get(struct json_store *q, const char *key,
		   struct json_entry *e, uint64_t *nth, struct error *err)
{
	size_t i = json_index_seek(q, &q->index, key, false);
	int ret = 0;

	if (i < q->index.n &&
	    !json_key_cmp(q->keys.buf + q->index.v[i].key, key)) {
		*e = q->index.v[i];
		*nth = i;
		return !e->gone;
	}
	for (size_t r = q->nrun; ret == 0 && r; r--)
		ret = json_run_find(q, &q->run[r - 1], key, e, nth, err);
	return ret > 0 ? !e->gone : ret;
}
