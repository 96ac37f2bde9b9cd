/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/strbuf.h"

void clock_now(struct timespec *ret)
{
	const char *fixed = getenv("UPSHIFT_TEST_CLOCK");

	if (fixed && *fixed == '@') {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		/* a clock that a test moves; before it does, no time */
		(void)fs_read_file(AT_FDCWD, fixed + 1, 64, &sb);
		ret->tv_sec = (time_t)strtoll(sb.buf, NULL, 10);
		ret->tv_nsec = 0;
	} else if (fixed) {
		ret->tv_sec = (time_t)strtoll(fixed, NULL, 10);
		ret->tv_nsec = 0;
	} else {
		(void)clock_gettime(CLOCK_REALTIME, ret); /* cannot fail */
	}
}

void clock_format(const struct timespec *ts, char out[CLOCK_TEXT_SIZE])
{
	struct tm tm;
	size_t n;

	if (!gmtime_r(&ts->tv_sec, &tm) ||
	    !(n = strftime(out, CLOCK_TEXT_SIZE - 5, "%Y-%m-%dT%H:%M:%S",
			   &tm))) {
		strcpy(out, "1970-01-01T00:00:00.000Z");
		return;
	}
	(void)snprintf(out + n, CLOCK_TEXT_SIZE - n, ".%03ldZ",
		       ts->tv_nsec / 1000000 % 1000);
}

/* "d" in like is a digit, anything else itself; NULL if text is not like it */
static const char *shaped(const char *text, const char *like)
{
	for (; *like; like++, text++)
		if (*like == 'd' ? *text < '0' || *text > '9' : *text != *like)
			return NULL;
	return text;
}

static int number(const char *digits, int n)
{
	int v = 0;

	while (n--)
		v = v * 10 + (*digits++ - '0');
	return v;
}

int clock_parse(const char *text, struct timespec *ret)
{
	const char *end = shaped(text, "dddd-dd-ddTdd:dd:dd");
	struct tm tm = { 0 }, real;
	int ms = 0;
	time_t t;

	if (!end)
		return -EINVAL;
	if (*end == '.') {
		if (!shaped(end, ".ddd"))
			return -EINVAL;
		ms = number(end + 1, 3);
		end += 4;
	}
	if (strcmp(end, "Z") != 0)
		return -EINVAL;
	tm.tm_year = number(text, 4) - 1900;
	tm.tm_mon = number(text + 5, 2) - 1;
	tm.tm_mday = number(text + 8, 2);
	tm.tm_hour = number(text + 11, 2);
	tm.tm_min = number(text + 14, 2);
	tm.tm_sec = number(text + 17, 2);
	real = tm;
	t = timegm(&real);
	/* timegm() carries what is too large over; a date does not */
	if (real.tm_mon != tm.tm_mon || real.tm_mday != tm.tm_mday ||
	    real.tm_hour != tm.tm_hour || real.tm_min != tm.tm_min ||
	    real.tm_sec != tm.tm_sec)
		return -EINVAL;
	ret->tv_sec = t;
	ret->tv_nsec = ms * 1000000L;
	return 0;
}

uint64_t clock_mono_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

double clock_since(uint64_t mono_ns)
{
	return (double)(clock_mono_ns() - mono_ns) / 1e9;
}

bool clock_wait(unsigned int ms, int (*stop)(void *ctx), void *ctx)
{
	const struct timespec slice = { .tv_nsec = 20000000 };
	uint64_t end = clock_mono_ns() + ms * 1000000ull;

	while (!stop || !stop(ctx)) {
		if (clock_mono_ns() >= end)
			return true;
		(void)nanosleep(&slice, NULL);
	}
	return false;
}

void clock_duration(double s, struct strbuf *out)
{
	if (s < 90)
		strbuf_addf(out, _("%.0f s"), s);
	else if (s < 5400)
		strbuf_addf(out, _("%.0f min"), s / 60);
	else if ((uint64_t)s % 3600 == 0)
		strbuf_addf(out, _("%.0f h"), s / 3600);
	else
		strbuf_addf(out, _("%.1f h"), s / 3600);
}
