/* SPDX-License-Identifier: MIT */
/*
 * How long writers were held up: entries of a fact of the run, so that they
 * outlive a kill and the next attempt. One is open from before anybody is held
 * up until somebody has seen the end of it:
 *	step, since	whose, and when (wall clock)
 *	boot, mono	the same as a later process can measure it
 *	s		how long; of an open one, as of the last look
 *	open
 *	at_least	nobody saw the end, only that it was not over at s
 */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "run-stalls.h"
#include "step-cutover-internal.h"

/* a copy to be changed and set; *open: that of this step, or NULL */
static struct json_object *entries(struct step_ctx *ctx,
				   struct json_object **open)
{
	struct json_object *old = step_get_run_fact(ctx, RUN_STALLS);
	struct json_object *list = NULL;
	size_t n;

	*open = NULL;
	if (!old || json_object_deep_copy(old, &list, NULL) < 0)
		return json_object_new_array();
	n = json_object_array_length(list);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (json_get_bool(o, "open", false) &&
		    !strcmp(json_get_str(o, "step", ""), step_ctx_id(ctx)))
			*open = o;
	}
	return list;
}

static void fill_entry(struct json_object *o, struct step_ctx *ctx,
		       uint64_t since)
{
	char boot[37], text[CLOCK_TEXT_SIZE];
	uint64_t ago = clock_mono_ns() - since;
	struct timespec now;

	clock_now(&now);
	now.tv_sec -= (time_t)(ago / 1000000000u);
	clock_format(&now, text);
	proc_boot_id(boot);
	json_set_str(o, "step", step_ctx_id(ctx));
	json_set_str(o, "since", text);
	json_set_str(o, "boot", boot);
	json_set_int(o, "mono", (int64_t)since);
}

static struct json_object *add_entry(struct json_object *list)
{
	struct json_object *o = json_object_new_object();

	json_object_array_add(list, o);
	return o;
}

/* until now; another process may have begun it, and before a reboot */
static double seconds(struct json_object *o)
{
	struct timespec then, now;
	char boot[37];

	proc_boot_id(boot);
	if (*boot && !strcmp(boot, json_get_str(o, "boot", "")))
		return clock_since((uint64_t)json_get_int(o, "mono", 0));
	clock_now(&now);
	if (clock_parse(json_get_str(o, "since", ""), &then) < 0)
		then = now;
	return MAX((double)(now.tv_sec - then.tv_sec) +
		   (double)(now.tv_nsec - then.tv_nsec) / 1e9,
		   json_get_double(o, "s", 0));
}

static int close_entry(struct json_object *o, struct json_object *list,
		       struct step_ctx *ctx, struct error *err)
{
	_cleanup_free_ char *text = NULL;

	json_object_object_del(o, "open");
	json_object_object_del(o, "boot");
	json_object_object_del(o, "mono");
	text = run_stall_text(o);
	step_log(ctx, "note", text, strlen(text));
	return step_set_run_fact(ctx, RUN_STALLS, list, err);
}

bool cutover_stall_is_open(struct step_ctx *ctx)
{
	struct json_object *open, *list = entries(ctx, &open);
	bool ret = open;

	json_object_put(list);
	return ret;
}

int cutover_stall_begin(struct step_ctx *ctx, uint64_t since,
			struct error *err)
{
	struct json_object *open, *list = entries(ctx, &open);

	/* tried again: nobody was held up in between */
	if (!open)
		open = add_entry(list);
	json_object_object_del(open, "s");
	fill_entry(open, ctx, since);
	json_set_bool(open, "open", true);
	return step_set_run_fact(ctx, RUN_STALLS, list, err);
}

int cutover_stall_look(struct step_ctx *ctx, struct error *err)
{
	struct json_object *open, *list = entries(ctx, &open);

	if (!open) {
		json_object_put(list);
		return 0;
	}
	json_set_double(open, "s", seconds(open));
	return step_set_run_fact(ctx, RUN_STALLS, list, err);
}

int cutover_stall_end(struct step_ctx *ctx, bool seen, struct error *err)
{
	struct json_object *open, *list = entries(ctx, &open);

	if (!open) {
		json_object_put(list);
		return 0;
	}
	if (seen)
		json_set_double(open, "s", seconds(open));
	else
		json_set_bool(open, "at_least", true);
	return close_entry(open, list, ctx, err);
}

void cutover_say_stall(struct step_ctx *ctx, uint64_t since)
{
	struct json_object *o, *list = entries(ctx, &o);

	o = add_entry(list);
	fill_entry(o, ctx, since);
	json_set_double(o, "s", clock_since(since));
	/* it is in the log all the same */
	(void)close_entry(o, list, ctx, NULL);
}
