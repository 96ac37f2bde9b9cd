/* SPDX-License-Identifier: MIT */
/* The kinds of stores, by the URL. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-internal.h"

/* ops NULL: this program was built without it */
static const struct {
	const char *scheme;
	const struct store_ops *ops;
} kinds[] = {
#ifdef HAVE_SQLITE
	{ "sqlite", &store_sqlite_ops },
#else
	{ "sqlite", NULL },
#endif
#ifdef HAVE_PG
	{ "pg", &store_pg_ops },
#else
	{ "pg", NULL },
#endif
	{ "json", &store_json_ops },
	{ "jsonl", &store_jsonl_ops },
};

const char *store_built(void)
{
	return "json jsonl"
#ifdef HAVE_SQLITE
		" sqlite"
#endif
#ifdef HAVE_PG
		" pg"
#endif
		;
}

/* number of its kind, or an error as of store_open() */
static int find_kind(const char *url, struct error *err)
{
	size_t n = strcspn(url, ":");

	for (size_t i = 0; url[n] && i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].scheme) != n ||
		    memcmp(kinds[i].scheme, url, n))
			continue;
		if (!kinds[i].ops)
			return error_set(err, ERR_TOOL, -EOPNOTSUPP,
				_("this upshift was built without stores of "
				  "the kind '%s'"), kinds[i].scheme);
		return (int)i;
	}
	/* what it is instead may be a whole URL with a password */
	return error_set(err, ERR_PLAN_VALUE, -EINVAL,
			 _("a store begins with 'sqlite:', 'pg:', 'json:' or "
			   "'jsonl:'"));
}

int store_check_built(const char *url, struct error *err)
{
	int i = find_kind(url, err);

	return MIN(i, 0);
}

int store_open(const char *url, const struct store_options *o,
	       struct store **ret, struct error *err)
{
	int i = find_kind(url, err), r;

	if (i < 0)
		return i;
	if (o->within && !strcmp(url, o->within_url)) {
		r = store_within_open(o->within, ret, err);
	} else {
		r = store_pool_take(o, url, ret);
		if (r <= 0)
			r = kinds[i].ops->open(strchr(url, ':') + 1, o, ret,
					       err);
		r = MIN(r, 0);
		if (r == 0 && o->pool)
			store_pool_note(*ret, o, url);
	}
	if (r == 0) {
		(*ret)->tick = o->tick;
		(*ret)->tick_ctx = o->ctx;
		(*ret)->taken = store_caps_taken();
	}
	return r;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_abort(s);
	if (!store_pool_give(s))
		store_end(s);
}

void store_end(struct store *s)
{
	free(s->name);
	free(s->url);
	s->ops->close(s);
}
