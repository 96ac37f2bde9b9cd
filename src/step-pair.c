/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "step-files.h"
#include "step-pair.h"
#include "step.h"

int step_pair_parse(struct step *s, struct plan_node *n)
{
	struct step_pair *m = xcalloc(1, sizeof(*m));
	bool from, to;

	s->priv = m;
	/* both are asked for, or the other would be an unknown key */
	from = plan_node_path(n, "from", true, &m->from);
	to = plan_node_path(n, "to", true, &m->to);
	if (from && to &&
	    (path_is_below(m->to, m->from) || path_is_below(m->from, m->to)))
		plan_node_problem(n, "to",
			_("'from' and 'to' lie within each other"));
	return plan_node_failed(n) ? -EINVAL : 0;
}

void step_pair_release(struct step *s)
{
	struct step_pair *m = s->priv;

	if (!m)
		return;
	free(m->from);
	free(m->to);
	free(m);
	s->priv = NULL;
}

int step_pair_creates(const struct step *s, struct step_ctx *ctx,
		      struct effects *out, struct error *err)
{
	const struct step_pair *m = s->priv;

	effects_add(out, EFFECT_CREATE, 0, m->to);
	return ctx ? effects_add_parents(out, step_root_fd(ctx), m->to, err) :
		0;
}

int step_pair_check(const struct step *s, struct step_ctx *ctx,
		    struct check_result *r, struct error *err)
{
	const struct step_pair *m = s->priv;
	_cleanup_free_ char *from = escape_bytes(m->from);
	_cleanup_free_ char *to = escape_bytes(m->to);
	struct stat st;
	int ret = step_files_stat(ctx, m->from, &st, err);
	int taken = ret < 0 ? ret : step_files_stat(ctx, m->to, &st, err);

	if (taken < 0)
		return taken;
	if (!ret) {
		check_result_set(r, CHECK_FAIL, _("'%s' does not exist"),
				 from);
		r->code = ERR_STEP_MISSING;
	} else if (taken) {
		check_result_set(r, CHECK_FAIL, _("'%s' is there already"),
				 to);
		r->code = ERR_STEP_EXISTS;
	}
	return ret && !taken;
}
