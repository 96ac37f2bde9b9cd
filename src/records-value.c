/* SPDX-License-Identifier: MIT */
/* Cells: their order, and whether two of them mean the same. */
#include <stdlib.h>
#include <string.h>

#include "json-text.h"
#include "json-tree.h"
#include "records-internal.h"

struct text {
	const char *p;           /* NULL: NULL */
	size_t n;
	enum store_type type;
};

static struct text text_at(const struct store_batch *b, uint32_t row,
			   uint32_t col)
{
	const struct store_cell *c = store_batch_cell(b, row, col);
	struct text t = { .p = store_batch_text(b, c),
			  .type = (enum store_type)c->type };

	t.n = t.p ? (size_t)c->len : 0;
	return t;
}

static bool same_bytes(const struct text *a, const struct text *b)
{
	if (!a->p || !b->p)
		return !a->p && !b->p;
	return a->n == b->n && !memcmp(a->p, b->p, a->n);
}

static bool is_number_type(const struct text *t)
{
	return t->type == STORE_INT || t->type == STORE_NUM;
}

static bool is_number(const struct text *t)
{
	return is_number_type(t) && json_number_valid(t->p, t->n);
}

/* true and false are 1 and 0 where a database has no other */
static struct text as_number(struct text t)
{
	if (t.type == STORE_BOOL && t.n == 1) {
		t.p = *t.p == 't' ? "1" : "0";
		t.type = STORE_INT;
	}
	return t;
}

static int cell_cmp(struct text a, struct text b)
{
	int r;

	if (!a.p || !b.p)
		return (a.p != NULL) - (b.p != NULL);
	a = as_number(a);
	b = as_number(b);
	if (is_number(&a) && is_number(&b))
		return json_number_cmp(a.p, a.n, b.p, b.n);
	r = memcmp(a.p, b.p, MIN(a.n, b.n));
	return r ? r : (a.n > b.n) - (a.n < b.n);
}

int records_key_cmp(const struct store_batch *a, uint32_t ra,
		    const struct store_batch *b, uint32_t rb, uint32_t nkey)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < nkey; i++)
		r = cell_cmp(text_at(a, ra, i), text_at(b, rb, i));
	return r;
}

bool records_key_sort(const struct store_batch *b, uint32_t row,
		      uint32_t nkey, unsigned char *sort)
{
	for (uint32_t i = 0; i < nkey; i++) {
		struct text t = as_number(text_at(b, row, i));
		unsigned char now = t.p && is_number(&t) ? RECORDS_BY_VALUE :
				    RECORDS_BY_BYTES;

		if (!sort[i])
			sort[i] = now;
		if (sort[i] != now)
			return false;
	}
	return true;
}

/* 1.50 as 1.5, 2.0 as 2, -0 as 0 */
static struct text short_number(struct text t)
{
	if (memchr(t.p, '.', t.n)) {
		while (t.p[t.n - 1] == '0')
			t.n--;
		if (t.p[t.n - 1] == '.')
			t.n--;
	}
	if (t.n == 2 && !memcmp(t.p, "-0", 2))
		t.p++, t.n--;
	return t;
}

/* so many digits stand as they are; below 0.0001 and above there is an exponent,
   as the stores write it */
#define PLAIN_DIGITS 40
/* more is a text that no store has made */
#define MOST_EXPONENT 100000000

static bool is_plain(struct text t)
{
	size_t sign = *t.p == '-';

	return t.n <= PLAIN_DIGITS && !memchr(t.p, 'e', t.n) &&
		!memchr(t.p, 'E', t.n) &&
		(t.n < sign + 6 || memcmp(t.p + sign, "0.0000", 6));
}

static int exponent(const char *p, const char *end)
{
	bool minus = p < end && *p == '-';
	int v = 0;

	for (p += p < end && (*p == '-' || *p == '+'); p < end; p++)
		v = v < MOST_EXPONENT ? v * 10 + (*p - '0') : v;
	return minus ? -v : v;
}

/* digits without zeros at either end, of which the first is a power of ten */
static void write_number(const struct strbuf *digits, int exp,
			 struct strbuf *out)
{
	int n = (int)digits->len;

	if (exp >= -4 && exp < PLAIN_DIGITS) {
		if (exp < 0)
			strbuf_addf(out, "0.%.*s", -exp - 1, "000");
		for (int i = 0; i < n || i <= exp; i++) {
			if (exp >= 0 && i == exp + 1)
				strbuf_addch(out, '.');
			strbuf_addch(out, i < n ? digits->buf[i] : '0');
		}
		return;
	}
	strbuf_addf(out, "%c%s%se%c%02d", digits->buf[0], n > 1 ? "." : "",
		    digits->buf + 1, exp < 0 ? '-' : '+', abs(exp));
}

/* The same for the same number: 1e+15 as 1000000000000000, which a text may say,
   too. */
static void add_number(struct text t, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf digits = STRBUF_INIT;
	const char *p = t.p, *end = t.p + t.n, *last = p, *dot = NULL;
	int exp;

	if (is_plain(t)) {
		t = short_number(t);
		strbuf_add(out, t.p, t.n);
		return;
	}
	while (last < end && *last != 'e' && *last != 'E') {
		dot = *last == '.' ? last : dot;
		last++;
	}
	exp = last < end ? exponent(last + 1, end) : 0;
	p += *p == '-';
	exp += (int)((dot ? dot : last) - p) - 1;
	for (; p < last; p++)
		if (*p == '0' && !digits.len)
			exp--;
		else if (*p != '.')
			strbuf_addch(&digits, *p);
	while (digits.len && digits.buf[digits.len - 1] == '0')
		strbuf_set_len(&digits, digits.len - 1);
	if (!digits.len) {
		strbuf_addch(out, '0');
		return;
	}
	if (*t.p == '-')
		strbuf_addch(out, '-');
	write_number(&digits, exp, out);
}

void records_key_text(const struct store_batch *b, uint32_t row,
		      uint32_t nkey, struct strbuf *out)
{
	for (uint32_t i = 0; i < nkey; i++) {
		struct text t = as_number(text_at(b, row, i));
		size_t at = out->len;
		uint32_t n = UINT32_MAX;

		strbuf_add(out, &n, sizeof(n));
		if (t.p && is_number(&t))
			add_number(t, out);
		else if (t.p)
			strbuf_add(out, t.p, t.n);
		/* lengths, so that no text can look like two */
		n = (uint32_t)(out->len - at - sizeof(n));
		if (t.p)
			memcpy(out->buf + at, &n, sizeof(n));
	}
}

static bool same_number(struct text a, struct text b)
{
	a = as_number(a);
	b = as_number(b);
	return (is_number_type(&a) || is_number_type(&b)) &&
		json_number_valid(a.p, a.n) && json_number_valid(b.p, b.n) &&
		json_number_cmp(a.p, a.n, b.p, b.n) == 0;
}

static bool same_json(const struct text *a, const struct text *b)
{
	_cleanup_json_tree_ struct json_tree t;
	_cleanup_json_tree_ struct json_tree u;

	json_tree_init(&t);
	json_tree_init(&u);
	return (a->type == STORE_JSON || b->type == STORE_JSON) &&
		json_tree_parse(&t, a->p, a->n) == 0 &&
		json_tree_parse(&u, b->p, b->n) == 0 &&
		json_equal(&t, JSON_ROOT, &u, JSON_ROOT);
}

/* for cells whose bytes are not the same */
static bool same_value(const struct text *a, const struct text *b)
{
	return a->p && b->p && (same_number(*a, *b) || same_json(a, b));
}

int records_row_cmp(const struct store_batch *a, uint32_t ra,
		    const struct store_batch *b, uint32_t rb, uint32_t ncol,
		    uint32_t *cols, uint32_t *ret_n)
{
	int kind = -1;
	uint32_t n = 0;

	for (uint32_t i = 0; i < ncol; i++) {
		struct text x = text_at(a, ra, i), y = text_at(b, rb, i);
		bool same;

		if (same_bytes(&x, &y))
			continue;
		same = same_value(&x, &y);
		/* what is different hides what is merely equivalent */
		if (kind == RECORDS_DIFFERENT && same)
			continue;
		if (kind == RECORDS_EQUIVALENT && !same)
			n = 0;
		kind = same ? RECORDS_EQUIVALENT : RECORDS_DIFFERENT;
		cols[n++] = i;
	}
	*ret_n = n;
	return kind;
}

uint32_t records_same(const struct store_batch *a, const struct store_batch *b)
{
	uint32_t *cols = xcalloc(MAX(a->ncol, 1u), sizeof(*cols)), n, row = 0;
	bool same = a->ncol == b->ncol || (!a->nrow && !b->nrow);

	while (same && row < a->nrow && row < b->nrow) {
		same = records_row_cmp(a, row, b, row, a->ncol, cols, &n) !=
			RECORDS_DIFFERENT;
		row += same;
	}
	free(cols);
	return same && a->nrow == b->nrow ? 0 : row + 1;
}
