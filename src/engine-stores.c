/* SPDX-License-Identifier: MIT */
/* Sets of servers: which, out into a spool, back from an archive. */
#include "engine-stores.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-pgdump.h"
#include "engine-stores-internal.h"
#include "manifest.h"
#include "store.h"

#define SPOOL_BUFFER (256u * 1024u)

/* --- which --- */

void store_sets_release(struct store_sets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].store);
		strvec_release(&s->v[i].sets);
	}
	free(s->v);
	memset(s, 0, sizeof(*s));
}

static struct store_sets_one *find_store(const struct store_sets *s,
					 const char *store)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->v[i].store, store))
			return &s->v[i];
	return NULL;
}

bool store_sets_has(const struct store_sets *s, const char *store,
		    const char *set)
{
	const struct store_sets_one *o = find_store(s, store);

	return o && (strvec_has(&o->sets, set) || strvec_has(&o->sets, ""));
}

void store_sets_add_one(struct store_sets *s, const char *store,
			const char *set)
{
	struct store_sets_one *o = find_store(s, store);
	size_t at = 0;

	if (!o) {
		s->v = xrealloc(s->v, s->n + 1, sizeof(*s->v));
		while (at < s->n && path_cmp(s->v[at].store, store) < 0)
			at++;
		memmove(&s->v[at + 1], &s->v[at], (s->n - at) * sizeof(*s->v));
		s->n++;
		o = &s->v[at];
		memset(o, 0, sizeof(*o));
		o->store = xstrdup(store);
	}
	if (!strvec_has(&o->sets, set))
		strvec_push(&o->sets, set);
}

void store_sets_add(struct store_sets *to, const struct store_sets *from,
		    const char *more)
{
	for (size_t i = 0; i < from->n; i++) {
		for (size_t k = 0; k < from->v[i].sets.n; k++)
			store_sets_add_one(to, from->v[i].store, from->v[i].sets.v[k]);
		store_sets_add_one(to, from->v[i].store, more);
	}
}

static bool is_server(const struct engine *e, const char *store)
{
	const struct plan_store *s = plan_find_store(e->plan, store);

	return s && s->kind == PLAN_STORE_PG;
}

void engine_sets_add(struct engine *e, const struct effects *eff,
		     struct store_sets *ret)
{
	for (size_t i = 0; i < eff->set_n; i++)
		if (eff->sets[i].type != EFFECT_READ &&
		    is_server(e, eff->sets[i].store))
			store_sets_add_one(ret, eff->sets[i].store, eff->sets[i].set);
}

void engine_sets_named(struct engine *e, struct store_sets *ret)
{
	for (size_t i = 0; i < e->plan->backup_sets.n; i++) {
		const char *text = e->plan->backup_sets.v[i];
		size_t len = strcspn(text, ":");
		_cleanup_free_ char *store = xstrndup(text, len);

		if (is_server(e, store))
			store_sets_add_one(ret, plan_store_of(e->plan, store), text + len + (text[len] == ':'));
	}
}

void engine_sets_whole(struct engine *e, struct store_sets *ret)
{
	for (size_t i = 0; e->plan->pg_dump && i < ret->n; i++)
		store_sets_add_one(ret, ret->v[i].store, "");
}

static void add_server(struct engine *e, const char *store, struct strvec *to)
{
	const char *name = plan_store_of(e->plan, store);

	if (is_server(e, name) && !strvec_has(to, name))
		strvec_push(to, name);
}

/* servers: of what they write, even where the sets are not known; or NULL */
static int sets_of_plan(struct engine *e, struct store_sets *ret,
			struct strvec *servers, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < e->plan->step_n; i++) {
		_cleanup_effects_ struct effects eff = EFFECTS_INIT;
		const struct step *s = e->plan->steps[i];

		if (s->ops->flags & STEP_IS_CHECK)
			continue;
		r = engine_step_effects(e, s, &eff, err);
		if (r < 0)
			break;
		engine_sets_add(e, &eff, ret);
		for (size_t k = 0; servers && k < eff.servers.n; k++)
			add_server(e, eff.servers.v[k], servers);
	}
	engine_sets_named(e, ret);
	engine_sets_whole(e, ret);
	return r;
}

int engine_sets_of_plan(struct engine *e, struct store_sets *ret,
			struct error *err)
{
	return sets_of_plan(e, ret, NULL, err);
}

int engine_servers_of_plan(struct engine *e, struct strvec *ret,
			   struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	int r = sets_of_plan(e, &sets, ret, err);

	for (size_t i = 0; i < sets.n; i++)
		add_server(e, sets.v[i].store, ret);
	return r;
}

int engine_sets_written(struct engine *e, int i, struct store_sets *ret)
{
	_cleanup_effects_ struct effects eff = EFFECTS_INIT;
	int r = effects_from_json(e->run->steps[i].effects, &eff);

	if (r >= 0)
		engine_sets_add(e, &eff, ret);
	return r;
}

/* --- names of members --- */

char *stores_member(const char *store, const char *set, const char *end)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, BACKUP_STORES "/%s/", store);
	for (const unsigned char *p = (const unsigned char *)set; *p; p++)
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || strchr("_-.", *p))
			strbuf_addch(&sb, (char)*p);
		else
			strbuf_addf(&sb, "%%%02X", *p);
	strbuf_addstr(&sb, end);
	return strbuf_detach(&sb);
}

/* --- out --- */

struct spooling {
	struct store_spool *spool;
	struct strbuf buf;
	int dirfd;
	const char *name;        /* of the archive */
	bool by_program;
};

void store_spool_release(struct store_spool *s)
{
	closep(&s->fd);
	for (size_t i = 0; i < s->dump_n; i++)
		closep(&s->dumps[i]);
	free(s->dumps);
	s->dumps = NULL;
	s->dump_n = 0;
	for (size_t i = 0; i < s->n; i++)
		free(s->extras[i].path);
	free(s->extras);
	s->extras = NULL;
	s->n = 0;
}

static int spool_flush(struct spooling *g, struct error *err)
{
	int ret = fs_pwrite_all(g->spool->fd, g->buf.buf, g->buf.len,
				(off_t)g->spool->size);

	if (ret < 0)
		return error_errno(err, ERR_BACKUP, ret,
				   _("cannot write what a database holds"));
	g->spool->size += g->buf.len;
	strbuf_clear(&g->buf);
	return 0;
}

static int spool_add(void *ctx, const char *p, size_t n, struct error *err)
{
	struct spooling *g = ctx;

	strbuf_add(&g->buf, p, n);
	return g->buf.len < SPOOL_BUFFER ? 0 : spool_flush(g, err);
}

int stores_temp(int dirfd, const char *name, struct error *err)
{
	_cleanup_free_ char *temp = xasprintf("%s.stores.part", name);
	int fd = fs_open(dirfd, temp, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW,
			 0600);

	if (fd < 0)
		return error_errno(err, ERR_BACKUP, fd,
				   _("cannot create '%s'"), temp);
	(void)fs_unlink(dirfd, temp, 0); /* swept by the next one */
	return fd;
}

static int spool_open(struct spooling *g, struct error *err)
{
	struct store_spool *s = g->spool;

	if (s->fd < 0)
		s->fd = stores_temp(g->dirfd, g->name, err);
	return MIN(s->fd, 0);
}

/* what was added since `at` is a member */
static int spool_member(struct spooling *g, char *path, uint64_t at,
			uint64_t rows, struct error *err)
{
	struct store_spool *s = g->spool;
	int ret = spool_flush(g, err);

	s->extras = xrealloc(s->extras, s->n + 1, sizeof(*s->extras));
	s->extras[s->n++] = (struct backup_extra){
		.path = path, .fd = s->fd, .at = at, .size = s->size - at,
		.rows = rows,
	};
	return ret;
}

static int dump_sets(struct store *s, const char *store, struct store_dump *d,
		     struct spooling *g, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < d->n; i++) {
		uint64_t at = g->spool->size;

		if (!store_dump_has_rows(&d->sets[i]))
			continue;
		ret = store_dump_rows(s, &d->sets[i], d->by_program ? NULL :
				      spool_add, g, err);
		if (ret >= 0 && !d->by_program)
			ret = spool_member(g, stores_member(store, d->sets[i].set,
						     ".copy"), at,
					   d->sets[i].rows, err);
		g->spool->rows += d->sets[i].rows;
		g->spool->sets++;
	}
	return ret;
}

static int dump_texts(const char *store, const struct store_dump *d,
		      struct spooling *g, struct error *err)
{
	uint64_t at = g->spool->size;
	int ret;

	store_dump_index(d, &g->buf);
	ret = spool_member(g, stores_member(store, "index", ".jsonl"), at, 0, err);
	at = g->spool->size;
	store_dump_sql(d, &g->buf);
	if (ret >= 0)
		ret = spool_member(g, stores_member(store, "schema", ".sql"), at, 0,
				   err);
	return ret;
}

/* what a lost connection left of a store */
static void spool_cut(struct spooling *g, const struct store_spool *to)
{
	struct store_spool *s = g->spool;

	while (s->n > to->n)
		free(s->extras[--s->n].path);
	while (s->dump_n > to->dump_n)
		closep(&s->dumps[--s->dump_n]);
	s->size = to->size;
	s->rows = to->rows;
	s->sets = to->sets;
	strbuf_clear(&g->buf);
}

static int add_dump(struct store_spool *s, const char *store, int fd,
		    struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, ERR_BACKUP, -errno,
				   _("cannot read the dump"));
	s->extras = xrealloc(s->extras, s->n + 1, sizeof(*s->extras));
	s->extras[s->n++] = (struct backup_extra){
		.path = stores_member(store, "database", ".dump"), .fd = fd,
		.size = (uint64_t)st.st_size,
	};
	return 0;
}

/* into a file of its own, by a program, out of the snapshot of s */
static int dump_program(struct step_ctx *c, struct store *s,
			struct spooling *g, int *ret_fd, struct error *err)
{
	struct store_spool *sp = g->spool;
	int fd = stores_temp(g->dirfd, g->name, err);

	if (fd < 0)
		return fd;
	sp->dumps = xrealloc(sp->dumps, sp->dump_n + 1, sizeof(*sp->dumps));
	sp->dumps[sp->dump_n++] = *ret_fd = fd;
	return engine_pgdump_write(c, s, fd, err);
}

static int dump_once(struct step_ctx *c, const struct store_sets_one *one,
		     struct spooling *g, struct error *err)
{
	_cleanup_store_dump_ struct store_dump d = STORE_DUMP_INIT;
	_cleanup_store_ struct store *s = NULL;
	int ret = step_store(c, one->store, true, &s, err);

	int fd = -1;

	if (ret >= 0)
		ret = store_dump_begin(s, &one->sets, &d, err);
	if (ret >= 0) {
		d.by_program = g->by_program;
		if (d.by_program)
			ret = dump_program(c, s, g, &fd, err);
		if (ret >= 0)
			ret = dump_sets(s, one->store, &d, g, err);
		if (ret >= 0)
			ret = store_dump_end(s, err);
	}
	if (ret >= 0 && d.by_program) {
		ret = engine_pgdump_verify(c, fd, &d, err);
		if (ret >= 0)
			ret = add_dump(g->spool, one->store, fd, err);
	}
	return ret < 0 ? ret : dump_texts(one->store, &d, g, err);
}

static int dump_store(struct engine *e, const struct store_sets_one *one,
		      struct spooling *g, struct error *err)
{
	const struct store_spool before = *g->spool;
	unsigned int tried = 0;
	struct step_ctx c;
	int ret;

	step_ctx_init(&c, e, NULL, PHASE_BACKUP);
	do {
		spool_cut(g, &before);
		ret = dump_once(&c, one, g, err);
	} while (step_store_again(&c, &tried, ret, err));
	step_ctx_release(&c);
	return ret;
}

static int by_path(const void *a, const void *b)
{
	const struct backup_extra *x = a, *y = b;

	return path_cmp(x->path, y->path);
}

int engine_stores_dump(struct engine *e, const struct store_sets *sets,
		       int dirfd, const char *name, bool by_program,
		       struct store_spool *ret, struct error *err)
{
	struct spooling g = { .spool = ret, .buf = STRBUF_INIT,
			      .dirfd = dirfd, .name = name,
			      .by_program = by_program };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < sets->n; i++) {
		r = spool_open(&g, err);
		if (r >= 0)
			r = dump_store(e, &sets->v[i], &g, err);
		if (r < 0)
			error_prefix(err, _("backup of '%s'"),
				     sets->v[i].store);
	}
	strbuf_release(&g.buf);
	if (ret->n)
		qsort(ret->extras, ret->n, sizeof(*ret->extras), by_path);
	return r;
}

/* --- the index --- */

int engine_stores_index(struct engine *e, const char *name, const char *digest,
			const char *store, struct store_dump *ret,
			struct error *err)
{
	_cleanup_free_ char *path = stores_member(store, "index", ".jsonl");
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct backup_pull *p = NULL;
	const void *data;
	ssize_t n = backup_pull_open(e->run->backup_fd, name, digest, path, &p,
				     err);

	while (n >= 0 && (n = backup_pull(p, &data, err)) > 0)
		strbuf_add(&text, data, (size_t)n);
	backup_pull_close(p);
	return n < 0 ? (int)n : store_dump_parse(text.buf, text.len, ret, err);
}

static int add_index(struct engine *e, const char *name, const char *digest,
		     const char *path, struct store_sets *ret,
		     struct error *err)
{
	_cleanup_store_dump_ struct store_dump d = STORE_DUMP_INIT;
	const char *at = path + strlen(BACKUP_STORES "/");
	_cleanup_free_ char *store = xstrndup(at, strcspn(at, "/"));
	int r = engine_stores_index(e, name, digest, store, &d, err);

	for (size_t i = 0; r >= 0 && i < d.n; i++)
		if (!d.sets[i].beside)
			store_sets_add_one(ret, store, d.sets[i].set);
	return r;
}

int engine_stores_in(struct engine *e, const char *name, const char *digest,
		     struct store_sets *ret, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s.manifest.jsonl", name);
	struct manifest_reader *m = NULL;
	const struct item *it;
	int r = manifest_reader_open(&m, e->run->backup_fd, file, digest, err);

	if (r >= 0)
		manifest_reader_stores(m);
	while (r >= 0 && (r = manifest_next(m, &it, err)) > 0)
		if ((it->flags & ITEM_STORE) &&
		    str_ends(it->path, "/index.jsonl"))
			r = add_index(e, name, digest, it->path, ret, err);
	manifest_reader_free(m);
	return r;
}

/* --- differences --- */

static int compare_store(struct engine *e, const char *name,
			 const char *digest, const struct store_sets_one *one,
			 engine_store_diff_fn *fn, void *ctx,
			 struct error *err)
{
	_cleanup_store_dump_ struct store_dump then = STORE_DUMP_INIT;
	_cleanup_store_dump_ struct store_dump now = STORE_DUMP_INIT;
	_cleanup_store_ struct store *s = NULL;
	struct step_ctx c;
	int ret = engine_stores_index(e, name, digest, one->store, &then, err);

	if (ret < 0)
		return ret;
	step_ctx_init(&c, e, NULL, PHASE_BACKUP);
	ret = step_store(&c, one->store, true, &s, err);
	if (ret >= 0)
		ret = store_dump_begin(s, &one->sets, &now, err);
	for (size_t i = 0; ret == 0 && i < now.n; i++) {
		const struct store_dump_set *old =
			store_dump_find(&then, now.sets[i].set);
		static const struct store_dump_set none;
		unsigned int diff;

		ret = store_dump_rows(s, &now.sets[i], NULL, NULL, err);
		diff = store_dump_compare(old ? old : &none, &now.sets[i]);
		if (ret >= 0 && diff && !now.sets[i].beside)
			ret = fn(ctx, one->store, old, &now.sets[i], diff);
	}
	store_close(TAKE_PTR(s));
	step_ctx_release(&c);
	return ret;
}

int engine_stores_compare(struct engine *e, const char *name,
			  const char *digest, const struct store_sets *sets,
			  engine_store_diff_fn *fn, void *ctx,
			  struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < sets->n; i++)
		ret = compare_store(e, name, digest, &sets->v[i], fn, ctx,
				    err);
	return ret;
}
