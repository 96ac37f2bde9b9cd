/* SPDX-License-Identifier: MIT */
/* Files of `name = "value";` alone: answers and variables. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "plan-internal.h"

static int first_problem(const char *path, struct plan_problems *p,
			 struct error *err)
{
	if (!p->n)
		return error_set(err, ERR_ANSWERS, -EINVAL,
				 _("'%s' cannot be read as a list of values"),
				 path);
	return error_set(err, ERR_ANSWERS, -EINVAL, "%s:%d: %s", path,
			 p->v[0].line, p->v[0].message);
}

int plan_pairs_load(const char *path, struct json_object *ret,
		    struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct plan_problems problems = { 0 };
	struct plan_value *top = NULL;
	bool values;
	int r = plan_read_source(path, &text, err);

	if (r < 0) {
		/* a plan that is not there is another matter */
		if (err)
			err->code = ERR_ANSWERS;
		return r;
	}
	top = plan_tree(text.buf, text.len, &values, &problems);
	if (!top || problems.n)
		r = first_problem(path, &problems, err);
	for (size_t i = 0; r >= 0 && i < top->n; i++) {
		_cleanup_free_ char *v = plan_value_text(&top->items[i]);

		if (v)
			json_set_str(ret, top->items[i].key, v);
		else
			r = error_set(err, ERR_ANSWERS, -EINVAL,
				_("%s:%d: '%s' must be one value"), path,
				top->items[i].line, top->items[i].key);
	}
	if (top)
		plan_value_free(top);
	free(top);
	plan_problems_release(&problems);
	return r;
}
