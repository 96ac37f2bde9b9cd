/* SPDX-License-Identifier: MIT */
#include "window.h"

#include <errno.h>
#include <string.h>

#define DAY 1440
/* a day that a change of the clock makes longer, and the one behind it */
#define LOOK_MINUTES (3 * DAY)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* HH:MM; NULL: it is none */
static const char *hours(const char *p, short *ret)
{
	int h, m;

	if (!is_digit(p[0]) || !is_digit(p[1]) || p[2] != ':' ||
	    !is_digit(p[3]) || !is_digit(p[4]))
		return NULL;
	h = (p[0] - '0') * 10 + p[1] - '0';
	m = (p[3] - '0') * 10 + p[4] - '0';
	if (m > 59 || h > 24 || (h == 24 && m))
		return NULL;
	*ret = (short)(h * 60 + m);
	return p + 5;
}

static int zone(const char *p, struct window *w)
{
	short minutes = 0;

	if (!*p)
		return 0;
	if (*p++ != ' ')
		return -EINVAL;
	if (!strcmp(p, "local")) {
		w->local = true;
		return 0;
	}
	if (!strcmp(p, "UTC"))
		return 0;
	if (*p != '+' && *p != '-')
		return -EINVAL;
	w->offset_s = *p == '-' ? -60 : 60;
	p = hours(p + 1, &minutes);
	w->offset_s *= minutes;
	return p && !*p && minutes <= 14 * 60 ? 0 : -EINVAL;
}

int window_parse(const char *text, struct window *ret)
{
	struct window w = { .given = true };
	const char *p = hours(text, &w.from);

	if (p && *p == '-')
		p = hours(p + 1, &w.until);
	else
		p = NULL;
	if (!p || zone(p, &w) < 0 || w.from % DAY == w.until % DAY)
		return -EINVAL;
	w.from = (short)(w.from % DAY);
	*ret = w;
	return 0;
}

bool window_is_open(const struct window *w, time_t t)
{
	struct tm tm = { 0 };
	int m;

	if (!w->given)
		return true;
	if (w->local) {
		(void)localtime_r(&t, &tm); /* fails beyond all years */
	} else {
		t += w->offset_s;
		(void)gmtime_r(&t, &tm);
	}
	m = tm.tm_hour * 60 + tm.tm_min;
	return w->from < w->until ? m >= w->from && m < w->until :
		m >= w->from || m < w->until;
}

/* by the minute: a local clock may leave an hour out, or have it twice */
time_t window_opening(const struct window *w, time_t t)
{
	if (window_is_open(w, t))
		return t;
	t -= t % 60;
	for (int i = 0; i < LOOK_MINUTES && !window_is_open(w, t); i++)
		t += 60;
	return t;
}
