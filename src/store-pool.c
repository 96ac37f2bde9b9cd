/* SPDX-License-Identifier: MIT */
#include "store-pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "store-internal.h"

struct store_pool {
	pthread_mutex_t lock;
	unsigned int held;
	struct store **idle;     /* their URLs are set */
	size_t n, cap;
};

struct store_pool *store_pool_new(void)
{
	struct store_pool *p = xcalloc(1, sizeof(*p));

	(void)pthread_mutex_init(&p->lock, NULL);
	return p;
}

void store_pool_free(struct store_pool *p)
{
	if (!p)
		return;
	if (p->held || p->n)
		BUG("a pool of sessions is freed while somebody holds it");
	(void)pthread_mutex_destroy(&p->lock);
	free(p->idle);
	free(p);
}

void store_pool_hold(struct store_pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->held++;
	(void)pthread_mutex_unlock(&p->lock);
}

void store_pool_let_go(struct store_pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->held--;
	while (!p->held && p->n)
		store_end(p->idle[--p->n]);
	(void)pthread_mutex_unlock(&p->lock);
}

static struct store *find(struct store_pool *p, const char *url)
{
	struct store *s = NULL;

	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = p->n; !s && i-- > 0;) {
		if (strcmp(p->idle[i]->url, url))
			continue;
		s = p->idle[i];
		p->idle[i] = p->idle[--p->n];
	}
	(void)pthread_mutex_unlock(&p->lock);
	return s;
}

int store_pool_take(const struct store_options *o, const char *url,
		    struct store **ret)
{
	struct store *s;

	while (o->pool && (s = find(o->pool, url))) {
		s->most = 0;
		s->cut = s->keys = false;
		s->row_bytes = 0;
		s->sqlstate[0] = '\0';
		if (s->ops->again(s, o) == 0) {
			*ret = s;
			return 1;
		}
		store_end(s);
	}
	return 0;
}

void store_pool_note(struct store *s, const struct store_options *o,
		     const char *url)
{
	s->pool = s->ops->again ? o->pool : NULL;
	if (s->pool && !s->url)
		s->url = xstrdup(url);
}

bool store_pool_give(struct store *s)
{
	struct store_pool *p = s->pool;
	bool taken;

	if (!p)
		return false;
	(void)pthread_mutex_lock(&p->lock);
	taken = p->held;
	(void)pthread_mutex_unlock(&p->lock);
	if (!taken || !s->ops->rest(s))
		return false;
	(void)pthread_mutex_lock(&p->lock);
	taken = p->held;
	if (taken) {
		VEC_GROW(p->idle, p->n, p->cap);
		p->idle[p->n++] = s;
	}
	(void)pthread_mutex_unlock(&p->lock);
	return taken;
}
