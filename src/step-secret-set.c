/* SPDX-License-Identifier: MIT */
/* The secrets of a step by store and name, however many there are. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "step-secret.h"

#define ROOM_MIN 32u

void json_secrets_init(struct json_secrets *s)
{
	memset(s, 0, sizeof(*s));
}

void json_secrets_release(struct json_secrets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		explicit_bzero(s->v[i].text, s->v[i].len);
		free(s->v[i].text);
		free(s->v[i].name);
	}
	free(s->v);
	free(s->table);
	memset(s, 0, sizeof(*s));
}

/* the place of that name in the table, or the free one where it belongs */
static size_t place_of(const struct json_secrets *s, size_t store,
		       const char *name)
{
	struct xxh128 d = xxh128_of(name, strlen(name));
	uint64_t at;

	memcpy(&at, d.b, sizeof(at));
	for (at += store;; at++) {
		uint32_t i = s->table[at & (s->room - 1)];

		if (!i || (s->v[i - 1].store == store &&
			   !strcmp(s->v[i - 1].name, name)))
			return at & (s->room - 1);
	}
}

/* at least half of the table is free */
static void make_room(struct json_secrets *s)
{
	if (s->n * 2 < s->room)
		return;
	free(s->table);
	s->room = s->room ? s->room * 2 : ROOM_MIN;
	s->table = xcalloc(s->room, sizeof(*s->table));
	for (size_t i = 0; i < s->n; i++)
		s->table[place_of(s, s->v[i].store, s->v[i].name)] =
			(uint32_t)i + 1;
}

const struct json_secret *json_secrets_find(const struct json_secrets *s,
					    size_t store, const char *name)
{
	uint32_t i = s->room ? s->table[place_of(s, store, name)] : 0;

	return i ? &s->v[i - 1] : NULL;
}

int json_secrets_add(struct json_secrets *s, size_t store, const char *name,
		     const char *text, size_t n, struct error *err)
{
	const struct json_secret *x = json_secrets_find(s, store, name);
	_cleanup_free_ char *shown = NULL;

	if (x && x->len == n && !memcmp(x->text, text, n))
		return 0;
	if (x) {
		shown = escape_bytes(name);
		return error_set(err, ERR_STEP, -EEXIST,
				 _("two different values would have the name "
				   "'%s' in the store"), shown);
	}
	make_room(s);
	VEC_GROW(s->v, s->n, s->cap);
	s->v[s->n++] = (struct json_secret) {
		.store = store, .name = xstrdup(name),
		.text = xmemdup(text, n), .len = n,
	};
	s->table[place_of(s, store, name)] = (uint32_t)s->n;
	return 0;
}
