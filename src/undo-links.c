/* SPDX-License-Identifier: MIT */
/*
 * Names of one inode. A name that comes back is linked to a sibling that still
 * is the inode it was; without one the group comes back together. The other
 * way round, two names that were two files must not stay one inode.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "undo-internal.h"

static int group_cmp(const void *a, const void *b)
{
	size_t x = ((const struct undo_group *)a)->leader;
	size_t y = ((const struct undo_group *)b)->leader;

	return x < y ? -1 : x > y;
}

int undo_load_groups(struct undo *u, struct error *err)
{
	size_t out = 0;

	for (size_t i = 0; i < u->pre.n; i++) {
		const struct item *it = &u->pre.items[i], *first;

		if (!it->link)
			continue;
		first = manifest_find(&u->pre, it->link);
		if (!first || first->link || first->type != it->type) {
			_cleanup_free_ char *text = escape_bytes(it->path);

			return error_set(err, ERR_BACKUP_DAMAGED, -EBADMSG,
				_("the manifest has '%s' as a link to nothing"),
				text);
		}
		VEC_GROW(u->groups, u->group_n, u->group_cap);
		u->groups[u->group_n++] = (struct undo_group){
			.leader = (size_t)(first - u->pre.items),
		};
	}
	if (u->group_n > 1)
		qsort(u->groups, u->group_n, sizeof(*u->groups), group_cmp);
	for (size_t i = 0; i < u->group_n; i++)
		if (out == 0 ||
		    u->groups[out - 1].leader != u->groups[i].leader)
			u->groups[out++] = u->groups[i];
	u->group_n = out;
	return 0;
}

void undo_reset_links(struct undo *u)
{
	for (size_t i = 0; i < u->group_n; i++) {
		free(u->groups[i].path);
		u->groups[i] = (struct undo_group){
			.leader = u->groups[i].leader,
		};
	}
	free(u->claims);
	u->claims = NULL;
	u->claim_n = u->claim_cap = 0;
}

struct undo_group *undo_group_of(struct undo *u, size_t i)
{
	struct undo_group key = { .leader = i };

	if (!u->group_n)
		return NULL;
	if (u->pre.items[i].link)
		key.leader = (size_t)(manifest_find(&u->pre,
					u->pre.items[i].link) - u->pre.items);
	return bsearch(&key, u->groups, u->group_n, sizeof(*u->groups),
		       group_cmp);
}

static struct undo_claim *claim_slot(struct undo *u, uint64_t dev,
				     uint64_t ino)
{
	size_t i = (size_t)((ino * 0x9e3779b97f4a7c15u) >> 20) ^ (size_t)dev;

	for (;; i++) {
		struct undo_claim *c = &u->claims[i & (u->claim_cap - 1)];

		if (!c->used || (c->dev == dev && c->ino == ino))
			return c;
	}
}

static void grow_claims(struct undo *u)
{
	struct undo_claim *old = u->claims;
	size_t n = u->claim_cap;

	if (u->claim_n * 2 < n)
		return;
	u->claim_cap = n ? n * 2 : 64;
	u->claims = xcalloc(u->claim_cap, sizeof(*u->claims));
	for (size_t i = 0; i < n; i++)
		if (old[i].used)
			*claim_slot(u, old[i].dev, old[i].ino) = old[i];
	free(old);
}

/* The first name that meets an inode has it. */
static bool claim(struct undo *u, const struct item *now, size_t owner)
{
	struct undo_claim *c;

	if (now->nlink < 2)
		return true;
	grow_claims(u);
	c = claim_slot(u, now->dev, now->ino);
	if (!c->used) {
		*c = (struct undo_claim){ now->dev, now->ino, owner, true };
		u->claim_n++;
	}
	return c->owner == owner;
}

bool undo_links_right(struct undo *u, size_t i, const struct item *now)
{
	struct undo_group *g = undo_group_of(u, i);

	if (now->type == ITEM_DIR)
		return true;
	/* links between other things than files are not always in a manifest */
	if (now->type == ITEM_FILE && !claim(u, now, g ? g->leader : i))
		return false;
	if (!g)
		return true;
	if (!g->good) {
		g->good = true;
		g->dev = now->dev;
		g->ino = now->ino;
		g->path = xstrdup(now->path);
	}
	return g->dev == now->dev && g->ino == now->ino;
}

int undo_group_look(struct undo *u, struct undo_group *g, struct error *err)
{
	if (g->good || g->looked)
		return 0;
	g->looked = true;
	for (size_t i = g->leader; i < u->pre.n && !g->good; i++) {
		_cleanup_item_ struct item now = ITEM_INIT;
		const struct item *it = &u->pre.items[i];
		int r;

		if (u->needed[i] || undo_group_of(u, i) != g)
			continue;
		r = item_read(u->spec.root_fd, it->path, true, &now, err);
		if (r < 0)
			return r;
		/* metadata are those of the group: they get applied later */
		if (!(undo_diff(it, &now) &
		      (ITEM_DIFF_TYPE | ITEM_DIFF_CONTENT)))
			(void)undo_links_right(u, i, &now);
	}
	return 0;
}
