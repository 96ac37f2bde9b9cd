/* SPDX-License-Identifier: MIT */
#ifndef CLOCK_H
#define CLOCK_H
/*
 * clock - wall time for people and records, monotonic time for durations
 *
 * UPSHIFT_TEST_CLOCK (seconds since 1970) fixes the wall clock, for golden
 * files and tests; "@FILE" has it in a file, which a test may change. Order is
 * never taken from the wall clock.
 */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/compiler.h"

/* "2026-11-20T11:46:03.123Z" */
#define CLOCK_TEXT_SIZE 32
void clock_now(struct timespec *ret);
void clock_format(const struct timespec *ts, char out[CLOCK_TEXT_SIZE]);
/* 0 or -EINVAL */
int clock_parse(const char *text, struct timespec *ret);
uint64_t clock_mono_ns(void);
double clock_since(uint64_t mono_ns);
/* waits; false: stop (may be NULL), asked every 20 ms, said so */
bool clock_wait(unsigned int ms, int (*stop)(void *ctx), void *ctx);

/* appends s seconds for people: "45 s", "12 min", "1.5 h" */
struct strbuf;
void clock_duration(double s, struct strbuf *out);

#endif
