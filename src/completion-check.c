/* SPDX-License-Identifier: MIT */
#include "completion-check.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "completion.h"
#include "plan.h"
#include "run.h"
#include "step.h"

/* as it is in the record, or as the run has it by now: 0, or it failed */
static int complete(struct check_result *r, const char *shown,
		    const char *environment, const char *state, int exit)
{
	if (strcmp(state, run_state_name(RUN_COMPLETE)) || exit == 7) {
		check_result_set(r, CHECK_FAIL, _("'%s': the run in '%s' is "
				 "not complete (%s)"), shown, environment,
				 state);
		return -1;
	}
	return 0;
}

/* The run itself, if its data are here. */
static int look_there(struct json_object *o, const char *shown,
		      const char *environment, struct check_result *r)
{
	_cleanup_free_ char *root = json_get_bytes(o, "root");
	_cleanup_state_dir_ struct state_dir sd = STATE_DIR_INIT;
	struct run *run = NULL;
	int ret = 0;

	if (!root || state_dir_open(&sd, root, NULL, true, NULL) < 0 ||
	    sd.fd < 0 || run_open(&run, &sd, json_get_str(o, "run", ""), false,
				  NULL) < 0)
		return 0;
	/* another machine may have a directory of that name */
	if (!strcmp(json_get_str(run->begun, "plan_digest", ""),
		    json_get_str(o, "plan_digest", "")))
		ret = complete(r, shown, environment,
			       run_state_name(run->state), run->exit);
	run_free(run);
	return ret;
}

void completion_check(const char *text, size_t len, const char *shown,
		      const struct plan *plan, const char *environment,
		      struct check_result *r)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *there;

	if (json_parse(text, len, &o, NULL) < 0 ||
	    !json_object_is_type(o, json_type_object) ||
	    !completion_sum_is_right(o)) {
		check_result_set(r, CHECK_FAIL, _("'%s' is no completion "
				 "record, or was changed since it was made"),
				 shown);
		return;
	}
	there = json_get_str(o, "environment", "");
	if (strcmp(json_get_str(o, "plan", ""), plan->name) ||
	    strcmp(json_get_str(o, "plan_digest", ""), plan->digest)) {
		check_result_set(r, CHECK_FAIL, _("'%s' is of another plan, or "
				 "the plan was changed since"), shown);
		return;
	}
	if (strcmp(there, environment)) {
		check_result_set(r, CHECK_FAIL, _("'%s' is of environment '%s',"
				 " not '%s'"), shown, there, environment);
		return;
	}
	if (complete(r, shown, environment, json_get_str(o, "result", ""),
		     (int)json_get_int(o, "exit", 7)) < 0 ||
	    look_there(o, shown, environment, r) < 0)
		return;
	check_result_set(r, json_get_int(o, "exit", 7) ? CHECK_WARN : CHECK_OK,
			 json_get_int(o, "exit", 7) ?
			 _("run %s in '%s' is complete, with warnings or steps "
			   "that were passed over") :
			 _("run %s in '%s' is complete"),
			 json_get_str(o, "run", ""), environment);
}
