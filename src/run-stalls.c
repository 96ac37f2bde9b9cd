/* SPDX-License-Identifier: MIT */
#include "run-stalls.h"

#include "base/i18n.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "run.h"

char *run_stall_text(struct json_object *o)
{
	double s = json_get_double(o, "s", 0);

	if (json_get_bool(o, "at_least", false) && s <= 0)
		return xasprintf(_("writers were held up; nobody saw for how "
				   "long"));
	if (json_get_bool(o, "at_least", false))
		return xasprintf(_("writers were held up for %.2f s or more; "
				   "nobody saw the end of it"), s);
	if (json_get_bool(o, "open", false))
		return xasprintf(_("writers were held up when upshift "
				   "ended"));
	return xasprintf(_("writers were held up for %.2f s"), s);
}

void run_stalls(const struct run *r, struct strvec *ret)
{
	struct json_object *list = json_get(r->facts, RUN_STALLS);

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		_cleanup_free_ char *text = run_stall_text(o);

		strvec_take(ret, xasprintf("%s (%s): %s",
			    json_get_str(o, "step", ""),
			    json_get_str(o, "since", ""), text));
	}
}
