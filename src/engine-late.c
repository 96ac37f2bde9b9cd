/* SPDX-License-Identifier: MIT */
#include "engine-late.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-keep.h"
#include "engine-rollback.h"
#include "engine-stores.h"
#include "engine-stores-internal.h"
#include "store.h"

#define PIECE 65536
#define PART "late.part"

/* --- a file --- */

static char *file_name(const struct engine_keep *g, const char *store,
		       const char *set, unsigned int n)
{
	_cleanup_free_ char *end = n > 1 ? xasprintf(".%u.copy", n) :
					   xstrdup(".copy");
	_cleanup_free_ char *member = stores_member(store, set, end);
	char *slash = strrchr(member, '/');

	return xasprintf("%s.late.%s.%s", g->since, store, slash + 1);
}

void late_rows_release(struct late_rows *l)
{
	closep(&l->fd);
	strvec_release(&l->columns);
	free(l->name);
	l->name = NULL;
}

/* names with a tab or a newline in them are as COPY writes them */
static void add_header(const struct strvec *columns, struct strbuf *out)
{
	for (size_t i = 0; i < columns->n; i++) {
		if (i)
			strbuf_addch(out, '\t');
		for (const char *p = columns->v[i]; *p; p++)
			if (*p == '\t' || *p == '\n' || *p == '\\')
				strbuf_addf(out, "\\%c", *p == '\t' ? 't' :
					    *p == '\n' ? 'n' : '\\');
			else
				strbuf_addch(out, *p);
	}
	strbuf_addch(out, '\n');
}

static void take_header(const char *p, const char *end, struct strvec *ret)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;

	for (; p < end; p++) {
		if (*p == '\t') {
			strvec_push(ret, name.buf);
			strbuf_clear(&name);
		} else if (*p == '\\' && p + 1 < end) {
			p++;
			strbuf_addch(&name, *p == 't' ? '\t' :
				     *p == 'n' ? '\n' : *p);
		} else {
			strbuf_addch(&name, *p);
		}
	}
	strvec_push(ret, name.len ? name.buf : "");
}

static int bad_file(const char *name, int ret, struct error *err)
{
	return error_errno(err, ERR_ROLLBACK, ret, _("cannot read '%s'"), name);
}

/* rows, and where the first of them is */
static int scan(struct late_rows *l, struct error *err)
{
	_cleanup_strbuf_ struct strbuf head = STRBUF_INIT;
	_cleanup_free_ char *buf = xmalloc(PIECE);
	off_t at = 0;
	ssize_t n;

	while ((n = fs_pread_full(l->fd, buf, PIECE, at)) > 0) {
		const char *p = buf, *end = buf + n, *nl;

		while (p < end && (nl = memchr(p, '\n', (size_t)(end - p)))) {
			if (l->at) {
				l->rows++;
			} else {
				strbuf_add(&head, p, (size_t)(nl - p));
				l->at = at + (nl - buf) + 1;
			}
			p = nl + 1;
		}
		if (!l->at)
			strbuf_add(&head, p, (size_t)(end - p));
		at += n;
	}
	l->end = at;
	if (n < 0 || !l->at)
		return bad_file(l->name, n < 0 ? (int)n : -EIO, err);
	take_header(head.buf, head.buf + head.len, &l->columns);
	return 1;
}

int engine_late_open(const struct engine_keep *g, const char *store,
		     const char *set, unsigned int n, struct late_rows *ret,
		     struct error *err)
{
	int r;

	*ret = (struct late_rows)LATE_ROWS_INIT;
	ret->name = file_name(g, store, set, n);
	ret->fd = fs_open(g->e->run->backup_fd, ret->name,
			  O_RDONLY | O_NOFOLLOW, 0);
	if (ret->fd == -ENOENT) {
		late_rows_release(ret);
		return 0;
	}
	r = ret->fd < 0 ? bad_file(ret->name, ret->fd, err) : scan(ret, err);
	if (r < 0)
		late_rows_release(ret);
	return r;
}

/* --- its rows as those of a dump --- */

struct reading {
	const struct late_rows *l;
	off_t at;
	char *buf;
};

static int open_rows(void *ctx, _unused_ const struct store_dump_set *set,
		     _unused_ struct error *err)
{
	struct reading *r = ctx;

	r->at = r->l->at;
	return 0;
}

static ssize_t next_rows(void *ctx, const char **p, struct error *err)
{
	struct reading *r = ctx;
	ssize_t n = fs_pread_full(r->l->fd, r->buf, PIECE, r->at);

	if (n < 0)
		return bad_file(r->l->name, (int)n, err);
	r->at += n;
	*p = r->buf;
	return n;
}

/* --- a look --- */

enum { SINCE, POINT, BACKUP, FILED, KNOWN };

struct look {
	const struct engine_keep *g;
	const char *store;
	struct store_dump dump[FILED];
	struct store_load load[KNOWN];
	struct stores_reader *reader[FILED];
	char *since, *point;
	/* of one table: */
	struct late_rows old;
	struct strbuf buf;
	int fd;                  /* the new file; -1: nothing was found */
	off_t end;
	uint64_t n;
	const struct store_dump_set *now;
};

static int flush(struct look *k, struct error *err)
{
	int ret = fs_pwrite_all(k->fd, k->buf.buf, k->buf.len, k->end);

	if (ret < 0)
		return error_errno(err, ERR_ROLLBACK_SPACE, ret,
				   _("cannot write what came into '%s'"),
				   k->now->set);
	k->end += (off_t)k->buf.len;
	strbuf_clear(&k->buf);
	return 0;
}

/* what the old file has is in the new one, too */
static int begin_file(struct look *k, struct error *err)
{
	struct reading r = { .l = &k->old };
	_cleanup_free_ char *buf = r.buf = xmalloc(PIECE);
	const char *p;
	ssize_t n = 0;

	k->fd = fs_open(k->g->e->run->backup_fd, PART, O_RDWR | O_CREAT |
			O_TRUNC | O_NOFOLLOW, 0600);
	if (k->fd < 0)
		return error_errno(err, ERR_ROLLBACK_SPACE, k->fd,
				   _("cannot create '%s'"), PART);
	k->end = 0;
	if (k->old.fd < 0)
		add_header(&k->now->columns, &k->buf);
	while (k->old.fd >= 0 && (n = next_rows(&r, &p, err)) > 0)
		strbuf_add(&k->buf, p, (size_t)n);
	return (int)n;
}

static int on_row(void *ctx, const char *row, size_t n, struct error *err)
{
	struct look *k = ctx;
	int ret = k->fd < 0 ? begin_file(k, err) : 0;

	if (ret < 0)
		return ret;
	strbuf_add(&k->buf, row, n);
	k->n++;
	return k->buf.len < PIECE ? 0 : flush(k, err);
}

static int end_file(struct look *k, const char *name, struct error *err)
{
	int dir = k->g->e->run->backup_fd, ret = flush(k, err);

	if (ret < 0)
		return ret;
	ret = fs_sync(k->fd);
	if (ret >= 0)
		ret = fs_rename(dir, PART, dir, name, 0);
	if (ret >= 0)
		ret = fs_sync_dir(dir, ".");
	return ret < 0 ? error_errno(err, ERR_ROLLBACK_SPACE, ret,
			_("cannot write what came into '%s'"), k->now->set) :
		0;
}

/* it was told when it was saved, whatever becomes of the load */
static void tell(struct look *k, const char *name)
{
	_cleanup_free_ char *text = xasprintf(ngettext(
		"'%s:%s': %ju row was written after %s was saved (by others, "
		"or by statements that undo a step); it is in backup/%s",
		"'%s:%s': %ju rows were written after %s was saved (by others, "
		"or by statements that undo a step); they are in backup/%s",
		k->n), k->store, k->now->set, (uintmax_t)k->n, k->g->since,
		name);

	engine_warn(k->g->e, NULL, text);
}

static bool same_names(const struct strvec *a, const struct strvec *b)
{
	bool ret = a->n == b->n;

	for (size_t i = 0; ret && i < a->n; i++)
		ret = !strcmp(a->v[i], b->v[i]);
	return ret;
}

/* the file with these columns, or the name of the next */
static char *find_file(struct look *k, struct error *err)
{
	for (unsigned int n = 1;; n++) {
		int ret;

		late_rows_release(&k->old);
		ret = engine_late_open(k->g, k->store, k->now->set, n, &k->old,
				       err);
		if (ret < 0)
			return NULL;
		if (!ret || same_names(&k->old.columns, &k->now->columns))
			return file_name(k->g, k->store, k->now->set, n);
	}
}

static int look_at(struct look *k, struct store *s,
		   struct store_dump_set *now, struct store_dump_set *since,
		   struct error *err)
{
	struct reading r = { .l = &k->old };
	_cleanup_free_ char *buf = r.buf = xmalloc(PIECE), *name = NULL;
	struct store_dump_set *to = engine_keep_to(&k->dump[POINT], now->full);
	struct store_dump_set filed = *now;
	struct store_dump_one known[KNOWN] = {
		{ .l = &k->load[SINCE], .set = since },
		{ .l = &k->load[POINT], .set = to },
		{ .l = &k->load[BACKUP],
		  .set = engine_keep_find(&k->dump[BACKUP], since->full) },
	};
	const struct store_dump_one from = { .s = s, .set = now };
	int ret;

	k->now = now;
	k->n = 0;
	name = find_file(k, err);
	if (!name)
		return -EIO;
	k->load[FILED] = (struct store_load){ .open = open_rows,
		.source = next_rows, .ctx = &r };
	filed.rows = k->old.rows;
	if (k->old.fd >= 0)
		known[FILED] = (struct store_dump_one){ .l = &k->load[FILED],
							.set = &filed };
	ret = store_dump_rows(s, now, NULL, NULL, err);
	if (ret >= 0)
		ret = store_dump_left(&from, known, KNOWN, on_row, k, err);
	if (ret >= 0 && k->fd >= 0)
		ret = end_file(k, name, err);
	if (ret >= 0 && k->n)
		tell(k, name);
	closep(&k->fd);
	strbuf_clear(&k->buf);
	return ret;
}

/* steps that are done again may have put it aside for a view */
static struct store_dump_set *find_since(const struct look *k,
					 const struct store_dump_set *now)
{
	struct store_dump_set *ret = engine_keep_find(&k->dump[SINCE],
						      now->full);
	const char *name = strchr(now->full, '.');

	for (size_t i = 0; !ret && name && rollback_is_aside(now->set) &&
	     i < k->dump[SINCE].n; i++) {
		struct store_dump_set *s = &k->dump[SINCE].sets[i];
		const char *its = s->full ? strchr(s->full, '.') : NULL;

		if (its && store_dump_has_rows(s) && !strcmp(its, name))
			ret = s;
	}
	return ret;
}

static int open_dumps(struct look *k, struct error *err)
{
	const struct engine_keep *g = k->g;
	_cleanup_free_ char *since = xasprintf("%s.stores", g->since);
	_cleanup_free_ char *point = g->point ?
		xasprintf("%s.stores", g->point) : NULL;
	const char *const names[] = { since, point, "start" };
	const char *const digests[] = { g->digest, g->point_digest,
		g->e->run->backup.manifest_digest };
	int ret = 0;

	/* their names live as long as the readers */
	k->since = TAKE_PTR(since);
	k->point = TAKE_PTR(point);
	for (int i = 0; ret >= 0 && i < FILED; i++) {
		k->load[i].dump = &k->dump[i];
		if (!names[i])
			continue;
		ret = engine_stores_index(g->e, names[i], digests[i], k->store,
					  &k->dump[i], err);
		k->reader[i] = engine_stores_reader(g->e, names[i], digests[i],
						    k->store, &k->load[i]);
	}
	return ret;
}

int engine_late_save(const struct engine_keep *g, const char *store,
		     struct store *s, struct store_dump *now,
		     struct error *err)
{
	struct look k = { .g = g, .store = store, .fd = -1,
			  .old = LATE_ROWS_INIT, .buf = STRBUF_INIT };
	int ret = open_dumps(&k, err);

	for (size_t i = 0; ret >= 0 && i < now->n; i++) {
		struct store_dump_set *t = &now->sets[i], *since;

		if (!t->full || t->beside || !store_dump_has_rows(t) ||
		    rollback_is_ours(t->set))
			continue;
		since = find_since(&k, t);
		if (since)
			ret = look_at(&k, s, t, since, err);
	}
	late_rows_release(&k.old);
	strbuf_release(&k.buf);
	for (int i = 0; i < FILED; i++) {
		if (k.reader[i])
			engine_stores_reader_free(k.reader[i]);
		store_dump_release(&k.dump[i]);
	}
	free(k.since);
	free(k.point);
	return ret;
}
