/* SPDX-License-Identifier: MIT */
/*
 * timing - does a command take as long as it did before? (check)
 *
 * run (argument list), runs (5), tolerance (1.10), floor (0.5 s). The median
 * of the runs is taken before anything changes and kept with the run. At the
 * end it fails only if the median is above tolerance times that and the
 * difference is above floor, in each of three series: a busy machine is no
 * finding. The first run warms the cache, which the backup has emptied, and
 * does not count.
 */
#include <errno.h>
#include <string.h>

#include "base/child.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "steps.h"

#define SERIES 3
#define RUN_TIMEOUT_S 600

struct timing_check {
	struct strvec argv;
	int64_t runs;
	double tolerance, floor_s;
};

static int timing_parse(struct step *s, struct plan_node *n)
{
	struct timing_check *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	m->runs = 5;
	m->tolerance = 1.10;
	m->floor_s = 0.5;
	(void)plan_node_argv(n, "run", true, &m->argv);
	(void)plan_node_int(n, "runs", false, 1, 1000, &m->runs);
	(void)plan_node_double(n, "tolerance", false, 1.0, &m->tolerance);
	(void)plan_node_duration(n, "floor", &m->floor_s);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int run_once(const struct timing_check *m, struct step_ctx *ctx,
		    double *ret_s, struct error *err)
{
	struct step_command cmd = {
		.argv = &m->argv, .timeout_s = RUN_TIMEOUT_S,
		.read_only = true,
	};
	struct child_result res;
	int ret = step_command(ctx, &cmd, &res, err);

	if (ret < 0)
		return ret;
	if (res.timed_out)
		return error_set(err, ERR_STEP_TIMEOUT, -ETIMEDOUT,
				 _("'%s' did not end within %d s"),
				 m->argv.v[0], RUN_TIMEOUT_S);
	if (res.signal)
		return error_set(err, ERR_STEP_COMMAND, -EPIPE,
				 _("'%s' was ended by signal %d (%s)"),
				 m->argv.v[0], res.signal,
				 strsignal(res.signal));
	if (res.exit_status)
		return error_set(err, ERR_STEP_COMMAND, -EPIPE,
				 _("'%s' ended with status %d"), m->argv.v[0],
				 res.exit_status);
	*ret_s = res.elapsed_s;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int median(const struct timing_check *m, struct step_ctx *ctx,
		  double *ret_s, struct error *err)
{
	size_t n = (size_t)m->runs;
	_cleanup_free_ double *t = xcalloc(n, sizeof(*t));

	for (size_t i = 0; i < n; i++) {
		int ret = run_once(m, ctx, &t[i], err);

		if (ret < 0)
			return ret;
	}
	qsort(t, n, sizeof(*t), by_value);
	*ret_s = n % 2 ? t[n / 2] : (t[n / 2 - 1] + t[n / 2]) / 2;
	return 0;
}

/* steps and checks may bear the same id */
static char *fact_key(const struct step *s)
{
	return xasprintf("timing:%s:%d", s->id, s->line);
}

static int timing_baseline(const struct step *s, struct step_ctx *ctx,
			   struct error *err)
{
	const struct timing_check *m = s->priv;
	_cleanup_free_ char *key = fact_key(s);
	double took;
	int ret;

	/* measured once: later there is no "before" any more */
	if (step_get_run_fact(ctx, key))
		return 0;
	ret = run_once(m, ctx, &took, err);
	if (ret >= 0)
		ret = median(m, ctx, &took, err);
	if (ret < 0)
		return ret;
	return step_set_run_fact(ctx, key, json_object_new_double(took), err);
}

static int timing_check(const struct step *s, struct step_ctx *ctx,
			struct check_result *r, struct error *err)
{
	const struct timing_check *m = s->priv;
	_cleanup_free_ char *key = fact_key(s);
	struct json_object *fact = step_get_run_fact(ctx, key);
	double before, took = 0;
	int ret = run_once(m, ctx, &took, err);

	if (ret < 0)
		return ret;
	if (!fact) {
		check_result_set(r, CHECK_WARN,
				 _("'%s' was not measured before the change"),
				 m->argv.v[0]);
		return 0;
	}
	before = json_object_get_double(fact);
	for (int i = 0; i < SERIES; i++) {
		ret = median(m, ctx, &took, err);
		if (ret < 0)
			return ret;
		if (took <= before * m->tolerance ||
		    took - before <= m->floor_s) {
			check_result_set(r, CHECK_OK,
					 _("%.3f s, before %.3f s"), took,
					 before);
			return 0;
		}
		strvec_pushf(&r->details, _("series %d of %d: median %.3f s, "
					    "before %.3f s"), i + 1, SERIES,
			     took, before);
	}
	check_result_set(r, CHECK_FAIL,
			 _("'%s' takes %.3f s, before %.3f s (at most %.3f s)"),
			 m->argv.v[0], took, before,
			 MAX(before * m->tolerance, before + m->floor_s));
	return 0;
}

static void timing_release(struct step *s)
{
	struct timing_check *m = s->priv;

	strvec_release(&m->argv);
	free(m);
}

const struct step_ops check_timing_ops = {
	.name = "timing",
	.flags = STEP_IS_CHECK | STEP_VERIFY_ONLY,
	.parse = timing_parse,
	.check = timing_check,
	.baseline = timing_baseline,
	.release = timing_release,
};
