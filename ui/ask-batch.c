/* SPDX-License-Identifier: MIT */
/* Answers where nobody is there to ask: from the options alone. */
#include <errno.h>
#include "base/xalloc.h"
#include "frontend.h"

int ask_batch(void *ctx, struct ask *a)
{
	const struct options *o = ctx;

	if (a->kind == ASK_WORDS) {
		for (size_t i = 0; i < o->confirm.n; i++)
			if (ask_words_match(o->confirm.v[i], a->words)) {
				a->answer = xstrdup(a->words);
				return 0;
			}
		return -ENOTTY;
	}
	if (a->def && (o->yes || a->kind == ASK_CHOICE)) {
		a->answer = xstrdup(a->def);
		return 0;
	}
	return -ENOTTY;
}
