/* SPDX-License-Identifier: MIT */
#include "check-documents.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/walk.h"
#include "base/xalloc.h"
#include "check-paths.h"
#include "json-scan.h"
#include "plan.h"
#include "step.h"

/* of what is no fault a few examples do */
#define NOTES_MAX 5u

struct documents {
	struct step_ctx *c;
	struct check_result *r;
	bool lines;
	struct strvec files;
	const char *file;
	bool live;
	uint64_t faults, count, noted;
	struct strvec notes;
};

/* --- which files --- */

static int add_below(void *ctx, const struct walk_entry *we,
		     struct error *err)
{
	struct documents *d = ctx;

	(void)err;
	if (ours_has(step_ours(d->c), we->path))
		return WALK_SKIP;
	if (S_ISREG(we->st.st_mode))
		strvec_push(&d->files, we->path);
	return 0;
}

static void add_fault(struct documents *d, const char *fmt, ...)
	_printf_(2, 3);

static void add_fault(struct documents *d, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	va_list ap;

	if (d->faults++ >= CHECK_DETAILS_MAX)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	strvec_push(&d->r->details, text.buf);
}

static int add_match(struct documents *d, const char *path, bool named,
		     struct error *err)
{
	_cleanup_free_ char *shown = escape_bytes(path);
	struct stat st;
	int ret = fs_stat_beneath(step_root_fd(d->c), path, &st);

	/* gone since the directory was read: a running application's */
	if (ret == -ENOENT && !named)
		return 0;
	if (ret < 0)
		return error_errno(err, ERR_IO, ret, _("cannot look at '%s'"),
				   shown);
	if (S_ISREG(st.st_mode))
		strvec_push(&d->files, path);
	else if (S_ISDIR(st.st_mode))
		return walk_tree(step_root_fd(d->c), path, WALK_NO_OPEN,
				 add_below, d, err);
	else if (named)
		add_fault(d, S_ISLNK(st.st_mode) ?
			  _("%s: is a symbolic link; name the file itself") :
			  _("%s: is not a regular file"), shown);
	return 0;
}

static int find_files(struct documents *d, const char *pattern,
		      struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	bool named = !glob_has_magic(pattern);
	int ret = glob_expand(step_root_fd(d->c), pattern, step_ours(d->c),
			      &found, err);

	if (ret < 0)
		return ret;
	if (named && !found.n) {
		_cleanup_free_ char *shown = escape_bytes(pattern);

		add_fault(d, _("%s: is not there"), shown);
	}
	for (size_t i = 0; i < found.n && ret >= 0; i++)
		ret = add_match(d, found.v[i], named, err);
	return ret;
}

/* --- what is in them --- */

static int on_fault(void *ctx, const struct json_place *at,
		    const char *reason, bool torn)
{
	struct documents *d = ctx;
	_cleanup_free_ char *shown = NULL;

	if (torn && d->live)
		return 0;
	shown = escape_bytes(d->file);
	add_fault(d, "%s:%llu:%llu: %s", shown, (unsigned long long)at->line,
		  (unsigned long long)at->column, _(reason));
	return 0;
}

static void on_note(void *ctx, const struct json_place *at, const char *what)
{
	struct documents *d = ctx;
	_cleanup_free_ char *shown = NULL;

	if (d->noted++ >= NOTES_MAX)
		return;
	shown = escape_bytes(d->file);
	strvec_pushf(&d->notes, "%s:%llu:%llu: %s", shown,
		     (unsigned long long)at->line,
		     (unsigned long long)at->column, _(what));
}

static int on_tick(void *ctx, uint64_t done)
{
	struct documents *d = ctx;

	(void)done; /* progress is told in files */
	return step_cancelled(d->c) ? -ECANCELED : 0;
}

static const struct json_check_ops ops = {
	.fault = on_fault,
	.tick = on_tick,
	.note = on_note,
};

static int check_file(struct documents *d, const char *path)
{
	const struct plan *plan = step_plan(d->c);
	struct error why = ERROR_INIT;
	uint64_t n = 0;
	int ret;

	d->file = path;
	d->live = plan && glob_match_any(&plan->live, path);
	ret = json_check_faults(step_root_fd(d->c), path, d->lines, &ops, d,
				&n, &why);
	d->count += n;
	if (ret < 0 && ret != -ECANCELED && ret != -ENOENT)
		add_fault(d, "%s", why.msg);
	error_release(&why);
	return ret == -ECANCELED ? ret : 0;
}

static int check_files(struct documents *d, struct error *err)
{
	for (size_t i = 0; i < d->files.n; i++) {
		if (step_cancelled(d->c) ||
		    check_file(d, d->files.v[i]) == -ECANCELED)
			return error_set(err, ERR_CANCELLED, -ECANCELED,
					 _("stopped by the user"));
		step_progress(d->c, i + 1, d->files.n, "files");
	}
	return 0;
}

static void say_well_formed(const struct documents *d)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	unsigned long long n = d->count;
	_cleanup_free_ char *count = d->lines ?
		xasprintf(ngettext("%llu record", "%llu records", n), n) :
		xasprintf(ngettext("%llu document", "%llu documents", n), n);
	_cleanup_free_ char *files = xasprintf(ngettext("%zu file", "%zu files",
		d->files.n), d->files.n);

	/* TRANSLATORS: "10 documents" and "2 files" */
	strbuf_addf(&text, _("%s in %s, well-formed"), count, files);
	if (d->noted)
		/* TRANSLATORS: a name twice, a number with too many digits */
		strbuf_addf(&text, ngettext(
			"; %llu place that programs read differently",
			"; %llu places that programs read differently",
			d->noted), (unsigned long long)d->noted);
	check_result_set(d->r, CHECK_OK, "%s", text.buf);
}

static void more(struct check_result *r, uint64_t n, uint64_t shown)
{
	if (n > shown)
		strvec_pushf(&r->details, _("and %llu more"),
			     (unsigned long long)(n - shown));
}

static void conclude(struct documents *d)
{
	struct check_result *r = d->r;

	more(r, d->faults, CHECK_DETAILS_MAX);
	if (d->faults) {
		check_result_set(r, CHECK_FAIL, ngettext(
			"%llu fault in %zu files: %s",
			"%llu faults in %zu files: %s", d->faults),
			(unsigned long long)d->faults, d->files.n,
			r->details.v[0]);
		r->code = ERR_JSON;
	} else if (!d->files.n) {
		check_result_set(r, CHECK_OK, _("no file matches"));
	} else {
		say_well_formed(d);
	}
	for (size_t i = 0; i < d->notes.n; i++)
		strvec_push(&r->details, d->notes.v[i]);
	more(r, d->noted, NOTES_MAX);
}

int check_documents(struct step_ctx *c, const struct strvec *paths, bool lines,
		    struct check_result *r, struct error *err)
{
	struct documents d = { .c = c, .r = r, .lines = lines };
	int ret = 0;

	for (size_t i = 0; i < paths->n && ret >= 0; i++)
		ret = find_files(&d, paths->v[i], err);
	strvec_sort_paths(&d.files);
	if (ret >= 0)
		ret = check_files(&d, err);
	if (ret >= 0)
		conclude(&d);
	strvec_release(&d.files);
	strvec_release(&d.notes);
	return ret;
}
