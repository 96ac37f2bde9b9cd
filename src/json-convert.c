/* SPDX-License-Identifier: MIT */
/*
 * Values of one type as values of another, without loss; what cannot be said
 * in the other type is refused.
 *
 * Times: RFC 3339 with its zone; the days of a date after H. Hinnant, "chrono-
 * Compatible Low-Level Date Algorithms". Fractions of a second keep all their
 * digits.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "json-op.h"
#include "json-text.h"

const char *const json_convert_names[] = {
	"string", "number", "boolean", "unix-time", "unix-time-ms", "iso8601",
	"iso8601-from-ms", NULL,
};

static int refuse(struct error *err, const char *why)
{
	return error_set(err, ERR_STEP, -EINVAL, "%s", _(why));
}

/* --- times --- */

static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t z, int64_t *y, int64_t *m, int64_t *d)
{
	int64_t era, doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = doy - (153 * mp + 2) / 5 + 1;
	*m = mp < 10 ? mp + 3 : mp - 9;
	*y = yoe + era * 400 + (*m <= 2);
}

/* n digits and then the byte behind them; -1 if they are none */
static int64_t digits(const char **p, int n)
{
	int64_t v = 0;

	for (; n; n--, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		v = v * 10 + (**p - '0');
	}
	return v;
}

static bool zone(const char *p, int64_t *seconds)
{
	bool west = *p == '-';
	int64_t h, m;

	if ((*p | 0x20) == 'z') {
		*seconds = 0;
		return !p[1];
	}
	if (*p != '+' && *p != '-')
		return false;
	p++;
	h = digits(&p, 2);
	if (*p == ':')
		p++;
	m = h < 0 ? -1 : digits(&p, 2);
	if (h < 0 || h > 23 || m < 0 || m > 59 || *p)
		return false;
	*seconds = (h * 60 + m) * 60 * (west ? -1 : 1);
	return true;
}

struct moment {
	int64_t seconds;
	/* digits behind the point */
	const char *fraction;
	size_t n;
};

static int read_iso(const char *p, struct moment *ret, struct error *err)
{
	static const int64_t days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30,
		31, 30, 31 };
	int64_t y, m, d, h, min, s, off;
	bool leap;

	y = digits(&p, 4);
	m = y < 0 || *p++ != '-' ? -1 : digits(&p, 2);
	d = m < 1 || *p++ != '-' ? -1 : digits(&p, 2);
	if (d < 1 || m > 12 || (*p != 'T' && *p != 't' && *p != ' '))
		return refuse(err, N_("this is no time as in RFC 3339"));
	p++;
	leap = y % 4 == 0 && (y % 100 || y % 400 == 0);
	h = digits(&p, 2);
	min = h < 0 || *p++ != ':' ? -1 : digits(&p, 2);
	s = min < 0 || *p++ != ':' ? -1 : digits(&p, 2);
	if (s < 0 || h > 23 || min > 59 || s > 59 || d > days[m - 1] ||
	    (m == 2 && d == 29 && !leap))
		return refuse(err, N_("there is no such time"));
	*ret = (struct moment) { 0 };
	if (*p == '.') {
		ret->fraction = ++p;
		ret->n = strspn(p, "0123456789");
		p += ret->n;
		if (!ret->n)
			return refuse(err, N_("this is no time as in RFC "
					      "3339"));
	}
	if (!*p)
		return refuse(err, N_("the time has no zone"));
	if (!zone(p, &off))
		return refuse(err, N_("this is no time as in RFC 3339"));
	ret->seconds = days_of(y, m, d) * 86400 + h * 3600 + min * 60 + s -
		off;
	return 0;
}

static bool all_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != '0')
			return false;
	return true;
}

static int to_unix(const char *text, bool ms, struct strbuf *out,
		   struct error *err)
{
	struct moment m;
	size_t used;
	int ret = read_iso(text, &m, err);

	if (ret < 0)
		return ret;
	if (m.seconds < 0 && !all_zero(m.fraction, m.n))
		return refuse(err, N_("a part of a second before 1970 is not "
				      "supported"));
	used = ms ? MIN(m.n, 3u) : 0;
	if (ms) {
		int64_t v = 0;

		for (size_t i = 0; i < 3; i++)
			v = v * 10 + (i < used ? m.fraction[i] - '0' : 0);
		strbuf_addf(out, "%lld", (long long)(m.seconds * 1000 + v));
	} else {
		strbuf_addf(out, "%lld", (long long)m.seconds);
	}
	if (m.n > used) {
		strbuf_addch(out, '.');
		strbuf_add(out, m.fraction + used, m.n - used);
	}
	return 0;
}

/* the whole part of a number written without an exponent */
static int read_whole(const char *p, size_t n, int64_t *ret, size_t *used)
{
	bool negative = *p == '-';
	int64_t v = 0;
	size_t i = negative;

	for (; i < n && p[i] >= '0' && p[i] <= '9'; i++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, p[i] - '0', &v))
			return -ERANGE;
	if (i < n && p[i] != '.')
		return -EINVAL;
	*ret = negative ? -v : v;
	*used = i + (i < n);
	return 0;
}

static int to_iso(const char *p, size_t n, bool ms, struct strbuf *out,
		  struct error *err)
{
	int64_t v, y, m, d, days, rest, part = 0;
	size_t used;

	if (read_whole(p, n, &v, &used) < 0 ||
	    v > INT64_C(253402300799999) || v < INT64_C(-62167219200000))
		return refuse(err, N_("this number is no time"));
	if (*p == '-' && (used < n || (ms && v % 1000)))
		return refuse(err, N_("a part of a second before 1970 is not "
				      "supported"));
	if (ms) {
		part = v % 1000;
		v /= 1000;
	}
	days = (v >= 0 ? v : v - 86399) / 86400;
	rest = v - days * 86400;
	date_of(days, &y, &m, &d);
	if (y < 0 || y > 9999)
		return refuse(err, N_("this number is no time"));
	strbuf_addf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d", (int)y, (int)m,
		    (int)d, (int)(rest / 3600), (int)(rest / 60 % 60),
		    (int)(rest % 60));
	if (ms && (part || used < n))
		strbuf_addf(out, ".%03d", (int)part);
	if (used < n) {
		if (!ms)
			strbuf_addch(out, '.');
		strbuf_add(out, p + used, n - used);
	}
	strbuf_addstr(out, "Z\"");
	return 0;
}

/* --- the rest --- */

static bool is_number(const char *text, size_t n)
{
	_cleanup_json_tree_ struct json_tree t;

	json_tree_init(&t);
	return n && strchr("-0123456789", *text) &&
		strspn(text, "+-.0123456789eE") == n &&
		json_tree_parse(&t, text, n) >= 0;
}

static int to_number(const char *raw, size_t n, enum json_node_type type,
		     const struct strbuf *text, struct strbuf *out,
		     struct error *err)
{
	if (type == JSON_T_NUMBER)
		strbuf_add(out, raw, n);
	else if (type == JSON_T_TRUE || type == JSON_T_FALSE)
		strbuf_addch(out, type == JSON_T_TRUE ? '1' : '0');
	else if (type == JSON_T_STRING && is_number(text->buf, text->len))
		strbuf_add(out, text->buf, text->len);
	else
		return refuse(err, N_("the value cannot be a number"));
	return 0;
}

static int to_boolean(const char *raw, size_t n, enum json_node_type type,
		      const struct strbuf *text, struct strbuf *out,
		      struct error *err)
{
	bool yes = type == JSON_T_TRUE, no = type == JSON_T_FALSE;

	if (type == JSON_T_NUMBER) {
		yes = !json_number_cmp(raw, n, "1", 1);
		no = !json_number_cmp(raw, n, "0", 1);
	} else if (type == JSON_T_STRING) {
		yes = !strcmp(text->buf, "true");
		no = !strcmp(text->buf, "false");
	}
	if (!yes && !no)
		return refuse(err, N_("the value is neither true nor false"));
	strbuf_addstr(out, yes ? "true" : "false");
	return 0;
}

static int to_string(const char *raw, size_t n, enum json_node_type type,
		     struct strbuf *out)
{
	if (type == JSON_T_STRING) {
		strbuf_add(out, raw, n);
		return 0;
	}
	strbuf_addch(out, '"');
	strbuf_add(out, raw, n);
	strbuf_addch(out, '"');
	return 0;
}

static int to_time(const char *raw, size_t n, enum json_node_type type,
		   enum json_convert to, const struct strbuf *text,
		   struct strbuf *out, struct error *err)
{
	bool iso = to == JSON_TO_ISO8601 || to == JSON_TO_ISO8601_MS;

	if (type != JSON_T_STRING && type != JSON_T_NUMBER)
		return refuse(err, N_("the value is no time"));
	/* it is one already */
	if ((type == JSON_T_STRING) == iso) {
		struct moment m;

		strbuf_add(out, raw, n);
		return iso ? read_iso(text->buf, &m, err) : 0;
	}
	return iso ? to_iso(raw, n, to == JSON_TO_ISO8601_MS, out, err) :
		to_unix(text->buf, to == JSON_TO_UNIX_MS, out, err);
}

int json_convert_value(const struct json_tree *t, uint32_t i,
		       enum json_convert to, struct strbuf *out,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	enum json_node_type type = json_type_of(t, i);
	const char *raw;
	size_t n;

	if (type >= JSON_T_ARRAY || type == JSON_T_NULL)
		return refuse(err, N_("null, an array or an object cannot be "
				      "converted"));
	raw = json_raw(t, i, &n);
	if (type == JSON_T_STRING)
		json_string(t, i, &text);
	if (memchr(text.buf, '\0', text.len))
		return to == JSON_TO_STRING ? to_string(raw, n, type, out) :
			refuse(err, N_("the value holds a NUL"));
	switch (to) {
	case JSON_TO_STRING:
		return to_string(raw, n, type, out);
	case JSON_TO_NUMBER:
		return to_number(raw, n, type, &text, out, err);
	case JSON_TO_BOOLEAN:
		return to_boolean(raw, n, type, &text, out, err);
	default:
		return to_time(raw, n, type, to, &text, out, err);
	}
}
