/* SPDX-License-Identifier: MIT */
/* The plan's `notify`: who is told of what. */
#include "plan-internal.h"

#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"

#define TIMEOUT_S 10
#define TIMEOUT_MAX_S 60

const char *const plan_notify_words[] = {
	"failure", "breach", "cutover", "sign-off", "rollback", "done", NULL
};

static void take_word(struct plan_node *n, const char *key,
		      const struct plan_value *v, const char *text, void *ctx)
{
	struct plan_notify *one = ctx;
	const char *near;

	for (size_t i = 0; plan_notify_words[i]; i++)
		if (!strcmp(plan_notify_words[i], text)) {
			one->on |= 1u << i;
			return;
		}
	near = nearest_word(text, plan_notify_words);
	node_problem_at(n, v->line, near ? _("'%s': unknown event '%s' (did "
			"you mean '%s'?)") : _("'%s': unknown event '%s'"),
			key, text, near);
}

void load_notify(struct plan_load *l, struct plan_node *top)
{
	size_t count = plan_node_count(top, "notify");
	struct plan *p = l->plan;

	if (count)
		p->notify = xcalloc(count, sizeof(*p->notify));
	for (p->notify_n = 0; p->notify_n < count; p->notify_n++) {
		struct plan_node *n = plan_node_child(top, "notify",
						      p->notify_n);
		struct plan_notify *one = &p->notify[p->notify_n];

		one->run.timeout_s = TIMEOUT_S;
		(void)node_each(n, "on", true, USE_STRING, take_word, one);
		plan_node_argv(n, "run", true, &one->run.argv);
		if (plan_node_duration(n, "timeout", &one->run.timeout_s) &&
		    (one->run.timeout_s <= 0 ||
		     one->run.timeout_s > TIMEOUT_MAX_S))
			plan_node_problem(n, "timeout",
				_("'timeout' must be more than 0 and at most "
				  "%d seconds"), TIMEOUT_MAX_S);
	}
}
