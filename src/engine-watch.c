/* SPDX-License-Identifier: MIT */
/*
 * What a command changed that its step did not declare: a look at every name
 * below the root before it runs, and another one behind it.
 *
 * Kept in memory is a digest of each path and one of its stat, 32 bytes a
 * name. Of directories only existence, mode and owner count: their times
 * follow from their entries. A name that vanished is told from the manifest of
 * the backup; of one that was never in the backup only a digest was kept.
 */
#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/walk.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "manifest.h"

struct seen {
	struct xxh128 path;
	uint64_t stat;
	bool again;
};

struct watch {
	struct engine *e;
	struct effects set;
	struct seen *v;
	size_t n, cap;
	const struct effects *declared;
	struct strvec *inside, *elsewhere;
};

static int seen_cmp(const void *a, const void *b)
{
	return memcmp(&((const struct seen *)a)->path,
		      &((const struct seen *)b)->path, sizeof(struct xxh128));
}

static uint64_t stat_digest(const struct stat *st)
{
	struct {
		uint64_t ino, size, mtime, mtime_ns, ctime, ctime_ns;
		uint32_t mode, uid, gid;
	} s;
	struct xxh128 d;
	uint64_t ret;

	memset(&s, 0, sizeof(s));
	s.ino = st->st_ino;
	s.mode = st->st_mode;
	s.uid = st->st_uid;
	s.gid = st->st_gid;
	if (!S_ISDIR(st->st_mode)) {
		s.size = (uint64_t)st->st_size;
		s.mtime = (uint64_t)st->st_mtim.tv_sec;
		s.mtime_ns = (uint64_t)st->st_mtim.tv_nsec;
		/* a further name of the inode changes ctime alone: fine */
		if (st->st_nlink == 1) {
			s.ctime = (uint64_t)st->st_ctim.tv_sec;
			s.ctime_ns = (uint64_t)st->st_ctim.tv_nsec;
		}
	}
	d = xxh128_of(&s, sizeof(s));
	memcpy(&ret, d.b, sizeof(ret));
	return ret;
}

static int first_look(void *ctx, const struct walk_entry *we,
		      struct error *err)
{
	struct watch *w = ctx;
	struct seen *s;

	(void)err;
	if (ours_has(&w->e->sd->ours, we->path))
		return WALK_SKIP;
	VEC_GROW(w->v, w->n, w->cap);
	s = &w->v[w->n++];
	s->path = xxh128_of(we->path, strlen(we->path));
	s->stat = stat_digest(&we->st);
	s->again = false;
	return 0;
}

static void changed(struct watch *w, const char *path)
{
	if (effects_cover(w->declared, path) ||
	    glob_match_any(&w->e->plan->live, path))
		return;
	if (effects_cover(&w->set, path) &&
	    !glob_match_any(&w->e->plan->exclude, path))
		strvec_push(w->inside, path);
	else
		strvec_push(w->elsewhere, path);
}

static int second_look(void *ctx, const struct walk_entry *we,
		       struct error *err)
{
	struct watch *w = ctx;
	struct seen key, *s;

	(void)err;
	if (ours_has(&w->e->sd->ours, we->path))
		return WALK_SKIP;
	key.path = xxh128_of(we->path, strlen(we->path));
	s = bsearch(&key, w->v, w->n, sizeof(*w->v), seen_cmp);
	if (s)
		s->again = true;
	if (!s || s->stat != stat_digest(&we->st))
		changed(w, we->path);
	return 0;
}

int watch_begin(struct watch **ret, struct engine *e, struct error *err)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	int r;

	w->e = e;
	r = engine_backup_set(e, &w->set, err);
	if (r >= 0)
		r = walk_tree(e->sd->root_fd, ".", WALK_NO_OPEN | WALK_XDEV,
			      first_look, w, err);
	if (r < 0) {
		watch_free(w);
		return r;
	}
	qsort(w->v, w->n, sizeof(*w->v), seen_cmp);
	*ret = w;
	return 0;
}

/* what the backup holds, the first look saw and the second did not */
static int vanished(struct watch *w, struct error *err)
{
	struct manifest_reader *r = NULL;
	const struct item *it;
	size_t gone = 0;
	int ret;

	for (size_t i = 0; i < w->n; i++)
		gone += !w->v[i].again;
	if (!gone || !w->e->run->backup.manifest_digest)
		return 0;
	ret = manifest_reader_open(&r, w->e->run->backup_fd,
				   "start.manifest.jsonl",
				   w->e->run->backup.manifest_digest, err);
	while (ret >= 0 && (ret = manifest_next(r, &it, err)) > 0) {
		struct seen key, *s;

		key.path = xxh128_of(it->path, strlen(it->path));
		s = bsearch(&key, w->v, w->n, sizeof(*w->v), seen_cmp);
		if (!s || s->again)
			continue;
		s->again = true;
		if (!effects_cover(w->declared, it->path))
			strvec_push(w->inside, it->path);
	}
	manifest_reader_free(r);
	return ret < 0 ? ret : 0;
}

int watch_end(struct watch *w, const struct effects *declared,
	      struct strvec *inside, struct strvec *elsewhere,
	      struct error *err)
{
	int ret;

	w->declared = declared;
	w->inside = inside;
	w->elsewhere = elsewhere;
	ret = walk_tree(w->e->sd->root_fd, ".", WALK_NO_OPEN | WALK_XDEV,
			second_look, w, err);
	return ret < 0 ? ret : vanished(w, err);
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	effects_release(&w->set);
	free(w->v);
	free(w);
}
