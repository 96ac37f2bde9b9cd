/* SPDX-License-Identifier: MIT */
#include "check-paths.h"

#include <errno.h>

#include "base/xalloc.h"
#include "step.h"

static int parse(struct step *s, struct plan_node *n, bool magic,
		 const char *def)
{
	struct strvec *paths = s->priv = xcalloc(1, sizeof(*paths));

	if (def && !plan_node_has(n, "paths"))
		strvec_push(paths, def);
	(void)plan_node_paths(n, "paths", !def, magic, paths);
	return plan_node_failed(n) ? -EINVAL : 0;
}

int check_paths_parse(struct step *s, struct plan_node *n)
{
	return parse(s, n, true, NULL);
}

int check_paths_parse_or(struct step *s, struct plan_node *n, const char *def)
{
	return parse(s, n, true, def);
}

int check_paths_parse_plain(struct step *s, struct plan_node *n)
{
	return parse(s, n, false, NULL);
}

void check_paths_release(struct step *s)
{
	strvec_release(s->priv);
	free(s->priv);
}
