/* SPDX-License-Identifier: MIT */
#include "check-documents.h"

#include <errno.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "check-paths.h"
#include "json-scan.h"

struct documents {
	struct step_ctx *c;
	struct check_result *r;
	const char *path;
	uint64_t faults;
};

static int on_fault(void *ctx, const struct json_place *at,
		    const char *reason)
{
	struct documents *d = ctx;
	_cleanup_free_ char *shown = escape_bytes(d->path);

	d->faults++;
	if (d->r->details.n < CHECK_DETAILS_MAX)
		strvec_pushf(&d->r->details, "%s:%llu:%llu: %s", shown,
			     (unsigned long long)at->line,
			     (unsigned long long)at->column, _(reason));
	return 0;
}

static int on_tick(void *ctx, uint64_t done)
{
	struct documents *d = ctx;

	(void)done;
	return step_cancelled(d->c) ? -ECANCELED : 0;
}

int check_documents(const struct step *s, struct step_ctx *c, bool lines,
		    struct check_result *r, struct error *err)
{
	static const struct json_check_ops ops = { on_fault, on_tick };
	_cleanup_strvec_ struct strvec files = STRVEC_INIT;
	struct documents d = { .c = c, .r = r };
	uint64_t documents = 0;
	int ret = check_paths_expand(s, c, true, &files, err);

	for (size_t i = 0; ret >= 0 && i < files.n; i++) {
		uint64_t n = 0;

		d.path = files.v[i];
		ret = json_check_faults(step_root_fd(c), d.path, lines, &ops,
					&d, &n, err);
		documents += n;
		step_progress(c, i + 1, files.n, "files");
	}
	if (ret == -ECANCELED)
		return error_set(err, ERR_CANCELLED, ret,
				 _("stopped by the user"));
	if (ret < 0)
		return ret;
	if (d.faults) {
		check_result_set(r, CHECK_FAIL, ngettext(
			"%llu fault in %zu files: %s",
			"%llu faults in %zu files: %s", d.faults),
			(unsigned long long)d.faults, files.n,
			r->details.v[0]);
		r->code = ERR_JSON;
	} else {
		check_result_set(r, CHECK_OK, ngettext(
			"%llu document in %zu files is well-formed",
			"%llu documents in %zu files are well-formed",
			documents), (unsigned long long)documents, files.n);
	}
	return 0;
}
