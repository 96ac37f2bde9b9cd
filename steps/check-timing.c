/* SPDX-License-Identifier: MIT */
/*
 * The same command as fast as before, within a ratio.
 *
 * Measured in the check phase and again at the end, medians of `runs`. A noisy
 * machine must not fail it: it fails only if the median exceeds tolerance x
 * before and the difference exceeds floor, in three series one after the other.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/child.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "steps.h"

#define SERIES 3
#define COMMAND_TIMEOUT_S 600

struct timing {
	struct strvec run;
	int64_t runs;
	double tolerance, floor_s;
};

static int parse(struct step *s, struct plan_node *n)
{
	struct timing *p = s->priv = xcalloc(1, sizeof(*p));

	p->runs = 5;
	p->tolerance = 1.10;
	p->floor_s = 0.5;
	(void)plan_node_argv(n, "run", true, &p->run);
	(void)plan_node_int(n, "runs", false, 1, 1000, &p->runs);
	(void)plan_node_double(n, "tolerance", false, 1.0, &p->tolerance);
	(void)plan_node_duration(n, "floor", &p->floor_s);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int measure(const struct timing *p, struct step_ctx *c, double *ret,
		   struct error *err)
{
	_cleanup_free_ double *v = xcalloc((size_t)p->runs, sizeof(*v));
	struct step_command cmd = { .argv = &p->run, .read_only = true,
				    .timeout_s = COMMAND_TIMEOUT_S };

	for (int64_t i = 0; i < p->runs; i++) {
		struct child_result res;
		int r = step_command(c, &cmd, &res, err);

		if (r < 0)
			return r;
		if (res.exit_status != 0)
			return error_set(err, ERR_CHECK, -EIO,
				_("'%s' ended with status %d"), p->run.v[0],
				res.exit_status);
		v[i] = res.elapsed_s;
	}
	qsort(v, (size_t)p->runs, sizeof(*v), by_value);
	*ret = v[p->runs / 2];
	return 0;
}

static char *fact_name(const struct step *s)
{
	return xasprintf("timing:%s", s->id);
}

static int baseline(const struct step *s, struct step_ctx *c,
		    struct error *err)
{
	_cleanup_free_ char *key = fact_name(s);
	double before;
	int ret = measure(s->priv, c, &before, err);

	if (ret < 0)
		return ret;
	return step_set_run_fact(c, key, json_object_new_double(before), err);
}

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	const struct timing *p = s->priv;
	_cleanup_free_ char *key = fact_name(s);
	struct json_object *fact = step_get_run_fact(c, key);
	double before, now = 0;

	if (!fact) {
		check_result_set(r, CHECK_OK, "%s",
				 _("there is no measurement from before"));
		return 0;
	}
	before = json_object_get_double(fact);
	for (int i = 0; i < SERIES; i++) {
		int ret = measure(p, c, &now, err);

		if (ret < 0)
			return ret;
		if (now <= before * p->tolerance ||
		    now - before <= p->floor_s) {
			check_result_set(r, CHECK_OK,
				_("%.3f s, before %.3f s"), now, before);
			return 0;
		}
	}
	check_result_set(r, CHECK_FAIL, _("%.3f s, before %.3f s: more than "
			 "%.2f times as long"), now, before, p->tolerance);
	r->code = ERR_VERIFY;
	return 0;
}

static void release(struct step *s)
{
	struct timing *p = s->priv;

	strvec_release(&p->run);
	free(p);
}

const struct step_ops check_timing_ops = {
	.name = "timing",
	.flags = STEP_IS_CHECK | STEP_VERIFY_ONLY,
	.parse = parse,
	.baseline = baseline,
	.check = check,
	.release = release,
};
