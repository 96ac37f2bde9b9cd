/* SPDX-License-Identifier: MIT */
/* A first plan for authors. */
#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "command.h"
#include "plan-draft.h"
#include "store.h"
#include "store-url.h"
#include "text.h"

static int exec_new(const struct options *o,
		    const struct step_ops *const *kinds)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_store_ struct store *s = NULL;
	int r;

	(void)kinds; /* no plan is read */
	if (!o->from) {
		(void)error_set(&err, ERR_USAGE, 0, _("--from URL is missing"));
		error_hint(&err, "upshift new --from URL");
		say_error(&err);
		return 64;
	}
	r = store_url_open(o->from, &s, &err);
	if (r >= 0)
		r = plan_draft(s, o->from, &text, &err);
	if (r < 0) {
		say_error(&err);
		return error_code_exit(err.code) == 2 ? 1 :
		       error_code_exit(err.code);
	}
	/* out_line() ends it */
	strbuf_set_len(&text, text.len - 1);
	return out_line(text.buf) ? 0 : 73;
}

const struct command cmd_new = {
	.name = "new",
	.usage = "--from URL",
	.summary = N_("writes a first plan from a database"),
	.max_args = 0,
	.exec = exec_new,
};
