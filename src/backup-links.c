/* SPDX-License-Identifier: MIT */
/* Names of one inode: a hash table by device and inode number. */
#include "backup-internal.h"
#include "base/xalloc.h"

struct link_table {
	struct link_name **slots;
	size_t n, size;
};

struct link_table *link_table_new(void)
{
	return xcalloc(1, sizeof(struct link_table));
}

void link_table_free(struct link_table *t)
{
	for (size_t i = 0; t && i < t->size; i++) {
		struct link_name *l = t->slots[i];

		if (!l)
			continue;
		if (l->first) {
			item_release(l->first);
			free(l->first);
		}
		free(l->path);
		free(l);
	}
	if (t)
		free(t->slots);
	free(t);
}

static size_t slot_of(const struct link_table *t, uint64_t dev, uint64_t ino)
{
	size_t i = (size_t)((ino * 0x9e3779b97f4a7c15ull) ^ dev) &
		(t->size - 1);

	while (t->slots[i] && (t->slots[i]->ino != ino ||
			       t->slots[i]->dev != dev))
		i = (i + 1) & (t->size - 1);
	return i;
}

static void grow(struct link_table *t)
{
	struct link_table old = *t;

	t->size = old.size ? old.size * 2 : 64;
	t->slots = xcalloc(t->size, sizeof(*t->slots));
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i])
			t->slots[slot_of(t, old.slots[i]->dev,
					 old.slots[i]->ino)] = old.slots[i];
	free(old.slots);
}

struct link_name *link_table_get(struct link_table *t, const struct item *it,
				 bool *ret_new)
{
	struct link_name *l;
	size_t i;

	if (2 * t->n >= t->size)
		grow(t);
	i = slot_of(t, it->dev, it->ino);
	*ret_new = !t->slots[i];
	if (!t->slots[i]) {
		l = xcalloc(1, sizeof(*l));
		l->dev = it->dev;
		l->ino = it->ino;
		l->nlink = it->nlink;
		l->path = xstrdup(it->path);
		t->slots[i] = l;
		t->n++;
	}
	t->slots[i]->seen++;
	return t->slots[i];
}

int link_table_each(struct link_table *t, link_each_fn *fn, void *ctx)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < t->size; i++)
		if (t->slots[i])
			ret = fn(ctx, t->slots[i]);
	return ret;
}
