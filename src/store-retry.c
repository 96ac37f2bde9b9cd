/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "store-internal.h"

#define FIRST_MS 50u
#define LONGEST_MS 10000u

unsigned int store_delay_ms(unsigned int lost)
{
	unsigned int most = lost < 8 ? FIRST_MS << lost : LONGEST_MS;
	uint32_t r;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)clock_mono_ns();
	return r % (MIN(most, LONGEST_MS) + 1);
}

int store_transact(struct store *s,
		   int (*fn)(void *ctx, struct store *s, struct error *err),
		   void *ctx, unsigned int tries, struct error *err)
{
	for (unsigned int lost = 0;; lost++) {
		_cleanup_error_ struct error now = ERROR_INIT;
		int ret = store_begin(s, true, &now);

		if (ret == 0)
			ret = fn(ctx, s, &now);
		if (ret >= 0)
			ret = store_commit(s, &now);
		if (ret == 0)
			return 0;
		store_abort(s);
		/* whoever waits for the outer one waits here as well */
		if (store_class(ret) != STORE_CLASS_RETRY ||
		    lost + 1 >= tries || store_is_within(s)) {
			if (err)
				error_move(err, &now);
			return ret;
		}
		if (!clock_wait(store_delay_ms(lost), s->tick, s->tick_ctx))
			return error_set(err, ERR_CANCELLED, -ECANCELED,
					 _("%s: cancelled"), store_name(s));
	}
}
