/* SPDX-License-Identifier: MIT */
/* Waits of stores: until when, and whose lock it is. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store-internal.h"

#define TICK_NS 100000000ull
/* a look costs a connection, or a walk through all locks of the system */
#define FIRST_LOOK_MS 1000u
#define LAST_LOOK_MS 30000u

void store_clock_init(struct store_clock *c, const struct store_options *o)
{
	memset(c, 0, sizeof(*c));
	c->tick = o->tick;
	c->tell = o->held;
	c->ctx = o->ctx;
}

void store_clock_start(struct store_clock *c, unsigned int ms)
{
	c->deadline = clock_mono_ns() + (uint64_t)ms * 1000000;
	c->cancelled = c->late = false;
	c->look_at = 0;
	store_clock_held(c, NULL);
}

bool store_clock_stop(struct store_clock *c)
{
	uint64_t now = clock_mono_ns();

	if (c->cancelled || c->late)
		return true;
	c->cancelled = atomic_load_explicit(&c->stop, memory_order_relaxed);
	if (c->cancelled)
		return true;
	if (c->tick && now >= c->next_tick) {
		c->next_tick = now + TICK_NS;
		c->cancelled = c->tick(c->ctx) != 0;
	}
	c->late = !c->cancelled && c->deadline && now > c->deadline;
	return c->cancelled || c->late;
}

void store_clock_watch(struct store_clock *c)
{
	c->look_ms = MIN(FIRST_LOOK_MS, c->lock_ms / 2 + 1);
	c->look_at = clock_mono_ns() + (uint64_t)c->look_ms * 1000000;
}

bool store_clock_looks(struct store_clock *c)
{
	uint64_t now = clock_mono_ns();

	if (!c->look_at || now < c->look_at)
		return false;
	c->look_ms = MIN(c->look_ms * 2, LAST_LOOK_MS);
	c->look_at = now + (uint64_t)c->look_ms * 1000000;
	return true;
}

void store_clock_held(struct store_clock *c, char *by)
{
	bool same = by && c->held ? !strcmp(by, c->held) : by == c->held;

	free(c->held);
	c->held = by;
	if (!same && c->tell)
		c->tell(c->ctx, by);
}

void store_clock_release(struct store_clock *c)
{
	free(c->held);
	c->held = NULL;
}

void store_set_lock_ms(struct store *s, unsigned int ms)
{
	if (s->clock)
		s->clock->lock_ms = ms;
}
