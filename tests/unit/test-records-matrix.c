/* SPDX-License-Identifier: MIT */
/*
 * Differences planted at random between any two kinds of stores, for all kinds
 * of keys: each one is found and named, by row and column, and nothing else.
 * UPSHIFT_TEST_SEED and UPSHIFT_TEST_ROUNDS: others, and more of them.
 */
#include "pg-group.h"

#include <inttypes.h>

#include "base/fsutil.h"
#include "records-verify.h"
#include "store.h"

#define ROWS 900
#define PLANTED 14
#define BATCH 300

enum kind { SQLITE, PG, JSON, JSONL, KINDS };
enum keys { K_INT, K_HUGE, K_UUID, K_TEXT, K_ICU, K_PAIR, KEYS };
enum plant { P_NONE, P_MISSING, P_N, P_N_NULL, P_S, P_S_NULL, P_S_EMPTY,
	     P_S_ACCENT, P_S_CASE, P_B, P_B_EMPTY, P_ZEROS, P_EXTRA };

static const char *const kind_names[] = { "sqlite", "pg", "json", "jsonl" };
static const char *const key_names[] = { "integer", "huge", "uuid", "text",
					 "icu", "pair" };

static uint64_t state;

static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(mix(state++) % n);
}

/* --- rows --- */

static void add_fmt(struct store_batch *b, enum store_type type,
		    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void add_fmt(struct store_batch *b, enum store_type type,
		    const char *fmt, ...)
{
	char text[128];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	store_batch_add(b, type, text, (size_t)n);
}

static int64_t huge(uint32_t id)
{
	static const int64_t ends[] = { INT64_MIN, INT64_MAX, 0, -1,
		9007199254740993, -9007199254740993 };

	return id % 2 == 0 && id / 2 < ARRAY_SIZE(ends) ? ends[id / 2] :
		(int64_t)mix(id);
}

static void add_key(struct store_batch *b, enum keys keys, uint32_t id)
{
	static const char *const texts[] = { "a%u", "B%u", "\u00e9%u",
		"x y'%u\"", "\\%u,]", "\u6f22%u", "%u", "-%u.50", "Z\n%u" };
	char text[64];
	int n;

	switch (keys) {
	case K_INT:
		add_fmt(b, STORE_INT, "%d", (int)id - ROWS);
		return;
	case K_HUGE:
		add_fmt(b, STORE_INT, "%" PRId64, huge(id));
		return;
	case K_UUID:
		add_fmt(b, STORE_TEXT, "%08x-%04x-%04x-%04x-%012" PRIx64,
			(unsigned int)(mix(id) >> 32),
			(unsigned int)mix(id) & 0xffff,
			(unsigned int)mix(id + 9999) & 0xffff,
			(unsigned int)mix(id + 99999) & 0xffff,
			mix(id + 999999) >> 16);
		return;
	case K_PAIR:
		add_fmt(b, STORE_INT, "%d", (int)(id % 7) - 3);
		/* fallthrough */
	default:
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		n = snprintf(text, sizeof(text),
			     texts[id % ARRAY_SIZE(texts)], id);
#pragma GCC diagnostic pop
		store_batch_add(b, STORE_TEXT, text, (size_t)n);
	}
}

static void add_n(struct store_batch *b, uint32_t id, enum plant p, bool now)
{
	if (p == P_ZEROS)
		add_fmt(b, STORE_NUM, now ? "%u.5" : "%u.50", id);
	else if (p == P_N && now)
		add_fmt(b, STORE_NUM, "%u.125", id);
	else if (p == P_N_NULL ? now : id % 11 == 0)
		store_batch_add(b, STORE_NUM, NULL, 0);
	else if (id % 3)
		add_fmt(b, STORE_INT, "-%u", id + 1);
	else
		add_fmt(b, STORE_NUM, "%u.25", id);
}

static void add_s(struct store_batch *b, uint32_t id, enum plant p, bool now)
{
	if (p == P_S_NULL || p == P_S_EMPTY)
		store_batch_add(b, STORE_TEXT, now == (p == P_S_NULL) ?
				NULL : "", 0);
	else if (p == P_S_ACCENT)
		add_fmt(b, STORE_TEXT, "%s", now ? "e\u0301" : "\u00e9");
	else if (p == P_S_CASE)
		add_fmt(b, STORE_TEXT, "%s", now ? "Word" : "word");
	else if (p == P_S)
		add_fmt(b, STORE_TEXT, now ? "text %u " : "text %u", id);
	else if (id % 13 == 0)
		store_batch_add(b, STORE_TEXT, id % 2 ? NULL : "", 0);
	else
		add_fmt(b, STORE_TEXT, "\u6f22 \U0001f600 '%u'\t\\", id);
}

static void add_b(struct store_batch *b, uint32_t id, enum plant p, bool now)
{
	if (p == P_B_EMPTY)
		store_batch_add(b, STORE_BYTES, now ? NULL : "\\x",
				now ? 0 : 2);
	else if (p == P_B)
		add_fmt(b, STORE_BYTES, "\\x00ff%02x", now ? 1 : 2);
	else
		add_fmt(b, STORE_BYTES, "\\x%08x00", id);
}

static void add_row(struct store_batch *b, enum keys keys, uint32_t id,
		    enum plant p, bool now)
{
	add_key(b, keys, id);
	add_n(b, id, p, now);
	add_s(b, id, p, now);
	add_b(b, id, p, now);
}

/* --- one pair --- */

struct pair {
	struct scratch *t;
	enum kind kind[2];
	enum keys keys;
	struct store *s[2];
	struct store_shape shape[2];
	unsigned char plant[2 * ROWS]; /* odd: rows that may be extra */
	struct strvec expect, told;
	char what[128];
};

static const char *const one_key[] = { "k", "n", "s", "b" };
static const char *const two_keys[] = { "k", "l", "n", "s", "b" };

static void sql(struct store *s, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (store_exec(s, text, NULL, NULL, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static void make_table(struct pair *p, int side)
{
	static const char *const types[KINDS][KEYS] = {
		{ "k INTEGER PRIMARY KEY", "k INTEGER PRIMARY KEY",
		  "k TEXT PRIMARY KEY", "k TEXT PRIMARY KEY",
		  "k TEXT COLLATE NOCASE PRIMARY KEY",
		  "k INTEGER, l TEXT" },
		{ "k int PRIMARY KEY", "k bigint PRIMARY KEY",
		  "k uuid PRIMARY KEY", "k text COLLATE \"C\" PRIMARY KEY",
		  "k text COLLATE \"en-x-icu\" PRIMARY KEY",
		  "k int, l text COLLATE \"C\"" },
	};
	const char *set = p->shape[side].set;
	_cleanup_free_ char *drop = xasprintf("DROP TABLE IF EXISTS %s", set);
	_cleanup_free_ char *make = xasprintf("CREATE TABLE %s (%s, n numeric, "
		"s text, b %s%s)", set, types[p->kind[side]][p->keys],
		p->kind[side] == PG ? "bytea" : "blob",
		p->keys == K_PAIR ? ", PRIMARY KEY (k, l)" : "");

	sql(p->s[side], drop);
	sql(p->s[side], make);
}

static void open_side(struct pair *p, int side)
{
	static const char *const urls[KINDS][2] = {
		{ "sqlite:a.db", "sqlite:b.db" }, { NULL, NULL },
		{ "json:a.json#rows", "json:b.json#rows" },
		{ "jsonl:a.jsonl", "jsonl:b.jsonl" },
	};
	struct store_options o = { .root_fd = p->t->fd, .create = true };
	enum kind k = p->kind[side];
	struct store_shape *shape = &p->shape[side];
	const char *file = k == JSON ? (side ? "b.json" : "a.json") :
		side ? "b.jsonl" : "a.jsonl";

	memset(shape, 0, sizeof(*shape));
	shape->set = k >= JSON ? "" : side ? "new_t" : "old_t";
	shape->nkey = p->keys == K_PAIR ? 2 : 1;
	shape->ncol = shape->nkey + 3;
	shape->col = p->keys == K_PAIR ? two_keys : one_key;
	if (k >= JSON)
		(void)fs_unlink(p->t->fd, file, 0);
	if (store_open(k == PG ? server.url : urls[k][side], &o, &p->s[side],
		       &p->t->err) < 0)
		fail_msg("%s: %s", p->what, p->t->err.msg);
	if (k < JSON)
		make_table(p, side);
}

static void put(struct pair *p, int side, const struct store_batch *b)
{
	struct store *s = p->s[side];

	if (store_begin(s, true, &p->t->err) < 0 ||
	    store_put(s, &p->shape[side], b, 0, b->nrow, STORE_ERROR,
		      &p->t->err) < 0 || store_commit(s, &p->t->err) < 0)
		fail_msg("%s: %s", p->what, p->t->err.msg);
}

static void fill(struct pair *p, int side)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;

	store_batch_clear(&b, p->shape[side].ncol);
	for (uint32_t id = 0; id < 2 * ROWS; id++) {
		enum plant how = p->plant[id];

		if (id % 2 ? how != P_EXTRA || !side :
		    how == P_MISSING && side)
			continue;
		add_row(&b, p->keys, id, how, side == 1);
		if (b.nrow == BATCH) {
			put(p, side, &b);
			store_batch_clear(&b, p->shape[side].ncol);
		}
	}
	put(p, side, &b);
}

/* 1.50 stays what it is but for SQLite */
static const char *expected(const struct pair *p, enum plant how)
{
	switch (how) {
	case P_MISSING: return "missing";
	case P_EXTRA: return "extra";
	case P_N: case P_N_NULL: return "different n";
	case P_ZEROS: return p->kind[0] == SQLITE ? NULL : "equivalent n";
	case P_B: case P_B_EMPTY: return "different b";
	default: return "different s";
	}
}

static void plant(struct pair *p, uint32_t id, enum plant how)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	const char *what;

	/* what is NULL in all rows of its kind cannot become it */
	if (how == P_N_NULL && id % 11 == 0)
		how = P_N;
	if (p->plant[id])
		return;
	p->plant[id] = how;
	what = expected(p, how);
	if (!what)
		return;
	store_batch_clear(&b, p->shape[0].nkey);
	add_key(&b, p->keys, id);
	store_key(&b, 0, p->shape[0].nkey, &key);
	strvec_pushf(&p->expect, "%s %s", key.buf, what);
}

static int order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* the ids with the first and the last key, as C has it */
static void ends(const struct pair *p, uint32_t *first, uint32_t *last)
{
	char lo[64] = "\xff", hi[64] = "";

	*first = 0;
	*last = 2 * ROWS - 2;
	for (uint32_t id = 0; id < 2 * ROWS && p->keys > K_HUGE; id += 2) {
		_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
		char text[64];

		store_batch_clear(&b, p->shape[0].nkey);
		add_key(&b, p->keys, id);
		(void)snprintf(text, sizeof(text), "%.*s", (int)b.n, b.buf);
		if (strcmp(text, lo) < 0) {
			memcpy(lo, text, sizeof(lo));
			*first = id;
		}
		if (strcmp(text, hi) > 0) {
			memcpy(hi, text, sizeof(hi));
			*last = id;
		}
	}
	if (p->keys == K_HUGE) /* INT64_MIN is id 0 */
		*last = 2;
}

static void plant_all(struct pair *p)
{
	uint32_t first, last;

	ends(p, &first, &last);
	plant(p, first, P_MISSING + below(P_ZEROS));
	plant(p, last, P_MISSING + below(P_ZEROS));
	for (uint32_t how = P_MISSING; how < P_EXTRA; how++)
		plant(p, below(ROWS) * 2, how);
	for (int i = 0; i < PLANTED; i++)
		plant(p, below(ROWS) * 2, P_MISSING + below(P_ZEROS));
	for (int i = 0; i < 3; i++)
		plant(p, below(ROWS) * 2 + 1, P_EXTRA);
}

static int found(void *ctx, const struct records_found *f,
		 _unused_ struct error *err)
{
	struct pair *p = ctx;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%s %s", f->key, records_kind_name(f->kind));
	for (uint32_t i = 0; i < f->ncol; i++)
		strbuf_addf(&sb, " %s", p->shape[0].col[f->col[i]]);
	strvec_push(&p->told, sb.buf);
	return 0;
}

static int again(void *ctx, _unused_ struct error *err)
{
	strvec_clear(&((struct pair *)ctx)->told);
	return 0;
}

static int audit(_unused_ void *ctx, _unused_ const struct records_part *part,
		 _unused_ struct error *err)
{
	return 0;
}

static void assert_found(struct pair *p, enum records_level level)
{
	struct strvec *a = &p->expect, *b = &p->told;

	if (a->n)
		qsort(a->v, a->n, sizeof(*a->v), order);
	if (b->n)
		qsort(b->v, b->n, sizeof(*b->v), order);
	for (size_t i = 0; i < MAX(a->n, b->n); i++)
		if (i >= a->n || i >= b->n || strcmp(a->v[i], b->v[i]))
			fail_msg("%s, %s: planted %s, found %s", p->what,
				 records_level_name(level),
				 i < a->n ? a->v[i] : "nothing",
				 i < b->n ? b->v[i] : "nothing");
	strvec_clear(b);
}

static void compare(struct pair *p)
{
	struct records_spec spec = {
		.old = { p->s[0], &p->shape[0], 0 },
		.now = { p->s[1], &p->shape[1], 0 },
		.segment = 100, .sample = 60, .pause_s = 0.001,
		.scratch_fd = p->t->fd, .found = found, .again = again,
		.audit = audit, .ctx = p,
	};

	for (spec.level = RECORDS_STANDARD; spec.level <= RECORDS_FORENSIC;
	     spec.level++) {
		struct records_verdict r;

		if (records_verify(&spec, &r, &p->t->err) < 0)
			fail_msg("%s: %s", p->what, p->t->err.msg);
		assert_found(p, spec.level);
		assert_int_equal(r.settled, 0);
	}
}

static void one_pair(struct scratch *t, enum kind old, enum kind now,
		     enum keys keys, uint64_t seed, bool differ)
{
	struct pair p = { .t = t, .kind = { old, now }, .keys = keys };

	(void)snprintf(p.what, sizeof(p.what), "%s to %s, %s, seed %" PRIu64,
		       kind_names[old], kind_names[now], key_names[keys],
		       seed);
	state = mix(seed << 16 | old << 8 | now << 4 | keys);
	open_side(&p, 0);
	open_side(&p, 1);
	if (differ)
		plant_all(&p);
	fill(&p, 0);
	fill(&p, 1);
	compare(&p);
	store_close(p.s[0]);
	store_close(p.s[1]);
	strvec_release(&p.expect);
	strvec_release(&p.told);
}

static void pairs(struct scratch *t, enum kind old)
{
	static const enum kind to[] = { SQLITE, PG, JSONL };
	const char *first = getenv("UPSHIFT_TEST_SEED");
	const char *rounds = getenv("UPSHIFT_TEST_ROUNDS");
	uint64_t seed = first ? strtoull(first, NULL, 10) : 1;
	uint64_t end = seed + (rounds ? strtoull(rounds, NULL, 10) : 1);

	if (old == PG && !has_server)
		skip();
	for (; seed < end; seed++)
		for (size_t k = 0; k < ARRAY_SIZE(to); k++)
			for (int keys = 0; keys < KEYS; keys++)
				if (to[k] != PG || has_server)
					one_pair(t, old, to[k],
						 (enum keys)keys, seed, true);
	one_pair(t, old, SQLITE, K_ICU, seed, false);
}

static void test_sqlite(void **st)
{
	pairs(*st, SQLITE);
}

static void test_pg(void **st)
{
	pairs(*st, PG);
}

static void test_json(void **st)
{
	pairs(*st, JSON);
}

static void test_jsonl(void **st)
{
	pairs(*st, JSONL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sqlite), T(test_pg), T(test_json), T(test_jsonl),
	};

	return cmocka_run_group_tests(tests, pg_group_setup,
				      pg_group_teardown);
}
