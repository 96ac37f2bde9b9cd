/* SPDX-License-Identifier: MIT */
#include "store-url.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "plan.h"
#include "store.h"

static char *from_env(_unused_ void *ctx, const char *name)
{
	const char *v = str_starts(name, "env:") ?
			getenv(name + strlen("env:")) : NULL;

	return v ? xstrdup(v) : NULL;
}

int store_url_open(const char *raw, struct store **ret, struct error *err)
{
	struct store_options so = { .root_fd = AT_FDCWD,
				    .allow_plaintext = true };
	_cleanup_strbuf_ struct strbuf url = STRBUF_INIT;
	int r = 0;

	if (plan_url_has_password(raw))
		return error_set(err, ERR_SECRET_ARGUMENT, -EINVAL,
			_("a password cannot stand in an argument; write "
			  "'${env:NAME}' in its place, in single quotes"));
	r = expand_text(raw, strlen(raw), false, from_env, NULL, &url, err);
	if (r < 0)
		return r;
	/* a file is looked at; what makes things is tried on a server alone */
	so.read_only = !str_starts(url.buf, "pg:");
	return store_open(url.buf, &so, ret, err);
}
