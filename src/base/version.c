/* SPDX-License-Identifier: MIT */
#include "base/version.h"

#include <string.h>
#include <strings.h>

#include "base/compiler.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *begin(const char *v)
{
	return (*v == 'v' || *v == 'V') && is_digit(v[1]) ? v + 1 : v;
}

bool version_valid(const char *v)
{
	return is_digit(*begin(v));
}

/* One number, of any length; *p goes on to the next one, or to the rest. */
static void take_number(const char **p, const char **digits, size_t *n)
{
	const char *s = *p;

	if (!is_digit(*s)) {
		*digits = "";
		*n = 0;
		return;
	}
	while (*s == '0')
		s++;
	*digits = s;
	while (is_digit(*s))
		s++;
	*n = (size_t)(s - *digits);
	*p = *s == '.' && is_digit(s[1]) ? s + 1 : s;
}

static int number_cmp(const char **a, const char **b)
{
	const char *da, *db;
	size_t na, nb;
	int r;

	take_number(a, &da, &na);
	take_number(b, &db, &nb);
	if (na != nb)
		return na < nb ? -1 : 1;
	r = memcmp(da, db, na);
	return r < 0 ? -1 : r > 0;
}

/* the word behind the numbers that means "before", or NULL */
static const char *before_word(const char *rest)
{
	static const char *const words[] = { "alpha", "beta", "dev", "pre",
					     "rc" };

	rest += strspn(rest, "-~._");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strncasecmp(rest, words[i], strlen(words[i])))
			return rest;
	return NULL;
}

static int rest_cmp(const char *a, const char *b)
{
	const char *wa = before_word(a), *wb = before_word(b);

	if (!wa || !wb)
		return !wa - !wb;
	return strverscmp(wa, wb);
}

int version_cmp(const char *a, const char *b)
{
	a = begin(a);
	b = begin(b);
	while (is_digit(*a) || is_digit(*b)) {
		int r = number_cmp(&a, &b);

		if (r)
			return r;
	}
	return rest_cmp(a, b);
}

bool version_upto(const char *v, const char *max)
{
	v = begin(v);
	max = begin(max);
	while (is_digit(*max)) {
		int r = number_cmp(&v, &max);

		if (r)
			return r < 0;
	}
	/* numbers that only v has are within the bound; a bound that is itself
	   "before" is not passed by the version it comes before */
	if (!before_word(max))
		return true;
	return !is_digit(*v) && rest_cmp(v, max) <= 0;
}
