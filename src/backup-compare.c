/* SPDX-License-Identifier: MIT */
/* Is the set on disk still what a manifest says? */
#include <errno.h>
#include <string.h>

#include "backup-internal.h"
#include "base/xalloc.h"

struct compare {
	struct maker m;
	struct manifest_reader *r;
	char *path;
};

static int compare_item(void *ctx, struct item *it, const char *content,
			struct error *err)
{
	struct compare *c = ctx;
	const struct item *was;
	int ret;

	if (it->type == ITEM_FILE && !content) {
		_cleanup_close_ int fd = content_open(&c->m, it, err);

		ret = fd < 0 ? fd : content_digest(&c->m, it, fd, err);
		if (ret < 0)
			return ret;
	}
	ret = manifest_next(c->r, &was, err);
	if (ret < 0)
		return ret;
	if (ret && !strcmp(was->path, it->path) &&
	    (was->type == ITEM_ABSENT && (was->flags & ITEM_SQLITE)))
		return 0;
	if (ret && !strcmp(was->path, it->path) && !item_compare(it, was))
		return 0;
	/* a log that the running application appended to is no change */
	if (ret && !strcmp(was->path, it->path) &&
	    (was->flags & ITEM_LIVE) && it->size >= was->size)
		return 0;
	c->path = xstrdup(it->path);
	return 1;
}

int backup_compare(int dirfd, const char *name, const char *manifest_digest,
		   const struct backup_spec *spec, char **ret_path,
		   struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.manifest.jsonl", name);
	struct compare c = { .m = { .spec = spec, .dirfd = dirfd } };
	struct backup_need need = { 0 };
	const struct item *rest;
	int ret = backup_set_complete(spec, &c.m.full, &need, err);

	c.m.buf = xmalloc(SMALL_FILE);
	if (ret >= 0)
		ret = manifest_reader_open(&c.r, dirfd, file, manifest_digest,
					   err);
	if (ret >= 0)
		ret = backup_ahead(spec, &c.m.full, false, compare_item, &c,
				   err);
	if (ret == 0) {
		ret = manifest_next(c.r, &rest, err);
		if (ret == 1)
			c.path = xstrdup(rest->path);
	}
	if (ret_path)
		*ret_path = TAKE_PTR(c.path);
	free(c.path);
	manifest_reader_free(c.r);
	backup_need_release(&need);
	maker_release(&c.m);
	return ret < 0 ? ret : ret > 0;
}
