/* SPDX-License-Identifier: MIT */
/*
 * With FAKE_CLOCK set the clock goes on only where the program waits for it,
 * and then at once: waits and drawings can be counted, and no test waits for a
 * time. Linked in by --wrap; waits without an end are real ones.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "fake-screens.h"

int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap___poll_chk(struct pollfd *p, nfds_t n, int ms, size_t size);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

static uint64_t gone_ms = 1000000;

static bool is_fake(void)
{
	return getenv("FAKE_CLOCK") != NULL;
}

uint64_t fake_clock_ms(void)
{
	return gone_ms;
}

int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	int ret;

	if (!is_fake() || ms <= 0)
		return __real_poll(p, n, ms);
	ret = __real_poll(p, n, 0);
	if (!ret)
		gone_ms += (uint64_t)ms;
	return ret;
}

/* what _FORTIFY_SOURCE makes of it */
int __wrap___poll_chk(struct pollfd *p, nfds_t n, int ms, size_t size)
{
	(void)size;
	return __wrap_poll(p, n, ms);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!is_fake() || id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, ts);
	ts->tv_sec = (time_t)(gone_ms / 1000);
	ts->tv_nsec = (long)(gone_ms % 1000) * 1000000;
	return 0;
}
