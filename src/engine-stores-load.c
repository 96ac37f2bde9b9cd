/* SPDX-License-Identifier: MIT */
/* Sets out of an archive into their stores, and their rows for a look. */
#include "engine-stores.h"

#include <errno.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-keep.h"
#include "engine-late.h"
#include "engine-pgdump.h"
#include "engine-stores-internal.h"
#include "store.h"

#define TRIES 4

/* of the index those that are wanted; what it does not have was not there; the
   others are left */
static void keep_wanted(struct store_dump *d, const struct strvec *sets,
			struct store_dump *others)
{
	struct store_dump rest = { .server = TAKE_PTR(d->server),
				   .by_program = d->by_program };

	rest.sets = xcalloc(sets->n ? sets->n : 1, sizeof(*rest.sets));
	/* in the order of the index: views behind tables */
	for (size_t i = 0; i < d->n; i++)
		if (strvec_has(sets, d->sets[i].set)) {
			rest.sets[rest.n++] = d->sets[i];
			rest.sets[rest.n - 1].beside = false;
			memset(&d->sets[i], 0, sizeof(d->sets[i]));
			d->sets[i].set = xstrdup(rest.sets[rest.n - 1].set);
		}
	for (size_t i = 0; i < sets->n; i++)
		if (!store_dump_find(d, sets->v[i]))
			rest.sets[rest.n++].set = xstrdup(sets->v[i]);
	*others = *d;
	*d = rest;
}

struct stores_reader {
	struct engine *e;
	const char *name, *digest, *store;
	const struct engine_keep *keep;
	struct keep *keeping;
	struct backup_pull *pull;
	struct engine_meter *meter;
	int step;
	/* of pg_dump: */
	const struct store_load *load;
	struct step_ctx c;
	int dump_fd;
	struct pgdump_rows *rows;
	const struct store_dump_set *set;
	struct strbuf ordered;
};

static void reader_init(struct stores_reader *r, struct engine *e,
			struct store_load *l);

/* the dump out of the archive, for a program that looks around in it */
static int need_dump(struct stores_reader *g, struct error *err)
{
	_cleanup_free_ char *path = stores_member(g->store, "database",
						  ".dump");
	struct backup_pull *p = NULL;
	const void *data;
	off_t at = 0;
	ssize_t n;

	if (g->dump_fd >= 0)
		return 0;
	g->dump_fd = stores_temp(g->e->run->backup_fd, "load", err);
	if (g->dump_fd < 0)
		return g->dump_fd;
	n = backup_pull_open(g->e->run->backup_fd, g->name, g->digest, path,
			     &p, err);
	while (n >= 0 && (n = backup_pull(p, &data, err)) > 0) {
		int ret = fs_pwrite_all(g->dump_fd, data, (size_t)n, at);

		if (ret < 0)
			n = error_errno(err, ERR_ROLLBACK_SPACE, ret,
					_("cannot write the dump of '%s'"),
					g->store);
		else
			at += n;
	}
	backup_pull_close(p);
	if (n < 0)
		closep(&g->dump_fd);
	return (int)n;
}

static int open_dumped(struct stores_reader *g,
		       const struct store_dump_set *set, struct error *err)
{
	int ret = need_dump(g, err);

	pgdump_rows_close(TAKE_PTR(g->rows));
	g->set = set;
	return ret < 0 ? ret : pgdump_rows_open(&g->c, g->dump_fd, set,
						&g->rows, err);
}

static ssize_t next_dumped(struct stores_reader *g, const char **p,
			   struct error *err)
{
	ssize_t n = pgdump_rows_next(g->rows, p, err);

	if (n <= 0 || engine_pgdump_fits(pgdump_rows_of(g->rows), g->set))
		return n;
	if (!engine_pgdump_reorder(pgdump_rows_of(g->rows), g->set, *p,
				   (size_t)n, &g->ordered))
		return error_set(err, ERR_BACKUP_DAMAGED, -EIO,
			_("'%s' has other columns in the dump"), g->set->set);
	*p = g->ordered.buf;
	return (ssize_t)g->ordered.len;
}

static int load_open(void *ctx, const struct store_dump_set *set,
		     struct error *err)
{
	struct stores_reader *g = ctx;
	_cleanup_free_ char *path = stores_member(g->store, set->set,
						  ".copy");

	if (g->load->dump->by_program)
		return open_dumped(g, set, err);
	backup_pull_close(g->pull);
	g->pull = NULL;
	return backup_pull_open(g->e->run->backup_fd, g->name, g->digest,
				path, &g->pull, err);
}

static ssize_t load_source(void *ctx, const char **p, struct error *err)
{
	struct stores_reader *g = ctx;
	const void *data;
	ssize_t n;

	if (g->load->dump->by_program)
		return next_dumped(g, p, err);
	n = backup_pull(g->pull, &data, err);
	*p = data;
	return n;
}

struct stores_reader *engine_stores_reader(struct engine *e, const char *name,
					   const char *digest,
					   const char *store,
					   struct store_load *l)
{
	struct stores_reader *r = xcalloc(1, sizeof(*r));

	*r = (struct stores_reader){ .name = name, .digest = digest,
				     .store = store };
	reader_init(r, e, l);
	return r;
}

static void reader_init(struct stores_reader *r, struct engine *e,
			struct store_load *l)
{
	r->e = e;
	r->load = l;
	r->dump_fd = -1;
	step_ctx_init(&r->c, e, NULL, PHASE_ROLLBACK);
	l->open = load_open;
	l->source = load_source;
	l->ctx = r;
}

static void reader_release(struct stores_reader *r)
{
	backup_pull_close(TAKE_PTR(r->pull));
	pgdump_rows_close(TAKE_PTR(r->rows));
	closep(&r->dump_fd);
	strbuf_release(&r->ordered);
	step_ctx_release(&r->c);
}

void engine_stores_reader_free(struct stores_reader *r)
{
	reader_release(r);
	free(r);
}

static void load_lost(void *ctx, const char *view)
{
	struct stores_reader *g = ctx;
	_cleanup_free_ char *text = xasprintf(_("view '%s:%s' reads what is "
		"no longer there, and went with it"), g->store, view);

	engine_warn(g->e, NULL, text);
}

static void load_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct stores_reader *g = ctx;

	engine_progress(g->e, g->meter, PHASE_ROLLBACK,
			g->e->plan->steps[g->step]->id, g->step + 1, done,
			total, "bytes");
}

/* what came in since it was saved does not go with the rest */
static int load_locked(void *ctx, struct store *s, struct store_dump *now,
		       struct error *err)
{
	struct stores_reader *g = ctx;
	int ret = engine_late_save(g->keep, g->store, s, now, err);

	return ret < 0 || !g->keeping ? ret :
	       engine_keep_add_late(g->keeping, now, err);
}

/* what is to go back, and what else the dump holds */
struct going {
	struct store_dump d, rest;
	struct strvec also;
};

static int go_tables(struct stores_reader *g, struct step_ctx *c,
		     struct going *w, struct error *err)
{
	_cleanup_store_ struct store *s = NULL;
	struct store_load l = { .dump = &w->d, .also = &w->also,
				.progress = load_progress, .rest = &w->rest,
				.lost = load_lost };
	struct keep *k = NULL;
	int ret = step_store(c, g->store, false, &s, err);

	if (ret < 0)
		return ret;
	reader_init(g, g->e, &l);
	if (g->keep)
		l.locked = load_locked;
	if (g->keep && g->keep->point)
		ret = engine_keep_open(g->keep, g->store, &w->d, &k, err);
	l.keep = k ? engine_keep_rows(k) : NULL;
	g->keeping = k;
	if (ret >= 0)
		ret = store_load(s, &l, err);
	if (ret >= 0 && k)
		engine_keep_tell(k);
	engine_keep_close(k);
	g->keeping = NULL;
	reader_release(g);
	return ret;
}

/* the tables that were not there then go: they may stand in the way */
static int drop_new(struct stores_reader *g, struct step_ctx *c,
		    const struct going *w, struct error *err)
{
	struct going gone = { .d = { .n = 0 } };
	int ret;

	gone.d.sets = xcalloc(w->d.n ? w->d.n : 1, sizeof(*gone.d.sets));
	for (size_t i = 0; i < w->d.n; i++)
		if (!w->d.sets[i].full)
			gone.d.sets[gone.d.n++].set = xstrdup(w->d.sets[i].set);
	ret = gone.d.n ? go_tables(g, c, &gone, err) : 0;
	store_dump_release(&gone.d);
	return ret;
}

static int differs(void *ctx, const char *store,
		   _unused_ const struct store_dump_set *then,
		   const struct store_dump_set *now, unsigned int diff)
{
	struct error *err = ctx;

	/* the program made it from what was there; tables and rows count */
	return diff & (STORE_DIFF_THERE | STORE_DIFF_ROWS) ?
		error_set(err, ERR_ROLLBACK, -EIO, _("'%s:%s' did not come "
			  "back as it was saved"), store, now->set) : 0;
}

struct forgetting {
	const struct strvec *sql;
};

static int forget(void *ctx, struct store *s, struct error *err)
{
	const struct forgetting *f = ctx;
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < f->sql->n; i++)
		ret = store_exec(s, f->sql->v[i], NULL, NULL, err);
	return MIN(ret, 0);
}

/* compared, and then our marks of the steps go; 1: the server refused it */
static int go_whole(struct stores_reader *g, struct step_ctx *c,
		    const struct store_sets_one *one, struct going *w,
		    struct error *err)
{
	struct store_sets_one of = *one;
	const struct store_sets sets = { .v = &of, .n = 1 };
	struct forgetting f = { .sql = &w->also };
	_cleanup_store_ struct store *s = NULL;
	struct store_load l = { .dump = &w->d };
	bool refused = false;
	int ret = drop_new(g, c, w, err);

	if (ret < 0)
		return ret;
	reader_init(g, g->e, &l);
	ret = need_dump(g, err);
	if (ret >= 0)
		ret = engine_pgdump_restore(c, g->store, g->dump_fd, &refused,
					    err);
	reader_release(g);
	if (refused) {
		engine_warn(g->e, NULL, err->hint ? err->hint : err->msg);
		engine_warn(g->e, NULL, _("pg_restore cannot put the whole "
			    "database back; its tables go back one by one"));
		error_release(err);
		return 1;
	}
	if (ret >= 0)
		ret = engine_stores_compare(g->e, g->name, g->digest, &sets,
					    differs, err, err);
	if (ret >= 0)
		ret = step_store(c, g->store, false, &s, err);
	return ret < 0 ? ret : store_transact(s, forget, &f, TRIES, err);
}

static int what_to_forget(struct stores_reader *g, struct step_ctx *c,
			  const struct strvec *steps, struct strvec *ret,
			  struct error *err)
{
	_cleanup_store_ struct store *s = NULL;
	int r = step_store(c, g->store, false, &s, err);

	return r < 0 ? r : store_dump_forget(s, g->e->run->key, steps, ret,
					     err);
}

/* one transaction, so that it may be run again */
static int load_once(struct stores_reader *g, struct step_ctx *c,
		     const struct store_sets_one *one,
		     const struct strvec *steps, bool whole, struct error *err)
{
	struct going w = { .also = STRVEC_INIT };
	int ret = engine_stores_index(g->e, g->name, g->digest, one->store,
				      &w.d, err);

	if (ret < 0)
		return ret;
	keep_wanted(&w.d, &one->sets, &w.rest);
	g->store = one->store;
	ret = what_to_forget(g, c, steps, &w.also, err);
	if (ret >= 0)
		ret = whole && w.d.by_program ?
			go_whole(g, c, one, &w, err) : 1;
	if (ret == 1)
		ret = go_tables(g, c, &w, err);
	store_dump_release(&w.d);
	store_dump_release(&w.rest);
	strvec_release(&w.also);
	return ret;
}

static int load_store(struct stores_reader *g, const struct store_sets_one *one,
		      const struct strvec *steps, bool whole,
		      struct error *err)
{
	unsigned int tried = 0;
	struct step_ctx c;
	int ret;

	step_ctx_init(&c, g->e, g->e->plan->steps[g->step], PHASE_ROLLBACK);
	do {
		ret = load_once(g, &c, one, steps, whole, err);
	} while (step_store_again(&c, &tried, ret, err));
	step_ctx_release(&c);
	return ret;
}

int engine_stores_load(struct engine *e, const char *name, const char *digest,
		       const struct store_sets *sets,
		       const struct strvec *steps, int step, bool whole,
		       const struct engine_keep *keep, struct error *err)
{
	struct engine_meter meter = { 0 };
	struct stores_reader g = { .e = e, .name = name, .digest = digest,
				   .meter = &meter, .step = step,
				   .keep = keep, .dump_fd = -1 };
	int ret = 0;

	engine_meter_begin(&meter);
	for (size_t i = 0; ret >= 0 && i < sets->n; i++)
		ret = load_store(&g, &sets->v[i], steps, whole, err);
	return ret;
}

/* --- emptied --- */

int engine_stores_empty(struct engine *e, int step, const char *store,
			int (*fn)(void *ctx, struct store *s,
				  struct error *err),
			void *ctx, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	_cleanup_store_ struct store *s = NULL;
	struct step_ctx c;
	int ret;

	step_ctx_init(&c, e, e->plan->steps[step], PHASE_ROLLBACK);
	ret = step_store(&c, store, false, &s, &why);
	if (ret >= 0)
		ret = fn(ctx, s, &why);
	if (ret < 0 && s && !strcmp(store_sqlstate(s), "0A000")) {
		engine_log(e, c.step->id, "note", why.msg, strlen(why.msg));
		ret = 0;
	}
	store_close(TAKE_PTR(s));
	step_ctx_release(&c);
	if (ret < 0)
		error_move(err, &why);
	return ret;
}
