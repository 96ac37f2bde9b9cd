/* SPDX-License-Identifier: MIT */
/*
 * json - values of JSON documents changed in place, or expected to be there
 *
 * path (the first of a list that is there) or paths (patterns); select (a
 * JSONPath, "$"); edit (operations on each selected value); output (the result
 * goes there); expect_before and expect; count and count_change. What an
 * operation does not name keeps its bytes. See step-json.h. Or split (each
 * value to a file) and join (the reverse), see step-split.h.
 */
#include "step-json.h"
#include "step-split.h"
#include "steps.h"

static bool splits(const struct step *s)
{
	const struct json_step *m = s->priv;

	return m->split || m->join.n;
}

static int json_effects(const struct step *s, struct step_ctx *ctx,
			struct effects *out, struct error *err)
{
	return splits(s) ? step_split_effects(s->priv, ctx, out, err) :
		step_json_effects(s, ctx, out, err);
}

static int json_check(const struct step *s, struct step_ctx *ctx,
		      struct check_result *r, struct error *err)
{
	return splits(s) ? step_split_check(s->priv, ctx, r, err) :
		step_json_check(s, ctx, r, err);
}

static int json_preview(const struct step *s, struct step_ctx *ctx,
			struct preview *p, struct error *err)
{
	return splits(s) ? step_split_preview(s->priv, ctx, p, err) :
		step_json_preview(s, ctx, p, err);
}

static int json_probe(const struct step *s, struct step_ctx *ctx,
		      enum step_probe *ret, struct error *err)
{
	int p = PROBE_UNKNOWN, r;

	if (!splits(s))
		return step_json_probe(s, ctx, ret, err);
	r = step_split_probe(s->priv, ctx, &p, err);
	*ret = (enum step_probe)p;
	return r;
}

static int json_apply(const struct step *s, struct step_ctx *ctx,
		      struct error *err)
{
	return splits(s) ? step_split_apply(s->priv, ctx, err) :
		step_json_apply(s, ctx, err);
}

static int json_verify(const struct step *s, struct step_ctx *ctx,
		       struct error *err)
{
	return splits(s) ? step_split_verify(s->priv, ctx, err) :
		step_json_verify(s, ctx, err);
}

static int json_parse_step(struct step *s, struct plan_node *n)
{
	return step_json_parse(s, n, false);
}

const struct step_ops json_edit_ops = {
	.name = "json",
	.flags = STEP_EARLY,
	.parse = json_parse_step,
	.effects = json_effects,
	.check = json_check,
	.preview = json_preview,
	.probe = json_probe,
	.apply = json_apply,
	.verify = json_verify,
	.undo = step_json_undo,
	.redo = step_json_redo,
	.release = step_json_release,
};
