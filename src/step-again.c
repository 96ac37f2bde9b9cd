/* SPDX-License-Identifier: MIT */
/* What is done again where a connection was lost. */
#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "step.h"
#include "store.h"

#define TRIES 12u

static int is_cancelled(void *ctx)
{
	return step_cancelled(ctx);
}

bool step_nap(struct step_ctx *c, unsigned int ms)
{
	return clock_wait(ms, is_cancelled, c);
}

bool step_store_again(struct step_ctx *c, unsigned int *tried, int ret,
		      struct error *err)
{
	enum store_class class = store_class(ret);
	_cleanup_free_ char *text = NULL;
	unsigned int ms;

	/* who looks first wants to hear that there is no server, and when */
	if ((class != STORE_CLASS_RETRY && class != STORE_CLASS_RECONNECT) ||
	    (class == STORE_CLASS_RECONNECT && step_is_ahead(c)) ||
	    ++*tried >= TRIES)
		return false;
	ms = store_delay_ms(*tried - 1);
	text = xasprintf(class == STORE_CLASS_RECONNECT ?
		_("connection lost, attempt %u of %u in %.1f s: %s") :
		_("busy, attempt %u of %u in %.1f s: %s"), *tried + 1, TRIES,
		ms / 1000.0, err && err->msg ? err->msg : "");
	step_log(c, "note", text, strlen(text));
	step_waits(c, text);
	if (!step_nap(c, ms))
		return false;
	step_waits(c, NULL);
	if (err)
		error_release(err);
	return true;
}
