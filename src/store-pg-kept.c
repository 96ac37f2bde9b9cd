/* SPDX-License-Identifier: MIT */
/*
 * Values that a column keeps. The server reads the text of a cell as the type of
 * its column wants it: numeric(10,2) rounds, a timestamp forgets the zone and
 * what is below a microsecond, varchar(n) blanks at the end, an integer zeros in
 * front. Nothing tells. So the row of a value that would be another one is
 * refused.
 *
 * Of most values it is known here what becomes of them. Of the others the server
 * is asked how it would write them: what comes back is the value, by its bytes,
 * as a number, or as one of the other ways to write the same (a time with T and
 * Z, an UUID in capitals).
 * Source: https://www.postgresql.org/docs/15/datatype.html
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "json-text.h"
#include "json-tree.h"
#include "store-pg-internal.h"

enum kind {
	ASKED,                   /* only the server knows */
	TEXTS, CHARS, BLANKS,    /* text, varchar(n), char(n) */
	WHOLE, DECIMAL, REAL4, REAL8,
	JSONS, BINARY_JSON,
	BOOLS, UUIDS, BYTES, DATES, TIMES, STAMPS, STAMPTZS,
};

enum verdict { KEPT, LOST, ASK };

/* of a row of values that the server is asked for: its columns have an end */
#define ASKED_AT_ONCE 500
/* digits of a decimal that none of the limits of a server is near */
#define DIGITS 1000
#define ALL_DIGITS 0x7fff

/* --- types, as format_type() has them --- */

/* TYPE(3) or TYPE(10,2): the last number; none: or_else */
static int number_of(const char *type, int or_else)
{
	const char *p = strchr(type, '('), *comma = p ? strchr(p, ',') : NULL;

	return !p ? or_else : atoi(comma ? comma + 1 : p + 1);
}

static struct store_kind kind_of(const char *type)
{
	static const struct {
		const char *name;
		enum kind kind;
		int or_else;
		const char *tail;
	} names[] = {
		{ "text", TEXTS, 0, "" },
		{ "character varying", CHARS, 0, "" },
		{ "character", BLANKS, 0, "" },
		{ "json", JSONS, 0, "" },
		{ "jsonb", BINARY_JSON, 0, "" },
		{ "smallint", WHOLE, 0, "" },
		{ "integer", WHOLE, 0, "" },
		{ "bigint", WHOLE, 0, "" },
		{ "numeric", DECIMAL, ALL_DIGITS, "" },
		{ "real", REAL4, 0, "" },
		{ "double precision", REAL8, 0, "" },
		{ "boolean", BOOLS, 0, "" },
		{ "uuid", UUIDS, 0, "" },
		{ "bytea", BYTES, 0, "" },
		{ "date", DATES, PG_TIME_DIGITS, "" },
		{ "time", TIMES, PG_TIME_DIGITS, " without time zone" },
		{ "timestamp", STAMPS, PG_TIME_DIGITS, " without time zone" },
		{ "timestamp", STAMPTZS, PG_TIME_DIGITS, " with time zone" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i].name);
		const char *p = type + n;

		if (strncmp(type, names[i].name, n) != 0)
			continue;
		if (*p == '(')
			p = strchr(p, ')') + 1;
		if (!strcmp(p, names[i].tail))
			return (struct store_kind){
				.kind = (uint8_t)names[i].kind,
				.forms = names[i].kind == BLANKS ||
					names[i].kind >= BOOLS,
				.any = names[i].kind == TEXTS ||
					names[i].kind == JSONS,
				.digits = number_of(type, names[i].or_else),
			};
	}
	return (struct store_kind){ .kind = ASKED };
}

/* --- the same value, written as the server would --- */

static bool write_bool(const char *p, size_t n, struct strbuf *out)
{
	static const char *const words[] = { "t", "true", "1", "f", "false",
					     "0" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i]) == n && !strncasecmp(words[i], p, n)) {
			strbuf_addch(out, i < 3 ? 't' : 'f');
			return true;
		}
	return false;
}

/* hex digits as small letters, an even number of them */
static bool write_hex(const char *p, size_t n, struct strbuf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)p[i]))
			return false;
		strbuf_addch(out, (char)tolower((unsigned char)p[i]));
	}
	return n % 2 == 0;
}

/* 8-4-4-4-12 digits, or 32 at once */
static bool write_uuid(const char *p, size_t n, struct strbuf *out)
{
	static const size_t digits[] = { 8, 4, 4, 4, 12 };

	if (n != 36 && n != 32)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(digits); i++) {
		if (i)
			strbuf_addch(out, '-');
		if (i && n == 36 && *p++ != '-')
			return false;
		if (!write_hex(p, digits[i], out))
			return false;
		p += digits[i];
	}
	return true;
}

static bool write_bytes(const char *p, size_t n, struct strbuf *out)
{
	if (n < 2 || p[0] != '\\' || p[1] != 'x')
		return false;
	strbuf_add(out, p, 2);
	return write_hex(p + 2, n - 2, out);
}

static size_t characters(const char *p, size_t n)
{
	size_t ret = 0;

	while (n--)
		ret += ((unsigned char)*p++ & 0xc0) != 0x80;
	return ret;
}

/* up to its length; one that has blanks at its end, and not all of them, is
   another text */
static bool write_blanks(int most, const char *p, size_t n, struct strbuf *out)
{
	size_t chars = characters(p, n);

	if (chars > (size_t)most ||
	    (chars < (size_t)most && n && p[n - 1] == ' '))
		return false;
	strbuf_add(out, p, n);
	for (; chars < (size_t)most; chars++)
		strbuf_addch(out, ' ');
	return true;
}

static bool write_time(const struct store_kind *k, const char *p, size_t n,
		       struct strbuf *out)
{
	enum pg_time as = k->kind == DATES ? PG_DATE : k->kind == TIMES ?
		PG_TIME : k->kind == STAMPS ? PG_STAMP : PG_STAMPTZ;
	char text[PG_TIME_ROOM];
	int64_t v;

	if (!pg_time_read(as, k->digits, p, n, &v))
		return false;
	strbuf_add(out, text, pg_time_write(as, v, text));
	return true;
}

/* in place of what out holds; false: not known here, or another value */
static bool as_written(const struct store_kind *k, const char *p, size_t n,
		       struct strbuf *out)
{
	strbuf_clear(out);
	switch (k->kind) {
	case BOOLS: return write_bool(p, n, out);
	case UUIDS: return write_uuid(p, n, out);
	case BYTES: return write_bytes(p, n, out);
	case BLANKS: return k->digits && write_blanks(k->digits, p, n, out);
	case DATES: case TIMES: case STAMPS: case STAMPTZS:
		return write_time(k, p, n, out);
	default: return false;
	}
}

static void read_as(const struct store_kinds *k, struct store_batch *b)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	for (uint32_t row = 0; row < b->nrow; row++)
		for (uint32_t i = 0; i < b->ncol; i++) {
			const struct store_cell *c = store_batch_cell(b, row,
								      i);
			const char *p = store_batch_text(b, c);

			if (p && k->col[i].forms && as_written(&k->col[i], p, (size_t)c->len,
					    &text) &&
			    (text.len != (size_t)c->len ||
			     memcmp(text.buf, p, text.len)))
				store_batch_set(b, row, i, text.buf, text.len);
		}
}

/* --- one value --- */

static enum verdict decimal(int most, const char *p, size_t n)
{
	const char *dot = memchr(p, '.', n);

	/* below zero: digits in front of the point go, too */
	if (n > DIGITS || most < 0 || !json_number_valid(p, n) ||
	    memchr(p, 'e', n) || memchr(p, 'E', n))
		return ASK;
	while (dot && p[n - 1] == '0')
		n--;
	return !dot || p + n - 1 - dot <= most ? KEPT : LOST;
}

static enum verdict real8(const char *p, size_t n)
{
	_cleanup_free_ char *text = NULL;
	char again[STORE_NUMBER_ROOM];
	double v;

	if (store_real_read(p, n, &v))
		return isfinite(v) ? KEPT : ASK;
	if (!json_number_valid(p, n))
		return ASK;
	text = xstrndup(p, n);
	v = strtod(text, NULL);
	return !isfinite(v) ? ASK : json_number_cmp(p, n, again,
		store_real_write(v, again)) ? LOST : KEPT;
}

/* six digits come back from four bytes */
static enum verdict real4(const char *p, size_t n)
{
	size_t digits = 0;

	if (!json_number_valid(p, n) || memchr(p, 'e', n) ||
	    memchr(p, 'E', n) || n > 20)
		return ASK;
	for (size_t i = 0; i < n; i++)
		digits += isdigit((unsigned char)p[i]) &&
			(digits || p[i] != '0');
	return digits <= 6 ? KEPT : ASK;
}

/* what is too long is refused, but for blanks at the end */
static enum verdict chars(int most, const char *p, size_t n)
{
	size_t len = characters(p, n), blanks = 0;

	while (blanks < n && p[n - 1 - blanks] == ' ')
		blanks++;
	return most && len > (size_t)most && len - blanks <= (size_t)most ?
		LOST : KEPT;
}

/* has one of the objects a name twice? The server has the last one alone */
static bool has_twins(const struct json_tree *t, uint32_t node)
{
	bool twins = false;

	for (uint32_t i = json_child(t, node); i && !twins;
	     i = json_next(t, i)) {
		if (json_type_of(t, node) == JSON_T_OBJECT) {
			_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
			size_t n;
			const char *key = json_key(t, i, &n);

			json_text_decode(key, n, &name);
			twins = json_member(t, node, name.buf, name.len) != i;
		}
		twins = twins || has_twins(t, i);
	}
	return twins;
}

static enum verdict binary_json(const char *p, size_t n)
{
	_cleanup_json_tree_ struct json_tree t;

	json_tree_init(&t);
	if (json_tree_parse(&t, p, n) < 0)
		return ASK;
	return has_twins(&t, JSON_ROOT) ? LOST : KEPT;
}

/* room: for a text */
static enum verdict look(const struct store_kind *k, uint8_t type,
			 const char *p, size_t n, struct strbuf *room)
{
	int64_t whole;

	/* as they are they go into a column of bytes alone */
	if (type == STORE_BYTES && k->kind != BYTES)
		return k->kind == ASKED ? ASK : LOST;
	switch (k->kind) {
	case TEXTS: case JSONS: return KEPT;
	case CHARS: return chars(k->digits, p, n);
	case BLANKS: return chars(k->digits, p, n) == LOST ? LOST :
		!k->digits || characters(p, n) >= (size_t)k->digits ||
		as_written(k, p, n, room) ? KEPT : LOST;
	case WHOLE: return store_int_read(p, n, &whole) ? KEPT : ASK;
	case DECIMAL: return decimal(k->digits, p, n);
	case REAL4: return real4(p, n);
	case REAL8: return real8(p, n);
	case BINARY_JSON: return binary_json(p, n);
	default: return as_written(k, p, n, room) ? KEPT : ASK;
	}
}

static bool is_number(const char *p, size_t n)
{
	return json_number_valid(p, n);
}

/* what the server would have of it is it */
static bool came_back(const struct store_kind *k, uint8_t type,
		      const char *p, size_t n, const char *back, size_t nb)
{
	bool number = (k->kind >= WHOLE && k->kind <= REAL8) ||
		(k->kind == ASKED && (type == STORE_INT || type == STORE_NUM));

	return (n == nb && !memcmp(p, back, n)) ||
		(number && is_number(p, n) && is_number(back, nb) &&
		 json_number_cmp(p, n, back, nb) == 0);
}

/* --- rows --- */

void pg_kept_forget(struct pg_store *p)
{
	strvec_release(&p->kept.type);
	store_kinds_release(&p->kept.kinds);
	free(p->kept.of);
	memset(&p->kept, 0, sizeof(p->kept));
}

/* what the columns of the shape are; of others nothing is known, and whatever
   there is to say the server says */
static int load(struct pg_store *p, const struct store_shape *shape,
		struct strvec *types, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_pg_ops.columns(&p->s, shape->set, &b, err);

	for (uint32_t i = 0; ret >= 0 && i < shape->ncol; i++) {
		const char *type = "text", *name = shape->expr &&
			shape->expr[i] ? shape->expr[i] : shape->col[i];
		_cleanup_free_ char *text = NULL;

		for (uint32_t k = 0; k < b.nrow && !text; k++) {
			const struct store_cell *c = store_batch_cell(&b, k,
								      0);

			if ((size_t)c->len != strlen(name) ||
			    memcmp(store_batch_text(&b, c), name,
				   (size_t)c->len))
				continue;
			c = store_batch_cell(&b, k, 1);
			type = text = xstrndup(store_batch_text(&b, c),
					       (size_t)c->len);
		}
		strvec_push(types, type);
	}
	return MIN(ret, 0);
}

int pg_kinds(struct store *s, const struct store_shape *shape,
	     struct store_kinds *ret, struct error *err)
{
	_cleanup_strvec_ struct strvec types = STRVEC_INIT;
	int r = load((struct pg_store *)s, shape, &types, err);

	if (r < 0)
		return r;
	ret->n = shape->ncol;
	ret->col = xcalloc(MAX(shape->ncol, 1u), sizeof(*ret->col));
	ret->read_as = read_as;
	for (uint32_t i = 0; i < shape->ncol; i++)
		ret->col[i] = kind_of(types.v[i]);
	return 0;
}

/* from here to the end of the transaction they stay what they are */
static int know(struct pg_store *p, const struct store_shape *shape,
		struct error *err)
{
	_cleanup_strbuf_ struct strbuf of = STRBUF_INIT;
	struct pg_kept *k = &p->kept;
	int ret;

	strbuf_addf(&of, "%s ", shape->set);
	store_sql_names(&of, shape, 0, shape->ncol);
	if (k->of && !strcmp(k->of, of.buf))
		return 0;
	pg_kept_forget(p);
	ret = load(p, shape, &k->type, err);
	if (ret < 0)
		return ret;
	k->of = strbuf_detach(&of);
	k->kinds.n = shape->ncol;
	k->kinds.col = xcalloc(shape->ncol, sizeof(*k->kinds.col));
	for (uint32_t i = 0; i < shape->ncol; i++)
		k->kinds.col[i] = kind_of(k->type.v[i]);
	return 0;
}

/* values that the server is asked for */
struct asking {
	struct pg_store *p;
	const struct store_shape *shape;
	const struct store_batch *b;
	struct strbuf sql;
	struct store_batch args;
	uint32_t row[ASKED_AT_ONCE], col[ASKED_AT_ONCE];
	bool found;
	uint32_t lost_row, lost_col;
};

static void lose(struct asking *a, uint32_t row, uint32_t col)
{
	if (a->found && a->lost_row <= row)
		return;
	a->found = true;
	a->lost_row = row;
	a->lost_col = col;
}

static int answer(struct asking *a, struct error *err)
{
	_cleanup_store_batch_ struct store_batch back = STORE_BATCH_INIT;
	uint32_t n = (uint32_t)a->args.ncell;
	int ret = 0;

	a->args.ncol = n;
	a->args.nrow = 1;
	if (n)
		ret = pg_run(a->p, a->sql.buf, &a->args, NULL, 1, &back, err);
	for (uint32_t i = 0; ret == 1 && i < n; i++) {
		const struct store_cell *c = store_batch_cell(a->b, a->row[i],
							      a->col[i]);
		const struct store_cell *d = store_batch_cell(&back, 0, i);

		if (!came_back(&a->p->kept.kinds.col[a->col[i]], c->type,
			       store_batch_text(a->b, c), (size_t)c->len,
			       store_batch_text(&back, d), (size_t)d->len))
			lose(a, a->row[i], a->col[i]);
	}
	strbuf_clear(&a->sql);
	store_batch_clear(&a->args, 0);
	return MIN(ret, 0);
}

/* the same one of the same column is asked for once */
static bool is_asked(const struct asking *a, uint32_t col, const char *p,
		     size_t n)
{
	for (size_t i = 0; i < a->args.ncell; i++) {
		const struct store_cell *c = &a->args.cell[i];

		if (a->col[i] == col && (size_t)c->len == n &&
		    !memcmp(store_batch_text(&a->args, c), p, n))
			return true;
	}
	return false;
}

static int ask(struct asking *a, uint32_t row, uint32_t col,
	       struct error *err)
{
	const struct store_cell *c = store_batch_cell(a->b, row, col);
	const char *text = store_batch_text(a->b, c);
	uint32_t n = (uint32_t)a->args.ncell;

	if (is_asked(a, col, text, (size_t)c->len))
		return 0;
	store_batch_add(&a->args, c->type, text, (size_t)c->len);
	/* concat: as it is written, not as a cast makes it a text */
	strbuf_addf(&a->sql, "%sconcat($%u::%s)", n ? ", " : "SELECT ", n + 1,
		    a->p->kept.type.v[col]);
	a->row[n] = row;
	a->col[n] = col;
	return n + 1 < ASKED_AT_ONCE ? 0 : answer(a, err);
}

int pg_keeps(struct store *s, const struct store_shape *shape,
	     const struct store_batch *b, uint32_t from, uint32_t n,
	     uint32_t *row, uint32_t *col, struct error *err)
{
	struct asking *a = xcalloc(1, sizeof(*a));
	_cleanup_strbuf_ struct strbuf room = STRBUF_INIT;
	struct pg_store *p = (struct pg_store *)s;
	int ret = know(p, shape, err);

	*a = (struct asking){ .p = p, .shape = shape, .b = b,
			      .sql = STRBUF_INIT };
	for (uint32_t i = from; ret >= 0 && i < from + n && !a->found; i++)
		for (uint32_t k = 0; ret >= 0 && k < shape->ncol; k++) {
			const struct store_cell *c = store_batch_cell(b, i, k);
			enum verdict v;

			if (c->len < 0 || (shape->loose && shape->loose[k]))
				continue;
			v = look(&p->kept.kinds.col[k], c->type,
				 store_batch_text(b, c), (size_t)c->len,
				 &room);
			if (v == LOST)
				lose(a, i, k);
			else if (v == ASK)
				ret = ask(a, i, k, err);
		}
	if (ret >= 0)
		ret = answer(a, err);
	*row = a->lost_row;
	*col = a->lost_col;
	ret = ret < 0 ? ret : !a->found;
	strbuf_release(&a->sql);
	store_batch_release(&a->args);
	free(a);
	return ret;
}

int pg_refuse_lost(struct pg_store *p, const struct store_shape *shape,
		   const struct store_batch *b, uint32_t from, uint32_t n,
		   struct error *err)
{
	uint32_t row, col;
	int ret = pg_keeps(&p->s, shape, b, from, n, &row, &col, err);

	if (ret)
		return MIN(ret, 0);
	return store_not_kept(&p->s, shape->col[col], err);
}
