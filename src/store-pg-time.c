/* SPDX-License-Identifier: MIT */
/*
 * Dates and times as ISO 8601 has them, where the server would find the same
 * value in the text beyond doubt and lose nothing of it; as numbers, and as the
 * server writes them in a session that is in UTC.
 * Source: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms
 */
#include <stdio.h>
#include <string.h>

#include "store-pg-internal.h"

/* 2000-01-01 since 1970-01-01 */
#define EPOCH_DAYS 10957
#define DAY_US PG_TIME_DAY

struct reading {
	const char *p, *end;
	bool bad;
};

/* exactly so many digits, a number from low to high */
static int number(struct reading *r, int digits, int low, int high)
{
	int v = 0;

	for (int i = 0; i < digits; i++) {
		if (r->p == r->end || *r->p < '0' || *r->p > '9') {
			r->bad = true;
			return low;
		}
		v = v * 10 + (*r->p++ - '0');
	}
	r->bad = r->bad || v < low || v > high;
	return v;
}

static bool has(struct reading *r, char c)
{
	bool there = r->p < r->end && *r->p == c;

	r->p += there;
	return there;
}

static void need(struct reading *r, char c)
{
	r->bad = !has(r, c) || r->bad;
}

static int month_days(int y, int m)
{
	if (m == 2)
		return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 29 : 28;
	return m == 4 || m == 6 || m == 9 || m == 11 ? 30 : 31;
}

/* since 1970-01-01; years of which nobody thinks otherwise */
static int64_t days(struct reading *r)
{
	int y = number(r, 4, 1000, 9999), m, d, era, of_era, of_year;

	need(r, '-');
	m = number(r, 2, 1, 12);
	need(r, '-');
	d = number(r, 2, 1, 31);
	if (r->bad || d > month_days(y, m)) {
		r->bad = true;
		return 0;
	}
	y -= m <= 2;
	era = y / 400;
	of_era = y - era * 400;
	of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return (int64_t)era * 146097 + of_era * 365 + of_era / 4 -
	       of_era / 100 + of_year - 719468;
}

/* of a day, in microseconds, of which the last are zeros that the column does
   not have */
static int64_t day_time(struct reading *r, int digits)
{
	int64_t us = number(r, 2, 0, 23) * 3600ll, unit = 100000;
	int n = 0;

	need(r, ':');
	us += number(r, 2, 0, 59) * 60;
	if (has(r, ':'))
		us += number(r, 2, 0, 59);
	us *= 1000000;
	if (!has(r, '.'))
		return us;
	do {
		int d = number(r, 1, 0, 9);

		/* the server would round */
		if (n++ >= digits && d)
			r->bad = true;
		us += d * unit;
		unit /= 10;
	} while (r->p < r->end && *r->p >= '0' && *r->p <= '9');
	return us;
}

/* Z, +00, -03:30; none: the session is in UTC */
static int64_t zone(struct reading *r)
{
	int sign = has(r, '+') ? 1 : has(r, '-') ? -1 : 0;
	int64_t minutes;

	if (!sign) {
		(void)has(r, 'Z');
		return 0;
	}
	minutes = number(r, 2, 0, 14) * 60;
	if (has(r, ':'))
		minutes += number(r, 2, 0, 59);
	return sign * minutes * 60000000;
}

bool pg_time_read(enum pg_time as, int digits, const char *p, size_t n,
		  int64_t *ret)
{
	struct reading r = { .p = p, .end = p + n };
	int64_t v = as == PG_TIME ? 0 : (days(&r) - EPOCH_DAYS) * DAY_US;
	int64_t off;

	if (as == PG_TIME) {
		v = day_time(&r, digits);
	} else if (r.p != r.end) {
		if (!has(&r, ' '))
			need(&r, 'T');
		v += day_time(&r, digits);
		off = zone(&r);
		/* the others would leave it out */
		r.bad = r.bad || (off && as != PG_STAMPTZ);
		v -= off;
	}
	if (as == PG_DATE && v % DAY_US)
		return false;
	*ret = v;
	return !r.bad && r.p == r.end;
}

static size_t write_day(int64_t z, char *out)
{
	int64_t era, of_era, y_of_era, of_year, mp, y, m;

	z += EPOCH_DAYS + 719468;
	era = z / 146097;
	of_era = z - era * 146097;
	y_of_era = (of_era - of_era / 1460 + of_era / 36524 -
		    of_era / 146096) / 365;
	of_year = of_era - (365 * y_of_era + y_of_era / 4 - y_of_era / 100);
	mp = (5 * of_year + 2) / 153;
	m = mp < 10 ? mp + 3 : mp - 9;
	y = y_of_era + era * 400 + (m <= 2);
	return (size_t)snprintf(out, PG_TIME_ROOM, "%04d-%02d-%02d", (int)y,
				(int)m, (int)(of_year - (153 * mp + 2) / 5 + 1));
}

size_t pg_time_write(enum pg_time as, int64_t v, char *out)
{
	int64_t day = v / DAY_US, us = v % DAY_US;
	size_t n = 0;
	int s;

	if (us < 0) {
		day--;
		us += DAY_US;
	}
	if (as != PG_TIME)
		n = write_day(day, out);
	if (as == PG_DATE)
		return n;
	if (n)
		out[n++] = ' ';
	s = (int)(us / 1000000);
	us %= 1000000;
	n += (size_t)snprintf(out + n, PG_TIME_ROOM - n, "%02d:%02d:%02d",
			      s / 3600, s / 60 % 60, s % 60);
	if (us) {
		n += (size_t)snprintf(out + n, PG_TIME_ROOM - n, ".%06d",
				      (int)us);
		while (out[n - 1] == '0')
			n--;
	}
	if (as == PG_STAMPTZ) {
		memcpy(out + n, "+00", 3);
		n += 3;
	}
	return n;
}
