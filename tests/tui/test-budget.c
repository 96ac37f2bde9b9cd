/* SPDX-License-Identifier: MIT */
/*
 * What the screens cost: bytes on the line, drawings and wake-ups, counted.
 * Nothing here takes a time; the clock of fake-tui goes on only where it waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "pty.h"

#define UPDATE_BYTES 250

struct cost {
	int woken, drawn, updates;
};

static void start(struct pty *p, const char *term, const char *env)
{
	const struct pty_setup setup = { .term = term, .env = env };

	pty_start(p, "P50", 80, 24, &setup);
	pty_wait(p, "1,430,001-1,439,502");
	assert_true(pty_sync(p));
}

static void tell(struct pty *p, const char *line)
{
	assert_int_equal(write(p->events, line, strlen(line)), strlen(line));
}

/* what happened until update number "last" of all is over */
static struct cost cost_of(struct pty *p, const char *line, int last)
{
	char buf[4096], *at = NULL;
	struct cost c = { 0 };
	char want[32];
	size_t n;
	FILE *f;

	(void)snprintf(want, sizeof(want), "updates=%d\n", last);
	tell(p, line);
	pty_wait_log(p, want);
	f = fopen(p->log, "r");
	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	(void)fclose(f);
	buf[n] = '\0';
	for (char *s = buf; (s = strstr(s, "over ")); s++)
		at = s;
	assert_non_null(at);
	assert_int_equal(sscanf(at, "over woken=%d drawn=%d updates=%d",
				&c.woken, &c.drawn, &c.updates), 3);
	return c;
}

/* bar, counts, rate, times and a line of the log, all of them different */
static void bytes_of_an_update(void **state)
{
	static const char *const terms[] = { "xterm-256color",
					     "screen-256color" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(terms); i++) {
		size_t before, all;
		struct pty p;

		start(&p, terms[i], NULL);
		all = p.raw.len;
		for (int n = 1; n <= 20; n++) {
			char last[32];

			(void)snprintf(last, sizeof(last), "of part %d", n);
			before = p.raw.len;
			tell(&p, "burst 1 300\n");
			pty_wait(&p, last);
			pty_drain(&p);
			if (p.raw.len - before > UPDATE_BYTES)
				fail_msg("%s: update %d took %zu bytes",
					 terms[i], n, p.raw.len - before);
		}
		print_message("# %s: %zu bytes an update\n", terms[i],
			      (p.raw.len - all) / 20);
		(void)pty_end(&p);
	}
}

/* two seconds of updates, twenty of them each second */
static void drawings(void **state)
{
	struct cost c;
	struct pty p;

	(void)state;
	start(&p, NULL, NULL);
	c = cost_of(&p, "burst 40 50\n", 40);
	assert_in_range(c.drawn, 6, 9);
	/* each update wakes it up, and each drawing does */
	assert_in_range(c.woken, 40, 50);
	pty_wait(&p, "copied rows of part 40");
	(void)pty_end(&p);
}

static void drawings_far_away(void **state)
{
	struct cost c;
	struct pty p;

	(void)state;
	start(&p, NULL, "SSH_CONNECTION=10.0.0.7 50000 10.0.0.1 22");
	c = cost_of(&p, "burst 40 50\n", 40);
	assert_in_range(c.drawn, 1, 3);
	pty_wait(&p, "copied rows of part 40");
	(void)pty_end(&p);
}

/* a minute in which nothing is told and nobody types */
static void idle(void **state)
{
	struct cost c;
	struct pty p;
	size_t before;

	(void)state;
	start(&p, NULL, NULL);
	before = p.raw.len;
	c = cost_of(&p, "ticks 60 1000\n", 0);
	assert_in_range(c.woken, 60, 61);
	assert_int_equal(c.drawn, 0);
	pty_drain(&p);
	assert_int_equal(p.raw.len, before);
	(void)pty_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_an_update),
		cmocka_unit_test(drawings),
		cmocka_unit_test(drawings_far_away),
		cmocka_unit_test(idle),
	};

	if (setenv("FAKE_CLOCK", "1", 1) || setenv("FAKE_LINES", "100", 1))
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
