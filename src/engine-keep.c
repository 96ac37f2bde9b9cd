/* SPDX-License-Identifier: MIT */
#include "engine-keep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-late.h"
#include "engine-rollback.h"
#include "engine-stores.h"
#include "engine-stores-internal.h"
#include "store-keep.h"

/* the three that are compared */
enum { POINT, BACKUP, SINCE, ARCHIVES };

/* where the rows of a set are */
struct kept {
	int fd;
	off_t at, end;
	char *file;              /* it came in late, and is there; or NULL */
};

struct keep {
	const struct engine_keep *g;
	const struct store_dump *to;
	char *store;
	struct store_keep rows;
	struct kept *of;         /* of each set */
	size_t early;            /* so many did not come in late */
	int fd;
	off_t end;
	struct strbuf buf;
	const struct kept *reading;
	off_t read_at;
};

#define PIECE 65536

struct store_keep *engine_keep_rows(struct keep *k)
{
	return &k->rows;
}

/* a load may be begun once more */
static void drop_late(struct keep *k)
{
	while (k->rows.n > k->early) {
		struct store_keep_set *s = &k->rows.v[--k->rows.n];

		closep(&k->of[k->rows.n].fd);
		free(k->of[k->rows.n].file);
		free(s->set);
		free(s->name);
		strvec_release(&s->columns);
		strvec_release(&s->sequences);
	}
}

void engine_keep_close(struct keep *k)
{
	if (!k)
		return;
	drop_late(k);
	store_keep_release(&k->rows);
	free(k->of);
	closep(&k->fd);
	strbuf_release(&k->buf);
	free(k->store);
	free(k);
}

/* --- out of the archive, into a file --- */

static int flush(struct keep *k, struct error *err)
{
	int ret = fs_pwrite_all(k->fd, k->buf.buf, k->buf.len, k->end);

	if (ret < 0)
		return error_errno(err, ERR_ROLLBACK_SPACE, ret, _("cannot "
				   "write the dump of '%s'"), k->store);
	k->end += (off_t)k->buf.len;
	strbuf_clear(&k->buf);
	return 0;
}

static int on_row(void *ctx, const char *row, size_t n, struct error *err)
{
	struct keep *k = ctx;

	strbuf_add(&k->buf, row, n);
	k->rows.v[k->rows.n].rows++;
	return k->buf.len < PIECE ? 0 : flush(k, err);
}

/* --- and from there --- */

static int open_rows(void *ctx, const struct store_keep_set *set,
		     _unused_ struct error *err)
{
	struct keep *k = ctx;

	k->reading = &k->of[set - k->rows.v];
	k->read_at = k->reading->at;
	return 0;
}

static ssize_t next_rows(void *ctx, const char **p, struct error *err)
{
	struct keep *k = ctx;
	off_t left = k->reading->end - k->read_at;
	ssize_t n;

	strbuf_clear(&k->buf);
	strbuf_grow(&k->buf, PIECE);
	n = left ? pread(k->reading->fd, k->buf.buf,
			 (size_t)MIN(left, PIECE), k->read_at) : 0;
	if (n < 0 || (n == 0 && left))
		return error_errno(err, ERR_ROLLBACK, n < 0 ? -errno : -EIO,
				   _("cannot read the dump of '%s'"), k->store);
	k->read_at += n;
	*p = k->buf.buf;
	return n;
}

/* --- which --- */

static bool is_table(const struct store_dump_set *s)
{
	return s && s->full && !s->beside && store_dump_has_rows(s);
}

struct store_dump_set *engine_keep_find(const struct store_dump *d,
					const char *full)
{
	for (size_t i = 0; i < d->n; i++)
		if (is_table(&d->sets[i]) && !strcmp(d->sets[i].full, full))
			return &d->sets[i];
	return NULL;
}

/* where a table stands when a view is in its place */
static struct store_dump_set *find_aside(const struct store_dump *d,
					 const char *full)
{
	const char *name = strchr(full, '.');

	for (size_t i = 0; name && i < d->n; i++) {
		const char *its = is_table(&d->sets[i]) &&
				  rollback_is_aside(d->sets[i].set) ?
				  strchr(d->sets[i].full, '.') : NULL;

		if (its && !strcmp(its, name))
			return &d->sets[i];
	}
	return NULL;
}

struct store_dump_set *engine_keep_to(const struct store_dump *d,
				      const char *full)
{
	struct store_dump_set *s = engine_keep_find(d, full);

	return s ? s : find_aside(d, full);
}

/* a sequence goes on behind what it gave */
static void add_sequences(const struct store_dump_set *s, struct strvec *ret)
{
	for (size_t i = 0; i < s->object_n; i++) {
		const struct store_object *o = &s->objects[i];
		const char *n = o->create ? strstr(o->create, "'::regclass, ") :
			NULL;

		if (strcmp(o->kind, "value") != 0 || !n)
			continue;
		n += strlen("'::regclass, ");
		strvec_pushf(ret, "%s FROM %s WHERE last_value < %.*s OR "
			     "(last_value = %.*s AND NOT is_called)",
			     o->create, o->name, (int)strspn(n, "-0123456789"),
			     n, (int)strspn(n, "-0123456789"), n);
	}
}

struct three {
	struct store_dump dump[ARCHIVES];
	struct store_load load[ARCHIVES];
	struct stores_reader *reader[ARCHIVES];
};

/* not counted yet */
static struct store_keep_set *next_set(struct keep *k)
{
	struct store_keep_set *ret;

	k->rows.v = xrealloc(k->rows.v, k->rows.n + 1, sizeof(*k->rows.v));
	k->of = xrealloc(k->of, k->rows.n + 1, sizeof(*k->of));
	k->of[k->rows.n] = (struct kept){ .fd = k->fd, .at = k->end };
	ret = &k->rows.v[k->rows.n];
	memset(ret, 0, sizeof(*ret));
	return ret;
}

static void fill_set(struct store_keep_set *set,
		     const struct store_dump_set *to,
		     const struct store_dump_set *now,
		     const struct strvec *columns)
{
	set->set = to ? xstrdup(to->set) : NULL;
	set->name = xstrdup(to ? to->set : now->set);
	strvec_copy(&set->columns, columns);
	add_sequences(now, &set->sequences);
}

static int look_at(struct keep *k, const struct store_dump *d, struct three *t,
		   struct store_dump_set *now, struct error *err)
{
	struct store_dump_set *to = engine_keep_to(d, now->full);
	struct store_keep_set *set;
	struct store_dump_one known[] = {
		{ .l = &t->load[POINT] },
		{ .l = &t->load[BACKUP],
		  .set = engine_keep_find(&t->dump[BACKUP], now->full) },
	};
	const struct store_dump_one from = { .l = &t->load[SINCE],
					     .set = now };
	int ret;

	if (to)
		known[0].set = engine_keep_find(&t->dump[POINT], to->full);
	set = next_set(k);
	ret = store_dump_left(&from, known, ARRAY_SIZE(known), on_row, k, err);
	if (ret >= 0)
		ret = flush(k, err);
	k->of[k->rows.n].end = k->end;
	if (ret < 0 || !set->rows)
		return ret;
	fill_set(set, to, now, &now->columns);
	k->rows.n++;
	return 0;
}

/* once under each of its names is enough */
static bool is_first(const struct store_dump *d, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (is_table(&d->sets[i]) &&
		    !strcmp(d->sets[i].full, d->sets[at].full))
			return false;
	return true;
}

/* The load leaves alone what is not in its list, as old tables that had rows
   carried into them. */
static bool is_touched(const struct store_dump *d,
		       const struct store_dump_set *now)
{
	return store_dump_find(d, now->set) || engine_keep_to(d, now->full);
}

static int look(struct keep *k, const struct engine_keep *g,
		const struct store_dump *d, struct three *t,
		const char *const names[], const char *const digests[],
		struct error *err)
{
	int ret = 0;

	for (int i = 0; ret >= 0 && i < ARCHIVES; i++) {
		t->load[i].dump = &t->dump[i];
		ret = engine_stores_index(g->e, names[i], digests[i], k->store,
					  &t->dump[i], err);
		t->reader[i] = engine_stores_reader(g->e, names[i], digests[i],
						    k->store, &t->load[i]);
	}
	for (size_t i = 0; ret >= 0 && i < t->dump[SINCE].n; i++) {
		struct store_dump_set *now = &t->dump[SINCE].sets[i];

		if (is_table(now) && now->rows && !rollback_is_ours(now->set) &&
		    is_touched(d, now) && is_first(&t->dump[SINCE], i))
			ret = look_at(k, d, t, now, err);
	}
	return ret;
}

int engine_keep_open(const struct engine_keep *g, const char *store,
		     const struct store_dump *d, struct keep **ret,
		     struct error *err)
{
	_cleanup_free_ char *point = xasprintf("%s.stores", g->point);
	_cleanup_free_ char *since = xasprintf("%s.stores", g->since);
	const char *const names[] = { point, "start", since };
	const char *const digests[] = { g->point_digest,
		g->e->run->backup.manifest_digest, g->digest };
	struct keep *k = xcalloc(1, sizeof(*k));
	struct three t = { .reader = { NULL } };
	int r;

	k->g = g;
	k->store = xstrdup(store);
	k->to = d;
	k->fd = stores_temp(g->e->run->backup_fd, "keep", err);
	k->rows.open = open_rows;
	k->rows.source = next_rows;
	k->rows.ctx = k;
	r = k->fd < 0 ? k->fd : look(k, g, d, &t, names, digests, err);
	for (int i = 0; i < ARCHIVES; i++) {
		if (t.reader[i])
			engine_stores_reader_free(t.reader[i]);
		store_dump_release(&t.dump[i]);
	}
	k->early = k->rows.n;
	if (r < 0)
		engine_keep_close(TAKE_PTR(k));
	*ret = k;
	return MIN(r, 0);
}

/* --- what came in late --- */

static int add_late(struct keep *k, const struct store_dump_set *now,
		    struct error *err)
{
	const struct store_dump_set *to = engine_keep_to(k->to, now->full);
	struct late_rows l;
	int ret = 1;

	for (unsigned int n = 1; ret > 0; n++) {
		struct store_keep_set *set;

		ret = engine_late_open(k->g, k->store, now->set, n, &l, err);
		if (ret <= 0)
			break;
		set = next_set(k);
		k->of[k->rows.n] = (struct kept){ .fd = TAKE_FD(l.fd),
			.at = l.at, .end = l.end, .file = xstrdup(l.name) };
		fill_set(set, to, now, &l.columns);
		set->rows = l.rows;
		k->rows.n++;
		late_rows_release(&l);
	}
	return ret;
}

int engine_keep_add_late(struct keep *k, const struct store_dump *now,
			 struct error *err)
{
	int ret = 0;

	drop_late(k);
	for (size_t i = 0; ret >= 0 && i < now->n; i++)
		if (is_table(&now->sets[i]) && is_first(now, i))
			ret = add_late(k, &now->sets[i], err);
	return ret;
}

/* --- told --- */

static void tell(const struct keep *k, char *line)
{
	engine_warn(k->g->e, NULL, line);
	free(line);
}

void engine_keep_tell(const struct keep *k)
{
	for (size_t i = 0; i < k->rows.n; i++) {
		const struct store_keep_set *s = &k->rows.v[i];
		uint64_t lost = s->rows - s->kept;

		k->g->e->others_stay |= s->rows > 0;
		if (s->kept)
			tell(k, xasprintf(ngettext("'%s:%s': %ju row was "
				"written since by others and stays",
				"'%s:%s': %ju rows were written since by "
				"others and stay", s->kept), k->store,
				s->name, (uintmax_t)s->kept));
		/* of what came in late it was told before where it is */
		if (lost && !k->of[i].file)
			tell(k, xasprintf(ngettext("'%s:%s': %ju row was "
				"written since by others and is in %s alone",
				"'%s:%s': %ju rows were written since by "
				"others and are in %s alone", lost), k->store,
				s->name, (uintmax_t)lost, k->g->since));
	}
}
