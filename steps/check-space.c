/* SPDX-License-Identifier: MIT */
/* Is there room for backup, steps and a way back? */
#include "base/xalloc.h"
#include "steps.h"

struct space {
	uint64_t extra;
};

static int parse(struct step *s, struct plan_node *n)
{
	struct space *p = s->priv = xcalloc(1, sizeof(*p));

	(void)plan_node_size(n, "extra", &p->extra);
	return 0;
}

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	const struct space *p = s->priv;

	return step_space(c, p->extra, r, err);
}

static void release(struct step *s)
{
	free(s->priv);
}

const struct step_ops check_space_ops = {
	.name = "space",
	.flags = STEP_IS_CHECK,
	.parse = parse,
	.check = check,
	.release = release,
};
