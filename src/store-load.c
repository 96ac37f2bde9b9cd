/* SPDX-License-Identifier: MIT */
/*
 * Sets back into a database, in one transaction (see store-dump.h):
 *
 *  1 what is there is locked and looked at, by whoever wants to; foreign keys
 *    go, triggers rest
 *  2 tables that were not there, or are of another make, are dropped, with
 *    the views that read them; the
 *    others are emptied, and what their schema has too much is dropped
 *  3 what is missing is made, the rows come in, the rest is made behind them
 *  4 sequences; all is read again and compared
 *
 * Sequences are restarted before they are set: that gives them new storage,
 * which goes again with the transaction if it fails.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "store-dump-internal.h"
#include "store-internal.h"
#include "store-keep.h"

#define TRIES 4
/* their rank */
#define TRIGGER_STATES 71

struct loading {
	struct store *s;
	const struct store_load *l;
	struct strvec sets;
	struct store_dump now;
	struct strvec done;      /* statements of this pass */
	uint64_t bytes, total;
	struct store_dump views; /* that were in the way */
	struct strvec lost;
};

static int run(struct loading *g, const char *sql, struct error *err)
{
	int ret = store_exec(g->s, sql, NULL, NULL, err);

	return MIN(ret, 0);
}

static int look(struct loading *g, struct error *err)
{
	store_dump_release(&g->now);
	return dump_look(g->s, &g->sets, &g->now, err);
}

/* of two sets that say the same the first; a statement of both just once */
static int run_once(struct loading *g, const char *sql, struct error *err)
{
	if (!sql || strvec_has(&g->done, sql))
		return 0;
	strvec_push(&g->done, sql);
	return run(g, sql, err);
}

static bool is_table(const struct store_dump_set *s)
{
	return s->full && (s->type == 'r' || s->type == 'p');
}

static const struct store_object *find(const struct store_dump_set *s,
				       const struct store_object *o)
{
	for (size_t i = 0; i < s->object_n; i++)
		if (s->objects[i].rank == o->rank &&
		    !strcmp(s->objects[i].kind, o->kind) &&
		    !strcmp(s->objects[i].name, o->name))
			return &s->objects[i];
	return NULL;
}

static bool has_same(const struct store_dump_set *s,
		     const struct store_object *o)
{
	const struct store_object *x = s ? find(s, o) : NULL;

	return x && !strcmp(x->state, o->state);
}

/* no statement makes the one of the other */
static bool of_another_make(const struct store_dump_set *now,
			    const struct store_dump_set *then)
{
	if (now->type != then->type || strcmp(now->full, then->full) != 0)
		return true;
	for (size_t i = 0; i < then->object_n; i++) {
		const struct store_object *o = &then->objects[i];

		if ((!strcmp(o->kind, "column") ||
		     !strcmp(o->kind, "table")) && !has_same(now, o))
			return true;
	}
	return false;
}

static bool goes(const struct loading *g, const struct store_dump_set *now)
{
	const struct store_dump_set *then = store_dump_find(g->l->dump,
							    now->set);

	return now->full && (!then || !then->full ||
			     of_another_make(now, then));
}

/* --- what is in the way --- */

static int lock_all(struct loading *g, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	for (size_t i = 0; i < g->now.n; i++)
		if (is_table(&g->now.sets[i]))
			strbuf_addf(&sql, "%s%s", sql.len ? ", " :
				    "LOCK TABLE ", g->now.sets[i].full);
	if (!sql.len)
		return 0;
	strbuf_addstr(&sql, " IN ACCESS EXCLUSIVE MODE");
	return run(g, sql.buf, err);
}

static int drop_foreign_keys(struct loading *g, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; i < g->now.n; i++)
		for (size_t k = 0; ret >= 0 && k < g->now.sets[i].object_n;
		     k++) {
			const struct store_object *o =
				&g->now.sets[i].objects[k];

			if (!strcmp(o->kind, "foreign key"))
				ret = run_once(g, o->drop, err);
		}
	return ret;
}

static int rest_triggers(struct loading *g, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < g->now.n; i++) {
		_cleanup_free_ char *sql = NULL;

		if (!is_table(&g->now.sets[i]) || goes(g, &g->now.sets[i]))
			continue;
		sql = xasprintf("ALTER TABLE %s DISABLE TRIGGER USER",
				g->now.sets[i].full);
		ret = run(g, sql, err);
	}
	return ret;
}

/* all of a type in one statement: they may depend on each other */
static int drop_type(struct loading *g, char type, const char *what,
		     struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	for (size_t i = g->now.n; i-- > 0;) {
		const struct store_dump_set *s = &g->now.sets[i];
		char t = s->type == 'p' ? 'r' : s->type;

		if (t == type && goes(g, s))
			strbuf_addf(&sql, "%s%s", sql.len ? ", " : what,
				    s->full);
	}
	return sql.len ? run(g, sql.buf, err) : 0;
}

/* it goes, or one of its columns */
static bool in_the_way(void *ctx, const struct store_dump_set *now)
{
	const struct loading *g = ctx;
	const struct store_dump_set *then = store_dump_find(g->l->dump,
							    now->set);

	if (goes(g, now))
		return true;
	for (size_t i = 0; then && i < now->object_n; i++)
		if (!strcmp(now->objects[i].kind, "column") &&
		    !has_same(then, &now->objects[i]))
			return true;
	return false;
}

static int drop_views(struct loading *g, struct error *err)
{
	int ret;

	store_dump_release(&g->views);
	strvec_clear(&g->lost);
	ret = dump_views(g->s, &g->now, in_the_way, g, &g->views, err);
	return ret < 0 ? ret : dump_drop_views(g->s, &g->views, err);
}

static int drop_sets(struct loading *g, struct error *err)
{
	int ret = drop_type(g, 'v', "DROP VIEW ", err);

	if (ret >= 0)
		ret = drop_type(g, 'm', "DROP MATERIALIZED VIEW ", err);
	return ret < 0 ? ret : drop_type(g, 'r', "DROP TABLE ", err);
}

static int empty_sets(struct loading *g, struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	for (size_t i = 0; i < g->now.n; i++) {
		const struct store_dump_set *s = &g->now.sets[i];

		if (is_table(s) && !goes(g, s))
			strbuf_addf(&sql, "%s%s%s", sql.len ? ", " :
				    "TRUNCATE TABLE ", s->type == 'r' ?
				    "ONLY " : "", s->full);
	}
	return sql.len ? run(g, sql.buf, err) : 0;
}

/* --- the schema --- */

static bool has_kind(const struct store_object *o, const char *const kinds[])
{
	for (size_t i = 0; kinds[i]; i++)
		if (!strcmp(o->kind, kinds[i]))
			return true;
	return false;
}

static int drop_extra(struct loading *g, const char *const except[],
		      struct error *err)
{
	int ret = 0;

	strvec_clear(&g->done);
	for (size_t i = 0; i < g->now.n; i++) {
		const struct store_dump_set *now = &g->now.sets[i];
		const struct store_dump_set *then =
			store_dump_find(g->l->dump, now->set);

		if (!now->full || !then || !then->full)
			continue;
		for (size_t k = now->object_n; ret >= 0 && k-- > 0;) {
			const struct store_object *o = &now->objects[k];

			if (!has_kind(o, except) && !has_same(then, o))
				ret = run_once(g, o->drop, err);
		}
	}
	return ret;
}

/* a sequence that is there is made another: its options are the same words */
static int make_one(struct loading *g, const struct store_dump_set *now,
		    const struct store_object *o, struct error *err)
{
	_cleanup_free_ char *alter = NULL;

	if (!o->create || has_same(now, o))
		return 0;
	if (!strcmp(o->kind, "sequence") && now && find(now, o)) {
		alter = xasprintf("ALTER%s", o->create + strlen("CREATE"));
		return run_once(g, alter, err);
	}
	return run_once(g, o->create, err);
}

/* what is missing of ranks from .. to; tables alone, or all */
static int make(struct loading *g, int from, int to, bool tables,
		struct error *err)
{
	int ret = 0;

	strvec_clear(&g->done);
	for (int rank = from; rank <= to; rank++)
		for (size_t i = 0; i < g->l->dump->n; i++) {
			const struct store_dump_set *then =
				&g->l->dump->sets[i];
			const struct store_dump_set *now =
				store_dump_find(&g->now, then->set);

			if (!then->full || (tables && !is_table(then)))
				continue;
			if (now && !now->full)
				now = NULL;
			for (size_t k = 0; ret >= 0 && k < then->object_n; k++)
				if (then->objects[k].rank == rank)
					ret = make_one(g, now,
						&then->objects[k], err);
		}
	return ret;
}

static int refresh(struct loading *g, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < g->l->dump->n; i++) {
		const struct store_dump_set *s = &g->l->dump->sets[i];
		_cleanup_free_ char *sql = NULL;

		if (!s->full || s->type != 'm')
			continue;
		sql = xasprintf("REFRESH MATERIALIZED VIEW %s", s->full);
		ret = run(g, sql, err);
	}
	return ret;
}

/* --- rows --- */

static ssize_t take_rows(void *ctx, const char **p, struct error *err)
{
	struct loading *g = ctx;
	ssize_t n = g->l->source(g->l->ctx, p, err);

	if (n > 0) {
		g->bytes += (uint64_t)n;
		if (g->l->progress)
			g->l->progress(g->l->ctx, g->bytes, g->total);
	}
	return n;
}

static int load_rows(struct loading *g, const struct store_dump_set *s,
		     struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	int ret;

	if (!store_dump_has_rows(s))
		return 0;
	strbuf_addf(&sql, "COPY %s (", s->full);
	for (size_t i = 0; i < s->columns.n; i++) {
		strbuf_addstr(&sql, i ? ", " : "");
		store_sql_name(&sql, s->columns.v[i]);
	}
	strbuf_addstr(&sql, ") FROM STDIN");
	ret = g->l->open(g->l->ctx, s, err);
	if (ret >= 0)
		ret = g->s->ops->copy_in(g->s, sql.buf, take_rows, g, err);
	if (ret < 0)
		error_prefix(err, _("cannot restore '%s'"), s->set);
	return MIN(ret, 0);
}

static int load_all(struct loading *g, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < g->l->dump->n; i++)
		ret = load_rows(g, &g->l->dump->sets[i], err);
	return ret;
}

static int set_sequences(struct loading *g, struct error *err)
{
	int ret = 0;

	strvec_clear(&g->done);
	for (size_t i = 0; i < g->l->dump->n; i++) {
		const struct store_dump_set *then = &g->l->dump->sets[i];
		const struct store_dump_set *now =
			store_dump_find(&g->now, then->set);

		for (size_t k = 0; ret >= 0 && k < then->object_n; k++) {
			const struct store_object *o = &then->objects[k];
			_cleanup_free_ char *restart = NULL;

			if (strcmp(o->kind, "value") != 0 || has_same(now, o))
				continue;
			restart = xasprintf("ALTER SEQUENCE %s RESTART",
					    o->name);
			ret = run_once(g, restart, err);
			if (ret >= 0)
				ret = run_once(g, o->create, err);
		}
	}
	return ret;
}

/* --- compared --- */

static const char *diff_word(unsigned int diff)
{
	return diff & STORE_DIFF_THERE ? _("it is not there, or should not "
					   "be") :
	       diff & STORE_DIFF_ROWS ? _("its rows are others") :
	       diff & STORE_DIFF_SCHEMA ? _("its schema is another") :
	       _("a sequence stands elsewhere");
}

static int compare(struct loading *g, struct error *err)
{
	int ret = look(g, err);

	for (size_t i = 0; ret >= 0 && i < g->l->dump->n; i++) {
		const struct store_dump_set *then = &g->l->dump->sets[i];
		struct store_dump_set *now = store_dump_find(&g->now,
							     then->set);
		unsigned int diff;

		if (!now) {
			diff = then->full ? STORE_DIFF_THERE : 0;
		} else {
			ret = store_dump_rows(g->s, now, NULL, NULL, err);
			diff = ret < 0 ? 0 : store_dump_compare(then, now);
		}
		if (diff)
			ret = error_set(err, ERR_STORE, -EIO,
				_("'%s' did not come back as it was saved: "
				  "%s"), then->set, diff_word(diff));
	}
	return ret;
}

/* --- what comes beside --- */

/* once more without triggers: they fired when the rows were written */
static int keep(struct loading *g, const char *const except[],
		struct error *err)
{
	int ret = rest_triggers(g, err);

	if (ret >= 0)
		ret = store_keep_rows(g->s, g->l->dump, g->l->keep, err);
	if (ret >= 0)
		ret = look(g, err);
	if (ret >= 0)
		ret = drop_extra(g, except, err);
	return ret < 0 ? ret : make(g, TRIGGER_STATES, TRIGGER_STATES, false,
				    err);
}

/* --- all of it --- */

static int load(void *ctx, _unused_ struct store *s, struct error *err)
{
	/* what comes behind the rows, or is gone already */
	static const char *const before[] = { "trigger state", "foreign key",
					      "value", "owner", NULL };
	static const char *const after[] = { "value", "owner", NULL };
	struct loading *g = ctx;
	/* what was committed while the locks are waited for is seen */
	int ret = g->l->locked ? run(g, "SET TRANSACTION ISOLATION LEVEL READ "
				     "COMMITTED", err) : 0;

	g->bytes = 0;
	if (ret >= 0)
		ret = dump_settings(g->s, err);
	strvec_clear(&g->done);
	if (ret >= 0)
		ret = look(g, err);
	if (ret >= 0)
		ret = lock_all(g, err);
	if (ret >= 0)
		ret = look(g, err);
	if (ret >= 0 && g->l->locked)
		ret = g->l->locked(g->l->ctx, g->s, &g->now, err);
	if (ret >= 0)
		ret = drop_foreign_keys(g, err);
	if (ret >= 0)
		ret = rest_triggers(g, err);
	if (ret >= 0)
		ret = drop_views(g, err);
	if (ret >= 0)
		ret = drop_sets(g, err);
	if (ret >= 0)
		ret = empty_sets(g, err);
	if (ret >= 0)
		ret = look(g, err);
	if (ret >= 0)
		ret = drop_extra(g, before, err);
	if (ret >= 0)
		ret = make(g, 0, 19, true, err);
	if (ret >= 0)
		ret = load_all(g, err);
	if (ret >= 0)
		ret = look(g, err);
	if (ret >= 0)
		ret = drop_extra(g, after, err);
	if (ret >= 0)
		ret = make(g, 0, 89, false, err);
	if (ret >= 0)
		ret = refresh(g, err);
	if (ret >= 0)
		ret = dump_make_views(g->s, g->l->rest, &g->views, &g->lost,
				      err);
	if (ret >= 0)
		ret = look(g, err);
	if (ret >= 0)
		ret = set_sequences(g, err);
	if (ret >= 0)
		ret = compare(g, err);
	if (ret >= 0 && g->l->keep && g->l->keep->n)
		ret = keep(g, after, err);
	for (size_t i = 0; g->l->also && ret >= 0 && i < g->l->also->n; i++)
		ret = run(g, g->l->also->v[i], err);
	return ret;
}

int store_load(struct store *s, const struct store_load *l, struct error *err)
{
	struct loading g = { .s = s, .l = l };
	int ret;

	if (!store_can_dump(s))
		BUG("a load into a file");
	for (size_t i = 0; i < l->dump->n; i++) {
		strvec_push(&g.sets, l->dump->sets[i].set);
		g.total += l->dump->sets[i].bytes;
	}
	ret = store_transact(s, load, &g, TRIES, err);
	for (size_t i = 0; ret >= 0 && l->lost && i < g.lost.n; i++)
		l->lost(l->ctx, g.lost.v[i]);
	store_dump_release(&g.views);
	strvec_release(&g.lost);
	store_dump_release(&g.now);
	strvec_release(&g.sets);
	strvec_release(&g.done);
	return ret;
}
