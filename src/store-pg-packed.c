/* SPDX-License-Identifier: MIT */
/*
 * Rows from server to server in the binary form of COPY, whose values nobody
 * takes apart: a packed row is the cells of its key and the row as COPY has
 * it. Only where both sides have the same built-in types, of which that form
 * has not changed; what is read is cast to them, which costs nothing, and in
 * the transaction that writes they are looked at again: bytes of one type
 * would else be taken for those of another.
 * Source: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format"
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-pg-internal.h"

#define PIECE 65536

static const struct {
	uint32_t oid;
	const char *name;
	bool key;                /* we know its text */
} types[] = {
	{ 16, "bool", false }, { 17, "bytea", false }, { 20, "int8", true },
	{ 21, "int2", true }, { 23, "int4", true }, { 25, "text", true },
	{ 114, "json", false }, { 700, "float4", false },
	{ 701, "float8", false }, { 1042, "bpchar", false },
	{ 1043, "varchar", true }, { 1082, "date", false },
	{ 1083, "time", false }, { 1114, "timestamp", false },
	{ 1184, "timestamptz", false }, { 1186, "interval", false },
	{ 1700, "numeric", false }, { 2950, "uuid", true },
	{ 3802, "jsonb", false },
};

static size_t find_type(uint32_t oid)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(types) && types[i].oid != oid)
		i++;
	return i;
}

static uint32_t get32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 |
	       (uint32_t)u[2] << 8 | u[3];
}

static int64_t get_int(const char *p, size_t n)
{
	uint64_t v = *p & 0x80 ? UINT64_MAX : 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)p[i];
	return (int64_t)v;
}

static void put16(struct strbuf *sb, uint32_t v)
{
	strbuf_addch(sb, (char)(v >> 8));
	strbuf_addch(sb, (char)v);
}

static void add_uuid(struct store_batch *b, const char *p)
{
	static const char hex[] = "0123456789abcdef";
	char text[36], *q = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*q++ = '-';
		*q++ = hex[(unsigned char)p[i] >> 4];
		*q++ = hex[p[i] & 15];
	}
	store_batch_add(b, STORE_TEXT, text, sizeof(text));
}

/* false: that is no value of the type */
static bool add_key_cell(struct store_batch *b, uint32_t type, const char *p,
			 uint32_t n)
{
	char text[STORE_NUMBER_ROOM];

	if (n == UINT32_MAX)
		store_batch_add(b, STORE_TEXT, NULL, 0);
	else if (type == 25 || type == 1043)
		store_batch_add(b, STORE_TEXT, p, n);
	else if (type == 2950 && n == 16)
		add_uuid(b, p);
	else if (n == (type == 20 ? 8 : type == 23 ? 4 : 2))
		store_batch_add(b, STORE_INT, text,
				store_int_write(get_int(p, n), text));
	else
		return false;
	return true;
}

/* what comes in, and what has come of it */
struct unpack {
	struct pg_store *p;
	const struct store_pack *k;
	const struct store_shape *shape;
	struct store_batch *b;
	struct strbuf rest;      /* of a row that is not all there */
	struct strbuf row;       /* without hidden columns */
	bool begun, ended;
	int ret;
	struct error err;
};

/* Bytes of the row at p, all of its fields; 0: not all there, < 0: no row. *skip:
   those of its first fields. */
static ssize_t row_size(const struct unpack *u, const char *p, size_t n,
			size_t *skip)
{
	size_t at = 2;

	if (n < 2)
		return 0;
	if (get_int(p, 2) != (int64_t)u->k->n)
		return -EBADMSG;
	for (uint32_t i = 0; i < u->k->n; i++) {
		uint32_t len;

		if (i == u->k->hidden)
			*skip = at;
		if (n - at < 4)
			return 0;
		len = get32(p + at);
		at += 4;
		if (len == UINT32_MAX)
			continue;
		if (len > INT32_MAX)
			return -EBADMSG;
		if (n - at < len)
			return 0;
		at += len;
	}
	return (ssize_t)at;
}

static int add_row(struct unpack *u, const char *p, size_t n, size_t skip)
{
	struct store *s = &u->p->s;
	size_t at = 2;
	int ret;

	if (s->cut)
		return 0; /* of what is on its way */
	for (uint32_t i = 0; i < u->shape->nkey; i++) {
		uint32_t len = get32(p + at);

		if (!add_key_cell(u->b, u->k->type[i], p + at + 4, len))
			return -EBADMSG;
		at += 4 + (len == UINT32_MAX ? 0 : len);
	}
	if (u->k->hidden) {
		strbuf_clear(&u->row);
		put16(&u->row, u->k->n - u->k->hidden);
		strbuf_add(&u->row, p + skip, n - skip);
		p = u->row.buf;
		n = u->row.len;
	}
	store_batch_add(u->b, STORE_BYTES, p, n);
	ret = store_check_key(s, u->shape, u->b, &u->err);
	if (ret == 0)
		(void)store_scan_full(s, u->b);
	return ret;
}

/* how many bytes are done with, or what is wrong */
static ssize_t unpack(struct unpack *u, const char *p, size_t n)
{
	size_t at = 0, skip = 0;
	ssize_t size;
	int ret;

	if (!u->begun) {
		if (n < PG_COPY_HEAD_SIZE)
			return 0;
		if (memcmp(p, PG_COPY_HEAD, PG_COPY_HEAD_SIZE))
			return -EBADMSG;
		u->begun = true;
		at = PG_COPY_HEAD_SIZE;
	}
	while (!u->ended && n - at >= 2) {
		if (p[at] == '\377' && p[at + 1] == '\377') {
			u->ended = true;
			return (ssize_t)n;
		}
		size = row_size(u, p + at, n - at, &skip);
		if (size <= 0)
			return size < 0 ? size : (ssize_t)at;
		ret = add_row(u, p + at, (size_t)size, skip);
		if (ret < 0)
			return ret;
		at += (size_t)size;
	}
	return (ssize_t)at;
}

/* store_sink_fn; a failure would end the connection */
static int take_piece(void *ctx, const char *p, size_t n,
		      _unused_ struct error *err)
{
	struct unpack *u = ctx;
	ssize_t done;

	if (u->ret < 0)
		return 0;
	if (u->rest.len) {
		strbuf_add(&u->rest, p, n);
		done = unpack(u, u->rest.buf, u->rest.len);
		if (done > 0) {
			memmove(u->rest.buf, u->rest.buf + done,
				u->rest.len - (size_t)done);
			strbuf_set_len(&u->rest, u->rest.len - (size_t)done);
		}
	} else {
		done = unpack(u, p, n);
		if (done >= 0)
			strbuf_add(&u->rest, p + done, n - (size_t)done);
	}
	u->ret = (int)MIN(done, 0);
	return 0;
}

static int not_packed(struct pg_store *p, struct error *err)
{
	/* whoever hears it takes cells */
	return error_set(err, ERR_STORE, -EBADMSG, "%s", p->s.name);
}

/* each column as the type that it is to be; caller frees both */
static const char **cast(const struct store_pack *k,
			 const struct store_shape *shape, struct strvec *v)
{
	const char **expr = xcalloc(shape->ncol, sizeof(*expr));

	for (uint32_t i = 0; i < shape->ncol; i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		store_sql_reads(&sb, shape, i, i + 1);
		strbuf_addf(&sb, "::pg_catalog.%s",
			    types[find_type(k->type[i])].name);
		strvec_take(v, strbuf_detach(&sb));
	}
	for (uint32_t i = 0; i < shape->ncol; i++)
		expr[i] = v->v[i];
	return expr;
}

int pg_scan_packed(struct store *s, const struct store_pack *k,
		   const struct store_shape *shape, const char *after,
		   const char *until, uint32_t limit, struct store_batch *b,
		   struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	_cleanup_free_ const char **expr = cast(k, shape, &names);
	struct unpack u = { .p = (struct pg_store *)s, .k = k, .shape = shape,
			    .b = b, .rest = STRBUF_INIT, .row = STRBUF_INIT,
			    .err = ERROR_INIT };
	struct store_shape as = *shape;
	int ret = after ? 0 : pg_no_nulls(s, shape, err);

	if (ret == 0)
		ret = store_sql_range(s, shape, after, until, &args, err);
	if (ret < 0)
		return ret;
	as.expr = expr;
	strbuf_addstr(&sql, "COPY (");
	store_sql_scan_literal(&sql, &as, after, until, limit, &args);
	strbuf_addstr(&sql, ") TO STDOUT (FORMAT binary)");
	ret = pg_copy_out(s, sql.buf, take_piece, &u, err);
	if (ret == 0 && error_is_set(&u.err)) {
		ret = u.ret;
		error_move(err, &u.err);
	} else if (ret == 0 && (u.ret < 0 || !u.ended)) {
		ret = not_packed(u.p, err);
	}
	strbuf_release(&u.rest);
	strbuf_release(&u.row);
	error_release(&u.err);
	return ret < 0 ? ret : (int)b->nrow;
}

int pg_types_of(struct pg_store *p, const char *set,
		const struct store_shape *shape, uint32_t *type, int *mod,
		struct error *err)
{
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;

	strbuf_addstr(&sql, "SELECT ");
	store_sql_reads(&sql, shape, 0, shape->ncol);
	strbuf_addstr(&sql, " FROM ");
	store_sql_set(&sql, set);
	strbuf_addstr(&sql, " LIMIT 0");
	return pg_types(p, sql.buf, type, mod, shape->ncol, err);
}

/* the same bytes, and no declaration that would make others of them unheard */
static bool same_type(const struct store_pack *k, const struct store_shape *to,
		      uint32_t i, const uint32_t *want, const int *has_mod,
		      const int *want_mod)
{
	uint32_t at = i - k->hidden;

	return i < k->hidden ||
		(want[at] == k->type[i] &&
		 (want_mod[at] < 0 || want_mod[at] == has_mod[i] ||
		  (to->loose && to->loose[at])));
}

bool pg_pack(struct store_pack *k, struct store *from,
	     const struct store_shape *of, struct store *dest,
	     const struct store_shape *to)
{
	_cleanup_free_ uint32_t *want = xcalloc(to->ncol, sizeof(*want));
	_cleanup_free_ int *want_mod = xcalloc(to->ncol, sizeof(*want_mod));
	_cleanup_free_ int *has_mod = xcalloc(k->n, sizeof(*has_mod));
	struct pg_store *f = (struct pg_store *)from;
	struct pg_store *d = (struct pg_store *)dest;

	if ((from->taken | dest->taken) & STORE_CAP_COPY ||
	    !store_can(from, STORE_CAP_BINARY) ||
	    !store_can(dest, STORE_CAP_BINARY) ||
	    !store_can(dest, STORE_CAP_TEMP_TABLE))
		return false;
	k->type = xcalloc(k->n, sizeof(*k->type));
	if (pg_types_of(f, of->set, of, k->type, has_mod, NULL) < 0 ||
	    pg_types_of(d, to->set, to, want, want_mod, NULL) < 0)
		return false;
	for (uint32_t i = 0; i < k->n; i++) {
		size_t t = find_type(k->type[i]);

		if (t == ARRAY_SIZE(types) ||
		    (i < of->nkey && !types[t].key) ||
		    !same_type(k, to, i, want, has_mod, want_mod))
			return false;
	}
	return true;
}

struct packing {
	const struct store_batch *b;
	uint32_t at, end;
	bool begun, ended;
	size_t off;              /* of the row at, what went */
	struct strbuf sb;
};

static const struct store_cell *packed_row(const struct packing *k)
{
	return store_batch_cell(k->b, k->at, k->b->ncol - 1);
}

/* a long row as it is, piece by piece, so that nobody has it once more */
static ssize_t next_of_row(struct packing *k, const char **p)
{
	const struct store_cell *c = packed_row(k);
	size_t n = MIN((size_t)c->len - k->off, (size_t)PIECE);

	*p = store_batch_text(k->b, c) + k->off;
	k->off += n;
	if (k->off == (size_t)c->len) {
		k->at++;
		k->off = 0;
	}
	return (ssize_t)n;
}

/* store_source_fn */
static ssize_t next_piece(void *ctx, const char **p, _unused_ struct error *err)
{
	struct packing *k = ctx;

	if (k->begun && k->at < k->end && packed_row(k)->len > PIECE)
		return next_of_row(k, p);
	strbuf_clear(&k->sb);
	if (!k->begun)
		strbuf_add(&k->sb, PG_COPY_HEAD, PG_COPY_HEAD_SIZE);
	k->begun = true;
	while (k->at < k->end && k->sb.len < PIECE &&
	       packed_row(k)->len <= PIECE) {
		const struct store_cell *c = packed_row(k);

		k->at++;
		strbuf_add(&k->sb, store_batch_text(k->b, c), (size_t)c->len);
	}
	if (k->at == k->end && !k->ended) {
		put16(&k->sb, 0xffff);
		k->ended = true;
	}
	*p = k->sb.buf;
	return (ssize_t)k->sb.len;
}

int pg_copy_packed(struct pg_store *p, const struct store_pack *k,
		   const char *set, const struct store_shape *shape,
		   const struct store_batch *b, uint32_t from, uint32_t n,
		   struct error *err)
{
	_cleanup_free_ uint32_t *type = xcalloc(shape->ncol, sizeof(*type));
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	struct packing rows = { .b = b, .at = from, .end = from + n,
				.sb = STRBUF_INIT };
	/* from here to the end of the transaction they stay what they are */
	int ret = pg_types_of(p, set, shape, type, NULL, err);

	if (ret == 0 && memcmp(type, k->type + k->hidden,
			       shape->ncol * sizeof(*type)))
		ret = not_packed(p, err);
	if (ret < 0)
		return ret;
	strbuf_addstr(&sql, "COPY ");
	store_sql_set(&sql, set);
	strbuf_addstr(&sql, " (");
	store_sql_names(&sql, shape, 0, shape->ncol);
	strbuf_addstr(&sql, ") FROM STDIN (FORMAT binary)");
	ret = pg_copy_stream(&p->s, sql.buf, next_piece, &rows, err);
	strbuf_release(&rows.sb);
	return ret;
}

/* --- does a server have the form that we know? --- */

#define SAMPLE(int8, text, float8, time, uuid, numeric, json) \
	"(" int8 ")::pg_catalog.int8, (" text ")::pg_catalog.text, " \
	"(true)::pg_catalog.bool, (" float8 ")::pg_catalog.float8, " \
	"(" time ")::pg_catalog.timestamptz, (" uuid ")::pg_catalog.uuid, " \
	"(" numeric ")::pg_catalog.numeric, (" json ")::pg_catalog.jsonb, " \
	"(NULL)::pg_catalog.int4"
#define SAMPLE_ROW SAMPLE("-2", "U&'\\00e4'", "1.5", \
	"'2000-01-01 00:00:01+00'", "'00010203-0405-0607-0809-0a0b0c0d0eff'", \
	"-12.50", "'{\"a\": 1}'")

static const char sample[] =
	"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
	"\0\x09"
	"\0\0\0\x08\377\377\377\377\377\377\377\376"
	"\0\0\0\x02\xc3\xa4"
	"\0\0\0\x01\x01"
	"\0\0\0\x08\x3f\xf8\0\0\0\0\0\0"
	"\0\0\0\x08\0\0\0\0\0\x0f\x42\x40"
	"\0\0\0\x10\0\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\xff"
	"\0\0\0\x0c\0\x02\0\0\x40\0\0\x02\0\x0c\x13\x88"
	"\0\0\0\x09\x01{\"a\": 1}"
	"\377\377\377\377"
	"\377\377";
#define SAMPLE_SIZE (sizeof(sample) - 1)

static int take_sample(void *ctx, const char *p, size_t n,
		       _unused_ struct error *err)
{
	strbuf_add(ctx, p, n);
	return 0;
}

static ssize_t give_sample(void *ctx, const char **p,
			   _unused_ struct error *err)
{
	bool *given = ctx;

	if (*given)
		return 0;
	*given = true;
	*p = sample;
	return (ssize_t)SAMPLE_SIZE;
}

static bool gives_sample(struct pg_store *p)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	return pg_copy_out(&p->s, "COPY (SELECT " SAMPLE_ROW ") TO STDOUT "
			   "(FORMAT binary)", take_sample, &sb, NULL) == 0 &&
	       sb.len == SAMPLE_SIZE && !memcmp(sb.buf, sample, SAMPLE_SIZE);
}

static bool takes_sample(struct pg_store *p)
{
	static const char *const before[] = {
		"BEGIN", "CREATE TEMP TABLE _upshift_probe_binary (a int8, "
		"b text, c bool, d float8, e timestamptz, f uuid, g numeric, "
		"h jsonb, i int4)",
	};
	bool ok = true, given = false;

	for (size_t i = 0; ok && i < ARRAY_SIZE(before); i++)
		ok = pg_run(p, before[i], NULL, NULL, 1, NULL, NULL) >= 0;
	ok = ok && pg_copy_stream(&p->s, "COPY pg_temp._upshift_probe_binary "
				  "FROM STDIN (FORMAT binary)", give_sample,
				  &given, NULL) >= 0;
	ok = ok && pg_run(p, "SELECT 1 / count(*) FROM "
			  "pg_temp._upshift_probe_binary t WHERE (a, b, c, d, "
			  "e, f, g::text, h) = (SELECT x.a, x.b, x.c, x.d, "
			  "x.e, x.f, x.g::text, x.h FROM (SELECT " SAMPLE_ROW
			  ") x (a, b, c, d, e, f, g, h, i)) AND i IS NULL",
			  NULL, NULL, 1, NULL, NULL) >= 0;
	if (!p->dead)
		(void)pg_run(p, "ROLLBACK", NULL, NULL, 1, NULL, NULL);
	return ok;
}

bool pg_binary(struct pg_store *p)
{
	return gives_sample(p) && (p->read_only || takes_sample(p));
}
