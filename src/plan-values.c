/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"

/* glibc unrolls {n,m}; this bounds what a pattern may grow to. */
#define REGEX_REPEAT_MAX 4096
#define REGEX_LENGTH_MAX 2000

static const struct {
	const char *name;
	double seconds;
} duration_units[] = {
	{ "ms", 0.001 },
	{ "s", 1 }, { "sec", 1 }, { "second", 1 }, { "seconds", 1 },
	{ "m", 60 }, { "min", 60 }, { "minute", 60 }, { "minutes", 60 },
	{ "h", 3600 }, { "hour", 3600 }, { "hours", 3600 },
	{ "d", 86400 }, { "day", 86400 }, { "days", 86400 },
	{ "w", 604800 }, { "week", 604800 }, { "weeks", 604800 },
};

/*
 * Digits with at most one point, in the "C" locale whatever the program's is;
 * *end is behind them.
 */
static int plain_number(const char *text, double *ret, const char **end)
{
	double v = 0, scale = 1;
	size_t digits = 0;
	const char *s = text;

	for (; isdigit((unsigned char)*s); s++, digits++)
		v = v * 10 + (*s - '0');
	if (*s == '.')
		for (s++; isdigit((unsigned char)*s); s++, digits++) {
			scale /= 10;
			v += (*s - '0') * scale;
		}
	if (!digits || !isfinite(v))
		return -EINVAL;
	*ret = v;
	*end = s;
	return 0;
}

int parse_duration(const char *text, double *ret)
{
	const char *s;
	double v;

	if (plain_number(text, &v, &s) < 0)
		return -EINVAL;
	while (*s == ' ')
		s++;
	if (*s) {
		size_t i = 0;

		while (i < ARRAY_SIZE(duration_units) &&
		       strcmp(s, duration_units[i].name))
			i++;
		if (i == ARRAY_SIZE(duration_units))
			return -EINVAL;
		v *= duration_units[i].seconds;
	}
	if (v > PLAN_DURATION_MAX)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGTP";
	const char *s = text, *unit;
	uint64_t v = 0;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	while (*s == ' ')
		s++;
	unit = *s ? strchr(units, toupper((unsigned char)*s)) : NULL;
	if (unit) {
		for (const char *u = units; u <= unit; u++)
			if (__builtin_mul_overflow(v, 1024, &v))
				return -ERANGE;
		s++;
		if (*s == 'i')
			s++;
	}
	if (*s == 'B')
		s++;
	/* a file system counts in signed 64 bits */
	if (*s)
		return -EINVAL;
	if (v > INT64_MAX)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_mode(const char *text, mode_t *ret)
{
	size_t len = strlen(text);
	mode_t m = 0;

	if (len < 3 || len > 5 || (len == 5 && *text != '0'))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return -EINVAL;
		m = m * 8 + (mode_t)(*text - '0');
	}
	*ret = m;
	return 0;
}

/* The product of all counts in a pattern, or a number beyond the limit. */
static unsigned long repeat_product(const char *s)
{
	unsigned long product = 1;

	for (; *s; s++) {
		unsigned long most = 0;

		if (*s == '\\' && s[1]) {
			s++;
			continue;
		}
		if (*s != '{' || !isdigit((unsigned char)s[1]))
			continue;
		while (s[1] && s[1] != '}') {
			char *end;
			unsigned long v = strtoul(s + 1, &end, 10);

			most = MAX(most, v);
			s = end > s + 1 ? end - 1 : s + 1;
		}
		if (most > REGEX_REPEAT_MAX ||
		    (product *= MAX(most, 1ul)) > REGEX_REPEAT_MAX)
			return REGEX_REPEAT_MAX + 1;
	}
	return product;
}

const char *regex_refused(const char *pattern)
{
	regex_t re;

	if (strlen(pattern) > REGEX_LENGTH_MAX)
		return N_("it is too long");
	if (repeat_product(pattern) > REGEX_REPEAT_MAX)
		return N_("its counts multiply beyond measure");
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
		return N_("it is not an extended regular expression");
	regfree(&re);
	return NULL;
}

/* The "C" locale, for the numbers of files; made once for each use. */
static locale_t c_locale(void)
{
	locale_t l = newlocale(LC_ALL_MASK, "C", (locale_t)0);

	if (l == (locale_t)0)
		die("newlocale: %s", strerror(errno));
	return l;
}

char *format_real(double v)
{
	locale_t c = c_locale(), old = uselocale(c);
	char *s = NULL;

	for (int digits = 15; digits <= 17; digits++) {
		free(s);
		s = xasprintf("%.*g", digits, v);
		/* the same number again: that is enough digits */
		if (strtod(s, NULL) == v)
			break;
	}
	uselocale(old);
	freelocale(c);
	return s;
}

int parse_real(const char *text, double *ret)
{
	locale_t c = c_locale();
	char *end;
	double v;
	int r = 0;

	errno = 0;
	v = strtod_l(text, &end, c);
	if (errno == ERANGE)
		r = -ERANGE;
	else if (end == text || *end || !isfinite(v))
		r = -EINVAL;
	freelocale(c);
	if (!r)
		*ret = v;
	return r;
}

int parse_whole(const char *text, int64_t *ret)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno == ERANGE)
		return -ERANGE;
	if (end == text || *end || isspace((unsigned char)*text))
		return -EINVAL;
	*ret = v;
	return 0;
}
