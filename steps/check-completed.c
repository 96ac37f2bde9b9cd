/* SPDX-License-Identifier: MIT */
/*
 * completed - was this very plan carried through where it must be first? (check)
 *
 * environments: names in order; environment: which of them this is; record: a
 * completion record of the one before. For the first nothing is needed. Which
 * environment it was is a fact of the run, and stands in its own record.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "completion-check.h"
#include "steps.h"

#define RECORD_MAX (16u * 1024u * 1024u)

struct completed {
	struct strvec environments;
	char *environment, *record;
};

static int completed_parse(struct step *s, struct plan_node *n)
{
	struct completed *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	(void)plan_node_string(n, "environment", true, &m->environment);
	(void)plan_node_string(n, "record", true, &m->record);
	if (plan_node_list(n, "environments", true, &m->environments) &&
	    m->environments.n < 2)
		plan_node_problem(n, "environments",
				  _("there must be at least two"));
	return plan_node_failed(n) ? -EINVAL : 0;
}

/* the names, for a message */
static char *listed(const struct strvec *v)
{
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < v->n; i++)
		strbuf_addf(&out, "%s%s", i ? ", " : "", v->v[i]);
	return strbuf_detach(&out);
}

static int completed_check(const struct step *s, struct step_ctx *ctx,
			   struct check_result *r, struct error *err)
{
	const struct completed *m = s->priv;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *names = listed(&m->environments);
	_cleanup_free_ char *shown = escape_bytes(m->record);
	size_t at = 0;
	int ret;

	while (at < m->environments.n &&
	       strcmp(m->environments.v[at], m->environment))
		at++;
	if (at == m->environments.n) {
		if (*m->environment)
			check_result_set(r, CHECK_FAIL,
					 _("'%s' is none of %s"),
					 m->environment, names);
		else
			check_result_set(r, CHECK_FAIL,
					 _("nobody said which environment this "
					   "is: %s"), names);
		return 0;
	}
	ret = step_set_run_fact(ctx, "environment",
				json_object_new_string(m->environment), err);
	if (ret < 0)
		return ret;
	if (!at) {
		check_result_set(r, CHECK_OK, _("'%s' is the first environment"),
				 m->environment);
		return 0;
	}
	if (!*m->record) {
		check_result_set(r, CHECK_FAIL, _("there is no completion "
				 "record of '%s'"), m->environments.v[at - 1]);
		return 0;
	}
	ret = fs_read_file(*m->record == '/' ? AT_FDCWD : step_root_fd(ctx),
			   m->record, RECORD_MAX, &text);
	if (ret < 0) {
		check_result_set(r, CHECK_FAIL, _("cannot read '%s': %s"), shown,
				 strerror(-ret));
		return 0;
	}
	completion_check(text.buf, text.len, shown, step_plan(ctx),
			 m->environments.v[at - 1], r);
	return 0;
}

static void completed_release(struct step *s)
{
	struct completed *m = s->priv;

	if (!m)
		return;
	strvec_release(&m->environments);
	free(m->environment);
	free(m->record);
	free(m);
}

const struct step_ops check_completed_ops = {
	.name = "completed",
	.flags = STEP_IS_CHECK,
	.parse = completed_parse,
	.check = completed_check,
	.release = completed_release,
};
