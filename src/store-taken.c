/* SPDX-License-Identifier: MIT */
/* Did the store take the rows that it was given? */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "store-internal.h"

/* no data; as refused as what a constraint does not let in */
#define NOT_TAKEN "02000"

int store_taken(struct store *s, const struct store_shape *shape,
		const struct store_batch *b, uint32_t from, uint32_t n,
		struct error *err)
{
	_cleanup_store_batch_ struct store_batch row = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	struct store_shape keys = *shape;
	int ret = b ? 1 : 0;

	/* one that diverts rows may have put them where they can be read */
	keys.ncol = keys.nkey;
	keys.where = NULL;
	for (uint32_t i = from; ret == 1 && i < from + n; i++) {
		store_key(b, i, shape->nkey, &key);
		ret = store_get(s, &keys, key.buf, &row, err);
	}
	if (ret)
		return MIN(ret, 0);
	(void)snprintf(s->sqlstate, sizeof(s->sqlstate), NOT_TAKEN);
	(void)error_set(err, ERR_STORE, -EBADMSG, _("%s: '%s' did not take a "
			"row, and gave no reason"), s->name, shape->set);
	if (err)
		error_hint(err, _("a trigger there may throw it away"));
	return -EBADMSG;
}
