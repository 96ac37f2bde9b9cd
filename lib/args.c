/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "upshift-internal.h"

void upshift_internal_arg(struct upshift_internal_args *a, const char *arg)
{
	if (a->n + 1 >= UPSHIFT_ARGS)
		a->error = -E2BIG;
	else
		a->v[a->n++] = arg;
}

void upshift_internal_option(struct upshift_internal_args *a, const char *name,
			     const char *value)
{
	if (!value)
		return;
	upshift_internal_arg(a, name);
	upshift_internal_arg(a, value);
}

void upshift_internal_args(struct upshift_internal_args *a,
			   const struct upshift_options *o,
			   const char *command)
{
	upshift_internal_arg(a, o->program ? o->program : "upshift");
	upshift_internal_arg(a, command);
	upshift_internal_arg(a, "--json");
	upshift_internal_option(a, "--root", o->root);
	upshift_internal_option(a, "--state-dir", o->state_dir);
}
