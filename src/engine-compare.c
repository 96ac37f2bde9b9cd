/* SPDX-License-Identifier: MIT */
/* The tree against a manifest of the backup: two sorted streams, merged. */
#include <errno.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/walk.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "manifest.h"

struct merge {
	struct engine *e;
	const struct compare_spec *spec;
	struct manifest_reader *r;
	const struct item *it;       /* next of the manifest, NULL: end */
	const char *top;
	uint64_t items;
};

static int advance(struct merge *m, struct error *err)
{
	int ret = manifest_next(m->r, &m->it, err);

	if (ret <= 0)
		m->it = NULL;
	return ret < 0 ? ret : 0;
}

static bool passed_over(const struct merge *m, const char *path)
{
	return ours_has(&m->e->sd->ours, path) ||
		glob_match_any(&m->e->plan->exclude, path);
}

static bool excused(const struct merge *m, const char *path,
		    unsigned int *diff)
{
	return m->spec->schemas && engine_schema_excuses(m->e, path, diff);
}

/* items that the walk did not meet before path (NULL: the end of top) */
static int missing_until(struct merge *m, const char *path, struct error *err)
{
	int ret = 0;

	while (!ret && m->it && (!path || path_cmp(m->it->path, path) < 0)) {
		unsigned int none = 0;

		if (!path_is_below(m->it->path, m->top) &&
		    path_cmp(m->it->path, m->top) > 0 && !path)
			break;
		if (path_is_below(m->it->path, m->top) &&
		    m->it->type != ITEM_ABSENT &&
		    !(m->it->flags & ITEM_PARENT) &&
		    !passed_over(m, m->it->path) &&
		    !excused(m, m->it->path, &none))
			ret = m->spec->differs(m->spec->ctx, m->it->path,
					       _("is not there any more"), 0);
		if (!ret)
			ret = advance(m, err);
	}
	return ret;
}

/* the first size bytes of a file that grew */
static int prefix_digest(struct merge *m, const char *path, uint64_t size,
			 struct xxh128 *ret)
{
	_cleanup_close_ int fd = fs_open_beneath(m->e->sd->root_fd, path,
						 O_RDONLY | O_NONBLOCK, 0);
	_cleanup_free_ char *buf = NULL;
	struct xxh_stream *x;

	if (fd < 0)
		return fd;
	buf = xmalloc(1u << 17);
	x = xxh_stream_new();
	while (size) {
		ssize_t n = fs_read_full(fd, buf, MIN(size, 1u << 17));

		if (n <= 0) {
			xxh_stream_free(x);
			return n < 0 ? (int)n : -EIO;
		}
		xxh_stream_add(x, buf, (size_t)n);
		size -= (uint64_t)n;
	}
	*ret = xxh_stream_end(x);
	xxh_stream_free(x);
	return 0;
}

static bool grew_only(struct merge *m, const struct item *now)
{
	struct xxh128 d;

	if (!m->spec->live || now->type != ITEM_FILE ||
	    m->it->type != ITEM_FILE || now->size < m->it->size ||
	    !((m->it->flags & ITEM_LIVE) ||
	      glob_match_any(&m->e->plan->live, now->path)))
		return false;
	return prefix_digest(m, now->path, m->it->size, &d) == 0 &&
		xxh128_equal(&d, &m->it->digest);
}

static const char *diff_text(unsigned int d)
{
	if (d & ITEM_DIFF_TYPE)
		return _("is of another type");
	if (d & ITEM_DIFF_CONTENT)
		return _("its content changed");
	if (d & ITEM_DIFF_MODE)
		return _("its mode changed");
	if (d & ITEM_DIFF_OWNER)
		return _("its owner changed");
	if (d & ITEM_DIFF_MTIME)
		return _("its time changed");
	return _("its attributes changed");
}

static int compare_entry(struct merge *m, const char *path, struct error *err)
{
	_cleanup_item_ struct item now = ITEM_INIT;
	unsigned int diff;
	int ret = item_read(m->e->sd->root_fd, path,
			    m->spec->digests || (m->it->flags & ITEM_LIVE),
			    &now, err);

	if (ret < 0)
		return ret;
	m->items++;
	diff = item_compare(&now, m->it);
	/* the state directory was made in it */
	if (!strcmp(path, "."))
		diff &= ~(unsigned int)ITEM_DIFF_MTIME;
	if (diff && !excused(m, path, &diff) && !grew_only(m, &now))
		ret = m->spec->differs(m->spec->ctx, path, diff_text(diff),
				       diff);
	return ret ? ret : advance(m, err);
}

static int merge_entry(void *ctx, const struct walk_entry *we,
		       struct error *err)
{
	struct merge *m = ctx;
	unsigned int none = 0;
	int ret;

	if (passed_over(m, we->path))
		return WALK_SKIP;
	ret = missing_until(m, we->path, err);
	if (ret)
		return ret;
	if (m->it && !strcmp(m->it->path, we->path) &&
	    m->it->type != ITEM_ABSENT)
		return compare_entry(m, we->path, err);
	if (!excused(m, we->path, &none))
		ret = m->spec->differs(m->spec->ctx, we->path,
				       _("was not there before"), 0);
	if (!ret && m->it && !strcmp(m->it->path, we->path))
		ret = advance(m, err);
	return ret;
}

int engine_compare(struct engine *e, const char *name, const char *digest,
		   const struct compare_spec *spec, uint64_t *ret_items,
		   struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.manifest.jsonl", name);
	_cleanup_strvec_ struct strvec paths = STRVEC_INIT;
	struct merge m = { .e = e, .spec = spec };
	int ret = manifest_reader_open(&m.r, e->run->backup_fd, file, digest,
				       err);

	if (ret < 0)
		return ret;
	strvec_copy(&paths, spec->paths);
	strvec_sort_paths(&paths);
	ret = advance(&m, err);
	for (size_t i = 0; !ret && i < paths.n; i++) {
		struct stat st;

		m.top = paths.v[i];
		if (i && path_is_below(m.top, paths.v[i - 1]))
			continue;
		if (fs_stat_beneath(e->sd->root_fd, m.top, &st) == 0)
			ret = walk_tree(e->sd->root_fd, m.top, WALK_NO_OPEN,
					merge_entry, &m, err);
		if (!ret)
			ret = missing_until(&m, NULL, err);
	}
	manifest_reader_free(m.r);
	*ret_items = m.items;
	return ret;
}
