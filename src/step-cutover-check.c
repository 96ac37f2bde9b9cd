/* SPDX-License-Identifier: MIT */
/* What is asked while nobody writes, and how long that may take. */
#include <errno.h>
#include <string.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "plan.h"
#include "step-compare.h"
#include "step-cutover-internal.h"
#include "step-live.h"
#include "store.h"

int cutover_command(struct step_ctx *ctx, const struct strvec *argv,
		   double timeout_s, struct error *err)
{
	_cleanup_strbuf_ struct strbuf tail = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct child_result res;
	struct step_command cmd = { .argv = argv, .timeout_s = timeout_s,
				    .tail = &tail };
	_cleanup_free_ char *prog = NULL;
	int ret;

	if (!argv->n)
		return 0;
	ret = step_command(ctx, &cmd, &res, err);
	if (ret < 0 || (!res.timed_out && res.exit_status == 0))
		return MIN(ret, 0);
	prog = escape_bytes(argv->v[0]);
	while (tail.len && tail.buf[tail.len - 1] == '\n')
		strbuf_set_len(&tail, tail.len - 1);
	if (tail.len)
		strbuf_addstr(&text, ": ");
	strbuf_add_escaped(&text, tail.buf, tail.len);
	if (res.timed_out)
		return error_set(err, ERR_STEP_TIMEOUT, -ETIMEDOUT,
			_("'%s' did not end within %g seconds%s"), prog,
			timeout_s, text.buf);
	return error_set(err, ERR_STEP_COMMAND, -ECHILD,
			 _("'%s' ended with status %d%s"), prog,
			 res.exit_status, text.buf);
}

static int one_cell(struct step_ctx *ctx, const struct plan_set *q,
		    char **ret, struct error *err)
{
	_cleanup_store_ struct store *s = NULL;
	int r = step_store(ctx, q->store->name, true, &s, err);

	return r < 0 ? r : step_sql_cell(s, q->set, NULL, ret, err);
}

static int compare(const struct cutover *c, struct step_ctx *ctx,
		   struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i + 1 < c->equal_n; i += 2) {
		_cleanup_free_ char *a = NULL, *b = NULL;

		ret = one_cell(ctx, &c->equal[i], &a, err);
		if (ret == 0)
			ret = one_cell(ctx, &c->equal[i + 1], &b, err);
		if (ret == 0 && strcmp(a ? a : "NULL", b ? b : "NULL") != 0)
			ret = error_set(err, ERR_STEP_VERIFY, -EBADMSG,
				_("'%s' gave '%s', '%s' gave '%s'"),
				c->equal[i].set, a ? a : "NULL",
				c->equal[i + 1].set, b ? b : "NULL");
	}
	return ret;
}

static int compare_copies(const struct step *s, struct step_ctx *ctx,
			  struct check_result *r, struct error *err)
{
	const struct cutover *c = s->priv;
	struct step_compare compare = { .copies = c->copies,
					.level = c->level, .pause_s = -1 };
	struct step as_check = *s;

	as_check.priv = &compare;
	return step_compare_check(&as_check, ctx, r, err);
}

void cutover_tell_since(const struct step *s, struct step_ctx *ctx)
{
	const struct cutover *c = s->priv;
	struct check_result r;

	if (!c->copies.n)
		return;
	check_result_init(&r);
	if (compare_copies(s, ctx, &r, NULL) >= 0 && r.state == CHECK_FAIL)
		step_warn(ctx, _("what was written since the cutover is in the "
				 "new tables alone: %s"), r.message.buf);
	check_result_release(&r);
}

/* what was copied is the same on both sides */
static int same(const struct step *s, struct step_ctx *ctx, struct error *err)
{
	const struct cutover *c = s->priv;
	struct check_result r;
	int ret;

	if (!c->copies.n)
		return 0;
	check_result_init(&r);
	ret = compare_copies(s, ctx, &r, err);
	for (size_t i = 0; ret >= 0 && i < r.details.n; i++)
		step_log(ctx, "note", r.details.v[i], strlen(r.details.v[i]));
	if (ret >= 0 && r.state == CHECK_FAIL)
		ret = error_set(err, ERR_STEP_VERIFY, -EBADMSG, "%s",
				r.message.buf);
	check_result_release(&r);
	return MIN(ret, 0);
}

/* the same in the words of who waits: the writers */
int cutover_too_long(const struct cutover *c, struct step_ctx *ctx, int ret,
		    struct error *err)
{
	if (ret >= 0 || !step_late(ctx) || store_class(ret) !=
					   STORE_CLASS_CANCELLED)
		return ret;
	if (err)
		error_release(err);
	return error_set(err, ERR_STEP_TIMEOUT, -ETIMEDOUT,
			 _("writers would be held up for more than %g seconds"),
			 c->max_stall_s);
}

/* a command ends by itself in time: it is told by its name then */
int cutover_in_time(const struct cutover *c, struct step_ctx *ctx,
		   const struct strvec *argv, uint64_t until,
		   struct error *err)
{
	uint64_t now = clock_mono_ns();
	int ret;

	if (!argv->n)
		return 0;
	if (now >= until)
		return cutover_too_long(c, ctx, -ECANCELED, err);
	step_deadline(ctx, 0);
	ret = cutover_command(ctx, argv, (double)(until - now) / 1e9, err);
	step_deadline(ctx, until);
	return ret;
}

uint64_t cutover_until(const struct cutover *c, uint64_t since)
{
	return since + (uint64_t)(MIN(c->max_stall_s, 1e9) * 1e9);
}

int cutover_check_all(const struct step *s, struct step_ctx *ctx,
		      uint64_t until, struct error *err)
{
	const struct cutover *c = s->priv;
	int ret = cutover_in_time(c, ctx, &c->drain, until, err);

	if (ret == 0)
		ret = step_live_drain(s, ctx, &c->copies, true, err);
	if (ret == 0)
		ret = compare(c, ctx, err);
	if (ret == 0)
		ret = same(s, ctx, err);
	if (ret == 0)
		ret = cutover_in_time(c, ctx, &c->verify, until, err);
	if (ret == 0 && step_cancelled(ctx))
		ret = error_set(err, ERR_CANCELLED, -ECANCELED,
				_("cancelled"));
	return ret;
}
