/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clock_now(struct timespec *ret)
{
	const char *fixed = getenv("UPSHIFT_TEST_CLOCK");

	if (fixed) {
		ret->tv_sec = (time_t)strtoll(fixed, NULL, 10);
		ret->tv_nsec = 0;
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, ret); /* cannot fail */
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

int clock_parse(const char *text, struct timespec *ret)
{
	struct tm tm = { 0 };
	int ms = 0, n = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon,
		   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &n) != 6)
		return -EINVAL;
	text += n;
	if (*text == '.' && sscanf(text, ".%3d%n", &ms, &n) == 1)
		text += n;
	if (strcmp(text, "Z") != 0)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	ret->tv_sec = timegm(&tm);
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
