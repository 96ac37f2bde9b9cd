/* SPDX-License-Identifier: MIT */
/*
 * Rows of cells in the binary form of COPY, which a server takes with less work
 * than their text: it reads no numbers and times. Only into built-in types of
 * which we know the form, and only a text that has one value in it beyond
 * doubt, the same that the server would find: numbers, UUIDs and bytes as they
 * are written here, dates and times as ISO 8601 has them. A row with another,
 * and all behind it, goes as text; so what is refused is refused by the server,
 * for its own reasons.
 * Source: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format"
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "store-pg-internal.h"

/* so much text is had twice; a row that is longer alone */
#define SLICE (1u << 20)
#define LONGEST (8u << 20)
#define PIECE 65536

static void put(struct strbuf *out, uint64_t v, int bytes)
{
	char text[8];

	for (int i = bytes; i-- > 0; v >>= 8)
		text[i] = (char)v;
	strbuf_add(out, text, (size_t)bytes);
}

static void put_value(struct strbuf *out, uint64_t v, int bytes)
{
	put(out, (uint64_t)bytes, 4);
	put(out, v, bytes);
}

static bool put_int(const char *p, size_t n, int bytes, struct strbuf *out)
{
	int64_t v, most = bytes == 8 ? INT64_MAX : (1ll << (8 * bytes - 1)) - 1;

	if (!store_int_read(p, n, &v) || v > most || v < -most - 1)
		return false;
	put_value(out, (uint64_t)v, bytes);
	return true;
}

static bool put_real(const char *p, size_t n, struct strbuf *out)
{
	uint64_t bits;
	double v;

	if (!store_real_read(p, n, &v) || !isfinite(v) ||
	    (v != 0 && fabs(v) < DBL_MIN))
		return false;
	memcpy(&bits, &v, sizeof(bits));
	put_value(out, bits, 8);
	return true;
}

static bool put_bool(const char *p, size_t n, struct strbuf *out)
{
	if (n != 1 || !strchr("tf10", *p))
		return false;
	put_value(out, *p == 't' || *p == '1', 1);
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool put_hex(const char *p, size_t n, struct strbuf *out)
{
	if (n % 2)
		return false;
	for (size_t i = 0; i < n; i += 2) {
		int high = hex(p[i]), low = hex(p[i + 1]);

		if (high < 0 || low < 0)
			return false;
		strbuf_addch(out, (char)(high << 4 | low));
	}
	return true;
}

static bool put_bytea(const char *p, size_t n, struct strbuf *out)
{
	if (n < 2 || p[0] != '\\' || p[1] != 'x')
		return false;
	put(out, (n - 2) / 2, 4);
	return put_hex(p + 2, n - 2, out);
}

static bool put_uuid(const char *p, size_t n, struct strbuf *out)
{
	/* digits between the hyphens */
	static const int digits[] = { 8, 4, 4, 4, 12 };

	if (n != 36)
		return false;
	put(out, 16, 4);
	for (size_t i = 0; i < ARRAY_SIZE(digits); i++) {
		if (i && *p++ != '-')
			return false;
		if (!put_hex(p, (size_t)digits[i], out))
			return false;
		p += digits[i];
	}
	return true;
}

static bool put_text(const char *p, size_t n, bool version, struct strbuf *out)
{
	if (memchr(p, 0, n))
		return false;
	put(out, n + version, 4);
	if (version)
		strbuf_addch(out, 1);
	strbuf_add(out, p, n);
	return true;
}

/* --- times --- */

static bool put_time(uint32_t type, const char *p, size_t n,
		     struct strbuf *out)
{
	int64_t v;

	if (!pg_time_read(type == 1082 ? PG_DATE : type == 1184 ? PG_STAMPTZ :
			  PG_STAMP, PG_TIME_DIGITS, p, n, &v))
		return false;
	if (type == 1082)
		put_value(out, (uint64_t)(v / PG_TIME_DAY), 4);
	else
		put_value(out, (uint64_t)v, 8);
	return true;
}

/* --- rows --- */

static bool can_put(uint32_t type)
{
	switch (type) {
	case 16: case 17: case 20: case 21: case 23: case 25: case 114:
	case 701: case 1042: case 1043: case 1082: case 1114: case 1184:
	case 2950: case 3802:
		return true;
	default:
		return false;
	}
}

/* false: as text; what was added then is of no use */
static bool put_cell(uint32_t type, const char *p, size_t n,
		     struct strbuf *out)
{
	switch (type) {
	case 16: return put_bool(p, n, out);
	case 17: return put_bytea(p, n, out);
	case 20: return put_int(p, n, 8, out);
	case 21: return put_int(p, n, 2, out);
	case 23: return put_int(p, n, 4, out);
	case 701: return put_real(p, n, out);
	case 2950: return put_uuid(p, n, out);
	case 3802: return put_text(p, n, true, out);
	case 1082: case 1114: case 1184: return put_time(type, p, n, out);
	default: return put_text(p, n, false, out);
	}
}

static size_t weight(const struct store_batch *b, uint32_t row)
{
	size_t bytes = 0;

	for (uint32_t c = 0; c < b->ncol; c++)
		bytes += (size_t)MAX(store_batch_cell(b, row, c)->len, 0);
	return bytes;
}

static bool put_row(const uint32_t *type, const struct store_batch *b,
		    uint32_t row, struct strbuf *out)
{
	put(out, b->ncol, 2);
	for (uint32_t c = 0; c < b->ncol; c++) {
		const struct store_cell *v = store_batch_cell(b, row, c);

		if (v->len < 0)
			put(out, UINT32_MAX, 4);
		else if (!put_cell(type[c], store_batch_text(b, v),
				   (size_t)v->len, out))
			return false;
	}
	return true;
}

/* How many of the rows from .. to, in place of what out holds; 0: the first is
   for others, and all behind it too unless it is only long. */
static uint32_t put_slice(struct pg_store *p, const uint32_t *type,
			  const struct store_batch *b, uint32_t from,
			  uint32_t to, struct strbuf *out)
{
	uint32_t row = from;
	size_t bytes = 0;

	strbuf_clear(out);
	strbuf_add(out, PG_COPY_HEAD, PG_COPY_HEAD_SIZE);
	for (; row < to && bytes < SLICE; row++) {
		size_t n = weight(b, row), len = out->len;

		if (n > LONGEST)
			break;
		p->typed = put_row(type, b, row, out);
		if (!p->typed) {
			strbuf_set_len(out, len);
			break;
		}
		bytes += n;
	}
	put(out, 0xffff, 2);
	return row - from;
}

struct sending {
	const char *p;
	size_t n;
};

/* store_source_fn */
static ssize_t next_piece(void *ctx, const char **p, _unused_ struct error *err)
{
	struct sending *s = ctx;
	size_t n = MIN(s->n, (size_t)PIECE);

	*p = s->p;
	s->p += n;
	s->n -= n;
	return (ssize_t)n;
}

void pg_typed(struct store *s, const struct store_shape *shape)
{
	_cleanup_free_ uint32_t *type = xcalloc(shape->ncol, sizeof(*type));
	struct pg_store *p = (struct pg_store *)s;

	p->typed = !(s->taken & STORE_CAP_COPY) &&
		store_can(s, STORE_CAP_BINARY) &&
		pg_types_of(p, shape->set, shape, type, NULL, NULL) == 0;
	for (uint32_t i = 0; p->typed && i < shape->ncol; i++)
		p->typed = can_put(type[i]);
	s->sqlstate[0] = '\0';
}

int pg_copy_typed(struct pg_store *p, const char *set,
		  const struct store_shape *shape, const struct store_batch *b,
		  uint32_t from, uint32_t n, uint32_t *sent,
		  struct error *err)
{
	_cleanup_free_ uint32_t *type = xcalloc(shape->ncol, sizeof(*type));
	_cleanup_strbuf_ struct strbuf rows = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	/* from here to the end of the transaction they stay what they are */
	int ret = pg_types_of(p, set, shape, type, NULL, err);
	uint32_t done = 0, more;
	int taken = 0;

	for (uint32_t i = 0; i < shape->ncol; i++)
		p->typed = p->typed && can_put(type[i]);
	strbuf_addstr(&sql, "COPY ");
	store_sql_set(&sql, set);
	strbuf_addstr(&sql, " (");
	store_sql_names(&sql, shape, 0, shape->ncol);
	strbuf_addstr(&sql, ") FROM STDIN (FORMAT binary)");
	while (ret >= 0 && p->typed && done < n) {
		struct sending out;

		more = put_slice(p, type, b, from + done, from + n, &rows);
		if (!more)
			break;
		out = (struct sending){ .p = rows.buf, .n = rows.len };
		ret = pg_copy_stream(&p->s, sql.buf, next_piece, &out, err);
		done += more;
		taken += MAX(ret, 0);
	}
	*sent = done;
	return ret < 0 ? ret : taken;
}
