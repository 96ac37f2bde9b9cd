/* SPDX-License-Identifier: MIT */
/*
 * Items, as they come, into the archive and the manifest. A line of the
 * manifest says where the member lies, which is known when its frame is
 * written: until then items wait in a queue.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"

static bool same_set(const struct effects *a, const struct effects *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].path, b->v[i].path) != 0 ||
		    a->v[i].flags != b->v[i].flags)
			return false;
	return true;
}

void pack_look(struct maker *m)
{
	if (!m->looked)
		m->look = look_begin(m->spec);
	m->looked = true;
}

int pack_settle(struct maker *m, struct error *err)
{
	struct backup_need need = { 0 };
	struct effects found = EFFECTS_INIT;
	struct look_job *j = TAKE_PTR(m->look);
	int ret = j ? look_end(j, &found, &need, err) : 0;

	look_free(j);
	if (!j || ret < 0)
		return ret;
	m->total = MAX(m->total, need.bytes);
	if (need.refused.n) {
		ret = error_set(err, ERR_MOUNT, -EPERM, "%s",
				need.refused.v[0]);
	} else if (!same_set(&found, &m->full)) {
		effects_release(&m->wider);
		m->wider = found;
		found = (struct effects)EFFECTS_INIT;
		ret = -ESTALE;
	}
	effects_release(&found);
	backup_need_release(&need);
	return ret;
}

int pack_progress(struct maker *m, uint64_t bytes, struct error *err)
{
	const struct backup_spec *s = m->spec;

	m->read += bytes;
	if (s->cancelled && s->cancelled(s->ctx))
		return error_set(err, ERR_CANCELLED, -ECANCELED,
				 _("stopped by the user"));
	if (m->look && look_done(m->look)) {
		int ret = pack_settle(m, err);

		if (ret < 0)
			return ret;
	}
	if (s->progress)
		s->progress(s->ctx, m->read,
			    m->total ? MAX(m->total, m->read) : 0);
	return 0;
}

int pack_io_error(struct error *err, int ret, const char *path)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	return error_errno(err, ERR_BACKUP, ret, _("cannot back up '%s'"),
			   shown);
}

int pack_changed(struct error *err, const char *path)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	(void)error_set(err, ERR_BACKUP_CHANGED, -EAGAIN,
			_("'%s' changes while it is read"), shown);
	error_hint(err, "%s", _("stop the program that writes it, or let the "
				"plan name it in 'live'"));
	return -EAGAIN;
}

/* --- manifest, in the order of the frames --- */

int pack_flush(struct maker *m, struct error *err)
{
	while (m->queue_at < m->queue_n) {
		struct pending *p = &m->queue[m->queue_at];
		int ret;

		if (m->frames && p->frame != SIZE_MAX) {
			if (p->frame >= frames_known(m->frames))
				break;
			p->it.at_frame = frames_get(m->frames, p->frame).at;
		}
		ret = manifest_write(m->manifest, &p->it, err);
		if (ret < 0)
			return ret;
		item_release(&p->it);
		m->queue_at++;
	}
	if (m->queue_at == m->queue_n) {
		m->queue_at = m->queue_n = 0;
	} else if (m->queue_at > 4096) {
		memmove(m->queue, m->queue + m->queue_at,
			(m->queue_n - m->queue_at) * sizeof(*m->queue));
		m->queue_n -= m->queue_at;
		m->queue_at = 0;
	}
	return 0;
}

/* it is taken over and left empty; frame SIZE_MAX: not in the archive */
static int list_item(struct maker *m, struct item *it, size_t frame,
		     struct error *err)
{
	VEC_GROW(m->queue, m->queue_n, m->queue_cap);
	m->queue[m->queue_n].it = *it;
	m->queue[m->queue_n].frame = frame;
	m->queue_n++;
	memset(it, 0, sizeof(*it));
	m->items++;
	if (m->readback)
		readback_follow(m->readback);
	return m->queue_n - m->queue_at > 512 ? pack_flush(m, err) : 0;
}

/* --- what start holds --- */

static int start_has(struct maker *m, const struct item *it, bool *ret,
		     struct error *err)
{
	int r = 0;

	*ret = false;
	if (!m->start)
		return 0;
	while (m->start_it && path_cmp(m->start_it->path, it->path) < 0) {
		r = manifest_next(m->start, &m->start_it, err);
		if (r <= 0)
			m->start_it = NULL;
		if (r < 0)
			return r;
	}
	if (!m->start_it || strcmp(m->start_it->path, it->path) != 0 ||
	    m->start_it->type == ITEM_ABSENT)
		return 0;
	*ret = item_compare(it, m->start_it) == 0 &&
		(it->type != ITEM_FILE ||
		 ((it->flags & m->start_it->flags & ITEM_HAS_DIGEST) &&
		  !(m->start_it->flags & (ITEM_SQLITE | ITEM_LIVE))));
	return 0;
}

/* --- members --- */

int pack_begin(struct maker *m, struct item *it, int fd, size_t *frame,
	       struct error *err)
{
	uint32_t off;

	frames_where(m->frames, frame, &off);
	it->at_offset = off;
	m->stored = true;
	return tar_header(m->tar, it, fd, err);
}

/* --- one item --- */

/* read by the thread ahead */
static int add_read(struct maker *m, struct item *it, const char *content,
		    size_t *frame, struct error *err)
{
	bool in_start = false;
	int ret = start_has(m, it, &in_start, err);

	if (ret < 0)
		return ret;
	m->files++;
	m->bytes += it->size;
	if (!m->tar)
		return pack_progress(m, it->size, err);
	if (in_start) {
		it->flags |= ITEM_IN_START;
		return 0;
	}
	return content_store_read(m, it, content, -1, frame, err);
}

static int add_file(struct maker *m, struct item *it, size_t *frame,
		    struct error *err)
{
	_cleanup_close_ int fd = content_open(m, it, err);
	bool small, in_start = false;
	enum sqlite_copy_how how;
	int ret;

	if (fd < 0)
		return fd;
	ret = hold_try(m, it, fd, &how, err);
	if (ret < 0)
		return ret;
	small = it->size <= SMALL_FILE && !it->alloc;
	if (small)
		ret = content_read(m, it, fd, err);
	else if (!m->tar || m->start || how == SQLITE_COPY_API)
		ret = content_digest(m, it, fd, err);
	/* an application that has the database open writes it while we look:
	   the digest of the moment is of no use then */
	if (ret == -EAGAIN && how == SQLITE_COPY_API) {
		error_release(err);
		it->flags &= ~(unsigned int)ITEM_HAS_DIGEST;
		ret = 0;
	}
	if (ret >= 0)
		ret = start_has(m, it, &in_start, err);
	if (ret < 0)
		return ret;
	m->files++;
	m->bytes += it->size;
	if (!m->tar)
		return pack_progress(m, it->size, err);
	if (in_start) {
		it->flags |= ITEM_IN_START;
		return 0;
	}
	if (how == SQLITE_COPY_API)
		return hold_store(m, it, frame, err);
	return small ? content_store_read(m, it, m->buf, fd, frame, err) :
		content_store(m, it, fd, frame, err);
}

static void remember_link(struct link_name *l, const struct item *it,
			  size_t frame)
{
	l->first = xcalloc(1, sizeof(*l->first));
	item_copy(l->first, it);
	l->frame = frame;
}

/* a further name: stored as a link to the first, found where that is */
static int add_link(struct maker *m, struct item *it,
		    const struct link_name *l, size_t *frame,
		    struct error *err)
{
	int ret;

	it->link = xstrdup(l->first->path);
	it->digest = l->first->digest;
	it->size = l->first->size;
	it->flags |= l->first->flags & (ITEM_HAS_DIGEST | ITEM_LIVE |
					ITEM_IN_START);
	if (!m->tar || (it->flags & ITEM_IN_START))
		return 0;
	ret = pack_begin(m, it, -1, frame, err);
	if (ret >= 0)
		ret = tar_end_member(m->tar, err);
	*frame = l->frame;
	it->at_offset = l->first->at_offset;
	return ret;
}

static int add_plain(struct maker *m, struct item *it, size_t *frame,
		     struct error *err)
{
	bool in_start = false;
	int ret = start_has(m, it, &in_start, err);

	if (ret < 0 || !m->tar)
		return ret;
	/* parents tell tar users the mode and time of directories */
	if (m->start && (it->flags & ITEM_PARENT))
		return 0;
	if (in_start) {
		it->flags |= ITEM_IN_START;
		return 0;
	}
	ret = pack_begin(m, it, -1, frame, err);
	return ret < 0 ? ret : tar_end_member(m->tar, err);
}

static int add_content(struct maker *m, struct item *it, const char *content,
		       size_t *frame, struct error *err)
{
	return content ? add_read(m, it, content, frame, err) :
		add_file(m, it, frame, err);
}

static int add_extra(struct maker *m, const struct backup_extra *x,
		     struct error *err)
{
	_cleanup_item_ struct item it = ITEM_INIT;
	size_t frame;
	int ret;

	it.path = xstrdup(x->path);
	it.type = ITEM_FILE;
	it.flags = ITEM_STORE | ITEM_HAS_DIGEST;
	it.size = x->size;
	it.rows = x->rows;
	it.meta.mode = 0600;
	it.meta.uid = geteuid();
	it.meta.gid = getegid();
	ret = pack_begin(m, &it, -1, &frame, err);
	if (ret >= 0)
		ret = content_pump(m, x->fd, x->at, x->size, true, &it.digest,
				   it.path, err);
	if (ret >= 0)
		ret = tar_end_member(m->tar, err);
	m->bytes += x->size;
	return ret < 0 ? ret : list_item(m, &it, frame, err);
}

int pack_extras(struct maker *m, const char *path, struct error *err)
{
	int ret = 0;

	if (path && m->spec->extra_n && path_is_below(path, BACKUP_STORES))
		return error_set(err, ERR_BACKUP, -EEXIST,
			_("'%s' bears a name that the backup needs for "
			  "databases"), path);
	while (ret >= 0 && m->tar && m->extra_at < m->spec->extra_n) {
		const struct backup_extra *x =
			&m->spec->extras[m->extra_at];

		if (path && path_cmp(x->path, path) > 0)
			break;
		m->extra_at++;
		ret = add_extra(m, x, err);
	}
	return ret;
}

int pack_item(void *ctx, struct item *it, const char *content,
	      struct error *err)
{
	struct maker *m = ctx;
	size_t frame = SIZE_MAX;
	struct link_name *l = NULL;
	bool first = true;
	int ret = pack_extras(m, it->path, err);

	if (ret < 0)
		return ret;
	hold_release(m, it->path);
	if (hold_has(m, it->path)) {
		it->type = ITEM_ABSENT;
		it->flags = ITEM_SQLITE;
		meta_release(&it->meta);
		it->size = 0;
		return list_item(m, it, SIZE_MAX, err);
	}
	switch (it->type) {
	case ITEM_ABSENT:
		break;
	case ITEM_FILE:
		if (it->nlink > 1) {
			/* its other names may be outside of the set */
			pack_look(m);
			l = link_table_get(m->links, it, &first);
		}
		ret = first ? add_content(m, it, content, &frame, err) :
			add_link(m, it, l, &frame, err);
		if (ret >= 0 && l && first)
			remember_link(l, it, frame);
		break;
	case ITEM_SOCKET:
		if (m->tar && m->spec->warn)
			m->spec->warn(m->spec->ctx, it->path,
				      _("a socket is not kept"));
		break;
	default:
		ret = add_plain(m, it, &frame, err);
	}
	return ret < 0 ? ret : list_item(m, it, frame, err);
}

void maker_release(struct maker *m)
{
	hold_release(m, NULL);
	free(m->holds);
	tar_free(m->tar);
	readback_free(m->readback);
	frames_free(m->frames);
	manifest_writer_free(m->manifest);
	manifest_reader_free(m->start);
	link_table_free(m->links);
	for (size_t i = m->queue_at; i < m->queue_n; i++)
		item_release(&m->queue[i].it);
	free(m->queue);
	free(m->buf);
	look_free(m->look);
	effects_release(&m->full);
	effects_release(&m->wider);
}
