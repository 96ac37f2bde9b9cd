/* SPDX-License-Identifier: MIT */
/* The group `backup.snapshot`: commands of a provider, beside the backup. */
#include "plan-internal.h"

#include "base/i18n.h"

#define SNAPSHOT_TIMEOUT_S 600

void load_snapshot(struct plan_load *l, struct plan_node *top)
{
	struct plan_snapshot *s = &l->plan->snapshot;
	double timeout = SNAPSHOT_TIMEOUT_S;
	struct plan_node *n;

	if (!plan_node_count(top, "snapshot"))
		return;
	n = plan_node_child(top, "snapshot", 0);
	(void)node_argv(n, "create", true, USE_SNAPSHOT, &s->create.argv);
	(void)node_argv(n, "restore", true, USE_SNAPSHOT_ID,
			&s->restore.argv);
	(void)node_argv(n, "drop", false, USE_SNAPSHOT_ID, &s->drop.argv);
	(void)plan_node_duration(n, "timeout", &timeout);
	s->create.timeout_s = s->restore.timeout_s = timeout;
	s->drop.timeout_s = timeout;
	if (!plan_node_has(n, "drop"))
		plan_node_warning(n, NULL, _("'snapshot': without 'drop' "
				  "nothing removes it when the backup goes"));
}
