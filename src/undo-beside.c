/* SPDX-License-Identifier: MIT */
/*
 * A database of SQLite is its file and what lies beside it: a file beside the
 * -wal of another one is read as a mixture of both (measured). So they go, come
 * and are kept together:
 *
 *  what goes     where the file or its log is displaced the other one is, too,
 *                be it the same as what comes back: what is in aside is as it
 *                was
 *  in aside      the file takes the first slot that has none, and what lay
 *                beside it that same slot. So slot 0 has what was there before
 *                the first undo, and nothing of what others brought back
 *  in the tree   what lies beside goes first and comes last. Killed between,
 *                a file is alone, which adds nothing to it; it goes to where
 *                its log is, as that is the first slot without a file still,
 *                whether it is the same as what comes back or not
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/walk.h"
#include "base/xalloc.h"
#include "effects.h"
#include "sqlite-copy.h"
#include "undo-internal.h"

/* the last one has nothing that is not in the others */
static const char *const beside[] = { "-wal", "-journal", "-shm" };

char *undo_database_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++)
		if (str_ends(path, beside[i]))
			return xstrndup(path, strlen(path) - strlen(beside[i]));
	return NULL;
}

char *undo_beside(const char *path, size_t i)
{
	return i < ARRAY_SIZE(beside) ? xasprintf("%s%s", path, beside[i]) :
	       NULL;
}

bool undo_is_database(struct undo *u, const char *path)
{
	char head[16];
	_cleanup_close_ int fd = fs_open_beneath(u->spec.root_fd, path,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd < 0)
		return fd == -ENOENT;
	return fs_pread_full(fd, head, sizeof(head), 0) == sizeof(head) &&
	       sqlite_is_database(head, sizeof(head));
}

static struct undo_action *find(struct undo *u, const char *path)
{
	for (size_t i = 0; i < u->act_n; i++)
		if (!strcmp(u->acts[i].path, path))
			return &u->acts[i];
	return NULL;
}

/* beside a single file that comes back: of what nobody said that it is written */
static int displace_unsaid(struct undo *u, size_t k, undo_path_fn *lost,
			   void *ctx, struct error *err)
{
	for (size_t s = 0; s < ARRAY_SIZE(beside); s++) {
		_cleanup_free_ char *path = undo_beside(u->acts[k].path, s);
		_cleanup_item_ struct item now = ITEM_INIT;
		int r;

		/* no file system has a name as long as that */
		if (strlen(path_basename(path)) > NAME_MAX ||
		    effects_cover(u->spec.effects, path) ||
		    manifest_find(&u->pre, path))
			continue;
		r = item_read(u->spec.root_fd, path, false, &now, err);
		if (r < 0)
			return r;
		if (now.type != ITEM_FILE ||
		    !undo_is_database(u, u->acts[k].path))
			continue;
		undo_add_action(u, UNDO_DISPLACE, path, 0, 0);
		u->acts[u->act_n - 1].gone_bytes = now.size;
		lost(ctx, path);
	}
	return 0;
}

/* the same as what comes back, but of a database that goes */
static void place_too(struct undo *u, const char *path)
{
	const struct item *it = manifest_find(&u->pre, path);
	size_t i = it ? (size_t)(it - u->pre.items) : 0;
	struct undo_action *a;
	struct stat st;

	if (!it || it->type != ITEM_FILE || !u->needed[i] ||
	    fs_stat_beneath(u->spec.root_fd, path, &st) < 0)
		return;
	a = find(u, path);
	if (a && a->what == UNDO_META)
		a->what = UNDO_PLACE;
	else if (!a)
		a = undo_add_action(u, UNDO_PLACE, path, i, i + 1);
	a->gone_bytes = (uint64_t)st.st_size;
}

static void complete(struct undo *u, size_t k)
{
	_cleanup_free_ char *db = undo_database_of(u->acts[k].path);

	/* made anew, and rightly, by whoever opens it */
	if (u->acts[k].what == UNDO_META || str_ends(u->acts[k].path, "-shm"))
		return;
	if (db && undo_is_database(u, db))
		place_too(u, db);
	if (db || u->acts[k].what != UNDO_PLACE ||
	    u->pre.items[u->acts[k].lo].type != ITEM_FILE)
		return;
	for (size_t s = 0; s + 1 < ARRAY_SIZE(beside); s++) {
		_cleanup_free_ char *path = undo_beside(u->acts[k].path, s);

		place_too(u, path);
	}
}

int undo_add_beside(struct undo *u, undo_path_fn *lost, void *ctx,
		    struct error *err)
{
	size_t n = u->act_n;
	int r = 0;

	for (size_t k = 0; r == 0 && k < n; k++)
		if (u->acts[k].what == UNDO_PLACE &&
		    u->pre.items[u->acts[k].lo].type == ITEM_FILE)
			r = displace_unsaid(u, k, lost, ctx, err);
	/* also what this adds */
	for (size_t k = 0; r == 0 && k < u->act_n; k++)
		complete(u, k);
	return r;
}

/* is it in the slot that waits for its database? */
static int finish(void *ctx, const struct walk_entry *e,
		  _unused_ struct error *err)
{
	const char *path = undo_original(e->path);
	_cleanup_free_ char *db = path ? undo_database_of(path) : NULL;
	_cleanup_free_ char *rel = NULL;
	struct undo *u = ctx;

	if (!db || !S_ISREG(e->st.st_mode) || !e->st.st_size ||
	    str_ends(path, "-shm"))
		return 0;
	rel = undo_aside_path(path, undo_first_slot(u->aside_fd, path));
	if (!strcmp(rel, e->path) && undo_is_database(u, db))
		place_too(u, db);
	return 0;
}

int undo_finish_beside(struct undo *u, struct error *err)
{
	return u->again ? walk_tree(u->aside_fd, ".", WALK_NO_OPEN, finish, u,
				    err) : 0;
}

bool undo_goes_first(struct undo *u, const struct undo_action *a)
{
	_cleanup_free_ char *db = a->what == UNDO_META ? NULL :
				  undo_database_of(a->path);

	return db && (a->what == UNDO_DISPLACE || find(u, db));
}

int undo_first_slot(int aside_fd, const char *path)
{
	_cleanup_free_ char *db = undo_database_of(path);
	int slot = 0;

	for (; db; slot++) {
		_cleanup_free_ char *rel = undo_aside_path(db, slot);
		struct stat st;

		if (fs_stat_beneath(aside_fd, rel, &st) < 0)
			break;
	}
	return slot;
}
